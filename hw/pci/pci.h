/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI bus (PCI Local Bus Specification 3.0): configuration space, BARs, interrupt pins, capabilities, MSI and
 * MSI-X.
 *
 * A device's realize fills the rest of its configuration space, registers BARs and capabilities; the core does the
 * header, BAR sizing, command bits, mapping, INTx routing, ROM BAR, reset of the standard registers and the vmstate of
 * the whole space.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include "accel/accel.h"
#include "hw/core/device.h"
#include "softmmu/memory.h"

typedef struct PciDevice PciDevice;
typedef struct PciBus PciBus;

#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))
#define PCI_SLOT(devfn)     ((devfn) >> 3)
#define PCI_FUNC(devfn)     ((devfn)&7)

/* The static part of a header; in DeviceDesc.pci. Subsystem ids 0: 1af4:1100. */
typedef struct PciInfo {
    uint16_t vendor, device;
    uint16_t subsys_vendor, subsys;
    uint8_t revision;
    uint16_t class_id; /* base class << 8 | subclass */
    uint8_t prog_if;
    uint8_t intx_pin; /* 0: none, 1: INTA# ... */
    bool is_bridge;   /* header type 1 */
    bool is_express;
    const char *romfile; /* the default option ROM, NULL: none */
    const char *fw_unit; /* what follows it in the firmware's path of a boot device: "ethernet-phy@0"; NULL: nothing */
} PciInfo;

enum { /* bar types */
       PCI_BAR_MEM32 = 0,
       PCI_BAR_IO = 1,
       PCI_BAR_MEM64 = 4,
       PCI_BAR_PREFETCH = 8,
};
#define PCI_ROM_SLOT 6

typedef struct PciBar {
    MemoryRegion *region; /* NULL: not there */
    uint64_t size;        /* power of two */
    uint8_t type;
    uint64_t addr; /* where it is mapped, UINT64_MAX: nowhere */
} PciBar;

struct PciDevice {
    Device dev;
    /* config, fixed at realize */
    int32_t devfn; /* -1: the bus picks a slot */
    bool multifunction;
    char *romfile; /* NULL: the type's own; "": none */
    uint32_t rombar;
    uint32_t rom_size; /* UINT32_MAX: the file's, rounded up */
    char *failover_pair_id;
    uint32_t acpi_index;
    bool lnksta_dllla, extcap_init; /* x-pcie-*: for express ports */
    /* wiring */
    PciBus *bus;
    PciBar bars[7];
    MemoryRegion rom;
    /* 256 or 4096 bytes each. wmask: bits the guest may write; w1cmask: bits it clears by writing one; used: bytes
     * taken by the header and capabilities; cmask: bits that an incoming stream must agree with. */
    uint8_t *config, *wmask, *w1cmask, *used, *cmask;
    uint8_t *power_on;      /* config at the end of realize */
    bool reset_header_only; /* a reset leaves 40h and up as they are */
    uint32_t config_size;
    uint8_t msi_cap, msix_cap; /* offsets, 0: none */
    bool msi_64bit, msi_maskable;
    struct PciMsix *msix;
    bool has_rom;
    AddressSpace *dma; /* what it sees by bus mastering */
    /* Called for config accesses in place of pci_default_*, which they call; NULL: the default. */
    uint32_t (*config_read)(PciDevice *d, unsigned off, unsigned size);
    void (*config_write)(PciDevice *d, unsigned off, uint32_t val, unsigned size);
    /* state */
    uint8_t intx_level; /* 0 or 1: what the device drives */
    uint8_t intx_shown; /* what the bus sees of it: not while the interrupt disable bit is set */
};
#define PCI_DEVICE(d) container_of(d, PciDevice, dev)

/* For devices. */
uint32_t pci_default_config_read(PciDevice *d, unsigned off, unsigned size);
void pci_default_config_write(PciDevice *d, unsigned off, uint32_t val, unsigned size);
void pci_bar(PciDevice *d, unsigned n, uint8_t type, MemoryRegion *r); /* in realize; the region's size is the BAR's */
int pci_add_capability(PciDevice *d, uint8_t id, uint8_t offset, uint8_t size,
                       Error **errp);      /* offset 0: picks; returns it or 0 */
void pci_set_irq(PciDevice *d, int level); /* the INTx pin; respects the interrupt disable bit */
bool pci_intx_disabled(PciDevice *d);
int pci_find_capability(PciDevice *d, uint8_t id); /* its offset, 0: none */
/* Map the BARs where the command register and their addresses say; after config was changed by other means than a
 * config write. */
void pci_update_mappings(PciDevice *d);
bool pci_bus_master(PciDevice *d);
MemResult pci_dma_read(PciDevice *d, Gpa addr, void *buf, uint64_t len); /* MEM_DECODE_ERROR without bus mastering */
MemResult pci_dma_write(PciDevice *d, Gpa addr, const void *buf, uint64_t len);
void *pci_dma_map(PciDevice *d, Gpa addr, uint64_t *len, bool is_write);
void pci_dma_unmap(PciDevice *d, void *host, uint64_t len, bool is_write, uint64_t access_len);
bool pci_msi_init(PciDevice *d, uint8_t offset, unsigned vectors, bool is64, bool maskable, Error **errp);
bool pci_msi_enabled(const PciDevice *d);
void pci_msi_notify(PciDevice *d, unsigned vector);
bool pci_msix_init(PciDevice *d, unsigned vectors, MemoryRegion *table_bar, unsigned bar_n, uint32_t table_off,
                   uint32_t pba_off, uint8_t cap_offset, Error **errp);
bool pci_msix_enabled(const PciDevice *d);
bool pci_msix_masked(const PciDevice *d, unsigned vector); /* by its entry or the function; true past the end */
void pci_msix_notify(PciDevice *d, unsigned vector);
unsigned pci_msix_vectors(const PciDevice *d);
/* What a vector's entry says now; false where it is masked or past the end. changed: told when a vector's message or
 * mask changed (for irqfd users). */
bool pci_msix_message(const PciDevice *d, unsigned vector, MsiMessage *msg);
void pci_msix_set_notifier(PciDevice *d,
                           void (*changed)(PciDevice *d, unsigned vector, bool masked, const MsiMessage *msg));
bool pci_msi_message(const PciDevice *d, unsigned vector, MsiMessage *msg);
/* A device with MSI-X lists VM_PCI_MSIX(S, pci) in its fields, where QEMU's has it; S: its struct, pci: the PciDevice
 * in it. */
extern const VmState pci_msix_vmstate;
#define VM_PCI_MSIX(S, pci)                                                                                            \
    {                                                                                                                  \
        .name = "msix", .kind = VM_STRUCT_K, .offset = offsetof(S, pci.msix), .size = sizeof(void *), .num = 1,        \
        .vmsd = &pci_msix_vmstate                                                                                      \
    }
/* How a message reaches the APICs; the board sets it. */
extern void (*pci_msi_deliver)(const MsiMessage *msg);
void pci_msi_send(PciDevice *d, const MsiMessage *msg);

/* Buses. A root bus routes a device's pin to one of its lines: map(devfn, pin 0..3) -> line; set(opaque, line, level)
 * hears the OR of all devices on that line. */
struct PciBus {
    Bus bus;
    PciDevice *devices[256];
    MemoryRegion *mem, *io; /* the bus's address spaces */
    AddressSpace *dma;
    PciBus *parent_bus; /* NULL: a root bus */
    PciDevice *bridge;
    uint8_t devfn_min; /* of the slots that the bus picks itself */
    unsigned (*map_irq)(PciBus *bus, PciDevice *d, unsigned pin);
    void (*set_irq)(void *opaque, unsigned line, int level);
    void *irq_opaque;
    unsigned lines;
    uint16_t irq_count[32]; /* devices that hold each line high */
    /* A slot that may not be given away; by the board. */
    uint32_t slot_reserved;
    /* Hot plug, by the chipset: a device came while the machine runs. NULL: the guest is not told. */
    bool (*plugged)(PciBus *bus, PciDevice *d, Error **errp);
    void *hotplug_opaque;
};
PciBus *pci_root_bus_new(Device *host, const char *name, MemoryRegion *mem, MemoryRegion *io, uint8_t devfn_min);
void pci_bus_irqs(PciBus *bus, unsigned (*map)(PciBus *, PciDevice *, unsigned), void (*set)(void *, unsigned, int),
                  void *opaque, unsigned lines);
extern PciBus *pci_root; /* the first root bus, NULL where none */
PciDevice *pci_find(PciBus *root, unsigned bus_num, unsigned devfn);
/* Configuration access by bus number, as the host bridge's data port does it; all ones where no device is. */
uint32_t pci_config_read(PciBus *root, uint32_t bdf, unsigned off, unsigned size);
void pci_config_write(PciBus *root, uint32_t bdf, unsigned off, uint32_t val, unsigned size);
PciDevice *pci_create(PciBus *bus, int devfn, const char *name, Error **errp); /* new + realize, for boards */
unsigned pci_bus_number(const PciBus *bus);
/* The data and address ports of configuration mechanism #1 (CF8h, CFCh) on io; state: the address register. */
typedef struct PciHostPorts {
    PciBus *root;
    IoRegion address_io, data_io;
    uint32_t address; /* CONFIG_ADDRESS: in the host bridge's vmstate */
} PciHostPorts;
void pci_host_ports_init(PciHostPorts *h, Device *owner, PciBus *root, MemoryRegion *io);
extern const BusDesc pci_bus_desc;

#endif
