/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start a binary and talk to its qtest and QMP sockets. The walk is in walk.c. */
#include "tests/qtest/libqtest.h"

#include "tests/qtest/libqtest-internal.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_S 30
#define IRQS      256

struct QTest {
    char *binary, *args;
    pid_t pid;
    bool debian, clock;
    int fd, qmp_fd;
    GString *in; /* from the qtest socket: what is not taken yet, from in_done on */
    size_t in_done;
    JsonReader *reader;
    GQueue replies, events; /* of Json */
    bool irq[IRQS];
    unsigned raises[IRQS];
};

/* The binary's end */

static void PRINTF_LIKE(2, 3) die(QTest *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    int status;
    if (waitpid(q->pid, &status, WNOHANG) == q->pid) {
        if (WIFSIGNALED(status))
            g_error("%s (%s %s): it died of signal %d", msg, q->binary, q->args, WTERMSIG(status));
        g_error("%s (%s %s): it exited with status %d", msg, q->binary, q->args, WEXITSTATUS(status));
    }
    kill(q->pid, SIGKILL);
    g_error("%s (%s %s)", msg, q->binary, q->args);
}

const char *qtest_binary(void)
{
    const char *b = g_getenv("QTEST_QEMU_BINARY");
    return b && *b ? b : "build/qemu-system-x86_64";
}

static int listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    g_strlcpy(a.sun_path, path, sizeof(a.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 1) < 0)
        g_error("cannot listen at %s: %s", path, g_strerror(errno));
    return fd;
}

static int accept_from(QTest *q, int listener)
{
    for (int i = 0; i < TIMEOUT_S * 20; i++) {
        struct pollfd p = {listener, POLLIN, 0};
        if (poll(&p, 1, 50) > 0) {
            int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0)
                die(q, "accept: %s", g_strerror(errno));
            close(listener);
            return fd;
        }
        siginfo_t si = {0};
        if (!waitid(P_PID, (id_t)q->pid, &si, WEXITED | WNOHANG | WNOWAIT) && si.si_pid)
            break;
    }
    die(q, "the binary did not connect");
    return -1;
}

/* One read from fd, at most TIMEOUT_S away; 0 at the end. */
static size_t read_some(QTest *q, int fd, char *buf, size_t size, const char *what)
{
    struct pollfd p = {fd, POLLIN, 0};
    int r;
    while ((r = poll(&p, 1, TIMEOUT_S * 1000)) < 0 && errno == EINTR)
        ;
    if (!r)
        die(q, "no answer in %d s to: %s", TIMEOUT_S, what);
    ssize_t n = read(fd, buf, size);
    if (n <= 0 && !(n < 0 && errno == ECONNRESET))
        n = 0;
    return n > 0 ? (size_t)n : 0;
}

static void write_all(QTest *q, int fd, const char *buf, size_t len)
{
    while (len) {
        ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            die(q, "the connection is gone");
        buf += n;
        len -= (size_t)n;
    }
}

static void got_json(void *opaque, Json *val, Error *err)
{
    QTest *q = opaque;
    if (err)
        die(q, "QMP sent bad JSON: %s", error_text(err));
    g_queue_push_tail(json_get(val, "event") ? &q->events : &q->replies, val);
}

static bool has_option(char **argv, const char *name)
{
    for (; *argv; argv++)
        if (!strcmp(*argv, name) || (**argv == '-' && !strcmp(*argv + 1, name)))
            return true;
    return false;
}

QTest *qtest_start_binary(const char *binary, const char *args)
{
    QTest *q = g_new0(QTest, 1);
    q->binary = g_strdup(binary);
    q->args = g_strdup(args);
    q->debian = !strcmp(binary, DEBIAN_BINARY) || g_getenv("QTEST_REFERENCE");
    q->in = g_string_new(NULL);
    g_autofree char *dir = g_dir_make_tmp("qtest-XXXXXX", NULL);
    g_assert_nonnull(dir);
    g_autofree char *qtest_path = g_build_filename(dir, "qtest", NULL);
    g_autofree char *qmp_path = g_build_filename(dir, "qmp", NULL);
    int qtest_l = listen_at(qtest_path), qmp_l = listen_at(qmp_path);

    g_auto(GStrv) given = NULL;
    GError *bad = NULL;
    if (*args && !g_shell_parse_argv(args, NULL, &given, &bad))
        g_error("%s: %s", args, bad->message);
    char *none[] = {NULL};
    char **g = given ? given : none;
    bool own_accel = has_option(g, "-accel");
    q->clock = !q->debian && !own_accel;
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
#define ARG(...) g_ptr_array_add(argv, g_strdup_printf(__VA_ARGS__))
    ARG("%s", binary);
    ARG("-qtest");
    ARG("unix:%s", qtest_path);
    ARG("-qtest-log");
    ARG("%s", g_getenv("QTEST_LOG") ? "/dev/stderr" : "none");
    ARG("-chardev");
    ARG("socket,path=%s,id=char0", qmp_path);
    ARG("-mon");
    ARG("chardev=char0,mode=control");
    if (!has_option(g, "-display") && !has_option(g, "-nographic")) {
        ARG("-display");
        ARG("none");
    }
    for (char **a = g; *a; a++)
        ARG("%s", *a);
    if (!own_accel) {
        ARG("-accel");
        ARG("%s", q->debian ? "tcg" : "qtest");
        if (q->debian && !has_option(g, "-S"))
            ARG("-S");
    }
#undef ARG
    g_ptr_array_add(argv, NULL);
    pid_t parent = getpid();
    q->pid = fork();
    if (!q->pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        execvp(binary, (char **)argv->pdata);
        fprintf(stderr, "cannot run %s: %s\n", binary, g_strerror(errno));
        _exit(127);
    }
    q->fd = accept_from(q, qtest_l);
    q->qmp_fd = accept_from(q, qmp_l);
    g_unlink(qtest_path);
    g_unlink(qmp_path);
    g_rmdir(dir);
    q->reader = json_reader_new(got_json, q);
    char buf[4096];
    while (g_queue_is_empty(&q->replies)) { /* the greeting */
        size_t n = read_some(q, q->qmp_fd, buf, sizeof(buf), "the greeting");
        if (!n)
            die(q, "QMP closed the connection");
        json_reader_feed(q->reader, buf, n);
    }
    json_unref(g_queue_pop_head(&q->replies));
    json_unref(qtest_qmp(q, "{\"execute\": \"qmp_capabilities\"}"));
    return q;
}

QTest *qtest_start(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return qtest_start_binary(qtest_binary(), args);
}

static void release(QTest *q)
{
    close(q->fd);
    close(q->qmp_fd);
    json_reader_free(q->reader);
    g_queue_clear_full(&q->replies, (GDestroyNotify)json_unref);
    g_queue_clear_full(&q->events, (GDestroyNotify)json_unref);
    g_string_free(q->in, true);
    g_free(q->binary);
    g_free(q->args);
    g_free(q);
}

int qtest_wait_exit(QTest *q)
{
    int status;
    for (int i = 0; i < TIMEOUT_S * 200; i++) {
        pid_t r = waitpid(q->pid, &status, WNOHANG);
        if (r == q->pid) {
            release(q);
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        }
        g_usleep(5000);
    }
    die(q, "it does not exit");
    return -1;
}

void qtest_quit(QTest *q)
{
    g_autofree char *what = g_strdup_printf("%s %s", q->binary, q->args);
    kill(q->pid, SIGTERM);
    int status = qtest_wait_exit(q);
    if (status)
        g_error("%s: exit status %d", what, status);
}

void qtest_kill(QTest *q)
{
    kill(q->pid, SIGKILL);
    waitpid(q->pid, NULL, 0);
    release(q);
}

bool qtest_has_clock(const QTest *q)
{
    return q->clock;
}

bool qtest_is_debian(const QTest *q)
{
    return q->debian;
}

pid_t qtest_pid(const QTest *q)
{
    return q->pid;
}

/* The qtest protocol */

void qtest_send(QTest *q, const char *line)
{
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    write_all(q, q->fd, text, strlen(text));
}

static char *next_line(QTest *q, const char *what)
{
    char *end;
    while (!(end = memchr(q->in->str + q->in_done, '\n', q->in->len - q->in_done))) {
        g_string_erase(q->in, 0, (gssize)q->in_done);
        q->in_done = 0;
        char buf[16384];
        size_t n = read_some(q, q->fd, buf, sizeof(buf), what);
        if (!n)
            die(q, "the qtest connection was closed; last: %s", what);
        g_string_append_len(q->in, buf, (gssize)n);
    }
    char *start = q->in->str + q->in_done;
    q->in_done = (size_t)(end + 1 - q->in->str);
    return g_strndup(start, (gsize)(end - start));
}

char *qtest_receive(QTest *q, const char *what)
{
    for (;;) {
        char *line = next_line(q, what);
        unsigned n;
        bool raise = g_str_has_prefix(line, "IRQ raise ");
        if (!raise && !g_str_has_prefix(line, "IRQ lower "))
            return line;
        n = (unsigned)strtoul(line + strlen("IRQ raise "), NULL, 10);
        g_free(line);
        if (n >= IRQS)
            die(q, "IRQ %u is more than this library counts", n);
        q->irq[n] = raise;
        q->raises[n] += raise;
    }
}

char *qtest_command(QTest *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qtest_send(q, line);
    return qtest_receive(q, line);
}

uint64_t qtest_value(QTest *q, const char *answer, const char *what)
{
    char *end;
    uint64_t v = 0;
    if (!g_str_has_prefix(answer, "OK"))
        die(q, "%s: %s", what, answer);
    if (answer[2])
        v = strtoull(answer + 3, &end, 0);
    return v;
}

/* A command that must be answered by OK; its value. */
static uint64_t PRINTF_LIKE(2, 3) must(QTest *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    qtest_send(q, line);
    g_autofree char *answer = qtest_receive(q, line);
    return qtest_value(q, answer, line);
}

static char letter(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
}

uint32_t qtest_in(QTest *q, uint16_t port, unsigned size)
{
    return (uint32_t)must(q, "in%c 0x%x", letter(size), port);
}

void qtest_out(QTest *q, uint16_t port, unsigned size, uint32_t val)
{
    must(q, "out%c 0x%x 0x%x", letter(size), port, val);
}

uint8_t qtest_inb(QTest *q, uint16_t port)
{
    return (uint8_t)qtest_in(q, port, 1);
}

uint16_t qtest_inw(QTest *q, uint16_t port)
{
    return (uint16_t)qtest_in(q, port, 2);
}

uint32_t qtest_inl(QTest *q, uint16_t port)
{
    return qtest_in(q, port, 4);
}

void qtest_outb(QTest *q, uint16_t port, uint8_t val)
{
    qtest_out(q, port, 1, val);
}

void qtest_outw(QTest *q, uint16_t port, uint16_t val)
{
    qtest_out(q, port, 2, val);
}

void qtest_outl(QTest *q, uint16_t port, uint32_t val)
{
    qtest_out(q, port, 4, val);
}

uint64_t qtest_read(QTest *q, uint64_t addr, unsigned size)
{
    return must(q, "read%c 0x%" PRIx64, letter(size), addr);
}

void qtest_write(QTest *q, uint64_t addr, unsigned size, uint64_t val)
{
    must(q, "write%c 0x%" PRIx64 " 0x%" PRIx64, letter(size), addr, val);
}

uint8_t qtest_readb(QTest *q, uint64_t addr)
{
    return (uint8_t)qtest_read(q, addr, 1);
}

uint16_t qtest_readw(QTest *q, uint64_t addr)
{
    return (uint16_t)qtest_read(q, addr, 2);
}

uint32_t qtest_readl(QTest *q, uint64_t addr)
{
    return (uint32_t)qtest_read(q, addr, 4);
}

uint64_t qtest_readq(QTest *q, uint64_t addr)
{
    return qtest_read(q, addr, 8);
}

void qtest_writeb(QTest *q, uint64_t addr, uint8_t val)
{
    qtest_write(q, addr, 1, val);
}

void qtest_writew(QTest *q, uint64_t addr, uint16_t val)
{
    qtest_write(q, addr, 2, val);
}

void qtest_writel(QTest *q, uint64_t addr, uint32_t val)
{
    qtest_write(q, addr, 4, val);
}

void qtest_writeq(QTest *q, uint64_t addr, uint64_t val)
{
    qtest_write(q, addr, 8, val);
}

#define CHUNK ((size_t)64 * 1024)

void qtest_memread(QTest *q, uint64_t addr, void *buf, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        n = MIN(len - done, CHUNK);
        g_autofree char *answer = qtest_command(q, "b64read 0x%" PRIx64 " 0x%zx", addr + done, n);
        gsize got = 0;
        if (!g_str_has_prefix(answer, "OK "))
            die(q, "b64read: %s", answer);
        g_autofree guchar *data = g_base64_decode(answer + 3, &got);
        if (got != n)
            die(q, "b64read of %zu bytes gave %zu", n, got);
        memcpy((char *)buf + done, data, n);
    }
}

void qtest_memwrite(QTest *q, uint64_t addr, const void *buf, size_t len)
{
    for (size_t done = 0, n; done < len; done += n) {
        n = MIN(len - done, CHUNK);
        g_autofree char *text = g_base64_encode((const guchar *)buf + done, n);
        must(q, "b64write 0x%" PRIx64 " 0x%zx %s", addr + done, n, text);
    }
}

void qtest_memset(QTest *q, uint64_t addr, uint8_t byte, size_t len)
{
    must(q, "memset 0x%" PRIx64 " 0x%zx 0x%02x", addr, len, byte);
}

uint32_t qtest_pci_read(QTest *q, unsigned bus, unsigned devfn, unsigned off, unsigned size)
{
    qtest_outl(q, 0xcf8, 0x80000000 | bus << 16 | devfn << 8 | (off & 0xfc));
    return qtest_in(q, (uint16_t)(0xcfc + (off & 3)), size);
}

void qtest_pci_write(QTest *q, unsigned bus, unsigned devfn, unsigned off, unsigned size, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000 | bus << 16 | devfn << 8 | (off & 0xfc));
    qtest_out(q, (uint16_t)(0xcfc + (off & 3)), size, val);
}

int64_t qtest_clock_step_next(QTest *q)
{
    return (int64_t)must(q, "clock_step");
}

int64_t qtest_clock_step(QTest *q, int64_t ns)
{
    return (int64_t)must(q, "clock_step %" PRIi64, ns);
}

int64_t qtest_clock_set(QTest *q, int64_t ns)
{
    return (int64_t)must(q, "clock_set %" PRIi64, ns);
}

static char *files_dir;

static void remove_files(void)
{
    GDir *d = g_dir_open(files_dir, 0, NULL);
    const char *name;
    while (d && (name = g_dir_read_name(d))) {
        g_autofree char *path = g_build_filename(files_dir, name, NULL);
        g_unlink(path);
    }
    if (d)
        g_dir_close(d);
    g_rmdir(files_dir);
}

const char *qtest_dir(void)
{
    if (!files_dir) {
        files_dir = g_dir_make_tmp("qtest-XXXXXX", NULL);
        g_assert_nonnull(files_dir);
        atexit(remove_files);
    }
    return files_dir;
}

char *qtest_image(const char *name, size_t size, unsigned seed)
{
    char *path = g_build_filename(qtest_dir(), name, NULL);
    g_autofree uint32_t *data = g_malloc(size);
    GRand *r = g_rand_new_with_seed(seed);
    for (size_t i = 0; i < size / 4; i++)
        data[i] = g_rand_int(r);
    g_rand_free(r);
    g_assert_true(g_file_set_contents(path, (char *)data, (gssize)size, NULL));
    return path;
}

void qtest_file_part(const char *path, uint64_t off, void *buf, size_t len)
{
    int fd = open(path, O_RDONLY);
    g_assert_cmpint(pread(fd, buf, len, (off_t)off), ==, (ssize_t)len);
    close(fd);
}

void qtest_irq_intercept_in(QTest *q, const char *path)
{
    must(q, "irq_intercept_in %s", path);
}

void qtest_irq_intercept_out(QTest *q, const char *path)
{
    must(q, "irq_intercept_out %s", path);
}

/* An answer that follows each message that was sent before it. */
static void drain(QTest *q)
{
    must(q, "endianness");
}

bool qtest_irq(QTest *q, unsigned n)
{
    drain(q);
    return n < IRQS && q->irq[n];
}

unsigned qtest_irq_raises(QTest *q, unsigned n)
{
    drain(q);
    return n < IRQS ? q->raises[n] : 0;
}

void qtest_set_irq_in(QTest *q, const char *path, unsigned n, int level)
{
    must(q, "set_irq_in %s unnamed-gpio-in %u %d", path, n, level);
}

/* QMP */

/* More of QMP's; false: the connection has ended. */
static bool hear(QTest *q, const char *what)
{
    char buf[16384];
    size_t n = read_some(q, q->qmp_fd, buf, sizeof(buf), what);
    if (n)
        json_reader_feed(q->reader, buf, n);
    return n;
}

static Json *next_reply(QTest *q, const char *what)
{
    while (g_queue_is_empty(&q->replies))
        if (!hear(q, what))
            die(q, "QMP closed the connection; last: %s", what);
    return g_queue_pop_head(&q->replies);
}

Json *qtest_qmp_raw(QTest *q, const char *json)
{
    g_autofree char *line = g_strconcat(json, "\n", NULL); /* in one piece: after `quit` there may be no second one */
    write_all(q, q->qmp_fd, line, strlen(line));
    return next_reply(q, json);
}

Json *qtest_qmp(QTest *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autoptr(Json) reply = qtest_qmp_raw(q, text);
    Json *ret = json_get(reply, "return");
    if (!ret) {
        g_autofree char *got = json_to_string(reply, false);
        die(q, "%s: %s", text, got);
    }
    return json_ref(ret);
}

char *qtest_qmp_error(QTest *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autoptr(Json) reply = qtest_qmp_raw(q, text);
    const char *desc = json_get_str(json_get(reply, "error"), "desc");
    if (!desc) {
        g_autofree char *got = json_to_string(reply, false);
        die(q, "%s: no error but %s", text, got);
    }
    return g_strdup(desc);
}

char *qtest_hmp(QTest *q, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autoptr(Json) args = json_object(), cmd = json_object();
    json_set_str(args, "command-line", line);
    json_set_str(cmd, "execute", "human-monitor-command");
    json_set(cmd, "arguments", json_ref(args));
    g_autofree char *text = json_to_string(cmd, false);
    g_autoptr(Json) ret = qtest_qmp(q, "%s", text);
    return g_strdup(json_get_string(ret));
}

static Json *take_event(QTest *q, const char *name, bool take)
{
    for (GList *l = q->events.head; l; l = l->next) {
        Json *ev = l->data;
        if (strcmp(json_get_str(ev, "event"), name))
            continue;
        if (take)
            g_queue_delete_link(&q->events, l);
        return ev;
    }
    return NULL;
}

Json *qtest_event(QTest *q, const char *name)
{
    Json *ev;
    while (!(ev = take_event(q, name, true)))
        if (!hear(q, name))
            die(q, "QMP closed the connection while waiting for %s", name);
    return ev;
}

Json *qtest_event_any(QTest *q)
{
    while (g_queue_is_empty(&q->events))
        if (!hear(q, "an event"))
            return NULL;
    return g_queue_pop_head(&q->events);
}

bool qtest_event_seen(QTest *q, const char *name)
{
    char buf[16384];
    struct pollfd p = {q->qmp_fd, POLLIN, 0};
    while (poll(&p, 1, 0) > 0) {
        ssize_t n = read(q->qmp_fd, buf, sizeof(buf));
        if (n <= 0)
            break;
        json_reader_feed(q->reader, buf, (size_t)n);
    }
    return take_event(q, name, false);
}
