/* SPDX-License-Identifier: GPL-2.0-or-later */
/* accel/kvm/debug.c against a kernel that this test plays: debug registers, steps, software breakpoints, what stays the
 * guest's. */
#include "tests/unit/accel/kvm-fake.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

static X86CPU *cpu;
#define RUN(...) kvm_fake_run(cpu, (RunStep *const[]){__VA_ARGS__, NULL})

static struct kvm_debug_exit_arch debug_exit_arch;
static int debug_exit(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_DEBUG;
    r->debug.arch = debug_exit_arch;
    return 0;
}
static VcpuExit debug_run(unsigned exception, uint64_t pc, uint64_t dr6)
{
    debug_exit_arch = (struct kvm_debug_exit_arch){.exception = exception, .pc = pc, .dr6 = dr6};
    cpu->debug_hit.kind = DEBUG_NONE;
    return RUN(debug_exit, kvm_fake_halt);
}
static void check_hit(DebugKind kind, uint64_t addr)
{
    g_assert_cmpint(cpu->debug_hit.kind, ==, kind);
    g_assert_cmphex(cpu->debug_hit.addr, ==, addr);
}

static void test_debug_registers(void)
{
    Error *err = NULL;

    g_assert_cmpint(debug_point_add(cpu, DEBUG_HARDWARE, 0x1000, 1, &err), ==, 0);
    g_assert_cmphex(k.guest_debug.control, ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
    g_assert_cmphex(k.guest_debug.arch.debugreg[7], ==, 0x602);
    /* Eight bytes at an odd place need four registers, of which three are left. */
    g_assert_cmpint(debug_point_add(cpu, DEBUG_WRITE, 0x2001, 8, &err), ==, -EINVAL);
    g_assert_nonnull(strstr(error_text(err), "4 debug registers"));
    g_clear_pointer(&err, error_free);
    g_assert_cmpuint(debug_point_count, ==, 1);
    g_assert_cmphex(k.guest_debug.arch.debugreg[7], ==, 0x602);
    g_assert_cmpint(debug_point_add(cpu, DEBUG_READ, 0x2000, 1, &err), ==, -EINVAL);
    g_assert_nonnull(strstr(error_text(err), "awatch"));
    g_clear_pointer(&err, error_free);
    g_assert_cmpint(debug_point_add(cpu, DEBUG_WRITE, 0x2004, 12, &err), ==, 0);
    g_assert_cmphex(k.guest_debug.arch.debugreg[1], ==, 0x2004);
    g_assert_cmphex(k.guest_debug.arch.debugreg[2], ==, 0x2008);
    g_assert_cmphex(k.guest_debug.arch.debugreg[7], ==, 0x62a | 0xdULL << 20 | 0x9ULL << 24);
    g_assert_cmpint(debug_point_add(cpu, DEBUG_ACCESS, 0x3001, 1, &err), ==, 0);
    g_assert_cmphex(k.guest_debug.arch.debugreg[7] >> 28, ==, 3);
    g_assert_cmpint(debug_run(1, 0x1000, 1), ==, VCPU_EXIT_DEBUG);
    check_hit(DEBUG_HARDWARE, 0x1000);
    g_assert_cmpint(debug_run(1, 0x1234, 4), ==, VCPU_EXIT_DEBUG);
    check_hit(DEBUG_WRITE, 0x2004);
    g_assert_cmpint(debug_run(1, 0x1234, 8), ==, VCPU_EXIT_DEBUG);
    check_hit(DEBUG_ACCESS, 0x3001);
    /* The guest's own trap flag. */
    k.events.exception.pending = 0;
    g_assert_cmpint(debug_run(1, 0x1234, 1 << 14), ==, VCPU_EXIT_HALTED);
    g_assert_cmpint(cpu->debug_hit.kind, ==, DEBUG_NONE);
    g_assert_cmpuint(k.run->s.regs.events.exception.pending, ==, 1);
    g_assert_cmpuint(k.run->s.regs.events.exception.nr, ==, 1);
    g_assert_cmphex(k.run->s.regs.events.exception_payload, ==, 1 << 14);
    g_assert_cmpint(debug_point_remove(DEBUG_WRITE, 0x2004, 8), ==, -ENOENT);
    debug_points_clear();
    g_assert_cmphex(k.guest_debug.control, ==, 0);
}

static void test_debug_step(void)
{
    cpu->debug = (CpuDebug){.single_step = true, .no_irq = true};
    cpu_sync_dirty(cpu, CPU_STATE_RUNTIME);
    cpu->rip = 0x4321;
    k.caps[KVM_CAP_SET_GUEST_DEBUG2] = 0;
    g_assert_true(debug_update(cpu, NULL));
    g_assert_cmphex(k.guest_debug.control & 3, ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
    /* KVM steps from the RIP that it knows: it has to know the new one first, and be told again. */
    memset(&k.guest_debug, 0, sizeof(k.guest_debug));
    k.n_order = 0;
    g_assert_cmpint(debug_run(1, 0x4321, 1 << 14), ==, VCPU_EXIT_DEBUG);
    check_hit(DEBUG_STEP, 0x4321);
    g_assert_cmphex(k.regs.rip, ==, 0x4321);
    g_assert_cmphex(k.guest_debug.control & 3, ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
    unsigned regs = 0, debug_call = 0;
    for (unsigned i = 0; i < k.n_order; i++) {
        regs = k.order[i] == KVM_SET_REGS ? i : regs;
        debug_call = k.order[i] == KVM_SET_GUEST_DEBUG ? i : debug_call;
    }
    g_assert_cmpuint(regs, <, debug_call);
    cpu->debug = (CpuDebug){0};
    g_assert_true(debug_update(cpu, NULL));
}

static int int3_failure(struct kvm_run *r)
{
    uint8_t byte;
    g_assert_cmpint(as_read(&as_memory, 0x5000, &byte, 1), ==, MEM_OK);
    g_assert_cmphex(byte, ==, 0xcc);
    r->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    r->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
    r->internal.ndata = 0;
    return 0;
}

static void test_debug_software(void)
{
    uint8_t code[2] = {0x90, 0xf4};
    Error *err = NULL;

    cpu_sync_dirty(cpu, CPU_STATE_RUNTIME);
    cpu->cr0 = 1;
    as_write(&as_memory, 0x5000, code, sizeof(code));
    g_assert_cmpint(debug_point_add(cpu, DEBUG_SOFTWARE, 0x5000, 1, &err), ==, 0);
    g_assert_cmphex(k.guest_debug.control, ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
    g_assert_cmpint(debug_point_add(cpu, DEBUG_SOFTWARE, 0x5000, 1, &err), ==, 0);
    vm_start();
    g_assert_cmpint(debug_run(3, 0x5000, 0), ==, VCPU_EXIT_DEBUG);
    check_hit(DEBUG_SOFTWARE, 0x5000);
    /* The guest's INT3 is the guest's. */
    g_assert_cmpint(debug_run(3, 0x5001, 0), ==, VCPU_EXIT_HALTED);
    g_assert_cmpint(cpu->debug_hit.kind, ==, DEBUG_NONE);
    g_assert_cmpuint(k.run->s.regs.events.exception.nr, ==, 3);
    /* Where KVM cannot emulate it, it is one all the same. */
    cpu_sync_dirty(cpu, CPU_STATE_RUNTIME);
    cpu->seg[SEG_CS].base = 0;
    cpu->rip = 0x5000;
    k.regs.rip = 0x5000;
    k.sregs.cs.base = 0;
    g_assert_cmpint(RUN(int3_failure), ==, VCPU_EXIT_DEBUG);
    check_hit(DEBUG_SOFTWARE, 0x5000);
    vm_stop(RUN_DEBUG);
    g_assert_cmpint(as_read(&as_memory, 0x5000, code, 1), ==, MEM_OK);
    g_assert_cmphex(code[0], ==, 0x90);
    /* What the guest wrote over it stays. */
    vm_start();
    code[0] = 0x77;
    as_write(&as_memory, 0x5000, code, 1);
    vm_stop(RUN_DEBUG);
    g_assert_cmpint(as_read(&as_memory, 0x5000, code, 1), ==, MEM_OK);
    g_assert_cmphex(code[0], ==, 0x77);
    debug_points_clear();
    kvm.guest_debug = false;
    g_assert_cmpint(debug_point_add(cpu, DEBUG_SOFTWARE, 0x5000, 1, &err), ==, -EINVAL);
    g_assert_nonnull(strstr(error_text(err), "no guest debug"));
    error_free(err);
    kvm.guest_debug = true;
    cpu_reset(cpu);
}

static MemoryRegion ram;

int main(int argc, char **argv)
{
    Error *err = NULL;

    g_test_init(&argc, &argv, NULL);
    kvm_fake_machine(argv[0]);
    memory_begin();
    g_assert_true(region_init_ram(&ram, NULL, "ram", 1 * MIB, NULL));
    region_add(&system_memory, 0, &ram);
    memory_commit();
    accel = &accel_kvm;
    props_set_defaults(accel_kvm.props, accel_kvm.config);
    kvm.config.assist = ASSIST_WANTED_OFF;
    g_assert_true(accel_kvm.init(&err));
    cpu = X86_CPU(device_new(&x86_cpu_desc));
    g_assert_true(cpu_expand_features(cpu, NULL));
    cpu_build_cpuid(cpu);
    g_assert_true(accel_kvm.vcpu_init(cpu, &err));
    vcpus[0] = cpu;
    cpu->created = true;
    vcpu_count = 1;
    current_cpu = cpu;
    cpu_reset(cpu);
    g_test_add_func("/kvm/debug/registers", test_debug_registers);
    g_test_add_func("/kvm/debug/step", test_debug_step);
    g_test_add_func("/kvm/debug/software", test_debug_software);
    return g_test_run();
}
