/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two-byte opcodes 0F xx (SDM volume 2, table A-3). */
#include "target/i386/decode-tables.h"

/* clang-format off */

#define LK    INSN_LOCKABLE
#define STK   INSN_STACK
#define BR    INSN_BRANCH
#define END   INSN_END
#define C0    INSN_CPL0
#define HINT(mn, opnds) I(NOP, mn, INSN_HINT, 0, opnds, )
#define PUSHES GRW(gSP)

/* Four forms by prefix: packed single, packed double, scalar single, scalar double. */
#define PS_PD(mn, t, ...)       PP(S(SSE, t, mn "ps", (RW Vdq, Wdq), ), S(SSE2, t, mn "pd", (RW Vdq, Wdq), ), UD, UD)
#define PS_PD_SS_SD(mn)         PP(S(SSE, T2, mn "ps", (RW Vdq, Wdq), ), S(SSE2, T2, mn "pd", (RW Vdq, Wdq), ), \
                                   S(SSE, T3, mn "ss", (RW Vd, Wd), ), S(SSE2, T3, mn "sd", (RW Vq, Wq), ))
/* MMX and its SSE2 twin. */
#define MM(mn)                  PP(MMX(MMX, mn, (RW Pq, Qq)), S(SSE2, T4, mn, (RW Vdq, Wdq), ), UD, UD)
#define MM_AS(feat, mn)         PP(MMX(feat, mn, (RW Pq, Qq)), S(SSE2, T4, mn, (RW Vdq, Wdq), ), UD, UD)
#define MM_D(mn)                PP(MMX(MMX, mn, (RW Pq, Qd)), S(SSE2, T4, mn, (RW Vdq, Wdq), ), UD, UD)
#define X2(mn)                  PP(UD, S(SSE2, T4, mn, (RW Vdq, Wdq), ), UD, UD)
/* Shifts by an immediate: register only. */
#define SHIFT_I(mn)             PP(MMX(MMX, mn, (RW Nq, Ib)), S(SSE2, T5, mn, (RW Udq, Ib), ), UD, UD)
#define SHIFT_X(mn)             PP(UD, S(SSE2, T5, mn, (RW Udq, Ib), ), UD, UD)
/* A move that is also encoded with source and destination exchanged. */
#define MOVFORM(feat, t, mn, opnds) S(feat, t, mn, opnds, )

#define COMIS_FLAGS  FW(ARITH)
#define JCC_Z(f)     I(JCC, "jcc", BR, R_F64, (Jz), FR(f))
#define SETCC(f)     I(SETCC, "setcc", 0, 0, (W Eb), FR(f))
#define CMOV(f)      IF(CMOV, CMOVCC, "cmovcc", 0, 0, (RW Gv, Ev), FR(f))
#define CONDITIONS(base, m)                                                                                             \
    [base ... base + 1] = m(OF), [base + 2 ... base + 3] = m(CF), [base + 4 ... base + 5] = m(ZF), [base + 6 ... base + 7] = m(CF | ZF), \
    [base + 8 ... base + 9] = m(SF), [base + 10 ... base + 11] = m(PF), [base + 12 ... base + 13] = m(SF | OF), \
    [base + 14 ... base + 15] = m(SF | OF | ZF)

#define BT_FLAGS     FW(CF), FU(OF | SF | AF | PF)
#define VMX(mn, opnds) IF(VMX, VMCALL, mn, END, 0, opnds, )
#define SVM(mn)      IF(SVM, VMCALL, mn, END, 0, (), )

static const Node group6[8] = {
    I(SLDT, "sldt", INSN_NO_REAL, 0, (W EvMw), ), I(STR, "str", INSN_NO_REAL, 0, (W EvMw), ),
    I(LLDT, "lldt", INSN_NO_REAL | C0 | INSN_SERIALIZE, 0, (Ew), ), I(LTR, "ltr", INSN_NO_REAL | C0 | INSN_SERIALIZE, 0, (Ew), ),
    I(VERR, "verr", INSN_NO_REAL, 0, (Ew), FW(ZF)), I(VERW, "verw", INSN_NO_REAL, 0, (Ew), FW(ZF)), UD, UD,
};
static const Node group7_mem[8] = {
    I(SGDT, "sgdt", 0, 0, (W Ms), ), I(SIDT, "sidt", 0, 0, (W Ms), ),
    I(LGDT, "lgdt", C0 | INSN_SERIALIZE, 0, (Ms), ), I(LIDT, "lidt", C0 | INSN_SERIALIZE, 0, (Ms), ),
    I(SMSW, "smsw", 0, 0, (W Mw), ), UD, I(LMSW, "lmsw", C0 | END | INSN_SERIALIZE, 0, (Mw), ),
    I(INVLPG, "invlpg", C0 | END | INSN_SERIALIZE, 0, (M_), ),
};
static const Node group7_reg[8] = {
    RM(UD, NP(VMX("vmcall", ())), NP(VMX("vmlaunch", ())), NP(VMX("vmresume", ())), NP(VMX("vmxoff", ())), UD, UD, UD),
    RM(NP(IF(MONITOR, MONITOR, "monitor", 0, 0, (AXb), GR(gAX | gCX | gDX))), NP(IF(MONITOR, MWAIT, "mwait", END, 0, (), GR(gAX | gCX))),
       NP(IF(SMAP, CLAC, "clac", END, 0, (), FW(0))), NP(IF(SMAP, STAC, "stac", END, 0, (), FW(0))), UD, UD, UD, UD),
    RM(NP(IF(XSAVE, XGETBV, "xgetbv", 0, 0, (), GR(gCX), GW(gAX | gDX))),
       NP(IF(XSAVE, XSETBV, "xsetbv", END | INSN_SERIALIZE, 0, (), GR(gCX | gAX | gDX))),
       UD, UD, NP(VMX("vmfunc", ())), UD, UD, UD),
    RM(SVM("vmrun"), SVM("vmmcall"), SVM("vmload"), SVM("vmsave"), SVM("stgi"), SVM("clgi"), SVM("skinit"), SVM("invlpga")),
    I(SMSW, "smsw", 0, 0, (W Rv), ),
    RM(NP(IF(SERIALIZE, SERIALIZE, "serialize", INSN_SERIALIZE, 0, (), )), UD, UD, UD, UD, UD,
       NP(IF(PKU, RDPKRU, "rdpkru", 0, 0, (), GR(gCX), GW(gAX | gDX))), NP(IF(PKU, WRPKRU, "wrpkru", END, 0, (), GR(gAX | gCX | gDX)))),
    I(LMSW, "lmsw", C0 | END | INSN_SERIALIZE, 0, (Ew), ),
    RM(IF(LM, SWAPGS, "swapgs", C0, R_ONLY64, (), ), IF(RDTSCP, RDTSCP, "rdtscp", 0, 0, (), GW(gAX | gCX | gDX)), UD, UD,
       IF(CLZERO, CLZERO, "clzero", 0, 0, (W AX64), GR(gAX)), UD, UD, UD),
};
static const Node group15_mem[8] = {
    NP(WV(IF(FXSR, FXSAVE, "fxsave", INSN_ALIGN16, 0, (W M512), ), IF(FXSR, FXSAVE, "fxsave64", INSN_ALIGN16, 0, (W M512), ))),
    NP(WV(IF(FXSR, FXRSTOR, "fxrstor", INSN_ALIGN16, 0, (M512), ), IF(FXSR, FXRSTOR, "fxrstor64", INSN_ALIGN16, 0, (M512), ))),
    NP(IF(SSE, LDMXCSR, "ldmxcsr", INSN_SSE, 0, (Md), )), NP(IF(SSE, STMXCSR, "stmxcsr", INSN_SSE, 0, (W Md), )),
    NP(WV(IF(XSAVE, XSAVE, "xsave", 0, 0, (RW M_), GR(gAX | gDX)), IF(XSAVE, XSAVE, "xsave64", 0, 0, (RW M_), GR(gAX | gDX)))),
    NP(WV(IF(XSAVE, XRSTOR, "xrstor", END, 0, (M_), GR(gAX | gDX)), IF(XSAVE, XRSTOR, "xrstor64", END, 0, (M_), GR(gAX | gDX)))),
    PP(WV(IF(XSAVEOPT, XSAVEOPT, "xsaveopt", 0, 0, (RW M_), GR(gAX | gDX)),
          IF(XSAVEOPT, XSAVEOPT, "xsaveopt64", 0, 0, (RW M_), GR(gAX | gDX))),
       IF(CLWB, CLFLUSH, "clwb", 0, 0, (Mb), ), UD, UD),
    PP(IF(CLFLUSH, CLFLUSH, "clflush", 0, 0, (Mb), ), IF(CLFLUSHOPT, CLFLUSH, "clflushopt", 0, 0, (Mb), ), UD, UD),
};
#define FSGS(op, mn, opnds) PP(UD, UD, IF(FSGSBASE, op, mn, 0, R_ONLY64, opnds, ), UD)
static const Node group15_reg[8] = {
    FSGS(RDFSBASE, "rdfsbase", (W Ry)), FSGS(RDGSBASE, "rdgsbase", (W Ry)), FSGS(WRFSBASE, "wrfsbase", (Ry)),
    FSGS(WRGSBASE, "wrgsbase", (Ry)), UD,
    NP(IF(SSE2, FENCE, "lfence", 0, R_MODRM, (), )), NP(IF(SSE2, FENCE, "mfence", 0, R_MODRM, (), )),
    NP(IF(SSE, FENCE, "sfence", 0, R_MODRM, (), )),
};
static const Node group9_mem[8] = {
    UD,
    WV(IF(CX8, CMPXCHG8B, "cmpxchg8b", LK, 0, (RW Mq), FW(ZF), GR(gAX | gDX | gBX | gCX), GW(gAX | gDX)),
       IF(CX16, CMPXCHG8B, "cmpxchg16b", LK | INSN_ALIGN16, 0, (RW Mdq), FW(ZF), GR(gAX | gDX | gBX | gCX), GW(gAX | gDX))),
    UD,
    NP(WV(IF(XSAVES, XRSTORS, "xrstors", C0 | END, 0, (M_), GR(gAX | gDX)),
          IF(XSAVES, XRSTORS, "xrstors64", C0 | END, 0, (M_), GR(gAX | gDX)))),
    NP(WV(IF(XSAVEC, XSAVEC, "xsavec", 0, 0, (W M_), GR(gAX | gDX)), IF(XSAVEC, XSAVEC, "xsavec64", 0, 0, (W M_), GR(gAX | gDX)))),
    NP(WV(IF(XSAVES, XSAVES, "xsaves", C0, 0, (W M_), GR(gAX | gDX)), IF(XSAVES, XSAVES, "xsaves64", C0, 0, (W M_), GR(gAX | gDX)))),
    PP(VMX("vmptrld", (Mq)), VMX("vmclear", (Mq)), VMX("vmxon", (Mq)), UD), NP(VMX("vmptrst", (W Mq))),
};
static const Node group9_reg[8] = {
    UD, UD, UD, UD, UD, UD,
    PP(IF(RDRAND, RDRAND, "rdrand", 0, 0, (W Rv), FW(ARITH)), IF(RDRAND, RDRAND, "rdrand", 0, 0, (W Rv), FW(ARITH)), UD, UD),
    PP(IF(RDSEED, RDSEED, "rdseed", 0, 0, (W Rv), FW(ARITH)), IF(RDSEED, RDSEED, "rdseed", 0, 0, (W Rv), FW(ARITH)),
       IF(RDPID, RDPID, "rdpid", 0, 0, (W Rn), ), UD),
};
#define HINTS(mn) [0 ... 7] = HINT(mn, (Ev))

const Node decode_0f[256] = {
    [0x00] = { N_REG, group6 }, [0x01] = MOD(LIST({ N_REG, group7_mem }), LIST({ N_REG, group7_reg })),
    [0x02] = I(LAR, "lar", INSN_NO_REAL, 0, (RW Gv, EvMw), FW(ZF)), [0x03] = I(LSL, "lsl", INSN_NO_REAL, 0, (RW Gv, EvMw), FW(ZF)),
    [0x05] = IF(SYSCALL, SYSCALL, "syscall", END, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL), GW(gCX | gR11)),
    [0x06] = I(CLTS, "clts", C0 | END, 0, (), ),
    [0x07] = IF(SYSCALL, SYSRET, "sysret", END, 0, (), FW(ARITH | DF), FM(FLAGS_ALL), GR(gCX | gR11)),
    [0x08] = I(INVD, "invd", C0 | INSN_SERIALIZE, 0, (), ),
    [0x09] = PP(I(WBINVD, "wbinvd", C0 | INSN_SERIALIZE, 0, (), ), I(WBINVD, "wbinvd", C0 | INSN_SERIALIZE, 0, (), ),
                IF(WBNOINVD, WBINVD, "wbnoinvd", C0, R_ALT, (), ), I(WBINVD, "wbinvd", C0 | INSN_SERIALIZE, 0, (), )),
    [0x0b] = I(UD, "ud2", END, 0, (), ),
    [0x0d] = MOD(REG(HINT("prefetch", (M_)), HINT("prefetchw", (M_)), HINT("prefetchwt1", (M_)), HINT("prefetch", (M_)),
                     HINT("prefetch", (M_)),
                     HINT("prefetch", (M_)), HINT("prefetch", (M_)), HINT("prefetch", (M_))), HINT("nop", (Ev))),

    [0x10] = PP(S(SSE, T4U, "movups", (W Vdq, Wdq), ), S(SSE2, T4U, "movupd", (W Vdq, Wdq), ),
                MOD(S(SSE, T5, "movss", (W Vdq, Md), ), S(SSE, T5, "movss", (W Vd, Ud), )),
                MOD(S(SSE2, T5, "movsd", (W Vdq, Mq), ), S(SSE2, T5, "movsd", (W Vq, Uq), ))),
    [0x11] = PP(S(SSE, T4U, "movups", (W Wdq, Vdq), ), S(SSE2, T4U, "movupd", (W Wdq, Vdq), ),
                S(SSE, T5, "movss", (W Wd, Vd), ), S(SSE2, T5, "movsd", (W Wq, Vq), )),
    [0x12] = PP(MOD(S(SSE, T5, "movlps", (W Vq, Mq), ), S(SSE, T5, "movhlps", (W Vq, Udq), )), MEM(S(SSE2, T5, "movlpd", (W Vq, Mq), )),
                S(SSE3, T4, "movsldup", (W Vdq, Wdq), ), S(SSE3, T5, "movddup", (W Vdq, Wq), )),
    [0x13] = PP(MEM(S(SSE, T5, "movlps", (W Mq, Vq), )), MEM(S(SSE2, T5, "movlpd", (W Mq, Vq), )), UD, UD),
    [0x14] = PP(S(SSE, T4, "unpcklps", (RW Vdq, Wdq), ), S(SSE2, T4, "unpcklpd", (RW Vdq, Wdq), ), UD, UD),
    [0x15] = PP(S(SSE, T4, "unpckhps", (RW Vdq, Wdq), ), S(SSE2, T4, "unpckhpd", (RW Vdq, Wdq), ), UD, UD),
    [0x16] = PP(MOD(S(SSE, T5, "movhps", (RW Vdq, Mq), ), S(SSE, T5, "movlhps", (RW Vdq, Uq), )),
                MEM(S(SSE2, T5, "movhpd", (RW Vdq, Mq), )),
                S(SSE3, T4, "movshdup", (W Vdq, Wdq), ), UD),
    [0x17] = PP(MEM(S(SSE, T5, "movhps", (W Mq, Vdq), )), MEM(S(SSE2, T5, "movhpd", (W Mq, Vdq), )), UD, UD),
    [0x18] = MOD(REG(HINT("prefetchnta", (M_)), HINT("prefetcht0", (M_)), HINT("prefetcht1", (M_)),
                     HINT("prefetcht2", (M_)), HINT("nop", (Ev)), HINT("nop", (Ev)),
                     HINT("nop", (Ev)), HINT("nop", (Ev))), HINT("nop", (Ev))),
    [0x19 ... 0x1d] = HINT("nop", (Ev)),
    [0x1e] = PP(HINT("nop", (Ev)), HINT("nop", (Ev)),
                MOD(HINT("nop", (Ev)),
                    REG(HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("nop", (Ev)),
                    RM(HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("endbr64", ()), HINT("endbr32", ()), HINT("nop", (Ev)),
                       HINT("nop", (Ev)), HINT("nop", (Ev)), HINT("nop", (Ev))))),
                HINT("nop", (Ev))),
    [0x1f] = HINT("nop", (Ev)),
    [0x20] = I(MOV_FROM_CR, "mov", C0, R_NOMEM, (W Fn, Cn), ), [0x21] = I(MOV_FROM_DR, "mov", C0, R_NOMEM, (W Fn, Dn), ),
    [0x22] = I(MOV_TO_CR, "mov", C0 | END | INSN_SERIALIZE, R_NOMEM, (W Cn, Fn), ),
    [0x23] = I(MOV_TO_DR, "mov", C0 | END | INSN_SERIALIZE, R_NOMEM, (W Dn, Fn), ),
    [0x28] = PP(S(SSE, T1, "movaps", (W Vdq, Wdq), ), S(SSE2, T1, "movapd", (W Vdq, Wdq), ), UD, UD),
    [0x29] = PP(S(SSE, T1, "movaps", (W Wdq, Vdq), ), S(SSE2, T1, "movapd", (W Wdq, Vdq), ), UD, UD),
    [0x2a] = PP(MOD(S(SSE, T5FP, "cvtpi2ps", (W Vq, Mq), ), S(SSE, T5FP | INSN_MMX, "cvtpi2ps", (W Vq, Nq), )),
                MOD(S(SSE2, T5, "cvtpi2pd", (W Vdq, Mq), ), S(SSE2, T5 | INSN_MMX, "cvtpi2pd", (W Vdq, Nq), )),
                S(SSE, T3, "cvtsi2ss", (W Vd, Ey), ), S(SSE2, T3, "cvtsi2sd", (W Vq, Ey), )),
    [0x2b] = PP(MEM(S(SSE, T1, "movntps", (W Mdq, Vdq), )), MEM(S(SSE2, T1, "movntpd", (W Mdq, Vdq), )), UD, UD),
    [0x2c] = PP(S(SSE, T5FP | INSN_MMX, "cvttps2pi", (W Pq, Wq), ), S(SSE2, T2 | INSN_MMX, "cvttpd2pi", (W Pq, Wdq), ),
                S(SSE, T3, "cvttss2si", (W Gy, Wd), ), S(SSE2, T3, "cvttsd2si", (W Gy, Wq), )),
    [0x2d] = PP(S(SSE, T5FP | INSN_MMX, "cvtps2pi", (W Pq, Wq), ), S(SSE2, T2 | INSN_MMX, "cvtpd2pi", (W Pq, Wdq), ),
                S(SSE, T3, "cvtss2si", (W Gy, Wd), ), S(SSE2, T3, "cvtsd2si", (W Gy, Wq), )),
    [0x2e] = PP(S(SSE, T3, "ucomiss", (Vd, Wd), COMIS_FLAGS), S(SSE2, T3, "ucomisd", (Vq, Wq), COMIS_FLAGS), UD, UD),
    [0x2f] = PP(S(SSE, T3, "comiss", (Vd, Wd), COMIS_FLAGS), S(SSE2, T3, "comisd", (Vq, Wq), COMIS_FLAGS), UD, UD),
    [0x30] = IF(MSR, WRMSR, "wrmsr", C0 | END | INSN_SERIALIZE, 0, (), GR(gCX | gAX | gDX)),
    [0x31] = IF(TSC, RDTSC, "rdtsc", 0, 0, (), GW(gAX | gDX)),
    [0x32] = IF(MSR, RDMSR, "rdmsr", C0, 0, (), GR(gCX), GW(gAX | gDX)), [0x33] = I(RDPMC, "rdpmc", 0, 0, (), GR(gCX), GW(gAX | gDX)),
    [0x34] = IF(SEP, SYSENTER, "sysenter", END, 0, (), FM(FLAG_IF), GW(gSP)),
    [0x35] = IF(SEP, SYSEXIT, "sysexit", END, 0, (), GR(gCX | gDX), GW(gSP)),
    CONDITIONS(0x40, CMOV),
    [0x50] = PP(S(SSE, T5, "movmskps", (W Gd, Udq), ), S(SSE2, T5, "movmskpd", (W Gd, Udq), ), UD, UD),
    [0x51] = PP(S(SSE, T2, "sqrtps", (W Vdq, Wdq), ), S(SSE2, T2, "sqrtpd", (W Vdq, Wdq), ), S(SSE, T3, "sqrtss", (W Vd, Wd), ),
                S(SSE2, T3, "sqrtsd", (W Vq, Wq), )),
    [0x52] = PP(S(SSE, T4, "rsqrtps", (W Vdq, Wdq), ), UD, S(SSE, T5, "rsqrtss", (W Vd, Wd), ), UD),
    [0x53] = PP(S(SSE, T4, "rcpps", (W Vdq, Wdq), ), UD, S(SSE, T5, "rcpss", (W Vd, Wd), ), UD),
    [0x54] = PS_PD("and", T4), [0x55] = PS_PD("andn", T4), [0x56] = PS_PD("or", T4), [0x57] = PS_PD("xor", T4),
    [0x58] = PS_PD_SS_SD("add"), [0x59] = PS_PD_SS_SD("mul"),
    [0x5a] = PP(S(SSE2, T3, "cvtps2pd", (W Vdq, Wq), ), S(SSE2, T2, "cvtpd2ps", (W Vdq, Wdq), ),
                S(SSE2, T3, "cvtss2sd", (W Vq, Wd), ), S(SSE2, T3, "cvtsd2ss", (W Vd, Wq), )),
    [0x5b] = PP(S(SSE2, T2, "cvtdq2ps", (W Vdq, Wdq), ), S(SSE2, T2, "cvtps2dq", (W Vdq, Wdq), ),
                S(SSE2, T2, "cvttps2dq", (W Vdq, Wdq), ), UD),
    [0x5c] = PS_PD_SS_SD("sub"), [0x5d] = PS_PD_SS_SD("min"), [0x5e] = PS_PD_SS_SD("div"), [0x5f] = PS_PD_SS_SD("max"),
    [0x60] = MM_D("punpcklbw"), [0x61] = MM_D("punpcklwd"), [0x62] = MM_D("punpckldq"), [0x63] = MM("packsswb"), [0x64] = MM("pcmpgtb"),
    [0x65] = MM("pcmpgtw"),
    [0x66] = MM("pcmpgtd"), [0x67] = MM("packuswb"), [0x68] = MM("punpckhbw"), [0x69] = MM("punpckhwd"), [0x6a] = MM("punpckhdq"),
    [0x6b] = MM("packssdw"),
    [0x6c] = X2("punpcklqdq"), [0x6d] = X2("punpckhqdq"),
    [0x6e] = PP(WV(MMX(MMX, "movd", (W Pq, Ey)), MMX(MMX, "movq", (W Pq, Ey))),
                WV(S(SSE2, T5, "movd", (W Vdq, Ey), ), S(SSE2, T5, "movq", (W Vdq, Ey), )), UD, UD),
    [0x6f] = PP(MMX(MMX, "movq", (W Pq, Qq)), S(SSE2, T1, "movdqa", (W Vdq, Wdq), ), S(SSE2, T4U, "movdqu", (W Vdq, Wdq), ), UD),
    [0x70] = PP(MMX(SSE, "pshufw", (W Pq, Qq, Ib)), S(SSE2, T4, "pshufd", (W Vdq, Wdq, Ib), ), S(SSE2, T4, "pshufhw", (W Vdq, Wdq, Ib), ),
                S(SSE2, T4, "pshuflw", (W Vdq, Wdq, Ib), )),
    [0x71] = REGF(REG(UD, UD, SHIFT_I("psrlw"), UD, SHIFT_I("psraw"), UD, SHIFT_I("psllw"), UD)),
    [0x72] = REGF(REG(UD, UD, SHIFT_I("psrld"), UD, SHIFT_I("psrad"), UD, SHIFT_I("pslld"), UD)),
    [0x73] = REGF(REG(UD, UD, SHIFT_I("psrlq"), SHIFT_X("psrldq"), UD, UD, SHIFT_I("psllq"), SHIFT_X("pslldq"))),
    [0x74] = MM("pcmpeqb"), [0x75] = MM("pcmpeqw"), [0x76] = MM("pcmpeqd"),
    [0x77] = NP(FORM("emms", OP_EMMS, EXEC_OP, INSN_MMX, FEAT_MMX, FEATURE_NONE, 0, (), )),
    [0x78] = NP(IF(VMX, VMCALL, "vmread", END, R_D64, (W OPM(A_E, SZ_N), Gn), )),
    [0x79] = NP(IF(VMX, VMCALL, "vmwrite", END, R_D64, (Gn, OPM(A_E, SZ_N)), )),
    [0x7c] = PP(UD, S(SSE3, T2, "haddpd", (RW Vdq, Wdq), ), UD, S(SSE3, T2, "haddps", (RW Vdq, Wdq), )),
    [0x7d] = PP(UD, S(SSE3, T2, "hsubpd", (RW Vdq, Wdq), ), UD, S(SSE3, T2, "hsubps", (RW Vdq, Wdq), )),
    [0x7e] = PP(WV(MMX(MMX, "movd", (W Ey, Pd)), MMX(MMX, "movq", (W Ey, Pq))),
                WV(S(SSE2, T5, "movd", (W Ey, Vd), ), S(SSE2, T5, "movq", (W Ey, Vq), )),
                S(SSE2, T5, "movq", (W Vdq, Wq), ), UD),
    [0x7f] = PP(MMX(MMX, "movq", (W Qq, Pq)), S(SSE2, T1, "movdqa", (W Wdq, Vdq), ), S(SSE2, T4U, "movdqu", (W Wdq, Vdq), ), UD),
    CONDITIONS(0x80, JCC_Z), CONDITIONS(0x90, SETCC),
    [0xa0] = I(PUSH_SEG, "push", STK, R_D64, (sFS), PUSHES), [0xa1] = I(POP_SEG, "pop", STK, R_D64, (W sFS), PUSHES),
    [0xa2] = I(CPUID, "cpuid", INSN_SERIALIZE, 0, (), GR(gAX | gCX), GW(gAX | gBX | gCX | gDX)),
    [0xa3] = I(BT, "bt", 0, 0, (Ev, Gv), BT_FLAGS), [0xa4] = I(SHLD, "shld", 0, 0, (RW Ev, Gv, Ib), FM(ARITH)),
    [0xa5] = I(SHLD, "shld", 0, 0, (RW Ev, Gv, CL), FM(ARITH)),
    [0xa8] = I(PUSH_SEG, "push", STK, R_D64, (sGS), PUSHES), [0xa9] = I(POP_SEG, "pop", STK, R_D64, (W sGS), PUSHES),
    [0xaa] = I(RSM, "rsm", END | INSN_SERIALIZE, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL)),
    [0xab] = I(BTS, "bts", LK, 0, (RW Ev, Gv), BT_FLAGS), [0xac] = I(SHRD, "shrd", 0, 0, (RW Ev, Gv, Ib), FM(ARITH)),
    [0xad] = I(SHRD, "shrd", 0, 0, (RW Ev, Gv, CL), FM(ARITH)),
    [0xae] = MOD(LIST({ N_REG, group15_mem }), LIST({ N_REG, group15_reg })),
    [0xaf] = I(IMUL2, "imul", 0, 0, (RW Gv, Ev), FW(CF | OF), FU(SF | ZF | AF | PF)),
    [0xb0] = I(CMPXCHG, "cmpxchg", LK, 0, (RW Eb, Gb), FW(ARITH), GRW(gAX)),
    [0xb1] = I(CMPXCHG, "cmpxchg", LK, 0, (RW Ev, Gv), FW(ARITH), GRW(gAX)),
    [0xb2] = I(LSEG, "lss", END, 0, (W Gv, Mp), ), [0xb3] = I(BTR, "btr", LK, 0, (RW Ev, Gv), BT_FLAGS),
    [0xb4] = I(LSEG, "lfs", 0, 0, (W Gv, Mp), ),
    [0xb5] = I(LSEG, "lgs", 0, 0, (W Gv, Mp), ), [0xb6] = I(MOVZX, "movzx", 0, 0, (W Gv, Eb), ),
    [0xb7] = I(MOVZX, "movzx", 0, 0, (W Gv, Ew), ),
    [0xb8] = PP(UD, UD, H(POPCNT, "popcnt", 0, 0, (W Gv, Ev), FW(ARITH)), UD),
    [0xb9] = I(UD, "ud1", END, 0, (Gd, Ed), ),
    [0xba] = REG(UD, UD, UD, UD, I(BT, "bt", 0, 0, (Ev, Ib), BT_FLAGS), I(BTS, "bts", LK, 0, (RW Ev, Ib), BT_FLAGS),
                 I(BTR, "btr", LK, 0, (RW Ev, Ib), BT_FLAGS),
                 I(BTC, "btc", LK, 0, (RW Ev, Ib), BT_FLAGS)),
    [0xbb] = I(BTC, "btc", LK, 0, (RW Ev, Gv), BT_FLAGS),
    [0xbc] = PP(I(BSF, "bsf", 0, 0, (RW Gv, Ev), FW(ZF), FU(ARITH & ~ZF)), I(BSF, "bsf", 0, 0, (RW Gv, Ev), FW(ZF), FU(ARITH & ~ZF)),
                H(BMI1, "tzcnt", 0, R_ALT, (W Gv, Ev), FW(CF | ZF), FU(OF | SF | PF | AF)),
                I(BSF, "bsf", 0, 0, (RW Gv, Ev), FW(ZF), FU(ARITH & ~ZF))),
    [0xbd] = PP(I(BSR, "bsr", 0, 0, (RW Gv, Ev), FW(ZF), FU(ARITH & ~ZF)), I(BSR, "bsr", 0, 0, (RW Gv, Ev), FW(ZF), FU(ARITH & ~ZF)),
                H(ABM, "lzcnt", 0, R_ALT, (W Gv, Ev), FW(CF | ZF), FU(OF | SF | PF | AF)),
                I(BSR, "bsr", 0, 0, (RW Gv, Ev), FW(ZF), FU(ARITH & ~ZF))),
    [0xbe] = I(MOVSX, "movsx", 0, 0, (W Gv, Eb), ), [0xbf] = I(MOVSX, "movsx", 0, 0, (W Gv, Ew), ),
    [0xc0] = I(XADD, "xadd", LK, 0, (RW Eb, RW Gb), FW(ARITH)), [0xc1] = I(XADD, "xadd", LK, 0, (RW Ev, RW Gv), FW(ARITH)),
    [0xc2] = PP(S(SSE, T2, "cmpps", (RW Vdq, Wdq, Ib), ), S(SSE2, T2, "cmppd", (RW Vdq, Wdq, Ib), ),
                S(SSE, T3, "cmpss", (RW Vd, Wd, Ib), ), S(SSE2, T3, "cmpsd", (RW Vq, Wq, Ib), )),
    [0xc3] = NP(MEM(IF(SSE2, MOV, "movnti", 0, 0, (W My, Gy), ))),
    [0xc4] = PP(MMX(SSE, "pinsrw", (RW Pq, EdMw, Ib)), S(SSE2, T5, "pinsrw", (RW Vdq, EdMw, Ib), ), UD, UD),
    [0xc5] = PP(MMX(SSE, "pextrw", (W Gd, Nq, Ib)), S(SSE2, T5, "pextrw", (W Gd, Udq, Ib), ), UD, UD),
    [0xc6] = PP(S(SSE, T4, "shufps", (RW Vdq, Wdq, Ib), ), S(SSE2, T4, "shufpd", (RW Vdq, Wdq, Ib), ), UD, UD),
    [0xc7] = MOD(LIST({ N_REG, group9_mem }), LIST({ N_REG, group9_reg })),
    [0xc8 ... 0xcf] = I(BSWAP, "bswap", 0, 0, (RW Zv), ),
    [0xd0] = PP(UD, S(SSE3, T2, "addsubpd", (RW Vdq, Wdq), ), UD, S(SSE3, T2, "addsubps", (RW Vdq, Wdq), )),
    [0xd1] = MM("psrlw"), [0xd2] = MM("psrld"), [0xd3] = MM("psrlq"), [0xd4] = MM_AS(SSE2, "paddq"), [0xd5] = MM("pmullw"),
    [0xd6] = PP(UD, S(SSE2, T5, "movq", (W Wq, Vq), ), REGF(S(SSE2, INSN_MMX, "movq2dq", (W Vdq, Nq), )),
                REGF(S(SSE2, INSN_MMX, "movdq2q", (W Pq, Uq), ))),
    [0xd7] = PP(MMX(SSE, "pmovmskb", (W Gd, Nq)), S(SSE2, T5, "pmovmskb", (W Gd, Udq), ), UD, UD),
    [0xd8] = MM("psubusb"), [0xd9] = MM("psubusw"), [0xda] = MM_AS(SSE, "pminub"), [0xdb] = MM("pand"), [0xdc] = MM("paddusb"),
    [0xdd] = MM("paddusw"),
    [0xde] = MM_AS(SSE, "pmaxub"), [0xdf] = MM("pandn"), [0xe0] = MM_AS(SSE, "pavgb"), [0xe1] = MM("psraw"), [0xe2] = MM("psrad"),
    [0xe3] = MM_AS(SSE, "pavgw"),
    [0xe4] = MM_AS(SSE, "pmulhuw"), [0xe5] = MM("pmulhw"),
    [0xe6] = PP(UD, S(SSE2, T2, "cvttpd2dq", (W Vdq, Wdq), ), S(SSE2, T5, "cvtdq2pd", (W Vdq, Wq), ),
                S(SSE2, T2, "cvtpd2dq", (W Vdq, Wdq), )),
    [0xe7] = PP(MEM(MMX(SSE, "movntq", (W Mq, Pq))), MEM(S(SSE2, T1, "movntdq", (W Mdq, Vdq), )), UD, UD),
    [0xe8] = MM("psubsb"), [0xe9] = MM("psubsw"), [0xea] = MM_AS(SSE, "pminsw"), [0xeb] = MM("por"), [0xec] = MM("paddsb"),
    [0xed] = MM("paddsw"),
    [0xee] = MM_AS(SSE, "pmaxsw"), [0xef] = MM("pxor"),
    [0xf0] = PP(UD, UD, UD, MEM(S(SSE3, T4U, "lddqu", (W Vdq, Mdq), ))),
    [0xf1] = MM("psllw"), [0xf2] = MM("pslld"), [0xf3] = MM("psllq"), [0xf4] = MM_AS(SSE2, "pmuludq"), [0xf5] = MM("pmaddwd"),
    [0xf6] = MM_AS(SSE, "psadbw"),
    [0xf7] = PP(FORM("maskmovq", OP_MASKMOV, EXEC_OP, INSN_MMX, FEAT_SSE, FEATURE_NONE, 0, (Pq, Nq, W DIq), GR(gDI)),
                FORM("maskmovdqu", OP_MASKMOV, EXEC_OP, INSN_SSE, FEAT_SSE2, FEATURE_NONE, 0, (Vdq, Udq, W DIdq), GR(gDI)), UD, UD),
    [0xf8] = MM("psubb"), [0xf9] = MM("psubw"), [0xfa] = MM("psubd"), [0xfb] = MM_AS(SSE2, "psubq"), [0xfc] = MM("paddb"),
    [0xfd] = MM("paddw"), [0xfe] = MM("paddd"),
    [0xff] = I(UD, "ud0", END, 0, (Gd, Ed), ),
};
