/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machines: const descriptors in hw/machines.c, and the one instance. */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

typedef struct Machine Machine;
typedef struct MachineDesc {
    const char *name;    /* "pc-i440fx-8.2" */
    const char *alias;   /* "pc" */
    const char *summary; /* `-machine help` */
    const char *family;
    bool is_default, deprecated;
    unsigned max_cpus;
    const char *default_cpu; /* CPU model name */
    uint64_t default_ram;    /* bytes */
    const char *default_ram_id; /* "pc.ram"; NULL: no RAM */
    bool hotpluggable_cpus, numa_mem, acpi;
    bool no_serial, no_parallel, no_floppy, no_cdrom, no_vga;
    const char *default_display; /* -vga's default */
    const char *default_nic; /* the card of -nic and -net nic without a model */
    const Prop *props;       /* beyond the common ones; offsets from the Machine */
    const CompatProp *const *compat; /* NULL-ended, oldest last */
    size_t size;             /* of the machine's struct, which begins with Machine */
    bool (*init)(Machine *m, Error **errp);
    void (*reset)(Machine *m); /* NULL: devices_reset_all() */
} MachineDesc;

typedef struct SmpConfig {
    unsigned cpus, max_cpus, sockets, dies, clusters, cores, threads;
} SmpConfig;

struct Machine {
    const MachineDesc *desc;
    /* set from the command line before init */
    uint64_t ram_size, max_ram_size;
    uint32_t ram_slots;
    SmpConfig smp;
    char *cpu_model; /* "qemu64,+vmx" whole text of -cpu */
    char *kernel, *initrd, *append, *bios, *dtb, *shim;
    char *boot_order, *boot_once;
    bool boot_menu, boot_strict;
    char *splash;
    int32_t splash_time, reboot_timeout; /* ms; -1: not given */
    char *memdev;   /* memory-backend= */
    char *mem_path; bool mem_prealloc;
    bool usb, graphics, dump_guest_core, mem_merge, suppress_vmdesc;
    char *firmware, *kernel_irqchip;
    uint8_t uuid[16]; bool uuid_set;
    char *name;
    /* back ends that the board's own devices get; NULL: that device is not made */
    struct Chardev *serials[4], *parallels[3];
    const char *vga; /* -vga's word: "std"; NULL: the machine's default, "none" */
    bool no_defaults, ram_size_given;
    /* made by init */
    RamBlock *ram_block;
    MemoryRegion ram; /* the machine's RAM as one region: boards alias it */
    struct FwCfg *fw_cfg;
    Json *given; /* -machine options as the user wrote them */
};
extern const MachineDesc *const machine_table[]; /* NULL-ended */
extern Machine *machine;                         /* the one; NULL before -machine is settled */
extern const Prop machine_common_props[];
const MachineDesc *machine_find_desc(const char *name_or_alias);
Machine *machine_new(const MachineDesc *desc); /* defaults stored; becomes `machine` */
/* -machine NAME=VALUE ('_' is taken for '-'); text: from a command line. The error names what is known. */
bool machine_set(Machine *m, const char *typed, const Json *val, bool text, Error **errp);
void machine_help(void);                        /* -machine help, to stdout */
void machine_props_help(const MachineDesc *d);  /* -machine NAME,help */
/* -smp: opts as keyval text values; NULL: not given. Fills m->smp. */
bool machine_set_smp(Machine *m, const Json *opts, Error **errp);
/* -m: "size", "slots", "maxmem". */
bool machine_set_memory(Machine *m, const Json *opts, Error **errp);
/* -boot: order, once, menu, splash, splash-time, reboot-timeout, strict. */
bool machine_set_boot(Machine *m, const Json *opts, Error **errp);
/* Makes machine->ram from memdev, mem-path or anonymous memory. */
bool machine_init_ram(Machine *m, Error **errp);

#endif
