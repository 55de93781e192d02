/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: what an image is: info, map, check, snapshot. */
#include "tools/img.h"

#include "block/create.h"
#include "block/qcow2.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option long_options[] = {{"help", no_argument, 0, 'h'},
                                             {"format", required_argument, 0, 'f'},
                                             {"repair", required_argument, 0, 'r'},
                                             {"output", required_argument, 0, IMG_OPT_OUTPUT},
                                             {"backing-chain", no_argument, 0, IMG_OPT_BACKING_CHAIN},
                                             {"object", required_argument, 0, IMG_OPT_OBJECT},
                                             {"image-opts", no_argument, 0, IMG_OPT_IMAGE_OPTS},
                                             {"force-share", no_argument, 0, 'U'},
                                             {"start-offset", required_argument, 0, 's'},
                                             {"max-length", required_argument, 0, 'l'},
                                             {0, 0, 0, 0}};

/* Options that all of these have; -1: go on, else the exit code. */
typedef struct Common {
    ImgOpen open;
    bool json, chain, quiet;
    const char *file;
} Common;

static int common_option(Common *c, int opt, char **argv)
{
    switch (opt) {
    case 'f':
        c->open.format = optarg;
        return -1;
    case 'T':
        c->open.cache = optarg;
        return -1;
    case 'U':
        c->open.force_share = true;
        return -1;
    case 'q':
        c->quiet = true;
        return -1;
    case IMG_OPT_OUTPUT:
        return img_output_json(optarg, &c->json) ? -1 : 1;
    case IMG_OPT_BACKING_CHAIN:
        c->chain = true;
        return -1;
    case IMG_OPT_IMAGE_OPTS:
        c->open.image_opts = true;
        return -1;
    case IMG_OPT_OBJECT:
        return img_object(optarg) ? -1 : 1;
    default:
        return img_bad_option(opt, argv);
    }
}

static int one_file(Common *c, int argc, char **argv)
{
    if (optind != argc - 1)
        return img_usage("Expecting one image file name");
    c->file = argv[optind];
    return -1;
}

/* ---- info ---- */

static void human_child(BlockNode *n)
{
    g_autofree char *human = block_human_size(node_length(n)),
                    *disk = block_human_size((uint64_t)MAX(block_allocated(n), 0));
    printf("Child node '/file':\n    filename: %s\n    protocol type: %s\n    file length: %s (%" PRIu64
           " bytes)\n    disk size: %s\n",
           n->filename, n->drv->name, human, node_length(n), disk);
}

static void human_info(BlockNode *n)
{
    g_autoptr(GString) s = g_string_new(NULL);
    block_image_text(n, s);
    printf("%s", s->str);
    if (n->file)
        human_child(n->file->node);
}

static Json *json_info(BlockNode *n)
{
    g_autoptr(Json) plain = block_image_info(n, false);
    Json *o = json_object(), *children = json_array();
    if (n->file) {
        Json *child = json_object();
        json_set_str(child, "name", "file");
        json_set(child, "info", json_info(n->file->node));
        json_append(children, child);
    }
    json_set(o, "children", children);
    for (size_t i = 0; i < json_length(plain); i++)
        json_set(o, json_key_at(plain, i), json_ref(json_val_at(plain, i)));
    return o;
}

int img_info(int argc, char **argv)
{
    Common c = {.open = {.no_backing = true}};
    int opt, ret;
    while ((opt = getopt_long(argc, argv, ":hf:U", long_options, NULL)) != -1)
        if ((ret = common_option(&c, opt, argv)) >= 0)
            return ret;
    if ((ret = one_file(&c, argc, argv)) >= 0)
        return ret;
    g_autoptr(Json) list = json_array();
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *file = g_strdup(c.file);
    g_autofree char *fmt = g_strdup(c.open.format);
    c.open.damaged = true;
    while (file) {
        if (!g_hash_table_add(seen, g_strdup(file)))
            return img_error("Backing file '%s' creates an infinite loop.", file);
        c.open.format = fmt;
        BlockEdge *e = img_open(file, &c.open);
        if (!e)
            return 1;
        if (c.json) {
            json_append(list, json_info(e->node));
        } else {
            if (g_hash_table_size(seen) > 1)
                printf("\n");
            human_info(e->node);
        }
        g_free(file);
        g_free(fmt);
        file = c.chain ? node_backing_path(e->node) : NULL;
        fmt = file ? g_strdup(e->node->backing_fmt) : NULL;
        c.open.image_opts = false;
        img_close(e);
    }
    if (c.json)
        img_print_json(c.chain ? list : json_at(list, 0));
    return 0;
}

/* ---- map ---- */

typedef struct MapEntry {
    uint64_t start, len, off;
    unsigned flags, depth;
    bool present;
    const char *file;
} MapEntry;

static bool same_kind(const MapEntry *a, const MapEntry *b)
{
    return a->start + a->len == b->start && a->flags == b->flags && a->depth == b->depth && a->present == b->present &&
           (!(a->flags & BLOCK_ST_OFFSET) || (a->off + a->len == b->off && a->file == b->file));
}

static void print_entry(const MapEntry *e, bool json, bool first)
{
    if (json) {
        printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64 ", \"depth\": %u, \"present\": %s, \"zero\": %s, "
               "\"data\": %s, \"compressed\": %s",
               first ? "[" : ",\n", e->start, e->len, e->depth, e->present ? "true" : "false",
               e->flags & BLOCK_ST_ZERO ? "true" : "false", e->flags & BLOCK_ST_DATA ? "true" : "false",
               e->flags & BLOCK_ST_COMPRESSED ? "true" : "false");
        if (e->flags & BLOCK_ST_OFFSET)
            printf(", \"offset\": %" PRIu64, e->off);
        printf("}");
    } else if (e->flags & BLOCK_ST_DATA && !(e->flags & BLOCK_ST_ZERO)) {
        printf("%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", e->start, e->len, e->off, e->file);
    }
}

/* The tables were made ahead of the data: there the file knows better where there is none. */
static bool preallocated(BlockNode *file)
{
    int64_t there = block_allocated(file);
    return there >= 0 && (uint64_t)there < node_length(file) / 10 * 9;
}

/* A run, with what the file below says of holes in it. */
static int map_at(BlockNode *n, uint64_t at, uint64_t len, MapEntry *out)
{
    BlockStatus st;
    int ret = node_status_chain(n, NULL, at, len, &st);
    if (ret)
        return ret;
    *out = (MapEntry){.start = at,
                      .len = st.len,
                      .off = st.off,
                      .flags = st.flags & (BLOCK_ST_DATA | BLOCK_ST_ZERO | BLOCK_ST_OFFSET | BLOCK_ST_COMPRESSED),
                      .depth = st.depth,
                      .present = st.flags & BLOCK_ST_ALLOCATED,
                      .file = st.file ? st.file->filename : ""};
    if (st.flags & BLOCK_ST_DATA && st.flags & BLOCK_ST_OFFSET && st.file && st.file->drv->status &&
        preallocated(st.file)) {
        BlockStatus below;
        if (!node_status(st.file, st.off, st.len, &below)) {
            out->len = below.len;
            out->flags |= below.flags & BLOCK_ST_ZERO;
        }
    }
    return 0;
}

int img_map(int argc, char **argv)
{
    Common c = {.open = {.damaged = false}};
    uint64_t start = 0, max = UINT64_MAX;
    int opt, ret;
    while ((opt = getopt_long(argc, argv, ":hf:s:l:U", long_options, NULL)) != -1) {
        if (opt == 's') {
            if (!img_size(optarg, &start))
                return 1;
        } else if (opt == 'l') {
            if (!img_size(optarg, &max))
                return 1;
        } else if ((ret = common_option(&c, opt, argv)) >= 0) {
            return ret;
        }
    }
    if ((ret = one_file(&c, argc, argv)) >= 0)
        return ret;
    BlockEdge *e = img_open(c.file, &c.open);
    if (!e)
        return 1;
    if (!c.json)
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    uint64_t size = node_length(e->node), end = max > size || start > size - max ? size : start + max;
    MapEntry cur = {0}, next;
    bool first = true;
    for (uint64_t at = start; at < end; at += next.len) {
        ret = map_at(e->node, at, end - at, &next);
        if (ret) {
            img_close(e);
            return img_error("Failed to read image metadata: %s", g_strerror(-ret));
        }
        if (cur.len && same_kind(&cur, &next)) {
            cur.len += next.len;
            continue;
        }
        if (cur.len) {
            if (!c.json && cur.flags & BLOCK_ST_DATA && !(cur.flags & (BLOCK_ST_ZERO | BLOCK_ST_OFFSET))) {
                img_close(e);
                return img_error("File contains external, encrypted or compressed clusters.");
            }
            print_entry(&cur, c.json, first);
            first = false;
        }
        cur = next;
    }
    if (cur.len) {
        if (!c.json && cur.flags & BLOCK_ST_DATA && !(cur.flags & (BLOCK_ST_ZERO | BLOCK_ST_OFFSET))) {
            img_close(e);
            return img_error("File contains external, encrypted or compressed clusters.");
        }
        print_entry(&cur, c.json, first);
    } else if (c.json) {
        printf("[");
    }
    if (c.json)
        printf("]\n");
    img_close(e);
    return 0;
}

/* ---- check ---- */

static void check_line(void *opaque, const char *line)
{
    const Common *c = opaque;
    if (!c->quiet)
        fprintf(stderr, "%s\n", line);
}

static void human_check(const Qcow2Check *r)
{
    if (!r->corruptions && !r->leaks && !r->check_errors) {
        printf("No errors were found on the image.\n");
    } else {
        if (r->corruptions)
            printf("\n%" PRIu64
                   " errors were found on the image.\nData may be corrupted, or further writes to the image "
                   "may corrupt it.\n",
                   r->corruptions);
        if (r->leaks)
            printf("\n%" PRIu64
                   " leaked clusters were found on the image.\nThis means waste of disk space, but no harm "
                   "to data.\n",
                   r->leaks);
        if (r->check_errors)
            printf("\n%" PRIu64 " internal errors have occurred during the check.\n", r->check_errors);
    }
    if (r->total && r->allocated)
        printf("%" PRIu64 "/%" PRIu64 " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed clusters\n",
               r->allocated, r->total, (double)r->allocated * 100 / (double)r->total,
               (double)r->fragmented * 100 / (double)r->allocated, (double)r->compressed * 100 / (double)r->allocated);
    if (r->image_end > 0)
        printf("Image end offset: %" PRId64 "\n", r->image_end);
}

static void json_check(const Qcow2Check *r, const char *file, const char *format)
{
    g_autoptr(Json) o = json_object();
    const struct {
        const char *key;
        uint64_t val;
        bool always;
    } f[] = {{"image-end-offset", (uint64_t)r->image_end, false},
             {"total-clusters", r->total, false},
             {"check-errors", r->check_errors, true},
             {"fragmented-clusters", r->fragmented, false},
             {"leaks", r->leaks, false},
             {"allocated-clusters", r->allocated, false},
             {"compressed-clusters", r->compressed, false},
             {"leaks-fixed", r->leaks_fixed, false},
             {"corruptions", r->corruptions, false},
             {"corruptions-fixed", r->corruptions_fixed, false}};
    for (size_t i = 0; i < ARRAY_SIZE(f); i++)
        if (f[i].val || f[i].always)
            json_set_uint(o, f[i].key, f[i].val);
    json_set_str(o, "filename", file);
    json_set_str(o, "format", format);
    img_print_json(o);
}

int img_check(int argc, char **argv)
{
    Common c = {.open = {.no_backing = true, .damaged = true}};
    unsigned fix = 0;
    int opt, ret;
    while ((opt = getopt_long(argc, argv, ":hf:r:T:qU", long_options, NULL)) != -1) {
        if (opt == 'r') {
            if (!strcmp(optarg, "leaks"))
                fix = QCOW2_FIX_LEAKS;
            else if (!strcmp(optarg, "all"))
                fix = QCOW2_FIX_LEAKS | QCOW2_FIX_ERRORS;
            else
                return img_usage("--repair option expects 'leaks' or 'all' not '%s'", optarg);
            c.open.write = true;
        } else if ((ret = common_option(&c, opt, argv)) >= 0) {
            return ret;
        }
    }
    if ((ret = one_file(&c, argc, argv)) >= 0)
        return ret;
    BlockEdge *e = img_open(c.file, &c.open);
    if (!e)
        return 1;
    if (e->node->drv != &block_qcow2) {
        img_close(e);
        img_error("This image format does not support checks");
        return 63;
    }
    Qcow2Check r = {.report = check_line, .opaque = &c};
    ret = qcow2_check(e->node, &r, fix);
    if (!ret && (r.corruptions_fixed || r.leaks_fixed)) {
        uint64_t leaks_fixed = r.leaks_fixed, corruptions_fixed = r.corruptions_fixed;
        if (!c.json && !c.quiet)
            printf("The following inconsistencies were found and repaired:\n\n    %" PRIu64
                   " leaked clusters\n    %" PRIu64 " corruptions\n\nDouble checking the fixed image now...\n",
                   leaks_fixed, corruptions_fixed);
        r = (Qcow2Check){.report = check_line, .opaque = &c};
        ret = qcow2_check(e->node, &r, 0);
        r.leaks_fixed = leaks_fixed;
        r.corruptions_fixed = corruptions_fixed;
    }
    if (ret) {
        img_error("Check failed: %s", g_strerror(-ret));
    } else if (c.json) {
        json_check(&r, c.file, "qcow2");
    } else if (!c.quiet) {
        human_check(&r);
    }
    bool ok = img_close(e);
    return ret || r.check_errors || !ok ? 1 : r.corruptions ? 2 : r.leaks ? 3 : 0;
}

/* ---- snapshot ---- */

int img_snapshot(int argc, char **argv)
{
    Common c = {.open = {.no_backing = true}};
    int opt, ret, action = 0;
    const char *name = NULL;
    while ((opt = getopt_long(argc, argv, ":hla:c:d:qUf:", long_options, NULL)) != -1) {
        if (strchr("lacd", opt) && opt < 256) {
            if (action)
                return img_usage("Cannot mix '-l', '-a', '-c', '-d'");
            action = opt;
            name = optarg;
        } else if ((ret = common_option(&c, opt, argv)) >= 0) {
            return ret;
        }
    }
    if ((ret = one_file(&c, argc, argv)) >= 0)
        return ret;
    action = action ? action : 'l';
    c.open.write = action != 'l';
    BlockEdge *e = img_open(c.file, &c.open);
    if (!e)
        return 1;
    Error *err = NULL;
    bool ok = true;
    const char *what = "";
    if (action == 'l') {
        {
            g_autoptr(GString) s = g_string_new(NULL);
            block_snapshots_text(e->node, s);
            printf("%s", s->str);
        }
    } else if (e->node->drv != &block_qcow2) {
        img_close(e);
        return img_error("Could not %s snapshot '%s': the format '%s' has none",
                         action == 'c'   ? "create"
                         : action == 'a' ? "apply"
                                         : "delete",
                         name, "raw");
    } else if (action == 'c') {
        what = "create";
        ok = qcow2_snapshot_create(e->node, name, &err);
    } else if (action == 'a') {
        what = "apply";
        ok = qcow2_snapshot_apply(e->node, name, &err);
    } else {
        what = "delete";
        ok = qcow2_snapshot_delete(e->node, name, &err);
    }
    if (!ok) {
        g_autofree char *text = g_strdup_printf("Could not %s snapshot '%s'", what, name);
        img_error_of(text, err);
    }
    return img_close(e) && ok ? 0 : 1;
}
