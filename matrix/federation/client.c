/* client.c: requests to other servers: whether to ask, signatures, retries, and what an answer says of the server. */
#include "federation/client_part.h"
#include "federation/request_auth.h"
#include "json/refusal.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/metrics.h>
#include <stdio.h>
#include <strings.h>

static struct gg_logger logger = {"ganglion.federation.client"};

static struct gg_metric requests = {.name = "synapse_http_matrixfederationclient_requests",
                                    .help = "Requests sent to other servers, each attempt",
                                    .type = GG_COUNTER, .label = {"method"}};
static struct gg_metric responses = {.name = "synapse_http_matrixfederationclient_responses",
                                     .help = "Answers of other servers",
                                     .type = GG_COUNTER, .label = {"method", "code"}};

enum { MAX_DEPTH = 1000, MAX_KEYS = 8, MAX_BODY_HERE = 1 << 20 };

/* ---- paths ---- */

const char *mx_fed_path(struct gg_arena *arena, const char *format, ...)
{
    struct gg_buf out = GG_BUF_INIT;
    va_list ap;
    va_start(ap, format);
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            gg_buf_char(&out, *at);
        } else if (*++at == 's') {
            gg_buf_urlencode(&out, gg_str(va_arg(ap, const char *)));
        } else if (strncmp(at, "lld", 3) == 0) {
            gg_buf_i64(&out, va_arg(ap, long long));
            at += 2;
        } else {
            gg_buf_char(&out, *at);
        }
    }
    va_end(ap);
    const char *path = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return path;
}

/* ---- whom we ask ---- */

bool mx_fed_allowed(const struct mx_server *server, struct gg_str name)
{
    const struct gg_map *whitelist = server->fed_client->whitelist;
    return !whitelist || gg_map_has(whitelist, name);
}

static int may_ask(struct mx_server *server, const struct mx_fed_request *request, struct mx_fed_timings *known,
                   struct gg_error *err)
{
    const char *name = request->destination;
    if (strcmp(name, server->name) == 0)
        return gg_fail(err, GG_E_INVALID, "this server does not ask itself");
    if (!mx_server_name_valid(gg_str(name)) || !mx_fed_allowed(server, gg_str(name)))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Federation denied with %s.", name);
    int status = mx_fed_timings_of(server, gg_str(name), known, err);
    if (status)
        return status;
    if (request->ignore_backoff || known->last_ts + known->interval <= gg_wall_ms())
        return 0;
    gg_refuse(err, 502, "M_UNKNOWN", "%s could not be reached lately and is not asked now", name);
    return err->code = GG_E_UNAVAILABLE;
}

/* ---- what is sent ---- */

static int canonical_body(const struct mx_fed_request *request, struct gg_arena *arena, struct gg_str *out,
                          struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    struct mx_json *tree;
    *out = request->body;
    if (!out->s || request->canonical)
        return 0;
    int status = mx_json_parse(request->body, MAX_DEPTH, arena, &tree, err);
    if (status)
        return status;
    mx_json_canonical(&text, tree);
    *out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return 0;
}

static void fill_headers(struct mx_server *server, const struct mx_fed_request *request, const char *path,
                         struct gg_str body, struct gg_arena *arena, const char **out)
{
    size_t n = 0;
    out[n++] = server->fed_client->user_agent;
    if (body.s)
        out[n++] = "Content-Type: application/json";
    for (size_t i = 0; i < server->n_keys && i < MAX_KEYS; i++)
        out[n++] = mx_fed_authorization(server->name, &server->keys[i], "destination", request->destination, request->method,
                                        path, body, arena);
    out[n] = NULL;
}

/* ---- one attempt ---- */

struct attempt {
    struct mx_server *server;
    const struct mx_fed_request *request;
    const char *path; /* with a slash at its end for old peers, the second time */
    struct gg_str body;
    struct gg_arena *arena; /* of this attempt */
    struct mx_fed_answer answer;
};

static int try_once(struct attempt *a, struct gg_error *err)
{
    const struct mx_fed_request *request = a->request;
    struct mx_fed_client *client = a->server->fed_client;
    const char *headers[MAX_KEYS + 3];
    struct gg_client_answer answer;
    char code[16];
    fill_headers(a->server, request, a->path, a->body, a->arena, headers);
    struct mx_fed_exchange exchange = {.destination = request->destination, .method = request->method, .path = a->path,
                                       .headers = headers, .body = a->body, .max_answer = request->max_answer,
                                       .sink = request->sink};
    int64_t own = gg_deadline(request->timeout_ms ? request->timeout_ms : client->timeout_ms);
    int64_t before = gg_set_deadline(own < gg_get_deadline() ? own : gg_get_deadline());
    gg_metric_add(&requests, 1, GG_LABELS(request->method));
    int status = mx_fed_exchange(client, &exchange, a->arena, &answer, err);
    gg_set_deadline(before);
    if (status)
        return status;
    snprintf(code, sizeof(code), "%d", answer.status);
    gg_metric_add(&responses, 1, GG_LABELS(request->method, code));
    a->answer = (struct mx_fed_answer){.status = answer.status, .body = answer.body, .content_type = answer.content_type,
                                        .head = answer.head, .redirect = answer.redirect};
    return 0;
}

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

static bool is_passing(int status) /* may be better in a while */
{
    return status == 429 || status >= 500;
}

static bool wants_slash(const struct attempt *a, const char *path)
{
    struct gg_str errcode = mx_json_get(a->answer.body, "errcode");
    return a->answer.status == 400 && a->path == path && gg_str_is(errcode, "\"M_UNRECOGNIZED\"");
}

/* Synapse of old wanted a slash where there was to be none, and said so with a 400. */
static const char *slashed(struct gg_arena *arena, const char *path)
{
    size_t n = strcspn(path, "?");
    return gg_arena_printf(arena, "%.*s/%s", (int)n, path, path + n);
}

/* ---- again and again ---- */

static int64_t pause_ms(const struct mx_fed_client *client, bool long_retries, int64_t done)
{
    double ms = long_retries ? 4000 : 500, most = (double)(long_retries ? client->long_delay_ms : client->short_delay_ms);
    uint32_t bits;
    for (int64_t i = 0; i < done && ms < most; i++)
        ms *= long_retries ? 4 : 2;
    gg_random_bytes(&bits, sizeof(bits));
    return (int64_t)((ms < most ? ms : most) * (0.8 + 0.6 * (bits / (double)UINT32_MAX)));
}

static int64_t retries_of(const struct mx_fed_client *client, const struct mx_fed_request *request)
{
    if (request->timeout_ms)
        return 0;
    return request->long_retries ? client->long_retries : client->short_retries;
}

static bool may_retry(int status)
{
    return status == GG_E_UNAVAILABLE || status == GG_E_CLOSED || status == GG_E_TIMEOUT || status == GG_E_PROTOCOL;
}

/* The caller's own time is over: that says nothing of the server. */
static bool is_ours(int status)
{
    return status == GG_E_CANCELLED || (status == GG_E_TIMEOUT && gg_get_deadline() <= gg_now_ms());
}

static int attempts(struct attempt *a, struct gg_error *err)
{
    struct mx_fed_client *client = a->server->fed_client;
    const struct mx_fed_request *request = a->request;
    int64_t left = retries_of(client, request);
    int status;
    for (int64_t done = 0;;) {
        *err = (struct gg_error)GG_ERROR_INIT;
        status = try_once(a, err);
        if (!status && wants_slash(a, request->path)) {
            a->path = slashed(a->arena, request->path);
            continue;
        }
        bool again = status ? may_retry(status) && !is_ours(status) : is_passing(a->answer.status);
        if (!again || done == left)
            return status;
        gg_debug(&logger, "%s %s%s: %s; trying again", request->method, request->destination, a->path,
                 status ? err->message : "it is busy or broken");
        if (mx_fed_sleep(a->server, request->destination, pause_ms(client, request->long_retries, done++)))
            return status; /* what it was, not that there is no time left */
        if (a->path == request->path)
            gg_arena_reset(a->arena);
    }
}

/* ---- what it says of the server ---- */

static void judge(const struct attempt *a, int status, const struct mx_fed_timings *known)
{
    const struct mx_fed_request *request = a->request;
    int code = status ? 0 : a->answer.status;
    if (is_ours(status))
        return;
    if (is_success(code) || status == GG_E_LIMIT) {
        mx_fed_worked(a->server, request->destination, known);
        return;
    }
    bool bad = status || is_passing(code) || code == 401 || (code == 404 && request->backoff_on_404) || request->backoff_on_any;
    if (bad && !request->ignore_backoff)
        mx_fed_failed(a->server, request->destination, known);
}

struct check {
    struct gg_str text;
    struct gg_error err;
    int status;
};

static void check_json(void *arg)
{
    struct check *check = arg;
    check->status = mx_json_check(check->text, MAX_DEPTH, &check->err);
}

/* A success must be JSON. Large ones are looked at off the loop. */
static int check_answer(const struct mx_fed_request *request, const struct mx_fed_answer *answer, struct gg_error *err)
{
    struct check check = {.text = answer->body};
    static const char json[] = "application/json";
    if (!is_success(answer->status) || request->sink)
        return 0;
    bool typed = answer->content_type.n >= sizeof(json) - 1 && strncasecmp(answer->content_type.s, json, sizeof(json) - 1) == 0;
    int status = typed && answer->body.n > MAX_BODY_HERE ? gg_offload(check_json, &check) : (check_json(&check), 0);
    if (status)
        return gg_fail(err, status, "too much to check at once");
    if (typed && !check.status)
        return 0;
    gg_info(&logger, "%s %s%s: the answer is no JSON (%.*s)", request->method, request->destination, request->path,
            GG_FMT(answer->content_type));
    gg_refuse(err, 502, "M_UNKNOWN", "The answer of %s is no JSON", request->destination);
    return err->code = GG_E_PROTOCOL;
}

static int unreachable(const struct mx_fed_request *request, int status, struct gg_error *err)
{
    if (is_ours(status) || status == GG_E_NOMEM || status == GG_E_INTERNAL)
        return status;
    gg_info(&logger, "%s %s%s failed: %s", request->method, request->destination, request->path, err->message);
    if (status == GG_E_FORBIDDEN)
        return gg_refuse(err, 403, "M_FORBIDDEN", "IP address blocked");
    if (status == GG_E_LIMIT)
        gg_refuse(err, 502, "M_TOO_LARGE", "The answer of %s is too large", request->destination);
    else
        gg_refuse(err, 502, "M_UNKNOWN", "%s could not be reached", request->destination);
    return err->code = status == GG_E_LIMIT ? status : GG_E_UNAVAILABLE;
}

static void free_arena(void *arena)
{
    gg_arena_free(arena);
}

int mx_fed_fetch(struct mx_server *server, const struct mx_fed_request *request, struct gg_arena *arena,
                 struct mx_fed_answer *out, struct gg_error *err)
{
    struct attempt a = {.server = server, .request = request, .path = request->path};
    struct mx_fed_timings known;
    memset(out, 0, sizeof(*out));
    int status = may_ask(server, request, &known, err);
    if (!status)
        status = canonical_body(request, arena, &a.body, err);
    if (status)
        return status;
    a.arena = gg_arena_new();
    gg_arena_defer(arena, free_arena, a.arena); /* the answer lives in it */
    status = attempts(&a, err);
    judge(&a, status, &known);
    if (status)
        return unreachable(request, status, err);
    *out = a.answer;
    return check_answer(request, out, err);
}

/* What else the refusal says: the room version that it is about, when to come again. */
static void add_others(struct gg_str object, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_json_iter it = mx_json_iter(object);
    while (mx_json_is_object(object) && mx_json_next(&it))
        if (!mx_json_key_is(it.key, "errcode") && !mx_json_key_is(it.key, "error"))
            gg_error_extra(err, gg_arena_strndup(arena, it.key.s, it.key.n), gg_arena_strndup(arena, it.value.s, it.value.n));
}

int mx_fed_refused(const struct mx_fed_request *request, const struct mx_fed_answer *answer, struct gg_arena *arena,
                   struct gg_error *err)
{
    struct gg_error bad = GG_ERROR_INIT;
    const char *text = gg_arena_printf(arena, "%s answered with status %d", request->destination, answer->status);
    int rc = mx_refusal_relay(answer->status, answer->body, text, arena, err);
    if (strcmp(err->errcode, "M_UNKNOWN") != 0 && mx_json_check(answer->body, MAX_DEPTH, &bad) == 0)
        add_others(answer->body, arena, err);
    return rc;
}

int mx_fed_call(struct mx_server *server, const struct mx_fed_request *request, struct gg_arena *arena,
                struct gg_str *body_out, struct gg_error *err)
{
    struct mx_fed_answer answer;
    int status = mx_fed_fetch(server, request, arena, &answer, err);
    if (status)
        return status;
    *body_out = answer.body;
    return is_success(answer.status) ? 0 : mx_fed_refused(request, &answer, arena, err);
}
