/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ATA and ATAPI core (ATA/ATAPI-7, MMC-5), independent of the controller: a channel of two drives with a task file, fed by a
 * controller (PIIX3 IDE, AHCI) that brings register accesses, scatter lists and an interrupt line.
 *
 * core.c: task file, data port, transfers, DMA, errors, reset     ata.c: commands of disks     atapi.c: packets of CD-ROMs
 */
#ifndef HW_IDE_ATA_H
#define HW_IDE_ATA_H

#include "hw/block/blockconf.h"
#include "hw/ide/ide.h"
#include "softmmu/memory.h"

enum { /* status */
    ST_ERR = 0x01,
    ST_INDEX = 0x02,
    ST_CORR = 0x04,
    ST_DRQ = 0x08,
    ST_DSC = 0x10, /* seek complete; SERVICE of ATAPI */
    ST_DF = 0x20,
    ST_READY = 0x40,
    ST_BUSY = 0x80,
};
enum { /* error */
    ER_ABRT = 0x04,
    ER_IDNF = 0x10,
    ER_UNC = 0x40,
};
enum { CTL_NIEN = 0x02, CTL_SRST = 0x04, CTL_HOB = 0x80 };    /* device control */
enum { SEL_HEAD = 0x0f, SEL_DEV = 0x10, SEL_LBA = 0x40, SEL_ONES = 0xa0 }; /* device/head */
enum { INT_CD = 1, INT_IO = 2, INT_REL = 4 };                 /* ATAPI interrupt reason, in nsector */

#define ATA_MULTIPLE_MAX 16
#define IDE_BUF_SIZE   (256 * 512 + 4)
#define CD_SECTOR      2048
#define ATAPI_CMD_SIZE 12

typedef struct IdeDrive IdeDrive;
typedef struct IdeChannel IdeChannel;

typedef enum IdeKind { IDE_HD, IDE_CD } IdeKind;

/* What follows when a PIO transfer's last word went by; the numbers stand in the migration stream. */
typedef enum IdeEnd { END_SECTOR_READ, END_SECTOR_WRITE, END_STOP, END_ATAPI_REPLY, END_ATAPI_CMD, END_DUMMY, ENDS } IdeEnd;

typedef enum IdeDma { DMA_NONE, DMA_READ, DMA_WRITE, DMA_TRIM, DMA_ATAPI } IdeDma;

enum { /* what is retried when a VM that stopped on an error runs again; the numbers stand in the migration stream */
    RETRY_DMA = 0x08,
    RETRY_PIO = 0x10,
    RETRY_READ = 0x20, /* of ATAPI: the packet */
    RETRY_FLUSH = 0x40,
    RETRY_TRIM = 0x80,
};

/* One piece of the guest's memory. */
typedef struct IdeSg {
    Gpa addr;
    uint32_t len;
} IdeSg;

/* What the core asks of the controller; opaque is IdeChannel.opaque. All under the VM lock. */
typedef struct IdeControllerOps {
    void (*set_irq)(void *opaque, bool level);
    /* A DMA command waits for data: call ide_dma_go(), now or when the guest starts the engine. */
    void (*dma_ready)(void *opaque);
    /* The scatter list, from its start, cut at limit bytes, appended to sg (of IdeSg); returns the list's whole length in
     * bytes, -1 where it cannot be read. */
    int64_t (*dma_list)(void *opaque, uint64_t limit, GArray *sg);
    /* The command is over (or failed); active: the list was longer than the transfer. */
    void (*dma_done)(void *opaque, bool active);
    MemResult (*dma_rw)(void *opaque, Gpa addr, void *buf, uint64_t len, bool to_memory);
    void *(*dma_map)(void *opaque, Gpa addr, uint64_t *len, bool to_memory);
    void (*dma_unmap)(void *opaque, void *host, uint64_t len, bool to_memory, uint64_t access_len);
} IdeControllerOps;

struct IdeDrive {
    IdeChannel *ch;
    uint8_t unit;
    /* config, from the ide-hd or ide-cd device in this place */
    Device *dev; /* NULL: no drive here */
    Block *blk;
    IdeKind kind;
    BlockConf *conf;
    char serial[21], model[41], version[9];
    uint64_t wwn;
    uint16_t rotation_rate;
    uint64_t sectors; /* of the medium, 512 bytes each */

    /* state that migrates */
    uint32_t heads, secs; /* the present translation: INITIALIZE DEVICE PARAMETERS */
    bool reset_reverts;
    int32_t mult_sectors;
    int32_t identify_set;
    uint8_t identify[512];
    uint8_t feature, error;
    uint32_t nsector;
    uint8_t sector, lcyl, hcyl;
    uint8_t hob_feature, hob_nsector, hob_sector, hob_lcyl, hob_hcyl;
    uint8_t select, status, lba48;
    uint8_t sense_key, asc, cdrom_changed;
    bool tray_open, tray_locked;
    bool new_media, eject_request; /* GET EVENT STATUS has not told yet */
    /* a PIO transfer under way */
    int32_t req_nb_sectors;
    uint8_t *buf; /* IDE_BUF_SIZE */
    int32_t buf_total, buf_off, buf_len; /* the part of buf that the data port still moves */
    uint8_t end;                         /* IdeEnd */
    int32_t elementary_size, packet_size;
    int32_t io_index;

    /* state that does not: only a drive without requests in flight is saved */
    bool pio_out;       /* the data port takes data */
    uint8_t dma;        /* IdeDma */
    bool dma_go;        /* the data phase has begun */
    int32_t lba;        /* ATAPI: the next frame, -1: the data is in buf */
    int32_t cd_size;    /* ATAPI: bytes a frame */
    uint8_t packet[ATAPI_CMD_SIZE];
    bool smart_enabled, smart_autosave;
    uint8_t smart_errors, smart_selftests;
    uint8_t smart_log[512];

    /* the request in flight */
    BlockReq *req;
    bool cancelled;
    void (*then)(IdeDrive *s, int ret);
    struct iovec one;
    GArray *sg;          /* of IdeSg */
    struct iovec *iov;   /* mapped, or NULL: bounce */
    int niov;
    uint8_t *bounce;
    uint64_t dma_len;
    bool dma_active;     /* the list is longer than the transfer */
    uint32_t trim_pos;
};

struct IdeChannel {
    Bus bus;
    IdeDrive drive[2];
    const IdeControllerOps *ops;
    void *opaque;
    Device *ctrl; /* for messages */
    uint8_t id;   /* 0: primary */
    /* state */
    uint8_t unit, cmd; /* selected drive; device control register */
    int32_t error_status; /* RETRY_* of the request that stopped the VM; 0: none */
    int64_t retry_sector;
    uint32_t retry_nsector;
    uint8_t retry_unit;
};

/* The device on the bus. */
typedef struct IdeDevice {
    Device dev;
    uint32_t unit;
    BlockConf conf;
    char *serial, *model, *version;
    uint64_t wwn;
    uint16_t rotation_rate;
} IdeDevice;

/* ---- for controllers ---- */
void ide_channel_init(IdeChannel *ch, Device *ctrl, unsigned id, const IdeControllerOps *ops, void *opaque);
void ide_channel_fini(IdeChannel *ch);
void ide_channel_reset(IdeChannel *ch);
/* The task file: reg 0 to 7; reg 0 as a byte is not the data port. */
uint8_t ide_reg_read(IdeChannel *ch, unsigned reg);
void ide_reg_write(IdeChannel *ch, unsigned reg, uint8_t val);
uint8_t ide_alt_status(IdeChannel *ch);
void ide_control_write(IdeChannel *ch, uint8_t val);
uint32_t ide_data_read(IdeChannel *ch, unsigned size); /* 2 or 4 */
void ide_data_write(IdeChannel *ch, uint32_t val, unsigned size);
void ide_dma_go(IdeChannel *ch);      /* the engine runs: move the waiting command's data */
bool ide_dma_waiting(IdeChannel *ch); /* a DMA command waits for the engine */
void ide_dma_drain(IdeChannel *ch);   /* the engine was stopped: what is in flight ends first */
extern const VmState ide_channel_vmstate, ide_drive_vmstate; /* per IdeChannel, per IdeDrive */
bool ide_channel_post_load(IdeChannel *ch, Error **errp);
bool ide_channel_quiet(IdeChannel *ch); /* nothing in flight */

/* ---- inside ---- */
static inline IdeDrive *ide_selected(IdeChannel *ch)
{
    return &ch->drive[ch->unit];
}
void ide_irq(IdeChannel *ch); /* raise, unless nIEN */
void ide_set_signature(IdeDrive *s);
void ide_abort(IdeDrive *s); /* the command ends with ABRT */
void ide_transfer(IdeDrive *s, int32_t off, int32_t len, IdeEnd end, bool out);
void ide_transfer_stop(IdeDrive *s);
void ide_drive_reset(IdeDrive *s);      /* power on */
void ide_drive_soft_reset(IdeDrive *s); /* SRST, DEVICE RESET */
void ide_cancel(IdeDrive *s); /* the request in flight, without its effects on registers */
/* Send one; `then` runs with its result. */
void ide_read(IdeDrive *s, uint64_t off, uint64_t len, void (*then)(IdeDrive *s, int ret)); /* into buf */
void ide_write(IdeDrive *s, uint64_t off, uint64_t len, void (*then)(IdeDrive *s, int ret));
void ide_flush(IdeDrive *s, void (*then)(IdeDrive *s, int ret));
void ide_discard(IdeDrive *s, uint64_t off, uint64_t len, void (*then)(IdeDrive *s, int ret));
/* Start a DMA command: its data phase is ide_dma_run(), by kind. */
void ide_dma_start(IdeDrive *s, IdeDma kind);
void ide_dma_finish(IdeDrive *s, bool active);
/* Collect the scatter list for len bytes; false: it is shorter (or unreadable). Then copy, or map for a request. */
bool ide_dma_collect(IdeDrive *s, uint64_t len, int64_t *total);
bool ide_dma_copy(IdeDrive *s, void *buf, uint64_t len, bool to_memory);
void ide_dma_copy_at(IdeDrive *s, uint32_t at, void *buf, uint32_t len); /* to memory, from byte `at` of the list on */
void ide_dma_io(IdeDrive *s, uint64_t off, uint64_t len, bool read, void (*then)(IdeDrive *s, int ret));
/* An I/O error err > 0 of kind op (RETRY_*): true: reported or the VM stops, the command is over for now. */
bool ide_io_error(IdeDrive *s, int err, unsigned op);

bool ata_command(IdeDrive *s, uint8_t cmd); /* true: done at once (error says how) */
bool ata_permitted(const IdeDrive *s, uint8_t cmd);
bool ata_sets_dsc(uint8_t cmd);
void ata_sector_read(IdeDrive *s);
void ata_sector_write(IdeDrive *s);
void ata_dma_run(IdeDrive *s);
void ata_flush(IdeDrive *s);
void ata_set_multiple(IdeDrive *s, uint8_t n);
void ata_diagnose(IdeChannel *ch);
int64_t ata_get_sector(const IdeDrive *s);
void ata_set_sector(IdeDrive *s, int64_t n);
void ata_fill_identify(IdeDrive *s);
void ata_identify_words_changed(IdeDrive *s); /* the medium's size */

void atapi_packet(IdeDrive *s); /* the 12 bytes are in buf */
void atapi_reply_end(IdeDrive *s);
void atapi_dma_run(IdeDrive *s);
void atapi_identify(IdeDrive *s);
void atapi_io_error(IdeDrive *s, int err);
extern const BlockDevOps ide_cd_ops, ide_hd_ops;

#endif
