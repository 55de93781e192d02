/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x2APIC mode (SDM volume 3, 11.12): how it is entered and left, which registers are there, reserved bits, IPIs. */
#include "lib/apic.h"

static const struct code *write, *read;

static bool wr(uint32_t n, uint64_t v)
{
    in.cx = n;
    in.ax = (uint32_t)v;
    in.dx = v >> 32;
    in.ip = (word)write->start;
    run_case();
    return ev.vector == V_UD;
}

static void mode(const char *s, unsigned bits)
{
    bool ok = wr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & ~(uint64_t)(BASE_EN | BASE_X2)) | bits);

    name(s);
    if (!ok) {
        print(" ");
        print_vector(ev.vector);
    }
    field("base", rdmsr(MSR_APIC_BASE));
    end();
}

/* All of the MSRs 800h to 8ffh: which can be read, which refuse 0 for writing. */
static void which(const char *s, bool writing)
{
    name(s);
    for (uint32_t n = 0x800; n < 0x900; n++) {
        if (n == 0x80b || n == 0x830 || n == 0x83f) /* those that do something */
            if (writing)
                continue;
        in.cx = n;
        in.ax = in.dx = 0;
        if (writing && n >= 0x832 && n <= 0x837)
            in.ax = 0x10000;
        in.ip = (word)(writing ? write : read)->start;
        run_case();
        if (ev.vector == V_UD) {
            print(" ");
            print_hex(n);
        } else if (ev.vector != V_GP) {
            fail("another exception");
        }
    }
    end();
}

/* Bits that WRMSR refuses on top of v. */
static void reserved(const char *s, uint32_t n, uint64_t v)
{
    uint64_t refused = 0;

    for (unsigned i = 0; i < 64; i++)
        if (!wr(n, v ^ 1ULL << i))
            refused |= 1ULL << i;
    say(s, refused);
    n_took = 0;
}

static void send(const char *s, uint64_t v)
{
    wrmsr(0x830, v);
    window();
    came(s);
}

int main(void)
{
    if (!HAS_X2APIC) {
        note("no x2APIC");
        return 0;
    }
    write = C64("wrmsr");
    read = C64("rdmsr");
    fresh();
    hidden = 0xffff;
    take_interrupts();
    apic_set(APIC_SVR, 0x1ff);
    apic_set(APIC_TPR, 0x20);
    apic_set(APIC_LINT1, 0x400);
    which("read in xAPIC mode", false);
    mode("x2APIC without EN", BASE_X2);
    mode("off", 0);
    mode("x2APIC from off", BASE_EN | BASE_X2);
    mode("x2APIC without EN from off", BASE_X2);
    mode("xAPIC", BASE_EN);
    apic_set(APIC_SVR, 0x1ff);
    apic_set(APIC_TPR, 0x20);
    apic_set(APIC_LINT1, 0x400);
    mode("x2APIC", BASE_EN | BASE_X2);
    x2 = true;
    say("SVR stays", rdmsr(0x80f));
    say("TPR stays", rdmsr(0x808));
    say("LINT1 stays", rdmsr(0x836));
    mode("xAPIC from x2APIC", BASE_EN);
    mode("x2APIC without EN from x2APIC", BASE_X2);
    mode("x2APIC again", BASE_EN | BASE_X2);
    say("CPUID.1:EDX.APIC", has(1, 3, 9));
    say("ID", rdmsr(0x802));
    say("LDR", rdmsr(0x80d));
    say("DFR is not there", wr(0x80e, 0));
    which("read", false);
    which("written", true);
    in.ax = 0;
    in.dx = 0;
    in.cx = 0x80b;
    try("EOI, read", C64("rdmsr"));
    in.cx = 0x83f;
    try("self IPI, read", C64("rdmsr"));
    reserved("reserved in TPR", 0x808, 0);
    wrmsr(0x808, 0);
    reserved("reserved in EOI", 0x80b, 0);
    reserved("reserved in ESR", 0x828, 0);
    uint64_t version = rdmsr(0x803), refused;
    name("reserved in SVR");
    refused = 0;
    for (unsigned i = 0; i < 64; i++)
        if (i != 9 && i != 12 && !wr(0x80f, 0x1ffULL ^ 1ULL << i))
            refused |= 1ULL << i;
    field("is", refused);
    field("bit 12 as the version says", wr(0x80f, 0x11ff) == (version >> 24 & 1));
    end();
    wrmsr(0x80f, 0x1ff);
    wrmsr(0x80f, 0x1ff);
    reserved("reserved in LVT timer, modes 0 and 1", 0x832, 0x10051);
    in.cx = 0x832;
    wrmsr(0x832, 0x10051);
    reserved("reserved in LVT thermal", 0x833, 0x10051);
    reserved("reserved in LVT performance", 0x834, 0x10051);
    reserved("reserved in LVT LINT0", 0x835, 0x10051);
    reserved("reserved in LVT LINT1", 0x836, 0x10051);
    reserved("reserved in LVT error", 0x837, 0x10051);
    for (unsigned n = 0x832; n <= 0x837; n++)
        wrmsr(n, 0x10000);
    reserved("reserved in the initial count", 0x838, 0);
    wrmsr(0x838, 0);
    reserved("reserved in the divider", 0x83e, 0);
    name("reserved in ICR");
    refused = 0;
    for (unsigned i = 0; i < 64; i++)
        if (i != 12 && !wr(0x830, 0x7700000000004051 ^ 1ULL << i)) /* bit 12 is not there, or is read only */
            refused |= 1ULL << i;
    field("is", refused);
    end();
    reserved("reserved in self IPI", 0x83f, 0xf1);
    window();
    n_took = 0;
    /* IPIs. */
    send("self", 0x40051);
    send("all with self", 0x80052);
    send("all but self", 0xc0053);
    send("physical 0", 0x54);
    send("physical 1", 0x100000055);
    send("physical ffffffffh", 0xffffffff00000056);
    send("physical ffh", 0xff00000057);
    send("logical 1", 0x100000861);
    send("logical 2", 0x200000862);
    send("logical, cluster 1", 0x1000100000863);
    send("logical ffffffffh", 0xffffffff00000864);
    say("ICR reads back", rdmsr(0x830));
    wrmsr(0x83f, 0x71);
    wrmsr(0x83f, 0x72);
    say("self IPI, requested", rdmsr(0x823) >> 0x11);
    window();
    came("self IPI");
    wrmsr(0x808, 0x70);
    wrmsr(0x83f, 0x71);
    say("CR8 and the TPR", ({
            word v;
            __asm__ volatile("mov %%cr8, %0" : "=r"(v));
            v;
        }));
    window();
    came("held back by the TPR");
    __asm__ volatile("mov %0, %%cr8" : : "r"(6UL));
    say("TPR by CR8", rdmsr(0x808));
    window();
    came("released");
    say("PPR", rdmsr(0x80a));
    wrmsr(0x808, 0);
    wrmsr(0x828, 0);
    wrmsr(0x828, 0);
    wr(0x83f, 5);
    wrmsr(0x828, 0);
    say("self IPI of vector 5, illegal vector", (rdmsr(0x828) & 0x60) != 0);
    /* The timer. */
    wrmsr(0x83e, 0xb);
    wrmsr(0x832, 0x81);
    wrmsr(0x838, 1000);
    wait_for(1);
    came("timer");
    wrmsr(0x832, 0x10000);
    /* Out. */
    mode("off again", 0);
    say("off, CPUID.1:EDX.APIC", has(1, 3, 9));
    which("read when off", false);
    mode("xAPIC at last", BASE_EN);
    x2 = false;
    say("xAPIC, SVR", apic_get(APIC_SVR));
    say("xAPIC, LDR", apic_get(APIC_LDR));
    return 0;
}
