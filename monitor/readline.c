/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Line editing: see readline.h. */
#include "monitor/readline.h"

void readline_init(Readline *r)
{
    r->buf = g_string_new(NULL);
    r->history = g_ptr_array_new_with_free_func(g_free);
}

void readline_clear(Readline *r)
{
    g_string_truncate(r->buf, 0);
    r->cursor = 0;
    r->state = RL_PLAIN;
    r->recalled = r->history->len;
    g_clear_pointer(&r->draft, g_free);
}

void readline_destroy(Readline *r)
{
    g_string_free(r->buf, TRUE);
    g_ptr_array_free(r->history, TRUE);
    g_free(r->draft);
}

/* Draw the whole line and put the cursor in its place. */
static void redraw(Readline *r)
{
    g_autofree char *tail =
        r->cursor < r->buf->len ? g_strdup_printf("\033[%zuD", r->buf->len - r->cursor) : g_strdup("");
    g_autofree char *text = g_strdup_printf("\r%s%s\033[K%s", r->prompt, r->buf->str, tail);
    r->print(r->opaque, text);
}

void readline_prompt(Readline *r)
{
    r->print(r->opaque, r->prompt);
    if (r->buf->len)
        redraw(r);
}

static void insert(Readline *r, uint8_t c)
{
    if (r->buf->len >= READLINE_MAX)
        return;
    g_string_insert_c(r->buf, (gssize)r->cursor++, (char)c);
    if (r->cursor == r->buf->len)
        r->print(r->opaque, (char[]){(char)c, 0}); /* the common case, plain for programs that read the echo */
    else
        redraw(r);
}

static void erase(Readline *r, size_t from, size_t to)
{
    if (from >= to)
        return;
    g_string_erase(r->buf, (gssize)from, (gssize)(to - from));
    r->cursor = from;
    redraw(r);
}

static void move(Readline *r, size_t to)
{
    r->cursor = MIN(to, r->buf->len);
    redraw(r);
}

static size_t word_start(const Readline *r)
{
    size_t i = r->cursor;
    while (i && r->buf->str[i - 1] == ' ')
        i--;
    while (i && r->buf->str[i - 1] != ' ')
        i--;
    return i;
}

static void recall(Readline *r, int step)
{
    unsigned to = r->recalled + (unsigned)step;
    if (to > r->history->len) /* before the first (wrapped) or after the new line */
        return;
    if (r->recalled == r->history->len) {
        g_free(r->draft);
        r->draft = g_strdup(r->buf->str);
    }
    r->recalled = to;
    g_string_assign(r->buf, to == r->history->len ? (r->draft ? r->draft : "") : r->history->pdata[to]);
    move(r, r->buf->len);
}

static void enter(Readline *r)
{
    g_autofree char *text = g_strdup(r->buf->str);
    r->print(r->opaque, "\n");
    if (*text) {
        for (unsigned i = 0; i < r->history->len; i++) { /* a repeated line moves to the end */
            if (!strcmp(r->history->pdata[i], text)) {
                g_ptr_array_remove_index(r->history, i);
                break;
            }
        }
        if (r->history->len >= READLINE_HISTORY)
            g_ptr_array_remove_index(r->history, 0);
        g_ptr_array_add(r->history, g_strdup(text));
    }
    readline_clear(r);
    r->line(r->opaque, text);
}

static size_t common_prefix(const GPtrArray *words)
{
    const char *first = words->pdata[0];
    size_t n = strlen(first);
    for (unsigned i = 1; i < words->len; i++) {
        const char *w = words->pdata[i];
        size_t k = 0;
        while (k < n && w[k] == first[k])
            k++;
        n = k;
    }
    return n;
}

static void complete(Readline *r)
{
    g_autofree char *text = g_strndup(r->buf->str, r->cursor);
    const char *last = strrchr(text, ' ');
    size_t typed = strlen(last ? last + 1 : text);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    r->complete(r->opaque, text, words);
    if (!words->len)
        return;
    size_t n = common_prefix(words);
    const char *w = words->pdata[0];
    for (size_t i = typed; i < n; i++)
        insert(r, (uint8_t)w[i]);
    if (words->len == 1) {
        insert(r, ' ');
    } else if (n <= typed) {
        r->print(r->opaque, "\n");
        for (unsigned i = 0; i < words->len; i++) {
            r->print(r->opaque, words->pdata[i]);
            r->print(r->opaque, i + 1 < words->len ? " " : "\n");
        }
        redraw(r);
    }
}

/* The final byte of an escape sequence: ESC [ c, ESC O c or ESC [ param ~. */
static void sequence(Readline *r, uint8_t c)
{
    if (c == '~')
        c = r->param == 1 || r->param == 7 ? 'H' : r->param == 4 || r->param == 8 ? 'F' : r->param == 3 ? 'd' : 0;
    switch (c) {
    case 'A':
        recall(r, -1);
        break;
    case 'B':
        recall(r, 1);
        break;
    case 'C':
        move(r, r->cursor + 1);
        break;
    case 'D':
        move(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case 'H':
        move(r, 0);
        break;
    case 'F':
        move(r, r->buf->len);
        break;
    case 'd':
        erase(r, r->cursor, MIN(r->cursor + 1, r->buf->len));
        break;
    default:
        break;
    }
}

#define CTRL(c) ((c)-0x40)

static void plain(Readline *r, uint8_t c)
{
    switch (c) {
    case '\r':
    case '\n':
        enter(r);
        break;
    case 0x1b:
        r->state = RL_ESC;
        break;
    case CTRL('A'):
        move(r, 0);
        break;
    case CTRL('E'):
        move(r, r->buf->len);
        break;
    case CTRL('B'):
        move(r, r->cursor ? r->cursor - 1 : 0);
        break;
    case CTRL('F'):
        move(r, r->cursor + 1);
        break;
    case CTRL('D'):
        erase(r, r->cursor, MIN(r->cursor + 1, r->buf->len));
        break;
    case 0x7f:
    case CTRL('H'):
        erase(r, r->cursor ? r->cursor - 1 : 0, r->cursor);
        break;
    case CTRL('K'):
        g_string_truncate(r->buf, r->cursor);
        redraw(r);
        break;
    case CTRL('U'):
        erase(r, 0, r->cursor);
        break;
    case CTRL('W'):
        erase(r, word_start(r), r->cursor);
        break;
    case CTRL('L'):
        r->print(r->opaque, "\033[H\033[2J");
        redraw(r);
        break;
    case CTRL('P'):
        recall(r, -1);
        break;
    case CTRL('N'):
        recall(r, 1);
        break;
    case '\t':
        complete(r);
        break;
    default:
        if (c >= 0x20)
            insert(r, c);
        break;
    }
}

void readline_byte(Readline *r, uint8_t c)
{
    switch (r->state) {
    case RL_PLAIN:
        plain(r, c);
        break;
    case RL_ESC:
        r->param = 0;
        r->state = c == '[' ? RL_CSI : c == 'O' ? RL_SS3 : RL_PLAIN;
        break;
    case RL_CSI:
        if (g_ascii_isdigit(c)) {
            r->param = (r->param * 10 + (unsigned)(c - '0')) % 1000;
        } else if (c != ';') {
            r->state = RL_PLAIN;
            sequence(r, c);
        }
        break;
    case RL_SS3:
        r->state = RL_PLAIN;
        sequence(r, c);
        break;
    }
}
