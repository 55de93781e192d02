/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parts of the engine that are still on their way: weak, so that each gives way to the real one. -accel tcg says that
 * it is not there. */
#include "accel/tcg/jit.h"
#include "accel/tcg/ops.h"

#define MISSING __attribute__((weak))

MISSING void tcg_deliver(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error)
{
    abort();
}
MISSING void tcg_enter_smm(X86CPU *c)
{
}
MISSING bool tcg_check_code_breakpoint(X86CPU *c, uint64_t lin)
{
    return false;
}
MISSING void tcg_note_data_access(X86CPU *c, uint64_t lin, unsigned size, bool write)
{
}
MISSING void tcg_note_io_access(X86CPU *c, uint16_t port, unsigned size)
{
}
MISSING uint64_t tcg_tsc(X86CPU *c)
{
    return 0;
}
MISSING void tcg_check_io(X86CPU *c, uint16_t port, unsigned size)
{
}
MISSING DecodeResult insn_decode(Insn *out, const uint8_t *bytes, unsigned avail, unsigned code_size, bool real,
                                 const uint32_t *features)
{
    return DECODE_UD;
}
MISSING void insn_print(const Insn *i, uint64_t pc, GString *out)
{
}
MISSING uint32_t tcg_cpuid_supported(uint32_t leaf, uint32_t subleaf, CpuidReg reg)
{
    return 0;
}
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
