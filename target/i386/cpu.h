/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU: the whole architectural state of an x86 CPU (Intel SDM volumes 1 and 3), shared by every accelerator.
 *
 * While a vCPU runs, its accelerator owns the state; others reach it in the vCPU's thread (vcpu_run_on) or with the VM
 * stopped, after cpu_sync_get(), and mark it with cpu_sync_dirty() before they change it.
 */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include "hw/core/device.h"
#include "softmmu/memory.h"
#include "target/i386/debug.h"
#include "target/i386/model.h"
#include "target/i386/vmstate.h"
#include <pthread.h>

typedef struct X86CPU X86CPU;

enum {
    R_RAX,
    R_RCX,
    R_RDX,
    R_RBX,
    R_RSP,
    R_RBP,
    R_RSI,
    R_RDI,
    R_R8,
    R_R9,
    R_R10,
    R_R11,
    R_R12,
    R_R13,
    R_R14,
    R_R15,
    R_GPRS
};
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_REGS };

typedef struct SegReg {
    uint16_t selector;
    uint64_t base;
    uint32_t limit; /* bytes - 1, granularity applied */
    uint32_t flags; /* the descriptor's second dword: type 8-11, S 12, DPL 13-14, P 15, AVL 20, L 21, DB 22, G 23 */
} SegReg;

typedef struct DescTable {
    uint64_t base;
    uint16_t limit;
} DescTable;

/* RFLAGS */
enum {
    FLAG_CF = 1,
    FLAG_PF = 4,
    FLAG_AF = 0x10,
    FLAG_ZF = 0x40,
    FLAG_SF = 0x80,
    FLAG_TF = 0x100,
    FLAG_IF = 0x200,
    FLAG_DF = 0x400,
    FLAG_OF = 0x800,
    FLAG_IOPL = 0x3000,
    FLAG_NT = 0x4000,
    FLAG_RF = 0x10000,
    FLAG_VM = 0x20000,
    FLAG_AC = 0x40000,
    FLAG_VIF = 0x80000,
    FLAG_VIP = 0x100000,
    FLAG_ID = 0x200000,
};
enum {
    CR0_PE = 1,
    CR0_MP = 2,
    CR0_EM = 4,
    CR0_TS = 8,
    CR0_ET = 16,
    CR0_NE = 32,
    CR0_WP = 1 << 16,
    CR0_AM = 1 << 18,
    CR0_NW = 1 << 29,
    CR0_CD = 1 << 30
};
#define CR0_PG 0x80000000U
enum {
    CR4_VME = 1 << 0,
    CR4_PVI = 1 << 1,
    CR4_TSD = 1 << 2,
    CR4_DE = 1 << 3,
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_MCE = 1 << 6,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_LA57 = 1 << 12,
    CR4_FSGSBASE = 1 << 16,
    CR4_PCIDE = 1 << 17,
    CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
    CR4_PKE = 1 << 22,
};
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800, EFER_SVME = 0x1000, EFER_FFXSR = 0x4000 };

/* Requests to a CPU: X86CPU.interrupt_request. */
enum {
    CPU_INTERRUPT_HARD = 1, /* the PIC or APIC has a vector: cpu_get_vector() */
    CPU_INTERRUPT_NMI = 2,
    CPU_INTERRUPT_SMI = 4,
    CPU_INTERRUPT_INIT = 8,
    CPU_INTERRUPT_SIPI = 16, /* vector in sipi_vector */
    CPU_INTERRUPT_MCE = 32,
    CPU_INTERRUPT_POLL = 64, /* the APIC's state changed from another thread: look at it */
    CPU_INTERRUPT_TPR = 128,
    CPU_INTERRUPT_A20 =
        256, /* a20_mask changed (AccelDesc.has_a20 only): forget what follows from the old one before going on */
};

typedef enum MpState {
    MP_RUNNABLE,
    MP_UNINIT,
    MP_INIT_RECEIVED,
    MP_HALTED,
    MP_SIPI_RECEIVED
} MpState; /* KVM_MP_STATE_*'s values */

/* How much of the state put_state hands over; each level holds the ones before. */
typedef enum CpuStateLevel {
    CPU_STATE_RUNTIME, /* what a running guest's exit may have changed */
    CPU_STATE_INIT,    /* after INIT, which leaves most MSRs as they are */
    CPU_STATE_RESET,   /* after a reset: MSRs that only a reset writes */
    CPU_STATE_FULL,    /* after migration: TSC, clocks too */
} CpuStateLevel;

/* Extended state in the XSAVE standard format: SDM volume 1 chapter 13; 4 KiB hold x87 to PKRU, AVX-512 too; AMX needs
 * more. */
#define XSAVE_AREA_MAX  12288
#define ACCEL_AREA_SIZE (512 * 1024)

typedef struct MsrValue {
    uint32_t index;
    uint64_t value;
} MsrValue;

/*
 * How a CPU reaches the interrupt controllers that are ours (hw/intc sets it through cpu_set_irq_ops()): all of them
 * where the irqchip is IRQCHIP_USER; with IRQCHIP_SPLIT only the PIC, whose ExtINT the kernel's local APIC takes:
 * pending and acknowledge are set then, the rest is NULL. Each member may be NULL. All under the VM lock, but pending()
 * also without: a hint. The source calls cpu_interrupt(c, CPU_INTERRUPT_HARD) when pending() became true and
 * cpu_reset_interrupt() when it became false; cpu_interrupt(c, CPU_INTERRUPT_INIT / _SIPI / _NMI / _SMI) for the others
 * (sipi_vector set before).
 */
typedef struct CpuIrqOps {
    bool (*pending)(X86CPU *c);    /* a vector would be delivered with IF=1 */
    int (*acknowledge)(X86CPU *c); /* INTA: the vector, -1: spurious, nothing to deliver */
    void (*set_tpr)(X86CPU *c, uint8_t cr8);
    uint8_t (*get_tpr)(X86CPU *c); /* CR8 */
    void (*set_base)(X86CPU *c, uint64_t apic_base);
    uint64_t (*get_base)(X86CPU *c);
    void (*init)(X86CPU *c);                                  /* the CPU received INIT, or was reset */
    bool (*msr_read)(X86CPU *c, uint32_t msr, uint64_t *val); /* 0x800-0x83f, TSC deadline 0x6e0; false: #GP */
    bool (*msr_write)(X86CPU *c, uint32_t msr, uint64_t val);
    void (*nmi)(X86CPU *c); /* the board's NMI line (LINT1) was pulsed */
} CpuIrqOps;

struct X86CPU {
    Device dev; /* BUS_NONE: "qemu64-x86_64-cpu" ... */

    /* config, fixed at realize */
    unsigned index; /* cpu_index */
    uint32_t apic_id;
    int32_t socket_id, die_id, core_id, thread_id;
    CpuidEntry *cpuid; /* the model's table, as the guest reads it */
    unsigned n_cpuid;
    uint32_t tsc_khz; /* as the user wants it; 0: the host's, which the accelerator puts here */
    const CpuModel *model;
    char *model_name;                      /* as the user gave it: an alias stays one */
    uint32_t user_features[FEATURE_WORDS]; /* bits that the user spoke of */
    CpuConfig config;                      /* the model's values as the user changed them */

    /* wiring and thread */
    void *accel;              /* the accelerator's own */
    const CpuIrqOps *irq_ops; /* NULL where the controllers are the kernel's */
    void *apic;               /* our local APIC (hw/intc/lapic.h), NULL where it is the kernel's */
    Device *apic_device;      /* "apic" or "kvm-apic", NULL: none; hw/intc's */
    pthread_t thread;
    int host_tid;
    bool created;
    bool ended;         /* VM lock: the thread is on its way out */
    Error *start_error; /* why it could not start */
    uint32_t wake;      /* futex, atomic: counts kicks */
    bool waiting;       /* atomic: on wake */
    /* Requests, set by any thread before a kick: */
    uint32_t interrupt_request; /* atomic */
    bool stop, stopped;         /* VM lock */
    bool unplug;                /* VM lock */
    struct VcpuWork *work_head; /* VM lock */
    int64_t icount;
    uint64_t exits;     /* how often it left the guest for us; its own thread */
    CpuDebug debug;     /* what a debugger wants; debug.h */
    DebugHit debug_hit; /* with VCPU_EXIT_DEBUG */

    /* state: reset and vmstate cover all of it */
    bool
        state_dirty; /* ours is newer than the accelerator's: put_state before the next run. Owned by the vCPU thread */
    bool state_synced; /* ours is as new as the accelerator's */
    CpuStateLevel dirty_level;
    uint64_t gpr[R_GPRS], rip, rflags;
    SegReg seg[SEG_REGS], ldt, tr;
    DescTable gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8, xcr0, efer, apic_base, pdptr[4];
    uint64_t dr[8];
    uint8_t xsave[XSAVE_AREA_MAX] __attribute__((aligned(64)));
    uint32_t xsave_size;
    MpState mp_state;
    bool halted;
    uint8_t sipi_vector;
    /* events in flight: KVM_GET_VCPU_EVENTS */
    bool exception_pending, exception_injected, exception_has_error;
    uint8_t exception_nr;
    uint32_t exception_error;
    bool exception_has_payload;
    uint64_t exception_payload;
    bool triple_fault_pending;
    bool interrupt_injected, interrupt_soft;
    uint8_t interrupt_nr, interrupt_shadow;
    bool nmi_injected, nmi_pending, nmi_masked;
    bool in_smm, smi_pending, smm_inside_nmi; /* in_smm: its memory is cpu_address_space() */
    uint32_t smbase;
    bool ignne;        /* atomic: IGNNE#; the accelerator's to take down */
    uint64_t a20_mask; /* CPU_A20_OPEN or _CLOSED; written under the VM lock by the chipset, read atomically */
    /* MSRs that exist in every model by name; the rest in msrs[] */
    uint64_t tsc, tsc_offset, tsc_adjust, tsc_deadline, tsc_aux, star, lstar, cstar, fmask, kernel_gs_base, sysenter_cs,
        sysenter_esp, sysenter_eip, pat, misc_enable, spec_ctrl, kvm_system_time, kvm_wall_clock, kvm_async_pf,
        kvm_async_pf_int, kvm_steal_time, kvm_pv_eoi, kvm_poll, mtrr_def_type, mtrr_fixed[11], mtrr_base[8],
        mtrr_mask[8], mcg_cap, mcg_status, mcg_ctl, mce_banks[10 * 4], debugctl, xss, virt_ssbd;
    /* Other MSRs that the accelerator has and the guest may have set. */
    MsrValue *msrs;
    unsigned n_msrs;
    /* The registers of a local APIC in the kernel (struct kvm_lapic_state's layout: one 32-bit register every 16
     * bytes); goes with get_state and put_state; not used with IRQCHIP_USER. */
    uint8_t lapic_page[1024];
    CpuWire wire; /* during a save or load */
    uint32_t pkru;

    /* The accelerator's own, at a fixed distance from the state (accel/tcg: the TLB, for translated code). Zero at
     * first; costs nothing while untouched. */
    uint8_t accel_area[ACCEL_AREA_SIZE] __attribute__((aligned(64)));
};
#define X86_CPU(d) container_of(d, X86CPU, dev)

/* The board's NMI: through LINT1 where the local APIC is ours, straight to the CPU otherwise. VM lock held. */
void cpu_board_nmi(X86CPU *c);
void cpu_set_irq_ops(X86CPU *c, const CpuIrqOps *ops, void *apic);
/* How a CPU's realize gets its interrupt controller, before its thread starts, and its unrealize gives it back: set by
 * the board before cpus_create() (hw/intc/lapic.h: apic_map_window()), NULL on a machine without. has_apic: the model's
 * CPUID says so. */
extern bool (*cpu_attach_apic)(X86CPU *c, bool has_apic, Error **errp);
extern void (*cpu_detach_apic)(X86CPU *c);

/*
 * The chipset's hold on the CPUs (chipset.c), for accelerators that say that they follow it.
 *
 * A20 (AccelDesc.has_a20): every physical address that a CPU makes, page tables included, is ANDed with its a20_mask. A
 * change reaches each CPU as CPU_INTERRUPT_A20, the one that made it included: before its next instruction. One gate
 * for all: the last writer of port 92h and the keyboard controller wins, as in QEMU. A reset opens it, INIT leaves it.
 * Where the accelerator does not follow (kvm) only `info registers` and the stream tell.
 *
 * SMM (AccelDesc.has_smm): a request CPU_INTERRUPT_SMI, from the chipset's SMI pin (CPU 0) or the local APIC, is taken
 * between two instructions unless in_smm: the state is saved at smbase, in_smm set, RSM undoes both. While in_smm each
 * access of the CPU, fetches and page table walks included, goes to cpu_address_space(c): as_memory with the chipset's
 * SMRAM over it; a translation or a piece of code that was made in one of the two spaces must not be used in the other.
 * cpu_smm_space comes with the board, which is built before the first vcpu_init(): listeners register on it there.
 */
#define CPU_A20_OPEN   UINT64_MAX
#define CPU_A20_CLOSED (~(uint64_t)(1 << 20))
void cpu_set_a20(bool open);        /* VM lock */
Irq *cpu_a20_line(void);            /* the same as a line; port 92h and the keyboard controller drive it */
Irq *cpu_smi_line(void);            /* rising: an SMI for CPU 0 */
extern AddressSpace *cpu_smm_space; /* NULL: the board has no SMM, or the accelerator none */
static inline AddressSpace *cpu_address_space(const X86CPU *c)
{
    return c->in_smm && cpu_smm_space ? cpu_smm_space : &as_memory;
}
void cpu_smm_init(MemoryRegion *smram); /* by the board: what lies over system memory in SMM */
/* The page of registers of the calling CPU's local APIC, from address 0 on: for an accelerator that follows
 * IA32_APIC_BASE away from FEE00000h, where apic_map_window() has it in system memory. NULL: no local APIC is ours. */
extern AddressSpace *cpu_apic_space;
/* x87 errors while CR0.NE is 0 (SDM volume 1, 8.7): an accelerator that raises them sets this line, the board's
 * interrupt 13; NULL: there is none. The board puts it down when port F0h is written, and says so by cpu_ignne(): the
 * CPUs work on until the exception is cleared. VM lock. */
extern Irq *cpu_ferr_line;
void cpu_ignne(void);

/* Power-on state (SDM volume 3, table 10-1); the boot CPU runs, others wait for SIPI. */
void cpu_reset(X86CPU *c);
/* INIT: as reset, but the FPU, MSRs, caches and (of the boot CPU) nothing else survive as in table 10-1's INIT column.
 */
void cpu_init_reset(X86CPU *c);
void cpu_sipi(X86CPU *c, uint8_t vector);
void cpu_sync_get(X86CPU *c); /* bring c's state here from the accelerator; in its thread or with the VM stopped */
void cpu_sync_dirty(X86CPU *c, CpuStateLevel level); /* sync_get, then ours counts */
void cpu_sync_all(void);
uint64_t cpu_tsc(X86CPU *c);                               /* its time stamp counter now; in its thread, or c stopped */
void cpu_print_regs(X86CPU *c, GString *out);              /* `info registers` */
void cpu_print_present(X86CPU *c, bool fpu, GString *out); /* the same by who has the state in X86CPU already */
void cpu_print_mem(X86CPU *c, GString *out);               /* `info mem` */
void cpu_print_tlb(X86CPU *c, GString *out);               /* `info tlb` */
/* Guest-virtual to guest-physical by the CPU's present paging mode; false: not mapped. */
bool cpu_translate(X86CPU *c, uint64_t va, uint64_t *gpa);
bool cpu_read_virtual(X86CPU *c, uint64_t va, void *buf, size_t len);
bool cpu_write_virtual(X86CPU *c, uint64_t va, const void *buf,
                       size_t len); /* whatever the page's rights are, ROM too */

extern const VmState cpu_vmstate, cpu_common_vmstate; /* the latter's section comes first */
void cpu_state_loaded(X86CPU *c);                     /* all of it is new: to the accelerator before the next run */
bool cpu_has_work(X86CPU *c);                         /* a halted CPU would wake; VM lock held */
/* Which of the INIT and SIPI requests r c's thread has to look at: in SMM INIT waits until RSM, and a SIPI, which only
 * one that waits for it takes, is lost (APM volume 2, 10.3.3). In c's thread. */
static inline unsigned cpu_init_requests(const X86CPU *c, unsigned r)
{
    return r & (c->in_smm ? CPU_INTERRUPT_SIPI : CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI);
}

/* -cpu TEXT: check the model and its features; the CPUs are made by cpus_create() from the machine's -smp. */
bool cpus_create(Error **errp);
Json *cpu_definitions(void); /* query-cpu-definitions' reply */
/* Every property (full), or those that make the model out of `base`, of a model after props (may be NULL) were set and
 * what the accelerator lacks was taken off. NULL on error. */
Json *cpu_model_expand(const char *name, const Json *props, bool full, Error **errp);
void cpu_models_help(void); /* -cpu help, to stdout */
extern const DeviceDesc x86_cpu_desc;

#endif
