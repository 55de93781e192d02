/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/keymap.h"

#include "util/module.h"

typedef struct Sym {
    uint32_t keysym;
    KeyCode key;
} Sym;

/* Keys that have their symbols on every layout. X11's keysymdef.h numbers. */
static const Sym fixed[] = {
    {0xff08, KEY_CODE_BACKSPACE},
    {0xff09, KEY_CODE_TAB},
    {0xff0a, KEY_CODE_LF},
    {0xff0d, KEY_CODE_RET},
    {0xff13, KEY_CODE_PAUSE},
    {0xff14, KEY_CODE_SCROLL_LOCK},
    {0xff15, KEY_CODE_SYSRQ},
    {0xff1b, KEY_CODE_ESC},
    {0xff20, KEY_CODE_COMPOSE},
    {0xff50, KEY_CODE_HOME},
    {0xff51, KEY_CODE_LEFT},
    {0xff52, KEY_CODE_UP},
    {0xff53, KEY_CODE_RIGHT},
    {0xff54, KEY_CODE_DOWN},
    {0xff55, KEY_CODE_PGUP},
    {0xff56, KEY_CODE_PGDN},
    {0xff57, KEY_CODE_END},
    {0xff61, KEY_CODE_PRINT},
    {0xff63, KEY_CODE_INSERT},
    {0xff67, KEY_CODE_COMPOSE},
    {0xff6a, KEY_CODE_HELP},
    {0xff6b, KEY_CODE_PAUSE},
    {0xff7f, KEY_CODE_NUM_LOCK},
    {0xff8d, KEY_CODE_KP_ENTER},
    {0xff95, KEY_CODE_KP_7},
    {0xff96, KEY_CODE_KP_4},
    {0xff97, KEY_CODE_KP_8},
    {0xff98, KEY_CODE_KP_6},
    {0xff99, KEY_CODE_KP_2},
    {0xff9a, KEY_CODE_KP_9},
    {0xff9b, KEY_CODE_KP_3},
    {0xff9c, KEY_CODE_KP_1},
    {0xff9d, KEY_CODE_KP_5},
    {0xff9e, KEY_CODE_KP_0},
    {0xff9f, KEY_CODE_KP_DECIMAL},
    {0xffaa, KEY_CODE_KP_MULTIPLY},
    {0xffab, KEY_CODE_KP_ADD},
    {0xffac, KEY_CODE_KP_COMMA},
    {0xffad, KEY_CODE_KP_SUBTRACT},
    {0xffae, KEY_CODE_KP_DECIMAL},
    {0xffaf, KEY_CODE_KP_DIVIDE},
    {0xffb0, KEY_CODE_KP_0},
    {0xffb1, KEY_CODE_KP_1},
    {0xffb2, KEY_CODE_KP_2},
    {0xffb3, KEY_CODE_KP_3},
    {0xffb4, KEY_CODE_KP_4},
    {0xffb5, KEY_CODE_KP_5},
    {0xffb6, KEY_CODE_KP_6},
    {0xffb7, KEY_CODE_KP_7},
    {0xffb8, KEY_CODE_KP_8},
    {0xffb9, KEY_CODE_KP_9},
    {0xffbd, KEY_CODE_KP_EQUALS},
    {0xffbe, KEY_CODE_F1},
    {0xffbf, KEY_CODE_F2},
    {0xffc0, KEY_CODE_F3},
    {0xffc1, KEY_CODE_F4},
    {0xffc2, KEY_CODE_F5},
    {0xffc3, KEY_CODE_F6},
    {0xffc4, KEY_CODE_F7},
    {0xffc5, KEY_CODE_F8},
    {0xffc6, KEY_CODE_F9},
    {0xffc7, KEY_CODE_F10},
    {0xffc8, KEY_CODE_F11},
    {0xffc9, KEY_CODE_F12},
    {0xffe1, KEY_CODE_SHIFT},
    {0xffe2, KEY_CODE_SHIFT_R},
    {0xffe3, KEY_CODE_CTRL},
    {0xffe4, KEY_CODE_CTRL_R},
    {0xffe5, KEY_CODE_CAPS_LOCK},
    {0xffe7, KEY_CODE_ALT},
    {0xffe8, KEY_CODE_ALT_R},
    {0xffe9, KEY_CODE_ALT},
    {0xffea, KEY_CODE_ALT_R},
    {0xffeb, KEY_CODE_META_L},
    {0xffec, KEY_CODE_META_R},
    {0xfe03, KEY_CODE_ALT_R},
    {0xfe20, KEY_CODE_TAB},
    {0xff7e, KEY_CODE_ALT_R},
    {0xffff, KEY_CODE_DELETE},
    {0x1008ff11, KEY_CODE_VOLUMEDOWN},
    {0x1008ff12, KEY_CODE_AUDIOMUTE},
    {0x1008ff13, KEY_CODE_VOLUMEUP},
    {0x1008ff2f, KEY_CODE_SLEEP},
    {0x1008ff2a, KEY_CODE_POWER},
};

/* en-us beside letters: each key with what it gives without and with shift. */
static const struct {
    KeyCode key;
    char plain, shifted;
} us[] = {
    {KEY_CODE_1, '1', '!'},
    {KEY_CODE_2, '2', '@'},
    {KEY_CODE_3, '3', '#'},
    {KEY_CODE_4, '4', '$'},
    {KEY_CODE_5, '5', '%'},
    {KEY_CODE_6, '6', '^'},
    {KEY_CODE_7, '7', '&'},
    {KEY_CODE_8, '8', '*'},
    {KEY_CODE_9, '9', '('},
    {KEY_CODE_0, '0', ')'},
    {KEY_CODE_MINUS, '-', '_'},
    {KEY_CODE_EQUAL, '=', '+'},
    {KEY_CODE_BRACKET_LEFT, '[', '{'},
    {KEY_CODE_BRACKET_RIGHT, ']', '}'},
    {KEY_CODE_SEMICOLON, ';', ':'},
    {KEY_CODE_APOSTROPHE, '\'', '"'},
    {KEY_CODE_GRAVE_ACCENT, '`', '~'},
    {KEY_CODE_BACKSLASH, '\\', '|'},
    {KEY_CODE_COMMA, ',', '<'},
    {KEY_CODE_DOT, '.', '>'},
    {KEY_CODE_SLASH, '/', '?'},
    {KEY_CODE_SPC, ' ', ' '},
};

static char *layout;
static GHashTable *map; /* keysym to KeyCode */

static void add(uint32_t keysym, KeyCode key)
{
    gpointer k = GUINT_TO_POINTER(keysym);

    if (key != KEY_CODE_UNMAPPED && !g_hash_table_contains(map, k))
        g_hash_table_insert(map, k, GUINT_TO_POINTER((unsigned)key));
}

static KeyCode letter_key(char c)
{
    char name[2] = {c, 0};
    KeyCode k = KEY_CODE_UNMAPPED;

    key_by_name(name, &k);
    return k;
}

/* Linux's input-event codes: as scan code set 1 up to 0x58, beyond that a table. */
static KeyCode key_by_evdev(unsigned code)
{
    static const struct {
        unsigned code;
        KeyCode key;
    } more[] = {
        {89, KEY_CODE_RO},         {91, KEY_CODE_HIRAGANA},
        {92, KEY_CODE_HENKAN},     {93, KEY_CODE_KATAKANAHIRAGANA},
        {94, KEY_CODE_MUHENKAN},   {96, KEY_CODE_KP_ENTER},
        {97, KEY_CODE_CTRL_R},     {98, KEY_CODE_KP_DIVIDE},
        {99, KEY_CODE_PRINT},      {100, KEY_CODE_ALT_R},
        {102, KEY_CODE_HOME},      {103, KEY_CODE_UP},
        {104, KEY_CODE_PGUP},      {105, KEY_CODE_LEFT},
        {106, KEY_CODE_RIGHT},     {107, KEY_CODE_END},
        {108, KEY_CODE_DOWN},      {109, KEY_CODE_PGDN},
        {110, KEY_CODE_INSERT},    {111, KEY_CODE_DELETE},
        {113, KEY_CODE_AUDIOMUTE}, {114, KEY_CODE_VOLUMEDOWN},
        {115, KEY_CODE_VOLUMEUP},  {116, KEY_CODE_POWER},
        {117, KEY_CODE_KP_EQUALS}, {119, KEY_CODE_PAUSE},
        {121, KEY_CODE_KP_COMMA},  {122, KEY_CODE_LANG1},
        {123, KEY_CODE_LANG2},     {124, KEY_CODE_YEN},
        {125, KEY_CODE_META_L},    {126, KEY_CODE_META_R},
        {127, KEY_CODE_COMPOSE},
    };

    if (code && code <= 0x58)
        return code == 55 ? KEY_CODE_KP_MULTIPLY : key_by_number(code);
    for (size_t i = 0; i < ARRAY_SIZE(more); i++)
        if (more[i].code == code)
            return more[i].key;
    return KEY_CODE_UNMAPPED;
}

static void add_evdev(uint32_t keysym, unsigned code)
{
    add(keysym, key_by_evdev(code));
}

bool keymap_option(const char *name, Error **errp)
{
    for (const char *p = name; *p; p++)
        if (!g_ascii_isalnum(*p) && *p != '-')
            return error_set(errp, "-k %s: could not read keymap file: '%s'", name, name);
    g_free(layout);
    layout = g_strdup(name);
    return true;
}

bool keymap_given(void)
{
    return layout;
}

bool keymap_ready(Error **errp)
{
    if (map)
        return true;
    map = g_hash_table_new(NULL, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        add(fixed[i].keysym, fixed[i].key);
    if (layout && strcmp(layout, "en-us")) {
        KeymapLoad *load = module_symbol("ui-keymap", "keymap_load", errp);

        if (!load || !load(layout, add_evdev, errp)) {
            g_hash_table_unref(map);
            map = NULL;
            return error_prepend(errp, "-k %s: ", layout);
        }
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(us); i++) {
        add((uint8_t)us[i].plain, us[i].key);
        add((uint8_t)us[i].shifted, us[i].key);
    }
    for (char c = 'a'; c <= 'z'; c++) {
        add((uint8_t)c, letter_key(c));
        add((uint8_t)g_ascii_toupper(c), letter_key(c));
    }
    return true;
}

KeyCode keymap_lookup(uint32_t keysym)
{
    return map ? (KeyCode)GPOINTER_TO_UINT(g_hash_table_lookup(map, GUINT_TO_POINTER(keysym))) : KEY_CODE_UNMAPPED;
}
