/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ENTER and LEAVE (SDM volume 2): nesting levels, operand and stack sizes, what is written, faults that leave the
 * registers alone. */
#include "lib/sys.h"

#if BITS == 64
#define C  C64
#define SP "rsp"
#define BP "rbp"
#else
#define C  C32
#define SP "esp"
#define BP "ebp"
#endif
#define STACK  0x700000UL
#define FRAMES 0x710000UL

/* Prints what lies on the stack from what was allocated to the old SP, in words of that size. */
static void one(const char *s, const struct code *c, unsigned size, unsigned allocated)
{
    memset((void *)(STACK - 0x400), 0, 0x400);
    try_(s, c);
    print(" [");
    for (word a = ev.r.sp + allocated; a < STACK && a >= STACK - 0x400; a += size) {
        uint64_t v = 0;
        memcpy(&v, (void *)a, size);
        print(a == ev.r.sp + allocated ? "" : " ");
        print_hex(v);
    }
    print("]");
    end();
}

static void begin(void)
{
    fresh();
    in.sp = STACK;
    in.bp = FRAMES;
    hidden = 0;
}

int main(void)
{
    /* Display entries below FRAMES. */
    for (unsigned i = 0; i < 0x100; i++)
        *(volatile uint8_t *)(FRAMES - 0x100 + i) = (uint8_t)i;
    begin();
    one("enter 0, 0", C("enter 0, 0"), sizeof(word), 0);
    one("enter 16, 0", C("enter 16, 0"), sizeof(word), 16);
    one("enter 0, 1", C("enter 0, 1"), sizeof(word), 0);
    one("enter 8, 2", C("enter 8, 2"), sizeof(word), 8);
    one("enter 8, 3", C("enter 8, 3"), sizeof(word), 8);
    one("enter 0, 31", C("enter 0, 31"), sizeof(word), 0);
    one("enter 8, 32 is level 0", C("enter 8, 32"), sizeof(word), 8);
    one("enter 8, 35 is level 3", C("enter 8, 35"), sizeof(word), 8);
    one("enter 0, 255 is level 31", C("enter 0, 255"), sizeof(word), 0);
    try("enter ffffh, 0", C("enter 0xffff, 0"));
    one("16 bits, enter 0, 0", C(".byte 0x66; enter 0, 0"), 2, 0);
    one("16 bits, enter 4, 3", C(".byte 0x66; enter 4, 3"), 2, 4);
    try("enter, leave", C("enter 16, 3; leave"));
    in.bp = STACK - 0x40;
    *(volatile word *)(STACK - 0x40) = 0x1234;
    in.ax = 0x5678;
    try("leave", C("mov [" BP "], eax; leave"));
    begin();
    in.bp = FRAMES - 0x20;
    try("leave, 16 bits", C(".byte 0x66; leave"));
    try("locked enter", C(".byte 0xf0; enter 0, 0"));
    try("locked leave", C(".byte 0xf0; leave"));
#if BITS == 32
    /* Stacks of 16 bits: the upper halves stay. */
    begin();
#define NARROW(text)                                                                                                   \
    C32("mov esi, esp; mov ss, ecx; mov esp, 0x12347000; mov ebp, 0x56787800; " text                                   \
        "; mov eax, esp; mov ss, edx; mov esp, esi")
    in.cx = DATA16;
    in.dx = DATA;
    hidden = 1 << 6;
    try("16-bit stack, enter 8, 0", NARROW("enter 8, 0"));
    try("16-bit stack, enter 8, 2", NARROW("enter 8, 2"));
    try("16-bit stack, 16 bits, enter 8, 2", NARROW(".byte 0x66; enter 8, 2"));
    *(volatile uint32_t *)0x7800UL = 0xaabbccdd;
    try("16-bit stack, leave", NARROW("leave"));
    try("16-bit stack, 16 bits, leave", NARROW(".byte 0x66; leave"));
    try("16-bit stack, enter wraps", NARROW("mov sp, 4; enter 8, 0"));
    hidden = 0;
    pt_on(2);
#endif
    /* Faults: BP and SP stay. A page below STACK is not there, or read only for the user. */
    user();
    in.sp = STACK;
    in.bp = FRAMES;
    word hole = STACK - 0x2000; /* not there */
#if BITS == 64
    pt_set(2, STACK, 0);
    for (word a = 0x600000; a < 0x800000; a += 4096)
        pt_set(1, a, a | PT_P | PT_W | PT_U | PT_A | PT_D);
#endif
    pt_set(1, hole, 0);
    in.sp = hole + 0x1000;
    try("push of BP not mapped", C("enter 0, 0"));
    in.sp = hole + 0x1000 + 2 * sizeof(word);
    try("display not mapped", C("enter 0, 4"));
    in.sp = hole + 0x1000 + 5 * sizeof(word);
    try("the end not mapped", C("enter 0x100, 1"));
    try("the end not mapped, level 0", C("enter 0x100, 0"));
    in.sp = hole + 0x1000 + 0x100 + sizeof(word);
    try("the end on the page's first byte", C("enter 0x100, 0"));
    in.sp = STACK;
    in.bp = hole + 0x1000;
    try("the old frame not mapped", C("enter 0, 2"));
    in.bp = hole + 8;
    try("leave, not mapped", C("leave"));
    pt_set(1, hole, hole | PT_P | PT_U | PT_A | PT_D);
    in.sp = hole + 0x1000 + sizeof(word);
    in.bp = FRAMES;
    try("the end read only", C("enter 0x10, 0"));
    try("the end read only, level 2", C("enter 0x10, 2"));
    return 0;
}
