/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of an 8254, shared by our chip and by what mirrors the kernel's. */
#ifndef HW_TIMER_I8254_STATE_H
#define HW_TIMER_I8254_STATE_H

#include "hw/timer/i8254.h"

enum { PIT_RW_LSB = 1, PIT_RW_MSB, PIT_RW_WORD, PIT_RW_WORD_HIGH }; /* access; the last: between the two bytes */

typedef struct PitChannel {
    int32_t count; /* 1 to 65536 */
    uint16_t latched_count;
    uint8_t count_latched; /* PIT_RW_*: what of it is to be read, 0: no latch */
    uint8_t status_latched, status;
    uint8_t read_state, write_state; /* PIT_RW_* */
    uint8_t write_latch;
    uint8_t rw_mode, mode, bcd, gate;
    int64_t count_load_time;      /* virtual ns */
    int64_t next_transition_time; /* virtual ns, -1: none; only counter 0 has one */
} PitChannel;

typedef struct I8254 {
    IsaDevice isa;
    /* config */
    uint32_t iobase;
    int lost_tick_policy; /* kvm-pit */
    /* wiring */
    IoRegion io;
    Irq *irq;
    Timer timer;  /* counter 0's next transition */
    bool stopped; /* kvm-pit: the VM stands still, the kernel's state is here */
    /* state */
    uint32_t irq_disabled; /* the HPET replaces counter 0 */
    PitChannel channel[3];
} I8254;
#define I8254(d) container_of(d, I8254, isa.dev)

extern const VmState pit_vmstate;
extern const VmField pit_fields[];
extern const DeviceDesc isa_pit, kvm_pit;

void pit_reset_channels(I8254 *s);
void kvm_pit_sync(I8254 *s); /* read the kernel's state into s */
void kvm_pit_push(I8254 *s); /* and write it back */

#endif
