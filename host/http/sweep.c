/* Once in a while: who is too slow, with a request, an answer, or anything at all. */
#include "http/conn.h"

static struct gg_logger logger = {"ganglion.http"};

enum { SWEEP_MS = 1000, LINGER_MS = 3000 };

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
    if (conn->lingering ? still > LINGER_MS : (gg_http_conn_unsent(conn) > 0 || conn->awaited) && still > limits->stall_ms) {
        gg_http_conn_close(conn);
    } else if (rq == NULL) {
        if (gg_http_conn_unsent(conn) == 0 && still > (conn->served ? limits->keepalive_ms : limits->head_ms))
            gg_http_conn_close(conn);
    } else if (!rq->complete) {
        bool slow = now - rq->began_ms > (rq->head_done ? limits->body_ms : limits->head_ms);
        if (slow || (still > limits->stall_ms && !gg_http_conn_held(conn)))
            expire(conn);
    }
}

/* An idle connection keeps no buffers. */
static void trim(struct gg_http_conn *conn)
{
    if (!gg_http_conn_is_idle(conn) || conn->in.n > conn->in_at)
        return;
    gg_buf_done(&conn->in);
    conn->in_at = 0;
    if (conn->out != NULL)
        evbuffer_free(conn->out);
    conn->out = NULL;
}

/* Who has been behind with reading for longest. */
static struct gg_http_conn *slowest(struct gg_server *server)
{
    struct gg_http_conn *found = NULL;
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        if (gg_http_conn_unsent(conn) > 0 && (found == NULL || conn->stuck < found->stuck))
            found = conn;
    }
    return found;
}

/* A byte now and then keeps an answer alive: many who read like that would fill the memory. */
static void bound_answers(struct gg_server *server, size_t unsent)
{
    size_t closed = 0;
    for (struct gg_http_conn *conn; unsent > server->limits.max_answers && (conn = slowest(server)) != NULL; closed++) {
        unsent -= gg_http_conn_unsent(conn);
        gg_http_conn_close(conn);
    }
    if (closed > 0)
        gg_warn(&logger, "answers that nobody reads fill the memory: the %zu slowest clients are dropped", closed);
}

static void sweep(void *arg)
{
    struct gg_server *server = arg;
    int64_t now = gg_now_ms();
    size_t unsent = 0;
    server->sweep = NULL;
    GG_LIST_EACH (link, &server->conns) {
        struct gg_http_conn *conn = GG_CONTAINER(link, struct gg_http_conn, link);
        gg_http_conn_pin(conn);
        sweep_one(conn, now);
        unsent += conn->dead ? 0 : gg_http_conn_unsent(conn);
        if (!conn->dead)
            trim(conn);
        gg_http_conn_unpin(conn);
    }
    if (unsent > server->limits.max_answers)
        bound_answers(server, unsent);
    gg_http_retry_accept(server);
    gg_http_sweep(server);
}

void gg_http_sweep(struct gg_server *server)
{
    if (server->sweep == NULL && server->n_conns > 0)
        server->sweep = gg_timer_start(SWEEP_MS, sweep, server);
}
