/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules: parts that need a library of their own are shared objects, opened when an option first names them. Looked for in
 * $QEMU_MODULE_DIR, beside the binary (BUILD/modules) and where `make install` puts them. The descriptor that names a module stays in its
 * table; the module has the code.
 */
#ifndef UTIL_MODULE_H
#define UTIL_MODULE_H

#include "util/error.h"

/* Open module NAME ("ui-curses") once and give the address of its symbol; it stays open. NULL with errp where the file is
 * missing, is of another build, or lacks the symbol. */
void *module_symbol(const char *module, const char *symbol, Error **errp);
/* Whether its file is there, without opening it: for help texts. */
bool module_exists(const char *module);

/* Once in each module. */
extern const char module_stamp[];
#define MODULE_DEFINE                                                                                                  \
    extern const char module_built_for[];                                                                              \
    const char module_built_for[] = MODULE_STAMP;

#endif
