/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every disk device has: its drive= and the properties about sizes, errors and caching. Embedded in a device's struct as
 * `conf`; the macros add the properties to its table.
 */
#ifndef HW_BLOCK_BLOCKCONF_H
#define HW_BLOCK_BLOCKCONF_H

#include "block/block.h"

typedef enum BiosTranslation { TRANS_AUTO, TRANS_NONE, TRANS_LBA, TRANS_LARGE, TRANS_RECHS } BiosTranslation;

typedef struct BlockConf {
    Block *blk;
    uint64_t logical_block_size, physical_block_size, min_io_size, opt_io_size, discard_granularity;
    OnOffAuto write_cache, backend_defaults, account_invalid, account_failed;
    bool share_rw;
    int rerror, werror; /* BlockOnError */
    /* hard disks */
    uint32_t cyls, heads, secs;    /* what the drive says; 0: made up */
    uint32_t lcyls, lheads, lsecs; /* what the BIOS is to say */
    int trans;                     /* BiosTranslation */
} BlockConf;

extern const char *const bios_trans_names[];
#define DISCARD_GRANULARITY_AUTO 0xffffffffULL

#define BLOCK_CONF_BASE_PROPS(S)                                                                                       \
    PROP_DRIVE("drive", S, conf.blk, "Node name or ID of a block device to use as a backend"),                         \
        PROP_SIZE("logical_block_size", S, conf.logical_block_size, 0, "A power of two between 512 B and 2 MiB"),      \
        PROP_SIZE("physical_block_size", S, conf.physical_block_size, 0, "A power of two between 512 B and 2 MiB"),    \
        PROP_SIZE("min_io_size", S, conf.min_io_size, 0, "smallest preferred transfer"),                               \
        PROP_SIZE("opt_io_size", S, conf.opt_io_size, 0, "best transfer size"),                                        \
        PROP_SIZE("discard_granularity", S, conf.discard_granularity, DISCARD_GRANULARITY_AUTO, "0: no discard"),      \
        PROP_ON_OFF_AUTO("write-cache", S, conf.write_cache, ON_OFF_AUTO_AUTO, "auto: as the drive's cache="),         \
        PROP_ON_OFF_AUTO("backend_defaults", S, conf.backend_defaults, ON_OFF_AUTO_AUTO, "block sizes of the back end"), \
        PROP_ON_OFF_AUTO("account-invalid", S, conf.account_invalid, ON_OFF_AUTO_AUTO, "count refused requests"),      \
        PROP_ON_OFF_AUTO("account-failed", S, conf.account_failed, ON_OFF_AUTO_AUTO, "count failed requests"),         \
        PROP_BOOL("share-rw", S, conf.share_rw, false, "let others write the image too")
#define BLOCK_CONF_ERROR_PROPS(S)                                                                                      \
    PROP_ENUM("rerror", S, conf.rerror, block_on_error_names, BLOCK_ON_ERROR_AUTO, "what a read error does"),          \
        PROP_ENUM("werror", S, conf.werror, block_on_error_names, BLOCK_ON_ERROR_AUTO, "what a write error does")
#define BLOCK_CONF_GEOMETRY_PROPS(S)                                                                                   \
    PROP_U32("cyls", S, conf.cyls, 0, "cylinders"), PROP_U32("heads", S, conf.heads, 0, "heads"),                      \
        PROP_U32("secs", S, conf.secs, 0, "sectors per track"),                                                        \
        PROP_U32("lcyls", S, conf.lcyls, 0, "logical cylinders, for the BIOS"),                                        \
        PROP_U32("lheads", S, conf.lheads, 0, "logical heads"), PROP_U32("lsecs", S, conf.lsecs, 0, "logical sectors")

/* Check the properties and claim the drive: attaches dev with ops; read_only: never writes; resizable: lets others resize it.
 * The drive's medium may be absent. */
bool blockconf_attach(BlockConf *c, Device *dev, const BlockDevOps *ops, void *opaque, bool read_only, bool resizable, Error **errp);
/* Fill cyls, heads, secs and trans where they are not given, and check them. */
bool blockconf_geometry(BlockConf *c, uint32_t max_cyls, uint32_t max_heads, uint32_t max_secs, Error **errp);

#endif
