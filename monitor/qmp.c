/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP (QEMU's documentation, docs/interop/qmp-spec): a greeting, negotiation by qmp_capabilities, then requests in and
 * replies and events out, each a JSON object on a line that ends with \r\n. The commands are in qmp-cmds.c.
 *
 * Requests run one after the other in the main loop. A request marked exec-oob, once "oob" is negotiated, overtakes
 * those that wait. Difference from QEMU: there is no thread for the monitors, so a command that works for long delays
 * oob requests too.
 */
#include "monitor/internal.h"

#include "accel/qtest/qtest.h"
#include "hw/core/clock.h"
#include "qapi/qapi.h"
#include "qapi/qapi-types.h"
#include "softmmu/mainloop.h"
#include "softmmu/options.h"
#include "softmmu/runstate.h"

#include <unistd.h>

enum { INPUT_AT_ONCE = 4096 };

typedef struct Request {
    Json *req; /* NULL: err */
    Error *err;
} Request;

typedef struct QmpMonitor {
    CharFrontend fe;
    MonitorOut out;
    bool pretty;
    bool oob_offered; /* in the greeting */
    JsonReader *reader;
    GQueue requests, oob; /* of Request *: what waits to be run */
    bool running;         /* a request runs: no other may begin from within */
    bool connected, negotiated, oob_enabled;
    unsigned session; /* counts peers: the reply to one that left is not for the next */
    int fds[CHAR_FDS_MAX];
    int n_fds; /* descriptors that came and that no command has taken */
    struct QmpMonitor *next;
} QmpMonitor;

static QmpMonitor *monitors;
static QmpMonitor *current; /* whose request is running */

/* --- Output --- */

static void qmp_send(QmpMonitor *m, const Json *obj)
{
    GString *s = g_string_new(NULL);
    json_print(obj, s, m->pretty);
    g_string_append_c(s, '\n');
    monitor_out_write_text(&m->out, s->str);
    g_string_free(s, TRUE);
}

static const char *class_name(ErrorClass c)
{
    switch (c) {
    case ERROR_COMMAND_NOT_FOUND:
        return "CommandNotFound";
    case ERROR_DEVICE_NOT_ACTIVE:
        return "DeviceNotActive";
    case ERROR_DEVICE_NOT_FOUND:
        return "DeviceNotFound";
    case ERROR_KVM_MISSING_CAP:
        return "KVMMissingCap";
    case ERROR_GENERIC:
        break;
    }
    return "GenericError";
}

/* ret: NULL where err is set; both are taken. */
static void qmp_reply(QmpMonitor *m, Json *id, Json *ret, Error *err)
{
    g_autoptr(Json) reply = json_object();
    if (err) {
        if (id)
            json_set(reply, "id", json_ref(id));
        Json *e = json_object();
        json_set_str(e, "class", class_name(error_class(err)));
        json_set_str(e, "desc", error_text(err));
        json_set(reply, "error", e);
        error_free(err);
    } else {
        json_set(reply, "return", ret);
        if (id)
            json_set(reply, "id", json_ref(id));
    }
    qmp_send(m, reply);
}

static void qmp_greet(QmpMonitor *m)
{
    g_autoptr(Json) greeting = json_object();
    Json *qmp = json_object();
    json_set(qmp, "version", qmp_query_version(NULL, NULL));
    Json *caps = json_array();
    if (m->oob_offered)
        json_append(caps, json_string(qapi_QMPCapability_names[QAPI_QMP_CAPABILITY_OOB]));
    json_set(qmp, "capabilities", caps);
    json_set(greeting, "QMP", qmp);
    qmp_send(m, greeting);
}

/* --- Requests --- */

typedef struct Parsed {
    const char *command;
    bool oob;
    const Json *args; /* NULL: none */
    Json *id;         /* borrowed; NULL: none */
} Parsed;

/* Take a request apart; p->id is set as far as there is one, even on failure. */
static bool parse_request(const QmpMonitor *m, const Json *req, Parsed *p, Error **errp)
{
    if (json_type(req) != JSON_OBJECT)
        return error_set(errp, "QMP input must be a JSON object");
    p->id = json_get(req, "id");
    for (size_t i = 0; i < json_length(req); i++) {
        const char *key = json_key_at(req, i);
        const Json *val = json_val_at(req, i);
        bool oob = m->oob_enabled && !strcmp(key, "exec-oob");
        if (oob || !strcmp(key, "execute")) {
            if (p->command)
                return error_set(errp, "QMP input member '%s' clashes with '%s'", key, oob ? "execute" : "exec-oob");
            p->command = json_get_string(val);
            p->oob = oob;
            if (!p->command)
                return error_set(errp, "QMP input member '%s' must be a string", key);
        } else if (!strcmp(key, "arguments")) {
            if (json_type(val) != JSON_OBJECT)
                return error_set(errp, "QMP input member 'arguments' must be an object");
            p->args = val;
        } else if (strcmp(key, "id")) {
            return error_set(errp, "QMP input member '%s' is unexpected", key);
        }
    }
    return p->command ? true : error_set(errp, "QMP input lacks member 'execute'");
}

static const QmpCommand *find_command(const QmpMonitor *m, const Parsed *p, Error **errp)
{
    const QmpCommand *c = qmp_command_find(p->command);
    bool negotiates = c && c->fn == qmp_qmp_capabilities;
    if (!m->negotiated && !negotiates)
        error_set_class(errp, ERROR_COMMAND_NOT_FOUND, "Expecting capabilities negotiation with 'qmp_capabilities'");
    else if (m->negotiated && negotiates)
        error_set_class(errp, ERROR_COMMAND_NOT_FOUND, "Capabilities negotiation is already complete, command ignored");
    else if (!c)
        error_set_class(errp, ERROR_COMMAND_NOT_FOUND, "The command %s has not been found", p->command);
    else if (p->oob && !c->allow_oob)
        error_set(errp, "The command %s does not support OOB", p->command);
    else
        return c;
    return NULL;
}

static Json *run_command(QmpMonitor *m, const Parsed *p, Error **errp)
{
    const QmpCommand *c = find_command(m, p, errp);
    if (!c)
        return NULL;
    g_autoptr(Json) none = json_object();
    const Json *args = p->args ? p->args : none;
    if (!qapi_check(c->args, args, errp))
        return NULL;
    Error *err = NULL;
    QmpMonitor *outer = current;
    current = m;
    Json *ret = c->fn(args, &err);
    current = outer;
    if (err) {
        json_unref(ret);
        error_propagate(errp, err);
        return NULL;
    }
    return ret ? ret : json_object();
}

static void run_request(QmpMonitor *m, Request *r)
{
    unsigned session = m->session;
    Error *err = g_steal_pointer(&r->err);
    Parsed p = {0};
    Json *ret = NULL;
    if (r->req && parse_request(m, r->req, &p, &err))
        ret = run_command(m, &p, &err);
    if (session == m->session) {
        qmp_reply(m, p.id, ret, err);
    } else {
        json_unref(ret);
        error_free(err);
    }
}

static void request_free(Request *r)
{
    json_unref(r->req);
    error_free(r->err);
    g_free(r);
}

/* Run what waits, as long as the peer takes the replies. */
static void run_requests(QmpMonitor *m)
{
    if (m->running)
        return;
    m->running = true;
    while (!monitor_out_full(&m->out)) {
        Request *r = g_queue_pop_head(&m->oob);
        if (!r)
            r = g_queue_pop_head(&m->requests);
        if (!r)
            break;
        run_request(m, r);
        request_free(r);
    }
    m->running = false;
}

/* --- Input --- */

static void qmp_parsed(void *opaque, Json *val, Error *err)
{
    QmpMonitor *m = opaque;
    Request *r = g_new0(Request, 1);
    r->req = val;
    r->err = err;
    bool oob = m->oob_enabled && val && json_get(val, "exec-oob");
    g_queue_push_tail(oob ? &m->oob : &m->requests, r);
}

static void drop_fds(QmpMonitor *m)
{
    while (m->n_fds)
        close(m->fds[--m->n_fds]);
}

static void take_fds(QmpMonitor *m)
{
    int fds[CHAR_FDS_MAX];
    int n = char_take_fds(&m->fe, fds, CHAR_FDS_MAX);
    if (n <= 0)
        return;
    if (g_queue_is_empty(&m->requests)) /* left by requests that had no use for them */
        drop_fds(m);
    for (int i = 0; i < n; i++) {
        if (m->n_fds < CHAR_FDS_MAX)
            m->fds[m->n_fds++] = fds[i];
        else
            close(fds[i]);
    }
}

int monitor_take_fd(void)
{
    if (!current || !current->n_fds)
        return -1;
    int fd = current->fds[0];
    memmove(current->fds, current->fds + 1, --current->n_fds * sizeof(int));
    return fd;
}

static size_t qmp_can_receive(void *opaque)
{
    QmpMonitor *m = opaque;
    return !m->running && g_queue_is_empty(&m->requests) && !monitor_out_full(&m->out) ? INPUT_AT_ONCE : 0;
}

static void qmp_receive(void *opaque, const uint8_t *buf, size_t len)
{
    QmpMonitor *m = opaque;
    take_fds(m);
    json_reader_feed(m->reader, (const char *)buf, len);
    run_requests(m);
}

static void qmp_drained(void *opaque)
{
    QmpMonitor *m = opaque;
    run_requests(m);
    char_accept_input(&m->fe);
}

static void queue_clear(GQueue *q)
{
    Request *r;
    while ((r = g_queue_pop_head(q)))
        request_free(r);
}

/* A new peer, or none: nothing of the old one stays. */
static void qmp_reset(QmpMonitor *m)
{
    m->session++;
    m->negotiated = m->oob_enabled = false;
    monitor_out_clear(&m->out);
    queue_clear(&m->requests);
    queue_clear(&m->oob);
    drop_fds(m);
    json_reader_free(m->reader);
    m->reader = json_reader_new(qmp_parsed, m);
}

static void qmp_event(void *opaque, CharEvent ev)
{
    QmpMonitor *m = opaque;
    if (ev == CHAR_OPENED) {
        qmp_reset(m);
        m->connected = true;
        qmp_greet(m);
    } else if (ev == CHAR_CLOSED) {
        m->connected = false;
        qmp_reset(m);
    }
}

static const CharHandlers qmp_handlers = {qmp_can_receive, qmp_receive, qmp_event};

bool qmp_monitor_new(Chardev *chr, bool pretty, Error **errp)
{
    QmpMonitor *m = g_new0(QmpMonitor, 1);
    m->pretty = pretty;
    m->oob_offered = !chardev_is_mux(chr);
    m->reader = json_reader_new(qmp_parsed, m);
    monitor_out_init(&m->out, &m->fe, qmp_drained, m);
    g_queue_init(&m->requests);
    g_queue_init(&m->oob);
    if (!char_attach(&m->fe, chr, &qmp_handlers, m, errp)) {
        g_string_free(m->out.buf, TRUE);
        json_reader_free(m->reader);
        g_free(m);
        return false;
    }
    m->next = monitors;
    monitors = m;
    return true;
}

Json *qmp_qmp_capabilities(const Json *args, Error **errp)
{
    bool oob = json_length(json_get(args, "enable")); /* there is no other */
    if (oob && !current->oob_offered) {
        error_set(errp, "Capability oob disabled");
        return NULL;
    }
    current->oob_enabled = oob;
    current->negotiated = true;
    return NULL;
}

/* --- Events --- */

/* Events that a guest can cause at any rate go out once a second; of those between, the last counts. By name and what
 * it is about. */
#define THROTTLE_MS 1000
typedef struct Limit {
    const char *name, *about; /* about: a member of the data, or NULL */
    const char *only;         /* where the member says this, or NULL: in any case */
} Limit;
static const Limit limits[] = {
    {"BALLOON_CHANGE"},
    {"GUEST_CRASHLOADED", "action", "run"}, /* others stop the guest, and the client waits for them */
    {"GUEST_PANICKED", "action", "run"},
    {"MEMORY_DEVICE_SIZE_CHANGE", "qom-path"},
    {"RTC_CHANGE"},
    {"VSERPORT_CHANGE", "id"},
    {"WATCHDOG"},
};

typedef struct Event {
    const char *name; /* the schema's */
    char *key;        /* NULL: it is not limited */
    Json *obj;
    const Json *data; /* in obj, or NULL */
} Event;

/* Events of any thread, in order; the main loop hands them on. Of limited ones the last of each key is here, so that
 * nobody's rate makes it long; of what else other threads tell while the main loop does not come round, so many, and
 * beyond those the last of each kind. */
#define EVENTS_WAITING_MAX 10000
static GMutex event_lock;
static GQueue event_queue = G_QUEUE_INIT; /* of Event *; event_lock */

static void event_free(Event *e)
{
    g_free(e->key);
    json_unref(e->obj);
    g_free(e);
}

static char *limit_key(const char *name, const Json *data)
{
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        const Limit *l = &limits[i];
        if (strcmp(l->name, name))
            continue;
        const char *about = l->about && data ? json_get_str(data, l->about) : NULL;
        return l->only && g_strcmp0(about, l->only) ? NULL : g_strdup_printf("%s %s", name, about ? about : "");
    }
    return NULL;
}

/* Whether data is of one kind: the same but for numbers and for text that is written for people. The host's devices and
 * the ways to fail make the kinds: a guest can cause each any number of times, but no more kinds. */
static bool one_kind(const Json *a, const Json *b)
{
    if (json_type(a) == JSON_STRING || json_type(a) == JSON_BOOL)
        return json_equal(a, b);
    if (json_type(a) != JSON_OBJECT)
        return true;
    if (json_type(b) != JSON_OBJECT || json_length(a) != json_length(b))
        return false;
    for (size_t i = 0; i < json_length(a); i++) {
        const char *key = json_key_at(a, i);
        const Json *other = json_get(b, key);
        if (!other || (strcmp(key, "msg") && !one_kind(json_val_at(a, i), other)))
            return false;
    }
    return true;
}

static void event_send(const Json *obj)
{
    for (QmpMonitor *m = monitors; m; m = m->next)
        if (m->negotiated && m->connected && !monitor_out_overflown(&m->out))
            qmp_send(m, obj);
}

typedef struct Throttle {
    char *key;
    Timer timer;
    Json *pending; /* NULL: nothing came since the last */
    struct Throttle *next;
} Throttle;
static Throttle *throttles; /* those whose second has not passed */

static void throttle_free(Throttle *t)
{
    timer_stop(&t->timer);
    json_unref(t->pending);
    g_free(t->key);
    g_free(t);
}

static void throttle_expired(void *opaque)
{
    Throttle *t = opaque;
    g_autoptr(Json) obj = g_steal_pointer(&t->pending);
    if (obj) {
        event_send(obj);
        timer_arm_ms(&t->timer, THROTTLE_MS);
        return;
    }
    Throttle **p = &throttles;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    throttle_free(t);
}

/* What waits under the name of an event that is not limited came before it. */
static void send_waiting(const char *name)
{
    for (Throttle *t = throttles; t; t = t->next) {
        if (t->pending && !g_strcmp0(json_get_str(t->pending, "event"), name)) {
            g_autoptr(Json) obj = g_steal_pointer(&t->pending);
            event_send(obj);
            timer_arm_ms(&t->timer, THROTTLE_MS);
        }
    }
}

static void event_deliver(Event *e)
{
    if (!e->key)
        send_waiting(e->name);
    for (Throttle *t = throttles; e->key && t; t = t->next) {
        if (!strcmp(t->key, e->key)) {
            json_unref(t->pending);
            t->pending = json_ref(e->obj);
            return;
        }
    }
    event_send(e->obj);
    if (!e->key)
        return;
    Throttle *t = g_new0(Throttle, 1);
    t->key = g_steal_pointer(&e->key);
    timer_init_clock(&t->timer, qtest_enabled() ? CLOCK_VIRTUAL : CLOCK_REALTIME_MONO, throttle_expired, t);
    timer_arm_ms(&t->timer, THROTTLE_MS);
    t->next = throttles;
    throttles = t;
}

static void events_deliver(void *opaque)
{
    for (;;) {
        g_mutex_lock(&event_lock);
        Event *e = g_queue_pop_head(&event_queue);
        g_mutex_unlock(&event_lock);
        if (!e)
            return;
        event_deliver(e);
        event_free(e);
    }
}

static bool replaces(const Event *e, const Event *before)
{
    if (before->name != e->name)
        return false;
    if (e->key || before->key)
        return !g_strcmp0(e->key, before->key);
    return !e->data || !before->data ? e->data == before->data : one_kind(e->data, before->data);
}

/* Whether the main loop must be told; takes e. The search is from the end: who tells much has told that lately. */
static bool event_enqueue(Event *e)
{
    bool tell = g_queue_is_empty(&event_queue);
    bool full = g_queue_get_length(&event_queue) >= EVENTS_WAITING_MAX && !in_main_thread();
    for (GList *l = e->key || full ? event_queue.tail : NULL; l; l = l->prev) {
        Event *before = l->data;
        if (replaces(e, before)) {
            g_queue_delete_link(&event_queue, l);
            event_free(before);
            break;
        }
    }
    g_queue_push_tail(&event_queue, e);
    return tell;
}

void qmp_broadcast(const char *name, Json *data)
{
    const QapiEvent *desc = qapi_event_find(name);
    assert(desc); /* every event is in the schema */
    Event *e = g_new0(Event, 1);
    e->name = desc->name;
    e->key = limit_key(desc->name, data);
    e->data = data;
    e->obj = json_object();
    int64_t now = g_get_real_time();
    Json *stamp = json_object();
    json_set_int(stamp, "seconds", now / G_USEC_PER_SEC);
    json_set_int(stamp, "microseconds", now % G_USEC_PER_SEC);
    json_set(e->obj, "timestamp", stamp);
    json_set_str(e->obj, "event", name);
    if (data)
        json_set(e->obj, "data", data);
    g_mutex_lock(&event_lock);
    bool tell = event_enqueue(e);
    g_mutex_unlock(&event_lock);
    if (in_main_thread())
        events_deliver(NULL);
    else if (tell)
        mainloop_defer(events_deliver, NULL);
}

void qmp_monitors_cleanup(void)
{
    events_deliver(NULL);
    while (throttles) {
        Throttle *t = throttles;
        throttles = t->next;
        if (t->pending)
            event_send(t->pending);
        throttle_free(t);
    }
    while (monitors) {
        QmpMonitor *m = monitors;
        monitors = m->next;
        monitor_out_finish(&m->out);
        queue_clear(&m->requests);
        queue_clear(&m->oob);
        drop_fds(m);
        json_reader_free(m->reader);
        char_detach(&m->fe);
        g_free(m);
    }
}
