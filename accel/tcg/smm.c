/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode: the way in by SMI and out by RSM, with the AMD64 state-save area (APM volume 2, table 10-1),
 * which 64-bit processors of this machine have whatever their vendor. Revision 0x20064: SMBASE can be moved; no restart
 * of I/O instructions; a CPU that was halted is halted again unless the handler clears the restart byte. Light code.
 */
#include "accel/tcg/seg.h"
#include "accel/tcg/sys.h"

/* Offsets from SMBASE. */
enum {
    SAVE_SEG = 0xfe00 /* ES CS SS DS FS GS, 16 bytes each */,
    SAVE_GDT = 0xfe60,
    SAVE_LDT = 0xfe70,
    SAVE_IDT = 0xfe80,
    SAVE_TR = 0xfe90,
    SAVE_IO = 0xfec0,
    SAVE_RESTART_IO = 0xfec8 /* bytes */,
    SAVE_RESTART_HALT = 0xfec9,
    SAVE_EFER = 0xfed0,
    SAVE_REVISION = 0xfefc,
    SAVE_SMBASE = 0xff00,
    SAVE_CR4 = 0xff48,
    SAVE_CR3 = 0xff50,
    SAVE_CR0 = 0xff58,
    SAVE_DR7 = 0xff60,
    SAVE_DR6 = 0xff68,
    SAVE_RFLAGS = 0xff70,
    SAVE_RIP = 0xff78,
    SAVE_R15 = 0xff80 /* down to R8 */,
    SAVE_RDI = 0xffc0 /* RDI RSI RBP RSP RBX RDX RCX RAX */,
};
enum { REVISION = 0x20064, ENTRY = 0x8000 };

static void put(X86CPU *c, unsigned at, unsigned size, uint64_t val)
{
    tcg_phys_store(c, (uint64_t)c->smbase + at, size, val);
}
static uint64_t get(X86CPU *c, unsigned at, unsigned size)
{
    return tcg_phys_load(c, (uint64_t)c->smbase + at, size);
}

/* Attributes there: the descriptor's bits 8-15 and 20-23 as twelve. */
static void put_seg(X86CPU *c, unsigned at, const SegReg *s)
{
    put(c, at, 2, s->selector);
    put(c, at + 2, 2, (s->flags >> 8 & 0xff) | (s->flags >> 12 & 0xf00));
    put(c, at + 4, 4, s->limit);
    put(c, at + 8, 8, s->base);
}
static void get_seg(X86CPU *c, unsigned at, SegReg *s)
{
    uint32_t attr = (uint32_t)get(c, at + 2, 2);

    s->selector = (uint16_t)get(c, at, 2);
    s->flags = (attr & 0xff) << 8 | (attr & 0xf00) << 12;
    s->limit = (uint32_t)get(c, at + 4, 4);
    s->base = get(c, at + 8, 8);
}

/* Where RAX ... R15 are. */
static unsigned gpr_at(unsigned r)
{
    return r >= R_R8 ? SAVE_R15 + (R_R15 - r) * 8U : SAVE_RDI + (R_RDI - r) * 8U;
}

static void view_changed(X86CPU *c, bool smm)
{
    c->in_smm = smm;
    tcg_flush_tlb(c, true);
}

static void save(X86CPU *c)
{
    for (unsigned n = 0; n < SEG_REGS; n++)
        put_seg(c, SAVE_SEG + n * 16, &c->seg[n]);
    put_seg(c, SAVE_LDT, &c->ldt);
    put_seg(c, SAVE_TR, &c->tr);
    put(c, SAVE_GDT + 4, 4, c->gdt.limit);
    put(c, SAVE_GDT + 8, 8, c->gdt.base);
    put(c, SAVE_IDT + 4, 4, c->idt.limit);
    put(c, SAVE_IDT + 8, 8, c->idt.base);
    put(c, SAVE_IO, 8, 0);
    put(c, SAVE_RESTART_IO, 1, 0);
    put(c, SAVE_RESTART_HALT, 1, TCG(c)->halting);
    put(c, SAVE_EFER, 8, c->efer);
    put(c, SAVE_REVISION, 4, REVISION);
    put(c, SAVE_SMBASE, 4, c->smbase);
    put(c, SAVE_CR4, 8, c->cr4);
    put(c, SAVE_CR3, 8, c->cr3);
    put(c, SAVE_CR0, 8, c->cr0);
    put(c, SAVE_DR7, 8, c->dr[7]);
    put(c, SAVE_DR6, 8, c->dr[6]);
    put(c, SAVE_RFLAGS, 8, c->rflags);
    put(c, SAVE_RIP, 8, c->rip);
    for (unsigned r = 0; r < R_GPRS; r++)
        put(c, gpr_at(r), 8, c->gpr[r]);
}

void tcg_enter_smm(X86CPU *c)
{
    view_changed(c, true);
    save(c);
    c->smm_inside_nmi = c->nmi_masked;
    c->nmi_masked = true;
    c->interrupt_shadow = 0;
    c->cr0 &= ~(uint64_t)(CR0_PE | CR0_EM | CR0_TS | CR0_PG);
    c->cr4 = 0;
    c->efer = 0;
    c->dr[7] = 0x400;
    c->rflags = 2;
    c->rip = ENTRY;
    for (unsigned n = 0; n < SEG_REGS; n++)
        c->seg[n] = (SegReg){.limit = 0xffffffff, .flags = DESC_G | DESC_P | DESC_S | DESC_W | DESC_A};
    c->seg[SEG_CS].selector = (uint16_t)(c->smbase >> 4);
    c->seg[SEG_CS].base = c->smbase;
    c->seg[SEG_CS].flags |= DESC_CODE;
    tcg_mode_changed(c);
    tcg_flush_tlb(c, true);
}

/* What RSM finds impossible shuts the CPU down, as a triple fault does. */
static _Noreturn void shut_down(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    t->delivering = EXC_DF;
    t->delivering_kind = EVENT_FAULT;
    tcg_raise_error(c, EXC_GP, 0);
}

static void restore(X86CPU *c)
{
    uint64_t cr0 = get(c, SAVE_CR0, 8), cr4 = get(c, SAVE_CR4, 8), efer = get(c, SAVE_EFER, 8);

    if ((cr0 & CR0_PG && !(cr0 & CR0_PE)) || (cr0 & CR0_NW && !(cr0 & CR0_CD)) || cr0 >> 32 ||
        cr4 & ~tcg_cr4_supported(c) || (efer & EFER_LMA && !(cr4 & CR4_PAE && cr0 & CR0_PG && efer & EFER_LME)))
        shut_down(c);
    c->cr0 = cr0 | CR0_ET;
    c->cr4 = cr4;
    c->efer = efer & (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR);
    c->cr3 = get(c, SAVE_CR3, 8);
    c->dr[7] = (uint32_t)get(c, SAVE_DR7, 8) | 0x400;
    c->dr[6] = (uint32_t)get(c, SAVE_DR6, 8) | 0xffff0ff0;
    c->rflags = (get(c, SAVE_RFLAGS, 8) & 0x3f7fd7) | 2;
    TCG(c)->next_rip = get(c, SAVE_RIP, 8);
    for (unsigned r = 0; r < R_GPRS; r++)
        c->gpr[r] = get(c, gpr_at(r), 8);
    for (unsigned n = 0; n < SEG_REGS; n++)
        get_seg(c, SAVE_SEG + n * 16, &c->seg[n]);
    get_seg(c, SAVE_LDT, &c->ldt);
    get_seg(c, SAVE_TR, &c->tr);
    c->gdt = (DescTable){.base = get(c, SAVE_GDT + 8, 8), .limit = (uint16_t)get(c, SAVE_GDT + 4, 2)};
    c->idt = (DescTable){.base = get(c, SAVE_IDT + 8, 8), .limit = (uint16_t)get(c, SAVE_IDT + 4, 2)};
    c->smbase = (uint32_t)get(c, SAVE_SMBASE, 4);
}

HANDLER(RSM)
{
    TcgCpu *t = TCG(c);

    if (!c->in_smm)
        tcg_raise(c, EXC_UD);
    bool halt = get(c, SAVE_RESTART_HALT, 1) & 1;

    restore(c);
    view_changed(c, false);
    c->nmi_masked = c->smm_inside_nmi;
    c->smm_inside_nmi = false;
    if (c->cr0 & CR0_PG && c->cr4 & CR4_PAE && !(c->efer & EFER_LMA) && !tcg_load_pdptrs(c, c->cr3))
        shut_down(c);
    t->resume_flag = c->rflags & FLAG_RF;
    t->trap_flag_off = true;
    t->exit_halt = t->halting = halt; /* 10.3.4 of the APM's volume 2: auto halt restart */
    tcg_mode_changed(c);
}
