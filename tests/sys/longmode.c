/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Into long mode and out of it (SDM volume 3, 10.8.5), from 32-bit protected mode: what has to be there, EFER.LMA,
 * compatibility and 64-bit code in between. While long mode is on nothing may fault: the IDT is the 32-bit one.
 */
#include "lib/sys.h"

enum { CODE64 = FREE_SEL, TSS16 = FREE_SEL + 8 };
static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096))),
    pd[512] __attribute__((aligned(4096)));

static void tables(void)
{
    pml4[0] = (word)pdpt | 7;
    pdpt[0] = (word)pd | 7;
    for (unsigned i = 0; i < 512; i++)
        pd[i] = (uint64_t)i << 21 | 0xe7;
}

/* EFER, CR4 and CR3 as at, PG on; prints EFER then, and goes back. */
static void enter(const char *s, uint32_t efer, uint32_t cr4)
{
    wrcr4(cr4);
    wrcr3((word)pml4);
    wrmsr(MSR_EFER, efer);
    in.ax = rdcr0() | CR0_PG;
    in.dx = rdcr0();
    try_(s, C32("mov esi, edx; mov cr0, eax; mov ecx, 0xc0000080; rdmsr; mov ebx, eax; mov cr0, esi; rdmsr"));
    if (ev.vector == V_UD) {
        field("efer", ev.r.bx);
        field("and back", ev.r.ax);
    }
    end();
    wrmsr(MSR_EFER, 0);
    wrcr4(0x600);
}

int main(void)
{
    if (!has(0x80000001, 3, 29)) {
        note("no long mode");
        return 0;
    }
    tables();
    segment(CODE64, 0, 0xfffff, 0x9b, 0xa);
    fresh();
    hidden = 0xff;
    say("LMA before", rdmsr(MSR_EFER));
    wrmsr(MSR_EFER, EFER_LME);
    say("LME without PG", rdmsr(MSR_EFER));
    wrmsr(MSR_EFER, 0);
    enter("LME without PAE", EFER_LME, 0x600);
    enter("LME and PAE", EFER_LME, 0x620);
    enter("LME, PAE, NXE, SCE", EFER_LME | EFER_NXE | EFER_SCE, 0x620);
    /* A 16-bit TSS. */
    segment(TSS16, 0x600000, 0x2b, 0x81, 0);
    __asm__ volatile("ltr %w0" : : "r"(TSS16));
    enter("with a 16-bit TSS", EFER_LME, 0x620);
    load_tables();
    segment(CODE64, 0, 0xfffff, 0x9b, 0xa);
    /* CS.L outside of long mode. */
    in.cs = CODE;
    wrcr4(0x620);
    wrcr3((word)pml4);
    wrmsr(MSR_EFER, EFER_LME);
    in.ax = rdcr0() | CR0_PG;
    in.dx = rdcr0();
    try_("64-bit code and back",
         C32("mov esi, edx; mov cr0, eax; mov edi, 0x600000; call 1f; 1: pop ecx; add ecx, offset 2f - 1b; mov [edi], "
             "ecx; mov dword ptr [edi + "
             "4], 0xa0; jmp fword ptr [edi]; 2: .code64; mov rbx, 0x1122334455667788; mov r9, rbx; shr r9, 32; mov "
             "eax, r9d; mov [rdi + 16], eax; "
             "mov rax, cr0; shr rax, 32; mov [rdi + 20], eax; lea rcx, [rip + 3f]; mov [rdi], ecx; mov dword ptr [rdi "
             "+ 4], 8; jmp fword ptr [rdi]; "
             "3: .code32; mov cr0, esi; mov eax, [edi + 16]; mov edx, [edi + 20]; mov ecx, 0x77"));
    field("r9", ev.r.ax);
    field("cr0's upper half", ev.r.dx);
    field("ebx", ev.r.bx);
    field("cs", ev.r.cs);
    end();
    wrmsr(MSR_EFER, 0);
    /* That neither PAE nor LME can go in long mode is in cr.c and crbits.c: here the faults would find no IDT of 64
     * bits. */
    say("LMA after", rdmsr(MSR_EFER));
    wrcr4(0x600);
    /* In protected mode L means nothing. */
    segment(CODE64, 0, 0xfffff, 0x9b, 0xa);
    in.cs = CODE64;
    in.cx = 7;
    hidden = 0xff & ~2u;
    try("L without long mode is 16-bit code", C16("inc cx; mov ax, 0x1234"));
    return 0;
}
