/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a changed region is sent as: everything that changed, in few rectangles where an encoding likes them. */
#include "ui/vnc-rects.h"

enum { WIDTH = 640, HEIGHT = 400, TEXT = 16 };

static uint32_t pixels[WIDTH * HEIGHT];

static pixman_region32_t region(const pixman_box32_t *box, int n)
{
    pixman_region32_t r;

    pixman_region32_init_rects(&r, box, n);
    return r;
}

/* Lines of text, of which each 16 pixels wide piece that changed is a box: all but some at random. */
static pixman_region32_t text(GRand *rand, unsigned right)
{
    g_autoptr(GArray) boxes = g_array_new(false, false, sizeof(pixman_box32_t));

    for (int y = 0; y < HEIGHT; y += TEXT) {
        for (int x = 0; x < (int)right; x += TEXT) {
            pixman_box32_t b = {x, y + 2, x + TEXT, y + TEXT - 3};

            if (g_rand_int_range(rand, 0, 8))
                g_array_append_val(boxes, b);
        }
    }
    return region((pixman_box32_t *)(void *)boxes->data, (int)boxes->len);
}

static void fill(uint32_t colours)
{
    for (int i = 0; i < WIDTH * HEIGHT; i++)
        pixels[i] = (uint32_t)i * 2654435761u % colours;
}

/* All of changed is in the boxes, which lie in the picture. */
static void check(const pixman_region32_t *changed, GArray *boxes)
{
    pixman_region32_t sum, rest;

    pixman_region32_init(&sum);
    pixman_region32_init(&rest);
    for (guint i = 0; i < boxes->len; i++) {
        const pixman_box32_t *b = &g_array_index(boxes, pixman_box32_t, i);

        g_assert_true(b->x1 >= 0 && b->y1 >= 0 && b->x2 <= WIDTH && b->y2 <= HEIGHT && b->x1 < b->x2 && b->y1 < b->y2);
        pixman_region32_union_rect(&sum, &sum, b->x1, b->y1, (unsigned)(b->x2 - b->x1), (unsigned)(b->y2 - b->y1));
    }
    pixman_region32_subtract(&rest, (pixman_region32_t *)(uintptr_t)changed, &sum);
    g_assert_false(pixman_region32_not_empty(&rest));
    pixman_region32_fini(&rest);
    pixman_region32_fini(&sum);
}

static guint sent(const pixman_region32_t *changed, VncRectsFor how, bool rows)
{
    bool got = !rows;
    g_autoptr(GArray) boxes = vnc_rects(changed, pixels, WIDTH, how, &got);

    check(changed, boxes);
    g_assert_cmpint(got, ==, rows);
    return boxes->len;
}

static void test_text(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    pixman_region32_t r = text(rand, 544);
    int n = pixman_region32_n_rects(&r);

    g_assert_cmpint(n, >, 60);
    fill(2);
    g_assert_cmpint(sent(&r, VNC_RECTS_EXACT, false), ==, n);
    g_assert_cmpint(sent(&r, VNC_RECTS_TILES, false), ==, HEIGHT / TEXT);
    g_assert_cmpint(sent(&r, VNC_RECTS_ROWS, true), ==, 1);
    /* a third colour needs palettes of its own for each line */
    pixels[100 * WIDTH + 100] = 7;
    g_assert_cmpint(sent(&r, VNC_RECTS_ROWS, false), ==, HEIGHT / TEXT);
    pixman_region32_fini(&r);
}

/* Two far corners are not joined; a picture that the window does not hold is sent line by line. */
static void test_limits(void)
{
    static const pixman_box32_t corners[] = {{0, 0, 16, 16}, {624, 384, 640, 400}},
                                beside[] = {{0, 0, 16, 16}, {624, 0, 640, 16}},
                                all[] = {{0, 0, 640, 190}, {0, 200, 640, 400}};
    pixman_region32_t r = region(corners, 2);

    fill(2);
    g_assert_cmpint(sent(&r, VNC_RECTS_ROWS, true), ==, 2);
    g_assert_cmpint(sent(&r, VNC_RECTS_TILES, false), ==, 2);
    pixman_region32_fini(&r);
    r = region(beside, 2);
    g_assert_cmpint(sent(&r, VNC_RECTS_TILES, false), ==, 2);
    pixman_region32_fini(&r);
    r = region(all, 2);
    g_assert_cmpint(sent(&r, VNC_RECTS_ROWS, true), ==, 1);
    pixman_region32_fini(&r);
    pixman_region32_init(&r);
    g_assert_cmpint(sent(&r, VNC_RECTS_ROWS, false), ==, 0);
    pixman_region32_fini(&r);
}

static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);

    for (int i = 0; i < 300; i++) {
        pixman_box32_t box[20];
        pixman_region32_t r;
        int n = g_rand_int_range(rand, 1, 20);
        bool rows;

        fill((uint32_t)g_rand_int_range(rand, 1, 5));
        for (int k = 0; k < n; k++) {
            box[k].x1 = g_rand_int_range(rand, 0, WIDTH);
            box[k].y1 = g_rand_int_range(rand, 0, HEIGHT);
            box[k].x2 = g_rand_int_range(rand, box[k].x1, WIDTH) + 1;
            box[k].y2 = g_rand_int_range(rand, box[k].y1, HEIGHT) + 1;
        }
        r = region(box, n);
        for (VncRectsFor how = VNC_RECTS_EXACT; how <= VNC_RECTS_ROWS; how++) {
            g_autoptr(GArray) boxes = vnc_rects(&r, pixels, WIDTH, how, &rows);

            check(&r, boxes);
        }
        pixman_region32_fini(&r);
    }
}

static void test_scroll(void)
{
    uint64_t old[200], fresh[200];

    for (int i = 0; i < 200; i++)
        old[i] = i % 20 < 14 ? (uint64_t)i * 77 + 1 : 0;
    memcpy(fresh, old, sizeof(old));
    g_assert_cmpint(vnc_scroll_distance(old, fresh, 200), ==, 0);
    memmove(fresh, fresh + 20, 180 * sizeof(*fresh));
    g_assert_cmpint(vnc_scroll_distance(old, fresh, 200), ==, 20);
    g_assert_cmpint(vnc_scroll_distance(fresh, old, 200), ==, -20);
    for (int i = 0; i < 200; i++)
        fresh[i] = (uint64_t)i + 100000;
    g_assert_cmpint(vnc_scroll_distance(old, fresh, 200), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/vnc-rects/text", test_text);
    g_test_add_func("/ui/vnc-rects/limits", test_limits);
    g_test_add_func("/ui/vnc-rects/random", test_random);
    g_test_add_func("/ui/vnc-rects/scroll", test_scroll);
    return g_test_run();
}
