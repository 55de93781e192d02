/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handlers of QMP's commands (declared by the generated qapi-types.h), except those of PCI (pci.c) and negotiation
 * (qmp.c). Arguments have been checked against the schema when a handler gets them. Most only hand over to the part
 * that knows.
 */
#include "monitor/internal.h"

#include "accel/accel.h"
#include "backends/backends.h"
#include "block/drive.h"
#include "hw/virtio/balloon.h"
#include "hw/core/machine.h"
#include "hw/core/object.h"
#include "hw/timer/mc146818rtc.h"
#include "net/net.h"
#include "qapi/qapi.h"
#include "qapi/qapi-types.h"
#include "softmmu/options.h"
#include "softmmu/qom-view.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/fds.h"

#include <stdio.h>
#include <unistd.h>

static int64_t arg_int(const Json *args, const char *name, int64_t def)
{
    json_get_int(json_get(args, name), &def);
    return def;
}

static bool arg_bool(const Json *args, const char *name, bool def)
{
    json_get_bool(json_get(args, name), &def);
    return def;
}

/* For commands that return nothing: failure is in *errp already. */
static Json *done(bool ok)
{
    (void)ok;
    return NULL;
}

/* The index of an argument of an enum type; -1: not given. */
static int arg_enum(const Json *args, const char *name, const char *const *names)
{
    const char *s = json_get_str(args, name);
    for (int i = 0; s && names[i]; i++)
        if (!strcmp(names[i], s))
            return i;
    return -1;
}

/* --- control.json --- */

Json *qmp_query_version(const Json *args, Error **errp)
{
    Json *v = json_object(), *qemu = json_object();
    json_set_uint(qemu, "micro", 0);
    json_set_uint(qemu, "minor", 2);
    json_set_uint(qemu, "major", 8);
    json_set(v, "qemu", qemu);
    json_set_str(v, "package", version_package);
    return v;
}

Json *qmp_query_commands(const Json *args, Error **errp)
{
    Json *list = json_array();
    for (unsigned i = 0; i < qmp_command_count; i++) {
        Json *c = json_object();
        json_set_str(c, "name", qmp_commands[i].name);
        json_append(list, c);
    }
    return list;
}

Json *qmp_query_qmp_schema(const Json *args, Error **errp)
{
    return json_parse(qapi_schema_text, strlen(qapi_schema_text), errp);
}

Json *qmp_quit(const Json *args, Error **errp)
{
    opt_no_shutdown = false;
    system_shutdown_request(CAUSE_HOST_QMP_QUIT);
    return NULL;
}

Json *qmp_query_name(const Json *args, Error **errp)
{
    Json *v = json_object();
    if (machine && machine->name)
        json_set_str(v, "name", machine->name);
    return v;
}

Json *qmp_human_monitor_command(const Json *args, Error **errp)
{
    int64_t cpu = arg_int(args, "cpu-index", -1);
    if (json_get(args, "cpu-index") && (cpu < 0 || cpu >= vcpu_count || !vcpus[cpu])) {
        error_set(errp, "Parameter 'cpu-index' expects a CPU number");
        return NULL;
    }
    GString *out = g_string_new(NULL);
    hmp_execute_on(json_get_str(args, "command-line"), (int)cpu, out);
    GString *text = g_string_sized_new(out->len);
    monitor_append_text(text, out->str); /* as on a terminal: clients expect it */
    g_string_free(out, TRUE);
    Json *v = json_string(text->str);
    g_string_free(text, TRUE);
    return v;
}

Json *qmp_getfd(const Json *args, Error **errp)
{
    const char *name = json_get_str(args, "fdname");
    int fd = monitor_take_fd();
    if (fd < 0) {
        error_set(errp, "No file descriptor supplied via SCM_RIGHTS");
    } else if (g_ascii_isdigit(*name)) {
        close(fd);
        error_set(errp, "Parameter 'fdname' expects a name not starting with a digit");
    } else {
        fd_name_put(name, fd);
    }
    return NULL;
}

Json *qmp_closefd(const Json *args, Error **errp)
{
    return done(fd_name_close(json_get_str(args, "fdname"), errp));
}

Json *qmp_add_fd(const Json *args, Error **errp)
{
    int fd = monitor_take_fd();
    int64_t set = arg_int(args, "fdset-id", -1);
    if (fd < 0) {
        error_set(errp, "No file descriptor supplied via SCM_RIGHTS");
        return NULL;
    }
    if (json_get(args, "fdset-id") && set < 0) {
        close(fd);
        error_set(errp, "Parameter 'fdset-id' expects a non-negative value");
        return NULL;
    }
    set = fdset_add(set, fd, json_get_str(args, "opaque"), errp);
    if (set < 0)
        return NULL;
    Json *v = json_object();
    json_set_int(v, "fd", fd);
    json_set_int(v, "fdset-id", set);
    return v;
}

Json *qmp_remove_fd(const Json *args, Error **errp)
{
    int64_t fd = arg_int(args, "fd", -1);
    if (json_get(args, "fd") && fd < 0) {
        error_set(errp, "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found",
                  arg_int(args, "fdset-id", -1), fd);
        return NULL;
    }
    return done(fdset_remove(arg_int(args, "fdset-id", -1), fd, errp));
}

Json *qmp_query_fdsets(const Json *args, Error **errp)
{
    return fdset_query();
}

Json *qmp_query_command_line_options(const Json *args, Error **errp)
{
    return options_query(json_get_str(args, "option"), errp);
}

Json *qmp_query_yank(const Json *args, Error **errp)
{
    return json_array();
}

/* --- run-state.json --- */

Json *qmp_query_status(const Json *args, Error **errp)
{
    Json *v = json_object();
    json_set_str(v, "status", runstate_name(runstate()));
    json_set_bool(v, "singlestep", false);
    json_set_bool(v, "running", runstate_running());
    return v;
}

Json *qmp_stop(const Json *args, Error **errp)
{
    vm_stop(RUN_PAUSED);
    return NULL;
}

Json *qmp_cont(const Json *args, Error **errp)
{
    RunState s = runstate();
    if (s == RUN_INTERNAL_ERROR || s == RUN_SHUTDOWN)
        error_set(errp, "Resetting the Virtual Machine is required");
    else if (s != RUN_SUSPENDED) /* there only a wake-up helps */
        vm_start();
    return NULL;
}

Json *qmp_system_reset(const Json *args, Error **errp)
{
    system_reset_request(CAUSE_HOST_QMP_SYSTEM_RESET);
    return NULL;
}

Json *qmp_system_powerdown(const Json *args, Error **errp)
{
    system_powerdown_request();
    return NULL;
}

Json *qmp_system_wakeup(const Json *args, Error **errp)
{
    if (!machine || !machine->desc->acpi)
        return done(error_set(errp, "wake-up from suspend is not supported by this guest"));
    return done(system_wakeup_request(errp));
}

Json *qmp_inject_nmi(const Json *args, Error **errp)
{
    X86CPU *c;
    unsigned n = 0;
    FOREACH_VCPU (c) {
        cpu_board_nmi(c);
        n++;
    }
    if (!n)
        error_set(errp, "machine does not provide NMIs");
    return NULL;
}

Json *qmp_rtc_reset_reinjection(const Json *args, Error **errp)
{
    rtc_reset_reinjection();
    return NULL;
}

Json *qmp_watchdog_set_action(const Json *args, Error **errp)
{
    watchdog_action = (WatchdogAction)arg_enum(args, "action", qapi_WatchdogAction_names);
    return NULL;
}

Json *qmp_set_action(const Json *args, Error **errp)
{
    int reboot = arg_enum(args, "reboot", qapi_RebootAction_names);
    int shutdown = arg_enum(args, "shutdown", qapi_ShutdownAction_names);
    int panic = arg_enum(args, "panic", qapi_PanicAction_names);
    int watchdog = arg_enum(args, "watchdog", qapi_WatchdogAction_names);
    if (reboot >= 0)
        opt_no_reboot = reboot == QAPI_REBOOT_ACTION_SHUTDOWN;
    if (shutdown >= 0)
        opt_no_shutdown = shutdown == QAPI_SHUTDOWN_ACTION_PAUSE;
    if (panic >= 0)
        panic_action = (PanicAction)panic;
    if (watchdog >= 0)
        watchdog_action = (WatchdogAction)watchdog;
    return NULL;
}

/* --- machine.json --- */

static const char *target_name(void)
{
    return qapi_SysEmuTarget_names[QAPI_SYS_EMU_TARGET_X86_64];
}

Json *qmp_query_target(const Json *args, Error **errp)
{
    Json *v = json_object();
    json_set_str(v, "arch", target_name());
    return v;
}

Json *qmp_query_uuid(const Json *args, Error **errp)
{
    static const uint8_t none[16];
    const uint8_t *u = machine && machine->uuid_set ? machine->uuid : none;
    Json *v = json_object();
    json_set(v, "UUID",
             json_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
                         u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]));
    return v;
}

Json *qmp_query_balloon(const Json *args, Error **errp)
{
    uint64_t actual;
    if (!balloon_query(&actual, errp))
        return NULL;
    Json *v = json_object();
    json_set(v, "actual", json_uint(actual));
    return v;
}

Json *qmp_balloon(const Json *args, Error **errp)
{
    int64_t value = 0;
    json_get_int(json_get(args, "value"), &value);
    if (value <= 0)
        return done(error_set(errp, "Parameter 'target' expects a size"));
    return done(balloon_set(value, errp));
}

Json *qmp_query_kvm(const Json *args, Error **errp)
{
    Json *v = json_object();
    json_set_bool(v, "enabled", accel && !strcmp(accel->name, "kvm"));
    json_set_bool(v, "present", true);
    return v;
}

Json *qmp_query_machines(const Json *args, Error **errp)
{
    Json *list = json_array();
    for (const MachineDesc *const *p = machine_table; *p; p++) {
        const MachineDesc *d = *p;
        Json *v = json_object();
        json_set_bool(v, "hotpluggable-cpus", d->hotpluggable_cpus);
        json_set_str(v, "name", d->name);
        json_set_bool(v, "numa-mem-supported", d->numa_mem);
        if (d->default_cpu)
            json_set(v, "default-cpu-type", json_printf("%s-x86_64-cpu", d->default_cpu));
        if (d->is_default)
            json_set_bool(v, "is-default", true);
        json_set_uint(v, "cpu-max", d->max_cpus);
        json_set_bool(v, "deprecated", d->deprecated);
        if (d->default_ram_id)
            json_set_str(v, "default-ram-id", d->default_ram_id);
        if (d->alias)
            json_set_str(v, "alias", d->alias);
        json_set_bool(v, "acpi", d->acpi);
        json_append(list, v);
    }
    return list;
}

Json *qmp_query_current_machine(const Json *args, Error **errp)
{
    Json *v = json_object();
    json_set_bool(v, "wakeup-suspend-support", machine && machine->desc->acpi);
    return v;
}

/* Where the CPU with that index is in the machine's -smp. */
static Json *cpu_place(unsigned index)
{
    const SmpConfig *s = &machine->smp;
    unsigned threads = MAX(s->threads, 1), cores = MAX(s->cores, 1) * MAX(s->clusters, 1), dies = MAX(s->dies, 1);
    Json *props = json_object();
    json_set_uint(props, "core-id", index / threads % cores);
    json_set_uint(props, "thread-id", index % threads);
    if (dies > 1)
        json_set_uint(props, "die-id", index / threads / cores % dies);
    json_set_uint(props, "socket-id", index / threads / cores / dies);
    return props;
}

Json *qmp_query_hotpluggable_cpus(const Json *args, Error **errp)
{
    if (!machine || !machine->desc->hotpluggable_cpus || !vcpu_count) {
        error_set(errp, "The feature 'query-hotpluggable-cpus' is not enabled");
        return NULL;
    }
    const char *model = machine->cpu_model ? machine->cpu_model : machine->desc->default_cpu;
    Json *list = json_array();
    for (unsigned i = MIN(machine->smp.max_cpus, VCPUS_MAX); i-- > 0;) { /* QEMU's order */
        const X86CPU *c = i < vcpu_count ? vcpus[i] : NULL;
        Json *v = json_object();
        json_set(v, "props", cpu_place(i));
        json_set_uint(v, "vcpus-count", 1);
        if (c && c->dev.path)
            json_set_str(v, "qom-path", c->dev.path);
        json_set(v, "type", json_printf("%.*s-x86_64-cpu", (int)strcspn(model, ","), model));
        json_append(list, v);
    }
    return list;
}

Json *qmp_query_cpus_fast(const Json *args, Error **errp)
{
    Json *list = json_array();
    X86CPU *c;
    FOREACH_VCPU (c) {
        Json *v = json_object();
        json_set_int(v, "thread-id", c->host_tid);
        json_set(v, "props", cpu_place(c->index));
        json_set_str(v, "qom-path", c->dev.path ? c->dev.path : "");
        json_set_str(v, "target", target_name());
        json_set_uint(v, "cpu-index", c->index);
        json_append(list, v);
    }
    return list;
}

Json *qmp_query_cpu_definitions(const Json *args, Error **errp)
{
    return cpu_definitions();
}

Json *qmp_query_cpu_model_expansion(const Json *args, Error **errp)
{
    const Json *in = json_get(args, "model"), *props = json_get(in, "props");
    bool full = arg_enum(args, "type", qapi_CpuModelExpansionType_names) == QAPI_CPU_MODEL_EXPANSION_TYPE_FULL;
    if (props && json_type(props) != JSON_OBJECT)
        return done(error_set(errp, "Invalid parameter type for 'model.props', expected: object"));
    Json *out = cpu_model_expand(json_get_str(in, "name"), props, full, errp);
    if (!out)
        return NULL;
    Json *v = json_object(), *model = json_object();
    json_set_str(model, "name", full ? json_get_str(in, "name") : "base");
    json_set(model, "props", out);
    json_set(v, "model", model);
    return v;
}

Json *qmp_query_memory_size_summary(const Json *args, Error **errp)
{
    Json *v = json_object();
    json_set_uint(v, "base-memory", machine ? machine->ram_size : 0);
    json_set_uint(v, "plugged-memory", 0);
    return v;
}

/* Write size bytes that read() gives from addr on to a file. */
static bool save_memory(const Json *args, bool (*read)(void *opaque, uint64_t addr, void *buf, size_t len),
                        void *opaque, Error **errp)
{
    const char *path = json_get_str(args, "filename");
    uint64_t addr = (uint64_t)arg_int(args, "val", 0);
    int64_t left = arg_int(args, "size", 0);
    if (left < 0)
        return error_set(errp, "Parameter 'size' expects a value that is not negative");
    FILE *f = fopen(path, "wbe");
    if (!f)
        return error_set_errno(errp, errno, "Could not open '%s'", path);
    uint8_t buf[4096];
    bool ok = true;
    while (ok && left > 0) {
        size_t n = MIN((uint64_t)left, sizeof(buf) - addr % sizeof(buf));
        ok = read(opaque, addr, buf, n) || error_set(errp, "Invalid addr 0x%016" PRIx64 "/size %" PRId64 " specified",
                                                     (uint64_t)arg_int(args, "val", 0), arg_int(args, "size", 0));
        if (ok && fwrite(buf, 1, n, f) != n)
            ok = error_set_errno(errp, errno, "Could not write '%s'", path);
        addr += n;
        left -= n;
    }
    if (fclose(f) && ok)
        ok = error_set_errno(errp, errno, "Could not write '%s'", path);
    return ok;
}

static bool read_virtual(void *cpu, uint64_t addr, void *buf, size_t len)
{
    return cpu_read_virtual(cpu, addr, buf, len);
}

static bool read_physical(void *unused, uint64_t addr, void *buf, size_t len)
{
    as_read(&as_memory, addr, buf, len); /* holes read as all ones */
    return true;
}

typedef struct MemsaveWork {
    const Json *args;
    bool ok;
    Error **errp;
} MemsaveWork;

static void memsave_on(X86CPU *c, void *arg)
{
    MemsaveWork *w = arg;
    cpu_sync_get(c);
    w->ok = save_memory(w->args, read_virtual, c, w->errp);
}

Json *qmp_memsave(const Json *args, Error **errp)
{
    int64_t i = arg_int(args, "cpu-index", 0);
    if (i < 0 || i >= vcpu_count || !vcpus[i]) {
        error_set(errp, "Parameter 'cpu-index' expects a CPU number");
        return NULL;
    }
    vcpu_run_on(vcpus[i], memsave_on, &(MemsaveWork){.args = args, .errp = errp});
    return NULL;
}

Json *qmp_pmemsave(const Json *args, Error **errp)
{
    return done(save_memory(args, read_physical, NULL, errp));
}

Json *qmp_query_memdev(const Json *args, Error **errp)
{
    return memory_backends_query();
}

Json *qmp_query_iothreads(const Json *args, Error **errp)
{
    return iothreads_query();
}

Json *qmp_query_tpm_models(const Json *args, Error **errp)
{
    return json_array();
}

Json *qmp_query_tpm_types(const Json *args, Error **errp)
{
    return json_array();
}

Json *qmp_query_migrate_capabilities(const Json *args, Error **errp)
{
    return json_array();
}

/* --- qom.json --- */

Json *qmp_qom_list(const Json *args, Error **errp)
{
    return qom_list(json_get_str(args, "path"), errp);
}

Json *qmp_qom_get(const Json *args, Error **errp)
{
    return qom_get(json_get_str(args, "path"), json_get_str(args, "property"), errp);
}

Json *qmp_qom_set(const Json *args, Error **errp)
{
    return done(qom_set(json_get_str(args, "path"), json_get_str(args, "property"), json_get(args, "value"), errp));
}

Json *qmp_qom_list_types(const Json *args, Error **errp)
{
    return qom_list_types(json_get_str(args, "implements"), arg_bool(args, "abstract", false), errp);
}

Json *qmp_qom_list_properties(const Json *args, Error **errp)
{
    return qom_list_properties(json_get_str(args, "typename"), errp);
}

Json *qmp_device_list_properties(const Json *args, Error **errp)
{
    return device_list_properties(json_get_str(args, "typename"), errp);
}

Json *qmp_device_add(const Json *args, Error **errp)
{
    /* Strings are taken for any property ("addr": "0x2", "port": "1"), as on the command line: clients rely on it. */
    return done(device_add(args, true, errp) != NULL);
}

Json *qmp_device_del(const Json *args, Error **errp)
{
    const char *id = json_get_str(args, "id");
    Device *dev = device_find(id);
    if (!dev)
        return done(error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id));
    return done(device_del(dev, errp));
}

Json *qmp_object_add(const Json *args, Error **errp)
{
    return done(object_add(args, false, errp));
}

Json *qmp_object_del(const Json *args, Error **errp)
{
    return done(object_del(json_get_str(args, "id"), errp));
}

/* --- char.json --- */

Json *qmp_query_chardev(const Json *args, Error **errp)
{
    return chardev_query();
}

Json *qmp_query_chardev_backends(const Json *args, Error **errp)
{
    return chardev_query_backends();
}

Json *qmp_ringbuf_write(const Json *args, Error **errp)
{
    return done(chardev_ringbuf_write(json_get_str(args, "device"), json_get_str(args, "data"),
                                      json_get_str(args, "format"), errp));
}

Json *qmp_ringbuf_read(const Json *args, Error **errp)
{
    return chardev_ringbuf_read(json_get_str(args, "device"), arg_int(args, "size", 0), json_get_str(args, "format"),
                                errp);
}

Json *qmp_chardev_add(const Json *args, Error **errp)
{
    return chardev_add(args, errp);
}

Json *qmp_chardev_remove(const Json *args, Error **errp)
{
    return done(chardev_remove(json_get_str(args, "id"), errp));
}

Json *qmp_chardev_send_break(const Json *args, Error **errp)
{
    return done(chardev_send_break(json_get_str(args, "id"), errp));
}

/* --- block.json --- */

Json *qmp_query_block(const Json *args, Error **errp)
{
    return block_query();
}

Json *qmp_query_named_block_nodes(const Json *args, Error **errp)
{
    return block_query_nodes(arg_bool(args, "flat", false));
}

Json *qmp_query_blockstats(const Json *args, Error **errp)
{
    return block_query_stats(arg_bool(args, "query-nodes", false));
}

/* A medium is named by its drive or by the guest device, not by both. */
static bool one_of(const char *a, const char *b, const char *names, Error **errp)
{
    return !a != !b || error_set(errp, "Need exactly one of %s", names);
}

Json *qmp_eject(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *id = json_get_str(args, "id");
    return done(one_of(device, id, "'device' and 'id'", errp) &&
                block_eject(device, id, arg_bool(args, "force", false), errp));
}

Json *qmp_blockdev_open_tray(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *id = json_get_str(args, "id");
    return done(one_of(device, id, "'device' and 'id'", errp) &&
                block_open_tray(device, id, arg_bool(args, "force", false), errp));
}

Json *qmp_blockdev_close_tray(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *id = json_get_str(args, "id");
    return done(one_of(device, id, "'device' and 'id'", errp) && block_close_tray(device, id, errp));
}

Json *qmp_blockdev_remove_medium(const Json *args, Error **errp)
{
    return done(block_remove_medium(NULL, json_get_str(args, "id"), errp));
}

Json *qmp_blockdev_insert_medium(const Json *args, Error **errp)
{
    return done(block_insert_medium(NULL, json_get_str(args, "id"), json_get_str(args, "node-name"), errp));
}

Json *qmp_blockdev_change_medium(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *id = json_get_str(args, "id");
    return done(one_of(device, id, "'device' and 'id'", errp) &&
                block_change_medium(device, id, json_get_str(args, "filename"), json_get_str(args, "format"),
                                    json_get_str(args, "read-only-mode"), arg_bool(args, "force", false), errp));
}

Json *qmp_block_resize(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *node = json_get_str(args, "node-name");
    int64_t size = arg_int(args, "size", -1);
    if (size < 0)
        return done(error_set(errp, "Parameter 'size' expects a >0 size"));
    return done(one_of(device, node, "'device' and 'node-name'", errp) &&
                block_resize(device, node, (uint64_t)size, errp));
}

Json *qmp_block_set_io_throttle(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *id = json_get_str(args, "id");
    ThrottleLimits l = {.iops_size = (uint64_t)arg_int(args, "iops_size", 0)};
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        const char *name = throttle_qmp_names[i];
        g_autofree char *max = g_strdup_printf("%s_max", name), *length = g_strdup_printf("%s_length", max);
        l.avg[i] = (uint64_t)arg_int(args, name, 0);
        l.max[i] = (uint64_t)arg_int(args, max, 0);
        l.length[i] = (uint64_t)arg_int(args, length, 1);
    }
    return done(one_of(device, id, "'device' and 'id'", errp) &&
                block_set_io_throttle(device, id, json_get_str(args, "group"), &l, errp));
}

Json *qmp_blockdev_snapshot(const Json *args, Error **errp)
{
    return done(block_snapshot(json_get_str(args, "node"), json_get_str(args, "overlay"), errp));
}

Json *qmp_blockdev_snapshot_sync(const Json *args, Error **errp)
{
    const char *device = json_get_str(args, "device"), *node = json_get_str(args, "node-name");
    const char *mode = json_get_str(args, "mode");
    return done(one_of(device, node, "'device' and 'node-name'", errp) &&
                block_snapshot_sync(device, node, json_get_str(args, "snapshot-file"),
                                    json_get_str(args, "snapshot-node-name"), json_get_str(args, "format"),
                                    mode && !strcmp(mode, "existing"), errp));
}

Json *qmp_blockdev_add(const Json *args, Error **errp)
{
    return done(blockdev_add(args, errp));
}

Json *qmp_blockdev_del(const Json *args, Error **errp)
{
    return done(blockdev_del(json_get_str(args, "node-name"), errp));
}

/* --- net.json --- */

Json *qmp_set_link(const Json *args, Error **errp)
{
    return done(net_set_link_by_name(json_get_str(args, "name"), arg_bool(args, "up", false), errp));
}

Json *qmp_netdev_add(const Json *args, Error **errp)
{
    return done(netdev_add(args, errp));
}

Json *qmp_netdev_del(const Json *args, Error **errp)
{
    return done(netdev_del(json_get_str(args, "id"), errp));
}

Json *qmp_query_rx_filter(const Json *args, Error **errp)
{
    return net_query_rx_filter(json_get_str(args, "name"), errp);
}

Json *qmp_announce_self(const Json *args, Error **errp)
{
    return done(net_announce(arg_int(args, "initial", 0), arg_int(args, "max", 0), arg_int(args, "rounds", 0),
                             arg_int(args, "step", 0), json_get(args, "interfaces"), json_get_str(args, "id"), errp));
}

/* --- ui.json --- */

Json *qmp_screendump(const Json *args, Error **errp)
{
    return done(screendump(json_get_str(args, "filename"), json_get_str(args, "device"), arg_int(args, "head", -1),
                           json_get_str(args, "format"), errp));
}

Json *qmp_query_mice(const Json *args, Error **errp)
{
    return input_query_mice();
}

Json *qmp_send_key(const Json *args, Error **errp)
{
    return done(input_send_keys(json_get(args, "keys"), arg_int(args, "hold-time", -1), errp));
}

Json *qmp_input_send_event(const Json *args, Error **errp)
{
    return done(
        input_send_events(json_get_str(args, "device"), arg_int(args, "head", -1), json_get(args, "events"), errp));
}

Json *qmp_query_display_options(const Json *args, Error **errp)
{
    return display_query_options();
}
