/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot 1 headers (specification 0.6.96, section 3.1) and ELF files (System V ABI, chapters 4 and 5). */
#include "hw/i386/kernel-formats.h"

#include <elf.h>

enum { MB_MAGIC = 0x1badb002, MB_SEARCH = 8192, MB_ADDRESSES = 0x10000, PVH_NOTE = 18, SEGMENTS_MAX = 64 };

typedef struct Segment {
    uint32_t type;
    uint64_t off, addr, file_len, mem_len;
} Segment;

/* File header and n-th program header, of either class. */
typedef struct ElfView {
    const uint8_t *file;
    size_t len;
    bool is64;
    uint64_t entry, ph_off;
    unsigned ph_num, ph_size;
} ElfView;

static bool elf_open(ElfView *v, const uint8_t *file, size_t len)
{
    *v = (ElfView){.file = file, .len = len};
    if (len < sizeof(Elf32_Ehdr) || memcmp(file, ELFMAG, SELFMAG) || file[EI_DATA] != ELFDATA2LSB)
        return false;
    v->is64 = file[EI_CLASS] == ELFCLASS64;
    if (v->is64) {
        Elf64_Ehdr h;
        if (len < sizeof(h))
            return false;
        memcpy(&h, file, sizeof(h));
        v->entry = h.e_entry;
        v->ph_off = h.e_phoff;
        v->ph_num = h.e_phnum;
        v->ph_size = h.e_phentsize;
        return h.e_machine == EM_X86_64 && v->ph_size >= sizeof(Elf64_Phdr);
    }
    Elf32_Ehdr h;
    memcpy(&h, file, sizeof(h));
    v->entry = h.e_entry;
    v->ph_off = h.e_phoff;
    v->ph_num = h.e_phnum;
    v->ph_size = h.e_phentsize;
    return file[EI_CLASS] == ELFCLASS32 && h.e_machine == EM_386 && v->ph_size >= sizeof(Elf32_Phdr);
}

static bool elf_segment(const ElfView *v, unsigned n, Segment *s)
{
    uint64_t at = v->ph_off + (uint64_t)n * v->ph_size;
    if (n >= v->ph_num || v->ph_off > v->len || at + v->ph_size > v->len)
        return false;
    if (v->is64) {
        Elf64_Phdr p;
        memcpy(&p, v->file + at, sizeof(p));
        *s = (Segment){p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz};
    } else {
        Elf32_Phdr p;
        memcpy(&p, v->file + at, sizeof(p));
        *s = (Segment){p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz};
    }
    return s->off <= v->len && s->file_len <= v->len - s->off;
}

static bool flat_alloc(const char *path, uint64_t lo, uint64_t hi, FlatImage *out, Error **errp)
{
    if (hi <= lo)
        return error_set(errp, "-kernel: '%s' has nothing to load", path);
    if (hi > 4 * GIB || hi - lo > FLAT_MAX)
        return error_set(errp,
                         "-kernel: '%s' covers the addresses 0x%" PRIx64 " to 0x%" PRIx64
                         ": more than %u MiB, or beyond 4 GiB",
                         path, lo, hi, (unsigned)(FLAT_MAX / MIB));
    out->addr = lo;
    out->mem_len = hi - lo;
    out->bytes = g_byte_array_new();
    g_byte_array_set_size(out->bytes, hi - lo);
    memset(out->bytes->data, 0, hi - lo);
    return true;
}

bool elf_flatten(const char *path, const uint8_t *file, size_t len, FlatImage *out, Error **errp)
{
    ElfView v;
    Segment s;
    uint64_t lo = UINT64_MAX, hi = 0;
    if (!elf_open(&v, file, len))
        return error_set(errp, "-kernel: '%s' is no ELF file for x86", path);
    if (v.ph_num > SEGMENTS_MAX)
        return error_set(errp, "-kernel: '%s' has %u segments; up to %d are taken", path, v.ph_num, SEGMENTS_MAX);
    for (unsigned n = 0; n < v.ph_num; n++) {
        if (!elf_segment(&v, n, &s))
            return error_set(errp, "-kernel: '%s' is truncated: segment %u is not in it", path, n);
        if (s.type != PT_LOAD || !s.mem_len)
            continue;
        if (s.file_len > s.mem_len || s.addr > 4 * GIB || s.mem_len > 4 * GIB)
            return error_set(errp, "-kernel: '%s': segment %u has impossible sizes", path, n);
        lo = MIN(lo, s.addr);
        hi = MAX(hi, s.addr + s.mem_len);
    }
    if (!flat_alloc(path, lo, hi, out, errp))
        return false;
    for (unsigned n = 0; n < v.ph_num; n++)
        if (elf_segment(&v, n, &s) && s.type == PT_LOAD && s.mem_len)
            memcpy(out->bytes->data + (s.addr - lo), file + s.off, s.file_len);
    out->entry = v.entry;
    return true;
}

bool elf_pvh_entry(const uint8_t *file, size_t len, uint32_t *entry)
{
    ElfView v;
    Segment s;
    if (!elf_open(&v, file, len))
        return false;
    for (unsigned n = 0; n < MIN(v.ph_num, SEGMENTS_MAX); n++) {
        if (!elf_segment(&v, n, &s) || s.type != PT_NOTE)
            continue;
        /* name size, description size, type, name and description padded to 4 bytes */
        for (uint64_t at = s.off, end = s.off + s.file_len; end - at >= 12;) {
            uint64_t name_len = ldl_le(file + at), desc_len = ldl_le(file + at + 4);
            uint64_t name = at + 12, desc = name + ROUND_UP(name_len, 4), next = desc + ROUND_UP(desc_len, 4);
            if (next > end)
                break;
            if (ldl_le(file + at + 8) == PVH_NOTE && name_len == 4 && !memcmp(file + name, "Xen", 4) && desc_len >= 4) {
                *entry = ldl_le(file + desc);
                return true;
            }
            at = next;
        }
    }
    return false;
}

bool multiboot_find(const uint8_t *file, size_t len, size_t *header)
{
    for (size_t i = 0; i + 12 <= MIN(len, MB_SEARCH); i += 4)
        if (ldl_le(file + i) == MB_MAGIC && ldl_le(file + i) + ldl_le(file + i + 4) + ldl_le(file + i + 8) == 0) {
            *header = i;
            return true;
        }
    return false;
}

/* With address fields the file is loaded as they say, whatever its format; otherwise it is an ELF file. */
bool multiboot_flatten(const char *path, const uint8_t *file, size_t len, size_t header, FlatImage *out, Error **errp)
{
    const uint8_t *h = file + header;
    uint32_t flags = ldl_le(h + 4);
    if (flags & 0xfffc & ~4u)
        return error_set(errp, "-kernel: '%s': its Multiboot header requires features 0x%x that are unknown", path,
                         flags & 0xfff8);
    if (!(flags & MB_ADDRESSES)) {
        ElfView v;
        if (elf_open(&v, file, len) && v.is64)
            return error_set(errp, "-kernel: '%s': Cannot load x86-64 image, give a 32bit one.", path);
        return elf_flatten(path, file, len, out, errp);
    }
    if (header + 32 > len)
        return error_set(errp, "-kernel: '%s' is truncated in its Multiboot header", path);
    uint64_t header_addr = ldl_le(h + 12), load = ldl_le(h + 16), load_end = ldl_le(h + 20), bss_end = ldl_le(h + 24);
    if (header_addr < load || header_addr - load > header)
        return error_set(errp, "-kernel: '%s': its Multiboot addresses do not fit its header's place", path);
    uint64_t off = header - (header_addr - load), size = load_end ? load_end - load : len - off;
    if ((load_end && load_end < load) || size > len - off)
        return error_set(errp, "-kernel: '%s' is truncated: its Multiboot header tells of %" PRIu64 " bytes", path,
                         size);
    if (!flat_alloc(path, load, MAX(load + size, bss_end), out, errp))
        return false;
    memcpy(out->bytes->data, file + off, size);
    out->entry = ldl_le(h + 28);
    return true;
}
