/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a changed region is sent as, and what of it only moved. */
#include "ui/vnc-rects.h"

#include <glib.h>

/* Bytes of two-colour rows that a dictionary of 32 KiB still reaches when the same come again, a text line later. */
#define WINDOW 32000
/* Joining within a band adds up to half of what changed, across bands as much again, and this many pixels for the
 * header that is saved. */
#define HEADER_PIXELS 2048
/* Lines that a change must have before scrolling is looked for, and that must agree on its distance. */
#define SCROLL_LINES 24

static int64_t area(const pixman_box32_t *b)
{
    return (int64_t)(b->x2 - b->x1) * (b->y2 - b->y1);
}

static pixman_box32_t around(const pixman_box32_t *a, const pixman_box32_t *b)
{
    return (pixman_box32_t){MIN(a->x1, b->x1), MIN(a->y1, b->y1), MAX(a->x2, b->x2), MAX(a->y2, b->y2)};
}

typedef struct Part {
    pixman_box32_t box;
    int64_t needed; /* pixels of it */
} Part;

/* From the top on each part joins the one before where what is around both is nearly filled: within a band, or across.
 */
static GArray *join(GArray *in, bool across)
{
    GArray *out = g_array_new(false, false, sizeof(Part));

    for (guint i = 0; i < in->len; i++) {
        const Part *p = &g_array_index(in, Part, i);
        Part *last = out->len ? &g_array_index(out, Part, out->len - 1) : NULL;

        if (last && (across || (last->box.y1 == p->box.y1 && last->box.y2 == p->box.y2))) {
            Part both = {around(&last->box, &p->box), last->needed + p->needed};

            if (area(&both.box) <= both.needed + both.needed / (across ? 1 : 2) + HEADER_PIXELS) {
                *last = both;
                continue;
            }
        }
        g_array_append_val(out, *p);
    }
    g_array_unref(in);
    return out;
}

static GArray *parts(const pixman_box32_t *box, int n)
{
    GArray *out = g_array_new(false, false, sizeof(Part));

    for (int i = 0; i < n; i++) {
        Part p = {box[i], area(&box[i])};

        g_array_append_val(out, p);
    }
    return out;
}

static bool two_colours(const pixman_box32_t *b, const uint32_t *pixels, unsigned width)
{
    uint32_t first = pixels[(size_t)b->y1 * width + (size_t)b->x1], second = first;

    for (int y = b->y1; y < b->y2; y++) {
        const uint32_t *line = pixels + (size_t)y * width;

        for (int x = b->x1; x < b->x2; x++) {
            if (line[x] == first || line[x] == second)
                continue;
            if (second != first)
                return false;
            second = line[x];
        }
    }
    return true;
}

/* Whether all are of two colours and fit into the window together. */
static bool rows_fit(const GArray *all, const uint32_t *pixels, unsigned width)
{
    size_t bytes = 0;

    for (guint i = 0; i < all->len; i++) {
        const pixman_box32_t *b = &g_array_index(all, Part, i).box;

        bytes += (size_t)(b->x2 - b->x1 + 7) / 8 * (size_t)(b->y2 - b->y1);
        if (bytes > WINDOW || !two_colours(b, pixels, width))
            return false;
    }
    return true;
}

GArray *vnc_rects(const pixman_region32_t *changed, const uint32_t *pixels, unsigned width, VncRectsFor how, bool *rows)
{
    int n;
    const pixman_box32_t *box = pixman_region32_rectangles((pixman_region32_t *)(uintptr_t)changed, &n);
    GArray *all = parts(box, n), *boxes = g_array_new(false, false, sizeof(*box));

    if (how != VNC_RECTS_EXACT)
        all = join(all, false);
    for (guint i = 0; i < all->len; i++)
        g_array_index(all, Part, i).needed = area(&g_array_index(all, Part, i).box);
    *rows = false;
    if (how == VNC_RECTS_ROWS) {
        GArray *large = join(g_array_ref(all), true);

        *rows = n && rows_fit(large, pixels, width);
        if (*rows) {
            g_array_unref(all);
            all = g_array_ref(large);
        }
        g_array_unref(large);
    }
    for (guint i = 0; i < all->len; i++)
        g_array_append_val(boxes, g_array_index(all, Part, i).box);
    g_array_unref(all);
    return boxes;
}

/* Lines that several have (blank ones) do not count. */
int vnc_scroll_distance(const uint64_t *old, const uint64_t *fresh, int height)
{
    g_autoptr(GHashTable) where = NULL;
    g_autofree unsigned *votes = NULL;
    int changed = 0, best = 0;

    for (int y = 0; y < height; y++)
        changed += old[y] != fresh[y];
    if (changed < SCROLL_LINES)
        return 0;
    where = g_hash_table_new(g_int64_hash, g_int64_equal);
    for (int y = 0; y < height; y++) {
        gpointer known = g_hash_table_lookup(where, &old[y]);

        g_hash_table_insert(where, (gpointer)(uintptr_t)&old[y], GINT_TO_POINTER(known ? -1 : y + 1));
    }
    votes = g_new0(unsigned, 2 * (size_t)height);
    for (int y = 0; y < height; y++) {
        int at = old[y] != fresh[y] ? GPOINTER_TO_INT(g_hash_table_lookup(where, &fresh[y])) : 0;

        if (at > 0)
            votes[at - 1 - y + height]++;
    }
    for (int d = 1 - height; d < height; d++)
        if (d && votes[d + height] > votes[best + height])
            best = d;
    return votes[best + height] >= SCROLL_LINES ? best : 0;
}
