/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The MC146818A real-time clock with its CMOS memory, and the machine's idea of the date (-rtc). */
#ifndef HW_TIMER_MC146818RTC_H
#define HW_TIMER_MC146818RTC_H

#include "hw/isa/isa.h"

#include <time.h>

/* Make "mc146818rtc" at port 70h. irq: where its interrupt goes instead of ISA line 8 (the HPET's legacy input); NULL:
 * line 8. */
Device *rtc_create(IsaBus *bus, int32_t base_year, Irq *irq, Error **errp);
extern Device *rtc_device; /* the machine's, NULL where none */

/* CMOS memory for the board: idx 0 to 127. */
void rtc_set_cmos(Device *rtc, unsigned idx, uint8_t val);
uint8_t rtc_get_cmos(Device *rtc, unsigned idx);
/* The date the guest's clock shows: QOM's "date" property. */
void rtc_get_date(Device *rtc, struct tm *out);

/* -rtc [base=utc|localtime|DATETIME][,clock=host|rt|vm][,driftfix=none|slew]: opts is the object of strings. Before the
 * machine is built. */
bool rtc_configure(const Json *opts, Error **errp);
void rtc_reset_reinjection(void); /* QMP rtc-reset-reinjection: forget the lost ticks */

#endif
