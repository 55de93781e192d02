/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver for the virtio disk in slot 5, whose contents are this image: doorbells in memory and in ports, interrupts
 * by MSI-X seen in the local APIC and taken, masked and moved to another vector, and INTx. accel-testdev tells how
 * often the CPU left the guest meanwhile.
 */
#include "guest.h"

enum { TESTDEV_EXITS = 0x680 + 0x28, PIIX3 = 1, SLOT = 5 };
enum { IO = 0xc000, MSIX = 0xe0000000, MODERN = 0xe0010000, IMAGE = 0xf0000, SECTORS = 128, ENTRIES = 256 };
enum { L_FEATURES = 4, L_PFN = 8, L_SIZE = 12, L_SELECT = 14, L_NOTIFY = 16, L_STATUS = 18, L_ISR = 19 };
enum {
    C_DRIVER_SELECT = 8,
    C_DRIVER_FEATURES = 12,
    C_STATUS = 20,
    C_QUEUE_SELECT = 22,
    C_QUEUE_SIZE = 24,
    C_QUEUE_VECTOR = 26,
    C_QUEUE_ENABLE = 28,
    C_QUEUE_DESC = 32,
    C_QUEUE_AVAIL = 40,
    C_QUEUE_USED = 48
};
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE };
enum { V_QUEUE = 0x70, V_MOVED = 0x71, V_INTX = 0x2b, IRR = 0x200 };
enum { NEXT = 1, DEVICE_WRITES = 2, NO_INTERRUPT = 1 };

struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};
struct ring { /* as a legacy queue of 256 lies; a modern one may */
    struct desc desc[ENTRIES];
    uint16_t avail_flags, avail_idx, avail[ENTRIES];
    uint8_t gap[4096 - 4 - 2 * ENTRIES];
    uint16_t used_flags, used_idx;
    struct {
        uint32_t id, len;
    } used[ENTRIES];
};
static volatile struct ring ring __attribute__((aligned(4096)));
static volatile struct {
    uint32_t type, reserved;
    uint64_t sector;
} header;
static uint64_t data[512 / 8];
static volatile uint8_t status;
static volatile uint32_t irqs[256];
static uint64_t where[8]; /* of the modern interface's parts */
static uint64_t doorbell; /* NULL: the port */
static uint8_t msix_cap;
static unsigned good, sector;

void ap_main(unsigned n)
{
}

static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static void write16(uint64_t a, uint16_t v)
{
    *(volatile uint16_t *)a = v;
}
static uint32_t config_read(unsigned slot, unsigned off)
{
    outl(0xcf8, 0x80000000 | slot << 11 | off);
    return inl(0xcfc);
}
static void config_write(unsigned slot, unsigned off, uint32_t v)
{
    outl(0xcf8, 0x80000000 | slot << 11 | off);
    outl(0xcfc, v);
}

void interrupt(struct frame *f)
{
    irqs[f->vector & 255]++;
    if (f->vector < 32) {
        say_hex("exception", f->vector, 2);
        say_hex("at", f->rip, 8);
        quit(1);
    }
    if (f->vector == V_INTX && !(inb(IO + L_ISR) & 1))
        print("INTx without its bit\n");
    if (f->vector < 0x30)
        pic_eoi(f->vector);
    else
        apic_write(APIC_EOI, 0);
}

static void find_device(void)
{
    static const uint32_t bars[6] = {IO, MSIX, 0, 0, MODERN, 0};
    say_hex("device", config_read(SLOT, 0), 8);
    for (unsigned i = 0; i < 6; i++)
        config_write(SLOT, 0x10 + 4 * i, bars[i]);
    config_write(SLOT, 4, 7); /* ports, memory, bus mastering */
    for (unsigned at = config_read(SLOT, 0x34) & 0xfc; at;) {
        uint32_t head = config_read(SLOT, at);
        if ((head & 0xff) == 0x11)
            msix_cap = at;
        else if ((head & 0xff) == 9 && head >> 24 <= CAP_DEVICE)
            where[head >> 24] = MODERN + config_read(SLOT, at + 8);
        at = head >> 8 & 0xfc;
    }
}

/* Read the next sector. */
static void send(void)
{
    sector = (sector + 1) % SECTORS;
    header.type = 0;
    header.sector = sector;
    status = 0xff;
    ring.desc[0] = (struct desc){(uint64_t)&header, 16, NEXT, 1};
    ring.desc[1] = (struct desc){(uint64_t)data, sizeof(data), NEXT | DEVICE_WRITES, 2};
    ring.desc[2] = (struct desc){(uint64_t)&status, 1, DEVICE_WRITES, 0};
    ring.avail[ring.avail_idx % ENTRIES] = 0;
    __asm__ volatile("" : : : "memory");
    ring.avail_idx++;
    if (doorbell)
        write16(doorbell, 0);
    else
        outw(IO + L_NOTIFY, 0);
}

static void wait_used(void)
{
    while (ring.used_idx != ring.avail_idx)
        __asm__ volatile("pause");
    __asm__ volatile("" : : : "memory");
    const uint64_t *want = (const uint64_t *)(IMAGE + 512ULL * sector);
    bool same = status == 0;
    for (unsigned i = 0; i < sizeof(data) / 8; i++)
        same &= data[i] == want[i];
    good += same;
}

static uint32_t exits(void)
{
    return inl(TESTDEV_EXITS);
}

/* Requests one by one; the device tells of none. */
static void poll(const char *what)
{
    uint32_t before = exits(), after;
    good = 0;
    ring.avail_flags = NO_INTERRUPT;
    for (unsigned i = 0; i < SECTORS; i++) {
        send();
        wait_used();
    }
    ring.avail_flags = 0;
    after = exits();
    say("sectors read right", good);
    print(what);
    say(", few exits", after - before < 20);
    say("each an exit", after - before >= SECTORS);
}

static void wait_for(unsigned vector, uint32_t n)
{
    cli();
    while (irqs[vector] < n)
        wait_for_interrupt();
}

static bool in_irr(unsigned vector)
{
    return apic_read(IRR + vector / 32 * 0x10) >> vector % 32 & 1;
}

static void msix_entry(unsigned vector, bool masked)
{
    mmio_write(MSIX + 12, 1);
    mmio_write(MSIX, APIC);
    mmio_write(MSIX + 4, 0);
    mmio_write(MSIX + 8, vector);
    mmio_write(MSIX + 12, masked);
}

static void modern(void)
{
    uint64_t c = where[CAP_COMMON];
    volatile uint8_t *dev_status = (volatile uint8_t *)(c + C_STATUS);

    *dev_status = 0;
    *dev_status = 3;
    mmio_write(c + C_DRIVER_SELECT, 0);
    mmio_write(c + C_DRIVER_FEATURES, 0);
    mmio_write(c + C_DRIVER_SELECT, 1);
    mmio_write(c + C_DRIVER_FEATURES, 1); /* VERSION_1 */
    *dev_status = 0xb;
    config_write(SLOT, msix_cap, config_read(SLOT, msix_cap) | 1u << 31);
    msix_entry(V_QUEUE, false);
    write16(c + C_QUEUE_SELECT, 0);
    write16(c + C_QUEUE_SIZE, ENTRIES);
    write16(c + C_QUEUE_VECTOR, 0);
    mmio_write(c + C_QUEUE_DESC, (uint32_t)(uint64_t)&ring.desc);
    mmio_write(c + C_QUEUE_AVAIL, (uint32_t)(uint64_t)&ring.avail_flags);
    mmio_write(c + C_QUEUE_USED, (uint32_t)(uint64_t)&ring.used_flags);
    write16(c + C_QUEUE_ENABLE, 1);
    *dev_status = 0xf;
    doorbell = where[CAP_NOTIFY];
}

static void interrupts(void)
{
    say("interrupts nobody wanted", irqs[V_QUEUE]);
    send();
    wait_used();
    while (!in_irr(V_QUEUE))
        __asm__ volatile("pause");
    say("in the IRR", in_irr(V_QUEUE));
    say("taken with IF clear", irqs[V_QUEUE]);
    wait_for(V_QUEUE, 1);
    say("taken", irqs[V_QUEUE]);
    uint32_t before = exits(), after;
    for (unsigned i = 2; i <= 51; i++) {
        send();
        wait_for(V_QUEUE, i);
    }
    after = exits();
    say("MSI-X interrupts", irqs[V_QUEUE]);
    say("interrupts, few exits", after - before < 20);

    msix_entry(V_MOVED, false);
    for (unsigned i = 1; i <= 10; i++) {
        send();
        wait_for(V_MOVED, i);
        wait_used();
    }
    say("by another vector", irqs[V_MOVED]);

    mmio_write(MSIX + 12, 1);
    send();
    wait_used();
    sti();
    for (unsigned i = 0; i < 2000; i++)
        __asm__ volatile("nop");
    cli();
    say("while masked", irqs[V_MOVED] - 10);
    mmio_write(MSIX + 12, 0);
    wait_for(V_MOVED, 11);
    say("then", irqs[V_MOVED] - 10);
}

static void legacy(void)
{
    config_write(SLOT, msix_cap, config_read(SLOT, msix_cap) & ~(1u << 31));
    outb(IO + L_STATUS, 0);
    for (unsigned i = 0; i < sizeof(ring) / 4; i++)
        ((volatile uint32_t *)&ring)[i] = 0;
    outb(IO + L_STATUS, 3);
    outl(IO + L_FEATURES, 0);
    outw(IO + L_SELECT, 0);
    say("legacy queue", inw(IO + L_SIZE));
    outl(IO + L_PFN, (uint32_t)((uint64_t)&ring >> 12));
    outb(IO + L_STATUS, 7);
    doorbell = 0;
}

static void intx(void)
{
    config_write(PIIX3, 0x60, 0x0b0b0b0b); /* PIRQA to PIRQD: IRQ 11 */
    outb(0x4d1, 1 << 3);                   /* level triggered */
    pic_init(1 << 11);
    for (unsigned i = 1; i <= 8; i++) {
        send();
        wait_for(V_INTX, i);
        wait_used();
    }
    say("INTx interrupts", irqs[V_INTX]);
    say("the pin is low", !(config_read(SLOT, 4) & 1 << 19));
}

int main(void)
{
    print("virtio\n");
    pic_init(0);
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_LINT0, 0x700); /* the 8259's INT */
    find_device();
    modern();
    poll("doorbells in memory");
    interrupts();
    legacy();
    poll("doorbells in ports");
    intx();
    print("done\n");
    return 0x10;
}
