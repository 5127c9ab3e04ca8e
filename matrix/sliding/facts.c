/* matrix/sliding/facts.c: what lists of rooms are made of, for all rooms of a user at once. */
#include "sliding/facts.h"

#include "sliding/part.h"
#include "sync/changes.h"
#include "sync/sync.h"

#include <ganglion/log.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

enum { CACHE_BYTES = 32 << 20 };

/* One allocation: the texts follow, each closed by a NUL. */
struct entry {
    int64_t as_of; /* joined: events stream position that the row is at least as new as */
    struct mx_room_facts facts;
    struct gg_str event_id; /* not joined: of the membership that the row belongs to */
    char text[];
};

void mx_room_facts_make(struct mx_server *server)
{
    server->sliding->facts = mx_cache_new(server, &(struct mx_cache_def){"sliding_sync_room_facts", CACHE_BYTES, free});
}

static struct gg_str put(char **at, struct gg_str s)
{
    if (s.s == NULL)
        return s;
    struct gg_str out = {*at, s.n};
    memcpy(*at, s.s, s.n);
    (*at)[s.n] = '\0';
    *at += s.n + 1;
    return out;
}

static struct entry *entry_new(const struct mx_room_facts *facts, struct gg_str event_id, int64_t as_of, size_t *bytes)
{
    *bytes = sizeof(struct entry) + facts->type.n + facts->name.n + event_id.n + 3;
    struct entry *e = gg_xcalloc(1, *bytes);
    char *at = e->text;
    e->as_of = as_of;
    e->facts = *facts;
    e->facts.type = put(&at, facts->type);
    e->facts.name = put(&at, facts->name);
    e->event_id = put(&at, event_id);
    return e;
}

static bool joined(const struct mx_user_room *room)
{
    return gg_str_is(room->membership, "join");
}

static struct gg_str key_of(const struct mx_user_room *room, struct gg_str user_id, struct gg_arena *arena)
{
    return joined(room)
               ? room->room_id
               : gg_str(gg_arena_printf(arena, "%.*s%c%.*s", GG_FMT(room->room_id), MX_KEY_SEP, GG_FMT(user_id)));
}

static bool take(struct mx_server *server, const struct mx_user_room *room, struct gg_str key, bool with_names,
                 struct gg_arena *arena, struct mx_room_facts *out)
{
    const struct entry *e = mx_cache_get(server->sliding->facts, key);
    if (e == NULL || (joined(room) ? mx_changes_after(server->room_changes, room->room_id, e->as_of)
                                   : !gg_str_eq(e->event_id, room->event_id)))
        return false;
    *out = e->facts;
    out->type = e->facts.type.s != NULL ? gg_arena_str(arena, e->facts.type) : (struct gg_str){0};
    out->name = with_names && e->facts.name.s != NULL ? gg_arena_str(arena, e->facts.name) : (struct gg_str){0};
    return true;
}

static const struct gg_stmt select_joined = {
    "SELECT r.i, j.room_id IS NOT NULL, coalesce(j.is_encrypted, false), coalesce(j.event_stream_ordering, 0), "
    "coalesce(j.bump_stamp, 0),"
    " j.room_type, j.room_name FROM unnest($1::text[]) WITH ORDINALITY AS r (room_id, i)"
    " LEFT JOIN sliding_sync_joined_rooms j ON j.room_id = r.room_id",
    GG_LANE_POINT};
static const struct gg_stmt select_others = {
    "SELECT r.i, coalesce(m.has_known_state, false), coalesce(m.is_encrypted, false), 0::bigint, 0::bigint, "
    "m.room_type, m.room_name"
    " FROM unnest($1::text[]) WITH ORDINALITY AS r (room_id, i)"
    " LEFT JOIN sliding_sync_membership_snapshots m ON m.room_id = r.room_id AND m.user_id = $2",
    GG_LANE_POINT};

struct missing {
    size_t *places;
    struct gg_str *ids;
    size_t n;
};

static int read_missing(struct mx_server *server, struct gg_str user_id, const struct mx_user_room *const *rooms,
                        const struct missing *m, bool of_joined, struct gg_arena *arena, struct mx_room_facts *out,
                        struct gg_error *err)
{
    struct gg_rows *rows;
    int64_t as_of = gg_stream_upto(server->events);
    const struct gg_param params[] = {gg_p_texts(m->ids, m->n), gg_p_str(user_id)};
    if (m->n == 0)
        return 0;
    int rc = gg_db_read(server->db, of_joined ? &select_joined : &select_others, params, of_joined ? 1 : 2, arena,
                        &rows, err);
    uint64_t tick = mx_cache_tick(server->sliding->facts);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        size_t place = m->places[gg_rows_i64(rows, i, 0) - 1], bytes;
        const struct mx_user_room *room = rooms[place];
        out[place] = (struct mx_room_facts){.known = gg_rows_bool(rows, i, 1),
                                            .encrypted = gg_rows_bool(rows, i, 2),
                                            .activity = of_joined ? gg_rows_i64(rows, i, 3) : room->stream_ordering,
                                            .bump_stamp = gg_rows_i64(rows, i, 4),
                                            .type = gg_rows_str(rows, i, 5),
                                            .name = gg_rows_str(rows, i, 6)};
        if (out[place].activity == 0)
            out[place].activity = room->stream_ordering;
        struct entry *e = entry_new(&out[place], of_joined ? (struct gg_str){0} : room->event_id, as_of, &bytes);
        mx_cache_put(server->sliding->facts, key_of(room, user_id, arena), e, bytes, tick);
    }
    return rc;
}

int mx_room_facts(struct mx_server *server, struct gg_str user_id, const struct mx_user_room *const *rooms, size_t n,
                  bool with_names, struct gg_arena *arena, struct mx_room_facts *out, struct gg_error *err)
{
    struct missing missing[2];
    for (int k = 0; k < 2; k++)
        missing[k] = (struct missing){GG_NEW_ARRAY(arena, size_t, n + 1), GG_NEW_ARRAY(arena, struct gg_str, n + 1), 0};
    for (size_t i = 0; i < n; i++) {
        if (take(server, rooms[i], key_of(rooms[i], user_id, arena), with_names, arena, &out[i]))
            continue;
        struct missing *m = &missing[joined(rooms[i])];
        m->places[m->n] = i;
        m->ids[m->n++] = rooms[i]->room_id;
    }
    int rc = read_missing(server, user_id, rooms, &missing[1], true, arena, out, err);
    return rc != 0 ? rc : read_missing(server, user_id, rooms, &missing[0], false, arena, out, err);
}
