/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000: Intel's 82540EM gigabit Ethernet controller, and the 82544GC and 82545EM, which look the same to software
 * (PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual, 317453).
 *
 * BAR 0, memory, 128 KiB: the registers, a dword each; BAR 1, 64 ports, does nothing (as QEMU's). A narrow access is
 * one to the whole register.
 *
 * Differences from the hardware, most of them QEMU's: CTRL.RST resets nothing; a packet goes out when its tail is
 * written; TIDV, RDTR and the absolute timers delay nothing, ITR does; statistics of errors stay at 0; RXCSUM reads as
 * 0; wake-up and flow control registers do nothing; the CRC of received frames is 0. Not QEMU's: segments of less than
 * NET_SEGMENT_MIN bytes are lost where the back end does not take the whole.
 */
#include "hw/net/e1000.h"

#include "softmmu/runstate.h"

enum { EECD_SK = 1, EECD_CS = 2, EECD_DI = 4, EECD_DO = 8, EECD_KEPT = 0x77, EECD_IDLE = 0x180 };
enum { EERD_START = 1, EERD_DONE = 0x10 };
enum { BAR0_SIZE = 0x20000, BAR1_SIZE = 64, ANEG_MS = 500, MICROWIRE_READ = 6 };
#define MDIC_WRITE  0x04000000U
#define MDIC_READ   0x08000000U
#define MDIC_READY  0x10000000U
#define MDIC_INT    0x20000000U
#define MDIC_ERROR  0x40000000U
#define ITR_UNIT_NS 256

/* What stands beside the addresses and the sum: word 0x0b and 0x0d are the device's id. */
static const uint16_t eeprom_template[EEPROM_WORDS] = {
    0x0000, 0x0000, 0x0000, 0x0000, 0xffff, 0x0000, 0x0000, 0x0000, 0x3000, 0x1000, 0x6403, 0x0000, 0x8086,
    0x0000, 0x8086, 0x3040, 0x0008, 0x2000, 0x7e14, 0x0048, 0x1000, 0x00d8, 0x0000, 0x2700, 0x6cc9, 0x3150,
    0x0722, 0x040b, 0x0984, 0x0000, 0xc000, 0x0706, 0x1008, 0x0000, 0x0f04, 0x7fff, 0x4d01, 0xffff, 0xffff,
    0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0x0100, 0x4000, 0x121c, 0xffff,
    0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0x0000,
};
#define EEPROM_SUM 0xbaba

/* Bits that the driver may write, by range of registers; those that mean something are special besides. */
static const struct {
    uint32_t from, to, mask; /* offsets, the last included */
} writable[] = {
    {0x0038, 0x0038, ~0U},    {0x00c4, 0x00c4, 0xffff},  {0x0458, 0x0458, 0xffff}, {0x0e00, 0x0e00, ~0U},
    {0x1000, 0x1000, ~0U},    {0x2410, 0x2410, 0x1fff},  {0x2418, 0x2418, 0x1fff}, {0x2420, 0x2420, 0x1fff},
    {0x2428, 0x2428, 0x1fff}, {0x2430, 0x2430, 0x1fff},  {0x2800, 0x2804, ~0U},    {0x2808, 0x2808, 0xfff80},
    {0x2810, 0x2810, 0xffff}, {0x2820, 0x2820, 0xffff},  {0x282c, 0x282c, 0xffff}, {0x3410, 0x3410, 0x7ff},
    {0x3418, 0x3418, 0x7ff},  {0x3420, 0x3420, 0x1fff},  {0x3428, 0x3428, 0x1fff}, {0x3430, 0x3430, 0x1fff},
    {0x3800, 0x3804, ~0U},    {0x3808, 0x3808, 0xfff80}, {0x3810, 0x3810, 0xffff}, {0x3828, 0x3828, ~0U},
    {0x382c, 0x382c, 0xffff}, {0x4058, 0x4058, ~0U},     {0x5200, 0x547c, ~0U},    {0x5600, 0x5800, ~0U},
    {0x5808, 0x5808, ~0U},    {0x5810, 0x5810, ~0U},     {0x5838, 0x5838, ~0U},    {0x5840, 0x5858, ~0U},
    {0x5880, 0x588c, ~0U},    {0x5a00, 0x5a7c, ~0U},     {0x5b50, 0x5b50, ~0U},    {0x5f00, 0x5f18, 0x7ff},
    {0x9000, 0x93fc, 0xf},    {0x9800, 0x9bfc, ~0U},     {0x10000, 0x1fffc, ~0U},
};

static uint32_t write_mask(unsigned reg)
{
    for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
        if (reg * 4 >= writable[i].from && reg * 4 <= writable[i].to)
            return writable[i].mask;
    return 0;
}

/* ---- interrupts ---- */

static void set_line(E1000 *s, bool on)
{
    s->irq_level = on;
    pci_set_irq(&s->pci, on);
}

/* The line goes up at most once in ITR's time. */
static void update_irq(E1000 *s)
{
    bool pending = s->mac[ICR] & s->mac[IMS];
    if (pending && !s->irq_level && s->mitigation && s->mac[ITR]) {
        if (timer_armed(&s->mit_timer))
            return;
        timer_arm_ns(&s->mit_timer, (int64_t)s->mac[ITR] * ITR_UNIT_NS);
    }
    set_line(s, pending);
}

static void mit_expired(void *opaque)
{
    update_irq(opaque);
}

void e1000_cause(E1000 *s, uint32_t causes)
{
    s->mac[ICR] |= causes;
    update_irq(s);
}

/* ---- the link ---- */

static void set_link(E1000 *s, bool up)
{
    if (up) {
        s->mac[STATUS] |= STATUS_LU;
        s->phy[PHY_STATUS] |= PHY_LINK;
    } else {
        s->mac[STATUS] &= ~STATUS_LU;
        s->phy[PHY_STATUS] &= (uint16_t)~PHY_LINK;
    }
}

static bool negotiates(const E1000 *s)
{
    return s->autonegotiation && s->phy[PHY_CTRL] & PHY_ANEG;
}

static void renegotiate(E1000 *s)
{
    set_link(s, false);
    s->phy[PHY_STATUS] &= (uint16_t)~PHY_DONE;
    timer_arm_ms(&s->link_timer, ANEG_MS);
}

static void negotiated(void *opaque)
{
    E1000 *s = opaque;
    if (s->nic.link_down)
        return;
    set_link(s, true);
    s->phy[PHY_PARTNER] |= PHY_ACK;
    s->phy[PHY_STATUS] |= PHY_DONE;
    e1000_cause(s, INT_LSC);
    net_ready(&s->nic);
}

static void link_changed(NetClient *nc)
{
    E1000 *s = container_of(nc, E1000, nic);
    uint32_t old = s->mac[STATUS];
    if (nc->link_down) {
        timer_stop(&s->link_timer);
        set_link(s, false);
    } else if (negotiates(s) && !(s->phy[PHY_STATUS] & PHY_DONE)) {
        renegotiate(s);
    } else {
        set_link(s, true);
    }
    if (s->mac[STATUS] != old)
        e1000_cause(s, INT_LSC);
}

/* Register numbers that there are: 1 reads, 2 writes. */
static const uint8_t phy_access[PHY_REGS] = {
    [0] = 3, [1] = 1,  [2] = 1,  [3] = 1,  [4] = 3,  [5] = 1,  [6] = 1,
    [9] = 3, [10] = 1, [16] = 3, [17] = 1, [20] = 3, [21] = 1,
};

static void write_phy(E1000 *s, unsigned reg, uint16_t val)
{
    if (reg != PHY_CTRL) {
        s->phy[reg] = val;
        return;
    }
    s->phy[PHY_CTRL] = val & 0x7dc0; /* reset and restart are done at once */
    if (negotiates(s) && val & PHY_RESTART)
        renegotiate(s);
}

static void write_mdic(E1000 *s, uint32_t val)
{
    unsigned reg = val >> 16 & 31, phy = val >> 21 & 31;
    if (phy != 1) {
        val = s->mac[MDIC] | MDIC_ERROR;
    } else if (val & MDIC_READ) {
        if (phy_access[reg] & 1)
            val = (val & 0xffff0000) | s->phy[reg];
        else
            val |= MDIC_ERROR;
    } else if (val & MDIC_WRITE) {
        if (phy_access[reg] & 2)
            write_phy(s, reg, (uint16_t)val);
        else
            val |= MDIC_ERROR;
    }
    s->mac[MDIC] = val | MDIC_READY;
    if (val & MDIC_INT)
        e1000_cause(s, INT_MDAC);
}

/* ---- EEPROM: a 93C46 on EECD's wires, and EERD's short way ---- */

static uint32_t read_eecd(const E1000 *s)
{
    uint32_t ret = EECD_IDLE | s->wire.old_eecd;
    uint16_t word = s->eeprom[s->wire.bitnum_out >> 4 & (EEPROM_WORDS - 1)];
    if (!s->wire.reading || (word >> ((s->wire.bitnum_out & 15) ^ 15)) & 1)
        ret |= EECD_DO;
    return ret;
}

static void write_eecd(E1000 *s, uint32_t val)
{
    uint32_t changed = val ^ s->wire.old_eecd;
    s->wire.old_eecd = val & EECD_KEPT;
    if (!(val & EECD_CS))
        return;
    if (changed & EECD_CS) {
        s->wire.val_in = 0;
        s->wire.bitnum_in = s->wire.bitnum_out = s->wire.reading = 0;
    }
    if (!(changed & EECD_SK))
        return;
    if (!(val & EECD_SK)) {
        s->wire.bitnum_out++;
        return;
    }
    s->wire.val_in = s->wire.val_in << 1 | !!(val & EECD_DI);
    if (++s->wire.bitnum_in == 9 && !s->wire.reading) { /* start bit, two of the opcode, six of the address */
        s->wire.bitnum_out = (uint16_t)(((s->wire.val_in & 0x3f) << 4) - 1);
        s->wire.reading = (s->wire.val_in >> 6 & 7) == MICROWIRE_READ;
    }
}

static uint32_t read_eerd(const E1000 *s)
{
    uint32_t val = s->mac[EERD], word = val >> 8 & 0x3fff;
    if (!(val & EERD_START))
        return val;
    val = (val & ~(uint32_t)EERD_START) | EERD_DONE;
    return word < EEPROM_WORDS ? val | (uint32_t)s->eeprom[word] << 16 : val;
}

static void fill_eeprom(E1000 *s)
{
    uint16_t id = lduw_le(s->pci.config + 2), sum = 0;
    memcpy(s->eeprom, eeprom_template, sizeof(s->eeprom));
    for (unsigned i = 0; i < 3; i++)
        s->eeprom[i] = lduw_le(s->conf.mac + 2 * i);
    s->eeprom[0x0b] = s->eeprom[0x0d] = id;
    for (unsigned i = 0; i < EEPROM_WORDS - 1; i++)
        sum += s->eeprom[i];
    s->eeprom[EEPROM_WORDS - 1] = (uint16_t)(EEPROM_SUM - sum);
}

/* ---- registers ---- */

static uint64_t mmio_read(void *opaque, uint64_t off, unsigned size)
{
    E1000 *s = opaque;
    unsigned reg = (off / 4) % REGS;
    uint32_t val = s->mac[reg];
    switch (reg) {
    case EECD:
        val = read_eecd(s);
        break;
    case EERD:
        val = read_eerd(s);
        break;
    case ICR:
        s->mac[ICR] = 0;
        update_irq(s);
        break;
    case ICS:
        val = s->mac[ICR];
        break;
    case RXCSUM:
        return 0;
    case GORCH:
    case GOTCH:
    case TORH:
    case TOTH:
        s->mac[reg] = s->mac[reg - 1] = 0;
        break;
    case GORCL:
    case GOTCL:
    case TORL:
    case TOTL:
    case FCRUC:
        break;
    default:
        if (reg >= STATS && reg < STATS_END)
            s->mac[reg] = 0;
    }
    return size < 4 ? val & (BIT32(8 * size) - 1) : val;
}

static void mac_changed(E1000 *s)
{
    uint8_t mac[8];
    stl_le(mac, s->mac[RA]);
    stl_le(mac + 4, s->mac[RA + 1]);
    net_nic_mac_changed(&s->nic, mac);
}

static void mmio_write(void *opaque, uint64_t off, uint64_t value, unsigned size)
{
    E1000 *s = opaque;
    unsigned reg = (off / 4) % REGS;
    uint32_t val = (uint32_t)value, mask = write_mask(reg);
    if (mask)
        s->mac[reg] = val & mask;
    switch (reg) {
    case CTRL:
        s->mac[CTRL] = val & ~CTRL_RST;
        break;
    case EECD:
        write_eecd(s, val);
        break;
    case EERD:
        s->mac[EERD] = val;
        break;
    case MDIC:
        write_mdic(s, val);
        break;
    case ICR:
        s->mac[ICR] &= ~val;
        update_irq(s);
        break;
    case ICS:
        e1000_cause(s, val);
        break;
    case IMS:
        s->mac[IMS] |= val;
        update_irq(s);
        break;
    case IMC:
        s->mac[IMS] &= ~val;
        update_irq(s);
        break;
    case RCTL:
        s->mac[RCTL] = val;
        e1000_rctl_changed(s);
        net_ready(&s->nic);
        break;
    case RDT:
        s->mac[RDT] = val & 0xffff;
        net_ready(&s->nic);
        break;
    case TCTL:
    case TDT:
        s->mac[reg] = reg == TDT ? val & 0xffff : val;
        s->tx_left = MAX(s->mac[TDLEN] / DESC, 1);
        e1000_start_tx(s);
        break;
    case RXCSUM:
        s->mac[RXCSUM] = val;
        break;
    case RA + 1:
        mac_changed(s);
        break;
    default:
        break;
    }
}
static const IoOps mmio_ops = {mmio_read, mmio_write, .min = 1, .max = 4};

static uint64_t port_read(void *opaque, uint64_t off, unsigned size)
{
    return 0;
}

static void port_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
}
static const IoOps port_ops = {port_read, port_write, .min = 1, .max = 4};

/* ---- life ---- */

static void tx_again(NetClient *nc)
{
    E1000 *s = container_of(nc, E1000, nic);
    if (s->tx_stopped && runstate_running()) /* else it goes on with the VM */
        e1000_start_tx(s);
}

/* The rest of a long ring, when the VM runs: a stopped one changes no memory. */
static void tx_go_on(void *opaque)
{
    E1000 *s = opaque;
    if (runstate_running())
        e1000_start_tx(s);
    else
        s->tx_paused = true;
}

static void run_state_changed(void *opaque, bool running, RunState state)
{
    E1000 *s = opaque;
    if (!running || !(s->tx_paused || s->tx_stopped))
        return;
    s->tx_paused = false;
    e1000_start_tx(s);
}

static const NetOps net_ops = {
    .type = "nic",
    .can_receive = e1000_can_receive,
    .receive = e1000_receive,
    .writable = tx_again,
    .link_changed = link_changed,
};

static void e1000_reset(Device *dev)
{
    static const struct {
        uint16_t reg, val;
    } phy[] = {{PHY_CTRL, 0x1140},  {PHY_STATUS, 0x794d}, {PHY_ID1, 0x0141},  {PHY_ADV, 0x0de1}, {PHY_PARTNER, 0x01e0},
               {PHY_GCTRL, 0x0e00}, {10, 0x3c00},         {PHY_SPEC, 0x0360}, {17, 0xac00},      {PHY_EXT, 0x0d60}};
    E1000 *s = E1000(dev);
    timer_stop(&s->mit_timer);
    timer_stop(&s->link_timer);
    memset(s->mac, 0, sizeof(s->mac));
    memset(s->phy, 0, sizeof(s->phy));
    memset(&s->wire, 0, sizeof(s->wire));
    memset(&s->tx, 0, sizeof(s->tx));
    s->ctx = s->large_ctx = s->mig_ctx = (TxContext){0};
    s->mig_large = s->tx_stopped = s->tx_paused = false;
    bh_cancel(s->tx_bh);
    s->mac[CTRL] = 0x140240;
    s->mac[STATUS] = 0x80080783;
    s->mac[LEDCTL] = 0x602;
    s->mac[PBA] = 0x100030;
    s->mac[MANC] = 0x222300;
    if (s->init_vet)
        s->mac[VET] = 0x8100;
    for (size_t i = 0; i < ARRAY_SIZE(phy); i++)
        s->phy[phy[i].reg] = phy[i].val;
    s->phy[PHY_ID2] = lduw_le(s->pci.config + 2) == 0x100c ? 0x0c30 : 0x0c20;
    s->mac[RA] = ldl_le(s->conf.mac);
    s->mac[RA + 1] = lduw_le(s->conf.mac + 4) | BIT32(31);
    mac_changed(s);
    if (s->nic.link_down)
        set_link(s, false);
    e1000_rctl_changed(s);
    net_purge(&s->nic);
    set_line(s, false);
}

static bool e1000_realize(Device *dev, Error **errp)
{
    E1000 *s = E1000(dev);
    region_init_io(&s->mmio, dev, &mmio_ops, s, "e1000-mmio", BAR0_SIZE);
    region_init_io(&s->io, dev, &port_ops, s, "e1000-io", BAR1_SIZE);
    pci_bar(&s->pci, 0, PCI_BAR_MEM32, &s->mmio);
    pci_bar(&s->pci, 1, PCI_BAR_IO, &s->io);
    timer_init(&s->mit_timer, mit_expired, s);
    timer_init(&s->link_timer, negotiated, s);
    if (!net_nic_init(&s->nic, &net_ops, &s->conf, dev, dev->desc->name, errp))
        return false;
    runstate_register(run_state_changed, s);
    s->tx_bh = bh_new_fair(tx_go_on, s);
    fill_eeprom(s);
    return true;
}

static void e1000_unrealize(Device *dev)
{
    E1000 *s = E1000(dev);
    timer_stop(&s->mit_timer);
    timer_stop(&s->link_timer);
    runstate_unregister(run_state_changed, s);
    g_clear_pointer(&s->tx_bh, bh_delete);
    net_nic_fini(&s->nic);
}

/* ---- the stream ---- */

static bool pre_save(Device *dev, Error **errp)
{
    E1000 *s = E1000(dev);
    s->mig_ctx = s->mig_large ? s->large_ctx : s->ctx;
    return true;
}

static bool post_load(Device *dev, Error **errp)
{
    E1000 *s = E1000(dev);
    static const unsigned masked[] = {RDH, RDT, TDH, TDT};
    for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
        s->mac[masked[i]] &= 0xffff;
    s->mac[RDLEN] &= 0xfff80;
    s->mac[TDLEN] &= 0xfff80;
    s->mac[ITR] &= 0xffff;
    s->wire.old_eecd &= EECD_KEPT;
    e1000_rctl_changed(s);
    if (!s->migrate_tso)
        s->large_ctx = s->mig_ctx;
    s->ctx = s->mig_ctx;
    s->tx.large = s->tx.vlan = s->tx_stopped = false;
    /* A ring that was saved half sent is sent to its end. */
    bh_cancel(s->tx_bh);
    s->tx_paused = s->mac[TCTL] & TCTL_EN && s->mac[TDH] != s->mac[TDT];
    s->nic.link_down = !(s->mac[STATUS] & STATUS_LU);
    timer_stop(&s->mit_timer);
    timer_stop(&s->link_timer);
    s->tx_left = MAX(s->mac[TDLEN] / DESC, 1);
    /* An interrupt that ITR holds back comes now. */
    if (s->mac[ICR] & s->mac[IMS] && !s->irq_level && s->mac[ITR])
        timer_arm_ns(&s->mit_timer, (int64_t)s->mac[ITR] * ITR_UNIT_NS);
    /* One that negotiates ends it. */
    if (negotiates(s) && !(s->phy[PHY_STATUS] & PHY_DONE) && s->nic.link_down) {
        s->nic.link_down = false;
        timer_arm_ms(&s->link_timer, ANEG_MS);
    }
    mac_changed(s);
    return true;
}

static bool mit_needed(void *opaque)
{
    return ((E1000 *)opaque)->mitigation;
}

static bool full_needed(void *opaque)
{
    return ((E1000 *)opaque)->extra_registers;
}

static bool tso_needed(void *opaque)
{
    return ((E1000 *)opaque)->migrate_tso;
}

#define MAC(reg) VM_U32(E1000, mac[reg])
#define MAC_ARRAY(reg, n)                                                                                              \
    {                                                                                                                  \
        .name = "mac_reg", .kind = VM_INT, .offset = offsetof(E1000, mac[reg]), .size = 4, .num = (n)                  \
    }

static const VmState mit_vmstate = {
    .name = "e1000/mit_state",
    .version = 1,
    .min_version = 1,
    .needed = mit_needed,
    .fields = (const VmField[]){MAC(RDTR), MAC(RADV), MAC(TADV), MAC(ITR), VM_BOOL(E1000, irq_level), {}},
};
static const VmState full_vmstate = {
    .name = "e1000/full_mac_state",
    .version = 1,
    .min_version = 1,
    .needed = full_needed,
    .fields = (const VmField[]){MAC_ARRAY(0, REGS), {}},
};
static const VmState tso_vmstate = {
    .name = "e1000/tx_tso_state",
    .version = 1,
    .min_version = 1,
    .needed = tso_needed,
    .fields = (const VmField[]){VM_U8(E1000, large_ctx.ipcss),
                                VM_U8(E1000, large_ctx.ipcso),
                                VM_U16(E1000, large_ctx.ipcse),
                                VM_U8(E1000, large_ctx.tucss),
                                VM_U8(E1000, large_ctx.tucso),
                                VM_U16(E1000, large_ctx.tucse),
                                VM_U32(E1000, large_ctx.paylen),
                                VM_U8(E1000, large_ctx.hdr_len),
                                VM_U16(E1000, large_ctx.mss),
                                VM_U8(E1000, large_ctx.ip),
                                VM_U8(E1000, large_ctx.tcp),
                                {}},
};

static const VmState e1000_vmstate = {
    .name = "e1000",
    .version = 2,
    .min_version = 1,
    .pre_save = pre_save,
    .post_load = post_load,
    .fields =
        (const VmField[]){
            VM_SKIP(4),
            VM_U32(E1000, rx_buf_size),
            VM_U32(E1000, rx_min_shift),
            VM_U32(E1000, wire.val_in),
            VM_U16(E1000, wire.bitnum_in),
            VM_U16(E1000, wire.bitnum_out),
            VM_U16(E1000, wire.reading),
            VM_U32(E1000, wire.old_eecd),
            VM_U8(E1000, mig_ctx.ipcss),
            VM_U8(E1000, mig_ctx.ipcso),
            VM_U16(E1000, mig_ctx.ipcse),
            VM_U8(E1000, mig_ctx.tucss),
            VM_U8(E1000, mig_ctx.tucso),
            VM_U16(E1000, mig_ctx.tucse),
            VM_U32(E1000, mig_ctx.paylen),
            VM_U8(E1000, mig_ctx.hdr_len),
            VM_U16(E1000, mig_ctx.mss),
            VM_U16(E1000, tx.size),
            VM_U16(E1000, tx.frames),
            VM_U8(E1000, tx.sum),
            VM_U8(E1000, mig_ctx.ip),
            VM_U8(E1000, mig_ctx.tcp),
            VM_BUFFER(E1000, tx.header),
            VM_BUFFER(E1000, tx.data),
            VM_INT_ARRAY(E1000, eeprom),
            VM_INT_ARRAY(E1000, phy),
            MAC(CTRL),
            MAC(EECD),
            MAC(EERD),
            MAC(GPRC),
            MAC(GPTC),
            MAC(ICR),
            MAC(ICS),
            MAC(IMC),
            MAC(IMS),
            MAC(LEDCTL),
            MAC(MANC),
            MAC(MDIC),
            MAC(MPC),
            MAC(PBA),
            MAC(RCTL),
            MAC(RDBAH),
            MAC(RDBAL),
            MAC(RDH),
            MAC(RDLEN),
            MAC(RDT),
            MAC(STATUS),
            MAC(SWSM),
            MAC(TCTL),
            MAC(TDBAH),
            MAC(TDBAL),
            MAC(TDH),
            MAC(TDLEN),
            MAC(TDT),
            MAC(TORH),
            MAC(TORL),
            MAC(TOTH),
            MAC(TOTL),
            MAC(TPR),
            MAC(TPT),
            MAC(TXDCTL),
            MAC(WUFC),
            MAC(VET),
            MAC_ARRAY(RA, 32),
            MAC_ARRAY(MTA, 128),
            MAC_ARRAY(VFTA, 128),
            {},
        },
    .subsections = (const VmState *const[]){&mit_vmstate, &full_vmstate, &tso_vmstate, NULL},
};

static const Prop e1000_props[] = {
    NET_CONF_PROPS(E1000, conf),
    PROP_BOOTINDEX,
    PROP_BOOL("autonegotiation", E1000, autonegotiation, true, "a restarted negotiation takes its time"),
    PROP_BOOL("mitigation", E1000, mitigation, true, "ITR throttles interrupts"),
    PROP_BOOL("extra_mac_registers", E1000, extra_registers, true, "migrate all registers"),
    PROP_BOOL("migrate_tso_props", E1000, migrate_tso, true, "migrate both transmit contexts"),
    PROP_BOOL("init-vet", E1000, init_vet, true, "VET is 8100h after a reset"),
    {},
};

#define E1000_DESC(sym, name_, device_, ...)                                                                           \
    const DeviceDesc sym = {.name = name_,                                                                             \
                            .summary = "Intel Gigabit Ethernet",                                                       \
                            .parent = "e1000-base",                                                                    \
                            .bus = BUS_PCI,                                                                            \
                            .category = DEV_NETWORK,                                                                   \
                            .flags = DEV_HOTPLUG,                                                                      \
                            .size = sizeof(E1000),                                                                     \
                            .props = e1000_props,                                                                      \
                            .vmstate = &e1000_vmstate,                                                                 \
                            .realize = e1000_realize,                                                                  \
                            .unrealize = e1000_unrealize,                                                              \
                            .reset = e1000_reset,                                                                      \
                            .pci = &(const PciInfo){.vendor = 0x8086,                                                  \
                                                    .device = device_,                                                 \
                                                    .revision = 3,                                                     \
                                                    .class_id = 0x0200,                                                \
                                                    .intx_pin = 1,                                                     \
                                                    .romfile = "efi-e1000.rom",                                        \
                                                    .fw_unit = "ethernet-phy@0"},                                      \
                            __VA_ARGS__}

E1000_DESC(e1000, "e1000", 0x100e, .alias = "e1000-82540em");
E1000_DESC(e1000_82544gc, "e1000-82544gc", 0x100c);
E1000_DESC(e1000_82545em, "e1000-82545em", 0x100f);
