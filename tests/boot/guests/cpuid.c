/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every CPUID leaf, for comparison with another emulator's. */
#include "guest.h"

void interrupt(struct frame *f)
{
    quit(1);
}

void ap_main(unsigned n)
{
}

static void leaf(uint32_t n, uint32_t sub)
{
    uint32_t r[4];

    cpuid(n, sub, r);
    print_hex(n, 8);
    putch('.');
    print_hex(sub, 2);
    for (unsigned i = 0; i < 4; i++) {
        putch(' ');
        print_hex(r[i], 8);
    }
    putch('\n');
}

static void range(uint32_t first)
{
    uint32_t r[4];

    cpuid(first, 0, r);
    for (uint32_t n = first; n <= r[0] && n - first < 64; n++) {
        /* Those with subleaves: caches, features, topology, XSAVE, AMD's caches. */
        unsigned subs = n == 4 ? 5 : n == 7 ? 3 : n == 0xb || n == 0x1f ? 4 : n == 0xd ? 20 : n == 0x8000001d ? 5 : 1;

        for (unsigned s = 0; s < subs; s++)
            leaf(n, s);
    }
}

int main(void)
{
    range(0);
    range(0x40000000);
    range(0x80000000);
    print("done\n");
    return 0x10;
}
