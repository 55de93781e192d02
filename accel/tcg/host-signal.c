/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host exceptions in generated code: host-signal.h. */
#include "accel/tcg/host-signal.h"
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#define ALT_STACK_SIZE (128 * 1024)

enum { RANGES = 4096 };
/* A range is looked up by signal handlers of any thread while others come and go: start is written last and cleared
 * first. Writers hold the lock. */
static struct Range {
    uintptr_t start; /* atomic; 0: free */
    uintptr_t end;
    HostFaultFn *fn;
    void *opaque;
} ranges[RANGES];
static unsigned n_ranges; /* atomic: slots that were ever used */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const int signals[] = {SIGFPE, SIGSEGV, SIGBUS, SIGILL};
static struct sigaction before[ARRAY_SIZE(signals)];
static pthread_key_t stack_key;

static void pass_on(int sig, siginfo_t *si, void *context)
{
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        const struct sigaction *old = &before[i];

        if (signals[i] != sig)
            continue;
        if (old->sa_flags & SA_SIGINFO) {
            old->sa_sigaction(sig, si, context);
        } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
            old->sa_handler(sig);
        } else {
            /* The instruction runs into it again, or the one who sent the signal does. */
            sigaction(sig, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
            if (si->si_code <= 0)
                raise(sig);
        }
        return;
    }
}

static void handler(int sig, siginfo_t *si, void *context)
{
    int saved_errno = errno;
    ucontext_t *uc = context;
    uintptr_t ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    unsigned n = __atomic_load_n(&n_ranges, __ATOMIC_ACQUIRE);

    for (unsigned i = 0; si->si_code > 0 && i < n; i++) {
        uintptr_t start = __atomic_load_n(&ranges[i].start, __ATOMIC_ACQUIRE);

        if (start && ip >= start && ip < ranges[i].end && ranges[i].fn(sig, si, uc, ranges[i].opaque)) {
            errno = saved_errno;
            return;
        }
    }
    pass_on(sig, si, context);
    errno = saved_errno;
}

static void stack_free(void *stack)
{
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
    munmap(stack, ALT_STACK_SIZE);
}

bool tcg_host_signals_init(Error **errp)
{
    static bool done;
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    if (done)
        return true;
    if (pthread_key_create(&stack_key, stack_free))
        return error_set(errp, "no thread-specific key is left for the engine's signal stacks");
    sigemptyset(&sa.sa_mask);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++) {
        if (sigaction(signals[i], &sa, &before[i]))
            return error_set_errno(errp, errno, "cannot handle signal %d", signals[i]);
    }
    done = true;
    return true;
}

bool tcg_host_signals_thread(Error **errp)
{
    void *stack;

    if (pthread_getspecific(stack_key))
        return true;
    stack = mmap(NULL, ALT_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return error_set_errno(errp, errno, "no memory for a signal stack");
    if (sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = ALT_STACK_SIZE, .ss_flags = (int)SS_AUTODISARM}, NULL)) {
        int err = errno;

        munmap(stack, ALT_STACK_SIZE);
        return error_set_errno(errp, err, "cannot set a signal stack");
    }
    pthread_setspecific(stack_key, stack);
    return true;
}

bool tcg_host_fault_range(const void *start, const void *end, HostFaultFn *fn, void *opaque, Error **errp)
{
    bool found = false;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < RANGES && !found; i++) {
        struct Range *r = &ranges[i];

        if (r->start)
            continue;
        r->end = (uintptr_t)end;
        r->fn = fn;
        r->opaque = opaque;
        __atomic_store_n(&r->start, (uintptr_t)start, __ATOMIC_RELEASE);
        if (i >= n_ranges)
            __atomic_store_n(&n_ranges, i + 1, __ATOMIC_RELEASE);
        found = true;
    }
    pthread_mutex_unlock(&lock);
    return found || error_set(errp, "more than %d areas of generated code", RANGES);
}

void tcg_host_fault_range_remove(const void *start)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < n_ranges; i++) {
        if (ranges[i].start == (uintptr_t)start)
            __atomic_store_n(&ranges[i].start, 0, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&lock);
}
