/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of every device: DEVICE_ENTRY(variable) for each const DeviceDesc, by folder. hw/devices.c makes the table
 * of it. */
/* hw/char */
DEVICE_ENTRY(isa_debugcon)
DEVICE_ENTRY(isa_parallel)
DEVICE_ENTRY(isa_serial)
/* hw/dma */
DEVICE_ENTRY(i8257)
/* hw/intc */
DEVICE_ENTRY(isa_i8259)
DEVICE_ENTRY(kvm_i8259)
DEVICE_ENTRY(ioapic)
DEVICE_ENTRY(kvm_ioapic)
DEVICE_ENTRY(apic)
DEVICE_ENTRY(kvm_apic)
/* hw/timer */
DEVICE_ENTRY(isa_pit)
DEVICE_ENTRY(kvm_pit)
DEVICE_ENTRY(isa_pcspk)
DEVICE_ENTRY(mc146818rtc)
DEVICE_ENTRY(hpet)
/* hw/misc */
DEVICE_ENTRY(accel_testdev)
DEVICE_ENTRY(isa_debug_exit)
DEVICE_ENTRY(pc_testdev)
DEVICE_ENTRY(pci_testdev)
/* hw/display */
DEVICE_ENTRY(bochs_display)
DEVICE_ENTRY(isa_vga)
DEVICE_ENTRY(secondary_vga)
DEVICE_ENTRY(vga_pci)

/* hw/i386 and hw/acpi: chipset parts */
DEVICE_ENTRY(fw_cfg_io)
DEVICE_ENTRY(i440fx_pcihost)
DEVICE_ENTRY(i440fx_pci)
DEVICE_ENTRY(piix3_isa)
DEVICE_ENTRY(piix4_pm)
DEVICE_ENTRY(port92)
DEVICE_ENTRY(smbus_eeprom)
/* hw/input */
DEVICE_ENTRY(i8042)
DEVICE_ENTRY(ps2_keyboard)
DEVICE_ENTRY(ps2_mouse)
/* hw/block */
DEVICE_ENTRY(floppy)
DEVICE_ENTRY(cfi_pflash01)
DEVICE_ENTRY(isa_fdc)
/* hw/ide */
DEVICE_ENTRY(ide_cd)
DEVICE_ENTRY(ide_hd)
DEVICE_ENTRY(piix3_ide)
/* hw/virtio */
DEVICE_ENTRY(virtio_balloon_device)
DEVICE_ENTRY(virtio_balloon_pci)
DEVICE_ENTRY(virtio_balloon_pci_transitional)
DEVICE_ENTRY(virtio_balloon_pci_non_transitional)
DEVICE_ENTRY(virtio_keyboard_device)
DEVICE_ENTRY(virtio_keyboard_pci)
DEVICE_ENTRY(virtio_mouse_device)
DEVICE_ENTRY(virtio_mouse_pci)
DEVICE_ENTRY(virtio_tablet_device)
DEVICE_ENTRY(virtio_tablet_pci)
DEVICE_ENTRY(virtio_blk_device)
DEVICE_ENTRY(virtio_blk_pci)
DEVICE_ENTRY(virtio_blk_pci_transitional)
DEVICE_ENTRY(virtio_blk_pci_non_transitional)
DEVICE_ENTRY(virtio_rng_device)
DEVICE_ENTRY(virtio_rng_pci)
DEVICE_ENTRY(virtio_rng_pci_transitional)
DEVICE_ENTRY(virtio_rng_pci_non_transitional)
/* hw/net */
DEVICE_ENTRY(e1000)
DEVICE_ENTRY(e1000_82544gc)
DEVICE_ENTRY(e1000_82545em)
DEVICE_ENTRY(virtio_net_device)
DEVICE_ENTRY(virtio_net_pci)
DEVICE_ENTRY(virtio_net_pci_transitional)
DEVICE_ENTRY(virtio_net_pci_non_transitional)
