/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rng-random (a file or device) and rng-builtin (getrandom): sources of random bytes, asked one request after the
 * other. */
#include "backends/backends.h"

#include "softmmu/mainloop.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

typedef struct Rng {
    Object obj;
    char *filename;
    int fd; /* -1: builtin */
    unsigned watch;
    BottomHalf *bh;
    GQueue requests; /* of RngRequest, oldest first */
} Rng;
#define RNG(o) container_of(o, Rng, obj)

struct RngRequest {
    Rng *rng;
    void (*cb)(void *opaque, const uint8_t *buf, size_t len);
    void *opaque;
    size_t len, got;
    uint8_t buf[];
};

static void finish(RngRequest *r)
{
    g_queue_remove(&r->rng->requests, r);
    r->cb(r->opaque, r->buf, r->got);
    g_free(r);
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    Rng *s = opaque;
    RngRequest *r = g_queue_peek_head(&s->requests);
    if (r) {
        ssize_t n = read(fd, r->buf + r->got, r->len - r->got);
        if (n > 0)
            r->got += (size_t)n;
        /* The end of a plain file: what there is, which may be nothing. */
        if (r->got == r->len || n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            finish(r);
    }
    if (!g_queue_is_empty(&s->requests))
        return G_SOURCE_CONTINUE;
    s->watch = 0;
    return G_SOURCE_REMOVE;
}

static void builtin(void *opaque)
{
    Rng *s = opaque;
    guint n = g_queue_get_length(&s->requests); /* not what the callbacks ask for anew */
    while (n-- && !g_queue_is_empty(&s->requests)) {
        RngRequest *r = g_queue_peek_head(&s->requests);
        while (r->got < r->len) {
            ssize_t k = getrandom(r->buf + r->got, r->len - r->got, 0);
            if (k > 0)
                r->got += (size_t)k;
        }
        finish(r);
    }
}

RngRequest *rng_request(Object *o, size_t len, void (*cb)(void *opaque, const uint8_t *buf, size_t len), void *opaque)
{
    ASSERT_VM_LOCKED();
    Rng *s = RNG(o);
    RngRequest *r = g_malloc0(sizeof(*r) + len);
    *r = (RngRequest){.rng = s, .cb = cb, .opaque = opaque, .len = len};
    g_queue_push_tail(&s->requests, r);
    if (s->fd < 0)
        bh_schedule(s->bh);
    else if (!s->watch)
        s->watch = fd_watch(s->fd, G_IO_IN, readable, s);
    return r;
}

void rng_cancel(RngRequest *r)
{
    g_queue_remove(&r->rng->requests, r);
    g_free(r);
}

static bool random_complete(Object *o, Error **errp)
{
    Rng *s = RNG(o);
    if (!s->filename)
        s->filename = g_strdup("/dev/urandom");
    s->fd = open(s->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    return s->fd >= 0 || error_set_errno(errp, errno, "Could not open '%s'", s->filename);
}

static bool builtin_complete(Object *o, Error **errp)
{
    Rng *s = RNG(o);
    s->fd = -1;
    s->bh = bh_new(builtin, s);
    return true;
}

static void destroy(Object *o)
{
    Rng *s = RNG(o);
    g_queue_clear_full(&s->requests, g_free);
    if (s->watch)
        g_source_remove(s->watch);
    if (s->fd >= 0)
        close(s->fd);
    if (s->bh)
        bh_delete(s->bh);
}

static const Prop random_props[] = {
    PROP_STR("filename", Rng, filename, "the file or device to read; /dev/urandom where not given"),
    {},
};
static const Prop no_props[] = {{}};

const ObjectDesc object_rng_random = {
    .name = "rng-random",
    .summary = "random bytes from a file or device",
    .parent = "rng-backend",
    .size = sizeof(Rng),
    .props = random_props,
    .complete = random_complete,
    .destroy = destroy,
};

const ObjectDesc object_rng_builtin = {
    .name = "rng-builtin",
    .summary = "random bytes from the host's kernel",
    .parent = "rng-backend",
    .size = sizeof(Rng),
    .props = no_props,
    .complete = builtin_complete,
    .destroy = destroy,
};

Object *rng_shared(Error **errp)
{
    static Object *shared;
    if (shared)
        return shared;
    Rng *s = g_new0(Rng, 1);
    s->obj.desc = &object_rng_builtin;
    s->obj.id = g_strdup("shared");
    if (builtin_complete(&s->obj, errp))
        return shared = &s->obj;
    g_free(s->obj.id);
    g_free(s);
    return NULL;
}
