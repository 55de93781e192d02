/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU's section of the migration stream with all of its subsections: what is saved, reset and loaded is the same. */
#include "accel/accel.h"
#include "hw/core/clock.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "util/rcu.h"

#include <string.h>

static X86CPU *cpu;
static const AccelDesc none = {.name = "none"};

/* AVX, AVX-512 and PKRU where an Intel processor has them. */
static CpuidEntry leaves[] = {
    {.leaf = 0xd, .subleaf = 2, .reg = {256, 576}},  {.leaf = 0xd, .subleaf = 5, .reg = {64, 1088}},
    {.leaf = 0xd, .subleaf = 6, .reg = {512, 1152}}, {.leaf = 0xd, .subleaf = 7, .reg = {1024, 1664}},
    {.leaf = 0xd, .subleaf = 9, .reg = {8, 2688}},
};
static MsrValue msrs[] = {{0x34, 0}, {0x3a, 0}, {0xe1, 0}, {0x122, 0}, {0x4d0, 0}, {0xc0010015, 0}};

/* Each with its subsection's bytes besides mark, length, name and version. */
static const struct {
    const char *name;
    unsigned bytes;
} subsections[] = {
    {"cpu/exception_info", 11},
    {"cpu/async_pf_msr", 8},
    {"cpu/async_pf_int_msr", 8},
    {"cpu/async_pv_eoi_msr", 8},
    {"cpu/steal_time_msr", 8},
    {"cpu/poll_control_msr", 8},
    {"cpu/fpop_ip_dp", 18},
    {"cpu/msr_tsc_adjust", 8},
    {"cpu/msr_tscdeadline", 8},
    {"cpu/msr_ia32_misc_enable", 8},
    {"cpu/msr_ia32_feature_control", 8},
    {"cpu/avx512", 64 + 512 + 1024},
    {"cpu/xss", 8},
    {"cpu/umwait", 4},
    {"cpu/tsc_khz", 8},
    {"cpu/msr_smi_count", 8},
    {"cpu/pkru", 4},
    {"cpu/spec_ctrl", 8},
    {"cpu/mcg_ext_ctl", 8},
    {"cpu/virt_ssbd", 8},
    {"cpu/msr_tsx_ctrl", 4},
    {"cpu/triple_fault", 1},
};

static void fill(GRand *r)
{
    uint64_t *fields[] = {&cpu->tsc_adjust, &cpu->tsc_deadline,    &cpu->misc_enable,    &cpu->xss,
                          &cpu->spec_ctrl,  &cpu->virt_ssbd,       &cpu->kvm_async_pf,   &cpu->kvm_async_pf_int,
                          &cpu->kvm_pv_eoi, &cpu->kvm_steal_time,  &cpu->kvm_poll,       &cpu->exception_payload,
                          &cpu->mcg_status, &cpu->kvm_system_time, &cpu->kvm_wall_clock, &cpu->tsc_aux};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        *fields[i] = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r) | 2;
    for (size_t i = 0; i < ARRAY_SIZE(cpu->mce_banks); i++)
        cpu->mce_banks[i] = g_rand_int(r);
    for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
        msrs[i].value = g_rand_int(r) | 1;
    for (size_t i = 0; i < 2696; i++)
        cpu->xsave[i] = (uint8_t)g_rand_int(r);
    stl_le(cpu->xsave + 24, 0x1f80);
    stl_le(cpu->xsave + 28, 0);
    memset(cpu->xsave + 416, 0, 96);
    for (unsigned i = 0; i < 8; i++)
        memset(cpu->xsave + 32 + 16 * i + 10, 0, 6);
    cpu->xsave[5] = 0;
    memset(cpu->xsave + 512, 0, 64);
    stq_le(cpu->xsave + 512, 0x2e7);
    memset(cpu->xsave + 832, 0, 1088 - 832); /* no component */
    memset(cpu->xsave + 2692, 0, 4);
    cpu->xcr0 = 0x2e7;
    cpu->exception_pending = cpu->exception_has_payload = cpu->exception_has_error = true;
    cpu->exception_nr = 14;
    cpu->triple_fault_pending = true;
}

static GByteArray *save(void)
{
    VmWriter *w = vm_writer_new();
    Error *err = NULL;

    cpu->state_synced = true;
    if (!device_save(DEVICE(cpu), w, &err))
        g_error("%s", error_text(err));
    return vm_writer_finish(w);
}

static void load(const GByteArray *b)
{
    VmReader *r = vm_reader_new(b->data, b->len);
    Error *err = NULL;

    if (!device_load(DEVICE(cpu), r, &err))
        g_error("%s", error_text(err));
    g_assert_cmpuint(vm_reader_left(r), ==, 0);
    vm_reader_free(r);
}

static void clear(void)
{
    cpu_reset(cpu);
    for (size_t i = 0; i < ARRAY_SIZE(msrs); i++)
        msrs[i].value = 0;
}

static void test_round(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(3);

    for (unsigned n = 0; n < 20; n++) {
        cpu_reset(cpu);
        fill(r);
        msrs[5].value = 0; /* has no subsection */
        g_autofree X86CPU *was = g_malloc(offsetof(X86CPU, accel_area));
        memcpy(was, cpu, offsetof(X86CPU, accel_area));
        MsrValue msrs_were[ARRAY_SIZE(msrs)];
        memcpy(msrs_were, msrs, sizeof(msrs));
        g_autoptr(GByteArray) b = save();

        clear();
        load(b);
#define SAME(f) g_assert_cmpmem(&was->f, sizeof(was->f), &cpu->f, sizeof(was->f))
        SAME(xsave);
        SAME(xcr0);
        SAME(tsc_adjust);
        SAME(tsc_deadline);
        SAME(misc_enable);
        SAME(xss);
        SAME(spec_ctrl);
        SAME(virt_ssbd);
        SAME(kvm_async_pf);
        SAME(kvm_async_pf_int);
        SAME(kvm_pv_eoi);
        SAME(kvm_steal_time);
        SAME(kvm_poll);
        SAME(kvm_system_time);
        SAME(kvm_wall_clock);
        SAME(tsc_aux);
        SAME(mcg_status);
        SAME(mce_banks);
        SAME(exception_pending);
        SAME(exception_injected);
        SAME(exception_has_error);
        SAME(exception_has_payload);
        SAME(exception_payload);
        SAME(exception_nr);
        SAME(triple_fault_pending);
#undef SAME
        g_assert_cmpmem(msrs_were, sizeof(msrs), msrs, sizeof(msrs));
        g_autoptr(GByteArray) again = save();
        g_assert_cmpmem(b->data, b->len, again->data, again->len);
    }
}

/* Names, order and sizes. */
static void test_layout(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(4);
    size_t at;

    clear();
    cpu->tsc_khz = 0;
    g_autoptr(GByteArray) plain = save();
    cpu->tsc_khz = 2000000;
    fill(r);
    g_autoptr(GByteArray) b = save();
    at = plain->len;
    for (size_t i = 0; i < ARRAY_SIZE(subsections); i++) {
        size_t len = strlen(subsections[i].name);

        g_assert_cmpuint(b->len - at, >=, 2 + len + 4 + subsections[i].bytes);
        g_assert_cmpuint(b->data[at], ==, 5);
        g_assert_cmpuint(b->data[at + 1], ==, len);
        g_assert_cmpmem(b->data + at + 2, len, subsections[i].name, len);
        g_assert_cmpuint(ldl_be(b->data + at + 2 + len), ==, 1);
        at += 2 + len + 4 + subsections[i].bytes;
    }
    g_assert_cmpuint(at, ==, b->len);
}

/* What a stream without subsections means, whatever the CPU was. */
static void test_absent(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(5);

    clear();
    cpu->tsc_khz = 0;
    g_autoptr(GByteArray) plain = save();
    cpu->tsc_khz = 2000000;
    fill(r);
    load(plain);
    cpu->tsc_khz = 0;
    g_autoptr(GByteArray) again = save();
    g_assert_cmpmem(plain->data, plain->len, again->data, again->len);
    for (size_t i = 0; i + 1 < ARRAY_SIZE(msrs); i++)
        g_assert_cmphex(msrs[i].value, ==, 0);
}

/* A machine check that waits for the VM to go on is one on its way in. */
static void test_pending_mce(void)
{
    clear();
    __atomic_fetch_or(&cpu->interrupt_request, CPU_INTERRUPT_MCE, __ATOMIC_SEQ_CST);
    g_autoptr(GByteArray) b = save();
    clear();
    load(b);
    g_assert_true(cpu->exception_injected && !cpu->exception_pending && !cpu->exception_has_error);
    g_assert_cmpuint(cpu->exception_nr, ==, 18);
}

/* An AMD processor without AVX-512 has PKRU elsewhere; one without PKRU drops it. */
static void test_places(void)
{
    clear();
    leaves[4].reg[CPUID_EBX] = 832;
    cpu->xcr0 = 0x207;
    stq_le(cpu->xsave + 512, 0x203);
    stl_le(cpu->xsave + 832, 0x55555554);
    g_autoptr(GByteArray) b = save();
    leaves[4].reg[CPUID_EBX] = 2688;
    clear();
    load(b);
    g_assert_cmphex(ldl_le(cpu->xsave + 2688), ==, 0x55555554);
    g_assert_cmphex(ldq_le(cpu->xsave + 512), ==, 0x203);
    cpu->n_cpuid = 4;
    clear();
    load(b);
    g_assert_cmphex(ldl_le(cpu->xsave + 2688), ==, 0);
    g_assert_cmphex(ldq_le(cpu->xsave + 512), ==, 3);
    cpu->n_cpuid = ARRAY_SIZE(leaves);
}

int main(int argc, char **argv)
{
    static const MachineDesc desc = {.name = "test", .max_cpus = 1};
    static Machine m = {.desc = &desc, .smp = {1, 1, 1, 1, 1, 1, 1}};

    g_test_init(&argc, &argv, NULL);
    machine = &m;
    rcu_thread_register();
    mainloop_init();
    clock_init();
    memory_init();
    accel = &none;
    cpu = X86_CPU(device_new(&x86_cpu_desc));
    cpu->cpuid = leaves;
    cpu->n_cpuid = ARRAY_SIZE(leaves);
    cpu->msrs = msrs;
    cpu->n_msrs = ARRAY_SIZE(msrs);
    g_test_add_func("/cpu-vmstate/round", test_round);
    g_test_add_func("/cpu-vmstate/layout", test_layout);
    g_test_add_func("/cpu-vmstate/absent", test_absent);
    g_test_add_func("/cpu-vmstate/pending-mce", test_pending_mce);
    g_test_add_func("/cpu-vmstate/places", test_places);
    return g_test_run();
}
