/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info lapic`: a local APIC's registers in words. */
#include "accel/accel.h"
#include "hw/intc/lapic-bus.h"

static const char *const mode_names[8] = {"Fixed", "Lowest", "SMI", "...", "NMI", "INIT", "SIPI", "ExtINT"};

static void print_lvt(const Lapic *l, unsigned n, const char *name, GString *out)
{
    static const char *const timer_modes[4] = {"one-shot", "periodic", "tsc-deadline", "..."};
    uint32_t lvt = l->lvt[n];
    unsigned mode = lvt >> LVT_MODE_SHIFT & 7;
    g_string_append_printf(out, "%s\t 0x%08x %s %-5s %-6s %-7s %-12s %-6s", name, lvt,
                           lvt & LVT_ACTIVE_LOW ? "active-lo" : "active-hi", lvt & LVT_LEVEL ? "level" : "edge",
                           lvt & LVT_MASKED ? "masked" : "", lvt & LVT_PENDING ? "pending" : "",
                           n == LVT_TIMER ? timer_modes[(lvt & LVT_TIMER_MODE) >> 17] : "", mode_names[mode]);
    if (mode == APIC_DM_FIXED)
        g_string_append_printf(out, " (vec %u)\n", lvt & LVT_VECTOR);
    else
        g_string_append_c(out, '\n');
}

static void print_vectors(const Lapic *l, const char *name, const uint32_t *map, GString *out)
{
    bool any = false;
    g_string_append_printf(out, "%s\t ", name);
    for (unsigned v = 0; v < 256; v++) {
        if (map[v / 32] >> (v % 32) & 1) {
            g_string_append_printf(out, "%u%s ", v, l->tmr[v / 32] >> (v % 32) & 1 ? "(level)" : "");
            any = true;
        }
    }
    g_string_append(out, any ? "\n" : "(none)\n");
}

void lapic_print(X86CPU *c, GString *out)
{
    static const char *const shorthands[4] = {"no-shorthand", "self", "all-self", "all"};
    Lapic *l = c->apic_device ? LAPIC(c->apic_device) : NULL;
    if (!l) {
        g_string_append_printf(out, "CPU %u has no local APIC\n", c->index);
        return;
    }
    if (c->apic_device->desc == &kvm_apic)
        kvm_apic_refresh(l);
    g_string_append_printf(out, "dumping local APIC state for CPU %-2u\n\n", c->index);
    print_lvt(l, LVT_LINT0, "LVT0", out);
    print_lvt(l, LVT_LINT1, "LVT1", out);
    print_lvt(l, LVT_PERFORMANCE, "LVTPC", out);
    print_lvt(l, LVT_ERROR, "LVTERR", out);
    print_lvt(l, LVT_THERMAL, "LVTTHMR", out);
    print_lvt(l, LVT_TIMER, "LVTT", out);
    g_string_append_printf(out, "Timer\t DCR=0x%x (divide by %d) initial_count = %u current_count = %u\n",
                           l->divide_conf, 1 << l->count_shift, l->initial_count, lapic_current_count(l));
    g_string_append_printf(out, "SPIV\t 0x%08x APIC %s, focus=off, spurious vec %u\n", l->spurious_vec,
                           l->spurious_vec & SVR_ENABLE ? "enabled" : "disabled", l->spurious_vec & 0xff);
    g_string_append_printf(out, "ICR\t 0x%08x %s %s %s %s\n", l->icr[0], l->icr[0] & 1 << 11 ? "logical" : "physical",
                           l->icr[0] & 1 << 15 ? "level" : "edge", l->icr[0] & 1 << 14 ? "assert" : "de-assert",
                           shorthands[l->icr[0] >> 18 & 3]);
    if (lapic_x2(l))
        g_string_append_printf(out, "ICR2\t 0x%08x (x2APIC destination)\n", l->icr[1]);
    else if (l->icr[0] & 1 << 11)
        g_string_append_printf(out, "ICR2\t 0x%08x mask %02x (logical)\n", l->icr[1], l->icr[1] >> 24);
    else
        g_string_append_printf(out, "ICR2\t 0x%08x cpu %u (APIC ID)\n", l->icr[1], l->icr[1] >> 24);
    g_string_append_printf(out, "ESR\t 0x%08x\n", l->esr);
    print_vectors(l, "ISR", l->isr, out);
    print_vectors(l, "IRR", l->irr, out);
    g_string_append_printf(out, "\nAPR 0x%02x TPR 0x%02x DFR 0x%02x LDR 0x%02x PPR 0x%02x\n", l->arb_id, l->tpr,
                           l->dest_mode, l->log_dest, lapic_ppr(l));
}
