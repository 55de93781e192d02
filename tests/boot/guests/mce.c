/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine checks that a monitor injects, as the guest meets them. It is told over COM1 what to do, one letter each, and
 * answers by lines, the last of which is "ok":
 *   b  the banks and MCG_STATUS of each processor, and its last #MC     c  clear them
 *   m, n  CR4.MCE on, off (all processors)    h  halt with interrupts off, until a #MC comes
 *   g, G  MCG_CTL zero, all ones    k, K  the same of bank 2's control register (processor 0)
 *   p  start the second processor    i  MCG_STATUS.MCIP set    C  MCG_STATUS zero (processor 0)    q  quit
 */
#include "guest.h"

enum { COM1 = 0x3f8, MSR_MCG_CAP = 0x179, MSR_MCG_STATUS, MSR_MCG_CTL, MSR_MC0 = 0x400, CR4_MCE = 0x40, CPUS = 2 };
enum { DO_NOTHING, DO_SNAPSHOT, DO_CLEAR, DO_MCE_ON, DO_MCE_OFF };

typedef struct Seen {
    uint32_t count;
    uint64_t cap, status, bank[32 * 4], at_entry, flags, cs;
    uint32_t rip_in_code;
} Seen;
static volatile Seen seen[CPUS];
static volatile uint32_t order, done, ap_there;
extern char halt_begin[], halt_end[];

static unsigned cpu(void)
{
    return apic_read(APIC_ID) >> 24;
}

void interrupt(struct frame *f)
{
    unsigned n = cpu();

    if (f->vector != 18) {
        say_hex("exception", f->vector, 2);
        say_hex("at", f->rip, 8);
        quit(1);
    }
    seen[n].count++;
    seen[n].at_entry = rdmsr(MSR_MCG_STATUS);
    seen[n].flags = f->rflags & 0x10300; /* RF, IF, TF */
    seen[n].cs = f->cs;
    seen[n].rip_in_code = f->rip >= 0xe0000 && f->rip < 0x100000;
    /* Before its HLT or at it, the guest does not halt any more. */
    if (f->rip >= (uint64_t)halt_begin && f->rip < (uint64_t)halt_end)
        f->rip = (uint64_t)halt_end;
}

static void act(unsigned what)
{
    unsigned n = cpu();
    uint64_t cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    switch (what) {
    case DO_SNAPSHOT:
        seen[n].cap = rdmsr(MSR_MCG_CAP);
        seen[n].status = rdmsr(MSR_MCG_STATUS);
        for (unsigned i = 0; i < (seen[n].cap & 0xff) * 4; i++)
            seen[n].bank[i] = rdmsr(MSR_MC0 + i);
        break;
    case DO_CLEAR:
        wrmsr(MSR_MCG_STATUS, 0);
        for (unsigned i = 0; i < (rdmsr(MSR_MCG_CAP) & 0xff) * 4; i++) {
            if (i & 3)
                wrmsr(MSR_MC0 + i, 0);
        }
        seen[n].count = 0;
        break;
    case DO_MCE_ON:
        __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | CR4_MCE));
        break;
    case DO_MCE_OFF:
        __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~(uint64_t)CR4_MCE));
        break;
    }
}

static void all(unsigned what)
{
    if (ap_there) {
        done = 0;
        order = what;
        while (!done)
            __asm__ volatile("pause");
    }
    act(what);
}

void ap_main(unsigned n)
{
    ap_there = n;
    for (;;) {
        if (order) {
            act(order);
            order = 0;
            done = 1;
        }
        __asm__ volatile("pause");
    }
}

static void put(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, (uint8_t)c);
}
static void text(const char *s)
{
    while (*s)
        put(*s++);
}
static void hex(const char *name, uint64_t v)
{
    bool started = false;

    put(' ');
    text(name);
    put('=');
    for (int n = 60; n >= 0; n -= 4) {
        started |= v >> n & 15 || !n;
        if (started)
            put("0123456789abcdef"[v >> n & 15]);
    }
}

/* "halting", and HLT until a #MC comes. */
static void halt(void)
{
    text("halting");
    while (!(inb(COM1 + 5) & 0x20))
        ;
    __asm__ volatile("movl $0x3f8, %%edx\n"
                     ".globl halt_begin, halt_end\n"
                     "halt_begin: movb $10, %%al; out %%al, %%dx\n"
                     "1: hlt; jmp 1b\n"
                     "halt_end:"
                     :
                     :
                     : "eax", "edx", "memory");
}

static void show(unsigned n)
{
    static const char *const names[] = {"ctl", "status", "addr", "misc"};

    text("cpu");
    hex("n", n);
    hex("mcg_status", seen[n].status);
    hex("mc", seen[n].count);
    if (seen[n].count) {
        hex("at_entry", seen[n].at_entry);
        hex("flags", seen[n].flags);
        hex("cs", seen[n].cs);
        hex("in_code", seen[n].rip_in_code);
    }
    text("\n");
    for (unsigned b = 0; b < (seen[n].cap & 0xff); b++) {
        if (!(seen[n].bank[b * 4 + 1] | seen[n].bank[b * 4 + 2] | seen[n].bank[b * 4 + 3]) &&
            seen[n].bank[b * 4] == ~0ULL)
            continue;
        text("bank");
        hex("n", b);
        for (unsigned i = 0; i < 4; i++)
            hex(names[i], seen[n].bank[b * 4 + i]);
        text("\n");
    }
}

static void start_ap(void)
{
    apic_write(APIC_SVR, 0x1ff);
    start_second();
    while (!ap_there)
        __asm__ volatile("pause");
}

int main(void)
{
    text("ready\n");
    for (;;) {
        while (!(inb(COM1 + 5) & 1))
            ;
        char c = (char)inb(COM1);

        switch (c) {
        case 'b':
            all(DO_SNAPSHOT);
            show(0);
            if (ap_there)
                show(1);
            break;
        case 'c':
            all(DO_CLEAR);
            break;
        case 'm':
            all(DO_MCE_ON);
            break;
        case 'n':
            all(DO_MCE_OFF);
            break;
        case 'g':
        case 'G':
            wrmsr(MSR_MCG_CTL, c == 'g' ? 0 : ~0ULL);
            break;
        case 'k':
        case 'K':
            wrmsr(MSR_MC0 + 2 * 4, c == 'k' ? 0 : ~0ULL);
            break;
        case 'i':
            wrmsr(MSR_MCG_STATUS, 4);
            break;
        case 'C':
            wrmsr(MSR_MCG_STATUS, 0);
            break;
        case 'p':
            start_ap();
            break;
        case 'h':
            cli();
            halt();
            break;
        case 'q':
            quit(0x10);
            break;
        default:
            continue;
        }
        text("ok\n");
    }
}
