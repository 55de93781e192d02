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
    {LOG_OP, "op", "show the intermediate form of each translated block"},
    {LOG_INT, "int", "show interrupts and exceptions"},
    {LOG_EXEC, "exec", "show each executed block"},
    {LOG_CPU, "cpu", "show CPU registers before each block"},
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
