/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fuzz program: one function that is fed arbitrary bytes, and seeds that show the form of its input (NULL-ended). */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const char *const fuzz_seeds[];

#endif
