/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory ordering on two processors (SDM volume 3, 9.2): how often what is forbidden was seen. What is allowed (a load
 * before an older store to another place) is not counted.
 */
#include "smp.h"

enum { ROUNDS = 20000 };
static volatile uint32_t x SHARED, y SHARED;
static volatile uint64_t wide[4] SHARED;
static volatile bool stop SHARED;
static uint32_t r[2][ROUNDS + 1];
static uint32_t wrong;

/* Near each other, but nobody waits long. */
static void near(unsigned cpu, uint32_t i)
{
    smp_at[cpu] = i;
    for (unsigned k = 0; k < 200 && smp_at[!cpu] < i; k++)
        relax();
}

static void result(const char *s)
{
    name(s);
    field("wrong", wrong);
    end();
    wrong = 0;
    stop = false;
    x = y = 0;
    smp_at[0] = smp_at[1] = 0;
}

/* Both store, then load what the other stores. */
#define BUFFER(label, store)                                                                                           \
    static void label##0(void)                                                                                         \
    {                                                                                                                  \
        for (uint32_t i = 1; i <= ROUNDS; i++) {                                                                       \
            uint32_t v = i, a, b, c, d;                                                                                \
            near(0, i);                                                                                                \
            __asm__ volatile(store "\n\tmov %6, %1"                                                                    \
                             : "+S"(v), "=&r"(r[0][i]), "=a"(a), "=b"(b), "=c"(c), "=d"(d)                             \
                             : "m"(y), "D"(&x), "a"(0)                                                                 \
                             : "memory", "cc");                                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    static void label##1(void)                                                                                         \
    {                                                                                                                  \
        for (uint32_t i = 1; i <= ROUNDS; i++) {                                                                       \
            uint32_t v = i, a, b, c, d;                                                                                \
            near(1, i);                                                                                                \
            __asm__ volatile(store "\n\tmov %6, %1"                                                                    \
                             : "+S"(v), "=&r"(r[1][i]), "=a"(a), "=b"(b), "=c"(c), "=d"(d)                             \
                             : "m"(x), "D"(&y), "a"(0)                                                                 \
                             : "memory", "cc");                                                                        \
        }                                                                                                              \
    }
BUFFER(plain, "mov %0, (%%rdi)")
BUFFER(mfence, "mov %0, (%%rdi); mfence")
BUFFER(locked, "mov %0, (%%rdi); lock addl $0, (%%rsp)")
BUFFER(xchged, "xchg %0, (%%rdi)")
BUFFER(cpuided, "mov %0, (%%rdi); cpuid")
BUFFER(outed, "mov %0, (%%rdi); mov $0, %%al; out %%al, $0x80")
BUFFER(lidted, "mov %0, (%%rdi); sub $16, %%rsp; sidt (%%rsp); lidt (%%rsp); add $16, %%rsp")
BUFFER(ireted, "mov %0, (%%rdi); mov %%rsp, %%rax; pushq $0x10; push %%rax; pushfq; pushq $8; lea 1f(%%rip), %%rax; "
               "push %%rax; iretq; 1:")

/* Both load, then store what the other has loaded. */
static void load0(void)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        near(0, i);
        r[0][i] = y;
        x = i;
    }
}
static void load1(void)
{
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        near(1, i);
        r[1][i] = x;
        y = i;
    }
}

/* Neither sees the other's store: forbidden with something between store and load. */
static void buffer(const char *s, Job *a, Job *b, bool count)
{
    both(a, b);
    for (uint32_t i = 1; i <= ROUNDS && count; i++)
        wrong += r[0][i] < i && r[1][i] < i;
    result(s);
}

/* Message passing. */
#define MESSAGE(label, store)                                                                                          \
    static void label(void)                                                                                            \
    {                                                                                                                  \
        for (uint32_t i = 1; i <= 5 * ROUNDS; i++)                                                                     \
            __asm__ volatile(store "; mov %0, (%2)" : : "a"(i), "D"(&x), "r"(&y) : "memory", "cc");                    \
        stop = true;                                                                                                   \
    }
MESSAGE(send, "mov %0, (%%rdi)")
MESSAGE(send_nt, "movnti %0, (%%rdi); sfence")
MESSAGE(send_string, "stosl; sub $4, %%rdi")
MESSAGE(send_locked, "lock addl $1, (%%rdi)")
static void receive(void)
{
    uint32_t last = 0, bad = 0;

    while (!stop) {
        uint32_t f = y, d = x, e = x;

        bad += d < f || e < d || f < last;
        last = f;
    }
    wrong = bad;
}

/* Aligned operands, and those within eight aligned bytes or a line, are whole. */
static unsigned place;
static void halves(void)
{
    volatile uint64_t *p = (volatile uint64_t *)((word)wide + place);

    for (uint32_t i = 0; i < ROUNDS; i++) {
        *p = 0;
        *p = ~0UL;
    }
    stop = true;
}
static void whole(void)
{
    volatile uint64_t *p = (volatile uint64_t *)((word)wide + place);
    uint32_t bad = 0;

    while (!stop) {
        uint64_t v = *p;
        bad += v && ~v;
    }
    wrong = bad;
}
static void halves4(void)
{
    volatile uint32_t *p = (volatile uint32_t *)((word)wide + place);

    for (uint32_t i = 0; i < ROUNDS; i++) {
        *p = 0;
        *p = ~0U;
    }
    stop = true;
}
static void whole4(void)
{
    volatile uint32_t *p = (volatile uint32_t *)((word)wide + place);
    uint32_t bad = 0;

    while (!stop) {
        uint32_t v = *p;
        bad += v && ~v;
    }
    wrong = bad;
}
static void push_pop(void)
{
    /* The same by PUSH and POP, which have other ways to memory. */
    __asm__ volatile("mov %%rsp, %%rbx; lea wide+8(%%rip), %%rsp; mov $20000, %%ecx\n\t"
                     "1: pushq $0; pop %%rax; pushq $-1; pop %%rax; dec %%ecx; jnz 1b; mov %%rbx, %%rsp"
                     :
                     :
                     : "rax", "rbx", "rcx", "memory", "cc");
    stop = true;
}

int main(void)
{
    smp_start();
    buffer("stores and loads, nothing between", plain0, plain1, false);
    buffer("stores and loads, mfence", mfence0, mfence1, true);
    buffer("stores and loads, lock", locked0, locked1, true);
    buffer("stores and loads, xchg", xchged0, xchged1, true);
    buffer("stores and loads, cpuid", cpuided0, cpuided1, true);
    buffer("stores and loads, out", outed0, outed1, true);
    buffer("stores and loads, lidt", lidted0, lidted1, true);
    buffer("stores and loads, iret", ireted0, ireted1, true);
    both(load0, load1);
    for (uint32_t i = 1; i <= ROUNDS; i++)
        wrong += r[0][i] >= i && r[1][i] >= i;
    result("loads and stores");
    both(send, receive);
    result("message");
    both(send_nt, receive);
    result("message, movnti and sfence");
    both(send_string, receive);
    result("message, stos");
    both(send_locked, receive);
    result("message, lock");
    both(halves, whole);
    result("8 bytes");
    place = 4;
    both(halves4, whole4);
    result("4 bytes");
    place = 0;
    both(push_pop, whole);
    result("push and pop");
    return 0;
}
