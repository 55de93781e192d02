/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the human monitor's commands, and those that act. The others are in hmp-memory.c and hmp-info.c. */
#include "monitor/hmp.h"

#include "block/drive.h"
#include "hw/core/device.h"
#include "hw/core/object.h"
#include "hw/virtio/balloon.h"
#include "qapi/qapi-types.h"
#include "softmmu/gdbstub.h"
#include "softmmu/options.h"
#include "softmmu/qom-view.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/keyval.h"
#include "util/log.h"

static bool flag(const Json *args, const char *name)
{
    bool b = false;
    json_get_bool(json_get(args, name), &b);
    return b;
}

static int64_t number(const Json *args, const char *name, int64_t def)
{
    uint64_t u;
    return json_get_uint(json_get(args, name), &u) ? (int64_t)u : def;
}

/* Run a QMP command with the same arguments; its reply is dropped. */
static void by_qmp(Hmp *h, Json *(*fn)(const Json *, Error **), const Json *args)
{
    Error *err = NULL;
    json_unref(fn(args, &err));
    hmp_error(h, err);
}

static void cmd_help(Hmp *h, const Json *args)
{
    hmp_help(h, json_get_str(args, "name"));
}

static void cmd_info(Hmp *h, const Json *args)
{
    hmp_help(h, "info");
}

static void cmd_quit(Hmp *h, const Json *args)
{
    h->last = true;
    by_qmp(h, qmp_quit, args);
}

static void cmd_stop(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_stop, args);
}

static void cmd_cont(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_cont, args);
}

static void cmd_gdbserver(Hmp *h, const Json *args)
{
    const char *device = json_get_str(args, "device");
    Error *err = NULL;
    if (!device)
        device = "tcp::1234";
    if (!gdbstub_start(device, &err))
        hmp_error(h, err);
    else if (!strcmp(device, "none"))
        hmp_print(h, "Disabled gdbserver\n");
    else
        hmp_print(h, "Waiting for gdb connection on device '%s'\n", device);
}

static void cmd_system_reset(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_system_reset, args);
}

static void cmd_system_powerdown(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_system_powerdown, args);
}

static void cmd_system_wakeup(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_system_wakeup, args);
}

static void cmd_nmi(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_inject_nmi, args);
}

static void cmd_cpu(Hmp *h, const Json *args)
{
    if (!hmp_set_cpu(h, (uint64_t)number(args, "index", 0)))
        hmp_print(h, "invalid CPU index\n");
}

static void cmd_watchdog_action(Hmp *h, const Json *args)
{
    if (g_strv_contains(qapi_WatchdogAction_names, json_get_str(args, "action")))
        by_qmp(h, qmp_watchdog_set_action, args);
    else
        hmp_print(h, "Error: invalid parameter value: %s\n", json_get_str(args, "action"));
}

/* log and logfile */
static void print_log_items(Hmp *h)
{
    GString *s = g_string_new(NULL);
    log_help_text(s);
    hmp_print(h, "%s", s->str);
    g_string_free(s, TRUE);
}

static void cmd_log(Hmp *h, const Json *args)
{
    const char *items = json_get_str(args, "items");
    Error *err = NULL;
    if (!strcmp(items, "none"))
        log_mask = 0;
    else if (!strcmp(items, "help") || !log_set_items(items, &err))
        print_log_items(h);
    error_free(err);
}

static void cmd_logfile(Hmp *h, const Json *args)
{
    Error *err = NULL;
    log_set_file(json_get_str(args, "filename"), &err);
    hmp_error(h, err);
}

/* --- Keyboard, mouse, screen --- */

static void cmd_sendkey(Hmp *h, const Json *args)
{
    Error *err = NULL;
    if (!input_send_key_text(json_get_str(args, "keys"), number(args, "hold_ms", -1), &err))
        hmp_print(h, "%s\n", error_text(err));
    error_free(err);
}

static int signed_number(const Json *args, const char *name)
{
    const char *s = json_get_str(args, name);
    return s ? (int)CLAMP(g_ascii_strtoll(s, NULL, 0), -0x10000, 0x10000) : 0;
}

static void cmd_mouse_move(Hmp *h, const Json *args)
{
    input_mouse_move(signed_number(args, "dx"), signed_number(args, "dy"), signed_number(args, "dz"));
}

static void cmd_mouse_button(Hmp *h, const Json *args)
{
    input_mouse_button((unsigned)number(args, "state", 0));
}

static void cmd_mouse_set(Hmp *h, const Json *args)
{
    Error *err = NULL;
    input_set_mouse((unsigned)number(args, "index", 0), &err);
    hmp_error(h, err);
}

static void cmd_screendump(Hmp *h, const Json *args)
{
    Error *err = NULL;
    const char *name = json_get_str(args, "filename");
    screendump(name, json_get_str(args, "device"), number(args, "head", -1), json_get_str(args, "format"), &err);
    hmp_error(h, err);
}

/* --- Devices, objects, back ends --- */

static void cmd_device_add(Hmp *h, const Json *args)
{
    const char *text = json_get_str(args, "device");
    Error *err = NULL;
    bool is_text = true;
    if (keyval_has_help(text)) {
        g_autofree char *name = g_strndup(text, strcspn(text, ","));
        bool list = !strcmp(name, "help") || !strcmp(name, "?");
        if (list || device_find_desc(name))
            device_help_text(list ? NULL : name, h->out);
        else
            hmp_print(h, "Error: '%s' is not a valid device model name\n", name);
        return;
    }
    g_autoptr(Json) opts = json_or_keyval(text, "driver", &is_text, &err);
    if (opts)
        device_add(opts, is_text, &err);
    hmp_error(h, err);
}

static void cmd_device_del(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_device_del, args);
}

static void cmd_object_add(Hmp *h, const Json *args)
{
    const char *text = json_get_str(args, "object");
    Error *err = NULL;
    bool is_text = true;
    if (keyval_has_help(text)) {
        hmp_print(h, "List of user creatable objects:\n");
        for (const ObjectDesc *const *d = object_table; *d; d++)
            hmp_print(h, "  %s\n", (*d)->name);
        return;
    }
    g_autoptr(Json) opts = json_or_keyval_dotted(text, "qom-type", &is_text, &err);
    if (opts)
        object_add(opts, is_text, &err);
    hmp_error(h, err);
}

static void cmd_object_del(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_object_del, args);
}

static void cmd_chardev_add(Hmp *h, const Json *args)
{
    Error *err = NULL;
    g_autoptr(Json) opts = keyval_parse(json_get_str(args, "args"), "backend", &err);
    if (opts && !json_get(opts, "id"))
        error_set(&err, "chardev: no id specified");
    else if (opts)
        chardev_new(opts, &err);
    hmp_error(h, err);
}

static void cmd_chardev_remove(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_chardev_remove, args);
}

static void cmd_chardev_send_break(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_chardev_send_break, args);
}

static void cmd_ringbuf_write(Hmp *h, const Json *args)
{
    by_qmp(h, qmp_ringbuf_write, args);
}

static void cmd_ringbuf_read(Hmp *h, const Json *args)
{
    Error *err = NULL;
    g_autoptr(Json) v = chardev_ringbuf_read(json_get_str(args, "device"), number(args, "size", 0), NULL, &err);
    hmp_error(h, err);
    if (v)
        hmp_print(h, "%s\n", json_get_string(v));
}

static void cmd_balloon(Hmp *h, const Json *args)
{
    int64_t mib = number(args, "value", 0);
    Error *err = NULL;
    if (mib <= 0 || mib > INT64_MAX / (int64_t)MIB)
        error_set(&err, "Parameter 'value' expects a size in MiB");
    else
        balloon_set((uint64_t)mib * MIB, &err);
    hmp_error(h, err);
}

static void info_balloon(Hmp *h, const Json *args)
{
    Error *err = NULL;
    uint64_t actual;
    if (balloon_query(&actual, &err))
        hmp_print(h, "balloon: actual=%" PRIu64 "\n", actual / MIB);
    hmp_error(h, err);
}

static void cmd_eject(Hmp *h, const Json *args)
{
    Error *err = NULL;
    block_eject(json_get_str(args, "device"), NULL, flag(args, "f"), &err);
    hmp_error(h, err);
}

static void cmd_change(Hmp *h, const Json *args)
{
    static const char *const modes[] = {"retain", "read-only", "read-write", NULL};
    const char *mode = json_get_str(args, "read-only-mode");
    Error *err = NULL;
    if (!strcmp(json_get_str(args, "device"), "vnc")) {
        hmp_change_vnc(h, args);
        return;
    }
    if (mode && !g_strv_contains(modes, mode))
        error_set(&err, "Parameter 'read-only-mode' does not accept value '%s'", mode);
    else
        block_change_medium(json_get_str(args, "device"), NULL, json_get_str(args, "target"),
                            json_get_str(args, "format"), mode, flag(args, "f"), &err);
    hmp_error(h, err);
}

static void cmd_block_resize(Hmp *h, const Json *args)
{
    Error *err = NULL;
    uint64_t size;
    if (parse_size(json_get_str(args, "size"), 'M', &size))
        block_resize(json_get_str(args, "device"), NULL, size, &err);
    else
        error_set(&err, "invalid size");
    hmp_error(h, err);
}

/* As QEMU tells them of these two commands: without "Error: ". */
static void plain_error(Hmp *h, Error *err)
{
    if (err)
        hmp_print(h, "%s\n", error_text(err));
    error_free(err);
}

static void cmd_drive_add(Hmp *h, const Json *args)
{
    Error *err = NULL;
    const char *opts = json_get_str(args, "opts"); /* the slot means nothing: device_add gives the drive its place */
    if (flag(args, "n"))
        drive_add_node(opts, &err);
    else if (drive_add_hmp(opts, &err))
        hmp_print(h, "OK\n");
    plain_error(h, err);
}

static void cmd_block_set_io_throttle(Hmp *h, const Json *args)
{
    Error *err = NULL;
    const char *device = json_get_str(args, "device");
    g_autoptr(Json) a = json_copy(args);
    if (!blk_find(device)) { /* a device's id or QOM path */
        json_remove(a, "device");
        json_set_str(a, "id", device);
    }
    json_unref(qmp_block_set_io_throttle(a, &err));
    hmp_error(h, err);
}

static void cmd_commit(Hmp *h, const Json *args)
{
    Error *err = NULL;
    const char *device = json_get_str(args, "device");
    if (strcmp(device, "all"))
        block_commit(device, &err);
    else
        block_commit_all(&err);
    plain_error(h, err);
}

static void cmd_snapshot_blkdev(Hmp *h, const Json *args)
{
    Error *err = NULL;
    const char *file = json_get_str(args, "snapshot-file");
    if (file)
        block_snapshot_sync(json_get_str(args, "device"), NULL, file, NULL, json_get_str(args, "format"),
                            flag(args, "n"), &err);
    else
        error_set(&err, "Parameter 'snapshot-file' is missing");
    hmp_error(h, err);
}

static void cmd_drive_del(Hmp *h, const Json *args)
{
    Error *err = NULL;
    drive_del(json_get_str(args, "id"), &err);
    hmp_error(h, err);
}

/* --- Files of guest memory --- */

/* The QMP commands take signed numbers; what does not fit is refused there. */
static void save(Hmp *h, const Json *args, Json *(*fn)(const Json *, Error **))
{
    g_autoptr(Json) a = json_object();
    json_set_int(a, "val", number(args, "val", 0));
    json_set_int(a, "size", number(args, "size", 0));
    json_set_str(a, "filename", json_get_str(args, "filename"));
    if (h->cpu_index >= 0)
        json_set_int(a, "cpu-index", h->cpu_index);
    by_qmp(h, fn, a);
}

static void cmd_memsave(Hmp *h, const Json *args)
{
    save(h, args, qmp_memsave);
}

static void cmd_pmemsave(Hmp *h, const Json *args)
{
    save(h, args, qmp_pmemsave);
}

/* --- The object tree --- */

static void cmd_qom_list(Hmp *h, const Json *args)
{
    const char *path = json_get_str(args, "path");
    Error *err = NULL;
    if (!path) {
        hmp_print(h, "/\n");
        return;
    }
    g_autoptr(Json) list = qom_list(path, &err);
    hmp_error(h, err);
    for (size_t i = 0; i < json_length(list); i++)
        hmp_print(h, "%s (%s)\n", json_get_str(json_at(list, i), "name"), json_get_str(json_at(list, i), "type"));
}

static void cmd_qom_get(Hmp *h, const Json *args)
{
    Error *err = NULL;
    g_autoptr(Json) v = qom_get(json_get_str(args, "path"), json_get_str(args, "property"), &err);
    hmp_error(h, err);
    if (v) {
        g_autofree char *text = json_to_string(v, true);
        hmp_print(h, "%s\n", text);
    }
}

static void cmd_qom_set(Hmp *h, const Json *args)
{
    const char *text = json_get_str(args, "value");
    Error *err = NULL;
    /* JSON with -j, else text: as a word it means a number or a truth where the property is one. */
    g_autoptr(Json) v = flag(args, "j") ? json_parse(text, strlen(text), &err) : json_string(text);
    if (v)
        qom_set(json_get_str(args, "path"), json_get_str(args, "property"), v, &err);
    hmp_error(h, err);
}

const HmpCommand hmp_info_commands[] = {
    {"balloon", "", "", "the guest's memory by the balloon", info_balloon},
    {"block", "-n -v device:s?", "[-n] [-v] [device]", "block devices (-n: named nodes, -v: details)", hmp_info_block},
    {"blockstats", "", "", "block device statistics", hmp_info_blockstats},
    {"chardev", "", "", "character devices", hmp_info_chardev},
    {"cpus", "", "", "virtual CPUs and their threads", hmp_info_cpus},
    {"history", "", "", "lines typed so far", hmp_info_history},
    {"iothreads", "", "", "I/O threads", hmp_info_iothreads},
    {"irq", "", "", "interrupts counted by line", hmp_info_irq},
    {"jit", "", "", "counts of the engine's translator", hmp_info_jit},
    {"kvm", "", "", "whether KVM is in use", hmp_info_kvm},
    {"lapic", "apic-id:e?", "[apic-id]", "registers of a local APIC", hmp_info_lapic},
    {"mem", "", "", "what the page tables map, as ranges", hmp_info_mem},
    {"memdev", "", "", "memory backends", hmp_info_memdev},
    {"memory_size_summary", "", "", "bytes of guest memory", hmp_info_memory_size_summary},
    {"mice", "", "", "mice, and which one gets the events", hmp_info_mice},
    {"mtree", "-f -D", "[-f] [-D]", "memory tree (-f: as the CPU sees it, flattened; -D: disabled regions too)",
     hmp_info_mtree},
    {"name", "", "", "name of the VM", hmp_info_name},
    {"network", "", "", "network cards and back ends", hmp_info_network},
    {"numa", "", "", "NUMA nodes", hmp_info_numa},
    {"pci", "", "", "PCI devices", hmp_info_pci},
    {"pic", "", "", "state of the interrupt controllers", hmp_info_pic},
    {"qom-tree", "path:s?", "[path]", "object tree", hmp_info_qom_tree},
    {"qtree", "", "", "device tree", hmp_info_qtree},
    {"registers", "-a vcpu:e?", "[-a|vcpu]", "CPU registers (-a: of all CPUs)", hmp_info_registers},
    {"roms", "", "", "firmware, option ROMs and tables", hmp_info_roms},
    {"stats", "target:s names:s? provider:s?", "target [names] [provider]",
     "statistics of the 'vm' or of a 'vcpu' (names: a,b,c or *)", hmp_info_stats},
    {"status", "", "", "whether the VM runs", hmp_info_status},
    {"tlb", "", "", "what the page tables map, page by page", hmp_info_tlb},
    {"usernet", "", "", "connections of user networks", hmp_info_usernet},
    {"uuid", "", "", "UUID of the VM", hmp_info_uuid},
    {"version", "", "", "version", hmp_info_version},
    {"vnc", "", "", "VNC servers and their clients", hmp_info_vnc},
    {},
};

const HmpCommand hmp_commands[] = {
    {"announce_self", "interfaces:s? id:s?", "[interfaces] [id]", "tell the network where the cards are",
     hmp_announce_self},
    {"balloon", "value:e", "target", "ask the guest to have this much memory (MiB)", cmd_balloon},
    {"block_resize", "device:B size:s", "device size", "change the size of an image (MiB, or with a suffix)",
     cmd_block_resize},
    {"block_set_io_throttle", "device:B bps:e bps_rd:e bps_wr:e iops:e iops_rd:e iops_wr:e",
     "device bps bps_rd bps_wr iops iops_rd iops_wr", "limit a drive's bytes and requests per second (0: no limit)",
     cmd_block_set_io_throttle},
    {"change", "-f device:B target:s format:s? read-only-mode:s?", "[-f] device filename [format [read-only-mode]]",
     "put another medium into a drive (-f: even if locked); change vnc password PASSWORD", cmd_change},
    {"chardev-add", "args:s", "args", "add a character device, as -chardev", cmd_chardev_add},
    {"chardev-remove", "id:s", "id", "remove a character device", cmd_chardev_remove},
    {"chardev-send-break", "id:s", "id", "send a break on a character device", cmd_chardev_send_break},
    {"commit", "device:B", "device|all", "write what an overlay holds (also -snapshot's) into the image behind it",
     cmd_commit},
    {"cont|c", "", "", "run the VM again", cmd_cont},
    {"cpu", "index:e", "index", "choose the CPU that other commands look at", cmd_cpu},
    {"device_add", "device:S", "driver[,prop=value][,...]", "plug in a device, as -device", cmd_device_add},
    {"device_del", "id:s", "device", "unplug a device", cmd_device_del},
    {"drive_add", "-n slot:s opts:s", "[-n] [[<domain>:]<bus>:]<slot> options",
     "add a drive, as -drive with if=none (-n: a node, as -blockdev)", cmd_drive_add},
    {"drive_del", "id:B", "device", "remove a drive", cmd_drive_del},
    {"eject", "-f device:B", "[-f] device", "take the medium out of a drive (-f: even if locked)", cmd_eject},
    {"gdbserver", "device:s?", "[device]", "serve gdb on a character back end (tcp::1234), or 'none'", cmd_gdbserver},
    {"gpa2hva", "addr:e", "addr", "host address of guest-physical memory", hmp_gpa2hva},
    {"gva2gpa", "addr:e", "addr", "physical address of a virtual one", hmp_gva2gpa},
    {"help|?", "name:S?", "[cmd]", "show the commands, or one of them", cmd_help},
    {"hostfwd_add", "arg1:s arg2:s?", "[netdev_id] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
     "forward a host's port into a user network", hmp_hostfwd_add},
    {"hostfwd_remove", "arg1:s arg2:s?", "[netdev_id] [tcp|udp]:[hostaddr]:hostport", "stop forwarding a port",
     hmp_hostfwd_remove},
    {"i", "fmt:f addr:e index:e?", "/fmt addr", "read an I/O port", hmp_i},
    {"info", "item:s?", "[subcommand]", "show the state of the VM", cmd_info, hmp_info_commands},
    {"log", "items:s", "item1[,...]", "choose what is logged ('none': nothing)", cmd_log},
    {"logfile", "filename:F", "filename", "write the log to a file", cmd_logfile},
    {"mce", "-b cpu_index:n bank:n status:e mcg_status:e addr:e misc:e", "[-b] cpu bank status mcgstatus addr misc",
     "inject a machine check into a CPU (-b: and into all others)", hmp_mce},
    {"memsave", "val:e size:e filename:s", "addr size file", "write virtual memory to a file", cmd_memsave},
    {"mouse_button", "state:e", "state", "press mouse buttons (1=left, 2=middle, 4=right)", cmd_mouse_button},
    {"mouse_move", "dx:s dy:s dz:s?", "dx dy [dz]", "move the mouse", cmd_mouse_move},
    {"mouse_set", "index:e", "index", "choose the mouse that gets the events", cmd_mouse_set},
    {"netdev_add", "device:s", "[user|tap|socket|...],id=str[,prop=value][,...]", "add a network back end, as -netdev",
     hmp_netdev_add},
    {"netdev_del", "id:s", "id", "remove a network back end", hmp_netdev_del},
    {"nmi", "", "", "send an NMI to every CPU", cmd_nmi},
    {"o", "fmt:f addr:e val:e", "/fmt addr value", "write an I/O port", hmp_o},
    {"object_add", "object:S", "[qom-type=]type,id=str[,prop=value][,...]", "make an object, as -object",
     cmd_object_add},
    {"object_del", "id:s", "id", "destroy an object", cmd_object_del},
    {"pmemsave", "val:e size:e filename:s", "addr size file", "write physical memory to a file", cmd_pmemsave},
    {"print|p", "fmt:f val:e", "/fmt expr", "print the value of an expression ($reg for CPU registers)", hmp_p},
    {"qom-get", "path:s property:s", "path property", "print a property", cmd_qom_get},
    {"qom-list", "path:s?", "path", "print the properties of an object", cmd_qom_list},
    {"qom-set", "-j path:s property:s value:S", "[-j] path property value", "set a property (-j: to JSON)",
     cmd_qom_set},
    {"quit|q", "", "", "end the VM", cmd_quit},
    {"ringbuf_read", "device:s size:e", "device size", "read from a ring buffer", cmd_ringbuf_read},
    {"ringbuf_write", "device:s data:s", "device data", "write to a ring buffer", cmd_ringbuf_write},
    {"screendump", "filename:F format:-f device:s? head:e?", "filename [-f format] [device [head]]",
     "write the screen as PPM, or as format says (ppm, png)", cmd_screendump},
    {"expire_password", "protocol:s time:s display:-d", "protocol time [-d display]",
     "when a display's password ends: now, never, +SECONDS, SECONDS", hmp_expire_password},
    {"set_password", "protocol:s password:s display:-d connected:s?",
     "protocol password [-d display] [action-if-connected]", "set a display's password", hmp_set_password},
    {"sendkey", "keys:s hold_ms:e?", "keys [hold_ms]", "press keys together ('ctrl-alt-f1')", cmd_sendkey},
    {"set_link", "name:s up:b", "name on|off", "plug or unplug a network link", hmp_set_link},
    {"snapshot_blkdev", "-n device:B snapshot-file:s? format:s?", "[-n] device [new-image-file] [format]",
     "go on in a new image on top of the drive's (-n: the file exists)", cmd_snapshot_blkdev},
    {"stop|s", "", "", "stop the VM", cmd_stop},
    {"sum", "start:e size:e", "addr size", "checksum of physical memory", hmp_sum},
    {"system_powerdown", "", "", "press the power button", cmd_system_powerdown},
    {"system_reset", "", "", "press the reset button", cmd_system_reset},
    {"system_wakeup", "", "", "wake from suspend", cmd_system_wakeup},
    {"watchdog_action", "action:s", "[reset|shutdown|poweroff|pause|debug|none|inject-nmi]",
     "what an expired watchdog does", cmd_watchdog_action},
    {"x", "fmt:f addr:e", "/fmt addr", "dump virtual memory", hmp_x},
    {"xp", "fmt:f addr:e", "/fmt addr", "dump physical memory", hmp_xp},
    {},
};
