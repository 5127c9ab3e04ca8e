/* matrix/heads/users.c: the rooms of a local user. */
#include <ganglion/memory.h>
#include <stdlib.h>

#include "heads.h"

static const struct gg_stmt select_rooms = {
    "SELECT l.room_id, l.event_id, l.membership, COALESCE(m.sender, ''), COALESCE(l.event_stream_ordering, 0),"
    " COALESCE(m.forgotten, 0) <> 0, r.room_version FROM local_current_membership l"
    " LEFT JOIN room_memberships m USING (event_id) LEFT JOIN rooms r ON r.room_id = l.room_id WHERE l.user_id = $1",
    GG_LANE_POINT};

struct user_rooms {
    int refs;
    size_t n;
    struct gg_arena *arena;
    uint32_t *newest;
    struct mx_user_room rooms[];
};

static int by_room(const void *a, const void *b)
{
    return gg_str_cmp(((const struct mx_user_room *)a)->room_id, ((const struct mx_user_room *)b)->room_id);
}

struct place {
    int64_t stream_ordering;
    uint32_t at;
};

static int younger_first(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return (x->stream_ordering < y->stream_ordering) - (x->stream_ordering > y->stream_ordering);
}

/* In two orders: a sync finds the few rooms that have news by id, and those with a new membership by age. */
static void put_in_order(struct user_rooms *u)
{
    struct place *places = GG_NEW_ARRAY(u->arena, struct place, u->n + 1);
    u->newest = GG_NEW_ARRAY(u->arena, uint32_t, u->n + 1);
    qsort(u->rooms, u->n, sizeof(u->rooms[0]), by_room);
    for (size_t i = 0; i < u->n; i++)
        places[i] = (struct place){u->rooms[i].stream_ordering, (uint32_t)i};
    qsort(places, u->n, sizeof(*places), younger_first);
    for (size_t i = 0; i < u->n; i++)
        u->newest[i] = places[i].at;
}

void mx_heads_free_user(void *value)
{
    struct user_rooms *u = value;
    if (--u->refs)
        return;
    gg_arena_free(u->arena);
    free(u);
}

static struct user_rooms *take_rows(const struct gg_rows *rows, struct gg_arena *arena)
{
    size_t n = gg_rows_count(rows);
    struct user_rooms *u = gg_xcalloc(1, sizeof(*u) + n * sizeof(u->rooms[0]));
    u->refs = 1;
    u->arena = arena; /* holds the rows */
    for (size_t i = 0; i < n; i++) {
        const struct mx_room_version *version =
            gg_rows_null(rows, i, 6) ? NULL : mx_room_version_find(gg_rows_str(rows, i, 6));
        u->rooms[u->n++] = (struct mx_user_room){gg_rows_str(rows, i, 0),
                                                 gg_rows_str(rows, i, 1),
                                                 gg_rows_str(rows, i, 2),
                                                 gg_rows_str(rows, i, 3),
                                                 gg_rows_i64(rows, i, 4),
                                                 gg_rows_bool(rows, i, 5),
                                                 version};
    }
    put_in_order(u);
    return u;
}

static void lend(struct user_rooms *u, struct gg_arena *arena, struct mx_user_rooms *out)
{
    u->refs++;
    gg_arena_defer(arena, mx_heads_free_user, u);
    *out = (struct mx_user_rooms){u->rooms, u->n, u->newest};
}

static int read_rooms(struct mx_heads *heads, struct gg_str user_id, struct mx_flight *flight, struct gg_arena *arena,
                      struct mx_user_rooms *out, struct gg_error *err)
{
    struct gg_arena *own = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(heads->server->db, &select_rooms, GG_PARAMS(gg_p_str(user_id)), own, &rows, err);
    if (status) {
        gg_arena_free(own);
        return status;
    }
    struct user_rooms *u = take_rows(rows, own);
    lend(u, arena, out);
    if (mx_flight_fresh(flight))
        mx_cache_put(heads->users, user_id, u, gg_arena_used(own) + sizeof(*u), mx_cache_tick(heads->users));
    else
        mx_heads_free_user(u);
    return 0;
}

int mx_heads_room_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_user_rooms *out,
                       struct gg_error *err)
{
    struct mx_heads *heads = server->heads;
    for (;;) {
        struct user_rooms *held = mx_cache_get(heads->users, user_id);
        if (held) {
            lend(held, arena, out);
            return 0;
        }
        bool owner;
        struct mx_flight *flight = mx_flight_join(heads->user_flights, user_id, &owner);
        if (owner) {
            int status = read_rooms(heads, user_id, flight, arena, out, err);
            mx_flight_land(heads->user_flights, user_id, flight);
            return status;
        }
        int status = mx_flight_wait(flight);
        if (status)
            return gg_fail(err, status, "waiting for the rooms of a user");
    }
}

int mx_heads_rooms_of(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                      const struct mx_user_room **out, size_t *n_out, struct gg_error *err)
{
    struct mx_user_rooms rooms = {0};
    int rc = mx_heads_room_list(server, user_id, arena, &rooms, err);
    *out = rooms.v;
    *n_out = rooms.n;
    return rc;
}

const struct mx_user_room *mx_user_rooms_find(const struct mx_user_rooms *rooms, struct gg_str room_id)
{
    struct mx_user_room key = {.room_id = room_id};
    return rooms->n > 0 ? bsearch(&key, rooms->v, rooms->n, sizeof(key), by_room) : NULL;
}

void mx_heads_forget_user(struct mx_server *server, struct gg_str user_id)
{
    mx_flight_spoil(server->heads->user_flights, user_id);
    mx_cache_drop(server->heads->users, user_id);
}
