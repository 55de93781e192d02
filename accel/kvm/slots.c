/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as KVM memory slots: one for each flat range of RAM, read-only for ROM and ROM devices that are read as
 * memory. What is not page aligned stays out and is reached by MMIO exits.
 *
 * Dirty pages come by one of three ways: the dirty log (the kernel clears it when it is read), the dirty log with
 * manual protection (it is cleared, and pages are write-protected again, by log_clear), or the dirty rings, one per
 * vCPU, harvested in log_sync and when one is full. All under the VM lock.
 */
#include "accel/kvm/kvm.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

#define PAGE 4096ULL

typedef struct Slot {
    uint64_t gpa, size; /* size 0: free */
    uint8_t *host;
    RamBlock *block;
    uint64_t block_offset;
    uint32_t flags;        /* as the kernel knows them */
    unsigned long *bitmap; /* of the dirty log; manual protect: what was reported and is not protected again */
} Slot;

static GArray *slots; /* of Slot; the index is KVM's slot number */
static MemoryListener listener;

static Slot *slot_at(unsigned i)
{
    return &g_array_index(slots, Slot, i);
}

static size_t bitmap_bytes(uint64_t size)
{
    return ROUND_UP(size / PAGE, 64) / 8;
}

static int set_region(unsigned n, const Slot *s, uint64_t size)
{
    struct kvm_userspace_memory_region r = {.slot = n,
                                            .flags = size ? s->flags : 0,
                                            .guest_phys_addr = s->gpa,
                                            .memory_size = size,
                                            .userspace_addr = (uintptr_t)s->host};

    return kvm_vm_ioctl(KVM_SET_USER_MEMORY_REGION, &r);
}

/* The page-aligned part of a flat range; false: none. */
static bool aligned_part(const FlatRange *r, uint64_t *gpa, uint64_t *size, uint64_t *delta)
{
    uint64_t first = ROUND_UP(r->addr, PAGE), end = ROUND_DOWN(r->last + 1, PAGE);

    /* The last page of the address space is never RAM. */
    if (r->last == UINT64_MAX || first < r->addr || end <= first)
        return false;
    *gpa = first;
    *size = end - first;
    *delta = first - r->addr;
    return true;
}

static bool is_memory(const FlatRange *r)
{
    switch (r->region->kind) {
    case REGION_RAM:
    case REGION_ROM:
        return true;
    case REGION_ROM_DEVICE:
        return r->romd;
    default:
        return false;
    }
}

static Slot *find_slot(const FlatRange *r, unsigned *n)
{
    uint64_t gpa, size, delta;

    if (!aligned_part(r, &gpa, &size, &delta))
        return NULL;
    for (unsigned i = 0; i < slots->len; i++) {
        if (slot_at(i)->size && slot_at(i)->gpa == gpa) {
            *n = i;
            return slot_at(i);
        }
    }
    return NULL;
}

static void start_log(Slot *s)
{
    s->flags |= KVM_MEM_LOG_DIRTY_PAGES;
    if (!kvm.dirty_ring_bytes && !s->bitmap) {
        s->bitmap = g_malloc0(bitmap_bytes(s->size));
    }
}

static void fail(const char *what, const Slot *s, int e)
{
    error_report("KVM: %s of memory 0x%" PRIx64 " to 0x%" PRIx64 " failed: %s", what, s->gpa, s->gpa + s->size - 1,
                 strerror(e));
    vm_stop_request(RUN_INTERNAL_ERROR);
}

static void range_add(MemoryListener *l, const FlatRange *r)
{
    uint64_t gpa, size, delta;
    bool readonly = r->readonly || r->romd || r->region->kind == REGION_ROM;
    unsigned n;

    if (!is_memory(r) || !aligned_part(r, &gpa, &size, &delta))
        return;
    /* Without read-only slots writes must come here: by exits, and so must reads. */
    if (readonly && !kvm.readonly_mem)
        return;
    for (n = 0; n < slots->len && slot_at(n)->size; n++)
        ;
    if (n == slots->len) {
        if (n >= kvm.n_slots) {
            error_report("KVM has no memory slot left (%u): memory at 0x%" PRIx64 " is unusable for code", kvm.n_slots,
                         gpa);
            return;
        }
        g_array_set_size(slots, n + 1);
    }
    Slot *s = slot_at(n);

    *s = (Slot){.gpa = gpa, .size = size, .block = r->ram, .block_offset = r->offset + delta};
    s->host = s->block->host + s->block_offset;
    if ((uintptr_t)s->host & (PAGE - 1)) {
        s->size = 0;
        return;
    }
    s->flags = readonly ? KVM_MEM_READONLY : 0;
    if (r->log_mask)
        start_log(s);
    int e = set_region(n, s, s->size);

    if (e < 0) {
        fail("mapping", s, -e);
        s->size = 0;
        g_clear_pointer(&s->bitmap, g_free);
    }
}

static void mark_pages(Slot *s, uint64_t page, unsigned long bits)
{
    while (bits) {
        unsigned b = __builtin_ctzl(bits);

        bits &= bits - 1;
        if ((page + b) * PAGE < s->size)
            ram_block_dirty(s->block, s->block_offset + (page + b) * PAGE, PAGE);
    }
}

static void sync_log(unsigned n, Slot *s)
{
    size_t bytes = bitmap_bytes(s->size);
    g_autofree unsigned long *fresh = g_malloc0(bytes);
    struct kvm_dirty_log log = {.slot = n, .dirty_bitmap = fresh};
    int e = kvm_vm_ioctl(KVM_GET_DIRTY_LOG, &log);

    /* ENOENT: the kernel keeps no log for it yet. */
    if (e < 0) {
        if (e != -ENOENT)
            fail("reading the dirty log", s, -e);
        return;
    }
    for (size_t i = 0; i < bytes / sizeof(long); i++) {
        mark_pages(s, i * 64, fresh[i]);
        s->bitmap[i] |= fresh[i];
    }
}

/* One vCPU's ring: entries are published by the kernel with the DIRTY flag and handed back with RESET. */
static unsigned reap_ring(KvmVcpu *v)
{
    uint32_t count = kvm.dirty_ring_bytes / sizeof(struct kvm_dirty_gfn);
    unsigned n = 0;

    for (; n < count; n++, v->dirty_next++) {
        struct kvm_dirty_gfn *g = &v->dirty_gfns[v->dirty_next % count];

        if (!(__atomic_load_n(&g->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
            break;
        uint32_t slot = g->slot & 0xffff;
        uint64_t offset = g->offset * PAGE;

        if (!(g->slot >> 16) && slot < slots->len && slot_at(slot)->size && offset < slot_at(slot)->size) {
            Slot *s = slot_at(slot);

            ram_block_dirty(s->block, s->block_offset + offset, PAGE);
        }
        __atomic_store_n(&g->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
    }
    return n;
}

void kvm_dirty_ring_reap(KvmVcpu *v)
{
    unsigned n = 0;
    X86CPU *c;

    ASSERT_VM_LOCKED();
    if (!kvm.dirty_ring_bytes)
        return;
    if (v) {
        n = reap_ring(v);
    } else {
        FOREACH_VCPU (c) {
            if (c->accel && KVM_VCPU(c)->dirty_gfns)
                n += reap_ring(KVM_VCPU(c));
        }
    }
    if (n)
        kvm_vm_ioctl(KVM_RESET_DIRTY_RINGS, NULL);
}

static void log_sync(MemoryListener *l, const FlatRange *r)
{
    unsigned n;
    Slot *s = find_slot(r, &n);

    if (!s || !(s->flags & KVM_MEM_LOG_DIRTY_PAGES))
        return;
    if (kvm.dirty_ring_bytes)
        kvm_dirty_ring_reap(NULL);
    else
        sync_log(n, s);
}

static void range_del(MemoryListener *l, const FlatRange *r)
{
    unsigned n;
    Slot *s;

    if (!is_memory(r) || !(s = find_slot(r, &n)))
        return;
    log_sync(l, r);
    int e = set_region(n, s, 0);

    if (e < 0)
        fail("unmapping", s, -e);
    g_free(s->bitmap);
    *s = (Slot){0};
}

static void change_flags(Slot *s, unsigned n)
{
    int e = set_region(n, s, s->size);

    if (e < 0)
        fail("changing the flags", s, -e);
}

static void log_start(MemoryListener *l, const FlatRange *r)
{
    unsigned n;
    Slot *s = find_slot(r, &n);

    if (!s || s->flags & KVM_MEM_LOG_DIRTY_PAGES)
        return;
    start_log(s);
    change_flags(s, n);
}

static void log_stop(MemoryListener *l, const FlatRange *r)
{
    unsigned n;
    Slot *s = find_slot(r, &n);

    if (!s || !(s->flags & KVM_MEM_LOG_DIRTY_PAGES))
        return;
    log_sync(l, r);
    s->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
    change_flags(s, n);
    g_clear_pointer(&s->bitmap, g_free);
}

/* Manual protection: only what was reported is cleared; the kernel wants whole words, and counts of 64 pages but at the
 * slot's end. */
static void log_clear(MemoryListener *l, const FlatRange *r, uint64_t off, uint64_t len)
{
    unsigned n;
    Slot *s = find_slot(r, &n);

    if (!s || !s->bitmap || !kvm.manual_protect || !len)
        return;
    /* off counts from the range; the slot may begin later, at a page boundary. */
    uint64_t from = r->addr + off, to = from + len;

    from = MAX(from, s->gpa) - s->gpa;
    to = MIN(to, s->gpa + s->size);
    if (to <= s->gpa + from)
        return;
    to -= s->gpa;
    uint64_t first = ROUND_DOWN(from / PAGE, 64), last = ROUND_UP((to + PAGE - 1) / PAGE, 64);
    uint64_t pages = MIN(last, s->size / PAGE) - first;
    g_autofree unsigned long *clear = g_malloc0((last - first) / 8);
    bool any = false;

    for (uint64_t p = from / PAGE; p <= (to - 1) / PAGE; p++) {
        unsigned long bit = BIT64(p % 64);

        if (s->bitmap[p / 64] & bit) {
            clear[(p - first) / 64] |= bit;
            s->bitmap[p / 64] &= ~bit;
            any = true;
        }
    }
    if (!any)
        return;
    struct kvm_clear_dirty_log c = {
        .slot = n, .first_page = first, .num_pages = (uint32_t)pages, .dirty_bitmap = clear};
    int e = kvm_vm_ioctl(KVM_CLEAR_DIRTY_LOG, &c);

    if (e < 0 && e != -ENOENT)
        fail("clearing the dirty log", s, -e);
}

void kvm_slots_init(void)
{
    slots = g_array_new(false, true, sizeof(Slot));
    listener = (MemoryListener){
        .name = "kvm-memory",
        .priority = 10,
        .add = range_add,
        .del = range_del,
        .log_start = log_start,
        .log_stop = log_stop,
        .log_sync = log_sync,
        .log_clear = log_clear,
    };
    memory_listener_register(&listener, &as_memory);
}
