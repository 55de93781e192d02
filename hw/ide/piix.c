/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IDE function of Intel's 82371SB (PIIX3): two channels at the ISA ports 1F0h/3F6h (IRQ 14) and 170h/376h (IRQ 15),
 * and a bus master (Programming Interface for Bus Master IDE Controller 1.0) at BAR 4, eight bytes a channel:
 *
 *     0 command: 0 start, 3 direction (1: to memory)      2 status: 0 active, 1 error (w1c), 2 interrupt (w1c), 5-6
 * free to the BIOS 4 address of the table of physical regions: {address, count (0: 64 KiB), bit 31 of the second word
 * ends it}
 *
 * Differences from hardware: the ports are decoded whatever the command register and IDETIM say; a table is at most 4
 * KiB (so that a bad one ends); the timing registers are plain storage.
 */
#include "hw/ide/ata.h"

#include "block/drive.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

#define PRD_TABLE_MAX 4096

enum { BM_CMD_START = 0x01, BM_CMD_READ = 0x08 };
enum { BM_ACTIVE = 0x01, BM_ERROR = 0x02, BM_INT = 0x04, BM_BIOS = 0x60 };

typedef struct Bmdma {
    struct PiixIde *ctrl;
    IdeChannel *ch;
    IoRegion regs, addr_reg;
    Irq *irq;
    /* state */
    uint8_t cmd, status;
    uint32_t addr;
    /* in the stream only */
    uint8_t compat_status, retry_unit;
    int64_t retry_sector;
    uint32_t retry_nsector;
} Bmdma;

typedef struct PiixIde {
    PciDevice pci;
    Bmdma bm[2];
    IdeChannel bus[2];
    IoRegion cmd_ports[2], ctl_ports[2];
    MemoryRegion bar;
} PiixIde;
#define PIIX_IDE(d) container_of(d, PiixIde, pci.dev)

/* ---- the bus master, as the core sees it ---- */

static void bm_set_irq(void *opaque, bool level)
{
    Bmdma *bm = opaque;
    if (level)
        bm->status |= BM_INT;
    irq_set(bm->irq, level);
}

static void bm_ready(void *opaque)
{
    Bmdma *bm = opaque;
    if (bm->status & BM_ACTIVE)
        ide_dma_go(bm->ch);
}

static int64_t bm_list(void *opaque, uint64_t limit, GArray *sg)
{
    Bmdma *bm = opaque;
    int64_t total = 0;
    uint64_t kept = 0;
    for (uint32_t off = 0; off < PRD_TABLE_MAX; off += 8) {
        uint8_t prd[8];
        /* Without bus mastering, or where no memory is, the bus floats. */
        if (pci_dma_read(&bm->ctrl->pci, bm->addr + off, prd, sizeof(prd)) != MEM_OK)
            memset(prd, 0xff, sizeof(prd));
        IdeSg e = {ldl_le(prd) & ~1u, ldl_le(prd + 4) & 0xfffe};
        if (!e.len)
            e.len = 0x10000;
        total += e.len;
        uint64_t take = MIN(e.len, limit - kept);
        if (take) {
            e.len = (uint32_t)take;
            g_array_append_val(sg, e);
            kept += take;
        }
        if (prd[7] & 0x80)
            break;
    }
    return total;
}

static void bm_done(void *opaque, bool active)
{
    Bmdma *bm = opaque;
    if (active)
        bm->status |= BM_ACTIVE;
    else
        bm->status &= ~BM_ACTIVE;
}

static MemResult bm_rw(void *opaque, Gpa addr, void *buf, uint64_t len, bool to_memory)
{
    PciDevice *d = &((Bmdma *)opaque)->ctrl->pci;
    return to_memory ? pci_dma_write(d, addr, buf, len) : pci_dma_read(d, addr, buf, len);
}

static void *bm_map(void *opaque, Gpa addr, uint64_t *len, bool to_memory)
{
    return pci_dma_map(&((Bmdma *)opaque)->ctrl->pci, addr, len, to_memory);
}

static void bm_unmap(void *opaque, void *host, uint64_t len, bool to_memory, uint64_t access_len)
{
    pci_dma_unmap(&((Bmdma *)opaque)->ctrl->pci, host, len, to_memory, access_len);
}

static const IdeControllerOps bm_ops = {
    .set_irq = bm_set_irq,
    .dma_ready = bm_ready,
    .dma_list = bm_list,
    .dma_done = bm_done,
    .dma_rw = bm_rw,
    .dma_map = bm_map,
    .dma_unmap = bm_unmap,
};

/* ---- its registers ---- */

static uint64_t ones(unsigned size)
{
    return size >= 8 ? ~0ULL : BIT64(8 * size) - 1;
}

static uint64_t bm_read(void *opaque, uint64_t off, unsigned size)
{
    Bmdma *bm = opaque;
    if (size != 1)
        return ones(size);
    return off == 0 ? bm->cmd : off == 2 ? bm->status : 0xff;
}

static void bm_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Bmdma *bm = opaque;
    if (size != 1)
        return;
    if (off == 0) {
        bool start = val & BM_CMD_START;
        if (start != !!(bm->cmd & BM_CMD_START)) {
            if (!start) {
                ide_dma_drain(bm->ch);
                bm->status &= ~BM_ACTIVE;
            } else if (!(bm->status & BM_ACTIVE)) {
                bm->status |= BM_ACTIVE;
                ide_dma_go(bm->ch);
            }
        }
        bm->cmd = val & (BM_CMD_START | BM_CMD_READ);
    } else if (off == 2) {
        bm->status = (val & BM_BIOS) | (bm->status & BM_ACTIVE) | (bm->status & ~val & (BM_ERROR | BM_INT));
    }
}

static const IoOps bm_io = {bm_read, bm_write, .min = 1, .max = 4};

static uint64_t addr_read(void *opaque, uint64_t off, unsigned size)
{
    return ((Bmdma *)opaque)->addr >> (8 * off) & ones(size);
}

static void addr_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    Bmdma *bm = opaque;
    unsigned shift = 8 * (unsigned)off;
    uint64_t mask = ones(size) << shift;
    bm->addr = (uint32_t)((bm->addr & ~mask) | (val << shift & mask & ~3ULL));
}

static const IoOps addr_io = {addr_read, addr_write, .min = 1, .max = 4};

/* ---- the ISA ports ---- */

static uint64_t cmd_read(void *opaque, uint64_t off, unsigned size)
{
    IdeChannel *ch = opaque;
    if (size == 1)
        return ide_reg_read(ch, (unsigned)off);
    if (!off)
        return ide_data_read(ch, size);
    if (size == 2) {
        uint64_t low = ide_reg_read(ch, (unsigned)off);
        return low | (uint64_t)(off < 7 ? ide_reg_read(ch, (unsigned)off + 1) : 0xff) << 8;
    }
    return ones(size);
}

static void cmd_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    IdeChannel *ch = opaque;
    if (size == 1) {
        ide_reg_write(ch, (unsigned)off, (uint8_t)val);
    } else if (!off) {
        ide_data_write(ch, (uint32_t)val, size);
    } else if (size == 2) {
        ide_reg_write(ch, (unsigned)off, (uint8_t)val);
        if (off < 7)
            ide_reg_write(ch, (unsigned)off + 1, (uint8_t)(val >> 8));
    }
}

static const IoOps cmd_io = {cmd_read, cmd_write, .min = 1, .max = 4};

static uint64_t ctl_read(void *opaque, uint64_t off, unsigned size)
{
    return ide_alt_status(opaque);
}

static void ctl_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    ide_control_write(opaque, (uint8_t)val);
}

static const IoOps ctl_io = {ctl_read, ctl_write, .min = 1, .max = 1};

/* ---- device ---- */

static void piix_reset(Device *dev)
{
    PiixIde *s = PIIX_IDE(dev);
    for (int i = 0; i < 2; i++) {
        ide_channel_reset(&s->bus[i]);
        s->bm[i].cmd = s->bm[i].status = 0;
        s->bm[i].addr = 0;
    }
    memset(s->pci.config + 0x40, 0, 0xc0);
}

static bool piix_realize(Device *dev, Error **errp)
{
    static const uint16_t cmd_base[] = {0x1f0, 0x170}, ctl_base[] = {0x3f6, 0x376};
    PiixIde *s = PIIX_IDE(dev);
    if (!isa_bus)
        return error_set(errp, "%s needs an ISA bus for its ports and interrupts, and this machine has none",
                         dev->desc->name);
    stw_le(s->pci.config + 0x06, 0x0280); /* status: medium DEVSEL#, fast back-to-back */
    region_init_container(&s->bar, dev, "piix-bmdma-container", 16);
    for (unsigned i = 0; i < 2; i++) {
        Bmdma *bm = &s->bm[i];
        bm->ctrl = s;
        bm->ch = &s->bus[i];
        bm->irq = isa_bus_line(isa_bus, 14 + i);
        ide_channel_init(&s->bus[i], dev, i, &bm_ops, bm);
        region_init_io(&bm->regs, dev, &bm_io, bm, "piix-bmdma", 4);
        region_init_io(&bm->addr_reg, dev, &addr_io, bm, "bmdma", 4);
        region_add(&s->bar, 8 * i, &bm->regs);
        region_add(&s->bar, 8 * i + 4, &bm->addr_reg);
        region_init_io(&s->cmd_ports[i], dev, &cmd_io, &s->bus[i], "ide", 8);
        region_init_io(&s->ctl_ports[i], dev, &ctl_io, &s->bus[i], "ide", 1);
        region_add(isa_bus->io, cmd_base[i], &s->cmd_ports[i]);
        region_add(isa_bus->io, ctl_base[i], &s->ctl_ports[i]);
    }
    pci_bar(&s->pci, 4, PCI_BAR_IO, &s->bar);
    return true;
}

static void piix_unrealize(Device *dev)
{
    PiixIde *s = PIIX_IDE(dev);
    for (int i = 0; i < 2; i++) {
        region_del(&s->cmd_ports[i]);
        region_del(&s->ctl_ports[i]);
        ide_channel_fini(&s->bus[i]);
    }
}

/* A command that waits for the engine travels as one that is to be retried. */
static bool bm_pre_save(Device *dev, Error **errp)
{
    Bmdma *bm = (Bmdma *)dev;
    int32_t retry = bm->ch->error_status;
    for (int i = 0; i < 2 && !retry; i++) {
        const IdeDrive *d = &bm->ch->drive[i];
        if (d->dma != DMA_NONE && d->dma != DMA_ATAPI && !d->req)
            retry = d->dma == DMA_READ ? RETRY_DMA | RETRY_READ : d->dma == DMA_WRITE ? RETRY_DMA : 0;
    }
    bm->compat_status = bm->status | (retry & (RETRY_DMA | RETRY_PIO | RETRY_READ | RETRY_FLUSH));
    bm->retry_sector = bm->ch->retry_sector;
    bm->retry_nsector = bm->ch->retry_nsector;
    bm->retry_unit = bm->ch->retry_unit;
    return true;
}

static bool bm_post_load(Device *dev, Error **errp)
{
    Bmdma *bm = (Bmdma *)dev;
    if (bm->retry_unit > 1 || bm->retry_nsector > 65536)
        return error_set(errp, "impossible request to retry");
    bm->status = bm->compat_status & (BM_ACTIVE | BM_ERROR | BM_INT | BM_BIOS);
    bm->ch->retry_sector = bm->retry_sector;
    bm->ch->retry_nsector = bm->retry_nsector;
    bm->ch->retry_unit = bm->retry_unit;
    return true;
}

static const VmState bm_vmstate = {
    .name = "ide bmdma",
    .version = 3,
    .min_version = 3,
    .pre_save = bm_pre_save,
    .post_load = bm_post_load,
    .fields = (const VmField[]){VM_U8(Bmdma, cmd),
                                VM_U8(Bmdma, compat_status),
                                VM_U32(Bmdma, addr),
                                VM_I64(Bmdma, retry_sector),
                                VM_U32(Bmdma, retry_nsector),
                                VM_U8(Bmdma, retry_unit),
                                {}},
};

/* After all parts are in: the retry bits are the BIOS bit's neighbours, so only a drive that waits for data makes them
 * one. */
static bool piix_post_load(Device *dev, Error **errp)
{
    PiixIde *s = PIIX_IDE(dev);
    for (int i = 0; i < 2; i++) {
        IdeChannel *ch = &s->bus[i];
        const IdeDrive *d = &ch->drive[ch->retry_unit];
        uint8_t bits = s->bm[i].compat_status & (RETRY_DMA | RETRY_PIO);
        if (bits && !ch->error_status && d->dev)
            ch->error_status = s->bm[i].compat_status & (RETRY_DMA | RETRY_PIO | RETRY_READ | RETRY_FLUSH);
    }
    return true;
}

static const VmState piix_vmstate = {
    .name = "ide",
    .version = 3,
    .min_version = 0,
    .post_load = piix_post_load,
    .fields = (const VmField[]){VM_STRUCT_ARRAY(PiixIde, bm, bm_vmstate),
                                VM_STRUCT_ARRAY(PiixIde, bus, ide_channel_vmstate),
                                VM_STRUCT_ARRAY(PiixIde, bus[0].drive, ide_drive_vmstate),
                                VM_STRUCT_ARRAY(PiixIde, bus[1].drive, ide_drive_vmstate),
                                {}},
};

static const PciInfo piix3_info = {
    .vendor = 0x8086,
    .device = 0x7010,
    .class_id = 0x0101,
    .prog_if = 0x80,
};

const DeviceDesc piix3_ide = {
    .name = "piix3-ide",
    .summary = "PIIX3 IDE controller",
    .bus = BUS_PCI,
    .category = DEV_STORAGE,
    .flags = DEV_NO_TWIN,
    .size = sizeof(PiixIde),
    .vmstate = &piix_vmstate,
    .realize = piix_realize,
    .unrealize = piix_unrealize,
    .reset = piix_reset,
    .pci = &piix3_info,
};

/* ---- for boards ---- */

bool ide_create_drives(Device *dev, Error **errp)
{
    PiixIde *s = PIIX_IDE(dev);
    for (int i = 0; i < 4; i++) {
        DriveInfo *di = drive_get(DRIVE_IF_IDE, i / 2, i % 2);
        if (!di)
            continue;
        Device *d = device_new_named(di->media_cd ? "ide-cd" : "ide-hd");
        device_set_uint(d, "unit", (uint64_t)i % 2);
        device_set_str(d, "drive", blk_name(di->blk));
        if (!device_realize(d, &s->bus[i / 2].bus, errp))
            return di->where ? error_prepend(errp, "%s: ", di->where) : false;
    }
    return true;
}

bool ide_geometry(Device *dev, unsigned channel, unsigned unit, IdeGeometry *out)
{
    const IdeDrive *d = &PIIX_IDE(dev)->bus[channel & 1].drive[unit & 1];
    if (!d->dev || d->kind != IDE_HD)
        return false;
    *out = (IdeGeometry){(uint16_t)d->conf->cyls, (uint8_t)d->conf->heads, (uint8_t)d->conf->secs,
                         (uint8_t)(d->conf->trans - TRANS_NONE)};
    return true;
}
