/* Listening sockets and the life of the server. */
#include "http/conn.h"

#include "fiber/loop.h"
#include "http/forward.h"
#include "main/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.http"};

enum { BACKLOG = 4096, ACCEPTS_A_TURN = 64, SWEEP_MS = 1000, NEW_MS = 500, KEPT_MS = 100, SPARE_FILES = 128, UNIX_NAME = 64 };

const struct gg_http_limits gg_http_default_limits = {
    .max_connections = 16384,
    .max_head = 65536,
    .max_headers = 100,
    .max_bodies = (size_t)512 << 20,
    .max_pipelined = 65536,
    .max_stream = 262144,
    .max_unsent = 262144,
    .default_body = 65536,
    .default_deadline_ms = 60000,
    .head_ms = 30000,
    .body_ms = 600000,
    .stall_ms = 60000,
    .keepalive_ms = 120000,
};

/* ---- life ---- */

static void use_defaults(struct gg_http_limits *limits)
{
    const struct gg_http_limits *d = &gg_http_default_limits;
#define DEFAULT(member_) (limits->member_ = limits->member_ != 0 ? limits->member_ : d->member_)
    DEFAULT(max_connections);
    DEFAULT(max_head);
    DEFAULT(max_headers);
    DEFAULT(max_bodies);
    DEFAULT(max_pipelined);
    DEFAULT(max_stream);
    DEFAULT(max_unsent);
    DEFAULT(default_body);
    DEFAULT(default_deadline_ms);
    DEFAULT(head_ms);
    DEFAULT(body_ms);
    DEFAULT(stall_ms);
    DEFAULT(keepalive_ms);
#undef DEFAULT
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY &&
        files.rlim_cur > (rlim_t)2 * SPARE_FILES && limits->max_connections > files.rlim_cur - SPARE_FILES)
        limits->max_connections = (size_t)files.rlim_cur - SPARE_FILES;
}

struct gg_server *gg_http_new(struct gg_host *host, const struct gg_http_limits *limits)
{
    struct gg_server *server = calloc(1, sizeof(*server));
    GG_ASSERT(server != NULL);
    server->host = host;
    if (limits != NULL)
        server->limits = *limits;
    use_defaults(&server->limits);
    server->router = gg_router_new();
    server->next_id = 1;
    server->date_second = -1;
    server->head = (struct gg_buf)GG_BUF_INIT;
    gg_list_init(&server->ports);
    gg_list_init(&server->conns);
    gg_list_init(&server->spare);
    gg_cond_init(&server->idle);
    return server;
}

struct gg_router *gg_http_router(struct gg_server *server)
{
    return server->router;
}

size_t gg_http_in_flight(const struct gg_server *server)
{
    return server->n_requests;
}

void gg_http_on_ready(struct gg_server *server, gg_http_ready_fn *fn, void *self)
{
    server->ready = fn;
    server->ready_self = self;
}

/* Stops accepting; the rest of the port stays for the requests that came through it. */
static void port_close(struct gg_port *port)
{
    if (port->event != NULL)
        event_free(port->event);
    port->event = NULL;
    if (port->fd >= 0)
        close(port->fd);
    port->fd = -1;
    if (port->bound)
        unlink(port->path);
    port->bound = false;
}

static void port_free(struct gg_port *port)
{
    port_close(port);
    SSL_CTX_free(port->tls);
    free(port->certificate);
    free(port->key);
    free(port->path);
    free(port->request_id_header);
    free(port->tag);
    free(port->logger_name);
    free(port);
}

void gg_http_free(struct gg_server *server)
{
    if (server == NULL)
        return;
    GG_ASSERT(gg_list_empty(&server->conns) && server->n_requests == 0);
    for (struct gg_list *link; (link = gg_list_pop(&server->ports)) != NULL;)
        port_free(GG_CONTAINER(link, struct gg_port, link));
    for (struct gg_list *link; (link = gg_list_pop(&server->spare)) != NULL;) {
        struct gg_request *rq = GG_CONTAINER(link, struct gg_request, link);
        gg_buf_done(&rq->head);
        gg_buf_done(&rq->reply_headers);
        free(rq);
    }
    gg_forward_free(server->forwarder);
    gg_router_free(server->router);
    gg_buf_done(&server->head);
    free(server);
}

/* ---- accepting ---- */

static void sweep(void *arg)
{
    struct gg_server *server = arg;
    server->sweep = NULL;
    gg_http_conn_sweep(server);
    if (server->n_conns > 0 && server->sweep == NULL)
        server->sweep = gg_timer_start(SWEEP_MS, sweep, server);
}

static void set_accepting(struct gg_server *server, bool on)
{
    server->paused = !on;
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        if (port->event != NULL && on)
            event_add(port->event, NULL);
        else if (port->event != NULL)
            event_del(port->event);
    }
}

void gg_http_resume_accept(struct gg_server *server)
{
    if (server->paused && server->n_conns < server->limits.max_connections)
        set_accepting(server, true);
}

static void name_peer(const struct sockaddr_storage *peer, char *out, size_t size)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;
    if (peer->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, out, (socklen_t)size);
    else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, out, (socklen_t)size);
    else if (peer->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, out, (socklen_t)size);
    else
        snprintf(out, size, "unix");
}

static void on_connection(evutil_socket_t listening, short what, void *arg)
{
    struct gg_port *port = arg;
    struct gg_server *server = port->server;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t n = sizeof(peer);
        if (server->n_conns >= server->limits.max_connections) {
            gg_warn(&logger, "%zu connections are open: no more are accepted until some close", server->n_conns);
            set_accepting(server, false);
            return;
        }
        int fd = accept4(listening, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if ((errno == EMFILE || errno == ENFILE) && server->n_conns > 0) {
                gg_err(&logger, "cannot accept: %s", strerror(errno));
                set_accepting(server, false); /* until a connection closes */
            }
            return;
        }
        int on = 1;
        if (peer.ss_family != AF_UNIX)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        char address[GG_ADDRESS_SIZE] = "";
        name_peer(&peer, address, sizeof(address));
        gg_http_conn_accept(port, fd, address);
        if (server->sweep == NULL)
            server->sweep = gg_timer_start(SWEEP_MS, sweep, server);
    }
}

/* ---- binding ---- */

static int bind_failed(int fd, const char *where, unsigned port, int why, struct gg_error *err)
{
    if (fd >= 0)
        close(fd);
    int code = why == EADDRINUSE                             ? GG_E_CONFLICT
               : why == EAFNOSUPPORT || why == EADDRNOTAVAIL ? GG_E_UNAVAILABLE
                                                             : GG_E_IO;
    if (port != 0)
        return gg_fail(err, code, "cannot listen on %s port %u: %s", where, port, strerror(why));
    return gg_fail(err, code, "cannot listen on %s: %s", where, strerror(why));
}

static int bind_tcp(const struct gg_http_port *want, int *fd_out, uint16_t *port_out, struct gg_error *err)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char service[8];
    snprintf(service, sizeof(service), "%u", want->port);
    bool localhost = strcmp(want->address, "localhost") == 0;
    if (getaddrinfo(localhost ? "127.0.0.1" : want->address, service, &hints, &found) != 0)
        return gg_fail(err, GG_E_INVALID, "cannot listen on %s port %u: this is not an IP address", want->address,
                       want->port);
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, off = 0;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && found->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    bool ok = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    int why = errno;
    freeaddrinfo(found);
    if (!ok)
        return bind_failed(fd, want->address, want->port, why, err);
    struct sockaddr_storage bound;
    socklen_t n = sizeof(bound);
    getsockname(fd, (struct sockaddr *)&bound, &n);
    *port_out = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    *fd_out = fd;
    return 0;
}

/* A socket file that nobody answers on is left from a crash and may go. */
static bool stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool dead = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

static int bind_unix(const struct gg_http_port *want, int *fd_out, struct gg_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(want->path) >= sizeof(address.sun_path))
        return gg_fail(err, GG_E_INVALID, "cannot listen on %s: a socket's path may have %zu bytes", want->path,
                       sizeof(address.sun_path) - 1);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", want->path);
    if (stale(&address))
        unlink(want->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return bind_failed(fd, want->path, 0, errno, err);
    if (chmod(want->path, want->mode != 0 ? want->mode : 0666) != 0 || listen(fd, BACKLOG) != 0) {
        int why = errno;
        unlink(want->path);
        return bind_failed(fd, want->path, 0, why, err);
    }
    *fd_out = fd;
    return 0;
}

static char *copy_text(const char *s)
{
    char *copy = s != NULL ? strdup(s) : NULL;
    GG_ASSERT(s == NULL || copy != NULL);
    return copy;
}

static struct gg_port *port_new(struct gg_server *server, const struct gg_http_port *want)
{
    struct gg_port *port = calloc(1, sizeof(*port));
    GG_ASSERT(port != NULL);
    port->server = server;
    port->fd = -1;
    port->certificate = copy_text(want->certificate);
    port->key = copy_text(want->key);
    port->path = copy_text(want->address == NULL ? want->path : NULL);
    port->request_id_header = copy_text(want->request_id_header);
    port->tag = copy_text(want->tag != NULL ? want->tag : "");
    GG_ASSERT(asprintf(&port->logger_name, "synapse.access.http.%s", port->tag) > 0);
    port->access.name = port->logger_name;
    port->x_forwarded = want->x_forwarded;
    port->metrics = want->metrics;
    port->resources = want->resources | GG_RES_HEALTH;
    return port;
}

int gg_http_listen(struct gg_server *server, const struct gg_http_port *want, uint16_t *port_out, struct gg_error *err)
{
    uint16_t bound = 0;
    struct gg_port *port = port_new(server, want);
    int rc = port->certificate != NULL ? gg_tls_server(port->certificate, port->key, &port->tls, err) : 0;
    if (rc == 0)
        rc = want->address != NULL ? bind_tcp(want, &port->fd, &bound, err) : bind_unix(want, &port->fd, err);
    if (rc < 0) {
        port_free(port);
        return rc;
    }
    port->bound = want->address == NULL;
    if (server->scope == NULL)
        server->scope = gg_scope_new(server->host->scope, "http");
    port->event = event_new(gg_loop_base(), port->fd, EV_READ | EV_PERSIST, on_connection, port);
    GG_ASSERT(port->event != NULL && event_add(port->event, NULL) == 0);
    gg_list_push(&server->ports, &port->link);
    if (port_out != NULL)
        *port_out = bound;
    return 0;
}

int gg_http_reload(struct gg_server *server, struct gg_error *err)
{
    int result = 0;
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        SSL_CTX *fresh = NULL;
        if (port->certificate == NULL)
            continue;
        int rc = gg_tls_server(port->certificate, port->key, &fresh, err);
        if (rc < 0) {
            result = rc;
            continue;
        }
        SSL_CTX_free(port->tls); /* connections hold their own reference */
        port->tls = fresh;
    }
    return result;
}

/* ---- ending ---- */

/* Whoever has just connected has a request on its way: to close on it would lose that. */
static bool is_new(const struct gg_http_conn *conn)
{
    return conn->rq == NULL && !conn->served && !conn->lingering;
}

static bool is_idle(const struct gg_http_conn *conn)
{
    return conn->rq == NULL && gg_http_conn_unsent(conn) == 0 && !conn->lingering;
}

static void close_idle(struct gg_server *server, bool new_too)
{
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        if (is_idle(conn) && (new_too || !is_new(conn)))
            gg_http_conn_close(conn);
        else
            conn->last = true;
    }
}

/* What the kernel has accepted for us would be reset with the listening socket. */
static void accept_waiting(struct gg_server *server)
{
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        if (port->fd >= 0)
            on_connection(port->fd, 0, port);
    }
}

static bool any(const struct gg_server *server, bool (*is)(const struct gg_http_conn *conn))
{
    for (const struct gg_list *link = server->conns.next; link != &server->conns; link = link->next)
        if (is(GG_CONTAINER(link, struct gg_http_conn, link)))
            return true;
    return false;
}

/* Looks on while connections of a kind are there, at most for so long. */
static void wait_for_last(const struct gg_server *server, bool (*is)(const struct gg_http_conn *conn), int64_t ms, int64_t deadline)
{
    int64_t grace = gg_deadline(ms) < deadline ? gg_deadline(ms) : deadline;
    while (any(server, is) && gg_now_ms() < grace && gg_sleep(5) == 0)
        continue;
}

static void close_ports(struct gg_server *server)
{
    GG_LIST_EACH (link, &server->ports) {
        port_close(GG_CONTAINER(link, struct gg_port, link));
    }
}

void gg_http_drain(struct gg_server *server, int64_t deadline)
{
    server->draining = true;
    accept_waiting(server);
    close_ports(server);
    /* On a kept connection, too, the next request may be on its way: whoever sends at once still gets an answer, and with
     * it the word that it was the last. */
    wait_for_last(server, is_idle, KEPT_MS, deadline);
    close_idle(server, false);
    wait_for_last(server, is_new, NEW_MS, deadline);
    close_idle(server, true);
    while (server->n_requests > 0) {
        int rc = gg_cond_wait(&server->idle, deadline);
        if (rc < 0)
            break;
    }
    if (server->n_requests > 0) {
        gg_warn(&logger, "%zu requests did not end in time and are cancelled", server->n_requests);
        if (server->scope != NULL)
            gg_scope_cancel(server->scope);
    }
}

void gg_http_stop(struct gg_server *server)
{
    server->draining = true;
    close_ports(server);
    if (server->scope != NULL)
        gg_scope_end(server->scope);
    server->scope = NULL;
    while (!gg_list_empty(&server->conns))
        gg_http_conn_close(GG_CONTAINER(server->conns.next, struct gg_http_conn, link));
    if (server->sweep != NULL)
        gg_timer_stop(server->sweep);
    server->sweep = NULL;
}
