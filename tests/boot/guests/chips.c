/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The board's chips from a CPU's side: I/O APIC edges, the RTC through both PICs and through the I/O APIC, the PIT at pin 2, HPET
 * timers by legacy replacement and by message, port 61h. COM1's transmitter is what raises IRQ 4.
 */
#include "guest.h"

enum { IOAPIC = 0xfec00000, HPET = 0xfed00000, COM1 = 0x3f8, LINE = 4 };
enum { V_PIT = 0x40, V_RTC = 0x48, V_EDGE = 0x51, V_HPET = 0x60, V_MSI = 0x61 };
enum { MASKED = 0x10000 };

static volatile uint32_t counts[256];
static volatile bool by_pic;

static void rte_set(unsigned pin, uint32_t low)
{
    mmio_write(IOAPIC, 0x11 + 2 * pin);
    mmio_write(IOAPIC + 0x10, 0);
    mmio_write(IOAPIC, 0x10 + 2 * pin);
    mmio_write(IOAPIC + 0x10, low);
}
static uint8_t cmos(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}
static void cmos_set(uint8_t reg, uint8_t v)
{
    outb(0x70, reg);
    outb(0x71, v);
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
    if (f->vector == V_RTC || f->vector == 0x28)
        (void)cmos(0x0c);
    if (by_pic && f->vector >= 0x20 && f->vector < 0x30)
        pic_eoi(f->vector);
    else
        apic_write(APIC_EOI, 0);
}

static void wait_for(unsigned vector, uint32_t n)
{
    while (counts[vector] < n)
        wait_for_interrupt();
}

int main(void)
{
    print("chips\n");
    apic_write(APIC_SVR, 0x1ff);
    mmio_write(IOAPIC, 1);
    say_hex("inputs", mmio_read(IOAPIC + 0x10) >> 16, 2);
    pic_init(0);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);

    outb(COM1 + 4, 8);
    /* edge: one each */
    rte_set(LINE, V_EDGE);
    for (unsigned i = 0; i < 5; i++) {
        outb(COM1 + 1, 2);
        wait_for(V_EDGE, i + 1);
        outb(COM1 + 1, 0);
    }
    say("edge", counts[V_EDGE]);
    rte_set(LINE, MASKED);

    /* the PIT's IRQ 0 is input 2 */
    rte_set(2, V_PIT);
    pit_start(1193);
    wait_for(V_PIT, 5);
    print("PIT at the I/O APIC\n");
    rte_set(2, MASKED);

    /* RTC, 256 Hz: I/O APIC, then slave and master PIC to LINT0 */
    cmos_set(0x0a, 0x28);
    (void)cmos(0x0c);
    rte_set(8, V_RTC);
    cmos_set(0x0b, 0x42);
    wait_for(V_RTC, 5);
    print("RTC at the I/O APIC\n");
    rte_set(8, MASKED);
    cmos_set(0x0b, 0x02);
    (void)cmos(0x0c);
    by_pic = true;
    apic_write(APIC_LINT0, 0x700);
    pic_init(1 << 8 | 1 << 2);
    cmos_set(0x0b, 0x42);
    wait_for(0x28, 5);
    print("RTC at the PICs\n");
    cmos_set(0x0b, 0x02);
    (void)cmos(0x0c);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    apic_write(APIC_LINT0, 0x10700);
    by_pic = false;

    /* HPET timer 0, periodic, as IRQ 0 by legacy replacement, with the PIT silent */
    say_hex("HPET", mmio_read(HPET), 8);
    rte_set(2, V_HPET);
    outb(0x43, 0x30); /* the PIT off */
    outb(0x40, 1);
    outb(0x40, 0);
    mmio_write(HPET + 0x100, 0x14c); /* 32 bits, set value, periodic, enabled */
    mmio_write(HPET + 0x108, 100000);
    mmio_write(HPET + 0x108, 100000); /* 1 ms */
    counts[V_HPET] = 0;
    mmio_write(HPET + 0x10, 1);
    mmio_write(HPET + 0x10, 3);
    wait_for(V_HPET, 5);
    print("HPET by legacy replacement\n");
    mmio_write(HPET + 0x10, 0);
    mmio_write(HPET + 0x100, 0);
    rte_set(2, MASKED);

    /* a message to this CPU */
    mmio_write(HPET + 0x110, V_MSI);
    mmio_write(HPET + 0x114, APIC);
    mmio_write(HPET + 0xf0, 0);
    mmio_write(HPET + 0x100, 0x4104);
    mmio_write(HPET + 0x108, 50000);
    mmio_write(HPET + 0x10, 1);
    wait_for(V_MSI, 1);
    print("HPET by message\n");
    mmio_write(HPET + 0x10, 0);

    /* counter 2's output through port 61h */
    outb(0x61, 1);
    outb(0x43, 0xb0);
    outb(0x42, 100);
    outb(0x42, 0);
    while (!(inb(0x61) & 0x20))
        ;
    print("speaker port\ndone\n");
    return 0x10;
}
