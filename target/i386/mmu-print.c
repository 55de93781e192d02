/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `info mem` and `info tlb`: what the page tables of a CPU map, in the paging mode that it is in (SDM volume 3, chapter
 * 5), in the words of QEMU. Tables are the guest's: they may be each other's or their own entries without end, so that
 * the number of those looked at is bounded, and that of the lines.
 */
#include "accel/accel.h"
#include "target/i386/paging.h"

enum { PAGE = 4096, RIGHTS = PTE_P | PTE_W | PTE_U, MAX_TABLES = 16384, MAX_LINES = 1 << 18 };

typedef struct Walk Walk;
struct Walk {
    X86CPU *c;
    GString *out;
    int bits;    /* of virtual addresses */
    bool wide;   /* entries of eight bytes */
    bool pse;    /* 32-bit paging with pages of 4 MiB */
    bool legacy; /* 32-bit or PAE paging */
    unsigned tables, lines;
    /* One mapping; rights: those that every level gives. */
    void (*page)(Walk *w, uint64_t va, uint64_t entry, int shift, unsigned rights);
    uint64_t start, end; /* `info mem`: the range so far, rights 0: none */
    unsigned rights;
};

static uint64_t canonical(const Walk *w, uint64_t va)
{
    return w->bits > 32 && va >> (w->bits - 1) & 1 ? va | ~(BIT64(w->bits) - 1) : va;
}

static void end_range(Walk *w)
{
    if (w->rights && w->lines++ < MAX_LINES)
        g_string_append_printf(w->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %c%c%c\n", canonical(w, w->start),
                               canonical(w, w->end), w->end - w->start, w->rights & PTE_U ? 'u' : '-', 'r',
                               w->rights & PTE_W ? 'w' : '-');
    w->rights = 0;
}

static void add_to_range(Walk *w, uint64_t va, uint64_t entry, int shift, unsigned rights)
{
    if (w->rights != rights || va != w->end) {
        end_range(w);
        w->start = va;
        w->rights = rights;
    }
    w->end = va + BIT64(shift);
}

static void print_page(Walk *w, uint64_t va, uint64_t entry, int shift, unsigned rights)
{
    uint64_t gpa = entry & PTE_ADDR & ~(BIT64(shift) - 1);

    if (w->lines++ >= MAX_LINES)
        return;
    if (!w->wide && shift > 12)
        gpa |= bits64(entry, 13, 8) << 32; /* PSE-36 */
    g_string_append_printf(w->out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n", canonical(w, va), gpa,
                           w->wide && entry & PTE_NX ? 'X' : '-', entry & PTE_G ? 'G' : '-', shift > 12 ? 'P' : '-',
                           entry & PTE_D ? 'D' : '-', entry & PTE_A ? 'A' : '-', entry & PTE_PCD ? 'C' : '-',
                           entry & PTE_PWT ? 'T' : '-', entry & PTE_U ? 'U' : '-', entry & PTE_W ? 'W' : '-');
}

/* The table at gpa, whose entries cover 2^shift bytes each; false: there were too many. */
static bool walk(Walk *w, uint64_t gpa, uint64_t va, int shift, unsigned entries, unsigned rights)
{
    uint8_t table[PAGE];
    unsigned size = w->wide ? 8 : 4;

    if (w->tables++ == MAX_TABLES || w->lines > MAX_LINES)
        return false;
    if (as_read(cpu_address_space(w->c), cpu_behind_a20(w->c, gpa), table, entries * size) != MEM_OK)
        return true;
    for (unsigned i = 0; i < entries; i++) {
        uint64_t e = w->wide ? ldq_le(table + 8 * i) : ldl_le(table + 4 * i), at = va + ((uint64_t)i << shift);
        bool root = w->wide && w->legacy && shift == 30; /* PAE's four have no rights */
        unsigned r = root ? rights : rights & (unsigned)e;

        if (!(e & PTE_P))
            continue;
        if (shift == 12 || (e & PTE_PS && (w->wide ? shift == 21 || (shift == 30 && !w->legacy) : w->pse)))
            w->page(w, at, e, shift, r);
        else if (!walk(w, e & (w->wide ? PTE_ADDR : 0xfffff000), at, w->wide ? shift - 9 : 12, w->wide ? 512 : 1024, r))
            return false;
    }
    return true;
}

static void print(X86CPU *c, GString *out, bool ranges)
{
    Walk w = {.c = c, .out = out, .page = ranges ? add_to_range : print_page, .bits = 32, .legacy = true};
    int shift = 22;
    unsigned entries = 1024;

    cpu_sync_get(c);
    uint64_t root = c->cr3 & 0xfffff000;

    if (!(c->cr0 & CR0_PG)) {
        g_string_append(out, "PG disabled\n");
        return;
    }
    w.pse = c->cr4 & CR4_PSE;
    w.wide = c->cr4 & CR4_PAE;
    if (w.wide && c->efer & EFER_LMA) {
        w.legacy = false;
        w.bits = c->cr4 & CR4_LA57 ? 57 : 48;
        root = c->cr3 & PTE_ADDR;
        shift = w.bits - 9;
        entries = 512;
    } else if (w.wide) {
        root = c->cr3 & 0xffffffe0;
        shift = 30;
        entries = 4;
    }
    bool all = walk(&w, root, 0, shift, entries, RIGHTS);

    end_range(&w);
    if (!all || w.lines > MAX_LINES)
        g_string_append_printf(out, "Error: more than %u page tables or %u lines\n", MAX_TABLES, MAX_LINES);
}

void cpu_print_mem(X86CPU *c, GString *out)
{
    print(c, out, true);
}

void cpu_print_tlb(X86CPU *c, GString *out)
{
    print(c, out, false);
}
