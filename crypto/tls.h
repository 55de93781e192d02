/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS for servers: credentials (-object tls-creds-x509, -anon, -psk) and connections that speak it. The library,
 * GnuTLS, is in module `crypto`, which the first object of these kinds opens.
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include "util/error.h"
#include "util/socket.h"

typedef enum TlsKind { TLS_ANON, TLS_PSK, TLS_X509 } TlsKind;
/* Shared, counted: outlives its object while somebody has it. */
typedef struct TlsCreds TlsCreds;

/* The server's credentials of this id; NULL with errp. VM lock. */
TlsCreds *tls_creds_get(const char *id, Error **errp);
void tls_creds_unref(TlsCreds *c); /* NULL is allowed */
TlsKind tls_creds_kind(const TlsCreds *c);
/* Read the files again, for connections that come; on failure the old ones stay. VM lock. */
bool tls_creds_reload(TlsCreds *c, Error **errp);
/* Answer the handshake that a client begins on fd, and give a descriptor that carries the stream; a thread of its own
 * moves the bytes and closes fd. -1: it failed, fd is the caller's. *peer: the client certificate's distinguished
 * name, g_free; NULL: it has shown none. end: hears how the connection ends. deadline: monotonic, us. Waits; any
 * thread. */
int tls_accept(TlsCreds *c, int fd, int64_t deadline, SocketEnd *end, char **peer);

/* What module `crypto` exports as `crypto_ops`. */
typedef struct TlsConfig {
    TlsKind kind;
    bool server, verify_peer, sanity_check;
    const char *dir, *priority, *password, *username; /* NULL: not given */
} TlsConfig;
typedef struct CryptoOps {
    /* In place, PKCS #7 padding taken off. len: a multiple of 16 */
    bool (*aes256_cbc_decrypt)(const uint8_t key[32], const uint8_t iv[16], uint8_t *data, size_t *len, Error **errp);
    void *(*load)(const TlsConfig *cfg, Error **errp);
    void (*unload)(void *loaded); /* nobody uses it */
    /* As tls_accept(); done(opaque) when the stream is over and loaded not used any more. */
    int (*accept)(void *loaded, int fd, int64_t deadline, SocketEnd *end, char **peer, void (*done)(void *opaque),
                  void *opaque);
} CryptoOps;
const CryptoOps *crypto_load(Error **errp);

#endif
