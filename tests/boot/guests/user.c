/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 64-bit code at CPL3 with x87, SSE and AVX: results, faults that come back to CPL0, and timer ticks meanwhile. The
 * code asks for service by UD2 (RAX: what).
 */
#include "guest.h"

enum { ASK_PRINT = 1, ASK_DONE = 2 };
static volatile uint32_t ticks, faults, fault_vector;
static volatile uint64_t fault_address;
static bool have_avx;

void ap_main(unsigned n)
{
}

void interrupt(struct frame *f)
{
    if (f->vector >= 0x20) {
        if ((f->cs & 3) == 3)
            ticks++;
        pic_eoi(f->vector);
        return;
    }
    if (f->vector == 6 && (f->cs & 3) == 3 && f->rax == ASK_PRINT) {
        say_hex((const char *)f->rdi, f->rsi, 16);
        f->rip += 2;
        return;
    }
    if (f->vector == 6 && (f->cs & 3) == 3 && f->rax == ASK_DONE)
        leave_user();
    faults++;
    fault_vector = f->vector;
    __asm__ volatile("mov %%cr2, %0" : "=r"(fault_address));
    if ((f->cs & 3) == 3)
        leave_user();
    say_hex("exception", f->vector, 2);
    say_hex("at", f->rip, 8);
    quit(1);
}

/* CPL3 from here. */
static void ask_print(const char *name, uint64_t v)
{
    register uint64_t a __asm__("rax") = ASK_PRINT;

    __asm__ volatile("ud2" : : "r"(a), "D"(name), "S"(v) : "memory");
}

static void ask_done(void)
{
    register uint64_t a __asm__("rax") = ASK_DONE;

    __asm__ volatile("ud2" : : "r"(a) : "memory");
}

static void user_compute(void)
{
    uint64_t x = 88172645463325252ULL, sum = 0;
    double root;
    uint64_t bits, parts[4];
    static const double two = 2.0, three = 3.0;
    static const float four[8] __attribute__((aligned(32))) = {1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f, 7.5f, 8.5f};

    for (unsigned i = 0; i < 3000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x;
    }
    ask_print("integer", sum);
    __asm__ volatile("fninit; fldl %1; fsqrt; fldl %2; fmulp; fstpl %0" : "=m"(root) : "m"(two), "m"(three));
    __builtin_memcpy(&bits, &root, 8);
    ask_print("x87 3*sqrt(2)", bits);
    __asm__ volatile("movups %1, %%xmm1; mulps %%xmm1, %%xmm1; movups %%xmm1, %0"
                     : "=m"(*(char(*)[16])parts)
                     : "m"(*(const char(*)[16])four));
    ask_print("SSE", parts[0]);
    ask_print("SSE", parts[1]);
    if (have_avx) {
        __asm__ volatile("vmovups %1, %%ymm2; vaddps %%ymm2, %%ymm2, %%ymm3; vmovups %%ymm3, %0; vzeroupper"
                         : "=m"(*(char(*)[32])parts)
                         : "m"(*(const char(*)[32])four));
        ask_print("AVX", parts[2]);
        ask_print("AVX", parts[3]);
    }
    ask_done();
}

static void user_spin(void)
{
    uint64_t x = 1;

    while (ticks < 20)
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    /* Registers live across the ticks. */
    register uint64_t a __asm__("rax") = ASK_DONE;
    __asm__ volatile("ud2" : : "r"(a), "b"(x) : "memory");
}

static void user_hlt(void)
{
    __asm__ volatile("hlt");
}

static void user_divide(void)
{
    __asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx" : : : "eax", "ecx", "edx");
}

static void user_out(void)
{
    __asm__ volatile("outb %al, $0xe9");
}

static void user_supervisor_page(void)
{
    *(volatile uint32_t *)0x40000008ULL = 1;
}

static void user_breakpoint(void)
{
    __asm__ volatile("int3");
}

static void run(const char *name, void (*fn)(void))
{
    fault_vector = 0xff;
    enter_user(fn, 0x5f000 - 8);
    print(name);
    print(": ");
    if (fault_vector == 0xff)
        print("ok\n");
    else
        say_hex("fault", fault_vector, 2);
}

int main(void)
{
    uint32_t id[4];

    print("user\n");
    cpuid(1, 0, id);
    if (id[2] & 1 << 26 && id[2] & 1 << 28) {
        uint64_t cr4;

        __asm__ volatile("mov %%cr4, %0; or $0x40000, %0; mov %0, %%cr4" : "=r"(cr4));
        __asm__ volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
        have_avx = true;
    }
    run("compute", user_compute);
    run("hlt", user_hlt);
    run("divide", user_divide);
    run("out", user_out);
    volatile uint64_t *pd = (uint64_t *)0x4000;
    pd[0] &= ~4ULL;
    __asm__ volatile("invlpg (%0)" : : "r"(0x40000000ULL) : "memory");
    run("supervisor page", user_supervisor_page);
    say_hex("address", fault_address, 8);
    run("int3", user_breakpoint);
    pic_init(1);
    apic_write(APIC_SVR, 0x1ff);
    apic_write(APIC_LINT0, 0x700); /* the 8259's INT */
    pit_start(11932);
    run("ticks", user_spin);
    cli();
    say("ticks at CPL3", ticks >= 20);
    print("done\n");
    return 0x10;
}
