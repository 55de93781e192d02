/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main: options, daemonizing, the main loop, the end. The only file that ends the process.
 *
 * -daemonize forks before anything is opened that belongs to a process or has threads (/dev/kvm, RCU's reclaim thread,
 * workers); the parent leaves when the child says that everything listens and the pidfile is written.
 */
#include "softmmu/options.h"

#include "block/drive.h"
#include "chardev/chardev.h"
#include "monitor/monitor.h"
#include "softmmu/gdbstub.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include "ui/console.h"
#include "ui/vnc.h"
#include "util/rcu.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *pidfile; /* absolute; removed at the end */
static int daemon_pipe = -1;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
    /* Only what is safe in a handler: the request is an atomic store, the wake-up a write. */
    if (sig == SIGINT && gdbstub_take_sigint())
        return;
    static const char *const names[] = {[SIGHUP] = "1", [SIGINT] = "2", [SIGTERM] = "15"};
    int saved = errno;
    char msg[96];
    int n = 0;
    const char *head = "qemu-system-x86_64: terminating on signal ";
    for (const char *p = head; *p; p++)
        msg[n++] = *p;
    for (const char *p = names[sig]; *p; p++)
        msg[n++] = *p;
    if (info->si_code == SI_USER) {
        char digits[12];
        int d = 0;
        for (const char *p = " from pid "; *p; p++)
            msg[n++] = *p;
        for (unsigned pid = info->si_pid; pid || !d; pid /= 10)
            digits[d++] = '0' + pid % 10;
        while (d)
            msg[n++] = digits[--d];
    }
    msg[n++] = '\n';
    if (write(STDERR_FILENO, msg, n) < 0)
        errno = 0;
    system_shutdown_request(CAUSE_HOST_SIGNAL);
    errno = saved;
}

static void catch_signals(void)
{
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Returns in the child; the parent waits for its word and ends with its status. */
static bool daemonize(Error **errp)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return error_set_errno(errp, errno, "-daemonize: cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0)
        return error_set_errno(errp, errno, "-daemonize: cannot fork");
    if (pid) {
        close(fds[1]);
        uint8_t status = 1;
        ssize_t n;
        while ((n = read(fds[0], &status, 1)) < 0 && errno == EINTR)
            ;
        _exit(n == 1 ? status : 1);
    }
    close(fds[0]);
    setsid();
    pid = fork(); /* not a session's leader: never gets a controlling terminal */
    if (pid < 0)
        _exit(1);
    if (pid)
        _exit(0);
    umask(027);
    daemon_pipe = fds[1];
    chardev_daemonized = true;
    return true;
}

static bool daemonize_done(Error **errp)
{
    if (daemon_pipe < 0)
        return true;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return error_set_errno(errp, errno, "-daemonize: cannot open /dev/null");
    if (chdir("/") < 0)
        return error_set_errno(errp, errno, "-daemonize: cannot go to /");
    uint8_t ok = 0;
    if (write(daemon_pipe, &ok, 1) != 1)
        return error_set_errno(errp, errno, "-daemonize: the parent is gone");
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (!option_given(OPT_LOG) || option_given(OPT_LOG_FILE))
        dup2(null, STDERR_FILENO);
    close(null);
    close(daemon_pipe);
    daemon_pipe = -1;
    return true;
}

static bool write_pidfile(const char *path, Error **errp)
{
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(errp, errno, "-pidfile %s: cannot write", path);
    /* The lock tells a second process with the same file; it lasts as long as we do. */
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        int err = errno;
        close(fd);
        if (err == EAGAIN || err == EACCES)
            return error_set(errp, "-pidfile %s: in use by another process that is still running", path);
        return error_set_errno(errp, err, "-pidfile %s: cannot lock", path);
    }
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    ssize_t len = strlen(text);
    if (ftruncate(fd, 0) < 0 || write(fd, text, len) != len) {
        int err = errno;
        close(fd);
        return error_set_errno(errp, err, "-pidfile %s: cannot write", path);
    }
    pidfile = g_canonicalize_filename(path, NULL);
    return true; /* fd stays open, for the lock */
}

static void fail(Error *err)
{
    error_report_err(err);
    display_exit();
    chardev_cleanup();
    if (pidfile)
        unlink(pidfile);
    exit(1);
}

int main(int argc, char **argv)
{
    Error *err = NULL;
    error_init(argv[0]);
    if (!options_parse(argc, argv, &err) || !startup_early(&err))
        fail(err);
    if (option_given(OPT_DAEMONIZE) && !daemonize(&err))
        fail(err);
    catch_signals();
    rcu_thread_register();
    mainloop_init();
    const Option *pid = option_last(OPT_PIDFILE);
    if (pid && !write_pidfile(pid->arg, &err))
        fail(err);
    if (!startup_machine(&err) || !daemonize_done(&err))
        fail(err);
    if (!option_given(OPT_STOPPED))
        vm_start();

    int status = 0;
    while (!runstate_turn(&status))
        mainloop_run_once(true);

    /* The end: no vCPU runs any more; what devices and back ends hold is written and given back. */
    vcpus_pause();
    gdbstub_cleanup(status);
    hmp_monitors_cleanup(); /* else one that shares a mux gets the terminal when the serial port goes, and greets */
    startup_cleanup();
    block_cleanup();
    monitor_cleanup();
    vnc_stop();
    display_exit();
    chardev_cleanup();
    if (pidfile)
        unlink(pidfile);
    exit(status);
}
