/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects and what the backends give: memory of each kind, a thread, random bytes. */
#include "backends/backends.h"
#include "softmmu/mainloop.h"
#include "util/rcu.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static Json *parse(const char *text)
{
    return json_parse(text, strlen(text), NULL);
}

static Object *make(const char *text)
{
    g_autoptr(Json) opts = parse(text);
    g_assert_nonnull(opts);
    Error *err = NULL;
    if (!object_add(opts, false, &err))
        g_error("%s: %s", text, error_text(err));
    return object_find(json_get_str(opts, "id"));
}

static void refused(const char *text, const char *why)
{
    g_autoptr(Json) opts = parse(text);
    g_autoptr(Error) err = NULL;
    g_assert_nonnull(opts);
    g_assert_false(object_add(opts, false, &err));
    if (!strstr(error_text(err), why))
        g_error("%s: '%s' is not in '%s'", text, why, error_text(err));
}

static void test_life(void)
{
    refused("{'qom-type': 'memory-backend-rom', 'id': 'a'}", "'memory-backend-rom'");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'a'}", "'size' is missing");
    refused("{'qom-type': 'memory-backend-ram', 'size': 4096}", "'id' is missing");
    refused("{'id': 'a'}", "'qom-type' is missing");
    refused("{'qom-type': 'memory-backend-ram', 'id': '1a', 'size': 4096}", "identifier");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'a', 'size': 4096, 'foo': 1}", "'foo' is unexpected");
    Object *o = make("{'qom-type': 'memory-backend-ram', 'id': 'a', 'size': 4096}");
    refused("{'qom-type': 'rng-builtin', 'id': 'a'}", "duplicate");
    g_assert_true(object_find("/objects/a") == o);
    g_assert_null(object_find("b"));
    g_assert_null(object_use("a", "iothread", NULL));
    g_assert_null(object_use("b", "iothread", NULL));
    g_assert_true(object_use("a", "memory-backend", NULL) == o);
    g_autoptr(Error) err = NULL;
    g_assert_false(object_del("a", &err));
    g_assert_cmpstr(error_text(err), ==, "object 'a' is in use, can not be deleted");
    object_unuse(o);
    g_autoptr(Json) five = json_uint(5);
    g_assert_false(object_set(o, "size", five, NULL));
    g_autoptr(Json) size = object_get(o, "size", NULL);
    uint64_t n;
    g_assert_true(json_get_uint(size, &n) && n == 4096);
    g_assert_true(object_del("a", NULL));
    g_assert_false(object_del("a", NULL));
}

static void test_text(void)
{
    g_autoptr(Json) opts =
        parse("{'qom-type': 'memory-backend-ram', 'id': 't', 'size': '3M', 'merge': 'off', 'prealloc': 'yes',"
              " 'prealloc-threads': '3'}");
    g_assert_true(object_add(opts, true, NULL));
    RamBlock *b = memory_backend_block(object_find("t"));
    g_assert_cmpuint(b->size, ==, 3 * MIB);
    g_assert_cmpuint(b->flags & RAM_MERGE, ==, 0);
    unsigned char in[3 * 256];
    g_assert_cmpint(mincore(b->host, b->size, in), ==, 0);
    for (unsigned i = 0; i < sizeof(in); i++)
        g_assert_true(in[i] & 1); /* touched, each page */
    g_autoptr(Json) all = memory_backends_query();
    g_assert_cmpuint(json_length(all), ==, 1);
    g_assert_cmpstr(json_get_str(json_at(all, 0), "policy"), ==, "default");
    g_assert_true(object_del("t", NULL));
}

static void test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("backend-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "ram", NULL);
    g_autofree char *spec = g_strdup_printf(
        "{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 8192, 'share': true, 'mem-path': '%s'}", path);
    struct stat st;
    Object *o = make(spec);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 8192);
    memcpy(memory_backend_block(o)->host + 4096, "hello", 5);
    g_assert_true(object_del("f", NULL));
    /* from the second page, read-only: a ROM to the guest */
    g_autofree char *ro =
        g_strdup_printf("{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'offset': 4096, 'readonly': true,"
                        " 'mem-path': '%s'}",
                        path);
    o = make(ro);
    g_assert_cmpmem(memory_backend_block(o)->host, 5, "hello", 5);
    MemoryRegion r;
    region_init_ram_block(&r, NULL, "r", memory_backend_block(o));
    g_assert_true(r.readonly);
    region_destroy(&r);
    g_assert_true(object_del("f", NULL));
    g_autofree char *rom = g_strdup_printf(
        "{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'rom': 'on', 'mem-path': '%s'}", path);
    refused(rom, "'rom' = 'on' is not supported");
    g_autofree char *more =
        g_strdup_printf("{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 12288, 'mem-path': '%s'}", path);
    refused(more, "8192 bytes");
    g_autofree char *odd = g_strdup_printf(
        "{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'offset': 1, 'mem-path': '%s'}", path);
    refused(odd, "page size");
    g_autofree char *align = g_strdup_printf(
        "{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'align': 3, 'mem-path': '%s'}", path);
    refused(align, "power of two");
    refused("{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'mem-path': '/nonexistent/x'}",
            "/nonexistent/x");
    refused("{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'readonly': true, 'mem-path': '/dev/null/x'}",
            "/dev/null/x");
    /* a folder: a file without a name in it; aligned as asked */
    g_autofree char *folder = g_strdup_printf(
        "{'qom-type': 'memory-backend-file', 'id': 'f', 'size': 4096, 'align': 4194304, 'mem-path': '%s'}", dir);
    o = make(folder);
    g_assert_cmpuint((uintptr_t)memory_backend_block(o)->host % (4 * MIB), ==, 0);
    g_assert_true(object_del("f", NULL));
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void test_memfd(void)
{
    Object *o = make("{'qom-type': 'memory-backend-memfd', 'id': 'm', 'size': 1048576}");
    RamBlock *b = memory_backend_block(o);
    g_assert_cmpint(fcntl(b->fd, F_GET_SEALS), ==, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    b->host[17] = 0x5a;
    uint8_t byte;
    g_assert_cmpint(pread(b->fd, &byte, 1, 17), ==, 1);
    g_assert_cmphex(byte, ==, 0x5a); /* shared by default */
    g_assert_true(object_del("m", NULL));
    o = make("{'qom-type': 'memory-backend-memfd', 'id': 'm', 'size': 4096, 'seal': false, 'share': false,"
             " 'x-use-canonical-path-for-ramblock-id': true}");
    b = memory_backend_block(o);
    g_assert_cmpstr(b->name, ==, "/objects/m");
    g_assert_cmpint(fcntl(b->fd, F_GET_SEALS), ==, F_SEAL_SEAL);
    g_assert_true(object_del("m", NULL));
    refused("{'qom-type': 'memory-backend-memfd', 'id': 'm', 'size': 4096, 'hugetlbsize': 2097152}", "hugetlb=on");
    refused("{'qom-type': 'memory-backend-memfd', 'id': 'm', 'size': 4096, 'hugetlb': true, 'hugetlbsize': 3}",
            "power of two");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 4096, 'host-nodes': [0]}",
            "host-nodes must be empty");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 4096, 'policy': 'bind'}", "host-nodes must be set");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 4096, 'policy': 'bind', 'host-nodes': [200]}",
            "200");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 4096, 'prealloc-context': 'x'}", "not supported");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 4096, 'prealloc-threads': 0}", "prealloc-threads");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 4096, 'prealloc': true, 'reserve': false}",
            "incompatible");
    refused("{'qom-type': 'memory-backend-ram', 'id': 'm', 'size': 18446744073709551615}",
            "larger than the address space");
}

static GThread *ran_in;

static void in_thread(void *opaque)
{
    ran_in = g_thread_self();
    g_assert_false(vm_locked());
    *(int *)opaque = gettid();
}

static void test_iothread(void)
{
    Object *o = make("{'qom-type': 'iothread', 'id': 'io', 'poll-max-ns': 7}");
    int tid = 0;
    iothread_run(o, in_thread, &tid);
    g_assert_cmpint(tid, ==, iothread_tid(o));
    g_assert_true(ran_in != g_thread_self());
    g_autoptr(Json) bad = json_int(-5), good = json_int(9);
    g_autoptr(Error) err = NULL;
    g_assert_false(object_set(o, "poll-max-ns", bad, &err));
    g_assert_nonnull(strstr(error_text(err), "poll-max-ns"));
    g_assert_true(object_set(o, "poll-max-ns", good, NULL));
    g_autoptr(Json) all = iothreads_query();
    int64_t n;
    g_assert_true(json_get_int(json_get(json_at(all, 0), "poll-max-ns"), &n) && n == 9);
    g_assert_true(object_del("io", NULL));
    refused("{'qom-type': 'iothread', 'id': 'io', 'thread-pool-min': 65}", "thread-pool-min");
}

typedef struct Got {
    unsigned calls;
    size_t len;
    uint8_t bytes[64];
} Got;

static void got(void *opaque, const uint8_t *buf, size_t len)
{
    Got *g = opaque;
    g_assert_true(vm_locked());
    g->calls++;
    g->len = len;
    memcpy(g->bytes, buf, MIN(len, sizeof(g->bytes)));
}

static void ask(Object *o)
{
    Got a = {0}, b = {0}, c = {0};
    rng_request(o, 64, got, &a);
    RngRequest *dead = rng_request(o, 64, got, &b);
    rng_request(o, 16, got, &c);
    rng_cancel(dead);
    g_assert_cmpuint(a.calls, ==, 0); /* never from within the call */
    for (int i = 0; i < 100 && !(a.calls && c.calls); i++)
        mainloop_run_once(true);
    g_assert_cmpuint(a.calls, ==, 1);
    g_assert_cmpuint(a.len, ==, 64);
    g_assert_cmpuint(b.calls, ==, 0);
    g_assert_cmpuint(c.len, ==, 16);
    unsigned zeroes = 0;
    for (unsigned i = 0; i < 64; i++)
        zeroes += !a.bytes[i];
    g_assert_cmpuint(zeroes, <, 16);
}

static void test_rng(void)
{
    ask(make("{'qom-type': 'rng-builtin', 'id': 'r'}"));
    g_assert_true(object_del("r", NULL));
    ask(make("{'qom-type': 'rng-random', 'id': 'r'}"));
    g_assert_true(object_del("r", NULL));
    refused("{'qom-type': 'rng-random', 'id': 'r', 'filename': '/nonexistent'}", "/nonexistent");
    /* a file that ends */
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("rng-XXXXXX", &path, NULL);
    g_assert_cmpint(write(fd, "abc", 3), ==, 3);
    close(fd);
    g_autofree char *spec = g_strdup_printf("{'qom-type': 'rng-random', 'id': 'r', 'filename': '%s'}", path);
    Object *o = make(spec);
    Got g = {0};
    rng_request(o, 10, got, &g);
    for (int i = 0; i < 100 && !g.calls; i++)
        mainloop_run_once(true);
    g_assert_cmpuint(g.len, ==, 3);
    rng_request(o, 10, got, &g); /* goes with the object */
    g_assert_true(object_del("r", NULL));
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    g_test_add_func("/objects/life", test_life);
    g_test_add_func("/objects/text", test_text);
    g_test_add_func("/objects/file", test_file);
    g_test_add_func("/objects/memfd", test_memfd);
    g_test_add_func("/objects/iothread", test_iothread);
    g_test_add_func("/objects/rng", test_rng);
    return g_test_run();
}
