/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel qtest and the qtest server: a test program drives the machine in place of vCPUs, over a character device.
 *
 * The protocol is that of QEMU's docs/devel/qtest.rst: a command a line, words parted by spaces, numbers as C writes
 * them; each is answered by a line that begins with OK or FAIL. "IRQ raise N" and "IRQ lower N" come in between once
 * inputs are intercepted.
 *
 *     inb|inw|inl PORT -> OK 0xVALUE              outb|outw|outl PORT VALUE
 *     readb|readw|readl|readq ADDR -> OK 0xVALUE  writeb|writew|writel|writeq ADDR VALUE
 *     read ADDR LEN -> OK 0xHEX                   write ADDR LEN 0xHEX (short data is filled with zeroes)
 *     b64read ADDR LEN -> OK BASE64               b64write ADDR LEN BASE64
 *     memset ADDR LEN BYTE                        endianness -> OK little
 *     clock_step [NS] -> OK NOW (without NS: to the next timer)      clock_set NS -> OK NOW
 *     irq_intercept_in DEVICE   irq_intercept_out DEVICE [NAME]   set_irq_in DEVICE NAME N LEVEL
 *
 * The clock commands need -accel qtest, the rest works beside any accelerator. DEVICE is a QOM path, an id, the last
 * part of a path or a device's type; one device can be intercepted, one way. Changes still go where they went.
 */
#include "accel/qtest/qtest.h"

#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "softmmu/mainloop.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES (256 * MIB)
#define WRITE_MAX      (64 * MIB)
#define READ_MAX       (4 * MIB) /* what the chardev queues for a client that is slow to read */

static CharFrontend server;
static GString *input;
static FILE *log_file;
static gint64 opened_at;

/* The device whose lines are intercepted, and where each of them leads: inputs (watched_out NULL) or an output. */
static Device *watched;
static const char *watched_out;
static Irq *watched_lines, *watchers;
static bool *watched_levels;

bool qtest_enabled(void)
{
    return accel == &accel_qtest;
}

static void log_line(char dir, const char *text)
{
    if (!log_file)
        return;
    double t = (double)(g_get_monotonic_time() - opened_at) / 1e6;
    fprintf(log_file, "[%c +%.6f] %s\n", dir, t, text);
    fflush(log_file);
}

static void send_text(const char *text)
{
    g_autofree char *line = g_strchomp(g_strdup(text));
    log_line('S', line);
    char_write_all(&server, text, strlen(text));
}

/* Commands */

typedef struct Command {
    const char *name;
    unsigned min_words, max_words; /* after the name */
    bool (*run)(char **w, GString *out, Error **errp);
} Command;

static bool number(const char *word, uint64_t *val, Error **errp)
{
    char *end;
    errno = 0;
    *val = strtoull(word, &end, 0);
    return (*word && !*end && !errno) || error_set(errp, "'%s' is not a number", word);
}

static bool numbers(char **w, unsigned n, uint64_t *val, Error **errp)
{
    for (unsigned i = 0; i < n; i++)
        if (!number(w[1 + i], &val[i], errp))
            return false;
    return true;
}

static unsigned size_of_suffix(const char *name)
{
    switch (name[strlen(name) - 1]) {
    case 'b':
        return 1;
    case 'w':
        return 2;
    case 'l':
        return 4;
    default:
        return 8;
    }
}

static bool port(uint64_t val, Error **errp)
{
    return val <= UINT16_MAX || error_set(errp, "0x%" PRIx64 " is not a port", val);
}

static bool do_in(char **w, GString *out, Error **errp)
{
    uint64_t v[1];
    if (!numbers(w, 1, v, errp) || !port(v[0], errp))
        return false;
    g_string_append_printf(out, "OK 0x%04" PRIx32 "\n", io_read((uint16_t)v[0], size_of_suffix(w[0])));
    return true;
}

static bool do_out(char **w, GString *out, Error **errp)
{
    uint64_t v[2];
    if (!numbers(w, 2, v, errp) || !port(v[0], errp))
        return false;
    unsigned size = size_of_suffix(w[0]);
    io_write((uint16_t)v[0], (uint32_t)bits64(v[1], 0, size * 8), size);
    g_string_append(out, "OK\n");
    return true;
}

static bool do_load(char **w, GString *out, Error **errp)
{
    uint64_t v[1];
    if (!numbers(w, 1, v, errp))
        return false;
    g_string_append_printf(out, "OK 0x%016" PRIx64 "\n", as_load(&as_memory, v[0], size_of_suffix(w[0]), NULL));
    return true;
}

static bool do_store(char **w, GString *out, Error **errp)
{
    uint64_t v[2];
    if (!numbers(w, 2, v, errp))
        return false;
    unsigned size = size_of_suffix(w[0]);
    as_store(&as_memory, v[0], size, bits64(v[1], 0, size * 8), NULL);
    g_string_append(out, "OK\n");
    return true;
}

/* ADDR LEN of a transfer, with a buffer of that length. */
static bool window(char **w, uint64_t v[2], uint8_t **buf, Error **errp)
{
    if (!numbers(w, 2, v, errp))
        return false;
    uint64_t max = strstr(w[0], "read") ? READ_MAX : WRITE_MAX;
    if (!v[1] || v[1] > max)
        return error_set(errp, "%s takes 1 to %" PRIu64 " bytes, not %" PRIu64, w[0], max, v[1]);
    *buf = g_malloc0(v[1]);
    return true;
}

static bool do_read(char **w, GString *out, Error **errp)
{
    uint64_t v[2];
    g_autofree uint8_t *buf = NULL;
    if (!window(w, v, &buf, errp))
        return false;
    as_read(&as_memory, v[0], buf, v[1]);
    if (*w[0] == 'b') {
        g_autofree char *text = g_base64_encode(buf, v[1]);
        g_string_append_printf(out, "OK %s\n", text);
        return true;
    }
    static const char digits[] = "0123456789abcdef";
    g_string_append(out, "OK 0x");
    gsize at = out->len;
    g_string_set_size(out, at + 2 * v[1]);
    for (uint64_t i = 0; i < v[1]; i++) {
        out->str[at++] = digits[buf[i] >> 4];
        out->str[at++] = digits[buf[i] & 15];
    }
    g_string_append_c(out, '\n');
    return true;
}

static bool do_write(char **w, GString *out, Error **errp)
{
    uint64_t v[2];
    g_autofree uint8_t *buf = NULL;
    if (!window(w, v, &buf, errp))
        return false;
    const char *hex = w[3];
    size_t len = strlen(hex);
    if (len < 3 || hex[0] != '0' || hex[1] != 'x')
        return error_set(errp, "the data of write begins with 0x");
    for (uint64_t i = 0; i < v[1] && 2 + i * 2 < len; i++) {
        int hi = g_ascii_xdigit_value(hex[2 + i * 2]), lo = g_ascii_xdigit_value(hex[3 + i * 2]);
        if (hi < 0 || lo < 0)
            return error_set(errp, "the data of write has no two hexadecimal digits at byte %" PRIu64, i);
        buf[i] = (uint8_t)(hi << 4 | lo);
    }
    as_write(&as_memory, v[0], buf, v[1]);
    g_string_append(out, "OK\n");
    return true;
}

static bool do_b64write(char **w, GString *out, Error **errp)
{
    uint64_t v[2];
    g_autofree uint8_t *buf = NULL;
    if (!window(w, v, &buf, errp))
        return false;
    gsize len;
    g_base64_decode_inplace(w[3], &len);
    as_write(&as_memory, v[0], w[3], MIN(len, v[1]));
    g_string_append(out, "OK\n");
    return true;
}

static bool do_memset(char **w, GString *out, Error **errp)
{
    uint64_t v[3];
    if (!numbers(w, 3, v, errp))
        return false;
    if (v[1] > 64 * GIB) /* of holes, too: the server would be busy for ever */
        return error_set(errp, "memset takes up to 64 GiB, not %" PRIu64 " bytes", v[1]);
    as_fill(&as_memory, v[0], (uint8_t)v[2], v[1]);
    g_string_append(out, "OK\n");
    return true;
}

static bool do_clock(char **w, GString *out, Error **errp)
{
    if (!qtest_enabled())
        return error_set(errp, "%s needs -accel qtest: the clock runs by itself", w[0]);
    int64_t now = clock_ns(CLOCK_VIRTUAL), to = now;
    uint64_t v;
    if (!strcmp(w[0], "clock_set") && !w[1])
        return error_set(errp, "clock_set takes a time in ns");
    if (!w[1]) {
        to = timers_deadline(CLOCK_VIRTUAL);
        if (to == INT64_MAX)
            to = now;
    } else if (!number(w[1], &v, errp)) {
        return false;
    } else if (v > INT64_MAX) {
        return error_set(errp, "%s does not go back", w[0]);
    } else if (!strcmp(w[0], "clock_set")) {
        to = (int64_t)v;
    } else if (__builtin_add_overflow(now, (int64_t)v, &to)) {
        return error_set(errp, "clock_step: %" PRIu64 " ns is beyond the end of time", v);
    }
    clock_virtual_set(to);
    g_string_append_printf(out, "OK %" PRIi64 "\n", clock_ns(CLOCK_VIRTUAL));
    return true;
}

static bool do_endianness(char **w, GString *out, Error **errp)
{
    g_string_append(out, "OK little\n");
    return true;
}

/* Interrupts */

typedef struct Search {
    const char *name;
    Device *found;
} Search;

static bool by_name(Device *dev, void *opaque)
{
    Search *s = opaque;
    const char *last = dev->path ? strrchr(dev->path, '/') : NULL;
    if ((last && !strcmp(last + 1, s->name)) || !strcmp(dev->desc->name, s->name))
        s->found = dev;
    return !s->found;
}

static Device *find_device(const char *name, Error **errp)
{
    Search s = {name, device_find(name)};
    if (!s.found)
        devices_foreach(by_name, &s);
    if (!s.found)
        error_set(errp, "Unknown device '%s'", name);
    return s.found;
}

static void watch_line(void *opaque, unsigned n, int level)
{
    Irq *line = &watched_lines[n];
    if (line->handler)
        line->handler(line->opaque, line->n, level);
    if (watched_levels[n] == !!level)
        return;
    watched_levels[n] = level;
    g_autofree char *text = g_strdup_printf("IRQ %s %u\n", level ? "raise" : "lower", n);
    send_text(text);
}

/* True: the lines are to be taken over now, watchers[0..n) by name. */
static bool watch(Device *dev, const char *out_name, unsigned n, bool *fresh, Error **errp)
{
    *fresh = !watched;
    if (watched)
        return (watched == dev && !g_strcmp0(watched_out, out_name)) ||
               error_set(errp, "IRQ intercept already enabled");
    watched = dev;
    watched_out = out_name;
    watched_lines = g_new0(Irq, n);
    watched_levels = g_new0(bool, n);
    watchers = g_new0(Irq, n);
    for (unsigned i = 0; i < n; i++)
        watchers[i] = (Irq){watch_line, NULL, i};
    return true;
}

static bool do_intercept_in(char **w, GString *out, Error **errp)
{
    bool fresh;
    Device *dev = find_device(w[1], errp);
    if (!dev)
        return false;
    if (!dev->n_inputs)
        return error_set(errp, "device '%s' has no input lines", w[1]);
    if (!watch(dev, NULL, dev->n_inputs, &fresh, errp))
        return false;
    for (unsigned i = 0; fresh && i < dev->n_inputs; i++) {
        watched_lines[i] = dev->inputs[i];
        dev->inputs[i] = watchers[i];
    }
    g_string_append(out, "OK\n");
    return true;
}

static bool do_intercept_out(char **w, GString *out, Error **errp)
{
    bool fresh;
    const char *name = w[2] ? w[2] : "";
    Device *dev = find_device(w[1], errp);
    if (!dev)
        return false;
    const DeviceOutput *o = device_find_output(dev, name);
    if (!o)
        return error_set(errp,
                         *name ? "device '%s' has no output lines '%s'" : "device '%s' has no unnamed output lines%s",
                         w[1], name);
    if (!watch(dev, o->name, o->n, &fresh, errp))
        return false;
    for (unsigned i = 0; fresh && i < o->n; i++) {
        if (o->lines[i])
            watched_lines[i] = *o->lines[i];
        o->lines[i] = &watchers[i];
    }
    g_string_append(out, "OK\n");
    return true;
}

static bool do_set_irq_in(char **w, GString *out, Error **errp)
{
    uint64_t n, level;
    Device *dev = find_device(w[1], errp);
    if (!dev || !number(w[3], &n, errp) || !number(w[4], &level, errp))
        return false;
    if (n >= dev->n_inputs)
        return error_set(errp, "device '%s' has %u input lines, no line %" PRIu64, w[1], dev->n_inputs, n);
    irq_set_level(device_input(dev, (unsigned)n), (int)level);
    g_string_append(out, "OK\n");
    return true;
}

static const Command commands[] = {
    {"inb", 1, 1, do_in},
    {"inw", 1, 1, do_in},
    {"inl", 1, 1, do_in},
    {"outb", 2, 2, do_out},
    {"outw", 2, 2, do_out},
    {"outl", 2, 2, do_out},
    {"readb", 1, 1, do_load},
    {"readw", 1, 1, do_load},
    {"readl", 1, 1, do_load},
    {"readq", 1, 1, do_load},
    {"writeb", 2, 2, do_store},
    {"writew", 2, 2, do_store},
    {"writel", 2, 2, do_store},
    {"writeq", 2, 2, do_store},
    {"read", 2, 2, do_read},
    {"b64read", 2, 2, do_read},
    {"write", 3, 3, do_write},
    {"b64write", 3, 3, do_b64write},
    {"memset", 3, 3, do_memset},
    {"clock_step", 0, 1, do_clock},
    {"clock_set", 1, 1, do_clock},
    {"endianness", 0, 0, do_endianness},
    {"irq_intercept_in", 1, 1, do_intercept_in},
    {"irq_intercept_out", 1, 2, do_intercept_out},
    {"set_irq_in", 4, 4, do_set_irq_in},
};

void qtest_answer(const char *line, GString *out)
{
    g_auto(GStrv) raw = g_strsplit(line, " ", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new(); /* without the empty ones */
    for (char **p = raw; *p; p++)
        if (*g_strchomp(*p))
            g_ptr_array_add(words, *p);
    unsigned n = words->len;
    g_ptr_array_add(words, NULL);
    char **w = (char **)words->pdata;
    if (!n) {
        g_string_append(out, "FAIL an empty line\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        const Command *c = &commands[i];
        if (strcmp(c->name, w[0]))
            continue;
        g_autoptr(Error) err = NULL;
        if (n - 1 < c->min_words || n - 1 > c->max_words)
            error_set(&err, "%s takes %u to %u words, not %u", w[0], c->min_words, c->max_words, n - 1);
        else
            c->run(w, out, &err);
        if (err)
            g_string_append_printf(out, "FAIL %s\n", error_text(err));
        return;
    }
    g_string_append_printf(out, "FAIL Unknown command '%s'\n", w[0]);
}

/* The server */

static void receive(void *opaque, const uint8_t *buf, size_t len)
{
    g_string_append_len(input, (const char *)buf, (gssize)len);
    gsize done = 0;
    char *end;
    while ((end = memchr(input->str + done, '\n', input->len - done))) {
        *end = '\0';
        g_autoptr(GString) out = g_string_new(NULL);
        log_line('R', input->str + done);
        qtest_answer(input->str + done, out);
        send_text(out->str);
        done = (gsize)(end + 1 - input->str);
    }
    g_string_erase(input, 0, (gssize)done);
    if (input->len > LINE_MAX_BYTES) {
        g_string_truncate(input, 0);
        send_text("FAIL a line of more than 256 MiB\n");
    }
}

static void event(void *opaque, CharEvent ev)
{
    if (ev != CHAR_OPENED && ev != CHAR_CLOSED)
        return;
    if (ev == CHAR_OPENED)
        opened_at = g_get_monotonic_time();
    g_string_truncate(input, 0);
    log_line('I', ev == CHAR_OPENED ? "OPENED" : "CLOSED");
}

static const CharHandlers handlers = {.receive = receive, .event = event};

bool qtest_server_init(const char *chardev_text, const char *log, Error **errp)
{
    if (!log) {
        log_file = stderr;
    } else if (strcmp(log, "none")) {
        log_file = fopen(log, "we");
        if (!log_file)
            return error_set_errno(errp, errno, "-qtest-log: cannot write '%s'", log);
    }
    input = g_string_new(NULL);
    Chardev *chr = chardev_from_text("qtest", chardev_text, false, errp);
    if (!chr)
        return false;
    return char_attach(&server, chr, &handlers, NULL, errp);
}

/* The accelerator: time stands still, vCPUs wait. */

static bool init(Error **errp)
{
    clock_virtual_manual();
    return true;
}

static bool vcpu_init(X86CPU *c, Error **errp)
{
    return true;
}

static VcpuExit vcpu_run(X86CPU *c)
{
    return VCPU_EXIT_HALTED;
}

static void vcpu_kick(X86CPU *c)
{
}

/* A test program sees the chipset's side of it. */
static bool has_smm(void)
{
    return true;
}

static bool state_is_here(X86CPU *c, Error **errp)
{
    return true;
}

static bool state_is_kept(X86CPU *c, CpuStateLevel level, Error **errp)
{
    return true;
}

const AccelDesc accel_qtest = {
    .name = "qtest",
    .summary = "a test program drives the machine",
    .hidden = true,
    .init = init,
    .vcpu_init = vcpu_init,
    .vcpu_run = vcpu_run,
    .vcpu_kick = vcpu_kick,
    .has_a20 = true,
    .has_smm = has_smm,
    .get_state = state_is_here,
    .put_state = state_is_kept,
};
