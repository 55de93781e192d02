/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Option text: "value,key=value,key2.sub=value". A comma in a value is written twice. Values come out as strings.
 */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include "util/json.h"

/*
 * Flat, as most options take it: dots in keys are kept, a bare word `foo` is foo=on and `nofoo` is foo=off, of a repeated key
 * the last counts. implied_key: what a first item without '=' is the value of; NULL: it is a bare word. The caller owns the object.
 */
Json *keyval_parse(const char *text, const char *implied_key, Error **errp);

/*
 * Nested, as -blockdev, -object, -audiodev, -display take it: "a.b=1" is {"a": {"b": "1"}}, "a.0=x,a.1=y" is {"a": ["x", "y"]}.
 * Each item needs its '=', but for `help` and `?`, which are left out: ask keyval_has_help() first.
 */
Json *keyval_parse_dotted(const char *text, const char *implied_key, Error **errp);

/* Some item is `help` or `?`. */
bool keyval_has_help(const char *text);

/* Text that begins with '{' as JSON, which must be an object; else keyval. *is_text (may be NULL): it was keyval, so that every value
 * is a string that its user converts. */
Json *json_or_keyval(const char *text, const char *implied_key, bool *is_text, Error **errp);
Json *json_or_keyval_dotted(const char *text, const char *implied_key, bool *is_text, Error **errp);

#endif
