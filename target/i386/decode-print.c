/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A decoded instruction as text, in Intel's syntax. Not light code: it uses GLib. */
#include "target/i386/decode.h"
#include "target/i386/cpu.h"

static const char *const conditions[16] = {"o", "no", "b", "nb", "z", "nz", "be", "nbe",
                                           "s", "ns", "p", "np", "l", "nl", "le", "nle"};
static const char *const gpr_names[4][16] = {
    {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"},
    {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"},
    {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d",
     "r15d"},
    {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"},
};
static const char *const gpr_high_names[4] = {"ah", "ch", "dh", "bh"};
static const char *const seg_names[8] = {"es", "cs", "ss", "ds", "fs", "gs", "?", "?"};

static const char *gpr_name(unsigned reg, unsigned size)
{
    return gpr_names[size == 8 ? 3 : size == 4 ? 2 : size == 2 ? 1 : 0][reg & 15];
}

static void put_number(GString *out, uint64_t v)
{
    g_string_append_printf(out, v < 10 ? "%" PRIu64 : "0x%" PRIx64, v);
}

static void put_vector(GString *out, unsigned reg, unsigned size)
{
    g_string_append_printf(out, "%s%u", size > 32 ? "zmm" : size > 16 ? "ymm" : "xmm", reg);
}

/* "dword ptr ": nothing where the size is none that has a word. */
static const char *size_name(unsigned size)
{
    switch (size) {
    case 1:
        return "byte ptr ";
    case 2:
        return "word ptr ";
    case 4:
        return "dword ptr ";
    case 6:
        return "fword ptr ";
    case 8:
        return "qword ptr ";
    case 10:
        return "tbyte ptr ";
    case 16:
        return "xmmword ptr ";
    case 32:
        return "ymmword ptr ";
    default:
        return "";
    }
}

/* The index register of a gather: as many indices as there are elements, in dwords or qwords. */
static unsigned vsib_size(const Insn *i)
{
    bool qword_index = i->opcode & 1;
    return qword_index || !i->vex_w ? (i->vl ? 32 : 16) : 16;
}

static void put_address(GString *out, const Insn *i, unsigned base, unsigned seg, uint64_t next)
{
    const char *plus = "";
    if (seg != (base == R_RSP || base == R_RBP ? SEG_SS : SEG_DS) || (base == REG_NONE && i->index == REG_NONE))
        g_string_append_printf(out, "%s:", seg_names[seg & 7]);
    g_string_append_c(out, '[');
    if (base == BASE_RIP) {
        put_number(out, next + (uint64_t)i->disp);
        g_string_append_c(out, ']');
        return;
    }
    if (base != REG_NONE) {
        g_string_append(out, gpr_name(base, i->asz));
        plus = "+";
    }
    if (i->index != REG_NONE) {
        g_string_append(out, plus);
        if (i->desc->attrs & INSN_VSIB)
            put_vector(out, i->index, vsib_size(i));
        else
            g_string_append(out, gpr_name(i->index, i->asz));
        if (i->scale > 1)
            g_string_append_printf(out, "*%u", i->scale);
        plus = "+";
    }
    if (!*plus)
        put_number(out, i->asz == 8 ? (uint64_t)i->disp : i->asz == 4 ? (uint32_t)i->disp : (uint16_t)i->disp);
    else if (i->disp) {
        g_string_append_c(out, i->disp < 0 ? '-' : '+');
        put_number(out, i->disp < 0 ? -(uint64_t)i->disp : (uint64_t)i->disp);
    }
    g_string_append_c(out, ']');
}

static void put_mem(GString *out, const Insn *i, unsigned n, uint64_t next)
{
    unsigned base = i->base, seg = i->seg;
    g_string_append(out, size_name(i->operand[n].size));
    /* Of two string operands, one is ES:[rDI]. */
    if (i->desc->attrs & INSN_STRING) {
        bool dest = base == R_RDI || (i->desc->op == OP_MOVS && n == 0) || (i->desc->op == OP_CMPS && n == 1);
        if (dest) {
            base = R_RDI;
            seg = SEG_ES;
        }
    }
    put_address(out, i, base, seg, next);
}

static void put_operand(GString *out, const Insn *i, unsigned n, uint64_t next)
{
    const InsnOperand *o = &i->operand[n];
    switch (o->kind) {
    case OPND_GPR:
        g_string_append(out, gpr_name(o->reg, o->size));
        break;
    case OPND_GPR8H:
        g_string_append(out, gpr_high_names[o->reg & 3]);
        break;
    case OPND_MEM:
        put_mem(out, i, n, next);
        break;
    case OPND_IMM: {
        uint64_t v = i->desc->op == OP_ENTER && n == 1 ? i->imm2 : (uint64_t)i->imm;
        put_number(out, o->size >= 8 ? v : v & ((1ULL << o->size * 8) - 1));
        break;
    }
    case OPND_REL: {
        uint64_t to = next + (uint64_t)i->imm;
        put_number(out, i->osz == 8 ? to : i->osz == 4 ? (uint32_t)to : (uint16_t)to);
        break;
    }
    case OPND_FAR:
        put_number(out, i->imm2);
        g_string_append_c(out, ':');
        put_number(out, (uint64_t)i->imm);
        break;
    case OPND_SEG:
        g_string_append(out, seg_names[o->reg & 7]);
        break;
    case OPND_CR:
        g_string_append_printf(out, "cr%u", o->reg);
        break;
    case OPND_DR:
        g_string_append_printf(out, "dr%u", o->reg);
        break;
    case OPND_XMM:
        put_vector(out, o->reg, o->size);
        break;
    case OPND_MMX:
        g_string_append_printf(out, "mm%u", o->reg);
        break;
    case OPND_ST:
        g_string_append_printf(out, "st(%u)", o->reg);
        break;
    case OPND_K:
        g_string_append_printf(out, "k%u", o->reg);
        break;
    case OPND_DX:
        g_string_append(out, "dx");
        break;
    default:
        g_string_append_c(out, '?');
        break;
    }
}

void insn_print(const Insn *i, uint64_t pc, GString *out)
{
    const InsnDesc *d = i->desc;
    unsigned n = i->n_operands;

    if (i->lock)
        g_string_append(out, "lock ");
    if (i->rep && d->attrs & INSN_STRING) {
        bool compares = d->op == OP_CMPS || d->op == OP_SCAS;
        g_string_append(out, i->rep == 0xf2 ? "repne " : compares ? "repe " : "rep ");
    }
    if (d->op == OP_JCC || d->op == OP_SETCC || d->op == OP_CMOVCC)
        g_string_append_printf(out, "%.*s%s", (int)strlen(d->mnemonic) - 2, d->mnemonic, conditions[i->opcode & 15]);
    else
        g_string_append(out, d->mnemonic);
    if (d->op == OP_MASKMOV) /* its memory operand is not written */
        n = 2;
    for (unsigned k = 0; k < n; k++) {
        g_string_append(out, k ? ", " : " ");
        put_operand(out, i, k, pc + i->len);
    }
}

void insn_print_line(const Insn *i, uint64_t pc, const uint8_t *bytes, GString *out)
{
    enum { IN_LINE = 8 };
    unsigned len = i ? i->len : 1;
    g_string_append_printf(out, "0x%08" PRIx64 ":  ", pc);
    for (unsigned n = 0; n < IN_LINE; n++) {
        if (n < len)
            g_string_append_printf(out, "%02x ", bytes[n]);
        else
            g_string_append(out, "   ");
    }
    g_string_append_c(out, ' ');
    if (i)
        insn_print(i, pc, out);
    else
        g_string_append_printf(out, ".byte 0x%02x", bytes[0]);
    g_string_append_c(out, '\n');
    if (len > IN_LINE) {
        g_string_append_printf(out, "0x%08" PRIx64 ": ", pc + IN_LINE);
        for (unsigned n = IN_LINE; n < len; n++)
            g_string_append_printf(out, " %02x", bytes[n]);
        g_string_append_c(out, '\n');
    }
}
