/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PS/2 devices: what the keyboard and the mouse share. */
#include "hw/input/ps2.h"

void ps2_update_irq(Ps2Device *s)
{
    irq_set(s->irq, s->queue.count > 0);
}

void ps2_common_reset(Ps2Device *s)
{
    s->write_cmd = -1;
    memset(&s->queue, 0, sizeof(s->queue));
    ps2_update_irq(s);
}

void ps2_queue(Ps2Device *s, const uint8_t *bytes, unsigned n)
{
    Ps2Queue *q = &s->queue;

    if (q->count + n > PS2_QUEUE_LIMIT)
        return;
    for (unsigned i = 0; i < n; i++) {
        q->data[q->wptr] = bytes[i];
        q->wptr = (q->wptr + 1) % PS2_BUFFER;
    }
    q->count += n;
    ps2_update_irq(s);
}

uint8_t ps2_read(Ps2Device *s)
{
    Ps2Queue *q = &s->queue;
    uint8_t v;

    if (!q->count)
        return q->data[(q->rptr + PS2_BUFFER - 1) % PS2_BUFFER];
    v = q->data[q->rptr];
    q->rptr = (q->rptr + 1) % PS2_BUFFER;
    q->count--;
    /* An edge for each byte. */
    irq_set(s->irq, false);
    ps2_update_irq(s);
    return v;
}

bool ps2_common_check(Ps2Device *s, Error **errp)
{
    Ps2Queue *q = &s->queue;

    if (q->rptr < 0 || q->rptr >= PS2_BUFFER || q->wptr < 0 || q->wptr >= PS2_BUFFER || q->count < 0 ||
        q->count > PS2_BUFFER)
        return error_set(errp, "impossible queue: read at %d, write at %d, %d bytes", (int)q->rptr, (int)q->wptr,
                         (int)q->count);
    q->count = MIN(q->count, PS2_QUEUE_LIMIT);
    q->wptr = (q->rptr + q->count) % PS2_BUFFER;
    if (s->write_cmd < -1 || s->write_cmd > 0xff)
        s->write_cmd = -1;
    return true;
}

const VmState ps2_common_vmstate = {
    .name = "PS2 Common State",
    .version = 3,
    .min_version = 2,
    .fields =
        (const VmField[]){
            VM_I32(Ps2Device, write_cmd),
            VM_I32(Ps2Device, queue.rptr),
            VM_I32(Ps2Device, queue.wptr),
            VM_I32(Ps2Device, queue.count),
            VM_BUFFER(Ps2Device, queue.data),
            {},
        },
};
