/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers that gdb sees, in QEMU's order: 64-bit ones whatever the mode, of which code that is not 64-bit shows
 * the low halves. In the description they stand under gdb's own features (gdb manual, appendix G.5.6); what gdb has no
 * feature for is in one of ours.
 */
#include "target/i386/gdb-regs.h"
#include "target/i386/xsave.h"

enum { CODE_LONG = 1 << 21 }; /* SegReg.flags: L */
enum { BV_X87 = 1, BV_SSE = 2 };

typedef enum RegKind { K_GPR, K_RIP, K_FLAGS, K_SEG, K_SEG_BASE, K_WORD, K_CR8, K_ST, K_X87, K_XMM, K_MXCSR } RegKind;

typedef struct GdbReg {
    const char *name;
    RegKind kind;
    size_t where; /* number of the register, or offset in X86CPU */
    unsigned size;
    const char *feature, *type, *group;
} GdbReg;

#define CORE     "org.gnu.gdb.i386.core"
#define SSE      "org.gnu.gdb.i386.sse"
#define SEGMENTS "org.gnu.gdb.i386.segments"
#define SYSTEM   "org.qemu-kvm.i386.system"

#define GPR(n, r, type)                                                                                                \
    {                                                                                                                  \
        n, K_GPR, r, 8, CORE, type, NULL                                                                               \
    }
#define SEG(n, s)                                                                                                      \
    {                                                                                                                  \
        n, K_SEG, s, 4, CORE, "int32", NULL                                                                            \
    }
#define WORD(n, field, type)                                                                                           \
    {                                                                                                                  \
        n, K_WORD, offsetof(X86CPU, field), 8, SYSTEM, type, "system"                                                  \
    }
#define ST(i)                                                                                                          \
    {                                                                                                                  \
        "st" #i, K_ST, i, 10, CORE, "i387_ext", NULL                                                                   \
    }
#define X87(n, i)                                                                                                      \
    {                                                                                                                  \
        n, K_X87, i, 4, CORE, "int", "float"                                                                           \
    }
#define XMM(i)                                                                                                         \
    {                                                                                                                  \
        "xmm" #i, K_XMM, i, 16, SSE, "vec128", NULL                                                                    \
    }
enum { X87_CTRL, X87_STAT, X87_TAG, X87_FISEG, X87_FIOFF, X87_FOSEG, X87_FOOFF, X87_OP };

static const GdbReg regs[] = {
    GPR("rax", R_RAX, "int64"),
    GPR("rbx", R_RBX, "int64"),
    GPR("rcx", R_RCX, "int64"),
    GPR("rdx", R_RDX, "int64"),
    GPR("rsi", R_RSI, "int64"),
    GPR("rdi", R_RDI, "int64"),
    GPR("rbp", R_RBP, "data_ptr"),
    GPR("rsp", R_RSP, "data_ptr"),
    GPR("r8", R_R8, "int64"),
    GPR("r9", R_R9, "int64"),
    GPR("r10", R_R10, "int64"),
    GPR("r11", R_R11, "int64"),
    GPR("r12", R_R12, "int64"),
    GPR("r13", R_R13, "int64"),
    GPR("r14", R_R14, "int64"),
    GPR("r15", R_R15, "int64"),
    {"rip", K_RIP, 0, 8, CORE, "code_ptr", NULL},
    {"eflags", K_FLAGS, 0, 4, CORE, "i386_eflags", NULL},
    SEG("cs", SEG_CS),
    SEG("ss", SEG_SS),
    SEG("ds", SEG_DS),
    SEG("es", SEG_ES),
    SEG("fs", SEG_FS),
    SEG("gs", SEG_GS),
    {"fs_base", K_SEG_BASE, SEG_FS, 8, SEGMENTS, "int64", NULL},
    {"gs_base", K_SEG_BASE, SEG_GS, 8, SEGMENTS, "int64", NULL},
    WORD("k_gs_base", kernel_gs_base, "int64"),
    WORD("cr0", cr0, "x64_cr0"),
    WORD("cr2", cr2, "int64"),
    WORD("cr3", cr3, "int64"),
    WORD("cr4", cr4, "x64_cr4"),
    {"cr8", K_CR8, 0, 8, SYSTEM, "int64", "system"},
    WORD("efer", efer, "x64_efer"),
    ST(0),
    ST(1),
    ST(2),
    ST(3),
    ST(4),
    ST(5),
    ST(6),
    ST(7),
    X87("fctrl", X87_CTRL),
    X87("fstat", X87_STAT),
    X87("ftag", X87_TAG),
    X87("fiseg", X87_FISEG),
    X87("fioff", X87_FIOFF),
    X87("foseg", X87_FOSEG),
    X87("fooff", X87_FOOFF),
    X87("fop", X87_OP),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
    {"mxcsr", K_MXCSR, 0, 4, SSE, "i386_mxcsr", "vector"},
};

static bool in_code64(const X86CPU *c)
{
    return c->efer & EFER_LMA && c->seg[SEG_CS].flags & CODE_LONG;
}

/* --- x87 --- */

/* The tag word's two bits for each register from FXSAVE's one: valid, zero, special or empty (SDM volume 1,
 * section 8.1.7). */
static unsigned x87_tags(const uint8_t *x)
{
    unsigned top = bits64(lduw_le(&x[XS_FSW]), 11, 3), tags = 0;
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *st = &x[XS_ST + 16 * ((i - top) & 7)];
        uint64_t mantissa = ldq_le(st);
        unsigned exponent = lduw_le(st + 8) & 0x7fff, tag;
        if (!(x[XS_FTW] >> i & 1))
            tag = 3;
        else if (exponent && exponent != 0x7fff && mantissa >> 63)
            tag = 0;
        else
            tag = exponent || mantissa ? 2 : 1;
        tags |= tag << (2 * i);
    }
    return tags;
}

static uint32_t x87_read(const uint8_t *x, unsigned which)
{
    switch (which) {
    case X87_CTRL:
        return lduw_le(&x[XS_FCW]);
    case X87_STAT:
        return lduw_le(&x[XS_FSW]);
    case X87_TAG:
        return x87_tags(x);
    case X87_FISEG:
        return lduw_le(&x[XS_FIP + 4]);
    case X87_FIOFF:
        return ldl_le(&x[XS_FIP]);
    case X87_FOSEG:
        return lduw_le(&x[XS_FDP + 4]);
    case X87_FOOFF:
        return ldl_le(&x[XS_FDP]);
    default:
        return lduw_le(&x[XS_FOP]) & 0x7ff;
    }
}

static void x87_write(uint8_t *x, unsigned which, uint32_t val)
{
    switch (which) {
    case X87_CTRL:
        stw_le(&x[XS_FCW], val);
        break;
    case X87_STAT:
        stw_le(&x[XS_FSW], val);
        break;
    case X87_TAG:
        x[XS_FTW] = 0;
        for (unsigned i = 0; i < 8; i++)
            x[XS_FTW] |= (val >> (2 * i) & 3) != 3 ? 1 << i : 0;
        break;
    case X87_FISEG:
        stw_le(&x[XS_FIP + 4], val);
        break;
    case X87_FIOFF:
        stl_le(&x[XS_FIP], val);
        break;
    case X87_FOSEG:
        stw_le(&x[XS_FDP + 4], val);
        break;
    case X87_FOOFF:
        stl_le(&x[XS_FDP], val);
        break;
    default:
        stw_le(&x[XS_FOP], val & 0x7ff);
        break;
    }
}

/* --- Segments --- */

/* A selector's descriptor from the guest's own tables; false: there is none. Nothing is checked: a debugger may load
 * what the CPU would not. */
static bool load_descriptor(X86CPU *c, uint16_t selector, SegReg *out)
{
    const bool local = selector & 4;
    uint64_t base = local ? c->ldt.base : c->gdt.base;
    uint32_t limit = local ? c->ldt.limit : c->gdt.limit;
    uint8_t raw[8];
    if ((selector | 7U) > limit || !cpu_read_virtual(c, base + (selector & ~7U), raw, sizeof(raw)))
        return false;
    uint32_t low = ldl_le(raw), high = ldl_le(raw + 4);
    out->selector = selector;
    out->base = low >> 16 | (high & 0xff) << 16 | (high & 0xff000000);
    out->limit = (low & 0xffff) | (high & 0xf0000);
    if (high & 1 << 23)
        out->limit = out->limit << 12 | 0xfff;
    out->flags = high & 0x00f0ff00;
    return true;
}

static void seg_write(X86CPU *c, unsigned n, uint16_t selector)
{
    SegReg *s = &c->seg[n], loaded;
    if (selector == s->selector)
        return; /* G writes all registers: what is hidden stays */
    if (!(c->cr0 & CR0_PE) || c->rflags & FLAG_VM) {
        s->selector = selector;
        s->base = (uint64_t)selector << 4;
    } else if (selector < 4) {
        *s = (SegReg){.selector = selector};
    } else if (load_descriptor(c, selector, &loaded)) {
        *s = loaded;
    }
}

/* --- Reading and writing --- */

static uint64_t *word(X86CPU *c, const GdbReg *r)
{
    return (uint64_t *)(void *)((uint8_t *)c + r->where);
}

static uint64_t low_half(const X86CPU *c, uint64_t v)
{
    return in_code64(c) ? v : (uint32_t)v;
}

unsigned gdb_reg_read(X86CPU *c, unsigned n, uint8_t *out)
{
    if (n >= ARRAY_SIZE(regs))
        return 0;
    const GdbReg *r = &regs[n];
    cpu_sync_get(c);
    switch (r->kind) {
    case K_GPR:
        stq_le(out, r->where >= R_R8 && !in_code64(c) ? 0 : low_half(c, c->gpr[r->where]));
        break;
    case K_RIP:
        stq_le(out, low_half(c, c->rip));
        break;
    case K_FLAGS:
        stl_le(out, (uint32_t)c->rflags);
        break;
    case K_SEG:
        stl_le(out, c->seg[r->where].selector);
        break;
    case K_SEG_BASE:
        stq_le(out, c->seg[r->where].base);
        break;
    case K_WORD:
        stq_le(out, *word(c, r));
        break;
    case K_CR8:
        stq_le(out, c->irq_ops && c->irq_ops->get_tpr ? c->irq_ops->get_tpr(c) : c->cr8);
        break;
    case K_ST:
        memcpy(out, &c->xsave[XS_ST + 16 * r->where], r->size);
        break;
    case K_X87:
        stl_le(out, x87_read(c->xsave, (unsigned)r->where));
        break;
    case K_XMM:
        memcpy(out, &c->xsave[XS_XMM + 16 * r->where], r->size);
        break;
    case K_MXCSR:
        stl_le(out, ldl_le(&c->xsave[XS_MXCSR]));
        break;
    }
    return r->size;
}

static void touch_xsave(X86CPU *c, unsigned component)
{
    c->xsave[XS_XSTATE_BV] |= component;
}

/* EFER.LMA is what LME and CR0.PG make it (SDM volume 3, section 10.8.5). */
static void set_lma(X86CPU *c)
{
    if (c->efer & EFER_LME && c->cr0 & CR0_PG)
        c->efer |= EFER_LMA;
    else
        c->efer &= ~(uint64_t)EFER_LMA;
}

unsigned gdb_reg_write(X86CPU *c, unsigned n, const uint8_t *in, size_t len)
{
    if (n >= ARRAY_SIZE(regs) || len < regs[n].size)
        return 0;
    const GdbReg *r = &regs[n];
    cpu_sync_dirty(c, CPU_STATE_RUNTIME);
    switch (r->kind) {
    case K_GPR:
        if (in_code64(c))
            c->gpr[r->where] = ldq_le(in);
        else if (r->where < R_R8)
            c->gpr[r->where] = (c->gpr[r->where] & ~(uint64_t)0xffffffff) | ldl_le(in);
        break;
    case K_RIP:
        c->rip = low_half(c, ldq_le(in));
        break;
    case K_FLAGS:
        c->rflags = ldl_le(in) | 2;
        break;
    case K_SEG:
        seg_write(c, (unsigned)r->where, lduw_le(in));
        break;
    case K_SEG_BASE:
        c->seg[r->where].base = ldq_le(in);
        break;
    case K_WORD:
        *word(c, r) = ldq_le(in);
        if (r->where == offsetof(X86CPU, cr0) || r->where == offsetof(X86CPU, efer))
            set_lma(c);
        break;
    case K_CR8:
        c->cr8 = ldq_le(in) & 15;
        if (c->irq_ops && c->irq_ops->set_tpr)
            c->irq_ops->set_tpr(c, (uint8_t)c->cr8);
        break;
    case K_ST:
        memcpy(&c->xsave[XS_ST + 16 * r->where], in, r->size);
        touch_xsave(c, BV_X87);
        break;
    case K_X87:
        x87_write(c->xsave, (unsigned)r->where, ldl_le(in));
        touch_xsave(c, BV_X87);
        break;
    case K_XMM:
        memcpy(&c->xsave[XS_XMM + 16 * r->where], in, r->size);
        touch_xsave(c, BV_SSE);
        break;
    case K_MXCSR:
        stl_le(&c->xsave[XS_MXCSR], ldl_le(in) & 0xffff);
        touch_xsave(c, BV_SSE);
        break;
    }
    return r->size;
}

/* --- The description --- */

typedef struct FlagsType {
    const char *feature, *id;
    unsigned size;
    const char *bits; /* NAME:FIRST[-LAST], by blanks */
} FlagsType;

static const FlagsType flags_types[] = {
    {CORE, "i386_eflags", 4,
     "CF:0 PF:2 AF:4 ZF:6 SF:7 TF:8 IF:9 DF:10 OF:11 IOPL:12-13 NT:14 RF:16 VM:17 AC:18 VIF:19 VIP:20 ID:21"},
    {SSE, "i386_mxcsr", 4, "IE:0 DE:1 ZE:2 OE:3 UE:4 PE:5 DAZ:6 IM:7 DM:8 ZM:9 OM:10 UM:11 PM:12 RC:13-14 FZ:15"},
    {SYSTEM, "x64_cr0", 8, "PE:0 MP:1 EM:2 TS:3 ET:4 NE:5 WP:16 AM:18 NW:29 CD:30 PG:31"},
    {SYSTEM, "x64_cr4", 8,
     "VME:0 PVI:1 TSD:2 DE:3 PSE:4 PAE:5 MCE:6 PGE:7 PCE:8 OSFXSR:9 OSXMMEXCPT:10 UMIP:11 LA57:12 VMXE:13 SMXE:14 "
     "FSGSBASE:16 "
     "PCIDE:17 OSXSAVE:18 SMEP:20 SMAP:21 PKE:22"},
    {SYSTEM, "x64_efer", 8, "SCE:0 LME:8 LMA:10 NXE:11 SVME:12 LMSLE:13 FFXSR:14 TCE:15"},
};

static const char vec128[] =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
    "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
    "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
    "<field name=\"uint128\" type=\"uint128\"/></union>\n";

static void describe_flags(GString *out, const FlagsType *f)
{
    g_string_append_printf(out, "<flags id=\"%s\" size=\"%u\">", f->id, f->size);
    g_auto(GStrv) words = g_strsplit(f->bits, " ", -1);
    for (char **w = words; *w; w++) {
        char *colon = strchr(*w, ':'), *dash = strchr(*w, '-');
        const char *first = colon + 1, *last = dash ? dash + 1 : first;
        *colon = 0;
        if (dash)
            *dash = 0;
        g_string_append_printf(out, "<field name=\"%s\" start=\"%s\" end=\"%s\"/>", *w, first, last);
    }
    g_string_append(out, "</flags>\n");
}

static void describe_feature(GString *out, const char *feature)
{
    g_string_append_printf(out, "<feature name=\"%s\">\n", feature);
    for (unsigned i = 0; i < ARRAY_SIZE(flags_types); i++)
        if (!strcmp(flags_types[i].feature, feature))
            describe_flags(out, &flags_types[i]);
    if (!strcmp(feature, SSE))
        g_string_append(out, vec128);
    for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
        const GdbReg *r = &regs[i];
        if (strcmp(r->feature, feature))
            continue;
        g_string_append_printf(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"", r->name, r->size * 8,
                               r->type, i);
        if (r->group)
            g_string_append_printf(out, " group=\"%s\"", r->group);
        g_string_append(out, "/>\n");
    }
    g_string_append(out, "</feature>\n");
}

const char *gdb_target_xml(void)
{
    static const char *const features[] = {CORE, SSE, SEGMENTS, SYSTEM};
    static GString *xml;
    if (xml)
        return xml->str;
    xml = g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
                       "<architecture>i386:x86-64</architecture>\n");
    for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
        describe_feature(xml, features[i]);
    g_string_append(xml, "</target>\n");
    return xml->str;
}
