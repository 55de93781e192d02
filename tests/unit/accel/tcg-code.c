/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translated code and the memory that it was made from: a block of RAM that leaves the memory map takes its code along,
 * and an access whose other half leaves the engine goes to what is there afterwards. */
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/map.h"
#include "accel/tcg/vec.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/vcpus.h"
#include "target/i386/paging.h"
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

static void enter_guest(void)
{
    TCG(cpu)->outside_depth = 1;
    tcg_outside_end(cpu); /* takes what was asked for */
}

static void leave_guest(void)
{
    tcg_outside_begin(cpu);
    TCG(cpu)->outside_depth = 0;
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
    enter_guest();
    jit_step(cpu);
    leave_guest();
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

/* Outside: [BORDER, ...) becomes another's. Who goes there is who writes to the page of code below it, and who reads
 * the device. */

enum { BORDER = AT + 0x1000, NEAR = BORDER - 4 };
static MemoryRegion low, before, after;
static const uint64_t stored = 0x8877665544332211;

static void swap(void)
{
    if (!before.container)
        return;
    region_del(&before);
    region_add(&system_memory, BORDER, &after);
}

static void swap_written(RamBlock *b, uint64_t off, uint64_t len)
{
    swap();
    tcg_code_written(b, off, len);
}

static uint64_t swap_read(void *opaque, uint64_t off, unsigned size)
{
    swap();
    return 0x11 * (off % 16);
}

static void no_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}

static void build(bool device)
{
    static const IoOps ops = {swap_read, no_write, .min = 1, .max = 1};

    if (device)
        region_init_io(&low, NULL, &ops, NULL, "device", BORDER);
    else
        g_assert_true(region_init_ram(&low, NULL, "low", BORDER, NULL));
    g_assert_true(region_init_ram(&before, NULL, "before", SIZE, NULL));
    g_assert_true(region_init_ram(&after, NULL, "after", SIZE, NULL));
    region_add(&system_memory, 0, &low);
    region_add(&system_memory, BORDER, &before);
    if (device)
        return;
    put_code(&low, 7);
    g_assert_cmpuint(run(), ==, 7);
    ram_code_written = swap_written;
}

static void take_down(void)
{
    ram_code_written = tcg_code_written;
    region_destroy(&low);
    region_destroy(&before);
    region_destroy(&after);
    vm_unlock();
    rcu_barrier_all();
    vm_lock();
}

/* What the upper half of `stored` has come to. */
static void look(void)
{
    static const uint8_t none[4];

    g_assert_cmpmem(region_ram_ptr(&before), 4, none, 4);
    g_assert_cmpmem(region_ram_ptr(&after), 4, (const uint8_t *)&stored + 4, 4);
    g_assert_cmpmem((uint8_t *)region_ram_ptr(&low) + NEAR, 4, &stored, 4);
}

static void test_store_meets_another(void)
{
    build(false);
    enter_guest();
    tcg_store_lin(cpu, NEAR, 8, stored, MMU_KERNEL);
    leave_guest();
    look();
    take_down();
}

static void test_write_meets_another(void)
{
    build(false);
    enter_guest();
    tcg_write_lin(cpu, NEAR, &stored, 8, MMU_KERNEL);
    leave_guest();
    look();
    take_down();
}

static void test_load_meets_another(void)
{
    uint64_t val, moved = 0;

    build(true);
    memcpy(region_ram_ptr(&after), (const uint8_t *)&stored + 4, 4);
    enter_guest();
    val = tcg_load_lin(cpu, NEAR, 8, MMU_KERNEL);
    leave_guest();
    g_assert_cmphex(val, ==, 0x88776655ffeeddcc);
    region_del(&after);
    region_add(&system_memory, BORDER, &before);
    enter_guest();
    tcg_read_lin(cpu, NEAR, &moved, 8, MMU_KERNEL);
    leave_guest();
    g_assert_cmphex(moved, ==, val);
    take_down();
}

/* A host address is good only where nothing has moved since. */
static void test_host_address(void)
{
    uint8_t *p;

    build(false);
    ram_code_written = tcg_code_written;
    enter_guest();
    p = tcg_host_lin(cpu, NEAR, 4, ACCESS_RW, MMU_KERNEL);
    leave_guest();
    g_assert_true(p == (uint8_t *)region_ram_ptr(&low) + NEAR);
    g_assert_cmpuint(run(), ==, 7); /* it is a page of code again */
    ram_code_written = swap_written;
    enter_guest();
    p = tcg_host_lin(cpu, NEAR, 4, ACCESS_RW, MMU_KERNEL);
    leave_guest();
    g_assert_null(p);
    take_down();
}

/* Setting the accessed bit of a directory's entry goes outside, where the table behind it becomes another's. */
static void test_walk_meets_another(void)
{
    enum { LIN = 0x00c00000, OTHER = BORDER + 0x1000, P_RW = 3 };
    uint64_t val;

    build(false);
    stl_le((uint8_t *)region_ram_ptr(&low) + AT + (LIN >> 22) * 4, BORDER | P_RW);
    stl_le(region_ram_ptr(&before), BORDER | P_RW);
    stl_le(region_ram_ptr(&after), OTHER | P_RW);
    memcpy((uint8_t *)region_ram_ptr(&after) + 0x1000, &stored, 8);
    cpu->cr3 = AT;
    cpu->cr0 |= CR0_PE | CR0_PG;
    enter_guest();
    tcg_mode_changed(cpu);
    tcg_flush_tlb(cpu, true);
    val = tcg_load_lin(cpu, LIN, 8, MMU_KERNEL);
    leave_guest();
    cpu->cr0 &= ~(CR0_PE | CR0_PG);
    tcg_flush_tlb(cpu, true);
    g_assert_cmphex(val, ==, stored);
    g_assert_cmphex(ldl_le(region_ram_ptr(&before)), ==, BORDER | P_RW);
    g_assert_cmphex(ldl_le(region_ram_ptr(&after)), ==, OTHER | P_RW | PTE_A);
    take_down();
}

/* REP MOVS from there; the directory's entry of where it goes gets its accessed bit. */
static void test_movs_meets_another(void)
{
    enum { FROM = 0x00c00000, TO = 0x01002000, SET = 0x63 /* present, writable, accessed, dirty */ };
    const SegReg flat = {.limit = 0xffffffff, .flags = DESC_P | DESC_S | DESC_W};
    SegReg ds = cpu->seg[SEG_DS], es = cpu->seg[SEG_ES];
    uint8_t *ram;
    Insn i;

    build(false);
    ram = region_ram_ptr(&low);
    memcpy(ram + AT + 0x100, (uint8_t[]){0x67, 0xf3, 0xa4}, 3); /* by ESI, EDI, ECX */
    stl_le(ram + AT + (FROM >> 22) * 4, SET);                   /* the table of both is at 0 */
    stl_le(ram + AT + (TO >> 22) * 4, SET & ~PTE_A);
    stl_le(ram, BORDER | SET);
    stl_le(ram + 8, SET);
    memcpy(region_ram_ptr(&after), &stored, 8);
    cpu->rip = AT + 0x100;
    cpu->seg[SEG_DS] = cpu->seg[SEG_ES] = flat;
    cpu->gpr[R_RSI] = FROM;
    cpu->gpr[R_RDI] = TO + 0x800;
    cpu->gpr[R_RCX] = 8;
    enter_guest();
    tcg_mode_changed(cpu);
    g_assert_false(__builtin_setjmp(TCG(cpu)->env));
    tcg_decode(cpu, &i);
    cpu->cr3 = AT;
    cpu->cr0 |= CR0_PE | CR0_PG;
    tcg_mode_changed(cpu);
    tcg_flush_tlb(cpu, true);
    while (cpu->gpr[R_RCX])
        tcg_execute(cpu, &i);
    leave_guest();
    cpu->cr0 &= ~(CR0_PE | CR0_PG);
    tcg_flush_tlb(cpu, true);
    cpu->seg[SEG_DS] = ds;
    cpu->seg[SEG_ES] = es;
    g_assert_null(before.container);
    g_assert_cmpmem(ram + 0x800, 8, &stored, 8);
    take_down();
}

/* A display that takes the marks and draws, again and again, has drawn what was written last, whenever it looked. */

typedef struct Viewer {
    RamBlock *ram;
    uint32_t seen[1024], asked, done; /* asked and done: atomic */
    bool stop;                        /* atomic */
} Viewer;

/* What a guest writes and a display reads at the same time is no race of ours. */
__attribute__((no_sanitize("thread"))) static void draw(Viewer *v)
{
    if (__atomic_fetch_and(v->ram->dirty[DIRTY_VGA], ~1UL, __ATOMIC_SEQ_CST) & 1)
        for (unsigned n = 0; n < G_N_ELEMENTS(v->seen); n++)
            v->seen[n] = __atomic_load_n((uint32_t *)(void *)v->ram->host + n, __ATOMIC_RELAXED);
}

static gpointer viewer(gpointer opaque)
{
    Viewer *v = opaque;
    while (!__atomic_load_n(&v->stop, __ATOMIC_SEQ_CST)) {
        uint32_t asked = __atomic_load_n(&v->asked, __ATOMIC_SEQ_CST);
        draw(v);
        __atomic_store_n(&v->done, asked, __ATOMIC_SEQ_CST);
        sched_yield();
    }
    return NULL;
}

static void run_at(uint32_t at, Insn *i)
{
    cpu->rip = at;
    tcg_decode(cpu, i);
    tcg_execute(cpu, i);
}

static void drawn(const uint8_t *code, size_t len, unsigned bytes)
{
    enum { FRAME = 0x20000, ROUNDS = 100000 };
    static MemoryRegion ram, frame;
    static Viewer v;
    Insn i;

    g_assert_true(region_init_ram(&ram, NULL, "ram", SIZE, NULL) && region_init_ram(&frame, NULL, "frame", SIZE, NULL));
    region_add(&system_memory, 0, &ram);
    region_add(&system_memory, FRAME, &frame);
    region_log(&frame, DIRTY_VGA, true);
    v = (Viewer){.ram = frame.ram};
    memcpy((uint8_t *)region_ram_ptr(&ram) + AT, code, len);
    GThread *t = g_thread_new("viewer", viewer, &v);
    cpu->seg[SEG_CS] = (SegReg){.limit = 0xffff, .flags = DESC_P | DESC_S | 0xb << DESC_TYPE_SHIFT};
    cpu->seg[SEG_DS] = cpu->seg[SEG_ES] = (SegReg){.limit = 0xffffffff, .flags = DESC_P | DESC_S | DESC_W};
    enter_guest();
    tcg_mode_changed(cpu);
    tcg_flush_tlb(cpu, true);
    g_assert_false(__builtin_setjmp(TCG(cpu)->env));
    bool missed = false;
    gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC; /* where there is one processor, rounds are slow */
    for (uint32_t n = 1; n <= ROUNDS && !missed && g_get_monotonic_time() < end; n++) {
        memset((uint8_t *)region_ram_ptr(&ram) + 0x4000, (int)n, bytes);
        cpu->gpr[R_RAX] = n * 0x01010101;
        cpu->gpr[R_RSI] = 0x4000;
        cpu->gpr[R_RDI] = FRAME;
        cpu->gpr[R_RCX] = bytes;
        do
            run_at(AT, &i);
        while (bytes > 4 && cpu->gpr[R_RCX]);
        /* A look that begins now sees it, or one before has. */
        __atomic_store_n(&v.asked, n, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&v.done, __ATOMIC_SEQ_CST) != n)
            sched_yield();
        missed = memcmp(v.seen, region_ram_ptr(&frame), bytes) != 0;
    }
    leave_guest();
    __atomic_store_n(&v.stop, true, __ATOMIC_SEQ_CST);
    g_thread_join(t);
    g_assert_false(missed);
    region_log(&frame, DIRTY_VGA, false);
    region_del(&frame);
    region_del(&ram);
    region_destroy(&frame);
    region_destroy(&ram);
    vm_unlock();
    rcu_barrier_all();
    vm_lock();
}

static void test_drawn(void)
{
    drawn((uint8_t[]){0x67, 0xf3, 0xa4}, 3, 4096);    /* rep movsb */
    drawn((uint8_t[]){0x67, 0xf3, 0xaa}, 3, 4096);    /* rep stosb */
    drawn((uint8_t[]){0x67, 0x66, 0x87, 0x07}, 4, 4); /* xchg %eax, (%edi) */
    drawn((uint8_t[]){0x67, 0x66, 0x31, 0x07}, 4, 4); /* xor %eax, (%edi) */
}

/* The block that is said to be written stays while that is said. */

static int reclaimed; /* atomic */

static void note_reclaimed(RcuHead *head)
{
    __atomic_store_n(&reclaimed, 1, __ATOMIC_SEQ_CST);
}

static void take_block_away(RamBlock *b, uint64_t off, uint64_t len)
{
    static RcuHead head;

    region_destroy(&low);
    rcu_call(&head, note_reclaimed);
    for (unsigned ms = 0; ms < 300 && !__atomic_load_n(&reclaimed, __ATOMIC_SEQ_CST); ms++)
        g_usleep(1000);
    g_assert_cmpint(__atomic_load_n(&reclaimed, __ATOMIC_SEQ_CST), ==, 0);
    tcg_code_written(b, off, len);
}

static void test_block_stays(void)
{
    build(false);
    ram_code_written = take_block_away;
    enter_guest();
    tcg_store_lin(cpu, AT, 4, 0, MMU_KERNEL);
    leave_guest();
    take_down();
    g_assert_cmpint(__atomic_load_n(&reclaimed, __ATOMIC_SEQ_CST), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    init();
    g_test_add_func("/tcg-code/leaves-the-map", test_leaves_the_map);
    g_test_add_func("/tcg-code/moves", test_moves);
    g_test_add_func("/tcg-code/store-meets-another", test_store_meets_another);
    g_test_add_func("/tcg-code/write-meets-another", test_write_meets_another);
    g_test_add_func("/tcg-code/load-meets-another", test_load_meets_another);
    g_test_add_func("/tcg-code/host-address", test_host_address);
    g_test_add_func("/tcg-code/walk-meets-another", test_walk_meets_another);
    g_test_add_func("/tcg-code/movs-meets-another", test_movs_meets_another);
    g_test_add_func("/tcg-code/drawn", test_drawn);
    g_test_add_func("/tcg-code/block-stays", test_block_stays);
    return g_test_run();
}
