/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Back ends that are a pair of descriptors: null (none), file, pipe; and what stdio and the host's ports build on.
 *
 * At the end of input the front end hears CHAR_CLOSED; output goes on (a script piped into -qmp stdio still wants its
 * answers).
 */
#include "chardev/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib-unix.h>

#include "util/fds.h"

ssize_t fd_chardev_write(Chardev *c, const uint8_t *buf, size_t len)
{
    FdChardev *f = (FdChardev *)c;
    if (f->out < 0)
        return len;
    if (f->out_careful) {
        /* A pipe with room takes PIPE_BUF bytes without blocking. */
        struct pollfd p = {.fd = f->out, .events = POLLOUT};
        if (poll(&p, 1, 0) == 0)
            return 0;
        len = MIN(len, PIPE_BUF);
    }
    for (;;) {
        ssize_t n = f->out_socket ? send(f->out, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) : write(f->out, buf, len);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

int fd_chardev_write_fd(Chardev *c)
{
    return ((FdChardev *)c)->out;
}

static gboolean fd_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    FdChardev *f = opaque;
    uint8_t buf[4096];
    size_t room = MIN(char_can_receive(&f->c), sizeof(buf));
    if (!room) {
        f->in_id = 0;
        return G_SOURCE_REMOVE;
    }
    ssize_t n = read(fd, buf, room);
    if (n <= 0 && (f->datagram || (n < 0 && (errno == EAGAIN || errno == EINTR))))
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        f->in_id = 0;
        f->eof = true;
        char_event(&f->c, CHAR_CLOSED);
        return G_SOURCE_REMOVE;
    }
    char_input(&f->c, buf, n);
    return G_SOURCE_CONTINUE;
}

void fd_chardev_update(Chardev *c)
{
    FdChardev *f = (FdChardev *)c;
    bool want = f->in >= 0 && !f->eof && char_can_receive(c) > 0;
    if (want && !f->in_id)
        f->in_id = g_unix_fd_add(f->in, G_IO_IN | G_IO_HUP | G_IO_ERR, fd_readable, f);
    else if (!want && f->in_id) {
        g_source_remove(f->in_id);
        f->in_id = 0;
    }
}

void fd_chardev_start(FdChardev *f, int in, int out)
{
    f->in = in;
    f->out = out;
    f->out_socket = out >= 0 && fcntl(out, F_GETFL) >= 0 && !(fcntl(out, F_GETFL) & O_NONBLOCK) &&
                    getsockopt(out, SOL_SOCKET, SO_TYPE, &(int){0}, &(socklen_t){sizeof(int)}) == 0;
    f->started = f->c.open = true;
}

void fd_chardev_close(Chardev *c)
{
    FdChardev *f = (FdChardev *)c;
    if (f->in_id)
        g_source_remove(f->in_id);
    f->in_id = 0;
    if (!f->borrowed && f->started) {
        if (f->in >= 0)
            close(f->in);
        if (f->out >= 0 && f->out != f->in)
            close(f->out);
    }
    f->in = f->out = -1;
}

static bool open_or_error(const char *path, int flags, int *out, Error **errp)
{
    int fd = file_open(path, flags, 0666);
    if (fd < 0)
        return error_set_errno(errp, -fd, "Could not open '%s'", path);
    *out = fd;
    return true;
}

static bool null_open(Chardev *c, const Json *opts, Error **errp)
{
    c->open = true;
    return true;
}

static bool file_chardev_open(Chardev *c, const Json *opts, Error **errp)
{
    const char *path = opt_str(opts, "path"), *input = opt_str(opts, "input-path");
    bool append = false;
    int in = -1, out = -1;
    if (!path)
        return error_set(errp, "chardev: file: no filename given");
    if (!opt_bool(opts, "append", &append, errp))
        return false;
    if (input && !open_or_error(input, O_RDONLY | O_NONBLOCK, &in, errp))
        return false;
    if (!open_or_error(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), &out, errp)) {
        if (in >= 0)
            close(in);
        return false;
    }
    fd_chardev_start((FdChardev *)c, in, out);
    return true;
}

/* A pair of FIFOs PATH.in and PATH.out, or one thing to read and write. Opened for both ways: nobody's open has to be
 * waited for, and a peer that goes and comes back finds it as it was. */
static bool pipe_open(Chardev *c, const Json *opts, Error **errp)
{
    const char *path = opt_str(opts, "path");
    if (!path)
        return error_set(errp, "chardev: pipe: no device path given");
    g_autofree char *in_path = g_strconcat(path, ".in", NULL), *out_path = g_strconcat(path, ".out", NULL);
    int in = file_open(in_path, O_RDWR | O_NONBLOCK, 0), out = file_open(out_path, O_RDWR | O_NONBLOCK, 0);
    if (in < 0 || out < 0) {
        if (in >= 0)
            close(in);
        if (out >= 0)
            close(out);
        if (!open_or_error(path, O_RDWR | O_NONBLOCK, &in, errp))
            return false;
        out = in;
    }
    fd_chardev_start((FdChardev *)c, in, out);
    return true;
}

const CharDriver chardev_null = {
    .name = "null",
    .summary = "drops output, has no input",
    .size = sizeof(Chardev),
    .open = null_open,
};

const CharDriver chardev_file = {
    .name = "file",
    .summary = "output to a file, input from another",
    .size = sizeof(FdChardev),
    .options = (const char *const[]){"path", "append", "input-path", NULL},
    .open = file_chardev_open,
    .close = fd_chardev_close,
    .write = fd_chardev_write,
    .write_fd = fd_chardev_write_fd,
    .update = fd_chardev_update,
};

const CharDriver chardev_pipe = {
    .name = "pipe",
    .summary = "a pair of FIFOs",
    .size = sizeof(FdChardev),
    .options = (const char *const[]){"path", NULL},
    .open = pipe_open,
    .close = fd_chardev_close,
    .write = fd_chardev_write,
    .write_fd = fd_chardev_write_fd,
    .update = fd_chardev_update,
};
