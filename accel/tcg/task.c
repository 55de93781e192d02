/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Task switches (SDM volume 3, chapter 7.3): state to the old task state segment, state from the new one, busy flags
 * and the back link.
 *
 * Faults before the commit point belong to the old task; after it (descriptors of the new task, its LDT, its stack) the
 * CPU is in the new task, with CS:EIP from its TSS, and its segment registers are not loaded from the faulting one on.
 * Light code.
 */
#include "accel/tcg/seg.h"
#include "accel/tcg/sys.h"

/* A TSS's fields; 16-bit registers in the 16-bit one. */
typedef struct TssLayout {
    uint8_t size; /* of a register */
    uint8_t cr3;  /* 0: none */
    uint8_t ip, flags, gpr, seg, ldt;
    uint8_t seg_step, n_segs;
    uint16_t min_limit;
} TssLayout;
static const TssLayout layout16 = {
    .size = 2, .ip = 14, .flags = 16, .gpr = 18, .seg = 34, .ldt = 42, .seg_step = 2, .n_segs = 4, .min_limit = 43};
static const TssLayout layout32 = {.size = 4,
                                   .cr3 = 28,
                                   .ip = 32,
                                   .flags = 36,
                                   .gpr = 40,
                                   .seg = 72,
                                   .ldt = 96,
                                   .seg_step = 4,
                                   .n_segs = 6,
                                   .min_limit = 103};
enum { TSS32_TRAP = 100 };

/* The registers' order in a TSS is that of R_RAX ... and SEG_ES ... */

static uint64_t tss_load(X86CPU *c, uint64_t base, unsigned off, unsigned size)
{
    return tcg_load_lin(c, (base + off) & 0xffffffff, size, TCG_MMU_SYSTEM);
}

static void tss_store(X86CPU *c, uint64_t base, unsigned off, unsigned size, uint64_t val)
{
    tcg_store_lin(c, (base + off) & 0xffffffff, size, val, TCG_MMU_SYSTEM);
}

static const TssLayout *layout_of(uint32_t flags)
{
    return flags & 8 << DESC_TYPE_SHIFT ? &layout32 : &layout16;
}

void task_gate_tss(X86CPU *c, const Desc *gate, uint16_t *sel, Desc *tss)
{
    uint16_t s = (uint16_t)(gate->lo >> 16);

    if (s & 4 || sel_null(s) || !desc_fetch(c, s, tss) || desc_is_segment(tss) ||
        (desc_type(tss) != SYS_TSS16 && desc_type(tss) != SYS_TSS32))
        raise_sel(c, EXC_GP, s);
    if (!desc_present(tss))
        raise_sel(c, EXC_NP, s);
    *sel = s;
}

typedef struct NewTask {
    uint32_t cr3, ip, flags, gpr[8];
    uint16_t seg[SEG_REGS], ldt;
    bool trap;
} NewTask;

static void read_new(X86CPU *c, uint64_t base, const TssLayout *l, NewTask *t)
{
    *t = (NewTask){.cr3 = l->cr3 ? (uint32_t)tss_load(c, base, l->cr3, 4) : 0,
                   .ip = (uint32_t)tss_load(c, base, l->ip, l->size),
                   .flags = (uint32_t)tss_load(c, base, l->flags, l->size),
                   .ldt = (uint16_t)tss_load(c, base, l->ldt, 2),
                   .trap = l == &layout32 && tss_load(c, base, TSS32_TRAP, 2) & 1};
    for (unsigned n = 0; n < 8; n++)
        t->gpr[n] = (uint32_t)tss_load(c, base, l->gpr + n * l->size, l->size);
    for (unsigned n = 0; n < l->n_segs; n++)
        t->seg[n] = (uint16_t)tss_load(c, base, l->seg + n * l->seg_step, 2);
}

static void save_old(X86CPU *c, const TssLayout *l, uint64_t ip, uint64_t flags)
{
    uint64_t base = c->tr.base;

    tss_store(c, base, l->ip, l->size, ip);
    tss_store(c, base, l->flags, l->size, flags);
    for (unsigned n = 0; n < 8; n++)
        tss_store(c, base, l->gpr + n * l->size, l->size, c->gpr[n]);
    for (unsigned n = 0; n < l->n_segs; n++)
        tss_store(c, base, l->seg + n * l->seg_step, 2, c->seg[n].selector);
}

/* Everything below is in the new task: faults have its CS:EIP. */

static void load_ldt(X86CPU *c, uint16_t sel)
{
    Desc d;

    c->ldt = (SegReg){.selector = sel};
    if (sel_null(sel))
        return;
    if (sel & 4 || !desc_fetch(c, sel, &d) || desc_is_segment(&d) || desc_type(&d) != SYS_LDT || !desc_present(&d))
        raise_sel(c, EXC_TS, sel);
    seg_from_desc(&c->ldt, sel, &d);
}

/* The code segment's level is checked before the stack is, all else of it afterwards (table 7-1). */
static void check_cs_level(X86CPU *c, uint16_t sel)
{
    Desc d;

    if (sel_null(sel) || !desc_fetch(c, sel, &d) || !desc_is_code(&d))
        return;
    if (desc_is_conforming(&d) ? desc_dpl(&d) > sel_rpl(sel) : desc_dpl(&d) != sel_rpl(sel))
        raise_sel(c, EXC_TS, sel);
}

static void load_cs(X86CPU *c, uint16_t sel)
{
    Desc d;

    if (sel_null(sel) || !desc_fetch(c, sel, &d) || !desc_is_code(&d))
        raise_sel(c, EXC_TS, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_NP, sel);
    desc_set_accessed(c, &d);
    seg_from_desc(&c->seg[SEG_CS], sel, &d);
}

static void load_stack(X86CPU *c, uint16_t sel, unsigned cpl)
{
    Desc d;

    if (sel_null(sel) || !desc_fetch(c, sel, &d) || sel_rpl(sel) != cpl || !desc_is_writable_data(&d) ||
        desc_dpl(&d) != cpl)
        raise_sel(c, EXC_TS, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_SS, sel);
    desc_set_accessed(c, &d);
    seg_from_desc(&c->seg[SEG_SS], sel, &d);
}

static void load_data(X86CPU *c, unsigned seg, uint16_t sel, unsigned cpl)
{
    Desc d;

    if (sel_null(sel))
        return;
    if (!desc_fetch(c, sel, &d) || !desc_is_segment(&d) || (d.hi & (DESC_CODE | DESC_R)) == DESC_CODE)
        raise_sel(c, EXC_TS, sel);
    if (!(desc_is_code(&d) && desc_is_conforming(&d)) && (desc_dpl(&d) < cpl || desc_dpl(&d) < sel_rpl(sel)))
        raise_sel(c, EXC_TS, sel);
    if (!desc_present(&d))
        raise_sel(c, EXC_NP, sel);
    desc_set_accessed(c, &d);
    seg_from_desc(&c->seg[seg], sel, &d);
}

static void load_segments(X86CPU *c, const NewTask *t)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    unsigned cpl = sel_rpl(t->seg[SEG_CS]);

    /* None is usable before it is loaded; SS's DPL is the CPL. */
    for (unsigned n = 0; n < SEG_REGS; n++)
        c->seg[n] = (SegReg){.selector = t->seg[n], .flags = n == SEG_SS ? cpl << DESC_DPL_SHIFT : 0};
    tcg_mode_changed(c);
    load_ldt(c, t->ldt);
    if (c->rflags & FLAG_VM) {
        for (unsigned n = 0; n < SEG_REGS; n++)
            seg_load_vm86(&c->seg[n], t->seg[n]);
        return;
    }
    check_cs_level(c, t->seg[SEG_CS]);
    load_stack(c, t->seg[SEG_SS], cpl);
    tcg_mode_changed(c);
    load_cs(c, t->seg[SEG_CS]);
    for (unsigned n = 0; n < ARRAY_SIZE(data); n++)
        load_data(c, data[n], t->seg[data[n]], cpl);
}

static void push_error(X86CPU *c, const TssLayout *l, uint32_t error)
{
    FarStack s = far_stack_of(c, &c->seg[SEG_SS], c->gpr[R_RSP], tcg_cpl(c));

    s.err = 0;
    far_push(c, &s, l->size, error);
    c->gpr[R_RSP] = far_sp(c, &s, c->gpr[R_RSP]);
}

void task_switch(X86CPU *c, uint16_t sel, Desc *d, TaskSwitch why, uint64_t ip, bool has_error, uint32_t error)
{
    const TssLayout *l = layout_of(d->hi), *old = layout_of(c->tr.flags);
    uint64_t base = desc_base(d), flags = c->rflags;
    TcgCpu *t = TCG(c);
    Desc old_desc;
    NewTask task;

    if (desc_limit(d) < l->min_limit)
        raise_sel(c, EXC_TS, sel);
    /* All that may fault in the old task's name comes before the first change: both segments, both descriptors. */
    bool have_old = desc_fetch(c, c->tr.selector & 0xfff8, &old_desc);

    tcg_probe_lin(c, c->tr.base & 0xffffffff, old->min_limit + 1U, ACCESS_RW, TCG_MMU_SYSTEM);
    read_new(c, base, l, &task);
    if (why == TASK_CALL || why == TASK_EVENT)
        tcg_probe_lin(c, base & 0xffffffff, 2, ACCESS_W, TCG_MMU_SYSTEM);
    if (why == TASK_IRET)
        flags &= ~(uint64_t)FLAG_NT;
    if ((why == TASK_JMP || why == TASK_IRET) && have_old)
        desc_set_access(c, &old_desc, 0, TSS_BUSY);
    if (why != TASK_IRET)
        desc_set_access(c, d, TSS_BUSY, 0);
    save_old(c, old, ip, flags);
    if (why == TASK_CALL || why == TASK_EVENT) {
        tss_store(c, base, 0, 2, c->tr.selector);
        task.flags |= FLAG_NT;
    }

    /* The commit point: from here on it is the new task. */
    c->cr0 |= CR0_TS;
    seg_from_desc(&c->tr, sel, d);
    c->tr.flags |= TSS_BUSY << DESC_TYPE_SHIFT;
    c->dr[7] &= ~0x55ULL; /* local breakpoints */
    c->rip = t->next_rip = task.ip;
    c->rflags = (l->size == 2 ? task.flags & 0x7fd7 : task.flags & 0x3f7fd7) | 2;
    for (unsigned n = 0; n < 8; n++)
        c->gpr[n] = l->size == 4 ? task.gpr[n] : 0xffff0000U | task.gpr[n]; /* as the 80386 fills them up */
    t->resume_flag = c->rflags & FLAG_RF;
    t->trap_flag_off = true;
    if (l->cr3 && c->cr0 & CR0_PG && task.cr3 != (uint32_t)c->cr3) {
        c->cr3 = task.cr3;
        if (c->cr4 & CR4_PAE && !tcg_load_pdptrs(c, task.cr3))
            raise_sel(c, EXC_TS, sel);
        tcg_flush_tlb(c, false);
    }
    load_segments(c, &task);
    tcg_mode_changed(c);
    if (has_error)
        push_error(c, l, error);
    if (c->rip > c->seg[SEG_CS].limit)
        raise_sel(c, EXC_GP, 0);
    far_check_vip(c);
    if (task.trap) {
        c->dr[6] |= 1 << 15;
        tcg_raise_trap(c, EXC_DB);
    }
}
