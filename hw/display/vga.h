/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A standard VGA with the Bochs dispi extension: what VGA, secondary-vga, isa-vga and later cards have in common.
 *
 * A card embeds VgaState, makes it with vga_init(), maps its regions where its bus wants them, and uses vga_vmstate as
 * a struct.
 */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include "hw/core/device.h"
#include "softmmu/memory.h"
#include "ui/console.h"

enum { /* dispi registers */
       VBE_ID,
       VBE_XRES,
       VBE_YRES,
       VBE_BPP,
       VBE_ENABLE,
       VBE_BANK,
       VBE_VIRT_WIDTH,
       VBE_VIRT_HEIGHT,
       VBE_X_OFFSET,
       VBE_Y_OFFSET,
       VBE_REGS,
       VBE_VIDEO_MEMORY_64K = VBE_REGS, /* read only */
};
enum { VBE_EN_ENABLED = 0x01, VBE_EN_GETCAPS = 0x02, VBE_EN_8BIT_DAC = 0x20, VBE_EN_LFB = 0x40, VBE_EN_NOCLEAR = 0x80 };
enum { VBE_MAX_XRES = 16000, VBE_MAX_YRES = 12000, VBE_MAX_BPP = 32 };

typedef struct VgaState {
    /* config */
    uint32_t vram_mb; /* of the user; vga_init() rounds up to a power of two within 1 to 512 */
    /* wiring */
    Device *dev;
    Console *con;
    MemoryRegion vram;   /* the frame buffer, dirty-logged */
    MemoryRegion window; /* A0000 to BFFFF: container of the two below */
    IoRegion window_io;
    MemoryRegion direct; /* over window_io: an alias of vram while that much of the window is plain memory */
    IoRegion port_io, mono_io, vbe_io;
    uint8_t *mem; /* vram's bytes */
    uint32_t mem_size;
    /* registers: reset and vmstate cover all of it; sizes are those of the stream */
    uint32_t latch;
    uint8_t sr_index, sr[8];
    uint8_t gr_index, gr[16];
    uint8_t ar_index, ar[21];
    int32_t ar_flip_flop;
    uint8_t cr_index, cr[256];
    uint8_t msr, fcr, st00, st01;
    uint8_t dac_state, dac_sub_index, dac_read_index, dac_write_index, dac_cache[3];
    uint8_t palette[768];
    int32_t bank_offset;
    uint8_t has_vbe; /* always 1: the stream tells it */
    uint16_t vbe_index, vbe[VBE_REGS];
    uint32_t vbe_start, vbe_line_offset, vbe_bank_mask; /* start: in units of 4 bytes */
    bool big_endian;
    /* picture: rebuilt by the next full update */
    struct VgaPicture *pic;
} VgaState;

extern const VmState vga_vmstate;
extern const ConsoleOps vga_console_ops; /* opaque: VgaState */

/* Memory, regions and state, in realize; the caller makes the console with vga_console_ops and stores it in con. */
bool vga_init(VgaState *s, Device *dev, Error **errp);
void vga_exit(VgaState *s); /* in unrealize */
void vga_reset(VgaState *s);
bool vga_post_load(VgaState *s, Error **errp);
/* The legacy ports 3B0 to 3DF and 1CE to 1D1, and the window at A0000 in mem; undone by the core after unrealize. */
void vga_map_legacy(VgaState *s, MemoryRegion *mem, MemoryRegion *io);
extern const IoOps vga_port_ops; /* a region that begins at port 3C0; opaque: VgaState */
uint8_t vga_port_read(VgaState *s, unsigned port);
void vga_port_write(VgaState *s, unsigned port, uint8_t val);
/* After a change of what decides how the window maps (vga-mem.c). */
void vga_update_window(VgaState *s);
extern const IoOps vga_window_ops;
uint8_t vga_mem_read(VgaState *s, uint32_t addr); /* 0 to 1ffff, from A0000 */
void vga_mem_write(VgaState *s, uint32_t addr, uint8_t val);
/* The dispi registers (vbe.c). */
static inline bool vbe_enabled(const VgaState *s)
{
    return s->vbe[VBE_ENABLE] & VBE_EN_ENABLED;
}
extern const IoOps vbe_port_ops; /* 1CE: index, 1CF and 1D0: data */
uint16_t vbe_read(VgaState *s, unsigned index);
void vbe_write(VgaState *s, unsigned index, uint16_t val);
void vbe_update_geometry(VgaState *s); /* start, line offset, clamped registers */
void vbe_program_vga(VgaState *s);     /* nothing where dispi is off */
/* A sequencer register as the hardware behind it acts: while dispi is on, memory is unchained by nobody. */
uint8_t vga_seq(const VgaState *s, unsigned index);

#endif
