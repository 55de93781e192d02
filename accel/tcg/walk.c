/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page walks (SDM volume 3, chapter 5): 32-bit with PSE and PSE-36, PAE, 4-level and 5-level paging; NX, WP, SMEP,
 * SMAP, protection keys, reserved bits; accessed and dirty bits are set by compare and exchange in guest memory, so
 * that two CPUs and the guest's own locked instructions agree.
 *
 * Differences from hardware: paging-structure caches do not exist (each walk starts at CR3; PAE's four pointers are
 * registers).
 */
#include "accel/tcg/mmu.h"
#include "target/i386/paging.h"

/* One level's entry, of 4 or 8 bytes. */
typedef struct Entry {
    uint64_t gpa, val;
    uint8_t *host; /* NULL: not in RAM */
    bool writable;
    uint64_t flushes; /* TcgCpu.tlb_flushes when it was read: with it the memory map may have become another */
} Entry;

static bool read_entry(X86CPU *c, Entry *e, uint64_t gpa, bool wide)
{
    uint8_t *page = tcg_phys_page(c, gpa & PAGE_MASK, &e->writable);

    e->gpa = gpa;
    e->flushes = TCG(c)->tlb_flushes;
    e->host = page ? page + (gpa & 0xfff) : NULL;
    if (!e->host)
        e->val = tcg_phys_load(c, gpa, wide ? 8 : 4);
    else if (wide)
        e->val = __atomic_load_n((uint64_t *)(void *)e->host, __ATOMIC_RELAXED);
    else
        e->val = __atomic_load_n((uint32_t *)(void *)e->host, __ATOMIC_RELAXED);
    return e->val & PTE_P;
}

/* Set bits in the entry; false: it has changed meanwhile, walk again. */
static bool set_bits(X86CPU *c, Entry *e, bool wide, uint64_t bits)
{
    if ((e->val & bits) == bits)
        return true;
    if (!e->host || !e->writable) {
        /* Tables in ROM keep their bits; in a device they are written as any memory. */
        if (!e->host)
            tcg_phys_store(c, e->gpa, wide ? 8 : 4, e->val | bits);
        e->val |= bits;
        return true;
    }
    if (e->flushes != TCG(c)->tlb_flushes)
        return false; /* another entry's went outside, where memory may have moved */
    if (wide) {
        uint64_t old = e->val;

        if (!__atomic_compare_exchange_n((uint64_t *)(void *)e->host, &old, e->val | bits, false, __ATOMIC_SEQ_CST,
                                         __ATOMIC_RELAXED))
            return false;
    } else {
        uint32_t old = (uint32_t)e->val;

        if (!__atomic_compare_exchange_n((uint32_t *)(void *)e->host, &old, (uint32_t)(e->val | bits), false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
            return false;
    }
    tcg_phys_written(c, e->gpa, wide ? 8 : 4);
    e->val |= bits;
    return true;
}

typedef struct Path {
    Entry e[5];
    unsigned n;
    bool wide, user, write, nx;
} Path;

/* What all levels of a path allow. */
typedef struct Rights {
    bool user, write, nx;
    uint64_t leaf; /* the last level's entry */
} Rights;

/* What the rights of all levels and the CPU's mode make of the access. Returns the error code, 0: allowed; fills the
 * other kinds in. */
static uint32_t check_rights(X86CPU *c, const Rights *p, unsigned kind, unsigned mmu, Walk *w)
{
    bool user = mmu == MMU_USER;
    uint32_t err = PF_P;
    bool read = true, write = p->write, exec = !p->nx;

    if (user) {
        if (!p->user)
            read = write = exec = false;
    } else {
        if (!(c->cr0 & CR0_WP))
            write = true;
        if (p->user) {
            if (c->cr4 & CR4_SMEP)
                exec = false;
            if (mmu == MMU_KERNEL && c->cr4 & CR4_SMAP)
                read = write = false;
        }
    }
    if (p->user && c->cr4 & CR4_PKE && c->efer & EFER_LMA) {
        unsigned key = p->leaf >> 59 & 15;
        uint32_t pkru = c->pkru >> key * 2;
        bool no_read = pkru & 1, no_write = pkru & 1 || (pkru & 2 && (user || c->cr0 & CR0_WP));

        /* 4.7: whether the other rights refuse as well does not count. */
        if ((kind == WALK_READ && no_read) || (kind == WALK_WRITE && no_write))
            err |= PF_PK;
        if (no_read)
            read = false;
        if (no_write)
            write = false;
    }
    w->read = read;
    w->exec = exec;
    w->global = c->cr4 & CR4_PGE && p->leaf & PTE_G;
    w->write = write && p->leaf & PTE_D;
    bool ok = kind == WALK_READ ? read : kind == WALK_WRITE ? write : exec;

    return ok ? 0 : err;
}

static uint32_t error_code(X86CPU *c, unsigned kind, unsigned mmu, uint32_t bits)
{
    if (kind == WALK_WRITE)
        bits |= PF_W;
    if (mmu == MMU_USER)
        bits |= PF_U;
    if (kind == WALK_EXEC && (c->cr4 & CR4_SMEP || (c->efer & EFER_NXE && c->cr4 & CR4_PAE)))
        bits |= PF_I;
    return bits;
}

static bool fail(X86CPU *c, unsigned kind, unsigned mmu, uint32_t bits, Walk *w)
{
    w->error = error_code(c, kind, mmu, bits);
    return false;
}

typedef enum Step { STEP_OK, STEP_FAULT, STEP_AGAIN } Step;

/* The walk is at its leaf, which maps `size` bytes at base. */
static Step finish(X86CPU *c, Path *p, uint64_t lin, uint64_t base, uint64_t size, unsigned kind, unsigned mmu, Walk *w)
{
    Rights rights = {.user = p->user, .write = p->write, .nx = p->nx, .leaf = p->e[p->n - 1].val};
    uint32_t err = check_rights(c, &rights, kind, mmu, w);

    if (err) {
        fail(c, kind, mmu, err, w);
        return STEP_FAULT;
    }
    for (unsigned i = 0; i < p->n; i++) {
        uint64_t bits = PTE_A;

        if (i == p->n - 1 && kind == WALK_WRITE)
            bits |= PTE_D;
        if (!set_bits(c, &p->e[i], p->wide, bits))
            return STEP_AGAIN;
    }
    if (kind == WALK_WRITE)
        w->write = true;
    w->gpa = base + (lin & (size - 1) & PAGE_MASK);
    w->shift = (uint8_t)__builtin_ctzll(size);
    return STEP_OK;
}

static void path_add(Path *p)
{
    uint64_t v = p->e[p->n++].val;

    p->user &= v & PTE_U ? 1 : 0;
    p->write &= v & PTE_W ? 1 : 0;
    if (p->wide && v & PTE_NX)
        p->nx = true;
}

static Step walk_32(X86CPU *c, uint32_t lin, unsigned kind, unsigned mmu, Walk *w)
{
    Path p = {.user = true, .write = true};

    if (!read_entry(c, &p.e[0], (c->cr3 & 0xfffff000) + (lin >> 22) * 4, false)) {
        fail(c, kind, mmu, 0, w);
        return STEP_FAULT;
    }
    uint64_t pde = p.e[0].val;

    path_add(&p);
    if (pde & PTE_PS && c->cr4 & CR4_PSE) {
        /* PSE-36: bits 13 to 20 are address bits 32 to 39; bit 21 is reserved. */
        if (pde & BIT64(21)) {
            fail(c, kind, mmu, PF_P | PF_RSVD, w);
            return STEP_FAULT;
        }
        return finish(c, &p, lin, (pde & 0xffc00000) | (pde >> 13 & 0xff) << 32, 1 << 22, kind, mmu, w);
    }
    if (!read_entry(c, &p.e[1], (pde & 0xfffff000) + (lin >> 12 & 1023) * 4, false)) {
        fail(c, kind, mmu, 0, w);
        return STEP_FAULT;
    }
    path_add(&p);
    return finish(c, &p, lin, p.e[1].val & 0xfffff000, PAGE_SIZE, kind, mmu, w);
}

static uint64_t reserved_bits(const X86CPU *c)
{
    unsigned phys_bits = c->config.phys_bits ? MIN(c->config.phys_bits, 52U) : 40;

    return (PTE_ADDR & ~(BIT64(phys_bits) - 1)) | (c->efer & EFER_NXE ? 0 : PTE_NX);
}

static Step walk_wide(X86CPU *c, uint64_t lin, unsigned kind, unsigned mmu, Walk *w)
{
    bool lma = c->efer & EFER_LMA;
    Path p = {.wide = true, .user = true, .write = true};
    uint64_t table, reserved = reserved_bits(c);
    int shift;

    if (!lma)
        reserved |= 0x7ff0000000000000ULL;
    if (lma) {
        shift = c->cr4 & CR4_LA57 ? 48 : 39;
        table = c->cr3 & PTE_ADDR;
    } else {
        uint64_t pdpte = c->pdptr[lin >> 30 & 3];

        if (!(pdpte & PTE_P)) {
            fail(c, kind, mmu, 0, w);
            return STEP_FAULT;
        }
        shift = 21;
        table = pdpte & PTE_ADDR;
    }
    for (;; shift -= 9) {
        Entry *e = &p.e[p.n];

        if (!read_entry(c, e, table + (lin >> shift & 511) * 8, true)) {
            fail(c, kind, mmu, 0, w);
            return STEP_FAULT;
        }
        uint64_t v = e->val;
        bool leaf = shift == 12 || (v & PTE_PS && (shift == 21 || (shift == 30 && tcg_has(c, F_8000_0001_EDX, 26))));
        uint64_t bad = v & reserved;

        if (leaf && shift > 12)
            bad |= v & (BIT64(shift) - 1) & 0xffffffffffffe000ULL; /* bit 12 is PAT */
        else if (!leaf && shift >= 30)
            bad |= v & PTE_PS;
        path_add(&p);
        if (bad) {
            fail(c, kind, mmu, PF_P | PF_RSVD, w);
            return STEP_FAULT;
        }
        if (leaf)
            return finish(c, &p, lin, v & PTE_ADDR & ~(BIT64(shift) - 1), BIT64(shift), kind, mmu, w);
        table = v & PTE_ADDR;
    }
}

bool tcg_walk_quick(X86CPU *c, uint64_t lin, unsigned kind, unsigned mmu, Walk *w)
{
    uint64_t table = c->cr3 & PTE_ADDR, reserved = reserved_bits(c), all = ~(uint64_t)0, any = 0, v;
    unsigned shift = c->cr4 & CR4_LA57 ? 48 : 39;

    if (!(c->efer & EFER_LMA))
        return false;
    for (;; shift -= 9) {
        const uint8_t *page = tcg_phys_page(c, table, NULL);

        if (!page)
            return false;
        v = __atomic_load_n((const uint64_t *)(const void *)(page + (lin >> shift & 511) * 8), __ATOMIC_RELAXED);
        all &= v;
        any |= v;
        if (~v & (PTE_P | PTE_A) || v & reserved)
            return false;
        table = v & PTE_ADDR;
        if (shift == 12)
            break;
        if (!(v & PTE_PS))
            continue;
        if ((shift != 21 && (shift != 30 || !tcg_has(c, F_8000_0001_EDX, 26))) ||
            v & (BIT64(shift) - 1) & ~(uint64_t)0x1fff)
            return false;
        break;
    }
    Rights rights = {.user = all & PTE_U, .write = all & PTE_W, .nx = any & PTE_NX, .leaf = v};

    if ((kind == WALK_WRITE && !(v & PTE_D)) || check_rights(c, &rights, kind, mmu, w))
        return false;
    w->gpa = (table & ~(BIT64(shift) - 1)) + (lin & (BIT64(shift) - 1) & PAGE_MASK);
    w->shift = (uint8_t)shift;
    return true;
}

bool tcg_walk(X86CPU *c, uint64_t lin, unsigned kind, unsigned mmu, Walk *w)
{
    Step s;

    if (!(c->cr0 & CR0_PG)) {
        *w = (Walk){.gpa = lin & PAGE_MASK, .read = true, .write = true, .exec = true, .shift = PAGE_BITS};
        return true;
    }
    if (tcg_walk_quick(c, lin, kind, mmu, w))
        return true;
    do {
        s = c->cr4 & CR4_PAE ? walk_wide(c, lin, kind, mmu, w) : walk_32(c, (uint32_t)lin, kind, mmu, w);
    } while (s == STEP_AGAIN);
    return s == STEP_OK;
}
