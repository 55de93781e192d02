/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors that reach a user.
 *
 * Convention: bool f(..., Error **errp) returns true on success; on failure it returns false, has left its outputs
 * untouched and, where errp is not NULL, has stored one Error that the caller owns. Leaf helpers return -errno.
 * A message says what was asked, what is wrong and what would work, with the option's name in it; no trailing period
 * or newline.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include "util/util.h"

typedef struct Error Error;

/* The "class" of a QMP error reply. */
typedef enum ErrorClass {
    ERROR_GENERIC,
    ERROR_COMMAND_NOT_FOUND,
    ERROR_DEVICE_NOT_ACTIVE,
    ERROR_DEVICE_NOT_FOUND,
    ERROR_KVM_MISSING_CAP,
} ErrorClass;

/* Store a new error; always returns false, so that a function can `return error_set(errp, ...)`. errp may be NULL. */
bool error_set(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool error_set_class(Error **errp, ErrorClass cls, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As error_set, with ": " and strerror(err) after the message; err is a positive errno. */
bool error_set_errno(Error **errp, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put text before the message; *errp must hold an error (a NULL errp is allowed). Returns false. */
bool error_prepend(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A second line that tells the remedy; shown on stderr, not in QMP. */
void error_hint(Error **errp, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Hand src (may be NULL, is consumed) to errp; returns src == NULL. */
bool error_propagate(Error **errp, Error *src);

const char *error_text(const Error *err);
const char *error_hint_text(const Error *err); /* NULL where there is none */
ErrorClass error_class(const Error *err);
void error_free(Error *err); /* NULL is allowed */

/* Print "BINARY: message" (and hint) to stderr, or to the monitor that is running a command; frees err. */
void error_report_err(Error *err);
void error_report(const char *fmt, ...) PRINTF_LIKE(1, 2);
void warn_report(const char *fmt, ...) PRINTF_LIKE(1, 2);
void info_report(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* Where set, receives each reported line (no newline) instead of stderr, in the thread that reports. */
extern __thread void (*error_report_hook)(const char *line, void *opaque);
extern __thread void *error_report_opaque;
/* argv[0], whose last component is the prefix; -msg timestamp=on and guest-name=on. */
void error_init(const char *argv0);
const char *error_program(void); /* the program's name, without a path */
extern bool error_with_timestamp;
extern const char *error_guest_name;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

#endif
