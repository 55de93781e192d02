/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AML assembler: one table of operations, encoded as ACPI 6.4 section 20.2 says.
 *
 * Operands, a letter each: n name as it is written; t term (number, string, name, local, argument or operation); x
 * target, which may be left out; b, w, d the number's raw 1, 2 or 4 bytes; k 16-bit mask of the bit numbers that
 * follow; * terms up to the list's end; + raw bytes up to the end; f field list; u bytes of a UUID; e EISA id; 'L'
 * first: the rest stands behind its length; 'B' first: the rest is a buffer's contents, behind length and size; 'T':
 * such with a resource template's end tag. Of resource descriptors, 'S' is a 16-bit count of the bytes that follow.
 */
#include "hw/acpi/aml.h"

typedef struct Form {
    const char *name;
    uint8_t n_op, op[3];
    const char *args;
} Form;

static const Form forms[] = {
    /* named objects and scopes */
    {"scope", 1, {0x10}, "Ln*"},
    {"device", 2, {0x5b, 0x82}, "Ln*"},
    {"method", 1, {0x14}, "Lnb*"}, /* flags: arguments, 8: serialized */
    {"processor", 2, {0x5b, 0x83}, "Lnbdb*"},
    {"name", 1, {0x08}, "nt"},
    {"mutex", 2, {0x5b, 0x01}, "nb"},
    {"region", 2, {0x5b, 0x80}, "nbtt"}, /* space 0: memory, 1: I/O, 2: PCI configuration */
    {"field", 2, {0x5b, 0x81}, "Lnbf"},  /* flags: access size 1 to 4, 10h: lock, 40h: write as zeroes */
    {"dword-field", 1, {0x8a}, "ttn"},
    /* control flow */
    {"if", 1, {0xa0}, "Lt*"},
    {"else", 1, {0xa1}, "L*"},
    {"while", 1, {0xa2}, "Lt*"},
    {"break", 1, {0xa5}, ""},
    {"return", 1, {0xa4}, "t"},
    {"notify", 1, {0x86}, "tt"},
    {"acquire", 2, {0x5b, 0x23}, "tw"},
    {"release", 2, {0x5b, 0x27}, "t"},
    {"call", 0, {0}, "n*"},
    /* expressions; the target comes last */
    {"store", 1, {0x70}, "tt"},
    {"add", 1, {0x72}, "ttx"},
    {"sub", 1, {0x74}, "ttx"},
    {"inc", 1, {0x75}, "t"},
    {"shl", 1, {0x79}, "ttx"},
    {"shr", 1, {0x7a}, "ttx"},
    {"and", 1, {0x7b}, "ttx"},
    {"or", 1, {0x7d}, "ttx"},
    {"land", 1, {0x90}, "tt"},
    {"lor", 1, {0x91}, "tt"},
    {"not", 1, {0x92}, "t"},
    {"eq", 1, {0x93}, "tt"},
    {"ne", 2, {0x92, 0x93}, "tt"},
    {"gt", 1, {0x94}, "tt"},
    {"lt", 1, {0x95}, "tt"},
    {"index", 1, {0x88}, "ttx"},
    {"deref", 1, {0x83}, "t"},
    {"sizeof", 1, {0x87}, "t"},
    {"to-buffer", 1, {0x96}, "tx"},
    {"to-hex", 1, {0x98}, "tx"},
    /* data */
    {"package", 1, {0x12}, "Lb*"},
    {"buffer", 1, {0x11}, "B+"},
    {"uuid", 1, {0x11}, "Bu"},
    {"eisa", 1, {0x0c}, "e"},
    {"resources", 1, {0x11}, "T*"},
    /* resource descriptors (section 6.4) */
    {"io", 1, {0x47}, "bwwbb"}, /* 1: 16 bits decoded; lowest, highest, alignment, length */
    {"irq", 1, {0x22}, "k"},
    {"dma", 1, {0x2a}, "kb"},
    {"mem32", 1, {0x86}, "Sbdd"},           /* 1: writable; base, length */
    {"interrupt", 1, {0x89}, "Sbb-"},       /* flags, count, lines of four bytes */
    {"word-space", 1, {0x88}, "Sbbbwwwww"}, /* type 0 memory, 1 I/O, 2 bus; flags; type's flags; granularity, lowest,
                                               highest, translation, length */
    {"dword-space", 1, {0x87}, "Sbbbddddd"},
    {"qword-space", 1, {0x8a}, "Sbbbqqqqq"},
};

typedef struct Asm {
    const char *p;
    GByteArray *out;
} Asm;

static void put(GByteArray *out, uint64_t v, unsigned bytes)
{
    uint8_t le[8];
    stq_le(le, v);
    g_byte_array_append(out, le, bytes);
}

static void skip_space(Asm *a)
{
    while (*a->p == ' ' || *a->p == '\n')
        a->p++;
}

/* A word up to what ends one; the text stays in place. */
static size_t word_len(Asm *a)
{
    skip_space(a);
    return strcspn(a->p, " \n()");
}

static bool at_end(Asm *a)
{
    skip_space(a);
    return *a->p == ')' || !*a->p;
}

static uint64_t number(Asm *a)
{
    char *end;
    skip_space(a);
    uint64_t v = g_ascii_strtoull(a->p, &end, 0);
    assert(end != a->p && strchr(" \n)", *end));
    a->p = end;
    return v;
}

static void put_integer(GByteArray *out, uint64_t v)
{
    if (v <= 1)
        put(out, v, 1); /* ZeroOp, OneOp */
    else if (v <= UINT8_MAX)
        put(out, 0x0a, 1), put(out, v, 1);
    else if (v <= UINT16_MAX)
        put(out, 0x0b, 1), put(out, v, 2);
    else if (v <= UINT32_MAX)
        put(out, 0x0c, 1), put(out, v, 4);
    else
        put(out, 0x0e, 1), put(out, v, 8);
}

/* PkgLength counts itself where self is set (section 20.2.4). */
static void put_length(GByteArray *out, size_t len, bool self)
{
    unsigned n = 1;
    if (len + self > 0x3f)
        n = len + self * 2 <= 0xfff ? 2 : len + self * 3 <= 0xfffff ? 3 : 4;
    len += self * n;
    put(out, n == 1 ? len : (n - 1) << 6 | (len & 0xf), 1);
    if (n > 1)
        put(out, len >> 4, n - 1);
}

static void put_name(Asm *a)
{
    size_t len = word_len(a), n = 1;
    const char *p = a->p, *end = p + len;
    assert(len);
    a->p = end;
    for (; *p == '\\' || *p == '^'; p++)
        put(a->out, *p, 1);
    for (const char *q = p; q < end; q++)
        n += *q == '.';
    if (p == end) {
        put(a->out, 0, 1);
        return;
    }
    if (n == 2)
        put(a->out, 0x2e, 1);
    else if (n > 2)
        put(a->out, 0x2f, 1), put(a->out, n, 1);
    while (p < end) { /* segments of four, filled up with '_' */
        size_t seg = strcspn(p, ". \n()");
        assert(seg >= 1 && seg <= 4);
        g_byte_array_append(a->out, (const guint8 *)p, seg);
        g_byte_array_append(a->out, (const guint8 *)"___", 4 - seg);
        p += seg + (p[seg] == '.' && p + seg < end);
    }
}

static void operation(Asm *a);

static void term(Asm *a)
{
    skip_space(a);
    if (*a->p == '(') {
        operation(a);
    } else if (*a->p == '"') {
        const char *end = strchr(a->p + 1, '"');
        assert(end);
        put(a->out, 0x0d, 1);
        g_byte_array_append(a->out, (const guint8 *)a->p + 1, end - a->p - 1);
        put(a->out, 0, 1);
        a->p = end + 1;
    } else if (g_ascii_isdigit(*a->p)) {
        put_integer(a->out, number(a));
    } else if (!strncmp(a->p, "local", 5)) {
        put(a->out, 0x60 + (a->p[5] - '0'), 1);
        a->p += 6;
    } else if (!strncmp(a->p, "arg", 3)) {
        put(a->out, 0x68 + (a->p[3] - '0'), 1);
        a->p += 4;
    } else if (!strncmp(a->p, "debug", 5)) {
        put(a->out, 0x315b, 2);
        a->p += 5;
    } else {
        put_name(a);
    }
}

/* (NAME BITS) ... (offset BYTE) ... */
static void field_list(Asm *a)
{
    uint64_t bit = 0;
    while (!at_end(a)) {
        assert(*a->p == '(');
        a->p++;
        size_t len = word_len(a);
        if (len == 6 && !strncmp(a->p, "offset", 6)) {
            a->p += len;
            uint64_t to = number(a) * 8;
            assert(to >= bit);
            put(a->out, 0, 1);
            put_length(a->out, to - bit, false);
            bit = to;
        } else {
            put_name(a);
            uint64_t bits = number(a);
            put_length(a->out, bits, false);
            bit += bits;
        }
        assert(at_end(a) && *a->p == ')');
        a->p++;
    }
}

/* Text form to the mixed-endian bytes of section 19.6.142. */
static void uuid(Asm *a)
{
    static const uint8_t at[16] = {6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34};
    assert(word_len(a) == 36);
    for (unsigned i = 0; i < 16; i++)
        put(a->out, g_ascii_xdigit_value(a->p[at[i]]) << 4 | g_ascii_xdigit_value(a->p[at[i] + 1]), 1);
    a->p += 36;
}

/* "PNP0A03": three letters of five bits, four hexadecimal digits, big endian. */
static void eisa_id(Asm *a)
{
    assert(word_len(a) == 7);
    const char *p = a->p;
    uint32_t v = (p[0] - '@') << 26 | (p[1] - '@') << 21 | (p[2] - '@') << 16;
    for (unsigned i = 0; i < 4; i++)
        v |= (unsigned)g_ascii_xdigit_value(p[3 + i]) << (12 - 4 * i);
    put(a->out, GUINT32_SWAP_LE_BE(v), 4);
    a->p += 7;
}

static void operands(Asm *a, const char *args);

/* What args say, made apart and put behind its length. */
static void enclosed(Asm *a, char kind, const char *args)
{
    g_autoptr(GByteArray) body = g_byte_array_new(), size = g_byte_array_new();
    Asm inner = {a->p, body};
    operands(&inner, args);
    a->p = inner.p;
    if (kind == 'T')
        put(body, 0x0079, 2); /* end tag, without a checksum */
    if (kind == 'S') {
        put(a->out, body->len, 2);
    } else {
        if (kind != 'L')
            put_integer(size, body->len);
        put_length(a->out, size->len + body->len, true);
        g_byte_array_append(a->out, size->data, size->len);
    }
    g_byte_array_append(a->out, body->data, body->len);
}

static void operands(Asm *a, const char *args)
{
    uint16_t mask = 0;
    for (; *args; args++)
        switch (*args) {
        case 'L':
        case 'B':
        case 'T':
        case 'S':
            enclosed(a, *args, args + 1);
            return;
        case 'n':
            put_name(a);
            break;
        case 't':
            term(a);
            break;
        case 'x':
            if (at_end(a))
                put(a->out, 0, 1);
            else
                term(a);
            break;
        case 'b':
            put(a->out, number(a), 1);
            break;
        case 'w':
            put(a->out, number(a), 2);
            break;
        case 'd':
            put(a->out, number(a), 4);
            break;
        case 'q':
            put(a->out, number(a), 8);
            break;
        case 'k': /* one bit, in 16 for interrupts, in 8 for DMA */
            mask = 1u << number(a);
            put(a->out, mask, args[1] ? 1 : 2);
            break;
        case '*':
            while (!at_end(a))
                term(a);
            break;
        case '+':
            while (!at_end(a))
                put(a->out, number(a), 1);
            break;
        case '-':
            while (!at_end(a))
                put(a->out, number(a), 4);
            break;
        case 'f':
            field_list(a);
            break;
        case 'u':
            uuid(a);
            break;
        case 'e':
            eisa_id(a);
            break;
        }
}

static void operation(Asm *a)
{
    skip_space(a);
    assert(*a->p == '(');
    a->p++;
    size_t len = word_len(a);
    const Form *f = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(forms) && !f; i++)
        if (!strncmp(forms[i].name, a->p, len) && !forms[i].name[len])
            f = &forms[i];
    assert(f);
    a->p += len;
    g_byte_array_append(a->out, f->op, f->n_op);
    operands(a, f->args);
    assert(at_end(a) && *a->p == ')');
    a->p++;
}

void aml_assemble(GByteArray *out, const char *text)
{
    Asm a = {text, out};
    for (skip_space(&a); *a.p; skip_space(&a))
        operation(&a);
}
