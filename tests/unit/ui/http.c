/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP requests and WebSocket frames: what is taken, what is refused, and with which status. */
#include "ui/http.h"

static int parse(HttpRequest *r, const char *text)
{
    return http_parse(r, text, strlen(text));
}

static void test_request(void)
{
    static const char text[] =
        "GET /a/b%2Dc.js?x=1&token=%41 HTTP/1.1\r\nHost: localhost:6080\r\nCookie: a=b; n=v\r\n\r\nrest";
    HttpRequest r;
    char value[16];

    g_assert_cmpint(parse(&r, text), ==, sizeof(text) - 5);
    g_assert_cmpstr(r.path, ==, "/a/b-c.js");
    g_assert_cmpstr(r.query, ==, "x=1&token=%41");
    g_assert_cmpstr(r.host, ==, "localhost:6080");
    g_assert_false(r.upgrade);
    g_assert_true(http_param(r.query, '&', "token", value, sizeof(value)));
    g_assert_cmpstr(value, ==, "%41");
    g_assert_true(http_param(r.cookie, ';', "n", value, sizeof(value)));
    g_assert_cmpstr(value, ==, "v");
    g_assert_false(http_param(r.cookie, ';', "v", value, sizeof(value)));
    g_assert_false(http_param(r.query, '&', "token", value, 3));
    /* each shorter text asks for more */
    for (size_t n = 0; n < sizeof(text) - 5; n++)
        g_assert_cmpint(http_parse(&r, text, n), ==, 0);
}

static void test_refused(void)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "\x16\x03\x01"},
        {400, "GET\r\n\r\n"},
        {400, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"}, /* no host */
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
        {400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"},
        {404, "GET /../x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {404, "GET /a/%2e%2E/x HTTP/1.1\r\nHost: a\r\n\r\n"},
        {404, "GET /a%2f..%2fx HTTP/1.1\r\nHost: a\r\n\r\n"},
        {404, "GET /.hidden HTTP/1.1\r\nHost: a\r\n\r\n"},
        {405, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\nb\r\n\r\n"},
        {413, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"},
        {501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: "
              "13\r\nSec-WebSocket-Key: short\r\n\r\n"},
        {426, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
    };
    g_autofree char *big = g_strnfill(HTTP_HEAD_MAX + 10, 'A');
    g_autofree char *path = g_strnfill(600, 'a');
    g_autofree char *long_path = g_strdup_printf("GET /%s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    g_autofree char *long_query = g_strdup_printf("GET /?%s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    HttpRequest r;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        g_test_message("%s", cases[i].text);
        g_assert_cmpint(parse(&r, cases[i].text), ==, -cases[i].status);
    }
    g_assert_cmpint(parse(&r, big), ==, -431);
    g_assert_cmpint(parse(&r, long_path), ==, -414);
    g_assert_cmpint(parse(&r, long_query), ==, -414);
}

static void test_upgrade(void)
{
    HttpRequest r;
    char accept[32];

    g_assert_cmpint(parse(&r, "GET /ws HTTP/1.1\r\nhost: a:1\r\nORIGIN: http://A:1\r\nConnection: keep-alive,  "
                              "Upgrade\r\nupgrade: WebSocket\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: base64, binary\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
                    >, 0);
    g_assert_true(r.upgrade && r.ws_binary);
    g_assert_true(http_same_origin(&r));
    g_strlcpy(r.origin, "http://a:2", sizeof(r.origin));
    g_assert_false(http_same_origin(&r));
    g_strlcpy(r.origin, "null", sizeof(r.origin));
    g_assert_false(http_same_origin(&r));
    ws_accept_key(r.ws_key, accept); /* RFC 6455, 1.3 */
    g_assert_cmpstr(accept, ==, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* RFC 6455, 5.7: "Hello", masked, then a fragmented one with a ping between; fed in pieces of every size. */
static void test_frames(void)
{
    static const uint8_t in[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x01, 0x82,
                                 0,    0,    0,    0,    'H',  'e',  0x89, 0x81, 0,    0,    0,    0,    'p',
                                 0x80, 0x83, 0,    0,    0,    0,    'l',  'l',  'o',  0x82, 0xfe, 0,    1,
                                 0,    0,    0,    0,    '!',  0x88, 0x80, 1,    2,    3,    4};

    for (size_t piece = 1; piece <= sizeof(in); piece++) {
        WsDecoder d = {0};
        uint8_t out[sizeof(in)];
        size_t at = 0, n = 0, used, made;
        unsigned pings = 0;

        while (at < sizeof(in) && !d.closed) {
            g_assert_true(ws_decode(&d, in + at, MIN(piece, sizeof(in) - at), &used, out + n, &made));
            at += used;
            n += made;
            if (d.pong) {
                g_assert_cmpmem(d.control, d.control_len, "p", 1);
                d.pong = false;
                pings++;
            }
        }
        g_assert_true(d.closed);
        g_assert_cmpint(pings, ==, 1);
        g_assert_cmpmem(out, n, "HelloHello!", 11);
    }
}

static void test_bad_frames(void)
{
    static const uint8_t bad[][10] = {
        {0x82, 0x05, 1, 2, 3, 4},         /* not masked */
        {0xc2, 0x85, 1, 2, 3, 4},         /* a reserved bit */
        {0x83, 0x85, 1, 2, 3, 4},         /* opcode 3 */
        {0x8b, 0x80, 1, 2, 3, 4},         /* opcode 11 */
        {0x80, 0x80, 1, 2, 3, 4},         /* goes on with nothing */
        {0x09, 0x80, 1, 2, 3, 4},         /* a ping in pieces */
        {0x89, 0xfe, 0, 126, 1, 2, 3, 4}, /* a long ping */
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        WsDecoder d = {0};
        uint8_t out[10];
        size_t used, made;

        g_assert_false(ws_decode(&d, bad[i], sizeof(bad[i]), &used, out, &made));
    }
}

static void test_heads(void)
{
    uint8_t h[10];

    g_assert_cmpint(ws_frame_head(h, WS_BINARY, 125), ==, 2);
    g_assert_true(h[0] == 0x82 && h[1] == 125);
    g_assert_cmpint(ws_frame_head(h, WS_BINARY, 126), ==, 4);
    g_assert_true(h[1] == 126 && h[2] == 0 && h[3] == 126);
    g_assert_cmpint(ws_frame_head(h, WS_BINARY, 65536), ==, 10);
    g_assert_true(h[1] == 127 && h[7] == 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/http/request", test_request);
    g_test_add_func("/http/refused", test_refused);
    g_test_add_func("/http/upgrade", test_upgrade);
    g_test_add_func("/ws/frames", test_frames);
    g_test_add_func("/ws/bad-frames", test_bad_frames);
    g_test_add_func("/ws/heads", test_heads);
    return g_test_run();
}
