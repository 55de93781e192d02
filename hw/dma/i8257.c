/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ISA DMA controllers (Intel 8237A data sheet; 82371SB for the page registers). The first has channels 0 to 3 and
 * moves bytes, the second 4 to 7 and moves 16-bit words: its registers are two ports apart, addresses and counts are in
 * words.
 *
 *   0, 2, 4, 6 rw: address    1, 3, 5, 7 rw: count - 1; low byte first, by the byte pointer
 *   8  r: status: TC in bits 3-0 (cleared), DREQ in 7-4    w: command     9  r: mask    w: software request
 *   a  w: one mask bit   b  w: mode   c  w: clear byte pointer   d  w: master clear   e  w: clear mask   f  w: mask
 *   page registers: 87h 83h 81h 82h, 8fh 8bh 89h 8ah; the high pages (pageh-base) only where a board has them
 *
 * Differences from the hardware: memory to memory, fixed address, compressed timing, rotating priority, extended write
 * and inverted DREQ and DACK are refused; the mask can be read at 9; channel 4's mask does not hold up channels 0 to 3;
 * the temporary register reads 0.
 */
#include "hw/dma/i8257.h"

#include "softmmu/mainloop.h"

enum { ADDR, COUNT };
enum { CMD_DISABLE = 0x04, CMD_REFUSED = 0xfb };
enum { MODE_AUTOINIT = 0x10, MODE_DOWN = 0x20 };
enum { R_STATUS = 8, R_REQUEST, R_MASK1, R_MODE, R_CLEAR_FF, R_MASTER_CLEAR, R_CLEAR_MASK, R_MASK };

typedef struct DmaChannel {
    /* wiring */
    IsaDmaFn *fn;
    void *opaque;
    IsaDevice *owner;
    bool stalled; /* the last call moved nothing */
    /* state */
    int32_t now[2];   /* the address the transfer began at and how far it is, both in bytes */
    uint16_t base[2]; /* as written */
    uint8_t mode, page, pageh;
    uint8_t dack, eop; /* of the stream's format; without a meaning here */
} DmaChannel;

typedef struct I8257 {
    IsaDevice isa;
    /* config */
    int32_t base, page_base, pageh_base, dshift_prop;
    /* wiring */
    IoRegion channels, control, page_low, page_high, pageh_low, pageh_high;
    BottomHalf *bh;
    /* state */
    uint8_t status, command, mask, flip_flop;
    int32_t dshift; /* 1: words */
    DmaChannel ch[4];
} I8257;
#define I8257(d) container_of(d, I8257, isa.dev)

static Device *controllers[2];

static DmaChannel *channel(unsigned n, I8257 **s)
{
    if (n > 7 || !controllers[n >> 2])
        return NULL;
    *s = I8257(controllers[n >> 2]);
    return &(*s)->ch[n & 3];
}

static bool runs(const I8257 *s, unsigned n)
{
    return (s->status & BIT32(n + 4)) && !(s->mask & BIT32(n)) && !(s->command & CMD_DISABLE);
}

static bool wants_service(const I8257 *s, unsigned n)
{
    return runs(s, n) && s->ch[n].fn && !s->ch[n].stalled;
}

static void schedule(I8257 *s)
{
    for (unsigned n = 0; n < 4; n++) {
        if (wants_service(s, n)) {
            bh_schedule(s->bh);
            return;
        }
    }
}

/* A register was written: what stalled may go on now. */
static void rescan(I8257 *s)
{
    for (unsigned n = 0; n < 4; n++)
        s->ch[n].stalled = false;
    schedule(s);
}

static void serve(void *opaque)
{
    I8257 *s = opaque;
    for (unsigned n = 0; n < 4; n++) { /* fixed priority */
        if (!wants_service(s, n))
            continue;
        DmaChannel *c = &s->ch[n];
        int32_t before = c->now[COUNT];
        uint8_t tc = s->status & BIT32(n);
        c->fn(c->opaque, n + (s->dshift ? 4 : 0));
        c->stalled = c->now[COUNT] == before && tc == (s->status & BIT32(n));
    }
    schedule(s);
}

/* ---- registers ---- */

static bool next_flip_flop(I8257 *s)
{
    bool high = s->flip_flop;
    s->flip_flop = !high;
    return high;
}

static void reload(I8257 *s, DmaChannel *c)
{
    c->now[ADDR] = c->base[ADDR] << s->dshift;
    c->now[COUNT] = 0;
}

static uint64_t channel_read(void *opaque, uint64_t off, unsigned size)
{
    I8257 *s = opaque;
    unsigned reg = off >> s->dshift;
    const DmaChannel *c = &s->ch[reg >> 1];
    unsigned shift = s->dshift + (next_flip_flop(s) ? 8 : 0);
    int32_t val = reg & 1 ? (c->base[COUNT] << s->dshift) - c->now[COUNT]
                          : c->now[ADDR] + (c->mode & MODE_DOWN ? -c->now[COUNT] : c->now[COUNT]);
    return (uint32_t)val >> shift & 0xff;
}

static void channel_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    I8257 *s = opaque;
    unsigned reg = off >> s->dshift;
    DmaChannel *c = &s->ch[reg >> 1];
    uint16_t *base = &c->base[reg & 1];
    if (next_flip_flop(s)) {
        *base = (*base & 0xff) | val << 8;
        reload(s, c);
        rescan(s);
    } else {
        *base = (*base & 0xff00) | val;
    }
}

static uint64_t control_read(void *opaque, uint64_t off, unsigned size)
{
    I8257 *s = opaque;
    uint8_t val = 0;
    switch (R_STATUS + (off >> s->dshift)) {
    case R_STATUS:
        val = s->status;
        s->status &= 0xf0;
        break;
    case R_REQUEST:
        val = s->mask;
        break;
    }
    return val;
}

static void master_clear(I8257 *s)
{
    s->flip_flop = 0;
    s->mask = 0xff;
    s->status = 0;
    s->command = 0;
}

static void control_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    I8257 *s = opaque;
    unsigned n = val & 3;
    switch (R_STATUS + (off >> s->dshift)) {
    case R_STATUS:
        if (val & CMD_REFUSED) {
            guest_unimp(&s->isa.dev, "command 0x%02x", (unsigned)val);
            return;
        }
        s->command = val;
        break;
    case R_REQUEST:
        if (val & 4)
            s->status |= BIT32(n + 4);
        else
            s->status &= ~BIT32(n + 4);
        s->status &= ~BIT32(n);
        break;
    case R_MASK1:
        if (val & 4)
            s->mask |= BIT32(n);
        else
            s->mask &= ~BIT32(n);
        break;
    case R_MODE:
        s->ch[n].mode = val;
        break;
    case R_CLEAR_FF:
        s->flip_flop = 0;
        break;
    case R_MASTER_CLEAR:
        master_clear(s);
        break;
    case R_CLEAR_MASK:
        s->mask = 0;
        break;
    case R_MASK:
        s->mask = val;
        break;
    }
    rescan(s);
}

/* Page registers: three of the ports from page-base + 1, the fourth at + 7. */
static int page_channel(uint64_t port)
{
    static const int8_t channels[8] = {-1, 2, 3, 1, -1, -1, -1, 0};
    return channels[port & 7];
}

#define PAGE_HANDLERS(field, first)                                                                                    \
    static uint64_t field##_read_##first(void *opaque, uint64_t off, unsigned size)                                    \
    {                                                                                                                  \
        int n = page_channel(off + (first));                                                                           \
        return n < 0 ? 0xff : ((I8257 *)opaque)->ch[n].field;                                                          \
    }                                                                                                                  \
    static void field##_write_##first(void *opaque, uint64_t off, uint64_t val, unsigned size)                         \
    {                                                                                                                  \
        int n = page_channel(off + (first));                                                                           \
        if (n >= 0)                                                                                                    \
            ((I8257 *)opaque)->ch[n].field = val;                                                                      \
    }                                                                                                                  \
    static const IoOps field##_io_##first = {field##_read_##first, field##_write_##first, .min = 1, .max = 1};
PAGE_HANDLERS(page, 1)
PAGE_HANDLERS(page, 7)
PAGE_HANDLERS(pageh, 1)
PAGE_HANDLERS(pageh, 7)

static const IoOps channel_io = {channel_read, channel_write, .min = 1, .max = 1};
static const IoOps control_io = {control_read, control_write, .min = 1, .max = 1};

/* ---- the devices' side ---- */

bool isa_dma_register(IsaDevice *d, unsigned n, IsaDmaFn *fn, void *opaque, Error **errp)
{
    I8257 *s;
    DmaChannel *c = n == 4 ? NULL : channel(n, &s);
    if (!c)
        return error_set(errp, "%s: there is no ISA DMA channel %u; a PC has 0 to 3 and 5 to 7", d->dev.desc->name, n);
    if (c->fn)
        return error_set(errp, "%s: DMA channel %u is in use by '%s'", d->dev.desc->name, n, c->owner->dev.desc->name);
    c->fn = fn;
    c->opaque = opaque;
    c->owner = d;
    return true;
}

void isa_dma_unregister(IsaDevice *d, unsigned n)
{
    I8257 *s;
    DmaChannel *c = channel(n, &s);
    if (!c || c->owner != d)
        return;
    c->fn = NULL;
    c->opaque = NULL;
    c->owner = NULL;
    isa_dma_release(n);
}

void isa_dma_hold(unsigned n)
{
    I8257 *s;
    DmaChannel *c = channel(n, &s);
    if (!c)
        return;
    s->status |= BIT32((n & 3) + 4);
    c->stalled = false;
    schedule(s);
}

void isa_dma_release(unsigned n)
{
    I8257 *s;
    if (channel(n, &s))
        s->status &= ~BIT32((n & 3) + 4);
}

IsaDmaMode isa_dma_mode(unsigned n)
{
    I8257 *s;
    const DmaChannel *c = channel(n, &s);
    return c ? (IsaDmaMode)(c->mode >> 2 & 3) : ISA_DMA_ILLEGAL;
}

bool isa_dma_autoinit(unsigned n)
{
    I8257 *s;
    const DmaChannel *c = channel(n, &s);
    return c && (c->mode & MODE_AUTOINIT);
}

bool isa_dma_ready(unsigned n)
{
    I8257 *s;
    return channel(n, &s) && !(s->mask & BIT32(n & 3)) && !(s->command & CMD_DISABLE);
}

static uint32_t total_bytes(const I8257 *s, const DmaChannel *c)
{
    return (uint32_t)(c->base[COUNT] + 1) << s->dshift;
}

uint32_t isa_dma_left(unsigned n)
{
    I8257 *s;
    const DmaChannel *c = channel(n, &s);
    return c && c->now[COUNT] >= 0 && (uint32_t)c->now[COUNT] < total_bytes(s, c) ? total_bytes(s, c) - c->now[COUNT]
                                                                                  : 0;
}

/* The bus address of the present position, and how many bytes follow before the 16-bit address register wraps. */
static Gpa position(const I8257 *s, const DmaChannel *c, bool down, uint32_t *run)
{
    uint32_t span = 0x10000u << s->dshift;
    uint32_t low = (uint32_t)(c->now[ADDR] + (down ? -c->now[COUNT] : c->now[COUNT])) & (span - 1);
    uint32_t page = s->dshift ? c->page & 0xfe : c->page;
    *run = span - low;
    return (Gpa)(c->pageh & 0x7f) << 24 | (Gpa)page << 16 | low;
}

static uint32_t transfer(unsigned n, uint8_t *buf, uint32_t len, bool *tc, bool to_memory)
{
    I8257 *s;
    DmaChannel *c = channel(n, &s);
    *tc = false;
    if (!c)
        return 0;
    uint32_t done = 0, want = MIN(len, isa_dma_left(n));
    bool verify = isa_dma_mode(n) == ISA_DMA_VERIFY, down = c->mode & MODE_DOWN;
    while (done < want) {
        uint32_t run;
        Gpa addr = position(s, c, down, &run);
        uint32_t chunk = down ? MIN(want - done, 1u << s->dshift) : MIN(want - done, run);
        if (verify) {
            if (!to_memory)
                memset(buf + done, 0, chunk);
        } else if (to_memory) {
            as_write(&as_memory, addr, buf + done, chunk);
        } else {
            as_read(&as_memory, addr, buf + done, chunk);
        }
        c->now[COUNT] += chunk;
        done += chunk;
    }
    if (want && !isa_dma_left(n)) {
        *tc = true;
        s->status |= BIT32(n & 3);
        if (c->mode & MODE_AUTOINIT)
            reload(s, c);
        else
            s->mask |= BIT32(n & 3);
    }
    return done;
}

uint32_t isa_dma_read(unsigned n, void *buf, uint32_t len, bool *tc)
{
    return transfer(n, buf, len, tc, false);
}
uint32_t isa_dma_write(unsigned n, const void *buf, uint32_t len, bool *tc)
{
    return transfer(n, (uint8_t *)buf, len, tc, true);
}

/* ---- life ---- */

static void i8257_reset(Device *dev)
{
    I8257 *s = I8257(dev);
    bh_cancel(s->bh);
    master_clear(s);
    s->dshift = s->dshift_prop;
    for (unsigned n = 0; n < 4; n++) {
        DmaChannel *c = &s->ch[n];
        *c = (DmaChannel){.fn = c->fn, .opaque = c->opaque, .owner = c->owner};
    }
}

static bool map_pages(I8257 *s, int32_t base, IoRegion *low, const IoOps *low_io, IoRegion *high, const IoOps *high_io,
                      Error **errp)
{
    return base < 0 || (isa_map_io(&s->isa, low, low_io, s, base + 1, 3, errp) &&
                        isa_map_io(&s->isa, high, high_io, s, base + 7, 1, errp));
}

static bool i8257_realize(Device *dev, Error **errp)
{
    I8257 *s = I8257(dev);
    if (s->dshift_prop < 0 || s->dshift_prop > 1 || s->base < 0 || s->base > 0xffe0 || s->page_base > 0xfff8 ||
        s->pageh_base > 0xfff8)
        return error_set(errp, "i8257: the board sets dshift= to 0 or 1 and base= and page-base= to ports");
    s->dshift = s->dshift_prop;
    s->bh = bh_new(serve, s);
    return isa_map_io(&s->isa, &s->channels, &channel_io, s, s->base, 8 << s->dshift, errp) &&
           isa_map_io(&s->isa, &s->control, &control_io, s, s->base + (8 << s->dshift), 8 << s->dshift, errp) &&
           map_pages(s, s->page_base, &s->page_low, &page_io_1, &s->page_high, &page_io_7, errp) &&
           map_pages(s, s->pageh_base, &s->pageh_low, &pageh_io_1, &s->pageh_high, &pageh_io_7, errp);
}

static void i8257_unrealize(Device *dev)
{
    I8257 *s = I8257(dev);
    bh_delete(s->bh);
    for (unsigned n = 0; n < 2; n++)
        if (controllers[n] == dev)
            controllers[n] = NULL;
}

static bool i8257_post_load(Device *dev, Error **errp)
{
    I8257 *s = I8257(dev);
    if (s->dshift != s->dshift_prop)
        return error_set(errp, "the stream's DMA controller moves %s", s->dshift ? "words" : "bytes");
    for (unsigned n = 0; n < 4; n++) {
        const DmaChannel *c = &s->ch[n];
        if (c->now[COUNT] < 0 || c->now[COUNT] > 0x20000 || c->now[ADDR] < 0 || c->now[ADDR] > 0x1fffe)
            return error_set(errp, "impossible position of DMA channel %u", n);
    }
    rescan(s);
    return true;
}

static const VmState channel_vmstate = {
    .name = "dma_regs",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_INT_ARRAY(DmaChannel, now),
                                VM_INT_ARRAY(DmaChannel, base),
                                VM_U8(DmaChannel, mode),
                                VM_U8(DmaChannel, page),
                                VM_U8(DmaChannel, pageh),
                                VM_U8(DmaChannel, dack),
                                VM_U8(DmaChannel, eop),
                                {}},
};
static const VmState i8257_vmstate = {
    .name = "dma",
    .version = 1,
    .min_version = 1,
    .post_load = i8257_post_load,
    .fields = (const VmField[]){VM_U8(I8257, command),
                                VM_U8(I8257, mask),
                                VM_U8(I8257, flip_flop),
                                VM_I32(I8257, dshift),
                                VM_STRUCT_ARRAY(I8257, ch, channel_vmstate),
                                {}},
};

static const Prop i8257_props[] = {
    PROP_I32("base", I8257, base, 0, "first port"),
    PROP_I32("page-base", I8257, page_base, 0x80, "first port of the page registers"),
    PROP_I32("pageh-base", I8257, pageh_base, 0x480, "first port of the high page registers, -1: none"),
    PROP_I32("dshift", I8257, dshift_prop, 0, "0: bytes, 1: 16-bit words"),
    {},
};

const DeviceDesc i8257 = {
    .name = "i8257",
    .summary = "ISA DMA controller",
    .bus = BUS_ISA,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(I8257),
    .props = i8257_props,
    .vmstate = &i8257_vmstate,
    .realize = i8257_realize,
    .unrealize = i8257_unrealize,
    .reset = i8257_reset,
};

bool i8257_create(IsaBus *bus, Error **errp)
{
    for (unsigned n = 0; n < 2; n++) {
        I8257 *s = I8257(device_new(&i8257));
        s->base = n ? 0xc0 : 0;
        s->page_base = n ? 0x88 : 0x80;
        s->pageh_base = -1;
        s->dshift_prop = n;
        if (!device_realize(&s->isa.dev, &bus->bus, errp))
            return false;
        controllers[n] = bus->dma[n] = &s->isa.dev;
    }
    return true;
}
