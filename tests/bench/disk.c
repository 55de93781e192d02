/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures a disk from inside: disk KIND DEVICE BLOCK DEPTH SECONDS FIRST
 *
 * KIND: randread; read and write, from block FIRST on and around; part: writes PART bytes from there on, however long
 * it takes. DEPTH requests of BLOCK bytes are in flight (Linux AIO, O_DIRECT) for SECONDS. Each 4 KiB of the device
 * begin with their number, little endian; writes keep it so, reads check it. Prints @begin, then '@end REQUESTS
 * SECONDS' or '@failed WHY'.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, DEPTH_MAX = 256, PART = 192 << 20 };

static void fail(const char *what, ...)
{
    va_list ap;
    va_start(ap, what);
    printf("@failed ");
    vprintf(what, ap);
    printf("\n");
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t random64(void)
{
    static uint64_t x = 88172645463325252;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

typedef struct Test {
    int fd, random, write;
    uint64_t block, blocks; /* bytes of a request; requests that the device has room for */
    uint64_t first, sent, most;
} Test;

static void prepare(Test *t, struct iocb *c, uint8_t *buf, uint64_t slot)
{
    uint64_t at = (t->random ? random64() % t->blocks : (t->first + t->sent) % t->blocks) * t->block;
    t->sent++;
    memset(c, 0, sizeof(*c));
    c->aio_data = slot;
    c->aio_lio_opcode = t->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    c->aio_fildes = (uint32_t)t->fd;
    c->aio_buf = (uintptr_t)buf;
    c->aio_nbytes = t->block;
    c->aio_offset = (int64_t)at;
    for (uint64_t i = 0; t->write && i < t->block; i += PAGE) {
        uint64_t number = (at + i) / PAGE;
        memcpy(buf + i, &number, sizeof(number));
    }
}

static void check(const Test *t, const struct iocb *c, const struct io_event *e)
{
    const uint8_t *buf = (const uint8_t *)(uintptr_t)c->aio_buf;
    if (e->res != (int64_t)t->block)
        fail("a request at %lld returns %lld", (long long)c->aio_offset, (long long)e->res);
    for (uint64_t i = 0; !t->write && i < t->block; i += PAGE) {
        uint64_t number, want = ((uint64_t)c->aio_offset + i) / PAGE;
        memcpy(&number, buf + i, sizeof(number));
        if (number != want)
            fail("block %llu says that it is %llu", (unsigned long long)want, (unsigned long long)number);
    }
}

int main(int argc, char **argv)
{
    static struct iocb cb[DEPTH_MAX];
    struct io_event ev[DEPTH_MAX];
    aio_context_t ctx = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 7)
        fail("usage: disk KIND DEVICE BLOCK DEPTH SECONDS FIRST");
    bool part = !strcmp(argv[1], "part");
    Test t = {.random = !strcmp(argv[1], "randread"),
              .write = part || !strcmp(argv[1], "write"),
              .block = strtoull(argv[3], NULL, 0),
              .first = strtoull(argv[6], NULL, 0),
              .most = UINT64_MAX};
    unsigned depth = (unsigned)atoi(argv[4]), in_flight = 0;
    double limit = atof(argv[5]);
    uint64_t size = 0, done = 0;
    if (!depth || depth > DEPTH_MAX || !t.block || t.block % PAGE)
        fail("BLOCK must be pages, DEPTH 1 to %d", DEPTH_MAX);
    if (part)
        t.most = PART / t.block;
    t.fd = open(argv[2], (t.write ? O_RDWR : O_RDONLY) | O_DIRECT);
    if (t.fd < 0 || ioctl(t.fd, BLKGETSIZE64, &size))
        fail("%s: %s", argv[2], strerror(errno));
    t.blocks = size / t.block;
    if (!t.blocks || syscall(SYS_io_setup, depth, &ctx))
        fail("io_setup: %s", strerror(errno));
    for (unsigned i = 0; i < depth; i++) {
        void *buf;
        if (posix_memalign(&buf, PAGE, t.block))
            fail("no memory");
        memset(buf, (int)i, t.block);
        cb[i].aio_buf = (uintptr_t)buf;
    }
    printf("@begin\n");
    double start = now(), end = start;
    struct iocb *list[DEPTH_MAX];
    long n = 0; /* of list: to be sent */
    for (unsigned i = 0; i < depth && t.sent < t.most; i++) {
        prepare(&t, &cb[i], (uint8_t *)(uintptr_t)cb[i].aio_buf, i);
        list[n++] = &cb[i];
    }
    while (n || in_flight) {
        for (long sent = 0; sent < n;) {
            long r = syscall(SYS_io_submit, ctx, n - sent, list + sent);
            if (r <= 0)
                fail("io_submit: %s", strerror(errno));
            sent += r;
            in_flight += (unsigned)r;
        }
        n = 0;
        long got = syscall(SYS_io_getevents, ctx, 1L, (long)depth, ev, NULL);
        if (got <= 0)
            fail("io_getevents: %s", strerror(errno));
        end = now();
        for (long i = 0; i < got; i++) {
            struct iocb *c = &cb[ev[i].data];
            check(&t, c, &ev[i]);
            in_flight--;
            done++;
            if (part ? t.sent < t.most : end - start < limit) {
                prepare(&t, c, (uint8_t *)(uintptr_t)c->aio_buf, ev[i].data);
                list[n++] = c;
            }
        }
    }
    printf("@end %llu %.6f\n", (unsigned long long)done, end - start);
    return 0;
}
