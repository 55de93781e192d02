/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Without libFuzzer: each seed, then mutations of the seeds from a fixed random sequence; or the files that are named.
 */
#include "tests/fuzz/fuzz.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 3000, LONGEST = 512 };

static size_t mutate(GRand *r, uint8_t *buf, size_t len)
{
    for (int n = g_rand_int_range(r, 1, 6); n > 0; n--) {
        size_t at = len ? g_rand_int_range(r, 0, len) : 0;
        switch (g_rand_int_range(r, 0, 4)) {
        case 0: /* another byte */
            buf[at] = g_rand_int(r);
            len += !len;
            break;
        case 1: /* a bit */
            buf[at] ^= 1 << g_rand_int_range(r, 0, 8);
            len += !len;
            break;
        case 2: /* a piece goes */
            if (len > 1) {
                size_t cut = g_rand_int_range(r, 1, len - at + 1);
                memmove(buf + at, buf + at + cut, len - at - cut);
                len -= cut;
            }
            break;
        default: /* a piece is doubled */
            if (len && len < LONGEST / 2) {
                size_t piece = g_rand_int_range(r, 1, len - at + 1);
                memmove(buf + at + piece, buf + at, len - at);
                len += piece;
            }
        }
    }
    return len;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        g_autofree char *text = NULL;
        gsize len;
        if (!g_file_get_contents(argv[i], &text, &len, NULL))
            return fprintf(stderr, "%s: cannot be read\n", argv[i]), 1;
        LLVMFuzzerTestOneInput((const uint8_t *)text, len);
    }
    if (argc > 1)
        return 0;
    size_t seeds = 0;
    for (; fuzz_seeds[seeds]; seeds++)
        LLVMFuzzerTestOneInput((const uint8_t *)fuzz_seeds[seeds], strlen(fuzz_seeds[seeds]));
    GRand *r = g_rand_new_with_seed(1);
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t buf[LONGEST] = {0};
        const char *seed = fuzz_seeds[g_rand_int_range(r, 0, seeds)];
        size_t len = MIN(strlen(seed), LONGEST / 2);
        memcpy(buf, seed, len);
        len = mutate(r, buf, len);
        g_autofree uint8_t *exact = g_memdup2(buf, len ? len : 1); /* so that one byte too many is seen */
        LLVMFuzzerTestOneInput(exact, len);
    }
    g_rand_free(r);
    printf("%zu seeds, %d mutations\n", seeds, ROUNDS);
    return 0;
}
