/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder: bytes to a struct Insn, for 16, 32 and 64-bit code; legacy, VEX and EVEX encodings (SDM volume 2,
 * chapter 2 and appendix A, whose letters the operand kinds below follow). It knows encodings only: whether the CPU has
 * the instruction, may execute it here or has its operands in reach is the business of who executes. Pure functions, no
 * state, any thread.
 *
 * One table entry (InsnDesc) describes one instruction form: that is all that the interpreter, the translator, the
 * tests and the disassembler know of it. OP_xxx names what the instruction does (one handler in accel/tcg each);
 * vector, MMX and x87 instructions, which the host executes itself from the same bytes, have EXEC_HOST and share one
 * handler.
 */
#ifndef TARGET_I386_DECODE_H
#define TARGET_I386_DECODE_H

#include "target/i386/model.h"

#define INSN_MAX_LEN 15

/* Every operation, by its mnemonic in capitals: OP_ADD, OP_JCC ... In target/i386/insn-ops.h, X-macro INSN_OP(NAME). */
typedef enum InsnOp {
    OP_INVALID,
#define INSN_OP(name) OP_##name,
#include "target/i386/insn-ops.h"
#undef INSN_OP
    OP_COUNT,
} InsnOp;

typedef enum InsnEncoding { ENC_LEGACY, ENC_VEX, ENC_EVEX } InsnEncoding;
typedef enum InsnMap { MAP_ONE_BYTE, MAP_0F, MAP_0F38, MAP_0F3A } InsnMap;

typedef enum OperandKind {
    OPND_NONE,
    OPND_GPR,   /* reg 0-15 = R_RAX...; size 1, 2, 4, 8 */
    OPND_GPR8H, /* AH CH DH BH: reg 0-3 is the register whose bits 8-15 are meant */
    OPND_MEM,   /* Insn.seg, base, index, scale, disp; size in bytes, 0: address only (LEA, INVLPG ...) */
    OPND_IMM,   /* Insn.imm, sign-extended from its encoding where the instruction does so; size: the operation's */
    OPND_REL,   /* a branch target: Insn.imm is the displacement from the next instruction */
    OPND_FAR,   /* ptr16:16/32: Insn.imm is the offset, Insn.imm2 the selector */
    OPND_SEG,   /* reg 0-5 = SEG_ES... */
    OPND_CR,
    OPND_DR,  /* reg 0-15 */
    OPND_XMM, /* reg 0-31; size 4, 8, 16, 32, 64: the bytes that take part */
    OPND_MMX, /* reg 0-7 */
    OPND_ST,  /* reg 0-7: ST(i) */
    OPND_K,   /* reg 0-7 */
    OPND_DX,  /* the port in DX */
} OperandKind;

enum { ACCESS_R = 1, ACCESS_W = 2, ACCESS_RW = 3 };

typedef struct InsnOperand {
    uint8_t kind; /* OperandKind */
    uint8_t reg;
    uint8_t access; /* ACCESS_* */
    uint16_t size;  /* bytes */
} InsnOperand;

enum { REG_NONE = 0xff, BASE_RIP = 0x10 };

/* What a description says besides its operands: InsnDesc.attrs. */
enum {
    INSN_LOCKABLE = 1 << 0, /* LOCK is valid with a memory destination */
    INSN_CPL0 = 1 << 1,     /* #GP(0) unless CPL is 0 (real mode: allowed) */
    INSN_NO_REAL = 1 << 2,  /* #UD in real and virtual-8086 mode */
    INSN_BRANCH = 1 << 3,   /* may change RIP other than to the next instruction, conditionally or not: near ones */
    INSN_END = 1 << 4, /* changes what decoding or translation depends on (mode, segments of code, paging, flags such as
                        * TF or IF), or leaves in another way: nothing after it may be taken for granted */
    INSN_STRING = 1 << 5, /* MOVS CMPS SCAS LODS STOS INS OUTS: REP prefixes count */
    INSN_IO = 1 << 6,     /* IN OUT INS OUTS: IOPL and the I/O bitmap */
    INSN_ALIGN16 =
        1 << 7, /* the memory operand must be aligned to 16 bytes, in every encoding (#GP(0)): MOVAPS, FXSAVE ... */
    INSN_ALIGN_VEC = 1 << 8,    /* aligned to the operand's size (16 or 32): MOVAPS/VMOVAPS ymm, MOVNTDQ ... */
    INSN_ALIGN_LEGACY = 1 << 9, /* aligned to 16 in the legacy encoding only: ADDPS xmm, m128 */
    INSN_FPU = 1 << 10,         /* x87: #NM by CR0.EM or TS; sets the last-instruction state unless control */
    INSN_FPU_WAIT = 1 << 11,    /* pending unmasked x87 exceptions come first (not FNSTSW, FNINIT ...) */
    INSN_MMX = 1 << 12,         /* MMX state: #UD by CR0.EM, #NM by TS, pending x87 exceptions first, TOP becomes 0 */
    INSN_SSE = 1 << 13,         /* #UD by CR0.EM or no CR4.OSFXSR, #NM by TS */
    INSN_AVX =
        1 << 14, /* #UD unless CR4.OSXSAVE and XCR0 has SSE and AVX; #UD in real and virtual-8086 mode; #NM by TS */
    INSN_SIMD_FP = 1 << 15,     /* may raise #XM (#UD without CR4.OSXMMEXCPT) by MXCSR */
    INSN_STACK = 1 << 16,       /* uses RSP implicitly */
    INSN_VSIB = 1 << 17,        /* gathers: the index is a vector register */
    INSN_NO_LOCK_MEM = 1 << 18, /* register forms only accept no memory: decoder has checked; informative */
    INSN_HINT = 1 << 19, /* does nothing: NOP with operand, PREFETCH, ENDBR64 ...; its memory operand is not accessed */
    INSN_SHADOW = 1 << 20,    /* no interrupt after it: STI, MOV SS, POP SS */
    INSN_SERIALIZE = 1 << 21, /* all stores before it are done, what is behind it is fetched anew */
};

typedef enum InsnExec {
    EXEC_OP,   /* by the handler of .op */
    EXEC_HOST, /* the host executes it from its own bytes: SSE, AVX, MMX, x87 data instructions, and GPR-only ones of
                * BMI, ADX, CRC32 ... that a host without would not have in CPUID either */
} InsnExec;

/* CPUID bit that must be there: word << 5 | bit, FEATURE_NONE: every CPU (that has long mode where need be). */
#define INSN_FEATURE(word, bit) ((uint16_t)((word) << 5 | (bit)))
#define FEATURE_NONE            0xffff

typedef struct InsnDesc {
    const char *mnemonic; /* "add", "vaddps", "jcc" (any condition), lower case */
    uint16_t op;          /* InsnOp */
    uint8_t exec;         /* InsnExec */
    uint8_t n_operands;
    uint32_t attrs;
    uint16_t feature, feature2; /* both must be there */
    uint16_t flags_read,
        flags_written; /* arithmetic flags (FLAG_CF...FLAG_OF, and DF IF ...): read; set to a defined value always */
    uint16_t flags_undefined; /* left undefined by the architecture */
    uint16_t flags_maybe; /* written in some cases only (shifts by CL: not by 0; REP CMPS; ...): count as read too */
    uint32_t gpr_read, gpr_written; /* implicit registers, 1 << R_xxx: MUL, CPUID, string instructions, PUSH ... */
} InsnDesc;

/* A decoded instruction. What the encoding does not have is 0 (registers: REG_NONE). */
typedef struct Insn {
    const InsnDesc *desc;
    uint8_t len;
    uint8_t code_size; /* 2, 4, 8: the mode it was decoded for */
    uint8_t osz, asz;  /* operand and address size in bytes: 2, 4, 8 */
    uint8_t encoding;  /* InsnEncoding */
    uint8_t map, opcode;
    uint8_t pp; /* mandatory prefix, as VEX.pp: 0, 1: 66, 2: F3, 3: F2 */
    bool lock, opsize_prefix, addrsize_prefix;
    uint8_t rep; /* 0, 0xf3 or 0xf2: the last of them, where it is no mandatory prefix (string, lock elision, branch) */
    uint8_t rex; /* 0 or 0x40-0x4f: the REX in force */
    bool has_modrm;
    uint8_t modrm, sib;   /* raw */
    uint8_t mod, reg, rm; /* reg and rm with REX/VEX extension bits; rm where mod is 3 */
    uint8_t vvvv;         /* VEX/EVEX, un-inverted */
    uint8_t vl;           /* VEX.L, EVEX.LL: 0, 1, 2 */
    bool vex_w;
    uint8_t evex_aaa;
    bool evex_z, evex_b;
    /* memory operand: seg + base + index * scale + disp, cut to asz */
    bool has_mem;
    uint8_t seg;         /* SEG_xxx in force: the override, or the default of base */
    bool seg_override;   /* a segment prefix stands there (in 64-bit mode only FS and GS count) */
    uint8_t base, index; /* R_xxx, REG_NONE, base: BASE_RIP; with INSN_VSIB index is a vector register */
    uint8_t scale;       /* 1, 2, 4, 8 */
    int64_t disp;        /* sign-extended; moffs: the whole address */
    int64_t imm;
    uint16_t imm2;    /* ENTER's level, selector of a far pointer */
    uint8_t imm_size; /* bytes in the encoding, 0: none; moffs count as displacement */
    uint8_t n_operands;
    /* In the order of Intel's syntax, implicit ones that the assembler writes included ("shl rax, cl"). String
     * instructions have theirs (MOVS: ES:[rDI], seg:[rSI]); base is RSI where one of them is seg:[rSI], else RDI with
     * seg ES. MASKMOV's last one is seg:[rDI], XLAT's is seg:[rBX] (AL is to be added), MONITOR's and CLZERO's
     * seg:[rAX]. */
    InsnOperand operand[5];
} Insn;

typedef enum DecodeResult {
    DECODE_OK,
    DECODE_UD,       /* no such instruction */
    DECODE_TOO_LONG, /* over 15 bytes: #GP(0) */
    DECODE_MORE,     /* avail bytes do not suffice: fetch more (a fault there comes before #UD) */
} DecodeResult;

/*
 * features: the CPU's feature words (X86CPU.config.features), for encodings that mean another instruction where a
 * feature is missing (LZCNT: BSR, TZCNT: BSF; VEX in place of LES/LDS where the modrm says so ...); NULL: all there.
 * real: real or virtual-8086 mode: VEX and EVEX prefixes are LES, LDS and BOUND or #UD. code_size 2, 4 or 8 bytes.
 * Reads at most avail (and at most 15) bytes. out is set in full where DECODE_OK; with DECODE_UD its len tells how many
 * bytes were looked at.
 */
DecodeResult insn_decode(Insn *out, const uint8_t *bytes, unsigned avail, unsigned code_size, bool real,
                         const uint32_t *features);

/* Every form in the tables, for tests: encoding, map, opcode, mandatory prefix, modrm.reg (-1: any), modrm mod==3 (-1
 * any) of its n-th form; false: no more. */
typedef struct InsnForm {
    const InsnDesc *desc;
    uint8_t encoding, map, opcode;
    int8_t pp;       /* -1: none mandatory */
    int8_t reg, rm;  /* modrm.reg where it selects the form; rm where it does too (with mod 3); -1 */
    int8_t is_mem;   /* 0: mod == 3 only, 1: memory only, -1: both */
    int8_t w, vl;    /* VEX.W or REX.W, VEX.L where they select; -1 */
    int8_t osz, asz; /* operand and address size in bytes where they select; -1 */
    bool only64, no64;
} InsnForm;
bool insn_form(unsigned n, InsnForm *out);

/* For who encodes an EXEC_HOST instruction anew with other registers: which fields name general registers, and whether
 * REX.W or VEX.W chooses the width of one (or of memory in its place), which it does in 64-bit code only. */
enum { INSN_GPR_REG = 1, INSN_GPR_RM = 2, INSN_GPR_VVVV = 4 };
unsigned insn_gpr_fields(const Insn *i);
bool insn_w_is_width(const Insn *i);

/* Intel syntax, for -d in_asm and x/i; pc: its address. */
void insn_print(const Insn *i, uint64_t pc, GString *out);
/* A line, or two, of a listing: address, bytes, the above. i NULL: the first of bytes is no instruction. */
void insn_print_line(const Insn *i, uint64_t pc, const uint8_t *bytes, GString *out);

#endif
