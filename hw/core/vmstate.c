/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saving and loading of tables of fields, in the layout of QEMU's migration stream (docs/devel/migration.rst):
 *
 *     fields, in the table's order, each element big endian, nothing between them
 *     then each subsection that is needed: byte 5, a byte of length, the name, version (4 bytes), and itself as this
 *
 * A nested struct is its fields and its subsections. Where a byte 5 that follows a struct's fields is no subsection of
 * it but the next field's data is told by the name.
 */
#include "hw/core/vmstate.h"

#define SUBSECTION_MARK 5

struct VmWriter {
    GByteArray *out;
};

struct VmReader {
    const uint8_t *data;
    size_t len, pos;
};

VmWriter *vm_writer_new(void)
{
    VmWriter *w = g_new0(VmWriter, 1);
    w->out = g_byte_array_new();
    return w;
}

void vm_put(VmWriter *w, const void *data, size_t len)
{
    g_byte_array_append(w->out, data, (guint)len);
}

void vm_put_be(VmWriter *w, uint64_t val, unsigned size)
{
    uint8_t be[8];
    stq_be(be, val);
    vm_put(w, be + 8 - size, size);
}

GByteArray *vm_writer_finish(VmWriter *w)
{
    GByteArray *out = w->out;
    g_free(w);
    return out;
}

VmReader *vm_reader_new(const uint8_t *data, size_t len)
{
    VmReader *r = g_new(VmReader, 1);
    *r = (VmReader){data, len, 0};
    return r;
}

bool vm_get(VmReader *r, void *out, size_t len, Error **errp)
{
    if (len > r->len - r->pos)
        return error_set(errp, "the stream ends %zu bytes early", len - (r->len - r->pos));
    if (len)
        memcpy(out, r->data + r->pos, len);
    r->pos += len;
    return true;
}

bool vm_get_be(VmReader *r, uint64_t *out, unsigned size, Error **errp)
{
    uint8_t be[8] = {0};
    if (!vm_get(r, be + 8 - size, size, errp))
        return false;
    *out = ldq_be(be);
    return true;
}

size_t vm_reader_left(const VmReader *r)
{
    return r->len - r->pos;
}

void vm_reader_free(VmReader *r)
{
    g_free(r);
}

/* Integers in host order at p. */
static uint64_t load_int(const void *p, size_t size)
{
    switch (size) {
    case 1:
        return *(const uint8_t *)p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        assert(size == 8);
        return *(const uint64_t *)p;
    }
}

static void store_int(void *p, size_t size, uint64_t val)
{
    switch (size) {
    case 1:
        *(uint8_t *)p = (uint8_t)val;
        break;
    case 2:
        *(uint16_t *)p = (uint16_t)val;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)val;
        break;
    default:
        assert(size == 8);
        *(uint64_t *)p = val;
    }
}

static bool present(const VmField *f, void *opaque, int version)
{
    return f->min_version <= version && (!f->exists || f->exists(opaque, version));
}

/* Where the data is, and how many elements (bytes, for the kinds that are bytes) it has. */
static bool locate(const VmField *f, void *opaque, uint8_t **at, size_t *num, Error **errp)
{
    *at = (uint8_t *)opaque + f->offset;
    if (f->is_pointer)
        *at = *(uint8_t **)*at;
    *num = f->num;
    if (f->kind == VM_VBYTES || f->kind == VM_VSTRUCT) {
        uint32_t n = *(uint32_t *)((uint8_t *)opaque + f->count_offset);
        if (n > f->num)
            return error_set(errp, "field '%s': %u elements, there is room for %zu", f->name, n, f->num);
        *num = n;
    }
    return *at || !*num || error_set(errp, "field '%s' is not there", f->name);
}

static bool save_field(VmWriter *w, const VmField *f, void *opaque, Error **errp)
{
    uint8_t *at;
    size_t num;
    if (!locate(f, opaque, &at, &num, errp))
        return false;
    switch (f->kind) {
    case VM_INT:
        for (size_t i = 0; i < num; i++)
            vm_put_be(w, load_int(at + i * f->size, f->size), (unsigned)f->size);
        return true;
    case VM_BOOL_K:
    case VM_BYTES:
    case VM_VBYTES:
        vm_put(w, at, num);
        return true;
    case VM_STRUCT_K:
    case VM_VSTRUCT:
        for (size_t i = 0; i < num; i++)
            if (!vmstate_save(w, f->vmsd, at + i * f->size, errp))
                return error_prepend(errp, "field '%s': ", f->name);
        return true;
    case VM_TIMER_K:
        for (size_t i = 0; i < num; i++) {
            const Timer *t = (const Timer *)at + i;
            vm_put_be(w, timer_armed(t) ? (uint64_t)t->expires : ~0ULL, 8);
        }
        return true;
    case VM_UNUSED:
        for (size_t i = 0; i < num; i++)
            vm_put_be(w, 0, 1);
        return true;
    case VM_CUSTOM:
        f->put(w, at, f);
        return true;
    case VM_END:
        break;
    }
    g_assert_not_reached();
}

bool vmstate_save(VmWriter *w, const VmState *v, void *opaque, Error **errp)
{
    if (v->pre_save && !v->pre_save(opaque, errp))
        return false;
    for (const VmField *f = v->fields; f && f->kind != VM_END; f++)
        if (present(f, opaque, v->version) && !save_field(w, f, opaque, errp))
            return false;
    for (const VmState *const *s = v->subsections; s && *s; s++) {
        if ((*s)->needed && !(*s)->needed(opaque))
            continue;
        size_t len = strlen((*s)->name);
        assert(len < 256);
        vm_put_be(w, SUBSECTION_MARK, 1);
        vm_put_be(w, len, 1);
        vm_put(w, (*s)->name, len);
        vm_put_be(w, (uint64_t)(*s)->version, 4);
        if (!vmstate_save(w, *s, opaque, errp))
            return error_prepend(errp, "subsection '%s': ", (*s)->name);
    }
    return true;
}

static bool load_field(VmReader *r, const VmField *f, void *opaque, Error **errp)
{
    uint8_t *at;
    size_t num;
    uint64_t val;
    if (!locate(f, opaque, &at, &num, errp))
        return false;
    switch (f->kind) {
    case VM_INT:
        for (size_t i = 0; i < num; i++) {
            if (!vm_get_be(r, &val, (unsigned)f->size, errp))
                return error_prepend(errp, "field '%s': ", f->name);
            store_int(at + i * f->size, f->size, val);
        }
        return true;
    case VM_BOOL_K:
        for (size_t i = 0; i < num; i++) {
            if (!vm_get_be(r, &val, 1, errp))
                return error_prepend(errp, "field '%s': ", f->name);
            if (val > 1)
                return error_set(errp, "field '%s': %u is neither true nor false", f->name, (unsigned)val);
            ((bool *)at)[i] = val;
        }
        return true;
    case VM_BYTES:
    case VM_VBYTES:
        return vm_get(r, at, num, errp) || error_prepend(errp, "field '%s': ", f->name);
    case VM_STRUCT_K:
    case VM_VSTRUCT:
        for (size_t i = 0; i < num; i++)
            if (!vmstate_load(r, f->vmsd, at + i * f->size, f->vmsd->version, errp))
                return error_prepend(errp, "field '%s': ", f->name);
        return true;
    case VM_TIMER_K:
        for (size_t i = 0; i < num; i++) {
            Timer *t = (Timer *)at + i;
            if (!vm_get_be(r, &val, 8, errp))
                return error_prepend(errp, "field '%s': ", f->name);
            if (val == ~0ULL)
                timer_stop(t);
            else if (val > INT64_MAX)
                return error_set(errp, "field '%s': a deadline of %" PRIi64 " ns", f->name, (int64_t)val);
            else
                timer_arm_at(t, (int64_t)val);
        }
        return true;
    case VM_UNUSED:
        if (num > vm_reader_left(r))
            return error_set(errp, "field '%s': the stream ends early", f->name);
        r->pos += num;
        return true;
    case VM_CUSTOM:
        return f->get(r, at, f, errp) || error_prepend(errp, "field '%s': ", f->name);
    case VM_END:
        break;
    }
    g_assert_not_reached();
}

/* The subsection that begins here; NULL: none that v knows. *len: of its name. */
static const VmState *peek_subsection(const VmReader *r, const VmState *v, size_t *len)
{
    if (vm_reader_left(r) < 2 || r->data[r->pos] != SUBSECTION_MARK)
        return NULL;
    *len = r->data[r->pos + 1];
    if (*len > vm_reader_left(r) - 2)
        return NULL;
    const char *name = (const char *)r->data + r->pos + 2;
    for (const VmState *const *s = v->subsections; s && *s; s++)
        if (strlen((*s)->name) == *len && !memcmp((*s)->name, name, *len))
            return *s;
    return NULL;
}

bool vmstate_load(VmReader *r, const VmState *v, void *opaque, int version, Error **errp)
{
    const char *name = v->name ? v->name : "state";
    if (version > v->version || version < v->min_version)
        return error_set(errp, "%s: version %d in the stream, versions %d to %d can be loaded", name, version,
                         v->min_version, v->version);
    if (v->pre_load && !v->pre_load(opaque, errp))
        return false;
    for (const VmField *f = v->fields; f && f->kind != VM_END; f++)
        if (present(f, opaque, version) && !load_field(r, f, opaque, errp))
            return false;
    uint64_t seen = 0; /* a subsection comes once */
    const VmState *s;
    size_t len;
    while ((s = peek_subsection(r, v, &len))) {
        unsigned n = 0;
        while (v->subsections[n] != s)
            n++;
        if (n >= 64 || seen & BIT64(n))
            return error_set(errp, "%s: subsection '%s' twice", name, s->name);
        seen |= BIT64(n);
        r->pos += 2 + len;
        uint64_t sub_version;
        if (!vm_get_be(r, &sub_version, 4, errp) || !vmstate_load(r, s, opaque, (int)(int32_t)sub_version, errp))
            return error_prepend(errp, "subsection '%s': ", s->name);
    }
    return !v->post_load || v->post_load(opaque, errp);
}
