/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 mouse: standard (id 0), IntelliMouse with a wheel (id 3) and Explorer with five buttons (id 4), the latter two
 * unlocked by the sample rates 200, 100, 80 and 200, 200, 80. IBM PS/2 technical reference, "Auxiliary device";
 * Chapweske's PS/2 mouse notes.
 *
 * A packet: 1 bits 0-2 buttons left right middle, 3 set, 4-5 signs of x and y; 2 x; 3 y; 4 (ids 3, 4) wheel, buttons 4
 * and 5 in bits 4-5.
 *
 * Unlike hardware: movement is reported as it comes, not at the sample rate; scaling 2:1 and the resolution are only
 * remembered.
 */
#include "hw/input/ps2.h"
#include "softmmu/runstate.h"

enum {
    CMD_SCALE11 = 0xe6,
    CMD_SCALE21 = 0xe7,
    CMD_SET_RESOLUTION = 0xe8,
    CMD_GET_STATUS = 0xe9,
    CMD_STREAM_MODE = 0xea,
    CMD_POLL = 0xeb,
    CMD_RESET_WRAP = 0xec,
    CMD_SET_WRAP = 0xee,
    CMD_REMOTE_MODE = 0xf0,
    CMD_GET_ID = 0xf2,
    CMD_SET_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESET = 0xff,
    REPLY_ACK = 0xfa,
    REPLY_SELF_TEST_OK = 0xaa,
};
enum { STATUS_SCALE21 = 0x10, STATUS_ENABLED = 0x20, STATUS_REMOTE = 0x40 };
enum { DELTA_MAX = 4096 }; /* what piles up while nobody reads */

typedef struct Ps2Mouse {
    Ps2Device ps2;
    InputHandler input;                                                /* wiring */
    uint8_t status, resolution, sample_rate, wrap, type, detect_state; /* state */
    int32_t dx, dy, dz;
    uint8_t buttons;
} Ps2Mouse;
#define MOUSE(d) container_of(d, Ps2Mouse, ps2.dev)

#define REPLY(s, ...) ps2_queue(&(s)->ps2, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* False where the queue has no room. */
static bool send_packet(Ps2Mouse *s)
{
    int dx = CLAMP(s->dx, -127, 127), dy = CLAMP(s->dy, -127, 127), dz = 0;
    uint8_t out[4];
    unsigned n = 0;

    out[n++] = 0x08 | (dx < 0) << 4 | (dy < 0) << 5 | (s->buttons & 7);
    out[n++] = dx;
    out[n++] = dy;
    if (s->type == 3) {
        dz = CLAMP(s->dz, -127, 127);
        out[n++] = dz;
    } else if (s->type == 4) {
        dz = CLAMP(s->dz, -7, 7);
        out[n++] = (dz & 0x0f) | (s->buttons & 0x18) << 1;
    } else {
        dz = s->dz; /* no wheel: forgotten */
    }
    if (s->ps2.queue.count + n > PS2_QUEUE_LIMIT)
        return false;
    s->dx -= dx;
    s->dy -= dy;
    s->dz -= dz;
    ps2_queue(&s->ps2, out, n);
    return true;
}

static void mouse_event(InputHandler *h, const InputEvent *ev)
{
    static const uint8_t bits[INPUT_BUTTONS] = {
        [BUTTON_LEFT] = 1, [BUTTON_RIGHT] = 2, [BUTTON_MIDDLE] = 4, [BUTTON_SIDE] = 8, [BUTTON_EXTRA] = 16};
    Ps2Mouse *s = container_of(h, Ps2Mouse, input);

    if (!(s->status & STATUS_ENABLED))
        return;
    if (ev->kind == INPUT_REL) {
        int32_t v = CLAMP(ev->move.value, -DELTA_MAX, DELTA_MAX);

        if (ev->move.axis == AXIS_X)
            s->dx = CLAMP(s->dx + v, -DELTA_MAX, DELTA_MAX);
        else
            s->dy = CLAMP(s->dy - v, -DELTA_MAX, DELTA_MAX);
    } else if (ev->btn.button == BUTTON_WHEEL_UP || ev->btn.button == BUTTON_WHEEL_DOWN) {
        if (ev->btn.down)
            s->dz = CLAMP(s->dz + (ev->btn.button == BUTTON_WHEEL_DOWN ? 1 : -1), -DELTA_MAX, DELTA_MAX);
    } else if (ev->btn.down) {
        s->buttons |= bits[ev->btn.button];
    } else {
        s->buttons &= ~bits[ev->btn.button];
    }
}

static void mouse_sync(InputHandler *h)
{
    Ps2Mouse *s = container_of(h, Ps2Mouse, input);

    if (!(s->status & STATUS_ENABLED))
        return;
    if (s->buttons)
        system_wakeup_request(NULL); /* nothing where the VM is not suspended */
    if (s->status & STATUS_REMOTE)
        return;
    while (send_packet(s))
        if (!s->dx && !s->dy && !s->dz)
            break;
}

void ps2_mouse_fake_event(Device *dev)
{
    Ps2Mouse *s = MOUSE(dev);

    s->dx++;
    mouse_sync(&s->input);
}

static void set_defaults(Ps2Mouse *s)
{
    s->sample_rate = 100;
    s->resolution = 2;
    s->status = 0;
}

static void set_rate(Ps2Mouse *s, uint8_t rate)
{
    s->sample_rate = rate;
    switch (s->detect_state) {
    case 0:
        s->detect_state = rate == 200 ? 1 : 0;
        break;
    case 1:
        s->detect_state = rate == 100 ? 2 : rate == 200 ? 3 : 0;
        break;
    default:
        if (rate == 80)
            s->type = s->detect_state == 2 ? 3 : 4;
        s->detect_state = 0;
        break;
    }
}

void ps2_mouse_write(Device *dev, uint8_t val)
{
    Ps2Mouse *s = MOUSE(dev);
    int32_t cmd = s->ps2.write_cmd;

    if (cmd >= 0) {
        s->ps2.write_cmd = -1;
        if (cmd == CMD_SET_RATE)
            set_rate(s, val);
        else if (cmd == CMD_SET_RESOLUTION)
            s->resolution = val;
        REPLY(s, REPLY_ACK);
        return;
    }
    if (s->wrap && val != CMD_RESET) {
        if (val == CMD_RESET_WRAP) {
            s->wrap = 0;
            val = REPLY_ACK;
        }
        REPLY(s, val);
        return;
    }
    switch (val) {
    case CMD_SCALE11:
        s->status &= ~STATUS_SCALE21;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_SCALE21:
        s->status |= STATUS_SCALE21;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_STREAM_MODE:
        s->status &= ~STATUS_REMOTE;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_SET_WRAP:
        s->wrap = 1;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_REMOTE_MODE:
        s->status |= STATUS_REMOTE;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_GET_ID:
        REPLY(s, REPLY_ACK, s->type);
        break;
    case CMD_SET_RATE:
    case CMD_SET_RESOLUTION:
        s->ps2.write_cmd = val;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_GET_STATUS:
        REPLY(s, REPLY_ACK, s->status, s->resolution, s->sample_rate);
        break;
    case CMD_POLL:
        REPLY(s, REPLY_ACK);
        send_packet(s);
        break;
    case CMD_ENABLE:
        s->status |= STATUS_ENABLED;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_DISABLE:
        s->status &= ~STATUS_ENABLED;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_DEFAULTS:
        set_defaults(s);
        REPLY(s, REPLY_ACK);
        break;
    case CMD_RESET:
        set_defaults(s);
        s->type = 0;
        ps2_common_reset(&s->ps2);
        REPLY(s, REPLY_ACK, REPLY_SELF_TEST_OK, s->type);
        break;
    }
}

static bool mouse_realize(Device *dev, Error **errp)
{
    Ps2Mouse *s = MOUSE(dev);

    s->input = (InputHandler){
        .name = "QEMU PS/2 Mouse", .kinds = INPUT_BTN | INPUT_REL, .event = mouse_event, .sync = mouse_sync};
    input_register(&s->input);
    return true;
}

static void mouse_unrealize(Device *dev)
{
    input_unregister(&MOUSE(dev)->input);
}

static void mouse_reset(Device *dev)
{
    Ps2Mouse *s = MOUSE(dev);

    ps2_common_reset(&s->ps2);
    s->status = s->resolution = s->sample_rate = s->wrap = s->type = s->detect_state = 0;
    s->dx = s->dy = s->dz = 0;
    s->buttons = 0;
}

static bool mouse_post_load(Device *dev, Error **errp)
{
    Ps2Mouse *s = MOUSE(dev);

    if (!ps2_common_check(&s->ps2, errp))
        return false;
    if ((s->type != 0 && s->type != 3 && s->type != 4) || s->detect_state > 3)
        return error_set(errp, "mouse type %u in detection state %u does not exist", s->type, s->detect_state);
    s->dx = CLAMP(s->dx, -DELTA_MAX, DELTA_MAX);
    s->dy = CLAMP(s->dy, -DELTA_MAX, DELTA_MAX);
    s->dz = CLAMP(s->dz, -DELTA_MAX, DELTA_MAX);
    return true;
}

static const VmState mouse_vmstate = {
    .name = "ps2mouse",
    .version = 2,
    .min_version = 2,
    .post_load = mouse_post_load,
    .fields =
        (const VmField[]){
            VM_STRUCT(Ps2Mouse, ps2, ps2_common_vmstate),
            VM_U8(Ps2Mouse, status),
            VM_U8(Ps2Mouse, resolution),
            VM_U8(Ps2Mouse, sample_rate),
            VM_U8(Ps2Mouse, wrap),
            VM_U8(Ps2Mouse, type),
            VM_U8(Ps2Mouse, detect_state),
            VM_I32(Ps2Mouse, dx),
            VM_I32(Ps2Mouse, dy),
            VM_I32(Ps2Mouse, dz),
            VM_U8(Ps2Mouse, buttons),
            {},
        },
};

const DeviceDesc ps2_mouse = {
    .name = "ps2-mouse",
    .summary = "PS/2 mouse",
    .bus = BUS_SYSTEM,
    .category = DEV_INPUT,
    .flags = DEV_NO_USER,
    .size = sizeof(Ps2Mouse),
    .vmstate = &mouse_vmstate,
    .realize = mouse_realize,
    .unrealize = mouse_unrealize,
    .reset = mouse_reset,
};
