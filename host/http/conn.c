/* One connection: its bytes, its life, and the order of its requests. */
#include "http/conn.h"

#include "fiber/loop.h"

#include <stdlib.h>

enum { SCRATCH_BYTES = 65536, READS_A_TURN = 4, REFERENCE_FROM = 4096, KEEP_BUFFER = 16384, LINGER_MS = 3000 };

/* What was just read, before it is parsed: one for the loop thread, as nothing waits in between. */
static char scratch[SCRATCH_BYTES];

/* ---- life ---- */

static void conn_free(struct gg_http_conn *conn)
{
    struct gg_server *server = conn->server;
    gg_buf_done(&conn->in);
    if (conn->out != NULL)
        evbuffer_free(conn->out);
    free(conn);
    server->n_conns--;
    gg_http_resume_accept(server);
}

static void unpin(struct gg_http_conn *conn)
{
    if (--conn->busy == 0 && conn->dead)
        conn_free(conn);
}

/* The client of a running request is gone. */
static void abandon(struct gg_request *rq)
{
    rq->conn = NULL;
    if (rq->swallowing) {
        if (rq->settled) {
            gg_access_note(rq);
            gg_request_drop(rq);
        }
        return;
    }
    if (!rq->started) {
        gg_request_drop(rq);
        return;
    }
    if (!rq->replied && rq->fiber != NULL && (rq->match.entry->route->flags & GG_ROUTE_CANCELLABLE) != 0)
        gg_cancel(rq->fiber);
    gg_cond_broadcast(&rq->wake);
}

void gg_http_conn_close(struct gg_http_conn *conn)
{
    if (conn->dead)
        return;
    conn->dead = true;
    if (conn->reading)
        event_del(&conn->read);
    if (conn->writing)
        event_del(&conn->write);
    if (conn->watching)
        event_del(&conn->gone);
    gg_socket_close(&conn->socket);
    gg_list_remove(&conn->link);
    struct gg_request *rq = conn->rq;
    conn->rq = NULL;
    if (rq != NULL)
        abandon(rq);
    if (conn->busy == 0)
        conn_free(conn);
}

/* ---- writing ---- */

size_t gg_http_conn_unsent(const struct gg_http_conn *conn)
{
    return conn->out != NULL ? evbuffer_get_length(conn->out) : 0;
}

static void want_write(struct gg_http_conn *conn, bool want)
{
    if (want == conn->writing)
        return;
    conn->writing = want;
    if (want)
        event_add(&conn->write, NULL);
    else
        event_del(&conn->write);
}

static void free_owned(const void *data, size_t n, void *owned)
{
    free(owned);
}

static void keep_unsent(struct gg_http_conn *conn, struct gg_str head, struct gg_str body, size_t sent, void **owned)
{
    if (conn->out == NULL)
        conn->out = evbuffer_new();
    GG_ASSERT(conn->out != NULL);
    if (sent < head.n)
        evbuffer_add(conn->out, head.s + sent, head.n - sent);
    size_t skip = sent > head.n ? sent - head.n : 0;
    if (*owned != NULL && body.n - skip >= REFERENCE_FROM) {
        evbuffer_add_reference(conn->out, body.s + skip, body.n - skip, free_owned, *owned);
        *owned = NULL;
    } else if (body.n > skip) {
        evbuffer_add(conn->out, body.s + skip, body.n - skip);
    }
    want_write(conn, true);
}

void gg_http_conn_send(struct gg_http_conn *conn, struct gg_str head, struct gg_str body, void *owned)
{
    ssize_t sent = 0;
    if (gg_http_conn_unsent(conn) == 0) {
        struct iovec iov[2] = {{(void *)head.s, head.n}, {(void *)body.s, body.n}};
        sent = gg_socket_send(&conn->socket, iov, body.n > 0 ? 2 : 1);
        conn->moved = gg_now_ms();
    }
    if (sent == GG_SOCKET_FAILED) {
        free(owned);
        gg_http_conn_close(conn);
        return;
    }
    size_t n = sent > 0 ? (size_t)sent : 0;
    if (n < head.n + body.n)
        keep_unsent(conn, head, body, n, &owned);
    free(owned);
}

/* All answered on a connection that ends. Closing with input unread would reset it
 * and could take the answer away from the client: so first let it finish. */
static void end_output(struct gg_http_conn *conn)
{
    if (conn->socket.ssl != NULL)
        gg_socket_shutdown(&conn->socket);
    if (conn->eof || (conn->in_at == conn->in.n && !conn->lingering && conn->scan.begun == false)) {
        gg_http_conn_close(conn);
        return;
    }
    gg_socket_shutdown(&conn->socket);
    conn->lingering = true;
    conn->moved = gg_now_ms();
    gg_buf_clear(&conn->in);
    conn->in_at = 0;
    gg_http_conn_flow(conn);
}

/* False: broken. */
static bool flush_out(struct gg_http_conn *conn)
{
    while (gg_http_conn_unsent(conn) > 0) {
        struct evbuffer_iovec pieces[8];
        int n = evbuffer_peek(conn->out, -1, NULL, pieces, GG_COUNT(pieces));
        n = n > (int)GG_COUNT(pieces) ? (int)GG_COUNT(pieces) : n;
        ssize_t sent = gg_socket_send(&conn->socket, (const struct iovec *)pieces, n);
        if (sent == GG_SOCKET_FAILED)
            return false;
        if (sent < 0)
            break;
        conn->moved = gg_now_ms();
        evbuffer_drain(conn->out, (size_t)sent);
    }
    return true;
}

static void read_some(struct gg_http_conn *conn);

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct gg_http_conn *conn = arg;
    conn->busy++;
    if (!flush_out(conn)) {
        gg_http_conn_close(conn);
    } else {
        want_write(conn, gg_http_conn_unsent(conn) > 0);
        if (conn->rq != NULL && gg_http_conn_unsent(conn) < conn->server->limits.max_unsent / 2)
            gg_cond_broadcast(&conn->rq->wake);
        if (conn->rq == NULL && conn->last && !conn->lingering && gg_http_conn_unsent(conn) == 0)
            end_output(conn);
        else if (conn->socket.ssl != NULL)
            read_some(conn);
    }
    unpin(conn);
}

/* ---- reading ---- */

static size_t waiting(const struct gg_http_conn *conn)
{
    return conn->in.n - conn->in_at;
}

static bool held(const struct gg_http_conn *conn) /* a streamed body that the handler is slow to read */
{
    return conn->rq != NULL && conn->rq->early && conn->rq->streamed &&
           conn->rq->body.n - conn->rq->body_at >= conn->server->limits.max_stream;
}

void gg_http_conn_flow(struct gg_http_conn *conn)
{
    if (conn->dead)
        return;
    bool want = !conn->eof && (conn->lingering || (!held(conn) && waiting(conn) < conn->server->limits.max_pipelined));
    if (want != conn->reading) {
        conn->reading = want;
        if (want)
            event_add(&conn->read, NULL);
        else
            event_del(&conn->read);
    }
    bool watch = !want && !conn->eof;
    if (watch != conn->watching) {
        conn->watching = watch;
        if (watch)
            event_add(&conn->gone, NULL);
        else
            event_del(&conn->gone);
    }
}

static bool may_parse(const struct gg_http_conn *conn)
{
    if (conn->dead || conn->lingering)
        return false;
    return conn->rq == NULL ? !conn->last : !conn->rq->complete && !conn->rq->cut && !held(conn);
}

/* Takes requests out of the bytes; returns how many bytes are done with. */
static size_t parse_span(struct gg_http_conn *conn, const char *data, size_t n)
{
    size_t used = 0;
    while (used < n && may_parse(conn)) {
        bool bad = false;
        size_t took = gg_parse(conn, data + used, n - used, &bad);
        used += took;
        if (bad)
            used = n;
        if (conn->rq == NULL)
            break; /* too little to tell, or only line ends */
        gg_dispatch(conn->rq);
        if (took == 0 && !bad && conn->rq != NULL)
            break;
    }
    return used;
}

static void forget_parsed(struct gg_http_conn *conn)
{
    if (conn->in_at < conn->in.n)
        return;
    conn->in_at = 0;
    if (conn->in.cap > KEEP_BUFFER)
        gg_buf_done(&conn->in);
    else
        gg_buf_clear(&conn->in);
}

/* The peer has ended and nothing is left to answer. */
static void end_idle(struct gg_http_conn *conn)
{
    conn->last = true;
    if (gg_http_conn_unsent(conn) == 0)
        gg_http_conn_close(conn);
}

void gg_http_conn_pump(struct gg_http_conn *conn)
{
    if (conn->pumping || conn->dead)
        return;
    conn->busy++;
    conn->pumping = true;
    if (waiting(conn) > 0) {
        conn->in_at += parse_span(conn, conn->in.data + conn->in_at, waiting(conn));
        if (!conn->dead)
            forget_parsed(conn);
    }
    conn->pumping = false;
    if (!conn->dead && conn->eof && conn->rq != NULL && !conn->rq->complete)
        gg_http_conn_close(conn);
    else if (!conn->dead && conn->eof && conn->rq == NULL)
        end_idle(conn);
    gg_http_conn_flow(conn);
    unpin(conn);
}

/* New bytes: parsed where they lie, and only what cannot be parsed yet is copied. */
static void take(struct gg_http_conn *conn, const char *data, size_t n)
{
    if (waiting(conn) > 0) {
        if (conn->in_at > KEEP_BUFFER) {
            memmove(conn->in.data, conn->in.data + conn->in_at, waiting(conn));
            conn->in.n -= conn->in_at;
            conn->in_at = 0;
        }
        gg_buf_add(&conn->in, data, n);
        gg_http_conn_pump(conn);
        return;
    }
    conn->pumping = true;
    size_t used = parse_span(conn, data, n);
    conn->pumping = false;
    if (used < n && !conn->dead && !conn->last)
        gg_buf_add(&conn->in, data + used, n - used);
}

/* FIN. A client that still has requests waiting is one that sends a batch and half-closes; any other has hung up. */
static void on_end(struct gg_http_conn *conn)
{
    conn->eof = true;
    struct gg_request *rq = conn->rq;
    if (conn->lingering || (rq != NULL && !rq->complete)) {
        gg_http_conn_close(conn);
        return;
    }
    if (rq != NULL) {
        bool cancellable = rq->match.entry != NULL && (rq->match.entry->route->flags & GG_ROUTE_CANCELLABLE) != 0;
        if (cancellable && rq->started && !rq->replied && rq->fiber != NULL && waiting(conn) == 0)
            gg_cancel(rq->fiber);
        return;
    }
    end_idle(conn);
}

static void read_some(struct gg_http_conn *conn)
{
    conn->busy++;
    for (int i = 0; i < READS_A_TURN && !conn->dead && !conn->eof; i++) {
        ssize_t n = gg_socket_recv(&conn->socket, scratch, sizeof(scratch));
        if (n == GG_SOCKET_FAILED) {
            gg_http_conn_close(conn);
        } else if (n == 0) {
            on_end(conn);
        } else if (n > 0 && !conn->lingering) {
            conn->moved = gg_now_ms();
            take(conn, scratch, (size_t)n);
        } else if (n == GG_SOCKET_AGAIN_OTHER) {
            want_write(conn, true);
        }
        if (n <= 0 || (conn->socket.ssl == NULL && n < SCRATCH_BYTES))
            break;
        if (!conn->lingering && (held(conn) || waiting(conn) >= conn->server->limits.max_pipelined))
            break;
    }
    gg_http_conn_flow(conn);
    unpin(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct gg_http_conn *conn = arg;
    conn->busy++;
    read_some(conn);
    if (!conn->dead && conn->socket.ssl != NULL && gg_http_conn_unsent(conn) > 0 && !flush_out(conn))
        gg_http_conn_close(conn);
    unpin(conn);
}

/* Not reading, but the peer has ended or reset. */
static void on_gone(evutil_socket_t fd, short what, void *arg)
{
    struct gg_http_conn *conn = arg;
    conn->watching = false;
    event_del(&conn->gone);
    struct gg_request *rq = conn->rq;
    if (rq != NULL && rq->started && !rq->replied && rq->fiber != NULL && rq->match.entry != NULL &&
        (rq->match.entry->route->flags & GG_ROUTE_CANCELLABLE) != 0)
        gg_cancel(rq->fiber);
    conn->watching = true; /* once is enough: not added again */
}

/* ---- requests one after the other ---- */

void gg_http_conn_done(struct gg_http_conn *conn)
{
    struct gg_request *rq = conn->rq;
    conn->rq = NULL;
    conn->served = true;
    bool unread = !rq->complete;
    if (!unread)
        gg_parse_init(conn);
    if (rq->streaming && !rq->ended) { /* too late for an error: the cut tells the client */
        gg_http_conn_close(conn);
        return;
    }
    conn->last = conn->last || unread || rq->cut || rq->closing || (conn->eof && waiting(conn) == 0);
    if (!conn->last) {
        gg_http_conn_pump(conn);
        return;
    }
    if (gg_http_conn_unsent(conn) == 0 && !conn->dead)
        end_output(conn);
}

/* ---- time ---- */

static void expire(struct gg_http_conn *conn)
{
    struct gg_request *rq = conn->rq;
    if (rq->swallowing) {
        gg_http_conn_close(conn);
        return;
    }
    if (rq->refusal.code != 0)
        return;
    rq->cut = true;
    gg_refuse(&rq->refusal, 408, "M_UNKNOWN", "The request took too long to arrive");
    gg_dispatch(rq);
}

static void sweep_one(struct gg_http_conn *conn, int64_t now)
{
    const struct gg_http_limits *limits = &conn->server->limits;
    struct gg_request *rq = conn->rq;
    int64_t still = now - conn->moved;
    if (conn->lingering ? still > LINGER_MS : gg_http_conn_unsent(conn) > 0 && still > limits->stall_ms) {
        gg_http_conn_close(conn);
    } else if (rq == NULL) {
        if (gg_http_conn_unsent(conn) == 0 && still > (conn->served ? limits->keepalive_ms : limits->head_ms))
            gg_http_conn_close(conn);
    } else if (!rq->complete) {
        bool slow = now - rq->began_ms > (rq->head_done ? limits->body_ms : limits->head_ms);
        if (slow || (still > limits->stall_ms && !held(conn)))
            expire(conn);
    }
}

void gg_http_conn_sweep(struct gg_server *server)
{
    int64_t now = gg_now_ms();
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        conn->busy++;
        sweep_one(conn, now);
        unpin(conn);
    }
}

/* ---- accepting ---- */

void gg_http_conn_accept(struct gg_port *port, int fd, const char *address)
{
    struct gg_http_conn *conn = calloc(1, sizeof(*conn));
    GG_ASSERT(conn != NULL);
    conn->server = port->server;
    conn->port = port;
    conn->socket.fd = fd;
    conn->in = (struct gg_buf)GG_BUF_INIT;
    conn->moved = gg_now_ms();
    snprintf(conn->address, sizeof(conn->address), "%s", address);
    if (port->tls != NULL) {
        conn->socket.ssl = SSL_new(port->tls);
        GG_ASSERT(conn->socket.ssl != NULL && SSL_set_fd(conn->socket.ssl, fd) == 1);
        SSL_set_accept_state(conn->socket.ssl);
    }
    struct event_base *base = gg_loop_base();
    event_assign(&conn->read, base, fd, EV_READ | EV_PERSIST, on_readable, conn);
    event_assign(&conn->write, base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
    event_assign(&conn->gone, base, fd, EV_CLOSED | EV_PERSIST, on_gone, conn);
    gg_parse_init(conn);
    gg_list_push(&port->server->conns, &conn->link);
    port->server->n_conns++;
    gg_http_conn_flow(conn);
}
