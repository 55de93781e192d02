/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ringbuf: keeps the last bytes of output for QMP's ringbuf-read; ringbuf-write puts bytes in beside the guest's. */
#include "chardev/driver.h"

#define RINGBUF_SIZE_DEFAULT (64 * KIB)
#define RINGBUF_SIZE_MAX     (1 * GIB)

typedef struct RingbufChardev {
    Chardev c;
    size_t size; /* a power of two */
    uint64_t prod, cons;
    uint8_t *data;
} RingbufChardev;

static ssize_t ringbuf_write(Chardev *c, const uint8_t *buf, size_t len)
{
    RingbufChardev *s = container_of(c, RingbufChardev, c);
    for (size_t i = 0; i < len; i++)
        s->data[s->prod++ & (s->size - 1)] = buf[i];
    if (s->prod - s->cons > s->size)
        s->cons = s->prod - s->size; /* the oldest are lost */
    return len;
}

static bool ringbuf_open(Chardev *c, const Json *opts, Error **errp)
{
    RingbufChardev *s = container_of(c, RingbufChardev, c);
    uint64_t size = RINGBUF_SIZE_DEFAULT;
    if (!opt_uint(opts, "size", RINGBUF_SIZE_MAX, &size, errp))
        return false;
    size = size ? size : RINGBUF_SIZE_DEFAULT;
    if (size & (size - 1))
        return error_set(errp, "size of ringbuf chardev must be power of two");
    s->size = size;
    s->data = g_malloc0(size);
    c->open = true;
    return true;
}

static void ringbuf_close(Chardev *c)
{
    g_free(container_of(c, RingbufChardev, c)->data);
}

static RingbufChardev *find(const char *id, Error **errp)
{
    Chardev *c = chardev_find(id);
    if (!c)
        error_set_class(errp, ERROR_GENERIC, "Device '%s' not found", id);
    else if (c->drv != &chardev_ringbuf)
        error_set(errp, "%s is not a ringbuf device", id);
    else
        return container_of(c, RingbufChardev, c);
    return NULL;
}

static bool is_base64(const char *format, bool *base64, Error **errp)
{
    *base64 = format && !strcmp(format, "base64");
    return *base64 || !format || !strcmp(format, "utf8") ||
           error_set(errp, "Parameter 'format' does not accept value '%s'", format);
}

bool chardev_ringbuf_write(const char *id, const char *data, const char *format, Error **errp)
{
    RingbufChardev *s = find(id, errp);
    bool base64;
    if (!s || !is_base64(format, &base64, errp))
        return false;
    g_autofree uint8_t *decoded = NULL;
    const uint8_t *bytes = (const uint8_t *)data;
    size_t len = strlen(data);
    if (base64) {
        if (data[strspn(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n")])
            return error_set(errp, "Base64 data contains invalid characters");
        decoded = g_base64_decode(data, &len);
        bytes = decoded;
    }
    g_mutex_lock(&s->c.lock);
    ringbuf_write(&s->c, bytes, len);
    g_mutex_unlock(&s->c.lock);
    return true;
}

Json *chardev_ringbuf_read(const char *id, int64_t size, const char *format, Error **errp)
{
    RingbufChardev *s = find(id, errp);
    bool base64;
    if (!s || !is_base64(format, &base64, errp))
        return NULL;
    if (size <= 0) {
        error_set(errp, "size must be greater than zero");
        return NULL;
    }
    g_mutex_lock(&s->c.lock);
    size_t n = MIN((uint64_t)size, s->prod - s->cons);
    g_autofree uint8_t *out = g_malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = s->data[s->cons++ & (s->size - 1)];
    g_mutex_unlock(&s->c.lock);
    if (base64) {
        g_autofree char *text = g_base64_encode(out, n);
        return json_string(text);
    }
    /* As UTF-8 text: broken bytes become U+FFFD by json_string; a NUL, which JSON text here cannot hold, too. */
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] ? out[i] : 0xff;
    out[n] = 0;
    return json_string((char *)out);
}

const CharDriver chardev_ringbuf = {
    .name = "ringbuf",
    .alias = "memory",
    .summary = "memory that QMP reads",
    .size = sizeof(RingbufChardev),
    .options = (const char *const[]){"size", NULL},
    .open = ringbuf_open,
    .close = ringbuf_close,
    .write = ringbuf_write,
};
