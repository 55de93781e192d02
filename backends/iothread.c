/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * iothread: a thread that runs a GMainContext of its own.
 *
 * The loop sleeps in poll(2) and does not poll busily before: poll-max-ns, poll-grow and poll-shrink are kept for those
 * who ask and change nothing, as do aio-max-batch and the bounds of the thread pool, which is one for all.
 */
#include "backends/backends.h"

#include "softmmu/mainloop.h"
#include "util/rcu.h"
#include "util/tsan.h"

#include <unistd.h>

typedef struct IoThread {
    Object obj;
    int64_t poll_max_ns, poll_grow, poll_shrink, aio_max_batch, pool_min, pool_max;
    GThread *thread;
    GMainContext *context;
    GMainLoop *loop;
    GMutex lock; /* tid, and of iothread_run() */
    GCond cond;
    int tid;
} IoThread;
#define IOTHREAD(o) container_of(o, IoThread, obj)

static void *run(void *opaque)
{
    IoThread *t = opaque;
    rcu_thread_register();
    g_main_context_push_thread_default(t->context);
    g_mutex_lock(&t->lock);
    t->tid = gettid();
    g_cond_broadcast(&t->cond);
    g_mutex_unlock(&t->lock);
    g_main_loop_run(t->loop);
    g_main_context_pop_thread_default(t->context);
    rcu_thread_unregister();
    return NULL;
}

static bool pool_fits(const IoThread *t, Error **errp)
{
    return t->pool_min <= t->pool_max ||
           error_set(errp, "thread-pool-min %" PRIi64 " is more than thread-pool-max %" PRIi64, t->pool_min,
                     t->pool_max);
}

static bool changed(void *obj, const Prop *p, Error **errp)
{
    return pool_fits(obj, errp);
}

static bool complete(Object *o, Error **errp)
{
    IoThread *t = IOTHREAD(o);
    if (!pool_fits(t, errp))
        return false;
    t->context = g_main_context_new();
    t->loop = g_main_loop_new(t->context, false);
    g_mutex_init(&t->lock);
    g_cond_init(&t->cond);
    g_autofree char *name = g_strdup_printf("IO %s", o->id);
    t->thread = g_thread_new(name, run, t);
    g_mutex_lock(&t->lock);
    while (!t->tid)
        g_cond_wait(&t->cond, &t->lock);
    g_mutex_unlock(&t->lock);
    return true;
}

static gboolean quit(gpointer opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_REMOVE;
}

static void destroy(Object *o)
{
    IoThread *t = IOTHREAD(o);
    g_main_context_invoke(t->context, quit, t->loop);
    g_thread_join(t->thread);
    g_main_loop_unref(t->loop);
    g_main_context_unref(t->context);
    g_mutex_clear(&t->lock);
    g_cond_clear(&t->cond);
}

GMainContext *iothread_context(Object *o)
{
    return IOTHREAD(o)->context;
}

int iothread_tid(Object *o)
{
    return IOTHREAD(o)->tid;
}

typedef struct Call {
    IoThread *t;
    void (*fn)(void *opaque);
    void *opaque;
    bool done;
} Call;

static gboolean do_call(gpointer opaque)
{
    Call *c = opaque;
    TSAN_ACQUIRE(c);
    c->fn(c->opaque);
    g_mutex_lock(&c->t->lock);
    c->done = true;
    g_cond_broadcast(&c->t->cond);
    g_mutex_unlock(&c->t->lock);
    return G_SOURCE_REMOVE;
}

void iothread_run(Object *o, void (*fn)(void *opaque), void *opaque)
{
    Call c = {IOTHREAD(o), fn, opaque, false};
    if (g_main_context_is_owner(c.t->context)) {
        fn(opaque);
        return;
    }
    TSAN_RELEASE(&c);
    g_main_context_invoke(c.t->context, do_call, &c);
    g_mutex_lock(&c.t->lock);
    while (!c.done)
        g_cond_wait(&c.t->cond, &c.t->lock);
    g_mutex_unlock(&c.t->lock);
}

#define TUNING(name_, field, def_, h)                                                                                  \
    PROP_(prop_i64, name_, IoThread, field, h, .def.i = def_, .max = INT64_MAX, .runtime_set = changed)
static const Prop props[] = {
    TUNING("poll-max-ns", poll_max_ns, 32768, "longest busy wait; not used"),
    TUNING("poll-grow", poll_grow, 0, "not used"),
    TUNING("poll-shrink", poll_shrink, 0, "not used"),
    TUNING("aio-max-batch", aio_max_batch, 0, "not used"),
    TUNING("thread-pool-min", pool_min, 0, "not used"),
    TUNING("thread-pool-max", pool_max, 64, "not used"),
    {},
};

const ObjectDesc object_iothread = {
    .name = "iothread",
    .summary = "a thread for devices' input and output",
    .size = sizeof(IoThread),
    .props = props,
    .complete = complete,
    .destroy = destroy,
};

Object *iothread_shared(SharedIoThread which, Error **errp)
{
    static const char *const ids[] = {[IOTHREAD_SHARED] = "shared", [IOTHREAD_NET] = "net"};
    static Object *shared[ARRAY_SIZE(ids)];
    if (shared[which])
        return shared[which];
    IoThread *t = g_new0(IoThread, 1);
    t->obj.desc = &object_iothread;
    t->obj.id = g_strdup(ids[which]);
    props_set_defaults(props, t);
    if (complete(&t->obj, errp))
        return shared[which] = &t->obj;
    g_free(t->obj.id);
    g_free(t);
    return NULL;
}

static bool add_iothread(Object *o, void *opaque)
{
    if (o->desc != &object_iothread)
        return true;
    IoThread *t = IOTHREAD(o);
    Json *d = json_object();
    json_set_str(d, "id", o->id);
    json_set_int(d, "thread-id", t->tid);
    json_set_int(d, "poll-max-ns", t->poll_max_ns);
    json_set_int(d, "poll-grow", t->poll_grow);
    json_set_int(d, "poll-shrink", t->poll_shrink);
    json_set_int(d, "aio-max-batch", t->aio_max_batch);
    json_append(opaque, d);
    return true;
}

Json *iothreads_query(void)
{
    Json *all = json_array();
    objects_foreach(add_iothread, all);
    return all;
}
