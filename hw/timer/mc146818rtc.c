/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MC146818A real-time clock with 128 bytes of CMOS memory (Motorola MC146818A data sheet).
 *
 *   port 70h  w: index, bits 6 to 0; reads all ones    port 71h  rw: the byte at the index
 *   00 seconds  01 its alarm  02 minutes  03 alarm  04 hours  05 alarm  06 day of week  07 day  08 month  09 year
 *   0a A: UIP, divider, rate   0b B: SET PIE AIE UIE SQWE DM 24/12 DSE   0c C: IRQF PF AF UF, cleared by reading
 *   0d D: VRT   32 century, also at 37   the rest is memory
 *
 * The date is not stepped: it follows from base_rtc (s since 1970) at last_update (ns of the clock that -rtc clock=
 * chose) and a fraction in offset. Registers 0 to 9 are brought up to date when they are read; no timer runs that
 * nobody waits for.
 *
 * Differences from the hardware: PF is only set while PIE is (no timer otherwise); no square wave, no daylight saving;
 * the 500 ms after a divider reset are kept, other times within a second are those of the last write of a time
 * register.
 */
#include "hw/timer/mc146818rtc.h"

#include "hw/timer/rtc-clock.h"
#include "softmmu/runstate.h"

enum {
    R_SEC,
    R_SEC_ALARM,
    R_MIN,
    R_MIN_ALARM,
    R_HOUR,
    R_HOUR_ALARM,
    R_WDAY,
    R_MDAY,
    R_MONTH,
    R_YEAR,
    R_A,
    R_B,
    R_C,
    R_D,
    R_SHUTDOWN = 0x0f, /* the PC's: what the firmware does after a reset */
    R_CENTURY = 0x32,
    R_PS2_CENTURY = 0x37,
};
enum { A_UIP = 0x80, A_DIV = 0x70, A_DIV_RESET = 0x60, A_DIV_32K = 0x20, A_RATE = 0x0f };
enum { B_SET = 0x80, B_PIE = 0x40, B_AIE = 0x20, B_UIE = 0x10, B_DM = 0x04, B_24H = 0x02 };
enum { C_IRQF = 0x80, C_PF = 0x40, C_AF = 0x20, C_UF = 0x10 };
enum { D_VRT = 0x80 };
enum { SHUTDOWN_S3 = 0xfe };

#define RTC_HZ              32768
#define UIP_NS              (8 * NS_PER_SEC / RTC_HZ) /* UIP is seen this long before an update */
#define DAY_SEC             86400
#define REINJECT_MAX        20 /* lost ticks given back at once, each at the read of C */
#define PERIOD_MIN_CATCH_UP 8  /* later ones at this fraction of the period */

typedef struct Rtc {
    IsaDevice isa;
    /* config */
    int32_t base_year;
    uint16_t iobase;
    uint8_t irqno;
    int lost_tick_policy;
    /* wiring */
    IoRegion io;
    Irq *irq;
    ClockType clock;
    Timer coalesced_timer; /* gives a lost tick back; follows from irq_coalesced */
    /* state */
    uint8_t cmos[128];
    uint8_t index;
    Timer periodic_timer;
    int64_t next_periodic_time;
    uint32_t irq_coalesced; /* lost ticks */
    uint32_t period;        /* in 32768 Hz clocks, 0: none */
    uint64_t base_rtc, last_update;
    int64_t offset;
    Timer update_timer;
    uint64_t next_alarm_time;
    uint16_t irq_reinject_on_ack_count;
} Rtc;
#define RTC(d) container_of(d, Rtc, isa.dev)

Device *rtc_device;

/* ---- the date ---- */

static bool running(const Rtc *s)
{
    return !(s->cmos[R_B] & B_SET) && (s->cmos[R_A] & A_DIV) <= A_DIV_32K;
}

/* The date in ns since 1970; wraps around after 292 years. */
static int64_t date_ns(const Rtc *s)
{
    return s->base_rtc * NS_PER_SEC + (uint64_t)clock_ns(s->clock) - s->last_update + (uint64_t)s->offset;
}

/* ns since the last update cycle. */
static int64_t phase(const Rtc *s)
{
    return ((uint64_t)clock_ns(s->clock) - s->last_update + (uint64_t)s->offset) % NS_PER_SEC;
}

static int from_register(const Rtc *s, uint8_t v)
{
    if ((v & 0xc0) == 0xc0) /* "do not care" of the alarms; no number of a date */
        return -1;
    return s->cmos[R_B] & B_DM ? v : (v >> 4) * 10 + (v & 15);
}
static uint8_t to_register(const Rtc *s, int v)
{
    return s->cmos[R_B] & B_DM ? v : v / 10 * 16 + v % 10;
}

static int hour_from_register(const Rtc *s, uint8_t v)
{
    int h = from_register(s, v & 0x7f);
    if (s->cmos[R_B] & B_24H)
        return h;
    return h % 12 + (v & 0x80 ? 12 : 0);
}

/* Days since 1970 of a date in the proleptic Gregorian calendar; months beyond the year carry, as days do. */
static int64_t days_of(int64_t year, int month, int64_t day)
{
    if (month < 3) {
        month += 12;
        year--;
    }
    return day + (153 * month - 457) / 5 + 365 * year + year / 4 - year / 100 + year / 400 - 719469;
}

/* The date that the registers show; what is out of range carries into the next larger unit. */
static int64_t date_of_registers(const Rtc *s)
{
    int64_t year = from_register(s, s->cmos[R_YEAR]) + s->base_year + from_register(s, s->cmos[R_CENTURY]) * 100;
    int64_t days = days_of(year, from_register(s, s->cmos[R_MONTH]), from_register(s, s->cmos[R_MDAY]));
    return days * DAY_SEC + hour_from_register(s, s->cmos[R_HOUR]) * 3600 + from_register(s, s->cmos[R_MIN]) * 60 +
           from_register(s, s->cmos[R_SEC]);
}

static void show_date(Rtc *s, const struct tm *tm)
{
    int hour = tm->tm_hour, year = tm->tm_year + 1900 - s->base_year;
    s->cmos[R_SEC] = to_register(s, tm->tm_sec);
    s->cmos[R_MIN] = to_register(s, tm->tm_min);
    if (s->cmos[R_B] & B_24H) {
        s->cmos[R_HOUR] = to_register(s, hour);
    } else {
        s->cmos[R_HOUR] = to_register(s, hour % 12 ? hour % 12 : 12);
        if (hour >= 12)
            s->cmos[R_HOUR] |= 0x80;
    }
    s->cmos[R_WDAY] = to_register(s, tm->tm_wday + 1);
    s->cmos[R_MDAY] = to_register(s, tm->tm_mday);
    s->cmos[R_MONTH] = to_register(s, tm->tm_mon + 1);
    s->cmos[R_YEAR] = to_register(s, year % 100);
    s->cmos[R_CENTURY] = to_register(s, year / 100);
}

static void date_to_tm(int64_t sec, struct tm *tm)
{
    time_t t = sec;
    if (!gmtime_r(&t, tm))
        *tm = (struct tm){.tm_mday = 1, .tm_year = 70};
}

static void update_registers(Rtc *s)
{
    struct tm tm;
    date_to_tm(date_ns(s) / NS_PER_SEC, &tm);
    show_date(s, &tm);
}

/* The registers become the date; the second goes on where the divider is. */
static void take_registers(Rtc *s)
{
    s->offset = phase(s);
    int64_t sec = date_of_registers(s);
    s->base_rtc = sec;
    s->last_update = clock_ns(s->clock);
    rtc_changed(DEVICE(&s->isa), sec);
}

/* ---- timers and interrupts ---- */

static void raise_flags(Rtc *s, uint8_t flags)
{
    s->cmos[R_C] |= flags;
    if (s->cmos[R_C] & s->cmos[R_B] & (B_PIE | B_AIE | B_UIE)) {
        s->cmos[R_C] |= C_IRQF;
        irq_raise(s->irq);
    }
}

/* ns of the clock at which the next update cycle ends. */
static int64_t next_update(const Rtc *s)
{
    return clock_ns(s->clock) + NS_PER_SEC - phase(s);
}

/* An alarm register's number, -1: "do not care". */
static int alarm_of(const Rtc *s, unsigned reg)
{
    uint8_t v = s->cmos[reg];
    return reg == R_HOUR_ALARM && (v & 0xc0) != 0xc0 ? hour_from_register(s, v) : from_register(s, v);
}
static bool alarm_field(int alarm, int now)
{
    return alarm < 0 || alarm == now;
}

/* Seconds from now to the next match of the alarm, 1 to 86400; 0: it never matches. */
static int64_t seconds_to_alarm(const Rtc *s)
{
    int a_sec = alarm_of(s, R_SEC_ALARM), a_min = alarm_of(s, R_MIN_ALARM), a_hour = alarm_of(s, R_HOUR_ALARM);
    if (a_sec > 59 || a_min > 59 || a_hour > 23)
        return 0;
    int start = (date_ns(s) / NS_PER_SEC % DAY_SEC + DAY_SEC) % DAY_SEC;
    for (int hour = start / 3600, h = 0; h <= 24; h++, hour = (hour + 1) % 24) {
        if (!alarm_field(a_hour, hour))
            continue;
        for (int min = 0; min < 60; min++) {
            if (!alarm_field(a_min, min))
                continue;
            for (int sec = 0; sec < 60; sec++) {
                int ahead = (start / 3600 + h) * 3600 + min * 60 + sec - start;
                if (ahead > 0 && alarm_field(a_sec, sec))
                    return ahead;
            }
        }
    }
    return 0;
}

/* Arm the timer for the next update that changes something: UF is clear, or an alarm is waited for. */
static void check_update_timer(Rtc *s)
{
    if (!running(s) || ((s->cmos[R_C] & C_UF) && ((s->cmos[R_C] & C_AF) || !(s->cmos[R_B] & B_AIE)))) {
        timer_stop(&s->update_timer);
        return;
    }
    int64_t next = next_update(s), ahead = seconds_to_alarm(s);
    s->next_alarm_time = ahead ? (uint64_t)(next + (ahead - 1) * NS_PER_SEC) : UINT64_MAX;
    if (s->cmos[R_C] & C_UF) {
        if (!ahead) {
            timer_stop(&s->update_timer);
            return;
        }
        next = s->next_alarm_time;
    }
    if (!timer_armed(&s->update_timer) || s->update_timer.expires != next)
        timer_arm_at(&s->update_timer, next);
}

static void update_ended(void *opaque)
{
    Rtc *s = opaque;
    uint8_t flags = C_UF;
    if ((uint64_t)clock_ns(s->clock) >= s->next_alarm_time) {
        flags |= C_AF;
        if ((s->cmos[R_B] & B_AIE) && runstate() == RUN_SUSPENDED)
            system_wakeup_request(NULL);
    }
    raise_flags(s, flags);
    check_update_timer(s);
}

static uint32_t period_clocks(const Rtc *s)
{
    unsigned rate = s->cmos[R_A] & A_RATE;
    if (!rate || !(s->cmos[R_B] & B_PIE))
        return 0;
    return BIT32((rate <= 2 ? rate + 7 : rate) - 1);
}

static void arm_coalesced(Rtc *s)
{
    if (s->irq_coalesced && s->period)
        timer_arm_ns(&s->coalesced_timer, muldiv64(s->period, NS_PER_SEC, RTC_HZ * (uint64_t)PERIOD_MIN_CATCH_UP));
    else
        timer_stop(&s->coalesced_timer);
}

/* Give a lost tick back, if the guest has taken the one before. */
static void coalesced_expired(void *opaque)
{
    Rtc *s = opaque;
    if (s->irq_coalesced && !(s->cmos[R_C] & C_PF)) {
        s->irq_coalesced--;
        raise_flags(s, C_PF);
    }
    arm_coalesced(s);
}

/* The first multiple of the period after now, counted from the epoch of the 32 kHz clock, that the divider keeps
 * through all changes of the rate. */
static void arm_periodic(Rtc *s, int64_t now)
{
    s->period = period_clocks(s);
    if (!s->period) {
        timer_stop(&s->periodic_timer);
        s->irq_coalesced = 0;
        arm_coalesced(s);
        return;
    }
    uint64_t clocks = muldiv64(now, RTC_HZ, NS_PER_SEC);
    uint64_t next = (clocks & ~(uint64_t)(s->period - 1)) + s->period;
    s->next_periodic_time = muldiv64(next, NS_PER_SEC, RTC_HZ) + 1;
    timer_arm_at(&s->periodic_timer, s->next_periodic_time);
}

static void periodic_expired(void *opaque)
{
    Rtc *s = opaque;
    bool lost = s->cmos[R_C] & C_PF;
    int64_t now = clock_ns(s->clock);
    if (s->lost_tick_policy == RTC_TICK_SLEW && s->period) {
        int64_t missed = now > s->next_periodic_time
                             ? (int64_t)muldiv64(now - s->next_periodic_time, RTC_HZ, NS_PER_SEC) / s->period
                             : 0;
        s->irq_coalesced = MIN((uint64_t)s->irq_coalesced + missed + lost, RTC_HZ);
        if (!timer_armed(&s->coalesced_timer))
            arm_coalesced(s);
    }
    arm_periodic(s, MAX(now, s->next_periodic_time));
    raise_flags(s, C_PF);
}

void rtc_reset_reinjection(void)
{
    if (rtc_device) {
        RTC(rtc_device)->irq_coalesced = 0;
        arm_coalesced(RTC(rtc_device));
    }
}

/* ---- registers ---- */

static void write_a(Rtc *s, uint8_t val)
{
    uint8_t old = s->cmos[R_A];
    bool was_reset = (old & A_DIV_RESET) == A_DIV_RESET, reset = (val & A_DIV_RESET) == A_DIV_RESET;
    if (reset && !was_reset) { /* the date stands still from here */
        if (running(s))
            update_registers(s);
        s->cmos[R_A] &= ~A_UIP;
    }
    s->cmos[R_A] = (val & ~A_UIP) | (s->cmos[R_A] & A_UIP);
    if (was_reset && !reset) { /* the first update comes half a second later */
        if (!(s->cmos[R_B] & B_SET)) {
            take_registers(s);
            s->offset = NS_PER_SEC / 2;
        }
    }
    if ((old ^ val) & A_RATE || !s->period)
        arm_periodic(s, clock_ns(s->clock));
    check_update_timer(s);
}

static void write_b(Rtc *s, uint8_t val)
{
    uint8_t old = s->cmos[R_B];
    if (val & B_SET) {
        if (running(s))
            update_registers(s);
        s->cmos[R_A] &= ~A_UIP;
        val &= ~B_UIE;
    } else if ((old & B_SET) && (s->cmos[R_A] & A_DIV_RESET) != A_DIV_RESET) {
        take_registers(s); /* they are in the format that they were written in */
    }
    s->cmos[R_B] = val;
    /* A flag that is set interrupts as soon as it may. */
    if (s->cmos[R_C] & val & (B_PIE | B_AIE | B_UIE)) {
        s->cmos[R_C] |= C_IRQF;
        irq_raise(s->irq);
    } else {
        s->cmos[R_C] &= ~C_IRQF;
        irq_lower(s->irq);
    }
    if ((old ^ val) & B_PIE)
        arm_periodic(s, clock_ns(s->clock));
    check_update_timer(s);
}

static void write_register(Rtc *s, uint8_t idx, uint8_t val)
{
    if (idx == R_PS2_CENTURY)
        idx = R_CENTURY;
    switch (idx) {
    case R_SEC_ALARM:
    case R_MIN_ALARM:
    case R_HOUR_ALARM:
        s->cmos[idx] = val;
        check_update_timer(s);
        break;
    case R_CENTURY:
    case R_SEC:
    case R_MIN:
    case R_HOUR:
    case R_WDAY:
    case R_MDAY:
    case R_MONTH:
    case R_YEAR:
        if (running(s))
            update_registers(s);
        s->cmos[idx] = val;
        if (running(s)) {
            take_registers(s);
            check_update_timer(s);
        }
        break;
    case R_A:
        write_a(s, val);
        break;
    case R_B:
        write_b(s, val);
        break;
    case R_C:
    case R_D:
        break;
    default:
        s->cmos[idx] = val;
    }
}

static uint8_t read_c(Rtc *s)
{
    uint8_t val = s->cmos[R_C];
    irq_lower(s->irq);
    s->cmos[R_C] = 0;
    if (val & (C_UF | C_AF))
        check_update_timer(s);
    if (s->irq_coalesced && (s->cmos[R_B] & B_PIE) && s->irq_reinject_on_ack_count < REINJECT_MAX) {
        s->irq_reinject_on_ack_count++;
        s->irq_coalesced--;
        raise_flags(s, C_PF);
    } else if (!s->irq_coalesced) {
        s->irq_reinject_on_ack_count = 0;
    }
    return val;
}

static uint8_t read_register(Rtc *s, uint8_t idx)
{
    if (idx == R_PS2_CENTURY)
        idx = R_CENTURY;
    switch (idx) {
    case R_CENTURY:
    case R_SEC:
    case R_MIN:
    case R_HOUR:
    case R_WDAY:
    case R_MDAY:
    case R_MONTH:
    case R_YEAR:
        if (running(s))
            update_registers(s);
        return s->cmos[idx];
    case R_A:
        s->cmos[R_A] &= ~A_UIP;
        if (running(s) && phase(s) >= NS_PER_SEC - UIP_NS)
            s->cmos[R_A] |= A_UIP;
        return s->cmos[R_A];
    case R_C:
        return read_c(s);
    default:
        return s->cmos[idx];
    }
}

static uint64_t rtc_read(void *opaque, uint64_t off, unsigned size)
{
    Rtc *s = opaque;
    return off & 1 ? read_register(s, s->index) : 0xff;
}

static void rtc_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Rtc *s = opaque;
    if (off & 1)
        write_register(s, s->index, val);
    else
        s->index = val & 0x7f;
}

static const IoOps rtc_io = {rtc_read, rtc_write, .min = 1, .max = 1};

void rtc_set_cmos(Device *rtc, unsigned idx, uint8_t val)
{
    if (idx < ARRAY_SIZE(RTC(rtc)->cmos))
        RTC(rtc)->cmos[idx] = val;
}
uint8_t rtc_get_cmos(Device *rtc, unsigned idx)
{
    return idx < ARRAY_SIZE(RTC(rtc)->cmos) ? RTC(rtc)->cmos[idx] : 0;
}
void rtc_get_date(Device *rtc, struct tm *out)
{
    Rtc *s = RTC(rtc);
    date_to_tm(running(s) ? (int64_t)(date_ns(s) / NS_PER_SEC) : date_of_registers(s), out);
}

/* ---- life ---- */

/* The date and the memory survive, interrupts do not. */
static void rtc_reset(Device *dev)
{
    Rtc *s = RTC(dev);
    s->index &= 0x7f;
    s->cmos[R_B] &= ~(B_PIE | B_AIE | 0x08);
    s->cmos[R_C] = 0;
    s->irq_coalesced = 0;
    s->irq_reinject_on_ack_count = 0;
    s->next_periodic_time = 0; /* where no period is set nothing else replaces what a bad stream has left */
    irq_lower(s->irq);
    arm_periodic(s, clock_ns(s->clock));
    check_update_timer(s);
}

/* The firmware shall resume, not boot. */
static void suspended(void *opaque)
{
    if (rtc_device)
        RTC(rtc_device)->cmos[R_SHUTDOWN] = SHUTDOWN_S3;
}

static bool rtc_realize(Device *dev, Error **errp)
{
    Rtc *s = RTC(dev);
    if (s->iobase > 0xfffe)
        return error_set(errp, "mc146818rtc: iobase=0x%x leaves no room for two ports", s->iobase);
    if (!s->irq && !(s->irq = isa_irq(&s->isa, s->irqno, errp)))
        return false;
    device_outputs(dev, "", &s->irq, 1);
    if (s->base_year == 2000) /* the century register says it */
        s->base_year = 0;
    s->clock = rtc_clock();
    s->cmos[R_A] = 0x26;
    s->cmos[R_B] = B_24H;
    s->cmos[R_D] = D_VRT;
    timer_init_clock(&s->periodic_timer, s->clock, periodic_expired, s);
    timer_init_clock(&s->update_timer, s->clock, update_ended, s);
    timer_init_clock(&s->coalesced_timer, s->clock, coalesced_expired, s);
    struct tm tm;
    date_to_tm(rtc_start_date(), &tm);
    show_date(s, &tm);
    s->base_rtc = rtc_start_date();
    s->last_update = clock_ns(s->clock);
    check_update_timer(s);
    if (!isa_map_io(&s->isa, &s->io, &rtc_io, s, s->iobase, 2, errp))
        return false;
    if (!rtc_device)
        rtc_device = dev;
    static bool registered;
    if (!registered)
        suspend_register(suspended, NULL);
    registered = true;
    return true;
}

static void rtc_unrealize(Device *dev)
{
    if (rtc_device == dev)
        rtc_device = NULL;
}

static bool rtc_post_load(Device *dev, Error **errp)
{
    Rtc *s = RTC(dev);
    if (s->index > 0x7f || s->period > BIT32(14) || s->irq_coalesced > RTC_HZ || s->next_periodic_time < 0)
        return error_set(errp, "impossible state of the RTC: index 0x%02x, period %u, %u lost ticks", s->index,
                         s->period, s->irq_coalesced);
    if (s->clock != CLOCK_VIRTUAL) { /* the host's clock here is another: the guest's date goes on from the registers */
        s->base_rtc = date_of_registers(s);
        s->last_update = clock_ns(s->clock);
        s->offset = 0;
        arm_periodic(s, clock_ns(s->clock));
        check_update_timer(s);
    }
    arm_coalesced(s);
    irq_set(s->irq, s->cmos[R_C] & C_IRQF); /* the bus's OR of the line is made of its sources */
    return true;
}

static bool rtc_pre_save(Device *dev, Error **errp)
{
    Rtc *s = RTC(dev);
    if (running(s))
        update_registers(s);
    return true;
}

static bool reinject_needed(void *opaque)
{
    return ((Rtc *)opaque)->irq_reinject_on_ack_count != 0;
}
static const VmState rtc_reinject_vmstate = {
    .name = "mc146818rtc/irq_reinject_on_ack_count",
    .version = 1,
    .min_version = 1,
    .needed = reinject_needed,
    .fields = (const VmField[]){VM_U16(Rtc, irq_reinject_on_ack_count), {}},
};

static const VmState rtc_vmstate = {
    .version = 3,
    .min_version = 3,
    .pre_save = rtc_pre_save,
    .post_load = rtc_post_load,
    .fields = (const VmField[]){VM_BUFFER(Rtc, cmos),
                                VM_U8(Rtc, index),
                                VM_SKIP(7 * 4),
                                VM_TIMER(Rtc, periodic_timer),
                                VM_I64(Rtc, next_periodic_time),
                                VM_SKIP(3 * 8),
                                VM_U32(Rtc, irq_coalesced),
                                VM_U32(Rtc, period),
                                VM_U64(Rtc, base_rtc),
                                VM_U64(Rtc, last_update),
                                VM_I64(Rtc, offset),
                                VM_TIMER(Rtc, update_timer),
                                VM_U64(Rtc, next_alarm_time),
                                {}},
    .subsections = (const VmState *const[]){&rtc_reinject_vmstate, NULL},
};

static const char *const lost_tick_policies[] = {"discard", "delay", "slew", NULL};
static const Prop rtc_props[] = {
    PROP_I32("base_year", Rtc, base_year, 1980, "the year that year and century registers count from"),
    PROP_U16("iobase", Rtc, iobase, 0x70, "first of two ports"),
    PROP_U8("irq", Rtc, irqno, 8, "ISA interrupt line"),
    PROP_(prop_enum, "lost_tick_policy", Rtc, lost_tick_policy,
          "what happens to periodic interrupts that the guest did not take in time", .values = lost_tick_policies,
          .def.u = RTC_TICK_DISCARD, .type_name = "LostTickPolicy"),
    {},
};

static void rtc_asl(Device *dev, GString *out)
{
    g_string_append(out,
                    "(device RTC (name _HID (eisa PNP0B00)) (name _CRS (resources (io 1 0x70 0x70 1 8) (irq 8))))");
}

const DeviceDesc mc146818rtc = {
    .name = "mc146818rtc",
    .summary = "real-time clock and CMOS memory",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(Rtc),
    .props = rtc_props,
    .vmstate = &rtc_vmstate,
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .asl = rtc_asl,
};

Device *rtc_create(IsaBus *bus, int32_t base_year, Irq *irq, Error **errp)
{
    Device *dev = device_new(&mc146818rtc);
    RTC(dev)->base_year = base_year;
    RTC(dev)->irq = irq;
    if (rtc_lost_tick_slew())
        RTC(dev)->lost_tick_policy = RTC_TICK_SLEW;
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}
