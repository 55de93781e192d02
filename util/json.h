/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON values (RFC 8259), strict, as QMP and -device '{...}' need them: whole uint64 range, duplicate keys refused,
 * nesting and size bounded, an incremental reader that finds its feet again after bad input.
 *
 * A Json is reference counted (atomically) and owned as its function says: "takes" consumes the caller's reference,
 * "borrowed" is valid as long as its container. Objects keep the order of insertion. Strings are valid UTF-8 without NUL.
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include "util/error.h"

typedef struct Json Json;

typedef enum JsonType {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,  /* negative, or set by json_int: fits int64_t */
    JSON_UINT, /* not negative: fits uint64_t */
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
} JsonType;

Json *json_ref(Json *v);  /* returns v */
void json_unref(Json *v); /* NULL is allowed */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Json, json_unref)

JsonType json_type(const Json *v);
const char *json_type_name(JsonType t); /* "null" "boolean" "number" "string" "array" "object" */

Json *json_null(void);
Json *json_bool(bool b);
Json *json_int(int64_t i); /* becomes JSON_UINT where i >= 0 */
Json *json_uint(uint64_t u);
Json *json_double(double d);
Json *json_string(const char *s); /* s valid UTF-8, copied; broken bytes become U+FFFD */
Json *json_printf(const char *fmt, ...) PRINTF_LIKE(1, 2); /* a JSON_STRING */
Json *json_array(void);
Json *json_object(void);

/* Readers: false or NULL where v is NULL or of another type; the output is untouched then. */
bool json_get_bool(const Json *v, bool *out);
bool json_get_int(const Json *v, int64_t *out);   /* JSON_INT, or JSON_UINT up to INT64_MAX */
bool json_get_uint(const Json *v, uint64_t *out); /* JSON_UINT, or a JSON_INT that is not negative */
bool json_get_double(const Json *v, double *out); /* any number */
const char *json_get_string(const Json *v);       /* borrowed */

/* Arrays. */
size_t json_length(const Json *v);      /* elements of an array, members of an object, 0 for others */
Json *json_at(const Json *arr, size_t i); /* borrowed; NULL past the end */
void json_append(Json *arr, Json *val);   /* takes val */

/* Objects. */
Json *json_get(const Json *obj, const char *key);          /* borrowed, NULL where absent or obj is no object */
void json_set(Json *obj, const char *key, Json *val);      /* takes val; replaces, keeping the place */
bool json_remove(Json *obj, const char *key);              /* true where it was there */
const char *json_key_at(const Json *obj, size_t i);        /* borrowed */
Json *json_val_at(const Json *obj, size_t i);              /* borrowed */
/* Shorthands of json_get + reader, and of json_set + constructor. */
const char *json_get_str(const Json *obj, const char *key);
void json_set_str(Json *obj, const char *key, const char *s);
void json_set_int(Json *obj, const char *key, int64_t i);
void json_set_uint(Json *obj, const char *key, uint64_t u);
void json_set_bool(Json *obj, const char *key, bool b);

Json *json_copy(const Json *v); /* deep */
bool json_equal(const Json *a, const Json *b);

/* Text. json_print appends to out; pretty: 4 spaces a level and newlines, else one line with a space after ':' and ','. */
void json_print(const Json *v, GString *out, bool pretty);
char *json_to_string(const Json *v, bool pretty); /* the caller frees with g_free */
/* One whole value, nothing but white space around it. len in bytes. As an extension for the command line and old
 * scripts, 'single quotes' are accepted for strings. NULL on error. */
Json *json_parse(const char *text, size_t len, Error **errp);

/*
 * The incremental reader: feed bytes as they come; for each complete value the callback gets it (takes; err NULL), for each
 * malformed one an error (takes; val NULL), once, after which the reader skips to a place where a new value can begin
 * (the end of the broken value's brackets; after a byte that JSON has no use for a '{', '[' or control character; always
 * byte 0xFF, as QMP clients send to resynchronise). Limits: 64 MiB of text, 2 Mi tokens and 1024 levels a value (over: an error, not an abort). A callback may feed no reader and may
 * free none; it may be called several times a feed.
 */
typedef struct JsonReader JsonReader;
typedef void JsonReaderFn(void *opaque, Json *val, Error *err);
JsonReader *json_reader_new(JsonReaderFn *fn, void *opaque);
void json_reader_feed(JsonReader *r, const char *data, size_t len);
void json_reader_end(JsonReader *r); /* end of input: a half value is an error */
void json_reader_free(JsonReader *r);

#endif
