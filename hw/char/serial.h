/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 16550A UART, for whatever bus its eight registers are on: see serial.c. */
#ifndef HW_CHAR_SERIAL_H
#define HW_CHAR_SERIAL_H

#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "softmmu/memory.h"

#define SERIAL_REGS 8
#define SERIAL_FIFO 16

typedef struct SerialFifo {
    uint8_t data[SERIAL_FIFO];
    uint32_t head, num;
} SerialFifo;

typedef struct Serial {
    /* config, set before serial_realize() */
    Device *owner;
    CharFrontend chr;
    uint32_t baudbase; /* the clock / 16 */
    bool wakeup;
    /* wiring */
    Irq *irq;
    int64_t char_ns; /* one frame at the present speed */
    unsigned watch_id;
    /* state */
    uint16_t divider;
    uint8_t rbr, thr, tsr, ier, iir, lcr, mcr, lsr, msr, scr, fcr, fcr_vmstate;
    int32_t thr_ipending;     /* the transmitter's interrupt is pending */
    int32_t timeout_ipending; /* characters have waited in the FIFO for four frames */
    uint32_t tsr_retry;       /* not 0: tsr holds a byte that the back end did not take yet */
    SerialFifo recv_fifo, xmit_fifo;
    Timer fifo_timeout_timer;
    int32_t poll_msl; /* -1: the back end has no modem lines; 1: they are polled */
    Timer modem_status_poll;
} Serial;

extern const IoOps serial_io; /* opaque: the Serial */
extern const VmState serial_vmstate;
void serial_realize(Serial *s);
void serial_unrealize(Serial *s);
void serial_reset(Serial *s);

#endif
