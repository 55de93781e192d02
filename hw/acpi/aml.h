/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small assembler for AML, the bytecode of ACPI tables (ACPI specification 6.4, chapter 20).
 *
 * The text is in prefix form, one list an operation: (method PCEJ 2 (acquire BLCK 0xffff) (store arg0 BNUM) (return
 * 0)). aml.c's table lists the operations with their operands. Numbers are decimal or 0x; names are ASL's (\_SB.PCI0,
 * ^S18.PCNT); local0 to local7 and arg0 to arg6 are the method's; "text" is a string. Text comes from this program
 * alone: what it gets wrong is a bug and ends in an assertion.
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

#include "util/util.h"

/* Appends the bytes of every operation in text. */
void aml_assemble(GByteArray *out, const char *text);

#endif
