/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far JMP, CALL, RET and IRET of 32-bit code without gates: conforming and other code, DPL, RPL and CPL, returns to an
 * outer level with the stack and data segments that they load (SDM volume 3, 5.8 and 5.10; volume 2).
 */
#include "lib/sys.h"

#define SEG FREE_SEL
#define PTR 0x300000

static const struct code *target;

/* Goes to sel:target by the code, which finds the pointer at PTR and in EBX:ESI. */
static void go(unsigned sel, const struct code *c)
{
    *(volatile uint32_t *)PTR = (uint32_t)target->start;
    *(volatile uint16_t *)(PTR + 4) = sel;
    in.bx = sel;
    in.si = (word)target->start;
    in.ip = (word)c->start;
    run_case();
    if (ev.vector == V_UD && ev.r.ip == (word)target->end) {
        print(" cs=");
        print_hex(ev.r.cs);
        if ((ev.r.cs & 3) == (in.cs & 3))
            field("sp-", in.sp - ev.r.sp);
        else
            field("sp", ev.r.sp);
    } else {
        print(" ");
        print_vector(ev.vector);
        if (ev.has_error) {
            print("(");
            print_hex(ev.error);
            print(")");
        }
        if (ev.r.ip != in.ip)
            field("+", ev.r.ip - in.ip);
        if (ev.r.cs != in.cs)
            field("cs", ev.r.cs);
    }
}

/* The same with a line of its own: where the target came to, or what happened before. */
static void to(const char *s, const struct code *c, const struct code *there, word base)
{
    name(s);
    in.ip = (word)c->start;
    run_case();
    if (ev.r.ip - in.ip <= (word)(c->end - c->start)) {
        outcome(in.ip, c);
    } else {
        hidden = 1 << 4;
        outcome(base, there);
        field("sp", (ev.r.cs ^ in.cs) & 3 ? ev.r.sp : ev.r.sp - in.sp);
        hidden = 0;
    }
    end();
}

static void transfers(void)
{
    static const struct {
        const char *name;
        uint8_t access;
    } kinds[] = {{"code", 0x9a},           {"code not present", 0x1a},
                 {"conforming", 0x9e},     {"conforming not present", 0x1e},
                 {"data", 0x92},           {"LDT", 0x82},
                 {"interrupt gate", 0x8e}, {"system 0", 0x80},
                 {"TSS not present", 0x09}};

    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        cpl ? user() : fresh();
        for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            for (unsigned dpl = 0; dpl < 4; dpl += 3)
                for (unsigned rpl = 0; rpl < 4; rpl += 3) {
                    segment(SEG, 0, 0xfffff, kinds[k].access | dpl << 5, 0xc);
                    print("CPL ");
                    print_hex(cpl);
                    print(" to ");
                    print(kinds[k].name);
                    print(" of DPL ");
                    print_hex(dpl);
                    print(", RPL ");
                    print_hex(rpl);
                    print(": jmp");
                    go(SEG | rpl, C32("jmp fword ptr [0x300000]"));
                    print(" call");
                    go(SEG | rpl, C32("call fword ptr [0x300000]"));
                    print(" ret");
                    go(SEG | rpl, C32("push 0x23; push 0x303000; push ebx; push esi; retf"));
                    print(" iret");
                    go(SEG | rpl, C32("push 0x23; push 0x303000; push 2; push ebx; push esi; iretd"));
                    end();
                }
    }
    fresh();
    print("null:");
    go(0, C32("jmp fword ptr [0x300000]"));
    go(3, C32("call fword ptr [0x300000]"));
    go(0, C32("push ebx; push esi; retf"));
    go(0, C32("push 2; push ebx; push esi; iretd"));
    end();
    print("beyond the GDT:");
    go(0xfff8, C32("jmp fword ptr [0x300000]"));
    go(0xfff8, C32("call fword ptr [0x300000]"));
    go(0xfff8, C32("push ebx; push esi; retf"));
    go(0xfff8, C32("push 2; push ebx; push esi; iretd"));
    end();
    segment(SEG, 0, 0xfff, 0x9a, 4);
    print("target beyond its limit:");
    go(SEG, C32("jmp fword ptr [0x300000]"));
    go(SEG, C32("call fword ptr [0x300000]"));
    go(SEG, C32("push ebx; push esi; retf"));
    go(SEG, C32("push 2; push ebx; push esi; iretd"));
    end();
    try("jmp far of a register", C32(".byte 0xff, 0xe8"));
    try("call far of a register", C32(".byte 0xff, 0xd8"));
    try("call far direct", C32(".byte 0x9a; .long 1f; .word 8; nop; 1: pop eax; pop ecx; xor eax, eax"));
    try("jmp far direct", C32(".byte 0xea; .long 1f; .word 8; nop; 1: nop"));
}

static void outer(void)
{
    const struct code *retf = C32("push ecx; push 0x303000; push 0x1b; push esi; retf"),
                      *ret8 = C32("push ecx; push 0x303000; push 0; push 0; push 0x1b; push esi; retf 8");
    static const struct {
        const char *name;
        unsigned sel;
    } stacks[] = {{"good", UDATA},          {"RPL 0", UDATA & ~3},     {"null", 3},
                  {"of DPL 0", DATA | 3},   {"code", UCODE32},         {"beyond the GDT", 0xfffb},
                  {"not present", SEG | 3}, {"read only", SEG + 8 + 3}};

    segment(SEG, 0, 0xfffff, 0x72, 0xc);
    segment(SEG + 8, 0, 0xfffff, 0xf0, 0xc);
    segment(SEG + 16, 0, 0xfffff, 0x9e, 0xc);
    fresh();
    in.si = (word)target->start;
    for (unsigned i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        in.cx = stacks[i].sel;
        print("to CPL3 by retf, stack ");
        to(stacks[i].name, retf, target, (word)target->start);
    }
    in.cx = UDATA;
    to("to CPL3 by retf 8", ret8, target, (word)target->start);
    /* Data segments of inner levels become null. */
    in.es = UDATA;
    in.fs = SEG + 16;
    in.gs = DATA;
    to("data segments by retf", retf, target, (word)target->start);
    to("data segments by iretd", C32("push ecx; push 0x303000; push 2; push 0x1b; push esi; iretd"), target,
       (word)target->start);
    fresh();
    in.si = (word)target->start;
    /* IRET's flags. */
    ok_flags = true;
    to("iretd to CPL3, all flags", C32("push 0x23; push 0x303000; push 0x3d7ed7; push 0x1b; push esi; iretd"), target,
       (word)target->start);
    name("iret of 16 bits");
    const struct code *t16 = C32("nop");
    memcpy((void *)0x7000, t16->start, 4);
    in.ip = (word)C32("push 0x8; push 0x7000; pushfd; mov eax, [esp]; .byte 0x66; push 0x0ed7; mov ax, 8; .byte 0x66; "
                      "push eax; mov ax, 0x7000; .byte 0x66; push eax; "
                      "xor eax, eax; .byte 0x66; iretd")
                ->start;
    run_case();
    outcome(0x7000, t16);
    end();
    user();
    in.si = (word)target->start;
    in.flags = F_IF | 2;
    to("iretd at CPL3, all flags", C32("push 0x3d7cd7; push 0x1b; push esi; iretd"), target, (word)target->start);
    to("iretd at CPL3 with VM", C32("push 0x20002; push 0x1b; push esi; iretd"), target, (word)target->start);
    in.flags = F_IOPL | 2;
    to("iretd at CPL3 with IOPL 3", C32("push 0x202; push 0x1b; push esi; iretd"), target, (word)target->start);
    ok_flags = false;
}

int main(void)
{
    target = C32("nop");
    transfers();
    outer();
    return 0;
}
