/* repl/redis_socket.c: the socket under a connection to Redis: TCP, unix, or TLS by OpenSSL.
 *
 * Not hiredis' own: its asynchronous context of Debian 12 (0.14) knows no TLS and cannot time out a subscriber. */
#include "repl/redis_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_MS = 30000 };

/* ---- names: looked up on a thread, the resolver blocks ---- */

struct lookup {
    char host[256], port[8];
    struct addrinfo *found;
    int status;
};

static void look_up(void *arg)
{
    struct lookup *l = arg;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    l->status = getaddrinfo(l->host, l->port, &hints, &l->found);
}

static int connect_fd(int fd, const struct sockaddr *address, socklen_t n, int64_t deadline)
{
    if (connect(fd, address, n) == 0)
        return 0;
    if (errno != EINPROGRESS && errno != EAGAIN)
        return -errno;
    int rc = gg_wait_fd(fd, GG_WRITABLE, NULL, deadline), failed = 0;
    socklen_t size = sizeof(failed);
    if (rc != 0)
        return rc == GG_E_TIMEOUT ? -ETIMEDOUT : -ECANCELED;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0)
        return -errno;
    return -failed;
}

static int open_unix(struct gg_redis_conn *conn, struct gg_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(conn->options->path) >= sizeof(address.sun_path))
        return gg_fail(err, GG_E_INVALID, "redis.path %s is too long for a socket", conn->options->path);
    strcpy(address.sun_path, conn->options->path); /* fits: checked above */
    conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = conn->fd < 0 ? -errno
                          : connect_fd(conn->fd, (struct sockaddr *)&address, sizeof(address), gg_deadline(CONNECT_MS));
    return rc == 0 ? 0 : gg_fail(err, GG_E_UNAVAILABLE, "Redis at %s: %s", conn->options->path, strerror(-rc));
}

static int open_tcp(struct gg_redis_conn *conn, struct gg_error *err)
{
    struct lookup lookup = {.found = NULL};
    (void)snprintf(lookup.host, sizeof(lookup.host), "%s", conn->options->host);
    (void)snprintf(lookup.port, sizeof(lookup.port), "%u", conn->options->port);
    int rc = gg_offload(look_up, &lookup);
    if (rc != 0)
        return gg_fail(err, rc, "looking up %s", lookup.host);
    if (lookup.status != 0)
        return gg_fail(err, GG_E_UNAVAILABLE, "Redis at %s: %s", lookup.host, gai_strerror(lookup.status));
    int failed = -ENOENT;
    for (struct addrinfo *a = lookup.found; a != NULL && failed != 0; a = a->ai_next) {
        int on = 1;
        conn->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        failed = conn->fd < 0 ? -errno : connect_fd(conn->fd, a->ai_addr, a->ai_addrlen, gg_deadline(CONNECT_MS));
        if (failed == 0)
            (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        else
            gg_redis_close(conn);
    }
    freeaddrinfo(lookup.found);
    return failed == 0
               ? 0
               : gg_fail(err, GG_E_UNAVAILABLE, "Redis at %s:%s: %s", lookup.host, lookup.port, strerror(-failed));
}

/* ---- TLS ---- */

static int make_context(struct gg_redis_conn *conn, struct gg_error *err)
{
    const struct gg_redis_options *o = conn->options;
    if (conn->tls != NULL)
        return 0;
    conn->tls = SSL_CTX_new(TLS_client_method());
    if (conn->tls == NULL)
        return gg_fail(err, GG_E_INTERNAL, "OpenSSL gives no TLS context");
    SSL_CTX_set_verify(conn->tls, SSL_VERIFY_PEER, NULL); /* the host's name is not checked, as Synapse does not */
    bool ok = o->ca_file != NULL || o->ca_path != NULL
                  ? SSL_CTX_load_verify_locations(conn->tls, o->ca_file, o->ca_file != NULL ? NULL : o->ca_path) == 1
                  : SSL_CTX_set_default_verify_paths(conn->tls) == 1;
    if (ok && o->certificate_file != NULL)
        ok = SSL_CTX_use_certificate_chain_file(conn->tls, o->certificate_file) == 1;
    if (ok && o->private_key_file != NULL)
        ok = SSL_CTX_use_PrivateKey_file(conn->tls, o->private_key_file, SSL_FILETYPE_PEM) == 1;
    if (ok)
        return 0;
    SSL_CTX_free(conn->tls);
    conn->tls = NULL;
    return gg_fail(err, GG_E_INVALID, "the TLS files of redis cannot be used: %s",
                   ERR_reason_error_string(ERR_get_error()));
}

static int handshake(struct gg_redis_conn *conn, struct gg_error *err)
{
    int rc = make_context(conn, err);
    if (rc != 0)
        return rc;
    int64_t deadline = gg_deadline(CONNECT_MS);
    conn->ssl = SSL_new(conn->tls);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1)
        return gg_fail(err, GG_E_INTERNAL, "OpenSSL gives no TLS connection");
    SSL_set_mode(conn->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    for (;;) {
        ERR_clear_error();
        int done = SSL_connect(conn->ssl);
        if (done == 1)
            return 0;
        int why = SSL_get_error(conn->ssl, done);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return gg_fail(err, GG_E_UNAVAILABLE, "TLS with Redis: %s", ERR_reason_error_string(ERR_get_error()));
        rc = gg_wait_fd(conn->fd, why == SSL_ERROR_WANT_READ ? GG_READABLE : GG_WRITABLE, NULL, deadline);
        if (rc != 0)
            return gg_fail(err, rc, "TLS with Redis");
    }
}

/* ---- the socket ---- */

int gg_redis_open(struct gg_redis_conn *conn, struct gg_error *err)
{
    int rc = conn->options->path != NULL ? open_unix(conn, err) : open_tcp(conn, err);
    if (rc == 0 && conn->options->tls && conn->options->path == NULL)
        rc = handshake(conn, err);
    if (rc != 0)
        gg_redis_close(conn);
    return rc;
}

void gg_redis_close(struct gg_redis_conn *conn)
{
    if (conn->ssl != NULL)
        SSL_free(conn->ssl);
    conn->ssl = NULL;
    if (conn->fd >= 0)
        close(conn->fd);
    conn->fd = -1;
}

static ssize_t tls_result(struct gg_redis_conn *conn, int n)
{
    if (n > 0)
        return n;
    int why = SSL_get_error(conn->ssl, n);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t gg_redis_recv(struct gg_redis_conn *conn, void *out, size_t n)
{
    if (conn->ssl != NULL) {
        ERR_clear_error();
        return tls_result(conn, SSL_read(conn->ssl, out, (int)n));
    }
    ssize_t got = recv(conn->fd, out, n, 0);
    if (got > 0)
        return got;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

ssize_t gg_redis_send_some(struct gg_redis_conn *conn, const void *data, size_t n)
{
    if (conn->ssl != NULL) {
        ERR_clear_error();
        return tls_result(conn, SSL_write(conn->ssl, data, n > INT32_MAX ? INT32_MAX : (int)n));
    }
    ssize_t sent = send(conn->fd, data, n, MSG_NOSIGNAL);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}
