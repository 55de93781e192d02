/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vCPU of the engine has from the start: MSRs that are kept by number. Not light. */
#include "accel/tcg/sys.h"

/* AMD's configuration registers that firmware and kernels read without asking (APM volume 2, appendix A; BKDG of
 * families 0Fh to 17h): they hold what is written. `from`: the first family that has it, `to`: the last. */
static const struct {
    uint32_t index;
    uint64_t power_on;
    uint8_t from, to;
} amd_msrs[] = {
    {0xc0010010, 0, 0x0f, 0xff},       /* SYSCFG */
    {0xc0010015, 1 << 24, 0x0f, 0xff}, /* HWCR: the counter runs at P0's frequency */
    {0xc0010016, 0, 0x0f, 0xff},       /* IORR base and mask, twice */
    {0xc0010017, 0, 0x0f, 0xff},       {0xc0010018, 0, 0x0f, 0xff},
    {0xc0010019, 0, 0x0f, 0xff},       {0xc001001a, 0, 0x0f, 0xff}, /* TOP_MEM */
    {0xc001001d, 0, 0x0f, 0xff},                                    /* TOP_MEM2 */
    {0xc001001f, 0, 0x0f, 0xff},                                    /* NB_CFG */
    {0xc0010055, 0, 0x0f, 0x15},                                    /* interrupt pending: C1E is off */
    {0xc0010058, 0, 0x10, 0xff},                                    /* MMIO configuration base: off */
    {0xc0010112, 0, 0x0f, 0xff},                                    /* SMM_ADDR */
    {0xc0010113, 0, 0x0f, 0xff},                                    /* SMM_MASK */
    {0xc0011020, 0, 0x0f, 0xff},                                    /* LS_CFG */
    {0xc0011021, 0, 0x0f, 0xff},                                    /* IC_CFG */
    {0xc0011022, 0, 0x0f, 0xff},                                    /* DC_CFG */
    {0xc0011023, 0, 0x0f, 0xff},                                    /* BU_CFG */
    {0xc0011029, 1 << 1, 0x10, 0xff},                               /* DE_CFG: LFENCE serializes */
    {0xc001102a, 0, 0x10, 0x16},                                    /* BU_CFG2 */
};

static uint64_t power_on(uint32_t index)
{
    for (unsigned n = 0; n < ARRAY_SIZE(amd_msrs); n++) {
        if (amd_msrs[n].index == index)
            return amd_msrs[n].power_on;
    }
    return 0;
}

void tcg_sys_import(X86CPU *c)
{
    /* The counter was that when the VM was resumed, on every CPU. */
    if (c->dirty_level == CPU_STATE_FULL)
        c->tsc_offset = c->tsc - tcg_tsc_anchor.guest;
    if (c->dirty_level != CPU_STATE_RESET)
        return;
    for (unsigned n = 0; n < c->n_msrs; n++)
        c->msrs[n].value = power_on(c->msrs[n].index);
    if (tcg_has(c, F_1_ECX, 3))
        c->misc_enable |= MISC_ENABLE_MONITOR;
}

bool tcg_get_state(X86CPU *c, Error **errp)
{
    const CpuIrqOps *irq = c->irq_ops;

    c->tsc = tcg_tsc(c);
    if (irq && irq->get_base)
        c->apic_base = irq->get_base(c);
    if (irq && irq->get_tpr)
        c->cr8 = irq->get_tpr(c);
    return true;
}

static void add(X86CPU *c, uint32_t index)
{
    c->msrs[c->n_msrs++] = (MsrValue){.index = index, .value = power_on(index)};
}

void tcg_sys_cpu_init(X86CPU *c)
{
    uint32_t family = c->config.family;

    tcg_tsc_cpu_init(c);
    g_free(c->msrs);
    c->msrs = g_new0(MsrValue, ARRAY_SIZE(amd_msrs) + 7);
    c->n_msrs = 0;
    for (unsigned n = 0; cpu_is_amd(c) && n < ARRAY_SIZE(amd_msrs); n++) {
        if (family >= amd_msrs[n].from && family <= amd_msrs[n].to)
            add(c, amd_msrs[n].index);
    }
    if (cpu_is_amd(c) && tcg_has(c, F_8000_0001_ECX, 9)) { /* OSVW: no known errata */
        add(c, 0xc0010140);
        add(c, 0xc0010141);
    }
    if (c->config.lmce && !cpu_is_amd(c)) {
        add(c, 0x3a);  /* FEATURE_CONTROL */
        add(c, 0x4d0); /* MCG_EXT_CTL */
    }
    if (tcg_has(c, F_1_EDX, 22)) { /* thermal: clock modulation, interrupt, status */
        add(c, 0x19a);
        add(c, 0x19b);
        add(c, 0x19c);
    }
}
