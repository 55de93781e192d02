/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IA32_APIC_BASE (SDM volume 3, 11.4.4 and 11.4.5): the page of registers goes where it says, over whatever is there,
 * and leaves what it covered as it was; reserved bits; disabled and in x2APIC mode there is no page. The modes' own
 * rules are in x2apic.c.
 */
#include "lib/apic.h"

enum { OLD = 0xfee00000, RAM = 0x400000, HOLE = 0xd0000000 };
#define HIGH 0x1234567000ULL /* beyond 4 GiB, where nothing is */
static word here;            /* the page's linear address */

static volatile uint32_t *at(word base, unsigned off)
{
    word a = base + off;

    __asm__("" : "+r"(a));
    return (volatile uint32_t *)a;
}
static uint32_t get(unsigned r)
{
    return *at(here, r);
}
static void set(unsigned r, uint32_t v)
{
    *at(here, r) = v;
}
static void move(uint64_t base, unsigned bits)
{
    wrmsr(MSR_APIC_BASE, base | bits | 0x100);
}

static bool eoi_here(struct frame *f, word *ip)
{
    took[n_took++] = f->vector;
    if (!x2)
        set(APIC_EOI, 0);
    else
        wrmsr(0x80b, 0);
    return true;
}

static void fill(word base)
{
    for (unsigned i = 0; i < 0x1000; i += 4)
        *at(base, i) = 0xabc00000 | i;
}
static unsigned changed(word base)
{
    unsigned n = 0;

    for (unsigned i = 0; i < 0x1000; i += 4)
        n += *at(base, i) != (0xabc00000 | i);
    return n;
}

/* It is the APIC that is at `here`, all of it. */
static void works(const char *s, uint32_t version)
{
    name(s);
    field("base", rdmsr(MSR_APIC_BASE));
    field("version", get(APIC_VERSION) == version);
    set(APIC_SVR, 0x1ff);
    field("SVR", get(APIC_SVR));
    set(APIC_TPR, 0x35);
    word cr8;
    __asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
    field("CR8", cr8);
    set(APIC_TPR, 0);
    n_took = 0;
    set(APIC_ICR2, 0);
    set(APIC_ICR, SELF | 0x51);
    field("IRR", get(APIC_IRR + 0x20));
    window();
    set(APIC_DIVIDE, 0xb);
    set(APIC_TIMER, 0x61);
    set(APIC_INITIAL, 1000);
    wait_for(2);
    field("ISR", get(APIC_ISR + 0x20) | get(APIC_ISR + 0x30));
    field("took", n_took);
    field("first", took[0]);
    field("second", took[1]);
    set(APIC_TIMER, 0x10000);
    end();
    n_took = 0;
}

/* What is not there does not show: its old page is not the APIC. */
static void old_page(uint32_t version)
{
    name("the page of before");
    field("version", *at(OLD, APIC_VERSION) == version);
    set(APIC_TPR, 0x20);
    *at(OLD, APIC_TPR) = 0; /* a message of vector 0, if anything */
    field("TPR", get(APIC_TPR));
    *at(OLD, APIC_SVR) = 0;
    field("SVR", get(APIC_SVR));
    set(APIC_TPR, 0);
    end();
}

static const struct code *write;
static bool wr(uint64_t v)
{
    in.cx = MSR_APIC_BASE;
    in.ax = (uint32_t)v;
    in.dx = v >> 32;
    in.ip = (word)write->start;
    run_case();
    return ev.vector == V_UD;
}

static void reserved(const char *s)
{
    uint64_t refused = 0, other = 0, was = rdmsr(MSR_APIC_BASE);
    uint32_t r[4];

    cpuid(0x80000008, 0, r);
    for (unsigned i = 0; i < 64; i++) {
        if (i == 8 || i == 10) /* the processor's, and the mode's */
            continue;
        if (!wr(was ^ 1ULL << i))
            refused |= 1ULL << i;
        else if (rdmsr(MSR_APIC_BASE) != (was ^ 1ULL << i))
            other |= 1ULL << i;
        wrmsr(MSR_APIC_BASE, was);
    }
    name(s);
    field("below 12", refused & 0xfff);
    field("as wide as addresses", refused >> 12 == ~0ULL << (r[0] & 0xff) >> 12);
    field("taken otherwise", other);
    end();
}

/* Through a translation and through code that was there before. */
static uint32_t load(word base)
{
    return *at(base, APIC_VERSION);
}
static void warm(uint32_t version)
{
    uint32_t sum = 0, is = 0;

    for (unsigned i = 0; i < 2000; i++)
        sum += load(RAM) == (0xabc00000 | APIC_VERSION);
    move(RAM, BASE_EN);
    for (unsigned i = 0; i < 2000; i++)
        is += load(RAM) == version;
    move(OLD, BASE_EN);
    name("warm");
    field("RAM", sum);
    field("APIC", is);
    for (unsigned i = sum = 0; i < 2000; i++)
        sum += load(RAM) == (0xabc00000 | APIC_VERSION);
    field("RAM", sum);
    field("changed", changed(RAM));
    end();
}

/* Ways to get at it: widths as instructions have them, string instructions, read-modify-write. */
static void accesses(void)
{
    static uint32_t buf[4];
    uint32_t v;

    here = RAM;
    move(RAM, BASE_EN);
    set(APIC_TPR, 0);
    __asm__ volatile("orl $0x40, %0" : "+m"(*at(RAM, APIC_TPR)));
    name("accesses");
    field("or", get(APIC_TPR));
    __asm__ volatile("addl $0x10, %0" : "+m"(*at(RAM, APIC_TPR)));
    field("add", get(APIC_TPR));
    v = 0x20;
    __asm__ volatile("xchgl %0, %1" : "+r"(v), "+m"(*at(RAM, APIC_TPR)));
    field("xchg", v);
    field("then", get(APIC_TPR));
    word si = RAM + APIC_TPR, di = (word)buf, n = 1;
    __asm__ volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(n) : : "memory");
    field("movs", buf[0]);
    di = RAM + APIC_TPR;
    n = 1;
    __asm__ volatile("rep stosl" : "+D"(di), "+c"(n) : "a"(0x60) : "memory");
    field("stos", get(APIC_TPR));
    set(APIC_TPR, 0);
    move(OLD, BASE_EN);
    field("changed", changed(RAM));
    end();
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    write = C64("wrmsr");
    take_interrupts();
    for (unsigned v = 0x20; v < 0x100; v++)
        handlers[v] = eoi_here;
    here = OLD;
    uint32_t version = get(APIC_VERSION);
    works("at reset's", version);
    fill(RAM);
    move(RAM, BASE_EN);
    here = RAM;
    works("over RAM", version);
    old_page(version);
    move(OLD, BASE_EN);
    here = OLD;
    say("RAM that changed", changed(RAM));
    works("back", version);
    warm(version);
    accesses();
    here = HOLE;
    move(HOLE, BASE_EN);
    works("over nothing", version);
    say("RAM that changed then", changed(RAM));
    /* By another linear address than the physical one. */
    word va = 0x8000000000;
    pt_set(1, va, RAM | PT_P | PT_W);
    pt_set(1, va + 0x1000, HIGH | PT_P | PT_W);
    say("RAM by another address", *at(va, 0x80));
    move(RAM, BASE_EN);
    here = va;
    works("by another address", version);
    here = va + 0x1000;
    move(HIGH, BASE_EN);
    works("beyond 4 GiB", version);
    say("RAM by another address again", *at(va, 0x80));
    reserved("reserved there");
    /* Without its page. */
    move(RAM, BASE_EN);
    say("on, is RAM", *at(RAM, APIC_VERSION) == (0xabc00000 | APIC_VERSION));
    move(RAM, 0);
    say("off, RAM that changed", changed(RAM));
    *at(RAM, APIC_TPR) = 0x12345678;
    say("off, RAM written", *at(RAM, APIC_TPR));
    *at(RAM, APIC_TPR) = 0xabc00000 | APIC_TPR;
    move(RAM, BASE_EN);
    here = RAM;
    say("on again, SVR", get(APIC_SVR));
    works("on again", version);
    reserved("reserved");
    if (HAS_X2APIC) {
        move(RAM, BASE_EN | BASE_X2);
        x2 = true;
        say("x2APIC, base", rdmsr(MSR_APIC_BASE));
        say("x2APIC, RAM that changed", changed(RAM));
        move(HOLE, BASE_EN | BASE_X2);
        say("x2APIC, another base", rdmsr(MSR_APIC_BASE));
        wrmsr(0x80f, 0x1ff);
        wrmsr(0x83f, 0x71);
        window();
        came("x2APIC, self IPI");
        move(HOLE, 0);
        x2 = false;
        move(HOLE, BASE_EN);
        here = HOLE;
        works("xAPIC at last", version);
    }
    return 0;
}
