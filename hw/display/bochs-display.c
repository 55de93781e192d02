/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "bochs-display": a linear frame buffer and the dispi registers on PCI, nothing of a VGA (docs/specs/standard-vga.rst
 * of QEMU's documentation, the MMIO part; hw ids as the VGA's).
 *
 *   BAR 0  frame buffer    BAR 2  000-0ff EDID    500-515 dispi registers, 16 bits each    600-607 size, byte order
 *
 * Registers store what is written; a mode is shown where it is 16 or 32 bits deep, at least 64 by 64 and within the
 * memory. Where it is not, the last picture stays.
 */
#include "hw/display/edid.h"
#include "hw/display/vga.h"
#include "hw/pci/pci.h"

enum { EXT_SIZE = 8, ENDIAN_LITTLE = 0x1e1e1e1e, EDID_BYTES = 256, MIN_SIZE = 64 };
#define ENDIAN_BIG 0xbebebebeu
#define MEM_MIN    (4 * MIB)
#define MEM_MAX    (512 * MIB)

typedef struct BochsDisplay {
    PciDevice pci;
    uint64_t mem_bytes; /* config */
    bool edid;
    EdidInfo edid_info;
    MemoryRegion vram, regs; /* wiring */
    IoRegion edid_io, dispi_io, ext_io;
    Console *con;
    uint8_t edid_blob[EDID_BYTES];
    uint16_t vbe[VBE_REGS]; /* state */
    bool big_endian;
    bool full; /* the next update tells everything; not guest state */
} BochsDisplay;
#define BOCHS(d) container_of(d, BochsDisplay, pci.dev)

static uint64_t edid_read(void *opaque, uint64_t off, unsigned size)
{
    return ((BochsDisplay *)opaque)->edid_blob[off % EDID_BYTES];
}
static void edid_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}
static const IoOps edid_ops = {edid_read, edid_write, .min = 1, .max = 1};

static uint64_t dispi_read(void *opaque, uint64_t off, unsigned size)
{
    BochsDisplay *s = opaque;
    unsigned index = off >> 1;

    if (index == VBE_ID)
        return 0xb0c5;
    return index == VBE_VIDEO_MEMORY_64K ? s->mem_bytes >> 16 : s->vbe[index % VBE_REGS];
}
static void dispi_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    BochsDisplay *s = opaque;

    if (off >> 1 < VBE_REGS)
        s->vbe[off >> 1] = val;
}
static const IoOps dispi_ops = {dispi_read, dispi_write, .min = 1, .max = 2};

static uint64_t ext_read(void *opaque, uint64_t off, unsigned size)
{
    if (size != 4)
        return 0;
    return off == 0 ? EXT_SIZE : off == 4 ? (((BochsDisplay *)opaque)->big_endian ? ENDIAN_BIG : ENDIAN_LITTLE) : 0;
}
static void ext_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    BochsDisplay *s = opaque;

    if (size != 4 || off != 4 || (val != ENDIAN_LITTLE && val != ENDIAN_BIG))
        return;
    s->big_endian = val == ENDIAN_BIG;
    s->full = true;
}
static const IoOps ext_ops = {ext_read, ext_write, .min = 1, .max = 4};

typedef struct Mode {
    unsigned width, height, bytes;
    uint64_t start, stride;
} Mode;

static bool get_mode(const BochsDisplay *s, Mode *m)
{
    const uint16_t *r = s->vbe;

    if (!(r[VBE_ENABLE] & VBE_EN_ENABLED) || (r[VBE_BPP] != 16 && r[VBE_BPP] != 32))
        return false;
    m->bytes = r[VBE_BPP] / 8;
    m->width = r[VBE_XRES];
    m->height = r[VBE_YRES];
    m->stride = (uint64_t)MAX(r[VBE_VIRT_WIDTH], m->width) * m->bytes;
    m->start = r[VBE_X_OFFSET] * (uint64_t)m->bytes + r[VBE_Y_OFFSET] * m->stride;
    return m->width >= MIN_SIZE && m->height >= MIN_SIZE && m->width <= CONSOLE_MAX_WIDTH &&
           m->height <= CONSOLE_MAX_HEIGHT && m->start + m->stride * m->height <= s->mem_bytes;
}

static void draw_line(const BochsDisplay *s, const Mode *m, const uint8_t *in, uint32_t *out)
{
    for (unsigned x = 0; x < m->width; x++, in += m->bytes) {
        uint32_t v;

        if (m->bytes == 4) {
            *out++ = (s->big_endian ? ldl_be(in) : ldl_le(in)) & 0xffffff;
            continue;
        }
        v = s->big_endian ? lduw_be(in) : lduw_le(in);
        *out++ = (v >> 11 & 31) << 19 | (v >> 13 & 7) << 16 | (v >> 5 & 63) << 10 | (v >> 9 & 3) << 8 | (v & 31) << 3 |
                 (v >> 2 & 7);
    }
}

static void bochs_update(void *opaque)
{
    BochsDisplay *s = opaque;
    Surface *now = console_surface(s->con);
    uint8_t *mem = region_ram_ptr(&s->vram);
    size_t longs = (s->mem_bytes / 4096 + 63) / 64;
    g_autofree unsigned long *dirty = NULL;
    bool share, any;
    unsigned from = UINT_MAX;
    Mode m;

    if (!get_mode(s, &m))
        return;
    share = m.bytes == 4 && !s->big_endian && G_BYTE_ORDER == G_LITTLE_ENDIAN;
    if (surface_width(now) != m.width || surface_height(now) != m.height || now->placeholder || now->shared != share ||
        (share && (surface_data(now) != mem + m.start || surface_stride(now) != m.stride))) {
        console_set_surface(s->con,
                            share ? surface_new_shared(m.width, m.height, PIXMAN_x8r8g8b8, m.stride, mem + m.start)
                                  : surface_new(m.width, m.height));
        now = console_surface(s->con);
        s->full = true;
    }
    dirty = g_new0(unsigned long, longs);
    any = region_snapshot_dirty(&s->vram, DIRTY_VGA, 0, s->mem_bytes, dirty);
    for (unsigned y = 0; (any || s->full) && y < m.height; y++) {
        uint64_t at = m.start + y * m.stride, last = at + (uint64_t)m.width * m.bytes - 1;
        bool changed = s->full;

        for (uint64_t page = at >> 12; page <= last >> 12 && !changed; page++)
            changed = dirty[page / 64] >> (page % 64) & 1;
        if (changed && !share)
            draw_line(s, &m, mem + at, (uint32_t *)(surface_data(now) + (size_t)y * surface_stride(now)));
        if (changed && from == UINT_MAX) {
            from = y;
        } else if (!changed && from != UINT_MAX) {
            console_damage(s->con, 0, from, m.width, y - from);
            from = UINT_MAX;
        }
    }
    if (from != UINT_MAX)
        console_damage(s->con, 0, from, m.width, m.height - from);
    s->full = false;
}

static void bochs_invalidate(void *opaque)
{
    ((BochsDisplay *)opaque)->full = true;
}
static const ConsoleOps bochs_console_ops = {.update = bochs_update, .invalidate = bochs_invalidate};

static bool bochs_realize(Device *dev, Error **errp)
{
    BochsDisplay *s = BOCHS(dev);

    if (s->mem_bytes < MEM_MIN || s->mem_bytes > MEM_MAX)
        return error_set(errp, "bochs-display: vgamem is %" PRIu64 " bytes; it must be 4M to 512M", s->mem_bytes);
    while (s->mem_bytes & (s->mem_bytes - 1))
        s->mem_bytes += s->mem_bytes & -s->mem_bytes; /* a BAR is a power of two */
    if (!region_init_ram(&s->vram, dev, "bochs-display-vram", s->mem_bytes, errp))
        return false;
    region_log(&s->vram, DIRTY_VGA, true);
    region_init_container(&s->regs, dev, "bochs-display-mmio", 4096);
    if (s->edid) {
        edid_make(s->edid_blob, sizeof(s->edid_blob), &s->edid_info);
        region_init_io(&s->edid_io, dev, &edid_ops, s, "edid", sizeof(s->edid_blob));
        region_add(&s->regs, 0, &s->edid_io);
    }
    region_init_io(&s->dispi_io, dev, &dispi_ops, s, "bochs dispi interface", 2 * (VBE_REGS + 1));
    region_add(&s->regs, 0x500, &s->dispi_io);
    region_init_io(&s->ext_io, dev, &ext_ops, s, "qemu extended regs", EXT_SIZE);
    region_add(&s->regs, 0x600, &s->ext_io);
    pci_bar(&s->pci, 0, PCI_BAR_MEM32 | PCI_BAR_PREFETCH, &s->vram);
    pci_bar(&s->pci, 2, PCI_BAR_MEM32, &s->regs);
    s->con = console_new(dev, 0, &bochs_console_ops, s);
    return true;
}

static void bochs_unrealize(Device *dev)
{
    BochsDisplay *s = BOCHS(dev);

    if (s->con)
        console_free(s->con);
    s->con = NULL;
}

static void bochs_reset(Device *dev)
{
    BochsDisplay *s = BOCHS(dev);

    memset(s->vbe, 0, sizeof(s->vbe));
    s->big_endian = false;
    s->full = true;
}

static bool bochs_post_load(Device *dev, Error **errp)
{
    BOCHS(dev)->full = true;
    return true;
}
static const VmState bochs_vmstate = {
    .name = "bochs-display",
    .post_load = bochs_post_load,
    .fields = (const VmField[]){VM_INT_ARRAY(BochsDisplay, vbe), VM_BOOL(BochsDisplay, big_endian), {}},
};

static const Prop bochs_props[] = {
    PROP_SIZE("vgamem", BochsDisplay, mem_bytes, 16 * MIB, "frame buffer size, 4M to 512M"),
    PROP_BOOL("edid", BochsDisplay, edid, true, "the guest can read an EDID"),
    EDID_PROPS(BochsDisplay, edid_info),
    {},
};

const DeviceDesc bochs_display = {
    .name = "bochs-display",
    .summary = "frame buffer with dispi registers",
    .bus = BUS_PCI,
    .category = DEV_DISPLAY,
    .flags = DEV_HOTPLUG,
    .size = sizeof(BochsDisplay),
    .props = bochs_props,
    .vmstate = &bochs_vmstate,
    .realize = bochs_realize,
    .unrealize = bochs_unrealize,
    .reset = bochs_reset,
    .pci = &(const PciInfo){.vendor = 0x1234,
                            .device = 0x1111,
                            .revision = 2,
                            .class_id = 0x0380,
                            .romfile = "vgabios-bochs-display.bin"},
};
