/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The subsections of a CPU's section "cpu", named as in Debian's QEMU. Those of KVM's MSRs, the x87 pointers,
 * TSC_ADJUST, the TSC deadline, MISC_ENABLE, the TSC's frequency and PKRU stand so in its streams, in this order. Each
 * is saved where its state is not what a stream without it means: vmstate.c's pre_load() sets that. Not there: MPX, the
 * performance counters, Hyper-V, PKRS, Processor Trace, last branch records, SGX, AMX, nested virtualisation.
 */
#include "target/i386/cpu.h"

#define SUBSECTION(var, name_, cond, ...)                                                                              \
    static bool var##_needed(void *opaque)                                                                             \
    {                                                                                                                  \
        const X86CPU *c = opaque;                                                                                      \
        return cond;                                                                                                   \
    }                                                                                                                  \
    static const VmState var = {.name = name_,                                                                         \
                                .version = 1,                                                                          \
                                .min_version = 1,                                                                      \
                                .needed = var##_needed,                                                                \
                                .fields = (const VmField[]){__VA_ARGS__, {}}}

static bool any(const uint64_t *q, size_t n)
{
    while (n)
        if (q[--n])
            return true;
    return false;
}

static bool avx512_in_use(const CpuWire *w)
{
    return any(w->opmask, ARRAY_SIZE(w->opmask)) || any(w->zmm_high, ARRAY_SIZE(w->zmm_high)) ||
           any(w->zmm16, ARRAY_SIZE(w->zmm16));
}

SUBSECTION(exception_info, "cpu/exception_info", c->wire.exception_pending, VM_U8(X86CPU, wire.exception_pending),
           VM_U8(X86CPU, wire.exception_injected), VM_U8(X86CPU, wire.exception_has_payload),
           VM_U64(X86CPU, exception_payload));
SUBSECTION(async_pf, "cpu/async_pf_msr", c->kvm_async_pf, VM_U64(X86CPU, kvm_async_pf));
SUBSECTION(async_pf_int, "cpu/async_pf_int_msr", c->kvm_async_pf_int, VM_U64(X86CPU, kvm_async_pf_int));
SUBSECTION(pv_eoi, "cpu/async_pv_eoi_msr", c->kvm_pv_eoi, VM_U64(X86CPU, kvm_pv_eoi));
SUBSECTION(steal_time, "cpu/steal_time_msr", c->kvm_steal_time, VM_U64(X86CPU, kvm_steal_time));
SUBSECTION(poll_control, "cpu/poll_control_msr", c->kvm_poll != 1, VM_U64(X86CPU, kvm_poll));
SUBSECTION(fpop_ip_dp, "cpu/fpop_ip_dp", c->wire.fpop || c->wire.fpip || c->wire.fpdp, VM_U16(X86CPU, wire.fpop),
           VM_U64(X86CPU, wire.fpip), VM_U64(X86CPU, wire.fpdp));
SUBSECTION(tsc_adjust, "cpu/msr_tsc_adjust", c->tsc_adjust, VM_U64(X86CPU, tsc_adjust));
SUBSECTION(tsc_deadline, "cpu/msr_tscdeadline", c->tsc_deadline, VM_U64(X86CPU, tsc_deadline));
SUBSECTION(misc_enable, "cpu/msr_ia32_misc_enable", c->misc_enable != 1, VM_U64(X86CPU, misc_enable));
SUBSECTION(feature_control, "cpu/msr_ia32_feature_control", c->wire.feature_control,
           VM_U64(X86CPU, wire.feature_control));
SUBSECTION(avx512, "cpu/avx512", avx512_in_use(&c->wire), VM_INT_ARRAY(X86CPU, wire.opmask),
           VM_INT_ARRAY(X86CPU, wire.zmm_high), VM_INT_ARRAY(X86CPU, wire.zmm16));
SUBSECTION(xss, "cpu/xss", c->xss, VM_U64(X86CPU, xss));
SUBSECTION(umwait, "cpu/umwait", c->wire.umwait, VM_U32(X86CPU, wire.umwait));
SUBSECTION(tsc_khz, "cpu/tsc_khz", c->tsc_khz, VM_I64(X86CPU, wire.tsc_khz));
SUBSECTION(smi_count, "cpu/msr_smi_count", c->wire.smi_count, VM_U64(X86CPU, wire.smi_count));
SUBSECTION(pkru, "cpu/pkru", c->wire.pkru, VM_U32(X86CPU, wire.pkru));
SUBSECTION(spec_ctrl, "cpu/spec_ctrl", c->spec_ctrl, VM_U64(X86CPU, spec_ctrl));
SUBSECTION(mcg_ext_ctl, "cpu/mcg_ext_ctl", c->wire.mcg_ext_ctl, VM_U64(X86CPU, wire.mcg_ext_ctl));
SUBSECTION(virt_ssbd, "cpu/virt_ssbd", c->virt_ssbd, VM_U64(X86CPU, virt_ssbd));
SUBSECTION(tsx_ctrl, "cpu/msr_tsx_ctrl", c->wire.tsx_ctrl, VM_U32(X86CPU, wire.tsx_ctrl));
SUBSECTION(triple_fault, "cpu/triple_fault", c->wire.triple_fault_pending, VM_U8(X86CPU, wire.triple_fault_pending));

const VmState *const cpu_subsections[] = {
    &exception_info, &async_pf,    &async_pf_int,    &pv_eoi,    &steal_time, &poll_control, &fpop_ip_dp, &tsc_adjust,
    &tsc_deadline,   &misc_enable, &feature_control, &avx512,    &xss,        &umwait,       &tsc_khz,    &smi_count,
    &pkru,           &spec_ctrl,   &mcg_ext_ctl,     &virt_ssbd, &tsx_ctrl,   &triple_fault, NULL,
};

static const struct {
    uint32_t index;
    uint16_t size;
    size_t wire;
} numbered[] = {
    {0x34, 8, offsetof(CpuWire, smi_count)},    {0x3a, 8, offsetof(CpuWire, feature_control)},
    {0xe1, 4, offsetof(CpuWire, umwait)},       {0x122, 4, offsetof(CpuWire, tsx_ctrl)},
    {0x4d0, 8, offsetof(CpuWire, mcg_ext_ctl)},
};

void cpu_msrs_to_wire(X86CPU *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(numbered); i++)
        for (unsigned n = 0; n < c->n_msrs; n++)
            if (c->msrs[n].index == numbered[i].index)
                memcpy((uint8_t *)&c->wire + numbered[i].wire, &c->msrs[n].value, numbered[i].size);
}

void cpu_msrs_from_wire(X86CPU *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(numbered); i++)
        for (unsigned n = 0; n < c->n_msrs; n++)
            if (c->msrs[n].index == numbered[i].index) {
                c->msrs[n].value = 0;
                memcpy(&c->msrs[n].value, (const uint8_t *)&c->wire + numbered[i].wire, numbered[i].size);
            }
}
