/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel/kvm against a kernel that this test plays: missing capabilities and refused calls at the start, every exit
 * reason, kicks, memory slots and dirty pages, routes, the way of the state in and out.
 */
#include "tests/unit/accel/kvm-fake.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include "target/i386/mce.h"
#include <linux/kvm_para.h>

/* Starts that fail */

static void start_fails(const char *message, const char *hint)
{
    Error *err = NULL;
    unsigned opens = k.opens, closes = k.closes;

    props_set_defaults(accel_kvm.props, accel_kvm.config);
    kvm.config.assist = ASSIST_WANTED_OFF;
    g_assert_false(accel_kvm.init(&err));
    g_assert_nonnull(strstr(error_text(err), message));
    if (hint)
        g_assert_nonnull(strstr(error_hint_text(err), hint));
    /* Nothing stays open: /dev/kvm, and the VM where it came to that. */
    g_assert_cmpuint(k.closes - closes, >=, k.opens - opens);
    g_assert_cmpint(kvm.fd, ==, -1);
    g_assert_cmpint(kvm.vm_fd, ==, -1);
    error_free(err);
}

static void test_open(void)
{
    static const struct {
        int error;
        const char *hint;
    } cases[] = {{ENOENT, "kvm_intel or kvm_amd"},
                 {EACCES, "group"},
                 {EPERM, "group"},
                 {EBUSY, "VirtualBox"},
                 {ENODEV, "firmware"}};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        k.open_error = cases[i].error;
        start_fails("Could not access KVM kernel module", cases[i].hint);
    }
    k.open_error = 0;
}

static void test_capabilities(void)
{
    static const struct {
        unsigned cap;
        const char *name;
    } required[] = {{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
                    {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "DESTROY_MEMORY_REGION"},
                    {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
                    {KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, "JOIN_MEMORY_REGIONS"},
                    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
                    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
                    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
                    {KVM_CAP_IRQCHIP, "kernel-irqchip=on"}};

    for (unsigned i = 0; i < ARRAY_SIZE(required); i++) {
        k.caps[required[i].cap] = -1;
        start_fails(required[i].name, NULL);
        k.caps[required[i].cap] = 0;
    }
}

static void test_refused(void)
{
    static const struct {
        unsigned long req;
        const char *message;
    } cases[] = {{KVM_GET_API_VERSION, "KVM_GET_API_VERSION"},
                 {KVM_CREATE_VM, "KVM_CREATE_VM"},
                 {KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR"},
                 {KVM_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR"},
                 {KVM_GET_MSR_INDEX_LIST, "KVM_GET_MSR_INDEX_LIST"},
                 {KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID"},
                 {KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE"}};
    static const int errors[] = {EIO, EFAULT, EBUSY, ENOTTY, EPERM};

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        k.refuse[0] = cases[i].req;
        k.refuse_errno = errors[i % ARRAY_SIZE(errors)];
        start_fails(cases[i].message, NULL);
    }
    k.refuse[0] = KVM_CREATE_VM;
    k.refuse_errno = EBUSY;
    start_fails("KVM_CREATE_VM", "VirtualBox");
    k.refuse[0] = 0;
}

static void options_fail(const char *prop, const char *val, const char *message)
{
    Error *err = NULL;

    props_set_defaults(accel_kvm.props, accel_kvm.config);
    kvm.config.assist = ASSIST_WANTED_OFF;
    g_assert_true(prop_set_text("kvm-accel", prop_find(accel_kvm.props, prop), accel_kvm.config, val, NULL));
    g_assert_false(accel_kvm.init(&err));
    g_assert_nonnull(strstr(error_text(err), message));
    error_free(err);
}

static void test_options(void)
{
    options_fail("dirty-ring-size", "1000", "power of two");
    options_fail("dirty-ring-size", "131072", "maximum is 65536");
    k.caps[KVM_CAP_DIRTY_LOG_RING_ACQ_REL] = k.caps[KVM_CAP_DIRTY_LOG_RING] = -1;
    options_fail("dirty-ring-size", "4096", "no dirty ring");
    k.caps[KVM_CAP_DIRTY_LOG_RING_ACQ_REL] = k.caps[KVM_CAP_DIRTY_LOG_RING] = 0;
    options_fail("xen-version", "0x4000a", "Xen is not implemented");
    options_fail("eager-split-size", "4096", "ARM");
    k.caps[KVM_CAP_SPLIT_IRQCHIP] = -1;
    options_fail("kernel-irqchip", "split", "cannot split");
    k.caps[KVM_CAP_SPLIT_IRQCHIP] = 0;
    k.refuse[0] = KVM_SET_GSI_ROUTING;
    k.refuse_errno = EINVAL;
    options_fail("kernel-irqchip", "split", "KVM_SET_GSI_ROUTING");
    k.refuse[0] = 0;
    props_set_defaults(accel_kvm.props, accel_kvm.config);
    kvm.config.assist = ASSIST_WANTED_OFF;
}

/* One that works, for the rest */

static X86CPU *cpu;
static uint8_t port_value = 0x40, port_log[256];
static unsigned port_writes, port_size, eois;

static uint64_t port_read(void *opaque, uint64_t off, unsigned size)
{
    g_assert_true(vm_locked());
    return port_value++;
}
static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    g_assert_true(vm_locked());
    port_log[port_writes++ % sizeof(port_log)] = (uint8_t)val;
    port_size = size;
}
static const IoOps port_ops = {port_read, port_write, .min = 1, .max = 4};
static IoRegion ports, mmio;
static MemoryRegion ram, rom;

static void eoi(uint8_t vector)
{
    eois += vector;
}

/* The kernel's chips are made after the memory slots, right before the first vCPU; what was said to them before is said
 * then. */
static void first_vcpu(void)
{
    static const unsigned long order[] = {KVM_CREATE_IRQCHIP,   KVM_SET_GSI_ROUTING, KVM_CREATE_PIT2,
                                          KVM_REINJECT_CONTROL, KVM_IRQ_LINE,        KVM_CREATE_VCPU};
    static const MsiMessage message = {0xfee00000, 0x55};
    Error *err = NULL;

    k.n_order = 0;
    g_assert_cmpuint(k.n_slot_calls, ==, 2);
    accel_kvm.set_gsi(4, 1);
    accel_kvm.set_gsi(5, 1);
    accel_kvm.set_gsi(5, 0);
    g_assert_true(accel_kvm.pit_create(&err));
    g_assert_true(accel_kvm.pit_reinject(false));
    int gsi = accel_kvm.add_msi_route(&message, &err);
    g_assert_cmpint(gsi, ==, 24);
    g_assert_cmpuint(k.n_order, ==, 0);

    k.refuse[0] = KVM_CREATE_IRQCHIP;
    k.refuse_errno = ENOTTY;
    g_assert_false(accel_kvm.vcpu_init(cpu, &err));
    g_assert_nonnull(strstr(error_text(err), "Create kernel irqchip failed"));
    g_clear_pointer(&err, error_free);
    k.refuse[0] = 0;

    g_assert_true(accel_kvm.vcpu_init(cpu, &err));
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        g_assert_cmphex(k.order[i], ==, order[i]);
    g_assert_cmpuint(k.line.irq, ==, 4);
    g_assert_cmpuint(k.line.level, ==, 1);
    g_assert_cmpuint(k.routes[k.n_routes - 1].u.msi.data, ==, 0x55);
    accel_kvm.del_msi_route(gsi);
}

static void start(void)
{
    Error *err = NULL;

    memory_begin();
    region_init_io(&ports, NULL, &port_ops, NULL, "ports", 16);
    region_add(&system_io, 0x100, &ports);
    region_init_io(&mmio, NULL, &port_ops, NULL, "mmio", 0x1000);
    region_add(&system_memory, 0x10000000, &mmio);
    g_assert_true(region_init_ram(&ram, NULL, "ram", 1 * MIB, NULL));
    region_add(&system_memory, 0, &ram);
    g_assert_true(region_init_rom(&rom, NULL, "rom", 64 * KIB, NULL));
    region_add(&system_memory, 0xffff0000, &rom);
    memory_commit();

    accel = &accel_kvm;
    accel_ioapic_eoi = eoi;
    g_assert_true(accel_kvm.init(&err));
    cpu = X86_CPU(device_new(&x86_cpu_desc));
    g_assert_true(cpu_expand_features(cpu, NULL));
    cpu_build_cpuid(cpu);
    first_vcpu();
    vcpus[0] = cpu;
    cpu->created = true;
    vcpu_count = 1;
    current_cpu = cpu;
    cpu_reset(cpu);
}

#define RUN(...) kvm_fake_run(cpu, (RunStep *const[]){__VA_ARGS__, NULL})

static int outs(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_IO;
    r->io.direction = KVM_EXIT_IO_OUT;
    r->io.port = 0x103;
    r->io.size = 1;
    r->io.count = 5;
    r->io.data_offset = 4096;
    memcpy((uint8_t *)r + 4096, "hello", 5);
    return 0;
}
static int ins(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_IO;
    r->io.direction = KVM_EXIT_IO_IN;
    r->io.port = 0x100;
    r->io.size = 1;
    r->io.count = 3;
    r->io.data_offset = 4096;
    return 0;
}
static int in_nobody(struct kvm_run *r)
{
    ins(r);
    g_assert_cmpmem((uint8_t *)r + 4096, 3, "\x40\x41\x42", 3);
    r->io.port = 0x900;
    r->io.size = 4;
    r->io.count = 1;
    return 0;
}
static int out_4(struct kvm_run *r)
{
    g_assert_cmphex(ldl_le((uint8_t *)r + 4096), ==, 0xffffffff);
    outs(r);
    r->io.port = 0x104;
    r->io.size = 4;
    r->io.count = 1;
    return 0;
}

static void test_io(void)
{
    g_assert_cmpint(RUN(outs, ins, in_nobody, out_4, kvm_fake_halt), ==, VCPU_EXIT_HALTED);
    g_assert_cmpmem(port_log, 5, "hello", 5);
    g_assert_cmpuint(port_writes, ==, 6);
    g_assert_cmpuint(port_size, ==, 4);
    g_assert_cmpint(cpu->exits, >=, 5);
}

static int mmio_exit(struct kvm_run *r, bool write, uint64_t addr, unsigned len, const char *data)
{
    r->exit_reason = KVM_EXIT_MMIO;
    r->mmio.phys_addr = addr;
    r->mmio.len = len;
    r->mmio.is_write = write;
    if (data)
        memcpy(r->mmio.data, data, len);
    return 0;
}
static int mmio_write4(struct kvm_run *r)
{
    return mmio_exit(r, true, 0x10000010, 4, "\x11\x22\x33\x44");
}
static int mmio_write3(struct kvm_run *r)
{
    return mmio_exit(r, true, 0x10000010, 3, "\x55\x66\x77");
}
static int mmio_read1(struct kvm_run *r)
{
    return mmio_exit(r, false, 0x10000020, 1, NULL);
}
static int mmio_read_nobody(struct kvm_run *r)
{
    g_assert_cmphex(r->mmio.data[0], ==, 0x77);
    return mmio_exit(r, false, 0x20000000, 8, "\0\0\0\0\0\0\0\0");
}
static int mmio_check(struct kvm_run *r)
{
    g_assert_cmphex(ldq_le(r->mmio.data), ==, UINT64_MAX);
    return kvm_fake_halt(r);
}

static void test_mmio(void)
{
    port_writes = 0;
    port_value = 0x77;
    RUN(mmio_write4, mmio_write3, mmio_read1, mmio_read_nobody, mmio_check);
    g_assert_cmphex(port_log[0], ==, 0x11);
    g_assert_cmpuint(port_writes, >=, 2);
}

/* Exits that end in a request or a message. */
static int shutdown_exit(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_SHUTDOWN;
    return 0;
}
static int emulation_failure(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    memset(&r->emulation_failure, 0, sizeof(r->emulation_failure));
    r->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
    r->emulation_failure.ndata = 3;
    r->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    r->emulation_failure.insn_size = 3;
    memcpy(r->emulation_failure.insn_bytes, "\x9b\xdb\xe3", 3);
    return 0;
}
static int delivery_error(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    r->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
    r->internal.ndata = 2;
    r->internal.data[0] = 0x8000030e;
    r->internal.data[1] = 0x31;
    return 0;
}
static int many_data(struct kvm_run *r)
{
    delivery_error(r);
    r->internal.suberror = 999;
    r->internal.ndata = 0xffffffff;
    return 0;
}
static int fail_entry(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_FAIL_ENTRY;
    r->fail_entry.hardware_entry_failure_reason = 0x80000021;
    return 0;
}
static int unknown(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_UNKNOWN;
    r->hw.hardware_exit_reason = 0x1234;
    return 0;
}
static int exception(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_EXCEPTION;
    r->ex.exception = 14;
    r->ex.error_code = 2;
    return 0;
}
static int unheard_of(struct kvm_run *r)
{
    r->exit_reason = 200;
    return 0;
}
static int tpr_access(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_TPR_ACCESS;
    return 0;
}
static int hyperv(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_HYPERV;
    return 0;
}
static int xen(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_XEN;
    return 0;
}
static int notify(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_NOTIFY;
    r->notify.flags = KVM_NOTIFY_CONTEXT_INVALID;
    return 0;
}
static int memory_fault(struct kvm_run *r)
{
    KvmMemoryFault f = {.flags = 8, .gpa = 0xabc000, .size = 4096};

    r->exit_reason = KVM_EXIT_MEMORY_FAULT_;
    memcpy(r->padding, &f, sizeof(f));
    return -EFAULT;
}
static int efault(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_UNKNOWN;
    return -EFAULT;
}
static int enomem(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_UNKNOWN;
    return -ENOMEM;
}
static int event_crash(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    r->system_event.type = KVM_SYSTEM_EVENT_CRASH;
    return 0;
}
static int event_reset(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    r->system_event.type = KVM_SYSTEM_EVENT_RESET;
    return 0;
}
static int event_shutdown(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    r->system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
    return 0;
}
static int event_unknown(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_SYSTEM_EVENT;
    r->system_event.type = 77;
    return 0;
}

static void test_errors(void)
{
    static const struct {
        RunStep *step;
        const char *message;
    } cases[] = {
        {emulation_failure, "emulation failure"},
        {emulation_failure, "Code=9b db e3"},
        {emulation_failure, "EIP=0000fff0"},
        {delivery_error, "extra data[0]: 0x000000008000030e"},
        {many_data, "Suberror: 999 (unknown)"},
        {fail_entry, "hardware error 0x80000021"},
        {unknown, "hardware reason 0x1234"},
        {exception, "exception 14, error code 0x2"},
        {unheard_of, "exit 200 (unheard of)"},
        {tpr_access, "(tpr access) is not handled"},
        {hyperv, "(hyperv) is not handled"},
        {xen, "(xen) is not handled"},
        {notify, "context is corrupted"},
        {memory_fault, "memory fault at guest address 0xabc000, 4096 bytes, flags 0x8"},
        {efault, "cannot provide a page"},
        {enomem, "KVM_RUN failed: Cannot allocate memory"},
        {event_unknown, "system event 77"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        int status;

        vm_start();
        g_assert_cmpint(RUN(cases[i].step), ==, VCPU_EXIT_STOPPED);
        g_assert_nonnull(strstr(reported->str, cases[i].message));
        g_assert_false(runstate_turn(&status));
        g_assert_cmpint(runstate(), ==, RUN_INTERNAL_ERROR);
    }
}

static GString *events;
static void event(const char *name, Json *data)
{
    g_string_append_printf(events, "%s %s\n", name, data ? json_get_str(data, "reason") : "");
    json_unref(data);
}

static void test_system_events(void)
{
    static const struct {
        RunStep *step;
        const char *event;
        bool ends;
    } cases[] = {{shutdown_exit, "RESET guest-reset", false},
                 {event_reset, "RESET guest-reset", false},
                 {event_shutdown, "SHUTDOWN guest-shutdown", true},
                 {event_crash, "GUEST_PANICKED", true},
                 {event_crash, "SHUTDOWN guest-panic", true}};

    events = g_string_new(NULL);
    event_hook = event;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        int status;

        vm_start();
        g_string_truncate(events, 0);
        g_assert_cmpint(RUN(cases[i].step), ==, VCPU_EXIT_STOPPED);
        /* The main loop's vcpus_pause() finds it stopped, as the outer loop would have left it. */
        cpu->stopped = true;
        g_assert_cmpint(runstate_turn(&status), ==, cases[i].ends);
        g_assert_nonnull(strstr(events->str, cases[i].event));
        runstate_set(RUN_PAUSED);
    }
    event_hook = NULL;
    g_string_free(events, true);
}

static int quiet(struct kvm_run *r, unsigned reason)
{
    r->exit_reason = reason;
    return 0;
}
static int window(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_IRQ_WINDOW_OPEN);
}
static int set_tpr(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_SET_TPR);
}
static int intr(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_INTR);
}
static int nmi_exit(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_NMI);
}
static int bus_lock(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_X86_BUS_LOCK);
}
static int eoi_exit(struct kvm_run *r)
{
    r->eoi.vector = 0x31;
    return quiet(r, KVM_EXIT_IOAPIC_EOI);
}
static int hypercall(struct kvm_run *r)
{
    r->hypercall.ret = 0;
    return quiet(r, KVM_EXIT_HYPERCALL);
}
static int rdmsr_exit(struct kvm_run *r)
{
    g_assert_cmpint((int64_t)r->hypercall.ret, ==, -KVM_ENOSYS);
    r->msr.index = 0x999;
    r->msr.error = 0;
    return quiet(r, KVM_EXIT_X86_RDMSR);
}
static int wrmsr_exit(struct kvm_run *r)
{
    g_assert_cmpuint(r->msr.error, ==, 1);
    r->msr.index = 0x999;
    r->msr.error = 0;
    return quiet(r, KVM_EXIT_X86_WRMSR);
}
static int notify_run(struct kvm_run *r)
{
    g_assert_cmpuint(r->msr.error, ==, 1);
    r->notify.flags = 0;
    return quiet(r, KVM_EXIT_NOTIFY);
}
static int ring_full(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_DIRTY_RING_FULL);
}
static int eintr(struct kvm_run *r)
{
    return -EINTR;
}
static int eagain(struct kvm_run *r)
{
    return -EAGAIN;
}
static int debug(struct kvm_run *r)
{
    return quiet(r, KVM_EXIT_DEBUG);
}

static void test_quiet(void)
{
    eois = 0;
    g_assert_cmpint(RUN(window, set_tpr, intr, nmi_exit, bus_lock, eoi_exit, hypercall, rdmsr_exit, wrmsr_exit,
                        notify_run, ring_full, eintr, eagain, kvm_fake_halt),
                    ==, VCPU_EXIT_HALTED);
    g_assert_cmpuint(k.step, ==, 14);
    g_assert_cmpuint(eois, ==, 0x31);
    g_assert_cmpint(RUN(debug), ==, VCPU_EXIT_DEBUG);
    g_assert_cmpstr(reported->str, ==, "");
}

/* Kicks: an exit with a request behind it still enters KVM_RUN once more, with immediate_exit, so that the I/O is
 * completed. */
static int out_and_stop(struct kvm_run *r)
{
    vcpu_request_exit(cpu);
    return outs(r);
}
static int kicked(struct kvm_run *r)
{
    /* As a signal that arrives in the kernel. */
    cpu->stop = true;
    kvm_kick_vcpu(cpu);
    return -EINTR;
}

static void test_kick(void)
{
    k.immediate_exit_seen = 0;
    g_assert_cmpint(RUN(out_and_stop, kvm_fake_halt), ==, VCPU_EXIT_AGAIN);
    g_assert_cmpuint(k.step, ==, 1);
    g_assert_cmpuint(k.immediate_exit_seen, ==, 1);
    g_assert_cmpuint(k.run->immediate_exit, ==, 0);
    g_assert_cmpint(RUN(kicked, kvm_fake_halt), ==, VCPU_EXIT_AGAIN);
    g_assert_cmpuint(k.step, ==, 1);
    /* One from before the loop, without a request any more: it costs nothing and is not counted. */
    k.run->immediate_exit = 1;
    g_assert_cmpint(RUN(kvm_fake_halt), ==, VCPU_EXIT_HALTED);
    /* A request from before the loop: the guest is not entered. */
    k.steps = (RunStep *const[]){NULL};
    cpu->stop = true;
    vm_unlock();
    g_assert_cmpint(accel_kvm.vcpu_run(cpu), ==, VCPU_EXIT_AGAIN);
    vm_lock();
    cpu->stop = false;
    k.nmis = 0;
    cpu_interrupt(cpu, CPU_INTERRUPT_NMI);
    RUN(kvm_fake_halt);
    g_assert_cmpuint(k.nmis, ==, 1);
    g_assert_cmpuint(cpu->interrupt_request, ==, 0);
}

/* Interrupts of chips that are ours. */
static int pending_vector = -1;
static unsigned tpr = 0;
static bool pic_pending(X86CPU *c)
{
    return pending_vector >= 0;
}
static int pic_acknowledge(X86CPU *c)
{
    int v = pending_vector;

    g_assert_true(vm_locked());
    pending_vector = -1;
    return v;
}
static void pic_set_tpr(X86CPU *c, uint8_t cr8)
{
    tpr = cr8;
}
static uint8_t pic_get_tpr(X86CPU *c)
{
    return tpr;
}
static int masked(struct kvm_run *r)
{
    g_assert_cmpuint(r->request_interrupt_window, ==, 1);
    g_assert_cmpuint(k.interrupts, ==, 0);
    r->if_flag = r->ready_for_interrupt_injection = 1;
    return window(r);
}
static int injected(struct kvm_run *r)
{
    g_assert_cmpuint(k.interrupts, ==, 1);
    g_assert_cmpuint(k.interrupt.irq, ==, 0x71);
    g_assert_cmpuint(r->request_interrupt_window, ==, 0);
    r->cr8 = 9;
    return window(r);
}

static void test_user_irq(void)
{
    static const CpuIrqOps ops = {
        .pending = pic_pending, .acknowledge = pic_acknowledge, .set_tpr = pic_set_tpr, .get_tpr = pic_get_tpr};
    KvmVcpu *v = KVM_VCPU(cpu);

    kvm.irqchip = IRQCHIP_USER;
    v->user_irq = true;
    cpu->irq_ops = &ops;
    pending_vector = 0x71;
    k.interrupts = 0;
    k.run->if_flag = k.run->ready_for_interrupt_injection = 0;
    g_assert_cmpint(RUN(masked, injected, kvm_fake_halt), ==, VCPU_EXIT_HALTED);
    g_assert_cmpuint(tpr, ==, 9);
    cpu->irq_ops = NULL;
    v->user_irq = false;
    kvm.irqchip = IRQCHIP_KERNEL;
}

/* Memory */

static struct kvm_userspace_memory_region *slot_of(uint64_t gpa)
{
    for (unsigned i = 0; i < ARRAY_SIZE(k.slots); i++) {
        if (k.slots[i].memory_size && k.slots[i].guest_phys_addr == gpa)
            return &k.slots[i];
    }
    return NULL;
}

static void test_slots(void)
{
    static MemoryRegion odd, romd;

    g_assert_cmpuint(slot_of(0)->memory_size, ==, 1 * MIB);
    g_assert_cmpuint(slot_of(0)->flags, ==, 0);
    g_assert_cmpuint(slot_of(0)->userspace_addr, ==, (uintptr_t)region_ram_ptr(&ram));
    g_assert_cmpuint(slot_of(0xffff0000)->flags, ==, KVM_MEM_READONLY);
    /* A hole at an odd place: the whole pages around it stay. */
    region_init_io(&odd, NULL, &port_ops, NULL, "odd", 0x100);
    region_add_overlap(&system_memory, 0x8080, &odd, 1);
    g_assert_cmpuint(slot_of(0)->memory_size, ==, 0x8000);
    g_assert_cmpuint(slot_of(0x9000)->memory_size, ==, MIB - 0x9000);
    g_assert_cmpuint(slot_of(0x9000)->userspace_addr, ==, (uintptr_t)region_ram_ptr(&ram) + 0x9000);
    region_del(&odd);
    g_assert_cmpuint(slot_of(0)->memory_size, ==, 1 * MIB);
    g_assert_null(slot_of(0x9000));
    /* A ROM device is memory while it is read as such. */
    g_assert_true(region_init_rom_device(&romd, NULL, &port_ops, NULL, "flash", 64 * KIB, NULL));
    region_add(&system_memory, 0xffe00000, &romd);
    g_assert_cmpuint(slot_of(0xffe00000)->flags, ==, KVM_MEM_READONLY);
    region_set_romd(&romd, false);
    g_assert_null(slot_of(0xffe00000));
    region_set_romd(&romd, true);
    g_assert_nonnull(slot_of(0xffe00000));
    region_del(&romd);
    g_assert_null(slot_of(0xffe00000));
}

static void test_dirty_log(void)
{
    unsigned long bits[4];

    region_log(&ram, DIRTY_MIGRATION, true);
    g_assert_cmpuint(slot_of(0)->flags, ==, KVM_MEM_LOG_DIRTY_PAGES);
    region_snapshot_dirty(&ram, DIRTY_MIGRATION, 0, MIB, bits);
    memset(k.dirty_log, 0, sizeof(k.dirty_log));
    k.dirty_log[0] = 0x82;
    k.dirty_log[31] = 0x80;
    k.clears = 0;
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_MIGRATION, 0, MIB, bits));
    g_assert_cmphex(bits[0], ==, 0x82);
    g_assert_cmphex(bits[3], ==, 1UL << 63);
    /* What was fetched is protected again, in whole words. */
    g_assert_cmpuint(k.clears, >=, 1);
    g_assert_cmpuint(k.clear.first_page % 64, ==, 0);
    memset(k.dirty_log, 0, sizeof(k.dirty_log));
    g_assert_false(region_snapshot_dirty(&ram, DIRTY_MIGRATION, 0, MIB, bits));
    region_log(&ram, DIRTY_MIGRATION, false);
    g_assert_cmpuint(slot_of(0)->flags, ==, 0);
}

static void test_dirty_ring(void)
{
    KvmVcpu *v = KVM_VCPU(cpu);
    unsigned long bits[4];
    uint32_t n = (uint32_t)(slot_of(0) - k.slots);

    kvm.dirty_ring_bytes = sizeof(k.ring);
    v->dirty_gfns = k.ring;
    v->dirty_next = ARRAY_SIZE(k.ring) - 1; /* and around */
    region_log(&ram, DIRTY_MIGRATION, true);
    region_snapshot_dirty(&ram, DIRTY_MIGRATION, 0, MIB, bits);
    k.ring[ARRAY_SIZE(k.ring) - 1] = (struct kvm_dirty_gfn){.flags = KVM_DIRTY_GFN_F_DIRTY, .slot = n, .offset = 5};
    k.ring[0] = (struct kvm_dirty_gfn){.flags = KVM_DIRTY_GFN_F_DIRTY, .slot = n, .offset = 200};
    k.ring[1] =
        (struct kvm_dirty_gfn){.flags = KVM_DIRTY_GFN_F_DIRTY, .slot = 60, .offset = 1}; /* a slot that is gone */
    k.ring[2] = (struct kvm_dirty_gfn){.flags = KVM_DIRTY_GFN_F_DIRTY, .slot = n, .offset = 1 << 20}; /* beyond it */
    k.ring_resets = 0;
    g_assert_true(region_snapshot_dirty(&ram, DIRTY_MIGRATION, 0, MIB, bits));
    g_assert_cmphex(bits[0], ==, 1 << 5);
    g_assert_cmphex(bits[3], ==, 1 << 8);
    g_assert_cmpuint(k.ring_resets, ==, 1);
    g_assert_cmphex(k.ring[2].flags, ==, KVM_DIRTY_GFN_F_RESET);
    k.ring[3].flags = KVM_DIRTY_GFN_F_DIRTY;
    k.ring[3].slot = n;
    RUN(ring_full, kvm_fake_halt);
    g_assert_cmpuint(k.ring_resets, ==, 2);
    region_log(&ram, DIRTY_MIGRATION, false);
    kvm.dirty_ring_bytes = 0;
    v->dirty_gfns = NULL;
}

static void test_coalesced(void)
{
    struct kvm_coalesced_mmio_ring *ring = (void *)((uint8_t *)k.run + 2 * 4096);

    g_assert_true(kvm.ring == ring);
    port_writes = 0;
    for (unsigned i = 0; i < 3; i++) {
        ring->coalesced_mmio[i] =
            (struct kvm_coalesced_mmio){.phys_addr = i == 1 ? 0x105 : 0x10000008, .len = 1, .pio = i == 1};
        ring->coalesced_mmio[i].data[0] = (uint8_t)(0x31 + i);
    }
    ring->last = 3;
    RUN(kvm_fake_halt);
    g_assert_cmpuint(port_writes, ==, 3);
    g_assert_cmpmem(port_log, 3, "123", 3);
    g_assert_cmpuint(ring->first, ==, 3);
    /* An index that cannot be ends the draining. */
    ring->first = 100000;
    RUN(kvm_fake_halt);
    ring->first = ring->last = 0;
}

/* Interrupts */

static void test_routes(void)
{
    MsiMessage m = {0xfee00000, 0x41};
    unsigned fixed = k.n_routes, gsis[8], n = 0;

    /* 15 lines of the PICs (not the cascade), 23 of the IOAPIC. */
    g_assert_cmpuint(fixed, ==, 15 + 23);
    for (int g; (g = accel_kvm.add_msi_route(&m, NULL)) >= 0; n++) {
        g_assert_cmpuint(n, <, ARRAY_SIZE(gsis));
        gsis[n] = g;
    }
    g_assert_cmpuint(n, ==, 30 - 24);
    g_assert_cmpuint(k.n_routes, ==, fixed + n);
    m.data = 0x42;
    accel_kvm.update_msi_route((int)gsis[2], &m);
    unsigned found = 0;
    for (unsigned i = 0; i < k.n_routes; i++)
        found += k.routes[i].gsi == gsis[2] && k.routes[i].u.msi.data == 0x42;
    g_assert_cmpuint(found, ==, 1);
    for (unsigned i = 0; i < n; i++)
        accel_kvm.del_msi_route((int)gsis[i]);
    accel_kvm.del_msi_route(3); /* a chip's */
    accel_kvm.del_msi_route(-1);
    g_assert_cmpuint(k.n_routes, ==, fixed);
    accel_kvm.set_gsi(9, 1);
    g_assert_cmpuint(k.line.irq, ==, 9);
    g_assert_cmpuint(k.line.level, ==, 1);
    g_assert_true(accel_kvm.send_msi(&m));
    g_assert_cmphex(k.msi.data, ==, 0x42);
    g_assert_true(accel_kvm.add_irqfd(5, 77, 78));
    g_assert_cmpuint(k.irqfd.flags, ==, KVM_IRQFD_FLAG_RESAMPLE);
    g_assert_cmpuint(k.irqfd.resamplefd, ==, 78);
    k.refuse[0] = KVM_IRQFD;
    k.refuse_errno = EINVAL;
    g_assert_false(accel_kvm.add_irqfd(5, 77, -1));
    k.refuse[0] = KVM_SET_GSI_ROUTING;
    Error *err = NULL;
    g_assert_cmpint(accel_kvm.add_msi_route(&m, &err), ==, -1);
    g_assert_nonnull(err);
    error_free(err);
    k.refuse[0] = 0;
    g_assert_cmpint(accel_kvm.add_msi_route(&m, NULL), ==, 24);
    accel_kvm.del_msi_route(24);
}

static void test_doorbells(void)
{
    region_add_eventfd(&ports, 4, 2, true, 0x55, 33);
    g_assert_cmphex(k.ioeventfd.addr, ==, 0x104);
    g_assert_cmpuint(k.ioeventfd.flags, ==, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH);
    g_assert_cmpuint(k.ioeventfd.datamatch, ==, 0x55);
    region_del_eventfd(&ports, 4, 2, true, 0x55, 33);
    g_assert_cmpuint(k.ioeventfd.flags & KVM_IOEVENTFD_FLAG_DEASSIGN, !=, 0);
    region_add_eventfd(&mmio, 0, 0, false, 0, 34);
    g_assert_cmpuint(k.ioeventfd.flags, ==, 0);
    g_assert_cmpuint(k.ioeventfd.len, ==, 0);
    region_del_eventfd(&mmio, 0, 0, false, 0, 34);
    region_add_coalescing(&mmio, 0x100, 0x10);
    g_assert_cmphex(k.zone.addr, ==, 0x10000100);
    g_assert_cmpuint(k.zone.pio, ==, 0);
}

/* State */

static int order_of(unsigned long req)
{
    for (unsigned i = 0; i < k.n_order; i++) {
        if (k.order[i] == req)
            return (int)i;
    }
    return -1;
}

static void test_state(void)
{
    g_assert_false(cpu->state_dirty);
    for (unsigned i = 0; i < sizeof(k.regs); i++)
        ((uint8_t *)&k.regs)[i] = (uint8_t)(i * 7 + 1);
    k.regs.rflags = 0x246;
    struct kvm_segment *seg = &k.sregs.cs;
    for (unsigned i = 0; i < 8; i++)
        seg[i] = (struct kvm_segment){.base = 0x1000 * i + 0x111,
                                      .limit = 0xfffff,
                                      .selector = (uint16_t)(8 * i),
                                      .type = (uint8_t)(3 + i),
                                      .present = 1,
                                      .dpl = i & 3,
                                      .db = 1,
                                      .s = i < 6,
                                      .g = 1,
                                      .avl = i & 1};
    k.sregs.gdt = (struct kvm_dtable){.base = 0x1234, .limit = 0x27};
    k.sregs.idt = (struct kvm_dtable){.base = 0x5678, .limit = 0xfff};
    k.sregs.cr0 = 0x11;
    k.sregs.cr4 = 0x600;
    k.sregs.apic_base = 0xfee00900;
    k.events = (struct kvm_vcpu_events){.exception = {.injected = 1, .nr = 14, .has_error_code = 1, .error_code = 6},
                                        .interrupt = {.shadow = 1},
                                        .nmi = {.masked = 1}};
    for (unsigned i = 0; i < sizeof(k.xsave); i++)
        ((uint8_t *)&k.xsave)[i] = (uint8_t)(i * 3);
    ((uint8_t *)&k.xsave)[512] = 3;
    k.xcrs = (struct kvm_xcrs){.nr_xcrs = 1, .xcrs[0].value = 3};
    k.debugregs = (struct kvm_debugregs){.db = {1, 2, 3, 4}, .dr6 = 0xffff0ff0, .dr7 = 0x401};
    k.mp.mp_state = KVM_MP_STATE_HALTED;
    memset(&k.lapic, 0x5a, sizeof(k.lapic));
    for (unsigned i = 0; i < ARRAY_SIZE(k.msrs); i++)
        k.msrs[i] = i + 1;
    cpu->state_synced = false;
    cpu_sync_get(cpu);
    g_assert_cmpuint(cpu->mp_state, ==, MP_HALTED);
    g_assert_cmpuint(cpu->gpr[R_RSP], ==, k.regs.rsp);
    g_assert_cmpuint(cpu->exception_nr, ==, 14);

    /* All the way back: the kernel holds what it held, but for what only the order of calls changes. */
    struct kvm_regs regs = k.regs;
    struct kvm_sregs2 sregs = k.sregs;
    struct kvm_xsave xsave = k.xsave;
    struct kvm_lapic_state lapic = k.lapic;
    uint64_t some[4] = {k.msrs[0x174], k.msrs[0x175], k.msrs[0x10], k.msrs[0x8b]};
    memset(&k.regs, 0, sizeof(k.regs));
    memset(&k.sregs, 0, sizeof(k.sregs));
    memset(&k.xsave, 0, sizeof(k.xsave));
    memset(&k.lapic, 0, sizeof(k.lapic));
    memset(k.msrs, 0, sizeof(k.msrs));
    k.n_order = 0;
    g_assert_true(accel_kvm.put_state(cpu, CPU_STATE_FULL, NULL));
    g_assert_cmpmem(&regs, sizeof(regs), &k.regs, sizeof(k.regs));
    sregs.flags = k.sregs.flags;
    g_assert_cmpmem(&sregs, sizeof(sregs), &k.sregs, sizeof(k.sregs));
    g_assert_cmpmem(&xsave, sizeof(xsave), &k.xsave, sizeof(k.xsave));
    g_assert_cmpmem(&lapic, sizeof(lapic), &k.lapic, sizeof(k.lapic));
    g_assert_cmpuint(k.events.exception.nr, ==, 14);
    g_assert_cmpuint(k.events.exception.injected, ==, 1);
    g_assert_cmpuint(k.events.nmi.masked, ==, 1);
    g_assert_cmpuint(some[0], ==, k.msrs[0x174]);
    g_assert_cmpuint(some[1], ==, k.msrs[0x175]);
    g_assert_cmpuint(some[2], ==, k.msrs[0x10]);
    g_assert_cmpuint(some[3], ==, k.msrs[0x8b]);
    g_assert_cmpint(order_of(KVM_SET_SREGS2), <, order_of(KVM_SET_MSRS));
    g_assert_cmpint(order_of(KVM_SET_XCRS), <, order_of(KVM_SET_XSAVE));
    g_assert_cmpint(order_of(KVM_SET_MSRS), <, order_of(KVM_SET_LAPIC));
    g_assert_cmpint(order_of(KVM_SET_LAPIC), <, order_of(KVM_SET_MP_STATE));
    g_assert_cmpint(order_of(KVM_SET_MP_STATE), <, order_of(KVM_SET_VCPU_EVENTS));

    /* At run time three calls go with KVM_RUN. */
    cpu->mp_state = MP_RUNNABLE;
    cpu_sync_dirty(cpu, CPU_STATE_RUNTIME);
    cpu->gpr[R_RAX] = 0xabcdef;
    k.n_order = 0;
    RUN(kvm_fake_halt);
    g_assert_cmpint(order_of(KVM_SET_REGS), ==, -1);
    g_assert_cmphex(k.run->kvm_dirty_regs, ==, 7);
    g_assert_cmphex(k.run->s.regs.regs.rax, ==, 0xabcdef);
    /* A reset goes by calls and takes back what was to go with KVM_RUN. */
    cpu_reset(cpu);
    RUN(kvm_fake_halt);
    g_assert_cmphex(k.run->kvm_dirty_regs, ==, 0);
    g_assert_cmphex(k.regs.rip, ==, 0xfff0);
    g_assert_cmphex(k.sregs.cs.base, ==, 0xffff0000);
    g_assert_cmpuint(k.mp.mp_state, ==, KVM_MP_STATE_RUNNABLE);
}

/* The stream: as long as Debian's QEMU describes it, and what went in comes out. */
static void test_vmstate(void)
{
    enum { CPU_SECTION_BYTES = 1817 };
    Error *err = NULL;
    VmWriter *w = vm_writer_new();

    cpu->kvm_poll = 1;
    cpu->tsc_khz = 0;
    for (unsigned i = 0; i < 512; i++)
        cpu->xsave[i] = (uint8_t)(i ^ 0x5a);
    stl_le(cpu->xsave + 24, 0x1f80);
    stl_le(cpu->xsave + 28, 0);
    memset(cpu->xsave + 416, 0, 96);
    for (unsigned i = 0; i < 8; i++)
        memset(cpu->xsave + 32 + 16 * i + 10, 0, 6);
    cpu->xsave[5] = 0;
    memset(cpu->xsave + 6, 0, 18);
    cpu->xsave[512] = 3;
    cpu->gpr[R_R15] = 0x1122334455667788;
    cpu->interrupt_injected = true;
    cpu->interrupt_nr = 0x77;
    cpu_state_loaded(cpu);
    g_autofree uint8_t *xsave = g_memdup2(cpu->xsave, sizeof(cpu->xsave));
    SegReg cs = cpu->seg[SEG_CS];
    g_assert_true(device_save(DEVICE(cpu), w, &err));
    g_autoptr(GByteArray) bytes = vm_writer_finish(w);
    g_assert_cmpuint(bytes->len, ==, CPU_SECTION_BYTES);
    cpu_reset(cpu);
    VmReader *r = vm_reader_new(bytes->data, bytes->len);
    g_assert_true(device_load(DEVICE(cpu), r, &err));
    vm_reader_free(r);
    g_assert_cmphex(cpu->gpr[R_R15], ==, 0x1122334455667788);
    g_assert_cmpuint(cpu->interrupt_nr, ==, 0x77);
    g_assert_true(cpu->interrupt_injected && !cpu->exception_injected);
    g_assert_cmpmem(xsave, sizeof(cpu->xsave), cpu->xsave, sizeof(cpu->xsave));
    g_assert_cmphex(cpu->seg[SEG_CS].base, ==, cs.base);
    g_assert_cmphex(cpu->seg[SEG_CS].flags, ==, cs.flags);
    g_assert_true(cpu->state_dirty);
    g_assert_cmpint(cpu->dirty_level, ==, CPU_STATE_FULL);
    /* A stream is untrusted: cut anywhere it is refused. */
    for (size_t n = 0; n < bytes->len; n += 97) {
        r = vm_reader_new(bytes->data, n);
        g_assert_false(device_load(DEVICE(cpu), r, NULL));
        vm_reader_free(r);
    }
    cpu_reset(cpu);
}

/* KVM_X86_SET_MCE: behind what was changed here, and before a halt that is ours goes on. */
static void test_mce(void)
{
    MceEvent e = {.bank = 3, .status = BIT64(63) | 1, .addr = 0x1000, .misc = 2};

    g_assert_cmpuint(cpu->mcg_cap & 0xff, ==, 10);
    RUN(kvm_fake_halt);
    cpu_reset_interrupt(cpu, ~0U);
    g_assert_true(accel_kvm.inject_mce(cpu, &e, NULL));
    g_assert_cmpuint(k.mce.bank, ==, 3);
    g_assert_cmphex(k.mce.status, ==, BIT64(63) | 1);
    g_assert_cmphex(k.mce.addr, ==, 0x1000);
    g_assert_cmphex(k.mce.misc, ==, 2);
    g_assert_cmphex(cpu->interrupt_request, ==, 0);
    g_assert_false(cpu->state_synced);
    e.status |= BIT64(61);
    e.mcg_status = 5;
    cpu_sync_dirty(cpu, CPU_STATE_RUNTIME);
    cpu->rip = 0x9999;
    k.n_order = 0;
    g_assert_true(accel_kvm.inject_mce(cpu, &e, NULL));
    g_assert_false(cpu->state_dirty);
    g_assert_cmpuint(k.run->kvm_dirty_regs, ==, 0);
    g_assert_cmpint(order_of(KVM_RUN), <, order_of(KVM_X86_SET_MCE));
    g_assert_cmphex(k.mce.mcg_status, ==, 5);
    g_assert_cmphex(cpu->interrupt_request, ==, CPU_INTERRUPT_MCE);
    /* One that KVM would raise nothing for. */
    e.mcg_status = 0;
    k.n_order = 0;
    g_assert_true(accel_kvm.inject_mce(cpu, &e, NULL));
    g_assert_cmphex(k.mce.mcg_status, ==, 4);
    g_assert_cmpint(order_of(KVM_X86_SET_MCE), <, order_of(KVM_SET_MSRS));
    k.refuse[0] = KVM_X86_SET_MCE;
    k.refuse_errno = EINVAL;
    g_assert_false(accel_kvm.inject_mce(cpu, &e, NULL));
    k.refuse[0] = 0;
    cpu_reset(cpu);
}

static void test_refused_msr(void)
{
    g_string_truncate(reported, 0);
    error_report_hook = kvm_fake_report;
    k.refused_msr = 0x174;
    g_assert_true(accel_kvm.put_state(cpu, CPU_STATE_FULL, NULL));
    g_assert_true(accel_kvm.put_state(cpu, CPU_STATE_FULL, NULL));
    g_assert_true(accel_kvm.get_state(cpu, NULL));
    error_report_hook = NULL;
    k.refused_msr = 0;
    char *first = strstr(reported->str, "MSR 0x174");
    g_assert_nonnull(first);
    g_assert_null(strstr(first + 1, "MSR 0x174"));
    /* A call that is refused is an error, with its name. */
    Error *err = NULL;
    k.refuse[0] = KVM_SET_XSAVE;
    k.refuse_errno = EINVAL;
    g_assert_false(accel_kvm.put_state(cpu, CPU_STATE_FULL, &err));
    g_assert_nonnull(strstr(error_text(err), "KVM_SET_XSAVE"));
    error_free(err);
    k.refuse[0] = KVM_GET_REGS;
    err = NULL;
    g_assert_false(accel_kvm.get_state(cpu, &err));
    g_assert_nonnull(strstr(error_text(err), "KVM_GET_REGS"));
    error_free(err);
    k.refuse[0] = KVM_SET_REGS;
    cpu_sync_dirty(cpu, CPU_STATE_FULL);
    vm_start();
    g_assert_cmpint(RUN(kvm_fake_halt), ==, VCPU_EXIT_STOPPED);
    g_assert_nonnull(strstr(reported->str, "KVM_SET_REGS"));
    k.refuse[0] = 0;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    kvm_fake_machine(argv[0]);
    g_test_add_func("/kvm/start-open", test_open);
    g_test_add_func("/kvm/start-capabilities", test_capabilities);
    g_test_add_func("/kvm/start-refused", test_refused);
    g_test_add_func("/kvm/start-options", test_options);
    g_test_add_func("/kvm/start-works", start);
    g_test_add_func("/kvm/exit-io", test_io);
    g_test_add_func("/kvm/exit-mmio", test_mmio);
    g_test_add_func("/kvm/exit-quiet", test_quiet);
    g_test_add_func("/kvm/exit-errors", test_errors);
    g_test_add_func("/kvm/exit-system-events", test_system_events);
    g_test_add_func("/kvm/kick", test_kick);
    g_test_add_func("/kvm/user-irq", test_user_irq);
    g_test_add_func("/kvm/slots", test_slots);
    g_test_add_func("/kvm/dirty-log", test_dirty_log);
    g_test_add_func("/kvm/dirty-ring", test_dirty_ring);
    g_test_add_func("/kvm/coalesced", test_coalesced);
    g_test_add_func("/kvm/routes", test_routes);
    g_test_add_func("/kvm/doorbells", test_doorbells);
    g_test_add_func("/kvm/state", test_state);
    g_test_add_func("/kvm/vmstate", test_vmstate);
    g_test_add_func("/kvm/mce", test_mce);
    g_test_add_func("/kvm/refused-msr", test_refused_msr);
    return g_test_run();
}
