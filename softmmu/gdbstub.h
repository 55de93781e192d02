/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The debugger's end of the machine: gdb's remote protocol on a character device (-gdb, -s, `gdbserver`). One at a
 * time. */
#ifndef SOFTMMU_GDBSTUB_H
#define SOFTMMU_GDBSTUB_H

#include "util/error.h"

/* Listen on a device in the form of -serial ("tcp::1234", "stdio", "chardev:ID"), in place of what was; "none": no
 * more. The CPUs are there. */
bool gdbstub_start(const char *device, Error **errp);
void gdbstub_cleanup(int status); /* the process ends with this status: gdb hears of it */
/* gdb is on the terminal: SIGINT is its interrupt. Signal-safe; false: it is not. */
bool gdbstub_take_sigint(void);

#endif
