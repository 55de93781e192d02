/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isa-serial: a 16550A at the addresses and interrupts of a PC's COM1 to COM4, or wherever iobase and irq say. */
#include "hw/char/serial.h"
#include "hw/isa/isa.h"

#define DEFAULT UINT32_MAX

static const struct {
    uint16_t iobase;
    uint8_t irq;
} com_ports[] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

typedef struct IsaSerial {
    IsaDevice isa;
    uint32_t index, iobase, irqno; /* config; DEFAULT until realize decides */
    IoRegion io;                   /* wiring */
    Serial state;
} IsaSerial;
#define ISA_SERIAL(d) container_of(d, IsaSerial, isa.dev)

static unsigned indices_used; /* a bit per index; VM lock */

static void index_release(Device *dev, void *opaque)
{
    indices_used &= ~BIT32(GPOINTER_TO_UINT(opaque));
}

static bool isa_serial_realize(Device *dev, Error **errp)
{
    IsaSerial *s = ISA_SERIAL(dev);
    if (s->index == DEFAULT)
        s->index = __builtin_ctz(~indices_used);
    if (s->index >= ARRAY_SIZE(com_ports))
        return error_set(errp, "Max. supported number of ISA serial ports is %zu.", ARRAY_SIZE(com_ports));
    if (!(indices_used & BIT32(s->index))) {
        indices_used |= BIT32(s->index);
        device_claim(dev, index_release, GUINT_TO_POINTER(s->index));
    }
    if (s->iobase == DEFAULT)
        s->iobase = com_ports[s->index].iobase;
    if (s->irqno == DEFAULT)
        s->irqno = com_ports[s->index].irq;
    if (s->iobase > 0x10000 - SERIAL_REGS)
        return error_set(errp, "isa-serial.iobase=0x%x: its eight ports do not fit below 0x10000", s->iobase);
    s->state.irq = isa_irq(&s->isa, s->irqno, errp);
    if (!s->state.irq || !isa_map_io(&s->isa, &s->io, &serial_io, &s->state, s->iobase, SERIAL_REGS, errp))
        return false;
    s->state.owner = dev;
    serial_realize(&s->state);
    return true;
}

static void isa_serial_unrealize(Device *dev)
{
    serial_unrealize(&ISA_SERIAL(dev)->state);
}

static void isa_serial_reset(Device *dev)
{
    serial_reset(&ISA_SERIAL(dev)->state);
}

static const VmState isa_serial_vmstate = {
    .name = "serial",
    .version = 3,
    .min_version = 2,
    .fields = (const VmField[]){VM_STRUCT(IsaSerial, state, serial_vmstate), {}},
};

static const Prop isa_serial_props[] = {
    PROP_U32("index", IsaSerial, index, DEFAULT, "which of COM1 to COM4, from 0; default: the next"),
    PROP_U32("iobase", IsaSerial, iobase, DEFAULT, "first I/O port; default: by index"),
    PROP_U32("irq", IsaSerial, irqno, DEFAULT, "ISA interrupt line; default: by index"),
    PROP_CHARDEV("chardev", IsaSerial, state.chr, "ID of a chardev to use as a backend"),
    PROP_U32("baudbase", IsaSerial, state.baudbase, 115200, "clock rate / 16"),
    PROP_BOOL("wakeup", IsaSerial, state.wakeup, false, "input wakes the machine from suspend"),
    {},
};

static void isa_serial_asl(Device *dev, GString *out)
{
    IsaSerial *s = ISA_SERIAL(dev);
    g_string_append_printf(out,
                           "(device COM%u (name _HID (eisa PNP0501)) (name _UID %u) (name _STA 15)"
                           " (name _CRS (resources (io 1 0x%x 0x%x 0 8) (irq %u))))",
                           s->index + 1, s->index + 1, s->iobase, s->iobase, s->irqno);
}

const DeviceDesc isa_serial = {
    .name = "isa-serial",
    .summary = "16550A serial port",
    .bus = BUS_ISA,
    .category = DEV_INPUT,
    .size = sizeof(IsaSerial),
    .props = isa_serial_props,
    .vmstate = &isa_serial_vmstate,
    .realize = isa_serial_realize,
    .unrealize = isa_serial_unrealize,
    .reset = isa_serial_reset,
    .asl = isa_serial_asl,
};
