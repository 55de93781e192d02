/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system side of the engine, for the rest of it: MSRs, control registers, the time stamp counter, CPUID. */
#ifndef ACCEL_TCG_SYS_H
#define ACCEL_TCG_SYS_H

#include "accel/tcg/tcg.h"

enum { MISC_ENABLE_MONITOR = 1 << 18 };

/* msr.c: false: there is no such MSR, or it does not take that value: #GP. Light; in the vCPU's thread. */
bool tcg_rdmsr(X86CPU *c, uint32_t msr, uint64_t *val);
bool tcg_wrmsr(X86CPU *c, uint32_t msr, uint64_t val);
/* X86CPU.apic_base is another: where the CPU's own local APIC is. Light. */
void tcg_apic_base_changed(X86CPU *c);
/* sys-init.c: a vCPU's MSRs and counter, once its CPUID is known; not light. */
void tcg_sys_cpu_init(X86CPU *c);
/* What goes beyond X86CPU's fields when its state came from elsewhere (by dirty_level), and is about to be looked at.
 */
void tcg_sys_import(X86CPU *c);
bool tcg_get_state(X86CPU *c, Error **errp);

/* control.c: CR0, CR3, CR4 and XCR0 with all that belongs to them; #GP where not allowed. Light. */
void tcg_write_cr0(X86CPU *c, uint64_t val);
void tcg_write_cr3(X86CPU *c, uint64_t val);
void tcg_write_cr4(X86CPU *c, uint64_t val);
void tcg_write_xcr0(X86CPU *c, uint64_t val);
/* PAE: the four entries from memory at cr3. false: reserved bits are set. */
bool tcg_load_pdptrs(X86CPU *c, uint64_t cr3);
uint64_t tcg_phys_reserved(X86CPU *c); /* bits above the CPU's physical addresses */
uint64_t tcg_cr4_supported(X86CPU *c); /* bits that may be set */

/* tsc.c */
void tcg_tsc_init(void);          /* once, in the main thread; not light */
void tcg_tsc_cpu_init(X86CPU *c); /* X86CPU.tsc_khz where the user left it to us; not light */
/* Changed while no vCPU runs. */
typedef struct TcgTscAnchor {
    bool running;
    uint64_t host;  /* the host's counter when the VM was resumed */
    uint64_t guest; /* what the guest's was then, or is while it is stopped */
    uint64_t scale; /* guest ticks a host tick, 32.32; 0: 1 */
} TcgTscAnchor;
extern TcgTscAnchor tcg_tsc_anchor;
static inline uint64_t tcg_tsc_since(uint64_t host) /* guest ticks since the anchor */
{
    uint64_t passed = host - tcg_tsc_anchor.host;

    return tcg_tsc_anchor.scale ? (uint64_t)((unsigned __int128)passed * tcg_tsc_anchor.scale >> 32) : passed;
}
void tcg_tsc_set(X86CPU *c, uint64_t val); /* light */
void tcg_tsc_loaded(X86CPU *c);            /* X86CPU.tsc came with a migration: it was that when the VM was resumed */

/* cpuid.c: leaf and subleaf as the instruction gives them to the guest; light. */
void tcg_cpuid(X86CPU *c, uint32_t leaf, uint32_t subleaf, uint32_t reg[4]);

/* What SYSCALL and SYSRET load: segments' flags, those of RFLAGS that come from R11. */
enum {
    FLAT_DATA = DESC_G | DESC_DB | DESC_P | DESC_S | DESC_W | DESC_A,
    FLAT_CODE = DESC_G | DESC_P | DESC_S | DESC_CODE | DESC_R | DESC_A,
    SYSRET_FLAGS = 0x3c7fd7,
};

/* The vendor decides on a few details. */
static inline bool cpu_is_amd(const X86CPU *c)
{
    const char *v = c->config.vendor;

    return v && ((v[0] == 'A' && v[1] == 'u') || (v[0] == 'H' && v[1] == 'y')); /* AuthenticAMD, HygonGenuine */
}
/* Canonical for the widest addresses that the CPU has, whatever CR4.LA57 says: bases in MSRs, of tables and of
 * segments, as processors with five-level paging check them. */
static inline bool tcg_canonical_max(const X86CPU *c, uint64_t lin)
{
    int64_t high = (int64_t)lin >> (tcg_has(c, F_7_0_ECX, 16) ? 56 : 47);

    return high == 0 || high == -1;
}

#endif
