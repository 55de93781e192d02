/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP as a protocol: greeting, negotiation, errors, ids, out-of-band, malformed input, descriptors, peers that go away,
 * do not read, or send rubbish. Run on Debian's binary too, what is not marked as ours has to hold there.
 */
#include "tests/qtest/libqtest.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMEOUT_S = 30 };

/* --- A raw QMP peer --- */

typedef struct Peer {
    pid_t pid; /* 0: not ours to end */
    int fd;
    GString *in; /* received, not taken yet */
} Peer;

static bool is_debian(void)
{
    return !strcmp(qtest_binary(), DEBIAN_BINARY);
}

/* Start the binary with a monitor on our end of a socket pair. */
static Peer start(const char *mon_options, const char *more)
{
    int sv[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    g_autofree char *text =
        g_strdup_printf("%s -machine none -nodefaults -display none -S -accel %s -chardev socket,id=m,fd=%d "
                        "-mon chardev=m,mode=control%s %s",
                        qtest_binary(), is_debian() ? "tcg" : "qtest", sv[1], mon_options, more);
    g_auto(GStrv) argv = NULL;
    g_assert_true(g_shell_parse_argv(text, NULL, &argv, NULL));
    pid_t pid = fork();
    if (!pid) {
        close(sv[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], argv);
        _exit(127);
    }
    close(sv[1]);
    struct timeval tv = {.tv_sec = TIMEOUT_S};
    setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    return (Peer){pid, sv[0], g_string_new(NULL)};
}

static void finish(Peer *p)
{
    int status = 0;
    close(p->fd);
    g_string_free(p->in, TRUE);
    if (!p->pid)
        return;
    kill(p->pid, SIGTERM);
    g_assert_cmpint(waitpid(p->pid, &status, 0), ==, p->pid);
    g_assert_cmpint(status, ==, 0);
}

static void put(Peer *p, const char *text, size_t len)
{
    g_assert_cmpint(send(p->fd, text, len, MSG_NOSIGNAL), ==, (ssize_t)len);
}

static void put_text(Peer *p, const char *text)
{
    put(p, text, strlen(text));
}

/* One line, with its "\r\n"; the caller frees it. */
static char *line(Peer *p)
{
    for (;;) {
        char *nl = strchr(p->in->str, '\n');
        if (nl) {
            char *l = g_strndup(p->in->str, (gsize)(nl + 1 - p->in->str));
            g_string_erase(p->in, 0, nl + 1 - p->in->str);
            return l;
        }
        char buf[65536];
        ssize_t n = recv(p->fd, buf, sizeof(buf), 0);
        if (n <= 0)
            g_error("no answer; so far: '%s'", p->in->str);
        g_string_append_len(p->in, buf, n);
    }
}

static Json *object(Peer *p)
{
    g_autofree char *l = line(p);
    g_assert_true(g_str_has_suffix(l, "}\r\n"));
    Json *v = json_parse(l, strlen(l), NULL);
    g_assert_nonnull(v);
    return v;
}

static void expect_line(Peer *p, const char *want)
{
    g_autofree char *got = line(p);
    g_autofree char *with_end = g_strdup_printf("%s\r\n", want);
    g_assert_cmpstr(got, ==, with_end);
}

static void ask(Peer *p, const char *request, const char *want)
{
    g_autofree char *shown = g_strescape(request, NULL);
    g_test_message("%s", shown);
    put_text(p, request);
    expect_line(p, want);
}

#define OK          "{\"return\": {}}"
#define ERR(c, d)   "{\"error\": {\"class\": \"" c "\", \"desc\": \"" d "\"}}"
#define GENERIC(d)  ERR("GenericError", d)
#define NOTFOUND(d) ERR("CommandNotFound", d)

static Peer negotiated(const char *mon_options)
{
    Peer p = start(mon_options, "");
    g_autoptr(Json) greeting = object(&p);
    g_assert_nonnull(json_get(greeting, "QMP"));
    ask(&p, "{'execute': 'qmp_capabilities'}", OK);
    return p;
}

/* --- Tests --- */

static void test_greeting(void)
{
    Peer p = start("", "");
    if (is_debian()) {
        g_autoptr(Json) greeting = object(&p);
        g_assert_nonnull(json_get(greeting, "QMP"));
    } else {
        g_autofree char *l = line(&p);
        g_assert_true(g_str_has_prefix(
            l, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 8}, \"package\": \""));
        g_assert_true(g_str_has_suffix(l, "\"}, \"capabilities\": [\"oob\"]}}\r\n"));
    }
    ask(&p, "{'execute': 'query-name'}", NOTFOUND("Expecting capabilities negotiation with 'qmp_capabilities'"));
    ask(&p, "{'execute': 'nope'}", NOTFOUND("Expecting capabilities negotiation with 'qmp_capabilities'"));
    ask(&p, "{'exec-oob': 'query-name'}", GENERIC("QMP input member 'exec-oob' is unexpected"));
    ask(&p, "{'execute': 'qmp_capabilities', 'arguments': {'enable': 'oob'}}",
        GENERIC("Invalid parameter type for 'enable', expected: array"));
    ask(&p, "{'execute': 'qmp_capabilities'}", OK);
    ask(&p, "{'execute': 'qmp_capabilities'}",
        NOTFOUND("Capabilities negotiation is already complete, command ignored"));
    finish(&p);
}

static void test_pretty(void)
{
    Peer p = start(",pretty=on", "");
    expect_line(&p, "{");
    expect_line(&p, "    \"QMP\": {");
    for (;;) {
        g_autofree char *l = line(&p);
        g_assert_true(g_str_has_suffix(l, "\r\n"));
        if (!strcmp(l, "}\r\n"))
            break;
    }
    put_text(&p, "{'execute': 'qmp_capabilities', 'id': 1}");
    expect_line(&p, "{");
    expect_line(&p, "    \"return\": {");
    expect_line(&p, "    },");
    expect_line(&p, "    \"id\": 1");
    expect_line(&p, "}");
    finish(&p);
}

static void test_errors(void)
{
    static const struct {
        const char *request, *reply;
        bool ours; /* Debian's has another text or takes it */
    } cases[] = {
        {"null\n", GENERIC("QMP input must be a JSON object")},
        {"[]", GENERIC("QMP input must be a JSON object")},
        {"'x'", GENERIC("QMP input must be a JSON object")},
        {"42\n", GENERIC("QMP input must be a JSON object")},
        {"{}", GENERIC("QMP input lacks member 'execute'")},
        {"{'execute': 1}", GENERIC("QMP input member 'execute' must be a string")},
        {"{'execute': 'query-name', 'foo': 1}", GENERIC("QMP input member 'foo' is unexpected")},
        {"{'execute': 'query-name', 'arguments': 1}", GENERIC("QMP input member 'arguments' must be an object")},
        {"{'execute': 'query-name', 'arguments': []}", GENERIC("QMP input member 'arguments' must be an object")},
        {"{'execute': 'query-name', 'control': {}}", GENERIC("QMP input member 'control' is unexpected")},
        {"{'execute': 'query-name', 'arguments': {'a': 1}}", GENERIC("Parameter 'a' is unexpected")},
        {"{'execute': 'nope'}", NOTFOUND("The command nope has not been found")},
        {"{'execute': 'query-events'}", NOTFOUND("The command query-events has not been found")},
        {"{'execute': ''}", NOTFOUND("The command  has not been found")},
        {"{'execute': 'device-list-properties'}", GENERIC("Parameter 'typename' is missing")},
        {"{'execute': 'device-list-properties', 'arguments': {'typename': 1}}",
         GENERIC("Invalid parameter type for 'typename', expected: string")},
        {"{'execute': 'qom-set', 'arguments': {'path': '/', 'property': 'x'}}",
         GENERIC("Parameter 'value' is missing")},
        {"{'execute': 'send-key', 'arguments': {'keys': [{'type': 'number', 'data': 'x'}]}}",
         GENERIC("Invalid parameter type for 'keys[0].data', expected: integer")},
        {"{'execute': 'send-key', 'arguments': {'keys': [3]}}",
         GENERIC("Invalid parameter type for 'keys[0]', expected: object")},
        {"{'execute': 'device_del', 'arguments': {'id': 'x'}}", ERR("DeviceNotFound", "Device 'x' not found")},
        {"{'execute': 'device_add', 'arguments': {}}", GENERIC("Parameter 'driver' is missing")},
        {"{'execute': 'object-del', 'arguments': {'id': 'x'}}", GENERIC("object 'x' not found")},
        {"{'execute': 'chardev-remove', 'arguments': {'id': 'x'}}", GENERIC("Chardev 'x' not found")},
        {"{'execute': 'chardev-remove', 'arguments': {'id': 'm'}}", GENERIC("Chardev 'm' is busy")},
        {"{'execute': 'eject'}", GENERIC("Need exactly one of 'device' and 'id'")},
        {"{'execute': 'getfd', 'arguments': {'fdname': 'x'}}", GENERIC("No file descriptor supplied via SCM_RIGHTS")},
        {"{'execute': 'add-fd'}", GENERIC("No file descriptor supplied via SCM_RIGHTS")},
        {"{'execute': 'closefd', 'arguments': {'fdname': 'x'}}", GENERIC("File descriptor named 'x' not found")},
        {"{'execute': 'system_wakeup'}", GENERIC("wake-up from suspend is not supported by this guest")},
        {"{'execute': 'human-monitor-command', 'arguments': {'command-line': 'info cpus', 'cpu-index': 3}}",
         GENERIC("Parameter 'cpu-index' expects a CPU number")},
        {"{'execute': 'qom-list', 'arguments': {'path': '/foo'}}", ERR("DeviceNotFound", "Device '/foo' not found")},
        /* malformed */
        {"{]\n", GENERIC("JSON parse error, expecting value")},
        {"}", GENERIC("JSON parse error, expecting value")},
        {":", GENERIC("JSON parse error, expecting value")},
        {"{'a' 1}", GENERIC("JSON parse error, missing : in object pair")},
        {"{'a': 1 2}", GENERIC("JSON parse error, expected separator in dict")},
        {"[1 2]", GENERIC("JSON parse error, expected separator in list")},
        {"{1: 2}", GENERIC("JSON parse error, key is not a string in object")},
        {"{'a': 1, 'a': 2}", GENERIC("JSON parse error, duplicate key")},
        {"tru\n", GENERIC("JSON parse error, invalid keyword 'tru'")},
        {"\"\xe9\"", GENERIC("JSON parse error, invalid UTF-8 sequence in string")},
        {"{\xff", GENERIC("JSON parse error, stray byte 0xff"), true},
        {"{\x01", GENERIC("JSON parse error, stray byte 0x01"), true},
        {"{'bad \xff", GENERIC("JSON parse error, stray byte 0xff in string"), true},
        {"{'execute': 'x', 'id': '\n", GENERIC("JSON parse error, stray byte 0x0a in string"), true},
        {"%p\n", GENERIC("JSON parse error, stray '%'")},
        {"GET / HTTP/1.1\n", GENERIC("JSON parse error, invalid keyword 'GET'"), true},
        {"\"\\u0000\"", GENERIC("JSON parse error, invalid escape sequence '\\\\u0000' in string"), true},
    };
    Peer p = negotiated("");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (cases[i].ours && is_debian())
            continue;
        ask(&p, cases[i].request, cases[i].reply);
        /* and whatever it was, the next command is understood */
        ask(&p, "{'execute': 'query-name', 'id': 'next'}", "{\"return\": {}, \"id\": \"next\"}");
    }
    finish(&p);
}

static void test_ids(void)
{
    Peer p = negotiated("");
    static const char *const ids[] = {"1",
                                      "-1",
                                      "1.5",
                                      "18446744073709551615",
                                      "\"x\"",
                                      "null",
                                      "true",
                                      "{\"a\": [1, {\"b\": null}]}",
                                      "\"\\u00E9\\uD83D\\uDE00\\u0001\\u007F\\\"\""};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        g_autofree char *ok = g_strdup_printf("{\"execute\": \"query-name\", \"id\": %s}", ids[i]);
        g_autofree char *ok_reply = g_strdup_printf("{\"return\": {}, \"id\": %s}", ids[i]);
        ask(&p, ok, ok_reply);
        g_autofree char *bad = g_strdup_printf("{\"id\": %s, \"execute\": \"nope\"}", ids[i]);
        g_autofree char *bad_reply = g_strdup_printf("{\"id\": %s, \"error\": {\"class\": \"CommandNotFound\", "
                                                     "\"desc\": \"The command nope has not been found\"}}",
                                                     ids[i]);
        ask(&p, bad, bad_reply);
        g_autofree char *none = g_strdup_printf("{\"id\": %s}", ids[i]);
        g_autofree char *none_reply = g_strdup_printf(
            "{\"id\": %s, \"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input lacks member 'execute'\"}}",
            ids[i]);
        ask(&p, none, none_reply);
    }
    finish(&p);
}

static void test_oob(void)
{
    Peer p = start("", "");
    g_free(line(&p)); /* the greeting */
    ask(&p, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}", OK);
    if (!is_debian()) /* whose sockets can be yanked */
        ask(&p, "{'exec-oob': 'query-yank', 'id': 1}", "{\"return\": [], \"id\": 1}");
    ask(&p, "{'exec-oob': 'query-name'}", GENERIC("The command query-name does not support OOB"));
    ask(&p, "{'exec-oob': 'nope', 'id': 1}",
        "{\"id\": 1, \"error\": {\"class\": \"CommandNotFound\", \"desc\": "
        "\"The command nope has not been found\"}}");
    ask(&p, "{'exec-oob': 3}", GENERIC("QMP input member 'exec-oob' must be a string"));
    ask(&p, "{'exec-oob': 'query-yank', 'execute': 'x'}",
        GENERIC("QMP input member 'execute' clashes with 'exec-oob'"));
    finish(&p);
    p = negotiated("");
    ask(&p, "{'exec-oob': 'query-yank'}", GENERIC("QMP input member 'exec-oob' is unexpected"));
    finish(&p);
}

static void test_rubbish(void)
{
    Peer p = negotiated("");
    /* deep nesting: one error, not one for each level */
    g_autofree char *deep = g_strnfill(100000, '[');
    put_text(&p, deep);
    put_text(&p, "\n");
    expect_line(&p, GENERIC("JSON nesting depth limit exceeded"));
    if (!is_debian())
        ask(&p, "{'execute': 'query-name'}", "{\"return\": {}}");
    finish(&p);

    /* a string that does not end: refused at 64 MiB, and the memory is given back */
    p = negotiated("");
    g_autofree char *block = g_strnfill(1 << 20, 'x');
    put_text(&p, "\"");
    for (int i = 0; i < 65; i++)
        put(&p, block, 1 << 20);
    expect_line(&p, GENERIC("JSON token size limit exceeded"));
    ask(&p, "\n{'execute': 'query-name'}", "{\"return\": {}}");
    finish(&p);

    /* random bytes: it answers afterwards */
    p = negotiated("");
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (int round = 0; round < 200; round++) {
        char junk[64];
        size_t n = (size_t)g_rand_int_range(rand, 1, sizeof(junk));
        for (size_t i = 0; i < n; i++)
            junk[i] = (char)g_rand_int_range(rand, 0, 256);
        put(&p, junk, n);
        put_text(&p, "\xff\n}]}]}]'\"\n\xff{'execute': 'query-name', 'id': 'mark'}\n");
        for (;;) {
            g_autofree char *l = line(&p);
            if (!strcmp(l, "{\"return\": {}, \"id\": \"mark\"}\r\n"))
                break;
            if (!strstr(l, "\"error\""))
                g_error("%s", l);
        }
    }
    finish(&p);
}

static void test_fragments(void)
{
    Peer p = negotiated("");
    const char *request = "{'execute': 'query-name', 'id': 'a\\u0041\xc3\xa9'}";
    for (int round = 0; round < 3; round++) {
        for (const char *c = request; *c; c++) {
            put(&p, c, 1);
            g_usleep(200);
        }
        expect_line(&p, "{\"return\": {}, \"id\": \"aA\\u00E9\"}");
    }
    GString *many = g_string_new(NULL);
    for (int i = 0; i < 1000; i++)
        g_string_append_printf(many, "{'execute': 'query-name', 'id': %d}", i);
    put(&p, many->str, many->len);
    for (int i = 0; i < 1000; i++) {
        g_autofree char *want = g_strdup_printf("{\"return\": {}, \"id\": %d}", i);
        expect_line(&p, want);
    }
    g_string_free(many, TRUE);
    finish(&p);
}

static size_t resident_kib(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    const char *rss = strstr(text, "VmRSS:");
    return rss ? (size_t)g_ascii_strtoull(rss + 6 + strspn(rss + 6, " \t"), NULL, 10) : 0;
}

/* A peer that asks for much and does not read stops itself; nothing is lost when it reads at last. */
static void test_slow_peer(void)
{
    enum { MANY = 2000 };
    Peer p = negotiated("");
    size_t before = resident_kib(p.pid), sent = 0, done = 0;
    GString *all = g_string_new(NULL);
    for (int i = 0; i < MANY; i++)
        g_string_append_printf(all, "{'execute': 'query-qmp-schema', 'id': %d}", i);
    fcntl(p.fd, F_SETFL, fcntl(p.fd, F_GETFL) | O_NONBLOCK);
    for (int quiet = 0; quiet < 20 && sent < all->len;) { /* until it takes no more for 200 ms */
        ssize_t n = send(p.fd, all->str + sent, MIN(all->len - sent, 4096), MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
            quiet = 0;
        } else {
            quiet++;
            g_usleep(10000);
        }
    }
    g_assert_cmpuint(resident_kib(p.pid), <, before + 24 * 1024); /* 2,000 replies are 100 MiB */
    while (done < MANY) {
        char buf[262144];
        ssize_t n = recv(p.fd, buf, sizeof(buf), 0);
        if (n > 0) {
            g_string_append_len(p.in, buf, n);
        } else {
            g_assert_true(n < 0 && errno == EAGAIN);
            g_usleep(1000);
        }
        if (sent < all->len && (n = send(p.fd, all->str + sent, MIN(all->len - sent, 4096), MSG_NOSIGNAL)) > 0)
            sent += (size_t)n;
        for (char *nl; (nl = strchr(p.in->str, '\n')); g_string_erase(p.in, 0, nl + 1 - p.in->str)) {
            g_autofree char *id = g_strdup_printf("\"id\": %zu}\r", done++);
            g_assert_true(nl - p.in->str > (ssize_t)strlen(id) && !memcmp(nl - strlen(id), id, strlen(id)));
        }
    }
    g_string_free(all, TRUE);
    fcntl(p.fd, F_SETFL, fcntl(p.fd, F_GETFL) & ~O_NONBLOCK);
    ask(&p, "{'execute': 'query-name'}", "{\"return\": {}}");
    finish(&p);
}

/* --- Several monitors, and peers that come and go --- */

static Peer connect_to(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    g_strlcpy(sa.sun_path, path, sizeof(sa.sun_path));
    Peer p = {0, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), g_string_new(NULL)};
    struct timeval tv = {.tv_sec = TIMEOUT_S};
    setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    for (int i = 0; connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)) < 0; i++) {
        g_assert_cmpint(i, <, 1000);
        g_usleep(10000);
    }
    return p;
}

static void hello(Peer *p)
{
    g_autoptr(Json) greeting = object(p);
    g_assert_nonnull(json_get(greeting, "QMP"));
    ask(p, "{'execute': 'qmp_capabilities'}", OK);
}

static void expect_event(Peer *p, const char *name)
{
    g_autoptr(Json) e = object(p);
    g_assert_cmpstr(json_get_str(e, "event"), ==, name);
    const Json *stamp = json_get(e, "timestamp");
    int64_t s = 0, us = -1;
    g_assert_true(json_get_int(json_get(stamp, "seconds"), &s) && json_get_int(json_get(stamp, "microseconds"), &us));
    g_assert_cmpint(ABS(s - g_get_real_time() / G_USEC_PER_SEC), <, 60);
    g_assert_true(us >= 0 && us < G_USEC_PER_SEC);
}

static void test_peers(void)
{
    g_autofree char *dir = g_dir_make_tmp("qmp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sock", NULL);
    g_autofree char *args = g_strdup_printf("-qmp unix:%s,server=on,wait=off", path);
    Peer p = start("", args);
    hello(&p);
    /* events reach every monitor that has negotiated, before the reply of the command that caused them */
    Peer a = connect_to(path);
    hello(&a);
    put_text(&p, "{'execute': 'cont', 'id': 7}");
    expect_event(&p, "RESUME");
    expect_line(&p, "{\"return\": {}, \"id\": 7}");
    expect_event(&a, "RESUME");
    put_text(&a, "{'execute': 'stop'}");
    expect_event(&a, "STOP");
    expect_line(&a, OK);
    expect_event(&p, "STOP");
    /* half a message, then gone: the next peer begins afresh */
    put_text(&a, "{'execute': 'query-name', 'id': 'half");
    finish(&a);
    for (int i = 0; i < 20; i++) {
        a = connect_to(path);
        hello(&a);
        ask(&a, "{'execute': 'query-name', 'id': 2}", "{\"return\": {}, \"id\": 2}");
        put_text(&a, i % 2 ? "{'execute': 'query-qmp-schema'}{'execute': 'query-qmp-schema'}" : "[[[[{'a': ");
        finish(&a); /* without reading */
    }
    /* one that has not negotiated hears no events */
    a = connect_to(path);
    json_unref(object(&a)); /* the greeting */
    put_text(&p, "{'execute': 'cont'}");
    expect_event(&p, "RESUME");
    expect_line(&p, OK);
    ask(&a, "{'execute': 'qmp_capabilities'}", OK);
    finish(&a);
    /* quit is answered, told, and ends it */
    put_text(&p, "{'execute': 'quit', 'id': 'q'}");
    g_autofree char *first = line(&p);
    g_autofree char *second = line(&p);
    g_autofree char *both = g_strconcat(first, second, NULL); /* and no STOP */
    g_assert_nonnull(strstr(both, "{\"return\": {}, \"id\": \"q\"}"));
    g_assert_nonnull(strstr(both, "\"SHUTDOWN\""));
    int status;
    g_assert_cmpint(waitpid(p.pid, &status, 0), ==, p.pid);
    g_assert_cmpint(status, ==, 0);
    p.pid = 0;
    finish(&p);
    unlink(path);
    rmdir(dir);
}

/* --- Descriptors --- */

static void put_with_fds(Peer *p, const char *text, const int *fds, size_t n)
{
    union {
        struct cmsghdr hdr;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)text, strlen(text)};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    g_assert_cmpint(sendmsg(p->fd, &msg, MSG_NOSIGNAL), ==, (ssize_t)iov.iov_len);
}

static unsigned open_fds(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
    unsigned n = 0;
    while (g_dir_read_name(d))
        n++;
    return n;
}

static void test_fds(void)
{
    Peer p = negotiated("");
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC), two[2] = {fd, fd};
    unsigned before = open_fds(p.pid);
    put_with_fds(&p, "{'execute': 'getfd', 'arguments': {'fdname': 'one'}}", &fd, 1);
    expect_line(&p, OK);
    g_assert_cmpuint(open_fds(p.pid), ==, before + 1);
    put_with_fds(&p, "{'execute': 'getfd', 'arguments': {'fdname': 'one'}}", &fd, 1); /* replaces */
    expect_line(&p, OK);
    g_assert_cmpuint(open_fds(p.pid), ==, before + 1);
    put_with_fds(&p, "{'execute': 'getfd', 'arguments': {'fdname': '1'}}", &fd, 1);
    expect_line(&p, GENERIC("Parameter 'fdname' expects a name not starting with a digit"));
    g_assert_cmpuint(open_fds(p.pid), ==, before + 1);
    ask(&p, "{'execute': 'closefd', 'arguments': {'fdname': 'one'}}", OK);
    g_assert_cmpuint(open_fds(p.pid), ==, before);
    /* those that nobody asked for are closed when the next come */
    for (int i = 0; i < 5; i++) {
        put_with_fds(&p, "{'execute': 'query-name'}", two, 2);
        expect_line(&p, "{\"return\": {}}");
    }
    g_assert_cmpuint(open_fds(p.pid), <=, before + 2);
    put_with_fds(&p, "{'execute': 'add-fd', 'arguments': {'fdset-id': 3, 'opaque': 'o'}}", &fd, 1);
    g_autoptr(Json) added = object(&p);
    int64_t set = 0;
    g_assert_true(json_get_int(json_get(json_get(added, "return"), "fdset-id"), &set) && set == 3);
    put_text(&p, "{'execute': 'query-fdsets'}");
    g_autoptr(Json) sets = object(&p);
    const Json *first = json_at(json_get(sets, "return"), 0);
    g_assert_cmpuint(json_length(json_get(sets, "return")), ==, 1);
    g_assert_cmpstr(json_get_str(json_at(json_get(first, "fds"), 0), "opaque"), ==, "o");
    ask(&p, "{'execute': 'remove-fd', 'arguments': {'fdset-id': 3}}", OK);
    if (!is_debian()) /* which closes them when the VM runs */
        ask(&p, "{'execute': 'query-fdsets'}", "{\"return\": []}");
    close(fd);
    finish(&p);
}

/* --- The human monitor --- */

/* Read until text has come; what came is dropped. */
static void until(Peer *p, const char *text)
{
    char *at;
    while (!(at = strstr(p->in->str, text))) {
        char buf[4096];
        ssize_t n = recv(p->fd, buf, sizeof(buf), 0);
        if (n <= 0)
            g_error("no '%s' in: %s", text, p->in->str);
        g_string_append_len(p->in, buf, n);
    }
    g_string_erase(p->in, 0, at + (ssize_t)strlen(text) - p->in->str);
}

static void test_human(void)
{
    g_autofree char *dir = g_dir_make_tmp("qmp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sock", NULL);
    g_autofree char *args = g_strdup_printf("-monitor unix:%s,server=on,wait=off", path);
    Peer p = start("", args);
    hello(&p);
    Peer a = connect_to(path);
    if (!is_debian())
        until(&a, "QEMU 8.2.0 monitor - type 'help' for more information\r\n(qemu) ");
    else
        until(&a, "(qemu) ");
    put_text(&a, "info status\n");
    until(&a, "VM status: paused (prelaunch)\r\n(qemu) ");
    put_text(&a, "cont\r");
    until(&a, "(qemu) ");
    expect_event(&p, "RESUME");
    put_text(&a, "info status\n");
    until(&a, "VM status: running\r\n(qemu) ");
    put_text(&a, "info statuz\x7fs\n"); /* edited */
    until(&a, "VM status: running\r\n(qemu) ");
    put_text(&a, "\033[A\n"); /* the line before */
    until(&a, "VM status: running\r\n(qemu) ");
    put_text(&a, "info vers\t\n"); /* completed */
    until(&a, "\r\n");
    until(&a, "(qemu) ");
    put_text(&a, "p 6*7\n");
    until(&a, "0x2a\r\n(qemu) ");
    finish(&a);
    a = connect_to(path);
    until(&a, "(qemu) ");
    put_text(&a, "q\n");
    int status;
    g_assert_cmpint(waitpid(p.pid, &status, 0), ==, p.pid);
    g_assert_cmpint(status, ==, 0);
    p.pid = 0;
    finish(&a);
    finish(&p);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/greeting", test_greeting);
    g_test_add_func("/qmp/pretty", test_pretty);
    g_test_add_func("/qmp/errors", test_errors);
    g_test_add_func("/qmp/ids", test_ids);
    g_test_add_func("/qmp/oob", test_oob);
    g_test_add_func("/qmp/rubbish", test_rubbish);
    g_test_add_func("/qmp/fragments", test_fragments);
    g_test_add_func("/qmp/slow-peer", test_slow_peer);
    g_test_add_func("/qmp/peers", test_peers);
    g_test_add_func("/qmp/fds", test_fds);
    g_test_add_func("/qmp/human", test_human);
    return g_test_run();
}
