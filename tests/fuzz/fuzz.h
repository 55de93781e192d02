/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzz program: one function that is fed arbitrary bytes, and seeds that show the form of its input (NULL-ended). */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_seeds[];

typedef struct Input {
    const uint8_t *data;
    size_t left;
} Input;

/* A little-endian number of the next bytes; zeros where there are no more. */
static inline uint64_t take(Input *in, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes && in->left; i++, in->left--)
        v |= (uint64_t)*in->data++ << (8 * i);
    return v;
}

#endif
