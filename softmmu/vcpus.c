/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPU threads; see vcpus.h. */
#include "softmmu/vcpus.h"
#include "accel/accel.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

X86CPU *vcpus[VCPUS_MAX];
unsigned vcpu_count;
__thread X86CPU *current_cpu;
bool vcpu_thread_names;

/* Work for a vCPU's thread. A synchronous one is on its caller's stack, an asynchronous one is freed when it has run.
 */
struct VcpuWork {
    void (*fn)(X86CPU *c, void *arg);
    void *arg;
    bool async, done;
    struct VcpuWork *next;
};

static bool vcpus_running; /* VM lock */
static VmCond changed;     /* a vCPU was created or stopped, ended its thread or finished work; VM lock */

static void futex_wait(uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void vcpu_kick(X86CPU *c)
{
    __atomic_fetch_add(&c->wake, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&c->waiting, __ATOMIC_SEQ_CST))
        futex_wake(&c->wake);
    if (accel && accel->vcpu_kick && __atomic_load_n(&c->created, __ATOMIC_ACQUIRE))
        accel->vcpu_kick(c);
}

void vcpu_request_exit(X86CPU *c)
{
    assert(c == current_cpu);
    __atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
    vcpu_kick(c);
}

void cpu_interrupt(X86CPU *c, unsigned mask)
{
    /* A SIPI that an INIT overtakes is lost. */
    if (mask & CPU_INTERRUPT_INIT)
        cpu_reset_interrupt(c, CPU_INTERRUPT_SIPI);
    __atomic_fetch_or(&c->interrupt_request, mask, __ATOMIC_SEQ_CST);
    if (c != current_cpu || (mask & (CPU_INTERRUPT_INIT | CPU_INTERRUPT_SIPI | CPU_INTERRUPT_A20)))
        vcpu_kick(c);
}

void cpu_reset_interrupt(X86CPU *c, unsigned mask)
{
    __atomic_fetch_and(&c->interrupt_request, ~mask, __ATOMIC_SEQ_CST);
}

static bool run_work(X86CPU *c)
{
    bool any = false;

    while (c->work_head) {
        struct VcpuWork *w = c->work_head;
        bool async = w->async;

        __atomic_store_n(&c->work_head, w->next, __ATOMIC_RELAXED);
        w->fn(c, w->arg);
        if (async)
            g_free(w);
        else
            w->done = true;
        any = true;
    }
    if (any)
        vm_cond_broadcast(&changed);
    return any;
}

static void queue_work(X86CPU *c, struct VcpuWork *w)
{
    struct VcpuWork **p = &c->work_head;

    while (*p)
        p = &(*p)->next;
    __atomic_store_n(p, w, __ATOMIC_RELEASE);
    vcpu_kick(c);
}

static bool has_thread(const X86CPU *c)
{
    return c->created && accel && accel->vcpu_run;
}

void vcpu_run_on(X86CPU *c, void (*fn)(X86CPU *c, void *arg), void *arg)
{
    ASSERT_VM_LOCKED();
    if (c == current_cpu || !has_thread(c)) {
        fn(c, arg);
        return;
    }
    struct VcpuWork w = {.fn = fn, .arg = arg};

    queue_work(c, &w);
    while (!w.done) {
        /* Two vCPUs may wait for each other. */
        if (current_cpu && run_work(current_cpu))
            continue;
        vm_cond_wait(&changed);
    }
}

void vcpu_run_on_async(X86CPU *c, void (*fn)(X86CPU *c, void *arg), void *arg)
{
    ASSERT_VM_LOCKED();
    if (!has_thread(c)) {
        fn(c, arg);
        return;
    }
    struct VcpuWork *w = g_new0(struct VcpuWork, 1);

    w->fn = fn;
    w->arg = arg;
    w->async = true;
    queue_work(c, w);
    /* A vCPU that waits in vcpu_run_on() takes work too. */
    vm_cond_broadcast(&changed);
}

/* INIT and SIPI of a local APIC that is ours, and the end of a halt. */
static void take_requests(X86CPU *c)
{
    unsigned r = cpu_init_requests(c, __atomic_load_n(&c->interrupt_request, __ATOMIC_ACQUIRE));

    if (r & CPU_INTERRUPT_INIT) {
        cpu_reset_interrupt(c, CPU_INTERRUPT_INIT);
        cpu_sync_get(c);
        cpu_init_reset(c);
    }
    if (r & CPU_INTERRUPT_SIPI) {
        cpu_reset_interrupt(c, CPU_INTERRUPT_SIPI);
        if (c->mp_state == MP_UNINIT || c->mp_state == MP_INIT_RECEIVED) {
            cpu_sync_get(c);
            cpu_sipi(c, c->sipi_vector);
        }
    }
    if (c->halted && cpu_has_work(c)) {
        c->halted = false;
        if (c->mp_state == MP_HALTED)
            c->mp_state = MP_RUNNABLE;
    }
}

static void turn(X86CPU *c, uint32_t seen)
{
    if (c->stop) {
        __atomic_store_n(&c->stop, false, __ATOMIC_RELAXED);
        c->stopped = true;
        vm_cond_broadcast(&changed);
    }
    if (!c->stopped)
        take_requests(c);
    if (c->stopped || c->halted) {
        __atomic_store_n(&c->waiting, true, __ATOMIC_SEQ_CST);
        vm_unlock();
        futex_wait(&c->wake, seen);
        __atomic_store_n(&c->waiting, false, __ATOMIC_RELAXED);
        vm_lock();
        return;
    }
    vm_unlock();
    VcpuExit e = accel->vcpu_run(c);
    vm_lock();
    switch (e) {
    case VCPU_EXIT_AGAIN:
        break;
    case VCPU_EXIT_HALTED:
        c->halted = !cpu_has_work(c);
        if (!c->debug.single_step)
            break;
        c->debug_hit = (DebugHit){.kind = DEBUG_STEP};
        /* fall through */
    case VCPU_EXIT_DEBUG:
        c->stopped = true;
        vm_cond_broadcast(&changed);
        vm_stop_request(RUN_DEBUG);
        break;
    case VCPU_EXIT_STOPPED:
        c->stopped = true;
        vm_cond_broadcast(&changed);
        break;
    }
}

static void *vcpu_thread(void *arg)
{
    X86CPU *c = arg;

    current_cpu = c;
    c->host_tid = (int)syscall(SYS_gettid);
    rcu_thread_register();
    vm_lock();
    if (accel->vcpu_init && !accel->vcpu_init(c, &c->start_error)) {
        c->ended = true;
    } else {
        __atomic_store_n(&c->created, true, __ATOMIC_RELEASE);
        vm_cond_broadcast(&changed);
        while (!c->unplug) {
            uint32_t seen = __atomic_load_n(&c->wake, __ATOMIC_SEQ_CST);

            run_work(c);
            if (!c->unplug)
                turn(c, seen);
        }
        run_work(c);
        c->ended = true;
        c->stopped = true;
        __atomic_store_n(&c->created, false, __ATOMIC_RELEASE);
        if (accel->vcpu_destroy)
            accel->vcpu_destroy(c);
    }
    vm_cond_broadcast(&changed);
    vm_unlock();
    rcu_thread_unregister();
    return NULL;
}

static bool start_thread(X86CPU *c, Error **errp)
{
    sigset_t block, old;
    int r;

    /* Signals are the main thread's, but for the kick and what a thread brings upon itself. */
    sigfillset(&block);
    sigdelset(&block, SIG_VCPU_KICK);
    sigdelset(&block, SIGBUS);
    sigdelset(&block, SIGSEGV);
    sigdelset(&block, SIGILL);
    sigdelset(&block, SIGFPE);
    pthread_sigmask(SIG_SETMASK, &block, &old);
    r = pthread_create(&c->thread, NULL, vcpu_thread, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        return error_set_errno(errp, r, "cannot start the thread of CPU %u", c->index);
    if (vcpu_thread_names) {
        g_autofree char *accel_name = g_ascii_strup(accel->name, -1);
        char name[16];

        g_snprintf(name, sizeof(name), "CPU %u/%s", c->index, accel_name);
        pthread_setname_np(c->thread, name);
    }
    while (!c->created && !c->ended)
        vm_cond_wait(&changed);
    if (!c->ended)
        return true;
    pthread_join(c->thread, NULL);
    error_propagate(errp, g_steal_pointer(&c->start_error));
    return false;
}

bool vcpu_start_thread(X86CPU *c, Error **errp)
{
    ASSERT_VM_LOCKED();
    assert(c->index < VCPUS_MAX && !vcpus[c->index]);
    c->stop = c->unplug = c->ended = false;
    c->stopped = !vcpus_running;
    if (!accel->vcpu_run) {
        c->stopped = true;
        if (accel->vcpu_init && !accel->vcpu_init(c, errp))
            return false;
        c->created = true;
    } else if (!machine_ready) {
        c->stopped = true; /* vcpus_start() makes the thread */
    } else if (!start_thread(c, errp)) {
        return false;
    }
    vcpus[c->index] = c;
    vcpu_count = MAX(vcpu_count, c->index + 1);
    return true;
}

bool vcpus_start(Error **errp)
{
    X86CPU *c;

    ASSERT_VM_LOCKED();
    FOREACH_VCPU (c) {
        if (!c->created && !start_thread(c, errp))
            return false;
    }
    return true;
}

void vcpu_stop_thread(X86CPU *c)
{
    ASSERT_VM_LOCKED();
    if (vcpus[c->index] == c)
        vcpus[c->index] = NULL;
    if (!has_thread(c)) {
        if (c->created && accel->vcpu_destroy)
            accel->vcpu_destroy(c);
        c->created = false;
        return;
    }
    __atomic_store_n(&c->unplug, true, __ATOMIC_RELEASE);
    vcpu_kick(c);
    while (!c->ended)
        vm_cond_wait(&changed);
    /* It broadcast under the VM lock: what is left of it does not need that. */
    pthread_join(c->thread, NULL);
}

void vcpus_pause(void)
{
    X86CPU *c;

    ASSERT_VM_LOCKED();
    vcpus_running = false;
    FOREACH_VCPU (c) {
        if (c->stopped || !has_thread(c))
            continue;
        if (c == current_cpu)
            c->stopped = true;
        else
            __atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
        vcpu_kick(c);
    }
    FOREACH_VCPU (c) {
        while (!c->stopped && vcpus[i_c] == c && has_thread(c)) {
            if (current_cpu && run_work(current_cpu))
                continue;
            vm_cond_wait(&changed);
        }
    }
}

void vcpus_resume(void)
{
    X86CPU *c;

    ASSERT_VM_LOCKED();
    vcpus_running = true;
    FOREACH_VCPU (c) {
        if (!has_thread(c) || c->debug.hold)
            continue;
        __atomic_store_n(&c->stop, false, __ATOMIC_RELAXED);
        c->stopped = false;
        c->debug_hit.kind = DEBUG_NONE;
        vcpu_kick(c);
    }
}

void vcpus_reset_all(void)
{
    X86CPU *c;

    FOREACH_VCPU (c) {
        cpu_reset(c);
    }
}
