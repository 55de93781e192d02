/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87: the opcodes D8 to DF (SDM volume 2, tables ). */
#include "target/i386/decode-tables.h"

/* clang-format off */

#define FCOMI_FLAGS    FM(ARITH) /* not where an unmasked exception is pending */
#define ARITH_MEM(m, p)                                                                                     \
    REG(X87(p "add", (m), ), X87(p "mul", (m), ), X87(p "com", (m), ), X87(p "comp", (m), ),                \
        X87(p "sub", (m), ), X87(p "subr", (m), ), X87(p "div", (m), ), X87(p "divr", (m), ))

const Node decode_x87[8][2] = {
    /* index 0: memory, 1: register */
    { /* D8 */
        ARITH_MEM(Md, "f"),
        REG(X87("fadd", (RW ST0, STi), ), X87("fmul", (RW ST0, STi), ), X87("fcom", (ST0, STi), ), X87("fcomp", (ST0, STi), ),
            X87("fsub", (RW ST0, STi), ), X87("fsubr", (RW ST0, STi), ), X87("fdiv", (RW ST0, STi), ), X87("fdivr", (RW ST0, STi), )),
    },
    { /* D9 */
        REG(X87("fld", (Md), ), UD, X87("fst", (W Md), ), X87("fstp", (W Md), ),
            X87C(FLDENV, "fldenv", INSN_FPU | INSN_FPU_WAIT, (Menv), ), X87C(FLDCW, "fldcw", INSN_FPU | INSN_FPU_WAIT, (Mw), ),
            X87C(FNSTENV, "fnstenv", INSN_FPU, (W Menv), ), X87C(FNSTCW, "fnstcw", INSN_FPU, (W Mw), )),
        REG(X87("fld", (STi), ), X87("fxch", (RW ST0, RW STi), ),
            RM(X87C(FNOP, "fnop", INSN_FPU | INSN_FPU_WAIT, (), ), UD, UD, UD, UD, UD, UD, UD),
            X87("fstpnce", (W STi, ST0), ),
            RM(X87("fchs", (), ), X87("fabs", (), ), UD, UD, X87("ftst", (), ), X87("fxam", (), ), UD, UD),
            RM(X87("fld1", (), ), X87("fldl2t", (), ), X87("fldl2e", (), ), X87("fldpi", (), ), X87("fldlg2", (), ), X87("fldln2", (), ),
               X87("fldz", (), ), UD),
            RM(X87("f2xm1", (), ), X87("fyl2x", (), ), X87("fptan", (), ), X87("fpatan", (), ), X87("fxtract", (), ),
               X87("fprem1", (), ), X87("fdecstp", (), ), X87("fincstp", (), )),
            RM(X87("fprem", (), ), X87("fyl2xp1", (), ), X87("fsqrt", (), ), X87("fsincos", (), ), X87("frndint", (), ),
               X87("fscale", (), ), X87("fsin", (), ), X87("fcos", (), ))),
    },
    { /* DA */
        ARITH_MEM(Md, "fi"),
        REG(X87F(CMOV, "fcmovb", (W ST0, STi), FR(CF)), X87F(CMOV, "fcmove", (W ST0, STi), FR(ZF)),
            X87F(CMOV, "fcmovbe", (W ST0, STi), FR(CF | ZF)),
            X87F(CMOV, "fcmovu", (W ST0, STi), FR(PF)), UD, RM(UD, X87("fucompp", (), ), UD, UD, UD, UD, UD, UD), UD, UD),
    },
    { /* DB */
        REG(X87("fild", (Md), ), X87F(SSE3, "fisttp", (W Md), ), X87("fist", (W Md), ), X87("fistp", (W Md), ), UD, X87("fld", (Mt), ),
            UD, X87("fstp", (W Mt), )),
        REG(X87F(CMOV, "fcmovnb", (W ST0, STi), FR(CF)), X87F(CMOV, "fcmovne", (W ST0, STi), FR(ZF)),
            X87F(CMOV, "fcmovnbe", (W ST0, STi), FR(CF | ZF)),
            X87F(CMOV, "fcmovnu", (W ST0, STi), FR(PF)),
            RM(X87C(FNOP, "feni8087_nop", INSN_FPU, (), ), X87C(FNOP, "fdisi8087_nop", INSN_FPU, (), ),
               X87C(FNCLEX, "fnclex", INSN_FPU, (), ),
               X87C(FNINIT, "fninit", INSN_FPU, (), ), X87C(FNOP, "fsetpm287_nop", INSN_FPU, (), ), UD, UD, UD),
            X87F(CMOV, "fucomi", (ST0, STi), FCOMI_FLAGS), X87F(CMOV, "fcomi", (ST0, STi), FCOMI_FLAGS), UD),
    },
    { /* DC */
        ARITH_MEM(Mq, "f"),
        REG(X87("fadd", (RW STi, ST0), ), X87("fmul", (RW STi, ST0), ), X87("fcom", (ST0, STi), ), X87("fcomp", (ST0, STi), ),
            X87("fsubr", (RW STi, ST0), ), X87("fsub", (RW STi, ST0), ), X87("fdivr", (RW STi, ST0), ), X87("fdiv", (RW STi, ST0), )),
    },
    { /* DD */
        REG(X87("fld", (Mq), ), X87F(SSE3, "fisttp", (W Mq), ), X87("fst", (W Mq), ), X87("fstp", (W Mq), ),
            X87C(FRSTOR, "frstor", INSN_FPU | INSN_FPU_WAIT, (Mfst), ), UD, X87C(FNSAVE, "fnsave", INSN_FPU, (W Mfst), ),
            X87C(FNSTSW, "fnstsw", INSN_FPU, (W Mw), )),
        REG(X87("ffree", (STi), ), X87("fxch", (RW ST0, RW STi), ), X87("fst", (W STi, ST0), ), X87("fstp", (W STi, ST0), ),
            X87("fucom", (ST0, STi), ), X87("fucomp", (ST0, STi), ), UD, UD),
    },
    { /* DE */
        ARITH_MEM(Mw, "fi"),
        REG(X87("faddp", (RW STi, ST0), ), X87("fmulp", (RW STi, ST0), ), X87("fcomp", (ST0, STi), ),
            RM(UD, X87("fcompp", (), ), UD, UD, UD, UD, UD, UD),
            X87("fsubrp", (RW STi, ST0), ), X87("fsubp", (RW STi, ST0), ), X87("fdivrp", (RW STi, ST0), ), X87("fdivp", (RW STi, ST0), )),
    },
    { /* DF */
        REG(X87("fild", (Mw), ), X87F(SSE3, "fisttp", (W Mw), ), X87("fist", (W Mw), ), X87("fistp", (W Mw), ), X87("fbld", (Mt), ),
            X87("fild", (Mq), ),
            X87("fbstp", (W Mt), ), X87("fistp", (W Mq), )),
        REG(X87("ffreep", (STi), ), X87("fxch", (RW ST0, RW STi), ), X87("fstp", (W STi, ST0), ), X87("fstp", (W STi, ST0), ),
            RM(X87C(FNSTSW, "fnstsw", INSN_FPU, (W AX), ), UD, UD, UD, UD, UD, UD, UD),
            X87F(CMOV, "fucomip", (ST0, STi), FCOMI_FLAGS), X87F(CMOV, "fcomip", (ST0, STi), FCOMI_FLAGS), UD),
    },
};
