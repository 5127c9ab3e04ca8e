/* sliding.c: the summaries of rooms and memberships that sliding sync lists by (facts database 3.4), from scratch. */
#include "updates/updates.h"

#include "persist/writer.h"

#include <ganglion/matrix/store.h>

static const char *const fact_types[] = {"m.room.create", "m.room.encryption", "m.room.name", "m.room.tombstone"};
enum { FACTS = GG_COUNT(fact_types) };

struct row {
    struct gg_str room_id, user_id, event_id, membership;
    struct mx_room_facts facts;
    bool known;
};
struct turn {
    struct mx_update_step *step;
    struct gg_str *rooms;     /* that are worked on */
    size_t n_rooms;
    const struct gg_rows *seen; /* state of joined rooms (room, event), as the facts were read of it */
    struct row *v;
    size_t n;
};

static struct gg_param param_types(struct gg_arena *arena)
{
    struct gg_str *types = GG_NEW_ARRAY(arena, struct gg_str, FACTS);
    for (size_t i = 0; i < FACTS; i++)
        types[i] = gg_str(fact_types[i]);
    return gg_p_texts(types, FACTS);
}

/* ---- facts of current state ---- */

#define STATE_NOW \
    "SELECT room_id, event_id FROM current_state_events WHERE room_id = ANY($1::text[]) AND type = ANY($2::text[])" \
    " AND state_key = '' ORDER BY room_id, type"
static const struct gg_stmt state_now = {STATE_NOW, GG_LANE_SCAN};
static const struct gg_stmt state_again = {STATE_NOW, 0};

static struct row *row_of(struct turn *t, struct gg_str room_id, size_t from)
{
    for (size_t i = from; i < t->n; i++)
        if (gg_str_eq(t->v[i].room_id, room_id))
            return &t->v[i];
    return NULL;
}

/* Into every row of those rooms that has `joined` facts to get. */
static int read_state_now(struct turn *t, struct gg_error *err)
{
    struct mx_update_step *step = t->step;
    struct gg_rows *rows;
    int rc = gg_db_read(step->server->db, &state_now,
                        GG_PARAMS(gg_p_texts(t->rooms, t->n_rooms), param_types(step->arena)), step->arena, &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    struct gg_str *ids = GG_NEW_ARRAY(step->arena, struct gg_str, n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(step->arena, const struct mx_event *, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = gg_rows_str(rows, i, 1);
    t->seen = rc == 0 ? rows : NULL;
    if (rc == 0)
        rc = mx_store_events(step->server, ids, n, false, step->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        for (struct row *r = row_of(t, gg_rows_str(rows, i, 0), 0); r != NULL && events[i] != NULL;
             r = row_of(t, r->room_id, (size_t)(r - t->v) + 1))
            if (r->event_id.s == NULL || gg_str_is(r->membership, "join")) {
                mx_content_fact(events[i], step->arena, &r->facts);
                r->known = true;
            }
    return rc;
}

/* In the transaction: is it still what the facts were read of? If not, the step is done again. */
static int check_state(struct gg_txn *txn, struct turn *t, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &state_again, GG_PARAMS(gg_p_texts(t->rooms, t->n_rooms), param_types(t->step->arena)),
                         t->step->arena, &rows, err);
    bool same = rc == 0 && gg_rows_count(rows) == gg_rows_count(t->seen);
    for (size_t i = 0; same && i < gg_rows_count(rows); i++)
        same = gg_str_eq(gg_rows_str(rows, i, 1), gg_rows_str(t->seen, i, 1));
    return rc < 0 || same ? rc : gg_fail(err, GG_E_CONFLICT, "the state of a room changed meanwhile");
}

struct columns {
    struct gg_str *rooms, *users, *events, *types, *names, *successors;
    bool *encrypted, *known;
};

static struct columns columns_of(const struct turn *t)
{
    struct gg_arena *arena = t->step->arena;
    struct columns c = {NULL};
    struct gg_str **texts[] = {&c.rooms, &c.users, &c.events, &c.types, &c.names, &c.successors};
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        *texts[i] = GG_NEW_ARRAY(arena, struct gg_str, t->n + 1);
    c.encrypted = GG_NEW_ARRAY(arena, bool, t->n + 1);
    c.known = GG_NEW_ARRAY(arena, bool, t->n + 1);
    for (size_t i = 0; i < t->n; i++) {
        const struct row *r = &t->v[i];
        c.rooms[i] = r->room_id;
        c.users[i] = r->user_id;
        c.events[i] = r->event_id;
        c.types[i] = r->facts.room_type;
        c.names[i] = r->facts.name;
        c.successors[i] = r->facts.tombstone;
        c.encrypted[i] = r->facts.encrypted;
        c.known[i] = r->known;
    }
    return c;
}

/* ---- rooms ---- */

static const struct gg_stmt next_rooms = {
    "SELECT room_id FROM sliding_sync_joined_rooms_to_recalculate ORDER BY room_id LIMIT $1", GG_LANE_SCAN};
static const struct gg_stmt write_rooms = {
    "INSERT INTO sliding_sync_joined_rooms AS s (room_id, event_stream_ordering, bump_stamp, room_type, room_name,"
    " is_encrypted, tombstone_successor_room_id) SELECT u.r, (SELECT max(e.stream_ordering) FROM events e WHERE e.room_id = u.r"
    " AND NOT e.outlier), (SELECT max(e.stream_ordering) FROM events e WHERE e.room_id = u.r AND NOT e.outlier"
    " AND e.stream_ordering > 0 AND e.type IN ('m.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker',"
    " 'm.call.invite', 'm.poll.start', 'm.beacon_info')), u.t, u.n, u.x, u.s FROM unnest($1::text[], $2::text[], $3::text[],"
    " $4::boolean[], $5::text[]) u(r, t, n, x, s) WHERE EXISTS (SELECT 1 FROM events e WHERE e.room_id = u.r AND NOT e.outlier)"
    " ORDER BY u.r ON CONFLICT (room_id) DO UPDATE SET"
    " event_stream_ordering = GREATEST(s.event_stream_ordering, EXCLUDED.event_stream_ordering),"
    " bump_stamp = GREATEST(s.bump_stamp, EXCLUDED.bump_stamp), room_type = EXCLUDED.room_type, room_name = EXCLUDED.room_name,"
    " is_encrypted = EXCLUDED.is_encrypted, tombstone_successor_room_id = EXCLUDED.tombstone_successor_room_id", 0};
static const struct gg_stmt rooms_done = {
    "DELETE FROM sliding_sync_joined_rooms_to_recalculate WHERE room_id = ANY($1::text[])", 0};

static int rooms_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct turn *t = arg;
    struct columns c = columns_of(t);
    int rc = check_state(txn, t, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &write_rooms,
                          GG_PARAMS(gg_p_texts(c.rooms, t->n), gg_p_texts(c.types, t->n), gg_p_texts(c.names, t->n),
                                    gg_p_bools(c.encrypted, t->n), gg_p_texts(c.successors, t->n)),
                          err);
    return rc == 0 ? gg_txn_queue(txn, &rooms_done, GG_PARAMS(gg_p_texts(t->rooms, t->n_rooms)), err) : rc;
}

int mx_update_sliding_rooms(struct mx_update_step *step, struct gg_error *err)
{
    struct turn t = {.step = step};
    struct gg_rows *rows;
    size_t kept = 0;
    int rc = gg_db_read(step->server->db, &next_rooms, GG_PARAMS(gg_p_i64(step->batch)), step->arena, &rows, err);
    if (rc < 0 || gg_rows_count(rows) == 0)
        return rc < 0 ? rc : mx_update_end(step, err);
    t.n = t.n_rooms = gg_rows_count(rows);
    t.rooms = GG_NEW_ARRAY(step->arena, struct gg_str, t.n);
    t.v = GG_NEW_ARRAY(step->arena, struct row, t.n);
    for (size_t i = 0; i < t.n; i++) {
        t.rooms[i] = gg_rows_str(rows, i, 0);
        t.v[i] = (struct row){.room_id = t.rooms[i]};
    }
    rc = read_state_now(&t, err);
    for (size_t i = 0; i < t.n; i++) /* nobody of ours is in the others any more */
        if (t.v[i].known)
            t.v[kept++] = t.v[i];
    t.n = kept;
    step->items = (int64_t)t.n_rooms;
    return rc == 0 ? gg_db_txn(step->server->db, "sliding_sync", 0, rooms_body, &t, err) : rc;
}

/* ---- memberships ---- */

static const struct gg_stmt next_members = {
    "SELECT l.user_id, l.room_id, l.event_id, l.membership, s.user_id IS NOT NULL FROM local_current_membership l"
    " LEFT JOIN sliding_sync_membership_snapshots s ON s.room_id = l.room_id AND s.user_id = l.user_id"
    " AND s.membership_event_id = l.event_id WHERE (l.user_id, l.room_id) > ($1, $2) ORDER BY l.user_id, l.room_id LIMIT $3",
    GG_LANE_SCAN};
static const struct gg_stmt write_members = {
    "INSERT INTO sliding_sync_membership_snapshots AS s (room_id, user_id, sender, membership_event_id, membership, forgotten,"
    " event_stream_ordering, event_instance_name, has_known_state, room_type, room_name, is_encrypted,"
    " tombstone_successor_room_id) SELECT u.r, u.u, e.sender, u.e, m.membership, COALESCE(m.forgotten, 0), e.stream_ordering,"
    " COALESCE(e.instance_name, 'master'), u.k, u.t, u.n, u.x, u.s FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[],"
    " $5::text[], $6::text[], $7::boolean[], $8::text[]) u(r, u, e, k, t, n, x, s) JOIN events e ON e.event_id = u.e"
    " JOIN room_memberships m ON m.event_id = u.e ORDER BY u.r, u.u ON CONFLICT (room_id, user_id) DO UPDATE SET"
    " sender = EXCLUDED.sender, membership_event_id = EXCLUDED.membership_event_id, membership = EXCLUDED.membership,"
    " forgotten = EXCLUDED.forgotten, event_stream_ordering = EXCLUDED.event_stream_ordering,"
    " event_instance_name = EXCLUDED.event_instance_name, has_known_state = EXCLUDED.has_known_state,"
    " room_type = EXCLUDED.room_type, room_name = EXCLUDED.room_name, is_encrypted = EXCLUDED.is_encrypted,"
    " tombstone_successor_room_id = EXCLUDED.tombstone_successor_room_id"
    " WHERE s.event_stream_ordering < EXCLUDED.event_stream_ordering", 0};

struct members_turn {
    struct turn t;
    struct gg_str last_user, last_room;
};

static int members_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct members_turn *m = arg;
    struct turn *t = &m->t;
    struct columns c = columns_of(t);
    struct gg_buf json = GG_BUF_INIT;
    size_t n = t->n;
    int rc = t->n_rooms > 0 ? check_state(txn, t, err) : 0;
    if (rc == 0 && n > 0)
        rc = gg_txn_queue(txn, &write_members,
                          GG_PARAMS(gg_p_texts(c.rooms, n), gg_p_texts(c.users, n), gg_p_texts(c.events, n),
                                    gg_p_bools(c.known, n), gg_p_texts(c.types, n), gg_p_texts(c.names, n),
                                    gg_p_bools(c.encrypted, n), gg_p_texts(c.successors, n)),
                          err);
    gg_buf_lit(&json, "{\"ganglion_user_id\":");
    gg_buf_json_string(&json, m->last_user);
    gg_buf_lit(&json, ",\"ganglion_room_id\":");
    gg_buf_json_string(&json, m->last_room);
    gg_buf_char(&json, '}');
    if (rc == 0)
        rc = mx_update_note_json(txn, t->step, json.data, err);
    gg_buf_done(&json);
    return rc;
}

/* Of an invite or a knock: what came with it (client-server API, "Stripped state"). */
static void take_stripped(struct row *r, const struct mx_event *event, struct gg_arena *arena)
{
    const char *key = gg_str_is(r->membership, "knock") ? "knock_room_state" : "invite_room_state";
    struct mx_json_iter it = mx_json_iter(mx_json_get(event->unsigned_, key));
    while (mx_json_next(&it)) {
        const struct mx_event one = {.type = mx_json_string(mx_json_get(it.value, "type"), arena),
                                     .state_key = mx_json_string(mx_json_get(it.value, "state_key"), arena),
                                     .content = mx_json_get(it.value, "content")};
        if (one.type.s == NULL || one.state_key.s == NULL || !mx_json_is_object(one.content))
            continue;
        mx_content_fact(&one, arena, &r->facts);
        r->known = true;
    }
}

/* Of those who left: the room as it was then. */
static int take_state_then(struct mx_update_step *step, struct row *r, const struct mx_event *event, struct gg_error *err)
{
    const struct mx_state *state;
    struct gg_str ids[FACTS];
    const struct mx_event *events[FACTS];
    size_t n = 0;
    if (event->meta.outlier)
        return 0; /* refused, or taken back: of the room nothing is known */
    int rc = mx_store_state_after(step->server, event->event_id, step->arena, &state, err);
    for (size_t i = 0; rc == 0 && i < FACTS; i++) {
        struct gg_str id = mx_state_get(state, gg_str(fact_types[i]), GG_STR(""));
        if (id.s != NULL)
            ids[n++] = id;
    }
    if (rc == 0)
        rc = mx_store_events(step->server, ids, n, false, step->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL) {
            mx_content_fact(events[i], step->arena, &r->facts);
            r->known = true;
        }
    return rc;
}

static int read_facts(struct turn *t, struct gg_error *err)
{
    struct mx_update_step *step = t->step;
    struct gg_str *ids = GG_NEW_ARRAY(step->arena, struct gg_str, t->n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(step->arena, const struct mx_event *, t->n + 1);
    for (size_t i = 0; i < t->n; i++)
        ids[i] = t->v[i].event_id;
    int rc = mx_store_events(step->server, ids, t->n, false, step->arena, events, err);
    for (size_t i = 0; rc == 0 && i < t->n; i++) {
        struct row *r = &t->v[i];
        if (gg_str_is(r->membership, "join"))
            t->rooms[t->n_rooms++] = r->room_id;
        else if (events[i] != NULL && (gg_str_is(r->membership, "invite") || gg_str_is(r->membership, "knock")))
            take_stripped(r, events[i], step->arena);
        else if (events[i] != NULL)
            rc = take_state_then(step, r, events[i], err);
    }
    return rc == 0 && t->n_rooms > 0 ? read_state_now(t, err) : rc;
}

int mx_update_sliding_members(struct mx_update_step *step, struct gg_error *err)
{
    struct members_turn m = {.t = {.step = step}};
    struct gg_str user = mx_update_progress(step, "ganglion_user_id"), room = mx_update_progress(step, "ganglion_room_id");
    struct gg_rows *rows;
    int rc = gg_db_read(step->server->db, &next_members,
                        GG_PARAMS(gg_p_str(user.s != NULL ? user : GG_STR("")), gg_p_str(room.s != NULL ? room : GG_STR("")),
                                  gg_p_i64(step->batch)),
                        step->arena, &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    if (rc < 0 || n == 0)
        return rc < 0 ? rc : mx_update_end(step, err);
    m.t.rooms = GG_NEW_ARRAY(step->arena, struct gg_str, n);
    m.t.v = GG_NEW_ARRAY(step->arena, struct row, n);
    for (size_t i = 0; i < n; i++) {
        m.last_user = gg_rows_str(rows, i, 0);
        m.last_room = gg_rows_str(rows, i, 1);
        if (!gg_rows_bool(rows, i, 4)) /* what the event writer wrote is right */
            m.t.v[m.t.n++] = (struct row){.user_id = m.last_user, .room_id = m.last_room,
                                          .event_id = gg_rows_str(rows, i, 2), .membership = gg_rows_str(rows, i, 3)};
    }
    step->items = (int64_t)n;
    rc = read_facts(&m.t, err);
    return rc == 0 ? gg_db_txn(step->server->db, "sliding_sync", 0, members_body, &m, err) : rc;
}
