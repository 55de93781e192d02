/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdio: the process's standard input and output. A terminal is put into raw mode (no echo, no line editing; with
 * signal=off no signals from Ctrl-C either) and given back at exit, on a fatal signal, and taken again when a stopped
 * process goes on.
 */
#include "chardev/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved, raw; /* set before a handler can see raw_mode */
static volatile sig_atomic_t raw_mode;
static bool in_use;

/* tcsetattr from a background job would stop the process: it gets the terminal when SIGCONT comes. Signal-safe. */
static void terminal_set(const struct termios *t)
{
    if (tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, t);
}

static void on_continue(int sig)
{
    int err = errno;
    if (raw_mode)
        terminal_set(&raw);
    errno = err;
}

/* Installed with SA_RESETHAND: returning from it runs into the same signal with its default action. */
static void on_fatal(int sig)
{
    if (raw_mode)
        terminal_set(&saved);
    raise(sig);
}

static void handle(int sig, void (*fn)(int), int flags)
{
    struct sigaction old, act = {.sa_handler = fn, .sa_flags = flags};
    if (sigaction(sig, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) && old.sa_handler == SIG_DFL)
        sigaction(sig, &act, NULL);
}

static void terminal_raw(bool with_signals)
{
    if (tcgetattr(STDIN_FILENO, &saved) < 0)
        return; /* no terminal */
    raw = saved;
    raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST;
    raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!with_signals)
        raw.c_lflag &= ~ISIG;
    raw.c_cflag = (raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw_mode = true;
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    for (unsigned i = 0; i < ARRAY_SIZE(fatal); i++)
        handle(fatal[i], on_fatal, SA_RESETHAND | SA_NODEFER);
    handle(SIGCONT, on_continue, SA_RESTART);
    terminal_set(&raw);
}

/* Output that never blocks, without O_NONBLOCK on a description that the shell and stderr share: a description of our
 * own where there is a path to it. */
static int own_output(FdChardev *f)
{
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) < 0)
        return -1;
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        f->out_careful = true;
    }
    return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
}

static bool stdio_open(Chardev *c, const Json *opts, Error **errp)
{
    FdChardev *f = (FdChardev *)c;
    bool with_signals = true;
    if (!opt_bool(opts, "signal", &with_signals, errp))
        return false;
    if (chardev_daemonized)
        return error_set(errp, "cannot use stdio with -daemonize");
    if (in_use)
        return error_set(errp, "cannot use stdio by multiple character devices");
    in_use = true;
    int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0), out;
    fflush(stdout);
    out = own_output(f);
    terminal_raw(with_signals);
    fd_chardev_start(f, in, out);
    return true;
}

static void stdio_close(Chardev *c)
{
    if (!((FdChardev *)c)->started)
        return;
    fd_chardev_close(c);
    if (raw_mode)
        terminal_set(&saved);
    raw_mode = false;
    in_use = false;
}

const CharDriver chardev_stdio = {
    .name = "stdio",
    .summary = "standard input and output",
    .size = sizeof(FdChardev),
    .options = (const char *const[]){"signal", NULL},
    .open = stdio_open,
    .close = stdio_close,
    .write = fd_chardev_write,
    .write_fd = fd_chardev_write_fd,
    .update = fd_chardev_update,
};
