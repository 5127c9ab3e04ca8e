/* repl/calls_serve.c: methods that other processes call (facts replication 8.1 to 8.4).
 *
 * A call with a txn id runs once: duplicates, at the same time or within half an hour, get the same answer. It runs in a
 * fiber of its own to its end, whether or not the caller still waits: the caller will ask again with the same id. */
#include "http/server.h"
#include "repl/calls_internal.h"
#include "repl/ids.h"

#include "config/topology.h"
#include "main/host.h"

#include <ganglion/log.h>
#include <openssl/crypto.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { KEEP_MS = 30 * 60 * 1000, MAX_KEPT = 20000, MAX_BODY = 128 << 20 };

struct answer {             /* of one run; shared by those who wait for it */
    struct gg_list link;    /* in served.by_age when it has a txn id */
    struct gg_cond done;
    unsigned refs;
    bool ended;
    int64_t at;
    int status;
    struct gg_error err;
    char *body;             /* JSON text when status is 0 */
    char txn[80];
};

struct run {                /* what the fiber of a call needs; freed by it */
    struct gg_served *served;
    struct answer *answer;
    struct gg_arena *arena;
    const char **args;
    struct gg_str raw;
    char *target;           /* for query() */
};

/* ---- answers ---- */

static void answer_unref(struct answer *answer)
{
    if (--answer->refs > 0)
        return;
    free(answer->body);
    free(answer);
}

static struct answer *answer_new(struct gg_served *served, const char *txn)
{
    struct answer *answer = calloc(1, sizeof(*answer));
    GG_ASSERT(answer != NULL);
    gg_cond_init(&answer->done);
    gg_list_init(&answer->link);
    answer->refs = 1;
    if (txn == NULL)
        return answer;
    (void)snprintf(answer->txn, sizeof(answer->txn), "%s", txn);
    gg_map_put(served->answers, gg_str(txn), answer);
    gg_list_push(&served->by_age, &answer->link);
    answer->refs++;
    return answer;
}

static void forget(struct gg_served *served, struct answer *answer)
{
    gg_list_remove(&answer->link);
    gg_map_delete(served->answers, gg_str(answer->txn));
    answer_unref(answer);
}

static void forget_old(struct gg_served *served)
{
    while (!gg_list_empty(&served->by_age)) {
        struct answer *oldest = GG_CONTAINER(served->by_age.next, struct answer, link);
        bool old = oldest->ended && gg_now_ms() - oldest->at > KEEP_MS;
        bool many = oldest->ended && gg_map_count(served->answers) > MAX_KEPT;
        if (!old && !many)
            return;
        forget(served, oldest);
    }
}

/* ---- the call ---- */

/* The top-level member of a body that jansson cannot hold, as text: for `_INT_STREAM_POS` beside an event with a lone
 * surrogate. Walks strings and brackets only. */
static struct gg_str find_member(struct gg_str text, const char *key)
{
    size_t depth = 0, n = strlen(key);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.s[i];
        if (c == '{' || c == '[')
            depth++;
        else if (c == '}' || c == ']')
            depth--;
        if (c != '"')
            continue;
        size_t start = ++i;
        while (i < text.n && text.s[i] != '"')
            i += text.s[i] == '\\' ? 2 : 1;
        if (depth != 1 || i - start != n || memcmp(text.s + start, key, n) != 0 || i + 1 >= text.n)
            continue;
        const char *object = memchr(text.s + i, '{', text.n - i);
        for (size_t at = i + 1; object == text.s + at || (at < text.n && strchr(": \t\r\n", text.s[at]) != NULL); at++)
            if (text.s + at == object)
                return gg_strn(object, text.n - at);
    }
    return (struct gg_str){0};
}

static json_t *positions_in(struct gg_str raw, json_t *body)
{
    json_t *pos = json_object_get(body, "_INT_STREAM_POS");
    if (pos != NULL) {
        json_incref(pos);
        json_object_del(body, "_INT_STREAM_POS");
        return pos;
    }
    struct gg_str text = body == NULL ? find_member(raw, "_INT_STREAM_POS") : (struct gg_str){0};
    return text.s != NULL ? json_loadb(text.s, text.n, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

static const char *call_query(const struct gg_call *call, const char *key)
{
    const struct run *run = call->impl;
    const char *at = strchr(run->target, '?');
    size_t n = strlen(key);
    while (at != NULL) {
        at++;
        if (strncmp(at, key, n) == 0 && at[n] == '=') {
            size_t length = strcspn(at + n + 1, "&");
            return gg_arena_strndup(run->arena, at + n + 1, length);
        }
        at = strchr(at, '&');
    }
    return NULL;
}

static int parse_body(const struct gg_served *served, struct gg_str raw, json_t **out, struct gg_error *err)
{
    *out = NULL;
    if (raw.s == NULL)
        return 0;
    json_error_t problem;
    *out = raw.n == 0 ? json_object() : json_loadb(raw.s, raw.n, JSON_ALLOW_NUL, &problem);
    if (*out == NULL && (served->method->flags & GG_METHOD_RAW) == 0)
        return gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
    if (*out != NULL && !json_is_object(*out))
        return gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    return 0;
}

static int run_method(struct run *run, json_t **out, struct gg_error *err)
{
    struct gg_host *host = run->served->calls->host;
    json_t *body;
    int rc = parse_body(run->served, run->raw, &body, err);
    if (rc != 0) {
        json_decref(body);
        return rc;
    }
    json_t *positions = positions_in(run->raw, body);
    if (positions != NULL)
        rc = gg_calls_wait_positions(host, positions, err);
    json_decref(positions);
    if (rc == 0) {
        struct gg_call call = {.args = run->args, .body = body, .raw = run->raw, .query = call_query, .impl = run, .arena = run->arena};
        rc = run->served->method->fn(run->served->self, &call, out, err);
    }
    json_decref(body);
    return rc;
}

static void finish(struct run *run, int rc, json_t *body)
{
    struct answer *answer = run->answer;
    if (rc == 0) {
        if (run->raw.s != NULL) /* the stream fetch has none */
            json_object_set_new(body, "_INT_STREAM_POS", gg_calls_own_positions(run->served->calls->host));
        answer->body = json_dumps(body, JSON_COMPACT);
    }
    answer->status = rc;
    answer->ended = true;
    answer->at = gg_now_ms();
    gg_cond_broadcast(&answer->done);
    /* What went wrong may go right next time: only successes and refusals are kept. */
    if (rc != 0 && answer->err.http_status >= 500 && !gg_list_empty(&answer->link))
        forget(run->served, answer);
}

static void run_call(void *arg)
{
    struct run *run = arg;
    json_t *body = NULL;
    int rc = run_method(run, &body, &run->answer->err);
    if (rc == 0 && body == NULL)
        body = json_object();
    if (rc != 0)
        gg_info(&logger, "%s: %s", run->served->method->name, run->answer->err.message);
    finish(run, rc, body);
    json_decref(body);
    answer_unref(run->answer);
    gg_arena_free(run->arena);
    free(run);
}

static struct answer *start(struct gg_served *served, struct gg_request *rq, const char *txn)
{
    struct run *run = calloc(1, sizeof(*run));
    GG_ASSERT(run != NULL);
    run->served = served;
    run->arena = gg_arena_new();
    run->answer = answer_new(served, txn);
    run->target = gg_arena_strdup(run->arena, gg_request_target(rq));
    run->args = GG_NEW_ARRAY(run->arena, const char *, served->method->n_args + 1);
    for (uint32_t i = 0; i < served->method->n_args; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "a%u", i);
        run->args[i] = gg_arena_strdup(run->arena, gg_request_param(rq, name));
    }
    if ((served->method->flags & GG_METHOD_GET) == 0)
        run->raw = gg_arena_str(run->arena, gg_request_body(rq));
    struct answer *answer = run->answer;
    answer->refs++; /* ours, beside the fiber's */
    if (gg_spawn(served->calls->scope, served->method->name, run_call, run) == NULL) {
        struct gg_error *err = &answer->err;
        int rc = gg_refuse(err, 503, "M_UNKNOWN", "the process is stopping");
        finish(run, rc, NULL);
        answer_unref(answer);
        gg_arena_free(run->arena);
        free(run);
    }
    return answer;
}

/* self is the struct gg_served of the route. */
static int handle_call(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_served *served = self;
    const char *txn = served->method->flags & GG_METHOD_TXN ? gg_request_param(rq, "txn") : NULL;
    if (txn != NULL && strlen(txn) >= sizeof(((struct answer *)0)->txn))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "the transaction id is too long");
    forget_old(served);
    struct answer *answer = txn != NULL ? gg_map_get(served->answers, gg_str(txn)) : NULL;
    if (answer != NULL)
        answer->refs++;
    else
        answer = start(served, rq, txn);
    int rc = 0;
    while (rc == 0 && !answer->ended)
        rc = gg_cond_wait(&answer->done, GG_FOREVER);
    if (rc != 0)
        rc = gg_fail(err, rc, "%s did not end in time", served->method->name);
    else if (answer->status != 0)
        *err = answer->err;
    int status = rc != 0 ? rc : answer->status;
    if (status == 0)
        status = gg_reply_text(rq, 200, "application/json", gg_str(answer->body));
    answer_unref(answer);
    return status;
}

/* ---- the secret ---- */

/* A wrong one is answered 500, as Synapse does: its processes expect nothing else. */
static int check_secret(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    const struct gg_host *host = self;
    const char *secret = gg_topology_secret(host->config), *given = gg_request_header(rq, "Authorization");
    static const char bearer[] = "Bearer ";
    if (secret == NULL)
        return 0;
    size_t n = strlen(secret);
    if (given != NULL && strncmp(given, bearer, sizeof(bearer) - 1) == 0 && strlen(given + sizeof(bearer) - 1) == n &&
        CRYPTO_memcmp(given + sizeof(bearer) - 1, secret, n) == 0)
        return 0;
    return gg_refuse(err, 500, "M_UNKNOWN", "Internal server error");
}

/* ---- registering ---- */

static void served_free(void *value)
{
    struct gg_served *served = value;
    while (!gg_list_empty(&served->by_age))
        forget(served, GG_CONTAINER(served->by_age.next, struct answer, link));
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

void gg_repl_serve(struct gg_host *host, const struct gg_method *table, void *self)
{
    struct gg_calls *calls = gg_calls_of(host);
    for (const struct gg_method *m = table; m->name != NULL; m++) {
        if (gg_map_has(calls->served, gg_str(m->name)))
            continue; /* a table that two roles list */
        struct gg_served *served = calloc(1, sizeof(*served));
        GG_ASSERT(served != NULL);
        served->method = m;
        served->self = self;
        served->calls = calls;
        served->path = path_of(m);
        served->answers = gg_map_new(NULL);
        gg_list_init(&served->by_age);
        served->route = (struct gg_route){.method = m->flags & GG_METHOD_GET ? "GET" : "POST", .path = served->path,
                                          .handler = handle_call, .resource = "replication", .auth = GG_AUTH_SECRET,
                                          .max_body = MAX_BODY, .doc = m->doc};
        gg_map_put(calls->served, gg_str(m->name), served);
    }
}

static bool here(const struct gg_host *host, const struct gg_method *method)
{
    if ((method->flags & GG_METHOD_MAIN_ONLY) && !host->main)
        return false;
    if (method->flags & GG_METHOD_EVENTS_WRITER_ONLY) {
        size_t n;
        const char *const *writers = gg_topology_writers(host->config, "events", &n);
        for (size_t i = 0; i < n; i++)
            if (strcmp(writers[i], host->instance) == 0)
                return true;
        return false;
    }
    return true;
}

/* ---- the host's own method: rows of any stream that this process has ---- */

static int stream_updates(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    struct gg_host *host = self;
    struct gg_stream *stream = gg_stream_find(host, call->args[0]);
    const char *from = call->query(call, "from_token"), *to = call->query(call, "upto_token");
    struct gg_fetched *rows = NULL;
    size_t n = 0;
    if (stream == NULL || from == NULL || to == NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "unknown stream, or from_token and upto_token are missing");
    int64_t upto = strtoll(to, NULL, 10), reached = upto;
    const struct gg_stream_def *def = gg_stream_def(stream);
    if (def->fetch != NULL && gg_stream_is_writer(stream)) {
        int rc = def->fetch(gg_stream_self(stream), stream, host->instance, strtoll(from, NULL, 10), upto, 100, call->arena, &rows, &n, &reached, err);
        if (rc != 0)
            return rc;
    }
    json_t *updates = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_loadb(rows[i].row.s, rows[i].row.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_array_append_new(updates, json_pack("[I,o]", (json_int_t)rows[i].token, row != NULL ? row : json_null()));
    }
    *answer = json_pack("{s:o,s:I,s:b}", "updates", updates, "upto_token", (json_int_t)reached, "limited", reached < upto);
    return 0;
}

static const struct gg_method own_methods[] = {
    {.name = "get_repl_stream_updates", .n_args = 1, .flags = GG_METHOD_GET, .fn = stream_updates, .doc = "rows of a stream"},
    {0},
};

int gg_calls_add_routes(struct gg_host *host, struct gg_error *err)
{
    struct gg_calls *calls = gg_calls_of(host);
    gg_repl_serve(host, own_methods, host);
    if (calls->scope == NULL)
        calls->scope = gg_scope_new(host->scope, "replication calls");
    size_t i = 0;
    struct gg_str name;
    void *value;
    while (gg_map_next(calls->served, &i, &name, &value)) {
        struct gg_served *served = value;
        if (!here(host, served->method))
            continue;
        int rc = gg_router_add(gg_http_router(host->server), &served->route, served, "replication", err);
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
    (void)gg_scope_join(calls->scope, gg_deadline(10000)); /* writes end by themselves; cancelling is the last resort */
    gg_scope_end(calls->scope);
    calls->scope = NULL;
}

void gg_calls_free(struct gg_calls *calls)
{
    if (calls == NULL)
        return;
    gg_map_free(calls->served);
    free(calls);
}
