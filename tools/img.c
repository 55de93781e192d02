/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-img: the program, its table of commands, and what they share. Options, output and exit codes are QEMU's. */
#include "tools/img.h"

#include "block/backend.h"
#include "block/create.h"
#include "block/qcow2.h"
#include "hw/core/object.h"
#include "hw/core/prop.h"
#include "softmmu/mainloop.h"
#include "util/keyval.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
} commands[] = {
    {"bench", img_bench,
     "[-c count] [-d depth] [-f fmt] [--flush-interval=flush_interval] [-i aio] [-n] [--no-drain] [-o offset] "
     "[--pattern=pattern] [-q] [-s buffer_size] [-S step_size] [-t cache] [-w] [-U] filename"},
    {"check", img_check,
     "[--object objectdef] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] [--image-opts] "
     "filename"},
    {"commit", img_commit,
     "[--object objectdef] [-q] [-f fmt] [-t cache] [-b base] [-r rate_limit] [-d] [-p] [--image-opts] filename"},
    {"compare", img_compare,
     "[--object objectdef] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] [--image-opts] filename1 filename2"},
    {"convert", img_convert,
     "[--object objectdef] [-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file] "
     "[-F backing_fmt] "
     "[-o options] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] [-W] [-C] [--salvage] [-U] "
     "[--image-opts] "
     "[--target-is-zero] filename "
     "[filename2 "
     "[...]] output_filename"},
    {"create", img_create,
     "[--object objectdef] [-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size]"},
    {"info", img_info, "[--object objectdef] [-f fmt] [--output=ofmt] [--backing-chain] [-U] [--image-opts] filename"},
    {"map", img_map,
     "[--object objectdef] [-f fmt] [-s | --start-offset=offset] [-l | --max-length=len] [--output=ofmt] [-U] "
     "[--image-opts] filename"},
    {"rebase", img_rebase,
     "[--object objectdef] [-q] [-f fmt] [-t cache] [-T src_cache] [-p] [-u] [-b backing_file [-F backing_fmt]] "
     "filename"},
    {"resize", img_resize,
     "[--object objectdef] [-q] [-f fmt] [--preallocation=prealloc] [--shrink] [--image-opts] filename [+ | -]size"},
    {"snapshot", img_snapshot,
     "[--object objectdef] [-q] [-U] [--image-opts] [-l | -a snapshot | -c snapshot | -d snapshot] filename"},
};

int img_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    fflush(stdout);
    fprintf(stderr, "qemu-img: %s\n", text);
    return 1;
}

int img_error_of(const char *what, Error *err)
{
    img_error("%s%s%s", what ? what : "", what ? ": " : "", error_text(err));
    if (error_hint_text(err))
        fprintf(stderr, "%s\n", error_hint_text(err));
    error_free(err);
    return 1;
}

int img_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    img_error("%s", text);
    fprintf(stderr, "Try 'qemu-img --help' for more information\n");
    return 1;
}

static void help(void);

int img_bad_option(int opt, char **argv)
{
    if (opt == 'h')
        return help(), 0;
    return img_usage(opt == ':' ? "missing argument for option '%s'" : "unrecognized option '%s'", argv[optind - 1]);
}

bool img_object(const char *text)
{
    Error *err = NULL;
    bool json = *text == '{';
    g_autoptr(Json) o = json ? json_parse(text, strlen(text), &err) : keyval_parse_dotted(text, "qom-type", &err);
    if (o && object_add(o, !json, &err))
        return true;
    img_error_of(NULL, err);
    return false;
}

void img_limit(uint64_t rate, uint64_t bytes)
{
    static int64_t start;
    static uint64_t sum;
    int64_t now = g_get_monotonic_time();
    if (!rate)
        return;
    start = start ? start : now;
    sum += bytes;
    double due = (double)start + (double)sum / (double)rate * 1e6;
    if (due > (double)now)
        g_usleep((gulong)(due - (double)now));
}

bool img_size(const char *text, uint64_t *out)
{
    if (parse_size(text, 'B', out) && *out <= INT64_MAX)
        return true;
    img_error("Invalid image size specified. You may use k, M, G, T, P or E suffixes for ");
    fprintf(stderr, "qemu-img: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.\n");
    return false;
}

bool img_options(Json *into, const char *text)
{
    Error *err = NULL;
    g_autoptr(Json) o = keyval_parse(text, NULL, &err);
    if (!o) {
        img_error_of(NULL, err);
        return false;
    }
    for (size_t i = 0; i < json_length(o); i++)
        json_set(into, json_key_at(o, i), json_ref(json_val_at(o, i)));
    return true;
}

bool img_wants_help(const char *options)
{
    g_auto(GStrv) parts = g_strsplit(options ? options : "", ",", -1);
    for (char **p = parts; *p; p++)
        if (!strcmp(*p, "help") || !strcmp(*p, "?"))
            return true;
    return false;
}

int img_list_options(const char *format)
{
    const CreateOption *o = block_create_options(format);
    if (!o)
        return img_error("Format driver '%s' does not support image creation", format);
    printf("Supported options:\n");
    for (; o->name; o++) {
        g_autofree char *head = g_strdup_printf("%s=<%s>", o->name, o->type);
        printf("  %-22s - %s\n", head, o->help);
    }
    return 0;
}

void img_print_json(const Json *v)
{
    g_autofree char *text = json_to_string(v, true);
    printf("%s\n", text);
}

bool img_output_json(const char *arg, bool *json)
{
    *json = !strcmp(arg, "json");
    if (*json || !strcmp(arg, "human"))
        return true;
    img_error("--output must be used with human or json as argument.");
    return false;
}

bool img_is_zero(const uint8_t *p, size_t len)
{
    return !len || (!*p && !memcmp(p, p + 1, len - 1));
}

bool img_progress_on;
static volatile sig_atomic_t progress_asked;

static void ask_progress(int sig)
{
    (void)sig;
    progress_asked = 1;
}

/* Of every command: one that has no progress to tell goes on, too. */
static void catch_progress_signals(void)
{
    struct sigaction act = {.sa_handler = ask_progress, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    sigaction(SIGUSR1, &act, NULL);
#ifdef SIGINFO
    sigaction(SIGINFO, &act, NULL);
#endif
}

bool img_progress_wanted(void)
{
    return img_progress_on || progress_asked;
}

void img_progress(double fraction)
{
    static int last = -1;
    int now = (int)(fraction * 10000);
    if (!img_progress_on && progress_asked) {
        progress_asked = 0;
        fprintf(stderr, "    (%3.2f/100%%)\n", (double)now / 100);
    }
    if (!img_progress_on || now == last)
        return;
    last = now;
    printf("    (%3.2f/100%%)\r", (double)now / 100);
    fflush(stdout);
}

void img_announce(const char *path, const char *format, const Json *opts)
{
    /* In this order, with these defaults. */
    static const struct {
        const char *name, *fallback;
        bool qcow2, size;
    } shown[] = {{"cluster_size", "65536", true, true},
                 {"extended_l2", "off", true, false},
                 {"preallocation", NULL, true, false},
                 {"compression_type", "zlib", true, false},
                 {"size", NULL, false, true},
                 {"compat", NULL, true, false},
                 {"backing_file", NULL, true, false},
                 {"backing_fmt", NULL, true, false},
                 {"lazy_refcounts", "off", true, false},
                 {"refcount_bits", "16", true, false}};
    bool qcow2 = !strcmp(format, "qcow2");
    printf("Formatting '%s', fmt=%s", path, format);
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
        if (shown[i].qcow2 && !qcow2)
            continue;
        const char *v = json_get_str(opts, shown[i].name);
        uint64_t n;
        v = v ? v : shown[i].fallback;
        if (v && shown[i].size && parse_size(v, 'B', &n))
            printf(" %s=%" PRIu64, shown[i].name, n);
        else if (v)
            printf(" %s=%s", shown[i].name, v);
    }
    const char *pre = json_get_str(opts, "preallocation");
    if (!qcow2 && pre)
        printf(" preallocation=%s", pre);
    printf("\n");
}

/* ---- images ---- */

static bool set_cache(Json *o, const char *mode)
{
    static const struct {
        const char *name;
        bool direct, no_flush;
    } modes[] = {{"none", true, false},   {"off", true, false},           {"writeback", false, false},
                 {"unsafe", false, true}, {"writethrough", false, false}, {"directsync", true, false}};
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (strcmp(modes[i].name, mode))
            continue;
        json_set_str(o, "cache.direct", modes[i].direct ? "on" : "off");
        json_set_str(o, "cache.no-flush", modes[i].no_flush ? "on" : "off");
        return true;
    }
    img_error("Invalid cache option: %s", mode);
    return false;
}

BlockEdge *img_open(const char *name, const ImgOpen *how)
{
    Error *err = NULL;
    g_autoptr(Json) o = json_object();
    if (how->image_opts) {
        if (how->format) {
            img_error("--image-opts and --format are mutually exclusive");
            return NULL;
        }
        if (!img_options(o, name))
            return NULL;
    }
    if (how->format)
        json_set_str(o, "driver", how->format);
    if (how->cache && !set_cache(o, how->cache))
        return NULL;
    if (how->aio)
        json_set_str(o, "file.aio", how->aio);
    json_set_str(o, "read-only", how->write ? "off" : "on");
    if (how->force_share)
        json_set_str(o, "force-share", "on");
    if (how->discard || how->write)
        json_set_str(o, "discard", "unmap");
    if (how->no_backing)
        json_set(o, "backing", json_null());
    block_open_damaged = how->damaged;
    if (how->format && !block_driver_find(how->format) && !block_format_known(how->format)) {
        img_error("Could not open '%s': Unknown driver '%s'", name, how->format);
        return NULL;
    }
    BlockNode *n = drive_open_image(o, how->image_opts ? NULL : name, &err);
    block_open_damaged = false;
    BlockEdge *e = NULL;
    if (n) {
        unsigned w = how->write ? BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE : 0;
        e = node_use(n, g_strdup("qemu-img"), BLOCK_PERM_CONSISTENT_READ | w,
                     how->force_share ? BLOCK_PERM_ALL : BLOCK_PERM_CONSISTENT_READ | BLOCK_PERM_WRITE_UNCHANGED, &err);
        node_unref(n);
    }
    if (!e) {
        g_autofree char *what = g_strdup_printf("Could not open '%s'", name);
        img_error_of(what, err);
    }
    return e;
}

bool img_close(BlockEdge *e)
{
    if (!e)
        return true;
    int ret = e->node->read_only ? 0 : node_flush(e->node);
    if (ret)
        img_error("%s: could not be written: %s", e->node->filename, g_strerror(-ret));
    node_unuse(e);
    return !ret;
}

/* ---- main ---- */

static void help(void)
{
    printf("qemu-img version %s\n\nusage: qemu-img [standard options] command [command options]\nQEMU disk image "
           "utility\n\n    '-h', '--help'       display this help and exit\n    '-V', '--version'    output version "
           "information and exit\n\nCommand syntax:\n",
           PROJECT_VERSION);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        printf("  %s %s\n", commands[i].name, commands[i].usage);
    printf("\nSupported formats:");
    for (const BlockDriver *const *d = block_drivers; *d; d++)
        if (!(*d)->hidden)
            printf(" %s", (*d)->name);
    printf("\n");
}

int main(int argc, char **argv)
{
    error_init("qemu-img");
    mainloop_init();
    catch_progress_signals();
    if (argc < 2)
        return img_usage("Not enough arguments");
    const char *name = argv[1];
    if (!strcmp(name, "-h") || !strcmp(name, "--help")) {
        help();
        return 0;
    }
    if (!strcmp(name, "-V") || !strcmp(name, "--version")) {
        printf("qemu-img version %s\n", PROJECT_VERSION);
        return 0;
    }
    if (*name == '-')
        return img_usage("unrecognized option '%s'", name);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, name))
            continue;
        if (argc > 2 && (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))) {
            help();
            return 0;
        }
        int ret = commands[i].run(argc - 1, argv + 1);
        if (fflush(stdout) && !ret)
            ret = img_error("output could not be written: %s", g_strerror(errno));
        return ret;
    }
    return img_usage("Command not found: %s", name);
}
