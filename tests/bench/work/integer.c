/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integer code as compilers write it: loops, calls, branches, loads. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "work.h"

static uint64_t sieve(uint64_t rounds)
{
    enum { SIZE = 1 << 20 };
    uint8_t *composite = allocate(SIZE);
    uint64_t sum = MIX_START;
    while (rounds--) {
        uint64_t count = 0;
        memset(composite, 0, SIZE);
        for (unsigned i = 2; i < SIZE; i++) {
            if (composite[i])
                continue;
            count++;
            for (uint64_t j = (uint64_t)i * i; j < SIZE; j += i)
                composite[j] = 1;
        }
        sum = mix(sum, count);
    }
    return sum;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* libc's qsort: unpredictable branches and an indirect call for each comparison. */
static uint64_t sort(uint64_t rounds)
{
    enum { COUNT = 100000 };
    uint32_t *v = allocate(COUNT * sizeof(*v));
    uint64_t sum = MIX_START, seed = 1;
    while (rounds--) {
        for (unsigned i = 0; i < COUNT; i++)
            v[i] = next_random(&seed);
        qsort(v, COUNT, sizeof(*v), compare_u32);
        for (unsigned i = 0; i < COUNT; i += 97)
            sum = mix(sum, v[i]);
    }
    return sum;
}

/* Insertions and look-ups in an open-addressed table of 16 MiB. */
static uint64_t hash(uint64_t count)
{
    enum { SLOTS = 1 << 20 };
    struct {
        uint64_t key, value;
    } *table = allocate(SLOTS * sizeof(*table));
    uint64_t sum = MIX_START, seed = 2;
    for (uint64_t n = 0; n < count; n++) {
        uint64_t key = next_random(&seed) % (SLOTS / 2) + 1;
        uint64_t slot = (key * 0x9e3779b97f4a7c15u) >> 44;
        while (table[slot].key && table[slot].key != key)
            slot = (slot + 1) % SLOTS;
        table[slot].key = key;
        table[slot].value += n;
        sum = mix(sum, table[slot].value);
    }
    return sum;
}

static __attribute__((noinline)) uint32_t fibonacci(uint32_t n)
{
    OPAQUE(n); /* keeps the compiler from turning the calls into loops */
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t recursion(uint64_t rounds)
{
    uint64_t sum = MIX_START;
    while (rounds--)
        sum = mix(sum, fibonacci(27));
    return sum;
}

static uint64_t division(uint64_t count)
{
    uint64_t sum = MIX_START, seed = 3;
    while (count--) {
        uint64_t a = (uint64_t)next_random(&seed) << 31 | next_random(&seed);
        uint32_t b = next_random(&seed) | 1, c = (uint32_t)a | 3;
        sum = mix(sum, a / b + a % b + c / (b >> 12 | 1) + (uint64_t)((int64_t)-a / (int32_t)b));
    }
    return sum;
}

static uint64_t primes(uint64_t limit)
{
    uint64_t count = 0;
    for (uint32_t n = 3; n < limit; n += 2) {
        bool prime = true;
        for (uint32_t d = 3; d * d <= n && prime; d += 2)
            prime = n % d != 0;
        count += prime;
    }
    return count;
}

/* Loads that depend on each other, in an order that no prefetcher knows; 512 KiB stay in the second-level cache. */
static uint64_t pointer_chase(uint64_t steps)
{
    enum { COUNT = 65536 };
    void **ring = allocate(COUNT * sizeof(*ring));
    uint32_t *order = allocate(COUNT * sizeof(*order));
    uint64_t seed = 4;
    for (unsigned i = 0; i < COUNT; i++)
        order[i] = i;
    for (unsigned i = COUNT - 1; i; i--) {
        unsigned j = next_random(&seed) % (i + 1);
        uint32_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (unsigned i = 0; i < COUNT; i++)
        ring[order[i]] = &ring[order[(i + 1) % COUNT]];
    void **p = ring;
    while (steps--)
        p = *p;
    return p - ring;
}

/* The same over 64 MiB in pages of 4 KiB: a miss of every cache and TLB in each step. */
static uint64_t pointer_chase_large(uint64_t steps)
{
    enum { COUNT = 1 << 20, NODE = 64 };
    char *nodes = allocate((size_t)COUNT * NODE);
    uint32_t *order = allocate(COUNT * sizeof(*order));
    uint64_t seed = 5;
    madvise(nodes, (size_t)COUNT * NODE, MADV_NOHUGEPAGE);
    for (unsigned i = 0; i < COUNT; i++)
        order[i] = i;
    for (unsigned i = COUNT - 1; i; i--) {
        unsigned j = ((uint64_t)next_random(&seed) << 20 ^ next_random(&seed)) % (i + 1);
        uint32_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (unsigned i = 0; i < COUNT; i++)
        *(void **)(void *)(nodes + (size_t)order[i] * NODE) = nodes + (size_t)order[(i + 1) % COUNT] * NODE;
    void **p = (void **)(void *)nodes;
    while (steps--)
        p = *p;
    return ((char *)p - nodes) / NODE;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a + b;
}

static uint64_t subtract(uint64_t a, uint64_t b)
{
    return a - b;
}

static uint64_t exclusive_or(uint64_t a, uint64_t b)
{
    return a ^ b;
}

static uint64_t rotate(uint64_t a, uint64_t b)
{
    return a << (b & 31) | a >> (64 - (b & 31)) % 64;
}

static uint64_t indirect_calls(uint64_t count)
{
    static uint64_t (*const table[])(uint64_t, uint64_t) = {add, subtract, exclusive_or, rotate};
    uint64_t sum = MIX_START, seed = 5;
    while (count--) {
        uint64_t (*f)(uint64_t, uint64_t) = table[next_random(&seed) % 4];
        OPAQUE(f);
        sum = f(sum, count + 1);
    }
    return sum;
}

/* A stack machine that computes with a loop of its own: one indirect jump for each of its instructions. */
static uint64_t interpreter(uint64_t rounds)
{
    enum { PUSH, ADD, MUL, XOR, SHIFT, DUP, SWAP, DROP, COUNT_DOWN };
    static const uint8_t program[] = {PUSH, 3,     ADD, DUP,  PUSH, 7,    MUL,  XOR,
                                      DUP,  SHIFT, XOR, PUSH, 5,    SWAP, DROP, COUNT_DOWN};
    uint64_t stack[16] = {1}, left = rounds;
    unsigned sp = 0, pc = 0;
    for (;;) {
        uint8_t op = program[pc++];
        OPAQUE(op);
        switch (op) {
        case PUSH:
            stack[++sp] = program[pc++];
            break;
        case ADD:
            sp--;
            stack[sp] += stack[sp + 1];
            break;
        case MUL:
            sp--;
            stack[sp] *= stack[sp + 1];
            break;
        case XOR:
            sp--;
            stack[sp] ^= stack[sp + 1];
            break;
        case SHIFT:
            stack[sp] >>= 9;
            break;
        case DUP:
            stack[sp + 1] = stack[sp];
            sp++;
            break;
        case SWAP: {
            uint64_t top = stack[sp];
            stack[sp] = stack[sp - 1];
            stack[sp - 1] = top;
            break;
        }
        case DROP:
            sp--;
            stack[sp] += stack[sp + 1];
            break;
        case COUNT_DOWN:
            if (!--left)
                return stack[0];
            stack[0] = stack[sp];
            sp = 0;
            pc = 0;
            break;
        }
    }
}

/* Branches that depend on data and are taken half of the time. */
static uint64_t branches(uint64_t count)
{
    uint64_t a = 0, b = 0, c = 0, seed = 6;
    while (count--) {
        uint32_t r = next_random(&seed);
        OPAQUE(r);
        if (r & 1)
            a += r;
        else
            b ^= r;
        if (r & 2) {
            OPAQUE(c);
            c += a;
        }
        if ((int32_t)r < 0)
            OPAQUE(b);
    }
    return mix(mix(mix(MIX_START, a), b), c);
}

/* Counting, scanning and extracting bits: popcnt, lzcnt, tzcnt, andn, bextr, blsr, shlx, mulx, pdep. */
__attribute__((target("bmi,bmi2,lzcnt,popcnt"))) static uint64_t bit_operations(uint64_t count)
{
    uint64_t sum = MIX_START, seed = 7;
    while (count--) {
        uint64_t a = (uint64_t)next_random(&seed) << 32 | 1, b = a * 0x9e3779b97f4a7c15u | 1;
        sum += __builtin_popcountll(b) + __builtin_clzll(a) + __builtin_ctzll(b & ~a & (b - 1));
        sum ^= __builtin_ia32_bextr_u64(b, 0x1008) + __builtin_ia32_pdep_di(a >> 40, b);
        sum = (sum << (a >> 50 & 31)) + (sum >> (b & 63)) + (uint64_t)((unsigned __int128)a * b >> 64);
    }
    return sum;
}

const Row integer_rows[] = {
    {"sieve", sieve},
    {"sort-qsort", sort},
    {"hash", hash},
    {"recursion", recursion},
    {"division", division},
    {"primes", primes},
    {"pointer-chase", pointer_chase},
    {"pointer-chase-large", pointer_chase_large},
    {"indirect-calls", indirect_calls},
    {"interpreter", interpreter},
    {"branches", branches},
    {"bit-operations", bit_operations},
    {},
};
