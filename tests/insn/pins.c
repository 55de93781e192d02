/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pins FILE [--update] [--show NAME]
 * How much host code the translator makes of common guest instructions and blocks, beside what FILE says it was: a
 * change in either direction fails, with a table of both. --update writes FILE anew; --show prints a pin's code.
 *
 * Nothing is run, and nothing here looks at the host: the guest's CPU has every feature, and the translator is told
 * that the host has RORX (BMI2), so that all hosts give the same counts. A line of FILE: name, guest instructions, host
 * instructions at the block's entry (guard, poll), host instructions and bytes of the guest's, bytes of the whole
 * block with what is rarely run. TAP, a point for each pin.
 */
#include "tests/insn/insn.h"
#include "tests/insn/pins.h"
#include "accel/tcg/jit-internal.h"
#include <inttypes.h>
#include <stdio.h>

typedef struct Count {
    unsigned guest, entry, insns, bytes, all;
} Count;

typedef struct Wanted {
    char name[32];
    Count count;
    bool used;
} Wanted;

static const Pin pins[] = {
#define PIN(id, mode, closed, text) {#id, mode, closed, pin_##id, pin_##id##_end},
    PINS
#undef PIN
};

static Wanted wanted[ARRAY_SIZE(pins) * 2];
static unsigned n_wanted;
static uint32_t every_feature[FEATURE_WORDS];

/* Host instructions in [from, to) of the code buffer. */
static unsigned count_insns(const JitCpu *j, uint32_t from, uint32_t to)
{
    unsigned n = 0;
    Insn i;

    for (; from < to; n++) {
        g_assert_cmpint(insn_decode(&i, j->rw + from, MIN(to - from, (unsigned)INSN_MAX_LEN), 8, false, every_feature),
                        ==, DECODE_OK);
        from += i.len;
    }
    return n;
}

static void show_range(const JitCpu *j, uint32_t from, uint32_t to, const char *what)
{
    g_autoptr(GString) s = g_string_new(NULL);
    Insn i;

    while (from < to && insn_decode(&i, j->rw + from, MIN(to - from, (unsigned)INSN_MAX_LEN), 8, false,
                                    every_feature) == DECODE_OK) {
        insn_print_line(&i, from, j->rw + from, s);
        from += i.len;
    }
    printf("# %s\n%s", what, s->str);
}

static unsigned guest_insns(const Pin *p, unsigned code_size)
{
    unsigned n = 0;
    Insn i;

    for (const uint8_t *at = p->code; at < p->end; at += i.len, n++)
        g_assert_cmpint(
            insn_decode(&i, at, MIN((unsigned)(p->end - at), (unsigned)INSN_MAX_LEN), code_size, false, every_feature),
            ==, DECODE_OK);
    return n;
}

/* The CPU at the pin's code, as a program or a kernel is there. */
static void enter(const Pin *p, uint32_t lin, unsigned code_size)
{
    X86CPU *c = guest_cpu();
    static CpuImage in;

    in.rip = lin - (code_size == 2 ? BASE : 0);
    in.rflags = 0x202;
    guest_enter(&in, code_size);
    if (p->mode == PIN_KERNEL) {
        c->seg[SEG_CS].flags &= ~(uint32_t)(3 << DESC_DPL_SHIFT);
        c->seg[SEG_SS].flags &= ~(uint32_t)(3 << DESC_DPL_SHIFT);
        tcg_mode_changed(c);
    }
    TCG(c)->delivering = -1;
    TCG(c)->outside_depth = 0;
    TCG(c)->in_guest = true;
}

static const Block *translate(const Pin *p, uint32_t lin, unsigned code_size)
{
    X86CPU *c = guest_cpu();

    enter(p, lin, code_size);
    CodeTlbEntry *e = tcg_code_page(c, lin);

    g_assert_nonnull(e);
    if (!e->id)
        e->id = jit_page_id(JIT(c), e->tag, e->host);
    tcg_outside_begin(c);
    const Block *b = jit_translate(c, e, lin, 0);

    tcg_outside_end(c);
    g_assert_nonnull(b);
    return b;
}

static Count measure(const Pin *p, uint32_t lin, bool show)
{
    static const uint8_t sizes[] = {[PIN_USER] = 8, [PIN_KERNEL] = 8, [PIN_32] = 4, [PIN_16] = 2};
    JitCpu *j = JIT(guest_cpu());

    j->alone = g_str_has_prefix(p->name, "alone_"); /* the machine has one CPU */
    const Block *b = translate(p, lin, sizes[p->mode]);
    unsigned n = guest_insns(p, sizes[p->mode]);

    if (p->closed) /* by two instructions that count for nothing */
        n -= 2;
    n = MIN(n, b->n_insns);
    uint32_t first = b->guard + jit_insn(j, b, 0).code, last = b->guard + jit_insn(j, b, n).code;

    if (show) {
        show_range(j, b->guard, first, "entry");
        show_range(j, first, last, "guest's instructions");
        show_range(j, last, b->guard + b->size, "the rest");
    }
    return (Count){.guest = n,
                   .entry = count_insns(j, b->guard, first),
                   .insns = count_insns(j, first, last),
                   .bytes = last - first,
                   .all = b->size};
}

static bool read_file(const char *path)
{
    char line[256];
    FILE *f = fopen(path, "r");

    if (!f)
        return false;
    while (fgets(line, sizeof(line), f)) {
        Wanted *w = &wanted[n_wanted];
        Count *k = &w->count;

        if (n_wanted < ARRAY_SIZE(wanted) && sscanf(line, "%31[a-z0-9_] %u %u %u %u %u", w->name, &k->guest, &k->entry,
                                                    &k->insns, &k->bytes, &k->all) == 6)
            n_wanted++;
    }
    fclose(f);
    return true;
}

static bool write_file(const char *path, const Count *counts)
{
    FILE *f = fopen(path, "w");

    if (!f)
        return false;
    fprintf(f,
            "# SPDX-License-Identifier: GPL-2.0-or-later\n"
            "# tests/insn/pins.c writes this with --update. Guest instructions, host instructions at the entry, host "
            "instructions\n# and bytes of the guest's, bytes of the block with what is rarely run.\n");
    for (unsigned n = 0; n < ARRAY_SIZE(pins); n++) {
        const Count *k = &counts[n];

        fprintf(f, "%-22s %3u %4u %5u %6u %6u\n", pins[n].name, k->guest, k->entry, k->insns, k->bytes, k->all);
    }
    return !fclose(f);
}

static Wanted *find(const char *name)
{
    for (unsigned n = 0; n < n_wanted; n++) {
        if (!strcmp(wanted[n].name, name))
            return &wanted[n];
    }
    return NULL;
}

static void print_row(const char *what, const Count *k)
{
    printf("#   %-8s %5u %5u %5u %6u %6u\n", what, k->guest, k->entry, k->insns, k->bytes, k->all);
}

static bool compare(const Count *counts)
{
    bool ok = true;

    printf("1..%u\n", (unsigned)ARRAY_SIZE(pins) + 1);
    for (unsigned n = 0; n < ARRAY_SIZE(pins); n++) {
        const Count *k = &counts[n];
        Wanted *w = find(pins[n].name);
        bool same = w && !memcmp(&w->count, k, sizeof(*k));

        printf("%s %u %s: %u host instructions for %u\n", same ? "ok" : "not ok", n + 1, pins[n].name, k->insns,
               k->guest);
        if (w)
            w->used = true;
        if (same)
            continue;
        ok = false;
        printf("#            guest entry insns  bytes    all\n");
        if (w)
            print_row("was", &w->count);
        print_row("is", k);
    }
    for (unsigned n = 0; n < n_wanted; n++) {
        if (!wanted[n].used) {
            printf("# there is no pin '%s'\n", wanted[n].name);
            ok = false;
        }
    }
    printf("%s %u the file has what is pinned, and nothing else\n", ok ? "ok" : "not ok",
           (unsigned)ARRAY_SIZE(pins) + 1);
    return ok;
}

int main(int argc, char **argv)
{
    static Count counts[ARRAY_SIZE(pins)];
    const char *file = NULL, *show = NULL;
    uint32_t lin = BASE;
    bool update = false;
    Error *err = NULL;

    for (int n = 1; n < argc; n++) {
        if (!strcmp(argv[n], "--update"))
            update = true;
        else if (!strcmp(argv[n], "--show") && n + 1 < argc)
            show = argv[++n];
        else
            file = argv[n];
    }
    guest_init(BASE + 0x5000, NULL, false);
    X86CPU *c = guest_cpu();

    if (!jit_init(&err) || !jit_cpu_init(c, &err)) {
        printf("1..0 # SKIP %s\n", error_text(err));
        return 0;
    }
    memset(every_feature, 0xff, sizeof(every_feature));
    memcpy(c->config.features, every_feature, sizeof(every_feature));
    c->cpuid[0].reg[CPUID_EBX] = 0x68747541; /* AMD's, on every host */
    c->xcr0 = 7;
    c->cr4 |= CR4_SMAP | CR4_PGE | CR4_PCIDE;
    JIT(c)->has_rorx = true;
    /* All the code is there before the first of it is translated: a page that is written again and again is treated in
     * another way. */
    for (unsigned n = 0; n < ARRAY_SIZE(pins); n++) {
        unsigned len = (unsigned)(pins[n].end - pins[n].code);

        g_assert_cmpint(lin + len, <=, BASE + 4096);
        memcpy(page_at(guest_pages(), lin), pins[n].code, len);
        lin += len;
    }
    lin = BASE;
    for (unsigned n = 0; n < ARRAY_SIZE(pins); n++) {
        bool shown = show && !strcmp(show, pins[n].name);

        counts[n] = measure(&pins[n], lin, shown);
        lin += (uint32_t)(pins[n].end - pins[n].code);
    }
    if (show)
        return 0;
    if (!file) {
        fprintf(stderr, "pins: FILE [--update] [--show NAME]\n");
        return 1;
    }
    if (update) {
        if (write_file(file, counts))
            return 0;
        fprintf(stderr, "pins: cannot write %s\n", file);
        return 1;
    }
    if (!read_file(file)) {
        fprintf(stderr, "pins: cannot read %s\n", file);
        return 1;
    }
    return compare(counts) ? 0 : 1;
}
