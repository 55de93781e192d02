/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode with the AMD64 state-save area (APM volume 2, chapter 10): SMI by the local APIC, by port B2h
 * and by LINT0; what a handler finds, what is masked, RSM, SMBASE, auto halt restart, a state that RSM refuses. The
 * handler lies in RAM at the SMBASE of reset, 30000h. SMRAM at A0000h is tested in tests/boot/chipset.py.
 */
#include "lib/apic.h"

enum { SEEN = 0x4000 }; /* what handlers put down: the count, then words */
static word smbase = 0x30000;

static volatile uint32_t *seen(void)
{
    word at = SEEN;

    __asm__("" : "+r"(at));
    return (volatile uint32_t *)at;
}
static uint64_t saved(unsigned off, unsigned size)
{
    uint64_t v = *(volatile uint64_t *)(smbase + off);

    return size == 8 ? v : v & ((1ULL << size * 8) - 1);
}

#define COUNT "inc dword ptr ds:[0x4000]\n\t"
#define IPI   "mov ebx, 0xfee00300\n\tmov dword ptr [ebx], "

static void handler(const struct code *c)
{
    memcpy((void *)(smbase + 0x8000), c->start, c->end - c->start + 2);
    memset((void *)SEEN, 0, 256);
}

#define SMI "mov edi, 0xfee00300; mov dword ptr [rdi], 0x200; 1: cmp dword ptr [0x4000], 0; je 1b;"

static void what_it_finds(void)
{
    handler(
        C16("mov esp, 0x3f000\n\tmov ds:[0x4020], eax\n\tmov eax, cr0\n\tmov ds:[0x4004], eax\n\tmov eax, cr4\n\tmov "
            "ds:[0x4008], eax\n\tpushfd\n\tpop eax\n\tmov ds:[0x400c], eax\n\txor eax, eax\n\tmov ax, cs\n\tmov "
            "ds:[0x4010], eax\n\tmov eax, dr7\n\tmov ds:[0x4014], eax\n\tmov ecx, 0xc0000080\n\trdmsr\n\tmov "
            "ds:[0x4018], eax\n\tmov ax, ds\n\tmov bx, ss\n\tor ax, bx\n\tmov bx, es\n\tor ax, bx\n\tmov "
            "ds:[0x401c], ax\n\tmov eax, cs:[0x8000]\n\tmov ds:[0x4024], eax\n\tmov eax, 1\n\tlock xadd "
            "ds:[0x4000], eax\n\trsm"));
    fresh();
    for (unsigned i = 8; i < 16; i++)
        ((word *)&in)[i] |= (word)i << 60;
    in.flags = F_ARITH | F_DF | F_AC | F_ID | 2;
    wrdr7(0x700);
    hidden = 1 << 7;
    try("registers over an SMI", C64(SMI));
    say("SMIs", seen()[0]);
    say("cr0", seen()[1] & ~(uint32_t)0x60000000);
    say("cr4", seen()[2]);
    say("eflags", seen()[3]);
    say("cs", seen()[4]);
    say("dr7", seen()[5]);
    say("efer", seen()[6]);
    say("data selectors", seen()[7]);
    say("eax is the interrupted code's", seen()[8] == (uint32_t)in.ax);
    say("cs base is smbase", seen()[9] == *(volatile uint32_t *)0x38000UL);
    /* What was saved. */
    say("saved rax", saved(0xfff8, 8) == in.ax);
    say("saved rcx", saved(0xfff0, 8) == in.cx);
    say("saved rdx", saved(0xffe8, 8) == in.dx);
    say("saved rbx", saved(0xffe0, 8) == in.bx);
    say("saved rsp", saved(0xffd8, 8) == in.sp);
    say("saved rbp", saved(0xffd0, 8) == in.bp);
    say("saved rsi", saved(0xffc8, 8) == in.si);
    say("saved rdi", saved(0xffc0, 8));
    say("saved r8", saved(0xffb8, 8) == in.r8);
    say("saved r15", saved(0xff80, 8) == in.r15);
    say("saved rip in the case", saved(0xff78, 8) - in.ip < 0x30);
    say("saved rflags", saved(0xff70, 8) & ~(uint64_t)F_ARITH);
    say("saved dr6", saved(0xff68, 8) & 0xffffffff);
    say("saved dr7", saved(0xff60, 8) & 0xffffffff);
    say("saved cr0", saved(0xff58, 8) == rdcr0());
    say("saved cr3", saved(0xff50, 8) == rdcr3());
    say("saved cr4", saved(0xff48, 8) == rdcr4());
    say("saved smbase", saved(0xff00, 4));
    say("saved revision", saved(0xfefc, 4));
    say("saved efer", saved(0xfed0, 8));
    say("saved gdt base", saved(0xfe68, 8) == (word)gdt);
    say("saved gdt limit", saved(0xfe64, 2));
    say("saved idt base", saved(0xfe88, 8) == (word)idt);
    say("saved idt limit", saved(0xfe84, 2));
    say("saved tr", saved(0xfe90, 2));
    say("saved tr base", saved(0xfe98, 8) == (word)tss);
    say("saved cs", saved(0xfe10, 2));
    say("saved ss", saved(0xfe20, 2));
    say("saved ds limit", saved(0xfe34, 4));
    wrdr7(0x400);
    hidden = 0;
}

static void changed(void)
{
    handler(C16(
        COUNT "mov eax, 0x12345678\n\tmov cs:[0xfff8], eax\n\tmov cs:[0xfffc], eax\n\tmov dword ptr cs:[0xffb8], 0\n\t"
              "rsm"));
    fresh();
    hidden = 1 << 7;
    try("changed in the saved state", C64(SMI));
    /* RIP: over two bytes of the endless loop. */
    handler(C16(COUNT "mov dword ptr cs:[0xff78], 0x300000\n\trsm"));
    *(volatile uint16_t *)0x300000UL = 0x0b0f;
    try("changed RIP", C64("mov edi, 0xfee00300; mov dword ptr [rdi], 0x200; 1: jmp 1b"));
}

static volatile unsigned nmis, at_rsm;
static bool on_nmi(struct frame *f, word *ip)
{
    nmis++;
    return true;
}

static void masked(void)
{
    handlers[V_NMI] = on_nmi;
    gate_ist(V_NMI, 0);
    /* The NMI's handler would be that of the real-mode table at 0: nothing there would come back. */
    handler(C16(COUNT IPI "0x400\n\tmov ecx, 100000\n\t1: loopd 1b\n\trsm"));
    fresh();
    hidden = 0xffff;
    try("NMI in SMM", C64(SMI));
    for (unsigned i = 0; i < 100000 && !nmis; i++)
        __asm__ volatile("pause");
    say("NMI taken after RSM", nmis);
    /* After an IRET in SMM it comes there: by the IDT that the handler loads. */
    static uint16_t table[6] = {0x3ff, 0, 0};
    *(volatile uint16_t *)(SEEN + 0x80) = table[0];
    handler(C16(
        COUNT "mov esp, 0x3f000\n\tlidt cs:[0x9000]\n\tpush 2\n\tmov ax, cs\n\tpush ax\n\tpush 0x8100\n\tiret\n\tud2"));
    /* at 8100h: the NMI to itself, then RSM; at 9100h the handler */
    const struct code *c =
        C16(IPI "0x400\n\tmov ecx, 100000\n\t1: cmp dword ptr ds:[0x4010], 0\n\tjne 2f\n\tloopd 1b\n\t2: rsm");
    memcpy((void *)(smbase + 0x8100), c->start, c->end - c->start + 2);
    c = C16("inc dword ptr ds:[0x4010]\n\tiret");
    memcpy((void *)(smbase + 0x9100), c->start, c->end - c->start + 2);
    memset((void *)(smbase + 0x9000), 0, 16);
    *(volatile uint16_t *)(smbase + 0x9000) = 0x3f;
    *(volatile uint32_t *)(smbase + 0x9002) = smbase + 0x9010;
    *(volatile uint16_t *)(smbase + 0x9010 + 8) = 0x9100;
    *(volatile uint16_t *)(smbase + 0x9010 + 10) = smbase >> 4;
    nmis = 0;
    try("NMI in SMM after an IRET", C64(SMI));
    say("NMI taken in SMM", seen()[4]);
    say("NMI taken after RSM then", nmis);
    gates_reset();
    handlers[V_NMI] = NULL;
    /* Another SMI: one is kept. */
    handler(C16(COUNT "cmp dword ptr ds:[0x4000], 1\n\tjne 2f\n\t" IPI "0x200\n\t" IPI
                      "0x200\n\tmov ecx, 10000\n\t1: loopd 1b\n\tmov eax, "
                      "ds:[0x4000]\n\tmov ds:[0x4004], eax\n\t2: rsm"));
    try("SMI in SMM", C64(SMI));
    say("SMIs before the first RSM", seen()[1]);
    say("SMIs in all", seen()[0]);
    /* An interrupt waits. */
    handler(C16(COUNT IPI "0x40051\n\tmov ecx, 10000\n\t1: loopd 1b\n\trsm"));
    in.flags = F_IF | 2;
    try("interrupt in SMM", C64("mov edi, 0xfee00300; mov dword ptr [rdi], 0x200; 1: nop; jmp 1b"));
    say("SMIs with it", seen()[0]);
    apic_eoi();
    in.flags = 2;
}

static void relocation(void)
{
    handler(C16(COUNT "mov dword ptr cs:[0xff00], 0x500000\n\trsm"));
    fresh();
    hidden = 0xffff;
    try("SMBASE moved", C64(SMI));
    smbase = 0x500000;
    handler(C16(COUNT "mov ax, cs\n\tmov ds:[0x4004], ax\n\tmov eax, cs:[0xff00]\n\tmov ds:[0x4008], eax\n\trsm"));
    try("SMI at the new one", C64(SMI));
    say("SMIs at the new one", seen()[0]);
    say("cs at the new one", seen()[1]);
    say("smbase at the new one", seen()[2]);
    handler(C16(COUNT "mov dword ptr cs:[0xff00], 0x30000\n\trsm"));
    try("SMBASE moved back", C64(SMI));
    smbase = 0x30000;
}

static void port(void)
{
    /* PIIX4 (00:01.3): DEVACTB bit 25 lets a write of APMC raise SMI#. */
    outl(0xcf8, 0x80000b58);
    uint32_t was = inl(0xcfc);
    handler(C16(COUNT "in al, 0xb2\n\tmov ds:[0x4004], al\n\tin al, 0xb3\n\tmov ds:[0x4008], al\n\trsm"));
    fresh();
    hidden = 0xffff;
    outl(0xcfc, was & ~(1U << 25));
    try("APMC without APMC_EN", C64("mov al, 0x11; out 0xb2, al; nop; nop; nop; nop"));
    say("SMIs without APMC_EN", seen()[0]);
    outl(0xcfc, was | 1U << 25);
    try("APMC", C64("mov al, 0x34; out 0xb3, al; mov al, 0x12; out 0xb2, al; 1: cmp dword ptr [0x4000], 0; je 1b"));
    say("SMIs by APMC", seen()[0]);
    say("APMC read", seen()[1]);
    say("APMS read", seen()[2]);
    outl(0xcfc, was);
}

static void modes(void)
{
    handler(C16(COUNT "rsm"));
    user();
    hidden = 1 << 7;
    try("SMI at CPL3", C64(SMI));
    user();
    in.cs = UCODE32;
    try("SMI in compatibility mode",
        C32("mov edi, 0xfee00300; mov dword ptr [edi], 0x200; 1: cmp dword ptr ds:[0x4000], 0; je 1b"));
    handler(C16(COUNT "rsm"));
    fresh();
    try("MOV SS before the SMI's arrival",
        C64("mov eax, ss; mov edi, 0xfee00300; mov ss, eax; mov dword ptr [rdi], 0x200; 1: cmp dword "
            "ptr [0x4000], 0; je 1b; mov eax, 0x1000001"));
    say("SMIs then", seen()[0]);
}

/* HLT, and an SMI by LINT0; the handler arms the APIC's timer for what comes then. An SMI that comes before the HLT, or
 * a timer that is faster than the guest, is another try. */
static void halted(void)
{
    static const char *const names[] = {"HLT restarted", "HLT not restarted"};

    take_interrupts();
    for (unsigned i = 0; i < 2; i++) {
        uint32_t before = 0;
        bool good = false;

        for (unsigned tries = 0; tries < 20 && !good; tries++) {
            handler(i ? C16(COUNT
                            "mov al, cs:[0xfec9]\n\tmov ds:[0x4004], al\n\tmov byte ptr cs:[0xfec9], 0\n\tmov ebx, "
                            "0xfee00380\n\tmov dword ptr [ebx], 20000000\n\trsm")
                      : C16(COUNT
                            "mov al, cs:[0xfec9]\n\tmov ds:[0x4004], al\n\tmov ebx, 0xfee00380\n\tmov dword ptr [ebx], "
                            "1000000\n\trsm"));
            apic_set(APIC_TIMER, 0x81);
            apic_set(APIC_DIVIDE, 0xb);
            apic_set(APIC_LINT0, 0x200); /* SMI */
            outb(0x43, 0x30);
            outb(0x40, 0xff);
            outb(0x40, 0x01);
            outb(0x20, 0x11);
            outb(0x21, 0x20);
            outb(0x21, 4);
            outb(0x21, 1);
            outb(0x21, 0xfe);
            __asm__ volatile("sti; hlt; cli; mov %1, %0" : "=r"(before) : "m"(n_took) : "memory");
            outb(0x21, 0xff);
            good = (seen()[1] & 1) && before == 1 - i;
            wait_for(1);
            n_took = 0;
        }
        name(names[i]);
        field("SMIs", seen()[0]);
        field("saved", seen()[1] & 1);
        field("interrupts at the end of HLT", before);
        end();
    }
    apic_set(APIC_TIMER, 0x10000);
}

int main(void)
{
    apic_set(APIC_SVR, 0x1ff);
    fresh();
    hidden = 0xffff;
    try("rsm outside of SMM", C64("rsm"));
    what_it_finds();
    changed();
    masked();
    relocation();
    port();
    modes();
    halted();
    handler(C16(COUNT "and dword ptr cs:[0xff58], 0xfffffffe\n\trsm"));
    print("RSM with PG and without PE: ");
    apic_set(APIC_ICR, 0x200);
    for (volatile unsigned i = 0; i < 100000; i++)
        ;
    print("goes on\n");
    return 0;
}
