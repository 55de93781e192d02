/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A standard VGA with the Bochs dispi extension: what VGA, secondary-vga, isa-vga and later cards have in common.
 *
 * A card embeds VgaState, makes it with vga_init(), maps its regions where its bus wants them, and uses vga_vmstate as a struct.
 */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include "hw/core/device.h"
#include "softmmu/memory.h"
#include "ui/console.h"

enum { /* dispi registers */
    VBE_ID, VBE_XRES, VBE_YRES, VBE_BPP, VBE_ENABLE, VBE_BANK, VBE_VIRT_WIDTH, VBE_VIRT_HEIGHT, VBE_X_OFFSET, VBE_Y_OFFSET, VBE_REGS,
    VBE_VIDEO_MEMORY_64K = VBE_REGS, /* read only */
};

typedef struct VgaState {
    /* config */
    uint32_t vram_mb; /* of the user; vga_init() rounds to a power of two, 1 to 512 */
    bool big_endian_default;
    /* wiring */
    Device *dev;
    Console *con;
    MemoryRegion vram;    /* the frame buffer, dirty-logged */
    IoRegion legacy;      /* A0000 to BFFFF */
    MemoryRegion direct;  /* over legacy: an alias of vram while that window is plain memory */
    uint8_t *mem;         /* vram's bytes */
    uint32_t mem_size;
    /* registers: reset and vmstate cover all of it */
    uint32_t latch;
    uint8_t sr_index, sr[8];
    uint8_t gr_index, gr[16];
    uint8_t ar_index, ar[21];
    bool ar_flip_flop;
    uint8_t cr_index, cr[256];
    uint8_t msr, fcr, st00, st01;
    uint8_t dac_state, dac_sub_index, dac_read_index, dac_write_index, dac_cache[3], dac_8bit;
    uint8_t palette[768];
    uint32_t bank_offset;
    uint16_t vbe_index, vbe[VBE_REGS];
    bool big_endian;
    /* picture: rebuilt by the next full update */
    struct VgaPicture *pic;
} VgaState;

extern const VmState vga_vmstate;
extern const ConsoleOps vga_console_ops; /* opaque: VgaState */

/* Registers, memory and console; in realize. */
bool vga_init(VgaState *s, Device *dev, uint32_t default_mb, Error **errp);
void vga_exit(VgaState *s); /* in unrealize */
void vga_reset(VgaState *s);
/* The legacy ports 3B0 to 3DF and 1CE, 1CF, 1D0, and the window at A0000 in mem. */
void vga_map_legacy(VgaState *s, MemoryRegion *mem, MemoryRegion *io);
uint8_t vga_port_read(VgaState *s, unsigned port);
void vga_port_write(VgaState *s, unsigned port, uint8_t val);
uint16_t vbe_read(VgaState *s, unsigned index);
void vbe_write(VgaState *s, unsigned index, uint16_t val);
uint8_t vga_mem_read(VgaState *s, uint32_t addr); /* 0 to 1ffff */
void vga_mem_write(VgaState *s, uint32_t addr, uint8_t val);

#endif
