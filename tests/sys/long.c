/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 64-bit and compatibility mode as such (SDM volume 1, 3.6, volume 2, 2.2.1): opcodes that one of them has not, default
 * sizes, upper halves, segments, and the ways between them.
 */
#include "lib/sys.h"

static void invalid(void)
{
    static const struct {
        const char *name;
        uint8_t bytes[8];
    } ops[] = {{"push es", {0x06}},
               {"pop es", {0x07}},
               {"push cs", {0x0e}},
               {"push ss", {0x16}},
               {"pop ss", {0x17}},
               {"push ds", {0x1e}},
               {"pop ds", {0x1f}},
               {"daa", {0x27}},
               {"das", {0x2f}},
               {"aaa", {0x37}},
               {"aas", {0x3f}},
               {"pusha", {0x60}},
               {"popa", {0x61}},
               {"82h", {0x82, 0xc0, 0x01}},
               {"call far", {0x9a, 0, 0, 0, 0, 8, 0}},
               {"into", {0xce}},
               {"aam", {0xd4, 0x0a}},
               {"aad", {0xd5, 0x0a}},
               {"salc", {0xd6}},
               {"jmp far", {0xea, 0, 0, 0, 0, 8, 0}},
               {"les", {0xc4, 0x07, 0, 0}},
               {"lds", {0xc5, 0x07, 0, 0}},
               {"bound", {0x62, 0x07, 0, 0}}};

    fresh();
    hidden = 0xffff;
    in.di = 0x600000;
    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        volatile uint8_t *p = (uint8_t *)0x500000UL;

        for (unsigned j = 0; j < 8; j++)
            p[j] = ops[i].bytes[j];
        in.ip = 0x500000;
        run_case();
        name(ops[i].name);
        print(" ");
        print_vector(ev.vector);
        field("at", ev.r.ip - 0x500000);
        end();
    }
}

#define AX 0x1122334455667788

static void sizes(void)
{
    fresh();
    hidden = 0;
    in.ax = AX;
    in.cx = 0xffffffff00000002;
    in.di = 0x600000;
    try("write of 32 bits", C64("mov eax, eax"));
    try("write of 16 bits", C64("mov ax, cx"));
    try("write of 8 bits", C64("mov ah, cl"));
    try("90h is nothing", C64(".byte 0x90"));
    try("87h of eax", C64(".byte 0x87, 0xc0"));
    try("cmov that does not move", C64("cmp eax, eax; cmovne eax, ecx"));
    try("shl by 0", C64("shl eax, 32"));
    try("shl by 33 of 64 bits", C64("shl rax, 33"));
    try("push and pop", C64("push rax; pop rdx"));
    try("push of 16 bits", C64("push ax"));
    try("push of an immediate", C64("push -2; pop rax"));
    try("push of fs", C64("push fs"));
    try("rex.w before 66h is lost", C64(".byte 0x48, 0x66, 0xb8, 0x34, 0x12"));
    hidden = 1 << 4;
    try("rex makes spl", C64(".byte 0x40, 0x88, 0xe0; xor al, al"));
    hidden = 0;
    try("mov of 64 bits", C64("mov rdx, 0x8877665544332211"));
    try("movsxd", C64("mov ecx, 0x80000000; movsxd rdx, ecx"));
    try("loop counts in rcx", C64("1: loop 2f; nop; 2: nop"));
    try("loop with 67h counts in ecx", C64(".byte 0x67; loop 1f; 1: nop"));
    try("jecxz with 67h", C64("mov ecx, 0; .byte 0x67; jrcxz 1f; mov edx, 1; 1: nop"));
    try("rep with 67h", C64(".byte 0x67; rep stosb"));
    in.cx = 0x100000000;
    try("rep with 67h, no count in ecx", C64(".byte 0x67; rep stosb"));
    in.cx = 2;
    in.di = 0xffffffff00600000;
    try("67h cuts addresses", C64("mov byte ptr [edi], 1"));
    in.di = 0x600000;
    try("bases of es and ds are 0", C64("mov byte ptr es:[rdi], 1"));
    try("mov from cr is of 64 bits", C64("mov rax, 0x1122334455667788; mov rdx, cr2; xor edx, edx"));
    try("inc by 40h is a prefix", C64(".byte 0x40, 0x40, 0x90"));
}

static void compatibility(void)
{
    fresh();
    in.cs = CODE32;
    in.sp = 0x700000;
    in.di = 0x600000;
    for (unsigned i = 0; i < 16; i++)
        ((word *)&in)[i] = (uint32_t)((word *)&in)[i];
    try("compatibility, inc and dec", C32("inc eax; dec ecx"));
    try("compatibility, push es, pop ds", C32("push es; pop ds"));
    try("compatibility, daa", C32("mov eax, 0x1b; daa"));
    try("compatibility, pusha, popa", C32("pusha; popa"));
    try("compatibility, push is of 32 bits", C32("push eax"));
    try("compatibility, push of 16 bits", C32("push ax"));
    try("compatibility, call", C32("call 1f; 1: pop eax; xor eax, eax"));
    try("compatibility, aam", C32("mov eax, 0x63; aam"));
    try("compatibility, into", C32("xor eax, eax; into"));
    try("compatibility, les", C32("mov dword ptr [edi], 0x1234; mov dword ptr [edi + 4], 0x10; les eax, [edi]"));
    try("compatibility, swapgs", C32(".byte 0x0f, 0x01, 0xf8"));
    try("compatibility, rdfsbase", C32(".byte 0xf3, 0x0f, 0xae, 0xc0"));
    try("compatibility, arpl", C32("xor eax, eax; mov ecx, 3; arpl ax, cx"));
    try("compatibility, addresses wrap",
        C32("mov ebx, 0xffffff00; mov byte ptr [ebx + edi + 0x100], 7; movzx eax, byte ptr [edi]"));
    try("compatibility, enter and leave", C32("enter 8, 0; leave"));
    try("compatibility, mov from cr4", C32("mov eax, cr4; and eax, 0x20"));
    hidden = 1;
    try("compatibility, lgdt of 6 bytes", C32("sgdt [edi]; lgdt [edi]; mov eax, [edi + 6]"));
    hidden = 0;
    /* Segments count. */
    segment(FREE_SEL, 0x600000, 0xff, 0x93, 4);
    try("compatibility, base", C32("mov eax, 0xa0; mov ds, eax; mov dword ptr [0x10], 0x55; mov eax, es:[0x600010]"));
    segment(FREE_SEL, 0x680000, 0xfffff, 0x93, 0xc);
    try("compatibility, base and offset wrap",
        C32("mov eax, 0xa0; mov fs, eax; mov dword ptr es:[0x600000], 0x66; mov eax, fs:[0xfff80000]"));
    segment(FREE_SEL, 0x600000, 0xff, 0x93, 4);
    try("compatibility, limit", C32("mov eax, 0xa0; mov ds, eax; mov eax, [0xfd]"));
    try("compatibility, null ds", C32("xor eax, eax; mov ds, eax; mov eax, [edi]"));
    try("compatibility, mov ss of null", C32("xor eax, eax; mov ss, eax"));
    try("compatibility, cs is not for writing", C32("mov cs:[edi], eax"));
    /* 16 bits. */
    segment(FREE_SEL + 8, 0x500000, 0xffff, 0x9b, 0);
    in.cs = FREE_SEL + 8;
    const struct code *c = C16("push ax; mov eax, 0x12345678; inc ax");
    memcpy((void *)0x500000, c->start, c->end - c->start + 2);
    in.ip = 0;
    name("compatibility of 16 bits");
    run_case();
    outcome(0, c);
    end();
    fresh();
    /* From here to there. */
    hidden = 1 << 4 | 1;
    try("retf to compatibility mode",
        C64("push 0x38; lea rax, [rip + 1f]; push rax; retfq; 1: .code32; mov ecx, 5; .code64"));
    try("iretq to compatibility mode",
        C64("mov rax, rsp; push 0x10; push rax; push 2; push 0x38; lea rax, [rip + 1f]; push rax; iretq; "
            "1: .code32; inc ecx; .code64"));
    in.cs = CODE32;
    try("jmp far to 64-bit mode", C32("mov eax, [esp]; push 8; call 1f; 1: add dword ptr [esp], 8; retf; nop; nop; "
                                      "nop; nop; nop; nop; .code64; mov "
                                      "rdx, 0x1122334455667788; .code32"));
    fresh();
    in.cs = CODE32;
    in.sp = 0x700000;
    in.di = 0x8000000000000000;
    hidden = 1 << 7;
    try("an exception comes with 64 bits of frame", C32("int3"));
    say("its frame", in.sp == ev.r.sp);
    /* Both L and D. */
    fresh();
    segment(FREE_SEL, 0, 0xfffff, 0x9b, 0xe);
    hidden = 1 << 4;
    try("to a segment of L and D", C64("push 0xa0; push 0; retfq"));
}

int main(void)
{
    invalid();
    sizes();
    compatibility();
    return 0;
}
