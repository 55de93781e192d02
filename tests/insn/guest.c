/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's side: one CPU at privilege level 3 in long mode, with page tables of its own for the cases' pages; no
 * machine around it. */
#include "tests/insn/insn.h"
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/map.h"
#include "accel/tcg/vec.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/vcpus.h"
#include "util/rcu.h"
#include <cpuid.h>

uint32_t guest_features[FEATURE_WORDS];

enum {
    RAM_SIZE = 0x20000,
    PML4 = 0x1000,
    PDPT = 0x2000,
    PD = 0x3000,
    PT = 0x4000,
    CASES = 0x10000,
    TSS = BASE + 0x100000
};

static MemoryRegion ram;
static Pages pages;
static X86CPU *cpu;

const Pages *guest_pages(void)
{
    return &pages;
}

static uint32_t taken_away[FEATURE_WORDS];

bool host_is_amd(void)
{
    uint32_t a, b = 0, c, d;

    __get_cpuid(0, &a, &b, &c, &d);
    return b == 0x68747541 || b == 0x6f677948;
}

static void read_host_features(void)
{
    uint32_t r[4] = {0};

    for (unsigned w = 0; w < FEATURE_WORDS; w++) {
        const FeatureWordInfo *f = &feature_words[w];

        if (f->msr || (f->leaf >> 16 != 0 && f->leaf >> 16 != 0x8000))
            continue;
        if (__get_cpuid_count(f->leaf, f->subleaf < 0 ? 0 : (unsigned)f->subleaf, &r[0], &r[1], &r[2], &r[3]))
            guest_features[w] = r[f->reg];
    }
    for (unsigned w = 0; w < FEATURE_WORDS; w++)
        guest_features[w] &= ~taken_away[w];
    /* What the engine does not offer. */
    guest_features[F_8000_0001_ECX] &=
        ~(1U << 7 /* MISALIGNSSE */ | 1U << 6 /* SSE4A */ | 1U << 11 /* XOP */ | 1U << 16 /* FMA4 */);
    guest_features[F_7_0_EBX] &= ~(1U << 16 | 1U << 17 | 1U << 21 | 1U << 28 | 1U << 30 | 1U << 31); /* AVX-512 */
    guest_features[F_7_0_ECX] &= ~(1U << 1 | 1U << 6 | 1U << 11 | 1U << 12 | 1U << 14);
}

static void feature_off(FeatureWord w, unsigned bit)
{
    taken_away[w] |= 1U << bit;
}

static void make_page_tables(void)
{
    static const struct {
        unsigned from, n;
        uint64_t bits;
    } map[] = {
        {0, 1, 0x25},
        {4, 2, 0x67 | BIT64(63)},
        {7, 1, 0x25 | BIT64(63)},
        {10, 2, 0x67 | BIT64(63)},
        {0x100, 1, 0x63 | BIT64(63)},
    };
    uint8_t *m = pages.host - CASES;

    stq_le(m + PML4, PDPT | 0x27);
    stq_le(m + PDPT, PD | 0x27);
    stq_le(m + PD + (BASE >> 21 & 511) * 8, PT | 0x27);
    for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
        for (unsigned n = map[i].from; n < map[i].from + map[i].n; n++)
            stq_le(m + PT + ((BASE >> 12 & 511) + n) * 8, (CASES + n % PAGES * 4096ULL) | map[i].bits);
    }
    /* The task state segment is where code would be, which no case writes: it reads as CCh, and the I/O map is beyond
     * the limit. */
}

static void set_seg(unsigned seg, uint16_t selector, uint64_t base, uint32_t limit, uint32_t flags)
{
    cpu->seg[seg] = (SegReg){selector, base, limit, flags};
}

static void set_segments(unsigned code_size, uint64_t fs_base, uint64_t gs_base)
{
    enum {
        CODE = DESC_P | 3 << DESC_DPL_SHIFT | DESC_S | 0xb << DESC_TYPE_SHIFT,
        DATA_SEG = DESC_P | 3 << DESC_DPL_SHIFT | DESC_S | 3 << DESC_TYPE_SHIFT
    };
    const uint32_t flat = DATA_SEG | DESC_DB | DESC_G;

    if (code_size == 2) {
        set_seg(SEG_CS, LDT_CODE16, BASE, 0xffff, CODE);
        set_seg(SEG_DS, LDT_DS16, DATA, 0xffff, DATA_SEG);
        set_seg(SEG_ES, LDT_ES16, DATA + 0x1000, 0xffff, DATA_SEG);
        set_seg(SEG_SS, LDT_SS16, STACK, 0xffff, DATA_SEG);
    } else {
        set_seg(SEG_CS, (uint16_t)code_selector(code_size), 0, 0xffffffff,
                CODE | DESC_G | (code_size == 8 ? DESC_L : DESC_DB));
        set_seg(SEG_DS, SEL_DS, 0, 0xffffffff, flat);
        set_seg(SEG_ES, SEL_DS, 0, 0xffffffff, flat);
        set_seg(SEG_SS, SEL_DS, 0, 0xffffffff, flat);
    }
    if (code_size == 8) {
        set_seg(SEG_FS, 0, fs_base, 0xffffffff, flat);
        set_seg(SEG_GS, 0, gs_base, 0xffffffff, flat);
    } else {
        set_seg(SEG_FS, 0, 0, 0, 0);
        set_seg(SEG_GS, LDT_GS, GS_BASE, GS_LIMIT, DATA_SEG | DESC_DB);
    }
}

static uint64_t child_fs_base;

void guest_init(uint64_t fs_base, const char *host, bool translate)
{
    static const MachineDesc desc = {.name = "test", .max_cpus = 1};
    static Machine m = {.desc = &desc, .smp = {1, 1, 1, 1, 1, 1, 1}};

    child_fs_base = fs_base;
    machine = &m;
    rcu_thread_register();
    mainloop_init();
    clock_init();
    memory_init();
    g_assert_true(region_init_ram(&ram, NULL, "ram", RAM_SIZE, NULL));
    region_add(&system_memory, 0, &ram);
    accel = &accel_tcg;
    tcg_map_init();
    g_assert_true(tcg_vec_init(NULL));
    if (host) {
        tcg_vec_host = (VecHost){.xsave = !strcmp(host, "sse"), .rfbm = XC_X87 | XC_SSE};
        feature_off(F_1_ECX, 28);
    }
    cpu = X86_CPU(device_new(&x86_cpu_desc));
    read_host_features();
    memcpy(cpu->config.features, guest_features, sizeof(guest_features));
    cpu_reset(cpu);

    uint32_t r[4] = {0};
    static CpuidEntry vendor;

    __get_cpuid(0, &r[0], &r[1], &r[2], &r[3]);
    vendor.reg[CPUID_EBX] = r[1];
    g_free(cpu->cpuid);
    cpu->cpuid = &vendor;
    cpu->n_cpuid = 1;

    TcgCpu *t = TCG(cpu);

    t->delivering = -1;
    tcg_mem_init(cpu);
    g_assert_true(tcg_vec_cpu_init(cpu, NULL));
    tcg_config.translate_at = 1;
    if (translate) {
        tcg_config.one_insn_per_tb = true;
        tcg_config.tb_size = 4; /* the least: it is full again and again */
        g_assert_true(jit_init(NULL) && jit_cpu_init(cpu, NULL));
    }
    current_cpu = cpu;
    cpu->cr0 = CR0_PG | CR0_AM | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
    cpu->cr3 = PML4;
    cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE | CR4_UMIP;
    cpu->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    cpu->xcr0 = tcg_vec_host.avx ? 7 : 3;
    cpu->tr = (SegReg){0x40, TSS, 0x67, DESC_P | 0xb << DESC_TYPE_SHIFT};
    pages.host = tcg_phys_page(cpu, 0, NULL);
    g_assert_nonnull(pages.host);
    pages.host += CASES;
    make_page_tables();
    vm_unlock();
}

/* The case's code is new: what was translated from its pages is not. */
static void forget_translations(void)
{
    for (unsigned n = 0; n < PAGES; n++)
        jit_page_written(cpu, pages.host + n * 4096);
}

/* One instruction, all its repetitions. */
static uint8_t step(const Case *k, bool translated)
{
    TcgCpu *t = TCG(cpu);
    unsigned limit = 100000;

    if (translated)
        forget_translations();

    if (__builtin_setjmp(t->env))
        return t->exc.vector;
    t->in_guest = true;
    t->outside_depth = 0;
    do {
        if (translated)
            jit_step(cpu);
        else
            tcg_step(cpu);
        if (!--limit)
            return TRAP_TIMEOUT;
    } while (cpu->rip == k->in.rip);
    return TRAP_NONE;
}

X86CPU *guest_cpu(void)
{
    return cpu;
}

GuestCounts guest_counts(void)
{
    const JitCpu *j = JIT(cpu);

    return (GuestCounts){j->translated, j->crossed, j->bounced, j->followed};
}

uint64_t guest_page_directory(void)
{
    return PD;
}

void guest_swap_pages(uint32_t a, uint32_t b)
{
    uint8_t *at = pages.host - CASES + PT + (a >> 12 & 511) * 8, *bt = pages.host - CASES + PT + (b >> 12 & 511) * 8;
    uint64_t entry = ldq_le(at);

    stq_le(at, ldq_le(bt));
    stq_le(bt, entry);
    tcg_flush_tlb(cpu, true);
}

void guest_map_code(uint32_t at)
{
    stq_le(pages.host - CASES + PT + (at >> 12 & 511) * 8, (CASES + (at - BASE)) | 0x25);
    tcg_flush_tlb(cpu, true);
}

uint8_t guest_execute(const uint8_t *code, unsigned len, unsigned code_size)
{
    Case k = {.code_size = (uint8_t)code_size};

    k.in.rip = code_size == 2 ? 0x800 : BASE + 0x800;
    memcpy(page_at(&pages, BASE + 0x800), code, len);
    cpu->rip = k.in.rip;
    cpu->interrupt_shadow = 0;
    set_segments(code_size, child_fs_base, GS_BASE);
    tcg_mode_changed(cpu);
    return step(&k, false);
}

void guest_enter(const CpuImage *in, unsigned code_size)
{
    TcgCpu *t = TCG(cpu);

    memcpy(cpu->gpr, in->gpr, sizeof(cpu->gpr));
    cpu->rip = in->rip;
    cpu->rflags = in->rflags;
    cpu->cr2 = 0;
    cpu->interrupt_shadow = 0;
    set_segments(code_size, child_fs_base, GS_BASE);
    memcpy(cpu->xsave, in->xsave, XSTATE_SIZE);
    t->fpu_live = false;
    t->fpu_ip = t->fpu_dp = 0;
    t->fpu_cs = t->fpu_ds = t->fpu_op = 0;
    tcg_mode_changed(cpu);
}

void guest_leave(GuestResult *r, uint8_t trap)
{
    TcgCpu *t = TCG(cpu);

    tcg_fpu_export(cpu);
    t->in_guest = false;
    r->trap = trap;
    r->error = trap < 32 && t->exc.has_error ? t->exc.error : 0;
    r->cr2 = cpu->cr2;
    memcpy(r->out.gpr, cpu->gpr, sizeof(cpu->gpr));
    r->out.rip = cpu->rip;
    r->out.rflags = cpu->rflags;
    r->out.gs_base = cpu->seg[SEG_GS].base;
    memcpy(r->out.xsave, cpu->xsave, XSTATE_SIZE);
}

void guest_run(const Batch *b, const Case *k, GuestResult *r, uint8_t *memory)
{
    case_enter(&pages, b, k);
    guest_enter(&k->in, k->code_size);
    guest_leave(r, step(k, TCG(cpu)->jit));
    case_leave(&pages, k, memory);
}
