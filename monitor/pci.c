/* SPDX-License-Identifier: GPL-2.0-or-later */
/* query-pci and `info pci`: what the buses hold, read from the configuration spaces as the guest has set them. */
#include "monitor/internal.h"

#include "hw/pci/pci.h"
#include "qapi/qapi-types.h"

enum { /* offsets in the configuration space */
       CFG_VENDOR = 0x00,
       CFG_DEVICE = 0x02,
       CFG_CLASS = 0x0a,
       CFG_PRIMARY = 0x18,
       CFG_SECONDARY = 0x19,
       CFG_SUBORDINATE = 0x1a,
       CFG_IO_BASE = 0x1c,
       CFG_IO_LIMIT = 0x1d,
       CFG_MEM_BASE = 0x20,
       CFG_MEM_LIMIT = 0x22,
       CFG_PREF_BASE = 0x24,
       CFG_PREF_LIMIT = 0x26,
       CFG_PREF_BASE_HIGH = 0x28,
       CFG_PREF_LIMIT_HIGH = 0x2c,
       CFG_SUBSYS_VENDOR = 0x2c,
       CFG_SUBSYS = 0x2e,
       CFG_IO_BASE_HIGH = 0x30,
       CFG_IO_LIMIT_HIGH = 0x32,
       CFG_IRQ_LINE = 0x3c,
       CFG_IRQ_PIN = 0x3d,
};
enum { MAX_BUS_DEPTH = 32 };

/* Names of classes that a PC has (PCI code and ID assignment specification). */
static const char *class_desc(uint16_t class_id)
{
    static const struct {
        uint16_t id;
        const char *desc;
    } names[] = {
        {0x0001, "VGA controller"},
        {0x0100, "SCSI controller"},
        {0x0101, "IDE controller"},
        {0x0102, "Floppy controller"},
        {0x0104, "RAID controller"},
        {0x0106, "SATA controller"},
        {0x0107, "SAS controller"},
        {0x0108, "NVMe controller"},
        {0x0180, "Storage controller"},
        {0x0200, "Ethernet controller"},
        {0x0280, "Network controller"},
        {0x0300, "VGA controller"},
        {0x0301, "XGA controller"},
        {0x0302, "3D controller"},
        {0x0380, "Display controller"},
        {0x0400, "Video controller"},
        {0x0401, "Audio controller"},
        {0x0403, "Audio controller"},
        {0x0500, "RAM controller"},
        {0x0600, "Host bridge"},
        {0x0601, "ISA bridge"},
        {0x0604, "PCI bridge"},
        {0x0680, "Bridge"},
        {0x0700, "Serial port"},
        {0x0780, "Simple communication controller"},
        {0x0800, "Interrupt controller"},
        {0x0805, "SD Host controller"},
        {0x0880, "System peripheral"},
        {0x0900, "Keyboard"},
        {0x0c03, "USB controller"},
        {0x0c05, "SMBus"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].id == class_id)
            return names[i].desc;
    return NULL;
}

static Json *range(uint64_t base, uint64_t limit)
{
    Json *v = json_object();
    json_set_int(v, "base", (int64_t)base);
    json_set_int(v, "limit", (int64_t)limit);
    return v;
}

static Json *bus_devices(PciBus *root, unsigned bus_num, unsigned depth);

static Json *bridge_info(PciBus *root, const uint8_t *cfg, unsigned depth)
{
    uint64_t io_base = (cfg[CFG_IO_BASE] & 0xf0) << 8, io_limit = (cfg[CFG_IO_LIMIT] & 0xf0) << 8 | 0xfff;
    if (cfg[CFG_IO_BASE] & 1) { /* 32-bit I/O window */
        io_base |= (uint64_t)lduw_le(cfg + CFG_IO_BASE_HIGH) << 16;
        io_limit |= (uint64_t)lduw_le(cfg + CFG_IO_LIMIT_HIGH) << 16;
    }
    uint64_t pref_base = (uint64_t)(lduw_le(cfg + CFG_PREF_BASE) & 0xfff0) << 16;
    uint64_t pref_limit = (uint64_t)(lduw_le(cfg + CFG_PREF_LIMIT) & 0xfff0) << 16 | 0xfffff;
    if (cfg[CFG_PREF_BASE] & 1) { /* 64-bit window */
        pref_base |= (uint64_t)ldl_le(cfg + CFG_PREF_BASE_HIGH) << 32;
        pref_limit |= (uint64_t)ldl_le(cfg + CFG_PREF_LIMIT_HIGH) << 32;
    }
    Json *bus = json_object(), *v = json_object();
    json_set_uint(bus, "number", cfg[CFG_PRIMARY]);
    json_set_uint(bus, "secondary", cfg[CFG_SECONDARY]);
    json_set_uint(bus, "subordinate", cfg[CFG_SUBORDINATE]);
    json_set(bus, "io_range", range(io_base, io_limit));
    json_set(bus, "memory_range",
             range((uint64_t)(lduw_le(cfg + CFG_MEM_BASE) & 0xfff0) << 16,
                   (uint64_t)(lduw_le(cfg + CFG_MEM_LIMIT) & 0xfff0) << 16 | 0xfffff));
    json_set(bus, "prefetchable_range", range(pref_base, pref_limit));
    json_set(v, "bus", bus);
    /* The guest sets the numbers, to anything: no circles. */
    if (cfg[CFG_SECONDARY] > cfg[CFG_PRIMARY] && depth < MAX_BUS_DEPTH)
        json_set(v, "devices", bus_devices(root, cfg[CFG_SECONDARY], depth + 1));
    return v;
}

static Json *device_regions(const PciDevice *d)
{
    Json *list = json_array();
    for (unsigned i = 0; i < ARRAY_SIZE(d->bars); i++) {
        const PciBar *b = &d->bars[i];
        if (!b->size)
            continue;
        Json *v = json_object();
        json_set_uint(v, "bar", i);
        json_set_str(v, "type", b->type & PCI_BAR_IO ? "io" : "memory");
        json_set_int(v, "address", (int64_t)b->addr);
        json_set_uint(v, "size", b->size);
        if (!(b->type & PCI_BAR_IO)) {
            json_set_bool(v, "prefetch", b->type & PCI_BAR_PREFETCH);
            json_set_bool(v, "mem_type_64", b->type & PCI_BAR_MEM64);
        }
        json_append(list, v);
    }
    return list;
}

static Json *device_info(PciBus *root, unsigned bus_num, const PciDevice *d, unsigned depth)
{
    const uint8_t *cfg = d->config;
    bool bridge = d->dev.desc->pci && d->dev.desc->pci->is_bridge;
    Json *v = json_object(), *class = json_object(), *id = json_object();
    uint16_t class_id = lduw_le(cfg + CFG_CLASS);
    json_set_uint(v, "bus", bus_num);
    json_set_uint(v, "slot", PCI_SLOT(d->devfn));
    json_set_uint(v, "function", PCI_FUNC(d->devfn));
    json_set_uint(class, "class", class_id);
    if (class_desc(class_id))
        json_set_str(class, "desc", class_desc(class_id));
    json_set(v, "class_info", class);
    json_set_uint(id, "vendor", lduw_le(cfg + CFG_VENDOR));
    json_set_uint(id, "device", lduw_le(cfg + CFG_DEVICE));
    if (!bridge) {
        json_set_uint(id, "subsystem-vendor", lduw_le(cfg + CFG_SUBSYS_VENDOR));
        json_set_uint(id, "subsystem", lduw_le(cfg + CFG_SUBSYS));
    }
    json_set(v, "id", id);
    json_set_uint(v, "irq_pin", cfg[CFG_IRQ_PIN]);
    if (cfg[CFG_IRQ_PIN])
        json_set_uint(v, "irq", cfg[CFG_IRQ_LINE]);
    json_set_str(v, "qdev_id", d->dev.id ? d->dev.id : "");
    if (bridge)
        json_set(v, "pci_bridge", bridge_info(root, cfg, depth));
    json_set(v, "regions", device_regions(d));
    return v;
}

static Json *bus_devices(PciBus *root, unsigned bus_num, unsigned depth)
{
    Json *list = json_array();
    for (unsigned devfn = 0; devfn < 256; devfn++) {
        const PciDevice *d = pci_find(root, bus_num, devfn);
        if (d)
            json_append(list, device_info(root, bus_num, d, depth));
    }
    return list;
}

Json *qmp_query_pci(const Json *args, Error **errp)
{
    Json *list = json_array();
    if (pci_root) {
        Json *v = json_object();
        json_set_uint(v, "bus", pci_bus_number(pci_root));
        json_set(v, "devices", bus_devices(pci_root, pci_bus_number(pci_root), 0));
        json_append(list, v);
    }
    return list;
}

/* --- `info pci` --- */

static uint64_t num(const Json *obj, const char *key)
{
    int64_t i = 0;
    json_get_int(json_get(obj, key), &i);
    return (uint64_t)i;
}

static void print_devices(const Json *list, GString *out);

static void print_bridge(const Json *bridge, GString *out)
{
    static const struct {
        const char *key, *label;
        int digits;
    } ranges[] = {
        {"io_range", "IO", 4}, {"memory_range", "memory", 8}, {"prefetchable_range", "prefetchable memory", 8}};
    const Json *bus = json_get(bridge, "bus");
    g_string_append_printf(out, "      BUS %" PRIu64 ".\n", num(bus, "number"));
    g_string_append_printf(out, "      secondary bus %" PRIu64 ".\n", num(bus, "secondary"));
    g_string_append_printf(out, "      subordinate bus %" PRIu64 ".\n", num(bus, "subordinate"));
    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
        const Json *r = json_get(bus, ranges[i].key);
        g_string_append_printf(out, "      %s range [0x%0*" PRIx64 ", 0x%0*" PRIx64 "]\n", ranges[i].label,
                               ranges[i].digits, num(r, "base"), ranges[i].digits, num(r, "limit"));
    }
}

static void print_device(const Json *d, GString *out)
{
    const Json *class = json_get(d, "class_info"), *id = json_get(d, "id"), *bridge = json_get(d, "pci_bridge");
    g_string_append_printf(out, "  Bus %2" PRIu64 ", device %3" PRIu64 ", function %" PRIu64 ":\n", num(d, "bus"),
                           num(d, "slot"), num(d, "function"));
    if (json_get(class, "desc"))
        g_string_append_printf(out, "    %s", json_get_str(class, "desc"));
    else
        g_string_append_printf(out, "    Class %04" PRId64, num(class, "class"));
    g_string_append_printf(out, ": PCI device %04" PRIx64 ":%04" PRIx64 "\n", num(id, "vendor"), num(id, "device"));
    if (num(id, "subsystem-vendor"))
        g_string_append_printf(out, "      PCI subsystem %04" PRIx64 ":%04" PRIx64 "\n", num(id, "subsystem-vendor"),
                               num(id, "subsystem"));
    if (num(d, "irq_pin"))
        g_string_append_printf(out, "      IRQ %" PRIu64 ", pin %c\n", num(d, "irq"),
                               (char)('A' + num(d, "irq_pin") - 1));
    if (bridge)
        print_bridge(bridge, out);
    const Json *regions = json_get(d, "regions");
    for (size_t i = 0; i < json_length(regions); i++) {
        const Json *r = json_at(regions, i);
        uint64_t addr = num(r, "address"), last = addr + num(r, "size") - 1;
        bool wide = false, prefetch = false;
        json_get_bool(json_get(r, "mem_type_64"), &wide);
        json_get_bool(json_get(r, "prefetch"), &prefetch);
        if (json_get(r, "prefetch"))
            g_string_append_printf(out, "      BAR%" PRIu64 ": %d bit%s memory at 0x%08" PRIx64 " [0x%08" PRIx64 "].\n",
                                   num(r, "bar"), wide ? 64 : 32, prefetch ? " prefetchable" : "", addr, last);
        else
            g_string_append_printf(out, "      BAR%" PRIu64 ": I/O at 0x%04" PRIx64 " [0x%04" PRIx64 "].\n",
                                   num(r, "bar"), addr, last);
    }
    g_string_append_printf(out, "      id \"%s\"\n", json_get_str(d, "qdev_id"));
    print_devices(json_get(bridge, "devices"), out);
}

static void print_devices(const Json *list, GString *out)
{
    for (size_t i = 0; i < json_length(list); i++)
        print_device(json_at(list, i), out);
}

void pci_print(GString *out)
{
    g_autoptr(Json) buses = qmp_query_pci(NULL, NULL);
    for (size_t i = 0; i < json_length(buses); i++)
        print_devices(json_get(json_at(buses, i), "devices"), out);
}
