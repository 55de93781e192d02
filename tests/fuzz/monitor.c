/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a monitor is sent, up to where a command would run. The first byte: 'q' a QMP request, checked against the
 * schema as its command's arguments and as every other's; 'h' a line of the human monitor, taken apart as the arguments
 * of its command and of every other; 't' keys typed at the line editor.
 */
#include "tests/fuzz/fuzz.h"

#include "monitor/hmp.h"
#include "monitor/readline.h"
#include "qapi/qapi.h"

const char *const fuzz_seeds[] = {
    "q{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", \"data\": \"a\"}], \"hold-time\": "
    "1}}",
    "q{\"execute\": \"blockdev-add\", \"arguments\": {\"driver\": \"raw\", \"file\": {\"driver\": \"null-co\"}}}",
    "q{\"execute\": \"chardev-add\", \"arguments\": {\"id\": \"a\", \"backend\": {\"type\": \"socket\", \"data\": "
    "{\"addr\": "
    "{\"type\": \"inet\", \"data\": {\"host\": \"h\", \"port\": \"1\"}}}}}}",
    "hxp /4xw (0x1000 + 'a' * 3) & ~$rax",
    "heject -f \"a b\\\"c\\n\"",
    "hmemsave 0 10 \"file\"",
    "tinfo st\tus\x01\x05\x02\x0b\033[A\033[3~\033OH\r\x15\x17",
    NULL,
};

static void request(const char *text, size_t len)
{
    g_autoptr(Json) req = json_parse(text, len, NULL);
    const Json *args = req ? json_get(req, "arguments") : NULL;
    if (!args || json_type(args) != JSON_OBJECT)
        return;
    for (unsigned i = 0; i < qmp_command_count; i++) {
        Error *err = NULL;
        bool ok = qapi_check(qmp_commands[i].args, args, &err);
        g_assert_true(ok == !err);
        error_free(err);
    }
}

static void arguments(Hmp *h, const HmpCommand *table, const char *text)
{
    for (const HmpCommand *c = table; c->name; c++) {
        Error *err = NULL;
        g_autoptr(Json) args = hmp_parse_args(h, c, text, &err);
        g_assert_true(!args == !!err);
        error_free(err);
    }
}

static void human(const char *text)
{
    Hmp h = {.out = g_string_new(NULL), .cpu_index = -1};
    const char *p = text;
    uint64_t v;
    (void)hmp_expression(&h, &p, &v, NULL);
    g_assert_true(p >= text && p <= text + strlen(text));
    arguments(&h, hmp_commands, text);
    arguments(&h, hmp_info_commands, text);
    hmp_help(&h, text);
    g_string_free(h.out, TRUE);
}

static void on_text(void *opaque, const char *text)
{
}

static void on_complete(void *opaque, const char *text, GPtrArray *words)
{
    g_ptr_array_add(words, g_strdup("info"));
    if (strlen(text) % 2)
        g_ptr_array_add(words, g_strdup("inform"));
}

static void typed(const uint8_t *keys, size_t n)
{
    Readline r = {.prompt = "> ", .print = on_text, .line = on_text, .complete = on_complete};
    readline_init(&r);
    for (size_t i = 0; i < n; i++) {
        readline_byte(&r, keys[i]);
        g_assert_cmpuint(r.cursor, <=, r.buf->len);
        g_assert_cmpuint(r.buf->len, <=, READLINE_MAX);
    }
    readline_destroy(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    if (data[0] == 'q')
        request((const char *)data + 1, size - 1);
    else if (data[0] == 'h')
        human(text);
    else
        typed(data + 1, size - 1);
    return 0;
}
