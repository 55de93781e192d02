/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vc: a text console of the display, where -serial, -parallel and -monitor go by default. -display web shows them; with
 * other displays what is written is kept, up to a screenful or some, for nobody.
 */
#include "chardev/vc.h"

#include "chardev/driver.h"
#include "softmmu/mainloop.h"

#include <sys/socket.h>
#include <unistd.h>

#define HISTORY 16384
#define READERS 8

typedef struct Vc Vc;
typedef struct Reader {
    Vc *vc;
    int fd; /* -1: free. Set and cleared under the chardev's lock */
    unsigned watch;
} Reader;

struct Vc {
    Chardev c;
    /* c.lock */
    uint8_t history[HISTORY];
    size_t written; /* bytes ever */
    Reader readers[READERS];
};
#define VC(chr) container_of(chr, Vc, c)

static GPtrArray *all; /* of Vc *; VM lock */

static ssize_t vc_write(Chardev *c, const uint8_t *buf, size_t len)
{
    Vc *v = VC(c);

    for (size_t i = len > HISTORY ? len - HISTORY : 0; i < len; i++)
        v->history[(v->written + i) % HISTORY] = buf[i];
    v->written += len;
    for (int i = 0; i < READERS; i++)
        if (v->readers[i].fd >= 0 && send(v->readers[i].fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
            /* full, or gone: its watch tells */
        }
    return (ssize_t)len;
}

static void reader_end(Reader *r)
{
    g_mutex_lock(&r->vc->c.lock);
    close(r->fd);
    r->fd = -1;
    g_mutex_unlock(&r->vc->c.lock);
    r->watch = 0;
}

static gboolean reader_input(gint fd, GIOCondition cond, gpointer opaque)
{
    Reader *r = opaque;
    uint8_t buf[256];
    size_t room = char_can_receive(&r->vc->c);
    ssize_t n;

    if (!room && (cond & G_IO_IN)) {
        /* The guest does not read: what is typed now is lost, as on a serial line. */
        room = sizeof(buf);
        n = recv(fd, buf, room, MSG_DONTWAIT);
        if (n > 0)
            return G_SOURCE_CONTINUE;
    } else {
        n = recv(fd, buf, MIN(room, sizeof(buf)), MSG_DONTWAIT);
    }
    if (n > 0) {
        char_input(&r->vc->c, buf, (size_t)n);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    reader_end(r);
    return G_SOURCE_REMOVE;
}

static bool vc_open(Chardev *c, const Json *opts, Error **errp)
{
    Vc *v = VC(c);

    for (int i = 0; i < READERS; i++)
        v->readers[i] = (Reader){.vc = v, .fd = -1};
    if (!all)
        all = g_ptr_array_new();
    g_ptr_array_add(all, v);
    c->open = true;
    return true;
}

static void vc_close(Chardev *c)
{
    Vc *v = VC(c);

    if (!all || !g_ptr_array_remove(all, v))
        return;
    for (int i = 0; i < READERS; i++) {
        if (v->readers[i].fd < 0)
            continue;
        g_source_remove(v->readers[i].watch);
        reader_end(&v->readers[i]);
    }
}

unsigned vc_count(void)
{
    return all ? all->len : 0;
}

const char *vc_id(unsigned index)
{
    return index < vc_count() ? ((Vc *)all->pdata[index])->c.id : NULL;
}

int vc_attach(unsigned index)
{
    Vc *v = index < vc_count() ? all->pdata[index] : NULL;
    Reader *r = NULL;
    int ends[2];

    for (int i = 0; v && i < READERS; i++)
        if (v->readers[i].fd < 0)
            r = &v->readers[i];
    if (!r || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return -1;
    g_mutex_lock(&v->c.lock);
    for (size_t at = v->written > HISTORY ? v->written - HISTORY : 0; at < v->written;) {
        size_t from = at % HISTORY, n = MIN(v->written - at, HISTORY - from);

        if (send(ends[0], v->history + from, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            break;
        at += n;
    }
    r->fd = ends[0];
    g_mutex_unlock(&v->c.lock);
    r->watch = fd_watch(ends[0], G_IO_IN | G_IO_HUP | G_IO_ERR, reader_input, r);
    return ends[1];
}

const CharDriver chardev_vc = {
    .name = "vc",
    .summary = "a text console of the display (-display web shows it)",
    .size = sizeof(Vc),
    .options = (const char *const[]){"width", "height", "cols", "rows", NULL},
    .open = vc_open,
    .close = vc_close,
    .write = vc_write,
};
