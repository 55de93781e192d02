/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments of 32-bit code: limits, granularity, expand-down, types, null selectors, 16-bit stacks and code, what
 * loading checks and marks (SDM volume 3, 3.4 and chapter 5). CPL0 unless said.
 */
#include "lib/sys.h"

#define SEG FREE_SEL
#define MEM 0x300000

static void data(const char *s, uint32_t limit, unsigned access, unsigned flags, const struct code *c)
{
    segment(SEG, MEM, limit, access, flags);
    try(s, c);
}

static void limits(void)
{
    in.es = SEG;
    in.bx = 0xfff;
    segment(SEG, MEM, 0xfff, 0x92, 4);
    try("byte at the limit", C32("mov al, es:[ebx]"));
    try("byte beyond", C32("mov al, es:[ebx + 1]"));
    try("word at the limit", C32("mov ax, es:[ebx]"));
    try("word below", C32("mov ax, es:[ebx - 1]"));
    try("dword over the limit", C32("mov eax, es:[ebx - 2]"));
    try("dword written over the limit", C32("mov es:[ebx - 2], eax"));
    try("8 bytes over", C32("fld qword ptr es:[ebx - 6]"));
    try("16 bytes over", C32("movups xmm0, es:[ebx - 14]"));
    try("16 bytes below", C32("movups xmm0, es:[ebx - 15]"));
    try("rmw beyond", C32("add dword ptr es:[ebx], 1"));
    try("negative", C32("mov al, es:[ebx - 0x1000]"));
    try("wrap at 4 GiB", C32("mov eax, -1; mov ax, es:[eax]"));
    try("stosd over the limit", C32("mov edi, 0xffd; stosd"));
    in.cx = 8;
    try("rep stosb over the limit", C32("mov edi, 0xffc; rep stosb"));
    try("rep stosd over the limit", C32("mov edi, 0xff4; rep stosd"));
    try("rep stosd backwards into it", C32("mov edi, 0x1000; std; rep stosd"));
    try("sgdt over the limit", C32("sgdt es:[ebx - 4]"));
    try("cmpxchg8b over the limit", C32("cmpxchg8b es:[ebx - 6]"));
    try("bts far beyond", C32("mov eax, 0x8000; bts es:[ebx - 0xfff], eax"));
    try("lea does not check", C32("lea eax, es:[ebx + 1]"));
    try("bound over the limit", C32("bound eax, es:[ebx - 6]"));
    segment(SEG, MEM, 0, 0x92, 4);
    try("limit 0, first byte", C32("mov al, es:[0]"));
    try("limit 0, second byte", C32("mov al, es:[1]"));
    segment(SEG, MEM, 1, 0x92, 0xc);
    try("limit 1, G, at 1fffh", C32("mov al, es:[0x1fff]"));
    try("limit 1, G, at 2000h", C32("mov al, es:[0x2000]"));
    segment(SEG, 0xffffff00, 0xfffff, 0x92, 0xc);
    try("base wraps", C32("mov al, es:[0x300100]"));
    /* Expand-down: the offsets above the limit. */
    segment(SEG, MEM, 0xfff, 0x96, 4);
    try("expand-down, at the limit", C32("mov al, es:[0xfff]"));
    try("expand-down, above", C32("mov al, es:[0x1000]"));
    try("expand-down, word at the limit", C32("mov ax, es:[0xfff]"));
    try("expand-down, far above", C32("mov al, es:[0x20000]"));
    try("expand-down, last dword", C32("mov eax, es:[0xfffffffc]"));
    try("expand-down, over the top", C32("mov eax, es:[0xfffffffd]"));
    segment(SEG, MEM, 0xfff, 0x96, 0);
    try("expand-down, B 0, at ffffh", C32("mov al, es:[0xffff]"));
    try("expand-down, B 0, over ffffh", C32("mov ax, es:[0xffff]"));
    try("expand-down, B 0, at 10000h", C32("mov al, es:[0x10000]"));
    try("expand-down, B 0, at the limit", C32("mov al, es:[0xfff]"));
    segment(SEG, MEM, 1, 0x96, 0xc);
    try("expand-down, G, at 1fffh", C32("mov al, es:[0x1fff]"));
    try("expand-down, G, at 2000h", C32("mov al, es:[0x2000]"));
}

static void types(void)
{
    in.es = SEG;
    data("read only, read", 0xfff, 0x90, 4, C32("mov al, es:[0]"));
    data("read only, write", 0xfff, 0x90, 4, C32("mov es:[0], al"));
    data("read only, rmw", 0xfff, 0x90, 4, C32("add es:[0], al"));
    data("read only, write beyond", 0xfff, 0x90, 4, C32("mov es:[0x1000], al"));
    data("code, read", 0xfff, 0x9a, 4, C32("mov al, es:[0]"));
    data("code, write", 0xfff, 0x9a, 4, C32("mov es:[0], al"));
    data("conforming code, read", 0xfff, 0x9e, 4, C32("mov al, es:[0]"));
    in.es = DATA;
    try("cs, read", C32("mov al, cs:[0x300000]"));
    try("cs, write", C32("mov cs:[0x300000], al"));
    segment(SEG, 0, 0xfffff, 0x98, 0xc);
    in.bx = SEG;
    try("execute only, loaded", C32("mov es, ebx"));
    in.ax = (word)C32("nop")->start;
    const struct code *far = C32("mov al, cs:[0x300000]");
    in.ax = (word)far->start;
    name("execute only, read through cs");
    in.ip = (word)C32("push 0xa0; push eax; retf")->start;
    run_case();
    outcome((word)far->start, far);
    end();
    in.es = 0;
    try("null, read", C32("mov al, es:[0x300000]"));
    try("null, write", C32("mov es:[0x300000], al"));
    try("null, movsb to it", C32("mov edi, 0x300000; mov esi, 0x300000; movsb"));
    try("null, not used", C32("mov al, [0x300000]; xor eax, eax"));
    in.es = 3;
    try("null 3", C32("mov al, es:[0x300000]"));
    in.es = DATA;
}

static void loads(void)
{
    in.bx = SEG;
    segment(SEG, MEM, 0xfff, 0x12, 4);
    try("ds not present", C32("mov ds, ebx"));
    try("ss not present", C32("mov ss, ebx"));
    segment(SEG, MEM, 0xfff, 0x90, 4);
    try("ss read only", C32("mov ss, ebx"));
    segment(SEG, MEM, 0xfff, 0x9a, 4);
    try("ss code", C32("mov ss, ebx"));
    segment(SEG, MEM, 0xfff, 0xb2, 4);
    try("ss of DPL 1", C32("mov ss, ebx"));
    try("ds of DPL 1", C32("mov ds, ebx"));
    in.bx = SEG | 1;
    try("ss of RPL 1", C32("mov ss, ebx"));
    in.bx = SEG | 3;
    try("ds of DPL 1, RPL 3", C32("mov ds, ebx"));
    in.bx = 0;
    try("ss null", C32("mov ss, ebx"));
    try("ds null", C32("mov ds, ebx"));
    in.bx = 0xfff8;
    try("ds beyond the GDT", C32("mov ds, ebx"));
    try("ss beyond the GDT", C32("mov ss, ebx"));
    in.bx = 0xc;
    try("ds in no LDT", C32("mov ds, ebx"));
    in.bx = TSS;
    try("ds of a TSS", C32("mov ds, ebx"));
    /* The accessed bit. */
    in.bx = SEG;
    segment(SEG, MEM, 0xfff, 0x92, 4);
    try("ds", C32("mov ds, ebx"));
    say("access byte of ds", gdt[SEG >> 3] >> 40 & 0xff);
    segment(SEG, MEM, 0xfff, 0x92, 4);
    try("lfs", C32("mov dword ptr [0x300000], 0x12345678; mov word ptr [0x300004], bx; lfs esi, [0x300000]"));
    say("access byte of fs", gdt[SEG >> 3] >> 40 & 0xff);
    try("lds, not present", C32("and byte ptr [0x300004], 0; mov word ptr [0x300004], 0xfff8; lds esi, [0x300000]"));
    try("pop ds", C32("push ebx; pop ds"));
    try("pop gs of a bad one", C32("push 0xfff8; pop gs"));
    try("pop ss", C32("push 0x10; pop ss; nop"));
    segment(SEG, 0, 0xfffff, 0x9a, 0xc);
    try("far jump", C32("push ebx; push offset 1f; retf; 1: nop"));
    say("access byte of cs", gdt[SEG >> 3] >> 40 & 0xff);
    user();
    in.bx = SEG;
    segment(SEG, MEM, 0xfff, 0xd2, 4);
    try("CPL3, ds of DPL 2", C32("mov ds, ebx"));
    segment(SEG, MEM, 0xfff, 0xf2, 4);
    try("CPL3, ss of RPL 0", C32("mov ss, ebx"));
    in.bx = SEG | 3;
    try("CPL3, ss", C32("mov ss, ebx"));
    segment(SEG, MEM, 0xfff, 0x9e, 4);
    try("CPL3, ds of conforming code", C32("mov ds, ebx"));
    in.bx = 0;
    try("CPL3, ss null", C32("mov ss, ebx"));
    fresh();
}

static void stacks(void)
{
    /* B 0: SP counts, ESP's upper half stays. The stack segment is flat, the case switches to it; UD2 needs it to be
     * so. */
    segment(SEG, 0, 0xffff, 0x92, 0);
    in.bx = SEG;
    try("16-bit stack, push", C32("mov eax, esp; mov ss, ebx; mov esp, 0x12341000; push eax; mov ecx, esp; mov edx, "
                                  "0x10; mov ss, edx; mov esp, eax; xor eax, eax"));
    try("16-bit stack, push wraps", C32("mov eax, esp; mov ss, ebx; mov esp, 0x12340000; push eax; mov ecx, esp; mov "
                                        "edx, 0x10; mov ss, edx; mov esp, eax; "
                                        "xor eax, eax"));
    try("16-bit stack, pop wraps", C32("mov eax, esp; mov ss, ebx; mov esp, 0x1234fffc; pop esi; mov ecx, esp; mov "
                                       "edx, 0x10; mov ss, edx; mov esp, eax; "
                                       "xor eax, eax; xor esi, esi"));
    try("16-bit stack, call and ret", C32("mov eax, esp; mov ss, ebx; mov esp, 0x12341000; call 1f; mov ecx, esp; mov "
                                          "edx, 0x10; mov ss, edx; mov esp, eax; "
                                          "xor eax, eax; jmp 2f; 1: mov ebp, esp; ret; 2: nop"));
    try("16-bit stack, enter and leave",
        C32("mov eax, esp; mov ss, ebx; mov esp, 0x12341000; mov ebp, 0xabcd2000; enter 0x10, 0; mov edi, ebp; mov "
            "esi, esp; "
            "leave; mov ecx, esp; mov edx, 0x10; mov ss, edx; mov esp, eax; xor eax, eax"));
    try("16-bit stack, pusha and popa", C32("mov eax, esp; mov ss, ebx; mov esp, 0x12341000; pusha; mov esi, esp; "
                                            "popa; mov ecx, esp; mov edx, 0x10; mov ss, edx; "
                                            "mov esp, eax; xor eax, eax"));
    /* Limits of stacks at CPL3, whose exceptions come on another stack. */
    user();
    segment(SEG, MEM, 0xfff, 0xf2, 4);
    in.ss = SEG | 3;
    in.sp = 0x1000;
    try("stack, push below the top", C32("push eax"));
    in.sp = 2;
    try("stack, push at 2", C32("push eax"));
    try("stack, push 16 at 2", C32("push ax"));
    try("stack, pop at 2", C32("pop eax; xor eax, eax"));
    in.sp = 0xffd;
    try("stack, pop over the limit", C32("pop eax"));
    in.sp = 0x1000;
    try("stack, pop beyond", C32("pop eax"));
    try("stack, ret beyond", C32("ret"));
    try("stack, iret beyond", C32("iretd"));
    try("stack, popa beyond", C32("popa"));
    try("stack, leave beyond", C32("mov ebp, 0x2000; leave"));
    try("stack, read by ebp beyond", C32("mov ebp, 0x2000; mov eax, [ebp]"));
    try("stack, read by esp beyond", C32("mov eax, [esp]"));
    try("stack, read by ds of ebp beyond", C32("mov ebp, 0x300000; mov eax, ds:[ebp]; xor eax, eax"));
    try("stack, enter to below 0", C32("mov esp, 8; enter 0x100, 0"));
    try("stack, enter nested", C32("mov ebp, 0x800; enter 0x10, 3; mov esp, 0x1000"));
    in.sp = 0;
    try("stack, call at 0", C32("call 1f; 1: nop"));
    try("stack, pusha at 16", C32("mov esp, 16; pusha"));
    segment(SEG, MEM, 0xfff, 0xf6, 4);
    in.sp = 0x1004;
    try("expand-down stack, push", C32("push eax"));
    in.sp = 0x1003;
    try("expand-down stack, push to the limit", C32("push eax"));
    fresh();
}

static void code(void)
{
    const struct code *c = C32("nop; nop; mov eax, 0x12345678; nop");

    /* A code segment that ends in the middle. */
    for (unsigned i = 0; i < 5; i++) {
        static const char *const names[] = {"limit behind nop", "limit in mov", "limit before mov's last byte",
                                            "limit behind mov", "jump beyond the limit"};
        static const unsigned limits[] = {1, 3, 5, 6, 1};
        const struct code *enter = i < 4 ? C32("push 0xa0; push 0; retf") : C32("push 0xa0; push 2; retf");

        segment(SEG, (uint32_t)(word)c->start, limits[i], 0x9a, 4);
        name(names[i]);
        in.ip = (word)enter->start;
        run_case();
        if (ev.r.cs == CODE)
            outcome(in.ip, enter);
        else
            outcome(0, c);
        end();
    }
    const struct code *j = C32("jmp 1f; .skip 20; 1: nop");
    segment(SEG, (uint32_t)(word)j->start, 15, 0x9a, 4);
    name("near jump beyond the limit");
    in.ip = (word)C32("push 0xa0; push 0; retf")->start;
    run_case();
    outcome(0, j);
    end();
    /* 16-bit code in protected mode. */
    c = C16("mov ax, 0x1234; mov ecx, 0x12345678; jmp 1f; nop; 1: nop");
    segment(SEG, (uint32_t)(word)c->start, 0xffff, 0x9a, 0);
    name("16-bit code");
    run_case();
    outcome(0, c);
    end();
    c = C16("mov eax, 0x10000; jmp eax");
    segment(SEG, (uint32_t)(word)c->start, 0xffff, 0x9a, 0);
    name("16-bit code, jump to 10000h");
    run_case();
    outcome(0, c);
    end();
    c = C16("push 0x1234; call 1f; nop; 1: pop ax; pop bx; nop");
    segment(SEG, (uint32_t)(word)c->start, 0xffff, 0x9a, 0);
    name("16-bit code, calls");
    run_case();
    outcome(0, c);
    end();
    c = C16("mov bx, 0xffff; mov si, 2; mov al, [bx + si]");
    segment(SEG, (uint32_t)(word)c->start, 0xffff, 0x9a, 0);
    name("16-bit code, addresses wrap");
    run_case();
    outcome(0, c);
    end();
}

/* Addresses of 32 bits by ESP, whose upper half a stack of 16 bits leaves as it is (IRET too: the cases set it). */
static void stack_of_16_bits(void)
{
    word a = 0x25410c, b = 0x21410c, c = 0x210010, d = 0x220010;

    __asm__ volatile("movl $0x11, (%0); movl $0x22, (%1); movl $0x33, (%2); movl $0x44, (%3)"
                     :
                     : "r"(a), "r"(b), "r"(c), "r"(d)
                     : "memory");
    user();
    in.ss = UDATA16;
    hidden = 1 << 4 | 1 << 5;
    try("leave, a stack of 16 bits",
        C32("mov esp, 0x218200; mov ebp, 0x254100; mov ecx, ds:[ebp + 0xc]; leave; mov eax, ds:[esp + 8]"));
    try("push, a stack of 16 bits",
        C32("mov esp, 0x210000; mov ecx, ds:[esp + 0x10]; push edx; mov eax, ds:[esp + 0x14]"));
    try("pop, a stack of 16 bits",
        C32("mov esp, 0x21fffc; mov ecx, ds:[esp + 0x14]; pop edx; mov eax, ds:[esp + 0x10]; xor edx, edx"));
}

int main(void)
{
    fresh();
    wrcr4(rdcr4() | CR4_OSFXSR);
    stack_of_16_bits();
    fresh();
    hidden = 0;
    limits();
    types();
    loads();
    stacks();
    code();
    return 0;
}
