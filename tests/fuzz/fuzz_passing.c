/* What a proxy reads of strangers and hands on. A client's bytes: the head that goes to the server behind must be read
 * there as one request, with the same method, target and length of body, whatever was sent. A server's bytes: read at
 * once and in pieces they are the same answer. A token: it names a user or it does not. */
#include "api/routing.h"
#include "client/pool.h"
#include "http/conn.h"
#include "http/pass.h"
#include "main/host.h"

#include <ganglion/map.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int handler(void *self, struct gg_request *rq, struct gg_error *err)
{
    return 0;
}

static const struct gg_route routes[] = {
    {"GET", "/", handler, "client", .flags = GG_ROUTE_PREFIX | GG_ROUTE_STREAMED},
    {"PUT", "/", handler, "client", .flags = GG_ROUTE_PREFIX | GG_ROUTE_STREAMED},
    {"POST", "/", handler, "client", .flags = GG_ROUTE_PREFIX | GG_ROUTE_STREAMED},
    {NULL},
};

static struct gg_server *server_of(void)
{
    static struct gg_server *server;
    struct gg_error err = GG_ERROR_INIT;
    if (server != NULL)
        return server;
    server = gg_http_new(gg_host_new(NULL, NULL, NULL), NULL);
    for (const struct gg_route *route = routes; route->method != NULL; route++)
        if (gg_router_add(gg_http_router(server), route, NULL, "fuzz", &err) < 0)
            abort();
    return server;
}

/* ---- a client's bytes ---- */

struct connection {
    struct gg_port port;
    struct gg_http_conn conn;
};

static void begin(struct connection *c)
{
    memset(c, 0, sizeof(*c));
    c->port = (struct gg_port){.server = server_of(), .resources = GG_RES_CLIENT, .tag = (char *)"t"};
    c->conn =
        (struct gg_http_conn){.server = c->port.server, .port = &c->port, .socket = {.fd = -1}, .address = "192.0.2.1"};
    gg_parse_init(&c->conn);
}

/* The request whose head is there, or NULL; *used_out: bytes taken. */
static struct gg_request *parse(struct connection *c, struct gg_str text, size_t *used_out)
{
    bool bad = false;
    begin(c);
    *used_out = gg_parse(&c->conn, text.s, text.n, &bad);
    struct gg_request *rq = c->conn.rq;
    return rq != NULL && rq->head_done && rq->refusal.code == 0 && !bad ? rq : NULL;
}

static void end(struct connection *c)
{
    if (c->conn.rq != NULL)
        gg_request_drop(c->conn.rq);
}

static void check_same(const struct gg_request *a, const struct gg_request *b, size_t used, size_t n)
{
    int64_t length = a->complete && a->declared != 0 ? (int64_t)a->body.n : a->declared;
    if (strcmp(a->method, b->method) != 0 || strcmp(gg_request_target(a), gg_request_target(b)) != 0)
        abort();
    if (b->declared != length || used != n) /* all of it is that request's head */
        abort();
    if (gg_request_header(b, "Upgrade") != NULL || gg_request_header(b, "TE") != NULL)
        abort();
    size_t cursor = 0;
    const char *from = gg_request_next_header(b, "X-Forwarded-For", &cursor);
    if (from == NULL || strcmp(from, "192.0.2.1") != 0 || gg_request_next_header(b, "X-Forwarded-For", &cursor) != NULL)
        abort();
}

static void pass(struct gg_str text)
{
    struct connection first, second;
    struct gg_buf head = GG_BUF_INIT;
    size_t used;
    struct gg_request *rq = parse(&first, text, &used);
    if (rq != NULL && rq->match.entry != NULL) {
        struct gg_passage p = {.rq = rq, .plain = true};
        gg_pass_head(&p, &head);
        struct gg_request *there = parse(&second, gg_buf_view(&head), &used);
        /* what was just within our bounds may be beyond them with what we add */
        if (there == NULL && rq->head_bytes < 60000 && rq->n_headers < 95)
            abort();
        if (there != NULL)
            check_same(rq, there, used, head.n);
        end(&second);
    }
    end(&first);
    gg_buf_done(&head);
}

/* ---- a server's bytes ---- */

struct answer {
    int status, failure;
    size_t n_headers;
    uint64_t sum;
};

static struct answer read_answer(struct gg_str text, size_t piece)
{
    struct gg_internal_pool pool = {.n = 0};
    struct gg_internal conn = {.pool = &pool, .busy = true, .reading = true, .head = GG_BUF_INIT, .body = GG_BUF_INIT};
    struct answer out = {0};
    const char *name, *value;
    gg_internal_begin(&conn);
    for (size_t at = 0; at < text.n && conn.failure == 0 && !conn.complete; at += piece)
        gg_internal_feed(&conn, text.s + at, text.n - at < piece ? text.n - at : piece);
    if (conn.failure == 0 && conn.head_done) {
        out = (struct answer){conn.parser.status_code, 0, conn.n_headers, gg_hash(gg_buf_view(&conn.body))};
        for (size_t i = 0; gg_internal_header(&conn, i, &name, &value); i++)
            out.sum ^= gg_hash(gg_str(name)) + gg_hash(gg_str(value)) * 31;
    }
    out.failure = conn.failure;
    gg_buf_done(&conn.head);
    gg_buf_done(&conn.body);
    return out;
}

static void answer(struct gg_str text)
{
    struct answer whole = read_answer(text, text.n + 1), pieces = read_answer(text, 7);
    if (whole.failure == 0 && pieces.failure == 0 &&
        (whole.status != pieces.status || whole.n_headers != pieces.n_headers || whole.sum != pieces.sum))
        abort();
}

/* ---- a token ---- */

static void token(struct gg_str text)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str user = mx_token_names_user("example.org", text, arena);
    if (user.s != NULL && (user.n < 13 || user.s[0] != '@'))
        abort();
    gg_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct gg_str text = gg_strn((const char *)data + 1, size - 1);
    if (data[0] % 4 == 3)
        token(text);
    else if (data[0] % 4 == 2)
        answer(text);
    else
        pass(text);
    if (gg_http_in_flight(server_of()) != 0 || server_of()->bodies != 0)
        abort();
    return 0;
}
