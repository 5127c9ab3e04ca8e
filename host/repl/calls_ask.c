/* repl/calls_ask.c: asking another process (facts replication 8.1 to 8.3). */
#include "client/internal.h"
#include "config/topology.h"
#include "main/host.h"
#include "repl/calls_internal.h"

#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { CONNECT_TRIES = 7, RETRY_MS = 1000, TXN_LETTERS = 10 };

/* What a call asks for. */
struct question {
    struct gg_host *host;
    const struct gg_served *served;
    const struct gg_peer *peer;
    const char *instance;
    const char *const *args;
    struct gg_str body;
};

/* ---- here, without HTTP ---- */

static const char *no_query(const struct gg_call *call, const char *key)
{
    return NULL;
}

static int call_here(const struct question *q, json_t **answer_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    json_t *body = json_loadb(q->body.s, q->body.n, JSON_ALLOW_NUL, NULL), *answer = NULL;
    const char *none[] = {NULL};
    struct gg_call call = {
        .args = q->args != NULL ? q->args : none, .body = body, .raw = q->body, .query = no_query, .arena = arena};
    int rc = q->served->method->fn(q->served->self, &call, &answer, err);
    if (rc == 0 && answer_out != NULL)
        *answer_out = answer != NULL ? json_incref(answer) : json_object();
    json_decref(answer);
    json_decref(body);
    gg_arena_free(arena);
    return rc;
}

/* ---- the request ---- */

/* The secret that every replication listener of the deployment asks for. */
static const char *const *headers_for(const struct gg_host *host, bool body, struct gg_arena *arena)
{
    const char *secret = gg_topology_secret(host->config), **headers = GG_NEW_ARRAY(arena, const char *, 3);
    size_t n = 0;
    if (secret != NULL)
        headers[n++] = gg_arena_printf(arena, "Authorization: Bearer %s", secret);
    if (body)
        headers[n++] = "Content-Type: application/json";
    return headers;
}

static const char *write_path(const char *name, const char *const *args, bool txn, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    char id[TXN_LETTERS + 1];
    gg_buf_printf(&out, "/_synapse/replication/%s", name);
    for (const char *const *arg = args; arg != NULL && *arg != NULL; arg++) {
        gg_buf_char(&out, '/');
        gg_buf_urlencode(&out, gg_str(*arg));
    }
    gg_random_text(id, TXN_LETTERS, GG_LETTERS);
    if (txn)
        gg_buf_printf(&out, "/%s", id);
    else if (args == NULL || *args == NULL)
        gg_buf_char(&out, '/');
    const char *path = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return path;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The body, an object, with `_INT_STREAM_POS` in front. */
static void write_body(struct gg_host *host, struct gg_buf *out, struct gg_str body)
{
    size_t at = 0;
    while (at < body.n && body.s[at] != '{')
        at++;
    at += at < body.n;
    while (at < body.n && is_blank(body.s[at]))
        at++;
    gg_buf_lit(out, "{\"_INT_STREAM_POS\":{\"streams\":");
    gg_calls_write_positions(host, false, out);
    gg_buf_lit(out, ",\"instance_name\":");
    gg_buf_json_string(out, gg_str(host->instance));
    gg_buf_char(out, '}');
    if (at == body.n)
        gg_buf_char(out, '}');
    else if (body.s[at] != '}')
        gg_buf_char(out, ',');
    gg_buf_add(out, body.s + at, body.n - at);
}

/* ---- the answer ---- */

static int not_reached(const char *instance, struct gg_error *err)
{
    return gg_refuse(err, 502, "M_UNKNOWN", "Failed to talk to %s process", instance);
}

/* What the other process refused is passed on as it is. */
static int pass_on(int status, json_t *body, const char *instance, struct gg_error *err)
{
    const char *errcode = json_string_value(json_object_get(body, "errcode"));
    const char *message = json_string_value(json_object_get(body, "error")), *key;
    json_t *value;
    if (errcode == NULL || status < 300)
        return not_reached(instance, err);
    int rc = gg_refuse(err, status, errcode, "%s", message != NULL ? message : "");
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "errcode") == 0 || strcmp(key, "error") == 0)
            continue;
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text != NULL)
            gg_error_extra(err, key, text);
        free(text);
    }
    return rc;
}

static int read_answer(const struct question *q, const struct gg_internal_answer *answer, json_t **out,
                       struct gg_error *err)
{
    json_t *body = json_loadb(answer->body.s, answer->body.n, JSON_ALLOW_NUL, NULL);
    int rc = 0;
    if (answer->status >= 300 || !json_is_object(body)) {
        rc = pass_on(answer->status, body, q->instance, err);
    } else {
        rc = gg_calls_wait_streams(q->host, q->instance, json_object_get(body, "_INT_STREAM_POS"), err);
        json_object_del(body, "_INT_STREAM_POS");
    }
    if (rc == 0 && out != NULL)
        *out = json_incref(body);
    json_decref(body);
    return rc;
}

/* ---- trying ---- */

/* How long to wait before the next try; < 0: none. A connection that ended without an answer, or a slow one, is asked
 * again with the same txn id for as long as the caller may wait; one that cannot be made only a few times. */
static int64_t pause_after(int rc, int *refused)
{
    if (rc == GG_E_CLOSED || rc == GG_E_TIMEOUT)
        return RETRY_MS;
    if (rc == GG_E_UNAVAILABLE && ++*refused < CONNECT_TRIES)
        return (int64_t)RETRY_MS << (*refused - 1);
    return -1;
}

static int fetch(const struct question *q, const struct gg_internal_request *request, struct gg_arena *arena,
                 struct gg_internal_answer *answer, struct gg_error *err)
{
    int refused = 0;
    for (;;) {
        int rc = gg_internal_fetch(q->host, request, arena, answer, err);
        if (rc == 0 || gg_cancelled() || rc == GG_E_CANCELLED)
            return rc;
        int64_t pause = pause_after(rc, &refused);
        if (pause < 0 || gg_deadline(pause) >= gg_get_deadline()) {
            gg_warn(&logger, "%s: %s", q->instance, err->message);
            return not_reached(q->instance, err);
        }
        gg_warn(&logger, "%s: %s; asking again", q->instance, err->message);
        rc = gg_sleep(pause);
        if (rc != 0)
            return gg_fail(err, rc, "Failed to talk to %s process", q->instance);
    }
}

static int ask(const struct question *q, json_t **answer_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf text = GG_BUF_INIT;
    struct gg_internal_answer answer;
    const struct gg_method *method = q->served->method;
    bool txn = (method->flags & GG_METHOD_TXN) != 0;
    write_body(q->host, &text, q->body);
    const struct gg_internal_request request = {.peer = q->peer,
                                                .method = "POST",
                                                .target = write_path(method->name, q->args, txn, arena),
                                                .headers = headers_for(q->host, true, arena),
                                                .body = gg_buf_view(&text),
                                                .repeatable = txn};
    int rc = fetch(q, &request, arena, &answer, err);
    if (rc == 0)
        rc = read_answer(q, &answer, answer_out, err);
    gg_buf_done(&text);
    gg_arena_free(arena);
    return rc;
}

int gg_repl_call_text(struct gg_host *host, const char *instance, const char *method, const char *const *args,
                      struct gg_str body, json_t **answer_out, struct gg_error *err)
{
    const struct question q = {
        host, gg_calls_find(host, method), gg_topology_peer(host->config, instance), instance, args, body};
    if (q.served == NULL)
        return gg_fail(err, GG_E_INTERNAL, "no such replication method: %s", method);
    if (strcmp(instance, host->instance) == 0)
        return call_here(&q, answer_out, err);
    if (q.peer == NULL)
        return gg_fail(err, GG_E_INTERNAL, "instance_map does not name %s", instance);
    return ask(&q, answer_out, err);
}

int gg_repl_call(struct gg_host *host, const char *instance, const char *method, const char *const *args, json_t *body,
                 json_t **answer_out, struct gg_error *err)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    if (body != NULL && text == NULL)
        return gg_fail(err, GG_E_INTERNAL, "the body of %s cannot be written as JSON", method);
    int rc =
        gg_repl_call_text(host, instance, method, args, text != NULL ? gg_str(text) : GG_STR("{}"), answer_out, err);
    free(text);
    return rc;
}

/* ---- rows of a stream that its writer keeps in memory ---- */

static int take_updates(json_t *answer, int64_t to, struct gg_arena *arena, struct gg_fetched **rows, size_t *n,
                        int64_t *reached, struct gg_error *err)
{
    json_t *updates = json_object_get(answer, "updates"), *update;
    size_t i;
    *rows = GG_NEW_ARRAY(arena, struct gg_fetched, json_array_size(updates) + 1);
    *n = 0;
    json_array_foreach(updates, i, update)
    {
        char *text = json_dumps(json_array_get(update, 1), JSON_COMPACT | JSON_ENCODE_ANY);
        if (text == NULL)
            return gg_fail(err, GG_E_PROTOCOL, "a row of a stream is no JSON");
        (*rows)[(*n)++] =
            (struct gg_fetched){json_integer_value(json_array_get(update, 0)), gg_arena_str(arena, gg_str(text))};
        free(text);
    }
    *reached = json_is_true(json_object_get(answer, "limited"))
                   ? json_integer_value(json_object_get(answer, "upto_token"))
                   : to;
    return 0;
}

int gg_calls_fetch_stream(struct gg_host *host, const char *instance, const char *stream, int64_t from, int64_t to,
                          struct gg_arena *arena, struct gg_fetched **rows, size_t *n, int64_t *reached,
                          struct gg_error *err)
{
    const struct question q = {.host = host, .peer = gg_topology_peer(host->config, instance), .instance = instance};
    const char *const args[] = {stream, NULL};
    *n = 0;
    *reached = to;
    if (q.peer == NULL)
        return 0; /* nobody to ask: what it said is gone */
    const char *target =
        gg_arena_printf(arena, "%s?from_token=%lld&upto_token=%lld",
                        write_path("get_repl_stream_updates", args, true, arena), (long long)from, (long long)to);
    const struct gg_internal_request request = {.peer = q.peer,
                                                .method = "GET",
                                                .target = target,
                                                .headers = headers_for(host, false, arena),
                                                .repeatable = true};
    struct gg_internal_answer answer;
    json_t *body = NULL;
    int rc = gg_internal_fetch(host, &request, arena, &answer, err);
    if (rc == 0)
        rc = read_answer(&q, &answer, &body, err);
    if (rc == 0)
        rc = take_updates(body, to, arena, rows, n, reached, err);
    json_decref(body);
    return rc;
}
