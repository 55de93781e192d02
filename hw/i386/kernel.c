/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -kernel, -initrd, -append: a Linux bzImage (the kernel's Documentation/arch/x86/boot.rst), a Multiboot 1 image
 * (specification 0.6.96) or an ELF with a PVH entry (Xen's docs/misc/pvh.pandoc). The pieces go in fw_cfg items, a boot
 * ROM of ours (optionrom/) puts them in memory and starts them; so a reset starts them again.
 *
 * The information block of Multiboot and PVH (the setup item, at INFO_ADDR): 0 the block itself, 100h the list of
 * modules, 800h the memory map that the ROM fills in, 1000h strings.
 */
#include "hw/i386/fw-cfg.h"
#include "hw/i386/kernel-formats.h"
#include "hw/i386/loader.h"
#include "hw/i386/optionroms.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INFO_ADDR = 0x10000, INFO_MODULES = 0x100, INFO_MAP = 0x800, INFO_STRINGS = 0x1000, INFO_MAX = 0x10000 };
enum {
    RESERVED_TOP = 0x28000 /* below the end of low RAM: the firmware's tables */,
    RESERVED_LINUX = RESERVED_TOP,
    PAGE = 4096
};
#define FILE_MAX (2 * GIB - PAGE)

/* The file of an option. */
typedef struct File {
    uint8_t *data; /* all of it; where fd is there, the first HEAD_MAX bytes */
    int fd;        /* of a regular file, from which the guest is given the rest when it asks; -1: it is in memory */
    size_t len;
} File;
#define HEAD_MAX (256 * KIB) /* more than any setup code */

typedef struct Image {
    Machine *m;
    FwCfg *fw;
    uint64_t below_4g;
    uint8_t *data; /* the kernel file */
    size_t len;
    File *file;
} Image;

static void file_close(File *f)
{
    g_clear_pointer(&f->data, g_free);
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(File, file_close)

static uint8_t *read_file(const char *option, const char *path, size_t *len, Error **errp)
{
    g_autoptr(GError) err = NULL;
    char *data = NULL;
    gsize n;
    if (!g_file_get_contents(path, &data, &n, &err)) {
        error_set(errp, "%s: could not open '%s': %s", option, path, err->message);
        return NULL;
    }
    if (n > FILE_MAX) {
        error_set(errp, "%s: '%s' has %zu bytes; 2 GiB is the limit", option, path, (size_t)n);
        g_free(data);
        return NULL;
    }
    *len = n;
    return (uint8_t *)data;
}

/* Its first bytes, where it can be read again later: a regular file, and not a small one. */
static bool open_large(const char *path, File *f)
{
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode)) /* nothing that opening it would change */
        return false;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return false;
    f->data = g_malloc(HEAD_MAX);
    if (!fstat(f->fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size > HEAD_MAX &&
        (uint64_t)st.st_size <= FILE_MAX && pread(f->fd, f->data, HEAD_MAX, 0) == (ssize_t)HEAD_MAX) {
        f->len = st.st_size;
        return true;
    }
    file_close(f);
    return false;
}

/* To be closed by file_close() in any case. */
static bool file_open(const char *option, const char *path, File *f, Error **errp)
{
    *f = (File){.fd = -1};
    if (open_large(path, f))
        return true;
    f->data = read_file(option, path, &f->len, errp);
    return f->data;
}

/* An item of the file's bytes from off on. */
static void add_file_item(FwCfg *fw, uint16_t key, File *f, size_t off, const char *path)
{
    if (f->fd >= 0) {
        fw_cfg_add_from_file(fw, key, f->fd, off, f->len - off, path);
        f->fd = -1;
    } else {
        fw_cfg_add_bytes(fw, key, f->data + off, f->len - off);
    }
}

static void add_initrd(const Image *im, File *f, uint64_t addr)
{
    fw_cfg_add_u32(im->fw, FW_CFG_INITRD_ADDR, addr);
    fw_cfg_add_u32(im->fw, FW_CFG_INITRD_SIZE, f->len);
    add_file_item(im->fw, FW_CFG_INITRD_DATA, f, 0, im->m->initrd);
}

static void add_item(FwCfg *fw, uint16_t addr_key, uint64_t addr, uint16_t size_key, uint16_t data_key,
                     const void *data, size_t len)
{
    if (addr_key)
        fw_cfg_add_u32(fw, addr_key, addr);
    fw_cfg_add_u32(fw, size_key, len);
    fw_cfg_add_bytes(fw, data_key, data, len);
}

static bool add_rom(FwCfg *fw, const char *name, const uint8_t *rom, size_t len, Error **errp)
{
    return option_rom_add(fw, name, rom, len, 0, errp);
}

/* The highest page-aligned place for an initrd that ends by limit, above floor. */
static bool place_initrd(const Image *im, size_t len, uint64_t floor, uint64_t limit, unsigned reserved, uint64_t *addr,
                         Error **errp)
{
    uint64_t top = im->below_4g > reserved ? MIN(limit, im->below_4g - reserved) : 0;
    if (len > top || ROUND_DOWN(top - len, PAGE) < floor)
        return error_set(errp,
                         "-initrd: '%s' (%zu bytes) does not fit between the kernel's end at 0x%" PRIx64
                         " and 0x%" PRIx64 "; give the machine more memory (-m)",
                         im->m->initrd, len, floor, top);
    *addr = ROUND_DOWN(top - len, PAGE);
    return true;
}

/* bzImage. */

enum { /* the setup header */
       H_SETUP_SECTS = 0x1f1,
       H_VID_MODE = 0x1fa,
       H_MAGIC = 0x202,
       H_VERSION = 0x206,
       H_LOADER = 0x210,
       H_LOADFLAGS = 0x211,
       H_RAMDISK = 0x218,
       H_RAMDISK_SIZE = 0x21c,
       H_HEAP_END = 0x224,
       H_CMDLINE = 0x228,
       H_INITRD_MAX = 0x22c,
       H_CMDLINE_SIZE = 0x238,
       H_INIT_SIZE = 0x260,
       H_END = 0x268,
};
enum { LOADER_ID = 0xb0, LOADED_HIGH = 1, CAN_USE_HEAP = 0x80 };

static uint16_t video_mode(const char *text)
{
    static const struct {
        const char *name;
        uint16_t mode;
    } words[] = {{"normal", 0xffff}, {"ext", 0xfffe}, {"ask", 0xfffd}};
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (g_str_has_prefix(text, words[i].name))
            return words[i].mode;
    return strtoul(text, NULL, 0);
}

static bool load_linux(const Image *im, Error **errp)
{
    const char *path = im->m->kernel, *cmdline = im->m->append ? im->m->append : "";
    uint16_t version = lduw_le(im->data + H_VERSION);
    if (version < 0x200)
        return error_set(errp, "-kernel: '%s' has boot protocol %x.%02x; 2.00 is the oldest supported", path,
                         version >> 8, version & 0xff);
    bool high = im->data[H_LOADFLAGS] & LOADED_HIGH;
    uint64_t setup_addr = high ? 0x10000 : 0x90000, prot_addr = high ? MIB : 0x10000;
    size_t cmdline_len = strlen(cmdline) + 1,
           setup_len = (im->data[H_SETUP_SECTS] ? im->data[H_SETUP_SECTS] : 4) * 512 + 512;
    uint64_t cmdline_addr = high ? 0x20000 : 0x9a000 - ROUND_UP(cmdline_len, 16);
    size_t cmdline_max = version >= 0x206 ? ldl_le(im->data + H_CMDLINE_SIZE) : 255;
    if (setup_len >= im->len || setup_len < H_END - 8)
        return error_set(errp, "-kernel: '%s' is truncated: its setup code alone has %zu bytes", path, setup_len);
    if (cmdline_len - 1 > cmdline_max || cmdline_len > 0x10000 - 16)
        return error_set(errp, "-append: the command line has %zu bytes; this kernel takes %zu", cmdline_len - 1,
                         cmdline_max);
    size_t kernel_len = im->len - setup_len;
    uint64_t kernel_end = prot_addr + MAX(kernel_len, version >= 0x20a ? ldl_le(im->data + H_INIT_SIZE) : 0);
    if (prot_addr + kernel_len > im->below_4g || (!high && prot_addr + kernel_len > 0x90000))
        return error_set(errp, "-kernel: '%s' (%zu bytes) does not fit in the machine's memory; give it more (-m)",
                         path, im->len);

    g_autofree uint8_t *setup = g_memdup2(im->data, setup_len);
    setup[H_LOADER] = LOADER_ID;
    const char *vga = strstr(cmdline, "vga=");
    if (vga)
        stw_le(setup + H_VID_MODE, video_mode(vga + 4));
    if (version >= 0x201) {
        setup[H_LOADFLAGS] |= CAN_USE_HEAP;
        stw_le(setup + H_HEAP_END, cmdline_addr - setup_addr - 0x200);
    }
    if (version >= 0x202) {
        stl_le(setup + H_CMDLINE, cmdline_addr);
    } else { /* the old way: a magic number and an offset in the boot sector */
        stw_le(setup + 0x20, 0xa33f);
        stw_le(setup + 0x22, cmdline_addr - setup_addr);
    }
    if (im->m->initrd) {
        g_auto(File) initrd;
        uint64_t addr = 0, limit = version >= 0x203 ? ldl_le(im->data + H_INITRD_MAX) + 1ULL : 0x38000000;
        if (!file_open("-initrd", im->m->initrd, &initrd, errp) ||
            !place_initrd(im, initrd.len, kernel_end, limit, RESERVED_LINUX, &addr, errp))
            return false;
        stl_le(setup + H_RAMDISK, addr);
        stl_le(setup + H_RAMDISK_SIZE, initrd.len);
        add_initrd(im, &initrd, addr);
    }
    add_item(im->fw, FW_CFG_CMDLINE_ADDR, cmdline_addr, FW_CFG_CMDLINE_SIZE, FW_CFG_CMDLINE_DATA, cmdline, cmdline_len);
    add_item(im->fw, FW_CFG_SETUP_ADDR, setup_addr, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, setup, setup_len);
    fw_cfg_add_u32(im->fw, FW_CFG_KERNEL_ADDR, prot_addr);
    fw_cfg_add_u32(im->fw, FW_CFG_KERNEL_SIZE, kernel_len);
    add_file_item(im->fw, FW_CFG_KERNEL_DATA, im->file, setup_len, path);
    return add_rom(im->fw, "linuxboot_dma.bin", rom_linuxboot, sizeof(rom_linuxboot), errp);
}

/* What Multiboot and PVH have in common: a flat image at an address, and the information block. */

static bool fits(const Image *im, const FlatImage *flat, Error **errp)
{
    if (flat->addr < MIB)
        return error_set(errp, "-kernel: '%s' wants to be at 0x%" PRIx64 ", below 1 MiB, where the firmware works",
                         im->m->kernel, flat->addr);
    if (flat->addr + flat->mem_len > im->below_4g - MIN(im->below_4g, RESERVED_TOP))
        return error_set(
            errp, "-kernel: '%s' needs memory up to 0x%" PRIx64 "; the machine has 0x%" PRIx64 " below 4 GiB (-m)",
            im->m->kernel, flat->addr + flat->mem_len, im->below_4g);
    return true;
}

/* Append a string to the block; its address, 0 where there is no room. */
static uint32_t add_string(GByteArray *info, const char *text)
{
    uint32_t addr = INFO_ADDR + info->len;
    if (info->len + strlen(text) + 1 > INFO_MAX)
        return 0;
    g_byte_array_append(info, (const guint8 *)text, strlen(text) + 1);
    return addr;
}

static bool publish(const Image *im, const FlatImage *flat, GByteArray *info, const char *rom_name, const uint8_t *rom,
                    size_t rom_len, Error **errp)
{
    rom_record(im->m->kernel, flat->addr, flat->bytes->len, true);
    fw_cfg_add_u32(im->fw, FW_CFG_KERNEL_ENTRY, flat->entry);
    add_item(im->fw, FW_CFG_KERNEL_ADDR, flat->addr, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, flat->bytes->data,
             flat->bytes->len);
    add_item(im->fw, FW_CFG_SETUP_ADDR, INFO_ADDR, FW_CFG_SETUP_SIZE, FW_CFG_SETUP_DATA, info->data, info->len);
    return add_rom(im->fw, rom_name, rom, rom_len, errp);
}

/* Multiboot information: flags 0, memory 4 and 8 (KiB), command line 16, modules 20 and 24, map 44 and 48, loader's
 * name 64. */
enum {
    MB_MEMORY = 1,
    MB_CMDLINE = 4,
    MB_MODS = 8,
    MB_MMAP = 0x40,
    MB_NAME = 0x200,
    MB_MODULES_MAX = (INFO_MAP - INFO_MODULES) / 16
};

/* -initrd "file arguments,file arguments": each becomes a module behind the kernel. */
static bool add_modules(const Image *im, FlatImage *flat, GByteArray *info, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(im->m->initrd ? im->m->initrd : "", ",", -1);
    unsigned n = 0;
    for (char **p = parts; *p; p++) {
        g_autofree char *path = g_strndup(*p, strcspn(*p, " "));
        size_t len;
        if (!*path)
            continue;
        if (n == MB_MODULES_MAX)
            return error_set(errp, "-initrd: more than %d modules", MB_MODULES_MAX);
        g_autofree uint8_t *data = read_file("-initrd", path, &len, errp);
        if (!data)
            return false;
        size_t at = ROUND_UP(MAX(flat->bytes->len, flat->mem_len), PAGE);
        flat->mem_len = at + len;
        if (!fits(im, flat, errp))
            return error_prepend(errp, "-initrd: module '%s': ", path);
        size_t old = flat->bytes->len;
        g_byte_array_set_size(flat->bytes, at);
        memset(flat->bytes->data + old, 0, at - old);
        g_byte_array_append(flat->bytes, data, len);
        uint32_t name = add_string(info, *p);
        if (!name)
            return error_set(errp, "-initrd: the modules' command lines are too long");
        uint8_t *mod = info->data + INFO_MODULES + 16 * n++;
        stl_le(mod, flat->addr + at);
        stl_le(mod + 4, flat->addr + at + len);
        stl_le(mod + 8, name);
    }
    stl_le(info->data + 20, n);
    stl_le(info->data + 24, INFO_ADDR + INFO_MODULES);
    return true;
}

static bool load_multiboot(const Image *im, size_t header, Error **errp)
{
    g_autoptr(GByteArray) info = g_byte_array_new();
    FlatImage flat = {0};
    bool ok = false;
    if (!multiboot_flatten(im->m->kernel, im->data, im->len, header, &flat, errp))
        return false;
    g_byte_array_set_size(info, INFO_STRINGS);
    memset(info->data, 0, info->len);
    g_autofree char *line = im->m->append && *im->m->append ? g_strdup_printf("%s %s", im->m->kernel, im->m->append)
                                                            : g_strdup(im->m->kernel);
    uint32_t cmdline = add_string(info, line), name = add_string(info, "qemu");
    if (!cmdline || !name) {
        error_set(errp, "-append: the command line is too long");
    } else if (fits(im, &flat, errp) && add_modules(im, &flat, info, errp)) {
        stl_le(info->data, MB_MEMORY | MB_CMDLINE | MB_MODS | MB_MMAP | MB_NAME);
        stl_le(info->data + 4, 640);
        stl_le(info->data + 8, (im->below_4g - MIB) / KIB);
        stl_le(info->data + 16, cmdline);
        stl_le(info->data + 48, INFO_ADDR + INFO_MAP);
        stl_le(info->data + 64, name);
        ok = publish(im, &flat, info, "multiboot_dma.bin", rom_multiboot, sizeof(rom_multiboot), errp);
    }
    g_byte_array_unref(flat.bytes);
    return ok;
}

/* hvm_start_info: magic 0, version 4, modules 12 and 16, command line 24, root pointer 32, map 40 and 48. */
#define PVH_MAGIC 0x336ec578

static bool load_pvh(const Image *im, uint32_t entry, Error **errp)
{
    g_autoptr(GByteArray) info = g_byte_array_new();
    FlatImage flat = {0};
    if (!elf_flatten(im->m->kernel, im->data, im->len, &flat, errp))
        return false;
    flat.entry = entry;
    g_byte_array_set_size(info, INFO_STRINGS);
    memset(info->data, 0, info->len);
    bool ok = fits(im, &flat, errp);
    uint32_t cmdline = add_string(info, im->m->append ? im->m->append : "");
    if (ok && !cmdline)
        ok = error_set(errp, "-append: the command line is too long");
    stl_le(info->data, PVH_MAGIC);
    stl_le(info->data + 4, 1);
    stq_le(info->data + 24, cmdline);
    stq_le(info->data + 40, INFO_ADDR + INFO_MAP);
    if (ok && im->m->initrd) {
        g_auto(File) initrd;
        uint64_t addr = 0;
        ok = file_open("-initrd", im->m->initrd, &initrd, errp) &&
             place_initrd(im, initrd.len, flat.addr + flat.mem_len, 4 * GIB, RESERVED_TOP, &addr, errp);
        if (ok) {
            stl_le(info->data + 12, 1);
            stq_le(info->data + 16, INFO_ADDR + INFO_MODULES);
            stq_le(info->data + INFO_MODULES, addr);
            stq_le(info->data + INFO_MODULES + 8, initrd.len);
            add_initrd(im, &initrd, addr);
        }
    }
    ok = ok && publish(im, &flat, info, "pvh.bin", rom_pvh, sizeof(rom_pvh), errp);
    g_byte_array_unref(flat.bytes);
    return ok;
}

bool kernel_load(Machine *m, FwCfg *fw, uint64_t below_4g, Error **errp)
{
    g_auto(File) file;
    if (!file_open("-kernel", m->kernel, &file, errp))
        return false;
    Image im = {.m = m, .fw = fw, .below_4g = below_4g, .data = file.data, .len = file.len, .file = &file};
    size_t header;
    uint32_t entry;
    if (im.len > H_END && !memcmp(file.data + H_MAGIC, "HdrS", 4))
        return load_linux(&im, errp);
    /* The others are taken apart as a whole. */
    if (file.fd >= 0) {
        file_close(&file);
        im.data = file.data = read_file("-kernel", m->kernel, &im.len, errp);
        if (!file.data)
            return false;
    }
    const uint8_t *data = file.data;
    if (multiboot_find(data, im.len, &header))
        return load_multiboot(&im, header, errp);
    if (im.len > sizeof(Elf32_Ehdr) && !memcmp(data, ELFMAG, SELFMAG)) {
        if (elf_pvh_entry(data, im.len, &entry))
            return load_pvh(&im, entry, errp);
        return error_set(errp, "-kernel: '%s' is an ELF file without a Multiboot header or a PVH entry note",
                         m->kernel);
    }
    return error_set(
        errp, "-kernel: '%s' is no kernel: no Linux setup header, no Multiboot header, no ELF with a PVH entry note",
        m->kernel);
}
