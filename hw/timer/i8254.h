/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8254 programmable interval timer and the speaker port 61h. */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/isa/isa.h"

#define PIT_HZ 1193182

/* Make the PIT at port 40h: "isa-pit", or "kvm-pit" where the kernel has it. irq0: where counter 0's output goes (the
 * GSI 0 line, or the HPET's legacy input); not used with the kernel's. */
Device *i8254_create(IsaBus *bus, Irq *irq0, Error **errp);
/* Make "isa-pcspk" at port 61h beside it. */
Device *pcspk_create(IsaBus *bus, Device *pit, Error **errp);

/* What a counter looks like from outside: for the speaker port, and the sound behind it. */
typedef struct PitChannelInfo {
    int mode;
    bool gate, out;
    uint32_t initial_count; /* 1 to 65536 */
} PitChannelInfo;
void pit_channel_info(Device *pit, unsigned channel, PitChannelInfo *info);
void pit_set_gate(Device *pit, unsigned channel, bool gate);
/* The HPET's legacy replacement takes IRQ 0 away from the PIT (off) and gives it back (on). */
void pit_set_irq_enabled(Device *pit, bool on);

#endif
