/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Task switches with TSSs of 32 and 16 bits (TSSBITS): JMP, CALL, INT and exceptions through task gates, IRET with NT;
 * busy bits, links, flags, TS, what is saved, the debug trap, #TS, #NP, #GP and #SS with their selectors; CR3 in the
 * 32-bit TSS (SDM volume 3, chapter 7).
 */
#include "lib/sys.h"

#define TSEL FREE_SEL        /* the other task */
#define GSEL (FREE_SEL + 8)  /* a task gate to it */
#define XSEL (FREE_SEL + 16) /* something bad */
#define HSEL (FREE_SEL + 24) /* tasks that handle exceptions */
#if TSSBITS == 32
#define AVAILABLE 0x89
#define BUSY      0x8b
typedef uint32_t cell;
enum {
    T_LINK = 0,
    T_ESP0 = 1,
    T_SS0 = 2,
    T_CR3 = 7,
    T_IP,
    T_FLAGS,
    T_AX,
    T_CX,
    T_DX,
    T_BX,
    T_SP,
    T_BP,
    T_SI,
    T_DI,
    T_ES,
    T_CS,
    T_SS,
    T_DS,
    T_FS,
    T_GS,
    T_LDT,
    T_TRAP,
    T_CELLS = 26
};
#else
#define AVAILABLE 0x81
#define BUSY      0x83
typedef uint16_t cell;
enum {
    T_LINK = 0,
    T_ESP0 = 1,
    T_SS0 = 2,
    T_IP = 7,
    T_FLAGS,
    T_AX,
    T_CX,
    T_DX,
    T_BX,
    T_SP,
    T_BP,
    T_SI,
    T_DI,
    T_ES,
    T_CS,
    T_SS,
    T_DS,
    T_LDT,
    T_CELLS = 22
};
#endif

/* Both TSSs, the cases' code and stacks are low enough for 16 bits. */
static cell *const one = (cell *)0x1000, *const two = (cell *)0x1100;
#define CODE_AT  0x2000
#define OTHER_AT 0x3000
#define STACK1   0x5000
#define STACK2   0x6000
static uint64_t ldt[4];
static const struct code *other;

static unsigned busy(unsigned sel)
{
    return gdt[sel >> 3] >> 40 & 0xff;
}

/* This task in TSS one, the other in two, ready to run code at CPL0. */
static void prepare(const struct code *there)
{
    memset(one, 0, 256);
    memset(two, 0, 256);
    one[T_ESP0] = two[T_ESP0] = (cell)0x7000;
    one[T_SS0] = two[T_SS0] = DATA;
    segment(TSS, (uint32_t)one, sizeof(cell) * T_CELLS - 1, AVAILABLE, 0);
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, AVAILABLE | 0x60, 0);
    gdt[GSEL >> 3] = (uint64_t)TSEL << 16 | 0xe50000000000;
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    trap_stack_top = 0x7000;
    other = there;
    memcpy((void *)OTHER_AT, there->start, there->end - there->start + 2);
#if TSSBITS == 32
    two[T_CR3] = rdcr3();
    two[T_FS] = DATA;
    two[T_GS] = 0;
#endif
    two[T_IP] = OTHER_AT;
    two[T_FLAGS] = F_ARITH | F_DF | 2;
    two[T_AX] = 0x1a1a;
    two[T_CX] = 0x2b2b;
    two[T_DX] = 0x3c3c;
    two[T_BX] = 0x4d4d;
    two[T_SP] = STACK2;
    two[T_BP] = 0x5e5e;
    two[T_SI] = 0x6f6f;
    two[T_DI] = 0x7070;
    two[T_ES] = two[T_DS] = DATA;
    two[T_SS] = TSSBITS == 16 ? DATA16 : DATA; /* a 16-bit TSS says nothing of ESP's upper half */
    two[T_CS] = CODE;
    fresh();
    in.sp = STACK1;
    *(volatile uint32_t *)0x4000 = 0xdeadbeef;
    *(volatile uint16_t *)0x4004 = TSEL;
    wrcr0(rdcr0() & ~(word)CR0_TS);
}

static void go(const char *s, const struct code *c)
{
    memcpy((void *)CODE_AT, c->start, c->end - c->start + 2);
    name(s);
    in.ip = CODE_AT;
    run_case();
    if (ev.r.ip - OTHER_AT <= (word)(other->end - other->start)) {
        print(" other task:");
        unsigned was = hidden;
        if (TSSBITS == 16)
            hidden |= 0xff;
        outcome(OTHER_AT, other);
        if (TSSBITS == 16 && was != hidden && was != ~0U) {
            static const char *const names[] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
            for (unsigned i = 0; i < 8; i++)
                field(names[i], ((word *)&ev.r)[i] & 0xffff);
        }
        hidden = was;
    } else {
        outcome(CODE_AT, c);
    }
}

/* What the tasks look like then. */
static void tasks(void)
{
    uint16_t tr;

    __asm__ volatile("str %0" : "=r"(tr));
    field("tr", tr);
    field("one", busy(TSS));
    field("two", busy(TSEL));
    field("ts", rdcr0() >> 3 & 1);
    field("link", two[T_LINK]);
    end();
    __asm__ volatile("clts");
}

static void saved(const char *s)
{
    static const char *const names[] = {"ip", "fl", "ax", "cx", "dx", "bx", "sp", "bp",
                                        "si", "di", "es", "cs", "ss", "ds", "fs", "gs"};

    print(s);
    print(", saved:");
    for (unsigned i = 0; i < (TSSBITS == 32 ? 16 : 14); i++)
        field(names[i], one[T_IP + i]);
    end();
}

static void switches(void)
{
    const struct code *nop = C32("nop");

    ok_flags = true;
    prepare(nop);
    in.flags = F_ARITH | 2;
    go("jmp to the TSS", C32("nop; jmp fword ptr [0x4000]"));
    tasks();
    saved("jmp to the TSS");
    prepare(nop);
    in.flags = F_ARITH | F_IF | 2;
    go("call of the TSS", C32("nop; call fword ptr [0x4000]"));
    tasks();
    saved("call of the TSS");
    prepare(nop);
    *(volatile uint16_t *)0x4004 = GSEL;
    go("jmp through a task gate", C32("jmp fword ptr [0x4000]"));
    tasks();
    prepare(nop);
    *(volatile uint16_t *)0x4004 = GSEL;
    go("call through a task gate", C32("call fword ptr [0x4000]"));
    tasks();
    prepare(nop);
    gate(0x80, 0xe5, TSEL, 0);
    go("int 80h through a task gate", C32("int 0x80; nop"));
    tasks();
    saved("int 80h through a task gate");
    prepare(C32("pop eax"));
    gate(V_GP, 0x85, TSEL, 0);
    go("#GP through a task gate", C32("mov ebx, 0xfff8; mov ds, ebx"));
    tasks();
    saved("#GP through a task gate");
    prepare(nop);
    gate(V_DE, 0x85, TSEL, 0);
    go("#DE through a task gate", C32("xor ecx, ecx; div ecx"));
    tasks();
    saved("#DE through a task gate");
    gates_reset();
    /* There and back. */
    prepare(C32("iretd; nop"));
#if TSSBITS == 32
    go("call and iret", C32("call fword ptr [0x4000]; nop"));
#else
    hidden = 0xff;
    go("call and iret", C32("mov eax, 0x48; mov ss, eax; call fword ptr [0x4000]; nop"));
    hidden = 0;
#endif
    tasks();
    say("call and iret, IP of the other", two[T_IP] - OTHER_AT);
    say("call and iret, flags of the other", two[T_FLAGS]);
    prepare(C32("iretd; nop"));
    gate(0x80, 0xe5, TSEL, 0);
    go("int 80h and iret", C32("int 0x80; int 0x80; nop"));
    tasks();
    gates_reset();
    prepare(nop);
    in.flags = F_NT | 2;
    one[T_LINK] = TSEL;
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, BUSY, 0);
    go("iret with NT", C32("iretd; nop"));
    tasks();
    saved("iret with NT");
    prepare(nop);
    in.flags = F_NT | 2;
    one[T_LINK] = TSEL;
    go("iret with NT to a task that is not busy", C32("iretd"));
    tasks();
    prepare(nop);
    in.flags = F_NT | 2;
    one[T_LINK] = 0;
    go("iret with NT to null", C32("iretd"));
    tasks();
    prepare(nop);
    in.flags = F_NT | 2;
    one[T_LINK] = DATA;
    go("iret with NT to data", C32("iretd"));
    tasks();
    prepare(nop);
    in.flags = F_NT | 2;
    one[T_LINK] = TSEL;
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, BUSY & 0x7f, 0);
    go("iret with NT to a task not present", C32("iretd"));
    tasks();
    /* At another level. */
    prepare(nop);
    two[T_CS] = UCODE32;
    two[T_SS] = UDATA;
    two[T_DS] = two[T_ES] = UDATA;
#if TSSBITS == 32
    two[T_FS] = 0;
#endif
    go("jmp to a task at CPL3", C32("jmp fword ptr [0x4000]"));
    tasks();
#if TSSBITS == 32
    prepare(C16("nop"));
    two[T_FLAGS] = F_VM | 2;
    two[T_CS] = OTHER_AT >> 4;
    two[T_IP] = 0;
    two[T_SS] = two[T_DS] = two[T_ES] = two[T_FS] = two[T_GS] = 0x1234;
    memcpy((void *)CODE_AT, C32("jmp fword ptr [0x4000]")->start, 16);
    name("jmp to a task in virtual-8086 mode");
    in.ip = CODE_AT;
    run_case();
    outcome(0, other);
    tasks();
    prepare(nop);
    two[T_TRAP] = 1;
    go("jmp to a task with its debug trap", C32("jmp fword ptr [0x4000]"));
    tasks();
#endif
    prepare(nop);
    two[T_FLAGS] = F_TF | 2;
    go("jmp to a task with TF", C32("jmp fword ptr [0x4000]"));
    tasks();
    prepare(C32("mov ecx, dr7; mov edx, 0x400; mov dr7, edx"));
    wrdr7(0x455);
    go("local breakpoints", C32("jmp fword ptr [0x4000]"));
    tasks();
    wrdr7(0x400);
    user();
    prepare(nop);
    user();
    in.sp = STACK1;
    go("call at CPL3 of a TSS of DPL 3", C32("call fword ptr [0x4000]"));
    tasks();
    saved("call at CPL3 of a TSS of DPL 3");
}

static void refused(void)
{
    const struct code *nop = C32("nop"), *jmp = C32("jmp fword ptr [0x4000]"), *call = C32("call fword ptr [0x4000]");

    ok_flags = false;
    prepare(nop);
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, BUSY, 0);
    go("jmp to a busy TSS", jmp);
    tasks();
    go("call of a busy TSS", call);
    tasks();
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, AVAILABLE & 0x7f, 0);
    go("TSS not present", jmp);
    tasks();
    prepare(nop);
    segment(TSEL, (uint32_t)two, (TSSBITS == 32 ? 103 : 43) - 1, AVAILABLE, 0);
    go("TSS too short", jmp);
    tasks();
    prepare(nop);
    segment(TSEL, (uint32_t)two, TSSBITS == 32 ? 103 : 43, AVAILABLE, 0);
    go("TSS long enough", jmp);
    tasks();
    prepare(nop);
    *(volatile uint16_t *)0x4004 = GSEL;
    gdt[GSEL >> 3] = (uint64_t)TSEL << 16 | 0x650000000000;
    go("gate not present", jmp);
    tasks();
    gdt[GSEL >> 3] = (uint64_t)DATA << 16 | 0xe50000000000;
    go("gate to data", jmp);
    tasks();
    gdt[GSEL >> 3] = (uint64_t)(TSEL | 4) << 16 | 0xe50000000000;
    go("gate into the LDT", jmp);
    tasks();
    gdt[GSEL >> 3] = (uint64_t)0xfff8 << 16 | 0xe50000000000;
    go("gate beyond the GDT", jmp);
    tasks();
    prepare(nop);
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, BUSY, 0);
    gate(0x80, 0xe5, TSEL, 0);
    go("int to a busy TSS", C32("int 0x80"));
    tasks();
    gate(0x80, 0xe5, DATA, 0);
    go("int to data", C32("int 0x80"));
    tasks();
    gates_reset();
    prepare(nop);
    user();
    in.sp = STACK1;
    segment(TSEL, (uint32_t)two, sizeof(cell) * T_CELLS - 1, AVAILABLE, 0);
    go("CPL3 to a TSS of DPL 0", jmp);
    tasks();
    *(volatile uint16_t *)0x4004 = GSEL | 3;
    gdt[GSEL >> 3] = (uint64_t)TSEL << 16 | 0x850000000000;
    go("CPL3 to a gate of DPL 0", jmp);
    tasks();
}

/* Tasks of their own for #TS, #NP, #SS and #GP: the stack of the one that faults may be of no use. They end like a stub
 * of the IDT, and find an IP, CS and flags that are 0 above the error code. */
static void handler_tasks(void)
{
    static const struct code *entry[4];

    entry[0] = C32("push 10; jmp common");
    entry[1] = C32("push 11; jmp common");
    entry[2] = C32("push 12; jmp common");
    entry[3] = C32("push 13; jmp common");
    for (unsigned i = 0; i < 4; i++) {
        uint32_t *t = (uint32_t *)(0x1200 + i * 0x80), top = 0x4800 + i * 0x100;

        memset(t, 0, 104);
        memset((void *)(top - 12), 0, 12);
        t[7] = rdcr3();
        t[8] = (uint32_t)entry[i]->start;
        t[9] = 2;
        t[14] = top - 12;
        t[18] = t[20] = t[21] = t[22] = t[23] = DATA;
        t[19] = CODE;
        segment(HSEL + i * 8, (uint32_t)t, 103, 0x89, 0);
        gate(V_TS + i, 0x85, HSEL + i * 8, 0);
    }
}

/* Segments of the new task that are wrong: the fault is in the new task, before its first instruction. */
static void bad_segments(void)
{
    static const struct {
        const char *name;
        unsigned cell, sel, access;
    } bad[] = {{"CS null", T_CS, 0, 0},
               {"CS of data", T_CS, DATA, 0},
               {"CS not present", T_CS, XSEL, 0x1a},
               {"CS of DPL 3, RPL 0", T_CS, XSEL, 0xfa},
               {"CS of DPL 0, RPL 3", T_CS, XSEL | 3, 0x9a},
               {"CS beyond the GDT", T_CS, 0xfff8, 0},
               {"SS null", T_SS, 0, 0},
               {"SS not present", T_SS, XSEL, 0x12},
               {"SS read only", T_SS, XSEL, 0x90},
               {"SS of DPL 3", T_SS, XSEL, 0xf2},
               {"SS of RPL 3", T_SS, XSEL | 3, 0x92},
               {"SS beyond the GDT", T_SS, 0xfff8, 0},
               {"DS not present", T_DS, XSEL, 0x12},
               {"DS execute only", T_DS, XSEL, 0x98},
               {"DS of a TSS", T_DS, TSS, 0},
               {"DS with RPL 3", T_DS, XSEL | 3, 0x92},
               {"DS null", T_DS, 0, 0},
               {"ES beyond the GDT", T_ES, 0xfff8, 0},
               {"LDT of data", T_LDT, DATA, 0},
               {"LDT not present", T_LDT, XSEL, 0x02},
               {"LDT in the LDT", T_LDT, XSEL | 4, 0x82},
               {"LDT", T_LDT, XSEL, 0x82}};

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        prepare(C32("nop"));
        segment(XSEL, bad[i].cell == T_LDT ? (uint32_t)ldt : 0, bad[i].cell == T_LDT ? 31 : 0xfffff, bad[i].access,
                bad[i].cell == T_LDT ? 0 : 0xc);
        two[bad[i].cell] = bad[i].sel;
        handler_tasks();
        hidden = ~0U;
        go(bad[i].name, C32("jmp fword ptr [0x4000]"));
        hidden = 0;
        if (ev.vector == V_UD) {
            end();
            continue;
        }
        field("IP", two[T_IP] - OTHER_AT);
        field("flags", two[T_FLAGS]);
        field("cs", two[T_CS]);
        field("ss", two[T_SS]);
        field("ds", two[T_DS]);
        field("es", two[T_ES]);
        field("ldt", two[T_LDT]);
        field("link", *(uint32_t *)(0x1200 + (ev.vector - V_TS) * 0x80));
        tasks();
    }
    gates_reset();
    __asm__ volatile("lldt %w0" : : "r"(0));
}

#if TSSBITS == 32
static void paging(void)
{
    word first;

    pt_on(2);
    first = pt_root;
    /* A second set of tables, in which 300000h is elsewhere. */
    pt_on(2);
    *(volatile uint32_t *)0x300000 = 1;
    *(volatile uint32_t *)0x301000 = 2;
    pt_set(1, 0x300000, 0x301000 | PT_P | PT_W);
    word second = pt_root;
    wrcr3(first);
    prepare(C32("mov eax, [0x300000]; mov ebx, cr3"));
    two[T_CR3] = second;
    go("CR3", C32("mov eax, [0x300000]; call fword ptr [0x4000]"));
    print(" |");
    field("first seen", one[T_AX]);
    field("CR3 is the second", ev.r.bx == second);
    field("saved CR3", one[T_CR3]);
    tasks();
    wrcr3(first);
}
#endif

int main(void)
{
    wrcr0(rdcr0() & ~(word)CR0_TS);
    switches();
    refused();
    bad_segments();
#if TSSBITS == 32
    paging();
#endif
    return 0;
}
