/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New images: by qemu-img, for overlays, by the monitor. */
#ifndef BLOCK_CREATE_H
#define BLOCK_CREATE_H

#include "block/node.h"

typedef struct CreateOption {
    const char *name, *type, *help; /* type: "size" "bool (on/off)" "str" "num", for lists */
} CreateOption;
/* The options of a format, ended by a NULL name; NULL: cannot be created. */
const CreateOption *block_create_options(const char *format);
bool block_create_known(const char *format, const Json *opts, Error **errp); /* the format has all these options */
/* opts: strings by name (borrowed), "size" with them. The image is closed again. */
bool block_create(const char *path, const char *format, const Json *opts, Error **errp);
/* A qcow2 image in front of n, in a file that has no name any more: what is written goes there. Takes its own
 * reference on n. */
BlockNode *block_temporary_overlay(BlockNode *n, Error **errp);
/* An image in path with n's size; backing: what the header says of n. Opened, with
 * nothing behind it. */
BlockNode *block_overlay(const char *path, const char *format, const char *backing, const char *node_name, BlockNode *n,
                         bool create, Error **errp);

#endif
