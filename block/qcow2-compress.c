/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: compressed clusters. Type 0: raw deflate (window 2^12 when written); type 1: zstd, where it was there at the
 * build. */
#include "block/qcow2.h"

#include "block/block-config.h"

#include <zlib.h>
#ifdef CONFIG_ZSTD
#include <zstd.h>
#endif

bool qcow2_compression_available(uint32_t type)
{
#ifdef CONFIG_ZSTD
    return type <= 1;
#else
    return type == 0;
#endif
}

static int inflate_all(const void *in, size_t inlen, void *out, size_t outlen)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)in, .avail_in = (uInt)inlen, .next_out = out, .avail_out = (uInt)outlen};
    if (inflateInit2(&z, -15) != Z_OK)
        return -ENOMEM;
    int r = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    /* What follows the stream in its last sector is not of it. */
    return (r == Z_STREAM_END || r == Z_BUF_ERROR) && !z.avail_out ? 0 : -EIO;
}

int qcow2_decompress(uint32_t type, const void *in, size_t inlen, void *out, size_t outlen)
{
    if (!type)
        return inflate_all(in, inlen, out, outlen);
#ifdef CONFIG_ZSTD
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    ZSTD_inBuffer ib = {in, inlen, 0};
    ZSTD_outBuffer ob = {out, outlen, 0};
    size_t r = ctx ? 1 : 0;
    while (ctx && ob.pos < ob.size && ib.pos < ib.size) {
        size_t before = ib.pos + ob.pos;
        r = ZSTD_decompressStream(ctx, &ob, &ib);
        if (ZSTD_isError(r) || (ib.pos + ob.pos == before))
            break;
    }
    ZSTD_freeDCtx(ctx);
    return ctx && !ZSTD_isError(r) && ob.pos == ob.size ? 0 : -EIO;
#else
    return -ENOTSUP;
#endif
}

/* Each thread keeps its compressor: to make one takes a good part of the time that a cluster takes. */
static void deflate_free(gpointer z)
{
    deflateEnd(z);
    g_free(z);
}

static z_stream *deflate_get(void)
{
    static GPrivate key = G_PRIVATE_INIT(deflate_free);
    z_stream *z = g_private_get(&key);
    if (z)
        return deflateReset(z) == Z_OK ? z : NULL;
    z = g_new0(z_stream, 1);
    if (deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
        g_free(z);
        return NULL;
    }
    g_private_set(&key, z);
    return z;
}

#ifdef CONFIG_ZSTD
static void zstd_free(gpointer ctx)
{
    ZSTD_freeCCtx(ctx);
}

static ZSTD_CCtx *zstd_get(void)
{
    static GPrivate key = G_PRIVATE_INIT(zstd_free);
    ZSTD_CCtx *ctx = g_private_get(&key);
    if (!ctx && (ctx = ZSTD_createCCtx()))
        g_private_set(&key, ctx);
    return ctx;
}
#endif

int64_t qcow2_compress(uint32_t type, const void *in, size_t inlen, void *out, size_t outlen)
{
    if (!type) {
        z_stream *z = deflate_get();
        if (!z)
            return -ENOMEM;
        z->next_in = (Bytef *)(uintptr_t)in;
        z->avail_in = (uInt)inlen;
        z->next_out = out;
        z->avail_out = (uInt)outlen;
        int r = deflate(z, Z_FINISH);
        return r == Z_STREAM_END ? (int64_t)(outlen - z->avail_out) : -ENOSPC;
    }
#ifdef CONFIG_ZSTD
    ZSTD_CCtx *ctx = zstd_get();
    if (!ctx)
        return -ENOMEM;
    size_t r = ZSTD_compressCCtx(ctx, out, outlen, in, inlen, ZSTD_CLEVEL_DEFAULT);
    return ZSTD_isError(r) ? -ENOSPC : (int64_t)r;
#else
    return -ENOTSUP;
#endif
}
