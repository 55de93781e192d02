/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net/framed.c: a sender that was stopped goes on when the other end of its socket reads, or goes away. */
#include "net/internal.h"

#include "softmmu/mainloop.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LEN = 30000, TURNS = 50, MANY = 10000 };

/* What sends: how often it was told to go on. */
typedef struct Sender {
    NetClient nc;
    unsigned told;
} Sender;

static bool receive(NetClient *nc, const NetPacket *p)
{
    return true;
}

static void writable(NetClient *nc)
{
    container_of(nc, Sender, nc)->told++;
}

static Sender sender;
static char *dir, *path;

/* A back end "n" of these options, JSON, with a sender before it. */
static void start(const char *opts)
{
    static const NetOps ops = {.type = "sender", .receive = receive, .writable = writable};
    Error *err = NULL;
    g_autoptr(Json) v = json_parse(opts, strlen(opts), &err);
    g_assert_true(v && netdev_add(v, &err));
    sender = (Sender){0};
    net_init(&sender.nc, &ops, "sender");
    net_connect(&sender.nc, net_find("n"));
}

static void end(void)
{
    if (net_find("n"))
        g_assert_true(netdev_del("n", NULL));
    net_fini(&sender.nc);
}

static void turn(void)
{
    for (unsigned i = 0; i < TURNS; i++)
        mainloop_run_once(false);
}

static bool say(uint8_t seed, size_t len)
{
    g_autofree uint8_t *f = g_malloc(len);
    memset(f, seed, len);
    return net_send_buf(&sender.nc, f, len);
}

/* Until no more goes, and some more besides. */
static void fill(size_t len)
{
    unsigned n = 0;
    while (say(1, len))
        g_assert_cmpuint(++n, <, MANY);
    for (unsigned i = 0; i < 5; i++)
        g_assert_false(say(2, len));
}

static struct sockaddr_un address(const char *p)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    g_strlcpy(a.sun_path, p, sizeof(a.sun_path));
    return a;
}

static int connect_unix(void)
{
    struct sockaddr_un a = address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    turn();
    return fd;
}

/* The next bytes of a stream are one packet of that seed. */
static void expect(int fd, uint8_t seed, size_t len)
{
    g_autofree uint8_t *buf = g_malloc(4 + len);
    g_assert_cmpint(recv(fd, buf, 4 + len, MSG_WAITALL), ==, (ssize_t)(4 + len));
    g_assert_cmpuint(ldl_be(buf), ==, len);
    for (size_t i = 0; i < len; i++)
        g_assert_cmpuint(buf[4 + i], ==, seed);
}

static void start_server(void)
{
    g_autofree char *opts = g_strdup_printf(
        "{\"type\":\"stream\",\"id\":\"n\",\"server\":true,\"addr\":{\"type\":\"unix\",\"path\":\"%s\"}}", path);
    start(opts);
}

/* A client that leaves amid a packet; the next one's stream begins with a packet of its own. */
static void test_hang_up(void)
{
    start_server();
    for (unsigned round = 1; round < 3; round++) {
        int fd = connect_unix();
        fill(LEN);
        g_assert_cmpuint(sender.told, ==, round - 1);
        g_assert_false(net_can_send(&sender.nc));
        close(fd);
        turn();
        g_assert_cmpuint(sender.told, ==, round);
        g_assert_true(net_can_send(&sender.nc));
        g_assert_true(say(3, 100)); /* to nobody */
    }
    int fd = connect_unix();
    g_assert_true(say(4, 1000));
    g_assert_true(say(5, 60));
    expect(fd, 4, 1000);
    expect(fd, 5, 60);
    close(fd);
    turn();
    end();
}

/* A client that sends nonsense, and what a sender is told when its back end goes. */
static void test_nonsense(void)
{
    start_server();
    int fd = connect_unix();
    fill(LEN);
    g_assert_cmpint(write(fd, "\377\377\377\377", 4), ==, 4);
    turn();
    g_assert_cmpuint(sender.told, ==, 1);
    close(fd);
    fd = connect_unix();
    fill(LEN);
    g_assert_true(netdev_del("n", NULL));
    g_assert_cmpuint(sender.told, ==, 2);
    g_assert_true(say(1, 60));
    close(fd);
    end();
}

/* -netdev socket on a descriptor has no next one. */
static void test_descriptor(void)
{
    int fd[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), ==, 0);
    g_autofree char *opts = g_strdup_printf("{\"type\":\"socket\",\"id\":\"n\",\"fd\":\"%d\"}", fd[0]);
    start(opts);
    fill(LEN);
    close(fd[1]);
    turn();
    g_assert_cmpuint(sender.told, ==, 1);
    g_assert_true(net_can_send(&sender.nc));
    end();
}

/* One that reads again: all of it, in order. */
static void test_slow(void)
{
    start_server();
    int fd = connect_unix();
    unsigned n = 1;
    while (say((uint8_t)n++, LEN))
        ;
    for (unsigned i = 0; i < 5; i++)
        g_assert_false(say((uint8_t)n++, LEN));
    for (unsigned i = 1; i < n; i++) {
        turn();
        expect(fd, (uint8_t)i, LEN);
    }
    turn();
    g_assert_cmpuint(sender.told, ==, 1);
    close(fd);
    end();
}

static int bind_unix(const char *p)
{
    struct sockaddr_un a = address(p);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    return fd;
}

/* A datagram of that seed is next; the sender has had its turn. */
static void expect_datagram(int fd, uint8_t seed)
{
    uint8_t buf[100];
    g_assert_cmpint(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), ==, 60);
    g_assert_cmpuint(buf[0], ==, seed);
    turn();
}

/* Whether the main loop has nothing to do. */
static bool idle(void)
{
    turn();
    return !g_main_context_pending(NULL);
}

/* A receiver of datagrams that reads late, not at all, goes, and is another one then. */
static void test_datagrams(void)
{
    g_autofree char *theirs = g_build_filename(dir, "peer", NULL);
    g_autofree char *opts =
        g_strdup_printf("{\"type\":\"dgram\",\"id\":\"n\",\"local\":{\"type\":\"unix\",\"path\":\"%s\"},"
                        "\"remote\":{\"type\":\"unix\",\"path\":\"%s\"}}",
                        path, theirs);
    int fd = bind_unix(theirs);
    start(opts);
    unsigned n = 1;
    while (say((uint8_t)n++, 60))
        g_assert_cmpuint(n, <, MANY);
    for (unsigned i = 0; i < 5; i++)
        g_assert_false(say((uint8_t)n++, 60));
    g_assert_true(idle());
    g_assert_cmpuint(sender.told, ==, 0);
    for (unsigned i = 1; i < n; i++)
        expect_datagram(fd, (uint8_t)i);
    g_assert_cmpuint(sender.told, ==, 1);
    g_assert_true(idle());
    fill(60);
    close(fd);
    turn();
    g_assert_cmpuint(sender.told, ==, 2);
    g_assert_true(say(1, 60));
    g_unlink(theirs);
    g_assert_true(say(1, 60));
    fd = bind_unix(theirs);
    fill(60);
    g_assert_true(idle());
    for (unsigned i = 0; i < 5; i++)
        expect_datagram(fd, 1);
    g_assert_true(netdev_del("n", NULL));
    g_assert_cmpuint(sender.told, ==, 3);
    end();
    close(fd);
    g_unlink(theirs);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    dir = g_dir_make_tmp("net-XXXXXX", NULL);
    path = g_build_filename(dir, "n", NULL);
    g_test_add_func("/framed/hang-up", test_hang_up);
    g_test_add_func("/framed/nonsense", test_nonsense);
    g_test_add_func("/framed/descriptor", test_descriptor);
    g_test_add_func("/framed/slow", test_slow);
    g_test_add_func("/framed/datagrams", test_datagrams);
    int status = g_test_run();
    g_rmdir(dir);
    g_free(dir);
    g_free(path);
    return status;
}
