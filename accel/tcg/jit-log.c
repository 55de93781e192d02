/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -d in_asm, op, out_asm, exec, cpu in translated code. While exec or cpu are on, no block is chained to another, so
 * that each is seen (as QEMU's nochain). `op` shows what the translator decided for each instruction, since there is no
 * code between the guest's and the host's. Not light; jit_log_run() leaves by itself.
 */
#include "accel/tcg/jit-internal.h"
#include "util/log.h"

static const char *flags_text(uint16_t f, char out[8])
{
    static const struct {
        uint16_t bit;
        char name;
    } all[] = {{FLAG_CF, 'C'}, {FLAG_PF, 'P'}, {FLAG_AF, 'A'}, {FLAG_ZF, 'Z'}, {FLAG_SF, 'S'}, {FLAG_OF, 'O'}};
    unsigned n = 0;

    for (unsigned k = 0; k < ARRAY_SIZE(all); k++) {
        if (f & all[k].bit)
            out[n++] = all[k].name;
    }
    if (!n)
        out[n++] = '-';
    out[n] = 0;
    return out;
}

static void print_op(const Tr *t, unsigned n, GString *s)
{
    static const char *const plans[] = {
        [PLAN_EXEC] = "handler", [PLAN_INT] = "integer", [PLAN_HOST] = "host",     [PLAN_FLOW] = "branch",
        [PLAN_STACK] = "stack",  [PLAN_SYS] = "system",  [PLAN_STRING] = "string", [PLAN_NOTHING] = "nothing",
    };
    static const char *const what[] = {"memory", "stack"};
    const Insn *i = &t->insn[n];
    char r[8], w[8], l[8];

    g_string_append_printf(s, "\n ---- %016" PRIx64 " ", t->b->lin + (t->rip[n] - t->rip[0]));
    insn_print(i, t->rip[n], s);
    g_string_append_printf(s, "\n by %s; flags read %s, written %s, needed behind %s\n", plans[t->plan[n]],
                           flags_text(tr_flags_read(i, t->plan[n]), r), flags_text(tr_flags_touched(i), w),
                           flags_text(t->live_out[n], l));
    for (unsigned k = 0; k < 2; k++) {
        int g = t->group_of[n][k];

        if (g >= 0 && t->group[g].members > 1)
            g_string_append_printf(s, " %s: offset %" PRId64 " of check %d: %" PRId64 " to %" PRId64 "%s\n", what[k],
                                   t->offset_of[n][k], g, t->group[g].min, t->group[g].max,
                                   t->group[g].write ? ", to write" : "");
    }
}

/* Host code by our own decoder, which knows all that the host does. */
static void disassemble(const JitCpu *j, uint32_t from, uint32_t to, GString *s)
{
    uint32_t all[FEATURE_WORDS];

    memset(all, 0xff, sizeof(all));
    while (from < to) {
        const uint8_t *p = j->rw + from;
        uint64_t pc = (uintptr_t)j->rx + from;
        Insn i;

        if (insn_decode(&i, p, MIN(to - from, (unsigned)INSN_MAX_LEN), 8, false, all) == DECODE_OK) {
            insn_print_line(&i, pc, p, s);
            from += i.len;
        } else {
            insn_print_line(NULL, pc, p, s);
            from++;
        }
    }
}

static void print_host(const Tr *t, GString *s)
{
    const Block *b = t->b;
    uint32_t at = b->guard;

    g_string_append_printf(s, "OUT: [size=%u]\n  -- guard, poll, entry\n", b->size);
    for (unsigned n = 0; n <= t->n; n++) {
        uint32_t next = b->guard + t->info[n].code;

        disassemble(t->j, at, next, s);
        at = next;
        if (n < t->n)
            g_string_append_printf(s, "  -- guest addr 0x%016" PRIx64 "\n", b->lin + (uint64_t)t->info[n].guest);
    }
    g_string_append(s, "  -- misses, links\n");
    disassemble(t->j, at, b->guard + b->size, s);
    g_string_append_c(s, '\n');
}

void jit_log_block(const Tr *t)
{
    g_autoptr(GString) s = g_string_new(NULL);
    const Block *b = t->b;

    if (!log_in_range(b->lin))
        return;
    if (log_on(LOG_IN_ASM)) {
        g_string_append(s, "----------------\nIN: \n");
        for (unsigned n = 0; n < t->n; n++)
            insn_print_line(&t->insn[n], b->lin + (uint64_t)t->info[n].guest, t->bytes + t->info[n].at, s);
        g_string_append_c(s, '\n');
    }
    if (log_on(LOG_OP)) {
        g_string_append(s, "OP:\n");
        for (unsigned n = 0; n < t->n; n++)
            print_op(t, n, s);
        g_string_append_c(s, '\n');
    }
    if (log_on(LOG_OUT_ASM))
        print_host(t, s);
    log_printf("%s", s->str);
}

void jit_log_run(X86CPU *c, const Block *b)
{
    if (!log_in_range(b->lin))
        return;
    tcg_outside_begin(c);
    g_autoptr(GString) s = g_string_new(NULL);

    if (log_on(LOG_EXEC))
        g_string_append_printf(s, "Trace %u: %p [%016" PRIx64 "/%016" PRIx64 "/%08x/%08x] \n", c->index,
                               (const void *)(JIT(c)->rx + b->body), b->more ? jit_more(JIT(c), b)->cs_base : 0, b->lin,
                               b->mode, 0);
    if (log_on(LOG_CPU))
        cpu_print_present(c, log_on(LOG_FPU), s);
    log_printf("%s", s->str);
    tcg_outside_end(c);
}
