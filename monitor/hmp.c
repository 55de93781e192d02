/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor. */
#include "monitor/internal.h"

void hmp_execute_on(const char *line, int cpu_index, GString *out)
{
    g_string_append(out, "Error: the human monitor has no commands yet\n");
}

void hmp_execute(const char *line, GString *out)
{
    hmp_execute_on(line, -1, out);
}

bool hmp_monitor_new(Chardev *chr, Error **errp)
{
    return error_set(errp, "-mon mode=readline: the human monitor is not there yet; use -monitor none, -serial stdio");
}

void hmp_monitors_cleanup(void)
{
}
