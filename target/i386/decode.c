/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder. Prefixes, then the opcode's node in its map (decode-tables.h), from node to node to the form, then
 * modrm's memory operand, then the operands. Light code (accel/tcg/tcg.h): general registers only and no calls out.
 */
#include "target/i386/decode-tables.h"

enum { P_NONE, P_SEG, P_REX, P_66, P_67, P_LOCK, P_REP, P_VEX3, P_VEX2, P_EVEX, P_0F };
static const uint8_t first_byte[256] = {
    [0x26] = P_SEG,          [0x2e] = P_SEG,  [0x36] = P_SEG,  [0x3e] = P_SEG,  [0x64] = P_SEG, [0x65] = P_SEG,
    [0x40 ... 0x4f] = P_REX, [0x66] = P_66,   [0x67] = P_67,   [0xf0] = P_LOCK, [0xf2] = P_REP, [0xf3] = P_REP,
    [0xc4] = P_VEX3,         [0xc5] = P_VEX2, [0x62] = P_EVEX, [0x0f] = P_0F,
};

/* Size of an operand: which of three values, by operand size, vector length or mode; of a register and of memory. */
enum { BY_NONE, BY_OSZ, BY_VL, BY_64, BY_COUNT };
typedef struct SizeSpec {
    uint8_t by;
    uint16_t size[3];
} SizeSpec;
#define BOTH(...)                                                                                                      \
    {                                                                                                                  \
        {__VA_ARGS__},                                                                                                 \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const SizeSpec size_specs[SZ_CODES][2] = {
    /* register, memory */
    [SZ_0] = BOTH(BY_NONE, {0}),
    [SZ_B] = BOTH(BY_NONE, {1}),
    [SZ_W] = BOTH(BY_NONE, {2}),
    [SZ_D] = BOTH(BY_NONE, {4}),
    [SZ_Q] = BOTH(BY_NONE, {8}),
    [SZ_DQ] = BOTH(BY_NONE, {16}),
    [SZ_QQ] = BOTH(BY_NONE, {32}),
    [SZ_T] = BOTH(BY_NONE, {10}),
    [SZ_64] = BOTH(BY_NONE, {64}),
    [SZ_512] = BOTH(BY_NONE, {512}),
    [SZ_V] = BOTH(BY_OSZ, {2, 4, 8}),
    [SZ_Z] = BOTH(BY_OSZ, {2, 4, 4}),
    [SZ_Y] = BOTH(BY_OSZ, {4, 4, 8}),
    [SZ_P] = BOTH(BY_OSZ, {4, 6, 10}),
    [SZ_A] = BOTH(BY_OSZ, {4, 8, 8}),
    [SZ_ENV] = BOTH(BY_OSZ, {14, 28, 28}),
    [SZ_FST] = BOTH(BY_OSZ, {94, 108, 108}),
    [SZ_X] = BOTH(BY_VL, {16, 32, 64}),
    [SZ_XH] = BOTH(BY_VL, {8, 16, 32}),
    [SZ_XQ] = BOTH(BY_VL, {4, 8, 16}),
    [SZ_XE] = BOTH(BY_VL, {2, 4, 8}),
    [SZ_DUP] = {{BY_VL, {16, 32, 64}}, {BY_VL, {8, 32, 64}}},
    [SZ_S] = BOTH(BY_64, {6, 10}),
    [SZ_N] = BOTH(BY_64, {4, 8}),
    [SZ_DB] = {{BY_NONE, {4}}, {BY_NONE, {1}}},
    [SZ_DW] = {{BY_NONE, {4}}, {BY_NONE, {2}}},
    [SZ_VW] = {{BY_OSZ, {2, 4, 8}}, {BY_NONE, {2}}},
};

/* The bytes, and what is known before the operands. */
typedef struct Bytes {
    const uint8_t *p, *end;
} Bytes;

static inline __attribute__((always_inline)) bool fetch(Bytes *b, unsigned n, uint64_t *val)
{
    if ((size_t)(b->end - b->p) < n)
        return false;
    uint64_t v = 0;
    for (unsigned k = 0; k < n; k++)
        v |= (uint64_t)b->p[k] << (8 * k);
    b->p += n;
    *val = v;
    return true;
}

static inline int64_t extend(uint64_t v, unsigned bytes)
{
    return bytes == 8 ? (int64_t)v : bytes == 4 ? (int32_t)v : bytes == 2 ? (int16_t)v : (int8_t)v;
}

static inline unsigned log2_size(unsigned bytes) /* 2, 4, 8: 0, 1, 2 */
{
    return bytes >> 2;
}

/* modrm's memory operand. false: not enough bytes. vsib: SIB is there and its index is a vector register. */
static bool decode_mem(Insn *i, Bytes *b, bool vsib)
{
    static const uint8_t base16[8] = {R_RBX, R_RBX, R_RBP, R_RBP, R_RSI, R_RDI, R_RBP, R_RBX};
    static const uint8_t index16[8] = {R_RSI, R_RDI, R_RSI, R_RDI, REG_NONE, REG_NONE, REG_NONE, REG_NONE};
    unsigned low = i->modrm & 7, disp_size = i->mod == 1 ? 1 : i->mod == 2 ? 4 : 0;
    uint64_t v;

    i->has_mem = true;
    i->scale = 1;
    if (i->asz == 2) {
        if (disp_size == 4)
            disp_size = 2;
        i->base = base16[low];
        i->index = index16[low];
        if (low == 6 && i->mod == 0) {
            i->base = REG_NONE;
            disp_size = 2;
        }
    } else {
        unsigned rexb = (i->rex & 1) << 3;
        if (low == 4) {
            if (!fetch(b, 1, &v))
                return false;
            i->sib = (uint8_t)v;
            low = v & 7;
            unsigned index = (v >> 3 & 7) | (i->rex & 2) << 2;
            i->scale = (uint8_t)(1 << (v >> 6));
            if (index != 4 || vsib)
                i->index = (uint8_t)index;
            i->base = (uint8_t)(low | rexb);
            if (low == 5 && i->mod == 0) {
                i->base = REG_NONE;
                disp_size = 4;
            }
        } else if (low == 5 && i->mod == 0) {
            disp_size = 4;
            if (i->code_size == 8)
                i->base = BASE_RIP;
        } else {
            i->base = (uint8_t)(low | rexb);
        }
    }
    if (disp_size) {
        if (!fetch(b, disp_size, &v))
            return false;
        i->disp = extend(v, disp_size);
    }
    if (!i->seg_override)
        i->seg = i->base == R_RBP || i->base == R_RSP ? SEG_SS : SEG_DS;
    return true;
}

static inline void set_opnd(InsnOperand *o, unsigned kind, unsigned reg)
{
    o->kind = (uint8_t)kind;
    o->reg = (uint8_t)reg;
}

static inline void set_gpr(const Insn *i, InsnOperand *o, unsigned reg)
{
    if (o->size == 1 && !i->rex && reg >= 4 && reg < 8)
        set_opnd(o, OPND_GPR8H, reg - 4);
    else
        set_opnd(o, OPND_GPR, reg);
}

/* A memory operand that no modrm describes. */
static inline void set_mem(Insn *i, InsnOperand *o, unsigned base)
{
    if (!i->has_mem || base == R_RSI) {
        i->has_mem = true;
        i->base = (uint8_t)base;
        i->scale = 1;
        if (!i->seg_override)
            i->seg = SEG_DS;
    }
    set_opnd(o, OPND_MEM, 0);
}

/* Operands from their codes. */
static DecodeResult decode_operands(Insn *i, Bytes *b, const Form *f)
{
    const unsigned which[BY_COUNT] = {0, log2_size(i->osz), i->vl, i->code_size == 8};
    const bool is_mem = i->has_mem;
    const unsigned reg_mask = i->code_size == 8 ? 15 : 7;
    uint64_t v;

    for (unsigned n = 0; n < f->d.n_operands; n++) {
        unsigned code = f->opnd[n], szc = OPC_SIZE(code), a = OPC_ADDR(code);
        InsnOperand *o = &i->operand[n];
        bool mem = is_mem && (a == A_E || a == A_W || a == A_Q || a == A_M || a == A_VX);
        const SizeSpec *spec = &size_specs[a == A_SREG ? SZ_W : szc][mem];
        o->size = spec->size[which[spec->by]];
        o->access = code >> 12 & 3 ? code >> 12 & 3 : ACCESS_R;
        if (mem) {
            set_opnd(o, OPND_MEM, 0);
            continue;
        }
        switch (a) {
        case A_M:
        case A_VX:
            return DECODE_UD;
        case A_R:
            if (is_mem)
                return DECODE_UD;
            /* fall through */
        case A_E:
        case A_RF:
            set_gpr(i, o, i->rm);
            break;
        case A_G:
            set_gpr(i, o, i->reg);
            break;
        case A_B:
            set_gpr(i, o, i->vvvv);
            break;
        case A_Z:
            set_gpr(i, o, (i->opcode & 7) | (i->rex & 1) << 3);
            break;
        case A_AX:
            set_opnd(o, OPND_GPR, R_RAX);
            break;
        case A_CX:
            set_opnd(o, OPND_GPR, R_RCX);
            break;
        case A_DX:
            set_opnd(o, OPND_GPR, R_RDX);
            break;
        case A_PORT:
            set_opnd(o, OPND_DX, R_RDX);
            break;
        case A_V:
            set_opnd(o, OPND_XMM, i->reg);
            break;
        case A_U:
            if (is_mem)
                return DECODE_UD;
            /* fall through */
        case A_W:
            set_opnd(o, OPND_XMM, i->rm);
            break;
        case A_H:
            set_opnd(o, OPND_XMM, i->vvvv);
            break;
        case A_XMM0:
            set_opnd(o, OPND_XMM, 0);
            break;
        case A_L:
            if (!fetch(b, 1, &v))
                return DECODE_MORE;
            i->imm = (int64_t)v;
            i->imm_size = 1;
            set_opnd(o, OPND_XMM, v >> 4 & reg_mask);
            break;
        case A_P:
            set_opnd(o, OPND_MMX, i->reg & 7);
            break;
        case A_N:
            if (is_mem)
                return DECODE_UD;
            /* fall through */
        case A_Q:
            set_opnd(o, OPND_MMX, i->rm & 7);
            break;
        case A_S: {
            unsigned seg = i->modrm >> 3 & 7;
            if (seg > SEG_GS || (seg == SEG_CS && f->rules & R_NOCS))
                return DECODE_UD;
            set_opnd(o, OPND_SEG, seg);
            break;
        }
        case A_SREG:
            set_opnd(o, OPND_SEG, szc);
            break;
        case A_C:
            if (i->reg > 8 || !(1 << i->reg & 0x11d))
                return DECODE_UD;
            set_opnd(o, OPND_CR, i->reg);
            break;
        case A_D:
            if (i->reg > 7)
                return DECODE_UD;
            set_opnd(o, OPND_DR, i->reg);
            break;
        case A_ST:
            set_opnd(o, OPND_ST, 0);
            break;
        case A_STI:
            set_opnd(o, OPND_ST, i->rm & 7);
            break;
        case A_I: /* the second one is ENTER's level */
            if (!fetch(b, o->size, &v))
                return DECODE_MORE;
            if (i->imm_size)
                i->imm2 = (uint16_t)v;
            else
                i->imm = (int64_t)v;
            i->imm_size = (uint8_t)(i->imm_size + o->size);
            set_opnd(o, OPND_IMM, 0);
            break;
        case A_SI:
        case A_I8S: {
            unsigned len = a == A_I8S ? 1 : o->size == 8 ? 4 : o->size;
            if (!fetch(b, len, &v))
                return DECODE_MORE;
            i->imm = extend(v, len);
            i->imm_size = (uint8_t)len;
            set_opnd(o, OPND_IMM, 0);
            break;
        }
        case A_ONE:
            i->imm = 1;
            set_opnd(o, OPND_IMM, 0);
            break;
        case A_J:
            if (!fetch(b, o->size, &v))
                return DECODE_MORE;
            i->imm = extend(v, o->size);
            i->imm_size = (uint8_t)o->size;
            set_opnd(o, OPND_REL, 0);
            break;
        case A_O:
            if (!fetch(b, i->asz, &v))
                return DECODE_MORE;
            i->has_mem = true;
            i->disp = extend(v, i->asz);
            i->scale = 1;
            if (!i->seg_override)
                i->seg = SEG_DS;
            set_opnd(o, OPND_MEM, 0);
            break;
        case A_A:
            if (!fetch(b, o->size - 2u, &v))
                return DECODE_MORE;
            i->imm = (int64_t)v;
            if (!fetch(b, 2, &v))
                return DECODE_MORE;
            i->imm2 = (uint16_t)v;
            i->imm_size = (uint8_t)o->size;
            set_opnd(o, OPND_FAR, 0);
            break;
        case A_X:
            set_mem(i, o, R_RSI);
            break;
        case A_Y:
            if (!i->has_mem) {
                set_mem(i, o, R_RDI);
                if (OPC_ADDR(f->opnd[1]) != A_X) /* MOVS: the segment is its source's */
                    i->seg = SEG_ES;             /* no override changes it */
            } else {
                set_opnd(o, OPND_MEM, 0);
            }
            break;
        case A_DI:
            set_mem(i, o, R_RDI);
            break;
        case A_BX:
            set_mem(i, o, R_RBX);
            break;
        case A_MAX:
            set_mem(i, o, R_RAX);
            break;
        default:
            return DECODE_UD;
        }
    }
    i->n_operands = f->d.n_operands;
    return DECODE_OK;
}

static inline bool feature_there(const uint32_t *features, unsigned feature)
{
    return !features || feature == FEATURE_NONE || (features[feature >> 5] >> (feature & 31) & 1);
}

static bool gather_registers_differ(const Insn *i)
{
    return i->reg != i->vvvv && i->reg != i->index && i->vvvv != i->index;
}

DecodeResult insn_decode(Insn *out, const uint8_t *bytes, unsigned avail, unsigned code_size, bool real,
                         const uint32_t *features)
{
    Insn *i = out;
    Bytes b = {bytes, bytes + MIN(avail, INSN_MAX_LEN)};
    const bool code64 = code_size == 8;
    const Node *n, *pp_node = NULL;
    DecodeResult r;
    uint64_t v;
    uint8_t op, rep = 0;
    unsigned pp, used_vvvv = 0;

    *i = (Insn){.code_size = (uint8_t)code_size, .base = REG_NONE, .index = REG_NONE, .seg = SEG_DS};

    /* Prefixes, in any order; a REX counts only where the opcode follows. */
    for (;;) {
        if (b.p == b.end)
            goto out_of_bytes;
        op = *b.p++;
        switch (first_byte[op]) {
        case P_SEG:
            if (!code64 || op >= 0x64) {
                i->seg = op >= 0x64 ? SEG_FS + (op - 0x64) : op >> 3 & 3;
                i->seg_override = true;
            }
            i->rex = 0;
            continue;
        case P_REX:
            if (!code64)
                break;
            i->rex = op;
            continue;
        case P_66:
            i->opsize_prefix = true;
            i->rex = 0;
            continue;
        case P_67:
            i->addrsize_prefix = true;
            i->rex = 0;
            continue;
        case P_LOCK:
            i->lock = true;
            i->rex = 0;
            continue;
        case P_REP:
            rep = op;
            i->rex = 0;
            continue;
        default:
            break;
        }
        break;
    }
    if (code64) {
        i->osz = i->rex & 8 ? 8 : i->opsize_prefix ? 2 : 4;
        i->asz = i->addrsize_prefix ? 4 : 8;
    } else {
        i->osz = (code_size == 2) == i->opsize_prefix ? 4 : 2;
        i->asz = (code_size == 2) == i->addrsize_prefix ? 4 : 2;
    }

    /* The opcode's map. */
    unsigned first = first_byte[op];
    if (first >= P_VEX3 && first <= P_EVEX) {
        if (!code64) {
            if (b.p == b.end)
                goto out_of_bytes;
            if (real || *b.p < 0xc0)
                first = P_NONE; /* LES, LDS, BOUND */
        }
    }
    if (first >= P_VEX3 && first <= P_EVEX) {
        if (i->opsize_prefix || rep || i->lock || i->rex)
            goto ud;
        uint64_t p0 = 0, p1;
        if (first != P_VEX2 && !fetch(&b, 1, &p0))
            goto out_of_bytes;
        if (!fetch(&b, 1, &p1))
            goto out_of_bytes;
        unsigned mmm;
        if (first == P_VEX2) {
            i->rex = p1 & 0x80 ? 0 : 4;
            mmm = 1;
        } else {
            i->rex = (uint8_t)((~p0 >> 5 & 7) | p1 >> 7 << 3); /* R, X, B stand as in REX */
            mmm = p0 & 31;
            i->vex_w = p1 >> 7;
        }
        i->vvvv = ~p1 >> 3 & 15;
        i->vl = p1 >> 2 & 1;
        pp = p1 & 3;
        used_vvvv = i->vvvv;
        if (!code64) {
            i->rex &= 8;
            i->vvvv &= 7;
        }
        i->osz = code64 && i->vex_w ? 8 : 4;
        i->encoding = ENC_VEX;
        if (first == P_EVEX) {
            uint64_t p2;
            if (!fetch(&b, 1, &p2))
                goto out_of_bytes;
            i->encoding = ENC_EVEX;
            mmm = p0 & 7;
            if ((p0 & 8) || !(p1 & 4))
                goto ud;
            i->vl = p2 >> 5 & 3;
            i->evex_aaa = p2 & 7;
            i->evex_b = p2 >> 4 & 1;
            i->evex_z = p2 >> 7;
        }
        if (!fetch(&b, 1, &v))
            goto out_of_bytes;
        op = (uint8_t)v;
        i->map = (uint8_t)mmm;
        if (first == P_EVEX) {
            if (mmm == 0 || mmm == 4 || mmm == 7)
                goto ud;
            bool imm =
                mmm == 3 || (mmm == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6)));
            n = imm ? &decode_evex_imm : &decode_evex;
        } else {
            n = mmm == 1 ? &decode_vex_0f[op] : mmm == 2 ? &decode_vex_38[op] : mmm == 3 ? &decode_vex_3a[op] : NULL;
            if (!n)
                goto ud;
        }
    } else {
        pp = rep == 0xf2 ? 3 : rep ? 2 : i->opsize_prefix;
        n = &decode_one_byte[op];
        if (first == P_0F) {
            if (!fetch(&b, 1, &v))
                goto out_of_bytes;
            op = (uint8_t)v;
            i->map = MAP_0F;
            n = &decode_0f[op];
            if (op == 0x38 || op == 0x3a) {
                i->map = op == 0x38 ? MAP_0F38 : MAP_0F3A;
                if (!fetch(&b, 1, &v))
                    goto out_of_bytes;
                op = (uint8_t)v;
                n = i->map == MAP_0F38 ? &decode_38[op] : &decode_3a[op];
            }
        }
        i->rep = rep;
    }
    i->opcode = op;

    /* Down to the form. */
    while (n->kind != N_FORM) {
        const Node *sub = n->p;
        unsigned index;
        switch (n->kind) {
        case N_PP:
            pp_node = n;
            index = pp;
            break;
        case N_MOD:
        case N_REG:
        case N_RM:
            if (!i->has_modrm) {
                if (b.p == b.end)
                    goto out_of_bytes;
                i->modrm = *b.p++;
                i->has_modrm = true;
            }
            index = n->kind == N_MOD ? i->modrm >= 0xc0 : n->kind == N_REG ? i->modrm >> 3 & 7 : i->modrm & 7;
            break;
        case N_W:
            index = code64 ? i->rex >> 3 & 1 : i->vex_w;
            break;
        case N_WG:
            index = code64 && i->rex & 8;
            break;
        case N_L:
            index = i->vl;
            break;
        case N_OSZ:
            index = log2_size(i->osz);
            break;
        case N_OSZ64:
            index = code64 && i->osz == 4 ? 2 : log2_size(i->osz);
            break;
        case N_ASZ:
            index = log2_size(i->asz);
            break;
        case N_64:
            index = code64;
            break;
        case N_REXB:
            index = i->rex & 1;
            break;
        default:
            goto ud;
        }
        n = &sub[index];
    }
    const Form *f = n->p;
    if (f->rules & R_ALT && !feature_there(features, f->d.feature)) {
        pp = i->opsize_prefix;
        f = ((const Node *)pp_node->p)[pp].p;
        pp_node = NULL;
    }
    i->desc = &f->d;
    if (pp_node || i->encoding != ENC_LEGACY) {
        i->pp = (uint8_t)pp;
        if (pp >= 2)
            i->rep = 0;
    }

    const uint32_t rules = f->rules;
    if (rules & (code64 ? R_NO64 : R_ONLY64))
        goto ud;
    if (code64 && rules & (R_D64 | R_F64) && (i->osz == 4 || rules & R_F64))
        i->osz = 8;
    if (i->encoding == ENC_VEX) {
        if ((rules & R_L0 && i->vl) || (rules & R_L1 && !i->vl) || (rules & R_W0 && i->vex_w) ||
            (rules & R_W1 && !i->vex_w) || (used_vvvv && !(f->all & OPC_VVVV)))
            goto ud;
    }

    if (f->all & OPC_MODRM || rules & R_MODRM) {
        if (!i->has_modrm) {
            if (b.p == b.end)
                goto out_of_bytes;
            i->modrm = *b.p++;
            i->has_modrm = true;
        }
    }
    if (i->has_modrm) {
        i->mod = i->modrm >> 6;
        i->reg = (uint8_t)((i->modrm >> 3 & 7) | (i->rex & 4) << 1);
        if (i->mod == 3 || rules & R_NOMEM) {
            i->rm = (uint8_t)((i->modrm & 7) | (i->rex & 1) << 3);
        } else {
            if (rules & R_GATHER && ((i->modrm & 7) != 4 || i->asz == 2))
                goto ud;
            if (!decode_mem(i, &b, rules & R_GATHER))
                goto out_of_bytes;
            if (rules & R_GATHER && !gather_registers_differ(i))
                goto ud;
        }
    }
    if (rules & R_EVEX_IMM) {
        if (!fetch(&b, 1, &v))
            goto out_of_bytes;
        i->imm = (int64_t)v;
        i->imm_size = 1;
    }
    r = decode_operands(i, &b, f);
    if (r == DECODE_MORE)
        goto out_of_bytes;
    if (r != DECODE_OK)
        goto ud;
    if (i->lock && !(f->d.attrs & INSN_LOCKABLE && i->operand[0].kind == OPND_MEM))
        goto ud;
    if (i->encoding == ENC_VEX)
        i->rex = 0;
    i->len = (uint8_t)(b.p - bytes);
    return DECODE_OK;

ud:
    i->len = (uint8_t)(b.p - bytes);
    return DECODE_UD;
out_of_bytes:
    i->len = (uint8_t)(b.end - bytes);
    return b.end - bytes >= INSN_MAX_LEN ? DECODE_TOO_LONG : DECODE_MORE;
}

/* The n-th form below `node`: counts *n down. */
static bool form_below(const Node *node, unsigned *n, InsnForm *out)
{
    static const uint8_t fan[] = {[N_PP] = 4, [N_MOD] = 2, [N_REG] = 8,   [N_RM] = 8,  [N_W] = 2,  [N_WG] = 2,
                                  [N_L] = 2,  [N_OSZ] = 3, [N_OSZ64] = 3, [N_ASZ] = 3, [N_64] = 2, [N_REXB] = 2};
    if (node->kind == N_UD)
        return false;
    if (node->kind == N_FORM) {
        if ((*n)--)
            return false;
        const Form *f = node->p;
        out->desc = &f->d;
        out->no64 |= (f->rules & R_NO64) != 0;
        out->only64 |= (f->rules & R_ONLY64) != 0;
        if (f->rules & (R_W0 | R_W1))
            out->w = f->rules & R_W1 ? 1 : 0;
        if (f->rules & (R_L0 | R_L1))
            out->vl = f->rules & R_L1 ? 1 : 0;
        for (unsigned k = 0; k < f->d.n_operands; k++) {
            unsigned a = OPC_ADDR(f->opnd[k]);
            if (a == A_M || a == A_VX)
                out->is_mem = 1;
            else if (a == A_R || a == A_U || a == A_N || a == A_RF)
                out->is_mem = 0;
        }
        return true;
    }
    const InsnForm saved = *out;
    const Node *sub = node->p;
    for (int k = 0; k < fan[node->kind]; k++) {
        switch (node->kind) {
        case N_PP:
            out->pp = (int8_t)k;
            break;
        case N_MOD:
            out->is_mem = k == 0;
            break;
        case N_REG:
            out->reg = (int8_t)k;
            break;
        case N_RM:
            out->rm = (int8_t)k;
            break;
        case N_W:
        case N_WG:
            out->w = (int8_t)k;
            break;
        case N_L:
            out->vl = (int8_t)k;
            break;
        case N_OSZ:
        case N_OSZ64:
            out->osz = (int8_t)(2 << k);
            break;
        case N_ASZ:
            out->asz = (int8_t)(2 << k);
            break;
        case N_64:
            out->only64 = k == 1;
            out->no64 = k == 0;
            break;
        default:
            break;
        }
        if (form_below(&sub[k], n, out))
            return true;
        *out = saved;
    }
    return false;
}

bool insn_form(unsigned n, InsnForm *out)
{
    static const struct {
        const Node *map;
        uint8_t encoding, number;
    } maps[] = {
        {decode_one_byte, ENC_LEGACY, MAP_ONE_BYTE},
        {decode_0f, ENC_LEGACY, MAP_0F},
        {decode_38, ENC_LEGACY, MAP_0F38},
        {decode_3a, ENC_LEGACY, MAP_0F3A},
        {decode_vex_0f, ENC_VEX, MAP_0F},
        {decode_vex_38, ENC_VEX, MAP_0F38},
        {decode_vex_3a, ENC_VEX, MAP_0F3A},
    };
    for (unsigned m = 0; m < G_N_ELEMENTS(maps); m++) {
        for (unsigned op = 0; op < 256; op++) {
            *out = (InsnForm){.encoding = maps[m].encoding,
                              .map = maps[m].number,
                              .opcode = (uint8_t)op,
                              .pp = -1,
                              .reg = -1,
                              .rm = -1,
                              .is_mem = -1,
                              .w = -1,
                              .vl = -1,
                              .osz = -1,
                              .asz = -1};
            if (form_below(&maps[m].map[op], &n, out))
                return true;
        }
    }
    return false;
}

unsigned insn_gpr_fields(const Insn *i)
{
    bool gpr = false, vector = false;

    for (unsigned n = 0; n < i->n_operands; n++) {
        unsigned k = i->operand[n].kind;

        gpr |= k == OPND_GPR || k == OPND_GPR8H;
        vector |= k == OPND_XMM || k == OPND_MMX;
    }
    if (!gpr)
        return 0;
    /* CVTTSS2SI, CVTSS2SI, MOVMSKPS, PEXTRW and PMOVMSKB have it in reg, all others beside a vector register in rm. */
    bool in_reg = i->map == MAP_0F && (i->opcode == 0x2c || i->opcode == 0x2d || i->opcode == 0x50 ||
                                       i->opcode == 0xc5 || i->opcode == 0xd7);
    unsigned rm = i->has_mem ? 0 : INSN_GPR_RM;

    if (vector || in_reg)
        return in_reg ? INSN_GPR_REG : rm;
    if (i->encoding == ENC_LEGACY)
        return rm | INSN_GPR_REG;
    if (i->map == MAP_0F38 && i->opcode == 0xf3) /* BLSR BLSMSK BLSI: reg is part of the opcode */
        return rm | INSN_GPR_VVVV;
    if (i->map == MAP_0F3A) /* RORX */
        return rm | INSN_GPR_REG;
    return rm | INSN_GPR_REG | INSN_GPR_VVVV;
}

bool insn_w_is_width(const Insn *i)
{
    if (insn_gpr_fields(i))
        return true;
    switch (i->map) {
    case MAP_0F:
        return i->opcode == 0x2a || i->opcode == 0x6e || (i->opcode == 0x7e && i->pp == 1);
    case MAP_0F3A: /* PEXTRD PINSRD, PCMPESTRM PCMPESTRI */
        return i->opcode == 0x16 || i->opcode == 0x22 || i->opcode == 0x60 || i->opcode == 0x61;
    default:
        return false;
    }
}
