/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices isa-fdc and floppy: their state in the stream, properties, and what boards ask. The controller itself is
 * fdc.c. */
#include "hw/block/fdc-internal.h"

#include "block/drive.h"
#include "hw/dma/i8257.h"

typedef struct FloppyDevice {
    Device dev;
    uint32_t unit;
    BlockConf conf;
    int type;
} FloppyDevice;
#define FLOPPY(d) container_of(d, FloppyDevice, dev)

/* ---- state ---- */

static bool fdc_pre_save(Device *dev, Error **errp)
{
    Fdc *s = FDC(dev);
    s->dor_vmstate = (uint8_t)((s->dor & ~DOR_SEL) | s->cur_drv);
    return true;
}

static bool fdc_pre_load(Device *dev, Error **errp)
{
    Fdc *s = FDC(dev);
    s->phase = 0;
    s->reset_sensei = 0;
    s->format_fill = 0;
    timer_stop(&s->result_timer);
    for (int i = 0; i < FD_DRIVES; i++) {
        s->drive[i].media_changed = s->drive[i].inserted;
        s->drive[i].perpendicular = 0;
    }
    return true;
}

static bool fdc_post_load(Device *dev, Error **errp)
{
    Fdc *s = FDC(dev);
    s->cur_drv = s->dor_vmstate & DOR_SEL;
    s->dor = s->dor_vmstate;
    if (!s->phase) /* as QEMU guesses for streams that do not tell */
        s->phase = !(s->msr & MSR_BUSY) || (s->msr & (MSR_RQM | MSR_DIO)) == MSR_RQM ? PHASE_COMMAND
                   : s->msr & MSR_NONDMA || !(s->msr & MSR_RQM)                      ? PHASE_EXECUTION
                                                                                     : PHASE_RESULT;
    if (s->phase > PHASE_RESULT || s->num_floppies != FD_DRIVES)
        return error_set(errp, "impossible phase %u", s->phase);
    if (s->data_pos > s->data_len || s->data_len > FD_SECTOR * 512 || (s->phase == PHASE_RESULT && s->data_len > 16) ||
        (s->phase == PHASE_COMMAND && s->data_len > 18))
        return error_set(errp, "impossible transfer: %u of %u bytes", s->data_pos, s->data_len);
    if (s->reset_sensei < 0 || s->reset_sensei > 4 || s->lock > 1)
        return error_set(errp, "impossible state after a reset");
    for (int i = 0; i < FD_DRIVES; i++)
        if (s->drive[i].head > 1 || s->drive[i].perpendicular > 0x0f)
            return error_set(errp, "impossible drive state");
    if (s->phase == PHASE_EXECUTION && !timer_armed(&s->result_timer) && !fdc_current_drive(s)->blk)
        return error_set(errp, "a transfer without a drive");
    return true;
}

static bool always(void *opaque)
{
    return true;
}

static bool changed_needed(void *opaque)
{
    const FdDrive *d = opaque;
    return d->inserted && d->media_changed != 1;
}

static bool perpendicular_needed(void *opaque)
{
    return ((FdDrive *)opaque)->perpendicular != 0;
}

static const VmState changed_vmstate = {
    .name = "fdrive/media_changed",
    .version = 1,
    .min_version = 1,
    .needed = changed_needed,
    .fields = (const VmField[]){VM_U8(FdDrive, media_changed), {}},
};
static const VmState rate_vmstate = {
    .name = "fdrive/media_rate",
    .version = 1,
    .min_version = 1,
    .needed = always,
    .fields = (const VmField[]){VM_U8(FdDrive, media_rate), {}},
};
static const VmState perpendicular_vmstate = {
    .name = "fdrive/perpendicular",
    .version = 1,
    .min_version = 1,
    .needed = perpendicular_needed,
    .fields = (const VmField[]){VM_U8(FdDrive, perpendicular), {}},
};
static const VmState drive_vmstate = {
    .name = "fdrive",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U8(FdDrive, head), VM_U8(FdDrive, track), VM_U8(FdDrive, sect), {}},
    .subsections = (const VmState *const[]){&changed_vmstate, &rate_vmstate, &perpendicular_vmstate, NULL},
};

static bool sensei_needed(void *opaque)
{
    return ((Fdc *)opaque)->reset_sensei != 0;
}

static bool timer_needed(void *opaque)
{
    return timer_armed(&((Fdc *)opaque)->result_timer);
}

static bool phase_needed(void *opaque)
{
    return ((Fdc *)opaque)->phase != PHASE_COMMAND || ((Fdc *)opaque)->data_pos;
}

static bool fill_needed(void *opaque)
{
    return ((Fdc *)opaque)->data_state & STATE_FORMAT;
}

static const VmState sensei_vmstate = {
    .name = "fdc/reset_sensei",
    .version = 1,
    .min_version = 1,
    .needed = sensei_needed,
    .fields = (const VmField[]){VM_I32(Fdc, reset_sensei), {}},
};
static const VmState timer_vmstate = {
    .name = "fdc/result_timer",
    .version = 1,
    .min_version = 1,
    .needed = timer_needed,
    .fields = (const VmField[]){VM_TIMER(Fdc, result_timer), {}},
};
static const VmState phase_vmstate = {
    .name = "fdc/phase",
    .version = 1,
    .min_version = 1,
    .needed = phase_needed,
    .fields = (const VmField[]){VM_U8(Fdc, phase), {}},
};
static const VmState fill_vmstate = {
    .name = "fdc/format",
    .version = 1,
    .min_version = 1,
    .needed = fill_needed,
    .fields = (const VmField[]){VM_U8(Fdc, format_fill), {}},
};
static const VmState state_vmstate = {
    .name = "fdc",
    .version = 2,
    .min_version = 2,
    .fields = (const VmField[]){VM_U8(Fdc, sra),
                                VM_U8(Fdc, srb),
                                VM_U8(Fdc, dor_vmstate),
                                VM_U8(Fdc, tdr),
                                VM_U8(Fdc, dsr),
                                VM_U8(Fdc, msr),
                                VM_U8(Fdc, status0),
                                VM_U8(Fdc, status1),
                                VM_U8(Fdc, status2),
                                VM_BUFFER(Fdc, fifo),
                                VM_U32(Fdc, data_pos),
                                VM_U32(Fdc, data_len),
                                VM_U8(Fdc, data_state),
                                VM_U8(Fdc, data_dir),
                                VM_U8(Fdc, eot),
                                VM_U8(Fdc, timer0),
                                VM_U8(Fdc, timer1),
                                VM_U8(Fdc, precomp),
                                VM_U8(Fdc, config),
                                VM_U8(Fdc, lock),
                                VM_U8(Fdc, pwrd),
                                VM_U8(Fdc, num_floppies),
                                VM_STRUCT_ARRAY(Fdc, drive, drive_vmstate),
                                {}},
    .subsections = (const VmState *const[]){&sensei_vmstate, &timer_vmstate, &phase_vmstate, &fill_vmstate, NULL},
};
static const VmState fdc_vmstate = {
    .name = "fdc",
    .version = 2,
    .min_version = 2,
    .pre_save = fdc_pre_save,
    .pre_load = fdc_pre_load,
    .post_load = fdc_post_load,
    .fields =
        (const VmField[]){
            {.name = "state", .kind = VM_STRUCT_K, .offset = 0, .size = sizeof(Fdc), .num = 1, .vmsd = &state_vmstate},
            {}},
};

/* ---- devices ---- */

static void fdc_reset(Device *dev)
{
    Fdc *s = FDC(dev);
    fdc_controller_reset(s, false);
    s->tdr = s->dsr = 0;
    s->status0 = s->status1 = s->status2 = 0;
    memset(s->fifo, 0, sizeof(s->fifo));
    s->eot = s->timer0 = s->timer1 = s->precomp = s->lock = s->pwrd = s->format_fill = 0;
    s->config = FDC_CONFIG_0;
    s->dor_vmstate = 0;
    for (int i = 0; i < FD_DRIVES; i++) {
        s->drive[i].perpendicular = 0;
        s->drive[i].media_changed = 1;
    }
    fdc_controller_reset(s, false);
}

static bool fdc_realize(Device *dev, Error **errp)
{
    Fdc *s = FDC(dev);
    for (int i = 0; i < FD_DRIVES; i++) {
        s->drive[i].type = FDC_DRIVE_NONE;
        s->drive[i].heads = 1;
    }
    if (s->fallback == FDC_DRIVE_AUTO || s->fallback == FDC_DRIVE_NONE)
        return error_set(errp, "Cannot choose a fallback FDrive type of '%s'", fdc_drive_type_names[s->fallback]);
    if (s->iobase > 0xfff8)
        return error_set(errp, "iobase 0x%x is beyond the ports", s->iobase);
    s->num_floppies = FD_DRIVES;
    timer_init(&s->result_timer, fdc_id_came_by, s);
    s->irq = isa_irq(&s->isa, s->irqno, errp);
    if (!s->irq || !isa_map_io(&s->isa, &s->io[0], &fdc_low_io, s, (uint16_t)(s->iobase + 1), 5, errp) ||
        !isa_map_io(&s->isa, &s->io[1], &fdc_high_io, s, (uint16_t)(s->iobase + 7), 1, errp))
        return false;
    if (s->dma_chan != FDC_NO_DMA && !isa_dma_register(&s->isa, s->dma_chan, fdc_dma_transfer, s, errp))
        return false;
    bus_init(&s->bus, dev, BUS_FLOPPY, NULL);
    s->bus.opaque = s;
    s->bus.max_devices = FD_DRIVES;
    fdc_reset(dev);
    return true;
}

static void fdc_unrealize(Device *dev)
{
    Fdc *s = FDC(dev);
    timer_stop(&s->result_timer);
    if (s->dma_chan != FDC_NO_DMA)
        isa_dma_unregister(&s->isa, s->dma_chan);
}

static const Prop fdc_props[] = {
    PROP_U32("iobase", Fdc, iobase, 0x3f0, "first I/O port"),
    PROP_U32("irq", Fdc, irqno, 6, "ISA interrupt line"),
    PROP_U32("dma", Fdc, dma_chan, 2, "ISA DMA channel"),
    PROP_ENUM("fdtypeA", Fdc, wanted[0], fdc_drive_type_names, FDC_DRIVE_AUTO, "type of drive A"),
    PROP_ENUM("fdtypeB", Fdc, wanted[1], fdc_drive_type_names, FDC_DRIVE_AUTO, "type of drive B"),
    PROP_ENUM("fallback", Fdc, fallback, fdc_drive_type_names, FDC_DRIVE_288,
              "type of a drive that starts without a medium"),
    PROP_I32("bootindexA", Fdc, bootindex[0], -1, "drive A's place in the boot order"),
    PROP_I32("bootindexB", Fdc, bootindex[1], -1, "drive B's place in the boot order"),
    {}};

/* Each drive with its _FDI package (ACPI 6.4, 9.9.2): the BIOS's type, the last cylinder, sectors and heads of its
 * formats; _FDE. */
static void fdc_asl(Device *dev, GString *out)
{
    static const struct {
        uint8_t bios, cylinders, sectors;
    } types[] = {[FDC_DRIVE_144] = {4, 82, 24}, [FDC_DRIVE_288] = {5, 79, 48}, [FDC_DRIVE_120] = {2, 82, 20}};
    g_string_append(out, "(device FDC0 (name _HID (eisa PNP0700)) (name _CRS (resources (io 1 0x3f2 0x3f2 0 4)"
                         " (io 1 0x3f7 0x3f7 0 1) (irq 6) (dma 2 0)))");
    for (unsigned i = 0; i < 2; i++) {
        FdcDriveType t = fdc_drive_type(dev, i);
        if (t < ARRAY_SIZE(types))
            g_string_append_printf(
                out,
                "(device FLP%c (name _ADR %u) (name _FDI (package 16 %u %u %u %u 1 0xaf 2 0x25 2 0x12"
                " 0x1b 0xff 0x6c 0xf6 15 8)))",
                'A' + i, i, i, types[t].bios, types[t].cylinders, types[t].sectors);
    }
    g_string_append_printf(out, "(name _FDE (buffer %u 0 0 0 %u 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0)))",
                           fdc_drive_type(dev, 0) < ARRAY_SIZE(types), fdc_drive_type(dev, 1) < ARRAY_SIZE(types));
}

const DeviceDesc isa_fdc = {
    .flags = DEV_NO_TWIN,
    .name = "isa-fdc",
    .summary = "virtual floppy controller",
    .bus = BUS_ISA,
    .category = DEV_STORAGE,
    .size = sizeof(Fdc),
    .props = fdc_props,
    .vmstate = &fdc_vmstate,
    .realize = fdc_realize,
    .unrealize = fdc_unrealize,
    .reset = fdc_reset,
    .asl = fdc_asl,
};

static const Prop bus_props[] = {PROP_U32("unit", FloppyDevice, unit, UINT32_MAX, "0: drive A, 1: drive B"), {}};

static bool bus_realize(Device *dev, Error **errp)
{
    FloppyDevice *d = FLOPPY(dev);
    const Fdc *s = dev->bus->opaque;
    if (d->unit == UINT32_MAX)
        d->unit = s->drive[0].dev ? 1 : 0;
    if (d->unit >= FD_DRIVES)
        return error_set(errp, "Can't create floppy unit %u, bus supports only %u units", d->unit, FD_DRIVES);
    if (s->drive[d->unit].dev)
        return error_set(errp, "Floppy unit %u is in use", d->unit);
    return true;
}

static char *bus_dev_path(Device *dev)
{
    return g_strdup_printf("floppy@%u", FLOPPY(dev)->unit);
}

const BusDesc floppy_bus_desc = {
    .type = BUS_FLOPPY,
    .name = "floppy-bus",
    .device_type = "device",
    .props = bus_props,
    .realize = bus_realize,
    .dev_path = bus_dev_path,
};

static bool floppy_realize(Device *dev, Error **errp)
{
    FloppyDevice *f = FLOPPY(dev);
    Fdc *s = dev->bus->opaque;
    FdDrive *d = &s->drive[f->unit];
    if (!f->conf.blk)
        f->conf.blk = blk_new(NULL); /* an empty drive */
    f->conf.rerror = f->conf.werror = BLOCK_ON_ERROR_AUTO;
    if (f->conf.logical_block_size > 512 || f->conf.physical_block_size > 512)
        return error_set(errp, "Physical and logical block size must be 512 for floppy");
    if (!bootindex_free(s->bootindex[f->unit], errp))
        return false;
    dev->bootindex = s->bootindex[f->unit];
    bool read_only = blk_inserted(f->conf.blk) && blk_read_only(f->conf.blk);
    if (!blockconf_attach(&f->conf, dev, &fd_ops, d, read_only, false, errp))
        return false;
    d->dev = dev;
    d->blk = f->conf.blk;
    d->conf = &f->conf;
    d->type = FDC_DRIVE_AUTO;
    d->media_changed = 1;
    fd_revalidate(d, f->type != FDC_DRIVE_AUTO ? f->type : s->wanted[f->unit], s->fallback);
    d->sect = 1;
    fdc_controller_reset(s, false); /* SRA tells of a second drive */
    return true;
}

static void floppy_unrealize(Device *dev)
{
    Fdc *s = dev->bus->opaque;
    FdDrive *d = &s->drive[FLOPPY(dev)->unit];
    timer_stop(&s->result_timer);
    fdc_drive_gone(s, d);
    *d = (FdDrive){.type = FDC_DRIVE_NONE, .heads = 1};
}

static const Prop floppy_props[] = {
    BLOCK_CONF_BASE_PROPS(FloppyDevice),
    PROP_ENUM("drive-type", FloppyDevice, type, fdc_drive_type_names, FDC_DRIVE_AUTO, "type of the drive"),
    {}};

const DeviceDesc floppy = {
    .name = "floppy",
    .summary = "virtual floppy drive",
    .bus = BUS_FLOPPY,
    .category = DEV_STORAGE,
    .flags = DEV_NO_TWIN,
    .size = sizeof(FloppyDevice),
    .props = floppy_props,
    .realize = floppy_realize,
    .unrealize = floppy_unrealize,
};

/* ---- for boards ---- */

bool fdc_create_drives(Device *dev, Error **errp)
{
    Fdc *s = FDC(dev);
    for (int i = 0; i < FD_DRIVES; i++) {
        DriveInfo *di = drive_get(DRIVE_IF_FLOPPY, 0, i);
        if (!di)
            continue;
        Device *d = device_new_named("floppy");
        device_set_uint(d, "unit", (uint64_t)i);
        device_set_str(d, "drive", blk_name(di->blk));
        if (!device_realize(d, &s->bus, errp))
            return di->where ? error_prepend(errp, "%s: ", di->where) : false;
    }
    return true;
}

FdcDriveType fdc_drive_type(Device *dev, unsigned n)
{
    return dev && n < FD_DRIVES && FDC(dev)->drive[n].dev ? FDC(dev)->drive[n].type : FDC_DRIVE_NONE;
}

uint8_t fdc_cmos_types(Device *dev)
{
    static const uint8_t code[] = {
        [FDC_DRIVE_144] = 4, [FDC_DRIVE_288] = 5, [FDC_DRIVE_120] = 2, [FDC_DRIVE_NONE] = 0, [FDC_DRIVE_AUTO] = 0};
    return (uint8_t)(code[fdc_drive_type(dev, 0)] << 4 | code[fdc_drive_type(dev, 1)]);
}

unsigned fdc_drive_count(Device *dev)
{
    return (fdc_drive_type(dev, 0) != FDC_DRIVE_NONE) + (fdc_drive_type(dev, 1) != FDC_DRIVE_NONE);
}
