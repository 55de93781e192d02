/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory: copies, string instructions, libc's strings, page faults, protection, code that is written and run. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "work.h"

enum { PAGE = 4096 };

static uint64_t sum_bytes(const uint8_t *p, size_t size)
{
    uint64_t sum = MIX_START, word;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        memcpy(&word, p + i, 8);
        sum = mix(sum, word);
    }
    return sum;
}

static void fill(uint8_t *p, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++)
        p[i] = next_random(&seed) >> 24;
}

static uint64_t memcpy_large(uint64_t count)
{
    enum { SIZE = 1 << 20 };
    uint8_t *a = allocate(SIZE + 64), *b = allocate(SIZE + 64);
    fill(a, SIZE + 64, 1);
    while (count--) {
        memcpy(b + count % 32, a, SIZE);
        OPAQUE(b);
    }
    return sum_bytes(b, SIZE);
}

static uint64_t memcpy_small(uint64_t count)
{
    uint8_t a[512], b[512] = {0};
    uint64_t seed = 2;
    fill(a, sizeof(a), 2);
    while (count--) {
        uint32_t r = next_random(&seed);
        size_t size = r % 120;
        OPAQUE(size);
        memcpy(b + (r >> 8) % 256, a + (r >> 16) % 256, size);
    }
    return sum_bytes(b, sizeof(b));
}

/* 8 and 16 bytes of which some are in the next page. */
static uint64_t page_crossing(uint64_t count)
{
    uint8_t *a = allocate(2 * PAGE);
    uint64_t sum = MIX_START;
    fill(a, 2 * PAGE, 4);
    while (count--) {
        uint64_t word, pair[2];
        memcpy(&word, a + PAGE - 1 - count % 7, 8);
        memcpy(pair, a + PAGE - 1 - count % 15, 16);
        word += pair[0] ^ pair[1];
        memcpy(a + PAGE - 3, &word, 8);
        sum += word;
        OPAQUE(a);
    }
    return mix(sum, a[PAGE]);
}

static uint64_t rep_movsb(uint64_t count)
{
    enum { SIZE = 4096 };
    uint8_t *a = allocate(2 * SIZE), *b = allocate(2 * SIZE);
    fill(a, 2 * SIZE, 3);
    while (count--) {
        const uint8_t *from = a + count % 64;
        uint8_t *to = b + count % 16;
        size_t size = SIZE;
        __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(size)::"memory");
    }
    return sum_bytes(b, SIZE);
}

static uint64_t rep_stosq(uint64_t count)
{
    enum { SIZE = 16384 };
    uint8_t *b = allocate(SIZE);
    uint64_t sum = MIX_START;
    while (count--) {
        uint8_t *to = b;
        size_t words = SIZE / 8;
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(count) : "memory");
        sum = mix(sum, b[SIZE - 8] + b[count % SIZE]);
    }
    return sum;
}

static uint64_t libc_strings(uint64_t count)
{
    enum { SIZE = 2048 };
    char *a = allocate(SIZE), *b = allocate(SIZE);
    uint64_t sum = MIX_START, seed = 4;
    for (unsigned i = 0; i < SIZE - 1; i++)
        a[i] = 'a' + next_random(&seed) % 23;
    a[SIZE - 8] = 'z';
    while (count--) {
        char *s = a + count % 64;
        OPAQUE(s);
        strcpy(b, s);
        sum = mix(sum, strlen(b) + (strchr(s, 'z') - s) + strcmp(s, b) + (memchr(b, 'y', 512) != NULL));
        sum += memcmp(a, b, 256) < 0;
    }
    return sum;
}

static uint64_t page_faults(uint64_t pages)
{
    enum { CHUNK = 512 };
    uint64_t sum = MIX_START;
    while (pages) {
        unsigned n = pages < CHUNK ? pages : CHUNK;
        uint8_t *p = mmap(NULL, CHUNK * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            fail("mmap");
        madvise(p, CHUNK * PAGE, MADV_NOHUGEPAGE);
        for (unsigned i = 0; i < n; i++)
            p[i * PAGE] += i + 1;
        sum = mix(sum, p[0] + p[(n - 1) * PAGE]);
        munmap(p, CHUNK * PAGE);
        pages -= n;
    }
    return sum;
}

static uint64_t protect(uint64_t count)
{
    enum { PAGES = 16 };
    uint8_t *p = allocate(PAGES * PAGE);
    uint64_t sum = MIX_START;
    while (count--) {
        if (mprotect(p, PAGES * PAGE, PROT_READ))
            fail("mprotect");
        sum = mix(sum, p[count % PAGES * PAGE]);
        if (mprotect(p, PAGES * PAGE, PROT_READ | PROT_WRITE))
            fail("mprotect");
        p[count % PAGES * PAGE]++;
    }
    return sum;
}

/* Touches that miss every TLB: one byte a page in 32 MiB, in an order without a pattern. */
static uint64_t tlb_misses(uint64_t count)
{
    enum { PAGES = 8192 };
    uint8_t *p = allocate((size_t)PAGES * PAGE);
    uint64_t sum = MIX_START, seed = 5;
    madvise(p, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE);
    while (count--) {
        uint32_t r = next_random(&seed);
        uint8_t *at = p + (size_t)(r % PAGES) * PAGE + (r >> 16 & 0xfc0);
        sum += *at;
        *at = r >> 24;
    }
    return sum;
}

static uint64_t read_file(uint64_t count)
{
    enum { SIZE = 1 << 20, BLOCK = 16384 };
    uint8_t *p = allocate(SIZE);
    uint64_t sum = MIX_START;
    int fd = memfd_create("bench", 0);
    fill(p, SIZE, 6);
    if (fd < 0 || write(fd, p, SIZE) != SIZE)
        fail("memfd");
    while (count--) {
        if (pread(fd, p, BLOCK, count * BLOCK % SIZE) != BLOCK)
            fail("pread");
        sum = mix(sum, p[count % BLOCK]);
    }
    close(fd);
    return sum;
}

static uint8_t *writable_code(size_t size)
{
    uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap of writable code");
    return p;
}

/* mov $value, %eax; ret: the constant is patched before every call. */
static uint64_t code_patched(uint64_t count)
{
    uint8_t *p = writable_code(PAGE);
    uint64_t sum = MIX_START;
    memcpy(p, "\xb8\0\0\0\0\xc3", 6);
    uint32_t (*f)(void) = (uint32_t(*)(void))(uintptr_t)p;
    while (count--) {
        uint32_t value = count * 3;
        memcpy(p + 1, &value, sizeof(value));
        __asm__ volatile("" ::: "memory");
        sum = mix(sum, f());
    }
    return sum;
}

/* What a just-in-time compiler does: a function of 64 instructions appended to a buffer, run four times, the buffer
 * used in turn. */
static uint64_t code_fresh(uint64_t count)
{
    enum { SIZE = 65536, SLOT = 256 };
    uint8_t *p = writable_code(SIZE);
    uint64_t sum = MIX_START;
    for (uint64_t n = 0; n < count; n++) {
        uint8_t *code = p + n * SLOT % SIZE, *c = code;
        *c++ = 0x89; /* mov %edi, %eax */
        *c++ = 0xf8;
        for (unsigned i = 0; i < 62; i++) { /* add, xor, sub $byte, %eax */
            *c++ = 0x83;
            *c++ = (const uint8_t[]){0xc0, 0xf0, 0xe8}[(n + i) % 3];
            *c++ = (n * 7 + i) & 0x7f;
        }
        *c = 0xc3;
        __asm__ volatile("" ::: "memory");
        uint32_t (*f)(uint32_t) = (uint32_t(*)(uint32_t))(uintptr_t)code;
        for (unsigned i = 0; i < 4; i++)
            sum = mix(sum, f(sum));
    }
    return sum;
}

/* Data that is written in the page of running code, as self-patching kernels and old games have it. */
static uint64_t code_beside_data(uint64_t count)
{
    uint8_t *p = writable_code(PAGE);
    uint64_t sum = MIX_START;
    /* addl $3, 0x200(%rip); mov 0x200(%rip), %eax; ret */
    static const uint8_t code[] = {0x83, 0x05, 0xf9, 0x01, 0, 0, 3, 0x8b, 0x05, 0xf3, 0x01, 0, 0, 0xc3};
    memcpy(p, code, sizeof(code));
    uint32_t (*f)(void) = (uint32_t(*)(void))(uintptr_t)p;
    while (count--)
        sum = mix(sum, f());
    return sum;
}

static volatile sig_atomic_t signals_seen;

static void on_signal(int sig)
{
    signals_seen++;
}

static uint64_t signals(uint64_t count)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    signals_seen = 0;
    while (count--)
        raise(SIGUSR1);
    return signals_seen;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    signals_seen++;
    uc->uc_mcontext.gregs[REG_RIP] += 2; /* movb %al, (%rdi) */
}

static uint64_t faults_caught(uint64_t count)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    uint8_t *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap");
    sigaction(SIGSEGV, &action, NULL);
    signals_seen = 0;
    while (count--)
        __asm__ volatile("movb %%al, (%%rdi)" ::"D"(p), "a"(1) : "memory");
    signal(SIGSEGV, SIG_DFL);
    return signals_seen;
}

const Row memory_rows[] = {
    {"memcpy-large", memcpy_large},
    {"memcpy-small", memcpy_small},
    {"page-crossing", page_crossing},
    {"rep-movsb", rep_movsb},
    {"rep-stosq", rep_stosq},
    {"libc-strings", libc_strings},
    {"tlb-misses", tlb_misses},
    {"page-faults", page_faults},
    {"mprotect", protect},
    {"read-file", read_file},
    {"code-patched", code_patched},
    {"code-fresh", code_fresh},
    {"code-beside-data", code_beside_data},
    {"signals", signals},
    {"faults-caught", faults_caught},
    {},
};
