/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The empty machine: no devices, RAM only where -m asks for it; for probing the binary. -cpu MODEL gives it one CPU that never runs. */
#include "hw/core/machine.h"
#include "target/i386/cpu.h"

static bool none_init(Machine *m, Error **errp)
{
    if (m->kernel)
        return error_set(errp, "-kernel: the -kernel parameter is not supported by machine 'none' (use the generic 'loader' device "
                               "or another machine)");
    if (m->ram_size_given || m->memdev) {
        if (!machine_init_ram(m, errp))
            return false;
        region_add(&system_memory, 0, &m->ram);
    }
    return !m->cpu_model || cpus_create(errp);
}

const MachineDesc machine_none = {
    .name = "none", .summary = "empty machine", .max_cpus = 1, .default_ram = 0, .default_ram_id = "ram", .size = sizeof(Machine),
    .no_serial = true, .no_parallel = true, .no_floppy = true, .no_cdrom = true, .no_vga = true, .init = none_init,
};
