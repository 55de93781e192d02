/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module crypto: what needs GnuTLS. A TLS connection is a thread that moves bytes between the socket and one end of a
 * socket pair, 16 KiB each way at most; who serves the connection has the other end and knows nothing of TLS.
 */
#include "crypto/tls.h"

#include "util/module.h"
#include "util/util.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

MODULE_DEFINE

#define BUF      (16 * 1024)
#define CERT_MAX 16 /* of a file */

static bool decrypt(const uint8_t key[32], const uint8_t iv[16], uint8_t *data, size_t *len, Error **errp)
{
    gnutls_datum_t k = {(uint8_t *)(uintptr_t)key, 32}, v = {(uint8_t *)(uintptr_t)iv, 16};
    gnutls_cipher_hd_t h;
    unsigned pad;
    int rc = gnutls_cipher_init(&h, GNUTLS_CIPHER_AES_256_CBC, &k, &v);

    if (rc >= 0) {
        rc = gnutls_cipher_decrypt(h, data, *len);
        gnutls_cipher_deinit(h);
    }
    if (rc < 0)
        return error_set(errp, "Unable to decrypt secret: %s", gnutls_strerror(rc));
    pad = data[*len - 1];
    if (!pad || pad > 16)
        return error_set(errp, "Incorrect number of padding bytes (%u) found on decrypted data", pad);
    for (unsigned i = 1; i <= pad; i++)
        if (data[*len - i] != pad)
            return error_set(errp, "Incorrect padding found on decrypted data");
    *len -= pad;
    return true;
}

typedef struct Creds {
    TlsKind kind;
    bool verify_peer;
    gnutls_anon_server_credentials_t anon;
    gnutls_psk_server_credentials_t psk;
    gnutls_certificate_credentials_t cert;
    gnutls_priority_t priority;
} Creds;

static void unload(void *loaded)
{
    Creds *c = loaded;

    if (c->anon)
        gnutls_anon_free_server_credentials(c->anon);
    if (c->psk)
        gnutls_psk_free_server_credentials(c->psk);
    if (c->cert)
        gnutls_certificate_free_credentials(c->cert);
    if (c->priority)
        gnutls_priority_deinit(c->priority);
    g_free(c);
}

/* The path of a file of dir; *path NULL: it is not there and need not be. */
static bool find(const TlsConfig *cfg, const char *name, bool required, char **path, Error **errp)
{
    g_autofree char *p = g_build_filename(cfg->dir, name, NULL);

    *path = NULL;
    if (access(p, R_OK) < 0) {
        if (errno == ENOENT && !required)
            return true;
        return error_set_errno(errp, errno, "Unable to access credentials %s", p);
    }
    *path = g_steal_pointer(&p);
    return true;
}

static unsigned read_certs(const char *path, gnutls_x509_crt_t *list, Error **errp)
{
    unsigned n = CERT_MAX;
    gnutls_datum_t pem = {0};
    gsize len;
    g_autoptr(GError) gerr = NULL;
    g_autofree char *text = NULL;
    int rc;

    if (!g_file_get_contents(path, &text, &len, &gerr)) {
        error_set(errp, "Cannot load certificates from %s: %s", path, gerr->message);
        return 0;
    }
    pem.data = (unsigned char *)text;
    pem.size = (unsigned)MIN(len, INT_MAX);
    rc = gnutls_x509_crt_list_import(list, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
    if (rc < 0) {
        error_set(errp, "Unable to import certificates from %s: %s", path, gnutls_strerror(rc));
        return 0;
    }
    return n;
}

static bool timely(gnutls_x509_crt_t crt, const char *path, Error **errp)
{
    time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(crt) < now)
        return error_set(errp, "The certificate %s has expired", path);
    if (gnutls_x509_crt_get_activation_time(crt) > now)
        return error_set(errp, "The certificate %s is not yet active", path);
    return true;
}

/* Both are of this time, the authority is one, and it signed ours. */
static bool sane(const char *ca_path, const char *path, Error **errp)
{
    gnutls_x509_crt_t ca[CERT_MAX], own[CERT_MAX];
    unsigned n_ca = read_certs(ca_path, ca, errp), n_own = n_ca ? read_certs(path, own, errp) : 0, status = 0;
    bool ok = n_ca && n_own;
    int rc;

    for (unsigned i = 0; ok && i < n_ca; i++)
        ok = timely(ca[i], ca_path, errp) &&
             (gnutls_x509_crt_get_ca_status(ca[i], NULL) > 0 ||
              error_set(errp, "The certificate %s basic constraints do not show a CA", ca_path));
    ok = ok && timely(own[0], path, errp);
    if (ok) {
        rc = gnutls_x509_crt_list_verify(own, (int)n_own, ca, (int)n_ca, NULL, 0, 0, &status);
        if (rc < 0)
            ok = error_set(errp, "Unable to verify certificate %s against CA certificate %s: %s", path, ca_path,
                           gnutls_strerror(rc));
        else if (status)
            ok = error_set(errp, "Our own certificate %s failed validation against %s: The certificate %s", path,
                           ca_path,
                           status & GNUTLS_CERT_SIGNER_NOT_FOUND     ? "hasn't got a known issuer"
                           : status & GNUTLS_CERT_REVOKED            ? "has been revoked"
                           : status & GNUTLS_CERT_INSECURE_ALGORITHM ? "uses an insecure algorithm"
                                                                     : "is not trusted");
    }
    for (unsigned i = 0; i < n_ca; i++)
        gnutls_x509_crt_deinit(ca[i]);
    for (unsigned i = 0; i < n_own; i++)
        gnutls_x509_crt_deinit(own[i]);
    return ok;
}

static bool load_x509(Creds *c, const TlsConfig *cfg, Error **errp)
{
    g_autofree char *ca = NULL;
    g_autofree char *crl = NULL;
    g_autofree char *cert = NULL;
    g_autofree char *key = NULL;
    int rc;

    if (!find(cfg, "ca-cert.pem", true, &ca, errp) || !find(cfg, "ca-crl.pem", false, &crl, errp) ||
        !find(cfg, cfg->server ? "server-cert.pem" : "client-cert.pem", cfg->server, &cert, errp) ||
        !find(cfg, cfg->server ? "server-key.pem" : "client-key.pem", cfg->server, &key, errp))
        return false;
    if (cfg->sanity_check && cert && !sane(ca, cert, errp))
        return false;
    rc = gnutls_certificate_allocate_credentials(&c->cert);
    if (rc >= 0)
        rc = gnutls_certificate_set_x509_trust_file(c->cert, ca, GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return error_set(errp, "Cannot load CA certificate '%s': %s", ca, gnutls_strerror(rc));
    if (cert && key) {
        rc = gnutls_certificate_set_x509_key_file2(c->cert, cert, key, GNUTLS_X509_FMT_PEM, cfg->password, 0);
        if (rc < 0)
            return error_set(errp, "Cannot load certificate '%s' & key '%s': %s", cert, key, gnutls_strerror(rc));
    }
    rc = crl ? gnutls_certificate_set_x509_crl_file(c->cert, crl, GNUTLS_X509_FMT_PEM) : 0;
    if (rc < 0)
        return error_set(errp, "Cannot load CRL '%s': %s", crl, gnutls_strerror(rc));
    gnutls_certificate_set_known_dh_params(c->cert, GNUTLS_SEC_PARAM_MEDIUM);
    return true;
}

static bool load_psk(Creds *c, const TlsConfig *cfg, Error **errp)
{
    g_autofree char *keys = NULL;
    int rc;

    if (!find(cfg, "keys.psk", true, &keys, errp))
        return false;
    rc = gnutls_psk_allocate_server_credentials(&c->psk);
    if (rc >= 0)
        rc = gnutls_psk_set_server_credentials_file(c->psk, keys);
    if (rc < 0)
        return error_set(errp, "Cannot load PSK server credentials: %s", gnutls_strerror(rc));
    gnutls_psk_set_server_known_dh_params(c->psk, GNUTLS_SEC_PARAM_MEDIUM);
    return true;
}

static bool load_anon(Creds *c, Error **errp)
{
    int rc = gnutls_anon_allocate_server_credentials(&c->anon);

    if (rc >= 0)
        rc = gnutls_anon_set_server_known_dh_params(c->anon, GNUTLS_SEC_PARAM_MEDIUM);
    return rc >= 0 || error_set(errp, "Cannot load anonymous credentials: %s", gnutls_strerror(rc));
}

static void *load(const TlsConfig *cfg, Error **errp)
{
    static const char *const also[] = {
        [TLS_ANON] = ":+ANON-ECDH:+ANON-DH", [TLS_PSK] = ":+ECDHE-PSK:+DHE-PSK:+PSK", [TLS_X509] = ""};
    g_autofree char *text = g_strconcat(cfg->priority ? cfg->priority : "NORMAL", also[cfg->kind], NULL);
    Creds *c = g_new0(Creds, 1);
    int rc = gnutls_priority_init(&c->priority, text, NULL);
    bool ok;

    c->kind = cfg->kind;
    c->verify_peer = cfg->verify_peer;
    if (rc < 0) {
        c->priority = NULL;
        ok = error_set(errp, "priority=%s: %s", cfg->priority, gnutls_strerror(rc));
    } else {
        ok = cfg->kind == TLS_X509  ? load_x509(c, cfg, errp)
             : cfg->kind == TLS_PSK ? load_psk(c, cfg, errp)
                                    : load_anon(c, errp);
    }
    if (ok)
        return c;
    unload(c);
    return NULL;
}

typedef struct Pump {
    gnutls_session_t session;
    int fd, plain;
    uint8_t in[BUF], out[BUF]; /* decrypted, to plain; for TLS */
    size_t in_start, in_end, out_start, out_end;
    bool finished; /* plain has ended: what is in out goes, then the end */
    bool deaf;     /* the peer takes nothing any more: what it has sent goes to plain, then the end */
    SocketEnd *end;
    void (*done)(void *opaque);
    void *opaque;
} Pump;

static bool harmless(ssize_t n)
{
    return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED || (n < 0 && !gnutls_error_is_fatal((int)n));
}

/* Whether the stream goes on; n: what GnuTLS said of reading or writing it. */
static bool lives(Pump *p, ssize_t n)
{
    int error = errno;

    if (n >= 0 || harmless(n))
        return true;
    if (n == GNUTLS_E_PULL_ERROR || n == GNUTLS_E_PUSH_ERROR)
        socket_end_tell(p->end, error);
    return false;
}

/* Where the peer is deaf the kernel tells of the end, or why, behind what has been read. */
static bool turn(Pump *p)
{
    if (p->deaf)
        p->out_start = p->out_end = 0;
    bool pending = !p->in_end && gnutls_record_check_pending(p->session);
    struct pollfd fds[2] = {
        {.fd = p->fd, .events = (short)((!p->in_end ? POLLIN : 0) | (p->out_end ? POLLOUT : 0))},
        {.fd = p->plain, .events = (short)((!p->out_end && !p->finished ? POLLIN : 0) | (p->in_end ? POLLOUT : 0))},
    };
    ssize_t n;

    /* what has ended would report that again and again */
    if (!fds[0].events)
        fds[0].fd = -1;
    if (p->finished && !fds[1].events)
        fds[1].fd = -1;
    if (poll(fds, 2, pending ? 0 : -1) < 0)
        return errno == EINTR;
    if (fds[0].revents & (POLLERR | POLLHUP))
        p->deaf = true;
    if (p->out_end && !p->finished && (fds[1].revents & POLLHUP))
        return false; /* closed while the peer does not read */
    if (!p->in_end && (pending || (fds[0].revents & (POLLIN | POLLHUP | POLLERR)))) {
        n = gnutls_record_recv(p->session, p->in, BUF);
        if (n == 0 || !lives(p, n))
            return false;
        p->in_end = (size_t)MAX(n, 0);
    }
    if (p->in_end) {
        n = send(p->plain, p->in + p->in_start, p->in_end - p->in_start, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        p->in_start += (size_t)MAX(n, 0);
        if (p->in_start == p->in_end)
            p->in_start = p->in_end = 0;
    }
    if (!p->out_end && !p->finished && (fds[1].revents & (POLLIN | POLLHUP))) {
        n = recv(p->plain, p->out, BUF, MSG_DONTWAIT);
        p->finished = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
        p->out_end = (size_t)MAX(n, 0);
    }
    if (p->out_end && !p->deaf) {
        n = gnutls_record_send(p->session, p->out + p->out_start, p->out_end - p->out_start);
        if (!lives(p, n)) {
            if (n != GNUTLS_E_PUSH_ERROR)
                return false;
            p->deaf = true;
            shutdown(p->fd, SHUT_RDWR); /* whatever it was: what is there can be read, and then the end */
        }
        p->out_start += (size_t)MAX(n, 0);
        if (p->out_start == p->out_end)
            p->out_start = p->out_end = 0;
    }
    return !p->finished || (p->out_end && !p->deaf);
}

static gpointer pump_thread(gpointer opaque)
{
    Pump *p = opaque;

    while (turn(p))
        ;
    if (p->finished)
        gnutls_bye(p->session, GNUTLS_SHUT_WR);
    gnutls_deinit(p->session);
    p->done(p->opaque);
    close(p->plain);
    close(p->fd);
    socket_end_unref(p->end);
    g_free(p);
    return NULL;
}

static bool handshake(gnutls_session_t s, int fd, int64_t deadline)
{
    int rc;

    while ((rc = gnutls_handshake(s)) < 0) {
        struct pollfd p = {.fd = fd, .events = gnutls_record_get_direction(s) ? POLLOUT : POLLIN};
        int64_t left = (deadline - g_get_monotonic_time()) / 1000;

        if (gnutls_error_is_fatal(rc) || left <= 0 || poll(&p, 1, (int)MIN(left, INT_MAX)) < 0)
            return false;
    }
    return true;
}

static bool peer_fits(const Creds *c, gnutls_session_t s, char **peer)
{
    const gnutls_datum_t *certs;
    gnutls_datum_t name = {0};
    gnutls_x509_crt_t crt;
    unsigned status = 0, n = 0;

    if (c->kind != TLS_X509 || !c->verify_peer)
        return true;
    if (gnutls_certificate_verify_peers2(s, &status) < 0 || status)
        return false;
    certs = gnutls_certificate_get_peers(s, &n);
    if (!certs || !n || gnutls_x509_crt_init(&crt) < 0)
        return false;
    if (gnutls_x509_crt_import(crt, &certs[0], GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_x509_crt_get_dn3(crt, &name, 0) >= 0) {
        *peer = g_strndup((char *)name.data, name.size);
        gnutls_free(name.data);
    }
    gnutls_x509_crt_deinit(crt);
    return *peer;
}

static int tls_serve(void *loaded, int fd, int64_t deadline, SocketEnd *end, char **peer, void (*done)(void *opaque),
                     void *opaque)
{
    Creds *c = loaded;
    gnutls_session_t s = NULL;
    int ends[2] = {-1, -1};
    Pump *p = NULL;
    GThread *t;

    *peer = NULL;
    if (gnutls_init(&s, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
        return -1;
    gnutls_transport_set_int(s, fd);
    if (gnutls_priority_set(s, c->priority) < 0 ||
        (c->kind == TLS_X509  ? gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c->cert)
         : c->kind == TLS_PSK ? gnutls_credentials_set(s, GNUTLS_CRD_PSK, c->psk)
                              : gnutls_credentials_set(s, GNUTLS_CRD_ANON, c->anon)) < 0)
        goto fail;
    gnutls_certificate_server_set_request(s, c->kind == TLS_X509 && c->verify_peer ? GNUTLS_CERT_REQUIRE
                                                                                   : GNUTLS_CERT_IGNORE);
    if (!handshake(s, fd, deadline) || !peer_fits(c, s, peer) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        goto fail;
    p = g_new0(Pump, 1);
    p->session = s;
    p->fd = fd;
    p->plain = ends[0];
    p->end = socket_end_ref(end);
    p->done = done;
    p->opaque = opaque;
    t = g_thread_try_new("tls", pump_thread, p, NULL);
    if (t) {
        g_thread_unref(t);
        return ends[1];
    }
fail:
    if (ends[0] >= 0) {
        close(ends[0]);
        close(ends[1]);
    }
    if (p)
        socket_end_unref(p->end);
    g_free(p);
    g_free(*peer);
    *peer = NULL;
    gnutls_deinit(s);
    return -1;
}

extern const CryptoOps crypto_ops;
const CryptoOps crypto_ops = {decrypt, load, unload, tls_serve};
