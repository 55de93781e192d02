/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PIIX3 IDE: disks and CD-ROMs by PIO and bus master, alone, and command by command beside Debian's binary.
 */
#include "tests/qtest/libqtest.h"

#include "util/util.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { R_DATA, R_ERROR, R_COUNT, R_LOW, R_MID, R_HIGH, R_DEVICE, R_STATUS, R_CTL = 0x206 };
enum { ST_ERR = 1, ST_DRQ = 8, ST_DF = 0x20, ST_READY = 0x40, ST_BUSY = 0x80 };
enum { BM_START = 1, BM_TO_MEMORY = 8, BM_ACTIVE = 1, BM_INT = 4 };
enum { PRI = 0x1f0, SEC = 0x170, BM = 0xc000, IDE_DEVFN = 1 << 3 | 1, PRD_EOT = 1u << 31 };
enum { DISK_SIZE = 4 << 20, CD_SIZE = 1 << 20, PRD_TABLE = 0x10000, BUFFER = 0x20000 };

/* A binary with a disk as primary master and a CD as secondary master, the bus master at port BM. */
typedef struct Ide {
    QTest *q;
    char *disk, *cd;
} Ide;

static Ide ide_start_on(const char *binary, const char *tag, const char *extra)
{
    g_autofree char *d = g_strdup_printf("disk-%s.img", tag), *c = g_strdup_printf("cd-%s.img", tag);
    Ide t = {.disk = qtest_image(d, DISK_SIZE, 1), .cd = qtest_image(c, CD_SIZE, 2)};
    g_autofree char *args = g_strdup_printf("-m 32 -nodefaults -drive file=%s,format=raw,if=ide,index=0,discard=unmap "
                                            "-drive file=%s,format=raw,if=ide,index=2,media=cdrom %s",
                                            t.disk, t.cd, extra);
    t.q = binary ? qtest_start_binary(binary, args) : qtest_start("%s", args);
    qtest_pci_write(t.q, 0, IDE_DEVFN, 0x20, 4, BM | 1);
    qtest_pci_write(t.q, 0, IDE_DEVFN, 4, 2, 5);
    return t;
}

static Ide ide_start(const char *extra)
{
    return ide_start_on(NULL, "one", extra);
}

static void ide_quit(Ide *t)
{
    qtest_quit(t->q);
    g_unlink(t->disk);
    if (*t->cd)
        g_unlink(t->cd);
    g_free(t->disk);
    g_free(t->cd);
}

/* The status once BUSY is gone. */
static uint8_t idle(QTest *q, unsigned base)
{
    uint8_t st = ST_BUSY;
    for (int i = 0; i < 5000 && st & ST_BUSY; i++) {
        st = qtest_inb(q, base + R_CTL);
        if (st & ST_BUSY)
            g_usleep(100);
    }
    return st;
}

static void regs(QTest *q, unsigned base, uint8_t device, unsigned count, uint32_t lba)
{
    qtest_outb(q, base + R_DEVICE, device | (lba >> 24 & 15));
    qtest_outb(q, base + R_COUNT, count);
    qtest_outb(q, base + R_LOW, lba);
    qtest_outb(q, base + R_MID, lba >> 8);
    qtest_outb(q, base + R_HIGH, lba >> 16);
}

static uint8_t command(QTest *q, unsigned base, uint8_t cmd)
{
    qtest_outb(q, base + R_STATUS, cmd);
    return idle(q, base);
}

static void read_words(QTest *q, unsigned base, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        stw_le(buf + i, qtest_inw(q, base));
}

static void write_words(QTest *q, unsigned base, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        qtest_outw(q, base, lduw_le(buf + i));
}

static void assert_text(const uint8_t *identify, unsigned word, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        g_assert_cmpint(identify[2 * word + (i ^ 1)], ==, text[i]);
}

static void test_identify(void)
{
    Ide t = ide_start("");
    uint8_t id[512];
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
    regs(t.q, PRI, 0xa0, 0, 0);
    g_assert_cmphex(command(t.q, PRI, 0xec), ==, 0x58);
    read_words(t.q, PRI, id, 512);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
    assert_text(id, 10, "QM00001");
    assert_text(id, 27, "QEMU HARDDISK ");
    g_assert_cmpuint(ldl_le(id + 120), ==, DISK_SIZE / 512);
    g_assert_cmpuint(ldq_le(id + 200), ==, DISK_SIZE / 512);
    /* No drive 1: it answers with status 0; a CD refuses IDENTIFY DEVICE and shows its signature. */
    qtest_outb(t.q, PRI + R_DEVICE, 0xb0);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0);
    regs(t.q, SEC, 0xa0, 0, 0);
    g_assert_cmphex(command(t.q, SEC, 0xec), ==, 0x41);
    g_assert_cmphex(qtest_inb(t.q, SEC + R_MID) | qtest_inb(t.q, SEC + R_HIGH) << 8, ==, 0xeb14);
    g_assert_cmphex(command(t.q, SEC, 0xa1), ==, 0x58);
    read_words(t.q, SEC, id, 512);
    assert_text(id, 10, "QM00003");
    assert_text(id, 27, "QEMU DVD-ROM ");
    ide_quit(&t);
}

static void test_properties(void)
{
    g_autofree char *img = qtest_image("prop.img", 1 << 20, 3);
    g_autofree char *args =
        g_strdup_printf("-nodefaults -drive file=%s,format=raw,if=none,id=d -device "
                        "ide-hd,bus=ide.1,unit=1,drive=d,serial=abc,model=my-disk,ver=9.9,wwn=0x5001122334455667,"
                        "rotation_rate=1,cyls=100,heads=5,secs=4",
                        img);
    QTest *q = qtest_start("%s", args);
    uint8_t id[512];
    regs(q, SEC, 0xb0, 0, 0);
    g_assert_cmphex(command(q, SEC, 0xec), ==, 0x58);
    read_words(q, SEC, id, 512);
    assert_text(id, 10, "abc ");
    assert_text(id, 23, "9.9 ");
    assert_text(id, 27, "my-disk ");
    g_assert_cmpuint(lduw_le(id + 2), ==, 100);
    g_assert_cmpuint(lduw_le(id + 6), ==, 5);
    g_assert_cmpuint(lduw_le(id + 12), ==, 4);
    g_assert_cmphex(lduw_le(id + 216), ==, 0x5001);
    g_assert_cmphex(lduw_le(id + 222), ==, 0x5667);
    g_assert_cmpuint(lduw_le(id + 434), ==, 1);
    qtest_quit(q);
    g_unlink(img);
}

static void test_pio(void)
{
    Ide t = ide_start("");
    uint8_t want[512 * 8], got[512 * 8];
    /* READ SECTORS, LBA28: an interrupt condition and DRQ for each. */
    qtest_file_part(t.disk, 100 * 512, want, 1024);
    regs(t.q, PRI, 0xe0, 2, 100);
    g_assert_cmphex(command(t.q, PRI, 0x20), ==, 0x58);
    read_words(t.q, PRI, got, 512);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x58);
    read_words(t.q, PRI, got + 512, 512);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    g_assert_cmpmem(got, 1024, want, 1024);
    /* SET MULTIPLE 8; READ MULTIPLE EXT of 8 is one piece; by 32-bit accesses. */
    regs(t.q, PRI, 0xe0, 8, 0);
    g_assert_cmphex(command(t.q, PRI, 0xc6), ==, 0x50);
    qtest_file_part(t.disk, 0, want, sizeof(want));
    regs(t.q, PRI, 0xe0, 0, 0);
    regs(t.q, PRI, 0xe0, 8, 0);
    g_assert_cmphex(command(t.q, PRI, 0x29), ==, 0x58);
    for (size_t i = 0; i < sizeof(got); i += 4)
        stl_le(got + i, qtest_inl(t.q, PRI));
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
    /* WRITE SECTORS by CHS: cylinder 1, head 2, sector 3 of 8/16/63. */
    for (size_t i = 0; i < 512; i++)
        want[i] = (uint8_t)(i * 3);
    regs(t.q, PRI, 0xa2, 1, 3 | 1 << 8);
    qtest_outb(t.q, PRI + R_DEVICE, 0xa2);
    g_assert_cmphex(command(t.q, PRI, 0x30), ==, 0x58);
    write_words(t.q, PRI, want, 512);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    g_assert_cmphex(command(t.q, PRI, 0xe7), ==, 0x50);
    qtest_file_part(t.disk, ((1 * 16 + 2) * 63 + 2) * 512, got, 512);
    g_assert_cmpmem(got, 512, want, 512);
    /* Past the end: ABRT. */
    regs(t.q, PRI, 0xe0, 1, DISK_SIZE / 512);
    g_assert_cmphex(command(t.q, PRI, 0x20), ==, 0x41);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_ERROR), ==, 4);
    ide_quit(&t);
}

typedef struct Prd {
    uint32_t addr, len; /* len as the table has it */
} Prd;

static void put_prds(QTest *q, const Prd *p)
{
    for (unsigned i = 0;; i++) {
        qtest_writel(q, PRD_TABLE + 8 * i, p[i].addr);
        qtest_writel(q, PRD_TABLE + 8 * i + 4, p[i].len);
        if (p[i].len & PRD_EOT)
            break;
    }
}

/* Run the engine for a command that waits; the bus master's status when it stands still, or after a while. */
static uint8_t run_dma(QTest *q, unsigned bm, bool to_memory)
{
    qtest_outl(q, bm + 4, PRD_TABLE);
    qtest_outb(q, bm + 2, BM_INT | 2);
    qtest_outb(q, bm, to_memory ? BM_TO_MEMORY : 0);
    qtest_outb(q, bm, BM_START | (to_memory ? BM_TO_MEMORY : 0));
    uint8_t st = 0;
    for (int i = 0; i < 3000; i++) {
        st = qtest_inb(q, bm + 2);
        if (!(st & BM_ACTIVE) || st & BM_INT)
            break;
        g_usleep(100);
    }
    qtest_outb(q, bm, 0);
    return st;
}

static uint8_t dma_command(QTest *q, uint8_t cmd, unsigned count, uint32_t lba, const Prd *prds)
{
    bool read = cmd == 0xc8 || cmd == 0x25;
    put_prds(q, prds);
    regs(q, PRI, 0xe0, count, lba);
    qtest_outb(q, PRI + R_STATUS, cmd);
    return run_dma(q, BM, read);
}

static void test_dma(void)
{
    Ide t = ide_start("");
    uint8_t want[4096], got[4096];
    /* Pieces that begin and end anywhere. */
    const Prd pieces[] = {{BUFFER, 1000}, {BUFFER + 0x4000, 2}, {BUFFER + 0x8002, 3094 | PRD_EOT}};
    qtest_file_part(t.disk, 5 * 512, want, 4096);
    g_assert_cmphex(dma_command(t.q, 0xc8, 8, 5, pieces), ==, BM_INT);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
    qtest_memread(t.q, BUFFER, got, 1000);
    qtest_memread(t.q, BUFFER + 0x4000, got + 1000, 2);
    qtest_memread(t.q, BUFFER + 0x8002, got + 1002, 3094);
    g_assert_cmpmem(got, 4096, want, 4096);
    /* Write, LBA48. */
    for (size_t i = 0; i < sizeof(want); i++)
        want[i] = (uint8_t)(i * 7 + 1);
    qtest_memwrite(t.q, BUFFER, want, 4096);
    const Prd one[] = {{BUFFER, 4096 | PRD_EOT}};
    regs(t.q, PRI, 0xe0, 0, 0);
    g_assert_cmphex(dma_command(t.q, 0x35, 8, 77, one), ==, BM_INT);
    qtest_file_part(t.disk, 77 * 512, got, 4096);
    g_assert_cmpmem(got, 4096, want, 4096);
    /* A list that is too short moves nothing and raises nothing; one that is too long leaves the engine active. */
    qtest_memset(t.q, BUFFER, 0xaa, 4096);
    const Prd shorter[] = {{BUFFER, 512 | PRD_EOT}};
    g_assert_cmphex(dma_command(t.q, 0xc8, 2, 0, shorter), ==, 0);
    qtest_memread(t.q, BUFFER, got, 512);
    g_assert_cmphex(got[0], ==, 0xaa);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
    g_assert_cmphex(dma_command(t.q, 0xc8, 1, 0, one), ==, BM_INT | BM_ACTIVE);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
    /* 64 KiB as a count of 0. */
    const Prd whole[] = {{BUFFER, 0 | PRD_EOT}};
    g_assert_cmphex(dma_command(t.q, 0xc8, 128, 0, whole), ==, BM_INT);
    /* Without bus mastering the table reads as all ones: the engine finishes with what it finds there. */
    qtest_pci_write(t.q, 0, IDE_DEVFN, 4, 2, 1);
    qtest_memset(t.q, BUFFER, 0x55, 512);
    dma_command(t.q, 0xc8, 1, 0, one);
    qtest_pci_write(t.q, 0, IDE_DEVFN, 4, 2, 5);
    qtest_memread(t.q, BUFFER, got, 1);
    g_assert_cmphex(got[0], ==, 0x55);
    g_assert_cmphex(idle(t.q, PRI) & ST_BUSY, ==, 0);
    ide_quit(&t);
}

static void test_trim(void)
{
    Ide t = ide_start("");
    uint8_t list[512] = {0}, got[512];
    stq_le(list, 8 | 8ULL << 48);
    stq_le(list + 8, 24 | 16ULL << 48);
    qtest_memwrite(t.q, BUFFER, list, 512);
    const Prd one[] = {{BUFFER, 512 | PRD_EOT}};
    put_prds(t.q, one);
    regs(t.q, PRI, 0xe0, 0, 0);
    regs(t.q, PRI, 0xe0, 1, 0);
    qtest_outb(t.q, PRI + R_ERROR, 1);
    qtest_outb(t.q, PRI + R_STATUS, 0x06);
    g_assert_cmphex(run_dma(t.q, BM, false), ==, BM_INT);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
    qtest_file_part(t.disk, 30 * 512, got, 512);
    for (int i = 0; i < 512; i++)
        g_assert_cmphex(got[i], ==, 0);
    /* Beyond the end: refused. */
    stq_le(list, DISK_SIZE / 512 | 1ULL << 48);
    qtest_memwrite(t.q, BUFFER, list, 512);
    regs(t.q, PRI, 0xe0, 1, 0);
    qtest_outb(t.q, PRI + R_ERROR, 1);
    qtest_outb(t.q, PRI + R_STATUS, 0x06);
    run_dma(t.q, BM, false);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x41);
    ide_quit(&t);
}

static uint8_t packet(QTest *q, const uint8_t *cdb, bool dma, unsigned limit)
{
    regs(q, SEC, 0xa0, 0, limit << 8);
    qtest_outb(q, SEC + R_ERROR, dma);
    g_assert_cmphex(command(q, SEC, 0xa0) & ST_DRQ, ==, ST_DRQ);
    write_words(q, SEC, cdb, 12);
    return dma ? 0 : idle(q, SEC);
}

static void test_atapi(void)
{
    Ide t = ide_start("");
    uint8_t want[4096], got[4096];
    const uint8_t tur[12] = {0}, read10[12] = {0x28, 0, 0, 0, 0, 7, 0, 0, 2},
                  beyond[12] = {0x28, 0, 0, 0, 2, 0, 0, 0, 1};
    const uint8_t sense[12] = {3, 0, 0, 0, 18}, capacity[12] = {0x25};
    qtest_file_part(t.cd, 7 * 2048, want, 4096);
    g_assert_cmphex(packet(t.q, tur, false, 0), ==, 0x50);
    g_assert_cmphex(packet(t.q, capacity, false, 8), ==, 0x58);
    read_words(t.q, SEC, got, 8);
    g_assert_cmpuint(ldl_be(got), ==, CD_SIZE / 2048 - 1);
    g_assert_cmpuint(ldl_be(got + 4), ==, 2048);
    /* In pieces of 1,000 bytes. */
    g_assert_cmphex(packet(t.q, read10, false, 1000), ==, 0x58);
    for (size_t off = 0; off < 4096;) {
        unsigned n = qtest_inb(t.q, SEC + R_MID) | qtest_inb(t.q, SEC + R_HIGH) << 8;
        g_assert_cmpuint(n, ==, MIN(1000, 4096 - off));
        for (unsigned i = 0; i < n; i += 2) {
            idle(t.q, SEC);
            stw_le(got + off + i, qtest_inw(t.q, SEC));
        }
        off += n;
        g_assert_cmphex(idle(t.q, SEC), ==, off < 4096 ? 0x58 : 0x50);
    }
    g_assert_cmpmem(got, 4096, want, 4096);
    /* By DMA. */
    const Prd pieces[] = {{BUFFER, 3000}, {BUFFER + 0x2000, 1096 | PRD_EOT}};
    put_prds(t.q, pieces);
    packet(t.q, read10, true, 0);
    g_assert_cmphex(run_dma(t.q, BM + 8, true), ==, BM_INT);
    qtest_memread(t.q, BUFFER, got, 3000);
    qtest_memread(t.q, BUFFER + 0x2000, got + 3000, 1096);
    g_assert_cmpmem(got, 4096, want, 4096);
    g_assert_cmphex(packet(t.q, beyond, false, 2048), ==, 0x41);
    g_assert_cmphex(qtest_inb(t.q, SEC + R_ERROR), ==, 0x50);
    g_assert_cmphex(packet(t.q, sense, false, 18), ==, 0x58);
    read_words(t.q, SEC, got, 18);
    g_assert_cmphex(got[2], ==, 5);
    g_assert_cmphex(got[12], ==, 0x21);
    ide_quit(&t);
}

static void test_media(void)
{
    Ide t = ide_start("");
    const uint8_t tur[12] = {0}, prevent[12] = {0x1e, 0, 0, 0, 1}, allow[12] = {0x1e}, capacity[12] = {0x25};
    const uint8_t event[12] = {0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8};
    uint8_t got[8];
    g_autofree char *other = qtest_image("other.iso", 3 * 2048, 4), *text = NULL;
    g_assert_cmphex(packet(t.q, prevent, false, 0), ==, 0x50);
    text = qtest_qmp_error(t.q, "{'execute':'eject','arguments':{'device':'ide1-cd0'}}");
    g_assert_nonnull(strstr(text, "is locked"));
    g_assert_cmphex(packet(t.q, event, false, 8), ==, 0x58);
    read_words(t.q, SEC, got, 8);
    g_assert_cmphex(got[4], ==, 1); /* the guest is asked to eject */
    g_assert_cmphex(packet(t.q, allow, false, 0), ==, 0x50);
    json_unref(qtest_qmp(t.q, "{'execute':'eject','arguments':{'device':'ide1-cd0'}}"));
    json_unref(qtest_event(t.q, "DEVICE_TRAY_MOVED"));
    g_assert_cmphex(packet(t.q, tur, false, 0), ==, 0x41);
    json_unref(qtest_qmp(
        t.q, "{'execute':'blockdev-change-medium','arguments':{'device':'ide1-cd0','filename':'%s','format':'raw'}}",
        other));
    json_unref(qtest_event(t.q, "DEVICE_TRAY_MOVED"));
    /* No medium, then a changed one, then ready. */
    g_assert_cmphex(packet(t.q, tur, false, 0), ==, 0x41);
    g_assert_cmphex(qtest_inb(t.q, SEC + R_ERROR), ==, 0x20);
    g_assert_cmphex(packet(t.q, tur, false, 0), ==, 0x41);
    g_assert_cmphex(qtest_inb(t.q, SEC + R_ERROR), ==, 0x60);
    const uint8_t sense[12] = {3, 0, 0, 0, 18};
    g_assert_cmphex(packet(t.q, sense, false, 18), ==, 0x58);
    uint8_t s[18];
    read_words(t.q, SEC, s, 18);
    g_assert_cmphex(packet(t.q, tur, false, 0), ==, 0x50);
    g_assert_cmphex(packet(t.q, capacity, false, 8), ==, 0x58);
    read_words(t.q, SEC, got, 8);
    g_assert_cmpuint(ldl_be(got), ==, 2);
    ide_quit(&t);
    g_unlink(other);
}

static void test_reset(void)
{
    Ide t = ide_start("");
    /* In the middle of a transfer, and with a DMA command waiting. */
    regs(t.q, PRI, 0xe0, 4, 0);
    g_assert_cmphex(command(t.q, PRI, 0x20), ==, 0x58);
    qtest_inw(t.q, PRI);
    qtest_outb(t.q, PRI + R_CTL, 4);
    qtest_outb(t.q, PRI + R_CTL, 0);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_ERROR), ==, 1);
    g_assert_cmphex(qtest_inb(t.q, PRI + R_COUNT), ==, 1);
    regs(t.q, PRI, 0xe0, 4, 0);
    qtest_outb(t.q, PRI + R_STATUS, 0xc8);
    qtest_outb(t.q, PRI + R_CTL, 4);
    qtest_outb(t.q, PRI + R_CTL, 0);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    regs(t.q, SEC, 0xa0, 0, 0);
    qtest_outb(t.q, SEC + R_STATUS, 0x08);
    g_assert_cmphex(qtest_inb(t.q, SEC + R_MID), ==, 0x14);
    json_unref(qtest_qmp(t.q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(t.q, "RESET"));
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    ide_quit(&t);
}

static void test_irq(void)
{
    Ide t = ide_start("");
    if (!qtest_has_clock(t.q)) {
        g_test_skip("interrupts cannot be intercepted here");
        ide_quit(&t);
        return;
    }
    qtest_irq_intercept_in(t.q, "ioapic");
    regs(t.q, PRI, 0xe0, 1, 0);
    command(t.q, PRI, 0x20);
    g_assert_true(qtest_irq(t.q, 14));
    qtest_inb(t.q, PRI + R_STATUS); /* acknowledges */
    g_assert_false(qtest_irq(t.q, 14));
    for (int i = 0; i < 256; i++)
        qtest_inw(t.q, PRI);
    qtest_outb(t.q, PRI + R_CTL, 2); /* nIEN */
    command(t.q, PRI, 0xe7);
    g_assert_false(qtest_irq(t.q, 14));
    g_assert_false(qtest_irq(t.q, 15));
    ide_quit(&t);
}

/* What was flushed is in the file when the process is killed. */
static void test_kill(void)
{
    Ide t = ide_start("");
    uint8_t want[512], got[512];
    memset(want, 0x77, sizeof(want));
    regs(t.q, PRI, 0xe0, 1, 1234);
    command(t.q, PRI, 0x30);
    write_words(t.q, PRI, want, 512);
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    g_assert_cmphex(command(t.q, PRI, 0xea), ==, 0x50);
    qtest_kill(t.q);
    qtest_file_part(t.disk, 1234 * 512, got, 512);
    g_assert_cmpmem(got, 512, want, 512);
    /* The lock went with the process. */
    t = ide_start("");
    ide_quit(&t);
}

/* ---- errors ---- */

/* A disk whose first EVENT fails once; errors stop the VM. */
static bool errors_possible(void)
{
    if (strcmp(qtest_binary(), DEBIAN_BINARY))
        return true;
    g_test_skip("a running guest would use the disk here");
    return false;
}

static Ide start_failing(const char *event, int sector)
{
    g_autofree char *where = sector < 0 ? g_strdup("") : g_strdup_printf("sector = \"%d\"\n", sector);
    g_autofree char *rules =
        g_strdup_printf("[inject-error]\nevent = \"%s\"\nerrno = \"5\"\nonce = \"on\"\n%s", event, where);
    g_autofree char *config = g_build_filename(qtest_dir(), "rules", NULL);
    g_assert_true(g_file_set_contents(config, rules, -1, NULL));
    Ide t = {.disk = qtest_image("failing.img", DISK_SIZE, 5), .cd = g_strdup("")};
    t.q = qtest_start("-m 32 -nodefaults -drive file=blkdebug:%s:%s,format=raw,if=ide,index=0,werror=stop,rerror=stop",
                      config, t.disk);
    qtest_pci_write(t.q, 0, IDE_DEVFN, 0x20, 4, BM | 1);
    qtest_pci_write(t.q, 0, IDE_DEVFN, 4, 2, 5);
    g_unlink(config);
    return t;
}

static void stop_and_cont(QTest *q, const char *operation)
{
    g_autoptr(Json) ev = qtest_event(q, "BLOCK_IO_ERROR");
    const Json *data = json_get(ev, "data") ? json_get(ev, "data") : ev;
    g_assert_cmpstr(json_get_str(data, "operation"), ==, operation);
    g_assert_cmpstr(json_get_str(data, "action"), ==, "stop");
    json_unref(qtest_event(q, "STOP"));
    g_autoptr(Json) st = qtest_qmp(q, "{'execute':'query-status'}");
    g_assert_cmpstr(json_get_str(st, "status"), ==, "io-error");
    g_autoptr(Json) blocks = qtest_qmp(q, "{'execute':'query-block'}");
    g_assert_cmpstr(json_get_str(json_at(blocks, 0), "io-status"), ==, "failed");
    json_unref(qtest_qmp(q, "{'execute':'cont'}"));
    json_unref(qtest_event(q, "RESUME"));
}

static void test_retry_flush(void)
{
    if (!errors_possible())
        return;
    Ide t = start_failing("flush_to_disk", -1);
    regs(t.q, PRI, 0xe0, 0, 0);
    qtest_outb(t.q, PRI + R_STATUS, 0xe7);
    stop_and_cont(t.q, "write");
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    ide_quit(&t);
}

static void test_retry_pio(void)
{
    if (!errors_possible())
        return;
    Ide t = start_failing("read_aio", 9);
    uint8_t want[512], got[512];
    qtest_file_part(t.disk, 9 * 512, want, 512);
    regs(t.q, PRI, 0xe0, 1, 9);
    qtest_outb(t.q, PRI + R_STATUS, 0x20);
    stop_and_cont(t.q, "read");
    g_assert_cmphex(idle(t.q, PRI), ==, 0x58);
    read_words(t.q, PRI, got, 512);
    g_assert_cmpmem(got, 512, want, 512);
    ide_quit(&t);
    t = start_failing("write_aio", 3);
    regs(t.q, PRI, 0xe0, 1, 3);
    g_assert_cmphex(command(t.q, PRI, 0x30), ==, 0x58);
    write_words(t.q, PRI, want, 512);
    stop_and_cont(t.q, "write");
    g_assert_cmphex(idle(t.q, PRI), ==, 0x50);
    qtest_file_part(t.disk, 3 * 512, got, 512);
    g_assert_cmpmem(got, 512, want, 512);
    ide_quit(&t);
}

static void test_retry_dma(void)
{
    if (!errors_possible())
        return;
    for (int write = 0; write < 2; write++) {
        Ide t = start_failing(write ? "write_aio" : "read_aio", 42);
        uint8_t want[4096], got[4096];
        const Prd pieces[] = {{BUFFER, 1024}, {BUFFER + 1024, 3072 | PRD_EOT}};
        put_prds(t.q, pieces);
        if (write) {
            memset(want, 0x3c, sizeof(want));
            qtest_memwrite(t.q, BUFFER, want, 4096);
        } else {
            qtest_file_part(t.disk, 40 * 512, want, 4096);
        }
        regs(t.q, PRI, 0xe0, 8, 40);
        qtest_outb(t.q, PRI + R_STATUS, write ? 0xca : 0xc8);
        qtest_outl(t.q, BM + 4, PRD_TABLE);
        qtest_outb(t.q, BM, BM_START | (write ? 0 : BM_TO_MEMORY));
        stop_and_cont(t.q, write ? "write" : "read");
        uint8_t st = 0;
        for (int i = 0; i < 3000 && !(st & BM_INT); i++) {
            st = qtest_inb(t.q, BM + 2);
            g_usleep(100);
        }
        g_assert_cmphex(st, ==, BM_INT);
        g_assert_cmphex(qtest_inb(t.q, PRI + R_STATUS), ==, 0x50);
        if (write)
            qtest_file_part(t.disk, 40 * 512, got, 4096);
        else
            qtest_memread(t.q, BUFFER, got, 4096);
        g_assert_cmpmem(got, 4096, want, 4096);
        ide_quit(&t);
    }
}

/* ---- the end of the process ---- */

/* What an error stopped keeps nobody waiting: `quit` and SIGTERM end a machine whose disk stands still. */
static void test_quit_stopped(void)
{
    if (!errors_possible())
        return;
    static const struct {
        const char *event;
        uint8_t command;
        bool dma;
    } cases[] = {{"flush_to_disk", 0xe7, false}, {"read_aio", 0x20, false}, {"write_aio", 0xca, true}};
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        unsigned k = i / 2;
        Ide t = start_failing(cases[k].event, cases[k].command == 0xe7 ? -1 : 42);
        const Prd pieces[] = {{BUFFER, 1024}, {BUFFER + 1024, 3072 | PRD_EOT}};
        put_prds(t.q, pieces);
        regs(t.q, PRI, 0xe0, cases[k].dma ? 8 : 1, cases[k].dma ? 40 : 42);
        qtest_outb(t.q, PRI + R_STATUS, cases[k].command);
        if (cases[k].dma) {
            qtest_outl(t.q, BM + 4, PRD_TABLE);
            qtest_outb(t.q, BM, BM_START);
        }
        json_unref(qtest_event(t.q, "BLOCK_IO_ERROR"));
        json_unref(qtest_event(t.q, "STOP"));
        gint64 from = g_get_monotonic_time();
        if (i & 1) {
            json_unref(qtest_qmp(t.q, "{'execute':'quit'}"));
            g_assert_cmpint(qtest_wait_exit(t.q), ==, 0);
        } else {
            qtest_quit(t.q);
        }
        g_assert_cmpint(g_get_monotonic_time() - from, <, 10 * G_USEC_PER_SEC);
        g_unlink(t.disk);
        g_free(t.disk);
        g_free(t.cd);
    }
}

/* What is in flight is waited for. */
static void test_quit_in_flight(void)
{
    if (!errors_possible())
        return;
    QTest *q = qtest_start("-m 32 -nodefaults -blockdev null-aio,node-name=n0,size=1M,latency-ns=400000000 "
                           "-device ide-hd,drive=n0,bus=ide.0");
    regs(q, PRI, 0xe0, 1, 9);
    gint64 from = g_get_monotonic_time();
    qtest_outb(q, PRI + R_STATUS, 0x20);
    json_unref(qtest_qmp(q, "{'execute':'quit'}"));
    g_assert_cmpint(qtest_wait_exit(q), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - from, >=, 400000);
}

/* ---- beside Debian's binary ---- */

typedef struct Pair {
    Ide t[2];
    GString *log;
    unsigned diffs;
} Pair;

static void differ(Pair *p, const char *what, uint64_t ours, uint64_t theirs)
{
    if (p->diffs++ < 5)
        g_test_message("%s: ours %" PRIx64 ", theirs %" PRIx64 "\n%s", what, ours, theirs, p->log->str);
    g_test_fail();
}

static uint32_t both_in(Pair *p, uint16_t port, unsigned size)
{
    uint32_t a = qtest_in(p->t[0].q, port, size), b = qtest_in(p->t[1].q, port, size);
    if (a != b) {
        g_autofree char *what = g_strdup_printf("port %x", port);
        differ(p, what, a, b);
    }
    return b;
}

static void both_out(Pair *p, uint16_t port, unsigned size, uint32_t val)
{
    g_string_append_printf(p->log, "out %x %x\n", port, val);
    for (int i = 0; i < 2; i++)
        qtest_out(p->t[i].q, port, size, val);
}

static uint8_t both_idle(Pair *p, unsigned base)
{
    uint8_t a = idle(p->t[0].q, base), b = idle(p->t[1].q, base);
    if (a != b)
        differ(p, "status", a, b);
    return b;
}

static void compare_regs(Pair *p, unsigned base)
{
    for (unsigned r = R_ERROR; r <= R_STATUS; r++)
        both_in(p, base + r, 1);
}

static uint8_t random_command(GRand *r)
{
    static const uint8_t usual[] = {0x20, 0x24, 0x29, 0x30, 0x34, 0x39, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0x25, 0x35, 0xec,
                                    0xef, 0x91, 0x27, 0xf8, 0x40, 0x42, 0xb0, 0xe5, 0x90, 0xe7, 0x06, 0xa1, 0x08};
    return g_rand_int_range(r, 0, 5) ? usual[g_rand_int_range(r, 0, sizeof(usual))] : (uint8_t)g_rand_int(r);
}

/* Whatever asks for data gets or gives it, up to a limit: the rest is cut by a reset. */
static void data_phase(Pair *p, unsigned base, GRand *r, uint8_t cmd, bool out)
{
    unsigned words = 256 * g_rand_int_range(r, 1, 20) + g_rand_int_range(r, 0, 2) * 17;
    for (unsigned i = 0; i < words; i++) {
        if (i % 256 == 0) {
            if (!(both_idle(p, base) & ST_DRQ))
                return;
            compare_regs(p, base);
        }
        if (out) {
            uint32_t v = g_rand_int(r) & 0xffff;
            for (int k = 0; k < 2; k++)
                qtest_outw(p->t[k].q, base, (uint16_t)v);
        } else if (cmd == 0xec && i == 59) {
            /* The multiple count in force: Debian's keeps telling that of its first IDENTIFY. */
            for (int k = 0; k < 2; k++)
                qtest_inw(p->t[k].q, base);
        } else {
            both_in(p, base, 2);
        }
    }
}

static void soft_reset(Pair *p, unsigned base)
{
    both_out(p, base + R_CTL, 1, 4);
    both_idle(p, base);
    both_out(p, base + R_CTL, 1, 0);
    both_idle(p, base);
}

static void dma_phase(Pair *p, GRand *r, bool read)
{
    Prd prds[5];
    unsigned n = g_rand_int_range(r, 1, 5);
    for (unsigned i = 0; i < n; i++)
        prds[i] =
            (Prd){BUFFER + 0x4000 * i + g_rand_int_range(r, 0, 64) * 2,
                  (g_rand_int_range(r, 0, 3) ? g_rand_int_range(r, 1, 4) * 512 : g_rand_int_range(r, 1, 700) * 2) |
                      (i + 1 == n ? PRD_EOT : 0)};
    uint8_t st[2];
    uint8_t mem[2][0x14000];
    for (int k = 0; k < 2; k++) {
        put_prds(p->t[k].q, prds);
        if (read)
            qtest_memset(p->t[k].q, BUFFER, 0, sizeof(mem[0]));
        st[k] = run_dma(p->t[k].q, BM, read);
        qtest_memread(p->t[k].q, BUFFER, mem[k], sizeof(mem[0]));
    }
    if (st[0] != st[1])
        differ(p, "bus master status", st[0], st[1]);
    if (memcmp(mem[0], mem[1], sizeof(mem[0])))
        differ(p, "memory", 0, 0);
}

static void walk(unsigned base, unsigned seed, unsigned commands)
{
    if (access(DEBIAN_BINARY, X_OK)) {
        g_test_skip("Debian's binary is not installed");
        return;
    }
    Pair p = {.t = {ide_start_on(NULL, "ours", ""), ide_start_on(DEBIAN_BINARY, "theirs", "")},
              .log = g_string_new(NULL)};
    GRand *r = g_rand_new_with_seed(seed);
    /* Debian's fixes the words on geometry by the first IDENTIFY, with the translation of that moment. */
    both_out(&p, base + R_DEVICE, 1, 0xa0);
    both_out(&p, base + R_STATUS, 1, base == PRI ? 0xec : 0xa1);
    both_idle(&p, base);
    soft_reset(&p, base);
    for (unsigned i = 0; i < commands && p.diffs < 5; i++) {
        uint8_t cmd = random_command(r),
                device = 0xa0 | (g_rand_int_range(r, 0, 3) ? 0x40 : 0) | (g_rand_int_range(r, 0, 10) ? 0 : 0x10);
        g_string_truncate(p.log, 0);
        g_string_append_printf(p.log, "# command %u: %02x\n", i, cmd);
        both_out(&p, base + R_DEVICE, 1, device | (g_rand_int_range(r, 0, 4) ? 0 : g_rand_int(r) & 15));
        for (int again = 0; again < 2; again++) {
            both_out(&p, base + R_ERROR, 1,
                     g_rand_int_range(r, 0, 3) ? g_rand_int(r) & 0xff : (guint32)g_rand_int_range(r, 0, 4));
            both_out(&p, base + R_COUNT, 1,
                     again                       ? (guint32)g_rand_int_range(r, 0, 9)
                     : g_rand_int_range(r, 0, 8) ? 0
                                                 : g_rand_int(r) & 0xff);
            both_out(&p, base + R_LOW, 1, g_rand_int(r) & 0xff);
            both_out(&p, base + R_MID, 1, g_rand_int(r) & (again ? 0x3f : 1));
            both_out(&p, base + R_HIGH, 1, g_rand_int_range(r, 0, 8) ? 0u : g_rand_int(r) & 0xff);
        }
        if (cmd == 0x91) /* Debian's divides by a translation of no sectors */
            both_out(&p, base + R_COUNT, 1, g_rand_int_range(r, 1, 64));
        if (cmd == 0xb0) {
            /* ATTRIBUTE AUTOSAVE: the standard has its value in the count, Debian's takes it from LBA low. */
            both_out(&p, base + R_COUNT, 1, 0);
            both_out(&p, base + R_LOW, 1, g_rand_int_range(r, 0, 8));
            unsigned what = 0xd0 + g_rand_int_range(r, 0, 12);
            if (what == 0xd2)
                both_out(&p, base + R_LOW, 1, 0);
            both_out(&p, base + R_ERROR, 1, what);
            both_out(&p, base + R_MID, 1, 0x4f);
            both_out(&p, base + R_HIGH, 1, 0xc2);
        }
        /* A write with the cache off waits for the disk; one drive's trim list is the other's garbage. */
        if (cmd == 0x06)
            both_out(&p, base + R_ERROR, 1, g_rand_int(r) & 0xfe);
        both_out(&p, base + R_STATUS, 1, cmd);
        uint8_t st = both_idle(&p, base);
        compare_regs(&p, base);
        if (st & ST_DRQ) {
            bool dma = cmd == 0xc8 || cmd == 0xc9 || cmd == 0xca || cmd == 0xcb || cmd == 0x25 || cmd == 0x35;
            bool out = (cmd & 0xf0) == 0x30 || cmd == 0xc5 || cmd == 0xa0;
            if (dma)
                dma_phase(&p, r, cmd == 0xc8 || cmd == 0xc9 || cmd == 0x25);
            else
                data_phase(&p, base, r, cmd, out);
            st = both_idle(&p, base);
            compare_regs(&p, base);
        }
        if (g_rand_int_range(r, 0, 6) == 0)
            both_out(&p, base + R_CTL, 1, 0x80); /* HOB: the other half of the registers */
        compare_regs(&p, base);
        if (st & (ST_DRQ | ST_BUSY) || g_rand_int_range(r, 0, 40) == 0)
            soft_reset(&p, base);
    }
    uint8_t *a, *b;
    gsize la, lb;
    g_assert_true(g_file_get_contents(p.t[0].disk, (char **)&a, &la, NULL));
    g_assert_true(g_file_get_contents(p.t[1].disk, (char **)&b, &lb, NULL));
    if (la != lb || memcmp(a, b, la))
        differ(&p, "the disks", la, lb);
    g_free(a);
    g_free(b);
    g_rand_free(r);
    g_string_free(p.log, true);
    for (int k = 0; k < 2; k++)
        ide_quit(&p.t[k]);
}

static unsigned walk_seed(void)
{
    const char *s = g_getenv("WALK_SEED");
    return s ? (unsigned)atoi(s) : 1;
}

static void test_walk_disk(void)
{
    walk(PRI, walk_seed(), 600);
}

static void test_walk_cd(void)
{
    walk(SEC, walk_seed(), 600);
}

static bool on_disk(const Ide *t, unsigned sector, uint8_t byte)
{
    uint8_t buf[512];
    int fd = open(t->disk, O_RDONLY);
    g_assert_cmpint(pread(fd, buf, 512, 512 * (off_t)sector), ==, 512);
    close(fd);
    return buf[0] == byte && buf[511] == byte;
}

static void write_sector(const Ide *t, unsigned sector, uint8_t byte)
{
    uint8_t buf[512];
    memset(buf, byte, sizeof(buf));
    regs(t->q, PRI, 0xe0, 1, sector);
    g_assert_cmphex(command(t->q, PRI, 0x30), ==, 0x58);
    write_words(t->q, PRI, buf, 512);
    g_assert_cmphex(idle(t->q, PRI), ==, 0x50);
}

/* What -snapshot keeps apart is written into the image on demand: by Ctrl-A s, and by the monitor's commit. */
static void test_save_snapshot(void)
{
    g_autofree char *sock = g_strdup_printf("%s/ide-mux-%d", g_get_tmp_dir(), getpid());
    g_autofree char *args =
        g_strdup_printf("-snapshot -chardev socket,id=c,path=%s,server=on,wait=off,mux=on -serial chardev:c", sock);
    Ide t = ide_start(args);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    g_strlcpy(un.sun_path, sock, sizeof(un.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    write_sector(&t, 5, 0xa5);
    g_assert_false(on_disk(&t, 5, 0xa5));
    g_assert_cmpint(write(fd, "\1s", 2), ==, 2);
    for (int i = 0; i < 3000 && !on_disk(&t, 5, 0xa5); i++)
        g_usleep(10000);
    g_assert_true(on_disk(&t, 5, 0xa5));
    close(fd);
    write_sector(&t, 6, 0x5a);
    write_sector(&t, 5, 0x11);
    g_assert_true(on_disk(&t, 5, 0xa5) && !on_disk(&t, 6, 0x5a));
    g_autofree char *none = qtest_hmp(t.q, "commit nope"), *cd = qtest_hmp(t.q, "commit ide1-cd0"),
                    *all = qtest_hmp(t.q, "commit all");
    g_assert_nonnull(strstr(none, "Device 'nope' not found"));
    g_assert_nonnull(strstr(cd, "'commit' error for 'ide1-cd0': Operation not supported"));
    g_assert_cmpstr(all, ==, "");
    g_assert_true(on_disk(&t, 5, 0x11) && on_disk(&t, 6, 0x5a));
    write_sector(&t, 6, 0x77);
    g_assert_true(on_disk(&t, 6, 0x5a));
    ide_quit(&t);
    g_unlink(sock);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/properties", test_properties);
    g_test_add_func("/ide/pio", test_pio);
    g_test_add_func("/ide/dma", test_dma);
    g_test_add_func("/ide/trim", test_trim);
    g_test_add_func("/ide/atapi", test_atapi);
    g_test_add_func("/ide/media", test_media);
    g_test_add_func("/ide/reset", test_reset);
    g_test_add_func("/ide/irq", test_irq);
    g_test_add_func("/ide/kill", test_kill);
    g_test_add_func("/ide/retry/flush", test_retry_flush);
    g_test_add_func("/ide/retry/pio", test_retry_pio);
    g_test_add_func("/ide/retry/dma", test_retry_dma);
    g_test_add_func("/ide/quit/stopped", test_quit_stopped);
    g_test_add_func("/ide/quit/in-flight", test_quit_in_flight);
    g_test_add_func("/ide/save-snapshot", test_save_snapshot);
    g_test_add_func("/ide/walk/disk", test_walk_disk);
    g_test_add_func("/ide/walk/cd", test_walk_cd);
    return g_test_run();
}
