/* room.c: rooms end: local users leave, are told where to go, and the room's rows go. Each step may have been done before
 * by a process that was killed. */
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>
#include <ganglion/matrix/store.h>

#include "accounts/accounts.h"
#include "purge/purge.h"
#include "rooms/blocked.h"
#include "rooms/create.h"
#include "rooms/forget.h"
#include "storage/directory.h"
#include "storage/purge/purge.h"
#include "storage/purge/shutdown.h"

static struct gg_logger logger = {"ganglion.purge"};

#define DEFAULT_NAME "Content Violation Notification"
#define DEFAULT_MESSAGE                                                                                                \
    "Sharing illegal content on this server is not permitted and rooms in violation will be blocked."
#define EVENTS_LOCK "new_event_during_purge_lock"
#define PAGES_LOCK "purge_pagination_lock"

/* ---- the end of a room for its local users ---- */

struct shutdown {
    struct mx_server *server;
    struct gg_str room_id;
    struct gg_str by, new_user, new_name, message, new_room; /* s NULL: none */
    json_t *result;
    mx_shutdown_note_fn *note;
    void *arg;
};

json_t *mx_room_shutdown_result(void)
{
    return json_pack("{s[] s[] s[] sn}", "kicked_users", "failed_to_kick_users", "local_aliases", "new_room_id");
}

static int note(const struct shutdown *s, struct gg_error *err)
{
    return s->note ? s->note(s->arg, s->result, err) : 0;
}

static struct mx_requester requester_of(struct gg_str user_id, struct gg_arena *arena)
{
    struct gg_str localpart = mx_id_localpart(user_id);
    return (struct mx_requester){.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                 .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
}

static void add_member(struct gg_buf *out, const char *key, struct gg_str value)
{
    gg_buf_printf(out, "\"%s\":", key);
    gg_buf_json_string(out, value);
}

static int make_new_room(struct shutdown *s, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_requester requester = requester_of(s->new_user, arena);
    struct gg_buf body = GG_BUF_INIT;
    struct gg_str alias;
    gg_buf_lit(&body, "{\"preset\":\"public_chat\",\"power_level_content_override\":{\"users_default\":-10},");
    add_member(&body, "name", s->new_name);
    gg_buf_char(&body, '}');
    int status = mx_room_create(s->server, &requester, gg_buf_view(&body), arena, &s->new_room, &alias, err);
    gg_buf_done(&body);
    if (status)
        return status;
    json_object_set_new(s->result, "new_room_id", json_stringn(s->new_room.s, s->new_room.n));
    return note(s, err);
}

static int set_membership(struct shutdown *s, struct gg_str user_id, struct gg_str room_id, const char *membership,
                          const char *action, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_requester requester = requester_of(user_id, arena);
    struct mx_membership_change change = {
        .room_id = room_id, .target = user_id, .membership = gg_str(membership), .action = action};
    struct gg_str event_id;
    return mx_room_membership(s->server, &requester, &change, arena, &event_id, err);
}

static int move(struct shutdown *s, struct gg_str user_id, bool joined, struct gg_arena *arena, struct gg_error *err)
{
    int status = set_membership(s, user_id, s->room_id, "leave", "leave", arena, err);
    if (!status)
        status = mx_room_forget(s->server, user_id, s->room_id, err);
    if (!status && joined && s->new_room.s && !gg_str_eq(user_id, s->new_user))
        status = set_membership(s, user_id, s->new_room, "join", "join", arena, err);
    return status;
}

static int move_users(struct shutdown *s, struct gg_error *err)
{
    struct gg_arena *users = gg_arena_new();
    struct gg_rows *rows;
    int status = mx_shutdown_members(s->server, s->room_id, users, &rows, err);
    for (size_t i = 0; !status && i < gg_rows_count(rows); i++) {
        struct gg_str user_id = gg_rows_str(rows, i, 0);
        struct gg_arena *arena = gg_arena_new();
        struct gg_error one = GG_ERROR_INIT;
        int moved = move(s, user_id, gg_str_is(gg_rows_str(rows, i, 1), "join"), arena, &one);
        gg_arena_free(arena);
        if (gg_cancelled()) {
            status = gg_fail(err, GG_E_CANCELLED, "stopped");
            break;
        }
        if (moved)
            gg_warn(&logger, "%.*s could not leave %.*s: %s", GG_FMT(user_id), GG_FMT(s->room_id), one.message);
        json_array_append_new(json_object_get(s->result, moved ? "failed_to_kick_users" : "kicked_users"),
                              json_stringn(user_id.s, user_id.n));
        status = note(s, err);
    }
    gg_arena_free(users);
    return status;
}

static int tell(struct shutdown *s, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_requester requester = requester_of(s->new_user, arena);
    struct gg_buf content = GG_BUF_INIT;
    struct gg_str event_id;
    gg_buf_lit(&content, "{\"msgtype\":\"m.text\",");
    add_member(&content, "body", s->message);
    gg_buf_char(&content, '}');
    struct mx_new_event event = {
        .room_id = s->new_room, .type = GG_STR("m.room.message"), .content = gg_buf_view(&content)};
    int status = mx_room_send(s->server, &requester, &event, arena, &event_id, NULL, err);
    gg_buf_done(&content);
    return status;
}

static int move_aliases(struct shutdown *s, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *aliases;
    size_t n;
    int status = mx_directory_aliases_of(s->server, s->room_id, arena, &aliases, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        json_array_append_new(json_object_get(s->result, "local_aliases"), json_stringn(aliases[i].s, aliases[i].n));
    if (!status)
        status = mx_shutdown_move_aliases(s->server, s->room_id, s->new_room, s->by, err);
    return status ? status : note(s, err);
}

static int shut(struct shutdown *s, struct gg_arena *arena, struct gg_error *err)
{
    int status = s->new_user.s && !s->new_room.s ? make_new_room(s, arena, err) : 0;
    if (!status)
        status = move_users(s, err);
    if (status || !s->new_user.s)
        return status;
    status = tell(s, arena, err);
    return status ? status : move_aliases(s, arena, err);
}

int mx_room_shutdown(struct mx_server *server, struct gg_str room_id, const json_t *params, json_t *result,
                     mx_shutdown_note_fn *note_fn, void *arg, struct gg_error *err)
{
    struct shutdown s = {.server = server, .room_id = room_id, .result = result, .note = note_fn, .arg = arg,
                         .by = mx_text(params, "requester_user_id"),
                         .new_user = mx_text(params, "new_room_user_id"),
                         .new_name = mx_text(params, "new_room_name"),
                         .message = mx_text(params, "message"),
                         .new_room = mx_text(result, "new_room_id")};
    const struct mx_room_version *version;
    if (!s.new_name.n)
        s.new_name = GG_STR(DEFAULT_NAME);
    if (!s.message.n)
        s.message = GG_STR(DEFAULT_MESSAGE);
    if (s.new_user.s && !mx_is_mine(server, s.new_user))
        return gg_refuse(err, 400, "M_UNKNOWN", "User must be our own: %.*s", GG_FMT(s.new_user));
    int status = json_is_true(json_object_get(params, "block")) ? mx_room_block(server, room_id, s.by, err) : 0;
    if (!status)
        status = mx_store_room_version(server, room_id, &version, err);
    if (status == GG_E_NOT_FOUND) {
        *err = (struct gg_error){0};
        return 0; /* not known here: nothing to leave */
    }
    struct gg_arena *arena = gg_arena_new();
    if (!status)
        status = shut(&s, arena, err);
    gg_arena_free(arena);
    return status;
}

/* ---- its rows ---- */

static int until_none(struct mx_server *server, struct gg_str room_id,
                      int (*some)(struct mx_server *, struct gg_str, int64_t *, struct gg_error *), struct gg_error *err)
{
    enum { PAUSE_MS = 5 };
    int64_t n = 1;
    int status = 0;
    while (!status && n) {
        status = some(server, room_id, &n, err);
        if (!status && n && gg_sleep(PAUSE_MS))
            status = gg_fail(err, GG_E_CANCELLED, "stopped");
    }
    return status;
}

static int purge_locked(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    int status = mx_purge_room_members(server, room_id, err);
    if (!status)
        status = until_none(server, room_id, mx_purge_room_events, err);
    if (!status)
        status = until_none(server, room_id, mx_purge_room_groups, err);
    return status ? status : mx_purge_room_end(server, room_id, err);
}

int mx_purge_room(struct mx_server *server, struct gg_str room_id, bool force, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const char *key = gg_arena_strndup(arena, room_id.s, room_id.n);
    struct gg_lock *events = NULL, *pages = NULL;
    bool known, inhabited;
    int status = mx_shutdown_known(server, room_id, &known, &inhabited, err);
    if (!status && !known)
        status = gg_refuse(err, 404, "M_NOT_FOUND", "Room not found");
    if (!status && inhabited && !force)
        status = gg_refuse(err, 400, "M_UNKNOWN", "Users are still joined to this room");
    if (!status)
        status = gg_rwlock_acquire(server->host, EVENTS_LOCK, key, true, &events, err);
    if (!status)
        status = gg_rwlock_acquire(server->host, PAGES_LOCK, key, true, &pages, err);
    if (!status)
        status = purge_locked(server, room_id, err);
    if (!status)
        gg_info(&logger, "room %s was purged", key);
    gg_lock_release(pages);
    gg_lock_release(events);
    gg_arena_free(arena);
    return status;
}

/* ---- tasks ---- */

struct running {
    struct mx_server *server;
    const struct mx_task *task;
};

static int keep_result(void *arg, json_t *result, struct gg_error *err)
{
    const struct running *r = arg;
    char *text = json_dumps(result, JSON_COMPACT);
    int status = mx_task_progress(r->server, r->task->id, gg_str(text), err);
    free(text);
    return status;
}

static int run_shutdown(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena,
                        struct gg_str *result_out, struct gg_error *err)
{
    struct running r = {server, task};
    json_t *params = task->params.s ? json_loadb(task->params.s, task->params.n, 0, NULL) : NULL;
    json_t *result = task->result.s ? json_loadb(task->result.s, task->result.n, 0, NULL) : NULL;
    int status = 0;
    if (!task->resource_id.s || !json_is_object(params))
        status = gg_fail(err, GG_E_INVALID, "No room id and/or no parameters passed to shutdown_and_purge_room task");
    if (!json_is_object(result)) {
        json_decref(result);
        result = mx_room_shutdown_result();
    }
    if (!status)
        status = mx_room_shutdown(server, task->resource_id, params, result, keep_result, &r, err);
    if (!status)
        status = keep_result(&r, result, err);
    if (!status && json_is_true(json_object_get(params, "purge")))
        status = mx_purge_room(server, task->resource_id, json_is_true(json_object_get(params, "force_purge")), err);
    if (status == GG_E_NOT_FOUND && json_is_true(json_object_get(params, "block"))) {
        *err = (struct gg_error){0}; /* a room that nobody here ever knew can be blocked */
        status = 0;
    }
    json_decref(params);
    json_decref(result);
    return status;
}

static int run_purge(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena, struct gg_str *result_out,
                     struct gg_error *err)
{
    return task->resource_id.s ? mx_purge_room(server, task->resource_id, false, err)
                               : gg_fail(err, GG_E_INVALID, "No room id passed to purge_room task");
}

void mx_purge_room_make(struct mx_server *server)
{
    mx_task_on(server, MX_SHUTDOWN_AND_PURGE_ROOM, run_shutdown);
    mx_task_on(server, MX_PURGE_ROOM, run_purge);
}
