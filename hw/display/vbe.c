/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Bochs VBE extension (dispi): sixteen-bit registers behind an index at port 1CE and data at 1CF or 1D0, or flat in
 * the MMIO BAR (docs/specs/standard-vga.rst of QEMU's documentation).
 *
 *   0 id  1 xres  2 yres  3 bpp  4 enable  5 bank  6 virtual width  7 virtual height (read)  8 x offset  9 y offset
 *   10 video memory in 64 KiB (read)
 *
 * Turning the extension on programs the VGA registers for the mode as well; the guest sees it there. Sizes are clamped
 * rather than refused: x to a multiple of 8 in 8 to 16000, y to 1 to 12000 and to what fits the memory, bpp to 8 where
 * it is none of the known.
 */
#include "hw/display/vga.h"
#include "hw/display/vga-picture.h"

static unsigned bits_per_pixel(const VgaState *s)
{
    return s->vbe[VBE_BPP] == 15 ? 16 : s->vbe[VBE_BPP];
}

void vbe_update_geometry(VgaState *s)
{
    uint16_t *r = s->vbe;
    unsigned bits;
    uint64_t max_lines, start;

    switch (r[VBE_BPP]) {
    case 4:
    case 8:
    case 15:
    case 16:
    case 24:
    case 32:
        break;
    default:
        r[VBE_BPP] = 8;
        break;
    }
    bits = bits_per_pixel(s);
    r[VBE_XRES] = CLAMP(r[VBE_XRES] & ~7, 8, VBE_MAX_XRES);
    r[VBE_VIRT_WIDTH] = CLAMP(r[VBE_VIRT_WIDTH] & ~7, r[VBE_XRES], VBE_MAX_XRES);
    s->vbe_line_offset = r[VBE_VIRT_WIDTH] * bits / 8;
    max_lines = s->mem_size / s->vbe_line_offset;
    r[VBE_YRES] = CLAMP(r[VBE_YRES], 1, MIN(max_lines, VBE_MAX_YRES));
    r[VBE_VIRT_HEIGHT] = max_lines;
    r[VBE_X_OFFSET] = MIN(r[VBE_X_OFFSET], VBE_MAX_XRES);
    r[VBE_Y_OFFSET] = MIN(r[VBE_Y_OFFSET], VBE_MAX_YRES);
    start = r[VBE_X_OFFSET] * bits / 8 + (uint64_t)r[VBE_Y_OFFSET] * s->vbe_line_offset;
    if (start + (uint64_t)r[VBE_YRES] * s->vbe_line_offset > s->mem_size) {
        r[VBE_Y_OFFSET] = 0;
        start = r[VBE_X_OFFSET] * bits / 8;
        if (start + (uint64_t)r[VBE_YRES] * s->vbe_line_offset > s->mem_size) {
            r[VBE_X_OFFSET] = 0;
            start = 0;
        }
    }
    s->vbe_start = start / 4;
}

/* What a VGA would have to be programmed with for this mode; repeated after a guest changed those registers: they stay.
 */
void vbe_program_vga(VgaState *s)
{
    unsigned lines = s->vbe[VBE_YRES] - 1;

    if (!vbe_enabled(s))
        return;
    s->gr[6] = (s->gr[6] & ~0x0c) | 0x05;
    s->gr[5] = (s->gr[5] & ~0x60) | (s->vbe[VBE_BPP] == 4 ? 0 : 0x40);
    s->cr[0x01] = s->vbe[VBE_XRES] / 8 - 1;
    s->cr[0x07] = (s->cr[0x07] & ~0x42) | 0x10 | (lines >> 7 & 0x02) | (lines >> 3 & 0x40);
    s->cr[0x09] = (s->cr[0x09] & ~0x9f) | 0x40;
    s->cr[0x12] = lines;
    s->cr[0x13] = s->vbe_line_offset >> 3;
    s->cr[0x17] |= 0x03;
    s->cr[0x18] = 0xff;
}

static void write_enable(VgaState *s, uint16_t val)
{
    bool was_on = vbe_enabled(s);

    if ((val & VBE_EN_ENABLED) && !was_on) {
        s->vbe[VBE_VIRT_WIDTH] = s->vbe[VBE_X_OFFSET] = s->vbe[VBE_Y_OFFSET] = 0;
        s->vbe[VBE_ENABLE] |= VBE_EN_ENABLED;
        vbe_update_geometry(s);
        vbe_program_vga(s);
        if (!(val & VBE_EN_NOCLEAR)) {
            uint64_t len = (uint64_t)s->vbe[VBE_YRES] * s->vbe_line_offset;

            memset(s->mem, 0, len);
            region_set_dirty(&s->vram, 0, len);
        }
    } else {
        s->bank_offset = 0; /* the bank register keeps its value */
    }
    s->vbe[VBE_ENABLE] = val;
    vga_picture_forget(s->pic);
    vga_update_window(s);
}

uint16_t vbe_read(VgaState *s, unsigned index)
{
    if (index == VBE_VIDEO_MEMORY_64K)
        return s->mem_size >> 16;
    if (index >= VBE_REGS)
        return 0;
    if (s->vbe[VBE_ENABLE] & VBE_EN_GETCAPS) {
        switch (index) {
        case VBE_XRES:
            return VBE_MAX_XRES;
        case VBE_YRES:
            return VBE_MAX_YRES;
        case VBE_BPP:
            return VBE_MAX_BPP;
        }
    }
    return s->vbe[index];
}

void vbe_write(VgaState *s, unsigned index, uint16_t val)
{
    switch (index) {
    case VBE_ID:
        if (val >= 0xb0c0 && val <= 0xb0c5)
            s->vbe[index] = val;
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP:
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        s->vbe[index] = val;
        if (vbe_enabled(s)) {
            vbe_update_geometry(s);
            vbe_program_vga(s);
        }
        break;
    case VBE_ENABLE:
        write_enable(s, val);
        break;
    case VBE_BANK:
        val &= s->vbe_bank_mask;
        s->vbe[index] = val;
        s->bank_offset = val << 16;
        vga_update_window(s);
        break;
    }
}

/* Only sixteen-bit accesses; the data port is at offset 1, or 2 for processors that cannot reach it there. */
static uint64_t vbe_io_read(void *opaque, uint64_t off, unsigned size)
{
    VgaState *s = opaque;

    if (size != 2 || off > 2)
        return UINT64_MAX;
    return off == 0 ? s->vbe_index : vbe_read(s, s->vbe_index);
}
static void vbe_io_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    VgaState *s = opaque;

    if (size != 2 || off > 2)
        return;
    if (off == 0)
        s->vbe_index = val;
    else
        vbe_write(s, s->vbe_index, val);
}
const IoOps vbe_port_ops = {vbe_io_read, vbe_io_write, .min = 1, .max = 4, .unaligned = true};
