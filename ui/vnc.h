/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VNC: the part that is always in the program. It keeps what -vnc and -display vnc=... said and hands the monitor's
 * questions to module ui-vnc, which is opened when the first server is to start; the default one, which most never look
 * at, listens without it until somebody comes or asks. All under the VM lock.
 */
#ifndef UI_VNC_H
#define UI_VNC_H

#include "util/json.h"

typedef struct Console Console;

/* "HOST:N,password=on": checked now, served when the machine is made. */
bool vnc_option(const char *text, Error **errp);
/* What is served where no option names a display: the first free of localhost:0 to 99. Nothing where the module is not
 * installed or -vnc was there. */
bool vnc_default(Error **errp);
/* When the machine is made: guest is its -name, or NULL. audiodev_exists: is there an -audiodev of this id? */
bool vnc_start(const char *guest, bool (*audiodev_exists)(const char *id), Error **errp);
void vnc_stop(void); /* at exit */

/* QMP. display NULL: the first server. */
Json *vnc_query(void);         /* query-vnc's reply */
Json *vnc_query_servers(void); /* query-vnc-servers's */
typedef enum VncPasswordAction { VNC_PASSWORD_KEEP, VNC_PASSWORD_FAIL, VNC_PASSWORD_DISCONNECT } VncPasswordAction;
bool vnc_set_password(const char *display, const char *password, Error **errp);
bool vnc_expire_password(const char *display, const char *when,
                         Error **errp);                      /* now, never, +SECONDS, SECONDS of the epoch */
bool vnc_add_client(int fd, bool skip_auth, Error **errp);   /* takes fd */
bool vnc_reload_certificates(Error **errp);                  /* display-reload */
bool vnc_set_addresses(const Json *addresses, Error **errp); /* display-update: an array of SocketAddress */

/* What module ui-vnc exports as `vnc_ops`. */
typedef struct VncOps {
    /* listeners: sockets that listen already, taken; NULL: opts say where. Takes them in any case. */
    bool (*open)(const Json *opts, const char *id, const char *guest, GPtrArray *listeners, Error **errp);
    void (*close_all)(void);
    Json *(*query)(void);
    Json *(*query_servers)(void);
    bool (*set_password)(const char *display, const char *password, Error **errp);
    bool (*expire_password)(const char *display, int64_t seconds, Error **errp); /* of the epoch; INT64_MAX: never */
    bool (*add_client)(int fd, bool skip_auth, Error **errp);
    bool (*set_addresses)(const Json *addresses, Error **errp);
    bool (*reload_certificates)(Error **errp);
} VncOps;

#endif
