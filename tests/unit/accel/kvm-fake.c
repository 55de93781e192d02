/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kvm-fake.h. */
#include "tests/unit/accel/kvm-fake.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include <linux/kvm_para.h>

FakeKernel k;
GString *reported;

static const uint32_t msr_list[] = {0x174, 0x175, 0x176, 0xc0000081, 0x10, 0x3b, 0x1a0, 0x8b, MSR_KVM_SYSTEM_TIME_NEW};

static int fake_open(const char *path, int flags)
{
    if (k.open_error)
        return -k.open_error;
    k.opens++;
    return DEV_FD;
}
static int fake_close(int fd)
{
    k.closes++;
    return 0;
}
static void *fake_mmap(int fd, size_t len, off_t off)
{
    if (off)
        return k.ring;
    k.run = g_malloc0(len);
    return k.run;
}
static void fake_munmap(void *p, size_t len)
{
    if (p != k.ring)
        g_free(p);
}

static ssize_t fake_pread(int fd, void *buf, size_t len, off_t off)
{
    if (fd != STATS_FD || off < 0 || (size_t)off > k.stats_size || len > k.stats_size - (size_t)off)
        return -1;
    memcpy(buf, k.stats + off, len);
    return (ssize_t)len;
}

static int cap(unsigned long n)
{
    if (n >= ARRAY_SIZE(k.caps) || k.caps[n] < 0)
        return 0;
    if (k.caps[n])
        return k.caps[n];
    switch (n) {
    case KVM_CAP_COALESCED_MMIO:
        return 2;
    case KVM_CAP_NR_MEMSLOTS:
        return 64;
    case KVM_CAP_NR_VCPUS:
        return 4;
    case KVM_CAP_IRQ_ROUTING:
        return 30;
    case KVM_CAP_SYNC_REGS:
        return 7;
    case KVM_CAP_XSAVE2:
        return 4096;
    case KVM_CAP_X86_NOTIFY_VMEXIT:
    case KVM_CAP_TSC_CONTROL:
        return 0;
    case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
        return 3;
    case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
        return 65536 * 16;
    default:
        return 1;
    }
}

static int msrs(struct kvm_msrs *m, bool set)
{
    for (unsigned i = 0; i < m->nmsrs; i++) {
        if (m->entries[i].index == k.refused_msr)
            return i;
        uint64_t *v = &k.msrs[(m->entries[i].index ^ m->entries[i].index >> 20) % ARRAY_SIZE(k.msrs)];
        if (set)
            *v = m->entries[i].data;
        else
            m->entries[i].data = *v;
    }
    return m->nmsrs;
}

static int fake_ioctl(int fd, unsigned long req, void *arg)
{
    k.calls++;
    for (unsigned i = 0; i < ARRAY_SIZE(k.refuse); i++) {
        if (k.refuse[i] == req && req)
            return -k.refuse_errno;
    }
    if (k.n_order < ARRAY_SIZE(k.order))
        k.order[k.n_order++] = req;
#define STORE(x)                                                                                                       \
    memcpy(&(x), arg, sizeof(x));                                                                                      \
    return 0
#define LOAD(x)                                                                                                        \
    memcpy(arg, &(x), sizeof(x));                                                                                      \
    return 0
    switch (req) {
    case KVM_GET_API_VERSION:
        return 12;
    case KVM_CREATE_VM:
        return VM_FD;
    case KVM_CREATE_VCPU:
        return VCPU_FD;
    case KVM_CHECK_EXTENSION:
        return cap((uintptr_t)arg);
    case KVM_GET_VCPU_MMAP_SIZE:
        return 3 * 4096;
    case KVM_GET_STATS_FD:
        return STATS_FD;
    case KVM_GET_TSC_KHZ:
        return 2000000;
    case KVM_GET_MSR_INDEX_LIST: {
        struct kvm_msr_list *l = arg;
        if (l->nmsrs < ARRAY_SIZE(msr_list)) {
            l->nmsrs = ARRAY_SIZE(msr_list);
            return -E2BIG;
        }
        memcpy(l->indices, msr_list, sizeof(msr_list));
        return 0;
    }
    case KVM_GET_SUPPORTED_CPUID: {
        struct kvm_cpuid2 *c = arg;
        static const struct kvm_cpuid_entry2 e[] = {
            {.function = 0, .eax = 0xd, .ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e},
            {.function = 1, .eax = 0x806e9, .ecx = 0x7ffafbff & ~8U, .edx = 0xbfebfbff},
            {.function = 0x80000001, .ecx = 0x121, .edx = 0x2c100800},
            {.function = 0x80000000, .eax = 0x80000008},
            {.function = 0x80000008, .eax = 0x3027},
            {.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d},
            {.function = 0x40000001, .eax = 0x01007efb},
        };
        memcpy(c->entries, e, sizeof(e));
        c->nent = ARRAY_SIZE(e);
        return 0;
    }
    case KVM_SET_USER_MEMORY_REGION: {
        struct kvm_userspace_memory_region *r = arg;
        g_assert_cmpuint(r->slot, <, ARRAY_SIZE(k.slots));
        k.slots[r->slot] = *r;
        k.n_slot_calls++;
        return 0;
    }
    case KVM_GET_DIRTY_LOG: {
        struct kvm_dirty_log *l = arg;
        memcpy(l->dirty_bitmap, k.dirty_log, ROUND_UP(k.slots[l->slot].memory_size / 4096, 64) / 8);
        return 0;
    }
    case KVM_CLEAR_DIRTY_LOG:
        k.clears++;
        STORE(k.clear);
    case KVM_SET_GSI_ROUTING: {
        struct kvm_irq_routing *r = arg;
        k.n_routes = MIN(r->nr, ARRAY_SIZE(k.routes));
        memcpy(k.routes, r->entries, k.n_routes * sizeof(k.routes[0]));
        return 0;
    }
    case KVM_RESET_DIRTY_RINGS:
        k.ring_resets++;
        return 0;
    case KVM_IRQ_LINE:
        STORE(k.line);
    case KVM_SIGNAL_MSI:
        STORE(k.msi);
    case KVM_IRQFD:
        STORE(k.irqfd);
    case KVM_IOEVENTFD:
        STORE(k.ioeventfd);
    case KVM_REGISTER_COALESCED_MMIO:
        STORE(k.zone);
    case KVM_NMI:
        k.nmis++;
        return 0;
    case KVM_INTERRUPT:
        k.interrupts++;
        STORE(k.interrupt);
    case KVM_GET_REGS:
        LOAD(k.regs);
    case KVM_SET_REGS:
        STORE(k.regs);
    case KVM_GET_SREGS: /* the same up to the APIC base */
        memcpy(arg, &k.sregs, offsetof(struct kvm_sregs2, flags));
        return 0;
    case KVM_SET_SREGS:
        memcpy(&k.sregs, arg, offsetof(struct kvm_sregs2, flags));
        if (k.no_paging && !(k.sregs.efer & 0x100))
            k.sregs.cr0 &= 0x7fffffff;
        return 0;
    case KVM_GET_SREGS2:
        LOAD(k.sregs);
    case KVM_SET_SREGS2:
        STORE(k.sregs);
    case KVM_GET_VCPU_EVENTS:
        LOAD(k.events);
    case KVM_SET_VCPU_EVENTS:
        STORE(k.events);
    case KVM_GET_XSAVE:
        LOAD(k.xsave);
    case KVM_SET_XSAVE:
        STORE(k.xsave);
    case KVM_GET_XCRS:
        LOAD(k.xcrs);
    case KVM_SET_XCRS:
        STORE(k.xcrs);
    case KVM_GET_DEBUGREGS:
        LOAD(k.debugregs);
    case KVM_SET_DEBUGREGS:
        STORE(k.debugregs);
    case KVM_GET_MP_STATE:
        LOAD(k.mp);
    case KVM_SET_MP_STATE:
        STORE(k.mp);
    case KVM_GET_LAPIC:
        LOAD(k.lapic);
    case KVM_SET_LAPIC:
        STORE(k.lapic);
    case KVM_X86_SET_MCE:
        STORE(k.mce);
    case KVM_SET_GUEST_DEBUG:
        STORE(k.guest_debug);
    case KVM_GET_MSRS:
        return fd == DEV_FD ? 0 : msrs(arg, false);
    case KVM_SET_MSRS:
        return msrs(arg, true);
    case KVM_RUN: {
        k.immediate_exit_seen = k.run->immediate_exit;
        if (k.run->immediate_exit)
            return -EINTR;
        g_assert_nonnull(k.steps[k.step]);
        return k.steps[k.step++](k.run);
    }
    default:
        return 0;
    }
#undef STORE
#undef LOAD
}

const KvmSys kvm_fake = {fake_open, fake_close, fake_ioctl, fake_mmap, fake_munmap, fake_pread};

void kvm_fake_report(const char *line, void *opaque)
{
    g_string_append_printf(reported, "%s\n", line);
}

VcpuExit kvm_fake_run(X86CPU *c, RunStep *const *steps)
{
    if (!reported)
        reported = g_string_new(NULL);
    k.steps = steps;
    k.step = 0;
    g_string_truncate(reported, 0);
    error_report_hook = kvm_fake_report;
    c->stop = false;
    vm_unlock();
    VcpuExit e = accel_kvm.vcpu_run(c);
    vm_lock();
    error_report_hook = NULL;
    return e;
}

int kvm_fake_halt(struct kvm_run *run)
{
    run->exit_reason = KVM_EXIT_HLT;
    return 0;
}

void kvm_fake_machine(const char *argv0)
{
    static const MachineDesc desc = {.name = "test", .max_cpus = 1};
    static Machine m = {.desc = &desc, .smp = {1, 1, 1, 1, 1, 1, 1}};

    error_init(argv0);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    memory_init();
    machine = &m;
    kvm_sys = &kvm_fake;
}
