/* repl/calls_run.c: a call of another process, from its request to the answer (facts replication 8.1 and 8.2).
 *
 * A call with a txn id runs once: duplicates, at the same time or within half an hour, get the same answer. It runs in
 * a fiber of its own to its end, whether or not the caller still waits: the caller will ask again with the same id. */
#include "repl/calls_internal.h"

#include "main/host.h"

#include <ganglion/log.h>
#include <stdio.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum {
    KEEP_MS = 30 * 60 * 1000,
    MAX_KEPT = 100000,
    MAX_KEPT_BYTES = 32 << 20,
    MAX_RUN_MS = 10 * 60 * 1000,
    MAX_TXN = 255
};

struct gg_answer {       /* of one run; shared by those who wait for it */
    struct gg_list link; /* in by_age when it is kept */
    struct gg_served *served;
    struct gg_cond done;
    unsigned refs;
    bool ended;
    int64_t at;
    int status;
    struct gg_error *err; /* when status is not 0 */
    char *body;           /* JSON text when status is 0 */
    size_t n;
    char txn[]; /* "" without one */
};

struct run { /* what the fiber of a call needs; freed by it */
    struct gg_served *served;
    struct gg_answer *answer;
    struct gg_arena *arena;
    const char **args;
    struct gg_str raw; /* s NULL: GET */
    const char *query; /* what followed the '?'; "" if nothing */
};

/* ---- answers ---- */

static void answer_unref(struct gg_answer *answer)
{
    if (--answer->refs > 0)
        return;
    free(answer->err);
    free(answer->body);
    free(answer);
}

static bool is_kept(const struct gg_answer *answer)
{
    return answer->link.next != &answer->link;
}

static struct gg_answer *answer_new(struct gg_served *served, const char *txn)
{
    size_t n = txn != NULL ? strlen(txn) : 0;
    struct gg_answer *answer = calloc(1, sizeof(*answer) + n + 1);
    GG_ASSERT(answer != NULL);
    answer->served = served;
    answer->refs = 1;
    gg_cond_init(&answer->done);
    gg_list_init(&answer->link);
    if (txn == NULL)
        return answer;
    memcpy(answer->txn, txn, n);
    gg_map_put(served->answers, gg_str(txn), answer);
    gg_list_push(&served->calls->by_age, &answer->link);
    served->calls->kept++;
    answer->refs++;
    return answer;
}

static void forget(struct gg_answer *answer)
{
    struct gg_calls *calls = answer->served->calls;
    gg_list_remove(&answer->link);
    gg_map_delete(answer->served->answers, gg_str(answer->txn));
    calls->kept--;
    calls->kept_bytes -= answer->n;
    answer_unref(answer);
}

void gg_calls_forget_answers(struct gg_calls *calls)
{
    while (!gg_list_empty(&calls->by_age))
        forget(GG_CONTAINER(calls->by_age.next, struct gg_answer, link));
}

/* What still runs bounds itself: there is a fiber for each. */
static void forget_old(struct gg_calls *calls)
{
    while (!gg_list_empty(&calls->by_age)) {
        struct gg_answer *oldest = GG_CONTAINER(calls->by_age.next, struct gg_answer, link);
        bool many = calls->kept > MAX_KEPT || calls->kept_bytes > MAX_KEPT_BYTES;
        if (!oldest->ended || (!many && gg_now_ms() - oldest->at < KEEP_MS))
            return;
        forget(oldest);
    }
}

/* ---- the body ---- */

/* The top-level member of a body that is not read by jansson, as text: for `_INT_STREAM_POS` beside events. Walks strings and
 * brackets only. */
static struct gg_str find_member(struct gg_str text, const char *key)
{
    size_t depth = 0, n = strlen(key);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.s[i];
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (c != '"')
            continue;
        size_t start = ++i;
        while (i < text.n && text.s[i] != '"')
            i += text.s[i] == '\\' ? 2 : 1;
        if (depth != 1 || i >= text.n || i - start != n || memcmp(text.s + start, key, n) != 0)
            continue;
        size_t at = i + 1;
        while (at < text.n && (text.s[at] == ':' || text.s[at] == ' '))
            at++;
        if (at < text.n && text.s[at] == '{')
            return gg_strn(text.s + at, text.n - at);
    }
    return (struct gg_str){0};
}

/* Taken out of the body, if that was read. */
static json_t *positions_in(struct gg_str raw, json_t *body)
{
    struct gg_str text = body == NULL && raw.s != NULL ? find_member(raw, "_INT_STREAM_POS") : (struct gg_str){0};
    if (text.s != NULL)
        return json_loadb(text.s, text.n, JSON_DISABLE_EOF_CHECK, NULL);
    json_t *pos = json_incref(json_object_get(body, "_INT_STREAM_POS"));
    if (pos != NULL)
        json_object_del(body, "_INT_STREAM_POS");
    return pos;
}

static int parse_body(const struct gg_served *served, struct gg_str raw, json_t **out, struct gg_error *err)
{
    *out = NULL;
    if (raw.s == NULL || (served->method->flags & GG_METHOD_RAW) != 0)
        return 0;
    *out = raw.n == 0 ? json_object() : json_loadb(raw.s, raw.n, JSON_ALLOW_NUL, NULL);
    if (*out == NULL)
        return gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
    if (!json_is_object(*out))
        return gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    return 0;
}

/* ---- the method ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static const char *decode(struct gg_arena *arena, const char *text, size_t n)
{
    char *out = gg_arena_strndup(arena, text, n), *to = out;
    for (size_t i = 0; i < n; i++) {
        bool coded = text[i] == '%' && n - i > 2 && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;
        *to++ = coded ? (char)(hex(text[i + 1]) * 16 + hex(text[i + 2])) : text[i] == '+' ? ' ' : text[i];
        i += coded ? 2 : 0;
    }
    *to = '\0';
    return out;
}

static const char *call_query(const struct gg_call *call, const char *key)
{
    const struct run *run = call->impl;
    size_t n = strlen(key);
    for (const char *at = run->query; *at != '\0'; at += strcspn(at, "&"), at += *at == '&')
        if (strncmp(at, key, n) == 0 && at[n] == '=')
            return decode(call->arena, at + n + 1, strcspn(at + n + 1, "&"));
    return NULL;
}

static int run_method(struct run *run, json_t **out, struct gg_error *err)
{
    const struct gg_served *served = run->served;
    json_t *body;
    int rc = parse_body(served, run->raw, &body, err);
    json_t *positions = rc == 0 ? positions_in(run->raw, body) : NULL;
    if (rc == 0)
        rc = gg_calls_wait_positions(served->calls->host, positions, err);
    struct gg_call call = {
        .args = run->args, .body = body, .raw = run->raw, .query = call_query, .impl = run, .arena = run->arena};
    if (rc == 0)
        rc = served->method->fn(served->self, &call, out, err);
    json_decref(positions);
    json_decref(body);
    return rc;
}

/* The answer as text, with our positions as its last member (but for a GET: rows of a stream need none). */
static char *write_answer(const struct run *run, const json_t *body, size_t *n_out)
{
    char *text = json_dumps(body, JSON_COMPACT);
    if (text == NULL || run->raw.s == NULL || !json_is_object(body)) {
        *n_out = text != NULL ? strlen(text) : 0;
        return text;
    }
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_add(&out, text, strlen(text) - 1);
    gg_buf_text(&out, json_object_size(body) > 0 ? ",\"_INT_STREAM_POS\":" : "\"_INT_STREAM_POS\":");
    gg_calls_write_positions(run->served->calls->host, true, &out);
    gg_buf_char(&out, '}');
    free(text);
    return gg_buf_steal(&out, n_out);
}

static void settle(struct run *run, int rc, const struct gg_error *err)
{
    struct gg_answer *answer = run->answer;
    answer->status = rc;
    answer->ended = true;
    answer->at = gg_now_ms();
    if (rc != 0) {
        answer->err = malloc(sizeof(*err));
        GG_ASSERT(answer->err != NULL);
        *answer->err = *err;
    }
    gg_cond_broadcast(&answer->done);
    if (is_kept(answer))
        answer->served->calls->kept_bytes += answer->n;
    /* What went wrong may go right next time: only successes and refusals are kept. */
    if (rc != 0 && err->http_status >= 500 && is_kept(answer))
        forget(answer);
}

static void run_free(struct run *run)
{
    answer_unref(run->answer);
    gg_arena_free(run->arena);
    free(run);
}

static void run_main(void *arg)
{
    struct run *run = arg;
    json_t *body = NULL;
    struct gg_error err = GG_ERROR_INIT;
    (void)gg_set_deadline(gg_deadline(MAX_RUN_MS));
    int rc = run_method(run, &body, &err);
    if (rc == 0 && body == NULL)
        body = json_object();
    if (rc == 0 && (run->answer->body = write_answer(run, body, &run->answer->n)) == NULL)
        rc = gg_fail(&err, GG_E_INTERNAL, "the answer of %s cannot be written as JSON", run->served->method->name);
    if (rc != 0)
        gg_info(&logger, "%s: %s", run->served->method->name, err.message);
    settle(run, rc, &err);
    json_decref(body);
    run_free(run);
}

/* ---- the request ---- */

static void copy_request(struct run *run, struct gg_request *rq)
{
    const struct gg_method *method = run->served->method;
    run->args = GG_NEW_ARRAY(run->arena, const char *, method->n_args + 1);
    for (uint32_t i = 0; i < method->n_args; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "a%u", i);
        run->args[i] = gg_arena_strdup(run->arena, gg_request_param(rq, name));
    }
    const char *query = strchr(gg_request_target(rq), '?');
    run->query = query != NULL ? gg_arena_strdup(run->arena, query + 1) : "";
    struct gg_str body = gg_request_body(rq);
    if ((method->flags & GG_METHOD_GET) == 0)
        run->raw = body.n > 0 ? gg_arena_str(run->arena, body) : GG_STR("");
}

static struct gg_answer *start(struct gg_served *served, struct gg_request *rq, const char *txn)
{
    struct run *run = calloc(1, sizeof(*run));
    GG_ASSERT(run != NULL);
    run->served = served;
    run->arena = gg_arena_new();
    run->answer = answer_new(served, txn);
    copy_request(run, rq);
    struct gg_answer *answer = run->answer;
    answer->refs++; /* ours, beside the fiber's */
    if (gg_spawn(served->calls->scope, served->method->name, run_main, run) == NULL) {
        struct gg_error err = GG_ERROR_INIT;
        int rc = gg_refuse(&err, 503, "M_UNKNOWN", "the process is stopping");
        settle(run, rc, &err);
        run_free(run);
    }
    return answer;
}

static int reply(struct gg_request *rq, const struct gg_answer *answer, struct gg_error *err)
{
    if (answer->status == 0)
        return gg_reply_text(rq, 200, "application/json", gg_strn(answer->body, answer->n));
    *err = *answer->err;
    return answer->status;
}

int gg_calls_handle(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_served *served = self;
    const char *txn = served->method->flags & GG_METHOD_TXN ? gg_request_param(rq, "txn") : NULL;
    if (txn != NULL && strlen(txn) > MAX_TXN)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "the transaction id is too long");
    forget_old(served->calls);
    struct gg_answer *answer = txn != NULL ? gg_map_get(served->answers, gg_str(txn)) : NULL;
    if (answer != NULL)
        answer->refs++;
    else
        answer = start(served, rq, txn);
    int rc = 0;
    while (rc == 0 && !answer->ended)
        rc = gg_cond_wait(&answer->done, GG_FOREVER);
    rc = answer->ended ? reply(rq, answer, err) : gg_fail(err, rc, "%s did not end in time", served->method->name);
    answer_unref(answer);
    return rc;
}
