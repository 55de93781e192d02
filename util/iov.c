/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/iov.h"

size_t iov_size(const struct iovec *iov, int niov)
{
    size_t sum = 0;
    for (int i = 0; i < niov; i++)
        sum += iov[i].iov_len;
    return sum;
}

/* Calls the copy for each stretch of [off, off+len): kind 0 out of the vector, 1 into it, 2 fill. */
static size_t walk(const struct iovec *iov, int niov, size_t off, size_t len, int kind, uint8_t *buf, uint8_t byte)
{
    size_t done = 0;
    for (int i = 0; i < niov && done < len; i++) {
        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        size_t n = MIN(iov[i].iov_len - off, len - done);
        uint8_t *p = (uint8_t *)iov[i].iov_base + off;
        if (kind == 0)
            memcpy(buf + done, p, n);
        else if (kind == 1)
            memcpy(p, buf + done, n);
        else
            memset(p, byte, n);
        done += n;
        off = 0;
    }
    return done;
}

size_t iov_to_buf(const struct iovec *iov, int niov, size_t off, void *buf, size_t len)
{
    return walk(iov, niov, off, len, 0, buf, 0);
}

size_t iov_from_buf(const struct iovec *iov, int niov, size_t off, const void *buf, size_t len)
{
    return walk(iov, niov, off, len, 1, (uint8_t *)buf, 0);
}

size_t iov_fill(const struct iovec *iov, int niov, size_t off, uint8_t byte, size_t len)
{
    return walk(iov, niov, off, len, 2, NULL, byte);
}

int iov_slice(struct iovec *out, const struct iovec *iov, int niov, size_t off, size_t len)
{
    int n = 0;
    for (int i = 0; i < niov && len; i++) {
        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        size_t part = MIN(iov[i].iov_len - off, len);
        out[n++] = (struct iovec){(uint8_t *)iov[i].iov_base + off, part};
        len -= part;
        off = 0;
    }
    return n;
}
