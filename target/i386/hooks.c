/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks by which the interrupt controllers, a layer above, reach a CPU's realize. */
#include "target/i386/cpu.h"

bool (*cpu_attach_apic)(X86CPU *c, bool has_apic, Error **errp);
void (*cpu_detach_apic)(X86CPU *c);
