/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream's layout byte by byte, round trips, and streams that lie. */
#include "hw/core/vmstate.h"
#include "softmmu/mainloop.h"
#include "util/rcu.h"

typedef struct Inner {
    uint16_t id;
    bool on;
    bool has_extra;
    uint32_t extra;
} Inner;

typedef struct Thing {
    uint8_t a;
    int32_t b;
    uint64_t c;
    uint16_t arr[3];
    bool flags[2];
    uint8_t raw[4];
    uint32_t count;
    uint8_t *data; /* 16 bytes */
    Inner one, many[2];
    uint32_t n_var;
    Inner var[3];
    Timer timer;
    uint8_t late;
    uint8_t custom;
    bool want_sub;
    uint32_t sub;
    unsigned pre_saves, pre_loads, post_loads;
} Thing;

static bool inner_needs_extra(void *opaque)
{
    return ((Inner *)opaque)->has_extra;
}
static const VmState inner_extra = {
    .name = "inner/extra",
    .version = 1,
    .min_version = 1,
    .needed = inner_needs_extra,
    .fields = (const VmField[]){VM_U32(Inner, extra), {}},
};
static const VmState inner = {
    .name = "inner",
    .version = 2,
    .min_version = 1,
    .fields = (const VmField[]){VM_U16(Inner, id), VM_BOOL(Inner, on), {}},
    .subsections = (const VmState *const[]){&inner_extra, NULL},
};

static bool wants_sub(void *opaque)
{
    return ((Thing *)opaque)->want_sub;
}
static const VmState thing_sub = {
    .name = "thing/sub",
    .version = 3,
    .min_version = 2,
    .needed = wants_sub,
    .fields = (const VmField[]){VM_U32(Thing, sub), {}},
};
static void put_custom(VmWriter *w, const void *field, const VmField *f)
{
    vm_put_be(w, *(const uint8_t *)field ^ 0xffu, 2);
}
static bool get_custom(VmReader *r, void *field, const VmField *f, Error **errp)
{
    uint64_t v;
    if (!vm_get_be(r, &v, 2, errp))
        return false;
    if (v > 0xff)
        return error_set(errp, "too much");
    *(uint8_t *)field = (uint8_t)v ^ 0xff;
    return true;
}
static bool pre_save(Device *dev, Error **errp)
{
    ((Thing *)dev)->pre_saves++;
    return true;
}
static bool pre_load(Device *dev, Error **errp)
{
    ((Thing *)dev)->pre_loads++;
    return true;
}
static bool post_load(Device *dev, Error **errp)
{
    Thing *t = (Thing *)dev;
    t->post_loads++;
    return t->a < 0x80 || error_set(errp, "impossible a 0x%02x", t->a);
}
static const VmState thing = {
    .name = "thing",
    .version = 3,
    .min_version = 1,
    .pre_save = pre_save,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields =
        (const VmField[]){
            VM_U8(Thing, a),
            VM_I32(Thing, b),
            VM_U64(Thing, c),
            VM_INT_ARRAY(Thing, arr),
            VM_BOOL_ARRAY(Thing, flags),
            VM_BUFFER(Thing, raw),
            VM_SKIP(2),
            VM_U32(Thing, count),
            VM_VBUFFER_PTR(Thing, data, count, 16),
            VM_STRUCT(Thing, one, inner),
            VM_STRUCT_ARRAY(Thing, many, inner),
            VM_U32(Thing, n_var),
            {.name = "var",
             .kind = VM_VSTRUCT,
             .offset = offsetof(Thing, var),
             .size = sizeof(Inner),
             .num = 3,
             .count_offset = offsetof(Thing, n_var),
             .vmsd = &inner},
            VM_TIMER(Thing, timer),
            {.name = "late", .kind = VM_INT, .offset = offsetof(Thing, late), .size = 1, .num = 1, .min_version = 3},
            {.name = "custom",
             .kind = VM_CUSTOM,
             .offset = offsetof(Thing, custom),
             .num = 1,
             .put = put_custom,
             .get = get_custom},
            {}},
    .subsections = (const VmState *const[]){&thing_sub, NULL},
};

static void nothing(void *opaque)
{
}

static Thing *thing_new(bool filled)
{
    Thing *t = g_new0(Thing, 1);
    t->data = g_malloc0(16);
    timer_init(&t->timer, nothing, NULL);
    if (!filled)
        return t;
    t->a = 1;
    t->b = -2;
    t->c = 0x0102030405060708;
    memcpy(t->arr, (uint16_t[]){0x1111, 0x2222, 0x3344}, 6);
    t->flags[1] = true;
    memcpy(t->raw, "\5raw", 4);
    t->count = 3;
    memcpy(t->data, "abcdef", 6);
    t->one = (Inner){.id = 7, .on = true, .has_extra = true, .extra = 0xcafe};
    t->many[1].id = 0x0505;
    t->n_var = 1;
    t->var[0].id = 0x50b; /* begins as a subsection does */
    timer_arm_at(&t->timer, 0x1234);
    t->late = 0x99;
    t->custom = 0x0f;
    t->want_sub = true;
    t->sub = 0xdeadbeef;
    return t;
}

static void thing_free(Thing *t)
{
    timer_stop(&t->timer);
    g_free(t->data);
    g_free(t);
}

static GByteArray *save(const VmState *v, void *opaque)
{
    VmWriter *w = vm_writer_new();
    g_assert_true(vmstate_save(w, v, opaque, NULL));
    return vm_writer_finish(w);
}

/* Whether it loads, and how much is left. */
static bool load(const VmState *v, void *opaque, const uint8_t *data, size_t len, int version, size_t *left,
                 Error **errp)
{
    /* a heap block of the very size: the sanitizers see each byte too far */
    g_autofree uint8_t *copy = g_memdup2(data, len);
    VmReader *r = vm_reader_new(copy, len);
    bool ok = vmstate_load(r, v, opaque, version, errp);
    *left = vm_reader_left(r);
    vm_reader_free(r);
    return ok;
}

static const uint8_t want[] = "\x01\xff\xff\xff\xfe\x01\x02\x03\x04\x05\x06\x07\x08"
                              "\x11\x11\x22\x22\x33\x44\x00\x01\x05raw\x00\x00"
                              "\x00\x00\x00\x03"
                              "abc"
                              "\x00\x07\x01\x05\x0binner/extra\x00\x00\x00\x01\x00\x00\xca\xfe"
                              "\x00\x00\x00\x05\x05\x00"
                              "\x00\x00\x00\x01\x05\x0b\x00"
                              "\x00\x00\x00\x00\x00\x00\x12\x34\x99\x00\xf0"
                              "\x05\x09thing/sub\x00\x00\x00\x03\xde\xad\xbe\xef";

static void test_layout(void)
{
    Thing *t = thing_new(true);
    g_autoptr(GByteArray) out = save(&thing, t);
    g_assert_cmpmem(out->data, out->len, want, sizeof(want) - 1);
    g_assert_cmpuint(t->pre_saves, ==, 1);
    timer_stop(&t->timer);
    t->want_sub = t->one.has_extra = false;
    g_autoptr(GByteArray) less = save(&thing, t);
    g_assert_cmpuint(less->len, ==, sizeof(want) - 1 - 21 - 19);
    thing_free(t);
}

static void test_round_trip(void)
{
    Thing *t = thing_new(false);
    size_t left;
    g_assert_true(load(&thing, t, want, sizeof(want) - 1, 3, &left, NULL));
    g_assert_cmpuint(left, ==, 0);
    g_assert_cmpuint(t->pre_loads, ==, 1);
    g_assert_cmpuint(t->post_loads, ==, 1);
    g_assert_cmpint(t->b, ==, -2);
    g_assert_cmphex(t->arr[2], ==, 0x3344);
    g_assert_cmpmem(t->data, 4, "abc", 4);
    g_assert_cmphex(t->one.extra, ==, 0xcafe);
    g_assert_cmphex(t->many[1].id, ==, 0x505);
    g_assert_cmphex(t->var[0].id, ==, 0x50b);
    g_assert_true(timer_armed(&t->timer));
    g_assert_cmpint(t->timer.expires, ==, 0x1234);
    g_assert_cmphex(t->custom, ==, 0x0f);
    g_assert_cmphex(t->sub, ==, 0xdeadbeef);
    t->want_sub = t->one.has_extra = true;
    g_autoptr(GByteArray) out = save(&thing, t);
    g_assert_cmpmem(out->data, out->len, want, sizeof(want) - 1);
    thing_free(t);
}

static void test_versions(void)
{
    Thing *t = thing_new(false);
    size_t left;
    g_autoptr(Error) err = NULL;
    g_assert_false(load(&thing, t, want, sizeof(want) - 1, 4, &left, &err));
    g_assert_nonnull(strstr(error_text(err), "version 4"));
    g_assert_false(load(&thing, t, want, sizeof(want) - 1, 0, &left, NULL));
    /* version 2 has no `late` */
    g_autoptr(GByteArray) old = g_byte_array_new();
    size_t late = sizeof(want) - 1 - 19 - 3;
    g_byte_array_append(old, want, (guint)late);
    g_byte_array_append(old, want + late + 1, (guint)(sizeof(want) - 1 - late - 1));
    g_assert_true(load(&thing, t, old->data, old->len, 2, &left, NULL));
    g_assert_cmphex(t->late, ==, 0);
    g_assert_cmphex(t->sub, ==, 0xdeadbeef);
    /* a subsection too old, too new, twice, unknown */
    g_autoptr(GByteArray) s = g_byte_array_new();
    g_byte_array_append(s, want, sizeof(want) - 1);
    for (int v = 0; v < 6; v++) {
        s->data[s->len - 5] = (uint8_t)v;
        g_assert_cmpint(load(&thing, t, s->data, s->len, 3, &left, NULL), ==, v == 2 || v == 3);
    }
    s->data[s->len - 5] = 3;
    g_byte_array_append(s, want + sizeof(want) - 1 - 19, 19);
    g_assert_false(load(&thing, t, s->data, s->len, 3, &left, NULL));
    g_byte_array_set_size(s, sizeof(want) - 1);
    s->data[s->len - 9] ^= 1;
    g_assert_true(load(&thing, t, s->data, s->len, 3, &left, NULL)); /* not ours: the caller sees that it is left */
    g_assert_cmpuint(left, ==, 19);
    thing_free(t);
}

static void test_bounds(void)
{
    Thing *t = thing_new(false);
    size_t left;
    g_autofree uint8_t *s = g_memdup2(want, sizeof(want) - 1);
    const size_t count_at = 13 + 6 + 2 + 4 + 2;
    for (unsigned v = 17; v < 256; v++) { /* more than the buffer takes */
        g_autoptr(Error) err = NULL;
        s[count_at + 3] = (uint8_t)v;
        g_assert_false(load(&thing, t, s, sizeof(want) - 1, 3, &left, &err));
        g_assert_nonnull(strstr(error_text(err), "data"));
    }
    s[count_at] = 0xff;
    g_assert_false(load(&thing, t, s, sizeof(want) - 1, 3, &left, NULL));
    memcpy(s, want, sizeof(want) - 1);
    s[20] = 2; /* a bool */
    g_assert_false(load(&thing, t, s, sizeof(want) - 1, 3, &left, NULL));
    memcpy(s, want, sizeof(want) - 1);
    s[0] = 0x80; /* post_load's business */
    g_assert_false(load(&thing, t, s, sizeof(want) - 1, 3, &left, NULL));
    /* what is too much to save is an error, not an overrun */
    t->count = 17;
    VmWriter *w = vm_writer_new();
    g_assert_false(vmstate_save(w, &thing, t, NULL));
    g_byte_array_free(vm_writer_finish(w), true);
    thing_free(t);
}

static void test_truncated(void)
{
    size_t left;
    for (size_t len = 0; len < sizeof(want) - 1; len++) {
        Thing *t = thing_new(false);
        g_autoptr(Error) err = NULL;
        bool ok = load(&thing, t, want, len, 3, &left, &err);
        /* without its subsection's head it is whole as it is; what is left over is the caller's to refuse */
        bool whole = len >= sizeof(want) - 1 - 19 && len < sizeof(want) - 1 - 19 + 11;
        g_assert_cmpint(ok, ==, whole);
        g_assert_cmpint(ok, ==, !err);
        thing_free(t);
    }
}

static void test_flipped(void)
{
    size_t left;
    for (size_t bit = 0; bit < (sizeof(want) - 1) * 8; bit++) {
        Thing *t = thing_new(false);
        g_autofree uint8_t *s = g_memdup2(want, sizeof(want) - 1);
        s[bit / 8] ^= (uint8_t)(1 << bit % 8);
        load(&thing, t, s, sizeof(want) - 1, 3, &left, NULL);
        g_assert_cmpuint(t->n_var, <=, UINT32_MAX); /* loaded or not: nothing was overrun */
        thing_free(t);
    }
    g_autoptr(GRand) rnd = g_rand_new_with_seed(7);
    for (int i = 0; i < 2000; i++) {
        Thing *t = thing_new(false);
        g_autofree uint8_t *s = g_memdup2(want, sizeof(want) - 1);
        for (int k = 0; k < 6; k++)
            s[g_rand_int_range(rnd, 0, sizeof(want) - 1)] = (uint8_t)g_rand_int(rnd);
        load(&thing, t, s, sizeof(want) - 1, 3, &left, NULL);
        thing_free(t);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    vm_lock();
    g_test_add_func("/vmstate/layout", test_layout);
    g_test_add_func("/vmstate/round-trip", test_round_trip);
    g_test_add_func("/vmstate/versions", test_versions);
    g_test_add_func("/vmstate/bounds", test_bounds);
    g_test_add_func("/vmstate/truncated", test_truncated);
    g_test_add_func("/vmstate/flipped", test_flipped);
    return g_test_run();
}
