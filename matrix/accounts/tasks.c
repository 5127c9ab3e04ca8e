/* tasks.c: telling the rooms of a changed profile, as a task in the database (facts replication 10.2): it survives a
 * restart, and the background process of either implementation can carry it out. */
#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>
#include <stdlib.h>

#include "accounts/accounts.h"
#include "storage/accounts_tasks.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { SCAN_MS = 60000, ID_LETTERS = 16 };

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

static int run_task(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_user_room *rooms;
    size_t n;
    int status = joined_rooms(server, task->user_id, arena, &rooms, &n, err);
    for (size_t i = 0; !status && i < n && !gg_cancelled(); i++) {
        if (task->last_room_id.s && gg_str_cmp(rooms[i].room_id, task->last_room_id) <= 0)
            continue;
        struct gg_error one = GG_ERROR_INIT;
        if (renew_join(server, task->user_id, rooms[i].room_id, arena, &one))
            gg_info(&logger, "the new profile of %.*s was not told in %.*s: %s", GG_FMT(task->user_id),
                    GG_FMT(rooms[i].room_id), one.message);
        status = mx_tasks_progress(server, task->id, rooms[i].room_id, err);
    }
    if (!status && gg_cancelled())
        return gg_fail(err, GG_E_CANCELLED, "the process ends");
    return status;
}

/* One after the other, until none is due. */
static void run_due(void *arg)
{
    struct mx_server *server = arg;
    struct gg_error err = GG_ERROR_INIT;
    for (bool more = true; more && !gg_cancelled();) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_task task;
        int status = mx_tasks_claim(server, arena, &task, &err);
        more = !status && task.id.s;
        if (more && !(status = run_task(server, &task, arena, &err)))
            status = mx_tasks_end(server, task.id, NULL, &err);
        else if (more && status != GG_E_CANCELLED)
            status = mx_tasks_end(server, task.id, err.message, &err);
        if (status && status != GG_E_CANCELLED)
            gg_warn(&logger, "telling rooms of a profile: %s", err.message);
        gg_arena_free(arena);
    }
    server->accounts->tasks_run = false;
}

static void wake(struct mx_server *server)
{
    struct mx_accounts *a = server->accounts;
    if (a->scope && !a->tasks_run && gg_host_runs_background(server->host))
        a->tasks_run = gg_spawn(a->scope, "profile tasks", run_due, server) != NULL;
}

static void on_new_task(void *self, const char *command, struct gg_str rest)
{
    wake(self);
}

static void scan_job(void *arg)
{
    wake(arg);
}

int mx_tasks_add_profile(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    char id[ID_LETTERS + 1];
    gg_random_text(id, ID_LETTERS, GG_LETTERS);
    int status = mx_tasks_insert(server, id, user_id, err);
    if (status)
        return status;
    if (gg_host_runs_background(server->host))
        wake(server);
    else
        gg_repl_send(server->host, "NEW_ACTIVE_TASK", gg_str(id));
    return 0;
}

void mx_tasks_make(struct mx_server *server)
{
    gg_repl_on_command(server->host, "NEW_ACTIVE_TASK", on_new_task, server);
    gg_host_every(server->host, "profile_tasks", SCAN_MS, true, scan_job, server);
}
