/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accesses that lie in two pages: the address and error code of the fault, and that memory and registers are as before
 * it when it is the second page that faults (SDM volume 3, 6.5 and 4.7).
 */
#include "lib/sys.h"

#define A    0x200000000
#define B    0x200001000
#define C    0x200002000 /* read only */
#define NOPE 0x200003000

/* try(), then what is in the last bytes of page A. */
static void edge(const char *s, const struct code *code)
{
    volatile uint8_t *p = (volatile uint8_t *)B - 16;

    for (unsigned i = 0; i < 16; i++)
        p[i] = 0xa0 + i;
    try_(s, code);
    print(" |");
    for (unsigned i = 0; i < 16; i++) {
        print(" ");
        print_hex(p[i]);
    }
    end();
}

static void stores(void)
{
    in.di = B - 1;
    edge("mov 16", C64("mov [rdi], cx"));
    edge("mov 32", C64("mov [rdi - 2], ecx"));
    edge("mov 64", C64("mov [rdi - 6], rcx"));
    edge("movups", C64("movups [rdi - 14], xmm0"));
    edge("movq", C64("movq [rdi - 3], xmm0"));
    edge("fstp 80", C64("fld1; fstp tbyte ptr [rdi - 7]"));
    edge("fistp 64", C64("fld1; fistp qword ptr [rdi - 4]"));
    edge("add", C64("add [rdi - 1], ecx"));
    edge("lock add", C64("lock add [rdi - 1], ecx"));
    edge("xchg", C64("xchg [rdi - 2], rcx"));
    edge("cmpxchg that would fail", C64("cmpxchg [rdi - 2], ecx"));
    edge("cmpxchg8b", C64("cmpxchg8b [rdi - 3]"));
    edge("xadd", C64("xadd [rdi - 2], ecx"));
    edge("inc", C64("inc dword ptr [rdi - 2]"));
    edge("not", C64("not qword ptr [rdi - 2]"));
    edge("shl", C64("shl dword ptr [rdi - 2], 3"));
    edge("rcr", C64("rcr qword ptr [rdi - 2], 1"));
    edge("shrd", C64("shrd [rdi - 2], ecx, 3"));
    edge("bts", C64("bts dword ptr [rdi - 2], 3"));
    edge("movnti", C64("movnti [rdi - 2], ecx"));
    edge("movbe", C64("movbe [rdi - 2], ecx"));
    edge("push", C64("lea rsp, [rdi + 2]; push rcx"));
    edge("push 16", C64("lea rsp, [rdi + 2]; push cx"));
    edge("pop to memory", C64("pop [rdi - 2]"));
    edge("call", C64("lea rsp, [rdi + 2]; call 1f; 1: nop"));
    edge("stosq", C64("lea rdi, [rdi - 5]; stosq"));
    edge("rep stosb", C64("lea rdi, [rdi - 5]; mov ecx, 9; rep stosb"));
    edge("rep stosd", C64("lea rdi, [rdi - 5]; mov ecx, 9; rep stosd"));
    edge("rep stosq backwards", C64("lea rdi, [rdi - 3]; mov ecx, 9; std; rep stosq"));
    edge("rep movsb", C64("lea rsi, [rdi - 14]; lea rdi, [rdi - 3]; mov ecx, 9; rep movsb"));
    edge("rep movsw", C64("lea rsi, [rdi - 14]; lea rdi, [rdi - 4]; mov ecx, 9; rep movsw"));
}

static void loads(void)
{
    in.di = B - 1;
    edge("load 16", C64("mov ax, [rdi]"));
    edge("load 32", C64("mov eax, [rdi - 2]"));
    edge("load 64", C64("mov rax, [rdi - 6]"));
    edge("load movups", C64("movups xmm0, [rdi - 14]"));
    edge("load fld 80", C64("fld tbyte ptr [rdi - 7]"));
    edge("load add", C64("add rax, [rdi - 2]"));
    edge("load cmp", C64("cmp [rdi - 2], ecx"));
    edge("load bt", C64("bt dword ptr [rdi - 2], 3"));
    edge("load test", C64("test dword ptr [rdi - 2], 3"));
    edge("load imul", C64("imul ecx, [rdi - 2], 3"));
    edge("load push", C64("push [rdi - 2]"));
    edge("load pop", C64("lea rsp, [rdi - 2]; pop rcx"));
    edge("load ret", C64("lea rsp, [rdi - 2]; ret"));
    edge("load popfq", C64("lea rsp, [rdi - 2]; popfq"));
    edge("load leave", C64("lea rbp, [rdi - 2]; leave"));
    edge("load lodsq", C64("lea rsi, [rdi - 2]; lodsq"));
    edge("load scasd", C64("lea rdi, [rdi - 2]; scasd"));
    edge("load rep lodsb", C64("lea rsi, [rdi - 2]; mov ecx, 6; rep lodsb"));
    edge("load repne scasb", C64("lea rdi, [rdi - 2]; mov ecx, 6; mov al, 1; repne scasb"));
    edge("load repe cmpsb", C64("lea rsi, [rdi - 2]; lea rdi, [rdi - 2]; mov ecx, 6; repe cmpsb"));
    edge("load jmp", C64("jmp [rdi - 2]"));
    edge("load cmovc", C64("test eax, eax; cmovc rax, [rdi - 2]"));
    edge("load xlat", C64("mov rbx, rdi; mov eax, 1; xlatb"));
    edge("load enter", C64("lea rbp, [rdi + 3]; enter 8, 2"));
}

int main(void)
{
    page(A, RW);
    user();
    in.cx = 0x4444444444444444;
    hidden = 1 << 4 | 1 << 5;
    note("the second page is not mapped");
    stores();
    loads();
    /* The first page faults, and both. */
    note("the first page");
    page(B, RW);
    page(C, READ);
    memset((void *)B, 0xbb, 16);
    page(A, NONE);
    in.di = B - 2;
    try("first not mapped, mov 32", C64("mov [rdi], ecx"));
    try("first not mapped, load 32", C64("mov eax, [rdi]"));
    try("first not mapped, add", C64("add [rdi], eax"));
    try("first not mapped, push", C64("lea rsp, [rdi + 8]; push rcx"));
    say("first not mapped, then", *(volatile uint32_t *)B);
    page(B, NONE);
    try("both not mapped, mov 32", C64("mov [rdi], ecx"));
    try("both not mapped, load 32", C64("mov eax, [rdi]"));
    try("both not mapped, add", C64("add [rdi], eax"));
    try("both not mapped, movups", C64("movups [rdi], xmm0"));
    page(B, RW);
    page(A, RW);
    in.di = C - 2;
    try("second read only, mov 32", C64("mov [rdi], ecx"));
    try("second read only, add", C64("add [rdi], eax"));
    try("second read only, load 32", C64("mov eax, [rdi]"));
    say("second read only, then", *(volatile uint16_t *)(C - 2));
    in.di = 0x7ffffffffffd;
    try("into the hole, load 32", C64("mov eax, [rdi]"));
    try("into the hole, mov 32", C64("mov [rdi], eax"));
    return 0;
}
