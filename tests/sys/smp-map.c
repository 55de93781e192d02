/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that is always new, whose instructions lie across the ends of pages, on one processor, while the other one
 * changes the memory map (the 82441FX's PAM register 5Ah: C0000h from ROM or RAM).
 */
#include "smp.h"

/* A change for so many calls: emulators for which it is dear, and that free what was replaced later, come to the end
 * too. */
enum { PAGES = 64, ROUNDS = 2000, CALLS = 8 };
#define MEM 0x400000UL

static volatile bool stop SHARED;
static volatile uint32_t maps SHARED;
static volatile uint32_t calls SHARED;

static void map_changer(void)
{
    uint32_t seen = 0;

    while (!stop) {
        if (maps >= 2 && calls - seen < CALLS) {
            relax();
            continue;
        }
        seen = calls;
        outl(0xcf8, 0x80000058);
        outb(0xcfe, maps & 1 ? 0x33 : 0);
        maps++;
    }
}

static void caller(void)
{
    uint32_t bad = 0;

    while (maps < 2)
        relax();
    for (uint32_t r = 0; r < ROUNDS; r++) {
        for (uint32_t p = 0; p < PAGES; p++) {
            volatile uint8_t *at = (volatile uint8_t *)(MEM + p * 0x2000UL + 0xffe);

            /* mov $r + p, %eax; ret */
            at[0] = 0xb8;
            for (unsigned k = 0; k < 4; k++)
                at[1 + k] = (uint8_t)((r + p) >> 8 * k);
            at[5] = 0xc3;
            __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
            __asm__ volatile("invlpg (%0)" : : "r"(at + 8) : "memory");
            bad += ((uint32_t(*)(void))(word)at)() != r + p;
            calls++;
        }
    }
    stop = true;
    say("wrong", bad);
}

int main(void)
{
    smp_start();
    both(caller, map_changer);
    return 0;
}
