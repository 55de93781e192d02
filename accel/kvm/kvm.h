/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The KVM accelerator's insides (docs.kernel.org/virt/kvm/api.rst).
 *
 *   kvm.c     options, /dev/kvm, capabilities, the VM; vCPU create and destroy; the descriptor
 *   exits.c   the run loop: every exit reason
 *   state.c   vCPU state out and in; msrs.c the MSR lists
 *   cpuid.c   what the kernel supports; the paravirtual leaves
 *   slots.c   guest memory, dirty log and dirty ring
 *   irq.c     lines, routes, MSIs, irqfd, chips in the kernel
 *   eventfd.c doorbells and coalesced I/O
 *   assist.c  the engine where the kernel cannot run the guest; probe.c: what it can
 *   stats.c   query-stats
 *   clock.c   kvmclock across stop and cont
 *   debug.c   breakpoints, watchpoints and steps of a debugger
 *
 * Every system call that concerns KVM goes through kvm_sys, so that a unit test can play the kernel.
 */
#ifndef ACCEL_KVM_KVM_H
#define ACCEL_KVM_KVM_H

#include "accel/accel.h"
#include <linux/kvm.h>
#include <sys/types.h>

/* Newer than the headers of the oldest supported build host. */
#define KVM_EXIT_MEMORY_FAULT_ 39
typedef struct KvmMemoryFault {
    uint64_t flags, gpa, size;
} KvmMemoryFault;

typedef struct KvmSys {
    int (*open)(const char *path, int flags);
    int (*close)(int fd);
    int (*ioctl)(int fd, unsigned long req, void *arg); /* -errno, or >= 0 */
    void *(*mmap)(int fd, size_t len, off_t off);       /* shared, read-write; NULL with errno */
    void (*munmap)(void *p, size_t len);
    ssize_t (*pread)(int fd, void *buf, size_t len, off_t off);
} KvmSys;
extern const KvmSys *kvm_sys;

/* -accel kvm,... */
typedef struct KvmConfig {
    int kernel_irqchip; /* index in irqchip_names: on off split */
    uint64_t shadow_mem;
    uint32_t dirty_ring_size;
    uint64_t eager_split_size;
    int notify_vmexit; /* run internal-error disable */
    uint32_t notify_window;
    uint32_t xen_version;
    uint16_t xen_gnttab_max_frames, xen_evtchn_max_pirq;
    char *device;
    int assist; /* auto on off */
} KvmConfig;

typedef struct Kvm {
    KvmConfig config;
    int fd, vm_fd;
    IrqchipMode irqchip;
    int assist; /* AssistMode */
    size_t run_size;
    unsigned soft_max_vcpus, max_vcpus, max_vcpu_id;
    /* capabilities */
    bool ioeventfd, ioeventfd_any_length, irqfd, irqfd_resample, signal_msi, readonly_mem, coalesced_pio, xsave, xcrs,
        debugregs, sregs2, exception_payload, triple_fault_event, adjust_clock, tsc_control, get_tsc_khz, tsc_deadline,
        x2apic_api, pit2, reinject, mce, user_space_msr, msr_filter, smm, mp_state, kvmclock_ctrl, guest_debug;
    unsigned sync_regs, xsave_size, coalesced_page, n_slots, dirty_ring_bytes, manual_protect, gsi_count, mce_banks,
        guest_debug_flags;
    struct kvm_cpuid2 *supported; /* KVM_GET_SUPPORTED_CPUID */
    uint32_t features;            /* KVM_CPUID_FEATURES' EAX */
    uint32_t *msr_list;           /* what KVM_GET_MSR_INDEX_LIST says */
    unsigned n_msr_list;
    struct kvm_coalesced_mmio_ring *ring; /* NULL: none */
    bool stats_asked;                     /* VM lock: stats_fd is there, or -errno */
    int stats_fd;
} Kvm;
extern Kvm kvm; /* valid while accel == &accel_kvm */

/* A vCPU. Owned by its thread but for run->immediate_exit. */
typedef struct KvmVcpu {
    X86CPU *c;
    int fd;
    struct kvm_run *run;
    struct kvm_dirty_gfn *dirty_gfns; /* NULL: no ring */
    uint32_t dirty_next;              /* VM lock */
    struct kvm_msrs *msr_buf;         /* room for KVM_MSR_BUF entries */
    uint64_t *msr_power_on;           /* of c->msrs[i] */
    bool user_irq;                    /* some interrupts come from c->irq_ops: irqchip off or split */
    uint8_t cr8;                      /* as last given to or taken from the kernel; local APIC ours */
    uint64_t apic_base;
    DebugHit debug_points[4]; /* what the debug registers stand for; their owner is a debugger */
    bool only_regs; /* what is dirty goes with KVM_RUN: vector state, debug registers and MSRs are as the kernel has
                       them */
    uint8_t *assist_xsave; /* as it came from the kernel */
    uint64_t assists, assist_ns,
        assist_out_ns; /* instructions that the engine executed; time in it, and for the state out */
    bool stats_asked;  /* its thread, or stopped: stats_fd is there, or -errno */
    int stats_fd;
    bool debug_again; /* KVM_SET_GUEST_DEBUG once more after the state */
} KvmVcpu;
#define KVM_VCPU(c) ((KvmVcpu *)(c)->accel)
#define KVM_MSR_BUF 256

extern const AccelDesc accel_kvm;

/* kvm.c */
int kvm_ioctl(unsigned long req, void *arg);    /* on /dev/kvm; -errno */
int kvm_vm_ioctl(unsigned long req, void *arg); /* on the VM */
int kvm_vcpu_ioctl(KvmVcpu *v, unsigned long req, void *arg);
int kvm_check_extension(unsigned cap); /* 0: absent */
bool kvm_enable_cap(unsigned cap, uint64_t arg0, uint64_t arg1);

/* exits.c */
VcpuExit kvm_run_vcpu(X86CPU *c);
void kvm_kick_vcpu(X86CPU *c);
void kvm_signal_init(void);
const char *kvm_exit_name(unsigned reason);

/* state.c */
bool kvm_get_state(X86CPU *c, Error **errp);
bool kvm_put_state(X86CPU *c, CpuStateLevel level, Error **errp);
/* Of a CPU in the midst of its instructions, by its own thread: all but the local APIC, the MP state, and MSRs that
 * only RDMSR and WRMSR are about. */
bool kvm_get_insn_state(X86CPU *c, Error **errp);
bool kvm_get_other_state(X86CPU *c, Error **errp); /* local APIC and MP state */
bool kvm_inject_mce(X86CPU *c, const struct MceEvent *e, Error **errp);

/* msrs.c */
bool kvm_get_msrs(X86CPU *c, Error **errp);
bool kvm_put_msrs(X86CPU *c, CpuStateLevel level, Error **errp);
bool kvm_get_runtime_msrs(X86CPU *c, Error **errp);
bool kvm_get_other_msrs(X86CPU *c, Error **errp);    /* the rest */
unsigned kvm_runtime_msrs(X86CPU *c, uint64_t *out); /* as they are in c, at most KVM_MSR_BUF; how many */
void kvm_msrs_init_vcpu(X86CPU *c);
uint64_t kvm_guest_tsc(X86CPU *c);
uint64_t kvm_msr_supported(uint32_t index);

/* cpuid.c */
bool kvm_cpuid_init(Error **errp);
void kvm_cpuid_exit(void);
uint32_t kvm_cpuid_supported(uint32_t leaf, uint32_t subleaf, CpuidReg reg);
bool kvm_cpuid_set(X86CPU *c, Error **errp);

/* slots.c */
void kvm_slots_init(void);
void kvm_dirty_ring_reap(KvmVcpu *v); /* NULL: all; VM lock held */

/* irq.c */
bool kvm_irq_init(Error **errp);
bool kvm_irqchip_create(Error **errp); /* the chips that kvm_irq_init() promised, once */
void kvm_set_gsi(unsigned gsi, int level);
bool kvm_send_msi(const MsiMessage *msi);
int kvm_add_msi_route(const MsiMessage *msi, Error **errp);
void kvm_update_msi_route(int gsi, const MsiMessage *msi);
void kvm_del_msi_route(int gsi);
bool kvm_add_irqfd(int gsi, int fd, int resample_fd);
void kvm_del_irqfd(int gsi, int fd);
bool kvm_irqchip_get(unsigned chip, void *state);
bool kvm_irqchip_set(unsigned chip, const void *state);
bool kvm_pit_create(Error **errp);
bool kvm_pit_get(void *state);
bool kvm_pit_set(const void *state);
bool kvm_pit_reinject(bool on);

/* eventfd.c */
void kvm_eventfd_init(void);
void kvm_coalesced_drain_slow(void);
static inline void kvm_coalesced_drain(void)
{
    if (__atomic_load_n(&kvm.ring->last, __ATOMIC_ACQUIRE) != kvm.ring->first)
        kvm_coalesced_drain_slow();
}

/* stats.c */
void kvm_stats(X86CPU *c, AccelStatFn *fn, void *opaque);
void kvm_stats_engine(X86CPU *c, AccelStatFn *fn, void *opaque); /* where the engine runs the guest */
void kvm_stats_exit(void);

/* clock.c */
void kvm_clock_init(void);

/* debug.c */
void kvm_debug_init(void);
void kvm_debug_exit(void);
bool kvm_update_debug(X86CPU *c, Error **errp);
/* A KVM_EXIT_DEBUG; false: it was the guest's own exception, which it gets. */
bool kvm_debug_hit(X86CPU *c, const struct kvm_debug_exit_arch *e);
/* An instruction that could not be emulated was a breakpoint's INT3. */
bool kvm_debug_stopped_emulation(X86CPU *c);

#endif
