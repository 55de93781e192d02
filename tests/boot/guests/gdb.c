/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest to be debugged (gdb.py): two processors that count, functions with one thing to stop at each, timer
 * interrupts. It runs until a debugger sets `finish`, the value of which is what it quits with.
 */
#include "guest.h"

volatile uint64_t counter, fetched, ap_counter, ticks, finish;
/* `watched` is the second of these; nobody touches its neighbours. */
volatile uint64_t row[3];

__attribute__((noinline)) void plain(void)
{
    counter++;
}

/* One store and one load, with labels behind them: where a watchpoint stops. */
void store(uint64_t v);
uint64_t fetch(void);
/* Instructions whose order is known: straight, s1, s2, s4, s6, s5 and back. */
void straight(void);
__asm__(".text\n"
        ".globl store, fetch, straight\n"
        ".set watched, row + 8\n"
        "store: nop\n"
        "  mov $watched, %eax\n"
        "  mov %rdi, (%rax)\n"
        "stored: ret\n"
        "fetch: mov $watched, %ecx\n"
        "  mov (%rcx), %rax\n"
        "loaded: ret\n"
        "straight: nop\n"
        "s1: mov $0x1234, %eax\n"
        "s2: jmp s4\n"
        "s3: ud2\n"
        "s4: call s6\n"
        "s5: ret\n"
        "s6: ret\n");

__attribute__((noinline)) void ap_step(void)
{
    ap_counter++;
}

void ap_main(unsigned n)
{
    for (;;)
        ap_step();
}

__attribute__((noinline)) void interrupt(struct frame *f)
{
    if (f->vector != 0x20) {
        say("unexpected vector", f->vector);
        quit(100);
    }
    ticks++;
    pic_eoi(0x20);
}

int main(void)
{
    apic_write(APIC_SVR, 0x1ff);
    start_second();
    apic_write(APIC_LINT0, 0x700);
    pic_init(1);
    pit_start(11932);
    sti();
    for (;;) {
        plain();
        store(counter);
        fetched = fetch();
        straight();
        if (finish)
            quit((unsigned)finish);
    }
}
