/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every instruction form against the host CPU. A case is one instruction with a whole CPU state and up to three pieces
 * of memory; the host executes it in a child process (native.c), the engine in this one (guest.c); generate.c makes
 * cases, main.c compares.
 *
 * Both sides see the same linear addresses from BASE on:
 *   0x0000 code (read, execute), then nothing
 *   0x4000 0x5000 data, 0x6000 nothing, 0x7000 data to be read only, 0x8000 nothing
 *   0xa000 0xb000 stack, 0xc000 nothing
 * 64-bit code has GS at 0x4000 and FS where the child's thread has it; 32-bit code has flat segments, and GS at 0x4000
 * with 8 KiB; 16-bit code has CS at 0, DS at 0x4000, ES at 0x5000, SS at 0xa000, 64 KiB each, GS as 32-bit code.
 */
#ifndef TESTS_INSN_INSN_H
#define TESTS_INSN_INSN_H

#include "target/i386/cpu.h"
#include "target/i386/decode.h"
#include "target/i386/xsave.h"

#define BASE        0x10000000U
#define PAGES       16
#define DATA        (BASE + 0x4000)
#define DATA_END    (BASE + 0x6000)
#define DATA_RO     (BASE + 0x7000)
#define STACK       (BASE + 0xa000)
#define STACK_END   (BASE + 0xc000)
#define GS_BASE     DATA
#define GS_LIMIT    0x1fff
#define XSTATE_SIZE 832 /* x87, SSE, header, AVX */

/* What a child process has in its segment registers; the guest's are the same. */
enum {
    SEL_CS64 = 0x33,
    SEL_CS32 = 0x23,
    SEL_DS = 0x2b,
    LDT_CODE16 = 0 << 3 | 7,
    LDT_DS16 = 1 << 3 | 7,
    LDT_ES16 = 2 << 3 | 7,
    LDT_SS16 = 3 << 3 | 7,
    LDT_GS = 4 << 3 | 7,
};

typedef struct CpuImage {
    uint64_t gpr[16], rip, rflags, gs_base;
    uint8_t xsave[XSTATE_SIZE] __attribute__((aligned(64)));
} CpuImage;

typedef struct Window {
    uint32_t addr, len; /* len 0: unused */
    uint32_t off;       /* of its bytes in a batch's memory, before and after */
} Window;
enum { WINDOWS = 3 };

enum { TRAP_NONE = 0xff, TRAP_TIMEOUT = 0xfe };
typedef struct Case {
    uint64_t number;
    const InsnForm *form;
    uint8_t code_size; /* 2, 4, 8 */
    uint8_t code_len;
    bool expect_ud;   /* by the decoder */
    uint32_t code_at; /* linear */
    uint8_t code[16];
    Window win[WINDOWS];
    CpuImage in;
    /* of the host */
    uint8_t trap;
    uint32_t error;
    uint64_t cr2;
    CpuImage out;
} Case;

enum { BATCH = 256, BATCH_MEMORY = 1024 * 1024 };
typedef struct Batch {
    unsigned n;
    uint32_t used;
    Case cases[BATCH];
    uint8_t before[BATCH_MEMORY], after[BATCH_MEMORY];
} Batch;

/* One side's memory: the host address of linear address addr. */
typedef struct Pages {
    uint8_t *host;
} Pages;
static inline uint8_t *page_at(const Pages *p, uint32_t addr)
{
    return p->host + (addr - BASE);
}
static inline bool writable_page(uint32_t addr)
{
    return (addr >= DATA && addr < DATA_END) || (addr >= STACK && addr < STACK_END);
}
/* Put a case's code and memory in place; take its memory after. */
void case_enter(const Pages *p, const Batch *b, const Case *k);
void case_leave(const Pages *p, const Case *k, uint8_t *memory);
uint32_t code_selector(unsigned code_size);
uint32_t stack_selector(unsigned code_size);

/* native.c */
typedef struct Native Native;
Native *native_start(void);             /* NULL: this host cannot; says why on stdout as a TAP comment */
void native_begin(Native *n, Batch *b); /* b is from batch_new() */
/* false: the child has died; *at is the case it was at. */
bool native_wait(Native *n, unsigned *at);
void native_stop(Native *n);
Batch *batch_new(void);
const Pages *native_pages(Native *n);
uint64_t native_fs_base(Native *n);
bool native_has_mode(Native *n, unsigned code_size);

/* guest.c */
typedef struct GuestResult {
    uint8_t trap;
    uint32_t error;
    uint64_t cr2;
    CpuImage out;
} GuestResult;
extern uint32_t guest_features[FEATURE_WORDS];
void guest_init(uint64_t fs_base, const char *host, bool translate); /* host: NULL, "fxsave", "sse" */
void guest_run(const Batch *b, const Case *k, GuestResult *r, uint8_t *memory);
const Pages *guest_pages(void);
bool host_is_amd(void);

/* For state.c: one instruction in the CPU's present state, its segments set for the code size; the trap. */
X86CPU *guest_cpu(void);
/* Of the translator: blocks; accesses of two pages in place or in a copy; the latter; jumps followed. */
typedef struct GuestCounts {
    uint64_t translated, crossed, copied, followed;
} GuestCounts;
GuestCounts guest_counts(void);
uint64_t guest_page_directory(void);
void guest_swap_pages(uint32_t a,
                      uint32_t b); /* linear pages: each gets the other's memory; page_at() knows nothing of it */
void guest_map_code(uint32_t at);  /* the linear page has the memory that page_at() says, to be executed */
void guest_enter(const CpuImage *in, unsigned code_size); /* all of the state */
void guest_leave(GuestResult *r, uint8_t trap);
uint8_t guest_execute(const uint8_t *code, unsigned len, unsigned code_size);

/* state.c: what no host shows at privilege level 3. Prints TAP from point on, adds failures to *failed; the number of
 * points. */
unsigned state_points(void);
bool state_tests(unsigned point);

/* generate.c */
typedef struct Rng {
    uint64_t s;
} Rng;
static inline uint64_t rng(Rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}
static inline unsigned below(Rng *r, unsigned n)
{
    return (unsigned)((rng(r) >> 32) * n >> 32);
}
static inline bool percent(Rng *r, unsigned p)
{
    return below(r, 100) < p;
}
uint64_t random_int(Rng *r);
void random_bytes(Rng *r, uint8_t *to, unsigned len);
void random_state(Rng *r, uint8_t *xsave);
/* 16 bytes that should begin with an instruction of form f; the decoder knows what they are. */
void encode_form(Rng *r, uint8_t *b, const InsnForm *f, unsigned code_size);
/* Why a form is not tested here; NULL: it is. */
const char *form_excluded(const InsnForm *f);
const char *form_missing(const InsnForm *f); /* the name of a feature that this host has not */
/* Make case k of form f; false: no such case came out. fs_base: the child's. */
bool generate(Case *k, Batch *b, const InsnForm *f, unsigned code_size, uint64_t seed, uint64_t fs_base);

#endif
