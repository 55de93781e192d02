/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The KVM accelerator: options, /dev/kvm, capabilities, the VM, its vCPUs. See kvm.h. */
#include "accel/kvm/assist.h"
#include "accel/kvm/probe.h"
#include "accel/tcg/tcg.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KVM_API        12
#define IDENTITY_BASE  0xfeffc000ULL /* 4 pages below the firmware's 16 MiB: identity map, then three for the TSS */
#define DEFAULT_DEVICE "/dev/kvm"
#define IOAPIC_PINS    24

Kvm kvm = {.fd = -1, .vm_fd = -1};

static int sys_open(const char *path, int flags)
{
    int fd = open(path, flags);

    return fd < 0 ? -errno : fd;
}
static int sys_close(int fd)
{
    return close(fd);
}
static int sys_ioctl(int fd, unsigned long req, void *arg)
{
    int r = ioctl(fd, req, arg);

    return __builtin_expect(r < 0, 0) ? -errno : r;
}
static void *sys_mmap(int fd, size_t len, off_t off)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);

    return p == MAP_FAILED ? NULL : p;
}
static void sys_munmap(void *p, size_t len)
{
    munmap(p, len);
}
static ssize_t sys_pread(int fd, void *buf, size_t len, off_t off)
{
    return pread(fd, buf, len, off);
}
static const KvmSys real_sys = {sys_open, sys_close, sys_ioctl, sys_mmap, sys_munmap, sys_pread};
const KvmSys *kvm_sys = &real_sys;

int kvm_ioctl(unsigned long req, void *arg)
{
    return kvm_sys->ioctl(kvm.fd, req, arg);
}

int kvm_vm_ioctl(unsigned long req, void *arg)
{
    return kvm_sys->ioctl(kvm.vm_fd, req, arg);
}

int kvm_vcpu_ioctl(KvmVcpu *v, unsigned long req, void *arg)
{
    return kvm_sys->ioctl(v->fd, req, arg);
}

int kvm_check_extension(unsigned cap)
{
    int r = kvm_sys->ioctl(kvm.vm_fd >= 0 ? kvm.vm_fd : kvm.fd, KVM_CHECK_EXTENSION, (void *)(uintptr_t)cap);

    return MAX(r, 0);
}

bool kvm_enable_cap(unsigned cap, uint64_t arg0, uint64_t arg1)
{
    struct kvm_enable_cap e = {.cap = cap, .args = {arg0, arg1}};

    return kvm_vm_ioctl(KVM_ENABLE_CAP, &e) >= 0;
}

static bool open_device(Error **errp)
{
    const char *path = kvm.config.device ? kvm.config.device : DEFAULT_DEVICE;
    int fd = kvm_sys->open(path, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        kvm.fd = fd;
        return true;
    }
    error_set_errno(errp, -fd, "Could not access KVM kernel module");
    switch (-fd) {
    case ENOENT:
    case ENXIO:
    case ENODEV:
        error_hint(errp,
                   "%s is missing: load the module kvm_intel or kvm_amd, and switch virtualization on in the firmware "
                   "setup, or nested "
                   "virtualization where this host is itself a virtual machine",
                   path);
        break;
    case EACCES:
    case EPERM:
        error_hint(errp,
                   "This user may not open %s: add it to the group that owns the file (usually 'kvm') and log in again",
                   path);
        break;
    case EBUSY:
        error_hint(
            errp, "Another virtual machine monitor holds the processor's virtualization: stop it (VirtualBox, VMware)");
        break;
    }
    return false;
}

static bool create_vm(Error **errp)
{
    int r = kvm_ioctl(KVM_GET_API_VERSION, NULL);

    if (r < 0)
        return error_set_errno(errp, -r, "KVM_GET_API_VERSION");
    if (r != KVM_API)
        return error_set(errp, "kvm version %d is not supported: %d is needed", r, KVM_API);
    do {
        r = kvm_ioctl(KVM_CREATE_VM, NULL);
    } while (r == -EINTR);
    if (r < 0) {
        error_set_errno(errp, -r, "ioctl(KVM_CREATE_VM) failed");
        if (r == -EBUSY)
            error_hint(
                errp,
                "Another virtual machine monitor holds the processor's virtualization: stop it (VirtualBox, VMware)");
        return false;
    }
    kvm.vm_fd = r;
    return true;
}

static bool check_required(Error **errp)
{
    static const struct {
        unsigned cap;
        const char *name;
    } required[] = {
        {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
        {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS"},
        {KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "KVM_CAP_JOIN_MEMORY_REGIONS_WORKS"},
        {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
        {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
        {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
        {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(required); i++) {
        if (!kvm_check_extension(required[i].cap)) {
            error_set(errp, "kvm does not support %s", required[i].name);
            error_hint(errp, "Linux 4.13 or newer is needed on the host");
            return false;
        }
    }
    return true;
}

static void read_capabilities(void)
{
    int n;

#define CAP(field, name) kvm.field = kvm_check_extension(name)
    CAP(ioeventfd, KVM_CAP_IOEVENTFD);
    CAP(ioeventfd_any_length, KVM_CAP_IOEVENTFD_ANY_LENGTH);
    CAP(irqfd, KVM_CAP_IRQFD);
    CAP(irqfd_resample, KVM_CAP_IRQFD_RESAMPLE);
    CAP(gsi_count, KVM_CAP_IRQ_ROUTING);
    CAP(signal_msi, KVM_CAP_SIGNAL_MSI);
    CAP(readonly_mem, KVM_CAP_READONLY_MEM);
    CAP(coalesced_page, KVM_CAP_COALESCED_MMIO);
    CAP(coalesced_pio, KVM_CAP_COALESCED_PIO);
    CAP(xsave, KVM_CAP_XSAVE);
    CAP(xcrs, KVM_CAP_XCRS);
    CAP(debugregs, KVM_CAP_DEBUGREGS);
    CAP(sregs2, KVM_CAP_SREGS2);
    CAP(adjust_clock, KVM_CAP_ADJUST_CLOCK);
    CAP(kvmclock_ctrl, KVM_CAP_KVMCLOCK_CTRL);
    CAP(tsc_control, KVM_CAP_TSC_CONTROL);
    CAP(get_tsc_khz, KVM_CAP_GET_TSC_KHZ);
    CAP(tsc_deadline, KVM_CAP_TSC_DEADLINE_TIMER);
    CAP(pit2, KVM_CAP_PIT2);
    CAP(reinject, KVM_CAP_REINJECT_CONTROL);
    CAP(mce, KVM_CAP_MCE);
    CAP(user_space_msr, KVM_CAP_X86_USER_SPACE_MSR);
    CAP(msr_filter, KVM_CAP_X86_MSR_FILTER);
    CAP(mp_state, KVM_CAP_MP_STATE);
    CAP(sync_regs, KVM_CAP_SYNC_REGS);
    CAP(guest_debug, KVM_CAP_SET_GUEST_DEBUG);
    CAP(guest_debug_flags, KVM_CAP_SET_GUEST_DEBUG2);
#undef CAP
    n = kvm_check_extension(KVM_CAP_XSAVE2);
    kvm.xsave_size = MAX(n, 4096);
    n = kvm_check_extension(KVM_CAP_NR_MEMSLOTS);
    kvm.n_slots = n ? (unsigned)n : 32;
    n = kvm_check_extension(KVM_CAP_NR_VCPUS);
    kvm.soft_max_vcpus = n ? (unsigned)n : 4;
    n = kvm_check_extension(KVM_CAP_MAX_VCPUS);
    kvm.max_vcpus = n ? (unsigned)n : kvm.soft_max_vcpus;
    n = kvm_check_extension(KVM_CAP_MAX_VCPU_ID);
    kvm.max_vcpu_id = n ? (unsigned)n : kvm.max_vcpus;
}

/* What is better with it; its absence changes nothing for the guest. */
static void enable_optional(void)
{
    kvm.exception_payload =
        kvm_check_extension(KVM_CAP_EXCEPTION_PAYLOAD) && kvm_enable_cap(KVM_CAP_EXCEPTION_PAYLOAD, 1, 0);
    kvm.triple_fault_event =
        kvm_check_extension(KVM_CAP_X86_TRIPLE_FAULT_EVENT) && kvm_enable_cap(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1, 0);
    if (kvm.config.notify_vmexit != 2 && kvm_check_extension(KVM_CAP_X86_NOTIFY_VMEXIT))
        kvm_enable_cap(
            KVM_CAP_X86_NOTIFY_VMEXIT,
            (uint64_t)kvm.config.notify_window << 32 | KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER, 0);
}

static bool enable_dirty_tracking(Error **errp)
{
    uint32_t size = kvm.config.dirty_ring_size;

    kvm.manual_protect = 0;
    kvm.dirty_ring_bytes = 0;
    if (!size) {
        unsigned flags = kvm_check_extension(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) &
                         (KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);

        if (flags && kvm_enable_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, flags, 0))
            kvm.manual_protect = flags;
        return true;
    }
    if (size & (size - 1) || size < 1024)
        return error_set(errp, "-accel kvm,dirty-ring-size=%u: must be a power of two of at least 1024 (0: no ring)",
                         size);
    unsigned cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
    uint64_t bytes = (uint64_t)size * sizeof(struct kvm_dirty_gfn);
    int max = kvm_check_extension(cap);

    if (!max) {
        cap = KVM_CAP_DIRTY_LOG_RING;
        max = kvm_check_extension(cap);
    }
    if (!max) {
        error_set(errp, "-accel kvm,dirty-ring-size=%u: the kernel has no dirty ring", size);
        error_hint(errp, "Leave the option out (the dirty log is used then), or use Linux 5.11 or newer");
        return false;
    }
    if (bytes > (uint64_t)max)
        return error_set(errp, "-accel kvm,dirty-ring-size=%u: the kernel's maximum is %zu", size,
                         max / sizeof(struct kvm_dirty_gfn));
    if (!kvm_enable_cap(cap, bytes, 0))
        return error_set(errp, "-accel kvm,dirty-ring-size=%u: the kernel refuses this size", size);
    kvm.dirty_ring_bytes = (unsigned)bytes;
    return true;
}

static bool setup_addresses(Error **errp)
{
    uint64_t identity = IDENTITY_BASE;
    int r;

    if (kvm_check_extension(KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
        r = kvm_vm_ioctl(KVM_SET_IDENTITY_MAP_ADDR, &identity);
        if (r < 0)
            return error_set_errno(errp, -r, "KVM_SET_IDENTITY_MAP_ADDR");
    }
    r = kvm_vm_ioctl(KVM_SET_TSS_ADDR, (void *)(uintptr_t)(IDENTITY_BASE + 0x1000));
    if (r < 0)
        return error_set_errno(errp, -r, "KVM_SET_TSS_ADDR");
    if (kvm.config.shadow_mem) {
        r = kvm_vm_ioctl(KVM_SET_NR_MMU_PAGES, (void *)(uintptr_t)(kvm.config.shadow_mem / 4096));
        if (r < 0)
            return error_set_errno(errp, -r, "-accel kvm,kvm-shadow-mem=%" PRIu64, kvm.config.shadow_mem);
    }
    return true;
}

static const char *const irqchip_names[] = {"on", "off", "split", NULL};
static const IrqchipMode irqchip_modes[] = {IRQCHIP_KERNEL, IRQCHIP_USER, IRQCHIP_SPLIT};

static bool choose_irqchip(Error **errp)
{
    const char *name =
        machine && machine->kernel_irqchip ? machine->kernel_irqchip : irqchip_names[kvm.config.kernel_irqchip];
    unsigned i;

    for (i = 0; irqchip_names[i] && strcmp(irqchip_names[i], name); i++)
        ;
    if (!irqchip_names[i])
        return error_set(errp, "kernel-irqchip=%s: 'on', 'off' or 'split' is possible", name);
    kvm.irqchip = irqchip_modes[i];
    if (kvm.irqchip == IRQCHIP_KERNEL) {
        if (!kvm_check_extension(KVM_CAP_IRQCHIP))
            return error_set(errp, "kernel-irqchip=on: the kernel has none; 'off' works");
    } else if (kvm.irqchip == IRQCHIP_SPLIT) {
        if (!kvm_check_extension(KVM_CAP_SPLIT_IRQCHIP))
            return error_set(errp, "kernel-irqchip=split: the kernel cannot split it; 'on' or 'off' works");
        if (!kvm_enable_cap(KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, 0))
            return error_set(errp, "Could not enable split irqchip mode");
    } else if (kvm.user_space_msr) {
        /* x2APIC registers and the TSC deadline are ours then: have their accesses come here instead of ending in #GP.
         */
        kvm.user_space_msr =
            kvm_enable_cap(KVM_CAP_X86_USER_SPACE_MSR,
                           KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER, 0);
        if (kvm.user_space_msr && kvm.msr_filter) {
            uint8_t none = 0; /* bit 0: 0 denies */
            struct kvm_msr_filter f = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};

            f.ranges[0].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
            f.ranges[0].base = 0x6e0;
            f.ranges[0].nmsrs = 1;
            f.ranges[0].bitmap = &none;
            kvm.msr_filter = kvm_vm_ioctl(KVM_X86_SET_MSR_FILTER, &f) >= 0;
        }
    }
    if (machine && machine->smp.max_cpus > 255 && kvm.irqchip != IRQCHIP_USER)
        kvm.x2apic_api = kvm_check_extension(KVM_CAP_X2APIC_API) &&
                         kvm_enable_cap(KVM_CAP_X2APIC_API,
                                        KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK, 0);
    return true;
}

static bool read_msr_list(Error **errp)
{
    struct kvm_msr_list probe = {0};
    int r = kvm_ioctl(KVM_GET_MSR_INDEX_LIST, &probe);

    if (r < 0 && r != -E2BIG)
        return error_set_errno(errp, -r, "KVM_GET_MSR_INDEX_LIST");
    if (probe.nmsrs > 4096)
        return error_set(errp, "KVM_GET_MSR_INDEX_LIST: %u MSRs are more than there can be", probe.nmsrs);
    g_autofree struct kvm_msr_list *list = g_malloc0(sizeof(*list) + probe.nmsrs * sizeof(list->indices[0]));

    list->nmsrs = probe.nmsrs;
    r = kvm_ioctl(KVM_GET_MSR_INDEX_LIST, list);
    if (r < 0)
        return error_set_errno(errp, -r, "KVM_GET_MSR_INDEX_LIST");
    kvm.n_msr_list = MIN(list->nmsrs, probe.nmsrs);
    kvm.msr_list = g_new(uint32_t, MAX(kvm.n_msr_list, 1U));
    memcpy(kvm.msr_list, list->indices, kvm.n_msr_list * sizeof(uint32_t));
    return true;
}

static bool check_config(Error **errp)
{
    KvmConfig *k = &kvm.config;

    if (k->xen_version)
        return error_set(errp, "-accel kvm,xen-version=0x%x: emulating Xen is not implemented", k->xen_version);
    if (k->eager_split_size)
        return error_set(errp, "-accel kvm,eager-split-size=%" PRIu64 ": only ARM hosts have it; leave it out",
                         k->eager_split_size);
    return true;
}

static bool check_cpus(Error **errp)
{
    if (!machine)
        return true;
    if (machine->smp.cpus > kvm.soft_max_vcpus)
        warn_report("Number of SMP cpus requested (%u) exceeds the recommended cpus supported by KVM (%u)",
                    machine->smp.cpus, kvm.soft_max_vcpus);
    if (machine->smp.max_cpus > kvm.max_vcpus)
        return error_set(errp, "Number of SMP cpus requested (%u) exceeds the maximum cpus supported by KVM (%u)",
                         machine->smp.max_cpus, kvm.max_vcpus);
    return true;
}

static void kvm_exit(void)
{
    kvm_cpuid_exit();
    kvm_debug_exit();
    kvm_stats_exit();
    g_clear_pointer(&kvm.msr_list, g_free);
    kvm.n_msr_list = 0;
    if (kvm.vm_fd >= 0)
        kvm_sys->close(kvm.vm_fd);
    if (kvm.fd >= 0)
        kvm_sys->close(kvm.fd);
    kvm.vm_fd = kvm.fd = -1;
}

static bool kvm_init(Error **errp)
{
    bool spoilt;

    if (!check_config(errp))
        return false;
    if (!open_device(errp) || !create_vm(errp) || !check_required(errp))
        goto fail;
    kvm.assist = kvm_assist_decide(kvm.config.assist, &spoilt);
    if (kvm.assist == ASSIST_STAY || spoilt) {
        kvm_probe_close(kvm.vm_fd);
        kvm.vm_fd = -1;
    }
    if (kvm.assist == ASSIST_STAY)
        return kvm_assist_stay(errp);
    if (spoilt && !create_vm(errp))
        goto fail;
    read_capabilities();
    if (!check_cpus(errp) || !setup_addresses(errp) || !enable_dirty_tracking(errp) || !choose_irqchip(errp) ||
        !read_msr_list(errp) || !kvm_cpuid_init(errp) || !kvm_irq_init(errp))
        goto fail;
    enable_optional();
    /* Failures at CPL 3 come here too, where the kernel would give the guest a #UD. */
    if (kvm.assist == ASSIST_INSN)
        kvm_enable_cap(KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1, 0);
    kvm.run_size = kvm_ioctl(KVM_GET_VCPU_MMAP_SIZE, NULL);
    if ((ssize_t)kvm.run_size < (ssize_t)sizeof(struct kvm_run)) {
        error_set(errp, "KVM_GET_VCPU_MMAP_SIZE: %zd bytes are too few", (ssize_t)kvm.run_size);
        goto fail;
    }
    kvm_signal_init();
    kvm_slots_init();
    kvm_eventfd_init();
    kvm_clock_init();
    kvm_debug_init();
    return true;
fail:
    kvm_exit();
    return false;
}

static IrqchipMode kvm_irqchip_mode(void)
{
    return kvm.irqchip;
}

static bool set_tsc(X86CPU *c, KvmVcpu *v, Error **errp)
{
    int r, host = kvm.get_tsc_khz ? kvm_vcpu_ioctl(v, KVM_GET_TSC_KHZ, NULL) : 0;

    if (!c->tsc_khz && host > 0)
        c->tsc_khz = host;
    if ((int)c->tsc_khz == host)
        return true;
    r = kvm_vcpu_ioctl(v, KVM_SET_TSC_KHZ, (void *)(uintptr_t)c->tsc_khz);
    if (r >= 0)
        return true;
    return error_set(errp, "TSC frequency mismatch between VM (%u kHz) and host (%d kHz), and TSC scaling unavailable",
                     c->tsc_khz, host);
}

static void setup_mce(X86CPU *c, KvmVcpu *v)
{
    enum { MCG_CTL_P = 1 << 8, MCG_SER_P = 1 << 24, BANKS = 10 };
    uint64_t cap = 0;

    c->mcg_cap = 0;
    if (!kvm.mce || kvm_ioctl(KVM_X86_GET_MCE_CAP_SUPPORTED, &cap) < 0)
        return;
    cap = (cap & (MCG_CTL_P | MCG_SER_P)) | BANKS;
    if (kvm_vcpu_ioctl(v, KVM_X86_SETUP_MCE, &cap) >= 0) {
        kvm.mce_banks = BANKS;
        c->mcg_cap = cap;
    }
}

static void kvm_vcpu_destroy(X86CPU *c)
{
    KvmVcpu *v = c->accel;

    if (!v)
        return;
    if (v->dirty_gfns)
        kvm_sys->munmap(v->dirty_gfns, kvm.dirty_ring_bytes);
    if (v->run) {
        if (kvm.ring == (void *)((uint8_t *)v->run + kvm.coalesced_page * 4096))
            kvm.ring = NULL;
        kvm_sys->munmap(v->run, kvm.run_size);
    }
    if (v->stats_asked && v->stats_fd >= 0)
        kvm_sys->close(v->stats_fd);
    if (v->fd >= 0)
        kvm_sys->close(v->fd);
    if (kvm.assist == ASSIST_INSN)
        tcg_assist_vcpu_destroy(c);
    g_free(v->assist_xsave);
    g_free(v->msr_buf);
    g_free(v->msr_power_on);
    g_free(v);
    c->accel = NULL;
}

static bool kvm_vcpu_init(X86CPU *c, Error **errp)
{
    if (!kvm_irqchip_create(errp))
        return false;
    KvmVcpu *v = g_new0(KvmVcpu, 1);

    c->accel = v;
    v->c = c;
    v->user_irq = kvm.irqchip != IRQCHIP_KERNEL;
    v->fd = kvm_vm_ioctl(KVM_CREATE_VCPU, (void *)(uintptr_t)c->apic_id);
    if (v->fd < 0) {
        error_set_errno(errp, -v->fd, "KVM_CREATE_VCPU of CPU %u (APIC id %u)", c->index, c->apic_id);
        goto fail;
    }
    v->run = kvm_sys->mmap(v->fd, kvm.run_size, 0);
    if (!v->run) {
        error_set_errno(errp, errno, "mapping the shared page of CPU %u", c->index);
        goto fail;
    }
    if (kvm.coalesced_page && !kvm.ring && kvm.run_size > kvm.coalesced_page * 4096UL)
        kvm.ring = (void *)((uint8_t *)v->run + kvm.coalesced_page * 4096);
    if (kvm.dirty_ring_bytes) {
        v->dirty_gfns = kvm_sys->mmap(v->fd, kvm.dirty_ring_bytes, KVM_DIRTY_LOG_PAGE_OFFSET * 4096);
        if (!v->dirty_gfns) {
            error_set_errno(errp, errno, "mapping the dirty ring of CPU %u", c->index);
            goto fail;
        }
    }
    c->xsave_size = kvm.xsave ? kvm.xsave_size : 512;
    if (c->xsave_size > XSAVE_AREA_MAX) {
        error_set(errp, "the kernel's XSAVE area of %u bytes is larger than the %u supported", c->xsave_size,
                  XSAVE_AREA_MAX);
        goto fail;
    }
    if (!kvm_cpuid_set(c, errp) || !set_tsc(c, v, errp))
        goto fail;
    setup_mce(c, v);
    kvm_msrs_init_vcpu(c);
    return true;
fail:
    kvm_vcpu_destroy(c);
    return false;
}

static const char *const notify_names[] = {"run", "internal-error", "disable", NULL};

static const char *const assist_names[] = {"auto", "on", "off", NULL};

static const Prop kvm_props[] = {
    PROP_ENUM("assist", KvmConfig, assist, assist_names, ASSIST_AUTO,
              "the x86 engine beside KVM: auto: as the host needs it; on: for instructions that KVM cannot emulate; "
              "off: never"),
    PROP_ENUM("kernel-irqchip", KvmConfig, kernel_irqchip, irqchip_names, 0,
              "interrupt controllers in the kernel: on, off, or split"),
    PROP_SIZE("kvm-shadow-mem", KvmConfig, shadow_mem, 0, "size of the shadow page tables, 0: the kernel's choice"),
    PROP_U32("dirty-ring-size", KvmConfig, dirty_ring_size, 0,
             "entries of each vCPU's ring of dirty pages, 0: dirty log"),
    PROP_SIZE("eager-split-size", KvmConfig, eager_split_size, 0, "ARM hosts only"),
    PROP_ENUM("notify-vmexit", KvmConfig, notify_vmexit, notify_names, 0,
              "what to do when the guest blocks all events"),
    PROP_U32("notify-window", KvmConfig, notify_window, 0,
             "clock cycles without an event window that are one too many"),
    PROP_U32("xen-version", KvmConfig, xen_version, 0, "Xen version to be emulated (not implemented)"),
    PROP_U16("xen-gnttab-max-frames", KvmConfig, xen_gnttab_max_frames, 64, "of the Xen emulation"),
    PROP_U16("xen-evtchn-max-pirq", KvmConfig, xen_evtchn_max_pirq, 256, "of the Xen emulation"),
    PROP_STR("device", KvmConfig, device, "path of the KVM device, " DEFAULT_DEVICE " by default"),
    {},
};

const AccelDesc accel_kvm = {
    .name = "kvm",
    .summary = "the kernel's virtual machine monitor",
    .props = kvm_props,
    .config = &kvm.config,
    .init = kvm_init,
    .irqchip_mode = kvm_irqchip_mode,
    .reserved_gpa = IDENTITY_BASE,
    .reserved_size = 0x4000,
    .vcpu_init = kvm_vcpu_init,
    .vcpu_destroy = kvm_vcpu_destroy,
    .vcpu_run = kvm_run_vcpu,
    .vcpu_kick = kvm_kick_vcpu,
    .get_state = kvm_get_state,
    .put_state = kvm_put_state,
    .guest_tsc = kvm_guest_tsc,
    .cpuid_supported = kvm_cpuid_supported,
    .msr_supported = kvm_msr_supported,
    .inject_mce = kvm_inject_mce,
    .set_gsi = kvm_set_gsi,
    .send_msi = kvm_send_msi,
    .add_msi_route = kvm_add_msi_route,
    .update_msi_route = kvm_update_msi_route,
    .del_msi_route = kvm_del_msi_route,
    .add_irqfd = kvm_add_irqfd,
    .del_irqfd = kvm_del_irqfd,
    .irqchip_get = kvm_irqchip_get,
    .irqchip_set = kvm_irqchip_set,
    .pit_create = kvm_pit_create,
    .pit_get = kvm_pit_get,
    .pit_set = kvm_pit_set,
    .pit_reinject = kvm_pit_reinject,
    .update_debug = kvm_update_debug,
    .print_info = kvm_assist_print,
    .stats = kvm_stats,
};
