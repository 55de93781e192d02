/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/http.h"

static int hex(char c)
{
    return g_ascii_xdigit_value(c);
}

/* The request target's path: decoded, and nothing that a file system could take for more than a name. */
static int parse_path(HttpRequest *r, const char *p, const char *end)
{
    size_t n = 0;

    if (p == end || *p != '/')
        return -400;
    while (p < end) {
        unsigned char c = (unsigned char)*p++;

        if (c == '%') {
            if (end - p < 2 || hex(p[0]) < 0 || hex(p[1]) < 0)
                return -400;
            c = (unsigned char)(hex(p[0]) << 4 | hex(p[1]));
            p += 2;
        }
        if (c <= ' ' || c >= 0x7f || c == '\\')
            return -400;
        if (c == '.' && n && r->path[n - 1] == '/')
            return -404;
        if (n == sizeof(r->path) - 1)
            return -414;
        r->path[n++] = (char)c;
    }
    r->path[n] = 0;
    return 0;
}

static int parse_target(HttpRequest *r, const char *p, const char *end)
{
    const char *q = memchr(p, '?', end - p);
    int rc = parse_path(r, p, q ? q : end);

    r->query[0] = 0;
    if (rc || !q)
        return rc;
    q++;
    if ((size_t)(end - q) >= sizeof(r->query))
        return -414;
    for (const char *c = q; c < end; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return -400;
    memcpy(r->query, q, end - q);
    r->query[end - q] = 0;
    return 0;
}

static bool copy(char *out, size_t size, const char *p, size_t len)
{
    if (len >= size)
        return false;
    memcpy(out, p, len);
    out[len] = 0;
    return true;
}

/* Is word one of a comma-separated list? */
static bool in_list(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    const char *end = text + len;

    while (text < end) {
        const char *comma = memchr(text, ',', end - text), *stop = comma ? comma : end;
        const char *last = stop;

        while (text < last && (*text == ' ' || *text == '\t'))
            text++;
        while (last > text && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        if ((size_t)(last - text) == n && !g_ascii_strncasecmp(text, word, n))
            return true;
        text = stop + 1;
    }
    return false;
}

typedef struct Seen {
    bool host, upgrade, connection, version, key, origin, cookie;
} Seen;

static bool is_name(const char *p, size_t len, const char *name)
{
    return strlen(name) == len && !g_ascii_strncasecmp(p, name, len);
}

static int parse_header(HttpRequest *r, Seen *seen, const char *p, const char *end)
{
    const char *colon = memchr(p, ':', end - p), *v;
    size_t name, len;

    if (!colon || colon == p)
        return -400;
    name = colon - p;
    for (size_t i = 0; i < name; i++)
        if (!g_ascii_isalnum(p[i]) && !strchr("!#$%&'*+-.^_`|~", p[i]))
            return -400;
    for (v = colon + 1; v < end && (*v == ' ' || *v == '\t'); v++)
        ;
    while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    len = end - v;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)v[i] < ' ' && v[i] != '\t')
            return -400;
    if (is_name(p, name, "host")) {
        if (seen->host || !copy(r->host, sizeof(r->host), v, len))
            return -400;
        seen->host = true;
    } else if (is_name(p, name, "origin")) {
        if (seen->origin || !copy(r->origin, sizeof(r->origin), v, len))
            return -400;
        seen->origin = true;
    } else if (is_name(p, name, "cookie")) {
        if (seen->cookie || !copy(r->cookie, sizeof(r->cookie), v, len))
            return -400;
        seen->cookie = true;
    } else if (is_name(p, name, "upgrade")) {
        seen->upgrade |= in_list(v, len, "websocket");
    } else if (is_name(p, name, "connection")) {
        seen->connection |= in_list(v, len, "upgrade");
    } else if (is_name(p, name, "sec-websocket-version")) {
        seen->version |= len == 2 && !memcmp(v, "13", 2);
    } else if (is_name(p, name, "sec-websocket-key")) {
        if (seen->key || len != 24 || !copy(r->ws_key, sizeof(r->ws_key), v, len))
            return -400;
        for (size_t i = 0; i < len; i++)
            if (!g_ascii_isalnum(v[i]) && !strchr("+/=", v[i]))
                return -400;
        seen->key = true;
    } else if (is_name(p, name, "sec-websocket-protocol")) {
        r->ws_binary |= in_list(v, len, "binary");
    } else if (is_name(p, name, "content-length")) {
        if (len != 1 || *v != '0') /* a body is nothing that we take */
            return -413;
    } else if (is_name(p, name, "transfer-encoding")) {
        return -501;
    }
    return 0;
}

int http_parse(HttpRequest *r, const char *buf, size_t len)
{
    const char *end, *line, *eol, *target, *space;
    Seen seen = {0};
    int rc;

    if (!buf || !len)
        return 0;
    end = memmem(buf, MIN(len, HTTP_HEAD_MAX), "\r\n\r\n", 4);
    if (!end) {
        /* What cannot become a request is refused at once. */
        if (*buf < 'A' || *buf > 'Z')
            return -400;
        return len >= HTTP_HEAD_MAX ? -431 : 0;
    }
    if (memchr(buf, 0, end - buf))
        return -400;
    memset(r, 0, sizeof(*r));
    eol = memmem(buf, end + 2 - buf, "\r\n", 2);
    space = memchr(buf, ' ', eol - buf);
    if (!space)
        return -400;
    r->head = space - buf == 4 && !memcmp(buf, "HEAD", 4);
    if (!r->head && (space - buf != 3 || memcmp(buf, "GET", 3)))
        return -405;
    target = space + 1;
    space = memchr(target, ' ', eol - target);
    if (!space || eol - space != 9 || memcmp(space, " HTTP/1.", 8) || (space[8] != '1' && space[8] != '0'))
        return -400;
    rc = parse_target(r, target, space);
    if (rc)
        return rc;
    for (line = eol + 2; line < end + 2; line = eol + 2) {
        eol = memmem(line, end + 2 - line, "\r\n", 2);
        rc = parse_header(r, &seen, line, eol);
        if (rc)
            return rc;
    }
    if (!seen.host && space[8] == '1')
        return -400;
    if (seen.upgrade) {
        if (!seen.connection || !seen.key || r->head)
            return -400;
        if (!seen.version)
            return -426;
        r->upgrade = true;
    }
    return (int)(end + 4 - buf);
}

bool http_param(const char *text, char sep, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);

    while (*text) {
        const char *stop = strchr(text, sep), *end = stop ? stop : text + strlen(text);

        while (text < end && *text == ' ')
            text++;
        if ((size_t)(end - text) > n && !strncmp(text, name, n) && text[n] == '=')
            return copy(out, size, text + n + 1, end - (text + n + 1));
        if (!stop)
            break;
        text = stop + 1;
    }
    return false;
}

const char *http_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 303:
        return "See Other";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 426:
        return "Upgrade Required";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    default:
        return "Error";
    }
}

const char *http_type(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".json", "application/json"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (g_str_has_suffix(path, types[i][0]))
            return types[i][1];
    return NULL;
}

bool http_same_origin(const HttpRequest *r)
{
    const char *slashes = strstr(r->origin, "://");

    return !*r->origin || (slashes && *r->host && !g_ascii_strcasecmp(slashes + 3, r->host));
}

void ws_accept_key(const char *key, char out[32])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize n = sizeof(digest);
    g_autofree char *text = NULL;

    g_checksum_update(sum, (const guchar *)key, (gssize)strlen(key));
    g_checksum_update(sum, (const guchar *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    g_checksum_get_digest(sum, digest, &n);
    text = g_base64_encode(digest, n);
    g_strlcpy(out, text, 32);
}

char *ws_handshake(const HttpRequest *r)
{
    char accept[32];

    ws_accept_key(r->ws_key, accept);
    return g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: %s\r\n%s\r\n",
                           accept, r->ws_binary ? "Sec-WebSocket-Protocol: binary\r\n" : "");
}

static bool frame_begins(WsDecoder *d)
{
    unsigned size = d->head[1] & 0x7f;
    const uint8_t *mask = d->head + 2;

    d->left = size;
    if (size == 126) {
        d->left = lduw_be(mask);
        mask += 2;
    } else if (size == 127) {
        d->left = ldq_be(mask);
        mask += 8;
    }
    memcpy(d->mask, mask, 4);
    d->mask_at = 0;
    d->opcode = d->head[0] & 15;
    bool fin = d->head[0] & 0x80;
    if (d->head[0] & 0x70 || !(d->head[1] & 0x80) || d->left > INT64_MAX)
        return false; /* no extension was agreed on; clients mask */
    if (d->opcode >= 8) {
        d->control_len = 0;
        if (!fin || d->left > 125 || d->opcode > WS_PONG)
            return false;
    } else {
        if (d->opcode > WS_BINARY || !d->opcode != d->in_message)
            return false;
        d->in_message = !fin;
    }
    d->in_frame = true;
    d->head_len = 0;
    return true;
}

static unsigned head_size(const WsDecoder *d)
{
    unsigned size = d->head[1] & 0x7f;

    return d->head_len < 2 ? 2 : 6 + (size == 126 ? 2 : size == 127 ? 8 : 0);
}

bool ws_decode(WsDecoder *d, const uint8_t *in, size_t in_len, size_t *used, uint8_t *out, size_t *produced)
{
    size_t at = 0, n = 0;

    while (!d->closed && !d->pong) {
        if (!d->in_frame) {
            while (at < in_len && d->head_len < head_size(d))
                d->head[d->head_len++] = in[at++];
            if (d->head_len < head_size(d))
                break;
            if (!frame_begins(d))
                return false;
        }
        while (at < in_len && d->left) {
            uint8_t c = in[at++] ^ d->mask[d->mask_at++ & 3];

            if (d->opcode >= 8)
                d->control[d->control_len++] = c;
            else
                out[n++] = c;
            d->left--;
        }
        if (d->left)
            break;
        d->in_frame = false;
        d->closed = d->opcode == WS_CLOSE;
        d->pong = d->opcode == WS_PING;
        if (at == in_len)
            break;
    }
    *used = at;
    *produced = n;
    return true;
}

size_t ws_frame_head(uint8_t out[10], unsigned opcode, size_t len)
{
    out[0] = (uint8_t)(0x80 | opcode);
    if (len < 126) {
        out[1] = (uint8_t)len;
        return 2;
    }
    if (len < 65536) {
        out[1] = 126;
        stw_be(out + 2, (uint16_t)len);
        return 4;
    }
    out[1] = 127;
    stq_be(out + 2, len);
    return 10;
}
