/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -display web (module ui-vnc): a page with the screen (noVNC, found in the system at run time) and the text consoles,
 * for whoever has the token of the URL that is printed at start.
 *
 * A connection is one request, in a thread of its own with a time limit, parsed by ui/http.c. The token is traded for a
 * cookie at the first visit; everything else wants that cookie, and a WebSocket the page's own origin besides. A
 * WebSocket is handed to the main thread, which makes it a viewer of the hidden VNC server or a reader of a console.
 */
#include "ui/http.h"
#include "ui/keymap.h"
#include "ui/vnc-internal.h"
#include "ui/vnc-net.h"
#include "ui/web-pages.h"

#include "chardev/vc.h"
#include "hw/core/prop.h"
#include "softmmu/mainloop.h"
#include "util/module.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PORT_DEFAULT 6080
#define THREADS_MAX  64
#define REQUEST_MS   15000
#define FILE_MAX     (4 * MIB)
#define NOVNC        "/usr/share/novnc"

bool web_display_init(const Json *opts, Error **errp);
void web_display_exit(void);

/* Constant once the display is there. */
static char token[65], cookie_name[32];
static bool loopback;
static GPtrArray *listeners;
static VncServer *screen; /* main thread */
static int threads;       /* atomic */

typedef struct Conn {
    int fd;
    int64_t deadline;
    uint8_t buf[HTTP_HEAD_MAX];
    size_t len;
    HttpRequest r;
} Conn;

/* A WebSocket on its way to the main thread. */
typedef struct HandOver {
    int fd, console; /* -1: the screen */
    size_t early_len;
    uint8_t early[HTTP_HEAD_MAX];
} HandOver;

static bool wait_for(Conn *c, short events)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    int64_t left = (c->deadline - g_get_monotonic_time()) / 1000;

    return left > 0 && poll(&p, 1, (int)left) > 0;
}

static bool put(Conn *c, const void *data, size_t len)
{
    const char *p = data;

    while (len) {
        ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && ((errno != EAGAIN && errno != EINTR) || !wait_for(c, POLLOUT)))
            return false;
        p += MAX(n, 0);
        len -= (size_t)MAX(n, 0);
    }
    return true;
}

/* extra: header lines, or "". */
static void reply(Conn *c, int status, const char *type, const char *extra, const void *body, size_t len)
{
    g_autofree char *head = g_strdup_printf(
        "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n"
        "Cross-Origin-Resource-Policy: same-origin\r\n%s\r\n",
        status, http_reason(status), type, len, extra);

    if (put(c, head, strlen(head)) && !c->r.head)
        put(c, body, len);
}

static void refuse(Conn *c, int status)
{
    g_autofree char *text = g_strdup_printf("%d %s\n", status, http_reason(status));

    reply(c, status, "text/plain", status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "", text,
          strlen(text));
}

static bool is_token(const char *text)
{
    size_t n = strlen(token);
    unsigned diff = strlen(text) != n;

    for (size_t i = 0; i < n && i < strlen(text); i++)
        diff |= (unsigned)(text[i] ^ token[i]);
    return !diff;
}

/* A name that some page could have pointed to this address is refused where we listen on this host alone. */
static bool host_fits(const HttpRequest *r)
{
    g_autofree char *host = g_strdup(r->host);
    char *colon = *host == '[' ? strchr(host, ']') : strchr(host, ':');

    for (const char *p = r->host; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr(".:-[]", *p))
            return false;
    if (colon)
        colon[*host == '['] = 0;
    return !loopback || !g_ascii_strcasecmp(host, "localhost") || !strcmp(host, "127.0.0.1") || !strcmp(host, "[::1]");
}

static void send_file(Conn *c, const char *name)
{
    g_autofree char *path = g_strconcat(NOVNC, name, NULL);
    const char *type = http_type(name);
    g_autofree char *data = NULL;
    size_t got = 0;
    struct stat st;
    int fd = type ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : -1;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size > FILE_MAX) {
        refuse(c, 404);
    } else {
        data = g_malloc((size_t)st.st_size + 1);
        while (got < (size_t)st.st_size) {
            ssize_t n = read(fd, data + got, (size_t)st.st_size - got);

            if (n <= 0)
                break;
            got += (size_t)n;
        }
        reply(c, 200, type, "", data, got);
    }
    if (fd >= 0)
        close(fd);
}

static void send_consoles(Conn *c)
{
    g_autoptr(Json) list = json_array();
    g_autofree char *text = NULL;

    vm_lock();
    for (unsigned i = 0; vc_id(i); i++)
        json_append(list, json_string(vc_id(i)));
    vm_unlock();
    text = json_to_string(list, false);
    reply(c, 200, "application/json", "", text, strlen(text));
}

static void take_over(void *opaque)
{
    HandOver *h = opaque;
    SocketEnd *end = socket_end_new();
    g_autofree char *host = NULL, *port = NULL;
    int ends[2] = {-1, -1}, family;

    if (h->console >= 0) {
        ends[0] = vc_attach((unsigned)h->console);
    } else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        ends[0] = ends[1] = -1;
    }
    vnc_socket_name(h->fd, true, &host, &port, &family);
    if (ends[0] >= 0 && websocket_pump(h->fd, h->early, h->early_len, ends[0], end)) {
        if (ends[1] >= 0)
            vnc_client_new(screen, ends[1], host, port, end);
    } else {
        close(h->fd);
        if (ends[0] >= 0)
            close(ends[0]);
        if (ends[1] >= 0)
            close(ends[1]);
    }
    socket_end_unref(end);
    g_free(h);
}

/* true: fd has another owner now. */
static bool upgrade(Conn *c, size_t head)
{
    g_autofree char *answer = NULL;
    uint64_t n = 0;
    HandOver *h;
    int console = -1;

    if (!*c->r.origin || !http_same_origin(&c->r)) {
        refuse(c, 403);
        return false;
    }
    if (g_str_has_prefix(c->r.path, "/ws/console/")) {
        bool there = parse_u64(c->r.path + strlen("/ws/console/"), &n) && n < INT_MAX;

        vm_lock();
        there = there && vc_id((unsigned)n);
        vm_unlock();
        console = there ? (int)n : -2;
    } else if (strcmp(c->r.path, "/ws/vnc")) {
        console = -2;
    }
    if (console == -2) {
        refuse(c, 404);
        return false;
    }
    answer = ws_handshake(&c->r);
    if (!put(c, answer, strlen(answer)))
        return false;
    h = g_new(HandOver, 1);
    h->fd = c->fd;
    h->console = console;
    h->early_len = c->len - head;
    memcpy(h->early, c->buf + head, h->early_len);
    mainloop_defer(take_over, h);
    return true;
}

static void page(Conn *c)
{
    g_autofree char *policy =
        g_strdup_printf("Content-Security-Policy: default-src 'self'; img-src 'self' data: blob:; style-src 'self' "
                        "'unsafe-inline'; connect-src 'self' ws://%s; frame-ancestors 'none'\r\n",
                        c->r.host);

    reply(c, 200, http_type(".html"), policy, embedded_index_html, sizeof(embedded_index_html));
}

static bool answer_request(Conn *c, size_t head)
{
    char given[65] = "";
    bool known;

    if (!host_fits(&c->r)) {
        refuse(c, 403);
        return false;
    }
    if (!strcmp(c->r.path, "/") && http_param(c->r.query, '&', "token", given, sizeof(given))) {
        if (!is_token(given)) {
            refuse(c, 403);
        } else {
            g_autofree char *extra = g_strdup_printf(
                "Location: /\r\nSet-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict\r\n", cookie_name, token);
            reply(c, 303, "text/plain", extra, "", 0);
        }
        return false;
    }
    known = http_param(c->r.cookie, ';', cookie_name, given, sizeof(given)) && is_token(given);
    if (!known) {
        static const char text[] =
            "403 Forbidden: open the URL that qemu-system-x86_64 printed at its start; it has the token.\n";

        reply(c, 403, "text/plain", "", text, sizeof(text) - 1);
    } else if (c->r.upgrade) {
        return upgrade(c, head);
    } else if (!strcmp(c->r.path, "/")) {
        page(c);
    } else if (!strcmp(c->r.path, "/app.js")) {
        reply(c, 200, http_type(".js"), "", embedded_app_js, sizeof(embedded_app_js));
    } else if (!strcmp(c->r.path, "/style.css")) {
        reply(c, 200, http_type(".css"), "", embedded_style_css, sizeof(embedded_style_css));
    } else if (!strcmp(c->r.path, "/consoles")) {
        send_consoles(c);
    } else if (g_str_has_prefix(c->r.path, "/novnc/")) {
        send_file(c, c->r.path + strlen("/novnc"));
    } else {
        refuse(c, 404);
    }
    return false;
}

static gpointer connection_thread(gpointer opaque)
{
    Conn *c = opaque;
    bool handed = false;
    int rc = 0;

    while (!(rc = http_parse(&c->r, (char *)c->buf, c->len))) {
        ssize_t n = wait_for(c, POLLIN) ? recv(c->fd, c->buf + c->len, sizeof(c->buf) - c->len, MSG_DONTWAIT) : -2;

        if (n == -2)
            rc = -408;
        else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            goto out;
        if (rc)
            break;
        c->len += (size_t)MAX(n, 0);
    }
    if (rc < 0) {
        c->r.head = false;
        refuse(c, -rc);
    } else {
        handed = answer_request(c, (size_t)rc);
    }
out:
    if (!handed) {
        /* the rest of what the peer sent must not make its end of the reply a reset */
        shutdown(c->fd, SHUT_WR);
        c->deadline = MIN(c->deadline, g_get_monotonic_time() + G_TIME_SPAN_SECOND);
        for (int i = 0; i < 64 && wait_for(c, POLLIN); i++)
            if (recv(c->fd, c->buf, sizeof(c->buf), MSG_DONTWAIT) <= 0)
                break;
        close(c->fd);
    }
    g_free(c);
    __atomic_fetch_sub(&threads, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void accepted(void *opaque, int fd, bool websocket)
{
    GThread *t;
    Conn *c;

    vnc_tune_socket(fd);
    if (__atomic_load_n(&threads, __ATOMIC_RELAXED) >= THREADS_MAX) {
        close(fd);
        return;
    }
    c = g_new0(Conn, 1);
    c->fd = fd;
    c->deadline = g_get_monotonic_time() + REQUEST_MS * INT64_C(1000);
    __atomic_fetch_add(&threads, 1, __ATOMIC_RELAXED);
    t = g_thread_try_new("web", connection_thread, c, NULL);
    if (t) {
        g_thread_unref(t);
        return;
    }
    __atomic_fetch_sub(&threads, 1, __ATOMIC_RELAXED);
    close(fd);
    g_free(c);
}

static bool set_token(const char *given, Error **errp)
{
    uint8_t random[16];

    if (given) {
        size_t n = strlen(given);

        for (const char *p = given; *p; p++)
            n = g_ascii_isalnum(*p) || *p == '-' || *p == '_' ? n : 0;
        if (n < 8 || n > 64)
            return error_set(errp, "token=%s: takes 8 to 64 letters, digits, '-' and '_'", given);
        g_strlcpy(token, given, sizeof(token));
        return true;
    }
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_set_errno(errp, errno, "no random numbers for a token");
    for (size_t i = 0; i < sizeof(random); i++)
        g_snprintf(token + 2 * i, 3, "%02x", random[i]);
    return true;
}

static bool listen_web(const char *addr, const char *port_text, Error **errp)
{
    g_autoptr(Json) list = json_array();
    Json *a = json_object();
    uint64_t port = PORT_DEFAULT;

    if (port_text && (!parse_u64(port_text, &port) || port > 65535)) {
        json_unref(a);
        return error_set(errp, "port=%s: takes a port number", port_text);
    }
    json_set_str(a, "type", "inet");
    json_set_str(a, "host", addr);
    json_set(a, "port", json_printf("%u", (unsigned)port));
    if (!port_text)
        json_set_uint(a, "to", port + 99);
    json_append(list, a);
    return vnc_listen_addresses(listeners, list, accepted, NULL, errp);
}

bool web_display_init(const Json *opts, Error **errp)
{
    const char *addr = json_get_str(opts, "addr"), *port = json_get_str(opts, "port");
    const VncListener *l;

    if (access(NOVNC "/core/rfb.js", R_OK) < 0)
        return error_set(errp, "-display web: noVNC is not in " NOVNC "; on Debian it is the package novnc");
    listeners = vnc_listeners_new();
    screen = vnc_server_hidden();
    if (!keymap_ready(errp) || !set_token(json_get_str(opts, "token"), errp) ||
        !listen_web(addr ? addr : "127.0.0.1", port, errp))
        return error_prepend(errp, "-display web: ");
    l = listeners->pdata[0];
    loopback = !strcmp(l->host, "127.0.0.1") || !strcmp(l->host, "::1");
    g_snprintf(cookie_name, sizeof(cookie_name), "qemu-kvm-%s", l->port);
    printf(strchr(l->host, ':') ? "Web display: http://[%s]:%s/?token=%s\n" : "Web display: http://%s:%s/?token=%s\n",
           l->host, l->port, token);
    fflush(stdout);
    return true;
}

void web_display_exit(void)
{
    if (listeners)
        g_ptr_array_set_size(listeners, 0);
    vnc_close_all();
}
