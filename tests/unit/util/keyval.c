/* SPDX-License-Identifier: GPL-2.0-or-later */
/* util/keyval: option text to JSON, flat and nested, and what is refused. */
#include "util/keyval.h"

typedef Json *Parse(const char *text, const char *implied_key, Error **errp);

/* want: the object as JSON, or the error's text. */
static void gives(Parse *parse, const char *text, const char *implied, const char *want)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(Json) v = parse(text, implied, &err);
    g_autofree char *got = v ? json_to_string(v, false) : g_strdup(error_text(err));
    g_assert_true(!v == !!err);
    g_assert_cmpstr(got, ==, want);
}
#define FLAT(text, implied, want)   gives(keyval_parse, text, implied, want)
#define DOTTED(text, implied, want) gives(keyval_parse_dotted, text, implied, want)

static void test_flat(void)
{
    FLAT("", NULL, "{}");
    FLAT("a=1", NULL, "{\"a\": \"1\"}");
    FLAT("a=1,b=2,a=3", NULL, "{\"a\": \"3\", \"b\": \"2\"}");
    FLAT("isa-serial,id=s0,index=1", "driver", "{\"driver\": \"isa-serial\", \"id\": \"s0\", \"index\": \"1\"}");
    FLAT("driver=e1000,id=s0", "driver", "{\"driver\": \"e1000\", \"id\": \"s0\"}");
    FLAT("path=a,,b,,,,c,id=x", NULL, "{\"path\": \"a,b,,c\", \"id\": \"x\"}");
    FLAT("a,,b,id=x", "file", "{\"file\": \"a,b\", \"id\": \"x\"}");
    FLAT("server,nowait,x.y=z", NULL, "{\"server\": \"on\", \"wait\": \"off\", \"x.y\": \"z\"}");
    FLAT("a=", NULL, "{\"a\": \"\"}");
    FLAT("a=b=c,", NULL, "{\"a\": \"b=c\"}");
    FLAT("no", NULL, "{\"no\": \"on\"}");
    FLAT("=1", NULL, "Invalid parameter ''");
    FLAT(",a=1", NULL, "Invalid parameter ''");
}

static void test_dotted(void)
{
    DOTTED("", NULL, "{}");
    DOTTED("driver=qcow2,file.driver=file,file.filename=a,,b", NULL,
           "{\"driver\": \"qcow2\", \"file\": {\"driver\": \"file\", \"filename\": \"a,b\"}}");
    DOTTED("rng-random,id=r", "qom-type", "{\"qom-type\": \"rng-random\", \"id\": \"r\"}");
    DOTTED("a.1=y,a.0=x,b.0.c=1", NULL, "{\"a\": [\"x\", \"y\"], \"b\": [{\"c\": \"1\"}]}");
    DOTTED("a=1,a=2", NULL, "{\"a\": \"2\"}");
    DOTTED("rng-random,help", "qom-type", "{\"qom-type\": \"rng-random\"}");
    DOTTED("help", "qom-type", "{}");
    DOTTED("a", NULL, "Expected '=' after parameter 'a'");
    DOTTED("x,a", "k", "Expected '=' after parameter 'a'");
    DOTTED("a=1,a.b=2", NULL, "Parameters 'a.*' used inconsistently");
    DOTTED("a.b=1,a=2", NULL, "Parameters 'a.*' used inconsistently");
    DOTTED("a.b.c=1,a.b=2", NULL, "Parameters 'a.b.*' used inconsistently");
    DOTTED("a.0=1,a.b=2", NULL, "Parameters 'a.*' used inconsistently");
    DOTTED("a.0=1,a.2=2", NULL, "Parameter 'a.1' is missing");
    DOTTED("a.999999999=1", NULL, "Parameter 'a.0' is missing");
    DOTTED("0=1", NULL, "Invalid parameter '0'");
    DOTTED("a..b=1", NULL, "Invalid parameter 'a..b'");
    DOTTED(".a=1", NULL, "Invalid parameter '.a'");
    DOTTED("a.=1", NULL, "Invalid parameter 'a.'");
    DOTTED("=1", NULL, "Invalid parameter ''");
    DOTTED("a.01=1", NULL, "Invalid parameter 'a.01'");
    DOTTED("a b=1", NULL, "Invalid parameter 'a b'");
    g_autofree char *deep = g_strnfill(2000, 'a');
    for (int i = 1; i < 2000; i += 2)
        deep[i] = '.';
    deep[1999] = '=';
    g_assert_null(keyval_parse_dotted(deep, NULL, NULL));
}

static void test_help(void)
{
    g_assert_true(keyval_has_help("help"));
    g_assert_true(keyval_has_help("?"));
    g_assert_true(keyval_has_help("e1000,help"));
    g_assert_true(keyval_has_help("e1000,id=a,?"));
    g_assert_false(keyval_has_help("e1000,id=help"));
    g_assert_false(keyval_has_help("helpme"));
    g_assert_false(keyval_has_help("{\"driver\": \"x,help,y\"}"));
    g_assert_false(keyval_has_help("a=b,,help"));
    g_assert_false(keyval_has_help(""));
}

static void test_either(void)
{
    bool is_text = false;
    g_autoptr(Json) a = json_or_keyval("x,b=1", "a", &is_text, NULL);
    g_assert_true(is_text);
    g_assert_cmpstr(json_get_str(a, "a"), ==, "x");
    g_autoptr(Json) b = json_or_keyval_dotted("{\"b\": [1]}", "a", &is_text, NULL);
    g_assert_false(is_text);
    g_assert_cmpuint(json_length(json_get(b, "b")), ==, 1);
    g_autoptr(Error) err = NULL;
    g_assert_null(json_or_keyval("{\"b\": ", "a", NULL, &err));
    g_assert_cmpstr(error_text(err), ==, "JSON parse error, premature EOI");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/flat", test_flat);
    g_test_add_func("/keyval/dotted", test_dotted);
    g_test_add_func("/keyval/help", test_help);
    g_test_add_func("/keyval/either", test_either);
    return g_test_run();
}
