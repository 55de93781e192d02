/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The curses display on terminals of any size: a tick that has nothing new repaints nothing. */
#define NCURSES_WIDECHAR 1
#define key_name         curses_key_name /* both have one */
#include <ncurses.h>
#undef key_name
#undef erase

static unsigned erased;
static int erase_counted(WINDOW *w)
{
    erased++;
    return werase(w);
}
#define erase() erase_counted(stdscr)

#include "../../../ui/curses.c"

static void test_sizes(void)
{
    static const struct {
        int cols, rows;
        unsigned shown_cols, shown_rows;
    } sizes[] = {
        {80, 25, 80, 25}, {300, 100, 300, 100}, {301, 50, 300, 50}, {120, 101, 120, 100}, {400, 150, 300, 100}};
    FILE *null = fopen("/dev/null", "r+");
    SCREEN *screen = newterm("xterm", null, null);

    if (!screen) {
        g_test_skip("no description of terminal type xterm");
        return;
    }
    timer_init_clock(&ticker, CLOCK_REALTIME_MONO, tick, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        resizeterm(sizes[i].rows, sizes[i].cols);
        erased = 0;
        tick(NULL);
        g_assert_cmpuint(erased, ==, 1);
        g_assert_cmpuint(cols, ==, sizes[i].shown_cols);
        g_assert_cmpuint(rows, ==, sizes[i].shown_rows);
        for (int k = 0; k < 3; k++)
            tick(NULL);
        g_assert_cmpuint(erased, ==, 1);
    }
    timer_stop(&ticker);
    endwin();
    delscreen(screen);
    fclose(null);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    mainloop_init();
    clock_init();
    g_test_add_func("/curses/sizes", test_sizes);
    return g_test_run();
}
