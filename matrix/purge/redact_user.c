/* redact_user.c: messages and joins of a user are redacted one after the other; what is redacted already is passed over, so a
 * task that was stopped goes on. */
#include "purge/redact_user.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>

#include "accounts/accounts.h"

static struct gg_logger logger = {"ganglion.purge"};

enum { DEFAULT_LIMIT = 1000 };

int mx_redact_user_rooms(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, json_t **out,
                         struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT room_id FROM current_state_events WHERE type = 'm.room.member' AND state_key = $1 AND membership IN ('join', "
        "'ban') ORDER BY room_id",
        GG_LANE_SCAN};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status)
        return status;
    *out = json_array();
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        json_array_append_new(*out, json_stringn(gg_rows_str(rows, i, 0).s, gg_rows_str(rows, i, 0).n));
    return 0;
}

struct work {
    struct mx_server *server;
    struct mx_requester requester;
    struct gg_str user_id;
    const json_t *params;
    json_t *failed;
};

/* The newest ones that a redaction does not name yet. */
static const struct gg_stmt select_events = {
    "SELECT e.event_id FROM events e LEFT JOIN room_memberships m USING (event_id) WHERE e.room_id = $1 AND e.sender = $2 AND "
    "NOT e.outlier AND (e.type IN ('m.room.message', 'm.room.encrypted') OR (e.type = 'm.room.member' AND m.membership = "
    "'join')) AND ($3::bigint IS NULL OR e.received_ts <= $3) AND ($4::bigint IS NULL OR e.received_ts >= $4) AND NOT EXISTS "
    "(SELECT 1 FROM redactions r WHERE r.redacts = e.event_id) ORDER BY e.received_ts DESC LIMIT $5::bigint",
    GG_LANE_SCAN};

static struct gg_param number(const json_t *params, const char *key)
{
    const json_t *v = json_object_get(params, key);
    return json_is_integer(v) ? gg_p_i64(json_integer_value(v)) : gg_p_null();
}

static int redact_one(struct work *w, struct gg_str room_id, struct gg_str target, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf content = GG_BUF_INIT;
    struct gg_str reason = mx_text(w->params, "reason"), event_id;
    gg_buf_char(&content, '{');
    if (reason.n) {
        gg_buf_lit(&content, "\"reason\":");
        gg_buf_json_string(&content, reason);
    }
    gg_buf_char(&content, '}');
    struct mx_new_event event = {
        .room_id = room_id, .type = GG_STR("m.room.redaction"), .content = gg_buf_view(&content), .redacts = target};
    int status = mx_room_send(w->server, &w->requester, &event, arena, &event_id, NULL, err);
    gg_buf_done(&content);
    gg_arena_free(arena);
    return status;
}

static int redact_room(struct work *w, struct gg_str room_id, struct gg_error *err)
{
    const json_t *limit = json_object_get(w->params, "limit");
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(w->server->db, &select_events,
                            GG_PARAMS(gg_p_str(room_id), gg_p_str(w->user_id), number(w->params, "before_ts"),
                                      number(w->params, "after_ts"),
                                      gg_p_i64(json_is_integer(limit) ? json_integer_value(limit) : DEFAULT_LIMIT)),
                            arena, &rows, err);
    for (size_t i = 0; !status && i < gg_rows_count(rows); i++) {
        struct gg_error one = GG_ERROR_INIT;
        struct gg_str target = gg_rows_str(rows, i, 0);
        bool refused = redact_one(w, room_id, target, &one) != 0;
        if (gg_cancelled())
            status = gg_fail(err, GG_E_CANCELLED, "stopped");
        else if (refused)
            json_object_set_new(w->failed, gg_arena_strndup(arena, target.s, target.n), json_string(one.message));
    }
    gg_arena_free(arena);
    return status;
}

static int redact_rooms(struct work *w, struct gg_error *err)
{
    const json_t *rooms = json_object_get(w->params, "rooms");
    int status = 0;
    for (size_t i = 0; !status && i < json_array_size(rooms); i++) {
        const json_t *room = json_array_get(rooms, i);
        if (json_is_string(room))
            status = redact_room(w, gg_strn(json_string_value(room), json_string_length(room)), err);
    }
    return status;
}

/* The user redacts their own, unless they are of another server or the administrator is to do it (params.requester is what
 * Synapse writes of one). */
static void choose_requester(struct work *w, struct gg_arena *arena)
{
    struct gg_str admin = mx_text(json_object_get(w->params, "requester"), "user_id");
    bool by_admin = json_is_true(json_object_get(w->params, "use_admin")) || !mx_is_mine(w->server, w->user_id);
    struct gg_str who = by_admin && admin.s ? admin : w->user_id, localpart = mx_id_localpart(who);
    w->requester = (struct mx_requester){.user_id = gg_arena_strndup(arena, who.s, who.n),
                                         .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
}

static int run_task(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena, struct gg_str *result_out,
                    struct gg_error *err)
{
    json_t *params = task->params.s ? json_loadb(task->params.s, task->params.n, 0, NULL) : NULL;
    struct work w = {.server = server, .params = params, .user_id = mx_text(params, "user_id"), .failed = json_object()};
    int status = w.user_id.s ? 0 : gg_fail(err, GG_E_INVALID, "the task names no user");
    if (!status) {
        choose_requester(&w, arena);
        status = redact_rooms(&w, err);
    }
    if (!status) {
        json_t *result = json_pack("{sO}", "failed_redactions", w.failed);
        char *text = json_dumps(result, JSON_COMPACT);
        *result_out = gg_str(gg_arena_strdup(arena, text));
        gg_info(&logger, "what %.*s sent was redacted, but for %zu events", GG_FMT(w.user_id), json_object_size(w.failed));
        free(text);
        json_decref(result);
    }
    json_decref(w.failed);
    json_decref(params);
    return status;
}

int mx_redact_user(struct mx_server *server, struct gg_str user_id, const struct mx_requester *by, json_t *params,
                   char id_out[MX_TASK_ID + 1], struct gg_error *err)
{
    json_object_set_new(params, "requester",
                        json_pack("{ss sn sb sb ss? sn ss}", "user_id", by->user_id, "access_token_id", "is_guest", 0,
                                  "shadow_banned", 0, "device_id", by->device_id, "app_server_id", "authenticated_entity",
                                  by->user_id));
    if (json_is_null(json_object_get(params, "limit")))
        json_object_set_new(params, "limit", json_integer(DEFAULT_LIMIT));
    char *text = json_dumps(params, JSON_COMPACT);
    int status = mx_task_schedule(server, MX_REDACT_ALL_EVENTS, user_id, gg_str(text), 0, id_out, err);
    free(text);
    return status;
}

void mx_redact_user_make(struct mx_server *server)
{
    mx_task_on(server, MX_REDACT_ALL_EVENTS, run_task);
}
