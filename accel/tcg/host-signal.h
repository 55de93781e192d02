/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host exceptions in code that the engine made: SIGFPE, SIGSEGV, SIGBUS and SIGILL whose instruction lies in a
 * registered range go to the range's function; all others to whoever had them before (a sanitizer, the default action).
 * The handler runs on a stack of its own: generated code may use RSP as it likes.
 */
#ifndef ACCEL_TCG_HOST_SIGNAL_H
#define ACCEL_TCG_HOST_SIGNAL_H

#include "util/error.h"
#include <signal.h>
#include <ucontext.h>

/* In the signal handler: true: uc goes on where the function has put it; false: not known, as if there were no range.
 * The host's vector registers are in uc; the function runs with others. */
typedef bool HostFaultFn(int sig, const siginfo_t *si, ucontext_t *uc, void *opaque);

bool tcg_host_signals_init(Error **errp);   /* once; further calls do nothing */
bool tcg_host_signals_thread(Error **errp); /* this thread's alternate stack; needs no undoing */
bool tcg_host_fault_range(const void *start, const void *end, HostFaultFn *fn, void *opaque, Error **errp);
void tcg_host_fault_range_remove(const void *start);

#endif
