/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What only I/O APICs of our own do everywhere: level-triggered interrupts with their EOIs, and the HPET at input 2 (kernels route no
 * GSI 2). COM1's transmitter is what raises IRQ 4.
 */
#include "guest.h"

enum { IOAPIC = 0xfec00000, HPET = 0xfed00000, COM1 = 0x3f8, LINE = 4 };
enum { V_LEVEL = 0x50, V_HPET = 0x60 };
enum { LEVEL = 0x8000, REMOTE_IRR = 0x4000, MASKED = 0x10000 };

static volatile uint32_t counts[256];
static volatile uint32_t lower_after; /* the line goes low in that many interrupts */

static void rte_set(unsigned pin, uint32_t low)
{
    mmio_write(IOAPIC, 0x11 + 2 * pin);
    mmio_write(IOAPIC + 0x10, 0);
    mmio_write(IOAPIC, 0x10 + 2 * pin);
    mmio_write(IOAPIC + 0x10, low);
}
static uint32_t rte(unsigned pin)
{
    mmio_write(IOAPIC, 0x10 + 2 * pin);
    return mmio_read(IOAPIC + 0x10);
}

void ap_main(unsigned n)
{
}

void interrupt(struct frame *f)
{
    counts[f->vector & 255]++;
    if (f->vector < 32) {
        say_hex("exception", f->vector, 2);
        say_hex("at", f->rip, 8);
        quit(1);
    }
    if (f->vector == V_LEVEL && counts[V_LEVEL] >= lower_after)
        outb(COM1 + 1, 0);
    apic_write(APIC_EOI, 0);
}

static void wait_for(unsigned vector, uint32_t n)
{
    while (counts[vector] < n)
        wait_for_interrupt();
}

int main(void)
{
    print("ioapic\n");
    apic_write(APIC_SVR, 0x1ff);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    /* an interrupt for each EOI while the line is high */
    lower_after = 3;
    rte_set(LINE, LEVEL | V_LEVEL);
    outb(COM1 + 4, 8);
    outb(COM1 + 1, 2); /* the transmitter is empty: high until the interrupt is off */
    wait_for(V_LEVEL, 3);
    for (unsigned i = 0; i < 100; i++)
        (void)inb(0x61);
    say("level", counts[V_LEVEL]);
    say("remote IRR", !!(rte(LINE) & REMOTE_IRR));
    rte_set(LINE, MASKED);

    rte_set(2, V_HPET);
    outb(0x43, 0x30); /* the PIT off */
    outb(0x40, 1);
    outb(0x40, 0);
    mmio_write(HPET + 0x100, 0x14c | 2 << 9); /* 32 bits, set value, periodic, enabled, input 2 */
    mmio_write(HPET + 0x108, 100000);
    mmio_write(HPET + 0x108, 100000); /* 1 ms */
    counts[V_HPET] = 0;
    mmio_write(HPET + 0x10, 1);
    wait_for(V_HPET, 5);
    print("HPET by input\ndone\n");
    return 0x10;
}
