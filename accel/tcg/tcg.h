/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 engine: a full-system x86 CPU in user space, run by the host's own instructions.
 *
 * One thread per vCPU (softmmu/vcpus.h) calls tcg_run(). It takes requests and interrupts, then either interprets
 * (exec.c: decode, call the instruction's handler) or runs translated code (jit.h), in which every instruction is the
 * host's own, with guest registers in host registers and guest memory behind a software TLB; what is not translated
 * calls the same handler. Exceptions leave a handler by tcg_raise(), which jumps to the run loop; a handler changes no
 * guest state before all that may fault in it has been checked.
 *
 * All of a vCPU's engine state (TLB, translations, jump cache) is its own thread's alone; other threads post requests
 * (tcg_request).
 *
 * Light code: while translated code runs, the guest's x87, SSE and AVX registers may be in the host's. Files of the
 * list `light` in meson.build are compiled with -mgeneral-regs-only and call no other code (nor libc) except between
 * tcg_outside_begin() and tcg_outside_end(), which put the vector state into X86CPU.xsave. Handlers of integer and
 * system instructions, the MMU and the run loop are light.
 */
#ifndef ACCEL_TCG_TCG_H
#define ACCEL_TCG_TCG_H

#include "accel/accel.h"
#include "target/i386/decode.h"

#define PAGE_BITS 12
#define PAGE_SIZE 4096U
#define PAGE_MASK (~(uint64_t)0xfff)

/* Why interrupts wait for one instruction: X86CPU.interrupt_shadow (KVM's values). */
enum { SHADOW_SS = 1, SHADOW_STI = 2 };
enum { DEBUGCTL_LBR = 1, DEBUGCTL_BTF = 2 };
/* Descriptor flags: SegReg.flags, a descriptor's second dword. */
enum {
    DESC_A = 1 << 8,
    DESC_W = 1 << 9 /* data: writable */,
    DESC_R = 1 << 9 /* code: readable */,
    DESC_E = 1 << 10 /* data: expand down */,
    DESC_C = 1 << 10 /* code: conforming */,
    DESC_CODE = 1 << 11,
    DESC_S = 1 << 12,
    DESC_DPL_SHIFT = 13,
    DESC_P = 1 << 15,
    DESC_AVL = 1 << 20,
    DESC_L = 1 << 21,
    DESC_DB = 1 << 22,
    DESC_G = 1 << 23,
    DESC_TYPE_SHIFT = 8,
};
enum {
    EXC_DE,
    EXC_DB,
    EXC_NMI,
    EXC_BP,
    EXC_OF,
    EXC_BR,
    EXC_UD,
    EXC_NM,
    EXC_DF,
    EXC_TS = 10,
    EXC_NP,
    EXC_SS,
    EXC_GP,
    EXC_PF,
    EXC_MF = 16,
    EXC_AC,
    EXC_MC,
    EXC_XM,
};
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 }; /* #PF's error code */
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/*
 * The mode: all that decoding and translation depend on besides the code's bytes. tcg_mode() in t->mode; whatever
 * changes something that it is made of calls tcg_mode_changed().
 */
enum {
    TM_CPL = 3,         /* mask */
    TM_CODE64 = 1 << 2, /* 64-bit code; else TM_CODE32 or 16-bit */
    TM_CODE32 = 1 << 3,
    TM_STACK32 = 1 << 4, /* SS.B (in 64-bit code: not set, the stack is 64 bits wide) */
    TM_PE = 1 << 5,      /* protected mode, not virtual-8086 */
    TM_VM = 1 << 6,      /* virtual-8086 */
    TM_LMA = 1 << 7,
    TM_FLAT_CS = 1 << 8, /* base 0, limit 4 GiB */
    TM_FLAT_DS =
        1 << 9, /* base 0, limit 4 GiB, readable and writable; 64-bit code: set for ES, CS, SS, DS by definition */
    TM_FLAT_ES = 1 << 10,
    TM_FLAT_SS = 1 << 11,
    TM_IOPL = 1 << 12, /* CPL <= IOPL */
    TM_TS = 1 << 13,   /* CR0.TS */
    TM_EM = 1 << 14,   /* CR0.EM */
    TM_MP = 1 << 15,
    TM_SSE = 1 << 16,   /* CR4.OSFXSR */
    TM_AVX = 1 << 17,   /* CR4.OSXSAVE and XCR0 has SSE and AVX */
    TM_AC = 1 << 18,    /* alignment is checked: CR0.AM, EFLAGS.AC, CPL 3 */
    TM_MMU_SHIFT = 19,  /* two bits: MMU_xxx of data accesses */
    TM_TF = 1 << 21,    /* EFLAGS.TF */
    TM_DEBUG = 1 << 22, /* breakpoints are armed: DR7, or gdb's: instruction by instruction */
    TM_UMIP = 1 << 23,  /* CR4.UMIP and CPL > 0 */
    TM_TSD = 1 << 24,   /* CR4.TSD and CPL > 0 */
    TM_SMM = 1 << 25,
    TM_NE = 1 << 26,     /* CR0.NE */
    TM_MMXCPT = 1 << 27, /* CR4.OSXMMEXCPT */
    TM_PAGING = 1 << 28,
};

/* Whose rights a data access has: TLB sets. */
enum { MMU_USER, MMU_KERNEL, MMU_KERNEL_AC /* SMAP is off or overridden by EFLAGS.AC */, MMU_MODES };

/* Software TLB, direct mapped by linear page number, one set per MMU mode; see mem.c. A tag is the linear address of
 * the page. One that nothing may match, because accesses must take the slow path, is the address of a page of another
 * entry, and not of the next one's, into which an access may reach: then (linear address ^ tag) is below PAGE_SIZE only
 * where the entry is the page's, and is the offset in it. */
typedef struct TlbEntry {
    uint64_t read, write; /* tags */
    uint8_t *host;        /* of the page; of device memory: the linear address, and no tags */
    uint64_t phys;        /* guest-physical address of the page | TLB_GLOBAL ... */
} TlbEntry;
enum { TLB_GLOBAL = 1 /* a write to CR3 leaves it */, TLB_DEVICE_READ = 2, TLB_DEVICE_WRITE = 4 };
#define TLB_BITS        12
#define TLB_ENTRIES     (1U << TLB_BITS)
#define TLB_TOUCHED_MAX 1024
/* Of entry n. */
#define TLB_INVALID(n) ((((n) + 1) & (TLB_ENTRIES - 1)) < 2 ? 2ULL << PAGE_BITS : 0) /* zeroed memory is empty */
/* Instruction pages: where code of this linear page is, for the fetch in modes of user or of supervisor rights. */
typedef struct CodeTlbEntry {
    uint64_t tag;        /* linear page address | 1 for user rights; TLB_NONE where empty */
    const uint8_t *host; /* of the page; NULL: no RAM or ROM, fetch byte by byte */
    uint64_t phys;
    uint32_t id; /* the translator's: of (linear page, host page, rights); 0: none yet */
} CodeTlbEntry;
#define CODE_TLB_BITS        10
#define CODE_TLB_ENTRIES     (1U << CODE_TLB_BITS)
#define CODE_TLB_TOUCHED_MAX 256
#define TLB_NONE             (~(uint64_t)0)
#define LARGE_BITS           16384

/*
 * What the TLBs had of a PCID (entries that are not global) when CR3 went to another one, to be put back with it:
 * mem.c. Valid until something invalidates that PCID's entries, or all.
 */
enum { PCID_CONTEXTS = 8, PCID_ENTRIES = 224, PCID_CODE_ENTRIES = 64 };
typedef struct PcidContext {
    bool valid;
    uint16_t pcid, n, n_code;
    uint64_t when;                                         /* it was saved: PcidContexts.clock */
    uint32_t gen;                                          /* of the second level */
    uint16_t at[PCID_ENTRIES], code_at[PCID_CODE_ENTRIES]; /* at: MMU mode << TLB_BITS | index */
    TlbEntry entry[PCID_ENTRIES];
    CodeTlbEntry code[PCID_CODE_ENTRIES];
} PcidContext;
typedef struct PcidContexts {
    uint64_t clock, saved, restored; /* the latter two: entries, for `info jit` */
    PcidContext context[PCID_CONTEXTS];
} PcidContexts;

/*
 * The second level of the data TLB, of all MMU modes: pages of RAM whose walk is not to be done again when their entry
 * of the first level has gone to another page. An entry counts while its generation is the present one (of its kind);
 * a flush begins a new one, and a PCID that comes back brings its own along. Its right to write counts while no page
 * has become one of code since it was looked at (epoch).
 */
typedef struct Tlb2Entry {
    uint64_t tag; /* linear address of the page | MMU mode */
    uint8_t *host;
    uint64_t phys; /* as TlbEntry.phys, | TLB2_READ ... */
    uint32_t gen;
    uint32_t epoch; /* the low half of tcg_code_epoch; one that is even */
} Tlb2Entry;
enum { TLB2_READ = 8, TLB2_WRITE = 16 };
#define TLB2_BITS    14
#define TLB2_ENTRIES (1U << TLB2_BITS)
typedef struct Tlb2 {
    uint32_t clock, gen[2]; /* newest generation; the present ones, [1]: of global pages. 0: of none */
    uint64_t hits;
    Tlb2Entry entry[TLB2_ENTRIES];
} Tlb2;

typedef struct JitCpu JitCpu;
typedef struct TcgRamMap TcgRamMap;

/* What other threads ask: t->requests. */
enum {
    TCG_FLUSH_TLB = 1,
    TCG_FLUSH_CODE = 2 /* t->code_requests has pages */,
    TCG_NEW_MAP = 4,
    TCG_DEBUG_CHANGED = 8,
    TCG_DROP_CODE = 16 /* memory that it may be made from has gone */,
    TCG_HALT_FOR_LOCK = 32 /* another CPU holds the bus lock */
};

/*
 * The engine's part of a vCPU: in X86CPU.accel_area, so that translated code, whose GS base is the X86CPU, reaches both
 * by fixed displacements.
 */
typedef struct TcgCpu {
    uint32_t exit_request; /* atomic: not 0: translated code leaves at the next block's beginning; any thread sets, the
                              run loop clears */
    uint32_t requests;     /* atomic: TCG_FLUSH_TLB ... */
    uint32_t mode;
    bool fpu_live;      /* the guest's vector and x87 state is in the host's registers, else in X86CPU.xsave */
    uint32_t x87_used;  /* while fpu_live: x87 or MMX instructions may have changed the host's x87 state; vec.c */
    bool in_jit;        /* translated code or a helper called by it runs */
    bool in_guest;      /* atomic: uses guest memory by its own map and TLB, until it looks at requests; see map.c */
    uint64_t code_seen; /* atomic: the newest tcg_code_epoch that it met between two instructions; CODE_SEEN_ALL while
                           it executes none: map.c */
    bool unsettled;     /* atomic: has blocks that others' stores may change unnoticed; tcg_code_epoch */
    uint32_t outside_depth;
    uint64_t next_rip; /* where the instruction that is executed goes on: set before its handler is called, changed by
                          branches */
    /* The event that tcg_raise() or a software interrupt left. */
    struct {
        uint8_t vector;
        bool has_error;
        uint8_t kind; /* EventKind */
        uint32_t error;
    } exc;
    int delivering; /* vector that is being delivered, -1: none: for double faults and the error code's EXT bit */
    uint8_t delivering_kind; /* EventKind of that */
    void *env[5];            /* __builtin_setjmp() of the run loop */
    bool env_valid;
    uint64_t steps; /* instructions interpreted */
    /* x87 last-instruction state that the host's own registers do not tell */
    uint64_t fpu_ip, fpu_dp;
    uint16_t fpu_cs, fpu_ds, fpu_op;
    bool ferr;        /* the FERR# line is up (CR0.NE = 0) */
    bool resume_flag; /* the handler has set RF for the next instruction (IRET, task switch): the run loop leaves it */
    bool trap_flag_off; /* the handler says: no single-step trap after this instruction (MOV SS) */
    bool assists;       /* for another accelerator: tcg_run_insn() */
    bool debug_exit;    /* gdb's breakpoint: the run loop returns VCPU_EXIT_DEBUG */
    bool imported;      /* the state has just come from elsewhere, perhaps with an event on its way in */
    bool exit_halt;     /* HLT or MWAIT was executed: the run loop returns VCPU_EXIT_HALTED */
    bool halting;       /* nothing was executed since HLT: an SMI comes back to it */
    bool debug_armed;   /* breakpoints in DR7 or gdb's */
    bool monitor_armed; /* MONITOR's line is waited for */
    uint64_t monitor_gpa, monitor_sum;
    uint64_t lin_mask;  /* ~0 in long mode, 0xffffffff else */
    uint64_t apic_page; /* guest-physical, of this CPU's local APIC where it is not at FEE00000h; TLB_NONE: it is */
    TcgRamMap *ram_map; /* borrowed while the thread is between two looks at requests */
    JitCpu *jit;
    PcidContexts *pcids; /* NULL: each write to CR3 forgets what is not global */
    Tlb2 *tlb2;          /* NULL: none */
    /* Pages of code that were written; map.c's lock. */
    const uint8_t *code_requests[64];
    unsigned n_code_requests;
    bool code_requests_lost;
    bool bus_locked;
    uint32_t pending_dr6; /* breakpoints that the instruction hit: #DB after it */
    bool code_breakpoint; /* the #DB on its way is that of an instruction breakpoint */
    struct TcgVec *vec;   /* vec.h */
    uint64_t tlb_flushes, tlb_misses, code_misses, outside; /* counts for `info jit` */
    struct {
        const struct TcgRamSection *section; /* NULL: none; valid while tlb_flushes stays */
        uint8_t *host;
        unsigned size;
    } late;                          /* what tcg_host_lin()'s caller writes to memory that logs */
    unsigned tlb_touched[MMU_MODES]; /* entries of pages that are not global, filled since the last flush;
                                      * TLB_TOUCHED_MAX + 1: more than are listed */
    uint16_t tlb_touched_index[MMU_MODES][TLB_TOUCHED_MAX];
    bool tlb_global[MMU_MODES]; /* global ones are in the set */
    unsigned code_tlb_touched;  /* the same for the code TLB */
    uint16_t code_tlb_touched_index[CODE_TLB_TOUCHED_MAX];
    bool code_tlb_global;
    unsigned section_hint; /* the section of the map that was looked up last */
    /* Large pages of which the TLBs may have pieces, for INVLPG: those of 1 GiB (the last place: too many), a bit for
     * each 2 MiB of the others, by a hash. */
    uint64_t giant[64];
    unsigned n_giant;
    bool any_large;
    uint64_t large[LARGE_BITS / 64];
    CodeTlbEntry code_tlb[CODE_TLB_ENTRIES];
    TlbEntry tlb[MMU_MODES][TLB_ENTRIES] __attribute__((aligned(64)));
} TcgCpu;
static inline TcgCpu *TCG(X86CPU *c)
{
    return (TcgCpu *)(void *)c->accel_area;
}

typedef struct TcgConfig {
    bool interpreter; /* interpreter=on */
    bool one_insn_per_tb;
    bool split_wx;
    uint32_t tb_size;      /* MiB of translated code for all vCPUs; 0: the default */
    int thread;            /* multi, single */
    uint32_t translate_at; /* code is translated when it is run for the so many-th time; 0: when it pays */
    bool follow_all;       /* for tests: each direct jump that can be followed in a block is, whether or not it pays */
} TcgConfig;
extern TcgConfig tcg_config;
extern const AccelDesc accel_tcg;

/* For another accelerator whose CPU cannot execute an instruction (accel/kvm/assist.h): no translator, no state of the
 * engine's own. The first once, under the VM lock; the second in the vCPU's thread, before the first tcg_run_insn(). */
extern uint32_t tcg_offers[FEATURE_WORDS]; /* what the engine could do; set by tcg_assist_init() */
bool tcg_assist_init(Error **errp);
bool tcg_assist_vcpu_init(X86CPU *c, Error **errp);
void tcg_assist_vcpu_destroy(X86CPU *c);
/* Execute the instruction at c->rip, or deliver the fault that it raises; where an event is on its way in, deliver that
 * instead. An NMI or SMI that is pending stays so. State in X86CPU before and after. No VM lock. */
VcpuExit tcg_run_insn(X86CPU *c);

/* exec.c: the run loop */
VcpuExit tcg_run(X86CPU *c);
/* Decode and execute one instruction at c->rip, with all that belongs to an instruction's end; raises. Light. */
void tcg_step(X86CPU *c);
/* Execute a decoded instruction at c->rip: checks what its description says (feature, mode, CPL, FPU), calls the
 * handler, sets RIP. The translator's way for what it does not translate. Raises. Light. */
void tcg_execute(X86CPU *c, const Insn *i);
/* Bytes of code at linear address lin for decoding: up to 15, at most to where a page cannot be read. Raises #PF for
 * the first byte only. */
unsigned tcg_fetch(X86CPU *c, uint64_t lin, uint8_t buf[16]);
/* Decode at c->rip, raising #PF, #GP, #UD as the fetch demands. */
void tcg_decode(X86CPU *c, Insn *i);
bool tcg_has_insn(X86CPU *c, const InsnDesc *d); /* the CPU has what the description's features ask for */
uint32_t tcg_mode(const X86CPU *c);              /* computed from the state */
void tcg_mode_changed(X86CPU *c);                /* t->mode and lin_mask anew */
static inline unsigned tcg_cpl(X86CPU *c)
{
    return TCG(c)->mode & TM_CPL;
}
static inline bool tcg_pe(X86CPU *c) /* protected mode (not virtual-8086) */
{
    return TCG(c)->mode & TM_PE;
}
static inline bool tcg_long(X86CPU *c)
{
    return TCG(c)->mode & TM_LMA;
}
static inline bool tcg_code64(X86CPU *c)
{
    return TCG(c)->mode & TM_CODE64;
}
static inline bool tcg_has(const X86CPU *c, FeatureWord w, unsigned bit)
{
    return c->config.features[w] >> bit & 1;
}

typedef enum EventKind {
    EVENT_FAULT,
    EVENT_TRAP,
    EVENT_SOFT_INT /* INT n */,
    EVENT_SOFT_EXC /* INT3, INTO */,
    EVENT_ICEBP,
    EVENT_INTERRUPT,
    EVENT_NMI
} EventKind;

/* Exceptions. The instruction at c->rip faults: nothing of it has happened. Light. */
_Noreturn void tcg_raise(X86CPU *c, unsigned vector); /* no error code */
_Noreturn void tcg_raise_error(X86CPU *c, unsigned vector,
                               uint32_t error);                      /* #TS #NP #SS #GP #AC #DF: with an error code */
_Noreturn void tcg_raise_pf(X86CPU *c, uint64_t va, uint32_t error); /* sets CR2 */
_Noreturn void tcg_raise_hard(X86CPU *c); /* the interrupt that is requested, before the instruction */
_Noreturn void tcg_raise_trap(X86CPU *c,
                              unsigned vector); /* after the instruction: c->rip is the next one's already (#DB) */

/*
 * Memory, by the handlers. Linear addresses are cut by the caller with lin_mask; all raise #PF (and #AC); MMIO is done
 * in them. Light. Values are little-endian host integers; size 1, 2, 4, 8. Crossing a page is allowed: a store checks
 * both pages first.
 */
uint64_t tcg_load_lin(X86CPU *c, uint64_t lin, unsigned size, unsigned mmu);
void tcg_store_lin(X86CPU *c, uint64_t lin, unsigned size, uint64_t val, unsigned mmu);
void tcg_read_lin(X86CPU *c, uint64_t lin, void *buf, unsigned len, unsigned mmu); /* any length up to 4096 */
void tcg_write_lin(X86CPU *c, uint64_t lin, const void *buf, unsigned len,
                   unsigned mmu); /* both pages checked before the first byte goes */
/* Host address of [lin, lin+size) to read (access ACCESS_R), write or both where it is plain RAM in one page and needs
 * no notice; NULL: use the above. Raises #PF where the access may not be. Code translated from it is gone already; who
 * writes calls tcg_host_written() behind it. */
void *tcg_host_lin(X86CPU *c, uint64_t lin, unsigned size, unsigned access, unsigned mmu);
void tcg_note_late(X86CPU *c);
/* It is marked dirty now: before the write, whoever clears the marks and draws meanwhile would miss it. */
static inline void tcg_host_written(X86CPU *c)
{
    if (__builtin_expect(TCG(c)->late.section != NULL, 0))
        tcg_note_late(c);
}
/* Would the access fault? Raises; no data moves. */
void tcg_probe_lin(X86CPU *c, uint64_t lin, unsigned size, unsigned access, unsigned mmu);
static inline unsigned tcg_mmu(X86CPU *c) /* of data accesses at the present CPL */
{
    return TCG(c)->mode >> TM_MMU_SHIFT & 3;
}
static inline unsigned tcg_mmu_at(const X86CPU *c, unsigned cpl) /* the same at another */
{
    return cpl == 3 ? MMU_USER : c->cr4 & CR4_SMAP && !(c->rflags & FLAG_AC) ? MMU_KERNEL : MMU_KERNEL_AC;
}
#define TCG_MMU_SYSTEM MMU_KERNEL /* implicit supervisor accesses: descriptor tables, TSS, gates' stacks */

/* The same through a segment: limit, type and canonical checks: #GP(0), #SS(0). off is cut by the caller to the address
 * size. */
uint64_t tcg_lin(X86CPU *c, unsigned seg, uint64_t off, unsigned size, unsigned access);
static inline uint64_t tcg_load(X86CPU *c, unsigned seg, uint64_t off, unsigned size)
{
    return tcg_load_lin(c, tcg_lin(c, seg, off, size, ACCESS_R), size, tcg_mmu(c));
}
static inline void tcg_store(X86CPU *c, unsigned seg, uint64_t off, unsigned size, uint64_t val)
{
    tcg_store_lin(c, tcg_lin(c, seg, off, size, ACCESS_W), size, val, tcg_mmu(c));
}
/* Effective address of i's memory operand: an offset in its segment. */
uint64_t tcg_ea(X86CPU *c, const Insn *i);

/* Locked read-modify-write: *p in RAM by compare and exchange; where tcg_host_lin() gives NULL (MMIO, split over pages)
 * between these two calls, while no other CPU is in the guest. tcg_raise() ends that too. */
void tcg_bus_lock(X86CPU *c);
void tcg_bus_unlock(X86CPU *c);
void tcg_wait_bus_lock(X86CPU *c); /* until it is free; the caller counts as outside meanwhile */

/* TLB */
void tcg_flush_tlb(X86CPU *c, bool global_too); /* own thread; global_too false: entries of global pages may stay */
void tcg_flush_page(X86CPU *c, uint64_t lin);   /* INVLPG */
/* CR3 was written while CR4.PCIDE is set. keep: what is known of the new PCID stays (bit 63). */
void tcg_switch_pcid(X86CPU *c, unsigned from, unsigned to, bool keep);
void tcg_flush_pcid(X86CPU *c, unsigned pcid); /* one that is not the present one */
void tcg_forget_pcids(X86CPU *c);              /* all but the present one */
void tcg_mem_init(X86CPU *c);
/* The translator's first try on a TLB miss: fill the entry of lin for the access. true: the entry now lets [lin,
 * lin+size) through, or *host is where the access can be done this once; false: only the instruction's handler can do
 * it (page crossing, device memory, a fault). Raises nothing. */
bool tcg_tlb_fill(X86CPU *c, uint64_t lin, unsigned size, unsigned access, unsigned mmu, uint8_t **host);
/* The same without ever leaving light code, for who has not put all state in place: from the second level, or by a walk
 * that has nothing to set. true: the entry lets an access to the page through. */
bool tcg_tlb_refill(X86CPU *c, uint64_t lin, unsigned access, unsigned mmu);
/* The code page of lin for the present rights: filled in c's code TLB; NULL: no RAM or ROM there, or (with fault set)
 * not executable: raise by tcg_fetch(). */
CodeTlbEntry *tcg_code_page(X86CPU *c, uint64_t lin);
static inline bool tcg_canonical(X86CPU *c, uint64_t lin)
{
    int64_t high = (int64_t)lin >> (c->cr4 & CR4_LA57 ? 56 : 47);

    return high == 0 || high == -1;
}
static inline AddressSpace *tcg_address_space(X86CPU *c)
{
    return cpu_address_space(c);
}
static inline uint64_t tcg_a20_mask(X86CPU *c)
{
    return __atomic_load_n(&c->a20_mask, __ATOMIC_RELAXED);
}
/* Light memcpy(), and one access of 1, 2, 4 or 8 bytes to host memory that others may use at the same time. */
static inline void tcg_copy(void *to, const void *from, unsigned len)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    for (; len >= 8; len -= 8, d += 8, s += 8) {
        uint64_t v;

        __builtin_memcpy(&v, s, 8);
        __builtin_memcpy(d, &v, 8);
    }
    while (len--)
        *d++ = *s++;
}
/* The same from a page of code that another CPU may be changing: 8 aligned bytes at a time, up to 15. */
static inline void tcg_copy_code(void *to, const uint8_t *page, unsigned off, unsigned len)
{
    uint64_t words[3];
    unsigned first = off & 7;

    for (unsigned n = 0; n * 8 < first + len; n++)
        words[n] = __atomic_load_n((const uint64_t *)(const void *)(page + (off & ~7U)) + n, __ATOMIC_RELAXED);
    tcg_copy(to, (const uint8_t *)words + first, len);
}
static inline uint64_t host_load(const void *p, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    default:
        return *(const volatile uint64_t *)p;
    }
}
static inline void host_store(void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)p = (uint8_t)v;
        break;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)v;
        break;
    case 4:
        *(volatile uint32_t *)p = (uint32_t)v;
        break;
    default:
        *(volatile uint64_t *)p = v;
        break;
    }
}
/* Physical memory as this CPU sees it (SMRAM, A20); light, as far as it is RAM. */
uint64_t tcg_phys_load(X86CPU *c, uint64_t gpa, unsigned size);
void tcg_phys_store(X86CPU *c, uint64_t gpa, unsigned size, uint64_t val);
void tcg_phys_written(X86CPU *c, uint64_t gpa, unsigned size); /* after a write through tcg_phys_page()'s pointer */
/* Host address of a guest page of RAM or ROM, NULL: neither. */
uint8_t *tcg_phys_page(X86CPU *c, uint64_t gpa, bool *writable);

/* Code has been, or is to be, translated from the page of RAM at host: writes to it (by any CPU or device) are noticed
 * from now on: jit_page_written() is called in the thread of every vCPU that registered the page. */
void tcg_protect_code(X86CPU *c, const uint8_t *host_page);

/*
 * Which stores may be on their way yet: a CPU whose store has passed its TLB check before the page was protected does
 * it later, unnoticed. The epoch grows whenever a page is protected; between two instructions each CPU says which one
 * it has seen, and then none of its older stores is on its way. Blocks that were made before all others had come so far
 * compare their bytes at each dispatch (jit_settle()).
 */
#define CODE_SEEN_ALL UINT64_MAX
extern uint64_t tcg_code_epoch; /* atomic; odd while a page is being protected */
static inline void tcg_between_insns(TcgCpu *t)
{
    uint64_t e = __atomic_load_n(&tcg_code_epoch, __ATOMIC_ACQUIRE);

    if (t->code_seen != e) {
        __asm__ volatile("sfence" ::: "memory"); /* the guest's MOVNTs are not ordered by what follows */
        __atomic_store_n(&t->code_seen, e, __ATOMIC_RELEASE);
    }
}
/* What all others must have seen before bytes that are read from now on are those of protected pages. */
static inline uint64_t tcg_code_epoch_now(void)
{
    return (__atomic_load_n(&tcg_code_epoch, __ATOMIC_SEQ_CST) + 1) & ~(uint64_t)1;
}
uint64_t tcg_code_epoch_reached(const X86CPU *c); /* by all but c */
extern unsigned tcg_unsettled;                    /* atomic: CPUs that have such blocks (TcgCpu.unsettled) */
void tcg_wake_unsettled(const X86CPU *c); /* c has come between two instructions: the others have them looked at */

/* Requests to a vCPU, any thread. */
void tcg_request(X86CPU *c, uint32_t what);

/* Leave light code: the vector state goes to X86CPU.xsave; afterwards anything may be called. Nests. */
void tcg_outside_begin(X86CPU *c);
void tcg_outside_end(X86CPU *c);
/* The two directions of the vector state (vec.c); light. */
void tcg_fpu_to_memory(
    X86CPU *c); /* nothing where it is there already; the host's MXCSR and x87 control are as C expects then */
void tcg_fpu_to_host(X86CPU *c);
void tcg_fpu_import(X86CPU *c); /* X86CPU.xsave has come from elsewhere */
void tcg_fpu_export(X86CPU *c); /* it is about to be looked at by others: the vector state is in memory already */
/* A pending unmasked x87 exception, as seen by a waiting x87 instruction: #MF or FERR (CR0.NE). Raises. */
void tcg_fpu_check_pending(X86CPU *c);

/* excp.c: deliver an event through the IDT or IVT. c->rip is what is pushed (for software interrupts: next_rip was made
 * rip by the caller). Raises where the delivery faults; on success RIP, CS, flags ... are the handler's. */
void tcg_deliver(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error);
void tcg_enter_smm(X86CPU *c);
/* Breakpoints of DR7 on data or I/O that the last instruction touched: #DB comes after it. exec.c looks at c->dr[6]
 * changes through this. */
bool tcg_check_code_breakpoint(X86CPU *c,
                               uint64_t lin); /* true: DR6 is set: #DB fault before the instruction (RF is 0) */
void tcg_note_data_access(X86CPU *c, uint64_t lin, unsigned size, bool write); /* only called while TM_DEBUG */
void tcg_note_access(X86CPU *c, uint64_t lin, unsigned size, bool write);      /* the same, and gdb's watchpoints */
void tcg_note_io_access(X86CPU *c, uint16_t port, unsigned size);
extern uint64_t tcg_tsc(X86CPU *c); /* the time stamp counter as RDTSC gives it */

/* CPUID that the engine offers (cpuid.c). */
uint32_t tcg_cpuid_supported(uint32_t leaf, uint32_t subleaf, CpuidReg reg);

/* tcg.c: not light; they leave by themselves. */
void tcg_log_insn(X86CPU *c, const Insn *i);
void tcg_log_event(X86CPU *c, unsigned vector, EventKind kind, uint32_t error);
void tcg_log_missing(X86CPU *c, const InsnDesc *d);
void tcg_yield(void);

#endif
