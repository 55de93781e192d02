/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fw_cfg device (QEMU's docs/specs/fw_cfg.rst).
 *
 * Ports: 510h selector (16 bits, write), 511h data (8 bits, read), 514h to 51Bh the address of a DMA request, big
 * endian; writing its low half starts the request. Numbered items have keys below 20h, those of the architecture 8000h
 * and up; files have keys from 20h on, in the order of their names: a key is what the directory says now, so all are
 * there before the guest looks. Reading past an item's end gives zeroes.
 *
 * What is large (a kernel, an initrd) stays in its file and is read when the guest reads it: not mapped, since a file
 * that somebody cuts short would be a SIGBUS.
 */
#include "hw/i386/fw-cfg.h"
#include "hw/core/machine.h"
#include "hw/i386/loader.h"

#include <sys/stat.h>
#include <unistd.h>

enum {
    PORT = 0x510,
    PORT_DMA = 0x514,
    NUMBERED = 0x20,
    ARCH = 0x8000,
    WRITE_CHANNEL = 0x4000,
    NAME_MAX_LEN = 55,
    FILE_ENTRY = 64,
    CHUNK = 65536,
    READ_AHEAD = 4096,
};
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
#define DMA_SIGNATURE 0x51454d5520434647ULL /* "QEMU CFG" */

/* Where an item's bytes are, but for those in memory. */
typedef struct Source {
    int fd;
    uint64_t off;
    char *path;
    struct timespec modified; /* when it was opened */
    bool told;                /* the user knows that it is not what it was */
} Source;

typedef struct Item {
    char *name;    /* NULL: numbered */
    uint8_t *data; /* NULL: source has them */
    Source *source;
    size_t len;
    bool writable;
    FwCfgSelectFn *on_select;
    FwCfgWriteFn *on_write;
    void *opaque;
} Item;

struct FwCfg {
    Device dev;
    /* config */
    bool dma_enabled, acpi_mr_restore;
    uint16_t file_slots;
    /* wiring */
    IoRegion io, dma_io;
    Item numbered[NUMBERED], arch[NUMBERED];
    GPtrArray *files; /* of Item *, by name */
    Item directory;
    /* state */
    uint16_t key;
    uint32_t offset;
    uint64_t dma_addr;
    /* what the data port has read ahead of an item in a file; never migrated */
    uint8_t ahead[READ_AHEAD];
    uint32_t ahead_at, ahead_len;
};

/* Items. */

static void item_clear(Item *it)
{
    g_clear_pointer(&it->data, g_free);
    if (it->source) {
        close(it->source->fd);
        g_free(it->source->path);
        g_clear_pointer(&it->source, g_free);
    }
}

static void item_set(Item *it, const void *data, size_t len)
{
    uint8_t *copy = data ? g_memdup2(data, len) : g_malloc0(len);
    item_clear(it);
    it->data = copy;
    it->len = len;
}

/* len bytes from off on, all of them in the item. */
static void item_read(Item *it, size_t off, void *buf, size_t len)
{
    if (it->data) {
        memcpy(buf, it->data + off, len);
        return;
    }
    Source *s = it->source;
    size_t have = 0;
    struct stat st;
    while (have < len) {
        ssize_t n = pread(s->fd, (uint8_t *)buf + have, len - have, (off_t)(s->off + off + have));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        have += n;
    }
    memset((uint8_t *)buf + have, 0, len - have);
    bool changed =
        !fstat(s->fd, &st) && (st.st_mtim.tv_sec != s->modified.tv_sec || st.st_mtim.tv_nsec != s->modified.tv_nsec);
    if ((have < len || changed) && !s->told) {
        s->told = true;
        warn_report("'%s' was changed while the machine was running: the guest reads %s", s->path,
                    have < len ? "zeroes where it has become shorter" : "what is in it now");
    }
}

void fw_cfg_add_bytes(FwCfg *f, uint16_t key, const void *data, size_t len)
{
    assert((key & ~ARCH) < NUMBERED);
    item_set(key & ARCH ? &f->arch[key & ~ARCH] : &f->numbered[key], data, len);
}

void fw_cfg_add_from_file(FwCfg *f, uint16_t key, int fd, uint64_t off, size_t len, const char *path)
{
    Item *it = key & ARCH ? &f->arch[key & ~ARCH] : &f->numbered[key];
    struct stat st;
    assert((key & ~ARCH) < NUMBERED);
    item_clear(it);
    it->source = g_new0(Source, 1);
    *it->source = (Source){.fd = fd, .off = off, .path = g_strdup(path)};
    if (!fstat(fd, &st))
        it->source->modified = st.st_mtim;
    it->len = len;
}

void fw_cfg_add_string(FwCfg *f, uint16_t key, const char *s)
{
    fw_cfg_add_bytes(f, key, s, strlen(s) + 1);
}

void fw_cfg_add_u16(FwCfg *f, uint16_t key, uint16_t v)
{
    v = GUINT16_TO_LE(v);
    fw_cfg_add_bytes(f, key, &v, sizeof(v));
}

void fw_cfg_add_u32(FwCfg *f, uint16_t key, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    fw_cfg_add_bytes(f, key, &v, sizeof(v));
}

void fw_cfg_add_u64(FwCfg *f, uint16_t key, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    fw_cfg_add_bytes(f, key, &v, sizeof(v));
}

static Item *file_find(const FwCfg *f, const char *name)
{
    for (guint i = 0; i < f->files->len; i++) {
        Item *it = f->files->pdata[i];
        if (!strcmp(it->name, name))
            return it;
    }
    return NULL;
}

static Item *file_get(FwCfg *f, const char *name, Error **errp)
{
    Item *it = file_find(f, name);
    if (it)
        return it;
    if (strlen(name) > NAME_MAX_LEN || !*name) {
        error_set(errp, "fw_cfg item name '%s' is empty or longer than %d bytes", name, NAME_MAX_LEN);
        return NULL;
    }
    if (f->files->len >= f->file_slots) {
        error_set(
            errp,
            "fw_cfg has no room for '%s': all %u file slots are taken (-global fw_cfg_io.x-file-slots=N gives more)",
            name, f->file_slots);
        return NULL;
    }
    it = g_new0(Item, 1);
    it->name = g_strdup(name);
    guint at = 0;
    while (at < f->files->len && strcmp(((Item *)f->files->pdata[at])->name, name) < 0)
        at++;
    g_ptr_array_insert(f->files, at, it);
    return it;
}

bool fw_cfg_add_file(FwCfg *f, const char *name, const void *data, size_t len, Error **errp)
{
    Item *it = file_get(f, name, errp);
    if (it)
        item_set(it, data, len);
    return it;
}

bool fw_cfg_add_file_callback(FwCfg *f, const char *name, const void *data, size_t len, FwCfgSelectFn *on_select,
                              FwCfgWriteFn *on_write, void *opaque, bool writable, Error **errp)
{
    Item *it = file_get(f, name, errp);
    if (!it)
        return false;
    item_set(it, data, len);
    it->on_select = on_select;
    it->on_write = on_write;
    it->opaque = opaque;
    it->writable = writable;
    return true;
}

void *fw_cfg_file_data(FwCfg *f, const char *name, size_t *len)
{
    Item *it = file_find(f, name);
    if (it && len)
        *len = it->len;
    return it ? it->data : NULL;
}

const char *fw_cfg_file_at(const FwCfg *f, unsigned i, size_t *len)
{
    if (i >= f->files->len)
        return NULL;
    const Item *it = f->files->pdata[i];
    *len = it->len;
    return it->name;
}

/* Count, then for each file: size, key (big endian), two reserved bytes, the name in 56 bytes. */
static void build_directory(FwCfg *f)
{
    size_t len = 4 + (size_t)f->files->len * FILE_ENTRY;
    g_autofree uint8_t *d = g_malloc0(len);
    stl_be(d, f->files->len);
    for (guint i = 0; i < f->files->len; i++) {
        Item *it = f->files->pdata[i];
        uint8_t *e = d + 4 + (size_t)i * FILE_ENTRY;
        stl_be(e, it->len);
        stw_be(e + 4, FW_CFG_FILE_FIRST + i);
        memcpy(e + 8, it->name, strlen(it->name));
    }
    item_set(&f->directory, d, len);
}

/* The guest's side. */

static Item *current(FwCfg *f)
{
    unsigned n = f->key & ~(ARCH | WRITE_CHANNEL);
    if (f->key & ARCH)
        return n < NUMBERED ? &f->arch[n] : NULL;
    if (n == FW_CFG_FILE_DIR)
        return &f->directory;
    if (n < NUMBERED)
        return &f->numbered[n];
    return n - FW_CFG_FILE_FIRST < f->files->len ? f->files->pdata[n - FW_CFG_FILE_FIRST] : NULL;
}

static void select_key(FwCfg *f, uint16_t key)
{
    f->key = key;
    f->offset = f->ahead_len = 0;
    if ((key & ~(ARCH | WRITE_CHANNEL)) == FW_CFG_FILE_DIR)
        build_directory(f);
    Item *it = current(f);
    if (it && it->on_select)
        it->on_select(it->opaque);
}

static uint64_t data_read(void *opaque, uint64_t off, unsigned size)
{
    FwCfg *f = opaque;
    Item *it = current(f);
    if (size != 1 || !it || f->offset >= it->len)
        return 0;
    if (it->data)
        return it->data[f->offset++];
    if (f->offset < f->ahead_at || f->offset - f->ahead_at >= f->ahead_len) {
        f->ahead_at = f->offset;
        f->ahead_len = MIN((size_t)READ_AHEAD, it->len - f->offset);
        item_read(it, f->ahead_at, f->ahead, f->ahead_len);
    }
    return f->ahead[f->offset++ - f->ahead_at];
}

static void select_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    if (off == 0 && size == 2) /* bytes written to the data port are ignored since QEMU 2.4 */
        select_key(opaque, val);
}

/* len bytes of the item to guest memory. */
static bool item_to_guest(Item *it, size_t off, uint64_t addr, size_t len)
{
    if (it->data)
        return as_write(&as_memory, addr, it->data + off, len) == MEM_OK;
    g_autofree uint8_t *buf = g_malloc(MIN(len, (size_t)CHUNK));
    for (size_t at = 0, n; at < len; at += n) {
        n = MIN(len - at, (size_t)CHUNK);
        item_read(it, off + at, buf, n);
        if (as_write(&as_memory, addr + at, buf, n) != MEM_OK)
            return false;
    }
    return true;
}

/* The bytes of a transfer, cut at the item's end; zeroes follow a read's. */
static bool dma_transfer(FwCfg *f, uint32_t control, uint64_t addr, uint32_t len)
{
    Item *it = current(f);
    uint32_t have = it && f->offset < it->len ? MIN(len, it->len - f->offset) : 0;
    if (control & DMA_READ) {
        if (have && !item_to_guest(it, f->offset, addr, have))
            return false;
        for (uint32_t at = have, n; at < len; at += n) { /* in pieces: what is not memory ends it at once */
            n = MIN(len - at, CHUNK);
            if (as_fill(&as_memory, addr + at, 0, n) != MEM_OK)
                return false;
        }
    } else if (control & DMA_WRITE) {
        if (!it || !it->writable || have != len)
            return false;
        g_autofree uint8_t *copy = g_malloc(len);
        if (as_read(&as_memory, addr, copy, len) != MEM_OK)
            return false;
        memcpy(it->data + f->offset, copy, len);
        if (it->on_write)
            it->on_write(it->opaque, f->offset, len);
    }
    f->offset += have;
    return true;
}

static void dma_run(FwCfg *f)
{
    uint64_t desc = f->dma_addr;
    uint8_t req[16], result[4];
    f->dma_addr = 0;
    if (as_read(&as_memory, desc, req, sizeof(req)) != MEM_OK) {
        stl_be(result, DMA_ERROR);
        as_write(&as_memory, desc, result, sizeof(result));
        return;
    }
    uint32_t control = ldl_be(req), len = ldl_be(req + 4);
    if (control & DMA_SELECT)
        select_key(f, control >> 16);
    bool ok = true;
    if (control & (DMA_READ | DMA_WRITE | DMA_SKIP))
        ok = dma_transfer(f,
                          control & DMA_READ    ? DMA_READ
                          : control & DMA_WRITE ? DMA_WRITE
                                                : DMA_SKIP,
                          ldq_be(req + 8), len);
    stl_be(result, ok ? 0 : DMA_ERROR);
    as_write(&as_memory, desc, result, sizeof(result));
}

/* Big-endian register: the value of an access is the host's view of little-endian bytes, so it is turned. */
static uint64_t dma_read(void *opaque, uint64_t off, unsigned size)
{
    uint8_t sig[8];
    stq_be(sig, DMA_SIGNATURE);
    return ldn_le(sig + (off & 7), MIN(size, 8 - (off & 7)));
}

static void dma_write(void *opaque, uint64_t off, uint64_t val, unsigned size)
{
    FwCfg *f = opaque;
    if (size == 8 && off == 0) {
        f->dma_addr = GUINT64_SWAP_LE_BE(val);
        dma_run(f);
    } else if (size == 4 && off == 0) {
        f->dma_addr = (uint64_t)GUINT32_SWAP_LE_BE((uint32_t)val) << 32;
    } else if (size == 4 && off == 4) {
        f->dma_addr |= GUINT32_SWAP_LE_BE((uint32_t)val);
        dma_run(f);
    }
}

static const IoOps comb_ops = {data_read, select_write, .min = 1, .max = 2, .aligned_only = true};
static const IoOps dma_ops = {dma_read, dma_write, .min = 1, .max = 8, .reentrant = true};

/* -fw_cfg. */

static GPtrArray *options; /* of Json * */

bool fw_cfg_option_add(const Json *opts, Error **errp)
{
    const char *name = json_get_str(opts, "name"), *file = json_get_str(opts, "file"),
               *string = json_get_str(opts, "string");
    for (size_t i = 0; i < json_length(opts); i++) {
        const char *key = json_key_at(opts, i);
        if (!strcmp(key, "gen_id"))
            return error_set(errp, "gen_id: no object that generates fw_cfg content is supported");
        if (strcmp(key, "name") && strcmp(key, "file") && strcmp(key, "string"))
            return error_set(errp, "Invalid parameter '%s': name, file and string are known", key);
    }
    if (!name || !*name || !file == !string)
        return error_set(errp, "invalid argument(s): a name and one of file and string are needed");
    if (strlen(name) > NAME_MAX_LEN)
        return error_set(errp, "name too long (max. %d char)", NAME_MAX_LEN);
    if (!options)
        options = g_ptr_array_new();
    g_ptr_array_add(options, json_copy(opts));
    return true;
}

bool fw_cfg_options_apply(FwCfg *f, Error **errp)
{
    for (guint i = 0; options && i < options->len; i++) {
        const char *name = json_get_str(options->pdata[i], "name"), *file = json_get_str(options->pdata[i], "file"),
                   *string = json_get_str(options->pdata[i], "string");
        if (strncmp(name, "opt/", 4))
            warn_report("externally provided fw_cfg item names should be prefixed with \"opt/\"");
        if (file_find(f, name))
            return error_set(errp, "duplicate fw_cfg file name: %s", name);
        if (string) {
            if (!fw_cfg_add_file(f, name, string, strlen(string), errp))
                return false;
            continue;
        }
        g_autofree char *data = NULL;
        gsize len;
        g_autoptr(GError) err = NULL;
        if (!g_file_get_contents(file, &data, &len, &err))
            return error_set(errp, "can't load %s: %s", file, err->message);
        if (len > UINT32_MAX)
            return error_set(errp, "can't load %s: larger than 4 GiB", file);
        if (!fw_cfg_add_file(f, name, data, len, errp))
            return false;
    }
    return true;
}

/* Device. */

static void item_free(gpointer it)
{
    item_clear(it);
    g_free(((Item *)it)->name);
    g_free(it);
}

static bool fw_cfg_realize(Device *dev, Error **errp)
{
    FwCfg *f = container_of(dev, FwCfg, dev);
    if (f->file_slots < 0x10 || f->file_slots > 0x3fdf)
        return error_set(errp, "\"file_slots\" must be between 0x10 and 0x3fdf");
    f->files = g_ptr_array_new_with_free_func(item_free);
    region_init_io(&f->io, dev, &comb_ops, f, "fwcfg", 2);
    region_add(&system_io, PORT, &f->io);
    if (f->dma_enabled) {
        region_init_io(&f->dma_io, dev, &dma_ops, f, "fwcfg.dma", 8);
        region_add(&system_io, PORT_DMA, &f->dma_io);
    }
    fw_cfg_add_bytes(f, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(f, FW_CFG_ID, 1 | (f->dma_enabled ? 2 : 0));
    return true;
}

static void fw_cfg_reset(Device *dev)
{
    FwCfg *f = container_of(dev, FwCfg, dev);
    select_key(f, 0);
    f->dma_addr = 0;
}

static void fw_cfg_finalize(Device *dev)
{
    FwCfg *f = container_of(dev, FwCfg, dev);
    for (unsigned i = 0; i < NUMBERED; i++) {
        item_clear(&f->numbered[i]);
        item_clear(&f->arch[i]);
    }
    item_clear(&f->directory);
    if (f->files)
        g_ptr_array_free(f->files, true);
}

static bool dma_needed(void *opaque)
{
    return ((FwCfg *)opaque)->dma_enabled;
}

static const VmState dma_vmstate = {
    .name = "fw_cfg/dma",
    .version = 1,
    .min_version = 1,
    .needed = dma_needed,
    .fields = (const VmField[]){VM_U64(FwCfg, dma_addr), {}},
};

static const VmState fw_cfg_vmstate = {
    .name = "fw_cfg",
    .version = 2,
    .min_version = 2,
    .fields = (const VmField[]){VM_U16(FwCfg, key), VM_U32(FwCfg, offset), {}},
    .subsections = (const VmState *const[]){&dma_vmstate, NULL},
};

static const Prop fw_cfg_props[] = {
    PROP_BOOL("dma_enabled", FwCfg, dma_enabled, true, "the DMA interface"),
    PROP_U16("x-file-slots", FwCfg, file_slots, 0x20, "the number of files there may be"),
    PROP_BOOL("acpi-mr-restore", FwCfg, acpi_mr_restore, true, "restore the sizes of ACPI blobs with the state"),
    {},
};

const DeviceDesc fw_cfg_io = {
    .name = "fw_cfg_io",
    .summary = "firmware configuration",
    .parent = "fw_cfg",
    .bus = BUS_SYSTEM,
    .category = DEV_MISC,
    .flags = DEV_NO_USER,
    .size = sizeof(FwCfg),
    .props = fw_cfg_props,
    .vmstate = &fw_cfg_vmstate,
    .realize = fw_cfg_realize,
    .finalize = fw_cfg_finalize,
    .reset = fw_cfg_reset,
};

/* etc/e820. */

typedef struct E820 {
    uint64_t addr, len;
    uint32_t type;
} __attribute__((packed)) E820;
static GArray *e820;

void e820_add(uint64_t addr, uint64_t len, uint32_t type)
{
    if (!e820)
        e820 = g_array_new(false, false, sizeof(E820));
    E820 e = {GUINT64_TO_LE(addr), GUINT64_TO_LE(len), GUINT32_TO_LE(type)};
    g_array_append_val(e820, e);
}

size_t e820_count(void)
{
    return e820 ? e820->len : 0;
}

bool e820_get(size_t i, uint32_t type, uint64_t *addr, uint64_t *len)
{
    if (i >= e820_count())
        return false;
    E820 *e = &g_array_index(e820, E820, i);
    if (GUINT32_FROM_LE(e->type) != type)
        return false;
    *addr = GUINT64_FROM_LE(e->addr);
    *len = GUINT64_FROM_LE(e->len);
    return true;
}

bool e820_publish(FwCfg *f, Error **errp)
{
    return fw_cfg_add_file(f, "etc/e820", e820 ? (void *)e820->data : NULL, e820_count() * sizeof(E820), errp);
}
