/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Double faults (SDM volume 3, table 6-5): which second exceptions make one, which are handled one after the other;
 * then the triple fault that LAST names, at which the machine resets.
 */
#include "lib/sys.h"

/* The vector's handler cannot be entered: the gate is not present (#NP), leads to a data segment (#GP) or has a stack
 * that is not mapped (#PF) or not canonical (#SS). */
static void bad(unsigned vector, unsigned second)
{
    switch (second) {
    case V_NP:
        gate(vector, 0x6e, CODE, (word)stubs + vector * 16);
        break;
    case V_GP:
        gate(vector, 0xee, DATA, (word)stubs + vector * 16);
        break;
    case V_PF:
        *(word *)(tss + 36 + 8) = 0x0000700000000000;
        gate_ist(vector, 2);
        break;
    case V_SS:
        *(word *)(tss + 36 + 16) = 0x8000000000000000;
        gate_ist(vector, 3);
        break;
    }
}

/* A fault that the handler of another makes by itself is not one of its delivery. */
static void in_a_handler(const struct code *c)
{
    const struct code *handler = C64("mov rbx, 0x8000000000000000; mov eax, [rbx]");

    fresh();
    gate(V_PF, 0x8e, CODE, (word)handler->start);
    gate_ist(V_PF, 1);
    in.ip = (word)c->start;
    run_case();
    name("#GP in the handler of #PF");
    print(" ");
    print_vector(ev.vector);
    end();
    gates_reset();
}

int main(void)
{
    static const uint8_t seconds[] = {V_NP, V_SS, V_GP, V_PF};
    const struct {
        const char *name;
        unsigned vector;
        const struct code *c;
    } firsts[] = {{"#DE", V_DE, C64("xor edx, edx; xor ecx, ecx; div ecx")},
                  {"#UD", V_UD, C64("nop; ud2; nop")},
                  {"#BP", V_BP, C64("int3; nop")},
                  {"#DB", V_DB, C64("nop; nop")},
                  {"#NP", V_NP, C64("mov eax, 0xa0; mov ds, eax")},
                  {"#SS", V_SS, C64("mov rbp, 0x8000000000000000; mov eax, [rbp]")},
                  {"#GP", V_GP, C64("mov rbx, 0x8000000000000000; mov eax, [rbx]")},
                  {"#PF", V_PF, C64("mov rbx, 0x0000600000000000; mov eax, [rbx]")},
                  {"int 80h", 0x80, C64("int 0x80")}};

    hidden = 0xffff;
    segment(FREE_SEL, 0, 0xfffff, 0x13, 0xc); /* data, not present */
    for (unsigned f = 0; LAST == 1 && f < sizeof(firsts) / sizeof(firsts[0]); f++)
        for (unsigned s = 0; s < sizeof(seconds); s++) {
            fresh();
            hidden = 0xffff;
            if (firsts[f].vector == V_DB)
                in.flags = F_TF | 2;
            if (firsts[f].vector == seconds[s] && seconds[s] == V_NP)
                continue; /* its own gate has to be the bad one: the second is the same #NP */
            bad(firsts[f].vector, seconds[s]);
            in.ip = (word)firsts[f].c->start;
            run_case();
            print(firsts[f].name);
            print(", then ");
            print_vector(seconds[s]);
            print(": ");
            print_vector(ev.vector);
            if (ev.vector == V_DF)
                field("code", ev.error);
            end();
            gates_reset();
        }
    if (LAST == 1)
        in_a_handler(firsts[7].c);
    fresh();
    print("triple fault: ");
    switch (LAST) {
    case 1: /* #DF's gate is not present */
        bad(V_GP, V_NP);
        bad(V_DF, V_NP);
        in.ip = (word)firsts[6].c->start;
        break;
    case 2: /* #DF's stack is not mapped */
        bad(V_PF, V_PF);
        bad(V_DF, V_PF);
        in.ip = (word)firsts[7].c->start;
        break;
    case 3: { /* no IDT */
        static struct {
            uint16_t limit;
            word base;
        } __attribute__((packed)) none;
        __asm__ volatile("lidt %0" : : "m"(none));
        in.ip = (word)firsts[1].c->start;
        break;
    }
    }
    run_case();
    print("goes on\n");
    return 0;
}
