/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct NamedFd {
    char *name;
    int fd;
} NamedFd;

typedef struct SetFd {
    int fd;
    char *opaque;
} SetFd;

typedef struct FdSet {
    int64_t id;
    GArray *fds; /* of SetFd */
} FdSet;

#define FDS_MAX 1024 /* members of one set */

static GArray *named; /* of NamedFd */
static GArray *sets;  /* of FdSet, by id */

static NamedFd *named_find(const char *name, unsigned *index)
{
    for (unsigned i = 0; named && i < named->len; i++) {
        NamedFd *n = &g_array_index(named, NamedFd, i);
        if (!strcmp(n->name, name)) {
            *index = i;
            return n;
        }
    }
    return NULL;
}

void fd_name_put(const char *name, int fd)
{
    unsigned i;
    NamedFd *old = named_find(name, &i);
    if (old) {
        close(old->fd);
        old->fd = fd;
        return;
    }
    if (!named)
        named = g_array_new(false, false, sizeof(NamedFd));
    NamedFd n = {g_strdup(name), fd};
    g_array_append_val(named, n);
}

int fd_name_take(const char *name)
{
    unsigned i;
    NamedFd *n = named_find(name, &i);
    if (!n)
        return -1;
    int fd = n->fd;
    g_free(n->name);
    g_array_remove_index(named, i);
    return fd;
}

bool fd_name_close(const char *name, Error **errp)
{
    int fd = fd_name_take(name);
    if (fd < 0)
        return error_set(errp, "File descriptor named '%s' not found", name);
    close(fd);
    return true;
}

int fd_parse(const char *text, Error **errp)
{
    if (g_ascii_isdigit(text[0])) {
        char *end;
        errno = 0;
        long fd = strtol(text, &end, 10);
        if (errno || *end || fd > INT_MAX) {
            error_set(errp, "Unable to parse FD number %s", text);
            return -1;
        }
        if (fcntl(fd, F_GETFD) < 0) {
            error_set_errno(errp, errno, "File descriptor %ld was not inherited", fd);
            return -1;
        }
        return fd;
    }
    int fd = fd_name_take(text);
    if (fd < 0)
        error_set(errp, "File descriptor named '%s' has not been found", text);
    return fd;
}

static FdSet *set_find(int64_t id, unsigned *index)
{
    for (unsigned i = 0; sets && i < sets->len; i++) {
        FdSet *s = &g_array_index(sets, FdSet, i);
        if (s->id == id) {
            *index = i;
            return s;
        }
    }
    return NULL;
}

int64_t fdset_add(int64_t set_id, int fd, const char *opaque, Error **errp)
{
    unsigned at;
    if (!sets)
        sets = g_array_new(false, false, sizeof(FdSet));
    FdSet *s = set_id < 0 ? NULL : set_find(set_id, &at);
    if (!s) {
        /* The list is in order of id; a new set takes the lowest that is free. */
        int64_t id = set_id < 0 ? 0 : set_id;
        for (at = 0; at < sets->len; at++) {
            int64_t other = g_array_index(sets, FdSet, at).id;
            if (other > id)
                break;
            if (set_id < 0 && other == id)
                id++;
        }
        FdSet n = {id, g_array_new(false, false, sizeof(SetFd))};
        g_array_insert_val(sets, at, n);
        s = &g_array_index(sets, FdSet, at);
    }
    if (s->fds->len >= FDS_MAX) {
        error_set(errp, "File descriptor set %" PRId64 " is full (%d)", s->id, FDS_MAX);
        return -1;
    }
    SetFd m = {fd, g_strdup(opaque)};
    g_array_append_val(s->fds, m);
    return s->id;
}

bool fdset_remove(int64_t set_id, int64_t fd, Error **errp)
{
    unsigned at;
    FdSet *s = set_find(set_id, &at);
    bool found = s && fd < 0;
    for (unsigned i = s ? s->fds->len : 0; i-- > 0;) {
        SetFd *m = &g_array_index(s->fds, SetFd, i);
        if (fd >= 0 && m->fd != fd)
            continue;
        found = true;
        close(m->fd);
        g_free(m->opaque);
        g_array_remove_index(s->fds, i);
    }
    if (!found) {
        g_autofree char *which = fd < 0 ? g_strdup_printf("fdset-id:%" PRId64, set_id)
                                        : g_strdup_printf("fdset-id:%" PRId64 ", fd:%" PRId64, set_id, fd);
        return error_set(errp, "File descriptor named '%s' not found", which);
    }
    if (s->fds->len == 0) {
        g_array_free(s->fds, true);
        g_array_remove_index(sets, at);
    }
    return true;
}

Json *fdset_query(void)
{
    Json *list = json_array();
    for (unsigned i = 0; sets && i < sets->len; i++) {
        FdSet *s = &g_array_index(sets, FdSet, i);
        Json *o = json_object(), *fds = json_array();
        json_set_int(o, "fdset-id", s->id);
        for (unsigned k = 0; k < s->fds->len; k++) {
            SetFd *m = &g_array_index(s->fds, SetFd, k);
            Json *e = json_object();
            json_set_int(e, "fd", m->fd);
            if (m->opaque)
                json_set_str(e, "opaque", m->opaque);
            json_append(fds, e);
        }
        json_set(o, "fds", fds);
        json_append(list, o);
    }
    return list;
}

static int set_dup(const char *number, int flags)
{
    char *end;
    errno = 0;
    int64_t id = strtoll(number, &end, 10);
    unsigned at;
    FdSet *s = errno || *end || !*number ? NULL : set_find(id, &at);
    if (!s)
        return -ENOENT;
    for (unsigned k = 0; k < s->fds->len; k++) {
        int fd = g_array_index(s->fds, SetFd, k).fd, have = fcntl(fd, F_GETFL);
        if (have < 0 || (have & O_ACCMODE) != (flags & O_ACCMODE))
            continue;
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
            return -errno;
        /* The status flags that may change on an open description; O_TRUNC and O_CREAT are the giver's business. */
        int set = O_APPEND | O_NONBLOCK;
        if (((have ^ flags) & set) && fcntl(copy, F_SETFL, (have & ~set) | (flags & set)) < 0) {
            int err = -errno;
            close(copy);
            return err;
        }
        return copy;
    }
    return -EACCES;
}

int file_open(const char *path, int flags, unsigned mode)
{
    if (g_str_has_prefix(path, "/dev/fdset/"))
        return set_dup(path + strlen("/dev/fdset/"), flags);
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}
