/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000 from the inside: registers, EEPROM, PHY, interrupts (e1000.c) and the rings (e1000-ring.c). */
#ifndef HW_NET_E1000_H
#define HW_NET_E1000_H

#include "hw/pci/pci.h"
#include "net/net.h"
#include "softmmu/mainloop.h"

/* Registers, by their offset in BAR 0 / 4 (Intel 8254x manual, 317453, section 13). */
#define R(off) ((off) / 4)
enum {
    CTRL = R(0x0000),
    STATUS = R(0x0008),
    EECD = R(0x0010),
    EERD = R(0x0014),
    MDIC = R(0x0020),
    VET = R(0x0038),
    ICR = R(0x00c0),
    ITR = R(0x00c4),
    ICS = R(0x00c8),
    IMS = R(0x00d0),
    IMC = R(0x00d8),
    RCTL = R(0x0100),
    TCTL = R(0x0400),
    AIT = R(0x0458),
    LEDCTL = R(0x0e00),
    PBA = R(0x1000),
    RDBAL = R(0x2800),
    RDBAH = R(0x2804),
    RDLEN = R(0x2808),
    RDH = R(0x2810),
    RDT = R(0x2818),
    RDTR = R(0x2820),
    RADV = R(0x282c),
    TDBAL = R(0x3800),
    TDBAH = R(0x3804),
    TDLEN = R(0x3808),
    TDH = R(0x3810),
    TDT = R(0x3818),
    TXDCTL = R(0x3828),
    TADV = R(0x382c),
    STATS = R(0x4000),
    MPC = R(0x4010),
    FCRUC = R(0x4058),
    PRC64 = R(0x405c),
    GPRC = R(0x4074),
    BPRC = R(0x4078),
    MPRC = R(0x407c),
    GPTC = R(0x4080),
    GORCL = R(0x4088),
    GORCH = R(0x408c),
    GOTCL = R(0x4090),
    GOTCH = R(0x4094),
    RNBC = R(0x40a0),
    ROC = R(0x40ac),
    TORL = R(0x40c0),
    TORH = R(0x40c4),
    TOTL = R(0x40c8),
    TOTH = R(0x40cc),
    TPR = R(0x40d0),
    TPT = R(0x40d4),
    PTC64 = R(0x40d8),
    MPTC = R(0x40f0),
    BPTC = R(0x40f4),
    STATS_END = R(0x4100),
    RXCSUM = R(0x5000),
    MTA = R(0x5200),
    RA = R(0x5400),
    VFTA = R(0x5600),
    WUC = R(0x5800),
    WUFC = R(0x5808),
    MANC = R(0x5820),
    SWSM = R(0x5b50),
    REGS = R(0x20000),
};
#undef R

#define CTRL_SLU   0x40U
#define CTRL_RST   0x04000000U
#define CTRL_VME   0x40000000U
#define STATUS_LU  2U
#define RCTL_EN    2U
#define RCTL_SBP   4U
#define RCTL_UPE   8U
#define RCTL_MPE   0x10U
#define RCTL_LPE   0x20U
#define RCTL_LBM   0xc0U
#define RCTL_BAM   0x8000U
#define RCTL_BSEX  0x02000000U
#define RCTL_VFE   0x40000U
#define RCTL_SECRC 0x04000000U
#define TCTL_EN    2U
enum { INT_TXDW = 1, INT_TXQE = 2, INT_LSC = 4, INT_RXDMT0 = 0x10, INT_RXO = 0x40, INT_RXT0 = 0x80, INT_MDAC = 0x200 };
enum {
    PHY_CTRL = 0,
    PHY_STATUS = 1,
    PHY_ID1 = 2,
    PHY_ID2 = 3,
    PHY_ADV = 4,
    PHY_PARTNER = 5,
    PHY_GCTRL = 9,
    PHY_SPEC = 16,
    PHY_EXT = 20,
    PHY_REGS = 32
};
enum { PHY_LOOPBACK = 0x4000, PHY_ANEG = 0x1000, PHY_RESTART = 0x200, PHY_LINK = 4, PHY_DONE = 0x20, PHY_ACK = 0x4000 };
enum { EEPROM_WORDS = 64, TX_DATA = 65536, TX_HEADER = 256, CRC = 4, DESC = 16 };

/* What a context descriptor says (section 3.3.6), for the packets that follow. */
typedef struct TxContext {
    uint8_t ipcss, ipcso, tucss, tucso, hdr_len;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
    uint8_t ip, tcp;
} TxContext;

typedef struct E1000 {
    PciDevice pci;
    /* config */
    NetConf conf;
    bool autonegotiation, mitigation, extra_registers, migrate_tso, init_vet;
    /* wiring */
    NetClient nic;
    IoRegion mmio, io;
    bool tx_stopped, tx_running; /* the back end takes nothing; start_tx() runs */
    bool tx_paused;              /* goes on when the VM runs */
    BottomHalf *tx_bh;           /* more than a burst: goes on there */
    uint32_t tx_burst;           /* since start_tx() began: frames, more for a long one, segments made here */
    uint32_t tx_left;            /* descriptors until the ring was gone round since the driver's last word */
    /* state */
    uint32_t mac[REGS];
    uint16_t phy[PHY_REGS], eeprom[EEPROM_WORDS];
    uint32_t rx_buf_size, rx_min_shift;
    struct {
        uint32_t val_in;
        uint16_t bitnum_in, bitnum_out, reading;
        uint32_t old_eecd;
    } wire; /* the EEPROM's, by EECD */
    struct {
        uint8_t header[TX_HEADER], data[TX_DATA];
        uint16_t size;   /* of data */
        uint16_t frames; /* of a large segment that went already */
        uint8_t sum;     /* 1 IP, 2 TCP or UDP: checksums to insert */
        bool large, vlan;
        uint16_t tag;
    } tx;
    TxContext ctx, large_ctx, mig_ctx;
    bool mig_large; /* mig_ctx is large_ctx */
    bool irq_level;
    Timer mit_timer, link_timer;
} E1000;
#define E1000(d) container_of(d, E1000, pci.dev)

void e1000_cause(E1000 *s, uint32_t causes); /* bits into ICR */
void e1000_start_tx(E1000 *s);
bool e1000_receive(NetClient *nc, const NetPacket *p);
bool e1000_can_receive(NetClient *nc);
void e1000_rctl_changed(E1000 *s); /* what follows from RCTL */

#endif
