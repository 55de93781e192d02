/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secret: bytes given as text or in a file, plain or in base64, perhaps encrypted by AES-256-CBC with another secret as
 * the key. secret_keyring: the same from the kernel's key ring. The decrypted bytes are read from no property.
 */
#include "crypto/secret.h"

#include "crypto/tls.h"
#include "hw/core/object.h"
#include "softmmu/mainloop.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE_MAX_ (1 * MIB) /* of a file */

typedef enum Format { FORMAT_RAW, FORMAT_BASE64 } Format;
static const char *const formats[] = {"raw", "base64", NULL};

typedef struct Secret {
    Object obj;
    char *data, *file, *keyid, *iv;
    int format;
    int32_t serial;
    uint8_t *bytes; /* len, and a zero */
    size_t len;
} Secret;
#define SECRET(o) container_of(o, Secret, obj)
static const char parent[] = "secret_common";

void secret_free(void *data, size_t len)
{
    if (data)
        explicit_bzero(data, len);
    g_free(data);
}

static uint8_t *decode(const uint8_t *text, size_t len, size_t *out_len, Error **errp)
{
    g_autofree char *copy = g_strndup((const char *)text, len);
    uint8_t *out;

    if (strlen(copy) != len ||
        strspn(copy, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n") != len) {
        explicit_bzero(copy, len);
        error_set(errp, "Base64 data contains invalid characters");
        return NULL;
    }
    out = g_base64_decode(copy, out_len);
    explicit_bzero(copy, len);
    out = g_realloc(out, *out_len + 1);
    out[*out_len] = 0;
    return out;
}

/* Replaces *data, which is what format= says still. */
static bool decrypt(const Secret *s, uint8_t **data, size_t *len, Error **errp)
{
    size_t key_len = 0, iv_len = 0, n = 0;
    g_autofree uint8_t *iv = NULL;
    const CryptoOps *ops;
    uint8_t *key, *text;
    bool ok;

    key = secret_bytes(s->keyid, &key_len, errp);
    if (!key)
        return false;
    ok = key_len == 32 || error_set(errp, "Key should be 32 bytes in length");
    ok = ok && (s->iv || error_set(errp, "IV is required to decrypt secret"));
    iv = ok ? decode((const uint8_t *)s->iv, strlen(s->iv), &iv_len, errp) : NULL;
    ok = iv && (iv_len == 16 || error_set(errp, "IV should be 16 bytes in length not %zu", iv_len));
    if (ok && s->format == FORMAT_BASE64) {
        text = decode(*data, *len, &n, errp);
        ok = text;
        if (ok) {
            secret_free(*data, *len);
            *data = text;
            *len = n;
        }
    }
    ok = ok && (*len % 16 == 0 || error_set(errp, "Length %zu must be a multiple of block size 16", *len));
    if (ok && *len) {
        n = *len;
        ops = crypto_load(errp);
        ok = ops && ops->aes256_cbc_decrypt(key, iv, *data, len, errp);
        if (ok)
            explicit_bzero(*data + *len, n - *len);
    }
    secret_free(key, key_len);
    return ok;
}

/* Takes what was read. */
static bool keep(Secret *s, uint8_t *data, size_t len, Error **errp)
{
    bool ok = true;

    if (s->keyid) {
        ok = decrypt(s, &data, &len, errp);
    } else if (s->format == FORMAT_BASE64) {
        size_t n;
        uint8_t *plain = decode(data, len, &n, errp);

        secret_free(data, len);
        data = plain;
        len = plain ? n : 0;
        ok = plain;
    }
    if (!ok) {
        secret_free(data, len);
        return false;
    }
    s->bytes = data;
    s->len = len;
    return true;
}

static bool secret_complete(Object *o, Error **errp)
{
    Secret *s = SECRET(o);
    g_autoptr(GError) gerr = NULL;
    char *text;
    gsize len;

    if (s->file && s->data)
        return error_set(errp, "'file' and 'data' are mutually exclusive");
    if (!s->file && !s->data)
        return error_set(errp, "Either 'file' or 'data' must be provided");
    if (s->data)
        return keep(s, (uint8_t *)g_strdup(s->data), strlen(s->data), errp);
    if (!g_file_get_contents(s->file, &text, &len, &gerr))
        return error_set(errp, "Unable to read %s: %s", s->file, gerr->message);
    if (len > SIZE_MAX_) {
        secret_free(text, len);
        return error_set(errp, "Unable to read %s: a secret has %u bytes at most", s->file, (unsigned)SIZE_MAX_);
    }
    return keep(s, (uint8_t *)text, len, errp);
}

static bool keyring_complete(Object *o, Error **errp)
{
    Secret *s = SECRET(o);
    long len = syscall(SYS_keyctl, KEYCTL_READ, s->serial, NULL, 0, 0), got;
    uint8_t *data;

    if (len < 0)
        return error_set_errno(errp, errno, "The key %d cannot be read", s->serial);
    if ((unsigned long)len > SIZE_MAX_)
        return error_set(errp, "The key %d is too long", s->serial);
    data = g_malloc0((size_t)len + 1);
    got = syscall(SYS_keyctl, KEYCTL_READ, s->serial, data, len, 0);
    if (got < 0 || got > len) {
        secret_free(data, (size_t)len);
        return error_set(errp, "The key %d cannot be read", s->serial);
    }
    return keep(s, data, (size_t)got, errp);
}

static void destroy(Object *o)
{
    secret_free(SECRET(o)->bytes, SECRET(o)->len);
}

uint8_t *secret_bytes(const char *id, size_t *len, Error **errp)
{
    ASSERT_VM_LOCKED();
    Object *o = object_find(id);
    uint8_t *copy;

    if (!o || g_strcmp0(o->desc->parent, parent)) {
        error_set(errp, o ? "Object with id '%s' is not a secret" : "No secret with id '%s'", id);
        return NULL;
    }
    if (len)
        *len = SECRET(o)->len;
    copy = g_malloc(SECRET(o)->len + 1);
    memcpy(copy, SECRET(o)->bytes, SECRET(o)->len + 1);
    return copy;
}

char *secret_text(const char *id, Error **errp)
{
    size_t len;
    char *text = (char *)secret_bytes(id, &len, errp);

    if (text && (strlen(text) != len || !g_utf8_validate(text, (gssize)len, NULL))) {
        secret_free(text, len);
        error_set(errp, "Data from secret %s is not valid UTF-8", id);
        return NULL;
    }
    return text;
}

/* loaded: QEMU's, which tells that complete() has been there. */
static bool loaded_set(void *obj, const Prop *p, const Json *val, bool from_text, Error **errp)
{
    return error_set(errp, "it is not writable");
}

static Json *loaded_get(const void *obj, const Prop *p)
{
    return json_bool(true);
}

extern const PropType prop_loaded;
const PropType prop_loaded = {.name = "bool", .set = loaded_set, .get = loaded_get};

#define COMMON_PROPS                                                                                                   \
    PROP_STR("iv", Secret, iv, "the initialisation vector, base64"),                                                   \
        PROP_STR("keyid", Secret, keyid, "the secret that is the key, where this one is encrypted"),                   \
        PROP_(prop_loaded, "loaded", Secret, obj, "true", .no_default = true),                                         \
        PROP_(prop_enum, "format", Secret, format, "raw or base64", .values = formats,                                 \
              .type_name = "QCryptoSecretFormat")

static const Prop secret_props[] = {
    COMMON_PROPS,
    PROP_STR("file", Secret, file, "the file that has it"),
    PROP_STR("data", Secret, data, "the secret itself"),
    {},
};

const ObjectDesc object_secret = {
    .name = "secret",
    .summary = "a password or key, plain or encrypted",
    .parent = parent,
    .size = sizeof(Secret),
    .props = secret_props,
    .complete = secret_complete,
    .destroy = destroy,
};

static const Prop keyring_props[] = {
    COMMON_PROPS,
    PROP_I32("serial", Secret, serial, 0, "the key's number"),
    {},
};
static const char *const serial_required[] = {"serial", NULL};

const ObjectDesc object_secret_keyring = {
    .name = "secret_keyring",
    .summary = "a password or key of the kernel's key ring",
    .parent = parent,
    .size = sizeof(Secret),
    .props = keyring_props,
    .required = serial_required,
    .complete = keyring_complete,
    .destroy = destroy,
};
