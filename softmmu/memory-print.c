/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info mtree`: the trees of the address spaces and of what aliases show, or the flat views. Laid out as QEMU does. */
#include "softmmu/memory-internal.h"

static const char *kind_name(const MemoryRegion *r)
{
    while (r->kind == REGION_ALIAS)
        r = r->alias;
    switch (r->kind) {
    case REGION_RAM:
        return r->nonvolatile ? "nv-ram" : r->readonly ? "rom" : "ram";
    case REGION_ROM:
        return "rom";
    case REGION_ROM_DEVICE:
        return "romd";
    default:
        return "i/o";
    }
}

/* The last byte at or behind addr of a window of size; an empty one ends where it begins. */
static uint64_t last_of(uint64_t addr, unsigned __int128 size)
{
    return size ? (uint64_t)(addr + size - 1) : addr;
}

static void remember(GPtrArray *targets, MemoryRegion *r)
{
    if (!g_ptr_array_find(targets, r, NULL))
        g_ptr_array_add(targets, r);
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const MemoryRegion *x = *(MemoryRegion *const *)a, *y = *(MemoryRegion *const *)b;
    if (x->addr != y->addr)
        return x->addr < y->addr ? -1 : 1;
    return x->priority > y->priority ? -1 : x->priority < y->priority;
}

static void print_region(GString *out, MemoryRegion *r, unsigned level, uint64_t base, bool disabled,
                         GPtrArray *targets)
{
    uint64_t addr = base + r->addr;
    if (r->alias)
        remember(targets, r->alias);
    if (r->enabled || disabled) {
        g_string_append_printf(out, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): ", (int)level * 2, "", addr,
                               last_of(addr, r->size), r->priority, kind_name(r));
        if (r->alias)
            g_string_append_printf(out, "alias %s @%s %016" PRIx64 "-%016" PRIx64, r->name, r->alias->name,
                                   r->alias_offset, last_of(r->alias_offset, r->size));
        else
            g_string_append(out, r->name);
        g_string_append(out, r->enabled ? "\n" : " [disabled]\n");
    }
    if (!r->children)
        return;
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();
    for (guint i = 0; i < r->children->len; i++)
        g_ptr_array_add(sorted, r->children->pdata[i]);
    g_ptr_array_sort(sorted, by_address);
    for (guint i = 0; i < sorted->len; i++)
        print_region(out, sorted->pdata[i], level + 1, addr, disabled, targets);
}

static void print_view(GString *out, const FlatView *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        const FlatRange *f = &v->ranges[i];
        const char *kind = f->ram && f->readonly && !f->region->ops ? "rom"
                           : f->nonvolatile                         ? "nv-ram"
                                                                    : kind_name(f->region);
        g_string_append_printf(out, "  %016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", f->addr, f->last,
                               f->region->priority, kind, f->region->name);
        if (f->offset)
            g_string_append_printf(out, " @%016" PRIx64, f->offset);
        g_string_append_c(out, '\n');
    }
    if (!v->n)
        g_string_append(out, "  No rendered FlatView\n");
}

static void print_flat(GString *out)
{
    unsigned n = 0;
    for (AddressSpace *as = address_spaces; as; as = as->next) {
        bool shown = false;
        for (AddressSpace *a = address_spaces; a != as; a = a->next)
            shown |= a->view == as->view;
        if (shown)
            continue;
        g_string_append_printf(out, "FlatView #%u\n", n++);
        for (AddressSpace *a = as; a; a = a->next) {
            if (a->view != as->view)
                continue;
            g_string_append_printf(out, " AS \"%s\", root: %s", a->name, a->root->name);
            if (a->root->alias)
                g_string_append_printf(out, ", alias %s", a->root->alias->name);
            g_string_append_c(out, '\n');
        }
        g_string_append_printf(out, " Root memory region: %s\n", as->view->root->name);
        print_view(out, as->view);
        g_string_append_c(out, '\n');
    }
}

void memory_print(GString *out, bool flat, bool disabled)
{
    if (flat) {
        print_flat(out);
        return;
    }
    g_autoptr(GPtrArray) targets = g_ptr_array_new();
    for (AddressSpace *as = address_spaces; as; as = as->next) {
        bool shown = false;
        for (AddressSpace *a = address_spaces; a != as; a = a->next)
            shown |= a->root == as->root;
        if (shown)
            continue;
        for (AddressSpace *a = as; a; a = a->next)
            if (a->root == as->root)
                g_string_append_printf(out, "address-space: %s\n", a->name);
        print_region(out, as->root, 1, 0, disabled, targets);
        g_string_append_c(out, '\n');
    }
    for (guint i = 0; i < targets->len; i++) { /* grows on the way */
        MemoryRegion *r = targets->pdata[i];
        g_string_append_printf(out, "memory-region: %s\n", r->name);
        print_region(out, r, 1, 0, disabled, targets);
        g_string_append_c(out, '\n');
    }
}
