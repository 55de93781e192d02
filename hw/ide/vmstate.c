/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration state of a channel and its drives, as QEMU's stream has it. Written with nothing in flight: a stopped
 * VM has drained its disks. What QEMU's stream has no place for (a CD-ROM's next frame, SMART settings) is in
 * subsections of our own, which are there only while they differ from the start.
 */
#include "hw/ide/ata.h"

static IdeDrive *drive_of(Device *opaque)
{
    return (IdeDrive *)opaque;
}

static bool identify_set(void *opaque, int version)
{
    return ((IdeDrive *)opaque)->identify_set != 0;
}

static bool pio_needed(void *opaque)
{
    const IdeDrive *s = opaque;
    return (s->status & ST_DRQ) && s->dma == DMA_NONE;
}

static bool pio_post_load(Device *dev, Error **errp)
{
    IdeDrive *s = drive_of(dev);
    if (s->end >= ENDS)
        return error_set(errp, "impossible end of a transfer: %u", s->end);
    if (s->buf_off < 0 || s->buf_len < 0 || s->buf_off > IDE_BUF_SIZE || s->buf_len > IDE_BUF_SIZE - s->buf_off)
        return error_set(errp, "transfer of %d bytes at %d is outside of its buffer", s->buf_len, s->buf_off);
    if (s->req_nb_sectors < 0 || s->req_nb_sectors > 16 || s->elementary_size < 0 || s->packet_size < 0)
        return error_set(errp, "impossible transfer size");
    s->pio_out = s->end == END_SECTOR_WRITE || s->end == END_ATAPI_CMD;
    return true;
}

static const VmState pio_vmstate = {
    .name = "ide_drive/pio_state",
    .version = 1,
    .min_version = 1,
    .needed = pio_needed,
    .post_load = pio_post_load,
    .fields = (const VmField[]){VM_I32(IdeDrive, req_nb_sectors),
                                {.name = "io_buffer",
                                 .kind = VM_BYTES,
                                 .offset = offsetof(IdeDrive, buf),
                                 .num = IDE_BUF_SIZE,
                                 .is_pointer = true},
                                VM_I32(IdeDrive, buf_off),
                                VM_I32(IdeDrive, buf_len),
                                VM_U8(IdeDrive, end),
                                VM_I32(IdeDrive, elementary_size),
                                VM_I32(IdeDrive, packet_size),
                                {}},
};

static bool tray_needed(void *opaque)
{
    const IdeDrive *s = opaque;
    return s->tray_open || s->tray_locked;
}

static const VmState tray_vmstate = {
    .name = "ide_drive/tray_state",
    .version = 1,
    .min_version = 1,
    .needed = tray_needed,
    .fields = (const VmField[]){VM_BOOL(IdeDrive, tray_open), VM_BOOL(IdeDrive, tray_locked), {}},
};

static bool gesn_needed(void *opaque)
{
    const IdeDrive *s = opaque;
    return s->new_media || s->eject_request;
}

static const VmState gesn_vmstate = {
    .name = "ide_drive/atapi/gesn_state",
    .version = 1,
    .min_version = 1,
    .needed = gesn_needed,
    .fields = (const VmField[]){VM_BOOL(IdeDrive, new_media), VM_BOOL(IdeDrive, eject_request), {}},
};

/* A packet command under way: where it is. */
static bool packet_needed(void *opaque)
{
    const IdeDrive *s = opaque;
    return s->kind == IDE_CD && (s->status & (ST_DRQ | ST_BUSY)) && s->end != END_ATAPI_CMD;
}

static bool packet_post_load(Device *dev, Error **errp)
{
    IdeDrive *s = drive_of(dev);
    if (s->dma > DMA_ATAPI || s->lba < -1 || (s->cd_size != CD_SECTOR && s->cd_size != 2352) || s->packet_size < 0 ||
        s->io_index < 0 || s->io_index > IDE_BUF_SIZE)
        return error_set(errp, "impossible packet command");
    return true;
}

static const VmState packet_vmstate = {
    .name = "ide_drive/packet",
    .version = 1,
    .min_version = 1,
    .needed = packet_needed,
    .post_load = packet_post_load,
    .fields = (const VmField[]){VM_U8(IdeDrive, dma),
                                VM_I32(IdeDrive, lba),
                                VM_I32(IdeDrive, cd_size),
                                VM_I32(IdeDrive, packet_size),
                                VM_I32(IdeDrive, io_index),
                                VM_BUFFER(IdeDrive, packet),
                                {.name = "buf",
                                 .kind = VM_BYTES,
                                 .offset = offsetof(IdeDrive, buf),
                                 .num = IDE_BUF_SIZE,
                                 .is_pointer = true},
                                {}},
};

static bool smart_needed(void *opaque)
{
    const IdeDrive *s = opaque;
    return !s->smart_enabled || !s->smart_autosave || s->smart_selftests;
}

static bool smart_post_load(Device *dev, Error **errp)
{
    IdeDrive *s = drive_of(dev);
    return s->smart_selftests <= 21 || error_set(errp, "impossible number of self-tests: %u", s->smart_selftests);
}

static const VmState smart_vmstate = {
    .name = "ide_drive/smart",
    .version = 1,
    .min_version = 1,
    .needed = smart_needed,
    .post_load = smart_post_load,
    .fields = (const VmField[]){VM_BOOL(IdeDrive, smart_enabled),
                                VM_BOOL(IdeDrive, smart_autosave),
                                VM_U8(IdeDrive, smart_selftests),
                                VM_BUFFER(IdeDrive, smart_log),
                                {}},
};

static bool translation_needed(void *opaque)
{
    const IdeDrive *s = opaque;
    return s->conf && (s->heads != s->conf->heads || s->secs != s->conf->secs || s->reset_reverts);
}

static bool translation_post_load(Device *dev, Error **errp)
{
    const IdeDrive *s = drive_of(dev);
    return (s->heads <= 16 && s->secs <= 255) || error_set(errp, "impossible geometry");
}

static const VmState translation_vmstate = {
    .name = "ide_drive/translation",
    .version = 1,
    .min_version = 1,
    .needed = translation_needed,
    .post_load = translation_post_load,
    .fields = (const VmField[]){VM_U32(IdeDrive, heads), VM_U32(IdeDrive, secs), VM_BOOL(IdeDrive, reset_reverts), {}},
};

static bool drive_post_load(Device *dev, Error **errp)
{
    IdeDrive *s = drive_of(dev);
    if (s->mult_sectors < 0 || s->mult_sectors > 16)
        return error_set(errp, "impossible multiple count %d", s->mult_sectors);
    if (s->nsector > 65536)
        return error_set(errp, "impossible sector count %u", s->nsector);
    if (s->blk && s->identify_set)
        blk_set_enable_write_cache(s->blk, lduw_le(s->identify + 170) & 0x20);
    return true;
}

static bool drive_pre_load(Device *dev, Error **errp)
{
    IdeDrive *s = drive_of(dev);
    ide_transfer_stop(s);
    s->tray_open = s->tray_locked = s->new_media = s->eject_request = false;
    s->smart_enabled = s->smart_autosave = true;
    s->smart_selftests = 0;
    memset(s->smart_log, 0, sizeof(s->smart_log));
    s->heads = s->conf ? s->conf->heads : 0;
    s->secs = s->conf ? s->conf->secs : 0;
    s->reset_reverts = false;
    s->dma = DMA_NONE;
    s->dma_go = false;
    s->packet_size = s->elementary_size = s->io_index = s->lba = 0;
    s->cd_size = CD_SECTOR;
    return true;
}

const VmState ide_drive_vmstate = {
    .name = "ide_drive",
    .version = 3,
    .min_version = 3,
    .pre_load = drive_pre_load,
    .post_load = drive_post_load,
    .fields = (const VmField[]){VM_I32(IdeDrive, mult_sectors),
                                VM_I32(IdeDrive, identify_set),
                                {.name = "identify_data",
                                 .kind = VM_BYTES,
                                 .offset = offsetof(IdeDrive, identify),
                                 .num = 512,
                                 .exists = identify_set},
                                VM_U8(IdeDrive, feature),
                                VM_U8(IdeDrive, error),
                                VM_U32(IdeDrive, nsector),
                                VM_U8(IdeDrive, sector),
                                VM_U8(IdeDrive, lcyl),
                                VM_U8(IdeDrive, hcyl),
                                VM_U8(IdeDrive, hob_feature),
                                VM_U8(IdeDrive, hob_sector),
                                VM_U8(IdeDrive, hob_nsector),
                                VM_U8(IdeDrive, hob_lcyl),
                                VM_U8(IdeDrive, hob_hcyl),
                                VM_U8(IdeDrive, select),
                                VM_U8(IdeDrive, status),
                                VM_U8(IdeDrive, lba48),
                                VM_U8(IdeDrive, sense_key),
                                VM_U8(IdeDrive, asc),
                                VM_U8(IdeDrive, cdrom_changed),
                                {}},
    .subsections = (const VmState *const[]){&pio_vmstate, &tray_vmstate, &gesn_vmstate, &packet_vmstate, &smart_vmstate,
                                            &translation_vmstate, NULL},
};

static bool error_needed(void *opaque)
{
    return ((IdeChannel *)opaque)->error_status != 0;
}

static bool error_post_load(Device *dev, Error **errp)
{
    const IdeChannel *ch = (const IdeChannel *)dev;
    if (ch->retry_unit > 1 || ch->retry_nsector > 65536 || ch->retry_sector < 0)
        return error_set(errp, "impossible request to retry");
    return true;
}

static const VmState error_vmstate = {
    .name = "ide_bus/error",
    .version = 2,
    .min_version = 1,
    .needed = error_needed,
    .post_load = error_post_load,
    .fields = (const VmField[]){VM_I32(IdeChannel, error_status),
                                VM_I64(IdeChannel, retry_sector),
                                VM_U32(IdeChannel, retry_nsector),
                                VM_U8(IdeChannel, retry_unit),
                                {}},
};

static bool channel_pre_load(Device *dev, Error **errp)
{
    ((IdeChannel *)dev)->error_status = 0;
    return true;
}

static bool channel_post_load(Device *dev, Error **errp)
{
    const IdeChannel *ch = (const IdeChannel *)dev;
    return ch->unit <= 1 || error_set(errp, "impossible drive number %u", ch->unit);
}

const VmState ide_channel_vmstate = {
    .name = "ide_bus",
    .version = 1,
    .min_version = 1,
    .pre_load = channel_pre_load,
    .post_load = channel_post_load,
    .fields = (const VmField[]){VM_U8(IdeChannel, cmd), VM_U8(IdeChannel, unit), {}},
    .subsections = (const VmState *const[]){&error_vmstate, NULL},
};
