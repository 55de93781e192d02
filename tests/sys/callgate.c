/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call gates of 16, 32 and 64 bits (GATE): rights, stack switch, copied parameters, what is pushed, #TS, #NP and #SS
 * with their selectors (SDM volume 3, 5.8.3 to 5.8.5; volume 2, CALL and JMP).
 */
#include "lib/sys.h"

#define GSEL  FREE_SEL
#define CSEL  (FREE_SEL + 16)
#define SSEL  (FREE_SEL + 24)
#define INNER 0x304000 /* top of the inner stack */
#if GATE == 64
#define C    C64
#define TYPE 0x8c
#define THERE                                                                                                          \
    C64("mov rax, [rsp]; mov rcx, [rsp + 8]; mov rdx, [rsp + 16]; mov rbx, [rsp + 24]; mov esi, cs; mov edi, ss; mov " \
        "rbp, rsp")
#define FARPTR "fword ptr [0x300000]"
#elif GATE == 32
#define C    C32
#define TYPE 0x8c
#define THERE                                                                                                          \
    C32("mov eax, [esp]; mov ecx, [esp + 4]; mov edx, [esp + 8]; mov ebx, [esp + 12]; mov esi, cs; mov edi, ss; mov "  \
        "ebp, esp")
#define FARPTR "fword ptr [0x300000]"
#else
#define C    C32
#define TYPE 0x84
#define THERE                                                                                                          \
    C32("mov eax, [esp]; mov ecx, [esp + 4]; mov edx, [esp + 8]; mov ebx, [esp + 12]; mov esi, cs; mov edi, ss; mov "  \
        "ebp, esp")
#define FARPTR "fword ptr [0x300000]"
#endif

static const struct code *there;
static word offset;

static void make(unsigned access, unsigned sel, word to, unsigned count)
{
    gdt[GSEL >> 3] = (to & 0xffff) | (uint64_t)sel << 16 | (uint64_t)count << 32 | (uint64_t)access << 40 |
                     (uint64_t)(to >> 16 & 0xffff) << 48;
    gdt[(GSEL >> 3) + 1] = GATE == 64 ? (uint64_t)to >> 16 >> 16 : 0;
}

static void pointer(unsigned sel)
{
    *(volatile uint32_t *)0x300000 = 0xdeadbeef; /* the offset does not count */
    *(volatile uint16_t *)0x300004 = sel;
}

static void go(const char *s, const struct code *c)
{
    name(s);
    in.ip = (word)c->start;
    run_case();
    if (ev.r.ip - in.ip <= (word)(c->end - c->start)) {
        outcome(in.ip, c);
        end();
        return;
    }
    outcome(offset, there);
    end();
}

static void rights(void)
{
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        cpl ? user() : fresh();
        hidden = 0xffff;
        for (unsigned dpl = 0; dpl < 4; dpl += 3)
            for (unsigned rpl = 0; rpl < 4; rpl += 3)
                for (unsigned k = 0; k < 3; k++) {
                    static const uint8_t kinds[] = {0x9a, 0xfa, 0x9e};
                    static const char *const names[] = {"code 0", "code 3", "conforming"};
                    static const char *const ops[] = {"jmp", "call"};

                    segment(CSEL, 0, 0xfffff, kinds[k], GATE == 64 ? 0xa : 0xc);
                    make(TYPE | dpl << 5, CSEL, offset, 0);
                    pointer(GSEL | rpl);
                    for (unsigned op = 0; op < 2; op++) {
                        const struct code *c = op ? C("call " FARPTR) : C("jmp " FARPTR);

                        print(ops[op]);
                        print(" CPL ");
                        print_hex(cpl);
                        print(" gate ");
                        print_hex(dpl);
                        print(" RPL ");
                        print_hex(rpl);
                        print(" to ");
                        go(names[k], c);
                    }
                }
    }
}

static void targets(void)
{
    user();
    hidden = 0xffff;
    pointer(GSEL | 3);
    const struct code *call = C("call " FARPTR);
    segment(CSEL, 0, 0xfffff, 0x9a, GATE == 64 ? 0xa : 0xc);
    make((TYPE | 0x60) & 0x7f, CSEL, offset, 0);
    go("gate not present", call);
    make(TYPE | 0x60, 0, offset, 0);
    go("null in the gate", call);
    make(TYPE | 0x60, 3, offset, 0);
    go("null with RPL in the gate", call);
    make(TYPE | 0x60, DATA, offset, 0);
    go("data in the gate", call);
    make(TYPE | 0x60, TSS, offset, 0);
    go("a TSS in the gate", call);
    make(TYPE | 0x60, 0xfff8, offset, 0);
    go("beyond the GDT in the gate", call);
    make(TYPE | 0x60, CSEL | 3, offset, 0);
    go("RPL 3 in the gate does not count", call);
    segment(CSEL, 0, 0xfffff, 0x1a, GATE == 64 ? 0xa : 0xc);
    make(TYPE | 0x60, CSEL, offset, 0);
    go("code not present", call);
#if GATE == 64
    segment(CSEL, 0, 0xfffff, 0x9a, 0xc);
    go("32-bit code", call);
    segment(CSEL, 0, 0xfffff, 0x9a, 0xe);
    go("L and D", call);
    segment(CSEL, 0, 0xfffff, 0x9a, 0xa);
    make(TYPE | 0x60, CSEL, 0x8000000000000000, 0);
    go("offset not canonical", call);
    make(TYPE | 0x60, CSEL, offset, 0);
    gdt[(GSEL >> 3) + 1] |= 0xc0000000000;
    go("type in the upper half", call);
    make(0xe4, CSEL, offset, 0);
    go("16-bit gate", call);
#else
    segment(CSEL, 0, 0xfff, 0x9a, 4);
    go("offset beyond the limit", call);
#endif
    segment(CSEL, 0, 0xfffff, 0x9a, GATE == 64 ? 0xa : 0xc);
    make(TYPE | 0x60, CSEL, offset, 0);
}

static void stack(void)
{
    user();
    pointer(GSEL | 3);
    segment(CSEL, 0, 0xfffff, 0x9a, GATE == 64 ? 0xa : 0xc);
    make(TYPE | 0x60, CSEL, offset, 0);
    in.flags = F_ARITH | F_DF | 2;
    in.sp = 0x302000;
    hidden = 1 << 0; /* the return address, below */
    const struct code *call = C("nop; call " FARPTR);
#if GATE == 64
    *(word *)(tss + 4) = INNER;
    go("call", call);
    say("return address behind", ev.r.ax - in.ip);
    *(word *)(tss + 4) = INNER - 3;
    go("call, stack not aligned", call);
    *(word *)(tss + 4) = 0x8000000000000000;
    go("call, stack not canonical", call);
    *(word *)(tss + 4) = 0x200000000;
    go("call, stack not mapped", call);
    /* Back again. */
    *(word *)(tss + 4) = INNER;
    there = C64("mov rbp, rsp; .byte 0x48, 0xcb; nop");
    make(TYPE | 0x60, CSEL, (word)there->start, 0);
    hidden = 0;
    try("call and return", C64("call " FARPTR));
    fresh();
    there = THERE;
    offset = (word)there->start;
    make(TYPE, CSEL, offset, 0);
    pointer(GSEL);
    hidden = 1 << 0 | 1 << 3 | 1 << 5 | 1 << 2;
    go("call at CPL0", C64("call " FARPTR));
#else
    for (unsigned n = 0; n < 32; n += n < 2 ? 1 : 29) {
        for (unsigned i = 0; i < 40; i++)
            *(volatile uint32_t *)(0x302000 + i * 4) = 0x11110000 + i;
        make(TYPE | 0x60, CSEL, offset, n);
        *(word *)(tss + 4) = INNER;
        print("call with ");
        print_hex(n);
        go(" parameters", call);
        print("call with ");
        print_hex(n);
        say(" parameters, return address behind",
            (GATE == 32 ? ev.r.ax : ev.r.ax & 0xffff) - (GATE == 32 ? in.ip : in.ip & 0xffff));
        if (n == 31) {
            name("the last parameter and the outer stack");
            for (unsigned i = 0; i < 3; i++)
                field("w", *(volatile uint32_t *)(INNER - (i + 1) * 4));
            end();
        }
    }
    /* To level 1, so that exceptions have the stack of level 0. */
    static const struct {
        const char *name;
        unsigned sel, access, limit;
    } bad[] = {{"good", SSEL | 1, 0xb2, INNER},
               {"null", 0, 0xb2, INNER},
               {"null with RPL", 1, 0xb2, INNER},
               {"of RPL 0", SSEL, 0xb2, INNER},
               {"of RPL 3", SSEL | 3, 0xb2, INNER},
               {"of DPL 0", SSEL | 1, 0x92, INNER},
               {"of DPL 3", SSEL | 1, 0xf2, INNER},
               {"read only", SSEL | 1, 0xb0, INNER},
               {"of code", SSEL | 1, 0xba, INNER},
               {"not present", SSEL | 1, 0x32, INNER},
               {"not present and of DPL 0", SSEL | 1, 0x12, INNER},
               {"beyond the GDT", 0xfff9, 0xb2, INNER},
               {"in no LDT", 0xd, 0xb2, INNER},
               {"too small by a byte", SSEL | 1, 0xb2, INNER - 2},
               {"as large as needed", SSEL | 1, 0xb2, INNER - 1}};
    segment(CSEL, 0, 0xfffff, 0xba, 0xc);
    make(TYPE | 0x60, CSEL, offset, 2);
    *(uint32_t *)(tss + 12) = INNER;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        segment(SSEL, 0, bad[i].limit >> (bad[i].limit == INNER ? 12 : 0), bad[i].access,
                bad[i].limit == INNER ? 0xc : 4);
        if (bad[i].limit != INNER) /* a limit of 20 bits: a base and an offset that are small */
            segment(SSEL, INNER - 0x1000, bad[i].limit - (INNER - 0x1000), bad[i].access, 4);
        *(uint32_t *)(tss + 12) = bad[i].limit == INNER ? INNER : 0x1000;
        *(uint32_t *)(tss + 16) = bad[i].sel;
        print("inner stack segment ");
        go(bad[i].name, call);
    }
    *(uint32_t *)(tss + 16) = SSEL | 1;
    *(uint32_t *)(tss + 12) = INNER;
    segment(SSEL, 0, 0xfffff, 0xb2, 0xc);
    segment(SSEL + 8, 0x300000, 0xfff, 0xf2, 4);
    in.ss = (SSEL + 8) | 3;
    in.sp = 0xffc;
    go("parameters beyond the stack", call);
    segment(TSS, (uint32_t)(word)tss, 15, 0x89, 0); /* SS1 is beyond */
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    in.ss = UDATA;
    in.sp = 0x302000;
    go("TSS too short", call);
    segment(TSS, (uint32_t)(word)tss, 103, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    segment(CSEL, 0, 0xfffff, 0x9a, 0xc);
    user();
    pointer(GSEL | 3);
    there = GATE == 32 ? C32("retf 8") : C32(".byte 0x66, 0xca, 4, 0");
    make(TYPE | 0x60, CSEL, GATE == 32 ? (word)there->start : 0x7000, 2);
    memcpy((void *)0x7000, there->start, 8);
    hidden = 0;
    if (GATE == 32) {
        try("call and return", C32("push 1; push 2; call " FARPTR));
    } else {
        memcpy((void *)0x6000, C32("push 1; push 2; call " FARPTR)->start, 32);
        const struct code *c = C32("push 1; push 2; call " FARPTR);
        in.sp = 0x6800;
        name("call and return");
        in.ip = 0x6000;
        run_case();
        outcome(0x6000, c);
        end();
    }
    fresh();
    there = THERE;
    offset = GATE == 32 ? (word)there->start : 0x7000;
    memcpy((void *)0x7000, there->start, 64);
    make(TYPE, CSEL, offset, 5);
    pointer(GSEL);
    hidden = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5;
    go("call at CPL0", C32("call " FARPTR));
#endif
}

int main(void)
{
    there = THERE;
    offset = (word)there->start;
    if (GATE == 16) {
        memcpy((void *)0x7000, there->start, 64);
        offset = 0x7000;
    }
    rights();
    targets();
    stack();
    return 0;
}
