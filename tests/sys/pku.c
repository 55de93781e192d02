/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protection keys of user pages (SDM volume 3, 4.6.2 and 4.7): access and write disable, at CPL3 and CPL0, CR0.WP,
 * bit 5 of the error code; RDPKRU, WRPKRU, XSAVE's copy. */
#include "lib/sys.h"

#define VA      0x18000000000UL
#define CODE_AT (VA + 0x80000000)
static word pa, code_pa;
static const struct code *rd, *wr, *fetch;

static void wrpkru(uint32_t v)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(v), "c"(0), "d"(0) : "memory");
}
static uint32_t rdpkru(void)
{
    uint32_t v;
    __asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(v) : "c"(0) : "edx");
    return v;
}

static void access(bool cpl3, const struct code *c)
{
    cpl3 ? user() : fresh();
    in.flags = 2;
    in.ax = 0;
    in.di = VA + 8;
    in.ip = (word)c->start;
    if (cpl3) {
        memcpy((void *)code_pa, c->start, c->end - c->start + 2);
        in.ip = CODE_AT;
    }
    run_case();
    print(" ");
    if (ev.vector == V_PF)
        print_hex(ev.error);
    else if (ev.vector == V_UD)
        print(".");
    else
        print_vector(ev.vector);
}

static void all(const char *s)
{
    name(s);
    for (unsigned cpl3 = 0; cpl3 < 2; cpl3++) {
        access(cpl3, rd);
        access(cpl3, wr);
        *(volatile uint16_t *)(pa + 8) = 0x0b0f;
        access(cpl3, fetch);
        print(cpl3 ? "" : " |");
    }
    end();
}

static void matrix(const char *s, unsigned bits, unsigned key)
{
    static const char *const what[] = {", none", ", AD", ", WD", ", AD and WD"};
    static char text[64];

    pt_set(1, VA, pa | PT_P | bits | (uint64_t)key << 59);
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = 0;
        for (const char *p = s; *p; p++)
            text[n++] = *p;
        for (const char *p = what[i]; *p; p++)
            text[n++] = *p;
        text[n] = 0;
        wrpkru(i << 2 * key);
        all(text);
    }
    wrpkru(0);
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    if (!HAS_PKU) {
        note("no PKU");
        return 0;
    }
    rd = C64("mov al, [rdi]");
    wr = C64("mov [rdi], al");
    fetch = C64("jmp rdi");
    no_user();
    pa = new_page();
    code_pa = new_page();
    pt_set(1, CODE_AT, code_pa | PT_P | PT_U | PT_A | PT_D);
    in.ax = in.cx = in.dx = 0;
    say("OSPKE without CR4.PKE", has(7, 2, 4));
    try("rdpkru without CR4.PKE", C64(".byte 0x0f, 0x01, 0xee"));
    try("wrpkru without CR4.PKE", C64(".byte 0x0f, 0x01, 0xef"));
    pt_set(1, VA, pa | PT_P | PT_W | PT_U | 15ULL << 59);
    all("keys are ignored without CR4.PKE");
    wrcr4(rdcr4() | CR4_PKE);
    say("OSPKE", has(7, 2, 4));
    say("at reset", rdpkru());
    fresh();
    hidden = 0;
    in.cx = 0xffffffff00000000;
    in.ax = in.dx = ~0UL;
    try("rdpkru", C64(".byte 0x0f, 0x01, 0xee"));
    in.cx = 1;
    try("rdpkru, ecx 1", C64(".byte 0x0f, 0x01, 0xee"));
    in.cx = 0;
    in.dx = 1;
    in.ax = 0;
    try("wrpkru, edx 1", C64(".byte 0x0f, 0x01, 0xef"));
    in.dx = 0;
    in.cx = 1;
    try("wrpkru, ecx 1", C64(".byte 0x0f, 0x01, 0xef"));
    in.cx = in.dx = 0xffffffff00000000;
    in.ax = 0xffffffff12345678;
    try("wrpkru, upper halves", C64(".byte 0x0f, 0x01, 0xef; .byte 0x0f, 0x01, 0xee"));
    wrpkru(0);
    page(CODE_AT + 0x1000, RX);
    user();
    in.ax = 0x55555550;
    in.cx = in.dx = 0;
    try_at("at CPL3", CODE_AT + 0x1000, C64(".byte 0x0f, 0x01, 0xef; xor eax, eax; .byte 0x0f, 0x01, 0xee"));
    try_at("with a LOCK", CODE_AT + 0x1000, C64(".byte 0xf0, 0x0f, 0x01, 0xef"));
    try_at("with 66h", CODE_AT + 0x1000, C64(".byte 0x66, 0x0f, 0x01, 0xee"));
    wrpkru(0);
    matrix("key 1, user page", PT_W | PT_U, 1);
    matrix("key 15, user page", PT_W | PT_U, 15);
    matrix("key 0, user page", PT_W | PT_U, 0);
    matrix("key 1, read only", PT_U, 1);
    matrix("key 1, supervisor's page", PT_W, 1);
    wrcr0(rdcr0() | CR0_WP);
    matrix("WP, key 1, user page", PT_W | PT_U, 1);
    matrix("WP, key 1, read only", PT_U, 1);
    if (HAS_SMAP) {
        wrcr4(rdcr4() | CR4_SMAP);
        matrix("WP and SMAP, key 1, user page", PT_W | PT_U, 1);
        wrcr4(rdcr4() & ~(word)CR4_SMAP);
    }
    wrcr0(rdcr0() & ~(word)CR0_WP);
    wrpkru(4);
    pt_set(1, VA, pa | 1ULL << 59 | PT_W | PT_U);
    all("not present, AD");
    pt_set(1, VA, pa | 1ULL << 59 | PT_W | PT_U | PT_P);
    /* Another key is another key. */
    wrpkru(0xfffffff3);
    all("only key 1 allowed");
    wrpkru(0);
    /* A large page: the key is that of its own entry. */
    uint64_t was = pt_get(2, VA);
    pt_set(2, VA, 0x1000000 | PT_P | PT_W | PT_U | PT_PS | 2ULL << 59);
    wrpkru(0x10);
    name("large page of key 2, AD");
    access(true, rd);
    wrpkru(0xc);
    access(true, rd);
    end();
    wrpkru(0);
    pt_set(2, VA, was | 3ULL << 59); /* ignored in what refers to a table */
    wrpkru(0xc0);
    name("key of a table");
    access(true, rd);
    end();
    pt_set(2, VA, was);
    /* XSAVE and XRSTOR know it as component 9. */
    uint32_t r[4];
    cpuid(0xd, 0, r);
    if (HAS_XSAVE && r[0] >> 9 & 1) {
        static uint8_t area[4096] __attribute__((aligned(64)));

        cpuid(0xd, 9, r);
        say("xsave, size", r[0]);
        wrcr4(rdcr4() | CR4_OSXSAVE);
        __asm__ volatile("xsetbv" : : "a"(0x203), "d"(0), "c"(0));
        wrpkru(0x12340000);
        __asm__ volatile("xsave (%0)" : : "r"(area), "a"(0x200), "d"(0) : "memory");
        say("xsave, header", *(uint64_t *)(area + 512));
        say("xsave, value", *(uint32_t *)(area + r[1]));
        wrpkru(0);
        *(uint32_t *)(area + r[1]) = 4;
        name("xrstor of AD");
        access(true, rd);
        __asm__ volatile("xrstor (%0)" : : "r"(area), "a"(0x200), "d"(0) : "memory");
        access(true, rd);
        end();
        *(uint64_t *)(area + 512) = 0;
        name("xrstor of the initial state");
        __asm__ volatile("xrstor (%0)" : : "r"(area), "a"(0x200), "d"(0) : "memory");
        access(true, rd);
        field("is", rdpkru());
        end();
    }
    wrpkru(4);
    name("CR4.PKE off and on");
    access(true, rd);
    wrcr4(rdcr4() & ~(word)CR4_PKE);
    access(true, rd);
    wrcr4(rdcr4() | CR4_PKE);
    access(true, rd);
    field("is", rdpkru());
    end();
    return 0;
}
