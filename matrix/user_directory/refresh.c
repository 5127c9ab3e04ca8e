/* matrix/user_directory/refresh.c: profiles that rooms do not tell: names in a private room may be meant for that room only,
 * so the users' servers are asked, a while after the last change, each server for a few users at a time. */
#include "federation/profiles.h"
#include "storage/user_directory.h"

#include <ganglion/fiber.h>

/* Failures put a user off for 1, 5, 25 minutes, 2 hours, ...: 5 to the power of their number, 7 at most. */
enum { PER_SERVER = 10, AT_ONCE = 5, MOST = 50, MINUTE_MS = 60000, MOST_TRIES = 7, TIMEOUT_MS = 30000 };

static int64_t later(int64_t tries)
{
    int64_t ms = MINUTE_MS;
    for (int64_t i = 0; i < tries && i < MOST_TRIES; i++)
        ms *= 5;
    return gg_wall_ms() + ms;
}

static int refresh_one(struct mx_server *server, const struct mx_directory_due *due, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error asked = GG_ERROR_INIT;
    struct gg_str profile;
    int64_t before = gg_set_deadline(gg_deadline(TIMEOUT_MS));
    int rc = mx_fed_profile(server, due->user_id, NULL, arena, &profile, &asked);
    (void)gg_set_deadline(before);
    if (gg_cancelled()) {
        rc = 0; /* it stays due */
    } else if (rc == 0) {
        struct mx_directory_entry entry = {due->user_id, mx_json_string(mx_json_get(profile, "displayname"), arena),
                                           mx_json_string(mx_json_get(profile, "avatar_url"), arena)};
        rc = mx_directory_write(server, &entry, 1, err);
    } else if (asked.http_status == 404) {
        rc = mx_directory_give_up(server, due->user_id, err);
    } else {
        rc = mx_directory_put_off(server, due->user_id, later(due->tries + 1), err);
    }
    gg_arena_free(arena);
    return rc;
}

struct round {
    struct mx_server *server;
    const struct mx_directory_due *due;
    size_t n, next;
    int rc;
    struct gg_error err;
};

static void take_turns(void *arg)
{
    struct round *round = arg;
    while (round->rc == 0 && round->next < round->n && !gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        int rc = refresh_one(round->server, &round->due[round->next++], &err);
        if (rc < 0) {
            round->rc = rc;
            round->err = err;
        }
    }
}

int mx_directory_refresh(struct mx_server *server, int64_t *next_ms_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_directory_due *due;
    struct round round = {.server = server, .err = GG_ERROR_INIT};
    int rc = mx_directory_due(server, gg_wall_ms(), PER_SERVER, MOST, arena, &due, &round.n, err);
    if (rc == 0) {
        struct gg_scope *scope = gg_scope_new(NULL, "user_directory.refresh");
        round.due = due;
        for (int i = 0; i < AT_ONCE && gg_spawn(scope, "user_directory.profile", take_turns, &round) != NULL; i++)
            ;
        if (gg_scope_join(scope, GG_FOREVER) == GG_E_CANCELLED)
            gg_scope_cancel(scope);
        gg_scope_end(scope);
        rc = round.rc;
        if (rc < 0)
            *err = round.err;
    }
    if (rc == 0)
        rc = mx_directory_next_due(server, arena, next_ms_out, err);
    gg_arena_free(arena);
    return rc;
}
