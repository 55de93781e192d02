/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA: the memory window at A0000 to BFFFF, through the sequencer's map mask and the graphics controller's
 * latches, read and write modes. FreeVGA, "Graphics Registers"; IBM VGA technical reference.
 *
 * As QEMU, and unlike the hardware, odd/even addressing packs: processor address A is at plane offset A >> 1 (on the
 * hardware A with bit 0 replaced), and the CRTC counts accordingly, so a text screen's cells are adjacent in the frame
 * buffer.
 */
#include "hw/display/vga.h"

enum { SEQ_MEM_CHAIN4 = 0x08, GFX_MODE_ODD_EVEN = 0x10, GFX_MODE_READ1 = 0x08 };

uint8_t vga_seq(const VgaState *s, unsigned index)
{
    if (vbe_enabled(s)) {
        switch (index) {
        case 1:
            return s->sr[1] & ~0x08;
        case 2:
            return 0x0f;
        case 4:
            return s->vbe[VBE_BPP] == 4 ? s->sr[4] & ~SEQ_MEM_CHAIN4 : s->sr[4] | SEQ_MEM_CHAIN4;
        }
    }
    return s->sr[index];
}

/* Each bit of a 4-bit value becomes a byte. */
static inline uint32_t spread(unsigned v)
{
    return (v & 1 ? 0xffu : 0) | (v & 2 ? 0xff00u : 0) | (v & 4 ? 0xff0000u : 0) | (v & 8 ? 0xff000000u : 0);
}

/* Where addr (from A0000) is in the memory that the window shows; false: not in the window. */
static inline bool window_offset(const VgaState *s, uint32_t *addr)
{
    uint32_t a = *addr & 0x1ffff;

    switch ((s->gr[6] >> 2) & 3) {
    case 0:
        break;
    case 1:
        if (a >= 0x10000)
            return false;
        a += s->bank_offset;
        break;
    case 2:
        if (a < 0x10000 || a >= 0x18000)
            return false;
        a -= 0x10000;
        break;
    default:
        if (a < 0x18000)
            return false;
        a -= 0x18000;
        break;
    }
    *addr = a;
    return true;
}

uint8_t vga_mem_read(VgaState *s, uint32_t addr)
{
    uint32_t v;

    if (!window_offset(s, &addr))
        return 0xff;
    if (vga_seq(s, 4) & SEQ_MEM_CHAIN4)
        return addr < s->mem_size ? s->mem[addr] : 0xff;
    if (s->gr[5] & GFX_MODE_ODD_EVEN) {
        addr = (addr & ~1u) << 1 | (s->gr[4] & 2) | (addr & 1);
        return addr < s->mem_size ? s->mem[addr] : 0xff;
    }
    if ((uint64_t)addr * 4 + 4 > s->mem_size)
        return 0xff;
    s->latch = ldl_le(s->mem + addr * 4);
    if (!(s->gr[5] & GFX_MODE_READ1))
        return s->latch >> (s->gr[4] & 3) * 8;
    v = (s->latch ^ spread(s->gr[2])) & spread(s->gr[7]);
    v |= v >> 16;
    v |= v >> 8;
    return ~v;
}

/* What the four planes are offered, and the bits that change, for a byte from the processor. */
static inline uint32_t write_value(const VgaState *s, uint8_t val, uint32_t *mask)
{
    unsigned rotated = (val >> (s->gr[3] & 7)) | (val << (8 - (s->gr[3] & 7)));
    uint32_t v, set;
    uint8_t bits = s->gr[8];

    switch (s->gr[5] & 3) {
    case 0:
        v = (rotated & 0xff) * 0x01010101u;
        set = spread(s->gr[1]);
        v = (v & ~set) | (spread(s->gr[0]) & set);
        break;
    case 1: /* the latches, whole */
        *mask = 0xffffffff;
        return s->latch;
    case 2:
        v = spread(val);
        break;
    default:
        bits &= rotated;
        v = spread(s->gr[0]);
        break;
    }
    switch ((s->gr[3] >> 3) & 3) {
    case 1:
        v &= s->latch;
        break;
    case 2:
        v |= s->latch;
        break;
    case 3:
        v ^= s->latch;
        break;
    }
    *mask = bits * 0x01010101u;
    return v;
}

void vga_mem_write(VgaState *s, uint32_t addr, uint8_t val)
{
    uint32_t planes = vga_seq(s, 2), v, mask, old;

    if (!window_offset(s, &addr))
        return;
    if (vga_seq(s, 4) & SEQ_MEM_CHAIN4) {
        if (addr >= s->mem_size || !(planes & 1 << (addr & 3)))
            return;
        s->mem[addr] = val;
        region_set_dirty(&s->vram, addr, 1);
    } else if (s->gr[5] & GFX_MODE_ODD_EVEN) {
        v = (s->gr[4] & 2) | (addr & 1);
        addr = (addr & ~1u) << 1 | v;
        if (!(planes & 1 << v) || addr >= s->mem_size)
            return;
        s->mem[addr] = val;
        region_set_dirty(&s->vram, addr, 1);
    } else {
        if ((uint64_t)addr * 4 + 4 > s->mem_size)
            return;
        v = write_value(s, val, &mask);
        v = (v & mask) | (s->latch & ~mask);
        mask = spread(planes);
        old = ldl_le(s->mem + addr * 4);
        stl_le(s->mem + addr * 4, (v & mask) | (old & ~mask));
        region_set_dirty(&s->vram, addr * 4, 4);
    }
}

static uint64_t window_read(void *opaque, uint64_t off, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)vga_mem_read(opaque, off + i) << i * 8;
    return v;
}
static void window_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        vga_mem_write(opaque, off + i, val >> i * 8);
}
const IoOps vga_window_ops = {window_read, window_write, .min = 1, .max = 8, .unaligned = true};

void vga_update_window(VgaState *s)
{
    uint64_t base = 0, size = 0, offset = 0;

    /* Plain memory where all four planes are chained and writable: the frame buffer itself then shows in the window. */
    if ((vga_seq(s, 4) & SEQ_MEM_CHAIN4) && (vga_seq(s, 2) & 0x0f) == 0x0f) {
        switch ((s->gr[6] >> 2) & 3) {
        case 0:
            size = 0x20000;
            break;
        case 1:
            size = 0x10000;
            offset = s->bank_offset;
            break;
        case 2:
            base = 0x10000;
            size = 0x8000;
            break;
        default:
            base = 0x18000;
            size = 0x8000;
            break;
        }
    }
    if (offset + size > s->mem_size)
        size = 0;
    if (!size) {
        if (s->direct.enabled)
            region_set_enabled(&s->direct, false);
        return;
    }
    if (s->direct.enabled && s->direct.addr == base && s->direct.alias_offset == offset && s->direct.size == size)
        return;
    memory_begin();
    region_set_address(&s->direct, base);
    region_set_size(&s->direct, size);
    region_set_alias_offset(&s->direct, offset);
    region_set_enabled(&s->direct, true);
    memory_commit();
}
