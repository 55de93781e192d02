/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real mode, faults that emulators do not always give, and do not come back from then (SDM volume 3, sections 5.3
 * and 2.5). */
#include "lib/sys.h"

int main(void)
{
    fresh_real();
    try_real("mov to cr0 with PG and not PE", C16("mov eax, cr0; and al, 0xfe; or eax, 0x80000000; mov cr0, eax"));
    try_real("mov to cr4 of what is not there", C16("mov eax, 0x80000000; mov cr4, eax"));
    try_real("jump beyond ffffh", C16("mov eax, 0x10000; jmp eax"));
    try_real("call beyond ffffh", C16("mov eax, 0x10000; call eax"));
    return 0;
}
