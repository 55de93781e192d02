/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run state and the requests that change it. A request is an atomic word that any thread (or a signal handler)
 * sets; the main loop acts on it in runstate_turn(), in the order exit, shutdown, reset, powerdown, wakeup, stop,
 * suspend.
 */
#include "softmmu/runstate.h"

#include "hw/core/clock.h"
#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"
#include "util/log.h"

static const char *const state_names[RUN_STATES] = {
    "debug",     "inmigrate",      "internal-error", "io-error", "paused",  "postmigrate",
    "prelaunch", "finish-migrate", "restore-vm",     "running",  "save-vm", "shutdown",
    "suspended", "watchdog",       "guest-panicked", "colo",
};
static const char *const cause_names[] = {
    "none",           "host-error",  "host-qmp-quit", "host-qmp-system-reset", "host-signal",   "host-ui",
    "guest-shutdown", "guest-reset", "guest-panic",   "subsystem-reset",       "snapshot-load",
};

static RunState state = RUN_PRELAUNCH; /* changed under the VM lock; atomic for those who read it without */
/* Requests; atomic. Causes are stored + 1 where 0 means none. */
static int req_shutdown, req_reset, req_powerdown, req_suspend, req_wakeup, req_stop = -1, req_exit = -1;
bool opt_no_reboot, opt_no_shutdown;
WatchdogAction watchdog_action = WATCHDOG_ACTION_RESET;
PanicAction panic_action = PANIC_ACTION_SHUTDOWN;
void (*event_hook)(const char *name, Json *data);

typedef struct StateHook {
    RunStateFn *fn;
    void *opaque;
} StateHook;
typedef struct Notifier {
    void (*fn)(void *opaque);
    void *opaque;
} Notifier;
static GArray *state_hooks;                                                /* of StateHook */
static GArray *powerdown_notifiers, *suspend_notifiers, *wakeup_notifiers; /* of Notifier */

bool runstate_ends;

RunState runstate(void)
{
    return __atomic_load_n(&state, __ATOMIC_RELAXED);
}

static void set_state(RunState s)
{
    __atomic_store_n(&state, s, __ATOMIC_RELAXED);
}

const char *runstate_name(RunState s)
{
    return state_names[s];
}

bool runstate_running(void)
{
    return runstate() == RUN_RUNNING;
}

const char *shutdown_cause_name(ShutdownCause c)
{
    return cause_names[c];
}

void runstate_set(RunState s)
{
    ASSERT_VM_LOCKED();
    set_state(s);
}

void event_emit(const char *name, Json *data)
{
    if (event_hook)
        event_hook(name, data);
    else
        json_unref(data);
}

static void request(int *req, int val)
{
    __atomic_store_n(req, val, __ATOMIC_RELEASE);
    mainloop_wake();
}

static int take(int *req, int none)
{
    return __atomic_load_n(req, __ATOMIC_RELAXED) == none ? none : __atomic_exchange_n(req, none, __ATOMIC_ACQUIRE);
}

void system_reset_request(ShutdownCause cause)
{
    if (opt_no_reboot && cause != CAUSE_SUBSYSTEM_RESET)
        request(&req_shutdown, cause);
    else
        request(&req_reset, cause);
    if (current_cpu)
        vcpu_request_exit(current_cpu);
}

void system_shutdown_request(ShutdownCause cause)
{
    request(&req_shutdown, cause);
    if (current_cpu)
        vcpu_request_exit(current_cpu);
}

bool system_shutdown_requested(void)
{
    return __atomic_load_n(&req_shutdown, __ATOMIC_ACQUIRE);
}

void system_exit_request(int status)
{
    request(&req_exit, status);
    if (current_cpu)
        vcpu_request_exit(current_cpu);
}

void system_powerdown_request(void)
{
    request(&req_powerdown, 1);
}

void system_suspend_request(void)
{
    if (state != RUN_SUSPENDED)
        request(&req_suspend, 1);
    if (current_cpu)
        vcpu_request_exit(current_cpu);
}

bool system_wakeup_request(Error **errp)
{
    if (state != RUN_SUSPENDED)
        return error_set(errp, "Unable to wake up: guest is not in suspended state");
    request(&req_wakeup, 1);
    return true;
}

void vm_stop_request(RunState to)
{
    request(&req_stop, to);
    if (current_cpu)
        vcpu_request_exit(current_cpu);
}

void system_watchdog_action(void)
{
    static const char *const names[] = {"reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi"};
    Json *data = json_object();
    json_set_str(data, "action", names[watchdog_action]);
    event_emit("WATCHDOG", data);
    switch (watchdog_action) {
    case WATCHDOG_ACTION_RESET:
        system_reset_request(CAUSE_GUEST_RESET);
        break;
    case WATCHDOG_ACTION_SHUTDOWN:
        system_powerdown_request();
        break;
    case WATCHDOG_ACTION_POWEROFF:
        system_shutdown_request(CAUSE_GUEST_SHUTDOWN);
        break;
    case WATCHDOG_ACTION_PAUSE:
        vm_stop_request(RUN_WATCHDOG);
        break;
    case WATCHDOG_ACTION_DEBUG:
        error_report("watchdog: timer expired");
        break;
    case WATCHDOG_ACTION_NONE:
        break;
    case WATCHDOG_ACTION_INJECT_NMI: {
        X86CPU *c;
        FOREACH_VCPU (c) {
            cpu_board_nmi(c);
        }
        break;
    }
    }
}

static void emit_action(const char *event, const char *action)
{
    Json *data = json_object();
    json_set_str(data, "action", action);
    event_emit(event, data);
}

void system_guest_panicked(void)
{
    log_at(LOG_GUEST_ERROR, "Guest crashed\n");
    if (panic_action == PANIC_ACTION_PAUSE || (panic_action == PANIC_ACTION_SHUTDOWN && opt_no_shutdown)) {
        emit_action("GUEST_PANICKED", "pause");
        vm_stop_request(RUN_GUEST_PANICKED);
    } else if (panic_action == PANIC_ACTION_NONE) {
        emit_action("GUEST_PANICKED", "run");
    } else {
        emit_action("GUEST_PANICKED", "poweroff");
        system_shutdown_request(CAUSE_GUEST_PANIC);
    }
}

void system_guest_crashloaded(void)
{
    log_at(LOG_GUEST_ERROR, "Guest crash loaded\n");
    emit_action("GUEST_CRASHLOADED", "run");
}

static void add_notifier(GArray **list, void (*fn)(void *), void *opaque)
{
    if (!*list)
        *list = g_array_new(false, false, sizeof(Notifier));
    Notifier n = {fn, opaque};
    g_array_append_val(*list, n);
}

static void notify(GArray *list)
{
    for (guint i = 0; list && i < list->len; i++) {
        Notifier n = g_array_index(list, Notifier, i);
        n.fn(n.opaque);
    }
}

void powerdown_register(void (*fn)(void *opaque), void *opaque)
{
    add_notifier(&powerdown_notifiers, fn, opaque);
}

void suspend_register(void (*fn)(void *opaque), void *opaque)
{
    add_notifier(&suspend_notifiers, fn, opaque);
}

void wakeup_register(void (*fn)(void *opaque), void *opaque)
{
    add_notifier(&wakeup_notifiers, fn, opaque);
}

void runstate_register(RunStateFn *fn, void *opaque)
{
    if (!state_hooks)
        state_hooks = g_array_new(false, false, sizeof(StateHook));
    StateHook h = {fn, opaque};
    g_array_append_val(state_hooks, h);
}

void runstate_unregister(RunStateFn *fn, void *opaque)
{
    for (guint i = 0; state_hooks && i < state_hooks->len; i++) {
        StateHook *h = &g_array_index(state_hooks, StateHook, i);
        if (h->fn == fn && h->opaque == opaque) {
            g_array_remove_index(state_hooks, i);
            return;
        }
    }
}

static void tell_hooks(bool running)
{
    guint n = state_hooks ? state_hooks->len : 0;
    for (guint i = 0; i < n; i++) {
        StateHook h = g_array_index(state_hooks, StateHook, running ? i : n - 1 - i);
        h.fn(h.opaque, running, state);
    }
}

void vm_start(void)
{
    ASSERT_VM_LOCKED();
    if (state == RUN_RUNNING)
        return;
    take(&req_stop, -1);
    set_state(RUN_RUNNING);
    clock_virtual_enable(true);
    tell_hooks(true);
    event_emit("RESUME", NULL);
    vcpus_resume();
}

/* One that runs stops; nobody but the hooks hears of it. */
static void halt(RunState to)
{
    vcpus_pause();
    clock_virtual_enable(false);
    set_state(to);
    tell_hooks(false);
}

bool vm_stop(RunState to)
{
    ASSERT_VM_LOCKED();
    if (state != RUN_RUNNING)
        return false;
    halt(to);
    event_emit("STOP", NULL);
    return true;
}

/* The process ends: the hooks hear of the stop, QMP's clients do not. */
static void stop_for_good(void)
{
    if (state != RUN_RUNNING) {
        vcpus_pause();
        return;
    }
    runstate_ends = true;
    halt(RUN_SHUTDOWN);
}

/* Reset while it did not run. */
static void not_launched(void)
{
    bool went_on = state == RUN_SUSPENDED;
    set_state(RUN_PRELAUNCH);
    if (went_on) {
        clock_virtual_enable(false);
        tell_hooks(false);
    }
}

static void reset(ShutdownCause cause)
{
    vcpus_pause();
    take(&req_suspend, 0); /* who asked for it is gone */
    cpu_sync_all();
    if (machine->desc->reset)
        machine->desc->reset(machine);
    else
        devices_reset_all();
    vcpus_reset_all();
    if (cause != CAUSE_NONE && cause != CAUSE_SUBSYSTEM_RESET) {
        Json *data = json_object();
        json_set_bool(data, "guest", cause >= CAUSE_GUEST_SHUTDOWN);
        json_set_str(data, "reason", shutdown_cause_name(cause));
        event_emit("RESET", data);
    }
    if (state == RUN_RUNNING)
        vcpus_resume();
    else if (state != RUN_INMIGRATE)
        not_launched();
}

void system_reset_now(ShutdownCause cause)
{
    ASSERT_VM_LOCKED();
    reset(cause);
}

bool runstate_turn(int *status)
{
    ASSERT_VM_LOCKED();
    int v;
    if ((v = take(&req_exit, -1)) != -1) {
        stop_for_good();
        *status = v;
        return true;
    }
    if ((v = take(&req_shutdown, 0))) {
        bool guest = v >= CAUSE_GUEST_SHUTDOWN;
        if (v == CAUSE_GUEST_PANIC)
            vm_stop(RUN_GUEST_PANICKED);
        Json *data = json_object();
        json_set_bool(data, "guest", guest);
        json_set_str(data, "reason", shutdown_cause_name(v));
        event_emit("SHUTDOWN", data); /* before STOP: clients know then what that one is */
        /* -no-shutdown keeps the guest from ending us; quit and signals do. */
        if (!opt_no_shutdown || v == CAUSE_HOST_QMP_QUIT || v == CAUSE_HOST_SIGNAL || v == CAUSE_HOST_ERROR) {
            stop_for_good();
            *status = v == CAUSE_GUEST_PANIC && panic_action == PANIC_ACTION_EXIT_FAILURE;
            return true;
        }
        vm_stop(RUN_SHUTDOWN); /* one that does not run stays what it is */
    }
    if ((v = take(&req_reset, 0)))
        reset(v);
    if (take(&req_powerdown, 0)) {
        event_emit("POWERDOWN", NULL);
        notify(powerdown_notifiers);
    }
    if (take(&req_wakeup, 0) && state == RUN_SUSPENDED) {
        set_state(RUN_RUNNING);
        reset(CAUSE_NONE);
        notify(wakeup_notifiers);
        event_emit("WAKEUP", NULL);
    }
    if ((v = take(&req_stop, -1)) != -1)
        vm_stop(v);
    /* The request of a VM that was stopped meanwhile waits until it runs again. */
    if (state == RUN_RUNNING && take(&req_suspend, 0)) {
        vcpus_pause(); /* devices and the virtual clock go on */
        notify(suspend_notifiers);
        set_state(RUN_SUSPENDED);
        event_emit("SUSPEND", NULL);
    }
    return false;
}
