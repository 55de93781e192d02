/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MONITOR and MWAIT (SDM volume 2, volume 3, 9.10.4): operands, privilege, what ends the waiting, IA32_MISC_ENABLE's
 * bit. */
#include "lib/apic.h"

#define MONITOR "monitor; "
enum { MSR_MISC_ENABLE = 0x1a0 };

/* IA32_MISC_ENABLE's bit is cleared. */
static void without(void)
{
    fresh();
    in.ax = 0x600000;
    in.cx = in.dx = 0;
    wrmsr(MSR_MISC_ENABLE, rdmsr(MSR_MISC_ENABLE) & ~(1ULL << 18));
    say("CPUID without IA32_MISC_ENABLE bit 18", HAS_MONITOR);
    try("monitor without it", C64("monitor"));
    try("mwait without it", C64("mwait"));
    wrmsr(MSR_MISC_ENABLE, rdmsr(MSR_MISC_ENABLE) | 1ULL << 18);
    say("CPUID with it", HAS_MONITOR);
    fresh();
}

int main(void)
{
    if (!HAS_MONITOR) {
        note("no MONITOR");
        return 0;
    }
    uint32_t r[4];
    cpuid(5, 0, r);
    take_interrupts();
    apic_set(APIC_SVR, 0x1ff);
    fresh();
    in.ax = 0x600000;
    in.cx = in.dx = 0;
    try("monitor", C64("monitor"));
    in.cx = 1;
    try("monitor, ecx 1", C64("monitor"));
    in.cx = 0;
    in.dx = 0xffffffff;
    try("monitor, any hint", C64("monitor"));
    in.dx = 0;
    in.ax = 0x8000000000000000;
    try("monitor, not canonical", C64("monitor"));
    in.ax = 0x0000700000000000;
    try("monitor, not mapped", C64("monitor"));
    in.ax = 0x7000000000600000;
    try("monitor of a 32-bit address", C64(".byte 0x67; monitor"));
    try("locked monitor", C64(".byte 0xf0; monitor"));
    in.cx = 2;
    in.ax = 0;
    try("mwait, ecx 2", C64("mwait"));
    in.cx = 0x80000000;
    try("mwait, ecx bit 31", C64("mwait"));
    try("locked mwait", C64(".byte 0xf0; mwait"));
    in.cx = 0;
    user();
    in.ax = 0x600000;
    in.cx = in.dx = 0;
    try("monitor at CPL3", C64("monitor"));
    try("mwait at CPL3", C64("mwait"));
    in.cx = 1;
    try("monitor at CPL3, ecx 1", C64("monitor"));
    fresh();
    hidden = 0;
    if (intel())
        without();
    /* What has been stored to since MONITOR is not waited for. */
    hidden = 0xffff;
    in.di = 0x600000;
    try("a store after monitor",
        C64("mov eax, 0x600000; xor ecx, ecx; xor edx, edx; monitor; mov [rdi], eax; xor eax, eax; mwait"));
    /* Without a MONITOR nothing is waited for. */
    try("mwait alone", C64("xor eax, eax; xor ecx, ecx; mwait"));
    in.flags = F_IF | 2; /* nothing comes that would end a wait */
    try("a store after monitor, IF",
        C64("mov eax, 0x600000; xor ecx, ecx; xor edx, edx; monitor; inc dword ptr [rdi]; xor eax, eax; mwait"));
    try("mwait alone, IF", C64("xor eax, eax; xor ecx, ecx; mwait"));
    /* An interrupt behind MONITOR ends the wait before it begins. */
    try("an interrupt after monitor, IF",
        C64("cli; mov eax, 0x600000; xor ecx, ecx; xor edx, edx; monitor; mov edi, 0xfee00300; mov dword ptr "
            "[rdi], 0x40051; sti; nop; nop; xor eax, eax; mwait"));
    came("and it came");
    in.flags = 2;
    /* An interrupt ends it. */
    apic_set(APIC_DIVIDE, 0xb);
    apic_set(APIC_TIMER, 0x81);
    apic_set(APIC_INITIAL, 1000000);
    for (unsigned i = 0; i < 10000000 && !n_took; i++)
        __asm__ volatile("monitor; xor %%eax, %%eax; sti; mwait; cli" : : "a"(0x600000), "c"(0), "d"(0) : "memory");
    came("an interrupt ends it");
    if (r[2] & 2) { /* with IF clear too, when ECX says so; it is not taken */
        apic_set(APIC_INITIAL, 100000);
        while (!apic_bit(APIC_IRR, 0x81))
            __asm__ volatile("monitor; xor %%eax, %%eax; mov $1, %%ecx; mwait"
                             :
                             : "a"(0x600000), "c"(0), "d"(0)
                             : "memory");
        came("an interrupt with IF clear");
        window();
        came("and afterwards");
    }
    apic_set(APIC_TIMER, 0x10000);
    return 0;
}
