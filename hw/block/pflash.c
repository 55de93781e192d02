/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parallel flash with the Intel command set (Common Flash Interface, JESD68; Intel P30 data sheet 306666), 8 bits wide:
 * firmware and its variables.
 *
 * Commands, by a write anywhere in the chip: FF read the array, 70 status, 50 clear status, 90 identifier, 98 query; 10
 * or 40 then a byte: program; 20 then D0: erase the sector; E8, count - 1, the bytes, D0: program a block of up to 256
 * bytes; 60 then 01 or D0: lock bits, which have no effect. While the array is read it is memory; a command makes it
 * registers until FF. Differences from the chip: programming sets bits as well as it clears them, and takes no time, as
 * QEMU's.
 */
#include "hw/block/pflash.h"

#include "block/block.h"
#include "softmmu/mainloop.h"

enum {
    CMD_READ = 0xff,
    CMD_STATUS = 0x70,
    CMD_CLEAR = 0x50,
    CMD_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_PROGRAM = 0x40,
    CMD_PROGRAM2 = 0x10,
    CMD_ERASE = 0x20,
    CMD_BLOCK = 0xe8,
    CMD_LOCK = 0x60,
    CONFIRM = 0xd0,
    LOCK_SET = 0x01
};
enum { ST_READY = 0x80, ST_ERASE_ERROR = 0x20, ST_PROGRAM_ERROR = 0x10 };
enum { STEP_COMMAND, STEP_SECOND, STEP_COUNT, STEP_DATA, STEP_CONFIRM, STEPS };
enum { BLOCK_MAX = 256, QUERY_SIZE = 0x52 };

typedef struct Pflash {
    Device dev;
    /* config */
    Block *blk;
    char *name;
    uint32_t sector_length, num_blocks;
    uint8_t width;
    uint16_t id[4];
    /* wiring */
    MemoryRegion mem;
    uint8_t *array;
    uint64_t size;
    bool read_only;
    uint8_t query[QUERY_SIZE];
    /* state */
    uint8_t step, cmd, status;
    uint64_t counter;     /* bytes of a block that are still to come */
    uint32_t block_start; /* of the block in the array; UINT32_MAX: none yet */
    uint32_t block_len;
    uint8_t block[BLOCK_MAX];
} Pflash;
#define PFLASH(d) container_of(d, Pflash, dev)

MemoryRegion *pflash_region(Device *dev)
{
    return &PFLASH(dev)->mem;
}

static void set_mode(Pflash *s, uint8_t cmd, unsigned step)
{
    s->cmd = cmd;
    s->step = step;
    bool array = cmd == CMD_READ;
    if (s->mem.romd != array)
        region_set_romd(&s->mem, array);
}

/* The array's bytes changed: into the image, too. */
static void store(Pflash *s, uint64_t off, uint64_t len, uint8_t error)
{
    region_set_dirty(&s->mem, off, len);
    if (!s->blk)
        return;
    uint64_t from = ROUND_DOWN(off, BLOCK_SECTOR), to = MIN(ROUND_UP(off + len, BLOCK_SECTOR), s->size);
    int ret = blk_pwrite_sync(s->blk, from, s->array + from, to - from);
    if (ret < 0) {
        s->status |= error;
        guest_error(&s->dev, "could not write %s: %s", s->name ? s->name : "flash", g_strerror(-ret));
    }
}

static void program(Pflash *s, uint64_t off, const void *data, uint64_t len)
{
    if (s->read_only || off >= s->size || len > s->size - off) {
        s->status |= ST_PROGRAM_ERROR;
        return;
    }
    memcpy(s->array + off, data, len);
    store(s, off, len, ST_PROGRAM_ERROR);
}

static void erase(Pflash *s, uint64_t off)
{
    off = ROUND_DOWN(off, s->sector_length);
    if (s->read_only) {
        s->status |= ST_ERASE_ERROR;
        return;
    }
    memset(s->array + off, 0xff, s->sector_length);
    store(s, off, s->sector_length, ST_ERASE_ERROR);
}

static uint64_t flash_read(void *opaque, uint64_t off, unsigned size)
{
    Pflash *s = opaque;
    switch (s->cmd) {
    case CMD_ID: {
        unsigned reg = off & 0xff;
        return reg < 2 ? (uint8_t)s->id[reg] : 0;
    }
    case CMD_QUERY: {
        unsigned reg = off & 0xff;
        return reg < QUERY_SIZE ? s->query[reg] : 0;
    }
    case CMD_READ:
        return ldn_le(s->array + off, size);
    default: /* the status, in each half of a wide bus */
        return size > 2 ? s->status | (uint32_t)s->status << 16 : s->status;
    }
}

static void command(Pflash *s, uint64_t off, uint8_t val)
{
    switch (val) {
    case CMD_STATUS:
    case CMD_ID:
        set_mode(s, val, STEP_COMMAND);
        break;
    case CMD_QUERY: /* left by FFh alone, as QEMU's */
        set_mode(s, val, STEP_SECOND);
        break;
    case CMD_PROGRAM:
    case CMD_PROGRAM2:
    case CMD_LOCK:
        set_mode(s, val, STEP_SECOND);
        break;
    case CMD_ERASE:
        s->status |= ST_READY;
        set_mode(s, val, STEP_SECOND);
        break;
    case CMD_BLOCK:
        s->status |= ST_READY;
        set_mode(s, val, STEP_COUNT);
        break;
    case CMD_CLEAR:
        s->status = 0;
        set_mode(s, CMD_READ, STEP_COMMAND);
        break;
    default: /* FFh, 00h and F0h, which drivers for other chips try, and what is no command */
        if (val != CMD_READ && val != 0 && val != 0xf0)
            guest_error(&s->dev, "0x%02x is no command", val);
        set_mode(s, CMD_READ, STEP_COMMAND);
    }
}

static void second(Pflash *s, uint64_t off, uint64_t val, unsigned size)
{
    uint8_t bytes[8];
    bool ok = true;
    switch (s->cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM2:
        stn_le(bytes, size, val);
        s->status |= ST_READY;
        program(s, off, bytes, size);
        break;
    case CMD_ERASE:
        ok = (uint8_t)val == CONFIRM;
        if (ok)
            erase(s, off);
        break;
    case CMD_LOCK:
        ok = (uint8_t)val == CONFIRM || (uint8_t)val == LOCK_SET;
        if (ok)
            s->status |= ST_READY;
        break;
    case CMD_QUERY:
        if ((uint8_t)val != CMD_READ)
            return;
        ok = false;
        break;
    }
    set_mode(s, ok ? CMD_STATUS : CMD_READ, STEP_COMMAND);
}

/* The bytes wait in the buffer, all of one aligned block of the chip, until they are confirmed. */
static void block_data(Pflash *s, uint64_t off, uint64_t val, unsigned size)
{
    if (s->block_start == UINT32_MAX)
        s->block_start = ROUND_DOWN(off, BLOCK_MAX);
    if (off < s->block_start || off + size > (uint64_t)s->block_start + BLOCK_MAX) {
        s->status |= ST_PROGRAM_ERROR;
    } else {
        if (!s->block_len) {
            memcpy(s->block, s->array + s->block_start, MIN(BLOCK_MAX, s->size - s->block_start));
            s->block_len = MIN(BLOCK_MAX, s->size - s->block_start);
        }
        stn_le(s->block + (off - s->block_start), size, val);
    }
    s->counter -= MIN(s->counter, size);
    if (!s->counter)
        s->step = STEP_CONFIRM;
}

static void flash_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Pflash *s = opaque;
    switch (s->step) {
    case STEP_COMMAND:
        command(s, off, val);
        break;
    case STEP_SECOND:
        second(s, off, val, size);
        break;
    case STEP_COUNT:
        s->counter = ((val & 0xffff) + 1) * s->width;
        if (s->counter > BLOCK_MAX) {
            guest_error(&s->dev, "a block of %u bytes, more than %d", (unsigned)s->counter, BLOCK_MAX);
            set_mode(s, CMD_READ, STEP_COMMAND);
            break;
        }
        s->block_start = UINT32_MAX;
        s->block_len = 0;
        s->step = STEP_DATA;
        break;
    case STEP_DATA:
        block_data(s, off, val, size);
        break;
    case STEP_CONFIRM:
        if ((uint8_t)val == CONFIRM && !(s->status & ST_PROGRAM_ERROR)) {
            program(s, s->block_start, s->block, s->block_len);
            set_mode(s, CMD_STATUS, STEP_COMMAND);
        } else {
            set_mode(s, CMD_READ, STEP_COMMAND);
        }
        break;
    }
}

static const IoOps flash_ops = {flash_read, flash_write, .min = 1, .max = 4};

static void fill_query(Pflash *s)
{
    uint8_t *q = s->query;
    unsigned blocks = s->num_blocks - 1;
    memcpy(q + 0x10, "QRY\1\0\x31", 6);                   /* Intel command set, its table at 31h */
    memcpy(q + 0x1b, "\x45\x55\0\0\7\7\x0a\0\4\4\4", 11); /* voltages, typical and longest times */
    q[0x27] = 63 - __builtin_clzll(s->size);              /* 2^n bytes */
    q[0x28] = 2;                                          /* x8 and x16 */
    q[0x2a] = 8;                                          /* a block program takes 2^8 bytes */
    q[0x2c] = 1;                                          /* one region of equal sectors */
    q[0x2d] = blocks;
    q[0x2e] = blocks >> 8;
    q[0x2f] = s->sector_length >> 8;
    q[0x30] = s->sector_length >> 16;
    memcpy(q + 0x31, "PRI10", 5);
    q[0x3f] = 1; /* one protection register */
}

static void pflash_detach(Device *dev, void *opaque)
{
    blk_detach(PFLASH(dev)->blk);
}

static bool pflash_realize(Device *dev, Error **errp)
{
    Pflash *s = PFLASH(dev);
    const char *name = s->name ? s->name : "pflash";
    if (!s->sector_length || !s->num_blocks || s->sector_length > 64 * MIB ||
        (uint64_t)s->sector_length * s->num_blocks > 256 * MIB)
        return error_set(errp,
                         "cfi.pflash01: attributes \"sector-length\" and \"num-blocks\" must make 1 byte to 256 MiB");
    if (s->width != 1)
        return error_set(errp, "cfi.pflash01: width=%u is not supported; width=1 is", s->width);
    s->size = (uint64_t)s->sector_length * s->num_blocks;
    if (!region_init_rom_device(&s->mem, dev, &flash_ops, s, name, s->size, errp))
        return false;
    s->array = region_ram_ptr(&s->mem);
    memset(s->array, 0xff, s->size);
    fill_query(s);
    if (!s->blk)
        return true;
    if (!blk_attach(s->blk, dev, NULL, s, errp))
        return false;
    device_claim(dev, pflash_detach, NULL);
    s->read_only = blk_read_only(s->blk);
    unsigned perm = BLOCK_PERM_CONSISTENT_READ | (s->read_only ? 0 : BLOCK_PERM_WRITE);
    if (!blk_set_perm(s->blk, perm, BLOCK_PERM_ALL & ~BLOCK_PERM_RESIZE, errp))
        return false;
    if (blk_length(s->blk) != s->size)
        return error_set(errp, "device requires %" PRIu64 " bytes, block backend provides %" PRIu64 " bytes", s->size,
                         blk_length(s->blk));
    int ret = blk_pread_sync(s->blk, 0, s->array, s->size);
    return ret >= 0 || error_set_errno(errp, -ret, "failed to read the initial flash content of %s", name);
}

static void pflash_reset(Device *dev)
{
    Pflash *s = PFLASH(dev);
    s->status = ST_READY;
    s->counter = 0;
    s->block_len = 0;
    s->block_start = UINT32_MAX;
    memset(s->block, 0, sizeof(s->block));
    set_mode(s, CMD_READ, STEP_COMMAND);
}

static bool pflash_post_load(Device *dev, Error **errp)
{
    Pflash *s = PFLASH(dev);
    bool block_ok = s->block_start == UINT32_MAX ? !s->block_len
                                                 : s->block_start < s->size && s->block_start % BLOCK_MAX == 0 &&
                                                       s->block_len <= s->size - s->block_start;
    if (s->step >= STEPS || s->counter > BLOCK_MAX || s->block_len > BLOCK_MAX || !block_ok)
        return error_set(errp, "impossible flash state: step %u, %" PRIu64 " bytes to come, block at 0x%x", s->step,
                         s->counter, s->block_start);
    if (s->step == STEP_CONFIRM && !s->block_len)
        s->step = STEP_COMMAND;
    set_mode(s, s->cmd, s->step);
    return true;
}

static bool block_needed(void *opaque)
{
    return ((Pflash *)opaque)->step >= STEP_DATA;
}

static const VmState block_vmstate = {
    .name = "pflash_cfi01_blk_write",
    .version = 1,
    .min_version = 1,
    .needed = block_needed,
    .fields = (const VmField[]){VM_BUFFER(Pflash, block), VM_U32(Pflash, block_start), VM_U32(Pflash, block_len), {}},
};

static const VmState pflash_vmstate = {
    .name = "pflash_cfi01",
    .version = 1,
    .min_version = 1,
    .post_load = pflash_post_load,
    .fields =
        (const VmField[]){VM_U8(Pflash, step), VM_U8(Pflash, cmd), VM_U8(Pflash, status), VM_U64(Pflash, counter), {}},
    .subsections = (const VmState *const[]){&block_vmstate, NULL},
};

static const Prop pflash_props[] = {
    PROP_DRIVE("drive", Pflash, blk, "the image"),
    PROP_U32("num-blocks", Pflash, num_blocks, 0, "sectors"),
    PROP_U32("sector-length", Pflash, sector_length, 0, "bytes a sector"),
    PROP_U8("width", Pflash, width, 1, "bytes that the bus has"),
    PROP_U16("id0", Pflash, id[0], 0, "maker"),
    PROP_U16("id1", Pflash, id[1], 0, "device"),
    PROP_U16("id2", Pflash, id[2], 0, "device, second word"),
    PROP_U16("id3", Pflash, id[3], 0, "device, third word"),
    PROP_STR("name", Pflash, name, "what it is called in lists"),
    {},
};

const DeviceDesc cfi_pflash01 = {
    .name = "cfi.pflash01",
    .summary = "parallel flash, Intel command set",
    .bus = BUS_SYSTEM,
    .category = DEV_STORAGE,
    .flags = DEV_NO_USER,
    .size = sizeof(Pflash),
    .props = pflash_props,
    .vmstate = &pflash_vmstate,
    .realize = pflash_realize,
    .reset = pflash_reset,
};

Device *pflash_create(const char *name, Block *blk, Error **errp)
{
    Device *dev = device_new_named("cfi.pflash01");
    device_set_str(dev, "drive", blk_name(blk));
    device_set_str(dev, "name", name);
    device_set_uint(dev, "sector-length", PFLASH_SECTOR);
    device_set_uint(dev, "num-blocks", blk_length(blk) / PFLASH_SECTOR);
    return device_realize(dev, NULL, errp) ? dev : NULL;
}
