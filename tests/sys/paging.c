/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paging of LEVELS levels (SDM volume 3, chapter 4): rights by U/S, R/W, NX at two levels, CR0.WP, SMEP and SMAP;
 * accessed and dirty bits; reserved bits; large and global pages; what needs no invalidation. Guests of 2 and 3 levels
 * are 32-bit ones.
 */
#include "lib/sys.h"

#if BITS == 64
#define C  C64
#define DI "rdi"
#if LEVELS == 5
#define VA 0x3018000000000UL
#else
#define VA 0x18000000000UL /* the page of the cases, in tables of its own at all levels */
#endif
#else
#define C  C32
#define DI "edi"
#define VA 0x40000000UL
#endif
#define UCODE_AT (VA + 0x80000000) /* a page for code at CPL3 */

static bool nx;
static word pa, code_pa, memory; /* memory: where VA leads */

static void base(uint64_t bits)
{
    pt_set(1, VA, pa | bits);
}

static bool table_has_a(unsigned level)
{
    return !(pt_levels == 3 && level == 3);
}

/* A digit per level, the leaf's lowest: 1 accessed, 2 dirty. */
static uint64_t ad(unsigned leaf)
{
    uint64_t v = 0;

    for (unsigned l = leaf; l <= pt_levels; l++)
        if (table_has_a(l))
            v |= (pt_get(l, VA) >> 5 & (l == leaf ? 3 : 1)) << (l - 1) * 4;
    return v;
}

static void clear_ad(unsigned leaf)
{
    for (unsigned l = leaf; l <= pt_levels; l++)
        if (table_has_a(l))
            pt_set(l, VA, pt_get(l, VA) & ~(uint64_t)(l == leaf ? PT_A | PT_D : PT_A));
    wrcr3(rdcr3());
}

/* Runs code with the page's address + 8 in DI; prints "." or the error code of #PF. */
static void access(bool cpl3, const struct code *c, word flags)
{
    cpl3 ? user() : fresh();
    in.flags = flags;
    in.di = VA + 8;
    in.ip = (word)c->start;
    in.ax = 0;
    if (cpl3) {
        memcpy((void *)code_pa, c->start, c->end - c->start + 2);
        in.ip = UCODE_AT;
    }
    run_case();
    print(" ");
    if (ev.vector == V_PF) {
        print_hex(ev.error);
        if (ev.cr2 != VA + 8)
            field("cr2", ev.cr2);
    } else if (ev.vector == V_UD) {
        print(".");
    } else {
        print_vector(ev.vector);
    }
}

/* Read, write, fetch by the supervisor, then by the user; the page holds UD2. */
static void six(word flags)
{
    for (unsigned cpl3 = 0; cpl3 < 2; cpl3++) {
        access(cpl3, C("mov al, [" DI "]"), flags);
        access(cpl3, C("mov [" DI "], al"), flags);
        *(volatile uint16_t *)(memory + 8) = 0x0b0f;
        access(cpl3, C("jmp " DI), flags);
        print(cpl3 ? "" : " |");
    }
    end();
}

static void rights(const char *mode, word flags)
{
    static const char *const names[] = {"s-r", "s-w", "u-r", "u-w"};

    for (unsigned up = 0; up < 4; up++)
        for (unsigned leaf = 0; leaf < 4; leaf++)
            for (unsigned x = 0; x < (nx ? 3u : 1u); x++) {
                uint64_t u = pt_get(2, VA) & ~(PT_NX | PT_U | PT_W);

                base(PT_P | (leaf & 1 ? PT_W : 0) | (leaf & 2 ? PT_U : 0) | (x == 1 ? PT_NX : 0));
                pt_set(2, VA, u | (up & 1 ? PT_W : 0) | (up & 2 ? PT_U : 0) | (x == 2 ? PT_NX : 0));
                print(mode);
                print(" ");
                print(names[up]);
                print(" ");
                print(names[leaf]);
                print(x == 1 ? " nx below:" : x == 2 ? " nx above:" : ":");
                six(flags);
            }
    pt_set(2, VA, (pt_get(2, VA) & ~PT_NX) | PT_U | PT_W);
}

static void all_rights(void)
{
    wrcr0(rdcr0() & ~(word)CR0_WP);
    rights("-", 2);
    wrcr0(rdcr0() | CR0_WP);
    rights("wp", 2);
    if (HAS_SMEP) {
        wrcr4(rdcr4() | CR4_SMEP);
        rights("wp smep", 2);
        wrcr4(rdcr4() & ~(word)CR4_SMEP);
    }
    if (HAS_SMAP) {
        wrcr4(rdcr4() | CR4_SMAP);
        rights("wp smap", 2);
        rights("wp smap ac", F_AC | 2);
        wrcr0(rdcr0() & ~(word)CR0_WP);
        rights("smap", 2);
        wrcr4(rdcr4() & ~(word)CR4_SMAP);
    }
    wrcr0(rdcr0() & ~(word)CR0_WP);
}

static void one(const char *s, const struct code *c, bool cpl3)
{
    clear_ad(1);
    name(s);
    access(cpl3, c, 2);
    if (ev.vector == V_PF)
        field("dirty", pt_get(1, VA) >> 6 & 1);
    else
        field("ad", ad(1));
    end();
}

static void accessed(void)
{
    base(PT_P | PT_W | PT_U);
    *(volatile uint16_t *)(pa + 8) = 0x0b0f;
    one("ad read", C("mov al, [" DI "]"), false);
    one("ad fetch", C("jmp " DI), false);
    one("ad write", C("mov [" DI "], eax"), false);
    one("ad read-modify-write", C("add [" DI "], al"), false);
    one("ad cmpxchg that fails", C("mov al, 0x77; cmpxchg [" DI "], cl"), false);
    one("ad read at CPL3", C("mov al, [" DI "]"), true);
    one("ad write at CPL3", C("mov [" DI "], al"), true);
    one("ad lea", C("lea eax, [" DI "]"), false);
    one("ad read, then write", C("mov al, [" DI "]; mov [" DI "], al"), false);
    base(PT_P | PT_W);
    one("ad refused to the user, read", C("mov al, [" DI "]"), true);
    one("ad refused to the user, write", C("mov [" DI "], al"), true);
    base(PT_P | PT_U);
    one("ad refused for writing", C("mov [" DI "], al"), true);
    base(0);
    clear_ad(1);
    name("ad not present");
    access(false, C("mov [" DI "], al"), 2);
    field("entry", pt_get(1, VA) ^ pa);
    end();
    /* Read with D clear, then written: D comes although the translation is there already. */
    base(PT_P | PT_W | PT_U);
    (void)*(volatile uint8_t *)VA;
    say("ad after a read", ad(1));
    *(volatile uint8_t *)VA = 0;
    say("ad after a write behind it", ad(1));
    /* Bits that are set stay. */
    base(PT_P | PT_W | PT_U | PT_A | PT_D | 0xe00);
    (void)*(volatile uint8_t *)VA;
    say("ad set before", pt_get(1, VA) & 0xfff);
}

static void not_present(void)
{
    base(PT_P | PT_W | PT_U);
    for (unsigned l = 1; l <= pt_levels; l++) {
        if (pt_levels == 3 && l == 3)
            continue; /* PDPTEs are loaded by CR3 */
        pt_set(l, VA, pt_get(l, VA) & ~(uint64_t)PT_P);
        print("not present at level ");
        print_hex(l);
        print(":");
        access(false, C("mov al, [" DI "]"), 2);
        access(false, C("mov [" DI "], al"), 2);
        access(false, C("jmp " DI), 2);
        end();
        pt_set(l, VA, pt_get(l, VA) | PT_P);
    }
    /* What was not present is not in a TLB. */
    base(0);
    name("present without an invalidation");
    access(false, C("mov al, [" DI "]"), 2);
    void *e = pt_entry(1, VA);
    if (pt_levels == 2)
        *(volatile uint32_t *)e |= PT_P;
    else
        *(volatile uint64_t *)e |= PT_P;
    access(false, C("mov al, [" DI "]"), 2);
    end();
}

/* Bits of the entry at a level that give a reserved bit's #PF, of those in mask. */
static uint64_t reserved_at(unsigned level, uint64_t mask, uint64_t *other)
{
    uint64_t found = 0, was = pt_get(level, VA);

    for (unsigned i = 0; i < (pt_levels == 2 ? 32u : 64u); i++) {
        if (!(mask >> i & 1))
            continue;
        pt_set(level, VA, was ^ 1ULL << i);
        fresh();
        in.di = VA + 8;
        in.ip = (word)C("mov al, [" DI "]")->start;
        run_case();
        if (ev.vector == V_PF && ev.error == 9)
            found |= 1ULL << i;
        else if (ev.vector != V_UD)
            *other |= 1ULL << i;
    }
    pt_set(level, VA, was);
    return found;
}

static void reserved(const char *prefix)
{
    uint32_t r[4];
    uint64_t other = 0, high;
    unsigned width;

    cpuid(0x80000008, 0, r);
    width = r[0] & 0xff;
    high = pt_levels == 2 ? 0 : ((1ULL << 52) - 1) & ~((1ULL << width) - 1);
    for (unsigned l = 1; l <= pt_levels; l++) {
        if (pt_levels == 3 && l == 3)
            continue;
        print(prefix);
        print("reserved at level ");
        print_hex(l);
        print(":");
        field("above MAXPHYADDR", pt_levels == 2 || reserved_at(l, high, &other) == high);
        field("bits", reserved_at(l, 0xfff0000000000e18ULL | (l >= 4 ? PT_PS : PT_G), &other));
        field("other", other);
        end();
    }
    if (pt_levels > 2) {
        /* By the user, for writing, fetching; with a level above that refuses. */
        uint64_t was = pt_get(1, VA);
        pt_set(1, VA, was | 1ULL << 51);
        print(prefix);
        name("reserved, all accesses");
        six(2);
        pt_set(1, VA, (was & ~(uint64_t)(PT_U | PT_W)) | 1ULL << 51);
        print(prefix);
        name("reserved and no right");
        six(2);
        pt_set(1, VA, (was & ~(uint64_t)PT_P) | 1ULL << 51);
        print(prefix);
        name("reserved and not present");
        six(2);
        pt_set(1, VA, was);
    }
}

/* An entry as memory: nothing is invalidated. */
static void pt_store(unsigned level, uint64_t va, uint64_t v)
{
    void *e = pt_entry(level, va);

    if (pt_levels == 2)
        *(volatile uint32_t *)e = v;
    else
        *(volatile uint64_t *)e = v;
}

static void large(unsigned level)
{
    uint64_t was = pt_get(level, VA), other = 0;
    word big = 0x1000000;

    if (level == 3)
        big = 0;
    pt_set(level, VA, big | PT_P | PT_W | PT_U | PT_PS);
    memory = big;
    print("large at level ");
    print_hex(level);
    print(":");
    six(2);
    clear_ad(level);
    print("large at level ");
    print_hex(level);
    print(", read:");
    access(false, C("mov al, [" DI "]"), 2);
    field("ad", ad(level));
    end();
    clear_ad(level);
    print("large at level ");
    print_hex(level);
    print(", write:");
    access(true, C("mov [" DI "], al"), 2);
    field("ad", ad(level));
    end();
    pt_set(level, VA, big | PT_P | PT_PS);
    print("large at level ");
    print_hex(level);
    print(" for the supervisor, read only:");
    wrcr0(rdcr0() | CR0_WP);
    six(2);
    wrcr0(rdcr0() & ~(word)CR0_WP);
    print("large at level ");
    print_hex(level);
    print(", reserved bits:");
    field("bits", reserved_at(level, 0xfff0000000000018ULL | ((1ULL << pt_shift(level)) - 0x1000), &other));
    field("other", other);
    end();
    pt_set(level, VA, big | PT_P | PT_W | PT_PS | PT_A);
    (void)*(volatile uint8_t *)(VA + 8);
    pt_store(level, VA, 0);
    invlpg(VA + (1UL << (pt_shift(level) - 1)));
    print("large at level ");
    print_hex(level);
    print(", not present, invlpg of another part:");
    access(false, C("mov al, [" DI "]"), 2);
    end();
    pt_set(level, VA, was);
    memory = pa;
}

static void invalidation(void)
{
    word second = new_page();
    volatile uint32_t *p = (volatile uint32_t *)VA;

    *(volatile uint32_t *)pa = 0x11;
    *(volatile uint32_t *)second = 0x22;
    for (unsigned i = 0; i < 4; i++) {
        static const char *const names[] = {"invlpg", "mov to cr3", "invlpg of a global page",
                                            "CR4.PGE of a global page"};
        uint64_t g = i >= 2 ? PT_G : 0;

        if (i >= 2)
            wrcr4(rdcr4() | CR4_PGE);
        base(PT_P | PT_W | PT_U | g);
        name(names[i]);
        field("first", *p);
        pt_store(1, VA, second | PT_P | PT_W | PT_U | g);
        if (i == 1)
            wrcr3(rdcr3());
        else if (i == 3)
            wrcr4(rdcr4() & ~(word)CR4_PGE);
        else
            invlpg(VA + 0x123);
        field("second", *p);
        end();
    }
    wrcr4(rdcr4() & ~(word)CR4_PGE);
    base(PT_P | PT_W | PT_U);
}

/* 4 MiB pages of two-level paging; with PSE-36 bits 13 to 20 are address bits 32 to 39. */
static void pse(void)
{
    uint64_t was = pt_get(2, VA);

    name("PS without CR4.PSE");
    pt_set(2, VA, was | PT_PS);
    six(2);
    pt_set(2, VA, was);
    wrcr4(rdcr4() | CR4_PSE);
    large(2);
    wrcr4(rdcr4() & ~(word)CR4_PSE);
}

int main(void)
{
#if BITS == 64
    pt_get(1, 0x200000000);
    if (LEVELS == 5 && pt_levels != 5) {
        note("no LA57");
        return 0;
    }
    no_user();
    nx = has(0x80000001, 3, 20);
#else
    pt_on(LEVELS);
    for (word a = 0; a < 0x4000000; a += 4096)
        pt_set(1, a, pt_get(1, a) & ~(uint64_t)PT_U);
    nx = LEVELS == 3 && has(0x80000001, 3, 20);
#endif
    memory = pa = new_page();
    code_pa = new_page();
    pt_set(1, UCODE_AT, code_pa | PT_P | PT_U | PT_A | PT_D);
    base(PT_P | PT_W | PT_U);
    wrcr3(rdcr3());
    say("levels", pt_levels);
    not_present();
    reserved("");
    if (nx) {
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
        reserved("NXE, ");
    }
    all_rights();
    accessed();
    base(PT_P | PT_W | PT_U | PT_A | PT_D);
    if (LEVELS > 2)
        large(2);
    if (LEVELS > 3 && has(0x80000001, 3, 26))
        large(3);
    if (LEVELS == 2)
        pse();
    invalidation();
    return 0;
}
