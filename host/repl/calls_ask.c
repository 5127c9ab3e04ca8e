/* repl/calls_ask.c: asking another process (facts replication 8.1 to 8.3). */
#include "client/internal.h"
#include "config/topology.h"
#include "main/host.h"
#include "repl/calls_internal.h"

#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { HEADERS_MS = 60000, CONNECT_TRIES = 7 };

/* The secret that every replication listener of the deployment asks for; NULL-ended headers in the arena, or NULL. */
static const char *const *headers_for(const struct gg_host *host, struct gg_arena *arena)
{
    const char *secret = gg_topology_secret(host->config);
    if (secret == NULL)
        return NULL;
    const char **headers = GG_NEW_ARRAY(arena, const char *, 2);
    headers[0] = gg_arena_printf(arena, "Authorization: Bearer %s", secret);
    return headers;
}

/* ---- here, without HTTP ---- */

static int call_here(struct gg_host *host, const struct gg_served *served, const char *const *args, struct gg_str body,
                     json_t **answer_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    json_t *parsed = json_loadb(body.s, body.n, JSON_ALLOW_NUL, NULL);
    struct gg_call call = {.args = args, .body = parsed, .raw = body, .arena = arena};
    int rc = served->method->fn(served->self, &call, answer_out, err);
    json_decref(parsed);
    gg_arena_free(arena);
    return rc;
}

/* ---- the request ---- */

static void write_path(struct gg_buf *out, const char *name, const char *const *args, bool txn)
{
    gg_buf_printf(out, "/_synapse/replication/%s", name);
    for (const char *const *arg = args; arg != NULL && *arg != NULL; arg++) {
        gg_buf_char(out, '/');
        gg_buf_urlencode(out, gg_str(*arg));
    }
    if (txn) {
        char id[11];
        gg_random_text(id, 10, GG_LETTERS);
        gg_buf_printf(out, "/%s", id);
    } else if (args == NULL || *args == NULL) {
        gg_buf_char(out, '/');
    }
}

/* The body with `_INT_STREAM_POS` in front. */
static void write_body(struct gg_host *host, struct gg_buf *out, struct gg_str body)
{
    json_t *pos = json_pack("{s:o,s:s}", "streams", gg_calls_own_positions(host), "instance_name", host->instance);
    char *text = json_dumps(pos, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(pos);
    while (body.n > 0 && *body.s != '{') {
        body.s++;
        body.n--;
    }
    size_t rest = 1;
    while (rest < body.n && strchr(" \t\r\n", body.s[rest]) != NULL)
        rest++;
    gg_buf_printf(out, "{\"_INT_STREAM_POS\":%s", text);
    gg_buf_text(out, rest < body.n && body.s[rest] == '}' ? "" : ",");
    gg_buf_add(out, body.s + rest, body.n - rest);
    free(text);
}

/* ---- the answer ---- */

/* What the other process refused is passed on as it is. */
static int pass_on(int status, json_t *body, const char *instance, struct gg_error *err)
{
    const char *errcode = json_string_value(json_object_get(body, "errcode"));
    const char *message = json_string_value(json_object_get(body, "error")), *key;
    if (errcode == NULL)
        return gg_refuse(err, 502, "M_UNKNOWN", "Failed to talk to %s process", instance);
    int rc = gg_refuse(err, status, errcode, "%s", message != NULL ? message : "");
    json_t *value;
    json_object_foreach(body, key, value) {
        if (strcmp(key, "errcode") == 0 || strcmp(key, "error") == 0)
            continue;
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text != NULL)
            gg_error_extra(err, key, text);
        free(text);
    }
    return rc;
}

static int read_answer(struct gg_host *host, const char *instance, const struct gg_internal_answer *answer, json_t **out,
                       struct gg_error *err)
{
    json_t *body = json_loadb(answer->body.s, answer->body.n, JSON_ALLOW_NUL, NULL);
    if (answer->status >= 300 || !json_is_object(body)) {
        int rc = pass_on(answer->status >= 300 ? answer->status : 502, body, instance, err);
        json_decref(body);
        return rc;
    }
    json_t *streams = json_object_get(body, "_INT_STREAM_POS");
    int rc = 0;
    if (streams != NULL) {
        json_t *pos = json_pack("{s:O,s:s}", "streams", streams, "instance_name", instance);
        rc = gg_calls_wait_positions(host, pos, err);
        json_decref(pos);
        json_object_del(body, "_INT_STREAM_POS");
    }
    if (rc == 0 && out != NULL)
        *out = json_incref(body);
    json_decref(body);
    return rc;
}

/* ---- trying ---- */

/* A connection that ended without an answer, or a slow one, is asked again with the same txn id for as long as the caller
 * may wait; one that cannot be made only a few times. */
static int fetch(struct gg_host *host, const char *instance, struct gg_internal_request *request, struct gg_arena *arena,
                 struct gg_internal_answer *answer, struct gg_error *err)
{
    int refused = 0;
    for (;;) {
        int64_t outer = gg_get_deadline();
        int64_t inner = gg_deadline(HEADERS_MS) < outer ? gg_deadline(HEADERS_MS) : outer;
        gg_set_deadline(inner);
        int rc = gg_internal_fetch(host, request, arena, answer, err);
        gg_set_deadline(outer);
        if (rc == 0)
            return 0;
        if (gg_cancelled() || gg_now_ms() >= outer)
            return rc;
        if (rc == GG_E_UNAVAILABLE && ++refused >= CONNECT_TRIES)
            return gg_refuse(err, 502, "M_UNKNOWN", "Failed to talk to %s process", instance);
        if (rc != GG_E_UNAVAILABLE && rc != GG_E_CLOSED && rc != GG_E_TIMEOUT)
            return gg_refuse(err, 502, "M_UNKNOWN", "Failed to talk to %s process", instance);
        gg_warn(&logger, "%s: %s; asking again", instance, err->message);
        int64_t pause = rc == GG_E_UNAVAILABLE ? (int64_t)1000 << (refused - 1) : 1000;
        rc = gg_sleep(pause);
        if (rc != 0)
            return gg_fail(err, rc == GG_E_TIMEOUT ? GG_E_UNAVAILABLE : rc, "Failed to talk to %s process", instance);
    }
}

static int call(struct gg_host *host, const char *instance, const char *method, const char *const *args, struct gg_str body,
                json_t **answer_out, struct gg_error *err)
{
    const struct gg_served *served = gg_calls_find(host, method);
    const struct gg_peer *peer = gg_topology_peer(host->config, instance);
    if (served == NULL)
        return gg_fail(err, GG_E_INTERNAL, "no such replication method: %s", method);
    if (strcmp(instance, host->instance) == 0)
        return call_here(host, served, args, body, answer_out, err);
    if (peer == NULL)
        return gg_fail(err, GG_E_INTERNAL, "instance_map does not name %s", instance);
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf path = GG_BUF_INIT, text = GG_BUF_INIT;
    struct gg_internal_answer answer;
    write_path(&path, method, args, (served->method->flags & GG_METHOD_TXN) != 0);
    write_body(host, &text, body);
    struct gg_internal_request request = {.peer = peer, .method = "POST", .target = path.data, .body = gg_buf_view(&text),
                                          .headers = headers_for(host, arena),
                                          .repeatable = (served->method->flags & GG_METHOD_TXN) != 0};
    int rc = fetch(host, instance, &request, arena, &answer, err);
    if (rc == 0)
        rc = read_answer(host, instance, &answer, answer_out, err);
    gg_buf_done(&path);
    gg_buf_done(&text);
    gg_arena_free(arena);
    return rc;
}

int gg_repl_call_text(struct gg_host *host, const char *instance, const char *method, const char *const *args,
                      struct gg_str body, json_t **answer_out, struct gg_error *err)
{
    return call(host, instance, method, args, body, answer_out, err);
}

int gg_repl_call(struct gg_host *host, const char *instance, const char *method, const char *const *args, json_t *body,
                 json_t **answer_out, struct gg_error *err)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS) : strdup("{}");
    GG_ASSERT(text != NULL);
    int rc = call(host, instance, method, args, gg_str(text), answer_out, err);
    free(text);
    return rc;
}

/* ---- rows of an in-memory stream ---- */

static int take_updates(json_t *answer, int64_t to, struct gg_arena *arena, struct gg_fetched **rows, size_t *n, int64_t *reached,
                        struct gg_error *err)
{
    json_t *updates = json_object_get(answer, "updates"), *update;
    size_t i;
    *rows = GG_NEW_ARRAY(arena, struct gg_fetched, json_array_size(updates) + 1);
    *n = 0;
    json_array_foreach(updates, i, update) {
        char *text = json_dumps(json_array_get(update, 1), JSON_COMPACT | JSON_ENCODE_ANY);
        if (text == NULL)
            return gg_fail(err, GG_E_PROTOCOL, "a row of a stream is no JSON");
        (*rows)[(*n)++] = (struct gg_fetched){json_integer_value(json_array_get(update, 0)), gg_arena_str(arena, gg_str(text))};
        free(text);
    }
    *reached = json_is_true(json_object_get(answer, "limited")) ? json_integer_value(json_object_get(answer, "upto_token")) : to;
    return 0;
}

int gg_calls_fetch_stream(struct gg_host *host, const char *instance, const char *stream, int64_t from, int64_t to,
                          struct gg_arena *arena, struct gg_fetched **rows, size_t *n, int64_t *reached, struct gg_error *err)
{
    const struct gg_peer *peer = gg_topology_peer(host->config, instance);
    *n = 0;
    *reached = to;
    if (peer == NULL)
        return 0; /* nobody to ask: what it said is gone */
    const char *target = gg_arena_printf(arena, "/_synapse/replication/get_repl_stream_updates/%s?from_token=%lld&upto_token=%lld",
                                         stream, (long long)from, (long long)to);
    struct gg_internal_request request = {.peer = peer, .method = "GET", .target = target, .headers = headers_for(host, arena),
                                          .repeatable = true};
    struct gg_internal_answer answer;
    json_t *body = NULL;
    int rc = gg_internal_fetch(host, &request, arena, &answer, err);
    if (rc == 0)
        rc = read_answer(host, instance, &answer, &body, err);
    if (rc == 0)
        rc = take_updates(body, to, arena, rows, n, reached, err);
    json_decref(body);
    return rc;
}
