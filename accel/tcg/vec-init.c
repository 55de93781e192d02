/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vector instructions need before the first of them: what the host has, memory for stubs, the host's exceptions.
 * Not light. */
#include "accel/tcg/host-signal.h"
#include "accel/tcg/vec.h"
#include "softmmu/mainloop.h"
#include <cpuid.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

VecHost tcg_vec_host;

void tcg_ferr_raise(void)
{
    vm_lock();
    if (cpu_ferr_line)
        irq_set(cpu_ferr_line, 1);
    vm_unlock();
}

bool tcg_vec_init(Error **errp)
{
    enum { ECX_XSAVE_AND_OSXSAVE = 3 << 26, ECX_AVX = 1 << 28 };
    uint32_t a, b, cx, d;

    tcg_vec_host = (VecHost){.rfbm = XC_X87 | XC_SSE};
    if (__get_cpuid(1, &a, &b, &cx, &d) && (cx & ECX_XSAVE_AND_OSXSAVE) == ECX_XSAVE_AND_OSXSAVE) {
        __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
        tcg_vec_host.xsave = true;
        tcg_vec_host.avx = cx & ECX_AVX && (a & (XC_SSE | XC_AVX)) == (XC_SSE | XC_AVX);
        if (tcg_vec_host.avx)
            tcg_vec_host.rfbm |= XC_AVX;
    }
    return tcg_host_signals_init(errp);
}

/* An instruction in a stub raised a host exception: the stub ends here. The host has put its flags into MXCSR, which
 * goes back with the rest of the vector state when the handler returns. */
static bool stub_fault(int sig, const siginfo_t *si, ucontext_t *uc, void *opaque)
{
    greg_t *g = uc->uc_mcontext.gregs;
    TcgVec *v = opaque;

    if (g[REG_RDI] != (greg_t)(uintptr_t)&v->regs || (sig != SIGFPE && sig != SIGILL))
        return false;
    v->regs.trap = (uint32_t)g[REG_TRAPNO];
    g[REG_RIP] = (greg_t)(uintptr_t)v->stubs_rx;
    return true;
}

bool tcg_vec_cpu_init(X86CPU *c, Error **errp)
{
    TcgCpu *t = TCG(c);
    size_t size = STUBS * STUB_SIZE;
    int fd;

    if (t->vec)
        return true;
    if (!tcg_host_signals_thread(errp))
        return false;
    TcgVec *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (v == MAP_FAILED)
        return error_set_errno(errp, errno, "no memory for a CPU's vector state");
    fd = memfd_create("vector stubs", MFD_CLOEXEC | MFD_EXEC);
    if (fd < 0)
        fd = memfd_create("vector stubs", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)size)) {
        error_set_errno(errp, errno, "no memory file for generated code");
        goto fail;
    }
    v->stubs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (v->stubs == MAP_FAILED) {
        error_set_errno(errp, errno, "cannot map memory for generated code");
        goto fail;
    }
    uint8_t *rx = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (rx == MAP_FAILED) {
        error_set_errno(errp, errno, "the host does not let memory be executed, which the engine needs");
        munmap(v->stubs, size);
        goto fail;
    }
    v->stubs_rx = rx;
    v->stubs[0] = 0xc3; /* ret */
    close(fd);
    for (unsigned i = 0; i < c->n_cpuid; i++) {
        const CpuidEntry *e = &c->cpuid[i];

        if (e->leaf == 0)
            v->pointers_lazy = e->reg[CPUID_EBX] == 0x68747541 /* Auth */ || e->reg[CPUID_EBX] == 0x6f677948 /* Hygo */;
        if (e->leaf == 0xd && e->subleaf == 9)
            v->pkru_offset = e->reg[CPUID_EBX];
    }
    /* The area is copied through memory of a fixed size. */
    if (v->pkru_offset < XS_YMM + XS_YMM_SIZE || v->pkru_offset + 8 > sizeof(v->area))
        v->pkru_offset = 0;
    if (!tcg_host_fault_range(rx, rx + size, stub_fault, v, errp)) {
        munmap(v->stubs, size);
        munmap(rx, size);
        munmap(v, sizeof(*v));
        return false;
    }
    t->vec = v;
    return true;
fail:
    if (fd >= 0)
        close(fd);
    munmap(v, sizeof(*v));
    return false;
}

void tcg_vec_cpu_destroy(X86CPU *c)
{
    TcgVec *v = TCG(c)->vec;
    size_t size = STUBS * STUB_SIZE;

    if (!v)
        return;
    TCG(c)->vec = NULL;
    tcg_host_fault_range_remove(v->stubs_rx);
    munmap((void *)(uintptr_t)v->stubs_rx, size);
    munmap(v->stubs, size);
    munmap(v, sizeof(*v));
}
