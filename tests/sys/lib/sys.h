/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runtime of the guests in tests/sys: they go through cases of the system architecture and print a line for each with
 * the state that came out. A guest is 64-bit code (BITS 64) in long mode or 32-bit code in protected mode without
 * paging; both are linked at 1 MiB. No library, no SSE outside of cases.
 *
 * With HOST defined and host.c a 64-bit guest whose cases all run at CPL3 becomes a program that runs them on the
 * host's CPU.
 *
 * A case is a piece of code that run() enters by IRET with every register from `in`, and that ends with an exception:
 * its own, or that of the UD2 behind it. Every IDT gate leads to trap(), which puts down in `ev` what the processor
 * pushed, and run() returns.
 */
#ifndef TESTS_SYS_H
#define TESTS_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "layout.h"

typedef unsigned long word;
struct regs {
    word ax, cx, dx, bx, sp, bp, si, di;
#if BITS == 64
    word r8, r9, r10, r11, r12, r13, r14, r15;
#endif
    word ip, flags, cs, ss, ds, es, fs, gs;
};
struct event {
    struct regs r;
    unsigned vector;
    bool has_error;
    word error, cr2, dr6;
    word frame; /* the address of the pushed IP */
};
extern struct regs in;
extern struct event ev;
void run(void);

/* Handlers that return: true: the code goes on with what is in f (the pushed ip, cs, flags, ...). */
struct frame {
    word ax, cx, dx, bx, out, bp, si, di;
#if BITS == 64
    word r8, r9, r10, r11, r12, r13, r14, r15;
#else
    word ds, es, fs, gs;
#endif
    word vector;
    word pushed[]; /* an error code, where there is one */
};
extern bool (*handlers[256])(struct frame *f, word *pushed_ip);

enum {
    F_CF = 1,
    F_PF = 4,
    F_AF = 0x10,
    F_ZF = 0x40,
    F_SF = 0x80,
    F_TF = 0x100,
    F_IF = 0x200,
    F_DF = 0x400,
    F_OF = 0x800,
    F_IOPL = 0x3000,
    F_NT = 0x4000,
    F_RF = 0x10000,
    F_VM = 0x20000,
    F_AC = 0x40000,
    F_VIF = 0x80000,
    F_VIP = 0x100000,
    F_ID = 0x200000,
    F_ARITH = 0x8d5
};
enum {
    V_DE,
    V_DB,
    V_NMI,
    V_BP,
    V_OF,
    V_BR,
    V_UD,
    V_NM,
    V_DF,
    V_TS = 10,
    V_NP,
    V_SS,
    V_GP,
    V_PF,
    V_MF = 16,
    V_AC,
    V_MC,
    V_XM
};

/* Code of a case, in Intel's syntax; bits: 16, 32 or 64. It is position-independent where it is copied. */
struct code {
    const char *start, *end;
};
#if BITS == 64
#define CODE_WORD   ".quad"
#define CODE_NATIVE "64"
#else
#define CODE_WORD   ".long"
#define CODE_NATIVE "32"
#endif
#define CODE_AS(bits, text)                                                                                            \
    ({                                                                                                                 \
        const struct code *code_;                                                                                      \
        __asm__(".pushsection .snip,\"ax\"\n\t.code" bits "\n\t.intel_syntax noprefix\n\t.balign 16\n661:\t" text      \
                "\n662:\tud2\n\t.att_syntax prefix\n\t.code" CODE_NATIVE "\n\t.popsection\n\t"                         \
                ".pushsection .rodata\n\t.balign 8\n663:\t" CODE_WORD " 661b, 662b\n\t.popsection\n\tmov $663b, %0"    \
                : "=r"(code_));                                                                                        \
        code_;                                                                                                         \
    })
#define C64(text) CODE_AS("64", text)
#define C32(text) CODE_AS("32", text)
#define C16(text) CODE_AS("16", text)

/* Cases. try_() runs code where it lies; the line stays open for field() until end(). */
void fresh(void); /* `in`: distinct registers, flat segments, CPL0, IF clear */
void user(void);  /* fresh(), CPL3 */
void try_(const char *name, const struct code *code);
void try(const char *name, const struct code *code);
void try_at(const char *name, word address,
            const struct code *code); /* code copied to a linear address that is its IP too */
void try_to(const char *name, const struct code *code,
            const struct code *handler);          /* where it ends counts from handler's start */
void outcome(word base, const struct code *code); /* what try_ prints behind the name */
extern word flags_shown;                          /* which flags */
extern bool ok_flags;                             /* show the flags of code that ran through as well */
extern uint32_t hidden;   /* registers not shown: bit per number, as ModRM has them; 16 to 20: SS DS ES FS GS */
void name(const char *s); /* "s:" */
void field(const char *s, uint64_t v); /* " s=v" in hex */
void end(void);
void say(const char *s, uint64_t v); /* a line of its own */
void note(const char *s);            /* a line of text */
void print(const char *s);
void print_hex(uint64_t v);
void print_vector(unsigned v);
void quit(void) __attribute__((noreturn));            /* success */
void fail(const char *why) __attribute__((noreturn)); /* the guest itself is at its end */

/* Tables. */
extern uint64_t gdt[512];
extern uint8_t idt[256 * 16];
extern uint8_t tss[];
void segment(unsigned sel, uint32_t base, uint32_t limit, unsigned access,
             unsigned flags);                                           /* limit in units of flags' G */
void gate(unsigned vector, unsigned access, unsigned sel, word offset); /* access: 8eh, efh, 85h ... */
void gate_ist(unsigned vector, unsigned ist);
void gates_reset(void);
void load_tables(void);     /* GDT, IDT, TR as at the start */
extern word trap_stack_top; /* SP of exceptions from CPL3 */
extern char stubs[], user_stack_top[], test_stack_top[];
int main(void);
void ap_main(unsigned n); /* processors 1, 2 ... */
void run_case(void);      /* run(), outside of which an exception ends the guest */
#if BITS == 64
void start_aps(unsigned n);
extern volatile uint32_t ap_count;
#else
/* Real mode (IVT at 0 with a stub for each vector) and virtual-8086 mode; `in` with the segments as there. */
enum { REAL_CODE = 0x20000, REAL_STACK = 0x50000, REAL_DATA = 0x60000 };
void fresh_real(void);
void try_real_(const char *name, const struct code *code);
void try_real(const char *name, const struct code *code);
void fresh_v86(void);
void try_v86_(const char *name, const struct code *code);
void try_v86(const char *name, const struct code *code);
extern uint32_t real_sel;    /* DATA16, or DATA for segments that keep a limit of 4 GiB */
extern uint16_t real_idt[3]; /* limit, base */
#endif

/* Page tables (page.c). */
enum { PT_P = 1, PT_W = 2, PT_U = 4, PT_PWT = 8, PT_PCD = 0x10, PT_A = 0x20, PT_D = 0x40, PT_PS = 0x80, PT_G = 0x100 };
#define PT_NX 0x8000000000000000ULL
extern unsigned pt_levels;
extern word pt_root;
word new_page(void);
unsigned pt_shift(unsigned level);
void *pt_entry(unsigned level, uint64_t va);
uint64_t pt_get(unsigned level, uint64_t va);
void pt_set(unsigned level, uint64_t va, uint64_t v);
#if BITS == 32
void pt_on(unsigned levels);
#endif
enum { NONE, READ, WRITE = 2, EXEC = 4, RW = 3, RX = 5, RWX = 7 };
void no_user(void);                  /* 64-bit guests: the first 4 GiB for the supervisor only */
void page(word va, unsigned rights); /* 64-bit guests: a page for CPL3 */

/* Intrinsics. */
static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint64_t rdmsr(uint32_t n)
{
    uint32_t a, d;
    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(n));
    return a | (uint64_t)d << 32;
}
static inline void wrmsr(uint32_t n, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(n) : "memory");
}
static inline uint64_t rdtsc(void)
{
    uint32_t a, d;
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
    return a | (uint64_t)d << 32;
}
static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t *r)
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}
/* The CPU has the bit: leaf, register (0 EAX to 3 EDX), bit. */
static inline bool has(uint32_t leaf, unsigned reg, unsigned bit)
{
    uint32_t r[4];
    cpuid(leaf & 0x80000000, 0, r);
    if (r[0] < leaf)
        return false;
    cpuid(leaf, 0, r);
    return r[reg] >> bit & 1;
}
#define HAS_MONITOR has(1, 2, 3)
#define HAS_PCID    has(1, 2, 17)
#define HAS_X2APIC  has(1, 2, 21)
#define HAS_TSCDL   has(1, 2, 24)
#define HAS_XSAVE   has(1, 2, 26)
#define HAS_SMEP    has(7, 1, 7)
#define HAS_INVPCID has(7, 1, 10)
#define HAS_SMAP    has(7, 1, 20)
#define HAS_UMIP    has(7, 2, 2)
#define HAS_PKU     has(7, 2, 3)
#define HAS_LA57    has(7, 2, 16)
static inline bool intel(void)
{
    uint32_t r[4];
    cpuid(0, 0, r);
    return r[1] == 0x756e6547;
}
#define DEFINE_CR(n)                                                                                                   \
    static inline word rdcr##n(void)                                                                                   \
    {                                                                                                                  \
        word v;                                                                                                        \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));                                                              \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void wrcr##n(word v)                                                                                 \
    {                                                                                                                  \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");                                                     \
    }
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
#define DEFINE_DR(n)                                                                                                   \
    static inline word rddr##n(void)                                                                                   \
    {                                                                                                                  \
        word v;                                                                                                        \
        __asm__ volatile("mov %%db" #n ", %0" : "=r"(v));                                                              \
        return v;                                                                                                      \
    }                                                                                                                  \
    static inline void wrdr##n(word v)                                                                                 \
    {                                                                                                                  \
        __asm__ volatile("mov %0, %%db" #n : : "r"(v) : "memory");                                                     \
    }
DEFINE_DR(0)
DEFINE_DR(1)
DEFINE_DR(2)
DEFINE_DR(3)
DEFINE_DR(6)
DEFINE_DR(7)
static inline void invlpg(word a)
{
    __asm__ volatile("invlpg (%0)" : : "r"(a) : "memory");
}
enum {
    CR0_PE = 1,
    CR0_MP = 2,
    CR0_EM = 4,
    CR0_TS = 8,
    CR0_NE = 0x20,
    CR0_WP = 0x10000,
    CR0_AM = 0x40000,
    CR0_NW = 0x20000000,
    CR0_CD = 0x40000000
};
#define CR0_PG 0x80000000UL
enum {
    CR4_VME = 1,
    CR4_PVI = 2,
    CR4_TSD = 4,
    CR4_DE = 8,
    CR4_PSE = 0x10,
    CR4_PAE = 0x20,
    CR4_MCE = 0x40,
    CR4_PGE = 0x80,
    CR4_PCE = 0x100,
    CR4_OSFXSR = 0x200,
    CR4_OSXMMEXCPT = 0x400,
    CR4_UMIP = 0x800,
    CR4_LA57 = 0x1000,
    CR4_FSGSBASE = 0x10000,
    CR4_PCIDE = 0x20000,
    CR4_OSXSAVE = 0x40000,
    CR4_SMEP = 0x100000,
    CR4_SMAP = 0x200000,
    CR4_PKE = 0x400000
};
enum { EFER_SCE = 1, EFER_LME = 0x100, EFER_LMA = 0x400, EFER_NXE = 0x800 };
#define MSR_EFER 0xc0000080

#ifndef HOST
void *memcpy(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
#else
#include <string.h>
#endif
#endif
