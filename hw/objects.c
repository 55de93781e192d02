/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of user-creatable objects. */
#include "hw/core/object.h"

#define OBJECTS(X)                                                                                                     \
    X(object_filter_dump)                                                                                              \
    X(object_iothread)                                                                                                 \
    X(object_memory_backend_file)                                                                                      \
    X(object_memory_backend_memfd)                                                                                     \
    X(object_memory_backend_ram)                                                                                       \
    X(object_rng_builtin)                                                                                              \
    X(object_rng_random)                                                                                               \
    X(object_secret)                                                                                                   \
    X(object_secret_keyring)                                                                                           \
    X(object_throttle_group)                                                                                           \
    X(object_tls_creds_anon)                                                                                           \
    X(object_tls_creds_psk)                                                                                            \
    X(object_tls_creds_x509)

#define X(v) extern const ObjectDesc v;
OBJECTS(X)
#undef X

const ObjectDesc *const object_table[] = {
#define X(v) &v,
    OBJECTS(X)
#undef X
        NULL,
};
