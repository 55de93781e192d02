/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point and vectors: scalar double, conversions, x87, SSE, SSE2, AVX2, FMA. Results are IEEE 754's, the same
 * everywhere. */
#include <immintrin.h>
#include <string.h>
#include "work.h"

static uint64_t bits(double d)
{
    uint64_t u;
    memcpy(&u, &d, sizeof(u));
    return u;
}

static uint64_t double_matrix(uint64_t rounds)
{
    enum { N = 64 };
    static double a[N][N], b[N][N], c[N][N];
    uint64_t seed = 1, sum = MIX_START;
    for (unsigned i = 0; i < N; i++)
        for (unsigned j = 0; j < N; j++) {
            a[i][j] = next_random(&seed) / 4294967296.0 - 0.5;
            b[i][j] = next_random(&seed) / 4294967296.0 - 0.5;
        }
    while (rounds--) {
        for (unsigned i = 0; i < N; i++)
            for (unsigned j = 0; j < N; j++) {
                double s = 0;
                for (unsigned k = 0; k < N; k++)
                    s += a[i][k] * b[k][j];
                c[i][j] = s;
            }
        sum = mix(sum, bits(c[rounds % N][rounds / N % N]));
        a[rounds % N][rounds / N % N] += 0.125;
    }
    return sum;
}

static uint64_t nbody(uint64_t steps)
{
    enum { N = 5 };
    struct {
        double p[3], v[3], m;
    } body[N];
    uint64_t seed = 2, sum = MIX_START;
    for (unsigned i = 0; i < N; i++) {
        for (unsigned k = 0; k < 3; k++) {
            body[i].p[k] = next_random(&seed) / 4294967296.0 * 8;
            body[i].v[k] = next_random(&seed) / 4294967296.0 - 0.5;
        }
        body[i].m = 1 + next_random(&seed) / 4294967296.0;
    }
    while (steps--) {
        for (unsigned i = 0; i < N; i++)
            for (unsigned j = i + 1; j < N; j++) {
                double d[3], r2 = 0.0625;
                for (unsigned k = 0; k < 3; k++) {
                    d[k] = body[i].p[k] - body[j].p[k];
                    r2 += d[k] * d[k];
                }
                double f = 0.001 / (r2 * __builtin_sqrt(r2));
                for (unsigned k = 0; k < 3; k++) {
                    body[i].v[k] -= d[k] * body[j].m * f;
                    body[j].v[k] += d[k] * body[i].m * f;
                }
            }
        for (unsigned i = 0; i < N; i++)
            for (unsigned k = 0; k < 3; k++)
                body[i].p[k] += 0.001 * body[i].v[k];
    }
    for (unsigned i = 0; i < N; i++)
        sum = mix(sum, bits(body[i].p[0]));
    return sum;
}

static uint64_t conversions(uint64_t count)
{
    uint64_t seed = 3, sum = MIX_START;
    while (count--) {
        uint32_t r = next_random(&seed);
        double d = (int32_t)r, e = (int64_t)(seed >> 3);
        float f = (float)d * 0.5f, g = (int32_t)(r >> 7);
        sum = mix(sum, (int32_t)(f * 0.25f) + (int64_t)(e * 0.75) + (int32_t)((double)g * 1.5));
    }
    return sum;
}

static uint64_t sum_m128i(__m128i v)
{
    uint64_t u[2];
    memcpy(u, &v, sizeof(v));
    return mix(mix(MIX_START, u[0]), u[1]);
}

static uint64_t sse2_integer(uint64_t rounds)
{
    enum { N = 1024 };
    static __m128i data[N];
    uint64_t seed = 4;
    for (unsigned i = 0; i < N; i++)
        data[i] = _mm_set_epi32(next_random(&seed), next_random(&seed), next_random(&seed), next_random(&seed));
    __m128i acc = _mm_set1_epi32(1), max = _mm_setzero_si128();
    while (rounds--)
        for (unsigned i = 0; i < N; i++) {
            __m128i v = _mm_load_si128(&data[i]);
            acc = _mm_add_epi32(acc, _mm_madd_epi16(v, _mm_srli_epi16(acc, 3)));
            max = _mm_max_epi16(max, _mm_xor_si128(v, acc));
            acc = _mm_sub_epi8(acc, _mm_and_si128(_mm_cmpgt_epi8(v, max), _mm_shuffle_epi32(v, 0x1b)));
            acc = _mm_xor_si128(acc, _mm_unpacklo_epi8(v, max));
        }
    return sum_m128i(acc) ^ sum_m128i(max);
}

static uint64_t sse_float(uint64_t rounds)
{
    enum { N = 1024 };
    static __m128 data[N];
    uint64_t seed = 5;
    for (unsigned i = 0; i < N; i++)
        data[i] = _mm_set_ps(next_random(&seed) >> 9, next_random(&seed) >> 9, next_random(&seed) >> 9,
                             next_random(&seed) >> 9);
    __m128 acc = _mm_set1_ps(1), low = _mm_set1_ps(1e9f);
    while (rounds--)
        for (unsigned i = 0; i < N; i++) {
            __m128 v = _mm_load_ps((const float *)&data[i]);
            acc = _mm_add_ps(_mm_mul_ps(acc, _mm_set1_ps(0.5f)), v);
            low = _mm_min_ps(low, _mm_sub_ps(v, acc));
            acc = _mm_or_ps(_mm_and_ps(_mm_cmplt_ps(low, v), acc), _mm_set1_ps(1));
        }
    return sum_m128i(_mm_castps_si128(acc)) ^ sum_m128i(_mm_castps_si128(low));
}

__attribute__((target("avx2"))) static uint64_t avx2_integer(uint64_t rounds)
{
    enum { N = 512 };
    static __m256i data[N];
    uint64_t seed = 6, u[4], sum = MIX_START;
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < 8; k++)
            ((uint32_t *)&data[i])[k] = next_random(&seed);
    __m256i acc = _mm256_set1_epi32(1), max = _mm256_setzero_si256();
    while (rounds--)
        for (unsigned i = 0; i < N; i++) {
            __m256i v = _mm256_load_si256(&data[i]);
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(v, _mm256_srli_epi16(acc, 3)));
            max = _mm256_max_epi16(max, _mm256_xor_si256(v, acc));
            acc = _mm256_sub_epi8(acc, _mm256_shuffle_epi8(v, max));
            acc = _mm256_xor_si256(acc, _mm256_permute4x64_epi64(_mm256_unpacklo_epi8(v, max), 0x4b));
        }
    acc = _mm256_xor_si256(acc, max);
    memcpy(u, &acc, sizeof(u));
    for (unsigned k = 0; k < 4; k++)
        sum = mix(sum, u[k]);
    return sum;
}

__attribute__((target("avx2,fma"))) static uint64_t avx2_fma(uint64_t rounds)
{
    enum { N = 512 };
    static __m256d data[N];
    uint64_t seed = 7, u[4], sum = MIX_START;
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < 4; k++)
            ((double *)&data[i])[k] = next_random(&seed) / 4294967296.0 - 0.5;
    __m256d x = _mm256_set1_pd(0.25), y = _mm256_set1_pd(0.125);
    while (rounds--)
        for (unsigned i = 0; i < N; i++) {
            __m256d v = _mm256_load_pd((const double *)&data[i]);
            x = _mm256_fmadd_pd(x, v, y);
            y = _mm256_fnmadd_pd(y, v, _mm256_set1_pd(0.0625));
        }
    x = _mm256_add_pd(x, y);
    memcpy(u, &x, sizeof(u));
    for (unsigned k = 0; k < 4; k++)
        sum = mix(sum, u[k]);
    return sum;
}

static uint64_t x87(uint64_t count)
{
    long double x = 0.5L, y = 1.25L;
    uint64_t sum = MIX_START;
    for (uint64_t i = 1; i <= count; i++) {
        x = x * y + 1 / (x + 2);
        y = __builtin_sqrtl(x + 0.75L) - y * 0.125L;
        if (x > 100)
            x -= 99.5L;
        if (i % 1024 == 0)
            sum = mix(sum, bits((double)x));
    }
    return mix(sum, bits((double)(x + y)));
}

const Row vector_rows[] = {
    {"double-matrix", double_matrix},
    {"n-body", nbody},
    {"conversions", conversions},
    {"x87", x87},
    {"sse2-integer", sse2_integer},
    {"sse-float", sse_float},
    {"avx2-integer", avx2_integer},
    {"avx2-fma", avx2_fma},
    {},
};
