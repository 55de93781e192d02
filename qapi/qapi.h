/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP's schema at run time: the tables that scripts/qapi-gen makes from the JSON files here, and the check of a
 * request's arguments against them.
 */
#ifndef QAPI_QAPI_H
#define QAPI_QAPI_H

#include "util/json.h"

typedef enum QapiKind {
    QAPI_NULL,
    QAPI_BOOL,
    QAPI_INT,
    QAPI_NUMBER,
    QAPI_STRING,
    QAPI_ANY,
    QAPI_ENUM,
    QAPI_ARRAY,
    QAPI_OBJECT,
    QAPI_ALTERNATE,
} QapiKind;

typedef struct QapiType QapiType;
typedef struct QapiMember {
    const char *name;
    const QapiType *type;
    bool optional;
} QapiMember;
typedef struct QapiBranch {
    const char *value;    /* of the tag */
    const QapiType *type; /* the members that it adds */
} QapiBranch;

struct QapiType {
    QapiKind kind;
    const char *name;
    int64_t min; /* QAPI_INT */
    uint64_t max;
    const char *const *values; /* QAPI_ENUM, NULL-ended */
    const QapiType *element;   /* QAPI_ARRAY */
    const QapiMember *members; /* QAPI_OBJECT */
    unsigned n_members;
    bool open;       /* takes members beyond these */
    const char *tag; /* a union: the member that chooses one of branches; values without a branch add nothing */
    const QapiBranch *branches;
    unsigned n_branches;
    const QapiType *const *alternatives; /* QAPI_ALTERNATE: the first whose JSON type fits counts */
    unsigned n_alternatives;
};

/* args: never NULL, checked. NULL with *errp set: an error; NULL without: the empty object. The caller owns the reply.
 */
typedef Json *QmpHandler(const Json *args, Error **errp);
typedef struct QmpCommand {
    const char *name;
    QmpHandler *fn;
    const QapiType *args; /* NULL: none */
    bool allow_oob;
} QmpCommand;
typedef struct QapiEvent {
    const char *name;
    const QapiType *data; /* NULL: none */
} QapiEvent;

/* Sorted by name. */
extern const QmpCommand qmp_commands[];
extern const unsigned qmp_command_count;
extern const QapiEvent qapi_events[];
extern const unsigned qapi_event_count;
extern const char qapi_schema_text[]; /* query-qmp-schema's reply as JSON */

const QmpCommand *qmp_command_find(const char *name);
const QapiEvent *qapi_event_find(const char *name);
/* Does v fit? type NULL: v must be an empty object. The message names the member by its path ("keys[0].data"). */
bool qapi_check(const QapiType *type, const Json *v, Error **errp);

#endif
