/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU's state: reset, INIT and SIPI (SDM volume 3, chapter 10.1.1 and table 10-1), its way from and to the
 * accelerator, and `info registers`. Address translation is in mmu.c, the CPUID models in model.c.
 */
#include "target/i386/cpu.h"
#include "target/i386/xsave.h"
#include "accel/accel.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

/* A descriptor's second dword. */
enum { D_PRESENT = 1 << 15, D_S = 1 << 12, D_DB = 1 << 22, D_L = 1 << 21, D_DPL_SHIFT = 13, D_TYPE_SHIFT = 8 };
enum { APIC_BASE_BSP = 1 << 8, APIC_BASE_ENABLE = 1 << 11, APIC_BASE_ADDRESS = 0xfee00000 };
#define PAT_RESET 0x0007040600070406ULL

bool (*cpu_attach_apic)(X86CPU *c, bool has_apic, Error **errp);
void (*cpu_detach_apic)(X86CPU *c);

void cpu_set_irq_ops(X86CPU *c, const CpuIrqOps *ops, void *apic)
{
    c->irq_ops = ops;
    c->apic = apic;
}

void cpu_board_nmi(X86CPU *c)
{
    if (c->irq_ops && c->irq_ops->nmi)
        c->irq_ops->nmi(c);
    else
        cpu_interrupt(c, CPU_INTERRUPT_NMI);
}

static void lapic_reg_set(X86CPU *c, unsigned reg, uint32_t val)
{
    stl_le(&c->lapic_page[reg], val);
}

/* SDM volume 3, 11.4.7.1. INIT keeps the ID. */
static void lapic_page_reset(X86CPU *c)
{
    enum { R_ID = 0x20, R_VERSION = 0x30, R_DFR = 0xe0, R_SVR = 0xf0, R_LVT_FIRST = 0x320, R_LVT_LAST = 0x370 };
    enum { LVT_MASKED = 1 << 16, VERSION = 0x50014 };

    memset(c->lapic_page, 0, sizeof(c->lapic_page));
    lapic_reg_set(c, R_ID, c->apic_id << 24);
    lapic_reg_set(c, R_VERSION, VERSION);
    lapic_reg_set(c, R_DFR, 0xffffffff);
    lapic_reg_set(c, R_SVR, 0xff);
    for (unsigned r = R_LVT_FIRST; r <= R_LVT_LAST; r += 0x10)
        lapic_reg_set(c, r, LVT_MASKED);
}

static void seg_set(SegReg *s, uint16_t selector, uint64_t base, unsigned type)
{
    s->selector = selector;
    s->base = base;
    s->limit = 0xffff;
    s->flags = D_PRESENT | type << D_TYPE_SHIFT;
}

static void fpu_reset(X86CPU *c)
{
    memset(c->xsave, 0, sizeof(c->xsave));
    stw_le(&c->xsave[XS_FCW], 0x37f);
    stl_le(&c->xsave[XS_MXCSR], 0x1f80);
    stl_le(&c->xsave[XS_MXCSR_MASK], 0xffff);
}

/* What both RESET and INIT do. */
static void common_reset(X86CPU *c)
{
    memset(c->gpr, 0, sizeof(c->gpr));
    c->gpr[R_RDX] = cpu_signature(c);
    c->rip = 0xfff0;
    c->rflags = 2;
    for (unsigned i = 0; i < SEG_REGS; i++)
        seg_set(&c->seg[i], 0, 0, 0x13);
    seg_set(&c->seg[SEG_CS], 0xf000, 0xffff0000, 0x1b);
    seg_set(&c->ldt, 0, 0, 2);
    seg_set(&c->tr, 0, 0, 11);
    c->gdt = c->idt = (DescTable){.limit = 0xffff};
    c->cr2 = c->cr3 = c->cr4 = c->cr8 = c->efer = 0;
    memset(c->pdptr, 0, sizeof(c->pdptr));
    memset(c->dr, 0, sizeof(c->dr));
    c->dr[6] = 0xffff0ff0;
    c->dr[7] = 0x400;
    c->exception_pending = c->exception_injected = c->exception_has_error = c->exception_has_payload = false;
    c->exception_nr = 0;
    c->exception_error = 0;
    c->exception_payload = 0;
    c->triple_fault_pending = c->interrupt_injected = c->interrupt_soft = false;
    c->interrupt_nr = c->interrupt_shadow = 0;
    c->nmi_injected = c->nmi_pending = c->nmi_masked = false;
    c->in_smm = c->smi_pending = c->smm_inside_nmi = false;
    cpu_reset_interrupt(c, ~0U);
    lapic_page_reset(c);
    if (c->index) {
        /* An application processor waits for a SIPI: in the kernel, or in our thread where the local APIC is ours. */
        c->mp_state = MP_UNINIT;
        c->halted = accel_irqchip_mode() == IRQCHIP_USER;
    } else {
        c->mp_state = MP_RUNNABLE;
        c->halted = false;
    }
}

static void state_changed(X86CPU *c, CpuStateLevel level)
{
    c->state_synced = true;
    c->dirty_level = c->state_dirty ? MAX(c->dirty_level, level) : level;
    c->state_dirty = true;
}

void cpu_state_loaded(X86CPU *c)
{
    state_changed(c, CPU_STATE_FULL);
}

void cpu_reset(X86CPU *c)
{
    static const uint64_t all_ones = ~0ULL;

    common_reset(c);
    c->cr0 = CR0_ET | CR0_NW | CR0_CD;
    c->apic_base = APIC_BASE_ADDRESS | APIC_BASE_ENABLE | (c->index ? 0 : APIC_BASE_BSP);
    c->smbase = 0x30000;
    __atomic_store_n(&c->a20_mask, CPU_A20_OPEN, __ATOMIC_RELEASE);
    fpu_reset(c);
    c->xcr0 = 1;
    c->tsc = c->tsc_offset = c->tsc_adjust = c->tsc_deadline = c->tsc_aux = 0;
    c->star = c->lstar = c->cstar = c->fmask = c->kernel_gs_base = 0;
    c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
    c->pat = PAT_RESET;
    c->misc_enable = 1; /* fast strings */
    c->spec_ctrl = c->virt_ssbd = c->xss = c->debugctl = 0;
    c->kvm_system_time = c->kvm_wall_clock = c->kvm_async_pf = c->kvm_async_pf_int = c->kvm_steal_time = c->kvm_pv_eoi =
        0;
    c->kvm_poll = 1;
    c->mtrr_def_type = 0;
    memset(c->mtrr_fixed, 0, sizeof(c->mtrr_fixed));
    memset(c->mtrr_base, 0, sizeof(c->mtrr_base));
    memset(c->mtrr_mask, 0, sizeof(c->mtrr_mask));
    c->mcg_status = 0;
    c->mcg_ctl = all_ones;
    memset(c->mce_banks, 0, sizeof(c->mce_banks));
    for (unsigned i = 0; i < ARRAY_SIZE(c->mce_banks); i += 4)
        c->mce_banks[i] = all_ones;
    /* msrs[]: the accelerator knows their power-on values. */
    state_changed(c, CPU_STATE_RESET);
}

void cpu_init_reset(X86CPU *c)
{
    uint32_t keep = c->apic_base & APIC_BASE_BSP;

    common_reset(c);
    /* CD and NW survive; the rest of CR0 is as after RESET. */
    c->cr0 = (c->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    c->apic_base = (c->apic_base & ~(uint64_t)APIC_BASE_BSP) | keep;
    if (c->irq_ops && c->irq_ops->init)
        c->irq_ops->init(c);
    if (c->index)
        c->mp_state = MP_INIT_RECEIVED;
    state_changed(c, CPU_STATE_INIT);
}

void cpu_sipi(X86CPU *c, uint8_t vector)
{
    seg_set(&c->seg[SEG_CS], (uint16_t)(vector << 8), (uint64_t)vector << 12, 0x1b);
    c->rip = 0;
    c->halted = false;
    c->mp_state = MP_RUNNABLE;
    state_changed(c, CPU_STATE_RUNTIME);
}

bool cpu_has_work(X86CPU *c)
{
    unsigned r = __atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE);

    if (cpu_init_requests(c, r) & CPU_INTERRUPT_INIT)
        return true;
    if (c->mp_state == MP_UNINIT || c->mp_state == MP_INIT_RECEIVED)
        return r & CPU_INTERRUPT_SIPI;
    /* One that is blocked does not wake. */
    if ((r & CPU_INTERRUPT_NMI && !c->nmi_masked) || (r & CPU_INTERRUPT_SMI && !c->in_smm) || r & CPU_INTERRUPT_MCE)
        return true;
    return (c->rflags & FLAG_IF) && c->irq_ops && c->irq_ops->pending && c->irq_ops->pending(c);
}

/* Between a vCPU and its accelerator. */

static void do_get(X86CPU *c, void *arg)
{
    g_autoptr(Error) err = NULL;

    if (c->state_dirty || c->state_synced || !c->created || !accel || !accel->get_state)
        return;
    if (accel->get_state(c, &err))
        c->state_synced = true;
    else
        error_report("CPU %u: %s", c->index, error_text(err));
}

void cpu_sync_get(X86CPU *c)
{
    if (c->state_dirty || c->state_synced)
        return;
    if (c == current_cpu || c->stopped)
        do_get(c, NULL);
    else
        vcpu_run_on(c, do_get, NULL);
}

void cpu_sync_dirty(X86CPU *c, CpuStateLevel level)
{
    cpu_sync_get(c);
    state_changed(c, level);
}

void cpu_sync_all(void)
{
    X86CPU *c;

    FOREACH_VCPU (c) {
        cpu_sync_get(c);
    }
}

uint64_t cpu_tsc(X86CPU *c)
{
    if (accel && accel->guest_tsc && c->created)
        return accel->guest_tsc(c);
    return muldiv64(clock_ns(CLOCK_VIRTUAL), c->tsc_khz, 1000000) + c->tsc_offset;
}

/* `info registers` */

static void print_seg(GString *out, const char *name, const SegReg *s, bool wide, bool pe)
{
    if (wide)
        g_string_append_printf(out, "%-3s=%04x %016" PRIx64 " %08x %08x", name, s->selector, s->base, s->limit,
                               s->flags & 0x00f0ff00);
    else
        g_string_append_printf(out, "%-3s=%04x %08x %08x %08x", name, s->selector, (uint32_t)s->base, s->limit,
                               s->flags & 0x00f0ff00);
    if (pe && s->flags & D_PRESENT) {
        static const char *const sys32[] = {
            "Reserved", "TSS16-avl", "LDT",      "TSS16-busy", "CallGate16", "TaskGate", "IntGate16", "TrapGate16",
            "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32", "TrapGate32"};
        static const char *const sys64[] = {
            "<hiword>", "Reserved",  "LDT",      "Reserved",   "Reserved",   "Reserved", "Reserved",  "Reserved",
            "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64", "Reserved", "IntGate64", "TrapGate64"};
        unsigned type = bits64(s->flags, D_TYPE_SHIFT, 4);

        g_string_append_printf(out, " DPL=%u ", (unsigned)bits64(s->flags, D_DPL_SHIFT, 2));
        if (s->flags & D_S) {
            if (type & 8)
                g_string_append_printf(out, "%s [%c%c",
                                       s->flags & D_L    ? "CS64"
                                       : s->flags & D_DB ? "CS32"
                                                         : "CS16",
                                       type & 4 ? 'C' : '-', type & 2 ? 'R' : '-');
            else
                g_string_append_printf(out, "%s [%c%c", s->flags & D_DB || wide ? "DS  " : "DS16", type & 4 ? 'E' : '-',
                                       type & 2 ? 'W' : '-');
            g_string_append_printf(out, "%c]", type & 1 ? 'A' : '-');
        } else {
            g_string_append(out, (wide ? sys64 : sys32)[type]);
        }
    }
    g_string_append_c(out, '\n');
}

static void print_fpu(X86CPU *c, GString *out)
{
    const uint8_t *x = c->xsave;
    unsigned fsw = lduw_le(&x[XS_FSW]), top = bits64(fsw, 11, 3), regs = c->seg[SEG_CS].flags & D_L ? 16 : 8;

    g_string_append_printf(out, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", lduw_le(&x[XS_FCW]), fsw, top,
                           x[XS_FTW], ldl_le(&x[XS_MXCSR]));
    for (unsigned i = 0; i < 8; i++) {
        /* The image holds ST(0) first; the listing is by physical register. */
        const uint8_t *st = &x[XS_ST + 16 * ((i - top) & 7)];

        g_string_append_printf(out, "FPR%u=%016" PRIx64 " %04x%c", i, ldq_le(st), lduw_le(st + 8), i & 1 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < regs; i++)
        g_string_append_printf(out, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%c", i, ldq_le(&x[XS_XMM + 16 * i + 8]),
                               ldq_le(&x[XS_XMM + 16 * i]), i & 1 ? '\n' : ' ');
}

static void print_gprs(X86CPU *c, GString *out, bool wide)
{
    static const struct {
        const char *name;
        uint8_t reg;
    } order[16] = {{"AX", R_RAX}, {"BX", R_RBX}, {"CX", R_RCX}, {"DX", R_RDX}, {"SI", R_RSI}, {"DI", R_RDI},
                   {"BP", R_RBP}, {"SP", R_RSP}, {"8 ", R_R8},  {"9 ", R_R9},  {"10", R_R10}, {"11", R_R11},
                   {"12", R_R12}, {"13", R_R13}, {"14", R_R14}, {"15", R_R15}};

    for (unsigned i = 0; i < (wide ? 16 : 8); i++) {
        if (wide)
            g_string_append_printf(out, "R%s=%016" PRIx64, order[i].name, c->gpr[order[i].reg]);
        else
            g_string_append_printf(out, "E%s=%08x", order[i].name, (uint32_t)c->gpr[order[i].reg]);
        g_string_append_c(out, i % 4 == 3 ? '\n' : ' ');
    }
}

void cpu_print_present(X86CPU *c, bool fpu, GString *out)
{
    static const char *const seg_names[SEG_REGS] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    bool lma = c->efer & EFER_LMA, cs64 = lma && c->seg[SEG_CS].flags & D_L, pe = c->cr0 & CR0_PE;
    uint32_t fl = (uint32_t)c->rflags;
    unsigned cpl = pe ? (c->rflags & FLAG_VM ? 3 : bits64(c->seg[SEG_SS].flags, D_DPL_SHIFT, 2)) : 0;

    print_gprs(c, out, cs64);
    if (cs64)
        g_string_append_printf(out, "RIP=%016" PRIx64 " RFL=%08x", c->rip, fl);
    else
        g_string_append_printf(out, "EIP=%08x EFL=%08x", (uint32_t)c->rip, fl);
    g_string_append_printf(out, " [%c%c%c%c%c%c%c] CPL=%u II=%d A20=%d SMM=%d HLT=%d\n", fl & FLAG_DF ? 'D' : '-',
                           fl & FLAG_OF ? 'O' : '-', fl & FLAG_SF ? 'S' : '-', fl & FLAG_ZF ? 'Z' : '-',
                           fl & FLAG_AF ? 'A' : '-', fl & FLAG_PF ? 'P' : '-', fl & FLAG_CF ? 'C' : '-', cpl,
                           c->interrupt_shadow & 1, c->a20_mask == CPU_A20_OPEN, c->in_smm,
                           c->halted || c->mp_state == MP_HALTED);
    for (unsigned i = 0; i < SEG_REGS; i++)
        print_seg(out, seg_names[i], &c->seg[i], lma, pe);
    print_seg(out, "LDT", &c->ldt, lma, pe);
    print_seg(out, "TR", &c->tr, lma, pe);
    if (lma) {
        g_string_append_printf(out, "GDT=     %016" PRIx64 " %08x\nIDT=     %016" PRIx64 " %08x\n", c->gdt.base,
                               c->gdt.limit, c->idt.base, c->idt.limit);
        g_string_append_printf(out, "CR0=%08x CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08x\n", (uint32_t)c->cr0,
                               c->cr2, c->cr3, (uint32_t)c->cr4);
    } else {
        g_string_append_printf(out, "GDT=     %08x %08x\nIDT=     %08x %08x\n", (uint32_t)c->gdt.base, c->gdt.limit,
                               (uint32_t)c->idt.base, c->idt.limit);
        g_string_append_printf(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", (uint32_t)c->cr0, (uint32_t)c->cr2,
                               (uint32_t)c->cr3, (uint32_t)c->cr4);
    }
    for (unsigned i = 0; i < 4; i++)
        g_string_append_printf(out, "DR%u=%016" PRIx64 " ", i, c->dr[i]);
    g_string_append_printf(out, "\nDR6=%016" PRIx64 " DR7=%016" PRIx64 "\nEFER=%016" PRIx64 "\n", c->dr[6], c->dr[7],
                           c->efer);
    if (fpu)
        print_fpu(c, out);
}

void cpu_print_regs(X86CPU *c, GString *out)
{
    cpu_sync_get(c);
    cpu_print_present(c, true, out);
}
