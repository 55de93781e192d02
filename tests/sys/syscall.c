/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSCALL and SYSRET: what they load and what faults (SDM volume 2, SYSCALL, SYSRET). The cases of 64-bit code are the
 * same on all processors. */
#include "lib/sys.h"

#define EFER 0xc0000080

static void sce(bool on)
{
    wrmsr(EFER, (rdmsr(EFER) & ~1ULL) | on);
}

int main(void)
{
    const struct code *handler = C64("mov eax, cs; mov edx, ss; pushfq; pop rbx");

    user();
    try("syscall without SCE", C64("syscall"));
    try("sysretq at CPL3 without SCE", C64("sysretq"));
    fresh();
    try("sysretq without SCE", C64("sysretq"));
    sce(true);
    wrmsr(0xc0000081, 0x0018000800000000ULL | 0x5555);
    wrmsr(0xc0000082, (word)handler->start);
    wrmsr(0xc0000083, 0x1000);
    wrmsr(0xc0000084, F_DF | F_TF | F_AC);
    user();
    hidden = 1 << 1; /* RCX: the address behind, below */
    in.flags = F_ARITH | F_DF | F_IF | F_AC | 2;
    try_to("syscall", C64("nop; syscall"), handler);
    say("syscall, IP behind", ev.r.cx - in.ip);
    in.flags = F_ARITH | F_RF | 2;
    try_to("syscall with RF", C64("syscall"), handler);
    in.flags = F_IOPL | F_NT | F_ID | 2;
    try_to("syscall with IOPL, NT and ID", C64("syscall"), handler);
    in.flags = F_TF | 2;
    try_to("syscall with TF, masked", C64("syscall"), handler);
    wrmsr(0xc0000084, 0);
    try_to("syscall with TF, not masked", C64("syscall"), handler);
    wrmsr(0xc0000084, 0xffffffff);
    in.flags = F_ARITH | F_IF | F_AC | 2;
    try_to("syscall with everything masked", C64("syscall"), handler);
    wrmsr(0xc0000084, 0);
    fresh();
    hidden = 1 << 1;
    try_to("syscall at CPL0", C64("syscall"), handler);
    wrmsr(0xc0000081, 0x001b000b00000000ULL);
    try_to("syscall, RPL of STAR does not count", C64("syscall"), handler);
    /* SYSRET. */
    const struct code *back = C64("mov eax, cs; mov edx, ss; pushfq; pop rbx"),
                      *back32 = C32("mov eax, cs; mov edx, ss; pushfd; pop ebx");
    fresh();
    in.cx = (word)back->start;
    in.r11 = F_ARITH | F_DF | 2;
    try_to("sysretq", C64("sysretq"), back);
    in.r11 = F_RF | F_VM | F_IOPL | F_ID | F_NT | F_VIF | 2;
    try_to("sysretq with RF, VM, IOPL", C64("sysretq"), back);
    in.r11 = ~0UL & ~(word)(F_TF | F_VM | F_RF | F_AC);
    try_to("sysretq with reserved bits", C64("sysretq"), back);
    in.r11 = F_TF | 2;
    try_to("sysretq with TF", C64("sysretq"), back);
    in.cx = (word)back32->start | 0x1234500000000;
    in.r11 = F_ARITH | 2;
    try_to("sysretl", C64(".byte 0x0f, 0x07"), back32);
    in.cx = (word)back32->start;
    wrmsr(0xc0000081, 0);
    try_to("sysretl with STAR of 0", C64(".byte 0x0f, 0x07"), back32);
    wrmsr(0xc0000081, 0x0018000800000000ULL);
    user();
    try("sysretq at CPL3", C64("sysretq"));
    try("sysretl at CPL3", C64(".byte 0x0f, 0x07"));
    /* Processors differ from here: AMD's have SYSCALL and SYSRET in compatibility mode, Intel's check RCX of SYSRET. */
    const struct code *h = C64("mov eax, cs; mov edx, ss");
    wrmsr(0xc0000083, (word)h->start);
    user();
    hidden = 1 << 1;
    in.cs = UCODE32;
    in.flags = F_ARITH | 2;
    in.r11 = 0;
    if (intel()) {
        try("syscall in compatibility mode", C32("syscall"));
        fresh();
        in.cx = 0x0000800000000000;
        try("sysretq to a non-canonical address", C64("sysretq"));
    } else {
        try_to("syscall in compatibility mode", C32("nop; syscall"), h);
        say("syscall in compatibility mode, IP behind", ev.r.cx - in.ip);
    }
    fresh();
    in.cs = CODE32;
    in.cx = (word)back32->start;
    if (intel())
        try("sysret in compatibility mode", C32("sysret"));
    else
        try_to("sysret in compatibility mode", C32("sysret"), back32);
    return 0;
}
