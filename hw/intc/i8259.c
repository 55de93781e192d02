/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8259A programmable interrupt controller (Intel 8259A data sheet) with the PIIX's edge/level control register
 * (82371SB data sheet, 4d0h and 4d1h).
 *
 *   port 20h / a0h   w: bit 4: ICW1; bits 4,3 = 0: OCW2; bit 3: OCW3    r: IRR or ISR (OCW3), poll byte
 *   port 21h / a1h   w: ICW2, ICW3, ICW4 in turn after ICW1, else IMR   r: IMR, poll byte
 *   port 4d0h / 4d1h rw: a set bit makes that input level-triggered (elcr_mask: which can be)
 *
 * Differences from the hardware: an edge that was seen stays requested when its line falls again before the INTA cycle
 * (the chip would answer with the spurious vector of line 7); ICW1's LTIM is ignored, as the PIIX does; ICW3 is fixed
 * by the board: the slave is at line 2.
 */
#include "hw/intc/i8259.h"

#include "accel/accel.h"
#include "hw/intc/i8259-state.h"

enum { ICW1 = 0x10, ICW1_ICW4 = 0x01, ICW1_SINGLE = 0x02 };
enum { ICW4_AEOI = 0x02, ICW4_SFNM = 0x10 };
enum { OCW3 = 0x08, OCW3_POLL = 0x04, OCW3_RR = 0x02, OCW3_RIS = 0x01, OCW3_ESMM = 0x40, OCW3_SMM = 0x20 };
enum { /* OCW2, bits 7 to 5 */
       OCW2_ROTATE_AEOI_CLEAR,
       OCW2_EOI,
       OCW2_NOP,
       OCW2_SPECIFIC_EOI,
       OCW2_ROTATE_AEOI_SET,
       OCW2_ROTATE_EOI,
       OCW2_SET_PRIORITY,
       OCW2_ROTATE_SPECIFIC_EOI,
};
enum { STATE_READY, STATE_ICW2, STATE_ICW3, STATE_ICW4 };
enum { CASCADE_LINE = 2, SPURIOUS_LINE = 7 };

Device *i8259_master, *i8259_slave;
static Device *chips[2]; /* the same, or those that mirror the kernel's; for the monitor */

/* Distance of the first set bit from the line of highest priority; 8: none is set. */
static unsigned first_by_priority(const I8259 *s, uint8_t mask)
{
    unsigned p = 0;
    while (p < 8 && !(mask & BIT32((p + s->priority_add) & 7)))
        p++;
    return p;
}

/* The line that the INT pin stands for, -1: none. */
static int pending_line(const I8259 *s)
{
    unsigned req = first_by_priority(s, s->irr & ~s->imr);
    if (req == 8)
        return -1;
    uint8_t in_service = s->isr;
    if (s->special_mask)
        in_service &= ~s->imr;
    if (s->special_fully_nested_mode && s->master)
        in_service &= ~BIT32(CASCADE_LINE);
    return req < first_by_priority(s, in_service) ? (int)((req + s->priority_add) & 7) : -1;
}

static void update_int(I8259 *s)
{
    irq_set(s->int_out, pending_line(s) >= 0);
}

/* An input line. The level is kept in last_irr, for level-triggered ones in irr too. */
static void i8259_input(void *opaque, unsigned n, int level)
{
    I8259 *s = opaque;
    uint8_t bit = BIT32(n);
    if (level) {
        if (!(s->last_irr & bit))
            s->raised[n]++;
        if ((s->elcr & bit) || !(s->last_irr & bit))
            s->irr |= bit;
        s->last_irr |= bit;
    } else {
        if (s->elcr & bit)
            s->irr &= ~bit;
        s->last_irr &= ~bit;
    }
    update_int(s);
}

static void start_service(I8259 *s, unsigned line)
{
    if (!s->auto_eoi)
        s->isr |= BIT32(line);
    else if (s->rotate_on_auto_eoi)
        s->priority_add = (line + 1) & 7;
    if (!(s->elcr & BIT32(line)))
        s->irr &= ~BIT32(line);
    update_int(s);
}

bool i8259_pending(void)
{
    return i8259_master && pending_line(I8259(i8259_master)) >= 0;
}

int i8259_acknowledge(void)
{
    if (!i8259_master)
        return -1;
    I8259 *m = I8259(i8259_master), *sl = I8259(i8259_slave);
    int line = pending_line(m);
    if (line < 0)
        return m->irq_base + SPURIOUS_LINE;
    int vector = m->irq_base + line;
    if (line == CASCADE_LINE) {
        int sub = pending_line(sl);
        vector = sl->irq_base + (sub < 0 ? SPURIOUS_LINE : sub);
        if (sub >= 0)
            start_service(sl, sub);
    }
    start_service(m, line);
    return vector;
}

/* What ICW1 and a reset have in common: everything but the edge/level register. A level request stays. */
static void initialise(I8259 *s)
{
    s->last_irr = 0;
    s->irr &= s->elcr;
    s->imr = s->isr = s->priority_add = s->irq_base = 0;
    s->read_reg_select = s->poll = s->special_mask = 0;
    s->init_state = STATE_READY;
    s->auto_eoi = s->rotate_on_auto_eoi = s->special_fully_nested_mode = s->init4 = s->single_mode = 0;
    update_int(s);
}

static void write_ocw2(I8259 *s, uint8_t val)
{
    unsigned cmd = val >> 5, line = val & 7;
    switch (cmd) {
    case OCW2_ROTATE_AEOI_CLEAR:
    case OCW2_ROTATE_AEOI_SET:
        s->rotate_on_auto_eoi = cmd == OCW2_ROTATE_AEOI_SET;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_EOI: {
        unsigned p = first_by_priority(s, s->isr);
        if (p == 8)
            break;
        line = (p + s->priority_add) & 7;
        s->isr &= ~BIT32(line);
        if (cmd == OCW2_ROTATE_EOI)
            s->priority_add = (line + 1) & 7;
        break;
    }
    case OCW2_SPECIFIC_EOI:
    case OCW2_ROTATE_SPECIFIC_EOI:
        s->isr &= ~BIT32(line);
        if (cmd == OCW2_ROTATE_SPECIFIC_EOI)
            s->priority_add = (line + 1) & 7;
        break;
    case OCW2_SET_PRIORITY:
        s->priority_add = (line + 1) & 7;
        break;
    }
    update_int(s);
}

static void write_command(I8259 *s, uint8_t val)
{
    if (val & ICW1) {
        initialise(s);
        s->init_state = STATE_ICW2;
        s->init4 = val & ICW1_ICW4;
        s->single_mode = val & ICW1_SINGLE;
    } else if (val & OCW3) {
        if (val & OCW3_POLL)
            s->poll = 1;
        if (val & OCW3_RR)
            s->read_reg_select = val & OCW3_RIS;
        if (val & OCW3_ESMM) {
            s->special_mask = !!(val & OCW3_SMM);
            update_int(s);
        }
    } else {
        write_ocw2(s, val);
    }
}

static void write_data(I8259 *s, uint8_t val)
{
    switch (s->init_state) {
    case STATE_READY:
        s->imr = val;
        update_int(s);
        break;
    case STATE_ICW2:
        s->irq_base = val & 0xf8;
        s->init_state = !s->single_mode ? STATE_ICW3 : s->init4 ? STATE_ICW4 : STATE_READY;
        break;
    case STATE_ICW3:
        s->init_state = s->init4 ? STATE_ICW4 : STATE_READY;
        break;
    case STATE_ICW4:
        s->special_fully_nested_mode = !!(val & ICW4_SFNM);
        s->auto_eoi = !!(val & ICW4_AEOI);
        s->init_state = STATE_READY;
        break;
    }
}

static void i8259_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    if (off == 0)
        write_command(opaque, val);
    else
        write_data(opaque, val);
}

static uint64_t i8259_read(void *opaque, uint64_t off, unsigned size)
{
    I8259 *s = opaque;
    if (s->poll) { /* the read is the INTA cycle */
        s->poll = 0;
        int line = pending_line(s);
        if (line < 0)
            return 0;
        start_service(s, line);
        return 0x80 | line;
    }
    if (off)
        return s->imr;
    return s->read_reg_select ? s->isr : s->irr;
}

static uint64_t elcr_read(void *opaque, uint64_t off, unsigned size)
{
    return ((I8259 *)opaque)->elcr;
}
static void elcr_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    I8259 *s = opaque;
    s->elcr = val & s->elcr_mask;
}

static const IoOps i8259_io = {i8259_read, i8259_write, .min = 1, .max = 1};
static const IoOps elcr_io = {elcr_read, elcr_write, .min = 1, .max = 1};

static void i8259_reset(Device *dev)
{
    I8259 *s = I8259(dev);
    s->elcr = 0;
    s->irr = 0;
    initialise(s);
}

static bool i8259_realize(Device *dev, Error **errp)
{
    I8259 *s = I8259(dev);
    if (s->iobase > 0xfffe || (s->elcr_addr != UINT32_MAX && s->elcr_addr > 0xffff))
        return error_set(errp, "isa-i8259: the board sets iobase= and elcr_addr= to ports");
    device_inputs(dev, i8259_input, 8);
    device_outputs(dev, "", &s->int_out, 1);
    return isa_map_io(&s->isa, &s->io, &i8259_io, s, s->iobase, 2, errp) &&
           (s->elcr_addr == UINT32_MAX || isa_map_io(&s->isa, &s->elcr_region, &elcr_io, s, s->elcr_addr, 1, errp));
}

static bool i8259_post_load(Device *dev, Error **errp)
{
    I8259 *s = I8259(dev);
    if (s->priority_add > 7 || s->init_state > STATE_ICW4 || (s->irq_base & 7) || (s->elcr & ~s->elcr_mask))
        return error_set(errp,
                         "impossible state of an 8259: priority %u, initialisation step %u, vector base 0x%02x, "
                         "ELCR 0x%02x",
                         s->priority_add, s->init_state, s->irq_base, s->elcr);
    return true;
}

const VmField i8259_fields[] = {VM_U8(I8259, last_irr),
                                VM_U8(I8259, irr),
                                VM_U8(I8259, imr),
                                VM_U8(I8259, isr),
                                VM_U8(I8259, priority_add),
                                VM_U8(I8259, irq_base),
                                VM_U8(I8259, read_reg_select),
                                VM_U8(I8259, poll),
                                VM_U8(I8259, special_mask),
                                VM_U8(I8259, init_state),
                                VM_U8(I8259, auto_eoi),
                                VM_U8(I8259, rotate_on_auto_eoi),
                                VM_U8(I8259, special_fully_nested_mode),
                                VM_U8(I8259, init4),
                                VM_U8(I8259, single_mode),
                                VM_U8(I8259, elcr),
                                {}};

const VmState i8259_vmstate = {
    .name = "i8259", .version = 1, .min_version = 1, .post_load = i8259_post_load, .fields = i8259_fields};

const Prop i8259_props[] = {
    PROP_U32("iobase", I8259, iobase, UINT32_MAX, "first of two ports"),
    PROP_U32("elcr_addr", I8259, elcr_addr, UINT32_MAX, "port of the edge/level control register"),
    PROP_U8("elcr_mask", I8259, elcr_mask, 0xff, "inputs that can be level-triggered"),
    PROP_BOOL("master", I8259, master, false, "the chip whose INT pin reaches the CPU"),
    {},
};

const DeviceDesc isa_i8259 = {
    .name = "isa-i8259",
    .parent = "pic-common",
    .summary = "8259A interrupt controller",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(I8259),
    .props = i8259_props,
    .vmstate = &i8259_vmstate,
    .realize = i8259_realize,
    .reset = i8259_reset,
};

static Device *create_chip(IsaBus *bus, const char *name, bool master, Irq *int_out, Error **errp)
{
    Device *dev = device_new_named(name);
    device_set_uint(dev, "iobase", master ? 0x20 : 0xa0);
    device_set_uint(dev, "elcr_addr", master ? 0x4d0 : 0x4d1);
    device_set_uint(dev, "elcr_mask", master ? 0xf8 : 0xde);
    device_set_bool(dev, "master", master);
    I8259(dev)->int_out = int_out;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}

bool i8259_create(IsaBus *bus, Irq *int_out, Irq *lines[16], Error **errp)
{
    bool ours = accel_irqchip_mode() != IRQCHIP_KERNEL;
    const char *name = ours ? isa_i8259.name : kvm_i8259.name;
    memset(lines, 0, 16 * sizeof(*lines));
    Device *master = create_chip(bus, name, true, int_out, errp);
    if (!master)
        return false;
    Device *slave = create_chip(bus, name, false, ours ? device_input(master, CASCADE_LINE) : NULL, errp);
    if (!slave)
        return false;
    chips[0] = master;
    chips[1] = slave;
    if (!ours)
        return true;
    i8259_master = master;
    i8259_slave = slave;
    for (unsigned n = 0; n < 16; n++)
        lines[n] = n == CASCADE_LINE ? NULL : device_input(n < 8 ? master : slave, n & 7);
    return true;
}

static void print_chip(Device *dev, unsigned n, GString *out)
{
    I8259 *s = I8259(dev);
    if (dev->desc == &kvm_i8259)
        kvm_pic_refresh(s);
    g_string_append_printf(out, "pic%u: irr=%02x imr=%02x isr=%02x hprio=%d irq_base=%02x rr_sel=%d elcr=%02x fnm=%d\n",
                           n, s->irr, s->imr, s->isr, s->priority_add, s->irq_base, s->read_reg_select, s->elcr,
                           s->special_fully_nested_mode);
}

void i8259_print(GString *out)
{
    for (unsigned n = 2; n-- > 0;)
        if (chips[n])
            print_chip(chips[n], n, out);
}

void i8259_print_irqs(GString *out)
{
    g_string_append(out, "IRQ statistics for isa-i8259:\n");
    for (unsigned n = 0; i8259_master && n < 16; n++) {
        uint64_t count = I8259(n < 8 ? i8259_master : i8259_slave)->raised[n & 7];
        if (count)
            g_string_append_printf(out, "%2u: %" PRIu64 "\n", n, count);
    }
}
