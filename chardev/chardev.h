/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: a stream of bytes between a front end (UART, monitor, virtio port) and a back end (stdio, pty, socket ...).
 * A back end has one front end at most, but a mux, which has up to four. All under the VM lock, in the main thread, except
 * char_write*, which any thread may call.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include "util/json.h"

typedef struct Chardev Chardev;

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

/* Connect; false where chr is taken by another. CHAR_OPENED comes at once where the back end is connected already. */
bool char_attach(CharFrontend *fe, Chardev *chr, const CharHandlers *h, void *opaque, Error **errp);
void char_detach(CharFrontend *fe);
bool char_connected(const CharFrontend *fe); /* has a back end */
/* Writes what goes without waiting; returns the number of bytes taken, or -errno. With no back end all is taken. */
ssize_t char_write(CharFrontend *fe, const void *buf, size_t len);
/* Waits until all is written (a peer that stops reading stops the caller; at most for monitors and debug output). */
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
/* File descriptors that a unix socket peer passed; returns the number taken. */
int char_take_fds(CharFrontend *fe, int *fds, int max);

Chardev *chardev_find(const char *id);
/* -chardev BACKEND,id=...: opts as an object with "backend" and "id" and strings. */
Chardev *chardev_new(const Json *opts, Error **errp);
/* The short form of -serial, -parallel, -monitor, -qmp: "stdio", "unix:path,server=on", "mon:stdio", "chardev:ID", "none", "null",
 * "pty", "file:x", "tcp:host:port", "vc". with_mux: "mon:" and muxing allowed. NULL with no error for "none". */
Chardev *chardev_from_text(const char *id, const char *text, bool with_monitor, Error **errp);
bool chardev_remove(const char *id, Error **errp);
const char *chardev_id(const Chardev *chr);
bool chardev_is_mux(const Chardev *chr);
Json *chardev_query(void);          /* query-chardev's reply */
Json *chardev_query_backends(void); /* query-chardev-backends's */
void chardev_help(void);            /* -chardev help, to stdout */
void chardev_cleanup(void);         /* at exit: terminals restored, sockets unlinked */

#endif
