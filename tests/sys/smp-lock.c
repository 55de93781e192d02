/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LOCK on two processors at once (SDM volume 3, 9.1.2): no update is lost, whatever the form, the size, and whether
 * the operand is aligned, crosses a cache line or a page. What is printed is the sum, or how often it was wrong.
 */
#include "smp.h"

#define WINDOW 0x200000000 /* two pages that are not neighbours in memory */

static volatile void *place;
static uint32_t rounds;
static volatile uint32_t wrong[2] SHARED;
static volatile uint64_t token[2] SHARED;

/* Forms that count: each adds 1. */
#define COUNT(label, text, suffix, type)                                                                               \
    static void label##_##suffix(void)                                                                                 \
    {                                                                                                                  \
        volatile type *p = (volatile type *)place;                                                                     \
        for (uint32_t i = 0; i < rounds; i++)                                                                          \
            __asm__ volatile(text : : "D"(p), "a"((type)1), "c"((type)-1) : "memory", "cc");                           \
    }
#define ALL_SIZES(label, op, args1, args2, args4, args8)                                                               \
    COUNT(label, op "b " args1 "(%%rdi)", b, uint8_t)                                                                  \
    COUNT(label, op "w " args2 "(%%rdi)", w, uint16_t)                                                                 \
    COUNT(label, op "l " args4 "(%%rdi)", l, uint32_t)                                                                 \
    COUNT(label, op "q " args8 "(%%rdi)", q, uint64_t)
ALL_SIZES(add, "lock add", "%%al,", "%%ax,", "%%eax,", "%%rax,")
ALL_SIZES(addi, "lock add", "$1,", "$1,", "$1,", "$1,")
ALL_SIZES(sub, "lock sub", "%%cl,", "%%cx,", "%%ecx,", "%%rcx,")
ALL_SIZES(inc, "lock inc", "", "", "", "")
ALL_SIZES(adc, "stc; lock adc", "$0,", "$0,", "$0,", "$0,")
ALL_SIZES(sbb, "stc; lock sbb", "$-2,", "$-2,", "$-2,", "$-2,")
#undef COUNT
#define COUNT(label, text, suffix, type)                                                                               \
    static void label##_##suffix(void)                                                                                 \
    {                                                                                                                  \
        volatile type *p = (volatile type *)place;                                                                     \
        for (uint32_t i = 0; i < rounds; i++) {                                                                        \
            type one = 1;                                                                                              \
            __asm__ volatile(text : "+a"(one) : "D"(p) : "memory", "cc");                                              \
        }                                                                                                              \
    }
ALL_SIZES(xadd, "lock xadd", "%%al,", "%%ax,", "%%eax,", "%%rax,")
#undef COUNT
#define COUNT(label, text, suffix, type)                                                                               \
    static void label##_##suffix(void)                                                                                 \
    {                                                                                                                  \
        volatile type *p = (volatile type *)place;                                                                     \
        for (uint32_t i = 0; i < rounds; i++) {                                                                        \
            type old = *p, seen;                                                                                       \
            for (;; old = seen) {                                                                                      \
                __asm__ volatile(text : "=a"(seen) : "a"(old), "c"((type)(old + 1)), "D"(p) : "memory", "cc");         \
                if (seen == old)                                                                                       \
                    break;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }
ALL_SIZES(cmpxchg, "lock cmpxchg", "%%cl,", "%%cx,", "%%ecx,", "%%rcx,")
#undef COUNT
#define COUNT(label, text, suffix, type)                                                                               \
    static void label##_##suffix(void)                                                                                 \
    {                                                                                                                  \
        volatile type *p = (volatile type *)place;                                                                     \
        for (uint32_t i = 0; i < rounds; i++)                                                                          \
            __asm__ volatile(text : : "D"(p) : "memory", "cc");                                                        \
    }
ALL_SIZES(dec, "lock dec", "", "", "", "")
/* Parity: an odd number each, so that nothing is left of it. */
ALL_SIZES(not_, "lock not", "", "", "", "")
ALL_SIZES(neg, "lock neg", "", "", "", "")
#undef COUNT

static void cmpxchg8b(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint32_t a = 0, d = 0;
        uint8_t ok;
        do {
            uint64_t new = (a | (uint64_t)d << 32) + 0x100000001;
            __asm__ volatile("lock cmpxchg8b (%%rdi); setz %0"
                             : "=q"(ok), "+a"(a), "+d"(d)
                             : "b"((uint32_t) new), "c"((uint32_t)(new >> 32)), "D"(place)
                             : "memory", "cc");
        } while (!ok);
    }
}

static void cmpxchg16b(void)
{
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t a = 0, d = 0;
        uint8_t ok;
        do {
            __asm__ volatile("lock cmpxchg16b (%%rdi); setz %0"
                             : "=q"(ok), "+a"(a), "+d"(d)
                             : "b"(a + 1), "c"(d + 1), "D"(place)
                             : "memory", "cc");
        } while (!ok);
    }
}

/* Each processor has bits of its own, and nobody else changes them. */
static void bits_of(unsigned cpu)
{
    volatile uint32_t *p = (volatile uint32_t *)place;
    uint32_t mine = cpu ? 0xaaaaaaaa : 0x55555555, bad = 0;

    for (uint32_t i = 0; i < rounds; i++) {
        word bit = (i % 16) * 2 + cpu;
        uint32_t m = 1u << bit;

#define CHECK(want)                                                                                                    \
    do {                                                                                                               \
        if ((*p & mine) != (want))                                                                                     \
            bad++;                                                                                                     \
    } while (0)
        __asm__ volatile("lock orl %1, (%0)" : : "r"(p), "r"(m) : "memory", "cc");
        CHECK(m);
        __asm__ volatile("lock andl %1, (%0)" : : "r"(p), "r"(~m) : "memory", "cc");
        CHECK(0);
        __asm__ volatile("lock xorl %1, (%0)" : : "r"(p), "r"(mine) : "memory", "cc");
        CHECK(mine);
        __asm__ volatile("lock xorl %1, (%0)" : : "r"(p), "r"(mine) : "memory", "cc");
        CHECK(0);
        __asm__ volatile("lock btsl %1, (%0)" : : "r"(p), "r"((uint32_t)bit) : "memory", "cc");
        CHECK(m);
        __asm__ volatile("lock btrl %1, (%0)" : : "r"(p), "r"((uint32_t)bit) : "memory", "cc");
        CHECK(0);
        __asm__ volatile("lock btcq %1, (%0)" : : "r"(p), "r"(bit) : "memory", "cc");
        CHECK(m);
        __asm__ volatile("lock btcl %1, (%0)" : : "r"(p), "r"((uint32_t)bit) : "memory", "cc");
        CHECK(0);
    }
    wrong[cpu] = bad;
}
static void bits0(void)
{
    bits_of(0);
}
static void bits1(void)
{
    bits_of(1);
}

/* XCHG locks without the prefix: what is swapped is neither lost nor there twice. */
#define SWAP(cpu, suffix, type)                                                                                        \
    static void swap##cpu##suffix(void)                                                                                \
    {                                                                                                                  \
        volatile type *p = (volatile type *)place;                                                                     \
        type t = 2 + 2 * cpu;                                                                                          \
        for (uint32_t i = 0; i < rounds; i++)                                                                          \
            __asm__ volatile("xchg" #suffix " %0, %1" : "+r"(t), "+m"(*p) : : "memory");                               \
        token[cpu] = t;                                                                                                \
    }
SWAP(0, w, uint16_t)
SWAP(0, l, uint32_t)
SWAP(0, q, uint64_t)
SWAP(1, w, uint16_t)
SWAP(1, l, uint32_t)
SWAP(1, q, uint64_t)

/* A store between a LOCK's load and store would be lost; a load would see half of it. */
static void halves(void)
{
    for (uint32_t i = 0; i < rounds; i++)
        __asm__ volatile("lock notq (%0)" : : "r"(place) : "memory");
}
static void watch(void)
{
    uint32_t bad = 0;

    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t v = 0;
        __asm__ volatile("lock xaddq %0, (%1)" : "+r"(v) : "r"(place) : "memory", "cc");
        if (v && v != ~0UL)
            bad++;
    }
    wrong[1] = bad;
}

/* Beside LOCKs on the whole, those on its upper half, and plain stores there. */
static void whole(void)
{
    for (uint32_t i = 0; i < rounds; i++)
        __asm__ volatile("lock addq $1, (%0)" : : "r"(place) : "memory", "cc");
}
static void upper(void)
{
    for (uint32_t i = 0; i < rounds; i++)
        __asm__ volatile("lock addl $1, 4(%0)" : : "r"(place) : "memory", "cc");
}
static void stores(void)
{
    volatile uint32_t *p = (volatile uint32_t *)place + 1;
    uint32_t bad = 0;

    for (uint32_t i = 0; i < rounds; i++) {
        *p = i;
        for (unsigned k = 0; k < 4; k++)
            if (*p != i)
                bad++;
    }
    wrong[1] = bad;
}

static const char *where;
static void title(const char *form, unsigned size)
{
    print(form);
    print(" ");
    print_hex(size);
    print(where);
}

static void set(uint64_t v)
{
    for (unsigned i = 0; i < 16; i++)
        ((volatile uint8_t *)place)[i] = i < 8 ? v >> i * 8 : 0;
    wrong[0] = wrong[1] = 0;
}

static uint64_t get(unsigned size)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)((volatile uint8_t *)place)[i] << i * 8;
    return v;
}

static void count(const char *form, unsigned size, Job *job, uint64_t from)
{
    set(from);
    both(job, job);
    title(form, size);
    field("sum", get(size));
    end();
}

#define FORMS(label, form, from)                                                                                       \
    do {                                                                                                               \
        if (aligned)                                                                                                   \
            count(form, 1, label##_b, from);                                                                           \
        count(form, 2, label##_w, from);                                                                               \
        count(form, 4, label##_l, from);                                                                               \
        count(form, 8, label##_q, from);                                                                               \
    } while (0)

static void all(word at, uint32_t n, const char *s)
{
    bool aligned = !(at & 7);

    place = (volatile void *)at;
    rounds = n;
    where = s;
    FORMS(add, "add", 0);
    FORMS(addi, "add immediate", 0);
    FORMS(sub, "sub", 0);
    FORMS(inc, "inc", 0);
    FORMS(adc, "adc", 0);
    FORMS(sbb, "sbb", 0);
    FORMS(xadd, "xadd", 0);
    FORMS(cmpxchg, "cmpxchg", 0);
    FORMS(dec, "dec", (uint64_t)-1);
    rounds = n | 1;
    FORMS(not_, "not", 0x1234);
    FORMS(neg, "neg", 0x1234);
    rounds = n;
    count("cmpxchg8b", 8, cmpxchg8b, 0);
    if (aligned) {
        count("cmpxchg16b", 8, cmpxchg16b, 0);
        place = (volatile void *)(at + 8);
        title("cmpxchg16b high", 8);
        field("sum", get(8));
        end();
        place = (volatile void *)at;
    }
    set(0);
    both(bits0, bits1);
    title("bits", 4);
    field("wrong", wrong[0] + wrong[1]);
    end();
    static Job *const swaps[3][2] = {{swap0w, swap1w}, {swap0l, swap1l}, {swap0q, swap1q}};
    for (unsigned i = 0; i < 3; i++) {
        set(6);
        both(swaps[i][0], swaps[i][1]);
        uint64_t a = token[0], b = token[1], m = get(2 << i);

        title("xchg", 2 << i);
        print(a + b + m == 12 && a * b * m == 48 ? " each once" : " lost or twice");
        end();
    }
    set(0);
    both(whole, upper);
    title("whole and half", 8);
    field("sum", get(8));
    end();
    set(0);
    both(whole, stores);
    title("beside a store", 8);
    field("sum", get(4));
    field("wrong", wrong[1]);
    end();
    set(0);
    both(halves, watch);
    title("halves", 8);
    field("wrong", wrong[1]);
    end();
}

int main(void)
{
    word second = new_page(), first = new_page();

    pt_set(1, WINDOW, first | PT_P | PT_W | PT_A | PT_D);
    pt_set(1, WINDOW + 0x1000, second | PT_P | PT_W | PT_A | PT_D);
    smp_start();
    all(WINDOW + 0x100, 0x1000, "");
    all(WINDOW + 0x13f, 0x400, ", across a line");
    all(WINDOW + 0xfff, 0x400, ", across a page");
    return 0;
}
