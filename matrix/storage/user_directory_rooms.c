/* matrix/storage/user_directory_rooms.c: who is found because of which room (users_in_public_rooms,
 * users_who_share_private_rooms), kept along the changes of current state.
 *
 * What changed only says where to look: rows are made anew from the current state, so that a batch may be done twice, and
 * one that saw a later state than its own end is none the worse for it. */
#include "storage/user_directory.h"

#include "persist/writer.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>
#include <stdlib.h>

enum { BATCH = 1000, STALE_MS = 60000 };

/* ---- what has changed ---- */

/* The batch ends with the last change of a stream id. A position that Synapse emptied waits for its rebuild. */
static const struct gg_stmt next_batch = {
    "SELECT p.stream_id, b.last, b.n FROM user_directory_stream_pos p CROSS JOIN LATERAL (SELECT max(d.stream_id) AS last,"
    " count(*) AS n FROM (SELECT stream_id FROM current_state_delta_stream WHERE stream_id > p.stream_id AND stream_id <= $1"
    " ORDER BY stream_id LIMIT $2) d) b WHERE p.stream_id IS NOT NULL", GG_LANE_SCAN};

/* The last change of each member in the batch, and whether any change came to or went from "join". */
static const struct gg_stmt members = {
    "SELECT DISTINCT ON (c.room_id, c.state_key) c.room_id, c.state_key, c.event_id, COALESCE(n.membership = 'join', false),"
    " bool_or(COALESCE(n.membership = 'join', false) <> COALESCE(o.membership = 'join', false))"
    " OVER (PARTITION BY c.room_id, c.state_key) FROM current_state_delta_stream c"
    " LEFT JOIN room_memberships n ON n.event_id = c.event_id LEFT JOIN room_memberships o ON o.event_id = c.prev_event_id"
    " WHERE c.stream_id > $1 AND c.stream_id <= $2 AND c.type = 'm.room.member'"
    " ORDER BY c.room_id, c.state_key, c.stream_id DESC", GG_LANE_SCAN};

static const struct gg_stmt opened = {
    "SELECT DISTINCT room_id FROM current_state_delta_stream WHERE stream_id > $1 AND stream_id <= $2"
    " AND type IN ('m.room.join_rules', 'm.room.history_visibility') AND state_key = ''", GG_LANE_SCAN};

#define ENTRY(type_) \
    "(SELECT c.event_id FROM current_state_events c WHERE c.room_id = r.id AND c.type = '" type_ "' AND c.state_key = '')"

/* Of rooms: the two events that make them public, and whether any of ours is in. Scalar subqueries, so that each is looked
 * up by its index: a planner that knows nothing of the tables yet would hash them as a whole. */
static const struct gg_stmt openness = {
    "SELECT r.id, " ENTRY("m.room.join_rules") ", " ENTRY("m.room.history_visibility")
    ", (SELECT true FROM local_current_membership l WHERE l.room_id = r.id AND l.membership = 'join' LIMIT 1) IS NOT NULL"
    " FROM unnest($1::text[]) AS r (id)", GG_LANE_SCAN};

struct member {
    struct gg_str room_id, user_id, event_id; /* event_id s NULL: gone from the state */
    bool joined, moved;
};
struct room {
    struct gg_str id;
    bool open, ours, whole; /* whole: all its members are looked at */
};
struct batch {
    struct mx_server *server;
    struct gg_arena *arena;
    int64_t from, to;
    struct member *members;
    size_t n_members;
    struct room *rooms;     /* by id */
    size_t n_rooms;
    struct gg_str *orphans; /* others' users that rooms without any of ours still name */
    size_t n_orphans;
    gg_txn_fn *instead;     /* of the position: a rebuild notes how far it is; NULL: none */
    void *instead_arg;
};

static int by_id(const void *a, const void *b)
{
    const struct room *x = a, *y = b;
    size_t n = x->id.n < y->id.n ? x->id.n : y->id.n;
    int order = memcmp(x->id.s, y->id.s, n);
    return order != 0 ? order : (x->id.n > y->id.n) - (x->id.n < y->id.n);
}

static struct room *room_of(const struct batch *b, struct gg_str id)
{
    struct room key = {.id = id};
    return bsearch(&key, b->rooms, b->n_rooms, sizeof(*b->rooms), by_id);
}

/* Sorted, each once; whole if any mention is. */
static void merge_rooms(struct batch *b)
{
    size_t n = 0;
    qsort(b->rooms, b->n_rooms, sizeof(*b->rooms), by_id);
    for (size_t i = 0; i < b->n_rooms; i++) {
        if (n > 0 && gg_str_eq(b->rooms[n - 1].id, b->rooms[i].id))
            b->rooms[n - 1].whole |= b->rooms[i].whole;
        else
            b->rooms[n++] = b->rooms[i];
    }
    b->n_rooms = n;
}

static int read_changes(struct batch *b, struct gg_error *err)
{
    struct gg_rows *rows, *open_rows;
    int rc = gg_db_read(b->server->db, &members, GG_PARAMS(gg_p_i64(b->from), gg_p_i64(b->to)), b->arena, &rows, err);
    if (rc == 0)
        rc = gg_db_read(b->server->db, &opened, GG_PARAMS(gg_p_i64(b->from), gg_p_i64(b->to)), b->arena, &open_rows, err);
    if (rc < 0)
        return rc;
    b->n_members = gg_rows_count(rows);
    b->members = GG_NEW_ARRAY(b->arena, struct member, b->n_members + 1);
    b->rooms = GG_NEW_ARRAY(b->arena, struct room, b->n_members + gg_rows_count(open_rows) + 1);
    for (size_t i = 0; i < b->n_members; i++) {
        b->members[i] = (struct member){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2),
                                        gg_rows_bool(rows, i, 3), gg_rows_bool(rows, i, 4)};
        b->rooms[b->n_rooms++] = (struct room){.id = b->members[i].room_id};
    }
    for (size_t i = 0; i < gg_rows_count(open_rows); i++)
        b->rooms[b->n_rooms++] = (struct room){.id = gg_rows_str(open_rows, i, 0), .whole = true};
    merge_rooms(b);
    return 0;
}

/* ---- which rooms are public ---- */

static bool says(const struct mx_event *event, const char *key, const char *value, struct gg_arena *arena)
{
    return event != NULL && gg_str_is(mx_json_string(mx_json_get(event->content, key), arena), value);
}

static int read_rooms(struct batch *b, struct gg_error *err)
{
    struct gg_rows *rows;
    struct gg_str *ids = GG_NEW_ARRAY(b->arena, struct gg_str, b->n_rooms * 2 + 1);
    const struct mx_event **events = GG_NEW_ARRAY(b->arena, const struct mx_event *, b->n_rooms * 2 + 1);
    for (size_t i = 0; i < b->n_rooms; i++)
        ids[i] = b->rooms[i].id;
    int rc = gg_db_read(b->server->db, &openness, GG_PARAMS(gg_p_texts(ids, b->n_rooms)), b->arena, &rows, err);
    if (rc < 0)
        return rc;
    size_t n = gg_rows_count(rows);
    for (size_t i = 0; i < n * 2; i++) {
        struct gg_str id = gg_rows_str(rows, i / 2, (int)(1 + i % 2));
        ids[i] = id.s != NULL ? id : GG_STR("");
    }
    rc = mx_store_events(b->server, ids, n * 2, false, b->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct room *room = room_of(b, gg_rows_str(rows, i, 0));
        room->open = says(events[2 * i], "join_rule", "public", b->arena) ||
                     says(events[2 * i + 1], "history_visibility", "world_readable", b->arena);
        room->ours = gg_rows_bool(rows, i, 3);
        room->whole |= !room->ours; /* when the last of ours goes, all others go with them */
    }
    return rc;
}

static const struct gg_stmt named_by = {
    "SELECT user_id FROM users_in_public_rooms WHERE room_id = ANY($1::text[]) UNION"
    " SELECT other_user_id FROM users_who_share_private_rooms WHERE room_id = ANY($1::text[])", GG_LANE_SCAN};

static int read_orphans(struct batch *b, struct gg_error *err)
{
    struct gg_rows *rows;
    struct gg_str *ids = GG_NEW_ARRAY(b->arena, struct gg_str, b->n_rooms + 1);
    size_t n = 0;
    for (size_t i = 0; i < b->n_rooms; i++)
        if (!b->rooms[i].ours)
            ids[n++] = b->rooms[i].id;
    if (n == 0)
        return 0;
    int rc = gg_db_read(b->server->db, &named_by, GG_PARAMS(gg_p_texts(ids, n)), b->arena, &rows, err);
    if (rc < 0)
        return rc;
    b->orphans = GG_NEW_ARRAY(b->arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        if (!mx_is_mine(b->server, gg_rows_str(rows, i, 0)))
            b->orphans[b->n_orphans++] = gg_rows_str(rows, i, 0);
    return 0;
}

/* ---- rows ---- */

static const struct gg_stmt lock_position = {"SELECT stream_id FROM user_directory_stream_pos FOR UPDATE", 0};
static const struct gg_stmt set_position = {"UPDATE user_directory_stream_pos SET stream_id = $1", 0};

static const struct gg_stmt clean[] = {
    {"DELETE FROM users_in_public_rooms p USING unnest($1::text[], $2::text[]) AS g (room_id, user_id)"
     " WHERE p.user_id = g.user_id AND p.room_id = g.room_id", 0},
    {"DELETE FROM users_who_share_private_rooms p USING unnest($1::text[], $2::text[]) AS g (room_id, user_id)"
     " WHERE p.user_id = g.user_id AND p.room_id = g.room_id", 0},
    {"DELETE FROM users_who_share_private_rooms p USING unnest($1::text[], $2::text[]) AS g (room_id, user_id)"
     " WHERE p.other_user_id = g.user_id AND p.room_id = g.room_id", 0},
};
static const struct gg_stmt clean_whole[] = {
    {"DELETE FROM users_in_public_rooms WHERE room_id = ANY($1::text[])", 0},
    {"DELETE FROM users_who_share_private_rooms WHERE room_id = ANY($1::text[])", 0},
};

/* Joined members, of what is selected, that the directory may name: others' users, and ours that are neither gone nor there
 * for support nor those of a bridge. LATERAL with OFFSET 0: looked up one by one, whatever the planner takes the tables for. */
#define NAMED(from_, which_) \
    "SELECT g.room_id, c.user_id, u.name IS NOT NULL AS ours FROM " from_ \
    " CROSS JOIN LATERAL (SELECT state_key AS user_id FROM current_state_events WHERE room_id = g.room_id" \
    " AND type = 'm.room.member' AND membership = 'join'" which_ " OFFSET 0) c" \
    " LEFT JOIN LATERAL (SELECT name, deactivated, appservice_id, user_type FROM users WHERE name = c.user_id OFFSET 0) u ON true" \
    " WHERE CASE WHEN right(c.user_id, length($3) + 1) = ':' || $3" \
    " THEN u.deactivated = 0 AND COALESCE(u.appservice_id, '') = '' AND u.user_type IS DISTINCT FROM 'support' ELSE true END"
#define OF_KIND(from_) "(SELECT * FROM " from_ " WHERE room_id = ANY($4::text[])) AS g"

/* Those who moved, and all of rooms that are taken as a whole: the others of a large room are not looked at. */
#define FRESH \
    NAMED(OF_KIND("unnest($1::text[], $2::text[]) AS m (room_id, user_id)"), " AND state_key = g.user_id") \
    " UNION " NAMED(OF_KIND("unnest($5::text[]) AS w (room_id)"), "")

static const struct gg_stmt add_public = {
    "INSERT INTO users_in_public_rooms (user_id, room_id) SELECT f.user_id, f.room_id FROM (" FRESH ") f"
    " ORDER BY 1, 2 ON CONFLICT DO NOTHING", 0};
/* Everybody fresh with everybody there, both ways: the table has as many rows. */
static const struct gg_stmt add_private = {
    "WITH fresh AS MATERIALIZED (" FRESH "), joined AS MATERIALIZED (" NAMED("(SELECT DISTINCT room_id FROM fresh) AS g", "") ")"
    " INSERT INTO users_who_share_private_rooms (user_id, other_user_id, room_id)"
    " SELECT f.user_id, j.user_id, f.room_id FROM fresh f JOIN joined j ON j.room_id = f.room_id AND j.user_id <> f.user_id WHERE f.ours"
    " UNION"
    " SELECT j.user_id, f.user_id, f.room_id FROM fresh f JOIN joined j ON j.room_id = f.room_id AND j.user_id <> f.user_id WHERE j.ours"
    " ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING", 0};

/* Other servers' users whom no room shows any more. */
static const struct gg_stmt forget[] = {
    {"DELETE FROM user_directory d WHERE d.user_id = ANY($1::text[]) AND"
     " NOT EXISTS (SELECT 1 FROM users_in_public_rooms p WHERE p.user_id = d.user_id) AND"
     " NOT EXISTS (SELECT 1 FROM users_who_share_private_rooms s WHERE s.other_user_id = d.user_id)", 0},
    {"DELETE FROM user_directory_search d WHERE d.user_id = ANY($1::text[]) AND"
     " NOT EXISTS (SELECT 1 FROM user_directory e WHERE e.user_id = d.user_id)", 0},
};
/* Their names in a private room may be for that room only: the profile is asked for, a while later. */
static const struct gg_stmt mark_stale = {
    "INSERT INTO user_directory_stale_remote_users (user_id, user_server_name, next_try_at_ts, retry_counter)"
    " SELECT id, server, $3, 0 FROM unnest($1::text[], $2::text[]) AS g (id, server) ORDER BY id"
    " ON CONFLICT (user_id) DO UPDATE SET next_try_at_ts = EXCLUDED.next_try_at_ts, retry_counter = 0", 0};

struct lists { /* parameters of a batch */
    struct gg_str *rooms, *users;      /* pairs that moved */
    struct gg_str *open, *closed;      /* rooms with any of ours, of either kind */
    struct gg_str *whole;
    struct gg_str *gone;               /* others' users that left a room */
    struct gg_str *stale, *stale_servers;
    size_t n_pairs, n_open, n_closed, n_whole, n_gone, n_stale;
};

static void list_rooms(const struct batch *b, struct lists *l)
{
    for (size_t i = 0; i < b->n_rooms; i++) {
        const struct room *room = &b->rooms[i];
        if (room->whole)
            l->whole[l->n_whole++] = room->id;
        if (room->ours && room->open)
            l->open[l->n_open++] = room->id;
        else if (room->ours)
            l->closed[l->n_closed++] = room->id;
    }
}

static void list_members(const struct batch *b, struct lists *l)
{
    for (size_t i = 0; i < b->n_members; i++) {
        const struct member *m = &b->members[i];
        const struct room *room = room_of(b, m->room_id);
        bool theirs = !mx_is_mine(b->server, m->user_id);
        if (m->moved && !room->whole) {
            l->rooms[l->n_pairs] = m->room_id;
            l->users[l->n_pairs++] = m->user_id;
        }
        if (theirs && (!m->joined || !room->ours))
            l->gone[l->n_gone++] = m->user_id;
        if (theirs && m->joined && room->ours && !room->open && mx_id_domain(m->user_id).s != NULL) {
            l->stale[l->n_stale] = m->user_id;
            l->stale_servers[l->n_stale++] = mx_id_domain(m->user_id);
        }
    }
}

static void make_lists(const struct batch *b, struct lists *l)
{
    size_t n = b->n_members + b->n_rooms + b->n_orphans + 1;
    struct gg_str **all[] = {&l->rooms, &l->users, &l->open, &l->closed, &l->whole, &l->gone, &l->stale, &l->stale_servers};
    for (size_t i = 0; i < GG_COUNT(all); i++)
        *all[i] = GG_NEW_ARRAY(b->arena, struct gg_str, n);
    list_rooms(b, l);
    list_members(b, l);
    for (size_t i = 0; i < b->n_orphans; i++)
        l->gone[l->n_gone++] = b->orphans[i];
}

static int write_rooms(struct gg_txn *txn, const struct batch *b, const struct lists *l, struct gg_error *err)
{
    struct gg_param rooms = gg_p_texts(l->rooms, l->n_pairs), users = gg_p_texts(l->users, l->n_pairs);
    struct gg_param whole = gg_p_texts(l->whole, l->n_whole), name = gg_p_text(b->server->name);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < GG_COUNT(clean); i++)
        rc = gg_txn_queue(txn, &clean[i], GG_PARAMS(rooms, users), err);
    for (size_t i = 0; rc == 0 && l->n_whole > 0 && i < GG_COUNT(clean_whole); i++)
        rc = gg_txn_queue(txn, &clean_whole[i], GG_PARAMS(whole), err);
    if (rc == 0 && l->n_open > 0)
        rc = gg_txn_queue(txn, &add_public, GG_PARAMS(rooms, users, name, gg_p_texts(l->open, l->n_open), whole), err);
    if (rc == 0 && l->n_closed > 0)
        rc = gg_txn_queue(txn, &add_private, GG_PARAMS(rooms, users, name, gg_p_texts(l->closed, l->n_closed), whole), err);
    for (size_t i = 0; rc == 0 && l->n_gone > 0 && i < GG_COUNT(forget); i++)
        rc = gg_txn_queue(txn, &forget[i], GG_PARAMS(gg_p_texts(l->gone, l->n_gone)), err);
    return rc;
}

static int take_position(struct gg_txn *txn, const struct batch *b, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &lock_position, GG_NO_PARAMS, b->arena, &rows, err);
    if (rc == 0 &&
        (gg_rows_count(rows) == 0 || gg_rows_null(rows, 0, 0) || gg_rows_i64(rows, 0, 0) != b->from))
        return gg_fail(err, GG_E_CONFLICT, "another process keeps the user directory");
    return rc;
}

static int write_batch(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct batch *b = arg;
    struct lists l = {.rooms = NULL};
    int rc = b->instead == NULL ? take_position(txn, b, err) : 0;
    make_lists(b, &l);
    if (rc == 0)
        rc = write_rooms(txn, b, &l, err);
    if (rc == 0 && l.n_stale > 0)
        rc = gg_txn_queue(txn, &mark_stale,
                          GG_PARAMS(gg_p_texts(l.stale, l.n_stale), gg_p_texts(l.stale_servers, l.n_stale),
                                    gg_p_i64(gg_wall_ms() + STALE_MS)),
                          err);
    if (rc == 0)
        rc = b->instead != NULL ? b->instead(txn, b->instead_arg, err)
                                : gg_txn_queue(txn, &set_position, GG_PARAMS(gg_p_i64(b->to)), err);
    return rc;
}

/* ---- names of others' users in public rooms ---- */

/* Before the rows of rooms: what is found must have a name. Of a user in several rooms of the batch the last one counts. */
static int write_names(struct batch *b, struct gg_error *err)
{
    size_t n = 0, entries = 0;
    struct gg_str *ids = GG_NEW_ARRAY(b->arena, struct gg_str, b->n_members + 1);
    for (size_t i = 0; i < b->n_members; i++) {
        const struct room *room = room_of(b, b->members[i].room_id);
        if (b->members[i].joined && room->ours && room->open && !mx_is_mine(b->server, b->members[i].user_id))
            ids[n++] = b->members[i].event_id;
    }
    const struct mx_event **events = GG_NEW_ARRAY(b->arena, const struct mx_event *, n + 1);
    struct mx_directory_entry *v = GG_NEW_ARRAY(b->arena, struct mx_directory_entry, n + 1);
    struct gg_map *seen = gg_map_new(NULL);
    int rc = mx_store_events(b->server, ids, n, false, b->arena, events, err);
    for (size_t i = n; rc == 0 && i-- > 0;) {
        if (events[i] == NULL || gg_map_has(seen, events[i]->state_key))
            continue;
        gg_map_put(seen, events[i]->state_key, NULL);
        v[entries++] = (struct mx_directory_entry){
            events[i]->state_key, mx_json_string(mx_json_get(events[i]->content, "displayname"), b->arena),
            mx_json_string(mx_json_get(events[i]->content, "avatar_url"), b->arena)};
    }
    gg_map_free(seen);
    return rc == 0 ? mx_directory_write(b->server, v, entries, err) : rc;
}

static int work_off(struct batch *b, struct gg_error *err)
{
    int rc = read_rooms(b, err);
    if (rc == 0)
        rc = read_orphans(b, err);
    if (rc == 0)
        rc = write_names(b, err);
    return rc == 0 ? gg_db_txn(b->server->db, "user_directory", 0, write_batch, b, err) : rc;
}

int mx_directory_advance(struct mx_server *server, int64_t upto, struct gg_arena *arena, bool *more, struct gg_error *err)
{
    struct gg_rows *rows;
    *more = false;
    int rc = gg_db_read(server->db, &next_batch, GG_PARAMS(gg_p_i64(upto), gg_p_i64(BATCH)), arena, &rows, err);
    if (rc != 0 || gg_rows_count(rows) == 0 || gg_rows_null(rows, 0, 1))
        return rc;
    struct batch b = {.server = server, .arena = arena, .from = gg_rows_i64(rows, 0, 0), .to = gg_rows_i64(rows, 0, 1)};
    rc = read_changes(&b, err);
    if (rc == 0)
        rc = work_off(&b, err);
    *more = rc == 0 && gg_rows_i64(rows, 0, 2) == BATCH;
    return rc;
}

/* ---- rooms from scratch ---- */

/* Ours are named by their profiles. */
static const struct gg_stmt others_joined = {
    "SELECT room_id, state_key, event_id FROM current_state_events WHERE room_id = ANY($1::text[])"
    " AND type = 'm.room.member' AND membership = 'join' AND right(state_key, length($2) + 1) <> ':' || $2", GG_LANE_SCAN};

int mx_directory_rebuild_rooms(struct mx_server *server, const struct gg_str *room_ids, size_t n, struct gg_arena *arena,
                               gg_txn_fn *with, void *arg, struct gg_error *err)
{
    struct batch b = {.server = server, .arena = arena, .instead = with, .instead_arg = arg};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &others_joined, GG_PARAMS(gg_p_texts(room_ids, n), gg_p_text(server->name)), arena, &rows,
                        err);
    if (rc < 0)
        return rc;
    b.members = GG_NEW_ARRAY(arena, struct member, gg_rows_count(rows) + 1);
    for (; b.n_members < gg_rows_count(rows); b.n_members++)
        b.members[b.n_members] = (struct member){gg_rows_str(rows, b.n_members, 0), gg_rows_str(rows, b.n_members, 1),
                                                 gg_rows_str(rows, b.n_members, 2), true, false};
    b.rooms = GG_NEW_ARRAY(arena, struct room, n + 1);
    for (; b.n_rooms < n; b.n_rooms++)
        b.rooms[b.n_rooms] = (struct room){.id = room_ids[b.n_rooms], .whole = true};
    merge_rooms(&b);
    return work_off(&b, err);
}
