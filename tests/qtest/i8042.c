/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * i8042, PS/2 keyboard and mouse: registers beside Debian's binary, every key's scan codes in the three sets, what
 * monitors send, interrupts.
 */
#include "tests/qtest/libqtest.h"

#include "ui/input.h"

#include <unistd.h>

#define ARGS "-nodefaults -vga none"

/* Commands that exist, and nothing that resets the machine. */
static bool filter(WalkStep *s, GRand *rand)
{
    static const uint8_t commands[] = {0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xc0,
                                       0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd4, 0xd4, 0xd4, 0xdd, 0xdf};
    static const uint8_t data[] = {0xed, 0xee, 0xf0, 0xf0, 0xf2, 0xf3, 0xf3, 0xf4, 0xf5, 0xf6,
                                   0xfa, 0xfc, 0xff, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec,
                                   0xee, 1,    2,    3,    200,  100,  80,   200,  80,   0x47};
    static bool output_port; /* the next byte goes to the output port, whose bit 0 resets */

    if (s->addr == 0x60) {
        s->size = 1;
        if (s->write && g_rand_int_range(rand, 0, 8))
            s->val = data[g_rand_int_range(rand, 0, ARRAY_SIZE(data))];
        if (s->write && output_port)
            s->val |= 1;
        output_port = output_port && !s->write;
    } else {
        s->addr = 0x64;
        s->size = 1;
        if (!s->write)
            return true;
        s->val =
            g_rand_int_range(rand, 0, 8) ? commands[g_rand_int_range(rand, 0, ARRAY_SIZE(commands))] : s->val & 0xff;
        if (s->val >= 0xf0)
            s->val |= 1;
        /* Other commands leave it waiting. */
        if (s->val == 0x60 || (s->val >= 0xd1 && s->val <= 0xd4))
            output_port = s->val == 0xd1;
    }
    return true;
}

static void test_walk(void)
{
    const WalkRegion regions[] = {{false, 0x60, 1, 1, 2}, {false, 0x64, 1, 1, 1}, {0}};

    qtest_walk(&(const Walk){.args = ARGS, .regions = regions, .filter = filter, .steps = 20000, .writes = 45});
}

static void drain(QTest *q, GString *out)
{
    g_string_truncate(out, 0);
    for (unsigned i = 0; i < 64; i++) {
        uint8_t status = qtest_inb(q, 0x64);

        if (!(status & 1))
            break;
        g_string_append_printf(out, "%s%02x", status & 0x20 ? "m" : "k", qtest_inb(q, 0x60));
    }
}

static void keyboard(QTest *q, uint8_t v)
{
    qtest_outb(q, 0x60, v);
}
static void mouse(QTest *q, uint8_t v)
{
    qtest_outb(q, 0x64, 0xd4);
    qtest_outb(q, 0x60, v);
}

/* A firmware that only halts, for Debian's: events are taken by a machine that runs. */
static char *halting_firmware(void)
{
    g_autofree uint8_t *rom = g_malloc0(0x10000);
    char *name = g_strdup_printf("%s/i8042-%d.bin", g_get_tmp_dir(), (int)getpid());

    memcpy(rom + 0xfff0, "\xfa\xf4\xeb\xfc", 4); /* cli; hlt; jmp */
    g_assert_true(g_file_set_contents(name, (char *)rom, 0x10000, NULL));
    return name;
}

typedef struct Pair {
    QTest *q[2];
    char *rom;
} Pair;
static bool pair_start(Pair *d)
{
    g_autofree char *theirs = NULL;

    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip("Debian's binary is not installed");
        return false;
    }
    d->rom = halting_firmware();
    theirs = g_strdup_printf(ARGS " -accel tcg -bios %s", d->rom);
    d->q[0] = qtest_start(ARGS);
    d->q[1] = qtest_start_binary(DEBIAN_BINARY, theirs);
    for (unsigned i = 0; i < 2; i++) {
        json_unref(qtest_qmp(d->q[i], "{'execute': 'cont'}"));
        qtest_outb(d->q[i], 0x64, 0x60); /* no translation, no interrupts */
        qtest_outb(d->q[i], 0x60, 0x00);
    }
    return true;
}
static void pair_end(Pair *d)
{
    qtest_quit(d->q[0]);
    qtest_quit(d->q[1]);
    unlink(d->rom);
    g_free(d->rom);
}

static void send_both(Pair *d, const char *events)
{
    for (unsigned i = 0; i < 2; i++)
        json_unref(qtest_qmp(d->q[i], "{'execute': 'input-send-event', 'arguments': {'events': [%s]}}", events));
}
static void compare(Pair *d, const char *what)
{
    g_autoptr(GString) a = g_string_new(NULL), b = g_string_new(NULL);

    drain(d->q[0], a);
    drain(d->q[1], b);
    if (strcmp(a->str, b->str))
        g_error("%s: %s, Debian's sends %s", what, a->str, b->str);
}

static char *key_event(const char *name, bool down)
{
    return g_strdup_printf("{'type': 'key', 'data': {'down': %s, 'key': {'type': 'qcode', 'data': '%s'}}}",
                           down ? "true" : "false", name);
}

static void test_keys(void)
{
    static const char *const modifiers[] = {"", "ctrl", "alt", "alt_r", "shift_r"};
    Pair d;

    if (!pair_start(&d))
        return;
    for (unsigned set = 1; set <= 3; set++) {
        for (unsigned i = 0; i < 2; i++) {
            keyboard(d.q[i], 0xf0);
            keyboard(d.q[i], set);
        }
        compare(&d, "choice of the set");
        for (unsigned m = 0; m < ARRAY_SIZE(modifiers); m++) {
            for (KeyCode k = 0; k < KEY_CODE_F13; k++) { /* F13 to F24 came with QEMU 8.0 */
                g_autofree char *down = key_event(key_name(k), true), *up = key_event(key_name(k), false);
                g_autofree char *what = g_strdup_printf("set %u, %s %s", set, modifiers[m], key_name(k));

                if (*modifiers[m] && k != KEY_CODE_PRINT && k != KEY_CODE_SYSRQ && k != KEY_CODE_PAUSE && k % 16)
                    continue;
                if (*modifiers[m]) {
                    g_autofree char *with = key_event(modifiers[m], true);

                    send_both(&d, with);
                }
                send_both(&d, down);
                compare(&d, what);
                send_both(&d, up);
                compare(&d, what);
                if (*modifiers[m]) {
                    g_autofree char *with = key_event(modifiers[m], false);

                    send_both(&d, with);
                    compare(&d, what);
                }
            }
        }
    }
    pair_end(&d);
}

static void test_mouse(void)
{
    static const uint8_t unlock[3][6] = {{0}, {0xf3, 200, 0xf3, 100, 0xf3, 80}, {0xf3, 200, 0xf3, 200, 0xf3, 80}};
    static const char *const buttons[] = {"left", "middle", "right", "wheel-up", "wheel-down", "side", "extra"};
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    Pair d;

    if (!pair_start(&d))
        return;
    for (unsigned type = 0; type < 3; type++) {
        for (unsigned i = 0; i < 2; i++) {
            for (unsigned n = 0; n < 6 && unlock[type][0]; n++)
                mouse(d.q[i], unlock[type][n]);
        }
        compare(&d, "unlocking");
        for (unsigned i = 0; i < 2; i++) {
            mouse(d.q[i], 0xf2);
            mouse(d.q[i], 0xf4);
        }
        compare(&d, "id");
        for (unsigned n = 0; n < 100; n++) {
            g_autoptr(GString) ev = g_string_new(NULL);

            for (int more = g_rand_int_range(rand, 0, 3); more >= 0; more--) {
                if (g_rand_boolean(rand))
                    g_string_append_printf(ev, "{'type': 'rel', 'data': {'axis': '%c', 'value': %d}}%s",
                                           g_rand_boolean(rand) ? 'x' : 'y', g_rand_int_range(rand, -300, 300),
                                           more ? "," : "");
                else
                    g_string_append_printf(ev, "{'type': 'btn', 'data': {'button': '%s', 'down': %s}}%s",
                                           buttons[g_rand_int_range(rand, 0, ARRAY_SIZE(buttons))],
                                           g_rand_boolean(rand) ? "true" : "false", more ? "," : "");
            }
            send_both(&d, ev->str);
            compare(&d, ev->str);
            if (n % 20 == 0) { /* remote mode, poll, status */
                for (unsigned i = 0; i < 2; i++)
                    mouse(d.q[i], 0xf0);
                compare(&d, "remote mode");
                send_both(&d, ev->str);
                for (unsigned i = 0; i < 2; i++)
                    mouse(d.q[i], 0xeb);
                compare(&d, "poll");
                for (unsigned i = 0; i < 2; i++)
                    mouse(d.q[i], 0xea);
                for (unsigned i = 0; i < 2; i++)
                    mouse(d.q[i], 0xe9);
                compare(&d, "status");
            }
        }
    }
    pair_end(&d);
}

/* Keys of send-key go down and up the hold time apart, in order and in reverse. */
static void test_send_key(void)
{
    static const struct {
        int64_t ms;
        const char *bytes;
    } script[] = {{0, "k14"}, {50, "k11"}, {100, "ke071"}, {150, "ke0f071"}, {200, "kf011"}, {250, "kf014"}, {0, NULL}};
    g_autoptr(GString) got = g_string_new(NULL);
    g_autofree char *err = NULL, *hmp = NULL;
    QTest *q = qtest_start(ARGS);

    qtest_outb(q, 0x64, 0x60);
    qtest_outb(q, 0x60, 0x00);
    json_unref(qtest_qmp(q, "{'execute': 'send-key', 'arguments': {'hold-time': 50, 'keys': [{'type': 'qcode', 'data': "
                            "'ctrl'}, {'type': 'number', 'data': 56}, {'type': 'qcode', 'data': 'delete'}]}}"));
    for (unsigned i = 0; script[i].bytes; i++) {
        g_autofree char *want = g_strdup(script[i].bytes);

        if (i)
            qtest_clock_step(q, 50 * NS_PER_MS);
        drain(q, got);
        /* drain() marks each byte */
        GString *plain = g_string_new("k");
        for (const char *p = got->str; *p; p += 3)
            g_string_append_len(plain, p + 1, 2);
        g_assert_cmpstr(plain->str, ==, want);
        g_string_free(plain, true);
    }
    qtest_clock_step(q, NS_PER_SEC);
    g_free(qtest_hmp(q, "sendkey a 10"));
    drain(q, got);
    g_assert_cmpstr(got->str, ==, "k1c");
    qtest_clock_step(q, 10 * NS_PER_MS);
    drain(q, got);
    g_assert_cmpstr(got->str, ==, "kf0k1c");
    qtest_clock_step(q, NS_PER_SEC);
    err = qtest_qmp_error(q, "{'execute': 'send-key', 'arguments': {'keys': [{'type': 'qcode', 'data': 'foo'}]}}");
    g_assert_nonnull(strstr(err, "foo"));
    hmp = qtest_hmp(q, "sendkey foo");
    g_assert_nonnull(strstr(hmp, "invalid parameter: foo"));
    json_unref(qtest_qmp(q, "{'execute': 'stop'}"));
    g_free(err);
    err = qtest_qmp_error(q, "{'execute': 'input-send-event', 'arguments': {'events': []}}");
    g_assert_cmpstr(err, ==, "VM not running");
    qtest_quit(q);
}

/* Each byte is an edge of its own; the mouse's come on 12. */
static void test_interrupts(void)
{
    QTest *q = qtest_start(ARGS);

    qtest_irq_intercept_in(q, "ioapic");
    keyboard(q, 0xf2); /* fa ab 83 */
    g_assert_true(qtest_irq(q, 1));
    g_assert_cmpuint(qtest_irq_raises(q, 1), ==, 1);
    g_assert_cmphex(qtest_inb(q, 0x60), ==, 0xfa);
    g_assert_cmpuint(qtest_irq_raises(q, 1), ==, 2);
    qtest_inb(q, 0x60);
    qtest_inb(q, 0x60);
    g_assert_false(qtest_irq(q, 1));
    mouse(q, 0xf4);
    g_assert_true(qtest_irq(q, 12));
    g_assert_cmphex(qtest_inb(q, 0x60), ==, 0xfa);
    g_assert_false(qtest_irq(q, 12));
    qtest_outb(q, 0x64, 0x60);
    qtest_outb(q, 0x60, 0x00);
    keyboard(q, 0xee);
    g_assert_false(qtest_irq(q, 1));
    qtest_outb(q, 0x64, 0x60);
    qtest_outb(q, 0x60, 0x01);
    g_assert_true(qtest_irq(q, 1));
    qtest_quit(q);
}

static void test_reset_line(void)
{
    QTest *q = qtest_start(ARGS);

    qtest_outb(q, 0x64, 0xfe);
    json_unref(qtest_event(q, "RESET"));
    qtest_quit(q);
}

static void test_throttle(void)
{
    QTest *q = qtest_start(ARGS " -global i8042.kbd-throttle=on");

    keyboard(q, 0xf2);
    g_assert_cmphex(qtest_inb(q, 0x60), ==, 0xfa);
    g_assert_cmphex(qtest_inb(q, 0x64) & 1, ==, 0);
    qtest_clock_step(q, NS_PER_MS);
    g_assert_cmphex(qtest_inb(q, 0x64) & 1, ==, 1);
    g_assert_cmphex(qtest_inb(q, 0x60), ==, 0xab);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/i8042/walk", test_walk);
    g_test_add_func("/i8042/keys", test_keys);
    g_test_add_func("/i8042/mouse", test_mouse);
    g_test_add_func("/i8042/send-key", test_send_key);
    g_test_add_func("/i8042/interrupts", test_interrupts);
    g_test_add_func("/i8042/reset", test_reset_line);
    g_test_add_func("/i8042/throttle", test_throttle);
    return g_test_run();
}
