/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object tls-creds-anon, -psk, -x509: their properties, and what is loaded of them, handed from one to the next. */
#include "crypto/tls.h"

#include "crypto/secret.h"
#include "hw/core/object.h"
#include "softmmu/mainloop.h"
#include "util/module.h"

/* One reading of the files; connections keep the one that they began with. */
typedef struct Loaded {
    int refs; /* atomic */
    void *creds;
} Loaded;

struct TlsCreds {
    int refs; /* atomic */
    TlsConfig cfg;
    GMutex lock;
    Loaded *loaded; /* lock */
};

typedef struct TlsObject {
    Object obj;
    char *dir, *priority, *username, *passwordid;
    int endpoint;
    bool verify_peer, sanity_check;
    TlsCreds *creds;
} TlsObject;
#define TLS(o) container_of(o, TlsObject, obj)
static const char parent[] = "tls-creds";
static const char *const endpoints[] = {"client", "server", NULL};
static const CryptoOps *ops;

const CryptoOps *crypto_load(Error **errp)
{
    if (!ops)
        ops = module_symbol("crypto", "crypto_ops", errp);
    return ops;
}

static void loaded_unref(void *opaque)
{
    Loaded *l = opaque;

    if (__atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL))
        return;
    ops->unload(l->creds);
    g_free(l);
}

void tls_creds_unref(TlsCreds *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
        return;
    loaded_unref(c->loaded);
    g_free((char *)c->cfg.dir);
    g_free((char *)c->cfg.priority);
    g_free((char *)c->cfg.username);
    if (c->cfg.password)
        secret_free((char *)c->cfg.password, strlen(c->cfg.password));
    g_mutex_clear(&c->lock);
    g_free(c);
}

TlsKind tls_creds_kind(const TlsCreds *c)
{
    return c->cfg.kind;
}

static Loaded *load(const TlsConfig *cfg, Error **errp)
{
    void *creds = crypto_load(errp) ? ops->load(cfg, errp) : NULL;
    Loaded *l;

    if (!creds)
        return NULL;
    l = g_new0(Loaded, 1);
    l->refs = 1;
    l->creds = creds;
    return l;
}

bool tls_creds_reload(TlsCreds *c, Error **errp)
{
    Loaded *fresh, *old;

    if (c->cfg.kind != TLS_X509)
        return error_set(errp, "tls-creds-%s doesn't support to reload TLS credential",
                         c->cfg.kind == TLS_ANON ? "anon" : "psk");
    fresh = load(&c->cfg, errp);
    if (!fresh)
        return false;
    g_mutex_lock(&c->lock);
    old = c->loaded;
    c->loaded = fresh;
    g_mutex_unlock(&c->lock);
    loaded_unref(old);
    return true;
}

int tls_accept(TlsCreds *c, int fd, int64_t deadline, SocketEnd *end, char **peer)
{
    Loaded *l;
    int plain;

    g_mutex_lock(&c->lock);
    l = c->loaded;
    __atomic_fetch_add(&l->refs, 1, __ATOMIC_RELAXED);
    g_mutex_unlock(&c->lock);
    plain = ops->accept(l->creds, fd, deadline, end, peer, loaded_unref, l);
    if (plain < 0)
        loaded_unref(l);
    return plain;
}

TlsCreds *tls_creds_get(const char *id, Error **errp)
{
    ASSERT_VM_LOCKED();
    Object *o = object_find(id);
    TlsCreds *c;

    if (!o || g_strcmp0(o->desc->parent, parent)) {
        error_set(errp, o ? "Object with id '%s' is not TLS credentials" : "No TLS credentials with id '%s'", id);
        return NULL;
    }
    c = TLS(o)->creds;
    if (!c->cfg.server) {
        error_set(errp, "Expected TLS credentials for a server endpoint");
        return NULL;
    }
    __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

static bool complete(Object *o, TlsKind kind, Error **errp)
{
    TlsObject *t = TLS(o);
    TlsConfig cfg = {.kind = kind,
                     .server = t->endpoint,
                     .verify_peer = t->verify_peer,
                     .sanity_check = t->sanity_check,
                     .dir = t->dir,
                     .priority = t->priority,
                     .username = t->username};
    char *password = NULL;
    Loaded *l;

    if (!t->dir && kind != TLS_ANON)
        return error_set(errp, "Missing 'dir' property value");
    if (t->passwordid && !(password = secret_text(t->passwordid, errp)))
        return false;
    cfg.password = password;
    l = load(&cfg, errp);
    if (!l) {
        if (password)
            secret_free(password, strlen(password));
        return false;
    }
    t->creds = g_new0(TlsCreds, 1);
    t->creds->refs = 1;
    t->creds->cfg = cfg;
    t->creds->cfg.dir = g_strdup(cfg.dir);
    t->creds->cfg.priority = g_strdup(cfg.priority);
    t->creds->cfg.username = g_strdup(cfg.username);
    g_mutex_init(&t->creds->lock);
    t->creds->loaded = l;
    return true;
}

static bool anon_complete(Object *o, Error **errp)
{
    return complete(o, TLS_ANON, errp);
}

static bool psk_complete(Object *o, Error **errp)
{
    return complete(o, TLS_PSK, errp);
}

static bool x509_complete(Object *o, Error **errp)
{
    return complete(o, TLS_X509, errp);
}

static void destroy(Object *o)
{
    tls_creds_unref(TLS(o)->creds);
}

extern const PropType prop_loaded; /* crypto/secret.c */

#define COMMON_PROPS                                                                                                   \
    PROP_(prop_enum, "endpoint", TlsObject, endpoint, "which end they are for", .values = endpoints,                   \
          .type_name = "QCryptoTLSCredsEndpoint"),                                                                     \
        PROP_STR("dir", TlsObject, dir, "the folder of the files"),                                                    \
        PROP_BOOL("verify-peer", TlsObject, verify_peer, true, "the other end shows a certificate"),                   \
        PROP_STR("priority", TlsObject, priority, "GnuTLS's priority string"),                                         \
        PROP_(prop_loaded, "loaded", TlsObject, obj, "true", .no_default = true)

static const Prop anon_props[] = {COMMON_PROPS, {}};
static const Prop psk_props[] = {COMMON_PROPS, PROP_STR("username", TlsObject, username, "the client's name"), {}};
static const Prop x509_props[] = {
    COMMON_PROPS,
    PROP_BOOL("sanity-check", TlsObject, sanity_check, true, "look at the certificates when they are loaded"),
    PROP_STR("passwordid", TlsObject, passwordid, "the secret that decrypts the private key"),
    {},
};

#define CREDS(name_, summary_, props_, complete_)                                                                      \
    {                                                                                                                  \
        .name = name_, .summary = summary_, .parent = parent, .size = sizeof(TlsObject), .props = props_,              \
        .complete = complete_, .destroy = destroy,                                                                     \
    }
const ObjectDesc object_tls_creds_anon = CREDS("tls-creds-anon", "TLS without identities", anon_props, anon_complete);
const ObjectDesc object_tls_creds_psk = CREDS("tls-creds-psk", "TLS with shared keys", psk_props, psk_complete);
const ObjectDesc object_tls_creds_x509 = CREDS("tls-creds-x509", "TLS with certificates", x509_props, x509_complete);
