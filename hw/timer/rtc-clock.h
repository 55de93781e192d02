/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's idea of the date, as -rtc sets it, for real-time clocks. */
#ifndef HW_TIMER_RTC_CLOCK_H
#define HW_TIMER_RTC_CLOCK_H

#include "hw/core/device.h"

enum { RTC_TICK_DISCARD, RTC_TICK_DELAY, RTC_TICK_SLEW };

ClockType rtc_clock(void);     /* clock= */
bool rtc_lost_tick_slew(void); /* driftfix=slew */
int64_t rtc_start_date(void);  /* what a clock that starts now shows, in s since 1970 */
/* The guest set its clock to sec: RTC_CHANGE. */
void rtc_changed(Device *rtc, int64_t sec);

#endif
