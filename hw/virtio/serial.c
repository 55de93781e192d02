/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-serial: ports between the guest and character back ends (virtio 1.2, section 5.3): virtconsole and
 * virtserialport on the bus of a virtio-serial device.
 *
 * Queues: 0 and 1 port 0 in and out, 2 and 3 control in and out, then two for each further port. Configuration: 0
 * columns and rows (not used), 4 ports at most, 8 emergency write. Control messages: port (4 bytes), event (2), value
 * (2).
 *
 * A port whose back end takes no more keeps the driver's buffer until it does. When the device is stopped, what is left
 * of it goes to the back end's own queue.
 */
#include "hw/virtio/pci.h"

#include "chardev/chardev.h"
#include "softmmu/runstate.h"
#include "util/iov.h"

enum { F_MULTIPORT = 1, F_EMERG_WRITE = 2 };
enum { C_MAX_PORTS = 4, C_EMERG = 8, CONFIG_LEN = 12 };
enum { QUEUE = 128, CONTROL_QUEUE = 32, PORTS_MAX = 511, MESSAGE = 8, NAME_MAX_LEN = 256, RECEIVE_MAX = 4096 };
enum { SEND_AT_ONCE = 1 << 20 }; /* bytes, before others get their turn */
#define NR_ANY UINT32_MAX
typedef enum Control {
    DEVICE_READY,
    PORT_ADD,
    PORT_REMOVE,
    PORT_READY,
    CONSOLE_PORT,
    RESIZE,
    PORT_OPEN,
    PORT_NAME,
} Control;

typedef struct SerialPort SerialPort;

typedef struct VirtioSerial {
    VirtioDevice v;
    /* config, fixed at realize */
    uint32_t max_ports;
    bool emergency;
    /* wiring */
    Bus bus;
    VirtQueue *control_in;
    SerialPort **ports; /* [max_ports] */
    /* state */
    bool ready; /* the driver has said so: it hears of ports that come and go */
} VirtioSerial;
#define SERIAL(v_) container_of(v_, VirtioSerial, v)

struct SerialPort {
    Device dev;
    /* config, fixed at realize */
    uint32_t nr;
    char *name;
    CharFrontend chr;
    /* wiring */
    VirtioSerial *serial;
    VirtQueue *in, *out;
    unsigned watch; /* for room in the back end; 0: none */
    /* state */
    bool guest_open, host_open;
    VirtReq *sending; /* what the back end has not taken yet; NULL: nothing */
    uint64_t sent;    /* bytes of it that it has */
};
#define PORT(d) container_of(d, SerialPort, dev)

extern const DeviceDesc virtconsole;
static bool is_console(const SerialPort *p)
{
    return p->dev.desc == &virtconsole;
}

/* To the driver; lost where it has given no buffer. */
static void control(VirtioSerial *s, uint32_t nr, Control event, uint16_t value, const char *text)
{
    uint8_t msg[MESSAGE + NAME_MAX_LEN + 1];
    size_t len = text ? MIN(strlen(text), NAME_MAX_LEN) + 1 : 0;
    if (!virtio_has(&s->v, F_MULTIPORT) || !virtio_driver_ok(&s->v) || !virtq_ready(s->control_in))
        return;
    VirtReq *r = virtq_pop(s->control_in, sizeof(VirtReq));
    if (!r)
        return;
    stl_le(msg, nr);
    stw_le(msg + 4, event);
    stw_le(msg + 6, value);
    if (text)
        memcpy(msg + MESSAGE, text, len - 1), msg[MESSAGE + len - 1] = 0;
    virtq_push(r, (uint32_t)iov_from_buf(r->in, (int)r->n_in, 0, msg, MESSAGE + len));
    virtq_notify(s->control_in);
}

/* Guest to host. */

static void flush(SerialPort *p);

static void writable(void *opaque)
{
    SerialPort *p = opaque;
    p->watch = 0;
    flush(p);
}

static void sent_all(SerialPort *p)
{
    virtq_push(g_steal_pointer(&p->sending), 0);
    p->sent = 0;
    virtq_notify(p->out);
}

static void flush(SerialPort *p)
{
    uint8_t buf[4096];
    size_t done = 0;
    unsigned requests = 0;
    if (p->watch || !p->out || !virtq_ready(p->out) || !virtio_driver_ok(&p->serial->v))
        return;
    while (p->sending || (p->sending = virtq_pop(p->out, sizeof(VirtReq)))) {
        bool drop = !p->host_open; /* nobody listens */
        while (!drop && p->sent < p->sending->out_len) {
            if (done >= SEND_AT_ONCE) {
                virtq_kick_again(p->out);
                return;
            }
            size_t n = iov_to_buf(p->sending->out, (int)p->sending->n_out, p->sent, buf, sizeof(buf));
            ssize_t got = char_write(&p->chr, buf, n);
            done += n;
            if (got > 0)
                p->sent += (size_t)got;
            if (got >= (ssize_t)n)
                continue;
            if (got >= 0 || got == -EAGAIN)
                p->watch = char_watch_writable(&p->chr, writable, p);
            if (p->watch)
                return;
            drop = true;
        }
        sent_all(p);
        if (++requests >= virtq_size(p->out)) { /* empty, or dropped */
            virtq_kick_again(p->out);
            return;
        }
    }
}

/* No callback of the back end is waited for any more. */
static void finish(SerialPort *p)
{
    if (p->watch)
        g_source_remove(p->watch);
    p->watch = 0;
    if (!p->sending)
        return;
    uint8_t buf[4096];
    while (p->sent < p->sending->out_len) {
        size_t n = iov_to_buf(p->sending->out, (int)p->sending->n_out, p->sent, buf, sizeof(buf));
        char_write_all(&p->chr, buf, n);
        p->sent += n;
    }
    sent_all(p);
}

static SerialPort *port_of(VirtioSerial *s, VirtQueue *q)
{
    unsigned n = virtq_index(q), nr = n < 2 ? 0 : n / 2 - 1;
    return nr < s->max_ports ? s->ports[nr] : NULL;
}

static void handle_out(VirtioDevice *v, VirtQueue *q)
{
    SerialPort *p = port_of(SERIAL(v), q);
    VirtReq *r;
    if (p) {
        flush(p);
        return;
    }
    unsigned left = virtq_size(q);
    for (; left && (r = virtq_pop(q, sizeof(VirtReq))); left--) /* no such port */
        virtq_push(r, 0);
    virtq_notify(q);
    if (!left)
        virtq_kick_again(q);
}

/* Host to guest. */

static void handle_in(VirtioDevice *v, VirtQueue *q)
{
    SerialPort *p = port_of(SERIAL(v), q);
    if (p)
        char_accept_input(&p->chr);
}

static size_t can_receive(void *opaque)
{
    SerialPort *p = opaque;
    VirtioDevice *v = &p->serial->v;
    uint64_t out, in;
    if (!virtio_driver_ok(v) || !v->started || !virtq_ready(p->in) || (virtio_has(v, F_MULTIPORT) && !p->guest_open))
        return 0;
    virtq_count(p->in, 0, RECEIVE_MAX, &out, &in);
    return (size_t)MIN(in, RECEIVE_MAX);
}

static void receive(void *opaque, const uint8_t *buf, size_t len)
{
    SerialPort *p = opaque;
    VirtReq *r;
    bool any = false;
    /* can_receive() has counted what these have room for. */
    for (unsigned left = virtq_size(p->in); left && len && (r = virtq_pop(p->in, sizeof(VirtReq))); left--) {
        size_t n = iov_from_buf(r->in, (int)r->n_in, 0, buf, MIN(len, r->in_len));
        virtq_push(r, (uint32_t)n);
        buf += n;
        len -= n;
        any = true;
    }
    if (any)
        virtq_notify(p->in);
}

static void host_event(void *opaque, CharEvent ev)
{
    SerialPort *p = opaque;
    if ((ev != CHAR_OPENED && ev != CHAR_CLOSED) || is_console(p))
        return;
    p->host_open = ev == CHAR_OPENED;
    if (p->serial)
        control(p->serial, p->nr, PORT_OPEN, p->host_open, NULL);
}

static void set_guest_open(SerialPort *p, bool open)
{
    p->guest_open = open;
    if (!is_console(p))
        char_set_open(&p->chr, open);
    if (p->dev.id) {
        Json *data = json_object();
        json_set_str(data, "id", p->dev.id);
        json_set_bool(data, "open", open);
        event_emit("VSERPORT_CHANGE", data);
    }
    if (open)
        char_accept_input(&p->chr);
}

/* Control. */

static void guest_says(VirtioSerial *s, uint32_t nr, uint16_t event, uint16_t value)
{
    if (event == DEVICE_READY) {
        s->ready = value;
        for (unsigned i = 0; value && i < s->max_ports; i++)
            if (s->ports[i])
                control(s, i, PORT_ADD, 1, NULL);
        if (!value)
            guest_error(&s->v.dev, "the guest could not initialise the device");
        return;
    }
    SerialPort *p = nr < s->max_ports ? s->ports[nr] : NULL;
    if (!p) {
        guest_error(&s->v.dev, "control message %u for port %u, which is not there", event, nr);
        return;
    }
    switch (event) {
    case PORT_READY:
        if (!value) {
            guest_error(&s->v.dev, "the guest could not add port %u", nr);
            break;
        }
        if (is_console(p))
            control(s, nr, CONSOLE_PORT, 1, NULL);
        if (p->name)
            control(s, nr, PORT_NAME, 1, p->name);
        if (p->host_open)
            control(s, nr, PORT_OPEN, 1, NULL);
        break;
    case PORT_OPEN:
        set_guest_open(p, value);
        break;
    }
}

static void handle_control(VirtioDevice *v, VirtQueue *q)
{
    VirtReq *r;
    unsigned left = virtq_size(q);
    for (; left && (r = virtq_pop(q, sizeof(VirtReq))); left--) {
        uint8_t msg[MESSAGE];
        if (iov_to_buf(r->out, (int)r->n_out, 0, msg, sizeof(msg)) == sizeof(msg))
            guest_says(SERIAL(v), ldl_le(msg), lduw_le(msg + 4), lduw_le(msg + 6));
        virtq_push(r, 0);
    }
    virtq_notify(q);
    if (!left)
        virtq_kick_again(q);
}

static void handle_control_in(VirtioDevice *v, VirtQueue *q)
{
    /* Buffers for what is still to be said. */
}

/* Device. */

static bool get_features(VirtioDevice *v, uint64_t *f, Error **errp)
{
    VirtioSerial *s = SERIAL(v);
    *f |= (s->max_ports > 1 ? BIT64(F_MULTIPORT) : 0) | (s->emergency ? BIT64(F_EMERG_WRITE) : 0);
    return true;
}

static void get_config(VirtioDevice *v, uint8_t *c)
{
    memset(c, 0, v->config_len);
    stl_le(c + C_MAX_PORTS, SERIAL(v)->max_ports);
}

static void set_config(VirtioDevice *v, const uint8_t *c)
{
    VirtioSerial *s = SERIAL(v);
    SerialPort *p = s->ports[0];
    if (!s->emergency || !ldl_le(c + C_EMERG) || !p)
        return;
    char_write_all(&p->chr, c + C_EMERG, 1);
}

static void status_changed(VirtioDevice *v)
{
    VirtioSerial *s = SERIAL(v);
    SerialPort *p = s->ports[0];
    bool ok = v->status & VIRTIO_S_DRIVER_OK;
    if (ok && !virtio_has(v, F_MULTIPORT) && p && !p->guest_open)
        set_guest_open(p, true); /* a driver that knows one port uses it */
    for (unsigned i = 0; !ok && i < s->max_ports; i++)
        if (s->ports[i] && s->ports[i]->guest_open)
            set_guest_open(s->ports[i], false);
}

static void serial_reset(VirtioDevice *v)
{
    VirtioSerial *s = SERIAL(v);
    s->ready = false;
    for (unsigned i = 0; i < s->max_ports; i++)
        if (s->ports && s->ports[i]) {
            SerialPort *p = s->ports[i];
            if (p->sending)
                virtq_drop(g_steal_pointer(&p->sending));
            p->sent = 0;
            if (p->guest_open)
                set_guest_open(p, false);
        }
}

static void serial_start(VirtioDevice *v)
{
    VirtioSerial *s = SERIAL(v);
    for (unsigned i = 0; i < s->max_ports; i++)
        if (s->ports[i])
            char_accept_input(&s->ports[i]->chr);
}

static void serial_stop(VirtioDevice *v)
{
    VirtioSerial *s = SERIAL(v);
    for (unsigned i = 0; i < s->max_ports; i++)
        if (s->ports[i])
            finish(s->ports[i]);
}

/* In QEMU's stream: columns, rows, ports at most, a map of the ports, their number; then each. */
static void save(VirtioDevice *v, VmWriter *w)
{
    VirtioSerial *s = SERIAL(v);
    unsigned n = 0;
    vm_put_be(w, 0, 4);
    vm_put_be(w, s->max_ports, 4);
    for (unsigned i = 0; i < s->max_ports; i += 32) {
        uint32_t map = i ? 0 : 1; /* port 0 is always taken */
        for (unsigned b = 0; b < 32 && i + b < s->max_ports; b++)
            map |= s->ports[i + b] ? BIT32(b) : 0;
        vm_put_be(w, map, 4);
    }
    for (unsigned i = 0; i < s->max_ports; i++)
        n += s->ports[i] != NULL;
    vm_put_be(w, n, 4);
    for (unsigned i = 0; i < s->max_ports; i++) {
        SerialPort *p = s->ports[i];
        if (!p)
            continue;
        vm_put_be(w, i, 4);
        vm_put_be(w, p->guest_open, 1);
        vm_put_be(w, p->host_open, 1);
        vm_put_be(w, 0, 4); /* no request is half done while the device is stopped */
    }
}

static bool load_port(VirtioSerial *s, VmReader *r, Error **errp)
{
    uint64_t id, guest, host, popped, index, offset;
    if (!vm_get_be(r, &id, 4, errp) || !vm_get_be(r, &guest, 1, errp) || !vm_get_be(r, &host, 1, errp) ||
        !vm_get_be(r, &popped, 4, errp))
        return false;
    SerialPort *p = id < s->max_ports ? s->ports[id] : NULL;
    if (!p)
        return error_set(errp, "virtio-serial: port %" PRIu64 " is not there", id);
    if (guest > 1 || host > 1 || popped > 1)
        return error_set(errp, "virtio-serial: port %" PRIu64 " has an impossible state", id);
    p->guest_open = guest;
    if (!popped)
        return true;
    if (!vm_get_be(r, &index, 4, errp) || !vm_get_be(r, &offset, 8, errp))
        return false;
    VirtReq *q = virtq_load_request(p->out, r, sizeof(VirtReq), errp);
    if (!q)
        return false;
    if (index >= q->n_out || offset > q->out[index].iov_len || p->sending) {
        virtq_drop(q);
        return error_set(errp, "virtio-serial: port %" PRIu64 " is past its request's end", id);
    }
    for (unsigned i = 0; i < index; i++)
        offset += q->out[i].iov_len;
    p->sending = q;
    p->sent = offset;
    return true;
}

static bool load(VirtioDevice *v, VmReader *r, Error **errp)
{
    VirtioSerial *s = SERIAL(v);
    uint64_t skipped, max, n;
    if (!vm_get_be(r, &skipped, 4, errp) || !vm_get_be(r, &max, 4, errp))
        return false;
    if (max != s->max_ports)
        return error_set(errp, "virtio-serial: max_ports is %" PRIu64 " in the stream, %u here", max, s->max_ports);
    for (unsigned i = 0; i < s->max_ports; i += 32)
        if (!vm_get_be(r, &skipped, 4, errp))
            return false;
    if (!vm_get_be(r, &n, 4, errp))
        return false;
    if (n > s->max_ports)
        return error_set(errp, "virtio-serial: %" PRIu64 " ports in the stream", n);
    while (n--)
        if (!load_port(s, r, errp))
            return false;
    s->ready = v->status & VIRTIO_S_DRIVER_OK;
    return true;
}

static bool serial_realize(Device *dev, Error **errp)
{
    VirtioSerial *s = SERIAL(VIRTIO_DEVICE(dev));
    if (!s->max_ports)
        return error_set(errp, "Maximum number of serial ports not specified");
    if (s->max_ports > PORTS_MAX)
        return error_set(errp, "maximum ports supported: %u", PORTS_MAX);
    virtio_set_config_len(&s->v, s->emergency ? CONFIG_LEN : C_EMERG);
    s->ports = g_new0(SerialPort *, s->max_ports);
    for (unsigned i = 0; i < s->max_ports; i++) {
        virtio_add_queue(&s->v, QUEUE, handle_in);
        virtio_add_queue(&s->v, QUEUE, handle_out);
        if (!i) {
            s->control_in = virtio_add_queue(&s->v, CONTROL_QUEUE, handle_control_in);
            virtio_add_queue(&s->v, CONTROL_QUEUE, handle_control);
        }
    }
    const char *id = dev->outer ? dev->outer->id : dev->id;
    g_autofree char *name = id ? g_strdup_printf("%s.0", id) : NULL;
    bus_init(&s->bus, dev, BUS_VIRTIO_SERIAL, name);
    s->bus.hotplug = true;
    return true;
}

static void serial_finalize(Device *dev)
{
    g_free(SERIAL(VIRTIO_DEVICE(dev))->ports);
}

static const VmState serial_vmstate = {
    .name = "virtio-console", .version = 3, .min_version = 3, .fields = virtio_vm_fields};

static const Prop serial_props[] = {
    PROP_U32("max_ports", VirtioSerial, max_ports, 31, "ports at most"),
    PROP_BOOL("emergency-write", VirtioSerial, emergency, true, "a register that prints a byte"),
    {},
};

static const VirtioInfo serial_info = {
    .id = VIRTIO_ID_CONSOLE,
    .name = "virtio-serial",
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .status_changed = status_changed,
    .reset = serial_reset,
    .start = serial_start,
    .stop = serial_stop,
    .save = save,
    .load = load,
};

const DeviceDesc virtio_serial_device = {
    .name = "virtio-serial-device",
    .summary = "bus of serial ports",
    .bus = BUS_VIRTIO,
    .category = DEV_INPUT,
    .size = sizeof(VirtioSerial),
    .props = serial_props,
    .vmstate = &serial_vmstate,
    .virtio = &serial_info,
    .realize = serial_realize,
    .finalize = serial_finalize,
};

#define SERIAL_PCI_PROPS VIRTIO_PCI_IOEVENTFD, VIRTIO_PCI_VECTORS(2), VIRTIO_PCI_CLASS(0),
VIRTIO_PCI_DEVICES(virtio_serial, "virtio-serial", DEV_INPUT, "bus of serial ports by PCI", SERIAL_PCI_PROPS,
                   .class_id = 0x0780);

/* Ports. */

static void port_gone(Device *dev, void *opaque)
{
    SerialPort *p = PORT(dev);
    VirtioSerial *s = p->serial;
    finish(p);
    char_set_handlers(&p->chr, NULL, NULL);
    s->ports[p->nr] = NULL;
    if (s->ready)
        control(s, p->nr, PORT_REMOVE, 1, NULL);
}

static bool choose_number(VirtioSerial *s, SerialPort *p, Error **errp)
{
    if (p->nr == NR_ANY) {
        p->nr = is_console(p) && !s->ports[0] ? 0 : 1;
        while (p->nr && p->nr < s->max_ports && s->ports[p->nr])
            p->nr++;
        if (p->nr >= s->max_ports && s->max_ports % 32 == 0) /* as QEMU says it */
            return error_set(errp, "virtio-serial-bus: Maximum port limit for this device reached");
    }
    if (p->nr >= s->max_ports)
        return error_set(errp, "virtio-serial-bus: Out-of-range port id specified, max. allowed: %u", s->max_ports - 1);
    if (s->ports[p->nr])
        return error_set(errp, "virtio-serial-bus: A port already exists at id %u", p->nr);
    for (unsigned i = 0; p->name && i < s->max_ports; i++)
        if (s->ports[i] && s->ports[i]->name && !strcmp(s->ports[i]->name, p->name))
            return error_set(errp, "virtio-serial-bus: A port already exists by name %s", p->name);
    return true;
}

static bool port_realize(Device *dev, Error **errp)
{
    static const CharHandlers handlers = {can_receive, receive, host_event};
    SerialPort *p = PORT(dev);
    VirtioSerial *s = SERIAL(VIRTIO_DEVICE(dev->bus->parent));
    if (!p->nr && !is_console(p))
        return error_set(errp, "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward "
                               "compatibility.");
    if (p->name && strlen(p->name) > NAME_MAX_LEN)
        return error_set(errp, "%s.name has more than %d bytes", dev->desc->name, NAME_MAX_LEN);
    if (!choose_number(s, p, errp))
        return false;
    p->serial = s;
    s->ports[p->nr] = p;
    p->in = virtio_queue(&s->v, p->nr ? 2 * p->nr + 2 : 0);
    p->out = virtio_queue(&s->v, p->nr ? 2 * p->nr + 3 : 1);
    device_claim(dev, port_gone, NULL);
    p->host_open = is_console(p);
    if (!p->nr && virtio_driver_ok(&s->v) && !virtio_has(&s->v, F_MULTIPORT))
        p->guest_open = true;
    char_set_handlers(&p->chr, &handlers, p);
    if (s->ready)
        control(s, p->nr, PORT_ADD, 1, NULL);
    return true;
}

static const Prop port_props[] = {
    PROP_U32("nr", SerialPort, nr, NR_ANY, "number on the bus; default: the next that is free"),
    PROP_STR("name", SerialPort, name, "what the guest finds it by"),
    PROP_CHARDEV("chardev", SerialPort, chr, "ID of a chardev to use as a backend"),
    {},
};

static void port_print(Device *dev, GString *out)
{
    SerialPort *p = PORT(dev);
    g_string_append_printf(out, "port %u, guest %s, host %s, throttle %s\n", p->nr, p->guest_open ? "on" : "off",
                           p->host_open ? "on" : "off", p->watch ? "on" : "off");
}

const BusDesc virtio_serial_bus_desc = {
    .type = BUS_VIRTIO_SERIAL, .name = "virtio-serial-bus", .device_type = "virtio-serial-port", .print = port_print};

#define PORT_DEVICE(sym, name_, summary_, ...)                                                                         \
    const DeviceDesc sym = {.name = name_,                                                                             \
                            .summary = summary_,                                                                       \
                            .bus = BUS_VIRTIO_SERIAL,                                                                  \
                            .category = DEV_INPUT,                                                                     \
                            .flags = DEV_HOTPLUG,                                                                      \
                            .size = sizeof(SerialPort),                                                                \
                            .props = port_props,                                                                       \
                            .realize = port_realize,                                                                   \
                            __VA_ARGS__}
PORT_DEVICE(virtserialport, "virtserialport", "serial port of a virtio-serial bus");
PORT_DEVICE(virtconsole, "virtconsole", "console of a virtio-serial bus", .parent = "virtserialport");
