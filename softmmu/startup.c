/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From options to a machine, in the order in which its parts need each other. */
#include "softmmu/options.h"

#include "accel/accel.h"
#include "accel/qtest/qtest.h"
#include "block/drive.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "hw/core/object.h"
#include "hw/acpi/tables.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/loader.h"
#include "hw/i386/smbios.h"
#include "hw/net/cards.h"
#include "hw/timer/mc146818rtc.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "softmmu/gdbstub.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include "ui/console.h"
#include "ui/keymap.h"
#include "ui/vnc.h"
#include "util/fds.h"
#include "util/keyval.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* What stands in the command line of each device that has a default: giving it makes the default go away. */
static bool want_serial = true, want_parallel = true, want_monitor = true, want_floppy = true, want_cdrom = true,
            want_vga = true;
static bool nographic;
static Json *machine_opts; /* all -machine texts */
static const MachineDesc *desc;

static Json *parse(const Option *o, const char *implied, Error **errp)
{
    Json *v = json_or_keyval(o->arg, implied, NULL, errp);
    if (!v)
        error_prepend(errp, "%s: ", o->where);
    return v;
}

static bool is_help(const char *s)
{
    return s && (!strcmp(s, "help") || !strcmp(s, "?"));
}

/* "NAME,help" or "NAME,?": the name, else NULL. */
static char *help_about(const char *text)
{
    const char *comma = strchr(text, ',');
    return comma && (is_help(comma + 1)) ? g_strndup(text, comma - text) : NULL;
}

static void done(void)
{
    fflush(stdout);
    exit(0);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const Prop *const *)a)->name, (*(const Prop *const *)b)->name);
}

static void object_help(const ObjectDesc *d)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (const Prop *p = d->props; p->name; p++)
        g_ptr_array_add(sorted, (void *)(uintptr_t)p);
    g_ptr_array_sort(sorted, by_name);
    printf("%s options:\n", d->name);
    for (guint i = 0; i < sorted->len; i++) {
        const Prop *p = sorted->pdata[i];
        const char *type = p->type_name ? p->type_name : p->type->name;

        g_autofree char *head = g_strdup_printf("%s=<%s>", p->name, strcmp(type, "str") ? type : "string");

        printf("  %-24s - %s\n", head, p->help);
    }
    done();
}

static void device_help_or_fail(const char *text)
{
    if (is_help(text)) {
        device_help(NULL);
        done();
    }
    g_autofree char *name = help_about(text);
    if (name && device_find_desc(name)) {
        device_help(name);
        done();
    }
}

static bool choose_machine(Error **errp)
{
    machine_opts = options_merged(OPT_MACHINE, "type", errp);
    if (!machine_opts)
        return false;
    const char *type = json_get_str(machine_opts, "type");
    const Option *o = option_last(OPT_MACHINE);
    if (is_help(type)) {
        machine_help();
        done();
    }
    for (const MachineDesc *const *d = machine_table; !type && *d; d++)
        if ((*d)->is_default)
            desc = *d;
    if (type && !(desc = machine_find_desc(type))) {
        Nearest near = nearest(type);
        for (const MachineDesc *const *d = machine_table; *d; d++) {
            nearest_try(&near, (*d)->name);
            if ((*d)->alias)
                nearest_try(&near, (*d)->alias);
        }
        error_set(errp, "-machine: unsupported machine type '%s'%s%s%s", type, near.name ? "; did you mean '" : "",
                  near.name ? near.name : "", near.name ? "'?" : "");
        error_hint(errp, "Use -machine help to list supported machines");
        return false;
    }
    if (o && keyval_has_help(o->arg)) {
        machine_props_help(desc);
        done();
    }
    return true;
}

bool startup_early(Error **errp)
{
    if (option_given(OPT_HELP)) {
        options_help();
        done();
    }
    if (options_group_help())
        done();
    if (option_given(OPT_VERSION)) {
        puts(version_text);
        done();
    }
    if (!choose_machine(errp))
        return false;
    for (const Option *o = NULL; (o = option_next(OPT_DEVICE, o));)
        device_help_or_fail(o->arg);
    for (const Option *o = NULL; (o = option_next(OPT_CPU, o));) {
        if (is_help(o->arg)) {
            cpu_models_help();
            done();
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_ACCEL, o));) {
        if (is_help(o->arg)) {
            printf("Accelerators supported in QEMU binary:\n");
            for (const AccelDesc *const *a = accel_table; *a; a++)
                if (!(*a)->hidden)
                    printf("%s\n", (*a)->name);
            done();
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_CHARDEV, o));) {
        if (is_help(o->arg)) {
            chardev_help();
            done();
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_OBJECT, o));) {
        if (is_help(o->arg)) {
            printf("List of user creatable objects:\n");
            for (const ObjectDesc *const *d = object_table; *d; d++)
                printf("  %s\n", (*d)->name);
            done();
        }
        g_autofree char *name = help_about(o->arg);
        const ObjectDesc *d = name ? object_find_desc(name) : NULL;
        if (d)
            object_help(d);
    }
    for (const Option *o = NULL; (o = option_next(OPT_DISPLAY, o));) {
        if (is_help(o->arg)) {
            display_help();
            done();
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_VGA, o));) {
        if (is_help(o->arg)) {
            vga_type_help();
            done();
        }
    }
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        if ((o->desc->id == OPT_NETDEV || o->desc->id == OPT_NIC || o->desc->id == OPT_NET) && is_help(o->arg)) {
            netdev_help();
            done();
        }
        if ((o->desc->id == OPT_NIC || o->desc->id == OPT_NET) &&
            (strstr(o->arg, "model=help") || strstr(o->arg, "model=?"))) {
            net_cards_help();
            done();
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_LOG, o));) {
        if (is_help(o->arg)) {
            log_help();
            done();
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_FIRMWARE_DIR, o));) {
        if (is_help(o->arg)) {
            firmware_print_dirs();
            done();
        }
        firmware_add_dir(o->arg);
    }
    return true;
}

static bool set_log(Error **errp)
{
    const Option *o = option_last(OPT_LOG_FILE);
    if (o && !log_set_file(o->arg, errp))
        return false;
    for (o = NULL; (o = option_next(OPT_LOG, o));)
        if (!log_set_items(o->arg, errp))
            return false;
    if ((o = option_last(OPT_LOG_FILTER)) && !log_set_ranges(o->arg, errp))
        return false;
    for (o = NULL; (o = option_next(OPT_TRACE, o));) {
        const char *pattern = g_str_has_prefix(o->arg, "enable=") ? o->arg + 7 : o->arg;
        if (!trace_enable(pattern, errp))
            return false;
    }
    return true;
}

/* A boolean of an option's object; absent leaves *out. */
static bool get_flag(const Option *o, const Json *opts, const char *key, bool *out, Error **errp)
{
    const char *s = json_get_str(opts, key);
    if (!s || parse_bool(s, out))
        return true;
    return error_set(errp, "%s: Parameter '%s' expects 'on' or 'off'", o->where, key);
}

static bool known_keys(const Option *o, const Json *opts, const char *const *keys, Error **errp)
{
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *k = json_key_at(opts, i);
        if (g_strv_contains(keys, k))
            continue;
        const char *near = nearest_name(k, keys);
        return error_set(errp, "%s: Invalid parameter '%s'%s%s%s", o->where, k, near ? "; did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
    }
    return true;
}

/* The index of value among names; -1 with an error where it is none. absent: what a missing one means. */
static int pick(const Option *o, const Json *opts, const char *key, const char *const *names, int absent, Error **errp)
{
    const char *s = json_get_str(opts, key);
    if (!s)
        return absent;
    for (int i = 0; names[i]; i++)
        if (!strcmp(s, names[i]))
            return i;
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    error_set(errp, "%s: Parameter '%s' does not accept value '%s'; known are %s", o->where, key, s, all);
    return -1;
}

static const char *const watchdog_names[] = {"reset", "shutdown", "poweroff",   "pause",
                                             "debug", "none",     "inject-nmi", NULL};

static bool set_actions(Error **errp)
{
    static const char *const keys[] = {"reboot", "shutdown", "panic", "watchdog", NULL};
    static const char *const reboot[] = {"reset", "shutdown", NULL}, *const shutdown[] = {"poweroff", "pause", NULL};
    static const char *const panic[] = {"pause", "shutdown", "exit-failure", "none", NULL};
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        if (o->desc->id == OPT_NO_REBOOT)
            opt_no_reboot = true;
        if (o->desc->id == OPT_NO_SHUTDOWN)
            opt_no_shutdown = true;
        if (o->desc->id != OPT_ACTION && o->desc->id != OPT_WATCHDOG_ACTION)
            continue;
        bool old = o->desc->id == OPT_WATCHDOG_ACTION;
        g_autoptr(Json) opts = keyval_parse(o->arg, old ? "watchdog" : NULL, errp);
        if (!opts)
            return error_prepend(errp, "%s: ", o->where);
        if (!known_keys(o, opts, keys, errp))
            return false;
        int r = pick(o, opts, "reboot", reboot, opt_no_reboot, errp),
            s = pick(o, opts, "shutdown", shutdown, opt_no_shutdown, errp);
        int p = r < 0 || s < 0 ? -1 : pick(o, opts, "panic", panic, panic_action, errp);
        int w = p < 0 ? -1 : pick(o, opts, "watchdog", watchdog_names, watchdog_action, errp);
        if (w < 0)
            return false;
        opt_no_reboot = r;
        opt_no_shutdown = s;
        panic_action = p;
        watchdog_action = w;
    }
    return true;
}

static bool set_name(Machine *m, Error **errp)
{
    static const char *const keys[] = {"guest", "process", "debug-threads", NULL};
    for (const Option *o = NULL; (o = option_next(OPT_NAME, o));) {
        g_autoptr(Json) opts = parse(o, "guest", errp);
        if (!opts || !known_keys(o, opts, keys, errp) || !get_flag(o, opts, "debug-threads", &vcpu_thread_names, errp))
            return false;
        if (json_get_str(opts, "guest")) {
            g_free(m->name);
            m->name = g_strdup(json_get_str(opts, "guest"));
        }
        if (json_get_str(opts, "process"))
            prctl(PR_SET_NAME, json_get_str(opts, "process"));
    }
    return true;
}

static bool set_messages(Machine *m, Error **errp)
{
    static const char *const keys[] = {"timestamp", "guest-name", NULL};
    for (const Option *o = NULL; (o = option_next(OPT_MSG, o));) {
        bool with_name = false;
        g_autoptr(Json) opts = parse(o, NULL, errp);
        if (!opts || !known_keys(o, opts, keys, errp) || !get_flag(o, opts, "timestamp", &error_with_timestamp, errp) ||
            !get_flag(o, opts, "guest-name", &with_name, errp))
            return false;
        error_guest_name = with_name ? m->name : NULL;
    }
    return true;
}

static bool add_fds(Error **errp)
{
    static const char *const keys[] = {"fd", "set", "opaque", NULL};
    for (const Option *o = NULL; (o = option_next(OPT_ADD_FD, o));) {
        g_autoptr(Json) opts = parse(o, NULL, errp);
        uint64_t fd, set;
        if (!opts || !known_keys(o, opts, keys, errp))
            return false;
        if (!json_get_str(opts, "fd") || !parse_u64(json_get_str(opts, "fd"), &fd) || fd < 3 || fd > INT_MAX)
            return error_set(errp, "%s: fd= must be the number of a descriptor above 2", o->where);
        if (!json_get_str(opts, "set") || !parse_u64(json_get_str(opts, "set"), &set) || set > INT_MAX)
            return error_set(errp, "%s: set= must be a number", o->where);
        int dup = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (dup < 0)
            return error_set_errno(errp, errno, "%s: fd %d", o->where, (int)fd);
        if (fdset_add(set, dup, json_get_str(opts, "opaque"), errp) < 0)
            return error_prepend(errp, "%s: ", o->where);
    }
    return true;
}

static bool set_overcommit(Error **errp)
{
    static const char *const keys[] = {"mem-lock", "cpu-pm", NULL};
    for (const Option *o = NULL; (o = option_next(OPT_OVERCOMMIT, o));) {
        bool lock = false, pm = false;
        g_autoptr(Json) opts = parse(o, NULL, errp);
        if (!opts || !known_keys(o, opts, keys, errp) || !get_flag(o, opts, "mem-lock", &lock, errp) ||
            !get_flag(o, opts, "cpu-pm", &pm, errp))
            return false;
        if (lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
            return error_set_errno(errp, errno, "%s: cannot lock memory; raise the limit (ulimit -l)", o->where);
        if (pm)
            return error_set(errp, "%s: cpu-pm=on is not supported yet", o->where);
    }
    return true;
}

/* -machine's properties, and the options that are short for one. */
static bool set_machine_props(Machine *m, Error **errp)
{
    for (size_t i = 0; i < json_length(machine_opts); i++) {
        const char *key = json_key_at(machine_opts, i);
        if (!strcmp(key, "type") || !strcmp(key, "accel") || g_str_has_prefix(key, "smp.") ||
            g_str_has_prefix(key, "memory.") || g_str_has_prefix(key, "boot."))
            continue;
        if (!machine_set(m, key, json_val_at(machine_opts, i), true, errp))
            return error_prepend(errp, "-machine: ");
    }
    static const struct {
        OptId id;
        const char *prop;
    } shorts[] = {{OPT_NO_HPET, "hpet"}, {OPT_NO_ACPI, "acpi"}, {OPT_NO_FD_BOOTCHK, "fd-bootchk"}};
    for (size_t i = 0; i < ARRAY_SIZE(shorts); i++) {
        g_autoptr(Json) off = json_bool(false);
        if (option_given(shorts[i].id) && !machine_set(m, shorts[i].prop, off, false, errp))
            return error_prepend(errp, "%s: ", option_last(shorts[i].id)->where);
    }
    return true;
}

/* Members of -machine with that prefix ("smp.") as an object of their own. */
static void add_nested(Json *to, const char *prefix)
{
    for (size_t i = 0; i < json_length(machine_opts); i++) {
        const char *key = json_key_at(machine_opts, i);
        if (g_str_has_prefix(key, prefix))
            json_set(to, key + strlen(prefix), json_ref(json_val_at(machine_opts, i)));
    }
}

static void keep(char **field, OptId id)
{
    const Option *o = option_last(id);
    if (o) {
        g_free(*field);
        *field = g_strdup(o->arg);
    }
}

static bool configure_machine(Machine *m, Error **errp)
{
    if (!set_machine_props(m, errp))
        return false;
    g_autoptr(Json) smp = options_merged(OPT_SMP, "cpus", errp);
    g_autoptr(Json) mem = smp ? options_merged(OPT_MEMORY, "size", errp) : NULL;
    g_autoptr(Json) boot = mem ? options_merged(OPT_BOOT, "order", errp) : NULL;
    if (!boot)
        return false;
    add_nested(smp, "smp.");
    add_nested(mem, "memory.");
    add_nested(boot, "boot.");
    m->ram_size_given = json_get(mem, "size");
    if (!machine_set_smp(m, smp, errp) || !machine_set_memory(m, mem, errp) || !machine_set_boot(m, boot, errp))
        return false;
    if (m->desc->default_ram_id && m->ram_size > INT64_MAX / 2)
        return error_set(errp, "-m: %" PRIu64 " MiB is more than a machine can have", m->ram_size / MIB);
    keep(&m->cpu_model, OPT_CPU);
    keep(&m->bios, OPT_BIOS);
    keep(&m->kernel, OPT_KERNEL);
    keep(&m->initrd, OPT_INITRD);
    keep(&m->append, OPT_APPEND);
    keep(&m->mem_path, OPT_MEM_PATH);
    m->mem_prealloc = option_given(OPT_MEM_PREALLOC);
    if (m->append && !m->kernel)
        return error_set(errp, "-append only allowed with -kernel option");
    if (m->initrd && !m->kernel)
        return error_set(errp, "-initrd only allowed with -kernel option");
    m->no_defaults = option_given(OPT_NODEFAULTS);
    return true;
}

/* A device of the command line that stands for a default one. */
static void note_defaults(void)
{
    static const struct {
        const char *driver;
        bool *want;
    } table[] = {
        {"isa-serial", &want_serial}, {"isa-parallel", &want_parallel}, {"isa-fdc", &want_floppy},
        {"floppy", &want_floppy},     {"ide-cd", &want_cdrom},          {"ide-hd", &want_cdrom},
        {"scsi-cd", &want_cdrom},     {"scsi-hd", &want_cdrom},         {"VGA", &want_vga},
        {"isa-vga", &want_vga},
    };
    for (const Option *o = NULL; (o = option_next(OPT_DEVICE, o));) {
        g_autoptr(Json) opts = json_or_keyval(o->arg, "driver", NULL, NULL);
        const char *driver = json_get_str(opts, "driver");
        for (size_t i = 0; driver && i < ARRAY_SIZE(table); i++)
            if (!strcmp(driver, table[i].driver))
                *table[i].want = false;
    }
    if (option_given(OPT_SERIAL))
        want_serial = false;
    if (option_given(OPT_PARALLEL))
        want_parallel = false;
    if (option_given(OPT_MONITOR) || option_given(OPT_QMP) || option_given(OPT_QMP_PRETTY) || option_given(OPT_MON))
        want_monitor = false;
    if (option_given(OPT_VGA))
        want_vga = false;
    if (option_given(OPT_NODEFAULTS))
        want_serial = want_parallel = want_monitor = want_floppy = want_cdrom = want_vga = false;
    want_serial &= !desc->no_serial;
    want_parallel &= !desc->no_parallel;
    want_floppy &= !desc->no_floppy;
    want_cdrom &= !desc->no_cdrom;
    nographic = option_given(OPT_NOGRAPHIC);
}

static bool make_chardevs(Error **errp)
{
    for (const Option *o = NULL; (o = option_next(OPT_CHARDEV, o));) {
        g_autoptr(Json) opts = parse(o, "backend", errp);
        if (!opts)
            return false;
        if (!chardev_new(opts, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    return true;
}

static bool one_monitor(const char *where, const char *id, const char *text, bool control, bool pretty, Error **errp)
{
    Error *err = NULL;
    Chardev *chr = chardev_from_text(id, text, false, &err);
    if (err) {
        error_propagate(errp, err);
        return error_prepend(errp, "%s: ", where);
    }
    return !chr || monitor_new(chr, control, pretty, errp);
}

static bool make_monitors(Error **errp)
{
    static const char *const keys[] = {"chardev", "mode", "pretty", "id", NULL}, *const modes[] = {"readline",
                                                                                                   "control", NULL};
    unsigned compat = 0;
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        OptId id = o->desc->id;
        if (id == OPT_MON) {
            g_autoptr(Json) opts = parse(o, "chardev", errp);
            bool pretty = false;
            if (!opts || !known_keys(o, opts, keys, errp) || !get_flag(o, opts, "pretty", &pretty, errp))
                return false;
            int mode = pick(o, opts, "mode", modes, 0, errp);
            if (mode < 0)
                return false;
            const char *name = json_get_str(opts, "chardev");
            Chardev *chr = name ? chardev_find(name) : NULL;
            if (!chr)
                return error_set(errp, "%s: chardev \"%s\" not found", o->where, name ? name : "");
            if (!monitor_new(chr, mode, pretty, errp))
                return error_prepend(errp, "%s: ", o->where);
        } else if (id == OPT_MONITOR || id == OPT_QMP || id == OPT_QMP_PRETTY) {
            g_autofree char *label = g_strdup_printf("compat_monitor%u", compat++);
            if (!one_monitor(o->where, label, o->arg, id != OPT_MONITOR, id == OPT_QMP_PRETTY, errp))
                return false;
        }
    }
    return true;
}

static bool add_port(struct Chardev **ports, size_t max, unsigned *n, const char *where, const char *kind,
                     const char *text, Error **errp)
{
    g_autofree char *id = g_strdup_printf("%s%u", kind, *n);
    if (*n >= max)
        return error_set(errp, "%s: too many: a machine has at most %zu %s ports", where, max, kind);
    Error *err = NULL;
    ports[*n] = chardev_from_text(id, text, true, &err);
    if (err) {
        error_propagate(errp, err);
        return error_prepend(errp, "%s: ", where);
    }
    (*n)++;
    return true;
}

/* Serial and parallel ports and monitors, and what -nographic and the defaults make of them. */
static bool make_ports(Machine *m, Error **errp)
{
    unsigned serials = 0, parallels = 0;
    if (!make_monitors(errp))
        return false;
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        if (o->desc->id == OPT_SERIAL &&
            !add_port(m->serials, ARRAY_SIZE(m->serials), &serials, o->where, "serial", o->arg, errp))
            return false;
        if (o->desc->id == OPT_PARALLEL &&
            !add_port(m->parallels, ARRAY_SIZE(m->parallels), &parallels, o->where, "parallel", o->arg, errp))
            return false;
    }
    /* Their text consoles: Ctrl-Alt-2, 3 and 4 at a VNC viewer. */
    const char *serial = "vc:80Cx24C", *monitor = "vc:80Cx24C";
    if (nographic) {
        serial = want_monitor ? "mon:stdio" : "stdio";
        monitor = want_serial ? NULL : "stdio";
    }
    if (want_monitor && monitor && !one_monitor("-monitor", "compat_monitor0", monitor, false, false, errp))
        return false;
    if (want_serial && !add_port(m->serials, 4, &serials, "-serial", "serial", serial, errp))
        return false;
    return !want_parallel ||
           add_port(m->parallels, 3, &parallels, "-parallel", "parallel", nographic ? "null" : "vc:80Cx24C", errp);
}

/* Back ends, in QEMU's order, and the machine's own card where no option says a word. */
static bool make_network(Error **errp)
{
    static const struct {
        OptId id;
        bool (*add)(const char *text, Error **errp);
    } kinds[] = {{OPT_NETDEV, netdev_option}, {OPT_NIC, net_nic_option}, {OPT_NET, net_legacy_option}};
    bool given = option_given(OPT_NODEFAULTS);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        for (const Option *o = NULL; (o = option_next(kinds[k].id, o)); given = true)
            if (!kinds[k].add(o->arg, errp))
                return error_prepend(errp, "%s: ", o->where);
    }
    return given || !desc->default_nic || net_default(errp);
}

static bool make_objects(Error **errp)
{
    for (const Option *o = NULL; (o = option_next(OPT_OBJECT, o));) {
        bool json = *o->arg == '{';
        g_autoptr(Json) opts = parse(o, "qom-type", errp);
        if (!opts)
            return false;
        if (!object_add(opts, !json, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    return true;
}

static bool choose_accel(Error **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        Json *opts = NULL;
        if (o->desc->id == OPT_ENABLE_KVM) {
            opts = json_object();
            json_set_str(opts, "accel", "kvm");
        } else if (o->desc->id == OPT_ACCEL) {
            opts = parse(o, "accel", errp);
            if (!opts)
                return false;
        }
        if (opts)
            g_ptr_array_add(list, opts);
    }
    const char *names = json_get_str(machine_opts, "accel");
    if (names && list->len)
        return error_set(errp, "The -accel and \"-machine accel=\" options are incompatible");
    if (names || !list->len) {
        /* Without a word as QEMU has it: the engine, but for a program that is called ...kvm. */
        const char *usual = g_str_has_suffix(error_program(), "kvm") ? "kvm:tcg" : "tcg:kvm";
        g_auto(GStrv) parts = g_strsplit(names ? names : usual, ":", -1);
        if (!names && option_given(OPT_QTEST)) {
            g_strfreev(parts);
            parts = g_strsplit("qtest", ":", -1);
        }
        for (char **p = parts; *p; p++) {
            Json *opts = json_object();
            json_set_str(opts, "accel", *p);
            g_ptr_array_add(list, opts);
        }
    }
    accel_perfmap = option_given(OPT_PERFMAP);
    accel_jitdump = option_given(OPT_JITDUMP);
    return accel_init(list, errp);
}

static void commit_drives(void)
{
    Error *err = NULL;
    if (!block_commit_all(&err))
        error_report_err(err);
}

static bool make_drives(Error **errp)
{
    static const struct {
        OptId id;
        DriveIf type;
        int index;
        const char *extra;
    } shorts[] = {
        {OPT_HDA, DRIVE_IF_DEFAULT, 0, "media=disk"},
        {OPT_HDB, DRIVE_IF_DEFAULT, 1, "media=disk"},
        {OPT_HDC, DRIVE_IF_DEFAULT, 2, "media=disk"},
        {OPT_HDD, DRIVE_IF_DEFAULT, 3, "media=disk"},
        {OPT_CDROM, DRIVE_IF_DEFAULT, 2, "media=cdrom"},
        {OPT_FDA, DRIVE_IF_FLOPPY, 0, NULL},
        {OPT_FDB, DRIVE_IF_FLOPPY, 1, NULL},
        {OPT_PFLASH, DRIVE_IF_PFLASH, -1, NULL},
        {OPT_SD, DRIVE_IF_SD, -1, NULL},
        {OPT_IMAGE, DRIVE_IF_DEFAULT, 0, "media=disk"},
    };
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        if (o->desc->id == OPT_DRIVE && drive_option_help(o->arg))
            done();
        if (o->desc->id == OPT_DRIVE && !drive_option(o->arg, errp))
            return error_prepend(errp, "%s: ", o->where);
        if (o->desc->id == OPT_BLOCKDEV && !blockdev_option(o->arg, errp))
            return error_prepend(errp, "%s: ", o->where);
        for (size_t k = 0; k < ARRAY_SIZE(shorts); k++) {
            if (o->desc->id != shorts[k].id)
                continue;
            g_autofree char *name = o->desc->id == OPT_IMAGE ? g_strdup("") : g_strdup_printf("-%s", o->desc->name);
            if (!drive_option_file(name, o->arg, shorts[k].type, shorts[k].index, shorts[k].extra, errp))
                return false;
        }
    }
    DrivesConfig cfg = {.default_if = DRIVE_IF_IDE,
                        .snapshot = option_given(OPT_SNAPSHOT),
                        .default_floppy = want_floppy,
                        .default_cdrom = want_cdrom};
    chardev_mux_commit_hook = commit_drives;
    return drives_init(&cfg, errp);
}

static bool set_uuid(Machine *m, const char *text, Error **errp)
{
    static const Prop p = {.name = "uuid", .type = &prop_uuid, .offset = offsetof(Machine, uuid)};
    g_autoptr(Json) v = json_string(text);
    m->uuid_set = prop_uuid.set(m, &p, v, true, errp);
    return m->uuid_set;
}

/* The machine has one UUID: the last one given, by -uuid or by -smbios type=1,uuid=. */
static bool set_identity(Machine *m, Error **errp)
{
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        if (o->desc->id == OPT_UUID && !set_uuid(m, o->arg, errp))
            return error_prepend(errp, "%s: ", o->where);
        if (o->desc->id != OPT_SMBIOS)
            continue;
        g_autoptr(Json) opts = parse(o, NULL, errp);
        if (!opts)
            return false;
        const char *uuid = json_get_str(opts, "uuid");
        if (!smbios_option_add(opts, errp) || (uuid && !set_uuid(m, uuid, errp)))
            return error_prepend(errp, "%s: ", o->where);
    }
    return true;
}

static bool set_firmware_options(Error **errp)
{
    for (const Option *o = NULL; (o = option_next(OPT_FW_CFG, o));) {
        g_autoptr(Json) opts = parse(o, "name", errp);
        if (!opts || !fw_cfg_option_add(opts, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    for (const Option *o = NULL; (o = option_next(OPT_ACPITABLE, o));) {
        g_autoptr(Json) opts = parse(o, NULL, errp);
        if (!opts || !acpitable_add(opts, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    for (const Option *o = NULL; (o = option_next(OPT_OPTION_ROM, o));) {
        g_autoptr(Json) opts = parse(o, "romfile", errp);
        if (!opts || !option_rom_option_add(opts, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    g_autoptr(Json) rtc = options_merged(OPT_RTC, "base", errp);
    return rtc && (!json_length(rtc) || rtc_configure(rtc, errp));
}

/* Options for which there is one right value yet: no sound. */
static bool check_absent(Error **errp)
{
    static const OptId none_only[] = {OPT_AUDIO, OPT_AUDIODEV};
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        for (size_t k = 0; k < ARRAY_SIZE(none_only); k++) {
            if (o->desc->id != none_only[k])
                continue;
            g_autoptr(Json) opts = parse(o, "driver", errp);
            if (!opts)
                return false;
            const char *type = json_get_str(opts, "driver");
            if (!type || strcmp(type, "none"))
                return error_set(errp, "%s: only 'none' is supported yet", o->where);
        }
        if (o->desc->id == OPT_FULL_SCREEN)
            warn_report("-full-screen: this display has no windows");
    }
    return true;
}

static bool set_displays(Machine *m, Error **errp)
{
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        bool ok = true;
        if (o->desc->id == OPT_DISPLAY)
            ok = display_option(o->arg, errp);
        else if (o->desc->id == OPT_NOGRAPHIC)
            ok = display_option("none", errp);
        else if (o->desc->id == OPT_CURSES)
            ok = display_option("curses", errp);
        else if (o->desc->id == OPT_KEYBOARD)
            ok = keymap_option(o->arg, errp);
        else if (o->desc->id == OPT_VNC)
            ok = vnc_option(o->arg, errp) || error_prepend(errp, "%s: ", o->where);
        if (!ok)
            return false;
    }
    /* Where nothing is said of displays. */
    if (!display_named() && !vnc_default(errp))
        return false;
    const Option *vga = option_last(OPT_VGA);
    const char *device;
    if (vga && !vga_type_device(vga->arg, true, &device, errp))
        return false;
    m->vga = vga ? g_strdup(vga->arg) : want_vga && !nographic ? m->desc->default_display : "none";
    return true;
}

extern const DeviceDesc virtio_blk_pci;

static bool make_devices(Error **errp)
{
    for (const Option *o = NULL; (o = option_next(OPT_DEBUGCON, o));) {
        Error *err = NULL;
        Chardev *chr = chardev_from_text("debugcon", o->arg, false, &err);
        g_autoptr(Json) opts = json_object();
        json_set_str(opts, "driver", "isa-debugcon");
        json_set_str(opts, "chardev", chr ? chardev_id(chr) : "");
        if (err || !device_add(opts, true, &err)) {
            error_propagate(errp, err);
            return error_prepend(errp, "%s: ", o->where);
        }
    }
    for (const Option *o = NULL; (o = option_next(OPT_DEVICE, o));) {
        bool json = *o->arg == '{';
        g_autoptr(Json) opts = parse(o, "driver", errp);
        if (!opts)
            return false;
        const char *driver = json_get_str(opts, "driver");
        const DeviceDesc *d = driver ? device_find_desc(driver) : NULL;
        if (d && (json_get(opts, "help") || json_get(opts, "?"))) {
            device_help(driver);
            done();
        }
        if (!device_add(opts, !json, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    /* if=virtio: the drive's device, behind the user's own */
    for (DriveInfo *d = NULL; (d = drive_claim_next(DRIVE_IF_VIRTIO, d));) {
        g_autoptr(Json) opts = json_object();
        json_set_str(opts, "driver", virtio_blk_pci.name);
        json_set_str(opts, "drive", blk_name(d->blk));
        if (!device_add(opts, false, errp))
            return error_prepend(errp, "%s: ", d->where);
    }
    return true;
}

static bool orphans(Error **errp)
{
    /* Each is said on its own; the last word is for the exit. */
    return !drives_check_orphans() && !error_set(errp, "some drives were not used by the machine");
}

static bool start_gdb(Error **errp)
{
    for (size_t i = 0; option_at(i); i++) {
        const Option *o = option_at(i);
        bool short_form = o->desc->id == OPT_GDB_STUB;
        if ((short_form || o->desc->id == OPT_GDB) && !gdbstub_start(short_form ? "tcp::1234" : o->arg, errp))
            return error_prepend(errp, "%s: ", o->where);
    }
    return true;
}

static bool audiodev_exists(const char *id)
{
    for (const Option *o = NULL; (o = option_next(OPT_AUDIODEV, o));) {
        g_autoptr(Json) opts = parse(o, "driver", NULL);
        const char *its = json_get_str(opts, "id");
        if (its && !strcmp(its, id))
            return true;
    }
    return false;
}

static bool start_displays(Machine *m, Error **errp)
{
    return display_init(errp) && vnc_start(m->name, audiodev_exists, errp);
}

bool startup_machine(Error **errp)
{
    if (!set_log(errp) || !check_absent(errp) || !set_actions(errp) || !add_fds(errp) || !set_overcommit(errp))
        return false;
    clock_init();
    memory_init();
    monitor_init();
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    Machine *m = machine_new(desc);
    for (const Option *o = NULL; (o = option_next(OPT_GLOBAL, o));)
        if (!global_add(o->arg, errp))
            return false;
    compat_props_set(desc->compat);
    note_defaults();
    if (!configure_machine(m, errp) || !set_name(m, errp) || !set_messages(m, errp) || !set_identity(m, errp) ||
        !set_firmware_options(errp) || !make_chardevs(errp) || !set_displays(m, errp) || !make_ports(m, errp) ||
        !make_network(errp) || !make_objects(errp))
        return false;
    const Option *qtest = option_last(OPT_QTEST), *log = option_last(OPT_QTEST_LOG);
    if (!choose_accel(errp))
        return false;
    if (qtest && !qtest_server_init(qtest->arg, log ? log->arg : NULL, errp))
        return error_prepend(errp, "%s: ", qtest->where);
    /* One transaction: the accelerator hears of the finished map, not of each step to it. */
    memory_begin();
    if (!make_drives(errp) || !desc->init(m, errp) || !make_devices(errp) || orphans(errp) || !net_cards_check(errp))
        return false;
    if (!qtest)
        net_warn_alone();
    memory_commit();
    if (!vcpus_start(errp))
        return false;
    globals_warn_unknown();
    machine_ready = true;
    if (m->fw_cfg)
        bootorder_update(m->fw_cfg);
    system_reset_now(CAUSE_NONE);
    return start_gdb(errp) && start_displays(m, errp);
}

void startup_cleanup(void)
{
    ASSERT_VM_LOCKED();
    rcu_lock();     /* nothing is freed before all is taken apart: lines lead from one device to another */
    memory_begin(); /* nothing looks at the map any more */
    if (system_bus)
        bus_fini(system_bus);
    rcu_unlock();
    objects_cleanup();
    net_cleanup();
}
