/* tasks.c: telling the rooms of a changed profile, as a task in the database (facts replication 10.2): it survives a
 * restart, and the background process of either implementation can carry it out. */
#include "tasks/tasks.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/rooms.h>
#include <stdlib.h>

#include "accounts/accounts.h"

static struct gg_logger logger = {"ganglion.accounts"};

#define ACTION "update_join_states"
#define LOCK "update_join_states_lock"

static int by_room_id(const void *a, const void *b)
{
    return gg_str_cmp(((const struct mx_user_room *)a)->room_id, ((const struct mx_user_room *)b)->room_id);
}

/* The rooms that the user is joined to, sorted, so that a task can go on where it stopped. */
static int joined_rooms(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                        struct mx_user_room **out, size_t *n_out, struct gg_error *err)
{
    const struct mx_user_room *all;
    size_t n;
    *n_out = 0;
    int status = mx_heads_rooms_of(server, user_id, arena, &all, &n, err);
    if (status)
        return status;
    *out = GG_NEW_ARRAY(arena, struct mx_user_room, n + 1);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(all[i].membership, "join"))
            (*out)[(*n_out)++] = all[i];
    qsort(*out, *n_out, sizeof **out, by_room_id);
    return 0;
}

/* Joining again with a content of its own (an empty one) writes the member event with the profile as it is now. */
static int renew_join(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct gg_str localpart = mx_id_localpart(user_id), event_id;
    struct mx_requester requester = {.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                     .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
    struct mx_membership_change change = {
        .room_id = room_id, .target = user_id, .membership = GG_STR("join"), .content = GG_STR("{}"), .action = "join"};
    return mx_room_membership(server, &requester, &change, arena, &event_id, err);
}

static int note_progress(struct mx_server *server, struct gg_str id, struct gg_str room_id, struct gg_error *err)
{
    struct gg_buf json = GG_BUF_INIT;
    gg_buf_lit(&json, "{\"last_room_id\":");
    gg_buf_json_string(&json, room_id);
    gg_buf_char(&json, '}');
    int status = mx_task_progress(server, id, gg_buf_view(&json), err);
    gg_buf_done(&json);
    return status;
}

static int run_task(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena,
                    struct gg_str *result_out, struct gg_error *err)
{
    struct gg_str last = task->result.s ? mx_json_string(mx_json_get(task->result, "last_room_id"), arena) : task->result;
    struct mx_user_room *rooms;
    size_t n;
    if (!task->resource_id.s)
        return gg_fail(err, GG_E_INVALID, "the task names no user");
    int status = joined_rooms(server, task->resource_id, arena, &rooms, &n, err);
    for (size_t i = 0; !status && i < n; i++) {
        if (last.s && gg_str_cmp(rooms[i].room_id, last) <= 0)
            continue;
        struct gg_error one = GG_ERROR_INIT;
        if (renew_join(server, task->resource_id, rooms[i].room_id, arena, &one))
            gg_info(&logger, "the new profile of %.*s was not told in %.*s: %s", GG_FMT(task->resource_id),
                    GG_FMT(rooms[i].room_id), one.message);
        if (gg_cancelled())
            return gg_fail(err, GG_E_CANCELLED, "stopped");
        status = note_progress(server, task->id, rooms[i].room_id, err);
    }
    return status;
}

int mx_tasks_add_profile(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct gg_lock *lock = NULL;
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf params = GG_BUF_INIT;
    gg_buf_lit(&params, "{\"requester_authenticated_entity\":");
    gg_buf_json_string(&params, user_id);
    gg_buf_char(&params, '}');
    /* At most one task of a user lives: a newer profile makes an older task pointless. */
    int status = gg_lock_acquire(server->host, LOCK, gg_arena_strndup(arena, user_id.s, user_id.n), &lock, err);
    if (!status)
        status = mx_task_cancel_all(server, ACTION, user_id, err);
    if (!status)
        status = mx_task_schedule(server, ACTION, user_id, gg_buf_view(&params), 0, NULL, err);
    gg_lock_release(lock);
    gg_buf_done(&params);
    gg_arena_free(arena);
    return status;
}

void mx_tasks_make(struct mx_server *server)
{
    mx_task_on(server, ACTION, run_task);
}
