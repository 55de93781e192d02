/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one-byte opcodes (SDM volume 2, table A-2). */
#include "target/i386/decode-tables.h"

/* clang-format off */

#define LK   INSN_LOCKABLE
#define STK  INSN_STACK
#define BR   INSN_BRANCH
#define END  INSN_END
#define STR  INSN_STRING

/* ADD OR ADC SBB AND SUB XOR CMP: six encodings each. */
#define LOGIC       FW(ARITH & ~AF), FU(AF)
#define WITH_CARRY  FR(CF), FW(ARITH)
#define ALU(base, op, mn, acc, lk, ...)                                                                     \
    [base] = I(op, mn, lk, 0, (acc Eb, Gb), __VA_ARGS__), [base + 1] = I(op, mn, lk, 0, (acc Ev, Gv), __VA_ARGS__), \
    [base + 2] = I(op, mn, 0, 0, (acc Gb, Eb), __VA_ARGS__), [base + 3] = I(op, mn, 0, 0, (acc Gv, Ev), __VA_ARGS__), \
    [base + 4] = I(op, mn, 0, 0, (acc AL, Ib), __VA_ARGS__), [base + 5] = I(op, mn, 0, 0, (acc rAX, Iz), __VA_ARGS__)
#define GROUP1(e, i)                                                                                        \
    REG(I(ADD, "add", LK, 0, (RW e, i), FW(ARITH)), I(OR, "or", LK, 0, (RW e, i), LOGIC),                   \
        I(ADC, "adc", LK, 0, (RW e, i), WITH_CARRY), I(SBB, "sbb", LK, 0, (RW e, i), WITH_CARRY),           \
        I(AND, "and", LK, 0, (RW e, i), LOGIC), I(SUB, "sub", LK, 0, (RW e, i), FW(ARITH)),                 \
        I(XOR, "xor", LK, 0, (RW e, i), LOGIC), I(CMP, "cmp", 0, 0, (e, i), FW(ARITH)))

/* Shifts and rotates: a count of 0 leaves the flags; one of 1 sets OF as well. */
#define GROUP2(e, i, rot, rotc, sh)                                                                         \
    REG(I(ROL, "rol", 0, 0, (RW e, i), rot), I(ROR, "ror", 0, 0, (RW e, i), rot),                           \
        I(RCL, "rcl", 0, 0, (RW e, i), rotc), I(RCR, "rcr", 0, 0, (RW e, i), rotc),                         \
        I(SHL, "shl", 0, 0, (RW e, i), sh), I(SHR, "shr", 0, 0, (RW e, i), sh),                             \
        I(SHL, "shl", 0, 0, (RW e, i), sh), I(SAR, "sar", 0, 0, (RW e, i), sh))
#define GROUP2_N(e, i) GROUP2(e, i, FM(CF | OF), LIST(FR(CF), FM(CF | OF)), FM(ARITH))
#define GROUP2_1(e)    GROUP2(e, One, FW(CF | OF), LIST(FR(CF), FW(CF | OF)), LIST(FW(ARITH & ~AF), FU(AF)))

#define GROUP3(e, i, r, w)                                                                                  \
    REG(I(TEST, "test", 0, 0, (e, i), LOGIC), I(TEST, "test", 0, 0, (e, i), LOGIC),                         \
        I(NOT, "not", LK, 0, (RW e), ), I(NEG, "neg", LK, 0, (RW e), FW(ARITH)),                            \
        I(MUL, "mul", 0, 0, (e), FW(CF | OF), FU(SF | ZF | AF | PF), GR(gAX), GW(w)),                       \
        I(IMUL, "imul", 0, 0, (e), FW(CF | OF), FU(SF | ZF | AF | PF), GR(gAX), GW(w)),                     \
        I(DIV, "div", 0, 0, (e), FU(ARITH), GR(r), GW(w)), I(IDIV, "idiv", 0, 0, (e), FU(ARITH), GR(r), GW(w)))

#define INC_DEC FW(ARITH & ~CF)
#define PUSHES  GRW(gSP)
#define PUSHSEG(s) I(PUSH_SEG, "push", STK, R_NO64, (s), PUSHES)
#define POPSEG(s, end) I(POP_SEG, "pop", STK | (end), R_NO64, (W s), PUSHES)

/* String instructions: RCX and the flags change with a REP prefix, which CMPS and SCAS may repeat no time at all. */
#define STRINGS(op, attrs, mb, mw, md, mq, ob, ov, regs, wregs, ...)                                        \
    I(op, mb, STR | (attrs), 0, ob, GR(regs), GW(wregs), __VA_ARGS__),                                      \
    OSZ(I(op, mw, STR | (attrs), 0, ov, GR(regs), GW(wregs), __VA_ARGS__),                                  \
        I(op, md, STR | (attrs), 0, ov, GR(regs), GW(wregs), __VA_ARGS__),                                  \
        I(op, mq, STR | (attrs), 0, ov, GR(regs), GW(wregs), __VA_ARGS__))

const Node decode_one_byte[256] = {
    ALU(0x00, ADD, "add", RW, LK, FW(ARITH)), [0x06] = PUSHSEG(sES), [0x07] = POPSEG(sES, END),
    ALU(0x08, OR, "or", RW, LK, LOGIC), [0x0e] = PUSHSEG(sCS),
    ALU(0x10, ADC, "adc", RW, LK, WITH_CARRY), [0x16] = PUSHSEG(sSS), [0x17] = POPSEG(sSS, END | INSN_SHADOW),
    ALU(0x18, SBB, "sbb", RW, LK, WITH_CARRY), [0x1e] = PUSHSEG(sDS), [0x1f] = POPSEG(sDS, END),
    ALU(0x20, AND, "and", RW, LK, LOGIC), [0x27] = I(DAA, "daa", 0, R_NO64, (RW AL), FR(CF | AF), FW(ARITH & ~OF), FU(OF)),
    ALU(0x28, SUB, "sub", RW, LK, FW(ARITH)), [0x2f] = I(DAS, "das", 0, R_NO64, (RW AL), FR(CF | AF), FW(ARITH & ~OF), FU(OF)),
    ALU(0x30, XOR, "xor", RW, LK, LOGIC), [0x37] = I(AAA, "aaa", 0, R_NO64, (RW AX), FR(AF), FW(CF | AF), FU(OF | SF | ZF | PF)),
    ALU(0x38, CMP, "cmp", , 0, FW(ARITH)), [0x3f] = I(AAS, "aas", 0, R_NO64, (RW AX), FR(AF), FW(CF | AF), FU(OF | SF | ZF | PF)),
    [0x40 ... 0x47] = I(INC, "inc", 0, R_NO64, (RW Zv), INC_DEC), [0x48 ... 0x4f] = I(DEC, "dec", 0, R_NO64, (RW Zv), INC_DEC),
    [0x50 ... 0x57] = I(PUSH, "push", STK, R_D64, (Zv), PUSHES), [0x58 ... 0x5f] = I(POP, "pop", STK, R_D64, (W Zv), PUSHES),
    [0x60] = OSZ(I(PUSHA, "pusha", STK, R_NO64, (), GR(0xff), GW(gSP)), I(PUSHA, "pushad", STK, R_NO64, (), GR(0xff), GW(gSP)), UD),
    [0x61] = OSZ(I(POPA, "popa", STK, R_NO64, (), GR(gSP), GW(0xff)), I(POPA, "popad", STK, R_NO64, (), GR(gSP), GW(0xff)), UD),
    [0x62] = I(BOUND, "bound", 0, R_NO64, (Gv, Ma), ),
    [0x63] = M6432(I(ARPL, "arpl", INSN_NO_REAL, 0, (RW Ew, Gw), FW(ZF)), I(MOVSX, "movsxd", 0, 0, (W Gv, Ed), )),
    [0x68] = I(PUSH, "push", STK, R_D64, (Iz), PUSHES),
    [0x69] = I(IMUL2, "imul", 0, 0, (W Gv, Ev, Iz), FW(CF | OF), FU(SF | ZF | AF | PF)),
    [0x6a] = I(PUSH, "push", STK, R_D64, (sIb), PUSHES),
    [0x6b] = I(IMUL2, "imul", 0, 0, (W Gv, Ev, sIb), FW(CF | OF), FU(SF | ZF | AF | PF)),
    [0x6c] = STRINGS(INS, INSN_IO, "insb", "insw", "insd", "insd", (W Yb, DX), (W Yz, DX), gDI | gCX | gDX, gDI | gCX, FR(DF | FLAG_IOPL)),
    [0x6e] = STRINGS(OUTS, INSN_IO, "outsb", "outsw", "outsd", "outsd", (DX, Xb), (DX, Xz), gSI | gCX | gDX, gSI | gCX, FR(DF | FLAG_IOPL)),
    [0x70 ... 0x71] = I(JCC, "jcc", BR, R_F64, (Jb), FR(OF)), [0x72 ... 0x73] = I(JCC, "jcc", BR, R_F64, (Jb), FR(CF)),
    [0x74 ... 0x75] = I(JCC, "jcc", BR, R_F64, (Jb), FR(ZF)), [0x76 ... 0x77] = I(JCC, "jcc", BR, R_F64, (Jb), FR(CF | ZF)),
    [0x78 ... 0x79] = I(JCC, "jcc", BR, R_F64, (Jb), FR(SF)), [0x7a ... 0x7b] = I(JCC, "jcc", BR, R_F64, (Jb), FR(PF)),
    [0x7c ... 0x7d] = I(JCC, "jcc", BR, R_F64, (Jb), FR(SF | OF)), [0x7e ... 0x7f] = I(JCC, "jcc", BR, R_F64, (Jb), FR(SF | OF | ZF)),
    [0x80] = GROUP1(Eb, Ib), [0x81] = GROUP1(Ev, Iz), [0x82] = M6432(GROUP1(Eb, Ib), UD), [0x83] = GROUP1(Ev, sIb),
    [0x84] = I(TEST, "test", 0, 0, (Eb, Gb), LOGIC), [0x85] = I(TEST, "test", 0, 0, (Ev, Gv), LOGIC),
    [0x86] = I(XCHG, "xchg", LK, 0, (RW Eb, RW Gb), ), [0x87] = I(XCHG, "xchg", LK, 0, (RW Ev, RW Gv), ),
    [0x88] = I(MOV, "mov", 0, 0, (W Eb, Gb), ), [0x89] = I(MOV, "mov", 0, 0, (W Ev, Gv), ),
    [0x8a] = I(MOV, "mov", 0, 0, (W Gb, Eb), ), [0x8b] = I(MOV, "mov", 0, 0, (W Gv, Ev), ),
    [0x8c] = I(MOV_FROM_SEG, "mov", 0, 0, (W EvMw, Sw), ),
    [0x8d] = I(LEA, "lea", 0, 0, (W Gv, M_), ),
    [0x8e] = I(MOV_TO_SEG, "mov", END | INSN_SHADOW, R_NOCS, (W Sw, EvMw), ),
    [0x8f] = REG(I(POP, "pop", STK, R_D64, (W Ev), PUSHES), UD, UD, UD, UD, UD, UD, UD),
    [0x90] = PP(REXB(I(NOP, "nop", INSN_HINT, 0, (), ), I(XCHG, "xchg", 0, 0, (RW Zv, RW rAX), )),
                REXB(I(NOP, "nop", INSN_HINT, 0, (), ), I(XCHG, "xchg", 0, 0, (RW Zv, RW rAX), )),
                REXB(I(PAUSE, "pause", 0, 0, (), ), I(XCHG, "xchg", 0, 0, (RW Zv, RW rAX), )),
                REXB(I(NOP, "nop", INSN_HINT, 0, (), ), I(XCHG, "xchg", 0, 0, (RW Zv, RW rAX), ))),
    [0x91 ... 0x97] = I(XCHG, "xchg", 0, 0, (RW Zv, RW rAX), ),
    [0x98] = OSZ(I(CBW, "cbw", 0, 0, (), GRW(gAX)), I(CBW, "cwde", 0, 0, (), GRW(gAX)), I(CBW, "cdqe", 0, 0, (), GRW(gAX))),
    [0x99] = OSZ(I(CWD, "cwd", 0, 0, (), GR(gAX), GW(gDX)), I(CWD, "cdq", 0, 0, (), GR(gAX), GW(gDX)),
                 I(CWD, "cqo", 0, 0, (), GR(gAX), GW(gDX))),
    [0x9a] = I(CALLF, "call far", STK | END, R_NO64, (Ap), PUSHES),
    [0x9b] = I(FWAIT, "fwait", INSN_FPU_WAIT, 0, (), ),
    [0x9c] = OSZ64(I(PUSHF, "pushf", STK, R_D64, (), FR(FLAGS_ALL), PUSHES), I(PUSHF, "pushfd", STK, R_D64, (), FR(FLAGS_ALL), PUSHES),
                   I(PUSHF, "pushfq", STK, R_D64, (), FR(FLAGS_ALL), PUSHES)),
    [0x9d] = OSZ64(I(POPF, "popf", STK | END, R_D64, (), FR(FLAG_IOPL), FW(ARITH | DF),
                     FM(FLAG_TF | FLAG_IF | FLAG_NT | FLAG_IOPL), PUSHES),
                   I(POPF, "popfd", STK | END, R_D64, (), FR(FLAG_IOPL), FW(ARITH | DF), FM(FLAG_TF | FLAG_IF | FLAG_NT | FLAG_IOPL),
                     PUSHES),
                   I(POPF, "popfq", STK | END, R_D64, (), FR(FLAG_IOPL), FW(ARITH | DF), FM(FLAG_TF | FLAG_IF | FLAG_NT | FLAG_IOPL),
                     PUSHES)),
    [0x9e] = M6432(I(SAHF, "sahf", 0, 0, (), FW(ARITH & ~OF), GR(gAX)), IF(LAHF, SAHF, "sahf", 0, 0, (), FW(ARITH & ~OF), GR(gAX))),
    [0x9f] = M6432(I(LAHF, "lahf", 0, 0, (), FR(ARITH & ~OF), GRW(gAX)), IF(LAHF, LAHF, "lahf", 0, 0, (), FR(ARITH & ~OF), GRW(gAX))),
    [0xa0] = I(MOV, "mov", 0, 0, (W AL, Ob), ), [0xa1] = I(MOV, "mov", 0, 0, (W rAX, Ov), ),
    [0xa2] = I(MOV, "mov", 0, 0, (W Ob, AL), ), [0xa3] = I(MOV, "mov", 0, 0, (W Ov, rAX), ),
    [0xa4] = STRINGS(MOVS, 0, "movsb", "movsw", "movsd", "movsq", (W Yb, Xb), (W Yv, Xv), gSI | gDI | gCX, gSI | gDI | gCX, FR(DF)),
    [0xa6] = STRINGS(CMPS, 0, "cmpsb", "cmpsw", "cmpsd", "cmpsq", (Xb, Yb), (Xv, Yv), gSI | gDI | gCX, gSI | gDI | gCX, FR(DF), FM(ARITH)),
    [0xa8] = I(TEST, "test", 0, 0, (AL, Ib), LOGIC), [0xa9] = I(TEST, "test", 0, 0, (rAX, Iz), LOGIC),
    [0xaa] = STRINGS(STOS, 0, "stosb", "stosw", "stosd", "stosq", (W Yb, AL), (W Yv, rAX), gDI | gCX, gDI | gCX, FR(DF)),
    [0xac] = STRINGS(LODS, 0, "lodsb", "lodsw", "lodsd", "lodsq", (W AL, Xb), (W rAX, Xv), gSI | gCX, gSI | gCX, FR(DF)),
    [0xae] = STRINGS(SCAS, 0, "scasb", "scasw", "scasd", "scasq", (AL, Yb), (rAX, Yv), gDI | gCX, gDI | gCX, FR(DF), FM(ARITH)),
    [0xb0 ... 0xb7] = I(MOV, "mov", 0, 0, (W Zb, Ib), ), [0xb8 ... 0xbf] = I(MOV, "mov", 0, 0, (W Zv, Iv), ),
    [0xc0] = GROUP2_N(Eb, Ib), [0xc1] = GROUP2_N(Ev, Ib),
    [0xc2] = I(RET, "ret", STK | BR, R_F64, (Iw), PUSHES), [0xc3] = I(RET, "ret", STK | BR, R_F64, (), PUSHES),
    [0xc4] = I(LSEG, "les", END, R_NO64, (W Gv, Mp), ), [0xc5] = I(LSEG, "lds", END, R_NO64, (W Gv, Mp), ),
    [0xc6] = REG(I(MOV, "mov", 0, 0, (W Eb, Ib), ), UD, UD, UD, UD, UD, UD, UD),
    [0xc7] = REG(I(MOV, "mov", 0, 0, (W Ev, Iz), ), UD, UD, UD, UD, UD, UD, UD),
    [0xc8] = I(ENTER, "enter", STK, R_D64, (Iw, Ib), GRW(gSP | gBP)), [0xc9] = I(LEAVE, "leave", STK, R_D64, (), GR(gBP), GW(gSP | gBP)),
    [0xca] = I(RETF, "retf", STK | END, 0, (Iw), PUSHES), [0xcb] = I(RETF, "retf", STK | END, 0, (), PUSHES),
    [0xcc] = I(INT3, "int3", END, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL)), [0xcd] = I(INT, "int", END, 0, (Ib), FR(FLAGS_ALL), FM(FLAGS_ALL)),
    [0xce] = I(INTO, "into", END, R_NO64, (), FR(FLAGS_ALL), FM(FLAGS_ALL)),
    [0xcf] = OSZ(I(IRET, "iret", STK | END | INSN_SERIALIZE, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL), PUSHES),
                 I(IRET, "iretd", STK | END | INSN_SERIALIZE, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL), PUSHES),
                 I(IRET, "iretq", STK | END | INSN_SERIALIZE, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL), PUSHES)),
    [0xd0] = GROUP2_1(Eb), [0xd1] = GROUP2_1(Ev), [0xd2] = GROUP2_N(Eb, CL), [0xd3] = GROUP2_N(Ev, CL),
    [0xd4] = I(AAM, "aam", 0, R_NO64, (Ib), FW(SF | ZF | PF), FU(OF | AF | CF), GRW(gAX)),
    [0xd5] = I(AAD, "aad", 0, R_NO64, (Ib), FW(SF | ZF | PF), FU(OF | AF | CF), GRW(gAX)),
    [0xd6] = I(SALC, "salc", 0, R_NO64, (), FR(CF), GW(gAX)),
    [0xd7] = I(XLAT, "xlat", 0, 0, (BXb), GRW(gAX)),
    [0xd8] = { N_MOD, decode_x87[0] }, [0xd9] = { N_MOD, decode_x87[1] }, [0xda] = { N_MOD, decode_x87[2] },
    [0xdb] = { N_MOD, decode_x87[3] },
    [0xdc] = { N_MOD, decode_x87[4] }, [0xdd] = { N_MOD, decode_x87[5] }, [0xde] = { N_MOD, decode_x87[6] },
    [0xdf] = { N_MOD, decode_x87[7] },
    [0xe0] = I(LOOPNE, "loopne", BR, R_F64, (Jb), FR(ZF), GRW(gCX)), [0xe1] = I(LOOPE, "loope", BR, R_F64, (Jb), FR(ZF), GRW(gCX)),
    [0xe2] = I(LOOP, "loop", BR, R_F64, (Jb), GRW(gCX)),
    [0xe3] = ASZ(I(JCXZ, "jcxz", BR, R_F64, (Jb), GR(gCX)), I(JCXZ, "jecxz", BR, R_F64, (Jb), GR(gCX)),
                 I(JCXZ, "jrcxz", BR, R_F64, (Jb), GR(gCX))),
    [0xe4] = I(IN, "in", INSN_IO, 0, (W AL, Ib), FR(FLAG_IOPL)), [0xe5] = I(IN, "in", INSN_IO, 0, (W zAX, Ib), FR(FLAG_IOPL)),
    [0xe6] = I(OUT, "out", INSN_IO, 0, (Ib, AL), FR(FLAG_IOPL)), [0xe7] = I(OUT, "out", INSN_IO, 0, (Ib, zAX), FR(FLAG_IOPL)),
    [0xe8] = I(CALL, "call", STK | BR, R_F64, (Jz), PUSHES), [0xe9] = I(JMP, "jmp", BR, R_F64, (Jz), ),
    [0xea] = I(JMPF, "jmp far", END, R_NO64, (Ap), ), [0xeb] = I(JMP, "jmp", BR, R_F64, (Jb), ),
    [0xec] = I(IN, "in", INSN_IO, 0, (W AL, DX), FR(FLAG_IOPL), GR(gDX)),
    [0xed] = I(IN, "in", INSN_IO, 0, (W zAX, DX), FR(FLAG_IOPL), GR(gDX)),
    [0xee] = I(OUT, "out", INSN_IO, 0, (DX, AL), FR(FLAG_IOPL), GR(gDX)),
    [0xef] = I(OUT, "out", INSN_IO, 0, (DX, zAX), FR(FLAG_IOPL), GR(gDX)),
    [0xf1] = I(INT1, "int1", END, 0, (), FR(FLAGS_ALL), FM(FLAGS_ALL)),
    [0xf4] = I(HLT, "hlt", INSN_CPL0 | END, 0, (), ), [0xf5] = I(CMC, "cmc", 0, 0, (), FR(CF), FW(CF)),
    [0xf6] = GROUP3(Eb, Ib, gAX, gAX), [0xf7] = GROUP3(Ev, Iz, gAX | gDX, gAX | gDX),
    [0xf8] = I(CLC, "clc", 0, 0, (), FW(CF)), [0xf9] = I(STC, "stc", 0, 0, (), FW(CF)),
    [0xfa] = I(CLI, "cli", END, 0, (), FR(FLAG_IOPL), FM(FLAG_IF)),
    [0xfb] = I(STI, "sti", END | INSN_SHADOW, 0, (), FR(FLAG_IOPL), FM(FLAG_IF)),
    [0xfc] = I(CLD, "cld", 0, 0, (), FW(DF)), [0xfd] = I(STD, "std", 0, 0, (), FW(DF)),
    [0xfe] = REG(I(INC, "inc", LK, 0, (RW Eb), INC_DEC), I(DEC, "dec", LK, 0, (RW Eb), INC_DEC), UD, UD, UD, UD, UD, UD),
    [0xff] = REG(I(INC, "inc", LK, 0, (RW Ev), INC_DEC), I(DEC, "dec", LK, 0, (RW Ev), INC_DEC),
                 I(CALL, "call", STK | BR, R_F64, (Ev), PUSHES),
                 I(CALLF, "call far", STK | END, 0, (Mp), PUSHES), I(JMP, "jmp", BR, R_F64, (Ev), ), I(JMPF, "jmp far", END, 0, (Mp), ),
                 I(PUSH, "push", STK, R_D64, (Ev), PUSHES), UD),
};
