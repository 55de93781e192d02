/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/libnet.h"

#include "tests/qtest/libqtest.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct NetPeer {
    int fd;
    char *mine, *theirs, *args;
};

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    g_assert_cmpuint(strlen(path), <, sizeof(a.sun_path));
    strcpy(a.sun_path, path);
    return a;
}

NetPeer *netpeer_new(void)
{
    static unsigned count;
    NetPeer *p = g_new0(NetPeer, 1);
    p->mine = g_strdup_printf("%s/net-peer%u", qtest_dir(), count);
    p->theirs = g_strdup_printf("%s/net-card%u", qtest_dir(), count++);
    p->args = g_strdup_printf("-netdev dgram,id=n,local.type=unix,local.path=%s,remote.type=unix,remote.path=%s",
                              p->theirs, p->mine);
    struct sockaddr_un a = address(p->mine);
    p->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(p->fd, >=, 0);
    g_assert_cmpint(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
    return p;
}

void netpeer_free(NetPeer *p)
{
    close(p->fd);
    unlink(p->mine);
    g_free(p->mine);
    g_free(p->theirs);
    g_free(p->args);
    g_free(p);
}

const char *netpeer_args(const NetPeer *p)
{
    return p->args;
}

void netpeer_send(NetPeer *p, const void *buf, size_t len)
{
    struct sockaddr_un a = address(p->theirs);
    g_assert_cmpint(sendto(p->fd, buf, len, 0, (struct sockaddr *)&a, sizeof(a)), ==, (ssize_t)len);
}

void netpeer_try(NetPeer *p, const void *buf, size_t len)
{
    struct sockaddr_un a = address(p->theirs);
    (void)!sendto(p->fd, buf, len, MSG_DONTWAIT, (struct sockaddr *)&a, sizeof(a));
}

size_t netpeer_recv(NetPeer *p, uint8_t *buf)
{
    struct pollfd fd = {p->fd, POLLIN, 0};
    g_assert_cmpint(poll(&fd, 1, 5000), ==, 1);
    ssize_t n = recv(p->fd, buf, NETPEER_MAX, 0);
    g_assert_cmpint(n, >, 0);
    return (size_t)n;
}

bool netpeer_silent(NetPeer *p, unsigned ms)
{
    struct pollfd fd = {p->fd, POLLIN, 0};
    return !poll(&fd, 1, (int)ms);
}

void net_frame(uint8_t *buf, size_t len, const uint8_t *to, const uint8_t *from, unsigned seed)
{
    memcpy(buf, to, 6);
    memcpy(buf + 6, from, 6);
    stw_be(buf + 12, 0x88b5); /* for experiments (IEEE 802) */
    for (size_t i = 14; i < len; i++)
        buf[i] = (uint8_t)(i * 31 + seed);
}

static uint32_t add(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++)
        sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

size_t net_tcp_frame(uint8_t *buf, size_t payload, bool v6, const uint8_t *to, const uint8_t *from)
{
    size_t l4 = 14 + (v6 ? 40 : 20), len = l4 + 20 + payload;
    net_frame(buf, len, to, from, 7);
    stw_be(buf + 12, v6 ? 0x86dd : 0x0800);
    memset(buf + 14, 0, l4 + 20 - 14);
    uint8_t *ip = buf + 14, *tcp = buf + l4;
    if (v6) {
        ip[0] = 0x60;
        stw_be(ip + 4, (uint16_t)(20 + payload));
        ip[6] = 6;
        ip[7] = 64;
        ip[23] = 1;
        ip[39] = 2;
    } else {
        ip[0] = 0x45;
        stw_be(ip + 2, (uint16_t)(40 + payload));
        stw_be(ip + 4, 0x1234);
        ip[8] = 64;
        ip[9] = 6;
        stl_be(ip + 12, 0x0a000001);
        stl_be(ip + 16, 0x0a000002);
        stw_be(ip + 10, fold(add(ip, 20, 0)));
    }
    stw_be(tcp, 1000);
    stw_be(tcp + 2, 80);
    stl_be(tcp + 4, 0x01020304);
    tcp[12] = 5 << 4;
    tcp[13] = 0x19; /* FIN, PSH, ACK */
    /* The pseudo header's sum, as a driver leaves it. */
    uint8_t tail[4] = {0, 6, 0, 0};
    stw_be(tail + 2, (uint16_t)(20 + payload));
    uint32_t sum = add(tail, 4, v6 ? add(ip + 8, 32, 0) : add(ip + 12, 8, 0));
    stw_be(tcp + 16, (uint16_t)~fold(sum));
    return len;
}

bool net_tcp_ok(const uint8_t *buf, size_t len)
{
    bool v6 = lduw_be(buf + 12) == 0x86dd;
    const uint8_t *ip = buf + 14, *tcp = ip + (v6 ? 40 : 20);
    size_t l4 = len - (size_t)(tcp - buf);
    uint8_t tail[4] = {0, 6, 0, 0};
    stw_be(tail + 2, (uint16_t)l4);
    if (v6 ? lduw_be(ip + 4) != l4 : lduw_be(ip + 2) != l4 + 20 || fold(add(ip, 20, 0)))
        return false;
    return !fold(add(tcp, l4, add(tail, 4, v6 ? add(ip + 8, 32, 0) : add(ip + 12, 8, 0))));
}
