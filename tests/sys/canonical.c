/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that are not canonical (SDM volume 1, 3.3.7.1; volume 3, 5.3.1): loads and stores at both edges, #SS by the
 * stack, branches, RET, IRET, what crosses the edge, bases of descriptor tables and descriptors. 48 bits: no CR4.LA57.
 */
#include "lib/sys.h"

#define LOW  0x0000800000000000UL /* the first that is not */
#define HIGH 0xffff800000000000UL /* the first that is again */

static void data(void)
{
    static const struct {
        const char *name;
        word at;
    } at[] = {{"low edge", LOW},
              {"middle", 0x8000000000000000},
              {"bit 63 alone", 0x8000000000001000},
              {"high edge", HIGH - 8}};
    static char text[80];

    for (unsigned i = 0; i < 4; i++) {
        struct {
            const char *name;
            const struct code *c;
        } cases[] = {{"load", C64("mov eax, [rdi]")},
                     {"store", C64("mov [rdi], eax")},
                     {"rmw", C64("add [rdi], eax")},
                     {"lock rmw", C64("lock xadd [rdi], eax")},
                     {"push of memory", C64("push qword ptr [rdi]")},
                     {"pop to memory", C64("push rax; pop qword ptr [rdi]")},
                     {"by rsp", C64("mov rsp, rdi; mov eax, [rsp]")},
                     {"by rbp", C64("mov rbp, rdi; mov eax, [rbp]")},
                     {"by rbp and ds", C64("mov rbp, rdi; mov eax, ds:[rbp]")},
                     {"by rbx and ss", C64("mov rbx, rdi; mov eax, ss:[rbx]")},
                     {"by r12", C64("mov r12, rdi; mov eax, [r12]")},
                     {"by r13", C64("mov r13, rdi; mov eax, [r13]")},
                     {"push", C64("lea rsp, [rdi + 8]; push rax")},
                     {"pop", C64("mov rsp, rdi; pop rax")},
                     {"pushfq", C64("lea rsp, [rdi + 8]; pushfq")},
                     {"call", C64("lea rsp, [rdi + 8]; call 1f; 1: nop")},
                     {"ret, stack", C64("mov rsp, rdi; ret")},
                     {"enter", C64("lea rsp, [rdi + 8]; enter 0, 0")},
                     {"leave", C64("mov rbp, rdi; leave")},
                     {"iretq, stack", C64("mov rsp, rdi; iretq")},
                     {"lodsb", C64("mov rsi, rdi; lodsb")},
                     {"stosb", C64("stosb")},
                     {"movsb to", C64("mov esi, 0x300000; movsb")},
                     {"movsb from", C64("mov rsi, rdi; mov edi, 0x300000; movsb")},
                     {"rep stosb of none", C64("xor ecx, ecx; rep stosb")},
                     {"jmp through memory", C64("jmp [rdi]")},
                     {"call through memory", C64("call [rdi]")},
                     {"fxsave", C64("mov rsi, -16; and rdi, rsi; fxsave [rdi]")},
                     {"movaps", C64("mov rsi, -16; and rdi, rsi; movaps xmm0, [rdi]")},
                     {"fld", C64("fld qword ptr [rdi]")},
                     {"lgdt from", C64("lgdt [rdi]")},
                     {"cmpxchg16b", C64("mov rsi, -16; and rdi, rsi; cmpxchg16b [rdi]")},
                     {"invlpg", C64("invlpg [rdi]")},
                     {"clflush", C64("clflush [rdi]")},
                     {"prefetch", C64("prefetcht0 [rdi]")},
                     {"lea", C64("lea rax, [rdi]; xor eax, eax")},
                     {"nop of memory", C64("nop dword ptr [rdi]")},
                     {"by gs", C64("mov eax, gs:[rdi]")}};
        for (unsigned j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
            unsigned n = 0;
            for (const char *p = cases[j].name; *p; p++)
                text[n++] = *p;
            text[n++] = ',';
            text[n++] = ' ';
            for (const char *p = at[i].name; *p; p++)
                text[n++] = *p;
            text[n] = 0;
            fresh();
            hidden = 0xffff;
            in.di = at[i].at;
            try(text, cases[j].c);
        }
    }
}

/* Over the edge: the last bytes before it are mapped. */
static void crossing(void)
{
    page(LOW - 0x1000, RWX);
    page(HIGH, RWX);
    fresh();
    hidden = 0xffff;
    in.di = LOW - 4;
    try("load of 4 before the edge", C64("mov eax, [rdi]"));
    try("load of 8 over the edge", C64("mov rax, [rdi]"));
    try("store of 8 over the edge", C64("mov [rdi], rax"));
    say("and what was written", *(volatile uint32_t *)(LOW - 4));
    try("movups over the edge", C64("movups xmm0, [rdi]"));
    try("pop over the edge", C64("mov rsp, rdi; pop rax"));
    try("rep stosd over the edge", C64("mov ecx, 2; xor eax, eax; rep stosd"));
    in.di = HIGH - 4;
    try("load of 8 over the upper edge", C64("mov rax, [rdi]"));
    try("push over the upper edge", C64("lea rsp, [rdi + 8]; push rax"));
    in.di = HIGH;
    try("load at the upper edge", C64("mov rax, [rdi]"));
    in.di = 0xfffffffffffffffc;
    try("load of 8 over the top", C64("mov rax, [rdi]"));
    in.di = LOW - 0x1000;
    in.bx = 0x1000;
    try("the sum of base and index", C64("mov eax, [rdi + rbx]"));
    in.bx = ~0UL;
    in.di = LOW;
    try("the sum of base and index comes back", C64("mov al, [rdi + rbx]"));
    in.bx = 0x10;
    in.di = LOW >> 3;
    try("a scaled index", C64("mov al, [rdi * 8]"));
    wrmsr(0xc0000101, LOW - 0x1000);
    in.di = 0x1000;
    try("gs base and offset", C64("mov al, gs:[rdi]"));
    in.di = 0xffc;
    try("gs base and offset, before the edge", C64("mov eax, gs:[rdi]"));
    wrmsr(0xc0000101, 0);
    /* 32-bit addresses never are. */
    in.di = 0x8000000000300000;
    try("a 32-bit address size", C64("mov eax, [edi]"));
}

static void branches(void)
{
    fresh();
    hidden = 0xffff & ~0x10u;
    in.di = LOW;
    try("jmp", C64("jmp rdi"));
    try("call", C64("call rdi"));
    try("ret", C64("push rdi; ret"));
    try("ret 16", C64("push rdi; ret 16"));
    try("retfq", C64("push 8; push rdi; retfq"));
    in.ax = (word)C64("nop")->start;
    try("iretq", C64("mov rax, rsp; push 0x10; push rax; push 2; push 8; push rdi; iretq"));
    try("iretq to CPL3", C64("mov rax, rsp; push 0x23; push rax; push 2; push 0x2b; push rdi; iretq"));
    hidden = 0xffff;
    try("iretq, rsp not canonical",
        C64("push 0x10; push rdi; push 2; push 8; lea rax, [rip + 1f]; push rax; iretq; 1: nop; mov rax, [rsp]"));
    hidden = 0xffff & ~0x10u;
    in.di = HIGH - 1;
    try("jmp, below the upper edge", C64("jmp rdi"));
    in.di = 0x8000000000000000;
    try("jmp, middle", C64("jmp rdi"));
    /* Far pointers in memory. */
    static struct {
        word at;
        uint16_t sel;
    } __attribute__((packed)) far = {LOW, CODE};
    in.bx = (word)&far;
    try("jmp far", C64("rex.w jmp fword ptr [rbx]"));
    try("call far", C64("rex.w call fword ptr [rbx]"));
    /* Code that runs over the edge. */
    volatile uint8_t *p = (uint8_t *)LOW - 4;
    p[0] = p[1] = p[2] = p[3] = 0x90;
    in.di = LOW - 4;
    try("nops over the edge", C64("jmp rdi"));
    p[2] = 0xeb;
    p[3] = 0x10;
    try("short jmp over the edge", C64("jmp rdi"));
    p[2] = 0x90;
    p[3] = 0xb8; /* mov eax, imm32, the immediate behind the edge */
    try("instruction over the edge", C64("jmp rdi"));
}

/* The error code is not told by the manuals. */
static void refused(const char *s, const struct code *c)
{
    in.ip = (word)c->start;
    run_case();
    name(s);
    print(" ");
    print_vector(ev.vector);
    end();
}

static void bases(void)
{
    static struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) table = {0xfff, 0xfe00000000000000}; /* wider than 57 bits as well */

    fresh();
    hidden = 0xffff;
    in.ax = 0;
    in.dx = 0xfe000000;
    in.cx = 0xc0000100;
    try("wrmsr fs base", C64("wrmsr"));
    in.cx = 0xc0000101;
    try("wrmsr gs base", C64("wrmsr"));
    in.cx = 0xc0000102;
    try("wrmsr kernel gs base", C64("wrmsr"));
    in.cx = 0xc0000082;
    try("wrmsr lstar", C64("wrmsr"));
    in.cx = 0xc0000083;
    try("wrmsr cstar", C64("wrmsr"));
    in.cx = 0x175;
    try("wrmsr sysenter esp", C64("wrmsr"));
    in.cx = 0x176;
    try("wrmsr sysenter eip", C64("wrmsr"));
    /* Breakpoint registers take any. */
    in.ax = 0x8000000000000000;
    try("dr0", C64("mov dr0, rax; xor eax, eax; mov dr0, rax"));
    try("cr2", C64("mov cr2, rax"));
    segment(FREE_SEL, 0, 0xfff, 0x82, 0);
    gdt[(FREE_SEL >> 3) + 1] = 0xfe000000;
    in.ax = FREE_SEL;
    refused("lldt", C64("lldt ax"));
    segment(FREE_SEL, 0, 0xfff, 0x89, 0);
    refused("ltr", C64("ltr ax"));
    say("type of the TSS", gdt[FREE_SEL >> 3] >> 40 & 0xff);
    load_tables();
    in.di = (word)&table;
    try("lidt", C64("lidt [rdi]"));
    load_tables();
    try("lgdt", C64("lgdt [rdi]"));
}

int main(void)
{
    data();
    crossing();
    branches();
    bases();
    return 0;
}
