/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option text in its four readings. */
#include "tests/fuzz/fuzz.h"

#include "util/keyval.h"

const char *const fuzz_seeds[] = {
    "socket,id=c,path=/a,,b,server=on,nowait",
    "driver=qcow2,file.driver=file,file.filename=x,backing.0=a,backing.1=b",
    "{\"driver\": \"isa-serial\", \"id\": \"s\"}",
    "help,a.b.c.d=1,?",
    NULL,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    json_unref(keyval_parse(text, "first", NULL));
    json_unref(keyval_parse(text, NULL, NULL));
    if (!keyval_has_help(text))
        json_unref(keyval_parse_dotted(text, "first", NULL));
    json_unref(json_or_keyval(text, NULL, NULL, NULL));
    return 0;
}
