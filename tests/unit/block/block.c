/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes, handles, requests, permissions, locks and -drive, on small files in a directory of their own. */
#include "block/backend.h"
#include "block/create.h"
#include "block/drive.h"
#include "block/uring.h"
#include "hw/core/object.h"
#include "softmmu/mainloop.h"
#include "util/iov.h"
#include "tests/unit/block/images.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of size bytes, byte i of sector n being n + i. */
static char *make_image(const char *name, size_t size)
{
    char *p = path_of(name);
    g_autofree uint8_t *data = g_malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i / 512 + i);
    g_assert_true(g_file_set_contents(p, (char *)data, (gssize)size, NULL));
    return p;
}

#define OPEN(...)                                                                                                      \
    ({                                                                                                                 \
        g_autofree char *json_ = g_strdup_printf(__VA_ARGS__);                                                         \
        open_json(json_, NULL);                                                                                        \
    })
/* It does not open, and the message has text in it. */
#define OPEN_FAILS(text, ...)                                                                                          \
    do {                                                                                                               \
        g_autofree char *json_ = g_strdup_printf(__VA_ARGS__);                                                         \
        g_autoptr(Error) err_ = NULL;                                                                                  \
        g_assert_null(open_json(json_, &err_));                                                                        \
        if (!strstr(error_text(err_), text))                                                                           \
            g_test_message("%s", error_text(err_));                                                                    \
        g_assert_nonnull(strstr(error_text(err_), text));                                                              \
    } while (0)

static void assert_error(Error **err, const char *text)
{
    g_assert_nonnull(*err);
    if (!strstr(error_text(*err), text))
        g_test_message("'%s' lacks '%s'", error_text(*err), text);
    g_assert_nonnull(strstr(error_text(*err), text));
    error_free(*err);
    *err = NULL;
}

static void test_open_errors(void)
{
    g_autofree char *img = make_image("e.img", 4096), *missing = path_of("missing");
    OPEN_FAILS("'driver' is missing", "{'node-name':'a'}");
    OPEN_FAILS("does not accept value 'foo'", "{'driver':'foo'}");
    OPEN_FAILS("'filename' is missing", "{'driver':'file'}");
    OPEN_FAILS("No such file", "{'driver':'file','filename':'%s'}", missing);
    OPEN_FAILS("regular file", "{'driver':'file','filename':'%s'}", dir);
    OPEN_FAILS("block device", "{'driver':'host_device','filename':'%s'}", img);
    OPEN_FAILS("'colour' is unexpected", "{'driver':'file','filename':'%s','colour':'red'}", img);
    OPEN_FAILS("'file' is missing", "{'driver':'raw'}");
    OPEN_FAILS("node-name='nix'", "{'driver':'raw','file':'nix'}");
    OPEN_FAILS("Invalid node-name", "{'driver':'null-co','node-name':'1#'}");
    OPEN_FAILS("too long", "{'driver':'null-co','node-name':'a1234567890123456789012345678901'}");
    OPEN_FAILS("force-share", "{'driver':'file','filename':'%s','force-share':true}", img);
    OPEN_FAILS("requires cache.direct=on", "{'driver':'file','filename':'%s','aio':'native'}", img);
    OPEN_FAILS("cannot be greater", "{'driver':'raw','offset':8192,'file':{'driver':'file','filename':'%s'}}", img);
    OPEN_FAILS("smaller or equal", "{'driver':'raw','offset':512,'size':4096,'file':{'driver':'file','filename':'%s'}}",
               img);
    OPEN_FAILS("multiple", "{'driver':'raw','size':100,'file':{'driver':'file','filename':'%s'}}", img);
    BlockNode *n = OPEN("{'driver':'null-co','node-name':'a'}");
    OPEN_FAILS("Duplicate", "{'driver':'null-co','node-name':'a'}");
    node_unref(n);
    g_assert_null(node_find("a"));
    /* A tower of options deeper than any use. */
    g_autoptr(GString) s = g_string_new(NULL);
    for (int i = 0; i < 20; i++)
        g_string_append(s, "{'driver':'raw','file':");
    g_string_append(s, "{'driver':'null-co'}");
    for (int i = 0; i < 20; i++)
        g_string_append_c(s, '}');
    OPEN_FAILS("nested too deeply", "%s", s->str);
    g_assert_null(node_next(NULL));
}

static void test_sizes(void)
{
    g_autofree char *empty = make_image("empty.img", 0), *odd = make_image("odd.img", 1000);
    BlockNode *n = OPEN("{'driver':'file','filename':'%s'}", empty);
    uint8_t buf[512];
    g_assert_cmpuint(node_length(n), ==, 0);
    g_assert_cmpint(node_pread(n, 0, buf, 512), ==, -EIO);
    node_unref(n);
    n = OPEN("{'driver':'file','filename':'%s'}", odd);
    g_assert_cmpuint(node_length(n), ==, 1024);
    g_assert_cmpint(node_pread(n, 512, buf, 512), ==, 0);
    g_assert_cmpuint(buf[487], ==, (uint8_t)(1 + 999));
    for (int i = 488; i < 512; i++)
        g_assert_cmpuint(buf[i], ==, 0);
    g_assert_cmpint(node_pread(n, 1024, buf, 1), ==, -EIO);
    g_assert_cmpint(node_pread(n, UINT64_MAX - 1, buf, 4), ==, -EIO);
    node_unref(n);
}

static void test_raw_window(void)
{
    g_autofree char *img = make_image("w.img", 8192);
    BlockNode *n = OPEN("{'driver':'raw','offset':1024,'size':2048,'file':{'driver':'file','filename':'%s'}}", img);
    uint8_t buf[512];
    g_assert_cmpuint(node_length(n), ==, 2048);
    g_assert_cmpint(node_pread(n, 512, buf, 512), ==, 0);
    g_assert_cmpuint(buf[1], ==, (uint8_t)(3 + 1537));
    memset(buf, 0xaa, sizeof(buf));
    g_assert_cmpint(node_pwrite(n, 1536, buf, 512), ==, 0);
    g_assert_cmpint(node_pwrite(n, 2048, buf, 512), ==, -EIO);
    g_assert_cmpint(node_write_zeroes(n, 0, 512, BLOCK_REQ_MAY_UNMAP), ==, 0);
    node_unref(n);
    n = OPEN("{'driver':'file','filename':'%s','read-only':true}", img);
    g_assert_cmpint(node_pread(n, 2560, buf, 512), ==, 0);
    g_assert_cmpuint(buf[511], ==, 0xaa);
    g_assert_cmpint(node_pread(n, 1024, buf, 512), ==, 0);
    g_assert_cmpuint(buf[7], ==, 0);
    g_assert_cmpint(node_pread(n, 3072, buf, 512), ==, 0);
    g_assert_cmpuint(buf[0], ==, (uint8_t)(6 + 3072));
    g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, -EPERM);
    node_unref(n);
}

/* Every offset and length around the block size, direct and not, against a model of the file. */
static void test_unaligned(void)
{
    enum { SIZE = 32768 };
    for (int direct = 0; direct < 2; direct++) {
        g_autofree char *img = make_image("u.img", SIZE), *json = NULL;
        g_autofree uint8_t *model = NULL;
        gsize len;
        g_assert_true(g_file_get_contents(img, (char **)&model, &len, NULL));
        json =
            g_strdup_printf("{'driver':'file','filename':'%s','cache':{'direct':%s}}", img, direct ? "true" : "false");
        g_autoptr(Error) err = NULL;
        BlockNode *n = open_json(json, &err);
        if (!n && direct) {
            g_test_message("no O_DIRECT here: %s", error_text(err));
            continue;
        }
        GRand *rnd = g_rand_new_with_seed(7);
        for (int i = 0; i < 300; i++) {
            uint8_t buf[9000];
            uint32_t off = g_rand_int_range(rnd, 0, SIZE - 9000), l = g_rand_int_range(rnd, 1, 9000),
                     cut = g_rand_int_range(rnd, 0, l);
            struct iovec iov[3] = {{buf, cut}, {buf + cut, 0}, {buf + cut, l - cut}};
            if (i & 1) {
                for (uint32_t k = 0; k < l; k++)
                    buf[k] = model[off + k] = (uint8_t)g_rand_int(rnd);
                g_assert_cmpint(node_pwritev(n, off, l, iov, 3, i & 2 ? BLOCK_REQ_FUA : 0), ==, 0);
            } else {
                g_assert_cmpint(node_preadv(n, off, l, iov, 3), ==, 0);
                g_assert_cmpmem(buf, l, model + off, l);
            }
        }
        g_rand_free(rnd);
        node_unref(n);
    }
}

/* More parts than one system call takes. */
static void test_long_vector(void)
{
    enum { PARTS = 3000 };
    g_autofree char *img = make_image("v.img", 4096 * 3);
    BlockNode *n = OPEN("{'driver':'file','filename':'%s'}", img);
    uint8_t buf[PARTS], got[PARTS];
    struct iovec iov[PARTS];
    for (int i = 0; i < PARTS; i++) {
        buf[i] = (uint8_t)(i * 7);
        iov[i] = (struct iovec){&buf[i], 1};
    }
    g_assert_cmpint(node_pwritev(n, 100, PARTS, iov, PARTS, 0), ==, 0);
    g_assert_cmpint(node_pread(n, 100, got, PARTS), ==, 0);
    g_assert_cmpmem(got, PARTS, buf, PARTS);
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(node_preadv(n, 100, PARTS, iov, PARTS), ==, 0);
    g_assert_cmpmem(buf, PARTS, got, PARTS);
    node_unref(n);
}

static void test_probe_guard(void)
{
    g_autofree char *img = make_image("p.img", 4096), *qcow = make_image("q.img", 4096);
    g_autoptr(Error) err = NULL;
    g_autoptr(Json) o = json_object(), ro = json_object();
    json_set_str(o, "read-only", "off");
    json_set_str(ro, "read-only", "on");
    uint8_t magic[512] = "KDMV";
    BlockNode *n = drive_open_image(ro, img, &err);
    g_assert_nonnull(n);
    node_unref(n);
    if (g_test_subprocess()) {
        n = drive_open_image(o, img, &err);
        g_assert_nonnull(n);
        g_assert_cmpint(node_pwrite(n, 0, magic, 512), ==, -EPERM);
        g_assert_cmpint(node_pwrite(n, 512, magic, 512), ==, 0);
        g_assert_cmpint(node_pwrite(n, 1, magic, 8), ==, 0); /* not at its place: no magic */
        node_unref(n);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*WARNING: Image format was not specified for*probing guessed raw*");
    int fd = open(qcow, O_WRONLY);
    g_assert_cmpint(pwrite(fd, magic, 512, 0), ==, 512);
    close(fd);
    g_assert_null(drive_open_image(o, qcow, &err));
    assert_error(&err, "is a vmdk image");
    json_set_str(o, "driver", "raw");
    n = drive_open_image(o, qcow, &err);
    g_assert_nonnull(n);
    g_assert_cmpint(node_pwrite(n, 0, magic, 512), ==, 0);
    node_unref(n);
    json_set_str(o, "driver", "vmdk");
    g_assert_null(drive_open_image(o, qcow, &err));
    assert_error(&err, "not supported yet");
    json_remove(o, "driver");
    g_assert_null(drive_open_image(o, "nbd:localhost:1", &err));
    assert_error(&err, "Unknown protocol 'nbd'");
}

/* ---- requests ---- */

static int completions, last_ret;

static void completed(void *opaque, int ret)
{
    completions++;
    last_ret = ret;
    if (opaque)
        *(int *)opaque = ret;
}

static void wait_for(int n)
{
    while (completions < n)
        mainloop_run_once(true);
}

static void test_requests(void)
{
    g_autofree char *img = make_image("r.img", 65536);
    BlockNode *n = OPEN("{'driver':'raw','file':{'driver':'file','filename':'%s'}}", img);
    Block *b = blk_new("r");
    uint8_t buf[4096], out[512];
    struct iovec iov = {buf, sizeof(buf)}, wiov = {out, sizeof(out)};
    completions = 0;
    blk_preadv(b, 0, &iov, 1, completed, NULL);
    g_assert_cmpint(completions, ==, 0); /* never from within the call */
    wait_for(1);
    g_assert_cmpint(last_ret, ==, -ENOMEDIUM);
    g_assert_true(blk_insert(b, n, NULL));
    node_unref(n);
    blk_preadv(b, 4096, &iov, 1, completed, NULL);
    wait_for(2);
    g_assert_cmpint(last_ret, ==, 0);
    g_assert_cmpuint(buf[3], ==, (uint8_t)(8 + 4099));
    blk_preadv(b, 65536 - 512, &iov, 1, completed, NULL);
    wait_for(3);
    g_assert_cmpint(last_ret, ==, -EIO);
    memset(out, 0x5a, sizeof(out));
    blk_pwritev(b, 512, &wiov, 1, BLOCK_REQ_FUA, completed, NULL);
    blk_drain(b);
    g_assert_cmpint(completions, ==, 4);
    g_assert_cmpint(last_ret, ==, 0);
    g_assert_cmpint(blk_pread_sync(b, 512, buf, 512), ==, 0);
    g_assert_cmpuint(buf[511], ==, 0x5a);
    blk_flush(b, completed, NULL);
    blk_discard(b, 0, 512, completed, NULL);
    blk_write_zeroes(b, 512, 512, 0, completed, NULL);
    blk_pause_all();
    g_assert_cmpint(completions, ==, 7);
    g_assert_cmpint(blk_pread_sync(b, 512, buf, 512), ==, 0);
    g_assert_cmpuint(buf[5], ==, 0);
    g_assert_cmpuint(b->stats.ops[BLOCK_OP_READ], ==, 1);
    g_assert_cmpuint(b->stats.bytes[BLOCK_OP_READ], ==, 4096);
    g_assert_cmpuint(b->stats.failed[BLOCK_OP_READ], ==, 2);
    g_assert_cmpuint(b->stats.ops[BLOCK_OP_FLUSH], ==, 1);
    g_assert_cmpuint(n->wr_highest, ==, 1024);
    blk_remove(b);
    blk_unref(b);
    g_assert_null(node_next(NULL));
}

static void test_cancel_and_drain(void)
{
    /* Slow requests: more than there are workers, so that some are still queued when they are cancelled. */
    BlockNode *n = OPEN("{'driver':'null-co','latency-ns':20000000}");
    Block *b = blk_new(NULL);
    g_assert_true(blk_insert(b, n, NULL));
    node_unref(n);
    enum { N = 100 };
    uint8_t buf[512];
    struct iovec iov = {buf, sizeof(buf)};
    BlockReq *r[N];
    int rets[N];
    completions = 0;
    for (int i = 0; i < N; i++) {
        rets[i] = 1;
        r[i] = blk_preadv(b, 512 * i, &iov, 1, completed, &rets[i]);
    }
    blk_cancel(r[N - 1]);
    g_assert_cmpint(rets[N - 1], !=, 1);
    g_assert_true(rets[N - 1] == 0 || rets[N - 1] == -ECANCELED);
    blk_drain(b);
    g_assert_cmpint(completions, ==, N);
    for (int i = 0; i < N; i++)
        g_assert_cmpint(rets[i], !=, 1);
    g_assert_cmpuint(blk_in_flight(b), ==, 0);
    blk_unref(b);
}

/* ---- permissions and locks ---- */

static void test_permissions(void)
{
    g_autofree char *img = make_image("l.img", 4096);
    g_autoptr(Error) err = NULL;
    enum { R = BLOCK_PERM_CONSISTENT_READ, W = BLOCK_PERM_WRITE, ALL = BLOCK_PERM_ALL };
    BlockNode *n = OPEN("{'driver':'raw','file':{'driver':'file','filename':'%s'}}", img);
    BlockEdge *a = node_use(n, g_strdup("first"), R | W, ALL & ~W, NULL);
    g_assert_nonnull(a);
    g_assert_null(node_use(n, g_strdup("second"), R | W, ALL & ~W, &err));
    assert_error(&err, "'write' are both required by second");
    BlockEdge *reader = node_use(n, g_strdup("reader"), R, ALL, &err);
    g_assert_nonnull(reader);
    /* A stranger: another open file of the same image sees the locks as another process does. */
    BlockNode *other = OPEN("{'driver':'file','filename':'%s'}", img);
    g_assert_null(node_use(other, g_strdup("stranger"), R | W, ALL & ~W, &err));
    g_assert_cmpstr(error_hint_text(err), !=, NULL);
    assert_error(&err, "Failed to get \"write\" lock");
    BlockEdge *peace = node_use(other, g_strdup("stranger"), R, ALL, &err);
    g_assert_nonnull(peace);
    node_unuse(peace);
    g_assert_null(node_use(other, g_strdup("stranger"), R, ALL & ~W, &err));
    assert_error(&err, "Failed to get shared \"write\" lock");
    node_unuse(a);
    BlockEdge *now = node_use(other, g_strdup("stranger"), R | W, ALL & ~W, &err);
    g_assert_nonnull(now);
    node_unuse(now);
    node_unuse(reader);
    node_unref(n);
    node_unref(other);
    n = OPEN("{'driver':'file','filename':'%s','read-only':true}", img);
    g_assert_null(node_use(n, g_strdup("w"), W, ALL, &err));
    assert_error(&err, "read-only");
    node_unref(n);
    /* locking=off hears and tells nothing. */
    n = OPEN("{'driver':'file','filename':'%s'}", img);
    other = OPEN("{'driver':'file','filename':'%s','locking':'off'}", img);
    a = node_use(n, g_strdup("first"), R | W, ALL & ~W, NULL);
    now = node_use(other, g_strdup("deaf"), R | W, ALL & ~W, NULL);
    g_assert_true(a && now);
    node_unuse(a);
    node_unuse(now);
    node_unref(n);
    node_unref(other);
}

/* ---- -drive and media ---- */

static bool tray_is_open;
static int changes;
static bool tray(void *opaque)
{
    return tray_is_open;
}
static void changed(void *opaque, bool loaded)
{
    tray_is_open = !loaded;
    changes++;
}
static const BlockDevOps cd_ops = {.removable = true, .medium_changed = changed, .tray_open = tray};
static const BlockDevOps hd_ops = {.removable = false};

static void drive_fails(const char *text, const char *expect)
{
    Error *err = NULL;
    DrivesConfig cfg = {.default_if = DRIVE_IF_IDE};
    if (drive_option(text, &err))
        g_assert_false(drives_init(&cfg, &err));
    assert_error(&err, expect);
}

static void test_drive_options(void)
{
    g_autofree char *img = make_image("d.img", 8192), *text = g_strdup_printf("file=%s,format=raw", img),
                    *longer = NULL;
    g_autoptr(Error) err = NULL;
    drive_fails("if=foo", "unsupported bus type 'foo'");
    drive_fails("media=foo", "-drive media=foo: 'foo' invalid media");
    drive_fails("fool=foo", "Must specify either driver or file");
    drive_fails("cache=foo", "invalid cache option");
    drive_fails("werror=foo", "'foo' invalid write error action");
    drive_fails("rerror=enospc", "invalid read error action");
    drive_fails("if=floppy,werror=stop", "not supported by this bus type");
    drive_fails("index=0,bus=1", "index cannot be used");
    drive_fails("unit=2", "unit 2 too big");
    drive_fails("file=/nonexist", "Could not open '/nonexist'");
    drive_fails("file=x,format=foo", "Unknown driver 'foo'");
    drive_fails("file=x,copy-on-read=on", "copy-on-read");
    drive_fails("file=x,iops=3,iops_rd=4", "cannot be used at the same time");
    drive_fails("file=x,iops=3,throttling.iops-total=4", "alias");
    drive_fails("file=x,bps_max=3", "require corresponding");
    drive_fails("file=x,format=raw,driver=raw", "both 'driver' and 'format'");
    DrivesConfig cfg = {.default_if = DRIVE_IF_IDE, .default_cdrom = true, .default_floppy = true};
    longer = g_strdup_printf(
        "%s,if=none,id=n1,readonly=on,cache=none,file.locking=off,node-name=nn,discard=on,detect-zeroes=unmap", text);
    g_assert_true(drive_option(text, NULL));
    g_assert_true(drive_option(longer, NULL));
    g_assert_true(drives_init(&cfg, &err));
    DriveInfo *hd = drive_get(DRIVE_IF_IDE, 0, 0), *cd = drive_get(DRIVE_IF_IDE, 1, 0),
              *fd = drive_get(DRIVE_IF_FLOPPY, 0, 0);
    g_assert_true(hd && cd && fd);
    g_assert_cmpstr(blk_name(hd->blk), ==, "ide0-hd0");
    g_assert_cmpstr(blk_name(cd->blk), ==, "ide1-cd0");
    g_assert_cmpstr(blk_name(fd->blk), ==, "floppy0");
    g_assert_true(cd->media_cd && cd->is_default && !blk_inserted(cd->blk));
    g_assert_cmpuint(blk_length(hd->blk), ==, 8192);
    Block *n1 = blk_find("n1");
    BlockNode *nn = node_find("nn");
    g_assert_true(n1 && nn && blk_node(n1) == nn && nn->read_only && nn->direct && nn->discard == 1 &&
                  nn->detect_zeroes == 2);
    g_assert_true(nn->file->node->direct && nn->file->node->discard == 1);
    g_assert_true(drives_check_orphans());
    drive_fails("index=0,media=disk", "drive with bus=0, unit=0 (index=0) exists");
    drive_fails("id=n1,if=none", "Duplicate ID 'n1' for drive");

    /* A disk is not removable; a CD's tray opens, takes a node and closes. */
    g_assert_true(blk_attach(hd->blk, NULL, &hd_ops, NULL, NULL));
    g_assert_false(block_eject("nix", NULL, false, &err));
    assert_error(&err, "Device 'nix' not found");
    g_autofree char *json =
        g_strdup_printf("{'driver':'file','filename':'%s','read-only':true,'node-name':'iso'}", img);
    g_autoptr(Json) opts = json_parse(json, strlen(json), NULL);
    g_assert_true(blockdev_add(opts, NULL));
    g_assert_true(block_insert_medium("ide1-cd0", NULL, "iso", &err));
    g_assert_cmpuint(blk_length(cd->blk), ==, 8192);
    g_assert_false(block_insert_medium("ide1-cd0", NULL, "iso", &err));
    assert_error(&err, "already in use");
    g_assert_false(blockdev_del("iso", &err));
    assert_error(&err, "in use");
    g_assert_true(block_eject("ide1-cd0", NULL, false, &err));
    g_assert_false(blk_inserted(cd->blk));
    g_assert_true(blockdev_del("iso", &err));
    g_assert_false(blockdev_del("iso", &err));
    assert_error(&err, "Failed to find node");
    g_assert_true(block_change_medium("ide1-cd0", NULL, img, "raw", "read-only", false, &err));
    g_assert_true(blk_read_only(cd->blk));

    g_autoptr(Json) q = block_query(), st = block_query_stats(false), nodes = block_query_nodes(false);
    g_assert_cmpuint(json_length(q), ==, 4);
    const Json *inserted = json_get(json_at(q, 0), "inserted");
    g_assert_cmpstr(json_get_str(inserted, "drv"), ==, "raw");
    g_assert_cmpstr(json_get_str(inserted, "file"), ==, img);
    g_assert_cmpuint(json_length(nodes), ==, 6);
    g_assert_cmpuint(json_length(st), ==, 4);
    g_autofree char *info = block_info_text(NULL, false, false, &err);
    g_assert_nonnull(strstr(info, "floppy0: [not inserted]"));

    g_assert_false(block_resize("ide0-hd0", NULL, UINT64_MAX, &err));
    assert_error(&err, "size");
    g_assert_true(block_resize("ide0-hd0", NULL, 16384, &err));
    g_assert_cmpuint(blk_length(hd->blk), ==, 16384);
    g_assert_false(block_resize("n1", NULL, 16384, &err));
    assert_error(&err, "read-only");

    g_assert_true(drive_add_hmp("if=none,id=hot,driver=null-co,read-zeroes=on,size=1M", &err));
    g_assert_cmpuint(blk_length(blk_find("hot")), ==, MIB);
    g_assert_true(drive_del("hot", &err));
    g_assert_null(blk_find("hot"));
    g_assert_false(drive_del("hot", &err));
    assert_error(&err, "not found");
}

static void test_attached_medium(void)
{
    g_autofree char *img = make_image("c.img", 4096);
    g_autoptr(Error) err = NULL;
    g_assert_true(drive_add_hmp("if=none,id=cdx,media=cdrom", &err));
    Block *b = blk_find("cdx");
    g_assert_true(blk_attach(b, NULL, &cd_ops, NULL, NULL));
    /* A device at the other end: here none, so the tray functions see no device and leave it alone. */
    g_assert_true(block_change_medium("cdx", NULL, img, "raw", NULL, false, &err));
    g_assert_cmpuint(blk_length(b), ==, 4096);
    g_assert_true(blk_read_only(b));
    g_assert_cmpint(changes, ==, 0);
    blk_detach(b);
    g_assert_true(drive_del("cdx", &err));
}

static void test_errors_policy(void)
{
    Block *b = blk_new("pol");
    g_assert_cmpint(blk_error_action(b, true, EIO), ==, BLOCK_ON_ERROR_REPORT);
    g_assert_cmpint(blk_error_action(b, false, EIO), ==, BLOCK_ON_ERROR_REPORT);
    g_assert_cmpint(blk_error_action(b, false, ENOSPC), ==, BLOCK_ON_ERROR_STOP);
    blk_set_on_error(b, BLOCK_ON_ERROR_STOP, BLOCK_ON_ERROR_IGNORE);
    g_assert_cmpint(blk_error_action(b, true, EIO), ==, BLOCK_ON_ERROR_STOP);
    g_assert_cmpint(blk_error_action(b, false, ENOSPC), ==, BLOCK_ON_ERROR_IGNORE);
    blk_set_on_error(b, BLOCK_ON_ERROR_AUTO, BLOCK_ON_ERROR_AUTO);
    g_assert_cmpint(blk_error_action(b, true, EIO), ==, BLOCK_ON_ERROR_STOP);
    blk_unref(b);
}

static void test_geometry(void)
{
    g_autofree char *img = make_image("g.img", 0);
    g_assert_cmpint(truncate(img, 64 * 16 * 63 * 512), ==, 0);
    BlockNode *n = OPEN("{'driver':'file','filename':'%s'}", img);
    Block *b = blk_new(NULL);
    g_assert_true(blk_insert(b, n, NULL));
    node_unref(n);
    uint32_t c, h, s;
    g_assert_false(blk_guess_geometry(b, &c, &h, &s));
    uint8_t mbr[512] = {0};
    mbr[510] = 0x55;
    mbr[511] = 0xaa;
    mbr[0x1be + 5] = 15;
    mbr[0x1be + 6] = 63 | 0xc0;
    mbr[0x1be + 12] = 1;
    g_assert_cmpint(blk_pwrite_sync(b, 0, mbr, 512), ==, 0);
    g_assert_true(blk_guess_geometry(b, &c, &h, &s));
    g_assert_true(c == 64 && h == 16 && s == 63);
    blk_unref(b);
}

static void test_iov(void)
{
    uint8_t a[3], b[5], flat[16];
    struct iovec iov[3] = {{a, 3}, {NULL, 0}, {b, 5}}, out[3];
    g_assert_cmpuint(iov_size(iov, 3), ==, 8);
    g_assert_cmpuint(iov_from_buf(iov, 3, 1, "123456789", 9), ==, 7);
    g_assert_cmpuint(iov_to_buf(iov, 3, 2, flat, 16), ==, 6);
    g_assert_cmpmem(flat, 6, "234567", 6);
    g_assert_cmpint(iov_slice(out, iov, 3, 2, 3), ==, 2);
    g_assert_true(out[0].iov_base == a + 2 && out[0].iov_len == 1 && out[1].iov_base == b && out[1].iov_len == 2);
    g_assert_cmpint(iov_slice(out, iov, 3, 8, 3), ==, 0);
    g_assert_cmpuint(iov_fill(iov, 3, 0, 9, 100), ==, 8);
    g_assert_cmpuint(b[4], ==, 9);
}

/* ---- limits ---- */

static void send_reads(Block *b, struct iovec *iov, int n)
{
    completions = 0;
    for (int i = 0; i < n; i++)
        blk_preadv(b, 0, iov, 1, completed, NULL);
}

static int64_t fake_us;

static int64_t fake_clock(void)
{
    return __atomic_load_n(&fake_us, __ATOMIC_SEQ_CST);
}

/* Until n requests wait for the group, by its own count: no time is involved. */
static void wait_waiting(ThrottleGroup *g, bool write, unsigned n)
{
    while (throttle_waiting(g, write) != n)
        g_usleep(1000);
}

static void later(ThrottleGroup *g, int64_t us)
{
    int none = 0;
    __atomic_add_fetch(&fake_us, us, __ATOMIC_SEQ_CST);
    throttle_open(g, &none, 0);
}

static bool group_add(const char *json, Error **errp)
{
    g_autoptr(Json) o = json_parse(json, strlen(json), NULL);
    g_assert_nonnull(o);
    return object_add(o, false, errp);
}

static void test_throttle_buckets(void)
{
    ThrottleGroup *g = throttle_group_get("b");
    ThrottleLimits l = {.length = {1, 1, 1, 1, 1, 1}};
    throttle_clock = fake_clock;
    l.avg[THROTTLE_IOPS_TOTAL] = 10; /* room for one, and one may go over it */
    throttle_group_set(g, &l);
    g_assert_cmpint(throttle_take(g, false, 512), ==, 0);
    g_assert_cmpint(throttle_take(g, true, 512), ==, 0);
    int64_t wait = throttle_take(g, false, 512);
    g_assert_cmpint(wait, >=, 100000000 - 1000);
    g_assert_cmpint(wait, <=, 100000000 + 1000);
    fake_us += 100001;
    g_assert_cmpint(throttle_take(g, false, 512), ==, 0);
    g_assert_cmpint(throttle_take(g, false, 512), >, 0);
    /* A burst: 3 seconds of 20 a second, then 10. */
    l.max[THROTTLE_IOPS_TOTAL] = 20;
    l.length[THROTTLE_IOPS_TOTAL] = 3;
    throttle_group_set(g, &l);
    int n = 0;
    for (int ms = 0; ms < 20000; ms += 10, fake_us += 10000)
        n += !throttle_take(g, false, 512);
    g_assert_cmpint(n, >=, 10 * 20 + 60 - 3); /* what leaks in 20 seconds, and what the bucket holds */
    g_assert_cmpint(n, <=, 10 * 20 + 60 + 3);
    /* Bytes; big requests count as several. */
    l = (ThrottleLimits){.length = {1, 1, 1, 1, 1, 1}, .iops_size = 4096};
    l.avg[THROTTLE_IOPS_WRITE] = 100;
    throttle_group_set(g, &l);
    g_assert_cmpint(throttle_take(g, true, 20 * 4096), ==, 0);
    g_assert_cmpint(throttle_take(g, true, 512), >, 99000000); /* 20 of 10 */
    g_assert_cmpint(throttle_take(g, false, MIB), ==, 0);
    fake_us += 10000000;
    throttle_charge(g, true, 300 * 4096);
    fake_us += 2500000; /* 50 are left, 10 may be */
    g_assert_cmpint(throttle_take(g, true, 512), >, 0);
    fake_us += 500000;
    g_assert_cmpint(throttle_take(g, true, 512), ==, 0);
    throttle_clock = NULL;
    throttle_group_unref(g);
}

static void test_throttle_node(void)
{
    g_autoptr(Error) err = NULL;
    fake_us = 1000000;
    throttle_clock = fake_clock;
    OPEN_FAILS("Throttle group 'tg' does not exist",
               "{'driver':'throttle','throttle-group':'tg','file':{'driver':'null-co'}}");
    OPEN_FAILS("'throttle-group' is missing", "{'driver':'throttle','file':{'driver':'null-co'}}");
    g_assert_false(group_add("{'qom-type':'throttle-group','id':'tg','x-iops-total':1,'x-iops-read':1}", &err));
    assert_error(&err, "cannot be used at the same time");
    g_assert_false(group_add("{'qom-type':'throttle-group','id':'tg','x-bps-read':-1}", &err));
    assert_error(&err, "Property values cannot be negative");
    g_assert_false(group_add("{'qom-type':'throttle-group','id':'tg','limits':{'foo':1}}", &err));
    assert_error(&err, "Parameter 'limits.foo' is unexpected");
    g_assert_true(group_add("{'qom-type':'throttle-group','id':'tg','x-iops-total':10}", NULL));
    g_assert_false(group_add("{'qom-type':'throttle-group','id':'tg'}", &err));
    assert_error(&err, "duplicate");
    Object *o = object_find("tg");
    ThrottleGroup *g = throttle_group_get("tg");
    g_assert_false(object_del("tg", &err)); /* it is used by us */
    assert_error(&err, "in use");
    BlockNode *n = OPEN("{'driver':'throttle','throttle-group':'tg','file':{'driver':'null-co'}}"),
              *twin = OPEN("{'driver':'throttle','throttle-group':'tg','file':{'driver':'null-co'}}");
    Block *b = blk_new("t"), *other = blk_new("o");
    g_assert_true(blk_insert(b, n, NULL) && blk_insert(other, twin, NULL));
    uint8_t buf[512];
    struct iovec iov = {buf, sizeof(buf)};
    send_reads(b, &iov, 3);
    wait_for(2); /* the third waits */
    wait_waiting(g, false, 1);
    blk_flush(b, completed, NULL); /* has no limit */
    wait_for(3);
    blk_pwritev(other, 0, &iov, 1, 0, completed, NULL); /* the limit is the group's */
    wait_waiting(g, true, 1);
    g_assert_cmpint(completions, ==, 3);
    later(g, 100001);
    wait_for(4); /* one of the two */
    g_assert_cmpint(throttle_waiting(g, false) + throttle_waiting(g, true), ==, 1);
    later(g, 100001);
    wait_for(5);
    /* More of them than there are workers, and another disk goes on meanwhile. */
    send_reads(b, &iov, 300);
    wait_waiting(g, false, 300);
    BlockNode *free_node = OPEN("{'driver':'null-co','latency-ns':1000}");
    Block *unlimited = blk_new("u");
    g_assert_true(blk_insert(unlimited, free_node, NULL));
    blk_preadv(unlimited, 0, &iov, 1, completed, NULL);
    wait_for(1);
    g_assert_cmpuint(throttle_waiting(g, false), ==, 300);
    /* Drained, they go at once, and those of the twin stay. */
    blk_preadv(other, 0, &iov, 1, completed, NULL);
    wait_waiting(g, false, 301);
    blk_drain(b);
    g_assert_cmpint(completions, ==, 301);
    g_assert_cmpuint(throttle_waiting(g, false), ==, 1);
    later(g, 1000001); /* they are counted: who drains gets no more than others */
    g_assert_cmpint(throttle_take(g, false, 512), >, 0);
    later(g, 1000001);
    g_assert_cmpuint(throttle_waiting(g, false), ==, 1);
    /* No limits any more: what waits goes. */
    g_autoptr(Json) none = json_parse("{'iops-total':0}", strlen("{'iops-total':0}"), NULL),
                    bad = json_parse("{'iops-read-max':3}", 19, NULL);
    g_assert_false(object_set(o, "limits", bad, &err));
    assert_error(&err, "bps_max/iops_max require corresponding");
    g_assert_true(object_set(o, "limits", none, NULL));
    wait_for(302);
    g_autoptr(Json) one = json_uint(1);
    g_assert_false(object_set(o, "x-iops-total", one, &err));
    assert_error(&err, "Property cannot be set after initialization");
    /* A -drive's limits of that group are its own too. */
    ThrottleLimits l = throttle_group_limits(g);
    l.avg[THROTTLE_BPS_READ] = 77;
    g_assert_true(blk_set_throttle(unlimited, "tg", &l, NULL));
    g_autoptr(Json) got = object_get(o, "x-bps-read", NULL), all = object_get(o, "limits", NULL);
    uint64_t v;
    g_assert_true(json_get_uint(got, &v) && v == 77);
    g_assert_true(json_get_uint(json_get(all, "bps-read"), &v) && v == 77);
    g_assert_true(json_get_uint(json_get(all, "bps-read-max-length"), &v) && v == 1);
    node_unref(n);
    node_unref(twin);
    node_unref(free_node);
    blk_remove(b);
    blk_remove(other);
    blk_unref(b);
    blk_unref(other);
    g_assert_false(object_del("tg", NULL));
    blk_remove(unlimited);
    blk_unref(unlimited);
    throttle_group_unref(g);
    g_assert_true(object_del("tg", NULL));
    g_assert_false(throttle_group_exists("tg"));
    throttle_clock = NULL;
}

static void test_throttle(void)
{
    BlockNode *n = OPEN("{'driver':'null-co'}");
    Block *b = blk_new("t"), *other = blk_new("o");
    g_assert_true(blk_insert(b, n, NULL));
    g_assert_true(blk_insert(other, n, NULL));
    node_unref(n);
    uint8_t buf[4096];
    struct iovec iov = {buf, sizeof(buf)};
    ThrottleLimits l = {.length = {1, 1, 1, 1, 1, 1}};
    l.avg[THROTTLE_IOPS_READ] = 50;
    g_assert_true(blk_set_throttle(b, NULL, &l, NULL));
    int64_t start = g_get_monotonic_time();
    send_reads(b, &iov, 30); /* a tenth of a second's and one go at once */
    wait_for(30);
    g_assert_cmpint(g_get_monotonic_time() - start, >, 24 * 1000000 / 50 - 50000);
    blk_pwritev(b, 0, &iov, 1, 0, completed, NULL); /* has no limit */
    wait_for(31);
    /* What waits goes when it is drained or cancelled. */
    send_reads(b, &iov, 200);
    blk_drain(b);
    g_assert_cmpint(completions, ==, 200);
    g_usleep(300000);
    g_assert_cmpint(throttle_take(b->throttle, false, 512), >, 0); /* and is counted */
    completions = 0;
    blk_cancel(blk_preadv(b, 0, &iov, 1, completed, NULL));
    g_assert_cmpint(completions, ==, 1);
    /* Two of one group share its limit; it is in bytes now. */
    l.avg[THROTTLE_IOPS_READ] = 0;
    l.avg[THROTTLE_BPS_TOTAL] = 50 * 4096;
    g_assert_true(blk_set_throttle(b, "g", &l, NULL));
    g_assert_true(blk_set_throttle(other, "g", &l, NULL));
    start = g_get_monotonic_time();
    send_reads(b, &iov, 15);
    for (int i = 0; i < 15; i++)
        blk_preadv(other, 0, &iov, 1, completed, NULL);
    wait_for(30);
    g_assert_cmpint(g_get_monotonic_time() - start, >, 23 * 1000000 / 50 - 50000);
    g_autoptr(Error) err = NULL;
    l.avg[THROTTLE_BPS_READ] = 1;
    g_assert_false(blk_set_throttle(b, NULL, &l, &err));
    assert_error(&err, "cannot be used at the same time");
    l = (ThrottleLimits){.length = {1, 1, 1, 1, 1, 1}};
    l.max[0] = 5;
    g_assert_false(blk_set_throttle(b, NULL, &l, &err));
    assert_error(&err, "require corresponding");
    l.max[0] = 0;
    g_assert_true(blk_set_throttle(b, NULL, &l, NULL));
    g_assert_null(b->throttle);
    send_reads(b, &iov, 1000);
    wait_for(1000);
    blk_remove(b);
    blk_remove(other);
    blk_unref(b);
    blk_unref(other);
}

/* ---- a home thread, and io_uring there ---- */

enum { RING_BLOCKS = 400 };
typedef struct RingTest {
    Block *b;
    GMainContext *ctx;
    uint8_t *buf;
    struct iovec iov[RING_BLOCKS];
    int ended, bad;
} RingTest;

static void ring_ended(void *opaque, int ret)
{
    RingTest *t = opaque;
    t->ended++;
    t->bad += ret != 0;
}

static void ring_cancelled(void *opaque, int ret)
{
    ring_ended(opaque, ret == -ECANCELED ? 0 : ret);
}

static void ring_wait(RingTest *t, int n)
{
    while (t->ended < n)
        g_main_context_iteration(t->ctx, true);
}

static gpointer ring_thread(gpointer opaque)
{
    RingTest *t = opaque;
    g_main_context_acquire(t->ctx);
    for (int round = 0; round < 3; round++) { /* the first allocates, where there is something to allocate */
        t->ended = 0;
        blk_plug(t->b);
        for (int i = 0; i < RING_BLOCKS; i++) {
            memset(t->buf + i * 4096, round * 7 + i, 4096);
            blk_pwritev(t->b, (uint64_t)(i * 37 % RING_BLOCKS) * 4096, &t->iov[i], 1, 0, ring_ended, t);
        }
        blk_unplug(t->b);
        if (round == 1)
            blk_drain(t->b);
        ring_wait(t, RING_BLOCKS);
        memset(t->buf, 0, RING_BLOCKS * 4096);
        for (int i = 0; i < RING_BLOCKS; i++)
            blk_preadv(t->b, (uint64_t)(i * 37 % RING_BLOCKS) * 4096, &t->iov[i], 1, ring_ended, t);
        if (round == 2)
            blk_cancel(blk_flush(t->b, ring_cancelled, t));
        ring_wait(t, 2 * RING_BLOCKS + (round == 2));
        for (int i = 0; i < RING_BLOCKS; i++)
            for (int k = 0; k < 4096; k += 511)
                t->bad += t->buf[i * 4096 + k] != (uint8_t)(round * 7 + i);
    }
    blk_leave_home(t->b);
    g_main_context_release(t->ctx);
    return NULL;
}

static void test_ring(void)
{
    if (!block_ring_available())
        g_test_message("no io_uring here: worker threads do it");
    const char *aio = block_ring_available() ? "io_uring" : "threads";
    for (int kind = 0; kind < 4; kind++) {
        bool qcow2 = kind & 1, direct = kind & 2;
        g_autofree char *img = path_of(qcow2 ? "ring.qcow2" : "ring.img");
        g_autoptr(Json) o = json_object();
        json_set_str(o, "size", "4M");
        g_assert_true(block_create(img, qcow2 ? "qcow2" : "raw", o, NULL));
        g_autofree char *json =
            g_strdup_printf("{'driver':'%s','cache':{'direct':%s},'file':{'driver':'file','filename':'%s','aio':'%s'}}",
                            qcow2 ? "qcow2" : "raw", direct ? "true" : "false", img, aio);
        g_autoptr(Error) err = NULL;
        BlockNode *n = open_json(json, &err);
        if (!n && direct) {
            g_test_message("no O_DIRECT here: %s", error_text(err));
            continue;
        }
        RingTest t = {.b = blk_new("ring"), .ctx = g_main_context_new()};
        g_assert_true(blk_insert(t.b, n, NULL));
        node_unref(n);
        t.buf = aligned_alloc(4096, RING_BLOCKS * 4096);
        for (int i = 0; i < RING_BLOCKS; i++)
            t.iov[i] = (struct iovec){t.buf + i * 4096, 4096};
        blk_set_home(t.b, t.ctx);
        g_thread_join(g_thread_new("home", ring_thread, &t));
        g_assert_cmpint(t.bad, ==, 0);
        g_assert_cmpuint(t.b->stats.ops[BLOCK_OP_WRITE], ==, 3 * RING_BLOCKS);
        blk_remove(t.b);
        blk_unref(t.b);
        g_main_context_unref(t.ctx);
        free(t.buf);
    }
}

static void test_snapshot(void)
{
    g_autofree char *img = make_image("sn.img", 65536), *over = path_of("sn.qcow2"), *over2 = path_of("sn2.qcow2");
    BlockNode *n = OPEN("{'driver':'raw','node-name':'base','file':{'driver':'file','filename':'%s'}}", img);
    Block *b = blk_new("s");
    g_assert_true(blk_insert(b, n, NULL));
    g_assert_true(blk_set_perm(b, BLOCK_PERM_CONSISTENT_READ | BLOCK_PERM_WRITE, BLOCK_PERM_CONSISTENT_READ, NULL));
    node_unref(n);
    uint8_t buf[512], old[512];
    memset(buf, 0x77, sizeof(buf));
    g_assert_cmpint(blk_pread_sync(b, 1024, old, 512), ==, 0);
    g_autoptr(Error) err = NULL;
    g_assert_false(block_snapshot_sync("nix", NULL, over, NULL, NULL, false, &err));
    assert_error(&err, "Cannot find device='nix'");
    g_assert_false(block_snapshot_sync("s", NULL, over, NULL, "raw", false, &err));
    assert_error(&err, "Invalid image format");
    g_assert_true(block_snapshot_sync("s", NULL, over, NULL, NULL, false, &err));
    g_assert_cmpint(blk_pwrite_sync(b, 1024, buf, 512), ==, 0);
    g_assert_true(block_snapshot_sync(NULL, blk_node(b)->name, over2, "top", "qcow2", false, &err));
    g_assert_cmpstr(blk_node(b)->name, ==, "top");
    g_assert_cmpint(blk_pwrite_sync(b, 2048, buf, 512), ==, 0);
    g_assert_cmpint(node_pread(node_find("base"), 1024, buf, 512), ==, 0);
    g_assert_cmpmem(buf, 512, old, 512);
    g_assert_cmpint(node_pwrite(node_find("base"), 1024, buf, 512), ==, -EPERM);
    g_assert_cmpint(node_pread(blk_node(b)->backing->node, 1024, buf, 512), ==, 0);
    g_assert_cmpuint(buf[0], ==, 0x77);
    BlockNode *free_one = OPEN("{'driver':'null-co','size':65536,'node-name':'x'}");
    g_assert_false(block_snapshot("top", "x", &err));
    assert_error(&err, "does not support backing");
    node_unref(free_one);
    blk_remove(b);
    blk_unref(b);
    g_assert_true(!node_find("base") && !node_find("top")); /* nobody keeps them */
}

static void test_commit(void)
{
    g_autofree char *img = make_image("cm.img", 65536), *over = path_of("cm.qcow2");
    BlockNode *n =
        OPEN("{'driver':'raw','node-name':'cbase','read-only':true,'file':{'driver':'file','filename':'%s'}}", img);
    BlockNode *top = block_temporary_overlay(n, NULL);
    g_assert_nonnull(top);
    g_assert_true(top->no_flush && !n->no_flush);
    Block *b = blk_new("cm");
    g_assert_true(blk_insert(b, top, NULL));
    g_assert_true(blk_set_perm(b, BLOCK_PERM_CONSISTENT_READ | BLOCK_PERM_WRITE, BLOCK_PERM_CONSISTENT_READ, NULL));
    node_unref(top);
    uint8_t buf[512], got[512];
    g_autoptr(Error) err = NULL;
    for (int round = 1; round < 4; round++) {
        memset(buf, 0x40 + round, sizeof(buf));
        g_assert_cmpint(blk_pwrite_sync(b, 1024 * (unsigned)round, buf, 512), ==, 0);
        g_assert_true(round & 1 ? block_commit("cm", &err) : block_commit_all(&err));
        for (int k = 1; k <= round; k++) {
            g_assert_cmpint(node_pread(n, 1024 * (unsigned)k, got, 512), ==, 0);
            g_assert_cmpuint(got[0], ==, 0x40 + k);
            g_assert_cmpint(blk_pread_sync(b, 1024 * (unsigned)k, got, 512), ==, 0);
            g_assert_cmpuint(got[511], ==, 0x40 + k);
        }
        BlockStatus st; /* the overlay has nothing left, and nobody else writes what is below */
        g_assert_cmpint(node_status(top, 0, 65536, &st), ==, 0);
        g_assert_true(!(st.flags & BLOCK_ST_ALLOCATED) && st.len == 65536);
        g_assert_true(n->read_only && n->file->node->read_only);
        g_assert_cmpint(node_pwrite(n, 0, buf, 512), ==, -EPERM);
    }
    /* What another overlay stands on stays as it is. */
    BlockNode *other = block_temporary_overlay(n, NULL);
    g_assert_cmpint(blk_pwrite_sync(b, 8192, buf, 512), ==, 0);
    g_assert_false(block_commit("cm", &err));
    assert_error(&err, "'commit' error for 'cm'");
    g_assert_cmpint(node_pread(n, 8192, got, 512), ==, 0);
    g_assert_cmpuint(got[0], !=, 0x43);
    node_unref(other);
    g_assert_true(block_commit("cm", &err));
    g_assert_false(block_commit("nix", &err));
    assert_error(&err, "Device 'nix' not found");
    g_assert_true(block_snapshot_sync("cm", NULL, over, NULL, NULL, false, &err));
    blk_remove(b);
    node_unref(n);
    n = OPEN("{'driver':'raw','file':{'driver':'file','filename':'%s'}}", img);
    g_assert_true(blk_insert(b, n, NULL));
    node_unref(n);
    g_assert_false(block_commit("cm", &err));
    assert_error(&err, "Operation not supported");
    g_assert_cmpint(blk_pread_sync(b, 8192, got, 512), ==, 0);
    g_assert_cmpuint(got[0], ==, 0x43);
    blk_remove(b);
    blk_unref(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    begin_dir("block");
    g_test_add_func("/block/open-errors", test_open_errors);
    g_test_add_func("/block/sizes", test_sizes);
    g_test_add_func("/block/raw-window", test_raw_window);
    g_test_add_func("/block/unaligned", test_unaligned);
    g_test_add_func("/block/long-vector", test_long_vector);
    g_test_add_func("/block/probe-guard", test_probe_guard);
    g_test_add_func("/block/requests", test_requests);
    g_test_add_func("/block/cancel-drain", test_cancel_and_drain);
    g_test_add_func("/block/permissions", test_permissions);
    g_test_add_func("/block/errors-policy", test_errors_policy);
    g_test_add_func("/block/geometry", test_geometry);
    g_test_add_func("/block/iov", test_iov);
    g_test_add_func("/block/attached-medium", test_attached_medium);
    g_test_add_func("/block/drive-options", test_drive_options);
    g_test_add_func("/block/throttle", test_throttle);
    g_test_add_func("/block/throttle-buckets", test_throttle_buckets);
    g_test_add_func("/block/throttle-node", test_throttle_node);
    g_test_add_func("/block/snapshot", test_snapshot);
    g_test_add_func("/block/commit", test_commit);
    g_test_add_func("/block/home-ring", test_ring);
    int r = g_test_run();
    end_dir();
    return r;
}
