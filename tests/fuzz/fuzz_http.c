/* The request parser and what handlers ask of a request. The bytes are fed at once and again in pieces whose size
 * the first byte chooses: both must lead to the same requests. */
#include "http/conn.h"
#include "main/host.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int handler(void *self, struct gg_request *rq, struct gg_error *err)
{
    return 0;
}

static const struct gg_route routes[] = {
    {"GET", "/a/{x}", handler, "client"},
    {"PUT", "/a/{x}/{y}", handler, "client", .max_body = 1000},
    {"POST", "/j", handler, "client", .flags = GG_ROUTE_JSON},
    {"POST", "/s", handler, "client", .flags = GG_ROUTE_STREAMED, .max_body = 3000},
    {"GET", "/matrix-federation://", handler, "replication", .flags = GG_ROUTE_PREFIX},
    {NULL},
};

static struct gg_server *server_of(void)
{
    static struct gg_server *server;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_http_limits limits = {.max_head = 3000, .max_headers = 20, .max_bodies = 100000};
    if (server != NULL)
        return server;
    server = gg_http_new(gg_host_new(NULL, NULL, NULL), &limits);
    for (const struct gg_route *route = routes; route->method != NULL; route++)
        if (gg_router_add(gg_http_router(server), route, NULL, "fuzz", &err) < 0)
            abort();
    return server;
}

/* What a request came to, as one number for all of them. */
static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x100000001b3ull;
}

static uint64_t mix_text(uint64_t sum, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        sum = mix(sum, (unsigned char)*text);
    return mix(sum, 256);
}

/* What is checked without a tree is what has one; but jansson passes over a NUL behind a number. */
static void compare_json(struct gg_str body)
{
    enum gg_json_found found = gg_json_check(body.s, body.n);
    json_t *tree = json_loadb(body.s, body.n, JSON_DECODE_ANY, NULL);
    bool passed_over = found == GG_JSON_NONE && body.n > 0 && memchr(body.s, '\0', body.n) != NULL;
    if (found != GG_JSON_TOO_DEEP && !passed_over && (found <= GG_JSON_OTHER) != (tree != NULL))
        abort();
    if (tree != NULL && found != GG_JSON_TOO_DEEP && !passed_over && (found == GG_JSON_OBJECT) != json_is_object(tree))
        abort();
    json_decref(tree);
}

static uint64_t look_at(struct gg_request *rq, uint64_t sum)
{
    struct gg_error err = GG_ERROR_INIT;
    int64_t number;
    /* which of several faults of one head, or of one body's chunks, is found first may depend on the pieces */
    int refused = rq->refusal.code == 0 ? 200 : rq->head_done && !rq->body_chunked ? rq->refusal.http_status : 400;
    sum = mix(sum, (uint64_t)refused);
    if (!rq->head_done || rq->refusal.code != 0)
        return sum;
    sum = mix_text(mix_text(sum, gg_request_method(rq)), gg_request_target(rq));
    sum = mix_text(mix_text(sum, gg_request_header(rq, "host")), gg_request_query(rq, "q"));
    sum = mix_text(sum, gg_request_path(rq));
    sum = mix(sum, (uint64_t)gg_request_query_i64(rq, "n", 0, &number, &err));
    if (rq->match.entry != NULL && gg_request_decode_params(rq, &err) == 0)
        sum = mix_text(sum, gg_request_param(rq, "x"));
    for (size_t i = 0; i < rq->body.n; i++)
        sum = mix(sum, (unsigned char)rq->body.data[i]);
    compare_json(gg_request_body(rq));
    return mix(sum, (uint64_t)gg_request_check_json(rq, &err));
}

static uint64_t feed(const char *data, size_t size, size_t piece, uint32_t resources)
{
    struct gg_port port = {.server = server_of(), .resources = resources, .x_forwarded = true, .tag = (char *)"t"};
    struct gg_http_conn conn = {.server = port.server, .port = &port, .socket = {.fd = -1}};
    struct gg_buf in = GG_BUF_INIT;
    uint64_t sum = 0;
    bool bad = false;
    gg_parse_init(&conn);
    for (size_t at = 0; at < size && !bad; at += piece) {
        gg_buf_add(&in, data + at, size - at < piece ? size - at : piece);
        for (size_t used = 1; used > 0 && in.n > 0 && !bad;) {
            used = gg_parse(&conn, in.data, in.n, &bad);
            if (used > in.n)
                abort();
            memmove(in.data, in.data + used, in.n - used);
            in.n -= used;
            if (conn.rq == NULL || (!conn.rq->complete && !bad))
                continue;
            sum = look_at(conn.rq, sum);
            bad = bad || conn.rq->cut;
            gg_request_drop(conn.rq);
            conn.rq = NULL;
            gg_parse_init(&conn);
        }
    }
    if (conn.rq != NULL)
        gg_request_drop(conn.rq);
    gg_buf_done(&in);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint32_t resources = GG_RES_CLIENT | ((data[0] & 1) != 0 ? GG_RES_REPLICATION : 0);
    const char *text = (const char *)data + 1;
    uint64_t whole = feed(text, size - 1, size, resources);
    if (feed(text, size - 1, 1 + (data[0] >> 1), resources) != whole)
        abort();
    if (gg_http_in_flight(server_of()) != 0 || server_of()->bodies != 0)
        abort();
    return 0;
}
