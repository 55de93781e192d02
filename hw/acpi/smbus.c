/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBus host controller (Intel 82371AB data sheet, 290562, section 7.3) and SPD EEPROMs.
 *
 *   0 status: busy 0, done 1, device error 2, byte done 7 (1 to 7: write 1 clears)
 *   2 control: protocol 4-2, start 6, kill 1    3 command    4 address (7-1), read (0)
 *   5, 6 data 0, 1    7 block data    d auxiliary control
 *
 * A transaction starts with the next read of the status, which still shows it busy: SeaBIOS and Linux wait for busy
 * before they wait for done. Protocols: quick, byte, byte data, word data, block. Process call and I2C read end in a
 * device error.
 */
#include "hw/acpi/smbus.h"
#include "hw/i386/pc.h"

enum { R_STS = 0, R_CNT = 2, R_CMD = 3, R_ADDR = 4, R_DATA0 = 5, R_DATA1 = 6, R_BLOCK = 7, R_AUXCTL = 13, SIZE = 64 };
enum { STS_BUSY = 1, STS_INTR = 2, STS_DEV_ERR = 4, STS_BYTE_DONE = 0x80, STS_CLEAR = 0xfe };
enum { CNT_KILL = 2, CNT_START = 0x40, CNT_STORED = 0x3f, AUX_BLOCK = 2 };
enum { P_QUICK, P_BYTE, P_BYTE_DATA, P_WORD, P_PROCESS, P_BLOCK };
enum { EEPROM_SIZE = 256, EEPROMS = 8, EEPROM_ADDRESS = 0x50 };

/* EEPROM. */

typedef struct Eeprom {
    SmbusDevice smb;
    uint8_t data[EEPROM_SIZE], offset;
} Eeprom;
#define EEPROM(d) container_of(d, Eeprom, smb.dev)

uint8_t smbus_eeprom_read(Device *dev)
{
    Eeprom *e = EEPROM(dev);
    return e->data[e->offset++];
}

void smbus_eeprom_write(Device *dev, uint8_t val)
{
    Eeprom *e = EEPROM(dev);
    e->data[e->offset++] = val;
}

void smbus_eeprom_seek(Device *dev, uint8_t offset)
{
    EEPROM(dev)->offset = offset;
}

static void eeprom_reset(Device *dev)
{
    Eeprom *e = EEPROM(dev);
    memset(e->data, 0, sizeof(e->data)); /* a PC's are empty: the firmware takes the memory's size from fw_cfg */
    e->offset = 0;
}

static const VmState eeprom_vmstate = {
    .name = "smbus-eeprom",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_BUFFER(Eeprom, data), VM_U8(Eeprom, offset), {}},
};

static const Prop eeprom_props[] = {PROP_U8("address", SmbusDevice, address, 0, "7-bit address on the bus"), {}};

const DeviceDesc smbus_eeprom = {
    .name = "smbus-eeprom",
    .parent = "smbus-device",
    .bus = BUS_I2C,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(Eeprom),
    .props = eeprom_props,
    .vmstate = &eeprom_vmstate,
    .reset = eeprom_reset,
};

const BusDesc i2c_bus_desc = {.type = BUS_I2C, .name = "i2c-bus", .device_type = "i2c-slave"};

bool smbus_eeproms_create(Device *pm, uint64_t ram_size, Error **errp)
{
    Bus *bus = pm->buses->pdata[0];
    for (unsigned i = 0; i < EEPROMS; i++) {
        Device *dev = device_new_named("smbus-eeprom");
        device_set_uint(dev, "address", EEPROM_ADDRESS + i);
        if (!device_realize(dev, bus, errp))
            return false;
    }
    return true;
}

/* Host. */

static Device *target(SmbusHost *s)
{
    for (guint i = 0; i < s->bus->children->len; i++)
        if (SMBUS_DEVICE(s->bus->children->pdata[i])->address == s->addr >> 1)
            return s->bus->children->pdata[i];
    return NULL;
}

static void transaction(SmbusHost *s)
{
    Device *d = target(s);
    bool read = s->addr & 1;
    if (!d) {
        s->stat |= STS_DEV_ERR;
        return;
    }
    switch (s->ctl >> 2 & 7) {
    case P_QUICK:
        break;
    case P_BYTE:
        if (read)
            s->data0 = smbus_eeprom_read(d);
        else
            smbus_eeprom_seek(d, s->cmd);
        break;
    case P_BYTE_DATA:
    case P_WORD:
        smbus_eeprom_seek(d, s->cmd);
        for (unsigned i = 0; i < ((s->ctl >> 2 & 7) == P_WORD ? 2 : 1); i++) {
            uint8_t *reg = i ? &s->data1 : &s->data0;
            if (read)
                *reg = smbus_eeprom_read(d);
            else
                smbus_eeprom_write(d, *reg);
        }
        break;
    case P_BLOCK:
        smbus_eeprom_seek(d, s->cmd);
        if (read) {
            s->data0 = MIN(smbus_eeprom_read(d), sizeof(s->data));
            for (unsigned i = 0; i < s->data0; i++)
                s->data[i] = smbus_eeprom_read(d);
        } else {
            for (unsigned i = 0; i < MIN(s->data0, sizeof(s->data)); i++)
                smbus_eeprom_write(d, s->data[i]);
        }
        s->index = 0;
        break;
    default:
        s->stat |= STS_DEV_ERR;
        return;
    }
    s->op_done = true;
    s->stat |= STS_INTR;
}

static uint64_t smb_read(void *opaque, uint64_t off, unsigned size)
{
    SmbusHost *s = opaque;
    uint8_t val = 0;
    switch (off) {
    case R_STS:
        val = s->stat;
        if (s->start_on_status_read) {
            s->start_on_status_read = false;
            s->stat &= ~STS_BUSY;
            transaction(s);
        }
        break;
    case R_CNT:
        val = s->ctl;
        s->index = 0; /* as the data sheet says: reading control resets the block pointer */
        break;
    case R_CMD:
        val = s->cmd;
        break;
    case R_ADDR:
        val = s->addr;
        break;
    case R_DATA0:
        val = s->data0;
        break;
    case R_DATA1:
        val = s->data1;
        break;
    case R_BLOCK:
        val = s->data[s->index % sizeof(s->data)];
        s->index = (s->index + 1) % sizeof(s->data);
        break;
    case R_AUXCTL:
        val = s->auxctl;
        break;
    }
    return val;
}

static void smb_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    SmbusHost *s = opaque;
    switch (off) {
    case R_STS:
        s->stat &= ~(val & STS_CLEAR);
        break;
    case R_CNT:
        s->ctl = val & CNT_STORED;
        if (val & CNT_KILL) {
            s->start_on_status_read = false;
            s->stat &= ~STS_BUSY;
        } else if (val & CNT_START) {
            s->start_on_status_read = true;
            s->stat = STS_BUSY;
            s->op_done = false;
        }
        break;
    case R_CMD:
        s->cmd = val;
        break;
    case R_ADDR:
        s->addr = val;
        break;
    case R_DATA0:
        s->data0 = val;
        break;
    case R_DATA1:
        s->data1 = val;
        break;
    case R_BLOCK:
        s->data[s->index % sizeof(s->data)] = val;
        s->index = (s->index + 1) % sizeof(s->data);
        break;
    case R_AUXCTL:
        s->auxctl = val & AUX_BLOCK;
        break;
    }
}

static const IoOps smb_ops = {smb_read, smb_write, .min = 1, .max = 1};

void smbus_host_init(SmbusHost *s, Device *owner, uint16_t base)
{
    s->owner = owner;
    s->bus = bus_new(owner, BUS_I2C, "i2c");
    region_init_io(&s->io, owner, &smb_ops, s, "pm-smbus", SIZE);
    region_add(&system_io, base, &s->io);
}

void smbus_host_reset(SmbusHost *s)
{
    s->stat = s->ctl = s->cmd = s->addr = s->data0 = s->data1 = s->blkdata = 0;
    s->auxctl = AUX_BLOCK;
    s->index = 0;
    memset(s->data, 0, sizeof(s->data));
    s->i2c_enable = s->in_i2c_block_read = s->start_on_status_read = false;
    s->op_done = true;
}

bool smbus_host_check(const SmbusHost *s, Error **errp)
{
    return s->index < sizeof(s->data) || error_set(errp, "SMBus block index %u is out of range", s->index);
}

const VmState smbus_host_vmstate = {
    .name = "pmsmb",
    .version = 1,
    .min_version = 1,
    .fields = (const VmField[]){VM_U8(SmbusHost, stat),
                                VM_U8(SmbusHost, ctl),
                                VM_U8(SmbusHost, cmd),
                                VM_U8(SmbusHost, addr),
                                VM_U8(SmbusHost, data0),
                                VM_U8(SmbusHost, data1),
                                VM_U32(SmbusHost, index),
                                VM_INT_ARRAY(SmbusHost, data),
                                VM_U8(SmbusHost, auxctl),
                                VM_U8(SmbusHost, blkdata),
                                VM_BOOL(SmbusHost, i2c_enable),
                                VM_BOOL(SmbusHost, op_done),
                                VM_BOOL(SmbusHost, in_i2c_block_read),
                                VM_BOOL(SmbusHost, start_on_status_read),
                                {}},
};
