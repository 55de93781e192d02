/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that is rewritten through a translation of its page that was made before it was run, after other pages have been
 * used that may have the same place in a TLB: 4 to 32 MiB away. By its own address, and by another one of the page.
 */
#include "lib/sys.h"

#define VA    0x18000000000UL
#define ALIAS (VA + 0x5000)

static void away(word from)
{
    for (word far = 4UL << 20; far <= 32UL << 20; far *= 2) {
        (void)*(volatile uint8_t *)(from + far);
        *(volatile uint8_t *)(from + far) = 1;
    }
}

/* mov eax, number; ret */
static void put(word at, unsigned number)
{
    *(volatile uint32_t *)(at + 1) = number;
}

static unsigned call(void)
{
    return ((unsigned (*)(void))VA)();
}

static void rewritten(const char *s, word at)
{
    word page = new_page();

    pt_set(1, VA, page | PT_P | PT_W | PT_A | PT_D);
    pt_set(1, ALIAS, page | PT_P | PT_W | PT_A | PT_D);
    *(volatile uint8_t *)VA = 0xb8;
    *(volatile uint8_t *)(VA + 5) = 0xc3;
    put(at, 1);
    away(at);
    name(s);
    field("first", call());
    away(at);
    put(at, 2);
    away(at);
    field("second", call());
    put(at, 3);
    field("third", call());
    end();
}

int main(void)
{
    word other = new_page();

    for (word far = 4UL << 20; far <= 32UL << 20; far *= 2) {
        pt_set(1, VA + far, other | PT_P | PT_W);
        pt_set(1, ALIAS + far, other | PT_P | PT_W);
    }
    rewritten("by its own address", VA);
    rewritten("by another", ALIAS);
    return 0;
}
