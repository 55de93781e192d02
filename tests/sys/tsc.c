/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time stamp counter, IA32_TSC and IA32_TSC_ADJUST, and the APIC timer's TSC-deadline mode (SDM volume 3, 11.5.4.1
 * and 18.17). Long intervals are 10^14 ticks, hours. */
#include "lib/apic.h"

#define LONG 100000000000000ULL
enum { MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b };

static uint64_t deadline_left(void)
{
    return rdmsr(MSR_DEADLINE);
}

static void counter(void)
{
    uint64_t a = rdtsc(), b = rdmsr(MSR_TSC), d;

    say("the MSR is the counter", b >= a && b - a < LONG);
    say("it counts", rdtsc() > b);
    wrmsr(MSR_TSC, 3 * LONG);
    d = rdtsc() - 3 * LONG;
    say("written", d < LONG);
    wrmsr(MSR_TSC, 0xffffffffffff0000);
    say("written, all 64 bits", rdtsc() >= 0xffffffffffff0000 || rdtsc() < LONG);
    wrmsr(MSR_TSC, 0);
    say("written to 0", rdtsc() < LONG);
    if (has(0x80000001, 3, 27)) {
        wrmsr(0xc0000103, 0x12345678);
        in.ax = in.dx = in.cx = ~0UL;
        hidden = 1 | 1 << 2;
        try("rdtscp", C64("rdtscp"));
        say("rdtscp, upper halves", ev.r.ax >> 32 | ev.r.dx >> 32);
    }
    hidden = 0xffff;
    in.ax = in.dx = ~0UL;
    try("rdtsc", C64("rdtsc"));
    say("rdtsc, upper halves", ev.r.ax >> 32 | ev.r.dx >> 32);
}

static void adjust(void)
{
    if (!has(7, 1, 1)) {
        note("no TSC_ADJUST");
        return;
    }
    wrmsr(MSR_TSC_ADJUST, 0);
    uint64_t a = rdtsc();
    wrmsr(MSR_TSC_ADJUST, LONG);
    say("adjusted", rdtsc() - a >= LONG && rdtsc() - a < 2 * LONG);
    say("adjust reads back", rdmsr(MSR_TSC_ADJUST) == LONG);
    wrmsr(MSR_TSC_ADJUST, 0);
    say("adjusted back", rdtsc() - a < LONG);
    /* A write of the counter moves both by the same. */
    a = rdtsc();
    wrmsr(MSR_TSC, a + 2 * LONG);
    uint64_t moved = rdmsr(MSR_TSC_ADJUST);
    say("a write of the TSC shows in it", moved > LONG && moved <= 2 * LONG);
    wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) - 2 * LONG);
    say("and is taken back by it", rdtsc() - a < LONG);
    wrmsr(MSR_TSC_ADJUST, 0);
}

static void quiet(const char *s)
{
    for (unsigned i = 0; i < 1000; i++)
        window();
    came(s);
}

static void deadline(void)
{
    if (!HAS_TSCDL) {
        note("no TSC deadline");
        return;
    }
    wrmsr(MSR_DEADLINE, rdtsc() + LONG);
    say("in one-shot mode, reads", deadline_left());
    apic_set(APIC_TIMER, 0x40081);
    say("LVT timer", apic_get(APIC_TIMER));
    say("armed by entering the mode", deadline_left());
    apic_set(APIC_INITIAL, 1000);
    say("the initial count cannot be written", apic_get(APIC_INITIAL));
    say("the current count", apic_get(APIC_CURRENT));
    uint64_t at = rdtsc() + LONG;
    wrmsr(MSR_DEADLINE, at);
    say("reads back", rdmsr(MSR_DEADLINE) == at);
    quiet("far away");
    wrmsr(MSR_DEADLINE, 0);
    say("disarmed, reads", deadline_left());
    wrmsr(MSR_DEADLINE, rdtsc() + 1000000);
    wait_for(1);
    say("fired, reads", deadline_left());
    quiet("fired once");
    at = rdtsc() + 20000000;
    wrmsr(MSR_DEADLINE, at);
    wait_for(1);
    say("not early", rdtsc() >= at);
    came("a second time");
    wrmsr(MSR_DEADLINE, 1);
    wait_for(1);
    say("in the past, reads", deadline_left());
    quiet("in the past");
    wrmsr(MSR_DEADLINE, rdtsc() + LONG);
    wrmsr(MSR_DEADLINE, rdtsc() + 1000);
    wait_for(1);
    quiet("moved nearer");
    wrmsr(MSR_DEADLINE, rdtsc() + 10000000);
    wrmsr(MSR_DEADLINE, rdtsc() + LONG);
    at = rdtsc();
    while (rdtsc() - at < 20000000)
        window();
    came("moved away");
    /* The counter passes it because it is written. */
    wrmsr(MSR_DEADLINE, rdtsc() + LONG);
    wrmsr(MSR_TSC, rdtsc() + 2 * LONG);
    wait_for(1);
    came("the TSC is written to behind it");
    say("and reads then", deadline_left());
    if (has(7, 1, 1)) {
        wrmsr(MSR_DEADLINE, rdtsc() + LONG);
        wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + 2 * LONG);
        wait_for(1);
        came("TSC_ADJUST is written to behind it");
        wrmsr(MSR_DEADLINE, rdtsc() + 10000000);
        wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) - LONG);
        at = rdtsc();
        while (rdtsc() - at < 20000000)
            window();
        came("TSC_ADJUST is written to before it");
        wrmsr(MSR_DEADLINE, 0);
    }
    /* Masked: it passes without an interrupt. */
    apic_set(APIC_TIMER, 0x50081);
    wrmsr(MSR_DEADLINE, rdtsc() + 1000);
    at = rdtsc();
    while (rdtsc() - at < 10000000)
        ;
    say("masked, reads", deadline_left());
    apic_set(APIC_TIMER, 0x40081);
    quiet("masked, then not");
    /* Leaving the mode disarms. */
    wrmsr(MSR_DEADLINE, rdtsc() + 10000000);
    apic_set(APIC_TIMER, 0x82);
    say("left, reads", deadline_left());
    at = rdtsc();
    while (rdtsc() - at < 20000000)
        window();
    came("left");
    apic_set(APIC_DIVIDE, 0xb);
    apic_set(APIC_INITIAL, 0xffffffff);
    apic_set(APIC_TIMER, 0x40082);
    say("entered with a count, the initial count", apic_get(APIC_INITIAL));
    say("entered with a count, the current count", apic_get(APIC_CURRENT));
    apic_set(APIC_TIMER, 0x10000);
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    take_interrupts();
    apic_set(APIC_SVR, 0x1ff);
    counter();
    adjust();
    deadline();
    return 0;
}
