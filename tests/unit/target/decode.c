/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder beside Zydis, on random bytes in 16, 32 and 64-bit code: which bytes are an instruction, how long it is,
 * its name, memory operands (size, address, access), registers and flags read and written. DECODE_CASES and DECODE_SEED
 * in the environment: another number of cases or seed.
 */
#include "target/i386/cpu.h"
#include "target/i386/decode.h"
#include <stdio.h>
#include <Zydis/Zydis.h>

typedef struct Case {
    uint8_t bytes[INSN_MAX_LEN + 4]; /* some more: what make_bytes() writes behind the last */
    unsigned code_size;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    Insn i;
} Case;

static ZydisDecoder decoders[9];    /* by code size */
static GHashTable *differences;     /* "mnemonic: what" to the bytes of the first */
static GHashTable *known, *refused; /* Zydis's mnemonics, by what we say of them */
static GHashTable *reached;         /* InsnDesc, where Zydis agrees that it is an instruction */
static uint64_t random_state;

static uint64_t random_u64(void) /* xorshift64* */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1dULL;
}

static unsigned below(unsigned n)
{
    return (unsigned)((random_u64() >> 32) * n >> 32);
}

/* "mnemonic: what" of differences that are not ours, or that are meant. */
static const char *const meant[][2] = {
    {"bs?: registers read: not here,*", "a source of 0 leaves the destination"},
    {"cmov*: registers read: not here,*", "the destination stays where the condition is false"},
    {"lar: registers read: not here,*", "the destination stays where the selector is bad"},
    {"lahf: registers read: not here, ax *", "one byte of it changes"},
    {"leave: registers read: sp not here,*", "RSP is written only"},
    {"*maskmov*: registers read: not here, di *", "the address"},
    {"xlat: registers read: not here, ax *", "part of the address"},
    {"cl*: memory operand of 64 bytes there, 1 here", "CLFLUSH, CLFLUSHOPT, CLWB: the rights of the byte count"},
    {"invlpg: memory operand of 1 bytes there, 0 here", "an address only"},
    {"xsave*: memory operand of 576 bytes there, 0 here", "its size is in CPUID"},
    {"xrstor*: memory operand of 576 bytes there, 0 here", "its size is in CPUID"},
    {"ret: called retf here", "one name there"},
    {"pause: *", "F3 with REX.B: the host's CPU exchanges"},
    {"nop: called endbr*", "the same with and without CET"},
    {"wbinvd: called wbnoinvd here", "the name is not known there"},
    {"monitor: a memory operand more here", "what rAX points to"},
    {"clzero: a memory operand more here", "what rAX points to"},
    {"bextr: flags *", "CF and OF are cleared (SDM volume 2, BEXTR)"},
    {"*test*: flags written: CF ZF there, CF PF AF ZF SF OF here, maybe ",
     "VPTEST, VTESTPS, VTESTPD: the others are cleared"},
    {"cvt*pi*: exception type 0 *", "to and from MMX registers: they raise #XM all the same"},
    {"lddqu: exception type 4 there: 200, 0 here", "the manual excepts it from alignment"},
    {"movdqu: exception type 4 there: 200, 0 here", "the manual excepts it from alignment"},
    {"movup?: exception type 4 there: 200, 0 here", "the manual excepts it from alignment"},
    {"pcmp?str?: exception type 4 there: 200, 0 here", "the manual excepts it from alignment"},
    {"maskmovdqu: exception type 4 there: 200, 0 here", "the manual excepts it from alignment"},
    {"sha?*: exception type 4 there: 200, 0 here", "as AMD's CPUs have it"},
    {"int*: flags *", "all are pushed"},
    {"iret*: flags *", "all are popped"},
    {"rsm: flags *", "all change"},
    {"syscall: flags read:*", "R11 gets them"},
    {"cmps?: flags read: ZF *", "REPE looks at the flag that it has set"},
    {"scas?: flags read: ZF *", "REPE looks at the flag that it has set"},
    {"rc?: flags *", "OF counts as written in some cases"},
    {"ro?: flags *", "OF counts as written in some cases"},
    {"sh?: flags *", "OF counts as written in some cases"},
    {"sh?d: flags *", "OF counts as written in some cases"},
    {"sar: flags *", "OF counts as written in some cases"},
    {"sbb: flags *", "AF is written by every form"},
};

static bool meant_seen[G_N_ELEMENTS(meant)];

static bool is_meant(const char *text)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(meant); n++) {
        if (g_pattern_match_simple(meant[n][0], text)) {
            meant_seen[n] = true;
            return true;
        }
    }
    return false;
}

static void G_GNUC_PRINTF(3, 4) differ(const Case *c, const char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autofree char *key = g_strdup_printf("%s: %s", name, what);
    if (g_hash_table_contains(differences, key))
        return;
    GString *s = g_string_new(NULL);
    g_string_append_printf(s, "%u-bit ", c->code_size * 8);
    for (unsigned n = 0; n < 15; n++)
        g_string_append_printf(s, "%02x", c->bytes[n]);
    g_hash_table_insert(differences, g_steal_pointer(&key), g_string_free(s, FALSE));
}

/* What Zydis knows and this decoder refuses: no CPU of ours has it. */
static bool offered(const ZydisDecodedInstruction *z)
{
    switch (z->meta.isa_ext) {
    case ZYDIS_ISA_EXT_AMD3DNOW:
    case ZYDIS_ISA_EXT_AMD_INVLPGB:
    case ZYDIS_ISA_EXT_AMX_BF16:
    case ZYDIS_ISA_EXT_AMX_INT8:
    case ZYDIS_ISA_EXT_AMX_TILE:
    case ZYDIS_ISA_EXT_AVX512EVEX:
    case ZYDIS_ISA_EXT_AVX512VEX:
    case ZYDIS_ISA_EXT_AVX_VNNI:
    case ZYDIS_ISA_EXT_CET:
    case ZYDIS_ISA_EXT_CLDEMOTE:
    case ZYDIS_ISA_EXT_ENQCMD:
    case ZYDIS_ISA_EXT_FMA4:
    case ZYDIS_ISA_EXT_HRESET:
    case ZYDIS_ISA_EXT_KEYLOCKER:
    case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
    case ZYDIS_ISA_EXT_KNC:
    case ZYDIS_ISA_EXT_KNCE:
    case ZYDIS_ISA_EXT_KNCV:
    case ZYDIS_ISA_EXT_MCOMMIT:
    case ZYDIS_ISA_EXT_MONITORX:
    case ZYDIS_ISA_EXT_MPX:
    case ZYDIS_ISA_EXT_PADLOCK:
    case ZYDIS_ISA_EXT_PCONFIG:
    case ZYDIS_ISA_EXT_PT:
    case ZYDIS_ISA_EXT_RDPRU:
    case ZYDIS_ISA_EXT_RTM:
    case ZYDIS_ISA_EXT_SGX:
    case ZYDIS_ISA_EXT_SGX_ENCLV:
    case ZYDIS_ISA_EXT_SMX:
    case ZYDIS_ISA_EXT_SNP:
    case ZYDIS_ISA_EXT_SSE4A:
    case ZYDIS_ISA_EXT_TBM:
    case ZYDIS_ISA_EXT_TDX:
    case ZYDIS_ISA_EXT_TSX_LDTRK:
    case ZYDIS_ISA_EXT_UINTR:
    case ZYDIS_ISA_EXT_WAITPKG:
    case ZYDIS_ISA_EXT_XOP:
        return false;
    default:
        return z->mnemonic != ZYDIS_MNEMONIC_MOVDIR64B;
    }
}

/* Our name as Zydis spells it. */
static void our_name(const Insn *i, char *out, size_t size)
{
    g_autoptr(GString) s = g_string_new(NULL);
    insn_print(i, 0, s);
    char *p = s->str;
    if (i->lock)
        p += strlen("lock ");
    if (i->rep && i->desc->attrs & INSN_STRING)
        p = strchr(p, ' ') + 1;
    g_strlcpy(out, p, size);
    if (g_str_has_prefix(out, "call far") || g_str_has_prefix(out, "jmp far"))
        *strchr(out, ' ') = 0;
    out[strcspn(out, " ")] = 0;
}

static unsigned gpr_of(ZydisRegister r, unsigned *size)
{
    ZydisRegister big = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r);
    *size = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, r) / 8;
    return big >= ZYDIS_REGISTER_RAX && big <= ZYDIS_REGISTER_R15 ? (unsigned)(big - ZYDIS_REGISTER_RAX) : 99;
}

static unsigned access_of(ZydisOperandActions a)
{
    return (a & ZYDIS_OPERAND_ACTION_MASK_READ ? ACCESS_R : 0) | (a & ZYDIS_OPERAND_ACTION_MASK_WRITE ? ACCESS_W : 0);
}

static const char *gpr_set_text(uint32_t set)
{
    static char buf[4][80];
    static unsigned turn;
    char *p = buf[turn++ & 3];
    static const char *const names[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
    *p = 0;
    for (unsigned n = 0; n < 8; n++) {
        if (set >> n & 1) {
            strcat(p, names[n]);
            strcat(p, " ");
        }
    }
    if (set & ~0xffU)
        sprintf(p + strlen(p), "0x%x ", set & ~0xffU);
    return p;
}

static const char *flags_text(uint32_t f)
{
    static char buf[4][80];
    static unsigned turn;
    char *p = buf[turn++ & 3];
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{FLAG_CF, "CF "}, {FLAG_PF, "PF "},     {FLAG_AF, "AF "}, {FLAG_ZF, "ZF "},
                 {FLAG_SF, "SF "}, {FLAG_TF, "TF "},     {FLAG_IF, "IF "}, {FLAG_DF, "DF "},
                 {FLAG_OF, "OF "}, {FLAG_IOPL, "IOPL "}, {FLAG_NT, "NT "}};
    *p = 0;
    for (unsigned n = 0; n < G_N_ELEMENTS(names); n++) {
        if (f & names[n].bit)
            strcat(p, names[n].name);
    }
    return p;
}

static void compare_flags(const Case *c, const char *name)
{
    const InsnDesc *d = c->i.desc;
    const uint32_t all = 0x7fd5;
    const ZydisAccessedFlags *f = c->z.cpu_flags;
    uint32_t read = 0, written = 0, undefined = 0;
    if (f) {
        read = f->tested & all;
        written = (f->modified | f->set_0 | f->set_1) & all;
        undefined = f->undefined & all;
    }
    if (read & FLAG_IOPL)
        read |= FLAG_IOPL;
    if (written & FLAG_IOPL)
        written |= FLAG_IOPL;
    if (read != d->flags_read)
        differ(c, name, "flags read: %sthere, %shere", flags_text(read), flags_text(d->flags_read));
    if (written != (uint32_t)(d->flags_written | d->flags_maybe))
        differ(c, name, "flags written: %sthere, %shere, maybe %s", flags_text(written), flags_text(d->flags_written),
               flags_text(d->flags_maybe));
    if (undefined != d->flags_undefined)
        differ(c, name, "flags undefined: %sthere, %shere", flags_text(undefined), flags_text(d->flags_undefined));
}

static bool is_stack(const Case *c, const ZydisDecodedOperand *o)
{
    unsigned size;
    return o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
           (gpr_of(o->mem.base, &size) == R_RSP || gpr_of(o->mem.base, &size) == R_RBP);
}

static void compare_operands(const Case *c, const char *name)
{
    const Insn *i = &c->i;
    uint32_t read = 0, written = 0, our_read = i->desc->gpr_read, our_written = i->desc->gpr_written;
    const InsnOperand *mem[5];
    unsigned n_mem = 0, m = 0, size;

    if (i->desc->attrs & INSN_STRING && !i->rep) {
        our_read &= ~(1U << R_RCX);
        our_written &= ~(1U << R_RCX);
    }
    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];
        if (o->kind == OPND_MEM)
            mem[n_mem++] = o;
        if (o->kind == OPND_GPR || o->kind == OPND_GPR8H) {
            our_read |= o->access & ACCESS_R ? 1U << o->reg : 0;
            our_written |= o->access & ACCESS_W ? 1U << o->reg : 0;
        }
        if (o->kind == OPND_DX)
            our_read |= 1 << R_RDX;
    }
    for (unsigned n = 0; n < c->z.operand_count; n++) {
        const ZydisDecodedOperand *o = &c->op[n];
        unsigned access = access_of(o->actions);
        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            unsigned reg = gpr_of(o->reg.value, &size);
            if (reg < 16) {
                read |= access & ACCESS_R ? 1U << reg : 0;
                written |= access & ACCESS_W ? 1U << reg : 0;
            }
        } else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !is_stack(c, o)) {
            if (m == n_mem) {
                differ(c, name, "a memory operand more there");
                return;
            }
            const InsnOperand *p = mem[m++];
            if (i->desc->attrs & INSN_STRING) { /* where it is, is moved */
                read |= 1U << gpr_of(o->mem.base, &size);
                written |= 1U << gpr_of(o->mem.base, &size);
            }
            bool addr_only = o->mem.type == ZYDIS_MEMOP_TYPE_AGEN;
            unsigned want = addr_only ? 0 : o->size / 8;
            if (p->size != want)
                differ(c, name, "memory operand of %u bytes there, %u here", want, p->size);
            if (!addr_only && p->access != access)
                differ(c, name, "memory access %u there, %u here", access, p->access);
            /* Of two, Insn has the first one's address, RSI. */
            if (n_mem == 1 || gpr_of(o->mem.base, &size) == R_RSI) {
                unsigned base = o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP ? BASE_RIP
                                : o->mem.base == ZYDIS_REGISTER_NONE                                   ? REG_NONE
                                                                     : gpr_of(o->mem.base, &size);
                unsigned index = o->mem.index == ZYDIS_REGISTER_NONE    ? REG_NONE
                                 : o->mem.type == ZYDIS_MEMOP_TYPE_VSIB ? (unsigned)ZydisRegisterGetId(o->mem.index)
                                                                        : gpr_of(o->mem.index, &size);
                if (c->z.raw.sib.base == 5 && c->z.raw.modrm.mod == 0 && i->asz != 2 && i->modrm % 8 == 4)
                    base = REG_NONE; /* whatever REX.B says (SDM volume 2, table 2-5); Zydis 4.0 has R13 */
                unsigned scale = o->mem.index == ZYDIS_REGISTER_NONE ? i->scale : o->mem.scale;
                if (i->desc->op == OP_XLAT)
                    index = REG_NONE, scale = i->scale;
                if (base != i->base || index != i->index || scale != i->scale)
                    differ(c, name, "address %u+%u*%u there, %u+%u*%u here", base, index, o->mem.scale, i->base,
                           i->index, i->scale);
                if (o->mem.disp.has_displacement && o->mem.disp.value != i->disp)
                    differ(c, name, "displacement differs");
                if (!addr_only && (unsigned)ZydisRegisterGetId(o->mem.segment) != i->seg)
                    differ(c, name, "segment %d there, %u here", ZydisRegisterGetId(o->mem.segment), i->seg);
            }
        } else if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT &&
                   i->desc->op != OP_ENTER) {
            uint64_t v = (uint64_t)i->imm, w = o->imm.value.u;
            unsigned bits = o->size;
            if (bits < 64) {
                v &= (1ULL << bits) - 1;
                w &= (1ULL << bits) - 1;
            }
            if (v != w)
                differ(c, name, "immediate differs");
        }
    }
    if (m != n_mem)
        differ(c, name, "a memory operand more here");
    if (read != our_read)
        differ(c, name, "registers read: %snot here, %snot there", gpr_set_text(read & ~our_read),
               gpr_set_text(our_read & ~read));
    if (written != our_written)
        differ(c, name, "registers written: %snot here, %snot there", gpr_set_text(written & ~our_written),
               gpr_set_text(our_written & ~written));
}

/* Exception types (SDM volume 2, 2.4) and what they say of alignment and of floating-point exceptions. */
static void compare_type(const Case *c, const char *name)
{
    const Insn *i = &c->i;
    uint32_t attrs = i->desc->attrs, want = 0;
    switch (c->z.meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_SSE1:
    case ZYDIS_EXCEPTION_CLASS_AVX1:
        want = INSN_ALIGN_VEC;
        break;
    case ZYDIS_EXCEPTION_CLASS_SSE2:
        want = INSN_ALIGN_LEGACY | INSN_SIMD_FP;
        break;
    case ZYDIS_EXCEPTION_CLASS_SSE3:
    case ZYDIS_EXCEPTION_CLASS_AVX2:
    case ZYDIS_EXCEPTION_CLASS_AVX3:
    case ZYDIS_EXCEPTION_CLASS_AVX11:
        want = INSN_SIMD_FP;
        break;
    case ZYDIS_EXCEPTION_CLASS_SSE4:
        want = INSN_ALIGN_LEGACY;
        break;
    case ZYDIS_EXCEPTION_CLASS_NONE:
        if (!(attrs & (INSN_SSE | INSN_AVX)))
            return;
        break;
    default:
        break;
    }
    bool have_mem = false;
    for (unsigned n = 0; n < i->n_operands; n++)
        have_mem |= i->operand[n].kind == OPND_MEM && i->operand[n].size >= 16;
    uint32_t mask = INSN_SIMD_FP | (have_mem ? INSN_ALIGN_VEC | INSN_ALIGN_LEGACY : 0);
    if ((attrs ^ want) & mask)
        differ(c, name, "exception type %d there: %x, %x here", c->z.meta.exception_class, want & mask, attrs & mask);
}

static void compare(Case *c)
{
    DecodeResult r = insn_decode(&c->i, c->bytes, 15, c->code_size, false, NULL);
    ZyanStatus s = ZydisDecoderDecodeFull(&decoders[c->code_size], c->bytes, 15, &c->z, c->op);
    if (ZYAN_SUCCESS(s)) {
        const char *name = ZydisMnemonicGetString(c->z.mnemonic);
        char ours[64];
        if (!offered(&c->z)) {
            g_hash_table_add(refused, (void *)name);
            if (c->z.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && r != DECODE_OK)
                differ(c, name, "refused here");
            else if (c->z.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && c->i.len != c->z.length)
                differ(c, name, "%u bytes there, %u here", c->z.length, c->i.len);
            return;
        }
        if (r != DECODE_OK) {
            differ(c, name, "refused here");
            return;
        }
        g_hash_table_add(known, (void *)name);
        g_hash_table_add(reached, (void *)c->i.desc);
        our_name(&c->i, ours, sizeof(ours));
        if (c->i.len != c->z.length)
            differ(c, name, "%u bytes there, %u here", c->z.length, c->i.len);
        if (strcmp(ours, name))
            differ(c, name, "called %s here", ours);
        if (c->i.desc->attrs & INSN_HINT ||
            c->i.desc->op == OP_VMCALL) /* looks at none of its operands; is always #UD */
            return;
        compare_operands(c, name);
        compare_flags(c, name);
        compare_type(c, name);
    } else if (r == DECODE_OK && c->i.encoding != ENC_EVEX) {
        char ours[64];
        our_name(&c->i, ours, sizeof(ours));
        differ(c, ours, "refused there (%x)", s & 0xff);
    }
}

/* Random bytes, the more interesting the likelier: escapes, VEX, prefixes. */
static void make_bytes(Case *c)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x3e, 0x26, 0x64,
                                       0x65, 0x66, 0xf2, 0xf3, 0x48, 0x41, 0x40, 0x4f, 0x44};
    static const unsigned sizes[] = {2, 4, 8, 8};
    unsigned n = 0;
    uint64_t a = random_u64(), b = random_u64();
    memcpy(c->bytes, &a, 8);
    memcpy(c->bytes + 8, &b, 7);
    c->code_size = sizes[below(4)];
    if (!below(8))
        return;
    while (n < 13 && !below(2))
        c->bytes[n++] = prefixes[below(G_N_ELEMENTS(prefixes))];
    if (n < 11 && c->code_size == 8 && below(2))
        c->bytes[n++] = 0x40 | below(16);
    switch (below(7)) {
    case 0:
        n = 0;
        c->bytes[n++] = 0x62;
        c->bytes[n] = (c->bytes[n] & 0xf3) | (c->code_size == 8 ? 0 : 0xc0);
        c->bytes[n + 1] |= 4;
        break;
    case 1:
    case 2:
        c->bytes[n++] = 0x0f;
        if (below(3) && n < 12)
            c->bytes[n++] = below(2) ? 0x38 : 0x3a;
        break;
    case 3:
        if (below(4))
            n = 0;
        c->bytes[n++] = 0xc5;
        if (c->code_size != 8)
            c->bytes[n] |= 0xc0;
        if (below(2))
            c->bytes[n] |= 0x78;
        break;
    case 4:
        if (below(4))
            n = 0;
        c->bytes[n++] = 0xc4;
        c->bytes[n] = (c->bytes[n] & 0xe0) | (1 + below(3));
        if (c->code_size != 8)
            c->bytes[n] |= 0xc0;
        n++;
        if (below(2))
            c->bytes[n] |= 0x78;
        break;
    default:
        break;
    }
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *s = g_getenv(name);
    return s ? g_ascii_strtoull(s, NULL, 0) : otherwise;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void report(void)
{
    unsigned n_keys;
    g_autofree char **keys = (char **)g_hash_table_get_keys_as_array(differences, &n_keys);
    qsort(keys, n_keys, sizeof(*keys), by_text);
    for (unsigned n = 0; n < n_keys; n++) {
        if (is_meant(keys[n]))
            continue;
        g_test_message("%s (%s)", keys[n], (const char *)g_hash_table_lookup(differences, keys[n]));
        g_test_fail();
    }
    g_hash_table_remove_all(differences);
}

static void test_random(void)
{
    uint64_t cases = from_environment("DECODE_CASES", 3000000);
    for (uint64_t n = 0; n < cases; n++) {
        Case c;
        make_bytes(&c);
        compare(&c);
    }
    report();
}

/* Every opcode of every map with each mandatory prefix, W and L, and every modrm. */
static void test_every_encoding(void)
{
    static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
    Case c;
    for (unsigned encoding = ENC_LEGACY; encoding <= ENC_VEX; encoding++) {
        for (unsigned map = encoding == ENC_VEX; map < 4; map++) {
            for (unsigned k = 0; k < 256 * 256 * 4 * 2 * 2; k++) {
                uint8_t op = (uint8_t)k, modrm = (uint8_t)(k >> 8), pp = k >> 16 & 3, w = k >> 18 & 1, l = k >> 19 & 1;
                for (c.code_size = 2; c.code_size <= 8; c.code_size *= 2) {
                    uint64_t a = random_u64(), b = random_u64();
                    unsigned n = 0;
                    memcpy(c.bytes, &a, 8);
                    memcpy(c.bytes + 8, &b, 7);
                    if (encoding == ENC_VEX) {
                        c.bytes[n++] = 0xc4;
                        c.bytes[n++] = (uint8_t)((c.code_size == 8 ? c.bytes[1] & 0xe0 : 0xe0) | map);
                        c.bytes[n] = (uint8_t)(w << 7 | (b & 1 ? 15 : c.bytes[n] >> 3 & 15) << 3 | l << 2 | pp);
                        n++;
                    } else {
                        if (l || (w && c.code_size != 8))
                            continue;
                        if (pp)
                            c.bytes[n++] = prefixes[pp];
                        if (w)
                            c.bytes[n++] = 0x48;
                        if (map)
                            c.bytes[n++] = 0x0f;
                        if (map > 1)
                            c.bytes[n++] = map == 2 ? 0x38 : 0x3a;
                    }
                    c.bytes[n++] = op;
                    c.bytes[n++] = modrm;
                    compare(&c);
                }
            }
        }
    }
    report();
    for (unsigned n = 0; n < G_N_ELEMENTS(meant); n++) {
        if (!meant_seen[n]) {
            g_test_message("no such difference any more: %s", meant[n][0]);
            g_test_fail();
        }
    }
    InsnForm f;
    unsigned forms = 0;
    while (insn_form(forms, &f)) {
        forms++;
        if (!g_hash_table_contains(reached, f.desc)) {
            g_test_message("no encoding of %s (encoding %d, map %d, opcode %02x, pp %d, reg %d) is what Zydis knows",
                           f.desc->mnemonic, f.encoding, f.map, f.opcode, f.pp, f.reg);
            g_test_fail();
        }
    }
    g_test_message("%u forms; %u of Zydis's mnemonics are known, these are of sets that no CPU of ours has:", forms,
                   g_hash_table_size(known));
    GHashTableIter it;
    void *name;
    g_autoptr(GString) s = g_string_new(NULL);
    g_hash_table_iter_init(&it, refused);
    while (g_hash_table_iter_next(&it, &name, NULL)) {
        if (!g_hash_table_contains(known, name))
            g_string_append_printf(s, " %s", (char *)name);
    }
    g_test_message("%s", s->str);
}

int main(int argc, char **argv)
{
    static const struct {
        unsigned size;
        ZydisMachineMode mode;
        ZydisStackWidth stack;
    } modes[] = {{2, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
                 {4, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
                 {8, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64}};
    g_test_init(&argc, &argv, NULL);
    for (unsigned n = 0; n < G_N_ELEMENTS(modes); n++) {
        ZydisDecoder *d = &decoders[modes[n].size];
        ZydisDecoderInit(d, modes[n].mode, modes[n].stack);
        ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
        ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    }
    uint64_t seed = from_environment("DECODE_SEED", (uint64_t)g_get_real_time());
    g_test_message("DECODE_SEED=0x%" PRIx64, seed);
    random_state = seed | 1;
    differences = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    known = g_hash_table_new(g_str_hash, g_str_equal);
    refused = g_hash_table_new(g_str_hash, g_str_equal);
    reached = g_hash_table_new(NULL, NULL);
    g_test_add_func("/decode/encodings", test_every_encoding);
    g_test_add_func("/decode/random", test_random);
    return g_test_run();
}
