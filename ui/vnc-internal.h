/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside module ui-vnc.
 *
 * A VncServer is one -vnc: listening sockets, a password, one console, a shadow of its picture. The main thread owns
 * it, under the VM lock; `lock`, a leaf, guards what clients' threads read: the shadow and each client's stale region.
 * A VncClient is one peer with a thread of its own, in which alone libvncserver works for it: a screen and a
 * framebuffer per client, so that a client that does not read holds up nobody and costs what it costs anyway. A thread
 * takes the VM lock for input only, with nothing of libvncserver's locked. The main thread ends a client by shutting
 * its socket down; the thread's last act is a word to the main loop, which frees the client.
 */
#ifndef UI_VNC_INTERNAL_H
#define UI_VNC_INTERNAL_H

#include "crypto/tls.h"
#include "ui/console.h"
#include "ui/input.h"
#include "ui/vnc.h"

typedef struct VncServer VncServer;
typedef struct VncClient VncClient;

/* What a viewer is told beside pixels. */
typedef struct VncState {
    unsigned width, height;
    unsigned leds;
    bool absolute;
    Cursor *cursor;         /* NULL: the guest has none */
    unsigned cursor_serial; /* changes with cursor */
} VncState;

typedef enum VncShare { VNC_SHARE_EXCLUSIVE, VNC_SHARE_FORCED, VNC_SHARE_IGNORE } VncShare;

struct VncServer {
    char *id, *name;      /* name: shown by viewers */
    GPtrArray *listeners; /* of VncListener */
    GPtrArray *clients;
    VncShare share;
    unsigned max_clients, key_delay_ms;
    bool lossy, power_control, hidden;
    bool auth_password;   /* a password is asked for ... */
    char *password;       /* ... this one; NULL: none is right */
    TlsCreds *tls;        /* NULL: without */
    int64_t expires;      /* of the epoch; INT64_MAX: never */
    char *console_device; /* display=, head= */
    unsigned console_head;
    DisplayListener listener;
    struct Timer *ticker;
    unsigned interval_ms, active_clients;
    pixman_region32_t damage; /* reported since the last tick */
    bool resized;

    GMutex lock;
    uint64_t *rows;   /* a hash of each line of the shadow */
    uint32_t *shadow; /* state.width x state.height, x8r8g8b8 with x8 zero */
    VncState state;
};

struct VncClient {
    VncServer *server; /* outlives the client */
    int fd;            /* the connection: closed by the main thread, when the thread is gone */
    int event;         /* eventfd: something changed, or closing */
    bool websocket, skip_auth, shared;
    char *server_host, *server_port, *host, *port;
    SocketEnd *end;    /* the connection's, where threads carry it */
    char *certificate; /* server->lock: its distinguished name; NULL: it has shown none */
    int family, server_family;
    bool known, initialized; /* main thread: told by events */
    unsigned serial;
    bool closing; /* atomic */

    /* server->lock */
    pixman_region32_t stale; /* differs from what the thread has copied */
    bool dirty;              /* stale or state: the thread has to look */
};

/* vnc-server.c, for -display web: a server that query-vnc does not tell of and that listens nowhere. */
VncServer *vnc_server_hidden(void);
/* Takes fd, which carries the stream of a peer of this address. */
bool vnc_client_new(VncServer *s, int fd, const char *host, const char *port, SocketEnd *end);
void vnc_close_all(void); /* at exit */
extern bool vnc_ending;   /* VM lock: from vnc_close_all on; the guest gets nothing more */
/* For the thread. */
void vnc_client_initialized(VncClient *c);           /* after ClientInit; main loop follows up */
void vnc_client_gone(VncClient *c);                  /* the thread's last act */
void vnc_client_replace_fd(VncClient *c, int fd);    /* the connection is behind another descriptor now */
void vnc_client_certified(VncClient *c, char *name); /* takes it */
void vnc_server_active(VncServer *s);                /* somebody uses it: look at the picture soon; VM lock */
void vnc_server_show(VncServer *s, unsigned n);      /* graphic consoles, then text consoles; VM lock */
/* A copy of the password now valid; NULL: none is. */
char *vnc_password_now(VncServer *s);
/* vnc-client.c */
bool vnc_client_start(VncClient *c); /* false: nothing runs */
void vnc_client_wake(VncClient *c);
/* vnc-websocket.c. Reads a request from fd, answers the handshake, and gives a descriptor that carries the stream; a
 * thread of its own moves the bytes and closes fd. -1: it was none. Waits; for a client's thread. */
int websocket_accept(int fd, unsigned timeout_ms, SocketEnd *end);
/* From where a handshake has been answered; early: what came behind it. A thread moves bytes between fd and plain and
 * closes both; end, if any, hears how that came. false: none runs, both are the caller's still. */
bool websocket_pump(int fd, const void *early, size_t early_len, int plain, SocketEnd *end);

/* vnc-session.c: libvncserver, and nothing else, for one connection that is past ClientInit. */
typedef struct VncInput {
    enum { VNC_KEY, VNC_POINTER, VNC_RESIZE, VNC_POWER } kind;
    KeyCode key;
    uint32_t sym; /* X11's, of a key */
    bool down;
    unsigned buttons;
    int x, y; /* pointer position; size asked for; power action in x */
} VncInput;
typedef struct VncSession VncSession;
typedef struct VncSessionConfig {
    int fd; /* borrowed; below FD_SETSIZE */
    unsigned width, height;
    bool lossy, power_control;
} VncSessionConfig;
VncSession *vnc_session_new(const VncSessionConfig *cfg);
void vnc_session_free(VncSession *v);
/* The framebuffer to draw to, of the size last set. */
uint32_t *vnc_session_pixels(VncSession *v);
void vnc_session_resize(VncSession *v, unsigned width, unsigned height); /* black; everything is to be drawn */
void vnc_session_damage(VncSession *v, const pixman_region32_t *changed);
void vnc_session_state(VncSession *v, const VncState *st); /* tells what the viewer wants to know and has changed */
/* One message of the viewer, which has begun to arrive. Events are appended to out (of VncInput). false: the connection
 * is over. */
bool vnc_session_receive(VncSession *v, GArray *out);
/* The viewer has asked for an update that it has not got, and shows the framebuffer as it is: time for a new picture.
 */
bool vnc_session_ready(const VncSession *v);
bool vnc_session_copies(const VncSession *v);   /* the viewer knows CopyRect ... */
bool vnc_session_can_copy(const VncSession *v); /* ... and it can be told of one now */
/* Lines y1 to y2 are what the viewer has d lines further down (d < 0: up). All calls between two sends have the same d.
 */
void vnc_session_copy(VncSession *v, int y1, int y2, int d);
bool vnc_session_relative(
    const VncSession *v);             /* positions are movements: the viewer knows that the pointer is relative */
bool vnc_session_send(VncSession *v); /* an update, if one is asked for and there is something; false: over */
/* Why the connection is over, where the viewer has not ended it; NULL. */
const char *vnc_session_error(const VncSession *v);

#endif
