/* federation_proxy.c: requests to other servers that processes hand to this one, because it alone may open such connections
 * (outbound_federation_restricted_to; facts replication 9.5). The target is absolute: "matrix-federation://server/path". */
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/api.h>
#include <openssl/crypto.h>
#include <strings.h>

#include "federation/client_part.h"
#include "federation/server_name.h"

static struct gg_logger logger = {"ganglion.federation.proxy"};

#define SCHEME "matrix-federation://"
enum { MAX_BODY = 100 << 20, MAX_HEADERS = 12 };
enum { PATIENCE_MS = 90000 }; /* longer than the asking process waits, so that it is the one that gives up */

static int check_secret(const struct mx_server *server, const struct gg_request *rq, struct gg_error *err)
{
    static const char bearer[] = "Bearer ";
    const char *secret = gg_config_text(server->config, "worker_replication_secret");
    const char *given = gg_request_header(rq, "Proxy-Authorization");
    if (!given)
        return gg_refuse(err, 401, "M_MISSING_TOKEN", "Missing Proxy-Authorization header.");
    size_t n = secret ? strlen(secret) : 0, skip = sizeof(bearer) - 1;
    if (n && strncmp(given, bearer, skip) == 0 && strlen(given + skip) == n && CRYPTO_memcmp(given + skip, secret, n) == 0)
        return 0;
    return gg_refuse(err, 401, "M_UNAUTHORIZED", "Invalid Proxy-Authorization header.");
}

/* "/matrix-federation://server/path?query", as the listener hands it on. */
static int read_target(struct gg_request *rq, struct mx_fed_exchange *out, struct gg_error *err)
{
    const char *name = gg_request_target(rq) + 1 + strlen(SCHEME), *path = name + strcspn(name, "/?#");
    struct mx_server_name parts;
    if (*path != '/' || !mx_server_name_split(gg_strn(name, (size_t)(path - name)), &parts))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "The target names no server");
    out->destination = gg_arena_strndup(gg_request_arena(rq), name, (size_t)(path - name));
    out->path = path;
    return 0;
}

/* Several headers of authorization: one for each signing key. */
static void take_headers(struct gg_request *rq, const char **out)
{
    static const char *const taken[] = {"User-Agent", "Authorization", "Content-Type"};
    size_t n = 0;
    for (size_t i = 0; i < GG_COUNT(taken); i++) {
        size_t cursor = 0;
        for (const char *value; n < MAX_HEADERS && (value = gg_request_next_header(rq, taken[i], &cursor)) != NULL;)
            out[n++] = gg_arena_printf(gg_request_arena(rq), "%s: %s", taken[i], value);
    }
    out[n] = NULL;
}

/* What concerns one connection, or is said anew here. */
static bool stays(const char *line, size_t n)
{
    static const char *const names[] = {"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailers",
                                        "Transfer-Encoding", "Upgrade", "Content-Length", "Content-Type", "Content-Encoding",
                                        "Date", "Server"};
    for (size_t i = 0; i < GG_COUNT(names); i++)
        if (strlen(names[i]) == n && strncasecmp(line, names[i], n) == 0)
            return true;
    return false;
}

static void give_headers(struct gg_request *rq, struct gg_str head)
{
    struct gg_arena *arena = gg_request_arena(rq);
    const char *end = head.s + head.n;
    for (const char *at = head.s; at && at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        size_t n = (size_t)(line_end - at);
        while (n && (at[n - 1] == '\r' || at[n - 1] == ' '))
            n--;
        const char *colon = memchr(at, ':', n);
        if (colon && at != head.s && !stays(at, (size_t)(colon - at))) {
            const char *value = colon + 1 + (colon + 1 < at + n && colon[1] == ' ');
            gg_reply_header(rq, gg_arena_strndup(arena, at, (size_t)(colon - at)),
                            gg_arena_strndup(arena, value, (size_t)(at + n - value)));
        }
        at = line_end < end ? line_end + 1 : end;
    }
}

static int relay(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_fed_exchange exchange = {.method = gg_request_method(rq)};
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_client_answer answer;
    const char *headers[MAX_HEADERS + 1];
    int status = check_secret(server, rq, err);
    if (!status)
        status = read_target(rq, &exchange, err);
    if (status)
        return status;
    if (server->fed_client->n_through)
        return gg_refuse(err, 502, "M_UNKNOWN", "outbound_federation_restricted_to does not name this process");
    take_headers(rq, headers);
    exchange.headers = headers;
    exchange.body = gg_request_body(rq).n ? gg_request_body(rq) : (struct gg_str){0};
    status = mx_fed_exchange(server->fed_client, &exchange, arena, &answer, err);
    if (status) {
        gg_info(&logger, "%s %s%s for another process: %s", exchange.method, exchange.destination, exchange.path, err->message);
        return gg_refuse(err, 502, "M_UNKNOWN", "%s could not be reached", exchange.destination);
    }
    give_headers(rq, answer.head);
    return gg_reply_text(rq, answer.status, gg_arena_strndup(arena, answer.content_type.s, answer.content_type.n), answer.body);
}

#define RELAYED(method_)                                                                                               \
    {method_, "/" SCHEME, relay, "replication", GG_AUTH_NONE, GG_ROUTE_PREFIX, MAX_BODY, PATIENCE_MS,                  \
     .doc = "requests to other servers that this process sends for others"}

const struct gg_route mx_routes_federation_proxy[] = {RELAYED("GET"), RELAYED("PUT"), RELAYED("POST"), RELAYED("DELETE"), {0}};
