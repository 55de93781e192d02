/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy drives: formats by the size of the image, and what a change of the medium does. */
#include "hw/block/fdc-internal.h"

const char *const fdc_drive_type_names[] = {"144", "288", "120", "none", "auto", NULL};

enum { RATE_500K, RATE_300K, RATE_250K, RATE_1M }; /* as in DSR and CCR */

/* Formats in use on PCs; the first of a size that the drive can read is taken. A drive of type 144 reads what 120
 * cannot, and 3.5" drives of 2.88 MB all of 144's. */
static const struct {
    FdcDriveType drive;
    uint8_t sectors, tracks, heads, rate;
} formats[] = {
    /* 3.5", 1.44 MB and its stretches */
    {FDC_DRIVE_144, 18, 80, 2, RATE_500K},
    {FDC_DRIVE_144, 20, 80, 2, RATE_500K},
    {FDC_DRIVE_144, 21, 80, 2, RATE_500K},
    {FDC_DRIVE_144, 21, 82, 2, RATE_500K},
    {FDC_DRIVE_144, 21, 83, 2, RATE_500K},
    {FDC_DRIVE_144, 22, 80, 2, RATE_500K},
    {FDC_DRIVE_144, 23, 80, 2, RATE_500K},
    {FDC_DRIVE_144, 24, 80, 2, RATE_500K},
    /* 2.88 MB */
    {FDC_DRIVE_288, 36, 80, 2, RATE_1M},
    {FDC_DRIVE_288, 39, 80, 2, RATE_1M},
    {FDC_DRIVE_288, 40, 80, 2, RATE_1M},
    {FDC_DRIVE_288, 44, 80, 2, RATE_1M},
    {FDC_DRIVE_288, 48, 80, 2, RATE_1M},
    /* 720 KB */
    {FDC_DRIVE_144, 9, 80, 2, RATE_250K},
    {FDC_DRIVE_144, 10, 80, 2, RATE_250K},
    {FDC_DRIVE_144, 10, 82, 2, RATE_250K},
    {FDC_DRIVE_144, 10, 83, 2, RATE_250K},
    {FDC_DRIVE_144, 13, 80, 2, RATE_250K},
    {FDC_DRIVE_144, 14, 80, 2, RATE_250K},
    /* 5.25", 1.2 MB */
    {FDC_DRIVE_120, 15, 80, 2, RATE_500K},
    {FDC_DRIVE_120, 18, 80, 2, RATE_500K},
    {FDC_DRIVE_120, 18, 82, 2, RATE_500K},
    {FDC_DRIVE_120, 18, 83, 2, RATE_500K},
    {FDC_DRIVE_120, 20, 80, 2, RATE_500K},
    /* 720 KB and less */
    {FDC_DRIVE_120, 9, 80, 2, RATE_250K},
    {FDC_DRIVE_120, 11, 80, 2, RATE_250K},
    {FDC_DRIVE_120, 9, 40, 2, RATE_300K},
    {FDC_DRIVE_120, 9, 40, 1, RATE_300K},
    {FDC_DRIVE_120, 10, 41, 2, RATE_300K},
    {FDC_DRIVE_120, 10, 42, 2, RATE_300K},
    {FDC_DRIVE_120, 8, 40, 2, RATE_250K},
    {FDC_DRIVE_120, 8, 40, 1, RATE_250K},
    /* 360 KB on 3.5" */
    {FDC_DRIVE_144, 9, 40, 2, RATE_250K},
    {FDC_DRIVE_144, 9, 40, 1, RATE_250K},
};

/* 3.5" drives read each other's media. */
static bool fits(FdcDriveType drive, FdcDriveType medium)
{
    return drive == FDC_DRIVE_AUTO || drive == medium || (drive == FDC_DRIVE_288 && medium == FDC_DRIVE_144);
}

void fd_revalidate(FdDrive *d, FdcDriveType wanted, FdcDriveType fallback)
{
    FdcDriveType drive = d->type != FDC_DRIVE_AUTO ? d->type : wanted;
    d->inserted = blk_inserted(d->blk);
    d->read_only = d->inserted && blk_read_only(d->blk);
    if (d->inserted) {
        uint64_t sectors = blk_sectors(d->blk);
        int match = -1, own = -1;
        for (int i = 0; i < (int)ARRAY_SIZE(formats); i++) {
            if (!fits(drive, formats[i].drive))
                continue;
            if (match < 0 && sectors == (uint64_t)formats[i].sectors * formats[i].tracks * formats[i].heads)
                match = i;
            if (own < 0 && (drive == FDC_DRIVE_AUTO || formats[i].drive == drive))
                own = i;
        }
        if (match < 0)
            match = own; /* an odd size: the drive's first format */
        if (match >= 0) {
            d->last_sect = formats[match].sectors;
            d->max_track = formats[match].tracks;
            d->heads = formats[match].heads;
            d->media_rate = formats[match].rate;
            if (drive == FDC_DRIVE_AUTO)
                drive = formats[match].drive;
        }
    } else {
        d->last_sect = 0;
        d->max_track = 0;
        d->heads = 1;
        if (drive == FDC_DRIVE_AUTO)
            drive = fallback;
    }
    d->type = drive;
}

uint64_t fd_sector(const FdDrive *d)
{
    return ((uint64_t)d->track * d->heads + d->head) * d->last_sect + d->sect - 1;
}

static void fd_changed(void *opaque, bool loaded)
{
    FdDrive *d = opaque;
    d->media_changed = 1;
    fd_revalidate(d, d->type, d->type);
}

static void fd_resized(void *opaque)
{
    fd_changed(opaque, true);
}

const BlockDevOps fd_ops = {.removable = true, .medium_changed = fd_changed, .resized = fd_resized};
