/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The notation of the opcode tables (decode-tables-*.c), for them and decode.c alone.
 *
 * A map is an array of 256 nodes, by opcode. A node is nothing (UD), a form, or an array of nodes that a part of the
 * encoding indexes. A form is a macro: I() integer and system, H() integer ones that the host executes, X87(), MMX(),
 * S() SSE, V() AVX; its operands are the SDM's: an addressing letter and a size letter (volume 2, appendix A.2), read
 * unless W or RW stands before.
 */
#ifndef TARGET_I386_DECODE_TABLES_H
#define TARGET_I386_DECODE_TABLES_H

#include "target/i386/cpu.h"
#include "target/i386/decode.h"

/* clang-format off */

typedef enum NodeKind {
    N_UD,
    N_FORM,
    N_PP,    /* mandatory prefix: none, 66, F3, F2 */
    N_MOD,   /* memory, register */
    N_REG,   /* modrm.reg */
    N_RM,    /* modrm.rm */
    N_W,     /* VEX.W or REX.W */
    N_WG,    /* the same where it is the size of a general register: 0 outside 64-bit code */
    N_L,     /* VEX.L */
    N_OSZ,   /* operand size 2, 4, 8 */
    N_OSZ64, /* the same where 64-bit code defaults to 8 */
    N_ASZ,   /* address size */
    N_64,    /* 16 or 32-bit code, 64-bit code */
    N_REXB,
} NodeKind;

typedef struct Node {
    uint8_t kind;
    const void *p; /* Form, or Node[] */
} Node;

typedef struct Form {
    InsnDesc d;
    uint16_t opnd[5];
    uint16_t all;   /* the operands' codes ORed */
    uint32_t rules; /* R_xxx */
} Form;

/* How an operand is encoded: the addressing letters. */
typedef enum Addressing {
    A_NONE,
    A_E,    /* modrm: general register or memory */
    A_M,    /* modrm: memory only */
    A_R,    /* modrm: general register only */
    A_RF,   /* modrm.rm is a general register whatever mod says: MOV CR */
    A_G,    /* modrm.reg: general register */
    A_B,    /* VEX.vvvv: general register */
    A_Z,    /* opcode's low three bits: general register */
    A_V,    /* modrm.reg: XMM, YMM */
    A_W,    /* modrm.rm: XMM, YMM or memory */
    A_U,    /* modrm.rm: XMM, YMM only */
    A_H,    /* VEX.vvvv: XMM, YMM */
    A_L,    /* immediate bits 4-7: XMM, YMM */
    A_VX,   /* modrm.rm: memory, its index a vector register */
    A_P,    /* modrm.reg: MMX */
    A_Q,    /* modrm.rm: MMX or memory */
    A_N,    /* modrm.rm: MMX only */
    A_S,    /* modrm.reg: segment register */
    A_C,    /* modrm.reg: control register */
    A_D,    /* modrm.reg: debug register */
    A_I,    /* immediate, as encoded (zero-extended) */
    A_SI,   /* immediate, sign-extended to the operand size */
    A_I8S,  /* one byte, sign-extended to the operand size */
    A_J,    /* displacement of a branch */
    A_O,    /* offset without modrm */
    A_A,    /* far pointer */
    A_ONE,  /* 1 */
    A_AX, A_CX, A_DX, /* these registers */
    A_PORT, /* DX as a port */
    A_SREG, /* a segment register by itself: size is which */
    A_ST,   /* ST(0) */
    A_STI,  /* modrm.rm: ST(i) */
    A_XMM0,
    A_X,    /* seg:[rSI] */
    A_Y,    /* ES:[rDI] */
    A_DI,   /* seg:[rDI]: MASKMOV */
    A_BX,   /* seg:[rBX]: XLAT, which adds AL */
    A_MAX,  /* seg:[rAX]: MONITOR, CLZERO */
} Addressing;

/* Operand sizes. X/Y: of the register, of the memory operand. */
typedef enum SizeCode {
    SZ_0,
    SZ_B,
    SZ_W,
    SZ_D,
    SZ_Q,
    SZ_DQ,
    SZ_QQ,
    SZ_T,   /* 10 */
    SZ_64,
    SZ_512,
    SZ_V,   /* 2, 4, 8 by the operand size */
    SZ_Z,   /* 2, 4, 4 */
    SZ_Y,   /* 4, 4, 8 */
    SZ_P,   /* far pointer: 4, 6, 10 */
    SZ_A,   /* BOUND: 4, 8 */
    SZ_ENV, /* x87 environment: 14, 28, 28 */
    SZ_FST, /* x87 state: 94, 108, 108 */
    SZ_X,   /* 16, 32 by VEX.L */
    SZ_XH,  /* half: 8, 16 */
    SZ_XQ,  /* quarter: 4, 8 */
    SZ_XE,  /* eighth: 2, 4 */
    SZ_DUP, /* MOVDDUP: register 16, 32; memory 8, 32 */
    SZ_S,   /* LGDT: 6, in 64-bit code 10 */
    SZ_N,   /* 4, in 64-bit code 8 */
    SZ_DB,  /* register 4, memory 1 */
    SZ_DW,  /* register 4, memory 2 */
    SZ_VW,  /* register as V, memory 2 */
    SZ_YB,  /* register as Y, memory 1 */
    SZ_CODES,
} SizeCode;

/* An operand's code: size 0-5, addressing 6-11, access 12-13, then what else it needs. */
#define OPC(a, s)    ((a) << 6 | (s))
#define OPC_ADDR(o)  ((o) >> 6 & 0x3f)
#define OPC_SIZE(o)  ((o)&0x3f)
#define OPC_MODRM    0x4000
#define OPC_VVVV     0x8000
#define OPM(a, s)    (OPC(a, s) | OPC_MODRM)
#define OPV(a, s)    (OPC(a, s) | OPC_VVVV)
#define W            (ACCESS_W << 12) |
#define RW           (ACCESS_RW << 12) |

/* General registers, immediates and memory. */
enum {
    Eb = OPM(A_E, SZ_B), Ew = OPM(A_E, SZ_W), Ed = OPM(A_E, SZ_D), Ev = OPM(A_E, SZ_V), Ey = OPM(A_E, SZ_Y), Ez = OPM(A_E, SZ_Z),
    EvMw = OPM(A_E, SZ_VW), EdMb = OPM(A_E, SZ_DB), EdMw = OPM(A_E, SZ_DW),
    Gb = OPM(A_G, SZ_B), Gw = OPM(A_G, SZ_W), Gd = OPM(A_G, SZ_D), Gv = OPM(A_G, SZ_V), Gy = OPM(A_G, SZ_Y), Gz = OPM(A_G, SZ_Z), Gn = OPM(A_G, SZ_N),
    M_ = OPM(A_M, SZ_0), Mb = OPM(A_M, SZ_B), Mw = OPM(A_M, SZ_W), Md = OPM(A_M, SZ_D), Mq = OPM(A_M, SZ_Q), Mdq = OPM(A_M, SZ_DQ), Mqq = OPM(A_M, SZ_QQ),
    Mt = OPM(A_M, SZ_T), Mv = OPM(A_M, SZ_V), My = OPM(A_M, SZ_Y), Mp = OPM(A_M, SZ_P), Ma = OPM(A_M, SZ_A), Ms = OPM(A_M, SZ_S), Mx = OPM(A_M, SZ_X),
    Menv = OPM(A_M, SZ_ENV), Mfst = OPM(A_M, SZ_FST), M512 = OPM(A_M, SZ_512), M64 = OPM(A_M, SZ_64),
    Rv = OPM(A_R, SZ_V), Ry = OPM(A_R, SZ_Y), Rd = OPM(A_R, SZ_D), Rn = OPM(A_R, SZ_N), Fn = OPM(A_RF, SZ_N),
    By = OPV(A_B, SZ_Y),
    Zb = OPC(A_Z, SZ_B), Zv = OPC(A_Z, SZ_V), Zy = OPC(A_Z, SZ_Y),
    Ib = OPC(A_I, SZ_B), Iw = OPC(A_I, SZ_W), Iv = OPC(A_I, SZ_V), Iz = OPC(A_SI, SZ_V), sIb = OPC(A_I8S, SZ_V),
    Jb = OPC(A_J, SZ_B), Jz = OPC(A_J, SZ_Z), Ob = OPC(A_O, SZ_B), Ov = OPC(A_O, SZ_V), Ap = OPC(A_A, SZ_P),
    One = OPC(A_ONE, SZ_B), AL = OPC(A_AX, SZ_B), AX = OPC(A_AX, SZ_W), rAX = OPC(A_AX, SZ_V), zAX = OPC(A_AX, SZ_Z), CL = OPC(A_CX, SZ_B), DX = OPC(A_PORT, SZ_W),
    Sw = OPM(A_S, SZ_W), Cn = OPM(A_C, SZ_N), Dn = OPM(A_D, SZ_N),
    sES = OPC(A_SREG, SEG_ES), sCS = OPC(A_SREG, SEG_CS), sSS = OPC(A_SREG, SEG_SS), sDS = OPC(A_SREG, SEG_DS), sFS = OPC(A_SREG, SEG_FS),
    sGS = OPC(A_SREG, SEG_GS),
    Xb = OPC(A_X, SZ_B), Xv = OPC(A_X, SZ_V), Xz = OPC(A_X, SZ_Z), Yb = OPC(A_Y, SZ_B), Yv = OPC(A_Y, SZ_V), Yz = OPC(A_Y, SZ_Z),
    BXb = OPC(A_BX, SZ_B), AXb = OPC(A_MAX, SZ_B), AX64 = OPC(A_MAX, SZ_64),
    ST0 = OPC(A_ST, SZ_T), STi = OPM(A_STI, SZ_T),
};
/* MMX and vector registers. */
enum {
    Pq = OPM(A_P, SZ_Q), Pd = OPM(A_P, SZ_D), Qq = OPM(A_Q, SZ_Q), Qd = OPM(A_Q, SZ_D), Nq = OPM(A_N, SZ_Q), DIq = OPC(A_DI, SZ_Q), DIdq = OPC(A_DI, SZ_DQ),
    Vx = OPM(A_V, SZ_X), Vdq = OPM(A_V, SZ_DQ), Vqq = OPM(A_V, SZ_QQ), Vd = OPM(A_V, SZ_D), Vq = OPM(A_V, SZ_Q), Vxh = OPM(A_V, SZ_XH),
    Wx = OPM(A_W, SZ_X), Wdq = OPM(A_W, SZ_DQ), Wqq = OPM(A_W, SZ_QQ), Wd = OPM(A_W, SZ_D), Wq = OPM(A_W, SZ_Q), Ww = OPM(A_W, SZ_W), Wb = OPM(A_W, SZ_B),
    Wxh = OPM(A_W, SZ_XH), Wxq = OPM(A_W, SZ_XQ), Wxe = OPM(A_W, SZ_XE), Wdup = OPM(A_W, SZ_DUP),
    Ux = OPM(A_U, SZ_X), Udq = OPM(A_U, SZ_DQ), Uqq = OPM(A_U, SZ_QQ), Uq = OPM(A_U, SZ_Q), Ud = OPM(A_U, SZ_D),
    Hx = OPV(A_H, SZ_X), Hdq = OPV(A_H, SZ_DQ), Hqq = OPV(A_H, SZ_QQ), Hq = OPV(A_H, SZ_Q), Hd = OPV(A_H, SZ_D), Hxh = OPV(A_H, SZ_XH),
    Lx = OPC(A_L, SZ_X), VXd = OPM(A_VX, SZ_D), VXq = OPM(A_VX, SZ_Q), XMM0 = OPC(A_XMM0, SZ_DQ),
};

/* Rules of an encoding. */
enum {
    R_D64 = 1 << 0,    /* 64-bit code: operand size 8 by default, 2 with 66 */
    R_F64 = 1 << 1,    /* 64-bit code: operand size 8 whatever the prefixes */
    R_NO64 = 1 << 2,
    R_ONLY64 = 1 << 3,
    R_L0 = 1 << 4,     /* VEX.L must be 0 */
    R_L1 = 1 << 5,
    R_W0 = 1 << 6,     /* VEX.W must be 0 */
    R_W1 = 1 << 7,
    R_ALT = 1 << 8,    /* without the feature, the F3 prefix counts for nothing: TZCNT, LZCNT, WBNOINVD */
    R_MODRM = 1 << 9,  /* a modrm byte though no operand has one */
    R_NOMEM = 1 << 10, /* mod is ignored: never memory */
    R_GATHER = 1 << 11,
    R_NOCS = 1 << 12,  /* the segment register may not be CS */
    R_EVEX_IMM = 1 << 13,
};

/* Compile-time counting of operands. */
#define N_ARGS(...)                        N_ARGS_(__VA_ARGS__ __VA_OPT__(, ) 5, 4, 3, 2, 1, 0)
#define N_ARGS_(a, b, c, d, e, n, ...)     n
#define OR_ARGS(...)                       OR_ARGS_(__VA_ARGS__ __VA_OPT__(, ) 0, 0, 0, 0, 0)
#define OR_ARGS_(a, b, c, d, e, ...)       ((a) | (b) | (c) | (d) | (e))
#define LIST(...)                          __VA_ARGS__

#define FORM(MN, OP, EXEC, ATTRS, FEAT, FEAT2, RULES, OPNDS, ...)                                                                             \
    {                                                                                                                                         \
        N_FORM, &(const Form)                                                                                                                 \
        {                                                                                                                                     \
            .d.mnemonic = MN, .d.op = OP, .d.exec = EXEC, .d.attrs = (ATTRS), .d.feature = FEAT, .d.feature2 = FEAT2,                         \
            .d.n_operands = N_ARGS OPNDS, .opnd = {LIST OPNDS}, .all = (uint16_t)OR_ARGS OPNDS, .rules = (RULES), __VA_ARGS__                 \
        }                                                                                                                                     \
    }

/* What a form says besides, in its last arguments. */
#define FR(f)  .d.flags_read = (f)
#define FW(f)  .d.flags_written = (f)
#define FU(f)  .d.flags_undefined = (f)
#define FM(f)  .d.flags_maybe = (f)
#define GR(g)  .d.gpr_read = (g)
#define GW(g)  .d.gpr_written = (g)
#define GRW(g) .d.gpr_read = (g), .d.gpr_written = (g)
enum {
    CF = FLAG_CF, PF = FLAG_PF, AF = FLAG_AF, ZF = FLAG_ZF, SF = FLAG_SF, OF = FLAG_OF, DF = FLAG_DF,
    ARITH = CF | PF | AF | ZF | SF | OF, FLAGS_ALL = 0x7fd5, /* all in the low half that are flags */
    gAX = 1 << R_RAX, gCX = 1 << R_RCX, gDX = 1 << R_RDX, gBX = 1 << R_RBX, gSP = 1 << R_RSP, gBP = 1 << R_RBP, gSI = 1 << R_RSI, gDI = 1 << R_RDI,
    gR11 = 1 << R_R11,
};

#define UD { N_UD, NULL }
#define I(op, mn, attrs, rules, opnds, ...)         FORM(mn, OP_##op, EXEC_OP, attrs, FEATURE_NONE, FEATURE_NONE, rules, opnds, __VA_ARGS__)
#define IF(feat, op, mn, attrs, rules, opnds, ...)  FORM(mn, OP_##op, EXEC_OP, attrs, FEAT_##feat, FEATURE_NONE, rules, opnds, __VA_ARGS__)
#define H(feat, mn, attrs, rules, opnds, ...)       FORM(mn, OP_INVALID, EXEC_HOST, attrs, FEAT_##feat, FEATURE_NONE, rules, opnds, __VA_ARGS__)
#define X87(mn, opnds, ...)                         FORM(mn, OP_INVALID, EXEC_HOST, INSN_FPU | INSN_FPU_WAIT, FEAT_FPU, FEATURE_NONE, 0, opnds, __VA_ARGS__)
#define X87F(feat, mn, opnds, ...)                  FORM(mn, OP_INVALID, EXEC_HOST, INSN_FPU | INSN_FPU_WAIT, FEAT_FPU, FEAT_##feat, 0, opnds, __VA_ARGS__)
#define X87C(op, mn, attrs, opnds, ...)             FORM(mn, OP_##op, EXEC_OP, attrs, FEAT_FPU, FEATURE_NONE, 0, opnds, __VA_ARGS__)
#define MMX(feat, mn, opnds)                        FORM(mn, OP_INVALID, EXEC_HOST, INSN_MMX, FEAT_##feat, FEATURE_NONE, 0, opnds, )
#define S(feat, t, mn, opnds, ...)                  FORM(mn, OP_INVALID, EXEC_HOST, INSN_SSE | (t), FEAT_##feat, FEATURE_NONE, 0, opnds, __VA_ARGS__)
#define SR(feat, t, rules, mn, opnds)               FORM(mn, OP_INVALID, EXEC_HOST, INSN_SSE | (t), FEAT_##feat, FEATURE_NONE, rules, opnds, )
#define V(feat, t, rules, mn, opnds, ...)           FORM(mn, OP_INVALID, EXEC_HOST, INSN_AVX | ((t) & ~INSN_ALIGN_LEGACY), FEAT_##feat, FEATURE_NONE, rules, opnds, __VA_ARGS__)
#define V2(feat, feat2, t, rules, mn, opnds)        FORM(mn, OP_INVALID, EXEC_HOST, INSN_AVX | ((t) & ~INSN_ALIGN_LEGACY), FEAT_##feat, FEAT_##feat2, rules, opnds, )
#define VO(feat, op, t, rules, mn, opnds, ...)      FORM(mn, OP_##op, EXEC_OP, INSN_AVX | (t), FEAT_##feat, FEATURE_NONE, rules, opnds, __VA_ARGS__)
/* Integer: 128 bits are AVX, 256 AVX2. */
#define VI(t, rules, mn, opnds)                     LV(V(AVX, t, rules, mn, opnds), V(AVX2, t, rules, mn, opnds))

#define PP(np, p66, pf3, pf2)              { N_PP, (const Node[4]){np, p66, pf3, pf2} }
#define NP(x)                              { N_PP, (const Node[4]){x, UD, UD, UD} }
#define P66(x)                             { N_PP, (const Node[4]){UD, x, UD, UD} }
#define MOD(m, r)                          { N_MOD, (const Node[2]){m, r} }
#define MEM(m)                             { N_MOD, (const Node[2]){m, UD} }
#define REGF(r)                            { N_MOD, (const Node[2]){UD, r} }
#define REG(a, b, c, d, e, f, g, h)        { N_REG, (const Node[8]){a, b, c, d, e, f, g, h} }
#define RM(a, b, c, d, e, f, g, h)         { N_RM, (const Node[8]){a, b, c, d, e, f, g, h} }
#define WV(w0, w1)                         { N_W, (const Node[2]){w0, w1} }
#define WG(w0, w1)                         { N_WG, (const Node[2]){w0, w1} }
#define LV(l0, l1)                         { N_L, (const Node[2]){l0, l1} }
#define OSZ(a, b, c)                       { N_OSZ, (const Node[3]){a, b, c} }
#define OSZ64(a, b, c)                     { N_OSZ64, (const Node[3]){a, b, c} }
#define ASZ(a, b, c)                       { N_ASZ, (const Node[3]){a, b, c} }
#define M6432(no64, only64)                { N_64, (const Node[2]){no64, only64} }
#define REXB(no, yes)                      { N_REXB, (const Node[2]){no, yes} }

/* Exception types of vector instructions (SDM volume 2, 2.4): attributes. */
enum { T1 = INSN_ALIGN_VEC, T2 = INSN_SIMD_FP | INSN_ALIGN_LEGACY, T3 = INSN_SIMD_FP, T4 = INSN_ALIGN_LEGACY, T4U = 0, T5 = 0, T5FP = INSN_SIMD_FP };

enum {
    FEAT_FPU = INSN_FEATURE(F_1_EDX, 0), FEAT_TSC = INSN_FEATURE(F_1_EDX, 4), FEAT_MSR = INSN_FEATURE(F_1_EDX, 5), FEAT_CX8 = INSN_FEATURE(F_1_EDX, 8),
    FEAT_SEP = INSN_FEATURE(F_1_EDX, 11), FEAT_CMOV = INSN_FEATURE(F_1_EDX, 15), FEAT_CLFLUSH = INSN_FEATURE(F_1_EDX, 19), FEAT_MMX = INSN_FEATURE(F_1_EDX, 23),
    FEAT_FXSR = INSN_FEATURE(F_1_EDX, 24), FEAT_SSE = INSN_FEATURE(F_1_EDX, 25), FEAT_SSE2 = INSN_FEATURE(F_1_EDX, 26),
    FEAT_SSE3 = INSN_FEATURE(F_1_ECX, 0), FEAT_PCLMUL = INSN_FEATURE(F_1_ECX, 1), FEAT_MONITOR = INSN_FEATURE(F_1_ECX, 3), FEAT_VMX = INSN_FEATURE(F_1_ECX, 5),
    FEAT_SSSE3 = INSN_FEATURE(F_1_ECX, 9), FEAT_FMA = INSN_FEATURE(F_1_ECX, 12), FEAT_CX16 = INSN_FEATURE(F_1_ECX, 13), FEAT_SSE41 = INSN_FEATURE(F_1_ECX, 19),
    FEAT_SSE42 = INSN_FEATURE(F_1_ECX, 20), FEAT_MOVBE = INSN_FEATURE(F_1_ECX, 22), FEAT_POPCNT = INSN_FEATURE(F_1_ECX, 23), FEAT_AES = INSN_FEATURE(F_1_ECX, 25),
    FEAT_XSAVE = INSN_FEATURE(F_1_ECX, 26), FEAT_AVX = INSN_FEATURE(F_1_ECX, 28), FEAT_F16C = INSN_FEATURE(F_1_ECX, 29), FEAT_RDRAND = INSN_FEATURE(F_1_ECX, 30),
    FEAT_FSGSBASE = INSN_FEATURE(F_7_0_EBX, 0), FEAT_BMI1 = INSN_FEATURE(F_7_0_EBX, 3), FEAT_AVX2 = INSN_FEATURE(F_7_0_EBX, 5), FEAT_BMI2 = INSN_FEATURE(F_7_0_EBX, 8),
    FEAT_INVPCID = INSN_FEATURE(F_7_0_EBX, 10), FEAT_AVX512F = INSN_FEATURE(F_7_0_EBX, 16), FEAT_RDSEED = INSN_FEATURE(F_7_0_EBX, 18),
    FEAT_ADX = INSN_FEATURE(F_7_0_EBX, 19), FEAT_SMAP = INSN_FEATURE(F_7_0_EBX, 20), FEAT_CLFLUSHOPT = INSN_FEATURE(F_7_0_EBX, 23),
    FEAT_CLWB = INSN_FEATURE(F_7_0_EBX, 24), FEAT_SHA = INSN_FEATURE(F_7_0_EBX, 29),
    FEAT_PKU = INSN_FEATURE(F_7_0_ECX, 3), FEAT_GFNI = INSN_FEATURE(F_7_0_ECX, 8), FEAT_VAES = INSN_FEATURE(F_7_0_ECX, 9),
    FEAT_VPCLMUL = INSN_FEATURE(F_7_0_ECX, 10), FEAT_RDPID = INSN_FEATURE(F_7_0_ECX, 22), FEAT_MOVDIRI = INSN_FEATURE(F_7_0_ECX, 27),
    FEAT_SERIALIZE = INSN_FEATURE(F_7_0_EDX, 14),
    FEAT_SYSCALL = INSN_FEATURE(F_8000_0001_EDX, 11), FEAT_RDTSCP = INSN_FEATURE(F_8000_0001_EDX, 27), FEAT_LM = INSN_FEATURE(F_8000_0001_EDX, 29),
    FEAT_LAHF = INSN_FEATURE(F_8000_0001_ECX, 0), FEAT_SVM = INSN_FEATURE(F_8000_0001_ECX, 2), FEAT_ABM = INSN_FEATURE(F_8000_0001_ECX, 5),
    FEAT_CLZERO = INSN_FEATURE(F_8000_0008_EBX, 0), FEAT_WBNOINVD = INSN_FEATURE(F_8000_0008_EBX, 9),
    FEAT_XSAVEOPT = INSN_FEATURE(F_XSAVE, 0), FEAT_XSAVEC = INSN_FEATURE(F_XSAVE, 1), FEAT_XSAVES = INSN_FEATURE(F_XSAVE, 3),
};

extern const Node decode_one_byte[256], decode_0f[256], decode_38[256], decode_3a[256];
extern const Node decode_vex_0f[256], decode_vex_38[256], decode_vex_3a[256];
extern const Node decode_evex, decode_evex_imm; /* any EVEX instruction: nobody offers them */
extern const Node decode_x87[8][2]; /* D8-DF: memory, register */

#endif
