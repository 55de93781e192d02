/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What gdb's packets ask, and QEMU's own: qemu.sstep, qemu.sstepbits, qemu.PhyMemMode. The peer is not trusted: a
 * packet that does not parse is answered with E22 (EINVAL), one that is not known with an empty reply. One process (1),
 * whose threads are the CPUs, numbered from 1.
 */
#include "softmmu/gdb-internal.h"

#include "monitor/monitor.h"
#include "softmmu/memory.h"
#include "softmmu/vcpus.h"
#include "target/i386/gdb-regs.h"

enum { BAD_ANNEX = 0 }; /* the protocol's own */
enum { ALL_THREADS = -1, ANY_THREAD = 0 };

/* --- Reading a packet --- */

static bool take_hex(char **p, uint64_t *out)
{
    uint64_t v = 0;
    unsigned digits = 0;
    for (; g_ascii_isxdigit(**p); (*p)++, digits++) {
        if (v >> 60)
            return false;
        v = v << 4 | (unsigned)g_ascii_xdigit_value(**p);
    }
    *out = v;
    return digits > 0;
}

static bool take_char(char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

/* "ADDR,LEN" */
static bool take_range(char **p, uint64_t *addr, uint64_t *len)
{
    return take_hex(p, addr) && take_char(p, ',') && take_hex(p, len);
}

static bool take_bytes(const char *p, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        int high = g_ascii_xdigit_value(p[2 * i]), low = high < 0 ? -1 : g_ascii_xdigit_value(p[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool take_number(char **p, int64_t *out)
{
    uint64_t v;
    if (take_char(p, '-')) {
        *out = ALL_THREADS;
        return take_char(p, '1');
    }
    if (!take_hex(p, &v) || v > INT32_MAX)
        return false;
    *out = (int64_t)v;
    return true;
}

/* "TID" or "pPID.TID" or "pPID": ALL_THREADS, ANY_THREAD, or the number of a CPU that is there. */
static bool take_thread(char **p, int64_t *out)
{
    int64_t pid;
    if (take_char(p, 'p')) {
        if (!take_number(p, &pid) || (pid != ALL_THREADS && pid != 0 && pid != 1))
            return false;
        if (!take_char(p, '.')) {
            *out = ALL_THREADS;
            return true;
        }
    }
    if (!take_number(p, out))
        return false;
    return *out <= 0 || (*out <= vcpu_count && vcpus[*out - 1]);
}

static void append_bytes(GString *s, const uint8_t *buf, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        g_string_append_c(s, hex[buf[i] >> 4]);
        g_string_append_c(s, hex[buf[i] & 15]);
    }
}

static void reply_ok(bool ok, int err)
{
    if (ok)
        gdb_reply_text("OK");
    else
        gdb_reply_error(err);
}

/* The CPU of `Hg` or `Hc`; the first one where that is gone. */
static X86CPU *chosen(unsigned index)
{
    X86CPU *c;
    if (index < vcpu_count && vcpus[index])
        return vcpus[index];
    FOREACH_VCPU (c) {
        return c;
    }
    return NULL;
}

/* --- Going on --- */

/* c [ADDR], s [ADDR], C SIG[;ADDR], S SIG[;ADDR]: a signal means nothing to a machine. */
static void cmd_resume(char *p)
{
    char action = g_ascii_tolower(*p);
    bool with_signal = g_ascii_isupper(*p++);
    X86CPU *c = chosen(gdb.c_cpu);
    uint64_t v;
    if (with_signal && !take_hex(&p, &v)) {
        gdb_reply_error(EINVAL);
        return;
    }
    if ((with_signal ? take_char(&p, ';') : *p) && c) {
        if (!take_hex(&p, &v)) {
            gdb_reply_error(EINVAL);
            return;
        }
        cpu_sync_dirty(c, CPU_STATE_RUNTIME);
        c->rip = v;
    }
    char actions[VCPUS_MAX];
    memset(actions, 'c', sizeof(actions));
    if (c)
        actions[c->index] = action;
    gdb_resume(actions);
}

/* vCont;ACTION[:THREAD]...: the leftmost that fits a CPU counts; 't' and none leave it stopped. */
static void cmd_vcont(char *p)
{
    char actions[VCPUS_MAX] = {0};
    bool decided[VCPUS_MAX] = {0};
    X86CPU *c;

    if (!*p) {
        gdb_reply_error(EINVAL);
        return;
    }
    while (*p) {
        int64_t thread = ALL_THREADS;
        uint64_t sig;
        if (!take_char(&p, ';'))
            goto bad;
        char action = g_ascii_tolower(*p);
        if (!strchr("cst", action) || !action)
            goto bad;
        bool with_signal = *p == 'C' || *p == 'S';
        p++;
        if ((with_signal && !take_hex(&p, &sig)) || (take_char(&p, ':') && !take_thread(&p, &thread)))
            goto bad;
        if (thread == ANY_THREAD)
            thread = (int64_t)gdb.c_cpu + 1;
        FOREACH_VCPU (c) {
            if (decided[c->index] || (thread != ALL_THREADS && (unsigned)thread != c->index + 1))
                continue;
            decided[c->index] = true;
            actions[c->index] = action == 't' ? 0 : action;
            if (action == 's')
                gdb.c_cpu = c->index;
        }
    }
    gdb_resume(actions);
    return;
bad:
    gdb_reply_error(EINVAL);
}

/* --- Threads --- */

static void cmd_set_thread(char *p)
{
    char what = *p ? *p++ : 0;
    int64_t thread;
    if ((what != 'c' && what != 'g') || !take_thread(&p, &thread)) {
        gdb_reply_error(EINVAL);
        return;
    }
    if (thread > 0)
        *(what == 'c' ? &gdb.c_cpu : &gdb.g_cpu) = (unsigned)thread - 1;
    gdb_reply_text("OK");
}

static void cmd_thread_alive(char *p)
{
    int64_t thread;
    reply_ok(take_thread(&p, &thread) && thread > 0, EINVAL);
}

static void list_threads(char *p)
{
    g_autoptr(GString) s = g_string_new("m");
    X86CPU *c;
    FOREACH_VCPU (c) {
        if (s->len > 1)
            g_string_append_c(s, ',');
        gdb_append_thread(s, c->index);
    }
    gdb_reply(s->str, MIN(s->len, (size_t)GDB_PACKET_MAX));
}

static void list_no_more_threads(char *p)
{
    gdb_reply_text("l");
}

static void thread_info(char *p)
{
    int64_t thread;
    if (!take_thread(&p, &thread) || thread <= 0) {
        gdb_reply_error(EINVAL);
        return;
    }
    X86CPU *c = vcpus[thread - 1];
    cpu_sync_get(c);
    g_autofree char *text =
        g_strdup_printf("CPU#%u [%s]", c->index, c->halted || c->mp_state == MP_HALTED ? "halted " : "running");
    g_autoptr(GString) s = g_string_new(NULL);
    append_bytes(s, (const uint8_t *)text, strlen(text));
    gdb_reply(s->str, s->len);
}

static void current_thread(char *p)
{
    g_autoptr(GString) s = g_string_new("QC");
    gdb_append_thread(s, gdb.g_cpu);
    gdb_reply(s->str, s->len);
}

/* --- Registers --- */

static void cmd_read_registers(X86CPU *c)
{
    g_autoptr(GString) s = g_string_new(NULL);
    uint8_t buf[GDB_REG_BYTES_MAX];
    unsigned size;
    for (unsigned n = 0; (size = gdb_reg_read(c, n, buf)); n++)
        append_bytes(s, buf, size);
    gdb_reply(s->str, s->len);
}

static void cmd_write_registers(X86CPU *c, const char *p)
{
    uint8_t buf[GDB_REGS_BYTES_MAX];
    size_t len = MIN(strlen(p) / 2, sizeof(buf)), at = 0;
    unsigned size;
    if (!take_bytes(p, len, buf)) {
        gdb_reply_error(EINVAL);
        return;
    }
    for (unsigned n = 0; at < len && (size = gdb_reg_write(c, n, buf + at, len - at)); n++)
        at += size;
    gdb_reply_text("OK");
}

static void cmd_read_register(X86CPU *c, char *p)
{
    uint8_t buf[GDB_REG_BYTES_MAX];
    uint64_t n;
    unsigned size = take_hex(&p, &n) && n < UINT_MAX ? gdb_reg_read(c, (unsigned)n, buf) : 0;
    if (!size) {
        gdb_reply_error(EFAULT);
        return;
    }
    g_autoptr(GString) s = g_string_new(NULL);
    append_bytes(s, buf, size);
    gdb_reply(s->str, s->len);
}

static void cmd_write_register(X86CPU *c, char *p)
{
    uint8_t buf[GDB_REG_BYTES_MAX];
    uint64_t n;
    if (!take_hex(&p, &n) || n >= UINT_MAX || !take_char(&p, '=')) {
        gdb_reply_error(EINVAL);
        return;
    }
    size_t len = MIN(strlen(p) / 2, sizeof(buf));
    reply_ok(take_bytes(p, len, buf) && gdb_reg_write(c, (unsigned)n, buf, len), EINVAL);
}

/* --- Memory --- */

static bool memory_read(X86CPU *c, uint64_t addr, void *buf, size_t len)
{
    return gdb.physical ? as_read(&as_memory, addr, buf, len) == MEM_OK : cpu_read_virtual(c, addr, buf, len);
}

static bool memory_write(X86CPU *c, uint64_t addr, const void *buf, size_t len)
{
    return gdb.physical ? as_write(&as_memory, addr, buf, len) == MEM_OK : cpu_write_virtual(c, addr, buf, len);
}

static void cmd_read_memory(X86CPU *c, char *p)
{
    uint8_t buf[GDB_PACKET_MAX / 2];
    uint64_t addr, len;
    if (!take_range(&p, &addr, &len) || len > sizeof(buf)) {
        gdb_reply_error(EINVAL);
        return;
    }
    if (addr + len < addr || !memory_read(c, addr, buf, len)) {
        gdb_reply_error(EFAULT);
        return;
    }
    g_autoptr(GString) s = g_string_new(NULL);
    append_bytes(s, buf, len);
    gdb_reply(s->str, s->len);
}

/* M ADDR,LEN:HEX and X ADDR,LEN:BYTES, of which '#', '$', '*' and '}' come as '}' and the byte exclusive-or 20h. */
static void cmd_write_memory(X86CPU *c, char *p, const char *end, bool binary)
{
    uint8_t buf[GDB_PACKET_MAX];
    uint64_t addr, len, got = 0;
    if (!take_range(&p, &addr, &len) || !take_char(&p, ':') || len > sizeof(buf)) {
        gdb_reply_error(EINVAL);
        return;
    }
    if (!binary) {
        got = strlen(p) / 2 >= len && take_bytes(p, len, buf) ? len : UINT64_MAX;
    } else {
        for (; p < end && got < len; p++) {
            if (*p == '}' && p + 1 < end)
                buf[got++] = (uint8_t)(*++p ^ 0x20);
            else
                buf[got++] = (uint8_t)*p;
        }
    }
    if (got != len || (binary && p != end))
        gdb_reply_error(EINVAL);
    else
        reply_ok(!len || memory_write(c, addr, buf, len), EFAULT);
}

/* --- Points --- */

/* Z TYPE,ADDR,KIND and z: kind is the length of a watchpoint; of a breakpoint that of the instruction, which does not
 * matter here. */
static void cmd_point(X86CPU *c, char *p, bool insert)
{
    uint64_t type, addr, len;
    if (!take_hex(&p, &type) || !take_char(&p, ',') || !take_range(&p, &addr, &len)) {
        gdb_reply_error(EINVAL);
        return;
    }
    if (type > DEBUG_ACCESS - DEBUG_SOFTWARE) {
        gdb_reply_text("");
        return;
    }
    DebugKind kind = DEBUG_SOFTWARE + (DebugKind)type;
    Error *err = NULL;
    int r = insert ? debug_point_add(c, kind, addr, len, &err) : debug_point_remove(kind, addr, len);
    if (err) {
        error_prepend(&err, "gdb: point at 0x%" PRIx64 ": ", addr);
        error_report_err(err);
    }
    if (r == -ENOTSUP)
        gdb_reply_text("");
    else
        reply_ok(!r, r == -ENOENT ? EINVAL : -r);
}

/* --- Queries --- */

static void supported(char *p)
{
    gdb.multiprocess |= strstr(p, "multiprocess+") != NULL;
    g_autofree char *text = g_strdup_printf(
        "PacketSize=%x;qXfer:features:read+;vContSupported+;multiprocess+;QStartNoAckMode+", GDB_PACKET_MAX);
    gdb_reply_text(text);
}

static void attached(char *p)
{
    gdb_reply_text("1");
}

/* "OFFSET,LEN" of a text: 'm' and a part, 'l' and the last one. */
static void reply_part(const char *text, char *p)
{
    uint64_t at, len, size = strlen(text);
    if (!take_range(&p, &at, &len)) {
        gdb_reply_error(EINVAL);
        return;
    }
    at = MIN(at, size);
    len = MIN(MIN(len, GDB_PACKET_MAX - 8), size - at);
    g_autoptr(GString) s = g_string_new(at + len < size ? "m" : "l");
    g_string_append_len(s, text + at, (gssize)len); /* the text has none of the characters that need an escape */
    gdb_reply(s->str, s->len);
}

static void features(char *p)
{
    if (!g_str_has_prefix(p, "target.xml:"))
        gdb_reply_error(BAD_ANNEX);
    else
        reply_part(gdb_target_xml(), p + strlen("target.xml:"));
}

static void monitor_command(char *p)
{
    size_t len = strlen(p) / 2;
    g_autofree char *line = g_malloc0(len + 1);
    if (!len || strlen(p) % 2 || !take_bytes(p, len, (uint8_t *)line)) {
        gdb_reply_error(EINVAL);
        return;
    }
    g_autoptr(GString) out = g_string_new(NULL);
    hmp_execute(line, out);
    for (size_t at = 0; at < out->len;) {
        size_t n = MIN(out->len - at, (size_t)(GDB_PACKET_MAX / 2 - 1));
        g_autoptr(GString) s = g_string_new("O");
        append_bytes(s, (const uint8_t *)out->str + at, n);
        gdb_reply(s->str, s->len);
        at += n;
    }
    gdb_reply_text("OK");
}

static void no_acks(char *p)
{
    gdb_reply_text("OK");
    gdb.no_ack = true;
}

static void step_bits(char *p)
{
    g_autofree char *text = g_strdup_printf("ENABLE=%x,NOIRQ=%x,NOTIMER=%x", SSTEP_ENABLE, SSTEP_NOIRQ, SSTEP_NOTIMER);
    gdb_reply_text(text);
}

static void step_flags(char *p)
{
    g_autofree char *text = g_strdup_printf("0x%x", gdb.sstep);
    gdb_reply_text(text);
}

static void set_step_flags(char *p)
{
    uint64_t v;
    if (!take_hex(&p, &v) || v & ~(uint64_t)(SSTEP_ENABLE | SSTEP_NOIRQ | SSTEP_NOTIMER)) {
        gdb_reply_error(EINVAL);
        return;
    }
    gdb.sstep = (unsigned)v;
    gdb_reply_text("OK");
}

static void memory_mode(char *p)
{
    gdb_reply_text(gdb.physical ? "1" : "0");
}

static void set_memory_mode(char *p)
{
    uint64_t v;
    if (!take_hex(&p, &v)) {
        gdb_reply_error(EINVAL);
        return;
    }
    gdb.physical = v != 0;
    gdb_reply_text("OK");
}

static void cont_actions(char *p)
{
    gdb_reply_text("vCont;c;C;s;S;t");
}

static void stop_reply(char *p)
{
    gdb_report_stop();
}

static void terminate(void)
{
    error_report("QEMU: Terminated via GDBstub");
    system_exit_request(0);
}

static void attach(char *p)
{
    uint64_t pid;
    if (!take_hex(&p, &pid) || pid > 1) {
        gdb_reply_error(EINVAL);
        return;
    }
    gdb.g_cpu = gdb.c_cpu = 0;
    gdb_report_stop();
}

static void kill_process(char *p)
{
    uint64_t pid;
    if (!take_hex(&p, &pid) || pid > 1) {
        gdb_reply_error(EINVAL);
        return;
    }
    gdb_reply_text("OK");
    terminate();
}

/* Packets whose names are words; a name ends where its arguments begin. */
static const struct {
    const char *name;
    void (*fn)(char *p);
} words[] = {
    {"qSupported", supported},
    {"qAttached", attached},
    {"qC", current_thread},
    {"qfThreadInfo", list_threads},
    {"qsThreadInfo", list_no_more_threads},
    {"qThreadExtraInfo,", thread_info},
    {"qXfer:features:read:", features},
    {"qRcmd,", monitor_command},
    {"QStartNoAckMode", no_acks},
    {"qqemu.sstepbits", step_bits},
    {"qqemu.sstep", step_flags},
    {"Qqemu.sstep=", set_step_flags},
    {"qqemu.PhyMemMode", memory_mode},
    {"Qqemu.PhyMemMode:", set_memory_mode},
    {"vCont?", cont_actions},
    {"vCont", cmd_vcont},
    {"vAttach;", attach},
    {"vKill;", kill_process},
};

static void cmd_word(char *p)
{
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        size_t n = strlen(words[i].name);
        if (strncmp(p, words[i].name, n))
            continue;
        if (g_ascii_isalnum(words[i].name[n - 1]) && g_ascii_isalnum(p[n]))
            continue; /* a longer word */
        words[i].fn(p + n);
        return;
    }
    gdb_reply_text("");
}

/* D, D;PID */
static void cmd_detach(char *p)
{
    uint64_t pid;
    if (*p && (!take_char(&p, ';') || !take_hex(&p, &pid) || pid != 1)) {
        gdb_reply_error(EINVAL);
        return;
    }
    gdb_reply_text("OK");
    gdb_detach();
}

void gdb_packet(char *p, size_t len)
{
    X86CPU *c = chosen(gdb.g_cpu);
    if (!c) {
        gdb_reply_error(EINVAL);
        return;
    }
    switch (*p) {
    case '?':
        stop_reply(p);
        break;
    case '!':
        gdb_reply_text("OK");
        break;
    case 'c':
    case 'C':
    case 's':
    case 'S':
        cmd_resume(p);
        break;
    case 'D':
        cmd_detach(p + 1);
        break;
    case 'k':
        terminate();
        break;
    case 'H':
        cmd_set_thread(p + 1);
        break;
    case 'T':
        cmd_thread_alive(p + 1);
        break;
    case 'g':
        cmd_read_registers(c);
        break;
    case 'G':
        cmd_write_registers(c, p + 1);
        break;
    case 'p':
        cmd_read_register(c, p + 1);
        break;
    case 'P':
        cmd_write_register(c, p + 1);
        break;
    case 'm':
        cmd_read_memory(c, p + 1);
        break;
    case 'M':
        cmd_write_memory(c, p + 1, p + len, false);
        break;
    case 'X':
        cmd_write_memory(c, p + 1, p + len, true);
        break;
    case 'Z':
    case 'z':
        cmd_point(c, p + 1, *p == 'Z');
        break;
    case 'q':
    case 'Q':
    case 'v':
        cmd_word(p);
        break;
    default:
        gdb_reply_text("");
        break;
    }
}
