/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices from the driver's side: rings, chains, features, notifications, resets, in any order. The first byte
 * picks the device, the second how its driver sets it up (setup()); then steps, see step().
 *
 * As long as the input is tidy (rings where setup() puts them, buffers beside them) a model knows what must come of it:
 * - of guest memory only the used rings change, and of the buffers that come back the bytes that are said to be
 * written;
 * - what changes is marked dirty;
 * - a queue that the device serves at once is served to its end, unless there is nonsense in it: then the device is
 *   broken, and says so by DEVICE_NEEDS_RESET; without nonsense it never is;
 * - each request comes back once; the driver that wants to know is interrupted; the device wants to know of the next;
 * - a stream saved and loaded changes nothing.
 * Wild steps (raw registers, memory, rings anywhere) end the model until the next setup. Whatever happened, after a
 * reset the device works. With FUZZ_VERBOSE in the environment it prints the steps.
 */
#include "tests/fuzz/fuzz.h"

#include "backends/backends.h"
#include "block/backend.h"
#include "block/drive.h"
#include "block/qcow2.h"
#include "chardev/chardev.h"
#include "hw/virtio/balloon.h"
#include "hw/virtio/internal.h"
#include "hw/virtio/pci.h"
#include "net/net.h"
#include "softmmu/runstate.h"
#include "tests/unit/hw/harness.h"
#include "ui/input.h"

#include <sys/socket.h>
#include <unistd.h>

const char *const fuzz_seeds[] = {
    "@\x06\x11\x03\x50\x50\x70\x50\x11\x50\x12\x11\x03", /* network: packets out and in */
    "@\x02\x01\x02\x81\x50\x81\x50\x04\x03\x13\x02\x21\x01\x50\x10\x91\x12\x22",
    "A\x06\x01\x03\x20\x50\x71\x50\x91\x10\x02\x11\x03\x20\x51\x91\x11\x02\x0f\x02", /* a disk */
    "A\x07\x01\x03\x20\x50\x71\x50\x91\x10\x02\x0e\x02",
    "B\x02\x01\x03\x21\x50\x50\x10\x91\x10\x02\x01\x02\x24\x10\x91\x10\x02\x0e",             /* qcow2 */
    "C\x06\x01\x01\x81\x50\x02\x04\x03\x40\x03\x31\x01\x10\x50\x32\x11\x01\x60\x50\x12\x02", /* ports */
    "D\x02\x01\x02\x81\x50\xb1\x50\x02\x01\x0d\x91\x70\x02\x03",                             /* random numbers */
    "E\x06\x01\x01\x50\x50\x02\x21\x01\x50\x50\x22\x21\x01\x50\x50\x22\x02\x31\x01\xd1\x60\x32\x0e", /* a balloon */
    "F\x02\x01\x01\x91\x50\x01\x01\x91\x50\x01\x01\x91\x50\x02\x04\x05\x11\x01\x10\x50\x12",         /* a keyboard */
    "G\x02\x01\x01\x91\x50\x02\x04\x09\x04\x07\x09\x02\x01\x01\x91\x50\x02",
    "A\x06\x01\x03\x20\x50\x71\x50\x91\x10\xf1\x02\x08\x06\x01\x03\x20\x50\x71\x50\x91\x10\xf2\x02", /* loops */
    "@\x06\x01\x0b\x50\x50\x50\xf5\x02\x08\x06\x11\x03\x50\xc0\x50\x12\x18\x02\x11\x03\x50\xe0\x50\x12",
    "D\x02\x01\x01\x91\x91\xf1\x02\x08\x02\x01\x01\x9d\x50\x02",
    "A\x06\x01\x03\x20\x50\x7d\x50\x91\x10\x50\x02\x08\x06\x01\x0b\x20\x50\x71\x91\x10\xf7\x02",
    "A\x06\x0a\x03\x21\x01\x02\x31\x01\x0b\x11\x22\x33\x44\x02\x0c\x12\x10\x01\x02\x03\x04\x08\x02",
    NULL,
};

enum { QUEUES = 6, RING_AREA = 0x10000, RING_SPACE = 0x4000, TABLES = 0x28000, TABLES_END = 0x30000 };
enum { BUFFERS = 0x40000, BUFFERS_END = 0x80000, FREE_PAGES = 0x80000, RING_MAX = 256, PARTS_MAX = 8, STEPS = 64 };
enum { D_NEXT = 1, D_WRITE = 2, D_INDIRECT = 4 };
enum { KINDS = 8 };
typedef enum Kind { NET, DISK, QCOW2, SERIAL, RNG, BALLOON, KEYBOARD, TABLET } Kind;

/* Of each kind: queues that are served at once and to the end, and those where the device may write all of a buffer. */
static const struct {
    const char *name;
    unsigned eager, whole;
    bool modern_only;
} kinds[KINDS] = {
    [NET] = {"virtio-net-pci", 0, 0},
    [DISK] = {"virtio-blk-pci", 0x03, 0},
    [QCOW2] = {"virtio-blk-pci", 0x03, 0},
    [SERIAL] = {"virtio-serial-pci", 0x2a, 0},
    [RNG] = {"virtio-rng-pci", 0, 0},
    [BALLOON] = {"virtio-balloon-pci", 0x0b, 0x08},
    [KEYBOARD] = {"virtio-keyboard-pci", 2, 0, true},
    [TABLET] = {"virtio-tablet-pci", 2, 0, true},
};

typedef struct Part {
    uint64_t addr;
    uint32_t len;
    bool write;
} Part;

/* A request that the driver has made available. */
typedef struct Head {
    bool out;
    unsigned n;
    Part parts[PARTS_MAX];
    uint64_t in_len;
} Head;

typedef struct Queue {
    bool on, bad; /* there is nonsense in it */
    uint16_t size, avail_idx, used_seen, next_desc;
    unsigned outstanding;
    Head heads[RING_MAX];
} Queue;

static struct {
    Kind kind;
    Device *devs[KINDS];
    GByteArray *fresh[KINDS]; /* streams of them after power-on */
    bool hostile;             /* a stream has changed what no driver can */
    VirtioPci *pci;
    VirtioDevice *v;
    bool verbose; /* FUZZ_VERBOSE is in the environment */
    bool legacy, event_idx, indirect, wild, any_bad, was_broken;
    uint32_t next_table, next_buffer;
    unsigned n_queues;
    Queue q[QUEUES];
    NetClient peer, peer2;       /* of two queues */
    bool peer_takes, peer_stood; /* it did not at some time since setup() */
    unsigned peer_got;
    int port[2]; /* the port's peer, and its */
} m;
static uint8_t shadow[BENCH_RAM]; /* memory as the driver left it and the model saw it */

G_GNUC_PRINTF(1, 2) static void bug(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_printerr("%s: %s\n", kinds[m.kind].name, text);
    abort();
}

/* ---- the driver's means ---- */

static void put(uint64_t addr, const void *buf, size_t len)
{
    memcpy(bench_ram() + addr, buf, len);
    memcpy(shadow + addr, buf, len);
}

static void put16(uint64_t addr, uint16_t val)
{
    uint8_t raw[2];
    stw_le(raw, val);
    put(addr, raw, 2);
}

static uint64_t bar(unsigned n)
{
    return ldl_le(m.pci->pci.config + 0x10 + 4 * n) & ~15U;
}

static void common(unsigned off, unsigned size, uint64_t val)
{
    as_store(&as_memory, bar(4) + off, size, val, NULL);
}

static void legacy(unsigned off, unsigned size, uint64_t val)
{
    io_write((uint16_t)(bar(0) + off), (uint32_t)val, size);
}

static void set_status(uint8_t status)
{
    m.legacy ? legacy(18, 1, status) : common(20, 1, status);
}

static uint8_t status(void)
{
    return m.legacy ? (uint8_t)io_read((uint16_t)(bar(0) + 18), 1) : (uint8_t)as_load(&as_memory, bar(4) + 20, 1, NULL);
}

static void read_isr(void)
{
    m.legacy ? io_read((uint16_t)(bar(0) + 19), 1) : as_load(&as_memory, bar(4) + 0x1000, 1, NULL);
}

static uint64_t ring_place(unsigned n)
{
    return RING_AREA + (uint64_t)n * RING_SPACE;
}

static uint64_t avail_place(unsigned n)
{
    return ring_place(n) + 16ULL * m.q[n].size;
}

static uint64_t used_place(unsigned n)
{
    return ROUND_UP(avail_place(n) + 6 + 2ULL * m.q[n].size, 0x1000);
}

static uint16_t ram16(uint64_t addr)
{
    return lduw_le(bench_ram() + addr);
}

static void place_queue(unsigned n, uint16_t size)
{
    Queue *q = &m.q[n];
    *q = (Queue){.on = true, .size = m.legacy || !size ? (uint16_t)virtio_queue_size(m.v, n) : size};
    memset(bench_ram() + ring_place(n), 0, RING_SPACE);
    memset(shadow + ring_place(n), 0, RING_SPACE);
    if (q->size > RING_MAX) { /* of a device that has been told so before */
        *q = (Queue){0};
        return;
    }
    if (m.legacy) {
        legacy(14, 2, n);
        legacy(8, 4, ring_place(n) >> 12);
        return;
    }
    common(22, 2, n);
    common(24, 2, q->size);
    common(32, 8, ring_place(n));
    common(40, 8, avail_place(n));
    common(48, 8, used_place(n));
    common(28, 2, 1);
}

/* Bits of how: 0 legacy, 1 event index, 2 indirect descriptors, 3 few features, 4 not to DRIVER_OK; 5 and 6: the
 * queues' size. */
static void setup(unsigned how)
{
    static const uint16_t sizes[] = {0, 8, 1, 7};
    pci_config_write(pci_root, (uint32_t)m.pci->pci.devfn, 4, 7, 2);
    if (m.pci->pci.msix_cap)
        pci_config_write(pci_root, (uint32_t)m.pci->pci.devfn, m.pci->pci.msix_cap + 2U, 0, 2);
    m.legacy = how & 1 && !kinds[m.kind].modern_only;
    m.event_idx = how & 2;
    m.indirect = how & 4;
    set_status(0);
    g_assert_cmphex(status(), ==, 0);
    memcpy(shadow, bench_ram(), BENCH_RAM);
    m.wild = m.any_bad = m.was_broken = false;
    m.peer_stood = !m.peer_takes;
    m.next_table = TABLES;
    m.next_buffer = BUFFERS;
    set_status(1);
    set_status(3);
    uint64_t f = how & 8 ? 0 : m.v->features;
    f &= ~(BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_RING_INDIRECT) | BIT64(VIRTIO_F_VERSION_1) |
           BIT64(VIRTIO_F_BAD_FEATURE));
    f |= (m.event_idx ? BIT64(VIRTIO_F_EVENT_IDX) : 0) | (m.indirect ? BIT64(VIRTIO_F_RING_INDIRECT) : 0);
    if (m.legacy) {
        legacy(4, 4, (uint32_t)f);
    } else {
        f = (f & ~VIRTIO_LEGACY_FEATURES) | BIT64(VIRTIO_F_VERSION_1);
        for (unsigned i = 0; i < 2; i++) {
            common(8, 4, i);
            common(12, 4, (uint32_t)(f >> (32 * i)));
        }
        set_status(11);
    }
    m.n_queues = MIN(virtio_queues_there(m.v), QUEUES);
    for (unsigned n = 0; n < m.n_queues; n++)
        place_queue(n, sizes[how >> 5 & 3]);
    if (!(how & 16))
        set_status(m.legacy ? 7 : 15);
}

/* ---- what must have come of it ---- */

static unsigned net_header(void)
{
    return !m.legacy || virtio_has(m.v, 15) ? 12 : 10;
}

static unsigned net_ctrl(void)
{
    return virtio_has(m.v, 22) ? 4 : 2;
}

/* The device finds no sense in a request of these lengths. */
static bool refuses(unsigned n, uint64_t out, uint64_t in)
{
    switch (m.kind) {
    case NET:
        return n == net_ctrl() ? out < 2 || !in : n & 1 ? out < net_header() || in : in < net_header();
    case DISK:
    case QCOW2:
        return out < 16 || !in;
    default:
        return false;
    }
}

static bool eager(unsigned n)
{
    if (m.kind == NET)
        return n == net_ctrl() || (n & 1 && !m.peer_stood && m.peer_takes);
    if (m.kind == SERIAL && !m.peer_takes)
        return false;
    return kinds[m.kind].eager >> n & 1;
}

static uint8_t may[BENCH_RAM]; /* 1: the device may have written it */

static void mark(const Part *p, uint64_t *len, uint8_t val)
{
    uint64_t n = MIN(*len, p->len);
    if (p->write && p->addr < BENCH_RAM)
        memset(may + p->addr, val, MIN(n, BENCH_RAM - p->addr));
    *len -= p->write ? n : 0;
}

static void mark_all(uint8_t val)
{
    for (unsigned n = 0; n < m.n_queues; n++) {
        Queue *q = &m.q[n];
        if (!q->size) /* one that has just been reset counts */
            continue;
        memset(may + used_place(n), val, 4 + 8 * (size_t)q->size + (m.event_idx ? 2 : 0));
        for (unsigned i = 0; m.v->broken && i < q->size; i++) { /* it may have been at any that it cannot give back */
            uint64_t all = UINT64_MAX;
            for (unsigned k = 0; q->heads[i].out && k < q->heads[i].n; k++)
                mark(&q->heads[i].parts[k], &all, val);
        }
        uint16_t idx = ram16(used_place(n) + 2);
        for (uint16_t i = q->used_seen; i != idx; i++) {
            uint64_t at = used_place(n) + 4 + 8 * (uint64_t)(i % q->size);
            uint32_t id = ldl_le(bench_ram() + at);
            uint64_t len = kinds[m.kind].whole >> n & 1 ? UINT64_MAX : ldl_le(bench_ram() + at + 4);
            for (unsigned k = 0; id < q->size && k < q->heads[id].n; k++)
                mark(&q->heads[id].parts[k], &len, val);
        }
    }
    if (m.kind == BALLOON)
        memset(may + FREE_PAGES, val, BENCH_RAM - FREE_PAGES);
}

/* What is marked dirty; all: and that nothing else changed. */
static void check_memory(bool all)
{
    const uint8_t *ram = bench_ram();
    unsigned long dirty[BENCH_RAM / 4096 / 64];
    MemoryRegion *r = bench_ram_region();
    region_snapshot_dirty(r, DIRTY_VGA, 0, BENCH_RAM, dirty);
    bool marked = false;
    for (size_t page = 0; page < BENCH_RAM; page += 4096) {
        bool said = dirty[page / 4096 / 64] >> page / 4096 % 64 & 1,
             free_page = m.kind == BALLOON && page >= FREE_PAGES;
        if ((!said && !all) || !memcmp(ram + page, shadow + page, 4096))
            continue;
        if (!said && !free_page)
            bug("page 0x%zx was written and not marked dirty", page);
        if (!marked)
            mark_all(1);
        marked = true;
        for (size_t i = page; i < page + 4096; i++)
            if (ram[i] != shadow[i] && !may[i])
                bug("0x%zx was written: %02x to %02x", i, shadow[i], ram[i]);
        memcpy(shadow + page, ram + page, 4096);
    }
    if (marked)
        mark_all(0);
}

static bool interrupt_due(unsigned n, uint16_t old, uint16_t now)
{
    if (!m.event_idx)
        return !(ram16(avail_place(n)) & 1);
    uint16_t event = ram16(avail_place(n) + 4 + 2ULL * m.q[n].size);
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

/* Take what came back. */
static bool check_used(unsigned n)
{
    Queue *q = &m.q[n];
    uint16_t old = q->used_seen, now = ram16(used_place(n) + 2);
    if ((uint16_t)(now - old) > q->outstanding)
        bug("queue %u: %u came back, %u were given", n, (uint16_t)(now - old), q->outstanding);
    for (; q->used_seen != now; q->used_seen++) {
        const uint8_t *e = bench_ram() + used_place(n) + 4 + 8 * (uint64_t)(q->used_seen % q->size);
        uint32_t id = ldl_le(e), len = ldl_le(e + 4);
        if (id >= q->size || !q->heads[id].out)
            bug("queue %u: head %u came back, which was not given", n, id);
        if (len > q->heads[id].in_len)
            bug("queue %u: %u bytes of %" PRIu64, n, len, q->heads[id].in_len);
        q->heads[id].out = false;
        q->outstanding--;
    }
    if (!q->outstanding)
        q->next_desc = 0;
    return now != old && interrupt_due(n, old, now);
}

static void nothing(void *opaque)
{
}

static void turn_loop(void)
{
    char sink[4096];
    for (int i = 0; i < 12; i++) {
        g_main_context_iteration(NULL, false);
        while (m.peer_takes && read(m.port[0], sink, sizeof(sink)) > 0)
            g_main_context_iteration(NULL, false);
    }
}

/* The device does what it has to do; then the model looks. kicked: a queue, or -1. */
static void settle(int kicked)
{
    bool served = m.v->started && !m.v->disabled;
    m.was_broken |= m.v->broken;
    if (m.v->home && m.v->started) {
        iothread_run(m.v->home, nothing, NULL);
        iothread_run(m.v->home, nothing, NULL);
        turn_loop();
        virtio_stop(m.v);
    } else {
        turn_loop();
    }
    if (m.wild)
        return;
    check_memory(false);
    bool due = false;
    for (unsigned n = 0; n < m.n_queues; n++)
        if (m.q[n].on)
            due |= check_used(n);
    if (due && (m.v->started || served) && !m.v->broken && !(bench.lines >> 16))
        bug("the driver waits for an interrupt that does not come");
    read_isr();
    g_assert_cmphex(bench.lines, ==, 0);
    if (m.v->broken && !m.any_bad)
        bug("broken without a cause");
    if (m.v->broken && !m.was_broken && !m.legacy)
        g_assert_true(status() & VIRTIO_S_NEEDS_RESET);
    if (kicked < 0 || !served || m.was_broken || !m.q[kicked].on || !eager((unsigned)kicked))
        return;
    Queue *q = &m.q[kicked];
    if (q->bad && !m.v->broken)
        bug("queue %d: nonsense is not found", kicked);
    if (m.v->broken)
        return;
    if (q->outstanding)
        bug("queue %d: %u requests are not served", kicked, q->outstanding);
    uint64_t used = used_place((unsigned)kicked);
    if (m.event_idx ? ram16(used + 4 + 8ULL * q->size) != q->avail_idx : ram16(used) & 1)
        bug("queue %d: the device does not want to hear of the next request", kicked);
}

/* ---- steps ---- */

static void go_wild(void)
{
    if (!m.wild) {
        settle(-1);
        check_memory(true);
    }
    m.wild = true;
}

static void kick(unsigned n)
{
    virtio_update_started(m.v);
    if (m.legacy)
        legacy(16, 2, n);
    else
        common(0x3000 + 4 * n, 2, n);
}

static void put_desc(uint64_t at, const Part *p, uint16_t flags, uint16_t next)
{
    uint8_t raw[16];
    stq_le(raw, p->addr);
    stl_le(raw + 8, p->len);
    stw_le(raw + 12, (uint16_t)(flags | (p->write ? D_WRITE : 0)));
    stw_le(raw + 14, next);
    put(at, raw, 16);
}

/* By a byte: 0 written by the device, 1-3 the kind of length, 4-7 the kind of place. False: no sense in it. */
static bool make_part(Input *in, Part *p, const Part *before)
{
    static const uint32_t lens[] = {16, 12, 1, 60, 512, 4096, 0, 65536};
    uint8_t kind = (uint8_t)take(in, 1);
    p->write = kind & 1;
    p->len = lens[kind >> 1 & 7];
    if (m.next_buffer + 65536 > BUFFERS_END)
        m.next_buffer = BUFFERS;
    p->addr = m.next_buffer;
    switch (kind >> 4) {
    case 0:
        if (before)
            p->addr = before->addr;
        break;
    case 10: /* to the last byte */
        p->addr = BENCH_RAM - MAX(p->len, 1);
        break;
    case 11: /* whole pages */
        p->addr = m.next_buffer = (uint32_t)ROUND_UP(m.next_buffer, 4096);
        p->len = ROUND_UP(p->len, 4096);
        break;
    case 12:
        p->addr = BENCH_RAM - p->len / 2;
        break;
    case 13:
        p->addr = bar(4);
        break;
    case 14:
        p->addr = take(in, 1) & 1 ? UINT64_MAX - 15 : BIT64(63);
        break;
    case 15:
        p->len = UINT32_MAX - (uint32_t)take(in, 1);
        break;
    default:
        m.next_buffer += MIN(p->len, 65536);
    }
    bool fits = p->len && p->addr < BENCH_RAM && p->len <= BENCH_RAM - p->addr;
    uint8_t data[64];
    for (size_t i = 0; !p->write && fits && i < MIN(p->len, sizeof(data)); i++) {
        data[i] = in->left && i < 18 ? (uint8_t)take(in, 1) - (i < 2 ? 0x50 : 1) : (uint8_t)i;
        if (m.kind == BALLOON) /* page numbers: of pages that nobody misses */
            data[i] = i % 4 ? 0 : data[i] | FREE_PAGES / 4096;
        put(p->addr + i, data + i, 1);
    }
    for (uint64_t i = sizeof(data); m.kind == BALLOON && fits && !p->write && i + 4 <= p->len; i += 4)
        put(p->addr + i, "\x80\0\0", 4);
    return fits;
}

typedef enum Fault {
    NO_FAULT,
    LOOP,
    NEXT_OUTSIDE,
    HEAD_OUTSIDE,
    INDEX_JUMP,
    TABLE_EMPTY,
    TABLE_ODD,
    TABLE_NESTED,
    TABLE_OUTSIDE,
    TABLE_IN_CHAIN,
    FAULTS
} Fault;

/* A chain: a byte of the number of parts (0-2), indirect (3); the parts; a byte of what is wrong with it. */
static void add_chain(Input *in, unsigned n)
{
    Queue *q = &m.q[n];
    uint8_t form = (uint8_t)take(in, 1);
    unsigned parts = 1 + (form & 7);
    bool indirect = form & 8, bad = false, seen_in = false;
    if (!q->on || q->outstanding == q->size || m.wild)
        return;
    if (indirect && m.next_table + 16 * parts > TABLES_END)
        indirect = false;
    parts = indirect ? parts : MIN(parts, (unsigned)q->size - q->next_desc);
    if (!parts || q->next_desc == q->size)
        return;
    uint16_t head = q->next_desc;
    Head *h = &q->heads[head];
    *h = (Head){.out = true, .n = parts};
    uint64_t out_len = 0;
    for (unsigned i = 0; i < parts; i++) {
        Part *p = &h->parts[i];
        bad |= !make_part(in, p, i ? p - 1 : NULL);
        bad |= seen_in && !p->write;
        seen_in |= p->write;
        *(p->write ? &h->in_len : &out_len) += p->len;
    }
    bad |= h->in_len + out_len > UINT32_MAX;
    uint8_t wrong = (uint8_t)take(in, 1);
    Fault fault = wrong >= 0xf0 ? (Fault)(wrong % FAULTS) : NO_FAULT;
    uint64_t table = indirect ? m.next_table : ring_place(n);
    unsigned first = indirect ? 0 : head;
    for (unsigned i = 0; i < parts; i++) {
        bool last = i == parts - 1;
        uint16_t flags = last && fault != LOOP && fault != NEXT_OUTSIDE ? 0 : D_NEXT;
        uint16_t next = (uint16_t)(first + i + 1);
        if (last && fault == LOOP)
            next = (uint16_t)first;
        if (last && fault == NEXT_OUTSIDE)
            next = (uint16_t)(indirect ? parts : q->size);
        if (last && (fault == TABLE_IN_CHAIN || fault == TABLE_NESTED) && (i || indirect))
            flags |= D_INDIRECT;
        put_desc(table + 16 * (first + i), &h->parts[i], flags, next);
    }
    bad |= fault == LOOP || fault == NEXT_OUTSIDE;
    bad |= (fault == TABLE_IN_CHAIN || fault == TABLE_NESTED) && (parts > 1 || indirect);
    if (indirect) {
        Part t = {table, 16 * parts, false};
        if (fault == TABLE_EMPTY)
            t.len = 0;
        else if (fault == TABLE_ODD)
            t.len += 1;
        else if (fault == TABLE_OUTSIDE)
            t.addr = BENCH_RAM - t.len + 16;
        bad |= !m.indirect || fault == TABLE_EMPTY || fault == TABLE_ODD || fault == TABLE_OUTSIDE;
        put_desc(ring_place(n) + 16ULL * head, &t, D_INDIRECT, 0);
        m.next_table += 16 * parts;
    }
    q->next_desc += indirect ? 1 : parts;
    bad |= refuses(n, out_len, h->in_len);
    put16(avail_place(n) + 4 + 2ULL * (q->avail_idx % q->size), fault == HEAD_OUTSIDE ? q->size : head);
    q->outstanding++;
    q->avail_idx += fault == INDEX_JUMP ? q->size + 1 : 1;
    bad |= fault == HEAD_OUTSIDE || fault == INDEX_JUMP;
    q->bad |= bad;
    m.any_bad |= bad;
    put16(avail_place(n) + 2, q->avail_idx);
}

static void from_outside(Input *in)
{
    uint8_t what = (uint8_t)take(in, 1);
    switch (m.kind) {
    case NET: {
        static const uint16_t sizes[] = {60, 1514, 14, 9000, 13, 65535, 200, 1};
        uint8_t frame[65535] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
        struct iovec iov = {frame, sizes[what & 7]};
        NetPacket p = {&iov, 1, iov.iov_len, {0}};
        if (what & 0x10)
            p.off = (NetOffload){1, (uint8_t)take(in, 1), 54, (uint16_t)take(in, 1), (uint16_t)take(in, 1), 16};
        if (what & 0x20) {
            m.peer_takes = !m.peer_takes;
            m.peer_stood |= !m.peer_takes;
            if (m.peer_takes)
                net_ready(&m.peer), net_ready(&m.peer2);
        } else if (what & 0x40) {
            net_set_link(&m.peer, what & 0x80);
            m.peer_stood = true;
        } else {
            net_send(what & 8 ? &m.peer2 : &m.peer, &p);
        }
        break;
    }
    case SERIAL:
        if (what & 0x20)
            m.peer_takes = !m.peer_takes;
        else if (write(m.port[0], "0123456789abcdef", 1 + what % 16) < 0)
            return;
        break;
    case BALLOON:
        balloon_set((uint64_t)what * 64 * KIB, NULL);
        break;
    case KEYBOARD:
        input_key(NULL, (KeyCode)(what % KEY_CODES), what & 1);
        input_sync();
        break;
    case TABLET:
        for (unsigned i = 0; i < (what & 0x40 ? 70U : 1); i++)
            input_abs(NULL, what & 1 ? AXIS_X : AXIS_Y, what, 0, 255);
        input_button(NULL, (InputButton)(what % INPUT_BUTTONS), what & 0x80);
        if (!(what & 2))
            input_sync();
        break;
    default:
        virtio_config_changed(m.v);
    }
}

/* The device in a stream; the others have nothing to do with it. */
static GByteArray *save(void)
{
    VmWriter *w = vm_writer_new();
    g_assert_true(device_save(bench.dev, w, NULL) && device_save(bench.dev->inner, w, NULL));
    return vm_writer_finish(w);
}

static bool load(const GByteArray *stream)
{
    g_autofree uint8_t *exact = g_memdup2(stream->data, stream->len);
    VmReader *r = vm_reader_new(exact, stream->len);
    bool ok = device_load(bench.dev, r, NULL) && device_load(bench.dev->inner, r, NULL);
    vm_reader_free(r);
    return ok;
}

static bool of_stream(void)
{
    g_autoptr(GByteArray) saved = save();
    if (!load(saved))
        return false;
    g_autoptr(GByteArray) again = save();
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
    return true;
}

static void load_hostile(Input *in, unsigned changes)
{
    g_autoptr(GByteArray) saved = save();
    while (changes--) {
        uint64_t at = take(in, 2);
        saved->data[at % saved->len] = (uint8_t)take(in, 1);
    }
    load(saved);
    m.hostile = true;
    bench_map();
}

static void reset_queue(unsigned n, uint8_t how)
{
    if (m.legacy || !virtio_has(m.v, VIRTIO_F_RING_RESET)) {
        go_wild();
        setup(how);
        return;
    }
    common(22, 2, n);
    common(58, 2, 1);
    m.q[n].on = false;
    settle(-1);
    if (how & 1)
        place_queue(n, how & 2 ? 8 : 0);
}

/* A byte: 0-3 what, 4-6 of which queue, or an argument. */
static void step(Input *in)
{
    uint8_t op = (uint8_t)take(in, 1);
    unsigned n = (op >> 4 & 7) % m.n_queues;
    if (m.verbose)
        g_printerr("%02x, %zu left: status 0x%02x%s%s%s, queue %u: %u given, %u back, %u out\n", op, in->left,
                   m.v->status, m.v->started ? " started" : "", m.v->broken ? " broken" : "", m.wild ? " wild" : "", n,
                   m.q[n].avail_idx, m.q[n].used_seen, m.q[n].outstanding);
    switch (op & 15) {
    case 1:
        add_chain(in, n);
        return;
    case 2:
        kick(n);
        settle((int)n);
        return;
    case 3:
        clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + (int64_t)BIT64(op >> 4 & 7) * NS_PER_MS);
        break;
    case 4:
        from_outside(in);
        break;
    case 5: { /* the configuration */
        unsigned off = (unsigned)take(in, 1), size = 1U << (op >> 4 & 1);
        if (op & 0x80)
            as_load(&as_memory, bar(4) + 0x2000 + off, size, NULL);
        else
            as_store(&as_memory, bar(4) + 0x2000 + off, size, take(in, 1), NULL);
        break;
    }
    case 6: /* when the driver wants to know */
        if (!m.wild && m.q[n].on) {
            put16(avail_place(n), (uint16_t)(take(in, 1) & 1));
            if (m.event_idx)
                put16(avail_place(n) + 4 + 2ULL * m.q[n].size, (uint16_t)(m.q[n].used_seen + take(in, 1) - 2));
        }
        break;
    case 7:
        set_status((uint8_t)(take(in, 1) | 1));
        break;
    case 8:
        go_wild();
        setup((unsigned)take(in, 1));
        break;
    case 9:
        reset_queue(n, (uint8_t)take(in, 1));
        break;
    case 10: { /* a ring anywhere, of any size */
        go_wild();
        if (m.legacy) {
            legacy(14, 2, n);
            legacy(8, 4, take(in, 1));
            break;
        }
        common(22, 2, n);
        common(24, 2, take(in, 1) * 8);
        for (unsigned i = 0; i < 3; i++)
            common(32 + 8 * i, 8, take(in, 2) << 4 << (op & 0x80 ? 8 : 0));
        common(28, 2, 1);
        break;
    }
    case 11: {
        uint64_t at = RING_AREA + (take(in, 2) << (op >> 4 & 3));
        go_wild();
        bench_ram()[at % BENCH_RAM] = (uint8_t)take(in, 1);
        break;
    }
    case 12: { /* any register */
        unsigned window = (unsigned)take(in, 1), off = (unsigned)take(in, 1);
        go_wild();
        bench_access(window % bench.windows->len, off, 1U << (op >> 4 & 3), true, take(in, 4));
        break;
    }
    case 13: /* raw pokes of the doorbell */
        common(0x3000 + (unsigned)take(in, 1) * 16, 2, 0);
        break;
    case 14:
        vm_stop(RUN_PAUSED);
        if (op & 0x80) {
            go_wild();
            load_hostile(in, op >> 4 & 7);
        } else {
            settle(-1);
            bool ok = of_stream();
            g_assert_true(ok || m.wild);
        }
        vm_start();
        break;
    case 15:
        if (op & 0x10) { /* the bus master goes and comes */
            pci_config_write(pci_root, (uint32_t)m.pci->pci.devfn, 4, 3, 2);
            pci_config_write(pci_root, (uint32_t)m.pci->pci.devfn, 4, 7, 2);
        } else {
            vm_stop(RUN_PAUSED);
            kick(n);
            settle(-1);
            vm_start();
        }
        break;
    default:
        return;
    }
    settle(-1);
}

/* After a reset by the driver one good request goes through. */
static void works(void)
{
    static const uint8_t queues[KINDS] = {1, 0, 0, 1, 0, 0, 1, 1};
    unsigned n = queues[m.kind];
    if (m.hostile) {
        vm_stop(RUN_PAUSED);
        g_assert_true(load(m.fresh[m.kind]));
        vm_start();
        bench_map();
    }
    m.hostile = false;
    m.peer_takes = true;
    net_ready(&m.peer), net_ready(&m.peer2);
    net_set_link(&m.peer, true);
    net_set_link(m.peer.peer, true); /* a stream may have taken it away */
    setup(0);
    Part parts[] = {{BUFFERS, 512, false}, {BUFFERS + 512, 513, true}};
    bool out = m.kind != RNG, both = m.kind == DISK || m.kind == QCOW2;
    parts[0].len = both ? 16 : 512;
    memset(bench_ram() + BUFFERS, 0, 1024);
    memset(shadow + BUFFERS, 0, 1024);
    if (m.kind == BALLOON)
        parts[0].len = 4, put(BUFFERS, "\x90\0\0", 4);
    unsigned had = m.peer_got;
    put_desc(ring_place(n), &parts[!out], both ? D_NEXT : 0, 1);
    put_desc(ring_place(n) + 16, &parts[1], 0, 0);
    Head *h = &m.q[n].heads[0];
    *h = (Head){.out = true, .n = 1 + both, .parts = {parts[!out], parts[1]}, .in_len = out && !both ? 0 : 513};
    m.q[n].outstanding = 1;
    put16(avail_place(n) + 4, 0);
    put16(avail_place(n) + 2, m.q[n].avail_idx = 1);
    kick(n);
    settle((int)n);
    for (int i = 0; i < 100 && m.q[n].outstanding; i++)
        settle(-1);
    if (m.q[n].outstanding || m.v->broken)
        bug("does not work after a reset");
    if (m.kind == NET)
        g_assert_cmpuint(m.peer_got, >, had);
    if (both)
        g_assert_cmphex(bench_ram()[BUFFERS + 1024], ==, 0);
}

/* ---- making ---- */

static bool peer_can(NetClient *nc)
{
    return m.peer_takes;
}

static bool peer_receive(NetClient *nc, const NetPacket *p)
{
    uint8_t buf[256];
    if (!m.peer_takes)
        return false;
    m.peer_got++;
    iov_to_buf(p->iov, p->n, 0, buf, sizeof(buf));
    return true;
}

static const NetOps peer_ops = {.type = "peer", .can_receive = peer_can, .receive = peer_receive};

static Json *options(const char *text)
{
    return json_parse(text, strlen(text), NULL);
}

static void make_nodes(void)
{
    g_autofree char *file = NULL;
    int fd = g_file_open_tmp("fuzz-virtqueue-XXXXXX", &file, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_autoptr(Json) null = options("{'driver': 'null-co', 'node-name': 'null', 'size': 1048576}");
    g_assert_true(blockdev_add(null, NULL));
    g_autoptr(Json) raw = options("{'driver': 'file', 'node-name': 'raw'}");
    json_set_str(raw, "filename", file);
    g_assert_true(blockdev_add(raw, NULL));
    Qcow2Create c = {.size = 1 * MIB, .cluster_size = 4096, .version = 3, .refcount_bits = 16};
    g_assert_true(qcow2_create(node_find("raw"), &c, NULL));
    g_autoptr(Json) qcow2 = options("{'driver': 'qcow2', 'node-name': 'qcow2', 'file': 'raw'}");
    g_assert_true(blockdev_add(qcow2, NULL));
    unlink(file);
}

static void make_device(Kind kind, const char *prop, const char *value)
{
    Error *err = NULL;
    Device *dev = device_new_named(kinds[kind].name);
    if (prop && !device_set_text(dev, prop, value, &err))
        g_error("%s", error_text(err));
    if (kind == NET && !device_set_text(dev, "mq", "on", &err))
        g_error("%s", error_text(err));
    if ((kind == DISK || kind == QCOW2) && !device_set_text(dev, "num-queues", "2", &err))
        g_error("%s", error_text(err));
    if (!device_realize(dev, &pci_root->bus, &err))
        g_error("%s", error_text(err));
    m.devs[kind] = dev;
}

static void make(void)
{
    m.verbose = g_getenv("FUZZ_VERBOSE");
    bench_init();
    region_log(bench_ram_region(), DIRTY_VGA, true);
    net_init(&m.peer, &peer_ops, "peer");
    m.peer.takes = NET_TAKES_CSUM | NET_TAKES_TSO4;
    net_add_queue(&m.peer, &m.peer2);
    make_nodes();
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, m.port), ==, 0);
    g_autofree char *fd = g_strdup_printf("%d", m.port[1]);
    g_autoptr(Json) chr = options("{'backend': 'socket', 'id': 'port'}");
    json_set_str(chr, "fd", fd);
    g_assert_nonnull(chardev_new(chr, NULL));
    make_device(NET, "netdev", "peer");
    make_device(DISK, "drive", "null");
    make_device(QCOW2, "drive", "qcow2");
    make_device(SERIAL, NULL, NULL);
    make_device(RNG, NULL, NULL);
    make_device(BALLOON, "free-page-reporting", "on");
    make_device(KEYBOARD, NULL, NULL);
    make_device(TABLET, NULL, NULL);
    g_autoptr(Json) port = options("{'driver': 'virtserialport', 'chardev': 'port', 'name': 'p'}");
    g_assert_nonnull(device_add(port, false, NULL));
    g_autoptr(Json) console = options("{'driver': 'virtconsole'}");
    g_assert_nonnull(device_add(console, false, NULL));
    for (unsigned i = 0; i < KINDS; i++) {
        bench.dev = m.devs[i];
        device_reset(bench.dev);
        m.fresh[i] = save();
    }
    vm_start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Input in = {data, size};
    if (!bench.windows)
        make();
    m.kind = (Kind)(take(&in, 1) % KINDS);
    bench.dev = m.devs[m.kind];
    m.pci = container_of(bench.dev, VirtioPci, pci.dev);
    m.v = VIRTIO_DEVICE(bench.dev->inner);
    m.peer_takes = true;
    device_reset(bench.dev);
    bench_map();
    memset(bench_ram(), 0, BENCH_RAM);
    setup((unsigned)take(&in, 1));
    for (unsigned n = 0; in.left && n < STEPS; n++)
        step(&in);
    go_wild();
    bench_map();
    works();
    go_wild();
    device_reset(bench.dev); /* its BARs are in no other's way */
    turn_loop();
    return 0;
}
