/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS tables (DMTF DSP0134; version 2.8 behind the 32-bit entry point, 3.0 behind the 64-bit one) in fw_cfg: the
 * firmware puts them in memory, fills in address and checksums of the anchor, and adds its own type 0.
 */
#include "hw/i386/smbios.h"

#include "softmmu/vcpus.h"

enum { CHASSIS_HANDLE = 0x300, CPU_HANDLE = 0x400, ARRAY_HANDLE = 0x1000, DIMM_HANDLE = 0x1100, MAP_HANDLE = 0x1300 };
#define CPUID_HTT BIT32(28)
#define DIMM_SIZE (16 * GIB) /* the modules that the memory consists of */

const char *const smbios_entry_point_names[] = {"32", "64", NULL};

typedef struct Tables {
    GByteArray *bytes;
    size_t start, largest; /* of the structure being made; of all */
    unsigned count;
    bool strings; /* it has some already */
} Tables;

/* A structure: the formatted area begun by type, length and handle, then its strings. */
static uint8_t *begin(Tables *t, uint8_t type, uint8_t len, uint16_t handle)
{
    t->start = t->bytes->len;
    t->strings = false;
    g_byte_array_set_size(t->bytes, t->start + len);
    uint8_t *p = t->bytes->data + t->start;
    memset(p, 0, len);
    p[0] = type;
    p[1] = len;
    stw_le(p + 2, handle);
    return p;
}

static void string(Tables *t, const char *text)
{
    g_byte_array_append(t->bytes, (const guint8 *)text, strlen(text) + 1);
    t->strings = true;
}

static void end(Tables *t)
{
    g_byte_array_append(t->bytes, (const guint8 *)"\0\0", t->strings ? 1 : 2);
    t->largest = MAX(t->largest, t->bytes->len - t->start);
    t->count++;
}

static void add_system(Tables *t, Machine *m)
{
    uint8_t *p = begin(t, 1, 27, 0x100);
    p[4] = 1;
    p[5] = 2;
    p[6] = 3;
    const uint8_t *u = m->uuid; /* the first three fields are little endian here */
    const uint8_t le[8] = {u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6]};
    memcpy(p + 8, le, 8);
    memcpy(p + 16, u + 8, 8);
    p[24] = 6; /* woken by the power switch */
    string(t, "QEMU");
    string(t, m->desc->summary);
    string(t, m->desc->name);
    end(t);
    p = begin(t, 3, 22, CHASSIS_HANDLE);
    p[4] = p[5] = 1; /* maker; type: other */
    p[6] = 2;
    p[9] = p[10] = p[11] = 3; /* states: safe */
    p[12] = 2;                /* security: unknown */
    string(t, "QEMU");
    string(t, m->desc->name);
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
        g_autofree char *socket = g_strdup_printf("CPU %u", i);
        uint8_t *p = begin(t, 4, ep == SMBIOS_64 ? 48 : 42, CPU_HANDLE + i);
        p[4] = 1;
        p[5] = 3; /* central processor */
        p[6] = 1; /* family: other */
        p[7] = 2;
        stl_le(p + 8, eax);
        stl_le(p + 12, edx);
        p[16] = 3;
        stw_le(p + 20, 2000); /* MHz, highest and present */
        stw_le(p + 22, 2000);
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
        string(t, socket);
        string(t, "QEMU");
        string(t, m->desc->name);
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
        g_autofree char *name = g_strdup_printf("DIMM %u", i);
        p = begin(t, 17, 40, DIMM_HANDLE + i);
        stw_le(p + 4, ARRAY_HANDLE);
        stw_le(p + 6, 0xfffe);
        stw_le(p + 8, 0xffff); /* widths: unknown */
        stw_le(p + 10, 0xffff);
        stw_le(p + 12, mib);
        p[14] = 9; /* DIMM */
        p[16] = 1;
        p[18] = 7;         /* RAM */
        stw_le(p + 19, 2); /* other */
        p[23] = 2;
        string(t, name);
        string(t, "QEMU");
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
    add_system(&t, m);
    add_cpus(&t, m, ep);
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
