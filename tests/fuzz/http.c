/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request of -display web, then the WebSocket frames behind it. The first byte is the size of the pieces it comes in.
 */
#include "tests/fuzz/fuzz.h"

#include "ui/http.h"

const char *const fuzz_seeds[] = {
    "\x40GET /novnc/core/rfb.js?token=abc HTTP/1.1\r\nHost: localhost:6080\r\nCookie: a=b; c=d\r\n\r\n",
    "\x07GET /ws HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nConnection: Upgrade\r\nUpgrade: "
    "websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: binary\r\nSec-WebSocket-Key: "
    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\x85\x01\x02\x03\x04hello\x89\x81\x01\x02\x03\x04p",
    "\x01HEAD /%2e%2e/etc HTTP/1.0\r\n\r\n",
    NULL,
};

static void frames(const uint8_t *in, size_t len, size_t piece)
{
    WsDecoder d = {0};
    g_autofree uint8_t *out = g_malloc(piece + 1);
    size_t used, made;

    while (len && !d.closed) {
        size_t n = MIN(piece, len);

        if (!ws_decode(&d, in, n, &used, out, &made))
            return;
        g_assert_cmpuint(used, <=, n);
        g_assert_cmpuint(made, <=, used);
        g_assert_true(used || d.pong);
        g_assert_cmpuint(d.control_len, <=, sizeof(d.control));
        d.pong = false;
        in += used;
        len -= used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    size_t piece = data[0] ? data[0] : 1, len = size - 1;
    /* exactly as long as it is, so that a read past its end is seen */
    g_autofree char *text = g_memdup2(data + 1, len);
    HttpRequest r;
    int whole = http_parse(&r, text, len);

    if (whole > 0) {
        char value[65];

        g_assert_cmpint(whole, <=, (int)len);
        g_assert_true(r.path[0] == '/' && !strstr(r.path, "/.") && !strchr(r.path, '\\'));
        g_assert_cmpint(http_parse(&r, text, (size_t)whole - 1), ==, 0);
        g_assert_cmpint(http_parse(&r, text, len), ==, whole);
        http_param(r.query, '&', "token", value, sizeof(value));
        http_param(r.cookie, ';', "c", value, sizeof(value));
        http_same_origin(&r);
        if (r.upgrade) {
            g_autofree char *answer = ws_handshake(&r);
            g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
            frames((uint8_t *)text + whole, len - (size_t)whole, piece);
        }
    } else {
        frames((uint8_t *)text, len, piece);
    }
    return 0;
}
