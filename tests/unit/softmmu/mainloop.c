/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VM lock while the main loop always has something to do. */
#include "softmmu/mainloop.h"

static BottomHalf *again;
static bool got; /* atomic */

static void once_more(void *opaque)
{
    bh_schedule(again);
}

static gpointer wants_the_lock(gpointer opaque)
{
    for (int i = 0; i < 20; i++) {
        vm_lock();
        vm_unlock();
    }
    __atomic_store_n(&got, true, __ATOMIC_RELEASE);
    mainloop_wake();
    return NULL;
}

static void handed_over(BottomHalf *bh)
{
    again = bh;
    got = false;
    bh_schedule(bh);
    GThread *t = g_thread_new("waits", wants_the_lock, NULL);
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    while (!__atomic_load_n(&got, __ATOMIC_ACQUIRE) && g_get_monotonic_time() < end)
        mainloop_run_once(true);
    g_assert_true(__atomic_load_n(&got, __ATOMIC_ACQUIRE));
    g_thread_join(t);
    bh_delete(bh);
}

static void test_handed_over(void)
{
    handed_over(bh_new(once_more, NULL));
}

static void test_handed_over_fair(void)
{
    handed_over(bh_new_fair(once_more, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    g_test_add_func("/mainloop/lock-goes-to-who-waits", test_handed_over);
    g_test_add_func("/mainloop/lock-goes-to-who-waits-fair", test_handed_over_fair);
    return g_test_run();
}
