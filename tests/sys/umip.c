/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SGDT, SIDT, SLDT, STR and SMSW by CR4.UMIP (SDM volume 3, 2.5). */
#include "lib/sys.h"

static void all(const char *prefix)
{
    static const char *const names[] = {
        "sgdt", "sidt", "sldt", "str", "smsw", "sldt to memory", "str to memory", "smsw to memory", "sgdt, not mapped"};
    const struct code *const codes[] = {C64("sgdt [rdi]"),
                                        C64("sidt [rdi]"),
                                        C64("sldt eax"),
                                        C64("str eax"),
                                        C64("smsw eax"),
                                        C64("sldt word ptr [rdi]"),
                                        C64("str word ptr [rdi]"),
                                        C64("smsw word ptr [rdi]"),
                                        C64("mov rdi, 0x200002000; sgdt [rdi]")};

    note(prefix);
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        print(prefix);
        print(", ");
        try(names[i], codes[i]);
    }
}

int main(void)
{
    fresh();
    hidden = 0xffff;
    in.di = 0x300000;
    all("CPL0");
    user();
    hidden = 0xffff;
    in.di = 0x300000;
    all("CPL3");
    if (!HAS_UMIP) {
        note("no UMIP");
        return 0;
    }
    wrcr4(rdcr4() | CR4_UMIP);
    all("CPL3 with UMIP");
    fresh();
    hidden = 0xffff;
    in.di = 0x300000;
    all("CPL0 with UMIP");
    return 0;
}
