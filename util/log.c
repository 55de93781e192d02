/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <stdio.h>
#include <unistd.h>

static const struct {
    LogMask mask;
    const char *name, *help;
} log_items[] = {
    {LOG_OUT_ASM, "out_asm", "show generated host code of each translated block"},
    {LOG_IN_ASM, "in_asm", "show guest code of each translated block"},
    {LOG_OP, "op", "show what the translator makes of each instruction"},
    {LOG_INT, "int", "show interrupts and exceptions"},
    {LOG_EXEC, "exec", "show each executed block (no block is chained then)"},
    {LOG_CPU, "cpu", "show CPU registers before each block"},
    {LOG_FPU, "fpu", "x87 and SSE registers with 'cpu' and 'int'"},
    {LOG_MMU, "mmu", "show MMU activity"},
    {LOG_RESET, "cpu_reset", "show CPU state before a reset"},
    {LOG_UNIMP, "unimp", "log what the guest asked for and is not there"},
    {LOG_GUEST_ERROR, "guest_errors", "log when the guest does something invalid"},
};

unsigned log_mask;
bool trace_any;
static FILE *log_file;
static GMutex log_lock; /* log_file, trace list and patterns */
static TracePoint *trace_points;
static GPtrArray *trace_patterns;

static void vlog(const char *prefix, const char *fmt, va_list ap)
{
    g_mutex_lock(&log_lock);
    FILE *f = log_file ? log_file : stderr;
    fputs(prefix, f);
    vfprintf(f, fmt, ap);
    fflush(f);
    g_mutex_unlock(&log_lock);
}

void log_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vlog("", fmt, ap);
    va_end(ap);
}

bool log_set_items(const char *items, Error **errp)
{
    unsigned mask = 0;
    g_auto(GStrv) names = g_strsplit(items, ",", -1);
    for (char **n = names; *n; n++) {
        bool found = false;
        if (g_str_has_prefix(*n, "trace:")) {
            if (!trace_enable(*n + 6, errp))
                return false;
            continue;
        }
        for (size_t i = 0; i < ARRAY_SIZE(log_items); i++) {
            if (!strcmp(*n, "all") || !strcmp(*n, log_items[i].name)) {
                mask |= log_items[i].mask;
                found = true;
            }
        }
        if (!found && strcmp(*n, "none") && strcmp(*n, "nochain") && strcmp(*n, "page"))
            return error_set(errp, "-d: unknown log item '%s'; '-d help' lists them", *n);
    }
    log_mask |= mask;
    return true;
}

typedef struct Range {
    uint64_t first, last;
} Range;
static Range *ranges; /* set before there are threads */
static unsigned n_ranges;

static bool parse_range(const char *text, Range *out)
{
    uint64_t a, b;
    char *end;

    a = g_ascii_strtoull(text, &end, 0);
    bool up = *end == '+', between = end[0] == '.' && end[1] == '.';
    if (end == text || (!up && !between && *end != '-'))
        return false;
    text = end + (between ? 2 : 1);
    b = g_ascii_strtoull(text, &end, 0);
    if (end == text || *end)
        return false;
    if (!between && !b)
        return false;
    *out = between ? (Range){a, b} : up ? (Range){a, a + b - 1} : (Range){a - (b - 1), a};
    return out->first <= out->last;
}

bool log_set_ranges(const char *text, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    unsigned n = g_strv_length(parts);
    g_autofree Range *r = g_new(Range, n);

    for (unsigned i = 0; i < n; i++) {
        if (!parse_range(parts[i], &r[i]))
            return error_set(errp, "-dfilter: '%s' is none of FIRST..LAST, START+SIZE, END-SIZE", parts[i]);
    }
    g_free(ranges);
    ranges = g_steal_pointer(&r);
    n_ranges = n;
    return true;
}

bool log_in_range(uint64_t addr)
{
    for (unsigned i = 0; i < n_ranges; i++) {
        if (addr >= ranges[i].first && addr <= ranges[i].last)
            return true;
    }
    return !n_ranges;
}

bool log_set_file(const char *path, Error **errp)
{
    FILE *f = NULL;
    if (path) {
        g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
        g_auto(GStrv) parts = g_strsplit(path, "%d", 2);
        g_autofree char *name = g_strjoinv(pid, parts);
        f = fopen(name, "we");
        if (!f)
            return error_set_errno(errp, errno, "-D: cannot write '%s'", name);
    }
    g_mutex_lock(&log_lock);
    if (log_file)
        fclose(log_file);
    log_file = f;
    g_mutex_unlock(&log_lock);
    return true;
}

void log_help_text(GString *out)
{
    g_string_append(out, "Log items (comma separated):\n");
    for (size_t i = 0; i < ARRAY_SIZE(log_items); i++)
        g_string_append_printf(out, "%-15s %s\n", log_items[i].name, log_items[i].help);
    g_string_append_printf(out, "%-15s %s\n", "trace:PATTERN", "enable trace points");
}

void log_help(void)
{
    GString *out = g_string_new(NULL);
    log_help_text(out);
    fputs(out->str, stdout);
    g_string_free(out, TRUE);
}

static void trace_match(TracePoint *tp)
{
    for (guint i = 0; i < trace_patterns->len; i++)
        if (g_pattern_match_simple(trace_patterns->pdata[i], tp->name))
            tp->enabled = true;
}

bool trace_enable(const char *pattern, Error **errp)
{
    if (!*pattern)
        return error_set(errp, "-trace: the pattern is empty; 'enable=*' enables all");
    g_mutex_lock(&log_lock);
    if (!trace_patterns)
        trace_patterns = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(trace_patterns, g_strdup(pattern));
    for (TracePoint *tp = trace_points; tp; tp = tp->next)
        trace_match(tp);
    g_mutex_unlock(&log_lock);
    trace_any = true;
    return true;
}

void trace_register(TracePoint *tp)
{
    if (__atomic_load_n(&tp->next, __ATOMIC_ACQUIRE))
        return;
    static TracePoint last; /* the list's end, so that a registered point's next is never NULL */
    g_mutex_lock(&log_lock);
    if (!tp->next) {
        trace_match(tp);
        __atomic_store_n(&tp->next, trace_points ? trace_points : &last, __ATOMIC_RELEASE);
        trace_points = tp;
    }
    g_mutex_unlock(&log_lock);
}

void trace_printf(const TracePoint *tp, const char *fmt, ...)
{
    g_autofree char *prefix = g_strdup_printf("%s ", tp->name);
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *line = g_strconcat(fmt, "\n", NULL);
    vlog(prefix, line, ap);
    va_end(ap);
}
