/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_cfg: how the machine tells its firmware what it is (QEMU's docs/specs/fw_cfg.rst). Items are numbered; those from
 * 0x20 on have names and are listed in a directory. Boards and devices add items while the machine is built; contents
 * may change later. All under the VM lock.
 */
#ifndef HW_I386_FW_CFG_H
#define HW_I386_FW_CFG_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

typedef struct FwCfg FwCfg;

enum { /* keys without a name */
       FW_CFG_SIGNATURE = 0x00,
       FW_CFG_ID = 0x01,
       FW_CFG_UUID = 0x02,
       FW_CFG_RAM_SIZE = 0x03,
       FW_CFG_NOGRAPHIC = 0x04,
       FW_CFG_NB_CPUS = 0x05,
       FW_CFG_MACHINE_ID = 0x06,
       FW_CFG_KERNEL_ADDR = 0x07,
       FW_CFG_KERNEL_SIZE = 0x08,
       FW_CFG_KERNEL_CMDLINE = 0x09,
       FW_CFG_INITRD_ADDR = 0x0a,
       FW_CFG_INITRD_SIZE = 0x0b,
       FW_CFG_BOOT_DEVICE = 0x0c,
       FW_CFG_NUMA = 0x0d,
       FW_CFG_BOOT_MENU = 0x0e,
       FW_CFG_MAX_CPUS = 0x0f,
       FW_CFG_KERNEL_ENTRY = 0x10,
       FW_CFG_KERNEL_DATA = 0x11,
       FW_CFG_INITRD_DATA = 0x12,
       FW_CFG_CMDLINE_ADDR = 0x13,
       FW_CFG_CMDLINE_SIZE = 0x14,
       FW_CFG_CMDLINE_DATA = 0x15,
       FW_CFG_SETUP_ADDR = 0x16,
       FW_CFG_SETUP_SIZE = 0x17,
       FW_CFG_SETUP_DATA = 0x18,
       FW_CFG_FILE_DIR = 0x19,
       FW_CFG_FILE_FIRST = 0x20,
       FW_CFG_ACPI_TABLES = 0x8000,
       FW_CFG_SMBIOS_ENTRIES = 0x8001,
       FW_CFG_IRQ0_OVERRIDE = 0x8002,
       FW_CFG_E820_TABLE = 0x8003,
       FW_CFG_HPET = 0x8004,
};

/* Items by key: data is copied; adding a key again replaces it. */
void fw_cfg_add_bytes(FwCfg *f, uint16_t key, const void *data, size_t len);
/* len bytes of a regular file from off on; they are read when the guest reads them, at each reset anew. What the file
 * has lost by then is zeroes, and the user is told. Takes fd over; path is for that message. */
void fw_cfg_add_from_file(FwCfg *f, uint16_t key, int fd, uint64_t off, size_t len, const char *path);
void fw_cfg_add_string(FwCfg *f, uint16_t key, const char *s); /* with its NUL */
void fw_cfg_add_u16(FwCfg *f, uint16_t key, uint16_t v);       /* little endian */
void fw_cfg_add_u32(FwCfg *f, uint16_t key, uint32_t v);
void fw_cfg_add_u64(FwCfg *f, uint16_t key, uint64_t v);

/* Files; the name has at most 55 bytes. data is copied; NULL: zeroes. Replaces a file of that name, keeping its key.
 * False: no slot is free. */
bool fw_cfg_add_file(FwCfg *f, const char *name, const void *data, size_t len, Error **errp);
/* on_select: before the guest reads (may call fw_cfg_add_file on it); writable: the guest may change the bytes,
 * on_write hears of it. Both may be NULL. The item's bytes: fw_cfg_file_data(). */
typedef void FwCfgSelectFn(void *opaque);
typedef void FwCfgWriteFn(void *opaque, size_t off, size_t len);
bool fw_cfg_add_file_callback(FwCfg *f, const char *name, const void *data, size_t len, FwCfgSelectFn *on_select,
                              FwCfgWriteFn *on_write, void *opaque, bool writable, Error **errp);
void *fw_cfg_file_data(FwCfg *f, const char *name, size_t *len); /* NULL: no such file */
/* The name of the file number i, by name; NULL: there are no more. */
const char *fw_cfg_file_at(const FwCfg *f, unsigned i, size_t *len);

/* -fw_cfg [name=]NAME,file=PATH|string=TEXT: remembered before the machine is built, added when fw_cfg is. opts: an
 * object of strings. */
bool fw_cfg_option_add(const Json *opts, Error **errp);
bool fw_cfg_options_apply(FwCfg *f, Error **errp);

/* A device with a boot index tells its firmware path; sorted into "bootorder" when the machine is done, and at each
 * change. */
void bootorder_update(FwCfg *f);
/* As a device with that index would (option ROMs), which is claimed. */
void bootorder_add_path(int32_t bootindex, const char *path);

/* RAM and reserved areas that the firmware's map has beside what it finds: etc/e820 and the RAM layout. */
enum { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3, E820_NVS = 4, E820_UNUSABLE = 5 };
void e820_add(uint64_t addr, uint64_t len, uint32_t type);
bool e820_publish(FwCfg *f, Error **errp); /* as it is now */
size_t e820_count(void);
bool e820_get(size_t i, uint32_t type, uint64_t *addr, uint64_t *len);

#endif
