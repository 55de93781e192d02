/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vectors of buffers. Offsets and lengths are in bytes; what lies beyond the vector is cut off. */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include "util/util.h"

#include <sys/uio.h>

size_t iov_size(const struct iovec *iov, int niov);
/* Copy out of and into a vector, from its byte off on; the number of bytes copied. */
size_t iov_to_buf(const struct iovec *iov, int niov, size_t off, void *buf, size_t len);
size_t iov_from_buf(const struct iovec *iov, int niov, size_t off, const void *buf, size_t len);
size_t iov_fill(const struct iovec *iov, int niov, size_t off, uint8_t byte, size_t len);
/* The part [off, off+len) of iov as a vector in out, which has room for niov; the number of elements used. */
int iov_slice(struct iovec *out, const struct iovec *iov, int niov, size_t off, size_t len);

#endif
