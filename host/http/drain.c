/* The end of a server: no new work, and an answer for whoever has asked already. */
#include "http/conn.h"

static struct gg_logger logger = {"ganglion.http"};

enum { LOOK_MS = 5 };

bool gg_http_conn_is_new(const struct gg_http_conn *conn)
{
    return conn->rq == NULL && !conn->served && !conn->lingering;
}

bool gg_http_conn_is_idle(const struct gg_http_conn *conn)
{
    return conn->rq == NULL && gg_http_conn_unsent(conn) == 0 && !conn->lingering;
}

static void close_idle(struct gg_server *server, bool new_too)
{
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        if (gg_http_conn_is_idle(conn) && (new_too || !gg_http_conn_is_new(conn)))
            gg_http_conn_close(conn);
        else
            conn->last = true;
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
    while (any(server, is) && gg_now_ms() < grace && gg_sleep(LOOK_MS) == 0)
        continue;
}

static void close_ports(struct gg_server *server)
{
    GG_LIST_EACH (link, &server->ports) {
        gg_http_port_close(GG_CONTAINER(link, struct gg_port, link));
    }
}

static void close_waiting(struct gg_server *server, int64_t deadline)
{
    wait_for_last(server, gg_http_conn_is_idle, GG_HTTP_KEPT_MS, deadline);
    close_idle(server, false);
    wait_for_last(server, gg_http_conn_is_new, GG_HTTP_NEW_MS, deadline);
    close_idle(server, true);
}

static void wait_answered(struct gg_server *server, int64_t deadline)
{
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

void gg_http_begin_draining(struct gg_server *server)
{
    server->draining = true;
    GG_LIST_EACH (link, &server->live) {
        gg_cond_broadcast(&GG_CONTAINER(link, struct gg_request, link)->wake);
    }
}

void gg_http_drain(struct gg_server *server, int64_t deadline)
{
    gg_http_begin_draining(server);
    gg_http_accept_waiting(server); /* what the kernel has accepted for us would be reset with the listening socket */
    close_ports(server);
    close_waiting(server, deadline);
    wait_answered(server, deadline);
}

bool gg_http_busy(const struct gg_server *server)
{
    return server->n_requests > 0 || server->n_conns > 0;
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
