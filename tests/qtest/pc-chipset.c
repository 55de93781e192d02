/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 440FX, PIIX3 and PIIX4 beside Debian's binary: configuration spaces, PAM, reset control, power management, SMBus,
 * hot plug ports. */
#include "tests/qtest/libqtest.h"

#include <unistd.h>

enum { I440FX = 0x00, PIIX3 = 0x08, IDE = 0x09, PM = 0x0b, VGA = 0x10 };
enum { PM_BASE = 0x600, SMB_BASE = 0xb100, GPE = 0xafe0, PCIHP = 0xae00 };

static const uint8_t functions[] = {I440FX, PIIX3, IDE, PM, VGA};

/* Its lock bit holds 72h until a reset; QEMU's has no lock. */
static const uint8_t smram_lock = 0x10;

static bool debian_missing(void)
{
    if (access(DEBIAN_BINARY, X_OK) == 0)
        return false;
    g_test_skip("Debian's binary is not installed");
    return true;
}

/* Every dword after reset, and every byte after all ones and after all zeroes were written to it. */
static void test_config(void)
{
    if (debian_missing())
        return;
    QTest *q[2] = {qtest_start("-machine pc"), qtest_start_binary(DEBIAN_BINARY, "-machine pc")};
    for (unsigned f = 0; f < G_N_ELEMENTS(functions); f++) {
        uint8_t devfn = functions[f];
        for (unsigned off = 0; off < 256; off += 4) {
            uint32_t v[2];
            for (unsigned i = 0; i < 2; i++)
                v[i] = qtest_pci_read(q[i], 0, devfn, off, 4);
            g_assert_cmphex(v[0] | (uint64_t)devfn << 48 | (uint64_t)off << 32, ==,
                            v[1] | (uint64_t)devfn << 48 | (uint64_t)off << 32);
        }
        for (unsigned off = 0; off < 256; off++) {
            uint32_t v[2][3];
            uint8_t ones = devfn == I440FX && off == 0x72 ? 0xff & ~smram_lock : 0xff;
            for (unsigned i = 0; i < 2; i++) {
                v[i][0] = qtest_pci_read(q[i], 0, devfn, off, 1);
                qtest_pci_write(q[i], 0, devfn, off, 1, ones);
                v[i][1] = qtest_pci_read(q[i], 0, devfn, off, 1);
                qtest_pci_write(q[i], 0, devfn, off, 1, 0);
                v[i][2] = qtest_pci_read(q[i], 0, devfn, off, 1);
                qtest_pci_write(q[i], 0, devfn, off, 1, v[i][0]);
            }
            for (unsigned k = 0; k < 3; k++)
                g_assert_cmphex(v[0][k] | devfn << 24 | off << 8, ==, v[1][k] | devfn << 24 | off << 8);
        }
    }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

/* What a reset makes of it: the headers, and the registers that PIIX3 and PM put back. PAM and SMRAM
 * stay. Debian's leaves all other bytes of 40h and up as the guest wrote them; here they return to their power-on
 * values. */
static bool reset_by_both(uint8_t devfn, unsigned off)
{
    static const uint8_t piix3[] = {0x4c, 0x4e, 0x60, 0x61, 0x62, 0x63, 0x69, 0x70, 0x76, 0x77, 0x78, 0xa0, 0xa8};
    static const uint8_t pm[] = {0x40, 0x58, 0x59, 0x5a, 0x80};
    if (off < 0x40 || devfn == I440FX)
        return true;
    return devfn == PIIX3 ? memchr(piix3, off, sizeof(piix3)) != NULL : devfn == PM && memchr(pm, off, sizeof(pm));
}

static void test_config_reset(void)
{
    if (debian_missing())
        return;
    QTest *q[2] = {qtest_start("-machine pc"), qtest_start_binary(DEBIAN_BINARY, "-machine pc")};
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned f = 0; f < G_N_ELEMENTS(functions); f++)
            for (unsigned off = 0x04; off < 256; off += 4)
                if (off != 0x80 || functions[f] != PM)
                    qtest_pci_write(q[i], 0, functions[f], off, 4,
                                    functions[f] == I440FX && off == 0x70 ? 0x5a4a5a50 : 0x5a5a5a50);
        json_unref(qtest_qmp(q[i], "{'execute':'system_reset'}"));
        json_unref(qtest_event(q[i], "RESET"));
    }
    for (unsigned f = 0; f < G_N_ELEMENTS(functions); f++)
        for (unsigned off = 0; off < 256; off++) {
            if (!reset_by_both(functions[f], off))
                continue;
            uint32_t v[2];
            for (unsigned i = 0; i < 2; i++)
                v[i] = qtest_pci_read(q[i], 0, functions[f], off, 1);
            g_assert_cmphex(v[0] | functions[f] << 24 | off << 8, ==, v[1] | functions[f] << 24 | off << 8);
        }
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

/* The address register takes 32-bit accesses alone; the data port any size; CF9 lies in the middle. */
static void test_host_ports(void)
{
    static const WalkRegion regions[] = {
        {.base = 0xcf8, .count = 1, .sizes = 7, .weight = 8},
        {.base = 0xcfc, .count = 4, .sizes = 1, .weight = 8},
        {.base = 0xcfc, .count = 1, .sizes = 7, .weight = 4},
        {.base = 0xcfa, .count = 2},
        {.base = 0xcf9, .count = 1},
        {},
    };
    qtest_walk(
        &(const Walk){.args = "-machine pc -nodefaults -vga none", .regions = regions, .steps = 4000, .writes = 30});
}

static bool no_reset(WalkStep *s, GRand *rand)
{
    if (s->addr == 0xcf9 && s->write)
        s->val &= ~4ULL;
    if (s->addr == 0x92 && s->write)
        s->val &= ~1ULL;
    return true;
}

static void test_small_ports(void)
{
    static const WalkRegion regions[] = {
        {.base = 0xcf9, .count = 1}, {.base = 0x92, .count = 1}, {.base = 0xb2, .count = 2}, {}};
    qtest_walk(&(const Walk){
        .args = "-machine pc -nodefaults -vga none", .regions = regions, .filter = no_reset, .steps = 2000});
}

static void pam_set(QTest *q, unsigned area, unsigned field)
{
    unsigned reg = area ? 0x5a + (area - 1) / 2 : 0x59, shift = area ? (area - 1) % 2 * 4 : 4;
    uint8_t old = qtest_pci_read(q, 0, I440FX, reg, 1);
    qtest_pci_write(q, 0, I440FX, reg, 1, (old & ~(3u << shift)) | field << shift);
}

static void test_pam(void)
{
    QTest *q = qtest_start("-machine pc");
    uint8_t bios[16];
    qtest_memread(q, 0xffff0, bios, sizeof(bios));
    g_assert_cmphex(bios[0], ==, 0xea); /* the reset vector's far jump */
    for (unsigned area = 0; area < 13; area++) {
        uint64_t start = area ? 0xc0000 + (area - 1) * 0x4000 : 0xf0000, last = start + (area ? 0x4000 : 0x10000) - 4;
        uint32_t val = 0x11220000 + area;
        pam_set(q, area, 3);
        qtest_writel(q, start, val);
        qtest_writel(q, last, ~val);
        g_assert_cmphex(qtest_readl(q, start), ==, val);
        pam_set(q, area, 0);
        g_assert_cmphex(qtest_readl(q, start), !=, val);
        g_assert_cmphex(qtest_readl(q, last), !=, ~val);
        qtest_writel(q, start, 0x55555555); /* a ROM takes no writes */
        g_assert_cmphex(qtest_readl(q, start), !=, 0x55555555);
        pam_set(q, area, 1);
        g_assert_cmphex(qtest_readl(q, start), ==, val);
        g_assert_cmphex(qtest_readl(q, last), ==, ~val);
        if (!qtest_is_debian(q)) { /* QEMU lets the tests' accesses, unlike a CPU's, write through a read-only alias */
            qtest_writel(q, start, 0x66666666);
            g_assert_cmphex(qtest_readl(q, start), ==, val);
        }
    }
    for (unsigned area = 0; area < 13; area++) /* none has changed another */
        g_assert_cmphex(qtest_readl(q, area ? 0xc0000 + (area - 1) * 0x4000 : 0xf0000), ==, 0x11220000 + area);
    /* SMRAM: D_OPEN puts RAM under the VGA window. */
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x4a);
    qtest_writel(q, 0xa0000, 0x12345678);
    g_assert_cmphex(qtest_readl(q, 0xa0000), ==, 0x12345678);
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x0a);
    g_assert_cmphex(qtest_readl(q, 0xa0000), !=, 0x12345678);
    json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(q, "RESET"));
    g_assert_cmphex(qtest_readl(q, 0xf0000), ==, 0x11220000); /* still RAM */
    qtest_quit(q);
}

/* The part of `info mtree -f` that shows one address space. */
static char *flat_view(QTest *q, const char *space)
{
    g_autofree char *all = qtest_hmp(q, "info mtree -f"), *head = g_strdup_printf("AS \"%s\"", space);
    char *at = strstr(all, head);
    g_assert_nonnull(at);
    char *end = strstr(at, "\nFlatView");
    return end ? g_strndup(at, end - at) : g_strdup(at);
}

static bool shows(QTest *q, const char *space, const char *line)
{
    g_autofree char *view = flat_view(q, space);
    return strstr(view, line) != NULL;
}

/* The RAM under the VGA window: for a CPU in SMM, for all, for none; and the lock. */
static void test_smram(void)
{
    static const char line[] = "00000000000a0000-00000000000bffff (prio 0, ram): pc.ram";
    static const char whole[] = "0000000000000000-00000000000bffff (prio 0, ram): pc.ram";
    QTest *q = qtest_start("-machine pc -m 16 -nodefaults -vga std");
    if (qtest_is_debian(q)) {
        qtest_quit(q);
        g_test_skip("its address space of a CPU in SMM has another name, and SMRAM no lock");
        return;
    }
    g_assert_cmphex(qtest_pci_read(q, 0, I440FX, 0x72, 1), ==, 2);
    g_assert_false(shows(q, "cpu-smm", line) || shows(q, "cpu-smm", whole));
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x0a); /* G_SMRAME */
    g_assert_true(shows(q, "cpu-smm", line) || shows(q, "cpu-smm", whole));
    g_assert_false(shows(q, "memory", line) || shows(q, "memory", whole));
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x4a); /* and D_OPEN */
    g_assert_true(shows(q, "memory", line) || shows(q, "memory", whole));
    qtest_writel(q, 0xa8000, 0xcafe0001);
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x5a); /* D_LCK closes it */
    g_assert_cmphex(qtest_pci_read(q, 0, I440FX, 0x72, 1), ==, 0x1a);
    g_assert_false(shows(q, "memory", line) || shows(q, "memory", whole));
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x4a);
    g_assert_cmphex(qtest_pci_read(q, 0, I440FX, 0x72, 1), ==, 0x1a);
    qtest_pci_write(q, 0, I440FX, 0x70, 4, 0x00420000);
    g_assert_cmphex(qtest_pci_read(q, 0, I440FX, 0x72, 1), ==, 0x1a);
    g_assert_cmphex(qtest_readl(q, 0xa8000), !=, 0xcafe0001);
    g_assert_true(shows(q, "cpu-smm", line) || shows(q, "cpu-smm", whole));
    json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(q, "RESET"));
    g_assert_cmphex(qtest_pci_read(q, 0, I440FX, 0x72, 1), ==, 0x0a);
    qtest_pci_write(q, 0, I440FX, 0x72, 1, 0x4a);
    g_assert_cmphex(qtest_readl(q, 0xa8000), ==, 0xcafe0001);
    qtest_quit(q);
}

/* The APM port's SMI: with APMC_EN only. Without SMM the bit says "done already". */
static void test_smi(void)
{
    QTest *q = qtest_start("-machine pc -m 16 -nodefaults");
    if (!qtest_has_clock(q)) {
        qtest_quit(q);
        g_test_skip("interrupt lines cannot be intercepted here");
        return;
    }
    qtest_irq_intercept_out(q, "PIIX4_PM smi-irq");
    g_assert_cmphex(qtest_pci_read(q, 0, PM, 0x58, 4), ==, 0);
    qtest_outb(q, 0xb2, 1);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 0);
    qtest_pci_write(q, 0, PM, 0x5b, 1, 2);
    qtest_outb(q, 0xb3, 0x77); /* the status port is a byte to keep */
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 0);
    qtest_outb(q, 0xb2, 0x42);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 1);
    qtest_outb(q, 0xb2, 0x43);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 2);
    g_assert_cmphex(qtest_inb(q, 0xb2), ==, 0x43);
    g_assert_cmphex(qtest_inb(q, 0xb3), ==, 0x77);
    json_unref(qtest_qmp(q, "{'execute':'system_reset'}"));
    json_unref(qtest_event(q, "RESET"));
    qtest_outb(q, 0xb2, 1);
    g_assert_cmpuint(qtest_irq_raises(q, 0), ==, 2);
    qtest_quit(q);
    q = qtest_start("-machine pc,smm=off -m 16 -nodefaults");
    g_assert_cmphex(qtest_pci_read(q, 0, PM, 0x58, 4), ==, 0x02000000);
    g_autofree char *views = qtest_hmp(q, "info mtree -f");
    g_assert_null(strstr(views, "cpu-smm"));
    qtest_quit(q);
}

/* A20: the last of port 92h and the keyboard controller to speak wins; a reset opens it. */
static void a20_state(QTest *q, char state[64])
{
    g_autofree char *regs = qtest_hmp(q, "info registers");
    const char *at = strstr(regs, "A20=");
    g_assert_nonnull(at);
    qtest_outb(q, 0x64, 0xd0);
    unsigned outport = qtest_inb(q, 0x60);
    g_snprintf(state, 64, "%.5s 92=%02x output port %02x", at, qtest_inb(q, 0x92), outport);
}

static void test_a20(void)
{
    static const uint16_t writes[] = {
        /* port << 8 | value; 0: a reset */
        0x9200, 0x9202, 0x64dd, 0x9200, 0x64df, 0x9202, 0x9200, 0x64d1, 0x60dd, 0x9202, 0x64d1, 0x60df, 0x64d1,
        0x60dd, 0x9202, 0x92fc, 0x92fe, 0x9200, 0,      0x9202, 0,      0x92fe, 0,      0x64dd, 0,
    };
    if (debian_missing())
        return;
    QTest *q[2] = {qtest_start("-machine pc"), qtest_start_binary(DEBIAN_BINARY, "-machine pc")};
    unsigned closed = 0;
    for (unsigned n = 0; n < G_N_ELEMENTS(writes); n++) {
        char state[2][64];
        for (unsigned i = 0; i < 2; i++) {
            if (writes[n]) {
                qtest_outb(q[i], writes[n] >> 8, (uint8_t)writes[n]);
            } else {
                json_unref(qtest_qmp(q[i], "{'execute':'system_reset'}"));
                json_unref(qtest_event(q[i], "RESET"));
            }
            if (writes[n] != 0x64d1) /* its parameter comes next */
                a20_state(q[i], state[i]);
            else
                g_strlcpy(state[i], "-", 2);
        }
        g_assert_cmpstr(state[0], ==, state[1]);
        closed += g_str_has_prefix(state[0], "A20=0");
    }
    g_assert_cmpuint(closed, >=, 6);
    qtest_quit(q[0]);
    qtest_quit(q[1]);
}

/* -bios: at the top of 4 GiB, and its last 128 KiB below 1 MiB. */
static void test_firmware(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("bios-XXXXXX", &path, NULL);
    enum { SIZE = 256 * 1024 };
    g_autofree uint8_t *image = g_malloc(SIZE), *got = g_malloc(SIZE);
    for (unsigned i = 0; i < SIZE; i++)
        image[i] = i ^ i >> 8 ^ i >> 16;
    g_assert_cmpint(write(fd, image, SIZE), ==, SIZE);
    close(fd);
    QTest *q = qtest_start("-machine pc -bios %s", path);
    qtest_memread(q, 0x100000000ULL - SIZE, got, SIZE);
    g_assert_cmpmem(got, SIZE, image, SIZE);
    qtest_memread(q, 0xe0000, got, 0x20000);
    g_assert_cmpmem(got, 0x20000, image + SIZE - 0x20000, 0x20000);
    qtest_quit(q);
    unlink(path);
}

static const WalkStep pm_setup[] = {
    {true, false, 0xcf8, 0x80000b40, 4},
    {true, false, 0xcfc, PM_BASE | 1, 4},
    {true, false, 0xcf8, 0x80000b80, 4},
    {true, false, 0xcfc, 1, 1},
    {},
};

static bool no_sleep(WalkStep *s, GRand *rand)
{
    if (s->write && s->addr == PM_BASE + 4) /* SLP_EN would end the machine */
        s->val &= ~0x2000ULL;
    return true;
}

static void test_pm_walk(void)
{
    static const WalkRegion regions[] = {
        {.base = PM_BASE, .count = 1, .sizes = 2},
        {.base = PM_BASE + 2, .count = 1, .sizes = 2},
        {.base = PM_BASE + 4, .count = 1, .sizes = 2},
        {.base = PM_BASE + 8, .count = 1, .sizes = 4},
        {.base = 0xb2, .count = 2},
        {.base = GPE, .count = 4, .sizes = 1},
        {},
    };
    qtest_walk(&(const Walk){.args = "-machine pc -nodefaults -vga none",
                             .regions = regions,
                             .before = pm_setup,
                             .filter = no_sleep,
                             .steps = 4000});
}

static void test_smbus(void)
{
    QTest *q = qtest_start("-machine pc");
    static const struct {
        uint8_t addr, cmd, protocol, data0, status;
    } ops[] = {
        {0xa0, 5, 2, 0x77, 2},                                               /* write a byte, read it back */
        {0xa1, 5, 2, 0x77, 2}, {0xae, 9, 2, 0x99, 2},                        /* another EEPROM */
        {0xa1, 9, 2, 0x00, 2}, {0xaf, 9, 2, 0x99, 2}, {0xc1, 0, 2, 0x12, 4}, /* nobody there */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        qtest_outb(q, SMB_BASE, 0xff);
        qtest_outb(q, SMB_BASE + 4, ops[i].addr);
        qtest_outb(q, SMB_BASE + 3, ops[i].cmd);
        if (!(ops[i].addr & 1) || ops[i].status != 2)
            qtest_outb(q, SMB_BASE + 5, ops[i].data0);
        qtest_outb(q, SMB_BASE + 2, 0x40 | ops[i].protocol << 2);
        g_assert_cmphex(qtest_inb(q, SMB_BASE), ==, 1);
        g_assert_cmphex(qtest_inb(q, SMB_BASE), ==, ops[i].status);
        g_assert_cmphex(qtest_inb(q, SMB_BASE + 5), ==, ops[i].data0);
    }
    qtest_quit(q);
}

static void test_pm_timer(void)
{
    QTest *q = qtest_start("-machine pc");
    if (!qtest_has_clock(q)) {
        g_test_skip("needs the qtest accelerator's clock");
        qtest_quit(q);
        return;
    }
    for (const WalkStep *s = pm_setup; s->size; s++)
        qtest_out(q, s->addr, s->size, s->val);
    qtest_irq_intercept_in(q, "ioapic");
    qtest_outw(q, PM_BASE, 1);
    qtest_outw(q, PM_BASE + 2, 1);
    int64_t now = qtest_clock_set(q, 1000000000);
    g_assert_cmphex(qtest_inl(q, PM_BASE + 8), ==,
                    (uint32_t)((unsigned __int128)now * 3579545 / 1000000000) & 0xffffff);
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 1, ==, 0);
    g_assert_false(qtest_irq(q, 9));
    qtest_clock_set(q, 2343500000); /* 800000h ticks are 2.3434 s */
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 1, ==, 1);
    g_assert_true(qtest_irq(q, 9));
    qtest_outw(q, PM_BASE, 1);
    g_assert_false(qtest_irq(q, 9));
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 1, ==, 0);
    qtest_clock_set(q, 4687100000);
    g_assert_true(qtest_irq(q, 9));
    qtest_quit(q);
}

static void test_power(void)
{
    QTest *q = qtest_start("-machine pc -no-shutdown");
    for (const WalkStep *s = pm_setup; s->size; s++)
        qtest_out(q, s->addr, s->size, s->val);
    /* The button shows once the guest has enabled it. */
    json_unref(qtest_qmp(q, "{'execute':'system_powerdown'}"));
    json_unref(qtest_event(q, "POWERDOWN"));
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 0x100, ==, 0);
    qtest_outw(q, PM_BASE + 2, 0x100);
    json_unref(qtest_qmp(q, "{'execute':'system_powerdown'}"));
    json_unref(qtest_event(q, "POWERDOWN"));
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 0x100, ==, 0x100);
    qtest_outw(q, PM_BASE, 0x100);
    g_assert_cmphex(qtest_inw(q, PM_BASE) & 0x100, ==, 0);
    qtest_outw(q, PM_BASE + 4, 0x2000); /* S5 */
    g_autoptr(Json) ev = qtest_event(q, "SHUTDOWN");
    g_assert_nonnull(ev);
    qtest_quit(q);
}

static void test_suspend_to_disk(void)
{
    QTest *q = qtest_start("-machine pc -no-shutdown -global PIIX4_PM.s4_val=5");
    for (const WalkStep *s = pm_setup; s->size; s++)
        qtest_out(q, s->addr, s->size, s->val);
    qtest_outw(q, PM_BASE + 4, 0x2000 | 4 << 10); /* not a sleep type: nothing happens */
    g_assert_cmphex(qtest_inw(q, PM_BASE + 4), ==, 4 << 10);
    json_unref(qtest_qmp(q, "{'execute':'query-status'}"));
    g_assert_false(qtest_event_seen(q, "SHUTDOWN"));
    qtest_outw(q, PM_BASE + 4, 0x2000 | 5 << 10);
    json_unref(qtest_event(q, "SUSPEND_DISK"));
    json_unref(qtest_event(q, "SHUTDOWN"));
    qtest_quit(q);
}

static void test_hotplug_ports(void)
{
    if (debian_missing())
        return;
    static const WalkRegion regions[] = {
        {.base = PCIHP, .count = 1, .sizes = 4},
        {.base = PCIHP + 4, .count = 1, .sizes = 4},
        {.base = PCIHP + 12, .count = 1, .sizes = 4},
        {.base = 0xaf00, .count = 32},
        {},
    };
    qtest_walk(&(const Walk){
        .args = "-machine pc -nodefaults -vga std", .regions = regions, .steps = 500, .writes = 1, .filter = no_sleep});
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pc-chipset/config", test_config);
    g_test_add_func("/pc-chipset/config-reset", test_config_reset);
    g_test_add_func("/pc-chipset/host-ports", test_host_ports);
    g_test_add_func("/pc-chipset/small-ports", test_small_ports);
    g_test_add_func("/pc-chipset/pam", test_pam);
    g_test_add_func("/pc-chipset/smram", test_smram);
    g_test_add_func("/pc-chipset/smi", test_smi);
    g_test_add_func("/pc-chipset/a20", test_a20);
    g_test_add_func("/pc-chipset/firmware", test_firmware);
    g_test_add_func("/pc-chipset/pm-walk", test_pm_walk);
    g_test_add_func("/pc-chipset/pm-timer", test_pm_timer);
    g_test_add_func("/pc-chipset/power", test_power);
    g_test_add_func("/pc-chipset/suspend-to-disk", test_suspend_to_disk);
    g_test_add_func("/pc-chipset/smbus", test_smbus);
    g_test_add_func("/pc-chipset/hotplug-ports", test_hotplug_ports);
    return g_test_run();
}
