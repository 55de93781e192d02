/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the block layer share: a folder of their own, images in it, nodes from JSON. Included once. */
#ifndef TESTS_UNIT_BLOCK_IMAGES_H
#define TESTS_UNIT_BLOCK_IMAGES_H

#include "block/create.h"
#include "block/node.h"

#include <glib/gstdio.h>

static char *dir; /* begin_dir() to end_dir() */

static inline void begin_dir(const char *name)
{
    g_autofree char *pattern = g_strconcat(name, "-XXXXXX", NULL);
    dir = g_dir_make_tmp(pattern, NULL);
    g_assert_nonnull(dir);
}

static inline char *path_of(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static inline void end_dir(void)
{
    g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
    for (const char *f; (f = g_dir_read_name(d));) {
        g_autofree char *p = path_of(f);
        g_unlink(p);
    }
    g_rmdir(dir);
}

/* fmt's options, as text: name and value, and so on. */
static inline void create(const char *path, const char *fmt, const char *first, ...) G_GNUC_NULL_TERMINATED;
static inline void create(const char *path, const char *fmt, const char *first, ...)
{
    g_autoptr(Json) o = json_object();
    va_list ap;
    va_start(ap, first);
    for (const char *k = first; k; k = va_arg(ap, const char *))
        json_set_str(o, k, va_arg(ap, const char *));
    va_end(ap);
    Error *err = NULL;
    if (!block_create(path, fmt, o, &err))
        g_error("%s", error_text(err));
}

static inline BlockNode *open_json(const char *json, Error **errp)
{
    g_autoptr(Json) o = json_parse(json, strlen(json), NULL);
    g_assert_nonnull(o);
    g_autoptr(Json) flat = block_opts_flatten(o, errp);
    return node_open(flat, false, errp);
}

#endif
