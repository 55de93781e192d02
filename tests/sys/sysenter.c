/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSENTER and SYSEXIT: what they load and what faults (SDM volume 2). In long mode they are Intel's alone. */
#include "lib/sys.h"

#define SYSEXIT ".byte 0x0f, 0x35"
#if BITS == 64
#define C C64
#else
#define C C32
#endif

int main(void)
{
    const struct code *handler = C("nop"), *back = C("nop");

    hidden = 0;
    if (BITS == 64 && !intel()) {
        wrmsr(0x174, CODE);
        user();
        try("sysenter", C("sysenter"));
        fresh();
        try("sysexit", C(SYSEXIT));
        in.cs = CODE32;
        try("sysexit in compatibility mode", C32(SYSEXIT));
        user();
        in.cs = UCODE32;
        try("sysenter in compatibility mode", C32("sysenter"));
        return 0;
    }
    wrmsr(0x174, 0);
    wrmsr(0x175, 0x300000);
    wrmsr(0x176, (word)handler->start);
    user();
    try("sysenter with CS 0", C("sysenter"));
    try("sysexit at CPL3 with CS 0", C(SYSEXIT));
    wrmsr(0x174, CODE);
    try("sysexit at CPL3", C(SYSEXIT));
    fresh();
    wrmsr(0x174, 0);
    try("sysexit with CS 0", C(SYSEXIT));
    wrmsr(0x174, CODE);
    user();
    hidden = 1 << 4;
    in.flags = F_ARITH | F_DF | F_IF | F_AC | F_ID | 2;
    ok_flags = true;
    try_to("sysenter", C("nop; sysenter"), handler);
    say("sysenter, SP", ev.r.sp);
    in.flags = F_IOPL | F_NT | F_RF | 2;
    try_to("sysenter with IOPL, NT, RF", C("sysenter"), handler);
    in.flags = F_TF | 2;
    try_to("sysenter with TF", C("sysenter"), handler);
    wrmsr(0x174, CODE | 3);
    in.flags = 2;
    try_to("sysenter, RPL does not count", C("sysenter"), handler);
    fresh();
    hidden = 1 << 4;
    in.cx = 0x310000;
    in.dx = (word)back->start;
    in.flags = F_ARITH | F_DF | 2;
    try_to("sysexit", C("nop; " SYSEXIT), back);
    say("sysexit, SP", ev.r.sp);
#if BITS == 64
    const struct code *b64 = C64("nop");
    in.dx = (word)b64->start;
    try_to("sysexit of 64 bits", C64(".byte 0x48; " SYSEXIT), b64);
    in.dx = 0x8000000000000000;
    try("sysexit of 64 bits to a non-canonical address", C64(".byte 0x48; " SYSEXIT));
    in.dx = (word)b64->start;
    in.cx = 0x8000000000000000;
    try("sysexit of 64 bits with a non-canonical stack", C64(".byte 0x48; " SYSEXIT));
    user();
    hidden = 1 << 4;
    in.cs = UCODE32;
    try_to("sysenter in compatibility mode", C32("sysenter"), handler);
#else
    in.flags = F_VM | F_IOPL | 2;
    in.cs = 0x1000;
    memcpy((void *)0x10000, C16("sysenter")->start, 4);
    in.ss = 0x1000;
    in.sp = 0x800;
    name("sysenter in virtual-8086 mode");
    in.ip = 0;
    run_case();
    outcome((word)handler->start, handler);
    end();
    memcpy((void *)0x10000, C16(SYSEXIT)->start, 4);
    name("sysexit in virtual-8086 mode");
    run_case();
    outcome(0, C16(SYSEXIT));
    end();
#endif
    return 0;
}
