/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A triple fault resets the machine; memory survives it, registers do not. */
#include "guest.h"

#define MAGIC 0x5eedULL
static volatile uint64_t *const boots = (uint64_t *)0x500;

void interrupt(struct frame *f)
{
    quit(1);
}

void ap_main(unsigned n)
{
}

int main(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing;
    uint64_t cr4;

    if (boots[0] != MAGIC) {
        boots[0] = MAGIC;
        boots[1] = 0;
    }
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    say("boot", ++boots[1]);
    say_hex("cr4", cr4, 4);
    if (boots[1] == 4)
        return 0x10;
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 0x80));
    if (boots[1] == 3) /* by the keyboard controller's line instead */
        outb(0x92, 1);
    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
    return 1;
}
