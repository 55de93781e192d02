/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -perfmap and -jitdump. */
#ifndef ACCEL_TCG_PERF_H
#define ACCEL_TCG_PERF_H

#include "util/error.h"

bool tcg_perf_init(Error **errp); /* opens the files that the options ask for */
/* Code that runs at address; bytes: where it can be read. */
void tcg_perf_code(const void *address, const void *bytes, size_t size, const char *name);

#endif
