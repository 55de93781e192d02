/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segmentation: descriptors, segment registers, and the instructions that load, store and question them (SDM volume 3,
 * chapters 3 and 5; volume 2 for the order of checks). Far transfers are in far.c. Light code.
 */
#include "accel/tcg/seg.h"
#include "accel/tcg/sys.h"

/* Descriptors. */

static bool table_of(X86CPU *c, uint16_t sel, uint64_t *base, uint32_t *limit)
{
    if (!(sel & 4)) {
        *base = c->gdt.base;
        *limit = c->gdt.limit;
        return true;
    }
    *base = c->ldt.base;
    *limit = c->ldt.limit;
    return c->ldt.flags & DESC_P;
}

bool desc_fetch(X86CPU *c, uint16_t sel, Desc *d)
{
    uint64_t base;
    uint32_t limit;

    if (!table_of(c, sel, &base, &limit) || (sel | 7U) > limit)
        return false;
    d->lin = (base + (sel & ~7U)) & TCG(c)->lin_mask;
    uint64_t val = tcg_load_lin(c, d->lin, 8, TCG_MMU_SYSTEM);

    d->lo = (uint32_t)val;
    d->hi = (uint32_t)(val >> 32);
    return true;
}

bool desc_fetch_upper(X86CPU *c, uint16_t sel, const Desc *d, uint32_t *upper)
{
    uint64_t base;
    uint32_t limit;

    if (!table_of(c, sel, &base, &limit) || (sel | 7U) + 8 > limit)
        return false;
    uint64_t val = tcg_load_lin(c, d->lin + 8, 8, TCG_MMU_SYSTEM);

    *upper = (uint32_t)val;
    return !(val >> 32 & 0x1f00);
}

void desc_set_access(X86CPU *c, const Desc *d, uint8_t set, uint8_t clear)
{
    uint64_t lin = (d->lin + 5) & TCG(c)->lin_mask;
    uint8_t *p = tcg_host_lin(c, lin, 1, ACCESS_RW, TCG_MMU_SYSTEM);

    if (p) {
        if (set)
            __atomic_fetch_or(p, set, __ATOMIC_SEQ_CST);
        if (clear)
            __atomic_fetch_and(p, (uint8_t)~clear, __ATOMIC_SEQ_CST);
        tcg_host_written(c);
        return;
    }
    tcg_bus_lock(c);
    tcg_store_lin(c, lin, 1, (tcg_load_lin(c, lin, 1, TCG_MMU_SYSTEM) | set) & (uint8_t)~clear, TCG_MMU_SYSTEM);
    tcg_bus_unlock(c);
}

/* Segment registers. */

void seg_from_desc(SegReg *s, uint16_t sel, const Desc *d)
{
    s->selector = sel;
    s->base = desc_base(d);
    s->limit = desc_limit(d);
    s->flags = d->hi & DESC_FLAGS;
}

/* Not usable. SS keeps the CPL in its DPL. */
void seg_set_null(X86CPU *c, unsigned seg, uint16_t sel, unsigned cpl)
{
    c->seg[seg] = (SegReg){.selector = sel, .flags = seg == SEG_SS ? cpl << DESC_DPL_SHIFT : 0};
}

/* The limit, and the size of what the segment holds, stay as they were in protected mode. */
void seg_load_real(X86CPU *c, unsigned seg, uint16_t sel)
{
    SegReg *s = &c->seg[seg];

    s->selector = sel;
    s->base = (uint64_t)sel << 4;
    if (!(s->flags & DESC_P))
        s->limit = 0xffff;
    s->flags = (s->flags & (DESC_DB | DESC_G)) | DESC_P | DESC_S | DESC_W | DESC_A | (seg == SEG_CS ? DESC_CODE : 0);
}

void seg_load_vm86(SegReg *s, uint16_t sel)
{
    s->selector = sel;
    s->base = (uint64_t)sel << 4;
    s->limit = 0xffff;
    s->flags = DESC_P | DESC_S | DESC_W | DESC_A | 3 << DESC_DPL_SHIFT;
}

void seg_drop_inner(X86CPU *c, unsigned cpl)
{
    static const uint8_t which[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned n = 0; n < ARRAY_SIZE(which); n++) {
        SegReg *s = &c->seg[which[n]];
        bool conforming = (s->flags & (DESC_CODE | DESC_C)) == (DESC_CODE | DESC_C);

        if (!(s->flags & DESC_S) || conforming || (s->flags >> DESC_DPL_SHIFT & 3) >= cpl)
            continue;
        /* A base of FS or GS that was set by MSR stays. */
        if (sel_null(s->selector))
            s->flags = 0;
        else
            seg_set_null(c, which[n], 0, cpl);
    }
}

static _Noreturn void bad_sel(X86CPU *c, uint16_t sel)
{
    raise_sel(c, EXC_GP, sel);
}

static void load_ss(X86CPU *c, uint16_t sel)
{
    unsigned cpl = tcg_cpl(c);
    Desc d;

    if (sel_null(sel)) {
        if (!tcg_code64(c) || cpl == 3 || sel_rpl(sel) != cpl)
            tcg_raise_error(c, EXC_GP, 0);
        seg_set_null(c, SEG_SS, sel, cpl);
        return;
    }
    if (!desc_fetch(c, sel, &d) || sel_rpl(sel) != cpl || !desc_is_writable_data(&d) || desc_dpl(&d) != cpl)
        bad_sel(c, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_SS, sel);
    desc_set_accessed(c, &d);
    seg_from_desc(&c->seg[SEG_SS], sel, &d);
}

void tcg_load_seg(X86CPU *c, unsigned seg, uint16_t sel)
{
    Desc d;

    if (!tcg_pe(c)) {
        if (c->cr0 & CR0_PE)
            seg_load_vm86(&c->seg[seg], sel);
        else
            seg_load_real(c, seg, sel);
    } else if (seg == SEG_SS) {
        load_ss(c, sel);
    } else if (sel_null(sel)) {
        seg_set_null(c, seg, sel, 0);
    } else {
        if (!desc_fetch(c, sel, &d) || !desc_is_segment(&d) || (d.hi & (DESC_CODE | DESC_R)) == DESC_CODE)
            bad_sel(c, sel);
        if (!(desc_is_code(&d) && desc_is_conforming(&d)) && (sel_rpl(sel) > desc_dpl(&d) || tcg_cpl(c) > desc_dpl(&d)))
            bad_sel(c, sel);
        if (!desc_present(&d))
            raise_sel(c, EXC_NP, sel);
        desc_set_accessed(c, &d);
        seg_from_desc(&c->seg[seg], sel, &d);
    }
    if (seg != SEG_FS && seg != SEG_GS)
        tcg_mode_changed(c);
}

/* Stacks. */

FarStack far_stack_of(X86CPU *c, const SegReg *ss, uint64_t sp, unsigned cpl)
{
    bool big = ss->flags & DESC_DB;

    return (FarStack){.base = ss->base,
                      .sp = sp,
                      .mask = big ? 0xffffffff : 0xffff,
                      .lin_mask = 0xffffffff,
                      .limit = ss->limit,
                      .down = (ss->flags & (DESC_CODE | DESC_E)) == DESC_E,
                      .big = big,
                      .err = ss->selector & 0xfffc,
                      .mmu = (uint8_t)tcg_mmu_at(c, cpl)};
}

FarStack far_stack_wide(X86CPU *c, uint64_t sp, unsigned cpl)
{
    return (FarStack){.sp = sp, .mask = ~0ULL, .lin_mask = ~0ULL, .wide = true, .mmu = (uint8_t)tcg_mmu_at(c, cpl)};
}

FarStack far_stack(X86CPU *c)
{
    FarStack s = tcg_code64(c) ? far_stack_wide(c, c->gpr[R_RSP], tcg_cpl(c))
                               : far_stack_of(c, &c->seg[SEG_SS], c->gpr[R_RSP], tcg_cpl(c));

    s.err = 0;
    return s;
}

static uint64_t stack_lin(X86CPU *c, const FarStack *s, uint64_t off, unsigned size)
{
    bool ok;

    if (s->wide)
        ok = tcg_canonical(c, off) && tcg_canonical(c, off + size - 1);
    else if (s->down)
        ok = off > s->limit && off + size - 1 <= (s->big ? 0xffffffff : 0xffff);
    else
        ok = off + size - 1 <= s->limit;
    if (!ok)
        raise_sel(c, EXC_SS, s->err);
    return (s->base + off) & s->lin_mask;
}

void far_room(X86CPU *c, const FarStack *s, unsigned bytes)
{
    uint64_t first = (s->sp - 2) & s->mask, last = (s->sp - bytes) & s->mask;

    stack_lin(c, s, first, 2);
    stack_lin(c, s, last, 2);
}

void far_push(X86CPU *c, FarStack *s, unsigned size, uint64_t val)
{
    uint64_t sp = (s->sp - size) & s->mask;

    tcg_store_lin(c, stack_lin(c, s, sp, size), size, val & size_mask(size), s->mmu);
    s->sp = (s->sp & ~s->mask) | sp;
}

uint64_t far_pop(X86CPU *c, FarStack *s, unsigned size)
{
    uint64_t val = tcg_load_lin(c, stack_lin(c, s, s->sp & s->mask, size), size, s->mmu);

    s->sp = (s->sp & ~s->mask) | ((s->sp + size) & s->mask);
    return val;
}

uint64_t far_sp(X86CPU *c, const FarStack *s, uint64_t old)
{
    return s->mask == 0xffff ? (old & ~0xffffULL) | (s->sp & 0xffff) : s->sp & s->mask;
}

uint64_t seg_tss64_stack(X86CPU *c, unsigned off)
{
    if (off + 7 > c->tr.limit)
        raise_sel(c, EXC_TS, c->tr.selector);
    uint64_t sp = tcg_load_lin(c, c->tr.base + off, 8, TCG_MMU_SYSTEM);

    if (!tcg_canonical(c, sp))
        raise_sel(c, EXC_SS, 0);
    return sp;
}

void seg_inner_stack(X86CPU *c, unsigned dpl, InnerStack *out)
{
    bool tss32 = c->tr.flags & 8 << DESC_TYPE_SHIFT;
    unsigned off = tss32 ? dpl * 8 + 4 : dpl * 4 + 2, size = tss32 ? 4 : 2;
    uint64_t lin = c->tr.base + off;
    Desc *d = &out->desc;

    if (off + size + 1 > c->tr.limit)
        raise_sel(c, EXC_TS, c->tr.selector);
    out->sp = tcg_load_lin(c, lin & 0xffffffff, size, TCG_MMU_SYSTEM);
    uint16_t sel = (uint16_t)tcg_load_lin(c, (lin + size) & 0xffffffff, 2, TCG_MMU_SYSTEM);

    if (sel_null(sel))
        raise_sel(c, EXC_TS, 0);
    if (!desc_fetch(c, sel, d) || sel_rpl(sel) != dpl || desc_dpl(d) != dpl || !desc_is_writable_data(d))
        raise_sel(c, EXC_TS, sel);
    if (!desc_present(d))
        raise_sel(c, EXC_SS, sel);
    seg_from_desc(&out->ss, sel, d);
}

/* MOV, PUSH, POP, LES ... */

/* Interrupts wait for one instruction after SS was loaded, debug traps too (SDM volume 3, 6.8.3). */
static void shadow_after_ss(X86CPU *c)
{
    c->interrupt_shadow = SHADOW_SS;
    TCG(c)->trap_flag_off = true;
}

HANDLER(MOV_TO_SEG)
{
    unsigned seg = i->operand[0].reg;

    if (seg == SEG_CS || seg >= SEG_REGS)
        tcg_raise(c, EXC_UD);
    tcg_load_seg(c, seg, (uint16_t)op_get(c, i, 1));
    if (seg == SEG_SS)
        shadow_after_ss(c);
}

HANDLER(MOV_FROM_SEG)
{
    if (i->operand[1].reg >= SEG_REGS)
        tcg_raise(c, EXC_UD);
    op_set(c, i, 0, c->seg[i->operand[1].reg].selector);
}

HANDLER(PUSH_SEG)
{
    Stack s = stack_begin(c);

    stack_push(c, &s, i->osz, c->seg[i->operand[0].reg].selector);
    stack_commit(c, &s);
}

HANDLER(POP_SEG)
{
    unsigned seg = i->operand[0].reg;
    Stack s = stack_begin(c);
    uint16_t sel = (uint16_t)stack_pop(c, &s, i->osz);

    tcg_load_seg(c, seg, sel);
    stack_commit(c, &s);
    if (seg == SEG_SS)
        shadow_after_ss(c);
}

HANDLER(LSEG)
{
    static const uint8_t of_0f[] = {[2] = SEG_SS, [4] = SEG_FS, [5] = SEG_GS};
    unsigned seg = i->map == MAP_0F ? of_0f[i->opcode & 7] : i->opcode == 0xc4 ? SEG_ES : SEG_DS;
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), i->osz + 2U, ACCESS_R);
    uint64_t off = tcg_load_lin(c, lin, i->osz, tcg_mmu(c));

    tcg_load_seg(c, seg, (uint16_t)tcg_load_lin(c, (lin + i->osz) & TCG(c)->lin_mask, 2, tcg_mmu(c)));
    gpr_set(c, i->reg, i->osz, off);
}

/* Descriptor tables. */

static void umip(X86CPU *c)
{
    if (TCG(c)->mode & TM_UMIP)
        tcg_raise_error(c, EXC_GP, 0);
}

static void load_table(X86CPU *c, const Insn *i, DescTable *table)
{
    unsigned base_size = i->code_size == 8 ? 8 : 4;
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), base_size + 2, ACCESS_R), mask = TCG(c)->lin_mask;
    uint16_t limit = (uint16_t)tcg_load_lin(c, lin, 2, tcg_mmu(c));
    uint64_t base = tcg_load_lin(c, (lin + 2) & mask, base_size, tcg_mmu(c));

    if (base_size == 8 && !tcg_canonical_max(c, base))
        tcg_raise_error(c, EXC_GP, 0);
    if (base_size == 4 && i->osz == 2)
        base &= 0xffffff;
    *table = (DescTable){.base = base, .limit = limit};
}

/* All bytes of the base are stored whatever the operand size, as processors since the 386 do. */
static void store_table(X86CPU *c, const Insn *i, const DescTable *table)
{
    unsigned base_size = i->code_size == 8 ? 8 : 4;

    umip(c);
    uint64_t lin = tcg_lin(c, i->seg, tcg_ea(c, i), base_size + 2, ACCESS_W), mask = TCG(c)->lin_mask;

    tcg_probe_lin(c, lin, base_size + 2, ACCESS_W, tcg_mmu(c));
    tcg_store_lin(c, lin, 2, table->limit, tcg_mmu(c));
    tcg_store_lin(c, (lin + 2) & mask, base_size, table->base, tcg_mmu(c));
}

HANDLER(LGDT)
{
    load_table(c, i, &c->gdt);
}

HANDLER(LIDT)
{
    load_table(c, i, &c->idt);
}

HANDLER(SGDT)
{
    store_table(c, i, &c->gdt);
}

HANDLER(SIDT)
{
    store_table(c, i, &c->idt);
}

HANDLER(SLDT)
{
    umip(c);
    op_set(c, i, 0, c->ldt.selector);
}

HANDLER(STR)
{
    umip(c);
    op_set(c, i, 0, c->tr.selector);
}

/* A system segment's base has 64 bits in long mode. */
static uint64_t system_base(X86CPU *c, uint16_t sel, const Desc *d)
{
    uint32_t upper = 0;

    if (!tcg_long(c))
        return desc_base(d);
    if (!desc_fetch_upper(c, sel, d, &upper))
        raise_sel(c, EXC_GP, sel);
    uint64_t base = (uint64_t)upper << 32 | desc_base(d);

    if (!tcg_canonical_max(c, base))
        raise_sel(c, EXC_GP, sel);
    return base;
}

HANDLER(LLDT)
{
    uint16_t sel = (uint16_t)op_get(c, i, 0);
    Desc d;

    if (sel_null(sel)) {
        c->ldt = (SegReg){.selector = sel};
        return;
    }
    if (sel & 4 || !desc_fetch(c, sel, &d) || desc_is_segment(&d) || desc_type(&d) != SYS_LDT)
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_NP, sel);
    uint64_t base = system_base(c, sel, &d);

    seg_from_desc(&c->ldt, sel, &d);
    c->ldt.base = base;
}

HANDLER(LTR)
{
    uint16_t sel = (uint16_t)op_get(c, i, 0);
    Desc d;

    if (sel_null(sel))
        tcg_raise_error(c, EXC_GP, 0);
    if (sel & 4 || !desc_fetch(c, sel, &d) || desc_is_segment(&d) ||
        !(desc_type(&d) == SYS_TSS32 || (desc_type(&d) == SYS_TSS16 && !tcg_long(c))))
        raise_sel(c, EXC_GP, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_NP, sel);
    uint64_t base = system_base(c, sel, &d);

    desc_set_access(c, &d, TSS_BUSY, 0);
    seg_from_desc(&c->tr, sel, &d);
    c->tr.base = base;
    c->tr.flags |= TSS_BUSY << DESC_TYPE_SHIFT;
}

/* LAR, LSL, VERR, VERW, ARPL. */

static void set_zf(X86CPU *c, bool on)
{
    c->rflags = (c->rflags & ~(uint64_t)FLAG_ZF) | (on ? FLAG_ZF : 0);
}

/* Whether the present CPL may look at sel; system types that count: bits of `system`. */
static bool visible(X86CPU *c, uint16_t sel, Desc *d, uint32_t system)
{
    if (sel_null(sel) || !desc_fetch(c, sel, d))
        return false;
    if (!desc_is_segment(d) && !(system >> desc_type(d) & 1))
        return false;
    if (desc_is_code(d) && desc_is_conforming(d))
        return true;
    return desc_dpl(d) >= tcg_cpl(c) && desc_dpl(d) >= sel_rpl(sel);
}

HANDLER(LAR)
{
    uint16_t sel = (uint16_t)op_get(c, i, 1);
    uint32_t types = tcg_long(c)
                         ? BIT32(SYS_LDT) | BIT32(SYS_TSS32) | BIT32(SYS_TSS32_BUSY) | BIT32(SYS_CALL32)
                         : BIT32(SYS_TSS16) | BIT32(SYS_LDT) | BIT32(SYS_TSS16_BUSY) | BIT32(SYS_CALL16) |
                               BIT32(SYS_TASK_GATE) | BIT32(SYS_TSS32) | BIT32(SYS_TSS32_BUSY) | BIT32(SYS_CALL32);
    Desc d;
    bool ok = visible(c, sel, &d, types);

    if (ok)
        gpr_set(c, i->operand[0].reg, i->osz, d.hi & (i->osz == 2 ? 0xff00 : 0x00f0ff00));
    set_zf(c, ok);
}

HANDLER(LSL)
{
    uint16_t sel = (uint16_t)op_get(c, i, 1);
    uint32_t types = BIT32(SYS_LDT) | BIT32(SYS_TSS32) | BIT32(SYS_TSS32_BUSY) |
                     (tcg_long(c) ? 0 : BIT32(SYS_TSS16) | BIT32(SYS_TSS16_BUSY));
    Desc d;
    bool ok = visible(c, sel, &d, types);

    if (ok)
        gpr_set(c, i->operand[0].reg, i->osz, desc_limit(&d));
    set_zf(c, ok);
}

HANDLER(VERR)
{
    Desc d;
    bool ok = visible(c, (uint16_t)op_get(c, i, 0), &d, 0);

    set_zf(c, ok && (!desc_is_code(&d) || d.hi & DESC_R));
}

HANDLER(VERW)
{
    Desc d;
    bool ok = visible(c, (uint16_t)op_get(c, i, 0), &d, 0);

    set_zf(c, ok && desc_is_writable_data(&d));
}

HANDLER(ARPL)
{
    uint16_t dest = (uint16_t)op_get(c, i, 0), src = (uint16_t)op_get(c, i, 1);
    bool raise = sel_rpl(dest) < sel_rpl(src);

    if (raise)
        op_set(c, i, 0, (dest & ~3U) | sel_rpl(src));
    set_zf(c, raise);
}
