/* Opening, keeping and forgetting connections to other processes. */
#include "client/pool.h"

#include <ganglion/memory.h>
#include "config/topology.h"
#include "fiber/loop.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A little less than the two minutes that servers keep: who closes first loses no request. */
enum { KEEP_MS = 100000, KEEP_IDLE = 128, SWEEP_MS = 20000 };

/* ---- the pool of a peer ---- */

static struct gg_internal_pool *pool_of(struct gg_client *client, const struct gg_peer *peer)
{
    char key[512];
    if (peer->path != NULL)
        snprintf(key, sizeof(key), "%s", peer->path);
    else
        snprintf(key, sizeof(key), "%s:%u%s", peer->host, peer->port, peer->tls ? " tls" : "");
    GG_LIST_EACH (link, &client->pools) {
        struct gg_internal_pool *pool = GG_CONTAINER(link, struct gg_internal_pool, link);
        if (strcmp(pool->key, key) == 0)
            return pool;
    }
    size_t n = strlen(key) + 1; /* one for each entry of instance_map: few */
    struct gg_internal_pool *pool = gg_xcalloc(1, sizeof(*pool) + n);
    memcpy(pool->key, key, n);
    pool->client = client;
    gg_list_init(&pool->idle);
    gg_list_push(&client->pools, &pool->link);
    return pool;
}

static void take_out(struct gg_internal *conn)
{
    gg_list_remove(&conn->link);
    conn->pool->n--;
    conn->pool->client->idle--;
}

void gg_internal_free(struct gg_internal *conn)
{
    if (!conn->busy)
        take_out(conn);
    event_del(&conn->read);
    event_del(&conn->write);
    gg_socket_close(&conn->socket);
    gg_buf_done(&conn->head);
    gg_buf_done(&conn->body);
    gg_buf_done(&conn->lent);
    free(conn);
}

static void drop_idle(struct gg_client *client, int64_t since)
{
    GG_LIST_EACH (p, &client->pools) {
        struct gg_internal_pool *pool = GG_CONTAINER(p, struct gg_internal_pool, link);
        GG_LIST_EACH (link, &pool->idle) {
            struct gg_internal *conn = GG_CONTAINER(link, struct gg_internal, link);
            if (conn->idle_since <= since)
                gg_internal_free(conn);
        }
    }
}

void gg_internal_drop_all(struct gg_client *client)
{
    drop_idle(client, GG_FOREVER);
    if (client->sweep != NULL)
        gg_timer_stop(client->sweep);
    client->sweep = NULL;
    for (struct gg_list *link; (link = gg_list_pop(&client->pools)) != NULL;)
        free(GG_CONTAINER(link, struct gg_internal_pool, link));
}

static void sweep(void *arg)
{
    struct gg_client *client = arg;
    client->sweep = NULL;
    drop_idle(client, gg_now_ms() - KEEP_MS);
    if (client->idle > 0)
        client->sweep = gg_timer_start(SWEEP_MS, sweep, client);
}

void gg_internal_done(struct gg_internal *conn)
{
    struct gg_internal_pool *pool = conn->pool;
    conn->wake_too = NULL;
    if (conn->failure != 0 || !conn->complete || !conn->keep || conn->unfinished || pool->n >= KEEP_IDLE) {
        gg_internal_free(conn);
        return;
    }
    conn->busy = false;
    conn->served = true;
    conn->idle_since = gg_now_ms();
    if (conn->head.cap + conn->body.cap + conn->lent.cap > 65536) {
        gg_buf_done(&conn->head);
        gg_buf_done(&conn->body);
        gg_buf_done(&conn->lent);
    }
    gg_list_push_front(&pool->idle, &conn->link);
    pool->n++;
    pool->client->idle++;
    if (!conn->reading) /* to notice that the peer closes it */
        event_add(&conn->read, NULL);
    conn->reading = true;
    if (pool->client->sweep == NULL)
        pool->client->sweep = gg_timer_start(SWEEP_MS, sweep, pool->client);
}

/* ---- connecting ---- */

struct resolving { /* on the heap: outlives a caller that gives up */
    char host[256], service[8];
    struct addrinfo *found;
    int rc;
};

static void resolve(void *arg)
{
    struct resolving *r = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    r->rc = getaddrinfo(r->host, r->service, &hints, &r->found);
}

/* Addresses are read at once; names ask the system's resolver, which blocks, on a thread. */
static int addresses_of(const struct gg_peer *peer, struct addrinfo **out, struct gg_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    char service[8];
    snprintf(service, sizeof(service), "%u", peer->port);
    const char *host = strcmp(peer->host, "localhost") == 0 ? "127.0.0.1" : peer->host;
    if (getaddrinfo(host, service, &hints, out) == 0)
        return 0;
    struct resolving *r = gg_xcalloc(1, sizeof(*r));
    snprintf(r->host, sizeof(r->host), "%s", peer->host);
    snprintf(r->service, sizeof(r->service), "%s", service);
    int rc = gg_offload(resolve, r);
    if (rc < 0)
        rc = gg_fail(err, GG_E_UNAVAILABLE, "cannot look %s up now", peer->host);
    else if (r->rc != 0)
        rc = gg_fail(err, GG_E_UNAVAILABLE, "cannot find %s: %s", peer->host, gai_strerror(r->rc));
    else
        *out = r->found;
    free(r);
    return rc;
}

static int connect_failed(int fd, const char *name, int why, struct gg_error *err)
{
    if (fd >= 0)
        close(fd);
    return gg_fail(err, GG_E_UNAVAILABLE, "cannot connect to %s: %s", name, strerror(why));
}

static int connect_to(const struct sockaddr *address, socklen_t n, const char *name, int64_t deadline, int *fd_out,
                      struct gg_error *err)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return connect_failed(fd, name, errno, err);
    if (connect(fd, address, n) != 0) {
        if (errno != EINPROGRESS)
            return connect_failed(fd, name, errno, err);
        int rc = gg_wait_fd(fd, GG_WRITABLE, NULL, deadline);
        int why = 0;
        socklen_t size = sizeof(why);
        if (rc == GG_E_CANCELLED) {
            close(fd);
            return gg_fail(err, rc, "cancelled while connecting to %s", name);
        }
        if (rc < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &size) != 0 || why != 0)
            return connect_failed(fd, name, rc < 0 ? ETIMEDOUT : why, err);
    }
    int on = 1;
    if (address->sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *fd_out = fd;
    return 0;
}

static int connect_unix(const struct gg_peer *peer, int64_t deadline, int *fd_out, struct gg_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(peer->path) >= sizeof(address.sun_path))
        return gg_fail(err, GG_E_UNAVAILABLE, "the socket path %s is too long", peer->path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", peer->path);
    return connect_to((const struct sockaddr *)&address, sizeof(address), peer->path, deadline, fd_out, err);
}

static int connect_tcp(const struct gg_peer *peer, int64_t deadline, int *fd_out, struct gg_error *err)
{
    char name[300];
    struct addrinfo *list = NULL;
    snprintf(name, sizeof(name), "%s port %u", peer->host, peer->port);
    int rc = addresses_of(peer, &list, err);
    if (rc < 0)
        return rc;
    rc = GG_E_UNAVAILABLE;
    for (const struct addrinfo *each = list; each != NULL && rc == GG_E_UNAVAILABLE; each = each->ai_next)
        rc = connect_to(each->ai_addr, each->ai_addrlen, name, deadline, fd_out, err);
    freeaddrinfo(list);
    return rc;
}

static int shake_hands(struct gg_client *client, const struct gg_peer *peer, struct gg_socket *socket, int64_t deadline,
                       struct gg_error *err)
{
    SSL_CTX *ctx = client->tls;
    int rc = ctx == NULL ? gg_tls_client(NULL, &ctx, err) : 0;
    if (rc < 0)
        return rc;
    client->tls = ctx;
    socket->ssl = SSL_new(ctx);
    GG_ASSERT(socket->ssl != NULL && SSL_set_fd(socket->ssl, socket->fd) == 1);
    SSL_set_tlsext_host_name(socket->ssl, peer->host);
    SSL_set1_host(socket->ssl, peer->host);
    for (;;) {
        int done = SSL_connect(socket->ssl);
        if (done == 1)
            return 0;
        int why = SSL_get_error(socket->ssl, done);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return gg_fail(err, GG_E_UNAVAILABLE, "cannot speak TLS with %s port %u", peer->host, peer->port);
        rc = gg_wait_fd(socket->fd, why == SSL_ERROR_WANT_READ ? GG_READABLE : GG_WRITABLE, NULL, deadline);
        if (rc < 0)
            return gg_fail(err, rc == GG_E_CANCELLED ? rc : GG_E_UNAVAILABLE, "no TLS with %s port %u in time",
                           peer->host, peer->port);
    }
}

int gg_internal_open(struct gg_host *host, const struct gg_peer *peer, bool fresh, int64_t deadline,
                     struct gg_internal **out, struct gg_error *err)
{
    struct gg_client *client = gg_client_of(host);
    struct gg_internal_pool *pool = pool_of(client, peer);
    if (!fresh && !gg_list_empty(&pool->idle)) {
        *out = GG_CONTAINER(pool->idle.next, struct gg_internal, link);
        take_out(*out);
        (*out)->busy = true;
        gg_internal_begin(*out);
        return 0;
    }
    struct gg_socket socket = {.fd = -1};
    int rc = peer->path != NULL ? connect_unix(peer, deadline, &socket.fd, err)
                                : connect_tcp(peer, deadline, &socket.fd, err);
    if (rc == 0 && peer->tls && peer->path == NULL)
        rc = shake_hands(client, peer, &socket, deadline, err);
    if (rc < 0) {
        gg_socket_close(&socket);
        return rc;
    }
    struct gg_internal *conn = gg_xcalloc(1, sizeof(*conn));
    gg_list_init(&conn->link);
    conn->pool = pool;
    conn->socket = socket;
    conn->busy = true;
    conn->head = conn->body = conn->lent = (struct gg_buf)GG_BUF_INIT;
    gg_cond_init(&conn->wake);
    event_assign(&conn->read, gg_loop_base(), socket.fd, EV_READ | EV_PERSIST, gg_internal_on_readable, conn);
    event_assign(&conn->write, gg_loop_base(), socket.fd, EV_WRITE | EV_PERSIST, gg_internal_on_writable, conn);
    gg_internal_begin(conn);
    *out = conn;
    return 0;
}
