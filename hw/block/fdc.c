/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Floppy disk controller (Intel 82078 data sheet, PC/AT mode) on the ISA bus, and the floppy drives on it.
 *
 *     3f1 SRB: status B     3f2 DOR: drive, reset, DMA, motors     3f3 TDR: tape, boot drive     3f4 r MSR: main
 * status, w DSR: rate, reset 3f5 FIFO: commands, results, data                            3f7 r DIR: disk change, w
 * CCR: rate
 *
 * Differences from hardware: the mechanics take no time (but READ ID, which waits for a turn of the disk); sectors are
 * 512 bytes; SRA is not decoded; reading MSR ends a reset (as QEMU has it); FORMAT TRACK takes sector numbers, not
 * gaps; SCAN ends as abnormal; sectors are read and written within the access, not in the background.
 */
#include "hw/block/fdc-internal.h"

#include "hw/dma/i8257.h"

enum { R_SRA, R_SRB, R_DOR, R_TDR, R_MSR, R_FIFO, R_DIR = 7 };
enum { SRA_INTPEND = 0x80, SRA_NDRV2 = 0x40 };
enum { SRB_MTR0 = 0x01, SRB_MTR1 = 0x02, SRB_DR0 = 0x20, SRB_ONES = 0xc0 };
enum { DSR_RATE = 0x03, DSR_POWERDOWN = 0x40, DSR_RESET = 0x80 };
enum { DIR_CHANGE = 0x80 };
enum { ST0_HEAD = 0x04, ST0_SEEK = 0x20, ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80, ST0_READY = 0xc0 };
enum { ST1_NO_ADDRESS = 0x01, ST1_NOT_WRITABLE = 0x02, ST1_NO_DATA = 0x04, ST1_END = 0x80 };
#define READ_ID_NS (NS_PER_SEC / 50)

/* TDR's boot bit swaps the drives. */
static FdDrive *drive(Fdc *s, unsigned n)
{
    return &s->drive[(n ^ (s->tdr & TDR_BOOT ? 1 : 0)) & (FD_DRIVES - 1)];
}

static FdDrive *cur(Fdc *s)
{
    return drive(s, s->cur_drv);
}

FdDrive *fdc_current_drive(Fdc *s)
{
    return cur(s);
}

static bool has_dma(const Fdc *s)
{
    return s->dma_chan != FDC_NO_DMA;
}

static void raise_irq(Fdc *s)
{
    if (!(s->sra & SRA_INTPEND)) {
        irq_set(s->irq, true);
        s->sra |= SRA_INTPEND;
    }
    s->reset_sensei = 0;
}

static void lower_irq(Fdc *s)
{
    s->status0 = 0;
    if (s->sra & SRA_INTPEND) {
        irq_set(s->irq, false);
        s->sra &= ~SRA_INTPEND;
    }
}

/* ---- phases ---- */

static void to_command(Fdc *s)
{
    s->phase = PHASE_COMMAND;
    s->data_dir = DIR_WRITE;
    s->data_state = 0;
    s->data_pos = 0;
    s->data_len = 1; /* the opcode, which tells how many follow */
    s->msr &= ~(MSR_BUSY | MSR_DIO | MSR_NONDMA);
    s->msr |= MSR_RQM;
}

static void to_result(Fdc *s, uint32_t len)
{
    s->phase = PHASE_RESULT;
    s->data_dir = DIR_READ;
    s->data_len = len;
    s->data_pos = 0;
    s->msr &= ~MSR_NONDMA;
    s->msr |= MSR_BUSY | MSR_RQM | MSR_DIO;
}

static void invalid_command(Fdc *s)
{
    guest_error(&s->isa.dev, "command 0x%02x is not known", s->fifo[0]);
    s->fifo[0] = ST0_INVALID;
    to_result(s, 1);
}

/* The end of a command with a seven-byte result. */
static void stop_at(Fdc *s, uint8_t st0, uint8_t st1, uint8_t track, uint8_t head, uint8_t sect)
{
    if (has_dma(s))
        isa_dma_release(s->dma_chan);
    if (s->data_state & STATE_SEEK_DONE)
        st0 |= ST0_SEEK;
    s->status0 = st0 | cur(s)->head << 2 | s->cur_drv;
    s->status1 = st1;
    s->status2 = 0;
    s->fifo[0] = s->status0;
    s->fifo[1] = st1;
    s->fifo[2] = 0;
    s->fifo[3] = track;
    s->fifo[4] = head;
    s->fifo[5] = sect;
    s->fifo[6] = 2; /* 512 bytes */
    s->data_state = 0;
    to_result(s, 7);
    raise_irq(s);
}

static void stop(Fdc *s, uint8_t st0, uint8_t st1)
{
    const FdDrive *d = cur(s);
    stop_at(s, st0, st1, d->track, d->head, d->sect);
}

void fdc_controller_reset(Fdc *s, bool do_irq)
{
    lower_irq(s);
    s->sra = drive(s, 1)->dev ? 0 : SRA_NDRV2;
    s->srb = SRB_ONES;
    s->cur_drv = 0;
    s->dor = DOR_NRESET | (has_dma(s) ? DOR_DMAEN : 0);
    s->msr = MSR_RQM;
    s->reset_sensei = 0;
    timer_stop(&s->result_timer);
    if (has_dma(s))
        isa_dma_release(s->dma_chan);
    for (int i = 0; i < FD_DRIVES; i++) {
        s->drive[i].head = s->drive[i].track = 0;
        s->drive[i].sect = s->drive[i].dev ? 1 : 0;
    }
    to_command(s);
    if (do_irq) {
        s->status0 |= ST0_READY;
        raise_irq(s);
        s->reset_sensei = 4; /* one SENSE INTERRUPT STATUS a drive */
    }
}

/* ---- mechanics ---- */

/* The head steps, medium or not; a step with a medium in clears the change line. */
static void step_to(FdDrive *d, unsigned track)
{
    if (!d->dev)
        return;
    if (d->track != track && d->inserted)
        d->media_changed = 0;
    d->track = (uint8_t)track;
}

static unsigned last_track(const FdDrive *d)
{
    return d->inserted && d->max_track ? d->max_track - 1u : 79;
}

/* After a whole sector: on to the next. False: the command's end of track was reached. */
static bool next_sector(Fdc *s)
{
    FdDrive *d = cur(s);
    if (d->sect < d->last_sect && d->sect != s->eot) {
        d->sect++;
        return true;
    }
    d->sect = 1;
    if (s->data_state & STATE_MULTI && !d->head && d->heads == 2) {
        d->head = 1;
        return true;
    }
    if (s->data_state & STATE_MULTI)
        d->head = 0;
    if (d->track < d->max_track)
        step_to(d, d->track + 1u);
    s->data_state |= STATE_SEEK_DONE;
    return false;
}

/* ---- transfers ---- */

/* A sector beyond the image, which a track too many reaches, reads as zeroes and swallows writes. */
static bool read_sector(Fdc *s)
{
    FdDrive *d = cur(s);
    if (!blk_pread_sync(d->blk, fd_sector(d) * FD_SECTOR, s->fifo, FD_SECTOR))
        return true;
    memset(s->fifo, 0, FD_SECTOR);
    return false;
}

static bool write_sector(Fdc *s)
{
    FdDrive *d = cur(s);
    return !blk_pwrite_sync(d->blk, fd_sector(d) * FD_SECTOR, s->fifo, FD_SECTOR);
}

/* Four bytes a sector: cylinder, head, sector, size. The sector is filled. */
static bool format_sector(Fdc *s)
{
    FdDrive *d = cur(s);
    const uint8_t *id = s->fifo;
    d->sect = id[2];
    if (id[0] != d->track || id[3] != 2 || !id[2] || id[2] > d->last_sect)
        return false;
    uint8_t fill = s->format_fill;
    memset(s->fifo, fill, FD_SECTOR);
    return write_sector(s);
}

/* DREQ is served: move what the channel has for the command. */
void fdc_dma_transfer(void *opaque, unsigned channel)
{
    Fdc *s = opaque;
    bool tc = false, format = s->data_state & STATE_FORMAT;
    if (s->phase != PHASE_EXECUTION || s->msr & MSR_NONDMA) {
        isa_dma_release(channel);
        return;
    }
    while (s->data_pos < s->data_len && !tc) {
        uint32_t unit = format ? 4 : FD_SECTOR, at = s->data_pos % unit,
                 want = MIN(s->data_len - s->data_pos, unit - at), got;
        if (s->data_dir == DIR_READ) {
            if (!at)
                read_sector(s);
            got = isa_dma_write(channel, s->fifo + at, want, &tc);
        } else {
            got = isa_dma_read(channel, s->fifo + at, want, &tc);
        }
        if (!got && !tc)
            return; /* until the channel is served again */
        s->data_pos += got;
        bool full = at + got == unit, last = tc || s->data_pos >= s->data_len;
        if (format) {
            if (full && !format_sector(s)) {
                stop(s, ST0_ABNORMAL, ST1_NO_DATA);
                return;
            }
            continue;
        }
        if (s->data_dir == DIR_WRITE && (full || last)) {
            memset(s->fifo + at + got, 0, FD_SECTOR - at - got);
            if (!write_sector(s)) {
                stop(s, ST0_ABNORMAL, ST1_NO_ADDRESS);
                return;
            }
        }
        if (full && !next_sector(s))
            break;
    }
    stop(s, 0, 0);
}

/* VERIFY moves no data: the sectors go by. */
static void verify(Fdc *s)
{
    for (uint32_t pos = 0; pos + FD_SECTOR <= s->data_len; pos += FD_SECTOR) {
        if (!read_sector(s)) {
            stop(s, ST0_ABNORMAL, ST1_NO_DATA);
            return;
        }
        if (!next_sector(s))
            break;
    }
    stop(s, 0, 0);
}

static void begin_execution(Fdc *s, uint8_t dir)
{
    s->phase = PHASE_EXECUTION;
    s->data_dir = dir;
    s->data_pos = 0;
    s->msr |= MSR_BUSY;
    if (s->dor & DOR_DMAEN && has_dma(s)) {
        s->msr &= ~(MSR_RQM | MSR_DIO | MSR_NONDMA);
        isa_dma_hold(s->dma_chan);
        return;
    }
    s->msr |= MSR_NONDMA | MSR_RQM;
    if (dir == DIR_READ)
        s->msr |= MSR_DIO;
    else
        s->msr &= ~MSR_DIO;
    raise_irq(s);
}

/* READ DATA, WRITE DATA, READ TRACK, VERIFY: f[1] head and drive, f[2] C, f[3] H, f[4] R, f[5] N, f[6] EOT, f[7] gap,
 * f[8] DTL. */
static void start_transfer(Fdc *s, uint8_t dir)
{
    const uint8_t *f = s->fifo;
    uint8_t track = f[2], head = f[3], sect = f[4], size = f[5], eot = f[6], dtl = f[8];
    bool multi = f[0] & 0x80;
    s->cur_drv = f[1] & DOR_SEL;
    FdDrive *d = cur(s);
    s->data_state = multi ? STATE_MULTI : 0;
    if (track > d->max_track || (head && d->heads < 2) || head > 1) {
        stop_at(s, ST0_ABNORMAL, 0, track, head, sect);
        return;
    }
    if (sect > d->last_sect) {
        stop_at(s, ST0_ABNORMAL, ST1_END, track, head, sect);
        return;
    }
    if (!d->inserted) {
        stop_at(s, ST0_ABNORMAL, 0, track, head, sect);
        return;
    }
    if (track != d->track) { /* CONFIGURE's bit on implied seeks makes no difference, as in QEMU */
        step_to(d, track);
        s->data_state |= STATE_SEEK_DONE;
    }
    d->head = head;
    d->sect = sect;
    if ((s->dsr & DSR_RATE) != d->media_rate) {
        stop_at(s, ST0_ABNORMAL, ST1_NO_ADDRESS, track, head, sect);
        return;
    }
    if (!sect || (size && size != 2)) { /* no such sector goes by */
        stop_at(s, ST0_ABNORMAL, ST1_NO_DATA, track, head, sect);
        return;
    }
    if (size && eot < sect) {
        stop_at(s, ST0_ABNORMAL, ST1_NO_ADDRESS, track, head, sect);
        return;
    }
    s->data_len = size ? FD_SECTOR * ((uint32_t)(eot - sect + 1) + (multi ? eot : 0)) : MIN(dtl, 0xff);
    s->eot = eot;
    if (dir == DIR_WRITE && d->read_only) {
        stop_at(s, ST0_ABNORMAL, ST1_NOT_WRITABLE, track, head, sect);
        return;
    }
    if (dir == DIR_VERIFY) {
        verify(s);
        return;
    }
    if (!s->data_len) {
        stop(s, 0, 0);
        return;
    }
    begin_execution(s, dir);
}

/* ---- commands ---- */

static void cmd_read(Fdc *s)
{
    start_transfer(s, DIR_READ);
}

static void cmd_write(Fdc *s)
{
    start_transfer(s, DIR_WRITE);
}

static void cmd_verify(Fdc *s)
{
    start_transfer(s, DIR_VERIFY);
}

/* Deleted data marks are not kept by an image; a scan is not done. */
static void cmd_refused(Fdc *s)
{
    guest_unimp(&s->isa.dev, "command 0x%02x", s->fifo[0]);
    stop(s, ST0_ABNORMAL | ST0_SEEK, 0);
}

static void cmd_format(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    FdDrive *d = cur(s);
    uint8_t size = s->fifo[2], sectors = s->fifo[3];
    d->head = s->fifo[1] >> 2 & 1;
    s->format_fill = s->fifo[5];
    if (!d->inserted || size != 2 || (d->head && d->heads < 2)) {
        stop(s, ST0_ABNORMAL, ST1_NO_ADDRESS);
        return;
    }
    if (d->read_only) {
        stop(s, ST0_ABNORMAL, ST1_NOT_WRITABLE);
        return;
    }
    if (!sectors) {
        stop(s, 0, 0);
        return;
    }
    s->data_state = STATE_FORMAT;
    s->data_len = sectors * 4u;
    begin_execution(s, DIR_WRITE);
}

static void cmd_read_id(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    cur(s)->head = s->fifo[1] >> 2 & 1;
    s->msr &= ~MSR_RQM;
    timer_arm_ns(&s->result_timer, READ_ID_NS);
}

void fdc_id_came_by(void *opaque)
{
    Fdc *s = opaque;
    FdDrive *d = cur(s);
    if (d->last_sect)
        d->sect = d->sect % d->last_sect + 1;
    if (!d->inserted || (s->dsr & DSR_RATE) != d->media_rate)
        stop(s, ST0_ABNORMAL, ST1_NO_ADDRESS);
    else
        stop(s, 0, 0);
}

static void seek_done(Fdc *s)
{
    to_command(s);
    s->status0 |= ST0_SEEK;
    raise_irq(s);
}

static void cmd_recalibrate(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    FdDrive *d = cur(s);
    step_to(d, 0);
    d->head = 0;
    d->sect = d->dev ? 1 : 0;
    seek_done(s);
}

static void cmd_seek(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    FdDrive *d = cur(s);
    if (!d->inserted || s->fifo[2] <= d->max_track)
        step_to(d, s->fifo[2]);
    seek_done(s);
}

static void cmd_relative_in(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    FdDrive *d = cur(s);
    step_to(d, MIN((unsigned)d->track + s->fifo[2], last_track(d)));
    seek_done(s);
}

static void cmd_relative_out(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    FdDrive *d = cur(s);
    step_to(d, s->fifo[2] > d->track ? 0u : (unsigned)d->track - s->fifo[2]);
    seek_done(s);
}

static void cmd_sense_interrupt(Fdc *s)
{
    if (s->reset_sensei > 0) {
        s->fifo[0] = (uint8_t)(ST0_READY + 4 - s->reset_sensei);
        s->reset_sensei--;
    } else if (!(s->sra & SRA_INTPEND)) {
        s->fifo[0] = ST0_INVALID;
        to_result(s, 1);
        return;
    } else {
        s->fifo[0] = (uint8_t)((s->status0 & ~(ST0_HEAD | 3)) | s->cur_drv);
    }
    s->fifo[1] = cur(s)->track;
    to_result(s, 2);
    int32_t left = s->reset_sensei;
    lower_irq(s);
    s->reset_sensei = left;
    s->status0 = ST0_READY;
}

static void cmd_sense_drive(Fdc *s)
{
    s->cur_drv = s->fifo[1] & DOR_SEL;
    FdDrive *d = cur(s);
    d->head = s->fifo[1] >> 2 & 1;
    bool protected = d->read_only || !d->inserted;
    s->fifo[0] = (uint8_t)((protected ? 0x40 : 0) | (d->track ? 0 : 0x10) | d->head << 2 | s->cur_drv | 0x28);
    to_result(s, 1);
}

static void cmd_specify(Fdc *s)
{
    s->timer0 = s->fifo[1] >> 4;
    s->timer1 = s->fifo[2] >> 1;
    if (s->fifo[2] & 1)
        s->dor &= ~DOR_DMAEN;
    else
        s->dor |= DOR_DMAEN;
    to_command(s);
}

static uint8_t lock_and_perpendicular(Fdc *s)
{
    return (uint8_t)(s->lock << 7 | cur(s)->perpendicular << 2);
}

static void cmd_dumpreg(Fdc *s)
{
    uint8_t r[10] = {
        drive(s, 0)->track,
        drive(s, 1)->track,
        0,
        0,
        s->timer0,
        (uint8_t)(s->timer1 << 1 | !!(s->dor & DOR_DMAEN)),
        cur(s)->last_sect,
        lock_and_perpendicular(s),
        s->config,
        s->precomp,
    };
    memcpy(s->fifo, r, sizeof(r));
    to_result(s, sizeof(r));
}

static void cmd_save(Fdc *s)
{
    uint8_t r[15] = {
        0,         0,         drive(s, 0)->track, drive(s, 1)->track,        0,         0,
        s->timer0, s->timer1, cur(s)->last_sect,  lock_and_perpendicular(s), s->config, s->precomp,
        s->pwrd,
    };
    memcpy(s->fifo, r, sizeof(r));
    to_result(s, sizeof(r));
}

static void cmd_restore(Fdc *s)
{
    const uint8_t *f = s->fifo;
    drive(s, 0)->track = f[3];
    drive(s, 1)->track = f[4];
    s->timer0 = f[7] & 0x0f;
    s->timer1 = f[8] & 0x7f;
    s->lock = f[10] >> 7;
    cur(s)->perpendicular = f[10] >> 2 & 0x0f;
    s->config = f[11];
    s->precomp = f[12];
    s->pwrd = f[13];
    to_command(s);
}

static void cmd_version(Fdc *s)
{
    s->fifo[0] = 0x90; /* enhanced controller */
    to_result(s, 1);
}

static void cmd_part_id(Fdc *s)
{
    s->fifo[0] = 0x41; /* 82078, stepping 1 */
    to_result(s, 1);
}

static void cmd_lock(Fdc *s)
{
    s->lock = s->fifo[0] >> 7;
    s->fifo[0] = (uint8_t)(s->lock << 4);
    to_result(s, 1);
}

static void cmd_configure(Fdc *s)
{
    s->config = s->fifo[2];
    s->precomp = s->fifo[3];
    to_command(s);
}

static void cmd_perpendicular(Fdc *s)
{
    if (s->fifo[1] & 0x80)
        cur(s)->perpendicular = s->fifo[1] & 7;
    to_command(s);
}

static void cmd_powerdown(Fdc *s)
{
    s->pwrd = s->fifo[1];
    s->fifo[0] = s->fifo[1];
    to_result(s, 1);
}

static void cmd_drive_specification(Fdc *s)
{
    if (s->fifo[5] & 0x80 && s->fifo[5] & 0x40) { /* done, and a result is wanted */
        s->fifo[0] = s->fifo[1];
        s->fifo[2] = s->fifo[3] = 0;
        to_result(s, 4);
    } else {
        to_command(s);
    }
}

/* (opcode & mask) == value; params: bytes after the opcode. */
static const struct {
    uint8_t value, mask, params;
    void (*fn)(Fdc *s);
} commands[] = {
    {0x06, 0x1f, 8, cmd_read},         {0x05, 0x1f, 8, cmd_write},
    {0x0f, 0xff, 2, cmd_seek},         {0x08, 0xff, 0, cmd_sense_interrupt},
    {0x07, 0xff, 1, cmd_recalibrate},  {0x0d, 0xbf, 5, cmd_format},
    {0x02, 0xbf, 8, cmd_read},         /* track */ {0x4e, 0xff, 17, cmd_restore},
    {0x2e, 0xff, 0, cmd_save},         {0x0c, 0x1f, 8, cmd_refused}, /* read deleted */
    {0x11, 0x1f, 8, cmd_refused},      /* scan */ {0x16, 0x1f, 8, cmd_verify},
    {0x19, 0x1f, 8, cmd_refused},      {0x1d, 0x1f, 8, cmd_refused},
    {0x09, 0x3f, 8, cmd_refused},      {0x4a, 0xbf, 1, cmd_read_id},
    {0x0a, 0xbf, 1, cmd_read_id},      {0x03, 0xff, 2, cmd_specify},
    {0x04, 0xff, 1, cmd_sense_drive},  {0x12, 0xff, 1, cmd_perpendicular},
    {0x13, 0xff, 3, cmd_configure},    {0x17, 0xff, 2, cmd_powerdown},
    {0x33, 0xff, 1, to_command},       /* option */ {0x8e, 0xff, 5, cmd_drive_specification},
    {0x8f, 0xff, 2, cmd_relative_out}, {0xcd, 0xff, 10, invalid_command},
    {0xcf, 0xff, 2, cmd_relative_in},  {0x10, 0xff, 0, cmd_version},
    {0x14, 0x7f, 0, cmd_lock},         {0x0e, 0xff, 0, cmd_dumpreg},
    {0x18, 0xff, 0, cmd_part_id},
};

static void command_byte(Fdc *s, uint8_t val)
{
    size_t i = 0;
    if (!s->data_pos) {
        s->fifo[0] = val;
        s->msr |= MSR_BUSY;
        while (i < ARRAY_SIZE(commands) && (val & commands[i].mask) != commands[i].value)
            i++;
        if (i == ARRAY_SIZE(commands)) {
            invalid_command(s);
            return;
        }
        s->data_len = commands[i].params + 1u;
    }
    s->fifo[s->data_pos++ % FIFO_SIZE] = val;
    if (s->data_pos < s->data_len)
        return;
    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        if ((s->fifo[0] & commands[i].mask) == commands[i].value) {
            commands[i].fn(s);
            return;
        }
    }
}

/* ---- the data port without DMA ---- */

static void fifo_write(Fdc *s, uint8_t val)
{
    if (!(s->dor & DOR_NRESET))
        return;
    if (!(s->msr & MSR_RQM) || s->msr & MSR_DIO) {
        guest_error(&s->isa.dev, "write of 0x%02x while the FIFO takes nothing", val);
        return;
    }
    if (s->phase == PHASE_COMMAND) {
        command_byte(s, val);
        return;
    }
    if (s->data_state & STATE_FORMAT) {
        s->fifo[s->data_pos % 4] = val;
        s->data_pos++;
        if (s->data_pos % 4 == 0 && !format_sector(s))
            stop(s, ST0_ABNORMAL, ST1_NO_DATA);
        else if (s->data_pos >= s->data_len)
            stop(s, 0, 0);
        return;
    }
    s->fifo[s->data_pos++ % FD_SECTOR] = val;
    bool full = s->data_pos % FD_SECTOR == 0, last = s->data_pos >= s->data_len;
    if (!full && !last)
        return;
    if (!full)
        memset(s->fifo + s->data_pos % FD_SECTOR, 0, FD_SECTOR - s->data_pos % FD_SECTOR);
    if (!write_sector(s))
        stop(s, ST0_ABNORMAL, ST1_NO_ADDRESS);
    else if (last || !next_sector(s))
        stop(s, 0, 0);
}

static uint8_t fifo_read(Fdc *s)
{
    if (!(s->msr & MSR_RQM) || !(s->msr & MSR_DIO)) {
        guest_error(&s->isa.dev, "read while the FIFO has nothing");
        return 0;
    }
    if (s->phase == PHASE_RESULT) {
        uint8_t val = s->fifo[s->data_pos++ % FIFO_SIZE];
        if (s->data_pos >= s->data_len) {
            to_command(s);
            lower_irq(s);
        }
        return val;
    }
    uint32_t at = s->data_pos % FD_SECTOR;
    if (!at) {
        if (s->data_pos && !next_sector(s)) {
            stop(s, 0, 0);
            return 0;
        }
        read_sector(s);
    }
    uint8_t val = s->fifo[at];
    if (++s->data_pos >= s->data_len)
        stop(s, 0, 0);
    return val;
}

/* ---- registers ---- */

static void write_dor(Fdc *s, uint8_t val)
{
    s->srb = (uint8_t)((s->srb & ~(SRB_MTR0 | SRB_MTR1 | SRB_DR0)) | (val & DOR_MOT0 ? SRB_MTR0 : 0) |
                       (val & DOR_MOT1 ? SRB_MTR1 : 0) | (val & DOR_SEL ? SRB_DR0 : 0));
    if (val & DOR_NRESET && !(s->dor & DOR_NRESET)) {
        fdc_controller_reset(s, true);
        s->dsr &= ~DSR_RESET;
    }
    s->cur_drv = val & DOR_SEL;
    s->dor = val;
}

static uint64_t fdc_read(void *opaque, uint64_t off, unsigned size)
{
    Fdc *s = opaque;
    switch (off) {
    case R_SRB:
        return s->srb;
    case R_DOR:
        return s->dor | s->cur_drv;
    case R_TDR:
        return s->tdr;
    case R_MSR:
        s->dsr &= ~DSR_POWERDOWN;
        s->dor |= DOR_NRESET;
        return s->msr;
    case R_FIFO:
        return fifo_read(s);
    case R_DIR:
        return cur(s)->media_changed ? DIR_CHANGE : 0;
    default:
        return 0xff;
    }
}

static void fdc_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Fdc *s = opaque;
    if (off == R_DOR) {
        write_dor(s, (uint8_t)val);
        return;
    }
    if (!(s->dor & DOR_NRESET))
        return;
    switch (off) {
    case R_TDR:
        s->tdr = val & TDR_BOOT;
        break;
    case R_MSR: /* DSR */
        if (val & DSR_RESET) {
            s->dor &= ~DOR_NRESET;
            fdc_controller_reset(s, true);
            s->dor |= DOR_NRESET;
        }
        if (val & DSR_POWERDOWN)
            fdc_controller_reset(s, true);
        s->dsr = (uint8_t)val;
        break;
    case R_FIFO:
        fifo_write(s, (uint8_t)val);
        break;
    case R_DIR: /* CCR */
        s->dsr = (uint8_t)((s->dsr & ~DSR_RATE) | (val & DSR_RATE));
        break;
    }
}

/* Ports 3f1 to 3f5, and 3f7. */
static uint64_t low_read(void *opaque, uint64_t off, unsigned size)
{
    return fdc_read(opaque, off + R_SRB, size);
}

static void low_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    fdc_write(opaque, off + R_SRB, val, size);
}

static uint64_t high_read(void *opaque, uint64_t off, unsigned size)
{
    return fdc_read(opaque, R_DIR, size);
}

static void high_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    fdc_write(opaque, R_DIR, val, size);
}

const IoOps fdc_low_io = {low_read, low_write, .min = 1, .max = 1};
const IoOps fdc_high_io = {high_read, high_write, .min = 1, .max = 1};

/* ---- for fdc-isa.c ---- */

void fdc_drive_gone(Fdc *s, FdDrive *d)
{
    if (s->phase != PHASE_EXECUTION || cur(s) != d)
        return;
    d->inserted = false;
    stop(s, ST0_ABNORMAL, ST1_NO_ADDRESS);
}
