/* One connection: its bytes, its life, and the order of its requests. */
#include "http/conn.h"

#include "fiber/loop.h"

#include <stdlib.h>

enum { SCRATCH_BYTES = 65536, READS_A_TURN = 4, KEEP_BUFFER = 16384, LINGER_BYTES = 64 << 20 };

/* What was just read, before it is parsed: one for the loop thread, as nothing waits in between. */
static char scratch[SCRATCH_BYTES];

/* ---- life ---- */

static void conn_free(struct gg_http_conn *conn)
{
    struct gg_server *server = conn->server;
    gg_http_forget_neighbour(conn);
    gg_buf_done(&conn->in);
    gg_buf_done(&conn->raw);
    if (conn->out != NULL)
        evbuffer_free(conn->out);
    free(conn);
    server->n_conns--;
    gg_http_resume_accept(server);
}

void gg_http_conn_pin(struct gg_http_conn *conn)
{
    conn->busy++;
}

void gg_http_conn_unpin(struct gg_http_conn *conn)
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

/* ---- the end ---- */

static void linger(struct gg_http_conn *conn)
{
    gg_socket_shutdown(&conn->socket);
    conn->lingering = true;
    conn->moved = gg_now_ms();
    gg_buf_clear(&conn->in);
    conn->in_at = 0;
    gg_http_conn_flow(conn);
}

void gg_http_conn_end(struct gg_http_conn *conn)
{
    conn->last = true;
    linger(conn);
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
    linger(conn);
}

static void read_some(struct gg_http_conn *conn);

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct gg_http_conn *conn = arg;
    gg_http_conn_pin(conn);
    if (!gg_http_conn_flush(conn)) {
        gg_http_conn_close(conn);
    } else {
        conn->awaited = false;
        gg_http_conn_want_write(conn, gg_http_conn_unsent(conn) > 0);
        if (conn->rq != NULL && gg_http_conn_unsent(conn) < conn->server->limits.max_unsent / 2)
            gg_cond_broadcast(&conn->rq->wake);
        if (conn->rq == NULL && conn->last && !conn->lingering && gg_http_conn_unsent(conn) == 0)
            end_output(conn);
        else if (conn->socket.ssl != NULL)
            read_some(conn);
    }
    gg_http_conn_unpin(conn);
}

/* ---- reading ---- */

static size_t waiting(const struct gg_http_conn *conn)
{
    return conn->in.n - conn->in_at;
}

bool gg_http_conn_held(const struct gg_http_conn *conn)
{
    return conn->rq != NULL && conn->rq->early && conn->rq->streamed &&
           conn->rq->body.n - conn->rq->body_at >= conn->server->limits.max_stream;
}

void gg_http_conn_flow(struct gg_http_conn *conn)
{
    if (conn->dead)
        return;
    bool want = !conn->eof && (conn->lingering || (!gg_http_conn_held(conn) && waiting(conn) < conn->server->limits.max_pipelined));
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
    return conn->rq == NULL ? !conn->last : !conn->rq->complete && !conn->rq->cut && !gg_http_conn_held(conn);
}

/* A request that comes in pieces is kept as it came until something is done about it: a successor can begin it anew. */
static void keep_raw(struct gg_http_conn *conn, const char *data, size_t n)
{
    const struct gg_request *rq = conn->rq;
    bool arrives = rq != NULL && !rq->complete && !rq->started && rq->refusal.code == 0;
    if (arrives && !conn->raw_lost && conn->raw.n + n <= GG_HTTP_UNREAD) {
        gg_buf_add(&conn->raw, data, n);
        return;
    }
    conn->raw_lost = arrives;
    if (conn->raw.n > 0)
        gg_buf_done(&conn->raw);
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
        keep_raw(conn, data + used - took, bad ? 0 : took);
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
    gg_http_conn_pin(conn);
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
    gg_http_conn_unpin(conn);
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
    gg_http_conn_pin(conn);
    for (int i = 0; i < READS_A_TURN && !conn->dead && !conn->eof; i++) {
        ssize_t n = gg_socket_recv(&conn->socket, scratch, sizeof(scratch));
        if (n > 0 && conn->lingering && (conn->lingered += (size_t)n) > LINGER_BYTES)
            n = GG_SOCKET_FAILED; /* it does not listen; a proxy hears its answer when all of a large body has been taken */
        if (n == GG_SOCKET_FAILED) {
            gg_http_conn_close(conn);
        } else if (n == 0) {
            on_end(conn);
        } else if (n > 0 && !conn->lingering) {
            conn->moved = gg_now_ms();
            take(conn, scratch, (size_t)n);
        } else if (n == GG_SOCKET_AGAIN_OTHER) {
            gg_http_conn_want_write(conn, true);
        }
        if (n <= 0 || (conn->socket.ssl == NULL && n < SCRATCH_BYTES))
            break;
        if (!conn->lingering && (gg_http_conn_held(conn) || waiting(conn) >= conn->server->limits.max_pipelined))
            break;
    }
    gg_http_conn_flow(conn);
    gg_http_conn_unpin(conn);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct gg_http_conn *conn = arg;
    gg_http_conn_pin(conn);
    read_some(conn);
    if (!conn->dead && conn->socket.ssl != NULL && gg_http_conn_unsent(conn) > 0 && !gg_http_conn_flush(conn))
        gg_http_conn_close(conn);
    gg_http_conn_unpin(conn);
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

/* ---- accepting ---- */

struct gg_http_conn *gg_http_conn_accept(struct gg_port *port, int fd, const char *address)
{
    struct gg_http_conn *conn = calloc(1, sizeof(*conn));
    GG_ASSERT(conn != NULL);
    conn->server = port->server;
    conn->port = port;
    conn->socket.fd = fd;
    conn->in = conn->raw = (struct gg_buf)GG_BUF_INIT;
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
    gg_http_count_neighbour(conn);
    gg_http_sweep(port->server);
    gg_http_conn_flow(conn);
    return conn;
}

/* ---- from one process to the next ---- */

bool gg_http_conn_leave(struct gg_http_conn *conn, int *fd_out, struct gg_buf *unread_out)
{
    const struct gg_request *rq = conn->rq;
    bool untouched = rq == NULL || (!rq->complete && !rq->started && rq->refusal.code == 0 && !conn->raw_lost);
    if (conn->dead || conn->busy > 0 || !untouched || conn->last || conn->eof || conn->lingering || conn->socket.ssl != NULL ||
        gg_http_conn_unsent(conn) > 0 || conn->raw.n + waiting(conn) > GG_HTTP_UNREAD)
        return false;
    gg_buf_str(unread_out, gg_buf_view(&conn->raw));
    gg_buf_add(unread_out, conn->in.data + conn->in_at, waiting(conn));
    *fd_out = conn->socket.fd;
    conn->socket.fd = -1;
    gg_http_conn_close(conn);
    return true;
}

void gg_http_conn_feed(struct gg_http_conn *conn, struct gg_str unread)
{
    gg_buf_str(&conn->in, unread);
    gg_http_conn_pump(conn);
}
