/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line of text on a terminal: typed, edited, recalled, completed. Knows nothing of what the lines mean.
 *
 * Keys: C-a C-e C-b C-f C-d C-h C-k C-u C-w C-l C-p C-n TAB, Home, End, Delete, arrows (ECMA-48 and VT100 sequences).
 */
#ifndef MONITOR_READLINE_H
#define MONITOR_READLINE_H

#include "util/util.h"

enum { READLINE_MAX = 4095, READLINE_HISTORY = 64 };

typedef struct Readline {
    const char *prompt;
    void (*print)(void *opaque, const char *text); /* to the terminal */
    void (*line)(void *opaque, const char *text);  /* Enter; prompt again with readline_prompt() */
    void (*complete)(void *opaque, const char *text,
                     GPtrArray *words); /* what the last word of text may become; strings, owned */
    void *opaque;
    GString *buf;
    size_t cursor; /* byte in buf */
    enum { RL_PLAIN, RL_ESC, RL_CSI, RL_SS3 } state;
    unsigned param; /* of a CSI sequence */
    GPtrArray *history;
    unsigned recalled; /* place in history; == its length: the new line */
    char *draft;       /* the new line while an older one is shown */
} Readline;

void readline_init(Readline *r);  /* the callbacks and prompt are set */
void readline_clear(Readline *r); /* a new session: line and state, not the history */
void readline_destroy(Readline *r);
void readline_prompt(Readline *r); /* show prompt and line */
void readline_byte(Readline *r, uint8_t c);

#endif
