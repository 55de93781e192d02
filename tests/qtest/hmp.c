/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor beside Debian's: the same commands on the same machine and memory give the same text. */
#include "tests/qtest/libqtest.h"

#include <glib/gstdio.h>

static const char *const commands[] = {
    /* memory, in every format and size */
    "xp 0x1000",
    "xp/8xb 0x1000",
    "xp/8xh 0x1000",
    "xp/8xw 0x1000",
    "xp/8xg 0x1000",
    "xp/5xb 0x1003",
    "xp/20db 0x1000",
    "xp/9dh 0x1000",
    "xp/9dw 0x1000",
    "xp/9dg 0x1000",
    "xp/9ub 0x1000",
    "xp/9uh 0x1000",
    "xp/9uw 0x1000",
    "xp/9ug 0x1000",
    "xp/9ob 0x1000",
    "xp/9oh 0x1000",
    "xp/9ow 0x1000",
    "xp/9og 0x1000",
    "xp/40cb 0x1000",
    "xp/4cw 0x1000",
    "xp /x 0x1000",
    "xp/0x 0x1000",
    "xp/2xw 0x1000+8",
    "xp/2xw (0x800|0x800)*2",
    "xp/4xb 0xffff0",
    "xp/2xg 0xfffffff0",
    "x/4xw 0x1000",
    "x/3xh 0x1001",
    "xp/4xb",
    "xp/4qb 0",
    "xp/4xb 0x1000 0x2000",
    "sum 0x1000 256",
    "sum 0xf0000 65536",
    "sum 0x1000 0",
    /* numbers */
    "p/x 1+2*3",
    "p/d -1",
    "p/u -1",
    "p/o 8",
    "p/c 65",
    "p/c 10",
    "p/c 39",
    "p/c 200",
    "p/x 1+2|4",
    "p 4|1+1",
    "p 6&3^1",
    "p 7%4",
    "p 2-3",
    "p ~0",
    "p - - 1",
    "p 'A'",
    "p 'A",
    "p (1",
    "p 1)",
    "p",
    "p 1/0",
    "p 1%0",
    "p 0x",
    "p 08",
    "p 010",
    "p 99999999999999999999",
    "p $rip",
    "p $pc",
    "p $eax+1",
    "p $edx",
    "p $nope",
    "p $",
    "p 1 2",
    /* ports */
    "o/b 0x70 0x0f",
    "i/b 0x71", /* the shutdown status: not a clock that moves */
    "i /w 0x3f8",
    "o/b 0x80 0x55",
    "i/b 0x61",
    "i",
    "i/b",
    "o/b 0x80",
    /* what is there */
    "info name",
    "info uuid",
    "info pci",
    "info mice",
    "info memdev",
    "info iothreads",
    "info memory_size_summary",
    "info history",
    "info numa",
    "info mem",
    "info tlb",
    "info cpus x",
    "info uuid x",
    "info nope",
    "gva2gpa 0x1000",
    "gpa2hva 0xffff0000000",
    /* mistakes */
    "",
    " ",
    "nope",
    "info nope",
    "help nope",
    "stop now",
    "eject",
    "eject -x a",
    "eject nope",
    "device_del",
    "device_del nope",
    "device_add",
    "device_add nope",
    "device_add isa-serial,nope=1",
    "info block",
    "info block -v im",
    "drive_add 0 if=none,id=dd0,driver=null-co",
    "drive_add 0 if=none,id=dd0,driver=null-co",
    "drive_add 0:1:2 if=none,id=dd1",
    "drive_add if=none",
    "drive_add -n 0 driver=null-co,node-name=nn",
    "drive_add -n 0 driver=null-co",
    "commit",
    "commit nope",
    "commit all",
    "block_set_io_throttle dd0 1000000 0 0 0 0 0",
    "block_set_io_throttle dd0 1 2 3 4 5 6",
    "block_set_io_throttle nope 1 0 0 0 0 0",
    "block_set_io_throttle cd0 4096 0 0 0 0 0",
    "info block im",
    "block_set_io_throttle /machine/peripheral/cd0 8192 0 0 0 0 0",
    "info block im",
    "block_set_io_throttle dd0 1",
    "snapshot_blkdev dd0",
    "snapshot_blkdev nope x",
    "drive_del dd0",
    "drive_del dd1",
    "object_add",
    "object_del nope",
    "object_add rng-builtin,id=r0",
    "object_add rng-builtin,id=r0",
    "object_del r0",
    "object_del r0",
    "object_add nope,id=x",
    "chardev-add null,id=c1",
    "chardev-add null,id=c1",
    "chardev-remove c1",
    "chardev-remove c1",
    "chardev-send-break nope",
    "ringbuf_write nope x",
    "ringbuf_read nope 4",
    "cpu 7",
    "cpu 0",
    "system_wakeup",
    "mouse_move",
    "mouse_move 1",
    "mouse_button",
    "sendkey",
    "sendkey nope",
    "sendkey a-nope",
    "sendkey a",
    "qom-list /",
    "qom-get /machine type",
    "qom-get /machine nope",
    "qom-list /nope",
    "qom-set /machine type x",
    "log nope_x,",
    "watchdog_action nope",
    "#",
    "?x",
    "mce",
    "mce 0",
    "mce 0 1 2 3 4",
    "mce 0 1 2 3 4 5 6",
    "mce 9 0 0x8000000000000000 0 0 0",
    "mce -1 0 0x8000000000000000 0 0 0",
    "mce -x 0 0 0x8000000000000000 0 0 0",
    "mce 0x100000000 0 0x8000000000000000 0 0 0",
    "mce 0 0x100000000 0x8000000000000000 0 0 0",
    "mce 0 10 0x8000000000000000 0 0 0",
    "mce 0 10 0 0 0 0",
    "mce 0 9 0x8000000000000000 0 0 0",
    "mce -b 0 9 0x8000000000000000 0 0 0",
    "mce 0 1 0x4000000000000000 0 0 0",
    "mce -b 0 1 0 0 0 0",
    "memsave 0 10",
    "pmemsave \"a",
    "xp/4xb \"0\"",
};

/* What differs, and why. */
static const struct {
    const char *command, *reason;
} known[] = {
    {"log nope_x,", "the list of log items is each one's own"},
    {"p $rip", "a register more"},
    {"device_add isa-serial,nope=1",
     "which of two reasons is told: the device cannot be plugged in, the bus cannot take one"},
    {"object_add", "the missing type is named"},
    {"chardev-add null,id=c1", "the second time: the message tells of chardevs, not of containers"},
    {"qom-list /", "the machine's version; a container for back ends"},
    {"qom-get /machine type", "the machine's version"},
    {"qom-get /machine nope", "the machine's version"},
    {"qom-set /machine type x", "the machine's version"},
};

static char *answer(QTest *q, const char *command)
{
    char *text = qtest_hmp(q, "%s", command);
    for (char *p = text; *p; p++) /* it is TAP's comment */
        if (*p == '\r')
            *p = ' ';
    return text;
}

static void test_texts(void)
{
    g_autofree char *img = qtest_image("texts.img", 3 << 19, 4);
    g_autofree char *args = g_strdup_printf(
        "-machine pc -nodefaults -m 16 -uuid 12345678-1234-1234-1234-123456789abc -name n -object "
        "memory-backend-ram,id=m0,size=1M -device ide-cd,id=cd0,drive=im -drive "
        "if=none,id=im,node-name=imn,format=raw,readonly=on,throttling.bps-total=5,throttling.iops-read=7,file=%s",
        img);
    if (!g_file_test(DEBIAN_BINARY, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("Debian's qemu-system-x86 is not installed");
        return;
    }
    QTest *q = qtest_start("%s", args), *r = qtest_start_binary(DEBIAN_BINARY, args);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (uint64_t addr = 0x1000; addr < 0x1100; addr++) {
        uint8_t byte = (uint8_t)g_rand_int_range(rand, 0, 256);
        qtest_writeb(q, addr, byte);
        qtest_writeb(r, addr, byte);
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        unsigned k = 0;
        while (k < ARRAY_SIZE(known) && strcmp(known[k].command, commands[i]))
            k++;
        g_autofree char *ours = answer(q, commands[i]), *theirs = answer(r, commands[i]);
        if (k == ARRAY_SIZE(known) && strcmp(ours, theirs)) {
            g_test_message("%s\nours:\n%stheirs:\n%s", commands[i], ours, theirs);
            g_test_fail();
        }
    }
    qtest_quit(q);
    qtest_quit(r);
    g_unlink(img);
}

/* Each info command answers, whatever the machine. */
static void every_info(const char *args)
{
    QTest *q = qtest_start("%s", args);
    g_autofree char *help = qtest_hmp(q, "help info");
    g_auto(GStrv) lines = g_strsplit(help, "\n", -1);
    unsigned n = 0;
    for (char **l = lines; *l; l++) {
        g_auto(GStrv) words = g_strsplit_set(*l, " \r", 3);
        if (g_strv_length(words) < 2 || strcmp(words[0], "info"))
            continue;
        g_autofree char *text = qtest_hmp(q, "info %s", words[1]);
        g_assert_null(strstr(text, "unknown command"));
        n++;
    }
    g_assert_cmpuint(n, >, 20);
    qtest_quit(q);
}

static void test_info_none(void)
{
    every_info("-machine none");
}

static void test_info_pc(void)
{
    every_info("-machine pc");
}

/* Lines of `info roms` that both have: ours needs no kvmvapic.bin; a table has the size of its file, not of what is
 * kept free for it. */
static char *roms(QTest *q)
{
    g_autofree char *text = answer(q, "info roms");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *out = g_string_new(NULL);
    for (char **l = lines; *l; l++) {
        char *size = strstr(*l, " size=");
        if (strstr(*l, "kvmvapic.bin"))
            continue;
        if (g_str_has_prefix(*l, "/rom@") && size)
            *size = 0;
        g_string_append_printf(out, "%s\n", *l);
    }
    return g_string_free(out, false);
}

static void test_roms(void)
{
    static const char *const args[] = {
        "-machine none",
        "-machine pc-i440fx-7.2",
        "-machine pc-i440fx-7.2 -nodefaults -bios /usr/share/seabios/bios.bin -device isa-vga",
    };
    if (!g_file_test(DEBIAN_BINARY, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("Debian's qemu-system-x86 is not installed");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
        QTest *q = qtest_start("%s", args[i]), *r = qtest_start_binary(DEBIAN_BINARY, args[i]);
        g_autofree char *ours = roms(q), *theirs = roms(r);
        g_assert_cmpstr(ours, ==, theirs);
        qtest_quit(q);
        qtest_quit(r);
    }
    QTest *q = qtest_start("-machine pc -option-rom /usr/share/seabios/vgabios-stdvga.bin");
    g_autofree char *text = qtest_hmp(q, "info roms");
    g_assert_nonnull(strstr(text, "fw=genroms/vgabios-stdvga.bin size=0x0"));
    qtest_quit(q);
}

/* x/i: 16-bit code, as the CPU is after a reset. What is beside the text is QEMU's too. */
static void test_disassembly(void)
{
    static const uint8_t code[] = {0xea, 0x5b, 0xe0, 0x00, 0xf0,                               /* jmp far */
                                   0x66, 0x26, 0xc7, 0x86, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, /* ten bytes */
                                   0xf3, 0xa4,                                                 /* rep movsb */
                                   0x0f, 0x0b,                                                 /* ud2 */
                                   0x0f, 0x04, 0x90};                                          /* none; nop */
    QTest *q = qtest_start("-machine pc -nodefaults -m 16");
    for (unsigned n = 0; n < sizeof(code); n++)
        qtest_writeb(q, 0x1000 + n, code[n]);
    for (unsigned physical = 0; physical < 2; physical++) {
        g_autofree char *text = qtest_hmp(q, "%s/7i 0x1000", physical ? "xp" : "x");
        g_assert_cmpstr(text, ==,
                        "0x00001000:  ea 5b e0 00 f0           jmp far 0xf000:0xe05b\r\n"
                        "0x00001005:  66 26 c7 86 34 12 78 56  mov dword ptr es:[bp+0x1234], 0x12345678\r\n"
                        "0x0000100d:  34 12\r\n"
                        "0x0000100f:  f3 a4                    rep movsb byte ptr es:[di], byte ptr [si]\r\n"
                        "0x00001011:  0f 0b                    ud2\r\n"
                        "0x00001013:  0f                       .byte 0x0f\r\n"
                        "0x00001014:  04 90                    add al, 0x90\r\n"
                        "0x00001016:  00 00                    add byte ptr [bx+si], al\r\n");
    }
    g_autofree char *many = qtest_hmp(q, "x/70000i 0");
    g_assert_cmpstr(many, ==, "Error: more than 65536 instructions at once\r\n");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hmp/texts", test_texts);
    g_test_add_func("/hmp/disassembly", test_disassembly);
    g_test_add_func("/hmp/roms", test_roms);
    g_test_add_func("/hmp/info-none", test_info_none);
    g_test_add_func("/hmp/info-pc", test_info_pc);
    return g_test_run();
}
