/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pty: the master side of a pseudo terminal. A peer is there while some process has the other side open; the kernel
 * tells of its closing (POLLHUP), not of its opening: inotify does. Where that is not to be had it is looked at once a
 * second.
 */
#include "chardev/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#include <glib-unix.h>

typedef struct PtyChardev {
    Chardev c;
    int fd; /* -1: not open */
    char *path;
    int notify_fd; /* inotify; -1: none */
    unsigned in_id, poll_id;
} PtyChardev;

static bool slave_open(const PtyChardev *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static ssize_t pty_write(Chardev *c, const uint8_t *buf, size_t len)
{
    PtyChardev *s = container_of(c, PtyChardev, c);
    for (;;) {
        ssize_t n = write(s->fd, buf, len);
        if (n >= 0)
            return n;
        if (errno == EIO)
            return len; /* nobody there any more: the next poll finds out */
        if (errno == EAGAIN)
            return slave_open(s) ? 0 : (ssize_t)len;
        if (errno != EINTR)
            return -errno;
    }
}

static int pty_write_fd(Chardev *c)
{
    return container_of(c, PtyChardev, c)->fd;
}

static gboolean pty_readable(gint fd, GIOCondition cond, gpointer opaque);

static void pty_update(Chardev *c)
{
    PtyChardev *s = container_of(c, PtyChardev, c);
    bool want = c->open && char_can_receive(c) > 0;
    if (want && !s->in_id) {
        s->in_id = g_unix_fd_add(s->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, pty_readable, s);
    } else if (!want && s->in_id) {
        g_source_remove(s->in_id);
        s->in_id = 0;
    }
}

static void pty_check(PtyChardev *s)
{
    bool open = slave_open(s);
    if (open == s->c.open)
        return;
    if (!open && s->in_id) {
        g_source_remove(s->in_id);
        s->in_id = 0;
    }
    char_set_connected(&s->c, open);
    pty_update(&s->c);
}

static gboolean pty_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    PtyChardev *s = opaque;
    uint8_t buf[4096];
    size_t room = MIN(char_can_receive(&s->c), sizeof(buf));
    if (!room) {
        s->in_id = 0;
        return G_SOURCE_REMOVE;
    }
    ssize_t n = read(fd, buf, room);
    if (n > 0)
        char_input(&s->c, buf, n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        pty_check(s);
    return G_SOURCE_CONTINUE;
}

static gboolean pty_poll(gpointer opaque)
{
    pty_check(opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean pty_notified(gint fd, GIOCondition cond, gpointer opaque)
{
    char events[1024];
    while (read(fd, events, sizeof(events)) > 0)
        ;
    pty_check(opaque);
    return G_SOURCE_CONTINUE;
}

static void watch_opening(PtyChardev *s)
{
    s->notify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (s->notify_fd >= 0 && inotify_add_watch(s->notify_fd, s->path, IN_OPEN | IN_CLOSE) >= 0) {
        s->poll_id = g_unix_fd_add(s->notify_fd, G_IO_IN, pty_notified, s);
        return;
    }
    s->poll_id = g_timeout_add_seconds(1, pty_poll, s);
}

static bool pty_open(Chardev *c, const Json *opts, Error **errp)
{
    PtyChardev *s = container_of(c, PtyChardev, c);
    char name[64];
    s->notify_fd = -1;
    s->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0 || grantpt(s->fd) < 0 || unlockpt(s->fd) < 0 || ptsname_r(s->fd, name, sizeof(name)) != 0)
        return error_set_errno(errp, errno, "chardev: pty: failed to open a pseudo terminal");
    /* Raw, so that what is written before a peer sets the modes of its own does not come back as an echo. */
    int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios t;
    if (slave >= 0 && tcgetattr(slave, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(slave, TCSAFLUSH, &t);
    }
    if (slave >= 0)
        close(slave);
    s->path = g_strdup(name);
    watch_opening(s);
    /* Programs read this line. */
    printf("char device redirected to %s (label %s)\n", s->path, c->id);
    fflush(stdout);
    return true;
}

static void pty_close(Chardev *c)
{
    PtyChardev *s = container_of(c, PtyChardev, c);
    if (s->poll_id)
        g_source_remove(s->poll_id);
    if (s->in_id)
        g_source_remove(s->in_id);
    if (s->notify_fd >= 0)
        close(s->notify_fd);
    if (s->fd >= 0)
        close(s->fd);
    g_free(s->path);
}

static char *pty_filename(Chardev *c)
{
    return g_strdup_printf("pty:%s", container_of(c, PtyChardev, c)->path);
}

const CharDriver chardev_pty = {
    .name = "pty",
    .summary = "a new pseudo terminal",
    .size = sizeof(PtyChardev),
    .open = pty_open,
    .close = pty_close,
    .write = pty_write,
    .write_fd = pty_write_fd,
    .update = pty_update,
    .filename = pty_filename,
};
