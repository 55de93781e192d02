/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiled and run in the guest and on the host: both must print the same. Integers, floating point, threads, signals, mappings. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 20000, SIEVE = 300000 };

static sigjmp_buf back;
static atomic_ulong shared;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long guarded;

static void jump(int sig)
{
    siglongjmp(back, sig);
}

static void *adds(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&shared, (unsigned long)(uintptr_t)arg);
        pthread_mutex_lock(&mutex);
        guarded++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void integers(void)
{
    static unsigned char composite[SIEVE];
    unsigned primes = 0;
    uint64_t x = 88172645463325252ULL;
    unsigned __int128 product = 1;
    static uint32_t numbers[50000];

    for (unsigned i = 2; i < SIEVE; i++) {
        if (composite[i])
            continue;
        primes++;
        for (unsigned j = i * 2; j < SIEVE; j += i)
            composite[j] = 1;
    }
    for (unsigned i = 0; i < 50000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        product = product * (x | 1) + x / ((x >> 40) + 1) + (unsigned)__builtin_popcountll(x);
        numbers[i] = (uint32_t)x;
    }
    qsort(numbers, 50000, sizeof(numbers[0]), by_value);
    printf("primes %u product %016llx%016llx median %u\n", primes, (unsigned long long)(product >> 64), (unsigned long long)product,
           numbers[25000]);
}

static void reals(void)
{
    double d = 0;
    float f = 0;
    long double l = 0;

    for (int i = 1; i <= 20000; i++) {
        d += sqrt(i) / (1.0 + i * 1e-3);
        f += 1.0f / (float)(i * i + 1);
        l += 1.0L / ((long double)i * i);
    }
    printf("double %a float %a long double %La\n", d, (double)f, l);
    printf("rounded %ld %.0f nan %d inf %d\n", lrint(2.5), floor(-0.5), isnan(sqrt(-d)), isinf(1e308 * d));
}

static void faults(void)
{
    struct sigaction action = { .sa_handler = jump };
    volatile int zero = 0;
    int sig;
    volatile char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    sigaction(SIGFPE, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sig = sigsetjmp(back, 1);
    if (!sig)
        printf("%d\n", 10 / zero);
    printf("division by zero: signal %d\n", sig);
    mprotect((char *)page + 4096, 4096, PROT_READ);
    sig = sigsetjmp(back, 1);
    if (!sig)
        for (int i = 4000; i < 4200; i++)
            page[i] = 'y';
    printf("a page without write access: signal %d, bytes around %02x %02x\n", sig, page[4095], page[4096]);
    sig = sigsetjmp(back, 1);
    if (!sig)
        __builtin_trap();
    printf("ud2: signal %d\n", sig);
}

int main(void)
{
    pthread_t threads[THREADS];
    int status = 0, pipes[2];
    unsigned char got = 0;

    integers();
    reals();
    faults();
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, adds, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("threads %lu %lu\n", shared, guarded);
    fflush(stdout);
    if (pipe(pipes))
        return 1;
    if (!fork()) {
        if (write(pipes[1], "z", 1) != 1)
            _exit(1);
        _exit(7);
    }
    if (wait(&status) < 0 || read(pipes[0], &got, 1) != 1)
        return 1;
    printf("child %d '%c'\n", WEXITSTATUS(status), got);
    return 0;
}
