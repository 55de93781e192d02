/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where VNC servers listen. Main thread, VM lock. */
#ifndef UI_VNC_NET_H
#define UI_VNC_NET_H

#include "util/json.h"

typedef void VncAccepted(void *opaque, int fd, bool websocket); /* takes fd, which is non-blocking */

typedef struct VncListener {
    int fd;
    unsigned watch;
    bool websocket;
    int family;
    char *host, *port; /* as query-vnc tells: without brackets; a unix socket's path is the port */
    char *path;        /* a socket file to remove */
    VncAccepted *fn;
    void *opaque;
} VncListener;

/* Appends to listeners what vnc=, to= and websocket= say. vnc=none: nothing. */
bool vnc_listen(GPtrArray *listeners, const Json *opts, VncAccepted *fn, void *opaque, Error **errp);
bool vnc_listen_addresses(GPtrArray *listeners, const Json *addresses, VncAccepted *fn, void *opaque,
                          Error **errp);                                      /* QMP's SocketAddress */
void vnc_listeners_give(GPtrArray *listeners, VncAccepted *fn, void *opaque); /* who comes is told to fn now */
GPtrArray *vnc_listeners_new(void);                         /* of VncListener; freed by g_ptr_array_unref */
void vnc_listeners_pause(GPtrArray *listeners, bool pause); /* whoever comes waits in the kernel's queue */
int vnc_connect(const Json *opts, Error **errp); /* reverse=on: vnc= is HOST:PORT or a unix socket; -1 on error */
void vnc_tune_socket(int fd);                    /* non-blocking, without delay, dead peers found */
void vnc_socket_name(int fd, bool peer, char **host, char **port, int *family);

#endif
