/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option text to JSON objects of strings: see keyval.h. */
#include "util/keyval.h"

enum { MAX_LEVELS = 64, MAX_KEY = 127, MAX_INDEX_DIGITS = 9 };

/* One item of the text: key up to '=', value with ",," undone. NULL key: a bare word, in value. */
typedef struct Item {
    char *key, *value;
} Item;

static void item_clear(Item *it)
{
    g_clear_pointer(&it->key, g_free);
    g_clear_pointer(&it->value, g_free);
}

/* Take the next item off *p; false at the end. */
static bool next_item(const char **p, Item *it)
{
    item_clear(it);
    if (!**p)
        return false;
    size_t n = strcspn(*p, "=,");
    if ((*p)[n] == '=') {
        it->key = g_strndup(*p, n);
        *p += n + 1;
    }
    GString *val = g_string_new(NULL);
    for (; **p; (*p)++) {
        if (**p == ',' && *++*p != ',')
            break;
        g_string_append_c(val, **p);
    }
    it->value = g_string_free(val, FALSE);
    return true;
}

static bool is_help(const Item *it)
{
    return !it->key && (!strcmp(it->value, "help") || !strcmp(it->value, "?"));
}

bool keyval_has_help(const char *text)
{
    Item it = {0};
    bool found = false;
    if (*text == '{') /* JSON: see json_or_keyval() */
        return false;
    while (!found && next_item(&text, &it))
        found = is_help(&it);
    item_clear(&it);
    return found;
}

Json *keyval_parse(const char *text, const char *implied_key, Error **errp)
{
    g_autoptr(Json) obj = json_object();
    Item it = {0};
    for (bool first = true; next_item(&text, &it); first = false) {
        if (it.key && *it.key) {
            json_set_str(obj, it.key, it.value);
        } else if (it.key || !*it.value) {
            error_set(errp, "Invalid parameter ''");
            item_clear(&it);
            return NULL;
        } else if (first && implied_key) {
            json_set_str(obj, implied_key, it.value);
        } else {
            bool off = g_str_has_prefix(it.value, "no") && it.value[2];
            json_set_str(obj, it.value + (off ? 2 : 0), off ? "off" : "on");
        }
    }
    return g_steal_pointer(&obj);
}

static bool is_index(const char *s)
{
    size_t n = strspn(s, "0123456789");
    return n && !s[n] && n <= MAX_INDEX_DIGITS && (*s != '0' || n == 1);
}

static bool fragment_ok(const char *s)
{
    size_t n = strlen(s);
    return n && n <= MAX_KEY &&
           (is_index(s) || ((g_ascii_isalpha(*s) || *s == '_') &&
                            strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n));
}

/* Store value at the dotted key. */
static bool put_dotted(Json *obj, const char *key, const char *value, Error **errp)
{
    g_auto(GStrv) frag = g_strsplit(key, ".", MAX_LEVELS + 1);
    unsigned n = g_strv_length(frag);
    if (n > MAX_LEVELS)
        return error_set(errp, "Parameter '%.40s...' has more than %d levels", key, MAX_LEVELS);
    for (unsigned i = 0; i < n; i++)
        if (!fragment_ok(frag[i]) || (!i && is_index(frag[i])))
            return error_set(errp, "Invalid parameter '%s'", key);
    if (!n)
        return error_set(errp, "Invalid parameter ''");
    for (unsigned i = 0; i < n; i++) {
        Json *have = json_get(obj, frag[i]);
        bool last = i == n - 1;
        if (have && (json_type(have) == JSON_OBJECT) == last) {
            size_t len = 0; /* name the key up to the place of the conflict */
            for (unsigned k = 0; k <= i; k++)
                len += strlen(frag[k]) + !!k;
            return error_set(errp, "Parameters '%.*s.*' used inconsistently", (int)len, key);
        }
        if (last) {
            json_set_str(obj, frag[i], value);
        } else {
            if (!have)
                json_set(obj, frag[i], json_object());
            obj = json_get(obj, frag[i]);
        }
    }
    return true;
}

/* Objects whose members are "0" to "n-1" become arrays. Returns what v becomes (takes v); NULL on error. The recursion
 * is bounded by MAX_LEVELS. */
static Json *lists_in(Json *v, const char *path, Error **errp)
{
    if (json_type(v) != JSON_OBJECT)
        return v;
    g_autoptr(Json) obj = v;
    size_t n = json_length(v), indices = 0;
    for (size_t i = 0; i < n; i++) {
        const char *key = json_key_at(v, i);
        g_autofree char *sub = g_strdup_printf("%s%s%s", path, *path ? "." : "", key);
        Json *val = lists_in(json_ref(json_val_at(v, i)), sub, errp);
        if (!val)
            return NULL;
        json_set(v, key, val);
        indices += is_index(key);
    }
    if (!indices)
        return g_steal_pointer(&obj);
    if (indices != n) {
        error_set(errp, "Parameters '%s.*' used inconsistently", path);
        return NULL;
    }
    g_autoptr(Json) arr = json_array();
    for (size_t i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf("%zu", i);
        Json *val = json_get(v, key);
        if (!val) {
            error_set(errp, "Parameter '%s.%s' is missing", path, key);
            return NULL;
        }
        json_append(arr, json_ref(val));
    }
    return g_steal_pointer(&arr);
}

Json *keyval_parse_dotted(const char *text, const char *implied_key, Error **errp)
{
    g_autoptr(Json) obj = json_object();
    Item it = {0};
    bool ok = true;
    for (bool first = true; ok && next_item(&text, &it); first = false) {
        if (is_help(&it))
            continue;
        if (it.key)
            ok = put_dotted(obj, it.key, it.value, errp);
        else if (first && implied_key)
            ok = put_dotted(obj, implied_key, it.value, errp);
        else
            ok = error_set(errp, "Expected '=' after parameter '%s'", it.value);
    }
    item_clear(&it);
    return ok ? lists_in(g_steal_pointer(&obj), "", errp) : NULL;
}

static Json *json_or(Json *(*parse)(const char *, const char *, Error **), const char *text, const char *implied_key,
                     bool *is_text, Error **errp)
{
    bool json = *text == '{';
    Json *v = json ? json_parse(text, strlen(text), errp) : parse(text, implied_key, errp);
    if (v && is_text)
        *is_text = !json;
    return v;
}

Json *json_or_keyval(const char *text, const char *implied_key, bool *is_text, Error **errp)
{
    return json_or(keyval_parse, text, implied_key, is_text, errp);
}

Json *json_or_keyval_dotted(const char *text, const char *implied_key, bool *is_text, Error **errp)
{
    return json_or(keyval_parse_dotted, text, implied_key, is_text, errp);
}
