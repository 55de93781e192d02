/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cases and what is printed of them: shared by the guests and by host.c. See sys.h. */
#include "sys.h"
#ifdef HOST
int putchar(int c);
#endif

struct regs in;
struct event ev;
word flags_shown = ~0UL;
bool ok_flags;
uint32_t hidden;
static char user_stack[0x1000] __attribute__((aligned(16)));
static char test_stack[0x1000] __attribute__((aligned(16)));

/* To the debug port. */
static void put(char c)
{
#ifdef HOST
    putchar(c);
#else
    outb(0xe9, c);
#endif
}

void print(const char *s)
{
    while (*s)
        put(*s++);
}

void print_hex(uint64_t v)
{
    unsigned digits = 1;
    while (digits < 16 && v >> digits * 4)
        digits++;
    while (digits--)
        put("0123456789abcdef"[v >> digits * 4 & 15]);
}

void name(const char *s)
{
    print(s);
    print(":");
}

void field(const char *s, uint64_t v)
{
    print(" ");
    print(s);
    print("=");
    print_hex(v);
}

void end(void)
{
    print("\n");
}

void say(const char *s, uint64_t v)
{
    name(s);
    print(" ");
    print_hex(v);
    end();
}

void note(const char *s)
{
    print(s);
    end();
}

static const char *const vectors[] = {"#DE", "#DB", "NMI", "#BP", "#OF",   "#BR", "#UD", "#NM", "#DF", "int9", "#TS",
                                      "#NP", "#SS", "#GP", "#PF", "int15", "#MF", "#AC", "#MC", "#XM", "#VE",  "#CP"};

void print_vector(unsigned v)
{
    if (v < sizeof(vectors) / sizeof(vectors[0])) {
        print(vectors[v]);
    } else {
        print("int");
        print_hex(v);
    }
}

void fresh(void)
{
    word *w = (word *)&in;

    for (unsigned i = 0; i < R_IP; i++)
        w[i] = 0x1000001 * (i + 1);
    in.sp = (word)test_stack + sizeof(test_stack);
    in.flags = 2;
    in.cs = CODE;
    in.ss = in.ds = in.es = DATA;
    in.fs = in.gs = 0;
}

void user(void)
{
    fresh();
    in.cs = BITS == 64 ? UCODE64 : UCODE32;
    in.ss = in.ds = in.es = UDATA;
    in.sp = (word)user_stack + sizeof(user_stack);
}

void outcome(word base, const struct code *code)
{
    static const char names[][4] = {"ax", "cx", "dx",  "bx",  "sp",  "bp",  "si",  "di",
                                    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char segments[][3] = {"ss", "ds", "es", "fs", "gs"};
    const struct regs *r = &ev.r;
    word off = r->ip - base;
    bool ok = ev.vector == V_UD && off == (word)(code->end - code->start);

    if (ok) {
        print(" ok");
        if (r->cs != in.cs)
            field("cs", r->cs);
        if (ok_flags)
            field("fl", r->flags & ~F_RF & flags_shown);
    } else {
        print(" ");
        print_vector(ev.vector);
        if (ev.has_error) {
            print("(");
            print_hex(ev.error);
            print(")");
        }
        if (r->cs != in.cs)
            field("cs", r->cs);
        if (off <= (word)(code->end - code->start)) {
            print(" +");
            print_hex(off);
        } else {
            field("ip", r->ip);
        }
        field("fl", r->flags & flags_shown);
        if (ev.vector == V_PF)
            field("cr2", ev.cr2);
        if (ev.vector == V_DB)
            field("dr6", ev.dr6);
    }
    for (unsigned i = 0; i < R_IP; i++) {
        word was = ((word *)&in)[i], is = ((word *)r)[i];

        if (was == is || (hidden >> i & 1))
            continue;
        print(" ");
        print(names[i]);
        if (i == 4) { /* SP: by how much */
            print(is < was ? "-" : "+");
            print_hex(is < was ? was - is : is - was);
        } else {
            print("=");
            print_hex(is);
        }
    }
    for (unsigned i = 0; i < 5; i++)
        if (((word *)r)[R_IP + 3 + i] != ((word *)&in)[R_IP + 3 + i] && !(hidden >> (16 + i) & 1))
            field(segments[i], ((word *)r)[R_IP + 3 + i]);
}

void try_(const char *s, const struct code *code)
{
    name(s);
    in.ip = (word)code->start;
    run_case();
    outcome(in.ip, code);
}

void try(const char *s, const struct code *code)
{
    try_(s, code);
    end();
}

void try_at(const char *s, word address, const struct code *code)
{
    memcpy((void *)address, code->start, code->end - code->start + 2);
    name(s);
    in.ip = address;
    run_case();
    outcome(address, code);
    end();
}

void try_to(const char *s, const struct code *code, const struct code *handler)
{
    name(s);
    in.ip = (word)code->start;
    run_case();
    outcome((word)handler->start, handler);
    end();
}
