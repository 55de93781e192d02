/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard VGA: registers. FreeVGA's register reference; IBM VGA/XGA technical reference.
 *
 *   3B4/3D4, 3B5/3D5  CRT controller index, data      3C0, 3C1  attribute controller (flip-flop), read back
 *   3C2 (r) status 0, (w) miscellaneous output        3C4, 3C5  sequencer
 *   3C6 PEL mask      3C7 DAC state / read index      3C8, 3C9  DAC write index, data
 *   3CA feature control (r)  3CC misc output (r)      3CE, 3CF  graphics controller
 *   3BA/3DA           status 1 (r), feature control (w)
 *   1CE, 1CF or 1D0   dispi index, data (vbe.c)
 * Misc output bit 0 chooses between the 3Bx and 3Dx copies; those of the other read all ones.
 *
 * Memory is kept as the picture is read: byte 4 * offset + plane, so chained modes are linear in the frame buffer too.
 *
 * Unlike hardware, as QEMU: no PEL mask (reads 0), the DAC keeps all 8 bits written and answers state 0 or 3, status 1
 * toggles retrace and display enable at each read in place of following a beam, all 256 CRTC registers store what is
 * written.
 */
#include "hw/display/vga.h"
#include "hw/display/vga-picture.h"

/* Bits that keep what is written. */
static const uint8_t seq_mask[8] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0x00, 0x00, 0xff};
static const uint8_t gfx_mask[16] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};

enum { MISC_COLOR = 0x01, STATUS1_TOGGLE = 0x09, ATTR_VIDEO_ON = 0x20 };

static bool port_hidden(const VgaState *s, unsigned port)
{
    return s->msr & MISC_COLOR ? port >= 0x3b0 && port <= 0x3bf : port >= 0x3d0 && port <= 0x3df;
}

uint8_t vga_port_read(VgaState *s, unsigned port)
{
    uint8_t v;

    if (port_hidden(s, port))
        return 0xff;
    switch (port) {
    case 0x3c0:
        return s->ar_flip_flop ? 0 : s->ar_index;
    case 0x3c1:
        return (s->ar_index & 0x1f) < ARRAY_SIZE(s->ar) ? s->ar[s->ar_index & 0x1f] : 0;
    case 0x3c2:
        return s->st00;
    case 0x3c4:
        return s->sr_index;
    case 0x3c5:
        return s->sr[s->sr_index & 7];
    case 0x3c7:
        return s->dac_state;
    case 0x3c8:
        return s->dac_write_index;
    case 0x3c9:
        v = s->palette[s->dac_read_index * 3 + s->dac_sub_index];
        if (++s->dac_sub_index == 3) {
            s->dac_sub_index = 0;
            s->dac_read_index++;
        }
        return v;
    case 0x3ca:
        return s->fcr;
    case 0x3cc:
        return s->msr;
    case 0x3ce:
        return s->gr_index;
    case 0x3cf:
        return s->gr[s->gr_index & 15];
    case 0x3b4:
    case 0x3d4:
        return s->cr_index;
    case 0x3b5:
    case 0x3d5:
        return s->cr[s->cr_index];
    case 0x3ba:
    case 0x3da:
        s->ar_flip_flop = 0;
        s->st01 ^= STATUS1_TOGGLE;
        return s->st01;
    default:
        return port >= 0x3c0 && port <= 0x3cf ? 0 : 0xff;
    }
}

static void attr_write(VgaState *s, uint8_t val)
{
    unsigned i = s->ar_index & 0x1f;

    if (!s->ar_flip_flop) {
        s->ar_index = val & 0x3f;
    } else if (i < 0x10 || i == 0x12) {
        s->ar[i] = val & 0x3f;
    } else if (i == 0x10) {
        s->ar[i] = val & 0xef;
    } else if (i == 0x11) {
        s->ar[i] = val;
    } else if (i == 0x13 || i == 0x14) {
        s->ar[i] = val & 0x0f;
    }
    s->ar_flip_flop ^= 1;
}

static void crtc_write(VgaState *s, uint8_t val)
{
    /* CR11 bit 7 protects 0 to 7, but for the line compare bit in 7. */
    if ((s->cr[0x11] & 0x80) && s->cr_index <= 7) {
        if (s->cr_index == 7)
            s->cr[7] = (s->cr[7] & ~0x10) | (val & 0x10);
        return;
    }
    s->cr[s->cr_index] = val;
}

void vga_port_write(VgaState *s, unsigned port, uint8_t val)
{
    if (port_hidden(s, port))
        return;
    switch (port) {
    case 0x3c0:
        attr_write(s, val);
        break;
    case 0x3c2:
        s->msr = val & 0xef;
        break;
    case 0x3c4:
        s->sr_index = val & 7;
        break;
    case 0x3c5:
        s->sr[s->sr_index & 7] = val & seq_mask[s->sr_index & 7];
        vbe_program_vga(s);
        vga_update_window(s);
        break;
    case 0x3c7:
        s->dac_read_index = val;
        s->dac_sub_index = 0;
        s->dac_state = 3;
        break;
    case 0x3c8:
        s->dac_write_index = val;
        s->dac_sub_index = 0;
        s->dac_state = 0;
        break;
    case 0x3c9:
        s->dac_cache[s->dac_sub_index] = val;
        if (++s->dac_sub_index == 3) {
            memcpy(&s->palette[s->dac_write_index * 3], s->dac_cache, 3);
            s->dac_sub_index = 0;
            s->dac_write_index++;
        }
        break;
    case 0x3ce:
        s->gr_index = val & 15;
        break;
    case 0x3cf:
        s->gr[s->gr_index & 15] = val & gfx_mask[s->gr_index & 15];
        vbe_program_vga(s);
        vga_update_window(s);
        break;
    case 0x3b4:
    case 0x3d4:
        s->cr_index = val;
        break;
    case 0x3b5:
    case 0x3d5:
        crtc_write(s, val);
        vbe_program_vga(s);
        break;
    case 0x3ba:
    case 0x3da:
        s->fcr = val & 0x10;
        break;
    }
}

static uint64_t port_io_read(void *opaque, uint64_t off, unsigned size)
{
    return vga_port_read(opaque, 0x3c0 + off);
}
static void port_io_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    vga_port_write(opaque, 0x3c0 + off, val);
}
const IoOps vga_port_ops = {port_io_read, port_io_write, .min = 1, .max = 1, .bus_max = 2};

static uint64_t mono_io_read(void *opaque, uint64_t off, unsigned size)
{
    return vga_port_read(opaque, 0x3b0 + off);
}
static void mono_io_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    vga_port_write(opaque, 0x3b0 + off, val);
}
static const IoOps vga_mono_ops = {mono_io_read, mono_io_write, .min = 1, .max = 1};

void vga_map_legacy(VgaState *s, MemoryRegion *mem, MemoryRegion *io)
{
    memory_begin();
    region_add_overlap(mem, 0xa0000, &s->window, 1);
    region_add(io, 0x3b0, &s->mono_io);
    region_add(io, 0x3c0, &s->port_io);
    region_add(io, 0x1ce, &s->vbe_io);
    memory_commit();
}

bool vga_init(VgaState *s, Device *dev, Error **errp)
{
    uint32_t mb = CLAMP(s->vram_mb, 1, 512);

    while (mb & (mb - 1))
        mb += mb & -mb;
    s->dev = dev;
    s->mem_size = mb * MIB;
    if (!region_init_ram(&s->vram, dev, "vga.vram", s->mem_size, errp))
        return false;
    s->mem = region_ram_ptr(&s->vram);
    s->vbe_bank_mask = (s->mem_size >> 16) - 1;
    region_log(&s->vram, DIRTY_VGA, true);
    region_init_container(&s->window, dev, "vga-lowmem", 0x20000);
    region_init_io(&s->window_io, dev, &vga_window_ops, s, "vga-planar", 0x20000);
    region_add(&s->window, 0, &s->window_io);
    region_add_coalescing(&s->window_io, 0, 0x20000);
    region_init_alias(&s->direct, dev, "vga.chain4", &s->vram, 0, 0x20000);
    region_set_enabled(&s->direct, false);
    region_add_overlap(&s->window, 0, &s->direct, 1);
    region_init_io(&s->mono_io, dev, &vga_mono_ops, s, "vga-mono", 0x10);
    region_init_io(&s->port_io, dev, &vga_port_ops, s, "vga", 0x20);
    /* Room for a 4-byte access at the last port, which is one access and refused. */
    region_init_io(&s->vbe_io, dev, &vbe_port_ops, s, "vbe", 6);
    /* Writes to the window that were batched must land before a register changes what they mean. */
    s->mono_io.flush_coalesced = s->port_io.flush_coalesced = s->vbe_io.flush_coalesced = true;
    s->pic = vga_picture_new();
    return true;
}

void vga_exit(VgaState *s)
{
    if (s->con)
        console_free(s->con);
    s->con = NULL;
    vga_picture_free(s->pic);
    s->pic = NULL;
}

void vga_reset(VgaState *s)
{
    s->latch = 0;
    s->sr_index = s->gr_index = s->ar_index = s->cr_index = 0;
    memset(s->sr, 0, sizeof(s->sr));
    memset(s->gr, 0, sizeof(s->gr));
    memset(s->ar, 0, sizeof(s->ar));
    memset(s->cr, 0, sizeof(s->cr));
    s->ar_flip_flop = 0;
    s->msr = s->fcr = s->st00 = s->st01 = 0;
    s->dac_state = s->dac_sub_index = s->dac_read_index = s->dac_write_index = 0;
    memset(s->dac_cache, 0, sizeof(s->dac_cache));
    memset(s->palette, 0, sizeof(s->palette));
    s->bank_offset = 0;
    s->has_vbe = 1;
    s->vbe_index = 0;
    memset(s->vbe, 0, sizeof(s->vbe));
    s->vbe[VBE_ID] = 0xb0c5;
    s->vbe_start = s->vbe_line_offset = 0;
    s->vbe_bank_mask = (s->mem_size >> 16) - 1;
    s->big_endian = false;
    vga_picture_forget(s->pic);
    vga_update_window(s);
}

bool vga_post_load(VgaState *s, Error **errp)
{
    if (s->has_vbe != 1)
        return error_set(errp, "a VGA without dispi registers cannot be loaded");
    if (s->dac_sub_index > 2 || (s->ar_flip_flop & ~1))
        return error_set(errp, "impossible VGA state: DAC component %u, flip-flop %d", s->dac_sub_index,
                         (int)s->ar_flip_flop);
    if ((uint32_t)s->bank_offset > s->mem_size || (s->bank_offset & 0xffff))
        return error_set(errp, "VGA bank at 0x%x is outside of its %u bytes of memory", (unsigned)s->bank_offset,
                         s->mem_size);
    s->sr_index &= 7;
    s->gr_index &= 15;
    s->ar_index &= 0x3f;
    for (unsigned i = 0; i < ARRAY_SIZE(s->sr); i++)
        s->sr[i] &= seq_mask[i];
    for (unsigned i = 0; i < ARRAY_SIZE(s->gr); i++)
        s->gr[i] &= gfx_mask[i];
    s->vbe_bank_mask = (s->mem_size >> 16) - 1;
    if (vbe_enabled(s)) {
        vbe_update_geometry(s);
        vbe_program_vga(s); /* the renderer relies on it */
    }
    vga_picture_forget(s->pic);
    vga_update_window(s);
    return true;
}

static bool big_endian_needed(void *opaque)
{
    return ((VgaState *)opaque)->big_endian;
}
static const VmState vga_endian_vmstate = {
    .name = "vga.endian",
    .version = 1,
    .min_version = 1,
    .needed = big_endian_needed,
    .fields = (const VmField[]){VM_BOOL(VgaState, big_endian), {}},
};

/* The owner's post_load calls vga_post_load(). */
const VmState vga_vmstate = {
    .name = "vga",
    .version = 2,
    .min_version = 2,
    .fields =
        (const VmField[]){
            VM_U32(VgaState, latch),
            VM_U8(VgaState, sr_index),
            VM_BUFFER(VgaState, sr),
            VM_U8(VgaState, gr_index),
            VM_BUFFER(VgaState, gr),
            VM_U8(VgaState, ar_index),
            VM_BUFFER(VgaState, ar),
            VM_I32(VgaState, ar_flip_flop),
            VM_U8(VgaState, cr_index),
            VM_BUFFER(VgaState, cr),
            VM_U8(VgaState, msr),
            VM_U8(VgaState, fcr),
            VM_U8(VgaState, st00),
            VM_U8(VgaState, st01),
            VM_U8(VgaState, dac_state),
            VM_U8(VgaState, dac_sub_index),
            VM_U8(VgaState, dac_read_index),
            VM_U8(VgaState, dac_write_index),
            VM_BUFFER(VgaState, dac_cache),
            VM_BUFFER(VgaState, palette),
            VM_I32(VgaState, bank_offset),
            VM_U8(VgaState, has_vbe),
            VM_U16(VgaState, vbe_index),
            VM_INT_ARRAY(VgaState, vbe),
            VM_U32(VgaState, vbe_start),
            VM_U32(VgaState, vbe_line_offset),
            VM_U32(VgaState, vbe_bank_mask),
            {},
        },
    .subsections = (const VmState *const[]){&vga_endian_vmstate, NULL},
};
