/* New connections: taken within bounds, for the whole process and for one address. */
#include "http/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ganglion/memory.h>
#include <ganglion/metrics.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.http"};

enum { ACCEPTS_A_TURN = 64, TELL_MS = 60000, IDLE_MS = 1000 };

static struct gg_metric refused = {
    .name = "ganglion_http_refused_connections_total",
    .help = "Connections closed at once, since their address had as many as it may have",
    .type = GG_COUNTER,
};

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

void gg_http_retry_accept(struct gg_server *server)
{
    if (server->paused)
        set_accepting(server, true);
}

/* ---- one address ---- */

struct gg_neighbour {
    size_t n; /* its connections */
    char key[GG_ADDRESS_SIZE];
};

/* Who has one address of IPv6 has the 2^64 beside it. */
static void name_neighbour(const char *address, char *out, size_t size)
{
    struct in6_addr v6;
    if (strchr(address, ':') == NULL || inet_pton(AF_INET6, address, &v6) != 1) {
        snprintf(out, size, "%s", address);
        return;
    }
    memset(v6.s6_addr + 8, 0, 8);
    inet_ntop(AF_INET6, &v6, out, (socklen_t)size);
}

/* Not where many share an address: behind a proxy, other processes, and whoever is on this machine. */
static bool is_counted(const struct gg_port *port, const char *address)
{
    return port->server->limits.max_per_address != SIZE_MAX && port->path == NULL && !port->x_forwarded &&
           (port->resources & GG_RES_REPLICATION) == 0 && strncmp(address, "127.", 4) != 0 && strcmp(address, "::1") != 0;
}

void gg_http_count_neighbour(struct gg_http_conn *conn)
{
    struct gg_server *server = conn->server;
    char key[GG_ADDRESS_SIZE];
    if (!is_counted(conn->port, conn->address))
        return;
    name_neighbour(conn->address, key, sizeof(key));
    conn->neighbour = gg_map_get(server->neighbours, gg_str(key));
    if (conn->neighbour == NULL) {
        conn->neighbour = gg_xcalloc(1, sizeof(*conn->neighbour));
        memcpy(conn->neighbour->key, key, sizeof(key));
        gg_map_put(server->neighbours, gg_str(key), conn->neighbour);
    }
    conn->neighbour->n++;
}

void gg_http_forget_neighbour(struct gg_http_conn *conn)
{
    if (conn->neighbour != NULL && --conn->neighbour->n == 0)
        gg_map_delete(conn->server->neighbours, gg_str(conn->neighbour->key));
    conn->neighbour = NULL;
}

bool gg_http_has_enough(const struct gg_port *port, const char *address)
{
    struct gg_server *server = port->server;
    char key[GG_ADDRESS_SIZE];
    if (!is_counted(port, address))
        return false;
    name_neighbour(address, key, sizeof(key));
    const struct gg_neighbour *neighbour = gg_map_get(server->neighbours, gg_str(key));
    if (neighbour == NULL || neighbour->n < server->limits.max_per_address)
        return false;
    gg_metric_add(&refused, 1, NULL);
    if (server->told_ms == 0 || gg_now_ms() - server->told_ms > TELL_MS) {
        gg_warn(&logger, "%s has %zu connections, as many as ganglion.connections_per_address lets it have: more are refused",
                key, neighbour->n);
        server->told_ms = gg_now_ms();
    }
    return true;
}

/* ---- the whole process ---- */

static int64_t idle_ms(const struct gg_http_conn *conn, int64_t now)
{
    return gg_http_conn_is_idle(conn) ? now - conn->moved : 0;
}

/* Full: those who have asked nothing for longest go, so that nobody shuts others out by holding connections. Half of the
 * span at once: a search for each new one would cost as much as an attack. */
static bool make_room(struct gg_server *server)
{
    int64_t now = gg_now_ms(), longest = 0;
    size_t before = server->n_conns;
    GG_LIST_EACH (link, &server->conns) {
        int64_t idle = idle_ms(GG_CONTAINER(link, struct gg_http_conn, link), now);
        longest = idle > longest ? idle : longest;
    }
    if (longest < IDLE_MS)
        return false;
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        if (idle_ms(conn, now) > longest / 2)
            gg_http_conn_close(conn);
    }
    gg_warn(&logger, "%zu connections are open: %zu that were idle for longest are closed", before, before - server->n_conns);
    return server->n_conns < server->limits.max_connections;
}

static bool is_full(struct gg_server *server)
{
    if (server->n_conns < server->limits.max_connections || make_room(server))
        return false;
    gg_warn(&logger, "%zu connections are open and busy: no more are accepted until some close", server->n_conns);
    set_accepting(server, false);
    return true;
}

/* ---- accepting ---- */

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

static void take(struct gg_port *port, int fd, const struct sockaddr_storage *peer)
{
    char address[GG_ADDRESS_SIZE] = "";
    int on = 1;
    name_peer(peer, address, sizeof(address));
    if (gg_http_has_enough(port, address)) {
        close(fd);
        return;
    }
    if (peer->ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    gg_http_conn_accept(port, fd, address);
}

void gg_http_on_connection(evutil_socket_t listening, short what, void *arg)
{
    struct gg_port *port = arg;
    struct gg_server *server = port->server;
    for (int i = 0; i < ACCEPTS_A_TURN && !is_full(server); i++) {
        struct sockaddr_storage peer = {0};
        socklen_t n = sizeof(peer);
        int fd = accept4(listening, (struct sockaddr *)&peer, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take(port, fd, &peer);
            continue;
        }
        if ((errno == EMFILE || errno == ENFILE) && server->n_conns > 0) {
            gg_err(&logger, "cannot accept: %s", strerror(errno));
            set_accepting(server, false); /* until a connection closes */
        }
        return;
    }
}

void gg_http_accept_waiting(struct gg_server *server)
{
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        if (port->fd >= 0)
            gg_http_on_connection(port->fd, 0, port);
    }
}
