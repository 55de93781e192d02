/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The task file, data port and transfers of an ATA channel (ATA/ATAPI-7 volumes 1 and 2), for any controller.
 *
 * Registers, by offset: 0 data; 1 error (w: features); 2 sector count; 3 LBA low; 4 LBA mid; 5 LBA high; 6 device; 7
 * status (w: command). Control block: alternate status (w: device control: HOB, SRST, nIEN).
 *
 * Differences from hardware: both drives of a channel share one device control register, and writes of the task file
 * reach both at once (as on the cable); a channel without drives reads zeroes; drive 0 answers for a missing drive 1
 * with status 0. A command's effects on registers come when its data is ready, which is when the host's disk has
 * answered.
 */
#include "hw/ide/ata.h"

#include "softmmu/runstate.h"

#include <stdlib.h>

void ide_irq(IdeChannel *ch)
{
    if (!(ch->cmd & CTL_NIEN))
        ch->ops->set_irq(ch->opaque, true);
}

void ide_set_signature(IdeDrive *s)
{
    s->select &= ~SEL_HEAD;
    s->nsector = 1;
    s->sector = 1;
    bool cd = s->dev && s->kind == IDE_CD;
    s->lcyl = cd ? 0x14 : s->dev ? 0 : 0xff;
    s->hcyl = cd ? 0xeb : s->dev ? 0 : 0xff;
}

void ide_abort(IdeDrive *s)
{
    ide_transfer_stop(s);
    s->status = ST_READY | ST_ERR;
    s->error = ER_ABRT;
}

/* ---- PIO ---- */

void ide_transfer(IdeDrive *s, int32_t off, int32_t len, IdeEnd end, bool out)
{
    s->buf_off = off;
    s->buf_len = len;
    s->end = end;
    s->pio_out = out;
    if (!(s->status & ST_ERR))
        s->status |= ST_DRQ;
}

void ide_transfer_stop(IdeDrive *s)
{
    s->buf_off = s->buf_len = 0;
    s->end = END_STOP;
    s->status &= ~ST_DRQ;
}

static void transfer_ended(IdeDrive *s)
{
    s->status &= ~ST_DRQ;
    switch (s->end) {
    case END_SECTOR_READ:
        ata_sector_read(s);
        break;
    case END_SECTOR_WRITE:
        ata_sector_write(s);
        break;
    case END_ATAPI_REPLY:
        atapi_reply_end(s);
        break;
    case END_ATAPI_CMD:
        atapi_packet(s);
        break;
    case END_DUMMY:
    case END_STOP:
        ide_transfer_stop(s);
        break;
    }
}

/* A word may go past the end of the transfer by what the buffer's slack holds. */
static uint8_t *data_at(IdeDrive *s, unsigned size, bool out)
{
    if (!(s->status & ST_DRQ) || s->pio_out != out || s->dma != DMA_NONE || s->buf_len <= 0 ||
        s->buf_off + (int32_t)size > IDE_BUF_SIZE)
        return NULL;
    return s->buf + s->buf_off;
}

static void data_moved(IdeDrive *s, unsigned size)
{
    s->buf_off += (int32_t)size;
    s->buf_len -= (int32_t)size;
    if (s->buf_len <= 0)
        transfer_ended(s);
}

uint32_t ide_data_read(IdeChannel *ch, unsigned size)
{
    IdeDrive *s = ide_selected(ch);
    const uint8_t *p = data_at(s, size, false);
    if (!p)
        return 0;
    uint32_t val = (uint32_t)ldn_le(p, size);
    data_moved(s, size);
    return val;
}

void ide_data_write(IdeChannel *ch, uint32_t val, unsigned size)
{
    IdeDrive *s = ide_selected(ch);
    uint8_t *p = data_at(s, size, true);
    if (!p)
        return;
    stn_le(p, size, val);
    data_moved(s, size);
}

/* ---- requests ---- */

static void request_done(void *opaque, int ret)
{
    IdeDrive *s = opaque;
    s->req = NULL;
    if (!s->cancelled)
        s->then(s, ret);
}

void ide_read(IdeDrive *s, uint64_t off, uint64_t len, void (*then)(IdeDrive *s, int ret))
{
    s->then = then;
    s->one = (struct iovec){s->buf, len};
    s->req = blk_preadv(s->blk, off, &s->one, 1, request_done, s);
}

void ide_write(IdeDrive *s, uint64_t off, uint64_t len, void (*then)(IdeDrive *s, int ret))
{
    s->then = then;
    s->one = (struct iovec){s->buf, len};
    s->req = blk_pwritev(s->blk, off, &s->one, 1, 0, request_done, s);
}

void ide_flush(IdeDrive *s, void (*then)(IdeDrive *s, int ret))
{
    s->then = then;
    s->req = blk_flush(s->blk, request_done, s);
}

void ide_discard(IdeDrive *s, uint64_t off, uint64_t len, void (*then)(IdeDrive *s, int ret))
{
    s->then = then;
    s->req = blk_discard(s->blk, off, len, request_done, s);
}

static void unmap(IdeDrive *s, bool to_memory, bool moved)
{
    IdeChannel *ch = s->ch;
    for (int i = 0; i < s->niov; i++)
        ch->ops->dma_unmap(ch->opaque, s->iov[i].iov_base, s->iov[i].iov_len, to_memory, moved ? s->iov[i].iov_len : 0);
    g_clear_pointer(&s->iov, g_free);
    s->niov = 0;
    g_clear_pointer(&s->bounce, free);
}

void ide_cancel(IdeDrive *s)
{
    if (s->req) {
        s->cancelled = true;
        blk_cancel(s->req);
        s->cancelled = false;
        s->req = NULL;
    }
    if (s->iov || s->bounce)
        unmap(s, s->dma == DMA_READ || s->dma == DMA_ATAPI, true);
    s->dma = DMA_NONE;
    s->dma_go = false;
}

bool ide_io_error(IdeDrive *s, int err, unsigned op)
{
    bool is_read = op & RETRY_READ;
    BlockOnError action = blk_error_action(s->blk, is_read, err);
    if (action == BLOCK_ON_ERROR_STOP) {
        s->ch->error_status = (int32_t)op;
        /* Not done: who polls until the VM stands still must not take it for that. */
        if (s->kind != IDE_CD && !(op & (RETRY_DMA | RETRY_TRIM)))
            s->status |= ST_BUSY;
    } else if (action == BLOCK_ON_ERROR_REPORT) {
        if (s->kind == IDE_CD && op != RETRY_FLUSH) {
            atapi_io_error(s, err);
        } else {
            bool dma = op & (RETRY_DMA | RETRY_TRIM);
            ide_abort(s);
            if (dma)
                ide_dma_finish(s, false);
            ide_irq(s->ch);
        }
    }
    blk_error(s->blk, action, is_read, err);
    return action != BLOCK_ON_ERROR_IGNORE;
}

/* ---- DMA ---- */

void ide_dma_start(IdeDrive *s, IdeDma kind)
{
    IdeChannel *ch = s->ch;
    s->dma = kind;
    s->dma_go = false;
    s->buf_len = 0;
    ch->retry_unit = s->unit;
    ch->retry_sector = s->kind == IDE_HD ? ata_get_sector(s) : 0;
    ch->retry_nsector = s->nsector;
    ch->ops->dma_ready(ch->opaque);
}

bool ide_dma_waiting(IdeChannel *ch)
{
    return ide_selected(ch)->dma != DMA_NONE;
}

void ide_dma_go(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++) {
        IdeDrive *s = &ch->drive[i];
        if (s->dma == DMA_NONE || s->dma_go || s->req)
            continue;
        s->dma_go = true;
        if (s->dma == DMA_ATAPI)
            atapi_dma_run(s);
        else
            ata_dma_run(s);
        return;
    }
}

void ide_dma_finish(IdeDrive *s, bool active)
{
    s->dma = DMA_NONE;
    s->dma_go = false;
    s->ch->ops->dma_done(s->ch->opaque, active);
}

bool ide_dma_collect(IdeDrive *s, uint64_t len, int64_t *total)
{
    g_array_set_size(s->sg, 0);
    *total = s->ch->ops->dma_list(s->ch->opaque, len, s->sg);
    uint64_t have = 0;
    for (guint i = 0; i < s->sg->len; i++)
        have += g_array_index(s->sg, IdeSg, i).len;
    return *total >= 0 && have == len;
}

bool ide_dma_copy(IdeDrive *s, void *buf, uint64_t len, bool to_memory)
{
    IdeChannel *ch = s->ch;
    uint8_t *p = buf;
    MemResult res = MEM_OK;
    for (guint i = 0; i < s->sg->len && len; i++) {
        IdeSg sg = g_array_index(s->sg, IdeSg, i);
        uint64_t n = MIN(sg.len, len);
        res |= ch->ops->dma_rw(ch->opaque, sg.addr, p, n, to_memory);
        p += n;
        len -= n;
    }
    return res == MEM_OK;
}

void ide_dma_copy_at(IdeDrive *s, uint32_t at, void *buf, uint32_t len)
{
    IdeChannel *ch = s->ch;
    uint8_t *p = buf;
    for (guint i = 0; i < s->sg->len && len; i++) {
        IdeSg sg = g_array_index(s->sg, IdeSg, i);
        if (at >= sg.len) {
            at -= sg.len;
            continue;
        }
        uint32_t n = MIN(sg.len - at, len);
        ch->ops->dma_rw(ch->opaque, sg.addr + at, p, n, true);
        p += n;
        len -= n;
        at = 0;
    }
}

static void dma_io_done(IdeDrive *s, int ret)
{
    bool read = s->dma == DMA_READ || s->dma == DMA_ATAPI;
    if (s->bounce && read && !ret)
        ide_dma_copy(s, s->bounce, s->dma_len, true); /* what is not memory swallows it, as on the bus */
    unmap(s, read, !ret);
    void (*then)(IdeDrive *, int) = s->then;
    s->then = NULL;
    then(s, ret);
}

static void dma_request_done(void *opaque, int ret)
{
    IdeDrive *s = opaque;
    s->req = NULL;
    if (!s->cancelled)
        dma_io_done(s, ret);
}

/* Guest memory itself as the request's buffers, where all of it is plain RAM. */
static bool map_list(IdeDrive *s, bool to_memory)
{
    IdeChannel *ch = s->ch;
    s->iov = g_new(struct iovec, s->sg->len);
    for (guint i = 0; i < s->sg->len; i++) {
        IdeSg sg = g_array_index(s->sg, IdeSg, i);
        uint64_t len = sg.len;
        void *host = ch->ops->dma_map(ch->opaque, sg.addr, &len, to_memory);
        if (host)
            s->iov[s->niov++] = (struct iovec){host, len};
        if (!host || len != sg.len) {
            unmap(s, to_memory, false);
            return false;
        }
    }
    return true;
}

void ide_dma_io(IdeDrive *s, uint64_t off, uint64_t len, bool read, void (*then)(IdeDrive *s, int ret))
{
    s->then = then;
    s->dma_len = len;
    if (!map_list(s, read)) {
        if (posix_memalign((void **)&s->bounce, 4096, MAX(len, 1))) {
            s->bounce = NULL;
            dma_io_done(s, -ENOMEM);
            return;
        }
        s->one = (struct iovec){s->bounce, len};
        if (!read)
            ide_dma_copy(s, s->bounce, len, false);
    }
    const struct iovec *iov = s->iov ? s->iov : &s->one;
    int niov = s->iov ? s->niov : 1;
    s->req = read ? blk_preadv(s->blk, off, iov, niov, dma_request_done, s)
                  : blk_pwritev(s->blk, off, iov, niov, 0, dma_request_done, s);
}

void ide_dma_drain(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++)
        if (ch->drive[i].dma != DMA_NONE && ch->drive[i].req)
            blk_drain(ch->drive[i].blk);
}

/* ---- commands ---- */

static bool no_drives(const IdeChannel *ch)
{
    return !ch->drive[0].dev && !ch->drive[1].dev;
}

static void command(IdeChannel *ch, uint8_t cmd)
{
    IdeDrive *s = ide_selected(ch);
    if (s->unit && !s->dev)
        return;
    if (s->status & (ST_BUSY | ST_DRQ)) {
        if (cmd != 0x08 || s->kind != IDE_CD) /* DEVICE RESET alone gets through */
            return;
        ide_cancel(s);
    }
    if (!s->dev || !ata_permitted(s, cmd)) {
        ide_abort(s);
        ide_irq(ch);
        return;
    }
    s->status = ST_READY | ST_BUSY;
    s->error = 0;
    s->io_index = 0;
    if (!ata_command(s, cmd))
        return;
    s->status &= ~ST_BUSY;
    if (!s->error && ata_sets_dsc(cmd))
        s->status |= ST_DSC;
    ide_irq(ch);
}

uint8_t ide_reg_read(IdeChannel *ch, unsigned reg)
{
    IdeDrive *s = ide_selected(ch);
    bool hob = ch->cmd & CTL_HOB, none = no_drives(ch), absent = none || (s->unit && !s->dev);
    switch (reg) {
    case 1:
        return absent ? 0 : hob ? s->hob_feature : s->error;
    case 2:
        return none ? 0 : hob ? s->hob_nsector : (uint8_t)s->nsector;
    case 3:
        return none ? 0 : hob ? s->hob_sector : s->sector;
    case 4:
        return none ? 0 : hob ? s->hob_lcyl : s->lcyl;
    case 5:
        return none ? 0 : hob ? s->hob_hcyl : s->hcyl;
    case 6:
        return none ? 0 : s->select;
    case 7:
        ch->ops->set_irq(ch->opaque, false);
        return absent ? 0 : s->status;
    default:
        return 0xff;
    }
}

uint8_t ide_alt_status(IdeChannel *ch)
{
    IdeDrive *s = ide_selected(ch);
    return no_drives(ch) || (s->unit && !s->dev) ? 0 : s->status;
}

void ide_reg_write(IdeChannel *ch, unsigned reg, uint8_t val)
{
    IdeDrive *d = ch->drive;
    if (reg)
        ch->cmd &= ~CTL_HOB;
    if (reg == 7) {
        command(ch, val);
        return;
    }
    /* A drive that is busy or moves data does not listen. */
    for (int i = 0; i < 2; i++) {
        switch (reg) {
        case 1:
            d[i].hob_feature = d[i].feature;
            d[i].feature = val;
            break;
        case 2:
            d[i].hob_nsector = (uint8_t)d[i].nsector;
            d[i].nsector = val;
            break;
        case 3:
            d[i].hob_sector = d[i].sector;
            d[i].sector = val;
            break;
        case 4:
            d[i].hob_lcyl = d[i].lcyl;
            d[i].lcyl = val;
            break;
        case 5:
            d[i].hob_hcyl = d[i].hcyl;
            d[i].hcyl = val;
            break;
        case 6:
            d[i].select = val | SEL_ONES;
            break;
        }
    }
    if (reg == 6)
        ch->unit = !!(val & SEL_DEV);
}

static void default_translation(IdeDrive *s)
{
    s->heads = s->conf ? s->conf->heads : 0;
    s->secs = s->conf ? s->conf->secs : 0;
    s->reset_reverts = false;
}

void ide_drive_soft_reset(IdeDrive *s)
{
    ide_cancel(s);
    ide_transfer_stop(s);
    ata_set_multiple(s, ATA_MULTIPLE_MAX);
    if (s->reset_reverts)
        default_translation(s);
    s->feature = s->error = 0;
    s->hob_feature = s->hob_nsector = s->hob_sector = s->hob_lcyl = s->hob_hcyl = 0;
    s->lba48 = 0;
    s->status = ST_READY | ST_DSC;
    s->select = SEL_ONES;
    ide_set_signature(s);
    s->sense_key = s->asc = s->cdrom_changed = 0;
    s->tray_open = s->tray_locked = false;
    s->packet_size = s->elementary_size = 0;
    s->io_index = 0;
    s->req_nb_sectors = 0;
    s->lba = 0;
    s->pio_out = false;
}

static void soft_reset(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++)
        ide_drive_soft_reset(&ch->drive[i]);
    ata_diagnose(ch);
}

void ide_control_write(IdeChannel *ch, uint8_t val)
{
    bool rises = !(ch->cmd & CTL_SRST) && (val & CTL_SRST);
    ch->cmd = val;
    if (rises)
        soft_reset(ch);
}

/* ---- reset ---- */

void ide_drive_reset(IdeDrive *s)
{
    s->reset_reverts = true;
    ide_drive_soft_reset(s);
    s->new_media = s->eject_request = false;
    s->identify_set = 0; /* made anew when it is asked for */
}

void ide_channel_reset(IdeChannel *ch)
{
    ch->unit = ch->cmd = 0;
    ch->error_status = 0;
    ch->retry_unit = 0;
    ch->retry_sector = 0;
    ch->retry_nsector = 0;
    for (int i = 0; i < 2; i++)
        ide_drive_reset(&ch->drive[i]);
    ch->ops->set_irq(ch->opaque, false);
}

/* ---- a VM that stopped on an error runs again ---- */

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    IdeChannel *ch = opaque;
    unsigned op = (unsigned)ch->error_status;
    if (!running || !op)
        return;
    IdeDrive *s = &ch->drive[ch->retry_unit & 1];
    ch->error_status = 0;
    if (!s->dev)
        return;
    if (op & (RETRY_DMA | RETRY_TRIM)) {
        if (s->kind == IDE_HD) {
            s->nsector = ch->retry_nsector;
            ata_set_sector(s, ch->retry_sector);
        }
        ide_dma_start(s, op & RETRY_TRIM     ? DMA_TRIM
                         : s->kind == IDE_CD ? DMA_ATAPI
                         : op & RETRY_READ   ? DMA_READ
                                             : DMA_WRITE);
    } else if (op & RETRY_FLUSH) {
        ata_flush(s);
    } else if (s->kind == IDE_CD) {
        memcpy(s->buf, s->packet, ATAPI_CMD_SIZE);
        atapi_packet(s);
    } else if (op & RETRY_READ) {
        ata_sector_read(s);
    } else {
        ata_sector_write(s);
    }
}

/* ---- life ---- */

void ide_channel_init(IdeChannel *ch, Device *ctrl, unsigned id, const IdeControllerOps *ops, void *opaque)
{
    bus_init(&ch->bus, ctrl, BUS_IDE, NULL);
    ch->bus.opaque = ch;
    ch->bus.max_devices = 2;
    ch->ctrl = ctrl;
    ch->id = (uint8_t)id;
    ch->ops = ops;
    ch->opaque = opaque;
    for (int i = 0; i < 2; i++) {
        IdeDrive *s = &ch->drive[i];
        s->ch = ch;
        s->unit = (uint8_t)i;
        s->buf = g_malloc0(IDE_BUF_SIZE);
        s->buf_total = IDE_BUF_SIZE;
        s->smart_enabled = s->smart_autosave = true;
        s->sg = g_array_new(false, false, sizeof(IdeSg));
    }
    runstate_register(vm_state_changed, ch);
    ide_channel_reset(ch);
}

void ide_channel_fini(IdeChannel *ch)
{
    runstate_unregister(vm_state_changed, ch);
    for (int i = 0; i < 2; i++) {
        IdeDrive *s = &ch->drive[i];
        ide_cancel(s);
        g_clear_pointer(&s->buf, g_free);
        if (s->sg)
            g_array_free(s->sg, true);
        s->sg = NULL;
    }
}

bool ide_channel_quiet(IdeChannel *ch)
{
    return !ch->drive[0].req && !ch->drive[1].req;
}
