/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The UART: register writes and reads, input, breaks and time-outs in any order. Two bytes a step. */
#include "tests/fuzz/fuzz.h"

#include "chardev/chardev.h"
#include "hw/char/serial.h"
#include "softmmu/mainloop.h"

const char *const fuzz_seeds[] = {
    "\x02\x01\x01\x0f\x00"
    "A\x12x\x08x\x0ax\x10"
    "abc\x20x",
    "\x03\x80\x00\x01\x01\x00\x03\x03\x04\x1f\x00"
    "B\x08x\x0dx\x0ex",
    NULL,
};

static void line(void *opaque, unsigned n, int level)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Serial s;
    static Irq irq = {line, NULL, 0};
    if (!s.irq) {
        mainloop_init();
        s.irq = &irq;
        s.baudbase = 115200;
        g_autoptr(Json) opts = json_object();
        json_set_str(opts, "backend", "null");
        json_set_str(opts, "id", "n");
        g_assert_true(char_attach(&s.chr, chardev_new(opts, NULL), NULL, NULL, NULL));
        serial_realize(&s);
    }
    serial_reset(&s);
    for (size_t i = 0; i + 1 < size; i += 2) {
        unsigned reg = data[i] & 7;
        if (data[i] & 0x20)
            s.fifo_timeout_timer.fn(s.fifo_timeout_timer.opaque);
        else if (data[i] & 0x40)
            s.chr.handlers->event(&s, CHAR_BREAK);
        else if (data[i] & 0x10) {
            for (unsigned n = data[i + 1] & 31; n && s.chr.handlers->can_receive(&s); n--)
                s.chr.handlers->receive(&s, data + i, 1);
        } else if (data[i] & 8)
            serial_io.read(&s, reg, 1);
        else
            serial_io.write(&s, reg, data[i + 1], 1);
        g_assert_cmpuint(s.recv_fifo.num, <=, SERIAL_FIFO);
        g_assert_cmpuint(s.xmit_fifo.num, <=, SERIAL_FIFO);
        g_assert_true(s.lsr & 0x40); /* the back end takes everything */
    }
    return 0;
}
