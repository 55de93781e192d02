/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From guest code to a block: decode up to the block's end, find out where which flags are needed, then emit
 * instruction by instruction; what is rarely run (misses, ways out that are not linked) goes behind the block. Not
 * light: called outside.
 */
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/perf.h"
#include "util/log.h"
#include <stdio.h>
#include "util/rcu.h"

/* Cold code. */

Cold *tr_cold(Tr *t, unsigned kind, uint32_t from)
{
    Cold *c = &t->cold[t->n_cold];

    if (t->n_cold < COLDS_MAX)
        t->n_cold++;
    else
        t->failed = true;

    *c = (Cold){.kind = (uint8_t)kind, .insn = (uint8_t)t->at, .from = {from}};
    return c;
}

static SiteData site_data(const Tr *t, const Cold *c)
{
    return (SiteData){
        .block = jit_ref(t->j, t->b),
        .retry = (uint16_t)(c->retry ? c->retry - t->b->guard : 0),
        .insn = c->insn,
        .size = c->size,
        .access = (c->access & ACCESS_RW) | (c->alone ? SITE_ALONE : 0),
        .mmu = c->mmu & 15,
        .after = (uint8_t)(c->after - c->retry <= 255 ? c->after - c->retry : 0),
    };
}

static uint32_t site(Tr *t, const Cold *c)
{
    SiteData *d = jit_arena(t->j, sizeof(*d));

    if (!d) {
        t->failed = true;
        return 0;
    }
    *d = site_data(t, c);
    return jit_ref(t->j, d);
}

static void to_thunk(Tr *t, uint32_t ref, unsigned thunk, bool host_flags)
{
    emit_imm(&t->e, T1, ref);
    emit_jmp(&t->e, t->j->thunk[thunk][host_flags]);
}

static void group_stub(Tr *t, const Cold *c)
{
    GroupSite *g = jit_arena(t->j, sizeof(*g));
    JitExit *x = jit_exit(t->j);
    Emit *e = &t->e;

    if (!g || !x) {
        t->failed = true;
        return;
    }
    *x = (JitExit){
        .from = jit_ref(t->j, t->b),
        .rip = (int64_t)t->rip[c->insn],
        .site = (uint16_t)(c->from[0] - t->b->guard),
        .stub = (uint16_t)(emit_at(e) - t->b->guard),
        .flags = IN_SLOT,
        .poll = c->insn >= t->polls_from,
    };
    *g = (GroupSite){
        .s = site_data(t, c),
        .lead = c->lead,
        .span = (uint16_t)(c->constant ? PAGE_SIZE : c->group->max - c->group->min),
        .write = c->group->write,
        .exit = jit_ref(t->j, x),
    };
    if (c->constant)
        emit_imm(e, T0, c->lin);
    else
        emit_alu(e, ALU_XOR, 8, T0, rm_gs_at(T1, tr_tlb_tag(c->mmu, c->group->write ? ACCESS_W : ACCESS_R)));
    to_thunk(t, jit_ref(t->j, g), THUNK_GROUP, false);
}

static void emit_cold(Tr *t, const Cold *c)
{
    Emit *e = &t->e;

    for (unsigned n = 0; n < ARRAY_SIZE(c->from); n++) {
        if (c->from[n])
            emit_fix32(e, c->from[n], emit_at(e));
    }
    if (c->thunk == THUNK_ENTRY) {
        for (unsigned n = 0; n < t->n_verify_miss; n++)
            emit_fix32(e, t->verify_miss[n], emit_at(e));
    }
    switch (c->kind) {
    case COLD_SLOW:
        if (c->constant)
            emit_imm(e, T0, c->lin);
        else
            emit_alu(e, ALU_XOR, 8, T0, rm_gs_at(T1, tr_tlb_tag(c->mmu, c->access)));
        to_thunk(t, site(t, c), THUNK_SLOW, false);
        break;
    case COLD_GROUP:
        group_stub(t, c);
        break;
    case COLD_SITE:
        to_thunk(t, site(t, c), c->thunk, false);
        break;
    case COLD_EXIT:
        c->exit->stub = (uint16_t)(emit_at(e) - t->b->guard);
        to_thunk(t, jit_ref(t->j, c->exit), THUNK_LINK, !(c->exit->flags & IN_SLOT));
        break;
    case COLD_RETURN:
        emit_imm(e, T1, site(t, c));
        emit_jmp(e, t->j->thunk_ret_miss[jit_class(t->mode)]);
        break;
    case COLD_ADAPT:
        t->b->guard_host = (uint16_t)(emit_at(e) - t->b->guard);
        tr_emit_save(e);
        emit_jmp(e, t->b->guard);
        t->b->poll_host = (uint16_t)(emit_at(e) - t->b->guard);
        tr_emit_save(e);
        emit_jmp(e, t->b->guard + t->b->poll);
        if (t->b->host)
            break;
        t->b->host = (uint16_t)(emit_at(e) - t->b->guard);
        tr_emit_save(e);
        emit_jmp(e, t->b->body);
        break;
    case COLD_FLAGS:
        emit_mov(e, 8, H_RAX, T1);
        to_thunk(t, site(t, c), THUNK_FLAGS, false);
        break;
    }
}

void tr_exec(Tr *t)
{
    Cold c = {.insn = (uint8_t)t->at};

    if (t->live_in[t->at])
        tr_flags_to_slot(t);
    to_thunk(t, site(t, &c), THUNK_EXEC, false);
    t->flags = IN_HOST | IN_SLOT;
    t->slot_lazy = false;
}

void tr_string_exec(Tr *t, unsigned size, unsigned access)
{
    Cold c = {.insn = (uint8_t)t->at, .size = (uint8_t)size, .access = (uint8_t)access, .mmu = (uint8_t)t->mmu};
    uint32_t ref = site(t, &c);

    tr_clobber(t);
    to_thunk(t, ref, THUNK_STRING, false);
    if (ref)
        ((SiteData *)jit_deref(t->j, ref))->retry = (uint16_t)(emit_at(&t->e) - t->b->guard);
    t->held = -1;
}

void tr_exec_cold(Tr *t, uint32_t from)
{
    tr_cold(t, COLD_SITE, from)->thunk = THUNK_EXEC;
}

JitExit *tr_exit(Tr *t, uint32_t place, uint64_t rip)
{
    JitExit *x = jit_exit(t->j);

    if (!x) {
        t->failed = true;
        x = &t->no_exit;
    }
    *x = (JitExit){
        .from = jit_ref(t->j, t->b),
        .rip = (int64_t)rip,
        .site = (uint16_t)(place - t->b->guard),
        .flags = t->flags & 3,
        .poll = rip <= t->rip[t->at] || t->at >= t->polls_from,
    };
    tr_cold(t, COLD_EXIT, place)->exit = x;
    return x;
}

void tr_jump(Tr *t, uint64_t rip)
{
    tr_exit(t, emit_jmp_fwd(&t->e), rip);
}

/* Decoding. */

/* May it be run without a look at the mode by its handler? */
static bool allowed(const Tr *t, const Insn *i)
{
    const InsnDesc *d = i->desc;
    uint32_t m = t->mode, a = d->attrs;

    if (!tcg_has_insn(t->c, d))
        return false;
    if ((a & INSN_NO_REAL && !(m & TM_PE)) || (a & INSN_CPL0 && m & TM_CPL))
        return false;
    if (a & INSN_AVX)
        return m & TM_AVX && m & TM_PE && !(m & TM_TS);
    if (a & INSN_SSE && (m & (TM_EM | TM_TS) || !(m & TM_SSE)))
        return false;
    if (a & (INSN_FPU | INSN_MMX) && m & (TM_EM | TM_TS))
        return false;
    return !(a & INSN_SIMD_FP) || m & TM_MMXCPT;
}

static unsigned plan(Tr *t, const Insn *i)
{
    const InsnDesc *d = i->desc;

    if (!allowed(t, i) || (i->has_mem && t->mode & TM_AC && !(d->attrs & INSN_HINT)))
        return PLAN_EXEC;
    if (d->attrs & INSN_HINT || d->op == OP_NOP)
        return d->exec == EXEC_OP || d->attrs & INSN_HINT ? PLAN_NOTHING : PLAN_EXEC;
    if (d->exec == EXEC_HOST)
        return tr_plan_host(t, i) ? PLAN_HOST : PLAN_EXEC;
    if (d->attrs & INSN_BRANCH)
        return tr_plan_flow(t, i) ? PLAN_FLOW : PLAN_EXEC;
    if (tr_plan_stack(t, i))
        return PLAN_STACK;
    if (tr_plan_sys(t, i))
        return PLAN_SYS;
    if (tr_plan_string(t, i))
        return PLAN_STRING;
    return tr_plan_int(t, i) ? PLAN_INT : PLAN_EXEC;
}

static bool stores(const Tr *t, const Insn *i, unsigned p)
{
    if (p == PLAN_EXEC || (p == PLAN_STACK && i->desc->op == OP_PUSH) || (p == PLAN_SYS && i->desc->op == OP_PUSHF))
        return true;
    for (unsigned n = 0; n < i->n_operands; n++) {
        if (i->operand[n].kind == OPND_MEM && i->operand[n].access & ACCESS_W)
            return true;
    }
    return false;
}

/* Does the block end behind it? */
static bool ends(const Tr *t, const Insn *i, unsigned p)
{
    const InsnDesc *d = i->desc;

    /* What it stores may be the next instruction. */
    if (t->verify && stores(t, i, p))
        return true;
    if (p == PLAN_SYS)
        return d->op == OP_STAC || d->op == OP_CLAC || d->op == OP_SYSCALL || d->op == OP_SYSRET;
    if (d->attrs & (INSN_END | INSN_SHADOW | INSN_SERIALIZE))
        return true;
    if (!(d->attrs & INSN_BRANCH))
        return false;
    /* Conditional ones go on. */
    return p != PLAN_FLOW || d->op == OP_JMP || d->op == OP_CALL || d->op == OP_RET;
}

/* Bytes of an instruction that goes on in the next page (head: those in this one); 0: that one cannot be read, or is no
 * memory. */
static unsigned crossing_bytes(Tr *t, const uint8_t *head, uint64_t lin, uint8_t buf[16])
{
    X86CPU *c = t->c;
    unsigned first = PAGE_SIZE - (unsigned)(lin & 0xfff);
    uint64_t next = (lin + PAGE_SIZE) & PAGE_MASK & TCG(c)->lin_mask;
    CodeTlbEntry *e = tcg_code_page(c, next);

    if (!e || !e->host)
        return 0;
    if (!e->id)
        e->id = jit_page_id(t->j, e->tag, e->host);
    if (!e->id || !jit_page_ref(t->j, e->host, true)) {
        jit_flush_all(c);
        return 0;
    }
    tcg_protect_code(c, e->host);
    t->reached = MIN(t->reached, tcg_code_epoch_reached(c)); /* who has woken since may be writing to this page */
    t->page[1] = e->host;
    t->page_lin[1] = next;
    t->id[1] = e->id;
    memcpy(buf, head, first);
    tcg_copy_code(buf + first, e->host, 0, INSN_MAX_LEN - first);
    return INSN_MAX_LEN;
}

static bool is_jump(const Tr *t, unsigned n, bool direct)
{
    const Insn *i = &t->insn[n];

    return t->plan[n] == PLAN_FLOW && i->desc->op == OP_JMP && (i->operand[0].kind == OPND_REL) == direct;
}

/* The page at lin becomes the block's second one, if that is where other translated code is. */
static bool second_page(Tr *t, uint64_t lin)
{
    X86CPU *c = t->c;
    bool user = (t->mode & TM_CPL) == 3;
    CodeTlbEntry *e = &TCG(c)->code_tlb[lin >> PAGE_BITS & (CODE_TLB_ENTRIES - 1)];

    if (t->page[1] || e->tag != ((lin & PAGE_MASK) | user) || !e->host || e->host == t->page[0])
        return false;
    const PageRef *r = jit_page_ref(t->j, e->host, tcg_config.follow_all);

    if (!r || (!r->blocks && !tcg_config.follow_all) || r->verify)
        return false;
    if (!e->id)
        e->id = jit_page_id(t->j, e->tag, e->host);
    if (!e->id)
        return false;
    tcg_protect_code(c, e->host);
    t->reached = MIN(t->reached, tcg_code_epoch_reached(c)); /* as in crossing_bytes() */
    t->page[1] = e->host;
    t->page_lin[1] = lin & PAGE_MASK;
    t->id[1] = e->id;
    return true;
}

/* Can a block's table tell it, and what is behind it in its page? */
static bool near(uint64_t distance)
{
    return distance + (1U << 30) < 1U << 31;
}

/* Where decoding goes on, in which host's page, with the target of the direct jump that is the last instruction so far;
 * NULL: it is none, or is not followed. lin: of the block. */
static const uint8_t *follow_jump(Tr *t, uint64_t lin, uint64_t *rip)
{
    unsigned last = t->n - 1;
    const uint8_t *page = t->page[0];

    if (!t->may_follow || !is_jump(t, last, true))
        return NULL;
    uint64_t to = tr_target(t, last), distance = to - (t->rip[last] + t->insn[last].len), from_first = to - t->rip[0];

    if (!near(distance) || !near(from_first))
        return NULL;
    for (unsigned n = 0; n < t->n; n++) {
        if (t->rip[n] == to)
            return NULL;
    }
    lin += from_first;
    if (t->code_size != 8)
        lin = (uint32_t)lin;
    if ((lin ^ t->page_lin[0]) & PAGE_MASK) {
        if (t->page[1] ? ((lin ^ t->page_lin[1]) & PAGE_MASK) != 0 : !second_page(t, lin))
            return NULL;
        page = t->page[1];
    }
    *rip = to;
    return page;
}

/* Bytes that are decoded, of one run of them: another CPU may be changing them, so that each 8 aligned ones are read
 * once. */
typedef struct Reader {
    const uint8_t *page; /* host */
    unsigned off, begin, have;
    uint64_t room; /* up to the segment's end */
    uint64_t words[BLOCK_INSNS * INSN_MAX_LEN / 8 + 4];
} Reader;

static void reader_begin(Reader *r, const Tr *t, const uint8_t *page, uint64_t lin, uint64_t rip)
{
    r->page = page;
    r->off = (unsigned)(lin & 0xfff);
    r->begin = r->have = r->off & ~7U;
    r->room = t->code_size == 8 ? ~(uint64_t)0 : (uint64_t)t->c->seg[SEG_CS].limit - rip + 1;
}

/* The next bytes, of which there are *n. */
static const uint8_t *reader_peek(Reader *r, unsigned *n)
{
    *n = (unsigned)MIN(r->room, MIN((uint64_t)INSN_MAX_LEN, (uint64_t)(PAGE_SIZE - r->off)));
    for (; r->have < r->off + *n; r->have += 8)
        r->words[(r->have - r->begin) / 8] =
            __atomic_load_n((const uint64_t *)(const void *)(r->page + r->have), __ATOMIC_RELAXED);
    return (const uint8_t *)r->words + (r->off - r->begin);
}

static uint64_t behind_last(const Tr *t)
{
    uint64_t rip = t->rip[t->n - 1] + t->insn[t->n - 1].len;

    return t->code_size == 8 ? rip : (uint32_t)rip;
}

/* Decode the block; gives its bytes' number, 0: its first instruction cannot be translated. A direct jump is followed
 * where an indirect one comes soon behind it, so that it has one of its own (an interpreter's dispatch). */
static unsigned decode(Tr *t, uint64_t lin, uint8_t *bytes)
{
    X86CPU *c = t->c;
    bool real = !(t->mode & TM_PE);
    uint64_t rip = c->rip;
    unsigned at = 0;
    unsigned whole = 0, whole_at = 0; /* the block up to the first jump that is followed: instructions, bytes */
    Reader r;

    if (t->code_size != 8 && rip > c->seg[SEG_CS].limit)
        return 0;
    reader_begin(&r, t, t->page[0], lin, rip);
    t->n = 0;
    while (t->n < t->max && r.off < PAGE_SIZE) {
        Insn *i = &t->insn[t->n];
        uint8_t buf[16];
        unsigned avail;
        const uint8_t *p = reader_peek(&r, &avail);
        DecodeResult d = insn_decode(i, p, avail, t->code_size, real, c->config.features);
        bool crosses = d == DECODE_MORE && !t->n && avail < r.room && avail < INSN_MAX_LEN;

        if (crosses) {
            unsigned n = crossing_bytes(t, p, lin, buf);

            p = buf;
            d = insn_decode(i, buf, (unsigned)MIN((uint64_t)n, r.room), t->code_size, real, c->config.features);
        }
        if (d != DECODE_OK)
            break;
        t->rip[t->n] = rip;
        t->info[t->n] = (JitInsn){.guest = (int32_t)(rip - t->rip[0]), .at = at & 1023, .len = i->len & 15};
        for (unsigned k = 0; k < i->len; k++)
            bytes[at++] = p[k];
        r.off += i->len;
        r.room -= i->len;
        t->at = t->n; /* what is planned looks at where it is */
        t->plan[t->n] = (uint8_t)plan(t, i);
        t->n++;
        rip = behind_last(t);
        if (crosses || (whole && t->n >= whole + FOLLOW_INSNS && !tcg_config.follow_all))
            break;
        if (!ends(t, i, t->plan[t->n - 1]))
            continue;
        const uint8_t *page = follow_jump(t, lin, &rip);

        if (!page)
            break;
        t->info[t->n - 1].followed = true;
        if (!whole) {
            whole = t->n;
            whole_at = at;
        }
        reader_begin(&r, t, page, lin + (rip - t->rip[0]), rip);
    }
    if (tcg_config.follow_all && t->n) {
        t->info[t->n - 1].followed = false;
    } else if (whole && !is_jump(t, t->n - 1, false)) {
        t->n = whole;
        at = whole_at;
        t->info[whole - 1].followed = false;
        t->page[1] = NULL;
    }
    if (!t->n)
        return 0;
    t->rip[t->n] = behind_last(t);
    t->n_table = t->n;
    /* What STI shadows would be in another block. */
    if (t->plan[t->n - 1] == PLAN_SYS && t->insn[t->n - 1].desc->op == OP_STI)
        t->plan[t->n - 1] = PLAN_EXEC;
    return at;
}

static unsigned followed(const Tr *t)
{
    unsigned count = 0;

    for (unsigned n = 0; n < t->n; n++)
        count += t->info[n].followed;
    return count;
}

/* Does the host execute one of its instructions with vector or x87 registers, or their control words? */
static bool uses_vectors(const Tr *t)
{
    enum { ATTRS = INSN_FPU | INSN_FPU_WAIT | INSN_MMX | INSN_SSE | INSN_AVX };

    for (unsigned n = 0; n < t->n; n++) {
        const InsnDesc *d = t->insn[n].desc;
        unsigned p = t->plan[n];

        if (d->attrs & ATTRS && (p == PLAN_HOST || p == PLAN_SYS || (p == PLAN_INT && d->op == OP_VZERO)))
            return true;
    }
    return false;
}

/* The frame. */

/* Compare the code's bytes with what they were. */
static void emit_verify(Tr *t)
{
    Emit *e = &t->e;
    Block *b = t->b;
    unsigned off = b->lin & 0xfff, first = MIN((unsigned)b->n_bytes, PAGE_SIZE - off);

    for (unsigned n = 0, size; n < b->n_bytes; n += size) {
        unsigned left = n < first ? first - n : b->n_bytes - n;
        uint32_t want = 0;

        if (!n || n == first)
            emit_imm(e, T0, (uintptr_t)(n ? t->page[1] : b->page + off));
        size = left >= 4 ? 4 : left >= 2 ? 2 : 1;
        memcpy(&want, t->bytes + n, size);
        emit_alu_imm(e, ALU_CMP, size, rm_mem(T0, (int32_t)(n < first ? n : n - first)), (int32_t)want);
        t->verify_miss[t->n_verify_miss++] = emit_jcc_fwd(e, CC_NE);
    }
}

static void emit_entry(Tr *t)
{
    Emit *e = &t->e;
    Block *b = t->b;
    Cold *cold;
    uint32_t from[3] = {0};

    b->guard = emit_at(e);
    for (unsigned n = 0; n < 2 && t->page[n]; n++) {
        unsigned slot = t->page_lin[n] >> PAGE_BITS & (CODE_TLB_ENTRIES - 1);
        int32_t at = G_TCG(code_tlb) + (int32_t)(slot * sizeof(CodeTlbEntry));

        emit_alu_imm(e, ALU_CMP, 4, rm_gs(at + (int32_t)offsetof(CodeTlbEntry, id)), (int32_t)t->id[n]);
        from[n] = emit_jcc_fwd(e, CC_NE);
    }
    b->poll = (uint16_t)(emit_at(e) - b->guard);
    emit_alu_imm(e, ALU_CMP, 4, rm_gs(G_TCG(exit_request)), 0);
    from[2] = emit_jcc_fwd(e, CC_NE);
    t->at = 0;
    if (t->verify) {
        emit_verify(t);
        b->verify = true;
    }
    cold = tr_cold(t, COLD_SITE, 0);
    cold->thunk = THUNK_ENTRY;
    for (unsigned n = 0; n < 3; n++)
        cold->from[n] = from[n];
    b->slot = (uint16_t)(emit_at(e) - b->guard);
    b->guard_host = 0;
    b->poll_host = b->poll;
    t->flags = IN_HOST | IN_SLOT;
    t->lazy = (LazyFlags){0};
    t->slot_lazy = true;
    /* Those that go through it unread, and would only be put away again, stay in the slot. */
    bool through = t->live_in[0] && !t->reads[0] && t->clobbers[0];

    if (through) {
        t->flags = IN_SLOT;
    } else if (t->live_in[0]) {
        tr_emit_restore(t, true);
        t->flags = IN_HOST;
    }
    b->body = emit_at(e);
    b->host = through ? 0 : (uint16_t)(b->body - b->guard);
    if (t->live_in[0])
        tr_cold(t, COLD_ADAPT, 0);
    if (b->vector) {
        /* No flags are needed, nearly always. */
        if (t->live_in[0] && !through)
            tr_flags_plain(t);
        uint32_t retry = emit_at(e);

        emit_alu_imm(e, ALU_CMP, 1, rm_gs(G_TCG(fpu_live)), 0);
        cold = tr_cold(t, COLD_SITE, emit_jcc_fwd(e, CC_E));
        cold->thunk = THUNK_VECTOR;
        cold->retry = retry;
        t->flags = IN_SLOT;
        if (t->live_in[0] && !through)
            tr_flags_to_host(t);
    }
}

static void emit_insns(Tr *t)
{
    uint32_t limit = emit_at(&t->e) + BLOCK_ROOM / 2;
    bool on = true;

    for (unsigned n = 0; n < t->n; n++) {
        const Insn *i = &t->insn[n];

        if ((emit_at(&t->e) > limit || t->n_cold > COLDS_MAX - 32) && (!n || t->insn[n - 1].desc->op != OP_STI)) {
            /* The rest becomes another block; not between STI and what it shadows. */
            t->n = n;
            break;
        }
        t->at = n;
        t->info[n].code = (uint16_t)(emit_at(&t->e) - t->b->guard);
        t->info[n].in_slot = t->flags == IN_SLOT;
        /* C comes back to no place where more is known than it can tell. */
        t->info[n].in_group = t->in_group[n] || t->verify;
        tr_lazy_before(t, i);
        switch (t->plan[n]) {
        case PLAN_NOTHING:
            break;
        case PLAN_INT:
            tr_int(t, i);
            break;
        case PLAN_HOST:
            tr_host(t, i);
            break;
        case PLAN_STACK:
            tr_stack(t, i);
            break;
        case PLAN_SYS:
            on = tr_sys(t, i);
            break;
        case PLAN_STRING:
            tr_string(t, i);
            break;
        case PLAN_FLOW:
            on = tr_flow(t, i);
            break;
        default:
            tr_exec(t);
            /* What may go elsewhere is looked up when it has been executed. */
            on = !ends(t, i, PLAN_EXEC) ||
                 (t->verify && !(i->desc->attrs & (INSN_END | INSN_SHADOW | INSN_SERIALIZE | INSN_BRANCH)));
        }
        tr_lazy_after(t, i);
    }
    t->info[t->n].code = (uint16_t)(emit_at(&t->e) - t->b->guard);
    t->at = t->n - 1;
    if (on)
        tr_jump(t, t->rip[t->n]);
}

/* Where its instructions are. */
static bool make_table(Tr *t)
{
    Block *b = t->b;
    uint16_t table[4 * BLOCK_INSNS], *out;
    unsigned len = 0;

    b->first = t->info[0].code;
    b->n_insns = (uint8_t)t->n;
    for (unsigned n = 0; n < t->n_table; n++) {
        const JitInsn *i = &t->info[n];
        unsigned size = n < t->n ? i[1].code - i->code : 0, v = i->len;

        v |= (i->in_slot ? INSN_IN_SLOT : 0) | (i->in_group ? INSN_IN_GROUP : 0) | (i->followed ? INSN_FOLLOWED : 0);
        table[len++] = (uint16_t)(v | MIN(size, (unsigned)INSN_CODE_LONG) << INSN_CODE_SHIFT);
        if (size >= INSN_CODE_LONG)
            table[len++] = (uint16_t)size;
        if (i->followed) {
            uint32_t distance = (uint32_t)(i[1].guest - i->guest) - i->len;

            table[len++] = (uint16_t)distance;
            table[len++] = (uint16_t)(distance >> 16);
        }
    }
    if (!(out = jit_arena(t->j, len * sizeof(*out))))
        return false;
    memcpy(out, table, len * sizeof(*out));
    b->table = jit_ref(t->j, out);
    return true;
}

static Block *make(X86CPU *c, const CodeTlbEntry *page, uint64_t lin, uint32_t extra)
{
    JitCpu *j = JIT(c);
    Tr *t = j->tr;
    uint8_t bytes[BLOCK_INSNS * INSN_MAX_LEN];
    uint32_t mode = TCG(c)->mode;
    unsigned n_bytes;

    jit_room(j);
    if (!jit_page_ref(j, page->host, true)) {
        jit_flush_all(c);
        return NULL;
    }
    jit_memory_there(j);
    t->c = c;
    t->j = j;
    t->mode = mode;
    t->no_groups = extra & BLOCK_NO_GROUPS;
    t->verify = jit_page_ref(j, page->host, true)->verify;
    /* A write that is noticed from now on drops the block: requests are taken when it is there. */
    if (!t->verify)
        tcg_protect_code(c, page->host);
    /* Bytes that are read before those of another CPU's stores may be the old ones: what counts is how far the others
     * have come now. */
    t->reached = tcg_code_epoch_reached(c);
    t->may_look = !t->verify && !j->logging && !tcg_config.one_insn_per_tb && mode & TM_FLAT_CS &&
                  t->reached >= tcg_code_epoch_now();
    t->ea_off = 0;
    t->code_size = mode & TM_CODE64 ? 8 : mode & TM_CODE32 ? 4 : 2;
    t->mmu = mode >> TM_MMU_SHIFT & 3;
    t->max = tcg_config.one_insn_per_tb ? 1 : BLOCK_INSNS;
    t->n_cold = t->n_verify_miss = 0;
    t->failed = false;
    t->may_follow = !t->verify && !j->logging && !tcg_config.one_insn_per_tb;
    t->polls_from = BLOCK_INSNS;
    t->page[0] = page->host;
    t->page_lin[0] = lin & PAGE_MASK;
    t->id[0] = page->id;
    t->page[1] = NULL;
    t->bytes = bytes;
    n_bytes = decode(t, lin, bytes);
    if (!n_bytes)
        return NULL;
    Block *b = jit_arena(j, sizeof(*b));
    uint8_t *copy = jit_arena(j, n_bytes);

    memcpy(copy, bytes, n_bytes);
    *b = (Block){
        .lin = lin,
        .page = page->host,
        .id = page->id,
        .mode = mode | extra,
        .n_bytes = (uint16_t)n_bytes,
        .bytes = jit_ref(j, copy),
        .vector = uses_vectors(t),
    };
    if (!(mode & TM_FLAT_CS) || t->page[1]) {
        BlockMore *m = jit_arena(j, sizeof(*m));

        *m = (BlockMore){.page = t->page[1], .page_lin = t->page_lin[1], .id = t->page[1] ? t->id[1] : 0};
        if (!(mode & TM_FLAT_CS)) {
            m->cs_base = c->seg[SEG_CS].base;
            m->cs_limit = c->seg[SEG_CS].limit;
        }
        b->more = jit_ref(j, m);
    }
    t->b = b;
    t->e = (Emit){.p = j->rw + j->used, .base = j->rw};
    tr_liveness(t);
    tr_find_groups(t);
    emit_entry(t);
    emit_insns(t);
    for (unsigned n = 0; n < t->n_cold; n++)
        emit_cold(t, &t->cold[n]);
    b->size = (uint16_t)(emit_at(&t->e) - b->guard);
    /* The host's predictor of indirect jumps tells targets apart by low bits of their addresses too. */
    j->used = ((emit_at(&t->e) + 15) & ~15U) + (emit_at(&t->e) * JC_MULTIPLIER >> 30) * 4;
    if (!make_table(t) || t->failed) {
        jit_flush_all(c);
        return NULL;
    }
    jit_block_add(j, b);
    jit_unsettled(j, b, t->reached);
    j->translated++;
    j->translated_insns += t->n;
    j->followed += followed(t);
    if (log_on(LOG_IN_ASM | LOG_OP | LOG_OUT_ASM))
        jit_log_block(t);
    if (accel_perfmap || accel_jitdump) {
        char name[32];

        snprintf(name, sizeof(name), "tb-0x%" PRIx64, b->lin);
        tcg_perf_code(j->rx + b->guard, j->rw + b->guard, b->size, name);
    }
    return b;
}

Block *jit_translate(X86CPU *c, const CodeTlbEntry *page, uint64_t lin, uint32_t extra)
{
    Block *b = NULL;

    /* The memory that the page is of stays while it is read: either the map that it was looked up in is the newest, or
     * the request for a new one is there already. */
    rcu_lock();
    if (!(__atomic_load_n(&TCG(c)->requests, __ATOMIC_SEQ_CST) & TCG_NEW_MAP))
        b = make(c, page, lin, extra);
    rcu_unlock();
    return b;
}
