/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA: the picture in text modes. A cell is two bytes of memory, character (plane 0) and attribute (plane 1),
 * every 4 bytes; glyphs are in plane 2, 32 bytes each. A cell is drawn again where it, its glyph, the cursor on it or a
 * parameter changed.
 */
#include "hw/display/vga-picture.h"
#include "hw/core/clock.h"

/* The blink rates of the hardware: the cursor every 16 frames, characters every 32, of 70 a second. */
#define CURSOR_HALF_NS (16 * NS_PER_SEC / 70 / 2)
#define CHAR_HALF_NS   (32 * NS_PER_SEC / 70 / 2)

/* Sequencer's character map select: three bits to an 8 KiB slot of plane 2, in bytes of interleaved memory. */
static uint32_t font_offset(unsigned high, unsigned low)
{
    return ((low & 3) * 0x4000 + high * 0x2000) * 4;
}

static bool text_params(const VgaState *s, TextParams *p)
{
    unsigned sr1 = vga_seq(s, 1), lines;

    memset(p, 0, sizeof(*p));
    vga_get_start(s, &p->start, &p->line_offset, &p->line_compare);
    p->cell_height = (s->cr[0x09] & 0x1f) + 1;
    p->cell_width = sr1 & 0x08 ? 16 : sr1 & 0x01 ? 8 : 9;
    p->cols = s->cr[0x01] + 1;
    if (s->cr[0x06] == 100) {
        p->rows =
            100; /* the 160x100 trick of the CGA: two scan lines a row, more of them than the end register tells */
    } else {
        lines = (s->cr[0x12] | (s->cr[0x07] & 0x02) << 7 | (s->cr[0x07] & 0x40) << 3) + 1;
        p->rows = lines / p->cell_height;
    }
    p->font_b = font_offset(s->sr[3] >> 4 & 1, s->sr[3]);
    p->font_a = font_offset(s->sr[3] >> 5 & 1, s->sr[3] >> 2);
    p->line_graphics = s->ar[0x10] >> 2 & 1;
    p->blink_enabled = s->ar[0x10] >> 3 & 1;
    p->underline = s->cr[0x14] & 0x1f;
    /* Smooth scrolling. Nine dots: 8 is none, 0 is one on the hardware and none here, as software leaves it there. */
    if (!vbe_enabled(s)) {
        p->pan = s->ar[0x13] >= 8 || !s->ar[0x13] ? 0 : s->ar[0x13] + (p->cell_width == 9);
        p->preset_row = MIN(s->cr[0x08] & 0x1f, p->cell_height - 1);
        p->start += (s->cr[0x08] >> 5 & 3) * 4;
    }
    return p->cols > 1 && p->rows > 0 && p->cols * p->rows <= TEXT_MAX_CELLS;
}

/* Copy a font out of plane 2; true where it is not the one drawn last. */
static bool load_font(VgaState *s, unsigned n, uint32_t offset)
{
    uint8_t *font = s->pic->fonts[n];
    const uint8_t *in = s->mem + offset + 2;
    bool changed = false;

    for (unsigned i = 0; i < sizeof(s->pic->fonts[n]); i++, in += 4) {
        changed |= font[i] != *in;
        font[i] = *in;
    }
    return changed;
}

/* The memory address of a row's first cell. Below the line compare the screen starts anew at 0; whole rows only. */
static uint32_t row_addr(const VgaState *s, const TextParams *p, unsigned row)
{
    uint32_t top = ((uint64_t)p->line_compare + p->cell_height - 1) / p->cell_height;

    return ((row < top ? p->start + row * p->line_offset : (row - top) * p->line_offset) & (s->mem_size - 1)) & ~3u;
}

static uint32_t cursor_cell(const VgaState *s, const TextParams *p)
{
    uint32_t at = (s->cr[0x0e] << 8 | s->cr[0x0f]) * 4;

    if (s->cr[0x0a] & 0x20)
        return UINT32_MAX;
    for (unsigned row = 0; row < p->rows; row++) {
        uint32_t col = (at - row_addr(s, p, row)) / 4;

        if (col < p->cols)
            return row * p->cols + col;
    }
    return UINT32_MAX;
}

static void draw_cell(VgaState *s, const TextParams *p, unsigned col, unsigned row, bool cursor, Surface *surface)
{
    VgaPicture *pic = s->pic;
    uint16_t cell = pic->cells[row * p->cols + col];
    uint8_t ch = cell, attr = cell >> 8;
    const uint8_t *glyph = &pic->fonts[attr & 8 ? 0 : 1][ch * 32];
    uint32_t fg = pic->colors[attr & 15], bg = pic->colors[attr >> 4];
    bool nine = p->cell_width == 9, wide = p->cell_width == 16;
    bool repeat = nine && p->line_graphics && ch >= 0xb0 && ch <= 0xdf;
    bool underline = (attr & 0x77) == 0x01;

    if (p->blink_enabled) {
        bg = pic->colors[attr >> 4 & 7];
        if ((attr & 0x80) && pic->blink_phase)
            fg = bg;
    }
    for (unsigned y = 0; y < p->cell_height; y++) {
        uint32_t *out =
            (uint32_t *)(surface_data(surface) + (size_t)(row * p->cell_height + y) * surface_stride(surface)) +
            col * p->cell_width;
        uint8_t bits = glyph[y];
        bool solid = (underline && y == p->underline) || (cursor && y >= pic->cursor_start && y <= pic->cursor_end);

        for (int bit = 7; bit >= 0; bit--) {
            uint32_t c = solid || (bits >> bit & 1) ? fg : bg;

            *out++ = c;
            if (wide)
                *out++ = c;
        }
        if (nine)
            *out = solid || (repeat && (bits & 1)) ? fg : bg;
    }
}

/* The cells that changed, or all of them; tells the listeners where that is the console's own surface. */
static void draw_cells(VgaState *s, const TextParams *p, bool full, bool phase_changed, uint32_t cursor,
                       uint32_t old_cursor, Surface *surface)
{
    for (unsigned row = 0; row < p->rows; row++) {
        unsigned from = p->cols, to = 0;
        uint32_t addr = row_addr(s, p, row);

        for (unsigned col = 0; col < p->cols; col++) {
            unsigned i = row * p->cols + col;
            uint16_t cell = lduw_le(s->mem + ((addr + col * 4) & (s->mem_size - 1)));

            if (!full && cell == s->pic->cells[i] && (cursor == old_cursor || (i != cursor && i != old_cursor)) &&
                !(phase_changed && (cell & 0x8000)))
                continue;
            s->pic->cells[i] = cell;
            draw_cell(s, p, col, row, i == cursor, surface);
            from = MIN(from, col);
            to = col + 1;
        }
        if (to && surface == console_surface(s->con))
            console_damage(s->con, from * p->cell_width, row * p->cell_height, (to - from) * p->cell_width,
                           p->cell_height);
    }
}

void vga_draw_text(VgaState *s)
{
    VgaPicture *pic = s->pic;
    TextParams p;
    Surface *surface, *larger;
    bool full, cursor_on, any_blink, scrolled;
    uint32_t cursor, old_cursor = pic->cursor;
    int64_t now = clock_ns(CLOCK_REALTIME_MONO);
    bool phase = now / CHAR_HALF_NS & 1, phase_changed;

    if (!text_params(s, &p))
        return;
    full = pic->full || pic->mode != PICTURE_TEXT || memcmp(&p, &pic->text, sizeof(p));
    full |= vga_load_palette16(s);
    full |= load_font(s, 0, p.font_a);
    full |= load_font(s, 1, p.font_b);
    full |= vga_need_surface(s, p.cols * p.cell_width, p.rows * p.cell_height);
    surface = console_surface(s->con);
    scrolled = (p.pan || p.preset_row) && (p.cols + 1) * (p.rows + 1) <= TEXT_MAX_CELLS;
    cursor_on = now / CURSOR_HALF_NS & 1;
    cursor = cursor_on ? cursor_cell(s, &p) : UINT32_MAX;
    full |= pic->cursor_start != (s->cr[0x0a] & 0x1f) || pic->cursor_end != (s->cr[0x0b] & 0x1f);
    pic->cursor_start = s->cr[0x0a] & 0x1f;
    pic->cursor_end = s->cr[0x0b] & 0x1f;
    any_blink = p.blink_enabled;
    phase_changed = any_blink && phase != pic->blink_phase;
    pic->blink_phase = phase;
    pic->text = p;
    pic->mode = PICTURE_TEXT;
    pic->cursor = cursor;
    pic->full = false;
    if (scrolled) {
        /* Drawn whole, a cell larger, and cut out. */
        unsigned width = surface_width(surface), height = surface_height(surface);

        pic->full = true;
        p.cols++;
        p.rows++;
        larger = surface_new(p.cols * p.cell_width, p.rows * p.cell_height);
        draw_cells(s, &p, true, phase_changed, cursor_on ? cursor_cell(s, &p) : UINT32_MAX, old_cursor, larger);
        pixman_image_composite32(PIXMAN_OP_SRC, larger->image, NULL, surface->image, p.pan, p.preset_row, 0, 0, 0, 0,
                                 width, height);
        surface_unref(larger);
        console_damage(s->con, 0, 0, width, height);
        return;
    }
    draw_cells(s, &p, full, phase_changed, cursor, old_cursor, surface);
}

bool vga_text_screen(VgaState *s, TextScreen *out)
{
    TextParams p;
    uint32_t cursor;

    if (!(s->ar_index & 0x20) || (s->gr[6] & 1) || !text_params(s, &p))
        return false;
    if ((uint64_t)p.start + (uint64_t)p.rows * p.line_offset + p.cols * 4 > s->mem_size)
        return false;
    cursor = cursor_cell(s, &p);
    *out = (TextScreen){
        .cols = p.cols,
        .rows = p.rows,
        .cells = s->mem + p.start,
        .stride = p.line_offset,
        .step = 4,
        .cursor_on = cursor != UINT32_MAX,
        .cursor_col = cursor != UINT32_MAX ? cursor % p.cols : 0,
        .cursor_row = cursor != UINT32_MAX ? cursor / p.cols : 0,
    };
    return true;
}
