/* SPDX-License-Identifier: GPL-2.0-or-later */
/* #DE by every width of DIV and IDIV, after fresh() or user(). */
#include "sys.h"

static void divisions(void)
{
    in.ax = in.dx = 0;
    in.cx = 0;
    try("div 8 by zero", C64("div cl"));
    try("div 16 by zero", C64("div cx"));
    try("div 32 by zero", C64("div ecx"));
    try("div 64 by zero", C64("div rcx"));
    try("idiv 64 by zero", C64("idiv rcx"));
    in.cx = 1;
    in.ax = 0x100;
    try("div 8 quotient too large", C64("div cl"));
    in.dx = 1;
    try("div 16 quotient too large", C64("div cx"));
    try("div 32 quotient too large", C64("div ecx"));
    try("div 64 quotient too large", C64("div rcx"));
    in.cx = ~0UL;
    in.ax = 0xff80;
    try("idiv 8 least by -1", C64("idiv cl"));
    in.ax = 0x8000;
    in.dx = ~0UL;
    try("idiv 16 least by -1", C64("idiv cx"));
    in.ax = 0x80000000;
    try("idiv 32 least by -1", C64("idiv ecx"));
    in.ax = 0x8000000000000000;
    try("idiv 64 least by -1", C64("idiv rcx"));
    in.flags = F_ARITH | F_DF | 2;
    in.cx = 0;
    try("div with all flags set", C64("div ecx"));
}
