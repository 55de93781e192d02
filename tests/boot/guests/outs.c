/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 64-bit code at CPL3 that writes to a port which nobody has: exits for user space, and nothing that anybody has to
 * help with. */
#include "guest.h"

enum { OUTS = 500, GDT = 0x9000, TSS = 0x9100, TSS_SELECTOR = 0x28, BITMAP = 104, BITMAP_BYTES = 64 /* and one */ };

void ap_main(unsigned n)
{
}

void interrupt(struct frame *f)
{
    if (f->vector == 6 && (f->cs & 3) == 3)
        leave_user();
    say_hex("exception", f->vector, 2);
    say_hex("at", f->rip, 8);
    quit(1);
}

static void user_outs(void)
{
    for (unsigned i = 0; i < OUTS; i++)
        __asm__ volatile("outb %%al, $0x99" : : "a"(i));
    __asm__ volatile("ud2");
}

/* An I/O permission bitmap that allows the first ports. */
static void allow_ports(void)
{
    volatile uint8_t *tss = (volatile uint8_t *)(uint64_t)TSS,
                     *desc = (volatile uint8_t *)(uint64_t)(GDT + TSS_SELECTOR);

    for (unsigned i = 0; i < BITMAP_BYTES; i++)
        tss[BITMAP + i] = 0;
    tss[BITMAP + BITMAP_BYTES] = 0xff;
    tss[102] = BITMAP;
    tss[103] = 0;
    desc[0] = BITMAP + BITMAP_BYTES;
    desc[5] = 0x89; /* not busy */
    __asm__ volatile("ltr %w0" : : "r"(TSS_SELECTOR));
}

int main(void)
{
    print("outs\n");
    allow_ports();
    enter_user(user_outs, 0x5f000 - 8);
    print("done\n");
    return 0x10;
}
