/* matrix/heads/heads.c: makes the heads and answers what others ask of one. */
#include <ganglion/config.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "../parts.h"
#include "heads.h"

enum { HEADS_BYTES = 128 << 20, USERS_BYTES = 32 << 20, EXPECTED_BYTES = 4 << 20 }; /* at a factor of 1 */

int mx_heads_state_event(struct mx_server *server, const struct mx_head *head, const char *type,
                         struct gg_str state_key, struct gg_arena *arena, const struct mx_event **out,
                         struct gg_error *err)
{
    *out = NULL;
    struct gg_str id = mx_state_get(head->state, gg_str(type), state_key);
    return id.s ? mx_store_events(server, &id, 1, false, arena, out, err) : 0;
}

int mx_heads_membership(struct mx_server *server, const struct mx_head *head, struct gg_str user_id,
                        struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    *out = mx_head_membership(mx_held_head(head), user_id);
    return 0;
}

int mx_heads_joined(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena,
                    const struct gg_str **users_out, size_t *n_out, struct gg_error *err)
{
    const struct mx_held_head *held = mx_held_head(head);
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, head->n_joined + 1);
    struct mx_state_entry e;
    size_t n = 0;
    for (size_t i = 0; n < head->n_joined && mx_state_next_of(held->members, GG_STR("join"), &i, &e);)
        users[n++] = e.state_key;
    *users_out = users;
    *n_out = n;
    return 0;
}

/* Forgotten rooms and such: (user, ...) or (room, user). */
static void forget_user(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    if (!n) {
        mx_flight_spoil_all(server->heads->user_flights);
        mx_cache_clear(server->heads->users);
    } else {
        mx_heads_forget_user(server, keys[0]);
    }
}

static void forget_room(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    if (n) {
        mx_heads_forget(server, keys[0]);
        return;
    }
    mx_flight_spoil_all(server->heads->flights);
    mx_cache_clear(server->heads->rooms);
}

/* (room, members whose membership changed): the events stream carries the state itself; the members' room lists go. */
static void current_state_changed(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    for (size_t i = 1; i < n; i++)
        if (mx_is_mine(server, keys[i]))
            mx_heads_forget_user(server, keys[i]);
}

static void unref_held(void *value)
{
    mx_head_unref(&((struct mx_held_head *)value)->head);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_heads *heads = server->heads = gg_xcalloc(1, sizeof(*heads));
    heads->server = server;
    heads->flights = gg_map_new(NULL);
    heads->user_flights = gg_map_new(NULL);
    heads->rooms = mx_cache_new(server, &(struct mx_cache_def){"heads", HEADS_BYTES, unref_held});
    heads->users = mx_cache_new(server, &(struct mx_cache_def){"get_rooms_for_local_user_where_membership_is",
                                                               USERS_BYTES, mx_heads_free_user});
    heads->expected =
        mx_cache_new(server, &(struct mx_cache_def){"heads_expected", EXPECTED_BYTES, mx_heads_free_expected});
    static const struct {
        const char *name;
        mx_forget_fn *fn;
    } rows[] = {{"cs_cache_fake", current_state_changed},
                {"dr_cache_fake", forget_room},
                {"ph_cache_fake", forget_room},
                {"get_latest_event_ids_in_room", forget_room},
                {"is_partial_state_room", forget_room},
                {"get_forgotten_rooms_for_user", forget_user},
                {"get_sliding_sync_rooms_for_user_from_membership_snapshots", forget_user}};
    for (size_t i = 0; i < GG_COUNT(rows); i++)
        mx_caches_on(server, rows[i].name, rows[i].fn, server);
    mx_heads_follow(server);
    return 0;
}

static void free_part(struct mx_server *server)
{
    struct mx_heads *heads = server->heads;
    mx_cache_clear(heads->rooms);
    mx_cache_clear(heads->users);
    mx_cache_clear(heads->expected);
    gg_map_free(heads->flights);
    gg_map_free(heads->user_flights);
    free(heads);
    server->heads = NULL;
}

const struct mx_part mx_part_heads = {"heads", make, NULL, NULL, free_part};
