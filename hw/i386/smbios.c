/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS tables (DMTF DSP0134; version 2.8 behind the 32-bit entry point, 3.0 behind the 64-bit one) in fw_cfg: the
 * firmware puts them in memory, fills in address and checksums of the anchor, and adds its own type 0.
 */
#include "hw/i386/smbios.h"

#include "hw/core/prop.h"
#include "softmmu/vcpus.h"

#include <stdio.h>

enum { CHASSIS_HANDLE = 0x300, CPU_HANDLE = 0x400, ARRAY_HANDLE = 0x1000, DIMM_HANDLE = 0x1100, MAP_HANDLE = 0x1300 };
#define CPUID_HTT BIT32(28)
#define DIMM_SIZE (16 * GIB) /* the modules that the memory consists of */

const char *const smbios_entry_point_names[] = {"32", "64", NULL};

typedef struct Tables {
    GByteArray *bytes;
    size_t start, largest; /* of the structure being made; of all */
    unsigned count;
    unsigned strings; /* that it has */
} Tables;

/* -smbios: what the user says of a type of structure, by key; NULL: nothing. OEM strings one by one. */
static Json *given[18];
static GPtrArray *oem_strings; /* of char * */

static const char *text_of(unsigned type, const char *key, const char *otherwise)
{
    const char *s = given[type] ? json_get_str(given[type], key) : NULL;
    return s ? s : otherwise;
}

static uint64_t number_of(unsigned type, const char *key, uint64_t otherwise)
{
    uint64_t n;
    const char *s = text_of(type, key, NULL);
    return s && parse_u64(s, &n) ? n : otherwise;
}

static const struct {
    unsigned type;
    const char *keys; /* those of numbers end in '#' */
} known[] = {
    {0, "vendor version date release uefi"},
    {1, "manufacturer product version serial uuid sku family"},
    {2, "manufacturer product version serial asset location"},
    {3, "manufacturer version serial asset sku"},
    {4, "sock_pfx manufacturer version serial asset part max-speed# current-speed# processor-id#"},
    {11, "value path"},
    {17, "loc_pfx bank manufacturer serial asset part speed#"},
};

static bool add_oem_string(const Json *opts, Error **errp)
{
    const char *value = json_get_str(opts, "value"), *path = json_get_str(opts, "path");
    g_autofree char *data = NULL;
    g_autoptr(GError) err = NULL;
    if (!value == !path)
        return error_set(errp, "-smbios type=11 wants one of value= and path=");
    if (path && !g_file_get_contents(path, &data, NULL, &err))
        return error_set(errp, "-smbios type=11: %s: %s", path, err->message);
    if (!oem_strings)
        oem_strings = g_ptr_array_new_with_free_func(g_free);
    if (oem_strings->len == 255)
        return error_set(errp, "-smbios type=11: there are 255 strings already");
    g_ptr_array_add(oem_strings, g_strdup(path ? data : value));
    return true;
}

bool smbios_option_add(const Json *opts, Error **errp)
{
    const char *word = json_get_str(opts, "type");
    uint64_t type;
    if (json_get_str(opts, "file"))
        return error_set(errp, "file=: whole structures from files are not supported yet; type= is");
    if (!word || !parse_u64(word, &type))
        return error_set(errp, "Must specify either 'file' or 'type'");
    const char *keys = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].type == type)
            keys = known[i].keys;
    if (!keys)
        return error_set(errp, "Don't know how to build fields for SMBIOS type %s (0, 1, 2, 3, 4, 11 and 17 are known)",
                         word);
    g_auto(GStrv) names = g_strsplit(keys, " ", -1);
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i), *val = json_get_str(opts, key);
        g_autofree char *as_number = g_strdup_printf("%s#", key);
        uint64_t n;
        if (!strcmp(key, "type"))
            continue;
        bool is_number = g_strv_contains((const gchar *const *)names, as_number);
        if (!is_number && !g_strv_contains((const gchar *const *)names, key))
            return error_set(errp, "Invalid parameter '%s' of type %s: %s are known", key, word, keys);
        if (is_number && !parse_u64(val, &n))
            return error_set(errp, "Parameter '%s' expects a number", key);
    }
    if (type == 11)
        return add_oem_string(opts, errp);
    if (!given[type])
        given[type] = json_object();
    for (size_t i = 0; i < json_length(opts); i++)
        json_set_str(given[type], json_key_at(opts, i), json_get_str(opts, json_key_at(opts, i)));
    unsigned major, minor;
    const char *release = text_of(0, "release", "0.0");
    bool on;
    if (sscanf(release, "%u.%u", &major, &minor) != 2 || major > 255 || minor > 255)
        return error_set(errp, "Invalid release: '%s' is no MAJOR.MINOR of numbers up to 255", release);
    if (!parse_bool(text_of(0, "uefi", "off"), &on))
        return error_set(errp, "Parameter 'uefi' expects 'on' or 'off'");
    return true;
}

/* A structure: the formatted area begun by type, length and handle, then its strings. */
static uint8_t *begin(Tables *t, uint8_t type, uint8_t len, uint16_t handle)
{
    t->start = t->bytes->len;
    t->strings = 0;
    g_byte_array_set_size(t->bytes, t->start + len);
    uint8_t *p = t->bytes->data + t->start;
    memset(p, 0, len);
    p[0] = type;
    p[1] = len;
    stw_le(p + 2, handle);
    return p;
}

/* Its number goes to byte at of the structure; NULL and "": none. */
static void string(Tables *t, unsigned at, const char *text)
{
    if (!text || !*text)
        return;
    g_byte_array_append(t->bytes, (const guint8 *)text, strlen(text) + 1);
    t->bytes->data[t->start + at] = ++t->strings;
}

static void end(Tables *t);

static void add_bios(Tables *t)
{
    unsigned major = 0, minor = 0;
    bool uefi = false;
    if (!given[0])
        return;
    uint8_t *p = begin(t, 0, 24, 0);
    sscanf(text_of(0, "release", "0.0"), "%u.%u", &major, &minor);
    parse_bool(text_of(0, "uefi", "off"), &uefi);
    stw_le(p + 6, 0xe800);
    p[10] = 8;                     /* characteristics: not told */
    p[19] = 0x14 | (uefi ? 8 : 0); /* a virtual machine, targeted content distribution */
    p[20] = major;
    p[21] = minor;
    p[22] = p[23] = 0xff; /* no embedded controller */
    string(t, 4, text_of(0, "vendor", NULL));
    string(t, 5, text_of(0, "version", NULL));
    string(t, 8, text_of(0, "date", NULL));
    end(t);
}

static void end(Tables *t)
{
    g_byte_array_append(t->bytes, (const guint8 *)"\0\0", t->strings ? 1 : 2);
    t->largest = MAX(t->largest, t->bytes->len - t->start);
    t->count++;
}

static void add_system(Tables *t, Machine *m)
{
    const uint8_t *u = m->uuid;
    uint8_t *p = begin(t, 1, 27, 0x100);
    /* the first three fields of a UUID are little endian here */
    const uint8_t le[8] = {u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6]};
    memcpy(p + 8, le, 8);
    memcpy(p + 16, u + 8, 8);
    p[24] = 6; /* woken by the power switch */
    string(t, 4, text_of(1, "manufacturer", "QEMU"));
    string(t, 5, text_of(1, "product", m->desc->summary));
    string(t, 6, text_of(1, "version", m->desc->name));
    string(t, 7, text_of(1, "serial", NULL));
    string(t, 25, text_of(1, "sku", NULL));
    string(t, 26, text_of(1, "family", NULL));
    end(t);
    if (given[2]) { /* the main board */
        p = begin(t, 2, 15, 0x200);
        p[9] = 1; /* it hosts */
        stw_le(p + 11, CHASSIS_HANDLE);
        p[13] = 10; /* motherboard */
        string(t, 4, text_of(2, "manufacturer", "QEMU"));
        string(t, 5, text_of(2, "product", m->desc->summary));
        string(t, 6, text_of(2, "version", m->desc->name));
        string(t, 7, text_of(2, "serial", NULL));
        string(t, 8, text_of(2, "asset", NULL));
        string(t, 10, text_of(2, "location", NULL));
        end(t);
    }
    p = begin(t, 3, 22, CHASSIS_HANDLE);
    p[5] = 1;                 /* type: other */
    p[9] = p[10] = p[11] = 3; /* states: safe */
    p[12] = 2;                /* security: unknown */
    string(t, 4, text_of(3, "manufacturer", "QEMU"));
    string(t, 6, text_of(3, "version", m->desc->name));
    string(t, 7, text_of(3, "serial", NULL));
    string(t, 8, text_of(3, "asset", NULL));
    string(t, 21, text_of(3, "sku", NULL));
    end(t);
}

static void add_oem(Tables *t)
{
    if (!oem_strings)
        return;
    begin(t, 11, 5, 0xe00)[4] = oem_strings->len;
    for (guint i = 0; i < oem_strings->len; i++)
        string(t, 4, oem_strings->pdata[i]);
    end(t);
}

static void boot_cpu_signature(uint32_t *eax, uint32_t *edx)
{
    X86CPU *c = vcpus[0];
    for (unsigned i = 0; c && i < c->n_cpuid; i++)
        if (c->cpuid[i].leaf == 1) {
            *eax = c->cpuid[i].reg[CPUID_EAX];
            *edx = c->cpuid[i].reg[CPUID_EDX] & ~CPUID_HTT; /* the model's: HTT comes from the topology */
        }
}

static void add_cpus(Tables *t, Machine *m, SmbiosEntryPoint ep)
{
    const SmpConfig *s = &m->smp;
    unsigned cores = MAX(s->dies, 1) * MAX(s->clusters, 1) * MAX(s->cores, 1), threads = cores * MAX(s->threads, 1);
    uint32_t eax = 0, edx = 0;
    boot_cpu_signature(&eax, &edx);
    for (unsigned i = 0; i < MAX(s->sockets, 1); i++) {
        g_autofree char *socket = g_strdup_printf("%s %u", text_of(4, "sock_pfx", "CPU"), i);
        uint8_t *p = begin(t, 4, ep == SMBIOS_64 ? 48 : 42, CPU_HANDLE + i);
        p[5] = 3; /* central processor */
        p[6] = 1; /* family: other */
        stq_le(p + 8, number_of(4, "processor-id", (uint64_t)edx << 32 | eax));
        stw_le(p + 20, number_of(4, "max-speed", 2000)); /* MHz, highest and present */
        stw_le(p + 22, number_of(4, "current-speed", 2000));
        p[24] = 0x41; /* populated, enabled */
        p[25] = 1;
        memset(p + 26, 0xff, 6); /* no cache handles */
        p[35] = p[36] = MIN(cores, 255);
        p[37] = MIN(threads, 255);
        stw_le(p + 38, 2); /* characteristics: unknown */
        stw_le(p + 40, 1);
        if (ep == SMBIOS_64) {
            stw_le(p + 42, cores);
            stw_le(p + 44, cores);
            stw_le(p + 46, threads);
        }
        string(t, 4, socket);
        string(t, 7, text_of(4, "manufacturer", "QEMU"));
        string(t, 16, text_of(4, "version", m->desc->name));
        string(t, 32, text_of(4, "serial", NULL));
        string(t, 33, text_of(4, "asset", NULL));
        string(t, 34, text_of(4, "part", NULL));
        end(t);
    }
}

static void add_memory(Tables *t, Machine *m)
{
    unsigned dimms = (m->ram_size + DIMM_SIZE - 1) / DIMM_SIZE;
    uint8_t *p = begin(t, 16, 23, ARRAY_HANDLE);
    p[4] = 1; /* location: other */
    p[5] = 3; /* use: system memory */
    p[6] = 6; /* multi-bit ECC */
    if (m->ram_size / KIB < BIT64(31)) {
        stl_le(p + 7, m->ram_size / KIB);
    } else {
        stl_le(p + 7, BIT32(31)); /* see the extended capacity */
        stq_le(p + 15, m->ram_size);
    }
    stw_le(p + 11, 0xfffe); /* no error information */
    stw_le(p + 13, dimms);
    end(t);
    for (unsigned i = 0; i < dimms; i++) {
        uint64_t mib = MIN(m->ram_size - i * DIMM_SIZE, DIMM_SIZE) / MIB;
        g_autofree char *name = g_strdup_printf("%s %u", text_of(17, "loc_pfx", "DIMM"), i);
        p = begin(t, 17, 40, DIMM_HANDLE + i);
        stw_le(p + 4, ARRAY_HANDLE);
        stw_le(p + 6, 0xfffe);
        stw_le(p + 8, 0xffff); /* widths: unknown */
        stw_le(p + 10, 0xffff);
        stw_le(p + 12, mib);
        p[14] = 9;         /* DIMM */
        p[18] = 7;         /* RAM */
        stw_le(p + 19, 2); /* other */
        stw_le(p + 21, number_of(17, "speed", 0));
        stw_le(p + 32, number_of(17, "speed", 0));
        string(t, 16, name);
        string(t, 17, text_of(17, "bank", NULL));
        string(t, 23, text_of(17, "manufacturer", "QEMU"));
        string(t, 24, text_of(17, "serial", NULL));
        string(t, 25, text_of(17, "asset", NULL));
        string(t, 26, text_of(17, "part", NULL));
        end(t);
    }
    unsigned n = 0;
    for (size_t i = 0; i < e820_count(); i++) {
        uint64_t addr, len;
        if (!e820_get(i, E820_RAM, &addr, &len) || !len)
            continue;
        p = begin(t, 19, 31, MAP_HANDLE + n++);
        uint64_t last_kib = (addr + len) / KIB - 1;
        if (last_kib < UINT32_MAX) {
            stl_le(p + 4, addr / KIB);
            stl_le(p + 8, last_kib);
        } else {
            stl_le(p + 4, UINT32_MAX);
            stl_le(p + 8, UINT32_MAX);
            stq_le(p + 15, addr);
            stq_le(p + 23, addr + len - 1);
        }
        stw_le(p + 12, ARRAY_HANDLE);
        p[14] = 1;
        end(t);
    }
}

static bool add_anchor(FwCfg *fw, const Tables *t, SmbiosEntryPoint ep, Error **errp)
{
    uint8_t a[31] = {0};
    if (ep == SMBIOS_64) {
        memcpy(a, "_SM3_", 5);
        a[6] = 24;
        a[7] = 3; /* 3.0 */
        a[10] = 1;
        stl_le(a + 12, t->bytes->len);
        return fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", a, 24, errp);
    }
    memcpy(a, "_SM_", 4);
    a[5] = 31;
    a[6] = 2; /* 2.8 */
    a[7] = 8;
    stw_le(a + 8, t->largest);
    memcpy(a + 16, "_DMI_", 5);
    stw_le(a + 22, t->bytes->len);
    stw_le(a + 28, t->count);
    a[30] = 0x28;
    return fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", a, 31, errp);
}

bool smbios_publish(Machine *m, FwCfg *fw, SmbiosEntryPoint ep, Error **errp)
{
    Tables t = {.bytes = g_byte_array_new()};
    add_bios(&t);
    add_system(&t, m);
    add_cpus(&t, m, ep);
    add_oem(&t);
    add_memory(&t, m);
    begin(&t, 32, 11, 0x2000); /* boot: no errors */
    end(&t);
    begin(&t, 127, 4, 0x7f00);
    end(&t);
    bool ok = ep == SMBIOS_64 || t.bytes->len <= UINT16_MAX
                  ? fw_cfg_add_file(fw, "etc/smbios/smbios-tables", t.bytes->data, t.bytes->len, errp) &&
                        add_anchor(fw, &t, ep, errp)
                  : error_set(errp, "SMBIOS tables of %u bytes need -machine smbios-entry-point-type=64", t.bytes->len);
    g_byte_array_unref(t.bytes);
    return ok;
}
