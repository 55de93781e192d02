/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Within module net-user. */
#ifndef NET_USER_H
#define NET_USER_H

#include "hw/core/clock.h"
#include "net/internal.h"
#include "softmmu/mainloop.h"
#include "util/log.h"

#include <slirp/libslirp.h>

/* libslirp is its owner's (net.h), who alone calls it, and so is what it calls here. */
typedef struct User {
    NetClient *nc;
    Slirp *slirp;
    GSource *source;     /* in nc->ctx; replaced when that is */
    bool stale;          /* what libslirp waits for has changed since the main loop looked */
    GPtrArray *forwards; /* guestfwd's character devices */
    NetMerger merger;    /* of what libslirp sends in one turn */
    GSList *timers;      /* of UserTimer * */
    int64_t wake_ns;     /* atomic: when the first of them is due; INT64_MAX: none */
    /* Under the VM lock. The virtual clock's timers are the main loop's: wake tells the owner, wake_bh arms it for one
     * without the lock. */
    Timer wake;
    BottomHalf *wake_bh;
} User;

/* What libslirp is made with; the strings are the options'. */
typedef struct UserConfig {
    SlirpConfig slirp;
    const char **search; /* to be freed */
} UserConfig;
bool user_config(UserConfig *c, const Json *opts, Error **errp);
bool net_user_open(NetClient *nc, const Json *opts, Error **errp);

#endif
