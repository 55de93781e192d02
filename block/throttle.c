/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throttling: a bucket leaks at the average's rate and holds a tenth of a second of it, or the burst's rate times its
 * length; a request may go while what is in it fits. Bursts longer than a second have a second bucket, which leaks at
 * the burst's rate. As QEMU's documentation, docs/throttle.txt.
 */
#include "block/throttle.h"

#include "block/backend.h"
#include "hw/core/object.h"

#define ASK_AGAIN_NS NS_PER_SEC /* the limits may have been raised */
#define VALUE_MAX    UINT64_C(1000000000000000)

const char *const throttle_names[THROTTLE_KINDS] = {"bps-total",  "bps-read",  "bps-write",
                                                    "iops-total", "iops-read", "iops-write"};
const char *const throttle_qmp_names[THROTTLE_KINDS] = {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"};

struct ThrottleGroup {
    char *name;
    int refs;
    Object *object; /* NULL: made by a -drive */
    GMutex lock;    /* of what follows */
    GQueue line[2]; /* of Turn, on their threads' stacks: reads, writes */
    ThrottleLimits limits;
    double level[THROTTLE_KINDS], burst[THROTTLE_KINDS];
    int64_t last_us;
    ThrottleGroup *next;
};

typedef struct Turn {
    GList link; /* data: itself */
    GCond cond;
} Turn;

static ThrottleGroup *groups; /* VM lock */
int64_t (*throttle_clock)(void);

static int64_t clock_us(void)
{
    return throttle_clock ? throttle_clock() : g_get_monotonic_time();
}

bool throttle_any(const ThrottleLimits *l)
{
    for (int i = 0; i < THROTTLE_KINDS; i++)
        if (l->avg[i])
            return true;
    return false;
}

bool throttle_check(const ThrottleLimits *l, Error **errp)
{
    for (int i = 0; i < THROTTLE_KINDS; i += 3)
        if ((l->avg[i] && (l->avg[i + 1] || l->avg[i + 2])) || (l->max[i] && (l->max[i + 1] || l->max[i + 2])))
            return error_set(errp, "bps/iops/max total values and read/write values cannot be used at the same time");
    if (l->iops_size && !l->avg[THROTTLE_IOPS_TOTAL] && !l->avg[THROTTLE_IOPS_READ] && !l->avg[THROTTLE_IOPS_WRITE])
        return error_set(errp, "iops size requires an iops value to be set");
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        if (l->avg[i] > VALUE_MAX || l->max[i] > VALUE_MAX)
            return error_set(errp, "bps/iops/max values must be within [0, %" PRIu64 "]", VALUE_MAX);
        if (!l->length[i])
            return error_set(errp, "the burst length cannot be 0");
        if (l->length[i] > 1 && !l->max[i])
            return error_set(errp, "burst length set without burst rate");
        if (l->max[i] && !l->avg[i])
            return error_set(errp, "bps_max/iops_max require corresponding bps/iops values");
        if (l->max[i] && l->max[i] < l->avg[i])
            return error_set(errp, "bps_max/iops_max cannot be lower than bps/iops");
        if (l->length[i] > UINT32_MAX || (l->max[i] && l->max[i] > VALUE_MAX / l->length[i]))
            return error_set(errp, "burst length too high for this burst rate");
    }
    return true;
}

static ThrottleGroup *find(const char *name)
{
    for (ThrottleGroup *g = groups; g; g = g->next)
        if (!strcmp(g->name, name))
            return g;
    return NULL;
}

bool throttle_group_exists(const char *name)
{
    return find(name);
}

ThrottleGroup *throttle_group_get(const char *name)
{
    ThrottleGroup *g = find(name);
    if (g) {
        g->refs++;
        if (g->object)
            g->object->users++;
        return g;
    }
    g = g_new0(ThrottleGroup, 1);
    g->limits = (ThrottleLimits){.length = {1, 1, 1, 1, 1, 1}};
    g->name = g_strdup(name);
    g->refs = 1;
    g->next = groups;
    g_mutex_init(&g->lock);
    groups = g;
    return g;
}

void throttle_group_unref(ThrottleGroup *g)
{
    if (!g)
        return;
    if (g->object)
        g->object->users--;
    if (--g->refs)
        return;
    for (ThrottleGroup **p = &groups; *p; p = &(*p)->next) {
        if (*p == g) {
            *p = g->next;
            break;
        }
    }
    g_mutex_clear(&g->lock);
    g_free(g->name);
    g_free(g);
}

void throttle_group_set_object(ThrottleGroup *g, Object *o)
{
    g->object = o;
}

const char *throttle_group_name(const ThrottleGroup *g)
{
    return g->name;
}

/* With the lock. */
static void wake_all(ThrottleGroup *g)
{
    for (int i = 0; i < 2; i++)
        for (GList *l = g->line[i].head; l; l = l->next)
            g_cond_signal(&((Turn *)l->data)->cond);
}

void throttle_group_set(ThrottleGroup *g, const ThrottleLimits *l)
{
    g_mutex_lock(&g->lock);
    g->limits = *l;
    memset(g->level, 0, sizeof(g->level));
    memset(g->burst, 0, sizeof(g->burst));
    g->last_us = clock_us();
    wake_all(g);
    g_mutex_unlock(&g->lock);
}

ThrottleLimits throttle_group_limits(ThrottleGroup *g)
{
    g_mutex_lock(&g->lock);
    ThrottleLimits l = g->limits;
    g_mutex_unlock(&g->lock);
    return l;
}

/* Seconds that a bucket of this limit is over what it may hold. */
static double over(const ThrottleGroup *g, int i)
{
    const ThrottleLimits *l = &g->limits;
    double avg = (double)l->avg[i], max = (double)l->max[i], wait = 0;
    if (!l->avg[i])
        return 0;
    double room = l->max[i] ? max * (double)l->length[i] : avg / 10;
    if (g->level[i] > room)
        wait = (g->level[i] - room) / avg;
    if (l->length[i] > 1 && g->burst[i] > max / 10)
        wait = MAX(wait, (g->burst[i] - max / 10) / max);
    return wait;
}

/* With the lock. force: it goes whatever the limits say, and what comes later waits for it too. */
static int64_t take(ThrottleGroup *g, bool write, uint64_t bytes, bool force)
{
    const int kinds[] = {THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ + write, THROTTLE_IOPS_TOTAL,
                         THROTTLE_IOPS_READ + write};
    double wait = 0;
    int64_t now = clock_us();
    double passed = (double)(now - g->last_us) / 1e6;
    g->last_us = now;
    for (int i = 0; i < THROTTLE_KINDS; i++) {
        g->level[i] = MAX(g->level[i] - passed * (double)g->limits.avg[i], 0);
        g->burst[i] = MAX(g->burst[i] - passed * (double)g->limits.max[i], 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && !force; i++)
        wait = MAX(wait, over(g, kinds[i]));
    uint64_t size = g->limits.iops_size, ops = size && bytes > size ? (bytes + size - 1) / size : 1;
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && wait <= 0; i++) {
        double units = (double)(kinds[i] >= THROTTLE_IOPS_TOTAL ? ops : bytes);
        g->level[kinds[i]] += units;
        g->burst[kinds[i]] += units;
    }
    return wait > 0 ? (int64_t)MIN(wait * 1e9, (double)ASK_AGAIN_NS) + 1 : 0;
}

int64_t throttle_take(ThrottleGroup *g, bool write, uint64_t bytes)
{
    g_mutex_lock(&g->lock);
    int64_t wait = take(g, write, bytes, false);
    g_mutex_unlock(&g->lock);
    return wait;
}

void throttle_charge(ThrottleGroup *g, bool write, uint64_t bytes)
{
    g_mutex_lock(&g->lock);
    take(g, write, bytes, true);
    g_mutex_unlock(&g->lock);
}

void throttle_wait(ThrottleGroup *g, bool write, uint64_t bytes, const int *open)
{
    GQueue *line = &g->line[write];
    bool waits = false;
    Turn me = {.link.data = &me};
    g_cond_init(&me.cond);
    g_mutex_lock(&g->lock);
    g_queue_push_tail_link(line, &me.link);
    for (;;) {
        int64_t wait = *open || line->head == &me.link ? take(g, write, bytes, *open) : -1;
        if (!wait)
            break;
        if (!waits)
            block_worker_waits(true);
        waits = true;
        if (wait < 0) /* for who is before */
            g_cond_wait(&me.cond, &g->lock);
        else
            g_cond_wait_until(&me.cond, &g->lock, g_get_monotonic_time() + wait / 1000 + 1);
    }
    g_queue_unlink(line, &me.link);
    if (line->head)
        g_cond_signal(&((Turn *)line->head->data)->cond);
    g_mutex_unlock(&g->lock);
    g_cond_clear(&me.cond);
    if (waits)
        block_worker_waits(false);
}

void throttle_open(ThrottleGroup *g, int *open, int by)
{
    g_mutex_lock(&g->lock);
    *open += by;
    wake_all(g);
    g_mutex_unlock(&g->lock);
}

unsigned throttle_waiting(ThrottleGroup *g, bool write)
{
    g_mutex_lock(&g->lock);
    unsigned n = g->line[write].length;
    g_mutex_unlock(&g->lock);
    return n;
}

bool blk_set_throttle(Block *b, const char *group, const ThrottleLimits *l, Error **errp)
{
    if (!throttle_check(l, errp))
        return false;
    blk_pause(b); /* what waits goes */
    ThrottleGroup *g = NULL;
    if (throttle_any(l)) {
        g = throttle_group_get(group ? group : b->throttle ? throttle_group_name(b->throttle) : blk_name(b));
        throttle_group_set(g, l);
    }
    throttle_group_unref(b->throttle);
    b->throttle = g;
    blk_resume(b);
    return true;
}
