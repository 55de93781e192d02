/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VGA's renderer remembers between two updates (vga-render.c, vga-text.c); nothing of it is guest state. */
#ifndef HW_DISPLAY_VGA_PICTURE_H
#define HW_DISPLAY_VGA_PICTURE_H

#include "hw/display/vga.h"

#define TEXT_MAX_COLS  256
#define TEXT_MAX_ROWS  256
#define TEXT_MAX_CELLS (160 * 100)

typedef enum PictureMode { PICTURE_NONE, PICTURE_BLANK, PICTURE_TEXT, PICTURE_GRAPHICS, PICTURE_SHARED } PictureMode;

/* Everything that a graphics picture depends on but memory; compared as bytes, so it is zeroed before it is filled. */
typedef struct GraphicsParams {
    uint32_t width, height;      /* of the surface */
    uint32_t start, line_offset; /* bytes */
    uint32_t line_compare;
    uint32_t format; /* GraphicsFormat */
    uint32_t scans;  /* each line is drawn this often */
    uint32_t twice;  /* half the dot clock: each pixel is two wide */
    uint32_t plane_mask;
    uint32_t cr17;
    uint32_t big_endian;
    uint32_t pan, pan_split; /* pixels that are skipped at the left, and whether below the line compare too */
    uint32_t preset_row;     /* scans of the first row that are skipped */
} GraphicsParams;

typedef struct TextParams {
    uint32_t cols, rows, cell_width, cell_height;
    uint32_t start, line_offset; /* bytes */
    uint32_t line_compare;
    uint32_t font_a, font_b; /* byte offsets of the plane 2 fonts for attribute bit 3 set and clear */
    uint32_t blink_enabled, line_graphics, underline;
    uint32_t pan, preset_row; /* pixels that are skipped at the left and at the top */
} TextParams;

typedef struct VgaPicture {
    PictureMode mode;
    bool full;            /* the next update draws everything */
    uint32_t colors[256]; /* of the palette in use */
    GraphicsParams gfx;
    TextParams text;
    uint8_t fonts[2][256 * 32];     /* A, B: as drawn */
    uint16_t cells[TEXT_MAX_CELLS]; /* as drawn */
    uint32_t cursor;                /* cell index as drawn, UINT32_MAX: none */
    uint8_t cursor_start, cursor_end;
    bool blink_phase;
    uint32_t *line;       /* a panned line */
    unsigned long *dirty; /* a bit a page of vram */
    size_t dirty_longs;
} VgaPicture;

VgaPicture *vga_picture_new(void);
void vga_picture_free(VgaPicture *p);
void vga_picture_forget(VgaPicture *p); /* the next update draws everything */

void vga_draw_text(VgaState *s);
bool vga_text_screen(VgaState *s, TextScreen *out); /* false: not a text mode */
/* Make a private surface of this size where the present one is not; true where it is a new one. */
bool vga_need_surface(VgaState *s, unsigned width, unsigned height);
/* The 16 attribute colours in pic->colors; true where one changed. */
bool vga_load_palette16(VgaState *s);
/* The start address and line compare as CRTC or dispi say, in bytes and lines. */
void vga_get_start(const VgaState *s, uint32_t *start, uint32_t *line_offset, uint32_t *line_compare);

#endif
