/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: one image's data beside or into another: convert, compare, commit, rebase. */
#include "tools/img.h"

#include "block/backend.h"
#include "block/create.h"
#include "block/drive.h"
#include "block/qcow2.h"
#include "hw/core/prop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK      (2 * MIB)
#define SPARSE_MAX (16 * MIB)

static const struct option long_options[] = {{"help", no_argument, 0, 'h'},
                                             {"object", required_argument, 0, IMG_OPT_OBJECT},
                                             {"image-opts", no_argument, 0, IMG_OPT_IMAGE_OPTS},
                                             {"target-image-opts", no_argument, 0, IMG_OPT_TARGET_IMAGE_OPTS},
                                             {"target-is-zero", no_argument, 0, IMG_OPT_TARGET_IS_ZERO},
                                             {"force-share", no_argument, 0, 'U'},
                                             {"salvage", no_argument, 0, IMG_OPT_SALVAGE},
                                             {"bitmaps", no_argument, 0, IMG_OPT_BITMAPS},
                                             {"skip-broken-bitmaps", no_argument, 0, IMG_OPT_SKIP_BROKEN_BITMAPS},
                                             {0, 0, 0, 0}};

/* ---- convert ---- */

#define PIECE (256 * KIB)

typedef struct Convert {
    GPtrArray *sources; /* of BlockEdge *, one behind the other */
    GArray *starts;     /* of uint64_t: where each begins; the end of all last */
    BlockEdge *target;
    uint64_t size, sparse;
    unsigned base_depth; /* what comes from there on is in the target's backing file; 0: there is none */
    uint64_t rate;       /* bytes a second, 0: any */
    bool compress, zero_init, has_backing, salvage, offload, quiet;
    bool full;       /* zeroes are data, too */
    BlockNode *from; /* of the last part that was offloaded, NULL: none */
    int from_fd, to_fd;
    uint64_t to_off; /* where in to_fd's file the target begins, bytes */
    uint8_t *buf;
    GThreadPool *pool; /* compress */
    GAsyncQueue *idle; /* of Piece: waits where all are in the pool */
    int failed;        /* atomic: -errno of the first write that failed there, which is reported */
} Convert;

static BlockNode *source_at(const Convert *c, uint64_t at, uint64_t *in, uint64_t *len)
{
    guint i = 0;
    while (i + 1 < c->sources->len && at >= g_array_index(c->starts, uint64_t, i + 1))
        i++;
    *in = at - g_array_index(c->starts, uint64_t, i);
    *len = MIN(*len, g_array_index(c->starts, uint64_t, i + 1) - at);
    return ((BlockEdge *)c->sources->pdata[i])->node;
}

static int write_zero(Convert *c, uint64_t at, uint64_t len)
{
    return node_write_zeroes(c->target->node, at, len, BLOCK_REQ_MAY_UNMAP);
}

/* Data with the zeroes in it left out, where they are `sparse` bytes long, on their own boundaries. */
static int write_sparse(Convert *c, uint64_t at, const uint8_t *p, uint64_t len)
{
    int ret = 0;
    for (uint64_t done = 0; !ret && done < len;) {
        uint64_t start = done;
        bool zero = false;
        while (done < len) {
            uint64_t piece = c->sparse ? MIN(c->sparse - (at + done) % c->sparse, len - done) : len - done;
            bool z = c->sparse && img_is_zero(p + done, piece);
            if (done > start && z != zero)
                break;
            zero = z;
            done += piece;
        }
        if (!zero)
            ret = node_pwrite(c->target->node, at + start, p + start, done - start);
        else if (!c->zero_init || c->has_backing)
            ret = write_zero(c, at + start, done - start);
    }
    return ret;
}

/* A part of the source on its way through the compressing threads: what a thread takes at a time. */
typedef struct Piece {
    uint64_t at, len;
    uint8_t *data;
} Piece;

static uint64_t cluster_of(const Convert *c)
{
    return ((Qcow2 *)c->target->node->state)->cluster_size;
}

static void compress_piece(gpointer data, gpointer opaque)
{
    Piece *p = data;
    Convert *c = opaque;
    uint64_t cluster = cluster_of(c), n;
    for (uint64_t done = 0; done < p->len && !g_atomic_int_get(&c->failed); done += n) {
        n = MIN(cluster, p->len - done);
        int ret = 0;
        if (c->full || !img_is_zero(p->data + done, n))
            ret = qcow2_write_compressed(c->target->node, p->at + done, p->data + done, n);
        else if (!c->zero_init || c->has_backing)
            ret = write_zero(c, p->at + done, n);
        if (ret && g_atomic_int_compare_and_exchange(&c->failed, 0, ret))
            img_error("error while writing at byte %" PRIu64 ": %s", p->at + done, g_strerror(-ret));
    }
    g_async_queue_push(c->idle, p);
}

/* One thread a processor; reading goes on while pieces are left. */
static void compress_begin(Convert *c)
{
    guint n = MIN(g_get_num_processors(), 16);
    c->idle = g_async_queue_new();
    for (guint i = 0; i < 2 * n + 1; i++) {
        Piece *p = g_new0(Piece, 1);
        p->data = g_malloc(MAX(PIECE, cluster_of(c)));
        g_async_queue_push(c->idle, p);
    }
    c->pool = g_thread_pool_new(compress_piece, c, (gint)n, false, NULL);
}

static int compress_end(Convert *c)
{
    Piece *p;
    g_thread_pool_free(c->pool, false, true);
    while ((p = g_async_queue_try_pop(c->idle))) {
        g_free(p->data);
        g_free(p);
    }
    g_async_queue_unref(c->idle);
    return c->failed;
}

/* What one source has; with --salvage what cannot be read is zeroes, sector by sector, and told. */
static int read_one(const Convert *c, BlockNode *src, uint64_t in, uint64_t at, uint8_t *p, uint64_t len)
{
    int ret = node_pread(src, in, p, len);
    if (!ret || !c->salvage)
        return ret;
    for (uint64_t done = 0, n; done < len; done += n) {
        n = MIN(BLOCK_SECTOR, len - done);
        ret = node_pread(src, in + done, p + done, n);
        if (!ret)
            continue;
        memset(p + done, 0, n);
        if (!c->quiet)
            fprintf(stderr, "qemu-img: warning: error while reading offset %" PRIu64 ": %s\n", at + done,
                    g_strerror(-ret));
    }
    return 0;
}

static int read_source(const Convert *c, uint64_t at, uint8_t *p, uint64_t len)
{
    int ret = 0;
    for (uint64_t in, n; !ret && len; at += n, p += n, len -= n) {
        n = len;
        BlockNode *src = source_at(c, at, &in, &n);
        ret = read_one(c, src, in, at, p, n);
    }
    return ret;
}

/* From one host file to another without a copy here. -EAGAIN: not this part, or not all of it. */
static int offload(Convert *c, const BlockStatus *st, uint64_t at, uint64_t len)
{
    if (c->to_fd < 0 || !(st->flags & BLOCK_ST_OFFSET) || !(st->flags & BLOCK_ST_DATA) ||
        strcmp(st->file->drv->name, "file"))
        return -EAGAIN;
    if (c->from != st->file) {
        if (c->from)
            close(c->from_fd);
        c->from = NULL;
        c->from_fd = open(st->file->filename, O_RDONLY | O_CLOEXEC);
        if (c->from_fd < 0)
            return -EAGAIN;
        c->from = st->file;
    }
    off_t a = (off_t)st->off, b = (off_t)(c->to_off + at);
    for (ssize_t n = 1; len && n > 0; len -= (uint64_t)MAX(n, 0))
        n = copy_file_range(c->from_fd, &a, c->to_fd, &b, len, 0);
    return len ? -EAGAIN : 0;
}

/* The target is a file that lies on the host as it is. */
static void offload_begin(Convert *c)
{
    const BlockNode *n = c->target->node;
    const BlockNode *file = n->file ? n->file->node : NULL;
    BlockStatus st;
    if (strcmp(n->drv->name, "raw") || !file || strcmp(file->drv->name, "file") || !c->size ||
        node_status(c->target->node, 0, 1, &st) || !(st.flags & BLOCK_ST_OFFSET))
        return;
    c->to_off = st.off; /* raw's offset= */
    c->to_fd = open(file->filename, O_WRONLY | O_CLOEXEC);
}

static void offload_end(Convert *c)
{
    if (c->to_fd >= 0)
        close(c->to_fd);
    if (c->from)
        close(c->from_fd);
}

/* One step from at on; *step: its length. */
static int convert_step(Convert *c, uint64_t at, uint64_t *step, uint64_t *total)
{
    uint64_t len = c->size - at, in;
    BlockNode *src = source_at(c, at, &in, &len);
    BlockStatus st;
    *step = len;
    *total = 0;
    int ret = node_status_chain(src, NULL, in, len, &st);
    if (ret && c->salvage) { /* reading tells */
        st = (BlockStatus){.flags = BLOCK_ST_DATA | BLOCK_ST_ALLOCATED, .len = MIN(len, BLOCK_SECTOR)};
        ret = 0;
    }
    if (ret)
        return img_error("error while reading block status at offset %" PRIu64 ": %s", at, g_strerror(-ret)), ret;
    uint64_t cluster = c->compress ? cluster_of(c) : 0;
    bool zero = st.flags & BLOCK_ST_ZERO && !c->full;
    bool below = c->base_depth && (st.depth >= c->base_depth || !(st.flags & BLOCK_ST_ALLOCATED));
    if (c->compress && len < MIN(cluster, c->size - at)) { /* a cluster of two sources, or more */
        st.len = MIN(cluster, c->size - at);
        zero = below = false;
    } else if (c->compress) { /* whole clusters, whatever they are made of */
        st.len = MAX(ROUND_DOWN(st.len, cluster), MIN(cluster, len));
        BlockStatus again = st;
        zero = zero && !node_status_chain(src, NULL, in, st.len, &again) && again.len >= st.len;
        below = below && again.len >= st.len;
    }
    *step = st.len;
    if (below)
        return 0;
    if (zero) {
        if (c->zero_init && !c->has_backing)
            return 0;
        ret = write_zero(c, at, st.len);
        return ret ? (img_error("error while writing at byte %" PRIu64 ": %s", at, g_strerror(-ret)), ret) : 0;
    }
    *step = MIN(st.len, c->compress ? MAX(PIECE, cluster) : CHUNK);
    if (c->rate) { /* ten steps a second where the rate is low */
        uint64_t unit = MAX(64 * KIB, cluster);
        *step = MIN(*step, MAX(ROUND_DOWN(c->rate / 10, unit), unit));
        img_limit(c->rate, *step);
    }
    *total = *step;
    Piece *p = c->compress ? g_async_queue_pop(c->idle) : NULL;
    ret = g_atomic_int_get(&c->failed);
    if (!ret && !p && c->offload && !offload(c, &st, at, *step))
        return 0;
    if (!ret && (ret = read_source(c, at, p ? p->data : c->buf, *step)))
        img_error("error while reading at byte %" PRIu64 ": %s", at, g_strerror(-ret));
    if (p && !ret) {
        p->at = at;
        p->len = *step;
        g_thread_pool_push(c->pool, p, NULL);
    } else if (p) {
        g_async_queue_push(c->idle, p);
    }
    if (ret || p)
        return ret;
    ret = write_sparse(c, at, c->buf, *step);
    return ret ? (img_error("error while writing at byte %" PRIu64 ": %s", at, g_strerror(-ret)), ret) : 0;
}

/* Data that is to be copied, for the progress shown. */
static uint64_t convert_amount(const Convert *c)
{
    uint64_t sum = 0;
    for (uint64_t at = 0; at < c->size;) {
        uint64_t len = c->size - at, in;
        BlockStatus st;
        BlockNode *src = source_at(c, at, &in, &len);
        if (node_status_chain(src, NULL, in, len, &st))
            return c->size;
        sum += st.flags & BLOCK_ST_ZERO && !c->full ? 0 : st.len;
        at += st.len;
    }
    return sum;
}

static bool img_rate(const char *text, uint64_t *rate)
{
    if (parse_size(text, 'B', rate) && *rate <= INT64_MAX)
        return true;
    img_error("Invalid rate limit specified. You may use k, M, G, T, P or E suffixes for");
    fprintf(stderr, "qemu-img: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.\n");
    return false;
}

/* Of -l: "snapshot.id=ID,snapshot.name=NAME", or one of the two alone. */
static bool show_snapshot(BlockNode *n, const char *text)
{
    Error *err = NULL;
    bool ok = false;
    if (n->drv != &block_qcow2) {
        img_error("Failed to load snapshot: Block format '%s' used by device '' does not support temporarily loading "
                  "internal snapshots",
                  n->drv->name);
        return false;
    }
    if (g_str_has_prefix(text, "snapshot.")) {
        g_autoptr(Json) o = json_object();
        if (!img_options(o, text))
            return false;
        for (size_t i = 0; i < json_length(o); i++) {
            if (!strcmp(json_key_at(o, i), "snapshot.id") || !strcmp(json_key_at(o, i), "snapshot.name"))
                continue;
            img_error("Invalid parameter '%s'", json_key_at(o, i));
            img_error("Failed in parsing snapshot param '%s'", text);
            return false;
        }
        ok = qcow2_snapshot_show(n, json_get_str(o, "snapshot.id"), json_get_str(o, "snapshot.name"), &err);
    } else if (!(ok = qcow2_snapshot_show(n, text, NULL, NULL))) {
        ok = qcow2_snapshot_show(n, NULL, text, &err);
    }
    if (!ok)
        img_error_of("Failed to load snapshot", err);
    return ok;
}

int img_convert(int argc, char **argv)
{
    const char *out_fmt = "raw", *base = NULL, *base_fmt = NULL, *out_cache = "unsafe";
    ImgOpen src = {0};
    Convert c = {.sparse = 4096, .to_fd = -1};
    bool no_create = false, quiet = false, wants_help = false, target_opts = false, target_zero = false;
    g_autoptr(Json) o = json_object();
    const char *snapshot = NULL;
    char *end;
    bool bitmaps = false, skip_broken = false, sparse_given = false;
    int64_t coroutines;
    int opt, ret = 0;
    while ((opt = getopt_long(argc, argv, ":hf:O:B:CcF:o:l:S:pt:T:qnm:WUr:", long_options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            src.format = optarg;
            break;
        case 'O':
            out_fmt = optarg;
            break;
        case 'B':
            base = optarg;
            break;
        case 'F':
            base_fmt = optarg;
            break;
        case 'c':
            c.compress = true;
            break;
        case 'o':
            wants_help |= img_wants_help(optarg);
            if (!wants_help && !img_options(o, optarg))
                return 1;
            break;
        case 'S':
            if (!img_size(optarg, &c.sparse))
                return 1;
            if (c.sparse % 512 || c.sparse > SPARSE_MAX)
                return img_error(
                    "Invalid buffer size for sparse output specified. Valid sizes are multiples of 512 up to "
                    "%" PRIu64 ". Select 0 to disable sparse detection (fully allocates output).",
                    (uint64_t)SPARSE_MAX);
            c.full = !c.sparse;
            sparse_given = true;
            break;
        case 'p':
            img_progress_on = true;
            break;
        case 't':
            out_cache = optarg;
            break;
        case 'T':
            src.cache = optarg;
            break;
        case 'q':
            quiet = true;
            break;
        case 'n':
            no_create = true;
            break;
        case 'l':
            snapshot = optarg;
            break;
        case 'm': /* checked; the order of writes is the image's */
            coroutines = g_ascii_strtoll(optarg, &end, 10);
            if (end == optarg || *end || coroutines < 1 || coroutines > 16)
                return img_error("Invalid number of coroutines. Allowed number of coroutines is between 1 and 16");
            break;
        case 'r':
            if (!img_rate(optarg, &c.rate))
                return 1;
            break;
        case 'W':
            break;
        case IMG_OPT_SALVAGE:
            c.salvage = true;
            break;
        case IMG_OPT_BITMAPS:
            bitmaps = true;
            break;
        case IMG_OPT_SKIP_BROKEN_BITMAPS:
            skip_broken = true;
            break;
        case 'C':
            c.offload = true;
            break;
        case 'U':
            src.force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            src.image_opts = true;
            break;
        case IMG_OPT_TARGET_IMAGE_OPTS:
            target_opts = true;
            break;
        case IMG_OPT_TARGET_IS_ZERO:
            target_zero = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_object(optarg))
                return 1;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    img_progress_on = img_progress_on && !quiet;
    if (wants_help)
        return img_list_options(out_fmt);
    if (argc - optind < 2)
        return img_error("Must specify image file name");
    if (skip_broken && !bitmaps)
        return img_error("Use of --skip-broken-bitmaps requires --bitmaps");
    if (c.offload && c.compress)
        return img_error("Cannot enable copy offloading when -c is used");
    if (c.offload && sparse_given)
        return img_error("Cannot enable copy offloading when -S is used");
    if (c.offload && c.salvage)
        return img_error("Cannot use copy offloading in salvaging mode");
    c.quiet = quiet;
    if (target_opts && !no_create)
        return img_error("--target-image-opts requires use of -n flag");
    if (target_zero && !no_create)
        return img_error("--target-is-zero requires use of -n flag");
    if (no_create && json_length(o))
        fprintf(stderr, "qemu-img: warning: -o has no effect when skipping image creation\n");
    const char *out = argv[argc - 1];
    if (!target_opts && !block_create_options(out_fmt) && !no_create) {
        if (block_driver_find(out_fmt) || block_format_known(out_fmt))
            return img_error("Format driver '%s' does not support image creation", out_fmt);
        return img_error("Unknown file format '%s'", out_fmt);
    }
    if (snapshot && argc - optind > 2)
        return img_error("No support for concatenating multiple snapshot");
    if (c.compress && !target_opts && strcmp(out_fmt, "qcow2"))
        return img_error("Compression not supported for this file format");
    if (bitmaps && !target_opts && strcmp(out_fmt, "qcow2"))
        return img_error("Format driver '%s' does not support bitmaps", out_fmt);
    c.sources = g_ptr_array_new();
    c.starts = g_array_new(false, false, sizeof(uint64_t));
    g_array_append_val(c.starts, c.size);
    for (int i = optind; i < argc - 1; i++) {
        BlockEdge *e = img_open(argv[i], &src);
        if (!e) {
            ret = 1;
            goto out;
        }
        g_ptr_array_add(c.sources, e);
        if (snapshot && !show_snapshot(e->node, snapshot)) {
            ret = 1;
            goto out;
        }
        if (bitmaps && e->node->drv != &block_qcow2) {
            ret = img_error("Source lacks bitmap support");
            goto out;
        }
        if (bitmaps && ((Qcow2 *)e->node->state)->nb_bitmaps) {
            ret = img_error("--bitmaps is not available: '%s' has bitmaps, which cannot be copied", argv[i]);
            goto out;
        }
        c.size += node_length(e->node);
        g_array_append_val(c.starts, c.size);
    }
    if (base)
        json_set_str(o, "backing_file", base);
    if (base_fmt)
        json_set_str(o, "backing_fmt", base_fmt);
    base = json_get_str(o, "backing_file");
    if (base && !json_get(o, "backing_fmt")) {
        ret = img_error("backing format must be specified: -F or backing_fmt=");
        goto out;
    }
    if (base && c.sources->len > 1) {
        ret = img_error("Having a backing file for the target makes no sense when concatenating multiple input images");
        goto out;
    }
    if (base) {
        /* Layers of the source that are in the target's backing file too. */
        unsigned depth = 0;
        for (BlockNode *n = ((BlockEdge *)c.sources->pdata[0])->node; n && !c.base_depth;
             n = n->backing ? n->backing->node : NULL, depth++)
            if (depth && !strcmp(n->filename, base))
                c.base_depth = depth;
    }
    if (!no_create) {
        json_set(o, "size", json_printf("%" PRIu64, c.size)); /* the source's, whatever -o says */
        Error *err = NULL;
        if (!block_create(out, out_fmt, o, &err)) {
            g_autofree char *text = g_strdup_printf("%s: error while converting %s", out, out_fmt);
            ret = img_error_of(text, err);
            goto out;
        }
    }
    ImgOpen how = {
        .format = target_opts ? NULL : out_fmt, .write = true, .cache = out_cache, .image_opts = target_opts};
    c.target = img_open(out, &how);
    if (!c.target) {
        ret = 1;
        goto out;
    }
    c.has_backing = c.target->node->backing;
    const char *pre = json_get_str(o, "preallocation");
    /* A new file is zeroes throughout, one that has been there is not. */
    c.zero_init =
        target_zero || (!no_create && (c.target->node->drv == &block_qcow2 || c.target->node->file->node->grows));
    if (pre && c.sparse && !strcmp(pre, "full"))
        c.sparse = 0;
    if (c.compress && c.target->node->drv != &block_qcow2) {
        ret = img_error("Compression not supported for this file format");
        goto out;
    }
    if (node_length(c.target->node) < c.size) {
        ret = img_error("output file is smaller than input file");
        goto out;
    }
    c.buf = g_malloc(MAX(CHUNK, 2 * MIB));
    uint64_t amount = 0, copied = 0, n = 0;
    img_progress(0);
    if (c.compress)
        compress_begin(&c);
    if (c.offload && !target_opts)
        offload_begin(&c);
    for (uint64_t at = 0, step = 0; at < c.size && !ret; at += step) {
        ret = convert_step(&c, at, &step, &n) ? 1 : 0;
        copied += n;
        if (img_progress_wanted()) {
            amount = amount ? amount : convert_amount(&c);
            img_progress(amount ? (double)copied / (double)amount : 1);
        }
    }
    if (c.compress && compress_end(&c))
        ret = 1;
    if (!ret)
        img_progress(1);
    if (img_progress_on)
        printf("\n");
out:
    offload_end(&c);
    if (!img_close(c.target))
        ret = 1;
    for (guint i = 0; i < c.sources->len; i++)
        img_close(c.sources->pdata[i]);
    g_ptr_array_free(c.sources, true);
    g_array_free(c.starts, true);
    g_free(c.buf);
    return ret ? 1 : 0;
}

/* ---- compare ---- */

int img_compare(int argc, char **argv)
{
    ImgOpen how[2] = {{0}};
    bool quiet = false, strict = false;
    int opt;
    while ((opt = getopt_long(argc, argv, ":hf:F:T:pqsU", long_options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            how[0].format = optarg;
            break;
        case 'F':
            how[1].format = optarg;
            break;
        case 'T':
            how[0].cache = how[1].cache = optarg;
            break;
        case 'p':
            img_progress_on = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 's':
            strict = true;
            break;
        case 'U':
            how[0].force_share = how[1].force_share = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            how[0].image_opts = how[1].image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_object(optarg))
                return 2;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    img_progress_on = img_progress_on && !quiet;
    if (optind != argc - 2) {
        img_usage("Expecting two image file names");
        return 2;
    }
    BlockEdge *e[2] = {img_open(argv[optind], &how[0]), NULL};
    if (e[0])
        e[1] = img_open(argv[optind + 1], &how[1]);
    int ret = e[0] && e[1] ? 0 : 2;
    g_autofree uint8_t *one = g_malloc(CHUNK);
    g_autofree uint8_t *other = g_malloc(CHUNK);
    uint64_t size[2] = {0}, at = 0;
    for (int i = 0; !ret && i < 2; i++)
        size[i] = node_length(e[i]->node);
    uint64_t end = MAX(size[0], size[1]);
    if (!ret && strict && size[0] != size[1]) {
        if (!quiet)
            printf("Strict mode: Image size mismatch!\n");
        ret = 1;
    }
    while (!ret && at < end) {
        BlockStatus st[2];
        uint64_t len = end - at;
        bool zero[2];
        for (int i = 0; !ret && i < 2; i++) {
            st[i] = (BlockStatus){.flags = BLOCK_ST_ZERO, .len = len};
            int r = at < size[i] ? node_status_chain(e[i]->node, NULL, at, MIN(len, size[i] - at), &st[i]) : 0;
            if (r) {
                img_error("Sector allocation test failed for %s", argv[optind + i]);
                ret = 3;
            }
            zero[i] = st[i].flags & BLOCK_ST_ZERO;
        }
        len = MIN(st[0].len, st[1].len);
        bool alloc_differs = strict && !ret && at < size[0] && at < size[1] &&
                             (st[0].flags & BLOCK_ST_ALLOCATED) != (st[1].flags & BLOCK_ST_ALLOCATED);
        if (alloc_differs) {
            if (!quiet)
                printf("Strict mode: Offset %" PRIu64 " block status mismatch!\n", at);
            ret = 1;
        }
        if (!ret && !(zero[0] && zero[1])) {
            len = MIN(len, CHUNK);
            for (int i = 0; !ret && i < 2; i++) {
                uint8_t *p = i ? other : one;
                int r = zero[i] ? 0 : node_pread(e[i]->node, at, p, len);
                if (zero[i])
                    memset(p, 0, len);
                if (r) {
                    img_error("Error while reading offset %" PRIu64 " of %s: %s", at, argv[optind + i], g_strerror(-r));
                    ret = 4;
                }
            }
            if (!ret && memcmp(one, other, len)) {
                uint64_t k = 0;
                while (!memcmp(one + k, other + k, MIN(512, len - k)))
                    k += 512;
                if (!quiet)
                    printf("Content mismatch at offset %" PRIu64 "!\n", at + k);
                ret = 1;
            }
        }
        at += len;
        img_progress((double)at / (double)end);
    }
    if (!ret && !quiet) {
        if (size[0] != size[1])
            printf("Warning: Image size mismatch!\n");
        printf("Images are identical.\n");
    }
    for (int i = 0; i < 2; i++)
        img_close(e[i]);
    return ret;
}

/* ---- commit ---- */

int img_commit(int argc, char **argv)
{
    ImgOpen how = {.write = true, .no_backing = true};
    bool quiet = false, drop = false;
    const char *base = NULL;
    uint64_t rate = 0;
    int opt;
    while ((opt = getopt_long(argc, argv, ":hf:t:b:dpqr:", long_options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            how.format = optarg;
            break;
        case 't':
            how.cache = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'd':
            drop = true;
            break;
        case 'p':
            img_progress_on = true;
            break;
        case 'q':
            quiet = true;
            break;
        case 'r':
            if (!img_rate(optarg, &rate))
                return 1;
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_object(optarg))
                return 1;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    BlockEdge *top = img_open(argv[optind], &how);
    if (!top)
        return 1;
    int ret = 1;
    /* The layers between, for reading; the base, to be written. */
    GPtrArray *layers = g_ptr_array_new();
    BlockEdge *below = NULL;
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    g_ptr_array_add(layers, top);
    for (;;) {
        BlockNode *n = ((BlockEdge *)layers->pdata[layers->len - 1])->node;
        g_autofree char *path = node_backing_path(n);
        if (!path) {
            img_error(base ? "Did not find '%s' in the backing chain of '%s'" : "Image does not have a backing file",
                      base ? base : "", argv[optind]);
            goto out;
        }
        bool last = !base || !strcmp(path, base) || !strcmp(n->backing_file, base);
        ImgOpen b = {.format = n->backing_fmt, .write = last, .cache = how.cache, .no_backing = !last};
        BlockEdge *e = img_open(path, &b);
        if (!e)
            goto out;
        if (last) {
            below = e;
            break;
        }
        g_ptr_array_add(layers, e);
    }
    uint64_t size = node_length(top->node);
    Error *err = NULL;
    if (node_length(below->node) < size && !node_truncate(below->node, size, &err)) {
        img_error_of(NULL, err);
        goto out;
    }
    for (uint64_t at = 0, len; at < size; at += len) {
        BlockStatus st = {0};
        BlockNode *from = NULL;
        len = MIN(CHUNK, size - at);
        for (guint i = 0; i < layers->len && !from; i++) {
            BlockNode *n = ((BlockEdge *)layers->pdata[i])->node;
            if (at >= node_length(n)) {
                st = (BlockStatus){.flags = BLOCK_ST_ZERO | BLOCK_ST_ALLOCATED, .len = len};
                from = n;
                break;
            }
            int r = node_status(n, at, MIN(len, node_length(n) - at), &st);
            if (r) {
                img_error("error while reading block status at offset %" PRIu64 ": %s", at, g_strerror(-r));
                goto out;
            }
            len = st.len;
            from = st.flags & BLOCK_ST_ALLOCATED ? n : NULL;
        }
        if (rate && from && !(st.flags & BLOCK_ST_ZERO)) {
            len = MIN(len, MAX(ROUND_DOWN(rate / 10, 64 * KIB), 64 * KIB));
            img_limit(rate, len);
        }
        int r = !from                      ? 0
                : st.flags & BLOCK_ST_ZERO ? node_write_zeroes(below->node, at, len, BLOCK_REQ_MAY_UNMAP)
                                           : node_pread(from, at, buf, len);
        if (!r && from && !(st.flags & BLOCK_ST_ZERO))
            r = node_pwrite(below->node, at, buf, len);
        if (r) {
            img_error("error while committing at byte %" PRIu64 ": %s", at, g_strerror(-r));
            goto out;
        }
        img_progress((double)(at + len) / (double)size);
    }
    int r = node_flush(below->node);
    if (!r && !drop && !base) /* what is below now is not needed here */
        r = block_make_empty(top->node);
    if (r) {
        img_error("could not flush: %s", g_strerror(-r));
        goto out;
    }
    ret = 0;
    if (!quiet)
        printf("Image committed.\n");
out:
    for (guint i = 0; i < layers->len; i++)
        if (!img_close(layers->pdata[i]))
            ret = 1;
    g_ptr_array_free(layers, true);
    return img_close(below) ? ret : 1;
}

/* ---- rebase ---- */

int img_rebase(int argc, char **argv)
{
    ImgOpen how = {.write = true};
    bool quiet = false, unsafe = false;
    const char *base = NULL, *base_fmt = NULL;
    int opt;
    while ((opt = getopt_long(argc, argv, ":hf:F:b:upt:T:qU", long_options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            how.format = optarg;
            break;
        case 'F':
            base_fmt = optarg;
            break;
        case 'b':
            base = optarg;
            break;
        case 'u':
            unsafe = true;
            break;
        case 'p':
            img_progress_on = true;
            break;
        case 't':
            how.cache = optarg;
            break;
        case 'T':
        case 'U':
            break;
        case 'q':
            quiet = true;
            break;
        case IMG_OPT_IMAGE_OPTS:
            how.image_opts = true;
            break;
        case IMG_OPT_OBJECT:
            if (!img_object(optarg))
                return 1;
            break;
        default:
            return img_bad_option(opt, argv);
        }
    }
    img_progress_on = img_progress_on && !quiet;
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    if (!unsafe && !base)
        return img_usage("Use backing file (-b) option or unsafe (-u)");
    if (base_fmt && !block_driver_find(base_fmt))
        return img_error("Invalid format name: '%s'", base_fmt);
    how.no_backing = unsafe;
    BlockEdge *e = img_open(argv[optind], &how), *new = NULL;
    if (!e)
        return 1;
    int ret = 1;
    g_autofree uint8_t *a = g_malloc(CHUNK);
    g_autofree uint8_t *b = g_malloc(CHUNK);
    if (e->node->drv != &block_qcow2) {
        img_error("Could not change the backing file to '%s': the image format has none", base ? base : "");
        goto out;
    }
    if (base && *base && !base_fmt) {
        img_error("Could not change the backing file to '%s': backing format must be specified", base);
        goto out;
    }
    if (!unsafe && *base) {
        g_autofree char *folder = g_path_get_dirname(e->node->filename);
        size_t colon = strcspn(base, ":/");
        g_autofree char *full = *base == '/' || base[colon] == ':' || !strcmp(folder, ".")
                                    ? g_strdup(base)
                                    : g_build_filename(folder, base, NULL);
        ImgOpen h = {.format = base_fmt};
        new = img_open(full, &h);
        if (!new)
            goto out;
    }
    uint64_t size = node_length(e->node);
    for (uint64_t at = 0, len; !unsafe && at < size; at += len) {
        BlockStatus st;
        int r = node_status(e->node, at, size - at, &st);
        len = MIN(st.len, CHUNK);
        if (!r && !(st.flags & BLOCK_ST_ALLOCATED)) {
            uint64_t new_len = new &&at < node_length(new->node) ? MIN(len, node_length(new->node) - at) : 0;
            memset(b, 0, len);
            r = node_pread(e->node, at, a, len);
            r = r ? r : new_len ? node_pread(new->node, at, b, new_len) : 0;
            for (uint64_t k = 0, n; !r && k < len; k += n) { /* a cluster's share that differs is the image's own now */
                n = MIN(4096, len - k);
                if (!memcmp(a + k, b + k, n))
                    continue;
                /* zeroes too: a request for zeroes does nothing where the old backing file's end reads as such */
                r = node_pwrite(e->node, at + k, a + k, n);
            }
        }
        if (r) {
            img_error("error while rebasing at byte %" PRIu64 ": %s", at, g_strerror(-r));
            goto out;
        }
        img_progress((double)(at + len) / (double)size);
    }
    int r = node_flush(e->node);
    Error *err = NULL;
    if (r) {
        img_error("could not flush: %s", g_strerror(-r));
    } else if (!qcow2_change_backing(e->node, base, base_fmt, &err)) {
        g_autofree char *text = g_strdup_printf("Could not change the backing file to '%s'", base ? base : "");
        img_error_of(text, err);
    } else {
        ret = 0;
    }
out:
    img_close(new);
    return img_close(e) ? ret : 1;
}
