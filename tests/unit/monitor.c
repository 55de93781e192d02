/* SPDX-License-Identifier: GPL-2.0-or-later */
/* monitor: line editing, the human monitor's expressions, formats and arguments, and the events of other threads. */
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "monitor/readline.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "util/keyval.h"

/* --- Line editing --- */

static char *last_line;
static GString *printed;

static void on_print(void *opaque, const char *text)
{
    g_string_append(printed, text);
}

static void on_line(void *opaque, const char *text)
{
    g_free(last_line);
    last_line = g_strdup(text);
}

static void on_complete(void *opaque, const char *text, GPtrArray *words)
{
    static const char *const known[] = {"stop", "system_reset", "system_powerdown", "info"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (g_str_has_prefix(known[i], text))
            g_ptr_array_add(words, g_strdup(known[i]));
}

static void type(Readline *r, const char *keys)
{
    for (const char *p = keys; *p; p++)
        readline_byte(r, (uint8_t)*p);
}

static void gives(Readline *r, const char *keys, const char *line)
{
    g_clear_pointer(&last_line, g_free);
    type(r, keys);
    type(r, "\r");
    g_assert_cmpstr(last_line, ==, line);
}

static void test_readline(void)
{
    Readline r = {.prompt = "> ", .print = on_print, .line = on_line, .complete = on_complete};
    readline_init(&r);
    printed = g_string_new(NULL);
    type(&r, "stop");
    g_assert_cmpstr(printed->str, ==, "stop"); /* a plain echo */
    gives(&r, "", "stop");
    gives(&r,
          "ab\x7f"
          "c",
          "ac");
    gives(&r,
          "bc\x01"
          "a\x05"
          "d",
          "abcd");
    gives(&r, "abc\033[D\033[D\033[3~", "ac");
    gives(&r, "abc\x02\x02\x0b", "a");
    gives(&r, "one two\x17three", "one three");
    gives(&r, "junk\x15", "");
    gives(&r, "abc\033OHx\033OFy", "xabcy");
    gives(&r, "abc\033[1~x\033[4~y", "xabcy");
    gives(&r, "\033[A", "xabcy");        /* the last line again */
    gives(&r, "\x10\x10", "one three");  /* a repeated line stands once in the history */
    gives(&r, "new\033[A\033[B", "new"); /* the draft comes back */
    gives(&r, "\033[B\033[B", "");
    gives(&r, "sto\t", "stop ");
    gives(&r, "sys\t", "system_");
    gives(&r, "system_\t", "system_");
    g_assert_nonnull(strstr(printed->str, "system_reset system_powerdown\n"));
    gives(&r, "zzz\t", "zzz");
    gives(&r, "\033[999;999Rok", "ok"); /* a terminal's answer is no text */
    for (int i = 0; i < 10000; i++)
        readline_byte(&r, 'a');
    g_assert_cmpuint(r.buf->len, ==, READLINE_MAX);
    for (int i = 0; i < 1000; i++) {
        g_autofree char *text = g_strdup_printf("line %d\r", i);
        type(&r, text);
    }
    g_assert_cmpuint(r.history->len, ==, READLINE_HISTORY);
    readline_destroy(&r);
    g_string_free(printed, TRUE);
    g_clear_pointer(&last_line, g_free);
}

/* --- Commands --- */

static void says(const char *line, const char *want)
{
    GString *out = g_string_new(NULL);
    hmp_execute(line, out);
    if (strcmp(out->str, want))
        g_error("%s: %s", line, out->str);
    g_string_free(out, TRUE);
}

static void test_expressions(void)
{
    says("p 1+2*3", "0x7\n");
    says("p /d (1+2)*3", "9\n");
    says("p/x 1+2|4", "0x7\n");
    says("p 4|1+1", "0x6\n"); /* & | ^ bind tighter than + and - */
    says("p -1", "0xffffffffffffffff\n");
    says("p/d -1", "-1\n");
    says("p/u 18446744073709551615", "18446744073709551615\n");
    says("p/o 8", "010\n");
    says("p/x ~0 & 0xff", "0xff\n");
    says("p 'A'", "0x41\n");
    says("p/c 65", "'A'\n");
    says("p 10", "'\\n'\n"); /* the format stays */
    says("p/x 7 % 4", "0x3\n");
    says("print 0x10", "0x10\n");
    says("p 18446744073709551616", "number too large\nTry \"help p\" for more information\n");
    says("p 1/0", "division by zero\nTry \"help p\" for more information\n");
    says("p 1%0", "division by zero\nTry \"help p\" for more information\n");
    says("p (1", "')' expected\nTry \"help p\" for more information\n");
    says("p", "unexpected end of expression\nTry \"help p\" for more information\n");
    says("p $rax", "no CPU defined\nTry \"help p\" for more information\n");
    g_autofree char *deep = g_strnfill(100000, '(');
    g_autofree char *line = g_strdup_printf("p %s", deep);
    says(line, "expression is nested too deeply\nTry \"help p\" for more information\n");
    memset(deep, '-', 100000);
    g_autofree char *minus = g_strdup_printf("p %s1", deep);
    says(minus, "expression is nested too deeply\nTry \"help p\" for more information\n");
}

static void test_arguments(void)
{
    says("", "");
    says("   ", "");
    says("bogus", "unknown command: 'bogus'\n");
    says("info bogus x", "unknown command: 'info bogus'\n");
    says("help stop", "stop|s  -- stop the VM\n");
    says("help bogus", "unknown command: 'bogus'\n");
    says("stop now", "stop|s: extraneous characters at the end of line\nTry \"help stop\" for more information\n");
    says("info version x",
         "version: extraneous characters at the end of line\nTry \"help info version\" for more information\n");
    says("xp/zz 0", "invalid char in format: 'z'\nTry \"help xp\" for more information\n");
    says("eject -x a", "eject: unsupported option -x\nTry \"help eject\" for more information\n");
    says("eject", "eject: block device name expected\nTry \"help eject\" for more information\n");
    says("eject \"a", "eject: unterminated string\nTry \"help eject\" for more information\n");
    says("info status", "VM status: paused (prelaunch)\n");
    says("xp/9999999999g 0", "Error: more than 1048576 bytes at once\n");
    says("x 0", "Can not dump without CPU\n");
}

/* --- Events --- */

#define WAITING 10000 /* events of other threads that wait for the main loop, beside the last of each kind */
#define FLOOD   (3 * WAITING)

static Json *about(const char *member, const char *says)
{
    Json *data = json_object();
    json_set_str(data, member, says);
    return data;
}

/* A thread's, while the main loop does not come round: each of the rare ones comes behind more than wait. */
static gpointer tell_much(gpointer opaque)
{
    for (int i = 0; i < FLOOD; i++)
        event_emit("BLOCK_IO_ERROR", about("device", "a"));
    event_emit("NIC_RX_FILTER_CHANGED", about("path", "/n"));
    event_emit("BLOCK_IO_ERROR", about("device", "b"));
    for (int i = 0; i < FLOOD; i++) {
        Json *data = json_object();
        json_set(data, "msg", json_printf("at %d", i));
        json_set_int(data, "offset", i);
        event_emit("BLOCK_IMAGE_CORRUPTED", data);
        event_emit("WAKEUP", NULL);
    }
    event_emit("GUEST_PANICKED", about("action", "run"));
    event_emit("GUEST_PANICKED", about("action", "pause"));
    return NULL;
}

static GPtrArray *told; /* of Json */
static void on_told(void *opaque, Json *val, Error *err)
{
    g_assert_nonnull(val);
    g_ptr_array_add(told, val);
}

/* How many events of a name came, of which a member of the data says this; *last: the last. */
static unsigned count(const char *name, const char *member, const char *says, const Json **last)
{
    unsigned n = 0;
    for (unsigned i = 0; i < told->len; i++) {
        const Json *e = told->pdata[i];
        if (g_strcmp0(json_get_str(e, "event"), name) ||
            (member && g_strcmp0(json_get_str(json_get(e, "data"), member), says)))
            continue;
        if (last)
            *last = e;
        n++;
    }
    return n;
}

static void test_events(void)
{
    g_autofree char *dir = g_dir_make_tmp("monitor-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "qmp", NULL);
    g_autofree char *text = g_strdup_printf("socket,id=m,path=%s,server=on,wait=off", path);
    g_autoptr(Json) opts = keyval_parse(text, "backend", NULL);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    static const char negotiate[] = "{\"execute\": \"qmp_capabilities\"}";
    static char buf[1 << 16];
    JsonReader *reader = json_reader_new(on_told, NULL);
    Chardev *chr = chardev_new(opts, NULL);
    const Json *last = NULL;
    int64_t offset;

    told = g_ptr_array_new_with_free_func((GDestroyNotify)json_unref);
    mainloop_init();
    monitor_init();
    g_assert_true(monitor_new(chr, true, false, NULL));
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_assert_cmpint(write(fd, negotiate, strlen(negotiate)), ==, (ssize_t)strlen(negotiate));
    for (int i = 0; i < 50; i++)
        mainloop_run_once(false);
    g_thread_join(g_thread_new("much", tell_much, NULL));
    event_emit("STOP", NULL); /* the main thread's own, behind all others */
    for (int idle = 0; idle < 50 && !count("STOP", NULL, NULL, NULL);) {
        mainloop_run_once(false);
        ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
        if (n > 0)
            json_reader_feed(reader, buf, (size_t)n);
        idle = n > 0 ? 0 : idle + 1;
    }
    g_assert_cmpuint(count("NIC_RX_FILTER_CHANGED", "path", "/n", NULL), ==, 1);
    g_assert_cmpuint(count("BLOCK_IO_ERROR", "device", "b", NULL), ==, 1);
    g_assert_cmpuint(count("BLOCK_IMAGE_CORRUPTED", NULL, NULL, &last), ==, 1);
    g_assert_true(json_get_int(json_get(json_get(last, "data"), "offset"), &offset));
    g_assert_cmpint(offset, ==, FLOOD - 1); /* the last counts */
    g_assert_cmpuint(count("WAKEUP", NULL, NULL, NULL), ==, 1);
    g_assert_cmpuint(count("GUEST_PANICKED", "action", "run", NULL), ==, 1);
    g_assert_cmpuint(count("GUEST_PANICKED", "action", "pause", NULL), ==, 1);
    g_assert_cmpuint(count("BLOCK_IO_ERROR", "device", "a", NULL), ==, WAITING);
    json_reader_free(reader);
    close(fd);
    monitor_cleanup();
    chardev_cleanup();
    g_ptr_array_free(told, TRUE);
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/readline", test_readline);
    g_test_add_func("/monitor/expressions", test_expressions);
    g_test_add_func("/monitor/arguments", test_arguments);
    g_test_add_func("/monitor/events", test_events);
    return g_test_run();
}
