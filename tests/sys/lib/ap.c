/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Further processors of 64-bit guests: INIT and SIPI to all others, tables of their own where they need them. */
#include "sys.h"

enum { APIC_SVR = 0xf0, APIC_ICR = 0x300 };
extern char stack_top[];
void sys_start_ap(unsigned n);
static uint8_t ap_tss[4][104] __attribute__((aligned(16)));
static char ap_trap_stack[4][0x2000] __attribute__((aligned(16)));

__attribute__((weak)) void ap_main(unsigned n)
{
}

void sys_start_ap(unsigned n)
{
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) p = {sizeof(gdt) - 1, (word)gdt};
    unsigned sel = AP_TSS + (n - 1) * 16;
    word top = (word)ap_trap_stack[n] + sizeof(ap_trap_stack[n]);

    __asm__ volatile("lgdt %0" : : "m"(p));
    p.limit = 4095;
    p.base = (word)idt;
    __asm__ volatile("lidt %0" : : "m"(p));
    __asm__ volatile("push %0; push $1f; lretq; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss"
                     :
                     : "r"((word)CODE), "r"(DATA)
                     : "memory");
    *(word *)(ap_tss[n] + 4) = top;
    *(word *)(ap_tss[n] + 36) = top;
    *(uint16_t *)(ap_tss[n] + 102) = 104;
    segment(sel, (uint32_t)(word)ap_tss[n], 103, 0x89, 0);
    gdt[(sel >> 3) + 1] = 0;
    __asm__ volatile("ltr %w0" : : "r"(sel));
    ap_main(n);
}

void start_aps(unsigned n)
{
    volatile uint32_t *apic = (volatile uint32_t *)0xfee00000UL;

    apic[APIC_SVR / 4] = 0x1ff;
    apic[APIC_ICR / 4] = 0xc4500; /* INIT to all others */
    for (volatile unsigned i = 0; i < 100000; i++)
        ;
    apic[APIC_ICR / 4] = 0xc46ff; /* SIPI, vector FFh */
    while (ap_count < n)
        __asm__ volatile("pause");
}
