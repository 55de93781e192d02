/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 16550A UART (National PC16550D data sheet).
 *
 *   0  RBR receive (read), THR transmit (write); with LCR.DLAB: divisor, low byte
 *   1  IER interrupt enable; with LCR.DLAB: divisor, high byte
 *   2  IIR interrupt identification (read), FCR FIFO control (write)
 *   3  LCR line control     4  MCR modem control
 *   5  LSR line status      6  MSR modem status     7  SCR scratch
 *
 * Differences from the hardware: a character leaves at once, however slow the line is, and the transmitter is empty
 * again before the next instruction unless the back end is full; parity and framing errors do not happen; MCR.OUT2 does
 * not gate the interrupt. Reception is paced by the guest's reading alone. The divisor gives the time after which
 * characters that wait in the FIFO below its trigger level interrupt.
 */
#include "hw/char/serial.h"

#include <sys/ioctl.h>

#include "softmmu/runstate.h"

enum { R_DATA, R_IER, R_IIR_FCR, R_LCR, R_MCR, R_LSR, R_MSR, R_SCR };
enum { IER_RDI = 1, IER_THRI = 2, IER_RLSI = 4, IER_MSI = 8 };
enum {
    IIR_NONE = 1,
    IIR_MSI = 0,
    IIR_THRI = 2,
    IIR_RDI = 4,
    IIR_RLSI = 6,
    IIR_TIMEOUT = 12,
    IIR_ID = 0x0f,
    IIR_FIFO = 0xc0
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_KEPT = 0xc9 };
enum { LCR_STOP = 4, LCR_PARITY = 8, LCR_EVEN = 0x10, LCR_BREAK = 0x40, LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum { LSR_DR = 1, LSR_OE = 2, LSR_BI = 0x10, LSR_THRE = 0x20, LSR_TEMT = 0x40, LSR_ERRORS = 0x1e };
enum { MSR_DELTA = 0x0f, MSR_TERI = 4, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

#define MODEM_POLL_MS 10

static void fifo_reset(SerialFifo *f)
{
    f->head = f->num = 0;
}
static void fifo_push(SerialFifo *f, uint8_t b) /* not when full */
{
    f->data[(f->head + f->num++) % SERIAL_FIFO] = b;
}
static uint8_t fifo_pop(SerialFifo *f) /* not when empty */
{
    uint8_t b = f->data[f->head % SERIAL_FIFO];
    f->head = (f->head + 1) % SERIAL_FIFO;
    f->num--;
    return b;
}

/* Characters in the FIFO at which reception interrupts. */
static unsigned trigger_level(const Serial *s)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    return levels[s->fcr >> 6];
}

static void update_irq(Serial *s)
{
    uint8_t id = IIR_NONE;
    bool fifo = s->fcr & FCR_ENABLE;
    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS))
        id = IIR_RLSI;
    else if ((s->ier & IER_RDI) && s->timeout_ipending)
        id = IIR_TIMEOUT;
    else if ((s->ier & IER_RDI) && (s->lsr & LSR_DR) && (!fifo || s->recv_fifo.num >= trigger_level(s)))
        id = IIR_RDI;
    else if ((s->ier & IER_THRI) && s->thr_ipending)
        id = IIR_THRI;
    else if ((s->ier & IER_MSI) && (s->msr & MSR_DELTA))
        id = IIR_MSI;
    s->iir = id | (s->iir & 0xf0);
    irq_set(s->irq, id != IIR_NONE);
}

static void update_line(Serial *s)
{
    if (!s->divider || s->divider > s->baudbase)
        return;
    unsigned data = 5 + (s->lcr & 3), stop = s->lcr & LCR_STOP ? 2 : 1, baud = s->baudbase / s->divider;
    char parity = !(s->lcr & LCR_PARITY) ? 'N' : s->lcr & LCR_EVEN ? 'E' : 'O';
    s->char_ns = NS_PER_SEC / baud * (1 + data + stop + (parity != 'N'));
    char_serial_params(&s->chr, baud, parity, data, stop);
}

/* --- modem lines --- */

static void poll_modem(void *opaque)
{
    Serial *s = opaque;
    timer_stop(&s->modem_status_poll);
    int bits = char_get_modem(&s->chr);
    if (bits < 0) {
        s->poll_msl = -1;
        return;
    }
    uint8_t old = s->msr;
    s->msr = (s->msr & MSR_DELTA) | (bits & TIOCM_CTS ? MSR_CTS : 0) | (bits & TIOCM_DSR ? MSR_DSR : 0) |
             (bits & TIOCM_CAR ? MSR_DCD : 0) | (bits & TIOCM_RI ? MSR_RI : 0);
    if (s->msr != old) {
        uint8_t delta = (s->msr ^ old) >> 4;
        if ((delta & MSR_TERI) && (s->msr & MSR_RI))
            delta &= ~MSR_TERI; /* the ring indicator counts when it ends */
        s->msr |= delta;
        update_irq(s);
    }
    if (s->poll_msl > 0)
        timer_arm_ms(&s->modem_status_poll, MODEM_POLL_MS);
}

static void set_mcr(Serial *s, uint8_t val)
{
    uint8_t old = s->mcr;
    s->mcr = val & 0x1f;
    if (s->mcr & MCR_LOOP)
        return;
    if (s->poll_msl >= 0 && s->mcr != old) {
        char_set_modem(&s->chr, (s->mcr & MCR_DTR ? TIOCM_DTR : 0) | (s->mcr & MCR_RTS ? TIOCM_RTS : 0));
        /* What is at the other end answers, after a while. */
        timer_arm_ns(&s->modem_status_poll, s->char_ns);
    }
    if (old & MCR_LOOP)
        char_accept_input(&s->chr);
}

static uint8_t loop_msr(const Serial *s)
{
    return (s->mcr & (MCR_OUT1 | MCR_OUT2)) << 4 | (s->mcr & MCR_RTS) << 3 | (s->mcr & MCR_DTR) << 5;
}

/* --- reception --- */

static void fifo_timeout(void *opaque)
{
    Serial *s = opaque;
    if (s->recv_fifo.num) {
        s->timeout_ipending = 1;
        update_irq(s);
    }
}

static void receive_byte(Serial *s, uint8_t b)
{
    if (s->fcr & FCR_ENABLE) {
        if (s->recv_fifo.num < SERIAL_FIFO)
            fifo_push(&s->recv_fifo, b);
        else
            s->lsr |= LSR_OE; /* the new character is the one that is lost */
        timer_arm_ns(&s->fifo_timeout_timer, 4 * s->char_ns);
    } else {
        if (s->lsr & LSR_DR)
            s->lsr |= LSR_OE;
        s->rbr = b;
    }
    s->lsr |= LSR_DR;
    update_irq(s);
}

/* As much as interrupts at once: a guest that raised the trigger level is not interrupted more often than it asked for.
 */
static size_t serial_can_receive(void *opaque)
{
    Serial *s = opaque;
    if (s->mcr & MCR_LOOP)
        return 0;
    if (!(s->fcr & FCR_ENABLE))
        return !(s->lsr & LSR_DR);
    if (s->recv_fifo.num >= SERIAL_FIFO)
        return 0;
    return s->recv_fifo.num < trigger_level(s) ? trigger_level(s) - s->recv_fifo.num : 1;
}

static void serial_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Serial *s = opaque;
    if (s->wakeup)
        system_wakeup_request(NULL);
    for (size_t i = 0; i < len; i++)
        receive_byte(s, buf[i]);
}

static void serial_event(void *opaque, CharEvent ev)
{
    Serial *s = opaque;
    if (ev != CHAR_BREAK)
        return;
    s->rbr = 0;
    if ((s->fcr & FCR_ENABLE) && s->recv_fifo.num < SERIAL_FIFO)
        fifo_push(&s->recv_fifo, 0);
    s->lsr |= LSR_BI | LSR_DR;
    update_irq(s);
}

static const CharHandlers serial_handlers = {serial_can_receive, serial_receive, serial_event};

static uint8_t read_rbr(Serial *s)
{
    uint8_t val = s->rbr;
    if (s->fcr & FCR_ENABLE) {
        val = s->recv_fifo.num ? fifo_pop(&s->recv_fifo) : 0;
        if (s->recv_fifo.num)
            timer_arm_ns(&s->fifo_timeout_timer, 4 * s->char_ns);
        else
            s->lsr &= ~(LSR_DR | LSR_BI);
        s->timeout_ipending = 0;
    } else {
        s->lsr &= ~(LSR_DR | LSR_BI);
    }
    update_irq(s);
    if (!(s->mcr & MCR_LOOP))
        char_accept_input(&s->chr);
    return val;
}

/* --- transmission --- */

static void transmit(Serial *s);

static void writable(void *opaque)
{
    Serial *s = opaque;
    s->watch_id = 0;
    if (s->tsr_retry)
        transmit(s);
}

/* Send tsr if it is held back, then all that is in THR or its FIFO. */
static void transmit(Serial *s)
{
    do {
        if (!s->tsr_retry) {
            s->tsr = s->thr;
            if ((s->fcr & FCR_ENABLE) && s->xmit_fifo.num)
                s->tsr = fifo_pop(&s->xmit_fifo);
            if (!(s->fcr & FCR_ENABLE) || !s->xmit_fifo.num)
                s->lsr |= LSR_THRE;
            if ((s->lsr & LSR_THRE) && !s->thr_ipending) {
                s->thr_ipending = 1;
                update_irq(s);
            }
        }
        s->tsr_retry = 0;
        if (s->mcr & MCR_LOOP) {
            receive_byte(s, s->tsr);
        } else if (char_write(&s->chr, &s->tsr, 1) == 0) {
            s->tsr_retry = 1;
            if (!s->watch_id)
                s->watch_id = char_watch_writable(&s->chr, writable, s);
            return;
        }
    } while (!(s->lsr & LSR_THRE));
    s->lsr |= LSR_TEMT;
}

static void write_thr(Serial *s, uint8_t val)
{
    s->thr = val;
    if (s->fcr & FCR_ENABLE) {
        if (s->xmit_fifo.num == SERIAL_FIFO)
            fifo_pop(&s->xmit_fifo); /* overrun: the oldest is lost */
        fifo_push(&s->xmit_fifo, val);
    }
    s->thr_ipending = 0;
    s->lsr &= ~(LSR_THRE | LSR_TEMT);
    update_irq(s);
    if (!s->tsr_retry)
        transmit(s);
}

static void set_fcr(Serial *s, uint8_t val)
{
    if ((val ^ s->fcr) & FCR_ENABLE)
        val |= FCR_CLEAR_RX | FCR_CLEAR_TX;
    if (val & FCR_CLEAR_RX) {
        s->lsr &= ~(LSR_DR | LSR_BI);
        timer_stop(&s->fifo_timeout_timer);
        s->timeout_ipending = 0;
        fifo_reset(&s->recv_fifo);
    }
    if (val & FCR_CLEAR_TX) {
        s->lsr |= LSR_THRE;
        s->thr_ipending = 1;
        fifo_reset(&s->xmit_fifo);
    }
    s->fcr = val & FCR_KEPT;
    s->iir = (s->iir & ~IIR_FIFO) | (val & FCR_ENABLE ? IIR_FIFO : 0);
    update_irq(s);
    char_accept_input(&s->chr);
}

static void set_ier(Serial *s, uint8_t val)
{
    uint8_t changed = (s->ier ^ val) & 0x0f;
    s->ier = val & 0x0f;
    if (s->poll_msl >= 0 && (changed & IER_MSI)) {
        s->poll_msl = s->ier & IER_MSI ? 1 : 0;
        if (s->poll_msl)
            poll_modem(s);
        else
            timer_stop(&s->modem_status_poll);
    }
    /* The interrupt of an empty transmitter comes when it is enabled, as an edge. */
    if ((changed & s->ier & IER_THRI) && (s->lsr & LSR_THRE))
        s->thr_ipending = 1;
    else if ((changed & IER_THRI) && !(s->ier & IER_THRI))
        s->thr_ipending = 0;
    if (changed)
        update_irq(s);
}

static void set_lcr(Serial *s, uint8_t val)
{
    uint8_t changed = s->lcr ^ val;
    s->lcr = val;
    update_line(s);
    if (changed & LCR_BREAK)
        char_set_break(&s->chr, val & LCR_BREAK);
}

/* --- registers --- */

static uint64_t serial_read(void *opaque, uint64_t off, unsigned size)
{
    Serial *s = opaque;
    uint8_t val;
    switch (off & 7) {
    case R_DATA:
        return s->lcr & LCR_DLAB ? s->divider & 0xff : read_rbr(s);
    case R_IER:
        return s->lcr & LCR_DLAB ? s->divider >> 8 : s->ier;
    case R_IIR_FCR:
        val = s->iir;
        if ((val & IIR_ID) == IIR_THRI) {
            s->thr_ipending = 0;
            update_irq(s);
        }
        return val;
    case R_LCR:
        return s->lcr;
    case R_MCR:
        return s->mcr;
    case R_LSR:
        val = s->lsr;
        if (val & (LSR_BI | LSR_OE)) {
            s->lsr &= ~(LSR_BI | LSR_OE);
            update_irq(s);
        }
        return val;
    case R_MSR:
        if (s->mcr & MCR_LOOP)
            return loop_msr(s);
        if (s->poll_msl >= 0)
            poll_modem(s);
        val = s->msr;
        if (val & MSR_DELTA) {
            s->msr &= ~MSR_DELTA;
            update_irq(s);
        }
        return val;
    default:
        return s->scr;
    }
}

static void serial_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Serial *s = opaque;
    switch (off & 7) {
    case R_DATA:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff00) | (uint8_t)val;
            update_line(s);
        } else {
            write_thr(s, val);
        }
        break;
    case R_IER:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff) | (uint8_t)val << 8;
            update_line(s);
        } else {
            set_ier(s, val);
        }
        break;
    case R_IIR_FCR:
        set_fcr(s, val);
        break;
    case R_LCR:
        set_lcr(s, val);
        break;
    case R_MCR:
        set_mcr(s, val);
        break;
    case R_LSR: /* read-only, but for factory tests */
    case R_MSR:
        break;
    default:
        s->scr = val;
        break;
    }
}

const IoOps serial_io = {serial_read, serial_write, .min = 1, .max = 1};

/* --- life --- */

void serial_reset(Serial *s)
{
    s->rbr = s->thr = s->tsr = s->ier = s->lcr = s->scr = s->fcr = 0;
    s->iir = IIR_NONE;
    s->lsr = LSR_TEMT | LSR_THRE;
    s->msr = MSR_DCD | MSR_DSR | MSR_CTS;
    s->mcr = MCR_OUT2;
    s->divider = 12; /* 9600 baud */
    s->char_ns = NS_PER_SEC / 9600 * 10;
    s->thr_ipending = s->timeout_ipending = 0;
    s->tsr_retry = 0;
    fifo_reset(&s->recv_fifo);
    fifo_reset(&s->xmit_fifo);
    memset(s->recv_fifo.data, 0, SERIAL_FIFO);
    memset(s->xmit_fifo.data, 0, SERIAL_FIFO);
    timer_stop(&s->fifo_timeout_timer);
    timer_stop(&s->modem_status_poll);
    s->poll_msl = 0;
    poll_modem(s);
    s->msr &= ~MSR_DELTA;
    irq_set(s->irq, false);
}

void serial_realize(Serial *s)
{
    timer_init(&s->fifo_timeout_timer, fifo_timeout, s);
    timer_init(&s->modem_status_poll, poll_modem, s);
    char_set_handlers(&s->chr, &serial_handlers, s);
}

void serial_unrealize(Serial *s)
{
    timer_stop(&s->fifo_timeout_timer);
    timer_stop(&s->modem_status_poll);
    if (s->watch_id)
        g_source_remove(s->watch_id);
    s->watch_id = 0;
    char_set_handlers(&s->chr, NULL, NULL);
}

/* --- migration --- */

/* opaque and the callbacks' first argument are the Serial: it is not a device of its own. */
static bool pre_save(Device *dev, Error **errp)
{
    Serial *s = (Serial *)dev;
    s->fcr_vmstate = s->fcr;
    return true;
}

/* What a stream leaves out because it follows from the rest. */
static bool pre_load(Device *dev, Error **errp)
{
    Serial *s = (Serial *)dev;
    s->thr_ipending = -1;
    s->timeout_ipending = 0;
    s->tsr_retry = 0;
    s->fcr_vmstate = 0;
    s->poll_msl = -1;
    fifo_reset(&s->recv_fifo);
    fifo_reset(&s->xmit_fifo);
    timer_stop(&s->fifo_timeout_timer);
    timer_stop(&s->modem_status_poll);
    return true;
}

static bool thr_ipending_follows(const Serial *s)
{
    return (s->iir & IIR_ID) == IIR_THRI;
}

static bool post_load(Device *dev, Error **errp)
{
    Serial *s = (Serial *)dev;
    if (s->recv_fifo.num > SERIAL_FIFO || s->recv_fifo.head >= SERIAL_FIFO || s->xmit_fifo.num > SERIAL_FIFO ||
        s->xmit_fifo.head >= SERIAL_FIFO)
        return error_set(errp, "impossible FIFO: more than %d characters", SERIAL_FIFO);
    if (s->tsr_retry > 1)
        s->tsr_retry = 1; /* elsewhere it counts attempts */
    if (!!s->tsr_retry == !!(s->lsr & LSR_TEMT))
        return error_set(errp, "inconsistent state: LSR 0x%02x, with%s a character being sent", s->lsr,
                         s->tsr_retry ? "" : "out");
    if (s->thr_ipending < 0)
        s->thr_ipending = thr_ipending_follows(s);
    s->fcr = s->fcr_vmstate & FCR_KEPT;
    s->ier &= 0x0f;
    s->mcr &= 0x1f;
    s->char_ns = NS_PER_SEC / 9600 * 10;
    update_line(s);
    char_set_break(&s->chr, s->lcr & LCR_BREAK);
    if (s->poll_msl >= 0)
        poll_modem(s);
    if (s->tsr_retry && !s->watch_id)
        s->watch_id = char_watch_writable(&s->chr, writable, s);
    update_irq(s);
    return true;
}

static const VmState fifo_vmstate = {
    .name = "Fifo8",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_BUFFER(SerialFifo, data), VM_U32(SerialFifo, head), VM_U32(SerialFifo, num), {}},
};

static bool thr_needed(void *opaque)
{
    Serial *s = opaque;
    return (s->ier & IER_THRI) && s->thr_ipending != thr_ipending_follows(s);
}
static bool tsr_needed(void *opaque)
{
    return ((Serial *)opaque)->tsr_retry;
}
static bool recv_needed(void *opaque)
{
    return ((Serial *)opaque)->recv_fifo.num;
}
static bool xmit_needed(void *opaque)
{
    return ((Serial *)opaque)->xmit_fifo.num;
}
static bool timer_needed(void *opaque)
{
    return timer_armed(&((Serial *)opaque)->fifo_timeout_timer);
}
static bool timeout_needed(void *opaque)
{
    return ((Serial *)opaque)->timeout_ipending;
}
static bool poll_needed(void *opaque)
{
    return ((Serial *)opaque)->poll_msl >= 0;
}

#define SUBSECTION(variable, stream_name, when, ...)                                                                   \
    static const VmState variable = {.name = stream_name,                                                              \
                                     .version = 1,                                                                     \
                                     .min_version = 1,                                                                 \
                                     .needed = when,                                                                   \
                                     .fields = (const VmField[]){__VA_ARGS__, {}}}
SUBSECTION(vm_thr, "serial/thr_ipending", thr_needed, VM_I32(Serial, thr_ipending));
SUBSECTION(vm_tsr, "serial/tsr", tsr_needed, VM_U32(Serial, tsr_retry), VM_U8(Serial, thr), VM_U8(Serial, tsr));
SUBSECTION(vm_recv, "serial/recv_fifo", recv_needed, VM_STRUCT(Serial, recv_fifo, fifo_vmstate));
SUBSECTION(vm_xmit, "serial/xmit_fifo", xmit_needed, VM_STRUCT(Serial, xmit_fifo, fifo_vmstate));
SUBSECTION(vm_timer, "serial/fifo_timeout_timer", timer_needed, VM_TIMER(Serial, fifo_timeout_timer));
SUBSECTION(vm_timeout, "serial/timeout_ipending", timeout_needed, VM_I32(Serial, timeout_ipending));
SUBSECTION(vm_poll, "serial/poll", poll_needed, VM_I32(Serial, poll_msl), VM_TIMER(Serial, modem_status_poll));

const VmState serial_vmstate = {
    .name = "serial",
    .version = 3,
    .min_version = 2,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields = (const VmField[]){VM_U16(Serial, divider),
                                VM_U8(Serial, rbr),
                                VM_U8(Serial, ier),
                                VM_U8(Serial, iir),
                                VM_U8(Serial, lcr),
                                VM_U8(Serial, mcr),
                                VM_U8(Serial, lsr),
                                VM_U8(Serial, msr),
                                VM_U8(Serial, scr),
                                VMF_(Serial, fcr_vmstate, .kind = VM_INT, .min_version = 3),
                                {}},
    .subsections =
        (const VmState *const[]){&vm_thr, &vm_tsr, &vm_recv, &vm_xmit, &vm_timer, &vm_timeout, &vm_poll, NULL},
};
