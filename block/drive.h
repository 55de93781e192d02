/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -drive, -blockdev and their short forms: what main collects, what boards take, and the monitor's commands on media.
 *
 * main: drive_option*() and blockdev_option() in the order of the command line; once the machine is known
 * drives_init(), which opens them and makes the default drives; after the machine is built drives_check_orphans().
 */
#ifndef BLOCK_DRIVE_H
#define BLOCK_DRIVE_H

#include "block/block.h"
#include "block/throttle.h"

typedef enum DriveIf {
    DRIVE_IF_DEFAULT = -1, /* the machine's */
    DRIVE_IF_NONE,
    DRIVE_IF_IDE,
    DRIVE_IF_SCSI,
    DRIVE_IF_FLOPPY,
    DRIVE_IF_PFLASH,
    DRIVE_IF_MTD,
    DRIVE_IF_SD,
    DRIVE_IF_VIRTIO,
    DRIVE_IF_XEN,
    DRIVE_IFS,
} DriveIf;

typedef struct DriveInfo {
    DriveIf type;
    int bus, unit;
    bool media_cd;
    bool is_default; /* made because nobody asked otherwise */
    bool claimed;    /* a board or device took it */
    char *where;     /* the option's text, for messages */
    Block *blk;
    struct DriveInfo *next;
} DriveInfo;

/* -drive TEXT ("file=x,if=ide,..."). */
bool drive_option(const char *text, Error **errp);
/* format=help there: the formats are listed on stdout. */
bool drive_option_help(const char *text);
/* -hda (IDE, 0, NULL) .. -hdd, -cdrom (DEFAULT, 2, "media=cdrom"), -fda (FLOPPY, 0), -sd, -pflash, a bare image
 * (DEFAULT, 0, "media=disk"): path is taken as it is, commas and all; extra: more key=value text. index -1: the next
 * free. option: for messages. */
bool drive_option_file(const char *option, const char *path, DriveIf type, int index, const char *extra, Error **errp);
/* -blockdev TEXT: JSON or key=value. */
bool blockdev_option(const char *text, Error **errp);
typedef struct DrivesConfig {
    DriveIf default_if;                                 /* the machine's: DRIVE_IF_IDE on pc and q35 */
    bool snapshot;                                      /* -snapshot */
    bool default_floppy, default_cdrom, default_sdcard; /* make them where free; not with -nodefaults */
} DrivesConfig;
bool drives_init(const DrivesConfig *cfg, Error **errp); /* errors begin with the option's text */
/* Boards: the drive for a place, marked as claimed; NULL where none. */
DriveInfo *drive_get(DriveIf type, int bus, int unit);
DriveInfo *drive_claim_next(DriveIf type, DriveInfo *after); /* each one in turn; after NULL begins, NULL ends */
int drive_max_bus(DriveIf type);                             /* -1: none */
/* -drive's that named an interface which the machine did not take: each is an error message; false where there was one.
 */
bool drives_check_orphans(void);

/* Monitor: HMP drive_add and drive_del, QMP blockdev-*. opts: the command's arguments (borrowed). drive_add_node():
 * drive_add -n, a node that is nobody's medium. */
bool drive_add_hmp(const char *text, Error **errp);
bool drive_add_node(const char *text, Error **errp);
bool drive_del(const char *id, Error **errp);
bool blockdev_add(const Json *opts, Error **errp);
bool blockdev_del(const char *node_name, Error **errp);
/* Exactly one of device (handle's name) and id (qdev) is not NULL. */
bool block_eject(const char *device, const char *id, bool force, Error **errp);
bool block_open_tray(const char *device, const char *id, bool force, Error **errp);
bool block_close_tray(const char *device, const char *id, Error **errp);
bool block_remove_medium(const char *device, const char *id, Error **errp);
bool block_insert_medium(const char *device, const char *id, const char *node_name, Error **errp);
/* format, read_only_mode ("retain" "read-only" "read-write") may be NULL. */
bool block_change_medium(const char *device, const char *id, const char *filename, const char *format,
                         const char *read_only_mode, bool force, Error **errp);
bool block_set_io_throttle(const char *device, const char *id, const char *group, const ThrottleLimits *l,
                           Error **errp);
/* The overlay (with nothing behind it) takes the node's place, the node goes behind it. */
bool block_snapshot(const char *node_name, const char *overlay, Error **errp);
/* The same with an overlay made (or existing) in a file. One of device and node_name, with node_name snapshot_node;
 * format may be NULL. */
bool block_snapshot_sync(const char *device, const char *node_name, const char *file, const char *snapshot_node,
                         const char *format, bool existing, Error **errp);
/* What the device's overlay holds (all: those of all drives) goes into what backs it; the guest waits meanwhile. */
bool block_commit(const char *device, Error **errp);
bool block_commit_all(Error **errp);
/* An overlay whose data is all below now lets go of it, drained; one that cannot keeps it, which is the same. 0 or
 * -errno. */
int block_make_empty(BlockNode *top);
bool block_resize(const char *device, const char *node_name, uint64_t size, Error **errp);

#endif
