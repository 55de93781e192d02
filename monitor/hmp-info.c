/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor's `info`: most of it shows what a query-* command answers. */
#include "monitor/hmp.h"

#include "accel/accel.h"
#include "backends/backends.h"
#include "block/block.h"
#include "hw/core/machine.h"
#include "hw/i386/loader.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/lapic.h"
#include "qapi/qapi-types.h"
#include "softmmu/qom-view.h"
#include "softmmu/runstate.h"
#include "softmmu/vcpus.h"

static int64_t num(const Json *obj, const char *key)
{
    int64_t i = 0;
    json_get_int(json_get(obj, key), &i);
    return i;
}

static bool truth(const Json *obj, const char *key)
{
    bool b = false;
    json_get_bool(json_get(obj, key), &b);
    return b;
}

static const char *bool_text(const Json *obj, const char *key)
{
    return truth(obj, key) ? "true" : "false";
}

void hmp_info_block(Hmp *h, const Json *args)
{
    Error *err = NULL;
    g_autofree char *text = block_info_text(json_get_str(args, "device"), truth(args, "n"), truth(args, "v"), &err);
    hmp_error(h, err);
    if (text)
        hmp_print(h, "%s", text);
}

void hmp_info_blockstats(Hmp *h, const Json *args)
{
    static const char *const shown[] = {
        "rd_bytes",         "wr_bytes",         "rd_operations",    "wr_operations",
        "flush_operations", "wr_total_time_ns", "rd_total_time_ns", "flush_total_time_ns",
        "rd_merged",        "wr_merged",        "idle_time_ns"};
    g_autoptr(Json) list = qmp_query_blockstats(args, NULL);
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *b = json_at(list, i), *stats = json_get(b, "stats");
        if (!json_get(b, "device"))
            continue;
        hmp_print(h, "%s:", json_get_str(b, "device"));
        for (size_t k = 0; k < ARRAY_SIZE(shown); k++)
            hmp_print(h, " %s=%" PRId64, shown[k], num(stats, shown[k]));
        hmp_print(h, "\n");
    }
}

void hmp_info_chardev(Hmp *h, const Json *args)
{
    g_autoptr(Json) list = chardev_query();
    for (size_t i = 0; i < json_length(list); i++)
        hmp_print(h, "%s: filename=%s\n", json_get_str(json_at(list, i), "label"),
                  json_get_str(json_at(list, i), "filename"));
}

void hmp_info_cpus(Hmp *h, const Json *args)
{
    X86CPU *mine = hmp_cpu(h), *c;
    FOREACH_VCPU (c) {
        hmp_print(h, "%c CPU #%u: thread_id=%d\n", c == mine ? '*' : ' ', c->index, c->host_tid);
    }
}

void hmp_info_history(Hmp *h, const Json *args)
{
    for (unsigned i = 0; hmp_history(h, i); i++)
        hmp_print(h, "%u: '%s'\n", i, hmp_history(h, i));
}

void hmp_info_iothreads(Hmp *h, const Json *args)
{
    static const char *const shown[] = {"poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch"};
    g_autoptr(Json) list = iothreads_query();
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *t = json_at(list, i);
        hmp_print(h, "%s:\n  thread_id=%" PRId64 "\n", json_get_str(t, "id"), num(t, "thread-id"));
        for (size_t k = 0; k < ARRAY_SIZE(shown); k++)
            hmp_print(h, "  %s=%" PRId64 "\n", shown[k], num(t, shown[k]));
    }
}

void hmp_info_irq(Hmp *h, const Json *args)
{
    i8259_print_irqs(h->out);
}

void hmp_info_jit(Hmp *h, const Json *args)
{
    if (accel && accel->print_info)
        accel->print_info(h->out);
    else
        hmp_print(h, "the accelerator in use translates nothing\n");
}

void hmp_info_kvm(Hmp *h, const Json *args)
{
    g_autoptr(Json) v = qmp_query_kvm(args, NULL);
    hmp_print(h, "kvm support: %s\n", truth(v, "enabled") ? "enabled" : "disabled");
    if (truth(v, "enabled") && accel->print_info)
        accel->print_info(h->out);
}

void hmp_info_lapic(Hmp *h, const Json *args)
{
    X86CPU *mine = hmp_cpu(h), *c;
    uint64_t id;
    if (json_get_uint(json_get(args, "apic-id"), &id)) {
        mine = NULL;
        FOREACH_VCPU (c) {
            if (c->apic_id == id)
                mine = c;
        }
    }
    if (mine)
        lapic_print(mine, h->out);
    else
        hmp_print(h, "No local APIC\n");
}

void hmp_info_memdev(Hmp *h, const Json *args)
{
    g_autoptr(Json) list = memory_backends_query();
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *m = json_at(list, i);
        hmp_print(h, "memory backend: %s\n", json_get_str(m, "id"));
        hmp_print(h, "  size:  %" PRId64 "\n  merge: %s\n  dump: %s\n  prealloc: %s\n  share: %s\n", num(m, "size"),
                  bool_text(m, "merge"), bool_text(m, "dump"), bool_text(m, "prealloc"), bool_text(m, "share"));
        if (json_get(m, "reserve"))
            hmp_print(h, "  reserve: %s\n", bool_text(m, "reserve"));
        hmp_print(h, "  policy: %s\n  host nodes: ", json_get_str(m, "policy"));
        const Json *nodes = json_get(m, "host-nodes");
        for (size_t k = 0; k < json_length(nodes); k++) {
            int64_t n = 0;
            json_get_int(json_at(nodes, k), &n);
            hmp_print(h, "%s%" PRId64, k ? "," : "", n);
        }
        hmp_print(h, "\n");
    }
    hmp_print(h, "\n");
}

void hmp_info_memory_size_summary(Hmp *h, const Json *args)
{
    g_autoptr(Json) v = qmp_query_memory_size_summary(args, NULL);
    hmp_print(h, "base memory: %" PRId64 "\nplugged memory: %" PRId64 "\n", num(v, "base-memory"),
              num(v, "plugged-memory"));
}

void hmp_info_mice(Hmp *h, const Json *args)
{
    g_autoptr(Json) list = qmp_query_mice(args, NULL);
    if (!json_length(list))
        hmp_print(h, "No mouse devices connected\n");
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *m = json_at(list, i);
        hmp_print(h, "%c Mouse #%" PRId64 ": %s%s\n", truth(m, "current") ? '*' : ' ', num(m, "index"),
                  json_get_str(m, "name"), truth(m, "absolute") ? " (absolute)" : "");
    }
}

void hmp_info_mtree(Hmp *h, const Json *args)
{
    memory_print(h->out, truth(args, "f"), truth(args, "D"));
}

void hmp_info_name(Hmp *h, const Json *args)
{
    if (machine && machine->name)
        hmp_print(h, "%s\n", machine->name);
}

void hmp_info_numa(Hmp *h, const Json *args)
{
    hmp_print(h, "0 nodes\n"); /* there is no -numa */
}

void hmp_info_pci(Hmp *h, const Json *args)
{
    pci_print(h->out);
}

void hmp_info_pic(Hmp *h, const Json *args)
{
    ioapic_print(h->out);
    i8259_print(h->out);
}

void hmp_info_qom_tree(Hmp *h, const Json *args)
{
    const char *path = json_get_str(args, "path");
    qom_print_tree(path ? path : "/machine", h->out);
}

void hmp_info_qtree(Hmp *h, const Json *args)
{
    qtree_print(h->out);
}

void hmp_info_roms(Hmp *h, const Json *args)
{
    roms_print(machine ? machine->fw_cfg : NULL, h->out);
}

static void print_registers(X86CPU *c, void *out)
{
    cpu_sync_get(c);
    g_string_append_printf(out, "\nCPU#%u\n", c->index);
    cpu_print_regs(c, out);
}

void hmp_info_registers(Hmp *h, const Json *args)
{
    X86CPU *mine = hmp_cpu(h), *c;
    uint64_t index;
    bool all = truth(args, "a");
    if (json_get_uint(json_get(args, "vcpu"), &index)) {
        mine = index < vcpu_count ? vcpus[index] : NULL;
        if (!mine) {
            hmp_print(h, "CPU#%" PRIu64 " not available\n", index);
            return;
        }
    }
    if (!mine)
        hmp_print(h, "No CPU available\n");
    FOREACH_VCPU (c) {
        if (all || c == mine)
            vcpu_run_on(c, print_registers, h->out);
    }
}

void hmp_info_status(Hmp *h, const Json *args)
{
    RunState s = runstate();
    hmp_print(h, "VM status: %s", runstate_running() ? "running" : "paused");
    if (s != RUN_RUNNING && s != RUN_PAUSED)
        hmp_print(h, " (%s)", runstate_name(s));
    hmp_print(h, "\n");
}

void hmp_info_uuid(Hmp *h, const Json *args)
{
    g_autoptr(Json) v = qmp_query_uuid(args, NULL);
    hmp_print(h, "%s\n", json_get_str(v, "UUID"));
}

void hmp_info_version(Hmp *h, const Json *args)
{
    g_autoptr(Json) v = qmp_query_version(args, NULL);
    const Json *q = json_get(v, "qemu");
    hmp_print(h, "%" PRId64 ".%" PRId64 ".%" PRId64 "%s\n", num(q, "major"), num(q, "minor"), num(q, "micro"),
              json_get_str(v, "package"));
}
