/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mux: up to four front ends on one back end. Output of all is mixed; input goes to the one that has the focus. Ctrl-A
 * is the escape: "C-a c" moves the focus, the others are below.
 *
 * Input is taken from the back end even while the focused front end is busy, into a small buffer, so that the escape
 * works on a guest that does not read.
 */
#include "chardev/driver.h"

#include <stdio.h>

#include "softmmu/runstate.h"

enum { MUX_MAX = 4, MUX_BUFFER = 64 };
enum { ESCAPE = 1 };

typedef struct MuxChardev {
    Chardev c;
    CharFrontend base;
    CharFrontend *fes[MUX_MAX];
    bool told_open[MUX_MAX]; /* CHAR_OPENED was delivered */
    int focus;               /* -1: nobody */
    uint8_t buf[MUX_MAX][MUX_BUFFER];
    unsigned prod[MUX_MAX], cons[MUX_MAX];
    bool escaped;
    unsigned open_id;
    bool timestamps, line_start;
    int64_t timestamps_from;
} MuxChardev;
#define MUX(c_) container_of(c_, MuxChardev, c)

void (*chardev_mux_commit_hook)(void);

static void fe_event(CharFrontend *fe, CharEvent ev)
{
    if (fe && fe->handlers && fe->handlers->event)
        fe->handlers->event(fe->opaque, ev);
}

static size_t fe_room(const CharFrontend *fe)
{
    if (!fe || !fe->handlers || !fe->handlers->receive)
        return 0;
    return fe->handlers->can_receive ? fe->handlers->can_receive(fe->opaque) : SIZE_MAX;
}

static void set_focus(MuxChardev *m, int tag)
{
    int old = m->focus;
    if (old == tag)
        return;
    m->focus = tag;
    if (old >= 0)
        fe_event(m->fes[old], CHAR_MUX_OUT);
    if (tag >= 0)
        fe_event(m->fes[tag], CHAR_MUX_IN);
}

static int next_focus(const MuxChardev *m)
{
    for (int i = 1; i <= MUX_MAX; i++) {
        int tag = (m->focus + i + MUX_MAX) % MUX_MAX;
        if (m->fes[tag] && m->fes[tag]->handlers)
            return tag;
    }
    return -1;
}

/* Hand over what was buffered. */
static void deliver(MuxChardev *m)
{
    int tag = m->focus;
    while (tag >= 0 && tag == m->focus && m->prod[tag] != m->cons[tag] && fe_room(m->fes[tag])) {
        uint8_t b = m->buf[tag][m->cons[tag]++ % MUX_BUFFER];
        m->fes[tag]->handlers->receive(m->fes[tag]->opaque, &b, 1);
    }
}

static size_t mux_can_receive(void *opaque)
{
    MuxChardev *m = opaque;
    if (m->focus < 0)
        return 1; /* for the escape */
    unsigned left = MUX_BUFFER - (m->prod[m->focus] - m->cons[m->focus]);
    return left;
}

static void print(MuxChardev *m, const char *text)
{
    char_write_all(&m->base, text, strlen(text));
}

static void print_help(MuxChardev *m)
{
    static const char *const lines[] = {
        "h    print this help",
        "x    exit emulator",
        "s    save disk data back to file (if -snapshot)",
        "t    toggle console timestamps",
        "b    send break (magic sysrq)",
        "c    switch between console and monitor",
        "C-a  sends C-a",
    };
    print(m, "\n\r");
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        print(m, "C-a ");
        print(m, lines[i]);
        print(m, "\n\r");
    }
}

/* The byte after the escape; true where it goes to the front end. */
static bool command(MuxChardev *m, uint8_t b)
{
    switch (b) {
    case ESCAPE:
        return true;
    case '?':
    case 'h':
        print_help(m);
        break;
    case 'x':
        print(m, "QEMU: Terminated\n\r");
        system_exit_request(0);
        break;
    case 's':
        if (chardev_mux_commit_hook)
            chardev_mux_commit_hook();
        else
            print(m, "\n\rNo drive was opened with snapshot=on: nothing to save\n\r");
        break;
    case 'b':
        if (m->focus >= 0)
            fe_event(m->fes[m->focus], CHAR_BREAK);
        break;
    case 'c':
        set_focus(m, next_focus(m));
        break;
    case 't':
        m->timestamps = !m->timestamps;
        m->timestamps_from = g_get_monotonic_time();
        m->line_start = false;
        break;
    }
    return false;
}

static void mux_receive(void *opaque, const uint8_t *buf, size_t len)
{
    MuxChardev *m = opaque;
    deliver(m);
    for (size_t i = 0; i < len; i++) {
        if (m->escaped) {
            m->escaped = false;
            if (!command(m, buf[i]))
                continue;
        } else if (buf[i] == ESCAPE) {
            m->escaped = true;
            continue;
        }
        int tag = m->focus;
        if (tag < 0)
            continue;
        if (m->prod[tag] == m->cons[tag] && fe_room(m->fes[tag]))
            m->fes[tag]->handlers->receive(m->fes[tag]->opaque, buf + i, 1);
        else if (m->prod[tag] - m->cons[tag] < MUX_BUFFER)
            m->buf[tag][m->prod[tag]++ % MUX_BUFFER] = buf[i];
    }
}

static gboolean tell_open(gpointer opaque)
{
    MuxChardev *m = opaque;
    m->open_id = 0;
    for (int i = 0; i < MUX_MAX && m->c.open; i++) {
        if (m->fes[i] && m->fes[i]->handlers && !m->told_open[i]) {
            m->told_open[i] = true;
            fe_event(m->fes[i], CHAR_OPENED);
        }
    }
    return G_SOURCE_REMOVE;
}

static void tell_open_soon(MuxChardev *m)
{
    if (m->c.open && !m->open_id)
        m->open_id = g_idle_add_full(G_PRIORITY_DEFAULT, tell_open, m, NULL);
}

static void mux_event(void *opaque, CharEvent ev)
{
    MuxChardev *m = opaque;
    if (ev == CHAR_OPENED) {
        m->c.open = true;
        tell_open_soon(m);
    } else if (ev == CHAR_BREAK) {
        if (m->focus >= 0)
            fe_event(m->fes[m->focus], ev);
    } else if (ev == CHAR_CLOSED) {
        m->c.open = false;
        for (int i = 0; i < MUX_MAX; i++) {
            if (m->told_open[i])
                fe_event(m->fes[i], ev);
            m->told_open[i] = false;
        }
    }
}

static const CharHandlers mux_handlers = {mux_can_receive, mux_receive, mux_event};

static bool mux_open(Chardev *c, const Json *opts, Error **errp)
{
    MuxChardev *m = MUX(c);
    const char *id = opt_str(opts, "chardev");
    m->focus = -1;
    if (!id)
        return error_set(errp, "chardev: mux: no chardev given");
    Chardev *base = chardev_find(id);
    if (!base)
        return error_set(errp, "mux: base chardev %s not found", id);
    if (base->drv->base)
        return error_set(errp, "mux: base chardev %s is a mux itself", id);
    return char_attach(&m->base, base, &mux_handlers, m, errp);
}

static void mux_close(Chardev *c)
{
    MuxChardev *m = MUX(c);
    if (m->open_id)
        g_source_remove(m->open_id);
    for (int i = 0; i < MUX_MAX; i++) {
        if (m->fes[i])
            m->fes[i]->chr = NULL;
    }
    char_detach(&m->base);
}

static bool mux_attach(Chardev *c, CharFrontend *fe, Error **errp)
{
    MuxChardev *m = MUX(c);
    for (int i = 0; i < MUX_MAX; i++) {
        if (m->fes[i])
            continue;
        m->fes[i] = fe;
        m->prod[i] = m->cons[i] = 0;
        m->told_open[i] = false;
        fe->mux_tag = i;
        return true;
    }
    return error_set(errp, "too many uses of multiplexed chardev '%s' (maximum is %d)", c->id, MUX_MAX);
}

static void mux_detach(Chardev *c, CharFrontend *fe)
{
    MUX(c)->fes[fe->mux_tag] = NULL;
}

static void mux_set_handlers(Chardev *c, CharFrontend *fe)
{
    MuxChardev *m = MUX(c);
    if (fe->handlers) {
        set_focus(m, fe->mux_tag);
        tell_open_soon(m);
    } else {
        m->told_open[fe->mux_tag] = false;
        if (m->focus == fe->mux_tag) {
            int next = next_focus(m);
            m->focus = -1;
            set_focus(m, next);
        }
    }
    c->fe_open = next_focus(m) >= 0;
    char_set_open(&m->base, c->fe_open);
}

static void mux_update(Chardev *c)
{
    MuxChardev *m = MUX(c);
    deliver(m);
    char_accept_input(&m->base);
}

static CharFrontend *mux_base(Chardev *c)
{
    return &MUX(c)->base;
}

static ssize_t mux_forward(Chardev *c, const uint8_t *buf, size_t len, bool all)
{
    MuxChardev *m = MUX(c);
    g_mutex_lock(&c->lock);
    size_t done = 0;
    while (m->timestamps && done < len) {
        /* A line at a time, all of it: a stamp must not be repeated because its line did not fit. */
        if (m->line_start) {
            int64_t ms = (g_get_monotonic_time() - m->timestamps_from) / 1000;
            char stamp[64];
            int n = snprintf(stamp, sizeof(stamp), "[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000),
                             (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
            char_write_all(&m->base, stamp, n);
            m->line_start = false;
        }
        const uint8_t *nl = memchr(buf + done, '\n', len - done);
        size_t n = nl ? (size_t)(nl + 1 - (buf + done)) : len - done;
        char_write_all(&m->base, buf + done, n);
        done += n;
        m->line_start = nl != NULL;
    }
    ssize_t ret = len;
    if (done < len && all)
        char_write_all(&m->base, buf + done, len - done);
    else if (done < len)
        ret = done + char_write(&m->base, buf + done, len - done);
    g_mutex_unlock(&c->lock);
    return ret;
}

const CharDriver chardev_mux = {
    .name = "mux",
    .summary = "several front ends on one back end",
    .size = sizeof(MuxChardev),
    .options = (const char *const[]){"chardev", NULL},
    .open = mux_open,
    .close = mux_close,
    .update = mux_update,
    .attach = mux_attach,
    .detach = mux_detach,
    .handlers = mux_set_handlers,
    .base = mux_base,
    .forward = mux_forward,
};
