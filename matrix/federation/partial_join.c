/* matrix/federation/partial_join.c: the state that a joining server needs at once, when it asks for no members. */
#include "federation/partial_join.h"

enum { HEROES = 5 };

static void unref_state(void *state)
{
    mx_state_unref(state);
}

/* Clients call a room that has no name of its own by some of its members, the oldest first. */
static const struct gg_stmt select_heroes = {
    "SELECT m.user_id, m.event_id FROM room_memberships m JOIN events e USING (event_id) WHERE m.event_id = ANY($1::text[])"
    " AND m.membership IN ('join', 'invite') ORDER BY m.membership = 'join' DESC, e.stream_ordering LIMIT $2", GG_LANE_SCAN};

static bool has_name(const struct mx_state *state)
{
    return mx_state_get(state, GG_STR("m.room.name"), GG_STR("")).s != NULL ||
           mx_state_get(state, GG_STR("m.room.canonical_alias"), GG_STR("")).s != NULL;
}

static int add_heroes(struct mx_server *server, const struct mx_state *state, struct mx_state *to, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, mx_state_count(state) + 1);
    struct mx_state_entry entry;
    struct gg_rows *rows;
    size_t n = 0;
    for (size_t i = 0; mx_state_next_of(state, GG_STR("m.room.member"), &i, &entry);)
        ids[n++] = gg_arena_str(arena, entry.event_id);
    int rc = gg_db_read(server->db, &select_heroes, GG_PARAMS(gg_p_texts(ids, n), gg_p_i64(HEROES)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        mx_state_set(to, GG_STR("m.room.member"), gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1));
    return rc;
}

int mx_fed_partial_state(struct mx_server *server, const struct mx_fed_member *join, struct gg_arena *arena,
                         const struct mx_state **out, struct gg_error *err)
{
    const struct mx_state *state = join->before.state;
    struct mx_state *partial = mx_state_new();
    struct mx_state_entry entry;
    gg_arena_defer(arena, unref_state, partial);
    for (size_t i = 0; mx_state_next(state, &i, &entry);)
        if (!gg_str_is(entry.type, "m.room.member"))
            mx_state_set(partial, entry.type, entry.state_key, entry.event_id);
    struct gg_str own = mx_state_get(state, GG_STR("m.room.member"), join->event->state_key);
    if (own.s != NULL)
        mx_state_set(partial, GG_STR("m.room.member"), join->event->state_key, own);
    *out = partial;
    return has_name(state) ? 0 : add_heroes(server, state, partial, arena, err);
}
