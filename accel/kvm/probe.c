/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host's KVM runs by itself, by trying: a VM of one vCPU and 32 KiB, in 64-bit mode, runs loops of known
 * length and SYSCALL. What is emulated takes some thousand times longer than what runs on the processor, so that the
 * bound between the two is safe on any.
 */
#include "accel/kvm/probe.h"
#include <cpuid.h>
#include <sys/mman.h>
#include <time.h>

enum {
    TABLES = 0x1000, /* PML4, PDPT, and a page directory with one page of 2 MiB */
    CODE = 0x4000,
    STACK_TOP = 0x8000,
    MEMORY = 0x8000,
    LOOPS = 1000, /* two instructions each: 1 us or 1 ms */
    BOUND_NS = 200000,
    TRIES = 4, /* the first builds the kernel's page tables; the thread may lose the processor in any */
};
enum { PTE_P_W_U = 7, PTE_BIG = 0x80 };
enum { CR0_BITS = 0x80000033, CR4_BITS = 0x620, EFER_BITS = 0xd01 /* NXE LMA LME SCE */ };

bool kvm_probe_hardware(void)
{
    unsigned a, b, c, d;
    bool vmx = __get_cpuid(1, &a, &b, &c, &d) && c & 1 << 5;

    return vmx || (__get_cpuid(0x80000001, &a, &b, &c, &d) && c & 1 << 2);
}

static struct kvm_segment code_segment(unsigned cpl)
{
    return (struct kvm_segment){.limit = ~0U,
                                .selector = (uint16_t)(8 | cpl),
                                .type = 11,
                                .present = 1,
                                .dpl = (uint8_t)cpl,
                                .s = 1,
                                .l = 1,
                                .g = 1};
}

static struct kvm_segment data_segment(unsigned cpl)
{
    return (struct kvm_segment){.limit = ~0U,
                                .selector = (uint16_t)(16 | cpl),
                                .type = 3,
                                .present = 1,
                                .dpl = (uint8_t)cpl,
                                .s = 1,
                                .db = 1,
                                .g = 1};
}

bool kvm_probe_paging(bool *spoilt)
{
    struct kvm_sregs s;
    int fd = kvm_vm_ioctl(KVM_CREATE_VCPU, 0);
    bool ok = false;

    if (fd < 0)
        return true; /* the real one will tell why */
    *spoilt = true;
    if (kvm_sys->ioctl(fd, KVM_GET_SREGS, &s) >= 0) {
        s.cr0 |= 0x80000001;
        s.efer = 0;
        s.cs = code_segment(0);
        s.cs.l = 0;
        s.cs.db = 1;
        s.ds = s.es = s.fs = s.gs = s.ss = data_segment(0);
        ok = kvm_sys->ioctl(fd, KVM_SET_SREGS, &s) >= 0 && kvm_sys->ioctl(fd, KVM_GET_SREGS, &s) >= 0 &&
             s.cr0 & 0x80000000;
    }
    kvm_sys->close(fd);
    return ok;
}

typedef struct Probe {
    int vm, vcpu;
    struct kvm_run *run;
    size_t run_size;
    uint8_t *mem;
} Probe;

static bool vcpu_io(Probe *p, unsigned long req, void *arg)
{
    return kvm_sys->ioctl(p->vcpu, req, arg) >= 0;
}

static bool set_up(Probe *p)
{
    struct kvm_userspace_memory_region r = {.memory_size = MEMORY};

    p->vm = kvm_ioctl(KVM_CREATE_VM, NULL);
    p->mem = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p->vm < 0 || p->mem == MAP_FAILED)
        return false;
    r.userspace_addr = (uintptr_t)p->mem;
    kvm_sys->ioctl(p->vm, KVM_SET_TSS_ADDR, (void *)(uintptr_t)0xfeffd000);
    if (kvm_sys->ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &r) < 0)
        return false;
    p->vcpu = kvm_sys->ioctl(p->vm, KVM_CREATE_VCPU, NULL);
    p->run_size = (size_t)MAX(kvm_ioctl(KVM_GET_VCPU_MMAP_SIZE, NULL), 0);
    if (p->vcpu < 0 || p->run_size < sizeof(struct kvm_run))
        return false;
    p->run = kvm_sys->mmap(p->vcpu, p->run_size, 0);
    uint64_t *table = (uint64_t *)(void *)(p->mem + TABLES);

    table[0] = (TABLES + 0x1000) | PTE_P_W_U;
    table[512] = (TABLES + 0x2000) | PTE_P_W_U;
    table[1024] = PTE_P_W_U | PTE_BIG;
    return p->run;
}

static void take_down(Probe *p)
{
    if (p->run)
        kvm_sys->munmap(p->run, p->run_size);
    if (p->vcpu >= 0)
        kvm_sys->close(p->vcpu);
    if (p->vm >= 0)
        kvm_sys->close(p->vm);
    if (p->mem && p->mem != MAP_FAILED)
        munmap(p->mem, MEMORY);
}

/* Run code at CPL to its end, whatever that is. Gives the time, 0: it does not run at all. */
static uint64_t run(Probe *p, unsigned cpl, const char *code, size_t len)
{
    struct kvm_sregs s;
    struct kvm_regs g = {.rip = CODE, .rsp = STACK_TOP, .rflags = 2, .rcx = LOOPS};
    struct kvm_vcpu_events ev = {0};
    struct timespec a, b;

    if (!vcpu_io(p, KVM_GET_SREGS, &s))
        return 0;
    s.cr0 = CR0_BITS;
    s.cr3 = TABLES;
    s.cr4 = CR4_BITS;
    s.efer = EFER_BITS;
    s.cs = code_segment(cpl);
    s.ds = s.es = s.fs = s.gs = s.ss = data_segment(cpl);
    s.idt.limit = s.gdt.limit = 0;
    memcpy(p->mem + CODE, code, len);
    if (!vcpu_io(p, KVM_SET_SREGS, &s) || !vcpu_io(p, KVM_SET_REGS, &g) || !vcpu_io(p, KVM_SET_VCPU_EVENTS, &ev))
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    if (!vcpu_io(p, KVM_RUN, NULL))
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &b);
    return (uint64_t)(b.tv_sec - a.tv_sec) * 1000000000 + (uint64_t)b.tv_nsec - (uint64_t)a.tv_nsec;
}

static bool at_speed(Probe *p, unsigned cpl)
{
    static const char loop[] = "\xff\xc9\x75\xfc\xf4"; /* dec ecx; jnz; hlt */

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t ns = run(p, cpl, loop, sizeof(loop) - 1);

        if (!ns)
            return false;
        if (ns < BOUND_NS)
            return true;
    }
    return false;
}

/* SYSCALL at CPL 3 to a HLT that is allowed at CPL 0 only. */
static bool syscall_works(Probe *p)
{
    static const char code[] = "\x0f\x05\xf4";
    struct {
        struct kvm_msrs h;
        struct kvm_msr_entry e[3];
    } m = {.h.nmsrs = 3,
           .e = {{.index = 0xc0000081, .data = (uint64_t)8 << 32 | (uint64_t)16 << 48},
                 {.index = 0xc0000082, .data = CODE + 2},
                 {.index = 0xc0000084, .data = 0x700}}};

    return vcpu_io(p, KVM_SET_MSRS, &m) && run(p, 3, code, sizeof(code) - 1) && p->run->exit_reason == KVM_EXIT_HLT;
}

void kvm_probe_all(KvmHost *h)
{
    Probe p = {.vm = -1, .vcpu = -1};

    if (set_up(&p)) {
        h->kernel_mode = at_speed(&p, 0);
        h->user_mode = at_speed(&p, 3);
        h->syscall = syscall_works(&p);
        h->looked = true;
    }
    take_down(&p);
}

static gpointer closer(gpointer fd)
{
    kvm_sys->close(GPOINTER_TO_INT(fd));
    return NULL;
}

void kvm_probe_close(int vm_fd)
{
    g_thread_unref(g_thread_new("kvm-close", closer, GINT_TO_POINTER(vm_fd)));
}
