/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors, segment registers and the stacks of far transfers: what seg.c, far.c, excp.c and task.c share. Light
 * code.
 *
 * Error codes of #TS, #NP, #SS and #GP name a selector; bit 0 (EXT) is set while an event that the program did not ask
 * for is delivered (SDM volume 3, 6.13).
 */
#ifndef ACCEL_TCG_SEG_H
#define ACCEL_TCG_SEG_H

#include "accel/tcg/ops.h"

/* System descriptor types; in long mode the 32-bit ones are 64 bits wide. */
enum {
    SYS_TSS16 = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT16 = 6,
    SYS_TRAP16 = 7,
    SYS_TSS32 = 9,
    SYS_TSS32_BUSY = 11,
    SYS_CALL32 = 12,
    SYS_INT32 = 14,
    SYS_TRAP32 = 15,
};
enum { TSS_BUSY = 2 /* in the type */ };
#define DESC_FLAGS 0x00f0ff00U /* of the second dword: what SegReg.flags holds */

typedef struct Desc {
    uint32_t lo, hi;
    uint64_t lin; /* where it stands */
} Desc;

static inline bool desc_is_segment(const Desc *d)
{
    return d->hi & DESC_S;
}
static inline bool desc_is_code(const Desc *d)
{
    return (d->hi & (DESC_S | DESC_CODE)) == (DESC_S | DESC_CODE);
}
static inline bool desc_is_conforming(const Desc *d) /* of code */
{
    return d->hi & DESC_C;
}
static inline bool desc_is_writable_data(const Desc *d)
{
    return (d->hi & (DESC_S | DESC_CODE | DESC_W)) == (DESC_S | DESC_W);
}
static inline bool desc_present(const Desc *d)
{
    return d->hi & DESC_P;
}
static inline unsigned desc_dpl(const Desc *d)
{
    return d->hi >> DESC_DPL_SHIFT & 3;
}
static inline unsigned desc_type(const Desc *d) /* system descriptors: SYS_xxx */
{
    return d->hi >> DESC_TYPE_SHIFT & 15;
}
static inline uint32_t desc_base(const Desc *d)
{
    return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}
static inline uint32_t desc_limit(const Desc *d)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return d->hi & DESC_G ? limit << 12 | 0xfff : limit;
}

static inline bool sel_null(uint16_t sel)
{
    return !(sel & 0xfffc);
}
static inline unsigned sel_rpl(uint16_t sel)
{
    return sel & 3;
}

/* The EXT bit of error codes. */
static inline uint32_t seg_ext(X86CPU *c)
{
    const TcgCpu *t = TCG(c);

    return t->delivering >= 0 && t->delivering_kind != EVENT_SOFT_INT && t->delivering_kind != EVENT_SOFT_EXC;
}
static inline _Noreturn void raise_sel(X86CPU *c, unsigned vector, uint16_t sel)
{
    tcg_raise_error(c, vector, (sel & 0xfffc) | seg_ext(c));
}

/* The descriptor that sel names; false: outside its table. */
bool desc_fetch(X86CPU *c, uint16_t sel, Desc *d);
/* The upper half of a 16-byte system descriptor (long mode): false: outside the table, or its type is not 0. */
bool desc_fetch_upper(X86CPU *c, uint16_t sel, const Desc *d, uint32_t *upper);
/* Set bits of the descriptor's access byte in memory, atomically; may raise #PF: before anything is changed. */
void desc_set_access(X86CPU *c, const Desc *d, uint8_t set, uint8_t clear);
static inline void desc_set_accessed(X86CPU *c, Desc *d)
{
    if (d->hi & DESC_A)
        return;
    desc_set_access(c, d, DESC_A >> 8, 0);
    d->hi |= DESC_A;
}

void seg_from_desc(SegReg *s, uint16_t sel, const Desc *d);
void seg_set_null(X86CPU *c, unsigned seg, uint16_t sel, unsigned cpl);
void seg_load_real(X86CPU *c, unsigned seg, uint16_t sel); /* real mode */
void seg_load_vm86(SegReg *s, uint16_t sel);
/* Segment registers that the new CPL may not use become null: returns to an outer level. */
void seg_drop_inner(X86CPU *c, unsigned cpl);

/* A stack that a far transfer pushes on or pops from: the present one, or one that is about to become it. sp is only
 * cut when used. */
typedef struct FarStack {
    uint64_t base, sp, mask, lin_mask;
    uint32_t limit;
    bool down;    /* expand down */
    bool big;     /* its B flag */
    bool wide;    /* 64-bit: no limit */
    uint16_t err; /* selector in #SS's error code */
    uint8_t mmu;
} FarStack;
FarStack far_stack(X86CPU *c);                                                 /* the present one */
FarStack far_stack_of(X86CPU *c, const SegReg *ss, uint64_t sp, unsigned cpl); /* a 16 or 32-bit one */
FarStack far_stack_wide(X86CPU *c, uint64_t sp, unsigned cpl);                 /* a 64-bit one */
void far_room(X86CPU *c, const FarStack *s, unsigned bytes);                   /* #SS unless that much can be pushed */
void far_push(X86CPU *c, FarStack *s, unsigned size, uint64_t val);
uint64_t far_pop(X86CPU *c, FarStack *s, unsigned size);
uint64_t far_sp(X86CPU *c, const FarStack *s, uint64_t old); /* RSP's new value */

/* SS:(E)SP of level dpl from the task state segment, checked; SDM volume 2, CALL and INT: #TS, #SS. ss->selector and
 * all its rest are set. */
typedef struct InnerStack {
    SegReg ss;
    uint64_t sp;
    Desc desc;
} InnerStack;
void seg_inner_stack(X86CPU *c, unsigned dpl, InnerStack *out);
uint64_t seg_tss64_stack(X86CPU *c, unsigned off); /* RSPn or ISTn at off of the TSS */

/* far.c: where to go on: checks the limit of cs, or that it is canonical where 64-bit code: #GP(EXT). */
void far_check_ip(X86CPU *c, const Desc *cs, uint64_t ip);
/* Load CS and the place to go on; the CPL is SS's business. */
void far_set_cs(X86CPU *c, uint16_t sel, const Desc *d, uint64_t ip);

void far_check_vip(X86CPU *c);

/* excp.c */
void tcg_deliver_at(X86CPU *c, unsigned vector, EventKind kind, bool has_error, uint32_t error, uint64_t ip);

/* task.c: switch to the task whose TSS descriptor is d (checked to be a TSS, busy or not as the way wants it, and
 * present). ip: where the old task goes on. */
typedef enum TaskSwitch { TASK_JMP, TASK_CALL, TASK_IRET, TASK_EVENT } TaskSwitch;
void task_switch(X86CPU *c, uint16_t sel, Desc *d, TaskSwitch why, uint64_t ip, bool has_error, uint32_t error);
/* The TSS that a task gate of JMP, CALL or an event names, checked: #GP or #NP by that selector. */
void task_gate_tss(X86CPU *c, const Desc *gate, uint16_t *sel, Desc *tss);

#endif
