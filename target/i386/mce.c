/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine checks that come from outside (SDM volume 3, chapter 16). A corrected error (STATUS.UC clear) is put down in
 * its bank, unless an uncorrected one stands there, and nothing else. An uncorrected one needs MCG_CTL and the bank's
 * CTL to be all ones, overwrites what stands there (OVER tells), and is #MC; while MCG_STATUS.MCIP is set, or with
 * CR4.MCE clear, it shuts the CPU down: a triple fault.
 */
#include "target/i386/mce.h"
#include "accel/accel.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

#define STATUS_VAL  BIT64(63)
#define STATUS_OVER BIT64(62)
#define STATUS_UC   BIT64(61)
#define STATUS_AR   BIT64(55)
#define MCG_CTL_P   BIT64(8)
#define MCG_SER_P   BIT64(24)
#define MCG_LMCE_P  BIT64(27)
#define BANKS       (ARRAY_SIZE(((X86CPU *)0)->mce_banks) / 4)
enum { MCG_RIPV = 1, MCG_MCIP = 4, EDX1_MCE = 1 << 7, EDX1_MCA = 1 << 14 };
enum { CTL, STATUS, ADDR, MISC };
/* Family 6, model 14 and later signal a machine check on every CPU (SDM volume 3, 16.10.4.1). */
enum { BROADCAST_FAMILY = 6, BROADCAST_MODEL = 14 };

typedef struct Injection {
    MceEvent e;
    GString *out;
} Injection;

void cpu_mce_init(X86CPU *c)
{
    const uint32_t need = EDX1_MCE | EDX1_MCA;

    c->mcg_cap = 0;
    if ((c->config.features[F_1_EDX] & need) == need)
        c->mcg_cap = BANKS | MCG_CTL_P | MCG_SER_P | (c->config.lmce ? MCG_LMCE_P : 0);
}

static void tell(const char *action, bool action_required, bool recursive)
{
    Json *data = json_object(), *flags = json_object();

    json_set_str(data, "recipient", "guest");
    json_set_str(data, "action", action);
    json_set_bool(flags, "action-required", action_required);
    json_set_bool(flags, "recursive", recursive);
    json_set(data, "flags", flags);
    event_emit("MEMORY_FAILURE", data);
}

static void shut_down(X86CPU *c)
{
    system_reset_request(CAUSE_GUEST_RESET);
    if (c == current_cpu)
        vcpu_request_exit(c); /* not another instruction */
}

static void store(X86CPU *c, const MceEvent *e)
{
    uint64_t *b = &c->mce_banks[e->bank * 4];
    g_autoptr(Error) err = NULL;

    if (accel->inject_mce) {
        if (!accel->inject_mce(c, e, &err))
            error_report("CPU %u: %s", c->index, error_text(err));
        return;
    }
    if (!(e->status & STATUS_UC) && !(~b[STATUS] & (STATUS_VAL | STATUS_UC))) {
        b[STATUS] |= STATUS_OVER;
        return;
    }
    b[STATUS] = e->status | (b[STATUS] & STATUS_VAL ? STATUS_OVER : 0);
    b[ADDR] = e->addr;
    b[MISC] = e->misc;
    if (e->status & STATUS_UC) {
        c->mcg_status = e->mcg_status;
        cpu_interrupt(c, CPU_INTERRUPT_MCE);
    }
}

/* In c's thread. */
static void inject(X86CPU *c, void *arg)
{
    const Injection *in = arg;
    const MceEvent *e = &in->e;
    bool ar = e->status & STATUS_AR;

    cpu_sync_get(c);
    bool recursive = c->mcg_status & MCG_MCIP;
    uint64_t *b = &c->mce_banks[e->bank * 4];

    if (!(e->status & STATUS_UC)) {
        store(c, e);
        tell("inject", ar, recursive);
        return;
    }
    if (c->mcg_cap & MCG_CTL_P && ~c->mcg_ctl) {
        g_string_append_printf(in->out, "CPU %u: Uncorrected error reporting disabled\n", c->index);
        return;
    }
    if (~b[CTL]) {
        g_string_append_printf(in->out, "CPU %u: Uncorrected error reporting disabled for bank %u\n", c->index,
                               e->bank);
        return;
    }
    if (recursive || !(c->cr4 & CR4_MCE)) {
        g_string_append_printf(in->out, "CPU %u: %s, raising triple fault", c->index,
                               recursive ? "Previous MCE still in progress" : "MCE capability is not enabled");
        tell("reset", ar, recursive);
        shut_down(c);
        return;
    }
    store(c, e);
    tell("inject", ar, recursive);
}

static bool has_broadcast(const X86CPU *c)
{
    uint32_t family = c->config.family;

    return family > BROADCAST_FAMILY || (family == BROADCAST_FAMILY && c->config.model >= BROADCAST_MODEL);
}

void cpu_inject_mce(X86CPU *c, const MceEvent *e, bool broadcast, GString *out)
{
    unsigned banks = MIN(c->mcg_cap & 0xff, BANKS);
    Injection mine = {.e = *e, .out = out}, others = {.e = {.bank = 1}, .out = out};
    X86CPU *o;

    ASSERT_VM_LOCKED();
    if (!banks) {
        g_string_append(out, "MCE injection not supported\n");
    } else if (e->bank >= banks) {
        g_string_append(out, "Invalid MCE bank number\n");
    } else if (!(e->status & STATUS_VAL)) {
        g_string_append(out, "Invalid MCE status code\n");
    } else if (broadcast && !has_broadcast(c)) {
        g_string_append(out, "Guest CPU does not support MCA broadcast\n");
    } else {
        vcpu_run_on(c, inject, &mine);
        others.e.status = STATUS_VAL | STATUS_UC;
        others.e.mcg_status = MCG_MCIP | MCG_RIPV;
        FOREACH_VCPU (o) {
            if (broadcast && o != c)
                vcpu_run_on(o, inject, &others);
        }
    }
}
