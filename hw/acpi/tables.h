/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables on their way to the guest: a blob of tables, and the script by which the firmware allocates, links and
 * sums them (etc/table-loader; the commands are those that SeaBIOS and OVMF follow). -acpitable.
 */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

#include "util/error.h"
#include "util/json.h"
#include "util/util.h"

#define ACPI_TABLES_FILE "etc/acpi/tables"
#define ACPI_RSDP_FILE   "etc/acpi/rsdp"
#define ACPI_LOADER_FILE "etc/table-loader"

enum { LOADER_HIGH = 1, LOADER_FSEG = 2 };

typedef struct AcpiBlob {
    GByteArray *tables, *rsdp, *loader;
    char oem_id[6], oem_table_id[8]; /* without a NUL, filled up with blanks or NULs */
} AcpiBlob;

void loader_allocate(AcpiBlob *b, const char *file, uint32_t align, uint8_t zone);
/* The pointer of size bytes at offset of file: the address of from is added to it. */
void loader_pointer(AcpiBlob *b, const char *file, uint32_t offset, uint8_t size, const char *from);
/* The byte at offset: such that start to start + len sum up to zero. */
void loader_checksum(AcpiBlob *b, const char *file, uint32_t offset, uint32_t start, uint32_t len);

/* A table in b->tables: begin writes its header and returns where it starts; end fills in the length and has it summed.
 */
size_t acpi_table_begin(AcpiBlob *b, const char sig[4], uint8_t revision);
void acpi_table_end(AcpiBlob *b, size_t start);
void acpi_put(AcpiBlob *b, uint64_t v, unsigned bytes); /* little endian, at the end of the tables */

/* -acpitable
 * [sig=][,rev=][,oem_id=][,oem_table_id=][,oem_rev=][,asl_compiler_id=][,asl_compiler_rev=],data=|file=FILE[:FILE]...
 */
bool acpitable_add(const Json *opts, Error **errp);
size_t acpitable_count(void);
const GByteArray *acpitable_get(size_t i);

#endif
