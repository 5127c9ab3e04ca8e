/* One request and its answer on a connection to another process. */
#include "client/internal.h"

#include "client/pool.h"
#include "config/topology.h"

#include <stdlib.h>
#include <strings.h>

enum { SCRATCH_BYTES = 65536, AHEAD_BYTES = 262144, MAX_HEAD = 65536, READS_A_TURN = 4 };
#define MAX_ANSWER ((size_t)512 << 20)

/* What was just read: one for the loop thread, as nothing waits in between. */
static char scratch[SCRATCH_BYTES];

/* ---- the answer's parser ---- */

static int add_head(struct gg_internal *conn, const char *at, size_t n)
{
    if (conn->head.n + n > MAX_HEAD)
        return 1;
    gg_buf_add(&conn->head, at, n);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t n)
{
    struct gg_internal *conn = parser->data;
    if (conn->head_done)
        return 0; /* a trailer */
    if (conn->in_value || conn->n_headers == 0) {
        if (conn->n_headers == GG_INTERNAL_HEADERS)
            return 1;
        gg_buf_char(&conn->head, '\0');
        conn->headers[conn->n_headers++].name = (uint32_t)conn->head.n;
        conn->in_value = false;
    }
    return add_head(conn, at, n);
}

static int on_value(http_parser *parser, const char *at, size_t n)
{
    struct gg_internal *conn = parser->data;
    if (conn->head_done)
        return 0;
    if (!conn->in_value) {
        gg_buf_char(&conn->head, '\0');
        conn->headers[conn->n_headers - 1].value = (uint32_t)conn->head.n;
        conn->in_value = true;
    }
    return add_head(conn, at, n);
}

static int on_headers(http_parser *parser)
{
    struct gg_internal *conn = parser->data;
    gg_buf_char(&conn->head, '\0');
    if (parser->status_code >= 100 && parser->status_code < 200) { /* "100 Continue": the real one follows */
        gg_buf_clear(&conn->head);
        conn->n_headers = 0;
        conn->in_value = false;
        return 1;
    }
    conn->head_done = true;
    conn->keep = http_should_keep_alive(parser) != 0;
    conn->length = (parser->flags & F_CONTENTLENGTH) != 0 ? (int64_t)parser->content_length : -1;
    if (conn->whole && conn->length > 0 && conn->length <= 1 << 20)
        gg_buf_reserve(&conn->body, (size_t)conn->length);
    return conn->no_body ? 1 : 0;
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
    struct gg_internal *conn = parser->data;
    if (conn->body.n + n > conn->max_body) {
        conn->failure = GG_E_LIMIT;
        return 1;
    }
    gg_buf_add(&conn->body, at, n);
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct gg_internal *conn = parser->data;
    conn->complete = conn->head_done;
    if (conn->complete)
        http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings callbacks = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void gg_internal_begin(struct gg_internal *conn)
{
    http_parser_init(&conn->parser, HTTP_RESPONSE);
    conn->parser.data = conn;
    gg_buf_clear(&conn->head);
    gg_buf_clear(&conn->body);
    conn->n_headers = 0;
    conn->max_body = SIZE_MAX;
    conn->length = -1;
    conn->whole = conn->in_value = conn->head_done = conn->complete = conn->keep = conn->no_body = conn->begun = false;
    if (!conn->reading)
        event_add(&conn->read, NULL);
    conn->reading = true;
}

void gg_internal_feed(struct gg_internal *conn, const char *data, size_t n)
{
    conn->begun = conn->begun || n > 0;
    size_t used = http_parser_execute(&conn->parser, &callbacks, data, n);
    if (conn->complete && used < n)
        conn->keep = false; /* more than it was asked for: not to be trusted with another request */
    if (n > 0 && !conn->complete && conn->failure == 0 && HTTP_PARSER_ERRNO(&conn->parser) != HPE_OK)
        conn->failure = GG_E_PROTOCOL;
}

/* Bytes or the end, and nobody asked: on a kept connection, or after an answer. */
static void on_stray(struct gg_internal *conn)
{
    if (conn->busy) {
        conn->keep = false;
        event_del(&conn->read);
        conn->reading = false;
        return;
    }
    ssize_t n = gg_socket_recv(&conn->socket, scratch, sizeof(scratch));
    if (n != GG_SOCKET_AGAIN && n != GG_SOCKET_AGAIN_OTHER) /* TLS may have had a message of its own */
        gg_internal_free(conn);
}

void gg_internal_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct gg_internal *conn = arg;
    if (!conn->busy || conn->complete) {
        on_stray(conn);
        return;
    }
    for (int i = 0; i < READS_A_TURN && conn->failure == 0 && !conn->complete; i++) {
        ssize_t n = gg_socket_recv(&conn->socket, scratch, sizeof(scratch));
        if (n >= 0)
            gg_internal_feed(conn, scratch, (size_t)n);
        if ((n == 0 || n == GG_SOCKET_FAILED) && !conn->complete && conn->failure == 0)
            conn->failure = GG_E_CLOSED;
        if (n <= 0 || (n < SCRATCH_BYTES && conn->socket.ssl == NULL))
            break;
    }
    bool full = !conn->whole && conn->body.n >= AHEAD_BYTES;
    if (conn->failure != 0 || full) {
        event_del(&conn->read);
        conn->reading = false;
    }
    if (!conn->whole || conn->complete || conn->failure != 0)
        gg_cond_broadcast(&conn->wake);
    if (conn->wake_too != NULL)
        gg_cond_broadcast(conn->wake_too);
}

void gg_internal_on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct gg_internal *conn = arg;
    event_del(&conn->write);
    conn->writing = false;
    gg_cond_broadcast(&conn->wake);
}

/* ---- for one fiber ---- */

bool gg_internal_kept(const struct gg_internal *conn)
{
    return conn->served;
}

bool gg_internal_begun(const struct gg_internal *conn)
{
    return conn->begun;
}

static int failed(struct gg_internal *conn, int rc, struct gg_error *err)
{
    const char *why = rc == GG_E_TIMEOUT     ? "did not answer in time"
                      : rc == GG_E_CANCELLED ? "was no longer waited for"
                      : rc == GG_E_LIMIT     ? "answers with too much"
                      : rc == GG_E_PROTOCOL  ? "does not speak HTTP"
                                             : "closed the connection before its answer was complete";
    if (conn->failure == 0)
        conn->failure = rc;
    return gg_fail(err, rc, "the process at %s %s", conn->pool->key, why);
}

int gg_internal_send(struct gg_internal *conn, struct gg_str head, struct gg_str body, int64_t deadline,
                     struct gg_error *err)
{
    struct iovec iov[2] = {{(void *)head.s, head.n}, {(void *)body.s, body.n}};
    while (iov[0].iov_len + iov[1].iov_len > 0) {
        if (conn->failure != 0 || conn->begun)
            return failed(conn, conn->failure != 0 ? conn->failure : GG_E_CLOSED, err);
        bool first = iov[0].iov_len > 0;
        ssize_t sent = gg_socket_send(&conn->socket, first ? iov : iov + 1, first && iov[1].iov_len > 0 ? 2 : 1);
        if (sent == GG_SOCKET_FAILED)
            return failed(conn, GG_E_CLOSED, err);
        if (sent < 0) {
            if (!conn->writing && sent == GG_SOCKET_AGAIN)
                event_add(&conn->write, NULL);
            conn->writing = conn->writing || sent == GG_SOCKET_AGAIN;
            int rc = gg_cond_wait(&conn->wake, deadline);
            if (rc < 0)
                return failed(conn, rc, err);
            continue;
        }
        for (int i = 0; i < 2 && sent > 0; i++) {
            size_t n = (size_t)sent < iov[i].iov_len ? (size_t)sent : iov[i].iov_len;
            iov[i].iov_base = (char *)iov[i].iov_base + n;
            iov[i].iov_len -= n;
            sent -= (ssize_t)n;
        }
    }
    return 0;
}

int gg_internal_answer(struct gg_internal *conn, bool no_body, int64_t deadline, int *status_out, struct gg_error *err)
{
    conn->no_body = no_body;
    while (!(conn->whole ? conn->complete : conn->head_done)) {
        if (conn->failure != 0)
            return failed(conn, conn->failure, err);
        int rc = gg_cond_wait(&conn->wake, deadline);
        if (rc < 0)
            return failed(conn, rc, err);
    }
    *status_out = conn->parser.status_code;
    return 0;
}

bool gg_internal_header(const struct gg_internal *conn, size_t i, const char **name_out, const char **value_out)
{
    if (i >= conn->n_headers)
        return false;
    *name_out = conn->head.data + conn->headers[i].name;
    *value_out = conn->head.data + conn->headers[i].value;
    return true;
}

int64_t gg_internal_length(const struct gg_internal *conn)
{
    return conn->length;
}

void gg_internal_wake_too(struct gg_internal *conn, struct gg_cond *cond)
{
    conn->wake_too = cond;
}

bool gg_internal_stirs(const struct gg_internal *conn)
{
    return conn->begun || conn->failure != 0;
}

void gg_internal_unfinished(struct gg_internal *conn)
{
    conn->unfinished = true;
}

bool gg_internal_whole(const struct gg_internal *conn, struct gg_str *body_out)
{
    *body_out = gg_buf_view(&conn->body);
    return conn->complete;
}

int gg_internal_read(struct gg_internal *conn, int64_t deadline, struct gg_str *out, struct gg_error *err)
{
    gg_buf_clear(&conn->lent);
    while (conn->body.n == 0 && !conn->complete) {
        if (conn->failure != 0)
            return failed(conn, conn->failure, err);
        if (!conn->reading)
            event_add(&conn->read, NULL);
        conn->reading = true;
        int rc = gg_cond_wait(&conn->wake, deadline);
        if (rc < 0)
            return failed(conn, rc, err);
    }
    struct gg_buf unread = conn->body;
    conn->body = conn->lent;
    conn->lent = unread;
    *out = gg_buf_view(&conn->lent);
    return 0;
}

/* ---- whole requests ---- */

static const char *method_of(const struct gg_internal_request *request)
{
    return request->method != NULL ? request->method : request->body.s != NULL ? "POST" : "GET";
}

static void write_head(const struct gg_internal_request *request, struct gg_buf *out)
{
    gg_buf_text(out, method_of(request));
    gg_buf_char(out, ' ');
    gg_buf_text(out, request->target);
    gg_buf_lit(out, " HTTP/1.1\r\nHost: ");
    gg_buf_text(out, request->peer->name != NULL ? request->peer->name : "localhost");
    gg_buf_lit(out, "\r\n");
    for (const char *const *each = request->headers; each != NULL && *each != NULL; each++) {
        gg_buf_text(out, *each);
        gg_buf_lit(out, "\r\n");
    }
    if (request->body.s != NULL) {
        gg_buf_lit(out, "Content-Length: ");
        gg_buf_i64(out, (int64_t)request->body.n);
        gg_buf_lit(out, "\r\n");
    }
    gg_buf_lit(out, "\r\n");
}

static int exchange(struct gg_internal *conn, const struct gg_internal_request *request, struct gg_str head,
                    int64_t deadline, struct gg_arena *arena, struct gg_internal_answer *out, struct gg_error *err)
{
    conn->whole = true;
    conn->max_body = request->max_answer != 0 ? request->max_answer : MAX_ANSWER;
    int rc = gg_internal_send(conn, head, request->body, deadline, err);
    if (rc < 0 && !conn->begun)
        return rc;
    rc = gg_internal_answer(conn, strcmp(method_of(request), "HEAD") == 0, deadline, &out->status, err);
    if (rc < 0)
        return rc;
    const char *name, *value;
    out->content_type = GG_STR("");
    for (size_t i = 0; gg_internal_header(conn, i, &name, &value); i++)
        if (strcasecmp(name, "Content-Type") == 0)
            out->content_type = gg_arena_str(arena, gg_str(value));
    size_t n;
    char *data = gg_buf_steal(&conn->body, &n);
    gg_arena_defer(arena, free, data);
    out->body = gg_strn(data, n);
    return 0;
}

int gg_internal_fetch(struct gg_host *host, const struct gg_internal_request *request, struct gg_arena *arena,
                      struct gg_internal_answer *out, struct gg_error *err)
{
    int64_t deadline = gg_deadline(request->timeout_ms != 0 ? request->timeout_ms : 60000);
    int64_t connect_by = gg_deadline(request->connect_timeout_ms != 0 ? request->connect_timeout_ms : 10000);
    bool repeatable = request->repeatable || strcmp(method_of(request), "GET") == 0;
    struct gg_buf head = GG_BUF_INIT;
    write_head(request, &head);
    int rc;
    for (bool fresh = false;; fresh = true) {
        struct gg_internal *conn;
        rc = gg_internal_open(host, request->peer, fresh, connect_by < deadline ? connect_by : deadline, &conn, err);
        if (rc < 0)
            break;
        rc = exchange(conn, request, gg_buf_view(&head), deadline, arena, out, err);
        /* closed between two requests, as servers do when they restart: one more try on a new connection */
        bool dead = rc == GG_E_CLOSED && gg_internal_kept(conn) && !conn->begun;
        gg_internal_done(conn);
        if (!dead || !repeatable)
            break;
    }
    gg_buf_done(&head);
    return rc;
}
