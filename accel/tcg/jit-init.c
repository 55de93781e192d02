/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vCPU's translator: its beginning and end, host exceptions in translated code, `info jit`. Not light. */
#include "accel/tcg/host-signal.h"
#include "accel/tcg/jit-internal.h"
#include "accel/tcg/perf.h"
#include "hw/core/machine.h"
#include "softmmu/vcpus.h"
#include "util/log.h"
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(JIT_HOT_AT + sizeof(JitHot) <= ACCEL_AREA_SIZE, "JitHot fits behind TcgCpu");

enum { DEFAULT_SIZE = 512 /* MiB, of all vCPUs */, CPU_MAX = 128, CPU_MIN = 4 };

bool jit_init(Error **errp)
{
    return tcg_host_signals_init(errp) && tcg_perf_init(errp);
}

/* An instruction of the guest's made the host raise an exception (#DE, #XM, #MF, a misaligned MOVAPS): it is done again
 * by its handler, which raises what the guest sees. */
static bool host_fault(int sig, const siginfo_t *si, ucontext_t *uc, void *opaque)
{
    X86CPU *c = opaque;
    JitCpu *j = JIT(c);
    greg_t *r = uc->uc_mcontext.gregs;

    if (sig == SIGSEGV && jit_stack_overflow(j, (uintptr_t)si->si_addr)) {
        r[REG_RSP] = (greg_t)HOT(c)->class[HOT(c)->present].base;
        return true;
    }
    uint32_t code = (uint32_t)((uintptr_t)r[REG_RIP] - (uintptr_t)j->rx);

    code = jit_cross_site(j, code);
    if (code < j->first || !jit_block_at(j, code))
        return false;
    uint64_t f = (uint64_t)r[REG_EFL];

    j->fault_rip = code;
    j->fault_flags = (uint32_t)((f & 0xd5) << 8 | (f >> 11 & 1));
    r[REG_RIP] = (greg_t)(uintptr_t)(j->rx + j->thunk_fault);
    return true;
}

static void *reserve(size_t size, int prot, Error **errp)
{
    void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p != MAP_FAILED)
        return p;
    error_set_errno(errp, errno, "no memory for the engine's translations");
    return NULL;
}

/* The same memory twice. perf takes addresses in a file of ours for the file's, but in shared memory without a name for
 * those of its map. */
static bool map_anonymous(JitCpu *j, Error **errp)
{
    void *rw = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *rx = rw == MAP_FAILED ? rw : mremap(rw, 0, j->size, MREMAP_MAYMOVE);

    j->rw = rw == MAP_FAILED ? NULL : rw;
    j->rx = rx == MAP_FAILED ? NULL : rx;
    return (j->rx && !mprotect(rx, j->size, PROT_READ | PROT_EXEC)) ||
           error_set_errno(errp, errno, "cannot map memory for translated code");
}

static bool map_code(JitCpu *j, Error **errp)
{
    int fd, err;

    if (accel_perfmap)
        return map_anonymous(j, errp);
    fd = memfd_create("translated code", MFD_CLOEXEC);
    if (fd < 0)
        return error_set_errno(errp, errno, "no memory object for translated code");
    if (ftruncate(fd, j->size)) {
        err = errno;
        close(fd);
        return error_set_errno(errp, err, "no memory for translated code");
    }
    void *rw = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void *rx = mmap(NULL, j->size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

    err = errno;
    close(fd);
    j->rw = rw == MAP_FAILED ? NULL : rw;
    j->rx = rx == MAP_FAILED ? NULL : rx;
    return (j->rw && j->rx) || error_set_errno(errp, err, "cannot map memory for translated code");
}

static size_t sorted_size(const JitCpu *j)
{
    return (size_t)j->max_segments * SEGMENT_BLOCKS * sizeof(*j->sorted);
}

static bool cache_init(JitCpu *j, Error **errp)
{
    if (!map_code(j, errp) || !(j->tr = reserve(sizeof(*j->tr), PROT_READ | PROT_WRITE, errp)))
        return false;
    j->arena_size = j->size;
    j->max_segments = j->size / SEGMENT;
    j->n_segments = MIN((unsigned)SEGMENTS_FIRST, j->max_segments);
    if (!(j->arena = reserve(j->arena_size, PROT_READ | PROT_WRITE, errp)) ||
        !(j->sorted = reserve(sorted_size(j), PROT_READ | PROT_WRITE, errp)) ||
        !(j->hash = reserve(sizeof(*j->hash) << HASH_BITS_MAX, PROT_READ | PROT_WRITE, errp)) ||
        !(j->stacks = reserve(CLASSES * (GUARD_SIZE + STACK_SIZE), PROT_NONE, errp)))
        return false;
    for (unsigned k = 0; k < CLASSES; k++) {
        if (mprotect(j->stacks + k * (GUARD_SIZE + STACK_SIZE) + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE))
            return error_set_errno(errp, errno, "no memory for return stacks");
    }
    return true;
}

/* Have the host give pages for what is written next, up to the segment's end, many at a time: a fault for each costs
 * more than the block. */
static void populate(uint8_t *base, size_t size, size_t *there, size_t used, size_t end, uint8_t *also)
{
    enum { AHEAD = 64 * 1024, LARGE = 4096 /* most blocks are smaller */ };
    size_t at = MAX(*there, used & PAGE_MASK), len = MIN((size_t)AHEAD, end - MIN(at, end));

    if (used + LARGE < *there || !len)
        return;
    /* A host that does not know how gives them one by one. */
    if (madvise(base + at, len, MADV_POPULATE_WRITE) || (also && madvise(also + at, len, MADV_POPULATE_READ)))
        *there = size;
    else
        *there = at + len;
}

void jit_memory_there(JitCpu *j)
{
    size_t end = jit_code_end(j);

    /* No block begins in the last BLOCK_ROOM, and few come so far. */
    populate(j->rw, j->size, &j->code_there, j->used, end - BLOCK_ROOM + PAGE_SIZE, j->rx);
    populate(j->arena, j->arena_size, &j->arena_there, j->arena_used, end - DATA_ROOM, NULL);
}

static void cpu_free(JitCpu *j)
{
    if (j->rx) {
        tcg_host_fault_range_remove(j->rx);
        munmap(j->rx, j->size);
    }
    if (j->rw)
        munmap(j->rw, j->size);
    if (j->arena)
        munmap(j->arena, j->arena_size);
    if (j->sorted)
        munmap(j->sorted, sorted_size(j));
    if (j->hash)
        munmap(j->hash, sizeof(*j->hash) << HASH_BITS_MAX);
    if (j->tr)
        munmap(j->tr, sizeof(*j->tr));
    if (j->stacks)
        munmap(j->stacks, CLASSES * (GUARD_SIZE + STACK_SIZE));
    munmap(j, sizeof(*j));
}

static void free_tlbs(X86CPU *c)
{
    TcgCpu *t = TCG(c);

    if (t->pcids)
        munmap(t->pcids, sizeof(*t->pcids));
    if (t->tlb2)
        munmap(t->tlb2, sizeof(*t->tlb2));
    t->pcids = NULL;
    t->tlb2 = NULL;
}

/* Bytes of code for each vCPU. */
static uint32_t cpu_size(void)
{
    uint64_t all = tcg_config.tb_size ? tcg_config.tb_size : DEFAULT_SIZE, each = all / MAX(vcpu_count, 1U);

    return (uint32_t)MIN(MAX(each, (uint64_t)CPU_MIN), (uint64_t)(tcg_config.tb_size ? 1024 : CPU_MAX)) * MIB;
}

static bool cpu_alone(void)
{
    return machine && machine->smp.max_cpus == 1 && machine->ram_block && !(machine->ram_block->flags & RAM_SHARED);
}

bool jit_cpu_init(X86CPU *c, Error **errp)
{
    JitCpu *j = reserve(sizeof(*j), PROT_READ | PROT_WRITE, errp);
    unsigned a, b = 0, cx, d;

    if (!j)
        return false;
    j->c = c;
    j->size = cpu_size();
    j->alone = cpu_alone();
    j->has_rorx = __get_cpuid_count(7, 0, &a, &b, &cx, &d) && b & bit_BMI2;
    if (!tcg_host_signals_thread(errp) || !cache_init(j, errp) ||
        !tcg_host_fault_range(j->rx, j->rx + j->size, host_fault, c, errp)) {
        cpu_free(j);
        return false;
    }
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, c)) {
        error_set_errno(errp, errno, "cannot set the GS base");
        cpu_free(j);
        return false;
    }
    TCG(c)->pcids = reserve(sizeof(PcidContexts), PROT_READ | PROT_WRITE, errp);
    TCG(c)->tlb2 = TCG(c)->pcids ? reserve(sizeof(Tlb2), PROT_READ | PROT_WRITE, errp) : NULL;
    if (!TCG(c)->tlb2) {
        free_tlbs(c);
        cpu_free(j);
        return false;
    }
    TCG(c)->tlb2->clock = TCG(c)->tlb2->gen[1] = 2;
    TCG(c)->tlb2->gen[0] = 1;
    HOT(c)->self = c;
    TCG(c)->jit = j;
    jit_make_thunks(j);
    tcg_perf_code(j->rx, j->rw, j->first, "thunks");
    jit_do_flush(j);
    return true;
}

void jit_cpu_destroy(X86CPU *c)
{
    cpu_free(JIT(c));
    TCG(c)->jit = NULL;
    free_tlbs(c);
}

/* Bytes of code and data in use. */
static void used(const JitCpu *j, size_t *code, size_t *data)
{
    *code = j->used - j->segment * (size_t)SEGMENT;
    *data = jit_data_used(j);
    for (unsigned n = 0; n < j->n_segments; n++) {
        if (n != j->segment) {
            *code += j->segments[n].code;
            *data += j->segments[n].data;
        }
    }
}

static void print_memory(const JitCpu *j, const TcgCpu *t, GString *out)
{
    size_t code, data, tlbs = sizeof(t->tlb) + sizeof(t->code_tlb) + sizeof(*t->tlb2),
                       caches = sizeof(JitHot) + CLASSES * (size_t)STACK_SIZE;
    size_t tables = sizeof(*j->hash) << j->hash_bits, there = MIN(j->code_there, (size_t)j->size);

    /* Those of a fixed size and what is used of the others. */
    tables += sizeof(*j->tr) + sizeof(j->heat) + sizeof(j->kept) + sizeof(j->page_index) + sizeof(j->id_index) +
              j->n_pages * sizeof(PageRef) + j->n_ids * sizeof(IdRef) + j->n_blocks * sizeof(*j->sorted);
    used(j, &code, &data);
    g_string_append_printf(
        out,
        "  KiB: code %zu of %zu, data %zu of %zu, at most %u each; tables %zu; TLBs %zu; jump caches and return stacks "
        "%zu; of PCIDs %zu; all %zu\n",
        code / KIB, there / KIB, data / KIB, MIN(j->arena_there, j->arena_size) / KIB, j->size / (unsigned)KIB,
        tables / KIB, tlbs / KIB, caches / KIB, sizeof(*t->pcids) / KIB,
        (there + MIN(j->arena_there, j->arena_size) + tables + tlbs + caches + sizeof(*t->pcids)) / KIB);
}

void jit_print_info(X86CPU *c, GString *out)
{
    JitCpu *j = JIT(c);
    const TcgCpu *t = TCG(c);

    g_string_append_printf(out,
                           "  translated %" PRIu64 " blocks of %" PRIu64 " instructions, %" PRIu64
                           " of them again, %" PRIu64 " dropped, %" PRIu64 " to make room, now %u, %" PRIu64
                           " times emptied, %u pages, %u identities of pages; interpreted %" PRIu64
                           " instructions of code that is not translated yet\n"
                           "  memory: %" PRIu64 " TLB fills, %" PRIu64 " by handlers, %" PRIu64
                           " groups given up; handlers called %" PRIu64 ", dispatches %" PRIu64 ", links %" PRIu64
                           ", indirect jumps %" PRIu64 ", returns elsewhere %" PRIu64 ", guards %" PRIu64
                           ", exits %" PRIu64 ", host exceptions %" PRIu64 ", late stores found %" PRIu64 "\n"
                           "  of two pages %" PRIu64 " accesses not by handlers, %" PRIu64
                           " in copies; REP MOVS and STOS not by handlers %" PRIu64 "; jumps followed %" PRIu64 "\n"
                           "  TLB of %u entries, second level %u with %" PRIu64 " hits, of code %u; of PCIDs %" PRIu64
                           " entries kept, %" PRIu64 " used again\n",
                           j->translated, j->translated_insns, j->again, j->invalidated, j->evicted, j->n_blocks,
                           j->flushes, j->n_pages, j->n_ids, j->cold_insns, j->slow_fills, j->slow_execs, j->ungrouped,
                           j->execs, j->dispatches, j->links, j->indirect, HOT(c)->return_misses, j->guards, j->leaves,
                           j->faults, j->late_stores, j->crossed, j->bounced, j->strings, j->followed,
                           MMU_MODES * TLB_ENTRIES, TLB2_ENTRIES, t->tlb2->hits, CODE_TLB_ENTRIES, t->pcids->saved,
                           t->pcids->restored);
    print_memory(j, t, out);
    for (unsigned round = 0; round < 24; round++) {
        unsigned best = 0;

        for (unsigned op = 1; op < OP_COUNT; op++) {
            if (j->exec_by_op[op] > j->exec_by_op[best] && !j->printed[op])
                best = op;
        }
        if (!best || !j->exec_by_op[best])
            break;
        j->printed[best] = true;
        g_string_append_printf(out, "  %12" PRIu64 " %s\n", j->exec_by_op[best], jit_op_name(best));
    }
    memset(j->printed, 0, sizeof(j->printed));
}

const char *jit_op_name(unsigned op)
{
    static const char *const names[OP_COUNT] = {
#define INSN_OP(name) [OP_##name] = #name,
#include "target/i386/insn-ops.h"
#undef INSN_OP
    };

    return names[op] ? names[op] : "?";
}
