/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the binary's qtest and QMP sockets, for the tests in this folder.
 *
 * The binary is $QTEST_QEMU_BINARY (meson sets it to the build's). Where it is Debian's, which has no qtest
 * accelerator, it is run as `-accel tcg -S`: qtest_has_clock() is false there and tests that step the clock or
 * intercept interrupts skip themselves. Every failure (the binary dies, a FAIL answer, no answer in 30 s) ends the test
 * program with a message.
 */
#ifndef TESTS_QTEST_LIBQTEST_H
#define TESTS_QTEST_LIBQTEST_H

#include "util/json.h"

#define DEBIAN_BINARY "/usr/bin/qemu-system-x86_64"

typedef struct QTest QTest;

/* args as on a command line, split as a shell does; the library adds -qtest, -qmp, -display none and the accelerator
 * unless args have -accel. Returns when QMP has been negotiated. */
QTest *qtest_start(const char *fmt, ...) PRINTF_LIKE(1, 2);
QTest *qtest_start_binary(const char *binary, const char *args);
/* SIGTERM, wait, check that the exit status is 0. */
void qtest_quit(QTest *q);
/* Wait for the process to end by itself; returns its exit status, 128 + n for signal n. q is freed. */
int qtest_wait_exit(QTest *q);
void qtest_kill(QTest *q);            /* SIGKILL and reap, no check; q is freed */
const char *qtest_binary(void);       /* what qtest_start runs */
bool qtest_has_clock(const QTest *q); /* the virtual clock and interrupt interception can be driven */
pid_t qtest_pid(const QTest *q);
bool qtest_is_debian(const QTest *q);

uint8_t qtest_inb(QTest *q, uint16_t port);
uint16_t qtest_inw(QTest *q, uint16_t port);
uint32_t qtest_inl(QTest *q, uint16_t port);
void qtest_outb(QTest *q, uint16_t port, uint8_t val);
void qtest_outw(QTest *q, uint16_t port, uint16_t val);
void qtest_outl(QTest *q, uint16_t port, uint32_t val);
uint32_t qtest_in(QTest *q, uint16_t port, unsigned size);
void qtest_out(QTest *q, uint16_t port, unsigned size, uint32_t val);

uint8_t qtest_readb(QTest *q, uint64_t addr);
uint16_t qtest_readw(QTest *q, uint64_t addr);
uint32_t qtest_readl(QTest *q, uint64_t addr);
uint64_t qtest_readq(QTest *q, uint64_t addr);
void qtest_writeb(QTest *q, uint64_t addr, uint8_t val);
void qtest_writew(QTest *q, uint64_t addr, uint16_t val);
void qtest_writel(QTest *q, uint64_t addr, uint32_t val);
void qtest_writeq(QTest *q, uint64_t addr, uint64_t val);
uint64_t qtest_read(QTest *q, uint64_t addr, unsigned size);
void qtest_write(QTest *q, uint64_t addr, unsigned size, uint64_t val);
void qtest_memread(QTest *q, uint64_t addr, void *buf, size_t len);
void qtest_memwrite(QTest *q, uint64_t addr, const void *buf, size_t len);
void qtest_memset(QTest *q, uint64_t addr, uint8_t byte, size_t len);

/* PCI configuration space by mechanism #1. */
uint32_t qtest_pci_read(QTest *q, unsigned bus, unsigned devfn, unsigned off, unsigned size);
void qtest_pci_write(QTest *q, unsigned bus, unsigned devfn, unsigned off, unsigned size, uint32_t val);

/* The virtual clock; each returns the new time in ns. */
int64_t qtest_clock_step_next(QTest *q); /* to the next timer */
int64_t qtest_clock_step(QTest *q, int64_t ns);
int64_t qtest_clock_set(QTest *q, int64_t ns);

/* Files: a folder of the test program's own, which goes with it. An image of random bytes (size a multiple of 4), its
 * path for the caller to free; a part of a file. */
const char *qtest_dir(void);
char *qtest_image(const char *name, size_t size, unsigned seed);
void qtest_file_part(const char *path, uint64_t off, void *buf, size_t len);

/* Interrupts: intercept a device's inputs ("ioapic", "/machine/...") once, then ask for levels, which the messages keep
 * up to date. */
void qtest_irq_intercept_in(QTest *q, const char *path);
void qtest_irq_intercept_out(QTest *q, const char *path);
bool qtest_irq(QTest *q, unsigned n);            /* the present level; false for one that never changed */
unsigned qtest_irq_raises(QTest *q, unsigned n); /* how often it was raised since the interception */
void qtest_set_irq_in(QTest *q, const char *path, unsigned n, int level);

/* One line, its answer without checks ("OK ...", "FAIL ..."); the caller frees it. */
char *qtest_command(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* QMP. The caller owns what is returned. */
Json *qtest_qmp_raw(QTest *q, const char *json); /* send as it stands; the reply object */
Json *qtest_qmp(QTest *q, const char *fmt, ...)
    PRINTF_LIKE(2, 3); /* a whole command as JSON text; its "return", fails on "error" */
char *qtest_qmp_error(QTest *q, const char *fmt, ...)
    PRINTF_LIKE(2, 3);                                             /* the same, for one that must fail; the "desc" */
char *qtest_hmp(QTest *q, const char *fmt, ...) PRINTF_LIKE(2, 3); /* human-monitor-command */
/* The next event of that name (data may be json_null()), of those already received or to come within 30 s. */
Json *qtest_event(QTest *q, const char *name);
Json *qtest_event_any(QTest *q);                   /* the next of any name; NULL: the connection has ended */
bool qtest_event_seen(QTest *q, const char *name); /* already received and not yet taken */

/*
 * A walk: seeded random register accesses on two binaries in lock-step; each read must give the same on both.
 * A mask names what may differ and why; bits is what is not compared.
 */
typedef struct WalkMask {
    uint64_t addr; /* of the register, as in WalkRegion */
    uint64_t bits;
    const char *reason;
} WalkMask;
typedef struct WalkRegion {
    bool mmio; /* false: ports */
    uint64_t base;
    unsigned count;  /* bytes */
    uint8_t sizes;   /* OR of 1, 2, 4, 8; 0: 1 */
    unsigned weight; /* how often, relative; 0: 1 */
} WalkRegion;
typedef struct WalkStep {
    bool write, mmio;
    uint64_t addr, val;
    unsigned size;
} WalkStep;
typedef struct Walk {
    const char *args;          /* of both binaries */
    const WalkRegion *regions; /* ended by count 0 */
    const WalkMask *masks;     /* ended by reason NULL; may be NULL */
    const WalkStep *before;    /* done first on both, ended by size 0; may be NULL */
    /* May change a step or return false to skip it (a write that leaves the comparable); may be NULL. */
    bool (*filter)(WalkStep *s, GRand *rand);
    unsigned steps;  /* 0: 10,000 */
    unsigned seed;   /* 0: 1; $WALK_SEED overrides */
    unsigned writes; /* per cent; 0: 50 */
} Walk;
/* Skips the running g_test where Debian's binary is not installed. On a difference the test fails with the steps that
 * led there. */
void qtest_walk(const Walk *w);

#endif
