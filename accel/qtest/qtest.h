/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -qtest: a server that drives the machine in place of vCPUs; the protocol is in qtest.c. */
#ifndef ACCEL_QTEST_QTEST_H
#define ACCEL_QTEST_QTEST_H

#include "accel/accel.h"

extern const AccelDesc accel_qtest;

/* chardev_text: as -serial takes it ("unix:PATH", "stdio", "chardev:ID"); log: a file that gets each line with its time, NULL: stderr.
 * Called once the chardevs of the command line exist; commands are answered from then on by the main loop. */
bool qtest_server_init(const char *chardev_text, const char *log, Error **errp);
/* One command's answer, with its newline, into out: what the server does with a line. Under the VM lock. */
void qtest_answer(const char *line, GString *out);
bool qtest_enabled(void); /* -accel qtest is in use: the virtual clock stands still, no vCPU runs */

#endif
