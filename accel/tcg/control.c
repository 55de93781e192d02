/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control and debug registers: what may be written, and what changes with it (SDM volume 3, chapters 2.5, 4.1, 9.8.5
 * and 17.2). Light code.
 */
#include "accel/tcg/ops.h"
#include "accel/tcg/sys.h"
#include "softmmu/mainloop.h"

enum { DR6_BD = 1 << 13, DR7_GD = 1 << 13 };
#define DR6_FIXED   0xffff0ff0U
#define DR6_WRITE   0x0000e00fU
#define DR7_ZERO    0x0000d800U /* reserved, read as 0 */
#define DR7_FIXED   0x00000400U
#define CR3_NOFLUSH BIT64(63)
#define PDPTE_ZERO  0x00000000000001e6ULL

static _Noreturn void gp0(X86CPU *c)
{
    tcg_raise_error(c, EXC_GP, 0);
}

uint64_t tcg_phys_reserved(X86CPU *c)
{
    unsigned bits = c->config.phys_bits ? MIN(c->config.phys_bits, 52U) : 40;

    return ~(BIT64(bits) - 1);
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return cr0 & CR0_PG && cr4 & CR4_PAE && !(efer & EFER_LMA);
}

bool tcg_load_pdptrs(X86CPU *c, uint64_t cr3)
{
    uint64_t val[4], base = cr3 & 0xffffffe0;

    for (unsigned n = 0; n < 4; n++) {
        val[n] = tcg_phys_load(c, base + n * 8, 8);
        if (val[n] & 1 && val[n] & (PDPTE_ZERO | tcg_phys_reserved(c)))
            return false;
    }
    for (unsigned n = 0; n < 4; n++)
        c->pdptr[n] = val[n];
    return true;
}

void tcg_write_cr0(X86CPU *c, uint64_t val)
{
    enum { DEFINED = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD };
    uint64_t old = c->cr0, efer = c->efer, changed;

    if (val >> 32 || (val & CR0_PG && !(val & CR0_PE)) || (val & CR0_NW && !(val & CR0_CD)))
        gp0(c);
    val = (val & (DEFINED | CR0_PG)) | CR0_ET;
    changed = val ^ old;
    if (changed & CR0_PG) {
        if (val & CR0_PG) {
            if (efer & EFER_LME) {
                unsigned tr_type = c->tr.flags >> DESC_TYPE_SHIFT & 15;

                /* 9.8.5: activation's consistency checks; a 16-bit TSS in TR is one of them. */
                if (!(c->cr4 & CR4_PAE) || c->seg[SEG_CS].flags & DESC_L || (tr_type & 13) == 1)
                    gp0(c);
                efer |= EFER_LMA;
            }
        } else {
            if (c->cr4 & CR4_PCIDE || tcg_code64(c))
                gp0(c);
            efer &= ~(uint64_t)EFER_LMA;
        }
    }
    if (changed & (CR0_PG | CR0_CD | CR0_NW) && pae_paging(val, c->cr4, efer) && !tcg_load_pdptrs(c, c->cr3))
        gp0(c);
    c->cr0 = val;
    c->efer = efer;
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        tcg_flush_tlb(c, true);
    tcg_mode_changed(c);
}

void tcg_write_cr3(X86CPU *c, uint64_t val)
{
    bool pcide = c->cr4 & CR4_PCIDE, keep = pcide && val & CR3_NOFLUSH;
    uint64_t old = c->cr3;

    if (tcg_long(c)) {
        if (pcide)
            val &= ~CR3_NOFLUSH;
        if (val & tcg_phys_reserved(c))
            gp0(c);
    } else {
        val &= 0xffffffff;
        if (pae_paging(c->cr0, c->cr4, c->efer) && !tcg_load_pdptrs(c, val))
            gp0(c);
    }
    c->cr3 = val;
    if (c->cr0 & CR0_PG && pcide)
        tcg_switch_pcid(c, old & 0xfff, val & 0xfff, keep);
    else if (c->cr0 & CR0_PG)
        tcg_flush_tlb(c, false);
}

uint64_t tcg_cr4_supported(X86CPU *c)
{
    static const struct {
        uint8_t word, bit;
        uint32_t cr4;
    } bits[] = {
        {F_1_EDX, 1, CR4_VME | CR4_PVI}, {F_1_EDX, 2, CR4_DE},       {F_1_EDX, 3, CR4_PSE},
        {F_1_EDX, 4, CR4_TSD},           {F_1_EDX, 6, CR4_PAE},      {F_1_EDX, 7, CR4_MCE},
        {F_1_EDX, 13, CR4_PGE},          {F_1_EDX, 24, CR4_OSFXSR},  {F_1_EDX, 25, CR4_OSXMMEXCPT},
        {F_1_ECX, 17, CR4_PCIDE},        {F_1_ECX, 26, CR4_OSXSAVE}, {F_7_0_EBX, 0, CR4_FSGSBASE},
        {F_7_0_EBX, 7, CR4_SMEP},        {F_7_0_EBX, 20, CR4_SMAP},  {F_7_0_ECX, 2, CR4_UMIP},
        {F_7_0_ECX, 3, CR4_PKE},         {F_7_0_ECX, 16, CR4_LA57},
    };
    uint64_t ok = CR4_PCE;

    for (unsigned n = 0; n < ARRAY_SIZE(bits); n++) {
        if (tcg_has(c, bits[n].word, bits[n].bit))
            ok |= bits[n].cr4;
    }
    return ok;
}

void tcg_write_cr4(X86CPU *c, uint64_t val)
{
    uint64_t old = c->cr4, changed = val ^ old;

    if (val & ~tcg_cr4_supported(c))
        gp0(c);
    if (tcg_long(c) && (!(val & CR4_PAE) || changed & CR4_LA57))
        gp0(c);
    if (changed & val & CR4_PCIDE && (!tcg_long(c) || c->cr3 & 0xfff))
        gp0(c);
    if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP) && pae_paging(c->cr0, val, c->efer) &&
        !tcg_load_pdptrs(c, c->cr3))
        gp0(c);
    c->cr4 = val;
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_LA57 | CR4_PKE))
        tcg_flush_tlb(c, true);
    tcg_mode_changed(c);
}

static uint64_t read_cr8(X86CPU *c)
{
    if (c->irq_ops && c->irq_ops->get_tpr) {
        tcg_outside_begin(c);
        vm_lock();
        c->cr8 = c->irq_ops->get_tpr(c);
        vm_unlock();
        tcg_outside_end(c);
    }
    return c->cr8;
}

static void write_cr8(X86CPU *c, uint64_t val)
{
    if (val & ~15ULL)
        gp0(c);
    c->cr8 = val;
    if (c->irq_ops && c->irq_ops->set_tpr) {
        tcg_outside_begin(c);
        vm_lock();
        c->irq_ops->set_tpr(c, (uint8_t)val);
        vm_unlock();
        tcg_outside_end(c);
    }
}

static unsigned gpr_size(const Insn *i)
{
    return i->code_size == 8 ? 8 : 4;
}

HANDLER(MOV_FROM_CR)
{
    uint64_t val;

    switch (i->operand[1].reg) {
    case 0:
        val = c->cr0;
        break;
    case 2:
        val = c->cr2;
        break;
    case 3:
        val = c->cr3;
        break;
    case 4:
        val = c->cr4;
        break;
    case 8:
        val = read_cr8(c);
        break;
    default:
        tcg_raise(c, EXC_UD);
    }
    gpr_set(c, i->operand[0].reg, gpr_size(i), val);
}

HANDLER(MOV_TO_CR)
{
    uint64_t val = gpr_get(c, i->operand[1].reg, gpr_size(i));

    switch (i->operand[0].reg) {
    case 0:
        tcg_write_cr0(c, val);
        break;
    case 2:
        c->cr2 = val;
        break;
    case 3:
        tcg_write_cr3(c, val);
        break;
    case 4:
        tcg_write_cr4(c, val);
        break;
    case 8:
        write_cr8(c, val);
        break;
    default:
        tcg_raise(c, EXC_UD);
    }
}

HANDLER(CLTS)
{
    c->cr0 &= ~(uint64_t)CR0_TS;
    tcg_mode_changed(c);
}

HANDLER(LMSW)
{
    uint64_t val = op_get(c, i, 0) & 15;

    /* PE can be set only. */
    tcg_write_cr0(c, (c->cr0 & ~14ULL) | val);
}

HANDLER(SMSW)
{
    if (TCG(c)->mode & TM_UMIP)
        gp0(c);
    op_set(c, i, 0, c->cr0);
}

/* Debug registers. */

static unsigned debug_register(X86CPU *c, unsigned n)
{
    if (n > 7)
        tcg_raise(c, EXC_UD);
    if (n == 4 || n == 5) {
        if (c->cr4 & CR4_DE)
            tcg_raise(c, EXC_UD);
        n += 2;
    }
    if (c->dr[7] & DR7_GD) {
        c->dr[6] |= DR6_BD;
        tcg_raise(c, EXC_DB);
    }
    return n;
}

HANDLER(MOV_FROM_DR)
{
    unsigned n = debug_register(c, i->operand[1].reg);

    gpr_set(c, i->operand[0].reg, gpr_size(i), c->dr[n]);
}

HANDLER(MOV_TO_DR)
{
    unsigned n = debug_register(c, i->operand[0].reg);
    uint64_t val = gpr_get(c, i->operand[1].reg, gpr_size(i));

    if (n < 4) {
        c->dr[n] = val;
        return;
    }
    if (val >> 32)
        gp0(c);
    if (n == 6)
        c->dr[6] = (val & DR6_WRITE) | DR6_FIXED;
    else
        c->dr[7] = (val & ~(uint64_t)DR7_ZERO) | DR7_FIXED;
    tcg_mode_changed(c);
}

/* XCR0 */

static uint64_t xcr0_supported(X86CPU *c)
{
    uint32_t r[4];

    tcg_cpuid(c, 0xd, 0, r);
    return r[CPUID_EAX] | (uint64_t)r[CPUID_EDX] << 32;
}

void tcg_write_xcr0(X86CPU *c, uint64_t val)
{
    enum { X87 = 1, SSE = 2, AVX = 4, MPX = 0x18, AVX512 = 0xe0 };

    if (!(val & X87) || (val & AVX && !(val & SSE)) || val & ~xcr0_supported(c))
        gp0(c);
    if (val & AVX512 && (val & (SSE | AVX | AVX512)) != (SSE | AVX | AVX512))
        gp0(c);
    if ((val & MPX) && (val & MPX) != MPX)
        gp0(c);
    c->xcr0 = val;
    tcg_mode_changed(c);
}
