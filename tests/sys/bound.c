/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BOUND and INTO (SDM volume 2), in 32-bit code; that 64-bit code has neither is in long.c. */
#include "lib/sys.h"

static void bound(const char *s, word index, uint32_t low, uint32_t high, const struct code *c)
{
    *(volatile uint32_t *)0x600000 = low;
    *(volatile uint32_t *)0x600004 = high;
    in.ax = index;
    try(s, c);
}

int main(void)
{
    const struct code *b32 = C32("bound eax, [edi]"), *b16 = C32(".byte 0x66; bound eax, [edi]");

    fresh();
    in.di = 0x600000;
    in.flags = F_ARITH | 2;
    bound("at the lower bound", 5, 5, 9, b32);
    bound("at the upper bound", 9, 5, 9, b32);
    bound("between", 7, 5, 9, b32);
    bound("below", 4, 5, 9, b32);
    bound("above", 10, 5, 9, b32);
    bound("signed, below", 0xfffffffe, 0xffffffff, 1, b32);
    bound("signed, in", 0, 0xffffffff, 1, b32);
    bound("signed, unsigned would be in", 0x80000000, 5, 0xffffffff, b32);
    bound("lower above upper", 7, 9, 5, b32);
    bound("16 bits, in", 0x12340007, 0x00090005, 0, b16);
    bound("16 bits, below", 0x12340004, 0x00090005, 0, b16);
    bound("16 bits, signed", 0x1234ffff, 0x0009fffe, 0, b16);
    bound("16 bits, above", 0x0000000a, 0x00090005, 0, b16);
    bound("16-bit address", 7, 5, 9, C32("xor edi, edi; .byte 0x67, 0x62, 0x05; mov edi, 0x600000"));
    try("register operand", C32(".byte 0x62, 0xc0; nop; nop; nop; nop"));
    try("locked", C32(".byte 0xf0, 0x62, 0x07"));
    ok_flags = true;
    bound("flags stay", 7, 5, 9, b32);
    ok_flags = false;
    /* INTO. */
    in.flags = 2;
    try("into without OF", C32("into; nop"));
    in.flags = F_OF | 2;
    try("into with OF", C32("nop; into; nop"));
    try("into locked", C32(".byte 0xf0; into"));
    in.flags = F_OF | F_TF | 2;
    try("into with TF", C32("into; nop"));
    in.flags = F_TF | 2;
    try("into without OF, with TF", C32("into; nop"));
    user();
    in.flags = F_OF | 2;
    try("into at CPL3", C32("into"));
    gate(V_OF, 0x8e, CODE, (word)stubs + V_OF * 16);
    try("into at CPL3, gate of DPL 0", C32("nop; into"));
    gate(V_OF, 0x6e, CODE, (word)stubs + V_OF * 16);
    try("into at CPL3, gate not present", C32("nop; into"));
    gates_reset();
    gate(V_BR, 0x8e, CODE, (word)stubs + V_BR * 16);
    in.di = 0x600000;
    in.flags = 2;
    bound("bound at CPL3, gate of DPL 0", 4, 5, 9, b32);
    gates_reset();
    /* Real mode: the fault's address, the trap's. */
    fresh_real();
    in.di = 0x100;
    in.ax = 7;
    *(volatile uint32_t *)(REAL_DATA + 0x100) = 0x00060005;
    try_real("real mode, bound", C16("nop; bound ax, [di]"));
    in.flags = F_OF | 2;
    try_real("real mode, into", C16("nop; into; nop"));
    in.flags = 2;
    in.di = 0xfffe;
    try_real("real mode, bound at fffeh", C16("bound ax, [di]"));
    /* Pages. */
    pt_on(2);
    fresh();
    pt_set(1, 0x601000, 0);
    in.di = 0x600ffc;
    *(volatile uint32_t *)0x600ffc = 5;
    in.ax = 4;
    try("upper bound not mapped", b32);
    in.di = 0x601000;
    try("lower bound not mapped", b32);
    in.di = 0x600ffe;
    try("lower bound over the page's end", b32);
    return 0;
}
