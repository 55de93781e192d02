/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_I386_SMBIOS_H
#define HW_I386_SMBIOS_H

#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"

typedef enum SmbiosEntryPoint { SMBIOS_32, SMBIOS_64 } SmbiosEntryPoint;
extern const char *const smbios_entry_point_names[]; /* "32" "64" */
/* -smbios type=N[,KEY=VALUE]...: remembered before the machine is built; type 1's uuid= is for the caller. */
bool smbios_option_add(const Json *opts, Error **errp);
/* The tables and the anchor in fw_cfg; when RAM and CPUs are known. */
bool smbios_publish(Machine *m, FwCfg *fw, SmbiosEntryPoint ep, Error **errp);

#endif
