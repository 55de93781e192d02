/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The DSDT of a PC with PCI hot plug by ACPI: what it says is what QEMU's says, object by object, so that a guest (and
 * what it was suspended with) finds the same names. Text for the assembler of hw/acpi/aml.h.
 *
 * Ports: AE00h PCI hot plug (QEMU's docs/specs/acpi_pci_hotplug.rst), AF00h CPUs (acpi_cpu_hotplug.rst), AFE0h general
 * purpose events, 402h debug console.
 */
#include "hw/acpi/aml.h"
#include "hw/i386/acpi-build.h"

extern const DeviceDesc secondary_vga;
enum { PCI_SLOTS = 32, CPU_BUSY_LIST = 255 };
#define IOAPIC_END 0xfebfffffu /* the last byte below the I/O APIC */
#define HOLE64     (2 * GIB)

static const char debug_port[] =
    "(scope \\ (region DBG 1 0x402 1) (field DBG 1 (DBGB 8))"
    " (method DBUG 1 (to-hex arg0 local0) (to-buffer local0 local0) (sub (sizeof local0) 1 local1) (store 0 local2)"
    "  (while (lt local2 local1) (store (deref (index local0 local2)) DBGB) (inc local2)) (store 10 DBGB)))";

static const char root_bridge[] = "(scope _SB (device PCI0 (name _HID (eisa PNP0A03)) (name _ADR 0) (name _UID 0)))";

/* PCEJ(bus, slot): eject; AIDX(bus, slot): the device's acpi-index; PDSM: the body of a slot's _DSM (PCI Firmware
 * Specification 3.1, 4.6.7). */
static const char pci_hotplug[] =
    "(scope _SB.PCI0 (region PCST 1 0xae00 8) (field PCST 0x43 (PCIU 32) (PCID 32))"
    " (region SEJ 1 0xae08 4) (field SEJ 0x43 (B0EJ 32))"
    " (region BNMR 1 0xae10 8) (field BNMR 0x43 (BNUM 32) (PIDX 32))"
    " (mutex BLCK 0)"
    " (method PCEJ 2 (acquire BLCK 0xffff) (store arg0 BNUM) (store (shl 1 arg1) B0EJ) (release BLCK) (return 0))"
    " (method AIDX 2 (acquire BLCK 0xffff) (store arg0 BNUM) (store (shl 1 arg1) PIDX) (store PIDX local0)"
    "  (release BLCK) (return local0))"
    " (method PDSM 13"
    "  (if (eq arg2 0)"
    "   (store (buffer 0) local0) (store 0 local1)"
    "   (if (ne arg0 (uuid e5c937d0-3553-4d7a-9117-ea4d19c3434d)) (return local0))"
    "   (if (lt arg1 2) (return local0))"
    "   (store (call AIDX (deref (index arg4 0)) (deref (index arg4 1))) local2)"
    "   (if (not (or (eq local2 0) (eq local2 0xffffffff))) (or local1 1 local1) (or local1 (shl 1 7) local1))"
    "   (store local1 (index local0 0)) (return local0))"
    "  (if (eq arg2 7)"
    "   (store (call AIDX (deref (index arg4 0)) (deref (index arg4 1))) local2)"
    "   (store (package 2) local0)"
    "   (if (not (lor (eq local2 0) (eq local2 0xffffffff)))"
    "    (store local2 (index local0 0)) (store \"\" (index local0 1)))"
    "   (return local0))))";

/* A pin's line: (pin number + slot) % 4; the power management function's is the SCI's. */
static void routing(GString *s)
{
    g_string_append(s,
                    "(scope _SB (scope PCI0 (method _PRT 0"
                    " (store (package 128) local0) (store 0 local1)"
                    " (while (lt local1 128) (store (shr local1 2) local2) (store (and (add local1 local2) 3) local3)"
                    "  (if (eq local3 0) (store (package 4 0 0 LNKD 0) local4))"
                    "  (if (eq local3 1) (if (eq local1 4) (store (package 4 0 0 LNKS 0) local4))"
                    "   (else (store (package 4 0 0 LNKA 0) local4)))"
                    "  (if (eq local3 2) (store (package 4 0 0 LNKB 0) local4))"
                    "  (if (eq local3 3) (store (package 4 0 0 LNKC 0) local4))"
                    "  (store (or (shl local2 16) 0xffff) (index local4 0)) (store (and local1 3) (index local4 1))"
                    "  (store local4 (index local0 local1)) (inc local1))"
                    " (return local0)))"
                    " (method IQST 1 (if (and 0x80 arg0) (return 9)) (return 11))"
                    " (method IQCR 9 (name PRR0 (resources (interrupt 9 1 0))) (dword-field PRR0 5 PRRI)"
                    "  (if (lt arg0 0x80) (store arg0 PRRI)) (return PRR0))");
    for (unsigned i = 0; i < 4; i++)
        g_string_append_printf(s,
                               "(device LNK%c (name _HID (eisa PNP0C0F)) (name _UID %u)"
                               " (name _PRS (resources (interrupt 9 3 5 10 11)))"
                               " (method _STA 0 (return (call IQST PRQ%u)))"
                               " (method _DIS 0 (or PRQ%u 0x80 PRQ%u))"
                               " (method _CRS 0 (return (call IQCR PRQ%u)))"
                               " (method _SRS 1 (dword-field arg0 5 PRRI) (store PRRI PRQ%u)))",
                               'A' + i, i, i, i, i, i, i);
    g_string_append(s, "(device LNKS (name _HID (eisa PNP0C0F)) (name _UID 4) (name _PRS (resources (interrupt 9 1 9)))"
                       " (method _STA 0 (return 11)) (method _DIS 0)"
                       " (method _CRS 0 (return _PRS)) (method _SRS 1)))");
}

static const char hpet[] = "(scope _SB (device HPET (name _HID (eisa PNP0103)) (name _UID 0)"
                           " (region HPTM 0 0xfed00000 0x400) (field HPTM 0x13 (VEND 32) (PRD 32))"
                           " (method _STA 0 (store VEND local0) (store PRD local1) (shr local0 16 local0)"
                           "  (if (lor (eq local0 0) (eq local0 0xffff)) (return 0))"
                           "  (if (lor (eq local1 0) (gt local1 100000000)) (return 0))"
                           "  (return 15))"
                           " (name _CRS (resources (mem32 0 0xfed00000 0x400)))))";

static const char gpe_scope[] = "(scope _GPE (name _HID \"ACPI0006\"))";

/* Registers at AF00h: CSEL selects a CPU, CPEN to CEJF are its flags, CCMD and CDAT commands and their data. */
static const char cpu_registers[] =
    "(device \\_SB.PCI0.PRES (name _HID (eisa PNP0A06)) (name _UID \"CPU Hotplug resources\") (mutex CPLK 0)"
    " (name _CRS (resources (io 1 0xaf00 0xaf00 1 12)))"
    " (region PRST 1 0xaf00 12)"
    " (field PRST 0x41 (offset 4) (CPEN 1) (CINS 1) (CRMV 1) (CEJ0 1) (CEJF 1) (offset 5) (CCMD 8))"
    " (field PRST 3 (CSEL 32) (offset 8) (CDAT 32))"
    " (method _INI 8 (store 0 CSEL)))";

#define PRES "\\_SB.PCI0.PRES."

static void cpu_methods(GString *s, unsigned cpus)
{
    g_string_append(s, "(name _HID \"ACPI0010\") (name _CID (eisa PNP0A05)) (method CTFY 2 ");
    for (unsigned i = 0; i < cpus; i++)
        g_string_append_printf(s, "(if (eq arg0 %u) (notify C%03X arg1))", i, i);
    g_string_append_printf(
        s,
        ")"
        "(method CSTA 9 (acquire " PRES "CPLK 0xffff) (store arg0 " PRES "CSEL) (store 0 local0)"
        " (if (eq " PRES "CPEN 1) (store 15 local0)) (release " PRES "CPLK) (return local0))"
        "(method CEJ0 9 (acquire " PRES "CPLK 0xffff) (store arg0 " PRES "CSEL) (store 1 " PRES "CEJ0)"
        " (release " PRES "CPLK))"
        "(method CSCN 8 (acquire " PRES "CPLK 0xffff) (name CNEW (package %u)) (store 0 local3) (store 1 local4)"
        " (while (eq local4 1) (store 0 local4) (store 1 local0) (store 0 local1)"
        "  (while (land (eq local0 1) (lt local3 %u))"
        "   (store 0 local0) (store local3 " PRES "CSEL) (store 0 " PRES "CCMD)"
        "   (if (lt " PRES "CDAT local3) (break))"
        "   (if (eq local1 %u) (store 1 local4) (break))"
        "   (store " PRES "CDAT local3)"
        "   (if (eq " PRES "CINS 1) (store local3 (index CNEW local1)) (inc local1) (store 1 local0))"
        "   (else (if (eq " PRES "CRMV 1) (call CTFY local3 3) (store 1 " PRES "CRMV) (store 1 local0)))"
        "   (inc local3))"
        "  (store 0 local2)"
        "  (while (lt local2 local1) (store (deref (index CNEW local2)) local3) (call CTFY local3 1)"
        "   (store local3 debug) (store local3 " PRES "CSEL) (store 1 " PRES "CINS) (inc local2)))"
        " (release " PRES "CPLK))"
        "(method COST 12 (acquire " PRES "CPLK 0xffff) (store arg0 " PRES "CSEL) (store 1 " PRES "CCMD)"
        " (store arg1 " PRES "CDAT) (store 2 " PRES "CCMD) (store arg2 " PRES "CDAT) (release " PRES "CPLK))",
        CPU_BUSY_LIST, cpus, CPU_BUSY_LIST);
}

static void cpus(GString *s, PcMachine *pc)
{
    unsigned n = pc->m.smp.max_cpus;
    g_string_append(s, "(scope _SB ");
    g_string_append(s, cpu_registers);
    g_string_append(s, "(device \\_SB.CPUS ");
    cpu_methods(s, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned apic = pc_apic_id(&pc->m.smp, i);
        g_string_append_printf(s,
                               "(processor C%03X %u 0 0 (method _STA 8 (return (call CSTA %u)))"
                               " (name _MAT (buffer 0 8 %u %u 1 0 0 0))",
                               i, i, i, i, apic);
        if (i)
            g_string_append_printf(s, "(method _EJ0 1 (call CEJ0 %u))", i);
        g_string_append_printf(s, "(method _OST 11 (call COST %u arg0 arg1 arg2)))", i);
    }
    g_string_append(s, "))(method \\_GPE._E02 0 (call \\_SB.CPUS.CSCN))");
}

/* Where 64-bit BARs may lie: behind RAM, or around those that the firmware has placed already. */
static void hole64(PcMachine *pc, uint64_t *from, uint64_t *to)
{
    uint64_t start = (4 * GIB + pc->above_4g + GIB - 1) & ~(GIB - 1), last = start + HOLE64 - 1;
    for (unsigned i = 0; i < 256; i++) {
        PciDevice *d = pc->pci->devices[i];
        for (unsigned b = 0; d && b < 6; b++)
            if (d->bars[b].region && d->bars[b].addr != UINT64_MAX && d->bars[b].addr >= 4 * GIB) {
                start = MIN(start, d->bars[b].addr);
                last = MAX(last, d->bars[b].addr + d->bars[b].size - 1);
            }
    }
    *from = start;
    *to = last;
}

static void root_resources(GString *s, PcMachine *pc)
{
    uint64_t from, to;
    hole64(pc, &from, &to);
    g_string_append_printf(
        s,
        "(scope \\_SB.PCI0 (name _CRS (resources (word-space 2 12 0 0 0 255 0 256) (io 1 0xcf8 0xcf8 1 8)"
        " (word-space 1 12 3 0 0 0xcf7 0 0xcf8) (word-space 1 12 3 0 0xd00 0xffff 0 0xf300)"
        " (dword-space 0 12 3 0 0xa0000 0xbffff 0 0x20000) (dword-space 0 12 1 0 %" PRIu64 " %u 0 %" PRIu64 ")"
        " (qword-space 0 12 3 0 %" PRIu64 " %" PRIu64 " 0 %" PRIu64 ")))"
        " (device GPE0 (name _HID \"PNP0A06\") (name _UID \"GPE0 resources\") (name _STA 11)"
        "  (name _CRS (resources (io 1 0xafe0 0xafe0 1 4))))",
        pc->below_4g, IOAPIC_END, IOAPIC_END - pc->below_4g + 1, from, to, to - from + 1);
    if (pc_has_pci_hotplug(pc))
        g_string_append(s, "(device PHPR (name _HID \"PNP0A06\") (name _UID \"PCI Hotplug resources\") (name _STA 11)"
                           " (name _CRS (resources (io 1 0xae00 0xae00 1 24))))");
    g_string_append(s, ")");
}

static void sleep_states(GString *s, PcMachine *pc)
{
    g_string_append(s, "(scope \\ ");
    if (!pc_pm_property(pc, "disable_s3"))
        g_string_append(s, "(name _S3 (package 4 1 1 0 0))");
    if (!pc_pm_property(pc, "disable_s4")) {
        unsigned v = pc_pm_property(pc, "s4_val");
        g_string_append_printf(s, "(name _S4 (package 4 %u %u 0 0))", v, v);
    }
    g_string_append(s, "(name _S5 (package 4 0 0 0 0)))"
                       "(scope \\_SB.PCI0 (device FWCF (name _HID \"QEMU0002\") (name _STA 11)"
                       " (name _CRS (resources (io 1 0x510 0x510 1 12)))))");
}

/* What sits on the ISA bus, the last one first, as its device says. */
static void isa_devices(GString *s)
{
    g_string_append(s, "(region P40C 2 0x60 4)"
                       "(scope \\_SB (field PCI0.S08.P40C 1 (PRQ0 8) (PRQ1 8) (PRQ2 8) (PRQ3 8)))");
    GPtrArray *children = isa_bus->bus.children;
    for (guint i = children->len; i-- > 0;) {
        Device *d = children->pdata[i];
        if (d->desc->asl)
            d->desc->asl(d, s);
    }
}

static void slot_dsm(GString *s, unsigned slot)
{
    g_string_append_printf(s,
                           "(name ASUN %u) (method _DSM 12 (store (package 2 BSEL ASUN) local0)"
                           " (return (call PDSM arg0 arg1 arg2 arg3 local0)))",
                           slot);
}

static bool hotpluggable(const PciDevice *d)
{
    return !d || ((d->dev.desc->flags & DEV_HOTPLUG) && !d->dev.desc->pci->is_bridge);
}

/* A slot is there for a device that came with the board, and, where the guest is told of hot plug, for one to come. */
static void slot_device(GString *s, PcMachine *pc, unsigned slot)
{
    PciDevice *d = pc->pci->devices[PCI_DEVFN(slot, 0)];
    bool hotplug = pc_has_pci_hotplug(pc);
    if (!d && !hotplug)
        return;
    g_string_append_printf(s, "(device S%02X (name _ADR 0x%x)", PCI_DEVFN(slot, 0), slot << 16);
    if (hotplug)
        slot_dsm(s, slot);
    if (d && (d->dev.desc->pci->class_id == 0x0300 || d->dev.desc == &secondary_vga)) /* keep state asleep */
        g_string_append(s, "(method _S1D 0 (return 0)) (method _S2D 0 (return 0)) (method _S3D 0 (return 0))");
    if (hotplug && hotpluggable(d)) {
        g_string_append_printf(s, "(name _SUN %u) (method _EJ0 1 (call PCEJ BSEL _SUN))", slot);
    } else if (d && d->dev.desc->pci->class_id == 0x0601) {
        isa_devices(s);
    }
    g_string_append(s, ")");
}

static void slots(GString *s, PcMachine *pc)
{
    bool hotplug = pc_has_pci_hotplug(pc);
    g_string_append_printf(s, "(scope \\_SB (scope PCI0 %s", hotplug ? "(name BSEL 0)" : "");
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
        slot_device(s, pc, slot);
    if (hotplug) {
        g_string_append(s, "(method DVNT 2 ");
        for (unsigned slot = 0; slot < PCI_SLOTS; slot++)
            if (hotpluggable(pc->pci->devices[PCI_DEVFN(slot, 0)]))
                g_string_append_printf(s, "(if (and arg0 0x%x) (notify S%02X arg1))", BIT32(slot), PCI_DEVFN(slot, 0));
        g_string_append(s, ")(method PCNT 0 (store 0 BNUM) (call DVNT PCIU 1) (call DVNT PCID 3))");
    }
    g_string_append(s, "))");
    if (hotplug)
        g_string_append(s, "(scope _GPE (method _E01 0 (acquire \\_SB.PCI0.BLCK 0xffff) (call \\_SB.PCI0.PCNT)"
                           " (release \\_SB.PCI0.BLCK)))");
}

void pc_dsdt(GByteArray *out, PcMachine *pc)
{
    g_autoptr(GString) s = g_string_sized_new(32 * KIB);
    g_string_append(s, debug_port);
    g_string_append(s, root_bridge);
    if (pc_has_pci_hotplug(pc))
        g_string_append(s, pci_hotplug);
    routing(s);
    if (pc->hpet_dev)
        g_string_append(s, hpet);
    g_string_append(s, gpe_scope);
    cpus(s, pc);
    root_resources(s, pc);
    sleep_states(s, pc);
    slots(s, pc);
    aml_assemble(out, s->str);
}
