/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Within module net-user. */
#ifndef NET_USER_H
#define NET_USER_H

#include "net/internal.h"
#include "util/log.h"

#include <slirp/libslirp.h>

typedef struct User {
    NetClient *nc;
    Slirp *slirp;
    GSource *source;
    bool stale;          /* what libslirp waits for has changed since the main loop looked */
    GPtrArray *forwards; /* guestfwd's character devices */
    NetMerger merger;    /* of what libslirp sends in one call */
} User;

/* What libslirp is made with; the strings are the options'. */
typedef struct UserConfig {
    SlirpConfig slirp;
    const char **search; /* to be freed */
} UserConfig;
bool user_config(UserConfig *c, const Json *opts, Error **errp);
bool net_user_open(NetClient *nc, const Json *opts, Error **errp);

#endif
