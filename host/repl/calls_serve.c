/* repl/calls_serve.c: which methods other processes may call, and who may call them (facts replication 8.1 and 8.4). */
#include "http/server.h"
#include "repl/calls_internal.h"
#include "repl/ids.h"

#include "config/topology.h"
#include "main/host.h"

#include <ganglion/log.h>
#include <openssl/crypto.h>
#include <stdlib.h>

enum { MAX_BODY = 128 << 20, STOP_MS = 10000, UPDATES_LIMIT = 100 };

/* ---- the secret ---- */

/* A wrong one is answered 500, as Synapse does: its processes expect nothing else. */
static int check_secret(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    const struct gg_host *host = self;
    const char *secret = gg_topology_secret(host->config), *given = gg_request_header(rq, "Authorization");
    static const char bearer[] = "Bearer ";
    if (secret == NULL)
        return 0;
    size_t n = strlen(secret), skip = sizeof(bearer) - 1;
    if (given != NULL && strncmp(given, bearer, skip) == 0 && strlen(given + skip) == n &&
        CRYPTO_memcmp(given + skip, secret, n) == 0)
        return 0;
    return gg_refuse(err, 500, "M_UNKNOWN", "Internal server error");
}

/* ---- registering ---- */

static void served_free(void *value)
{
    struct gg_served *served = value;
    gg_map_free(served->answers);
    free(served->path);
    free(served);
}

struct gg_calls *gg_calls_of(struct gg_host *host)
{
    struct gg_repl *repl = gg_repl_of(host);
    if (repl->calls != NULL)
        return repl->calls;
    struct gg_calls *calls = calloc(1, sizeof(*calls));
    GG_ASSERT(calls != NULL);
    calls->host = host;
    calls->served = gg_map_new(served_free);
    gg_list_init(&calls->by_age);
    repl->calls = calls;
    gg_host_set_authenticator(host, GG_AUTH_SECRET, check_secret, host);
    return calls;
}

const struct gg_served *gg_calls_find(struct gg_host *host, const char *name)
{
    return gg_map_get(gg_calls_of(host)->served, gg_str(name));
}

/* "/_synapse/replication/NAME/{a0}/{a1}/{txn}"; with neither arguments nor a txn id a slash ends it. */
static char *path_of(const struct gg_method *method)
{
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_printf(&path, "/_synapse/replication/%s", method->name);
    for (uint32_t i = 0; i < method->n_args; i++)
        gg_buf_printf(&path, "/{a%u}", i);
    if (method->flags & GG_METHOD_TXN)
        gg_buf_lit(&path, "/{txn}");
    else if (method->n_args == 0)
        gg_buf_char(&path, '/');
    return gg_buf_steal(&path, NULL);
}

static struct gg_served *served_new(struct gg_calls *calls, const struct gg_method *method, void *self)
{
    struct gg_served *served = calloc(1, sizeof(*served));
    GG_ASSERT(served != NULL);
    served->method = method;
    served->self = self;
    served->calls = calls;
    served->path = path_of(method);
    served->answers = gg_map_new(NULL);
    /* Without a deadline: a method may take longer than its caller waits at a time, and is then asked for again. */
    served->route = (struct gg_route){.method = method->flags & GG_METHOD_GET ? "GET" : "POST",
                                      .path = served->path,
                                      .handler = gg_calls_handle,
                                      .resource = "replication",
                                      .auth = GG_AUTH_SECRET,
                                      .flags = GG_ROUTE_LONG_POLL,
                                      .max_body = MAX_BODY,
                                      .doc = method->doc};
    return served;
}

void gg_repl_serve(struct gg_host *host, const struct gg_method *table, void *self)
{
    struct gg_calls *calls = gg_calls_of(host);
    for (const struct gg_method *m = table; m->name != NULL; m++)
        if (!gg_map_has(calls->served, gg_str(m->name))) /* else: a table that two roles list */
            gg_map_put(calls->served, gg_str(m->name), served_new(calls, m, self));
}

static bool here(const struct gg_host *host, const struct gg_method *method)
{
    if ((method->flags & GG_METHOD_MAIN_ONLY) && !host->main)
        return false;
    if ((method->flags & GG_METHOD_EVENTS_WRITER_ONLY) == 0)
        return true;
    size_t n;
    const char *const *writers = gg_topology_writers(host->config, "events", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(writers[i], host->instance) == 0)
            return true;
    return false;
}

/* ---- the host's own method: rows of any stream that this process has ---- */

static bool can_fetch(const struct gg_stream *stream)
{
    const struct gg_stream_def *def = gg_stream_def(stream);
    return def->fetch != NULL && (def->sequence != NULL || gg_stream_is_writer(stream));
}

static json_t *updates_of(const struct gg_fetched *rows, size_t n)
{
    json_t *updates = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_loadb(rows[i].row.s, rows[i].row.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_array_append_new(updates, json_pack("[I,o]", (json_int_t)rows[i].token, row != NULL ? row : json_null()));
    }
    return updates;
}

static int stream_updates(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    struct gg_host *host = self;
    struct gg_stream *stream = gg_stream_find(host, call->args[0]);
    const char *from = call->query(call, "from_token"), *to = call->query(call, "upto_token");
    struct gg_fetched *rows = NULL;
    size_t n = 0;
    int rc = 0;
    if (stream == NULL || from == NULL || to == NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "unknown stream, or from_token and upto_token are missing");
    int64_t upto = strtoll(to, NULL, 10), reached = upto;
    if (can_fetch(stream))
        rc = gg_stream_def(stream)->fetch(gg_stream_self(stream), stream, host->instance, strtoll(from, NULL, 10), upto,
                                          UPDATES_LIMIT, call->arena, &rows, &n, &reached, err);
    if (rc == 0)
        *answer = json_pack("{s:o,s:I,s:b}", "updates", updates_of(rows, n), "upto_token", (json_int_t)reached,
                            "limited", reached < upto);
    return rc;
}

static const struct gg_method own_methods[] = {
    {.name = "get_repl_stream_updates",
     .n_args = 1,
     .flags = GG_METHOD_GET | GG_METHOD_TXN,
     .fn = stream_updates,
     .doc = "rows of a stream"},
    {0},
};

/* ---- life ---- */

int gg_calls_add_routes(struct gg_host *host, struct gg_error *err)
{
    struct gg_calls *calls = gg_calls_of(host);
    struct gg_str name;
    void *value;
    gg_repl_serve(host, own_methods, host);
    if (calls->scope == NULL)
        calls->scope = gg_scope_new(host->scope, "replication calls");
    for (size_t i = 0; gg_map_next(calls->served, &i, &name, &value);) {
        struct gg_served *served = value;
        int rc = here(host, served->method)
                     ? gg_router_add(gg_http_router(host->server), &served->route, served, "replication", err)
                     : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

void gg_calls_stop(struct gg_host *host)
{
    struct gg_calls *calls = host->repl != NULL ? host->repl->calls : NULL;
    if (calls == NULL || calls->scope == NULL)
        return;
    (void)gg_scope_join(calls->scope,
                        gg_deadline(STOP_MS)); /* writes end by themselves; cancelling is the last resort */
    gg_scope_end(calls->scope);
    calls->scope = NULL;
}

void gg_calls_free(struct gg_calls *calls)
{
    if (calls == NULL)
        return;
    gg_calls_forget_answers(calls);
    gg_map_free(calls->served);
    free(calls);
}
