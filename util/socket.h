/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Socket addresses as users write them, and the two things done with one: listen, connect. Nothing waits longer than
 * SOCKET_CONNECT_MS; every descriptor is close-on-exec, and non-blocking where it is connected or listening.
 */
#ifndef UTIL_SOCKET_H
#define UTIL_SOCKET_H

#include <sys/socket.h>

#include "util/error.h"

#define SOCKET_CONNECT_MS 10000

typedef enum SocketKind { SOCKET_INET, SOCKET_UNIX, SOCKET_FD } SocketKind;

typedef struct SocketAddress {
    SocketKind kind;
    char *host, *port;        /* inet: host "" is any; a port number or a service's name */
    unsigned to;              /* inet, listening: try ports up to this; 0: only port */
    bool no_ipv4, no_ipv6;    /* inet: the family is not used */
    char *path;               /* unix */
    bool abstract, not_tight; /* unix: no file; not_tight: the name is padded with zeroes to its full length */
    char *fd;                 /* fd: see fd_parse() */
} SocketAddress;

void socket_address_clear(SocketAddress *a);
/* "unix:PATH", "tcp:HOST:PORT", "fd:NAME", or HOST:PORT; HOST may be "[::1]" or empty. Options after a comma are not
 * read. */
bool socket_address_parse(SocketAddress *a, const char *text, Error **errp);
char *socket_address_text(
    const SocketAddress *a); /* as users write it: "unix:PATH,abstract=on,tight=on", "127.0.0.1:80" */

/* A resolved address; a name may have several. */
typedef struct SocketTarget {
    int family, protocol;
    socklen_t len;
    struct sockaddr_storage addr;
} SocketTarget;

/* Targets of an inet or unix address, in the resolver's order: a GArray of SocketTarget. May ask the network. */
GArray *socket_resolve(const SocketAddress *a, bool passive, Error **errp);
/* Start to connect to one target: a descriptor, or -errno; *pending where it goes on: wait for it to be writable, then
 * ask socket_connect_result(). */
int socket_connect_start(const SocketTarget *t, bool *pending);
int socket_connect_result(int fd); /* 0 or -errno */
/* Connect, waiting. -1 on error. SOCKET_FD: the descriptor itself. */
int socket_connect(const SocketAddress *a, Error **errp);
/* A listening socket, -1 on error. SOCKET_FD: must be one. */
int socket_listen(const SocketAddress *a, int backlog, Error **errp);
int socket_accept(int listen_fd); /* -errno on failure */
int socket_family(int fd);        /* AF_*, -1: no socket */
bool socket_is_listening(int fd);
/* The numeric host ("[...]" around IPv6) and port of one end; a unix socket's path is the host. false where it has
 * none. */
bool socket_name(int fd, bool peer, char **host, char **port);

/*
 * How a connection ended whose bytes a thread of its own moves to and from a socket pair: that thread knows, and tells
 * before it closes its end; who serves the other end asks. Shared by both; any thread.
 */
typedef struct SocketEnd {
    int refs, error; /* atomic; an errno, 0: it has not failed */
} SocketEnd;
SocketEnd *socket_end_new(void);
SocketEnd *socket_end_ref(SocketEnd *e);       /* returns e */
void socket_end_unref(SocketEnd *e);           /* as the above: NULL is allowed */
void socket_end_tell(SocketEnd *e, int error); /* the first error counts */
/* Why it ended, where the peer has not done that; NULL. Not for free. */
const char *socket_end_reason(int error);

#endif
