/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-input: keyboard, mouse and tablet as Linux input events (virtio 1.2, section 5.8).
 *
 * Queues: 0 events to the driver, 8 bytes each (type, code, value), 1 status from it (keyboard lights). Configuration:
 * 0 select, 1 subselect, 2 size, 8 what was selected. Events of a group are kept until its end and dropped where the
 * driver has not given buffers for all of them.
 */
#include "hw/virtio/pci.h"

#include "ui/input.h"
#include "util/iov.h"

#include <linux/input-event-codes.h>

enum { CFG_SELECT = 0, CFG_SUBSEL = 1, CFG_SIZE = 2, CFG_DATA = 8, CFG_MAX = 128 };
enum { SEL_NAME = 1, SEL_SERIAL = 2, SEL_IDS = 3, SEL_EV_BITS = 0x11, SEL_ABS_INFO = 0x12 };
enum {
    BUS_VIRTUAL = 6,
    VENDOR = 0x0627,
    QUEUE = 64,
    EVENT_SIZE = 8,
    GROUP_MAX = 64,
    KEY_BYTES = 256 / 8,
    BUTTON_BYTES = BTN_GEAR_UP / 8 + 1
};
typedef enum Kind { KEYBOARD = 1, MOUSE, TABLET } Kind; /* also the product number */

typedef struct VirtioInput {
    VirtioDevice v;
    /* config, fixed at realize */
    char *serial, *display;
    uint32_t head;
    bool wheel_axis;
    /* wiring */
    Kind kind;
    VirtQueue *events, *status;
    InputHandler handler;
    /* state */
    uint8_t select, subsel;
    uint8_t group[GROUP_MAX][EVENT_SIZE]; /* not complete yet: what the VM's host said last, not migrated */
    unsigned n_group;
} VirtioInput;
#define INPUT(v_) container_of(v_, VirtioInput, v)

static const char *const names[] = {
    [KEYBOARD] = "QEMU Virtio Keyboard", [MOUSE] = "QEMU Virtio Mouse", [TABLET] = "QEMU Virtio Tablet"};

/* Linux's codes: of plain scan codes of set 1 up to 58h they are the same; of the others by this table. */
static const struct {
    uint16_t scancode;
    uint8_t code;
} other_keys[] = {
    {0x54, KEY_SYSRQ},        {0x59, KEY_KPEQUAL},     {0x5b, KEY_LINEFEED},
    {0x72, KEY_HANGEUL},      {0x71, KEY_HANJA},       {0x70, KEY_KATAKANAHIRAGANA},
    {0x73, KEY_RO},           {0x77, KEY_HIRAGANA},    {0x78, KEY_KATAKANA},
    {0x79, KEY_HENKAN},       {0x7b, KEY_MUHENKAN},    {0x7d, KEY_YEN},
    {0x7e, KEY_KPCOMMA},      {0xe005, KEY_AGAIN},     {0xe006, KEY_PROPS},
    {0xe007, KEY_UNDO},       {0xe00c, KEY_FRONT},     {0xe010, KEY_PREVIOUSSONG},
    {0xe078, KEY_COPY},       {0xe019, KEY_NEXTSONG},  {0xe01c, KEY_KPENTER},
    {0xe01d, KEY_RIGHTCTRL},  {0xe01e, KEY_MENU},      {0xe020, KEY_MUTE},
    {0xe021, KEY_CALC},       {0xe022, KEY_PLAYPAUSE}, {0xe024, KEY_STOPCD},
    {0xe02e, KEY_VOLUMEDOWN}, {0xe030, KEY_VOLUMEUP},  {0xe032, KEY_HOMEPAGE},
    {0xe035, KEY_KPSLASH},    {0xe037, KEY_SYSRQ},     {0xe038, KEY_RIGHTALT},
    {0xe03c, KEY_CUT},        {0xe041, KEY_FIND},      {0xe046, KEY_PAUSE},
    {0xe047, KEY_HOME},       {0xe048, KEY_UP},        {0xe049, KEY_PAGEUP},
    {0xe04b, KEY_LEFT},       {0xe04d, KEY_RIGHT},     {0xe04f, KEY_END},
    {0xe050, KEY_DOWN},       {0xe051, KEY_PAGEDOWN},  {0xe052, KEY_INSERT},
    {0xe053, KEY_DELETE},     {0xe05b, KEY_LEFTMETA},  {0xe05c, KEY_RIGHTMETA},
    {0xe05d, KEY_COMPOSE},    {0xe05e, KEY_POWER},     {0xe05f, KEY_SLEEP},
    {0xe063, KEY_WAKEUP},     {0x64, KEY_OPEN},        {0x65, KEY_PASTE},
    {0xe066, KEY_BOOKMARKS},  {0xe067, KEY_REFRESH},   {0xe068, KEY_STOP},
    {0xe069, KEY_FORWARD},    {0xe06a, KEY_BACK},      {0xe06b, KEY_COMPUTER},
    {0xe06c, KEY_MAIL},       {0xe06d, KEY_MEDIA},     {0xe075, KEY_HELP},
};

static unsigned linux_key(KeyCode k) /* 0: none */
{
    unsigned sc = key_scancode(k, 1);
    for (size_t i = 0; i < ARRAY_SIZE(other_keys); i++)
        if (other_keys[i].scancode == sc)
            return other_keys[i].code;
    return sc <= KEY_F12 ? sc : 0;
}

static const uint16_t buttons[INPUT_BUTTONS] = {
    [BUTTON_LEFT] = BTN_LEFT,   [BUTTON_RIGHT] = BTN_RIGHT,      [BUTTON_MIDDLE] = BTN_MIDDLE,
    [BUTTON_SIDE] = BTN_SIDE,   [BUTTON_WHEEL_UP] = BTN_GEAR_UP, [BUTTON_WHEEL_DOWN] = BTN_GEAR_DOWN,
    [BUTTON_EXTRA] = BTN_EXTRA,
};

/* Configuration. */

static void set_bit8(uint8_t *map, unsigned bit)
{
    map[bit / 8] |= (uint8_t)(1u << bit % 8);
}

static unsigned used_bytes(const uint8_t *map, unsigned max)
{
    while (max && !map[max - 1])
        max--;
    return max;
}

/* Bitmap of the codes of an event type; its length. */
static unsigned event_bits(const VirtioInput *s, unsigned type, uint8_t *map)
{
    if (s->kind == KEYBOARD) {
        if (type == EV_REP)
            return 1;
        if (type == EV_LED)
            map[0] = 1 << LED_NUML | 1 << LED_CAPSL | 1 << LED_SCROLLL;
        for (unsigned k = 0; type == EV_KEY && k < KEY_CODES; k++)
            if (linux_key(k))
                set_bit8(map, linux_key(k));
        return used_bytes(map, KEY_BYTES);
    }
    if (type == EV_KEY)
        for (unsigned b = 0; b < INPUT_BUTTONS; b++)
            if (buttons[b])
                set_bit8(map, buttons[b]);
    if (type == EV_REL && s->kind == MOUSE)
        map[0] = 1 << REL_X | 1 << REL_Y;
    if (type == EV_REL && s->wheel_axis)
        set_bit8(map, REL_WHEEL);
    if (type == EV_ABS && s->kind == TABLET)
        map[0] = 1 << ABS_X | 1 << ABS_Y;
    return used_bytes(map, BUTTON_BYTES);
}

/* What is selected, in data[CFG_MAX]; its size, 0: nothing. */
static unsigned selected(const VirtioInput *s, uint8_t select, uint8_t subsel, uint8_t *data)
{
    const char *text = select == SEL_NAME ? names[s->kind] : select == SEL_SERIAL ? s->serial : NULL;
    if (text && !subsel) {
        size_t n = MIN(strlen(text) + 1, CFG_MAX); /* with its NUL */
        memcpy(data, text, n);
        return n;
    }
    if (select == SEL_IDS && !subsel) {
        stw_le(data, BUS_VIRTUAL);
        stw_le(data + 2, VENDOR);
        stw_le(data + 4, s->kind);
        stw_le(data + 6, s->wheel_axis ? 2 : 1); /* version */
        return 8;
    }
    if (select == SEL_EV_BITS)
        return event_bits(s, subsel, data);
    if (select == SEL_ABS_INFO && s->kind == TABLET && (subsel == ABS_X || subsel == ABS_Y)) {
        stl_le(data + 4, INPUT_ABS_MAX);
        return 20;
    }
    return 0;
}

static void get_config(VirtioDevice *v, uint8_t *c)
{
    VirtioInput *s = INPUT(v);
    uint8_t data[CFG_MAX] = {0};
    memset(c, 0, v->config_len);
    c[CFG_SELECT] = s->select;
    c[CFG_SUBSEL] = s->subsel;
    c[CFG_SIZE] = selected(s, s->select, s->subsel, data);
    memcpy(c + CFG_DATA, data, v->config_len - CFG_DATA);
}

static void set_config(VirtioDevice *v, const uint8_t *c)
{
    VirtioInput *s = INPUT(v);
    s->select = c[CFG_SELECT];
    s->subsel = c[CFG_SUBSEL];
}

/* The configuration space ends where the longest answer does. */
static unsigned longest(const VirtioInput *s)
{
    static const uint8_t selects[] = {SEL_NAME, SEL_SERIAL, SEL_IDS, SEL_EV_BITS, SEL_ABS_INFO};
    unsigned most = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(selects); i++)
        for (unsigned sub = 0; sub <= EV_MAX; sub++) {
            uint8_t data[CFG_MAX] = {0};
            most = MAX(most, selected(s, selects[i], sub, data));
        }
    return most;
}

/* Events. */

static void queue_event(VirtioInput *s, unsigned type, unsigned code, uint32_t value)
{
    if (s->n_group == GROUP_MAX)
        return;
    uint8_t *e = s->group[s->n_group++];
    stw_le(e, type);
    stw_le(e + 2, code);
    stl_le(e + 4, value);
}

static void send_group(InputHandler *h)
{
    VirtioInput *s = container_of(h, VirtioInput, handler);
    unsigned n = s->n_group, i;
    VirtReq *r[GROUP_MAX + 1];
    if (!n)
        return;
    if (n == GROUP_MAX)
        n--;
    s->n_group = n;
    queue_event(s, EV_SYN, SYN_REPORT, 0);
    n = s->n_group;
    s->n_group = 0;
    if (!virtio_driver_ok(&s->v) || !virtq_ready(s->events))
        return;
    for (i = 0; i < n && (r[i] = virtq_pop(s->events, sizeof(VirtReq))); i++) {
    }
    if (i < n) { /* not all fit: none goes */
        while (i-- > 0)
            virtq_unpop(r[i]);
        return;
    }
    for (i = 0; i < n; i++)
        virtq_push(r[i], (uint32_t)iov_from_buf(r[i]->in, r[i]->n_in, 0, s->group[i], EVENT_SIZE));
    virtq_notify(s->events);
}

static void input_event(InputHandler *h, const InputEvent *ev)
{
    VirtioInput *s = container_of(h, VirtioInput, handler);
    switch (ev->kind) {
    case INPUT_KEY:
        if (linux_key(ev->key.code))
            queue_event(s, EV_KEY, linux_key(ev->key.code), ev->key.down);
        break;
    case INPUT_BTN:
        if ((ev->btn.button == BUTTON_WHEEL_UP || ev->btn.button == BUTTON_WHEEL_DOWN) && s->wheel_axis && ev->btn.down)
            queue_event(s, EV_REL, REL_WHEEL, ev->btn.button == BUTTON_WHEEL_UP ? 1 : -1);
        if (ev->btn.button < INPUT_BUTTONS && buttons[ev->btn.button])
            queue_event(s, EV_KEY, buttons[ev->btn.button], ev->btn.down);
        break;
    case INPUT_REL:
        queue_event(s, EV_REL, ev->move.axis == AXIS_X ? REL_X : REL_Y, ev->move.value);
        break;
    case INPUT_ABS:
        queue_event(s, EV_ABS, ev->move.axis == AXIS_X ? ABS_X : ABS_Y, ev->move.value);
        break;
    }
}

static void handle_events(VirtioDevice *v, VirtQueue *q)
{
    /* Buffers came: the next group finds them. */
}

static void handle_status(VirtioDevice *v, VirtQueue *q)
{
    VirtioInput *s = INPUT(v);
    VirtReq *r;
    bool any = false;
    unsigned left = virtq_size(q);
    for (; left && (r = virtq_pop(q, sizeof(VirtReq))); left--) {
        uint8_t e[EVENT_SIZE] = {0};
        iov_to_buf(r->out, r->n_out, 0, e, EVENT_SIZE);
        if (s->kind == KEYBOARD && lduw_le(e) == EV_LED && lduw_le(e + 2) <= LED_SCROLLL) {
            static const uint8_t bit[] = {[LED_NUML] = 2, [LED_CAPSL] = 4, [LED_SCROLLL] = 1};
            unsigned b = bit[lduw_le(e + 2)];
            input_set_leds(ldl_le(e + 4) ? input_leds() | b : input_leds() & ~b);
        }
        virtq_push(r, 0);
        any = true;
    }
    if (any)
        virtq_notify(q);
    if (!left)
        virtq_kick_again(q);
}

/* While a driver is there its device gets the input. */
static void status_changed(VirtioDevice *v)
{
    VirtioInput *s = INPUT(v);
    if (v->status & VIRTIO_S_DRIVER_OK) {
        input_activate(&s->handler);
    } else {
        input_unregister(&s->handler);
        input_register(&s->handler);
    }
}

static void input_reset(VirtioDevice *v)
{
    VirtioInput *s = INPUT(v);
    s->select = s->subsel = 0;
    s->n_group = 0;
}

static bool input_post_load(VirtioDevice *v, Error **errp)
{
    status_changed(v);
    return true;
}

static bool input_realize(VirtioInput *s, Kind kind, unsigned kinds, Error **errp)
{
    if (s->display)
        return error_set(errp, "display=%s: a device for the input of one screen alone is not supported", s->display);
    s->kind = kind;
    s->handler = (InputHandler){.name = names[kind], .kinds = kinds, .event = input_event, .sync = send_group};
    virtio_set_config_len(&s->v, (uint16_t)(CFG_DATA + longest(s)));
    s->events = virtio_add_queue(&s->v, QUEUE, handle_events);
    s->status = virtio_add_queue(&s->v, QUEUE, handle_status);
    input_register(&s->handler);
    return true;
}

static bool keyboard_realize(Device *dev, Error **errp)
{
    return input_realize(INPUT(VIRTIO_DEVICE(dev)), KEYBOARD, INPUT_KEY, errp);
}

static bool mouse_realize(Device *dev, Error **errp)
{
    return input_realize(INPUT(VIRTIO_DEVICE(dev)), MOUSE, INPUT_BTN | INPUT_REL, errp);
}

static bool tablet_realize(Device *dev, Error **errp)
{
    return input_realize(INPUT(VIRTIO_DEVICE(dev)), TABLET, INPUT_BTN | INPUT_ABS, errp);
}

static void input_unrealize(Device *dev)
{
    input_unregister(&INPUT(VIRTIO_DEVICE(dev))->handler);
}

static const VmState input_vmstate = {
    .name = "virtio-input", .version = 1, .min_version = 1, .fields = virtio_vm_fields};

static const VirtioInfo input_info = {
    .id = VIRTIO_ID_INPUT,
    .name = "virtio-input",
    .get_config = get_config,
    .set_config = set_config,
    .status_changed = status_changed,
    .reset = input_reset,
    .post_load = input_post_load,
};

#define INPUT_PROPS                                                                                                    \
    PROP_STR("serial", VirtioInput, serial, "serial number"),                                                          \
        PROP_STR("display", VirtioInput, display, "only this screen's input"),                                         \
        PROP_U32("head", VirtioInput, head, 0, "of the screen")
#define WHEEL_PROP PROP_BOOL("wheel-axis", VirtioInput, wheel_axis, true, "the wheel is an axis, not two buttons")
static const Prop keyboard_props[] = {INPUT_PROPS, {}};
static const Prop pointer_props[] = {INPUT_PROPS, WHEEL_PROP, {}};

#define INPUT_DEVICE(sym, name_, summary_, props_, realize_)                                                           \
    const DeviceDesc sym = {.name = name_,                                                                             \
                            .summary = summary_,                                                                       \
                            .bus = BUS_VIRTIO,                                                                         \
                            .category = DEV_INPUT,                                                                     \
                            .size = sizeof(VirtioInput),                                                               \
                            .props = props_,                                                                           \
                            .vmstate = &input_vmstate,                                                                 \
                            .virtio = &input_info,                                                                     \
                            .realize = realize_,                                                                       \
                            .unrealize = input_unrealize}
INPUT_DEVICE(virtio_keyboard_device, "virtio-keyboard-device", "keyboard", keyboard_props, keyboard_realize);
INPUT_DEVICE(virtio_mouse_device, "virtio-mouse-device", "mouse", pointer_props, mouse_realize);
INPUT_DEVICE(virtio_tablet_device, "virtio-tablet-device", "tablet", pointer_props, tablet_realize);

#define INPUT_PCI_PROPS VIRTIO_PCI_VECTORS(2),
VIRTIO_PCI_DEVICE(virtio_keyboard, "virtio-keyboard", DEV_INPUT, "keyboard by PCI", "virtio-pci", INPUT_PCI_PROPS,
                  .class_id = 0x0900);
VIRTIO_PCI_DEVICE(virtio_mouse, "virtio-mouse", DEV_INPUT, "mouse by PCI", "virtio-pci", INPUT_PCI_PROPS,
                  .class_id = 0x0902);
VIRTIO_PCI_DEVICE(virtio_tablet, "virtio-tablet", DEV_INPUT, "tablet by PCI", "virtio-pci", INPUT_PCI_PROPS,
                  .class_id = 0x0980);
