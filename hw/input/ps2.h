/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 devices: a keyboard and a mouse, each a queue of bytes to the controller and a byte at a time back. Made and
 * wired by the controller (hw/input/i8042.c).
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "hw/core/device.h"
#include "ui/input.h"

enum { PS2_QUEUE_LIMIT = 16, PS2_BUFFER = 256 };

typedef struct Ps2Queue {
    int32_t rptr, wptr, count; /* rptr, wptr < PS2_BUFFER; count <= PS2_QUEUE_LIMIT */
    uint8_t data[PS2_BUFFER];
} Ps2Queue;

typedef struct Ps2Device {
    Device dev;
    Irq *irq;          /* high while the queue holds something */
    int32_t write_cmd; /* the command whose parameter is awaited, -1: none */
    Ps2Queue queue;
} Ps2Device;
#define PS2_DEVICE(d) container_of(d, Ps2Device, dev)

extern const VmState ps2_common_vmstate;
void ps2_common_reset(Ps2Device *s);
bool ps2_common_check(Ps2Device *s, Error **errp); /* in post_load */
/* All bytes or none, where they fit. */
void ps2_queue(Ps2Device *s, const uint8_t *bytes, unsigned n);
void ps2_update_irq(Ps2Device *s);
uint8_t ps2_read(Ps2Device *s); /* the last byte again where the queue is empty */

void ps2_keyboard_write(Device *dev, uint8_t val);
uint8_t ps2_keyboard_read(Device *dev);
void ps2_keyboard_set_translation(Device *dev, bool on); /* the controller's: set 2 becomes set 1 */
void ps2_mouse_write(Device *dev, uint8_t val);
/* For vmmouse: an event of its own makes the mouse speak. */
void ps2_mouse_fake_event(Device *dev);

#endif
