/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: a stream of bytes between a front end (UART, monitor, virtio port) and a back end (stdio, pty, socket ...).
 * A back end has one front end at most, but a mux, which has up to four. All under the VM lock, in the main thread, except
 * char_write and char_write_all, which any thread may call.
 *
 * Nothing here waits for a peer once the VM runs. What is written while nobody is connected is dropped. char_write takes what fits
 * and its caller retries by char_watch_writable; char_write_all queues what does not fit, up to CHAR_QUEUE_MAX, over which a
 * socket's peer is disconnected and others lose the rest.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include "util/json.h"

typedef struct Chardev Chardev;

#define CHAR_QUEUE_MAX (16 * MIB)
#define CHAR_FDS_MAX   16 /* descriptors that come with one message */

typedef enum CharEvent { CHAR_OPENED, CHAR_CLOSED, CHAR_BREAK, CHAR_MUX_IN, CHAR_MUX_OUT } CharEvent;

typedef struct CharHandlers {
    size_t (*can_receive)(void *opaque); /* bytes that receive() takes now; NULL: any number */
    void (*receive)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, CharEvent ev);
} CharHandlers;

/* Embedded in the front end's struct; zeroed is "no back end": writes vanish, nothing arrives. */
typedef struct CharFrontend {
    Chardev *chr;
    const CharHandlers *handlers;
    void *opaque;
    int mux_tag;
} CharFrontend;

/* Connect; false where chr is taken by another. CHAR_OPENED comes at once where the back end is connected already; on a mux it comes
 * from the main loop, when all its front ends are there. The last to attach has a mux's focus. handlers may be NULL: output only. */
bool char_attach(CharFrontend *fe, Chardev *chr, const CharHandlers *h, void *opaque, Error **errp);
/* For devices with a PROP_CHARDEV: the property has claimed the back end; realize installs the handlers, unrealize sets them to NULL
 * (the property lets go of it when the device goes). Nothing happens without a back end. */
void char_set_handlers(CharFrontend *fe, const CharHandlers *h, void *opaque);
void char_detach(CharFrontend *fe);
bool char_connected(const CharFrontend *fe); /* has a back end */
/* Writes what goes without waiting; returns the number of bytes taken, or -errno. With no back end all is taken. */
ssize_t char_write(CharFrontend *fe, const void *buf, size_t len);
/* Takes all and never waits: see above. For monitors, logs and the qtest protocol. */
void char_write_all(CharFrontend *fe, const void *buf, size_t len);
/* fn runs once in the main loop when char_write can take something again; the id goes to g_source_remove(). 0: cannot wait. */
unsigned char_watch_writable(CharFrontend *fe, void (*fn)(void *opaque), void *opaque);
void char_accept_input(CharFrontend *fe); /* can_receive became true */
void char_set_open(CharFrontend *fe, bool open); /* the guest opened or closed its side (query-chardev) */
bool char_serial_params(CharFrontend *fe, unsigned baud, char parity, unsigned data_bits, unsigned stop_bits);
bool char_set_break(CharFrontend *fe, bool on);
/* Modem lines, bits of TIOCM_*; -ENOTSUP where the back end has none. */
int char_get_modem(CharFrontend *fe);
int char_set_modem(CharFrontend *fe, int bits);
/* File descriptors that a unix socket peer passed with its last message; returns the number taken, the caller owns them. */
int char_take_fds(CharFrontend *fe, int *fds, int max);
/* Pass descriptors (borrowed) with the next byte written; false where the back end is no connected unix socket. */
bool char_send_fds(CharFrontend *fe, const int *fds, int n);

Chardev *chardev_find(const char *id);
/* -chardev BACKEND,id=...: opts as a flat object with "backend" and "id"; values are strings or the JSON type that fits. */
Chardev *chardev_new(const Json *opts, Error **errp);
/* The short form of -serial, -parallel, -monitor, -qmp: "stdio", "unix:path,server=on", "mon:stdio", "chardev:ID", "none", "null",
 * "pty", "file:x", "tcp:host:port", "vc". with_monitor (-serial, -parallel, -debugcon): "mon:" and mux=on make a mux and hand it to
 * chardev_monitor_hook, which puts a human monitor on it. NULL with no error for "none". */
Chardev *chardev_from_text(const char *id, const char *text, bool with_monitor, Error **errp);
extern bool (*chardev_monitor_hook)(Chardev *mux, Error **errp);
/* QMP chardev-add: args {"id", "backend": {"type", "data"}}; its reply ({} or {"pty": PATH}), NULL on error. */
Json *chardev_add(const Json *args, Error **errp);
bool chardev_remove(const char *id, Error **errp);
bool chardev_send_break(const char *id, Error **errp);
/* QMP ringbuf-write and ringbuf-read: format "utf8", "base64" or NULL. */
bool chardev_ringbuf_write(const char *id, const char *data, const char *format, Error **errp);
Json *chardev_ringbuf_read(const char *id, int64_t size, const char *format, Error **errp);
const char *chardev_id(const Chardev *chr);
bool chardev_is_mux(const Chardev *chr);
Json *chardev_query(void);          /* query-chardev's reply */
Json *chardev_query_backends(void); /* query-chardev-backends's */
void chardev_help(void);            /* -chardev help, to stdout */
void chardev_cleanup(void);         /* at exit: queues flushed, terminals restored, sockets unlinked */
extern bool chardev_daemonized;     /* -daemonize: stdio is refused */
/* "C-a s" on a mux: commit snapshots; where NULL, it says that there are none. */
extern void (*chardev_mux_commit_hook)(void);

#endif
