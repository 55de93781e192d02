/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/block/blockconf.h"

const char *const bios_trans_names[] = {"auto", "none", "lba", "large", "rechs", NULL};

static bool check_size(uint64_t size, const char *name, Error **errp)
{
    if (size < 512 || size > 2 * MIB || (size & (size - 1)))
        return error_set(errp, "%s must be a power of two between 512 B and 2 MiB, not %" PRIu64, name, size);
    return true;
}

bool blockconf_attach(BlockConf *c, Device *dev, const BlockDevOps *ops, void *opaque, bool read_only, bool resizable,
                      Error **errp)
{
    if (!c->blk)
        return error_set(errp, "No drive specified");
    if (!c->logical_block_size)
        c->logical_block_size = BLOCK_SECTOR;
    if (!c->physical_block_size)
        c->physical_block_size = BLOCK_SECTOR;
    if (!check_size(c->logical_block_size, "logical_block_size", errp) ||
        !check_size(c->physical_block_size, "physical_block_size", errp))
        return false;
    if (c->logical_block_size > c->physical_block_size)
        return error_set(errp, "logical_block_size > physical_block_size not supported");
    if (c->min_io_size % c->logical_block_size)
        return error_set(errp, "min_io_size must be a multiple of logical_block_size");
    if (c->opt_io_size % c->logical_block_size)
        return error_set(errp, "opt_io_size must be a multiple of logical_block_size");
    if (c->discard_granularity != DISCARD_GRANULARITY_AUTO && c->discard_granularity % c->logical_block_size)
        return error_set(errp, "discard_granularity must be a multiple of logical_block_size");
    if (c->rerror == BLOCK_ON_ERROR_ENOSPC)
        return error_set(errp, "rerror=enospc is not possible: use report, ignore or stop");
    if (!blk_attach(c->blk, dev, ops, opaque, errp))
        return false;
    unsigned perm = BLOCK_PERM_CONSISTENT_READ | (read_only ? 0 : BLOCK_PERM_WRITE);
    unsigned shared = BLOCK_PERM_CONSISTENT_READ | BLOCK_PERM_WRITE_UNCHANGED | (resizable ? BLOCK_PERM_RESIZE : 0) |
                      (c->share_rw ? BLOCK_PERM_WRITE : 0);
    if (!blk_set_perm(c->blk, perm, shared, errp))
        return false;
    if (c->write_cache != ON_OFF_AUTO_AUTO)
        blk_set_enable_write_cache(c->blk, c->write_cache == ON_OFF_AUTO_ON);
    blk_set_on_error(c->blk, c->rerror, c->werror);
    blk_set_accounting(c->blk, c->account_invalid, c->account_failed);
    return true;
}

bool blockconf_geometry(BlockConf *c, uint32_t max_cyls, uint32_t max_heads, uint32_t max_secs, Error **errp)
{
    if (!c->cyls && !c->heads && !c->secs) {
        uint32_t cyls, heads, secs;
        bool found = blk_guess_geometry(c->blk, &cyls, &heads, &secs);
        c->heads = 16;
        c->secs = 63;
        c->cyls = (uint32_t)CLAMP(blk_sectors(c->blk) / (16 * 63), 2, 16383);
        int trans;
        if (found &&
            heads > 16) { /* the partition table was made under a translation: the drive's own geometry stays */
            trans = cyls * heads <= 131072 ? TRANS_LARGE : TRANS_LBA;
        } else if (found) { /* as it was made, and no translation on top */
            c->cyls = cyls;
            c->heads = heads;
            c->secs = secs;
            trans = TRANS_NONE;
        } else {
            trans = c->cyls <= 1024 ? TRANS_NONE : TRANS_LBA;
        }
        if (c->trans == TRANS_AUTO)
            c->trans = trans;
    } else if (c->trans == TRANS_AUTO) {
        c->trans = c->cyls <= 1024 && c->heads <= 16 && c->secs <= 63 ? TRANS_NONE : TRANS_LBA;
    }
    if (!c->cyls && !c->heads && !c->secs)
        return true;
    if (c->cyls < 1 || c->cyls > max_cyls)
        return error_set(errp, "cyls must be between 1 and %u", max_cyls);
    if (c->heads < 1 || c->heads > max_heads)
        return error_set(errp, "heads must be between 1 and %u", max_heads);
    if (c->secs < 1 || c->secs > max_secs)
        return error_set(errp, "secs must be between 1 and %u", max_secs);
    return true;
}
