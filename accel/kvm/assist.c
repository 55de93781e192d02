/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine beside KVM: the decision, the way of one instruction, what is told; see assist.h. The look at the host is
 * in probe.c. */
#include "accel/kvm/assist.h"
#include "accel/kvm/probe.h"
#include "accel/tcg/map.h"
#include "accel/tcg/tcg.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"
#include <time.h>

KvmHost kvm_host;
static AccelDesc engine; /* accel_tcg as kvm */
static bool ready;       /* VM lock: the engine knows the machine's memory */

AssistMode kvm_assist_policy(const KvmHost *h)
{
    if (h->hardware || (h->paging && h->kernel_mode && h->syscall))
        return ASSIST_INSN;
    return ASSIST_STAY;
}

AssistMode kvm_assist_decide(int wanted, bool *spoilt)
{
    *spoilt = false;
    if (wanted == ASSIST_WANTED_OFF)
        return ASSIST_OFF;
    if (wanted == ASSIST_WANTED_ON)
        return ASSIST_INSN;
    kvm_host = (KvmHost){.hardware = kvm_probe_hardware()};
    if (kvm_host.hardware)
        return kvm_assist_policy(&kvm_host);
    kvm_host.paging = kvm_probe_paging(spoilt);
    /* What the whole look finds cannot change the decision where this one thing is missing: `info kvm` does it then. */
    if (kvm_host.paging)
        kvm_probe_all(&kvm_host);
    return kvm_assist_policy(&kvm_host);
}

bool kvm_assist_stay(Error **errp)
{
    props_set_defaults(accel_tcg.props, accel_tcg.config);
    if (!accel_tcg.init(errp))
        return error_prepend(errp, "the engine that would assist KVM (-accel kvm,assist=off: without it): ");
    engine = accel_tcg;
    engine.name = accel_kvm.name;
    engine.summary = accel_kvm.summary;
    engine.props = accel_kvm.props;
    engine.config = accel_kvm.config;
    engine.print_info = kvm_assist_print;
    engine.stats = kvm_stats_engine;
    accel = &engine;
    info_report("kvm: the KVM of this host emulates what runs in the kernel of a guest: the x86 engine runs the guest, "
                "with interrupt controllers of the emulator's whatever kernel-irqchip says (assist=off: KVM alone)");
    return true;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* HLT or MWAIT by the engine. Where the local APIC is in the kernel, the CPU waits there. */
static VcpuExit halted(X86CPU *c, KvmVcpu *v)
{
    struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_HALTED};

    if (kvm.irqchip == IRQCHIP_USER)
        return VCPU_EXIT_HALTED;
    kvm_vcpu_ioctl(v, KVM_SET_MP_STATE, &mp);
    return VCPU_EXIT_AGAIN;
}

/* May the instruction want MSRs that no other needs? Where the kernel gives no bytes of it nobody knows. */
static bool wants_all(const struct kvm_run *run)
{
    const uint8_t *p = run->emulation_failure.insn_bytes;
    unsigned len = MIN(run->emulation_failure.insn_size, sizeof(run->emulation_failure.insn_bytes));

    if (run->emulation_failure.ndata < 1 || !len ||
        !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
        return true;
    for (unsigned i = 0; i + 1 < len; i++) {
        if (p[i] == 0x0f && (p[i + 1] == 0x30 || p[i + 1] == 0x32))
            return true;
    }
    return false;
}

typedef struct Before {
    uint64_t dr[8], xcr0, msrs[KVM_MSR_BUF];
    unsigned n_msrs;
} Before;

static void remember(X86CPU *c, KvmVcpu *v, Before *b)
{
    if (!v->assist_xsave)
        v->assist_xsave = g_malloc(c->xsave_size);
    memcpy(v->assist_xsave, c->xsave, c->xsave_size);
    memcpy(b->dr, c->dr, sizeof(b->dr));
    b->xcr0 = c->xcr0;
    b->n_msrs = kvm_runtime_msrs(c, b->msrs);
}

/* All but MXCSR_MASK, which is nobody's to set, and whether x87 and SSE count as being at their start: they are put as
 * if not (put_xstate()). */
static bool same_xsave(const uint8_t *a, const uint8_t *b, size_t size)
{
    enum { MXCSR_MASK = 28, BV = 512 };

    return !memcmp(a, b, MXCSR_MASK) && !memcmp(a + MXCSR_MASK + 4, b + MXCSR_MASK + 4, BV - MXCSR_MASK - 4) &&
           (size <= BV || ((a[BV] | 3) == (b[BV] | 3) && !memcmp(a + BV + 1, b + BV + 1, size - BV - 1)));
}

static bool unchanged(X86CPU *c, KvmVcpu *v, const Before *b)
{
    uint64_t msrs[KVM_MSR_BUF];

    return same_xsave(v->assist_xsave, c->xsave, c->xsave_size) && !memcmp(b->dr, c->dr, sizeof(b->dr)) &&
           b->xcr0 == c->xcr0 && kvm_runtime_msrs(c, msrs) == b->n_msrs &&
           !memcmp(msrs, b->msrs, b->n_msrs * sizeof(msrs[0]));
}

/* c's state as far as the instruction may need it. *part: the rest is not there. */
static bool state_out(X86CPU *c, KvmVcpu *v, bool *part, Error **errp)
{
    *part = false;
    if (c->state_synced || c->state_dirty)
        return true;
    *part = !wants_all(v->run);
    if (!(*part ? kvm_get_insn_state(c, errp) : kvm_get_state(c, errp)))
        return false;
    c->state_synced = true;
    return true;
}

bool kvm_assist_insn(X86CPU *c, VcpuExit *e)
{
    KvmVcpu *v = KVM_VCPU(c);
    g_autoptr(Error) err = NULL;
    uint64_t start = now_ns();
    Before before;
    bool part;

    if (!state_out(c, v, &part, &err)) {
        error_report("CPU %u: %s", c->index, error_text(err));
        return false;
    }
    uint64_t got = now_ns();

    if (!TCG(c)->vec) {
        vm_lock();
        bool ok = ready || (ready = tcg_assist_init(&err));
        ok = ok && tcg_assist_vcpu_init(c, &err);
        vm_unlock();
        if (!ok) {
            error_report("CPU %u: the engine cannot assist: %s", c->index, error_text(err));
            return false;
        }
    }
    /* A #UD is what the kernel without KVM_CAP_EXIT_ON_EMULATION_FAILURE gives the guest besides the exit. If it is the
     * guest's own, the instruction raises it again. */
    if ((c->exception_injected || c->exception_pending) && c->exception_nr == EXC_UD)
        c->exception_injected = c->exception_pending = c->exception_has_payload = false;
    remember(c, v, &before);
    *e = tcg_run_insn(c);
    cpu_sync_dirty(c, CPU_STATE_RUNTIME);
    if (*e == VCPU_EXIT_HALTED)
        *e = halted(c, v);
    /* Back at once: what has not changed stays in the kernel. Else somebody may look at all of it. */
    v->only_regs = *e == VCPU_EXIT_AGAIN && unchanged(c, v, &before);
    if (*e != VCPU_EXIT_AGAIN && part && !(kvm_get_other_state(c, &err) && kvm_get_other_msrs(c, &err)))
        error_report("CPU %u: %s", c->index, error_text(err));
    v->assists++;
    v->assist_out_ns += got - start;
    v->assist_ns += now_ns() - got;
    return true;
}

static const char *yes_no(bool b)
{
    return b ? "yes" : "no";
}

void kvm_assist_print(GString *out)
{
    bool stays = accel == &engine;
    X86CPU *c;

    kvm_host.hardware = kvm_probe_hardware();
    if (stays && !kvm_host.looked)
        kvm_probe_all(&kvm_host);
    const KvmHost h = kvm_host;

    if (h.hardware) {
        g_string_append(out, "host: VMX or SVM, every mode runs on the processor\n");
    } else if (h.looked) {
        g_string_append_printf(
            out,
            "host: neither VMX nor SVM; on the processor: 64-bit kernel mode %s, 64-bit user mode %s; paging without "
            "long mode %s, SYSCALL %s\n",
            yes_no(h.kernel_mode), yes_no(h.user_mode), yes_no(h.paging), yes_no(h.syscall));
    }
    if (stays) {
        g_string_append(out, "assist: the x86 engine runs the guest; interrupt controllers are the emulator's\n");
        accel_tcg.print_info(out);
        return;
    }
    g_string_append_printf(out, "assist: %s\n",
                           kvm.config.assist == ASSIST_WANTED_OFF ? "off" : "instructions that KVM cannot emulate");
    FOREACH_VCPU (c) {
        const KvmVcpu *v = KVM_VCPU(c);

        if (v)
            g_string_append_printf(out,
                                   "CPU %u: %" PRIu64 " exits, %" PRIu64 " assists, %" PRIu64 " us in them, %" PRIu64
                                   " us for the state\n",
                                   c->index, c->exits, v->assists, v->assist_ns / 1000, v->assist_out_ns / 1000);
    }
}
