/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel files taken apart: untrusted bytes in, one flat piece of memory out. */
#ifndef HW_I386_KERNEL_FORMATS_H
#define HW_I386_KERNEL_FORMATS_H

#include "util/error.h"

#define FLAT_MAX (1 * GIB) /* the largest span of addresses that an image may cover */

typedef struct FlatImage {
    uint64_t addr;     /* of the first byte */
    uint64_t mem_len;  /* with what is cleared at the end */
    GByteArray *bytes; /* mem_len of them; the caller unrefs */
    uint32_t entry;
} FlatImage;

/* Where the Multiboot header is: in the first 8 KiB. */
bool multiboot_find(const uint8_t *file, size_t len, size_t *header);
bool multiboot_flatten(const char *path, const uint8_t *file, size_t len, size_t header, FlatImage *out, Error **errp);
/* The loadable segments of an x86 ELF file, 32 or 64 bits, by their physical addresses. */
bool elf_flatten(const char *path, const uint8_t *file, size_t len, FlatImage *out, Error **errp);
bool elf_pvh_entry(const uint8_t *file, size_t len, uint32_t *entry); /* the note XEN_ELFNOTE_PHYS32_ENTRY */

#endif
