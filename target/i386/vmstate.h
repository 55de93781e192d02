/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire form of what a CPU's section in the migration stream holds in another shape than X86CPU does. */
#ifndef TARGET_I386_VMSTATE_H
#define TARGET_I386_VMSTATE_H

#include <stdint.h>

typedef struct X86CPU X86CPU;
typedef struct VmState VmState;

typedef struct WirePair {
    uint64_t low, high;
} WirePair;
typedef struct WireFp {
    uint64_t mantissa;
    uint16_t exponent;
} WireFp;
typedef struct WireSeg {
    uint32_t selector, limit, flags;
    uint64_t base;
} WireSeg;

typedef struct CpuWire {
    uint32_t hflags, hflags2, sysenter_cs, mxcsr, mp_state, sipi_vector, svm_intercept_exceptions, pkru, umwait,
        tsx_ctrl;
    uint16_t fpuc, fpus, fptag, fpformat, fpop, svm_intercept_crs[4];
    WireFp fp[8];    /* ST(0) first */
    WireSeg seg[10]; /* SEG_REGS, LDT, TR, GDT, IDT */
    WirePair xmm[16], ymm[16], mtrr[8];
    int32_t a20_mask, interrupt_injected, exception_nr;
    uint8_t v_tpr, soft_interrupt, nmi_injected, nmi_pending, has_error_code;
    uint8_t exception_pending, exception_injected, exception_has_payload, triple_fault_pending;
    uint64_t svm_pages[2], svm_intercept, mcg_cap, xstate_bv, fpip, fpdp;
    uint64_t feature_control, smi_count, mcg_ext_ctl;    /* MSRs that X86CPU has by number */
    uint64_t opmask[8], zmm_high[16 * 4], zmm16[16 * 8]; /* k0; bits 256-511 of ZMM0 to 15; ZMM16 to 31 */
    int64_t tsc_khz;
    uint32_t halted, interrupt_request; /* "cpu_common", which is loaded before the rest */
} CpuWire;

/* vmstate-subs.c */
extern const VmState *const cpu_subsections[]; /* of "cpu", NULL-ended, in the stream's order */
void cpu_msrs_to_wire(X86CPU *c);              /* the MSRs that X86CPU has by number, for their subsections */
void cpu_msrs_from_wire(X86CPU *c);

#endif
