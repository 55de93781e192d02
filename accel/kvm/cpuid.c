/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID: what the kernel can show (KVM_GET_SUPPORTED_CPUID, amended where user space decides), and a vCPU's table into
 * the kernel. The models' tables come from target/i386/model.c; the paravirtual leaves 0x40000000 and 0x40000001 are
 * part of them.
 */
#include "accel/kvm/kvm.h"
#include <cpuid.h>
#include <linux/kvm_para.h>

#define ENTRIES_MAX 256 /* KVM_MAX_CPUID_ENTRIES */

enum { ECX1_MONITOR = 1 << 3, ECX1_X2APIC = 1 << 21, ECX1_TSC_DEADLINE = 1 << 24, ECX1_OSXSAVE = 1 << 27 };
#define ECX1_HYPERVISOR 0x80000000U
enum { EAX6_ARAT = 1 << 2, ECX8000_0001_TOPOEXT = 1 << 22, EDX1_HTT = 1 << 28 };

bool kvm_cpuid_init(Error **errp)
{
    /* Each try has the kernel execute CPUID for every leaf; where the host is a guest itself that costs half a
     * millisecond. */
    for (unsigned n = ENTRIES_MAX; n <= 4 * ENTRIES_MAX; n *= 2) {
        struct kvm_cpuid2 *t = g_malloc0(sizeof(*t) + n * sizeof(t->entries[0]));

        t->nent = n;
        int r = kvm_ioctl(KVM_GET_SUPPORTED_CPUID, t);

        if (r >= 0 && t->nent <= n) {
            kvm.supported = t;
            return true;
        }
        g_free(t);
        if (r < 0 && r != -E2BIG)
            return error_set_errno(errp, -r, "KVM_GET_SUPPORTED_CPUID");
    }
    return error_set(errp, "KVM_GET_SUPPORTED_CPUID: the kernel's table is too large");
}

void kvm_cpuid_exit(void)
{
    g_clear_pointer(&kvm.supported, g_free);
}

static const struct kvm_cpuid_entry2 *find(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < kvm.supported->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &kvm.supported->entries[i];

        if (e->function == leaf && (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == subleaf))
            return e;
    }
    return NULL;
}

uint32_t kvm_cpuid_supported(uint32_t leaf, uint32_t subleaf, CpuidReg reg)
{
    const struct kvm_cpuid_entry2 *e = find(leaf, subleaf);
    uint32_t r[4];

    /* The processor's name needs nobody's support. */
    if (leaf >= 0x80000002 && leaf <= 0x80000004 && __get_cpuid(leaf, &r[0], &r[1], &r[2], &r[3]))
        return r[reg];
    uint32_t v = !e ? 0 : reg == CPUID_EAX ? e->eax : reg == CPUID_EBX ? e->ebx : reg == CPUID_ECX ? e->ecx : e->edx;

    if (leaf == 1 && reg == CPUID_ECX) {
        bool ours = kvm.irqchip == IRQCHIP_USER;

        v = (v & ~(ECX1_MONITOR | ECX1_OSXSAVE)) | ECX1_HYPERVISOR;
        /* The kernel's local APIC has both, ours where their MSRs' accesses come to us. */
        v = !ours || kvm.user_space_msr ? v | ECX1_X2APIC : v & ~ECX1_X2APIC;
        v = (ours ? kvm.user_space_msr && kvm.msr_filter : kvm.tsc_deadline) ? v | ECX1_TSC_DEADLINE
                                                                             : v & ~ECX1_TSC_DEADLINE;
    } else if (leaf == 1 && reg == CPUID_EDX) {
        v |= EDX1_HTT;
    } else if (leaf == 6 && reg == CPUID_EAX) {
        v |= EAX6_ARAT;
    } else if (leaf == 0x80000001 && reg == CPUID_ECX) {
        v |= ECX8000_0001_TOPOEXT;
    } else if (leaf == KVM_CPUID_FEATURES && reg == CPUID_EAX && kvm.irqchip == IRQCHIP_USER) {
        /* These need the local APIC in the kernel. */
        v &= ~(BIT32(KVM_FEATURE_PV_UNHALT) | BIT32(KVM_FEATURE_PV_EOI) | BIT32(KVM_FEATURE_ASYNC_PF_INT) |
               BIT32(KVM_FEATURE_PV_SEND_IPI));
    }
    return v;
}

bool kvm_cpuid_set(X86CPU *c, Error **errp)
{
    g_autofree struct kvm_cpuid2 *t = g_malloc0(sizeof(*t) + ENTRIES_MAX * sizeof(t->entries[0]));

    if (c->n_cpuid > ENTRIES_MAX)
        return error_set(errp, "CPU %u: %u CPUID entries are more than KVM's %u", c->index, c->n_cpuid, ENTRIES_MAX);
    t->nent = c->n_cpuid;
    for (unsigned i = 0; i < c->n_cpuid; i++) {
        const CpuidEntry *e = &c->cpuid[i];

        t->entries[i] = (struct kvm_cpuid_entry2){.function = e->leaf,
                                                  .index = e->subleaf,
                                                  .flags = e->flags,
                                                  .eax = e->reg[CPUID_EAX],
                                                  .ebx = e->reg[CPUID_EBX],
                                                  .ecx = e->reg[CPUID_ECX],
                                                  .edx = e->reg[CPUID_EDX]};
    }
    int r = kvm_vcpu_ioctl(KVM_VCPU(c), KVM_SET_CPUID2, t);

    return r >= 0 || error_set_errno(errp, -r, "KVM_SET_CPUID2 of CPU %u", c->index);
}
