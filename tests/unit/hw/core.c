/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hw/core: clocks and timers, properties, the life of a device with claims, failure of realize, globals. */
#include "block/block.h"
#include "block/drive.h"
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "softmmu/mainloop.h"
#include "softmmu/runstate.h"

static GString *trail; /* what happened, in order */

static void note(void *opaque)
{
    g_string_append(trail, opaque);
}

static void test_timers(void)
{
    Timer a, b, c;
    trail = g_string_new(NULL);
    timer_init(&a, note, (void *)"a");
    timer_init(&b, note, (void *)"b");
    timer_init(&c, note, (void *)"c");
    int64_t t0 = clock_ns(CLOCK_VIRTUAL);
    timer_arm_at(&b, t0 + 200);
    timer_arm_at(&a, t0 + 100);
    timer_arm_at(&c, t0 + 100); /* equal deadlines run in the order in which they were armed */
    g_assert_cmpint(timers_deadline(CLOCK_VIRTUAL), ==, t0 + 100);
    clock_virtual_set(t0 + 99);
    g_assert_cmpstr(trail->str, ==, "");
    clock_virtual_set(t0 + 100);
    g_assert_cmpstr(trail->str, ==, "ac");
    timer_stop(&b);
    clock_virtual_set(t0 + 1000);
    g_assert_cmpstr(trail->str, ==, "ac");
    g_assert_false(timer_armed(&a) || timer_armed(&b) || timer_armed(&c));
    g_assert_cmpint(timers_deadline(CLOCK_VIRTUAL), ==, INT64_MAX);
    timer_arm_ns(&a, INT64_MAX); /* no overflow */
    g_assert_cmpint(a.expires, ==, INT64_MAX);
    timers_stop_within(&a, sizeof(a));
    g_assert_false(timer_armed(&a));
    g_string_free(trail, true);
}

static Timer again;
static int64_t seen[4];
static int n_seen;
static void rearm_periodic(void *opaque)
{
    seen[n_seen++ & 3] = clock_ns(CLOCK_VIRTUAL);
    timer_arm_at(&again, again.expires + 10);
}

static void test_timer_steps(void)
{
    int64_t t0 = clock_ns(CLOCK_VIRTUAL);
    timer_init(&again, rearm_periodic, NULL);
    timer_arm_at(&again, t0 + 10);
    clock_virtual_set(t0 + 35); /* each expiry sees the time of its own deadline */
    g_assert_cmpint(n_seen, ==, 3);
    g_assert_cmpint(seen[0], ==, t0 + 10);
    g_assert_cmpint(seen[2], ==, t0 + 30);
    g_assert_cmpint(clock_ns(CLOCK_VIRTUAL), ==, t0 + 35);
    timer_stop(&again);
}

/* A system-bus device that counts its lives; it can be told to fail. */
typedef struct Probe {
    Device dev;
    uint8_t u8;
    uint32_t u32;
    uint64_t size;
    int32_t i32;
    bool flag, fail;
    char *str;
    int choice;
    OnOffAuto ooa;
    uint8_t mac[6];
    uint32_t bits;
    CharFrontend chr;
    Block *blk;
    Timer timer;
} Probe;
static int claims_held, resets, unrealized;

static void unclaim(Device *dev, void *opaque)
{
    claims_held--;
    g_string_append_c(trail, *(char *)opaque);
}

static bool probe_realize(Device *dev, Error **errp)
{
    Probe *p = container_of(dev, Probe, dev);
    claims_held += 2;
    device_claim(dev, unclaim, (void *)"1");
    device_claim(dev, unclaim, (void *)"2");
    timer_init(&p->timer, note, (void *)"t");
    timer_arm_ns(&p->timer, 1000);
    return !p->fail || error_set(errp, "told to fail");
}

static void probe_unrealize(Device *dev)
{
    unrealized++;
}

static void probe_reset(Device *dev)
{
    resets++;
}

static bool shell_realize(Device *dev, Error **errp)
{
    return device_realize_inner(dev, bus_new(dev, BUS_SYSTEM, "inside"), "inner", errp);
}

static const char *const colours[] = {"red", "green", NULL};
static const Prop probe_props[] = {
    PROP_U8("u8", Probe, u8, 7, "a byte"),
    PROP_U32("u32", Probe, u32, 0x12345678, "a word"),
    PROP_SIZE("size", Probe, size, 4096, "bytes"),
    PROP_I32("i32", Probe, i32, -5, "signed"),
    PROP_BOOL("flag", Probe, flag, true, "yes or no"),
    PROP_BOOL("fail", Probe, fail, false, "realize fails"),
    PROP_STR("str", Probe, str, "text"),
    PROP_ENUM("choice", Probe, choice, colours, 1, "a colour"),
    PROP_ON_OFF_AUTO("ooa", Probe, ooa, ON_OFF_AUTO_AUTO, "three"),
    PROP_MAC("mac", Probe, mac, "address"),
    PROP_BIT("bit3", Probe, bits, 3, true, "a bit"),
    PROP_CHARDEV("chardev", Probe, chr, "a chardev"),
    PROP_DRIVE("drive", Probe, blk, "a node"),
    {},
};
static const DeviceDesc probe_desc = {
    .name = "probe",
    .bus = BUS_SYSTEM,
    .category = DEV_MISC,
    .size = sizeof(Probe),
    .props = probe_props,
    .realize = probe_realize,
    .unrealize = probe_unrealize,
    .reset = probe_reset,
};

static void good(Device *dev, const char *prop, const char *text)
{
    Error *err = NULL;
    if (!device_set_text(dev, prop, text, &err))
        g_error("%s=%s: %s", prop, text, error_text(err));
}

static void bad(Device *dev, const char *prop, const char *text)
{
    g_autoptr(Error) err = NULL;
    g_assert_false(device_set_text(dev, prop, text, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_text(err), prop)); /* the message names it */
}

static void test_props(void)
{
    Device *dev = device_new(&probe_desc);
    Probe *p = container_of(dev, Probe, dev);
    g_assert_cmpint(p->u8, ==, 7);
    g_assert_cmpint(p->i32, ==, -5);
    g_assert_cmpint(p->bits, ==, 8);
    g_assert_true(p->flag);
    good(dev, "u8", "0xff");
    g_assert_cmpint(p->u8, ==, 255);
    bad(dev, "u8", "256");
    bad(dev, "u8", "-1");
    bad(dev, "u8", "12x");
    bad(dev, "u8", "");
    g_assert_cmpint(p->u8, ==, 255); /* untouched by what failed */
    good(dev, "i32", "-2147483648");
    bad(dev, "i32", "2147483648");
    good(dev, "size", "1.5G");
    g_assert_cmpint(p->size, ==, GIB + GIB / 2);
    good(dev, "size", "64k");
    g_assert_cmpint(p->size, ==, 65536);
    bad(dev, "size", "20000000T");
    bad(dev, "size", "1Q");
    good(dev, "flag", "off");
    g_assert_false(p->flag);
    bad(dev, "flag", "maybe");
    good(dev, "choice", "red");
    g_assert_cmpint(p->choice, ==, 0);
    bad(dev, "choice", "blue");
    good(dev, "ooa", "on");
    g_assert_cmpint(p->ooa, ==, ON_OFF_AUTO_ON);
    good(dev, "mac", "52:54:00:12:34:56");
    g_assert_cmpint(p->mac[5], ==, 0x56);
    bad(dev, "mac", "52:54:00:12:34");
    bad(dev, "mac", "52:54:00:12:34:5678");
    good(dev, "bit3", "off");
    g_assert_cmpint(p->bits, ==, 0);
    good(dev, "str", "a");
    good(dev, "str", "b"); /* the first is freed */
    g_assert_cmpstr(p->str, ==, "b");
    g_autoptr(Error) err = NULL;
    g_assert_false(device_set_text(dev, "colour", "red", &err));
    g_assert_cmpstr(error_text(err), ==, "Property 'probe.colour' not found");
    g_autoptr(Json) v = device_get(dev, "size", NULL);
    uint64_t n = 0;
    g_assert_true(json_get_uint(v, &n));
    g_assert_cmpint(n, ==, 65536);
    device_discard(dev);
}

static void test_realize(void)
{
    trail = g_string_new(NULL);
    unsigned before = devices_count();
    Device *dev = device_new(&probe_desc);
    dev->id = g_strdup("p0");
    g_assert_true(device_realize(dev, NULL, NULL));
    g_assert_cmpstr(dev->path, ==, "/machine/peripheral/p0");
    g_assert_true(device_find("p0") == dev);
    g_assert_true(device_find("/machine/peripheral/p0") == dev);
    g_assert_cmpint(claims_held, ==, 2);
    int r = resets;
    devices_reset_all();
    g_assert_cmpint(resets, ==, r + 1);
    device_unrealize(dev);
    g_assert_cmpint(unrealized, ==, 1);
    g_assert_cmpint(claims_held, ==, 0);
    g_assert_cmpstr(trail->str, ==, "21"); /* in reverse */
    g_assert_null(device_find("p0"));
    clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + 5000); /* the timer inside the freed struct does not run */
    g_assert_cmpstr(trail->str, ==, "21");

    dev = device_new(&probe_desc);
    device_set_bool(dev, "fail", true);
    g_autoptr(Error) err = NULL;
    g_assert_false(device_realize(dev, NULL, &err));
    g_assert_cmpstr(error_text(err), ==, "told to fail");
    g_assert_cmpint(claims_held, ==, 0);
    g_assert_cmpint(unrealized, ==, 1); /* what did not realize is not unrealized */
    g_assert_cmpint(devices_count(), ==, before);
    g_assert_cmpint(system_bus->children->len, ==, 0);
    clock_virtual_set(clock_ns(CLOCK_VIRTUAL) + 5000);
    rcu_barrier_all();
    g_string_free(trail, true);
}

/* Back ends are free when the device goes, though a reader that may look at it is there still: of one that ran, of one
 * that failed, of one that was never tried, of the inner one of each. */
static void test_back_ends(void)
{
    static const DeviceDesc shell = {
        .name = "shell", .bus = BUS_SYSTEM, .size = sizeof(Device), .inner = &probe_desc, .realize = shell_realize};
    g_autoptr(Json) chr = json_object(), node = json_object();
    json_set_str(chr, "id", "c");
    json_set_str(chr, "backend", "null");
    json_set_str(node, "driver", "null-co");
    json_set_str(node, "node-name", "n");
    trail = g_string_new(NULL);
    rcu_lock();
    for (unsigned i = 0; i < 6; i++) {
        Error *err = NULL;
        Device *dev = device_new(i & 1 ? &shell : &probe_desc);
        g_assert_nonnull(chardev_new(chr, NULL));
        g_assert_true(blockdev_add(node, NULL));
        good(dev, "chardev", "c");
        good(dev, "drive", "n");
        if (i < 4)
            device_set_bool(dev, "fail", i >= 2);
        if (i < 2) {
            g_assert_true(device_realize(dev, NULL, NULL));
            g_assert_false(chardev_remove("c", NULL));
            g_assert_false(blockdev_del("n", NULL));
            device_unrealize(dev);
        } else if (i < 4) {
            g_assert_false(device_realize(dev, NULL, NULL));
        } else {
            device_discard(dev);
        }
        if (!chardev_remove("c", &err) || !blockdev_del("n", &err))
            g_error("round %u: %s", i, error_text(err));
    }
    rcu_unlock();
    rcu_barrier_all();
    g_main_context_iteration(NULL, false);
    g_string_free(trail, true);
}

static void test_globals(void)
{
    g_autoptr(Error) err = NULL;
    g_assert_false(global_add("probe", &err));
    g_assert_true(global_add("probe.u8=9", NULL));
    Device *dev = device_new(&probe_desc);
    g_assert_cmpint(container_of(dev, Probe, dev)->u8, ==, 9);
    device_discard(dev);
    g_assert_true(global_add("driver=probe,property=nosuch,value=1", NULL));
    dev = device_new(&probe_desc);
    g_autoptr(Error) err2 = NULL;
    g_assert_false(device_realize(dev, NULL, &err2));
    g_assert_nonnull(strstr(error_text(err2), "nosuch"));
    rcu_barrier_all();
}

static void test_nearest(void)
{
    static const char *const names[] = {"machine", "memory", "monitor", NULL};
    g_assert_cmpstr(nearest_name("machin", names), ==, "machine");
    g_assert_cmpstr(nearest_name("mnitor", names), ==, "monitor");
    g_assert_null(nearest_name("xyzzy", names));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_thread_register();
    mainloop_init();
    clock_init();
    clock_virtual_manual();
    system_bus = bus_new(NULL, BUS_SYSTEM, "main-system-bus");
    g_test_add_func("/clock/timers", test_timers);
    g_test_add_func("/clock/steps", test_timer_steps);
    g_test_add_func("/prop/values", test_props);
    g_test_add_func("/prop/nearest", test_nearest);
    g_test_add_func("/device/life", test_realize);
    g_test_add_func("/device/back-ends", test_back_ends);
    g_test_add_func("/device/globals", test_globals);
    return g_test_run();
}
