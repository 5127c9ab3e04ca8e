/* deactivate.c: ending accounts, and leaving their rooms: a row in the database says whose rooms are not left yet, so
 * that the background process takes it up again. */
#include "accounts/deactivate.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>

#include "accounts/binding.h"
#include "delayed/delayed.h"
#include "rooms/forget.h"
#include "storage/accounts_deactivate.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { SCAN_MS = 60000 };
#define LOCK "ganglion_leave_all_rooms"

static bool is_inside(struct gg_str membership)
{
    return gg_str_is(membership, "join") || gg_str_is(membership, "invite") || gg_str_is(membership, "knock");
}

/* One room that cannot be left must not keep the user in the others. */
static void leave_room(struct mx_server *server, struct gg_str user_id, const struct mx_user_room *room,
                       struct gg_arena *arena)
{
    struct gg_str localpart = mx_id_localpart(user_id), event_id;
    struct gg_error err = GG_ERROR_INIT;
    struct mx_requester requester = {.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                     .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
    struct mx_membership_change change = {
        .room_id = room->room_id, .target = user_id, .membership = GG_STR("leave"), .action = "leave"};
    int status = 0;
    if (is_inside(room->membership))
        status = mx_room_membership(server, &requester, &change, arena, &event_id, &err);
    if (!status && !room->forgotten)
        status = mx_room_forget(server, user_id, room->room_id, &err);
    if (status)
        gg_info(&logger, "%.*s, whose account has ended, stays in %.*s: %s", GG_FMT(user_id), GG_FMT(room->room_id),
                err.message);
}

static int leave_all(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_user_room *rooms;
    size_t n = 0;
    int status = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    for (size_t i = 0; !status && i < n && !gg_cancelled(); i++)
        leave_room(server, user_id, &rooms[i], arena);
    if (!status && gg_cancelled())
        status = gg_fail(err, GG_E_CANCELLED, "the process ends");
    if (!status)
        status = mx_users_left(server, user_id, err);
    gg_arena_free(arena);
    return status;
}

/* Whoever comes first does it, of all processes. */
static void leave_as_one(struct mx_server *server, const char *user_id)
{
    struct gg_lock *lock = NULL;
    struct gg_error err = GG_ERROR_INIT;
    int status = gg_lock_try(server->host, LOCK, user_id, &lock, &err);
    if (!status && lock)
        status = leave_all(server, gg_str(user_id), &err);
    gg_lock_release(lock);
    if (status && status != GG_E_CANCELLED)
        gg_warn(&logger, "leaving the rooms of %s: %s", user_id, err.message);
}

struct leaving {
    struct mx_server *server;
    char *user_id;
};

static void run_leaving(void *arg)
{
    struct leaving *l = arg;
    leave_as_one(l->server, l->user_id);
    free(l->user_id);
    free(l);
}

/* In a fiber of the host, on the background process. */
static void scan(void *arg)
{
    struct mx_server *server = arg;
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str *users;
    size_t n = 0;
    if (mx_users_leaving(server, arena, &users, &n, &err))
        gg_warn(&logger, "who still has rooms to leave is not known: %s", err.message);
    for (size_t i = 0; i < n && !gg_cancelled(); i++)
        leave_as_one(server, users[i].s);
    gg_arena_free(arena);
}

static int tell_main(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    if (gg_host_is_main(server->host))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    json_t *answer = NULL, *body = json_pack("{sb}", "by_admin", 0);
    int status = gg_repl_call(server->host, GG_MASTER, "notify_account_deactivated", args, body, &answer, err);
    json_decref(answer);
    json_decref(body);
    gg_arena_free(arena);
    return status;
}

static int undo_bindings(struct mx_server *server, struct gg_str user_id, bool *unbound_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int status = mx_binding_undo_all(server, user_id, arena, unbound_out, err);
    gg_arena_free(arena);
    return status;
}

int mx_deactivate(struct mx_server *server, struct gg_str user_id, bool erase, bool *unbound_out, struct gg_error *err)
{
    bool unbound = false;
    int status = mx_delay_cancel_all(server, mx_id_localpart(user_id), err); /* first, so that none is sent meanwhile */
    if (!status)
        status = undo_bindings(server, user_id, &unbound, err);
    if (unbound_out)
        *unbound_out = unbound;
    if (!status)
        status = mx_logout(server, user_id, NULL, 0, (struct gg_str){0}, err);
    if (!status)
        status = mx_users_end(server, user_id, erase, err);
    if (!status)
        status = tell_main(server, user_id, err);
    if (status)
        return status;
    gg_info(&logger, "the account of %.*s has ended%s", GG_FMT(user_id), erase ? " and is erased" : "");
    struct leaving *l = gg_xcalloc(1, sizeof(*l));
    *l = (struct leaving){server, gg_xstrndup(user_id.s, user_id.n)};
    if (!server->accounts->scope || !gg_spawn(server->accounts->scope, "leave rooms", run_leaving, l)) {
        free(l->user_id); /* the row in the database remains: the background process does it */
        free(l);
    }
    return 0;
}

void mx_deactivate_make(struct mx_server *server)
{
    gg_host_every(server->host, "leave_rooms", SCAN_MS, true, scan, server);
}
