/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 16550A core: registers, FIFOs, interrupt priorities, timeout, loopback, break, a back end that is full; save and
 * load. */
#include "hw/char/serial.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "softmmu/mainloop.h"
#include "util/fds.h"
#include "util/keyval.h"

enum { RBR = 0, THR = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

static int line;
static void line_changed(void *opaque, unsigned n, int level)
{
    line = level;
}
static Irq irq = {line_changed, NULL, 0};

typedef struct Rig {
    Serial s;
    int peer;
} Rig;

static uint8_t in(Rig *r, unsigned reg)
{
    return serial_io.read(&r->s, reg, 1);
}
static void out(Rig *r, unsigned reg, uint8_t val)
{
    serial_io.write(&r->s, reg, val, 1);
}

static Rig *rig_new(void)
{
    static unsigned count;
    int sv[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    fcntl(sv[1], F_SETFL, O_NONBLOCK);
    g_autofree char *id = g_strdup_printf("c%u", count++), *text = g_strdup_printf("socket,id=%s,fd=uart", id);
    fd_name_put("uart", sv[0]);
    g_autoptr(Json) opts = keyval_parse(text, "backend", NULL);
    Rig *r = g_new0(Rig, 1);
    Chardev *c = chardev_new(opts, NULL);
    g_assert_nonnull(c);
    g_assert_true(char_attach(&r->s.chr, c, NULL, NULL, NULL));
    r->peer = sv[1];
    r->s.baudbase = 115200;
    r->s.irq = &irq;
    line = 0;
    serial_realize(&r->s);
    serial_reset(&r->s);
    return r;
}
static void rig_free(Rig *r)
{
    Chardev *c = r->s.chr.chr;
    serial_unrealize(&r->s);
    char_detach(&r->s.chr);
    g_assert_true(chardev_remove(chardev_id(c), NULL));
    close(r->peer);
    g_free(r);
}
static void turn(void)
{
    for (int i = 0; i < 50; i++)
        g_main_context_iteration(NULL, false);
}
static void type(Rig *r, const char *text)
{
    g_assert_cmpint(write(r->peer, text, strlen(text)), ==, strlen(text));
    turn();
}

static void test_reset(void)
{
    Rig *r = rig_new();
    static const uint8_t values[] = {0, 0, 1, 0, 8, 0x60, 0xb0, 0};
    for (unsigned i = 0; i < 8; i++)
        g_assert_cmphex(in(r, i), ==, values[i]);
    out(r, LCR, 0x80);
    g_assert_cmphex(in(r, 0), ==, 12);
    g_assert_cmphex(in(r, 1), ==, 0);
    rig_free(r);
}

static void test_transmit(void)
{
    Rig *r = rig_new();
    char buf[32] = "";
    out(r, IER, 2); /* the transmitter is empty: an interrupt at once, once */
    g_assert_cmpint(line, ==, 1);
    g_assert_cmphex(in(r, IIR), ==, 2);
    g_assert_cmpint(line, ==, 0);
    g_assert_cmphex(in(r, IIR), ==, 1);
    out(r, THR, 'A');
    g_assert_cmpint(line, ==, 1);
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    out(r, IER, 0);
    g_assert_cmpint(line, ==, 0);
    out(r, FCR, 1);
    for (char c = 'B'; c <= 'F'; c++)
        out(r, THR, c);
    g_assert_cmpint(read(r->peer, buf, sizeof(buf)), ==, 6);
    g_assert_cmpstr(buf, ==, "ABCDEF");
    rig_free(r);
}

static void test_receive(void)
{
    Rig *r = rig_new();
    out(r, IER, 1);
    type(r, "xyz");
    g_assert_cmpint(line, ==, 1);
    g_assert_cmphex(in(r, IIR), ==, 4);
    for (const char *p = "xyz"; *p; p++) {
        g_assert_cmphex(in(r, LSR), ==, 0x61);
        g_assert_cmphex(in(r, RBR), ==, *p);
        g_assert_cmpint(line, ==, 0);
        turn();
    }
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    rig_free(r);
}

static void test_fifo(void)
{
    Rig *r = rig_new();
    out(r, IER, 1);
    out(r, FCR, 0x41); /* trigger at 4 */
    g_assert_cmphex(in(r, IIR), ==, 0xc1);
    type(r, "abc");
    g_assert_cmpint(line, ==, 0);
    g_assert_cmphex(in(r, LSR), ==, 0x61);
    g_assert_true(timer_armed(&r->s.fifo_timeout_timer));
    r->s.fifo_timeout_timer.fn(r->s.fifo_timeout_timer.opaque); /* four frames later */
    g_assert_cmphex(in(r, IIR), ==, 0xcc);
    g_assert_cmphex(in(r, RBR), ==, 'a');
    g_assert_cmphex(in(r, IIR), ==, 0xc1);
    type(r, "de");
    g_assert_cmphex(in(r, IIR), ==, 0xc4);
    for (const char *p = "bcde"; *p; p++)
        g_assert_cmphex(in(r, RBR), ==, *p);
    g_assert_cmphex(in(r, IIR), ==, 0xc1);
    /* What does not fit stays with the back end. */
    type(r, "0123456789abcdefghij");
    g_assert_cmpuint(r->s.recv_fifo.num, ==, 16);
    for (const char *p = "0123456789abcdefghij"; *p; p++) {
        g_assert_cmphex(in(r, RBR), ==, *p);
        turn();
    }
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    type(r, "zz");
    out(r, FCR, 0x43); /* clear reception */
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    g_assert_cmphex(in(r, RBR), ==, 0);
    rig_free(r);
}

static void test_loopback(void)
{
    Rig *r = rig_new();
    char byte;
    out(r, MCR, 0x1f);
    g_assert_cmphex(in(r, MSR), ==, 0xf0);
    out(r, MCR, 0x12);
    g_assert_cmphex(in(r, MSR), ==, 0x10);
    out(r, THR, 'L');
    g_assert_cmphex(in(r, LSR), ==, 0x61);
    out(r, THR, 'M'); /* nobody read L */
    g_assert_cmphex(in(r, LSR), ==, 0x63);
    g_assert_cmphex(in(r, LSR), ==, 0x61);
    g_assert_cmphex(in(r, RBR), ==, 'M');
    g_assert_cmpint(read(r->peer, &byte, 1), ==, -1);
    out(r, FCR, 1);
    out(r, IER, 4);
    for (int i = 0; i < 17; i++)
        out(r, THR, i);
    g_assert_cmpint(line, ==, 1);
    g_assert_cmphex(in(r, IIR), ==, 0xc6);
    g_assert_cmphex(in(r, LSR), ==, 0x63);
    g_assert_cmpint(line, ==, 0);
    for (int i = 0; i < 16; i++)
        g_assert_cmphex(in(r, RBR), ==, i);
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    rig_free(r);
}

static void test_break(void)
{
    Rig *r = rig_new();
    out(r, IER, 4);
    g_assert_true(chardev_send_break(chardev_id(r->s.chr.chr), NULL));
    g_assert_cmpint(line, ==, 1);
    g_assert_cmphex(in(r, IIR), ==, 6);
    g_assert_cmphex(in(r, LSR), ==, 0x71);
    g_assert_cmphex(in(r, RBR), ==, 0);
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    rig_free(r);
}

static void test_full(void)
{
    Rig *r = rig_new();
    out(r, IER, 2);
    in(r, IIR);
    unsigned sent = 0, got = 0;
    for (; sent < 1 << 22 && (in(r, LSR) & 0x40); sent++)
        out(r, THR, sent);
    g_assert_cmpuint(sent, <, 1 << 22);
    /* One is held back; the holding register has room for one more. */
    g_assert_cmphex(in(r, LSR) & 0x60, ==, 0x20);
    out(r, THR, sent++);
    g_assert_cmphex(in(r, LSR) & 0x60, ==, 0);
    turn();
    g_assert_cmphex(in(r, LSR) & 0x60, ==, 0);
    while (got < sent) {
        uint8_t buf[4096];
        ssize_t n = read(r->peer, buf, sizeof(buf));
        for (ssize_t i = 0; i < n; i++)
            g_assert_cmphex(buf[i], ==, (uint8_t)(got + i));
        got += n > 0 ? n : 0;
        turn();
    }
    g_assert_cmphex(in(r, LSR), ==, 0x60);
    g_assert_cmpuint(got, ==, sent);
    rig_free(r);
}

static void test_gone(void)
{
    Rig *r = rig_new();
    close(r->peer);
    for (int i = 0; i < 100; i++) {
        out(r, THR, i);
        g_assert_cmphex(in(r, LSR) & 0x60, ==, 0x60);
    }
    r->peer = -1;
    turn();
    rig_free(r);
}

static void test_divisor(void)
{
    Rig *r = rig_new();
    out(r, LCR, 0x83);
    for (int d = 0; d < 256; d++) { /* zero and more than the clock among them */
        out(r, 0, d);
        out(r, 1, d);
        g_assert_cmphex(in(r, 0), ==, d);
        g_assert_cmphex(in(r, 1), ==, d);
    }
    out(r, 1, 0);
    out(r, 0, 1);
    out(r, LCR, 3);
    g_assert_cmpint(r->s.char_ns, ==, NS_PER_SEC / 115200 * 10);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    g_test_add_func("/serial/reset", test_reset);
    g_test_add_func("/serial/transmit", test_transmit);
    g_test_add_func("/serial/receive", test_receive);
    g_test_add_func("/serial/fifo", test_fifo);
    g_test_add_func("/serial/loopback", test_loopback);
    g_test_add_func("/serial/break", test_break);
    g_test_add_func("/serial/full", test_full);
    g_test_add_func("/serial/gone", test_gone);
    g_test_add_func("/serial/divisor", test_divisor);
    return g_test_run();
}
