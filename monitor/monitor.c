/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both kinds of monitor have in common: the entry points of monitor.h and the output buffer of internal.h. */
#include "monitor/internal.h"

#include "softmmu/runstate.h"

static bool mux_monitor(Chardev *mux, Error **errp)
{
    return monitor_new(mux, false, false, errp);
}

void monitor_init(void)
{
    event_hook = qmp_broadcast;
    chardev_monitor_hook = mux_monitor;
}

bool monitor_new(Chardev *chr, bool control, bool pretty, Error **errp)
{
    if (control)
        return qmp_monitor_new(chr, pretty, errp);
    if (pretty)
        return error_set(errp, "'pretty' is not compatible with HMP monitors");
    return hmp_monitor_new(chr, errp);
}

void monitor_cleanup(void)
{
    qmp_monitors_cleanup();
    event_hook = NULL;
    chardev_monitor_hook = NULL;
}

void monitor_out_init(MonitorOut *o, CharFrontend *fe, void (*drained)(void *opaque), void *opaque)
{
    *o = (MonitorOut){.fe = fe, .buf = g_string_new(NULL), .drained = drained, .opaque = opaque};
}

static void out_writable(void *opaque);

static void out_flush(MonitorOut *o)
{
    while (o->buf->len && !o->watch) {
        ssize_t n = char_write(o->fe, o->buf->str, o->buf->len);
        if (n > 0) {
            /* A write that finds the peer gone may have cleared the buffer. */
            g_string_erase(o->buf, 0, MIN((gssize)n, (gssize)o->buf->len));
        } else if (n == 0 || n == -EAGAIN) {
            o->watch = char_watch_writable(o->fe, out_writable, o);
            if (!o->watch) {
                char_write_all(o->fe, o->buf->str, o->buf->len);
                g_string_truncate(o->buf, 0);
            }
        } else {
            g_string_truncate(o->buf, 0);
        }
    }
    if (!o->buf->len && o->buf->allocated_len > MONITOR_OUT_LIMIT) {
        g_string_free(o->buf, TRUE);
        o->buf = g_string_new(NULL);
    }
}

static void out_writable(void *opaque)
{
    MonitorOut *o = opaque;
    bool was_full = monitor_out_full(o);
    o->watch = 0;
    out_flush(o);
    if (was_full && !monitor_out_full(o))
        o->drained(o->opaque);
}

void monitor_out_write(MonitorOut *o, const char *text, size_t len)
{
    g_string_append_len(o->buf, text, (gssize)len);
    out_flush(o);
}

void monitor_append_text(GString *to, const char *text)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        g_string_append_len(to, p, (gssize)n);
        p += n;
        if (*p) {
            g_string_append(to, "\r\n");
            p++;
        }
    }
}

void monitor_out_write_text(MonitorOut *o, const char *text)
{
    monitor_append_text(o->buf, text);
    out_flush(o);
}

bool monitor_out_full(const MonitorOut *o)
{
    return o->buf->len > MONITOR_OUT_LIMIT;
}

bool monitor_out_overflown(const MonitorOut *o)
{
    return o->buf->len > MONITOR_OUT_MAX;
}

void monitor_out_clear(MonitorOut *o)
{
    if (o->watch)
        g_source_remove(o->watch);
    o->watch = 0;
    g_string_truncate(o->buf, 0);
}

void monitor_out_finish(MonitorOut *o)
{
    if (o->watch)
        g_source_remove(o->watch);
    o->watch = 0;
    if (o->buf->len)
        char_write_all(o->fe, o->buf->str, o->buf->len);
    g_string_free(o->buf, TRUE);
    o->buf = NULL;
}
