/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * openssl WHAT AMOUNT: what `openssl speed -evp` measures, but a fixed amount of it: sha256, aes-128-ctr and chacha20
 * over AMOUNT buffers of 16 KiB, each the result of the one before; rsa: AMOUNT signatures of 2048 bits, each verified.
 * Prints a checksum of what came out. Linked with the static libcrypto, which takes what the CPU offers.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 16384 };
static uint8_t buffer[SIZE];

static void must(int ok, const char *what)
{
    if (ok == 1)
        return;
    fprintf(stderr, "openssl: %s\n", what);
    exit(1);
}

static uint64_t sum_of(const uint8_t *p, size_t size)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ p[i]) * 0x100000001b3u;
    return sum;
}

static uint64_t digest(const EVP_MD *md, uint64_t count)
{
    unsigned len = 0;
    while (count--)
        must(EVP_Digest(buffer, SIZE, buffer, &len, md, NULL), "digest");
    return sum_of(buffer, SIZE);
}

static uint64_t cipher(const EVP_CIPHER *kind, uint64_t count)
{
    static const uint8_t key[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, iv[16] = {7};
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int len = 0;
    must(c && EVP_EncryptInit_ex(c, kind, NULL, key, iv) == 1, "cipher");
    while (count--)
        must(EVP_EncryptUpdate(c, buffer, &len, buffer, SIZE), "cipher");
    EVP_CIPHER_CTX_free(c);
    return sum_of(buffer, SIZE);
}

/* A key of two well-known primes of 1024 bits: RFC 2409's second group, RFC 5114's first. */
static RSA *known_key(void)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = BN_get_rfc2409_prime_1024(NULL), *q, *n = BN_new(), *e = BN_new(), *d = BN_new(), *one = BN_new();
    BIGNUM *p1 = BN_new(), *q1 = BN_new(), *phi = BN_new(), *dp = BN_new(), *dq = BN_new(), *inverse = BN_new();
    DH *group = DH_get_1024_160();
    RSA *key = RSA_new();

    must(ctx && p && inverse && group && key, "memory");
    q = BN_dup(DH_get0_p(group));
    BN_one(one);
    must(BN_set_word(e, 65537) && BN_mul(n, p, q, ctx) && BN_sub(p1, p, one) && BN_sub(q1, q, one) &&
             BN_mul(phi, p1, q1, ctx) && BN_mod_inverse(d, e, phi, ctx) && BN_mod(dp, d, p1, ctx) &&
             BN_mod(dq, d, q1, ctx) && BN_mod_inverse(inverse, q, p, ctx),
         "a key's numbers");
    must(RSA_set0_key(key, n, e, d) && RSA_set0_factors(key, p, q) && RSA_set0_crt_params(key, dp, dq, inverse),
         "a key");
    DH_free(group);
    BN_free(one);
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    BN_CTX_free(ctx);
    return key;
}

static uint64_t rsa(uint64_t count)
{
    RSA *key = known_key();
    unsigned len = 0;
    while (count--) {
        must(RSA_sign(NID_sha256, buffer, 32, buffer + 64, &len, key), "a signature");
        must(RSA_verify(NID_sha256, buffer, 32, buffer + 64, len, key), "a signature's verification");
        memcpy(buffer, buffer + 64, 32);
    }
    RSA_free(key);
    return sum_of(buffer, SIZE);
}

int main(int argc, char **argv)
{
    const char *what = argc == 3 ? argv[1] : "";
    uint64_t amount = argc == 3 ? strtoull(argv[2], NULL, 10) : 0, sum;

    for (unsigned i = 0; i < SIZE; i++)
        buffer[i] = (uint8_t)(i * 7 + i / 256);
    if (!strcmp(what, "sha256"))
        sum = digest(EVP_sha256(), amount);
    else if (!strcmp(what, "aes-128-ctr"))
        sum = cipher(EVP_aes_128_ctr(), amount);
    else if (!strcmp(what, "chacha20"))
        sum = cipher(EVP_chacha20(), amount);
    else if (!strcmp(what, "rsa"))
        sum = rsa(amount);
    else
        return 1;
    printf("%016llx\n", (unsigned long long)sum);
    return 0;
}
