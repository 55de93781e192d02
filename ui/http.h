/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server needs of HTTP/1.1 (RFC 9112) and WebSocket (RFC 6455): the head of a GET request, frames both ways.
 * Pure functions over bytes of a hostile peer; no sockets here.
 */
#ifndef UI_HTTP_H
#define UI_HTTP_H

#include "util/util.h"

#define HTTP_HEAD_MAX 8192 /* bytes of a request's head */

typedef struct HttpRequest {
    bool head;        /* HEAD in place of GET */
    char path[512];   /* percent-decoded, begins with '/', no segment begins with '.', printable ASCII alone */
    char query[512];  /* as sent, without '?' */
    char host[256];   /* header Host */
    char origin[256]; /* header Origin; empty: absent */
    char cookie[1024];
    bool upgrade;    /* a WebSocket handshake, of version 13 */
    char ws_key[32]; /* base64 of 16 bytes */
    bool ws_binary;  /* the subprotocol "binary" is offered */
} HttpRequest;

/* > 0: the head's length, r is filled; 0: more bytes are needed; < 0: minus the status to answer with. */
int http_parse(HttpRequest *r, const char *buf, size_t len);
/* The value of a query's or cookie header's NAME=VALUE (sep '&' or ';'), as sent. false: not there, or longer than size
 * - 1. */
bool http_param(const char *text, char sep, const char *name, char *out, size_t size);
const char *http_reason(int status);     /* "Not Found" */
const char *http_type(const char *path); /* of a file by its name; NULL: one that is not served */
/* Do Host and Origin name the same server? An absent Origin is no browser's and passes. */
bool http_same_origin(const HttpRequest *r);

/* The handshake's Sec-WebSocket-Accept. */
void ws_accept_key(const char *key, char out[32]);
char *ws_handshake(const HttpRequest *r); /* the whole 101 reply; g_free */

/* A decoder of what a client sends: feed bytes, payload comes out. */
typedef struct WsDecoder {
    uint8_t head[14];
    unsigned head_len;
    uint64_t left; /* of the frame's payload */
    uint8_t mask[4], opcode;
    unsigned mask_at;
    bool in_frame, in_message, closed;
    uint8_t control[125]; /* a control frame's payload */
    unsigned control_len;
    bool pong; /* control[] is to be sent back */
} WsDecoder;
/* Takes bytes from in until it ends, a control frame ends, or out (of at least in_len bytes) could fill; *used of in,
 * *produced to out. false: not the protocol. d->closed: the peer said goodbye. d->pong: send control[] as a pong, then
 * clear it. */
bool ws_decode(WsDecoder *d, const uint8_t *in, size_t in_len, size_t *used, uint8_t *out, size_t *produced);
/* A frame's head for len bytes: its size, at most 10. */
enum { WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
size_t ws_frame_head(uint8_t out[10], unsigned opcode, size_t len);

#endif
