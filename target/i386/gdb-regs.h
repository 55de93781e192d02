/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU's registers as gdb numbers them (remote protocol: p, P, g, G), and their description for it. */
#ifndef TARGET_I386_GDB_REGS_H
#define TARGET_I386_GDB_REGS_H

#include "target/i386/cpu.h"

#define GDB_REG_BYTES_MAX  16
#define GDB_REGS_BYTES_MAX 1024 /* of all together */

/* Bytes of register n, little endian, into out; 0: there is none. The caller has the VM stopped. */
unsigned gdb_reg_read(X86CPU *c, unsigned n, uint8_t *out);
/* The same the other way, from len bytes; 0: there is none, or they are too few. */
unsigned gdb_reg_write(X86CPU *c, unsigned n, const uint8_t *in, size_t len);
/* qXfer:features:read:target.xml. */
const char *gdb_target_xml(void);

#endif
