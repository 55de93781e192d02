/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Back ends that are a pair of descriptors: file, pipe, stdio, serial, parallel. */
#ifndef CHARDEV_FD_H
#define CHARDEV_FD_H

#include "chardev/driver.h"

typedef struct FdChardev {
    Chardev c;
    int in, out; /* -1: none; may be the same; owned unless borrowed */
    bool borrowed;
    bool started;     /* in and out are valid */
    bool out_socket;  /* send(MSG_DONTWAIT): the description's flags are shared with others */
    bool out_careful; /* may block: ask poll, write little */
    bool datagram;    /* udp: no end of input, errors are about single packets */
    bool eof;
    unsigned in_id;
} FdChardev;

/* Takes in and out; both are polled, so they should not block. Marks the back end open. */
void fd_chardev_start(FdChardev *f, int in, int out);
void fd_chardev_close(Chardev *c);
ssize_t fd_chardev_write(Chardev *c, const uint8_t *buf, size_t len);
int fd_chardev_write_fd(Chardev *c);
void fd_chardev_update(Chardev *c);

#endif
