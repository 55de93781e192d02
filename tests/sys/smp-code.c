/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Self-modifying and cross-modifying code (SDM volume 3, 9.1.3): what a processor executes after it has serialized is
 * what was written before the flag that it saw; patches by one aligned store, and by INT3, are seen whole.
 */
#include "smp.h"

#define ALIAS   0x200000000
#define SYNC    0x41
#define TRAPPED 0xcccccccc
#define RETURNS 0xb8 /* mov $imm, %eax */
typedef uint32_t Fn(void);

static volatile uint32_t flag SHARED, wrong SHARED, acks SHARED, traps SHARED;
static volatile bool stop SHARED;
static uint8_t *volatile code SHARED;

static uint32_t call(const volatile uint8_t *f)
{
    return ((Fn *)(word)f)();
}

static void put32(volatile uint8_t *p, uint32_t v)
{
    *(volatile uint32_t *)(volatile void *)p = v;
}

/* mov $v, %eax; ret */
static void put_function(uint8_t *p, uint32_t v)
{
    p[0] = RETURNS;
    put32(p + 1, v);
    p[5] = 0xc3;
}

static volatile bool looping SHARED;
static bool on_sync(struct frame *f, word *ip)
{
    if (looping)
        ip[2] &= ~(word)0x40; /* ZF */
    eoi();
    __sync_fetch_and_add(&acks, 1);
    return true;
}

static bool on_int3(struct frame *f, word *ip)
{
    f->ax = TRAPPED;
    ip[0] += 4;
    traps++;
    return true;
}

/* The other one has taken an interrupt, and returned from it or is about to: it has serialized. */
static void sync_other(void)
{
    uint32_t n = acks;

    ipi(ICR_OTHERS | SYNC);
    while (acks == n)
        relax();
}

static void result(const char *s)
{
    name(s);
    field("wrong", wrong);
    end();
    wrong = 0;
    stop = false;
}

/* INT3: the first byte becomes INT3, then the rest is written, then the first byte; all see each step. */
static void int3_caller(void)
{
    irq_on();
    while (!stop) {
        uint32_t least = flag, v = call(code);

        if (v != TRAPPED && (v != (v & 0xff) * 0x01010101 || (v & 0xff) < least))
            wrong++;
    }
    irq_off();
}
static void int3_patcher(void)
{
    for (uint32_t k = 2; k < 200; k++) {
        code[0] = 0xcc;
        sync_other();
        for (unsigned i = 1; i < 5; i++)
            code[i] = k;
        sync_other();
        code[0] = RETURNS;
        sync_other();
        flag = k;
    }
    stop = true;
}
static void int3(const char *s, unsigned at)
{
    flag = 1;
    code = (uint8_t *)new_page() + at;
    put_function(code, 0x01010101);
    both(int3_patcher, int3_caller);
    if (flag != 199 || call(code) != 199U * 0x01010101)
        wrong++;
    result(s);
}

/* A jump whose eight aligned bytes are exchanged by one store. */
static void jump_caller(void)
{
    irq_on();
    while (!stop) {
        uint32_t v = call(code);

        if (v != 1 && v != 2)
            wrong++;
    }
    irq_off();
}
static uint32_t jump_patches;
static void jump_patch(uint8_t *p, uint32_t n)
{
    uint64_t to1 = 0x00000000e9ULL | 0x3bULL << 8 | 0x9090900000000000ULL >> 0,
             to2 = 0x00000000e9ULL | 0x7bULL << 8 | 0x9090900000000000ULL;

    *(volatile uint64_t *)(void *)p = n & 1 ? to2 : to1;
}
static uint8_t *jump_page(void)
{
    uint8_t *p = (uint8_t *)new_page();

    put_function(p + 0x40, 1);
    put_function(p + 0x80, 2);
    jump_patch(p, 0);
    return p;
}
static void jump_many(void)
{
    for (uint32_t n = 0; n < 20000; n++)
        jump_patch(code, n);
    sync_other();
    stop = true;
}
static void jump_pages(void)
{
    for (unsigned i = 0; i < 60; i++) {
        code = jump_page();
        for (uint32_t n = 0; n < jump_patches; n++) {
            jump_patch(code, n);
            for (volatile unsigned k = 0; k < 200; k++)
                ;
        }
    }
    stop = true;
}

/* What is beside the code on its page changes all the time. */
static void beside_caller(void)
{
    while (!stop)
        if (call(code) != 1000)
            wrong++;
}
static void beside_writer(void)
{
    for (uint32_t n = 0; n < 30000; n++)
        put32(code + 0x200 + n % 64 * 4, n);
    stop = true;
}

/* The last store of this is checked with the first, many slow instructions earlier. */
static void slow_stores(uint8_t *p, uint32_t v, uint32_t round)
{
    __asm__ volatile("fldpi; jmp 1f; 1:\n\t"
                     "mov %%ecx, (%%rdi)\n\t"
                     ".rept 50\n\t"
                     "fcos\n\t"
                     ".endr\n\t"
                     "mov %%ecx, 65(%%rdi)\n\t"
                     "mov %%esi, flag(%%rip)\n\t"
                     "fstp %%st"
                     :
                     : "c"(v), "D"(p), "S"(round)
                     : "memory", "cc");
}
enum { LATE_ROUNDS = 600 };
static uint8_t *late_pages[LATE_ROUNDS];
static unsigned late_entry;
static void late_writer(void)
{
    for (uint32_t r = 1; r < LATE_ROUNDS; r++) {
        late_pages[r][0] = 0; /* may be written, with no code in it yet */
        meet(0, r);
        for (volatile unsigned k = 0; k < r % 150 * 8; k++)
            ;
        slow_stores(late_pages[r], 2, r);
    }
}
static void late_caller(void)
{
    for (uint32_t r = 1; r < LATE_ROUNDS; r++) {
        meet(1, r);
        call(late_pages[r] + late_entry);
        while (flag != r)
            relax();
        serialize();
        if (call(late_pages[r] + late_entry) != 2)
            wrong++;
    }
}
static void late(const char *s, unsigned entry)
{
    for (unsigned r = 0; r < LATE_ROUNDS; r++) {
        uint8_t *p = late_pages[r] = (uint8_t *)new_page();

        put_function(p + 64, 1);
        if (entry != 64) {
            memcpy(p + 69, "\x5a\xff\xe2", 3); /* pop %rdx; jmp *%rdx */
            p[entry] = 0xeb;
            p[entry + 1] = 64 - (entry + 2);
        }
    }
    late_entry = entry;
    flag = 0;
    smp_at[0] = smp_at[1] = 0;
    both(late_writer, late_caller);
    result(s);
}

/* The flag, a serializing instruction, and the code that was written before the flag, one behind the other. */
#define STRAIGHT_TO(label, before, text, after)                                                                        \
    __asm__(".pushsection .text; .balign 64; straight_" #label ": .global straight_" #label "\n\t"                     \
            "push %rbx\n\t" before "\n\t"                                                                              \
            "mov $3, %ebx\n\t"                                                                                         \
            ".rept 20; mov $1, %eax; xor %edx, %edx; div %rbx; lea 3(%rax), %rbx; .endr\n\t"                           \
            "mov flag, %r8d\n\t" text "\n\t"                                                                           \
            ".balign 4, 0x90; nop; nop; nop\n\t"                                                                       \
            "661: mov $0, %edx\n\t" after "\n\t"                                                                       \
            "shl $32, %rdx; mov %r8d, %eax; or %rdx, %rax; pop %rbx; ret; .balign 8\n\t"                               \
            "straight_end_" #label ": .global straight_end_" #label "\n\t"                                             \
            ".quad 661b + 1 - straight_" #label "; .popsection");                                                      \
    extern uint8_t straight_##label[];                                                                                 \
    extern uint64_t straight_end_##label[]
#define STRAIGHT(label, before, text) STRAIGHT_TO(label, before, text, "")
STRAIGHT(cpuid, "", "xor %eax, %eax; cpuid");
STRAIGHT(iret, "",
         "mov %rsp, %rax; pushq $0x10; push %rax; pushfq; pushq $8; lea 1f(%rip), %rax; push %rax; iretq; 1:");
STRAIGHT(cr2, "", "mov %rax, %cr2");
STRAIGHT(invlpg, "", "invlpg flag");
STRAIGHT(lidt, "sub $16, %rsp; sidt (%rsp)", "lidt (%rsp); add $16, %rsp");
STRAIGHT(lldt, "", "xor %eax, %eax; lldt %ax");
STRAIGHT(wbinvd, "", "wbinvd");
STRAIGHT(wrmsr, "", "xor %eax, %eax; xor %edx, %edx; mov $0xc0000102, %ecx; wrmsr");
STRAIGHT(dr0, "", "xor %eax, %eax; mov %rax, %dr0");
/* An engine may take the code behind a jump together with what is before it, up to an indirect jump. */
STRAIGHT_TO(jump, "", "xor %eax, %eax; cpuid; jmp 1f; .skip 40, 0xcc; 1:", "lea 2f(%rip), %rax; jmp *%rax; 2:");
static size_t imm_at;
static uint8_t *volatile in_code; /* where the caller is */
static void straight_caller(void)
{
    while (!stop) {
        uint8_t *c = in_code = code;
        uint64_t v = ((uint64_t(*)(void))(word)c)();

        if ((uint32_t)v > v >> 32)
            wrong++;
    }
}
static const uint8_t *straight_from;
static size_t straight_size;
static void straight_writer(void)
{
    for (uint32_t i = 0, k = 1; i < 40; i++) {
        uint8_t *p = (uint8_t *)new_page();

        memcpy(p, straight_from, straight_size);
        put32(p + imm_at, k);
        code = p;
        while (in_code != p)
            relax();
        for (volatile unsigned d = 0; d < 500; d++)
            ;
        for (unsigned n = 0; n < 3; n++) {
            k++;
            put32(p + imm_at, k);
            flag = k;
            for (volatile unsigned d = 0; d < 1000 + i * 20; d++)
                ;
        }
    }
    stop = true;
}
static void straight(const char *s, const uint8_t *from, const uint64_t *end)
{
    flag = 0;
    imm_at = end[0];
    straight_from = from;
    straight_size = (const uint8_t *)end - from;
    code = (uint8_t *)new_page();
    memcpy(code, from, straight_size);
    both(straight_writer, straight_caller);
    result(s);
}
#define DO_STRAIGHT(label) straight("flag, " #label ", code", straight_##label, straight_end_##label)

/* One processor alone. */
static const char *own;
static void own_result(uint32_t bad)
{
    name(own);
    field("wrong", bad);
    end();
}
#define OWN(s, setup, store, between)                                                                                  \
    do {                                                                                                               \
        uint32_t bad = 0;                                                                                              \
        for (uint32_t k = 1; k <= 300; k++) {                                                                          \
            uint32_t got;                                                                                              \
            __asm__ volatile(setup "\n\t" store "\n\t" between "\n\t.byte 0xb8\n661: .long 0\n\t"                      \
                             : "=a"(got)                                                                               \
                             : "c"(k)                                                                                  \
                             : "memory", "cc", "rdx", "rbx", "rdi", "rsi", "r8");                                      \
            bad += got != k;                                                                                           \
        }                                                                                                              \
        own = s;                                                                                                       \
        own_result(bad);                                                                                               \
    } while (0)
static void own_code(void)
{
    OWN("own, mov", "", "movl %%ecx, 661f(%%rip)", "");
    OWN("own, mov and jmp", "", "movl %%ecx, 661f(%%rip)", "jmp 1f; 1:");
    OWN("own, bytes", "", "movb %%cl, 661f(%%rip); movb %%ch, 661f+1(%%rip)", "");
    OWN("own, through a register", "lea 661f(%%rip), %%rdi", "movl %%ecx, (%%rdi)", "");
    OWN("own, xchg", "mov %%ecx, %%edx", "xchg %%edx, 661f(%%rip)", "");
    OWN("own, lock xadd", "mov %%ecx, %%edx; sub 661f(%%rip), %%edx", "lock xadd %%edx, 661f(%%rip)", "");
    OWN("own, lock cmpxchg", "mov 661f(%%rip), %%eax", "lock cmpxchg %%ecx, 661f(%%rip)", "");
    OWN("own, stosl", "lea 661f(%%rip), %%rdi; mov %%ecx, %%eax", "stosl", "");
    OWN("own, rep stosb of nops and movsl", "lea 661f(%%rip), %%rdi; push %%rcx; mov %%rsp, %%rsi", "movsl",
        "pop %%rcx");
    OWN("own, push",
        "mov %%rsp, %%rbx; lea 661f+8(%%rip), %%rsp; mov 661f+4(%%rip), %%edx; shl $32, %%rdx; or %%rcx, %%rdx",
        "push %%rdx", "mov %%rbx, %%rsp");
    OWN("own, movd", "movd %%ecx, %%xmm0", "movd %%xmm0, 661f(%%rip)", "");
    OWN("own, fistp", "push %%rcx; fildl (%%rsp); pop %%rcx", "fistpl 661f(%%rip)", "");
    OWN("own, rep movsb", "lea 661f(%%rip), %%rdi; push %%rcx; mov %%rsp, %%rsi; mov %%rcx, %%r8; mov $4, %%ecx",
        "rep movsb", "pop %%rcx");
    OWN("own, set bits", "movl $0, 661f(%%rip); mov %%ecx, %%edx",
        "1: bsf %%edx, %%ebx; btr %%ebx, %%edx; bts %%ebx, 661f(%%rip); test %%edx, %%edx; jnz 1b", "");
    OWN("own, addl", "movl $0, 661f(%%rip)", "addl %%ecx, 661f(%%rip)", "");
    OWN("own, cmpxchg8b",
        "mov 661f(%%rip), %%eax; mov 661f+4(%%rip), %%edx; push %%rcx; mov %%ecx, %%ebx; mov %%edx, %%ecx",
        "cmpxchg8b 661f(%%rip)", "pop %%rcx");
}

/* A function in two pages; its second half, an instruction that crosses, and what comes by other addresses. */
static void pages_code(void)
{
    uint8_t *p = (uint8_t *)new_page(), *q = (uint8_t *)new_page();
    uint32_t bad = 0;

    (void)q;
    for (unsigned at = 0xff8; at < 0x1000; at++) {
        put_function(p + at, 0);
        for (uint32_t k = 1; k < 20; k++) {
            put32(p + at + 1, k << 24 | k);
            bad += call(p + at) != (k << 24 | k);
        }
    }
    own = "own, at a page's end";
    own_result(bad);
    bad = 0;
    uint8_t *r = (uint8_t *)new_page();

    pt_set(1, ALIAS, (word)r | PT_P | PT_W | PT_A | PT_D);
    put_function(r, 0);
    for (uint32_t k = 1; k < 300; k++) {
        put32((uint8_t *)ALIAS + 1, k);
        serialize();
        bad += call(r) != k;
        put32(r + 1, k + 1);
        serialize();
        bad += call((uint8_t *)ALIAS) != k + 1;
    }
    own = "own, another address";
    own_result(bad);
}

static uint32_t enter(const uint8_t *p, uint32_t v, uint8_t *store)
{
    uint32_t got;

    __asm__ volatile("lea 1f(%%rip), %%rdx; jmp *%[p]; 1:"
                     : "=a"(got)
                     : "c"(v), "S"(store), [p] "D"(p)
                     : "rdx", "memory");
    return got;
}

/* mov %ecx, (%rsi) and a jump to where an indirect one soon follows, in the page or another; both are run often before
 * that changes, by the code itself or by others. */
static void behind_jump(void)
{
    static uint8_t nothing[4];
    uint32_t bad = 0;

    for (uint32_t r = 1; r <= 40; r++) {
        uint8_t *p = (uint8_t *)new_page(), *q = r & 1 ? (uint8_t *)new_page() : p + 256;
        uint8_t *from = r & 2 ? p : q, *to = r & 2 ? q : p;

        memcpy(from + 64, "\x89\x0e\xe9", 3);
        put32(from + 67, (uint32_t)((word)to - (word)(from + 71)));
        memcpy(to, "\xb8\x00\x00\x00\x00\xff\xe2", 7);
        for (uint32_t k = 0; k < 20; k++)
            bad += enter(to, k, nothing) != 0;
        for (uint32_t k = 0; k < 20; k++)
            bad += enter(from + 64, k, nothing) != 0;
        if (r & 4)
            bad += enter(from + 64, r, to + 1) != r;
        else
            put32(to + 1, r);
        for (uint32_t k = 0; k < 20; k++)
            bad += enter(from + 64, k, nothing) != r;
    }
    own = "own, behind a jump";
    own_result(bad);
}

/* The page behind the jump is mapped anew, or only when it is come to: the fault is the target's. */
#define PT_CODE (PT_P | PT_W | PT_A | PT_D)
static word jumped, behind;
static uint32_t behind_faults;
static bool on_absent(struct frame *f, word *ip)
{
    behind_faults += ip[0] == jumped;
    pt_set(1, jumped, behind | PT_CODE);
    return true;
}
static void page_behind_jump(void)
{
    static uint8_t nothing[4];
    uint8_t *to[2] = {(uint8_t *)new_page(), (uint8_t *)new_page()};
    uint32_t bad = 0;

    handlers[V_PF] = on_absent;
    for (uint32_t k = 0; k < 2; k++)
        memcpy(to[k], k ? "\xb8\x01\x00\x00\x00\xff\xe2" : "\xb8\x00\x00\x00\x00\xff\xe2", 7);
    for (uint32_t r = 0; r < 40; r++) {
        uint8_t *from = (uint8_t *)new_page();
        uint32_t old = r & 1, absent = r % 3 == 0;
        word jumps = ALIAS + (r + 1) * 0x10000;

        jumped = jumps + 0x3000;
        memcpy(from, "\x89\x0e\xe9\xf9\x2f\x00\x00", 7);
        pt_set(1, jumps, (word)from | PT_CODE);
        pt_set(1, jumped, (word)to[old] | PT_CODE);
        for (uint32_t k = 0; k < 20; k++)
            bad += enter((uint8_t *)jumped, k, nothing) != old;
        for (uint32_t k = 0; k < 20; k++)
            bad += enter((uint8_t *)jumps, k, nothing) != old;
        behind = (word)to[!old];
        behind_faults = 0;
        pt_set(1, jumped, absent ? 0 : behind | PT_CODE);
        bad += enter((uint8_t *)jumps, r, nothing) == old;
        bad += behind_faults != absent;
    }
    handlers[V_PF] = NULL;
    own = "own, a page behind a jump";
    own_result(bad);
}

/* A loop that only an interrupt ends. The way back is a jump behind which an indirect one comes; what is accessed
 * behind it lies in two pages, which an engine may want to know of before it goes on. */
static void loop_caller(void)
{
    static uint8_t *at;

    if (!at) {
        at = (uint8_t *)new_page() + 0xff8;
        new_page();
    }
    stop = false;
    irq_on();
    looping = true;
    __asm__ volatile(
        "xor %%eax, %%eax; jmp 2f; .balign 64\n\t"
        "1: mov (%[at]), %%rax; mov 8(%[at]), %%rcx; jz 2f; lea 3f(%%rip), %%rdx; jmp *%%rdx; .skip 32, 0xcc\n\t"
        "2: nop; jmp 1b\n\t"
        "3:"
        :
        : [at] "S"(at)
        : "rax", "rcx", "rdx", "memory", "cc");
    looping = false;
    while (!stop)
        relax();
    irq_off();
}
static void loop_ender(void)
{
    while (!looping)
        relax();
    while (looping) {
        for (volatile unsigned k = 0; k < 20000; k++)
            ;
        sync_other();
    }
    stop = true;
}

/* A third party writes: fw_cfg's DMA puts the first four bytes of file 0, "QEMU", there. */
static struct {
    uint32_t control, length;
    uint64_t address;
} dma SHARED;
static void dma_write(word to)
{
    dma.control = __builtin_bswap32(2 | 8);
    dma.length = __builtin_bswap32(4);
    dma.address = __builtin_bswap64(to);
    barrier();
    outl(0x514, 0);
    outl(0x518, __builtin_bswap32((uint32_t)(word)&dma));
    while (*(volatile uint32_t *)&dma.control)
        relax();
}
enum { ROUNDS = 200 };
static uint8_t *round_code[ROUNDS];
static bool by_dma;
static void round_writer(void)
{
    for (uint32_t r = 1; r < ROUNDS; r++) {
        meet(0, 2 * r);
        if (by_dma)
            dma_write((word)round_code[r] + 1);
        else
            put32((uint8_t *)ALIAS + ((word)round_code[r] & 0xfff) + 1, r + 1000);
        flag = r;
        meet(0, 2 * r + 1);
    }
}
static void round_caller(void)
{
    for (uint32_t r = 1; r < ROUNDS; r++) {
        uint32_t want = by_dma ? 0x554d4551 : r + 1000;

        meet(1, 2 * r);
        while (flag != r) {
            uint32_t v = call(round_code[r]);
            if (v != r && v != want)
                wrong++;
        }
        serialize();
        if (call(round_code[r]) != want)
            wrong++;
        meet(1, 2 * r + 1);
    }
}
static void other_writers(bool is_dma, const char *s)
{
    uint8_t *p = NULL;

    by_dma = is_dma;
    flag = 0;
    for (uint32_t r = 0; r < ROUNDS; r++) {
        if (!(r % 50) && (is_dma || !p))
            p = (uint8_t *)new_page();
        round_code[r] = p + (is_dma ? r % 50 : r % 200) * 16 + 3 + 4 * (r % 3);
        put_function(round_code[r], r);
    }
    pt_set(1, ALIAS, (word)p | PT_P | PT_W | PT_A | PT_D);
    smp_at[0] = smp_at[1] = 0;
    both(round_writer, round_caller);
    result(s);
}

int main(void)
{
    uint32_t bad = 0;

    handlers[SYNC] = on_sync;
    handlers[V_BP] = on_int3;
    smp_start();
    /* First: an engine may treat pages of code that are written all the time in another way. */
    late("a store on its way", 64);
    late("a store on its way, behind a jump", 80);
    own_code();
    pages_code();
    behind_jump();
    page_behind_jump();
    for (unsigned r = 0; r < 10; r++)
        both(loop_ender, loop_caller);
    result("a loop that an interrupt ends");
    int3("int3", 0x103);
    int3("int3, across a line", 0x13e);
    int3("int3, across a page", 0xffd);
    say("traps, some", traps > 0);
    code = jump_page();
    both(jump_many, jump_caller);
    if (call(code) != 2)
        bad++;
    result("jump, patched all the time");
    jump_patches = 3;
    code = jump_page();
    both(jump_pages, jump_caller);
    result("jump, patched on many pages");
    code = (uint8_t *)new_page();
    memcpy(code, "\x31\xc0\xb9\xe8\x03\x00\x00\xff\xc0\xff\xc9\x75\xfa\xc3", 14);
    both(beside_writer, beside_caller);
    result("code beside data");
    DO_STRAIGHT(cpuid);
    DO_STRAIGHT(iret);
    DO_STRAIGHT(cr2);
    DO_STRAIGHT(invlpg);
    DO_STRAIGHT(lidt);
    DO_STRAIGHT(lldt);
    DO_STRAIGHT(wbinvd);
    DO_STRAIGHT(wrmsr);
    DO_STRAIGHT(dr0);
    DO_STRAIGHT(jump);
    other_writers(false, "through another address");
    other_writers(true, "by dma");
    return (int)bad;
}
