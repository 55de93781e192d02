/* SPDX-License-Identifier: GPL-2.0-or-later */
/* #MF of x87 and MMX with CR0.NE set, #XM of SSE: which instruction takes it, and what it leaves (SDM volume 1, 8.6
 * and 8.7, 11.5). CPL3. */
#include "lib/sys.h"

#define A 0x200000000
/* Zero divide unmasked, the exception pending. */
#define PENDING "fninit; push 0x37b; fldcw [rsp]; fld1; fldz; fdivp; "

int main(void)
{
    page(A, RW);
    user();
    hidden = 1 << 4;
    in.di = A;
    try("fwait", C64(PENDING "nop; fwait"));
    try("fld1", C64(PENDING "nop; fld1"));
    try("fst to memory", C64(PENDING "fst dword ptr [rdi]"));
    try("fst to not mapped", C64(PENDING "fst dword ptr [rdi + 0x2000]"));
    try("fldcw", C64(PENDING "fldcw [rsp]"));
    try("fnop", C64(PENDING "fnop"));
    try("ffree", C64(PENDING "ffree st(0)"));
    try("fincstp", C64(PENDING "fincstp"));
    try("fxch", C64(PENDING "fxch"));
    try("fcmov", C64(PENDING "fcmovb st, st(1)"));
    try("fcomi", C64(PENDING "fcomi st, st(1)"));
    try("fldenv", C64(PENDING "fnstenv [rdi]; fldenv [rdi]"));
    try("movq mm", C64(PENDING "movq mm0, [rdi]"));
    try("paddb mm", C64(PENDING "paddb mm0, mm1"));
    try("emms", C64(PENDING "emms"));
    try("cvtpi2ps", C64(PENDING "cvtpi2ps xmm0, mm1"));
    try("maskmovq", C64(PENDING "maskmovq mm0, mm1"));
    try("movdq2q", C64(PENDING "movdq2q mm0, xmm1"));
    try("fnstsw", C64(PENDING "fnstsw ax; fninit"));
    try("fnstcw", C64(PENDING "fnstcw [rdi]; movzx eax, word ptr [rdi]; fninit"));
    try("fnclex", C64(PENDING "fnclex; fwait"));
    try("fninit", C64(PENDING "fninit; fwait"));
    try("fnstenv", C64(PENDING "fnstenv [rdi]; movzx eax, word ptr [rdi]; movzx ecx, word ptr [rdi + 4]; fninit"));
    try("fnsave", C64(PENDING "fnsave [rdi]; fwait"));
    try("fxsave", C64(PENDING "fxsave [rdi]; mov eax, [rdi]; fninit"));
    try("fxrstor", C64(PENDING "fxsave [rdi]; fninit; fxrstor [rdi]; fwait"));
    try("addps", C64(PENDING "addps xmm0, xmm0; fninit"));
    try("nop", C64(PENDING "nop; fninit"));
    try("prefixed fwait", C64(PENDING ".byte 0x66, 0x9b"));
    try("rex fwait", C64(PENDING ".byte 0x48, 0x9b"));
    try("unmasked later", C64("fninit; fld1; fldz; fdivp; push 0x37b; fldcw [rsp]; fwait"));
    try("invalid, stack underflow", C64("fninit; push 0x37e; fldcw [rsp]; fst dword ptr [rdi]; fwait"));
    try("fist of a large number", C64("fninit; push 0x37e; fldcw [rsp]; fldpi; push 0x7ff00000; fld dword ptr [rsp]; "
                                      "fist word ptr [rdi]; fwait"));
    try("#MF before #PF of the next", C64(PENDING "fld dword ptr [rdi + 0x2000]"));
    /* SSE: zero divide unmasked in MXCSR. */
#define SSE "push 0x1d80; ldmxcsr [rsp]; push 0x3f800000; movss xmm0, [rsp]; xorps xmm1, xmm1; "
    try("divss", C64(SSE "divss xmm0, xmm1"));
    try("divps of memory", C64(SSE "movaps [rdi], xmm1; divps xmm0, [rdi]"));
    try("sqrtss of -1", C64("push 0x1f00; ldmxcsr [rsp]; push -0x40800000; movss xmm0, [rsp]; sqrtss xmm1, xmm0"));
    try("cvttss2si", C64("push 0x1f00; ldmxcsr [rsp]; push 0x7f000000; movss xmm0, [rsp]; cvttss2si eax, xmm0"));
    try("comiss", C64("push 0x1f00; ldmxcsr [rsp]; push 0x7fa00000; movss xmm0, [rsp]; comiss xmm0, xmm0"));
    try("divss with masks", C64("push 0x1f80; ldmxcsr [rsp]; push 0x3f800000; movss xmm0, [rsp]; xorps xmm1, xmm1; "
                                "divss xmm0, xmm1; movd eax, xmm0; "
                                "stmxcsr [rsp]; mov ecx, [rsp]"));
    try("flag set before does not count",
        C64("push 0x1d84; ldmxcsr [rsp]; addps xmm0, xmm0; stmxcsr [rsp]; mov ecx, [rsp]; push 0x1f80; ldmxcsr [rsp]"));
    try("ldmxcsr of bit 16", C64("push 0x11f80; ldmxcsr [rsp]"));
    return 0;
}
