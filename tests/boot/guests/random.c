/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random code, for ever: pages of random bytes, biased towards what decodes, are jumped into at CPL 0 and CPL 3; every
 * exception starts the next round. It may do anything to the machine but must not bring the emulator down. Whoever runs
 * it resets it now and then.
 */
#include "guest.h"

enum { CODE = 0x200000, SIZE = 0x4000, STACK = 0x6e000 };
static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dULL;
}

static void fill(void)
{
    /* First bytes of much that is worth a try. */
    static const uint8_t likely[] = {0x0f, 0x66, 0xf2, 0xf3, 0xf0, 0x48, 0x4c, 0x41, 0xc4, 0xc5, 0x62, 0xd8,
                                     0xd9, 0xdb, 0xdd, 0xdf, 0x0f, 0x0f, 0x65, 0x64, 0x67, 0xa4, 0xa5, 0xaa,
                                     0xab, 0xae, 0x8b, 0x89, 0x01, 0x03, 0xff, 0xf7, 0xc1, 0xd3, 0x50, 0x58,
                                     0xe8, 0xc3, 0xcf, 0xca, 0x9d, 0x9c, 0x8e, 0x8c, 0xcd, 0xcc, 0xe6, 0xee,
                                     0xec, 0x6c, 0x6e, 0x74, 0x75, 0xeb, 0xc9, 0x87, 0x86, 0xb0};
    volatile uint8_t *p = (uint8_t *)(uintptr_t)CODE;

    for (unsigned i = 0; i < SIZE; i++) {
        uint64_t r = next();

        p[i] = r & 3 ? (uint8_t)(r >> 8) : likely[(r >> 16) % sizeof(likely)];
    }
}

static void leap(void)
{
    uint64_t r = next();
    void (*fn)(void) = (void (*)(void))(CODE + (r >> 8) % (SIZE - 64));

    if (r & 64)
        fill();
    /* Registers that point somewhere. */
    if (r & 1)
        enter_user(fn, STACK);
    __asm__ volatile("mov %0, %%rsp; mov %1, %%rsi; mov %1, %%rdi; mov %2, %%rbx; mov %3, %%rcx; jmp *%4"
                     :
                     : "r"((uint64_t)STACK), "r"((uint64_t)CODE + 0x1000), "r"((uint64_t)0xb8000), "r"(r & 31), "r"(fn)
                     : "memory", "rbx", "rcx", "rsi", "rdi");
}

void ap_main(unsigned n)
{
}

void interrupt(struct frame *f)
{
    leap();
}

int main(void)
{
    uint64_t cr4;

    state = rdtsc() | 1;
    __asm__ volatile("mov %%cr4, %0; or $0x40000, %0; mov %0, %%cr4" : "=r"(cr4));
    __asm__ volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
    print("random\n");
    fill();
    leap();
    return 0;
}
