/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices and buses: const descriptors, and the instances made of them.
 *
 * Life: device_new() (defaults stored), device_set*() (properties), device_realize() (on its bus; claims resources), use,
 * device_unrealize(), freed after an RCU grace period; the back ends that its properties name are others' to have at once. Everything
 * that a realize claimed through isa_*, pci_*, region_add, timers and backends is given back by the core when realize fails and after
 * unrealize; unrealize itself undoes only what the device made on its own. region_init_*() with an owner claims for it, too. All under
 * the VM lock.
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "hw/core/clock.h"
#include "hw/core/irq.h"
#include "hw/core/prop.h"
#include "hw/core/vmstate.h"
#include "util/log.h"
#include "util/rcu.h"

typedef struct Bus Bus;
typedef struct DeviceDesc DeviceDesc;
typedef struct Claim Claim;

typedef enum BusType {
    BUS_NONE, /* a device without a bus (CPUs) */
    BUS_SYSTEM,
    BUS_ISA,
    BUS_PCI,
    BUS_IDE,
    BUS_FLOPPY,
    BUS_I2C,
    BUS_VIRTIO,
    BUS_VIRTIO_SERIAL,
    BUS_SCSI,
    BUS_USB,
    BUS_TYPES,
} BusType;

/* What all devices on a type of bus share; hw/core/bus.c has the table, each bus's own file its entry. */
typedef struct BusDesc {
    BusType type;
    const char *name;        /* QOM type and `info qtree` name: "ISA", "PCI" */
    const char *device_type; /* QOM parent of its devices: "isa-device" */
    const Prop *props;       /* properties of every device on it (addr, multifunction ...), offsets from the Device */
    const VmState *vmstate;  /* state that the bus keeps per device; saved before the device's own */
    bool (*realize)(Device *dev, Error **errp); /* before the device's realize: place it on the bus */
    bool (*realized)(Device *dev, Error **errp); /* after a successful realize */
    void (*unrealizing)(Device *dev);            /* before the device's unrealize */
    void (*unrealize)(Device *dev);              /* after the device's unrealize */
    void (*finalize)(Device *dev);               /* before the struct is freed, in the reclaim thread */
    void (*reset)(Device *dev);                  /* before the device's reset */
    char *(*dev_path)(Device *dev);              /* the firmware path of a bootindex device, NULL: none */
    void (*print)(Device *dev, GString *out);    /* extra lines of `info qtree` */
} BusDesc;

typedef enum DeviceCategory {
    DEV_BRIDGE, DEV_USB, DEV_STORAGE, DEV_NETWORK, DEV_INPUT, DEV_DISPLAY, DEV_SOUND, DEV_MISC, DEV_CPU, DEV_WATCHDOG,
    DEV_CATEGORIES,
} DeviceCategory;

enum { /* DeviceDesc.flags */
    DEV_NO_USER = 1,  /* not by -device or device_add: part of a board */
    DEV_HOTPLUG = 2,  /* device_add and device_del while the machine runs */
    DEV_NO_TWIN = 4,  /* needs a board around it (chipset parts): the generic table test makes it inside its machine */
};

struct DeviceDesc {
    const char *name; /* the user's name, once in the tree */
    const char *summary;
    const char *alias;  /* a second user name, or NULL */
    const char *parent; /* QOM parent type where it is not the bus's device_type; "GRANDPARENT/PARENT" where that has one between */
    BusType bus;
    DeviceCategory category;
    unsigned flags;
    size_t size; /* of the state struct, which begins with the bus's device struct, which begins with Device */
    const Prop *props;
    const VmState *vmstate; /* NULL: no state */
    void (*init)(Device *dev);     /* after the defaults are stored, before any property is set; may be NULL */
    void (*finalize)(Device *dev); /* the counterpart of init, before the struct is freed, in the reclaim thread; may be NULL */
    bool (*realize)(Device *dev, Error **errp);
    void (*unrealize)(Device *dev); /* may be NULL */
    void (*reset)(Device *dev);     /* power-on state, from any state; may be NULL */
    bool (*unplug_request)(Device *dev, Error **errp); /* device_del: NULL unplugs at once */
    const struct PciInfo *pci;      /* BUS_PCI: ids and class */
    const struct VirtioInfo *virtio; /* BUS_VIRTIO: id, features and handlers (hw/virtio/virtio.h) */
    /* A device that each one of these is the shell of (virtio-blk-pci's virtio-blk-device): made with it, its properties are this one's
     * too, its state is the state of both. realize() puts it on a bus with device_realize_inner(). */
    const DeviceDesc *inner;
    char *(*qom_type)(const Device *dev);               /* where one descriptor serves several QOM types; NULL: name */
    void (*asl)(Device *dev, GString *out);             /* its object in the ACPI tables (hw/acpi/aml.h); NULL: none */
    Json *(*qom_get)(Device *dev, const char *name);    /* QOM properties beyond the table ("date"); NULL: none such */
};

struct Device {
    const DeviceDesc *desc;
    char *id;   /* the user's id=, or NULL */
    char *path; /* QOM path, from realize on: /machine/peripheral/ID, /machine/unattached/device[N] ... */
    Bus *bus;   /* the bus it is on; NULL where none */
    GPtrArray *buses; /* of Bus *: what it provides; owned */
    Claim *claims;
    Irq *inputs; /* input lines, device_inputs() */
    unsigned n_inputs;
    GArray *outputs; /* of DeviceOutput; NULL: none are shown */
    bool realized;
    bool hotplugged;
    bool user_made;    /* by -device or device_add */
    Error *global_error; /* a -global that does not fit: device_realize() fails with it */
    bool unplugging; /* device_del was asked for */
    Device *inner;   /* of desc->inner, from device_new() until it goes; and the other way round, from its realize on */
    Device *outer;
    /* The re-entry guard: set while a handler of one of its regions runs. */
    bool in_handler;
    int32_t bootindex; /* -1: none; a property of devices that can boot */
    Json *given;       /* what the user set, for messages and info qtree */
    int64_t last_complaint; /* guest_error's rate limit: CLOCK_REALTIME_MONO ns, and what was held back since */
    unsigned complaints;
    RcuHead rcu;
};
/* Entries of a device's property table that live in Device itself. */
#define PROP_BOOTINDEX PROP_I32("bootindex", Device, bootindex, -1, "place in the boot order, from 0; -1: not a boot device")

struct Bus {
    BusType type;
    const char *type_name; /* QOM type where it is not the bus type's name */
    char *name; /* "pci.0", "ide.1" */
    Device *parent; /* NULL: the machine's main system bus */
    GPtrArray *children; /* of Device *, in order of realize; owned */
    void *opaque;        /* the bus type's own struct where it embeds Bus */
    bool owned;          /* made by bus_new: freed with its parent */
    bool full;           /* no more devices fit */
    bool hotplug;        /* device_add and device_del on a running machine */
    unsigned max_devices; /* 0: no limit but the bus type's own */
    /* device_del: ask the guest; device_unplugged() follows when it agrees. NULL: at once. */
    bool (*unplug_request)(Bus *bus, Device *dev, Error **errp);
};

/* The table (hw/devices.c, filled from the one list hw/devices.h), NULL-ended. */
extern const DeviceDesc *const device_table[];
const DeviceDesc *device_find_desc(const char *name_or_alias);
const BusDesc *bus_desc(BusType type);

/* desc by name must be in the table (assert) for device_new_named; props hold their defaults, then -global's and the
 * machine version's. */
Device *device_new(const DeviceDesc *desc);
Device *device_new_named(const char *name);
bool device_set(Device *dev, const char *prop, const Json *val, Error **errp);
bool device_set_text(Device *dev, const char *prop, const char *text, Error **errp);
/* For boards, on properties that exist and values that fit: asserts otherwise. */
void device_set_bool(Device *dev, const char *prop, bool val);
void device_set_uint(Device *dev, const char *prop, uint64_t val);
void device_set_str(Device *dev, const char *prop, const char *val);
void device_set_link(Device *dev, const char *prop, void *target);
Json *device_get(Device *dev, const char *prop, Error **errp);
/* bus NULL: the system bus for BUS_SYSTEM, none for BUS_NONE. On failure dev is freed. A board may set dev->path before. */
bool device_realize(Device *dev, Bus *bus, Error **errp);
void device_discard(Device *dev); /* one that was never realized */
bool globals_apply(Device *dev, Error **errp); /* by device_new() */
bool id_wellformed(const char *id);
bool device_realize_inner(Device *dev, Bus *bus, const char *name, Error **errp); /* name: its place below dev's QOM path */
Device *device_create(const char *name, Bus *bus, Error **errp); /* new + realize with defaults; NULL on failure */
void device_unrealize(Device *dev);                              /* and free after a grace period */
void device_reset(Device *dev);                                  /* it and what is below it */
bool device_save(Device *dev, VmWriter *w, Error **errp);        /* bus part, then its own */
bool device_load(Device *dev, VmReader *r, Error **errp);         /* on failure dev is reset */

/* -device / device_add: opts is an object with "driver", "id", "bus" and properties; text: its strings come from a key=value
 * command line and are converted by the property. hotplug as device_add on a running machine. */
Device *device_add(const Json *opts, bool text, Error **errp);
Device *device_find(const char *id_or_path); /* NULL where none */
bool device_del(Device *dev, Error **errp);  /* DEVICE_DELETED follows when it is gone */
void device_unplugged(Device *dev);          /* the guest let go of it: unrealize and DEVICE_DELETED, for what is below it, too */
unsigned devices_count(void);
/* Each bus, the system bus first. */
void buses_foreach(void (*fn)(Bus *bus, void *opaque), void *opaque);
/* A property by name: the descriptor's own, its bus's, or its inner device's. NULL where none. *holder (which
 * may be NULL): the device that has it. */
const Prop *device_prop(Device *dev, const char *name, Device **holder);
const Prop *device_desc_prop(const DeviceDesc *desc, const char *name); /* its own or its bus's */
/* Each table of properties of a kind of device: fn for its own, its bus's, its inner device's (whose bus's come last). */
void device_desc_props(const DeviceDesc *desc, void (*fn)(const Prop *table, void *opaque), void *opaque);
const char *device_desc_parent(const DeviceDesc *desc); /* QOM parent type */
bool device_desc_is(const DeviceDesc *desc, const char *type); /* by name, alias, or a parent's name */
void device_help(const char *name); /* -device help (NULL) and -device NAME,help, to stdout; exits where name is unknown */
void device_help_text(const char *name, GString *out); /* the same as text; name is known, or NULL */
void qtree_print(GString *out);     /* `info qtree` */
/* Called for each realized device in order of creation; stops where fn returns false. */
bool devices_foreach(bool (*fn)(Device *dev, void *opaque), void *opaque);
/* A place in the boot order is one device's, from its realize to its end, or a ROM's: bootindex_claim(). False where it is taken;
 * negative ones are none. */
bool bootindex_free(int32_t bootindex, Error **errp);
bool bootindex_claim(int32_t bootindex, Error **errp);

/* Called after each device_realize() and before each device_unrealize(), for hotplug controllers. */
typedef struct DeviceListener {
    void (*realized)(Device *dev, void *opaque);
    void (*unrealizing)(Device *dev, void *opaque);
    void *opaque;
} DeviceListener;
void device_listener_add(const DeviceListener *l);

/* -global DRIVER.PROP=VALUE, and a machine version's table. An unknown driver warns, an unknown property of a known driver is
 * an error when the driver is created. */
typedef struct CompatProp {
    const char *driver, *prop, *value;
} CompatProp;
bool global_add(const char *text, Error **errp);
void globals_warn_unknown(void); /* once, when the machine is built */
extern bool machine_ready;       /* the board is built: what is added now is hotplugged */
void compat_props_set(const CompatProp *const *tables); /* NULL-ended list of {}-ended tables, oldest last */

/* Input lines: dev->inputs[0..n), which device_input() hands out to be raised by others. Once per device, in realize. */
void device_inputs(Device *dev, IrqHandler *fn, unsigned n);
Irq *device_input(Device *dev, unsigned n); /* asserts n < count */

/* Output lines that others may look at (info qtree, qtest): lines[0..n) is where the device keeps what it raises, name is "" or a static
 * string. In realize; what is behind the lines may come later. */
typedef struct DeviceOutput {
    const char *name;
    Irq **lines;
    unsigned n;
} DeviceOutput;
void device_outputs(Device *dev, const char *name, Irq **lines, unsigned n);
const DeviceOutput *device_find_output(const Device *dev, const char *name); /* NULL: none of that name */

/* Buses a device provides; freed with it. name NULL: TYPE.N, or ID.N when the device has an id. */
Bus *bus_new(Device *parent, BusType type, const char *name);
void bus_init(Bus *bus, Device *parent, BusType type, const char *name); /* embedded in a larger struct */
void bus_fini(Bus *bus); /* unrealizes what is on it; the core calls it for a device's buses */
Bus *bus_find(const char *name_or_path);
Bus *bus_find_type(BusType type); /* the first that is not full; NULL where none */
extern Bus *system_bus;

/* A claim is an undo step: fn(opaque) runs in reverse order when realize fails and after unrealize. */
void device_claim(Device *dev, void (*fn)(Device *dev, void *opaque), void *opaque);

/* The guest did something invalid: -d guest_errors, rate-limited per device; names the device. dev may be NULL. */
void guest_error(const Device *dev, const char *fmt, ...) PRINTF_LIKE(2, 3);
void guest_unimp(const Device *dev, const char *fmt, ...) PRINTF_LIKE(2, 3); /* -d unimp */

/* System reset: devices in order of creation, then these, in order of registration. */
void reset_register(void (*fn)(void *opaque), void *opaque);
void reset_unregister(void (*fn)(void *opaque), void *opaque);
void devices_reset_all(void);

#define DEVICE(x) (&(x)->dev)

#endif
