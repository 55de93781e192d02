/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator's insides: docs/engine.rst tells how it works. jit.c: blocks, lookup, what generated code calls;
 * jit-cache.c: the code buffer, invalidation; jit-thunks.c: the ways in and out; jit-translate.c: decoding, the frame
 * of a block; jit-flags.c: liveness, flags; jit-mem.c: guest memory; jit-int.c, jit-flow.c, jit-host.c, jit-string.c:
 * instructions by class.
 */
#ifndef ACCEL_TCG_JIT_INTERNAL_H
#define ACCEL_TCG_JIT_INTERNAL_H

#include "accel/tcg/emit.h"
#include "accel/tcg/jit.h"
#include "accel/tcg/ops.h"

/* Host registers: guest registers are in the host's of the same number but these: RSP is in R15; R10, R11 and R15 are
 * in X86CPU.gpr[]. The host's RSP is the return stack (docs/engine.rst). */
enum { T0 = H_R10, T1 = H_R11, G_RSP = H_R15 };
#define BLOCK_INSNS  64
#define FOLLOW_INSNS 16          /* so near is an indirect jump for which a direct one is followed */
#define BLOCK_ROOM   (48 * 1024) /* of code that one block may take */
_Static_assert(BLOCK_INSNS *INSN_MAX_LEN < 1 << 10 && BLOCK_ROOM < 1 << 16, "JitInsn");
#define BLOCK_NO_GROUPS (1U << 31) /* in Block.mode: made without groups */
#define GROUPS_MAX      24
#define HELD_MAX        12
#define JC_BITS         10 /* jump cache */
#define JC_ENTRIES      (1U << JC_BITS)
#define JC_MULTIPLIER   0x9e3779b1
#define JC_MASK         ((JC_ENTRIES - 1) * 16) /* of the product: the entry's place */
/* What the jump cache and a return stack belong to: user mode, kernel mode, others. */
enum { CLASS_USER, CLASS_KERNEL, CLASS_OTHER, CLASSES };

typedef struct JitClass {
    uint32_t mode, cs_limit; /* mode ~0: of none */
    uint64_t cs_base;
    uint64_t sp, base; /* the return stack, while another class is present; where it begins */
} JitClass;

/* An entry of the jump cache. */
typedef struct JumpTarget {
    uint64_t rip, code; /* code: host address of the guarded entry */
} JumpTarget;

/*
 * JitHot.flags where it does not tell the flags but what they can be computed from (jit-flags.c): FLAGS_LAZY | kind |
 * log2 of the operand size << LAZY_SIZE_SHIFT; the second operand is lazy_b (LAZY_B) or a signed number <<
 * LAZY_IMM_SHIFT.
 */
enum { FLAGS_LAZY = 1 << 7, LAZY_KIND = 7, LAZY_SIZE_SHIFT = 3, LAZY_B = 1 << 5, LAZY_IMM_SHIFT = 8 };
enum {
    LAZY_NONE,
    LAZY_ZERO,  /* those of 0: never in JitHot.flags */
    LAZY_LOGIC, /* a: result */
    LAZY_TEST,  /* a and b: operands */
    LAZY_ADD,   /* a: result; b: second operand */
    LAZY_SUB,   /* the same */
    LAZY_CMP,   /* a, b: operands */
};

enum { BOUNCE_SIZE = 32 }; /* the largest operand that is copied */

/* What generated code reaches through the GS base, behind TcgCpu in X86CPU.accel_area. */
typedef struct JitHot {
    X86CPU *self;
    uint64_t c_sp; /* the C stack while generated code runs */
    uint64_t sp;   /* the return stack while C runs */
    JitClass class[CLASSES];
    uint32_t present; /* class */
    uint32_t pad;
    uint64_t tsc_offset; /* of the guest's counter to the host's */
    uint64_t target;
    uint64_t t0; /* T0 when C has returned */
    uint64_t temp;
    uint64_t light[2]; /* T0 and T1 of a thunk that calls one of jit_light */
    uint32_t flags;    /* saved arithmetic flags: AH of LAHF << 8 | OF; or FLAGS_LAZY ... */
    uint32_t fpu_site; /* place of the FpuSite of the last x87 instruction; 0: TcgCpu's fpu_ip and so on are right */
    uint32_t fpu_seg;  /* segment of the last x87 operand in memory + 1; 0: TcgCpu's fpu_ds is right */
    uint64_t lazy_a, lazy_b;     /* where FLAGS_LAZY says so */
    uint64_t return_misses;      /* count for `info jit`: returns that the return stack did not foresee */
    uint64_t held[HELD_MAX];     /* host addresses of groups (jit-group.c) */
    uint64_t limit[2][SEG_REGS]; /* first byte behind what may be [0: read, 1: written]; 0: nothing */
    JumpTarget jc[CLASSES][JC_ENTRIES];
    /* An access across a page's end that is done in a copy: the first page's end, the second's beginning. */
    _Alignas(64) uint8_t bounce[2][BOUNCE_SIZE];
    /* A store among them, for thunk_cross: the copy's beginning, where its two parts go and how long they are, where
     * translated code goes on; registers meanwhile. */
    struct {
        uint64_t from, to[2], n[2], next, saved[3];
    } cross;
} JitHot;
#define JIT_HOT_AT ((sizeof(TcgCpu) + 63) & ~63UL)
#define HOT(c)     ((JitHot *)(void *)((c)->accel_area + JIT_HOT_AT))
#define G_CPU(f)   ((int32_t)offsetof(X86CPU, f))
#define G_TCG(f)   ((int32_t)(offsetof(X86CPU, accel_area) + offsetof(TcgCpu, f)))
#define G_HOT(f)   ((int32_t)(offsetof(X86CPU, accel_area) + JIT_HOT_AT + offsetof(JitHot, f)))
#define G_GPR(r)   ((int32_t)(offsetof(X86CPU, gpr) + (r)*8))

/* Where the guest's arithmetic flags are. */
enum { IN_HOST = 1, IN_SLOT = 2 };

typedef struct Block Block;

/*
 * A block's data: in the arena, where places are told by 32 bits (jit_ref(): in units of ARENA_UNIT bytes; 0: none).
 * There are tens of thousands of blocks, so all of it is packed.
 */
#define ARENA_UNIT 4
#define PACKED     __attribute__((packed, aligned(ARENA_UNIT)))

/* A direct way out of a block: a jump (or call) whose rel32 goes to a stub until it is linked. */
typedef struct PACKED JitExit {
    uint32_t next, prev; /* JitExit of the same target; first: prev is the target */
    uint32_t from;       /* Block */
    int64_t rip : 58;    /* what is canonical has 57, and what follows the last page is not */
    uint64_t flags : 2;  /* IN_HOST, IN_SLOT: where the flags are */
    uint64_t poll : 1;   /* backward */
    uint64_t guard : 1;  /* in any case, also in the same page: where a call comes back */
    uint64_t linked : 1, first : 1;
    uint16_t site, stub; /* of the rel32; where it goes unlinked: offsets from the block's code */
} JitExit;

/* An instruction of a block. */
typedef struct JitInsn {
    int32_t guest; /* from the block's rip */
    uint16_t code; /* offset from the block's code where it begins */
    uint16_t at : 10 /* where its bytes are in the block's copy */, len : 4;
    uint16_t followed : 1; /* a direct jump; the next instruction is the one at its target */
    uint16_t in_slot : 1;  /* where host code may fault in it: its flags are in the slot, else in the host's */
    uint16_t in_group : 1; /* what a group's check has found is relied on in it: C does not come back to here */
} JitInsn;

/* In the block's table each is 16 bits, 16 more where its code is long, then 32 more where it is followed: how far from
 * its end the target is. All that were decoded are there, also those that were left to another block. */
enum {
    INSN_IN_SLOT = 1 << 4,
    INSN_IN_GROUP = 1 << 5,
    INSN_FOLLOWED = 1 << 6,
    INSN_CODE_SHIFT = 7,
    INSN_CODE_LONG = 511
};

struct PACKED Block {
    uint32_t hash_next, page_next; /* Block */
    uint32_t incoming;             /* JitExit */
    uint32_t more;                 /* BlockMore */
    uint32_t table;                /* of its instructions */
    uint32_t bytes;                /* what was translated: n_bytes */
    uint64_t lin;
    const uint8_t *page; /* host */
    uint32_t id;         /* of CodeTlbEntry.id */
    uint32_t mode;
    uint32_t guard, body;           /* entries, offsets in the buffer; code begins with the guard */
    uint16_t size;                  /* of code */
    uint16_t poll, slot;            /* entries from guard on; slot: flags in the slot, neither guard nor poll */
    uint16_t guard_host, poll_host; /* the same with flags in the host's; as guard, poll where none live */
    uint16_t host;                  /* flags in the host's only, neither guard nor poll */
    uint16_t first;                 /* its first instruction's code, from guard on */
    uint16_t n_bytes;
    uint8_t n_insns;
    bool dead : 1;
    bool verify : 1;
    bool vector : 1; /* it needs the vector state in the host's registers */
};

/* What few blocks have: a code segment that is not flat; a second page, where an instruction crosses into the next one
 * or a jump to there is followed. */
typedef struct PACKED BlockMore {
    uint64_t cs_base;
    uint32_t cs_limit;
    const uint8_t *page; /* host; NULL: none */
    uint64_t page_lin;
    uint32_t id, page_next;
} BlockMore;

/* What a stub tells a thunk, by its place in the arena. */
typedef struct PACKED SiteData {
    uint32_t block;
    uint16_t retry; /* from the block's code on */
    uint8_t insn, size;
    uint8_t access : 4, mmu : 4; /* access: and SITE_ALONE */
    uint8_t after;               /* bytes from retry to where T0 is the host's address; 0: C does not go on there */
} SiteData;
enum { SITE_ALONE = 4 }; /* the instruction's only access, which may be done in a copy */

/* A store across a page's end: the instruction behind its check once more, in a slot of CROSS_ROOM bytes behind the
 * thunks, and a jump to thunk_cross. */
typedef struct CrossStub {
    uint32_t at, len; /* what was copied: offset of the code; at 0: nothing */
} CrossStub;
enum { CROSS_STUBS = 64, CROSS_ROOM = 96 };

/* The check of a group: s: its first access. */
typedef struct PACKED GroupSite {
    SiteData s;
    uint16_t lead, span; /* bytes from the group's beginning to the access; of the group */
    uint32_t exit;       /* JitExit to the block without groups */
    bool write;
} GroupSite;

/* An x87 instruction, for the last-instruction state. */
typedef struct PACKED FpuSite {
    uint64_t rip;
    uint16_t op;
} FpuSite;

/* A page of code. One that is written again and again is not protected: its blocks compare their bytes when they are
 * entered. */
typedef struct PageRef {
    const uint8_t *page;
    uint64_t since;        /* host ticks: when the first of these was: */
    uint32_t blocks, last; /* Block, through page_next, the oldest first: it is the first that goes */
    uint16_t notices;
    bool verify;
} PageRef;
enum { NOTICES_MAX = 4 };
#define NOTICES_TICKS (1ULL << 25) /* of the host's TSC, some 10 ms */
#define VERIFY_TICKS  (1ULL << 31) /* after that long it is tried with protection again */
/* A block whose bytes may have been read before a store that had passed its check: tcg.h, tcg_code_epoch. */
typedef struct Unsettled {
    Block *block;
    uint64_t epoch;
} Unsettled;
enum { UNSETTLED_MAX = 128 };
typedef struct IdRef {
    uint64_t tag;
    const uint8_t *host;
} IdRef;
/* Decoded instructions of blocks that handlers execute. */
typedef struct KeptInsn {
    const uint8_t *key; /* the block's address + the instruction's number */
    JitInsn at, behind; /* it and what comes behind it */
    Insn insn;
} KeptInsn;
enum { KEPT_BITS = 8 };

enum {
    THUNK_SLOW,
    THUNK_EXEC,
    THUNK_LINK,
    THUNK_INDIRECT,
    THUNK_ENTRY,
    THUNK_CALL,
    THUNK_GROUP,
    THUNK_VECTOR,
    THUNK_STRING,
    THUNK_FLAGS,
    THUNK_TARGET,
    THUNKS
};

/* A return stack: what lies below it faults; above its base stand entries that lead to the sentinel's thunk. */
enum { STACK_SIZE = 64 * 1024, GUARD_SIZE = 64 * 1024, STACK_TOP = 512 };
/* Code is interpreted until it is run for this time: most of what a start of a system or a program runs it runs once.
 */
enum { TRANSLATE_AT = 4, HEAT_BITS = 16, COLD_RUNS = 1 << 15 /* then all counts are halved */ };
enum { HEAT_EVICTED = 1 << 7 /* it was translated, and has made room since */ };
/* Blocks' hash table grows as they become more. */
enum { HASH_BITS_MIN = 12, HASH_BITS_MAX = 19, PAGES_MAX = 1 << 15, IDS_MAX = 1 << 16 };

/*
 * Code and data are filled segment by segment; when all are full, the oldest is emptied. There are few of them at
 * first: their number doubles where more than an eighth of what is translated has been emptied before. In a
 * segment's data blocks and what belongs to them grow upward, JitExits downward from its end.
 */
enum { SEGMENT = 512 * 1024, SEGMENT_BLOCKS = SEGMENT / 64, SEGMENTS_MAX = 2048, DATA_ROOM = 64 * 1024 };
enum { SEGMENTS_FIRST = 12 };
typedef struct Segment {
    unsigned n_blocks;   /* in JitCpu.sorted, SEGMENT_BLOCKS for each segment */
    uint32_t code, data; /* bytes, when it was full */
    size_t exits;        /* where the JitExits begin */
} Segment;

struct JitCpu {
    X86CPU *c;
    uint8_t *rw;
    uint8_t *rx;
    uint32_t size, used, first; /* bytes of code; first: behind the thunks */
    uint32_t thunk[THUNKS][2];  /* [0]: flags in the slot, [1]: in the host's */
    uint32_t thunk_ret_miss[CLASSES], thunk_sentinel, thunk_fault, thunk_cross;
    uint32_t cross; /* the first slot */
    CrossStub cross_stub[CROSS_STUBS];
    const void *(*enter)(X86CPU *c, const void *code);
    uint8_t *arena;
    size_t arena_size, arena_used;
    unsigned segment, n_segments; /* the one that is filled; how many there are now */
    unsigned max_segments;
    uint64_t lap_translated, lap_again; /* when the first one was begun */
    Segment segments[SEGMENTS_MAX];
    size_t code_there, arena_there; /* bytes that the host has given pages for already */
    uint8_t *stacks;
    uint32_t *sorted; /* Block, by code */
    unsigned n_blocks, hash_bits;
    uint32_t *hash; /* Block; 1 << hash_bits of them are in use */
    /* Each as they came, found by open addressing: an index holds the number + 1. */
    PageRef pages[PAGES_MAX / 4 * 3 + 1];
    IdRef ids[IDS_MAX / 4 * 3 + 1];
    uint16_t page_index[PAGES_MAX], id_index[IDS_MAX];
    unsigned n_pages, n_ids;
    KeptInsn kept[1 << KEPT_BITS];
    bool flush_pending, leave;
    bool logging; /* exec or cpu are on: nothing is chained */
    uint32_t generation;
    Unsettled unsettled[UNSETTLED_MAX];
    unsigned n_unsettled;
    unsigned verify_pages;
    uint64_t verify_until; /* host ticks */
    JitClass class[CLASSES];
    unsigned present;                /* class */
    uint32_t fault_rip, fault_flags; /* of a host exception: code offset, flags as JitHot.flags */
    bool has_rorx;
    bool alone; /* no other CPU and no other process has the guest's memory: LOCK is left out */
    _Alignas(8) uint8_t heat[1 << HEAT_BITS]; /* how often code was run that is not translated, by hash */
    unsigned cold_runs;
    struct Tr *tr;
    bool printed[OP_COUNT];
    /* counts */
    uint64_t translated, translated_insns, invalidated, flushes, slow_fills, slow_execs, ungrouped, execs, links,
        indirect, guards, leaves, dispatches, faults, late_stores, cold_insns, crossed, bounced, strings, evicted,
        again, followed;
    uint64_t exec_by_op[OP_COUNT];
};
#define JIT(c) (TCG(c)->jit)
const char *jit_op_name(unsigned op);

/* jit-thunks.c */
void jit_make_thunks(JitCpu *j);
uint32_t jit_emit_jump_cache(Emit *e, unsigned class); /* to T0 (RIP) by T1; gives the rel32 of the miss */
uint32_t jit_emit_call_cache(Emit *e, unsigned class); /* only looks: where to goes to T1 */

/* jit.c: called by thunks; data: jit_deref() gives the site's SiteData or JitExit. They give the host address to go on
 * at, NULL: leave. */
typedef const void *JitCallee(X86CPU *c, uint32_t data, uint64_t arg);
extern JitCallee *const jit_callees[THUNKS];
/* Those that a thunk calls first (NULL: none), while the guest's RBX, RBP, RSP and R12 to R14 are in the host's
 * registers only, where there are no flags to keep: jit-light.c. NULL from them: then the other. */
extern JitCallee *const jit_light[THUNKS];
JitCallee jit_do_fault, jit_do_sentinel, jit_do_flags;

/* jit-cross.c: the access at lin goes on in the next page: where translated code goes on with it; NULL: the handler
 * does it. jit_cross_light(): where nothing has to be set in page tables, for jit_light. jit_cross_site(): the code
 * offset that stands for one in a slot. */
const void *jit_cross(X86CPU *c, const SiteData *d, uint64_t lin);
const void *jit_cross_light(X86CPU *c, const SiteData *d, uint64_t lin);
uint32_t jit_cross_site(const JitCpu *j, uint32_t code);

/* jit-cache.c */
bool jit_stack_overflow(JitCpu *j, uintptr_t addr); /* addr is in the guard below a return stack */
void *jit_arena(JitCpu *j, size_t size);            /* NULL: full */
JitExit *jit_exit(JitCpu *j);                       /* the same for one of these */
void jit_room(JitCpu *j);                           /* for a block, whatever must go */
uint8_t *jit_heat(JitCpu *j, uint64_t lin, uint32_t id, uint32_t mode);
size_t jit_data_used(const JitCpu *j);               /* in the segment that is filled */
static inline uint32_t jit_code_end(const JitCpu *j) /* of the segment */
{
    return (j->segment + 1) * SEGMENT;
}
void jit_memory_there(JitCpu *j); /* for a block: jit-init.c. Outside */
Block *jit_find(JitCpu *j, uint64_t lin, uint32_t id, uint32_t mode);
PageRef *jit_page_ref(JitCpu *j, const uint8_t *page, bool make);
uint32_t jit_page_id(JitCpu *j, uint64_t tag, const uint8_t *host); /* 0: full */
void jit_block_add(JitCpu *j, Block *b);
void jit_block_kill(JitCpu *j, Block *b);
bool jit_block_same(const JitCpu *j, const Block *b); /* are its bytes what they were? */
void jit_verify_end(JitCpu *j);                       /* protect all pages again */
/* A new block: list it where other CPUs' stores were on their way when its bytes were read. reached: what
 * tcg_code_epoch_reached() said before that. */
void jit_unsettled(JitCpu *j, Block *b, uint64_t reached);
void jit_settle(JitCpu *j); /* kill those that such stores have changed, forget those that none can change any more */
void jit_do_flush(JitCpu *j);
void jit_link(JitCpu *j, JitExit *x, Block *b);
Block *jit_block_at(JitCpu *j, uint32_t code); /* whose code holds the offset */
void jit_jc_clear(X86CPU *c, unsigned class);
void jit_jc_put(X86CPU *c, const Block *b);
static inline unsigned jit_jc_index(uint64_t rip)
{
    return ((uint32_t)rip * JC_MULTIPLIER & JC_MASK) / sizeof(JumpTarget);
}
static inline uint32_t jit_ref(const JitCpu *j, const void *p)
{
    return (uint32_t)((size_t)((const uint8_t *)p - j->arena) / ARENA_UNIT);
}
static inline void *jit_deref(const JitCpu *j, uint32_t ref)
{
    return j->arena + (size_t)ref * ARENA_UNIT;
}
static inline Block *jit_block(const JitCpu *j, uint32_t ref) /* NULL: 0 */
{
    return ref ? jit_deref(j, ref) : NULL;
}
static inline const BlockMore *jit_more(const JitCpu *j, const Block *b) /* NULL: none */
{
    return b->more ? jit_deref(j, b->more) : NULL;
}
static inline const uint8_t *jit_second_page(const JitCpu *j, const Block *b)
{
    return b->more ? jit_more(j, b)->page : NULL;
}
static inline const uint8_t *jit_bytes(const JitCpu *j, const Block *b)
{
    return jit_deref(j, b->bytes);
}
static inline uint64_t jit_rip(const JitCpu *j, const Block *b)
{
    return b->more ? (b->mode & TM_CODE64 ? b->lin : (uint32_t)(b->lin - jit_more(j, b)->cs_base)) : b->lin;
}
/* Its instruction n; n_insns: what is behind the last one. */
JitInsn jit_insn(const JitCpu *j, const Block *b, unsigned n);
static inline unsigned jit_class(uint32_t mode)
{
    if ((mode & TM_CPL) == 3 && !(mode & TM_VM))
        return CLASS_USER;
    return (mode >> TM_MMU_SHIFT & 3) == MMU_KERNEL || !(mode & TM_PAGING) ? CLASS_KERNEL : CLASS_OTHER;
}

typedef struct Tr Tr;
/* jit-translate.c: translate from c's present RIP; NULL: no room (flush), or not one instruction can be. Outside
 * (tcg.h). */
Block *jit_translate(X86CPU *c, const CodeTlbEntry *page, uint64_t lin,
                     uint32_t extra); /* extra: BLOCK_NO_GROUPS or 0 */

/* jit-log.c */
void jit_log_block(const Tr *t);             /* it was translated */
void jit_log_run(X86CPU *c, const Block *b); /* it is about to be run; leaves light code by itself */

/* Translation of a block. */
typedef enum ColdKind {
    COLD_SLOW,   /* an access that missed */
    COLD_SITE,   /* to a thunk */
    COLD_EXIT,   /* a way out that is not linked */
    COLD_GROUP,  /* a group's check */
    COLD_RETURN, /* a return that the return stack did not foresee */
    COLD_ADAPT,  /* the block's entries for flags in the host's */
    COLD_FLAGS,  /* flags in the slot that are FLAGS_LAZY */
} ColdKind;
typedef struct Cold {
    uint8_t kind, thunk, insn, size, access, mmu;
    bool constant;    /* COLD_SLOW: the address is lin, not what T0 and T1 tell */
    bool alone;       /* SITE_ALONE */
    uint32_t from[3]; /* rel32 to fix; 0: none */
    uint32_t retry, after;
    uint64_t lin;
    JitExit *exit;
    const struct Group *group;
    uint16_t lead;
} Cold;

/* Accesses that share a check: jit-group.c. */
typedef struct Group {
    bool constant, write, checked;
    uint8_t scale, seg_base, first, last;
    uint32_t base, index; /* values of registers */
    uint64_t page;        /* constant: its address */
    int64_t min, max;     /* offsets */
    unsigned members, side_exits;
    int slot; /* JitHot.held[]; -1: T0 is never needed in between */
} Group;
#define COLDS_MAX 512

/* What the flags that an instruction has left in the host can be computed from; see JitHot.flags. */
typedef struct LazyFlags {
    uint8_t kind, size, a, b; /* a, b: guest registers; b REG_NONE: imm */
    int32_t imm;
    int sp_off; /* a is RSP: what has been added to it since */
} LazyFlags;

struct Tr {
    Emit e;
    X86CPU *c;
    JitCpu *j;
    Block *b;
    uint32_t mode;
    unsigned code_size; /* 2, 4, 8 */
    unsigned mmu;
    uint64_t ip_mask;
    unsigned n, max;     /* instructions */
    unsigned n_table;    /* with those that are left to another block */
    unsigned at;         /* the present one */
    unsigned polls_from; /* from this instruction on all ways out poll: a jump backward has been followed before it */
    unsigned flags;      /* IN_HOST, IN_SLOT: where the live ones are */
    Cold cold[COLDS_MAX + 1];
    JitExit no_exit;
    unsigned n_cold;
    uint32_t verify_miss[BLOCK_INSNS * INSN_MAX_LEN / 4 + 8]; /* rel32 of the compares in emit_verify() */
    unsigned n_verify_miss;
    uint64_t rip[BLOCK_INSNS + 1];
    const uint8_t *page[2]; /* host; [1]: where its only instruction crosses into the next one, or a jump is followed */
    uint64_t page_lin[2];
    uint32_t id[2];
    const uint8_t *bytes;              /* of the guest's code */
    uint16_t live_in[BLOCK_INSNS + 1]; /* flags that are needed at its beginning */
    uint16_t live_out[BLOCK_INSNS];
    bool reads[BLOCK_INSNS + 1];    /* host code from here on reads flags that are there at its beginning */
    bool clobbers[BLOCK_INSNS + 1]; /* it uses the host's flags for itself before they are set anew */
    LazyFlags lazy;                 /* of the flags in the host */
    bool slot_lazy;                 /* JitHot.flags may be FLAGS_LAZY */
    uint64_t reached;               /* tcg_code_epoch_reached() before the bytes were read */
    bool may_look;                  /* at code of this page that is not the block's */
    bool may_follow;                /* jumps */
    Insn ahead;
    uint8_t plan[BLOCK_INSNS];
    JitInsn info[BLOCK_INSNS + 1];
    Insn insn[BLOCK_INSNS];
    bool no_groups, verify;
    Group group[GROUPS_MAX];
    unsigned n_groups;
    int held;                        /* whose address is in T0, -1: nobody's */
    int8_t group_of[BLOCK_INSNS][2]; /* of the memory operand, of the stack's; -1: none */
    int64_t offset_of[BLOCK_INSNS][2];
    bool in_group[BLOCK_INSNS + 1];
    int64_t ea_off;      /* tr_ea() adds it */
    uint32_t access_at;  /* where the access begins: misses come back here */
    uint32_t limit_miss; /* rel32 of tr_lin()'s limit check; 0: none */
    bool failed;         /* no room */
};

/* What becomes of an instruction. */
enum { PLAN_EXEC, PLAN_INT, PLAN_HOST, PLAN_FLOW, PLAN_STACK, PLAN_SYS, PLAN_STRING, PLAN_NOTHING };

static inline bool spilled(unsigned g)
{
    return g == R_R10 || g == R_R11 || g == R_R15;
}
/* The host register of a guest register that has one. */
static inline unsigned hreg(unsigned g)
{
    return g == R_RSP ? G_RSP : g;
}

/* Flags: jit-flags.c. */
void tr_liveness(Tr *t);
void tr_flags_to_host(Tr *t);
void tr_flags_to_slot(Tr *t);
void tr_flags_plain(Tr *t); /* to the slot, as LAHF and SETO give them; nowhere else */
void tr_clobber(Tr *t);     /* host flags are about to go: save what lives (by T1) */
void tr_emit_save(Emit *e); /* by T1 */
void tr_emit_restore(Tr *t, bool checked);
void tr_lazy_before(Tr *t, const Insn *i);
void tr_lazy_after(Tr *t, const Insn *i);
void tr_flags_before(Tr *t, const Insn *i); /* what the instruction's own use of flags needs */
void tr_flags_after(Tr *t, const Insn *i);
uint16_t tr_flags_read(const Insn *i, unsigned plan);
uint16_t tr_flags_written(const Insn *i); /* for sure, to defined or undefined values */
uint16_t tr_flags_touched(const Insn *i);

/* Cold code. */
Cold *tr_cold(Tr *t, unsigned kind, uint32_t from);
void tr_exec(Tr *t);                                        /* call the handler */
void tr_string_exec(Tr *t, unsigned size, unsigned access); /* the same by way of THUNK_STRING */
void tr_exec_cold(Tr *t, uint32_t from); /* the same where the rel32 goes; flags are in the slot or dead */
JitExit *tr_exit(Tr *t, uint32_t place, uint64_t rip); /* the rel32 at place goes to rip */
void tr_jump(Tr *t, uint64_t rip);                     /* a jump there */

Rm tr_stack_access(Tr *t, const Insn *i, unsigned from, int off, unsigned size, unsigned access); /* SS:[from + off] */
void tr_set_sp(Tr *t, unsigned from, int off); /* RSP = from + off in the stack's width; T1 is lost */
/* jit-mem.c. */
int32_t tr_tlb_tag(unsigned mmu, unsigned access); /* displacement of the first entry's tag */
/* The address of the memory operand to T0, then the check. Both may clobber T1 and the host's flags (saved by
 * tr_clobber()). */
bool tr_ea(Tr *t, const Insn *i, uint64_t *constant); /* true: not in T0 but *constant: linear */
void tr_lin(Tr *t, const Insn *i, unsigned seg, unsigned size,
            unsigned access); /* T0: offset to linear address, limits checked */
void tr_begin_access(Tr *t);  /* before tr_ea() of the first access: saves flags */
Rm tr_access(Tr *t, const Insn *i, unsigned size, unsigned access); /* all of it: where the operand is */
Rm tr_check(Tr *t, unsigned size, unsigned access);                 /* T0: linear address; gives [T0] */
Rm tr_check_const(Tr *t, uint64_t lin, unsigned size, unsigned access);

/* jit-group.c; which: 0: the memory operand of the present instruction, 1: its stack access. */
void tr_find_groups(Tr *t);
Group *tr_group(Tr *t, unsigned which);                                       /* NULL: none */
bool tr_held(Tr *t, unsigned which, unsigned size, unsigned access, Rm *out); /* true: *out is checked already */
void tr_hold(Tr *t, unsigned which);                                          /* T0 is the group's host address now */
Rm tr_lead(Tr *t, unsigned which, unsigned size,
           unsigned access); /* jit-mem.c: T0: the group's linear address: check it */

/* Can the class take it? tr_xxx() translates what its tr_plan_xxx() took. tr_flow(): true: the block goes on behind it.
 */
bool tr_plan_int(Tr *t, const Insn *i);
void tr_int(Tr *t, const Insn *i);
bool tr_plan_host(Tr *t, const Insn *i);
void tr_host(Tr *t, const Insn *i);
bool tr_plan_flow(Tr *t, const Insn *i);
uint64_t tr_target(const Tr *t, unsigned n); /* of a direct branch */
bool tr_flow(Tr *t, const Insn *i);
bool tr_plan_sys(Tr *t, const Insn *i);
bool tr_sys(Tr *t, const Insn *i);                          /* false: the block has ended */
static inline int32_t tr_seg_at(unsigned seg, size_t field) /* displacement of a field of SegReg */
{
    return G_CPU(seg[0]) + (int32_t)(seg * sizeof(SegReg) + field);
}
void tr_no_interrupt_waits(Tr *t); /* else the handler does it: where IF is set a waiting one is taken behind it */
void tr_set_rflags(Tr *t);         /* RFLAGS, and its arithmetic flags to the slot, from T0; T0 and T1 are lost */
bool tr_plan_syscall(Tr *t, const Insn *i); /* jit-syscall.c: of tr_plan_sys() */
void tr_syscall(Tr *t, const Insn *i);
void tr_class_has(Tr *t, uint32_t mode);    /* else the handler does it */
void tr_switch_class(Tr *t, uint32_t mode); /* to another mode, which the above has been asked for */
bool tr_plan_stack(Tr *t, const Insn *i);
void tr_stack(Tr *t, const Insn *i);
bool tr_plan_string(Tr *t, const Insn *i);
void tr_string(Tr *t, const Insn *i);

#endif
