/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The high precision event timer (IA-PC HPET specification 1.0a): a 64-bit counter of 10 ns and 3 to 32 comparators.
 *
 *   000 r  capabilities and period      010 rw configuration: enable, legacy replacement
 *   020 rc interrupt status             0f0 rw main counter
 *   100 + 20h n: rw configuration and capability, 108 comparator, 110 FSB (MSI) value and address
 *
 * With the legacy replacement, timer 0 is IRQ 0 and timer 1 is IRQ 8; PIT and RTC are cut off: their lines pass through
 * here.
 *
 * With the kernel's chips, input 2 of the I/O APIC is GSI 0's alone: there a timer reaches it by the legacy replacement
 * only.
 *
 * Differences from the hardware: a comparator that is set to a time in the past fires at once (the chip waits for the
 * counter to wrap); interrupts of a period that the host cannot follow are dropped.
 */
#include "hw/timer/hpet.h"

#include "hw/timer/i8254.h"

enum { REG_CAP = 0x00, REG_CFG = 0x10, REG_STATUS = 0x20, REG_COUNTER = 0xf0, REG_TIMERS = 0x100 };
enum { TN_CFG = 0x00, TN_CMP = 0x08, TN_FSB = 0x10 };
enum { CFG_ENABLE = 1, CFG_LEGACY = 2, CFG_WRITABLE = 3 };
enum {
    TN_LEVEL = 1 << 1,
    TN_ENABLE = 1 << 2,
    TN_PERIODIC = 1 << 3,
    TN_PERIODIC_CAP = 1 << 4,
    TN_SIZE_CAP = 1 << 5,
    TN_SETVAL = 1 << 6,
    TN_32BIT = 1 << 8,
    TN_ROUTE_SHIFT = 9,
    TN_ROUTE = 0x1f << TN_ROUTE_SHIFT,
    TN_FSB_ENABLE = 1 << 14,
    TN_FSB_CAP = 1 << 15,
    TN_WRITABLE = TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_SETVAL | TN_32BIT | TN_ROUTE | TN_FSB_ENABLE,
};
enum { MIN_TIMERS = 3, MAX_TIMERS = 32, LEGACY_IRQ0 = 0, LEGACY_IRQ8 = 8 };

#define TICK_NS     10
#define SHORTEST_NS 100000 /* a late timer of a shorter period is not caught up */
#define MAX_TICKS   (INT64_MAX / TICK_NS / 4)
#define REGISTERS   0x400

typedef struct Hpet Hpet;
typedef struct HpetTimer {
    Hpet *hpet;
    uint8_t n;
    uint64_t config, cmp, fsb, period;
    uint8_t wrap_flag; /* 32-bit one-shot: the timer now waits for the counter's wrap */
    Timer timer;
} HpetTimer;

struct Hpet {
    Device dev;
    /* config */
    uint8_t num_timers;
    uint32_t intcap;
    bool msi, offset_saved;
    uint32_t n_timers;
    /* wiring */
    IoRegion io;
    Irq *gsi[32]; /* the board's lines; of the last eight there are none */
    Device *pit;
    /* state */
    uint64_t config, isr, counter; /* counter: its value while it is stopped */
    uint64_t offset;               /* ns to add to the clock while it runs */
    uint8_t rtc_irq_level;
    HpetTimer timer[MAX_TIMERS];
};
#define HPET(d) container_of(d, Hpet, dev)

static Hpet *the_hpet; /* the machine's */

static bool legacy(const Hpet *s)
{
    return s->config & CFG_LEGACY;
}
static bool enabled(const Hpet *s)
{
    return s->config & CFG_ENABLE;
}

static uint64_t ticks_at(const Hpet *s, int64_t now)
{
    return ((uint64_t)now + s->offset) / TICK_NS;
}
static uint64_t counter_now(const Hpet *s)
{
    return enabled(s) ? ticks_at(s, clock_ns(CLOCK_VIRTUAL)) : s->counter;
}

static void line_set(Hpet *s, unsigned gsi, int level)
{
    if (gsi < ARRAY_SIZE(s->gsi))
        irq_set_level(s->gsi[gsi], level);
}

static void timer_irq(HpetTimer *t, bool set)
{
    Hpet *s = t->hpet;
    uint64_t bit = BIT64(t->n);
    bool replaces = legacy(s) && t->n < 2;
    unsigned route = replaces ? (t->n == 0 ? LEGACY_IRQ0 : LEGACY_IRQ8) : (t->config & TN_ROUTE) >> TN_ROUTE_SHIFT;
    if (!set || !(t->config & TN_ENABLE) || !enabled(s)) {
        s->isr &= ~bit;
        if (!(t->config & TN_FSB_ENABLE))
            line_set(s, route, 0);
    } else if (t->config & TN_FSB_ENABLE) {
        as_store(&as_memory, t->fsb >> 32, 4, (uint32_t)t->fsb, NULL);
    } else if (t->config & TN_LEVEL) {
        s->isr |= bit;
        line_set(s, route, 1);
    } else {
        s->isr &= ~bit;
        line_set(s, route, 1);
        line_set(s, route, 0);
    }
}

/* Ticks from cur to the comparator; 0: it is reached, or in the past. */
static uint64_t ticks_to_match(const HpetTimer *t, uint64_t cur)
{
    if (t->config & TN_32BIT) {
        int32_t d = (uint32_t)t->cmp - (uint32_t)cur;
        return d > 0 ? d : 0;
    }
    int64_t d = t->cmp - cur;
    return d > 0 ? d : 0;
}

static void arm(HpetTimer *t, int64_t now, uint64_t ticks)
{
    /* Beyond some hundred years: never. */
    if (ticks > MAX_TICKS) {
        timer_stop(&t->timer);
        return;
    }
    /* The counter's tick begins where the clock and the offset make a multiple of 10 ns. */
    int64_t into_tick = ((uint64_t)now + t->hpet->offset) % TICK_NS;
    timer_arm_at(&t->timer, now + (int64_t)ticks * TICK_NS - (ticks ? into_tick : 0));
}

static void start_timer(HpetTimer *t)
{
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    uint64_t cur = ticks_at(t->hpet, now), ticks = ticks_to_match(t, cur);
    t->wrap_flag = 0;
    /* Section 2.3.9.2.1: a 32-bit one-shot timer also interrupts when the counter's low half wraps. */
    if ((t->config & TN_32BIT) && !(t->config & TN_PERIODIC)) {
        uint32_t to_wrap = -(uint32_t)cur;
        if (to_wrap && to_wrap < ticks) {
            ticks = to_wrap;
            t->wrap_flag = 1;
        }
    }
    arm(t, now, ticks);
}

static void hpet_expired(void *opaque)
{
    HpetTimer *t = opaque;
    int64_t now = clock_ns(CLOCK_VIRTUAL);
    uint64_t cur = ticks_at(t->hpet, now);
    if ((t->config & TN_PERIODIC) && t->period) {
        bool late = now > t->timer.expires;
        uint64_t behind = t->config & TN_32BIT ? (uint32_t)((uint32_t)cur - (uint32_t)t->cmp) : cur - t->cmp;
        if (!ticks_to_match(t, cur)) /* on to the first match that is still to come */
            t->cmp += (behind / t->period + 1) * t->period;
        if (t->config & TN_32BIT)
            t->cmp = (uint32_t)t->cmp;
        arm(t, now, ticks_to_match(t, cur));
        if (late && t->period < SHORTEST_NS / TICK_NS && timer_armed(&t->timer))
            timer_arm_at(&t->timer, MAX(t->timer.expires, now + SHORTEST_NS / 4));
    } else if (t->wrap_flag) {
        t->wrap_flag = 0;
        arm(t, now, ticks_to_match(t, cur));
    }
    timer_irq(t, true);
}

static void set_config(Hpet *s, uint64_t val)
{
    uint64_t old = s->config, new = (old & ~(uint64_t)CFG_WRITABLE) | (val & CFG_WRITABLE);
    if (!(old & CFG_ENABLE) && (new &CFG_ENABLE)) {
        s->config = new;
        s->offset = s->counter * TICK_NS - (uint64_t)clock_ns(CLOCK_VIRTUAL);
        for (unsigned n = 0; n < s->n_timers; n++) {
            HpetTimer *t = &s->timer[n];
            if ((t->config & TN_ENABLE) && t->cmp != UINT64_MAX)
                start_timer(t);
            if (s->isr & BIT64(n)) /* a level-triggered interrupt that was waiting */
                timer_irq(t, true);
        }
    } else if ((old & CFG_ENABLE) && !(new &CFG_ENABLE)) {
        s->counter = counter_now(s);
        for (unsigned n = 0; n < s->n_timers; n++)
            timer_stop(&s->timer[n].timer);
    }
    if (!(old & CFG_LEGACY) && (new &CFG_LEGACY)) {
        if (s->pit)
            pit_set_irq_enabled(s->pit, false);
        line_set(s, LEGACY_IRQ0, 0);
        line_set(s, LEGACY_IRQ8, 0);
    } else if ((old & CFG_LEGACY) && !(new &CFG_LEGACY)) {
        line_set(s, LEGACY_IRQ0, 0);
        s->config = new;
        if (s->pit)
            pit_set_irq_enabled(s->pit, true);
        line_set(s, LEGACY_IRQ8, s->rtc_irq_level);
    }
    s->config = new;
}

static uint64_t merge(uint64_t old, uint32_t val, bool high)
{
    return high ? (old & UINT32_MAX) | (uint64_t)val << 32 : (old & ~(uint64_t)UINT32_MAX) | val;
}

static void write_timer(HpetTimer *t, unsigned reg, uint32_t val, bool high)
{
    Hpet *s = t->hpet;
    switch (reg) {
    case TN_CFG: {
        if (high)
            break;
        uint32_t old = t->config, writable = TN_WRITABLE;
        if (!(old & TN_FSB_ENABLE) && (val & writable & TN_FSB_ENABLE))
            timer_irq(t, false);
        if ((s->isr & BIT64(t->n)) && (old & TN_LEVEL) && !(val & TN_LEVEL))
            timer_irq(t, false);
        t->config = (t->config & ~(uint64_t)writable) | (val & writable);
        if (t->config & TN_32BIT) {
            t->cmp = (uint32_t)t->cmp;
            t->period &= INT32_MAX; /* less than half the counter's range, as below */
        }
        if (!(old & TN_ENABLE) && (val & TN_ENABLE) && enabled(s))
            start_timer(t);
        else if ((old & TN_ENABLE) && !(val & TN_ENABLE))
            timer_stop(&t->timer);
        break;
    }
    case TN_CMP:
        if (!(t->config & TN_PERIODIC) || (t->config & TN_SETVAL))
            t->cmp = merge(t->cmp, val, high);
        if ((t->config & TN_PERIODIC) &&
            !(high && (t->config & TN_32BIT))) /* a period is less than half the counter's range */
            t->period = merge(t->period, high || (t->config & TN_32BIT) ? val & INT32_MAX : val, high);
        t->config &= ~(uint64_t)TN_SETVAL;
        if (enabled(s) && (t->config & TN_ENABLE))
            start_timer(t);
        break;
    case TN_FSB:
        t->fsb = merge(t->fsb, val, high);
        break;
    }
}

static void hpet_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Hpet *s = opaque;
    bool high = off & 4;
    off &= ~4ULL;
    if (off >= REG_TIMERS) {
        unsigned n = (off - REG_TIMERS) / 0x20;
        if (n < s->n_timers)
            write_timer(&s->timer[n], off & 0x1f, val, high);
        return;
    }
    switch (off) {
    case REG_CFG:
        if (!high)
            set_config(s, val);
        break;
    case REG_STATUS:
        for (unsigned n = 0; !high && n < s->n_timers; n++)
            if (val & s->isr & BIT64(n))
                timer_irq(&s->timer[n], false);
        break;
    case REG_COUNTER:
        if (enabled(s))
            guest_error(&s->dev, "main counter written while it runs");
        s->counter = merge(s->counter, val, high);
        break;
    }
}

static uint64_t capabilities(const Hpet *s)
{
    return (uint64_t)HPET_CLK_PERIOD_FS << 32 | 0x8086a001 | (s->n_timers - 1) << 8;
}

static uint64_t hpet_read(void *opaque, uint64_t off, unsigned size)
{
    Hpet *s = opaque;
    unsigned shift = off & 4 ? 32 : 0;
    uint64_t val = 0;
    off &= ~4ULL;
    if (off >= REG_TIMERS) {
        unsigned n = (off - REG_TIMERS) / 0x20;
        if (n >= s->n_timers)
            return 0;
        const HpetTimer *t = &s->timer[n];
        switch (off & 0x1f) {
        case TN_CFG:
            val = t->config;
            break;
        case TN_CMP:
            val = t->cmp;
            break;
        case TN_FSB:
            val = t->fsb;
            break;
        }
        return (uint32_t)(val >> shift);
    }
    switch (off) {
    case REG_CAP:
        val = capabilities(s);
        break;
    case REG_CFG:
        val = s->config;
        break;
    case REG_STATUS:
        val = s->isr;
        break;
    case REG_COUNTER:
        val = counter_now(s);
        break;
    }
    return (uint32_t)(val >> shift);
}

static const IoOps hpet_io = {hpet_read,    hpet_write,           .min = 4, .max = 4, .bus_min = 4,
                              .bus_max = 8, .aligned_only = false};

static void hpet_input(void *opaque, unsigned n, int level)
{
    Hpet *s = opaque;
    if (n == HPET_IN_RTC)
        s->rtc_irq_level = !!level;
    if (!legacy(s))
        line_set(s, n == HPET_IN_PIT ? LEGACY_IRQ0 : LEGACY_IRQ8, level);
}

static void hpet_reset(Device *dev)
{
    Hpet *s = HPET(dev);
    for (unsigned n = 0; n < s->n_timers; n++) {
        HpetTimer *t = &s->timer[n];
        timer_stop(&t->timer);
        t->n = n; /* a stream that was refused says what it likes */
        if (s->isr & BIT64(n))
            timer_irq(t, false);
        t->cmp = UINT64_MAX;
        t->config = TN_PERIODIC_CAP | TN_SIZE_CAP | (s->msi ? TN_FSB_CAP : 0) | (uint64_t)s->intcap << 32;
        t->fsb = t->period = 0;
        t->wrap_flag = 0;
    }
    if (legacy(s) && s->pit)
        pit_set_irq_enabled(s->pit, true);
    s->config = s->isr = s->counter = s->offset = 0;
    s->rtc_irq_level = 0;
    s->num_timers = s->n_timers;
}

static bool hpet_realize(Device *dev, Error **errp)
{
    Hpet *s = HPET(dev);
    if (!s->intcap)
        return error_set(errp, "hpet: hpet-intcap must name at least one I/O APIC input; the pc machine's is 0x4");
    s->num_timers = CLAMP(s->num_timers, MIN_TIMERS, MAX_TIMERS);
    s->n_timers = s->num_timers;
    for (unsigned n = 0; n < s->n_timers; n++) {
        s->timer[n].hpet = s;
        s->timer[n].n = n;
        timer_init(&s->timer[n].timer, hpet_expired, &s->timer[n]);
    }
    device_inputs(dev, hpet_input, 2);
    device_outputs(dev, "sysbus-irq", s->gsi, ARRAY_SIZE(s->gsi));
    region_init_io(&s->io, dev, &hpet_io, s, "hpet", REGISTERS);
    return true;
}

static bool hpet_pre_save(Device *dev, Error **errp)
{
    Hpet *s = HPET(dev);
    s->counter = counter_now(s);
    return true;
}

static bool hpet_post_load(Device *dev, Error **errp)
{
    Hpet *s = HPET(dev);
    if (s->num_timers != s->n_timers)
        return error_set(errp, "the stream's HPET has %u timers, this one %u", s->num_timers, s->n_timers);
    for (unsigned n = 0; n < s->n_timers; n++)
        if (s->timer[n].n != n)
            return error_set(errp, "HPET timer %u calls itself %u", n, s->timer[n].n);
    for (unsigned n = 0; n < s->n_timers; n++)
        s->timer[n].period &= s->timer[n].config & TN_32BIT ? INT32_MAX : INT64_MAX;
    s->config &= CFG_WRITABLE;
    if (!s->offset_saved) /* the counter goes on from what it showed */
        s->offset = s->counter * TICK_NS - (uint64_t)clock_ns(CLOCK_VIRTUAL);
    return true;
}

static const VmState hpet_timer_vmstate = {
    .name = "hpet_timer",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U8(HpetTimer, n),
                                VM_U64(HpetTimer, config),
                                VM_U64(HpetTimer, cmp),
                                VM_U64(HpetTimer, fsb),
                                VM_U64(HpetTimer, period),
                                VM_U8(HpetTimer, wrap_flag),
                                VM_TIMER(HpetTimer, timer),
                                {}},
};

static bool rtc_level_needed(void *opaque)
{
    return ((Hpet *)opaque)->rtc_irq_level != 0;
}
static const VmState hpet_rtc_level_vmstate = {
    .name = "hpet/rtc_irq_level",
    .version = 1,
    .min_version = 1,
    .needed = rtc_level_needed,
    .fields = (const VmField[]){VM_U8(Hpet, rtc_irq_level), {}},
};
static bool offset_needed(void *opaque)
{
    const Hpet *s = opaque;
    return enabled(s) && s->offset_saved;
}
static const VmState hpet_offset_vmstate = {
    .name = "hpet/offset",
    .version = 1,
    .min_version = 1,
    .needed = offset_needed,
    .fields = (const VmField[]){VM_U64(Hpet, offset), {}},
};

static const VmState hpet_vmstate = {
    .version = 2,
    .min_version = 2,
    .pre_save = hpet_pre_save,
    .post_load = hpet_post_load,
    .fields = (const VmField[]){VM_U64(Hpet, config),
                                VM_U64(Hpet, isr),
                                VM_U64(Hpet, counter),
                                VM_U8(Hpet, num_timers),
                                {.name = "timer",
                                 .kind = VM_VSTRUCT,
                                 .offset = offsetof(Hpet, timer),
                                 .size = sizeof(HpetTimer),
                                 .num = MAX_TIMERS,
                                 .count_offset = offsetof(Hpet, n_timers),
                                 .vmsd = &hpet_timer_vmstate},
                                {}},
    .subsections = (const VmState *const[]){&hpet_rtc_level_vmstate, &hpet_offset_vmstate, NULL},
};

static const Prop hpet_props[] = {
    PROP_U8("timers", Hpet, num_timers, MIN_TIMERS, "number of comparators, 3 to 32"),
    PROP_BOOL("msi", Hpet, msi, false, "timers can interrupt by messages"),
    PROP_U32("hpet-intcap", Hpet, intcap, 0, "I/O APIC inputs that timers can use, a bit each"),
    PROP_BOOL("hpet-offset-saved", Hpet, offset_saved, true, "the counter's offset is migrated"),
    {},
};

const DeviceDesc hpet = {
    .name = "hpet",
    .summary = "high precision event timer",
    .bus = BUS_SYSTEM,
    .category = DEV_MISC,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(Hpet),
    .props = hpet_props,
    .vmstate = &hpet_vmstate,
    .realize = hpet_realize,
    .reset = hpet_reset,
};

Device *hpet_create(uint32_t intcap, Irq *const lines[24], Error **errp)
{
    Device *dev = device_new(&hpet);
    if (!HPET(dev)->intcap) /* -global hpet.hpet-intcap wins */
        HPET(dev)->intcap = intcap;
    memcpy(HPET(dev)->gsi, lines, 24 * sizeof(*lines));
    if (!device_realize(dev, NULL, errp))
        return NULL;
    region_add(&system_memory, HPET_BASE, &HPET(dev)->io);
    the_hpet = HPET(dev);
    return dev;
}

void hpet_attach_pit(Device *pit)
{
    if (the_hpet)
        the_hpet->pit = pit;
}

uint32_t hpet_block_id(const Device *dev)
{
    return dev ? (uint32_t)capabilities(container_of(dev, const Hpet, dev)) : 0;
}
