/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "VGA" and "secondary-vga": a standard VGA on PCI; docs/specs/standard-vga.rst of QEMU's documentation. And
 * "bochs-display": its dispi part alone.
 *
 *   BAR 0  frame buffer                 BAR 2  4 KiB of registers:
 *     000-17f EDID    400-41f ports 3C0-3DF    500-515 dispi registers, 16 bits each    600-607 extended registers
 *       600 (r) size of this area    604 byte order of the frame buffer: 1e1e1e1e little, bebebebe big
 *
 * secondary-vga has no ports, no window at A0000 and no ROM.
 */
#include "hw/display/edid.h"
#include "hw/display/vga-picture.h"
#include "hw/pci/pci.h"

enum { EXT_SIZE = 8, ENDIAN_LITTLE = 0x1e1e1e1e, EDID_BYTES = 384 };
#define ENDIAN_BIG 0xbebebebeu

typedef struct VgaPci {
    PciDevice pci;
    bool mmio, edid, ext_regs; /* config */
    EdidInfo edid_info;
    MemoryRegion regs; /* wiring */
    IoRegion edid_io, ports_io, dispi_io, ext_io;
    uint8_t edid_blob[EDID_BYTES];
    VgaState vga;
} VgaPci;
#define VGA_PCI(d) container_of(d, VgaPci, pci.dev)

static uint64_t edid_read(void *opaque, uint64_t off, unsigned size)
{
    return ((VgaPci *)opaque)->edid_blob[off % EDID_BYTES];
}
static void edid_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}
static const IoOps edid_ops = {edid_read, edid_write, .min = 1, .max = 1};

static uint64_t dispi_read(void *opaque, uint64_t off, unsigned size)
{
    return vbe_read(opaque, off >> 1);
}
static void dispi_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    vbe_write(opaque, off >> 1, val);
}
static const IoOps dispi_ops = {dispi_read, dispi_write, .min = 1, .max = 2};

static uint64_t ext_read(void *opaque, uint64_t off, unsigned size)
{
    if (size != 4)
        return 0;
    return off == 0 ? EXT_SIZE : off == 4 ? (((VgaState *)opaque)->big_endian ? ENDIAN_BIG : ENDIAN_LITTLE) : 0;
}
static void ext_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    VgaState *s = opaque;

    if (size != 4 || off != 4 || (val != ENDIAN_LITTLE && val != ENDIAN_BIG))
        return;
    s->big_endian = val == ENDIAN_BIG;
    vga_picture_forget(s->pic);
}
static const IoOps ext_ops = {ext_read, ext_write, .min = 1, .max = 4};

static void vga_pci_mmio(VgaPci *s)
{
    region_init_container(&s->regs, &s->pci.dev, "vga.mmio", 4096);
    if (s->edid) {
        edid_make(s->edid_blob, sizeof(s->edid_blob), &s->edid_info);
        region_init_io(&s->edid_io, &s->pci.dev, &edid_ops, s, "edid", sizeof(s->edid_blob));
        region_add(&s->regs, 0, &s->edid_io);
    }
    region_init_io(&s->ports_io, &s->pci.dev, &vga_port_ops, &s->vga, "vga ioports remapped", 0x20);
    region_add(&s->regs, 0x400, &s->ports_io);
    region_init_io(&s->dispi_io, &s->pci.dev, &dispi_ops, &s->vga, "bochs dispi interface", 2 * (VBE_REGS + 1));
    region_add(&s->regs, 0x500, &s->dispi_io);
    s->ports_io.flush_coalesced = s->dispi_io.flush_coalesced = true;
    if (s->ext_regs) {
        region_init_io(&s->ext_io, &s->pci.dev, &ext_ops, &s->vga, "qemu extended regs", EXT_SIZE);
        region_add(&s->regs, 0x600, &s->ext_io);
        s->pci.config[0x08] = 2;
    }
    pci_bar(&s->pci, 2, PCI_BAR_MEM32, &s->regs);
}

static bool vga_pci_realize_common(VgaPci *s, Error **errp)
{
    if (!vga_init(&s->vga, &s->pci.dev, errp))
        return false;
    s->vga.con = console_new(&s->pci.dev, 0, &vga_console_ops, &s->vga);
    pci_bar(&s->pci, 0, PCI_BAR_MEM32 | PCI_BAR_PREFETCH, &s->vga.vram);
    if (s->mmio)
        vga_pci_mmio(s);
    return true;
}

static bool vga_pci_realize(Device *dev, Error **errp)
{
    VgaPci *s = VGA_PCI(dev);

    if (!vga_pci_realize_common(s, errp))
        return false;
    vga_map_legacy(&s->vga, s->pci.bus->mem, s->pci.bus->io);
    return true;
}

static bool secondary_realize(Device *dev, Error **errp)
{
    VGA_PCI(dev)->mmio = true; /* its only registers */
    return vga_pci_realize_common(VGA_PCI(dev), errp);
}

static void vga_pci_unrealize(Device *dev)
{
    vga_exit(&VGA_PCI(dev)->vga);
}

static void vga_pci_reset(Device *dev)
{
    vga_reset(&VGA_PCI(dev)->vga);
}

static bool vga_pci_post_load(Device *dev, Error **errp)
{
    return vga_post_load(&VGA_PCI(dev)->vga, errp);
}
static const VmState vga_pci_vmstate = {
    .name = "vga",
    .version = 2,
    .min_version = 2,
    .post_load = vga_pci_post_load,
    .fields = (const VmField[]){VM_STRUCT(VgaPci, vga, vga_vmstate), {}},
};

static bool endian_changed(void *obj, const Prop *p, Error **errp)
{
    VgaPci *s = obj;

    if (s->vga.pic)
        vga_picture_forget(s->vga.pic);
    return true;
}

#define VGA_PCI_PROPS                                                                                                  \
    PROP_U32("vgamem_mb", VgaPci, vga.vram_mb, 16, "frame buffer size in MiB, rounded up to a power of two"),          \
        PROP_BOOL("edid", VgaPci, edid, true, "the guest can read an EDID"),                                           \
        PROP_BOOL("qemu-extended-regs", VgaPci, ext_regs, true, "the frame buffer's byte order can be set"),           \
        {.name = "big-endian-framebuffer",                                                                             \
         .type = &prop_bool,                                                                                           \
         .offset = offsetof(VgaPci, vga.big_endian),                                                                   \
         .help = "byte order now; a reset makes it little",                                                            \
         .runtime_set = endian_changed},                                                                               \
        EDID_PROPS(VgaPci, edid_info)

static const Prop vga_pci_props[] = {
    VGA_PCI_PROPS,
    PROP_BOOL("mmio", VgaPci, mmio, true, "registers in BAR 2 as well"),
    {},
};
static const Prop secondary_props[] = {VGA_PCI_PROPS, {}};

const DeviceDesc vga_pci = {
    .name = "VGA",
    .summary = "standard VGA",
    .bus = BUS_PCI,
    .category = DEV_DISPLAY,
    .size = sizeof(VgaPci),
    .props = vga_pci_props,
    .vmstate = &vga_pci_vmstate,
    .realize = vga_pci_realize,
    .unrealize = vga_pci_unrealize,
    .reset = vga_pci_reset,
    .pci = &(const PciInfo){.vendor = 0x1234, .device = 0x1111, .class_id = 0x0300, .romfile = "vgabios-stdvga.bin"},
};
const DeviceDesc secondary_vga = {
    .name = "secondary-vga",
    .summary = "standard VGA without legacy ports and memory",
    .bus = BUS_PCI,
    .category = DEV_DISPLAY,
    .flags = DEV_HOTPLUG,
    .size = sizeof(VgaPci),
    .props = secondary_props,
    .vmstate = &vga_pci_vmstate,
    .realize = secondary_realize,
    .unrealize = vga_pci_unrealize,
    .reset = vga_pci_reset,
    .pci = &(const PciInfo){.vendor = 0x1234, .device = 0x1111, .class_id = 0x0380},
};
