/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time stamp counter: the host's, scaled where the user wants another frequency, that stops with the VM. All vCPUs
 * count from the same anchor; a vCPU's own offset (WRMSR) comes on top. A reset of the machine does not set it back.
 * How it is read is in ops-sys.c. Not light.
 */
#include "accel/tcg/sys.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include <time.h>
#include <x86intrin.h>

TcgTscAnchor tcg_tsc_anchor;

typedef struct Sample {
    uint64_t tsc;
    int64_t ns;
} Sample;
static Sample first;
static uint32_t host_khz;
enum { SHORT_NS = 300000, ENOUGH_NS = 1500000 };

/* The counter and the clock at the same time: the tightest of a few tries. */
static Sample sample(void)
{
    enum { DISTURBED = 5000 };
    uint64_t best = UINT64_MAX;
    Sample s = {0};

    for (unsigned n = 0; n < 5 || (best > DISTURBED && n < 50); n++) {
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

/* Over at least that long. */
static uint32_t measure(int64_t ns)
{
    Sample s;

    do {
        s = sample();
    } while (s.ns - first.ns < ns);
    return (uint32_t)muldiv64(s.tsc - first.tsc, 1000000, (uint64_t)(s.ns - first.ns));
}

/* The VM starts: what was measured over a short time, which is for nobody to wait for, over a longer one. */
static void refine(void)
{
    static bool done;
    uint32_t was = host_khz;
    X86CPU *c;

    if (done || !was)
        return;
    done = true;
    host_khz = measure(ENOUGH_NS);
    FOREACH_VCPU (c) {
        if (c->tsc_khz == was)
            c->tsc_khz = host_khz;
    }
}

static void vm_runs(void *opaque, bool running, RunState state)
{
    uint64_t now;

    if (running)
        refine();
    now = __rdtsc();
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

void tcg_tsc_cpu_init(X86CPU *c)
{
    if (!host_khz)
        host_khz = measure(c->tsc_khz ? ENOUGH_NS : SHORT_NS);
    if (!c->tsc_khz)
        c->tsc_khz = host_khz;
    if (!c->index)
        tcg_tsc_anchor.scale = c->tsc_khz == host_khz ? 0 : ((uint64_t)c->tsc_khz << 32) / host_khz;
}
