/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtual-8086 mode: IOPL, exceptions to CPL0, the I/O bitmap, CR4.VME with its interrupt redirection, CR4.PVI (SDM
 * volume 3, chapter 20). */
#include "lib/sys.h"

/* The TSS: 104 bytes, 32 of redirection, the I/O bitmap and its last byte. */
static uint8_t *const redirection = tss + 104, *const bitmap = tss + 136;

static void big_tss(void)
{
    *(uint16_t *)(tss + 102) = 136;
    memset(redirection, 0, 32);
    memset(bitmap, 0, 8192);
    bitmap[8192] = 0xff;
    segment(TSS, (uint32_t)(word)tss, 136 + 8192, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(TSS));
}

static void sensitive(const char *prefix)
{
    static const char *const names[] = {"cli",  "sti",  "pushf", "popf", "pushfd", "popfd", "int 80h",
                                        "iret", "int3", "into",  "in",   "out",    "insb",  "nop"};
    const struct code *const codes[] = {C16("cli"),
                                        C16("sti"),
                                        C16("pushf; pop ax"),
                                        C16("push 0x7ed7; popf"),
                                        C16("pushfd; pop eax"),
                                        C16("mov eax, 0x3f7ed7; push eax; popfd"),
                                        C16("int 0x80"),
                                        C16("push 0x3202; push cs; push 0x10; iret; .balign 16; nop"),
                                        C16("int3"),
                                        C16("mov ax, 0x7fff; inc ax; into"),
                                        C16("in al, 0x80"),
                                        C16("out 0x80, al"),
                                        C16("mov dx, 0x80; insb"),
                                        C16("nop")};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        print(prefix);
        print(", ");
        try_v86(names[i], codes[i]);
    }
}

static void absent(void)
{
    try_v86("hlt", C16("hlt"));
    try_v86("mov from cr0", C16("mov eax, cr0"));
    try_v86("mov to cr1", C16(".byte 0x0f, 0x22, 0xc8"));
    try_v86("mov from dr7", C16("mov eax, dr7"));
    try_v86("lgdt", C16("lgdt [0]"));
    try_v86("sgdt", C16("sgdt [0]"));
    try_v86("smsw", C16("smsw ax; and ax, 1"));
    try_v86("lmsw", C16("lmsw ax"));
    try_v86("clts", C16("clts"));
    try_v86("invd", C16("invd"));
    try_v86("invlpg", C16("invlpg [0]"));
    try_v86("rdmsr", C16("rdmsr"));
    try_v86("lar", C16("lar ax, bx"));
    try_v86("lsl", C16("lsl ax, bx"));
    try_v86("verr", C16("verr bx"));
    try_v86("lldt", C16("lldt bx"));
    try_v86("sldt", C16("sldt bx"));
    try_v86("str", C16("str bx"));
    try_v86("arpl", C16("arpl ax, bx"));
    try_v86("syscall", C16("syscall"));
    try_v86("vex", C16(".byte 0xc5, 0xf8, 0x77"));
    try_v86("lds of registers", C16(".byte 0xc5, 0xc0"));
    try_v86("bound", C16("mov word ptr [0], 5; mov word ptr [2], 9; mov ax, 10; bound ax, [0]"));
    try_v86("div by zero", C16("xor cx, cx; div cx"));
    in.bx = 0xffff;
    in.bp = 0xffff;
    try_v86("word at ffffh", C16("mov ax, [bx]"));
    try_v86("word at ss ffffh", C16("mov ax, [bp]"));
    in.bx = 0x10000;
    try_v86("byte at 10000h", C16("mov al, [ebx]"));
    in.sp = 1;
    try_v86("push at sp 1", C16("push ax"));
    in.sp = 0x1000;
    try_v86("segments", C16("mov ax, 0xfffe; mov es, ax; mov ds, ax; mov fs, ax; mov gs, ax"));
    try_v86("far jump", C16(".byte 0xea; .word 1f - 661b - 16, 0x2001; ud2; .balign 16; 1: mov cx, cs; nop"));
    try_v86("write through cs", C16("mov word ptr cs:[1f - 661b + 1], 0x1234; jmp 1f; 1: mov ax, 0; nop"));
    in.flags |= F_TF;
    try_v86("single step", C16("nop; nop"));
    in.flags &= ~(word)F_TF;
}

static void vme(void)
{
    volatile uint16_t *ivt = NULL;

    /* Redirected to the program's own handlers: clear bits. */
    __asm__("" : "+r"(ivt));
    ivt[0x21 * 2] = 0x40;
    ivt[0x21 * 2 + 1] = REAL_CODE >> 4;
    memcpy((void *)(REAL_CODE + 0x40), "\x58\x5b\x59\x0f\x0b", 5); /* pop ax, bx, cx; ud2 */
    ivt[0x80 * 2] = 0x60;
    ivt[0x80 * 2 + 1] = REAL_CODE >> 4;
    memcpy((void *)(REAL_CODE + 0x60), "\x0f\x0b", 2);
    wrcr4(rdcr4() | CR4_VME);
    fresh_v86();
    ok_flags = true;
    sensitive("VME");
    in.flags |= F_VIF;
    sensitive("VME, VIF");
    in.flags |= F_VIP;
    sensitive("VME, VIF and VIP");
    in.flags &= ~(word)F_VIF;
    sensitive("VME, VIP");
    in.flags = (in.flags & ~(word)F_VIP) | F_IOPL;
    sensitive("VME, IOPL 3");
    fresh_v86();
    in.flags |= F_VIF | F_ARITH;
    try_v86("INT by the IVT", C16("int 0x21"));
    in.flags |= F_IOPL;
    try_v86("INT by the IVT, IOPL 3", C16("int 0x21"));
    redirection[0x21 / 8] = 1 << (0x21 & 7);
    try_v86("INT by the IDT, IOPL 3", C16("int 0x21"));
    in.flags &= ~(word)F_IOPL;
    try_v86("INT by the IDT, IOPL 0", C16("int 0x21"));
    redirection[0x21 / 8] = 0;
    try_v86("an exception is not redirected", C16("xor cx, cx; div cx"));
    wrcr4(rdcr4() & ~(word)CR4_VME);
    ok_flags = false;
}

static void pvi(void)
{
    wrcr4(rdcr4() | CR4_PVI);
    user();
    ok_flags = true;
    try("PVI, sti", C32("sti"));
    try("PVI, cli", C32("cli"));
    in.flags |= F_VIF;
    try("PVI, cli with VIF", C32("cli"));
    try("PVI, pushfd", C32("pushfd; pop eax"));
    try("PVI, popfd of IF", C32("push 0x202; popfd"));
    in.flags = F_VIP | 2;
    try("PVI, sti with VIP", C32("sti"));
    in.flags = F_IOPL | 2;
    try("PVI, sti with IOPL 3", C32("sti"));
    in.flags = F_VIF | 2;
    try("PVI, int 80h", C32("int 0x80"));
    wrcr4(rdcr4() & ~(word)CR4_PVI);
    in.flags = 2;
    try("without PVI, sti", C32("sti"));
    ok_flags = false;
}

int main(void)
{
    fresh_v86();
    ok_flags = true;
    try_v86("no bitmap, in", C16("in al, 0x80"));
    in.flags |= F_IOPL;
    try_v86("no bitmap, IOPL 3, in", C16("in al, 0x80"));
    big_tss();
    fresh_v86();
    sensitive("IOPL 0");
    in.flags |= F_IOPL;
    sensitive("IOPL 3");
    in.flags |= F_IF;
    sensitive("IOPL 3, IF");
    /* The bitmap. */
    fresh_v86();
    bitmap[0x80 / 8] = 0x02; /* port 81h */
    try_v86("port allowed", C16("in al, 0x80; xor ax, ax"));
    try_v86("port refused", C16("in al, 0x81"));
    try_v86("word, second refused", C16("in ax, 0x80"));
    try_v86("dword, third refused", C16("mov dx, 0x7f; out dx, eax"));
    try_v86("last byte of the bitmap", C16("mov dx, 0xffff; in al, dx; xor ax, ax"));
    try_v86("word over the end", C16("mov dx, 0xffff; in ax, dx"));
    gate(0x80, 0x8e, CODE, (word)stubs + 0x80 * 16);
    in.flags |= F_IOPL;
    try_v86("int 80h, DPL 0", C16("int 0x80"));
    segment(FREE_SEL, 0, 0xfffff, 0x9f, 0xc);
    gate(0x80, 0xee, FREE_SEL, (word)stubs + 0x80 * 16);
    try_v86("int 80h to a conforming segment", C16("int 0x80"));
    segment(FREE_SEL, 0, 0xfffff, 0xfb, 0xc);
    try_v86("int 80h to a segment of DPL 3", C16("int 0x80"));
    gates_reset();
    fresh_v86();
    absent();
    if (has(1, 3, 1)) {
        vme();
        pvi();
    }
    fresh_v86();
    try_v86("jump beyond ffffh", C16("mov eax, 0x10000; jmp eax"));
    return 0;
}
