/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firmware files and option ROMs: the search path, checks, and the way to the firmware. */
#include "hw/i386/loader.h"
#include "hw/i386/fw-cfg.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where distributions keep firmware: QEMU's own folder, SeaBIOS and its VGA BIOSes, iPXE, OVMF. */
static const char *const builtin_dirs[] = {
    "/usr/share/qemu", "/usr/share/seabios", "/usr/lib/ipxe/qemu", "/usr/share/OVMF", "/usr/share/qemu-firmware",
};
static GPtrArray *user_dirs; /* of char * */

typedef struct OptionRom {
    char *file;
    int32_t bootindex;
} OptionRom;
static GArray *option_roms; /* of OptionRom, from -option-rom */

typedef struct Loaded {
    char *name;
    uint64_t addr, size;
    bool ram;
} Loaded;
static GArray *loaded; /* of Loaded, by address */

void firmware_add_dir(const char *dir)
{
    if (!user_dirs)
        user_dirs = g_ptr_array_new();
    g_ptr_array_add(user_dirs, g_strdup(dir));
}

static const char *dir_at(unsigned i)
{
    unsigned n = user_dirs ? user_dirs->len : 0;
    return i < n ? user_dirs->pdata[i] : i - n < ARRAY_SIZE(builtin_dirs) ? builtin_dirs[i - n] : NULL;
}

void firmware_print_dirs(void)
{
    const char *dir;
    for (unsigned i = 0; (dir = dir_at(i)); i++)
        puts(dir);
}

char *firmware_find(const char *name)
{
    const char *dir;
    if (!*name)
        return NULL;
    if (strchr(name, '/'))
        return !access(name, R_OK) ? g_strdup(name) : NULL;
    for (unsigned i = 0; (dir = dir_at(i)); i++) {
        char *path = g_build_filename(dir, name, NULL);
        if (!access(path, R_OK))
            return path;
        g_free(path);
    }
    return !access(name, R_OK) ? g_strdup(name) : NULL;
}

/* The file, opened; its size is checked. -1: why not. */
static int firmware_open(const char *name, const char *what, size_t max, size_t *size, Error **errp)
{
    g_autofree char *path = firmware_find(name);
    if (!path) {
        error_set(errp, "failed to find %s \"%s\"", what, name);
        error_hint(errp, "'-L help' lists the folders that are searched; '-L DIR' adds one.");
        return -1;
    }
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        error_set_errno(errp, errno, "could not open %s \"%s\"", what, path);
    else if (!S_ISREG(st.st_mode))
        error_set(errp, "%s \"%s\" is not a regular file", what, path);
    else if (!st.st_size)
        error_set(errp, "%s \"%s\" is empty", what, path);
    else if ((uint64_t)st.st_size > max)
        error_set(errp, "%s \"%s\" too large (size cannot exceed %zu KiB)", what, path, max / 1024);
    else {
        *size = st.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Closes fd. */
static bool firmware_read(int fd, uint8_t *to, size_t size, const char *name, const char *what, Error **errp)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = read(fd, to + have, size - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += n;
    }
    close(fd);
    return have == size || error_set(errp, "could not read %s \"%s\"", what, name);
}

uint8_t *firmware_load(const char *name, const char *what, size_t max, size_t *len, Error **errp)
{
    size_t size;
    int fd = firmware_open(name, what, max, &size, errp);
    if (fd < 0)
        return NULL;
    uint8_t *data = g_malloc(size);
    if (!firmware_read(fd, data, size, name, what, errp))
        g_clear_pointer(&data, g_free);
    else
        *len = size;
    return data;
}

bool firmware_load_rom(MemoryRegion *r, const char *region_name, const char *name, const char *what, size_t max,
                       size_t multiple, Error **errp)
{
    size_t size;
    int fd = firmware_open(name, what, max, &size, errp);
    if (fd < 0)
        return false;
    if (size % multiple) {
        close(fd);
        return error_set(errp, "its size is %zu bytes, and must be a multiple of %zu KiB", size, multiple / 1024);
    }
    if (!region_init_rom(r, NULL, region_name, size, errp)) {
        close(fd);
        return false;
    }
    if (!firmware_read(fd, region_ram_ptr(r), size, name, what, errp))
        return false;
    region_set_dirty(r, 0, size);
    return true;
}

bool option_rom_add(FwCfg *fw, const char *name, const uint8_t *data, size_t len, int32_t bootindex, Error **errp)
{
    if (len < 3 || data[0] != 0x55 || data[1] != 0xaa || data[2] * 512u > len)
        return error_set(errp, "option ROM \"%s\" has no ROM header, or is shorter than its header says", name);
    g_autofree char *file = g_strdup_printf("genroms/%s", name);
    if (!bootindex_claim(bootindex, errp) || !fw_cfg_add_file(fw, file, data, len, errp))
        return false;
    if (bootindex >= 0) {
        g_autofree char *path = g_strdup_printf("/rom@%s", file);
        bootorder_add_path(bootindex, path);
    }
    return true;
}

bool option_rom_option_add(const Json *opts, Error **errp)
{
    OptionRom rom = {.bootindex = -1};
    const char *file = json_get_str(opts, "romfile"), *index = json_get_str(opts, "bootindex");
    uint64_t n;
    if (!file)
        return error_set(errp, "-option-rom: a file is needed: -option-rom FILE[,bootindex=N]");
    if (index) {
        if (!parse_u64(index, &n) || n > INT32_MAX)
            return error_set(errp, "-option-rom: bootindex='%s' is no number from 0 on", index);
        rom.bootindex = n;
    }
    if (!option_roms)
        option_roms = g_array_new(false, false, sizeof(OptionRom));
    rom.file = g_strdup(file);
    g_array_append_val(option_roms, rom);
    return true;
}

bool option_roms_apply(FwCfg *fw, Error **errp)
{
    for (guint i = 0; option_roms && i < option_roms->len; i++) {
        OptionRom *rom = &g_array_index(option_roms, OptionRom, i);
        size_t len;
        g_autofree uint8_t *data = firmware_load(rom->file, "-option-rom", 128 * KIB, &len, errp);
        g_autofree char *name = g_path_get_basename(rom->file);
        if (!data || !option_rom_add(fw, name, data, len, rom->bootindex, errp))
            return false;
    }
    return true;
}

void rom_record(const char *name, uint64_t addr, uint64_t size, bool ram)
{
    if (!loaded)
        loaded = g_array_new(false, false, sizeof(Loaded));
    Loaded l = {g_strdup(name), addr, size, ram};
    guint at = 0;
    while (at < loaded->len && g_array_index(loaded, Loaded, at).addr <= addr)
        at++;
    g_array_insert_val(loaded, at, l);
}

void roms_print(const FwCfg *fw, GString *out)
{
    static const char *const tables[] = {"etc/acpi/tables", "etc/table-loader", "etc/acpi/rsdp"};
    size_t len;
    const char *name;
    for (unsigned i = 0; fw && (name = fw_cfg_file_at(fw, i, &len)); i++)
        if (g_str_has_prefix(name, "genroms/") || g_str_has_prefix(name, "vgaroms/"))
            g_string_append_printf(out, "fw=%s size=0x%06zx name=\"%s\"\n", name, len, strchr(name, '/') + 1);
    for (guint i = 0; loaded && i < loaded->len; i++) {
        const Loaded *l = &g_array_index(loaded, Loaded, i);
        g_string_append_printf(out, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=%s name=\"%s\"\n", l->addr, l->size,
                               l->ram ? "ram" : "rom", l->name);
    }
    for (unsigned k = 0; fw && k < ARRAY_SIZE(tables); k++)
        for (unsigned i = 0; (name = fw_cfg_file_at(fw, i, &len)); i++)
            if (!strcmp(name, tables[k]))
                g_string_append_printf(out, "/rom@%s size=0x%06zx name=\"%s\"\n", name, len, name);
}
