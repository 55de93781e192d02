/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gdb's remote protocol (gdb manual, appendix E), all-stop: framing, the ways into and out of a stop.
 *
 * A connection stops the machine. While it runs, what gdb sends is an interrupt (^C) or, from a gdb that does not know
 * that it runs, a packet: either stops it. A stop of any cause is reported where gdb waits for one. What is resumed
 * with single_step or held back gets its orders in X86CPU.debug before the start and loses them at the stop.
 */
#include "softmmu/gdbstub.h"

#include "hw/core/clock.h"
#include "softmmu/gdb-internal.h"
#include "softmmu/mainloop.h"
#include "softmmu/vcpus.h"

/* Signals by gdb's own numbers (gdb/signals.def). */
enum {
    SIG_INT = 2,
    SIG_QUIT = 3,
    SIG_TRAP = 5,
    SIG_ABRT = 6,
    SIG_ALRM = 14,
    SIG_STOP = 17,
    SIG_XCPU = 24,
    SIG_UNKNOWN = 143
};

GdbStub gdb;
static volatile sig_atomic_t on_stdio;

/* --- Output --- */

static const char hex[] = "0123456789abcdef";

static void transmit(void)
{
    if (gdb.connected)
        char_write_all(&gdb.fe, gdb.out->data, gdb.out->len);
}

void gdb_reply(const char *data, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (uint8_t)data[i];
    const uint8_t end[3] = {'#', (uint8_t)hex[sum >> 4], (uint8_t)hex[sum & 15]};
    g_byte_array_set_size(gdb.out, 0);
    g_byte_array_append(gdb.out, (const uint8_t *)"$", 1);
    g_byte_array_append(gdb.out, (const uint8_t *)data, (guint)len);
    g_byte_array_append(gdb.out, end, sizeof(end));
    transmit();
}

void gdb_reply_text(const char *text)
{
    gdb_reply(text, strlen(text));
}

void gdb_reply_error(int err)
{
    char text[8];
    g_snprintf(text, sizeof(text), "E%02u", (unsigned)err % 100);
    gdb_reply_text(text);
}

void gdb_append_thread(GString *s, unsigned cpu)
{
    if (gdb.multiprocess)
        g_string_append_printf(s, "p01.%02x", cpu + 1);
    else
        g_string_append_printf(s, "%02x", cpu + 1);
}

/* --- Stop and resume --- */

static int signal_of(RunState s)
{
    switch (s) {
    case RUN_DEBUG:
    case RUN_PRELAUNCH:
    case RUN_RUNNING:
        return SIG_TRAP;
    case RUN_PAUSED:
        return SIG_INT;
    case RUN_SHUTDOWN:
        return SIG_QUIT;
    case RUN_IO_ERROR:
        return SIG_STOP;
    case RUN_WATCHDOG:
        return SIG_ALRM;
    case RUN_INTERNAL_ERROR:
        return SIG_ABRT;
    case RUN_FINISH_MIGRATE:
        return SIG_XCPU;
    default:
        return SIG_UNKNOWN;
    }
}

static void report(int sig, const DebugHit *hit)
{
    static const char *const watch_names[] = {
        [DEBUG_WRITE] = "watch", [DEBUG_READ] = "rwatch", [DEBUG_ACCESS] = "awatch"};
    g_autoptr(GString) s = g_string_new(NULL);
    g_string_append_printf(s, "T%02xthread:", sig);
    gdb_append_thread(s, gdb.c_cpu);
    g_string_append_c(s, ';');
    if (hit && hit->kind >= DEBUG_WRITE && hit->kind <= DEBUG_ACCESS)
        g_string_append_printf(s, "%s:%016" PRIx64 ";", watch_names[hit->kind], hit->addr);
    gdb.waiting = false;
    gdb_reply(s->str, s->len);
}

void gdb_report_stop(void)
{
    report(SIG_TRAP, NULL);
}

static void clear_orders(void)
{
    X86CPU *c;
    FOREACH_VCPU (c) {
        bool stepped = c->debug.single_step;
        c->debug = (CpuDebug){0};
        if (stepped)
            debug_update(c, NULL);
    }
}

/* The first CPU that met a breakpoint, a watchpoint or its step's end. */
static X86CPU *cpu_that_hit(void)
{
    X86CPU *c;
    FOREACH_VCPU (c) {
        if (c->debug_hit.kind != DEBUG_NONE)
            return c;
    }
    return NULL;
}

static void state_changed(void *opaque, bool running, RunState state)
{
    if (runstate_ends) /* it hears of the exit */
        return;
    if (running || !gdb.on)
        return;
    clear_orders();
    if (!gdb.waiting || state == RUN_SAVE_VM || state == RUN_RESTORE_VM)
        return;
    X86CPU *c = state == RUN_DEBUG ? cpu_that_hit() : NULL;
    if (c)
        gdb.c_cpu = gdb.g_cpu = c->index;
    report(signal_of(state), c ? &c->debug_hit : NULL);
}

/* What the machine waits for is not gdb's to give. */
static bool cannot_go_on(void)
{
    RunState s = runstate();
    return s == RUN_INTERNAL_ERROR || s == RUN_SHUTDOWN || s == RUN_INMIGRATE || s == RUN_SUSPENDED ||
           s == RUN_GUEST_PANICKED;
}

void gdb_resume(const char *actions)
{
    X86CPU *c;
    Error *err = NULL;
    bool any = false, timers_off = false;

    if (runstate_running())
        vm_stop(RUN_PAUSED);
    FOREACH_VCPU (c) {
        char a = actions[c->index];
        c->debug = (CpuDebug){.hold = !a};
        any |= a != 0;
        if (a != 's' || !(gdb.sstep & SSTEP_ENABLE))
            continue;
        c->debug.single_step = true;
        c->debug.no_irq = gdb.sstep & SSTEP_NOIRQ;
        /* A halted CPU waits for an interrupt: time must go on for it. */
        timers_off |= gdb.sstep & SSTEP_NOTIMER && !c->halted && c->mp_state != MP_HALTED;
        if (!debug_update(c, &err)) {
            error_prepend(&err, "gdb: CPU %u cannot step: ", c->index);
            error_report_err(err);
            any = false;
            break;
        }
    }
    if (!any || cannot_go_on()) {
        clear_orders();
        report(any ? signal_of(runstate()) : SIG_TRAP, NULL);
        return;
    }
    gdb.waiting = true;
    vm_start();
    if (timers_off)
        clock_virtual_enable(false);
}

void gdb_detach(void)
{
    debug_points_clear();
    clear_orders();
    gdb.waiting = false;
    if (!cannot_go_on())
        vm_start();
}

/* --- Input --- */

static void new_session(void)
{
    gdb.line = LINE_IDLE;
    gdb.no_ack = gdb.multiprocess = gdb.waiting = gdb.physical = false;
    gdb.sstep = SSTEP_ENABLE | SSTEP_NOIRQ | SSTEP_NOTIMER;
    gdb.g_cpu = gdb.c_cpu = 0;
    g_byte_array_set_size(gdb.out, 0);
    debug_points_clear();
}

static void packet_end(void)
{
    static const char ack = '+', nak = '-';
    if (gdb.in_len > GDB_PACKET_MAX || gdb.sum != gdb.sum_sent) {
        if (!gdb.no_ack)
            char_write_all(&gdb.fe, &nak, 1);
        return;
    }
    if (!gdb.no_ack)
        char_write_all(&gdb.fe, &ack, 1);
    gdb.in[gdb.in_len] = 0;
    if (runstate_running()) /* a monitor let it go on meanwhile */
        vm_stop(RUN_PAUSED);
    gdb.in_packet = true;
    gdb_packet(gdb.in, gdb.in_len);
    gdb.in_packet = false;
}

static void idle_byte(uint8_t b)
{
    if (b == '$') {
        gdb.line = LINE_PACKET;
        gdb.in_len = 0;
        gdb.sum = 0;
    } else if (b == '-' && gdb.out->len) {
        transmit();
        return;
    } else if (b != 3) {
        return; /* '+', or noise */
    }
    if (runstate_running())
        vm_stop(RUN_PAUSED);
}

static void line_byte(uint8_t b)
{
    int digit;
    switch (gdb.line) {
    case LINE_IDLE:
        idle_byte(b);
        break;
    case LINE_PACKET:
        if (b == '#') {
            gdb.line = LINE_SUM1;
        } else {
            gdb.sum += b;
            if (gdb.in_len < GDB_PACKET_MAX)
                gdb.in[gdb.in_len] = (char)b;
            if (gdb.in_len <= GDB_PACKET_MAX)
                gdb.in_len++;
        }
        break;
    case LINE_SUM1:
    case LINE_SUM2:
        digit = g_ascii_xdigit_value((char)b);
        if (digit < 0) {
            gdb.line = LINE_IDLE;
        } else if (gdb.line == LINE_SUM1) {
            gdb.sum_sent = (uint8_t)(digit << 4);
            gdb.line = LINE_SUM2;
        } else {
            gdb.sum_sent |= (uint8_t)digit;
            gdb.line = LINE_IDLE;
            packet_end();
        }
        break;
    }
}

static void receive(void *opaque, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len && gdb.on; i++)
        line_byte(buf[i]);
}

/* The debugger is gone: the machine goes on running, or stays stopped, without its points. */
static void end_session(void)
{
    gdb.connected = gdb.waiting = false;
    bool ran = debug_point_count && vm_stop(RUN_PAUSED); /* points change with the machine stopped only */
    debug_points_clear();
    if (ran)
        vm_start();
}

static void line_event(void *opaque, CharEvent ev)
{
    if (ev == CHAR_OPENED) {
        gdb.waiting = false;
        vm_stop(RUN_PAUSED);
        new_session();
        gdb.connected = true;
    } else if (ev == CHAR_CLOSED) {
        end_session();
    } else if (ev == CHAR_BREAK) {
        vm_stop(RUN_PAUSED);
    }
}

static const CharHandlers handlers = {.receive = receive, .event = line_event};

/* --- Start and end --- */

bool gdbstub_take_sigint(void)
{
    if (!on_stdio)
        return false;
    vm_stop_request(RUN_PAUSED);
    return true;
}

static void stop_listening(void)
{
    if (!gdb.on)
        return;
    end_session();
    Chardev *chr = gdb.fe.chr;
    g_autofree char *id = gdb.own_device ? g_strdup(chardev_id(chr)) : NULL;
    gdb.on = false;
    on_stdio = false;
    runstate_unregister(state_changed, NULL);
    char_detach(&gdb.fe);
    if (id)
        chardev_remove(id, NULL);
    g_clear_pointer(&gdb.out, g_byte_array_unref);
}

bool gdbstub_start(const char *device, Error **errp)
{
    if (gdb.on && gdb.in_packet)
        return error_set(errp, "gdb cannot take its own line away: use another monitor");
    stop_listening();
    if (!strcmp(device, "none"))
        return true;
    if (!vcpu_count)
        return error_set(errp, "gdb needs a machine with CPUs");
    /* A TCP port is gdb's to come to, whenever it wants. */
    g_autofree char *text = g_str_has_prefix(device, "tcp:") && !strstr(device, "server")
                                ? g_strdup_printf("%s,server=on,wait=off,nodelay=on", device)
                                : g_strdup(device);
    gdb = (GdbStub){.own_device = !g_str_has_prefix(device, "chardev:")};
    Error *err = NULL;
    Chardev *chr = chardev_from_text("gdb", text, false, &err);
    if (!chr) {
        error_propagate(errp, err);
        return false;
    }
    gdb.out = g_byte_array_new();
    gdb.on = true;
    new_session();
    runstate_register(state_changed, NULL);
    if (!char_attach(&gdb.fe, chr, &handlers, NULL, errp)) {
        gdb.on = false;
        runstate_unregister(state_changed, NULL);
        g_clear_pointer(&gdb.out, g_byte_array_unref);
        return false;
    }
    on_stdio = !strcmp(device, "stdio");
    return true;
}

void gdbstub_cleanup(int status)
{
    if (!gdb.on)
        return;
    char text[8];
    g_snprintf(text, sizeof(text), "W%02x", status & 0xff);
    gdb_reply_text(text);
    gdb.on = false;
    on_stdio = false;
}
