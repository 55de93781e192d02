/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's thread: the RFB handshake (RFC 6143 section 7.1 to 7.3; versions 3.3, 3.7 and 3.8; security None and VNC
 * authentication, either inside TLS by VeNCrypt 0.2 as the RFB protocol's community text has it), then pictures from
 * the server's shadow to the session, input from the session to the guest.
 */
#include "ui/vnc-internal.h"
#include "ui/vnc-rects.h"

#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "ui/text-console.h"
#include "util/rcu.h"

#include <poll.h>
#include <rfb/rfbproto.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_MS      60000
#define SCROLL_MS         75 /* QEMU takes 30 to 130 ms from picture to picture of a console that scrolls */
#define SECURITY_NONE     1
#define SECURITY_VNC      2
#define SECURITY_VENCRYPT 19

void vnc_client_wake(VncClient *c)
{
    uint64_t one = 1;

    if (write(c->event, &one, sizeof(one)) < 0) {
        /* full: it is awake */
    }
}

static bool closing(VncClient *c)
{
    return __atomic_load_n(&c->closing, __ATOMIC_ACQUIRE);
}

/* Both give up at the deadline. */
static bool transfer(VncClient *c, void *buf, size_t len, bool out, int64_t deadline)
{
    char *p = buf;

    while (len) {
        ssize_t n = out ? send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT) : recv(c->fd, p, len, MSG_DONTWAIT);

        if (n > 0) {
            p += n;
            len -= (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return false;
        } else {
            struct pollfd fd = {.fd = c->fd, .events = out ? POLLOUT : POLLIN};
            int64_t left = (deadline - g_get_monotonic_time()) / 1000;

            if (left <= 0 || closing(c) || poll(&fd, 1, (int)left) < 0)
                return false;
        }
    }
    return true;
}

static bool get(VncClient *c, void *buf, size_t len, int64_t deadline)
{
    return transfer(c, buf, len, false, deadline);
}

static bool put(VncClient *c, const void *buf, size_t len, int64_t deadline)
{
    return transfer(c, (void *)(uintptr_t)buf, len, true, deadline);
}

static bool put_u32(VncClient *c, uint32_t v, int64_t deadline)
{
    uint8_t b[4];

    stl_be(b, v);
    return put(c, b, 4, deadline);
}

/* Tells why, where the version has a place for it; false. */
static bool refuse(VncClient *c, int minor, bool security_list, const char *why, int64_t deadline)
{
    uint8_t none = 0;

    if (security_list && minor >= 7 ? !put(c, &none, 1, deadline) : !put_u32(c, security_list ? 0 : 1, deadline))
        return false;
    if (security_list || minor >= 8)
        return put_u32(c, (uint32_t)strlen(why), deadline) && put(c, why, strlen(why), deadline) && false;
    return false;
}

static bool password_right(VncClient *c, int minor, int64_t deadline)
{
    uint8_t challenge[16], response[16], diff = 0;
    g_autofree char *password = NULL;

    if (getrandom(challenge, sizeof(challenge), 0) != sizeof(challenge) ||
        !put(c, challenge, sizeof(challenge), deadline) || !get(c, response, sizeof(response), deadline))
        return false;
    password = vnc_password_now(c->server);
    if (!password)
        return refuse(c, minor, false, "Authentication failed", deadline);
    rfbEncryptBytes(challenge, password);
    memset(password, 0, strlen(password));
    for (int i = 0; i < 16; i++)
        diff |= challenge[i] ^ response[i];
    return !diff || refuse(c, minor, false, "Authentication failed", deadline);
}

/* From here on the connection is inside TLS. */
static bool begin_tls(VncClient *c, int64_t deadline)
{
    char *name = NULL;
    int fd = tls_accept(c->server->tls, c->fd, deadline, c->end, &name);

    if (fd < 0)
        return false;
    vnc_client_replace_fd(c, fd);
    vnc_client_certified(c, name);
    return true;
}

/* 0.2: one kind is offered. */
static bool vencrypt(VncClient *c, int64_t deadline)
{
    enum { TLS_NONE = 257, X509_NONE = 260 };
    static const uint8_t version[2] = {0, 2}, no = 0, yes = 1;
    uint32_t kind =
        (tls_creds_kind(c->server->tls) == TLS_X509 ? X509_NONE : TLS_NONE) + (c->server->auth_password ? 1 : 0);
    uint8_t b[4];

    if (!put(c, version, 2, deadline) || !get(c, b, 2, deadline))
        return false;
    if (memcmp(b, version, 2)) {
        put(c, &yes, 1, deadline); /* not 0: it is refused */
        return false;
    }
    if (!put(c, &no, 1, deadline) || !put(c, &yes, 1, deadline) || !put_u32(c, kind, deadline) ||
        !get(c, b, 4, deadline))
        return false;
    if (ldl_be(b) != kind) {
        put(c, &no, 1, deadline);
        return false;
    }
    return put(c, &yes, 1, deadline) && begin_tls(c, deadline);
}

static bool security(VncClient *c, int minor, int64_t deadline)
{
    bool tls = c->server->tls && !c->websocket && !c->skip_auth;
    uint8_t type = c->server->auth_password && !c->skip_auth ? SECURITY_VNC : SECURITY_NONE, chosen;
    uint8_t list[2] = {1, tls ? SECURITY_VENCRYPT : type};

    if (minor == 3 && tls)
        return refuse(c, minor, true, "Unsupported protocol version", deadline);
    if (minor == 3) {
        if (!put_u32(c, type, deadline))
            return false;
    } else {
        if (!put(c, list, 2, deadline) || !get(c, &chosen, 1, deadline))
            return false;
        if (chosen != list[1])
            return refuse(c, minor, false, "Authentication failed", deadline);
        if (tls && !vencrypt(c, deadline))
            return false;
    }
    if (type == SECURITY_VNC)
        return password_right(c, minor, deadline) && put_u32(c, 0, deadline);
    return minor < 8 || put_u32(c, 0, deadline);
}

static bool handshake(VncClient *c, int64_t deadline)
{
    char version[13] = "";
    int minor;
    uint8_t shared;

    if (!put(c, "RFB 003.008\n", 12, deadline) || !get(c, version, 12, deadline))
        return false;
    minor = 0;
    for (int i = 8; i < 11; i++)
        minor = g_ascii_isdigit(version[i]) ? minor * 10 + version[i] - '0' : 0;
    if (memcmp(version, "RFB 003.", 8) || version[11] != '\n' || minor < 3 || minor == 6)
        return refuse(c, 3, true, "Unsupported protocol version", deadline);
    minor = minor < 7 ? 3 : MIN(minor, 8);
    if (!security(c, minor, deadline) || !get(c, &shared, 1, deadline))
        return false;
    c->shared = shared;
    return true;
}

static bool server_init(VncClient *c, const VncState *st, int64_t deadline)
{
    static const uint8_t format[16] = {32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0};
    size_t len = strlen(c->server->name);
    uint8_t head[24];

    stw_be(head, (uint16_t)st->width);
    stw_be(head + 2, (uint16_t)st->height);
    memcpy(head + 4, format, 16);
    stl_be(head + 20, (uint32_t)len);
    return put(c, head, sizeof(head), deadline) && put(c, c->server->name, len, deadline);
}

/* What the thread knows beside the session. */
typedef struct View {
    VncClient *c;
    VncSession *session;
    unsigned width, height;
    GArray *input; /* of VncInput */
    unsigned buttons;
    int last_x, last_y;
    bool has_last, pointer_type;
    uint64_t keys[(KEY_CODES + 63) / 64]; /* held */
    int64_t next_key;                     /* not before, monotonic us */
    uint64_t *rows;                       /* hashes of the framebuffer's lines */
    int64_t taken;                        /* when the framebuffer was, monotonic us */
    bool scrolls;                         /* since then lines have moved */
} View;

/* Tell the session of lines that only moved; they leave stale. */
static void find_scroll(View *v, const uint64_t *fresh, pixman_region32_t *stale)
{
    int height = (int)v->height, d = vnc_scroll_distance(v->rows, fresh, height);

    for (int y = 0, end; d && y < height; y = end) {
        pixman_region32_t lines;

        end = y + 1;
        if (y + d < 0 || y + d >= height || fresh[y] != v->rows[y + d] || fresh[y] == v->rows[y])
            continue;
        while (end < height && end + d >= 0 && end + d < height && fresh[end] == v->rows[end + d])
            end++;
        vnc_session_copy(v->session, y, end, d);
        pixman_region32_init_rect(&lines, 0, y, v->width, (unsigned)(end - y));
        pixman_region32_subtract(stale, stale, &lines);
        pixman_region32_fini(&lines);
    }
}

/* The server's state (with a reference to its cursor) and, into the session's framebuffer, its stale pixels. */
static VncState copy_picture(View *v)
{
    VncServer *s = v->c->server;
    VncState st;
    pixman_region32_t stale;
    pixman_box32_t *box;
    g_autofree uint64_t *fresh = NULL;
    int n;

    pixman_region32_init(&stale);
    g_mutex_lock(&s->lock);
    v->c->dirty = false;
    st = s->state;
    if (st.cursor)
        cursor_ref(st.cursor);
    if (v->session && (st.width != v->width || st.height != v->height)) {
        vnc_session_resize(v->session, st.width, st.height);
        v->width = st.width;
        v->height = st.height;
        g_free(g_steal_pointer(&v->rows));
        pixman_region32_union_rect(&v->c->stale, &v->c->stale, 0, 0, st.width, st.height);
    }
    if (v->session) {
        uint32_t *out = vnc_session_pixels(v->session);

        pixman_region32_intersect_rect(&stale, &v->c->stale, 0, 0, st.width, st.height);
        pixman_region32_fini(&v->c->stale);
        pixman_region32_init(&v->c->stale);
        box = pixman_region32_rectangles(&stale, &n);
        for (int i = 0; i < n; i++)
            for (int y = box[i].y1; y < box[i].y2; y++)
                memcpy(out + (size_t)y * st.width + box[i].x1, s->shadow + (size_t)y * st.width + box[i].x1,
                       (size_t)(box[i].x2 - box[i].x1) * 4);
        fresh = g_memdup2(s->rows, st.height * sizeof(*fresh));
    }
    g_mutex_unlock(&s->lock);
    if (v->session) {
        if (v->rows && vnc_session_can_copy(v->session))
            find_scroll(v, fresh, &stale);
        g_free(v->rows);
        v->rows = g_steal_pointer(&fresh);
        vnc_session_damage(v->session, &stale);
    }
    pixman_region32_fini(&stale);
    return st;
}

/* Milliseconds for which the picture is not to be taken yet: lines that scroll by faster than the eye follows are sent
 * anew each time where the viewer cannot copy them. */
static int scroll_wait(View *v)
{
    VncServer *s = v->c->server;
    int64_t left = v->taken + SCROLL_MS * INT64_C(1000) - g_get_monotonic_time();
    g_autofree uint64_t *fresh = NULL;

    if (left <= 0 || !v->rows || vnc_session_copies(v->session))
        return 0;
    if (!v->scrolls) { /* else it waits already, and was woken */
        g_mutex_lock(&s->lock);
        if (s->state.width == v->width && s->state.height == v->height)
            fresh = g_memdup2(s->rows, v->height * sizeof(*fresh));
        g_mutex_unlock(&s->lock);
        v->scrolls = fresh && vnc_scroll_distance(v->rows, fresh, (int)v->height);
    }
    return v->scrolls ? (int)(left / 1000) + 1 : 0;
}

static bool held(const View *v, KeyCode k)
{
    return v->keys[k / 64] >> k % 64 & 1;
}

/* Ctrl-Alt-N: another console, where display= named none. The guest hears no more of the keys that are down. */
static bool other_console(View *v, Console *con, const VncInput *in)
{
    if (v->c->server->console_device || !in->down || in->key < KEY_CODE_1 || in->key > KEY_CODE_9 ||
        !(held(v, KEY_CODE_CTRL) || held(v, KEY_CODE_CTRL_R)) || !(held(v, KEY_CODE_ALT) || held(v, KEY_CODE_ALT_R)))
        return false;
    for (unsigned k = 1; k < KEY_CODES && !console_is_text(con); k++)
        if (held(v, (KeyCode)k))
            input_key(con, (KeyCode)k, false);
    vnc_server_show(v->c->server, in->key - KEY_CODE_1);
    return true;
}

static void deliver_key(View *v, Console *con, const VncInput *in)
{
    uint64_t bit = BIT64(in->key % 64);

    if (other_console(v, con, in))
        return;
    if (console_is_text(con) && in->down)
        text_console_key(con, in->sym, held(v, KEY_CODE_CTRL) || held(v, KEY_CODE_CTRL_R));
    if (in->key == KEY_CODE_UNMAPPED)
        return;
    if (!in->down && !held(v, in->key))
        return; /* was never pressed here */
    if (in->down)
        v->keys[in->key / 64] |= bit;
    else
        v->keys[in->key / 64] &= ~bit;
    if (!console_is_text(con))
        input_key(con, in->key, in->down);
}

/* By the bit of a pointer event. */
static const InputButton buttons[8] = {BUTTON_LEFT,       BUTTON_MIDDLE,     BUTTON_RIGHT,       BUTTON_WHEEL_UP,
                                       BUTTON_WHEEL_DOWN, BUTTON_WHEEL_LEFT, BUTTON_WHEEL_RIGHT, BUTTON_SIDE};

static void deliver_pointer(View *v, Console *con, const VncInput *in)
{
    for (int i = 0; i < 8; i++)
        if ((in->buttons ^ v->buttons) >> i & 1)
            input_button(con, buttons[i], in->buttons >> i & 1);
    v->buttons = in->buttons;
    if (input_is_absolute(con)) {
        input_abs(con, AXIS_X, in->x, 0, MAX((int)v->width - 1, 1));
        input_abs(con, AXIS_Y, in->y, 0, MAX((int)v->height - 1, 1));
    } else if (vnc_session_relative(v->session)) {
        /* pointer-type-change: the middle of the range is no movement */
        input_rel(con, AXIS_X, in->x - 0x7fff);
        input_rel(con, AXIS_Y, in->y - 0x7fff);
    } else {
        if (v->has_last) {
            input_rel(con, AXIS_X, in->x - v->last_x);
            input_rel(con, AXIS_Y, in->y - v->last_y);
        }
        v->last_x = in->x;
        v->last_y = in->y;
        v->has_last = true;
    }
    input_sync();
}

static void deliver_one(View *v, const VncInput *in)
{
    VncClient *c = v->c;

    vm_lock();
    Console *con = c->server->listener.con;
    if (con && !closing(c)) {
        switch (in->kind) {
        case VNC_KEY:
            deliver_key(v, con, in);
            break;
        case VNC_POINTER:
            if (!console_is_text(con))
                deliver_pointer(v, con, in);
            break;
        case VNC_RESIZE:
            if (in->x > 0 && in->y > 0 && in->x <= CONSOLE_MAX_WIDTH && in->y <= CONSOLE_MAX_HEIGHT)
                console_resize_hint(con, (unsigned)in->x, (unsigned)in->y);
            break;
        case VNC_POWER:
            if (in->x == 2)
                system_powerdown_request();
            else
                system_reset_request(CAUSE_HOST_QMP_SYSTEM_RESET);
            break;
        }
        vnc_server_active(c->server);
    }
    vm_unlock();
}

/* Keys are not given faster than a guest reads its keyboard: the peer waits, by its socket. */
static void deliver(View *v)
{
    for (guint i = 0; i < v->input->len; i++) {
        const VncInput *in = &g_array_index(v->input, VncInput, i);

        if (in->kind == VNC_KEY && v->c->server->key_delay_ms) {
            int64_t now = g_get_monotonic_time();

            if (now < v->next_key)
                g_usleep((gulong)(v->next_key - now));
            v->next_key = MAX(now, v->next_key) + v->c->server->key_delay_ms * INT64_C(1000);
        }
        deliver_one(v, in);
    }
    g_array_set_size(v->input, 0);
}

/* The viewer is gone, by itself or because it is closed: nothing stays down. */
static void release_all(View *v)
{
    vm_lock();
    Console *con = v->c->server->listener.con;
    if (con && !console_is_text(con) && !vnc_ending) {
        for (unsigned k = 1; k < KEY_CODES; k++)
            if (held(v, (KeyCode)k))
                input_key(con, (KeyCode)k, false);
        for (int i = 0; i < 8; i++)
            if (v->buttons >> i & 1)
                input_button(con, buttons[i], false);
        input_sync();
    }
    vm_unlock();
}

static void serve(View *v)
{
    VncClient *c = v->c;
    struct pollfd fds[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->event, .events = POLLIN}};
    int wait = -1;

    while (!closing(c)) {
        uint64_t events;
        bool dirty;

        if (poll(fds, 2, wait) < 0 && errno != EINTR)
            break;
        wait = -1;
        if (fds[1].revents && read(c->event, &events, sizeof(events)) < 0) {
            /* nothing there: somebody else's wake */
        }
        if (fds[0].revents) {
            if (!vnc_session_receive(v->session, v->input))
                break;
            deliver(v);
        }
        g_mutex_lock(&c->server->lock);
        dirty = c->dirty;
        g_mutex_unlock(&c->server->lock);
        if (dirty && vnc_session_ready(v->session)) {
            int ms = scroll_wait(v);

            if (ms) {
                wait = ms;
                continue;
            }
            VncState st = copy_picture(v);

            v->taken = g_get_monotonic_time();
            v->scrolls = false;
            vnc_session_state(v->session, &st);
            cursor_unref(st.cursor);
        }
        if (!vnc_session_send(v->session))
            break;
    }
    const char *why = vnc_session_error(v->session);

    if (!why)
        why = socket_end_reason(__atomic_load_n(&c->end->error, __ATOMIC_ACQUIRE));
    if (!closing(c) && why)
        warn_report("VNC: the connection of %s:%s is over: %s", c->host, c->port, why);
}

static gpointer client_thread(gpointer opaque)
{
    VncClient *c = opaque;
    int64_t deadline = g_get_monotonic_time() + HANDSHAKE_MS * INT64_C(1000);
    View v = {.c = c};

    rcu_thread_register();
    if (c->websocket && c->server->tls && !begin_tls(c, deadline))
        goto out;
    if (c->websocket) {
        int fd = websocket_accept(c->fd, HANDSHAKE_MS, c->end);

        if (fd < 0)
            goto out;
        vnc_client_replace_fd(c, fd);
    }
    if (closing(c) || !handshake(c, deadline))
        goto out;
    VncState st = copy_picture(&v);
    v.width = st.width;
    v.height = st.height;
    v.session = vnc_session_new(&(VncSessionConfig){.fd = c->fd,
                                                    .width = st.width,
                                                    .height = st.height,
                                                    .lossy = c->server->lossy,
                                                    .power_control = c->server->power_control});
    if (v.session && server_init(c, &st, deadline)) {
        v.input = g_array_new(false, false, sizeof(VncInput));
        vnc_session_state(v.session, &st);
        vnc_client_initialized(c);
        serve(&v);
        release_all(&v);
        g_array_unref(v.input);
    }
    g_free(v.rows);
    cursor_unref(st.cursor);
    if (v.session)
        vnc_session_free(v.session);
out:
    rcu_thread_unregister();
    vnc_client_gone(c);
    return NULL;
}

bool vnc_client_start(VncClient *c)
{
    GThread *t;

    c->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->event < 0)
        return false;
    t = g_thread_try_new("vnc", client_thread, c, NULL);
    if (!t)
        return false;
    g_thread_unref(t);
    return true;
}
