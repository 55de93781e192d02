/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine as an accelerator: options, a vCPU's beginning and end, what is printed. */
#include "accel/tcg/tcg.h"
#include "accel/tcg/jit.h"
#include "accel/tcg/map.h"
#include "accel/tcg/sys.h"
#include "accel/tcg/vec.h"
#include "softmmu/vcpus.h"
#include "util/log.h"
#include <sched.h>

TcgConfig tcg_config;

static const char *const thread_names[] = {"multi", "single", NULL};

static const Prop tcg_props[] = {
    PROP_BOOL("interpreter", TcgConfig, interpreter, false, "do not translate: interpret each instruction"),
    PROP_BOOL("one-insn-per-tb", TcgConfig, one_insn_per_tb, false, "translate instruction by instruction"),
    PROP_BOOL("split-wx", TcgConfig, split_wx, true,
              "translated code is never writable where it runs (always so here)"),
    PROP_U32("tb-size", TcgConfig, tb_size, 0, "MiB of translated code, 0: as much as is good"),
    PROP_ENUM("thread", TcgConfig, thread, thread_names, 0, "single or multi: each CPU has its thread here either way"),
    PROP_U32("x-translate-at", TcgConfig, translate_at, 0,
             "translate code when it is run for the so many-th time, before that interpret it; 0: when it pays"),
    {},
};

static bool tcg_init(Error **errp)
{
    tcg_map_init();
    tcg_tsc_init();
    if (!tcg_vec_init(errp))
        return false;
    return tcg_config.interpreter || jit_init(errp);
}

static bool tcg_vcpu_init(X86CPU *c, Error **errp)
{
    TcgCpu *t = TCG(c);

    t->delivering = -1;
    tcg_map_add_smm();
    tcg_sys_cpu_init(c);
    tcg_mem_init(c);
    if (!tcg_vec_cpu_init(c, errp))
        return false;
    return tcg_config.interpreter || jit_cpu_init(c, errp);
}

uint32_t tcg_offers[FEATURE_WORDS];

bool tcg_assist_init(Error **errp)
{
    tcg_map_init();
    for (unsigned w = 0; w < FEATURE_WORDS; w++) {
        const FeatureWordInfo *f = &feature_words[w];

        if (!f->msr)
            tcg_offers[w] = tcg_cpuid_supported(f->leaf, (uint32_t)MAX(f->subleaf, 0), f->reg);
    }
    return tcg_vec_init(errp);
}

bool tcg_assist_vcpu_init(X86CPU *c, Error **errp)
{
    TCG(c)->delivering = -1;
    TCG(c)->assists = true;
    tcg_mem_init(c);
    return tcg_vec_cpu_init(c, errp);
}

void tcg_assist_vcpu_destroy(X86CPU *c)
{
    if (TCG(c)->vec)
        tcg_vec_cpu_destroy(c);
}

static void tcg_vcpu_destroy(X86CPU *c)
{
    if (TCG(c)->jit)
        jit_cpu_destroy(c);
    tcg_vec_cpu_destroy(c);
}

static void tcg_kick(X86CPU *c)
{
    __atomic_store_n(&TCG(c)->exit_request, 1, __ATOMIC_SEQ_CST);
}

void tcg_yield(void)
{
    sched_yield();
}

void tcg_log_missing(X86CPU *c, const InsnDesc *d)
{
    if (!log_on(LOG_UNIMP))
        return;
    tcg_outside_begin(c);
    log_printf("instruction '%s' has no handler\n", d->mnemonic);
    tcg_outside_end(c);
}

void tcg_log_insn(X86CPU *c, const Insn *i)
{
    uint64_t lin = (tcg_code64(c) ? 0 : c->seg[SEG_CS].base) + c->rip;

    if (!log_in_range(lin))
        return;
    tcg_outside_begin(c);
    g_autoptr(GString) s = g_string_new(NULL);

    if (log_on(LOG_IN_ASM)) {
        g_string_append_printf(s, "0x%08" PRIx64 ":  ", lin);
        insn_print(i, c->rip, s);
        g_string_append_c(s, '\n');
    }
    if (log_on(LOG_EXEC))
        g_string_append_printf(s, "Trace %u: %p [%016" PRIx64 "/%016" PRIx64 "/%08x/%08x] \n", c->index, NULL,
                               tcg_code64(c) ? 0 : c->seg[SEG_CS].base, lin, TCG(c)->mode, 1);
    if (log_on(LOG_CPU))
        cpu_print_present(c, log_on(LOG_FPU), s);
    log_printf("%s", s->str);
    tcg_outside_end(c);
}

/* As QEMU's -d int has it; in real mode too. */
void tcg_log_event(X86CPU *c, unsigned vector, EventKind kind, uint32_t error)
{
    static unsigned count; /* atomic */

    tcg_outside_begin(c);
    g_autoptr(GString) s = g_string_new(NULL);
    bool soft = kind == EVENT_SOFT_INT || kind == EVENT_SOFT_EXC || kind == EVENT_ICEBP;
    uint64_t base = tcg_code64(c) ? 0 : c->seg[SEG_CS].base;

    if (kind == EVENT_INTERRUPT)
        g_string_append_printf(s, "Servicing hardware INT=0x%02x\n", vector);
    g_string_append_printf(
        s, "%6u: v=%02x e=%04x i=%d cpl=%u IP=%04x:%016" PRIx64 " pc=%016" PRIx64 " SP=%04x:%016" PRIx64 " ",
        __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED), vector, error, soft, tcg_cpl(c), c->seg[SEG_CS].selector,
        c->rip, base + c->rip, c->seg[SEG_SS].selector, c->gpr[R_RSP]);
    g_string_append_printf(s, vector == EXC_PF ? "CR2=%016" PRIx64 "\n" : "env->regs[R_EAX]=%016" PRIx64 "\n",
                           vector == EXC_PF ? c->cr2 : c->gpr[R_RAX]);
    cpu_print_present(c, log_on(LOG_FPU), s);
    log_printf("%s", s->str);
    tcg_outside_end(c);
}

static void tcg_print_info(GString *out)
{
    X86CPU *c;

    FOREACH_VCPU (c) {
        const TcgCpu *t = TCG(c);

        g_string_append_printf(out,
                               "CPU %u: %" PRIu64 " instructions by handlers, %" PRIu64 " TLB flushes, %" PRIu64
                               " misses, %" PRIu64 " of code, %" PRIu64 " times outside\n",
                               c->index, t->steps, t->tlb_flushes, t->tlb_misses, t->code_misses, t->outside);
        if (t->jit)
            jit_print_info(c, out);
    }
}

static bool tcg_update_debug(X86CPU *c, Error **errp)
{
    tcg_mode_changed(c);
    return true;
}

static bool tcg_has_smm(void)
{
    return true;
}

const AccelDesc accel_tcg = {
    .name = "tcg",
    .summary = "x86 engine in software",
    .props = tcg_props,
    .config = &tcg_config,
    .init = tcg_init,
    .vcpu_init = tcg_vcpu_init,
    .vcpu_destroy = tcg_vcpu_destroy,
    .vcpu_run = tcg_run,
    .get_state = tcg_get_state,
    .vcpu_kick = tcg_kick,
    .update_debug = tcg_update_debug,
    .has_a20 = true,
    .has_smm = tcg_has_smm,
    .guest_tsc = tcg_tsc,
    .cpuid_supported = tcg_cpuid_supported,
    .print_info = tcg_print_info,
};
