/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translated code and the memory that it was made from: a block of RAM that leaves the memory map takes its code along.
 */
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/map.h"
#include "accel/tcg/vec.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/vcpus.h"
#include "util/rcu.h"

enum { AT = 0x1000, SIZE = 0x10000, ELSEWHERE = 0x100000 };

static X86CPU *cpu;

static void init(void)
{
    static const MachineDesc desc = {.name = "test", .max_cpus = 1};
    static Machine m = {.desc = &desc, .smp = {1, 1, 1, 1, 1, 1, 1}};

    machine = &m;
    rcu_thread_register();
    mainloop_init();
    clock_init();
    memory_init();
    accel = &accel_tcg;
    tcg_map_init();
    g_assert_true(tcg_vec_init(NULL));
    cpu = X86_CPU(device_new(&x86_cpu_desc));
    cpu_reset(cpu);
    TCG(cpu)->delivering = -1;
    tcg_mem_init(cpu);
    g_assert_true(tcg_vec_cpu_init(cpu, NULL));
    g_assert_true(jit_init(NULL) && jit_cpu_init(cpu, NULL));
    current_cpu = vcpus[0] = cpu;
    vcpu_count = 1;
}

/* mov $value, %ax; jmp to itself: real mode. */
static void put_code(MemoryRegion *r, uint16_t value)
{
    memcpy((uint8_t *)region_ram_ptr(r) + AT, (uint8_t[]){0xb8, value & 255, value >> 8, 0xeb, 0xfe}, 5);
}

/* AX after the code at AT. */
static uint16_t run(void)
{
    TcgCpu *t = TCG(cpu);

    cpu->seg[SEG_CS] = (SegReg){.limit = 0xffff, .flags = DESC_P | DESC_S | 0xb << DESC_TYPE_SHIFT};
    cpu->rip = AT;
    cpu->gpr[R_RAX] = 0;
    cpu->interrupt_shadow = 0;
    t->fpu_live = false;
    tcg_mode_changed(cpu);
    g_assert_false(__builtin_setjmp(t->env));
    t->outside_depth = 1;
    tcg_outside_end(cpu); /* takes what was asked for */
    jit_step(cpu);
    tcg_outside_begin(cpu);
    t->outside_depth = 0;
    return (uint16_t)cpu->gpr[R_RAX];
}

static void test_leaves_the_map(void)
{
    static MemoryRegion r;
    unsigned blocks;

    g_assert_true(region_init_ram(&r, NULL, "there", SIZE, NULL));
    region_add(&system_memory, 0, &r);
    put_code(&r, 1);
    g_assert_cmpuint(run(), ==, 1);
    blocks = JIT(cpu)->n_blocks;
    g_assert_cmpuint(blocks, >, 0);
    g_assert_cmpuint(run(), ==, 1);
    g_assert_cmpuint(JIT(cpu)->n_blocks, ==, blocks);
    region_del(&r);
    /* Nobody tells the engine of this, as nobody would if another block had come to the same place. */
    put_code(&r, 2);
    region_add(&system_memory, 0, &r);
    g_assert_cmpuint(run(), ==, 2);
    region_del(&r);
    region_destroy(&r);
    vm_unlock();
    rcu_barrier_all();
    vm_lock();
}

/* A block that only moves keeps its code. */
static void test_moves(void)
{
    static MemoryRegion r, alias;
    unsigned blocks;

    g_assert_true(region_init_ram(&r, NULL, "moving", SIZE, NULL));
    region_add(&system_memory, ELSEWHERE, &r);
    region_init_alias(&alias, NULL, "alias", &r, 0, SIZE);
    region_add(&system_memory, 0, &alias);
    put_code(&r, 5);
    g_assert_cmpuint(run(), ==, 5);
    blocks = JIT(cpu)->n_blocks;
    region_del(&alias);
    region_add(&system_memory, 0, &alias);
    g_assert_cmpuint(run(), ==, 5);
    g_assert_cmpuint(JIT(cpu)->n_blocks, ==, blocks);
    region_del(&alias);
    region_del(&r);
    region_destroy(&alias);
    region_destroy(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init();
    g_test_add_func("/tcg-code/leaves-the-map", test_leaves_the_map);
    g_test_add_func("/tcg-code/moves", test_moves);
    return g_test_run();
}
