/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor: a prompt on a chardev, or one line at a time for human-monitor-command. The commands are in
 * hmp-cmds.c. */
#include "monitor/hmp.h"
#include "monitor/readline.h"

#include "qapi/qapi-types.h"
#include "softmmu/vcpus.h"

enum { INPUT_AT_ONCE = 64 };

typedef struct HmpMonitor {
    CharFrontend fe;
    MonitorOut out;
    Readline rl;
    bool focus; /* not on a mux, or the mux shows us */
    bool opened;
    GString *held; /* what was printed without the focus */
    int cpu_index; /* of `cpu`; -1: the first */
    struct HmpMonitor *next;
} HmpMonitor;

static HmpMonitor *monitors;

/* --- Running a line --- */

void hmp_print(Hmp *h, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_string_append_vprintf(h->out, fmt, ap);
    va_end(ap);
}

void hmp_error(Hmp *h, Error *err)
{
    if (err)
        hmp_print(h, "Error: %s\n", error_text(err));
    error_free(err);
}

X86CPU *hmp_cpu(const Hmp *h)
{
    X86CPU *c;
    if (h->cpu_index >= 0)
        return (unsigned)h->cpu_index < vcpu_count ? vcpus[h->cpu_index] : NULL;
    FOREACH_VCPU (c) {
        return c;
    }
    return NULL;
}

bool hmp_set_cpu(Hmp *h, uint64_t index)
{
    if (index >= vcpu_count || !vcpus[index])
        return false;
    if (h->mon)
        h->mon->cpu_index = (int)index;
    return true;
}

const char *hmp_history(const Hmp *h, unsigned i)
{
    return h->mon && i < h->mon->rl.history->len ? h->mon->rl.history->pdata[i] : NULL;
}

/* Is word one of the names in "stop|s"? */
static bool name_is(const char *names, const char *word, size_t len)
{
    for (const char *p = names; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (!strncmp(p, word, len) && (p[len] == '|' || !p[len]))
            return true;
    return false;
}

const HmpCommand *hmp_find(const HmpCommand *table, const char *word, size_t len)
{
    for (const HmpCommand *c = table; c->name; c++)
        if (name_is(c->name, word, len))
            return c;
    return NULL;
}

/* The command that text begins with, through sub-tables; *rest: behind its name. NULL: there is none; *rest: behind the
 * word that is not known. */
static const HmpCommand *find_line(const char *text, const char **rest)
{
    const HmpCommand *table = hmp_commands, *found = NULL;
    *rest = text;
    while (table) {
        while (g_ascii_isspace(**rest))
            (*rest)++;
        size_t n = strcspn(*rest, " \t/\"");
        if (found && !n) /* `info` alone */
            return found;
        const HmpCommand *c = hmp_find(table, *rest, n);
        *rest += n;
        if (!c)
            return NULL;
        found = c;
        table = c->sub;
    }
    return found;
}

static void unknown(Hmp *h, const char *text, const char *end)
{
    while (g_ascii_isspace(*text))
        text++;
    hmp_print(h, "unknown command: '%.*s'\n", (int)(end - text), text);
}

static void show_help(Hmp *h, const char *prefix, const HmpCommand *c)
{
    hmp_print(h, "%s%s %s -- %s\n", prefix, c->name, c->params, c->help);
}

void hmp_help(Hmp *h, const char *command)
{
    if (!command) {
        for (const HmpCommand *c = hmp_commands; c->name; c++)
            show_help(h, "", c);
        return;
    }
    const char *rest;
    const HmpCommand *c = find_line(command, &rest);
    if (!c) {
        unknown(h, command, rest);
    } else if (c->sub) {
        for (const HmpCommand *s = c->sub; s->name; s++)
            show_help(h, "info ", s);
    } else {
        bool info = c >= hmp_info_commands && hmp_find(hmp_info_commands, c->name, strlen(c->name)) == c;
        show_help(h, info ? "info " : "", c);
    }
}

/* What is reported while a command runs goes to its monitor. */
static void to_monitor(const char *line, void *opaque)
{
    g_string_append_printf(opaque, "%s\n", line);
}

static void run_line(Hmp *h, const char *line)
{
    const char *rest;
    while (g_ascii_isspace(*line))
        line++;
    if (!*line)
        return;
    const HmpCommand *c = find_line(line, &rest);
    if (!c) {
        unknown(h, line, rest);
        return;
    }
    Error *err = NULL;
    g_autoptr(Json) args = hmp_parse_args(h, c, rest, &err);
    if (!args) {
        hmp_print(h, "%s\nTry \"help %.*s\" for more information\n", error_text(err), (int)(rest - line), line);
        error_free(err);
        return;
    }
    c->fn(h, args);
}

static void execute(Hmp *h, const char *line)
{
    void (*outer)(const char *, void *) = error_report_hook;
    void *outer_opaque = error_report_opaque;
    error_report_hook = to_monitor;
    error_report_opaque = h->out;
    run_line(h, line);
    error_report_hook = outer;
    error_report_opaque = outer_opaque;
}

void hmp_execute_on(const char *line, int cpu_index, GString *out)
{
    execute(&(Hmp){.out = out, .cpu_index = cpu_index}, line);
}

void hmp_execute(const char *line, GString *out)
{
    hmp_execute_on(line, -1, out);
}

/* --- A monitor on a terminal --- */

static void term_print(void *opaque, const char *text)
{
    HmpMonitor *m = opaque;
    if (m->focus)
        monitor_out_write_text(&m->out, text);
    else
        g_string_append(m->held, text);
}

static void term_line(void *opaque, const char *text)
{
    HmpMonitor *m = opaque;
    GString *out = g_string_new(NULL);
    Hmp h = {.out = out, .cpu_index = m->cpu_index, .mon = m};
    execute(&h, text);
    if (out->len)
        term_print(m, out->str);
    g_string_free(out, TRUE);
    if (!h.last)
        readline_prompt(&m->rl);
}

static void add_matches(const HmpCommand *table, const char *prefix, GPtrArray *words)
{
    for (const HmpCommand *c = table; c->name; c++) {
        g_auto(GStrv) names = g_strsplit(c->name, "|", -1);
        for (char **n = names; *n; n++)
            if (g_str_has_prefix(*n, prefix))
                g_ptr_array_add(words, g_strdup(*n));
    }
}

static void term_complete(void *opaque, const char *text, GPtrArray *words)
{
    while (*text == ' ')
        text++;
    const char *space = strchr(text, ' ');
    if (!space) {
        add_matches(hmp_commands, text, words);
        return;
    }
    const HmpCommand *c = hmp_find(hmp_commands, text, (size_t)(space - text));
    const char *rest = space + strspn(space, " ");
    if (!c || strchr(rest, ' '))
        return;
    if (c->sub)
        add_matches(c->sub, rest, words);
    else if (c == hmp_find(hmp_commands, "help", 4))
        add_matches(hmp_commands, rest, words);
}

static size_t term_can_receive(void *opaque)
{
    HmpMonitor *m = opaque;
    return monitor_out_full(&m->out) ? 0 : INPUT_AT_ONCE;
}

static void term_receive(void *opaque, const uint8_t *buf, size_t len)
{
    HmpMonitor *m = opaque;
    for (size_t i = 0; i < len; i++)
        readline_byte(&m->rl, buf[i]);
}

static void term_drained(void *opaque)
{
    HmpMonitor *m = opaque;
    char_accept_input(&m->fe);
}

static void greet(HmpMonitor *m)
{
    g_autoptr(Json) v = qmp_query_version(NULL, NULL);
    const Json *q = json_get(v, "qemu");
    uint64_t n[3] = {0};
    json_get_uint(json_get(q, "major"), &n[0]);
    json_get_uint(json_get(q, "minor"), &n[1]);
    json_get_uint(json_get(q, "micro"), &n[2]);
    g_autofree char *text = g_strdup_printf(
        "QEMU %" PRIu64 ".%" PRIu64 ".%" PRIu64 " monitor - type 'help' for more information\n", n[0], n[1], n[2]);
    term_print(m, text);
    if (m->focus)
        readline_prompt(&m->rl);
}

static void term_event(void *opaque, CharEvent ev)
{
    HmpMonitor *m = opaque;
    switch (ev) {
    case CHAR_OPENED:
        monitor_out_clear(&m->out);
        g_string_truncate(m->held, 0);
        readline_clear(&m->rl);
        m->opened = true;
        greet(m);
        break;
    case CHAR_CLOSED:
        m->opened = false;
        monitor_out_clear(&m->out);
        break;
    case CHAR_MUX_IN:
        m->focus = true;
        if (m->opened) {
            if (m->held->len)
                monitor_out_write_text(&m->out, m->held->str);
            g_string_truncate(m->held, 0);
            readline_prompt(&m->rl);
        }
        break;
    case CHAR_MUX_OUT:
        if (m->opened)
            term_print(m, "\n");
        m->focus = false;
        break;
    case CHAR_BREAK:
        break;
    }
}

static const CharHandlers term_handlers = {term_can_receive, term_receive, term_event};

static void monitor_free(HmpMonitor *m)
{
    readline_destroy(&m->rl);
    g_string_free(m->held, TRUE);
    g_free(m);
}

bool hmp_monitor_new(Chardev *chr, Error **errp)
{
    HmpMonitor *m = g_new0(HmpMonitor, 1);
    m->focus = true;
    m->cpu_index = -1;
    m->held = g_string_new(NULL);
    m->rl =
        (Readline){.prompt = "(qemu) ", .print = term_print, .line = term_line, .complete = term_complete, .opaque = m};
    readline_init(&m->rl);
    monitor_out_init(&m->out, &m->fe, term_drained, m);
    if (!char_attach(&m->fe, chr, &term_handlers, m, errp)) {
        g_string_free(m->out.buf, TRUE);
        monitor_free(m);
        return false;
    }
    m->next = monitors;
    monitors = m;
    return true;
}

void hmp_monitors_cleanup(void)
{
    while (monitors) {
        HmpMonitor *m = monitors;
        monitors = m->next;
        monitor_out_finish(&m->out);
        char_detach(&m->fe);
        monitor_free(m);
    }
}
