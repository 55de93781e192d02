/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an image is, as people read it: qemu-img info and snapshot -l, the human monitor's info block -v. */
#include "block/qcow2.h"

#include <stdio.h>
#include <time.h>

char *block_human_size(uint64_t v)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    int i = 0;
    double d = (double)v;
    while (i < 6 && d >= 1000) { /* three digits */
        d /= 1024;
        i++;
    }
    return g_strdup_printf("%0.3g %sB", d, units[i]);
}

static void value_text(const Json *v, GString *s)
{
    bool b;
    uint64_t u;
    if (json_get_bool(v, &b))
        g_string_append_printf(s, "%s\n", b ? "true" : "false");
    else if (json_get_uint(v, &u))
        g_string_append_printf(s, "%" PRIu64 "\n", u);
    else
        g_string_append_printf(s, "%s\n", json_get_string(v) ? json_get_string(v) : "");
}

void block_snapshots_text(BlockNode *n, GString *s)
{
    g_autoptr(Json) list = n->drv == &block_qcow2 ? qcow2_snapshot_list(n) : NULL;
    if (!json_length(list))
        return;
    g_string_append_printf(s, "Snapshot list:\n%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK",
                           "ICOUNT");
    for (size_t i = 0; i < json_length(list); i++) {
        const Json *o = json_at(list, i);
        uint64_t size = 0, sec = 0, clock = 0, nsec = 0, icount = 0;
        json_get_uint(json_get(o, "vm-state-size"), &size);
        json_get_uint(json_get(o, "date-sec"), &sec);
        json_get_uint(json_get(o, "vm-clock-sec"), &clock);
        json_get_uint(json_get(o, "vm-clock-nsec"), &nsec);
        time_t t = (time_t)sec;
        struct tm tm;
        char date[64], vmclock[64], count[32] = "";
        localtime_r(&t, &tm);
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
        snprintf(vmclock, sizeof(vmclock), "%02d:%02d:%02d.%03d", (int)(clock / 3600), (int)(clock / 60 % 60),
                 (int)(clock % 60), (int)(nsec / 1000000));
        if (json_get_uint(json_get(o, "icount"), &icount))
            snprintf(count, sizeof(count), "%" PRIu64, icount);
        g_autofree char *human = block_human_size(size);
        g_string_append_printf(s, "%-9s %-16s %8s%20s%13s%11s\n", json_get_str(o, "id"), json_get_str(o, "name"), human,
                               date, vmclock, count);
    }
}

void block_image_text(BlockNode *n, GString *s)
{
    g_autoptr(Json) o = block_image_info(n, false);
    const Json *data = json_get(json_get(o, "format-specific"), "data");
    uint64_t cluster;
    bool dirty = false;
    g_autofree char *size = block_human_size(node_length(n)), *full = node_backing_path(n);
    int64_t allocated = block_allocated(n);
    g_autofree char *disk = allocated < 0 ? g_strdup("unavailable") : block_human_size((uint64_t)allocated);
    g_string_append_printf(s, "image: %s\nfile format: %s\nvirtual size: %s (%" PRIu64 " bytes)\ndisk size: %s\n",
                           n->filename, n->drv->name, size, node_length(n), disk);
    json_get_bool(json_get(o, "dirty-flag"), &dirty);
    if (json_get_uint(json_get(o, "cluster-size"), &cluster))
        g_string_append_printf(s, "cluster_size: %" PRIu64 "\n", cluster);
    if (dirty)
        g_string_append_printf(s, "cleanly shut down: no\n");
    if (full) {
        g_string_append_printf(s, "backing file: %s", n->backing_file);
        if (strcmp(full, n->backing_file))
            g_string_append_printf(s, " (actual path: %s)", full);
        g_string_append_printf(s, "\n");
        if (n->backing_fmt)
            g_string_append_printf(s, "backing file format: %s\n", n->backing_fmt);
    }
    block_snapshots_text(n, s);
    if (json_length(data)) {
        g_string_append_printf(s, "Format specific information:\n");
        for (size_t i = 0; i < json_length(data); i++) {
            g_autofree char *key = g_strdelimit(g_strdup(json_key_at(data, i)), "-", ' ');
            g_string_append_printf(s, "    %s: ", key);
            value_text(json_val_at(data, i), s);
        }
    }
}
