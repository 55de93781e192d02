/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page tables of two to five levels, entry by entry; memory for tables from 8 MiB on, for pages from 16 MiB on. */
#include "sys.h"

#if BITS == 64
extern uint64_t boot_pml4[], boot_pml5[];
unsigned pt_levels = 4;
word pt_root = (word)boot_pml4;
#else
unsigned pt_levels;
word pt_root;
#endif
static word next_table = 0x800000, next_page = 0x1000000;

word new_page(void)
{
    memset((void *)next_page, 0, 4096);
    return (next_page += 4096) - 4096;
}

static word new_table(void)
{
    memset((void *)next_table, 0, 4096);
    return (next_table += 4096) - 4096;
}

unsigned pt_shift(unsigned level)
{
    return 12 + (level - 1) * (pt_levels == 2 ? 10 : 9);
}

/* The entry of that level (1: of a 4 KiB page) that a linear address goes through; tables above it are made where there
 * are none. */
void *pt_entry(unsigned level, uint64_t va)
{
    word table = pt_root;

#if BITS == 64
    if (rdcr4() & CR4_LA57) {
        pt_levels = 5;
        table = (word)boot_pml5;
    }
#endif
    for (unsigned l = pt_levels;; l--) {
        unsigned i = va >> pt_shift(l) & (pt_levels == 2 ? 1023 : 511);
        void *e = (void *)(table + i * (pt_levels == 2 ? 4 : 8));
        uint64_t v = pt_levels == 2 ? *(uint32_t *)e : *(uint64_t *)e;

        if (l == level)
            return e;
        if (!(v & PT_P)) {
            v = new_table() | (pt_levels == 3 && l == 3 ? PT_P : PT_P | PT_W | PT_U);
            if (pt_levels == 2)
                *(uint32_t *)e = v;
            else
                *(uint64_t *)e = v;
        } else if (l <= 3 && l > 1 && !(pt_levels == 3 && l == 3) && (v & PT_PS)) {
            fail("a large page in the way");
        }
        table = v & 0xffffffffff000 & (word)-1;
    }
}

uint64_t pt_get(unsigned level, uint64_t va)
{
    void *e = pt_entry(level, va);
    return pt_levels == 2 ? *(volatile uint32_t *)e : *(volatile uint64_t *)e;
}

/* Also invalidates the address's translation. */
void pt_set(unsigned level, uint64_t va, uint64_t v)
{
    void *e = pt_entry(level, va);

    if (pt_levels == 2)
        *(volatile uint32_t *)e = v;
    else
        *(volatile uint64_t *)e = v;
    invlpg(va);
}

#if BITS == 64
/* The first 4 GiB for the supervisor only. */
void no_user(void)
{
    for (unsigned i = 0; i < 4; i++)
        ((uint64_t *)(boot_pml4[0] & ~0xfffUL))[i] &= ~(uint64_t)PT_U;
    wrcr3(rdcr3());
}

/* Memory for cases at CPL3, as mmap() would give: the page keeps its contents when only the rights change. */
void page(word va, unsigned rights)
{
    uint64_t e = pt_get(1, va), pa = e & 0xffffffffff000;

    if (!(rdmsr(MSR_EFER) & EFER_NXE))
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    if (!pa)
        pa = new_page();
    pt_set(1, va,
           pa | (rights ? PT_P | PT_U | PT_A | PT_D : 0) | (rights & WRITE ? PT_W : 0) | (rights & EXEC ? 0 : PT_NX));
}
#else
/* Paging with so many levels (2 or 3), the first 64 MiB one to one in 4 KiB pages for all, accessed and dirty. */
void pt_on(unsigned levels)
{
    pt_levels = levels;
    pt_root = new_table();
    for (word a = 0; a < 0x4000000; a += 4096)
        pt_set(1, a, a | PT_P | PT_W | PT_U | PT_A | PT_D);
    wrcr4((rdcr4() & ~(word)CR4_PAE) | (levels == 3 ? CR4_PAE : 0));
    wrcr3(pt_root);
    wrcr0(rdcr0() | CR0_PG);
}
#endif
