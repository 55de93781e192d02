/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loader's commands, table headers, and tables from files (-acpitable). */
#include "hw/acpi/tables.h"

#include "hw/core/prop.h"

enum { COMMAND_SIZE = 128, NAME_SIZE = 56, HEADER = 36 };
enum { CMD_ALLOCATE = 1, CMD_POINTER = 2, CMD_CHECKSUM = 3 };
enum {
    H_LENGTH = 4,
    H_REVISION = 8,
    H_CHECKSUM = 9,
    H_OEM_ID = 10,
    H_OEM_TABLE = 16,
    H_OEM_REV = 24,
    H_COMPILER = 28,
    H_COMPILER_REV = 32
};

static uint8_t *command(AcpiBlob *b, uint32_t cmd, const char *file)
{
    guint at = b->loader->len;
    g_byte_array_set_size(b->loader, at + COMMAND_SIZE);
    uint8_t *p = b->loader->data + at;
    memset(p, 0, COMMAND_SIZE);
    stl_le(p, cmd);
    memcpy(p + 4, file, strlen(file));
    return p + 4 + NAME_SIZE;
}

void loader_allocate(AcpiBlob *b, const char *file, uint32_t align, uint8_t zone)
{
    uint8_t *p = command(b, CMD_ALLOCATE, file);
    stl_le(p, align);
    p[4] = zone;
}

void loader_pointer(AcpiBlob *b, const char *file, uint32_t offset, uint8_t size, const char *from)
{
    uint8_t *p = command(b, CMD_POINTER, file);
    memcpy(p, from, strlen(from));
    stl_le(p + NAME_SIZE, offset);
    p[NAME_SIZE + 4] = size;
}

void loader_checksum(AcpiBlob *b, const char *file, uint32_t offset, uint32_t start, uint32_t len)
{
    uint8_t *p = command(b, CMD_CHECKSUM, file);
    stl_le(p, offset);
    stl_le(p + 4, start);
    stl_le(p + 8, len);
}

void acpi_put(AcpiBlob *b, uint64_t v, unsigned bytes)
{
    uint8_t le[8];
    stq_le(le, v);
    g_byte_array_append(b->tables, le, bytes);
}

size_t acpi_table_begin(AcpiBlob *b, const char sig[4], uint8_t revision)
{
    uint8_t h[HEADER] = {0};
    memcpy(h, sig, 4);
    h[H_REVISION] = revision;
    memcpy(h + H_OEM_ID, b->oem_id, 6);
    memcpy(h + H_OEM_TABLE, b->oem_table_id, 8);
    stl_le(h + H_OEM_REV, 1);
    memcpy(h + H_COMPILER, "BXPC", 4);
    stl_le(h + H_COMPILER_REV, 1);
    g_byte_array_append(b->tables, h, sizeof(h));
    return b->tables->len - sizeof(h);
}

void acpi_table_end(AcpiBlob *b, size_t start)
{
    size_t len = b->tables->len - start;
    stl_le(b->tables->data + start + H_LENGTH, len);
    loader_checksum(b, ACPI_TABLES_FILE, start + H_CHECKSUM, start, len);
}

/* -acpitable. */

static GPtrArray *extra; /* of GByteArray * */

size_t acpitable_count(void)
{
    return extra ? extra->len : 0;
}

const GByteArray *acpitable_get(size_t i)
{
    return extra->pdata[i];
}

static const struct {
    const char *key;
    uint8_t offset, size;
    bool text;
} header_keys[] = {
    {"sig", 0, 4, true},
    {"rev", H_REVISION, 1, false},
    {"oem_id", H_OEM_ID, 6, true},
    {"oem_table_id", H_OEM_TABLE, 8, true},
    {"oem_rev", H_OEM_REV, 4, false},
    {"asl_compiler_id", H_COMPILER, 4, true},
    {"asl_compiler_rev", H_COMPILER_REV, 4, false},
};

/* The files' bytes behind each other; names are separated by ':'. */
static bool read_files(GByteArray *out, const char *names, Error **errp)
{
    g_auto(GStrv) name = g_strsplit(names, ":", -1);
    for (unsigned i = 0; name[i]; i++) {
        g_autofree char *data = NULL;
        gsize len;
        g_autoptr(GError) err = NULL;
        if (!g_file_get_contents(name[i], &data, &len, &err))
            return error_set(errp, "-acpitable: can't open file %s: %s", name[i], err->message);
        if (len > 64 * MIB || out->len + len > 64 * MIB)
            return error_set(errp, "-acpitable: %s is larger than the 64 MiB that tables may have", name[i]);
        g_byte_array_append(out, (const guint8 *)data, len);
    }
    return true;
}

static bool set_header(uint8_t *h, const Json *opts, Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(header_keys); i++) {
        const char *val = json_get_str(opts, header_keys[i].key);
        uint64_t n;
        if (!val)
            continue;
        if (header_keys[i].text) {
            memset(h + header_keys[i].offset, 0, header_keys[i].size);
            memcpy(h + header_keys[i].offset, val, MIN(strlen(val), header_keys[i].size));
        } else if (!parse_u64(val, &n) || n > UINT32_MAX || (header_keys[i].size == 1 && n > UINT8_MAX)) {
            return error_set(errp, "-acpitable: %s=%s is no number of %u bits", header_keys[i].key, val,
                             8u * header_keys[i].size);
        } else {
            memcpy(h + header_keys[i].offset, (uint8_t[]){n, n >> 8, n >> 16, n >> 24}, header_keys[i].size);
        }
    }
    return true;
}

static bool known_keys(const Json *opts, Error **errp)
{
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i);
        bool known = !strcmp(key, "data") || !strcmp(key, "file");
        for (size_t k = 0; k < ARRAY_SIZE(header_keys); k++)
            known |= !strcmp(key, header_keys[k].key);
        if (!known)
            return error_set(errp, "Invalid parameter '%s' of -acpitable", key);
    }
    return true;
}

/* file= holds a whole table, data= what follows the header, whose fields have defaults then. */
bool acpitable_add(const Json *opts, Error **errp)
{
    const char *file = json_get_str(opts, "file"), *data = json_get_str(opts, "data");
    if (!known_keys(opts, errp))
        return false;
    if (!file == !data)
        return error_set(errp, "'-acpitable' requires one of 'data' or 'file'");
    g_autoptr(GByteArray) t = g_byte_array_new();
    if (!file) {
        uint8_t h[HEADER] = "QEMU";
        h[H_REVISION] = 1;
        memcpy(h + H_OEM_ID, "QEMUQEQEMUQEMU", 14);
        stl_le(h + H_OEM_REV, 1);
        memcpy(h + H_COMPILER, "QEMU", 4);
        stl_le(h + H_COMPILER_REV, 1);
        g_byte_array_append(t, h, sizeof(h));
    }
    if (!read_files(t, file ? file : data, errp))
        return false;
    if (t->len < HEADER)
        return error_set(errp, "-acpitable: %s has %u bytes; a table's header alone has %d", file, t->len, HEADER);
    if (!set_header(t->data, opts, errp))
        return false;
    if (ldl_le(t->data + H_LENGTH) != t->len) {
        if (file)
            warn_report("ACPI table has wrong length, header says %u, actual size %u bytes", ldl_le(t->data + H_LENGTH),
                        t->len);
        stl_le(t->data + H_LENGTH, t->len);
    }
    uint8_t sum = 0;
    t->data[H_CHECKSUM] = 0;
    for (guint i = 0; i < t->len; i++)
        sum += t->data[i];
    t->data[H_CHECKSUM] = -sum;
    if (!extra)
        extra = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    g_ptr_array_add(extra, g_byte_array_ref(t));
    return true;
}
