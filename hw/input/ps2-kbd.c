/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 keyboard: IBM PS/2 technical reference, "Keyboards"; Ralf Brown's PORTS list, port 60h commands.
 *
 * A command's replies overtake keys that wait; a new command drops what is left of an old one's reply. Three scan code
 * sets. The controller's translation of set 2 to set 1 is done here, at the point where a byte enters the queue, as
 * QEMU's stream has it.
 *
 * Unlike hardware: no typematic repeat of its own (the source of the keys repeats), per-key make/break types of set 3
 * are acknowledged and ignored.
 */
#include "hw/input/ps2.h"
#include "softmmu/runstate.h"

enum {
    CMD_SET_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SCANCODE_SET = 0xf0,
    CMD_GET_ID = 0xf2,
    CMD_SET_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_TYPEMATIC_MAKE_BREAK = 0xfa,
    CMD_KEY_MAKE_BREAK = 0xfc,
    CMD_RESET = 0xff,
    REPLY_ACK = 0xfa,
    REPLY_RESEND = 0xfe,
    REPLY_SELF_TEST_OK = 0xaa,
};
enum { MOD_CTRL_L = 1, MOD_CTRL_R = 2, MOD_SHIFT_L = 4, MOD_SHIFT_R = 8, MOD_ALT_L = 16, MOD_ALT_R = 32 };

typedef struct Ps2Keyboard {
    Ps2Device ps2;
    InputHandler input;   /* wiring */
    int32_t scan_enabled; /* state */
    int32_t translate, scancode_set, leds;
    bool need_high_bit; /* an F0 was swallowed by the translation */
    int32_t reply_end;  /* a command's reply is queue.data[rptr] up to here, -1: none waits */
    uint8_t modifiers;  /* keys held; not in the stream: keys are up after loading */
} Ps2Keyboard;
#define KEYBOARD(d) container_of(d, Ps2Keyboard, ps2.dev)

/* What an 8042 makes of each byte of set 2; 80 and up pass, but for 83 and 84. */
/* clang-format off */
static const uint8_t translation[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};
/* clang-format on */

static uint8_t translate(Ps2Keyboard *s, uint8_t v)
{
    return v < 0x80 ? translation[v] : v == 0x83 ? 0x41 : v == 0x84 ? 0x54 : v;
}

/* A key's bytes, all or none. */
static void queue_key(Ps2Keyboard *s, const uint8_t *bytes, unsigned n)
{
    uint8_t out[16];
    unsigned len = 0;

    for (unsigned i = 0; i < n; i++) {
        uint8_t v = bytes[i];

        if (s->translate) {
            if (v == 0xf0) {
                s->need_high_bit = true;
                continue;
            }
            v = translate(s, v) | (s->need_high_bit ? 0x80 : 0);
            s->need_high_bit = false;
        }
        out[len++] = v;
    }
    ps2_queue(&s->ps2, out, len);
}

/* Replies stand before everything else; what no longer fits falls off the end. */
static void reply(Ps2Keyboard *s, const uint8_t *bytes, unsigned n)
{
    Ps2Queue *q = &s->ps2.queue;

    q->rptr = (q->rptr + PS2_BUFFER - n) % PS2_BUFFER;
    for (unsigned i = 0; i < n; i++)
        q->data[(q->rptr + i) % PS2_BUFFER] = s->translate && bytes[i] == 0x83 ? 0x41 : bytes[i];
    s->reply_end = (q->rptr + n) % PS2_BUFFER;
    q->count = MIN(q->count + (int32_t)n, PS2_QUEUE_LIMIT);
    q->wptr = (q->rptr + q->count) % PS2_BUFFER;
    ps2_update_irq(&s->ps2);
}
#define REPLY(s, ...) reply(s, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void drop_reply(Ps2Keyboard *s)
{
    Ps2Queue *q = &s->ps2.queue;

    if (s->reply_end < 0)
        return;
    q->count -= MIN((s->reply_end - q->rptr + PS2_BUFFER) % PS2_BUFFER, q->count);
    q->rptr = s->reply_end;
    s->reply_end = -1;
}

uint8_t ps2_keyboard_read(Device *dev)
{
    Ps2Keyboard *s = KEYBOARD(dev);
    uint8_t v = ps2_read(&s->ps2);

    if (s->reply_end == s->ps2.queue.rptr)
        s->reply_end = -1;
    return v;
}

/* A scan code as the table has it, with its prefixes; up: a break code. */
static unsigned encode(Ps2Keyboard *s, uint16_t code, bool up, uint8_t *out)
{
    unsigned n = 0;

    if (code >> 8)
        out[n++] = code >> 8;
    if (s->scancode_set == 1) {
        out[n++] = (code & 0xff) | (up ? 0x80 : 0);
    } else {
        if (up)
            out[n++] = 0xf0;
        out[n++] = code;
    }
    return n;
}

/* The keys of sets 1 and 2 that are several keys at once. */
static void print_key(Ps2Keyboard *s, bool down)
{
    bool set1 = s->scancode_set == 1;
    uint16_t shift = set1 ? 0xe02a : 0xe012, print = set1 ? 0xe037 : 0xe07c, sysrq = set1 ? 0x54 : 0x84;
    uint16_t alt = (s->modifiers & MOD_ALT_L ? 0 : 0xe000) | (set1 ? 0x38 : 0x11);
    uint8_t out[16];
    unsigned n = 0;

    if (s->modifiers & (MOD_ALT_L | MOD_ALT_R)) {
        /* SysRq: alt goes up and down again around it. */
        if (!down)
            n += encode(s, sysrq, true, out + n);
        n += encode(s, alt, true, out + n);
        n += encode(s, alt, false, out + n);
        if (down)
            n += encode(s, sysrq, false, out + n);
    } else if (s->modifiers) {
        n += encode(s, print, !down, out);
    } else if (down) {
        n += encode(s, shift, false, out + n);
        n += encode(s, print, false, out + n);
    } else {
        n += encode(s, print, true, out + n);
        n += encode(s, shift, true, out + n);
    }
    queue_key(s, out, n);
}

static void pause_key(Ps2Keyboard *s, bool down)
{
    static const uint8_t pause1[] = {0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5};
    static const uint8_t pause2[] = {0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77};
    static const uint8_t break1[] = {0xe0, 0x46, 0xe0, 0xc6};
    static const uint8_t break2[] = {0xe0, 0x7e, 0xe0, 0xf0, 0x7e};
    bool ctrl = s->modifiers & (MOD_CTRL_L | MOD_CTRL_R);

    if (!down)
        return;
    if (s->scancode_set == 1)
        queue_key(s, ctrl ? break1 : pause1, ctrl ? sizeof(break1) : sizeof(pause1));
    else
        queue_key(s, ctrl ? break2 : pause2, ctrl ? sizeof(break2) : sizeof(pause2));
}

static unsigned modifier_bit(KeyCode k)
{
    switch (k) {
    case KEY_CODE_CTRL:
        return MOD_CTRL_L;
    case KEY_CODE_CTRL_R:
        return MOD_CTRL_R;
    case KEY_CODE_SHIFT:
        return MOD_SHIFT_L;
    case KEY_CODE_SHIFT_R:
        return MOD_SHIFT_R;
    case KEY_CODE_ALT:
        return MOD_ALT_L;
    case KEY_CODE_ALT_R:
        return MOD_ALT_R;
    default:
        return 0;
    }
}

static void keyboard_event(InputHandler *h, const InputEvent *ev)
{
    Ps2Keyboard *s = container_of(h, Ps2Keyboard, input);
    KeyCode k = ev->key.code;
    uint8_t out[4];
    uint16_t code;

    if (!s->scan_enabled)
        return;
    system_wakeup_request(NULL); /* nothing where the VM is not suspended */
    if (ev->key.down)
        s->modifiers |= modifier_bit(k);
    else
        s->modifiers &= ~modifier_bit(k);
    if (s->scancode_set != 3 && (k == KEY_CODE_PRINT || k == KEY_CODE_SYSRQ)) {
        print_key(s, ev->key.down);
    } else if (s->scancode_set != 3 && k == KEY_CODE_PAUSE) {
        pause_key(s, ev->key.down);
    } else {
        code = key_scancode(k, s->scancode_set);
        if (code)
            queue_key(s, out, encode(s, code, !ev->key.down, out));
    }
}

/* The keyboard's own reset: the queue empties, the scan code set is 2 again. Keys that are held stay so. */
static void restart(Ps2Keyboard *s)
{
    int32_t translate_on = s->translate;

    ps2_common_reset(&s->ps2);
    s->reply_end = -1;
    s->scan_enabled = 1;
    s->need_high_bit = false;
    s->translate = translate_on;
    s->scancode_set = 2;
    s->leds = 0;
    input_set_leds(0);
}

static void command_parameter(Ps2Keyboard *s, uint8_t cmd, uint8_t val)
{
    static const uint8_t set_answer[] = {0, 0x43, 0x41, 0x3f};

    s->ps2.write_cmd = -1;
    switch (cmd) {
    case CMD_SET_LEDS:
        s->leds = val;
        input_set_leds(val & 7);
        REPLY(s, REPLY_ACK);
        break;
    case CMD_SCANCODE_SET:
        if (val == 0) {
            REPLY(s, REPLY_ACK, s->translate ? set_answer[s->scancode_set] : s->scancode_set);
        } else if (val <= 3) {
            s->scancode_set = val;
            REPLY(s, REPLY_ACK);
        } else {
            REPLY(s, REPLY_RESEND);
        }
        break;
    default:
        REPLY(s, REPLY_ACK);
        break;
    }
}

void ps2_keyboard_write(Device *dev, uint8_t val)
{
    Ps2Keyboard *s = KEYBOARD(dev);

    drop_reply(s);
    if (s->ps2.write_cmd >= 0) {
        command_parameter(s, s->ps2.write_cmd, val);
        return;
    }
    switch (val) {
    case 0x00:
        REPLY(s, REPLY_ACK);
        break;
    case CMD_SET_LEDS:
    case CMD_SCANCODE_SET:
    case CMD_SET_RATE:
    case CMD_KEY_MAKE_BREAK:
        s->ps2.write_cmd = val;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_ECHO:
        REPLY(s, CMD_ECHO);
        break;
    case CMD_GET_ID:
        REPLY(s, REPLY_ACK, 0xab, 0x83);
        break;
    case CMD_ENABLE:
        s->scan_enabled = 1;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_DISABLE:
        restart(s);
        s->scan_enabled = 0;
        REPLY(s, REPLY_ACK);
        break;
    case CMD_DEFAULTS:
        restart(s);
        REPLY(s, REPLY_ACK);
        break;
    case CMD_ALL_TYPEMATIC_MAKE_BREAK:
        REPLY(s, REPLY_ACK);
        break;
    case CMD_RESET:
        restart(s);
        REPLY(s, REPLY_ACK, REPLY_SELF_TEST_OK);
        break;
    default:
        REPLY(s, REPLY_RESEND);
        break;
    }
}

void ps2_keyboard_set_translation(Device *dev, bool on)
{
    KEYBOARD(dev)->translate = on;
}

static bool keyboard_realize(Device *dev, Error **errp)
{
    Ps2Keyboard *s = KEYBOARD(dev);

    s->input = (InputHandler){.name = "QEMU PS/2 Keyboard", .kinds = INPUT_KEY, .event = keyboard_event};
    input_register(&s->input);
    return true;
}

static void keyboard_unrealize(Device *dev)
{
    input_unregister(&KEYBOARD(dev)->input);
}

static void keyboard_reset(Device *dev)
{
    Ps2Keyboard *s = KEYBOARD(dev);

    restart(s);
    s->translate = 0;
    s->modifiers = 0;
}

static bool keyboard_post_load(Device *dev, Error **errp)
{
    Ps2Keyboard *s = KEYBOARD(dev);

    if (!ps2_common_check(&s->ps2, errp))
        return false;
    if (s->scancode_set < 1 || s->scancode_set > 3)
        return error_set(errp, "scan code set %d does not exist", (int)s->scancode_set);
    if (s->reply_end < -1 || s->reply_end >= PS2_BUFFER)
        return error_set(errp, "impossible end of a reply: %d", (int)s->reply_end);
    s->translate = !!s->translate;
    s->scan_enabled = !!s->scan_enabled;
    s->modifiers = 0;
    input_set_leds(s->leds & 7);
    return true;
}

static bool leds_needed(void *opaque)
{
    return ((Ps2Keyboard *)opaque)->leds != 0;
}
static bool high_bit_needed(void *opaque)
{
    return ((Ps2Keyboard *)opaque)->need_high_bit;
}
static bool reply_needed(void *opaque)
{
    return ((Ps2Keyboard *)opaque)->reply_end >= 0;
}
static bool keyboard_pre_load(Device *dev, Error **errp)
{
    Ps2Keyboard *s = KEYBOARD(dev);

    s->leds = 0; /* what the subsections leave out */
    s->need_high_bit = false;
    s->reply_end = -1;
    return true;
}
static const VmState leds_vmstate = {
    .name = "ps2kbd/ledstate",
    .version = 3,
    .min_version = 2,
    .needed = leds_needed,
    .fields = (const VmField[]){VM_I32(Ps2Keyboard, leds), {}},
};
static const VmState high_bit_vmstate = {
    .name = "ps2kbd/need_high_bit",
    .version = 1,
    .min_version = 1,
    .needed = high_bit_needed,
    .fields = (const VmField[]){VM_BOOL(Ps2Keyboard, need_high_bit), {}},
};
static const VmState reply_vmstate = {
    .name = "ps2kbd/command_reply_queue",
    .needed = reply_needed,
    .fields = (const VmField[]){VM_I32(Ps2Keyboard, reply_end), {}},
};
static const VmState keyboard_vmstate = {
    .name = "ps2kbd",
    .version = 3,
    .min_version = 2,
    .pre_load = keyboard_pre_load,
    .post_load = keyboard_post_load,
    .fields =
        (const VmField[]){
            VM_STRUCT(Ps2Keyboard, ps2, ps2_common_vmstate),
            VM_I32(Ps2Keyboard, scan_enabled),
            VM_I32(Ps2Keyboard, translate),
            VM_I32(Ps2Keyboard, scancode_set),
            {},
        },
    .subsections = (const VmState *const[]){&leds_vmstate, &high_bit_vmstate, &reply_vmstate, NULL},
};

const DeviceDesc ps2_keyboard = {
    .name = "ps2-kbd",
    .summary = "PS/2 keyboard",
    .bus = BUS_SYSTEM,
    .category = DEV_INPUT,
    .flags = DEV_NO_USER,
    .size = sizeof(Ps2Keyboard),
    .vmstate = &keyboard_vmstate,
    .realize = keyboard_realize,
    .unrealize = keyboard_unrealize,
    .reset = keyboard_reset,
};
