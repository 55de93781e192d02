/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The programs of `make bench`: one static binary that is the guest's /init and runs on the host alike. A row does an
 * amount of work that does not depend on where it runs and returns a checksum of what it computed.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Row {
    const char *name;
    uint64_t (*run)(uint64_t amount); /* exits with a message on stderr where the system refuses something */
} Row;

/* Each ends with an entry without a name. */
extern const Row integer_rows[], vector_rows[], memory_rows[], system_rows[], crypto_rows[];

/* A linear congruential generator (Knuth's MMIX constants); its high half is good enough. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 32;
}

/* FNV-1a over 64-bit words. */
static inline uint64_t mix(uint64_t sum, uint64_t word)
{
    return (sum ^ word) * 0x100000001b3u;
}

#define MIX_START 0xcbf29ce484222325u

/* What the compiler must not know the value of. */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x))

void fail(const char *what) __attribute__((noreturn)); /* prints errno's text */
void *allocate(size_t size);                           /* zeroed pages; never fails */
#endif
