/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a back end is to chardev.c: a descriptor (table in chardevs.c) and a struct that begins with Chardev.
 */
#ifndef CHARDEV_DRIVER_H
#define CHARDEV_DRIVER_H

#include "chardev/chardev.h"

typedef struct CharDriver {
    const char *name;
    const char *alias; /* a second name that -chardev takes, or NULL */
    const char *summary;
    size_t size;
    const char *const *options; /* beyond id, backend, mux, logfile, logappend; NULL-ended */
    bool (*open)(Chardev *c, const Json *opts, Error **errp); /* NULL: nothing to open */
    void (*close)(Chardev *c); /* after a failed open too, never without one; NULL: nothing */
    /* Bytes taken, 0 when full, -errno when these are lost; with broken(), all that follow, too. Any thread, under
     * c->lock, only while c->open.
     */
    ssize_t (*write)(Chardev *c, const uint8_t *buf, size_t len);
    int (*write_fd)(Chardev *c);   /* what becomes G_IO_OUT when a full back end takes more; NULL: it is never full */
    void (*broken)(Chardev *c);    /* main loop, soon after write returned -errno */
    void (*update)(Chardev *c);    /* char_can_receive() may have changed */
    char *(*filename)(Chardev *c); /* query-chardev; NULL: the name */
    bool (*serial_params)(Chardev *c, unsigned baud, char parity, unsigned data_bits, unsigned stop_bits);
    bool (*set_break)(Chardev *c, bool on);
    int (*get_modem)(Chardev *c);
    int (*set_modem)(Chardev *c, int bits);
    int (*take_fds)(Chardev *c, int *fds, int max);
    bool (*send_fds)(Chardev *c, const int *fds, int n);
    /* The mux only: who attaches and detaches, what lies below, and where output really goes. */
    bool (*attach)(Chardev *c, CharFrontend *fe, Error **errp);
    void (*detach)(Chardev *c, CharFrontend *fe);
    void (*handlers)(Chardev *c, CharFrontend *fe);
    CharFrontend *(*base)(Chardev *c);
    ssize_t (*forward)(Chardev *c, const uint8_t *buf, size_t len, bool all);
} CharDriver;

struct Chardev {
    const CharDriver *drv;
    char *id;
    CharFrontend *fe; /* who is attached; NULL on a mux */
    bool fe_open;     /* the guest's side is open */
    /* lock: everything that writing touches, as any thread may write. A leaf. */
    GMutex lock;
    bool opened;       /* the driver's open() was called: its close() is due */
    bool open;         /* a peer is there; changed in the main thread */
    bool dead;         /* write has failed; broken() follows */
    bool warned;       /* write has failed, and there is no broken(): until one goes again */
    GByteArray *queue; /* of char_write_all */
    size_t queue_head;
    unsigned drain_id, broken_id;
    int log_fd;
    bool log_warned; /* the log's last write failed */
    GSList *watches; /* of WriteWatch; VM lock */
};

extern const CharDriver *const chardev_table[]; /* NULL-ended */
const CharDriver *chardev_driver_find(const char *name);

/* For drivers, in the main thread. */
size_t char_can_receive(Chardev *c); /* 0: leave input where it is */
void char_input(Chardev *c, const uint8_t *buf, size_t len);
void char_event(Chardev *c, CharEvent ev);
void char_set_connected(Chardev *c, bool open);         /* with the event; closing drops the queue */
bool char_queue_flush(Chardev *c, int64_t deadline_us); /* waits, at exit; true when empty */

/* Options, as text from a command line or as JSON values. A missing one leaves *out alone. */
const char *opt_str(const Json *opts, const char *name);
bool opt_bool(const Json *opts, const char *name, bool *out, Error **errp);
bool opt_uint(const Json *opts, const char *name, uint64_t max, uint64_t *out, Error **errp);

extern const CharDriver chardev_null, chardev_file, chardev_stdio, chardev_pipe, chardev_pty, chardev_socket,
    chardev_udp, chardev_ringbuf, chardev_mux, chardev_serial, chardev_parallel, chardev_vc;

#endif
