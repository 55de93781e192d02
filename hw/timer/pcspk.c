/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port 61h of the PC (82371SB data sheet, NMI status and control): the speaker.
 *
 *   bit 0  rw: gate of the 8254's counter 2     bit 4  r: toggles with each refresh cycle: here, with each read
 *   bit 1  rw: speaker data enable              bit 5  r: counter 2's output
 *
 * Difference from the hardware: bits 2, 3, 6 and 7 (parity and channel check) read 0; there is no sound yet.
 */
#include "hw/timer/i8254.h"

enum { SPK_GATE = 1, SPK_DATA = 2, SPK_REFRESH = 0x10, SPK_OUT = 0x20 };

typedef struct PcSpk {
    IsaDevice isa;
    /* config */
    uint32_t iobase;
    bool migrate;
    /* wiring */
    IoRegion io;
    void *pit;
    /* state */
    uint8_t data_on;
    uint8_t dummy_refresh_clock;
} PcSpk;
#define PCSPK(d) container_of(d, PcSpk, isa.dev)

static uint64_t pcspk_read(void *opaque, uint64_t off, unsigned size)
{
    PcSpk *s = opaque;
    PitChannelInfo ch;
    pit_channel_info(s->pit, 2, &ch);
    s->dummy_refresh_clock ^= 1;
    return (ch.gate ? SPK_GATE : 0) | (s->data_on ? SPK_DATA : 0) | (s->dummy_refresh_clock ? SPK_REFRESH : 0) |
           (ch.out ? SPK_OUT : 0);
}

static void pcspk_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    PcSpk *s = opaque;
    s->data_on = !!(val & SPK_DATA);
    pit_set_gate(s->pit, 2, val & SPK_GATE);
}

static const IoOps pcspk_io = {pcspk_read, pcspk_write, .min = 1, .max = 1};

static void pcspk_reset(Device *dev)
{
    PcSpk *s = PCSPK(dev);
    s->data_on = 0;
    s->dummy_refresh_clock = 0;
}

static bool pcspk_realize(Device *dev, Error **errp)
{
    PcSpk *s = PCSPK(dev);
    if (!s->pit)
        return error_set(errp, "isa-pcspk: the board sets pit= to the interval timer");
    if (s->iobase > 0xffff)
        return error_set(errp, "isa-pcspk: iobase=0x%x is not a port; 0x61 is the PC's", s->iobase);
    return isa_map_io(&s->isa, &s->io, &pcspk_io, s, s->iobase, 1, errp);
}

static bool pcspk_post_load(Device *dev, Error **errp)
{
    PcSpk *s = PCSPK(dev);
    if (s->data_on > 1 || s->dummy_refresh_clock > 1)
        return error_set(errp, "impossible state of port 61h");
    return true;
}

static const VmState pcspk_vmstate = {
    .name = "pcspk",
    .version = 1,
    .min_version = 1,
    .post_load = pcspk_post_load,
    .fields = (const VmField[]){VM_U8(PcSpk, data_on), VM_U8(PcSpk, dummy_refresh_clock), {}},
};

static const Prop pcspk_props[] = {
    PROP_U32("iobase", PcSpk, iobase, 0x61, "the port"),
    PROP_BOOL("migrate", PcSpk, migrate, true, "whether its state is migrated"),
    PROP_LINK("pit", PcSpk, pit, "pit-common", "the interval timer"),
    {},
};

const DeviceDesc isa_pcspk = {
    .name = "isa-pcspk",
    .summary = "PC speaker port",
    .bus = BUS_ISA,
    .category = DEV_SOUND,
    .flags = DEV_NO_USER | DEV_NO_TWIN,
    .size = sizeof(PcSpk),
    .props = pcspk_props,
    .vmstate = &pcspk_vmstate,
    .realize = pcspk_realize,
    .reset = pcspk_reset,
};

Device *pcspk_create(IsaBus *bus, Device *pit, Error **errp)
{
    Device *dev = device_new(&isa_pcspk);
    device_set_link(dev, "pit", pit);
    return device_realize(dev, &bus->bus, errp) ? dev : NULL;
}
