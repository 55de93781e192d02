/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * isa-parallel: a PC's parallel port (IBM PC/AT Technical Reference; IEEE 1284 compatibility and byte mode) with a
 * printer on it that takes each byte at once and never runs out of paper.
 *
 *   0  data: what was written; with control bit 5 (direction) what the other side drives, which is nothing: all ones
 *   1  status (read-only): 7 not busy, 6 not acknowledging, 5 no paper, 4 selected, 3 no error, 0 EPP timeout
 *   2  control: 5 direction, 4 interrupt enable, 3 select, 2 not init, 1 auto feed, 0 strobe; 7 and 6 read as ones
 *   3  to 7: EPP registers, not there: all ones
 *
 * Differences from the hardware: the busy and acknowledge phases last from one read of the status register to the next,
 * as there is no other clock; a selected printer interrupts on each write to the control register without strobe.
 */
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "hw/isa/isa.h"

#define DEFAULT       UINT32_MAX
#define PARALLEL_REGS 8

enum { R_DATA, R_STATUS, R_CONTROL };
enum {
    STATUS_TIMEOUT = 0x01,
    STATUS_NO_ERROR = 0x08,
    STATUS_SELECTED = 0x10,
    STATUS_NO_ACK = 0x40,
    STATUS_NOT_BUSY = 0x80
};
enum { CONTROL_STROBE = 1, CONTROL_NOT_INIT = 4, CONTROL_SELECT = 8, CONTROL_IRQ = 0x10, CONTROL_DIRECTION = 0x20 };
enum { CONTROL_ONES = 0xc0, STATUS_READY = STATUS_NOT_BUSY | STATUS_NO_ACK | STATUS_SELECTED | STATUS_NO_ERROR };

typedef struct ParallelState {
    uint8_t dataw, datar, status, control;
    int32_t irq_pending, epp_timeout;
} ParallelState;

typedef struct IsaParallel {
    IsaDevice isa;
    uint32_t index, iobase, irqno; /* config; DEFAULT until realize decides */
    CharFrontend chr;
    IoRegion io; /* wiring */
    Irq *irq;
    ParallelState state;
} IsaParallel;
#define ISA_PARALLEL(d) container_of(d, IsaParallel, isa.dev)

static void update_irq(IsaParallel *p)
{
    irq_set(p->irq, p->state.irq_pending);
}

static void set_control(IsaParallel *p, uint8_t val)
{
    ParallelState *s = &p->state;
    val |= CONTROL_ONES;
    if (!(val & CONTROL_NOT_INIT)) {
        s->status = STATUS_READY;
    } else if (val & CONTROL_SELECT) {
        if (val & CONTROL_STROBE) {
            s->status &= ~STATUS_NOT_BUSY;
            if (!(s->control & CONTROL_STROBE))
                char_write(&p->chr, &s->dataw, 1); /* a printer that is full loses it: there is no way to tell */
        } else if (s->control & CONTROL_IRQ) {
            s->irq_pending = 1;
        }
    }
    s->control = val;
    update_irq(p);
}

static uint8_t read_status(IsaParallel *p)
{
    ParallelState *s = &p->state;
    uint8_t val = s->status;
    s->irq_pending = 0;
    if (!(s->status & STATUS_NOT_BUSY) && !(s->control & CONTROL_STROBE)) {
        if (s->status & STATUS_NO_ACK)
            s->status &= ~STATUS_NO_ACK;
        else
            s->status |= STATUS_NO_ACK | STATUS_NOT_BUSY;
    }
    update_irq(p);
    return val;
}

static uint64_t parallel_read(void *opaque, uint64_t off, unsigned size)
{
    IsaParallel *p = opaque;
    switch (off) {
    case R_DATA:
        return p->state.control & CONTROL_DIRECTION ? p->state.datar : p->state.dataw;
    case R_STATUS:
        return read_status(p);
    case R_CONTROL:
        return p->state.control;
    default:
        return 0xff;
    }
}

static void parallel_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    IsaParallel *p = opaque;
    if (off == R_DATA)
        p->state.dataw = val;
    else if (off == R_CONTROL)
        set_control(p, val);
}

static const IoOps parallel_io = {parallel_read, parallel_write, .min = 1, .max = 1};

static void parallel_reset(Device *dev)
{
    IsaParallel *p = ISA_PARALLEL(dev);
    p->state = (ParallelState){
        .dataw = 0xff,
        .datar = 0xff,
        .status = STATUS_READY | STATUS_TIMEOUT,
        .control = CONTROL_ONES | CONTROL_SELECT | CONTROL_NOT_INIT,
    };
    update_irq(p);
}

static const uint16_t iobases[] = {0x378, 0x278, 0x3bc};
static unsigned indices_used; /* a bit per index; VM lock */

static void index_release(Device *dev, void *opaque)
{
    indices_used &= ~BIT32(GPOINTER_TO_UINT(opaque));
}

static const CharHandlers no_input = {0}; /* kept by pointer as long as the device lives */

static bool parallel_realize(Device *dev, Error **errp)
{
    IsaParallel *p = ISA_PARALLEL(dev);
    if (!char_connected(&p->chr))
        return error_set(errp, "Can't create parallel device, empty char device");
    if (p->index == DEFAULT)
        p->index = __builtin_ctz(~indices_used);
    if (p->index >= ARRAY_SIZE(iobases))
        return error_set(errp, "Max. supported number of parallel ports is %zu.", ARRAY_SIZE(iobases));
    if (!(indices_used & BIT32(p->index))) {
        indices_used |= BIT32(p->index);
        device_claim(dev, index_release, GUINT_TO_POINTER(p->index));
    }
    if (p->iobase == DEFAULT)
        p->iobase = iobases[p->index];
    if (p->iobase > 0x10000 - PARALLEL_REGS)
        return error_set(errp, "isa-parallel.iobase=0x%x: its eight ports do not fit below 0x10000", p->iobase);
    p->irq = isa_irq(&p->isa, p->irqno, errp);
    if (!p->irq || !isa_map_io(&p->isa, &p->io, &parallel_io, p, p->iobase, PARALLEL_REGS, errp))
        return false;
    char_set_handlers(&p->chr, &no_input, p);
    return true;
}

static void parallel_unrealize(Device *dev)
{
    char_set_handlers(&ISA_PARALLEL(dev)->chr, NULL, NULL);
}

static bool parallel_post_load(Device *dev, Error **errp)
{
    IsaParallel *p = ISA_PARALLEL(dev);
    p->state.control |= CONTROL_ONES;
    p->state.irq_pending = !!p->state.irq_pending;
    update_irq(p);
    return true;
}

/* In the stream the fields stand alone, named after the struct that they are in. */
#define STATE(f, k) VMF_(IsaParallel, state.f, .kind = k)
static const VmState parallel_vmstate = {
    .name = "parallel_isa",
    .version = 1,
    .min_version = 1,
    .post_load = parallel_post_load,
    .fields = (const VmField[]){STATE(dataw, VM_INT),
                                STATE(datar, VM_INT),
                                STATE(status, VM_INT),
                                STATE(control, VM_INT),
                                STATE(irq_pending, VM_INT),
                                STATE(epp_timeout, VM_INT),
                                {}},
};

static const Prop parallel_props[] = {
    PROP_U32("index", IsaParallel, index, DEFAULT, "which of LPT1 to LPT3, from 0; default: the next"),
    PROP_U32("iobase", IsaParallel, iobase, DEFAULT, "first I/O port; default: by index"),
    PROP_U32("irq", IsaParallel, irqno, 7, "ISA interrupt line"),
    PROP_CHARDEV("chardev", IsaParallel, chr, "ID of a chardev to use as a backend"),
    {},
};

static void parallel_asl(Device *dev, GString *out)
{
    IsaParallel *p = ISA_PARALLEL(dev);
    g_string_append_printf(out,
                           "(device LPT%u (name _HID (eisa PNP0400)) (name _UID %u) (name _STA 15)"
                           " (name _CRS (resources (io 1 0x%x 0x%x 8 8) (irq %u))))",
                           p->index + 1, p->index + 1, p->iobase, p->iobase, p->irqno);
}

const DeviceDesc isa_parallel = {
    .name = "isa-parallel",
    .summary = "parallel port",
    .bus = BUS_ISA,
    .category = DEV_INPUT,
    .size = sizeof(IsaParallel),
    .props = parallel_props,
    .vmstate = &parallel_vmstate,
    .realize = parallel_realize,
    .unrealize = parallel_unrealize,
    .reset = parallel_reset,
    .asl = parallel_asl,
};
