/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMAP (SDM volume 3, 4.6.1): explicit accesses of the supervisor obey EFLAGS.AC, implicit ones (descriptor tables, the
 * TSS, the pushes of a switch to another level's stack) never get through, whatever AC says and whatever the CPL is.
 * The tables are put on pages of their own that CPL3 may use.
 */
#include "lib/sys.h"

#define CODE_AT 0x18000000000UL
enum { VA = 0x70000000 }; /* two pages: one is the case's table, one stays the supervisor's */
static word pa, code_pa;

static void for_user(bool yes)
{
    pt_set(1, VA, pa | PT_P | PT_W | (yes ? PT_U : 0) | PT_A | PT_D);
}

struct pointer {
    uint16_t limit;
    word base;
} __attribute__((packed));

static void gdt_at(word base)
{
    struct pointer p = {sizeof(gdt) - 1, base};

    __asm__ volatile("lgdt %0" : : "m"(p));
}
static void idt_at(word base)
{
    struct pointer p = {4095, base};

    __asm__ volatile("lidt %0" : : "m"(p));
}

/* Each with AC clear and set. */
static void both(const char *s, const char *with_ac, const struct code *c)
{
    word flags = in.flags;

    for_user(true);
    try(s, c);
    in.flags |= F_AC;
    try(with_ac, c);
    in.flags = flags;
    for_user(false);
}

#define BOTH(s, c) both(s, s ", AC", c)

/* The same at CPL3, on a page where it may run. */
static void user_one(const char *s, bool yes, const struct code *c)
{
    for_user(yes);
    memcpy((void *)code_pa, c->start, c->end - c->start + 2);
    in.ip = CODE_AT;
    name(s);
    run_case();
    outcome(CODE_AT, c);
    end();
    for_user(false);
}
static void user_both(const char *s, const char *with_ac, const struct code *c)
{
    user_one(s, true, c);
    in.flags |= F_AC;
    user_one(with_ac, true, c);
    in.flags &= ~(word)F_AC;
}

#define USER(s, c) user_both(s, s ", AC", c)

static void explicit(void)
{
    fresh();
    hidden = 1 << 4;
    in.di = in.si = VA;
    BOTH("load", C64("mov eax, [rdi]"));
    BOTH("store", C64("mov [rdi], eax"));
    BOTH("rmw", C64("lock add [rdi], eax"));
    BOTH("push", C64("mov rsp, rdi; add rsp, 0x100; push rax; mov rsp, 0x300000"));
    BOTH("movsb", C64("mov rdi, 0x300000; movsb"));
    BOTH("stosb", C64("stosb"));
    BOTH("sidt", C64("sidt [rdi + 0x100]"));
    BOTH("fxsave", C64("fxsave [rdi]"));
    BOTH("invlpg", C64("invlpg [rdi]"));
    BOTH("clflush", C64("clflush [rdi]"));
    BOTH("prefetch", C64("prefetcht0 [rdi]"));
    BOTH("lea", C64("lea rax, [rdi]"));
    if (HAS_SMAP) {
        in.ax = 0;
        for_user(true);
        try("stac, load, clac", C64("stac; mov eax, [rdi]; clac; xor eax, eax"));
        try("stac, clac, load", C64("stac; clac; mov eax, [rdi]"));
        try("popfq of AC, load", C64("push 0x40002; popfq; mov eax, [rdi]; push 2; popfq; xor eax, eax"));
        for_user(false);
        in.flags = F_ARITH | 2;
        ok_flags = true;
        try("stac's flags", C64("stac"));
        in.flags |= F_AC;
        try("clac's flags", C64("clac"));
        ok_flags = false;
        user();
        user_one("stac at CPL3", true, C64("stac"));
        user_one("clac at CPL3", true, C64("clac"));
        fresh();
        try("stac with 66h", C64(".byte 0x66, 0x0f, 0x01, 0xcb"));
        try("stac with LOCK", C64(".byte 0xf0, 0x0f, 0x01, 0xcb"));
    }
}

/* Selectors from 800h on are on the user's page: the others serve the delivery of the case's end. */
static void descriptor_table(void)
{
    enum { UDATA_THERE = 0x803, CODE_THERE = 0x808, LDT_THERE = 0x810, TSS_THERE = 0x820 };

    segment(UDATA_THERE, 0, 0xfffff, 0xf3, 0xc);
    segment(CODE_THERE, 0, 0xfffff, 0x9b, 0xa);
    segment(LDT_THERE, 0x300000, 0xfff, 0x82, 0);
    pt_set(1, VA - 0x1000, new_page() | PT_P | PT_W | PT_A | PT_D);
    memcpy((void *)(VA - 0x800), gdt, 0x1000);
    gdt_at(VA - 0x800);
    fresh();
    in.ax = UDATA_THERE;
    hidden = 1 << 1;
    BOTH("GDT, mov ds", C64("mov ds, eax"));
    BOTH("GDT, mov ss", C64("sub eax, 3; mov ss, eax; mov ecx, 0x10; mov ss, ecx"));
    BOTH("GDT, pop fs", C64("push rax; pop fs; mov ecx, 0; mov fs, ecx"));
    BOTH("GDT, far return", C64("push 0x808; lea rcx, [rip + 1f]; push rcx; retfq; 1: xor ecx, ecx"));
    BOTH("GDT, iretq",
         C64("mov rcx, rsp; push 0x10; push rcx; push 2; push 0x808; lea rcx, [rip + 1f]; push rcx; iretq; 1: "
             "xor ecx, ecx"));
    BOTH("GDT, lar", C64("lar ecx, eax; mov ecx, 0"));
    BOTH("GDT, lsl", C64("lsl ecx, eax; mov ecx, 0"));
    BOTH("GDT, verr", C64("verr ax"));
    BOTH("GDT, verw", C64("verw ax"));
    in.ax = LDT_THERE;
    BOTH("GDT, lldt", C64("lldt ax"));
    in.ax = TSS_THERE;
    BOTH("GDT, ltr", C64("ltr ax"));
    user();
    in.ax = UDATA_THERE;
    USER("GDT, mov ds at CPL3", C64("mov ds, eax"));
    USER("GDT, lsl at CPL3", C64("lsl ecx, eax; mov ecx, 0"));
    /* The LDT. */
    fresh();
    for_user(false);
    segment(FREE_SEL, VA, 0xfff, 0x82, 0);
    gdt[(FREE_SEL >> 3) + 1] = 0;
    gdt_at((word)gdt);
    __asm__ volatile("lldt %w0" : : "r"(FREE_SEL));
    *(volatile uint64_t *)(VA + 8) = gdt[UDATA >> 3];
    in.ax = 0xf;
    BOTH("LDT, mov ds", C64("mov ds, eax"));
    __asm__ volatile("lldt %w0" : : "r"(0));
}

static void interrupt_table(void)
{
    word low = VA - 0x800; /* vectors 0 to 7fh in the page before */

    memcpy((void *)(VA - 0x800), idt, 0x800);
    for_user(false);
    memcpy((void *)pa, idt + 0x800, 0x800);
    idt_at(low);
    fresh();
    BOTH("IDT, int", C64("int 0x80"));
    for_user(false);
    try("IDT, int, the supervisor's", C64("int 0x80"));
    user();
    USER("IDT, int at CPL3", C64("int 0x80"));
    idt_at((word)idt);
}

/* In the handlers of the faults no stack comes from the TSS. */
static void task_state(void)
{
    for_user(false);
    memcpy((void *)pa, tss, 256);
    segment(TSS, VA, 103, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    for (unsigned i = 0; i < 256; i++)
        gate_ist(i, 0);
    fresh();
    *(word *)(pa + 36 + 48) = 0x300000; /* IST 7 */
    gate_ist(0x80, 7);
    BOTH("TSS, int with IST", C64("int 0x80"));
    for_user(false);
    try("TSS, int with IST, the supervisor's", C64("int 0x80"));
    load_tables();
}

/* What a switch to CPL0 pushes. */
static void stack_switch(void)
{
    word was = *(word *)(tss + 4);

    user();
    *(word *)(tss + 4) = VA + 0x800;
    gate_ist(0x80, 0);
    user_one("stack of CPL0, int at CPL3", true, C64("int 0x80"));
    user_one("stack of CPL0, int at CPL3, the supervisor's", false, C64("int 0x80"));
    *(word *)(tss + 4) = was;
    gates_reset();
}

static void io_map(void)
{
    /* The I/O bitmap on the user's page, the rest of the TSS before it. */
    word base = VA - 104;

    for_user(false);
    memcpy((void *)base, tss, 104);
    *(uint16_t *)(base + 102) = 104;
    memset((void *)pa, 0, 128);
    segment(TSS, base, 104 + 127, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    user();
    in.dx = 0x80;
    user_one("I/O map, the supervisor's", false, C64("in al, dx; mov al, 1"));
    USER("I/O map", C64("in al, dx; mov al, 1"));
    load_tables();
}

int main(void)
{
    if (!HAS_SMAP) {
        note("no SMAP");
        return 0;
    }
    no_user();
    pa = new_page();
    pt_set(3, VA, pt_get(3, VA) | PT_U);
    pt_set(2, VA, 0); /* tables of their own instead of the 2 MiB pages */
    pt_set(2, VA - 0x1000, 0);
    for_user(false);
    code_pa = new_page();
    pt_set(1, CODE_AT, code_pa | PT_P | PT_U | PT_A | PT_D);
    wrcr4(rdcr4() | CR4_SMAP);
    explicit();
    descriptor_table();
    interrupt_table();
    task_state();
    stack_switch();
    io_map();
    /* With CR4.SMAP clear all get through. */
    wrcr4(rdcr4() & ~(word)CR4_SMAP);
    fresh();
    in.di = VA;
    for_user(true);
    try("without SMAP", C64("mov eax, [rdi]; xor eax, eax"));
    return 0;
}
