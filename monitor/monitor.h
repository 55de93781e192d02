/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitors: what drives a running VM from outside. A control monitor speaks QMP (qmp.c), a human one a command line
 * (hmp.c); any number of both, each on its own chardev. All in the main thread under the VM lock, except the event
 * queue.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "chardev/chardev.h"
#include "util/json.h"

/* Once, before the first monitor: installs event_hook and chardev_monitor_hook. */
void monitor_init(void);
/* -mon chardev=chr,mode=control|readline,pretty=on; false where chr is in use, or pretty is asked of a human monitor.
 */
bool monitor_new(Chardev *chr, bool control, bool pretty, Error **errp);
/* At exit: what is queued is written as far as that goes without waiting, terminals are restored. The human monitors go
 * before the machine, QMP's with the hooks after it. */
void hmp_monitors_cleanup(void);
void monitor_cleanup(void);

/* One line of the human monitor; the output is appended to out. */
void hmp_execute(const char *line, GString *out);

/* The QMP command that is running took a file descriptor from its peer: the oldest that came with the request, -1:
 * none. */
int monitor_take_fd(void);

#endif
