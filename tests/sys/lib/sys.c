/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Start, tables and trap(). See sys.h. */
#include "sys.h"

bool (*handlers[256])(struct frame *f, word *pushed_ip);
uint64_t gdt[512];
uint8_t idt[256 * 16] __attribute__((aligned(16)));
uint8_t tss[104 + 32 + 8192 + 1] __attribute__((aligned(16)));
word trap_stack_top;
static char trap_stack[0x2000] __attribute__((aligned(16)));
extern word run_sp;
void run_end(void) __attribute__((noreturn));
void *trap(struct frame *f);
void sys_start(void);

void *memcpy(void *d, const void *s, size_t n)
{
    void *r = d;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return r;
}

void *memset(void *d, int c, size_t n)
{
    void *r = d;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return r;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

/* The end: isa-debug-exit, the process leaves with 2 v + 1. */
void quit(void)
{
    for (;;)
        outb(0xf4, 0x10);
}

void fail(const char *why)
{
    print("the guest stops: ");
    note(why);
    for (;;)
        outb(0xf4, 1);
}

/* Descriptors. access: P, DPL, S and type; flags: G 8, D/B 4, L 2, AVL 1. */
void segment(unsigned sel, uint32_t base, uint32_t limit, unsigned access, unsigned flags)
{
    gdt[sel >> 3] = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
                    (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)flags << 52 | (uint64_t)(base >> 24) << 56;
}

void gate(unsigned vector, unsigned access, unsigned sel, word offset)
{
    uint64_t low =
        (offset & 0xffff) | (uint64_t)sel << 16 | (uint64_t)access << 40 | (uint64_t)(offset >> 16 & 0xffff) << 48;
#if BITS == 64
    ((uint64_t *)idt)[vector * 2] = low;
    ((uint64_t *)idt)[vector * 2 + 1] = offset >> 32;
#else
    ((uint64_t *)idt)[vector] = low;
#endif
}

void gate_ist(unsigned vector, unsigned ist)
{
    idt[vector * (BITS / 4) + 4] = ist;
}

/* Interrupt gates for CPL3 as well; in 64-bit guests on the IST's first stack, whatever the case has done to its own.
 */
void gates_reset(void)
{
    for (unsigned i = 0; i < 256; i++) {
        gate(i, 0xee, CODE, (word)stubs + i * 16);
        if (BITS == 64)
            gate_ist(i, 1);
    }
}

static void descriptors(void)
{
    memset(gdt, 0, sizeof(gdt));
    segment(CODE, 0, 0xfffff, 0x9b, BITS == 64 ? 0xa : 0xc);
    segment(DATA, 0, 0xfffff, 0x93, 0xc);
    segment(UCODE32, 0, 0xfffff, 0xfb, 0xc);
    segment(UDATA, 0, 0xfffff, 0xf3, 0xc);
    segment(UCODE64, 0, 0xfffff, 0xfb, 0xa);
    segment(UDATA2, 0, 0xfffff, 0xf3, 0xc);
    segment(CODE32, 0, 0xfffff, 0x9b, 0xc);
    segment(CODE16, 0, 0xffff, 0x9b, 0);
    segment(DATA16, 0, 0xffff, 0x93, 0);
    segment(UCODE16, 0, 0xffff, 0xfb, 0);
    segment(UDATA16, 0, 0xffff, 0xf3, 0);
}

static void load_gdt_idt(void)
{
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) p = {sizeof(gdt) - 1, (word)gdt};

    __asm__ volatile("lgdt %0" : : "m"(p));
    p.limit = BITS == 64 ? 4095 : 2047;
    p.base = (word)idt;
    __asm__ volatile("lidt %0" : : "m"(p));
}

/* The TSS has no I/O bitmap: its offset is at the limit. */
static void make_tss(uint8_t *t, unsigned sel, word stack)
{
    memset(t, 0, 104);
    *(word *)(t + 4) = stack;
#if BITS == 64
    *(word *)(t + 36) = stack;
#else
    *(word *)(t + 8) = DATA;
#endif
    *(uint16_t *)(t + 102) = 104;
    segment(sel, (uint32_t)(word)t, 103, 0x89, 0);
    gdt[(sel >> 3) + 1] = 0;
}

void load_tables(void)
{
    descriptors();
    gates_reset();
    load_gdt_idt();
    make_tss(tss, TSS, trap_stack_top);
    __asm__ volatile("ltr %w0" : : "r"(TSS));
    __asm__ volatile("lldt %w0" : : "r"(0));
}

void sys_start(void)
{
    outb(0x21, 0xff); /* no interrupts of the 8259s */
    outb(0xa1, 0xff);
    trap_stack_top = (word)trap_stack + sizeof(trap_stack);
    load_tables();
#if BITS == 64
    __asm__ volatile("push %0; push $1f; lretq; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss"
                     :
                     : "r"((word)CODE), "r"(DATA)
                     : "memory");
#else
    __asm__ volatile("ljmp %0, $1f; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss; mov %1, %%fs; mov %1, %%gs"
                     :
                     : "i"(CODE), "r"(DATA)
                     : "memory");
#endif
    fresh();
    main();
    note("end");
    quit();
}

/* Exceptions. */
/* Where the interrupt frame begins behind a possible error code. */
static word *pushed_ip(struct frame *f, bool *error)
{
#if BITS == 64
    *error = ((word)f->pushed & 15) == 0;
#else
    word *p = f->pushed, words = ((word)trap_stack_top - (word)p) / 4;

    if (words == 5 || words == 6 || words == 9 || words == 10)
        *error = !(words & 1); /* from another CPL */
    else
        *error = f->vector < 32 && (0x60227d00u >> f->vector & 1);
#endif
    return f->pushed + *error;
}

void *trap(struct frame *f)
{
    bool error;
    word *p = pushed_ip(f, &error);
    struct regs *r = &ev.r;

    if (handlers[f->vector] && handlers[f->vector](f, p))
        return p;
    if (!run_sp) {
        print("exception outside of a case: ");
        print_vector(f->vector);
        field("error", error ? f->pushed[0] : 0);
        field("ip", p[0]);
        field("cr2", rdcr2());
        end();
        fail("unexpected exception");
    }
    ev.vector = f->vector;
    ev.has_error = error;
    ev.error = error ? f->pushed[0] : 0;
    ev.frame = (word)p;
    memcpy(r, f, offsetof(struct regs, ip));
    r->ip = p[0];
    r->cs = p[1] & 0xffff;
    r->flags = p[2];
#if BITS == 64
    r->sp = p[3];
    r->ss = p[4] & 0xffff;
    __asm__ volatile("mov %%ds, %0" : "=r"(r->ds));
    __asm__ volatile("mov %%es, %0" : "=r"(r->es));
    __asm__ volatile("mov %%fs, %0" : "=r"(r->fs));
    __asm__ volatile("mov %%gs, %0" : "=r"(r->gs));
#else
    r->ds = f->ds & 0xffff;
    r->es = f->es & 0xffff;
    r->fs = f->fs & 0xffff;
    r->gs = f->gs & 0xffff;
    r->sp = (word)(p + 3);
    r->ss = DATA;
    if ((r->flags & F_VM) || (r->cs & 3)) {
        r->sp = p[3];
        r->ss = p[4] & 0xffff;
    }
    if (r->flags & F_VM) {
        r->es = p[5] & 0xffff;
        r->ds = p[6] & 0xffff;
        r->fs = p[7] & 0xffff;
        r->gs = p[8] & 0xffff;
    }
#endif
    if (f->vector == V_PF)
        ev.cr2 = rdcr2();
    if (f->vector == V_DB) {
        ev.dr6 = rddr6();
        wrdr6(0xffff0ff0);
    }
    run_end();
}

void run_case(void)
{
    run();
    run_sp = 0;
}
