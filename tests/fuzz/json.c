/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text, whole and in pieces: what parses is printed, parsed again and must be equal. The first byte is the pieces'
 * size. */
#include "tests/fuzz/fuzz.h"

#include "util/json.h"

const char *const fuzz_seeds[] = {
    "\x03{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"oob\"]}, \"id\": 1}\n",
    "\x40[1, -2, 3.5e10, true, false, null, \"a\\u00e9\\n\\ud83d\\ude00\", {}, [[]]]",
    "\x01{'a': 18446744073709551615, 'b': -9223372036854775808}",
    "\x05nonsense }{ \xff{\"execute\": \"stop\"}\n",
    NULL,
};

static void round_trip(Json *v)
{
    g_autofree char *text = json_to_string(v, false);
    g_autoptr(Json) again = json_parse(text, strlen(text), NULL);
    g_assert_nonnull(again);
    g_assert_true(json_equal(v, again));
}

static void got(void *opaque, Json *val, Error *err)
{
    g_assert_true(!val != !err);
    if (val)
        round_trip(val);
    json_unref(val);
    error_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1, piece = data[0] ? data[0] : 1;
    g_autoptr(Json) v = json_parse(text, len, NULL);
    if (v)
        round_trip(v);
    JsonReader *r = json_reader_new(got, NULL);
    for (size_t at = 0; at < len; at += piece)
        json_reader_feed(r, text + at, MIN(piece, len - at));
    json_reader_end(r);
    json_reader_free(r);
    return 0;
}
