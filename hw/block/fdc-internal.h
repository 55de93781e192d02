/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller from the inside: fdc.c (registers, commands), fdc-drive.c (drives and media). */
#ifndef HW_BLOCK_FDC_INTERNAL_H
#define HW_BLOCK_FDC_INTERNAL_H

#include "hw/block/blockconf.h"
#include "hw/block/fdc.h"
#include "hw/isa/isa.h"

#define FD_DRIVES    2
#define FD_SECTOR    512
#define FIFO_SIZE    512
#define FDC_NO_DMA   UINT32_MAX /* the dma property: none */
#define FDC_CONFIG_0 0x60       /* CONFIGURE after a reset: implied seek, no FIFO */

enum { TDR_BOOT = 0x04 };
enum { DOR_SEL = 0x01, DOR_NRESET = 0x04, DOR_DMAEN = 0x08, DOR_MOT0 = 0x10, DOR_MOT1 = 0x20 };
enum { MSR_BUSY = 0x10, MSR_NONDMA = 0x20, MSR_DIO = 0x40, MSR_RQM = 0x80 };

/* A drive's mechanics and its medium. */
typedef struct FdDrive {
    Device *dev; /* the floppy device; NULL: no drive */
    Block *blk;
    BlockConf *conf;
    FdcDriveType type; /* settled: never AUTO */
    /* the medium, by its size */
    uint8_t last_sect, max_track, heads;
    bool read_only, inserted;
    /* state */
    uint8_t head, track, sect;
    uint8_t media_rate, media_changed, perpendicular;
} FdDrive;

typedef enum Phase { PHASE_COMMAND = 1, PHASE_EXECUTION, PHASE_RESULT } Phase;         /* 0 in old streams: unknown */
enum { STATE_MULTI = 1, STATE_FORMAT = 2, STATE_SEEK_DONE = 4 };                       /* data_state */
enum { DIR_WRITE, DIR_READ, DIR_SCAN_EQUAL, DIR_SCAN_LOW, DIR_SCAN_HIGH, DIR_VERIFY }; /* data_dir */

typedef struct Fdc {
    IsaDevice isa;
    uint32_t iobase, irqno, dma_chan;
    int wanted[FD_DRIVES], fallback; /* FdcDriveType */
    int32_t bootindex[FD_DRIVES];
    Bus bus;
    IoRegion io[2];
    Irq *irq;
    FdDrive drive[FD_DRIVES];
    uint8_t num_floppies;
    Timer result_timer;
    /* state */
    uint8_t sra, srb, dor, tdr, dsr, msr, cur_drv;
    uint8_t status0, status1, status2;
    uint8_t fifo[FIFO_SIZE];
    uint32_t data_pos, data_len;
    uint8_t data_state, data_dir, phase;
    uint8_t eot;
    uint8_t timer0, timer1, precomp, config, lock, pwrd;
    int32_t reset_sensei; /* interrupts of a reset still to be sensed */
    uint8_t dor_vmstate;
    uint8_t format_fill;
} Fdc;
#define FDC(d) container_of(d, Fdc, isa.dev)

extern const IoOps fdc_low_io, fdc_high_io; /* ports 3f1 to 3f5, and 3f7 */
void fdc_controller_reset(Fdc *s, bool do_irq);
void fdc_dma_transfer(void *opaque, unsigned channel);
void fdc_id_came_by(void *opaque);
void fdc_drive_gone(Fdc *s, FdDrive *d); /* ends what is under way on it */
FdDrive *fdc_current_drive(Fdc *s);

extern const char *const fdc_drive_type_names[];
extern const BlockDevOps fd_ops;
void fd_revalidate(FdDrive *d, FdcDriveType wanted, FdcDriveType fallback); /* look at the medium */
uint64_t fd_sector(const FdDrive *d);                                       /* the present sector's number */

#endif
