/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM's run state, and requests to change it. Requests may come from any thread; the main loop acts on them. */
#ifndef SOFTMMU_RUNSTATE_H
#define SOFTMMU_RUNSTATE_H

#include "util/json.h"

/* In the order of QMP's RunState; names in runstate.c. */
typedef enum RunState {
    RUN_DEBUG,
    RUN_INMIGRATE,
    RUN_INTERNAL_ERROR,
    RUN_IO_ERROR,
    RUN_PAUSED,
    RUN_POSTMIGRATE,
    RUN_PRELAUNCH,
    RUN_FINISH_MIGRATE,
    RUN_RESTORE_VM,
    RUN_RUNNING,
    RUN_SAVE_VM,
    RUN_SHUTDOWN,
    RUN_SUSPENDED,
    RUN_WATCHDOG,
    RUN_GUEST_PANICKED,
    RUN_COLO,
    RUN_STATES,
} RunState;
RunState runstate(void); /* this and runstate_running(): any thread */
const char *runstate_name(RunState s);
bool runstate_running(void);

/* Causes, in the order of QMP's ShutdownCause. */
typedef enum ShutdownCause {
    CAUSE_NONE,
    CAUSE_HOST_ERROR,
    CAUSE_HOST_QMP_QUIT,
    CAUSE_HOST_QMP_SYSTEM_RESET,
    CAUSE_HOST_SIGNAL,
    CAUSE_HOST_UI,
    CAUSE_GUEST_SHUTDOWN,
    CAUSE_GUEST_RESET,
    CAUSE_GUEST_PANIC,
    CAUSE_SUBSYSTEM_RESET,
    CAUSE_SNAPSHOT_LOAD,
} ShutdownCause;
const char *shutdown_cause_name(ShutdownCause c);

void system_reset_request(ShutdownCause cause);    /* -no-reboot: becomes a shutdown */
void system_shutdown_request(ShutdownCause cause); /* -no-shutdown: stops instead */
bool system_shutdown_requested(void);              /* for what waits outside of the main loop */
void system_exit_request(int status);              /* isa-debug-exit: leave with this exit status, no SHUTDOWN veto */
void system_powerdown_request(void);               /* the ACPI power button: powerdown_notify()'s listeners */
void system_suspend_request(void);
bool system_wakeup_request(Error **errp);
void system_watchdog_action(void);    /* by -action watchdog= / -watchdog-action */
void system_guest_panicked(void);     /* GUEST_PANICKED, and by -action panic= */
void system_guest_crashloaded(void);  /* GUEST_CRASHLOADED: it goes on with its crash kernel */
void vm_stop_request(RunState state); /* from a vCPU thread: soon */
void powerdown_register(void (*fn)(void *opaque), void *opaque);
void suspend_register(void (*fn)(void *opaque), void *opaque);
void wakeup_register(void (*fn)(void *opaque), void *opaque);

/* In the main thread under the VM lock, at once. */
void vm_start(void);          /* RESUME */
bool vm_stop(RunState state); /* STOP; vCPUs have left the guest when it returns. false: was stopped */
void runstate_set(RunState s);
/* running is new; called in the order of registration when starting, in reverse when stopping. */
typedef void RunStateFn(void *opaque, bool running, RunState state);
void runstate_register(RunStateFn *fn, void *opaque);
void runstate_unregister(RunStateFn *fn, void *opaque);
/* Reset at once, in the main thread: at start (CAUSE_NONE: no event), and for loadvm. */
void system_reset_now(ShutdownCause cause);
/* -action watchdog= and panic=, in QMP's order. */
typedef enum WatchdogAction {
    WATCHDOG_ACTION_RESET,
    WATCHDOG_ACTION_SHUTDOWN,
    WATCHDOG_ACTION_POWEROFF,
    WATCHDOG_ACTION_PAUSE,
    WATCHDOG_ACTION_DEBUG,
    WATCHDOG_ACTION_NONE,
    WATCHDOG_ACTION_INJECT_NMI,
} WatchdogAction;
extern WatchdogAction watchdog_action;
typedef enum PanicAction {
    PANIC_ACTION_PAUSE,
    PANIC_ACTION_SHUTDOWN,
    PANIC_ACTION_EXIT_FAILURE,
    PANIC_ACTION_NONE
} PanicAction;
extern PanicAction panic_action;
extern bool runstate_ends; /* VM lock: the stop that hooks hear of is the process's end */
/* One turn of pending requests; returns true when the process shall end, with its status. Main loop only. */
bool runstate_turn(int *status);
extern bool opt_no_reboot, opt_no_shutdown;

/* An event for QMP clients: name ("STOP") and data (takes; NULL: none). Sets the timestamp. Any thread. The monitor
 * installs the hook; without one the event is dropped. */
void event_emit(const char *name, Json *data);
extern void (*event_hook)(const char *name, Json *data);

#endif
