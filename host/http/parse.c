/* From bytes to a request: the parser library's callbacks and the strictness that it lacks.
 *
 * Debian builds libhttp-parser in its lenient mode: it takes spaces in header
 * names, any byte in a target, and loose line ends (scan.c). Each of them lets two
 * servers read one stream as different requests, so all are refused. */
#include "http/conn.h"

#include <stdlib.h>
#include <strings.h>

#define FEDERATION_SCHEME "matrix-federation://"
#define TRANSFER_ENCODING "Transfer-Encoding"

enum { AHEAD = 65536 }; /* bytes that one reading brings beyond what is waited for */

/* ---- characters ---- */

static bool token_char(unsigned char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr(others, c) != NULL);
}

static bool is_token(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!token_char((unsigned char)s[i]))
            return false;
    return true;
}

static bool is_target(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] <= ' ' || (unsigned char)s[i] >= 0x7f || s[i] == '#')
            return false;
    return true;
}

/* ---- callbacks; a non-zero return stops the parser ---- */

static struct gg_request *of(http_parser *parser)
{
    return ((struct gg_http_conn *)parser->data)->rq;
}

static int refuse(struct gg_request *rq, int status, const char *errcode, const char *why)
{
    rq->cut = true;
    return gg_refuse(&rq->refusal, status, errcode, "%s", why) != 0;
}

static int add_head(struct gg_request *rq, const char *data, size_t n)
{
    rq->head_bytes += n;
    if (rq->head_bytes > rq->server->limits.max_head)
        return refuse(rq, 431, "M_TOO_LARGE", "The headers are too large");
    gg_buf_add(&rq->head, data, n);
    return 0;
}

static void end_text(struct gg_request *rq)
{
    gg_buf_char(&rq->head, '\0');
}

static int on_begin(http_parser *parser)
{
    struct gg_http_conn *conn = parser->data;
    conn->rq = gg_request_make(conn);
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t n)
{
    struct gg_request *rq = of(parser);
    if (!is_target(at, n))
        return refuse(rq, 400, "M_UNKNOWN", "The request target has characters that it may not have");
    rq->target.n += (uint32_t)n;
    return add_head(rq, at, n);
}

static int on_field(http_parser *parser, const char *at, size_t n)
{
    struct gg_request *rq = of(parser);
    if (rq->head_done)
        return 0; /* a trailer: nobody asks for it, and the head must not move any more */
    if (!rq->in_head) {
        end_text(rq);
        size_t max = rq->server->limits.max_headers < GG_MAX_HEADERS ? rq->server->limits.max_headers : GG_MAX_HEADERS;
        if (rq->n_headers >= max)
            return refuse(rq, 431, "M_TOO_LARGE", "There are too many headers");
        rq->headers[rq->n_headers++] = (struct gg_header){{(uint32_t)rq->head.n, 0}, {0, 0}};
        rq->in_head = true;
    }
    if (!is_token(at, n))
        return refuse(rq, 400, "M_UNKNOWN", "A header's name has characters that it may not have");
    rq->headers[rq->n_headers - 1].name.n += (uint32_t)n;
    return add_head(rq, at, n);
}

/* How many headers are called that. */
static size_t count_named(const struct gg_request *rq, struct gg_str name)
{
    size_t count = 0;
    for (size_t i = 0; i < rq->n_headers; i++) {
        const struct gg_span has = rq->headers[i].name;
        count += has.n == name.n && strncasecmp(gg_request_text(rq, has), name.s, name.n) == 0;
    }
    return count;
}

/* The library takes each name that begins like this one for it, and refuses a Content-Length beside it. */
static void correct_coding(http_parser *parser, const struct gg_request *rq)
{
    if (parser->uses_transfer_encoding)
        parser->uses_transfer_encoding = count_named(rq, GG_STR(TRANSFER_ENCODING)) > 0;
}

static int on_value(http_parser *parser, const char *at, size_t n)
{
    struct gg_request *rq = of(parser);
    if (rq->head_done)
        return 0;
    struct gg_header *header = &rq->headers[rq->n_headers - 1];
    if (rq->in_head) {
        end_text(rq);
        header->value.at = (uint32_t)rq->head.n;
        rq->in_head = false;
        correct_coding(parser, rq);
    }
    header->value.n += (uint32_t)n;
    return add_head(rq, at, n);
}

/* What may stand there once, or not at all: each reader takes another one for the one that counts (RFC 9112, 3.2
 * and 6.1). */
static bool is_ambiguous(const struct gg_request *rq, const http_parser *parser)
{
    return count_named(rq, GG_STR("Host")) > 1 ||
           count_named(rq, GG_STR(TRANSFER_ENCODING)) > (parser->http_minor > 0 ? 1 : 0);
}

static int on_headers(http_parser *parser)
{
    struct gg_request *rq = of(parser);
    end_text(rq);
    if (parser->http_major != 1)
        return refuse(rq, 505, "M_UNKNOWN", "Only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (is_ambiguous(rq, parser))
        return refuse(rq, 400, "M_UNKNOWN", "A header stands there twice, or not where it may");
    rq->method = http_method_str((enum http_method)parser->method);
    rq->head_method = parser->method == HTTP_HEAD;
    rq->keep_alive = http_should_keep_alive(parser) != 0;
    rq->body_chunked = (parser->flags & F_CHUNKED) != 0;
    rq->declared = (parser->flags & F_CONTENTLENGTH) != 0 ? (int64_t)parser->content_length : rq->body_chunked ? -1 : 0;
    if (rq->declared < -1)
        return refuse(rq, 413, "M_TOO_LARGE", "The body is too large");
    rq->head_done = true;
    rq->conn->scan.line = 0;
    gg_dispatch_head(rq);
    return 0;
}

/* For what is left of a body that said its length, as far as it is read ahead: a buffer that grows is copied each time.
 */
static void make_room(struct gg_request *rq, size_t n)
{
    size_t most = rq->streamed ? rq->server->limits.max_stream + AHEAD : AHEAD;
    uint64_t left = rq->declared > 0 ? (uint64_t)rq->declared - (rq->body_total - n) : 0;
    if (left <= AHEAD || rq->streamed)
        gg_buf_reserve(&rq->body, left < most ? (size_t)left : most);
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
    struct gg_request *rq = of(parser);
    struct gg_server *server = rq->server;
    rq->body_total += n;
    if (rq->refusal.code != 0)
        return 0;
    if (rq->body_total > rq->max_body)
        return refuse(rq, 413, "M_TOO_LARGE", "The body is too large"), 0;
    if (server->bodies + n > server->limits.max_bodies)
        return refuse(rq, 503, "M_UNKNOWN", "The server has too many requests to hold"), 0;
    if (rq->body.n == 0)
        make_room(rq, n);
    gg_buf_add(&rq->body, at, n);
    rq->body_counted += n;
    server->bodies += n;
    return 0;
}

static int on_complete(http_parser *parser)
{
    of(parser)->complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void gg_parse_init(struct gg_http_conn *conn)
{
    http_parser_init(&conn->parser, HTTP_REQUEST);
    conn->parser.data = conn;
    memset(&conn->scan, 0, sizeof(conn->scan));
}

/* ---- the absolute form that a replication listener takes ---- */

enum { SCHEME_NO, SCHEME_YES, SCHEME_PERHAPS };
enum { LONG_METHOD = 16 };

/* Does a request begin with "METHOD matrix-federation://"? *target_out: where the target starts. */
static int federation_target(const char *data, size_t n, size_t *target_out)
{
    size_t at = 0, want = sizeof(FEDERATION_SCHEME) - 1;
    while (at < n && at < LONG_METHOD && data[at] >= 'A' && data[at] <= 'Z')
        at++;
    if (at == LONG_METHOD)
        return SCHEME_NO; /* also when its space has come already: pieces must not matter */
    if (at == n)
        return SCHEME_PERHAPS;
    if (at == 0 || data[at] != ' ')
        return SCHEME_NO;
    *target_out = ++at;
    size_t have = n - at < want ? n - at : want;
    if (memcmp(data + at, FEDERATION_SCHEME, have) != 0)
        return SCHEME_NO;
    return have == want ? SCHEME_YES : SCHEME_PERHAPS;
}

/* The parser library knows no scheme with a dash; so the target travels as a path: "/matrix-federation://host/...". */
static size_t begin_federation(struct gg_http_conn *conn, const char *data, size_t n, bool *wait_out)
{
    size_t target = 0;
    int found = federation_target(data, n, &target);
    *wait_out = found == SCHEME_PERHAPS;
    if (found != SCHEME_YES)
        return 0;
    http_parser_execute(&conn->parser, &callbacks, data, target);
    http_parser_execute(&conn->parser, &callbacks, "/", 1);
    return target;
}

static bool expects_body(const struct gg_http_conn *conn)
{
    return conn->rq != NULL && conn->rq->head_done && !conn->rq->complete && HTTP_PARSER_ERRNO(&conn->parser) == HPE_OK;
}

/* What comes before the first line: empty lines are allowed for, and a target of another scheme begins otherwise. */
static size_t parse_before(struct gg_http_conn *conn, const char *data, size_t n, bool *wait_out)
{
    size_t used = 0;
    *wait_out = false;
    if (conn->scan.begun)
        return 0;
    while (used < n && (data[used] == '\r' || data[used] == '\n'))
        used++;
    if ((conn->port->resources & GG_RES_REPLICATION) == 0)
        return used;
    size_t taken = begin_federation(conn, data + used, n - used, wait_out);
    conn->scan.begun = taken > 0;
    conn->scan.line = (uint32_t)taken;
    return used + taken;
}

static size_t parse_head(struct gg_http_conn *conn, const char *data, size_t n, bool *strict_out)
{
    ssize_t head = gg_scan_head(conn, data, n);
    *strict_out = head >= 0;
    /* no bytes would mean the end of the stream */
    return head > 0 ? http_parser_execute(&conn->parser, &callbacks, data, (size_t)head) : 0;
}

static size_t parse_body(struct gg_http_conn *conn, const char *data, size_t n, bool *strict_out)
{
    *strict_out = !conn->rq->body_chunked || gg_scan_chunks(conn, data, n);
    return *strict_out ? http_parser_execute(&conn->parser, &callbacks, data, n) : 0;
}

static void refuse_bad(struct gg_http_conn *conn, enum http_errno why, bool strict)
{
    if (conn->rq == NULL)
        conn->rq = gg_request_make(conn);
    conn->rq->cut = true;
    if (conn->rq->refusal.code != 0)
        return;
    if (why == HPE_HEADER_OVERFLOW)
        refuse(conn->rq, 431, "M_TOO_LARGE", "The headers are too large");
    else
        refuse(conn->rq, 400, "M_UNKNOWN", strict ? "This is not valid HTTP" : "A line of the request is malformed");
}

size_t gg_parse(struct gg_http_conn *conn, const char *data, size_t n, bool *bad_out)
{
    bool wait, strict = true;
    size_t used = parse_before(conn, data, n, &wait);
    if (wait)
        return used;
    if (conn->rq == NULL || !conn->rq->head_done)
        used += parse_head(conn, data + used, n - used, &strict);
    if (used < n && expects_body(conn))
        used += parse_body(conn, data + used, n - used, &strict);
    enum http_errno why = HTTP_PARSER_ERRNO(&conn->parser);
    *bad_out = why != HPE_PAUSED && (why != HPE_OK || !strict);
    if (*bad_out)
        refuse_bad(conn, why, strict);
    return used;
}
