/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What CPL3 may not do, and its exceptions by instructions (SDM volume 3, 5.9). */
#include "lib/divide.h"

static void arithmetic(void)
{
    user();
    divisions();
}

static void privileged(void)
{
    user();
    try("hlt", C64("hlt"));
    try("cli", C64("cli"));
    try("sti", C64("sti"));
    try("in", C64("in al, 0x80"));
    try("out", C64("out 0x80, al"));
    try("mov from cr0", C64("mov rax, cr0"));
    try("mov to cr8", C64("mov cr8, rax"));
    try("mov from dr0", C64("mov rax, dr0"));
    try("rdmsr", C64("rdmsr"));
    try("wrmsr", C64("wrmsr"));
    try("lgdt", C64("lgdt [rsp - 16]"));
    try("lidt", C64("lidt [rsp - 16]"));
    try("lldt", C64("lldt ax"));
    try("ltr", C64("ltr ax"));
    try("lmsw", C64("lmsw ax"));
    try("clts", C64("clts"));
    try("invd", C64("invd"));
    try("wbinvd", C64("wbinvd"));
    try("invlpg", C64("invlpg [rsp - 16]"));
    try("swapgs", C64("swapgs"));
    try("rdpmc", C64("rdpmc"));
    /* CPL3 may run POPF and IRET, but not change IOPL and IF. */
    ok_flags = true;
    in.flags = F_IF | 2;
    try("popf of IF and IOPL", C64("push 0x3002; popfq"));
    try("popf of all", C64("push 0x245cd7; popfq; pushfq; pop rbx"));
    in.flags = 2;
    try("popf of IF set", C64("push 0x202; popfq"));
    ok_flags = false;
}

static void interrupts(void)
{
    user();
    try("int3", C64("int3"));
    try("int 3", C64(".byte 0xcd, 3"));
    try("into", C64(".byte 0xce"));
    try("bound", C64(".byte 0x62, 0x00, 0, 0, 0, 0, 0"));
    try("ud2 behind", C64("nop; ud2; nop"));
    try("ud1", C64("nop; ud1 eax, eax; nop"));
    try("ud0", C64("nop; .byte 0x0f, 0xff, 0xc0; nop"));
    in.flags = F_ARITH | F_DF | 2;
    try("ud2 with flags", C64("nop; ud2; nop"));
    in.flags = 2;
    try("push es", C64(".byte 0x06"));
    try("pop ds", C64(".byte 0x1f"));
    try("pusha", C64(".byte 0x60"));
    try("popa", C64(".byte 0x61"));
    try("daa", C64(".byte 0x27"));
    try("aam", C64(".byte 0xd4, 10"));
    try("salc", C64(".byte 0xd6"));
    try("82h", C64(".byte 0x82, 0xc0, 1"));
    try("jmp far direct", C64(".byte 0xea, 0, 0, 0, 0, 8, 0"));
    try("call far direct", C64(".byte 0x9a, 0, 0, 0, 0, 8, 0"));
    try("mov to cs", C64(".byte 0x8e, 0xc8"));
    try("mov to segment register 6", C64(".byte 0x8e, 0xf0"));
    try("mov from segment register 7", C64(".byte 0x8c, 0xf8"));
    in.ax = 0x8;
    try("ds of DPL 0", C64("mov ds, eax"));
    in.ax = 0x2000;
    try("ds beyond the GDT", C64("mov ds, eax"));
    in.ax = 0;
    try("ss null", C64("mov ss, eax"));
    in.ax = 3;
    try("ss null, RPL 3", C64("mov ss, eax"));
    try("retf to null", C64("push 0; push rax; retfq"));
}

int main(void)
{
    arithmetic();
    privileged();
    interrupts();
    return 0;
}
