/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time stamp counter: the host's, scaled where the user wants another frequency, that stops with the VM. All vCPUs
 * count from the same anchor; a vCPU's own offset (WRMSR) comes on top. A reset of the machine does not set it back.
 * How it is read is in ops-sys.c. Not light.
 */
#include "accel/tcg/sys.h"
#include "softmmu/runstate.h"
#include <time.h>
#include <x86intrin.h>

TcgTscAnchor tcg_tsc_anchor;

typedef struct Sample {
    uint64_t tsc;
    int64_t ns;
} Sample;
static Sample first;
static uint32_t host_khz;

/* The counter and the clock at the same time: the tightest of a few tries. */
static Sample sample(void)
{
    uint64_t best = UINT64_MAX;
    Sample s = {0};

    for (unsigned n = 0; n < 5; n++) {
        struct timespec ts;
        uint64_t before = __rdtsc();

        clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
        uint64_t took = __rdtsc() - before;

        if (took < best) {
            best = took;
            s = (Sample){before + took / 2, ts.tv_sec * NS_PER_SEC + ts.tv_nsec};
        }
    }
    return s;
}

static void vm_runs(void *opaque, bool running, RunState state)
{
    uint64_t now = __rdtsc();

    if (!running && tcg_tsc_anchor.running)
        tcg_tsc_anchor.guest += tcg_tsc_since(now);
    tcg_tsc_anchor.host = now;
    tcg_tsc_anchor.running = running;
}

void tcg_tsc_init(void)
{
    if (first.tsc)
        return;
    first = sample();
    runstate_register(vm_runs, NULL);
}

static uint32_t measure(void)
{
    enum { ENOUGH_NS = 2000000 };
    Sample s;

    do {
        s = sample();
    } while (s.ns - first.ns < ENOUGH_NS);
    return (uint32_t)muldiv64(s.tsc - first.tsc, 1000000, (uint64_t)(s.ns - first.ns));
}

void tcg_tsc_cpu_init(X86CPU *c)
{
    if (!host_khz)
        host_khz = measure();
    if (!c->tsc_khz)
        c->tsc_khz = host_khz;
    if (!c->index)
        tcg_tsc_anchor.scale = c->tsc_khz == host_khz ? 0 : ((uint64_t)c->tsc_khz << 32) / host_khz;
}
