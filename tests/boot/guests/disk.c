/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes each block of 4 KiB of the first IDE disk once, in an order that jumps about: block number (n * STEP) mod the
 * number of blocks (a power of two) gets words n * MARK + i. After eight of them a FLUSH CACHE; "f N" on COM1 says that
 * 0 to N - 1 have been flushed. Before that an old block is read back. "we N", "re N", "fe N": the disk refused;
 * "bad N": other data came back. "end" after the last; then it sleeps.
 */
#include "guest.h"

enum { COM1 = 0x3f8, DATA = 0x1f0, COUNT = 0x1f2, LBA = 0x1f3, DRIVE = 0x1f6, STATUS = 0x1f7, COMMAND = 0x1f7 };
enum { BSY = 0x80, DF = 0x20, DRQ = 8, ERR = 1 };
enum { SET_MULTIPLE = 0xc6, READ_MULTIPLE = 0xc4, WRITE_MULTIPLE = 0xc5, FLUSH = 0xe7, IDENTIFY = 0xec };
enum { SECTORS = 8, WORDS32 = SECTORS * 128, BATCH = 8 };
#define STEP 7919u
#define MARK 2654435761u

static uint32_t buf[WORDS32];
static uint32_t blocks;

void ap_main(unsigned n)
{
}

void interrupt(struct frame *f)
{
    quit(1);
}

static void com1(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, c);
}

static void report(const char *what, uint32_t n)
{
    char digits[10];
    int k = 0;
    while (*what)
        com1(*what++);
    do
        digits[k++] = '0' + n % 10;
    while (n /= 10);
    com1(' ');
    while (k)
        com1(digits[--k]);
    com1('\n');
}

static bool settle(void)
{
    uint8_t s;
    while ((s = inb(STATUS)) & BSY)
        ;
    return !(s & (ERR | DF));
}

static void command(uint8_t cmd, uint32_t block, uint8_t count)
{
    uint32_t lba = block * SECTORS;
    settle();
    outb(DRIVE, 0xe0 | lba >> 24);
    outb(COUNT, count);
    outb(LBA, lba);
    outb(LBA + 1, lba >> 8);
    outb(LBA + 2, lba >> 16);
    outb(COMMAND, cmd);
}

static bool get(uint32_t words32)
{
    void *at = buf;
    uint64_t n = words32;
    if (!settle() || !(inb(STATUS) & DRQ))
        return false;
    __asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(DATA) : "memory");
    return true;
}

static uint32_t place(uint32_t n)
{
    return n * STEP & (blocks - 1);
}

static bool write_block(uint32_t n)
{
    void *at = buf;
    uint64_t words = WORDS32;
    for (uint32_t i = 0; i < WORDS32; i++)
        buf[i] = n * MARK + i;
    command(WRITE_MULTIPLE, place(n), SECTORS);
    if (!settle() || !(inb(STATUS) & DRQ))
        return false;
    __asm__ volatile("rep outsl" : "+S"(at), "+c"(words) : "d"(DATA) : "memory");
    return settle();
}

static void read_block(uint32_t n)
{
    command(READ_MULTIPLE, place(n), SECTORS);
    if (!get(WORDS32)) {
        report("re", n);
        return;
    }
    for (uint32_t i = 0; i < WORDS32; i++) {
        if (buf[i] != n * MARK + i) {
            report("bad", n);
            return;
        }
    }
}

int main(void)
{
    command(IDENTIFY, 0, 0);
    if (!get(128)) {
        report("no disk", 0);
        return 1;
    }
    blocks = buf[30] / SECTORS; /* words 60 and 61 */
    command(SET_MULTIPLE, 0, SECTORS);
    settle();
    report("blocks", blocks);
    for (uint32_t n = 0; n < blocks; n++) {
        if (!write_block(n))
            report("we", n);
        if (n % BATCH != BATCH - 1)
            continue;
        read_block(n / 2);
        command(FLUSH, 0, 0);
        report(settle() ? "f" : "fe", n + 1);
    }
    report("end", 0);
    for (;;)
        wait_for_interrupt();
}
