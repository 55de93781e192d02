/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side: a child process that executes cases. Each begins by the return from a signal handler, which loads
 * all registers, and ends in the next signal: the instruction's exception, or the breakpoint behind it. 32-bit code
 * runs in the kernel's compatibility segment, 16-bit code in segments of a local descriptor table.
 */
#include "tests/insn/insn.h"
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

typedef struct Shared {
    unsigned at;  /* the case that runs */
    Batch *batch; /* the same address in both processes */
    uint64_t fs_base;
    bool has16, has32;
} Shared;

struct Native {
    Pages pages; /* the parent's view */
    int memory;
    pid_t pid;
    int to_child, from_child;
    Shared *shared;
};

static struct {
    const Pages *pages;
    Shared *shared;
    bool running;
    unsigned last_seen; /* by the timer */
    ucontext_t home;
    bool fsgsbase;
} child;

uint32_t code_selector(unsigned code_size)
{
    return code_size == 8 ? SEL_CS64 : code_size == 4 ? SEL_CS32 : LDT_CODE16;
}

uint32_t stack_selector(unsigned code_size)
{
    return code_size == 2 ? LDT_SS16 : SEL_DS;
}

void case_enter(const Pages *p, const Batch *b, const Case *k)
{
    memset(page_at(p, BASE), 0xcc, 0x1000);
    memcpy(page_at(p, k->code_at), k->code, k->code_len);
    for (unsigned n = 0; n < WINDOWS; n++)
        memcpy(page_at(p, k->win[n].addr), b->before + k->win[n].off, k->win[n].len);
}

void case_leave(const Pages *p, const Case *k, uint8_t *memory)
{
    for (unsigned n = 0; n < WINDOWS; n++)
        memcpy(memory + k->win[n].off, page_at(p, k->win[n].addr), k->win[n].len);
}

/* The child */

static void set_gs(unsigned code_size)
{
    __asm__ volatile("mov %0, %%gs" ::"r"(code_size == 8 ? 0 : LDT_GS));
    if (code_size == 8) {
        if (child.fsgsbase)
            __asm__ volatile("wrgsbase %0" ::"r"((uint64_t)GS_BASE));
        else
            syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)GS_BASE);
    }
    __asm__ volatile("mov %0, %%ds\n\tmov %1, %%es" ::"r"(code_size == 2 ? LDT_DS16 : SEL_DS),
                     "r"(code_size == 2 ? LDT_ES16 : SEL_DS));
}

static uint64_t get_gs_base(void)
{
    uint64_t v = 0;

    if (child.fsgsbase)
        __asm__ volatile("rdgsbase %0" : "=r"(v));
    return v;
}

static const uint8_t greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void take_result(Case *k, const ucontext_t *uc, uint64_t gs_base)
{
    const greg_t *g = uc->uc_mcontext.gregs;

    for (unsigned n = 0; n < 16; n++)
        k->out.gpr[n] = (uint64_t)g[greg_of[n]];
    k->out.rip = (uint64_t)g[REG_RIP];
    k->out.rflags = (uint64_t)g[REG_EFL];
    k->out.gs_base = gs_base;
    k->trap = (uint8_t)g[REG_TRAPNO];
    k->error = (uint32_t)g[REG_ERR];
    k->cr2 = (uint64_t)g[REG_CR2];
    memcpy(k->out.xsave, uc->uc_mcontext.fpregs, 576);
    /* What software wrote into the reserved bytes of the frame. */
    memset(k->out.xsave + 464, 0, 48);
    memcpy(k->out.xsave + XS_YMM, (const uint8_t *)uc->uc_mcontext.fpregs + XS_YMM, 256);
    if (k->trap == 3) {
        k->trap = TRAP_NONE;
        k->out.rip--;
    }
    case_leave(child.pages, k, child.shared->batch->after);
}

static void load_case(const Case *k, ucontext_t *uc)
{
    greg_t *g = uc->uc_mcontext.gregs;
    uint8_t *x = (uint8_t *)uc->uc_mcontext.fpregs;

    case_enter(child.pages, child.shared->batch, k);
    for (unsigned n = 0; n < 16; n++)
        g[greg_of[n]] = (greg_t)k->in.gpr[n];
    g[REG_RIP] = (greg_t)k->in.rip;
    g[REG_EFL] = (greg_t)k->in.rflags;
    g[REG_CSGSFS] = (greg_t)(code_selector(k->code_size) | (uint64_t)stack_selector(k->code_size) << 48);
    memcpy(x, k->in.xsave, 416);
    memcpy(x + XS_XSTATE_BV, k->in.xsave + XS_XSTATE_BV, 8);
    memcpy(x + XS_YMM, k->in.xsave + XS_YMM, 256);
    set_gs(k->code_size);
}

static void go_home(ucontext_t *uc)
{
    memcpy(uc->uc_mcontext.gregs, child.home.uc_mcontext.gregs, sizeof(uc->uc_mcontext.gregs));
    set_gs(8);
    child.running = false;
}

static void next(ucontext_t *uc)
{
    Batch *b = child.shared->batch;

    if (child.shared->at < b->n)
        load_case(&b->cases[child.shared->at], uc);
    else
        go_home(uc);
}

__attribute__((optimize("no-stack-protector"))) static void handler(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    uint64_t gs_base;
    unsigned at = child.shared->at;

    /* Whatever the instruction did to AC, NT and ID ends here. */
    __asm__ volatile("push $0x202\n\tpopfq" ::: "cc", "memory");
    gs_base = get_gs_base();
    if (sig == SIGVTALRM) {
        if (!child.running)
            return;
        if (child.last_seen != at) {
            child.last_seen = at;
            return;
        }
    }
    if (!child.running) {
        if (sig != SIGTRAP)
            _exit(3);
        child.home = *uc;
        child.running = true;
        next(uc);
        return;
    }
    take_result(&child.shared->batch->cases[at], uc, gs_base);
    if (sig == SIGVTALRM)
        child.shared->batch->cases[at].trap = TRAP_TIMEOUT;
    child.shared->at = at + 1;
    next(uc);
}

static bool ldt_set(unsigned n, uint32_t base, uint32_t limit, bool code, bool big)
{
    struct user_desc d = {
        .entry_number = n, .base_addr = base, .limit = limit, .seg_32bit = big, .contents = code ? 2 : 0};

    return !syscall(SYS_modify_ldt, 1, &d, sizeof(d));
}

static void child_main(Native *n)
{
    static const struct {
        unsigned from, pages;
        int prot;
    } map[] = {{0, 1, PROT_READ | PROT_EXEC},
               {4, 2, PROT_READ | PROT_WRITE},
               {7, 1, PROT_READ},
               {10, 2, PROT_READ | PROT_WRITE}};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGVTALRM};
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    void *stack = mmap(NULL, 256 * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct itimerval tick = {.it_interval.tv_usec = 100000, .it_value.tv_usec = 100000};
    Shared *s = n->shared;
    char go;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child.pages = &n->pages;
    child.shared = s;
    child.fsgsbase = getauxval(AT_HWCAP2) & 2;
    for (unsigned i = 0; i < ARRAY_SIZE(map); i++) {
        if (mmap((void *)(uintptr_t)(BASE + map[i].from * 4096), map[i].pages * 4096, map[i].prot,
                 MAP_SHARED | MAP_FIXED_NOREPLACE, n->memory, map[i].from * 4096) == MAP_FAILED)
            _exit(4);
    }
    s->has16 = ldt_set(0, BASE, 0xffff, true, false) && ldt_set(1, DATA, 0xffff, false, false) &&
               ldt_set(2, DATA + 0x1000, 0xffff, false, false) && ldt_set(3, STACK, 0xffff, false, false) &&
               ldt_set(4, GS_BASE, GS_LIMIT, false, true);
    s->has32 = s->has16;
    __asm__ volatile("rdfsbase %0" : "=r"(s->fs_base));
    sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 256 * 1024}, NULL);
    sigfillset(&sa.sa_mask);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &sa, NULL);
    if (write(n->from_child, "r", 1) != 1)
        _exit(5);
    setitimer(ITIMER_VIRTUAL, &tick, NULL);
    for (;;) {
        ssize_t r = read(n->to_child, &go, 1);

        if (r == 0)
            _exit(0);
        if (r != 1)
            continue; /* the timer */
        s->at = 0;
        child.last_seen = ~0U;
        /* What can be accessed is there, so that faults say why. */
        for (uint32_t a = DATA; a < STACK_END; a += 4096) {
            if (writable_page(a))
                *(volatile uint8_t *)(uintptr_t)a |= 0;
            else if (a == DATA_RO)
                (void)*(volatile uint8_t *)(uintptr_t)a;
        }
        if (s->batch->n)
            __asm__ volatile("int3" ::: "memory", "cc");
        while (write(n->from_child, "d", 1) != 1) {
        }
    }
}

/* The parent */

Batch *batch_new(void)
{
    Batch *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    g_assert_true(b != MAP_FAILED);
    return b;
}

Native *native_start(void)
{
    Native *n = g_new0(Native, 1);
    int down[2], up[2];
    char ready;

    if (!(getauxval(AT_HWCAP2) & 2)) {
        printf("# the host's kernel does not let programs use RDFSBASE\n");
        return NULL;
    }
    n->memory = memfd_create("cases", MFD_CLOEXEC | MFD_EXEC);
    if (n->memory < 0)
        n->memory = memfd_create("cases", MFD_CLOEXEC);
    g_assert_true(n->memory >= 0 && !ftruncate(n->memory, PAGES * 4096));
    n->pages.host = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, n->memory, 0);
    n->shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(n->pages.host != MAP_FAILED && n->shared != MAP_FAILED && !pipe(down) && !pipe(up));
    fflush(stdout);
    n->pid = fork();
    g_assert_true(n->pid >= 0);
    if (!n->pid) {
        close(down[1]);
        close(up[0]);
        n->to_child = down[0];
        n->from_child = up[1];
        child_main(n);
    }
    close(down[0]);
    close(up[1]);
    n->to_child = down[1];
    n->from_child = up[0];
    if (read(n->from_child, &ready, 1) != 1) {
        printf("# the child process could not set itself up\n");
        native_stop(n);
        return NULL;
    }
    return n;
}

void native_begin(Native *n, Batch *b)
{
    n->shared->batch = b;
    g_assert_true(write(n->to_child, "g", 1) == 1);
}

bool native_wait(Native *n, unsigned *at)
{
    char done;
    bool ok = read(n->from_child, &done, 1) == 1;

    *at = n->shared->at;
    return ok;
}

void native_stop(Native *n)
{
    close(n->to_child);
    close(n->from_child);
    kill(n->pid, SIGKILL);
    waitpid(n->pid, NULL, 0);
    munmap(n->pages.host, PAGES * 4096);
    munmap(n->shared, sizeof(Shared));
    close(n->memory);
    g_free(n);
}

const Pages *native_pages(Native *n)
{
    return &n->pages;
}

uint64_t native_fs_base(Native *n)
{
    return n->shared->fs_base;
}

bool native_has_mode(Native *n, unsigned code_size)
{
    return code_size == 8 || (code_size == 4 ? n->shared->has32 : n->shared->has16);
}
