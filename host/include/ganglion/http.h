/* ganglion/http.h: requests that come in and their answers.
 *
 * A route is data (plugin.h lists tables of them). The server enforces the
 * route's body bound, deadline, authentication and rate-limit class, and runs
 * the handler in a fiber of its own. */
#ifndef GANGLION_HTTP_H
#define GANGLION_HTTP_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/error.h>
#include <ganglion/fiber.h>
#include <jansson.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_request;
struct gg_host;

/* self is what the plugin's load() made. 0: answered with gg_reply_*; a negative
 * status: the server answers with err. */
typedef GG_YIELDS int gg_handler_fn(void *self, struct gg_request *rq, struct gg_error *err);

/* Who may call; checked before the handler by the authenticator that was
 * registered for it (gg_host_set_authenticator). */
enum gg_auth {
    GG_AUTH_NONE = 0,
    GG_AUTH_USER = 1,     /* an access token; guests are refused */
    GG_AUTH_GUEST = 2,    /* an access token; guests too */
    GG_AUTH_OPTIONAL = 3, /* a token if there is one; none is fine */
    GG_AUTH_ADMIN = 4,    /* a server administrator */
    GG_AUTH_SERVER = 5,   /* a signed federation request */
    GG_AUTH_SECRET = 6,   /* the replication secret */
    GG_AUTH_KINDS = 7
};

enum gg_route_flags {
    GG_ROUTE_STREAMED = 1,      /* the handler reads the body itself (gg_request_read) */
    GG_ROUTE_CANCELLABLE = 2,   /* a client that hangs up cancels the handler: reads only */
    GG_ROUTE_LONG_POLL = 4,     /* may wait as long as the client asks: no default deadline */
    GG_ROUTE_JSON = 8,          /* the body must be a JSON object; gg_request_json is set */
    GG_ROUTE_PREFIX = 16,       /* the pattern matches every path that starts with it */
    GG_ROUTE_UNLISTED = 32,     /* served to whoever asks here, but no reason for a proxy to send it here */
    GG_ROUTE_OVERLAP = 64,      /* may run on beside a successor of its process: it writes to no stream and holds no lock,
                                   and does without services, which have stopped by then (the database is there) */
};

#define GG_WRITER_MAIN "main"

/* Tables end with an entry whose method is NULL. */
struct gg_route {
    const char *method;     /* "GET"; HEAD and OPTIONS are made by the server */
    const char *path;       /* "/_matrix/client/(r0|v3|unstable|api/v1)/rooms/{room_id}/state/{type}":
                               (a|b) is written out into one spelling each and may hold '/';
                               {name} matches one segment, percent-decoded after splitting */
    gg_handler_fn *handler; /* NULL: known, but another process serves it (only forwarded) */
    const char *resource;   /* "client", "federation", "media", "keys", "replication", ...: the listeners that serve it;
                               several with '|' between: "client|media" */
    uint32_t auth;          /* enum gg_auth */
    uint32_t flags;         /* enum gg_route_flags */
    uint32_t max_body;      /* bytes; 0: 64 KiB for JSON bodies (the host's default) */
    uint32_t deadline_ms;   /* 0: the host's default, 60 s */
    const char *limiter;    /* rate-limit class, or NULL */
    const char *pool;       /* for the proxy configuration: "sync", "initial_sync", "events",
                               "federation_in", "login", NULL: the default pool */
    const char *balance;    /* "user", "room", "source", NULL: any */
    const char *writer;     /* the stream whose writer must serve it ("typing", ...); GG_WRITER_MAIN: the
                               main process, others only know it and forward; or NULL */
    const char *doc;        /* one line */
};

/* ---- reading a request ---- */

GG_API struct gg_host *gg_request_host(const struct gg_request *rq);
GG_API struct gg_arena *gg_request_arena(struct gg_request *rq); /* freed after the answer is sent */
GG_API const char *gg_request_id(const struct gg_request *rq);   /* "GET-123" */
GG_API const char *gg_request_method(const struct gg_request *rq);
GG_API const char *gg_request_target(const struct gg_request *rq); /* path and query as sent */
GG_API const char *gg_request_path(const struct gg_request *rq);   /* as sent, without query */
GG_API const struct gg_route *gg_request_route(const struct gg_request *rq);
/* A {name} of the route, decoded, NUL-terminated; NULL if the route has none. A
 * segment that decodes to text with a NUL or bad UTF-8 never reaches a handler. */
GG_API const char *gg_request_param(const struct gg_request *rq, const char *name);
/* First value of a query key, decoded; NULL if absent. A query that decodes to text with a NUL or bad UTF-8 never reaches a
 * handler; a key without "=" counts as absent. */
GG_API const char *gg_request_query(const struct gg_request *rq, const char *key);
/* All values of a query key, in the arena. */
GG_API size_t gg_request_query_all(const struct gg_request *rq, const char *key, const char ***values_out);
/* Whole numbers (those beyond 64 bits become the nearest that fits) and booleans ("true"/"false"): 0, or 400
 * M_INVALID_PARAM. gg_request_query_count: such that may not be negative. */
GG_API GG_CHECKED int gg_request_query_count(const struct gg_request *rq, const char *key, int64_t fallback, int64_t *out,
                                             struct gg_error *err);
GG_API GG_CHECKED int gg_request_query_i64(const struct gg_request *rq, const char *key, int64_t fallback, int64_t *out,
                                           struct gg_error *err);
GG_API GG_CHECKED int gg_request_query_bool(const struct gg_request *rq, const char *key, bool fallback, bool *out,
                                            struct gg_error *err);
/* First header of that name, case-insensitive; NULL if absent. */
GG_API const char *gg_request_header(const struct gg_request *rq, const char *name);
/* The header of that name that comes at or after *cursor (0 at first), which moves past it; NULL: no more. */
GG_API const char *gg_request_next_header(const struct gg_request *rq, const char *name, size_t *cursor);
GG_API struct gg_str gg_request_body(const struct gg_request *rq); /* buffered routes */
/* The body as JSON (any value, UTF-8 checked), parsed once; NULL and M_NOT_JSON if
 * it is none, M_BAD_JSON if it is nested deeper than 128. Borrowed. An empty body
 * gives an empty object. jansson refuses lone surrogates, NUL characters and huge
 * numbers: where a body is event content, read gg_request_body instead. */
GG_API json_t *gg_request_json(struct gg_request *rq, struct gg_error *err);
/* Streamed routes: the next piece of the body; *n_out == 0 at its end. */
GG_API GG_YIELDS GG_CHECKED int gg_request_read(struct gg_request *rq, char *out, size_t size, size_t *n_out,
                                                struct gg_error *err);
/* The same without a copy, in large pieces: out (GG_BUF_INIT at first) has the piece in the place of what it held, and its
 * memory takes the next one. out->n == 0: the end. */
struct gg_buf;
GG_API GG_YIELDS GG_CHECKED int gg_request_take(struct gg_request *rq, struct gg_buf *out, struct gg_error *err);
GG_API const char *gg_request_address(const struct gg_request *rq); /* client's, X-Forwarded-For honoured if so configured */
GG_API const char *gg_request_user_agent(const struct gg_request *rq); /* "" if none */
GG_API bool gg_request_https(const struct gg_request *rq);

/* What the authenticator found out; kind-specific, lives in the request's arena.
 * The Matrix library hands out struct mx_requester through this. */
GG_API void gg_request_set_principal(struct gg_request *rq, void *principal, const char *name_for_logs);
GG_API void *gg_request_principal(const struct gg_request *rq);
/* The name that was set: the user id under GG_AUTH_USER; NULL if nobody. */
GG_API const char *gg_request_user(const struct gg_request *rq);

/* Has the server at uri ("http://host:port" or https) answer the request as it came: heads and bodies are passed on piece by
 * piece in both directions, over kept connections, without what belongs to one connection only; the other side is told the
 * caller's address and scheme (X-Forwarded-For, -Proto). A buffered body goes along unless it was read. stall_ms: how long that
 * server may be silent, 0: as long as the request may take. 0: answered; else nothing is replied yet, or the answer breaks
 * off: 502 when it cannot be reached or closes too early, 504 when it is silent for too long. */
GG_API GG_YIELDS GG_CHECKED int gg_request_pass_on(struct gg_request *rq, const char *uri, int64_t stall_ms,
                                                   struct gg_error *err);
GG_API bool gg_http_uri_valid(const char *uri); /* of that form; NULL: no */

/* ---- answering: exactly once ---- */

GG_API void gg_reply_header(struct gg_request *rq, const char *name, const char *value); /* before the reply */
/* Takes buf's contents over as an application/json body. */
GG_API int gg_reply_buf(struct gg_request *rq, int status, struct gg_buf *json);
/* Takes the reference; compact JSON, UTF-8 left as it is. Always 0. */
GG_API int gg_reply_json(struct gg_request *rq, int status, json_t *json);
GG_API int gg_reply_text(struct gg_request *rq, int status, const char *content_type, struct gg_str body); /* copied */
GG_API int gg_reply_empty_object(struct gg_request *rq); /* 200 {} */
GG_API int gg_reply_error(struct gg_request *rq, const struct gg_error *err);
/* Streamed answer: begin (length < 0: chunked), any number of writes (each waits
 * while the client is slow), end. */
GG_API GG_CHECKED int gg_reply_begin(struct gg_request *rq, int status, int64_t length, struct gg_error *err);
/* The same, where gg_reply_file follows at once: then the head needs no packet of its own. */
GG_API GG_CHECKED int gg_reply_begin_file(struct gg_request *rq, int status, int64_t length, struct gg_error *err);
GG_API GG_YIELDS GG_CHECKED int gg_reply_write(struct gg_request *rq, const void *data, size_t n, struct gg_error *err);
/* The same for n bytes of an open file from offset on, of an answer that said its length: without a copy where the
 * connection is plain. fd stays the caller's; nobody may make the file shorter meanwhile. */
GG_API GG_YIELDS GG_CHECKED int gg_reply_file(struct gg_request *rq, int fd, int64_t offset, int64_t n,
                                              struct gg_error *err);
GG_API GG_CHECKED int gg_reply_end(struct gg_request *rq, struct gg_error *err);
GG_API bool gg_replied(const struct gg_request *rq);

#ifdef __cplusplus
}
#endif
#endif
