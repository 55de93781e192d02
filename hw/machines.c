/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of machines, in the order that `-machine help` shows. */
#include "hw/core/machine.h"

extern const MachineDesc machine_none, machine_pc_i440fx_8_2, machine_pc_i440fx_8_1, machine_pc_i440fx_8_0,
    machine_pc_i440fx_7_2;

const MachineDesc *const machine_table[] = {
    &machine_pc_i440fx_8_2,
    &machine_pc_i440fx_8_1,
    &machine_pc_i440fx_8_0,
    &machine_pc_i440fx_7_2,
    &machine_none,
    NULL,
};
