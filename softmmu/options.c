/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of command line options, and reading of argv and -readconfig files. */
#include "softmmu/options.h"

#include "hw/core/machine.h"
#include "util/keyval.h"

#include <stdio.h>

#define ABSENT(n, arg)                                                                                                 \
    {                                                                                                                  \
        .name = n, .id = OPT_ABSENT, .has_arg = arg                                                                    \
    }

static const OptDesc options[] = {
    {"h", OPT_HELP, false, NULL, "", "this list"},
    {"help", OPT_HELP, false, NULL, "", "this list"},
    {"version", OPT_VERSION, false, NULL, "", "version and exit"},
    {"machine", OPT_MACHINE, true, "machine", "[type=]NAME[,prop=value...]",
     "machine model; '-machine help' lists them"},
    {"M", OPT_MACHINE, true, NULL, "NAME", "as -machine"},
    {"cpu", OPT_CPU, true, NULL, "MODEL[,+feature...]", "CPU model; '-cpu help' lists them"},
    {"accel", OPT_ACCEL, true, "accel", "[accel=]NAME[,prop=value...]",
     "accelerator; repeat for fall-backs; '-accel help' lists them"},
    {"smp", OPT_SMP, true, "smp-opts", "[cpus=]N[,maxcpus=N][,sockets=N][,dies=N][,cores=N][,threads=N]",
     "number and topology of CPUs"},
    {"m", OPT_MEMORY, true, "memory", "[size=]MEGS[,slots=N,maxmem=SIZE]", "guest memory"},
    {"mem-path", OPT_MEM_PATH, true, NULL, "PATH", "guest memory from a file"},
    {"mem-prealloc", OPT_MEM_PREALLOC, false, NULL, "", "touch guest memory at start (use with -mem-path)"},
    {"boot", OPT_BOOT, true, "boot-opts",
     "[order=DRIVES][,once=DRIVES][,menu=on|off][,splash=FILE][,splash-time=MS][,reboot-timeout=MS][,strict=on|off]",
     "boot order: a floppy, c disk, d CD-ROM, n network"},
    {"device", OPT_DEVICE, true, "device", "DRIVER[,prop=value...]",
     "add a device; '-device help' and '-device DRIVER,help' list"},
    {"global", OPT_GLOBAL, true, "global", "DRIVER.PROP=VALUE", "another default for a property of a device"},
    {"set", OPT_SET, true, NULL, "GROUP.ID.ARG=VALUE", "set an argument of an option given before"},
    {"name", OPT_NAME, true, "name", "[guest=]NAME[,process=NAME][,debug-threads=on|off]", "name of the guest"},
    {"uuid", OPT_UUID, true, NULL, "UUID", "UUID of the guest"},
    {"object", OPT_OBJECT, true, "object", "TYPE,id=ID[,prop=value...]",
     "make an object; '-object help' lists the types"},
    {"enable-kvm", OPT_ENABLE_KVM, false, NULL, "", "as -accel kvm"},
    {"drive", OPT_DRIVE, true, "drive", "[file=FILE][,if=TYPE][,index=N][,media=disk|cdrom][,format=F]...", "a drive"},
    {"blockdev", OPT_BLOCKDEV, true, "blockdev", "[driver=]DRIVER[,node-name=N]...", "a block node"},
    {"hda", OPT_HDA, true, NULL, "FILE", "IDE disk 0 (hdb, hdc, hdd: 1, 2, 3)"},
    {.name = "hdb", .id = OPT_HDB, .has_arg = true},
    {.name = "hdc", .id = OPT_HDC, .has_arg = true},
    {.name = "hdd", .id = OPT_HDD, .has_arg = true},
    {"cdrom", OPT_CDROM, true, NULL, "FILE", "CD-ROM (IDE 2)"},
    {"fda", OPT_FDA, true, NULL, "FILE", "floppy disk 0 (fdb: 1)"},
    {.name = "fdb", .id = OPT_FDB, .has_arg = true},
    {"pflash", OPT_PFLASH, true, NULL, "FILE", "parallel flash"},
    {"sd", OPT_SD, true, NULL, "FILE", "SD card"},
    {"snapshot", OPT_SNAPSHOT, false, NULL, "", "write to temporary files in place of the images"},
    {"display", OPT_DISPLAY, true, NULL, "TYPE[,...]", "display; '-display help' lists the types"},
    {"nographic", OPT_NOGRAPHIC, false, NULL, "", "no display, serial port and monitor on the terminal"},
    {"curses", OPT_CURSES, false, NULL, "", "as -display curses"},
    {"vga", OPT_VGA, true, NULL, "TYPE", "display adapter; '-vga help' lists the types"},
    {"vnc", OPT_VNC, true, "vnc", "HOST:N[,to=L][,password=on][,websocket=on]...",
     "serve the display by VNC, on port 5900 + N"},
    {"k", OPT_KEYBOARD, true, NULL, "LAYOUT", "keyboard layout of a VNC client"},
    {"full-screen", OPT_FULL_SCREEN, false, NULL, "", "start with the whole screen"},
    {"net", OPT_NET, true, NULL, "nic|user|tap|socket|none[,...]", "old: a card or a back end on hub 0"},
    {"nic", OPT_NIC, true, NULL, "TYPE|none[,mac=MAC][,model=CARD][,...]", "a network card and its back end"},
    {"netdev", OPT_NETDEV, true, "netdev", "TYPE,id=ID...", "a network back end"},
    {"audio", OPT_AUDIO, true, "audio", "[driver=]none", "audio back end"},
    {"audiodev", OPT_AUDIODEV, true, "audiodev", "[driver=]none,id=ID", "audio back end"},
    {"chardev", OPT_CHARDEV, true, "chardev", "BACKEND,id=ID[,prop=value...]",
     "a character back end; '-chardev help' lists"},
    {"serial", OPT_SERIAL, true, NULL, "DEV", "serial port to a character back end"},
    {"parallel", OPT_PARALLEL, true, NULL, "DEV", "parallel port to a character back end"},
    {"monitor", OPT_MONITOR, true, NULL, "DEV", "human monitor on a character back end"},
    {"qmp", OPT_QMP, true, NULL, "DEV", "QMP monitor on a character back end"},
    {"qmp-pretty", OPT_QMP_PRETTY, true, NULL, "DEV", "as -qmp, with indented replies"},
    {"mon", OPT_MON, true, "mon", "[chardev=]ID[,mode=readline|control][,pretty=on|off]", "a monitor on a -chardev"},
    {"debugcon", OPT_DEBUGCON, true, NULL, "DEV", "debug console (port E9h) to a character back end"},
    {"echr", OPT_ECHR, true, NULL, "N", "escape character of a terminal, in place of ^A (1)"},
    {"bios", OPT_BIOS, true, NULL, "FILE", "firmware image"},
    {"kernel", OPT_KERNEL, true, NULL, "FILE", "boot a kernel: bzImage, multiboot, PVH ELF"},
    {"append", OPT_APPEND, true, NULL, "TEXT", "command line of the kernel"},
    {"initrd", OPT_INITRD, true, NULL, "FILE", "initial ram disk of the kernel"},
    {"option-rom", OPT_OPTION_ROM, true, "option-rom", "[romfile=]FILE[,bootindex=N]", "an option ROM"},
    {"fw_cfg", OPT_FW_CFG, true, "fw_cfg", "[name=]NAME,file=FILE|string=TEXT",
     "an item of the firmware configuration"},
    {"L", OPT_FIRMWARE_DIR, true, NULL, "DIR", "where firmware is looked for first"},
    {"rtc", OPT_RTC, true, "rtc", "[base=utc|localtime|DATE][,clock=host|rt|vm][,driftfix=none|slew]",
     "date and clock of the guest"},
    {"no-hpet", OPT_NO_HPET, false, NULL, "", "as -machine hpet=off"},
    {"no-fd-bootchk", OPT_NO_FD_BOOTCHK, false, NULL, "",
     "as -machine fd-bootchk=off: boot floppies without a signature"},
    {"no-acpi", OPT_NO_ACPI, false, NULL, "", "as -machine acpi=off"},
    {"smbios", OPT_SMBIOS, true, "smbios", "type=0|1|2|3|4|11|17[,KEY=VALUE]...", "what SMBIOS tells of the machine"},
    {"acpitable", OPT_ACPITABLE, true, "acpi", "[sig=S][,rev=N][,oem_id=S]...,data=FILE[:FILE]...|file=FILE[:FILE]...",
     "one more ACPI table"},
    {"action", OPT_ACTION, true, "action", "reboot=reset|shutdown, shutdown=poweroff|pause, panic=..., watchdog=...",
     "what events do"},
    {"watchdog-action", OPT_WATCHDOG_ACTION, true, NULL, "ACTION",
     "reset, shutdown, poweroff, inject-nmi, pause, debug, none"},
    {"no-reboot", OPT_NO_REBOOT, false, NULL, "", "exit in place of a reset"},
    {"no-shutdown", OPT_NO_SHUTDOWN, false, NULL, "", "stop in place of exit when the guest powers off"},
    {"S", OPT_STOPPED, false, NULL, "", "start stopped"},
    {"s", OPT_GDB_STUB, false, NULL, "", "as -gdb tcp::1234"},
    {"gdb", OPT_GDB, true, NULL, "DEV", "serve gdb on a character back end (tcp::1234, stdio, chardev:ID), or none"},
    {"nodefaults", OPT_NODEFAULTS, false, NULL, "", "no default devices"},
    {"no-user-config", OPT_NO_USER_CONFIG, false, NULL, "", "no configuration files of the user (there are none)"},
    {"readconfig", OPT_READCONFIG, true, NULL, "FILE", "read options from a file"},
    {"msg", OPT_MSG, true, "msg", "[timestamp=on|off][,guest-name=on|off]", "form of error messages"},
    {"add-fd", OPT_ADD_FD, true, "add-fd", "fd=N,set=N[,opaque=TEXT]",
     "give an open file descriptor to a set: /dev/fdset/N"},
    {"overcommit", OPT_OVERCOMMIT, true, "overcommit", "[mem-lock=on|off][,cpu-pm=on|off]", "host resources"},
    {"d", OPT_LOG, true, NULL, "ITEM,...", "log; '-d help' lists the items"},
    {"D", OPT_LOG_FILE, true, NULL, "FILE", "where the log goes"},
    {"dfilter", OPT_LOG_FILTER, true, NULL, "RANGE,...",
     "log code of these addresses only: FIRST..LAST, START+SIZE, END-SIZE"},
    {"trace", OPT_TRACE, true, "trace", "[enable=]PATTERN", "trace points"},
    {"perfmap", OPT_PERFMAP, false, NULL, "", "write /tmp/perf-PID.map: translated code by name for 'perf report'"},
    {"jitdump", OPT_JITDUMP, false, NULL, "", "write jit-PID.dump: translated code for 'perf inject --jit'"},
    {"pidfile", OPT_PIDFILE, true, NULL, "FILE", "write the process id"},
    {"daemonize", OPT_DAEMONIZE, false, NULL, "", "go to the background when everything is set up"},
    {"qtest", OPT_QTEST, true, NULL, "DEV", "test protocol on a character back end"},
    {"qtest-log", OPT_QTEST_LOG, true, NULL, "FILE", "log of the test protocol"},
    /* What QEMU 8.2 has besides. */
    ABSENT("numa", true),
    ABSENT("add-to-numa", true),
    ABSENT("spice", true),
    ABSENT("usb", false),
    ABSENT("usbdevice", true),
    ABSENT("virtfs", true),
    ABSENT("fsdev", true),
    ABSENT("tpmdev", true),
    ABSENT("incoming", true),
    ABSENT("loadvm", true),
    ABSENT("only-migratable", false),
    ABSENT("preconfig", false),
    ABSENT("sandbox", true),
    ABSENT("runas", true),
    ABSENT("chroot", true),
    ABSENT("run-with", true),
    ABSENT("icount", true),
    ABSENT("mtdblock", true),
    ABSENT("iscsi", true),
    ABSENT("dtb", true),
    ABSENT("shim", true),
    ABSENT("dump-vmstate", true),
    ABSENT("seed", true),
    ABSENT("plugin", true),
    ABSENT("compat", true),
    ABSENT("win2k-hack", false),
    ABSENT("alt-grab", false),
    ABSENT("ctrl-grab", false),
    ABSENT("g", true),
    ABSENT("one-insn-per-tb", false),
    ABSENT("singlestep", false),
    ABSENT("tb-size", true),
    ABSENT("semihosting", false),
    ABSENT("semihosting-config", true),
    ABSENT("xen-domid", true),
    ABSENT("xen-attach", false),
    ABSENT("async-teardown", false),
    ABSENT("enable-sync-profile", false),
    ABSENT("prom-env", true),
    ABSENT("rotate", true),
    ABSENT("portrait", false),
    ABSENT("no-quit", false),
    ABSENT("sdl", false),
};
static const OptDesc image = {.name = "image", .id = OPT_IMAGE, .has_arg = true};

const char version_package[] = "qemu-kvm";
const char version_text[] = "QEMU emulator version 8.2.0 (qemu-kvm)\n"
                            "Written from scratch for x86 PCs; GPL-2.0-or-later";

static GArray *given; /* of Option */
static bool readconfig(const char *path, Error **errp);

static const OptDesc *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (!strcmp(options[i].name, name))
            return &options[i];
    return NULL;
}

static bool unknown(const char *typed, Error **errp)
{
    Nearest near = nearest(typed);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        if (options[i].id != OPT_ABSENT)
            nearest_try(&near, options[i].name);
    error_set(errp, "-%s: invalid option", typed);
    if (near.name)
        error_hint(errp, "Did you mean '-%s'? '-help' lists the options.", near.name);
    else
        error_hint(errp, "'-help' lists the options.");
    return false;
}

/* "id=ID" among the pairs of a key=value text, or "id" of a JSON one. */
static bool has_id(const char *text, const char *id)
{
    g_autoptr(Json) o = *text == '{' ? json_parse(text, strlen(text), NULL) : keyval_parse(text, "implied", NULL);
    const char *s = json_get_str(o, "id");
    return s && !strcmp(s, id);
}

static char *escape_commas(const char *s)
{
    g_auto(GStrv) parts = g_strsplit(s, ",", -1);
    return g_strjoinv(",,", parts);
}

/* -set GROUP.ID.ARG=VALUE: a later pair of the same text wins. */
static bool set_later(const char *text, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, ".", 3);
    char *eq = g_strv_length(parts) == 3 ? strchr(parts[2], '=') : NULL;
    if (!eq)
        return error_set(errp, "-set %s: not of the form GROUP.ID.ARG=VALUE", text);
    *eq = 0;
    for (guint i = 0; given && i < given->len; i++) {
        Option *o = &g_array_index(given, Option, i);
        if (!o->desc->group || strcmp(o->desc->group, parts[0]) || !o->arg || !has_id(o->arg, parts[1]))
            continue;
        if (*o->arg == '{')
            return error_set(errp, "-set %s: it cannot change what is given as JSON", text);
        g_autofree char *value = escape_commas(eq + 1);
        char *changed = g_strdup_printf("%s,%s=%s", o->arg, parts[2], value);
        g_free(o->arg);
        o->arg = changed;
        return true;
    }
    return error_set(errp, "-set %s: there is no %s \"%s\" before it", text, parts[0], parts[1]);
}

static bool add(const OptDesc *d, const char *arg, Error **errp)
{
    switch (d->id) {
    case OPT_ABSENT:
        return error_set(errp, "-%s is not supported yet; docs/status.rst says what is", d->name);
    case OPT_SET:
        return set_later(arg, errp);
    case OPT_READCONFIG:
        return readconfig(arg, errp);
    default: {
        Option o = {d, g_strdup(arg), arg ? g_strdup_printf("-%s %s", d->name, arg) : g_strdup_printf("-%s", d->name)};
        if (d->id == OPT_IMAGE) {
            g_free(o.where);
            o.where = g_strdup(arg);
        }
        g_array_append_val(given, o);
        return true;
    }
    }
}

/* One "[group "id"]" section of a configuration file becomes one option. */
static bool section_end(const OptDesc *d, GString *text, int line, const char *path, Error **errp)
{
    if (!d)
        return true;
    if (d->id == OPT_GLOBAL) { /* driver = "x", property = "y", value = "z" is the long form of -global */
        if (!strstr(text->str, "property="))
            return error_set(errp, "-readconfig %s:%d: [global] needs driver, property and value", path, line);
    }
    if (!text->len)
        return true;
    return add(d, text->str, errp);
}

static bool readconfig(const char *path, Error **errp)
{
    g_autofree char *text = NULL;
    gsize len;
    g_autoptr(GError) gerr = NULL;
    if (!g_file_get_contents(path, &text, &len, &gerr))
        return error_set(errp, "-readconfig %s: cannot read: %s", path, gerr->message);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const OptDesc *d = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    for (int n = 0; lines[n]; n++) {
        char *line = g_strstrip(lines[n]), group[64], id[64], key[64], value[1024];
        if (!*line || *line == '#')
            continue;
        if (strlen(line) >= sizeof(value))
            return error_set(errp, "-readconfig %s:%d: the line is longer than %zu bytes", path, n + 1,
                             sizeof(value) - 1);
        bool with_id = sscanf(line, "[ %63s \"%63[^\"]\" ]", group, id) == 2;
        if (with_id || sscanf(line, "[ %63[^]] ]", group) == 1) {
            if (!section_end(d, out, n + 1, path, errp))
                return false;
            d = NULL;
            for (size_t i = 0; i < ARRAY_SIZE(options); i++)
                if (options[i].group && !strcmp(options[i].group, g_strstrip(group)))
                    d = &options[i];
            if (!d)
                return error_set(errp, "-readconfig %s:%d: there is no group '%s'", path, n + 1, group);
            g_string_truncate(out, 0);
            if (with_id)
                g_string_printf(out, "id=%s", id);
            continue;
        }
        value[0] = 0;
        if (sscanf(line, "%63[^= \t] = \"%1023[^\"]\"", key, value) != 2 &&
            !(sscanf(line, "%63[^= \t] = \"\"", key) == 1 && g_str_has_suffix(line, "\"\"")))
            return error_set(errp, "-readconfig %s:%d: parse error: '%s' is neither [group] nor key = \"value\"", path,
                             n + 1, line);
        if (!d)
            return error_set(errp, "-readconfig %s:%d: '%s' stands before any [group]", path, n + 1, key);
        g_autofree char *v = escape_commas(value);
        g_string_append_printf(out, "%s%s=%s", out->len ? "," : "", key, v);
    }
    return section_end(d, out, 0, path, errp);
}

bool options_parse(int argc, char **argv, Error **errp)
{
    given = g_array_new(false, false, sizeof(Option));
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (a[0] != '-' || !a[1]) {
            if (!add(&image, a, errp))
                return false;
            continue;
        }
        const char *name = a + 1 + (a[1] == '-');
        const OptDesc *d = find(name);
        if (!d)
            return unknown(name, errp);
        if (d->has_arg && ++i >= argc)
            return error_set(errp, "-%s: requires an argument", name);
        if (!add(d, d->has_arg ? argv[i] : NULL, errp))
            return false;
    }
    return true;
}

const Option *option_at(size_t i)
{
    return i < given->len ? &g_array_index(given, Option, i) : NULL;
}

const Option *option_next(OptId id, const Option *prev)
{
    const Option *all = (const Option *)(void *)given->data;
    for (size_t i = prev ? prev - all + 1 : 0; i < given->len; i++)
        if (all[i].desc->id == id)
            return &all[i];
    return NULL;
}

const Option *option_last(OptId id)
{
    const Option *last = NULL;
    for (const Option *o = NULL; (o = option_next(id, o));)
        last = o;
    return last;
}

Json *options_merged(OptId id, const char *implied_key, Error **errp)
{
    Json *all = json_object();
    for (const Option *o = NULL; (o = option_next(id, o));) {
        g_autoptr(Json) one = keyval_parse(o->arg, implied_key, errp);
        if (!one) {
            error_prepend(errp, "%s: ", o->where);
            json_unref(all);
            return NULL;
        }
        for (size_t i = 0; i < json_length(one); i++)
            json_set(all, json_key_at(one, i), json_ref(json_val_at(one, i)));
    }
    return all;
}

void options_help(void)
{
    printf("%s\nusage: qemu-system-x86_64 [options] [disk_image]\n\n'disk_image' is a raw hard disk image for IDE hard "
           "disk 0\n\n",
           version_text);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const OptDesc *d = &options[i];
        if (!d->help)
            continue;
        g_autofree char *head = g_strdup_printf("-%s %s", d->name, d->args);
        if (strlen(head) < 28)
            printf("%-28s %s\n", head, d->help);
        else
            printf("%s\n%28s %s\n", head, "", d->help);
    }
    printf("\nOptions take one or two dashes. Most with '=' take 'help' as a value.\n");
}

/* What query-command-line-options tells of the groups with a fixed set of parameters: NAME:TYPE. */
static const struct {
    OptId id;
    const char *params;
} parameters[] = {
    {OPT_SMP, "cpus:number sockets:number dies:number clusters:number cores:number threads:number maxcpus:number"},
    {OPT_MEMORY, "size:size slots:number maxmem:size"},
    {OPT_BOOT,
     "order:string once:string menu:boolean splash:string splash-time:number reboot-timeout:number strict:boolean"},
    {OPT_NAME, "guest:string process:string debug-threads:boolean"},
    {OPT_RTC, "base:string clock:string driftfix:string"},
    {OPT_ACTION, "reboot:string shutdown:string panic:string watchdog:string"},
    {OPT_MON, "mode:string chardev:string pretty:boolean"},
    {OPT_MSG, "timestamp:boolean guest-name:boolean"},
    {OPT_OVERCOMMIT, "mem-lock:boolean cpu-pm:boolean"},
    {OPT_ADD_FD, "fd:number set:number opaque:string"},
    {OPT_FW_CFG, "name:string file:string string:string"},
    {OPT_OPTION_ROM, "bootindex:number romfile:string"},
    {OPT_GLOBAL, "driver:string property:string value:string"},
    {OPT_ACCEL, "accel:string"},
};

static Json *options_parameters(OptId id)
{
    Json *list = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
        if (parameters[i].id != id)
            continue;
        g_auto(GStrv) words = g_strsplit(parameters[i].params, " ", -1);
        for (char **w = words; *w; w++) {
            char *colon = strchr(*w, ':');
            *colon = 0;
            Json *o = json_object();
            json_set_str(o, "name", *w);
            json_set_str(o, "type", colon + 1);
            json_append(list, o);
        }
    }
    for (const Prop *p = id == OPT_MACHINE ? machine_common_props : NULL; p && p->name; p++) {
        Json *o = json_object();
        json_set_str(o, "name", p->name);
        json_set_str(o, "type", p->type == &prop_bool ? "boolean" : "string");
        json_set_str(o, "help", p->help);
        json_append(list, o);
    }
    return list;
}

/* A group with a fixed set of parameters whose text is "help"; -name and -m take it for a name and a size, -mon for a
 * chardev. */
static bool asks_for_help(const Option *o)
{
    static const OptId asked[] = {OPT_SMP, OPT_BOOT,       OPT_RTC,    OPT_ACTION,
                                  OPT_MSG, OPT_OVERCOMMIT, OPT_ADD_FD, OPT_GLOBAL};
    if (!o->arg || (strcmp(o->arg, "help") && strcmp(o->arg, "?")))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++)
        if (asked[i] == o->desc->id)
            return true;
    return false;
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool options_group_help(void)
{
    for (guint i = 0; given && i < given->len; i++) {
        const Option *o = &g_array_index(given, Option, i);
        if (!asks_for_help(o))
            continue;
        g_autoptr(Json) list = options_parameters(o->desc->id);
        g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
        for (size_t k = 0; k < json_length(list); k++) {
            const char *type = json_get_str(json_at(list, k), "type");
            g_ptr_array_add(lines, g_strdup_printf("  %s=<%s>", json_get_str(json_at(list, k), "name"),
                                                   !strcmp(type, "boolean")  ? "bool (on/off)"
                                                   : !strcmp(type, "number") ? "num"
                                                   : !strcmp(type, "string") ? "str"
                                                                             : type));
        }
        g_ptr_array_sort(lines, by_text);
        printf("%s options:\n", o->desc->group);
        for (guint k = 0; k < lines->len; k++)
            puts(lines->pdata[k]);
        return true;
    }
    return false;
}

Json *options_query(const char *option, Error **errp)
{
    Json *list = json_array();
    bool found = !option;
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const OptDesc *d = &options[i];
        if (!d->group || (option && strcmp(option, d->group)))
            continue;
        found = true;
        Json *o = json_object();
        json_set_str(o, "option", d->group);
        json_set(o, "parameters", options_parameters(d->id));
        json_append(list, o);
    }
    if (!found) {
        json_unref(list);
        error_set(errp, "invalid option name: %s", option);
        return NULL;
    }
    return list;
}
