/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/error.h"

#include <stdio.h>

struct Error {
    ErrorClass cls;
    char *msg;
    char *hint;
};

__thread void (*error_report_hook)(const char *line, void *opaque);
__thread void *error_report_opaque;
bool error_with_timestamp;
const char *error_guest_name;
static const char *progname = "qemu-system-x86_64";

static bool set(Error **errp, ErrorClass cls, char *msg)
{
    if (!errp) {
        g_free(msg);
        return false;
    }
    assert(!*errp);
    Error *err = g_new0(Error, 1);
    err->cls = cls;
    err->msg = msg;
    *errp = err;
    return false;
}

bool error_set(Error **errp, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return set(errp, ERROR_GENERIC, msg);
}

bool error_set_class(Error **errp, ErrorClass cls, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return set(errp, cls, msg);
}

bool error_set_errno(Error **errp, int err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *head = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return set(errp, ERROR_GENERIC, g_strdup_printf("%s: %s", head, g_strerror(err)));
}

bool error_prepend(Error **errp, const char *fmt, ...)
{
    if (!errp || !*errp)
        return false;
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *head = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    char *msg = g_strconcat(head, (*errp)->msg, NULL);
    g_free((*errp)->msg);
    (*errp)->msg = msg;
    return false;
}

void error_hint(Error **errp, const char *fmt, ...)
{
    if (!errp || !*errp)
        return;
    va_list ap;
    va_start(ap, fmt);
    g_free((*errp)->hint);
    (*errp)->hint = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

bool error_propagate(Error **errp, Error *src)
{
    if (!src)
        return true;
    if (errp) {
        assert(!*errp);
        *errp = src;
    } else {
        error_free(src);
    }
    return false;
}

const char *error_text(const Error *err)
{
    return err->msg;
}

const char *error_hint_text(const Error *err)
{
    return err->hint;
}

ErrorClass error_class(const Error *err)
{
    return err->cls;
}

void error_free(Error *err)
{
    if (!err)
        return;
    g_free(err->msg);
    g_free(err->hint);
    g_free(err);
}

void error_init(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    progname = slash ? slash + 1 : argv0;
}

const char *error_program(void)
{
    return progname;
}

static void report(const char *kind, const char *text)
{
    if (error_report_hook) {
        g_autofree char *line = g_strconcat(kind, text, NULL);
        error_report_hook(line, error_report_opaque);
        return;
    }
    g_autoptr(GString) s = g_string_new(NULL);
    if (error_with_timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *t = g_date_time_format_iso8601(now);
        g_string_append_printf(s, "%s ", t);
    }
    if (error_guest_name)
        g_string_append_printf(s, "%s ", error_guest_name);
    g_string_append_printf(s, "%s: %s%s\n", progname, kind, text);
    fputs(s->str, stderr);
    fflush(stderr);
}

void error_report_err(Error *err)
{
    report("", err->msg);
    if (err->hint) {
        if (error_report_hook)
            error_report_hook(err->hint, error_report_opaque);
        else
            fprintf(stderr, "%s\n", err->hint);
    }
    error_free(err);
}

#define REPORT(name, kind)                                                                                             \
    void name(const char *fmt, ...)                                                                                    \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        va_start(ap, fmt);                                                                                             \
        g_autofree char *msg = g_strdup_vprintf(fmt, ap);                                                              \
        va_end(ap);                                                                                                    \
        report(kind, msg);                                                                                             \
    }

REPORT(error_report, "")
REPORT(warn_report, "warning: ")
REPORT(info_report, "info: ")
