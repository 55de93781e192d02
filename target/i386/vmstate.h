/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire form of what a CPU's section in the migration stream holds in another shape than X86CPU does. */
#ifndef TARGET_I386_VMSTATE_H
#define TARGET_I386_VMSTATE_H

#include <stdint.h>

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
    uint32_t hflags, hflags2, sysenter_cs, mxcsr, mp_state, sipi_vector, svm_intercept_exceptions, halted, interrupt_request;
    uint16_t fpuc, fpus, fptag, fpformat, svm_intercept_crs[4];
    WireFp fp[8];   /* ST(0) first */
    WireSeg seg[10]; /* SEG_REGS, LDT, TR, GDT, IDT */
    WirePair xmm[16], ymm[16], mtrr[8];
    int32_t a20_mask, interrupt_injected, exception_nr;
    uint8_t v_tpr, soft_interrupt, nmi_injected, nmi_pending, has_error_code;
    uint64_t svm_pages[2], svm_intercept, mcg_cap, xstate_bv;
    int64_t tsc_khz;
} CpuWire;

#endif
