/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interprocessor interrupts and what wakes a processor (SDM volume 3, 11.6; 9.4): none is lost and none comes twice, to
 * a processor that runs, spins, or halts; NMI, INIT and SIPI.
 */
#include "smp.h"

enum { SYSCFG = 0xc0010010, KEPT = 1 << 19 };
enum { PING = 0x50, COUNT = 0x51, LATER = 0x52 };
static volatile uint32_t got[2] SHARED, nmis[2] SHARED, depth SHARED, deepest SHARED, alive SHARED, phase SHARED;
static volatile bool stop SHARED, hold SHARED;
static volatile uint32_t x87[2] SHARED, fcs SHARED;
static uint32_t wrong;

static unsigned me(void)
{
    return apic_get(APIC_ID) >> 24;
}

static bool on_ipi(struct frame *f, word *ip)
{
    got[me()]++;
    eoi();
    return true;
}

static bool on_nmi(struct frame *f, word *ip)
{
    uint32_t d = ++depth;

    if (d > deepest)
        deepest = d;
    nmis[me()]++;
    if (x87[0]) {
        uint32_t env[7];

        __asm__ volatile("fnstenv %0" : "=m"(env));
        fcs = env[4] & 0xffff;
        x87[1] = 1;
    }
    while (hold)
        relax();
    depth--;
    return true;
}

static void result(const char *s)
{
    name(s);
    field("wrong", wrong);
    end();
    wrong = 0;
    stop = false;
    got[0] = got[1] = nmis[0] = nmis[1] = 0;
    alive = phase = deepest = 0;
}

static void wait_for(volatile uint32_t *p, uint32_t v)
{
    while (*p < v)
        relax();
}

static void pauses(unsigned n)
{
    while (n--)
        relax();
}

/* Ping-pong: each halts until the other's interrupt comes. */
enum { ROUNDS = 5000 };
static void halt_until(volatile uint32_t *p, uint32_t v)
{
    while (*p < v)
        halt_with_irqs();
}
static void ping(void)
{
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        ipi_to(1, PING);
        halt_until(&got[0], n);
    }
}
static void pong(void)
{
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        halt_until(&got[1], n);
        ipi_to(0, PING);
    }
}
static void spin_ping(void)
{
    irq_on();
    for (uint32_t n = 1; n <= 500; n++) {
        ipi_to(1, PING);
        wait_for(&got[0], n);
    }
    irq_off();
}
static void spin_pong(void)
{
    irq_on();
    for (uint32_t n = 1; n <= 500; n++) {
        wait_for(&got[1], n);
        ipi_to(0, PING);
    }
    irq_off();
}
/* A flag in memory and PAUSE. */
static void flag_ping(void)
{
    for (uint32_t n = 1; n <= 500; n++) {
        smp_at[0] = n;
        wait_for(&smp_at[1], n);
    }
}
static void flag_pong(void)
{
    for (uint32_t n = 1; n <= 500; n++) {
        wait_for(&smp_at[0], n);
        smp_at[1] = n;
    }
}
/* HLT with the interrupt already on its way: between STI and HLT there is no gap. */
static void wake(void)
{
    for (uint32_t n = 1; n <= 1500; n++) {
        ipi_to(1, PING);
        pauses(n % 50);
        wait_for(&phase, n);
    }
    stop = true;
}
static void sleeper(void)
{
    for (uint32_t n = 1; n <= 1500; n++) {
        halt_until(&got[1], n);
        phase = n;
    }
}

/* To whom: how many each gets of n, which are sent one by one. */
static void serve(void)
{
    apic_set(APIC_DFR, ~0U);
    apic_set(APIC_LDR, 2 << 24);
    phase = 1;
    irq_on();
    while (!stop)
        relax();
    irq_off();
}
static void send(const char *s, unsigned dest, uint32_t icr, unsigned n, unsigned to0, unsigned to1, bool either)
{
    uint32_t a = got[0], b = got[1];

    for (unsigned i = 1; i <= n; i++) {
        ipi_to(dest, icr | COUNT);
        if (either) {
            while (got[0] - a + got[1] - b < i)
                relax();
        } else {
            wait_for(&got[0], a + i * to0);
            wait_for(&got[1], b + i * to1);
        }
    }
    pauses(500);
    name(s);
    if (either)
        field("together", got[0] - a + got[1] - b);
    else {
        field("cpu0", got[0] - a);
        field("cpu1", got[1] - b);
    }
    end();
}
static void destinations(void)
{
    apic_set(APIC_DFR, ~0U);
    apic_set(APIC_LDR, 1 << 24);
    wait_for(&phase, 1);
    irq_on();
    send("physical 0", 0, 0, 100, 1, 0, false);
    send("physical 1", 1, 0, 100, 0, 1, false);
    send("physical ff", 0xff, 0, 100, 1, 1, false);
    send("logical 1", 1, ICR_LOGICAL, 100, 1, 0, false);
    send("logical 2", 2, ICR_LOGICAL, 100, 0, 1, false);
    send("logical 3", 3, ICR_LOGICAL, 100, 1, 1, false);
    send("lowest priority of 1", 1, ICR_LOGICAL | ICR_LOWEST, 100, 1, 0, false);
    send("lowest priority of 2", 2, ICR_LOGICAL | ICR_LOWEST, 100, 0, 1, false);
    send("lowest priority of 3", 3, ICR_LOGICAL | ICR_LOWEST, 300, 0, 0, true);
    send("lowest priority of 3 and none", 0xf3, ICR_LOGICAL | ICR_LOWEST, 100, 0, 0, true);
    send("self", 0, ICR_SELF, 100, 1, 0, false);
    send("all", 0, ICR_ALL, 100, 1, 1, false);
    send("others", 0, ICR_OTHERS, 100, 0, 1, false);
    irq_off();
    stop = true;
}

/* NMIs come whatever IF says, wake, and wait for IRET. */
static void deaf(void)
{
    while (!stop)
        alive++;
}
static void halted(void)
{
    while (!stop) {
        phase++;
        __asm__ volatile("hlt" : : : "memory");
    }
}
static void nmi_running(void)
{
    for (uint32_t n = 1; n <= 300; n++) {
        ipi_to(1, ICR_NMI);
        wait_for(&nmis[1], n);
    }
    stop = true;
}
static void nmi_halted(void)
{
    for (uint32_t n = 1; n <= 300; n++) {
        wait_for(&phase, n);
        if (n == 150) {
            /* An interrupt does not wake with IF clear. */
            ipi_to(1, PING);
            pauses(2000);
            if (phase != n || got[1])
                wrong++;
        }
        pauses(n % 20);
        stop = n == 300;
        ipi_to(1, ICR_NMI);
        wait_for(&nmis[1], n);
    }
}
/* The interrupt that was sent meanwhile comes when IF is set. */
static void open_irqs(void)
{
    irq_on();
    wait_for(&got[1], 1);
    irq_off();
}
static void nmi_nested(void)
{
    for (uint32_t n = 0; n < 50; n++) {
        uint32_t was = nmis[1];

        hold = true;
        ipi_to(1, ICR_NMI);
        wait_for(&nmis[1], was + 1);
        ipi_to(1, ICR_NMI);
        ipi_to(1, ICR_NMI);
        pauses(100);
        if (nmis[1] != was + 1)
            wrong++;
        hold = false;
        wait_for(&nmis[1], was + 2);
        pauses(100);
        if (nmis[1] != was + 2)
            wrong++;
    }
    wrong += deepest != 1;
    stop = true;
}

/* What FNSTENV stores belongs to the last x87 instruction, and not to whom interrupted it. */
static void nmi_x87(void)
{
    user();
    in.di = (word)x87;
    hidden = ~0U;
    try_("nmi, x87", C64("fninit; fldz; 1: fabs; inc dword ptr [rdi]; cmp dword ptr [rdi + 4], 0; je 1b; fninit"));
    field("fcs", fcs);
    end();
    fresh();
}
static void nmi_when_x87(void)
{
    wait_for(&x87[0], 100000);
    ipi_to(0, ICR_NMI);
}

/* INIT stops the other, whatever it does; it comes back by SIPI alone. */
static void in_loop(void)
{
    for (;;)
        alive++;
}
static void in_msrs(void)
{
    wrmsr(SYSCFG, KEPT);
    in_loop();
}
static void kept(void)
{
    wrong += rdmsr(SYSCFG) != KEPT;
    wrmsr(SYSCFG, 0);
}
static void in_halt(void)
{
    for (;;) {
        alive++;
        halt_with_irqs();
    }
}
static void in_memory(void)
{
    static uint8_t a[4096], b[4096];

    for (;;) {
        memcpy(a, b, sizeof(a));
        alive++;
    }
}
static void in_device(void)
{
    for (;;) {
        inb(0x80);
        apic_get(APIC_ID);
        alive++;
    }
}
static void nothing(void)
{
    phase++;
}
static void init_of(const char *s, Job *job, Job *then)
{
    for (unsigned n = 0; n < 8; n++) {
        uint32_t was = 0;

        alive = 0;
        smp_begun = false;
        smp_job = job;
        wait_for(&alive, 1);
        pauses(n * 100);
        ipi_to(1, ICR_INIT);
        for (unsigned tries = 0, same = 0; tries < 1000 && same < 3; tries++) {
            was = alive;
            pauses(500);
            same = alive == was ? same + 1 : 0;
        }
        /* This does not start it. */
        ipi_to(1, PING);
        pauses(1000);
        /* It may have been on its way to INIT all that time. */
        if (alive - was > 2 || got[1])
            wrong++;
        smp_job = NULL;
        ap_count = 0;
        ipi_to(1, ICR_SIPI | 0xff);
        while (ap_count < 1)
            relax();
        /* One that runs is not started again. */
        ipi_to(1, ICR_SIPI | 0xff);
        pauses(200);
        both(nothing, then);
        if (ap_count != 1)
            wrong++;
    }
    result(s);
}

/* Each sends while the other sends. */
static void crossing(void)
{
    unsigned cpu = me();

    irq_on();
    for (uint32_t n = 1; n <= 500; n++) {
        ipi_to(!cpu, COUNT);
        wait_for(&got[cpu], n);
        wait_for(&got[!cpu], n); /* two that wait would be one */
    }
    irq_off();
}

int main(void)
{
    handlers[PING] = handlers[COUNT] = handlers[LATER] = on_ipi;
    handlers[V_NMI] = on_nmi;
    smp_start();
    both(ping, pong);
    wrong = got[0] != ROUNDS || got[1] != ROUNDS;
    result("ping-pong, hlt");
    both(spin_ping, spin_pong);
    wrong = got[0] != 500 || got[1] != 500;
    result("ping-pong, pause and interrupts");
    both(flag_ping, flag_pong);
    result("ping-pong, pause");
    both(wake, sleeper);
    wrong = got[1] != 1500;
    result("sti and hlt");
    both(crossing, crossing);
    wrong = got[0] != 500 || got[1] != 500;
    result("both at once");
    both(destinations, serve);
    result("destinations");
    both(nmi_running, deaf);
    result("nmi, running");
    both(nmi_halted, halted);
    result("nmi, halted");
    both(nothing, open_irqs);
    wrong = got[1] != 1;
    result("the interrupt after it");
    both(nmi_nested, deaf);
    result("nmi in nmi");
    both(nmi_x87, nmi_when_x87);
    nmis[0] = 0;
    init_of("init, loop", in_loop, nothing);
    init_of("init, hlt", in_halt, nothing);
    init_of("init, rep movs", in_memory, nothing);
    init_of("init, device", in_device, nothing);
    init_of("init, msrs", in_msrs, kept);
    return 0;
}
