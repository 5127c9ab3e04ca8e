/* delayed/requests.c: what may be done with delayed events, on any process. */
#include "delayed/delayed.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/topology.h>
#include <jansson.h>
#include <stdio.h>

enum { ID_LETTERS = 20 };

int64_t mx_delay_most_ms(const struct gg_config *config)
{
    return gg_config_set(config, "max_event_delay_duration") ? gg_config_int(config, "max_event_delay_duration") : 0;
}

int64_t mx_delay_limit(const struct gg_config *config)
{
    return mx_delay_most_ms(config) > 0 ? gg_config_int(config, "experimental_features.msc4140_max_delayed_events_per_user") : 0;
}

static int check(struct mx_server *server, const struct mx_new_event *event, int64_t delay_ms, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_head *head;
    int64_t most = mx_delay_most_ms(server->config);
    if (mx_delay_limit(server->config) <= 0)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Sending delayed events has been disallowed");
    if (delay_ms > most)
        return gg_refuse(err, 400, "ORG.MATRIX.MSC4140_DELAY_TOO_LARGE", "The requested delay (%lldms) exceeds the allowed maximum (%lldms)",
                         (long long)delay_ms, (long long)most);
    if (event->type.n > MX_ID_MAX || event->state_key.n > MX_ID_MAX)
        return gg_refuse(err, 400, "M_BAD_JSON", "The type or the state key is too long");
    if (event->state_key.s != NULL && gg_str_is(event->type, "m.room.member") &&
        mx_json_string(mx_json_get(event->content, "membership"), arena).s == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "Content of m.room.member needs a membership");
    return mx_heads_get(server, event->room_id, arena, &head, err);
}

static int refuse_more(int64_t free_at_ms, struct gg_error *err)
{
    char text[32];
    int64_t wait = free_at_ms - gg_wall_ms();
    int rc = gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "The maximum number of delayed events has been reached.");
    snprintf(text, sizeof(text), "%lld", (long long)wait);
    if (wait > 0)
        gg_error_extra(err, "retry_after_ms", text);
    return rc;
}

/* The event is kept already: main finds it at its next look if it cannot be told now. */
static void tell_main(struct mx_server *server, int64_t due_ms)
{
    static const char *const args[] = {NULL};
    struct gg_error err = GG_ERROR_INIT;
    json_t *answer = NULL, *body = NULL;
    if (gg_host_is_main(server->host)) {
        mx_delaying_wake(server);
        return;
    }
    body = json_pack("{sI}", "next_send_ts", (json_int_t)due_ms);
    if (gg_repl_call(server->host, GG_MASTER, "added_delayed_event", args, body, &answer, &err) != 0)
        err = (struct gg_error)GG_ERROR_INIT;
    json_decref(answer);
    json_decref(body);
}

int mx_delay(struct mx_server *server, const struct mx_requester *requester, const struct mx_new_event *event, int64_t delay_ms,
             struct gg_arena *arena, struct gg_str *id_out, struct gg_error *err)
{
    char id[sizeof("syd_") + ID_LETTERS] = "syd_";
    struct mx_delayed delayed = {.localpart = gg_str(requester->localpart), .device_id = gg_str(requester->device_id),
                                 .room_id = event->room_id, .type = event->type, .state_key = event->state_key,
                                 .content = event->content, .delay_ms = delay_ms, .send_ts = gg_wall_ms() + delay_ms,
                                 .origin_server_ts = event->origin_server_ts};
    int64_t free_at = 0;
    int rc = check(server, event, delay_ms, arena, err);
    gg_random_text(id + 4, ID_LETTERS, GG_LETTERS);
    delayed.id = *id_out = gg_str(gg_arena_strdup(arena, id));
    if (rc == 0)
        rc = mx_delayed_insert(server, &delayed, mx_delay_limit(server->config), &free_at, err);
    if (rc != 0 || free_at != 0)
        return rc != 0 ? rc : refuse_more(free_at, err);
    tell_main(server, delayed.send_ts);
    return 0;
}

static int found(int rc, bool known, struct gg_error *err)
{
    return rc != 0 || known ? rc : gg_refuse(err, 404, "M_NOT_FOUND", "Delayed event not found");
}

int mx_delay_restart(struct mx_server *server, struct gg_str id, struct gg_error *err)
{
    bool known = false;
    int rc = mx_delayed_restart(server, id, &known, err);
    return found(rc, known, err);
}

int mx_delay_cancel(struct mx_server *server, struct gg_str id, struct gg_error *err)
{
    bool known = false;
    int rc = mx_delayed_delete(server, id, &known, err);
    return found(rc, known, err);
}

int mx_delay_send(struct mx_server *server, struct gg_str id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_delayed *event;
    size_t n = 0;
    int rc = mx_delayed_claim(server, id, arena, &event, &n, err);
    rc = found(rc, n > 0, err);
    if (rc == 0)
        rc = mx_delayed_send_claimed(server, event, event->origin_server_ts, arena, err);
    gg_arena_free(arena);
    return rc;
}

/* Rows are all that there is of them, so that the main process need not be asked. */
int mx_delay_cancel_all(struct mx_server *server, struct gg_str localpart, struct gg_error *err)
{
    return mx_delayed_delete_of_user(server, localpart, err);
}
