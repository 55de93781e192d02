/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal on a surface: what of ECMA-48 and the VT100 a shell, a login and the human monitor use. Movement, erasing,
 * colours, the report of the cursor's place; no scrolling regions, no character sets.
 */
#include "ui/text-console.h"

#include "chardev/vc.h"
#include "softmmu/mainloop.h"
#include "ui/font.h"

#include <sys/socket.h>
#include <unistd.h>

#define COLS     80
#define ROWS     24
#define CELL_W   8
#define CELL_H   16
#define ARGS_MAX 8

typedef struct Cell {
    uint8_t c, attr; /* foreground in bits 0 to 3, background in 4 to 6, as the VGA has them */
} Cell;
#define ATTR_PLAIN 0x07
#define ATTR_BOLD  0x08
#define TITLE      0x17

typedef struct TextConsole {
    char *id; /* the vc's */
    Console *con;
    int fd; /* to the vc; -1: it is gone */
    unsigned watch;
    Cell cells[ROWS][COLS];
    unsigned x, y; /* x may be COLS: the next character begins a line */
    unsigned saved_x, saved_y;
    uint8_t attr;
    bool inverse, hidden; /* hidden: the cursor */
    enum { PLAIN, ESCAPE, ARGUMENTS, CHARSET } state;
    bool private; /* ESC [ ? */
    unsigned args[ARGS_MAX], n_args;
    bool dirty[ROWS];
    unsigned shown_y; /* where the cursor is drawn */
} TextConsole;

static GPtrArray *all; /* of TextConsole * */

/* ANSI's order of colours is the VGA's with red and blue exchanged. */
static const uint8_t vga_colour[8] = {0, 4, 2, 6, 1, 5, 3, 7};
static const uint32_t palette[16] = {0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
                                     0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff};

static uint8_t attr_now(const TextConsole *t)
{
    return t->inverse ? (uint8_t)((t->attr & 7) << 4 | (t->attr >> 4 & 7)) : t->attr;
}

static void clear(TextConsole *t, unsigned y, unsigned from, unsigned to)
{
    for (unsigned x = from; x < to; x++)
        t->cells[y][x] = (Cell){' ', t->attr & 0x70 ? attr_now(t) : ATTR_PLAIN};
    t->dirty[y] = true;
}

static void line_feed(TextConsole *t)
{
    if (t->y + 1 < ROWS) {
        t->y++;
        return;
    }
    memmove(t->cells[0], t->cells[1], sizeof(t->cells[0]) * (ROWS - 1));
    memset(t->dirty, true, sizeof(t->dirty));
    clear(t, ROWS - 1, 0, COLS);
}

static void put(TextConsole *t, uint8_t c)
{
    if (t->x >= COLS) {
        t->x = 0;
        line_feed(t);
    }
    t->cells[t->y][t->x++] = (Cell){c, attr_now(t)};
    t->dirty[t->y] = true;
}

static void select_rendition(TextConsole *t, unsigned n)
{
    if (n == 0) {
        t->attr = ATTR_PLAIN;
        t->inverse = false;
    } else if (n == 1) {
        t->attr |= ATTR_BOLD;
    } else if (n == 22) {
        t->attr &= (uint8_t)~ATTR_BOLD;
    } else if (n == 7 || n == 27) {
        t->inverse = n == 7;
    } else if (n >= 30 && n <= 37) {
        t->attr = (uint8_t)((t->attr & ~7u) | vga_colour[n - 30]);
    } else if (n == 39) {
        t->attr = (uint8_t)((t->attr & ~7u) | 7);
    } else if (n >= 40 && n <= 47) {
        t->attr = (uint8_t)((t->attr & ~0x70u) | vga_colour[n - 40] << 4);
    } else if (n == 49) {
        t->attr &= (uint8_t)~0x70u;
    }
}

static void erase_display(TextConsole *t, unsigned mode)
{
    unsigned x = MIN(t->x, COLS - 1);

    for (unsigned y = 0; y < ROWS; y++) {
        if (mode >= 2 || (mode == 0 && y > t->y) || (mode == 1 && y < t->y))
            clear(t, y, 0, COLS);
        else if (y == t->y)
            clear(t, y, mode == 0 ? x : 0, mode == 0 ? COLS : x + 1);
    }
}

static void send_text(TextConsole *t, const char *text)
{
    if (t->fd >= 0 && send(t->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* full: typed for nobody, as on a serial line */
    }
}

static void control(TextConsole *t, char final)
{
    unsigned a = t->args[0], one = MAX(a, 1), x = MIN(t->x, COLS - 1);
    char report[32];

    switch (final) {
    case 'A':
        t->y -= MIN(one, t->y);
        break;
    case 'B':
        t->y = MIN(t->y + one, ROWS - 1);
        break;
    case 'C':
        t->x = MIN(x + one, COLS - 1);
        break;
    case 'D':
        t->x = x - MIN(one, x);
        break;
    case 'G':
        t->x = MIN(one, COLS) - 1;
        break;
    case 'd':
        t->y = MIN(one, ROWS) - 1;
        break;
    case 'H':
    case 'f':
        t->y = MIN(one, ROWS) - 1;
        t->x = MIN(MAX(t->args[1], 1), COLS) - 1;
        break;
    case 'J':
        erase_display(t, a);
        break;
    case 'K':
        clear(t, t->y, a == 0 ? x : 0, a == 1 ? x + 1 : COLS);
        break;
    case 'P': /* delete characters */
        one = MIN(one, COLS - x);
        memmove(&t->cells[t->y][x], &t->cells[t->y][x + one], sizeof(Cell) * (COLS - x - one));
        clear(t, t->y, COLS - one, COLS);
        break;
    case '@': /* insert characters */
        one = MIN(one, COLS - x);
        memmove(&t->cells[t->y][x + one], &t->cells[t->y][x], sizeof(Cell) * (COLS - x - one));
        clear(t, t->y, x, x + one);
        break;
    case 'm':
        for (unsigned i = 0; i <= MIN(t->n_args, ARGS_MAX - 1); i++)
            select_rendition(t, t->args[i]);
        break;
    case 'n':
        g_snprintf(report, sizeof(report), "\033[%u;%uR", t->y + 1, x + 1);
        if (a == 5 || a == 6)
            send_text(t, a == 5 ? "\033[0n" : report);
        break;
    case 's':
        t->saved_x = t->x;
        t->saved_y = t->y;
        break;
    case 'u':
        t->x = t->saved_x;
        t->y = t->saved_y;
        break;
    case 'h':
    case 'l':
        if (t->private && a == 25)
            t->hidden = final == 'l';
        break;
    }
}

static void feed(TextConsole *t, uint8_t c)
{
    if (t->state == ARGUMENTS && c >= 0x20) {
        if (g_ascii_isdigit(c)) {
            t->args[t->n_args] = MIN(t->args[t->n_args] * 10 + c - '0', 9999);
        } else if (c == ';') {
            t->n_args = MIN(t->n_args + 1, ARGS_MAX - 1);
        } else if (c == '?') {
            t->private = true;
        } else if (c >= 0x40) {
            control(t, (char)c);
            t->state = PLAIN;
        }
        return;
    }
    if (t->state == CHARSET) {
        t->state = PLAIN;
        return;
    }
    if (t->state == ESCAPE) {
        t->state = c == '[' ? ARGUMENTS : c == '(' || c == ')' ? CHARSET : PLAIN;
        memset(t->args, 0, sizeof(t->args));
        t->n_args = 0;
        t->private = false;
        return;
    }
    switch (c) {
    case '\r':
        t->x = 0;
        break;
    case '\n':
        line_feed(t);
        break;
    case '\b':
        t->x -= t->x > 0;
        break;
    case '\t':
        t->x = MIN((t->x & ~7u) + 8, COLS - 1);
        break;
    case 27:
        t->state = ESCAPE;
        break;
    default:
        if (c >= 0x20 && c != 0x7f)
            put(t, c);
    }
}

static gboolean readable(gint fd, GIOCondition cond, gpointer opaque)
{
    TextConsole *t = opaque;
    uint8_t buf[4096];
    ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

    for (ssize_t i = 0; i < n; i++)
        feed(t, buf[i]);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return G_SOURCE_CONTINUE;
    close(t->fd);
    t->fd = -1;
    t->watch = 0;
    return G_SOURCE_REMOVE;
}

static void draw_cell(TextConsole *t, Surface *s, unsigned x, unsigned y)
{
    Cell c = t->cells[y][x];
    bool cursor = y == t->y && x == MIN(t->x, COLS - 1) && !t->hidden;
    uint32_t fore = palette[c.attr & 15], back = palette[c.attr >> 4 & 7];

    for (unsigned i = 0; i < CELL_H; i++) {
        uint32_t *out =
            (uint32_t *)(surface_data(s) + (size_t)(y * CELL_H + i) * surface_stride(s)) + (size_t)x * CELL_W;

        for (unsigned k = 0; k < CELL_W; k++) {
            bool ink = i >= 1 && i <= FONT_HEIGHT && k >= 1 && k <= FONT_WIDTH && font_pixel((char)c.c, k - 1, i - 1);

            out[k] = ink != cursor ? fore : back;
        }
    }
}

static void update(void *opaque)
{
    TextConsole *t = opaque;
    Surface *s;

    if (surface_width(console_surface(t->con)) != COLS * CELL_W) {
        console_set_surface(t->con, surface_new(COLS * CELL_W, ROWS * CELL_H));
        memset(t->dirty, true, sizeof(t->dirty));
    }
    s = console_surface(t->con);
    t->dirty[t->shown_y] = t->dirty[t->y] = true;
    t->shown_y = t->y;
    for (unsigned y = 0; y < ROWS; y++) {
        if (!t->dirty[y])
            continue;
        for (unsigned x = 0; x < COLS; x++)
            draw_cell(t, s, x, y);
        t->dirty[y] = false;
        console_damage(t->con, 0, y * CELL_H, COLS * CELL_W, CELL_H);
    }
}

static void invalidate(void *opaque)
{
    TextConsole *t = opaque;

    memset(t->dirty, true, sizeof(t->dirty));
}

static bool text(void *opaque, TextScreen *out)
{
    TextConsole *t = opaque;

    *out = (TextScreen){.cols = COLS,
                        .rows = ROWS,
                        .cells = (uint8_t *)t->cells,
                        .stride = sizeof(t->cells[0]),
                        .step = sizeof(Cell),
                        .cursor_on = !t->hidden,
                        .cursor_col = MIN(t->x, COLS - 1),
                        .cursor_row = t->y};
    return true;
}

static const ConsoleOps ops = {.update = update, .invalidate = invalidate, .text = text};

bool console_is_text(const Console *con)
{
    return console_ops(con) == &ops;
}

static bool attach(TextConsole *t, unsigned index)
{
    t->fd = vc_attach(index);
    if (t->fd < 0)
        return false;
    t->watch = fd_watch(t->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, t);
    readable(t->fd, G_IO_IN, t); /* what the vc still knows, or a part of that, is there at once */
    return true;
}

Console *text_console(unsigned index)
{
    const char *id = vc_id(index);
    TextConsole *t = NULL;

    if (!id)
        return NULL;
    for (guint i = 0; all && i < all->len && !t; i++)
        if (!strcmp(((TextConsole *)all->pdata[i])->id, id))
            t = all->pdata[i];
    if (t) { /* a vc may have gone and come again under that name */
        if (t->fd < 0)
            attach(t, index);
        return t->con;
    }
    t = g_new0(TextConsole, 1);
    t->id = g_strdup(id);
    t->fd = -1;
    t->attr = ATTR_PLAIN;
    erase_display(t, 2);
    t->con = console_new_beside(&ops, t);
    t->attr = TITLE;
    for (const char *p = id; *p; p++)
        put(t, (uint8_t)*p);
    for (const char *p = " console\r\n"; *p; p++)
        feed(t, (uint8_t)*p);
    t->attr = ATTR_PLAIN;
    if (!all)
        all = g_ptr_array_new();
    g_ptr_array_add(all, t);
    attach(t, index);
    return t->con;
}

void text_console_key(Console *con, uint32_t keysym, bool ctrl)
{
    static const struct {
        uint32_t keysym; /* X11's keysymdef.h */
        const char *text;
    } keys[] = {
        {0xff08, "\177"},    {0xff09, "\t"},      {0xff0d, "\r"},      {0xff8d, "\r"},      {0xff1b, "\033"},
        {0xff50, "\033[1~"}, {0xff51, "\033[D"},  {0xff52, "\033[A"},  {0xff53, "\033[C"},  {0xff54, "\033[B"},
        {0xff55, "\033[5~"}, {0xff56, "\033[6~"}, {0xff57, "\033[4~"}, {0xff63, "\033[2~"}, {0xffff, "\033[3~"},
    };
    TextConsole *t = console_opaque(con);
    char one[2] = {0, 0};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].keysym == keysym)
            send_text(t, keys[i].text);
    if (keysym >= 0x20 && keysym < 0x7f) {
        one[0] = (char)keysym;
        if (ctrl && keysym >= '@')
            one[0] &= 0x1f;
        send_text(t, one);
    }
}
