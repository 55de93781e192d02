/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The human monitor's commands on memory, ports and numbers: x, xp, p, i, o, sum, gva2gpa, gpa2hva, mce. */
#include "monitor/hmp.h"

#include "softmmu/memory.h"
#include "softmmu/vcpus.h"
#include "target/i386/decode.h"
#include "target/i386/mce.h"

enum { LINE_BYTES = 16, MAX_DUMP = 1 << 20, MAX_INSNS = 1 << 16 };

static uint64_t arg(const Json *args, const char *name)
{
    uint64_t v = 0;
    json_get_uint(json_get(args, name), &v);
    return v;
}

static uint64_t load(const uint8_t *p, unsigned size)
{
    return size == 1 ? *p : size == 2 ? lduw_le(p) : size == 4 ? ldl_le(p) : ldq_le(p);
}

static void print_char(Hmp *h, uint64_t v)
{
    static const char from[] = "\n\r\t\\'", to[] = "nrt\\'";
    const char *esc = v && v < 0x80 ? strchr(from, (int)v) : NULL;
    if (esc)
        hmp_print(h, "'\\%c'", to[esc - from]);
    else if (v >= 0x20 && v < 0x7f)
        hmp_print(h, "'%c'", (int)v);
    else
        hmp_print(h, "'\\x%02" PRIx64 "'", v);
}

/* One number in columns that fit any number of that size. */
static void print_number(Hmp *h, uint64_t v, char format, unsigned size)
{
    int bits = (int)size * 8, dec = (bits * 10 + 32) / 33;
    switch (format) {
    case 'o':
        hmp_print(h, "%#*" PRIo64, (bits + 2) / 3, v);
        break;
    case 'u':
        hmp_print(h, "%*" PRIu64, dec, v);
        break;
    case 'd':
        hmp_print(h, "%*" PRId64, dec, (int64_t)v); /* what is narrower than 64 bits has no sign, as in QEMU */
        break;
    case 'c':
        print_char(h, v);
        break;
    default:
        hmp_print(h, "0x%0*" PRIx64, bits / 4, v);
        break;
    }
}

typedef struct Dump {
    Hmp *h;
    uint64_t addr, len;
    char format;
    unsigned size, line; /* bytes of a number, of a line */
    bool physical;
} Dump;

static bool dump_read(const Dump *d, X86CPU *c, uint64_t addr, uint8_t *buf, size_t len)
{
    if (d->physical)
        return as_read(&as_memory, addr, buf, len) == MEM_OK;
    return cpu_read_virtual(c, addr, buf, len);
}

static void dump(X86CPU *c, void *opaque)
{
    const Dump *d = opaque;
    if (c)
        cpu_sync_get(c);
    for (uint64_t off = 0; off < d->len; off += d->line) {
        uint8_t buf[LINE_BYTES];
        size_t n = MIN(d->len - off, d->line);
        hmp_print(d->h, "%016" PRIx64 ":", d->addr + off);
        if (!dump_read(d, c, d->addr + off, buf, n)) {
            hmp_print(d->h, " Cannot access memory\n");
            return;
        }
        for (size_t i = 0; i < n; i += d->size) {
            hmp_print(d->h, " ");
            print_number(d->h, load(buf + i, d->size), d->format, d->size);
        }
        hmp_print(d->h, "\n");
    }
}

static unsigned code_size(const X86CPU *c)
{
    enum { DESC_L = 1 << 21, DESC_DB = 1 << 22 };
    uint32_t cs = c->seg[SEG_CS].flags;
    return c->efer & EFER_LMA && cs & DESC_L ? 8 : cs & DESC_DB ? 4 : 2;
}

/* Instructions, as the code segment that the CPU is in has them. */
static void disassemble(X86CPU *c, void *opaque)
{
    const Dump *d = opaque;
    unsigned size = 2;
    bool real = true;
    if (c) {
        cpu_sync_get(c);
        real = !(c->cr0 & CR0_PE) || c->rflags & FLAG_VM;
        size = code_size(c);
    }
    g_autoptr(GString) out = g_string_new(NULL);
    uint64_t addr = d->addr;
    for (uint64_t k = 0; k < d->len; k++) {
        uint8_t bytes[INSN_MAX_LEN];
        unsigned n = 0;
        Insn i;
        while (n < INSN_MAX_LEN && dump_read(d, c, addr + n, bytes + n, 1))
            n++;
        if (!n) {
            g_string_append_printf(out, "0x%08" PRIx64 ": unable to read memory\n", addr);
            break;
        }
        bool ok = insn_decode(&i, bytes, n, size, real, NULL) == DECODE_OK;
        insn_print_line(ok ? &i : NULL, addr, bytes, out);
        addr += ok ? i.len : 1;
    }
    hmp_print(d->h, "%s", out->str);
}

static void dump_command(Hmp *h, const Json *args, bool physical)
{
    X86CPU *c = hmp_cpu(h);
    Dump d = {.h = h,
              .addr = arg(args, "addr"),
              .format = *json_get_str(args, "format"),
              .size = (unsigned)arg(args, "size"),
              .physical = physical};
    uint64_t count = arg(args, "count");
    if (count > MAX_DUMP / d.size) {
        hmp_print(h, "Error: more than %d bytes at once\n", MAX_DUMP);
        return;
    }
    d.len = count * d.size;
    d.line = d.size == 1 ? LINE_BYTES / 2 : LINE_BYTES;
    if (d.format == 'c')
        d.size = 1;
    if (d.format == 'i') {
        d.len = count;
        if (count > MAX_INSNS)
            hmp_print(h, "Error: more than %d instructions at once\n", MAX_INSNS);
        else if (c)
            vcpu_run_on(c, disassemble, &d);
        else if (physical)
            disassemble(NULL, &d);
        else
            hmp_print(h, "Can not dump without CPU\n");
    } else if (physical)
        dump(NULL, &d);
    else if (c)
        vcpu_run_on(c, dump, &d);
    else
        hmp_print(h, "Can not dump without CPU\n");
}

void hmp_x(Hmp *h, const Json *args)
{
    dump_command(h, args, false);
}

void hmp_xp(Hmp *h, const Json *args)
{
    dump_command(h, args, true);
}

void hmp_p(Hmp *h, const Json *args)
{
    uint64_t v = arg(args, "val");
    switch (*json_get_str(args, "format")) {
    case 'o':
        hmp_print(h, "%#" PRIo64, v);
        break;
    case 'u':
        hmp_print(h, "%" PRIu64, v);
        break;
    case 'd':
        hmp_print(h, "%" PRId64, (int64_t)v);
        break;
    case 'c':
        print_char(h, v);
        break;
    default:
        hmp_print(h, "%#" PRIx64, v);
        break;
    }
    hmp_print(h, "\n");
}

static char size_suffix(unsigned size)
{
    return size == 1 ? 'b' : size == 2 ? 'w' : 'l';
}

void hmp_i(Hmp *h, const Json *args)
{
    unsigned size = (unsigned)MIN(arg(args, "size"), 4);
    uint16_t port = (uint16_t)arg(args, "addr");
    if (json_get(args, "index"))
        io_write(port++, (uint8_t)arg(args, "index"), 1);
    hmp_print(h, "port%c[0x%04x] = 0x%0*x\n", size_suffix(size), port, (int)size * 2, io_read(port, size));
}

void hmp_o(Hmp *h, const Json *args)
{
    io_write((uint16_t)arg(args, "addr"), (uint32_t)arg(args, "val"), (unsigned)MIN(arg(args, "size"), 4));
}

/* The 16-bit rotating sum of BSD's sum(1). */
void hmp_sum(Hmp *h, const Json *args)
{
    uint64_t addr = arg(args, "start"), left = arg(args, "size");
    uint8_t buf[4096];
    uint16_t sum = 0;
    if (left > GIB) {
        hmp_print(h, "Error: more than 1 GiB at once\n");
        return;
    }
    while (left) {
        size_t n = MIN(left, sizeof(buf));
        as_read(&as_memory, addr, buf, n);
        for (size_t i = 0; i < n; i++)
            sum = (uint16_t)((sum >> 1 | sum << 15) + buf[i]);
        addr += n;
        left -= n;
    }
    hmp_print(h, "%05d\n", sum);
}

typedef struct Translate {
    uint64_t va, gpa;
    bool ok;
} Translate;

static void translate(X86CPU *c, void *opaque)
{
    Translate *t = opaque;
    cpu_sync_get(c);
    t->ok = cpu_translate(c, t->va, &t->gpa);
}

void hmp_gva2gpa(Hmp *h, const Json *args)
{
    X86CPU *c = hmp_cpu(h);
    Translate t = {.va = arg(args, "addr")};
    if (!c) {
        hmp_print(h, "No cpu\n");
        return;
    }
    vcpu_run_on(c, translate, &t);
    if (t.ok)
        hmp_print(h, "gpa: %#" PRIx64 "\n", t.gpa);
    else
        hmp_print(h, "Unmapped\n");
}

void hmp_gpa2hva(Hmp *h, const Json *args)
{
    uint64_t addr = arg(args, "addr"), len = 1;
    FlatRange r;
    void *host = as_map(&as_memory, addr, &len, false);
    rcu_lock();
    if (host && as_lookup(&as_memory, addr, &r))
        hmp_print(h, "Host virtual address for 0x%" PRIx64 " (%s) is %p\n", addr, r.region->name, host);
    else if (as_lookup(&as_memory, addr, &r))
        hmp_print(h, "Memory at address 0x%" PRIx64 " is not RAM\n", addr);
    else
        hmp_print(h, "No memory is mapped at address 0x%" PRIx64 "\n", addr);
    rcu_unlock();
    if (host)
        as_unmap(&as_memory, host, len, false, 0);
}

void hmp_mce(Hmp *h, const Json *args)
{
    uint64_t index = arg(args, "cpu_index");
    MceEvent e = {.bank = (unsigned)arg(args, "bank"),
                  .status = arg(args, "status"),
                  .mcg_status = arg(args, "mcg_status"),
                  .addr = arg(args, "addr"),
                  .misc = arg(args, "misc")};
    bool broadcast = false;
    json_get_bool(json_get(args, "b"), &broadcast);
    if (index < vcpu_count && vcpus[index])
        cpu_inject_mce(vcpus[index], &e, broadcast, h->out);
}

/* In the CPU's thread, where its state is whole. */
static void print_mem(X86CPU *c, void *opaque)
{
    cpu_print_mem(c, opaque);
}

static void print_tlb(X86CPU *c, void *opaque)
{
    cpu_print_tlb(c, opaque);
}

static void on_cpu(Hmp *h, void (*fn)(X86CPU *c, void *opaque))
{
    X86CPU *c = hmp_cpu(h);
    if (c)
        vcpu_run_on(c, fn, h->out);
    else
        hmp_print(h, "No CPU available\n");
}

void hmp_info_mem(Hmp *h, const Json *args)
{
    on_cpu(h, print_mem);
}

void hmp_info_tlb(Hmp *h, const Json *args)
{
    on_cpu(h, print_tlb);
}
