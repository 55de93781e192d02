/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of ATA disks (ATA/ATAPI-7 volume 1), and those that CD-ROMs share. */
#include "hw/ide/ata.h"

#include <stdio.h>

enum { ON_HD = 1, ON_CD = 2, SETS_DSC = 4 };

enum AtaCommand {
    CMD_NOP = 0x00,
    CMD_DSM = 0x06,
    CMD_DEVICE_RESET = 0x08,
    CMD_RECALIBRATE = 0x10,
    CMD_READ = 0x20,
    CMD_READ_ONCE = 0x21,
    CMD_READ_EXT = 0x24,
    CMD_READ_DMA_EXT = 0x25,
    CMD_NATIVE_MAX_EXT = 0x27,
    CMD_MULTREAD_EXT = 0x29,
    CMD_WRITE = 0x30,
    CMD_WRITE_ONCE = 0x31,
    CMD_WRITE_EXT = 0x34,
    CMD_WRITE_DMA_EXT = 0x35,
    CMD_MULTWRITE_EXT = 0x39,
    CMD_WRITE_VERIFY = 0x3c,
    CMD_VERIFY = 0x40,
    CMD_VERIFY_ONCE = 0x41,
    CMD_VERIFY_EXT = 0x42,
    CMD_SEEK = 0x70,
    CMD_DIAGNOSE = 0x90,
    CMD_SPECIFY = 0x91,
    CMD_STANDBY_NOW1 = 0x94,
    CMD_IDLE_NOW1 = 0x95,
    CMD_STANDBY1 = 0x96,
    CMD_IDLE1 = 0x97,
    CMD_CHECK_POWER1 = 0x98,
    CMD_SLEEP1 = 0x99,
    CMD_PACKET = 0xa0,
    CMD_IDENTIFY_PACKET = 0xa1,
    CMD_SMART = 0xb0,
    CMD_MULTREAD = 0xc4,
    CMD_MULTWRITE = 0xc5,
    CMD_SET_MULTIPLE = 0xc6,
    CMD_READ_DMA = 0xc8,
    CMD_READ_DMA_ONCE = 0xc9,
    CMD_WRITE_DMA = 0xca,
    CMD_WRITE_DMA_ONCE = 0xcb,
    CMD_STANDBY_NOW = 0xe0,
    CMD_IDLE_NOW = 0xe1,
    CMD_STANDBY = 0xe2,
    CMD_IDLE = 0xe3,
    CMD_CHECK_POWER = 0xe5,
    CMD_SLEEP = 0xe6,
    CMD_FLUSH = 0xe7,
    CMD_FLUSH_EXT = 0xea,
    CMD_IDENTIFY = 0xec,
    CMD_SET_FEATURES = 0xef,
    CMD_WEAR_LEVEL = 0xf5,
    CMD_NATIVE_MAX = 0xf8,
};

/* ---- addresses ---- */

int64_t ata_get_sector(const IdeDrive *s)
{
    if (!(s->select & SEL_LBA))
        return ((int64_t)(s->hcyl << 8 | s->lcyl) * s->heads + (s->select & SEL_HEAD)) * s->secs + s->sector - 1;
    if (s->lba48)
        return (int64_t)s->hob_hcyl << 40 | (int64_t)s->hob_lcyl << 32 | (int64_t)s->hob_sector << 24 | s->hcyl << 16 |
               s->lcyl << 8 | s->sector;
    return (s->select & SEL_HEAD) << 24 | s->hcyl << 16 | s->lcyl << 8 | s->sector;
}

void ata_set_sector(IdeDrive *s, int64_t n)
{
    if (s->select & SEL_LBA) {
        if (s->lba48) {
            s->hob_sector = (uint8_t)(n >> 24);
            s->hob_lcyl = (uint8_t)(n >> 32);
            s->hob_hcyl = (uint8_t)(n >> 40);
        } else {
            s->select = (s->select & ~SEL_HEAD) | (n >> 24 & SEL_HEAD);
        }
        s->sector = (uint8_t)n;
        s->lcyl = (uint8_t)(n >> 8);
        s->hcyl = (uint8_t)(n >> 16);
        return;
    }
    if (!s->heads || !s->secs)
        return;
    uint32_t per_cyl = s->heads * s->secs;
    uint64_t u = (uint64_t)n;
    uint32_t cyl = (uint32_t)(u / per_cyl), rest = (uint32_t)(u % per_cyl);
    s->hcyl = (uint8_t)(cyl >> 8);
    s->lcyl = (uint8_t)cyl;
    s->select = (s->select & ~SEL_HEAD) | (rest / s->secs & SEL_HEAD);
    s->sector = (uint8_t)(rest % s->secs + 1);
}

static bool in_range(const IdeDrive *s, int64_t sector, uint64_t n)
{
    return sector >= 0 && (uint64_t)sector <= s->sectors && n <= s->sectors - (uint64_t)sector;
}

/* The sector count that the registers mean. */
static void take_count(IdeDrive *s, bool lba48)
{
    s->lba48 = lba48;
    if (!lba48)
        s->nsector = (uint8_t)s->nsector ? (uint8_t)s->nsector : 256;
    else if (!(uint8_t)s->nsector && !s->hob_nsector)
        s->nsector = 65536;
    else
        s->nsector = (uint32_t)s->hob_nsector << 8 | (uint8_t)s->nsector;
}

/* ---- IDENTIFY DEVICE ---- */

static void put_word(IdeDrive *s, unsigned w, uint16_t val)
{
    stw_le(s->identify + 2 * w, val);
}

/* Text is padded with blanks, two characters a word, the first in the high byte. */
static void put_text(IdeDrive *s, unsigned w, const char *text, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        char c = *text ? *text++ : ' ';
        s->identify[2 * w + (i ^ 1)] = (uint8_t)c;
    }
}

void ata_identify_words_changed(IdeDrive *s)
{
    uint32_t lba28 = (uint32_t)MIN(s->sectors, 0x0fffffff);
    put_word(s, 60, (uint16_t)lba28);
    put_word(s, 61, (uint16_t)(lba28 >> 16));
    for (unsigned i = 0; i < 4; i++)
        put_word(s, 100 + i, (uint16_t)(s->sectors >> (16 * i)));
}

void ata_fill_identify(IdeDrive *s)
{
    if (s->identify_set)
        return;
    memset(s->identify, 0, sizeof(s->identify));
    s->identify_set = 1;
    put_text(s, 10, s->serial, 20);
    put_text(s, 23, s->version, 8);
    put_text(s, 27, s->model, 40);
    if (s->kind == IDE_CD) {
        atapi_identify(s);
        return;
    }
    uint64_t chs = (uint64_t)s->conf->cyls * s->conf->heads * s->conf->secs;
    unsigned exp = 0;
    while (exp < 15 && s->conf->logical_block_size << exp < s->conf->physical_block_size)
        exp++;
    const struct {
        uint8_t word;
        uint16_t val;
    } fixed[] = {
        {0, 0x0040}, /* fixed drive */
        {1, s->conf->cyls},
        {3, s->conf->heads},
        {4, 512 * s->conf->secs},
        {5, 512},
        {6, s->conf->secs},
        {20, 3},                         /* dual ported cache */
        {21, 512},                       /* its size in sectors */
        {22, 4},                         /* ECC bytes */
        {47, 0x8000 | ATA_MULTIPLE_MAX}, /* READ MULTIPLE: at most 16 */
        {48, 1},                         /* 32-bit data port */
        {49, 0x0b00},                    /* IORDY, LBA, DMA */
        {51, 0x0200},
        {52, 0x0200},
        {53, 7}, /* words 54-58, 64-70, 88 are valid */
        {54, s->conf->cyls},
        {55, s->conf->heads},
        {56, s->conf->secs},
        {57, (uint16_t)chs},
        {58, (uint16_t)(chs >> 16)},
        {59, s->mult_sectors ? 0x100 | s->mult_sectors : 0},
        {62, 7}, /* single-word DMA 0 to 2 */
        {63, 7}, /* multi-word DMA 0 to 2 */
        {64, 3}, /* PIO 3, 4 */
        {65, 120},
        {66, 120},
        {67, 120},
        {68, 120},
        {80, 0x00f0}, /* ATA-4 to ATA-7 */
        {81, 0x0016},
        {82, 0x4021}, /* NOP, write cache, SMART */
        {83, 0x7400}, /* FLUSH, FLUSH EXT, LBA48 */
        {84, 0x4000 | (s->wwn ? 0x100 : 0)},
        {85, 0x4001 | (blk_enable_write_cache(s->blk) ? 0x20 : 0)},
        {86, 0x3400},
        {87, 0x4000 | (s->wwn ? 0x100 : 0)},
        {88, 0x203f}, /* Ultra DMA 0 to 5, 5 chosen */
        {93, 0x6001},
        {106, 0x6000 | exp},
        {108, (uint16_t)(s->wwn >> 48)},
        {109, (uint16_t)(s->wwn >> 32)},
        {110, (uint16_t)(s->wwn >> 16)},
        {111, (uint16_t)s->wwn},
        {217, s->rotation_rate},
    };
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        put_word(s, fixed[i].word, fixed[i].val);
    if (s->conf->discard_granularity) {
        put_word(s, 69, 0x4000); /* reads after TRIM are deterministic */
        put_word(s, 169, 1);     /* DATA SET MANAGEMENT: TRIM */
    }
    ata_identify_words_changed(s);
}

static bool identify(IdeDrive *s)
{
    if (s->kind == IDE_CD) {
        ide_set_signature(s);
        ide_abort(s);
        return true;
    }
    ata_fill_identify(s);
    memcpy(s->buf, s->identify, 512);
    s->status = ST_READY | ST_DSC;
    ide_transfer(s, 0, 512, END_STOP, false);
    ide_irq(s->ch);
    return false;
}

/* ---- PIO read and write ---- */

static void sector_read_done(IdeDrive *s, int ret)
{
    s->status &= ~ST_BUSY;
    if (ret && ide_io_error(s, -ret, RETRY_PIO | RETRY_READ))
        return;
    uint32_t n = MIN(s->nsector, (uint32_t)s->req_nb_sectors);
    ata_set_sector(s, ata_get_sector(s) + n);
    s->nsector -= n;
    ide_transfer(s, 0, (int32_t)(n * 512), END_SECTOR_READ, false);
    ide_irq(s->ch);
}

static void note_retry(IdeDrive *s, int64_t sector)
{
    s->ch->retry_unit = s->unit;
    s->ch->retry_sector = sector;
    s->ch->retry_nsector = s->nsector;
}

void ata_sector_read(IdeDrive *s)
{
    int64_t sector = ata_get_sector(s);
    uint32_t n = MIN(s->nsector, (uint32_t)s->req_nb_sectors);
    s->status = ST_READY | ST_DSC;
    s->error = 0;
    if (!s->nsector) {
        ide_transfer_stop(s);
        return;
    }
    if (!in_range(s, sector, n)) {
        ide_abort(s);
        ide_irq(s->ch);
        blk_count_invalid(s->blk, BLOCK_OP_READ);
        return;
    }
    s->status |= ST_BUSY;
    note_retry(s, sector);
    ide_read(s, (uint64_t)sector * 512, n * 512, sector_read_done);
}

static void sector_write_done(IdeDrive *s, int ret)
{
    s->status &= ~ST_BUSY;
    if (ret && ide_io_error(s, -ret, RETRY_PIO))
        return;
    uint32_t n = MIN(s->nsector, (uint32_t)s->req_nb_sectors);
    ata_set_sector(s, ata_get_sector(s) + n);
    s->nsector -= n;
    if (s->nsector)
        ide_transfer(s, 0, (int32_t)(MIN(s->nsector, (uint32_t)s->req_nb_sectors) * 512), END_SECTOR_WRITE, true);
    else
        ide_transfer_stop(s);
    ide_irq(s->ch);
}

void ata_sector_write(IdeDrive *s)
{
    int64_t sector = ata_get_sector(s);
    uint32_t n = MIN(s->nsector, (uint32_t)s->req_nb_sectors);
    s->status = ST_READY | ST_DSC;
    if (!in_range(s, sector, n)) {
        ide_abort(s);
        ide_irq(s->ch);
        blk_count_invalid(s->blk, BLOCK_OP_WRITE);
        return;
    }
    s->status |= ST_BUSY;
    note_retry(s, sector);
    ide_write(s, (uint64_t)sector * 512, n * 512, sector_write_done);
}

static bool pio_read(IdeDrive *s, bool lba48, int32_t at_once)
{
    if (s->kind == IDE_CD) {
        ide_set_signature(s); /* how drivers tell a packet device */
        ide_abort(s);
        return true;
    }
    if (!at_once) {
        ide_abort(s);
        return true;
    }
    take_count(s, lba48);
    s->req_nb_sectors = at_once;
    ata_sector_read(s);
    return false;
}

static bool pio_write(IdeDrive *s, bool lba48, int32_t at_once)
{
    if (!at_once) {
        ide_abort(s);
        return true;
    }
    take_count(s, lba48);
    s->req_nb_sectors = at_once;
    s->error = 0;
    s->status = ST_DSC | ST_READY;
    ide_transfer(s, 0, (int32_t)(MIN(s->nsector, (uint32_t)at_once) * 512), END_SECTOR_WRITE, true);
    return false;
}

/* ---- DMA ---- */

static void dma_sectors_done(IdeDrive *s, int ret)
{
    unsigned op = RETRY_DMA | (s->dma == DMA_READ ? RETRY_READ : 0);
    if (ret && ide_io_error(s, -ret, op)) {
        s->dma_go = false;
        return;
    }
    ata_set_sector(s, ata_get_sector(s) + s->nsector);
    s->nsector = 0;
    s->status = ST_READY | ST_DSC;
    ide_irq(s->ch);
    ide_dma_finish(s, s->dma_active);
}

/* A list that ends before the command does: the engine stops, no interrupt comes. */
static void list_too_short(IdeDrive *s)
{
    s->status = ST_READY | ST_DSC;
    ide_dma_finish(s, false);
}

static void dma_refused(IdeDrive *s, BlockOp op)
{
    ide_abort(s);
    ide_dma_finish(s, false);
    ide_irq(s->ch);
    blk_count_invalid(s->blk, op);
}

/* DATA SET MANAGEMENT: TRIM. The list of ranges is in buf: 48 bits of sector, 16 of count, little endian. */
static void trim_next(IdeDrive *s, int ret)
{
    if (ret && ide_io_error(s, -ret, RETRY_TRIM)) {
        s->dma_go = false;
        return;
    }
    while (s->trim_pos < s->dma_len) {
        uint64_t entry = ldq_le(s->buf + s->trim_pos), sector = entry & 0xffffffffffffULL, n = entry >> 48;
        s->trim_pos += 8;
        if (!n)
            continue;
        if (!in_range(s, (int64_t)sector, n)) {
            dma_refused(s, BLOCK_OP_UNMAP);
            return;
        }
        ide_discard(s, sector * 512, n * 512, trim_next);
        return;
    }
    s->nsector = 0;
    s->status = ST_READY | ST_DSC;
    ide_irq(s->ch);
    ide_dma_finish(s, s->dma_active);
}

void ata_dma_run(IdeDrive *s)
{
    uint64_t len = (uint64_t)s->nsector * 512;
    int64_t total, sector = ata_get_sector(s);
    BlockOp op = s->dma == DMA_READ ? BLOCK_OP_READ : s->dma == DMA_TRIM ? BLOCK_OP_UNMAP : BLOCK_OP_WRITE;
    if (!ide_dma_collect(s, len, &total)) {
        list_too_short(s);
        return;
    }
    s->dma_active = (uint64_t)total > len;
    if (s->dma == DMA_TRIM) {
        if (len > IDE_BUF_SIZE) {
            dma_refused(s, op);
            return;
        }
        ide_dma_copy(s, s->buf, len, false);
        s->dma_len = len;
        s->trim_pos = 0;
        trim_next(s, 0);
        return;
    }
    if (!in_range(s, sector, s->nsector)) {
        dma_refused(s, op);
        return;
    }
    ide_dma_io(s, (uint64_t)sector * 512, len, s->dma == DMA_READ, dma_sectors_done);
}

static bool dma_command(IdeDrive *s, bool lba48, IdeDma kind)
{
    if (s->kind == IDE_CD) {
        ide_abort(s);
        return true;
    }
    take_count(s, lba48);
    s->status = ST_READY | ST_DSC | ST_DRQ;
    ide_dma_start(s, kind);
    return false;
}

static bool dsm(IdeDrive *s)
{
    if (!(s->feature & 1) || !s->conf->discard_granularity) {
        ide_abort(s);
        return true;
    }
    return dma_command(s, true, DMA_TRIM);
}

/* ---- the rest ---- */

static void flush_done(IdeDrive *s, int ret)
{
    if (ret && ide_io_error(s, -ret, RETRY_FLUSH)) {
        s->status &= ~ST_BUSY;
        return;
    }
    s->status = ST_READY | ST_DSC;
    ide_irq(s->ch);
}

void ata_flush(IdeDrive *s)
{
    s->status |= ST_BUSY;
    note_retry(s, 0);
    ide_flush(s, flush_done);
}

void ata_diagnose(IdeChannel *ch)
{
    for (int i = 0; i < 2; i++) {
        IdeDrive *s = &ch->drive[i];
        s->select = SEL_ONES;
        ide_set_signature(s);
        s->status = s->dev && s->kind == IDE_CD ? 0 : ST_READY | ST_DSC;
        s->error = 1; /* passed */
    }
}

static bool native_max(IdeDrive *s, bool lba48)
{
    if (!s->sectors) {
        ide_abort(s);
        return true;
    }
    s->lba48 = lba48;
    ata_set_sector(s, (int64_t)s->sectors - 1);
    s->lba48 = false;
    return true;
}

void ata_set_multiple(IdeDrive *s, uint8_t n)
{
    s->mult_sectors = n;
    if (s->identify_set && s->kind == IDE_HD)
        put_word(s, 59, n ? 0x100 | n : 0);
}

static bool set_multiple(IdeDrive *s)
{
    uint8_t n = (uint8_t)s->nsector;
    if (n > ATA_MULTIPLE_MAX || (n & (n - 1))) {
        ide_abort(s);
        return true;
    }
    ata_set_multiple(s, n);
    return true;
}

static void cache_off_done(IdeDrive *s, int ret)
{
    flush_done(s, ret);
}

static bool set_transfer_mode(IdeDrive *s)
{
    uint8_t mode = s->nsector & 7;
    uint16_t single = 0x07, multi = 0x07, ultra = 0x3f;
    switch (s->nsector >> 3 & 0x1f) {
    case 0: /* PIO default */
    case 1: /* PIO flow control */
        break;
    case 2:
        single |= 1 << (mode + 8);
        break;
    case 4:
        multi |= 1 << (mode + 8);
        break;
    case 8:
        ultra |= 1 << (mode + 8);
        break;
    default:
        return false;
    }
    put_word(s, 62, single);
    put_word(s, 63, multi);
    put_word(s, 88, ultra);
    return true;
}

static bool set_features(IdeDrive *s)
{
    ata_fill_identify(s);
    switch (s->feature) {
    case 0x02: /* write cache on */
        blk_set_enable_write_cache(s->blk, true);
        put_word(s, 85, 0x4021);
        return true;
    case 0x82: /* write cache off: what it holds goes to the disk first */
        blk_set_enable_write_cache(s->blk, false);
        put_word(s, 85, 0x4001);
        s->status |= ST_BUSY;
        note_retry(s, 0);
        ide_flush(s, cache_off_done);
        return false;
    case 0x03:
        if (!set_transfer_mode(s))
            ide_abort(s);
        return true;
    case 0xcc: /* a soft reset brings the power-on defaults back */
        s->reset_reverts = true;
        return true;
    case 0x66:
        s->reset_reverts = false;
        return true;
    case 0x05: /* advanced power management */
    case 0x42: /* acoustic management */
    case 0x55: /* read look-ahead off */
    case 0x67:
    case 0x69:
    case 0x85:
    case 0x96:
    case 0x9a:
    case 0xaa:
    case 0xc2:
        return true;
    default:
        ide_abort(s);
        return true;
    }
}

/* ---- SMART ---- */

/* id, flags, value, worst, raw, threshold */
static const struct {
    uint8_t id, flags, val, worst, raw[6], threshold;
} smart_attributes[] = {
    {0x01, 0x03, 100, 100, {0}, 6},            /* read error rate */
    {0x03, 0x03, 100, 100, {16}, 0},           /* spin-up time */
    {0x04, 0x02, 100, 100, {100}, 20},         /* start/stop count */
    {0x05, 0x03, 100, 100, {0}, 36},           /* reallocated sectors */
    {0x09, 0x03, 100, 100, {1}, 0},            /* power-on hours */
    {0x0c, 0x03, 100, 100, {0}, 0},            /* power cycles */
    {0xbe, 0x03, 69, 69, {31, 0, 31, 31}, 50}, /* air flow temperature */
};

static bool smart_reply(IdeDrive *s)
{
    uint8_t sum = 0;
    for (int i = 0; i < 511; i++)
        sum += s->buf[i];
    s->buf[511] = (uint8_t)-sum;
    s->status = ST_READY | ST_DSC;
    ide_transfer(s, 0, 512, END_STOP, false);
    ide_irq(s->ch);
    return false;
}

static bool smart_log(IdeDrive *s)
{
    memset(s->buf, 0, 512);
    switch (s->sector) {
    /* No directory (log 0): it is for logs of several sectors. */
    case 1: /* summary of errors: none */
        s->buf[0] = 1;
        s->buf[452] = s->smart_errors;
        return smart_reply(s);
    case 6: /* self-tests */
        memcpy(s->buf, s->smart_log, 511);
        s->buf[0] = 1;
        s->buf[508] = s->smart_selftests;
        return smart_reply(s);
    default:
        ide_abort(s);
        return true;
    }
}

static bool smart_selftest(IdeDrive *s)
{
    switch (s->sector) {
    case 0:   /* off-line routine */
    case 1:   /* short */
    case 2: { /* extended */
        s->smart_selftests = s->smart_selftests >= 21 ? 1 : s->smart_selftests + 1;
        unsigned at = 2 + (s->smart_selftests - 1u) * 24;
        memset(s->smart_log + at, 0, 24);
        s->smart_log[at] = s->sector;
        s->smart_log[at + 2] = 0x34; /* power-on hours */
        s->smart_log[at + 3] = 0x12;
        return true;
    }
    default:
        ide_abort(s);
        return true;
    }
}

static bool smart(IdeDrive *s)
{
    if (s->hcyl != 0xc2 || s->lcyl != 0x4f || (!s->smart_enabled && s->feature != 0xd8))
        goto abort;
    switch (s->feature) {
    case 0xd0: /* READ DATA */
        memset(s->buf, 0, 512);
        s->buf[0] = 1;
        for (size_t i = 0; i < ARRAY_SIZE(smart_attributes); i++) {
            uint8_t *e = s->buf + 2 + 12 * i;
            e[0] = smart_attributes[i].id;
            e[1] = smart_attributes[i].flags;
            e[3] = smart_attributes[i].val;
            e[4] = smart_attributes[i].worst;
            memcpy(e + 5, smart_attributes[i].raw, 6);
        }
        s->buf[362] = 0x02 | (s->smart_autosave ? 0x80 : 0);
        s->buf[363] = s->smart_selftests ? s->smart_log[2 + (s->smart_selftests - 1) * 24 + 1] : 0;
        stw_le(s->buf + 364, 288); /* seconds of the off-line routine */
        s->buf[367] = 0x19;
        stw_le(s->buf + 368, 3);
        s->buf[370] = 1; /* error logging */
        s->buf[372] = 2; /* minutes: short, extended, conveyance test */
        s->buf[373] = 54;
        s->buf[374] = 1;
        return smart_reply(s);
    case 0xd1: /* READ THRESHOLDS */
        memset(s->buf, 0, 512);
        s->buf[0] = 1;
        for (size_t i = 0; i < ARRAY_SIZE(smart_attributes); i++) {
            s->buf[2 + 12 * i] = smart_attributes[i].id;
            s->buf[3 + 12 * i] = smart_attributes[i].threshold;
        }
        return smart_reply(s);
    case 0xd2: /* attribute autosave */
        if ((uint8_t)s->nsector == 0)
            s->smart_autosave = false;
        else if ((uint8_t)s->nsector == 0xf1)
            s->smart_autosave = true;
        else
            goto abort;
        return true;
    case 0xd4:
        return smart_selftest(s);
    case 0xd5:
        return smart_log(s);
    case 0xd8:
        s->smart_enabled = true;
        return true;
    case 0xd9:
        s->smart_enabled = false;
        return true;
    case 0xda: /* RETURN STATUS: 2C F4 where a threshold was passed */
        return true;
    }
abort:
    ide_abort(s);
    return true;
}

/* ---- the table ---- */

static uint8_t flags_of(uint8_t cmd)
{
    switch (cmd) {
    case CMD_NOP:
        return 0;
    case CMD_DEVICE_RESET:
    case CMD_PACKET:
    case CMD_IDENTIFY_PACKET:
        return ON_CD;
    case CMD_READ:
    case CMD_DIAGNOSE:
    case CMD_FLUSH:
    case CMD_IDENTIFY:
        return ON_HD | ON_CD;
    case CMD_SET_FEATURES:
    case CMD_STANDBY_NOW1:
    case CMD_IDLE_NOW1:
    case CMD_STANDBY1:
    case CMD_IDLE1:
    case CMD_SLEEP1:
    case CMD_STANDBY_NOW:
    case CMD_IDLE_NOW:
    case CMD_STANDBY:
    case CMD_IDLE:
    case CMD_SLEEP:
        return ON_HD | (cmd == CMD_SET_FEATURES ? ON_CD | SETS_DSC : 0);
    case CMD_RECALIBRATE:
    case CMD_VERIFY:
    case CMD_VERIFY_ONCE:
    case CMD_VERIFY_EXT:
    case CMD_SEEK:
    case CMD_SPECIFY:
    case CMD_SMART:
    case CMD_SET_MULTIPLE:
    case CMD_CHECK_POWER1:
    case CMD_CHECK_POWER:
    case CMD_NATIVE_MAX:
    case CMD_NATIVE_MAX_EXT:
    case CMD_WEAR_LEVEL:
        return ON_HD | SETS_DSC;
    case CMD_DSM:
    case CMD_READ_ONCE:
    case CMD_READ_EXT:
    case CMD_READ_DMA_EXT:
    case CMD_MULTREAD_EXT:
    case CMD_WRITE:
    case CMD_WRITE_ONCE:
    case CMD_WRITE_EXT:
    case CMD_WRITE_DMA_EXT:
    case CMD_MULTWRITE_EXT:
    case CMD_WRITE_VERIFY:
    case CMD_MULTREAD:
    case CMD_MULTWRITE:
    case CMD_READ_DMA:
    case CMD_READ_DMA_ONCE:
    case CMD_WRITE_DMA:
    case CMD_WRITE_DMA_ONCE:
    case CMD_FLUSH_EXT:
        return ON_HD;
    default:
        return 0;
    }
}

bool ata_permitted(const IdeDrive *s, uint8_t cmd)
{
    return flags_of(cmd) & (s->kind == IDE_CD ? ON_CD : ON_HD);
}

bool ata_sets_dsc(uint8_t cmd)
{
    return flags_of(cmd) & SETS_DSC;
}

bool ata_command(IdeDrive *s, uint8_t cmd)
{
    switch (cmd) {
    case CMD_DSM:
        return dsm(s);
    case CMD_DEVICE_RESET:
        ide_drive_soft_reset(s);
        s->status = 0;
        return false;
    case CMD_READ:
    case CMD_READ_ONCE:
        return pio_read(s, false, 1);
    case CMD_READ_EXT:
        return pio_read(s, true, 1);
    case CMD_MULTREAD:
        return pio_read(s, false, s->mult_sectors);
    case CMD_MULTREAD_EXT:
        return pio_read(s, true, s->mult_sectors);
    case CMD_WRITE:
    case CMD_WRITE_ONCE:
    case CMD_WRITE_VERIFY:
        return pio_write(s, false, 1);
    case CMD_WRITE_EXT:
        return pio_write(s, true, 1);
    case CMD_MULTWRITE:
        return pio_write(s, false, s->mult_sectors);
    case CMD_MULTWRITE_EXT:
        return pio_write(s, true, s->mult_sectors);
    case CMD_READ_DMA:
    case CMD_READ_DMA_ONCE:
        return dma_command(s, false, DMA_READ);
    case CMD_READ_DMA_EXT:
        return dma_command(s, true, DMA_READ);
    case CMD_WRITE_DMA:
    case CMD_WRITE_DMA_ONCE:
        return dma_command(s, false, DMA_WRITE);
    case CMD_WRITE_DMA_EXT:
        return dma_command(s, true, DMA_WRITE);
    case CMD_VERIFY:
    case CMD_VERIFY_ONCE:
    case CMD_VERIFY_EXT:
        take_count(s, cmd == CMD_VERIFY_EXT);
        return true;
    case CMD_NATIVE_MAX:
        return native_max(s, false);
    case CMD_NATIVE_MAX_EXT:
        return native_max(s, true);
    case CMD_DIAGNOSE:
        ata_diagnose(s->ch);
        ide_irq(s->ch);
        return false;
    case CMD_CHECK_POWER:
    case CMD_CHECK_POWER1:
        s->nsector = 0xff; /* active or idle */
        return true;
    case CMD_PACKET:
        /* Overlap is refused; DMA is chosen in the feature register. */
        if (s->feature & 2) {
            ide_abort(s);
            return true;
        }
        s->status = ST_READY | ST_DSC;
        s->nsector = INT_CD;
        s->packet_size = 0;
        ide_transfer(s, 0, ATAPI_CMD_SIZE, END_ATAPI_CMD, true);
        return false;
    case CMD_IDENTIFY_PACKET:
        ata_fill_identify(s);
        memcpy(s->buf, s->identify, 512);
        s->status = ST_READY | ST_DSC;
        ide_transfer(s, 0, 512, END_STOP, false);
        ide_irq(s->ch);
        return false;
    case CMD_SPECIFY: /* INITIALIZE DEVICE PARAMETERS: the translation */
        s->heads = (s->select & SEL_HEAD) + 1u;
        s->secs = (uint8_t)s->nsector;
        return true;
    case CMD_WEAR_LEVEL: /* of CFA; to others SECURITY FREEZE LOCK, and there is nothing to freeze */
        s->nsector = 0;
        return true;
    case CMD_SMART:
        return smart(s);
    case CMD_SET_MULTIPLE:
        return set_multiple(s);
    case CMD_FLUSH:
    case CMD_FLUSH_EXT:
        ata_flush(s);
        return false;
    case CMD_IDENTIFY:
        return identify(s);
    case CMD_SET_FEATURES:
        return set_features(s);
    default: /* power management, seek, recalibrate: nothing to do */
        return true;
    }
}
