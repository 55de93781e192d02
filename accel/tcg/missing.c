/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the engine that are still on their way: weak, so that each gives way to the real one. -accel tcg says that
 * it is not there. */
#include "accel/tcg/jit.h"
#include "accel/tcg/ops.h"

#define MISSING __attribute__((weak))

MISSING bool jit_init(Error **errp)
{
    return error_set(errp, "tcg, the x86 engine, is not whole yet");
}
MISSING bool jit_cpu_init(X86CPU *c, Error **errp)
{
    return true;
}
MISSING void jit_cpu_destroy(X86CPU *c)
{
}
MISSING void jit_run(X86CPU *c)
{
}
MISSING void jit_page_written(X86CPU *c, const uint8_t *host_page)
{
}
MISSING void jit_flush_all(X86CPU *c)
{
}
MISSING void jit_tlb_flushed(X86CPU *c)
{
}
MISSING void jit_print_info(X86CPU *c, GString *out)
{
}
