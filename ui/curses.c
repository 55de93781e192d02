/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The curses display (module ui-curses): the first console's text screen in the terminal, keys from the terminal to the
 * guest.
 *
 * In a graphics mode it tells the resolution. A terminal sends characters, not keys: they are pressed as on a US
 * keyboard. ESC followed at once by a character is that key with Alt.
 */
#include "ui/console.h"

#include "hw/core/clock.h"
#include "softmmu/mainloop.h"
#include "ui/input.h"
#include "util/module.h"

#define NCURSES_WIDECHAR 1
#define key_name         curses_key_name /* both have one */
#include <locale.h>
#include <ncurses.h>
#undef key_name
#include <unistd.h>

MODULE_DEFINE

#define REFRESH_MS 30
#define MAX_COLS   300 /* of the terminal; what is beyond stays empty */
#define MAX_ROWS   100

bool curses_display_init(const Json *opts, Error **errp);
void curses_display_exit(void);

static Timer ticker;
static unsigned watch;
static bool active, was_text;
static gunichar cp437[256];
static unsigned cols, rows;
static uint16_t shown[MAX_COLS * MAX_ROWS]; /* what each cell of the terminal shows: character and attribute */
static bool valid;                          /* shown[] tells the truth */

static void make_charset(const char *charset)
{
    static const char low[] = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
    const char *p = low;
    for (int c = 0; c < 32; c++, p = g_utf8_next_char(p))
        cp437[c] = g_utf8_get_char(p);
    for (int c = 32; c < 256; c++) {
        char in = (char)c;
        g_autofree char *out = g_convert(&in, 1, "UTF-8", charset, NULL, NULL, NULL);
        cp437[c] = out ? g_utf8_get_char(out) : '?';
    }
    cp437[0] = cp437[255] = ' ';
    cp437[127] = 0x2302;
}

/* VGA's colours are blue, green, red from bit 0; the terminal's red, green, blue. */
static short colour(unsigned vga)
{
    return (short)((vga & 2) | (vga & 1) << 2 | (vga & 4) >> 2);
}

static void put_cell(unsigned x, unsigned y, uint8_t ch, uint8_t attr)
{
    wchar_t text[2] = {(wchar_t)cp437[ch], 0};
    cchar_t cell;
    attr_t bright = attr & 8 ? A_BOLD : A_NORMAL;
    setcchar(&cell, text, bright, (short)(1 + (attr & 7) * 8 + (attr >> 4 & 7)), NULL);
    mvadd_wch((int)y, (int)x, &cell);
}

static void draw_text(const TextScreen *t)
{
    unsigned w = MIN(t->cols, cols), h = MIN(t->rows, rows);
    for (unsigned y = 0; y < h; y++) {
        for (unsigned x = 0; x < w; x++) {
            const uint8_t *cell = t->cells + (size_t)y * t->stride + (size_t)x * t->step;
            uint16_t now = (uint16_t)(cell[0] | cell[1] << 8), *was = &shown[y * MAX_COLS + x];
            if (valid && *was == now)
                continue;
            *was = now;
            put_cell(x, y, cell[0], cell[1]);
        }
    }
    valid = true;
    curs_set(t->cursor_on && t->cursor_col < w && t->cursor_row < h);
    if (t->cursor_on && t->cursor_col < w && t->cursor_row < h)
        move((int)t->cursor_row, (int)t->cursor_col);
}

static void draw_notice(Console *con)
{
    static unsigned last_w, last_h;
    Surface *s = console_surface(con);
    unsigned w = surface_width(s), h = surface_height(s);
    if (valid && last_w == w && last_h == h && !was_text)
        return;
    g_autofree char *text = g_strdup_printf("%u x %u graphics mode", w, h);
    erase();
    mvaddstr((int)rows / 2, MAX(0, ((int)cols - (int)strlen(text)) / 2), text);
    curs_set(0);
    last_w = w;
    last_h = h;
    valid = true;
}

static void tick(void *opaque)
{
    int h, w;
    getmaxyx(stdscr, h, w);
    w = MIN(w, MAX_COLS);
    h = MIN(h, MAX_ROWS);
    if ((unsigned)w != cols || (unsigned)h != rows) {
        cols = (unsigned)w;
        rows = (unsigned)h;
        valid = false;
        erase();
    }
    Console *con = console_at(0);
    if (con) {
        TextScreen t;
        console_refresh(con);
        bool text = console_text(con, &t);
        if (text != was_text) {
            valid = false;
            erase();
        }
        if (text)
            draw_text(&t);
        else
            draw_notice(con);
        was_text = text;
        wrefresh(stdscr);
    }
    timer_arm_ms(&ticker, REFRESH_MS);
}

/* Keys in the order of their characters, plain and with shift. */
static const struct {
    char plain, shifted;
    KeyCode key;
} keyboard[] = {
    {'1', '!', KEY_CODE_1},
    {'2', '@', KEY_CODE_2},
    {'3', '#', KEY_CODE_3},
    {'4', '$', KEY_CODE_4},
    {'5', '%', KEY_CODE_5},
    {'6', '^', KEY_CODE_6},
    {'7', '&', KEY_CODE_7},
    {'8', '*', KEY_CODE_8},
    {'9', '(', KEY_CODE_9},
    {'0', ')', KEY_CODE_0},
    {'-', '_', KEY_CODE_MINUS},
    {'=', '+', KEY_CODE_EQUAL},
    {'[', '{', KEY_CODE_BRACKET_LEFT},
    {']', '}', KEY_CODE_BRACKET_RIGHT},
    {';', ':', KEY_CODE_SEMICOLON},
    {'\'', '"', KEY_CODE_APOSTROPHE},
    {'`', '~', KEY_CODE_GRAVE_ACCENT},
    {'\\', '|', KEY_CODE_BACKSLASH},
    {',', '<', KEY_CODE_COMMA},
    {'.', '>', KEY_CODE_DOT},
    {'/', '?', KEY_CODE_SLASH},
    {' ', 0, KEY_CODE_SPC},
    {'\r', 0, KEY_CODE_RET},
    {'\n', 0, KEY_CODE_RET},
    {'\t', 0, KEY_CODE_TAB},
    {'\b', 0, KEY_CODE_BACKSPACE},
    {127, 0, KEY_CODE_BACKSPACE},
    {27, 0, KEY_CODE_ESC},
};
static const struct {
    int code;
    KeyCode key;
} specials[] = {
    {KEY_UP, KEY_CODE_UP},
    {KEY_DOWN, KEY_CODE_DOWN},
    {KEY_LEFT, KEY_CODE_LEFT},
    {KEY_RIGHT, KEY_CODE_RIGHT},
    {KEY_HOME, KEY_CODE_HOME},
    {KEY_END, KEY_CODE_END},
    {KEY_PPAGE, KEY_CODE_PGUP},
    {KEY_NPAGE, KEY_CODE_PGDN},
    {KEY_IC, KEY_CODE_INSERT},
    {KEY_DC, KEY_CODE_DELETE},
    {KEY_BACKSPACE, KEY_CODE_BACKSPACE},
    {KEY_ENTER, KEY_CODE_KP_ENTER},
    {KEY_F(1), KEY_CODE_F1},
    {KEY_F(2), KEY_CODE_F2},
    {KEY_F(3), KEY_CODE_F3},
    {KEY_F(4), KEY_CODE_F4},
    {KEY_F(5), KEY_CODE_F5},
    {KEY_F(6), KEY_CODE_F6},
    {KEY_F(7), KEY_CODE_F7},
    {KEY_F(8), KEY_CODE_F8},
    {KEY_F(9), KEY_CODE_F9},
    {KEY_F(10), KEY_CODE_F10},
    {KEY_F(11), KEY_CODE_F11},
    {KEY_F(12), KEY_CODE_F12},
};

static void press(KeyCode k, bool shift, bool ctrl, bool alt)
{
    static const KeyCode modifiers[] = {KEY_CODE_SHIFT, KEY_CODE_CTRL, KEY_CODE_ALT};
    bool on[] = {shift, ctrl, alt};
    for (int i = 0; i < 3; i++)
        if (on[i])
            input_key(NULL, modifiers[i], true);
    input_key(NULL, k, true);
    input_key(NULL, k, false);
    for (int i = 2; i >= 0; i--)
        if (on[i])
            input_key(NULL, modifiers[i], false);
    input_sync();
}

static KeyCode letter(int c)
{
    char name[2] = {(char)c, 0};
    KeyCode k = KEY_CODE_UNMAPPED;
    key_by_name(name, &k);
    return k;
}

static void press_char(int c, bool alt)
{
    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        if (c == specials[i].code) {
            press(specials[i].key, false, false, alt);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(keyboard); i++) {
        if (c == keyboard[i].plain || (keyboard[i].shifted && c == keyboard[i].shifted)) {
            press(keyboard[i].key, c != keyboard[i].plain, false, alt);
            return;
        }
    }
    if (g_ascii_isalpha(c) && c < 128)
        press(letter(g_ascii_tolower((char)c)), g_ascii_isupper((char)c), false, alt);
    else if (c > 0 && c < 27)
        press(letter('a' + c - 1), false, true, alt);
}

static gboolean terminal_input(gint fd, GIOCondition cond, gpointer opaque)
{
    if (cond & (G_IO_HUP | G_IO_ERR)) {
        watch = 0;
        return G_SOURCE_REMOVE;
    }
    int c;
    while ((c = getch()) != ERR) {
        if (c == KEY_RESIZE) {
            valid = false;
            continue;
        }
        int next = c == 27 ? getch() : ERR;
        if (next != ERR)
            press_char(next, true);
        else
            press_char(c, false);
    }
    return G_SOURCE_CONTINUE;
}

void curses_display_exit(void)
{
    if (!active)
        return;
    active = false;
    timer_stop(&ticker);
    if (watch)
        g_source_remove(watch);
    endwin();
}

bool curses_display_init(const Json *opts, Error **errp)
{
    const char *charset = json_get_str(opts, "charset");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return error_set(errp,
                         "-display curses: standard input and output must be a terminal; -display none needs none");
    setlocale(LC_CTYPE, "");
    make_charset(charset ? charset : "CP437");
    if (!newterm(NULL, stdout, stdin))
        return error_set(errp, "-display curses: the terminal type '%s' is not known; set TERM", g_getenv("TERM"));
    active = true;
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    start_color();
    for (unsigned fg = 0; fg < 8; fg++)
        for (unsigned bg = 0; bg < 8; bg++)
            init_pair((short)(1 + fg * 8 + bg), colour(fg), colour(bg));
    watch = fd_watch(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, terminal_input, NULL);
    timer_init_clock(&ticker, CLOCK_REALTIME_MONO, tick, NULL);
    timer_arm_ms(&ticker, 0);
    return true;
}
