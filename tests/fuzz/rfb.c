/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a viewer sends once it is connected, to libvncserver and what is ours around it. Bits of the first byte: 0
 * lossy, 1 power control. What the server sends goes into a socket that is read empty; the picture changes and changes
 * its size between messages.
 */
#include "tests/fuzz/fuzz.h"

#include "ui/keymap.h"
#include "ui/vnc-internal.h"

#include <sys/socket.h>
#include <unistd.h>

/* Each byte is XORed with 55h: a seed has no zero. */
const char *const fuzz_seeds[] = {
    /* clang-format off */
    "\125\127\125\125\137\125\125\125\122\125\125\125\105\125\125\125\120\125\125\125\125\252\252\252\164\252\252\252\165\252"
    "\252\253\253\252\252\253\252\252\252\253\256\252\252\252\104\126\125\125\125\125\125\125\025\125\145\121\124\125\125\125"
    "\125\125\064\252\125\125\124\125\125\125\064\125\125\125\113\120\124\125\137\125\101\126\124\125\125\125\125\125\025\125"
    "\145\126\124\125\125\125\125\127\325\124\265",
    "\124\125\125\125\125\105\105\125\124\125\112\125\152\125\112\136\120\125\125\125\125\127\125\125\120\125\125\125\122\252"
    "\252\252\263\252\252\252\123\252\252\253\231\252\252\253\223\126\125\125\125\125\125\125\025\125\145\256\125\124\025\125"
    "\245\124\125\125\125\125\125\125\125\125\125\124\025\125\245\125\125\125\125\126\124\125\124\125\127\125\113\125\175\126"
    "\124\125\125\125\125\125\066\125\066",
    "\127\125\125\125\125\135\135\124\124\125\122\125\122\125\126\125\126\123\125\125\125\127\125\125\126\125\125\125\105\125"
    "\125\125\123\252\252\253\236\126\125\125\125\125\125\125\025\125\145\257\125\124\121\123\125\125\125\125\125\125\120\075"
    "\060\071\071\072\126\124\125\125\125\125\125\025\125\145",
    "\126\127\125\125\124\125\125\125\120\126\125\125\125\125\125\125\025\125\145\127\125\125\127\125\125\125\127\125\125\125"
    "\121\126\125\125\125\125\125\125\025\125\145\127\125\125\124\125\125\125\123\126\125\125\125\125\125\125\025\125\145\127"
    "\125\125\124\125\125\125\104\126\125\125\125\125\125\125\025\125\145",
    /* clang-format on */
    NULL,
};

static void drain(int fd)
{
    static char sink[65536];

    while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2], big = 1 << 22;
    unsigned turns = 0;
    uint8_t in[4096];

    if (!size || size > 4096 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return 0;
    keymap_ready(NULL);
    for (size_t i = 0; i < size; i++)
        in[i] = data[i] ^ 0x55;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
    VncSession *v = vnc_session_new(
        &(VncSessionConfig){.fd = ends[0], .width = 64, .height = 48, .lossy = in[0] & 1, .power_control = in[0] & 2});
    g_assert_nonnull(v);
    GArray *out = g_array_new(FALSE, FALSE, sizeof(VncInput));
    VncState st = {.width = 64, .height = 48};
    if (write(ends[1], in + 1, size - 1) < 0)
        size = 0;
    shutdown(ends[1], SHUT_WR);
    vnc_session_state(v, &st);
    while (turns++ < 4096 && vnc_session_receive(v, out)) {
        for (guint i = 0; i < out->len; i++)
            g_assert_cmpuint(g_array_index(out, VncInput, i).key, <, KEY_CODES);
        g_array_set_size(out, 0);
        if (turns % 5 == 0) {
            st.width = 16 + turns * 7 % 100;
            st.height = 8 + turns * 5 % 90;
            st.leds ^= 1;
            st.absolute = !st.absolute;
            vnc_session_resize(v, st.width, st.height);
            vnc_session_state(v, &st);
        }
        uint32_t *pixels = vnc_session_pixels(v);
        for (unsigned i = 0; i < st.width * st.height; i += 3)
            pixels[i] = turns & 2 ? i & turns & 1 : i * turns * 0x10203 & 0xffffff;
        const pixman_box32_t box[] = {{0, 0, (int)st.width, 3}, {0, 4, (int)st.width / 2, (int)st.height}};
        pixman_region32_t damage;
        pixman_region32_init_rects(&damage, box, 2);
        vnc_session_damage(v, &damage);
        pixman_region32_fini(&damage);
        if (!vnc_session_send(v))
            break;
        drain(ends[1]);
    }
    vnc_session_free(v);
    g_array_unref(out);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
