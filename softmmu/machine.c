/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine: its descriptor, the properties that every machine has, -smp, -m, -boot, and its RAM. */
#include "hw/core/machine.h"

#include "backends/backends.h"
#include "hw/core/object.h"

#include <stdio.h>

Machine *machine;

const Prop machine_common_props[] = {
    PROP_STR("kernel-irqchip", Machine, kernel_irqchip, "interrupt controllers in the kernel: on, off or split"),
    PROP_STR("memory-backend", Machine, memdev, "id of the memory backend that is the machine's RAM"),
    PROP_BOOL("usb", Machine, usb, false, "USB host controller"),
    PROP_BOOL("graphics", Machine, graphics, true, "a display adapter by default"),
    PROP_BOOL("dump-guest-core", Machine, dump_guest_core, true, "guest memory in a core dump"),
    PROP_BOOL("mem-merge", Machine, mem_merge, true, "guest memory may be merged with equal pages (KSM)"),
    PROP_BOOL("suppress-vmdesc", Machine, suppress_vmdesc, false, "no description at the end of a migration stream"),
    PROP_STR("firmware", Machine, firmware, "firmware image"),
    PROP_STR("kernel", Machine, kernel, "kernel image"),
    PROP_STR("initrd", Machine, initrd, "initial ram disk"),
    PROP_STR("append", Machine, append, "kernel command line"),
    {},
};

const MachineDesc *machine_find_desc(const char *name)
{
    for (const MachineDesc *const *d = machine_table; *d; d++)
        if (!strcmp((*d)->name, name) || ((*d)->alias && !strcmp((*d)->alias, name)))
            return *d;
    return NULL;
}

Machine *machine_new(const MachineDesc *desc)
{
    Machine *m = g_malloc0(desc->size);
    m->desc = desc;
    props_set_defaults(machine_common_props, m);
    props_set_defaults(desc->props, m);
    m->ram_size = m->max_ram_size = desc->default_ram_id ? desc->default_ram : 0;
    m->reboot_timeout = m->splash_time = -1;
    m->given = json_object();
    machine = m;
    return m;
}

bool machine_set(Machine *m, const char *typed, const Json *val, bool text, Error **errp)
{
    /* Old command lines have kernel_irqchip= and the like. */
    g_autofree char *name = g_strdelimit(g_strdup(typed), "_", '-');
    const Prop *p = prop_find(m->desc->props, name);
    if (!p)
        p = prop_find(machine_common_props, name);
    if (!p) {
        const char *near = nearest_prop(name, machine_common_props, m->desc->props);
        error_set(errp, "Property '%s-machine.%s' not found", m->desc->name, name);
        error_hint(errp,
                   near ? "Did you mean '%s'? '-machine %s,help' lists the properties."
                        : "%s'-machine %s,help' lists the properties.",
                   near ? near : "", m->desc->name);
        return false;
    }
    g_autofree char *owner = g_strdup_printf("%s-machine", m->desc->name);
    bool ok = text && json_get_string(val) ? prop_set_text(owner, p, m, json_get_string(val), errp)
                                           : prop_set_json(owner, p, m, val, errp);
    if (ok)
        json_set(m->given, name, json_ref((Json *)val));
    return ok;
}

void machine_help(void)
{
    printf("Supported machines are:\n");
    for (const MachineDesc *const *d = machine_table; *d; d++) {
        if ((*d)->alias)
            printf("%-20s %s (alias of %s)\n", (*d)->alias, (*d)->summary, (*d)->name);
        printf("%-20s %s%s%s\n", (*d)->name, (*d)->summary, (*d)->is_default ? " (default)" : "",
               (*d)->deprecated ? " (deprecated)" : "");
    }
}

void machine_props_help(const MachineDesc *d)
{
    printf("%s-machine options:\n", d->name);
    for (int k = 0; k < 2; k++)
        for (const Prop *p = k ? d->props : machine_common_props; p && p->name; p++)
            printf("  %s=<%s>%*s - %s\n", p->name, p->type_name ? p->type_name : p->type->name,
                   (int)MAX(0, 22 - (int)strlen(p->name) - (int)strlen(p->type->name)), "", p->help);
}

/* One number of -smp: 0 where absent, which a given 0 is not. */
static bool smp_number(const Json *opts, const char *key, unsigned *out, Error **errp)
{
    const char *text = json_get_str(opts, key);
    uint64_t v;
    if (!text)
        return true;
    if (!parse_u64(text, &v) || v > UINT32_MAX)
        return error_set(errp, "-smp: %s=%s is not a number", key, text);
    if (!v)
        return error_set(errp, "Invalid CPU topology: CPU topology parameters must be greater than zero (-smp %s=0)",
                         key);
    *out = v;
    return true;
}

bool machine_set_smp(Machine *m, const Json *opts, Error **errp)
{
    static const char *const keys[] = {"cpus", "maxcpus", "sockets", "dies", "clusters", "cores", "threads", NULL};
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i);
        if (!g_strv_contains(keys, key)) {
            const char *near = nearest_name(key, keys);
            return error_set(errp, "-smp: Invalid parameter '%s'%s%s%s", key, near ? "; did you mean '" : "",
                             near ? near : "",
                             near ? "'?" : "; known are cpus, maxcpus, sockets, dies, clusters, cores, threads");
        }
    }
    unsigned cpus = 0, max = 0, sockets = 0, dies = 0, clusters = 0, cores = 0, threads = 0;
    if (!smp_number(opts, "cpus", &cpus, errp) || !smp_number(opts, "maxcpus", &max, errp) ||
        !smp_number(opts, "sockets", &sockets, errp) || !smp_number(opts, "dies", &dies, errp) ||
        !smp_number(opts, "clusters", &clusters, errp) || !smp_number(opts, "cores", &cores, errp) ||
        !smp_number(opts, "threads", &threads, errp))
        return false;
    if (clusters > 1)
        return error_set(errp, "-smp: clusters are not supported by this machine's CPU topology");
    uint64_t d = MAX(dies, 1), given_max = max;
    /* What is absent: cores before sockets before threads, as machine versions since 6.2 do. */
    if (!cpus && !max) {
        sockets = MAX(sockets, 1);
        cores = MAX(cores, 1);
        threads = MAX(threads, 1);
    } else {
        uint64_t total = max ? max : cpus;
        if (!cores) {
            sockets = MAX(sockets, 1);
            threads = MAX(threads, 1);
            cores = total / MAX(sockets * d * threads, 1);
        } else if (!sockets) {
            threads = MAX(threads, 1);
            sockets = total / MAX(d * cores * threads, 1);
        }
        if (!threads)
            threads = total / MAX((uint64_t)sockets * d * cores, 1);
    }
    uint64_t topology = (uint64_t)sockets * d * cores * threads;
    uint64_t n_max = max ? max : topology, n = cpus ? cpus : n_max;
    if (topology != n_max)
        return error_set(errp,
                         "Invalid CPU topology: product of the hierarchy must match maxcpus: "
                         "sockets (%u) * dies (%u) * cores (%u) * threads (%u) != maxcpus (%" PRIu64 ")",
                         sockets, (unsigned)d, cores, threads, given_max ? given_max : (uint64_t)n);
    if (n_max < n)
        return error_set(errp,
                         "Invalid CPU topology: maxcpus must be equal to or greater than smp: "
                         "maxcpus (%" PRIu64 ") < smp_cpus (%" PRIu64 ")",
                         n_max, n);
    if (n_max > m->desc->max_cpus)
        return error_set(errp, "Invalid SMP CPUs %" PRIu64 ". The max CPUs supported by machine '%s' is %u", n_max,
                         m->desc->name, m->desc->max_cpus);
    m->smp = (SmpConfig){
        .cpus = n, .max_cpus = n_max, .sockets = sockets, .dies = d, .clusters = 1, .cores = cores, .threads = threads};
    return true;
}

static bool memory_size(const Json *opts, const char *key, uint64_t *out, Error **errp)
{
    const char *text = json_get_str(opts, key);
    uint64_t v;
    if (!text)
        return true;
    if (!parse_size(text, 'M', &v) || v > INT64_MAX)
        return error_set(errp, "-m: %s=%s is not a size: a number of MiB, or with k, M, G, T", key, text);
    *out = ROUND_UP(v, 8 * KIB);
    return true;
}

bool machine_set_memory(Machine *m, const Json *opts, Error **errp)
{
    uint64_t size = m->ram_size, max = 0, slots = 0;
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i);
        if (strcmp(key, "size") && strcmp(key, "slots") && strcmp(key, "maxmem"))
            return error_set(errp, "-m: Invalid parameter '%s'; known are size, slots, maxmem", key);
    }
    if (!memory_size(opts, "size", &size, errp) || !memory_size(opts, "maxmem", &max, errp))
        return false;
    const char *text = json_get_str(opts, "slots");
    if (text && (!parse_u64(text, &slots) || slots > 256))
        return error_set(errp, "-m: slots=%s is not a number from 0 to 256", text);
    if (!size)
        size = m->desc->default_ram;
    if (json_get_str(opts, "maxmem")) {
        if (max < size)
            return error_set(errp,
                             "invalid value of maxmem: maximum memory size (0x%" PRIx64
                             ") must be at least the initial "
                             "memory size (0x%" PRIx64 ")",
                             max, size);
        if (slots && max == size)
            return error_set(errp,
                             "invalid value of maxmem: memory slots were specified but maximum memory size (0x%" PRIx64
                             ") is equal to the initial memory size (0x%" PRIx64 ")",
                             max, size);
    } else if (slots) {
        return error_set(errp, "slots specified but no max-size: -m needs maxmem= with slots=");
    }
    m->ram_size = size;
    m->max_ram_size = max ? max : size;
    m->ram_slots = slots;
    return true;
}

static bool boot_order(const char *order, const char *key, char **out, Error **errp)
{
    unsigned seen = 0;
    for (const char *p = order; *p; p++) {
        if (*p < 'a' || *p > 'p')
            return error_set(
                errp, "-boot: Invalid boot device '%c' in %s=%s: letters a (floppy), c (disk), d (CD-ROM), n (network)",
                *p, key, order);
        if (seen & BIT32(*p - 'a'))
            return error_set(errp, "-boot: Boot device '%c' was given twice in %s=%s", *p, key, order);
        seen |= BIT32(*p - 'a');
    }
    g_free(*out);
    *out = g_strdup(order);
    return true;
}

static bool boot_ms(const Json *opts, const char *key, int32_t *out, Error **errp)
{
    const char *text = json_get_str(opts, key);
    uint64_t v;
    if (!text)
        return true;
    if (!strcmp(text, "-1")) {
        *out = -1;
        return true;
    }
    if (!parse_u64(text, &v) || v > 0xffff)
        return error_set(errp, "-boot: %s=%s is invalid: milliseconds from -1 to 65535 expected", key, text);
    *out = v;
    return true;
}

bool machine_set_boot(Machine *m, const Json *opts, Error **errp)
{
    static const char *const keys[] = {"order",       "once",           "menu",   "splash",
                                       "splash-time", "reboot-timeout", "strict", NULL};
    for (size_t i = 0; i < json_length(opts); i++) {
        if (!g_strv_contains(keys, json_key_at(opts, i)))
            return error_set(
                errp,
                "-boot: Invalid parameter '%s'; known are order, once, menu, splash, splash-time, reboot-timeout, "
                "strict",
                json_key_at(opts, i));
    }
    const char *s;
    if ((s = json_get_str(opts, "order")) && !boot_order(s, "order", &m->boot_order, errp))
        return false;
    if ((s = json_get_str(opts, "once")) && !boot_order(s, "once", &m->boot_once, errp))
        return false;
    if ((s = json_get_str(opts, "menu")) && !parse_bool(s, &m->boot_menu))
        return error_set(errp, "-boot: menu=%s is neither 'on' nor 'off'", s);
    if ((s = json_get_str(opts, "strict")) && !parse_bool(s, &m->boot_strict))
        return error_set(errp, "-boot: strict=%s is neither 'on' nor 'off'", s);
    if ((s = json_get_str(opts, "splash"))) {
        g_free(m->splash);
        m->splash = g_strdup(s);
    }
    return boot_ms(opts, "splash-time", &m->splash_time, errp) &&
           boot_ms(opts, "reboot-timeout", &m->reboot_timeout, errp);
}

bool machine_init_ram(Machine *m, Error **errp)
{
    ram_default_flags =
        (m->mem_merge ? RAM_MERGE : 0) | (m->dump_guest_core ? 0 : RAM_DUMP_OFF); /* of the devices' own RAM */
    if (m->memdev) {
        Object *o = object_use(m->memdev, "memory-backend", errp);
        if (!o)
            return error_prepend(errp, "-machine memory-backend=%s: ", m->memdev);
        m->ram_block = memory_backend_block(o);
        if (m->ram_size_given && m->ram_block->size != m->ram_size)
            return error_set(errp,
                             "-machine memory-backend=%s: the backend has 0x%" PRIx64 " bytes, -m says 0x%" PRIx64,
                             m->memdev, m->ram_block->size, m->ram_size);
        m->ram_size = m->ram_block->size;
        m->max_ram_size = MAX(m->max_ram_size, m->ram_size);
    } else {
        unsigned flags = (m->mem_prealloc ? RAM_PREALLOC : 0) | (m->dump_guest_core ? 0 : RAM_DUMP_OFF) |
                         (m->mem_merge ? RAM_MERGE : 0);
        m->ram_block = m->mem_path
                           ? ram_block_file(m->desc->default_ram_id, m->mem_path, m->ram_size, 0, 0, flags, errp)
                           : ram_block_anon(m->desc->default_ram_id, m->ram_size, flags, errp);
        if (!m->ram_block)
            return error_prepend(errp, "-m %" PRIu64 "M: ", m->ram_size / MIB);
    }
    region_init_ram_block(&m->ram, NULL, m->desc->default_ram_id, m->ram_block);
    return true;
}
