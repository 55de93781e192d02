/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firmware files, option ROMs and kernels: found, checked, put in memory. */
#ifndef HW_I386_LOADER_H
#define HW_I386_LOADER_H

#include "hw/core/machine.h"
#include "softmmu/memory.h"

/* -L DIR: searched before the built-in directories, in the order given. */
void firmware_add_dir(const char *dir);
void firmware_print_dirs(void); /* -L help, to stdout */
/* The path of a file by name (a path with '/' that exists is taken as it is); NULL: nowhere. The caller frees it. */
char *firmware_find(const char *name);
/* The whole file; what: "option ROM", "-bios" for the message. Refuses an empty file and one above max bytes. */
uint8_t *firmware_load(const char *name, const char *what, size_t max, size_t *len, Error **errp);
/* The same into a ROM of the board's, which it makes as large as the file; that must be a multiple of so many bytes. */
bool firmware_load_rom(MemoryRegion *r, const char *region_name, const char *name, const char *what, size_t max,
                       size_t multiple, Error **errp);

/* A ROM image for the firmware: a file genroms/NAME of fw_cfg, with a place in the boot order (-1: none). */
bool option_rom_add(struct FwCfg *fw, const char *name, const uint8_t *data, size_t len, int32_t bootindex,
                    Error **errp);
/* -option-rom FILE[,bootindex=N] remembered before the machine is built. */
bool option_rom_option_add(const Json *opts, Error **errp);
bool option_roms_apply(struct FwCfg *fw, Error **errp);

/* What stands in memory from the start, or a boot ROM puts there: for roms_print(). */
void rom_record(const char *name, uint64_t addr, uint64_t size, bool ram);
/* `info roms`: option ROMs in fw_cfg, what was recorded, by address, and the tables in fw_cfg. */
void roms_print(const struct FwCfg *fw, GString *out);

/* -kernel, -initrd, -append: by fw_cfg keys and a boot ROM. m->kernel is set. */
bool kernel_load(Machine *m, struct FwCfg *fw, uint64_t below_4g, Error **errp);

#endif
