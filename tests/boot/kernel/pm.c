/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel for -kernel that prints what it was told, by Multiboot or (with -DPVH) PVH, to port E9h, and leaves by port
 * F4h. */
typedef unsigned int u32;

static void outb(unsigned short port, unsigned char val)
{
    __asm__ volatile("outb %0, %1" ::"a"(val), "Nd"(port));
}

static void text(const char *s)
{
    while (*s)
        outb(0xe9, *s++);
}

static void number(const char *name, u32 v)
{
    text(name);
    for (int shift = 28; shift >= 0; shift -= 4)
        outb(0xe9, "0123456789abcdef"[v >> shift & 15]);
    text("\n");
}

static void module(u32 start, const char *line)
{
    text("module '");
    text(line);
    text("' '");
    text((const char *)start);
    text("'\n");
}

void kernel(u32 eax, const u32 *info);
void kernel(u32 eax, const u32 *info)
{
    number("eax ", eax);
#ifdef PVH
    number("magic ", info[0]);
    text("line '");
    text((const char *)info[6]);
    text("'\n");
    for (u32 i = 0; i < info[3]; i++)
        module(((u32 *)info[4])[8 * i], "");
    number("root pointer's first word ", *(u32 *)info[8]);
    const u32 *map = (u32 *)info[10];
    for (u32 i = 0; i < info[12]; i++, map += 6)
        if (map[4] == 1)
            number("RAM at ", map[0]);
#else
    number("flags ", info[0] & 0x4d);
    text("line '");
    text((const char *)info[4]);
    text("'\n");
    for (u32 i = 0; i < info[5]; i++)
        module(((u32 *)info[6])[4 * i], (const char *)((u32 *)info[6])[4 * i + 2]);
    const u32 *map = (u32 *)info[12];
    for (u32 i = 0; i < info[11] / 24; i++, map += 6)
        if (map[5] == 1)
            number("RAM at ", map[1]);
#endif
    __asm__ volatile("outl %0, %1" ::"a"(5), "Nd"((short)0xf4));
    for (;;)
        __asm__ volatile("hlt");
}
