/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 programmable interval timer (Intel 8254 data sheet): three 16-bit counters at 1193182 Hz.
 *
 *   port 40h to 42h  rw: counter 0 to 2, in the byte order that the control word chose
 *   port 43h         w: control word, counter latch, read-back command; reads 0
 *
 * A counter is not stepped: its value and output follow from the virtual time since the count was loaded.
 *
 * Differences from the hardware: a count takes effect when it is written, not at the next clock or the end of the
 * period; the null count flag is always 0; in mode 2 and 4 the output pulse is high, right after the terminal count,
 * where the chip's is low, right before it: the rising edge is at the same time; the gate of counters 0 and 1 is fixed
 * high, that of counter 2 (port 61h) restarts the count in modes 1, 2, 3 and 5, and does not stop it.
 */
#include "accel/accel.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254-state.h"

enum { PIT_MIN_PERIOD_NS = 100000 };
enum { CTL_CHANNEL_SHIFT = 6, CTL_READ_BACK = 3, RB_NO_COUNT = 0x20, RB_NO_STATUS = 0x10 };

/* The modes as they count: 6 and 7 are 2 and 3. */
static unsigned effective_mode(const PitChannel *c)
{
    return c->mode > 5 ? c->mode - 4 : c->mode;
}

/* Clocks since the count was loaded, and the first ns at which that many have passed. */
static uint64_t clocks_at(const PitChannel *c, int64_t now)
{
    return now <= c->count_load_time ? 0 : muldiv64(now - c->count_load_time, PIT_HZ, NS_PER_SEC);
}
static int64_t time_of_clock(const PitChannel *c, uint64_t clocks)
{
    unsigned __int128 ns = ((unsigned __int128)clocks * NS_PER_SEC + PIT_HZ - 1) / PIT_HZ;
    return c->count_load_time + (int64_t)ns;
}

static uint32_t bcd_to_binary(uint32_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000;
}
static uint32_t binary_to_bcd(uint32_t v)
{
    return v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12;
}

/* The length of the count in clocks. */
static uint32_t period_of(const PitChannel *c)
{
    if (!c->bcd)
        return c->count;
    uint32_t n = bcd_to_binary(c->count & 0xffff);
    return n ? n : 10000;
}

static uint32_t counter_value(const PitChannel *c, int64_t now)
{
    uint64_t d = clocks_at(c, now);
    if (!d)
        return c->count & 0xffff;
    uint32_t n = period_of(c), modulus = c->bcd ? 10000 : 65536, v;
    switch (effective_mode(c)) {
    case 2:
        v = n - d % n;
        break;
    case 3: /* counts by two, down from an even number */
        v = n - (2 * d) % n;
        break;
    default: /* goes on below zero */
        v = (n + modulus - d % modulus) % modulus;
    }
    return c->bcd ? binary_to_bcd(v % 10000) : v & 0xffff;
}

static bool output_at(const PitChannel *c, int64_t now)
{
    uint64_t d = clocks_at(c, now);
    uint32_t n = period_of(c);
    switch (effective_mode(c)) {
    case 0:
        return d >= n;
    case 1:
        return d < n;
    case 2:
        return d && d % n == 0;
    case 3:
        return d % n < (n + 1) / 2;
    default:
        return d == n;
    }
}

/* When the output changes next, -1: never. */
static int64_t next_transition(const PitChannel *c, int64_t now)
{
    uint64_t d = clocks_at(c, now), at;
    uint32_t n = period_of(c);
    switch (effective_mode(c)) {
    case 0:
    case 1:
        if (d >= n)
            return -1;
        at = n;
        break;
    case 2:
        if (n == 1 && d) /* always at the terminal count */
            return -1;
        at = d && d % n == 0 ? d + 1 : d - d % n + n;
        break;
    case 3:
        if (n == 1) /* always in the first half */
            return -1;
        at = d - d % n + (d % n < (n + 1) / 2 ? (n + 1) / 2 : n);
        break;
    default:
        if (d > n)
            return -1;
        at = d < n ? n : n + 1;
    }
    return time_of_clock(c, at);
}

/* Drive IRQ 0 and arm the timer for its next change. */
static void update_irq(I8254 *s, int64_t now)
{
    PitChannel *c = &s->channel[0];
    if (s->irq_disabled)
        return;
    irq_set(s->irq, output_at(c, now));
    c->next_transition_time = next_transition(c, now);
    if (c->next_transition_time < 0)
        timer_stop(&s->timer);
    else
        timer_arm_at(&s->timer, c->next_transition_time);
}

/* A late timer catches up change by change, so that no tick is lost; but with a period that the host cannot follow it
 * must not keep the main loop from everything else. */
static void pit_expired(void *opaque)
{
    I8254 *s = opaque;
    PitChannel *c = &s->channel[0];
    int64_t now = clock_ns(CLOCK_VIRTUAL), period = muldiv64(period_of(c), NS_PER_SEC, PIT_HZ);
    if (period >= PIT_MIN_PERIOD_NS || now - c->next_transition_time <= period) {
        update_irq(s, c->next_transition_time);
        return;
    }
    irq_pulse(s->irq);
    update_irq(s, now);
    if (timer_armed(&s->timer) && c->next_transition_time < now + PIT_MIN_PERIOD_NS / 4)
        timer_arm_at(&s->timer, now + PIT_MIN_PERIOD_NS / 4);
}

static void load_count(I8254 *s, unsigned n, uint16_t val)
{
    PitChannel *c = &s->channel[n];
    c->count = val ? val : 0x10000;
    c->count_load_time = clock_ns(CLOCK_VIRTUAL);
    if (n == 0)
        update_irq(s, c->count_load_time);
}

static void latch_count(PitChannel *c)
{
    if (c->count_latched)
        return;
    c->latched_count = counter_value(c, clock_ns(CLOCK_VIRTUAL));
    c->count_latched = c->rw_mode;
}

static void write_control(I8254 *s, uint8_t val)
{
    unsigned n = val >> CTL_CHANNEL_SHIFT, access = val >> 4 & 3;
    if (n == CTL_READ_BACK) {
        for (n = 0; n < 3; n++) {
            PitChannel *c = &s->channel[n];
            if (!(val & 2 << n))
                continue;
            if (!(val & RB_NO_COUNT))
                latch_count(c);
            if (!(val & RB_NO_STATUS) && !c->status_latched) {
                c->status = output_at(c, clock_ns(CLOCK_VIRTUAL)) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd;
                c->status_latched = 1;
            }
        }
        return;
    }
    PitChannel *c = &s->channel[n];
    if (!access) {
        latch_count(c);
        return;
    }
    c->rw_mode = c->read_state = c->write_state = access;
    c->mode = val >> 1 & 7;
    c->bcd = val & 1;
}

static void pit_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    I8254 *s = opaque;
    if (off == 3) {
        write_control(s, val);
        return;
    }
    PitChannel *c = &s->channel[off];
    switch (c->write_state) {
    case PIT_RW_MSB:
        load_count(s, off, val << 8);
        break;
    case PIT_RW_WORD:
        c->write_latch = val;
        c->write_state = PIT_RW_WORD_HIGH;
        break;
    case PIT_RW_WORD_HIGH:
        c->write_state = PIT_RW_WORD;
        load_count(s, off, c->write_latch | val << 8);
        break;
    default:
        load_count(s, off, val);
    }
}

static uint64_t pit_read(void *opaque, uint64_t off, unsigned size)
{
    I8254 *s = opaque;
    if (off == 3)
        return 0;
    PitChannel *c = &s->channel[off];
    if (c->status_latched) {
        c->status_latched = 0;
        return c->status;
    }
    if (c->count_latched) {
        bool high = c->count_latched == PIT_RW_MSB;
        c->count_latched = c->count_latched == PIT_RW_WORD ? PIT_RW_MSB : 0;
        return high ? c->latched_count >> 8 : c->latched_count & 0xff;
    }
    uint32_t v = counter_value(c, clock_ns(CLOCK_VIRTUAL));
    switch (c->read_state) {
    case PIT_RW_MSB:
        return v >> 8;
    case PIT_RW_WORD:
        c->read_state = PIT_RW_WORD_HIGH;
        return v & 0xff;
    case PIT_RW_WORD_HIGH:
        c->read_state = PIT_RW_WORD;
        return v >> 8;
    default:
        return v & 0xff;
    }
}

static const IoOps pit_io = {pit_read, pit_write, .min = 1, .max = 1};

void pit_channel_info(Device *pit, unsigned channel, PitChannelInfo *info)
{
    const PitChannel *c = &I8254(pit)->channel[channel];
    if (pit->desc == &kvm_pit)
        kvm_pit_sync(I8254(pit));
    *info = (PitChannelInfo){.mode = effective_mode(c),
                             .gate = c->gate,
                             .out = output_at(c, clock_ns(CLOCK_VIRTUAL)),
                             .initial_count = period_of(c)};
}

void pit_set_gate(Device *pit, unsigned channel, bool gate)
{
    I8254 *s = I8254(pit);
    PitChannel *c = &s->channel[channel];
    if (pit->desc == &kvm_pit)
        kvm_pit_sync(s);
    unsigned mode = effective_mode(c);
    if (gate && !c->gate && mode != 0 && mode != 4) {
        c->count_load_time = clock_ns(CLOCK_VIRTUAL);
        if (channel == 0 && pit->desc == &isa_pit)
            update_irq(s, c->count_load_time);
    }
    c->gate = gate;
    if (pit->desc == &kvm_pit)
        kvm_pit_push(s);
}

void pit_set_irq_enabled(Device *pit, bool on)
{
    I8254 *s = I8254(pit);
    if (s->irq_disabled == !on)
        return;
    if (pit->desc == &kvm_pit)
        kvm_pit_sync(s);
    s->irq_disabled = !on;
    if (pit->desc == &kvm_pit) {
        kvm_pit_push(s);
    } else if (on) {
        update_irq(s, clock_ns(CLOCK_VIRTUAL));
    } else {
        timer_stop(&s->timer);
        irq_lower(s->irq);
    }
}

void pit_reset_channels(I8254 *s)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    s->irq_disabled = 0;
    for (unsigned n = 0; n < 3; n++) {
        s->channel[n] = (PitChannel){.count = 0x10000, .mode = 3, .gate = n != 2, .count_load_time = now};
    }
    s->channel[0].next_transition_time = next_transition(&s->channel[0], now);
}

static void pit_reset(Device *dev)
{
    I8254 *s = I8254(dev);
    pit_reset_channels(s);
    irq_lower(s->irq);
    timer_arm_at(&s->timer, s->channel[0].next_transition_time);
}

static bool pit_realize(Device *dev, Error **errp)
{
    I8254 *s = I8254(dev);
    if (s->iobase > 0xfffc)
        return error_set(errp, "isa-pit: the board sets iobase= to a port");
    timer_init(&s->timer, pit_expired, s);
    device_outputs(dev, "", &s->irq, 1);
    return isa_map_io(&s->isa, &s->io, &pit_io, s, s->iobase, 4, errp);
}

static bool pit_post_load(Device *dev, Error **errp)
{
    I8254 *s = I8254(dev);
    for (unsigned n = 0; n < 3; n++) {
        const PitChannel *c = &s->channel[n];
        if (c->count < 1 || c->count > 0x10000 || c->mode > 7 || c->bcd > 1 || c->rw_mode > PIT_RW_WORD ||
            c->count_latched > PIT_RW_WORD || c->count_load_time < 0 || c->count_load_time > INT64_MAX / 2)
            return error_set(errp, "impossible state of counter %u of an 8254: count %d, mode %u, access %u", n,
                             c->count, c->mode, c->rw_mode);
    }
    if (dev->desc == &kvm_pit)
        return true;
    if (s->irq_disabled || s->channel[0].next_transition_time < 0)
        timer_stop(&s->timer);
    else
        timer_arm_at(&s->timer, s->channel[0].next_transition_time);
    return true;
}

static const VmState pit_channel_vmstate = {
    .name = "pit channel",
    .version = 2,
    .min_version = 2,
    .fields = (const VmField[]){VM_I32(PitChannel, count),
                                VM_U16(PitChannel, latched_count),
                                VM_U8(PitChannel, count_latched),
                                VM_U8(PitChannel, status_latched),
                                VM_U8(PitChannel, status),
                                VM_U8(PitChannel, read_state),
                                VM_U8(PitChannel, write_state),
                                VM_U8(PitChannel, write_latch),
                                VM_U8(PitChannel, rw_mode),
                                VM_U8(PitChannel, mode),
                                VM_U8(PitChannel, bcd),
                                VM_U8(PitChannel, gate),
                                VM_I64(PitChannel, count_load_time),
                                VM_I64(PitChannel, next_transition_time),
                                {}},
};

const VmField pit_fields[] = {VM_U32(I8254, irq_disabled),
                              VM_STRUCT_ARRAY(I8254, channel, pit_channel_vmstate),
                              VM_I64(I8254, channel[0].next_transition_time),
                              {}};

const VmState pit_vmstate = {
    .name = "i8254", .version = 3, .min_version = 3, .post_load = pit_post_load, .fields = pit_fields};

static const Prop pit_props[] = {PROP_U32("iobase", I8254, iobase, UINT32_MAX, "first of four ports"), {}};

const DeviceDesc isa_pit = {
    .name = "isa-pit",
    .parent = "pit-common",
    .summary = "8254 interval timer",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(I8254),
    .props = pit_props,
    .vmstate = &pit_vmstate,
    .realize = pit_realize,
    .reset = pit_reset,
};

Device *i8254_create(IsaBus *bus, Irq *irq0, Error **errp)
{
    bool ours = accel_irqchip_mode() != IRQCHIP_KERNEL;
    Device *dev = device_new(ours ? &isa_pit : &kvm_pit);
    device_set_uint(dev, "iobase", 0x40);
    I8254(dev)->irq = irq0;
    if (!device_realize(dev, &bus->bus, errp))
        return NULL;
    hpet_attach_pit(dev);
    return dev;
}
