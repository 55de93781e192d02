/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img bench: requests on an image, as many at once as asked for, made by a thread that is the handle's home. */
#include "tools/img.h"

#include "block/backend.h"
#include "softmmu/mainloop.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct Bench {
    Block *blk;
    GMainContext *ctx;
    uint64_t off, size, step, length;
    int64_t left, flush_interval, until_flush;
    int depth, in_flight, ret;
    bool write, drain, flushing;
    uint8_t *buf;
    struct iovec iov;
    bool ready;
} Bench;

static void submit(Bench *b);

static void bench_done(void *opaque, int ret)
{
    Bench *b = opaque;
    b->in_flight--;
    b->ret = b->ret ? b->ret : ret;
    submit(b);
}

static void flush_done(void *opaque, int ret)
{
    Bench *b = opaque;
    b->flushing = false;
    b->until_flush = b->flush_interval;
    bench_done(b, ret);
}

static void submit(Bench *b)
{
    while (!b->ret && b->left && b->in_flight < b->depth && !b->flushing) {
        if (b->flush_interval && !b->until_flush) {
            if (b->drain && b->in_flight)
                return;
            b->flushing = b->drain;
            b->until_flush = b->flush_interval;
            b->in_flight++;
            blk_flush(b->blk, flush_done, b);
            continue;
        }
        uint64_t off = b->off;
        b->off += b->step;
        if (b->off + b->size > b->length)
            b->off = 0;
        b->in_flight++;
        b->left--;
        b->until_flush -= b->until_flush > 0;
        if (b->write)
            blk_pwritev(b->blk, off, &b->iov, 1, 0, bench_done, b);
        else
            blk_preadv(b->blk, off, &b->iov, 1, bench_done, b);
    }
}

static gpointer bench_thread(gpointer opaque)
{
    Bench *b = opaque;
    g_main_context_acquire(b->ctx);
    submit(b);
    while (b->in_flight)
        g_main_context_iteration(b->ctx, true);
    blk_leave_home(b->blk);
    g_main_context_release(b->ctx);
    return NULL;
}

int img_bench(int argc, char **argv)
{
    enum { FLUSH_INTERVAL = 1000, NO_DRAIN, PATTERN };
    static const struct option options[] = {{"help", no_argument, 0, 'h'},
                                            {"flush-interval", required_argument, 0, FLUSH_INTERVAL},
                                            {"pattern", required_argument, 0, PATTERN},
                                            {"image-opts", no_argument, 0, IMG_OPT_IMAGE_OPTS},
                                            {"force-share", no_argument, 0, 'U'},
                                            {"no-drain", no_argument, 0, NO_DRAIN},
                                            {0, 0, 0, 0}};
    ImgOpen how = {0};
    Bench b = {.left = 75000, .depth = 64, .size = 4096, .drain = true};
    bool quiet = false;
    uint64_t v, pattern = 0;
    const char *aio = NULL;
    int opt;
    while ((opt = getopt_long(argc, argv, ":hc:d:f:ni:o:qs:S:t:wU", options, NULL)) != -1) {
        bool number = opt < 256 ? strchr("cdosS", opt) != NULL : opt == FLUSH_INTERVAL || opt == PATTERN;
        if (number && !img_size(optarg, &v))
            return 1;
        switch (opt) {
        case 'c':
            b.left = (int64_t)MIN(v, INT32_MAX);
            break;
        case 'd':
            b.depth = (int)CLAMP(v, 1, 65536);
            break;
        case 'o':
            b.off = v;
            break;
        case 's':
            b.size = CLAMP(v, 1, GIB);
            break;
        case 'S':
            b.step = v;
            break;
        case FLUSH_INTERVAL:
            b.flush_interval = (int64_t)v;
            break;
        case PATTERN:
            if (v > 0xff)
                return img_error("Invalid pattern byte specified");
            pattern = v;
            break;
        case NO_DRAIN:
            b.drain = false;
            break;
        case 'f':
            how.format = optarg;
            break;
        case 'i':
            aio = optarg;
            break;
        case 'n':
            aio = "native";
            break;
        case 't':
            how.cache = optarg;
            break;
        case 'w':
            how.write = b.write = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 'U':
            how.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (b.flush_interval && !b.write)
        return img_error("--flush-interval is only available in write tests");
    how.aio = aio;
    BlockEdge *e = img_open(argv[optind], &how);
    if (!e)
        return 1;
    b.length = node_length(e->node);
    b.step = b.step ? b.step : b.size;
    b.until_flush = b.flush_interval;
    if (b.length < b.size || b.off > b.length - b.size) {
        img_close(e);
        return img_error("The image is smaller than a request");
    }
    if (!quiet) {
        printf("Sending %" PRId64 " %s requests, %" PRIu64 " bytes each, %d in parallel (starting at offset %" PRIu64
               ", step size %" PRIu64 ")\n",
               b.left, b.write ? "write" : "read", b.size, b.depth, b.off, b.step);
        if (b.flush_interval)
            printf("Sending flush every %" PRId64 " %srequests\n", b.flush_interval, b.drain ? "" : "ongoing ");
    }
    b.buf = aligned_alloc(4096, ROUND_UP(b.size, 4096));
    memset(b.buf, (int)pattern, b.size);
    b.iov = (struct iovec){b.buf, b.size};
    b.blk = blk_new(NULL);
    Error *err = NULL;
    node_edge_set_perm(e, 0, BLOCK_PERM_ALL, NULL);
    int ret = 1;
    if (!blk_insert(b.blk, e->node, &err)) {
        img_error_of(NULL, err);
    } else {
        b.ctx = g_main_context_new();
        blk_set_home(b.blk, b.ctx);
        int64_t start = g_get_monotonic_time();
        GThread *t = g_thread_new("bench", bench_thread, &b);
        g_thread_join(t);
        int64_t us = g_get_monotonic_time() - start;
        g_main_context_unref(b.ctx);
        ret = b.ret ? img_error("Failed request: %s", g_strerror(-b.ret)) : 0;
        if (!ret)
            printf("Run completed in %3.3f seconds.\n", (double)us / 1e6);
    }
    blk_unref(b.blk);
    free(b.buf);
    return img_close(e) ? ret : 1;
}
