/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg: selector, data and DMA ports; what the items say, alone and beside Debian's binary; boot order and CMOS. */
#include "tests/qtest/libqtest.h"

#include <string.h>
#include <unistd.h>

enum { SELECT = 0x510, DATA = 0x511, DMA = 0x514, DIRECTORY = 0x19, RAM = 0x100000 };

static void item_read(QTest *q, uint16_t key, void *buf, size_t len)
{
    qtest_outw(q, SELECT, key);
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = qtest_inb(q, DATA);
}

static uint64_t item_number(QTest *q, uint16_t key, unsigned size)
{
    uint8_t b[8] = {0};
    item_read(q, key, b, size);
    return ldq_le(b);
}

/* Key and size of a file; 0 where there is none. Checks the directory's order on the way. */
static uint16_t file_find(QTest *q, const char *name, uint32_t *size)
{
    uint8_t count[4], entry[64];
    char last[56] = "";
    uint16_t key = 0;
    item_read(q, DIRECTORY, count, sizeof(count));
    g_assert_cmpuint(ldl_be(count), <=, 0x20);
    for (unsigned i = 0; i < ldl_be(count); i++) {
        for (unsigned k = 0; k < sizeof(entry); k++)
            entry[k] = qtest_inb(q, DATA);
        const char *this_name = (const char *)entry + 8;
        g_assert_cmpstr(last, <, this_name);
        g_strlcpy(last, this_name, sizeof(last));
        if (!strcmp(this_name, name)) {
            key = lduw_be(entry + 4);
            *size = ldl_be(entry);
        }
    }
    return key;
}

static char *file_read(QTest *q, const char *name, uint32_t *size)
{
    uint16_t key = file_find(q, name, size);
    g_assert_cmphex(key, !=, 0);
    char *data = g_malloc0(*size + 1);
    item_read(q, key, data, *size);
    return data;
}

static uint8_t cmos(QTest *q, uint8_t index)
{
    qtest_outb(q, 0x70, index);
    return qtest_inb(q, 0x71);
}

static void test_items(void)
{
    QTest *q = qtest_start("-machine pc -m 64 -smp 2,maxcpus=3 -boot menu=on,reboot-timeout=15,splash-time=2 "
                           "-uuid 4600cb32-38ec-4b2f-8acb-81c6ea54f2d8");
    static const uint8_t uuid[16] = {0x46, 0,    0xcb, 0x32, 0x38, 0xec, 0x4b, 0x2f,
                                     0x8a, 0xcb, 0x81, 0xc6, 0xea, 0x54, 0xf2, 0xd8};
    uint8_t buf[16];
    uint32_t size;
    item_read(q, 0, buf, 4);
    g_assert_cmpmem(buf, 4, "QEMU", 4);
    g_assert_cmphex(item_number(q, 1, 4), ==, 3);
    item_read(q, 2, buf, 16);
    g_assert_cmpmem(buf, 16, uuid, 16);
    g_assert_cmphex(item_number(q, 3, 8), ==, 64 << 20);
    g_assert_cmphex(item_number(q, 5, 2), ==, 2);
    g_assert_cmphex(item_number(q, 0x0f, 2), ==, 3);
    g_assert_cmphex(item_number(q, 0x0e, 2), ==, 1);
    g_autofree char *fail_wait = file_read(q, "etc/boot-fail-wait", &size);
    g_assert_cmpuint(size, ==, 4);
    g_assert_cmpuint(ldl_le(fail_wait), ==, 15);
    g_autofree char *menu_wait = file_read(q, "etc/boot-menu-wait", &size);
    g_assert_cmpuint(size, ==, 2);
    g_assert_cmpuint(lduw_le(menu_wait), ==, 2);
    /* Past the end of an item, and of what does not exist: zeroes. */
    g_assert_cmphex(item_number(q, 0x3fff, 8), ==, 0);
    qtest_outw(q, SELECT, 0);
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmphex(qtest_inb(q, DATA), ==, i < 4 ? "QEMU"[i] : 0);
    qtest_quit(q);
}

static uint32_t dma(QTest *q, uint32_t control, uint32_t len, uint64_t addr)
{
    uint8_t req[16];
    stl_be(req, control);
    stl_be(req + 4, len);
    stq_be(req + 8, addr);
    qtest_memwrite(q, RAM, req, sizeof(req));
    qtest_outl(q, DMA, 0);
    qtest_outl(q, DMA + 4, GUINT32_SWAP_LE_BE(RAM));
    return GUINT32_SWAP_LE_BE(qtest_readl(q, RAM));
}

static void test_dma(void)
{
    QTest *q = qtest_start("-machine pc");
    uint8_t buf[8];
    g_assert_cmphex(qtest_inl(q, DMA), ==, 0x554d4551);     /* "QEMU" */
    g_assert_cmphex(qtest_inl(q, DMA + 4), ==, 0x47464320); /* " CFG" */
    g_assert_cmphex(dma(q, 0 << 16 | 8 | 2, 6, RAM + 64), ==, 0);
    qtest_memread(q, RAM + 64, buf, 6);
    g_assert_cmpmem(buf, 6, "QEMU\0", 6);
    g_assert_cmphex(dma(q, 0 << 16 | 8 | 4, 2, 0), ==, 0); /* skip, then read on by port and by DMA */
    g_assert_cmphex(qtest_inb(q, DATA), ==, 'M');
    g_assert_cmphex(dma(q, 2, 1, RAM + 64), ==, 0);
    g_assert_cmphex(qtest_readb(q, RAM + 64), ==, 'U');
    g_assert_cmphex(dma(q, 0 << 16 | 8 | 16, 4, RAM + 64), ==, 1);  /* not writable: error */
    g_assert_cmphex(dma(q, 0 << 16 | 8 | 2, 4, 0xe0000000), ==, 1); /* to nowhere */
    qtest_quit(q);
}

static void test_user_items(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("fw-XXXXXX", &path, NULL);
    g_assert_cmpint(write(fd, "a\0b", 3), ==, 3);
    close(fd);
    QTest *q = qtest_start("-machine pc -fw_cfg opt/test/a,file=%s -fw_cfg name=opt/test/b,string=text", path);
    uint32_t size;
    g_autofree char *a = file_read(q, "opt/test/a", &size);
    g_assert_cmpmem(a, size, "a\0b", 3);
    g_autofree char *b = file_read(q, "opt/test/b", &size);
    g_assert_cmpmem(b, size, "text", 4);
    qtest_quit(q);
    unlink(path);
}

/* Items whose bytes are the same on both for the same machine. */
static void test_beside_debian(void)
{
    static const char *const args[] = {
        "-machine pc-i440fx-7.2 -m 5G -smp 2,maxcpus=5,cores=5,threads=1,sockets=1 -boot order=dc,menu=on "
        "-uuid 4600cb32-38ec-4b2f-8acb-81c6ea54f2d8 -smbios type=1,uuid=00112233-4455-6677-8899-aabbccddeeff",
        "-machine pc-i440fx-7.2 -m 3584 -smp 4,sockets=2,threads=2 -boot strict=on -nodefaults "
        "-smbios type=1,uuid=00112233-4455-6677-8899-aabbccddeeff -uuid 4600cb32-38ec-4b2f-8acb-81c6ea54f2d8",
        "-machine pc-i440fx-7.2,hpet=off,smbios-entry-point-type=64 -m 16 -global PIIX4_PM.disable_s3=1 -global "
        "PIIX4_PM.s4_val=3",
        "-uuid 4600cb32-38ec-4b2f-8acb-81c6ea54f2d8 -machine pc-i440fx-7.2,max-ram-below-4g=1G -m 20G -boot "
        "once=d,order=c",
    };
    static const uint16_t keys[] = {0, 1, 2, 3, 4, 5, 0x0d, 0x0e, 0x0f, 0x8002, 0x8004};
    static const char *const files[] = {"bios-geometry",
                                        "bootorder",
                                        "etc/boot-fail-wait",
                                        "etc/e820",
                                        "etc/smbios/smbios-anchor",
                                        "etc/smbios/smbios-tables",
                                        "etc/system-states"};
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip("Debian's binary is not installed");
        return;
    }
    for (unsigned n = 0; n < G_N_ELEMENTS(args); n++) { /* TCG has no VME */
        QTest *q[2] = {qtest_start("%s -cpu Nehalem,vme=off", args[n]), NULL};
        g_autofree char *line = g_strdup_printf("%s -cpu Nehalem,vme=off", args[n]);
        q[1] = qtest_start_binary(DEBIAN_BINARY, line);
        for (unsigned k = 0; k < G_N_ELEMENTS(keys); k++) {
            uint8_t buf[2][130];
            for (unsigned i = 0; i < 2; i++)
                item_read(q[i], keys[k], buf[i], sizeof(buf[i]));
            g_assert_cmpmem(buf[0], sizeof(buf[0]), buf[1], sizeof(buf[1]));
        }
        for (unsigned k = 0; k < G_N_ELEMENTS(files); k++) {
            uint32_t size[2];
            g_autofree char *ours = file_read(q[0], files[k], &size[0]), *theirs = file_read(q[1], files[k], &size[1]);
            g_assert_cmpmem(ours, size[0], theirs, size[1]);
        }
        for (unsigned i = 0x0e; i < 128; i++)
            g_assert_cmphex(i << 8 | cmos(q[0], i), ==, i << 8 | cmos(q[1], i));
        qtest_quit(q[0]);
        qtest_quit(q[1]);
    }
}

/* CMOS 38h and 3Dh; once= holds until the first reset. */
static void test_boot_order(void)
{
    static const struct {
        const char *args;
        uint16_t first, then; /* 38h's byte << 8 | 3Dh's */
    } cases[] = {
        {"", 0x3012, 0x3012},
        {"-no-fd-bootchk", 0x3112, 0x3112},
        {"-boot c", 0x0002, 0x0002},
        {"-boot nda", 0x1034, 0x1034},
        {"-boot order=", 0x0000, 0x0000},
        {"-boot once=a,order=c", 0x0001, 0x0002},
        {"-boot once=nad", 0x3014, 0x3012},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        QTest *q = qtest_start("-nodefaults %s", cases[i].args);
        g_assert_cmphex(cmos(q, 0x38) << 8 | cmos(q, 0x3d), ==, cases[i].first);
        json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
        json_unref(qtest_event(q, "RESET"));
        g_assert_cmphex(cmos(q, 0x38) << 8 | cmos(q, 0x3d), ==, cases[i].then);
        qtest_quit(q);
    }
}

static void test_bootorder_file(void)
{
    QTest *q = qtest_start(
        "-nodefaults -boot strict=on -blockdev null-co,node-name=a,read-zeroes=on -blockdev "
        "null-co,node-name=b,read-zeroes=on "
        "-device ide-hd,drive=a,bus=ide.1,unit=1,bootindex=7 -device ide-cd,drive=b,bus=ide.0,unit=0,bootindex=2");
    uint32_t size;
    g_autofree char *text = file_read(q, "bootorder", &size);
    g_assert_cmpstr(text, ==, "/pci@i0cf8/ide@1,1/drive@0/disk@0\n/pci@i0cf8/ide@1,1/drive@1/disk@1\nHALT");
    g_assert_cmpuint(size, ==, strlen(text) + 1);
    qtest_quit(q);
}

/* Of a device that went it is free; one that is refused takes nothing. */
static void test_bootindex_hot(void)
{
    QTest *q = qtest_start("-nodefaults -device e1000,id=a,bootindex=1");
    for (unsigned i = 0; i < 2; i++) {
        g_autofree char *no = qtest_qmp_error(
            q, "{'execute':'device_add','arguments':{'driver':'virtio-net-pci','id':'b','bootindex':1}}");
        g_assert_cmpstr(no, ==, "The bootindex 1 has already been used");
    }
    json_unref(qtest_qmp(q, "{'execute':'device_del','arguments':{'id':'a'}}"));
    json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(q, "DEVICE_DELETED"));
    json_unref(qtest_qmp(q, "{'execute':'device_add','arguments':{'driver':'virtio-net-pci','id':'b','bootindex':1}}"));
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fw-cfg/items", test_items);
    g_test_add_func("/fw-cfg/dma", test_dma);
    g_test_add_func("/fw-cfg/user-items", test_user_items);
    g_test_add_func("/fw-cfg/beside-debian", test_beside_debian);
    g_test_add_func("/boot-order/cmos", test_boot_order);
    g_test_add_func("/boot-order/file", test_bootorder_file);
    g_test_add_func("/boot-order/index-taken", test_bootindex_hot);
    return g_test_run();
}
