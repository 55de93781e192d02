/* SPDX-License-Identifier: GPL-2.0-or-later */
/* #NM and #UD of x87, MMX and SSE by CR0.TS, EM, MP and CR4.OSFXSR (SDM volume 3, 2.5 and 13.1, volume 2 tables 2-17
 * and 23-2). CPL0. */
#include "lib/sys.h"

/* The first n of them. */
static void all(word cr0, unsigned n)
{
    static const char *const names[] = {"fld1",   "fwait", "fninit",  "fnstsw",   "emms",   "paddb",
                                        "addps",  "addpd", "ldmxcsr", "prefetch", "movnti", "sfence",
                                        "popcnt", "crc32", "pshufb",  "clflush",  "pause",  "fisttp"};
    const struct code *const codes[] = {C64("fld1"),
                                        C64("fwait"),
                                        C64("fninit"),
                                        C64("fnstsw ax"),
                                        C64("emms"),
                                        C64("paddb mm0, mm1"),
                                        C64("addps xmm0, xmm1"),
                                        C64("addpd xmm0, xmm1"),
                                        C64("ldmxcsr [rdi]"),
                                        C64("prefetcht0 [rdi]"),
                                        C64("movnti [rdi], eax"),
                                        C64("sfence"),
                                        C64("popcnt eax, ebx"),
                                        C64("crc32 eax, bl"),
                                        C64("pshufb xmm0, xmm1"),
                                        C64("clflush [rdi]"),
                                        C64("pause"),
                                        C64("fisttp dword ptr [rdi + 64]")};

    for (unsigned i = 0; i < n && i < sizeof(codes) / sizeof(codes[0]); i++) {
        *(volatile uint32_t *)0x300000 = 0x1f80;
        __asm__ volatile("fninit" : : : "memory");
        in.ip = (word)codes[i]->start;
        wrcr0(cr0);
        run_case();
        wrcr0(cr0 & ~(word)(CR0_EM | CR0_TS));
        print(" ");
        print(names[i]);
        print("=");
        if (ev.vector == V_UD && ev.r.ip == (word)codes[i]->end)
            print("ok");
        else
            print_vector(ev.vector);
    }
    end();
}

int main(void)
{
    word cr0 = rdcr0() & ~(word)(CR0_MP | CR0_EM | CR0_TS), cr4 = rdcr4();

    fresh();
    in.di = 0x300000;
    for (unsigned i = 0; i < 8; i++) {
        static const char *const names[] = {"-", "MP", "EM", "MP, EM", "TS", "MP, TS", "EM, TS", "MP, EM, TS"};

        name(names[i]);
        all(cr0 | i << 1, (i & 6) == 6 ? 4 : 99); /* EM and TS: x87 only, the order of #UD and #NM is not said */
    }
    wrcr4(cr4 & ~(word)CR4_OSFXSR);
    name("no OSFXSR");
    all(cr0 | CR0_MP, 99);
    name("no OSFXSR, EM");
    all(cr0 | CR0_MP | CR0_EM, 99);
    wrcr4(cr4);
    wrcr0(cr0 | CR0_TS);
    try("fxsave with TS", C64("fxsave [rdi]"));
    try("fxrstor with TS", C64("fxrstor [rdi]"));
    in.di = 0x200000000;
    try("#NM before #PF", C64("fld dword ptr [rdi]"));
    try("#NM before #PF, addps", C64("addps xmm0, [rdi]"));
    return 0;
}
