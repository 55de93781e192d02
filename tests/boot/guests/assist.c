/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that a kernel's emulator may lack, at CPL0 on two CPUs while timer interrupts arrive, and accesses to
 * device memory that it may not complete, at CPL0 and CPL3: results and flags. What is printed does not depend on who
 * executes them.
 */
#include "guest.h"

enum { MEM = 0xd0000000, BATCH = MEM + 0x100, COUNT = MEM + 0x200, SUM = MEM + 0x204, ROUNDS = 40 };
enum { ASK_DONE = 2 };
struct result {
    uint64_t value[12];
    uint32_t rounds, wrong;
};
static volatile struct result results[2];
static volatile uint32_t ticks, traps[256], faults;
static volatile uint32_t ap_done;
static const char *const names[12] = {
    "fwait, fnstsw", "fld1, fadd, fstp",   "int 40h", "int3", "cmpxchg16b", "popcnt", "crc32", "addps",
    "xsave, xrstor", "enter with a level", "lar",     "iretq"};

void interrupt(struct frame *f)
{
    if (f->vector == 0x20) {
        ticks++;
        pic_eoi(0x20);
        return;
    }
    if (f->vector == 6 && (f->cs & 3) == 3 && f->rax == ASK_DONE)
        leave_user();
    if (f->vector == 3 || f->vector == 0x40) {
        __atomic_fetch_add(&traps[f->vector], 1, __ATOMIC_RELAXED);
        f->rax += f->vector;
        return;
    }
    say_hex("exception", f->vector, 2);
    say_hex("error", f->error, 4);
    say_hex("at", f->rip, 8);
    quit(1);
}

static void enable_vectors(void)
{
    uint64_t cr0, cr4;

    __asm__ volatile("mov %%cr0, %0; and $~0xc, %0; or $0x22, %0; mov %0, %%cr0" : "=r"(cr0));
    __asm__ volatile("mov %%cr4, %0; or $0x40600, %0; mov %0, %%cr4" : "=r"(cr4));
    __asm__ volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
}

static uint64_t once(unsigned which, unsigned n)
{
    uint64_t a = 0, d = 0, flags;
    uint32_t w[16] __attribute__((aligned(64))) = {0x3f800000, 0x40000000, 0x40400000, 0x40800000};
    static uint8_t area[2][1024] __attribute__((aligned(64)));
    double x;

    switch (which) {
    case 0:
        __asm__ volatile("fninit; fwait; fnstsw %%ax" : "=a"(a));
        return a & 0xffff;
    case 1:
        __asm__ volatile("fninit; fld1; fadd %%st, %%st; fstpl %0; fwait" : "=m"(x));
        __builtin_memcpy(&a, &x, 8);
        return a;
    case 2:
        __asm__ volatile("int $0x40" : "+a"(a));
        return a;
    case 3:
        __asm__ volatile("int3" : "+a"(a));
        return a;
    case 4: {
        static uint64_t pair[2][2] __attribute__((aligned(16)));
        volatile uint64_t *p = pair[n];

        p[0] = 1;
        p[1] = 2;
        a = 1;
        d = 2;
        __asm__ volatile("lock cmpxchg16b %2; pushf; pop %3"
                         : "+a"(a), "+d"(d), "+m"(*(volatile unsigned __int128 *)p), "=r"(flags)
                         : "b"(0x1111ULL), "c"(0x2222ULL));
        return p[0] << 32 | p[1] << 8 | (flags >> 6 & 1);
    }
    case 5:
        __asm__ volatile("popcnt %1, %0" : "=r"(a) : "r"(0xf0f0f0f0f0ULL));
        return a;
    case 6:
        __asm__ volatile("crc32q %1, %0" : "+r"(a) : "r"(0x0123456789abcdefULL));
        return a;
    case 7:
        __asm__ volatile("movups %0, %%xmm0; addps %%xmm0, %%xmm0; mulps %0, %%xmm0; movups %%xmm0, %0" : "+m"(w));
        return (uint64_t)w[3] << 32 | w[1];
    case 8:
        __asm__ volatile("movups %1, %%xmm1; xsave %0; xorps %%xmm1, %%xmm1; xrstor %0; movups %%xmm1, %1"
                         : "+m"(area[n]), "+m"(w)
                         : "a"(7), "d"(0));
        return (uint64_t)w[3] << 32 | w[0];
    case 9:
        __asm__ volatile("mov %%rsp, %%rdx; mov %%rbp, %%rcx; lea -64(%%rsp), %%rsp; lea 48(%%rsp), %%rbp; movq $0x77, "
                         "-8(%%rbp); enter $16, $2; "
                         "mov -8(%%rbp), %%rax; mov %%rdx, %%rsp; mov %%rcx, %%rbp"
                         : "=a"(a)
                         :
                         : "rcx", "rdx", "memory");
        return a;
    case 10:
        __asm__ volatile("mov %%cs, %%ecx; lar %%ecx, %%eax; pushf; pop %1" : "=a"(a), "=d"(flags) : : "ecx");
        return (a & 0xf000) | (flags >> 6 & 1);
    default:
        __asm__ volatile("mov %%rsp, %%rcx; mov %%ss, %%edx; push %%rdx; push %%rcx; pushf; mov %%cs, %%edx; push "
                         "%%rdx; lea 1f(%%rip), %%rdx; "
                         "push %%rdx; iretq; 1: mov $0x99, %0"
                         : "=a"(a)
                         :
                         : "rcx", "rdx", "memory");
        return a;
    }
}

static void rounds(unsigned n)
{
    volatile struct result *r = &results[n];

    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned w = 0; w < 12; w++) {
            uint64_t v = once(w, n);

            if (!i)
                r->value[w] = v;
            else if (r->value[w] != v)
                r->wrong++;
        }
        r->rounds++;
    }
}

void ap_main(unsigned n)
{
    enable_vectors();
    rounds(1);
    __atomic_store_n(&ap_done, 1, __ATOMIC_RELEASE);
}

static void wide_stores(bool wider)
{
    static const uint32_t words[8] __attribute__((aligned(32))) = {1, 2, 3, 4, 5, 6, 7, 8};

    __asm__ volatile("movaps %0, %%xmm0; movups %%xmm0, (%1)" : : "m"(words), "r"((uint64_t)BATCH) : "memory");
    if (wider)
        __asm__ volatile("vmovaps %0, %%ymm0; vmovups %%ymm0, 32(%1); vzeroupper"
                         :
                         : "m"(words), "r"((uint64_t)BATCH)
                         : "memory");
}

static bool avx;

static void user_stores(void)
{
    register uint64_t a __asm__("rax");

    wide_stores(avx);
    a = ASK_DONE;
    __asm__ volatile("ud2" : : "r"(a) : "memory");
}

int main(void)
{
    uint64_t read[4] = {0};
    uint32_t id[4];

    print("assist\n");
    /* KVM's emulator takes a VEX prefix for LDS or LES and gives the guest a #UD: nobody is asked. */
    cpuid(0x40000000, 0, id);
    avx = id[1] != 0x4b4d564b;
    say("with AVX", avx);
    enable_vectors();
    pic_init(1);
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_LINT0, 0x700); /* the 8259's INT */
    /* SUM: RET, with INC EAX before it: an instruction fetched from device memory. */
    mmio_write(BATCH, 0xc3c0ff);
    uint32_t eax = 41;

    __asm__ volatile("call *%1" : "+a"(eax) : "r"((uint64_t)SUM) : "memory");
    say("fetched from a device", eax);
    wide_stores(avx);
    say("stores at CPL0: words", mmio_read(COUNT));
    say("their sum", mmio_read(SUM) - 0xc3c0ff);
    enter_user(user_stores, 0x5f000 - 8);
    say("stores at CPL3: words", mmio_read(COUNT));
    say("their sum", mmio_read(SUM) - 0xc3c0ff);
    __asm__ volatile("movups (%1), %%xmm1; movups %%xmm1, %0" : "=m"(read) : "r"((uint64_t)COUNT));
    say("words by a wide load", (uint32_t)read[0]);
    say("sum by a wide load", (read[0] >> 32) - 0xc3c0ff);
    pit_start(5966);
    /* The other CPU's, without interrupts, beside ours with them. */
    apic_write(APIC_ICR, 0xc4500); /* INIT */
    for (volatile unsigned i = 0; i < 20000; i++)
        ;
    apic_write(APIC_ICR, 0xc46f0); /* SIPI to F0000h */
    sti();
    rounds(0);
    while (!__atomic_load_n(&ap_done, __ATOMIC_ACQUIRE) || ticks < 5)
        __asm__ volatile("pause");
    cli();
    for (unsigned w = 0; w < 12; w++) {
        say_hex(names[w], results[0].value[w], 16);
        if (results[1].value[w] != results[0].value[w])
            say_hex("but on the other CPU", results[1].value[w], 16);
    }
    say("rounds", results[0].rounds + results[1].rounds);
    say("with other results", results[0].wrong + results[1].wrong);
    say("INT3", traps[3]);
    say("INT 40h", traps[0x40]);
    say("ticks", ticks >= 5);
    print("done\n");
    return 0x10;
}
