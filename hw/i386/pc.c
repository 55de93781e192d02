/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC with the 440FX and PIIX3 chipset: memory map, firmware, lines, devices, and what the CMOS and fw_cfg tell of
 * them.
 *
 *      0 - 9FFFF        RAM                    FEC00000  I/O APIC
 *  A0000 - BFFFF        VGA (PCI memory)       FED00000  HPET
 *  C0000 - FFFFF        PAM: ROMs or RAM       FEE00000  local APICs
 * 100000 - below_4g     RAM                    4 GiB - size of the image: firmware
 *  above 4 GiB          the rest of RAM
 */
#include "hw/i386/pc.h"
#include "hw/net/cards.h"

#include "accel/accel.h"
#include "block/drive.h"
#include "chardev/chardev.h"
#include "hw/block/fdc.h"
#include "hw/block/pflash.h"
#include "hw/dma/i8257.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/loader.h"
#include "hw/i386/smbios.h"
#include "hw/ide/ide.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"
#include "hw/timer/mc146818rtc.h"
#include "softmmu/vcpus.h"
#include "ui/console.h"

enum { PC_SERIALS = 4, PC_PARALLELS = 3, PIIX_SLOT = 1, HPET_PINS = 4, SMB_BASE = 0xb100, SCI_LINE = 9 };

static void deliver_msi(const MsiMessage *msg)
{
    apic_msi_deliver(msg->address, msg->data);
}

/* AMD's HyperTransport takes the addresses below 1 TiB for itself; the guest must not put RAM or devices there. */
static void reserve_amd_hole(void)
{
    enum { AUTH = 0x68747541 }; /* CPUID leaf 0, EBX of "AuthenticAMD" */
    X86CPU *c = vcpus[0];
    for (unsigned i = 0; c && i < c->n_cpuid; i++)
        if (c->cpuid[i].leaf == 0 && c->cpuid[i].reg[CPUID_EBX] == AUTH)
            e820_add(0xfd00000000, 0x300000000, E820_RESERVED);
}

/* RAM up to the PCI hole, the rest from 4 GiB on. Of machines with a lot of it less stays below, on a gigabyte's
 * boundary. */
static bool split_ram(PcMachine *pc, Error **errp)
{
    uint64_t ram = pc->m.ram_size, low = pc->max_ram_below_4g ? pc->max_ram_below_4g : 0xe0000000;
    if (low > 4 * GIB)
        return error_set(errp, "Machine option 'max-ram-below-4g=%" PRIu64 "' expects size less than or equal to 4G",
                         low);
    if (low < MIB)
        warn_report("Only %" PRIu64 " bytes of RAM below the 4GiB boundary,BIOS may not work with less than 1MiB", low);
    if (ram >= low) {
        if (low > 0xc0000000)
            low = 0xc0000000;
        if (low & (GIB - 1))
            warn_report("Large machine and max_ram_below_4g (%" PRIu64
                        ") not a multiple of 1G; possible bad performance.",
                        low);
    }
    pc->below_4g = MIN(ram, low);
    pc->above_4g = ram - pc->below_4g;
    return true;
}

static bool map_ram(PcMachine *pc, Error **errp)
{
    if (!split_ram(pc, errp) || !machine_init_ram(&pc->m, errp))
        return false;
    region_init_container(&pc->pci_memory, NULL, "pci", (unsigned __int128)1 << 64);
    region_add_overlap(&system_memory, 0, &pc->pci_memory, -1);
    region_init_alias(&pc->ram_below, NULL, "ram-below-4g", &pc->m.ram, 0, pc->below_4g);
    region_add(&system_memory, 0, &pc->ram_below);
    reserve_amd_hole();
    if (accel && accel->reserved_size)
        e820_add(accel->reserved_gpa, accel->reserved_size, E820_RESERVED);
    e820_add(0, pc->below_4g, E820_RAM);
    if (pc->above_4g) {
        region_init_alias(&pc->ram_above, NULL, "ram-above-4g", &pc->m.ram, pc->below_4g, pc->above_4g);
        region_add(&system_memory, 4 * GIB, &pc->ram_above);
        e820_add(4 * GIB, pc->above_4g, E820_RAM);
    }
    if (!region_init_rom(&pc->rom, NULL, "pc.rom", 0x20000, errp)) /* where option ROMs go, C0000 to DFFFF */
        return false;
    region_add_overlap(&pc->pci_memory, 0xc0000, &pc->rom, 1);
    return true;
}

/* -drive if=pflash: the first one's end is at 4 GiB, the second lies below it. The area below 1 MiB is a copy. */
static bool map_flash(PcMachine *pc, Error **errp)
{
    uint64_t end = 4 * GIB;
    for (int i = 0; i < 2; i++) {
        DriveInfo *di = drive_get(DRIVE_IF_PFLASH, 0, i);
        if (!di)
            break;
        g_autofree char *name = g_strdup_printf("system.flash%d", i);
        uint64_t size = blk_length(di->blk);
        if (!size || size % PFLASH_SECTOR)
            return error_set(errp,
                             "system firmware block device %s has invalid size %" PRIu64
                             ": its size must be a non-zero multiple of 0x%x",
                             blk_name(di->blk), size, PFLASH_SECTOR);
        if (4 * GIB - end + size > pc->max_fw_size)
            return error_set(errp, "combined size of system firmware exceeds %" PRIu64 " bytes", pc->max_fw_size);
        Device *flash = pflash_create(name, di->blk, errp);
        if (!flash)
            return false;
        end -= size;
        region_add(&system_memory, end, pflash_region(flash));
        if (i)
            continue;
        uint64_t isa = MIN(size, 128 * KIB);
        if (!region_init_rom(&pc->isa_bios, NULL, "isa-bios", isa, errp))
            return false;
        memcpy(region_ram_ptr(&pc->isa_bios), (uint8_t *)region_ram_ptr(pflash_region(flash)) + size - isa, isa);
        region_add_overlap(&pc->pci_memory, MIB - isa, &pc->isa_bios, 1);
    }
    return true;
}

/* The image ends at 4 GiB; its last 128 KiB show below 1 MiB as well. */
static bool map_bios(PcMachine *pc, Error **errp)
{
    Machine *m = &pc->m;
    if (drive_get(DRIVE_IF_PFLASH, 0, 0))
        return map_flash(pc, errp);
    const char *name = m->bios ? m->bios : m->firmware ? m->firmware : "bios-256k.bin";
    Error *err = NULL;
    if (!firmware_load_rom(&pc->bios, "pc.bios", name, "firmware", pc->max_fw_size, 64 * KIB, &err))
        return error_propagate(errp, err) || error_prepend(errp, "could not load PC BIOS '%s': ", name);
    uint64_t len = region_size(&pc->bios);
    uint64_t isa = MIN(len, 128 * KIB);
    region_add(&pc->pci_memory, 4 * GIB - len, &pc->bios);
    rom_record(name, 4 * GIB - len, len, false);
    region_init_alias(&pc->isa_bios, NULL, "isa-bios", &pc->bios, len - isa, isa);
    region_set_readonly(&pc->isa_bios, true);
    region_add_overlap(&pc->pci_memory, MIB - isa, &pc->isa_bios, 1);
    return true;
}

/* fw_cfg. */

static unsigned bits_for(unsigned n)
{
    return n > 1 ? 32 - __builtin_clz(n - 1) : 0;
}

/* The ids of a topology that is no power of two have gaps. */
unsigned pc_apic_id(const SmpConfig *s, unsigned last)
{
    unsigned threads = MAX(s->threads, 1), cores = MAX(s->cores, 1), dies = MAX(s->dies, 1);
    unsigned tbits = bits_for(threads), cbits = bits_for(cores), dbits = bits_for(dies);
    unsigned thread = last % threads, core = last / threads % cores, die = last / threads / cores % dies,
             socket = last / threads / cores / dies;
    return socket << (tbits + cbits + dbits) | die << (tbits + cbits) | core << tbits | thread;
}

static bool add_boot_items(PcMachine *pc, FwCfg *fw, Error **errp)
{
    Machine *m = &pc->m;
    uint8_t le[4];
    fw_cfg_add_u16(fw, FW_CFG_BOOT_MENU, m->boot_menu);
    fw_cfg_add_u16(fw, FW_CFG_NOGRAPHIC, !m->graphics);
    fw_cfg_add_bytes(fw, FW_CFG_UUID, m->uuid, sizeof(m->uuid));
    if (m->splash_time >= 0) {
        if (m->splash_time > 0xffff)
            return error_set(errp, "splash-time is invalid,it should be a value between 0 and 65535");
        stw_le(le, m->splash_time);
        if (!fw_cfg_add_file(fw, "etc/boot-menu-wait", le, 2, errp))
            return false;
    }
    if (m->reboot_timeout > 0xffff || m->reboot_timeout < -1)
        return error_set(errp, "reboot timeout is invalid,it should be a value between -1 and 65535");
    stl_le(le, m->reboot_timeout);
    if (!fw_cfg_add_file(fw, "etc/boot-fail-wait", le, 4, errp))
        return false;
    if (m->splash) {
        size_t len;
        g_autofree uint8_t *data = firmware_load(m->splash, "splash picture", 32 * MIB, &len, errp);
        if (!data)
            return false;
        bool jpeg = len > 2 && data[0] == 0xff && data[1] == 0xd8, bmp = len > 2 && data[0] == 'B' && data[1] == 'M';
        if (!jpeg && !bmp)
            return error_set(errp, "splash file '%s' format not recognized; must be JPEG or 24 bit BMP", m->splash);
        return fw_cfg_add_file(fw, jpeg ? "bootsplash.jpg" : "bootsplash.bmp", data, len, errp);
    }
    return true;
}

static bool make_fw_cfg(PcMachine *pc, Error **errp)
{
    Machine *m = &pc->m;
    Device *dev = device_create("fw_cfg_io", NULL, errp);
    if (!dev)
        return false;
    FwCfg *fw = m->fw_cfg = (FwCfg *)dev;
    unsigned limit = pc_apic_id(&m->smp, m->smp.max_cpus - 1) + 1;
    fw_cfg_add_u16(fw, FW_CFG_NB_CPUS, m->smp.cpus);
    fw_cfg_add_u16(fw, FW_CFG_MAX_CPUS, limit);
    fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE, m->ram_size);
    fw_cfg_add_u32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    g_autofree uint8_t *numa = g_malloc0(8 * (1 + limit)); /* no nodes; then each CPU's */
    fw_cfg_add_bytes(fw, FW_CFG_NUMA, numa, 8 * (1 + limit));
    /* HPET: count, then of each of eight blocks: id (4 bytes), address (8), minimum tick (2), page protection (1) */
    uint8_t hpet[1 + 8 * 15] = {0xff}; /* a count of FFh: there is none */
    if (pc->hpet_dev) {
        hpet[0] = 1;
        stl_le(hpet + 1, hpet_block_id(pc->hpet_dev));
        stq_le(hpet + 5, HPET_BASE);
    }
    fw_cfg_add_bytes(fw, FW_CFG_HPET, hpet, sizeof(hpet));
    return fw_cfg_add_file(fw, "bios-geometry", NULL, 0, errp) && add_boot_items(pc, fw, errp) &&
           e820_publish(fw, errp) && smbios_publish(m, fw, pc->smbios_ep, errp) && fw_cfg_options_apply(fw, errp) &&
           option_roms_apply(fw, errp);
}

/* CMOS: where PC firmware has looked since the AT. */

enum {
    CMOS_FLOPPY = 0x10,
    CMOS_DISKS = 0x12,
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KB = 0x15,
    CMOS_EXT_KB = 0x17,
    CMOS_DISK0 = 0x19,
    CMOS_DISK1 = 0x1a,
    CMOS_DISK0_GEOMETRY = 0x1b,
    CMOS_DISK1_GEOMETRY = 0x24,
    CMOS_EXT_KB2 = 0x30,
    CMOS_ABOVE_16M = 0x34,
    CMOS_BOOT3 = 0x38,
    CMOS_TRANSLATION = 0x39,
    CMOS_BOOT = 0x3d,
    CMOS_ABOVE_4G = 0x5b,
    CMOS_CPUS = 0x5f,
};

static void cmos16(Device *rtc, unsigned at, uint64_t v)
{
    rtc_set_cmos(rtc, at, v);
    rtc_set_cmos(rtc, at + 1, v >> 8);
}

static void cmos_memory(PcMachine *pc)
{
    uint64_t low = pc->below_4g;
    cmos16(pc->rtc, CMOS_BASE_KB, MIN(low / KIB, 640));
    uint64_t ext = low > MIB ? MIN((low - MIB) / KIB, 65535) : 0;
    cmos16(pc->rtc, CMOS_EXT_KB, ext);
    cmos16(pc->rtc, CMOS_EXT_KB2, ext);
    cmos16(pc->rtc, CMOS_ABOVE_16M, low > 16 * MIB ? MIN((low - 16 * MIB) / (64 * KIB), 65535) : 0);
    uint64_t high = pc->above_4g / (64 * KIB);
    for (unsigned i = 0; i < 3; i++)
        rtc_set_cmos(pc->rtc, CMOS_ABOVE_4G + i, high >> 8 * i);
    rtc_set_cmos(pc->rtc, CMOS_CPUS, pc->m.smp.cpus - 1);
}

static bool cmos_boot(PcMachine *pc, const char *order, Error **errp)
{
    static const char letters[] = "-acdn"; /* by the code that the BIOS knows: floppy 1, disk 2, CD 3, network 4 */
    uint8_t code[3] = {0};
    if (strlen(order) > 3)
        return error_set(errp, "Too many boot devices for PC");
    for (unsigned i = 0; order[i]; i++) {
        const char *at = strchr(letters + 1, order[i]);
        if (!at)
            return error_set(errp, "Invalid boot device for PC: '%c'", order[i]);
        code[i] = at - letters;
    }
    rtc_set_cmos(pc->rtc, CMOS_BOOT, code[1] << 4 | code[0]);
    rtc_set_cmos(pc->rtc, CMOS_BOOT3, code[2] << 4 | (pc->fd_bootchk ? 0 : 1));
    return true;
}

static void cmos_drives(PcMachine *pc)
{
    uint8_t equipment = 0x02 | 0x04 /* FPU, mouse */, disks = 0, translation = 0;
    unsigned n = fdc_drive_count(pc->fdc);
    if (n)
        equipment |= 0x01 | (n - 1) << 6;
    rtc_set_cmos(pc->rtc, CMOS_FLOPPY, fdc_cmos_types(pc->fdc));
    rtc_set_cmos(pc->rtc, CMOS_EQUIPMENT, equipment);
    for (unsigned i = 0; i < 4; i++) {
        IdeGeometry g;
        if (!pc->ide || !ide_geometry(pc->ide, i / 2, i % 2, &g))
            continue;
        translation |= (g.translation & 3) << 2 * i;
        if (i > 1)
            continue;
        unsigned at = i ? CMOS_DISK1_GEOMETRY : CMOS_DISK0_GEOMETRY;
        const uint8_t bytes[] = {g.cylinders, g.cylinders >> 8, g.heads,  0xff, 0xff, 0xc0 | (g.heads > 8) << 3,
                                 g.cylinders, g.cylinders >> 8, g.sectors};
        disks |= i ? 0x0f : 0xf0;
        rtc_set_cmos(pc->rtc, i ? CMOS_DISK1 : CMOS_DISK0, 47); /* "user defined" */
        for (unsigned k = 0; k < sizeof(bytes); k++)
            rtc_set_cmos(pc->rtc, at + k, bytes[k]);
    }
    rtc_set_cmos(pc->rtc, CMOS_DISKS, disks);
    rtc_set_cmos(pc->rtc, CMOS_TRANSLATION, translation);
}

/* Devices. */

static bool make_ports(PcMachine *pc, Error **errp)
{
    static const uint16_t serial_base[] = {0x3f8, 0x2f8, 0x3e8, 0x2e8}, parallel_base[] = {0x378, 0x278, 0x3bc};
    static const uint8_t serial_irq[] = {4, 3, 4, 3}, parallel_irq[] = {7, 7, 7};
    for (unsigned k = 0; k < PC_SERIALS + PC_PARALLELS; k++) {
        bool serial = k < PC_SERIALS;
        unsigned i = serial ? k : k - PC_SERIALS;
        Chardev *chr = serial ? pc->m.serials[i] : pc->m.parallels[i];
        if (!chr)
            continue;
        Device *dev = device_new_named(serial ? "isa-serial" : "isa-parallel");
        device_set_uint(dev, "index", i);
        device_set_uint(dev, "iobase", serial ? serial_base[i] : parallel_base[i]);
        device_set_uint(dev, "irq", serial ? serial_irq[i] : parallel_irq[i]);
        device_set_str(dev, "chardev", chardev_id(chr));
        if (!device_realize(dev, &isa_bus->bus, errp))
            return false;
    }
    return true;
}

static bool make_display(PcMachine *pc, Error **errp)
{
    const char *name;
    if (!pc->m.vga)
        return true;
    if (!vga_type_device(pc->m.vga, true, &name, errp))
        return false;
    return !name || pci_create(pc->pci, -1, name, errp);
}

static bool make_input(PcMachine *pc, Error **errp)
{
    if (pc->i8042 && !device_create("i8042", &isa_bus->bus, errp))
        return false;
    return device_create("port92", &isa_bus->bus, errp);
}

static bool make_floppy(PcMachine *pc, Error **errp)
{
    pc->fdc = device_create("isa-fdc", &isa_bus->bus, errp);
    return pc->fdc && fdc_create_drives(pc->fdc, errp);
}

static uint8_t small_property(Device *dev, const char *name)
{
    g_autoptr(Json) val = device_get(dev, name, NULL);
    uint64_t n = 0;
    json_get_uint(val, &n);
    return n;
}

/* Sleep states by number: bit 7: there, low bits: the sleep type. What the firmware's ACPI tables say follows it. */
static bool tell_sleep_states(PcMachine *pc, Device *pm, Error **errp)
{
    uint8_t states[6] = {0x80, 0, 0, 1, small_property(pm, "s4_val"), 0x80};
    if (!small_property(pm, "disable_s3"))
        states[3] |= 0x80;
    if (!small_property(pm, "disable_s4"))
        states[4] |= 0x80;
    return fw_cfg_add_file(pc->m.fw_cfg, "etc/system-states", states, sizeof(states), errp);
}

static bool make_power(PcMachine *pc, Error **errp)
{
    if (!pc->acpi_on)
        return true;
    Device *pm = device_new_named("PIIX4_PM");
    PCI_DEVICE(pm)->devfn = PCI_DEVFN(PIIX_SLOT, 3);
    device_set_uint(pm, "smb_io_base", SMB_BASE);
    device_set_bool(pm, "smm-enabled", pc->smm_on);
    if (!device_realize(pm, &pc->pci->bus, errp))
        return false;
    pc->pm = PCI_DEVICE(pm);
    if (!tell_sleep_states(pc, pm, errp))
        return false;
    if (!acpi_publish(pc, errp))
        return false;
    return !pc->smbus || smbus_eeproms_create(pm, pc->m.ram_size, errp);
}

/* The chipset and what sits in it, up to the lines. */
static bool make_chipset(PcMachine *pc, Error **errp)
{
    Irq *pic[16];
    if (!device_create("i440FX-pcihost", NULL, errp) || !pci_create(pc->pci, PCI_DEVFN(0, 0), "i440FX", errp))
        return false;
    Device *piix = device_new_named("PIIX3");
    device_set_bool(piix, "multifunction", true);
    PCI_DEVICE(piix)->devfn = PCI_DEVFN(PIIX_SLOT, 0);
    if (!device_realize(piix, &pc->pci->bus, errp))
        return false;
    pci_msi_deliver = deliver_msi;
    if (!i8259_create(isa_bus, pic_int_line(), pic, errp))
        return false;
    Device *ioapic = ioapic_create(IOAPIC_BASE, errp);
    if (!ioapic)
        return false;
    gsi_create_lines(pic, ioapic, pc->gsi);
    isa_bus_set_irqs(isa_bus, pc->gsi);
    pc_ferr_init();
    return true;
}

static bool make_timers(PcMachine *pc, Error **errp)
{
    Irq *pit_irq = pc->gsi[0], *rtc_irq = NULL;
    if (pc->hpet) {
        pc->hpet_dev = hpet_create(HPET_PINS, pc->gsi, errp);
        if (!pc->hpet_dev)
            return false;
        pit_irq = device_input(pc->hpet_dev, HPET_IN_PIT);
        rtc_irq = device_input(pc->hpet_dev, HPET_IN_RTC);
    }
    pc->rtc = rtc_create(isa_bus, 2000, rtc_irq, errp);
    if (!pc->rtc)
        return false;
    if (pc->pit != ON_OFF_AUTO_OFF) {
        Device *pit = i8254_create(isa_bus, pit_irq, errp);
        if (!pit || !pcspk_create(isa_bus, pit, errp))
            return false;
    }
    return i8257_create(isa_bus, errp);
}

static bool check_options(PcMachine *pc, Error **errp)
{
    if (pc->vmport == ON_OFF_AUTO_ON)
        return error_set(errp, "-machine vmport=on: the VMware port is not supported yet; vmport=off and auto are");
    if (pc->smm == ON_OFF_AUTO_ON && !accel_has_smm())
        return error_set(
            errp, "-machine smm=on: System Management Mode not supported by this hypervisor; smm=off and auto are");
    if (pc->sata)
        pc->sata = false; /* on a pc it has no effect: there is no AHCI controller to switch off */
    if (pc->m.usb)
        return error_set(errp, "-machine usb=on: there is no USB controller yet");
    if (pc->default_bus_bypass_iommu)
        return error_set(errp, "-machine default-bus-bypass-iommu=on: there is no IOMMU on this board");
    if (pc->pic == ON_OFF_AUTO_OFF)
        return error_set(errp, "-machine pic=off: only microvm can be without its interrupt controllers");
    if (!pc->oem_id)
        pc->oem_id = g_strdup("BOCHS ");
    if (!pc->oem_table_id)
        pc->oem_table_id = g_strdup("BXPC    ");
    if (strlen(pc->oem_id) > 6)
        return error_set(errp, "User specified oem-id value is bigger than 6 bytes in size");
    if (strlen(pc->oem_table_id) > 8)
        return error_set(errp, "User specified oem-table-id value is bigger than 8 bytes in size");
    if (pc->m.dtb)
        return error_set(errp, "-dtb: a PC's firmware takes no device tree");
    return true;
}

static bool pc_init(Machine *m, Error **errp)
{
    PcMachine *pc = PC_MACHINE(m);
    pc->acpi_on = pc->acpi != ON_OFF_AUTO_OFF;
    pc->smm_on = pc->smm != ON_OFF_AUTO_OFF && accel_has_smm();
    apic_map_window();
    if (!check_options(pc, errp) || !cpus_create(errp) || !map_ram(pc, errp) || !make_chipset(pc, errp) ||
        !make_timers(pc, errp) || !map_bios(pc, errp) || !make_fw_cfg(pc, errp))
        return false;
    if (m->kernel && !kernel_load(m, m->fw_cfg, pc->below_4g, errp))
        return false;
    cmos_memory(pc);
    if (m->boot_order && !cmos_boot(pc, m->boot_order, errp))
        return false;
    if (!cmos_boot(pc, m->boot_once ? m->boot_once : m->boot_order ? m->boot_order : "cad", errp))
        return false;
    if (!make_display(pc, errp) || !net_cards_create(pc->pci, pc->m.desc->default_nic, errp) || !make_ports(pc, errp) ||
        !make_floppy(pc, errp) || !make_input(pc, errp))
        return false;
    PciDevice *ide = pci_create(pc->pci, PCI_DEVFN(PIIX_SLOT, 1), "piix3-ide", errp);
    if (!ide || !ide_create_drives(&ide->dev, errp))
        return false;
    pc->ide = &ide->dev;
    return make_power(pc, errp);
}

/* The first one comes when all devices of the command line are there. */
static void pc_reset(Machine *m)
{
    PcMachine *pc = PC_MACHINE(m);
    cmos_drives(pc);
    bootorder_update(m->fw_cfg);
    acpi_tables_stale();
    if (pc->was_reset && m->boot_once) { /* -boot once= holds until the first reset by the guest or the user */
        cmos_boot(pc, m->boot_order ? m->boot_order : "cad", NULL);
        g_clear_pointer(&m->boot_once, g_free);
    }
    pc->was_reset = true;
    devices_reset_all();
}

#define PC_PROPS(entry_point)                                                                                          \
    PROP_ON_OFF_AUTO("acpi", PcMachine, acpi, ON_OFF_AUTO_AUTO, "ACPI: the power management function"),                \
        PROP_ON_OFF_AUTO("vmport", PcMachine, vmport, ON_OFF_AUTO_AUTO, "the VMware port"),                            \
        PROP_ON_OFF_AUTO("smm", PcMachine, smm, ON_OFF_AUTO_AUTO, "system management mode"),                           \
        PROP_ON_OFF_AUTO("pit", PcMachine, pit, ON_OFF_AUTO_AUTO, "the 8254"),                                         \
        PROP_ON_OFF_AUTO("pic", PcMachine, pic, ON_OFF_AUTO_AUTO, "the 8259s"),                                        \
        PROP_BOOL("hpet", PcMachine, hpet, true, "high precision event timer"),                                        \
        PROP_BOOL("i8042", PcMachine, i8042, true, "keyboard controller"),                                             \
        PROP_BOOL("sata", PcMachine, sata, true, "SATA controller, on machines that have one"),                        \
        PROP_BOOL("smbus", PcMachine, smbus, true, "SMBus with the memory's SPD ROMs"),                                \
        PROP_BOOL("fd-bootchk", PcMachine, fd_bootchk, true,                                                           \
                  "the firmware checks a floppy's signature before it boots it"),                                      \
        PROP_BOOL("default-bus-bypass-iommu", PcMachine, default_bus_bypass_iommu, false,                              \
                  "the root bus bypasses the IOMMU"),                                                                  \
        PROP_SIZE("max-ram-below-4g", PcMachine, max_ram_below_4g, 0, "at most this much RAM below 4 GiB"),            \
        PROP_SIZE("max-fw-size", PcMachine, max_fw_size, 8 * MIB, "the largest firmware"),                             \
        PROP_STR("x-oem-id", PcMachine, oem_id, "ACPI tables: the maker's id, at most six bytes"),                     \
        PROP_STR("x-oem-table-id", PcMachine, oem_table_id, "ACPI tables: the table id, at most eight bytes"),         \
        PROP_ENUM("smbios-entry-point-type", PcMachine, smbios_ep, smbios_entry_point_names, entry_point,              \
                  "SMBIOS 2.8 (32) or 3.0 (64)")

static const Prop pc_props[] = {PC_PROPS(SMBIOS_64), {}};
static const Prop pc_props_8_0[] = {PC_PROPS(SMBIOS_32), {}}; /* and older */

#define PC_I440FX(version_, suffix_, ...)                                                                              \
    const MachineDesc machine_pc_i440fx_##suffix_ = {.name = "pc-i440fx-" version_,                                    \
                                                     .summary = "Standard PC (i440FX + PIIX, 1996)",                   \
                                                     .family = "pc_piix",                                              \
                                                     .max_cpus = 255,                                                  \
                                                     .default_cpu = "qemu64",                                          \
                                                     .default_ram = 128 * MIB,                                         \
                                                     .default_ram_id = "pc.ram",                                       \
                                                     .hotpluggable_cpus = true,                                        \
                                                     .numa_mem = false,                                                \
                                                     .acpi = true,                                                     \
                                                     .default_display = "std",                                         \
                                                     .default_nic = "e1000",                                           \
                                                     .size = sizeof(PcMachine),                                        \
                                                     .init = pc_init,                                                  \
                                                     .reset = pc_reset,                                                \
                                                     __VA_ARGS__}

/* The versions differ in no device that is here yet; names of older ones would promise CPU models of their time. */
PC_I440FX("8.2", 8_2, .props = pc_props, .alias = "pc", .is_default = true);
PC_I440FX("8.1", 8_1, .props = pc_props);
PC_I440FX("8.0", 8_0, .props = pc_props_8_0);
PC_I440FX("7.2", 7_2, .props = pc_props_8_0);
