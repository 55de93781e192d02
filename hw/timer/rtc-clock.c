/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -rtc: the date at which the machine starts and the clock that moves it on.
 *
 * base=utc and localtime follow the host's date, a DATETIME is what the clock shows when QEMU starts. clock=host is the
 * host's wall clock, rt its monotonic clock, vm the guest's time, which stands still while the machine is stopped.
 */
#include "hw/timer/rtc-clock.h"

#include "hw/timer/mc146818rtc.h"
#include "softmmu/runstate.h"

typedef enum RtcBase { BASE_UTC, BASE_LOCALTIME, BASE_DATE } RtcBase;

static RtcBase base;
static ClockType clock_type = CLOCK_HOST;
static bool slew;
static int64_t ref_date;  /* s since 1970, at ref_clock */
static int64_t ref_clock; /* ns of clock_type */
static bool ref_taken;

ClockType rtc_clock(void)
{
    return clock_type;
}
bool rtc_lost_tick_slew(void)
{
    return slew;
}

/* A host date as the guest is to see it. */
static int64_t host_date(int64_t utc)
{
    time_t t = utc;
    struct tm tm;
    if (base == BASE_LOCALTIME && localtime_r(&t, &tm))
        return timegm(&tm);
    return utc;
}

int64_t rtc_start_date(void)
{
    int64_t host_now = clock_ns(CLOCK_HOST) / NS_PER_SEC;
    if (clock_type == CLOCK_HOST && base != BASE_DATE)
        return host_date(host_now);
    if (!ref_taken) {
        if (base != BASE_DATE)
            ref_date = host_date(host_now);
        ref_clock = clock_ns(clock_type);
        ref_taken = true;
    }
    return ref_date + (clock_ns(clock_type) - ref_clock) / NS_PER_SEC;
}

void rtc_changed(Device *rtc, int64_t sec)
{
    Json *data = json_object();
    json_set_int(data, "offset", sec - rtc_start_date());
    json_set_str(data, "qom-path", rtc->path ? rtc->path : "");
    event_emit("RTC_CHANGE", data);
}

static bool parse_date(const char *text, int64_t *out)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end || *end) {
        tm = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end)
        return false;
    *out = timegm(&tm);
    return true;
}

bool rtc_configure(const Json *opts, Error **errp)
{
    RtcBase new_base = BASE_UTC;
    ClockType new_clock = CLOCK_HOST;
    int64_t date = 0;
    bool new_slew = false;
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i), *val = json_get_string(json_val_at(opts, i));
        if (!val)
            return error_set(errp, "-rtc: %s takes a string", key);
        if (!strcmp(key, "base")) {
            if (!strcmp(val, "utc"))
                new_base = BASE_UTC;
            else if (!strcmp(val, "localtime"))
                new_base = BASE_LOCALTIME;
            else if (parse_date(val, &date))
                new_base = BASE_DATE;
            else
                return error_set(
                    errp, "-rtc: base=%s is no date; use 'utc', 'localtime', '2006-06-17T16:01:21' or '2006-06-17'",
                    val);
        } else if (!strcmp(key, "clock")) {
            if (!strcmp(val, "host"))
                new_clock = CLOCK_HOST;
            else if (!strcmp(val, "rt"))
                new_clock = CLOCK_REALTIME_MONO;
            else if (!strcmp(val, "vm"))
                new_clock = CLOCK_VIRTUAL;
            else
                return error_set(errp, "-rtc: clock=%s is not known; use 'host', 'rt' or 'vm'", val);
        } else if (!strcmp(key, "driftfix")) {
            if (strcmp(val, "slew") && strcmp(val, "none"))
                return error_set(errp, "-rtc: driftfix=%s is not known; use 'none' or 'slew'", val);
            new_slew = !strcmp(val, "slew");
        } else {
            return error_set(errp, "-rtc: Invalid parameter '%s'; base, clock and driftfix are known", key);
        }
    }
    base = new_base;
    clock_type = new_clock;
    slew = new_slew;
    ref_taken = false;
    ref_date = date;
    if (base == BASE_DATE)
        (void)rtc_start_date(); /* the date counts from here */
    return true;
}
