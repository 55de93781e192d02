/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts through the kernel: lines of its chips, the GSI routing table, MSIs, irqfd, the chips' registers. Under
 * the VM lock.
 *
 * The table: where all chips are the kernel's, GSIs 0 to 15 reach PIC and IOAPIC, 16 to 23 the IOAPIC; GSI 0 is IOAPIC
 * pin 2, as the MADT's override says. With a split irqchip GSIs 0 to 23 are MSI routes that our IOAPIC fills. From 24
 * on: MSI routes of devices.
 *
 * The kernel's chips are made late: with the first vCPU, or when something asks for them. Their ports' registration
 * begins a grace period that lasts until the host's next ticks, and a change of a memory slot waits for its end; so the
 * machine's memory comes first.
 */
#include "accel/kvm/kvm.h"

#define CHIP_GSIS       24
#define PIC_PIN_CASCADE 2

static GArray *routes;       /* of struct kvm_irq_routing_entry: the whole table */
static GHashTable *msi_gsis; /* GSIs in use by MSI routes of devices */
static bool chips_due;       /* the chips are promised and not made */
static uint32_t due_levels;  /* lines that are high meanwhile */
static bool pit_due, reinject_off_due;

static void add_chip_route(unsigned gsi, unsigned chip, unsigned pin)
{
    struct kvm_irq_routing_entry e = {
        .gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {.irqchip = chip, .pin = pin}};

    g_array_append_val(routes, e);
}

static struct kvm_irq_routing_entry msi_entry(unsigned gsi, const MsiMessage *m)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = {.address_lo = (uint32_t)m->address, .address_hi = (uint32_t)(m->address >> 32), .data = m->data},
    };
}

static int commit(void)
{
    size_t n = routes->len * sizeof(struct kvm_irq_routing_entry);
    if (chips_due)
        return 0;
    g_autofree struct kvm_irq_routing *t = g_malloc0(sizeof(*t) + n);

    t->nr = routes->len;
    memcpy(t->entries, routes->data, n);
    return kvm_vm_ioctl(KVM_SET_GSI_ROUTING, t);
}

bool kvm_irq_init(Error **errp)
{
    static const MsiMessage nothing;

    g_clear_pointer(&routes, g_array_unref);
    g_clear_pointer(&msi_gsis, g_hash_table_unref);
    routes = g_array_new(false, true, sizeof(struct kvm_irq_routing_entry));
    msi_gsis = g_hash_table_new(NULL, NULL);
    chips_due = kvm.irqchip == IRQCHIP_KERNEL;
    due_levels = 0;
    pit_due = reinject_off_due = false;
    if (kvm.irqchip == IRQCHIP_USER || !kvm.gsi_count)
        return true;
    for (unsigned gsi = 0; gsi < CHIP_GSIS; gsi++) {
        if (kvm.irqchip == IRQCHIP_SPLIT) {
            struct kvm_irq_routing_entry e = msi_entry(gsi, &nothing);

            g_array_append_val(routes, e);
            continue;
        }
        if (gsi < 16 && gsi != PIC_PIN_CASCADE)
            add_chip_route(gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi & 7);
        if (gsi != 2)
            add_chip_route(gsi, KVM_IRQCHIP_IOAPIC, gsi ? gsi : 2);
    }
    int r = commit();

    return r >= 0 || error_set_errno(errp, -r, "KVM_SET_GSI_ROUTING");
}

static bool create_pit(Error **errp)
{
    struct kvm_pit_config c = {.flags = KVM_PIT_SPEAKER_DUMMY};
    int r = kvm.pit2 ? kvm_vm_ioctl(KVM_CREATE_PIT2, &c) : kvm_vm_ioctl(KVM_CREATE_PIT, NULL);

    return r >= 0 || error_set_errno(errp, -r, "creating the PIT in the kernel (KVM_CREATE_PIT2)");
}

bool kvm_irqchip_create(Error **errp)
{
    if (!chips_due)
        return true;
    int r = kvm_vm_ioctl(KVM_CREATE_IRQCHIP, NULL);

    if (r < 0)
        return error_set_errno(errp, -r, "Create kernel irqchip failed");
    chips_due = false;
    r = kvm.gsi_count ? commit() : 0;
    if (r < 0)
        return error_set_errno(errp, -r, "KVM_SET_GSI_ROUTING");
    if (pit_due && !create_pit(errp))
        return false;
    if (reinject_off_due)
        kvm_pit_reinject(false);
    for (uint32_t left = due_levels; left; left &= left - 1)
        kvm_set_gsi((unsigned)__builtin_ctz(left), 1);
    return true;
}

void kvm_set_gsi(unsigned gsi, int level)
{
    if (chips_due) {
        assert(gsi < CHIP_GSIS);
        due_levels = level ? due_levels | BIT32(gsi) : due_levels & ~BIT32(gsi);
        return;
    }
    struct kvm_irq_level l = {.irq = gsi, .level = !!level};
    int r = kvm_vm_ioctl(KVM_IRQ_LINE, &l);

    if (r < 0)
        error_report("KVM_IRQ_LINE of GSI %u: %s", gsi, strerror(-r));
}

bool kvm_send_msi(const MsiMessage *m)
{
    struct kvm_msi msi = {
        .address_lo = (uint32_t)m->address, .address_hi = (uint32_t)(m->address >> 32), .data = m->data};

    if (kvm.irqchip == IRQCHIP_USER || !kvm.signal_msi)
        return false;
    /* 0: the guest blocked it; an error: an address that is no APIC's. Neither is ours to report. */
    kvm_vm_ioctl(KVM_SIGNAL_MSI, &msi);
    return true;
}

static struct kvm_irq_routing_entry *find_msi(unsigned gsi)
{
    for (unsigned i = 0; i < routes->len; i++) {
        struct kvm_irq_routing_entry *e = &g_array_index(routes, struct kvm_irq_routing_entry, i);

        if (e->gsi == gsi && e->type == KVM_IRQ_ROUTING_MSI)
            return e;
    }
    return NULL;
}

int kvm_add_msi_route(const MsiMessage *m, Error **errp)
{
    if (kvm.irqchip == IRQCHIP_USER || kvm.gsi_count <= CHIP_GSIS) {
        error_set(errp, "KVM has no MSI routes with this irqchip");
        return -1;
    }
    for (unsigned gsi = CHIP_GSIS; gsi < kvm.gsi_count; gsi++) {
        if (!g_hash_table_add(msi_gsis, GUINT_TO_POINTER(gsi)))
            continue;
        struct kvm_irq_routing_entry e = msi_entry(gsi, m);

        g_array_append_val(routes, e);
        int r = commit();

        if (r >= 0)
            return (int)gsi;
        g_array_set_size(routes, routes->len - 1);
        g_hash_table_remove(msi_gsis, GUINT_TO_POINTER(gsi));
        error_set_errno(errp, -r, "KVM_SET_GSI_ROUTING");
        return -1;
    }
    error_set(errp, "all %u interrupt routes of KVM are in use", kvm.gsi_count);
    return -1;
}

void kvm_update_msi_route(int gsi, const MsiMessage *m)
{
    struct kvm_irq_routing_entry *e = gsi >= 0 ? find_msi(gsi) : NULL, fresh;

    if (!e)
        return;
    fresh = msi_entry(gsi, m);
    if (!memcmp(e, &fresh, sizeof(fresh)))
        return;
    *e = fresh;
    int r = commit();

    if (r < 0)
        error_report("KVM_SET_GSI_ROUTING for GSI %d: %s", gsi, strerror(-r));
}

void kvm_del_msi_route(int gsi)
{
    struct kvm_irq_routing_entry *e;

    if (gsi < CHIP_GSIS || !g_hash_table_remove(msi_gsis, GUINT_TO_POINTER((unsigned)gsi)) || !(e = find_msi(gsi)))
        return;
    g_array_remove_index_fast(routes, e - (struct kvm_irq_routing_entry *)(void *)routes->data);
    commit();
}

bool kvm_add_irqfd(int gsi, int fd, int resample_fd)
{
    struct kvm_irqfd i = {.fd = fd, .gsi = gsi};

    if (!kvm.irqfd || kvm.irqchip == IRQCHIP_USER || !kvm_irqchip_create(NULL))
        return false;
    if (resample_fd >= 0) {
        /* The kernel resamples at the EOI of its own IOAPIC or PIC. */
        if (!kvm.irqfd_resample || kvm.irqchip != IRQCHIP_KERNEL)
            return false;
        i.flags = KVM_IRQFD_FLAG_RESAMPLE;
        i.resamplefd = resample_fd;
    }
    return kvm_vm_ioctl(KVM_IRQFD, &i) >= 0;
}

void kvm_del_irqfd(int gsi, int fd)
{
    struct kvm_irqfd i = {.fd = fd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN};

    kvm_vm_ioctl(KVM_IRQFD, &i);
}

bool kvm_irqchip_get(unsigned chip, void *state)
{
    struct kvm_irqchip *k = state;

    k->chip_id = chip;
    return kvm.irqchip == IRQCHIP_KERNEL && kvm_irqchip_create(NULL) && kvm_vm_ioctl(KVM_GET_IRQCHIP, k) >= 0;
}

bool kvm_irqchip_set(unsigned chip, const void *state)
{
    struct kvm_irqchip k = *(const struct kvm_irqchip *)state;

    k.chip_id = chip;
    return kvm.irqchip == IRQCHIP_KERNEL && kvm_irqchip_create(NULL) && kvm_vm_ioctl(KVM_SET_IRQCHIP, &k) >= 0;
}

bool kvm_pit_create(Error **errp)
{
    pit_due = chips_due;
    return chips_due || create_pit(errp);
}

bool kvm_pit_get(void *state)
{
    return kvm_irqchip_create(NULL) && kvm_vm_ioctl(kvm.pit2 ? KVM_GET_PIT2 : KVM_GET_PIT, state) >= 0;
}

bool kvm_pit_set(const void *state)
{
    return kvm_irqchip_create(NULL) && kvm_vm_ioctl(kvm.pit2 ? KVM_SET_PIT2 : KVM_SET_PIT, (void *)state) >= 0;
}

bool kvm_pit_reinject(bool on)
{
    struct kvm_reinject_control c = {.pit_reinject = on};

    if (chips_due) {
        reinject_off_due = !on;
        return kvm.reinject;
    }
    return kvm.reinject && kvm_vm_ioctl(KVM_REINJECT_CONTROL, &c) >= 0;
}
