/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's side: system calls, processes, switches, clocks; and atomic operations. */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>
#include "work.h"

static uint64_t getpid_calls(uint64_t count)
{
    pid_t self = getpid();
    uint64_t same = 0;
    while (count--)
        same += syscall(SYS_getpid) == self;
    return same;
}

static unsigned reap(pid_t pid)
{
    int status;
    if (pid < 0)
        fail("fork");
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static uint64_t fork_wait(uint64_t count)
{
    uint64_t sum = MIX_START;
    while (count--) {
        pid_t pid = fork();
        if (!pid)
            _exit(count % 251);
        sum = mix(sum, reap(pid));
    }
    return sum;
}

static uint64_t fork_exec(uint64_t count)
{
    uint64_t sum = MIX_START;
    while (count--) {
        pid_t pid = fork();
        if (!pid) {
            execl("/proc/self/exe", "work", "--exit", NULL);
            _exit(255);
        }
        sum = mix(sum, reap(pid));
    }
    return sum;
}

/* A byte to another process and back. */
static uint64_t pipe_switch(uint64_t count)
{
    int to[2], from[2];
    uint64_t sum = MIX_START;
    uint8_t byte = 1;
    if (pipe(to) || pipe(from))
        fail("pipe");
    pid_t pid = fork();
    if (!pid) {
        close(to[1]);
        close(from[0]);
        while (read(to[0], &byte, 1) == 1) {
            byte = byte * 5 + 1;
            if (write(from[1], &byte, 1) != 1)
                break;
        }
        _exit(7);
    }
    close(to[0]);
    close(from[1]);
    while (count--) {
        if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
            fail("pipe");
        sum = mix(sum, byte);
    }
    close(to[1]);
    close(from[0]);
    return mix(sum, reap(pid));
}

static _Atomic uint32_t turn; /* even: the main thread's */
static uint64_t rounds_left, other_sum;

static void wait_while(uint32_t value)
{
    while (atomic_load(&turn) == value)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void pass_turn(void)
{
    atomic_fetch_add(&turn, 1);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *other_thread(void *arg)
{
    for (uint64_t i = 0; i < rounds_left; i++) {
        wait_while(2 * i);
        other_sum = mix(other_sum, i);
        pass_turn();
    }
    return NULL;
}

static uint64_t thread_futex(uint64_t count)
{
    pthread_t thread;
    atomic_store(&turn, 0);
    rounds_left = count;
    other_sum = MIX_START;
    errno = pthread_create(&thread, NULL, other_thread, NULL);
    if (errno)
        fail("pthread_create");
    for (uint64_t i = 0; i < count; i++) {
        pass_turn();
        wait_while(2 * i + 1);
    }
    pthread_join(thread, NULL);
    return other_sum;
}

static uint64_t thread_start(uint64_t count)
{
    uint64_t sum = MIX_START;
    rounds_left = 0;
    while (count--) {
        pthread_t thread;
        errno = pthread_create(&thread, NULL, other_thread, NULL);
        if (errno)
            fail("pthread_create");
        sum = mix(sum, pthread_join(thread, NULL));
    }
    return sum;
}

static uint64_t atomics(uint64_t count)
{
    static _Atomic uint64_t cell[64];
    uint64_t sum = MIX_START;
    for (uint64_t i = 0; i < count; i++) {
        _Atomic uint64_t *c = &cell[i % 64];
        uint64_t old = atomic_fetch_add(c, i);
        atomic_compare_exchange_strong(c, &old, i ^ old);
        sum = mix(sum, atomic_exchange(&cell[(i + 7) % 64], old + i));
        atomic_fetch_or(c, i & 1);
    }
    return sum;
}

static uint64_t time_stamps(uint64_t count)
{
    uint64_t last = 0, forward = 0;
    while (count--) {
        uint64_t now = __rdtsc();
        forward += now >= last;
        last = now;
    }
    return forward;
}

static uint64_t clocks(uint64_t count)
{
    struct timespec last = {0}, now;
    uint64_t forward = 0;
    while (count--) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        forward += now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec);
        last = now;
    }
    return forward;
}

const Row system_rows[] = {
    {"getpid", getpid_calls},       {"fork-wait", fork_wait},
    {"fork-exec", fork_exec},       {"pipe-switch", pipe_switch},
    {"thread-futex", thread_futex}, {"thread-start", thread_start},
    {"atomics", atomics},           {"rdtsc", time_stamps},
    {"clock-gettime", clocks},      {},
};
