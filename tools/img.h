/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: what its commands share. */
#ifndef TOOLS_IMG_H
#define TOOLS_IMG_H

#include "block/node.h"

#include <getopt.h>

/* Long options without a letter. */
enum {
    IMG_OPT_OUTPUT = 256,
    IMG_OPT_BACKING_CHAIN,
    IMG_OPT_OBJECT,
    IMG_OPT_IMAGE_OPTS,
    IMG_OPT_PREALLOCATION,
    IMG_OPT_SHRINK,
    IMG_OPT_TARGET_IMAGE_OPTS,
    IMG_OPT_TARGET_IS_ZERO,
    IMG_OPT_SALVAGE,
    IMG_OPT_SKIP_BROKEN_BITMAPS,
    IMG_OPT_BITMAPS
};

typedef struct ImgOpen {
    const char *format; /* NULL: what it looks like */
    const char *cache;  /* NULL: writeback */
    const char *aio;    /* NULL: threads */
    bool image_opts, write, no_backing, force_share, damaged, discard;
} ImgOpen;
/* The image, claimed for reading or writing; NULL: told. */
BlockEdge *img_open(const char *name, const ImgOpen *how);
bool img_close(BlockEdge *e); /* flushes; false: told */

/* "qemu-img: " and the message on stderr; returns 1. */
int img_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
int img_error_of(const char *what, Error *err);        /* what (may be NULL) before its text; frees err */
int img_usage(const char *fmt, ...) PRINTF_LIKE(1, 2); /* with the hint at --help */
/* Of a command's option that getopt does not know or that has no argument; of --object, false: told. */
int img_bad_option(int opt, char **argv);
bool img_object(const char *text);
void img_limit(uint64_t rate, uint64_t bytes); /* waits until so many more fit the rate in bytes a second, 0: any */
/* A size with its suffix ("1.5G" too); false: told. */
bool img_size(const char *text, uint64_t *out);
/* "-o a=b,c=d" into strings by name. */
bool img_options(Json *into, const char *text);
bool img_wants_help(const char *options); /* "help" or "?" among them */
int img_list_options(const char *format);
void img_print_json(const Json *v);
/* The line "Formatting ..." of a new image. */
void img_announce(const char *path, const char *format, const Json *opts);
bool img_output_json(const char *arg, bool *json); /* of --output; false: told */
/* 0 to 1: shown where -p turned it on; else told once, on stderr, after a SIGUSR1. */
void img_progress(double fraction);
bool img_progress_wanted(void); /* whether img_progress() says something now */
extern bool img_progress_on;
bool img_is_zero(const uint8_t *p, size_t len);

int img_bench(int argc, char **argv);
int img_check(int argc, char **argv);
int img_commit(int argc, char **argv);
int img_compare(int argc, char **argv);
int img_convert(int argc, char **argv);
int img_create(int argc, char **argv);
int img_info(int argc, char **argv);
int img_map(int argc, char **argv);
int img_rebase(int argc, char **argv);
int img_resize(int argc, char **argv);
int img_snapshot(int argc, char **argv);

#endif
