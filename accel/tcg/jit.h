/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator: guest x86 code to host x86-64 code, block by block, per vCPU. Owned by the vCPU's thread; other
 * threads reach it through tcg_request() only. docs/engine.rst tells how the code looks.
 */
#ifndef ACCEL_TCG_JIT_H
#define ACCEL_TCG_JIT_H

#include "accel/tcg/tcg.h"

bool jit_init(Error **errp); /* once: what the host offers, signal handlers, how much each vCPU may have */
bool jit_cpu_init(X86CPU *c, Error **errp); /* in the vCPU's thread: code buffer, thunks */
void jit_cpu_destroy(X86CPU *c);
/* Run translated code from c's state until t->exit_request is set, a handler asks for the run loop (INSN_END
 * instructions whose effect the loop must look at: mode, TF, DEBUG, halt), or an exception is raised (it does not
 * return then). */
void jit_run(X86CPU *c);
/* The same for one block (one_insn_per_tb: one instruction), whatever exit_request says; leaves it set. For tests. */
void jit_step(X86CPU *c);
void jit_page_written(X86CPU *c, const uint8_t *host_page); /* drop the blocks made from this page; later writes go
                                                               unnoticed until tcg_protect_code() */
void jit_flush_all(X86CPU *c);                              /* drop all blocks */
void jit_tlb_flushed(
    X86CPU *c);               /* linear pages may mean other pages now: what is chained across pages must look again */
void jit_fpu_sync(X86CPU *c); /* bring TcgCpu's x87 last-instruction state up to date */
void jit_print_info(X86CPU *c, GString *out); /* `info jit` */

#endif
