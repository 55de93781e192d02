/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Offsets in the XSAVE area's legacy region, header and, in the standard format, AVX's component: X86CPU.xsave. */
#ifndef TARGET_I386_XSAVE_H
#define TARGET_I386_XSAVE_H

/* SDM volume 1, 10.5.1 and 13.4. */
enum {
    XS_FCW = 0,
    XS_FSW = 2,
    XS_FTW = 4 /* abridged: a bit per register, 1: not empty */,
    XS_FOP = 6,
    XS_FIP = 8,
    XS_FCS = 12,
    XS_FDP = 16,
    XS_FDS = 20,
    XS_MXCSR = 24,
    XS_MXCSR_MASK = 28,
    XS_ST = 32,
    XS_XMM = 160,
    XS_LEGACY_END = 416,
    XS_HEADER = 512,
    XS_XSTATE_BV = 512,
    XS_XCOMP_BV = 520,
    XS_EXTENDED = 576,
    XS_YMM = 576,
    XS_YMM_SIZE = 256,
};

#endif
