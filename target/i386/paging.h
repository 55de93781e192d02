/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries of page tables (SDM volume 3, chapter 5), for all who walk them. */
#ifndef TARGET_I386_PAGING_H
#define TARGET_I386_PAGING_H

#include "target/i386/cpu.h"

enum {
    PTE_P = 1,
    PTE_W = 2,
    PTE_U = 4,
    PTE_PWT = 8,
    PTE_PCD = 0x10,
    PTE_A = 0x20,
    PTE_D = 0x40,
    PTE_PS = 0x80,
    PTE_G = 0x100,
};
#define PTE_NX   BIT64(63)
#define PTE_ADDR 0x000ffffffffff000ULL

uint64_t cpu_behind_a20(const X86CPU *c, uint64_t gpa); /* what an accelerator that has the gate makes of gpa */

#endif
