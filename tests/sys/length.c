/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions of more than 15 bytes, and those whose bytes lie in two pages of which the second cannot be fetched (SDM
 * volume 3, 6.15 #GP and #PF). */
#include "lib/sys.h"

#define A 0x200000000
#define B 0x200001000

/* The code ends so many bytes before the second page. */
static void at_end(const char *s, unsigned bytes, const struct code *code)
{
    try_at(s, B - bytes, code);
}

#define P13 ".byte 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e; "

int main(void)
{
    user();
    try("15 bytes", C64(P13 ".byte 0x2e; nop"));
    try("16 bytes", C64(P13 ".byte 0x2e, 0x2e; nop"));
    try("15 bytes, then a REX that does not count", C64(P13 ".byte 0x48; nop"));
    try("mov imm32 of 15 bytes", C64(".byte 0x2e, 0x2e, 0x2e, 0x2e; mov dword ptr [rsp - 16], 0x12345678; nop"));
    try("mov imm32 of 16 bytes",
        C64(".byte 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e; mov dword ptr [rsp - 16], 0x12345678"));
    try("ud2 of 16 bytes", C64(P13 ".byte 0x2e, 0x0f, 0x0b"));
    try("ud2 of 15 bytes", C64(P13 ".byte 0x0f, 0x0b"));
    try("lock nop of 16 bytes", C64(P13 ".byte 0x2e, 0xf0, 0x90"));
    try("hlt of 16 bytes", C64(P13 ".byte 0x2e, 0x2e, 0xf4"));
    page(A, RWX);
    page(B, RWX);
    in.cx = 7;
    at_end("nop, second page fine", 0, C64("nop"));
    at_end("mov imm64, second page fine", 3, C64("mov rax, 0x1122334455667788"));
    memset((void *)A, 0x90, 4096);
    for (unsigned k = 0; k < 2; k++) {
        static const struct {
            const char *name[2];
            unsigned bytes;
        } cases[] = {
            {{"not mapped, ends before", "not executable, ends before"}, 5},
            {{"not mapped, 4 of 5 bytes", "not executable, 4 of 5 bytes"}, 4},
            {{"not mapped, 1 of 5 bytes", "not executable, 1 of 5 bytes"}, 1},
        };

        for (unsigned i = 0; i < 3; i++) {
            const struct code *c = C64("mov eax, 0x12345678");

            page(B, RWX);
            memcpy((void *)(B - cases[i].bytes), c->start, c->end - c->start + 2);
            page(B, k ? RW : NONE);
            name(cases[i].name[k]);
            in.ip = B - cases[i].bytes;
            run_case();
            outcome(in.ip, c);
            end();
        }
        /* What decides is in the first page. */
        const struct {
            const char *name[2];
            const struct code *code;
            unsigned bytes;
        } more[] = {
            {{"not mapped, jcc imm32", "not executable, jcc imm32"}, C64(".byte 0x0f, 0x84, 0, 0, 0, 0"), 3},
            {{"not mapped, ud2 split", "not executable, ud2 split"}, C64("ud2"), 1},
            {{"not mapped, group 7 without its modrm", "not executable, group 7 without its modrm"},
             C64(".byte 0x0f, 0x01, 0xe9"),
             2},
            {{"not mapped, 15 prefixes", "not executable, 15 prefixes"}, C64(P13 ".byte 0x2e, 0x2e, 0x90"), 15},
            {{"not mapped, 14 prefixes", "not executable, 14 prefixes"}, C64(P13 ".byte 0x2e, 0x90"), 14},
            {{"not mapped, hlt before", "not executable, hlt before"}, C64("hlt; nop"), 1},
            {{"not mapped, jump over", "not executable, jump over"}, C64("jmp 1f; .skip 32; 1: nop"), 2},
            {{"not mapped, vex cut", "not executable, vex cut"}, C64(".byte 0xc5, 0xf8, 0x77"), 2},
            {{"not mapped, sib missing", "not executable, sib missing"}, C64("mov eax, [rsp + 8]"), 2},
        };

        for (unsigned i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
            page(B, RWX);
            memcpy((void *)(B - more[i].bytes), more[i].code->start, more[i].code->end - more[i].code->start + 2);
            page(B, k ? RW : NONE);
            name(more[i].name[k]);
            in.ip = B - more[i].bytes;
            run_case();
            outcome(in.ip, more[i].code);
            end();
        }
    }
    page(A, NONE);
    in.di = A + 0x123;
    try("jump to not mapped", C64("jmp rdi"));
    return 0;
}
