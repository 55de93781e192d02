/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cases at CPL3 on the host's own CPU: a signal handler loads the registers from `in` by its context, the exception
 * comes back as another signal. The kernel hides DR6: #DB is taken for a single step.
 */
#undef main
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "sys.h"

int guest_main(void);
static ucontext_t before;
static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

void fail(const char *why)
{
    note(why);
    exit(1);
}

void page(word va, unsigned rights)
{
    static word have[256];
    static unsigned n;
    unsigned i;

    for (i = 0; i < n && have[i] != va; i++)
        ;
    if (i == n) {
        if (n == 256 || mmap((void *)va, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                             0) == MAP_FAILED)
            fail("no memory");
        have[n++] = va;
        memset((void *)va, 0, 4096);
    }
    mprotect((void *)va, 4096,
             (rights & READ ? PROT_READ : 0) | (rights & WRITE ? PROT_WRITE : 0) | (rights & EXEC ? PROT_EXEC : 0));
}

static void enter(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    greg_t *g = c->uc_mcontext.gregs;

    memcpy(before.uc_mcontext.gregs, g, sizeof(c->uc_mcontext.gregs));
    for (unsigned i = 0; i < 16; i++)
        g[order[i]] = ((word *)&in)[i];
    g[REG_RIP] = in.ip;
    g[REG_EFL] = in.flags | F_IF;
}

static void came(int sig, siginfo_t *info, void *context)
{
    ucontext_t *c = context;
    greg_t *g = c->uc_mcontext.gregs;

    __asm__ volatile("pushfq; andl %0, (%%rsp); popfq"
                     :
                     : "i"(~F_AC)
                     : "memory"); /* a handler has the AC of what it broke into */
    memset(&ev, 0, sizeof(ev));
    for (unsigned i = 0; i < 16; i++)
        ((word *)&ev.r)[i] = g[order[i]];
    ev.r.ip = g[REG_RIP];
    ev.r.flags = g[REG_EFL];
    if (!(in.flags & F_IF))
        ev.r.flags &= ~(word)F_IF;
    memcpy((word *)&ev.r + R_IP + 2, (word *)&in + R_IP + 2, 6 * sizeof(word));
    ev.vector = g[REG_TRAPNO];
    ev.error = g[REG_ERR];
    ev.has_error = ev.vector < 32 && (0x60227d00u >> ev.vector & 1);
    ev.cr2 = g[REG_CR2];
    ev.dr6 = ev.vector == V_DB ? 0xffff4ff0 : 0;
    c->uc_mcontext.fpregs->cwd = 0x37f;
    c->uc_mcontext.fpregs->swd = 0;
    c->uc_mcontext.fpregs->mxcsr = 0x1f80;
    memcpy(g, before.uc_mcontext.gregs, sizeof(c->uc_mcontext.gregs));
}

void run(void)
{
    raise(SIGUSR1);
}

void run_case(void)
{
    run();
}

int main(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction a = {.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaltstack(&alt, NULL);
    a.sa_sigaction = enter;
    sigaction(SIGUSR1, &a, NULL);
    a.sa_sigaction = came;
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &a, NULL);
    guest_main();
    note("end");
    return 0;
}
