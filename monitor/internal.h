/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this folder share. */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "monitor/monitor.h"

bool qmp_monitor_new(Chardev *chr, bool pretty, Error **errp);
bool hmp_monitor_new(Chardev *chr, Error **errp);
void qmp_monitors_cleanup(void);
/* hmp_execute() with a CPU for x, registers and translations; -1: the first. */
void hmp_execute_on(const char *line, int cpu_index, GString *out);
void pci_print(GString *out);                      /* `info pci` */
void qmp_broadcast(const char *event, Json *data); /* event_hook */

/*
 * What a monitor writes and its peer has not taken yet. The monitor takes no more input while more than
 * MONITOR_OUT_LIMIT waits, so that a peer that does not read stops itself; one reply may go over it. Over
 * MONITOR_OUT_MAX, which only events can reach, further events are dropped.
 */
#define MONITOR_OUT_LIMIT (64 * KIB)
#define MONITOR_OUT_MAX   (16 * MIB)
typedef struct MonitorOut {
    CharFrontend *fe;
    GString *buf;
    unsigned watch;                /* 0: not waiting */
    void (*drained)(void *opaque); /* less than the limit waits again */
    void *opaque;
} MonitorOut;
void monitor_out_init(MonitorOut *o, CharFrontend *fe, void (*drained)(void *opaque), void *opaque);
void monitor_out_write(MonitorOut *o, const char *text, size_t len);
void monitor_append_text(GString *to, const char *text);      /* each "\n" becomes "\r\n" */
void monitor_out_write_text(MonitorOut *o, const char *text); /* the same */
bool monitor_out_full(const MonitorOut *o);
bool monitor_out_overflown(const MonitorOut *o);
void monitor_out_clear(MonitorOut *o);
void monitor_out_finish(MonitorOut *o); /* at exit: the rest goes as far as it goes */

#endif
