/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU registers that the ACPI tables read (QEMU's docs/specs/acpi_cpu_hotplug.rst). From reset on the block is a
 * bitmap of the CPUs that are there, by APIC id; a write of zero to the selector, by the tables' _INI, makes it a
 * register block:
 *
 *    0 selector (write, 32 bits); the upper half of an APIC id (read)    5 command (write)
 *    4 flags: 0 CPU is there, 1 it came, 2 it shall go                   8 the command's data (32 bits)
 *
 * Commands: 0 data is the selected CPU; the next one with an event is selected, if any. 1, 2 data is _OST's event,
 * status. 3 data is the APIC id. CPUs neither come nor go yet: no event is ever set, and an eject says so.
 */
#include "hw/acpi/acpi.h"
#include "hw/core/machine.h"
#include "hw/i386/pc.h"
#include "softmmu/vcpus.h"

enum { R_SELECT = 0, R_FLAGS = 4, R_COMMAND = 5, R_DATA = 8, SIZE = 32 };
enum { FLAG_ENABLED = 1, FLAG_INSERT = 2, FLAG_REMOVE = 4, FLAG_EJECT = 8 };
enum { CMD_NEXT, CMD_OST_EVENT, CMD_OST_STATUS, CMD_ARCH_ID, COMMANDS };

static bool present(const AcpiCpuHotplug *s)
{
    return s->selector < vcpu_count && vcpus[s->selector];
}

static uint64_t cpu_read(void *opaque, uint64_t off, unsigned size)
{
    AcpiCpuHotplug *s = opaque;
    if (!s->modern) {
        uint32_t bits = 0;
        X86CPU *c;
        FOREACH_VCPU (c) {
            if (c->apic_id / 8 >= off && c->apic_id / 8 < off + size)
                bits |= 1u << (c->apic_id - off * 8);
        }
        return bits;
    }
    if (s->selector >= s->cpus)
        return 0;
    if (off == R_FLAGS)
        return (present(s) ? FLAG_ENABLED : 0) | (s->devs[s->selector].inserting ? FLAG_INSERT : 0) |
               (s->devs[s->selector].removing ? FLAG_REMOVE : 0);
    if (off == R_DATA && s->command == CMD_NEXT)
        return s->selector;
    if (off == R_DATA && s->command == CMD_ARCH_ID)
        return pc_apic_id(&machine->smp, s->selector);
    return 0;
}

static void command(AcpiCpuHotplug *s, uint8_t cmd)
{
    if (cmd >= COMMANDS)
        return;
    s->command = cmd;
    for (unsigned i = 0; cmd == CMD_NEXT && i < s->cpus; i++) { /* from the selected one on, round about */
        unsigned n = (s->selector + i) % s->cpus;
        if (s->devs[n].inserting || s->devs[n].removing) {
            s->selector = n;
            return;
        }
    }
}

static void cpu_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    AcpiCpuHotplug *s = opaque;
    if (!s->modern) {
        if (off == R_SELECT && size == 4 && !val)
            s->modern = true;
        return;
    }
    if (off == R_SELECT) {
        s->selector = val;
        return;
    }
    if (s->selector >= s->cpus)
        return;
    struct AcpiCpuDev *d = &s->devs[s->selector];
    if (off == R_FLAGS) {
        if (val & FLAG_INSERT)
            d->inserting = false;
        if (val & FLAG_REMOVE)
            d->removing = false;
        if (val & FLAG_EJECT)
            guest_unimp(s->dev, "eject of CPU %u: CPUs cannot be unplugged yet", s->selector);
    } else if (off == R_COMMAND) {
        command(s, val);
    } else if (off == R_DATA && s->command == CMD_OST_EVENT) {
        d->ost_event = val;
    } else if (off == R_DATA && s->command == CMD_OST_STATUS) {
        d->ost_status = val;
    }
}

static const IoOps cpu_ops = {cpu_read, cpu_write, .min = 1, .max = 4};

static const VmState dev_vmstate = {
    .name = "CPU hotplug device state",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_BOOL(struct AcpiCpuDev, inserting),
                                VM_BOOL(struct AcpiCpuDev, removing),
                                VM_U32(struct AcpiCpuDev, ost_event),
                                VM_U32(struct AcpiCpuDev, ost_status),
                                {}},
};

const VmState acpi_cpuhp_vmstate = {
    .name = "CPU hotplug state",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U32(AcpiCpuHotplug, selector),
                                VM_U8(AcpiCpuHotplug, command),
                                {.name = "devs",
                                 .kind = VM_VSTRUCT,
                                 .offset = offsetof(AcpiCpuHotplug, devs),
                                 .size = sizeof(struct AcpiCpuDev),
                                 .num = ACPI_CPUS_MAX,
                                 .count_offset = offsetof(AcpiCpuHotplug, cpus),
                                 .vmsd = &dev_vmstate},
                                {}},
};

void acpi_cpuhp_init(AcpiCpuHotplug *s, Device *dev, uint16_t base)
{
    s->dev = dev;
    s->cpus = machine && machine->smp.max_cpus ? MIN(machine->smp.max_cpus, ARRAY_SIZE(s->devs)) : 1;
    region_init_io(&s->io, dev, &cpu_ops, s, "acpi-cpu-hotplug", SIZE);
    region_add(&system_io, base, &s->io);
}

void acpi_cpuhp_reset(AcpiCpuHotplug *s)
{
    s->modern = false;
    s->selector = s->command = 0;
    memset(s->devs, 0, sizeof(s->devs));
}
