/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Machine checks from outside of the guest: the monitor's `mce`. */
#ifndef TARGET_I386_MCE_H
#define TARGET_I386_MCE_H

#include "target/i386/cpu.h"

/* MCG_CAP by the model; the accelerator may make it less. Before the first reset. */
void cpu_mce_init(X86CPU *c);

/* A bank's registers and MCG_STATUS, as the CPU is to find them. */
typedef struct MceEvent {
    unsigned bank;
    uint64_t status, mcg_status, addr, misc;
} MceEvent;

/* c has the error; broadcast: each other CPU has its share in it. What is wrong, and what came of it, is appended to
 * out. VM lock held, dropped meanwhile. */
void cpu_inject_mce(X86CPU *c, const MceEvent *e, bool broadcast, GString *out);

#endif
