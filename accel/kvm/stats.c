/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statistics for query-stats: the kernel's, by its descriptors of them (docs.kernel.org/virt/kvm/api.rst,
 * KVM_GET_STATS_FD), and what the assist counts. The kernel's descriptors are checked before they are believed.
 */
#include "accel/kvm/assist.h"
#include "accel/tcg/tcg.h"
#include "softmmu/vcpus.h"

enum { NAME_MAX_BYTES = 256, STATS_MAX = 1024, VALUES_MAX = 4096 };

static const char *const types[] = {"cumulative", "instant", "peak", "linear-histogram", "log2-histogram"};
static const char *const units[] = {NULL, "bytes", "seconds", "cycles", "boolean"};
static const int bases[] = {10, 2};

static bool read_all(int fd, void *buf, size_t len, off_t off)
{
    return kvm_sys->pread(fd, buf, len, off) == (ssize_t)len;
}

static void one(int fd, const struct kvm_stats_header *h, const struct kvm_stats_desc *d, AccelStatFn *fn, void *opaque)
{
    unsigned type = d->flags & KVM_STATS_TYPE_MASK, unit = (d->flags & KVM_STATS_UNIT_MASK) >> KVM_STATS_UNIT_SHIFT,
             base = (d->flags & KVM_STATS_BASE_MASK) >> KVM_STATS_BASE_SHIFT;

    /* Kinds of a newer kernel have no words here. */
    if (type >= ARRAY_SIZE(types) || unit >= ARRAY_SIZE(units) || base >= ARRAY_SIZE(bases) || !d->size ||
        d->size > VALUES_MAX || !memchr(d->name, 0, h->name_size) || !d->name[0])
        return;
    g_autofree uint64_t *values = g_new(uint64_t, d->size);

    if (!read_all(fd, values, d->size * sizeof(uint64_t), (off_t)h->data_offset + d->offset))
        return;
    AccelStat s = {.name = d->name,
                   .type = types[type],
                   .unit = units[unit],
                   .base = d->exponent ? bases[base] : 0,
                   .exponent = d->exponent,
                   .bucket_size = d->bucket_size,
                   .values = values,
                   .n = d->size};

    fn(&s, opaque);
}

static void kernels(int fd, AccelStatFn *fn, void *opaque)
{
    struct kvm_stats_header h;

    if (fd < 0 || !read_all(fd, &h, sizeof(h), 0) || !h.name_size || h.name_size > NAME_MAX_BYTES ||
        h.num_desc > STATS_MAX)
        return;
    size_t size = sizeof(struct kvm_stats_desc) + h.name_size;
    g_autofree uint8_t *descs = g_malloc(size * h.num_desc);

    if (!read_all(fd, descs, size * h.num_desc, h.desc_offset))
        return;
    for (unsigned i = 0; i < h.num_desc; i++) {
        /* A name's size may be no multiple of what the struct is aligned to. */
        union {
            struct kvm_stats_desc d;
            uint8_t bytes[sizeof(struct kvm_stats_desc) + NAME_MAX_BYTES];
        } u;

        memcpy(u.bytes, descs + i * size, size);
        one(fd, &h, &u.d, fn, opaque);
    }
}

/* The kernel lets nobody ask a vCPU for its descriptor while it runs. */
static void open_vcpu(X86CPU *c, void *arg)
{
    KvmVcpu *v = KVM_VCPU(c);

    if (!v->stats_asked)
        v->stats_fd = kvm_vcpu_ioctl(v, KVM_GET_STATS_FD, NULL);
    v->stats_asked = true;
}

static void count(AccelStatFn *fn, void *opaque, const char *name, uint64_t value, bool ns)
{
    AccelStat s = {.name = name, .type = "cumulative", .values = &value, .n = 1};

    if (ns) {
        s.unit = "seconds";
        s.base = 10;
        s.exponent = -9;
    }
    fn(&s, opaque);
}

void kvm_stats(X86CPU *c, AccelStatFn *fn, void *opaque)
{
    if (!c) {
        if (!kvm.stats_asked && kvm_check_extension(KVM_CAP_BINARY_STATS_FD))
            kvm.stats_fd = kvm_vm_ioctl(KVM_GET_STATS_FD, NULL);
        else if (!kvm.stats_asked)
            kvm.stats_fd = -1;
        kvm.stats_asked = true;
        kernels(kvm.stats_fd, fn, opaque);
        return;
    }
    KvmVcpu *v = KVM_VCPU(c);

    if (!v)
        return;
    if (!v->stats_asked && kvm_check_extension(KVM_CAP_BINARY_STATS_FD)) {
        if (c == current_cpu || c->stopped)
            open_vcpu(c, NULL);
        else
            vcpu_run_on(c, open_vcpu, NULL);
    }
    if (v->stats_asked)
        kernels(v->stats_fd, fn, opaque);
    count(fn, opaque, "emulator_exits", c->exits, false);
    count(fn, opaque, "engine_instructions", v->assists, false);
    count(fn, opaque, "engine_time", v->assist_ns, true);
    count(fn, opaque, "engine_state_time", v->assist_out_ns, true);
}

void kvm_stats_exit(void)
{
    if (kvm.stats_asked && kvm.stats_fd >= 0)
        kvm_sys->close(kvm.stats_fd);
    kvm.stats_asked = false;
}

void kvm_stats_engine(X86CPU *c, AccelStatFn *fn, void *opaque)
{
    if (!c)
        return;
    const TcgCpu *t = TCG(c);

    count(fn, opaque, "engine_handlers", t->steps, false);
    count(fn, opaque, "engine_tlb_flushes", t->tlb_flushes, false);
    count(fn, opaque, "engine_tlb_misses", t->tlb_misses, false);
    count(fn, opaque, "engine_code_misses", t->code_misses, false);
    count(fn, opaque, "engine_outside", t->outside, false);
}
