/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run loop. Kicks and wake-ups: a kicker stores its request, sets run->immediate_exit and sends a signal; the loop
 * clears immediate_exit only after KVM_RUN has returned EINTR (or before the first one) and looks at the requests after
 * that. So a request is seen, or the next KVM_RUN returns at once. Re-entering KVM_RUN after each exit also completes
 * the I/O instruction that the exit belongs to, so that a vCPU leaves the loop at an instruction boundary only.
 */
#include "accel/kvm/assist.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include "util/log.h"
#include <linux/kvm_para.h>

const char *kvm_exit_name(unsigned reason)
{
    static const char *const names[] = {
        [KVM_EXIT_UNKNOWN] = "unknown",
        [KVM_EXIT_EXCEPTION] = "exception",
        [KVM_EXIT_IO] = "io",
        [KVM_EXIT_HYPERCALL] = "hypercall",
        [KVM_EXIT_DEBUG] = "debug",
        [KVM_EXIT_HLT] = "hlt",
        [KVM_EXIT_MMIO] = "mmio",
        [KVM_EXIT_IRQ_WINDOW_OPEN] = "irq window open",
        [KVM_EXIT_SHUTDOWN] = "shutdown",
        [KVM_EXIT_FAIL_ENTRY] = "fail entry",
        [KVM_EXIT_INTR] = "intr",
        [KVM_EXIT_SET_TPR] = "set tpr",
        [KVM_EXIT_TPR_ACCESS] = "tpr access",
        [KVM_EXIT_NMI] = "nmi",
        [KVM_EXIT_INTERNAL_ERROR] = "internal error",
        [KVM_EXIT_WATCHDOG] = "watchdog",
        [KVM_EXIT_SYSTEM_EVENT] = "system event",
        [KVM_EXIT_IOAPIC_EOI] = "ioapic eoi",
        [KVM_EXIT_HYPERV] = "hyperv",
        [KVM_EXIT_X86_RDMSR] = "rdmsr",
        [KVM_EXIT_X86_WRMSR] = "wrmsr",
        [KVM_EXIT_DIRTY_RING_FULL] = "dirty ring full",
        [KVM_EXIT_AP_RESET_HOLD] = "ap reset hold",
        [KVM_EXIT_X86_BUS_LOCK] = "bus lock",
        [KVM_EXIT_XEN] = "xen",
        [KVM_EXIT_NOTIFY] = "notify",
        [KVM_EXIT_MEMORY_FAULT_] = "memory fault",
    };

    return reason < ARRAY_SIZE(names) && names[reason] ? names[reason] : "unheard of";
}

static void kick_signal(int sig)
{
    /* Its arrival is what counts: KVM_RUN returns EINTR. */
}

void kvm_signal_init(void)
{
    struct sigaction sa = {.sa_handler = kick_signal, .sa_flags = SA_RESTART};

    sigaction(SIG_VCPU_KICK, &sa, NULL);
}

void kvm_kick_vcpu(X86CPU *c)
{
    KvmVcpu *v = KVM_VCPU(c);

    /* Who finds it set has a signal under way, or the vCPU's own thread set it. */
    if (!__atomic_exchange_n(&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST) && c != current_cpu)
        pthread_kill(c->thread, SIG_VCPU_KICK);
}

/* The state and the instruction, for the user who has to report it. */
static void print_state(X86CPU *c, const uint8_t *insn, unsigned insn_len)
{
    g_autoptr(GString) s = g_string_new(NULL);

    cpu_print_regs(c, s);
    g_string_append(s, "Code=");
    if (insn) {
        for (unsigned i = 0; i < insn_len; i++)
            g_string_append_printf(s, "%s%02x", i ? " " : "", insn[i]);
    } else {
        uint64_t pc = c->seg[SEG_CS].base + c->rip;
        uint8_t byte;

        for (unsigned i = 0; i < 16 && cpu_read_virtual(c, pc + i, &byte, 1); i++)
            g_string_append_printf(s, "%s%02x", i ? " " : "", byte);
    }
    for (char *line = s->str, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        error_report("%s", line);
    }
}

static VcpuExit stop_on_error(X86CPU *c, const uint8_t *insn, unsigned insn_len)
{
    vm_lock();
    print_state(c, insn, insn_len);
    vm_stop_request(RUN_INTERNAL_ERROR);
    vm_unlock();
    return VCPU_EXIT_STOPPED;
}

static VcpuExit internal_error(X86CPU *c, struct kvm_run *run)
{
    static const char *const suberrors[] = {
        [KVM_INTERNAL_ERROR_EMULATION] = "emulation failure",
        [KVM_INTERNAL_ERROR_SIMUL_EX] = "simultaneous exceptions",
        [KVM_INTERNAL_ERROR_DELIVERY_EV] = "exit while an event was delivered",
        [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "unexpected exit reason",
    };
    unsigned sub = run->internal.suberror;
    const uint8_t *insn = NULL;
    unsigned insn_len = 0;
    VcpuExit e;

    if (sub == KVM_INTERNAL_ERROR_EMULATION && debug_point_count && kvm_debug_stopped_emulation(c))
        return VCPU_EXIT_DEBUG;
    if (sub == KVM_INTERNAL_ERROR_EMULATION && kvm.assist == ASSIST_INSN && kvm_assist_insn(c, &e))
        return e;
    error_report("CPU %u: KVM internal error. Suberror: %u (%s)", c->index, sub,
                 sub < ARRAY_SIZE(suberrors) && suberrors[sub] ? suberrors[sub] : "unknown");
    for (unsigned i = 0; i < MIN(run->internal.ndata, ARRAY_SIZE(run->internal.data)); i++)
        error_report("extra data[%u]: 0x%016" PRIx64, i, (uint64_t)run->internal.data[i]);
    if (sub == KVM_INTERNAL_ERROR_EMULATION && run->emulation_failure.ndata >= 1 &&
        run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
        insn = run->emulation_failure.insn_bytes;
        insn_len = MIN(run->emulation_failure.insn_size, sizeof(run->emulation_failure.insn_bytes));
    }
    return stop_on_error(c, insn, insn_len);
}

static void handle_io(struct kvm_run *run)
{
    uint8_t *p = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size, count = run->io.count;
    uint16_t port = run->io.port;
    /* One hold of the lock for a whole REP. */
    bool lock = count > 1;

    if (lock)
        vm_lock();
    if (run->io.direction == KVM_EXIT_IO_OUT) {
        for (; count; count--, p += size)
            io_write(port, (uint32_t)ldn_le(p, size), size);
    } else {
        for (; count; count--, p += size)
            stn_le(p, size, io_read(port, size));
    }
    if (lock)
        vm_unlock();
}

static void handle_mmio(struct kvm_run *run)
{
    unsigned len = run->mmio.len;
    MemResult res = MEM_OK;

    /* An access that spans two pages of MMIO may have any length up to 8. */
    if (len & (len - 1) || !len) {
        if (run->mmio.is_write)
            as_write(&as_memory, run->mmio.phys_addr, run->mmio.data, MIN(len, 8U));
        else
            as_read(&as_memory, run->mmio.phys_addr, run->mmio.data, MIN(len, 8U));
    } else if (run->mmio.is_write) {
        as_store(&as_memory, run->mmio.phys_addr, len, ldn_le(run->mmio.data, len), &res);
    } else {
        stn_le(run->mmio.data, len, as_load(&as_memory, run->mmio.phys_addr, len, &res));
    }
}

static void handle_msr(X86CPU *c, struct kvm_run *run, bool write)
{
    const CpuIrqOps *ops = c->irq_ops;
    uint64_t val = run->msr.data;
    bool ok = false;

    vm_lock();
    if (write && ops && ops->msr_write)
        ok = ops->msr_write(c, run->msr.index, val);
    else if (!write && ops && ops->msr_read)
        ok = ops->msr_read(c, run->msr.index, &val);
    vm_unlock();
    if (ok)
        run->msr.data = val;
    else
        log_at(LOG_GUEST_ERROR, "%s of MSR 0x%x, which this CPU does not have: #GP\n", write ? "WRMSR" : "RDMSR",
               run->msr.index);
    run->msr.error = !ok;
}

static VcpuExit system_event(X86CPU *c, struct kvm_run *run)
{
    switch (run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        system_shutdown_request(CAUSE_GUEST_SHUTDOWN);
        return VCPU_EXIT_STOPPED;
    case KVM_SYSTEM_EVENT_RESET:
        system_reset_request(CAUSE_GUEST_RESET);
        return VCPU_EXIT_STOPPED;
    case KVM_SYSTEM_EVENT_CRASH:
        error_report("CPU %u: KVM reports that the guest crashed", c->index);
        system_guest_panicked();
        return panic_action == PANIC_ACTION_NONE ? VCPU_EXIT_AGAIN : VCPU_EXIT_STOPPED;
    default:
        error_report("CPU %u: KVM reports a system event %u that is not known", c->index, run->system_event.type);
        return stop_on_error(c, NULL, 0);
    }
}

static VcpuExit notify_exit(X86CPU *c, struct kvm_run *run)
{
    bool invalid = run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID;

    if (!invalid && kvm.config.notify_vmexit == 0) {
        log_at(LOG_GUEST_ERROR, "CPU %u: no event window for the notify window: goes on\n", c->index);
        return VCPU_EXIT_AGAIN;
    }
    error_report("CPU %u: KVM: notify exit: %s", c->index,
                 invalid ? "the vCPU's context is corrupted"
                         : "the guest left no event window open (-accel kvm,notify-vmexit=internal-error)");
    return stop_on_error(c, NULL, 0);
}

/* Requests in words of KVM, and interrupts of controllers that are ours. Called where there may be some. */
static void before_run(X86CPU *c, KvmVcpu *v)
{
    struct kvm_run *run = v->run;
    unsigned r = __atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE);

    if (r & CPU_INTERRUPT_NMI) {
        cpu_reset_interrupt(c, CPU_INTERRUPT_NMI);
        kvm_vcpu_ioctl(v, KVM_NMI, NULL);
    }
    if (r & CPU_INTERRUPT_SMI) {
        cpu_reset_interrupt(c, CPU_INTERRUPT_SMI);
        if (kvm.smm)
            kvm_vcpu_ioctl(v, KVM_SMI, NULL);
    }
    if (r & (CPU_INTERRUPT_POLL | CPU_INTERRUPT_TPR | CPU_INTERRUPT_MCE))
        cpu_reset_interrupt(c, CPU_INTERRUPT_POLL | CPU_INTERRUPT_TPR | CPU_INTERRUPT_MCE);
    if (!v->user_irq)
        return;

    const CpuIrqOps *ops = c->irq_ops;

    run->request_interrupt_window = 0;
    if (ops && ops->pending && ops->pending(c)) {
        vm_lock();
        if (run->ready_for_interrupt_injection && run->if_flag && ops->pending(c)) {
            int vector = ops->acknowledge(c);

            if (vector >= 0) {
                struct kvm_interrupt irq = {.irq = vector};
                int e = kvm_vcpu_ioctl(v, KVM_INTERRUPT, &irq);

                if (e < 0)
                    error_report("CPU %u: KVM_INTERRUPT of vector 0x%02x: %s", c->index, vector, strerror(-e));
                run->ready_for_interrupt_injection = 0;
            }
        }
        if (ops->pending(c))
            run->request_interrupt_window = 1;
        vm_unlock();
    }
    if (kvm.irqchip == IRQCHIP_USER && ops && ops->get_tpr)
        run->cr8 = v->cr8 = ops->get_tpr(c);
}

/* What an exit tells about the CPU where its local APIC is ours. */
static void after_run(X86CPU *c, KvmVcpu *v)
{
    struct kvm_run *run = v->run;
    const CpuIrqOps *ops = c->irq_ops;

    c->rflags = run->if_flag ? c->rflags | FLAG_IF : c->rflags & ~(uint64_t)FLAG_IF;
    if (kvm.irqchip != IRQCHIP_USER || !ops)
        return;
    /* Not known without a look at the state; the kernel itself holds back what they mask. */
    c->in_smm = c->nmi_masked = false;
    if (run->cr8 != v->cr8 && ops->set_tpr) {
        vm_lock();
        v->cr8 = run->cr8;
        ops->set_tpr(c, v->cr8);
        vm_unlock();
    }
    if (run->apic_base != v->apic_base && ops->set_base) {
        vm_lock();
        v->apic_base = run->apic_base;
        ops->set_base(c, v->apic_base);
        vm_unlock();
    }
}

/* KVM_RUN failed with e, a positive errno. AGAIN: go on. */
static VcpuExit run_failed(X86CPU *c, KvmVcpu *v, int e)
{
    struct kvm_run *run = v->run;

    if (e == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT_) {
        KvmMemoryFault f;

        memcpy(&f, run->padding, sizeof(f));
        error_report("CPU %u: KVM: memory fault at guest address 0x%" PRIx64 ", %" PRIu64 " bytes, flags 0x%" PRIx64,
                     c->index, f.gpa, f.size, f.flags);
    } else {
        error_report("CPU %u: KVM_RUN failed: %s", c->index, strerror(e));
        if (e == EFAULT)
            error_report("the host cannot provide a page of guest memory: a file behind it may be shorter than the "
                         "memory, or huge pages "
                         "or memory have run out");
    }
    return stop_on_error(c, NULL, 0);
}

static VcpuExit handle_exit(X86CPU *c, KvmVcpu *v)
{
    struct kvm_run *run = v->run;

    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        handle_io(run);
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_MMIO:
        handle_mmio(run);
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_IRQ_WINDOW_OPEN:
    case KVM_EXIT_INTR:
    case KVM_EXIT_SET_TPR:
    case KVM_EXIT_NMI:
    case KVM_EXIT_X86_BUS_LOCK:
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_HLT:
        return VCPU_EXIT_HALTED;
    case KVM_EXIT_IOAPIC_EOI:
        vm_lock();
        if (accel_ioapic_eoi)
            accel_ioapic_eoi(run->eoi.vector);
        vm_unlock();
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_X86_RDMSR:
    case KVM_EXIT_X86_WRMSR:
        handle_msr(c, run, run->exit_reason == KVM_EXIT_X86_WRMSR);
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_HYPERCALL:
        run->hypercall.ret = (uint64_t)-KVM_ENOSYS;
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_DIRTY_RING_FULL:
        vm_lock();
        kvm_dirty_ring_reap(NULL);
        vm_unlock();
        return VCPU_EXIT_AGAIN;
    case KVM_EXIT_SHUTDOWN:
        log_at(LOG_RESET, "CPU %u: triple fault\n", c->index);
        system_reset_request(CAUSE_GUEST_RESET);
        return VCPU_EXIT_STOPPED;
    case KVM_EXIT_SYSTEM_EVENT:
        return system_event(c, run);
    case KVM_EXIT_DEBUG:
        return kvm_debug_hit(c, &run->debug.arch) ? VCPU_EXIT_DEBUG : VCPU_EXIT_AGAIN;
    case KVM_EXIT_NOTIFY:
        return notify_exit(c, run);
    case KVM_EXIT_INTERNAL_ERROR:
        return internal_error(c, run);
    case KVM_EXIT_FAIL_ENTRY:
        error_report("CPU %u: KVM: entry to the guest failed, hardware error 0x%" PRIx64, c->index,
                     (uint64_t)run->fail_entry.hardware_entry_failure_reason);
        return stop_on_error(c, NULL, 0);
    case KVM_EXIT_UNKNOWN:
        error_report("CPU %u: KVM: unknown exit, hardware reason 0x%" PRIx64, c->index,
                     (uint64_t)run->hw.hardware_exit_reason);
        return stop_on_error(c, NULL, 0);
    case KVM_EXIT_EXCEPTION:
        error_report("CPU %u: KVM: exception %u, error code 0x%x, came out of the guest", c->index, run->ex.exception,
                     run->ex.error_code);
        return stop_on_error(c, NULL, 0);
    case KVM_EXIT_MEMORY_FAULT_:
        return run_failed(c, v, EFAULT);
    default:
        error_report("CPU %u: KVM: exit %u (%s) is not handled", c->index, run->exit_reason,
                     kvm_exit_name(run->exit_reason));
        return stop_on_error(c, NULL, 0);
    }
}

static inline void clear_kick(struct kvm_run *run)
{
    __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

VcpuExit kvm_run_vcpu(X86CPU *c)
{
    KvmVcpu *v = KVM_VCPU(c);
    struct kvm_run *run = v->run;

    clear_kick(run);
    if (vcpu_must_leave(c))
        return VCPU_EXIT_AGAIN;
    for (;;) {
        if (c->state_dirty) {
            Error *err = NULL;

            if (!kvm_put_state(c, c->dirty_level, &err)) {
                error_prepend(&err, "CPU %u: ", c->index);
                error_report_err(err);
                vm_stop_request(RUN_INTERNAL_ERROR);
                return VCPU_EXIT_STOPPED;
            }
            if (v->debug_again)
                kvm_update_debug(c, NULL);
        }
        if (v->user_irq || __atomic_load_n(&c->interrupt_request, __ATOMIC_RELAXED))
            before_run(c, v);
        c->state_synced = false;

        int r = kvm_sys->ioctl(v->fd, KVM_RUN, NULL);

        c->exits++;
        if (v->user_irq)
            after_run(c, v);
        if (kvm.ring)
            kvm_coalesced_drain();
        if (r == -EINTR || r == -EAGAIN) {
            clear_kick(run);
            if (vcpu_must_leave(c))
                return VCPU_EXIT_AGAIN;
            continue;
        }
        VcpuExit e = r < 0 ? run_failed(c, v, -r) : handle_exit(c, v);

        if (e != VCPU_EXIT_AGAIN)
            return e;
    }
}
