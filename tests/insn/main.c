/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * insn [--cases N] [--seed S] [--form MNEMONIC] [--case NUMBER] [--all] [--host fxsave|sse] [--translate]
 * Compares what the host and the engine made of each case: exception, error code, fault address, registers, flags that
 * are defined, vector and x87 state, memory. TAP, a test point per opcode map; what a case was is printed where it
 * fails, and --case (with the same seed) runs it alone. --all prints every failure instead of the first few of a form.
 * --translate: each instruction through the translator, as a block of its own, instead of the interpreter.
 * --host: the engine takes this host for one without XSAVE, or with XSAVE and no AVX.
 */
#include "tests/insn/insn.h"
#include "accel/tcg/tcg.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { SHOWN_PER_FORM = 3, MXCSR_MM = 1 << 17 };
#define USER_END    0x7ffffffff000ULL
#define KERNEL_PAGE (BASE / 4096 + 0x100) /* guest.c */
#define FLAGS_COMPARED                                                                                                 \
    (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_DF | FLAG_OF | FLAG_NT | FLAG_AC | FLAG_ID)

typedef struct FormState {
    InsnForm f;
    const char *reason; /* not tested */
    uint64_t cases, failures, barren;
    uint64_t modes; /* bit per code size that had a case */
} FormState;

static struct {
    uint64_t cases, seed, only_case;
    const char *only_form, *host;
    bool all, one, translate;
} options = {.cases = 1000000};

static FormState *forms;
static unsigned n_forms;
static uint64_t fs_base;
static Native *native;

/* Comparison */

typedef struct Diff {
    GString *text;
} Diff;

static void differ(Diff *d, const char *what, uint64_t host, uint64_t ours)
{
    g_string_append_printf(d->text, "#     %-8s host %016" PRIx64 "  engine %016" PRIx64 "\n", what, host, ours);
}

static void compare_xstate(Diff *d, const uint8_t *host, const uint8_t *ours)
{
    static const struct {
        const char *name;
        unsigned off, len;
    } words[] = {{"fcw", XS_FCW, 2}, {"fsw", XS_FSW, 2}, {"ftw", XS_FTW, 1}, {"mxcsr", XS_MXCSR, 4}};
    char name[16];

    for (unsigned n = 0; n < ARRAY_SIZE(words); n++) {
        uint64_t a = 0, b = 0;

        memcpy(&a, host + words[n].off, words[n].len);
        memcpy(&b, ours + words[n].off, words[n].len);
        if (a != b)
            differ(d, words[n].name, a, b);
    }
    /* The host's kernel sees the last instruction only with an exception pending, on some CPUs. */
    if (host[XS_FSW] & 0x80) {
        if (lduw_le(host + XS_FOP) != lduw_le(ours + XS_FOP) && lduw_le(host + XS_FOP))
            differ(d, "fop", lduw_le(host + XS_FOP), lduw_le(ours + XS_FOP));
    }
    for (unsigned n = 0; n < 8; n++) {
        const uint8_t *a = host + XS_ST + n * 16, *b = ours + XS_ST + n * 16;

        if (memcmp(a, b, 10)) {
            snprintf(name, sizeof(name), "st%u", n);
            differ(d, name, ldq_le(a), ldq_le(b));
            differ(d, " sign/exp", lduw_le(a + 8), lduw_le(b + 8));
        }
    }
    for (unsigned n = 0; n < 32; n++) {
        unsigned off = n < 16 ? XS_XMM + n * 16 : XS_YMM + (n - 16) * 16;

        if (!memcmp(host + off, ours + off, 16))
            continue;
        snprintf(name, sizeof(name), "%s%u", n < 16 ? "xmm" : "ymmh", n & 15);
        differ(d, name, ldq_le(host + off), ldq_le(ours + off));
        differ(d, " high", ldq_le(host + off + 8), ldq_le(ours + off + 8));
    }
}

/* What microcode does in an order of its own: an operand that is in part out of reach faults for any part of it, and
 * may be written up to there. */
static bool microcoded(const Case *k)
{
    switch (k->form->desc->op) {
    case OP_FNSTENV:
    case OP_FLDENV:
    case OP_FNSAVE:
    case OP_FRSTOR:
    case OP_FXSAVE:
    case OP_FXRSTOR:
    case OP_XSAVE:
    case OP_XSAVEOPT:
    case OP_XSAVEC:
    case OP_XRSTOR:
    case OP_ENTER:
    case OP_CMPS: /* which of two operands is first */
    case OP_MASKMOV:
    case OP_VMASKMOV:
        return true;
    case OP_BT: /* AMD's CPUs want the address before the segment's base to be canonical */
    case OP_BTS:
    case OP_BTR:
    case OP_BTC:
    case OP_CALL: /* the new address, or the stack */
        return true;
    default:
        return k->form->map == MAP_ONE_BYTE && k->form->desc->attrs & INSN_FPU;
    }
}

static bool same_kind(uint8_t a, uint8_t b)
{
    return (a == EXC_PF || a == EXC_GP || a == EXC_SS || a == EXC_AC) &&
           (b == EXC_GP || b == EXC_SS || b == EXC_PF || b == EXC_AC);
}

static void compare_memory(Diff *d, const Batch *b, const Case *k, const uint8_t *ours)
{
    bool saves = microcoded(k);

    for (unsigned w = 0; w < WINDOWS; w++) {
        const Window *win = &k->win[w];

        for (unsigned n = 0; n < win->len; n++) {
            /* MXCSR_MASK in a saved state: the host may have misaligned SSE, the engine's CPUs do not. */
            if (saves && ((win->addr + n) & 15) == 14 && b->after[win->off + n] == 2 && !ours[win->off + n]) {
                *page_at(guest_pages(), win->addr + n) = 2; /* a case that follows may read it */
                continue;
            }
            if (b->after[win->off + n] != ours[win->off + n]) {
                char name[16];

                snprintf(name, sizeof(name), "%08x", win->addr + n);
                differ(d, name, b->after[win->off + n], ours[win->off + n]);
                break;
            }
        }
    }
}

static void compare(Diff *d, const Batch *b, const Case *k, const GuestResult *r, const uint8_t *memory)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    bool wide = k->code_size == 8;
    uint64_t gpr_mask = wide ? ~0ULL : 0xffffffff, flags = FLAGS_COMPARED & ~(uint64_t)k->form->desc->flags_undefined;
    uint32_t error_mask = ~0U;
    uint8_t trap = k->trap;

    /* Intel's CPUs want SHA's operands aligned, AMD's and ours do not. */
    if (k->form->desc->feature == INSN_FEATURE(F_7_0_EBX, 29) && k->trap == EXC_GP && !host_is_amd())
        return;
    /* Hosts with misaligned SSE have a bit 17 in MXCSR, the engine's CPUs have not. */
    if (ldl_le(k->out.xsave + XS_MXCSR) & MXCSR_MM && r->trap == EXC_GP)
        return;
    /* A branch into its own bytes: the host goes on behind it until something stops it. */
    if (trap == TRAP_NONE && r->trap == TRAP_NONE && r->out.rip - k->in.rip - 1 < k->code_len - 1U)
        return;
    /* A branch that went to where no code is: the fault is the next instruction's. */
    if (trap == EXC_PF && k->error & PF_I && r->trap == TRAP_NONE)
        trap = TRAP_NONE;
    if (trap != r->trap && microcoded(k) && same_kind(trap, r->trap)) {
        /* as good */
    } else if (trap != r->trap) {
        differ(d, "trap", trap, r->trap);
        differ(d, " error", k->error, r->error);
        differ(d, " cr2", k->cr2, r->cr2);
    } else if (trap < 32) {
        /* Linux says of addresses that are not for programs that they are present; a page is the engine's kernel's
         * alone. */
        if (trap == EXC_PF && (k->cr2 >= USER_END || k->cr2 >> 12 == KERNEL_PAGE))
            error_mask = ~(uint32_t)PF_P;
        if ((k->error ^ r->error) & error_mask && !microcoded(k))
            differ(d, "error", k->error, r->error);
        if (trap == EXC_PF && k->cr2 != r->cr2 && !microcoded(k))
            differ(d, "cr2", k->cr2, r->cr2);
    }
    if (trap == TRAP_TIMEOUT)
        return;
    if (k->out.rip != r->out.rip)
        differ(d, "rip", k->out.rip, r->out.rip);
    if ((k->out.rflags ^ r->out.rflags) & flags)
        differ(d, "rflags", k->out.rflags & flags, r->out.rflags & flags);
    /* Registers that POPA has loaded before it faults stay loaded, on some hosts. */
    for (unsigned n = 0; n < (wide ? 16 : 8); n++) {
        if (k->form->desc->op == OP_POPA && trap != TRAP_NONE && n != R_RSP)
            continue;
        if ((k->out.gpr[n] ^ r->out.gpr[n]) & gpr_mask)
            differ(d, names[n], k->out.gpr[n], r->out.gpr[n]);
    }
    if (wide && k->out.gs_base != r->out.gs_base)
        differ(d, "gsbase", k->out.gs_base, r->out.gs_base);
    /* MASKMOVQ makes MMX state of the x87's before it faults, on some hosts. */
    if (trap == TRAP_NONE || k->form->desc->op != OP_MASKMOV)
        compare_xstate(d, k->out.xsave, r->out.xsave);
    if (trap == TRAP_NONE || !microcoded(k))
        compare_memory(d, b, k, memory);
}

static void describe(const Batch *b, const Case *k)
{
    g_autoptr(GString) s = g_string_new(NULL);
    Insn i;

    g_string_append_printf(s, "# case %" PRIu64 ": %u-bit, at %08x:", k->number, k->code_size * 8, k->code_at);
    for (unsigned n = 0; n < k->code_len; n++)
        g_string_append_printf(s, " %02x", k->code[n]);
    g_string_append(s, "  ");
    if (!k->expect_ud && insn_decode(&i, k->code, 16, k->code_size, false, guest_features) == DECODE_OK)
        insn_print(&i, k->in.rip, s);
    else
        g_string_append(s, "(no instruction)");
    printf("%s\n", s->str);
    g_string_truncate(s, 0);
    for (unsigned n = 0; n < 16; n++)
        g_string_append_printf(s, "%s%016" PRIx64, n % 8 ? " " : "\n#     ", k->in.gpr[n]);
    printf("#     flags %06" PRIx64
           " fcw %04x fsw %04x ftw %02x mxcsr %04x xinuse %x; host trap %02x error %x cr2 %" PRIx64 "%s\n",
           k->in.rflags, lduw_le(k->in.xsave + XS_FCW), lduw_le(k->in.xsave + XS_FSW), k->in.xsave[XS_FTW],
           ldl_le(k->in.xsave + XS_MXCSR), k->in.xsave[XS_XSTATE_BV], k->trap, k->error, k->cr2, s->str);
    for (unsigned w = 0; w < WINDOWS; w++) {
        if (k->win[w].len)
            printf("#     memory %08x, %u bytes\n", k->win[w].addr, k->win[w].len);
    }
}

/* Batches */

static FormState *form_of(const Case *k)
{
    return (FormState *)(void *)((uint8_t *)(uintptr_t)k->form - offsetof(FormState, f));
}

static unsigned code_size_of(const InsnForm *f, uint64_t number)
{
    unsigned pick = (unsigned)(number * 0x9e3779b97f4a7c15ULL >> 40) % 16;
    unsigned size = pick < 9 ? 8 : pick < 13 ? 4 : 2;

    if (f->only64 || !native_has_mode(native, size))
        size = 8;
    if (f->no64 && size == 8)
        size = pick & 1 ? 4 : 2;
    return size;
}

static void fill(Batch *b, uint64_t *next)
{
    b->n = 0;
    b->used = 0;
    while (b->n < BATCH && *next < options.cases && b->used + 16384 < BATCH_MEMORY) {
        uint64_t number = (*next)++;
        FormState *s = &forms[number % n_forms];
        Case *k = &b->cases[b->n];
        uint32_t used = b->used;

        if (options.one && number != options.only_case)
            continue;
        if (s->reason || (options.only_form && strcmp(s->f.desc->mnemonic, options.only_form)))
            continue;
        k->number = number;
        if (!generate(k, b, &s->f, code_size_of(&s->f, number / n_forms), options.seed ^ number * 0xd1342543de82ef95ULL,
                      fs_base)) {
            b->used = used;
            s->barren++;
            continue;
        }
        s->cases += !k->expect_ud;
        s->modes |= 1ULL << k->code_size;
        b->n++;
    }
}

static void pages_reset(void)
{
    for (uint32_t a = BASE; a < BASE + PAGES * 4096; a += 4) {
        if (a >= BASE + 0xf000)
            break;
        stl_le(page_at(native_pages(native), a), a * 0x9e3779b1U);
        stl_le(page_at(guest_pages(), a), a * 0x9e3779b1U);
    }
}

static uint64_t failures, strays;

static void check_batch(const Batch *b)
{
    static uint8_t memory[BATCH_MEMORY];

    for (unsigned n = 0; n < b->n; n++) {
        const Case *k = &b->cases[n];
        FormState *s = form_of(k);
        Diff d = {g_string_new(NULL)};
        GuestResult r;

        guest_run(b, k, &r, memory);
        compare(&d, b, k, &r, memory);
        if (d.text->len) {
            failures++;
            if (s->failures++ < SHOWN_PER_FORM || options.all || options.one) {
                describe(b, k);
                printf("%s", d.text->str);
            }
        } else if (options.one) {
            describe(b, k);
            printf("#     equal\n");
        }
        g_string_free(d.text, true);
    }
    for (uint32_t a = DATA; a < STACK_END; a++) {
        uint8_t host = *page_at(native_pages(native), a), ours = *page_at(guest_pages(), a);

        if (host != ours && !((a & 15) == 14 && host == 2 && !ours) /* MXCSR_MASK */) {
            printf("# cases %" PRIu64 " to %" PRIu64 ": memory at %08x, outside of what they compare, differs\n",
                   b->cases[0].number, b->cases[b->n - 1].number, a);
            strays++;
            break;
        }
    }
    pages_reset();
}

static bool run_all(void)
{
    Batch *b[2] = {batch_new(), batch_new()};
    uint64_t next = 0;
    unsigned cur = 0, at;

    native = native_start();
    if (!native)
        return false;
    fs_base = native_fs_base(native);
    guest_init(fs_base, options.host, options.translate);
    pages_reset();
    for (unsigned n = 0; n < n_forms; n++) {
        const char *missing = form_missing(&forms[n].f);

        forms[n].reason = form_excluded(&forms[n].f);
        if (!forms[n].reason && missing)
            forms[n].reason = g_strdup_printf("this host has no %s", missing);
        if (!forms[n].reason && forms[n].f.no64 && !native_has_mode(native, 4))
            forms[n].reason = "this host runs 64-bit code only";
    }
    fill(b[cur], &next);
    while (b[cur]->n) {
        native_begin(native, b[cur]);
        fill(b[cur ^ 1], &next);
        if (!native_wait(native, &at)) {
            printf("# the child process died of this:\n");
            describe(b[cur], &b[cur]->cases[MIN(at, b[cur]->n - 1)]);
            failures++;
            return true;
        }
        check_batch(b[cur]);
        cur ^= 1;
    }
    native_stop(native);
    return true;
}

/* Report */

static const char *group_name(unsigned g)
{
    static const char *const names[] = {"one-byte opcodes", "x87",       "0F",        "0F 38", "0F 3A",
                                        "VEX 0F",           "VEX 0F 38", "VEX 0F 3A", "EVEX"};

    return names[g];
}

static unsigned group_of(const InsnForm *f)
{
    if (f->encoding == ENC_EVEX)
        return 8;
    if (f->encoding == ENC_VEX)
        return 4 + f->map;
    if (f->map == MAP_ONE_BYTE)
        return f->opcode >= 0xd8 && f->opcode <= 0xdf ? 1 : 0;
    return 1 + f->map;
}

static void form_name(const InsnForm *f, char *to, size_t len)
{
    char reg[8] = "";

    if (f->reg >= 0)
        snprintf(reg, sizeof(reg), "/%d", f->reg);
    snprintf(to, len, "%s (%s%s%02x%s)", f->desc->mnemonic, group_name(group_of(f)),
             f->pp > 0 ? f->pp == 1   ? " 66 "
                         : f->pp == 2 ? " F3 "
                                      : " F2 "
                       : " ",
             f->opcode, reg);
}

static bool report(void)
{
    bool bad = false;
    unsigned point = 0;
    char name[96];

    printf("1..%u\n", 10 + state_points());
    for (unsigned g = 0; g < 9; g++) {
        uint64_t cases = 0, failed = 0;
        unsigned tested = 0, left = 0, broken = 0;
        bool all_excluded = true;

        for (unsigned n = 0; n < n_forms; n++) {
            FormState *s = &forms[n];

            if (group_of(&s->f) != g)
                continue;
            cases += s->cases;
            failed += s->failures;
            if (s->reason) {
                left++;
                continue;
            }
            all_excluded = false;
            tested++;
            if (s->failures) {
                form_name(&s->f, name, sizeof(name));
                printf("# %s: %" PRIu64 " of %" PRIu64 " cases differ\n", name, s->failures, s->cases);
                broken++;
            }
        }
        printf("%s %u %s: %u forms, %" PRIu64 " cases%s\n", failed ? "not ok" : "ok", ++point, group_name(g), tested,
               cases, all_excluded ? " # SKIP none of them is for the engine or this host" : "");
        bad |= failed;
    }
    unsigned without = 0;

    for (unsigned n = 0; n < n_forms; n++) {
        FormState *s = &forms[n];

        form_name(&s->f, name, sizeof(name));
        if (s->reason) {
            printf("# not tested: %s: %s\n", name, s->reason);
        } else if (!s->cases && !options.only_form && !options.one) {
            printf("# no case: %s\n", name);
            without++;
        }
    }
    printf("%s %u every form has a case\n", without || strays ? "not ok" : "ok", ++point);
    bad |= !state_tests(++point);
    return !bad && !without && !strays && !failures;
}

int main(int argc, char **argv)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    options.seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    if (g_getenv("INSN_CASES"))
        options.cases = g_ascii_strtoull(g_getenv("INSN_CASES"), NULL, 0);
    for (int n = 1; n < argc; n++) {
        const char *value = n + 1 < argc ? argv[n + 1] : "";

        if (!strcmp(argv[n], "--all")) {
            options.all = true;
            continue;
        }
        if (!strcmp(argv[n], "--translate")) {
            options.translate = true;
            continue;
        }
        n++;
        if (!strcmp(argv[n - 1], "--cases")) {
            options.cases = g_ascii_strtoull(value, NULL, 0);
        } else if (!strcmp(argv[n - 1], "--seed")) {
            options.seed = g_ascii_strtoull(value, NULL, 0);
        } else if (!strcmp(argv[n - 1], "--form")) {
            options.only_form = value;
        } else if (!strcmp(argv[n - 1], "--host")) {
            options.host = value;
        } else if (!strcmp(argv[n - 1], "--case")) {
            options.one = true;
            options.only_case = g_ascii_strtoull(value, NULL, 0);
            options.cases = options.only_case + 1;
        } else {
            fprintf(stderr, "insn: no option '%s': --cases N, --seed S, --form MNEMONIC, --case NUMBER, --all\n",
                    argv[n - 1]);
            return 1;
        }
    }
    InsnForm f;

    while (insn_form(n_forms, &f))
        n_forms++;
    forms = g_new0(FormState, n_forms + 1);
    for (unsigned n = 0; n < n_forms; n++)
        insn_form(n, &forms[n].f);
    printf("# --seed %" PRIu64 " --cases %" PRIu64 ", %u forms\n", options.seed, options.cases, n_forms);
    if (!n_forms || !run_all()) {
        printf("1..0 # SKIP %s\n", n_forms ? "no child process runs cases here" : "no decoder");
        return 0;
    }
    return report() ? 0 : 1;
}
