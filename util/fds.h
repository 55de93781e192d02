/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors that a management program hands over: by name (QMP getfd) and in numbered sets (-add-fd, QMP add-fd), and the
 * opening of files that may be such a set ("/dev/fdset/N"). Under the VM lock, in the main thread.
 */
#ifndef UTIL_FDS_H
#define UTIL_FDS_H

#include "util/json.h"

/* By name. put takes fd and replaces (and closes) one of the same name; take hands it to the caller, -1 where absent. */
void fd_name_put(const char *name, int fd);
int fd_name_take(const char *name);
bool fd_name_close(const char *name, Error **errp); /* QMP closefd */
/* "7", a number that the process inherited, or the name of one given by getfd; the caller owns it. -1 on error. */
int fd_parse(const char *text, Error **errp);

/* Sets. add takes fd; set_id negative: a new set. Returns the set's number, -1 on error. opaque may be NULL. */
int64_t fdset_add(int64_t set_id, int fd, const char *opaque, Error **errp);
bool fdset_remove(int64_t set_id, int64_t fd, Error **errp); /* fd negative: all of the set */
Json *fdset_query(void);                                     /* query-fdsets's reply */
/* open(2) with O_CLOEXEC; "/dev/fdset/N" gives a duplicate of the set's member whose access mode fits. Returns -errno on failure. */
int file_open(const char *path, int flags, unsigned mode);

#endif
