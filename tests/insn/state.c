/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vector and x87 state where no host process gets to: FERR# and IGNNE#, x87 environments of real mode, PKRU in XSAVE
 * areas, import and export. */
#include "tests/insn/insn.h"
#include "accel/tcg/vec.h"
#include "softmmu/mainloop.h"
#include <stdio.h>

#define EXECUTE(size, ...) guest_execute((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), size)
#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            printf("# %s:%d: %s\n", __func__, __LINE__, #x);                                                           \
            return false;                                                                                              \
        }                                                                                                              \
    } while (0)

static void fresh(void)
{
    X86CPU *c = guest_cpu();

    memset(c->gpr, 0, sizeof(c->gpr));
    memset(c->xsave, 0, sizeof(c->xsave));
    stw_le(c->xsave + XS_FCW, 0x37f);
    stl_le(c->xsave + XS_MXCSR, 0x1f80);
    tcg_fpu_import(c);
    c->rflags = 2;
    c->gpr[R_RSP] = STACK + 0x800;
    c->gpr[R_RDI] = DATA;
    memset(page_at(guest_pages(), DATA), 0, 0x2000);
}

static unsigned ferr_raised, ferr_lowered;

static void ferr_set(void *opaque, unsigned n, int level)
{
    if (level)
        ferr_raised++;
    else
        ferr_lowered++;
}

static bool ferr(void)
{
    static Irq line = {ferr_set, NULL, 0};
    X86CPU *c = guest_cpu();
    TcgCpu *t = TCG(c);

    fresh();
    cpu_ferr_line = &line;
    c->cr0 &= ~(uint64_t)CR0_NE;
    stw_le(c->xsave + XS_FCW, 0x37b);           /* division by zero is unmasked */
    CHECK(EXECUTE(8, 0xd9, 0xee) == TRAP_NONE); /* fldz */
    CHECK(EXECUTE(8, 0xd9, 0xe8) == TRAP_NONE); /* fld1 */
    CHECK(EXECUTE(8, 0xd8, 0xf1) == TRAP_NONE); /* fdiv st, st(1) */
    CHECK(ferr_raised == 0 && tcg_fpu_status(c) & FSW_ES);
    CHECK(EXECUTE(8, 0xdb, 0xe4) == TRAP_NONE && ferr_raised == 0); /* FSETPM does not wait */
    CHECK(EXECUTE(8, 0xd9, 0xeb) == TRAP_NONE); /* fldpi: the line goes up, the instruction is done */
    CHECK(ferr_raised == 1 && t->ferr && tcg_fpu_status(c) & FSW_ES);
    tcg_fpu_to_memory(c);
    CHECK(ldq_le(c->xsave + XS_ST) == 0xc90fdaa22168c235);
    CHECK(EXECUTE(8, 0x9b) == TRAP_NONE && ferr_raised == 1);
    c->ignne = true; /* port F0h */
    CHECK(EXECUTE(8, 0xd9, 0xe8) == TRAP_NONE && ferr_raised == 1);
    CHECK(EXECUTE(8, 0xdb, 0xe2) == TRAP_NONE); /* fnclex */
    CHECK(!t->ferr && !c->ignne && !(tcg_fpu_status(c) & FSW_ES));
    CHECK(EXECUTE(8, 0xd8, 0xf3) == TRAP_NONE); /* fdiv st, st(3): again by zero */
    CHECK(EXECUTE(8, 0x9b) == TRAP_NONE && ferr_raised == 2);
    c->cr0 |= CR0_NE;
    CHECK(EXECUTE(8, 0x9b) == EXC_MF);
    CHECK(EXECUTE(8, 0xdb, 0xe3) == TRAP_NONE && !t->ferr); /* fninit */
    cpu_ferr_line = NULL;
    return true;
}

/* In real mode an environment has linear addresses (SDM volume 1, figures 8-11 and 8-12). */
static bool real_environment(void)
{
    X86CPU *c = guest_cpu();
    TcgCpu *t = TCG(c);
    uint64_t cr0 = c->cr0, efer = c->efer;
    uint8_t *m = page_at(guest_pages(), DATA);
    bool ok = false;

    fresh();
    /* Virtual-8086 mode has the same formats, and the harness's page tables do for PAE. */
    c->pdptr[0] = guest_page_directory() | 1;
    t->fpu_ip = 0x1234;
    t->fpu_cs = 0xabcd;
    t->fpu_dp = 0x5678;
    t->fpu_ds = 0xf00d;
    t->fpu_op = 0x5a5;
    c->efer = efer & ~(uint64_t)EFER_LMA;
    c->rflags |= FLAG_VM;
    c->gpr[R_RDI] = 0;
    /* In this mode the decoder is for 16-bit code: fnstenv [di] */
    uint8_t trap = EXECUTE(2, 0xd9, 0x35), trap32 = 0;
    uint8_t small[14], big[28];

    memcpy(small, m, sizeof(small));
    if (trap == TRAP_NONE) {
        trap32 = EXECUTE(2, 0x66, 0xd9, 0x35);
        memcpy(big, m, sizeof(big));
        t->fpu_ip = t->fpu_dp = t->fpu_cs = t->fpu_ds = t->fpu_op = 0;
        ok = EXECUTE(2, 0x66, 0xd9, 0x25) == TRAP_NONE; /* fldenv */
    }
    c->rflags = 2;
    c->efer = efer;
    c->cr0 = cr0;
    CHECK(trap == TRAP_NONE && trap32 == TRAP_NONE && ok);
    const uint32_t ip = 0xabcd0 + 0x1234, dp = 0xf00d0 + 0x5678;

    CHECK(lduw_le(small + 6) == (ip & 0xffff) && lduw_le(small + 8) == ((ip >> 4 & 0xf000) | 0x5a5));
    CHECK(lduw_le(small + 10) == (dp & 0xffff) && lduw_le(small + 12) == (dp >> 4 & 0xf000));
    CHECK(ldl_le(big + 12) == (0xffff0000 | (ip & 0xffff)) && ldl_le(big + 16) == (ip >> 16 << 12 | 0x5a5));
    CHECK(ldl_le(big + 20) == (0xffff0000 | (dp & 0xffff)) && ldl_le(big + 24) == dp >> 16 << 12);
    CHECK(t->fpu_ip == ip && t->fpu_dp == dp && t->fpu_op == 0x5a5 && !t->fpu_cs && !t->fpu_ds);
    return true;
}

static bool pkru(void)
{
    enum { STANDARD = 2688 };
    X86CPU *c = guest_cpu();
    uint8_t *m = page_at(guest_pages(), DATA);

    fresh();
    c->cr4 |= CR4_OSXSAVE;
    uint64_t xcr0 = c->xcr0;
    TCG(c)->vec->pkru_offset = STANDARD;
    c->xcr0 |= XC_PKRU;
    c->pkru = 0x55555554;
    c->gpr[R_RAX] = XC_PKRU | XC_X87;
    CHECK(EXECUTE(8, 0x0f, 0xae, 0x27) == TRAP_NONE); /* xsave [rdi] */
    CHECK(ldq_le(m + XS_XSTATE_BV) == (XC_PKRU | XC_X87) && ldq_le(m + STANDARD) == 0x55555554);
    CHECK(tcg_fpu_in_use(c) & XC_PKRU);
    stq_le(m + STANDARD, 0x12345678);
    CHECK(EXECUTE(8, 0x0f, 0xae, 0x2f) == TRAP_NONE && c->pkru == 0x12345678); /* xrstor */
    m[XS_XSTATE_BV + 1] = 0;
    CHECK(EXECUTE(8, 0x0f, 0xae, 0x2f) == TRAP_NONE && c->pkru == 0);
    c->pkru = 4;
    memset(m, 0, 4096);
    CHECK(EXECUTE(8, 0x0f, 0xc7, 0x27) == TRAP_NONE); /* xsavec: behind the header where AVX is not asked for */
    CHECK(ldl_le(m + 576) == 4 && ldq_le(m + 520) == (XC_PKRU | XC_X87 | 1ULL << 63));
    c->gpr[R_RAX] = XC_PKRU | XC_AVX | XC_X87 | XC_SSE;
    CHECK(EXECUTE(8, 0x0f, 0xc7, 0x27) == TRAP_NONE && ldl_le(m + 576 + (xcr0 & XC_AVX ? 256 : 0)) == 4);
    c->pkru = 8;
    CHECK(EXECUTE(8, 0x0f, 0xae, 0x2f) == TRAP_NONE && c->pkru == 4);
    m[XS_XSTATE_BV + 9] |= 0x40; /* XCOMP_BV bit 14 */
    CHECK(EXECUTE(8, 0x0f, 0xae, 0x2f) == EXC_GP);
    /* Out and in again. */
    c->pkru = 0xc;
    tcg_fpu_export(c);
    CHECK(ldl_le(c->xsave + STANDARD) == 0xc && c->xsave[XS_XSTATE_BV + 1] == 2);
    tcg_fpu_import(c);
    CHECK(EXECUTE(8, 0xd9, 0xe8) == TRAP_NONE); /* the host takes the area back */
    c->pkru = 0;
    c->xcr0 = xcr0;
    TCG(c)->vec->pkru_offset = 0;
    return true;
}

/* A stream may hold anything. */
static bool hostile_import(void)
{
    X86CPU *c = guest_cpu();
    Rng r = {7};

    for (unsigned n = 0; n < 1000; n++) {
        fresh();
        for (unsigned i = 0; i < XSTATE_SIZE; i++)
            c->xsave[i] = (uint8_t)rng(&r);
        tcg_fpu_import(c);
        CHECK(EXECUTE(8, 0x66, 0x0f, 0xef, 0xc0) == TRAP_NONE); /* pxor xmm0, xmm0 */
        tcg_fpu_export(c);
        CHECK(!ldq_le(c->xsave + XS_XMM) && !(ldl_le(c->xsave + XS_MXCSR) >> 16));
    }
    return true;
}

static const struct {
    const char *name;
    bool (*fn)(void);
} tests[] = {
    {"an x87 exception without CR0.NE: FERR#, interrupt 13, IGNNE#", ferr},
    {"x87 environments of real and virtual-8086 mode", real_environment},
    {"PKRU in XSAVE areas, standard and compacted", pkru},
    {"vector state from a hostile stream", hostile_import},
};

unsigned state_points(void)
{
    return ARRAY_SIZE(tests);
}

bool state_tests(unsigned point)
{
    bool all = true;

    for (unsigned n = 0; n < ARRAY_SIZE(tests); n++) {
        bool ok = tests[n].fn();

        printf("%s %u %s\n", ok ? "ok" : "not ok", point + n, tests[n].name);
        all &= ok;
    }
    return all;
}
