/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder on any bytes. The first byte: code size and real mode; the rest are instructions, decoded one after the
 * other as long as they are ones. What holds for each: no byte beyond those that are there is read, fewer bytes ask for
 * more, what follows an instruction does not matter, its description fits its operands, and it can be printed.
 */
#include "tests/fuzz/fuzz.h"

#include "target/i386/cpu.h"
#include "target/i386/decode.h"

const char *const fuzz_seeds[] = {
    "\x02\x48\x8b\x05\x11\x22\x33\x44\xf0\x48\x0f\xb1\x0c\x24\xc5\xfc\x58\xc1\xc4\xe2\x71\x92\x04\x91\x90\xf3\xa4\xc3",
    "\x01\x66\x0f\x3a\x0f\xc1\x05\x9a\x11\x22\x33\x44\x55\x66\xc5\xf8\x77\x62\x05\xd9\x30\xdd\x31\xc8\x01\x02\x03",
    "\x04\x8b\x46\x11\x67\x8b\x44\x8d\x11\xc4\x07\xea\x00\x00\xff\xff\x0f\x01\x16\x34\x12",
    "\x02\x62\xf1\x7c\x48\x58\xc1\x0f\xc7\xf0\x66\x0f\x38\xf6\xc1\x0f\xae\xf8\x0f\x0b",
    NULL,
};

static void check(const Insn *i, unsigned code_size)
{
    const InsnDesc *d = i->desc;
    unsigned mem = 0;

    g_assert_true(d && d->mnemonic && *d->mnemonic);
    g_assert_true(i->len >= 1 && i->len <= INSN_MAX_LEN && i->code_size == code_size);
    g_assert_true(i->osz == 2 || i->osz == 4 || i->osz == 8);
    g_assert_true(i->asz == 2 || i->asz == 4 || i->asz == 8);
    g_assert_cmpuint(i->n_operands, ==, d->n_operands);
    g_assert_false(d->flags_written & d->flags_undefined);
    for (unsigned n = 0; n < i->n_operands; n++) {
        const InsnOperand *o = &i->operand[n];
        g_assert_true(o->kind != OPND_NONE && o->access >= ACCESS_R && o->access <= ACCESS_RW);
        g_assert_true(o->size <= 512);
        mem += o->kind == OPND_MEM;
        switch (o->kind) {
        case OPND_GPR:
        case OPND_XMM:
            g_assert_cmpuint(o->reg, <, code_size == 8 ? 16 : 8);
            break;
        case OPND_GPR8H:
            g_assert_true(o->reg < 4 && o->size == 1);
            break;
        case OPND_SEG:
            g_assert_cmpuint(o->reg, <, SEG_REGS);
            break;
        default:
            g_assert_cmpuint(o->reg, <, 9);
            break;
        }
    }
    if (mem) {
        g_assert_true(i->has_mem && i->seg < SEG_REGS);
        g_assert_true(i->base < R_GPRS || i->base == REG_NONE || (i->base == BASE_RIP && code_size == 8));
        g_assert_true(i->index < R_GPRS || i->index == REG_NONE);
        g_assert_true(i->scale == 1 || i->scale == 2 || i->scale == 4 || i->scale == 8);
    }
    g_assert_true(!i->lock || (d->attrs & INSN_LOCKABLE && i->operand[0].kind == OPND_MEM));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    unsigned code_size = 2U << (*data & 3) % 3;
    bool real = code_size == 2 && *data & 4;
    data++;
    size--;
    while (size) {
        unsigned avail = (unsigned)MIN(size, 20);
        g_autofree uint8_t *bytes = g_memdup2(data, avail); /* so that one byte too many is noticed */
        Insn i, again;
        DecodeResult r = insn_decode(&i, bytes, avail, code_size, real, NULL);
        if (r == DECODE_MORE)
            g_assert_cmpuint(avail, <, INSN_MAX_LEN);
        if (r != DECODE_OK)
            break;
        g_assert_cmpuint(i.len, <=, avail);
        check(&i, code_size);
        for (unsigned n = 0; n < i.len; n++) {
            r = insn_decode(&again, bytes, n, code_size, real, NULL);
            g_assert_true(r == DECODE_MORE);
        }
        bytes = g_realloc(bytes, i.len);
        r = insn_decode(&again, bytes, i.len, code_size, real, NULL);
        g_assert_true(r == DECODE_OK && again.desc == i.desc && again.len == i.len && again.imm == i.imm &&
                      again.disp == i.disp);
        g_autoptr(GString) text = g_string_new(NULL);
        insn_print(&i, 0x1000, text);
        g_assert_true(text->len > 0);
        data += i.len;
        size -= i.len;
    }
    return 0;
}
