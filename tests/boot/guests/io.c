/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Port and memory I/O, REP, HLT, doorbells, batched writes, irqfd, MSI, dirty pages: with accel-testdev on the ISA bus.
 */
#include "guest.h"

enum { DEV = 0x680, MEM = 0xd0000000 };
enum {
    P_BELL = 0,
    P_ACCESSES = 4,
    P_IRQFD = 8,
    P_MSI = 0xc,
    P_ROUTE = 0x10,
    P_ROUTE_BELL = 0x14,
    P_DIRTY = 0x18,
    P_DIRTY_SUM = 0x1c,
    P_LEVEL = 0x20,
    P_LEVEL_LEFT = 0x24,
    P_EXITS = 0x28,
    P_MEM_BELL = 0x2c,
    P_HELPED = 0x30
};

static volatile uint32_t irqs[256];

void interrupt(struct frame *f)
{
    irqs[f->vector & 255]++;
    if (f->vector < 32) {
        say_hex("exception", f->vector, 2);
        say_hex("at", f->rip, 8);
        quit(1);
    }
    if (f->vector == 0x2a)
        outl(DEV + P_LEVEL_LEFT, 0);
    if (f->vector < 0x30)
        pic_eoi(f->vector);
    else
        apic_write(APIC_EOI, 0);
}

void ap_main(unsigned n)
{
}

static void rep(void)
{
    static const char text[] = "rep outsb of a whole line\n";
    const char *p = text;
    uint64_t n = sizeof(text) - 1;
    static uint8_t buf[64];
    uint8_t *q = buf;
    unsigned good = 0;

    __asm__ volatile("rep outsb" : "+S"(p), "+c"(n) : "d"(0xe9) : "memory");
    n = sizeof(buf);
    __asm__ volatile("rep insb" : "+D"(q), "+c"(n) : "d"(0xe9) : "memory");
    for (unsigned i = 0; i < sizeof(buf); i++)
        good += buf[i] == 0xe9;
    say("rep insb", good);
    /* A whole page at once, more than one exit can carry. */
    static uint32_t words[1024];
    uint32_t *w = words;
    n = 1024;
    good = 0;
    __asm__ volatile("rep insl" : "+D"(w), "+c"(n) : "d"(DEV + P_ACCESSES) : "memory");
    for (unsigned i = 0; i < 1024; i++)
        good += words[i] == 0;
    say("rep insl", good);
}

static void doorbells(void)
{
    uint32_t before = inl(DEV + P_EXITS), after;

    for (unsigned i = 0; i < 100; i++)
        outl(DEV + P_BELL, i);
    after = inl(DEV + P_EXITS);
    say("doorbell signals", inl(DEV + P_BELL));
    say("doorbell accesses", inl(DEV + P_ACCESSES));
    say("few exits", after - before < 20);
    for (unsigned i = 0; i < 50; i++)
        mmio_write(MEM, 0x1234);
    for (unsigned i = 0; i < 3; i++)
        mmio_write(MEM, 0x4321);
    say("memory doorbell signals", inl(DEV + P_MEM_BELL));
    say("memory doorbell accesses", inl(DEV + P_ACCESSES));
}

static void batched(void)
{
    uint32_t before = inl(DEV + P_EXITS), after;

    for (unsigned i = 0; i < 100; i++)
        mmio_write(MEM + 0x100 + i % 64 * 4, i);
    after = inl(DEV + P_EXITS);
    say("few exits", after - before < 20);
    say("batched writes", mmio_read(MEM + 0x200));
    say("their sum", mmio_read(MEM + 0x204));
    /* More than the ring holds. */
    for (unsigned i = 0; i < 1000; i++)
        mmio_write(MEM + 0x100, i);
    say("batched writes", mmio_read(MEM + 0x200));
    say("their sum", mmio_read(MEM + 0x204));
}

static void bells(uint16_t port, unsigned vector, unsigned n)
{
    for (unsigned i = 1; i <= n; i++) {
        outl(port, 1);
        cli();
        while (irqs[vector] < i)
            wait_for_interrupt();
    }
}

static void interrupts(void)
{
    pic_init(1 << 5 | 1 << 10);
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_LINT0, 0x700); /* the 8259's INT */
    outb(0x4d1, 1 << 2);           /* IRQ 10 is level triggered */
    bells(DEV + P_IRQFD, 0x25, 20);
    say("irqfd interrupts", irqs[0x25]);
    outl(DEV + P_LEVEL, 8);
    while (irqs[0x2a] < 8)
        wait_for_interrupt();
    say("level interrupts", irqs[0x2a]);
    while (inl(DEV + P_LEVEL_LEFT))
        ;
    say("left", inl(DEV + P_LEVEL_LEFT));

    for (unsigned i = 1; i <= 10; i++) {
        outl(DEV + P_MSI, 0x60);
        while (irqs[0x60] < i)
            wait_for_interrupt();
    }
    say("MSIs", irqs[0x60]);
    outl(DEV + P_ROUTE, 0x61);
    bells(DEV + P_ROUTE_BELL, 0x61, 10);
    outl(DEV + P_ROUTE, 0x62);
    bells(DEV + P_ROUTE_BELL, 0x62, 7);
    print("MSIs by irqfd: ");
    print_num(irqs[0x61]);
    putch(' ');
    print_num(irqs[0x62]);
    putch('\n');
    say("delivered by the main loop", inl(DEV + P_HELPED));
}

static void touch(unsigned first, unsigned step, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        *(volatile uint8_t *)(0x100000 + (uint64_t)(first + i * step) * 4096 + i) = (uint8_t)i;
}

static void say_dirty(void)
{
    uint32_t n = inl(DEV + P_DIRTY);

    print("dirty pages: ");
    print_num(n);
    print(", sum ");
    print_num(inl(DEV + P_DIRTY_SUM));
    putch('\n');
}

static void dirty(void)
{
    touch(0, 1, 10);
    outl(DEV + P_DIRTY, 1);
    say_dirty();
    touch(3, 5, 37);
    say_dirty();
    touch(3, 5, 5);
    say_dirty();
    say_dirty();
    /* Far more than the smallest ring. */
    for (unsigned r = 0; r < 40; r++)
        touch(0, 1, 256);
    say_dirty();
    outl(DEV + P_DIRTY, 0);
}

int main(void)
{
    print("io\n");
    say_hex("port", inb(0xe9), 2);
    say_hex("nobody's port", inl(0x9990), 8);
    say_hex("nobody's memory", mmio_read(0xd8000000), 8);
    rep();
    doorbells();
    batched();
    interrupts();
    dirty();
    print("done\n");
    return 0x10;
}
