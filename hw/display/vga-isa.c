/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "isa-vga": a standard VGA on ISA. Its frame buffer is at E0000000; the firmware gets its ROM by fw_cfg. */
#include "hw/core/machine.h"
#include "hw/display/vga.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/loader.h"
#include "hw/isa/isa.h"

enum { ROM_MAX = 0x20000 };
#define ISA_VGA_LFB 0xe0000000ULL

typedef struct IsaVga {
    IsaDevice isa;
    VgaState vga;
} IsaVga;
#define ISA_VGA(d) container_of(d, IsaVga, isa.dev)

static bool isa_vga_realize(Device *dev, Error **errp)
{
    IsaVga *s = ISA_VGA(dev);
    const char *rom = "vgabios.bin";
    g_autofree uint8_t *data = NULL;
    g_autofree char *file = g_strdup_printf("vgaroms/%s", rom);
    size_t len;

    if (machine && machine->fw_cfg) {
        data = firmware_load(rom, "isa-vga's ROM", ROM_MAX, &len, errp);
        if (!data || !fw_cfg_add_file(machine->fw_cfg, file, data, len, errp))
            return false;
    }
    if (!vga_init(&s->vga, dev, errp))
        return false;
    s->vga.con = console_new(dev, 0, &vga_console_ops, &s->vga);
    vga_map_legacy(&s->vga, isa_bus->mem, isa_bus->io);
    region_add_overlap(isa_bus->mem, ISA_VGA_LFB, &s->vga.vram, 1); /* beyond what an ISA address reaches */
    return true;
}

static void isa_vga_unrealize(Device *dev)
{
    vga_exit(&ISA_VGA(dev)->vga);
}

static void isa_vga_reset(Device *dev)
{
    vga_reset(&ISA_VGA(dev)->vga);
}

static bool isa_vga_post_load(Device *dev, Error **errp)
{
    return vga_post_load(&ISA_VGA(dev)->vga, errp);
}
/* QEMU has the state of this card without a device around it: the fields stand in the section itself. */
static const VmState isa_vga_vmstate = {
    .name = "vga",
    .version = 2,
    .min_version = 2,
    .post_load = isa_vga_post_load,
    .fields = (const VmField[]){VM_STRUCT(IsaVga, vga, vga_vmstate), {}},
};

static const Prop isa_vga_props[] = {
    PROP_U32("vgamem_mb", IsaVga, vga.vram_mb, 8, "frame buffer size in MiB, rounded up to a power of two"),
    {},
};

const DeviceDesc isa_vga = {
    .name = "isa-vga",
    .summary = "standard VGA on ISA",
    .bus = BUS_ISA,
    .category = DEV_DISPLAY,
    .size = sizeof(IsaVga),
    .props = isa_vga_props,
    .vmstate = &isa_vga_vmstate,
    .realize = isa_vga_realize,
    .unrealize = isa_vga_unrealize,
    .reset = isa_vga_reset,
};
