/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Vector and x87 state: where it is, how it moves, and how the host executes a guest's vector instructions.
 *
 * TcgCpu.fpu_live tells where the state is: in the host's registers, or in X86CPU.xsave. That image has the standard
 * XSAVE layout with every component that the host has of x87, SSE and AVX valid as data, whatever XSTATE_BV says;
 * XSTATE_BV is the architectural XINUSE. What the host's x87 says of its last instruction means nothing: the guest's is
 * in TcgCpu.fpu_ip, fpu_dp, fpu_cs, fpu_ds, fpu_op. PKRU is X86CPU.pkru and never in the host's register.
 */
#ifndef ACCEL_TCG_VEC_H
#define ACCEL_TCG_VEC_H

#include "accel/tcg/ops.h"
#include "target/i386/xsave.h"

enum { XC_X87 = 1, XC_SSE = 2, XC_AVX = 4, XC_PKRU = 1 << 9 }; /* XCR0, XSTATE_BV */
#define XCOMP_COMPACT (1ULL << 63)
#define FCW_INIT      0x37f
#define MXCSR_INIT    0x1f80
#define MXCSR_VALID   0xffff
enum {
    FSW_IE = 1,
    FSW_DE = 2,
    FSW_ZE = 4,
    FSW_OE = 8,
    FSW_UE = 16,
    FSW_PE = 32,
    FSW_EXCEPTIONS = 0x3f,
    FSW_SF = 0x40,
    FSW_ES = 0x80,
    FSW_TOP = 0x3800,
    FSW_TOP_SHIFT = 11,
    FSW_B = 0x8000,
};

/* What a stub reads and writes: vec.c. */
typedef struct HostRegs {
    uint64_t rax, rcx, rdx, reg, rm, vvvv; /* the last three in R8, R9, R10 */
    uint64_t flags;
    uint32_t trap; /* the host's exception that the instruction raised, 0: none: nothing was written then */
} HostRegs;

enum { STUB_SIZE = 128, STUB_BITS = 10, STUBS = 1 << STUB_BITS };
typedef struct StubKey {
    uint8_t code[15];
    uint8_t len;
    uint8_t use, def; /* registers loaded and stored */
    bool flags;
} StubKey;

typedef struct TcgVec {
    uint8_t *stubs;          /* to write */
    const uint8_t *stubs_rx; /* the same memory, to run; stub 0 is a RET for instructions that fault */
    uint32_t pkru_offset;    /* in the guest's standard format; 0: it has no PKRU */
    bool pointers_lazy; /* as AMD's: FXSAVE and XSAVE tell the last instruction only while an exception is pending */
    StubKey keys[STUBS];
    HostRegs regs;
    uint8_t scratch[64] __attribute__((aligned(64)));
    uint8_t area[4096] __attribute__((aligned(64))); /* an XSAVE area on its way */
} TcgVec;

/* What the host has. */
typedef struct VecHost {
    bool xsave, avx;
    uint32_t rfbm; /* of XSAVE and XRSTOR */
} VecHost;
extern VecHost tcg_vec_host;

bool tcg_vec_init(Error **errp);                /* once, before the first vCPU */
bool tcg_vec_cpu_init(X86CPU *c, Error **errp); /* in the vCPU's thread, its CPUID known */
void tcg_vec_cpu_destroy(X86CPU *c);

/* c->xsave as others see it (get_state): the state is in memory, with the last instruction's pointers and PKRU in it.
 */
void tcg_fpu_export(X86CPU *c);
/* c->xsave came from elsewhere (reset, migration: not to be trusted). */
void tcg_fpu_import(X86CPU *c);
/* XINUSE as XGETBV with ECX 1 tells it. */
uint64_t tcg_fpu_in_use(X86CPU *c);
/* The x87 control and status word now. */
uint16_t tcg_fpu_control(X86CPU *c);
uint16_t tcg_fpu_status(X86CPU *c);
/* After an x87 instruction that may have cleared exceptions: the FERR# line falls where none is pending any more. */
void tcg_fpu_ferr_update(X86CPU *c);
/* FERR# rises (CR0.NE is 0): to the board. Outside. */
void tcg_ferr_raise(void);

/* Linear address of an operand that must be aligned to mask + 1, as far as that matters for its alignment: this is
 * checked before limits. */
static inline uint64_t tcg_lin_unchecked(X86CPU *c, const Insn *i, uint64_t ea)
{
    return tcg_code64(c) && i->seg < SEG_FS ? ea : ea + c->seg[i->seg].base;
}

/* For the handlers in vec-*.c: the state in memory. */
static inline uint8_t *fpu_image(X86CPU *c)
{
    tcg_fpu_to_memory(c);
    return c->xsave;
}
static inline uint16_t img_w(const uint8_t *x, unsigned off)
{
    uint16_t v;

    __builtin_memcpy(&v, x + off, 2);
    return v;
}
static inline uint32_t img_l(const uint8_t *x, unsigned off)
{
    uint32_t v;

    __builtin_memcpy(&v, x + off, 4);
    return v;
}
static inline uint64_t img_q(const uint8_t *x, unsigned off)
{
    uint64_t v;

    __builtin_memcpy(&v, x + off, 8);
    return v;
}
static inline void img_set_w(uint8_t *x, unsigned off, uint16_t v)
{
    __builtin_memcpy(x + off, &v, 2);
}
static inline void img_set_l(uint8_t *x, unsigned off, uint32_t v)
{
    __builtin_memcpy(x + off, &v, 4);
}
static inline void img_set_q(uint8_t *x, unsigned off, uint64_t v)
{
    __builtin_memcpy(x + off, &v, 8);
}
/* Component bits now hold something else than their initial state, perhaps. */
static inline void img_in_use(uint8_t *x, unsigned components)
{
    x[XS_XSTATE_BV] |= (uint8_t)components;
}
static inline void img_zero(void *to, unsigned len)
{
    uint8_t *d = to;

    while (len--)
        *d++ = 0;
}
/* A status word's TOP: the registers stay where they are physically, and the image has them by their place in the
 * stack. */
static inline void img_set_fsw(uint8_t *x, uint16_t fsw)
{
    unsigned turn = ((unsigned)fsw >> FSW_TOP_SHIFT) - ((unsigned)img_w(x, XS_FSW) >> FSW_TOP_SHIFT);
    uint8_t st[128];

    if (turn & 7) {
        tcg_copy(st, x + XS_ST, sizeof(st));
        for (unsigned n = 0; n < 8; n++)
            tcg_copy(x + XS_ST + n * 16, st + ((n + turn) & 7) * 16, 16);
    }
    img_set_w(x, XS_FSW, fsw);
}
/* ES and B as FCW and the flags of FSW make them. */
static inline uint16_t fsw_summary(uint16_t fsw, uint16_t fcw)
{
    fsw &= (uint16_t) ~(FSW_ES | FSW_B);
    return fsw & ~fcw & FSW_EXCEPTIONS ? fsw | FSW_ES | FSW_B : fsw;
}

#endif
