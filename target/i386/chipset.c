/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the chipset does to the CPUs: the A20 gate, system management memory, the SMI pin, IGNNE#. See cpu.h. */
#include "accel/accel.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"

AddressSpace *cpu_smm_space, *cpu_apic_space;

void cpu_set_a20(bool open)
{
    uint64_t mask = open ? CPU_A20_OPEN : CPU_A20_CLOSED;
    X86CPU *c;

    ASSERT_VM_LOCKED();
    FOREACH_VCPU (c) {
        if (c->a20_mask == mask)
            continue;
        __atomic_store_n(&c->a20_mask, mask, __ATOMIC_RELEASE);
        if (accel && accel->has_a20)
            cpu_interrupt(c, CPU_INTERRUPT_A20);
    }
}

static void a20_line_set(void *opaque, unsigned n, int level)
{
    cpu_set_a20(level);
}

Irq *cpu_a20_line(void)
{
    static Irq line = {a20_line_set, NULL, 0};
    return &line;
}

static void smi_line_set(void *opaque, unsigned n, int level)
{
    if (level && vcpus[0])
        cpu_interrupt(vcpus[0], CPU_INTERRUPT_SMI);
}

Irq *cpu_smi_line(void)
{
    static Irq line = {smi_line_set, NULL, 0};
    return &line;
}

void cpu_smm_init(MemoryRegion *smram)
{
    static MemoryRegion root, memory, over;
    static AddressSpace space;

    assert(!cpu_smm_space);
    region_init_container(&root, NULL, "memory", (unsigned __int128)1 << 64);
    region_init_alias(&memory, NULL, "memory", &system_memory, 0, UINT64_MAX);
    memory.size = (unsigned __int128)1 << 64;
    region_init_alias(&over, NULL, "smram", smram, 0, region_size(smram));
    region_add(&root, 0, &memory);
    region_add_overlap(&root, 0, &over, 1);
    as_init(&space, &root, "cpu-smm");
    cpu_smm_space = &space;
}

Irq *cpu_ferr_line;

void cpu_ignne(void)
{
    X86CPU *c;

    ASSERT_VM_LOCKED();
    FOREACH_VCPU (c) {
        __atomic_store_n(&c->ignne, true, __ATOMIC_RELEASE);
    }
}
