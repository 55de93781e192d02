/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeded random register accesses on our binary and Debian's, in lock-step. */
#include "tests/qtest/libqtest-internal.h"

#include <stdlib.h>
#include <unistd.h>

#define BATCH 64 /* steps sent ahead: a round trip costs more than an access */

static char letter(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
}

static void describe(GString *out, const WalkStep *s)
{
    if (s->mmio)
        g_string_append_printf(out, "%s%c 0x%" PRIx64, s->write ? "write" : "read", letter(s->size), s->addr);
    else
        g_string_append_printf(out, "%s%c 0x%" PRIx64, s->write ? "out" : "in", letter(s->size), s->addr);
    if (s->write)
        g_string_append_printf(out, " 0x%" PRIx64, s->val);
}

/* The bits of a read that are not compared. */
static uint64_t masked(const Walk *w, const WalkStep *s)
{
    uint64_t mask = 0;
    for (const WalkMask *m = w->masks; m && m->reason; m++) {
        if (m->addr >= s->addr && m->addr - s->addr < s->size)
            mask |= m->bits << (8 * (m->addr - s->addr));
        else if (s->addr > m->addr && s->addr - m->addr < 8)
            mask |= m->bits >> (8 * (s->addr - m->addr));
    }
    return mask;
}

static WalkStep random_step(const Walk *w, GRand *rand, unsigned weights)
{
    WalkStep s = {0};
    int at = g_rand_int_range(rand, 0, (gint32)weights);
    const WalkRegion *r = w->regions;
    for (; at >= (int)(r->weight ? r->weight : 1); r++)
        at -= (int)(r->weight ? r->weight : 1);
    unsigned sizes = r->sizes ? r->sizes : 1;
    do {
        s.size = 1U << g_rand_int_range(rand, 0, 4);
    } while (!(sizes & s.size));
    s.mmio = r->mmio;
    s.addr = r->base + (uint64_t)g_rand_int_range(rand, 0, (gint32)r->count);
    if (g_rand_int_range(rand, 0, 8)) /* mostly aligned */
        s.addr &= ~(uint64_t)(s.size - 1);
    if (s.addr < r->base)
        s.addr = r->base;
    s.write = g_rand_int_range(rand, 0, 100) < (int)(w->writes ? w->writes : 50);
    /* few bits, many bits, all or nothing: what registers react to */
    uint64_t v = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    switch (g_rand_int_range(rand, 0, 6)) {
    case 0:
        v = BIT64(v & 63) >> (v & 1 ? 32 : 0);
        break;
    case 1:
        v = 0;
        break;
    case 2:
        v = ~0ULL;
        break;
    case 3:
        v &= v >> 17;
        break;
    }
    s.val = s.write ? bits64(v, 0, s.size * 8) : 0;
    return s;
}

/* Do the steps on both; the number of the first that differs, or n. */
static unsigned run_batch(const Walk *w, QTest *q[2], const WalkStep *steps, unsigned n, uint64_t got[2])
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 0; i < n; i++) {
        if (i)
            g_string_append_c(text, '\n');
        describe(text, &steps[i]);
    }
    qtest_send(q[0], text->str);
    qtest_send(q[1], text->str);
    unsigned bad = n;
    for (unsigned i = 0; i < n; i++) {
        uint64_t v[2];
        g_autoptr(GString) what = g_string_new(NULL);
        describe(what, &steps[i]);
        for (int k = 0; k < 2; k++) {
            g_autofree char *answer = qtest_receive(q[k], what->str);
            v[k] = qtest_value(q[k], answer, what->str);
        }
        if (bad == n && !steps[i].write &&
            ((v[0] ^ v[1]) & ~masked(w, &steps[i]) & (~0ULL >> (64 - 8 * steps[i].size)))) {
            bad = i;
            got[0] = v[0];
            got[1] = v[1];
        }
    }
    return bad;
}

void qtest_walk(const Walk *w)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip(DEBIAN_BINARY " is not installed");
        return;
    }
    const char *env = g_getenv("WALK_SEED");
    uint32_t seed = env ? (uint32_t)strtoul(env, NULL, 0) : w->seed ? w->seed : 1;
    unsigned total = w->steps ? w->steps : 10000, weights = 0;
    for (const WalkRegion *r = w->regions; r->count; r++)
        weights += r->weight ? r->weight : 1;
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    QTest *q[2] = {qtest_start("%s", w->args), qtest_start_binary(DEBIAN_BINARY, w->args)};
    g_autofree WalkStep *log = g_new0(WalkStep, total + BATCH);
    unsigned done = 0;
    uint64_t got[2];
    for (const WalkStep *s = w->before; s && s->size; s++)
        run_batch(w, q, s, 1, got);
    while (done < total) {
        unsigned n = 0;
        while (n < BATCH && done + n < total) {
            WalkStep s = random_step(w, rand, weights);
            if (w->filter && !w->filter(&s, rand))
                continue;
            log[done + n++] = s;
        }
        unsigned bad = run_batch(w, q, &log[done], n, got);
        if (bad < n) {
            g_autoptr(GString) text = g_string_new(NULL);
            unsigned at = done + bad;
            for (unsigned i = at > 30 ? at - 30 : 0; i <= at; i++) {
                g_string_append(text, "    ");
                describe(text, &log[i]);
                g_string_append_c(text, '\n');
            }
            g_test_message("seed %u, step %u: ours 0x%" PRIx64 ", Debian's 0x%" PRIx64
                           "; the steps that led there:\n%s",
                           seed, at, got[0], got[1], text->str);
            g_test_fail();
            break;
        }
        done += n;
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}
