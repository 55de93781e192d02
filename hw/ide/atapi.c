/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packet commands of CD-ROM drives (ATA/ATAPI-7 volume 2, MMC-5, SFF-8020i), by PIO and DMA.
 *
 * A reply of odd length by PIO ends with a pad byte, as the standard has it. Media of more than 80 minutes are DVDs.
 */
#include "hw/ide/ata.h"

#include <stdio.h>

enum { SENSE_NONE = 0, SENSE_NOT_READY = 2, SENSE_MEDIUM = 3, SENSE_ILLEGAL = 5, SENSE_ATTENTION = 6 };
enum {
    ASC_ILLEGAL_OPCODE = 0x20,
    ASC_LBA_RANGE = 0x21,
    ASC_INV_FIELD = 0x24,
    ASC_MEDIUM_CHANGED = 0x28,
    ASC_INCOMPATIBLE_FORMAT = 0x30,
    ASC_NO_MEDIUM = 0x3a,
    ASC_REMOVAL_PREVENTED = 0x53,
};
#define CD_MAX_SECTORS (80 * 60 * 75) /* frames of 2048 bytes */

static void put16(uint8_t *p, unsigned v)
{
    stw_be(p, (uint16_t)v);
}

static uint64_t frames(const IdeDrive *s)
{
    return s->tray_open ? 0 : s->sectors / (CD_SECTOR / 512);
}

static bool present(const IdeDrive *s)
{
    return !s->tray_open && s->sectors > 0;
}

static bool is_dvd(const IdeDrive *s)
{
    return present(s) && frames(s) > CD_MAX_SECTORS;
}

static bool is_cd(const IdeDrive *s)
{
    return present(s) && frames(s) <= CD_MAX_SECTORS;
}

void atapi_identify(IdeDrive *s)
{
    static const struct {
        uint8_t word;
        uint16_t val;
    } fixed[] = {
        {0, 0x85c0},                                  /* packet device, CD-ROM, removable, 12-byte packets */
        {20, 3},      {21, 512}, {22, 4},    {48, 1}, /* as disks say it */
        {49, 0x0300},                                 /* LBA, DMA */
        {53, 7},      {62, 7},   {63, 7},    {64, 3},  {65, 0xb4},
        {66, 0xb4},   {67, 300}, {68, 0xb4}, {71, 30}, {72, 30}, /* us from PACKET, SERVICE to bus release */
        {80, 0x1e},                                              /* ATA-1 to ATA-4 */
        {88, 0x203f},
    };
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        stw_le(s->identify + 2 * fixed[i].word, fixed[i].val);
    if (s->wwn) {
        stw_le(s->identify + 2 * 84, 0x100);
        stw_le(s->identify + 2 * 87, 0x100);
        for (unsigned i = 0; i < 4; i++)
            stw_le(s->identify + 2 * (108 + i), (uint16_t)(s->wwn >> (48 - 16 * i)));
    }
}

/* ---- ends ---- */

static void set_reason(IdeDrive *s, unsigned reason)
{
    s->nsector = ((uint8_t)s->nsector & ~7u) | reason;
}

static void cmd_ok(IdeDrive *s)
{
    s->error = 0;
    s->status = ST_READY | ST_DSC;
    set_reason(s, INT_IO | INT_CD);
    ide_transfer_stop(s);
    ide_irq(s->ch);
}

static void cmd_error(IdeDrive *s, uint8_t sense, uint8_t asc)
{
    s->error = (uint8_t)(sense << 4);
    s->status = ST_READY | ST_ERR;
    set_reason(s, INT_IO | INT_CD);
    s->sense_key = sense;
    s->asc = asc;
    ide_transfer_stop(s);
    ide_irq(s->ch);
}

static void invalid_field(IdeDrive *s)
{
    cmd_error(s, SENSE_ILLEGAL, ASC_INV_FIELD);
}

void atapi_io_error(IdeDrive *s, int err)
{
    bool dma = s->dma != DMA_NONE;
    if (err == ENOMEDIUM)
        cmd_error(s, SENSE_NOT_READY, ASC_NO_MEDIUM);
    else
        cmd_error(s, SENSE_ILLEGAL, ASC_LBA_RANGE);
    if (dma)
        ide_dma_finish(s, false);
}

/* ---- data to the host ---- */

/* A frame as it is on the disc: sync, address, mode 1; the error correction is left out. The data is at 16. */
static void make_raw(uint8_t *p, uint32_t lba)
{
    uint32_t f = lba + 150;
    memset(p + 1, 0xff, 10);
    p[0] = p[11] = 0;
    p[12] = (uint8_t)(f / 75 / 60);
    p[13] = (uint8_t)(f / 75 % 60);
    p[14] = (uint8_t)(f % 75);
    p[15] = 1;
    memset(p + 16 + CD_SECTOR, 0, 288);
}

static void frame_read(IdeDrive *s, int ret)
{
    s->status &= ~ST_BUSY;
    if (ret && ide_io_error(s, -ret, RETRY_PIO | RETRY_READ))
        return;
    if (s->cd_size != CD_SECTOR) {
        memmove(s->buf + 16, s->buf, CD_SECTOR);
        make_raw(s->buf, (uint32_t)s->lba);
    }
    s->lba++;
    s->io_index = 0;
    atapi_reply_end(s);
}

static uint32_t byte_limit(const IdeDrive *s)
{
    return s->lcyl | (uint32_t)s->hcyl << 8;
}

void atapi_reply_end(IdeDrive *s)
{
    if (s->packet_size <= 0) {
        cmd_ok(s);
        return;
    }
    if (s->lba != -1 && s->io_index >= s->cd_size) {
        s->status |= ST_BUSY;
        s->ch->retry_unit = s->unit;
        ide_read(s, (uint64_t)(uint32_t)s->lba * CD_SECTOR, CD_SECTOR, frame_read);
        return;
    }
    int32_t size;
    bool more = s->elementary_size > 0;
    if (more) { /* the rest of what was announced */
        size = MIN(s->cd_size - s->io_index, s->elementary_size);
    } else {
        uint32_t limit = byte_limit(s);
        set_reason(s, INT_IO);
        if (limit == 0xffff)
            limit--;
        size = s->packet_size;
        if ((uint32_t)size > limit)
            size = (int32_t)(limit & ~1u);
        s->lcyl = (uint8_t)size;
        s->hcyl = (uint8_t)(size >> 8);
        s->elementary_size = size;
        if (s->lba != -1)
            size = MIN(size, s->cd_size - s->io_index);
    }
    s->packet_size -= size;
    s->elementary_size -= size;
    s->io_index += size;
    ide_transfer(s, s->io_index - size, size, END_ATAPI_REPLY, false);
    if (!more)
        ide_irq(s->ch);
}

static bool by_dma(const IdeDrive *s)
{
    return s->feature & 1;
}

/* size bytes in buf, of which the host wants at most max. */
static void reply(IdeDrive *s, int32_t size, int32_t max)
{
    s->lba = -1;
    s->packet_size = MIN(size, max);
    s->elementary_size = 0;
    s->io_index = 0;
    s->status = ST_READY | ST_DSC;
    if (!s->packet_size) {
        cmd_ok(s);
    } else if (by_dma(s)) {
        s->status |= ST_DRQ;
        ide_dma_start(s, DMA_ATAPI);
    } else {
        atapi_reply_end(s);
    }
}

static void start_read(IdeDrive *s, uint32_t lba, uint64_t count, int32_t frame)
{
    s->lba = (int32_t)lba;
    s->packet_size = (int32_t)(count * (uint32_t)frame);
    s->elementary_size = 0;
    s->io_index = frame; /* nothing in buf yet */
    s->cd_size = frame;
    s->status = ST_READY | ST_DSC;
    if (by_dma(s)) {
        s->status |= ST_DRQ;
        ide_dma_start(s, DMA_ATAPI);
    } else {
        atapi_reply_end(s);
    }
}

/* ---- DMA ---- */

static void dma_over(IdeDrive *s)
{
    s->packet_size -= (int32_t)s->dma_len;
    if (s->packet_size > 0) { /* the list was too short: the engine stops, the drive has more */
        ide_dma_finish(s, false);
        return;
    }
    s->packet_size = 0;
    s->status = ST_READY | ST_DSC;
    set_reason(s, INT_IO | INT_CD);
    ide_irq(s->ch);
    ide_dma_finish(s, false);
}

static void dma_frames_done(IdeDrive *s, int ret)
{
    if (ret && ide_io_error(s, -ret, RETRY_DMA | RETRY_READ)) {
        s->dma_go = false;
        return;
    }
    s->lba = (int32_t)((uint32_t)s->lba + (uint32_t)(s->dma_len / CD_SECTOR));
    dma_over(s);
}

/* Raw frames: one at a time through buf. io_index: bytes of the list that are filled. */
static void raw_frame_done(IdeDrive *s, int ret);
static void raw_next(IdeDrive *s)
{
    if ((uint64_t)s->io_index >= s->dma_len) {
        dma_over(s);
        return;
    }
    ide_read(s, (uint64_t)(uint32_t)s->lba * CD_SECTOR, CD_SECTOR, raw_frame_done);
}

static void raw_frame_done(IdeDrive *s, int ret)
{
    if (ret && ide_io_error(s, -ret, RETRY_DMA | RETRY_READ)) {
        s->dma_go = false;
        return;
    }
    memmove(s->buf + 16, s->buf, CD_SECTOR);
    make_raw(s->buf, (uint32_t)s->lba);
    uint32_t n = (uint32_t)MIN((uint64_t)s->cd_size, s->dma_len - (uint64_t)s->io_index);
    ide_dma_copy_at(s, (uint32_t)s->io_index, s->buf, n);
    s->io_index += (int32_t)n;
    s->lba++;
    raw_next(s);
}

void atapi_dma_run(IdeDrive *s)
{
    int64_t total;
    ide_dma_collect(s, (uint64_t)s->packet_size, &total);
    if (total <= 0) {
        ide_dma_finish(s, false);
        return;
    }
    s->dma_len = (uint64_t)MIN(total, s->packet_size);
    s->io_index = 0;
    if (s->lba == -1) {
        ide_dma_copy(s, s->buf, s->dma_len, true);
        dma_over(s);
    } else if (s->cd_size == CD_SECTOR) {
        ide_dma_io(s, (uint64_t)(uint32_t)s->lba * CD_SECTOR, s->dma_len, true, dma_frames_done);
    } else {
        raw_next(s);
    }
}

/* ---- commands; p: the packet ---- */

static void test_unit_ready(IdeDrive *s, const uint8_t *p)
{
    cmd_ok(s);
}

static void request_sense(IdeDrive *s, const uint8_t *p)
{
    int max = p[4];
    memset(s->buf, 0, 18);
    s->buf[0] = 0x70 | 0x80;
    s->buf[2] = s->sense_key;
    s->buf[7] = 10;
    s->buf[12] = s->asc;
    if (s->sense_key == SENSE_ATTENTION)
        s->sense_key = SENSE_NONE;
    reply(s, 18, max);
}

static void put_padded(uint8_t *dst, const char *text, size_t len)
{
    size_t n = MIN(strlen(text), len);
    memcpy(dst, text, n);
    memset(dst + n, ' ', len - n);
}

static void inquiry(IdeDrive *s, const uint8_t *p)
{
    uint8_t *b = s->buf;
    int max = p[4], n = 0;
    memset(b, 0, 256);
    b[0] = 5; /* CD-ROM */
    if (!(p[1] & 1)) {
        b[1] = 0x80; /* removable */
        b[3] = 0x21; /* ATAPI-2 */
        b[4] = 31;
        put_padded(b + 8, "QEMU", 8);
        put_padded(b + 16, "QEMU DVD-ROM", 16);
        put_padded(b + 32, s->version, 4);
        reply(s, 36, max);
        return;
    }
    b[1] = p[2];
    switch (p[2]) {
    case 0x00: /* pages */
        b[4] = 0x00;
        b[5] = 0x83;
        n = 2;
        break;
    case 0x83: { /* names: serial number; vendor, model and serial number; WWN */
        uint8_t *e = b + 4;
        e[0] = 2;
        e[3] = 20;
        put_padded(e + 4, s->serial, 20);
        e += 24;
        e[0] = 2;
        e[1] = 1;
        e[3] = 68;
        put_padded(e + 4, "ATA", 8);
        put_padded(e + 12, s->model, 40);
        put_padded(e + 52, s->serial, 20);
        e += 72;
        if (s->wwn) {
            e[0] = 1;
            e[1] = 3;
            e[3] = 8;
            stq_be(e + 4, s->wwn);
            e += 12;
        }
        n = (int)(e - b - 4);
        break;
    }
    default:
        invalid_field(s);
        return;
    }
    b[3] = (uint8_t)n;
    reply(s, n + 4, max);
}

static void start_stop(IdeDrive *s, const uint8_t *p)
{
    bool start = p[4] & 1, loej = p[4] & 2;
    if (p[4] & 0xf0) { /* power conditions */
        cmd_ok(s);
        return;
    }
    if (loej) {
        if (!start && !s->tray_open && s->tray_locked) {
            cmd_error(s, blk_inserted(s->blk) ? SENSE_NOT_READY : SENSE_ILLEGAL, ASC_REMOVAL_PREVENTED);
            return;
        }
        if (s->tray_open == start) {
            s->tray_open = !start;
            blk_tray_moved(s->blk, s->tray_open);
        }
    }
    cmd_ok(s);
}

static void prevent_allow(IdeDrive *s, const uint8_t *p)
{
    s->tray_locked = p[4] & 1;
    cmd_ok(s);
}

static void read_capacity(IdeDrive *s, const uint8_t *p)
{
    stl_be(s->buf, (uint32_t)(frames(s) - 1));
    stl_be(s->buf + 4, CD_SECTOR);
    reply(s, 8, 8);
}

static void read_frames(IdeDrive *s, const uint8_t *p)
{
    uint32_t lba = ldl_be(p + 2), count = p[0] == 0x28 ? lduw_be(p + 7) : ldl_be(p + 6);
    uint64_t total = frames(s);
    if (!count)
        cmd_ok(s);
    else if (lba >= total || count > total - lba || (uint64_t)count * CD_SECTOR > INT32_MAX)
        cmd_error(s, SENSE_ILLEGAL, ASC_LBA_RANGE);
    else
        start_read(s, lba, count, CD_SECTOR);
}

static bool limit_given(IdeDrive *s)
{
    if (by_dma(s) || byte_limit(s))
        return true;
    ide_abort(s);
    ide_irq(s->ch);
    return false;
}

static void read_cd(IdeDrive *s, const uint8_t *p)
{
    uint32_t lba = ldl_be(p + 2), count = (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
    uint64_t total = frames(s);
    unsigned what = p[9] & 0xf8;
    if (!count || !what) {
        cmd_ok(s);
        return;
    }
    if (!limit_given(s))
        return;
    if (lba >= total || count > total - lba || (uint64_t)count * 2352 > INT32_MAX)
        cmd_error(s, SENSE_ILLEGAL, ASC_LBA_RANGE);
    else if (what == 0x10)
        start_read(s, lba, count, CD_SECTOR);
    else if (what == 0xf8)
        start_read(s, lba, count, 2352);
    else
        invalid_field(s);
}

static void seek(IdeDrive *s, const uint8_t *p)
{
    if (ldl_be(p + 2) >= frames(s))
        cmd_error(s, SENSE_ILLEGAL, ASC_LBA_RANGE);
    else
        cmd_ok(s);
}

static void put_address(uint8_t *p, uint64_t lba, bool msf)
{
    if (!msf) {
        stl_be(p, (uint32_t)lba);
        return;
    }
    lba += 150;
    p[0] = 0;
    p[1] = (uint8_t)(lba / 75 / 60);
    p[2] = (uint8_t)(lba / 75 % 60);
    p[3] = (uint8_t)(lba % 75);
}

static uint8_t *toc_entry(uint8_t *q, uint8_t track, uint64_t lba, bool msf)
{
    memset(q, 0, 8);
    q[1] = track == 0xaa ? 0x16 : 0x14; /* data */
    q[2] = track;
    put_address(q + 4, lba, msf);
    return q + 8;
}

/* A descriptor of the full TOC: point, and what it points to in place or as an address. */
static uint8_t *full_entry(uint8_t *q, uint8_t point, int track, uint64_t lba, bool msf)
{
    memset(q, 0, 11);
    q[0] = 1; /* session */
    q[1] = 0x14;
    q[3] = point;
    if (track >= 0) {
        q[8] = (uint8_t)track;
    } else if (msf) {
        put_address(q + 7, lba, true);
    } else {
        stl_be(q + 7, (uint32_t)lba);
    }
    return q + 11;
}

static void read_toc(IdeDrive *s, const uint8_t *p)
{
    unsigned format = p[9] >> 6, start = p[6], max = lduw_be(p + 7);
    bool msf = p[1] & 2;
    uint8_t *b = s->buf, *q = b + 4;
    b[2] = b[3] = 1; /* first and last track or session */
    switch (format) {
    case 0:
        if (start > 1 && start != 0xaa) {
            invalid_field(s);
            return;
        }
        if (start <= 1)
            q = toc_entry(q, 1, 0, msf);
        q = toc_entry(q, 0xaa, frames(s), msf);
        break;
    case 1: /* one session, which begins with the first track */
        memset(q, 0, 8);
        q += 8;
        break;
    case 2:
        q = full_entry(q, 0xa0, 1, 0, false);
        q = full_entry(q, 0xa1, 1, 0, false);
        q = full_entry(q, 0xa2, -1, frames(s), msf);
        q = full_entry(q, 1, -1, 0, msf);
        break;
    default:
        invalid_field(s);
        return;
    }
    put16(b, (unsigned)(q - b - 2));
    reply(s, (int32_t)(q - b), (int32_t)max);
}

static void get_configuration(IdeDrive *s, const uint8_t *p)
{
    uint8_t *b = s->buf;
    unsigned max = lduw_be(p + 7);
    if (p[2] || p[3]) { /* only the whole list, from feature 0 on */
        invalid_field(s);
        return;
    }
    memset(b, 0, 64);
    unsigned profile = is_dvd(s) ? 0x10 : is_cd(s) ? 0x08 : 0;
    put16(b + 6, profile);
    /* Feature 0, the list of profiles: persistent, current. */
    b[10] = 0x03;
    b[11] = 8;
    put16(b + 12, 0x10); /* DVD-ROM */
    b[14] = is_dvd(s);
    put16(b + 16, 0x08); /* CD-ROM */
    b[18] = is_cd(s);
    stl_be(b, 16);
    reply(s, 20, (int32_t)max);
}

static void get_event_status(IdeDrive *s, const uint8_t *p)
{
    enum { CLASS_MEDIA = 4, MEDIA_BIT = 1 << CLASS_MEDIA };
    enum { EVENT_NONE = 0, EVENT_EJECT = 1, EVENT_NEW = 2, STATUS_OPEN = 1, STATUS_PRESENT = 2 };
    uint8_t *b = s->buf;
    if (!(p[1] & 1)) { /* asynchronous */
        invalid_field(s);
        return;
    }
    memset(b, 0, 8);
    b[3] = MEDIA_BIT;
    if (!(p[4] & MEDIA_BIT)) {
        b[2] = 0x80; /* no such class */
        reply(s, 4, lduw_be(p + 7));
        return;
    }
    b[2] = CLASS_MEDIA;
    b[5] = s->tray_open ? STATUS_OPEN : blk_inserted(s->blk) ? STATUS_PRESENT : 0;
    if (s->eject_request) {
        b[4] = EVENT_EJECT;
        s->eject_request = false;
    } else if (s->new_media) {
        b[4] = EVENT_NEW;
        s->new_media = false;
    }
    put16(b, 4);
    reply(s, 8, lduw_be(p + 7));
}

static void read_disc_info(IdeDrive *s, const uint8_t *p)
{
    uint8_t *b = s->buf;
    if (p[1] & 7) { /* tracks and the like */
        invalid_field(s);
        return;
    }
    memset(b, 0, 34);
    b[1] = 32;
    b[2] = 0x0e; /* last session complete, disc finalised */
    b[3] = 1;
    b[4] = 1; /* sessions */
    b[5] = b[6] = 1;
    b[7] = 0x20; /* unrestricted use */
    reply(s, 34, lduw_be(p + 7));
}

static void mode_sense(IdeDrive *s, const uint8_t *p)
{
    static const uint8_t recovery[] = {0x01, 6, 0x00, 5, 0, 0, 0, 0}, audio[] = {0x0e, 0x0e, [15] = 0};
    static const uint8_t capabilities[] = {0x2a, 0x14, 0x3b, 0,    0x71, 0x60, 0x29, 0,       0x02,
                                           0xc0, 0,    0x02, 0x02, 0,    0x02, 0xc0, [21] = 0};
    uint8_t *b = s->buf;
    const uint8_t *page = NULL;
    size_t n = 0;
    switch (p[2]) { /* page control in bits 7 and 6: current values only */
    case 0x01:
        page = recovery;
        n = sizeof(recovery);
        break;
    case 0x0e:
        page = audio;
        n = sizeof(audio);
        break;
    case 0x2a:
        page = capabilities;
        n = sizeof(capabilities);
        break;
    }
    if (!page) {
        if (p[2] >> 6 == 3)
            cmd_error(s, SENSE_ILLEGAL, 0x39); /* saved values are not supported */
        else
            invalid_field(s);
        return;
    }
    memset(b, 0, 8);
    put16(b, (unsigned)(n + 8 - 2));
    b[2] = 0x70;
    memcpy(b + 8, page, n);
    if (p[2] == 0x2a && s->tray_locked)
        b[14] |= 2;
    reply(s, (int32_t)(n + 8), lduw_be(p + 7));
}

static void read_dvd_structure(IdeDrive *s, const uint8_t *p)
{
    uint8_t *b = s->buf;
    unsigned format = p[7];
    int32_t max = lduw_be(p + 8), n;
    if (format < 0xff && (p[1] & 0x0f)) { /* BD structures */
        invalid_field(s);
        return;
    }
    if (format < 0xff && is_cd(s)) {
        cmd_error(s, SENSE_ILLEGAL, ASC_INCOMPATIBLE_FORMAT);
        return;
    }
    memset(b, 0, 2052);
    switch (format) {
    case 0x00:       /* physical */
        b[4] = 1;    /* DVD-ROM, part version 1 */
        b[5] = 0x0f; /* 120 mm, rate not specified */
        b[6] = 1;    /* one layer, embossed */
        stl_be(b + 8, 0);
        stl_be(b + 12, (uint32_t)frames(s) - 1);
        stl_be(b + 16, (uint32_t)frames(s) - 1);
        n = 2048 + 2;
        break;
    case 0x01: /* copyright: none */
        n = 4 + 2;
        break;
    case 0x04: /* manufacturer: nothing */
        n = 2048 + 2;
        break;
    case 0xff: { /* what formats there are, and how long they are */
        static const struct {
            uint8_t format;
            uint16_t len;
        } list[] = {{0x00, 2048 + 4}, {0x01, 4 + 4}, {0x03, 188 + 4}, {0x04, 2048 + 4}};
        for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
            b[4 + 4 * i] = list[i].format;
            b[5 + 4 * i] = 0x40;
            put16(b + 6 + 4 * i, list[i].len);
        }
        n = 16 + 2;
        break;
    }
    default:
        invalid_field(s);
        return;
    }
    put16(b, (unsigned)n);
    reply(s, n + 2, max);
}

static void mechanism_status(IdeDrive *s, const uint8_t *p)
{
    memset(s->buf, 0, 8);
    s->buf[5] = 1;
    reply(s, 8, lduw_be(p + 8));
}

/* ---- the table ---- */

enum {
    ALLOW_UA = 1,    /* runs before a unit attention is told */
    CHECK_READY = 2, /* needs a medium */
    NO_DATA = 4,     /* needs no byte count limit */
};
static const struct {
    uint8_t op, flags;
    void (*fn)(IdeDrive *s, const uint8_t *p);
} commands[] = {
    {0x00, CHECK_READY | NO_DATA, test_unit_ready},
    {0x03, ALLOW_UA, request_sense},
    {0x12, ALLOW_UA, inquiry},
    {0x1b, NO_DATA, start_stop},
    {0x1e, NO_DATA, prevent_allow},
    {0x25, CHECK_READY, read_capacity},
    {0x28, CHECK_READY, read_frames},
    {0x2b, CHECK_READY | NO_DATA, seek},
    {0x43, CHECK_READY, read_toc},
    {0x46, ALLOW_UA, get_configuration},
    {0x4a, ALLOW_UA, get_event_status},
    {0x51, CHECK_READY, read_disc_info},
    {0x5a, 0, mode_sense},
    {0xa8, CHECK_READY, read_frames},
    {0xad, CHECK_READY, read_dvd_structure},
    {0xbb, NO_DATA, test_unit_ready}, /* SET CD SPEED: as fast as it goes already */
    {0xbd, 0, mechanism_status},
    {0xbe, CHECK_READY | NO_DATA, read_cd},
};

void atapi_packet(IdeDrive *s)
{
    memcpy(s->packet, s->buf, ATAPI_CMD_SIZE);
    const uint8_t *p = s->packet;
    s->cd_size = CD_SECTOR;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (commands[i].op != p[0])
            continue;
        unsigned flags = commands[i].flags;
        if (s->sense_key == SENSE_ATTENTION && !(flags & ALLOW_UA)) {
            s->error = SENSE_ATTENTION << 4;
            s->status = ST_READY | ST_ERR;
            s->nsector = 0;
            ide_irq(s->ch);
            return;
        }
        /* A new medium shows as none, then as changed, so that every driver notices. */
        if (!(flags & ALLOW_UA) && !s->tray_open && blk_inserted(s->blk) && s->cdrom_changed) {
            if (s->cdrom_changed == 1) {
                cmd_error(s, SENSE_NOT_READY, ASC_NO_MEDIUM);
                s->cdrom_changed = 2;
            } else {
                cmd_error(s, SENSE_ATTENTION, ASC_MEDIUM_CHANGED);
                s->cdrom_changed = 0;
            }
            return;
        }
        if (flags & CHECK_READY && !present(s)) {
            cmd_error(s, SENSE_NOT_READY, ASC_NO_MEDIUM);
            return;
        }
        if (!(flags & NO_DATA) && !limit_given(s))
            return;
        commands[i].fn(s, p);
        return;
    }
    cmd_error(s, SENSE_ILLEGAL, ASC_ILLEGAL_OPCODE);
}

/* ---- the medium ---- */

static void cd_changed(void *opaque, bool loaded)
{
    IdeDrive *s = opaque;
    s->sectors = blk_sectors(s->blk);
    s->tray_open = !loaded;
    s->cdrom_changed = 1;
    s->new_media = true;
    s->eject_request = false;
    ide_irq(s->ch);
}

static void cd_eject_request(void *opaque, bool force)
{
    IdeDrive *s = opaque;
    s->eject_request = true;
    if (force)
        s->tray_locked = false;
}

static bool cd_tray_open(void *opaque)
{
    return ((IdeDrive *)opaque)->tray_open;
}

static bool cd_locked(void *opaque)
{
    return ((IdeDrive *)opaque)->tray_locked;
}

static void resized(void *opaque)
{
    IdeDrive *s = opaque;
    s->sectors = blk_sectors(s->blk);
    if (s->kind == IDE_HD && s->identify_set)
        ata_identify_words_changed(s);
}

const BlockDevOps ide_cd_ops = {
    .removable = true,
    .medium_changed = cd_changed,
    .eject_request = cd_eject_request,
    .tray_open = cd_tray_open,
    .locked = cd_locked,
    .resized = resized,
};
const BlockDevOps ide_hd_ops = {.resized = resized};
