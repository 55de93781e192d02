/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory-backend-ram, memory-backend-file and memory-backend-memfd: host memory for guest RAM, with the properties of
 * QEMU 8.2.
 *
 * host-nodes and policy go to mbind(2). pmem=on and prealloc-context are refused: there is neither libpmem nor a
 * thread-context here.
 */
#include "backends/backends.h"

#include "hw/core/machine.h"
#include "softmmu/mainloop.h"

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODES 128

typedef struct MemoryBackend {
    Object obj;
    /* config */
    uint64_t size;
    bool merge, dump, share, prealloc, reserve, canonical_path;
    uint32_t prealloc_threads;
    char *prealloc_context;
    unsigned long host_nodes[NODES / 64];
    uint64_t bad_node; /* + 1; refused when all is known */
    int policy;
    /* file */
    char *mem_path;
    uint64_t align, offset;
    bool pmem, discard_data, readonly;
    OnOffAuto rom;
    /* memfd */
    bool hugetlb, seal;
    uint64_t hugetlb_size;

    RamBlock *block;
} MemoryBackend;
#define BACKEND(o) container_of(o, MemoryBackend, obj)

static const char *const policies[] = {[MPOL_DEFAULT] = "default",
                                       [MPOL_PREFERRED] = "preferred",
                                       [MPOL_BIND] = "bind",
                                       [MPOL_INTERLEAVE] = "interleave",
                                       NULL};

/* host-nodes: a JSON list of numbers; on a command line ranges: 0,2-3 comes as several values or "0-3". */
static void add_node(MemoryBackend *b, uint64_t n)
{
    if (n >= NODES)
        b->bad_node = MAX(n, n + 1);
    else
        b->host_nodes[n / 64] |= BIT64(n % 64);
}

static bool nodes_set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    MemoryBackend *b = obj;
    memset(b->host_nodes, 0, sizeof(b->host_nodes));
    if (from_text) {
        g_auto(GStrv) parts = g_strsplit(json_get_string(val), ",", -1);
        for (char **s = parts; *s; s++) {
            g_auto(GStrv) ends = g_strsplit(*s, "-", 2);
            uint64_t lo, hi;
            if (!ends[0] || !parse_u64(ends[0], &lo) || (ends[1] && !parse_u64(ends[1], &hi)))
                return error_set(errp,
                                 "Parameter 'host-nodes' expects numbers or ranges of numbers as in 0-3, not '%s'", *s);
            hi = ends[1] ? hi : lo;
            for (uint64_t n = lo; n <= MIN(hi, NODES); n++)
                add_node(b, n);
            if (lo > NODES)
                add_node(b, lo);
        }
        return true;
    }
    if (json_type(val) != JSON_ARRAY)
        return error_set(errp, "Invalid parameter type for 'host-nodes', expected: array");
    for (size_t i = 0; i < json_length(val); i++) {
        uint64_t n;
        if (!json_get_uint(json_at(val, i), &n))
            return error_set(errp, "Invalid parameter type for 'host-nodes', expected: numbers");
        add_node(b, n);
    }
    return true;
}

static Json *nodes_get(const void *obj, const Prop *p)
{
    const MemoryBackend *b = obj;
    Json *a = json_array();
    for (unsigned n = 0; n < NODES; n++)
        if (b->host_nodes[n / 64] & BIT64(n % 64))
            json_append(a, json_uint(n));
    return a;
}

static const PropType prop_host_nodes = {.name = "int", .set = nodes_set, .get = nodes_get, .is_string = true};

RamBlock *memory_backend_block(Object *o)
{
    return BACKEND(o)->block;
}

static bool check_nodes(MemoryBackend *b, Error **errp)
{
    bool any = false;
    if (b->bad_node)
        return error_set(errp, "Invalid host-nodes value: %" PRIu64, b->bad_node - 1);
    for (size_t i = 0; i < ARRAY_SIZE(b->host_nodes); i++)
        any |= b->host_nodes[i];
    if (any && b->policy == MPOL_DEFAULT)
        return error_set(errp, "host-nodes must be empty for policy default, or you should explicitly specify a policy "
                               "other than default");
    return any || b->policy == MPOL_DEFAULT ||
           error_set(errp, "host-nodes must be set for policy %s", policies[b->policy]);
}

static bool bind_nodes(MemoryBackend *b, Error **errp)
{
    if (b->policy == MPOL_DEFAULT)
        return true;
    unsigned flags = MPOL_MF_STRICT | MPOL_MF_MOVE;
    if (!syscall(SYS_mbind, b->block->host, b->block->size, b->policy, b->host_nodes, (unsigned long)NODES + 1, flags))
        return true;
    return error_set_errno(errp, errno, "cannot bind memory to host NUMA nodes");
}

static bool common_check(MemoryBackend *b, Error **errp)
{
    if (!b->size)
        return error_set(errp, "property 'size' of %s doesn't take value '0'", b->obj.desc->name);
    if (!b->prealloc_threads)
        return error_set(errp, "property 'prealloc-threads' of %s doesn't take value '0'", b->obj.desc->name);
    if (b->prealloc_context)
        return error_set(errp, "property 'prealloc-context' of %s is not supported; prealloc-threads is",
                         b->obj.desc->name);
    if (!b->reserve && b->prealloc)
        return error_set(errp, "'prealloc=on' and 'reserve=off' are incompatible");
    return check_nodes(b, errp);
}

static char *block_name(const MemoryBackend *b)
{
    return b->canonical_path ? g_strdup_printf("/objects/%s", b->obj.id) : g_strdup(b->obj.id);
}

static unsigned common_flags(const MemoryBackend *b)
{
    return (b->share ? RAM_SHARED : 0) | (b->reserve ? 0 : RAM_NORESERVE) | (b->dump ? 0 : RAM_DUMP_OFF) |
           (b->merge ? RAM_MERGE : 0);
}

static void backend_destroy(Object *o)
{
    MemoryBackend *b = BACKEND(o);
    if (b->discard_data && b->block->fd >= 0)
        madvise(b->block->host, b->block->size, MADV_REMOVE); /* a hint: the file need not be able to */
    ram_block_retire(b->block);
    ram_block_unref(b->block);
    b->block = NULL;
}

/* The memory is there: bind it, then touch it. */
static bool settle(MemoryBackend *b, Error **errp)
{
    if (bind_nodes(b, errp) && (!b->prealloc || ram_block_prealloc(b->block, b->prealloc_threads, errp)))
        return true;
    b->discard_data = false;
    backend_destroy(&b->obj);
    return false;
}

static bool ram_complete(Object *o, Error **errp)
{
    MemoryBackend *b = BACKEND(o);
    if (!common_check(b, errp))
        return false;
    g_autofree char *name = block_name(b);
    /* shared memory that no file is behind: a memfd is what can be handed to another process */
    b->block = b->share ? ram_block_memfd(name, b->size, common_flags(b), 0, false, errp)
                        : ram_block_anon(name, b->size, common_flags(b), errp);
    return b->block && settle(b, errp);
}

static bool file_complete(Object *o, Error **errp)
{
    MemoryBackend *b = BACKEND(o);
    if (!common_check(b, errp))
        return false;
    if (b->pmem)
        return error_set(errp, "property 'pmem' of %s: 'on' needs libpmem, which this build does not use",
                         o->desc->name);
    if (b->rom == ON_OFF_AUTO_ON && !b->readonly)
        return error_set(errp, "property 'rom' = 'on' is not supported with 'readonly' = 'off'");
    if (b->rom == ON_OFF_AUTO_OFF && b->readonly && b->share)
        return error_set(errp, "property 'rom' = 'off' is incompatible with 'readonly' = 'on' and 'share' = 'on'");
    unsigned flags = common_flags(b) | (b->readonly ? RAM_READONLY_FD : 0) |
                     (b->readonly && b->rom != ON_OFF_AUTO_OFF ? RAM_READONLY : 0);
    g_autofree char *name = block_name(b);
    b->block = ram_block_file(name, b->mem_path, b->size, b->offset, b->align, flags, errp);
    return b->block && settle(b, errp);
}

static bool memfd_complete(Object *o, Error **errp)
{
    MemoryBackend *b = BACKEND(o);
    if (!common_check(b, errp))
        return false;
    if (b->hugetlb_size && !b->hugetlb)
        return error_set(errp, "property 'hugetlbsize' of %s needs hugetlb=on", o->desc->name);
    g_autofree char *name = block_name(b);
    uint64_t huge = b->hugetlb ? b->hugetlb_size ? b->hugetlb_size : 2 * MIB : 0;
    b->block = ram_block_memfd(name, b->size, common_flags(b), huge, b->seal, errp);
    return b->block && settle(b, errp);
}

#define COMMON_PROPS(share_default)                                                                                    \
    PROP_SIZE("size", MemoryBackend, size, 0, "Size of the memory region (ex: 500M)"),                                 \
        PROP_BOOL("merge", MemoryBackend, merge, true, "Mark memory as mergeable"),                                    \
        PROP_BOOL("dump", MemoryBackend, dump, true, "Set to 'off' to exclude from core dump"),                        \
        PROP_BOOL("share", MemoryBackend, share, share_default, "Mark the memory as private to QEMU or shared"),       \
        PROP_BOOL("prealloc", MemoryBackend, prealloc, false, "Preallocate memory"),                                   \
        PROP_U32("prealloc-threads", MemoryBackend, prealloc_threads, 1, "Number of CPU threads to use for prealloc"), \
        PROP_STR("prealloc-context", MemoryBackend, prealloc_context, "Context to use for creating the threads"),      \
        PROP_BOOL("reserve", MemoryBackend, reserve, true, "Reserve swap space (or huge pages) if applicable"),        \
        PROP_(prop_host_nodes, "host-nodes", MemoryBackend, host_nodes, "Binds memory to the list of NUMA host nodes", \
              .no_default = true),                                                                                     \
        PROP_ENUM("policy", MemoryBackend, policy, policies, MPOL_DEFAULT, "Set the NUMA policy"),                     \
        PROP_BOOL("x-use-canonical-path-for-ramblock-id", MemoryBackend, canonical_path, false,                        \
                  "name the RAM by its path, as old machine versions do")

static const char *const size_required[] = {"size", NULL};
static const char *const file_required[] = {"size", "mem-path", NULL};
static const Prop ram_props[] = {COMMON_PROPS(false), {}};
static const Prop file_props[] = {
    COMMON_PROPS(false),
    PROP_STR("mem-path", MemoryBackend, mem_path, "the file, or the folder to make a nameless file in"),
    PROP_SIZE("align", MemoryBackend, align, 0, "alignment of the mapping"),
    PROP_SIZE("offset", MemoryBackend, offset, 0, "where in the file the memory begins"),
    PROP_BOOL("pmem", MemoryBackend, pmem, false, "the file is in persistent memory"),
    PROP_BOOL("discard-data", MemoryBackend, discard_data, false,
              "punch the memory out of the file when the backend goes"),
    PROP_BOOL("readonly", MemoryBackend, readonly, false, "open the file read-only"),
    PROP_ON_OFF_AUTO("rom", MemoryBackend, rom, ON_OFF_AUTO_AUTO, "the guest cannot write; auto: as readonly"),
    {},
};
static const Prop memfd_props[] = {
    COMMON_PROPS(true),
    PROP_BOOL("hugetlb", MemoryBackend, hugetlb, false, "Use huge pages"),
    PROP_SIZE("hugetlbsize", MemoryBackend, hugetlb_size, 0, "Huge pages size (ex: 2M, 1G)"),
    PROP_BOOL("seal", MemoryBackend, seal, true, "Seal growing & shrinking"),
    {},
};

const ObjectDesc object_memory_backend_ram = {
    .name = "memory-backend-ram",
    .summary = "anonymous host memory",
    .parent = "memory-backend",
    .size = sizeof(MemoryBackend),
    .props = ram_props,
    .required = size_required,
    .complete = ram_complete,
    .destroy = backend_destroy,
};

const ObjectDesc object_memory_backend_file = {
    .name = "memory-backend-file",
    .summary = "host memory from a file",
    .parent = "memory-backend",
    .size = sizeof(MemoryBackend),
    .props = file_props,
    .required = file_required,
    .complete = file_complete,
    .destroy = backend_destroy,
};

const ObjectDesc object_memory_backend_memfd = {
    .name = "memory-backend-memfd",
    .summary = "host memory from a nameless file that can be shared",
    .parent = "memory-backend",
    .size = sizeof(MemoryBackend),
    .props = memfd_props,
    .required = size_required,
    .complete = memfd_complete,
    .destroy = backend_destroy,
};

/* query-memdev */

static Json *describe(const char *id, const RamBlock *block)
{
    Json *d = json_object();
    json_set_str(d, "id", id);
    json_set_uint(d, "size", block->size);
    json_set_bool(d, "merge", block->flags & RAM_MERGE);
    json_set_bool(d, "dump", !(block->flags & RAM_DUMP_OFF));
    json_set_bool(d, "prealloc", block->flags & RAM_PREALLOC);
    json_set_bool(d, "share", block->flags & RAM_SHARED);
    json_set_bool(d, "reserve", !(block->flags & RAM_NORESERVE));
    return d;
}

static bool add_backend(Object *o, void *opaque)
{
    if (g_strcmp0(o->desc->parent, object_memory_backend_ram.parent))
        return true;
    MemoryBackend *b = BACKEND(o);
    Json *d = describe(o->id, b->block);
    json_set_bool(d, "prealloc", b->prealloc);
    json_set(d, "host-nodes", nodes_get(b, NULL));
    json_set_str(d, "policy", policies[b->policy]);
    json_append(opaque, d);
    return true;
}

Json *memory_backends_query(void)
{
    Json *all = json_array();
    objects_foreach(add_backend, all);
    if (machine && machine->ram_block && !machine->memdev) { /* -m alone makes one as well */
        Json *d = describe(machine->desc->default_ram_id, machine->ram_block);
        json_set(d, "host-nodes", json_array());
        json_set_str(d, "policy", policies[MPOL_DEFAULT]);
        json_append(all, d);
    }
    return all;
}
