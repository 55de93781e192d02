/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables that one processor changes while another uses them: accessed and dirty bits (SDM volume 3, 5.8), and
 * what an invalidation that was acknowledged promises (5.10.4, 5.10.5).
 */
#include "smp.h"

#define VA       0x200000000
#define SHOOT    0x42
#define PRESENT  (PT_P | PT_W)
#define PT_FIELD 0x07f0000000000000UL /* seven bits that are the guest's */

static volatile uint64_t *pte;
static volatile bool stop SHARED;
static volatile uint32_t acks SHARED, faults SHARED;
static volatile uint32_t wrong, seen;
static volatile uint32_t current SHARED; /* what is mapped, since it was acknowledged */
static enum { INVLPG, CR3, PGE } how;
static word pages[3];
static unsigned rounds = 400;

static void invalidate(void)
{
    if (how == INVLPG) {
        invlpg(VA);
    } else if (how == CR3) {
        wrcr3(rdcr3());
    } else {
        wrcr4(rdcr4() & ~(word)CR4_PGE);
        wrcr4(rdcr4() | CR4_PGE);
    }
}

static bool on_shoot(struct frame *f, word *ip)
{
    invalidate();
    eoi();
    __sync_fetch_and_add(&acks, 1);
    return true;
}

static bool on_pf(struct frame *f, word *ip)
{
    faults++;
    relax();
    return true;
}

static void shoot(void)
{
    uint32_t n = acks;

    ipi(ICR_OTHERS | SHOOT);
    while (acks == n)
        relax();
}

static uint64_t swap(uint64_t v)
{
    __asm__ volatile("xchg %0, (%1)" : "+r"(v) : "r"(pte) : "memory");
    return v;
}

static void pauses(unsigned n)
{
    while (n--)
        relax();
}

static void result(const char *s)
{
    name(s);
    field("wrong", wrong);
    end();
    wrong = seen = 0;
    stop = false;
    acks = faults = 0;
}

/* Uses the page, with a walk each time. */
static void walker(void)
{
    volatile uint32_t *p = (volatile uint32_t *)VA;

    for (uint32_t n = 0; !stop; n++) {
        invlpg(VA);
        if (n & 1)
            p[0]++;
        else
            (void)p[1];
    }
}

/* The other bits of an entry change by LOCK while the walker sets A and D: none of the changes is lost. */
static void field_changes(bool leaf)
{
    uint64_t want = 0;

    for (uint32_t n = 0; n < 20000 || !seen; n++) {
        want = (want + 1) & 127;
        if (want)
            __asm__ volatile("lock addq %1, (%0)" : : "r"(pte), "r"(1UL << 52) : "memory", "cc");
        else
            __asm__ volatile("lock andq %1, (%0)" : : "r"(pte), "r"(~PT_FIELD) : "memory", "cc");
        uint64_t v = *pte;

        if (v >> 52 != want || (!leaf && v & PT_D))
            wrong++;
        if (v & PT_A)
            seen++;
        __asm__ volatile("lock andq %1, (%0)" : : "r"(pte), "r"(~(uint64_t)(PT_A | PT_D)) : "memory", "cc");
    }
    stop = true;
}
static void leaf_changes(void)
{
    field_changes(true);
}
static void upper_changes(void)
{
    field_changes(false);
}

/* Nobody writes to an entry that is not present. */
static void toucher(void)
{
    volatile uint32_t *p = (volatile uint32_t *)VA;

    irq_on();
    for (uint32_t n = 0; !stop; n++) {
        (void)p[1];
        if (n % 3)
            p[0]++;
        if (n % 7 == 0)
            invlpg(VA);
    }
    irq_off();
}
static void remover(void)
{
    for (uint32_t n = 0; n < 5000 || !faults; n++) {
        swap(0);
        for (unsigned k = 0; k < 20; k++)
            if (*pte)
                wrong++;
        if (swap(pages[0] | PRESENT))
            wrong++;
        pauses(n % 8);
    }
    stop = true;
}

/* What was written before an entry was taken away and invalidated has left its dirty bit in it. */
static void cleaner(void)
{
    volatile uint32_t *content = (volatile uint32_t *)pages[0];
    uint32_t before = *content;

    for (uint32_t n = 0; n < rounds; n++) {
        uint64_t was = swap(0);

        shoot();
        if (*content != before && !(was & PT_D))
            wrong++;
        before = *content;
        pauses(20);
        if (*content != before)
            wrong++;
        swap(pages[0] | PRESENT);
        pauses(n % 32 * 4);
    }
    stop = true;
}

/* Only the dirty bit is taken away. */
static void undirty(void)
{
    volatile uint32_t *content = (volatile uint32_t *)pages[0];

    for (uint32_t n = 0; n < rounds; n++) {
        __asm__ volatile("lock andq %1, (%0)" : : "r"(pte), "r"(~(uint64_t)PT_D) : "memory", "cc");
        shoot();
        uint32_t was = *content;

        for (unsigned k = 0; k < 200 && *content == was; k++)
            relax();
        if (*content != was && !(*pte & PT_D))
            wrong++;
    }
    stop = true;
}

/* The mapping goes to the next of three pages: once that is acknowledged nobody uses the one before. */
static void reader(void)
{
    volatile uint32_t *p = (volatile uint32_t *)VA;

    irq_on();
    while (!stop) {
        uint32_t a = current, v = p[1];

        barrier();
        if (current == a && v != a % 3 && v != (a + 1) % 3)
            wrong++;
        p[0]++;
    }
    irq_off();
}
static void caller(void)
{
    irq_on();
    while (!stop) {
        uint32_t a = current, v = ((uint32_t(*)(void))VA)();

        barrier();
        if (current == a && v != a % 3 && v != (a + 1) % 3)
            wrong++;
    }
    irq_off();
}
static void mover(void)
{
    uint64_t g = how == PGE ? PT_G : 0;

    for (uint32_t n = 1; n <= rounds; n++) {
        volatile uint32_t *old = (volatile uint32_t *)pages[current % 3];
        uint32_t next = current + 1, was;

        *pte = pages[next % 3] | PRESENT | g | (n & 1 ? PT_A | PT_D : 0);
        shoot();
        was = *old;
        current = next;
        pauses(n % 64);
        if (*old != was)
            wrong++;
    }
    stop = true;
}

/* Write access is taken away and given back. */
static void writer(void)
{
    volatile uint32_t *p = (volatile uint32_t *)VA;

    wrcr0(rdcr0() | CR0_WP);
    irq_on();
    while (!stop)
        p[0]++;
    irq_off();
    wrcr0(rdcr0() & ~(word)CR0_WP);
}
static void protector(void)
{
    volatile uint32_t *content = (volatile uint32_t *)pages[0];

    for (uint32_t n = 0; n < rounds || !faults; n++) {
        __asm__ volatile("lock andq %1, (%0)" : : "r"(pte), "r"(~(uint64_t)PT_W) : "memory", "cc");
        shoot();
        uint32_t was = *content;

        pauses(50);
        if (*content != was)
            wrong++;
        if (n & 1 && *pte & PT_W)
            wrong++;
        __asm__ volatile("lock orq %1, (%0)" : : "r"(pte), "r"((uint64_t)PT_W) : "memory", "cc");
        pauses(n % 32 * 4);
    }
    stop = true;
}

static void enable_pge(void)
{
    wrcr4(rdcr4() | CR4_PGE);
}

int main(void)
{
    static const char *const moved[] = {"moved, invlpg", "moved, mov to cr3", "moved, global"};
    static const char *const code_moved[] = {"code moved, invlpg", "code moved, mov to cr3", "code moved, global"};

    handlers[SHOOT] = on_shoot;
    handlers[V_PF] = on_pf;
    for (unsigned i = 0; i < 3; i++) {
        pages[i] = new_page();
        *(uint32_t *)(pages[i] + 4) = i;
    }
    pt_set(1, VA, pages[0] | PRESENT);
    smp_start();
    both(enable_pge, enable_pge);
    pte = pt_entry(1, VA);
    both(leaf_changes, walker);
    result("bits of a page's entry");
    pte = pt_entry(2, VA);
    both(upper_changes, walker);
    result("bits of a table's entry");
    pte = pt_entry(4, VA);
    both(upper_changes, walker);
    result("bits of the first table's entry");
    pte = pt_entry(1, VA);
    both(remover, toucher);
    result("entry not present");
    both(cleaner, toucher);
    result("written and not dirty");
    both(undirty, toucher);
    result("dirty again");
    both(protector, writer);
    result("write access taken away");
    for (how = INVLPG; how <= PGE; how++) {
        current = 0;
        *pte = pages[0] | PRESENT;
        both(mover, reader);
        result(moved[how]);
    }
    for (unsigned i = 0; i < 3; i++)
        memcpy((void *)pages[i], (uint8_t[]){0xb8, i, 0, 0, 0, 0xc3}, 6);
    for (how = INVLPG; how <= PGE; how++) {
        current = 0;
        *pte = pages[0] | PRESENT;
        both(mover, caller);
        result(code_moved[how]);
    }
    return 0;
}
