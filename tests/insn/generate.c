/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cases: random encodings of a form, with registers and memory that make its operands meet something. */
#include "tests/insn/insn.h"

const char *form_missing(const InsnForm *f)
{
    const uint16_t need[2] = {f->desc->feature, f->desc->feature2};

    if (f->desc->attrs & INSN_AVX && !(guest_cpu()->xcr0 & 4))
        return "avx";
    for (unsigned n = 0; n < 2; n++) {
        if (need[n] != FEATURE_NONE && !(guest_features[need[n] >> 5] >> (need[n] & 31) & 1)) {
            const char *name = feature_name(need[n] >> 5, need[n] & 31);

            return name ? name : "a feature without a name";
        }
    }
    return NULL;
}

const char *form_excluded(const InsnForm *f)
{
    switch (f->desc->op) {
    case OP_CPUID:
    case OP_RDTSC:
    case OP_RDTSCP:
    case OP_RDPMC:
    case OP_RDRAND:
    case OP_RDSEED:
    case OP_RDPID:
    case OP_XGETBV:
        return "its result is the machine's own";
    case OP_RDPKRU:
    case OP_WRPKRU:
        return "protection keys are off on one side";
    case OP_SYSCALL:
    case OP_SYSENTER:
    case OP_INT:
    case OP_INT3:
    case OP_INTO:
    case OP_INT1:
        return "calls the kernel";
    case OP_IRET:
    case OP_CALLF:
    case OP_JMPF:
    case OP_RETF:
    case OP_MOV_TO_SEG:
    case OP_POP_SEG:
    case OP_LSEG:
    case OP_LAR:
    case OP_LSL:
    case OP_VERR:
    case OP_VERW:
        return "descriptor tables differ";
    case OP_SGDT:
    case OP_SIDT:
    case OP_SLDT:
    case OP_STR:
    case OP_SMSW:
        return "the kernel emulates it at privilege level 3";
    case OP_WRFSBASE:
        return "the child's thread lives there";
    case OP_VMCALL:
    case OP_MONITOR:
    case OP_MWAIT:
        return "the hypervisor's business";
    default:
        break;
    }
    if (f->map == MAP_0F && f->opcode == 0x0d && f->is_mem == 0 && host_is_amd())
        return "#UD on AMD's CPUs, a NOP on Intel's and here";
    if (f->encoding == ENC_EVEX)
        return "AVX-512, which the engine does not offer";
    return NULL;
}

/* Values */

uint64_t random_int(Rng *r)
{
    static const uint64_t edges[] = {
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x7fffffffffffffff,
        0x8000000000000000,
        ~0ULL,
        ~1ULL,
        9,
        0x10,
        0x99,
        0x9a,
    };
    static const uint32_t pointers[] = {DATA + 0x100,   DATA + 0xff8,  DATA_END - 16,
                                        DATA_RO + 0x40, STACK + 0x800, STACK + 0xffc};

    switch (below(r, 8)) {
    case 0:
        return edges[below(r, ARRAY_SIZE(edges))];
    case 1:
        return (uint64_t)(int64_t)(int8_t)rng(r);
    case 2:
        return rng(r) >> below(r, 64);
    case 3:
        return below(r, 72);
    case 4:
        return 1ULL << below(r, 64);
    case 5:
        return pointers[below(r, ARRAY_SIZE(pointers))];
    default:
        return rng(r);
    }
}

static uint32_t random_single(Rng *r)
{
    static const uint32_t edges[] = {
        0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001,
        0xffbfffff, 1,          0x80000001, 0x7fffff,   0x807fffff, 0x800000,   0x80800000, 0x7f7fffff, 0xff7fffff,
        0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0xdf000000, 0x3f000000, 0x3effffff, 0x4b800000, 0x3fc00000,
    };

    switch (below(r, 4)) {
    case 0:
    case 1:
        return edges[below(r, ARRAY_SIZE(edges))];
    case 2:
        return (uint32_t)(rng(r) & 0x807fffff) | (110 + below(r, 40)) << 23;
    default:
        return (uint32_t)rng(r);
    }
}

static uint64_t random_double(Rng *r)
{
    static const uint64_t edges[] = {
        0,
        0x8000000000000000,
        0x3ff0000000000000,
        0xbff0000000000000,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0xfff8000000000000,
        0x7ff0000000000001,
        0xfff7ffffffffffff,
        1,
        0x8000000000000001,
        0xfffffffffffff,
        0x10000000000000,
        0x8010000000000000,
        0x7fefffffffffffff,
        0xffefffffffffffff,
        0x41e0000000000000,
        0xc1e0000000000000,
        0x41dfffffffc00000,
        0x41dfffffffe00000,
        0xc1e0000000100000,
        0x43e0000000000000,
        0xc3e0000000000000,
        0x43f0000000000000,
        0x3fe0000000000000,
        0x4340000000000000,
        0x47efffffefffffff,
        0x47effffff0000000,
        0x380fffffffffffff,
        0x36a0000000000000,
        0x3690000000000000,
    };

    switch (below(r, 4)) {
    case 0:
    case 1:
        return edges[below(r, ARRAY_SIZE(edges))];
    case 2:
        return (rng(r) & 0x800fffffffffffff) | (uint64_t)(1000 + below(r, 60)) << 52;
    default:
        return rng(r);
    }
}

/* Ten bytes of the x87's format. */
static void random_extended(Rng *r, uint8_t *to)
{
    static const struct {
        uint16_t se;
        uint64_t m;
    } edges[] = {
        {0, 0},
        {0x8000, 0},
        {0x3fff, 1ULL << 63},
        {0xbfff, 1ULL << 63},
        {0x7fff, 1ULL << 63},
        {0xffff, 1ULL << 63},
        {0x7fff, 3ULL << 62},
        {0xffff, 3ULL << 62},
        {0x7fff, (1ULL << 63) + 1},
        {0xffff, 0xbfffffffffffffff},
        {0, 1},
        {0x8000, 0x7fffffffffffffff},
        {0, 1ULL << 63} /* pseudo-denormal */,
        {0x4000, 1} /* unnormal */,
        {0x7fff, 0} /* pseudo-infinity */,
        {0x7fff, 1} /* pseudo-NaN */,
        {1, 1ULL << 63},
        {0x7ffe, ~0ULL},
        {0xfffe, ~0ULL},
        {0x3ffe, 1ULL << 63},
        {0x403e, 1ULL << 63},
        {0xc03e, 1ULL << 63},
        {0x401e, 1ULL << 63},
        {0x403d, 0xfffffffffffffffe},
        {0x3fff, 0xc90fdaa22168c235},
        {0x407e, 0xffffff8000000000},
        {0x43fe, 0xfffffffffffffc00},
        {0x3f81, 1ULL << 63},
        {0x3c01, 1ULL << 63},
        {0x4000, 0x8000000000000000},
    };
    uint16_t se;
    uint64_t m;

    switch (below(r, 4)) {
    case 0:
    case 1: {
        unsigned n = below(r, ARRAY_SIZE(edges));

        se = edges[n].se;
        m = edges[n].m;
        break;
    }
    case 2:
        se = (uint16_t)((rng(r) & 0x8000) | (0x3fc0 + below(r, 0x90)));
        m = rng(r) | 1ULL << 63;
        break;
    default:
        se = (uint16_t)rng(r);
        m = rng(r);
    }
    stq_le(to, m);
    stw_le(to + 8, se);
}

void random_bytes(Rng *r, uint8_t *to, unsigned len)
{
    unsigned kind = below(r, 7), n = 0;
    uint8_t one[16];

    while (n < len) {
        unsigned size = 8;

        switch (kind) {
        case 0:
            size = 4;
            stl_le(one, random_single(r));
            break;
        case 1:
            stq_le(one, random_double(r));
            break;
        case 2:
            size = 10;
            random_extended(r, one);
            break;
        case 3:
            for (unsigned b = 0; b < 8; b++) /* decimal digits, mostly */
                one[b] = (uint8_t)(percent(r, 97) ? below(r, 10) | below(r, 10) << 4 : rng(r));
            break;
        default:
            stq_le(one, random_int(r));
            break;
        }
        memcpy(to + n, one, MIN(size, len - n));
        n += size;
    }
}

/* State */

void random_state(Rng *r, uint8_t *x)
{
    unsigned kind;
    uint16_t fcw = 0x37f, fsw = 0;

    memset(x, 0, XSTATE_SIZE);
    x[XS_XSTATE_BV] = 7;
    if (percent(r, 60))
        fcw = (uint16_t)((0x340 & ~0x300) | below(r, 4) << 8 | below(r, 4) << 10 |
                         (percent(r, 50) ? 0x3f : below(r, 64)) | below(r, 2) << 12);
    fsw = (uint16_t)(below(r, 8) << 11 | (rng(r) & 0x4700));
    if (percent(r, 30))
        fsw |= (uint16_t)(rng(r) & 0x7f & (percent(r, 30) ? 0x7f : fcw | 0x40));
    stw_le(x + XS_FCW, fcw);
    stw_le(x + XS_FSW, fsw & ~fcw & 0x3f ? fsw | 0x8080 : fsw);
    kind = below(r, 4);
    x[XS_FTW] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)rng(r);
    for (unsigned n = 0; n < 8; n++)
        random_extended(r, x + XS_ST + n * 16);
    stl_le(x + XS_MXCSR, percent(r, 30) ? 0x1f80
                                        : (uint32_t)(rng(r) & (percent(r, 60) ? 0x7fff : 0xffff) & ~0x1f80U) |
                                              (percent(r, 60) ? 0x1f80 : (uint32_t)(rng(r) & 0x1f80)));
    stl_le(x + 28, 0xffff);
    for (unsigned n = 0; n < 16; n++) {
        random_bytes(r, x + XS_XMM + n * 16, 16);
        random_bytes(r, x + XS_YMM + n * 16, 16);
    }
    /* Components in their initial state. */
    if (percent(r, 35)) {
        x[XS_XSTATE_BV] &= (uint8_t)~1;
        memset(x, 0, XS_MXCSR);
        memset(x + XS_ST, 0, 128);
        stw_le(x + XS_FCW, 0x37f);
    }
    if (percent(r, 10)) {
        x[XS_XSTATE_BV] &= (uint8_t)~4;
        memset(x + XS_YMM, 0, 256);
    }
}

static uint32_t random_target(Rng *r, unsigned size)
{
    uint32_t page = percent(r, 50) ? DATA : DATA + 0x1000;

    if (size > 2048) /* an XSAVE area */
        return percent(r, 90) ? DATA + 64 * (1 + below(r, 64)) + (percent(r, 5) ? below(r, 64) : 0) : DATA_END + 64;
    size = MAX(size, 1);
    switch (below(r, 16)) {
    case 0:
    case 1:
        return DATA + 0x1000 - below(r, size + 1);
    case 2:
        return DATA_END - below(r, size + 1);
    case 3:
        return DATA_RO + below(r, 0x1000);
    case 4:
        return percent(r, 50) ? DATA_END + below(r, 0x1000) : DATA - below(r, size + 1);
    case 5:
    case 6:
    case 7:
        return page + 0x100 + below(r, 0x800);
    case 8:
        return page + 0x100 + (below(r, 0x800) & ~3U);
    default:
        return page + 0x100 + (below(r, 0x800) & ~63U);
    }
}

static uint64_t seg_base(const Case *k, unsigned seg, uint64_t fs_base)
{
    if (k->code_size == 8)
        return seg == SEG_FS ? fs_base : seg == SEG_GS ? GS_BASE : 0;
    if (seg == SEG_GS)
        return GS_BASE;
    if (k->code_size == 4)
        return 0;
    return seg == SEG_CS ? BASE : seg == SEG_DS ? DATA : seg == SEG_ES ? DATA + 0x1000 : seg == SEG_SS ? STACK : 0;
}

static uint64_t cut(uint64_t v, unsigned size)
{
    return size == 8 ? v : v & ((1ULL << size * 8) - 1);
}

static void set_gpr(Case *k, unsigned reg, unsigned size, uint64_t v)
{
    k->in.gpr[reg] = (k->in.gpr[reg] & ~cut(~0ULL, size)) | cut(v, size);
}

/* Encodings */

/* AMD's CPUs cut the target of a near branch to 16 bits with a 66 prefix, Intel's and ours do not. */
static bool no_66(const InsnForm *f, unsigned code_size)
{
    return code_size == 8 && f->desc->attrs & INSN_BRANCH && host_is_amd();
}

static void put_prefixes(Rng *r, uint8_t *b, unsigned *n, const InsnForm *f, unsigned code_size)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x65, 0x64};

    if (percent(r, 8)) /* FS only where it has a base that is known */
        b[(*n)++] = segments[below(r, code_size == 8 ? 6 : 5)];
    if (percent(r, code_size == 8 ? 4 : 10))
        b[(*n)++] = 0x67;
    if (f->encoding != ENC_LEGACY)
        return;
    /* LOCK MOV CR0 is MOV CR8 on AMD's CPUs. */
    bool cr = f->desc->op == OP_MOV_FROM_CR || f->desc->op == OP_MOV_TO_CR;

    if (f->desc->attrs & INSN_LOCKABLE ? percent(r, 20) : percent(r, 1) && percent(r, 30) && !cr)
        b[(*n)++] = 0xf0;
    if (f->pp == 1 || (f->pp != 0 && percent(r, f->pp < 0 ? 25 : 10) && !no_66(f, code_size)))
        b[(*n)++] = 0x66;
    if (f->pp >= 2)
        b[(*n)++] = f->pp == 2 ? 0xf3 : 0xf2;
    else if (f->pp < 0 && f->desc->op != OP_LOOPE && f->desc->op != OP_LOOPNE /* which AMD's CPUs mix up then */ &&
             percent(r, f->desc->attrs & INSN_STRING ? 60 : 2))
        b[(*n)++] = percent(r, 50) ? 0xf3 : 0xf2;
    if (code_size == 8 && (f->w >= 0 ? f->w || percent(r, 50) : percent(r, 60))) {
        uint8_t rex = (uint8_t)(0x40 | below(r, 16));

        if (f->w >= 0)
            rex = (uint8_t)((rex & ~8) | f->w << 3);
        b[(*n)++] = rex;
    }
}

static void put_vex(Rng *r, uint8_t *b, unsigned *n, const InsnForm *f, unsigned code_size)
{
    bool w = f->w >= 0 ? f->w : percent(r, 50), l = f->vl >= 0 ? f->vl : percent(r, 50);
    unsigned pp = f->pp > 0 ? (unsigned)f->pp : 0, vvvv = percent(r, 45) ? 15 : below(r, 16),
             rxb = code_size == 8 ? below(r, 8) : 7;

    if (code_size != 8)
        vvvv |= 8;
    if (f->map == MAP_0F && !w && (rxb & 3) == 3 && percent(r, 60)) {
        b[(*n)++] = 0xc5;
        b[(*n)++] = (uint8_t)((rxb >> 2) << 7 | vvvv << 3 | l << 2 | pp);
        return;
    }
    b[(*n)++] = 0xc4;
    b[(*n)++] = (uint8_t)(rxb << 5 | f->map);
    b[(*n)++] = (uint8_t)(w << 7 | vvvv << 3 | l << 2 | pp);
}

/* Bytes that should be f: a random tail stands for what follows ModRM. */
void encode_form(Rng *r, uint8_t *b, const InsnForm *f, unsigned code_size)
{
    unsigned n = 0;

    put_prefixes(r, b, &n, f, code_size);
    if (f->encoding == ENC_VEX) {
        put_vex(r, b, &n, f, code_size);
    } else {
        if (f->map != MAP_ONE_BYTE)
            b[n++] = 0x0f;
        if (f->map == MAP_0F38 || f->map == MAP_0F3A)
            b[n++] = f->map == MAP_0F38 ? 0x38 : 0x3a;
    }
    b[n++] = f->opcode;
    /* ModRM, where there is one; otherwise it is the first byte of an immediate. */
    unsigned mod = f->is_mem == 0 ? 3 : f->is_mem == 1 ? below(r, 3) : percent(r, 45) ? 3 : below(r, 3);
    unsigned reg = f->reg >= 0 ? (unsigned)f->reg : below(r, 8), rm = f->rm >= 0 ? (unsigned)f->rm : below(r, 8);

    b[n++] = (uint8_t)(mod << 6 | reg << 3 | rm);
    while (n < 16) {
        uint64_t v = percent(r, 30) ? below(r, 256) : random_int(r);

        memcpy(b + n, &v, MIN(8, 16 - n));
        n += 1 + below(r, 4);
    }
}

/* A displacement that has no register beside it. */
static bool patch_displacement(uint8_t *b, const Insn *i, uint64_t value)
{
    unsigned size = i->has_modrm ? (i->asz == 2 ? 2 : 4) : i->asz, at = i->len - i->imm_size - size;

    if (size == 4 && i->asz == 8 && (int64_t)value != (int32_t)value)
        return false;
    memcpy(b + at, &value, size);
    return true;
}

static void vsib_index(Rng *r, Case *k, const Insn *i)
{
    unsigned size = i->opcode & 1 ? 8 : 4;

    for (unsigned n = 0; n < 32 / size; n++) {
        uint8_t *x = k->in.xsave + (n * size < 16 ? XS_XMM : XS_YMM) + i->index * 16 + n * size % 16;
        int64_t v = percent(r, 90) ? (int)below(r, 128) - 32 : (int64_t)random_int(r);

        memcpy(x, &v, size);
    }
    k->in.xsave[XS_XSTATE_BV] |= 4;
}

/* Make i's memory operand lie at target. */
static bool place_operand(Rng *r, Case *k, const Insn *i, uint64_t target, uint64_t fs_base)
{
    uint64_t ea = cut(target - seg_base(k, i->seg, fs_base), i->asz), disp = (uint64_t)i->disp;
    bool vsib = i->desc->attrs & INSN_VSIB;

    if (vsib)
        vsib_index(r, k, i);
    if (i->base == REG_RIP)
        return patch_displacement(k->code, i, ea - (k->in.rip + i->len));
    if (i->base == REG_NONE) {
        if (i->index != REG_NONE && !vsib) {
            k->in.gpr[i->index] = below(r, 256);
            ea -= k->in.gpr[i->index] * i->scale;
        }
        return patch_displacement(k->code, i, i->asz == 8 ? ea : cut(ea, i->asz));
    }
    if (i->index != REG_NONE && !vsib) {
        if (i->index == i->base) {
            set_gpr(k, i->base, i->asz, cut(ea - disp, i->asz) / (1U + i->scale));
            return true;
        }
        if (percent(r, 60))
            k->in.gpr[i->index] = below(r, 256);
        ea -= k->in.gpr[i->index] * i->scale;
    }
    set_gpr(k, i->base, i->asz, ea - disp);
    return true;
}

/* Memory */

static void add_window(Rng *r, Case *k, Batch *b, uint32_t from, uint32_t to)
{
    Window *w = k->win;

    while (w < k->win + WINDOWS && w->len)
        w++;
    while (from < to && !writable_page(from))
        from++;
    uint32_t end = from;
    while (end < to && writable_page(end))
        end++;
    if (w == k->win + WINDOWS || from >= end)
        return;
    w->addr = from;
    w->len = end - from;
    w->off = b->used;
    b->used += w->len;
    g_assert_true(b->used <= BATCH_MEMORY);
    random_bytes(r, b->before + w->off, w->len);
    if (percent(r, 50)) /* of more kinds than one */
        random_bytes(r, b->before + w->off, w->len / 2);
}

/* The bytes that stand at addr; NULL: not all of them are in a window. */
static uint8_t *window_bytes(Case *k, Batch *b, uint32_t addr, unsigned len)
{
    for (unsigned n = 0; n < WINDOWS; n++) {
        const Window *w = &k->win[n];

        if (addr >= w->addr && addr + len <= w->addr + w->len)
            return b->before + w->off + (addr - w->addr);
    }
    return NULL;
}

static unsigned operand_size(const Insn *i)
{
    for (unsigned n = 0; n < i->n_operands; n++) {
        if (i->operand[n].kind == OPND_MEM && i->operand[n].size)
            return i->operand[n].size;
    }
    switch (i->desc->op) {
    case OP_XSAVE:
    case OP_XSAVEOPT:
    case OP_XSAVEC:
    case OP_XSAVES:
    case OP_XRSTOR:
    case OP_XRSTORS:
        return 2816; /* hosts look at the whole area of all that is in their XCR0 */
    default:
        return 8;
    }
}

/* What makes an instruction more than a fault. */
static void tune(Rng *r, Case *k, const Insn *i)
{
    uint64_t *g = k->in.gpr;

    switch (i->desc->op) {
    case OP_DIV:
    case OP_IDIV:
        if (percent(r, 70))
            g[R_RDX] = percent(r, 50) ? below(r, 100) : (uint64_t)((int64_t)g[R_RAX] >> 63);
        if (i->operand[0].size == 1 || (i->operand[0].kind == OPND_MEM && i->operand[0].size == 1))
            g[R_RAX] = percent(r, 50) ? below(r, 2000) : g[R_RAX];
        break;
    case OP_BT:
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
        if (i->n_operands > 1 && i->operand[1].kind == OPND_GPR && percent(r, 80))
            g[i->operand[1].reg] = (uint64_t)(int64_t)((int)below(r, 1000) - 500);
        break;
    case OP_ENTER:
    case OP_LEAVE:
        set_gpr(k, R_RBP, k->code_size, STACK + 0x800 + below(r, 0x900) - (k->code_size == 2 ? STACK : 0));
        break;
    case OP_LOOP:
    case OP_LOOPE:
    case OP_LOOPNE:
    case OP_JCXZ:
        g[R_RCX] = percent(r, 50) ? below(r, 3) : g[R_RCX];
        break;
    case OP_XSAVE:
    case OP_XSAVEOPT:
    case OP_XSAVEC:
    case OP_XSAVES:
    case OP_XRSTOR:
    case OP_XRSTORS:
        g[R_RAX] &= ~0xfffffff8ULL & ~(7 & ~guest_cpu()->xcr0); /* what both sides have */
        g[R_RDX] = 0;
        break;
    default:
        break;
    }
    /* Lengths of PCMPESTRx. */
    if (i->map == MAP_0F3A && (i->opcode == 0x60 || i->opcode == 0x61)) {
        g[R_RAX] = (uint64_t)(int64_t)((int)below(r, 40) - 20);
        g[R_RDX] = (uint64_t)(int64_t)((int)below(r, 40) - 20);
    }
}

static void tune_memory(Rng *r, Case *k, Batch *b, const Insn *i, uint32_t target)
{
    uint8_t *m;
    bool fixed = i->base == R_RAX || i->base == R_RDX || i->index == R_RAX || i->index == R_RDX;

    switch (i->desc->op) {
    case OP_CMPXCHG:
        m = window_bytes(k, b, target, 8);
        if (m && !fixed && percent(r, 50))
            k->in.gpr[R_RAX] = ldq_le(m);
        break;
    case OP_CMPXCHG8B:
        m = window_bytes(k, b, target, 16);
        if (m && !fixed && percent(r, 50)) {
            k->in.gpr[R_RAX] = i->osz == 8 ? ldq_le(m) : ldl_le(m);
            k->in.gpr[R_RDX] = i->osz == 8 ? ldq_le(m + 8) : ldl_le(m + 4);
        }
        break;
    case OP_LDMXCSR:
        m = window_bytes(k, b, target, 4);
        if (m)
            stl_le(m, (uint32_t)rng(r) & (percent(r, 90) ? 0xffff : 0x1ffff));
        break;
    case OP_FXRSTOR:
        m = window_bytes(k, b, target, 512);
        if (m && percent(r, 90)) {
            random_state(r, m);
            memset(m + 6, 0, 18);
        }
        break;
    case OP_XRSTOR:
    case OP_XRSTORS:
    case OP_XSAVE:
    case OP_XSAVEOPT:
    case OP_XSAVEC:
    case OP_XSAVES:
        m = window_bytes(k, b, target, XSTATE_SIZE);
        if (!m)
            break;
        random_state(r, m);
        memset(m + 6, 0, 18);
        memset(m + XS_XSTATE_BV, 0, 64);
        m[XS_XSTATE_BV] = (uint8_t)(below(r, 8) & guest_cpu()->xcr0);
        if (percent(r, 40)) {
            m[XS_XSTATE_BV + 8] = (uint8_t)(m[XS_XSTATE_BV] | (below(r, 8) & guest_cpu()->xcr0));
            m[XS_XSTATE_BV + 15] = 0x80;
        }
        if (percent(r, 10))
            m[XS_XSTATE_BV + 8 + below(r, 56)] |= 1; /* an area that is refused */
        break;
    default:
        break;
    }
}

static void string_operands(Rng *r, Case *k, Batch *b, const Insn *i, uint64_t fs_base)
{
    unsigned size = i->osz;
    uint32_t from = random_target(r, size * 4),
             to = percent(r, 30) ? from + below(r, 17) - 8 : random_target(r, size * 4);
    unsigned seg = i->seg_override ? i->seg : SEG_DS;

    set_gpr(k, R_RSI, i->asz, from - seg_base(k, seg, fs_base));
    set_gpr(k, R_RDI, i->asz, to - seg_base(k, SEG_ES, fs_base));
    if (percent(r, 95))
        set_gpr(k, R_RCX, i->asz, below(r, 20));
    add_window(r, k, b, from - 160, from + 160);
    add_window(r, k, b, to - 160, to + 160);
    if (percent(r, 50)) { /* runs for SCAS and CMPS */
        for (unsigned n = 0; n < 2; n++)
            memset(b->before + k->win[n].off, 0x55, k->win[n].len);
        k->in.gpr[R_RAX] = percent(r, 50) ? 0x5555555555555555 : k->in.gpr[R_RAX];
    }
}

bool generate(Case *k, Batch *b, const InsnForm *f, unsigned code_size, uint64_t seed, uint64_t fs_base)
{
    Rng gen = {seed}, *r = &gen;
    Insn i;
    DecodeResult d = DECODE_UD;

    k->form = f;
    k->code_size = code_size;
    memset(k->win, 0, sizeof(k->win));
    for (unsigned tries = 0; tries < 60; tries++) {
        encode_form(r, k->code, f, code_size);
        d = insn_decode(&i, k->code, 16, code_size, false, guest_features);
        if ((d == DECODE_OK && i.desc == f->desc) || (d == DECODE_UD && percent(r, 2)))
            break;
        d = DECODE_UD + 100;
    }
    if (d != DECODE_OK && d != DECODE_UD)
        return false;
    k->expect_ud = d == DECODE_UD;
    k->code_len = d == DECODE_OK ? i.len : 15;
    k->code_at = BASE + (percent(r, 3) ? 0x1000U - k->code_len : 0x800 + below(r, 64));
    k->in.rip = k->code_at - (code_size == 2 ? BASE : 0);
    k->in.gs_base = GS_BASE;
    k->in.rflags = 0x202 | (rng(r) & 0x8d5) | (percent(r, 20) ? FLAG_DF : 0) | (percent(r, 8) ? FLAG_AC : 0);
    for (unsigned n = 0; n < 16; n++)
        k->in.gpr[n] = random_int(r);
    random_state(r, k->in.xsave);
    set_gpr(k, R_RSP, code_size,
            STACK + (percent(r, 85) ? 0x400 + below(r, 0x1800) : below(r, 0x2010)) - (code_size == 2 ? STACK : 0));
    if (percent(r, 60))
        k->in.gpr[R_RSP] &= ~7ULL;
    if (code_size != 8) {
        for (unsigned n = 0; n < 16; n++)
            k->in.gpr[n] = n < 8 ? (uint32_t)k->in.gpr[n] : 0;
    }
    if (k->expect_ud)
        return true;
    /* A branch into itself would not end, or in something else. */
    for (unsigned n = 0; n < i.n_operands; n++) {
        if (i.operand[n].kind == OPND_REL && i.imm < 0 && i.imm >= -(int)i.len)
            return false;
    }
    /* With alignment checks on, hosts' microcode refuses what no program would do. */
    if (f->desc->op == OP_FNSAVE || f->desc->op == OP_FRSTOR || f->desc->op == OP_ENTER)
        k->in.rflags &= ~(uint64_t)FLAG_AC;
    uint32_t target = 0;
    bool aimed = false;

    tune(r, k, &i);
    if (f->desc->attrs & INSN_STRING) {
        string_operands(r, k, b, &i, fs_base);
    } else if (i.has_mem) {
        unsigned size = operand_size(&i), wide = MIN(MAX(size, 64), XSTATE_SIZE);
        bool far = percent(r, 3) && i.seg != SEG_FS; /* the child's thread is there */

        target = random_target(r, size);
        if (!place_operand(r, k, &i, far ? random_int(r) : target, fs_base))
            return false;
        aimed = !far;
        if (aimed)
            add_window(r, k, b, target - 64, target + wide + 64);
        if (size > 2048 && (k->in.gpr[R_RAX] & 0xffffffff & ~guest_cpu()->xcr0 ||
                            (uint32_t)k->in.gpr[R_RDX])) /* used for the address */
            return false;
    }
    /* The displacement may have changed. */
    if (insn_decode(&i, k->code, 16, code_size, false, guest_features) != DECODE_OK || i.desc != f->desc ||
        i.len != k->code_len)
        return false;
    if (code_size != 8) {
        for (unsigned n = 0; n < 8; n++)
            k->in.gpr[n] = (uint32_t)k->in.gpr[n];
    }
    uint32_t sp = (uint32_t)(code_size == 2 ? STACK + (k->in.gpr[R_RSP] & 0xffff) : k->in.gpr[R_RSP]);

    if (k->in.gpr[R_RSP] >> 32 == 0 && sp > STACK - 256 && sp < STACK_END + 256)
        add_window(r, k, b, sp - 160, sp + 96);
    if (aimed)
        tune_memory(r, k, b, &i, target);
    if (f->desc->op == OP_POPF) { /* no single step */
        for (unsigned n = 0; n < WINDOWS; n++) {
            uint8_t *m = window_bytes(k, b, sp, 2);

            if (m)
                m[1] &= (uint8_t)~1;
        }
    }
    return true;
}
