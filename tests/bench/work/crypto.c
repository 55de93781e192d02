/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ciphers and hashes: SHA-256 (FIPS 180-4), AES-128 in counter mode (FIPS 197) by tables and by AES-NI, ChaCha20 (RFC
 * 8439), CRC-32. */
#include <immintrin.h>
#include <string.h>
#include "work.h"

static uint32_t rotate_right(uint32_t v, unsigned by)
{
    return v >> by | v << (32 - by);
}

static uint32_t sha_constant[64];

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes, by integer search. */
static void sha_constants(void)
{
    unsigned found = 0;
    for (unsigned p = 2; found < 64; p++) {
        bool prime = true;
        for (unsigned d = 2; d * d <= p; d++)
            prime &= p % d != 0;
        if (!prime)
            continue;
        unsigned __int128 low = 0, high = (unsigned __int128)8 << 32; /* cube root scaled by 2^32 */
        while (high - low > 1) {
            unsigned __int128 mid = (low + high) / 2;
            if (mid * mid * mid <= (unsigned __int128)p << 96)
                low = mid;
            else
                high = mid;
        }
        sha_constant[found++] = low;
    }
}

static void sha_block(uint32_t state[8], const uint8_t *data)
{
    uint32_t w[64], s[8];
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)data[4 * i] << 24 | data[4 * i + 1] << 16 | data[4 * i + 2] << 8 | data[4 * i + 3];
    for (unsigned i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(s, state, sizeof(s));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t t = s[7] + (rotate_right(s[4], 6) ^ rotate_right(s[4], 11) ^ rotate_right(s[4], 25)) +
                     ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha_constant[i] + w[i];
        uint32_t u = (rotate_right(s[0], 2) ^ rotate_right(s[0], 13) ^ rotate_right(s[0], 22)) +
                     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof(*s));
        s[4] += t;
        s[0] = t + u;
    }
    for (unsigned i = 0; i < 8; i++)
        state[i] += s[i];
}

static uint64_t sha256(uint64_t blocks)
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t data[64];
    sha_constants();
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = i;
    while (blocks--) {
        sha_block(state, data);
        data[blocks % 64]++;
    }
    return (uint64_t)state[0] << 32 | state[7];
}

static uint8_t aes_sbox[256];
static uint32_t aes_table[4][256];

static uint8_t times_two(uint8_t v)
{
    return v << 1 ^ (v & 0x80 ? 0x1b : 0);
}

static void aes_tables(void)
{
    uint8_t p = 1, q = 1; /* p runs through the field by powers of 3, q is its inverse */
    do {
        p ^= times_two(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        q ^= q & 0x80 ? 0x09 : 0;
        uint8_t r = q;
        for (unsigned i = 1; i < 5; i++)
            r ^= (uint8_t)(q << i | q >> (8 - i));
        aes_sbox[p] = r ^ 0x63;
    } while (p != 1);
    aes_sbox[0] = 0x63;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t s = aes_sbox[i], d = times_two(s);
        uint32_t t = (uint32_t)(d ^ s) << 24 | s << 16 | s << 8 | d;
        for (unsigned k = 0; k < 4; k++)
            aes_table[k][i] = k ? t << (8 * k) | t >> (32 - 8 * k) : t;
    }
}

static void aes_expand(uint32_t key[44])
{
    uint8_t round = 1;
    for (unsigned i = 0; i < 4; i++)
        key[i] = 0x03020100u + 0x04040404u * i;
    for (unsigned i = 4; i < 44; i++) {
        uint32_t t = key[i - 1];
        if (i % 4 == 0) {
            t = t >> 8 | t << 24;
            t = aes_sbox[t & 255] | aes_sbox[t >> 8 & 255] << 8 | aes_sbox[t >> 16 & 255] << 16 |
                (uint32_t)aes_sbox[t >> 24] << 24;
            t ^= round;
            round = times_two(round);
        }
        key[i] = key[i - 4] ^ t;
    }
}

static void aes_by_table(const uint32_t key[44], const uint32_t in[4], uint32_t out[4])
{
    uint32_t s[4], t[4];
    for (unsigned i = 0; i < 4; i++)
        s[i] = in[i] ^ key[i];
    for (unsigned round = 1; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++)
            t[i] = aes_table[0][s[i] & 255] ^ aes_table[1][s[(i + 1) % 4] >> 8 & 255] ^
                   aes_table[2][s[(i + 2) % 4] >> 16 & 255] ^ aes_table[3][s[(i + 3) % 4] >> 24] ^ key[4 * round + i];
        memcpy(s, t, sizeof(s));
    }
    for (unsigned i = 0; i < 4; i++)
        out[i] = (aes_sbox[s[i] & 255] | aes_sbox[s[(i + 1) % 4] >> 8 & 255] << 8 |
                  aes_sbox[s[(i + 2) % 4] >> 16 & 255] << 16 | (uint32_t)aes_sbox[s[(i + 3) % 4] >> 24] << 24) ^
                 key[40 + i];
}

static uint64_t mix_block(uint64_t sum, const uint32_t v[4])
{
    return mix(mix(sum, (uint64_t)v[0] << 32 | v[1]), (uint64_t)v[2] << 32 | v[3]);
}

static uint64_t aes_table_rows(uint64_t blocks)
{
    uint32_t key[44], in[4] = {0}, out[4];
    uint64_t sum = MIX_START;
    aes_tables();
    aes_expand(key);
    for (uint64_t n = 0; n < blocks; n++) {
        memcpy(in, &n, sizeof(n));
        aes_by_table(key, in, out);
        sum = mix_block(sum, out);
    }
    return sum;
}

__attribute__((target("aes,sse4.1"))) static uint64_t aes_ni(uint64_t blocks)
{
    uint32_t key[44], out[4];
    uint64_t sum = MIX_START;
    __m128i k[11];
    aes_tables();
    aes_expand(key);
    memcpy(k, key, sizeof(k));
    for (uint64_t n = 0; n < blocks; n++) {
        __m128i s = _mm_xor_si128(_mm_cvtsi64_si128(n), k[0]);
        for (unsigned i = 1; i < 10; i++)
            s = _mm_aesenc_si128(s, k[i]);
        s = _mm_aesenclast_si128(s, k[10]);
        memcpy(out, &s, sizeof(out));
        sum = mix_block(sum, out);
    }
    return sum;
}

static uint64_t chacha20(uint64_t blocks)
{
    uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, s[16];
    uint64_t sum = MIX_START;
    for (unsigned i = 4; i < 16; i++)
        in[i] = i * 0x01010101;
    while (blocks--) {
        memcpy(s, in, sizeof(s));
        for (unsigned round = 0; round < 20; round++)
            for (unsigned i = 0; i < 4; i++) {
                unsigned turn = round & 1, a = i, b = 4 + (i + turn) % 4, c = 8 + (i + 2 * turn) % 4,
                         d = 12 + (i + 3 * turn) % 4;
                s[a] += s[b];
                s[d] = rotate_right(s[d] ^ s[a], 16);
                s[c] += s[d];
                s[b] = rotate_right(s[b] ^ s[c], 20);
                s[a] += s[b];
                s[d] = rotate_right(s[d] ^ s[a], 24);
                s[c] += s[d];
                s[b] = rotate_right(s[b] ^ s[c], 25);
            }
        in[12]++;
        sum = mix_block(sum, s);
    }
    return sum;
}

__attribute__((target("sse4.2"))) static uint64_t crc32_instruction(uint64_t count)
{
    uint64_t crc = 0xffffffff, seed = 1;
    while (count--)
        crc = _mm_crc32_u64(crc, next_random(&seed));
    return crc;
}

const Row crypto_rows[] = {
    {"sha256", sha256},
    {"aes-table", aes_table_rows},
    {"aes-ni", aes_ni},
    {"chacha20", chacha20},
    {"crc32-instruction", crc32_instruction},
    {},
};
