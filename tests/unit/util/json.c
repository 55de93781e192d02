/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util/json: values, strict text in, text out, and the incremental reader's way back after bad input. */
#include "util/json.h"

static void accepts(const char *text, const char *printed)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Json) v = json_parse(text, strlen(text), &err);
    if (!v)
        g_error("%s: %s", text, error_text(err));
    g_autofree char *s = json_to_string(v, false);
    g_assert_cmpstr(s, ==, printed);
    g_autoptr(Json) again = json_parse(s, strlen(s), NULL);
    g_assert_nonnull(again);
    g_assert_true(json_equal(v, again));
    g_autoptr(Json) copy = json_copy(v);
    g_assert_true(json_equal(v, copy));
    g_autofree char *pretty = json_to_string(v, true);
    g_autoptr(Json) from_pretty = json_parse(pretty, strlen(pretty), NULL);
    g_assert_true(json_equal(v, from_pretty));
}

static void test_accept(void)
{
    static const char *const same[] = {
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
        "0.5",
        "\"\"",
        "\"a b\"",
        "[]",
        "{}",
        "[1, 2, [3, {}]]",
        "{\"a\": 1, \"b\": [null, true]}",
        "\"\\u00E9\\uD83D\\uDE00\"",
        "\"\\u0001\\u007F\"",
        "\"\\b\\f\\n\\r\\t\\\"\\\\\"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        accepts(same[i], same[i]);
    accepts(" \t\r\n[ 1 ,2 ]\n", "[1, 2]");
    accepts("-0", "0");
    accepts("18446744073709551616", "1.8446744073709552e+19");
    accepts("-9223372036854775809", "-9.2233720368547758e+18");
    accepts("1e2", "100");
    accepts("-1.5E-1", "-0.14999999999999999");
    accepts("'it\\'s'", "\"it's\"");
    accepts("'say \"x\"'", "\"say \\\"x\\\"\"");
    accepts("\"\\/\\u0041\\ud83d\\ude00\"", "\"/A\\uD83D\\uDE00\"");
    accepts("\"\xc3\xa9\"", "\"\\u00E9\"");
}

static void test_refuse(void)
{
    static const char *const bad[] = {
        "",
        " ",
        "nul",
        "True",
        "01",
        "-",
        "-01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "1.e1",
        "0x10",
        "1a",
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "\"",
        "\"a",
        "'a\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u000g\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "\"\x01\"",
        "\"\xe9\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf8\x88\x80\x80\x80\"",
        "\"\xff\"",
        "[",
        "]",
        "[1",
        "[1,",
        "[,1]",
        "[1,]",
        "[1 2]",
        "[1}",
        "{",
        "}",
        "{a:1}",
        "{1:2}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1]",
        "1 2",
        "{} {}",
        "[]x",
        "%s",
        "/* */1",
        "\"\\",
        "\"\\\n\"",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(Json) v = json_parse(bad[i], strlen(bad[i]), &err);
        if (v)
            g_error("accepted: %s", bad[i]);
        g_assert_nonnull(err);
        g_assert_true(g_utf8_validate(error_text(err), -1, NULL));
    }
    g_assert_null(json_parse("\"a\0b\"", 5, NULL));
}

static void test_limits(void)
{
    for (int depth = 1024; depth <= 1025; depth++) {
        GString *s = g_string_new(NULL);
        for (int i = 0; i < depth; i++)
            g_string_append_c(s, '[');
        for (int i = 0; i < depth; i++)
            g_string_append_c(s, ']');
        g_autoptr(Error) err = NULL;
        g_autoptr(Json) v = json_parse(s->str, s->len, &err);
        g_assert_true((v != NULL) == (depth == 1024));
        if (err)
            g_assert_cmpstr(error_text(err), ==, "JSON nesting depth limit exceeded");
        g_string_free(s, TRUE);
    }
}

static void test_values(void)
{
    int64_t i = 7;
    uint64_t u = 7;
    double d = 7;
    bool b = false;
    g_autoptr(Json) neg = json_int(-5);
    g_autoptr(Json) pos = json_int(5);
    g_autoptr(Json) big = json_uint(UINT64_MAX);
    g_assert_cmpint(json_type(neg), ==, JSON_INT);
    g_assert_cmpint(json_type(pos), ==, JSON_UINT);
    g_assert_true(json_get_int(neg, &i) && i == -5);
    g_assert_true(json_get_int(pos, &i) && i == 5);
    g_assert_false(json_get_int(big, &i));
    g_assert_false(json_get_uint(neg, &u));
    g_assert_true(json_get_uint(big, &u) && u == UINT64_MAX);
    g_assert_true(json_get_double(neg, &d) && d == -5);
    g_assert_false(json_get_bool(pos, &b));
    g_assert_false(json_get_bool(NULL, &b));
    g_assert_null(json_get_string(pos));

    g_autoptr(Json) o = json_object();
    for (int k = 0; k < 100; k++) {
        g_autofree char *key = g_strdup_printf("key%d", k);
        json_set_int(o, key, k);
    }
    json_set_str(o, "key50", "fifty");
    g_assert_true(json_remove(o, "key0"));
    g_assert_false(json_remove(o, "key0"));
    g_assert_cmpuint(json_length(o), ==, 99);
    g_assert_cmpstr(json_key_at(o, 0), ==, "key1");
    g_assert_cmpstr(json_key_at(o, 49), ==, "key50");
    g_assert_cmpstr(json_get_str(o, "key50"), ==, "fifty");
    g_assert_true(json_get_int(json_get(o, "key99"), &i) && i == 99);
    for (int k = 1; k < 99; k++) {
        g_autofree char *key = g_strdup_printf("key%d", k);
        g_assert_true(json_remove(o, key));
    }
    g_assert_true(json_get_int(json_get(o, "key99"), &i) && i == 99);
    g_assert_null(json_get(o, "key50"));

    g_autoptr(Json) broken = json_string("a\xff"
                                         "b");
    g_assert_cmpstr(json_get_string(broken), ==,
                    "a\xef\xbf\xbd"
                    "b");
    g_autoptr(Json) a1 = json_parse("{'a': 1, 'b': [2.0]}", 20, NULL);
    g_autoptr(Json) a2 = json_parse("{'b': [2], 'a': 1}", 18, NULL);
    g_assert_true(json_equal(a1, a2));
    json_set_bool(a2, "a", true);
    g_assert_false(json_equal(a1, a2));
}

static void test_pretty(void)
{
    const char *want = "{\n    \"a\": [\n        1,\n        {\n            \"b\": \"c\"\n        }\n    ]\n}";
    g_autoptr(Json) v = json_parse(want, strlen(want), NULL);
    g_autofree char *s = json_to_string(v, true);
    g_assert_cmpstr(s, ==, want);
}

/* What comes out of the reader, as text: a value, or "!" for an error. */
static void collect(void *opaque, Json *val, Error *err)
{
    GString *out = opaque;
    g_assert_true(!val != !err);
    if (val) {
        json_print(val, out, false);
        json_unref(val);
    } else {
        g_string_append_c(out, '!');
        error_free(err);
    }
    g_string_append_c(out, ';');
}

static void reads(const char *in, size_t len, const char *want)
{
    for (size_t step = 1; step <= len + 1; step++) {
        GString *out = g_string_new(NULL);
        JsonReader *r = json_reader_new(collect, out);
        for (size_t i = 0; i < len; i += step)
            json_reader_feed(r, in + i, MIN(step, len - i));
        json_reader_end(r);
        json_reader_free(r);
        if (strcmp(out->str, want))
            g_error("%s by %zu: %s instead of %s", in, step, out->str, want);
        g_string_free(out, TRUE);
    }
}
#define READS(in, want) reads(in, sizeof(in) - 1, want)

static void test_reader(void)
{
    READS("{}{}\n[] 1 2\ntrue", "{};{};[];1;2;true;");
    READS("{'a': {'b': 1}}\r\n{'c': \"}\"}", "{\"a\": {\"b\": 1}};{\"c\": \"}\"};");
    /* each kind of broken value gives one error, and the next command is read */
    READS("{]\n{}", "!;{};");
    READS("{\xff{}", "!;{};");
    READS("{\x01{}", "!;{};");
    READS("{'bad \xff{}", "!;{};");
    READS("{'execute': 'nonexistent', 'id':'\n{}", "!;{};");
    READS("%p{}", "!;{};");
    READS("{'a': [1, {'b' 2}], 'c': {'d': 3}} {}", "!;{};");
    READS("{\n'a': tru,\n'b': [2,\n3]\n}\n{}", "!;{};");
    READS("GET / HTTP/1.1\r\n{}", "!;{};");
    READS("Hello, is this (a monitor)?\n{}", "!;{};");
    READS("01 02 03\n{}", "!;{};");
    READS("{[}]{}", "!;{};");
    READS("]{}", "!;{};");
    READS("{'a': 1, 'a': {}}[]", "!;[];");
    READS("{'a': '\\", "!;");
    READS("{'a': 'half", "!;");
    READS("{'a': 1", "!;");
    READS("'\\\n{}", "!;{};");
    READS("\xff\xff{}", "!;!;{};");
    READS("", "");
    READS(" \n\r\t", "");
}

static void test_reader_limits(void)
{
    GString *out = g_string_new(NULL);
    JsonReader *r = json_reader_new(collect, out);
    for (int i = 0; i < 100000; i++)
        json_reader_feed(r, "[", 1);
    json_reader_feed(r, "\n{}", 3);
    g_assert_cmpstr(out->str, ==, "!;{};");
    json_reader_free(r);
    r = json_reader_new(collect, out); /* a half value is freed with its reader */
    json_reader_feed(r, "{'a': [{'b': ", 13);
    json_reader_free(r);
    g_string_free(out, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/accept", test_accept);
    g_test_add_func("/json/refuse", test_refuse);
    g_test_add_func("/json/limits", test_limits);
    g_test_add_func("/json/values", test_values);
    g_test_add_func("/json/pretty", test_pretty);
    g_test_add_func("/json/reader", test_reader);
    g_test_add_func("/json/reader-limits", test_reader_limits);
    return g_test_run();
}
