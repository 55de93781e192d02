/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SMBus host controller of PIIX4 and ICH, and the bus behind it. */
#ifndef HW_ACPI_SMBUS_H
#define HW_ACPI_SMBUS_H

#include "hw/core/device.h"
#include "softmmu/memory.h"

typedef struct SmbusDevice {
    Device dev;
    uint8_t address;
} SmbusDevice;
#define SMBUS_DEVICE(d) container_of(d, SmbusDevice, dev)

typedef struct SmbusHost {
    Device *owner;
    Bus *bus;
    IoRegion io;
    /* state */
    uint8_t stat, ctl, cmd, addr, data0, data1, data[32], auxctl, blkdata;
    uint32_t index;
    bool i2c_enable, op_done, in_i2c_block_read, start_on_status_read;
} SmbusHost;
void smbus_host_init(SmbusHost *s, Device *owner, uint16_t base);
void smbus_host_reset(SmbusHost *s);
bool smbus_host_check(const SmbusHost *s, Error **errp); /* after a load */
extern const VmState smbus_host_vmstate;

/* The memory's description: 256 bytes, read at an address that moves on. */
uint8_t smbus_eeprom_read(Device *dev);
void smbus_eeprom_write(Device *dev, uint8_t val);
void smbus_eeprom_seek(Device *dev, uint8_t offset);

#endif
