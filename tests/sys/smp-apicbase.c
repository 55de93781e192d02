/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IA32_APIC_BASE of two processors (SDM volume 3, 11.4.4 and 11.4.5): each one's page is where its own register says
 * and shows to nobody else; messages find both wherever their pages are; INIT leaves the register as it is.
 */
#include "smp.h"

enum { MSR_APIC_BASE = 0x1b, PING = 0x51, HOME = 0xfee00000, RAM = 0x400000, TPR = 0x80, ROUNDS = 2000 };
static volatile uint32_t got[2] SHARED, wrong[2] SHARED, phase SHARED;
static volatile word page_of[2] SHARED;

static volatile uint32_t *at(word base, unsigned off)
{
    word a = base + off;

    __asm__("" : "+r"(a));
    return (volatile uint32_t *)a;
}
static void move(unsigned cpu, word base)
{
    wrmsr(MSR_APIC_BASE, base | 0x800 | (cpu ? 0 : 0x100));
    page_of[cpu] = base;
}
static unsigned me(void)
{
    uint16_t tr;

    __asm__ volatile("str %0" : "=r"(tr));
    return tr != TSS;
}
static bool on_ping(struct frame *f, word *ip)
{
    unsigned cpu = me();

    got[cpu]++;
    *at(page_of[cpu], APIC_EOI) = 0;
    return true;
}
static void to(unsigned cpu, unsigned other, uint32_t icr)
{
    *at(page_of[cpu], APIC_ICR2) = other << 24;
    *at(page_of[cpu], APIC_ICR) = icr | ICR_ASSERT;
}
static void result(const char *s)
{
    name(s);
    field("cpu0", wrong[0]);
    field("cpu1", wrong[1]);
    end();
    wrong[0] = wrong[1] = got[0] = got[1] = phase = 0;
}

static uint32_t mine(word base)
{
    return *at(base, APIC_ID) >> 24;
}

/* CPU 1 has its page over RAM, which CPU 0 goes on using. */
static void ram_user(void)
{
    meet(0, 1);
    for (uint32_t n = 0; n < ROUNDS; n++) {
        *at(RAM, APIC_ID) = n << 8;
        *at(RAM, TPR) = n;
        wrong[0] += *at(RAM, APIC_ID) != n << 8 || *at(RAM, TPR) != n || mine(HOME) != 0;
    }
    meet(0, 2);
}
static void apic_user(void)
{
    wrong[1] += *at(RAM, APIC_ID) != 0;
    move(1, RAM);
    meet(1, 1);
    for (uint32_t n = 0; n < ROUNDS; n++) {
        *at(RAM, TPR) = n & 0xff;
        wrong[1] += mine(RAM) != 1 || *at(RAM, TPR) != (n & 0xff);
    }
    *at(RAM, TPR) = 0;
    meet(1, 2);
}

/* Both at the same address: each sees its own. */
static void same(unsigned cpu)
{
    move(cpu, RAM);
    for (uint32_t n = 0; n < ROUNDS; n++)
        wrong[cpu] += mine(RAM) != cpu;
}
static void same0(void)
{
    same(0);
}
static void same1(void)
{
    same(1);
}

/* Each moves its page all the time; interrupts go to and fro meanwhile, and none is lost. */
static void wander(unsigned cpu)
{
    static const word places[] = {HOME, RAM, 0xd0000000, RAM + 0x1000};

    for (uint32_t n = 1; n <= 300; n++) {
        word p = places[(n + cpu) & 3];

        move(cpu, p);
        wrong[cpu] += mine(p) != cpu;
        to(cpu, !cpu, PING);
        irq_on();
        while (got[cpu] < n)
            relax();
        irq_off();
        meet(cpu, 10 + n);
    }
    move(cpu, HOME);
}
static void wander0(void)
{
    wander(0);
}
static void wander1(void)
{
    wander(1);
}

/* INIT leaves the base. */
static void moves(void)
{
    move(1, RAM);
}
static void nothing(void)
{
}
static void looks(void)
{
    phase = rdmsr(MSR_APIC_BASE) == (RAM | 0x800) && mine(RAM) == 1;
    move(1, HOME);
}

int main(void)
{
    handlers[PING] = on_ping;
    page_of[0] = page_of[1] = HOME;
    smp_start();
    *at(RAM, APIC_ID) = 0;
    both(ram_user, apic_user);
    result("one moved");
    say("RAM", *at(RAM, TPR));
    both(same0, same1);
    result("both at one address");
    move(0, HOME);
    say("RAM then", *at(RAM, TPR));
    both(wander0, wander1);
    result("moving, with interrupts");
    say("RAM at last", *at(RAM, TPR));
    both(nothing, moves);
    to(0, 1, ICR_INIT);
    for (unsigned i = 0; i < 1000; i++)
        relax();
    ap_count = 0;
    while (!ap_count) {
        to(0, 1, ICR_SIPI | 0xff);
        for (unsigned i = 0; i < 1000; i++)
            relax();
    }
    smp_begun = false;
    smp_job = looks;
    while (!smp_begun || smp_job)
        relax();
    say("base after INIT", phase);
    return 0;
}
