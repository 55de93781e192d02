/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -drive and its short forms: what is kept of the command line, the drives made of it, and their places on interfaces.
 */
#include "block/drive.h"

#include "block/backend.h"
#include "block/create.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"
#include "util/keyval.h"

#include <stdio.h>
#include <stdlib.h>

/* name, units per bus (0: the unit is the index) and whether werror and rerror apply. */
static const struct {
    const char *name;
    int units;
    bool policies;
} ifs[DRIVE_IFS] = {
    [DRIVE_IF_NONE] = {"none", 0, true}, [DRIVE_IF_IDE] = {"ide", 2, true},       [DRIVE_IF_SCSI] = {"scsi", 7, true},
    [DRIVE_IF_FLOPPY] = {"floppy", 0},   [DRIVE_IF_PFLASH] = {"pflash", 0},       [DRIVE_IF_MTD] = {"mtd", 0},
    [DRIVE_IF_SD] = {"sd", 0},           [DRIVE_IF_VIRTIO] = {"virtio", 0, true}, [DRIVE_IF_XEN] = {"xen", 0},
};

typedef struct DriveOption {
    bool blockdev;
    char *where; /* the option as the user wrote it */
    DriveIf type;
    Json *opts;
    bool text; /* blockdev: opts' values are strings to convert */
} DriveOption;

static GArray *options; /* of DriveOption, until drives_init() */
static DriveInfo *drives;
static DriveIf machine_default_if = DRIVE_IF_IDE;

static void keep_option(DriveOption o)
{
    if (!options)
        options = g_array_new(false, false, sizeof(DriveOption));
    g_array_append_val(options, o);
}

bool drive_option(const char *text, Error **errp)
{
    Json *opts = keyval_parse(text, NULL, errp);
    if (!opts)
        return error_prepend(errp, "-drive %s: ", text);
    keep_option((DriveOption){.where = g_strdup_printf("-drive %s", text), .type = DRIVE_IF_DEFAULT, .opts = opts});
    return true;
}

bool drive_option_help(const char *text)
{
    g_autoptr(Json) o = keyval_parse(text, NULL, NULL);
    const char *f = o ? json_get_str(o, "format") : NULL;
    if (!f || (strcmp(f, "help") && strcmp(f, "?")))
        return false;
    for (int read_only = 0; read_only < 2; read_only++) {
        printf("Supported formats%s:", read_only ? " (read-only)" : "");
        for (const BlockDriver *const *d = block_drivers; *d; d++)
            if (!(*d)->hidden)
                printf(" %s", (*d)->name);
        printf("\n");
    }
    return true;
}

bool drive_option_file(const char *option, const char *path, DriveIf type, int index, const char *extra, Error **errp)
{
    Json *opts = keyval_parse(extra ? extra : "", NULL, errp);
    if (!opts)
        return false;
    json_set_str(opts, "file", path);
    if (index >= 0)
        json_set(opts, "index", json_printf("%d", index));
    keep_option((DriveOption){
        .where = *option ? g_strdup_printf("%s %s", option, path) : g_strdup(path), .type = type, .opts = opts});
    return true;
}

bool blockdev_option(const char *text, Error **errp)
{
    bool is_text;
    Json *opts = json_or_keyval_dotted(text, "driver", &is_text, errp);
    if (!opts)
        return error_prepend(errp, "-blockdev %s: ", text);
    keep_option(
        (DriveOption){.blockdev = true, .where = g_strdup_printf("-blockdev %s", text), .opts = opts, .text = is_text});
    return true;
}

/* ---- one drive ---- */

static char *take_str(Json *o, const char *key)
{
    char *s = g_strdup(json_get_str(o, key));
    json_remove(o, key);
    return s;
}

static bool take_bool(Json *o, const char *key, bool *out, Error **errp)
{
    g_autofree char *s = take_str(o, key);
    return !s || parse_bool(s, out) || error_set(errp, "Parameter '%s' expects 'on' or 'off'", key);
}

static bool take_int(Json *o, const char *key, int *out, Error **errp)
{
    g_autofree char *s = take_str(o, key);
    uint64_t v;
    if (!s)
        return true;
    if (!parse_u64(s, &v) || v > 65535)
        return error_set(errp, "Parameter '%s' expects a number", key);
    *out = (int)v;
    return true;
}

static DriveInfo *find(DriveIf type, int bus, int unit)
{
    for (DriveInfo *d = drives; d; d = d->next)
        if (d->type == type && d->bus == bus && d->unit == unit)
            return d;
    return NULL;
}

static int to_bus(DriveIf type, int index)
{
    return ifs[type].units ? index / ifs[type].units : 0;
}

static int to_unit(DriveIf type, int index)
{
    return ifs[type].units ? index % ifs[type].units : index;
}

static bool place(DriveInfo *d, int bus, int unit, int index, Error **errp)
{
    int units = ifs[d->type].units;
    if (index >= 0) {
        if (bus >= 0 || unit >= 0)
            return error_set(errp, "index cannot be used with bus and unit");
        bus = to_bus(d->type, index);
        unit = to_unit(d->type, index);
    }
    bus = MAX(bus, 0);
    if (unit < 0) {
        for (unit = 0; find(d->type, bus, unit);) {
            unit++;
            if (units && unit >= units) {
                unit -= units;
                bus++;
            }
        }
    }
    if (units && unit >= units)
        return error_set(errp, "unit %d too big (max is %d)", unit, units - 1);
    if (find(d->type, bus, unit))
        return error_set(errp, "drive with bus=%d, unit=%d (index=%d) exists", bus, unit, index);
    d->bus = bus;
    d->unit = unit;
    return true;
}

static char *default_name(const DriveInfo *d)
{
    const char *media = d->type == DRIVE_IF_IDE || d->type == DRIVE_IF_SCSI ? (d->media_cd ? "-cd" : "-hd") : "";
    if (ifs[d->type].units)
        return g_strdup_printf("%s%d%s%d", ifs[d->type].name, d->bus, media, d->unit);
    return g_strdup_printf("%s%s%d", ifs[d->type].name, media, d->unit);
}

static bool on_error(Json *o, const char *key, const char *kind, const DriveInfo *d, bool is_read, BlockOnError *out,
                     Error **errp)
{
    g_autofree char *s = take_str(o, key);
    if (!s)
        return true;
    if (!ifs[d->type].policies)
        return error_set(errp, "%s is not supported by this bus type", key);
    for (int i = 0; i < BLOCK_ON_ERROR_AUTO; i++) {
        if (!strcmp(s, block_on_error_names[i]) && !(is_read && i == BLOCK_ON_ERROR_ENOSPC)) {
            *out = i;
            return true;
        }
    }
    return error_set(errp, "'%s' invalid %s error action", s, kind);
}

/* cache=MODE as the three flags it stands for. */
static bool cache_mode(Json *o, Error **errp)
{
    static const struct {
        const char *name;
        bool writeback, direct, no_flush;
    } modes[] = {
        {"none", true, true, false},           {"off", true, true, false},
        {"writeback", true, false, false},     {"unsafe", true, false, true},
        {"writethrough", false, false, false}, {"directsync", false, true, false},
    };
    g_autofree char *s = take_str(o, "cache");
    if (!s)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        if (strcmp(s, modes[i].name))
            continue;
        const char *const on_off[] = {"off", "on"};
        const struct {
            const char *key;
            bool val;
        } flags[] = {{"cache.writeback", modes[i].writeback},
                     {"cache.direct", modes[i].direct},
                     {"cache.no-flush", modes[i].no_flush}};
        for (size_t k = 0; k < ARRAY_SIZE(flags); k++)
            if (!json_get(o, flags[k].key))
                json_set_str(o, flags[k].key, on_off[flags[k].val]);
        return true;
    }
    return error_set(errp, "invalid cache option");
}

static bool rename_key(Json *o, const char *from, const char *to, Error **errp)
{
    const char *s = json_get_str(o, from);
    if (!s || !strcmp(from, to))
        return true;
    if (json_get(o, to))
        return error_set(errp, "'%s' and its alias '%s' can't be used at the same time", to, from);
    json_set_str(o, to, s);
    json_remove(o, from);
    return true;
}

/* What QEMU takes here and this program has not got: refused by name, never ignored. */
static bool refuse_missing(Json *o, Error **errp)
{
    bool cor = false;
    if (!take_bool(o, "copy-on-read", &cor, errp))
        return false;
    if (cor)
        return error_set(errp, "copy-on-read=on is not available");
    for (size_t i = 0; i < json_length(o); i++) {
        const char *k = json_key_at(o, i);
        if (g_str_has_prefix(k, "stats-"))
            return error_set(errp, "%s is not available", k);
    }
    return true;
}

static bool take_limit(Json *o, const char *key, const char *old, uint64_t *out, Error **errp)
{
    if (!rename_key(o, old, key, errp))
        return false;
    g_autofree char *s = take_str(o, key);
    return !s || parse_u64(s, out) || error_set(errp, "Parameter '%s' expects a number", key);
}

/* throttling.*, and the old names without it. */
static bool take_limits(Json *o, ThrottleLimits *l, char **group, Error **errp)
{
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        g_autofree char *avg = g_strdup_printf("throttling.%s", throttle_names[i]),
                        *max = g_strdup_printf("%s-max", avg), *length = g_strdup_printf("%s-length", max),
                        *old = g_strdup_printf("%s_max", throttle_qmp_names[i]);
        l->length[i] = 1;
        if (!take_limit(o, avg, throttle_qmp_names[i], &l->avg[i], errp) ||
            !take_limit(o, max, old, &l->max[i], errp) || !take_limit(o, length, length, &l->length[i], errp))
            return false;
    }
    *group = take_str(o, "throttling.group");
    return take_limit(o, "throttling.iops-size", "iops_size", &l->iops_size, errp) && throttle_check(l, errp);
}

static const char *opened_format(const Json *o)
{
    const char *f = json_get_str(o, "format");
    return f ? f : json_get_str(o, "driver");
}

/* Children at any depth that have a file name and no driver get the protocol of the name. What backs an image is of a
 * format, which a name does not tell. */
static bool guess_protocols(Json *o, Error **errp)
{
    g_autoptr(Json) given = json_copy(o);
    for (size_t i = 0; i < json_length(given); i++) {
        const char *key = json_key_at(given, i), *name = json_get_string(json_val_at(given, i)), *path;
        if (!name || !g_str_has_suffix(key, ".filename") || g_str_has_suffix(key, "backing.filename"))
            continue;
        g_autofree char *child = g_strndup(key, strlen(key) - strlen(".filename")),
                        *driver = g_strconcat(child, ".driver", NULL);
        if (json_get(o, driver))
            continue;
        const char *proto = block_protocol(name, &path, errp);
        if (!proto)
            return false;
        json_set_str(o, driver, proto);
        if (path)
            json_set_str(o, key, path);
        else
            json_remove(o, key);
    }
    return true;
}

BlockNode *drive_open_image(const Json *flat, const char *file, Error **errp)
{
    g_autoptr(Json) o = json_copy(flat);
    const char *driver = json_get_str(o, "driver");
    const BlockDriver *drv = driver ? block_driver_find(driver) : NULL;
    if (driver && !drv) {
        if (block_format_known(driver))
            error_set(errp, "The image format '%s' is not supported yet; 'raw' is", driver);
        else
            error_set(errp, "Unknown driver '%s'", driver);
        return NULL;
    }
    if (file && g_str_has_prefix(file, "json:")) {
        g_autoptr(Json) nested = json_parse(file + 5, strlen(file + 5), errp);
        g_autoptr(Json) more = nested ? block_opts_flatten(nested, errp) : NULL;
        if (!more) {
            error_prepend(errp, "Could not parse the JSON options: ");
            return NULL;
        }
        for (size_t i = 0; i < json_length(more); i++)
            if (!json_get(o, json_key_at(more, i)))
                json_set(o, json_key_at(more, i), json_ref(json_val_at(more, i)));
        driver = json_get_str(o, "driver");
    } else if (file && g_str_has_prefix(file, "blkdebug:")) { /* blkdebug:CONFIG:FILE */
        const char *colon = strchr(file + 9, ':'), *path;
        const char *proto = colon ? block_protocol(colon + 1, &path, errp) : NULL;
        if (!proto) {
            if (!colon)
                error_set(errp, "blkdebug requires both config file and image path");
            return NULL;
        }
        json_set_str(o, "file.driver", "blkdebug");
        json_set_str(o, "file.image.driver", proto);
        if (path)
            json_set_str(o, "file.image.filename", path);
        g_autofree char *config = g_strndup(file + 9, (gsize)(colon - file - 9));
        if (*config)
            json_set_str(o, "file.config", config);
    } else if (file) {
        const char *path, *proto = block_protocol(file, &path, errp);
        if (!proto)
            return NULL;
        bool top = drv && !drv->has_file;
        if (!top && !json_get(o, "file.driver"))
            json_set_str(o, "file.driver", proto);
        if (path)
            json_set_str(o, top ? "filename" : "file.filename", path);
    }
    if (!guess_protocols(o, errp))
        return NULL;
    if (json_get(o, "driver"))
        return node_open(o, true, errp);
    if (!json_get(o, "file") && !json_get(o, "file.driver")) {
        error_set(errp, "Must specify either driver or file");
        return NULL;
    }
    /* Look at what is there, then open what it is on the same file. */
    BlockNode *below = node_open_file(o, true, errp), *n = NULL;
    if (!below)
        return NULL;
    uint8_t head[BLOCK_PROBE_SIZE];
    uint64_t len = MIN(node_length(below), sizeof(head));
    int ret = node_pread(below, 0, head, len);
    const char *format = ret ? NULL : block_probe_format(head, len);
    if (ret) {
        error_set_errno(errp, -ret, "Could not read image '%s' for determining its format", below->filename);
    } else if (format && !block_driver_find(format)) {
        error_set(
            errp,
            "'%s' is a %s image: this format is not supported yet (format=raw would show the guest its raw bytes)",
            below->filename, format);
    } else {
        for (size_t i = json_length(o); i-- > 0;)
            if (!strcmp(json_key_at(o, i), "file") || g_str_has_prefix(json_key_at(o, i), "file."))
                json_remove(o, json_key_at(o, i));
        json_set_str(o, "driver", format ? format : "raw");
        n = node_open_on(o, true, below, errp);
    }
    node_unref(below);
    if (!n || format)
        return n;
    n->probed_raw = true;
    if (!n->read_only)
        fprintf(stderr,
                "WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
                "         Automatically detecting the format is dangerous for raw images, write operations on block 0 "
                "will be restricted.\n"
                "         Specify the 'raw' format explicitly to remove the restrictions.\n",
                n->filename);
    return n;
}

static void free_drive(DriveInfo *d)
{
    g_free(d->where);
    g_free(d);
}

static DriveInfo *drive_new(Json *o, DriveIf type, bool snapshot, Error **errp)
{
    DriveInfo *d = g_new0(DriveInfo, 1);
    g_autofree char *media = NULL, *if_name = NULL, *file = NULL, *id = NULL;
    int bus = -1, unit = -1, index = -1;
    bool read_only = false, write_cache = true;
    BlockOnError on_read = BLOCK_ON_ERROR_REPORT, on_write = BLOCK_ON_ERROR_ENOSPC;
    BlockNode *node = NULL;
    Block *b = NULL;
    ThrottleLimits limits = {{0}};
    g_autofree char *group = NULL;

    if (!rename_key(o, "readonly", "read-only", errp) || !cache_mode(o, errp))
        goto fail;
    media = take_str(o, "media");
    if (media && strcmp(media, "disk") && strcmp(media, "cdrom")) {
        error_set(errp, "'%s' invalid media", media);
        goto fail;
    }
    d->media_cd = media && !strcmp(media, "cdrom");
    read_only = d->media_cd;
    if_name = take_str(o, "if");
    d->type = type == DRIVE_IF_DEFAULT ? machine_default_if : type;
    if (if_name) {
        int t = 0;
        while (t < DRIVE_IFS && strcmp(if_name, ifs[t].name))
            t++;
        if (t == DRIVE_IFS) {
            error_set(errp, "unsupported bus type '%s'", if_name);
            goto fail;
        }
        d->type = t;
    }
    if (!take_int(o, "bus", &bus, errp) || !take_int(o, "unit", &unit, errp) || !take_int(o, "index", &index, errp) ||
        !place(d, bus, unit, index, errp))
        goto fail;
    if (!on_error(o, "werror", "write", d, false, &on_write, errp) ||
        !on_error(o, "rerror", "read", d, true, &on_read, errp))
        goto fail;
    if (!take_limits(o, &limits, &group, errp))
        goto fail;
    if (!refuse_missing(o, errp) || !take_bool(o, "snapshot", &snapshot, errp))
        goto fail;
    if (!take_bool(o, "read-only", &read_only, errp) || !take_bool(o, "cache.writeback", &write_cache, errp))
        goto fail;
    if (d->media_cd)
        read_only = true;
    id = take_str(o, "id");
    if (!id)
        id = default_name(d);
    else if (!id_wellformed(id)) {
        error_set(errp, "Parameter 'id' expects an identifier");
        goto fail;
    }
    if (blk_find(id)) {
        error_set(errp, "Duplicate ID '%s' for drive", id);
        goto fail;
    }
    if (node_find(id)) {
        error_set(errp, "Device name '%s' conflicts with an existing node name", id);
        goto fail;
    }
    file = take_str(o, "file");
    if (file && !*file)
        g_clear_pointer(&file, g_free);
    if (json_get(o, "format") && json_get(o, "driver")) {
        error_set(errp, "Cannot specify both 'driver' and 'format'");
        goto fail;
    }
    if (opened_format(o)) {
        json_set_str(o, "driver", opened_format(o));
        json_remove(o, "format");
    }
    const char *discard = json_get_str(o, "discard"), *aio = json_get_str(o, "aio");
    if (discard && (!strcmp(discard, "on") || !strcmp(discard, "off")))
        json_set_str(o, "discard", !strcmp(discard, "on") ? "unmap" : "ignore");
    else if (discard && strcmp(discard, "unmap") && strcmp(discard, "ignore")) {
        error_set(errp, "Invalid discard option");
        goto fail;
    }
    if (aio && strcmp(aio, "threads") && strcmp(aio, "native") && strcmp(aio, "io_uring")) {
        error_set(errp, "invalid aio option");
        goto fail;
    }
    if (aio) { /* an option of the lowest layer */
        json_set_str(o, "file.aio", aio);
        json_remove(o, "aio");
    }
    bool has_image = file || json_get(o, "driver") || json_get(o, "file.driver") || json_get(o, "file.filename");
    if (has_image && file && !g_str_has_prefix(file, "json:") && json_get(o, "driver")) {
        const BlockDriver *drv = block_driver_find(json_get_str(o, "driver"));
        if (drv && !drv->has_file && json_get(o, "file.aio")) {
            json_set_str(o, "aio", json_get_str(o, "file.aio"));
            json_remove(o, "file.aio");
        }
    }
    if (!has_image) {
        /* An empty drive: options of a medium make no sense without one, but for those that wait for the next. */
        static const char *const kept[] = {"cache.direct", "cache.no-flush", "discard", "detect-zeroes", "file.aio"};
        const char *dz = json_get_str(o, "detect-zeroes");
        int detect = !dz || !strcmp(dz, "off") ? 0 : !strcmp(dz, "unmap") ? 2 : 1;
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
            json_remove(o, kept[i]);
        if (json_length(o)) {
            error_set(errp, "Must specify either driver or file");
            goto fail;
        }
        b = blk_new(id);
        b->medium_detect_zeroes = detect;
    } else {
        json_set_str(o, "read-only", read_only || snapshot ? "on" : "off");
        if (!json_get(o, "auto-read-only"))
            json_set_str(o, "auto-read-only", "on");
        node = drive_open_image(o, file, errp);
        if (!node)
            goto fail;
        if (snapshot && !read_only) {
            BlockNode *image = node;
            image->discard = 1; /* it is the overlay that frees */
            node = block_temporary_overlay(image, errp);
            node_unref(image);
            if (!node)
                goto fail;
        }
        b = blk_new(id);
        bool ok = blk_insert(b, node, errp);
        node_unref(node);
        if (!ok) {
            blk_unref(b);
            goto fail;
        }
    }
    b->write_cache = write_cache;
    blk_set_throttle(b, group, &limits, NULL);
    b->medium_read_only = read_only;
    b->on_read = on_read;
    b->on_write = on_write;
    b->drive = d;
    d->blk = b;
    DriveInfo **tail = &drives;
    while (*tail)
        tail = &(*tail)->next;
    *tail = d;
    return d;
fail:
    free_drive(d);
    return NULL;
}

/* ---- all of them ---- */

static bool make_default(const DrivesConfig *cfg, DriveIf type, int index, const char *extra, Error **errp)
{
    type = type == DRIVE_IF_DEFAULT ? machine_default_if : type;
    if (find(type, to_bus(type, index), to_unit(type, index)))
        return true;
    g_autoptr(Json) o = keyval_parse(extra, NULL, errp);
    if (!o)
        return false;
    json_set(o, "index", json_printf("%d", index));
    DriveInfo *d = drive_new(o, type, false, errp);
    if (d)
        d->is_default = true;
    return d;
}

/* Whoever looks at the images while the VM is stopped sees all that the guest was told is written. */
static void vm_state_changed(void *opaque, bool running, RunState state)
{
    if (!running) {
        blk_pause_all(); /* devices have stopped */
        for (BlockNode *n = node_next(NULL); n; n = node_next(n))
            if (!n->read_only)
                node_flush(n);
        return;
    }
    for (Block *b = blk_next(NULL); b; b = blk_next(b))
        blk_iostatus_reset(b);
}

bool drives_init(const DrivesConfig *cfg, Error **errp)
{
    machine_default_if = cfg->default_if == DRIVE_IF_DEFAULT ? DRIVE_IF_IDE : cfg->default_if;
    bool ok = true;
    for (int round = 0; round < 2; round++) { /* nodes first: drives may name them */
        for (guint i = 0; ok && options && i < options->len; i++) {
            DriveOption *o = &g_array_index(options, DriveOption, i);
            if (o->blockdev != !round)
                continue;
            if (o->blockdev) {
                ok = blockdev_add_opts(o->opts, o->text, errp);
            } else {
                DriveInfo *d = drive_new(o->opts, o->type, cfg->snapshot, errp);
                ok = d;
                if (d)
                    d->where = g_strdup(o->where);
            }
            if (!ok)
                error_prepend(errp, "%s: ", o->where);
        }
    }
    for (guint i = 0; options && i < options->len; i++) {
        DriveOption *o = &g_array_index(options, DriveOption, i);
        g_free(o->where);
        json_unref(o->opts);
    }
    if (options)
        g_array_free(options, true);
    options = NULL;
    ok = ok && (!cfg->default_cdrom || make_default(cfg, DRIVE_IF_DEFAULT, 2, "media=cdrom", errp)) &&
         (!cfg->default_floppy || make_default(cfg, DRIVE_IF_FLOPPY, 0, "", errp)) &&
         (!cfg->default_sdcard || make_default(cfg, DRIVE_IF_SD, 0, "", errp));
    if (ok)
        runstate_register(vm_state_changed, NULL);
    return ok;
}

DriveInfo *drive_claim_next(DriveIf type, DriveInfo *after)
{
    for (DriveInfo *d = after ? after->next : drives; d; d = d->next) {
        if (d->type != type)
            continue;
        d->claimed = true;
        return d;
    }
    return NULL;
}

DriveInfo *drive_get(DriveIf type, int bus, int unit)
{
    DriveInfo *d = find(type, bus, unit);
    if (d)
        d->claimed = true;
    return d;
}

int drive_max_bus(DriveIf type)
{
    int max = -1;
    for (DriveInfo *d = drives; d; d = d->next)
        if (d->type == type)
            max = MAX(max, d->bus);
    return max;
}

bool drives_check_orphans(void)
{
    bool ok = true;
    for (DriveInfo *d = drives; d; d = d->next) {
        if (d->type == DRIVE_IF_NONE || d->claimed || d->is_default)
            continue;
        error_report("%s: machine type does not support if=%s,bus=%d,unit=%d", d->where ? d->where : "drive",
                     ifs[d->type].name, d->bus, d->unit);
        ok = false;
    }
    return ok;
}

static void unlink_drive(DriveInfo *d)
{
    for (DriveInfo **p = &drives; *p; p = &(*p)->next) {
        if (*p == d) {
            *p = d->next;
            break;
        }
    }
    d->blk->drive = NULL;
    free_drive(d);
}

void drive_auto_del(Block *b)
{
    unlink_drive(b->drive);
    blk_remove(b);
    blk_forget_name(b);
    blk_unref(b);
}

bool drive_add_hmp(const char *text, Error **errp)
{
    g_autoptr(Json) o = keyval_parse(text, NULL, errp);
    if (!o)
        return false;
    const char *if_name = json_get_str(o, "if");
    if (!if_name || strcmp(if_name, "none"))
        return error_set(errp, "Can't hot-add drive to type '%s': use if=none and device_add",
                         if_name ? if_name : "default");
    DriveInfo *d = drive_new(o, DRIVE_IF_NONE, false, errp);
    if (d)
        d->where = g_strdup_printf("drive_add %s", text);
    return d;
}

bool drive_add_node(const char *text, Error **errp)
{
    g_autoptr(Json) o = keyval_parse(text, NULL, errp);
    if (!o)
        return false;
    if (!json_get(o, "node-name"))
        return error_set(errp, "'node-name' needs to be specified");
    BlockNode *n = drive_open_image(o, NULL, errp);
    if (n)
        n->monitor_owned = true;
    return n;
}

bool drive_del(const char *id, Error **errp)
{
    BlockNode *n = node_find(id);
    if (n && n->monitor_owned)
        return error_set(errp, "Deleting device added with blockdev-add is not supported");
    Block *b = blk_find(id);
    if (!b)
        return error_set_class(errp, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    if (!b->drive)
        return error_set(errp, "Device '%s' was not made by -drive or drive_add", id);
    blk_remove(b);
    if (b->dev) {
        /* The guest still has the device: from now on its requests fail, and nobody waits for a medium. */
        blk_set_on_error(b, BLOCK_ON_ERROR_REPORT, BLOCK_ON_ERROR_REPORT);
        unlink_drive(b->drive);
        blk_forget_name(b);
        blk_unref(b);
        return true;
    }
    drive_auto_del(b);
    return true;
}

/* Devices are gone or will not be heard of again. What the monitor made goes from the top of the graph down: a parent's
 * close may write to its children. */
void block_cleanup(void)
{
    ASSERT_VM_LOCKED();
    blk_pause_all();
    for (Block *b = blk_next(NULL); b; b = blk_next(b))
        blk_remove(b);
    for (BlockNode *n = node_next(NULL); n;) {
        if (n->monitor_owned && !n->users->len) {
            node_flush_last(n);
            n->monitor_owned = false;
            node_unref(n);
            n = node_next(NULL);
        } else {
            n = node_next(n);
        }
    }
}
