/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices on an IDE bus: ide-hd and ide-cd, and the bus type. */
#include "hw/ide/ata.h"

#include "block/drive.h"

#include <stdio.h>

#define IDE_DEVICE(d) container_of(d, IdeDevice, dev)
#define VERSION       "2.5+" /* what QEMU's drives call their firmware */

static const Prop bus_props[] = {PROP_U32("unit", IdeDevice, unit, UINT32_MAX, "0: master, 1: slave"), {}};

static bool bus_realize(Device *dev, Error **errp)
{
    IdeDevice *d = IDE_DEVICE(dev);
    const IdeChannel *ch = dev->bus->opaque;
    if (d->unit == UINT32_MAX)
        d->unit = ch->drive[0].dev ? 1 : 0;
    if (d->unit > 1)
        return error_set(errp, "Can't create IDE unit %u, bus supports only 2 units", d->unit);
    if (ch->drive[d->unit].dev)
        return error_set(errp, "IDE unit %u is in use", d->unit);
    return true;
}

static char *bus_dev_path(Device *dev)
{
    const IdeChannel *ch = dev->bus->opaque;
    return g_strdup_printf("drive@%x/disk@%u", ch->id, IDE_DEVICE(dev)->unit);
}

const BusDesc ide_bus_desc = {
    .type = BUS_IDE,
    .name = "IDE",
    .device_type = "ide-device",
    .props = bus_props,
    .realize = bus_realize,
    .dev_path = bus_dev_path,
};

static void set_text(char *dst, size_t size, const char *given, const char *otherwise)
{
    g_strlcpy(dst, given ? given : otherwise, size);
}

static bool realize(Device *dev, IdeKind kind, Error **errp)
{
    IdeDevice *d = IDE_DEVICE(dev);
    BlockConf *c = &d->conf;
    IdeChannel *ch = dev->bus->opaque;
    IdeDrive *s = &ch->drive[d->unit];
    if (kind == IDE_CD && !c->blk)
        c->blk = blk_new(NULL); /* an empty drive */
    if (kind == IDE_HD && c->blk && !blk_inserted(c->blk))
        return error_set(errp, "Device needs media, but drive is empty");
    if (c->discard_granularity == DISCARD_GRANULARITY_AUTO)
        c->discard_granularity = 512;
    else if (c->discard_granularity && c->discard_granularity != 512)
        return error_set(errp, "discard_granularity must be 512 for ide");
    if (!blockconf_attach(c, dev, kind == IDE_CD ? &ide_cd_ops : &ide_hd_ops, s, kind == IDE_CD, kind == IDE_HD, errp))
        return false;
    if (c->logical_block_size != 512)
        return error_set(errp, "logical_block_size must be 512 for IDE");
    if (kind == IDE_HD && !blockconf_geometry(c, 65535, 16, 255, errp))
        return false;
    g_autofree char *serial = g_strdup_printf("QM%05u", ch->id * 2u + d->unit + 1);
    set_text(s->serial, sizeof(s->serial), d->serial, serial);
    set_text(s->model, sizeof(s->model), d->model, kind == IDE_CD ? "QEMU DVD-ROM" : "QEMU HARDDISK");
    set_text(s->version, sizeof(s->version), d->version, VERSION);
    s->dev = dev;
    s->blk = c->blk;
    s->kind = kind;
    s->conf = c;
    s->wwn = d->wwn;
    s->rotation_rate = d->rotation_rate;
    s->sectors = blk_sectors(c->blk);
    s->cd_size = CD_SECTOR;
    s->tray_open = s->tray_locked = false;
    s->identify_set = 0;
    ide_drive_reset(s);
    blk_iostatus_enable(c->blk);
    return true;
}

static bool hd_realize(Device *dev, Error **errp)
{
    return realize(dev, IDE_HD, errp);
}

static bool cd_realize(Device *dev, Error **errp)
{
    return realize(dev, IDE_CD, errp);
}

static void unrealize(Device *dev)
{
    IdeChannel *ch = dev->bus->opaque;
    IdeDrive *s = &ch->drive[IDE_DEVICE(dev)->unit];
    ide_cancel(s);
    s->dev = NULL;
    s->blk = NULL;
    s->conf = NULL;
    s->sectors = 0;
}

#define IDE_PROPS                                                                                                      \
    BLOCK_CONF_BASE_PROPS(IdeDevice), BLOCK_CONF_ERROR_PROPS(IdeDevice),                                               \
        PROP_STR("serial", IdeDevice, serial, "serial number, at most 20 characters"),                                 \
        PROP_STR("model", IdeDevice, model, "model, at most 40 characters"),                                           \
        PROP_STR("ver", IdeDevice, version, "firmware revision, at most 8 characters"),                                \
        PROP_U64("wwn", IdeDevice, wwn, 0, "world wide name"),                                                         \
        PROP_I32("bootindex", IdeDevice, dev.bootindex, -1, "place in the boot order")

static const Prop hd_props[] = {
    IDE_PROPS,
    BLOCK_CONF_GEOMETRY_PROPS(IdeDevice),
    PROP_ENUM("bios-chs-trans", IdeDevice, conf.trans, bios_trans_names, TRANS_AUTO,
              "translation that the BIOS is to use"),
    PROP_U16("rotation_rate", IdeDevice, rotation_rate, 0, "turns a minute; 1: no rotating parts"),
    {}};
static const Prop cd_props[] = {IDE_PROPS, {}};

const DeviceDesc ide_hd = {
    .name = "ide-hd",
    .summary = "virtual IDE disk",
    .bus = BUS_IDE,
    .category = DEV_STORAGE,
    .flags = DEV_NO_TWIN,
    .size = sizeof(IdeDevice),
    .props = hd_props,
    .realize = hd_realize,
    .unrealize = unrealize,
};
const DeviceDesc ide_cd = {
    .name = "ide-cd",
    .summary = "virtual IDE CD-ROM",
    .bus = BUS_IDE,
    .category = DEV_STORAGE,
    .flags = DEV_NO_TWIN,
    .size = sizeof(IdeDevice),
    .props = cd_props,
    .realize = cd_realize,
    .unrealize = unrealize,
};
