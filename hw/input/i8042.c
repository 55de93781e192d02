/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 8042 keyboard controller of a PC/AT with PS/2 mouse: IBM PS/2 technical reference; Ralf Brown's PORTS list, 0060 to
 * 006F.
 *
 *   60 (r) output buffer   (w) data: to the keyboard, or the parameter of a command
 *   64 (r) status          (w) command
 * Status: 0 output buffer full, 1 input buffer full, 2 self test passed, 3 last write was to 64, 4 not locked, 5 the
 * byte is the mouse's. Command byte (20, 60): 0 and 1 interrupt of keyboard and mouse, 2 system, 4 and 5 disable
 * keyboard and mouse, 6 translate. Output port (D0, D1): 0 not reset, 1 A20, 4 and 5 the buffer is full from keyboard
 * and mouse.
 *
 * A byte stays in the output buffer until it is read; the next comes in this order: the controller's own reply, the
 * keyboard, the mouse.
 *
 * Unlike hardware: commands take no time (the input buffer is never full), the test inputs and the controller's RAM but
 * for the command byte do not exist.
 */
#include "hw/input/i8042.h"
#include "hw/input/ps2.h"
#include "hw/isa/isa.h"
#include "softmmu/runstate.h"
#include "target/i386/cpu.h"

enum { ST_OBF = 0x01, ST_SELF_TEST = 0x04, ST_COMMAND = 0x08, ST_UNLOCKED = 0x10, ST_MOUSE_OBF = 0x20 };
enum {
    MODE_KBD_INT = 0x01,
    MODE_MOUSE_INT = 0x02,
    MODE_SYS = 0x04,
    MODE_DISABLE_KBD = 0x10,
    MODE_DISABLE_MOUSE = 0x20,
    MODE_TRANSLATE = 0x40,
};
enum { OUT_RESET = 0x01, OUT_A20 = 0x02, OUT_OBF = 0x10, OUT_MOUSE_OBF = 0x20, OUT_ONES = 0xcc };
enum {
    CMD_READ_MODE = 0x20,
    CMD_WRITE_MODE = 0x60,
    CMD_MOUSE_DISABLE = 0xa7,
    CMD_MOUSE_ENABLE = 0xa8,
    CMD_TEST_MOUSE = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_TEST_KBD = 0xab,
    CMD_KBD_DISABLE = 0xad,
    CMD_KBD_ENABLE = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_WRITE_KBD_BUFFER = 0xd2,
    CMD_WRITE_MOUSE_BUFFER = 0xd3,
    CMD_WRITE_MOUSE = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_PULSE = 0xf0, /* to ff: pulses the output port's bits that are 0 */
};
/* Who has a byte for the output buffer; values of the stream. */
enum { PENDING_CTRL_KBD = 0x04, PENDING_CTRL_MOUSE = 0x08, PENDING_KBD = 0x10, PENDING_MOUSE = 0x20 };
enum { SOURCE_KBD = 1, SOURCE_MOUSE = 2, SOURCE_CTRL = 4 };
enum { MIGRATE_TIMER_PENDING = 1 };

#define THROTTLE_US 1000

typedef struct I8042 {
    IsaDevice isa;
    uint8_t kbd_irq, mouse_irq; /* config */
    bool extended_state, kbd_throttle;
    IoRegion data_io, command_io; /* wiring */
    Irq *irq[2], *a20;            /* keyboard, mouse */
    Irq kbd_line, mouse_line;     /* from the PS/2 devices */
    Device *kbd, *mouse;
    uint8_t write_cmd, status, mode, outport, pending; /* state */
    uint32_t migration_flags, source;
    uint8_t out_data, ctrl_data;
    bool outport_loaded; /* the stream had it */
    Timer throttle;
} I8042;
#define I8042_(d) container_of(d, I8042, isa.dev)

static void update_irqs(I8042 *s)
{
    bool full = s->status & ST_OBF, mouse = s->status & ST_MOUSE_OBF;

    irq_set(s->irq[0], full && !mouse && (s->mode & MODE_KBD_INT) && !(s->mode & MODE_DISABLE_KBD));
    irq_set(s->irq[1], full && mouse && (s->mode & MODE_MOUSE_INT));
}

/* Whose byte is in, or goes next into, the output buffer. */
static void update_buffer(I8042 *s)
{
    uint8_t pending = s->pending;

    if ((s->mode & MODE_DISABLE_KBD) || timer_armed(&s->throttle))
        pending &= ~PENDING_KBD;
    if (s->mode & MODE_DISABLE_MOUSE)
        pending &= ~PENDING_MOUSE;
    s->status &= ~(ST_OBF | ST_MOUSE_OBF);
    s->outport &= ~(OUT_OBF | OUT_MOUSE_OBF);
    if (pending) {
        s->status |= ST_OBF;
        s->outport |= OUT_OBF;
        if (pending & PENDING_CTRL_KBD) {
            s->source = SOURCE_CTRL;
        } else if (pending & PENDING_CTRL_MOUSE) {
            s->status |= ST_MOUSE_OBF;
            s->outport |= OUT_MOUSE_OBF;
            s->source = SOURCE_CTRL;
        } else if (pending & PENDING_KBD) {
            s->source = SOURCE_KBD;
        } else {
            s->status |= ST_MOUSE_OBF;
            s->outport |= OUT_MOUSE_OBF;
            s->source = SOURCE_MOUSE;
        }
    }
    update_irqs(s);
}

/* A byte that waits to be read is not replaced; reading it looks for the next. */
static void update_buffer_if_free(I8042 *s)
{
    if (!(s->status & ST_OBF))
        update_buffer(s);
}

static void throttle_over(void *opaque)
{
    I8042 *s = opaque;

    if (s->pending)
        update_buffer_if_free(s);
}

static void kbd_line_set(void *opaque, unsigned n, int level)
{
    I8042 *s = opaque;

    if (level)
        s->pending |= PENDING_KBD;
    else
        s->pending &= ~PENDING_KBD;
    update_buffer_if_free(s);
}

static void mouse_line_set(void *opaque, unsigned n, int level)
{
    I8042 *s = opaque;

    if (level)
        s->pending |= PENDING_MOUSE;
    else
        s->pending &= ~PENDING_MOUSE;
    update_buffer_if_free(s);
}

/* A reply of the controller itself. */
static void reply(I8042 *s, uint8_t val, bool as_mouse)
{
    s->ctrl_data = val;
    s->pending &= ~(PENDING_CTRL_KBD | PENDING_CTRL_MOUSE);
    s->pending |= as_mouse ? PENDING_CTRL_MOUSE : PENDING_CTRL_KBD;
    update_buffer_if_free(s);
}

static void outport_write(I8042 *s, uint8_t val)
{
    s->outport = val;
    irq_set(s->a20, val & OUT_A20);
    if (!(val & OUT_RESET))
        system_reset_request(CAUSE_GUEST_RESET);
}

static uint64_t status_read(void *opaque, uint64_t off, unsigned size)
{
    return ((I8042 *)opaque)->status;
}

static void command_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    I8042 *s = opaque;

    switch (val) {
    case CMD_READ_MODE:
        reply(s, s->mode, false);
        break;
    case CMD_WRITE_MODE:
    case CMD_WRITE_OUTPUT:
    case CMD_WRITE_KBD_BUFFER:
    case CMD_WRITE_MOUSE_BUFFER:
    case CMD_WRITE_MOUSE:
        s->write_cmd = val;
        break;
    case CMD_MOUSE_DISABLE:
        s->mode |= MODE_DISABLE_MOUSE;
        break;
    case CMD_MOUSE_ENABLE:
        s->mode &= ~MODE_DISABLE_MOUSE;
        update_buffer_if_free(s);
        break;
    case CMD_TEST_MOUSE:
    case CMD_TEST_KBD:
        reply(s, 0x00, false);
        break;
    case CMD_SELF_TEST:
        s->status |= ST_SELF_TEST;
        reply(s, 0x55, false);
        break;
    case CMD_KBD_DISABLE:
        s->mode |= MODE_DISABLE_KBD;
        break;
    case CMD_KBD_ENABLE:
        s->mode &= ~MODE_DISABLE_KBD;
        update_buffer_if_free(s);
        break;
    case CMD_READ_INPUT:
        reply(s, 0x80, false); /* not locked */
        break;
    case CMD_READ_OUTPUT:
        reply(s, s->outport, false);
        break;
    case CMD_A20_ON:
        irq_raise(s->a20);
        s->outport |= OUT_A20;
        break;
    case CMD_A20_OFF:
        irq_lower(s->a20);
        s->outport &= ~OUT_A20;
        break;
    default:
        if (val >= CMD_PULSE) {
            if (!(val & OUT_RESET))
                system_reset_request(CAUSE_GUEST_RESET);
        } else {
            guest_unimp(&s->isa.dev, "command 0x%02x", (unsigned)val);
        }
        break;
    }
}
static const IoOps command_ops = {status_read, command_write, .min = 1, .max = 1};

static uint64_t data_read(void *opaque, uint64_t off, unsigned size)
{
    I8042 *s = opaque;

    if (!(s->status & ST_OBF))
        return s->out_data;
    /* The line falls between two bytes: each is an edge. */
    irq_lower(s->irq[0]);
    irq_lower(s->irq[1]);
    s->status &= ~(ST_OBF | ST_MOUSE_OBF);
    s->outport &= ~(OUT_OBF | OUT_MOUSE_OBF);
    switch (s->source) {
    case SOURCE_KBD:
        if (s->kbd_throttle)
            timer_arm_us(&s->throttle, THROTTLE_US);
        s->out_data = ps2_keyboard_read(s->kbd);
        break;
    case SOURCE_MOUSE:
        s->out_data = ps2_read(PS2_DEVICE(s->mouse));
        break;
    default:
        s->pending &= ~(PENDING_CTRL_KBD | PENDING_CTRL_MOUSE);
        s->out_data = s->ctrl_data;
        break;
    }
    update_buffer_if_free(s);
    return s->out_data;
}

static void data_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    I8042 *s = opaque;
    uint8_t cmd = s->write_cmd;

    s->write_cmd = 0;
    switch (cmd) {
    case 0:
        ps2_keyboard_write(s->kbd, val);
        /* Talking to the keyboard enables it. */
        s->mode &= ~MODE_DISABLE_KBD;
        update_buffer_if_free(s);
        break;
    case CMD_WRITE_MODE:
        s->mode = val;
        ps2_keyboard_set_translation(s->kbd, val & MODE_TRANSLATE);
        update_irqs(s);
        update_buffer_if_free(s);
        break;
    case CMD_WRITE_KBD_BUFFER:
        reply(s, val, false);
        break;
    case CMD_WRITE_MOUSE_BUFFER:
        reply(s, val, true);
        break;
    case CMD_WRITE_OUTPUT:
        outport_write(s, val);
        break;
    case CMD_WRITE_MOUSE:
        ps2_mouse_write(s->mouse, val);
        s->mode &= ~MODE_DISABLE_MOUSE;
        update_buffer_if_free(s);
        break;
    }
}
static const IoOps data_ops = {data_read, data_write, .min = 1, .max = 1};

Device *i8042_mouse(Device *dev)
{
    return I8042_(dev)->mouse;
}

static void i8042_reset(Device *dev)
{
    I8042 *s = I8042_(dev);

    timer_stop(&s->throttle);
    s->mode = MODE_KBD_INT | MODE_MOUSE_INT;
    s->status = ST_COMMAND | ST_UNLOCKED;
    s->outport = OUT_RESET | OUT_A20 | OUT_ONES;
    s->pending = 0;
    s->write_cmd = 0;
    s->migration_flags = s->source = 0;
    s->out_data = s->ctrl_data = 0;
    ps2_keyboard_set_translation(s->kbd, false);
    irq_set(s->a20, true);
    update_irqs(s);
}

static bool i8042_realize(Device *dev, Error **errp)
{
    I8042 *s = I8042_(dev);
    Bus *ports;

    timer_init(&s->throttle, throttle_over, s);
    s->irq[0] = isa_irq(&s->isa, s->kbd_irq, errp);
    if (!s->irq[0])
        return false;
    s->irq[1] = isa_irq(&s->isa, s->mouse_irq, errp);
    if (!s->irq[1] || !isa_map_io(&s->isa, &s->data_io, &data_ops, s, 0x60, 1, errp) ||
        !isa_map_io(&s->isa, &s->command_io, &command_ops, s, 0x64, 1, errp))
        return false;
    s->a20 = cpu_a20_line();
    device_outputs(dev, "", s->irq, 2);
    device_outputs(dev, "a20", &s->a20, 1);
    s->kbd_line = (Irq){kbd_line_set, s, 0};
    s->mouse_line = (Irq){mouse_line_set, s, 0};
    /* The two ports; they go with the bus when the controller goes. */
    ports = bus_new(dev, BUS_SYSTEM, "ps2");
    s->kbd = device_create("ps2-kbd", ports, errp);
    s->mouse = s->kbd ? device_create("ps2-mouse", ports, errp) : NULL;
    if (!s->mouse)
        return false;
    ports->full = true;
    PS2_DEVICE(s->kbd)->irq = &s->kbd_line;
    PS2_DEVICE(s->mouse)->irq = &s->mouse_line;
    return true;
}

static bool i8042_pre_save(Device *dev, Error **errp)
{
    I8042 *s = I8042_(dev);

    s->migration_flags = timer_armed(&s->throttle) ? MIGRATE_TIMER_PENDING : 0;
    return true;
}

static bool i8042_pre_load(Device *dev, Error **errp)
{
    I8042 *s = I8042_(dev);

    s->outport_loaded = false; /* what the subsections leave out is made up in post_load */
    s->source = s->migration_flags = 0;
    return true;
}

static uint8_t outport_default(const I8042 *s)
{
    return OUT_RESET | OUT_A20 | OUT_ONES | (s->status & ST_OBF ? OUT_OBF : 0) |
           (s->status & ST_MOUSE_OBF ? OUT_MOUSE_OBF : 0);
}

static bool i8042_post_load(Device *dev, Error **errp)
{
    I8042 *s = I8042_(dev);

    if (s->source & (s->source - 1) || s->source > SOURCE_CTRL)
        return error_set(errp, "the output buffer's source 0x%x does not exist", (unsigned)s->source);
    if ((s->status & ST_OBF) && !s->source)
        s->source = s->status & ST_MOUSE_OBF ? SOURCE_MOUSE : SOURCE_KBD;
    if (!s->outport_loaded)
        s->outport = outport_default(s);
    timer_stop(&s->throttle);
    if (s->migration_flags & MIGRATE_TIMER_PENDING)
        timer_arm_us(&s->throttle, THROTTLE_US);
    s->migration_flags = 0;
    update_irqs(s); /* the bus's OR of a line is made of its sources */
    return true;
}

static bool outport_needed(void *opaque)
{
    I8042 *s = opaque;

    return s->outport != outport_default(s);
}
static bool extended_needed(void *opaque)
{
    return ((I8042 *)opaque)->extended_state;
}
static bool outport_post_load(Device *dev, Error **errp)
{
    I8042_(dev)->outport_loaded = true;
    return true;
}
static const VmState outport_vmstate = {
    .name = "pckbd_outport",
    .version = 1,
    .min_version = 1,
    .needed = outport_needed,
    .post_load = outport_post_load,
    .fields = (const VmField[]){VM_U8(I8042, outport), {}},
};
static const VmState extended_vmstate = {
    .name = "pckbd/extended_state",
    .needed = extended_needed,
    .fields =
        (const VmField[]){
            VM_U32(I8042, migration_flags),
            VM_U32(I8042, source),
            VM_U8(I8042, out_data),
            VM_U8(I8042, ctrl_data),
            {},
        },
};
static const VmState i8042_kbd_vmstate = {
    .name = "pckbd",
    .version = 3,
    .min_version = 3,
    .fields =
        (const VmField[]){
            VM_U8(I8042, write_cmd),
            VM_U8(I8042, status),
            VM_U8(I8042, mode),
            VM_U8(I8042, pending),
            {},
        },
    .subsections = (const VmState *const[]){&outport_vmstate, &extended_vmstate, NULL},
};
static const VmState i8042_vmstate = {
    .name = "pckbd",
    .version = 3,
    .min_version = 3,
    .pre_save = i8042_pre_save,
    .pre_load = i8042_pre_load,
    .post_load = i8042_post_load,
    .fields =
        (const VmField[]){
            {.name = "kbd", .kind = VM_STRUCT_K, .size = sizeof(I8042), .num = 1, .vmsd = &i8042_kbd_vmstate},
            {},
        },
};

static const Prop i8042_props[] = {
    PROP_BOOL("extended-state", I8042, extended_state, true, "the whole state is in a migration stream"),
    PROP_BOOL("kbd-throttle", I8042, kbd_throttle, false, "a millisecond between two bytes of the keyboard"),
    PROP_U8("kbd-irq", I8042, kbd_irq, 1, "interrupt of the keyboard"),
    PROP_U8("mouse-irq", I8042, mouse_irq, 12, "interrupt of the mouse"),
    {},
};

static void i8042_asl(Device *dev, GString *out)
{
    g_string_append(out, "(device KBD (name _HID (eisa PNP0303)) (name _STA 15)"
                         " (name _CRS (resources (io 1 0x60 0x60 1 1) (io 1 0x64 0x64 1 1) (irq 1))))"
                         "(device MOU (name _HID (eisa PNP0F13)) (name _STA 15) (name _CRS (resources (irq 12))))");
}

const DeviceDesc i8042 = {
    .name = "i8042",
    .summary = "keyboard controller",
    .bus = BUS_ISA,
    .category = DEV_INPUT,
    .size = sizeof(I8042),
    .props = i8042_props,
    .vmstate = &i8042_vmstate,
    .realize = i8042_realize,
    .reset = i8042_reset,
    .asl = i8042_asl,
};
