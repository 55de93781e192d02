/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU models: feature words, the table of named models, and what a user may change. */
#ifndef TARGET_I386_MODEL_H
#define TARGET_I386_MODEL_H

#include "hw/core/prop.h"

typedef struct X86CPU X86CPU;

typedef enum CpuidReg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX } CpuidReg;
typedef struct CpuidEntry {
    uint32_t leaf, subleaf, flags; /* flags as kvm_cpuid_entry2: bit 0: subleaf is significant */
    uint32_t reg[4];
} CpuidEntry;

/* A register of CPUID or an MSR each, whose bits have names (features.h); where each lives: feature_words[]. */
typedef enum FeatureWord {
    F_1_EDX, F_1_ECX, F_7_0_EBX, F_7_0_ECX, F_7_0_EDX, F_7_1_EAX, F_7_1_EDX, F_7_2_EDX, F_8000_0001_EDX, F_8000_0001_ECX,
    F_8000_0007_EDX, F_8000_0008_EBX, F_8000_0021_EAX, F_C000_0001_EDX, F_KVM, F_KVM_HINTS, F_SVM, F_XSAVE, F_6_EAX, F_14_0_ECX,
    F_SGX_12_0_EAX, F_SGX_12_0_EBX, F_SGX_12_1_EAX, F_ARCH_CAPABILITIES, F_CORE_CAPABILITY, F_PERF_CAPABILITIES, FEATURE_WORDS,
} FeatureWord;
typedef struct FeatureWordInfo {
    uint32_t leaf;
    int32_t subleaf; /* -1: the leaf has none */
    CpuidReg reg;
    uint32_t msr;        /* not 0: the word is this MSR's low half */
    uint32_t no_host_default; /* bits that `host` and `max` do not switch on by themselves */
} FeatureWordInfo;
extern const FeatureWordInfo feature_words[FEATURE_WORDS];
const char *feature_name(FeatureWord w, unsigned bit); /* NULL: no name */

typedef struct CpuCacheInfo { /* of one level, as CPUID leaf 4 and 0x8000001d tell it */
    uint8_t level, type; /* type 1: data, 2: code, 3: unified */
    uint8_t ways, line, partitions;
    bool self_init, no_invd_sharing, inclusive, complex_index;
    uint32_t sets;
} CpuCacheInfo;
enum { CACHE_L1D, CACHE_L1I, CACHE_L2, CACHE_L3, CPU_CACHES };

typedef struct CpuModel {
    const char *name, *vendor, *model_id;
    uint32_t family, model, stepping, level, xlevel;
    const CpuCacheInfo *caches; /* NULL: the legacy ones */
    bool host; /* `host` and `max`: features and identity from the accelerator */
    bool base; /* no defaults of the accelerator */
    uint32_t features[FEATURE_WORDS];
} CpuModel;
extern const CpuModel cpu_models[]; /* ended by a NULL name */
extern const char *const cpu_model_aliases[][2]; /* alias, model; ended by NULL */
const CpuModel *cpu_model_find(const char *name); /* also by alias */

/* Properties of a CPU. 0 or NULL in what identifies it: the model's or the accelerator's. */
typedef struct CpuConfig {
    uint32_t features[FEATURE_WORDS], filtered[FEATURE_WORDS];
    uint32_t level, xlevel, xlevel2, min_level, min_xlevel, min_xlevel2, level_func7;
    uint32_t family, model, stepping;
    char *vendor, *model_id;
    uint32_t phys_bits;
    uint8_t host_phys_bits_limit;
    bool host_phys_bits, check, enforce, pmu, kvm, migratable, host_cache_info, l3_cache, legacy_cache, cpuid_0xb, vmware_cpuid_freq,
        vendor_cpuid_only, fill_mtrr_mask, full_auto_level, lmce, force_features, start_powered_off, tcg_cpuid, hv_passthrough;
    uint64_t tsc_frequency, ucode_rev;
    uint32_t apic_id;
    int32_t node_id;
} CpuConfig;

/* Reads "MODEL[,+f][,-f][,f=v]"; the CPU is new and its model's values are in place. */
bool cpu_parse_features(X86CPU *c, const char *text, Error **errp);
bool cpu_expand_features(X86CPU *c, Error **errp); /* automatic values, the accelerator's filter, check and enforce */
void cpu_build_cpuid(X86CPU *c);                   /* c->cpuid from c->config */
uint32_t cpu_signature(const X86CPU *c);           /* CPUID leaf 1, EAX */
void cpu_topology_ids(X86CPU *c, unsigned index);  /* socket, die, core, thread and APIC id from -smp */
bool cpu_accel_is_kvm(void);                       /* the accelerator has KVM's paravirtual features */

#endif
