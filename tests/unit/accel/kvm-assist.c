/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accel/kvm/assist against a kernel that this test plays: the policy, an instruction that could not be emulated
 * executed by the engine, events that were on their way, calls that are refused meanwhile, and that a guest without
 * failures costs the same calls with the assist and without.
 */
#include "accel/kvm/probe.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/memory.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include "tests/unit/accel/kvm-fake.h"

enum { CODE = 0x1000, STACK = 0x8000, HANDLERS = 0x2000, GDT = 0x3000, IDT = 0x3800, TSS = 0x4000 };
enum { SHADOW_STI = 2 };

static X86CPU *cpu;
static MemoryRegion ram;
static uint8_t *mem;
static struct kvm_regs seen_regs;
static struct kvm_sregs seen_sregs;
static struct kvm_vcpu_events seen_events;

/* Steps. */

static int fail(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_INTERNAL_ERROR;
    memset(&r->emulation_failure, 0, sizeof(r->emulation_failure));
    r->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
    return 0;
}

/* With the instruction's bytes, as newer kernels tell them. */
static int fail_with_bytes(struct kvm_run *r)
{
    fail(r);
    r->emulation_failure.ndata = 3;
    r->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    r->emulation_failure.insn_size = 4;
    memcpy(r->emulation_failure.insn_bytes, mem + CODE, 4);
    return 0;
}

/* The state that comes with this KVM_RUN. */
static int look(struct kvm_run *r)
{
    g_assert_cmphex(r->kvm_dirty_regs, ==, 7);
    seen_regs = r->s.regs.regs;
    seen_sregs = r->s.regs.sregs;
    seen_events = r->s.regs.events;
    r->exit_reason = KVM_EXIT_HLT;
    return 0;
}

static int out(struct kvm_run *r)
{
    r->exit_reason = KVM_EXIT_IO;
    r->io.direction = KVM_EXIT_IO_OUT;
    r->io.port = 0x900;
    r->io.size = 1;
    r->io.count = 1;
    r->io.data_offset = 4096;
    return 0;
}

#define RUN(...) kvm_fake_run(cpu, (RunStep *const[]){__VA_ARGS__, NULL})

static int order_of(unsigned long req)
{
    for (unsigned i = 0; i < k.n_order; i++) {
        if (k.order[i] == req)
            return (int)i;
    }
    return -1;
}

/* A CPU in real mode before code, as the kernel has it. Vectors go to HANDLERS + 16 * vector. */
static void real_mode(const char *code, size_t len)
{
    cpu_reset(cpu);
    RUN(kvm_fake_halt);
    vm_start();
    memcpy(mem + CODE, code, len);
    for (unsigned v = 0; v < 256; v++)
        stl_le(mem + 4 * v, HANDLERS + 16 * v);
    struct kvm_segment flat = {.limit = 0xffff, .type = 3, .present = 1, .s = 1};

    k.sregs.cs = k.sregs.ds = k.sregs.es = k.sregs.fs = k.sregs.gs = k.sregs.ss = flat;
    k.sregs.cs.type = 11;
    k.sregs.cr0 = 0x10;
    k.sregs.idt.base = 0;
    k.sregs.idt.limit = 0x3ff;
    k.regs = (struct kvm_regs){.rip = CODE, .rsp = STACK, .rflags = 0x202, .rbx = 0xf0f};
    k.events = (struct kvm_vcpu_events){0};
    k.mp.mp_state = KVM_MP_STATE_RUNNABLE;
    k.n_order = 0;
}
#define REAL(code) real_mode(code, sizeof(code) - 1)
#define POPCNT     "\xf3\x0f\xb8\xc3" /* popcnt ax, bx */

static void test_policy(void)
{
    static const struct {
        KvmHost h;
        AssistMode mode;
    } cases[] = {
        {{.hardware = true}, ASSIST_INSN},
        {{.looked = true}, ASSIST_STAY},
        {{.looked = true, .user_mode = true}, ASSIST_STAY},
        {{.looked = true, .user_mode = true, .kernel_mode = true, .syscall = true}, ASSIST_STAY},
        {{.looked = true, .user_mode = true, .kernel_mode = true, .paging = true}, ASSIST_STAY},
        {{.looked = true, .user_mode = true, .syscall = true, .paging = true}, ASSIST_STAY},
        {{.looked = true, .user_mode = true, .kernel_mode = true, .syscall = true, .paging = true}, ASSIST_INSN},
    };
    bool spoilt = true;

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        g_assert_cmpint(kvm_assist_policy(&cases[i].h), ==, cases[i].mode);
    g_assert_cmpint(kvm_assist_decide(ASSIST_WANTED_OFF, &spoilt), ==, ASSIST_OFF);
    g_assert_false(spoilt);
    g_assert_cmpint(kvm_assist_decide(ASSIST_WANTED_ON, &spoilt), ==, ASSIST_INSN);
    g_assert_false(spoilt);
}

static void test_paging_probe(void)
{
    struct kvm_sregs2 before = k.sregs;
    unsigned closes = k.closes;
    bool spoilt = false;

    g_assert_true(kvm_probe_paging(&spoilt));
    g_assert_true(spoilt);
    g_assert_cmpuint(k.closes, ==, closes + 1);
    k.no_paging = true;
    g_assert_false(kvm_probe_paging(&spoilt));
    k.no_paging = spoilt = false;
    /* A kernel that refuses the state does not have it either. */
    k.refuse[0] = KVM_SET_SREGS;
    k.refuse_errno = EINVAL;
    g_assert_false(kvm_probe_paging(&spoilt));
    /* No vCPU: nothing is known and nothing spoilt; the board's own will say why. */
    k.refuse[0] = KVM_CREATE_VCPU;
    spoilt = false;
    g_assert_true(kvm_probe_paging(&spoilt));
    g_assert_false(spoilt);
    k.refuse[0] = 0;
    k.sregs = before;
}

static void test_instruction(void)
{
    uint64_t n = KVM_VCPU(cpu)->assists;

    REAL(POPCNT "\xcd\x40");
    g_assert_cmpint(RUN(fail, look), ==, VCPU_EXIT_HALTED);
    g_assert_cmphex(seen_regs.rax, ==, 8);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 4);
    g_assert_cmphex(seen_regs.rflags, ==, 0x202);
    g_assert_cmpstr(reported->str, ==, "");
    /* The kernel's own: not even looked at. */
    g_assert_cmpint(order_of(KVM_SET_LAPIC), ==, -1);
    g_assert_cmpint(order_of(KVM_SET_MP_STATE), ==, -1);
    g_assert_cmpint(order_of(KVM_INTERRUPT), ==, -1);

    k.regs = seen_regs;
    g_assert_cmpint(RUN(fail, look), ==, VCPU_EXIT_HALTED);
    g_assert_cmphex(seen_regs.rip, ==, HANDLERS + 16 * 0x40);
    g_assert_cmphex(seen_regs.rsp, ==, STACK - 6);
    g_assert_cmphex(seen_regs.rflags, ==, 2);
    g_assert_cmphex(lduw_le(mem + STACK - 2), ==, 0x202);
    g_assert_cmphex(lduw_le(mem + STACK - 6), ==, CODE + 6);
    g_assert_cmpuint(KVM_VCPU(cpu)->assists, ==, n + 2);
}

/* 32-bit protected mode, CPL 3, flat. */
static void user_mode(const char *code, size_t len)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff};

    real_mode(code, len);
    for (unsigned i = 0; i < ARRAY_SIZE(gdt); i++)
        stq_le(mem + GDT + 8 * i, gdt[i]);
    memset(mem + IDT, 0, 256 * 8);
    stq_le(mem + IDT + 8 * 13, 0x00008e0000080000 | (HANDLERS + 16 * 13));
    memset(mem + TSS, 0, 104);
    stl_le(mem + TSS + 4, STACK - 0x800);
    stl_le(mem + TSS + 8, 0x10);
    struct kvm_segment s = {.limit = ~0U, .present = 1, .s = 1, .db = 1, .g = 1, .dpl = 3, .type = 3, .selector = 0x23};

    k.sregs.ds = k.sregs.es = k.sregs.fs = k.sregs.gs = k.sregs.ss = k.sregs.cs = s;
    k.sregs.cs.type = 11;
    k.sregs.cs.selector = 0x1b;
    k.sregs.tr = (struct kvm_segment){.base = TSS, .limit = 103, .present = 1, .type = 11, .selector = 0x28};
    k.sregs.gdt.base = GDT;
    k.sregs.gdt.limit = sizeof(gdt) - 1;
    k.sregs.idt.base = IDT;
    k.sregs.idt.limit = 256 * 8 - 1;
    k.sregs.cr0 = 0x11;
}

static void test_user(void)
{
    user_mode(POPCNT "\xf4", 5);
    k.regs.rbx = 0x10001;
    mem[CODE] = 0xf3;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rax, ==, 2);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 4);
    g_assert_cmphex(seen_sregs.cs.selector, ==, 0x1b);
    g_assert_cmpuint(seen_sregs.ss.dpl, ==, 3);
    /* HLT there: #GP by the IDT, on the TSS's stack. */
    k.regs = seen_regs;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, HANDLERS + 16 * 13);
    g_assert_cmphex(seen_sregs.cs.selector, ==, 8);
    g_assert_cmpuint(seen_sregs.ss.dpl, ==, 0);
    g_assert_cmphex(seen_regs.rsp, ==, STACK - 0x800 - 24);
    g_assert_cmphex(ldl_le(mem + STACK - 0x800 - 20), ==, CODE + 4);
    g_assert_cmphex(ldl_le(mem + STACK - 0x800 - 16), ==, 0x1b);
    g_assert_cmphex(ldl_le(mem + STACK - 0x800 - 8), ==, STACK);
}

/* What was on its way in comes first, and goes through the guest's own table; the instruction is tried again after it.
 */
static void test_events(void)
{
    REAL(POPCNT);
    k.events.interrupt.injected = 1;
    k.events.interrupt.nr = 0x21;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, HANDLERS + 16 * 0x21);
    g_assert_cmphex(lduw_le(mem + STACK - 6), ==, CODE);
    g_assert_cmphex(seen_regs.rax, ==, 0);
    g_assert_false(seen_events.interrupt.injected);

    REAL(POPCNT);
    k.events.nmi.injected = 1;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, HANDLERS + 16 * 2);
    g_assert_false(seen_events.nmi.injected);
    g_assert_true(seen_events.nmi.masked);

    REAL(POPCNT);
    k.events.exception.injected = 1;
    k.events.exception.nr = 13;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, HANDLERS + 16 * 13);
    g_assert_false(seen_events.exception.injected);

    /* The kernel's own #UD for what it could not emulate. */
    REAL(POPCNT);
    k.events.exception.injected = 1;
    k.events.exception.nr = 6;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 4);
    g_assert_cmphex(seen_regs.rax, ==, 8);
    g_assert_false(seen_events.exception.injected || seen_events.exception.pending);
    /* One that is the guest's comes from the engine. */
    REAL("\x0f\x0b");
    k.events.exception.injected = 1;
    k.events.exception.nr = 6;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, HANDLERS + 16 * 6);

    /* A pending NMI is the kernel's: neither delivered, nor sent again, nor overwritten. */
    REAL(POPCNT);
    k.events.nmi.pending = 1;
    unsigned nmis = k.nmis;
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 4);
    g_assert_false(seen_events.flags & KVM_VCPUEVENT_VALID_NMI_PENDING);
    g_assert_cmpuint(k.nmis, ==, nmis);

    /* IRET ends the NMI's mask. */
    REAL("\xcf");
    k.events.nmi.masked = 1;
    stw_le(mem + STACK, CODE + 0x10);
    stw_le(mem + STACK + 2, 0);
    stw_le(mem + STACK + 4, 2);
    RUN(fail, look);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 0x10);
    g_assert_false(seen_events.nmi.masked);

    /* The shadow of the instruction before ends, that of STI begins. */
    REAL(POPCNT);
    k.events.interrupt.shadow = SHADOW_STI;
    RUN(fail, look);
    g_assert_cmpuint(seen_events.interrupt.shadow, ==, 0);
    REAL("\xfb");
    k.regs.rflags = 2;
    RUN(fail, look);
    g_assert_cmpuint(seen_events.interrupt.shadow, ==, SHADOW_STI);
    g_assert_true(seen_events.flags & KVM_VCPUEVENT_VALID_SHADOW);
}

/* HLT waits in the kernel, where its local APIC is. */
static void test_halt(void)
{
    REAL("\xf4");
    RUN(fail, look);
    g_assert_cmpuint(k.mp.mp_state, ==, KVM_MP_STATE_HALTED);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 1);
    g_assert_cmpint(order_of(KVM_SET_LAPIC), ==, -1);
    k.mp.mp_state = KVM_MP_STATE_RUNNABLE;
}

static GString *events;
static void event(const char *name, Json *data)
{
    g_string_append_printf(events, "%s %s\n", name, data ? json_get_str(data, "reason") : "");
    json_unref(data);
}

static void test_triple_fault(void)
{
    int status;

    REAL("\xcd\x40");
    k.sregs.idt.limit = 0;
    events = g_string_new(NULL);
    event_hook = event;
    g_assert_cmpint(RUN(fail), ==, VCPU_EXIT_STOPPED);
    cpu->stopped = true;
    g_assert_false(runstate_turn(&status));
    g_assert_nonnull(strstr(events->str, "RESET guest-reset"));
    event_hook = NULL;
    g_string_free(events, true);
    cpu->stopped = false;
}

static void test_refused(void)
{
    static const struct {
        unsigned long call;
        const char *name;
    } out[] = {{KVM_GET_REGS, "KVM_GET_REGS"},
               {KVM_GET_SREGS2, "KVM_GET_SREGS2"},
               {KVM_GET_VCPU_EVENTS, "KVM_GET_VCPU_EVENTS"},
               {KVM_GET_XSAVE, "KVM_GET_XSAVE"},
               {KVM_GET_XCRS, "KVM_GET_XCRS"},
               {KVM_GET_DEBUGREGS, "KVM_GET_DEBUGREGS"},
               {KVM_GET_MSRS, "KVM_GET_MSRS"}},
      in[] = {{KVM_SET_XSAVE, "KVM_SET_XSAVE"},
              {KVM_SET_XCRS, "KVM_SET_XCRS"},
              {KVM_SET_DEBUGREGS, "KVM_SET_DEBUGREGS"},
              {KVM_SET_MSRS, "KVM_SET_MSRS"}};

    k.refuse_errno = EIO;
    for (unsigned i = 0; i < ARRAY_SIZE(out); i++) {
        REAL(POPCNT);
        k.refuse[0] = out[i].call;
        g_assert_cmpint(RUN(fail), ==, VCPU_EXIT_STOPPED);
        g_assert_nonnull(strstr(reported->str, out[i].name));
        g_assert_nonnull(strstr(reported->str, "emulation failure"));
        g_assert_cmphex(k.regs.rip, ==, CODE);
        k.refuse[0] = 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(in); i++) {
        REAL("\xdb\xe3");
        memset(&k.xsave, 0, sizeof(k.xsave));
        k.refuse[0] = in[i].call;
        g_assert_cmpint(RUN(fail), ==, VCPU_EXIT_STOPPED);
        g_assert_nonnull(strstr(reported->str, in[i].name));
        k.refuse[0] = 0;
    }
}

/* What an instruction neither needs nor changes stays in the kernel. */
static void test_part(void)
{
    static const unsigned long in[] = {KVM_SET_XSAVE, KVM_SET_XCRS, KVM_SET_DEBUGREGS, KVM_SET_MSRS, KVM_SET_REGS};

    REAL(POPCNT);
    RUN(fail_with_bytes, look);
    g_assert_cmphex(seen_regs.rax, ==, 8);
    for (unsigned i = 0; i < ARRAY_SIZE(in); i++)
        g_assert_cmpint(order_of(in[i]), ==, -1);
    g_assert_cmpint(order_of(KVM_GET_LAPIC), ==, -1);
    g_assert_cmpint(order_of(KVM_GET_MP_STATE), ==, -1);
    /* FNINIT changes the vector state. */
    REAL("\xdb\xe3");
    memset(&k.xsave, 0, sizeof(k.xsave));
    RUN(fail_with_bytes, look);
    g_assert_cmpint(order_of(KVM_SET_XSAVE), >=, 0);
    g_assert_cmphex(k.xsave.region[0] & 0xffff, ==, 0x37f);
    /* RDMSR is among the bytes: all of it. */
    REAL("\x0f\x32");
    RUN(fail_with_bytes, look);
    g_assert_cmpint(order_of(KVM_GET_LAPIC), >=, 0);
    /* The counter is the kernel's. */
    REAL("\x0f\x01\xf9\x90"); /* RDTSCP */
    k.msrs[0x10] = 0x1234567890;
    RUN(fail_with_bytes, look);
    g_assert_cmphex(seen_regs.rax, ==, 0x34567890);
    g_assert_cmphex(seen_regs.rdx, ==, 0x12);
    g_assert_cmphex(seen_regs.rip, ==, CODE + 3);
    /* The next change of the state is no part of that. */
    cpu_sync_dirty(cpu, CPU_STATE_RUNTIME);
    k.n_order = 0;
    RUN(look);
    g_assert_cmpint(order_of(KVM_SET_XSAVE), >=, 0);
}

/* Without a failure: the same calls. */
static unsigned calls_of_outs(int mode)
{
    enum { OUTS = 100 };
    RunStep *steps[OUTS + 2] = {0};

    for (unsigned i = 0; i < OUTS; i++)
        steps[i] = out;
    steps[OUTS] = kvm_fake_halt;
    REAL("\xee");
    kvm.assist = mode;
    RUN(kvm_fake_halt);
    unsigned calls = k.calls;
    g_assert_cmpint(kvm_fake_run(cpu, steps), ==, VCPU_EXIT_HALTED);
    kvm.assist = ASSIST_INSN;
    return k.calls - calls;
}

static void test_no_cost(void)
{
    g_assert_cmpuint(calls_of_outs(ASSIST_INSN), ==, 101);
    g_assert_cmpuint(calls_of_outs(ASSIST_OFF), ==, 101);
}

/* Statistics: a file as the kernel makes it, and hostile ones. */
static GString *stats;
static void print_stat(const AccelStat *s, void *opaque)
{
    g_string_append_printf(stats, "%s %s %s %d^%d", s->name, s->type, s->unit ? s->unit : "-", s->base, s->exponent);
    for (unsigned i = 0; i < s->n; i++)
        g_string_append_printf(stats, " %" PRIu64, s->values[i]);
    g_string_append_c(stats, '\n');
}

typedef struct StatsFile {
    struct kvm_stats_header h;
    struct {
        uint32_t flags;
        int16_t exponent;
        uint16_t size;
        uint32_t offset, bucket_size;
        char name[16];
    } d[4];
    uint64_t data[6];
} StatsFile;

static void test_stats(void)
{
    static const StatsFile good = {
        {0, 16, 4, 0, offsetof(StatsFile, d), offsetof(StatsFile, data)},
        {{KVM_STATS_TYPE_CUMULATIVE, 0, 1, 0, 0, "exits"},
         {KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BOOLEAN, 0, 1, 8, 0, "guest_mode"},
         {KVM_STATS_TYPE_LINEAR_HIST | KVM_STATS_UNIT_SECONDS, -9, 3, 16, 100, "wait"},
         {KVM_STATS_TYPE_PEAK | KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2, 20, 1, 40, 0, "most"}},
        {5, 1, 7, 8, 9, 3}};
    StatsFile f = good;

    stats = g_string_new(NULL);
    k.stats = (const uint8_t *)&f;
    k.stats_size = sizeof(f);
    accel_kvm.stats(NULL, print_stat, NULL);
    g_assert_cmpstr(stats->str, ==,
                    "exits cumulative - 0^0 5\nguest_mode instant boolean 0^0 1\n"
                    "wait linear-histogram seconds 10^-9 7 8 9\nmost peak bytes 2^20 3\n");
    g_string_truncate(stats, 0);
    accel_kvm.stats(cpu, print_stat, NULL);
    g_assert_true(g_str_has_prefix(stats->str, "exits cumulative - 0^0 5\n"));
    g_assert_nonnull(strstr(stats->str, "engine_instructions cumulative - 0^0 "));
    g_assert_nonnull(strstr(stats->str, "engine_time cumulative seconds 10^-9 "));
    /* Unknown kinds, names without an end, values past the file's end: left out. */
    f.d[0].flags = 9;
    f.d[1].flags = 7 << KVM_STATS_UNIT_SHIFT;
    memset(f.d[2].name, 'x', 16);
    f.d[3].offset = 48;
    g_string_truncate(stats, 0);
    accel_kvm.stats(NULL, print_stat, NULL);
    g_assert_cmpstr(stats->str, ==, "");
    f = good;
    f.h.name_size = 0xffffffff;
    accel_kvm.stats(NULL, print_stat, NULL);
    f = good;
    f.h.num_desc = 0xffffffff;
    accel_kvm.stats(NULL, print_stat, NULL);
    f = good;
    k.stats_size = 10;
    accel_kvm.stats(NULL, print_stat, NULL);
    g_assert_cmpstr(stats->str, ==, "");
    g_string_free(stats, true);
}

int main(int argc, char **argv)
{
    Error *err = NULL;

    g_test_init(&argc, &argv, NULL);
    kvm_fake_machine(argv[0]);
    memory_begin();
    g_assert_true(region_init_ram(&ram, NULL, "ram", 1 * MIB, NULL));
    region_add(&system_memory, 0, &ram);
    memory_commit();
    mem = region_ram_ptr(&ram);
    accel = &accel_kvm;
    props_set_defaults(accel_kvm.props, accel_kvm.config);
    kvm.config.assist = ASSIST_WANTED_ON;
    g_assert_true(accel_kvm.init(&err));
    g_assert_cmpint(kvm.assist, ==, ASSIST_INSN);
    cpu = X86_CPU(device_new(&x86_cpu_desc));
    g_assert_true(cpu_expand_features(cpu, NULL));
    cpu_build_cpuid(cpu);
    g_assert_true(accel_kvm.vcpu_init(cpu, &err));
    vcpus[0] = cpu;
    cpu->created = true;
    vcpu_count = 1;
    current_cpu = cpu;
    cpu_reset(cpu);
    g_test_add_func("/kvm/assist/policy", test_policy);
    g_test_add_func("/kvm/assist/paging-probe", test_paging_probe);
    g_test_add_func("/kvm/assist/instruction", test_instruction);
    g_test_add_func("/kvm/assist/user", test_user);
    g_test_add_func("/kvm/assist/events", test_events);
    g_test_add_func("/kvm/assist/halt", test_halt);
    g_test_add_func("/kvm/assist/triple-fault", test_triple_fault);
    g_test_add_func("/kvm/assist/refused", test_refused);
    g_test_add_func("/kvm/assist/part", test_part);
    g_test_add_func("/kvm/assist/no-cost", test_no_cost);
    g_test_add_func("/kvm/stats", test_stats);
    return g_test_run();
}
