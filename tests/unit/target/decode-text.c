/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder: instructions as text, and what decides that one is none, too long, or another one. */
#include "target/i386/decode.h"
#include "target/i386/cpu.h"

static unsigned from_hex(const char *hex, uint8_t *out)
{
    unsigned n = 0;
    for (; *hex; hex += *hex == ' ' ? 1 : 2) {
        if (*hex != ' ')
            out[n++] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
    }
    return n;
}

static DecodeResult decode(Insn *i, const char *hex, unsigned code_size, bool real, const uint32_t *features)
{
    uint8_t bytes[32];
    unsigned n = from_hex(hex, bytes);
    return insn_decode(i, bytes, n, code_size, real, features);
}

static void gives(unsigned code_size, const char *hex, const char *want)
{
    uint8_t bytes[32];
    Insn i;
    unsigned n = from_hex(hex, bytes);
    DecodeResult r = insn_decode(&i, bytes, n, code_size, false, NULL);
    if (!want) {
        g_assert_cmpint(r, ==, DECODE_UD);
        return;
    }
    g_autoptr(GString) s = g_string_new(NULL);
    g_assert_cmpint(r, ==, DECODE_OK);
    g_assert_cmpuint(i.len, ==, n);
    insn_print(&i, 0x1000, s);
    g_assert_cmpstr(s->str, ==, want);
}

static void test_text(void)
{
    gives(8, "48 01 d8", "add rax, rbx");
    gives(8, "00 e1", "add cl, ah");
    gives(8, "40 00 e1", "add cl, spl");
    gives(8, "48 8b 05 10 00 00 00", "mov rax, qword ptr [0x1017]");
    gives(4, "8b 05 10 00 00 00", "mov eax, dword ptr ds:[0x10]");
    gives(8, "8b 84 24 00 ff ff ff", "mov eax, dword ptr [rsp-0x100]");
    gives(8, "64 67 8b 44 8b 04", "mov eax, dword ptr fs:[ebx+ecx*4+4]");
    gives(4, "66 67 8b 42 05", "mov ax, word ptr [bp+si+5]");
    gives(8, "48 b8 88 77 66 55 44 33 22 11", "mov rax, 0x1122334455667788");
    gives(8, "a1 88 77 66 55 44 33 22 11", "mov eax, dword ptr ds:[0x1122334455667788]");
    gives(8, "48 83 e4 f0", "and rsp, 0xfffffffffffffff0");
    gives(8, "f0 48 0f b1 0e", "lock cmpxchg qword ptr [rsi], rcx");
    gives(8, "74 fe", "jz 0x1000");
    gives(2, "e8 00 f0", "call 3");
    gives(8, "c8 10 00 01", "enter 0x10, 1");
    gives(8, "f3 48 a5", "rep movsq qword ptr es:[rdi], qword ptr [rsi]");
    gives(4, "2e a6", "cmpsb byte ptr cs:[esi], byte ptr es:[edi]");
    gives(4, "f2 36 ae", "repne scasb al, byte ptr es:[edi]");
    gives(8, "41 0f 95 c0", "setnz r8b");
    gives(8, "0f 20 c0", "mov rax, cr0");
    gives(8, "44 0f 22 c0", "mov cr8, rax");
    gives(8, "8e d8", "mov ds, eax");
    gives(8, "d9 c1", "fld st(1)");
    gives(8, "db 28", "fld tbyte ptr [rax]");
    gives(8, "0f 6f ca", "movq mm1, mm2");
    gives(8, "66 0f 3a 63 c1 0c", "pcmpistri xmm0, xmm1, 0xc");
    gives(8, "c5 ec 58 c9", "vaddps ymm1, ymm2, ymm1");
    gives(8, "66 0f f7 c1", "maskmovdqu xmm0, xmm1");
    gives(8, "c4 e2 f8 f2 c1", "andn rax, rax, rcx");
    gives(8, "ff 2b", "jmp far fword ptr [rbx]");
    gives(8, "0f 01 f8", "swapgs");
    gives(4, "0f 01 f8", NULL);
}

static void test_limits(void)
{
    Insn i;
    /* fifteen bytes, sixteen, and as many as there are */
    gives(8, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "nop");
    g_assert_cmpint(decode(&i, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", 8, false, NULL), ==, DECODE_TOO_LONG);
    g_assert_cmpint(decode(&i, "66 66 66 66 66 66 66 66 66 66 66 66 66 b8 00 00", 8, false, NULL), ==, DECODE_TOO_LONG);
    g_assert_cmpint(decode(&i, "48", 8, false, NULL), ==, DECODE_MORE);
    g_assert_cmpint(decode(&i, "e9 00 00 00", 8, false, NULL), ==, DECODE_MORE);
    /* LOCK: with a memory destination of some instructions only */
    gives(8, "f0 01 08", "lock add dword ptr [rax], ecx");
    gives(8, "f0 01 c8", NULL);
    gives(8, "f0 03 08", NULL);
    gives(8, "f0 39 08", NULL);
    gives(8, "f0 90", NULL);
    /* VEX after 66, REX, REP, LOCK; unused vvvv; L and W */
    gives(8, "c5 f8 10 c1", "vmovups xmm0, xmm1");
    gives(8, "66 c5 f8 10 c1", NULL);
    gives(8, "48 c5 f8 10 c1", NULL);
    gives(8, "f3 c5 f8 10 c1", NULL);
    gives(8, "f0 c5 f8 10 c1", NULL);
    gives(8, "c5 f0 10 c1", NULL);
    gives(8, "c4 e2 79 36 c1", NULL);
    gives(8, "c4 e2 fd 36 c1", NULL);
    gives(8, "c4 e2 7d 36 c1", "vpermd ymm0, ymm0, ymm1");
    /* gathers: three registers, all different */
    gives(8, "c4 e2 71 92 04 8a", NULL);
    gives(8, "c4 e2 71 92 04 82", NULL);
    gives(8, "c4 e2 71 92 04 9a", "vgatherdps xmm0, dword ptr [rdx+xmm3*4], xmm1");
    /* only in 64-bit code, and not in it */
    gives(4, "63 c8", "arpl ax, cx");
    gives(8, "48 63 c8", "movsxd rcx, eax");
    gives(8, "27", NULL);
    gives(8, "06", NULL);
    gives(8, "82 c0 00", NULL);
    gives(4, "82 c0 00", "add al, 0");
}

static void test_other_instructions(void)
{
    uint32_t none[FEATURE_WORDS] = {0}, all[FEATURE_WORDS];
    Insn i;
    memset(all, 0xff, sizeof(all));

    /* without LZCNT, TZCNT: BSR, BSF */
    g_assert_cmpint(decode(&i, "f3 0f bd c1", 8, false, all), ==, DECODE_OK);
    g_assert_cmpstr(i.desc->mnemonic, ==, "lzcnt");
    g_assert_cmpint(decode(&i, "f3 0f bd c1", 8, false, none), ==, DECODE_OK);
    g_assert_cmpint(i.desc->op, ==, OP_BSR);
    g_assert_cmpuint(i.osz, ==, 4);
    g_assert_cmpint(decode(&i, "66 f3 0f bc c1", 8, false, none), ==, DECODE_OK);
    g_assert_cmpint(i.desc->op, ==, OP_BSF);
    g_assert_cmpuint(i.operand[0].size, ==, 2);
    /* LES, LDS and BOUND, or VEX and EVEX */
    g_assert_cmpint(decode(&i, "c5 f8 77", 4, false, NULL), ==, DECODE_OK);
    g_assert_cmpstr(i.desc->mnemonic, ==, "vzeroupper");
    g_assert_cmpint(decode(&i, "c5 f8 77", 2, true, NULL), ==, DECODE_UD);
    g_assert_cmpint(decode(&i, "c5 38", 4, false, NULL), ==, DECODE_OK);
    g_assert_cmpint(i.desc->op, ==, OP_LSEG);
    g_assert_cmpuint(i.operand[1].size, ==, 6);
    g_assert_cmpint(decode(&i, "62 38", 2, true, NULL), ==, DECODE_OK);
    g_assert_cmpint(i.desc->op, ==, OP_BOUND);
    g_assert_cmpuint(i.operand[1].size, ==, 4);
    g_assert_cmpint(decode(&i, "62 f1 7c 48 58 c1", 8, false, NULL), ==, DECODE_OK);
    g_assert_cmpint(i.encoding, ==, ENC_EVEX);
    g_assert_cmpuint(i.len, ==, 6);
    /* near branches have 64 bits in 64-bit code whatever the prefix says */
    g_assert_cmpint(decode(&i, "66 e8 00 00 00 00", 8, false, NULL), ==, DECODE_OK);
    g_assert_true(i.osz == 8 && i.len == 6);
    g_assert_cmpint(decode(&i, "66 50", 8, false, NULL), ==, DECODE_OK);
    g_assert_cmpuint(i.osz, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/decode/text", test_text);
    g_test_add_func("/decode/limits", test_limits);
    g_test_add_func("/decode/other-instructions", test_other_instructions);
    return g_test_run();
}
