/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What assembly and C of the runtime agree on. */
#ifndef TESTS_SYS_LAYOUT_H
#define TESTS_SYS_LAYOUT_H

/* Selectors. The order serves SYSENTER (CS 08h), SYSCALL (08h) and SYSRET (18h). */
#define CODE     0x08 /* 64-bit code in 64-bit guests, 32-bit in others */
#define DATA     0x10
#define UCODE32  0x1b
#define UDATA    0x23
#define UCODE64  0x2b
#define UDATA2   0x33
#define CODE32   0x38
#define CODE16   0x40 /* base 0, limit ffffh */
#define DATA16   0x48
#define UCODE16  0x53
#define UDATA16  0x5b
#define TSS      0x60 /* two slots */
#define AP_TSS   0x70 /* two slots for each further processor */
#define FREE_SEL 0xa0 /* from here on selectors are the guest's */

#define AP_STACK 0x2000

/* struct regs, in words */
#if BITS == 64
#define R_IP 16
#else
#define R_IP 8
#endif

#endif
