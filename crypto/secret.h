/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets: what -object secret and secret_keyring keep, for who is told their id. VM lock. */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include "util/error.h"

/* A copy with a zero behind it; secret_free() wipes it. len may be NULL. NULL with errp: no such secret. */
uint8_t *secret_bytes(const char *id, size_t *len, Error **errp);
char *secret_text(const char *id, Error **errp); /* the same, which must be UTF-8 without a zero */
void secret_free(void *data, size_t len);        /* NULL is allowed */

#endif
