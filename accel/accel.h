/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accelerators: what can run a vCPU. All that hw/ knows of them is here.
 * Descriptors in accel/accels.c, in the order that `-accel help` shows. One is in use.
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include "hw/core/prop.h"
#include "softmmu/memory.h"
#include "target/i386/cpu.h"

/* Which interrupt controllers are the kernel's. */
typedef enum IrqchipMode {
    IRQCHIP_USER,  /* all ours: PIC, PIT, IOAPIC, local APIC */
    IRQCHIP_SPLIT, /* local APICs in the kernel */
    IRQCHIP_KERNEL,
} IrqchipMode;

typedef enum VcpuExit {
    VCPU_EXIT_AGAIN,   /* go round: look at requests, run again */
    VCPU_EXIT_HALTED,  /* wait for an interrupt or a request */
    VCPU_EXIT_DEBUG,   /* stop for gdb */
    VCPU_EXIT_STOPPED, /* the VM was asked to stop (internal error said in words, shutdown requested) */
} VcpuExit;

typedef struct MsiMessage {
    uint64_t address;
    uint32_t data;
} MsiMessage;

/* What is counted, in query-stats' words (qapi/stats.json). */
typedef struct AccelStat {
    const char *name, *type;
    const char *unit;     /* NULL: a number */
    int base, exponent;   /* value * base^exponent units; base 0: as it is */
    unsigned bucket_size; /* of a linear histogram */
    const uint64_t *values;
    unsigned n;
} AccelStat;
typedef void AccelStatFn(const AccelStat *s, void *opaque);

struct MceEvent;
typedef struct AccelDesc {
    const char *name; /* "kvm" */
    const char *summary;
    const Prop *props; /* -accel NAME,prop=...: offsets into *config */
    void *config;
    bool hidden; /* qtest: not in `-accel help` */
    /* Try to use it; false: why not, in words with a remedy, and nothing is left behind. After the machine's and the
     * accelerator's options are known, before the machine is built. */
    bool (*init)(Error **errp);
    IrqchipMode (*irqchip_mode)(void); /* NULL: IRQCHIP_USER */

    /* Guest addresses that the accelerator needs for itself and the firmware's memory map must reserve; 0: none. */
    uint64_t reserved_gpa, reserved_size;

    /* vCPUs; in the vCPU's own thread except where said. run() is called without the VM lock. The board's CPUs are
     * initialized when all its memory is mapped. */
    bool (*vcpu_init)(X86CPU *c, Error **errp);
    void (*vcpu_destroy)(X86CPU *c);
    VcpuExit (*vcpu_run)(X86CPU *c);
    void (*vcpu_kick)(X86CPU *c); /* any thread: leave the guest soon */
    bool (*get_state)(X86CPU *c,
                      Error **errp); /* accelerator -> c->... where c->state_dirty is false; c stopped or own thread */
    bool (*put_state)(X86CPU *c, CpuStateLevel level, Error **errp);
    bool has_a20;                     /* X86CPU.a20_mask has effect (cpu.h) */
    bool (*has_smm)(void);            /* system management mode (cpu.h), known after init(); NULL: no */
    uint64_t (*guest_tsc)(X86CPU *c); /* c's own thread, or c stopped; NULL: it goes with the virtual clock */
    /* What CPUID may show of feature words with this accelerator (for -cpu host, max and filtering). */
    uint32_t (*cpuid_supported)(uint32_t leaf, uint32_t subleaf, CpuidReg reg);
    uint64_t (*msr_supported)(uint32_t index); /* the same of MSRs that tell features; NULL: none */
    /* A machine check of target/i386/mce.c, which has looked at what forbids it: into the bank by the rules there, and
     * raised if it is uncorrected. c's own thread, or c stopped; VM lock held. NULL: X86CPU's fields and
     * CPU_INTERRUPT_MCE do. */
    bool (*inject_mce)(X86CPU *c, const struct MceEvent *e, Error **errp);
    /*
     * Interrupts where irqchip_mode is not IRQCHIP_USER; VM lock held.
     * KERNEL: GSIs 0-15 are PIC and IOAPIC pins, 16-23 IOAPIC pins (GSI 0 is IOAPIC pin 2): set_gsi().
     * SPLIT: GSIs 0-23 are the pins of our IOAPIC as MSI routes: it calls update_msi_route(pin, message) on each change
     * of a redirection entry (a zero message where masked), so that the kernel knows whose EOIs come to
     * accel_ioapic_eoi, and delivers with send_msi().
     */
    void (*set_gsi)(unsigned gsi, int level);                  /* KERNEL */
    bool (*send_msi)(const MsiMessage *msi);                   /* NULL or false: the caller delivers to our APICs */
    int (*add_msi_route)(const MsiMessage *msi, Error **errp); /* a GSI for irqfd; -1: none */
    void (*update_msi_route)(int gsi, const MsiMessage *msi);
    void (*del_msi_route)(int gsi);
    bool (*add_irqfd)(int gsi, int fd, int resample_fd); /* resample_fd -1: none; false: poll the eventfd yourself */
    void (*del_irqfd)(int gsi, int fd);
    /* State of in-kernel chips, for hw/intc's kvm-* devices. state: struct kvm_irqchip (chip: 0 PIC master, 1 slave, 2
     * IOAPIC; chip_id is filled in) and struct kvm_pit_state2. A local APIC's goes with its CPU: X86CPU.lapic_page. */
    bool (*irqchip_get)(unsigned chip, void *state); /* chip 0, 1: PIC master, slave; 2: I/O APIC */
    bool (*irqchip_set)(unsigned chip, const void *state);
    bool (*pit_create)(
        Error **errp); /* before the others; by the kvm-pit device. It may be there with the first vCPU only */
    bool (*pit_get)(void *state);
    bool (*pit_set)(const void *state);
    bool (*pit_reinject)(bool on);

    /* Take the table of points and c->debug over (target/i386/debug.h), or say which of them is not possible. NULL:
     * none is. */
    bool (*update_debug)(X86CPU *c, Error **errp);
    void (*print_info)(GString *out); /* `info kvm` and neighbours */
    /* fn for each statistic of a vCPU, or of the VM (c NULL); VM lock held. NULL: nothing is counted. */
    void (*stats)(X86CPU *c, AccelStatFn *fn, void *opaque);
} AccelDesc;

/* The accelerator's local APICs saw an EOI of a level-triggered vector (SPLIT); set by our IOAPIC. VM lock held. */
extern void (*accel_ioapic_eoi)(uint8_t vector);

extern const AccelDesc *const accel_table[]; /* NULL-ended */
extern const AccelDesc *accel;               /* in use; NULL before accel_init() */
IrqchipMode accel_irqchip_mode(void);
bool accel_has_smm(void);
/* list: "kvm:tcg" from -machine accel=, or each -accel in turn; the first that can be used. opts: their options (JSON
 * object with "accel" and properties), in order. */
bool accel_init(GPtrArray *opts, Error **errp);
extern bool accel_perfmap, accel_jitdump; /* -perfmap, -jitdump; before accel_init() */

#endif
