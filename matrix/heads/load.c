/* matrix/heads/load.c: heads from the cache or, on first use, from the database: one statement, one snapshot. */
#include <stdlib.h>

#include <ganglion/matrix/store.h>

#include "../parts.h"
#include "../json/text.h"
#include "../storage/store.h"
#include "heads.h"

#define ENDS_AND_POSITION                                                                                             \
    " FROM event_forward_extremities f JOIN events e USING (event_id) LEFT JOIN event_to_state_groups g USING "       \
    "(event_id) WHERE f.room_id = $1"                                                                                 \
    " UNION ALL SELECT 'p', NULL, NULL, NULL, NULL, COALESCE(max(stream_id), 0), 0 FROM current_state_delta_stream"    \
    " WHERE room_id = $1"

/* Rows: 's' current state, 'v' the room's version (in the place of a type), 'e' forward extremities, 'p' the position of the
 * last change of state. */
static const struct gg_stmt select_head = {
    "SELECT 's' AS kind, type, state_key, event_id, membership, 0::bigint, 0::bigint FROM current_state_events"
    " WHERE room_id = $1 UNION ALL SELECT 'v', room_version, NULL, NULL, NULL, 0, 0 FROM rooms WHERE room_id = $1"
    " UNION ALL SELECT 'e', NULL, NULL, f.event_id, NULL, e.depth, COALESCE(g.state_group, 0)" ENDS_AND_POSITION,
    GG_LANE_POINT};

static const struct gg_stmt select_ends = {
    "SELECT 'e', NULL::text, NULL::text, f.event_id, NULL::text, e.depth, COALESCE(g.state_group, 0)" ENDS_AND_POSITION,
    GG_LANE_POINT};

struct reading {
    struct mx_state *state, *members;
    struct mx_extremity *ends;
    struct gg_str version;
    size_t n_ends, n_joined, n_invited;
    int64_t state_position;
};

static void take_state(struct reading *r, const struct gg_rows *rows, size_t i)
{
    struct gg_str type = gg_rows_str(rows, i, 1), key = gg_rows_str(rows, i, 2), id = gg_rows_str(rows, i, 3);
    struct gg_str membership = gg_rows_str(rows, i, 4);
    mx_state_set(r->state, type, key, id);
    if (!membership.s || !gg_str_is(type, "m.room.member"))
        return;
    mx_state_set(r->members, membership, key, id);
    r->n_joined += gg_str_is(membership, "join");
    r->n_invited += gg_str_is(membership, "invite");
}

static void take_rows(struct reading *r, const struct gg_rows *rows, struct gg_arena *arena)
{
    size_t n = gg_rows_count(rows);
    r->state = mx_state_new();
    r->members = mx_state_new();
    r->ends = GG_NEW_ARRAY(arena, struct mx_extremity, n + 1);
    for (size_t i = 0; i < n; i++) {
        char kind = gg_rows_str(rows, i, 0).s[0];
        if (kind == 's')
            take_state(r, rows, i);
        else if (kind == 'v')
            r->version = gg_rows_str(rows, i, 1);
        else if (kind == 'e')
            r->ends[r->n_ends++] =
                (struct mx_extremity){gg_rows_str(rows, i, 3), gg_rows_i64(rows, i, 5), gg_rows_i64(rows, i, 6)};
        else
            r->state_position = gg_rows_i64(rows, i, 5);
    }
}

static void reading_done(struct reading *r)
{
    mx_state_unref(r->state);
    mx_state_unref(r->members);
}

static void unref_head(void *head)
{
    mx_head_unref(head);
}

static const struct mx_head *lend(const struct mx_held_head *h, struct gg_arena *arena)
{
    struct mx_head *head = mx_head_ref(&h->head);
    gg_arena_defer(arena, unref_head, head);
    return head;
}

static void keep(struct mx_heads *heads, struct mx_held_head *h)
{
    mx_cache_put(heads->rooms, h->head.room_id, h, h->bytes, mx_cache_tick(heads->rooms));
}

/* Reads the room; keeps the head unless something happened to the room meanwhile (*fresh_out). */
static int read_head(struct mx_heads *heads, struct gg_str room_id, struct mx_flight *flight, struct gg_arena *arena,
                     const struct mx_head **out, bool *fresh_out, struct gg_error *err)
{
    struct gg_arena *scratch = gg_arena_new();
    struct mx_store *store = mx_store_of(heads->server);
    const struct mx_room_version *version;
    struct gg_rows *rows;
    struct reading r = {0};
    uint64_t tick = mx_cache_tick(store->versions);
    int64_t position = gg_stream_max_seen(heads->server->events);
    int status = gg_db_read(heads->server->db, &select_head, GG_PARAMS(gg_p_str(room_id)), scratch, &rows, err);
    if (status)
        goto out;
    take_rows(&r, rows, scratch);
    status = mx_versions_take(store, room_id, r.version, tick, &version, err);
    if (status)
        goto out;
    struct mx_held_head *h = mx_head_make(room_id, version, r.state, r.members, r.ends, r.n_ends, r.n_joined,
                                          r.n_invited, position, r.state_position);
    *fresh_out = mx_flight_fresh(flight);
    *out = lend(h, arena);
    if (*fresh_out)
        keep(heads, h);
    else
        mx_head_unref(&h->head);
out:
    reading_done(&r);
    gg_arena_free(scratch);
    return status;
}

enum { MAX_TRIES = 3 };

int mx_heads_get(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, const struct mx_head **out,
                 struct gg_error *err)
{
    struct mx_heads *heads = server->heads;
    if (!mx_storable(room_id).s) /* contents of events name rooms by any text; what no row can hold is no room */
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room");
    for (int tries = 0;;) {
        struct mx_held_head *held = mx_cache_get(heads->rooms, room_id);
        if (held) {
            *out = lend(held, arena);
            return 0;
        }
        bool owner, fresh = false;
        struct mx_flight *flight = mx_flight_join(heads->flights, room_id, &owner);
        if (!owner) {
            int status = mx_flight_wait(flight);
            if (status)
                return gg_fail(err, status, "waiting for the state of %.*s", GG_FMT(room_id));
            continue;
        }
        int status = read_head(heads, room_id, flight, arena, out, &fresh, err);
        mx_flight_land(heads->flights, room_id, flight);
        if (status || fresh || ++tries == MAX_TRIES)
            return status; /* what was read is newer than the call; in a room that never rests it must do */
    }
}

const struct mx_head *mx_heads_cached(struct mx_server *server, struct gg_str room_id)
{
    struct mx_held_head *held = mx_cache_get(server->heads->rooms, room_id);
    return held ? &held->head : NULL;
}

/* ---- extremities ---- */

/* old with the extremities that the database has; *fits: they belong to the state that old holds. */
static int read_ends(struct mx_heads *heads, const struct mx_held_head *old, struct mx_held_head **out, bool *fits,
                     struct gg_error *err)
{
    struct gg_arena *scratch = gg_arena_new();
    struct gg_rows *rows;
    int status =
        gg_db_read(heads->server->db, &select_ends, GG_PARAMS(gg_p_str(old->head.room_id)), scratch, &rows, err);
    if (!status) {
        struct reading r = {0};
        take_rows(&r, rows, scratch);
        *fits = r.state_position <= old->state_position;
        *out = mx_head_changed(old, &(struct mx_head_change){.new_ends = true, .ends = r.ends, .n_ends = r.n_ends});
        reading_done(&r);
    }
    gg_arena_free(scratch);
    return status;
}

int mx_heads_extremities(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena,
                         const struct mx_head **out, struct gg_error *err)
{
    struct mx_heads *heads = server->heads;
    for (;;) {
        int status = mx_heads_get(server, room_id, arena, out, err);
        if (status || (*out)->n_extremities)
            return status;
        const struct mx_held_head *old = mx_held_head(*out);
        struct mx_held_head *with;
        bool fits;
        if ((status = read_ends(heads, old, &with, &fits, err)))
            return status;
        bool unchanged = mx_heads_cached(server, room_id) == &old->head;
        *out = lend(with, arena);
        if (fits && unchanged) {
            keep(heads, with);
            return 0;
        }
        mx_head_unref(&with->head);
        if (!with->head.n_extremities && fits)
            return 0; /* a room without any */
        if (!fits)
            mx_heads_forget(server, room_id);
    }
}

/* ---- changes ---- */

void mx_heads_forget(struct mx_server *server, struct gg_str room_id)
{
    mx_flight_spoil(server->heads->flights, room_id);
    mx_cache_drop(server->heads->rooms, room_id);
}

void mx_heads_apply(struct mx_server *server, struct gg_str room_id, const struct mx_head_change *change)
{
    struct mx_heads *heads = server->heads;
    mx_flight_spoil(heads->flights, room_id);
    struct mx_held_head *old = mx_cache_get(heads->rooms, room_id);
    if (old)
        keep(heads, mx_head_changed(old, change));
}
