/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Back ends against a peer in the same process: what arrives, what is kept while a peer is slow, what is dropped when
 * it is gone. */
#include "chardev/driver.h"
#include "chardev/vc.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "util/fds.h"
#include "util/keyval.h"

typedef struct Front {
    CharFrontend fe;
    GString *in, *events;
    size_t room;
    int writable;
} Front;

static size_t front_room(void *opaque)
{
    return ((Front *)opaque)->room;
}
static void front_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Front *f = opaque;
    g_assert_cmpuint(len, <=, f->room);
    g_string_append_len(f->in, (const char *)buf, len);
    f->room -= len;
}
static void front_event(void *opaque, CharEvent ev)
{
    static const char *const names[] = {"opened ", "closed ", "break ", "in ", "out "};
    g_string_append(((Front *)opaque)->events, names[ev]);
}
static const CharHandlers front_handlers = {front_room, front_receive, front_event};

static void front_writable(void *opaque)
{
    ((Front *)opaque)->writable++;
}

static Front *front_new(Chardev *c)
{
    Front *f = g_new0(Front, 1);
    f->in = g_string_new(NULL);
    f->events = g_string_new(NULL);
    f->room = 1 << 20;
    g_assert_nonnull(c);
    g_assert_true(char_attach(&f->fe, c, &front_handlers, f, NULL));
    return f;
}
static void front_free(Front *f)
{
    char_detach(&f->fe);
    g_string_free(f->in, true);
    g_string_free(f->events, true);
    g_free(f);
}

static char *dir;
static char *in_dir(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static Chardev *make(const char *text, Error **errp)
{
    g_autoptr(Json) opts = keyval_parse(text, "backend", NULL);
    return chardev_new(opts, errp);
}
static Chardev *must(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    Error *err = NULL;
    Chardev *c = make(text, &err);
    if (err)
        g_error("%s: %s", text, error_text(err));
    return c;
}
static void fails(const char *text, const char *message)
{
    Error *err = NULL;
    g_assert_null(make(text, &err));
    g_assert_cmpstr(error_text(err), ==, message);
    error_free(err);
}
static void gone(const char *id)
{
    Error *err = NULL;
    if (!chardev_remove(id, &err))
        g_error("%s", error_text(err));
}

static void turn(void)
{
    for (int i = 0; i < 20; i++)
        g_main_context_iteration(NULL, false);
}
static gboolean stop_waiting(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_REMOVE;
}
/* The main loop until cond, for at most two seconds. */
#define WAIT_FOR(cond)                                                                                                 \
    do {                                                                                                               \
        bool late_ = false;                                                                                            \
        unsigned id_ = g_timeout_add(2000, stop_waiting, &late_);                                                      \
        while (!(cond) && !late_)                                                                                      \
            g_main_context_iteration(NULL, true);                                                                      \
        g_assert_false(late_);                                                                                         \
        g_source_remove(id_);                                                                                          \
    } while (0)

static int peer(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}
static void put(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}
static void expect(int fd, const char *text)
{
    char buf[256] = "";
    size_t n = 0;
    while (n < strlen(text)) {
        ssize_t r = read(fd, buf + n, strlen(text) - n);
        g_assert_cmpint(r, >, 0);
        n += r;
    }
    g_assert_cmpmem(buf, n, text, strlen(text));
}

static char *filename_of(const char *id)
{
    g_autoptr(Json) list = chardev_query();
    for (size_t i = 0; i < json_length(list); i++) {
        if (!strcmp(json_get_str(json_at(list, i), "label"), id))
            return g_strdup(json_get_str(json_at(list, i), "filename"));
    }
    return NULL;
}

static void test_file(void)
{
    g_autofree char *out = in_dir("out"), *in = in_dir("in"), *log = in_dir("log"), *text = NULL;
    g_assert_true(g_file_set_contents(in, "input", -1, NULL));
    Front *f = front_new(must("file,id=f,path=%s,input-path=%s,logfile=%s", out, in, log));
    g_assert_cmpstr(f->events->str, ==, "opened ");
    g_assert_cmpint(char_write(&f->fe, "abc", 3), ==, 3);
    WAIT_FOR(strstr(f->events->str, "closed"));
    g_assert_cmpstr(f->in->str, ==, "input");
    char_write_all(&f->fe, "def", 3); /* output goes on after the end of input */
    front_free(f);
    gone("f");
    g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abcdef");
    g_clear_pointer(&text, g_free);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abcdef");
    g_clear_pointer(&text, g_free);

    f = front_new(must("file,id=f,path=%s,append=on,logfile=%s,logappend=on", out, log));
    char_write_all(&f->fe, "g", 1);
    front_free(f);
    gone("f");
    g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abcdefg");
    g_clear_pointer(&text, g_free);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abcdefg");
}

/* A full disk for a while (here: a file's greatest size): what does not fit is lost, and said so once; what comes later
 * is written. */
static void test_full(void)
{
    g_autofree char *out = in_dir("full"), *log = in_dir("full.log"), *text = NULL;
    struct rlimit old, small;
    int err = dup(2), said[2]; /* a pipe, which the limit is not for */
    char lines[512] = "";
    g_assert_cmpint(pipe(said), ==, 0);
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    Front *f = front_new(must("file,id=full,path=%s,logfile=%s", out, log));
    for (unsigned round = 0; round < 2; round++) {
        char_write_all(&f->fe, "abc", 3);
        small = (struct rlimit){4 + 4 * round, old.rlim_max};
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
        dup2(said[1], 2);
        char_write_all(&f->fe, "dxx", 3); /* one fits */
        g_assert_cmpint(char_write(&f->fe, "xxx", 3), ==, 3);
        char_write_all(&f->fe, "xxx", 3);
        dup2(err, 2);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
    }
    g_assert_cmpint(char_write(&f->fe, "end", 3), ==, 3);
    front_free(f);
    gone("full");
    close(err);
    close(said[1]);
    g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abcdabcdend");
    g_clear_pointer(&text, g_free);
    g_assert_true(g_file_get_contents(log, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abcdabcdend");
    g_assert_cmpint(read(said[0], lines, sizeof(lines) - 1), >, 0);
    static const char line[] = "qemu-system-x86_64: warning: chardev full: output is lost: File too large\n"
                               "qemu-system-x86_64: warning: chardev full: logfile: File too large\n";
    g_autofree char *twice = g_strconcat(line, line, NULL);
    g_assert_cmpstr(lines, ==, twice);
    close(said[0]);
}

static void test_null(void)
{
    Front *f = front_new(must("null,id=n"));
    g_assert_cmpint(char_write(&f->fe, "abc", 3), ==, 3);
    Error *err = NULL;
    CharFrontend second = {0};
    g_assert_false(char_attach(&second, chardev_find("n"), NULL, NULL, &err));
    error_free(err);
    err = NULL;
    g_assert_false(chardev_remove("n", &err));
    g_assert_cmpstr(error_text(err), ==, "Chardev 'n' is busy");
    error_free(err);
    front_free(f);
    gone("n");
    CharFrontend none = {0};
    g_assert_cmpint(char_write(&none, "abc", 3), ==, 3);
    char_write_all(&none, "abc", 3);
    g_assert_cmpint(char_get_modem(&none), ==, -ENOTSUP);
}

static void test_server(void)
{
    g_autofree char *path = in_dir("sock"), *name = NULL,
                    *want = g_strdup_printf("disconnected:unix:%s,server=on", path);
    Front *f = front_new(must("socket,id=s,path=%s,server=on,wait=off", path));
    name = filename_of("s");
    g_assert_cmpstr(name, ==, want);
    g_assert_cmpint(char_write(&f->fe, "lost", 4), ==, 4);
    for (int round = 0; round < 3; round++) {
        g_string_truncate(f->events, 0);
        g_string_truncate(f->in, 0);
        int p = peer(path);
        WAIT_FOR(f->events->len);
        g_clear_pointer(&name, g_free);
        name = filename_of("s");
        g_assert_cmpstr(name, ==, want + strlen("disconnected:"));
        put(p, "hello");
        WAIT_FOR(f->in->len == 5);
        g_assert_cmpint(char_write(&f->fe, "world", 5), ==, 5);
        expect(p, "world");
        close(p);
        WAIT_FOR(strstr(f->events->str, "closed"));
        g_assert_cmpstr(f->events->str, ==, "opened closed ");
    }
    /* The last words of a peer are not lost because the front end is busy. */
    g_string_truncate(f->in, 0);
    f->room = 0;
    int p = peer(path);
    WAIT_FOR(f->events->len > 14);
    put(p, "last");
    close(p);
    turn();
    g_assert_cmpuint(f->in->len, ==, 0);
    f->room = 100;
    char_accept_input(&f->fe);
    WAIT_FOR(f->in->len == 4 && g_str_has_suffix(f->events->str, "closed "));
    front_free(f);
    gone("s");
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_slow_peer(void)
{
    g_autofree char *path = in_dir("sock");
    Front *f = front_new(must("socket,id=s,path=%s,server=on,wait=off", path));
    int p = peer(path);
    WAIT_FOR(f->events->len);
    static char block[65536];
    memset(block, 'x', sizeof(block));
    ssize_t n, total = 0;
    while ((n = char_write(&f->fe, block, sizeof(block))) > 0)
        total += n;
    g_assert_cmpint(n, ==, 0);
    g_assert_cmpint(total, >, 0);
    g_assert_cmpuint(char_watch_writable(&f->fe, front_writable, f), >, 0);
    turn();
    g_assert_cmpint(f->writable, ==, 0);
    char_write_all(&f->fe, "end", 3); /* queued */
    g_assert_cmpint(char_write(&f->fe, "y", 1), ==, 0);
    char last[3] = "";
    for (ssize_t got = 0; got < total + 3;) {
        turn();
        ssize_t r = read(p, block, sizeof(block));
        g_assert_cmpint(r, >, 0);
        got += r;
        if (got == total + 3)
            memcpy(last, block + r - 3, 3);
    }
    g_assert_cmpmem(last, 3, "end", 3);
    WAIT_FOR(f->writable);
    g_assert_cmpint(f->writable, ==, 1);

    /* One that never reads is thrown out in the end, and what waits for it is told. */
    while (char_write(&f->fe, block, sizeof(block)) > 0)
        ;
    g_assert_cmpuint(char_watch_writable(&f->fe, front_writable, f), >, 0);
    for (unsigned i = 0; i <= CHAR_QUEUE_MAX / sizeof(block); i++)
        char_write_all(&f->fe, block, sizeof(block));
    WAIT_FOR(strstr(f->events->str, "closed"));
    WAIT_FOR(f->writable == 2);
    close(p);
    /* The next one starts afresh. */
    p = peer(path);
    WAIT_FOR(!strcmp(f->events->str, "opened closed opened "));
    char_write_all(&f->fe, "new", 3);
    expect(p, "new");
    close(p);
    front_free(f);
    gone("s");
}

static void test_gone_peer(void)
{
    g_autofree char *path = in_dir("sock");
    Front *f = front_new(must("socket,id=s,path=%s,server=on,wait=off", path));
    int p = peer(path);
    WAIT_FOR(f->events->len);
    close(p);
    for (int i = 0; i < 5; i++)
        g_assert_cmpint(char_write(&f->fe, "abc", 3), ==, 3);
    WAIT_FOR(strstr(f->events->str, "closed"));
    front_free(f);
    gone("s");
}

static void test_client(void)
{
    g_autofree char *path = in_dir("listen"), *name = NULL;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    Front *r = front_new(must("socket,id=r,path=%s,reconnect=1", path));
    g_assert_cmpstr(r->events->str, ==, "");
    g_assert_cmpint(bind(l, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_assert_cmpint(listen(l, 5), ==, 0);
    Front *f = front_new(must("socket,id=c,path=%s", path));
    g_assert_cmpstr(f->events->str, ==, "opened ");
    name = filename_of("c");
    g_assert_cmpstr(name, ==, "unix:");
    int p = accept(l, NULL, NULL);

    /* Descriptors, both ways. */
    int pipe_fds[2], got[4];
    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    struct iovec iov = {.iov_base = "d", .iov_len = 1};
    union {
        char buf[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control)};
    struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(h), pipe_fds, sizeof(pipe_fds));
    g_assert_cmpint(sendmsg(p, &msg, 0), ==, 1);
    WAIT_FOR(f->in->len == 1);
    g_assert_cmpint(char_take_fds(&f->fe, got, 4), ==, 2);
    g_assert_cmpint(char_take_fds(&f->fe, got + 2, 2), ==, 0);
    put(got[1], "through");
    expect(pipe_fds[0], "through");
    g_assert_true(char_send_fds(&f->fe, &got[0], 1));
    char_write_all(&f->fe, "e", 1);
    char byte;
    iov.iov_base = &byte;
    msg.msg_controllen = sizeof(control);
    g_assert_cmpint(recvmsg(p, &msg, 0), ==, 1);
    h = CMSG_FIRSTHDR(&msg);
    g_assert_nonnull(h);
    int back;
    memcpy(&back, CMSG_DATA(h), sizeof(back));
    put(got[1], "again");
    expect(back, "again");
    close(back);
    close(got[0]);
    close(got[1]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(p);
    WAIT_FOR(strstr(f->events->str, "closed"));

    WAIT_FOR(!strcmp(r->events->str, "opened "));
    p = accept(l, NULL, NULL);
    put(p, "x");
    WAIT_FOR(r->in->len == 1);
    close(p);
    close(l);
    front_free(f);
    gone("c");
    front_free(r);
    gone("r");
    g_unlink(path);
}

static void test_fd(void)
{
    int sv[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    fd_name_put("mine", sv[0]);
    Front *f = front_new(must("socket,id=s,fd=mine"));
    put(sv[1], "hello");
    WAIT_FOR(f->in->len == 5);
    front_free(f);
    gone("s");
    close(sv[1]);
    fails("socket,id=s,fd=mine", "File descriptor named 'mine' has not been found");
    fails("socket,id=s,fd=9999,server=on", "File descriptor 9999 was not inherited: Bad file descriptor");
    int64_t set = fdset_add(-1, open("/dev/null", O_WRONLY), "x", NULL);
    f = front_new(must("file,id=f,path=/dev/fdset/%d", (int)set));
    char_write_all(&f->fe, "x", 1);
    front_free(f);
    gone("f");
    g_assert_true(fdset_remove(set, -1, NULL));
    fails("file,id=f,path=/dev/fdset/0", "Could not open '/dev/fdset/0': No such file or directory");
}

static const char *takes; /* how much the next sends to a socket take, a digit each; NULL or its end: all */

/* In libc's place. */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
    struct msghdr m = *msg;
    struct iovec iov = *msg->msg_iov;
    if (takes && *takes) {
        size_t room = (size_t)(*takes++ - '0');
        iov.iov_len = MIN(iov.iov_len, room);
        m.msg_iov = &iov;
        if (!iov.iov_len) {
            errno = EAGAIN;
            return -1;
        }
    }
    return syscall(SYS_sendmsg, fd, &m, flags);
}

/* What a telnet server says first. */
static void hear_hello(int p)
{
    uint8_t hello[12];
    g_assert_cmpint(recv(p, hello, 12, MSG_WAITALL), ==, 12);
    g_assert_cmpmem(hello, 12, "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00", 12);
}

/* A socket that takes one byte of a doubled IAC: the other follows before anything else, whoever wrote what and whether
 * or not anything is written after it. */
static void test_telnet_half(void)
{
    g_autofree char *path = in_dir("sock");
    Front *f = front_new(must("socket,id=s,path=%s,server=on,wait=off,telnet=on", path));
    int p = peer(path);
    WAIT_FOR(f->events->len);
    hear_hello(p);
    takes = "91";
    g_assert_cmpint(char_write(&f->fe, "a\xff", 2), ==, 1);
    g_assert_cmpint(char_write(&f->fe, "\xff", 1), ==, 1);
    WAIT_FOR(!*takes);
    takes = NULL;
    turn();
    expect(p, "a\xff\xff"); /* without anything after it */
    takes = "1001";
    g_assert_cmpint(char_write(&f->fe, "\xff", 1), ==, 1);
    g_assert_cmpint(char_write(&f->fe, "b", 1), ==, 0);
    char_write_all(&f->fe,
                   "b\xff\xff"
                   "c",
                   4); /* what is left goes into the queue, where the next half is */
    takes = "1191";
    turn();
    char_write_all(&f->fe, "d", 1);
    takes = NULL;
    turn();
    char_write_all(&f->fe, "e", 1);
    expect(p, "\xff\xff"
              "b\xff\xff\xff\xff"
              "cde");
    takes = "1"; /* a peer that goes with half of one leaves nothing for the next */
    g_assert_cmpint(char_write(&f->fe, "\xff", 1), ==, 1);
    close(p);
    WAIT_FOR(strstr(f->events->str, "closed"));
    p = peer(path);
    WAIT_FOR(g_str_has_suffix(f->events->str, "closed opened "));
    hear_hello(p);
    char_write_all(&f->fe, "new", 3);
    expect(p, "new");
    close(p);
    front_free(f);
    gone("s");
    takes = NULL;
}

static void test_telnet(void)
{
    g_autofree char *path = in_dir("sock");
    Front *f = front_new(must("socket,id=s,path=%s,server=on,wait=off,telnet=on", path));
    int p = peer(path);
    WAIT_FOR(f->events->len);
    hear_hello(p);
    put(p, "a\xff\xfd\x03"
           "b\xff\xff"
           "c\xff\xfa\x18\x01xyz\xff\xf0"
           "d\xff\xf3"
           "e");
    WAIT_FOR(f->in->len == 6);
    g_assert_cmpstr(f->in->str, ==,
                    "ab\xff"
                    "cde");
    g_assert_cmpstr(f->events->str, ==, "opened break ");
    char_write_all(&f->fe, "x\xffy", 3);
    expect(p, "x\xff\xffy");
    close(p);
    front_free(f);
    gone("s");
}

static void test_pty(void)
{
    Front *f = front_new(must("pty,id=p"));
    g_autofree char *name = filename_of("p");
    g_assert_true(g_str_has_prefix(name, "pty:/dev/pts/"));
    g_assert_cmpint(char_write(&f->fe, "lost", 4), ==, 4);
    int p = open(name + 4, O_RDWR | O_NOCTTY);
    g_assert_cmpint(p, >=, 0);
    WAIT_FOR(f->events->len);
    put(p, "in\n");
    WAIT_FOR(f->in->len == 3);
    char_write_all(&f->fe, "out\n", 4);
    expect(p, "out\n");
    close(p);
    WAIT_FOR(strstr(f->events->str, "closed"));
    front_free(f);
    gone("p");
}

static void test_ringbuf(void)
{
    Front *f = front_new(must("ringbuf,id=r,size=16"));
    char_write_all(&f->fe, "0123456789abcdefgh", 18);
    Json *v = chardev_ringbuf_read("r", 5, NULL, NULL);
    g_assert_cmpstr(json_get_string(v), ==, "23456");
    json_unref(v);
    g_assert_true(chardev_ringbuf_write("r", "QUI=", "base64", NULL));
    v = chardev_ringbuf_read("r", 500, "utf8", NULL);
    g_assert_cmpstr(json_get_string(v), ==, "789abcdefghAB");
    json_unref(v);
    Error *err = NULL;
    g_assert_false(chardev_ringbuf_write("r", "!!", "base64", &err));
    g_assert_cmpstr(error_text(err), ==, "Base64 data contains invalid characters");
    error_free(err);
    front_free(f);
    gone("r");
    fails("ringbuf,id=r,size=3", "size of ringbuf chardev must be power of two");
    fails("ringbuf,id=r,size=1T", "Parameter 'size' is 1099511627776: at most 1073741824 is possible");
}

static void test_mux(void)
{
    g_autofree char *path = in_dir("sock");
    Chardev *c = must("socket,id=m,path=%s,server=on,wait=off,mux=on", path);
    g_assert_true(chardev_is_mux(c));
    Front *mon = front_new(c), *ser = front_new(c);
    int p = peer(path);
    WAIT_FOR(strstr(mon->events->str, "opened") && strstr(ser->events->str, "opened"));
    g_assert_cmpstr(mon->events->str, ==, "in out opened ");
    g_assert_cmpstr(ser->events->str, ==, "in opened ");
    put(p, "ab\x01\x01");
    WAIT_FOR(ser->in->len == 3);
    g_assert_cmpstr(ser->in->str, ==, "ab\x01");
    put(p, "\x01"
           "cquit");
    WAIT_FOR(mon->in->len == 4);
    g_assert_cmpstr(mon->in->str, ==, "quit");
    /* The escape works while the focused front end reads nothing, and what it did not read is kept for it. */
    mon->room = 0;
    put(p, "kept\x01"
           "cnext");
    WAIT_FOR(ser->in->len == 7);
    g_assert_cmpstr(ser->in->str, ==, "ab\x01next");
    put(p, "\x01"
           "b\x01"
           "h");
    WAIT_FOR(strstr(ser->events->str, "break"));
    expect(p, "\n\rC-a h    print this help\n\r");
    put(p, "\x01"
           "c");
    WAIT_FOR(g_str_has_suffix(mon->events->str, "in "));
    mon->room = 100;
    char_accept_input(&mon->fe);
    g_assert_cmpstr(mon->in->str, ==, "quitkept");
    Front *more[2] = {front_new(c), front_new(c)};
    CharFrontend fifth = {0};
    Error *err = NULL;
    g_assert_false(char_attach(&fifth, c, NULL, NULL, &err));
    g_assert_cmpstr(error_text(err), ==, "too many uses of multiplexed chardev 'm' (maximum is 4)");
    error_free(err);
    front_free(more[0]);
    front_free(more[1]);
    front_free(ser);
    front_free(mon);
    close(p);
}

static void from_text(const char *text, const char *filename)
{
    Error *err = NULL;
    Chardev *c = chardev_from_text("t", text, false, &err);
    if (err)
        g_error("%s: %s", text, error_text(err));
    g_autofree char *name = filename_of(chardev_id(c));
    g_assert_cmpstr(name, ==, filename);
    gone(chardev_id(c));
}
static void text_fails(const char *text, const char *message)
{
    Error *err = NULL;
    g_assert_null(chardev_from_text("t", text, false, &err));
    g_assert_cmpstr(error_text(err), ==, message);
    error_free(err);
}

static void test_text(void)
{
    Error *err = NULL;
    g_assert_null(chardev_from_text("t", "none", false, &err));
    g_assert_null(err);
    from_text("null", "null");
    from_text("vc", "vc");
    from_text("vc:80Cx24C", "vc");
    from_text("file:/dev/null", "file");
    from_text("udp:127.0.0.1:9@:0", "udp");
    g_autofree char *path = in_dir("a,b"), *unix_text = g_strdup_printf("unix:%s/a,,b,server,nowait", dir),
                    *unix_name = g_strdup_printf("disconnected:unix:%s,server=on", path);
    from_text(unix_text, unix_name);
    must("null,id=n");
    from_text("chardev:n", "null");
    text_fails("chardev:n", "chardev 'n' not found");
    text_fails("foo", "'foo' is not a character device");
    text_fails("tcp:1234", "'tcp:1234': expected tcp:HOST:PORT, then options after commas");
    text_fails("vc:80", "'vc:80': expected vc:WIDTHxHEIGHT, or vc:COLUMNSCxROWSC");
    Chardev *c = chardev_from_text("t", "tcp:127.0.0.1:0,server=on,wait=off", false, &err);
    g_assert_nonnull(c);
    g_autofree char *name = filename_of("t");
    g_assert_true(g_str_has_prefix(name, "disconnected:tcp:127.0.0.1:") && g_str_has_suffix(name, ",server=on"));
    gone("t");
}

static unsigned open_fds(void)
{
    GDir *d = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned n = 0;
    while (g_dir_read_name(d))
        n++;
    g_dir_close(d);
    return n;
}

/* Whatever fails on the way, before a driver's open() or in it: only what was opened for it is closed. Descriptor 0 is
 * what a driver that looks at its zeroed struct would close. */
static void test_failed(void)
{
    static const char *const faults[] = {"logfile=/nonexistent/l",
                                         "logappend=maybe",
                                         "signal=maybe",
                                         "path=/nonexistent/x",
                                         "path=/nonexistent/x,server=on,wait=off",
                                         "size=3",
                                         "host=127.0.0.1,port=nope",
                                         "chardev=nope"};
    static const char *const works[] = {"null", "pty", "ringbuf", "vc"}; /* without an option */
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 3), ends[2];
    struct stat mine, now;
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_cmpint(dup2(ends[0], 0), ==, 0);
    g_assert_cmpint(fstat(0, &mine), ==, 0);
    unsigned before = open_fds();
    for (unsigned i = 0; chardev_table[i]; i++) {
        for (unsigned k = 0; k < ARRAY_SIZE(faults); k++) {
            const char *name = chardev_table[i]->name;
            const char *const *options = chardev_table[i]->options;
            g_autofree char *option = g_strndup(faults[k], strcspn(faults[k], "="));
            bool known = k < 2 || (options && g_strv_contains(options, option));
            if (!known || (chardev_table[i]->base && !k)) /* a mux has no log of its own */
                continue;
            g_autofree char *text = g_strdup_printf("%s,id=x,%s", name, faults[k]);
            Error *err = NULL;
            if (make(text, &err))
                g_error("%s: made", text);
            error_free(err);
            if (fstat(0, &now) < 0 || now.st_ino != mine.st_ino || open_fds() != before)
                g_error("%s: descriptor 0 is another, or one is open more or less", text);
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(works); i++) {
        must("%s,id=x", works[i]);
        gone("x");
        g_assert_cmpuint(open_fds(), ==, before);
    }
    if (saved >= 0)
        dup2(saved, 0);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void test_errors(void)
{
    fails("id=x", "chardev: \"x\" missing backend");
    fails("null", "chardev: no id specified");
    fails("null,id=1x", "Parameter 'id' expects an identifier");
    fails("null,id=x,bad=1", "Invalid parameter 'bad'");
    fails("nope,id=x", "'nope' is not a valid char driver name");
    fails("file,id=x", "chardev: file: no filename given");
    fails("file,id=x,path=/nonexistent/y", "Could not open '/nonexistent/y': No such file or directory");
    fails("file,id=x,path=/dev/null,logfile=/nonexistent/l",
          "Could not create '/nonexistent/l': No such file or directory");
    fails("pipe,id=x,path=/nonexistent", "Could not open '/nonexistent': No such file or directory");
    fails("socket,id=x,path=/nonexistent/x", "Failed to connect to '/nonexistent/x': No such file or directory");
    fails("socket,id=x,path=/x,server=on,reconnect=1",
          "'reconnect' option is incompatible with socket in server listen mode");
    fails("socket,id=x,path=/x,wait=on", "'wait' option is incompatible with socket in client connect mode");
    fails("socket,id=x,path=/x,nodelay=maybe", "Parameter 'nodelay' expects 'on' or 'off'");
    fails("socket,id=x,host=a", "chardev: socket: no port given");
    fails("mux,id=x,chardev=nope", "mux: base chardev nope not found");
    fails("stdio,id=x,mux=maybe", "Parameter 'mux' expects 'on' or 'off'");
    must("null,id=x");
    fails("null,id=x", "Duplicate ID 'x' for chardev");
    gone("x");
    Error *err = NULL;
    g_assert_false(chardev_remove("x", &err));
    g_assert_cmpstr(error_text(err), ==, "Chardev 'x' not found");
    error_free(err);
}

/* A reader that comes late gets what was written before; a burst of single bytes, more than a socket holds of those, is
 * not lost; what is older than the history is. */
static void test_vc(void)
{
    Front *f = front_new(must("vc,id=v"));
    g_autoptr(GString) got = g_string_new(NULL);
    char buf[4096];
    size_t total = 0;
    ssize_t n;
    int fd;

    g_assert_cmpuint(vc_count(), ==, 1);
    g_assert_cmpstr(vc_id(0), ==, "v");
    g_assert_cmpint(vc_attach(1), ==, -1);
    g_assert_cmpint(char_write(&f->fe, (const uint8_t *)"early ", 6), ==, 6);
    fd = vc_attach(0);
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t c = (uint8_t)('a' + i % 26);
        g_assert_cmpint(char_write(&f->fe, &c, 1), ==, 1);
    }
    for (int idle = 0; idle < 50; idle++) {
        turn();
        while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
            g_string_append_len(got, buf, n);
            idle = 0;
        }
    }
    g_assert_cmpuint(got->len, ==, 5006);
    g_assert_true(g_str_has_prefix(got->str, "early abc"));
    for (unsigned i = 0; i < 5000; i++)
        g_assert_cmpint(got->str[6 + i], ==, 'a' + i % 26);
    memset(buf, 'x', sizeof(buf));
    for (unsigned i = 0; i < 100000; i++)
        g_assert_cmpint(char_write(&f->fe, (const uint8_t *)buf, 1), ==, 1);
    g_assert_cmpint(char_write(&f->fe, (const uint8_t *)"end", 3), ==, 3);
    for (int idle = 0; idle < 50; idle++) {
        turn();
        while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
            total += (size_t)n;
            g_assert_cmpmem(buf + n - 1, 1, n > 2 && buf[n - 2] == 'n' ? "d" : "x", 1);
            idle = 0;
        }
    }
    g_assert_cmpuint(total, >=, 16384);
    g_assert_cmpuint(total, <, 100003);
    g_assert_cmpint(send(fd, "typed", 5, 0), ==, 5);
    turn();
    g_assert_cmpstr(f->in->str, ==, "typed");
    f->room = 2; /* what a guest does not take yet waits */
    g_assert_cmpint(send(fd, "\033[A", 3, 0), ==, 3);
    turn();
    g_assert_cmpstr(f->in->str, ==, "typed\033[");
    f->room = 10;
    char_accept_input(&f->fe);
    turn();
    g_assert_cmpstr(f->in->str, ==, "typed\033[A");
    for (int i = 0; i < 1000; i++)
        char_write(&f->fe, (const uint8_t *)"y", 1);
    close(fd); /* while it waits */
    turn();
    front_free(f);
    gone("v");
    g_assert_cmpuint(vc_count(), ==, 0);
}

static Json *add(const char *text, Error **errp)
{
    g_autoptr(Json) args = json_parse(text, strlen(text), NULL);
    g_assert_nonnull(args);
    return chardev_add(args, errp);
}

static void test_qmp_add(void)
{
    g_autofree char *path = in_dir("qmp"), *want = g_strdup_printf("disconnected:unix:%s,server=on", path),
                    *text = g_strdup_printf("{'id':'a','backend':{'type':'socket','data':{'addr':{'type':'unix','data':"
                                            "{'path':'%s'}}}}}",
                                            path);
    Json *r = add(text, NULL);
    g_assert_cmpuint(json_length(r), ==, 0);
    json_unref(r);
    g_autofree char *name = filename_of("a");
    g_assert_cmpstr(name, ==, want);
    gone("a");
    r = add("{'id':'p','backend':{'type':'pty','data':{}}}", NULL);
    g_assert_true(g_str_has_prefix(json_get_str(r, "pty"), "/dev/pts/"));
    json_unref(r);
    Error *err = NULL;
    g_assert_null(add("{'id':'p','backend':{'type':'null','data':{}}}", &err));
    g_assert_cmpstr(error_text(err), ==, "Chardev with id 'p' already exists");
    error_free(err);
    err = NULL;
    g_assert_null(add("{'id':'q','backend':{'type':'nope','data':{}}}", &err));
    g_assert_cmpstr(error_text(err), ==, "Parameter 'type' does not accept value 'nope'");
    error_free(err);
    gone("p");
    r = add("{'id':'f','backend':{'type':'file','data':{'out':'/dev/null','append':true}}}", NULL);
    json_unref(r);
    gone("f");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
    g_test_add_func("/chardev/null", test_null);
    g_test_add_func("/chardev/file", test_file);
    g_test_add_func("/chardev/file/full", test_full);
    g_test_add_func("/chardev/socket/server", test_server);
    g_test_add_func("/chardev/socket/slow-peer", test_slow_peer);
    g_test_add_func("/chardev/socket/gone-peer", test_gone_peer);
    g_test_add_func("/chardev/socket/client", test_client);
    g_test_add_func("/chardev/socket/fd", test_fd);
    g_test_add_func("/chardev/socket/telnet", test_telnet);
    g_test_add_func("/chardev/socket/telnet-half", test_telnet_half);
    g_test_add_func("/chardev/pty", test_pty);
    g_test_add_func("/chardev/ringbuf", test_ringbuf);
    g_test_add_func("/chardev/mux", test_mux);
    g_test_add_func("/chardev/vc", test_vc);
    g_test_add_func("/chardev/text", test_text);
    g_test_add_func("/chardev/failed", test_failed);
    g_test_add_func("/chardev/errors", test_errors);
    g_test_add_func("/chardev/qmp-add", test_qmp_add);
    int rc = g_test_run();
    chardev_cleanup();
    g_autofree char *rm = g_strdup_printf("rm -rf '%s'", dir);
    if (system(rm))
        rc = 1;
    g_free(dir);
    return rc;
}
