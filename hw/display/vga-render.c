/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA: the picture in graphics modes. FreeVGA, "Graphics Registers" and "CRT Controller Registers".
 *
 * One pass over the lines; a line is drawn where a page of its memory is dirty or a parameter of the picture changed.
 * The shifter has four shapes: sixteen colours from four planes, four colours from pairs of bytes (CGA), 256 colours,
 * and dispi's packed pixels. A little-endian 32-bit dispi mode is not drawn at all: its memory is the surface.
 *
 * The size is what CR01, CR12 and the half-clock bit say; blanking, borders and the retrace registers have no effect on
 * it.
 */
#include "hw/display/vga-picture.h"

typedef enum GraphicsFormat { FMT_PLANAR, FMT_CGA, FMT_CHUNKY, FMT_8, FMT_15, FMT_16, FMT_24, FMT_32 } GraphicsFormat;

VgaPicture *vga_picture_new(void)
{
    VgaPicture *p = g_new0(VgaPicture, 1);

    p->full = true;
    return p;
}

void vga_picture_free(VgaPicture *p)
{
    if (p) {
        g_free(p->dirty);
        g_free(p->line);
    }
    g_free(p);
}

void vga_picture_forget(VgaPicture *p)
{
    p->full = true;
}

bool vga_need_surface(VgaState *s, unsigned width, unsigned height)
{
    Surface *now = console_surface(s->con);

    if (!now->placeholder && !now->shared && surface_width(now) == width && surface_height(now) == height)
        return false;
    console_set_surface(s->con, surface_new(width, height));
    return true;
}

/* A 6-bit DAC component in 8 bits: the lowest bit fills the new ones, so that 0 stays 0 and 63 becomes 255. */
static inline unsigned dac6(uint8_t v)
{
    return (v & 0x3f) << 2 | ((v & 1) ? 3 : 0);
}

static uint32_t dac_color(const VgaState *s, unsigned i, bool eight_bits)
{
    const uint8_t *c = &s->palette[(i & 0xff) * 3];

    if (eight_bits)
        return (uint32_t)c[0] << 16 | c[1] << 8 | c[2];
    return (uint32_t)dac6(c[0]) << 16 | dac6(c[1]) << 8 | dac6(c[2]);
}

bool vga_load_palette16(VgaState *s)
{
    bool changed = false;

    for (unsigned i = 0; i < 16; i++) {
        unsigned v = s->ar[i];
        uint32_t c;

        if (s->ar[0x10] & 0x80)
            v = (s->ar[0x14] & 0x0f) << 4 | (v & 0x0f);
        else
            v = (s->ar[0x14] & 0x0c) << 4 | (v & 0x3f);
        c = dac_color(s, v, false);
        changed |= c != s->pic->colors[i];
        s->pic->colors[i] = c;
    }
    return changed;
}

static bool load_palette256(VgaState *s)
{
    bool changed = false;

    for (unsigned i = 0; i < 256; i++) {
        uint32_t c = dac_color(s, i, s->vbe[VBE_ENABLE] & VBE_EN_8BIT_DAC);

        changed |= c != s->pic->colors[i];
        s->pic->colors[i] = c;
    }
    return changed;
}

void vga_get_start(const VgaState *s, uint32_t *start, uint32_t *line_offset, uint32_t *line_compare)
{
    if (vbe_enabled(s)) {
        *start = s->vbe_start * 4;
        *line_offset = s->vbe_line_offset;
        *line_compare = UINT32_MAX;
    } else {
        *start = (s->cr[0x0d] | s->cr[0x0c] << 8) * 4;
        *line_offset = s->cr[0x13] << 3;
        *line_compare = s->cr[0x18] | (s->cr[0x07] & 0x10) << 4 | (s->cr[0x09] & 0x40) << 3;
    }
}

static void graphics_params(const VgaState *s, GraphicsParams *p)
{
    static const uint8_t packed[] = {[8] = FMT_8, [15] = FMT_15, [16] = FMT_16, [24] = FMT_24, [32] = FMT_32};
    unsigned shift = (s->gr[5] >> 5) & 3, double_scan = s->cr[0x09] >> 7;
    bool half_clock = vga_seq(s, 1) & 0x08;

    memset(p, 0, sizeof(*p));
    vga_get_start(s, &p->start, &p->line_offset, &p->line_compare);
    if (vbe_enabled(s)) {
        p->width = s->vbe[VBE_XRES];
        p->height = s->vbe[VBE_YRES];
    } else {
        p->width = (s->cr[0x01] + 1) * 8;
        p->height = (s->cr[0x12] | (s->cr[0x07] & 0x02) << 7 | (s->cr[0x07] & 0x40) << 3) + 1;
    }
    p->cr17 = s->cr[0x17];
    /* Where row scan bit 0 addresses memory, every line is a row of its own. */
    p->scans = (p->cr17 & 1 ? (s->cr[0x09] & 0x1f) + 1 : 1) << double_scan;
    p->plane_mask = s->ar[0x12] & 15;
    p->big_endian = s->big_endian;
    if (shift == 0) {
        p->format = FMT_PLANAR;
    } else if (shift == 1) {
        p->format = FMT_CGA;
    } else if (vbe_enabled(s) && s->vbe[VBE_BPP] > 4) {
        p->format = packed[s->vbe[VBE_BPP]];
    } else {
        p->format = FMT_CHUNKY;
    }
    p->twice = half_clock && shift <= 1;
    if (p->twice)
        p->width *= 2;
    if (vbe_enabled(s))
        return;
    p->pan = p->format == FMT_CHUNKY ? s->ar[0x13] & 6 : (s->ar[0x13] & 7) << p->twice;
    p->pan_split = !(s->ar[0x10] & 0x20);
    p->preset_row = s->cr[0x08] & 0x1f;
    p->start += (s->cr[0x08] >> 5 & 3) * 4;
}

/* The pixels of one line, from memory at addr (bytes); guest addresses wrap at the end of memory. */
static void line_planar(const VgaState *s, const GraphicsParams *p, uint32_t addr, uint32_t *out)
{
    const uint32_t *colors = s->pic->colors;
    uint32_t wrap = s->mem_size - 1;
    bool twice = p->twice;

    for (unsigned x = 0; x < p->width; x += twice ? 16 : 8, addr += 4) {
        uint32_t v = ldl_le(s->mem + (addr & wrap & ~3u));
        unsigned b0 = v, b1 = v >> 8, b2 = v >> 16, b3 = v >> 24;

        for (int bit = 7; bit >= 0; bit--) {
            unsigned c = (b0 >> bit & 1) | (b1 >> bit & 1) << 1 | (b2 >> bit & 1) << 2 | (b3 >> bit & 1) << 3;

            *out++ = colors[c & p->plane_mask];
            if (twice)
                *out++ = colors[c & p->plane_mask];
        }
    }
}

/* Two bits a pixel from planes 0 and 1 in turn, with two more from planes 2 and 3. */
static void line_cga(const VgaState *s, const GraphicsParams *p, uint32_t addr, uint32_t *out)
{
    const uint32_t *colors = s->pic->colors;
    uint32_t wrap = s->mem_size - 1;
    bool twice = p->twice;

    for (unsigned x = 0; x < p->width; x += twice ? 16 : 8, addr += 4) {
        uint32_t v = ldl_le(s->mem + (addr & wrap & ~3u));

        for (unsigned half = 0; half < 2; half++, v >>= 8) {
            for (int bit = 6; bit >= 0; bit -= 2) {
                unsigned c = (v >> bit & 3) | (v >> (16 + bit) & 3) << 2;

                *out++ = colors[c & p->plane_mask];
                if (twice)
                    *out++ = colors[c & p->plane_mask];
            }
        }
    }
}

static void line_chunky(const VgaState *s, const GraphicsParams *p, uint32_t addr, uint32_t *out)
{
    uint32_t wrap = s->mem_size - 1;

    for (unsigned x = 0; x < p->width; x += 2, addr++, out += 2)
        out[0] = out[1] = s->pic->colors[s->mem[addr & wrap]];
}

static inline uint32_t expand(unsigned v, unsigned bits)
{
    return v << (8 - bits) | v >> (2 * bits - 8);
}

static void line_packed(const VgaState *s, const GraphicsParams *p, uint32_t addr, uint32_t *out)
{
    const uint8_t *in = s->mem + addr;
    uint32_t v;

    for (unsigned x = 0; x < p->width; x++) {
        switch (p->format) {
        case FMT_8:
            *out++ = s->pic->colors[*in++];
            break;
        case FMT_15:
            v = p->big_endian ? lduw_be(in) : lduw_le(in);
            *out++ = (v >> 10 & 31) << 19 | (v >> 5 & 31) << 11 | (v & 31) << 3;
            in += 2;
            break;
        case FMT_16:
            v = p->big_endian ? lduw_be(in) : lduw_le(in);
            *out++ = expand(v >> 11 & 31, 5) << 16 | expand(v >> 5 & 63, 6) << 8 | expand(v & 31, 5);
            in += 2;
            break;
        case FMT_24:
            *out++ =
                p->big_endian ? (uint32_t)in[0] << 16 | in[1] << 8 | in[2] : (uint32_t)in[2] << 16 | in[1] << 8 | in[0];
            in += 3;
            break;
        default:
            *out++ = (p->big_endian ? ldl_be(in) : ldl_le(in)) & 0xffffff;
            in += 4;
            break;
        }
    }
}

static unsigned line_bytes(const GraphicsParams *p)
{
    static const uint8_t bits[] = {[FMT_8] = 8, [FMT_15] = 16, [FMT_16] = 16, [FMT_24] = 24, [FMT_32] = 32};

    switch (p->format) {
    case FMT_PLANAR:
    case FMT_CGA:
    case FMT_CHUNKY:
        return p->width / 2 / (p->twice ? 2 : 1);
    default:
        return p->width * bits[p->format] / 8;
    }
}

static bool pages_dirty(const VgaState *s, uint32_t addr, uint32_t len)
{
    uint32_t pages = s->mem_size >> 12;

    for (uint32_t page = addr >> 12; page <= (addr + len - 1) >> 12; page++) {
        uint32_t n = page & (pages - 1);

        if (s->pic->dirty[n / 64] >> (n % 64) & 1)
            return true;
    }
    return false;
}

static void fetch_dirty(VgaState *s, bool *any)
{
    size_t longs = ((s->mem_size >> 12) + 63) / 64;

    if (s->pic->dirty_longs != longs) {
        g_free(s->pic->dirty);
        s->pic->dirty = g_new0(unsigned long, longs);
        s->pic->dirty_longs = longs;
    }
    *any = region_snapshot_dirty(&s->vram, DIRTY_VGA, 0, s->mem_size, s->pic->dirty);
}

/* The surface is guest memory: nothing to draw, only to tell what changed. */
static bool share_surface(VgaState *s, const GraphicsParams *p)
{
    Surface *now;

    if (p->format != FMT_32 || p->big_endian || G_BYTE_ORDER != G_LITTLE_ENDIAN || (p->line_offset & 3) ||
        (uint64_t)p->start + (uint64_t)p->line_offset * p->height > s->mem_size)
        return false;
    now = console_surface(s->con);
    if (!now->shared || surface_data(now) != s->mem + p->start || surface_width(now) != p->width ||
        surface_height(now) != p->height || surface_stride(now) != p->line_offset) {
        console_set_surface(
            s->con, surface_new_shared(p->width, p->height, PIXMAN_x8r8g8b8, p->line_offset, s->mem + p->start));
        s->pic->full = true;
    }
    return true;
}

static void draw_graphics(VgaState *s)
{
    VgaPicture *pic = s->pic;
    GraphicsParams p, wide;
    bool full, shared, any, split = false;
    uint32_t addr_line, run = 0, row = 0, bytes, stride = 0, from = UINT32_MAX;
    uint8_t *out = NULL;
    void (*line)(const VgaState *, const GraphicsParams *, uint32_t, uint32_t *);

    graphics_params(s, &p);
    full = pic->full || pic->mode != PICTURE_GRAPHICS || memcmp(&p, &pic->gfx, sizeof(p));
    full |= p.format == FMT_PLANAR || p.format == FMT_CGA ? vga_load_palette16(s) : load_palette256(s);
    fetch_dirty(s, &any);
    shared = share_surface(s, &p);
    if (!shared)
        full |= vga_need_surface(s, p.width, p.height);
    full |= pic->full;
    pic->gfx = p;
    pic->mode = PICTURE_GRAPHICS;
    pic->full = false;
    if (!full && !any)
        return;
    if (shared && full) {
        console_damage(s->con, 0, 0, p.width, p.height);
        return;
    }
    line = p.format == FMT_PLANAR   ? line_planar
           : p.format == FMT_CGA    ? line_cga
           : p.format == FMT_CHUNKY ? line_chunky
                                    : line_packed;
    bytes = line_bytes(&p);
    run = MIN(p.preset_row, p.scans - 1);
    if (p.pan) {
        /* One group of pixels more than is seen. */
        pic->line = g_renew(uint32_t, pic->line, p.width + 16);
        wide = p;
        wide.width += 16;
        bytes = line_bytes(&wide);
    }
    if (!shared) {
        out = surface_data(console_surface(s->con));
        stride = surface_stride(console_surface(s->con));
    }
    addr_line = p.start;
    for (uint32_t y = 0; y < p.height; y++) {
        uint32_t addr = addr_line;

        /* CGA and Hercules: row scan bits in place of address bits 13 and 14. */
        if (!(p.cr17 & 1)) {
            unsigned bit = p.cr17 & 0x40 ? 15 : 14;

            addr = (addr & ~(1u << bit)) | (row & 1) << bit;
        }
        if (!(p.cr17 & 2))
            addr = (addr & ~0x8000u) | (row & 2) << 14;
        if (full || pages_dirty(s, addr, bytes)) {
            if (!shared && p.pan && (p.pan_split || !split)) {
                line(s, &wide, addr, pic->line);
                memcpy(out + (size_t)y * stride, pic->line + p.pan, (size_t)p.width * 4);
            } else if (!shared) {
                line(s, &p, addr, (uint32_t *)(out + (size_t)y * stride));
            }
            if (from == UINT32_MAX)
                from = y;
        } else if (from != UINT32_MAX) {
            console_damage(s->con, 0, from, p.width, y - from);
            from = UINT32_MAX;
        }
        if (++run == p.scans) {
            uint32_t mask = ~p.cr17 & 3;

            if ((row & mask) == mask)
                addr_line += p.line_offset;
            row++;
            run = 0;
        }
        if (y == p.line_compare) {
            addr_line = 0;
            split = true;
        }
    }
    if (from != UINT32_MAX)
        console_damage(s->con, 0, from, p.width, p.height - from);
}

static void draw_blank(VgaState *s)
{
    Surface *now = console_surface(s->con);

    if (now->placeholder || (s->pic->mode == PICTURE_BLANK && !s->pic->full))
        return;
    vga_need_surface(s, surface_width(now), surface_height(now));
    now = console_surface(s->con);
    memset(surface_data(now), 0, (size_t)surface_stride(now) * surface_height(now));
    console_damage(s->con, 0, 0, surface_width(now), surface_height(now));
    s->pic->mode = PICTURE_BLANK;
    s->pic->full = false;
}

static void vga_update(void *opaque)
{
    VgaState *s = opaque;

    if (!(s->ar_index & 0x20))
        draw_blank(s);
    else if (s->gr[6] & 1)
        draw_graphics(s);
    else
        vga_draw_text(s);
}

static void vga_invalidate(void *opaque)
{
    vga_picture_forget(((VgaState *)opaque)->pic);
}

static bool vga_text(void *opaque, TextScreen *out)
{
    return vga_text_screen(opaque, out);
}

const ConsoleOps vga_console_ops = {.update = vga_update, .invalidate = vga_invalidate, .text = vga_text};
