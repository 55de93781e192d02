/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local APICs, the message window at FEE00000h and how the PIC reaches the CPUs. */
#ifndef HW_INTC_LAPIC_H
#define HW_INTC_LAPIC_H

#include "softmmu/memory.h"
#include "target/i386/cpu.h"

#define APIC_DEFAULT_BASE 0xfee00000ULL

/* ICR, redirection entry and MSI delivery modes */
enum {
    APIC_DM_FIXED,
    APIC_DM_LOWEST,
    APIC_DM_SMI,
    APIC_DM_RESERVED,
    APIC_DM_NMI,
    APIC_DM_INIT,
    APIC_DM_SIPI,
    APIC_DM_EXTINT,
};

/*
 * Give a CPU its interrupt controller by accel_irqchip_mode(): device "apic" (ours), or "kvm-apic" (the kernel's; in
 * split mode c also gets the PIC's CpuIrqOps). apic_map_window() makes it the CPU realize's cpu_attach_apic.
 * has_apic false (-cpu X,-apic): the PIC's lines alone.
 */
bool lapic_attach(X86CPU *c, bool has_apic, Error **errp);
void lapic_detach(X86CPU *c);

/* Once, by the board, before cpus_create(): sets cpu_attach_apic and cpu_detach_apic, and maps the 1 MiB window at
 * FEE00000h into system_memory: a CPU's own registers, and messages from everybody else. */
void apic_map_window(void);
/* A message-signalled interrupt as it would be written to the window, to our APICs or to the kernel's. */
void apic_msi_deliver(uint64_t address, uint32_t data);
/* One interrupt message to our APICs, decoded. */
void apic_bus_deliver(uint32_t dest, bool logical, unsigned mode, uint8_t vector, bool level_triggered);

/* The line to which the PIC's INT pin goes: LINT0 of every local APIC, or the boot CPU's INTR where it has none. */
Irq *pic_int_line(void);

void lapic_print(X86CPU *c, GString *out); /* `info lapic` */

#endif
