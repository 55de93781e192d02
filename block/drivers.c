/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of block drivers. */
#include "block/node.h"

extern const BlockDriver block_blkdebug, block_file, block_host_device, block_null_aio, block_null_co, block_qcow2,
    block_raw, block_throttle;

const BlockDriver *const block_drivers[] = {
    &block_blkdebug, &block_file, &block_host_device, &block_null_aio, &block_null_co, &block_qcow2, &block_raw,
    &block_throttle, NULL,
};
