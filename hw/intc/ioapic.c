/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O APIC (Intel 82093AA data sheet): 24 inputs, each with a redirection table entry that makes a message of it.
 *
 *   00 rw IOREGSEL: which register     10 rw IOWIN: that register     40 w EOI of a vector (version 20h)
 *   registers: 0 id (bits 27-24)   1 version, 23 << 16   2 arbitration id   10h + 2n, 11h + 2n entry n
 *
 * Input 0 is wired to input 2: GSI 0, the PIT, is there on every PC with this chip.
 *
 * Differences from the hardware: lines carry "asserted", whatever an entry's polarity bit says; messages are delivered
 * at once, so that the delivery status reads 0.
 */
#include "hw/intc/ioapic-state.h"

#include "accel/accel.h"
#include "hw/intc/i8259.h"
#include "hw/intc/lapic.h"

enum { IOREGSEL = 0x00, IOWIN = 0x10, IOEOI = 0x40 };
enum { REG_ID, REG_VERSION, REG_ARBITRATION, REG_TABLE = 0x10 };
enum { RTE_READ_ONLY = RTE_SEND_PENDING | RTE_REMOTE_IRR };
enum { STORM_EOIS = 10000, STORM_DELAY_MS = 10 };

static IoApic *chips[4];    /* those in the machine */
static Device *kernel_chip; /* kvm-ioapic; for the monitor */

static bool is_level(uint64_t rte)
{
    return rte & RTE_LEVEL;
}

/* The message that an entry stands for. */
static MsiMessage rte_message(uint64_t rte)
{
    unsigned dest = rte >> 56, mode = rte >> RTE_MODE_SHIFT & 7;
    return (MsiMessage){
        .address = APIC_DEFAULT_BASE | dest << 12 | (rte & RTE_LOGICAL ? 4 : 0) | (mode == APIC_DM_LOWEST ? 8 : 0),
        .data = (rte & RTE_VECTOR) | mode << 8 | (is_level(rte) ? 0xc000 : 0),
    };
}

/* With local APICs in the kernel: tell it the entries, so that it reports their EOIs. */
static void publish_route(IoApic *s, unsigned pin)
{
    if (accel_irqchip_mode() != IRQCHIP_SPLIT || !accel->update_msi_route)
        return;
    uint64_t rte = s->ioredtbl[pin];
    MsiMessage msg = rte & RTE_MASKED ? (MsiMessage){0} : rte_message(rte);
    accel->update_msi_route(pin, &msg);
}

/* Send what is requested and not held back. */
static void service(IoApic *s)
{
    for (uint32_t todo = s->irr; todo; todo &= todo - 1) {
        unsigned pin = __builtin_ctz(todo);
        uint64_t *rte = &s->ioredtbl[pin];
        if (*rte & RTE_MASKED)
            continue;
        if (is_level(*rte)) {
            if (*rte & RTE_REMOTE_IRR)
                continue;
            *rte |= RTE_REMOTE_IRR;
        } else {
            s->irr &= ~BIT32(pin);
        }
        MsiMessage msg = rte_message(*rte);
        if ((*rte >> RTE_MODE_SHIFT & 7) == APIC_DM_EXTINT) { /* the PIC gives the vector */
            int vector = i8259_acknowledge();
            if (vector < 0)
                continue;
            msg.data = vector | (msg.data & 0xc000);
        }
        apic_msi_deliver(msg.address, msg.data);
    }
}

static void ioapic_input(void *opaque, unsigned n, int level)
{
    IoApic *s = opaque;
    unsigned pin = n == 0 ? 2 : n;
    uint32_t bit = BIT32(pin);
    uint64_t rte = s->ioredtbl[pin];
    if (is_level(rte)) {
        if (level && !(s->irr & bit))
            s->raised[pin]++;
        if (level)
            s->irr |= bit;
        else
            s->irr &= ~bit;
        s->eoi_count[pin] = level ? s->eoi_count[pin] : 0;
        if (level)
            service(s);
    } else if (level && !(rte & RTE_MASKED)) { /* an edge of a masked input is lost */
        s->raised[pin]++;
        s->irr |= bit;
        service(s);
    }
}

/* The guest ended the interrupt of one entry. A device that keeps its line high through many EOIs may be one whose
 * driver is not there yet: slow it down so that the guest gets somewhere. */
static void end_of_interrupt(IoApic *s, unsigned pin)
{
    s->ioredtbl[pin] &= ~(uint64_t)RTE_REMOTE_IRR;
    if (!(s->irr & BIT32(pin)) || (s->ioredtbl[pin] & RTE_MASKED)) {
        s->eoi_count[pin] = 0;
    } else if (++s->eoi_count[pin] < STORM_EOIS) {
        service(s);
    } else {
        s->eoi_count[pin] = 0;
        if (!timer_armed(&s->storm))
            timer_arm_ms(&s->storm, STORM_DELAY_MS);
    }
}

static void eoi_vector(IoApic *s, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t rte = s->ioredtbl[pin];
        if ((rte & RTE_VECTOR) == vector && is_level(rte) && (rte & RTE_REMOTE_IRR))
            end_of_interrupt(s, pin);
    }
}

void ioapic_eoi_broadcast(uint8_t vector)
{
    for (unsigned i = 0; i < ARRAY_SIZE(chips); i++)
        if (chips[i])
            eoi_vector(chips[i], vector);
}

static void storm_over(void *opaque)
{
    service(opaque);
}

static void write_entry(IoApic *s, unsigned pin, uint32_t val, bool high)
{
    uint64_t *rte = &s->ioredtbl[pin];
    if (high) {
        *rte = (*rte & UINT32_MAX) | (uint64_t)val << 32;
    } else {
        uint32_t keep = *rte & RTE_READ_ONLY;
        *rte = (*rte & ~(uint64_t)UINT32_MAX) | (val & ~(uint32_t)RTE_READ_ONLY) | keep;
    }
    if (!is_level(*rte)) /* there is nothing to end any more */
        *rte &= ~(uint64_t)RTE_REMOTE_IRR;
    publish_route(s, pin);
    service(s);
}

static void write_window(IoApic *s, uint32_t val)
{
    unsigned entry = s->ioregsel - REG_TABLE;
    if (s->ioregsel == REG_ID)
        s->id = val >> 24 & 0x0f;
    else if (s->ioregsel >= REG_TABLE && entry < 2 * IOAPIC_PINS)
        write_entry(s, entry / 2, val, entry & 1);
}

static uint32_t read_window(const IoApic *s)
{
    unsigned entry = s->ioregsel - REG_TABLE;
    switch (s->ioregsel) {
    case REG_ID:
    case REG_ARBITRATION:
        return (uint32_t)s->id << 24;
    case REG_VERSION:
        return s->version | (IOAPIC_PINS - 1) << 16;
    }
    if (s->ioregsel < REG_TABLE || entry >= 2 * IOAPIC_PINS)
        return 0;
    return s->ioredtbl[entry / 2] >> (entry & 1 ? 32 : 0);
}

static uint64_t ioapic_read(void *opaque, uint64_t off, unsigned size)
{
    IoApic *s = opaque;
    switch (off & 0xff) {
    case IOREGSEL:
        return s->ioregsel;
    case IOWIN:
        return size == 4 ? read_window(s) : 0;
    default:
        return 0;
    }
}

static void ioapic_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    IoApic *s = opaque;
    switch (off & 0xff) {
    case IOREGSEL:
        s->ioregsel = val;
        break;
    case IOWIN:
        if (size == 4)
            write_window(s, val);
        break;
    case IOEOI:
        if (size == 4 && s->version >= 0x20)
            eoi_vector(s, val);
        break;
    }
}

static const IoOps ioapic_io = {ioapic_read, ioapic_write, .min = 1, .max = 4};

static void ioapic_reset(Device *dev)
{
    IoApic *s = IOAPIC(dev);
    timer_stop(&s->storm);
    memset(s->eoi_count, 0, sizeof(s->eoi_count));
    s->id = s->ioregsel = 0;
    s->irr = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        s->ioredtbl[pin] = RTE_MASKED;
        publish_route(s, pin);
    }
}

static bool ioapic_realize(Device *dev, Error **errp)
{
    IoApic *s = IOAPIC(dev);
    if (s->version != 0x11 && s->version != 0x20)
        return error_set(errp, "ioapic: version=0x%x is not known; 0x11 and 0x20 are", s->version);
    unsigned i = 0;
    while (i < ARRAY_SIZE(chips) && chips[i])
        i++;
    if (i == ARRAY_SIZE(chips))
        return error_set(errp, "ioapic: a machine has %zu at most", ARRAY_SIZE(chips));
    device_inputs(dev, ioapic_input, IOAPIC_PINS);
    timer_init(&s->storm, storm_over, s);
    region_init_io(&s->io, dev, &ioapic_io, s, "ioapic", 0x1000);
    chips[i] = s;
    accel_ioapic_eoi = ioapic_eoi_broadcast;
    return true;
}

static void ioapic_unrealize(Device *dev)
{
    for (unsigned i = 0; i < ARRAY_SIZE(chips); i++)
        if (chips[i] == IOAPIC(dev))
            chips[i] = NULL;
}

static bool ioapic_post_load(Device *dev, Error **errp)
{
    IoApic *s = IOAPIC(dev);
    s->irr &= BIT32(IOAPIC_PINS) - 1;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        publish_route(s, pin);
    return true;
}

const VmField ioapic_fields[] = {VM_U8(IoApic, id),   VM_U8(IoApic, ioregsel),        VM_SKIP(8),
                                 VM_U32(IoApic, irr), VM_INT_ARRAY(IoApic, ioredtbl), {}};

static const VmState ioapic_vmstate = {
    .name = "ioapic", .version = 3, .min_version = 3, .post_load = ioapic_post_load, .fields = ioapic_fields};

static const Prop ioapic_props[] = {
    PROP_U8("version", IoApic, version, 0x20, "0x11: 82093AA; 0x20: with an EOI register"),
    {},
};

const DeviceDesc ioapic = {
    .name = "ioapic",
    .parent = "ioapic-common",
    .summary = "I/O APIC",
    .bus = BUS_SYSTEM,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(IoApic),
    .props = ioapic_props,
    .vmstate = &ioapic_vmstate,
    .realize = ioapic_realize,
    .unrealize = ioapic_unrealize,
    .reset = ioapic_reset,
};

Device *ioapic_create(Gpa base, Error **errp)
{
    bool ours = accel_irqchip_mode() != IRQCHIP_KERNEL;
    Device *dev = device_new(ours ? &ioapic : &kvm_ioapic);
    if (!device_realize(dev, NULL, errp))
        return NULL;
    if (!ours)
        kernel_chip = dev;
    else
        region_add(&system_memory, base, &IOAPIC(dev)->io);
    return dev;
}

static void print_chip(const IoApic *s, GString *out)
{
    static const char *const modes[8] = {"fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "ExtINT"};
    g_string_append_printf(out, "ioapic0: ver=0x%x id=0x%02x sel=0x%02x", s->version, s->id, s->ioregsel);
    if (s->ioregsel >= REG_TABLE)
        g_string_append_printf(out, " (redir[%u])\n", (s->ioregsel - REG_TABLE) / 2);
    else
        g_string_append_c(out, '\n');
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t e = s->ioredtbl[pin];
        unsigned mode = e >> RTE_MODE_SHIFT & 7;
        g_string_append_printf(out, "  pin %-2u 0x%016" PRIx64 " dest=%x vec=%-3u %s %-5s %-6s %-6s %s\n", pin, e,
                               (unsigned)(e >> 56), (unsigned)(e & RTE_VECTOR),
                               e & RTE_ACTIVE_LOW ? "active-lo" : "active-hi", is_level(e) ? "level" : "edge",
                               e & RTE_MASKED ? "masked" : "", modes[mode], e & RTE_LOGICAL ? "logical" : "physical");
    }
    const struct {
        const char *name;
        uint64_t bit;
    } lists[] = {{"IRR", 0}, {"Remote IRR", RTE_REMOTE_IRR}};
    for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
        bool any = false;
        g_string_append_printf(out, "  %-8s", lists[i].name);
        for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
            if (lists[i].bit ? !!(s->ioredtbl[pin] & lists[i].bit) : s->irr >> pin & 1) {
                g_string_append_printf(out, " %u", pin);
                any = true;
            }
        }
        g_string_append(out, any ? "\n" : " (none)\n");
    }
}

void ioapic_print(GString *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(chips); i++)
        if (chips[i])
            print_chip(chips[i], out);
    if (kernel_chip) {
        kvm_ioapic_refresh(IOAPIC(kernel_chip));
        print_chip(IOAPIC(kernel_chip), out);
    }
}
