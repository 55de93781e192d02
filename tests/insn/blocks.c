/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks [--first N] [--blocks N] [--seed S] [--block NUMBER] [--all] [--whole] [--no-jumps]
 * Random blocks of 5 to 30 instructions, with branches inside (every tenth a direct jump), in one page or two, run by
 * the interpreter and by the translator from the same state: where they end (every block ends in an exception: of an
 * instruction in it, of the segment's limit, or of the UD2 behind it), registers, defined flags, vector state and
 * memory must agree. Blocks that do not end are not compared, nor those that look at a flag which is not defined; a
 * hundred of the former are entered, to be left by a request. --no-jumps: without direct jumps, second pages and
 * limits, as the seeds of before them mean it. TAP, a test point per code size.
 */
#include "tests/insn/insn.h"
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/vec.h"
#include "softmmu/vcpus.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

enum { MAX_INSNS = 36, CODE_MAX = 0x700, STEPS = 600, MEMORY = 4 * 4096, SHOWN = 5, LOOPS = 100 };

typedef struct RandomBlock {
    uint64_t number;
    unsigned code_size, n, len;
    uint8_t code[CODE_MAX];
    uint16_t at[MAX_INSNS + 1]; /* of each instruction, then of the UD2 */
    CpuImage in;
    bool absolute;          /* many operands are at known addresses */
    uint32_t limit;         /* of CS; 0: it stays */
    uint8_t memory[MEMORY]; /* the two data pages, the two of the stack */
} RandomBlock;

typedef struct Outcome {
    GuestResult r;
    uint8_t memory[MEMORY];
    uint64_t steps;
} Outcome;

static struct {
    uint64_t blocks, seed, only, first;
    bool one, all, whole, no_jumps;
} options = {.blocks = 200000};

static InsnForm *forms;
static unsigned n_forms;

/* Making a block. In 64-bit code RBX RSI RDI RBP R12 R14 point to memory and R11 is a small index; elsewhere EBX ESI
 * EDI EBP point. */

static bool is_pointer(unsigned reg, unsigned code_size)
{
    return reg == R_RBX || reg == R_RSI || reg == R_RDI || reg == R_RBP ||
           (code_size == 8 && (reg == R_R12 || reg == R_R14));
}

static bool reserved(unsigned reg, unsigned code_size)
{
    return is_pointer(reg, code_size) || reg == R_RSP || (code_size == 8 && reg == R_R11);
}

static void set_pointers(Rng *r, RandomBlock *b)
{
    static const uint8_t regs[] = {R_RBX, R_RSI, R_RDI, R_RBP, R_R12, R_R14};
    uint64_t *g = b->in.gpr;

    for (unsigned n = 0; n < ARRAY_SIZE(regs); n++) {
        uint32_t at = DATA + 0x200 + (below(r, 0x1c00) & ~63U);

        if (percent(r, 12))
            at = DATA + 0x1000 - below(r, 64);
        else if (percent(r, 4))
            at = percent(r, 50) ? DATA_END - below(r, 64) : DATA_RO + 0x100;
        g[regs[n]] = at;
    }
    g[R_RSP] = STACK + 0x800 + (below(r, 0x1000) & ~(percent(r, 90) ? 7U : 0U));
    g[R_R11] = below(r, 32);
    if (b->code_size == 2) {
        g[R_RBX] = 0x300 + (below(r, 0x800) & ~15U);
        g[R_RSI] = below(r, 0x400) & ~15U;
        g[R_RDI] = below(r, 0x400) & ~15U;
        g[R_RBP] = 0x200 + (below(r, 0x800) & ~15U);
        g[R_RSP] -= STACK;
    }
}

/* A short distance in place of the displacement, where it has room. */
static void tame_displacement(Rng *r, uint8_t *code, const Insn *i)
{
    unsigned size = i->mod == 1 ? 1 : i->mod == 2 ? (i->asz == 2 ? 2 : 4) : 0;
    int64_t d = percent(r, 60) ? ((int)below(r, 8) - 4) * 16 : (int)below(r, 240) - 120;

    if (i->has_modrm && size)
        memcpy(code + i->len - i->imm_size - size, &d, size);
}

static bool writes_reserved(const Insn *i, unsigned code_size)
{
    const InsnDesc *d = i->desc;

    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];

        if (o->access & ACCESS_W && (o->kind == OPND_GPR || o->kind == OPND_GPR8H) && reserved(o->reg, code_size))
            return true;
    }
    if (d->attrs & (INSN_STRING | INSN_STACK))
        return d->op == OP_LEAVE || d->op == OP_ENTER || d->op == OP_POPA;
    for (unsigned reg = 0; reg < 16; reg++) {
        if (d->gpr_written >> reg & 1 && reserved(reg, code_size))
            return true;
    }
    return false;
}

/* RIP + n or n alone; link_branches() puts the data's address there. */
static bool is_absolute(const Insn *i, unsigned code_size)
{
    return i->has_mem && i->has_modrm && code_size >= 4 && i->asz == code_size && i->index == REG_NONE &&
           (i->base == BASE_RIP || i->base == REG_NONE) && i->seg != SEG_FS;
}

static bool reaches_memory(const RandomBlock *b, const Insn *i)
{
    unsigned code_size = b->code_size;

    if (!i->has_mem || i->desc->attrs & INSN_STRING)
        return true;
    if (b->absolute && is_absolute(i, code_size))
        return true;
    if (i->seg_override && code_size != 4 &&
        !(code_size == 8 && (i->seg < SEG_FS || (b->absolute && i->seg == SEG_GS))))
        return false;
    if (i->asz < code_size || i->base == REG_NONE || i->base == BASE_RIP)
        return false;
    if (i->base == R_RSP ? code_size == 2 : !is_pointer(i->base, code_size))
        return false;
    return i->index == REG_NONE || (code_size == 8 && i->index == R_R11) ||
           (code_size == 2 && is_pointer(i->index, 2)) || i->desc->attrs & INSN_VSIB;
}

/* One instruction to b->code at b->len; the operand of a branch is left for link(). */
static bool make_insn(Rng *r, RandomBlock *b, Insn *out)
{
    for (unsigned tries = 0; tries < 300; tries++) {
        const InsnForm *f = &forms[below(r, n_forms)];
        uint8_t *code = b->code + b->len;
        bool wild = percent(r, 1);

        if ((f->only64 && b->code_size != 8) || (f->no64 && b->code_size == 8))
            continue;
        /* Few of those that fault anyway, and of the many vector forms. */
        if (f->desc->attrs & (INSN_CPL0 | INSN_IO | INSN_END) && !percent(r, 3))
            continue;
        if (f->desc->op == OP_UD && !percent(r, 3))
            continue;
        if (f->desc->exec == EXEC_HOST && percent(r, 60))
            continue;
        encode_form(r, code, f, b->code_size);
        if (insn_decode(out, code, 16, b->code_size, false, guest_features) != DECODE_OK || out->desc != f->desc)
            continue;
        if (f->desc->attrs & INSN_BRANCH && out->n_operands && out->operand[0].kind != OPND_REL && !percent(r, 5))
            continue;
        if (f->desc->attrs & INSN_BRANCH && !out->n_operands && !percent(r, 20)) /* RET */
            continue;
        if (out->lock && !percent(r, 30) && !(f->desc->attrs & INSN_LOCKABLE))
            continue;
        if (out->has_mem)
            tame_displacement(r, code, out);
        if (b->absolute && !is_absolute(out, b->code_size) && percent(r, 75))
            continue;
        if (!wild && (!reaches_memory(b, out) || writes_reserved(out, b->code_size)))
            continue;
        return insn_decode(out, code, 16, b->code_size, false, guest_features) == DECODE_OK;
    }
    return false;
}

/* Branches go to instructions of the block, mostly forwards. */
static void link_branches(Rng *r, RandomBlock *b)
{
    Insn i;

    for (unsigned n = 0; n < b->n; n++) {
        if (insn_decode(&i, b->code + b->at[n], 16, b->code_size, false, guest_features) != DECODE_OK)
            continue;
        if (!i.n_operands || i.operand[0].kind != OPND_REL)
            continue;
        for (unsigned tries = 0; tries < 20; tries++) {
            unsigned to = percent(r, 85) ? n + 1 + below(r, b->n - n) : below(r, b->n);
            int64_t rel = (int)b->at[to] - (int)(b->at[n] + i.len);

            if (i.imm_size == 1 && rel != (int8_t)rel)
                continue;
            memcpy(b->code + b->at[n] + i.len - i.imm_size, &rel, i.imm_size);
            break;
        }
    }
}

/* In the first data page, near each other, or anywhere in both. */
static void place_absolute(Rng *r, RandomBlock *b)
{
    Insn i;

    for (unsigned n = 0; n < b->n; n++) {
        if (insn_decode(&i, b->code + b->at[n], 16, b->code_size, false, guest_features) != DECODE_OK ||
            !is_absolute(&i, b->code_size))
            continue;
        uint32_t at = DATA + (percent(r, 80) ? 0x400 + below(r, 64) * 4 : below(r, 0x1f00));

        if (i.base == BASE_RIP)
            at -= (uint32_t)b->in.rip + b->at[n] + i.len;
        if (i.seg == SEG_GS && b->code_size == 8)
            at -= (uint32_t)b->in.gs_base;
        memcpy(b->code + b->at[n] + i.len - i.imm_size - 4, &at, 4);
    }
}

/* A jump to b->code at b->len, for link_branches(). */
static void make_jump(Rng *r, RandomBlock *b, Insn *out)
{
    bool near = percent(r, 50);

    b->code[b->len] = near ? 0xe9 : 0xeb;
    memset(b->code + b->len + 1, 0, 4);
    insn_decode(out, b->code + b->len, 16, b->code_size, false, guest_features);
}

/* In every other 128 blocks the second half of the code is in the next page. */
static uint32_t code_at(const RandomBlock *b)
{
    return BASE + (b->number >> 7 & 1 && !options.no_jumps ? 0x1000 - b->len / 2 : 0x400);
}

static bool make_block(RandomBlock *b, uint64_t number)
{
    static const uint8_t sizes[] = {8, 8, 8, 8, 4, 4, 2};
    Rng gen = {options.seed ^ number * 0xd1342543de82ef95ULL}, *r = &gen;
    Rng jumps = {~gen.s};
    unsigned want = 5 + below(r, 26);
    Insn i;

    memset(b, 0, sizeof(*b));
    b->number = number;
    b->code_size = sizes[number % ARRAY_SIZE(sizes)];
    b->absolute = number >> 11 & 1 && !options.no_jumps;
    if (b->absolute)
        b->in.gs_base = 0x40;
    for (unsigned n = 0; n < 16; n++)
        b->in.gpr[n] = random_int(r);
    set_pointers(r, b);
    for (unsigned n = 0; n < 16; n++) {
        if (b->code_size != 8)
            b->in.gpr[n] = n < 8 ? (uint32_t)b->in.gpr[n] : 0;
    }
    if (percent(r, 70))
        b->in.gpr[R_RCX] = below(r, 8);
    random_state(r, b->in.xsave);
    if (percent(r, 90)) {
        stl_le(b->in.xsave + XS_MXCSR, (ldl_le(b->in.xsave + XS_MXCSR) & 0xe000) | 0x1f80);
        b->in.xsave[XS_FCW] |= 0x3f;
        stw_le(b->in.xsave + XS_FSW, lduw_le(b->in.xsave + XS_FSW) & 0x7f7f);
    }
    b->in.rflags = 0x202 | (rng(r) & 0x8d5) | (percent(r, 10) ? FLAG_DF : 0) | (percent(r, 3) ? FLAG_AC : 0);
    for (unsigned n = 0; n < MEMORY; n += 64)
        random_bytes(r, b->memory + n, 64);
    while (b->n < want && b->len + 16 < CODE_MAX) {
        if (!options.no_jumps && percent(&jumps, 10))
            make_jump(&jumps, b, &i);
        else if (!make_insn(r, b, &i))
            return false;
        b->at[b->n++] = (uint16_t)b->len;
        b->len += i.len;
    }
    b->at[b->n] = (uint16_t)b->len;
    b->code[b->len++] = 0x0f; /* ud2 */
    b->code[b->len++] = 0x0b;
    b->in.rip = code_at(b) - (b->code_size == 2 ? BASE : 0);
    if (b->code_size != 8 && (b->number >> 10 & 3) == 3 && !options.no_jumps)
        b->limit = (uint32_t)b->in.rip + b->at[b->n - below(&jumps, b->n / 2 + 1)] + below(&jumps, 3);
    link_branches(r, b);
    if (b->absolute)
        place_absolute(&jumps, b);
    return true;
}

/* Running it */

/* The host's page of page n of a block's memory. In every other 256 blocks the data's second page and the stack's have
 * changed places: what crosses pages is done in place where they lie side by side, and in a copy where they do not. */
static bool apart;

static uint8_t *memory_page(unsigned n)
{
    static const uint32_t at[2][4] = {{DATA, DATA + 4096, STACK, STACK + 4096},
                                      {DATA, STACK + 4096, STACK, DATA + 4096}};

    return page_at(guest_pages(), at[apart][n]);
}

static void place_pages(const RandomBlock *b)
{
    bool want = b->number >> 8 & 1;

    if (want == apart)
        return;
    apart = want;
    guest_swap_pages(DATA + 4096, STACK + 4096);
}

static void memory_in(const uint8_t *from)
{
    for (unsigned n = 0; n < MEMORY / 4096; n++)
        memcpy(memory_page(n), from + n * 4096, 4096);
}

static void memory_out(uint8_t *to)
{
    for (unsigned n = 0; n < MEMORY / 4096; n++)
        memcpy(to + n * 4096, memory_page(n), 4096);
}

static void enter(const RandomBlock *b)
{
    TcgCpu *t = TCG(guest_cpu());

    memory_in(b->memory);
    guest_enter(&b->in, b->code_size);
    if (b->limit) {
        guest_cpu()->seg[SEG_CS].limit = b->limit;
        tcg_mode_changed(guest_cpu());
    }
    t->delivering = -1;
    t->outside_depth = 0;
    t->in_guest = true;
}

/* Flags that need not be right where the instruction at rip faults: it, or what follows it before the next branch whose
 * target is not known, sets them before anything looks at them. */
static uint64_t dead_flags(const RandomBlock *b, uint64_t rip)
{
    uint64_t at = rip - b->in.rip, dead = 0, live = 0;
    unsigned steps = 0;
    Insn i;

    while (at < b->len && insn_decode(&i, b->code + at, 16, b->code_size, false, guest_features) == DECODE_OK) {
        const InsnDesc *d = i.desc;

        /* A shift by a constant that is not 0 sets what it may set. */
        bool shifts = d->op >= OP_ROL && d->op <= OP_SHRD && i.imm_size && i.imm & (i.osz == 8 ? 63 : 31);
        uint64_t maybe = shifts ? 0 : d->flags_maybe;

        live |= (d->flags_read | maybe) & ~dead;
        dead |= (d->flags_written | d->flags_undefined | (d->flags_maybe & ~maybe)) & ~live;
        at += i.len;
        if ((d->op == OP_JMP || d->op == OP_CALL) && i.operand[0].kind == OPND_REL && steps++ < MAX_INSNS)
            at += (uint64_t)i.imm;
        else if (d->attrs & (INSN_BRANCH | INSN_END))
            break;
    }
    return dead & ~live;
}

/* What the interpreter found out on the way. */
static uint64_t undefined;
static bool tainted;

static uint8_t interpret(const RandomBlock *b, uint64_t *steps)
{
    X86CPU *c = guest_cpu();
    TcgCpu *t = TCG(c);
    static Insn i;

    *steps = 0;
    undefined = 0;
    tainted = false;
    if (__builtin_setjmp(t->env)) {
        undefined |= dead_flags(b, c->rip);
        return t->exc.vector;
    }
    while (*steps < STEPS) {
        __atomic_store_n(&t->exit_request, 0, __ATOMIC_RELAXED);
        tcg_decode(c, &i);
        const InsnDesc *d = i.desc;

        if (d->flags_read & undefined)
            tainted = true;
        tcg_execute(c, &i);
        undefined = (undefined & ~(uint64_t)d->flags_written) | d->flags_undefined;
        ++*steps;
    }
    return TRAP_TIMEOUT;
}

/* times: it is left by a request, and entered again. */
static uint8_t translate(unsigned times)
{
    X86CPU *c = guest_cpu();
    TcgCpu *t = TCG(c);
    static unsigned returns;

    returns = 0;
    if (__builtin_setjmp(t->env)) {
        t->in_jit = false;
        return t->exc.vector;
    }
    while (returns++ < times) {
        __atomic_store_n(&t->exit_request, 0, __ATOMIC_RELAXED);
        if (t->mode & (TM_TF | TM_DEBUG) || c->interrupt_shadow) {
            tcg_step(c);
            returns--;
            continue;
        }
        t->in_jit = true;
        jit_run(c);
        t->in_jit = false;
    }
    return TRAP_TIMEOUT;
}

static void on_tick(int sig)
{
    X86CPU *c = guest_cpu();

    __atomic_store_n(&TCG(c)->exit_request, 1, __ATOMIC_SEQ_CST);
}

/* Comparison */

static void show(const RandomBlock *b, const Outcome *o)
{
    printf("# block %" PRIu64 ", %u-bit code, %" PRIu64 " instructions executed:\n", b->number, b->code_size * 8,
           o->steps);
    for (unsigned n = 0; n <= b->n; n++) {
        g_autoptr(GString) s = g_string_new(NULL);
        Insn i;

        if (insn_decode(&i, b->code + b->at[n], 16, b->code_size, false, guest_features) != DECODE_OK)
            continue;
        if (i.desc->op == OP_NOP && i.len == 1) /* taken out */
            continue;
        for (unsigned k = 0; k < i.len; k++)
            g_string_append_printf(s, "%02x ", b->code[b->at[n] + k]);
        g_string_append_printf(s, "%*s", (int)(34 - s->len), "");
        insn_print(&i, b->in.rip + b->at[n], s);
        printf("#   %08" PRIx64 "  %s\n", b->in.rip + b->at[n], s->str);
    }
}

static bool same(const RandomBlock *b, const Outcome *a, const Outcome *z, bool print)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const GuestResult *x = &a->r, *y = &z->r;
    const uint64_t flags = ~undefined & ~(uint64_t)FLAG_RF;
    unsigned gprs = b->code_size == 8 ? 16 : 8;
    bool ok = true;

#define DIFFER(what, p, q)                                                                                             \
    do {                                                                                                               \
        ok = false;                                                                                                    \
        if (print)                                                                                                     \
            printf("#     %-8s interpreter %016" PRIx64 "  translator %016" PRIx64 "\n", what, (uint64_t)(p),          \
                   (uint64_t)(q));                                                                                     \
    } while (0)
    if (x->trap != y->trap || x->error != y->error)
        DIFFER("trap", (uint64_t)x->trap << 32 | x->error, (uint64_t)y->trap << 32 | y->error);
    if (x->trap == EXC_PF && x->cr2 != y->cr2)
        DIFFER("cr2", x->cr2, y->cr2);
    if (x->out.rip != y->out.rip)
        DIFFER("rip", x->out.rip, y->out.rip);
    if ((x->out.rflags ^ y->out.rflags) & flags)
        DIFFER("rflags", x->out.rflags & flags, y->out.rflags & flags);
    for (unsigned n = 0; n < gprs; n++) {
        if (x->out.gpr[n] != y->out.gpr[n])
            DIFFER(names[n], x->out.gpr[n], y->out.gpr[n]);
    }
    if (x->out.gs_base != y->out.gs_base)
        DIFFER("gsbase", x->out.gs_base, y->out.gs_base);
    for (unsigned n = 0; n < XSTATE_SIZE; n += 8) {
        char name[24];

        if (n >= 416 && n < XS_YMM)
            continue;
        if (n == XS_FDP && (ldq_le(x->out.xsave + n) ^ ldq_le(y->out.xsave + n)) << 32 == 0 && b->code_size != 8)
            continue; /* FDS */
        if (ldq_le(x->out.xsave + n) != ldq_le(y->out.xsave + n)) {
            snprintf(name, sizeof(name), "xs %u", n);
            DIFFER(name, ldq_le(x->out.xsave + n), ldq_le(y->out.xsave + n));
        }
    }
    for (unsigned n = 0; n < MEMORY; n++) {
        if (a->memory[n] != z->memory[n]) {
            char name[16];

            snprintf(name, sizeof(name), "%08x", (n < 8192 ? DATA : STACK - 8192) + n);
            DIFFER(name, a->memory[n], z->memory[n]);
            break;
        }
    }
    return ok;
}

typedef struct Count {
    uint64_t blocks, failures, endless, tainted, steps, ends[256];
} Count;

typedef enum Verdict { SAME, DIFFERS, NOT_COMPARED } Verdict;

static unsigned loops; /* that do not end: so many have been entered */

static Verdict try_block(const RandomBlock *b, Outcome *want, Outcome *got, unsigned *run)
{
    place_pages(b);
    memset(page_at(guest_pages(), BASE), 0xcc, 8192);
    memcpy(page_at(guest_pages(), code_at(b)), b->code, b->len);
    /* In every second stretch as code that is not written again and again. */
    JitCpu *jit = JIT(guest_cpu());

    for (unsigned n = 0; n < 2; n++) {
        uint8_t *host = page_at(guest_pages(), BASE + n * 4096);

        jit_page_written(guest_cpu(), host);
        PageRef *page = jit_page_ref(jit, host, false);

        if (page && b->number >> 6 & 1) {
            jit->verify_pages -= page->verify;
            page->verify = false;
            page->notices = 0;
        }
    }
    /* As it pays in every fourth stretch. */
    tcg_config.follow_all = b->number >> 8 & 3;
    JIT(guest_cpu())->alone = b->number >> 5 & 1;
    enter(b);
    guest_leave(&want->r, interpret(b, &want->steps));
    memory_out(want->memory);
    /* A loop notices requests, or this does not end. */
    if (want->r.trap == TRAP_TIMEOUT && loops < LOOPS) {
        loops++;
        enter(b);
        guest_leave(&got->r, translate(1));
    }
    if (want->r.trap == TRAP_TIMEOUT || tainted)
        return NOT_COMPARED;
    /* The second time all of its translations are there and chained. */
    for (*run = 0; *run < 2; ++*run) {
        enter(b);
        guest_leave(&got->r, translate(100));
        memory_out(got->memory);
        if (!same(b, want, got, false))
            return DIFFERS;
    }
    return SAME;
}

/* Take out of a block that differs what it does not need for that. */
static void reduce(RandomBlock *b)
{
    static Outcome want, got;
    static RandomBlock smaller;
    unsigned run;

    for (unsigned n = b->n; n--;) {
        smaller = *b;
        memset(smaller.code + b->at[n], 0x90, b->at[n + 1] - b->at[n]);
        if (try_block(&smaller, &want, &got, &run) == DIFFERS)
            *b = smaller;
    }
}

static void run_block(const RandomBlock *b, Count *n)
{
    static Outcome want, got;
    static RandomBlock shown;
    unsigned run;
    Verdict v = try_block(b, &want, &got, &run);

    if (v == NOT_COMPARED) {
        n->endless += want.r.trap == TRAP_TIMEOUT;
        n->tainted += tainted;
        return;
    }
    n->blocks++;
    n->steps += want.steps;
    n->ends[want.r.trap]++;
    if (v == SAME)
        return;
    n->failures++;
    if (n->failures > SHOWN && !options.all && !options.one)
        return;
    shown = *b;
    if (!options.whole)
        reduce(&shown);
    if (try_block(&shown, &want, &got, &run) != DIFFERS) {
        printf("# block %" PRIu64 " differed once, and not again\n", b->number);
        return;
    }
    show(&shown, &want);
    printf("#     ends in %02x at %" PRIx64 ", flags %" PRIx64 " undefined; run %u of the translation differs:\n",
           want.r.trap, want.r.out.rip, undefined, run + 1);
    same(&shown, &want, &got, true);
}

static void run_all(void)
{
    static RandomBlock b;
    Count counts[9] = {0};
    static const uint8_t sizes[] = {8, 4, 2};

    for (uint64_t number = options.one ? options.only : options.first;
         number < (options.one ? options.only + 1 : options.blocks); number++) {
        if (make_block(&b, number))
            run_block(&b, &counts[b.code_size]);
    }
    printf("1..%d\n", (int)ARRAY_SIZE(sizes) + 1);
    for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++) {
        const Count *k = &counts[sizes[n]];

        printf("# %u-bit: %" PRIu64 " to the end, %" PRIu64 " in #PF, %" PRIu64 " in #GP; left out: %" PRIu64
               " that do not end, %" PRIu64 " that look at undefined flags\n",
               sizes[n] * 8, k->ends[EXC_UD], k->ends[EXC_PF], k->ends[EXC_GP], k->endless, k->tainted);
        printf("%s %u blocks of %u-bit code: %" PRIu64 ", %" PRIu64 " instructions\n",
               k->failures || (!k->blocks && !options.one) ? "not ok" : "ok", n + 1, sizes[n] * 8, k->blocks, k->steps);
        if (k->failures)
            printf("# %" PRIu64 " differ\n", k->failures);
    }
    GuestCounts t = guest_counts();
    uint64_t compared = counts[8].blocks + counts[4].blocks + counts[2].blocks;
    bool ok = t.translated >= compared && (options.no_jumps || compared < 10000 || t.followed > compared / 20) &&
              (compared < 10000 || (t.crossed > t.copied && t.copied));

    printf("# %" PRIu64 " translations; %" PRIu64 " jumps followed; %" PRIu64
           " accesses of two pages not by handlers, %" PRIu64 " of them in copies\n",
           t.translated, t.followed, t.crossed, t.copied);
    printf("%s 4 the translator has been tested\n", ok ? "ok" : "not ok");
    exit(counts[8].failures || counts[4].failures || counts[2].failures || !ok);
}

int main(int argc, char **argv)
{
    struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval tick = {.it_interval.tv_usec = 20000, .it_value.tv_usec = 20000};
    struct timespec now;
    Error *err = NULL;
    InsnForm f;

    setvbuf(stdout, NULL, _IOLBF, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    options.seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    for (int n = 1; n < argc; n++) {
        const char *value = n + 1 < argc ? argv[n + 1] : "";

        if (!strcmp(argv[n], "--no-jumps")) {
            options.no_jumps = true;
            continue;
        }
        if (!strcmp(argv[n], "--all") || !strcmp(argv[n], "--whole")) {
            *(argv[n][2] == 'a' ? &options.all : &options.whole) = true;
            continue;
        }
        n++;
        if (!strcmp(argv[n - 1], "--blocks")) {
            options.blocks = g_ascii_strtoull(value, NULL, 0);
        } else if (!strcmp(argv[n - 1], "--seed")) {
            options.seed = g_ascii_strtoull(value, NULL, 0);
        } else if (!strcmp(argv[n - 1], "--first")) {
            options.first = g_ascii_strtoull(value, NULL, 0);
        } else if (!strcmp(argv[n - 1], "--block")) {
            options.one = true;
            options.only = g_ascii_strtoull(value, NULL, 0);
        } else {
            fprintf(stderr,
                    "blocks: no option '%s': --first N, --blocks N, --seed S, --block NUMBER, --all, --whole, "
                    "--no-jumps\n",
                    argv[n - 1]);
            return 1;
        }
    }
    guest_init(BASE + 0x5000, NULL, false);
    guest_map_code(BASE + 0x1000);
    if (!jit_init(&err) || !jit_cpu_init(guest_cpu(), &err)) {
        printf("1..0 # SKIP %s\n", error_text(err));
        return 0;
    }
    forms = g_new0(InsnForm, 4096);
    for (unsigned n = 0; insn_form(n, &f); n++) {
        /* Translated code does not note the last x87 instruction; XINUSE is the host's, which sees registers become
         * zero. */
        if (f.desc->op == OP_FNSTENV || f.desc->op == OP_FNSAVE || f.desc->op == OP_XSAVE ||
            f.desc->op == OP_XSAVEOPT || f.desc->op == OP_XSAVEC)
            continue;
        if (!form_excluded(&f) && !form_missing(&f))
            forms[n_forms++] = f;
    }
    printf("# --seed %" PRIu64 " --blocks %" PRIu64 "\n", options.seed, options.blocks);
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    run_all();
}
