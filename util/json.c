/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values, their text, and the incremental reader: see json.h.
 *
 * The reader is a lexer (one byte at a time, the token so far in `tok`) above a parser with an explicit stack, so that
 * the nesting of the input costs heap and not stack. Errors come in two kinds. A byte that can begin or continue no
 * token ends the value at once, and so does a bad word outside of brackets: what follows is skipped up to the next '{',
 * '[', control character or byte 0xFE or 0xFF. A misplaced token is remembered, and reported once when the brackets of
 * the broken value are balanced. A value over a limit is skipped up to the next control character or 0xFF, so that it
 * is reported once.
 */
#include "util/json.h"

#include <math.h>

enum {
    MAX_TEXT = 64 * 1024 * 1024, /* bytes a value */
    MAX_TOKENS = 2 * 1024 * 1024,
    MAX_DEPTH = 1024,
    INDEX_FROM = 12, /* members from which an object keeps a hash table */
};

typedef struct Member {
    char *key;
    Json *val; /* NULL only inside the parser, between key and value */
} Member;

struct Json {
    int refs; /* atomic */
    JsonType type;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        char *s;
        struct {
            Json **v;
            size_t n, room;
        } arr;
        struct {
            Member *m;
            size_t n, room;
            GHashTable *index; /* key -> place + 1; NULL in small objects */
        } obj;
    };
};

static Json *json_new(JsonType type)
{
    Json *v = g_new0(Json, 1);
    v->refs = 1;
    v->type = type;
    return v;
}

Json *json_ref(Json *v)
{
    __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
    return v;
}

void json_unref(Json *v)
{
    if (!v || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL))
        return;
    switch (v->type) {
    case JSON_STRING:
        g_free(v->s);
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < v->arr.n; i++)
            json_unref(v->arr.v[i]);
        g_free(v->arr.v);
        break;
    case JSON_OBJECT:
        if (v->obj.index)
            g_hash_table_destroy(v->obj.index);
        for (size_t i = 0; i < v->obj.n; i++) {
            g_free(v->obj.m[i].key);
            json_unref(v->obj.m[i].val);
        }
        g_free(v->obj.m);
        break;
    default:
        break;
    }
    g_free(v);
}

JsonType json_type(const Json *v)
{
    return v->type;
}

const char *json_type_name(JsonType t)
{
    static const char *const names[] = {"null", "boolean", "number", "number", "number", "string", "array", "object"};
    return names[t];
}

Json *json_null(void)
{
    return json_new(JSON_NULL);
}

Json *json_bool(bool b)
{
    Json *v = json_new(JSON_BOOL);
    v->b = b;
    return v;
}

Json *json_uint(uint64_t u)
{
    Json *v = json_new(JSON_UINT);
    v->u = u;
    return v;
}

Json *json_int(int64_t i)
{
    if (i >= 0)
        return json_uint(i);
    Json *v = json_new(JSON_INT);
    v->i = i;
    return v;
}

Json *json_double(double d)
{
    Json *v = json_new(JSON_DOUBLE);
    v->d = d;
    return v;
}

static Json *json_string_take(char *s)
{
    Json *v = json_new(JSON_STRING);
    v->s = s;
    return v;
}

Json *json_string(const char *s)
{
    return json_string_take(g_utf8_make_valid(s, -1));
}

Json *json_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *s = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return json_string(s);
}

Json *json_array(void)
{
    return json_new(JSON_ARRAY);
}

Json *json_object(void)
{
    return json_new(JSON_OBJECT);
}

bool json_get_bool(const Json *v, bool *out)
{
    if (!v || v->type != JSON_BOOL)
        return false;
    *out = v->b;
    return true;
}

bool json_get_int(const Json *v, int64_t *out)
{
    if (!v || (v->type != JSON_INT && (v->type != JSON_UINT || v->u > INT64_MAX)))
        return false;
    *out = v->i;
    return true;
}

bool json_get_uint(const Json *v, uint64_t *out)
{
    if (!v || v->type != JSON_UINT)
        return false;
    *out = v->u;
    return true;
}

bool json_get_double(const Json *v, double *out)
{
    if (!v || (v->type != JSON_INT && v->type != JSON_UINT && v->type != JSON_DOUBLE))
        return false;
    *out = v->type == JSON_DOUBLE ? v->d : v->type == JSON_UINT ? (double)v->u : (double)v->i;
    return true;
}

const char *json_get_string(const Json *v)
{
    return v && v->type == JSON_STRING ? v->s : NULL;
}

size_t json_length(const Json *v)
{
    return !v ? 0 : v->type == JSON_ARRAY ? v->arr.n : v->type == JSON_OBJECT ? v->obj.n : 0;
}

Json *json_at(const Json *arr, size_t i)
{
    return arr && arr->type == JSON_ARRAY && i < arr->arr.n ? arr->arr.v[i] : NULL;
}

void json_append(Json *arr, Json *val)
{
    assert(arr->type == JSON_ARRAY);
    if (arr->arr.n == arr->arr.room) {
        arr->arr.room = MAX(4, arr->arr.room * 2);
        arr->arr.v = g_renew(Json *, arr->arr.v, arr->arr.room);
    }
    arr->arr.v[arr->arr.n++] = val;
}

static Member *obj_find(const Json *obj, const char *key)
{
    if (obj->obj.index) {
        size_t place = GPOINTER_TO_SIZE(g_hash_table_lookup(obj->obj.index, key));
        return place ? &obj->obj.m[place - 1] : NULL;
    }
    for (size_t i = 0; i < obj->obj.n; i++)
        if (!strcmp(obj->obj.m[i].key, key))
            return &obj->obj.m[i];
    return NULL;
}

static void obj_index(Json *obj)
{
    obj->obj.index = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < obj->obj.n; i++)
        g_hash_table_insert(obj->obj.index, obj->obj.m[i].key, GSIZE_TO_POINTER(i + 1));
}

static void obj_append(Json *obj, char *key, Json *val)
{
    if (obj->obj.n == obj->obj.room) {
        obj->obj.room = MAX(4, obj->obj.room * 2);
        obj->obj.m = g_renew(Member, obj->obj.m, obj->obj.room);
    }
    obj->obj.m[obj->obj.n++] = (Member){key, val};
    if (obj->obj.index)
        g_hash_table_insert(obj->obj.index, key, GSIZE_TO_POINTER(obj->obj.n));
    else if (obj->obj.n >= INDEX_FROM)
        obj_index(obj);
}

Json *json_get(const Json *obj, const char *key)
{
    if (!obj || obj->type != JSON_OBJECT)
        return NULL;
    Member *m = obj_find(obj, key);
    return m ? m->val : NULL;
}

void json_set(Json *obj, const char *key, Json *val)
{
    assert(obj->type == JSON_OBJECT);
    Member *m = obj_find(obj, key);
    if (m) {
        json_unref(m->val);
        m->val = val;
    } else {
        obj_append(obj, g_utf8_make_valid(key, -1), val);
    }
}

bool json_remove(Json *obj, const char *key)
{
    Member *m = obj && obj->type == JSON_OBJECT ? obj_find(obj, key) : NULL;
    if (!m)
        return false;
    Member gone = *m;
    if (obj->obj.index)
        g_clear_pointer(&obj->obj.index, g_hash_table_destroy);
    memmove(m, m + 1, (obj->obj.m + obj->obj.n - (m + 1)) * sizeof(*m));
    if (--obj->obj.n >= INDEX_FROM)
        obj_index(obj);
    g_free(gone.key);
    json_unref(gone.val);
    return true;
}

const char *json_key_at(const Json *obj, size_t i)
{
    return obj && obj->type == JSON_OBJECT && i < obj->obj.n ? obj->obj.m[i].key : NULL;
}

Json *json_val_at(const Json *obj, size_t i)
{
    return obj && obj->type == JSON_OBJECT && i < obj->obj.n ? obj->obj.m[i].val : NULL;
}

const char *json_get_str(const Json *obj, const char *key)
{
    return json_get_string(json_get(obj, key));
}

void json_set_str(Json *obj, const char *key, const char *s)
{
    json_set(obj, key, json_string(s));
}

void json_set_int(Json *obj, const char *key, int64_t i)
{
    json_set(obj, key, json_int(i));
}

void json_set_uint(Json *obj, const char *key, uint64_t u)
{
    json_set(obj, key, json_uint(u));
}

void json_set_bool(Json *obj, const char *key, bool b)
{
    json_set(obj, key, json_bool(b));
}

Json *json_copy(const Json *v)
{
    Json *c = json_new(v->type);
    switch (v->type) {
    case JSON_STRING:
        c->s = g_strdup(v->s);
        break;
    case JSON_ARRAY:
        for (size_t i = 0; i < v->arr.n; i++)
            json_append(c, json_copy(v->arr.v[i]));
        break;
    case JSON_OBJECT:
        for (size_t i = 0; i < v->obj.n; i++)
            obj_append(c, g_strdup(v->obj.m[i].key), json_copy(v->obj.m[i].val));
        break;
    default:
        c->u = v->u;
        if (v->type == JSON_DOUBLE)
            c->d = v->d;
        break;
    }
    return c;
}

bool json_equal(const Json *a, const Json *b)
{
    double x, y;
    if (a->type != b->type)
        return json_get_double(a, &x) && json_get_double(b, &y) && x == y;
    switch (a->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->b == b->b;
    case JSON_INT:
    case JSON_UINT:
        return a->u == b->u;
    case JSON_DOUBLE:
        return a->d == b->d;
    case JSON_STRING:
        return !strcmp(a->s, b->s);
    case JSON_ARRAY:
        for (size_t i = 0; i < a->arr.n && i < b->arr.n; i++)
            if (!json_equal(a->arr.v[i], b->arr.v[i]))
                return false;
        return a->arr.n == b->arr.n;
    case JSON_OBJECT:
        for (size_t i = 0; i < a->obj.n; i++) {
            const Member *m = obj_find(b, a->obj.m[i].key);
            if (!m || !json_equal(a->obj.m[i].val, m->val))
                return false;
        }
        return a->obj.n == b->obj.n;
    }
    return false;
}

/* --- Text out --- */

/* Plain ASCII, so that a log or a terminal in any encoding shows it. */
static void print_string(const char *s, GString *out)
{
    g_string_append_c(out, '"');
    for (const char *p = s; *p; p = g_utf8_next_char(p)) {
        static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
        gunichar c = g_utf8_get_char(p);
        const char *esc = c < 0x80 ? strchr(from, (int)c) : NULL;
        if (esc)
            g_string_append_printf(out, "\\%c", to[esc - from]);
        else if (c >= 0x20 && c < 0x7f)
            g_string_append_c(out, (char)c);
        else if (c >= 0x10000)
            g_string_append_printf(out, "\\u%04X\\u%04X", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
        else
            g_string_append_printf(out, "\\u%04X", c);
    }
    g_string_append_c(out, '"');
}

static void print_break(GString *out, bool pretty, unsigned level)
{
    if (pretty)
        g_string_append_printf(out, "\n%*s", (int)level * 4, "");
}

static void print_value(const Json *v, GString *out, bool pretty, unsigned level)
{
    size_t n = json_length(v);
    char buf[G_ASCII_DTOSTR_BUF_SIZE];
    switch (v->type) {
    case JSON_NULL:
        g_string_append(out, "null");
        break;
    case JSON_BOOL:
        g_string_append(out, v->b ? "true" : "false");
        break;
    case JSON_INT:
        g_string_append_printf(out, "%" PRId64, v->i);
        break;
    case JSON_UINT:
        g_string_append_printf(out, "%" PRIu64, v->u);
        break;
    case JSON_DOUBLE: /* JSON has no infinity and no NaN */
        g_string_append(out, isfinite(v->d) ? g_ascii_formatd(buf, sizeof(buf), "%.17g", v->d) : "null");
        break;
    case JSON_STRING:
        print_string(v->s, out);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        g_string_append_c(out, v->type == JSON_ARRAY ? '[' : '{');
        for (size_t i = 0; i < n; i++) {
            if (i)
                g_string_append(out, pretty ? "," : ", ");
            print_break(out, pretty, level + 1);
            if (v->type == JSON_OBJECT) {
                print_string(v->obj.m[i].key, out);
                g_string_append(out, ": ");
            }
            print_value(v->type == JSON_ARRAY ? v->arr.v[i] : v->obj.m[i].val, out, pretty, level + 1);
        }
        print_break(out, pretty, level);
        g_string_append_c(out, v->type == JSON_ARRAY ? ']' : '}');
        break;
    }
}

void json_print(const Json *v, GString *out, bool pretty)
{
    print_value(v, out, pretty, 0);
}

char *json_to_string(const Json *v, bool pretty)
{
    GString *out = g_string_new(NULL);
    json_print(v, out, pretty);
    return g_string_free(out, FALSE);
}

/* --- Text in --- */

typedef enum Lex { LEX_START, LEX_STRING, LEX_ESCAPE, LEX_WORD, LEX_RECOVER, LEX_SKIP_LINE } Lex;
/* What the parser takes next; in the order of the messages in parse_token(). */
typedef enum Want { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_COLON, WANT_COMMA_OR_END } Want;

struct JsonReader {
    JsonReaderFn *fn;
    void *opaque;

    Lex lex;
    char quote;   /* of the string being read */
    GString *tok; /* text of the string (without quotes) or word being read */

    GPtrArray *stack; /* the open containers, borrowed but for the first */
    Want want;
    int braces, brackets; /* opened less closed, whether or not they match */
    size_t text, tokens;  /* of this value */
    Error *err;           /* the value is broken; the rest of it is being skipped */
    Json *done;
};

static void reader_reset(JsonReader *r)
{
    if (r->stack->len)
        json_unref(g_ptr_array_index(r->stack, 0));
    g_ptr_array_set_size(r->stack, 0);
    if (r->tok->allocated_len > 64 * KIB) {
        g_string_free(r->tok, TRUE);
        r->tok = g_string_new(NULL);
    }
    g_string_truncate(r->tok, 0);
    r->want = WANT_VALUE;
    r->braces = r->brackets = 0;
    r->text = r->tokens = 0;
    g_clear_pointer(&r->err, error_free);
    g_clear_pointer(&r->done, json_unref);
}

/* Hand over what there is: the value (then true) or the error. */
static bool reader_emit(JsonReader *r)
{
    Error *err = g_steal_pointer(&r->err);
    Json *val = g_steal_pointer(&r->done);
    if (err)
        g_clear_pointer(&val, json_unref);
    reader_reset(r);
    if (val || err)
        r->fn(r->opaque, val, err);
    return !err;
}

/* An error that ends the value here and now. */
static void PRINTF_LIKE(3, 4) reader_fail(JsonReader *r, Lex then, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_clear_pointer(&r->err, error_free);
    error_set(&r->err, "%s", msg);
    r->lex = then;
    reader_emit(r);
}

/* The value of a complete word: keyword or number. */
static Json *word_value(const char *w, Error **errp)
{
    if (!strcmp(w, "null"))
        return json_null();
    if (!strcmp(w, "true") || !strcmp(w, "false"))
        return json_bool(w[0] == 't');
    const char *p = w + (*w == '-');
    if (!g_ascii_isdigit(*p)) {
        error_set(errp, "JSON parse error, invalid keyword '%.40s'", w);
        return NULL;
    }
    bool whole = true;
    p += strspn(p, *p == '0' ? "0" : "0123456789");
    bool ok = *w != '0' || p == w + 1;
    ok = ok && !(w[0] == '-' && w[1] == '0' && p != w + 2);
    if (*p == '.') {
        whole = false;
        ok = ok && g_ascii_isdigit(*++p);
        p += strspn(p, "0123456789");
    }
    if (*p == 'e' || *p == 'E') {
        whole = false;
        p++;
        p += *p == '+' || *p == '-';
        ok = ok && g_ascii_isdigit(*p);
        p += strspn(p, "0123456789");
    }
    if (!ok || *p) {
        error_set(errp, "JSON parse error, invalid number '%.40s'", w);
        return NULL;
    }
    if (whole) {
        errno = 0;
        if (*w == '-') {
            int64_t i = g_ascii_strtoll(w, NULL, 10);
            if (!errno)
                return json_int(i);
        } else {
            uint64_t u = g_ascii_strtoull(w, NULL, 10);
            if (!errno)
                return json_uint(u);
        }
    }
    double d = g_ascii_strtod(w, NULL);
    if (!isfinite(d)) {
        error_set(errp, "JSON parse error, number '%.40s' is out of range", w);
        return NULL;
    }
    return json_double(d);
}

static bool hex4(const char *p, gunichar *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        if (!g_ascii_isxdigit(p[i]))
            return false;
        *out = *out << 4 | (unsigned)g_ascii_xdigit_value(p[i]);
    }
    return true;
}

/* The text of a string token with its escapes undone; raw is NUL-terminated and holds no other NUL. */
static char *string_value(const char *raw, size_t len, Error **errp)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
    if (!g_utf8_validate(raw, (gssize)len, NULL)) {
        error_set(errp, "JSON parse error, invalid UTF-8 sequence in string");
        return NULL;
    }
    char *out = g_malloc(len + 1), *o = out;
    for (const char *p = raw; *p; p++) {
        if (*p != '\\') {
            *o++ = *p;
            continue;
        }
        const char *esc = strchr(from, *++p), *start = p - 1;
        if (esc && *esc) {
            *o++ = to[esc - from];
            continue;
        }
        gunichar c, low;
        bool ok = *p == 'u' && hex4(p + 1, &c) && c;
        if (ok) {
            p += 4;
            if (c >= 0xd800 && c < 0xdc00) {
                ok = p[1] == '\\' && p[2] == 'u' && hex4(p + 3, &low) && low >= 0xdc00 && low < 0xe000;
                if (ok) {
                    c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                    p += 6;
                }
            } else {
                ok = c < 0xdc00 || c >= 0xe000;
            }
        }
        if (!ok) {
            error_set(errp, "JSON parse error, invalid escape sequence '%.*s' in string",
                      (int)strnlen(start, start[1] == 'u' ? 6 : 2), start);
            g_free(out);
            return NULL;
        }
        o += g_unichar_to_utf8(c, o);
    }
    *o = 0;
    return out;
}

static Json *reader_top(JsonReader *r)
{
    return r->stack->len ? g_ptr_array_index(r->stack, r->stack->len - 1) : NULL;
}

/* A value is complete (or a container has begun): put it where it belongs. */
static void reader_place(JsonReader *r, Json *val)
{
    Json *top = reader_top(r);
    if (!top) {
        r->done = val;
    } else if (top->type == JSON_ARRAY) {
        json_append(top, val);
    } else {
        top->obj.m[top->obj.n - 1].val = val;
    }
    r->want = WANT_COMMA_OR_END;
}

/* One token: one of "{}[],:", or '"' (a string) or 'w' (a word), whose text is in r->tok. */
static void parse_token(JsonReader *r, char t)
{
    Json *top = reader_top(r);
    bool in_obj = top && top->type == JSON_OBJECT;
    if (t == '}' || t == ']') {
        bool end = r->want == WANT_VALUE_OR_END || r->want == WANT_KEY_OR_END || r->want == WANT_COMMA_OR_END;
        if (end && top && in_obj == (t == '}')) {
            g_ptr_array_set_size(r->stack, (int)r->stack->len - 1);
            r->want = WANT_COMMA_OR_END;
            if (!r->stack->len)
                r->done = top;
            return;
        }
    }
    switch (r->want) {
    case WANT_VALUE:
    case WANT_VALUE_OR_END:
        if (t == '{' || t == '[') {
            Json *c = t == '{' ? json_object() : json_array();
            if (top)
                reader_place(r, c);
            g_ptr_array_add(r->stack, c);
            r->want = t == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
        } else if (t == '"') {
            char *s = string_value(r->tok->str, r->tok->len, &r->err);
            if (s)
                reader_place(r, json_string_take(s));
        } else if (t == 'w') {
            Json *v = word_value(r->tok->str, &r->err);
            if (v)
                reader_place(r, v);
        } else {
            error_set(&r->err, "JSON parse error, expecting value");
        }
        break;
    case WANT_KEY:
    case WANT_KEY_OR_END:
        if (t != '"') {
            error_set(&r->err, strchr("}],:", t) ? "JSON parse error, expecting value"
                                                 : "JSON parse error, key is not a string in object");
            break;
        }
        char *key = string_value(r->tok->str, r->tok->len, &r->err);
        if (key && obj_find(top, key)) {
            error_set(&r->err, "JSON parse error, duplicate key");
            g_free(key);
        } else if (key) {
            obj_append(top, key, NULL);
            r->want = WANT_COLON;
        }
        break;
    case WANT_COLON:
        if (t == ':')
            r->want = WANT_VALUE;
        else
            error_set(&r->err, "JSON parse error, missing : in object pair");
        break;
    case WANT_COMMA_OR_END:
        if (t == ',')
            r->want = in_obj ? WANT_KEY : WANT_VALUE;
        else
            error_set(&r->err, "JSON parse error, expected separator in %s", in_obj ? "dict" : "list");
        break;
    }
}

/* false: it ended a broken value */
static bool reader_token(JsonReader *r, char t)
{
    bool ok = true;
    if (!r->err)
        parse_token(r, t);
    g_string_truncate(r->tok, 0);
    r->braces += (t == '{') - (t == '}');
    r->brackets += (t == '[') - (t == ']');
    if (++r->tokens > MAX_TOKENS)
        reader_fail(r, LEX_SKIP_LINE, "JSON token count limit exceeded");
    else if (r->braces + r->brackets > MAX_DEPTH)
        reader_fail(r, LEX_SKIP_LINE, "JSON nesting depth limit exceeded");
    else if (r->braces < 0 || r->brackets < 0 || (!r->braces && !r->brackets))
        ok = reader_emit(r);
    return ok;
}

static bool is_word(unsigned char c)
{
    return g_ascii_isalnum(c) || c == '-' || c == '+' || c == '.' || c == '_';
}

/* Where a new value may begin after a bad byte. */
static bool is_resync(unsigned char c)
{
    return c < ' ' || c >= 0xfe || c == '{' || c == '[';
}

static void reader_stray(JsonReader *r, unsigned char c)
{
    Lex then = is_resync(c) ? LEX_START : LEX_RECOVER;
    if (c > 0x20 && c < 0x7f)
        reader_fail(r, then, "JSON parse error, stray '%c'", c);
    else
        reader_fail(r, then, "JSON parse error, stray byte 0x%02x%s", c, r->lex == LEX_START ? "" : " in string");
}

/* The lexer's step; false: the byte ended the token before it and is to be given again. */
static bool reader_byte(JsonReader *r, unsigned char c)
{
    switch (r->lex) {
    case LEX_START:
        if (c == '"' || c == '\'') {
            r->quote = (char)c;
            r->lex = LEX_STRING;
        } else if (c && strchr("{}[],:", c)) {
            reader_token(r, (char)c);
        } else if (is_word(c)) {
            g_string_append_c(r->tok, (char)c);
            r->lex = LEX_WORD;
        } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            reader_stray(r, c);
        }
        return true;
    case LEX_STRING:
        if (c == (unsigned char)r->quote) {
            r->lex = LEX_START;
            reader_token(r, '"');
        } else if (c < 0x20 || c == 0xc0 || c == 0xc1 || c > 0xf4) {
            reader_stray(r, c);
        } else {
            g_string_append_c(r->tok, (char)c);
            if (c == '\\')
                r->lex = LEX_ESCAPE;
        }
        return true;
    case LEX_ESCAPE: /* any byte may follow here: string_value() judges it */
        r->lex = LEX_STRING;
        if (c < 0x20 || c > 0xf4)
            return false;
        g_string_append_c(r->tok, (char)c);
        return true;
    case LEX_WORD:
        if (is_word(c)) {
            g_string_append_c(r->tok, (char)c);
            return true;
        }
        r->lex = LEX_START;
        if (!reader_token(r, 'w'))
            r->lex = LEX_RECOVER;
        return false;
    case LEX_RECOVER:
        if (is_resync(c))
            r->lex = LEX_START;
        return c != '{' && c != '[';
    case LEX_SKIP_LINE:
        if (c == '\n' || c == 0xff)
            r->lex = LEX_START;
        return true;
    }
    return true;
}

JsonReader *json_reader_new(JsonReaderFn *fn, void *opaque)
{
    JsonReader *r = g_new0(JsonReader, 1);
    r->fn = fn;
    r->opaque = opaque;
    r->tok = g_string_new(NULL);
    r->stack = g_ptr_array_new();
    return r;
}

void json_reader_feed(JsonReader *r, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        while (!reader_byte(r, (unsigned char)data[i]))
            ;
        bool idle = r->lex == LEX_START && !r->braces && !r->brackets;
        r->text = idle || r->lex >= LEX_RECOVER ? 0 : r->text + 1;
        if (r->text > MAX_TEXT)
            reader_fail(r, LEX_SKIP_LINE, "JSON token size limit exceeded");
    }
}

void json_reader_end(JsonReader *r)
{
    if (r->lex == LEX_WORD) {
        r->lex = LEX_START;
        reader_token(r, 'w');
    }
    bool half = r->lex == LEX_STRING || r->lex == LEX_ESCAPE || r->braces || r->brackets;
    r->lex = LEX_START;
    if (half && !r->err)
        error_set(&r->err, "JSON parse error, premature EOI");
    if (half)
        reader_emit(r);
}

void json_reader_free(JsonReader *r)
{
    if (!r)
        return;
    reader_reset(r);
    g_string_free(r->tok, TRUE);
    g_ptr_array_free(r->stack, TRUE);
    g_free(r);
}

typedef struct Whole {
    Json *val;
    Error *err;
} Whole;

static void whole_emit(void *opaque, Json *val, Error *err)
{
    Whole *w = opaque;
    if (!w->val && !w->err) {
        w->val = val;
        w->err = err;
        return;
    }
    if (!w->err)
        error_set(&w->err, "JSON parse error, text after the value");
    json_unref(val);
    error_free(err);
}

Json *json_parse(const char *text, size_t len, Error **errp)
{
    Whole w = {0};
    JsonReader *r = json_reader_new(whole_emit, &w);
    for (size_t i = 0; i < len && !w.err; i += 4096)
        json_reader_feed(r, text + i, MIN(len - i, 4096));
    json_reader_end(r);
    json_reader_free(r);
    if (!w.val && !w.err)
        error_set(&w.err, "JSON parse error, no value");
    if (w.err) {
        json_unref(w.val);
        error_propagate(errp, w.err);
        return NULL;
    }
    return w.val;
}
