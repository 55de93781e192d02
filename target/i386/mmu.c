/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest-virtual to guest-physical as the CPU's present paging mode says (SDM volume 3, chapter 5): none, 32-bit, PAE,
 * 4-level and 5-level. For debuggers and monitors: no permissions, no accessed or dirty bits.
 */
#include "accel/accel.h"
#include "target/i386/paging.h"

uint64_t cpu_behind_a20(const X86CPU *c, uint64_t gpa)
{
    return accel && accel->has_a20 ? gpa & c->a20_mask : gpa;
}

static bool load_entry(const X86CPU *c, uint64_t gpa, unsigned size, uint64_t *out)
{
    MemResult res = MEM_OK;
    uint64_t e = as_load(cpu_address_space(c), cpu_behind_a20(c, gpa), size, &res);

    if (res != MEM_OK || !(e & PTE_P))
        return false;
    *out = e;
    return true;
}

static bool translate_32(X86CPU *c, uint32_t va, uint64_t *gpa)
{
    uint64_t e;

    if (!load_entry(c, (c->cr3 & 0xfffff000) + (va >> 22) * 4, 4, &e))
        return false;
    if (e & PTE_PS && c->cr4 & CR4_PSE) {
        /* PSE-36: bits 13 to 20 are address bits 32 to 39. */
        *gpa = (e & 0xffc00000) | bits64(e, 13, 8) << 32 | (va & 0x3fffff);
        return true;
    }
    if (!load_entry(c, (e & 0xfffff000) + bits64(va, 12, 10) * 4, 4, &e))
        return false;
    *gpa = (e & 0xfffff000) | (va & 0xfff);
    return true;
}

/* Tables of 512 entries of 8 bytes: table is the one whose entries cover 2^shift bytes each. */
static bool translate_64bit_entries(const X86CPU *c, uint64_t table, int shift, uint64_t va, uint64_t *gpa)
{
    for (; shift >= 12; shift -= 9) {
        uint64_t e;

        if (!load_entry(c, table + bits64(va, shift, 9) * 8, 8, &e))
            return false;
        if (shift == 12 || (shift <= 30 && e & PTE_PS)) {
            *gpa = (e & PTE_ADDR & ~(BIT64(shift) - 1)) | (va & (BIT64(shift) - 1));
            return true;
        }
        table = e & PTE_ADDR;
    }
    return false;
}

static bool translate(X86CPU *c, uint64_t va, uint64_t *gpa)
{
    uint64_t e;

    if (!(c->cr0 & CR0_PG)) {
        *gpa = va & 0xffffffff;
        return true;
    }
    if (!(c->cr4 & CR4_PAE))
        return translate_32(c, (uint32_t)va, gpa);
    if (!(c->efer & EFER_LMA)) {
        if (!load_entry(c, (c->cr3 & 0xffffffe0) + bits64(va, 30, 2) * 8, 8, &e))
            return false;
        return translate_64bit_entries(c, e & PTE_ADDR, 21, (uint32_t)va, gpa);
    }
    int bits = c->cr4 & CR4_LA57 ? 57 : 48;
    int64_t high = (int64_t)va >> (bits - 1);

    if (high != 0 && high != -1)
        return false;
    return translate_64bit_entries(c, c->cr3 & PTE_ADDR, bits - 9, va, gpa);
}

bool cpu_translate(X86CPU *c, uint64_t va, uint64_t *gpa)
{
    cpu_sync_get(c);
    if (!translate(c, va, gpa))
        return false;
    *gpa = cpu_behind_a20(c, *gpa);
    return true;
}

bool cpu_read_virtual(X86CPU *c, uint64_t va, void *buf, size_t len)
{
    uint8_t *out = buf;

    while (len) {
        size_t n = MIN(len, 0x1000 - (va & 0xfff));
        uint64_t gpa;

        if (!cpu_translate(c, va, &gpa) || as_read(cpu_address_space(c), gpa, out, n) != MEM_OK)
            return false;
        va += n;
        out += n;
        len -= n;
    }
    return true;
}

bool cpu_write_virtual(X86CPU *c, uint64_t va, const void *buf, size_t len)
{
    const uint8_t *in = buf;

    while (len) {
        size_t n = MIN(len, 0x1000 - (va & 0xfff));
        uint64_t gpa;

        if (!cpu_translate(c, va, &gpa) || as_write_rom(cpu_address_space(c), gpa, in, n) != MEM_OK)
            return false;
        va += n;
        in += n;
        len -= n;
    }
    return true;
}
