/* Reading and writing a non-blocking socket, plain or under TLS. */
#include "http/socket.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t tls_result(struct gg_socket *socket, int rc, int wanted)
{
    int why = SSL_get_error(socket->ssl, rc);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return why == wanted ? GG_SOCKET_AGAIN : GG_SOCKET_AGAIN_OTHER;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : GG_SOCKET_FAILED;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

ssize_t gg_socket_recv(struct gg_socket *socket, void *out, size_t n)
{
    if (socket->ssl != NULL) {
        int got = SSL_read(socket->ssl, out, n > INT_MAX ? INT_MAX : (int)n);
        return got > 0 ? got : tls_result(socket, got, SSL_ERROR_WANT_READ);
    }
    ssize_t got = recv(socket->fd, out, n, 0);
    if (got >= 0)
        return got;
    return would_block() ? GG_SOCKET_AGAIN : GG_SOCKET_FAILED;
}

/* Records of one piece each: small pieces are put together so that head and body share one. */
static ssize_t tls_send(struct gg_socket *socket, const struct iovec *iov, int n)
{
    char joined[16384];
    const void *data = iov[0].iov_base;
    size_t size = iov[0].iov_len;
    if (n > 1 && size < sizeof(joined)) {
        size_t at = 0;
        for (int i = 0; i < n && at < sizeof(joined); i++) {
            size_t take = iov[i].iov_len < sizeof(joined) - at ? iov[i].iov_len : sizeof(joined) - at;
            memcpy(joined + at, iov[i].iov_base, take);
            at += take;
        }
        data = joined;
        size = at;
    }
    int sent = SSL_write(socket->ssl, data, size > INT_MAX ? INT_MAX : (int)size);
    if (sent > 0)
        return sent;
    ssize_t result = tls_result(socket, sent, SSL_ERROR_WANT_WRITE);
    return result == 0 ? GG_SOCKET_FAILED : result;
}

ssize_t gg_socket_send(struct gg_socket *socket, const struct iovec *iov, int n)
{
    if (socket->ssl != NULL)
        return tls_send(socket, iov, n);
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(socket->fd, &message, MSG_NOSIGNAL | (socket->more ? MSG_MORE : 0));
    if (sent >= 0)
        return sent;
    return would_block() ? GG_SOCKET_AGAIN : GG_SOCKET_FAILED;
}

void gg_socket_shutdown(struct gg_socket *socket)
{
    if (socket->ssl != NULL && SSL_is_init_finished(socket->ssl)) {
        SSL_shutdown(socket->ssl);
        ERR_clear_error();
    }
    shutdown(socket->fd, SHUT_WR);
}

void gg_socket_close(struct gg_socket *socket)
{
    if (socket->ssl != NULL)
        SSL_free(socket->ssl);
    socket->ssl = NULL;
    if (socket->fd >= 0)
        close(socket->fd);
    socket->fd = -1;
}

/* ---- TLS contexts ---- */

/* The first error is the cause; those after it are of who passed it on. */
static int tls_failed(struct gg_error *err, SSL_CTX *ctx, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    int rc = gg_fail(err, GG_E_INVALID, "%s %s: %s", what, file != NULL ? file : "",
                     reason != NULL ? reason : "unknown TLS error");
    ERR_clear_error();
    SSL_CTX_free(ctx);
    return rc;
}

static SSL_CTX *new_context(const SSL_METHOD *method)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    return ctx;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *n_out, const unsigned char *in,
                       unsigned n_in, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, n_out, ours, sizeof(ours) - 1, in, n_in) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int gg_tls_server(const char *certificate, const char *key, SSL_CTX **out, struct gg_error *err)
{
    ERR_clear_error();
    SSL_CTX *ctx = new_context(TLS_server_method());
    if (ctx == NULL)
        return tls_failed(err, ctx, "cannot set up TLS", NULL);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        return tls_failed(err, ctx, "cannot use the certificate", certificate);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return tls_failed(err, ctx, "cannot use the private key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_failed(err, ctx, "the certificate does not belong to the key", key);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    *out = ctx;
    return 0;
}

int gg_tls_client(const char *ca_file, SSL_CTX **out, struct gg_error *err)
{
    ERR_clear_error();
    SSL_CTX *ctx = new_context(TLS_client_method());
    if (ctx == NULL)
        return tls_failed(err, ctx, "cannot set up TLS", NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    int ok =
        ca_file != NULL ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL) : SSL_CTX_set_default_verify_paths(ctx);
    if (ok != 1)
        return tls_failed(err, ctx, "cannot read the certificate authorities", ca_file);
    *out = ctx;
    return 0;
}
