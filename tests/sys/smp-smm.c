/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What waits while a processor is in SMM, and while NMIs are blocked (APM volume 2, 10.3.3; SDM volume 3, 6.7.1 and
 * 32.8): INIT comes after RSM, a SIPI is lost, NMI and SMI come after RSM; none of them ends a HLT before. The second
 * processor is sent there by an SMI of the first's; its handler lies at the SMBASE of reset, 30000h, and talks by
 * dwords from 4000h on: how often it was entered, that it goes on, the order to leave, that it left HLT, its NMIs and
 * interrupts, that it is at its end.
 */
#include "smp.h"

enum { ENTERED, GOES_ON, LEAVE, AWAKE, NMIS, INTS, LEAVING, WORDS = 16 };
enum { ICR_SMI = 0x200, PING = 0x51, SMBASE = 0x30000 };
static volatile uint32_t alive SHARED, nmis SHARED, got SHARED, asleep SHARED, ended SHARED;
static volatile bool leave SHARED;

static volatile uint32_t *seen(void)
{
    word at = 0x4000;

    __asm__("" : "+r"(at));
    return (volatile uint32_t *)at;
}

static void handler(const struct code *c)
{
    memcpy((void *)(word)(SMBASE + 0x8000), c->start, c->end - c->start + 2);
    memset((void *)seen(), 0, WORDS * 4);
}

static void pauses(unsigned n)
{
    while (n--)
        relax();
}
static void at_least(volatile uint32_t *p, uint32_t v)
{
    while (*p < v)
        relax();
}
/* It does not change any more: the other may have to wait for a processor of the host. */
static bool rests(volatile uint32_t *p)
{
    for (unsigned tries = 0, same = 0; tries < 2000; tries++) {
        uint32_t was = *p;

        pauses(200);
        same = *p == was ? same + 1 : 0;
        if (same == 100)
            return true;
    }
    return false;
}

static bool on_nmi(struct frame *f, word *ip)
{
    nmis++;
    return true;
}
static bool on_ping(struct frame *f, word *ip)
{
    got++;
    eoi();
    return true;
}

static void loops(void)
{
    irq_off();
    for (;;)
        alive++;
}
static void sleeps(void)
{
    irq_off();
    for (;;) {
        alive++;
        asleep = 1;
        __asm__ volatile("hlt" : : : "memory");
    }
}

#define ENTER "inc dword ptr ds:[0x4000]\n\t"
#define STAY                                                                                                           \
    "1: inc dword ptr ds:[0x4004]\n\tpause\n\tcmp dword ptr ds:[0x4008], 0\n\tje 1b\n\tinc dword ptr ds:[0x4018]\n\t"

/* The second processor does job, goes into SMM, and gets there what `what` says; how it does after RSM. */
static void begin(Job *job)
{
    handler(C16(ENTER STAY "rsm"));
    alive = nmis = got = asleep = 0;
    smp_begun = false;
    smp_job = job;
    at_least(&alive, 1);
    pauses(100);
    ipi_to(1, ICR_SMI);
    at_least(&seen()[GOES_ON], 1);
}
static bool in_smm_still(void)
{
    uint32_t was = seen()[GOES_ON];

    for (unsigned tries = 0; tries < 200000000; tries++) {
        if (seen()[GOES_ON] - was > 1000)
            return true;
        relax();
    }
    return false;
}
static void go(void)
{
    uint32_t was = seen()[LEAVING];

    seen()[LEAVE] = 1;
    at_least(&seen()[LEAVING], was + 1);
}
static void start_again(void)
{
    smp_job = NULL;
    ap_count = 0;
    while (!ap_count) { /* one that comes before the INIT is lost */
        ipi_to(1, ICR_SIPI | 0xff);
        pauses(1000);
    }
}

static void init(const char *s, Job *job, bool sipi)
{
    begin(job);
    name(s);
    uint32_t was = alive;
    ipi_to(1, ICR_INIT);
    if (sipi) {
        ap_count = 0;
        ipi_to(1, ICR_SIPI | 0xff);
    }
    bool still = in_smm_still();
    field("goes on in SMM", still);
    if (still)
        go();
    field("rests then", rests(&alive) && rests(&seen()[GOES_ON]));
    field("executed behind RSM", alive - was);
    if (sipi)
        field("started by the SIPI of before", ap_count);
    /* Only a SIPI starts it. */
    ipi_to(1, PING);
    field("rests", rests(&alive));
    start_again();
    field("SMIs", seen()[ENTERED]);
    end();
}

/* Two INITs are one. */
static void twice(void)
{
    begin(loops);
    name("INIT twice");
    ipi_to(1, ICR_INIT);
    ipi_to(1, ICR_INIT);
    bool still = in_smm_still();
    field("goes on in SMM", still);
    if (still)
        go();
    field("rests then", rests(&alive));
    start_again();
    smp_begun = false;
    alive = 0;
    smp_job = loops;
    at_least(&alive, 1);
    uint32_t was = alive;
    at_least(&alive, was + 1000);
    field("runs", 1);
    ipi_to(1, ICR_INIT);
    field("rests", rests(&alive));
    start_again();
    end();
}

/* HLT in the handler, with an IDT of its own at 39000h: NMI 38200h, PING 38300h. */
static void table(void)
{
    const struct code *c = C16("inc dword ptr ds:[0x4010]\n\tiret");

    memcpy((void *)(word)(SMBASE + 0x8200), c->start, c->end - c->start);
    c = C16(
        "inc dword ptr ds:[0x4014]\n\tpush ebx\n\tmov ebx, 0xfee000b0\n\tmov dword ptr [ebx], 0\n\tpop ebx\n\tiret");
    memcpy((void *)(word)(SMBASE + 0x8300), c->start, c->end - c->start);
    memset((void *)(word)(SMBASE + 0x9000), 0, 0x400);
    *(volatile uint16_t *)(word)(SMBASE + 0x9000) = 0x3ff;
    *(volatile uint32_t *)(word)(SMBASE + 0x9002) = SMBASE + 0x9010;
    *(volatile uint32_t *)(word)(SMBASE + 0x9010 + V_NMI * 4) = (SMBASE >> 4) << 16 | 0x8200;
    *(volatile uint32_t *)(word)(SMBASE + 0x9010 + PING * 4) = (SMBASE >> 4) << 16 | 0x8300;
}
static void hlt_in_smm(const char *s, uint32_t icr)
{
    begin(loops);
    go();
    at_least(&alive, alive + 100);
    handler(C16(ENTER "cmp dword ptr ds:[0x4000], 1\n\tjne 3f\n\tmov esp, 0x3f000\n\tlidt cs:[0x9000]\n\tinc dword ptr "
                      "ds:[0x4004]\n\tsti\n\thlt\n\tcli\n\tinc dword ptr ds:[0x400c]\n\t" STAY "3: rsm"));
    table();
    nmis = 0;
    ipi_to(1, ICR_SMI);
    at_least(&seen()[GOES_ON], 1);
    pauses(5000);
    name(s);
    ipi_to(1, icr);
    pauses(20000);
    field("halted", !seen()[AWAKE]);
    ipi_to(1, PING);
    at_least(&seen()[AWAKE], 1);
    pauses(2000);
    field("interrupts", seen()[INTS]);
    field("NMIs by the IRET", seen()[NMIS]);
    uint32_t was = alive;
    go();
    if (icr == ICR_INIT) {
        field("rests then", rests(&alive));
        field("executed behind RSM", alive - was);
        start_again();
    } else {
        at_least(&alive, was + 1000);
        field("NMIs outside", nmis);
        ipi_to(1, ICR_INIT);
        rests(&alive);
        start_again();
    }
    field("SMIs", seen()[ENTERED]);
    end();
}

/* HLT in an NMI's handler: another NMI does not end it, an interrupt does, and the NMI comes behind the IRET. */
static uint32_t at_wake;
static bool halting_nmi(struct frame *f, word *ip)
{
    if (nmis++)
        return true;
    asleep = 1;
    /* CLI behind HLT: what the interrupt's IRET lets in comes with the count of before. */
    halt_with_irqs();
    at_wake = got;
    ended = 1;
    return true;
}
static void waits(void)
{
    while (!leave)
        alive++;
}
static void nmi_in_nmi(void)
{
    handlers[V_NMI] = halting_nmi;
    nmis = got = asleep = ended = 0;
    smp_begun = false;
    smp_job = waits;
    while (!smp_begun)
        relax();
    ipi_to(1, ICR_NMI);
    at_least(&asleep, 1);
    pauses(5000);
    ipi_to(1, ICR_NMI);
    pauses(20000);
    name("HLT in an NMI's handler");
    field("halted", !ended);
    field("NMIs", nmis);
    ipi_to(1, PING);
    at_least(&ended, 1);
    at_least(&nmis, 2);
    field("interrupts at its end", at_wake);
    leave = true;
    while (smp_job)
        relax();
    field("NMIs at last", nmis);
    end();
    handlers[V_NMI] = on_nmi;
}

int main(void)
{
    handlers[V_NMI] = on_nmi;
    handlers[PING] = on_ping;
    gate_ist(V_NMI, 0); /* they nest here */
    smp_start();
    init("INIT in SMM, loop", loops, false);
    init("INIT in SMM, hlt", sleeps, false);
    init("INIT and SIPI in SMM", loops, true);
    twice();
    hlt_in_smm("HLT in SMM, NMI", ICR_NMI);
    hlt_in_smm("HLT in SMM, SMI", ICR_SMI);
    hlt_in_smm("HLT in SMM, INIT", ICR_INIT);
    nmi_in_nmi();
    return 0;
}
