/* Answers: their head, their bodies in one piece or streamed. */
#include "http/conn.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#define JSON_TYPE "application/json"

/* What the specification asks of every answer that a browser's page may read. */
#define CORS_HEADERS                                                                                                   \
    "Access-Control-Allow-Origin: *\r\n"                                                                               \
    "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"                                          \
    "Access-Control-Allow-Headers: X-Requested-With, Content-Type, Authorization, Date\r\n"                            \
    "Access-Control-Expose-Headers: Synapse-Trace-Id, Server\r\n"

/* ---- the head ---- */

static const char *date_text(struct gg_server *server)
{
    int64_t now = gg_wall_ms() / 1000;
    if (now != server->date_second) {
        time_t seconds = (time_t)now;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        server->date_second = now;
    }
    return server->date;
}

void gg_reply_header(struct gg_request *rq, const char *name, const char *value)
{
    struct gg_buf *out = &rq->reply_headers;
    rq->has_type |= strcasecmp(name, "Content-Type") == 0;
    rq->has_cache |= strcasecmp(name, "Cache-Control") == 0;
    rq->has_cors |= strncasecmp(name, "Access-Control-", 15) == 0;
    gg_buf_text(out, name);
    gg_buf_lit(out, ": ");
    for (; *value != '\0'; value++) /* a value may be foreign text: it must not begin a header of its own */
        gg_buf_char(out, (unsigned char)*value < ' ' || *value == 0x7f ? ' ' : *value);
    gg_buf_lit(out, "\r\n");
}

static void status_line(struct gg_buf *out, int status)
{
    if (status == 200) {
        gg_buf_lit(out, "HTTP/1.1 200 OK\r\nServer: Ganglion\r\nDate: ");
        return;
    }
    gg_buf_lit(out, "HTTP/1.1 ");
    gg_buf_i64(out, status);
    gg_buf_char(out, ' ');
    gg_buf_text(out, http_status_str((enum http_status)status));
    gg_buf_lit(out, "\r\nServer: Ganglion\r\nDate: ");
}

static bool bodyless(int status)
{
    return status == 204 || status == 304 || status < 200;
}

/* Must the connection end after this answer? */
static bool closing(struct gg_request *rq)
{
    return !rq->keep_alive || rq->cut || (!rq->complete && !rq->swallowing) || rq->server->draining || rq->conn->last;
}

static void framing(struct gg_request *rq, struct gg_buf *out, int64_t length)
{
    if (length >= 0 && !bodyless(rq->status)) {
        gg_buf_lit(out, "Content-Length: ");
        gg_buf_i64(out, length);
        gg_buf_lit(out, "\r\n");
    }
    bool http10 = rq->conn->parser.http_minor == 0;
    rq->chunked = length < 0 && !http10 && !bodyless(rq->status);
    if (rq->chunked)
        gg_buf_lit(out, "Transfer-Encoding: chunked\r\n");
    rq->closing = closing(rq) || (length < 0 && http10);
    if (rq->closing)
        gg_buf_lit(out, "Connection: close\r\n");
    else if (http10)
        gg_buf_lit(out, "Connection: keep-alive\r\n");
}

static struct gg_str make_head(struct gg_request *rq, int status, const char *type, int64_t length)
{
    struct gg_buf *out = &rq->server->head;
    rq->status = status;
    rq->reply_length = length;
    gg_buf_clear(out);
    status_line(out, status);
    gg_buf_text(out, date_text(rq->server));
    gg_buf_lit(out, "\r\n");
    if (type != NULL && !rq->has_type) {
        gg_buf_lit(out, "Content-Type: ");
        gg_buf_text(out, type);
        gg_buf_lit(out, "\r\n");
        if (!rq->has_cache && strcmp(type, JSON_TYPE) == 0)
            gg_buf_lit(out, "Cache-Control: no-cache, no-store, must-revalidate\r\n");
    }
    if (rq->cors && !rq->has_cors)
        gg_buf_lit(out, CORS_HEADERS);
    gg_buf_str(out, gg_buf_view(&rq->reply_headers));
    framing(rq, out, length);
    gg_buf_lit(out, "\r\n");
    return gg_buf_view(out);
}

/* ---- whole answers ---- */

/* body is freed with free(owned) unless owned is NULL. */
static int answer(struct gg_request *rq, int status, const char *type, struct gg_str body, void *owned)
{
    GG_ASSERT(!rq->replied);
    rq->replied = rq->ended = true;
    rq->status = status;
    rq->reply_sent = (int64_t)body.n;
    size_t n;
    char *smaller = rq->conn != NULL ? gg_gzip_answer(rq, body, &n) : NULL;
    if (smaller != NULL) {
        free(owned);
        owned = smaller;
        body = gg_strn(smaller, n);
    }
    if (rq->conn == NULL) {
        free(owned);
        return 0;
    }
    rq->reply_sent = (int64_t)body.n;
    struct gg_str head = make_head(rq, status, type, (int64_t)body.n);
    if (rq->head_method || bodyless(status))
        body.n = 0;
    gg_http_conn_send(rq->conn, head, body, owned);
    return 0;
}

void gg_reply_made(struct gg_request *rq, int status, int64_t length, struct gg_str body)
{
    GG_ASSERT(!rq->replied);
    rq->replied = rq->ended = true;
    rq->status = status;
    if (rq->conn == NULL)
        return;
    struct gg_str head = make_head(rq, status, NULL, rq->head_method ? length : (int64_t)body.n);
    if (rq->head_method || bodyless(status))
        body.n = 0;
    rq->reply_sent = (int64_t)body.n;
    gg_http_conn_send(rq->conn, head, body, NULL);
}

int gg_reply_buf(struct gg_request *rq, int status, struct gg_buf *json)
{
    size_t n;
    char *data = gg_buf_steal(json, &n);
    return answer(rq, status, JSON_TYPE, gg_strn(data, n), data);
}

static int add_piece(const char *piece, size_t n, void *buf)
{
    gg_buf_add(buf, piece, n);
    return 0;
}

int gg_reply_json(struct gg_request *rq, int status, json_t *json)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_reserve(&buf, 500);
    json_dump_callback(json, add_piece, &buf, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    return gg_reply_buf(rq, status, &buf);
}

int gg_reply_text(struct gg_request *rq, int status, const char *content_type, struct gg_str body)
{
    return answer(rq, status, content_type, body, NULL);
}

int gg_reply_empty_object(struct gg_request *rq)
{
    return gg_reply_text(rq, 200, JSON_TYPE, GG_STR("{}"));
}

/* Clients that know HTTP but not Matrix find the wait in the header. */
static void add_retry_after(struct gg_request *rq, const struct gg_error *err)
{
    const char *found = strstr(err->extra, "\"retry_after_ms\":");
    if (found == NULL)
        return;
    char text[32];
    snprintf(text, sizeof(text), "%.0f", ceil(strtod(found + strlen("\"retry_after_ms\":"), NULL) / 1000.0));
    gg_reply_header(rq, "Retry-After", text);
}

int gg_reply_error(struct gg_request *rq, const struct gg_error *err)
{
    char json[2048];
    size_t n = gg_error_json(err, json, sizeof(json));
    int status = err->http_status >= 300 && err->http_status <= 599 ? err->http_status : 500;
    if (status == 429)
        add_retry_after(rq, err);
    return gg_reply_text(rq, status, JSON_TYPE, gg_strn(json, n));
}

bool gg_replied(const struct gg_request *rq)
{
    return rq->replied;
}

void gg_reply_continue(struct gg_request *rq)
{
    if (!rq->expects || rq->conn == NULL || rq->replied)
        return;
    rq->expects = false;
    if (rq->conn->parser.http_minor > 0 && rq->body_total == 0)
        gg_http_conn_send(rq->conn, GG_STR("HTTP/1.1 100 Continue\r\n\r\n"), GG_STR(""), NULL);
}

/* ---- streamed answers ---- */

static int gone(struct gg_error *err)
{
    return gg_fail(err, GG_E_CLOSED, "the client hung up");
}

int gg_reply_begin(struct gg_request *rq, int status, int64_t length, struct gg_error *err)
{
    GG_ASSERT(!rq->replied);
    rq->replied = rq->streaming = true;
    rq->status = status;
    if (rq->conn == NULL)
        return gone(err);
    struct gg_str head = make_head(rq, status, NULL, length);
    gg_http_conn_send(rq->conn, head, GG_STR(""), NULL);
    return rq->conn != NULL ? 0 : gone(err);
}

static void send_chunk(struct gg_request *rq, const void *data, size_t n)
{
    char size[24];
    int len = snprintf(size, sizeof(size), "%zx\r\n", n);
    gg_http_conn_send(rq->conn, gg_strn(size, (size_t)len), gg_strn(data, n), NULL);
    if (rq->conn != NULL)
        gg_http_conn_send(rq->conn, GG_STR("\r\n"), GG_STR(""), NULL);
}

int gg_reply_begin_file(struct gg_request *rq, int status, int64_t length, struct gg_error *err)
{
    GG_ASSERT(length >= 0);
    if (rq->conn != NULL)
        rq->conn->socket.more = length > 0 && !rq->head_method && !bodyless(status);
    return gg_reply_begin(rq, status, length, err);
}

int gg_reply_write(struct gg_request *rq, const void *data, size_t n, struct gg_error *err)
{
    GG_ASSERT(rq->streaming && !rq->ended);
    if (rq->reply_length >= 0 && rq->reply_sent + (int64_t)n > rq->reply_length)
        return gg_fail(err, GG_E_INTERNAL, "an answer is longer than it said");
    rq->reply_sent += (int64_t)n;
    while (rq->conn != NULL && gg_http_conn_unsent(rq->conn) >= rq->server->limits.max_unsent) {
        int rc = gg_cond_wait(&rq->wake, GG_FOREVER);
        if (rc < 0)
            return gg_fail(err, rc, "the client does not read its answer");
    }
    if (rq->conn == NULL)
        return gone(err);
    if (n == 0 || rq->head_method || bodyless(rq->status))
        return 0;
    if (rq->chunked)
        send_chunk(rq, data, n);
    else
        gg_http_conn_send(rq->conn, gg_strn(data, n), GG_STR(""), NULL);
    return rq->conn != NULL ? 0 : gone(err);
}

int gg_reply_end(struct gg_request *rq, struct gg_error *err)
{
    GG_ASSERT(rq->streaming && !rq->ended);
    rq->ended = true;
    if (rq->conn == NULL)
        return gone(err);
    if (rq->reply_length >= 0 && rq->reply_sent < rq->reply_length && !rq->head_method) {
        rq->ended = false; /* the connection is cut, so that the client sees that something is missing */
        return gg_fail(err, GG_E_INTERNAL, "an answer is shorter than it said");
    }
    if (rq->chunked && !rq->head_method)
        gg_http_conn_send(rq->conn, GG_STR("0\r\n\r\n"), GG_STR(""), NULL);
    return rq->conn != NULL ? 0 : gone(err);
}
