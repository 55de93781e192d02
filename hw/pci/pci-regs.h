/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the PCI configuration header and of the MSI and MSI-X capabilities; and what the files of hw/pci share. */
#ifndef HW_PCI_PCI_REGS_H
#define HW_PCI_PCI_REGS_H

#include "hw/pci/pci.h"

enum {
    PCI_VENDOR_ID = 0x00, PCI_DEVICE_ID = 0x02, PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_REVISION = 0x08, PCI_PROG_IF = 0x09,
    PCI_CLASS = 0x0a, PCI_CACHE_LINE = 0x0c, PCI_LATENCY = 0x0d, PCI_HEADER_TYPE = 0x0e, PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c, PCI_SUBSYSTEM_ID = 0x2e, PCI_ROM = 0x30, PCI_CAP_LIST = 0x34, PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    /* header type 1 */
    PCI_PRIMARY_BUS = 0x18, PCI_SECONDARY_BUS = 0x19, PCI_SUBORDINATE_BUS = 0x1a, PCI_BRIDGE_ROM = 0x38,
};
enum {
    PCI_COMMAND_IO = 1, PCI_COMMAND_MEMORY = 2, PCI_COMMAND_MASTER = 4, PCI_COMMAND_SERR = 0x100, PCI_COMMAND_INTX_DISABLE = 0x400,
    PCI_STATUS_INTERRUPT = 8, PCI_STATUS_CAP_LIST = 0x10, PCI_STATUS_66MHZ = 0x20, PCI_STATUS_FAST_BACK = 0x80,
    PCI_STATUS_DEVSEL_MEDIUM = 0x200,
};
enum { PCI_CAP_MSI = 5, PCI_CAP_MSIX = 0x11 };
enum { PCI_MSI_ENABLE = 1, PCI_MSI_64BIT = 0x80, PCI_MSI_MASKABLE = 0x100 };
enum { PCI_MSIX_MASKALL = 0x4000, PCI_MSIX_ENABLE = 0x8000 };

/* Among the files of hw/pci. */
void pci_msi_reset(PciDevice *d);
void pci_msix_reset(PciDevice *d);
void pci_msi_config_written(PciDevice *d, unsigned off, unsigned size);
void pci_msix_config_written(PciDevice *d, unsigned off, unsigned size, bool was_enabled, bool was_masked);
char *pci_dev_path(Device *dev);
void pci_print_qtree(Device *dev, GString *out);

#endif
