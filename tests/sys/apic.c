/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC in xAPIC mode (SDM volume 3, chapter 11): registers, IPIs, priorities, IRR, ISR and TMR, the error
 * status, the timer's modes, the I/O APIC's level-triggered interrupts, software and hardware disabling.
 */
#include "lib/apic.h"

/* Writes v, prints what reads back, puts the old value back. */
static void reg(const char *s, unsigned r, uint32_t v)
{
    uint32_t was = apic_get(r);

    apic_set(r, v);
    say(s, apic_get(r));
    apic_set(r, was);
}

static void numbered(const char *s, unsigned n)
{
    print(s);
    print_hex(n);
    print(":");
}

static void at_reset(void)
{
    say("reset, base", rdmsr(MSR_APIC_BASE));
    say("reset, id", apic_get(APIC_ID));
    say("reset, integrated", (apic_get(APIC_VERSION) & 0xff) >> 4);
    say("reset, TPR", apic_get(APIC_TPR));
    say("reset, PPR", apic_get(APIC_PPR));
    say("reset, LDR", apic_get(APIC_LDR));
    say("reset, DFR", apic_get(APIC_DFR));
    say("reset, SVR", apic_get(APIC_SVR));
    say("reset, ESR", apic_get(APIC_ESR));
    say("reset, ICR", apic_get(APIC_ICR) | apic_get(APIC_ICR2));
    for (unsigned r = APIC_TIMER; r <= APIC_ERROR; r += 16) {
        numbered("reset, LVT ", r);
        field("is", apic_get(r));
        end();
    }
    say("reset, initial count", apic_get(APIC_INITIAL));
    say("reset, current count", apic_get(APIC_CURRENT));
    say("reset, divide", apic_get(APIC_DIVIDE));
    uint32_t any = 0;
    for (unsigned r = APIC_ISR; r < APIC_ESR; r += 16)
        any |= apic_get(r);
    say("reset, ISR, TMR, IRR", any);
    reg("disabled, a LVT stays masked", APIC_LINT0, 0x51);
}

static void registers(void)
{
    apic_set(APIC_SVR, 0x1ff);
    reg("TPR", APIC_TPR, 0xffffffff);
    reg("LDR", APIC_LDR, 0xffffffff);
    reg("DFR, cluster", APIC_DFR, 0x0fffffff);
    reg("LVT timer", APIC_TIMER, 0x310ff);
    reg("LVT thermal", APIC_THERMAL, 0xfffff9ff);
    reg("LVT performance", APIC_PERFORMANCE, 0xfffffcff);
    reg("LVT LINT0", APIC_LINT0, 0xffffffff);
    reg("LVT LINT1", APIC_LINT1, 0xffffffff);
    reg("LVT error", APIC_ERROR, 0xfffffeff);
    reg("divide", APIC_DIVIDE, 0xb);
    reg("version is read only", APIC_PPR, 0x50);
    reg("ISR is read only", APIC_ISR + 0x20, ~0U);
    reg("TMR is read only", APIC_TMR + 0x20, ~0U);
    reg("IRR is read only", APIC_IRR + 0x20, ~0U);
    reg("current count is read only", APIC_CURRENT, 0x1234);
    apic_set(APIC_ICR2, 0x77000000);
    apic_set(APIC_ICR, 0x5055); /* nobody */
    say("ICR, not pending", apic_get(APIC_ICR));
    say("ICR, upper half", apic_get(APIC_ICR2));
}

static void send(const char *s, uint32_t high, uint32_t low)
{
    apic_set(APIC_ICR2, high << 24);
    apic_set(APIC_ICR, low);
    window();
    came(s);
}

static void destinations(void)
{
    send("self", 0, 0x40051);
    send("all with self", 0, 0x80052);
    send("all but self", 0, 0xc0053);
    send("physical 0", 0, 0x54);
    send("physical 1", 1, 0x55);
    send("physical ffh", 0xff, 0x56);
    send("NMI to physical 0", 0, 0x400);
    send("lowest priority to physical 0", 0, 0x157);
    apic_set(APIC_LDR, 0x05000000);
    send("logical, flat 1", 1, 0x861);
    send("logical, flat 2", 2, 0x862);
    send("logical, flat 6", 6, 0x863);
    send("logical, flat ffh", 0xff, 0x864);
    apic_set(APIC_DFR, 0x0fffffff);
    apic_set(APIC_LDR, 0x32000000);
    send("logical, cluster 3, member 2", 0x32, 0x865);
    send("logical, cluster 3, members 3", 0x33, 0x866);
    send("logical, cluster 3, member 1", 0x31, 0x867);
    send("logical, cluster 2, member 2", 0x22, 0x868);
    send("logical, cluster ffh", 0xff, 0x869);
    apic_set(APIC_DFR, 0xffffffff);
    apic_set(APIC_LDR, 0);
    send("logical, flat, no LDR", 1, 0x86a);
}

static void priorities(void)
{
    static const uint8_t tprs[] = {0, 0x0f, 0x10, 0x4f, 0x60, 0x65, 0xff};

    for (unsigned v = 0x31; v < 0xe0; v += 0x4f)
        apic_set(APIC_ICR, SELF | v);
    apic_set(APIC_ICR, SELF | 0x3f);
    window();
    came("highest first");
    for (unsigned i = 0; i < sizeof(tprs); i++) {
        apic_set(APIC_TPR, tprs[i]);
        numbered("PPR, TPR ", tprs[i]);
        field("idle", apic_get(APIC_PPR));
        apic_set(APIC_TPR, 0);
        no_eoi = true;
        apic_set(APIC_ICR, SELF | 0x52);
        window();
        apic_set(APIC_TPR, tprs[i]);
        field("with 52h", apic_get(APIC_PPR));
        apic_set(APIC_ICR, SELF | 0x61);
        window();
        field("taken", n_took - 1);
        apic_set(APIC_TPR, 0);
        window();
        field("then", n_took - 1);
        apic_eoi();
        apic_eoi();
        field("at last", apic_get(APIC_PPR));
        end();
        no_eoi = false;
        n_took = 0;
    }
    apic_set(APIC_TPR, 0x50);
    apic_set(APIC_ICR, SELF | 0x5f);
    window();
    came("TPR of the same class");
    apic_set(APIC_TPR, 0x4f);
    window();
    came("TPR of the class below");
    apic_set(APIC_TPR, 0);
    /* The same vector in service, requested, and once more. */
    no_eoi = true;
    apic_set(APIC_ICR, SELF | 0x51);
    name("one vector");
    field("IRR", apic_bit(APIC_IRR, 0x51));
    field("ISR", apic_bit(APIC_ISR, 0x51));
    window();
    field("IRR", apic_bit(APIC_IRR, 0x51));
    field("ISR", apic_bit(APIC_ISR, 0x51));
    apic_set(APIC_ICR, SELF | 0x51);
    apic_set(APIC_ICR, SELF | 0x51);
    window();
    field("IRR", apic_bit(APIC_IRR, 0x51));
    field("ISR", apic_bit(APIC_ISR, 0x51));
    apic_eoi();
    field("IRR", apic_bit(APIC_IRR, 0x51));
    field("ISR", apic_bit(APIC_ISR, 0x51));
    window();
    apic_eoi();
    window();
    end();
    came("one vector, taken");
    /* Nested: EOI ends the highest. */
    apic_set(APIC_ICR, SELF | 0x51);
    window();
    apic_set(APIC_ICR, SELF | 0x61);
    window();
    name("EOI ends the highest");
    field("51h", apic_bit(APIC_ISR, 0x51));
    field("61h", apic_bit(APIC_ISR, 0x61));
    apic_eoi();
    field("51h", apic_bit(APIC_ISR, 0x51));
    field("61h", apic_bit(APIC_ISR, 0x61));
    apic_eoi();
    field("PPR", apic_get(APIC_PPR));
    apic_eoi();
    field("PPR", apic_get(APIC_PPR));
    end();
    came("nested");
    no_eoi = false;
}

static uint32_t esr(void) /* a write shows what came since the last (11.5.3) */
{
    apic_set(APIC_ESR, 0);
    return apic_get(APIC_ESR);
}

static void errors(void)
{
    esr();
    apic_set(APIC_ICR2, 0x77000000);
    apic_set(APIC_ICR, 5);
    say("ESR before it is written", apic_get(APIC_ESR));
    say("ESR, vector 5 sent", esr());
    say("ESR, read again", apic_get(APIC_ESR));
    say("ESR, written again", esr());
    apic_set(APIC_ERROR, 0x71);
    apic_set(APIC_ICR, 0xf);
    window();
    came("error interrupt");
    apic_set(APIC_ICR, 0x10f);
    window();
    esr();
    n_took = 0;
    apic_set(APIC_ICR, 0xe);
    window();
    came("error interrupt, after the ESR was written");
    esr();
    (void)apic_get(0x40);
    say("ESR, no such register", esr() & 0x80);
    n_took = 0;
    window();
    n_took = 0;
    apic_set(APIC_ERROR, 0x10071);
    apic_set(APIC_ICR, 3);
    window();
    came("error interrupt, masked");
    esr();
}

/* TSC ticks to a thousand of the timer's. */
static uint64_t rate(uint8_t code, uint32_t least)
{
    uint64_t from, ticks;

    apic_set(APIC_DIVIDE, code);
    apic_set(APIC_INITIAL, 0xffffffff);
    from = rdtsc();
    while ((ticks = 0xffffffff - apic_get(APIC_CURRENT)) < least)
        ;
    return (rdtsc() - from) * 1000 / ticks;
}

static void timer(void)
{
    apic_set(APIC_DIVIDE, 0xb);
    apic_set(APIC_TIMER, 0x81);
    apic_set(APIC_INITIAL, 10000);
    wait_for(1);
    say("one shot, count at the end", apic_get(APIC_CURRENT));
    for (unsigned i = 0; i < 1000; i++)
        window();
    came("one shot");
    apic_set(APIC_TIMER, 0x20082);
    apic_set(APIC_INITIAL, 100000);
    wait_for(4);
    uint32_t now = apic_get(APIC_CURRENT);
    say("periodic, count in range", now && now <= 100000);
    apic_set(APIC_INITIAL, 0);
    window();
    n_took = n_took >= 4 ? 4 : n_took;
    came("periodic");
    say("stopped by a count of 0", apic_get(APIC_CURRENT));
    for (unsigned i = 0; i < 1000; i++)
        window();
    came("stopped");
    apic_set(APIC_TIMER, 0x10083);
    apic_set(APIC_INITIAL, 10000);
    for (unsigned i = 0; i < 20000000 && apic_get(APIC_CURRENT); i++)
        ;
    say("masked, count at the end", apic_get(APIC_CURRENT));
    apic_set(APIC_TIMER, 0x83);
    window();
    came("masked, then not");
    apic_set(APIC_INITIAL, 0xffffffff);
    uint32_t first = apic_get(APIC_CURRENT);
    apic_set(APIC_TIMER, 0x10083);
    while (apic_get(APIC_CURRENT) == first)
        ;
    say("masked on the way, goes on", apic_get(APIC_CURRENT) < first);
    say("initial count", apic_get(APIC_INITIAL));
    /* Dividers: a millisecond each. Somebody else may have had the processor in between: some tries. */
    static const uint8_t codes[] = {0xb, 0, 1, 2, 3, 8, 9, 0xa};
    for (unsigned i = 1; i < sizeof(codes); i++) {
        bool right = false;
        for (unsigned t = 0; t < 50 && !right; t++) {
            uint64_t base = rate(codes[0], 1000000), slow = rate(codes[i], 1000000 >> i);
            right = slow > (base << i) / 2 && slow < (base << i) * 2;
        }
        numbered("divider ", codes[i]);
        field("right", right);
        end();
    }
    apic_set(APIC_INITIAL, 0);
    apic_set(APIC_TIMER, 0x10000);
}

static uint32_t ioapic_get(unsigned r)
{
    *(volatile uint32_t *)0xfec00000UL = r;
    return *(volatile uint32_t *)0xfec00010UL;
}
static void ioapic_set(unsigned r, uint32_t v)
{
    *(volatile uint32_t *)0xfec00000UL = r;
    *(volatile uint32_t *)0xfec00010UL = v;
}

/* The PIT's output is high from the end of a count in mode 0 until the next count, low while it counts. */
static void pit(uint16_t count)
{
    outb(0x43, 0x30);
    outb(0x40, (uint8_t)count);
    outb(0x40, count >> 8);
}

/* Pin 2 of the I/O APIC, edge-triggered, then level-triggered. */
static void io_apic(void)
{
    pit(0xffff);
    ioapic_set(0x15, 0);
    ioapic_set(0x14, 0x91);
    pit(10);
    wait_for(1);
    say("edge, TMR", apic_bit(APIC_TMR, 0x91));
    say("edge, remote IRR", ioapic_get(0x14) >> 14 & 1);
    window();
    came("edge");
    pit(0xffff);
    no_eoi = true;
    ioapic_set(0x14, 0x8092);
    pit(10);
    wait_for(1);
    say("level, TMR", apic_bit(APIC_TMR, 0x92));
    say("level, remote IRR", ioapic_get(0x14) >> 14 & 1);
    window();
    say("level, requested again before EOI", apic_bit(APIC_IRR, 0x92));
    apic_eoi();
    say("level, requested again after EOI", apic_bit(APIC_IRR, 0x92));
    window();
    say("level, remote IRR again", ioapic_get(0x14) >> 14 & 1);
    pit(0xffff);
    apic_eoi();
    say("level, requested after EOI when low", apic_bit(APIC_IRR, 0x92));
    say("level, remote IRR when low", ioapic_get(0x14) >> 14 & 1);
    came("level");
    ioapic_set(0x14, 0x10000);
    /* An edge-triggered interrupt of the vector clears the bit in the TMR. */
    apic_set(APIC_ICR, SELF | 0x92);
    window();
    say("TMR after an edge-triggered one", apic_bit(APIC_TMR, 0x92));
    apic_eoi();
    n_took = 0;
    no_eoi = false;
}

static void off(void)
{
    apic_set(APIC_LINT1, 0x400);
    apic_set(APIC_TIMER, 0x51);
    apic_set(APIC_SVR, 0xff);
    say("software-disabled, LVT timer", apic_get(APIC_TIMER));
    say("software-disabled, LVT LINT1", apic_get(APIC_LINT1));
    apic_set(APIC_ICR, SELF | 0x51);
    say("software-disabled, not accepted", apic_bit(APIC_IRR, 0x51));
    apic_set(APIC_ICR2, 0);
    apic_set(APIC_ICR, 0x400);
    window();
    came("software-disabled, NMI");
    apic_set(APIC_SVR, 0x1ff);
    window();
    came("enabled again");
    say("enabled again, LVT timer", apic_get(APIC_TIMER));
    apic_set(APIC_TPR, 0x20);
    say("CPUID.1:EDX.APIC", has(1, 3, 9));
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) & ~(uint64_t)BASE_EN);
    say("disabled, CPUID.1:EDX.APIC", has(1, 3, 9));
    say("disabled, base", rdmsr(MSR_APIC_BASE));
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | BASE_EN);
    say("enabled by the MSR, CPUID.1:EDX.APIC", has(1, 3, 9));
    say("enabled by the MSR, SVR", apic_get(APIC_SVR));
    say("enabled by the MSR, TPR", apic_get(APIC_TPR));
    say("enabled by the MSR, LVT LINT1", apic_get(APIC_LINT1));
}

static void illegal_vector(void)
{
    apic_set(APIC_SVR, 0x1ff);
    esr();
    apic_set(APIC_TIMER, 5);
    apic_set(APIC_DIVIDE, 0xb);
    apic_set(APIC_INITIAL, 100);
    uint32_t seen = 0;
    for (unsigned i = 0; i < 5000000 && !seen; i++) {
        window();
        seen = esr() & 0x40;
    }
    say("timer's vector 5, illegal vector received", seen);
    came("timer's vector 5");
    apic_set(APIC_TIMER, 0x10000);
}

int main(void)
{
    at_reset();
    take_interrupts();
    registers();
    destinations();
    priorities();
    errors();
    timer();
    io_apic();
    off();
    illegal_vector();
    return 0;
}
