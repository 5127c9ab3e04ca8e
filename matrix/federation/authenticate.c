/* matrix/federation/authenticate.c: GG_AUTH_SERVER: the request was signed by the server that it says it comes from
 * (server-server API, "Request Authentication"). */
#include "federation/backoff.h"
#include "federation/client.h"
#include "federation/keys.h"
#include "federation/origin.h"
#include "federation/origin_limit.h"
#include "federation/signers.h"
#include "federation/x_matrix.h"

#include "parts.h"

#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.auth"};

enum {
    BODY_DEPTH = 1000,
    SMALL_BODY = 32 << 10, /* what is larger is read and checked on a thread */
};
#define SEND_PATH "/_matrix/federation/v1/send/" /* the queue of a room bounds it, not a count of requests */

/* One request: what it says about itself, and what that is signed with. */
struct claim {
    struct gg_str method, target, body, destination;
    bool has_body;
    const char *origin;
    struct mx_signature signatures[MX_SIGNER_KEYS_MAX];
    struct mx_key_want wants[MX_SIGNER_KEYS_MAX];
    size_t n;
    int status;
    struct gg_error err;
};

static int missing(struct gg_error *err)
{
    return gg_refuse(err, 401, "M_UNAUTHORIZED", "Missing Authorization headers");
}

/* ---- the headers ---- */

/* One header for each key that it is signed with. What is said last counts, as everybody does it. */
static int read_headers(struct gg_request *rq, struct mx_x_matrix out[MX_SIGNER_KEYS_MAX], size_t *n_out,
                        struct gg_error *err)
{
    const struct mx_server *server = mx_server_of_request(rq);
    const char *header;
    *n_out = 0;
    for (size_t cursor = 0; (header = gg_request_next_header(rq, "Authorization", &cursor));) {
        struct mx_x_matrix *h = &out[*n_out];
        if (!mx_x_matrix_is(gg_str(header)))
            continue;
        if (*n_out == MX_SIGNER_KEYS_MAX || !mx_x_matrix_parse(gg_str(header), gg_request_arena(rq), h))
            return gg_refuse(err, 400, "M_UNAUTHORIZED", "Malformed Authorization header");
        if (h->destination.s && !gg_str_is(h->destination, server->name))
            return gg_refuse(err, 401, "M_UNAUTHORIZED", "Destination mismatch in auth header, received: '%.*s'",
                             GG_FMT(h->destination));
        (*n_out)++;
    }
    return *n_out ? 0 : missing(err);
}

static int read_claim(struct gg_request *rq, struct claim *claim, struct gg_error *err)
{
    const struct mx_server *server = mx_server_of_request(rq);
    struct mx_x_matrix headers[MX_SIGNER_KEYS_MAX];
    size_t n;
    int rc = read_headers(rq, headers, &n, err);
    if (rc)
        return rc;
    struct gg_str origin = headers[n - 1].origin;
    claim->origin = gg_arena_strndup(gg_request_arena(rq), origin.s, origin.n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(headers[i].origin, origin) && mx_key_id_usable(headers[i].key_id)) {
            claim->signatures[claim->n] = (struct mx_signature){headers[i].key_id, headers[i].signature};
            claim->wants[claim->n++] = (struct mx_key_want){
                .server = gg_str(claim->origin), .id = headers[i].key_id, .valid_at_ms = gg_wall_ms()};
        }
    if (!mx_fed_allowed(server, origin))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Federation denied with %s.", claim->origin);
    if (strcmp(claim->origin, server->name) == 0)
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "This server does not ask itself");
    if (!claim->n)
        return gg_refuse(err, 400, "M_UNAUTHORIZED", "Not signed by %s", claim->origin);
    claim->method = gg_str(gg_request_method(rq));
    claim->target = gg_str(gg_request_target(rq));
    claim->destination = gg_str(server->name);
    claim->has_body = gg_str_is(claim->method, "PUT") || gg_str_is(claim->method, "POST");
    claim->body = gg_request_body(rq);
    return 0;
}

/* ---- the signatures ---- */

/* Canonical JSON of {content, destination, method, origin, uri}: the names stand in order. */
static int write_signed(struct claim *claim, struct gg_arena *arena, struct gg_buf *out)
{
    gg_buf_char(out, '{');
    if (claim->has_body) {
        struct mx_json *content;
        int rc = mx_json_parse(claim->body, BODY_DEPTH, arena, &content, &claim->err);
        if (rc)
            return claim->err.errcode[0] && strcmp(claim->err.errcode, "M_BAD_JSON") == 0
                       ? rc
                       : gg_refuse(&claim->err, 400, "M_NOT_JSON", "Content not JSON.");
        if (content->kind != MX_JSON_OBJECT)
            return gg_refuse(&claim->err, 400, "M_BAD_JSON", "Content must be a JSON object.");
        gg_buf_lit(out, "\"content\":");
        mx_json_canonical(out, content);
        gg_buf_char(out, ',');
    }
    gg_buf_lit(out, "\"destination\":");
    gg_buf_json_string(out, claim->destination);
    gg_buf_lit(out, ",\"method\":");
    gg_buf_json_string(out, claim->method);
    gg_buf_lit(out, ",\"origin\":");
    gg_buf_json_string(out, gg_str(claim->origin));
    gg_buf_lit(out, ",\"uri\":");
    gg_buf_json_string(out, claim->target);
    gg_buf_char(out, '}');
    return 0;
}

static int verify(struct claim *claim, struct gg_str said)
{
    size_t good = 0;
    for (size_t i = 0; i < claim->n; i++) {
        const struct mx_key_want *key = &claim->wants[i];
        uint8_t signature[88];
        if (!mx_key_good(key))
            continue;
        if (mx_key_banned(key->public_key))
            return gg_refuse(&claim->err, 401, "M_UNAUTHORIZED",
                             "Server signing key %.*s for server %s has been banned by this server", GG_FMT(key->id),
                             claim->origin);
        if (claim->signatures[i].base64.n > sizeof(signature) ||
            mx_unbase64(claim->signatures[i].base64, signature) != 64 || !mx_verify(key->public_key, said, signature))
            return gg_refuse(&claim->err, 401, "M_UNAUTHORIZED",
                             "Invalid signature for server %s with key %.*s: Unable to verify signature for %s",
                             claim->origin, GG_FMT(key->id), claim->origin);
        good++;
    }
    return good ? 0
                : gg_refuse(&claim->err, 401, "M_UNAUTHORIZED", "Failed to find any key to satisfy: %s %.*s",
                            claim->origin, GG_FMT(claim->wants[0].id));
}

static void judge(void *arg)
{
    struct claim *claim = arg;
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf said = GG_BUF_INIT;
    claim->status = write_signed(claim, arena, &said);
    if (!claim->status)
        claim->status = verify(claim, gg_buf_view(&said));
    gg_buf_done(&said);
    gg_arena_free(arena);
}

static int check(struct mx_server *server, struct gg_request *rq, struct claim *claim, struct gg_error *err)
{
    int rc = read_claim(rq, claim, err);
    if (!rc)
        rc = mx_keys_find(server, claim->wants, claim->n, MX_KEYS_AWAKE, gg_request_arena(rq), err);
    if (rc)
        return rc;
    if (claim->body.n <= SMALL_BODY || gg_offload(judge, claim))
        judge(claim);
    if (claim->status)
        *err = claim->err;
    return claim->status;
}

static int authenticate(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    struct mx_server *server = self;
    struct claim *claim = GG_NEW(gg_request_arena(rq), struct claim); /* too large for a fiber's stack to carry about */
    int rc = check(server, rq, claim, err);
    if (rc) {
        gg_info(&logger, "a request of %s is refused: %s", claim->origin ? claim->origin : "nobody", err->message);
        return rc;
    }
    struct mx_origin *origin = GG_NEW(gg_request_arena(rq), struct mx_origin);
    origin->name = claim->origin;
    gg_request_set_principal(rq, origin, origin->name);
    mx_fed_server_up(server, origin->name);
    if (strncmp(gg_request_path(rq), SEND_PATH, sizeof(SEND_PATH) - 1) == 0)
        return 0;
    return mx_origin_limits_enter(server->origin_limits, gg_str(origin->name), gg_request_arena(rq), err);
}

/* ---- the part ---- */

static int origins_make(struct mx_server *server, struct gg_error *err)
{
    const struct mx_origin_rules rules = {
        .window_ms = gg_config_int(server->config, "rc_federation.window_size"),
        .sleep_delay_ms = gg_config_int(server->config, "rc_federation.sleep_delay"),
        .sleep_limit = gg_config_int(server->config, "rc_federation.sleep_limit"),
        .reject_limit = gg_config_int(server->config, "rc_federation.reject_limit"),
        .concurrent = gg_config_int(server->config, "rc_federation.concurrent"),
    };
    server->origin_limits = mx_origin_limits_new(&rules);
    gg_host_set_authenticator(server->host, GG_AUTH_SERVER, authenticate, server);
    return 0;
}

static void origins_free(struct mx_server *server)
{
    mx_origin_limits_free(server->origin_limits);
}

const struct mx_part mx_part_origins = {.name = "origins", .make = origins_make, .free = origins_free};
