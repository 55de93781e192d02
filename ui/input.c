/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routing of keys and pointers to guest devices, and the monitor's commands about them. */
#include "ui/input.h"
#include "hw/core/clock.h"
#include "hw/core/device.h"
#include "softmmu/runstate.h"
#include "ui/console.h"

/* A send-key command's events wait here, with the pauses between them. */
#define QUEUE_MAX       1024
#define HOLD_DEFAULT_MS 100

static InputHandler *handlers; /* the one that gets an event stands first */
static unsigned next_id = 1, synced_kinds, leds;

void input_register(InputHandler *h)
{
    InputHandler **p;

    for (p = &handlers; *p; p = &(*p)->next)
        ;
    *p = h;
    h->next = NULL;
    h->id = next_id++;
}

static bool take_out(InputHandler *h)
{
    for (InputHandler **p = &handlers; *p; p = &(*p)->next) {
        if (*p == h) {
            *p = h->next;
            return true;
        }
    }
    return false;
}

void input_activate(InputHandler *h)
{
    if (take_out(h)) {
        h->next = handlers;
        handlers = h;
    }
}

void input_unregister(InputHandler *h)
{
    take_out(h);
}

/* One bound to this console before one for all. */
static InputHandler *find_handler(unsigned kinds, const Console *con)
{
    if (con)
        for (InputHandler *h = handlers; h; h = h->next)
            if (h->con == con && (h->kinds & kinds))
                return h;
    for (InputHandler *h = handlers; h; h = h->next)
        if (!h->con && (h->kinds & kinds))
            return h;
    return NULL;
}

void input_send(Console *con, const InputEvent *ev)
{
    InputHandler *h;

    if (!runstate_running() && runstate() != RUN_SUSPENDED)
        return;
    h = find_handler(ev->kind, con);
    if (!h)
        return;
    h->event(h, ev);
    synced_kinds |= ev->kind;
}

void input_sync(void)
{
    unsigned kinds = synced_kinds;

    synced_kinds = 0;
    for (InputHandler *h = handlers; h; h = h->next)
        if ((h->kinds & kinds) && h->sync)
            h->sync(h);
}

void input_button(Console *con, InputButton b, bool down)
{
    input_send(con, &(InputEvent){.kind = INPUT_BTN, .btn = {b, down}});
}

void input_rel(Console *con, InputAxis axis, int32_t value)
{
    input_send(con, &(InputEvent){.kind = INPUT_REL, .move = {axis, value}});
}

void input_abs(Console *con, InputAxis axis, int64_t value, int64_t min, int64_t max)
{
    int64_t range = max - min;

    value = range <= 0 ? 0 : (CLAMP(value, min, max) - min) * INPUT_ABS_MAX / range;
    input_send(con, &(InputEvent){.kind = INPUT_ABS, .move = {axis, value}});
}

bool input_is_absolute(Console *con)
{
    InputHandler *h = find_handler(INPUT_REL | INPUT_ABS, con);

    return h && (h->kinds & INPUT_ABS);
}

void input_set_leds(unsigned new_leds)
{
    leds = new_leds;
}

unsigned input_leds(void)
{
    return leds;
}

/* The queue: keys and pauses; the timer runs while a pause does. */
typedef struct QueuedKey {
    bool is_pause, down;
    uint32_t pause_ms;
    KeyCode key;
} QueuedKey;
static GQueue queue = G_QUEUE_INIT;
static Timer queue_timer;

static void queue_run(void *opaque)
{
    QueuedKey *q;

    while ((q = g_queue_pop_head(&queue))) {
        if (q->is_pause) {
            timer_arm_ms(&queue_timer, q->pause_ms);
            g_free(q);
            return;
        }
        input_send(NULL, &(InputEvent){.kind = INPUT_KEY, .key = {q->key, q->down}});
        input_sync();
        g_free(q);
    }
}

static void queue_put(QueuedKey q)
{
    if (g_queue_get_length(&queue) < QUEUE_MAX)
        g_queue_push_tail(&queue, g_memdup2(&q, sizeof(q)));
}

static void queue_start(void)
{
    if (!queue_timer.inited)
        timer_init(&queue_timer, queue_run, NULL);
    if (!timer_armed(&queue_timer))
        queue_run(NULL);
}

static void queue_keys(const KeyCode *keys, unsigned n, int64_t hold_ms)
{
    QueuedKey pause = {.is_pause = true, .pause_ms = hold_ms < 0 ? HOLD_DEFAULT_MS : MIN(hold_ms, UINT32_MAX)};

    for (unsigned i = 0; i < n; i++) {
        queue_put((QueuedKey){.key = keys[i], .down = true});
        queue_put(pause);
    }
    while (n--) {
        queue_put((QueuedKey){.key = keys[n]});
        queue_put(pause);
    }
    queue_start();
}

/* A display's key keeps its place behind what is queued. */
void input_key(Console *con, KeyCode k, bool down)
{
    if (timer_armed(&queue_timer)) {
        queue_put((QueuedKey){.key = k, .down = down});
        return;
    }
    input_send(con, &(InputEvent){.kind = INPUT_KEY, .key = {k, down}});
    input_sync();
}

/* {type, data} of QMP's KeyValue. */
static bool parse_key(const Json *v, KeyCode *out, Error **errp)
{
    const char *type = json_get_str(v, "type"), *name;
    int64_t number;

    if (!g_strcmp0(type, "number")) {
        if (!json_get_int(json_get(v, "data"), &number))
            return error_set(errp, "Invalid parameter type for 'data', expected: integer");
        *out = number > 0 && number < 0x100 ? key_by_number(number) : KEY_CODE_UNMAPPED;
        return true;
    }
    if (!g_strcmp0(type, "qcode")) {
        name = json_get_str(v, "data");
        if (!name)
            return error_set(errp, "Invalid parameter type for 'data', expected: string");
        return key_by_name(name, out) || error_set(errp, "Parameter 'data' does not accept value '%s'", name);
    }
    return error_set(errp, "Parameter 'type' does not accept value '%s'", type ? type : "");
}

bool input_send_keys(const Json *keys, int64_t hold_ms, Error **errp)
{
    unsigned n = MIN(json_length(keys), QUEUE_MAX);
    g_autofree KeyCode *list = g_new0(KeyCode, n + 1);

    for (unsigned i = 0; i < n; i++)
        if (!parse_key(json_at(keys, i), &list[i], errp))
            return false;
    queue_keys(list, n, hold_ms);
    return true;
}

bool input_send_key_text(const char *keys, int64_t hold_ms, Error **errp)
{
    g_auto(GStrv) names = g_strsplit(keys, "-", QUEUE_MAX);
    unsigned n = g_strv_length(names);
    g_autofree KeyCode *list = g_new0(KeyCode, n + 1);
    uint64_t number;

    if (!n)
        return error_set(errp, "sendkey: string expected");
    for (unsigned i = 0; i < n; i++) {
        const char *name = strcmp(names[i], "<") ? names[i] : "less";

        if (g_str_has_prefix(name, "0x") && parse_u64(name, &number))
            list[i] = number < 0x100 ? key_by_number(number) : KEY_CODE_UNMAPPED;
        else if (!key_by_name(name, &list[i]))
            return error_set(errp, "invalid parameter: %s", names[i]);
    }
    queue_keys(list, n, hold_ms);
    return true;
}

static const char *const button_names[] = {"left", "middle", "right",      "wheel-up",    "wheel-down",
                                           "side", "extra",  "wheel-left", "wheel-right", "touch"};
static const char *const axis_names[] = {"x", "y"};

static bool parse_name(const Json *obj, const char *key, const char *const *names, unsigned count, unsigned *out,
                       Error **errp)
{
    const char *s = json_get_str(obj, key);

    for (unsigned i = 0; s && i < count; i++) {
        if (!strcmp(names[i], s)) {
            *out = i;
            return true;
        }
    }
    return error_set(errp, "Parameter '%s' does not accept value '%s'", key, s ? s : "");
}

static bool parse_event(const Json *v, InputEvent *ev, Error **errp)
{
    const char *type = json_get_str(v, "type");
    const Json *data = json_get(v, "data");
    unsigned n;
    int64_t value;

    memset(ev, 0, sizeof(*ev));
    if (!g_strcmp0(type, "key")) {
        ev->kind = INPUT_KEY;
        return parse_key(json_get(data, "key"), &ev->key.code, errp) &&
               (json_get_bool(json_get(data, "down"), &ev->key.down) ||
                error_set(errp, "Invalid parameter type for 'down', expected: boolean"));
    }
    if (!g_strcmp0(type, "btn")) {
        ev->kind = INPUT_BTN;
        if (!parse_name(data, "button", button_names, ARRAY_SIZE(button_names), &n, errp))
            return false;
        ev->btn.button = n;
        return json_get_bool(json_get(data, "down"), &ev->btn.down) ||
               error_set(errp, "Invalid parameter type for 'down', expected: boolean");
    }
    if (!g_strcmp0(type, "rel") || !g_strcmp0(type, "abs")) {
        ev->kind = *type == 'r' ? INPUT_REL : INPUT_ABS;
        if (!parse_name(data, "axis", axis_names, ARRAY_SIZE(axis_names), &n, errp))
            return false;
        if (!json_get_int(json_get(data, "value"), &value))
            return error_set(errp, "Invalid parameter type for 'value', expected: integer");
        ev->move.axis = n;
        ev->move.value = CLAMP(value, INT32_MIN, INT32_MAX);
        if (ev->kind == INPUT_ABS)
            ev->move.value = CLAMP(ev->move.value, 0, INPUT_ABS_MAX);
        return true;
    }
    return error_set(errp, "Parameter 'type' does not accept value '%s'", type ? type : "");
}

static const char *kind_name(unsigned kind)
{
    return kind == INPUT_KEY ? "key" : kind == INPUT_BTN ? "btn" : kind == INPUT_REL ? "rel" : "abs";
}

bool input_send_events(const char *device, int64_t head, const Json *events, Error **errp)
{
    size_t n = json_length(events);
    g_autofree InputEvent *list = g_new(InputEvent, n + 1);
    Console *con = NULL;

    if (device && !(con = console_find(device, head < 0 ? 0 : MIN(head, UINT32_MAX), errp)))
        return false;
    if (!runstate_running() && runstate() != RUN_SUSPENDED)
        return error_set(errp, "VM not running");
    for (size_t i = 0; i < n; i++) {
        if (!parse_event(json_at(events, i), &list[i], errp))
            return false;
        if (!find_handler(list[i].kind, con))
            return error_set(errp, "Input handler not found for event type %s", kind_name(list[i].kind));
    }
    for (size_t i = 0; i < n; i++)
        input_send(con, &list[i]);
    input_sync();
    return true;
}

void input_mouse_move(int dx, int dy, int dz)
{
    InputButton wheel = dz > 0 ? BUTTON_WHEEL_UP : BUTTON_WHEEL_DOWN;

    input_rel(NULL, AXIS_X, dx);
    input_rel(NULL, AXIS_Y, dy);
    if (dz) {
        input_button(NULL, wheel, true);
        input_sync();
        input_button(NULL, wheel, false);
    }
    input_sync();
}

void input_mouse_button(unsigned state)
{
    static unsigned last;
    static const InputButton map[] = {BUTTON_LEFT, BUTTON_RIGHT, BUTTON_MIDDLE};

    for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
        if ((state ^ last) >> i & 1)
            input_button(NULL, map[i], state >> i & 1);
    last = state;
    input_sync();
}

Json *input_query_mice(void)
{
    Json *list = json_array();
    bool current = true;

    for (InputHandler *h = handlers; h; h = h->next) {
        Json *m;

        if (!(h->kinds & (INPUT_REL | INPUT_ABS)))
            continue;
        m = json_object();
        json_set_str(m, "name", h->name);
        json_set_uint(m, "index", h->id);
        json_set_bool(m, "current", current);
        json_set_bool(m, "absolute", h->kinds & INPUT_ABS);
        json_append(list, m);
        current = false;
    }
    return list;
}

bool input_set_mouse(unsigned index, Error **errp)
{
    for (InputHandler *h = handlers; h; h = h->next) {
        if (h->id == index && (h->kinds & (INPUT_REL | INPUT_ABS))) {
            input_activate(h);
            return true;
        }
    }
    return error_set(errp, "Mouse at index '%u' not found", index);
}
