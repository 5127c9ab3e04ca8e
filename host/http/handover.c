/* Sockets that go from one process to its successor. */
#include "http/conn.h"

#include <stdlib.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.http"};

enum { LOOK_MS = 5 };

/* ---- what was inherited and not claimed yet ---- */

struct inherited {
    struct gg_list link; /* server->inherited */
    int fd;
    struct gg_buf unread;
    char address[GG_ADDRESS_SIZE]; /* "": a listening socket */
    char name[];
};

static void forget(struct inherited *item)
{
    gg_list_remove(&item->link);
    if (item->fd >= 0)
        close(item->fd);
    gg_buf_done(&item->unread);
    free(item);
}

void gg_http_inherit(struct gg_server *server, const struct gg_http_legacy *legacy)
{
    size_t n = strlen(legacy->key);
    struct inherited *item = calloc(1, sizeof(*item) + n + 1);
    GG_ASSERT(item != NULL);
    item->fd = legacy->fd;
    item->unread = (struct gg_buf)GG_BUF_INIT;
    gg_buf_str(&item->unread, legacy->unread);
    snprintf(item->address, sizeof(item->address), "%s", legacy->address != NULL ? legacy->address : "");
    memcpy(item->name, legacy->key, n);
    gg_list_push(&server->inherited, &item->link);
}

int gg_http_claim_listener(struct gg_server *server, const char *name)
{
    GG_LIST_EACH (link, &server->inherited) {
        struct inherited *item = GG_CONTAINER(link, struct inherited, link);
        if (item->address[0] != '\0' || strcmp(item->name, name) != 0)
            continue;
        int fd = item->fd;
        item->fd = -1;
        forget(item);
        return fd;
    }
    return -1;
}

void gg_http_claim_connections(struct gg_port *port)
{
    GG_LIST_EACH (link, &port->server->inherited) {
        struct inherited *item = GG_CONTAINER(link, struct inherited, link);
        if (item->address[0] == '\0' || strcmp(item->name, port->name) != 0 || port->tls != NULL)
            continue;
        struct gg_http_conn *conn = gg_http_conn_accept(port, item->fd, item->address);
        item->fd = -1;
        gg_http_conn_feed(conn, gg_buf_view(&item->unread));
        forget(item);
    }
}

void gg_http_close_unclaimed(struct gg_server *server)
{
    while (!gg_list_empty(&server->inherited))
        forget(GG_CONTAINER(server->inherited.next, struct inherited, link));
}

/* ---- giving ---- */

bool gg_http_give_listeners(struct gg_server *server, gg_http_give_fn *give, void *self)
{
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        if (port->fd >= 0 && !give(self, &(struct gg_http_legacy){.key = port->name, .fd = port->fd}))
            return false;
    }
    return true;
}

static bool for_processes(const struct gg_port *port)
{
    return (port->resources & GG_RES_REPLICATION) != 0;
}

/* The sockets are the successor's: they stay open there, and so does the path of a Unix socket. */
static void leave_ports(struct gg_server *server, bool processes)
{
    GG_LIST_EACH (link, &server->ports) {
        struct gg_port *port = GG_CONTAINER(link, struct gg_port, link);
        if (for_processes(port) != processes)
            continue;
        port->bound = false;
        gg_http_port_close(port);
    }
}

/* The first connection that another process can go on with; giving it may wait, so the list is looked at anew each time. */
static bool next_leaving(struct gg_server *server, bool processes, struct gg_http_legacy *out, struct gg_buf *unread,
                         char *address)
{
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        const char *key = conn->port->name;
        if (for_processes(conn->port) != processes)
            continue;
        snprintf(address, GG_ADDRESS_SIZE, "%s", conn->address);
        if (!gg_http_conn_leave(conn, &out->fd, unread))
            continue;
        *out = (struct gg_http_legacy){.key = key, .fd = out->fd, .address = address, .unread = gg_buf_view(unread)};
        return true;
    }
    return false;
}

static void leave_connections(struct gg_server *server, bool processes, gg_http_give_fn *give, void *self)
{
    struct gg_buf unread = GG_BUF_INIT;
    struct gg_http_legacy legacy;
    char address[GG_ADDRESS_SIZE];
    size_t given = 0;
    while (next_leaving(server, processes, &legacy, &unread, address)) {
        given += give(self, &legacy);
        close(legacy.fd);
        gg_buf_clear(&unread);
    }
    gg_buf_done(&unread);
    gg_info(&logger, "%zu open connections of %s go to the successor", given, processes ? "processes" : "clients");
}

/* ---- what has begun ---- */

/* Must it end before the successor begins? Not what another process answers, nor what only has to be read or sent. */
static bool holds_back(const struct gg_request *rq)
{
    const struct gg_router_entry *entry = rq->match.entry;
    return !rq->replied && !rq->passing && (entry == NULL || (entry->route->flags & GG_ROUTE_OVERLAP) == 0);
}

/* The first one that holds back, or NULL. */
static struct gg_request *holding(struct gg_server *server, bool clients_only)
{
    GG_LIST_EACH (link, &server->live) {
        struct gg_request *rq = GG_CONTAINER(link, struct gg_request, link);
        if (holds_back(rq) && (!clients_only || !for_processes(rq->port)))
            return rq;
    }
    return NULL;
}

/* Time is up. What has not arrived yet is nobody's; what runs is called off and must have ended. */
static void call_off(struct gg_server *server)
{
    size_t n = 0;
    GG_LIST_EACH (link, &server->live) {
        struct gg_request *rq = GG_CONTAINER(link, struct gg_request, link);
        if (!holds_back(rq))
            continue;
        n++;
        if (rq->fiber != NULL)
            gg_cancel(rq->fiber);
        else if (rq->conn != NULL)
            gg_http_conn_close(rq->conn);
    }
    gg_warn(&logger, "%zu requests did not end in time and are cancelled", n);
    while (holding(server, false) != NULL && gg_sleep(LOOK_MS) == 0)
        continue;
}

/* Connections that cannot move (TLS): whoever sends within a moment is answered still, and told that it was the last. */
static bool may_still_ask(const struct gg_server *server, int64_t waited_ms)
{
    for (const struct gg_list *link = server->conns.next; link != &server->conns; link = link->next) {
        const struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        if (gg_http_conn_is_new(conn) ? waited_ms < GG_HTTP_NEW_MS
                                      : gg_http_conn_is_idle(conn) && waited_ms < GG_HTTP_KEPT_MS)
            return true;
    }
    return false;
}

static void end_connections(struct gg_server *server)
{
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        conn->last = true;
        if (gg_http_conn_is_idle(conn))
            gg_http_conn_end(conn);
    }
}

void gg_http_hand_over(struct gg_server *server, gg_http_give_fn *give, void *self, int64_t deadline)
{
    int64_t began = gg_now_ms();
    gg_http_begin_draining(server);
    leave_ports(server, false);
    leave_connections(server, false, give, self);
    while (holding(server, true) != NULL && gg_now_ms() < deadline && gg_sleep(LOOK_MS) == 0)
        continue;
    leave_ports(server, true);
    leave_connections(server, true, give, self);
    while ((holding(server, false) != NULL || may_still_ask(server, gg_now_ms() - began)) && gg_now_ms() < deadline &&
           gg_sleep(LOOK_MS) == 0)
        continue;
    if (holding(server, false) != NULL)
        call_off(server);
    end_connections(server);
}
