/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X (PCI Local Bus Specification 3.0, section 6.8.2): a table of messages and a pending bit array in a memory BAR.
 *
 * A table entry: 0 address, 4 upper address, 8 data, 12 control (mask 0). Entries of one table may number 2048.
 */
#include "hw/pci/pci-regs.h"

enum { ENTRY = 16, VECTORS_MAX = 2048 };

typedef struct PciMsix {
    PciDevice *d;
    unsigned vectors;
    uint8_t *table, *pba; /* state */
    uint32_t pba_size;    /* bytes: whole quadwords */
    IoRegion table_io, pba_io;
    void (*changed)(PciDevice *d, unsigned vector, bool masked, const MsiMessage *msg);
    RcuHead rcu;
} PciMsix;

static uint16_t control(const PciDevice *d)
{
    return lduw_le(d->config + d->msix_cap + 2);
}

bool pci_msix_enabled(const PciDevice *d)
{
    return d->msix_cap && (control(d) & PCI_MSIX_ENABLE);
}

unsigned pci_msix_vectors(const PciDevice *d)
{
    return d->msix ? d->msix->vectors : 0;
}

static bool entry_masked(const PciMsix *m, unsigned v)
{
    return m->table[v * ENTRY + 12] & 1;
}

bool pci_msix_masked(const PciDevice *d, unsigned v)
{
    return !d->msix || v >= d->msix->vectors || !pci_msix_enabled(d) || (control(d) & PCI_MSIX_MASKALL) ||
           entry_masked(d->msix, v);
}

static MsiMessage entry_message(const PciMsix *m, unsigned v)
{
    const uint8_t *e = m->table + v * ENTRY;
    return (MsiMessage){.address = ldq_le(e), .data = ldl_le(e + 8)};
}

bool pci_msix_message(const PciDevice *d, unsigned v, MsiMessage *msg)
{
    if (pci_msix_masked(d, v))
        return false;
    *msg = entry_message(d->msix, v);
    return true;
}

void pci_msix_set_notifier(PciDevice *d,
                           void (*changed)(PciDevice *d, unsigned vector, bool masked, const MsiMessage *msg))
{
    d->msix->changed = changed;
}

void pci_msix_notify(PciDevice *d, unsigned v)
{
    if (!d->msix || v >= d->msix->vectors || !pci_msix_enabled(d))
        return;
    if (pci_msix_masked(d, v)) {
        d->msix->pba[v / 8] |= 1u << v % 8;
        return;
    }
    MsiMessage msg = entry_message(d->msix, v);
    pci_msi_send(d, &msg);
}

/* A vector's mask may have changed: deliver what waited, tell who follows. */
static void vector_changed(PciMsix *m, unsigned v, bool was_masked)
{
    bool masked = pci_msix_masked(m->d, v);
    if (m->changed && (masked != was_masked || !masked)) {
        MsiMessage msg = entry_message(m, v);
        m->changed(m->d, v, masked, &msg);
    }
    if (!masked && (m->pba[v / 8] & 1u << v % 8)) {
        m->pba[v / 8] &= ~(1u << v % 8);
        pci_msix_notify(m->d, v);
    }
}

void pci_msix_config_written(PciDevice *d, unsigned off, unsigned size, bool was_enabled, bool was_all_masked)
{
    if (off > d->msix_cap + 3u || off + size <= d->msix_cap + 2u)
        return;
    bool off_before = !was_enabled || was_all_masked, off_now = !pci_msix_enabled(d) || (control(d) & PCI_MSIX_MASKALL);
    if (pci_msix_enabled(d))
        pci_set_irq(d, 0);
    if (off_before == off_now)
        return;
    for (unsigned v = 0; v < d->msix->vectors; v++)
        vector_changed(d->msix, v, off_before || entry_masked(d->msix, v));
}

static uint64_t table_read(void *opaque, uint64_t off, unsigned size)
{
    PciMsix *m = opaque;
    return off + size <= m->vectors * ENTRY ? ldn_le(m->table + off, size) : 0;
}

static void table_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    PciMsix *m = opaque;
    if (off + size > m->vectors * ENTRY)
        return;
    unsigned v = off / ENTRY;
    bool was_masked = pci_msix_masked(m->d, v);
    stn_le(m->table + off, size, val);
    vector_changed(m, v, was_masked);
}

static uint64_t pba_read(void *opaque, uint64_t off, unsigned size)
{
    PciMsix *m = opaque;
    return off + size <= m->pba_size ? ldn_le(m->pba + off, size) : 0;
}

static void pba_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    /* Read-only for software. */
}

static const IoOps table_ops = {table_read, table_write, .min = 4, .max = 8, .bus_min = 4};
static const IoOps pba_ops = {pba_read, pba_write, .min = 4, .max = 8, .bus_min = 4};

static void msix_free(RcuHead *head)
{
    PciMsix *m = container_of(head, PciMsix, rcu);
    g_free(m->table);
    g_free(m->pba);
    g_free(m);
}

static void msix_remove(Device *dev, void *opaque)
{
    PciDevice *d = PCI_DEVICE(dev);
    region_destroy(&d->msix->table_io);
    region_destroy(&d->msix->pba_io);
    rcu_call(&d->msix->rcu, msix_free);
    d->msix = NULL;
    d->msix_cap = 0;
}

bool pci_msix_init(PciDevice *d, unsigned vectors, MemoryRegion *table_bar, unsigned bar_n, uint32_t table_off,
                   uint32_t pba_off, uint8_t cap_offset, Error **errp)
{
    uint32_t pba_size = ROUND_UP(vectors, 64) / 8;
    if (!vectors || vectors > VECTORS_MAX)
        return error_set(errp, "The number of MSI-X vectors is invalid");
    if (table_off % 8 || pba_off % 8 || bar_n > 5 || table_off + (uint64_t)vectors * ENTRY > region_size(table_bar) ||
        pba_off + (uint64_t)pba_size > region_size(table_bar) ||
        (table_off < pba_off + pba_size && pba_off < table_off + vectors * ENTRY))
        return error_set(errp, "table & pba overlap, or they don't fit in BARs, or don't align");
    int cap = pci_add_capability(d, PCI_CAP_MSIX, cap_offset, 12, errp);
    if (!cap)
        return false;
    d->msix_cap = cap;
    stw_le(d->config + cap + 2, vectors - 1);
    stl_le(d->config + cap + 4, table_off | bar_n);
    stl_le(d->config + cap + 8, pba_off | bar_n);
    d->wmask[cap + 3] = (PCI_MSIX_ENABLE | PCI_MSIX_MASKALL) >> 8;
    PciMsix *m = d->msix = g_new0(PciMsix, 1);
    m->d = d;
    m->vectors = vectors;
    m->table = g_malloc0(vectors * ENTRY);
    m->pba = g_malloc0(pba_size);
    m->pba_size = pba_size;
    device_claim(&d->dev, msix_remove, NULL);
    /* No owner: the undo step above takes them back before their memory goes. */
    region_init_io(&m->table_io, NULL, &table_ops, m, "msix-table", (uint64_t)vectors * ENTRY);
    region_init_io(&m->pba_io, NULL, &pba_ops, m, "msix-pba", pba_size);
    region_add_overlap(table_bar, table_off, &m->table_io, 1);
    region_add_overlap(table_bar, pba_off, &m->pba_io, 1);
    pci_msix_reset(d);
    return true;
}

void pci_msix_reset(PciDevice *d)
{
    PciMsix *m = d->msix;
    uint8_t *c = d->config + d->msix_cap + 3;
    *c &= ~d->wmask[d->msix_cap + 3];
    memset(m->table, 0, m->vectors * ENTRY);
    memset(m->pba, 0, m->pba_size);
    for (unsigned v = 0; v < m->vectors; v++) {
        m->table[v * ENTRY + 12] = 1;
        if (m->changed) {
            MsiMessage none = {0};
            m->changed(d, v, true, &none);
        }
    }
}

/* State: the table's bytes, then the pending bits, a byte for each eight vectors. field: PciDevice.msix. */
static void put_msix(VmWriter *w, const void *field, const VmField *f)
{
    const PciMsix *m = *(PciMsix *const *)field;
    if (!m)
        return;
    vm_put(w, m->table, m->vectors * ENTRY);
    vm_put(w, m->pba, (m->vectors + 7) / 8);
}

static bool get_msix(VmReader *r, void *field, const VmField *f, Error **errp)
{
    PciMsix *m = *(PciMsix **)field;
    if (!m)
        return true;
    if (!vm_get(r, m->table, m->vectors * ENTRY, errp) || !vm_get(r, m->pba, (m->vectors + 7) / 8, errp))
        return false;
    for (unsigned v = 0; v < m->vectors; v++)
        vector_changed(m, v, true);
    return true;
}

const VmState pci_msix_vmstate = {
    .name = "msix",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){{.name = "msix", .kind = VM_CUSTOM, .put = put_msix, .get = get_msix}, {}},
};
