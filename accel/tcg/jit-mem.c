/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory in translated code. The linear address in T0, the software TLB's entry in T1:
 *
 *     rorx t1, t0, 7; and t1d, (TLB_ENTRIES - 1) << 5
 *     xor  t0, gs:[t1 + tag]        the offset in the page where the tag is this page's
 *     cmp  t0, 4096 - size; ja      a miss, or beyond the page's end
 *     add  t0, gs:[t1 + host]
 *
 * and then the guest's own instruction with [t0]. A miss (cold) takes T0 back to the linear address, fills the entry
 * and comes back to the beginning, or executes the instruction by its handler. Nothing of the instruction has happened
 * before its last check.
 */
#include "accel/tcg/jit-internal.h"

int32_t tr_tlb_tag(unsigned mmu, unsigned access)
{
    return G_TCG(tlb) + (int32_t)(mmu * TLB_ENTRIES * sizeof(TlbEntry)) +
           (int32_t)(access & ACCESS_W ? offsetof(TlbEntry, write) : offsetof(TlbEntry, read));
}

static int32_t host_at(unsigned mmu)
{
    return G_TCG(tlb) + (int32_t)(mmu * TLB_ENTRIES * sizeof(TlbEntry)) + (int32_t)offsetof(TlbEntry, host);
}

static bool fits32(int64_t v)
{
    return v == (int32_t)v;
}

/* A host register with guest register g: its own, or T after a load. */
static unsigned in_register(Tr *t, unsigned g, unsigned temp)
{
    if (!spilled(g))
        return hreg(g);
    emit_load(&t->e, 8, temp, rm_gs(G_GPR(g)));
    return temp;
}

bool tr_ea(Tr *t, const Insn *i, uint64_t *constant)
{
    Emit *e = &t->e;
    unsigned size = i->asz == 8 ? 8 : 4;
    uint64_t disp = (uint64_t)(i->disp + t->ea_off);

    if (i->base == BASE_RIP) {
        *constant = (t->rip[t->at] + i->len + disp) & size_mask(i->asz);
        return true;
    }
    if (i->base == REG_NONE && i->index == REG_NONE) {
        *constant = disp & size_mask(i->asz);
        return true;
    }
    Rm rm = {.mem = 1, .base = H_NONE, .index = H_NONE, .scale = 1, .disp = (int32_t)disp};

    if (i->base != REG_NONE)
        rm.base = (uint8_t)in_register(t, i->base, T0);
    if (i->index != REG_NONE) {
        rm.index = (uint8_t)in_register(t, i->index, T1);
        rm.scale = i->scale;
        if (rm.scale == 1 && rm.base == H_NONE) {
            rm.base = rm.index;
            rm.index = H_NONE;
        }
    }
    if (rm.index == H_NONE && !rm.disp)
        emit_mov(e, size, T0, rm.base);
    else
        emit_lea(e, size, T0, rm);
    if (i->asz == 2)
        emit_load(e, 2, T0, rm_reg(T0));
    return false;
}

static bool flat(const Tr *t, unsigned seg)
{
    static const uint32_t bits[SEG_REGS] = {[SEG_ES] = TM_FLAT_ES, [SEG_SS] = TM_FLAT_SS, [SEG_DS] = TM_FLAT_DS};

    if (t->mode & TM_CODE64)
        return seg < SEG_FS;
    return bits[seg] && t->mode & bits[seg];
}

void tr_lin(Tr *t, const Insn *i, unsigned seg, unsigned size, unsigned access)
{
    Emit *e = &t->e;

    if (flat(t, seg))
        return;
    if (t->mode & TM_CODE64) {
        emit_alu(e, ALU_ADD, 8, T0, rm_gs(G_CPU(seg[0].base) + (int32_t)(seg * sizeof(SegReg))));
        return;
    }
    bool write = access & ACCESS_W;

    emit_lea(e, 8, T1, rm_mem(T0, (int32_t)size - 1));
    emit_alu(e, ALU_CMP, 8, T1, rm_gs(G_HOT(limit) + (int32_t)((write ? SEG_REGS * 8 : 0) + seg * 8)));
    t->limit_miss = emit_jcc_fwd(e, CC_AE);
    emit_alu(e, ALU_ADD, 4, T0, rm_gs(G_CPU(seg[0].base) + (int32_t)(seg * sizeof(SegReg))));
}

/* Beyond a limit: the handler does it. */
static void limit_cold(Tr *t)
{
    if (t->limit_miss) {
        Cold *c = tr_cold(t, COLD_SITE, t->limit_miss);

        c->thunk = THUNK_EXEC;
        t->limit_miss = 0;
    }
}

static Cold *slow(Tr *t, uint32_t from, unsigned size, unsigned access, uint32_t retry, bool constant, uint64_t lin)
{
    Cold *c = tr_cold(t, COLD_SLOW, from);

    c->size = (uint8_t)size;
    c->access = (uint8_t)access;
    c->mmu = (uint8_t)t->mmu;
    c->retry = retry;
    c->constant = constant;
    c->lin = lin;
    return c;
}

/* T0 is the host's address now, and C may come back to here with one of its own: to two pages that lie side by side in
 * the host, or to a copy (jit-cross.c). Locked accesses are left to their handlers. */
static void checked(Tr *t, Cold *c)
{
    const Insn *i = &t->insn[t->at];
    unsigned plan = t->plan[t->at];

    if (i->lock || (i->desc->exec == EXEC_OP && i->desc->op == OP_XCHG))
        return;
    c->after = emit_at(&t->e);
    if (!(i->desc->attrs & INSN_FPU))
        c->alone = plan == PLAN_INT || plan == PLAN_HOST || (plan == PLAN_SYS && c->access == ACCESS_R);
}

/* The compare: T0: linear address to offset, T1: entry; gives the rel32 of the miss. */
static uint32_t compare(Tr *t, unsigned size, unsigned access)
{
    Emit *e = &t->e;

    if (t->j->has_rorx) {
        emit_bytes(e, "\xc4\x43\xfb\xf0\xda\x07", 6); /* RORX R11, R10, 7 */
    } else {
        emit_mov(e, 4, T1, T0);
        emit_shift_imm(e, 5, 4, rm_reg(T1), 7);
    }
    emit_alu_imm(e, ALU_AND, 4, rm_reg(T1), (TLB_ENTRIES - 1) << 5);
    emit_alu(e, ALU_XOR, 8, T0, rm_gs_at(T1, tr_tlb_tag(t->mmu, access)));
    emit_alu_imm(e, ALU_CMP, 8, rm_reg(T0), (int32_t)(PAGE_SIZE - size));
    return emit_jcc_fwd(e, CC_A);
}

Rm tr_check(Tr *t, unsigned size, unsigned access)
{
    Emit *e = &t->e;

    limit_cold(t);
    Cold *c = slow(t, compare(t, size, access), size, access, t->access_at, false, 0);

    emit_alu(e, ALU_ADD, 8, T0, rm_gs_at(T1, host_at(t->mmu)));
    checked(t, c);
    t->info[t->at].in_slot = t->flags == IN_SLOT;
    return rm_mem(T0, 0);
}

/* The compare where the page is known. */
static uint32_t compare_const(Tr *t, uint64_t page, unsigned access)
{
    Emit *e = &t->e;
    int32_t tag = tr_tlb_tag(t->mmu, access) + (int32_t)((page >> PAGE_BITS & (TLB_ENTRIES - 1)) * sizeof(TlbEntry));

    if (fits32((int64_t)page)) {
        emit_alu_imm(e, ALU_CMP, 8, rm_gs(tag), (int32_t)page);
    } else {
        emit_imm(e, T0, page);
        emit_alu(e, ALU_CMP, 8, T0, rm_gs(tag));
    }
    return emit_jcc_fwd(e, CC_NE);
}

Rm tr_lead(Tr *t, unsigned which, unsigned size, unsigned access)
{
    Emit *e = &t->e;
    Group *g = tr_group(t, which);
    int64_t off = t->offset_of[t->at][which];
    unsigned need = g->write ? ACCESS_W : ACCESS_R;
    uint32_t miss = g->constant ? compare_const(t, g->page, need) : compare(t, (unsigned)(g->max - g->min), need);
    Cold *c = tr_cold(t, COLD_GROUP, miss);

    c->size = (uint8_t)size;
    c->access = (uint8_t)access;
    c->mmu = (uint8_t)t->mmu;
    c->retry = t->access_at;
    c->constant = g->constant;
    c->lin = g->page;
    c->group = g;
    c->lead = (uint16_t)(off - (g->constant ? 0 : g->min));
    if (g->constant)
        emit_load(e, 8, T0,
                  rm_gs(host_at(t->mmu) + (int32_t)((g->page >> PAGE_BITS & (TLB_ENTRIES - 1)) * sizeof(TlbEntry))));
    else
        emit_alu(e, ALU_ADD, 8, T0, rm_gs_at(T1, host_at(t->mmu)));
    if (g->slot >= 0)
        emit_store(e, 8, rm_gs(G_HOT(held) + g->slot * 8), T0);
    g->checked = true;
    tr_hold(t, which);
    t->info[t->at].in_slot = t->flags == IN_SLOT;
    return rm_mem(T0, c->lead);
}

Rm tr_check_const(Tr *t, uint64_t lin, unsigned size, unsigned access)
{
    Emit *e = &t->e;
    int32_t entry = (int32_t)((lin >> PAGE_BITS & (TLB_ENTRIES - 1)) * sizeof(TlbEntry));
    uint32_t miss = (lin & 0xfff) + size > PAGE_SIZE ? emit_jmp_fwd(e) : compare_const(t, lin & PAGE_MASK, access);

    slow(t, miss, size, access, t->access_at, true, lin);
    emit_load(e, 8, T0, rm_gs(host_at(t->mmu) + entry));
    t->info[t->at].in_slot = t->flags == IN_SLOT;
    return rm_mem(T0, (int32_t)(lin & 0xfff));
}

void tr_begin_access(Tr *t)
{
    tr_clobber(t);
    t->access_at = emit_at(&t->e);
}

/* The group's check stands before this access. */
static bool leads(Tr *t, const Insn *i, unsigned size, unsigned access)
{
    Group *g = tr_group(t, 0);
    int64_t off = t->offset_of[t->at][0];

    if (!g || g->checked || off < g->min || off + (int64_t)size > g->max || (access & ACCESS_W && !g->write))
        return false;
    t->ea_off = g->constant ? 0 : g->min - off;
    return fits32(i->disp + t->ea_off);
}

Rm tr_access(Tr *t, const Insn *i, unsigned size, unsigned access)
{
    uint64_t constant;
    Rm rm;

    if (tr_held(t, 0, size, access, &rm))
        return rm;
    tr_begin_access(t);
    if (leads(t, i, size, access)) {
        if (!tr_ea(t, i, &constant))
            tr_lin(t, i, i->seg, size, access);
        else if (!tr_group(t, 0)->constant) { /* FS:[constant], GS:[RIP + n] */
            emit_imm(&t->e, T0, constant);
            tr_lin(t, i, i->seg, size, access);
        }
        t->ea_off = 0;
        return tr_lead(t, 0, size, access);
    }
    t->ea_off = 0;
    if (tr_ea(t, i, &constant)) {
        if (flat(t, i->seg))
            return tr_check_const(t, constant, size, access);
        emit_imm(&t->e, T0, constant);
    }
    tr_lin(t, i, i->seg, size, access);
    return tr_check(t, size, access);
}
