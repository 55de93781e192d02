/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doorbells and coalesced I/O: writes that the kernel takes without an exit. A doorbell signals an eventfd; a coalesced
 * write is put in a ring that is drained after each exit and before an access that must not overtake it. What the
 * kernel does not take comes as an exit and the memory core does the same, only slower.
 */
#include "accel/kvm/kvm.h"
#include "softmmu/mainloop.h"

static MemoryListener mem_listener, io_listener;

static void ioeventfd(const MemoryListener *l, Gpa addr, const RegionEventfd *e, bool assign)
{
    struct kvm_ioeventfd i = {.addr = addr, .len = e->size, .fd = e->fd, .datamatch = e->match ? e->data : 0};

    if (!kvm.ioeventfd || (!e->size && !kvm.ioeventfd_any_length))
        return;
    i.flags = (l == &io_listener ? KVM_IOEVENTFD_FLAG_PIO : 0) | (e->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
              (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN);
    int r = kvm_vm_ioctl(KVM_IOEVENTFD, &i);

    /* Refused (the limit of devices on a bus is reached, say): the exit does it. Removing what was refused fails too.
     */
    if (r < 0 && assign) {
        static bool told;

        if (!told)
            warn_report("KVM_IOEVENTFD at 0x%" PRIx64 ": %s; this doorbell will be slower", addr, strerror(-r));
        told = true;
    }
}

static void eventfd_add(MemoryListener *l, Gpa addr, const RegionEventfd *e)
{
    ioeventfd(l, addr, e, true);
}

static void eventfd_del(MemoryListener *l, Gpa addr, const RegionEventfd *e)
{
    ioeventfd(l, addr, e, false);
}

static void coalesce(const MemoryListener *l, Gpa addr, uint64_t len, bool on)
{
    struct kvm_coalesced_mmio_zone z = {.addr = addr, .size = (uint32_t)len, .pio = l == &io_listener};

    if (!kvm.coalesced_page || (z.pio && !kvm.coalesced_pio) || len > UINT32_MAX)
        return;
    kvm_vm_ioctl(on ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &z);
}

static void coalesce_add(MemoryListener *l, Gpa addr, uint64_t len)
{
    coalesce(l, addr, len, true);
}

static void coalesce_del(MemoryListener *l, Gpa addr, uint64_t len)
{
    coalesce(l, addr, len, false);
}

static void flush_coalesced(MemoryListener *l)
{
    if (kvm.ring)
        kvm_coalesced_drain_slow();
}

void kvm_coalesced_drain_slow(void)
{
    static bool draining; /* VM lock */
    struct kvm_coalesced_mmio_ring *ring = kvm.ring;
    const uint32_t max = (4096 - sizeof(*ring)) / sizeof(struct kvm_coalesced_mmio);
    bool lock = !vm_locked();

    if (lock)
        vm_lock();
    /* A handler below may ask for a flush itself. */
    if (!draining) {
        draining = true;
        for (uint32_t n = 0; n < max; n++) {
            uint32_t first = ring->first;

            if (first == __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE) || first >= max)
                break;
            struct kvm_coalesced_mmio e = ring->coalesced_mmio[first];
            unsigned len = MIN(e.len, 8U);

            if (e.pio)
                io_write((uint16_t)e.phys_addr, (uint32_t)ldn_le(e.data, MIN(len, 4U)), MIN(len, 4U));
            else
                as_write(&as_memory, e.phys_addr, e.data, len);
            __atomic_store_n(&ring->first, (first + 1) % max, __ATOMIC_RELEASE);
        }
        draining = false;
    }
    if (lock)
        vm_unlock();
}

void kvm_eventfd_init(void)
{
    mem_listener = (MemoryListener){
        .name = "kvm-mmio",
        .priority = 10,
        .eventfd_add = eventfd_add,
        .eventfd_del = eventfd_del,
        .coalesce_add = coalesce_add,
        .coalesce_del = coalesce_del,
        .flush_coalesced = flush_coalesced,
    };
    io_listener = mem_listener;
    io_listener.name = "kvm-pio";
    memory_listener_register(&mem_listener, &as_memory);
    memory_listener_register(&io_listener, &as_io);
}
