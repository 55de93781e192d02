/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Running translated code: finding blocks, and what generated code calls (jit-thunks.c). Light code; a translation is
 * made outside.
 *
 * When a function here is called, the guest's registers are in X86CPU.gpr[] and its flags in the slot; c->rip is not
 * known before the site's data have told it. What can raise is called with all of the state in place.
 */
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/sys.h"
#include "util/log.h"

/* What FLAGS_LAZY stands for, as LAHF and SETO give it. */
static uint32_t lazy_flags(const JitHot *h)
{
    uint32_t f = h->flags;
    unsigned kind = f & LAZY_KIND, bits = 8U << (f >> LAZY_SIZE_SHIFT & 3);
    uint64_t mask = size_mask(bits / 8), sign = 1ULL << (bits - 1);
    uint64_t b = (f & LAZY_B ? h->lazy_b : (uint64_t)((int32_t)f >> LAZY_IMM_SHIFT)) & mask, a = h->lazy_a & mask;
    uint64_t x = a, res = a; /* x: first operand */
    bool carry = false, overflow = false;

    switch (kind) {
    case LAZY_TEST:
        res = a & b;
        break;
    case LAZY_ADD:
        x = (a - b) & mask;
        carry = res < b;
        overflow = (x ^ res) & (b ^ res) & sign;
        break;
    case LAZY_SUB:
    case LAZY_CMP:
        if (kind == LAZY_SUB)
            x = (a + b) & mask;
        else
            res = (a - b) & mask;
        carry = x < b;
        overflow = (x ^ b) & (x ^ res) & sign;
        break;
    default:
        break;
    }
    uint32_t ah = 2 | carry | (__builtin_parity((unsigned)res & 0xff) ? 0 : FLAG_PF) | (res ? 0 : FLAG_ZF) |
                  (res & sign ? FLAG_SF : 0);

    if (kind >= LAZY_ADD)
        ah |= (uint32_t)(x ^ b ^ res) & FLAG_AF;
    return ah << 8 | overflow;
}

static void flags_from_slot(X86CPU *c)
{
    uint32_t f = HOT(c)->flags & FLAGS_LAZY ? lazy_flags(HOT(c)) : HOT(c)->flags;

    c->rflags = (c->rflags & ~(uint64_t)FLAGS_ARITH) | (f >> 8 & (FLAGS_ARITH & 0xff)) | (f & 1) << 11;
}

static void flags_to_slot(X86CPU *c)
{
    HOT(c)->flags = (uint32_t)((c->rflags & (FLAGS_ARITH & 0xff)) << 8 | (c->rflags >> 11 & 1));
}

/* First byte behind what of a segment may be read (write: written) without a look at its descriptor. */
static uint64_t limit_of(X86CPU *c, unsigned seg, bool write)
{
    const SegReg *s = &c->seg[seg];

    if (s->flags & DESC_E && !(s->flags & DESC_CODE))
        return 0;
    if (TCG(c)->mode & TM_PE) {
        if (!(s->flags & DESC_P) || !(s->flags & DESC_S))
            return 0;
        if (s->flags & DESC_CODE ? write || !(s->flags & DESC_R) : write && !(s->flags & DESC_W))
            return 0;
    }
    return (uint64_t)s->limit + 1;
}

static const uint32_t flat_bit[SEG_REGS] = {[SEG_ES] = TM_FLAT_ES, [SEG_SS] = TM_FLAT_SS, [SEG_DS] = TM_FLAT_DS};

/* The state as b's code wants it. */
static const void *resume(X86CPU *c, const Block *b, uint32_t code)
{
    TcgCpu *t = TCG(c);

    if (b->vector && !t->fpu_live)
        tcg_fpu_to_host(c);
    flags_to_slot(c);
    HOT(c)->tsc_offset = c->tsc_offset + tcg_tsc_anchor.guest - tcg_tsc_anchor.host;
    if (!(t->mode & TM_CODE64)) {
        for (unsigned s = 0; s < SEG_REGS; s++) {
            if (t->mode & flat_bit[s]) /* nobody asks */
                continue;
            HOT(c)->limit[0][s] = limit_of(c, s, false);
            HOT(c)->limit[1][s] = limit_of(c, s, true);
        }
    }
    return t->jit->rx + code;
}

/* Jump cache and return stack of the present mode. */
static void set_class(X86CPU *c)
{
    JitHot *h = HOT(c);
    uint32_t mode = TCG(c)->mode;
    unsigned k = jit_class(mode);
    JitClass *s = &h->class[k];
    bool flat = mode & TM_FLAT_CS;
    uint64_t base = flat ? 0 : c->seg[SEG_CS].base;
    uint32_t limit = flat ? 0 : c->seg[SEG_CS].limit;

    if (k != h->present) {
        h->class[h->present].sp = h->sp;
        h->present = k;
        h->sp = s->sp;
    }
    if (s->mode == mode && s->cs_base == base && s->cs_limit == limit)
        return;
    s->mode = mode;
    s->cs_base = base;
    s->cs_limit = limit;
    h->sp = s->base;
    jit_jc_clear(c, k);
}

static uint64_t code_lin(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    return t->mode & TM_CODE64 ? c->rip : (uint32_t)(c->seg[SEG_CS].base + c->rip);
}

static CodeTlbEntry *code_page(X86CPU *c, uint64_t lin)
{
    CodeTlbEntry *e = tcg_code_page(c, lin);

    if (!e || !e->host)
        return NULL;
    if (!e->id)
        e->id = jit_page_id(JIT(c), e->tag, e->host);
    return e->id ? e : NULL;
}

/* Does the block still stand where it was made from? Its first page is known to. */
static bool second_page_ok(X86CPU *c, const Block *b)
{
    const JitCpu *j = JIT(c);

    if (!jit_second_page(j, b))
        return true;
    const CodeTlbEntry *e = code_page(c, jit_more(j, b)->page_lin);

    return e && e->id == jit_more(j, b)->id;
}

/* b's code page is known to be its own: is the rest what it was made from? */
static bool still_good(X86CPU *c, const Block *b)
{
    return second_page_ok(c, b) && (!b->verify || jit_block_same(JIT(c), b));
}

/* Until some other CPUs have come between two instructions. */
static void wait_settled(X86CPU *c)
{
    JitCpu *j = JIT(c);

    while (j->n_unsettled == UNSETTLED_MAX) {
        tcg_outside_begin(c);
        tcg_yield();
        tcg_outside_end(c);
        tcg_between_insns(TCG(c));
        jit_settle(j);
    }
}

/* All counts lose half. */
static void cool_down(JitCpu *j)
{
    uint64_t *p = (uint64_t *)(void *)j->heat;

    for (unsigned n = 0; n < sizeof(j->heat) / 8; n++)
        p[n] = p[n] >> 1 & 0x7f7f7f7f7f7f7f7f;
    j->cold_runs = 0;
}

/* Has too little been seen of the code at lin for a translation to pay? This counts as a run. Places that share a count
 * are only translated a bit earlier; what runs now and then gets there, too. */
static bool still_cold(JitCpu *j, uint64_t lin, uint32_t id, uint32_t mode)
{
    unsigned at = tcg_config.translate_at ? MIN(tcg_config.translate_at, 100U) : TRANSLATE_AT;
    uint8_t *count = jit_heat(j, lin, id, mode);

    if (*count & HEAT_EVICTED) {
        j->again++;
        *count &= ~HEAT_EVICTED;
        return false;
    }
    if (*count + 1U >= at)
        return false;
    ++*count;
    if (++j->cold_runs == COLD_RUNS)
        cool_down(j);
    return true;
}

/* The block for the present state (extra: BLOCK_NO_GROUPS); NULL: the interpreter has to do the next instruction, and
 * with *cold (where it is asked) all up to the next branch. Raises nothing. */
static Block *find_kind(X86CPU *c, uint32_t extra, bool *cold)
{
    JitCpu *j = JIT(c);
    uint64_t lin = code_lin(c);

    tcg_between_insns(TCG(c));
    for (unsigned tries = 0; tries < 3; tries++) {
        if (j->flush_pending)
            jit_do_flush(j);
        CodeTlbEntry *e = code_page(c, lin);

        if (!e) {
            if (j->n_ids >= IDS_MAX / 4 * 3)
                j->flush_pending = true;
            return NULL;
        }
        uint64_t flushes = TCG(c)->tlb_flushes;
        Block *b = jit_find(j, lin, e->id, TCG(c)->mode | extra);
        bool good = b && still_good(c, b);

        /* The look at its second page may have gone outside, where e and b may have gone. */
        if (b && (b->dead || j->flush_pending || TCG(c)->tlb_flushes != flushes))
            continue;
        if (good)
            return b;
        if (b)
            jit_block_kill(j, b);
        else if (cold && still_cold(j, lin, e->id, TCG(c)->mode) &&
                 !log_on(LOG_IN_ASM | LOG_OP | LOG_OUT_ASM | LOG_EXEC | LOG_CPU)) {
            *cold = true;
            return NULL;
        }
        if (j->n_unsettled == UNSETTLED_MAX) {
            wait_settled(c);
            continue;
        }
        tcg_outside_begin(c);
        b = jit_translate(c, e, lin, extra);
        tcg_outside_end(c);
        /* What others asked for meanwhile may have dropped it again. */
        if (!b && !j->flush_pending)
            return NULL;
    }
    return NULL;
}

/* b is about to be run. false: what others asked for meanwhile has dropped it. */
static bool log_run(X86CPU *c, const Block *b)
{
    JitCpu *j = JIT(c);

    jit_log_run(c, b);
    if (b->dead || j->leave || j->flush_pending)
        return false;
    const CodeTlbEntry *e = code_page(c, b->lin);

    return e && e->id == b->id && still_good(c, b);
}

/* On with the guest's present state, or out. cold: find_kind() has said so of it. */
static const void *go_on(X86CPU *c, bool cold)
{
    TcgCpu *t = TCG(c);
    JitCpu *j = JIT(c);
    unsigned n = 0; /* instructions of cold code behind each other */

    j->dispatches++;
    if (log_on(LOG_EXEC | LOG_CPU) != j->logging) {
        j->logging = !j->logging;
        jit_flush_all(c);
    }
    if (j->verify_pages && __builtin_ia32_rdtsc() > j->verify_until)
        jit_verify_end(j);
    for (;;) {
        if (j->n_unsettled)
            jit_settle(j);
        j->leave = false;
        if (__atomic_load_n(&t->exit_request, __ATOMIC_RELAXED) || t->mode & (TM_TF | TM_DEBUG) || t->exit_halt ||
            t->debug_exit)
            break;
        if (!c->interrupt_shadow && !cold) {
            Block *b;

            c->rflags &= ~(uint64_t)FLAG_RF;
            b = find_kind(c, 0, &cold);
            n = 0;
            if (b && log_on(LOG_EXEC | LOG_CPU) && !log_run(c, b))
                continue;
            if (b) {
                set_class(c);
                return resume(c, b, b->body);
            }
        }
        uint64_t rip = c->rip;

        jit_fpu_sync(c);
        j->cold_insns += cold;
        tcg_step(c);
        /* As far as a block would go. */
        cold = cold && c->rip - rip - 1 < INSN_MAX_LEN && ++n < BLOCK_INSNS && !((c->rip ^ rip) & PAGE_MASK);
    }
    j->leaves++;
    return NULL;
}

static const void *dispatch(X86CPU *c)
{
    return go_on(c, false);
}

void jit_run(X86CPU *c)
{
    const void *code = dispatch(c);

    if (code)
        JIT(c)->enter(c, code);
}

void jit_step(X86CPU *c)
{
    TcgCpu *t = TCG(c);
    Block *b = NULL;

    JIT(c)->leave = false;
    if (!(t->mode & (TM_TF | TM_DEBUG)) && !c->interrupt_shadow)
        b = find_kind(c, 0, NULL);
    if (!b) {
        tcg_step(c);
        return;
    }
    __atomic_store_n(&t->exit_request, 1, __ATOMIC_RELAXED);
    set_class(c);
    JIT(c)->enter(c, resume(c, b, b->body));
}

static void set_rip(X86CPU *c, const Block *b, int32_t guest)
{
    c->rip = jit_rip(JIT(c), b) + (uint64_t)guest;
    if (!(b->mode & TM_CODE64))
        c->rip = (uint32_t)c->rip;
    flags_from_slot(c);
}

/* The site's block; c's RIP and flags are set to its instruction. */
static const Block *at_site(X86CPU *c, const SiteData *d)
{
    const Block *b = jit_block(JIT(c), d->block);

    set_rip(c, b, jit_insn(JIT(c), b, d->insn).guest);
    return b;
}

static const SiteData *site(X86CPU *c, uint32_t data)
{
    return jit_deref(JIT(c), data);
}

/* Where the site's access begins. */
static const void *retry_at(X86CPU *c, const SiteData *d)
{
    const JitCpu *j = JIT(c);

    return j->rx + jit_block(j, d->block)->guard + d->retry;
}

/* Instruction n of the block, decoded again from its copy of the bytes if nobody remembers; c's RIP and flags are set
 * to it. */
static const KeptInsn *at_insn(X86CPU *c, const Block *b, unsigned n)
{
    JitCpu *j = JIT(c);
    const uint8_t *key = (const uint8_t *)b + n; /* a block has more bytes than instructions */
    KeptInsn *k = &j->kept[(uintptr_t)key * 0x9e3779b97f4a7c15 >> (64 - KEPT_BITS)];

    if (k->key != key) {
        unsigned size = b->mode & TM_CODE64 ? 8 : b->mode & TM_CODE32 ? 4 : 2;

        k->at = jit_insn(j, b, n);
        k->behind = jit_insn(j, b, n + 1);
        insn_decode(&k->insn, jit_bytes(j, b) + k->at.at, k->at.len, size, !(b->mode & TM_PE), c->config.features);
        k->key = key;
    }
    set_rip(c, b, k->at.guest);
    return k;
}

/* Execute instruction n of b by its handler and go on behind it. */
static const void *execute(X86CPU *c, const Block *b, unsigned n)
{
    JitCpu *j = JIT(c);
    const KeptInsn *k = at_insn(c, b, n);
    const Insn *i = &k->insn;
    uint64_t next = c->rip + i->len;
    bool end = i->desc->attrs & (INSN_END | INSN_SHADOW | INSN_SERIALIZE) || k->behind.in_group || n + 1U == b->n_insns;
    uint32_t behind = b->guard + k->behind.code;

    if (!(b->mode & TM_CODE64))
        next = (uint32_t)next;
    j->exec_by_op[i->desc->exec == EXEC_OP ? i->desc->op : 0]++;
    jit_fpu_sync(c);
    tcg_execute(c, i);
    /* What the instruction asked for itself (an SMI by a port write) comes before the next one. */
    if (end || j->leave || c->rip != next || __atomic_load_n(&TCG(c)->exit_request, __ATOMIC_RELAXED))
        return dispatch(c);
    return resume(c, b, behind);
}

static const void *do_exec(X86CPU *c, uint32_t data, uint64_t arg)
{
    const SiteData *d = site(c, data);

    JIT(c)->execs++;
    return execute(c, jit_block(JIT(c), d->block), d->insn);
}

/* A TLB miss, or an access that is more than that. arg: the linear address. */
static const void *do_slow(X86CPU *c, uint32_t data, uint64_t arg)
{
    TcgCpu *t = TCG(c);
    const SiteData *d = site(c, data);
    uint64_t page = arg & PAGE_MASK;
    TlbEntry *e = &t->tlb[d->mmu][arg >> PAGE_BITS & (TLB_ENTRIES - 1)];
    uint64_t outside = t->outside;
    uint8_t *host;

    if ((arg & 0xfff) + d->size > PAGE_SIZE) {
        const void *code = jit_cross(c, d, arg);

        if (code)
            return code;
    }
    /* What is no address is none of the page walk's business. */
    if ((!(t->mode & TM_LMA) || tcg_canonical(c, arg)) &&
        tcg_tlb_fill(c, arg, d->size, d->access & ACCESS_RW, d->mmu, &host) &&
        (!(d->access & ACCESS_W) || e->write == page) && (d->access & ACCESS_W || e->read == page)) {
        t->jit->slow_fills++;
        if (t->outside == outside)
            return retry_at(c, d);
        /* It has been outside meanwhile, where memory may have moved. */
        at_site(c, d);
        return dispatch(c);
    }
    t->jit->slow_execs++;
    return execute(c, jit_block(t->jit, d->block), d->insn);
}

/* Link x, at whose target's state c is, and go on there. */
static const void *go(X86CPU *c, JitExit *x, uint32_t extra)
{
    TcgCpu *t = TCG(c);
    JitCpu *j = t->jit;
    uint32_t mode = t->mode, generation = j->generation;

    /* A block without groups is entered for its first instruction in any case: who leaves each time gets nowhere. */
    if ((!extra && (__atomic_load_n(&t->exit_request, __ATOMIC_RELAXED) || j->logging)) || j->leave)
        return dispatch(c);
    bool cold = false;
    Block *b = find_kind(c, extra, extra ? NULL : &cold);

    if (!b || j->leave || j->flush_pending || generation != j->generation || mode != t->mode)
        return go_on(c, cold);
    jit_link(j, x, b);
    return resume(c, b, b->body);
}

/* The check of a group has failed. arg: the linear address where the group begins. */
static const void *do_group(X86CPU *c, uint32_t data, uint64_t arg)
{
    TcgCpu *t = TCG(c);
    const GroupSite *g = jit_deref(t->jit, data);
    uint64_t page = arg & PAGE_MASK;
    TlbEntry *e = &t->tlb[g->s.mmu][arg >> PAGE_BITS & (TLB_ENTRIES - 1)];
    uint64_t outside = t->outside;
    uint8_t *host;

    if ((arg & 0xfff) + g->span <= PAGE_SIZE && (!(t->mode & TM_LMA) || tcg_canonical(c, arg)) &&
        tcg_tlb_fill(c, arg + g->lead, g->s.size, g->s.access & ACCESS_RW, g->s.mmu, &host) &&
        (g->write ? e->write : e->read) == page) {
        t->jit->slow_fills++;
        if (t->outside == outside)
            return retry_at(c, &g->s);
        at_site(c, &g->s);
        return dispatch(c);
    }
    t->jit->ungrouped++;
    at_site(c, &g->s);
    return go(c, jit_deref(t->jit, g->exit), BLOCK_NO_GROUPS);
}

/* A direct way out that is not linked yet. */
static const void *do_link(X86CPU *c, uint32_t data, uint64_t arg)
{
    JitExit *x = jit_deref(JIT(c), data);

    c->rip = (uint64_t)x->rip;
    flags_from_slot(c);
    return go(c, x, 0);
}

/* c's RIP is where an indirect branch went: there, and into the jump cache. */
static const void *enter_target(X86CPU *c)
{
    JitCpu *j = JIT(c);
    bool cold = false;
    Block *b;

    if (__atomic_load_n(&TCG(c)->exit_request, __ATOMIC_RELAXED) || j->logging)
        return dispatch(c);
    b = find_kind(c, 0, &cold);
    if (!b || j->leave || j->flush_pending)
        return go_on(c, cold);
    jit_jc_put(c, b);
    return resume(c, b, b->body);
}

/* The target of an indirect branch that the jump cache does not know. arg: RIP. */
static const void *do_indirect(X86CPU *c, uint32_t data, uint64_t arg)
{
    TcgCpu *t = TCG(c);
    JitCpu *j = t->jit;
    const SiteData *d = site(c, data);
    bool bad = t->mode & TM_CODE64 ? !tcg_canonical(c, arg) : arg > c->seg[SEG_CS].limit;

    j->indirect++;
    if (bad) {
        /* The branch itself faults: what it did to RSP is undone, its handler raises. */
        const Block *b = jit_block(j, d->block);
        const Insn *i = &at_insn(c, b, d->insn)->insn;

        if (i->desc->op == OP_RET) {
            Stack s = stack_begin(c);

            s.sp -= i->osz + (uint16_t)i->imm;
            stack_commit(c, &s);
        }
        return execute(c, b, d->insn);
    }
    c->rip = arg;
    flags_from_slot(c);
    return enter_target(c);
}

/* The target of a SYSCALL or SYSRET, which has been done, that the jump cache does not know. arg: RIP. */
static const void *do_target(X86CPU *c, uint32_t data, uint64_t arg)
{
    JIT(c)->indirect++;
    c->rip = arg;
    flags_from_slot(c);
    return enter_target(c);
}

/* An indirect call whose target the jump cache does not know: nothing of it has happened. */
static const void *do_call(X86CPU *c, uint32_t data, uint64_t arg)
{
    const SiteData *d = site(c, data);

    JIT(c)->indirect++;
    tcg_execute(c, &at_insn(c, jit_block(JIT(c), d->block), d->insn)->insn);
    return enter_target(c);
}

/* A block's guard failed, or its poll saw a request. */
static const void *do_entry(X86CPU *c, uint32_t data, uint64_t arg)
{
    TcgCpu *t = TCG(c);
    const Block *b = at_site(c, site(c, data));

    t->jit->guards++;
    if (b->dead || t->jit->leave || t->jit->flush_pending || __atomic_load_n(&t->exit_request, __ATOMIC_RELAXED))
        return dispatch(c);
    /* Most often the page is what it was: only the code TLB had forgotten it. */
    const CodeTlbEntry *e = code_page(c, b->lin);

    /* The look at the second page may have gone outside, where b may have gone. */
    if (!e || e->id != b->id || !second_page_ok(c, b) || b->verify || b->dead || t->jit->leave || t->jit->flush_pending)
        return dispatch(c);
    return resume(c, b, b->body);
}

/* A block with vector instructions is entered while the state is in memory. */
static const void *do_vector(X86CPU *c, uint32_t data, uint64_t arg)
{
    tcg_fpu_to_host(c);
    return retry_at(c, site(c, data));
}

/* A block reads flags that are FLAGS_LAZY. arg: T0, which stays. A light call does it: jit-light.c. */
const void *jit_do_flags(X86CPU *c, uint32_t data, uint64_t arg)
{
    JitHot *h = HOT(c);

    if (h->flags & FLAGS_LAZY)
        h->flags = lazy_flags(h);
    h->t0 = arg;
    return retry_at(c, site(c, data));
}

/* A return to 0 has met a return stack's bottom. arg: RIP. */
const void *jit_do_sentinel(X86CPU *c, uint32_t data, uint64_t arg)
{
    HOT(c)->sp = HOT(c)->class[HOT(c)->present].base;
    c->rip = arg;
    flags_from_slot(c);
    return dispatch(c);
}

/* The host raised an exception in translated code. */
const void *jit_do_fault(X86CPU *c, uint32_t data, uint64_t arg)
{
    JitCpu *j = JIT(c);
    Block *b = jit_block_at(j, j->fault_rip);
    unsigned n = 0;

    while (n + 1 < b->n_insns && b->guard + jit_insn(j, b, n + 1).code <= j->fault_rip)
        n++;
    if (!jit_insn(j, b, n).in_slot)
        HOT(c)->flags = j->fault_flags;
    j->faults++;
    return execute(c, b, n);
}

JitCallee *const jit_callees[THUNKS] = {
    [THUNK_SLOW] = do_slow,   [THUNK_EXEC] = do_exec,       [THUNK_LINK] = do_link,     [THUNK_INDIRECT] = do_indirect,
    [THUNK_ENTRY] = do_entry, [THUNK_CALL] = do_call,       [THUNK_GROUP] = do_group,   [THUNK_VECTOR] = do_vector,
    [THUNK_STRING] = do_exec, [THUNK_FLAGS] = jit_do_flags, [THUNK_TARGET] = do_target,
};
