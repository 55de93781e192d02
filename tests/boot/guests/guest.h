/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the 64-bit guests share: ports, output, interrupt controllers. No library, no SSE at CPL0. */
#ifndef TESTS_BOOT_GUEST_H
#define TESTS_BOOT_GUEST_H

#include <stdbool.h>
#include <stdint.h>

struct frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax, vector, error, rip, cs, rflags, rsp, ss;
};
int main(void);                     /* its value goes to port f4h */
void ap_main(unsigned n);           /* processors 1, 2 ... */
void interrupt(struct frame *f);    /* every exception and interrupt */
void enter_user(void (*fn)(void), uint64_t stack);
void leave_user(void) __attribute__((noreturn));
extern uint32_t ap_count;

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
static inline uint32_t mmio_read(uint64_t a)
{
    uint32_t v;
    __asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(a) : "memory");
    return v;
}
static inline void mmio_write(uint64_t a, uint32_t v)
{
    __asm__ volatile("movl %0, (%1)" : : "r"(v), "r"(a) : "memory");
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
static inline void sti(void)
{
    __asm__ volatile("sti" : : : "memory");
}
static inline void cli(void)
{
    __asm__ volatile("cli" : : : "memory");
}
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Output: the debug port; quit: isa-debug-exit, the process ends with (v << 1) | 1. */
static inline void putch(char c)
{
    outb(0xe9, c);
}
static inline void quit(unsigned v)
{
    for (;;)
        outb(0xf4, v);
}
static inline void print(const char *s)
{
    while (*s)
        putch(*s++);
}
static inline void print_hex(uint64_t v, unsigned digits)
{
    while (digits--)
        putch("0123456789abcdef"[v >> digits * 4 & 15]);
}
static inline void print_num(uint64_t v)
{
    char buf[20];
    int n = 0;
    do
        buf[n++] = '0' + v % 10;
    while (v /= 10);
    while (n)
        putch(buf[--n]);
}
/* "name: value\n" */
static inline void say(const char *name, uint64_t v)
{
    print(name);
    print(": ");
    print_num(v);
    putch('\n');
}
static inline void say_hex(const char *name, uint64_t v, unsigned digits)
{
    print(name);
    print(": ");
    print_hex(v, digits);
    putch('\n');
}

/* The pair of 8259s: vectors 20h to 2fh, only the lines of mask (bit per IRQ) on. */
static inline void pic_init(uint16_t lines)
{
    outb(0x20, 0x11);
    outb(0xa0, 0x11);
    outb(0x21, 0x20);
    outb(0xa1, 0x28);
    outb(0x21, 4);
    outb(0xa1, 2);
    outb(0x21, 1);
    outb(0xa1, 1);
    outb(0x21, (uint8_t)~(lines | 4));
    outb(0xa1, (uint8_t)(~lines >> 8));
}
static inline void pic_eoi(unsigned vector)
{
    if (vector >= 0x28)
        outb(0xa0, 0x20);
    outb(0x20, 0x20);
}
/* Channel 0: count in ticks of 1.193182 MHz, mode 2. */
static inline void pit_start(uint16_t count)
{
    outb(0x43, 0x34);
    outb(0x40, (uint8_t)count);
    outb(0x40, count >> 8);
}

enum { APIC = 0xfee00000, APIC_ID = 0x20, APIC_TPR = 0x80, APIC_EOI = 0xb0, APIC_SVR = 0xf0, APIC_ICR = 0x300, APIC_ICR2 = 0x310,
       APIC_LVT_TIMER = 0x320, APIC_LINT0 = 0x350, APIC_TIMER_INIT = 0x380, APIC_TIMER_NOW = 0x390, APIC_TIMER_DIV = 0x3e0 };
static inline void apic_write(unsigned reg, uint32_t v)
{
    mmio_write((uint64_t)APIC + reg, v);
}
static inline uint32_t apic_read(unsigned reg)
{
    return mmio_read((uint64_t)APIC + reg);
}
/* INIT and SIPI, to F0000h, to the processor of APIC id 1. */
static inline void start_second(void)
{
    apic_write(APIC_ICR2, 1 << 24);
    apic_write(APIC_ICR, 0x4500);
    for (unsigned i = 0; i < 20000; i++)
        __asm__ volatile("nop");
    apic_write(APIC_ICR2, 1 << 24);
    apic_write(APIC_ICR, 0x46f0);
}

#endif
