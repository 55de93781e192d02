/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LAR, LSL, VERR and VERW for every type of descriptor, CPL, RPL and DPL (SDM volume 3, 5.10; volume 2). For 32- and
 * 64-bit guests. */
#include "lib/sys.h"

#if BITS == 64
#define C C64
#else
#define C C32
#endif

static const struct code *lar, *lsl, *verr, *verw;

static word one(const struct code *c, unsigned sel)
{
    in.ip = (word)c->start;
    in.bx = sel;
    in.ax = 0x99999999;
    in.flags = F_ARITH | 2;
    run_case();
    if (ev.vector != V_UD || ev.r.ip != (word)c->end) {
        print(" ");
        print_vector(ev.vector);
        return 0;
    }
    if ((ev.r.flags ^ in.flags) & F_ARITH & ~(word)F_ZF)
        print(" other flags");
    return ev.r.flags & F_ZF;
}

static void all(unsigned sel)
{
    if (one(lar, sel))
        field("lar", ev.r.ax);
    if (one(lsl, sel))
        field("lsl", ev.r.ax);
    if (one(verr, sel))
        print(" verr");
    if (one(verw, sel))
        print(" verw");
    end();
}

static void number(const char *s, unsigned v)
{
    print(s);
    print_hex(v);
}

int main(void)
{
    lar = C("lar eax, ebx");
    lsl = C("lsl eax, ebx");
    verr = C("verr bx");
    verw = C("verw bx");
    fresh();
    for (unsigned type = 0; type < 32; type++) {
        segment(FREE_SEL, 0, 0x12345, 0x80 | type, 0x9);
        gdt[(FREE_SEL >> 3) + 1] = 0;
        number(type & 16 ? "segment type " : "system type ", type & 15);
        print(":");
        all(FREE_SEL);
    }
    segment(FREE_SEL, 0x12345678, 0xfff, 0x12, 0x0);
    print("data not present:");
    all(FREE_SEL);
    segment(FREE_SEL, 0x12345678, 0xabcde, 0xf2, 0xc);
    print("data, G:");
    all(FREE_SEL);
    print("null:");
    all(0);
    print("null, RPL 3:");
    all(3);
    print("beyond the GDT:");
    all(0xfff8);
    print("in no LDT:");
    all(FREE_SEL | 4);
    for (unsigned cpl = 0; cpl < 4; cpl += 3) {
        cpl ? user() : fresh();
        for (unsigned dpl = 0; dpl < 4; dpl++)
            for (unsigned rpl = 0; rpl < 4; rpl++) {
                static const struct {
                    const char *name;
                    uint8_t access;
                } kinds[] = {{"data", 0x92}, {"code", 0x9a}, {"conforming", 0x9e}, {"TSS", 0x89}};

                for (unsigned k = 0; k < 4; k++) {
                    segment(FREE_SEL, 0, 0xfff, kinds[k].access | dpl << 5, 0);
                    gdt[(FREE_SEL >> 3) + 1] = 0;
                    print(kinds[k].name);
                    number(" CPL ", cpl);
                    number(" DPL ", dpl);
                    number(" RPL ", rpl);
                    print(":");
                    all(FREE_SEL | rpl);
                }
            }
    }
    /* Operand sizes; the descriptor is not marked as accessed. */
    fresh();
    segment(FREE_SEL, 0, 0xabcde, 0x92, 0xc);
    in.bx = FREE_SEL;
    in.ax = in.cx = in.dx = 0x77777777;
    try("16 bits", C("lar ax, bx; lsl cx, bx"));
    in.bx = FREE_SEL | 0xffff0000;
    try("upper half of the selector", C("lar eax, ebx; lsl ecx, ebx"));
    say("the descriptor's access byte", gdt[FREE_SEL >> 3] >> 40 & 0xff);
    *(volatile uint16_t *)0x300000 = FREE_SEL;
    in.di = 0x300000;
    try("memory", C(".byte 0x0f, 0x02, 0x07, 0x0f, 0x03, 0x0f, 0x0f, 0x00, 0x27"));
    return 0;
}
