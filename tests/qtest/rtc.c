/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real-time clock: registers beside Debian's binary, formats, interrupts and their times, -rtc. */
#include "tests/qtest/libqtest.h"

#include <time.h>

enum { SEC, SEC_A, MIN, MIN_A, HOUR, HOUR_A, WDAY, MDAY, MONTH, YEAR, A, B, C, D, CENTURY = 0x32, PS2_CENTURY = 0x37 };
enum {
    UIP = 0x80,
    SET = 0x80,
    PIE = 0x40,
    AIE = 0x20,
    UIE = 0x10,
    DM = 4,
    H24 = 2,
    IRQF = 0x80,
    PF = 0x40,
    AF = 0x20,
    UF = 0x10
};
#define DATE "-rtc base=2020-02-28T23:59:50,clock=vm"

static uint8_t cmos(QTest *q, uint8_t reg)
{
    qtest_outb(q, 0x70, reg);
    return qtest_inb(q, 0x71);
}
static void set(QTest *q, uint8_t reg, uint8_t val)
{
    qtest_outb(q, 0x70, reg);
    qtest_outb(q, 0x71, val);
}

/*
 * What a walk does not do, as QEMU cannot be compared there: leave 1970 to 2262 (the ns since 1970 are unsigned there
 * and the second's fraction becomes what the wrapped number leaves), change between BCD and binary (which does, by the
 * century), or use dividers that the data sheet does not define.
 */
static uint8_t walk_index, walk_dm;
static bool sensible(WalkStep *s, GRand *rand)
{
    if (!s->write)
        return true;
    if (s->addr == 0x70) {
        static const uint8_t likely[] = {SEC,   SEC_A, MIN, MIN_A, HOUR, HOUR_A, WDAY,    MDAY,
                                         MONTH, YEAR,  A,   B,     C,    D,      CENTURY, PS2_CENTURY};
        walk_index = s->val & 0x7f;
        if (g_rand_boolean(rand))
            s->val = walk_index = likely[g_rand_int_range(rand, 0, G_N_ELEMENTS(likely))];
        return true;
    }
    switch (walk_index) {
    case A:
        if ((s->val & 0x60) == 0x40 || (s->val & 0x70) == 0x30)
            s->val &= ~0x50ULL;
        break;
    case B:
        s->val = (s->val & ~(uint64_t)DM) | walk_dm;
        break;
    case YEAR:
        s->val = walk_dm ? s->val % 80 + 20 : (s->val & 0x5f) | 0x20;
        break;
    case CENTURY:
    case PS2_CENTURY:
        s->val = walk_dm ? 20 : 0x20;
        break;
    }
    return true;
}

static void test_walk(gconstpointer dm)
{
    static const WalkRegion regions[] = {{.base = 0x70, .count = 1}, {.base = 0x71, .count = 1, .weight = 2}, {}};
    static const WalkStep binary[] = {{true, false, 0x70, B, 1},       {true, false, 0x71, SET | DM | H24, 1},
                                      {true, false, 0x70, CENTURY, 1}, {true, false, 0x71, 20, 1},
                                      {true, false, 0x70, YEAR, 1},    {true, false, 0x71, 20, 1},
                                      {true, false, 0x70, B, 1},       {true, false, 0x71, DM | H24, 1},
                                      {true, false, 0x70, 0, 1},       {}};
    walk_index = 0;
    walk_dm = GPOINTER_TO_UINT(dm);
    qtest_walk(&(const Walk){.args = "-machine pc -nodefaults " DATE,
                             .regions = regions,
                             .before = walk_dm ? binary : NULL,
                             .filter = sensible,
                             .seed = 146818 + walk_dm});
}

static void put_date(QTest *q, uint8_t format, const uint8_t v[8])
{
    static const uint8_t regs[8] = {CENTURY, YEAR, MONTH, MDAY, WDAY, HOUR, MIN, SEC};
    set(q, B, SET | format);
    for (unsigned i = 0; i < 8; i++)
        set(q, regs[i], v[i]);
    set(q, B, format);
}

/* Formats, without a clock that runs. */
static void test_formats(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -S " DATE);
    g_assert_cmphex(cmos(q, SEC), ==, 0x50);
    g_assert_cmphex(cmos(q, HOUR), ==, 0x23);
    g_assert_cmphex(cmos(q, MDAY), ==, 0x28);
    g_assert_cmphex(cmos(q, WDAY), ==, 6); /* a Friday; Sunday is 1 */
    g_assert_cmphex(cmos(q, CENTURY), ==, 0x20);
    g_assert_cmphex(cmos(q, PS2_CENTURY), ==, 0x20);
    g_assert_cmphex(cmos(q, D), ==, 0x80);
    set(q, B, 0); /* 12 hours, BCD */
    g_assert_cmphex(cmos(q, HOUR), ==, 0x91);
    set(q, B, DM);
    g_assert_cmphex(cmos(q, HOUR), ==, 0x8b);
    set(q, B, DM | H24);
    g_assert_cmphex(cmos(q, HOUR), ==, 23);
    g_assert_cmphex(cmos(q, SEC), ==, 50);
    /* midnight and noon in 12 hours */
    put_date(q, 0, (const uint8_t[]){0x19, 0x99, 0x12, 0x31, 6, 0x12, 0x34, 0x56});
    g_assert_cmphex(cmos(q, HOUR), ==, 0x12);
    set(q, B, H24);
    g_assert_cmphex(cmos(q, HOUR), ==, 0x00);
    g_assert_cmphex(cmos(q, YEAR), ==, 0x99);
    g_assert_cmphex(cmos(q, CENTURY), ==, 0x19);
    put_date(q, 0, (const uint8_t[]){0x20, 0x20, 0x02, 0x29, 7, 0x92, 0x00, 0x00});
    set(q, B, H24);
    g_assert_cmphex(cmos(q, HOUR), ==, 0x12);
    /* memory */
    set(q, 0x40, 0x5a);
    g_assert_cmphex(cmos(q, 0x40), ==, 0x5a);
    g_assert_cmphex(cmos(q, 0xc0), ==, 0x5a); /* bit 7 of the index is the NMI mask */
    qtest_quit(q);
}

static QTest *start(const char *more)
{
    QTest *q = qtest_start("-machine pc -nodefaults %s", more);
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("needs the virtual clock");
        return NULL;
    }
    qtest_irq_intercept_in(q, "ioapic");
    return q;
}

static void test_advance(void)
{
    QTest *q = start(DATE);
    if (!q)
        return;
    qtest_clock_step(q, 10 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, SEC), ==, 0);
    g_assert_cmphex(cmos(q, HOUR), ==, 0);
    g_assert_cmphex(cmos(q, MDAY), ==, 0x29); /* a leap year */
    g_assert_cmphex(cmos(q, WDAY), ==, 7);
    /* SET holds the registers, and the clock goes on from what is written */
    put_date(q, H24, (const uint8_t[]){0x20, 0x99, 0x12, 0x31, 5, 0x23, 0x59, 0x58});
    set(q, B, SET | H24);
    qtest_clock_step(q, 60 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, SEC), ==, 0x58);
    set(q, B, H24);
    qtest_clock_step(q, 3 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, CENTURY), ==, 0x21);
    g_assert_cmphex(cmos(q, YEAR), ==, 0x00);
    g_assert_cmphex(cmos(q, SEC), ==, 0x01);
    qtest_quit(q);
}

static void test_update_ended(void)
{
    QTest *q = start(DATE);
    if (!q)
        return;
    int64_t t0 = qtest_clock_step(q, 0), second = t0 - t0 % NS_PER_SEC + NS_PER_SEC;
    (void)cmos(q, C);
    set(q, B, H24 | UIE);
    qtest_clock_set(q, second - 1);
    g_assert_false(qtest_irq(q, 8));
    g_assert_cmphex(cmos(q, A) & UIP, ==, UIP);
    qtest_clock_set(q, second);
    g_assert_true(qtest_irq(q, 8));
    g_assert_cmphex(cmos(q, A) & UIP, ==, 0);
    g_assert_cmphex(cmos(q, SEC), ==, 0x51);
    g_assert_cmphex(cmos(q, C), ==, IRQF | UF);
    g_assert_false(qtest_irq(q, 8));
    g_assert_cmphex(cmos(q, C), ==, 0);
    /* UIP is seen 244 us before the update, not earlier */
    qtest_clock_set(q, second + NS_PER_SEC - 245 * NS_PER_US);
    g_assert_cmphex(cmos(q, A) & UIP, ==, 0);
    qtest_clock_set(q, second + NS_PER_SEC - 244 * NS_PER_US);
    g_assert_cmphex(cmos(q, A) & UIP, ==, UIP);
    /* the flag is set without UIE, and interrupts once that is set */
    set(q, B, H24);
    qtest_clock_step(q, NS_PER_SEC);
    g_assert_false(qtest_irq(q, 8));
    set(q, B, H24 | UIE);
    g_assert_true(qtest_irq(q, 8));
    /* the divider's reset: the next update is half a second after its end */
    set(q, A, 0x76);
    (void)cmos(q, C);
    qtest_clock_step(q, 5 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, C), ==, 0);
    int64_t t1 = qtest_clock_step(q, 123456);
    set(q, A, 0x26);
    qtest_clock_set(q, t1 + NS_PER_SEC / 2 - 1);
    g_assert_cmphex(cmos(q, C), ==, 0);
    qtest_clock_set(q, t1 + NS_PER_SEC / 2);
    g_assert_cmphex(cmos(q, C), ==, IRQF | UF);
    qtest_quit(q);
}

static void test_alarm(void)
{
    QTest *q = start(DATE);
    if (!q)
        return;
    qtest_outb(q, 0x43, 0x30); /* a day of the PIT's ticks would take its time: one-shot */
    qtest_outb(q, 0x40, 1);
    qtest_outb(q, 0x40, 0);
    (void)cmos(q, C);
    set(q, HOUR_A, 0x00);
    set(q, MIN_A, 0x00);
    set(q, SEC_A, 0x05);
    set(q, B, H24 | AIE);
    qtest_clock_step(q, 14 * NS_PER_SEC + NS_PER_SEC / 2);
    g_assert_false(qtest_irq(q, 8));
    g_assert_cmphex(cmos(q, C) & (IRQF | AF), ==, 0);
    qtest_clock_step(q, NS_PER_SEC);
    g_assert_true(qtest_irq(q, 8));
    g_assert_cmphex(cmos(q, C), ==, IRQF | AF | UF);
    /* "do not care": every minute at second 5; binary and 12 hours too */
    set(q, HOUR_A, 0xff);
    set(q, MIN_A, 0xc0);
    unsigned before = qtest_irq_raises(q, 8);
    for (unsigned i = 1; i <= 3; i++) {
        qtest_clock_step(q, 60 * NS_PER_SEC);
        g_assert_cmpuint(qtest_irq_raises(q, 8), ==, before + i);
        g_assert_cmphex(cmos(q, C) & AF, ==, AF);
    }
    put_date(q, DM | AIE, (const uint8_t[]){20, 20, 2, 29, 7, 0x8b, 59, 58}); /* 11:59:58 PM */
    set(q, HOUR_A, 12);                                                       /* midnight */
    set(q, MIN_A, 0);
    set(q, SEC_A, 0);
    (void)cmos(q, C);
    qtest_clock_step(q, 3 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, C) & AF, ==, AF);
    g_assert_cmphex(cmos(q, HOUR), ==, 12);
    /* and a day later */
    qtest_clock_step(q, 86398 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, C) & AF, ==, 0);
    qtest_clock_step(q, 2 * NS_PER_SEC);
    g_assert_cmphex(cmos(q, C) & AF, ==, AF);
    qtest_quit(q);
}

static void test_periodic(void)
{
    QTest *q = start(DATE);
    if (!q)
        return;
    for (unsigned rate = 1; rate < 16; rate++) {
        int64_t clocks = 1 << ((rate <= 2 ? rate + 7 : rate) - 1);
        set(q, B, H24);
        set(q, A, 0x20 | rate);
        (void)cmos(q, C);
        set(q, B, H24 | PIE);
        unsigned before = qtest_irq_raises(q, 8);
        for (unsigned i = 0; i < 20; i++) {
            qtest_clock_step(q, clocks * NS_PER_SEC / 32768 + 1);
            uint8_t c = cmos(q, C);
            g_assert_cmphex(c & (IRQF | PF), ==, IRQF | PF);
        }
        g_assert_cmpuint(qtest_irq_raises(q, 8) - before, >=, 20);
        g_assert_cmpuint(qtest_irq_raises(q, 8) - before, <=, 21);
    }
    set(q, A, 0x20);
    (void)cmos(q, C);
    qtest_clock_step(q, NS_PER_SEC);
    g_assert_cmphex(cmos(q, C) & PF, ==, 0);
    qtest_quit(q);
}

/* driftfix=slew: a guest that was away gets the ticks it missed, and no more. */
static void test_slew(void)
{
    QTest *q = start(DATE ",driftfix=slew");
    if (!q)
        return;
    set(q, A, 0x2a); /* 64 Hz */
    (void)cmos(q, C);
    set(q, B, H24 | PIE);
    for (unsigned i = 0; i < 10; i++)
        qtest_clock_step(q, NS_PER_SEC / 64 + 1);
    unsigned got = 0;
    for (unsigned i = 0; i < 64 && (cmos(q, C) & PF); i++)
        got++;
    g_assert_cmpuint(got, ==, 10);
    /* forgotten on request */
    for (unsigned i = 0; i < 10; i++)
        qtest_clock_step(q, NS_PER_SEC / 64 + 1);
    json_unref(qtest_qmp(q, "{'execute':'rtc-reset-reinjection'}"));
    g_assert_cmphex(cmos(q, C) & PF, ==, PF);
    g_assert_cmphex(cmos(q, C) & PF, ==, 0);
    qtest_quit(q);

    q = start(DATE); /* without: they are one */
    set(q, A, 0x2a);
    (void)cmos(q, C);
    set(q, B, H24 | PIE);
    for (unsigned i = 0; i < 10; i++)
        qtest_clock_step(q, NS_PER_SEC / 64 + 1);
    g_assert_cmphex(cmos(q, C) & PF, ==, PF);
    g_assert_cmphex(cmos(q, C) & PF, ==, 0);
    qtest_quit(q);
}

static void test_change_event(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -S " DATE);
    set(q, HOUR, 0x21);
    g_autoptr(Json) ev = qtest_event(q, "RTC_CHANGE");
    int64_t offset = 0;
    g_assert_true(json_get_int(json_get(json_get(ev, "data"), "offset"), &offset));
    g_assert_cmpint(offset, ==, -7200);
    g_assert_nonnull(json_get_str(json_get(ev, "data"), "qom-path"));
    qtest_quit(q);
}

static int64_t shown(QTest *q)
{
    struct tm tm = {.tm_year = (cmos(q, CENTURY) >> 4) * 1000 + (cmos(q, CENTURY) & 15) * 100 +
                               (cmos(q, YEAR) >> 4) * 10 + (cmos(q, YEAR) & 15) - 1900};
    tm.tm_mon = (cmos(q, MONTH) >> 4) * 10 + (cmos(q, MONTH) & 15) - 1;
    tm.tm_mday = (cmos(q, MDAY) >> 4) * 10 + (cmos(q, MDAY) & 15);
    tm.tm_hour = (cmos(q, HOUR) >> 4) * 10 + (cmos(q, HOUR) & 15);
    tm.tm_min = (cmos(q, MIN) >> 4) * 10 + (cmos(q, MIN) & 15);
    tm.tm_sec = (cmos(q, SEC) >> 4) * 10 + (cmos(q, SEC) & 15);
    return timegm(&tm);
}

static void test_base(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -S");
    g_assert_cmpint(ABS(shown(q) - (int64_t)time(NULL)), <=, 3);
    qtest_quit(q);
    q = qtest_start("-machine pc -nodefaults -S -rtc base=localtime");
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    g_assert_cmpint(ABS(shown(q) - (int64_t)timegm(&tm)), <=, 3);
    qtest_quit(q);
    q = qtest_start("-machine pc -nodefaults -S -rtc base=1999-12-31");
    g_assert_cmpint(shown(q) - 946598400, <=, 3);
    g_assert_cmpint(shown(q), >=, 946598400);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/rtc/walk/bcd", GUINT_TO_POINTER(0), test_walk);
    g_test_add_data_func("/rtc/walk/binary", GUINT_TO_POINTER(DM), test_walk);
    g_test_add_func("/rtc/formats", test_formats);
    g_test_add_func("/rtc/advance", test_advance);
    g_test_add_func("/rtc/update-ended", test_update_ended);
    g_test_add_func("/rtc/alarm", test_alarm);
    g_test_add_func("/rtc/periodic", test_periodic);
    g_test_add_func("/rtc/slew", test_slew);
    g_test_add_func("/rtc/change-event", test_change_event);
    g_test_add_func("/rtc/base", test_base);
    return g_test_run();
}
