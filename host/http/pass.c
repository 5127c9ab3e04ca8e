/* Hands one request to another server and its answer back: heads without what belongs to one connection, bodies as they
 * come. */
#include "http/pass.h"

#include "client/internal.h"
#include "config/topology.h"
#include "http/conn.h"
#include "http/forward.h"
#include "main/host.h"

#include <ganglion/repl.h>
#include <strings.h>

enum { CONNECT_MS = 5000, GATHER_BYTES = 65536 };

static int64_t patience(const struct gg_passage *p)
{
    return p->stall_ms != 0 ? gg_deadline(p->stall_ms) : GG_FOREVER; /* the fiber's own deadline bounds every wait */
}

/* ---- heads ---- */

/* Of a list of names that ends with an empty one. Lengths first: this runs for each header of each request. */
static bool is_one_of(struct gg_str name, const struct gg_str *list)
{
    for (; list->n > 0; list++)
        if (list->n == name.n && strncasecmp(name.s, list->s, name.n) == 0)
            return true;
    return false;
}

/* Headers that belong to one connection, or that the next process gets from us. */
#define NAME(text_)                                                                                                    \
    {                                                                                                                  \
        text_, sizeof(text_) - 1                                                                                       \
    }
static const struct gg_str not_passed[] = {
    NAME("Connection"),
    NAME("Keep-Alive"),
    NAME("Proxy-Connection"),
    NAME("Proxy-Authorization"),
    NAME("TE"),
    NAME("Trailer"),
    NAME("Transfer-Encoding"),
    NAME("Upgrade"),
    NAME("HTTP2-Settings"),
    NAME("Content-Length"),
    NAME("Expect"),
    NAME("X-Forwarded-For"),
    NAME("X-Forwarded-Proto"),
    NAME("X-Forwarded-Host"),
    NAME("Forwarded"),
    NAME("X-Real-IP"),
    NAME(""),
};
static const struct gg_str not_passed_back[] = {
    NAME("Connection"), NAME("Keep-Alive"),        NAME("Proxy-Connection"), NAME("TE"),   NAME("Trailer"),
    NAME("Upgrade"),    NAME("Transfer-Encoding"), NAME("Content-Length"),   NAME("Date"), NAME("Server"),
    NAME(""),
};
/* What a client names as its connection's own must still arrive: it could take its authorisation away, or the frame of
 * the body. */
static const struct gg_str kept[] = {
    NAME("Authorization"), NAME("Host"), NAME("Content-Type"), NAME("Content-Encoding"), NAME(""),
};

/* Does a Connection header's list name it? Then it belongs to that connection too (RFC 9110, 7.6.1). */
static bool is_named(const char *list, struct gg_str name)
{
    while (list != NULL && *list != '\0') {
        list += strspn(list, " \t,");
        size_t k = strcspn(list, " \t,");
        if (k == name.n && strncasecmp(list, name.s, k) == 0)
            return true;
        list += k;
    }
    return false;
}

static bool is_hop_header(const struct gg_request *rq, struct gg_str name)
{
    size_t cursor = 0;
    for (const char *list; (list = gg_request_next_header(rq, "Connection", &cursor)) != NULL;)
        if (is_named(list, name))
            return !is_one_of(name, kept);
    return false;
}

static void add_header(struct gg_buf *out, const char *name, const char *value)
{
    gg_buf_text(out, name);
    gg_buf_lit(out, ": ");
    gg_buf_text(out, value);
    gg_buf_lit(out, "\r\n");
}

/* What the next one cannot know by itself: who asked, and between our processes whom it has passed. */
static void add_ours(const struct gg_passage *p, struct gg_buf *out)
{
    struct gg_request *rq = p->rq;
    const struct gg_host *host = rq->server->host;
    const char *scheme = gg_request_https(rq) ? "https" : "http";
    if (p->plain) {
        add_header(out, "X-Forwarded-For", gg_request_address(rq));
        add_header(out, "X-Forwarded-Proto", scheme);
        return;
    }
    const char *secret = gg_topology_secret(host->config);
    if (secret != NULL)
        gg_buf_printf(out, "Authorization: Bearer %s\r\n", secret);
    add_header(out, "X-Ganglion-Address", gg_request_address(rq));
    add_header(out, "X-Ganglion-Scheme", scheme);
    add_header(out, "X-Ganglion-Request-Id", rq->id);
    gg_buf_printf(out, "X-Ganglion-Hops: %u\r\n", rq->hops + 1);
    gg_buf_printf(out, "X-Ganglion-Via: %s%s%s\r\n", rq->via != NULL ? rq->via : "", rq->via != NULL ? "," : "",
                  gg_host_instance(host));
}

/* Everything that is to come is here: the handler has read none of it. */
static bool is_gathered(const struct gg_request *rq)
{
    return rq->complete && rq->body_at == 0;
}

static void add_framing(const struct gg_request *rq, struct gg_buf *out)
{
    if (rq->declared != 0 && is_gathered(rq))
        gg_buf_printf(out, "Content-Length: %zu\r\n\r\n", rq->body.n);
    else if (rq->declared > 0)
        gg_buf_printf(out, "Content-Length: %lld\r\n\r\n", (long long)rq->declared);
    else if (rq->declared < 0)
        gg_buf_lit(out, "Transfer-Encoding: chunked\r\n\r\n");
    else if (gg_request_header(rq, "Content-Length") != NULL) /* an empty body is not the same as none */
        gg_buf_lit(out, "Content-Length: 0\r\n\r\n");
    else
        gg_buf_lit(out, "\r\n");
}

/* ---- long polls ---- */

/* Where the value of the query's `timeout` begins, or NULL: such a request waits for something to happen. */
static const char *timeout_of(const struct gg_request *rq)
{
    static const char name[] = "timeout=";
    const char *at = gg_request_target(rq) + rq->n_path;
    while (*at == '?' || *at == '&') {
        if (strncmp(at + 1, name, sizeof(name) - 1) == 0)
            return at + sizeof(name);
        at += 1 + strcspn(at + 1, "&");
    }
    return NULL;
}

/* The target as it goes out: when this process ends, whoever waits is answered with what there is, and comes again. */
static void add_target(const struct gg_passage *p, struct gg_buf *out)
{
    const char *target = gg_request_target(p->rq), *value = p->hurried ? timeout_of(p->rq) : NULL;
    if (value == NULL) {
        gg_buf_text(out, target);
        return;
    }
    gg_buf_add(out, target, (size_t)(value - target));
    gg_buf_char(out, '0');
    gg_buf_text(out, value + strcspn(value, "&"));
}

/* Until the peer says something; GG_E_CONFLICT: this process ends before that. Asking anew loses nothing: a poll with the
 * same token tells the same, and one with a token of later would be another request. */
static int wait_for_answer(struct gg_passage *p, struct gg_internal *conn, struct gg_error *err)
{
    const struct gg_server *server = p->rq->server;
    int64_t deadline = patience(p);
    int rc = 0;
    gg_internal_wake_too(conn, &p->rq->wake);
    while (rc == 0 && !gg_internal_stirs(conn) && !server->draining)
        rc = gg_cond_wait(&p->rq->wake, deadline);
    gg_internal_wake_too(conn, NULL);
    if (rc < 0)
        return gg_fail(err, rc, "waiting for an answer");
    return gg_internal_stirs(conn) ? 0 : gg_fail(err, GG_E_CONFLICT, "this process ends");
}

static bool may_be_hurried(const struct gg_passage *p)
{
    const struct gg_request *rq = p->rq;
    return !p->hurried && (rq->declared == 0 || (rq->complete && rq->body_at == 0)) && timeout_of(rq) != NULL;
}

void gg_pass_head(const struct gg_passage *p, struct gg_buf *out)
{
    struct gg_request *rq = p->rq;
    bool has_hop_list = gg_request_header(rq, "Connection") != NULL;
    gg_buf_text(out, rq->method);
    gg_buf_text(out, p->plain ? " " : " " GG_FORWARD_PATH);
    add_target(p, out);
    gg_buf_lit(out, " HTTP/1.1\r\n");
    for (size_t i = 0; i < rq->n_headers; i++) {
        struct gg_str name = gg_strn(gg_request_text(rq, rq->headers[i].name), rq->headers[i].name.n);
        if (name.n == 0 || is_one_of(name, not_passed) || (has_hop_list && is_hop_header(rq, name)) ||
            (name.n > 11 && strncasecmp(name.s, "X-Ganglion-", 11) == 0))
            continue;
        if (!p->plain && name.n == 13 && strcasecmp(name.s, "Authorization") == 0)
            gg_buf_lit(out, "X-Ganglion-");
        add_header(out, name.s, gg_request_text(rq, rq->headers[i].value));
    }
    add_ours(p, out);
    add_framing(rq, out);
}

/* ---- bodies ---- */

/* A small body as a whole, before anybody is asked to take it. */
static int gather(struct gg_request *rq, struct gg_error *err)
{
    int rc = 0;
    if (rq->declared <= 0 || rq->declared > GATHER_BYTES || rq->body_at != 0)
        return 0;
    while (rc == 0 && !rq->complete)
        rc = gg_request_wait_more(rq, err);
    return rc;
}

static int send_piece(struct gg_passage *p, struct gg_internal *conn, const char *piece, size_t n, bool chunked,
                      struct gg_error *err)
{
    char size[24];
    int rc = 0;
    if (chunked) {
        snprintf(size, sizeof(size), "%zx\r\n", n);
        rc = gg_internal_send(conn, gg_str(size), gg_strn(piece, n), patience(p), err);
        return rc == 0 ? gg_internal_send(conn, GG_STR("\r\n"), GG_STR(""), patience(p), err) : rc;
    }
    return n > 0 ? gg_internal_send(conn, gg_strn(piece, n), GG_STR(""), patience(p), err) : 0;
}

/* For bytes of the client, or for the server's word: it may refuse what it has not seen to its end. */
static int wait_either(struct gg_request *rq, struct gg_internal *conn, struct gg_error *err)
{
    int rc = 0;
    while (rc == 0 && rq->body_at == rq->body.n && !rq->complete && !gg_internal_stirs(conn))
        rc = gg_request_wait_more(rq, err);
    return rc;
}

/* GG_E_CLOSED: the server has begun to answer, or gone. */
static int stream_body(struct gg_passage *p, struct gg_internal *conn, struct gg_error *err)
{
    char piece[16384];
    size_t n = 1;
    int rc = 0;
    gg_internal_wake_too(conn, &p->rq->wake);
    while (rc == 0 && n > 0) {
        rc = wait_either(p->rq, conn, err);
        if (rc == 0 && gg_internal_stirs(conn))
            rc = gg_fail(err, GG_E_CLOSED, "the server behind did not wait for the request's end");
        if (rc == 0)
            rc = gg_request_read(p->rq, piece, sizeof(piece), &n, err);
        if (rc == 0)
            rc = send_piece(p, conn, piece, n, p->rq->declared < 0, err);
    }
    gg_internal_wake_too(conn, NULL);
    return rc;
}

static int send_request(struct gg_passage *p, struct gg_internal *conn, struct gg_error *err)
{
    struct gg_request *rq = p->rq;
    struct gg_buf head = GG_BUF_INIT;
    bool whole = rq->declared == 0 || is_gathered(rq);
    struct gg_str body = rq->declared != 0 && whole ? gg_buf_view(&rq->body) : GG_STR("");
    gg_buf_reserve(&head, rq->head.n + 512);
    gg_pass_head(p, &head);
    p->arrived = true;
    int rc = gg_internal_send(conn, gg_buf_view(&head), body, patience(p), err);
    gg_buf_done(&head);
    return rc == 0 && !whole ? stream_body(p, conn, err) : rc;
}

static void copy_headers(struct gg_request *rq, const struct gg_internal *conn)
{
    const char *name, *value, *hop_list = NULL;
    for (size_t i = 0; gg_internal_header(conn, i, &name, &value); i++)
        hop_list = strcasecmp(name, "Connection") == 0 ? value : hop_list;
    for (size_t i = 0; gg_internal_header(conn, i, &name, &value); i++)
        if (!is_one_of(gg_str(name), not_passed_back) && !is_named(hop_list, gg_str(name)))
            gg_reply_header(rq, name, value);
}

static int pass_back(struct gg_passage *p, struct gg_internal *conn, struct gg_error *err)
{
    struct gg_request *rq = p->rq;
    struct gg_str piece;
    copy_headers(rq, conn);
    if (gg_internal_whole(conn, &piece)) { /* small ones mostly: one write for all */
        gg_reply_made(rq, p->status, gg_internal_length(conn), piece);
        return 0;
    }
    int rc = gg_reply_begin(rq, p->status, gg_internal_length(conn), err);
    for (piece.n = 1; rc == 0 && piece.n > 0 && !rq->head_method;) {
        rc = gg_internal_read(conn, patience(p), &piece, err);
        if (rc == 0 && piece.n > 0)
            rc = gg_reply_write(rq, piece.s, piece.n, err);
    }
    return rc == 0 ? gg_reply_end(rq, err) : rc;
}

/* ---- the whole ---- */

static int exchange(struct gg_passage *p, struct gg_internal *conn, struct gg_error *err)
{
    const struct gg_request *rq = p->rq;
    int rc = send_request(p, conn, err);
    if (rc < 0)
        gg_internal_unfinished(conn);
    if (rc < 0 && (rc != GG_E_CLOSED || rq->refusal.code != 0 || (rq->conn == NULL && !rq->complete)))
        return rc;
    if (rc == 0 && may_be_hurried(p))
        rc = wait_for_answer(p, conn, err);
    if (rc < 0 && rc != GG_E_CLOSED)
        return rc;
    /* closed: perhaps it has answered before it read everything */
    rc = gg_internal_answer(conn, rq->head_method, patience(p), &p->status, err);
    return rc == 0 ? pass_back(p, conn, err) : rc;
}

static bool is_idempotent(const char *method)
{
    static const struct gg_str safe[] = {NAME("GET"),    NAME("HEAD"),    NAME("PUT"),
                                         NAME("DELETE"), NAME("OPTIONS"), NAME("")};
    return is_one_of(gg_str(method), safe);
}

bool gg_passage_repeatable(const struct gg_passage *p)
{
    const struct gg_request *rq = p->rq;
    bool whole = rq->declared == 0 || is_gathered(rq);
    return !gg_replied(rq) && rq->conn != NULL && (!p->arrived || (whole && is_idempotent(rq->method)));
}

int gg_pass(struct gg_passage *p, struct gg_error *err)
{
    p->status = 0;
    p->arrived = false;
    int rc = gather(p->rq, err);
    for (bool fresh = false; rc == 0; fresh = true) {
        struct gg_internal *conn;
        rc = gg_internal_open(p->rq->server->host, p->peer, fresh, gg_deadline(CONNECT_MS), &conn, err);
        if (rc < 0)
            return rc;
        rc = exchange(p, conn, err);
        /* closed between two requests, as servers do when they restart: one more try on a new connection */
        bool again = rc == GG_E_CLOSED && gg_internal_kept(conn) && !gg_internal_begun(conn) && gg_passage_repeatable(p);
        if (rc == GG_E_CONFLICT && !gg_replied(p->rq) && p->rq->conn != NULL)
            again = p->hurried = true;
        gg_internal_done(conn);
        if (!again)
            return rc;
        rc = 0;
    }
    return rc;
}
