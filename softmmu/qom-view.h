/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What QEMU shows through QOM, answered from the tables and the device tree: a tree of paths with properties, and types with parents.
 * Each reply is owned by the caller; NULL with errp on failure. Under the VM lock.
 */
#ifndef SOFTMMU_QOM_VIEW_H
#define SOFTMMU_QOM_VIEW_H

#include "util/json.h"

Json *qom_list(const char *path, Error **errp);
Json *qom_get(const char *path, const char *prop, Error **errp);
bool qom_set(const char *path, const char *prop, const Json *val, Error **errp);
Json *qom_list_types(const char *implements, bool abstract, Error **errp); /* implements NULL: all */
Json *qom_list_properties(const char *type, Error **errp);
Json *device_list_properties(const char *type, Error **errp);
void qom_print_tree(const char *path, GString *out); /* `info qom-tree` */

#endif
