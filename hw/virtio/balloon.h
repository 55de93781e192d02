/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The balloon, for QMP. There is one at most. */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include "hw/virtio/virtio.h"

bool balloon_set(uint64_t target_bytes, Error **errp); /* the guest is asked to have this much RAM */
bool balloon_query(uint64_t *actual_bytes, Error **errp);

#endif
