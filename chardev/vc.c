/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vc: a text console of the display, where -serial, -parallel and -monitor go by default. Web and VNC displays show
 * them; what is written is kept, up to a screenful or some, for who looks later.
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
    unsigned watch, room_watch;
    bool paused;  /* the guest takes no input */
    size_t at;    /* c.lock: of what was written, what it has got; */
    bool waiting; /* the socket was full: more comes when it has room */
} Reader;

struct Vc {
    Chardev c;
    /* c.lock */
    uint8_t history[HISTORY];
    size_t written; /* bytes ever */
    Reader readers[READERS];
    BottomHalf *bh; /* a reader began to wait */
};
#define VC(chr) container_of(chr, Vc, c)

static GPtrArray *all; /* of Vc *; VM lock */

/* c.lock; false: the socket is full. What is not in the history any more is lost to this reader. */
static bool catch_up(Reader *r)
{
    Vc *v = r->vc;

    if (v->written - r->at > HISTORY)
        r->at = v->written - HISTORY;
    while (r->at < v->written) {
        size_t from = r->at % HISTORY;
        ssize_t n =
            send(r->fd, v->history + from, MIN(v->written - r->at, HISTORY - from), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0)
            r->at = v->written; /* gone: its watch tells */
        else
            r->at += (size_t)n;
    }
    return true;
}

static gboolean reader_room(gint fd, GIOCondition cond, gpointer opaque)
{
    Reader *r = opaque;

    g_mutex_lock(&r->vc->c.lock);
    r->waiting = !catch_up(r);
    g_mutex_unlock(&r->vc->c.lock);
    if (r->waiting)
        return G_SOURCE_CONTINUE;
    r->room_watch = 0;
    return G_SOURCE_REMOVE;
}

static void wait_for_room(void *opaque)
{
    Vc *v = opaque;

    g_mutex_lock(&v->c.lock);
    for (Reader *r = v->readers; r < v->readers + READERS; r++)
        if (r->fd >= 0 && r->waiting && !r->room_watch)
            r->room_watch = fd_watch(r->fd, G_IO_OUT, reader_room, r);
    g_mutex_unlock(&v->c.lock);
}

static ssize_t vc_write(Chardev *c, const uint8_t *buf, size_t len)
{
    Vc *v = VC(c);

    for (size_t i = len > HISTORY ? len - HISTORY : 0; i < len; i++)
        v->history[(v->written + i) % HISTORY] = buf[i];
    v->written += len;
    for (Reader *r = v->readers; r < v->readers + READERS; r++) {
        if (r->fd >= 0 && !r->waiting && !catch_up(r)) {
            r->waiting = true;
            bh_schedule(v->bh);
        }
    }
    return (ssize_t)len;
}

static void reader_end(Reader *r)
{
    if (r->room_watch)
        g_source_remove(r->room_watch);
    g_mutex_lock(&r->vc->c.lock);
    close(r->fd);
    r->fd = -1;
    r->waiting = r->paused = false;
    g_mutex_unlock(&r->vc->c.lock);
    r->watch = r->room_watch = 0;
}

static gboolean reader_input(gint fd, GIOCondition cond, gpointer opaque)
{
    Reader *r = opaque;
    uint8_t buf[256];
    size_t room = char_can_receive(&r->vc->c);
    ssize_t n;

    if (!room && !(cond & (G_IO_HUP | G_IO_ERR))) {
        /* The guest does not read: what is typed waits in the socket. */
        r->paused = true;
        r->watch = fd_watch(fd, G_IO_HUP | G_IO_ERR, reader_input, r);
        return G_SOURCE_REMOVE;
    }
    n = recv(fd, buf, MIN(room, sizeof(buf)), MSG_DONTWAIT);
    if (n > 0) {
        char_input(&r->vc->c, buf, (size_t)n);
        return G_SOURCE_CONTINUE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    reader_end(r);
    return G_SOURCE_REMOVE;
}

static void vc_update(Chardev *c)
{
    Vc *v = VC(c);

    for (Reader *r = v->readers; r < v->readers + READERS; r++) {
        if (r->fd < 0 || !r->paused)
            continue;
        r->paused = false;
        g_source_remove(r->watch);
        r->watch = fd_watch(r->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, reader_input, r);
    }
}

static bool vc_open(Chardev *c, const Json *opts, Error **errp)
{
    Vc *v = VC(c);

    for (int i = 0; i < READERS; i++)
        v->readers[i] = (Reader){.vc = v, .fd = -1};
    if (!all)
        all = g_ptr_array_new();
    g_ptr_array_add(all, v);
    v->bh = bh_new(wait_for_room, v);
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
    bh_delete(v->bh);
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
    r->fd = ends[0];
    r->at = 0;
    r->waiting = !catch_up(r);
    if (r->waiting)
        bh_schedule(v->bh);
    g_mutex_unlock(&v->c.lock);
    r->watch = fd_watch(ends[0], G_IO_IN | G_IO_HUP | G_IO_ERR, reader_input, r);
    return ends[1];
}

const CharDriver chardev_vc = {
    .name = "vc",
    .summary = "a text console of the display (web and VNC show it)",
    .size = sizeof(Vc),
    .options = (const char *const[]){"width", "height", "cols", "rows", NULL},
    .open = vc_open,
    .close = vc_close,
    .write = vc_write,
    .update = vc_update,
};
