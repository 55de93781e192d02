/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The high precision event timer (IA-PC HPET specification 1.0a). */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

#define HPET_BASE          0xfed00000ULL
#define HPET_CLK_PERIOD_FS 10000000 /* 10 ns */

/* Inputs of the device: the sources that the legacy replacement route cuts off. */
enum { HPET_IN_PIT, HPET_IN_RTC };

/* Make "hpet" at HPET_BASE; intcap: the I/O APIC pins its timers may use, a bit each (pc: 0x4, q35: 0xff0104). lines:
 * the board's GSIs. The PIT's and the RTC's outputs then go to device_input(hpet, HPET_IN_PIT) and HPET_IN_RTC, which
 * pass them to GSI 0 and 8. */
Device *hpet_create(uint32_t intcap, Irq *const lines[24], Error **errp);
/* Tell the machine's HPET, where there is one, of the PIT whose IRQ 0 the legacy replacement turns off (i8254_create()
 * does). */
void hpet_attach_pit(Device *pit);
/* What fw_cfg's HPET item tells of the block: event timer block id (the capability register's low half). 0 for none. */
uint32_t hpet_block_id(const Device *hpet);

#endif
