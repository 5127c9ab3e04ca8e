/* matrix/e2ee/remote_ask.c: many servers asked at once. */
#include "e2ee/remote_ask.h"

#include "e2ee/remote_devices.h"
#include "federation/backoff.h"
#include "federation/client.h"
#include "federation/fan_out.h"

#include <ganglion/matrix/id.h>

enum { WIDTH = 32, TOTAL_MAX = 64 << 20, FIRST_CAP = 8 };

static void free_map(void *map)
{
    gg_map_free(map);
}

void mx_remote_asks_begin(struct mx_remote_asks *asks, struct gg_arena *arena)
{
    *asks = (struct mx_remote_asks){.places = gg_map_new(NULL), .arena = arena};
    gg_arena_defer(arena, free_map, asks->places);
}

static void *grown(struct gg_arena *arena, const void *v, size_t n, size_t *cap, size_t size)
{
    *cap = *cap ? *cap * 2 : FIRST_CAP;
    char *more = gg_arena_array(arena, *cap, size);
    if (n > 0)
        memcpy(more, v, n * size);
    return more;
}

void mx_remote_asks_add(struct mx_remote_asks *asks, struct gg_str user_id, size_t item)
{
    struct gg_str domain = mx_id_domain(user_id);
    if (domain.s == NULL)
        return;
    size_t at = (size_t)(uintptr_t)gg_map_get(asks->places, domain);
    if (at == 0) {
        if (asks->n == asks->cap)
            asks->v = grown(asks->arena, asks->v, asks->n, &asks->cap, sizeof(*asks->v));
        asks->v[asks->n] = (struct mx_remote_ask){.domain = domain};
        gg_map_put(asks->places, domain, (void *)(uintptr_t)(at = ++asks->n));
    }
    struct mx_remote_ask *ask = &asks->v[at - 1];
    if (ask->n == ask->cap)
        ask->items = grown(asks->arena, ask->items, ask->n, &ask->cap, sizeof(*ask->items));
    ask->items[ask->n++] = item;
}

/* ---- asking ---- */

struct run {
    struct mx_server *server;
    struct mx_remote_asks *asks;
    const char *path;
    int64_t deadline;
    size_t spent; /* bytes of all answers */
};

/* As Synapse tells clients. */
static void failed(struct mx_remote_ask *ask, int status, const char *message)
{
    ask->answer = (struct gg_str){0};
    ask->status = status;
    ask->message = message;
}

static void judge(struct run *run, struct mx_remote_ask *ask, const struct mx_fed_answer *answer)
{
    struct gg_arena *arena = run->asks->arena;
    run->spent += answer->body.n;
    if (answer->status >= 300)
        failed(ask, answer->status, gg_arena_printf(arena, "%d: the server refused", answer->status));
    else if (!mx_json_is_object(answer->body))
        failed(ask, 503, "the answer is no object");
    else
        ask->answer = answer->body;
}

static void ask_nth(void *arg, size_t i)
{
    struct run *run = arg;
    struct mx_remote_ask *ask = &run->asks->v[i];
    struct gg_arena *arena = run->asks->arena;
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fed_answer answer;
    int64_t left = run->deadline - gg_now_ms();
    if (ask->body.s == NULL)
        return;
    if (left <= 0 || run->spent >= TOTAL_MAX) {
        failed(ask, 503, left <= 0 ? "no time is left" : "other servers have said too much");
        return;
    }
    const struct mx_fed_request request = {.destination = gg_arena_strndup(arena, ask->domain.s, ask->domain.n), .method = "POST",
                                           .path = run->path, .body = ask->body, .timeout_ms = left,
                                           .max_answer = MX_REMOTE_ANSWER_MAX};
    if (mx_fed_in_backoff(run->server, request.destination))
        failed(ask, 503, "Not ready for retry");
    else if (mx_fed_fetch(run->server, &request, arena, &answer, &err) == 0)
        judge(run, ask, &answer);
    else if (err.code == GG_E_FORBIDDEN)
        failed(ask, 403, "Federation Denied");
    else
        failed(ask, 503, gg_arena_strdup(arena, err.message));
}

void mx_remote_asks_run(struct mx_server *server, struct mx_remote_asks *asks, const char *path, int64_t deadline)
{
    struct run run = {.server = server, .asks = asks, .path = path, .deadline = deadline};
    mx_fan_out("keys of others", asks->n, WIDTH, deadline, ask_nth, &run);
}

void mx_remote_asks_failures(const struct mx_remote_asks *asks, struct gg_buf *out)
{
    for (size_t i = 0; i < asks->n; i++) {
        const struct mx_remote_ask *ask = &asks->v[i];
        if (ask->status == 0)
            continue;
        gg_buf_text(out, out->n > 0 ? "," : "");
        gg_buf_json_string(out, ask->domain);
        gg_buf_printf(out, ":{\"status\":%d,\"message\":", ask->status);
        gg_buf_json_string(out, gg_str(ask->message));
        gg_buf_char(out, '}');
    }
}
