/* matrix/storage/federation/outgoing.c: events owed to other servers, and what is known of each of them. */
#include "storage/federation/outgoing.h"

/* ---- events to be sent ---- */

#define OWN_EVENTS(and_)                                                                                         \
    "SELECT e.stream_ordering, e.event_id, e.room_id FROM events e JOIN event_json j ON j.event_id = e.event_id"  \
    " WHERE e.stream_ordering > $1::bigint AND e.stream_ordering <= $2::bigint AND NOT e.outlier"                \
    " AND e.rejection_reason IS NULL" and_                                                                       \
    " AND (right(e.sender, length($3)) = $3 OR j.internal_metadata LIKE '%\"send_on_behalf_of\"%')"              \
    " ORDER BY e.stream_ordering LIMIT $4::bigint"

static const struct gg_stmt select_own = {OWN_EVENTS(""), GG_LANE_SCAN};
static const struct gg_stmt select_own_in_room = {OWN_EVENTS(" AND e.room_id = $5"), GG_LANE_SCAN};

static void take_own(const struct gg_rows *rows, struct gg_arena *arena, struct mx_own_event **out, size_t *n_out)
{
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_own_event, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_own_event){gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)};
}

int mx_own_events_read(struct mx_server *server, int64_t from, int64_t to, size_t limit, struct gg_arena *arena,
                       struct mx_own_event **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    const char *suffix = gg_arena_printf(arena, ":%s", server->name);
    int rc = gg_db_read(server->db, &select_own,
                        GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_text(suffix), gg_p_i64((int64_t)limit)), arena, &rows,
                        err);
    if (rc == 0)
        take_own(rows, arena, out, n_out);
    return rc;
}

int mx_own_events_in_room(struct mx_server *server, struct gg_str room_id, int64_t from, int64_t to, size_t limit,
                          struct gg_arena *arena, struct mx_own_event **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    const char *suffix = gg_arena_printf(arena, ":%s", server->name);
    int rc = gg_db_read(server->db, &select_own_in_room,
                        GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_text(suffix), gg_p_i64((int64_t)limit),
                                  gg_p_str(room_id)),
                        arena, &rows, err);
    if (rc == 0)
        take_own(rows, arena, out, n_out);
    return rc;
}

/* Rooms that were purged since are left out: they have nothing to be owed. */
static const struct gg_stmt owe = {
    "WITH own AS (UPDATE federation_stream_position SET stream_id = $4::bigint"
    "  WHERE type = 'events' AND instance_name = $5 RETURNING 1),"
    " known AS (INSERT INTO destinations (destination) SELECT DISTINCT d FROM unnest($1::text[]) d"
    "  WHERE EXISTS (SELECT FROM own) ORDER BY d ON CONFLICT DO NOTHING),"
    " due AS (INSERT INTO destination_rooms (destination, room_id, stream_ordering)"
    "  SELECT u.d, u.r, u.o FROM unnest($1::text[], $2::text[], $3::bigint[]) u (d, r, o)"
    "  JOIN rooms ON rooms.room_id = u.r WHERE EXISTS (SELECT FROM own) ORDER BY u.d, u.r"
    "  ON CONFLICT (destination, room_id) DO UPDATE"
    "  SET stream_ordering = GREATEST(destination_rooms.stream_ordering, excluded.stream_ordering))"
    " SELECT count(*) FROM own",
    0};

int mx_owe(struct mx_server *server, const char *sender, int64_t position, const struct gg_str *destinations,
           const struct gg_str *rooms, const int64_t *orderings, size_t n, bool *held, struct gg_error *err)
{
    struct gg_rows *rows;
    struct gg_arena *arena = gg_arena_new();
    int rc = gg_db_write(server->db, &owe,
                         GG_PARAMS(gg_p_texts(destinations, n), gg_p_texts(rooms, n), gg_p_i64s(orderings, n),
                                   gg_p_i64(position), gg_p_text(sender)),
                         arena, &rows, err);
    if (rc == 0)
        *held = gg_rows_i64(rows, 0, 0) > 0;
    gg_arena_free(arena);
    return rc;
}

/* ---- destinations ---- */

#define RETRY_AT "CASE WHEN COALESCE(d.retry_interval, 0) > 0 THEN d.retry_last_ts + d.retry_interval ELSE 0 END"
#define OWED_EVENTS(name_)                                                                                      \
    "EXISTS (SELECT FROM destination_rooms r WHERE r.destination = " name_                                      \
    " AND r.stream_ordering > COALESCE(d.last_successful_stream_ordering, 0))"
#define OWED_MESSAGES(name_) "EXISTS (SELECT FROM device_federation_outbox o WHERE o.destination = " name_ ")"
#define OWED_LISTS(name_) "EXISTS (SELECT FROM device_lists_outbound_pokes p WHERE p.destination = " name_ " AND NOT p.sent)"

static const struct gg_stmt select_owed = {
    "SELECT COALESCE(d.last_successful_stream_ordering, 0), " RETRY_AT ", " OWED_EVENTS("n.name") ", "
    OWED_MESSAGES("n.name") ", " OWED_LISTS("n.name")
    " FROM unnest($1::text[]) WITH ORDINALITY n (name, i) LEFT JOIN destinations d ON d.destination = n.name ORDER BY n.i",
    GG_LANE_POINT};

int mx_owed_read(struct mx_server *server, const struct gg_str *names, size_t n, struct gg_arena *arena,
                 struct mx_owed *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_owed, GG_PARAMS(gg_p_texts(names, n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < n && i < gg_rows_count(rows); i++)
        out[i] = (struct mx_owed){names[i],
                                  gg_rows_i64(rows, i, 0),
                                  gg_rows_i64(rows, i, 1),
                                  gg_rows_bool(rows, i, 2),
                                  gg_rows_bool(rows, i, 3),
                                  gg_rows_bool(rows, i, 4)};
    return rc;
}

static void take_names(const struct gg_rows *rows, struct gg_arena *arena, struct gg_str **out, size_t *n_out)
{
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
}

/* A server that only devices wrote to has no row among the destinations. */
static const struct gg_stmt select_list = {
    "SELECT destination FROM ("
    "(SELECT d.destination FROM destinations d WHERE d.destination > $1 AND " RETRY_AT " <= $2::bigint AND ("
    OWED_EVENTS("d.destination") " OR " OWED_MESSAGES("d.destination") " OR " OWED_LISTS("d.destination")
    ") ORDER BY 1 LIMIT $3::bigint)"
    " UNION (SELECT DISTINCT o.destination FROM device_federation_outbox o WHERE o.destination > $1"
    "  AND NOT EXISTS (SELECT FROM destinations d WHERE d.destination = o.destination) ORDER BY 1 LIMIT $3::bigint)"
    " UNION (SELECT DISTINCT p.destination FROM device_lists_outbound_pokes p WHERE p.destination > $1 AND NOT p.sent"
    "  AND NOT EXISTS (SELECT FROM destinations d WHERE d.destination = p.destination) ORDER BY 1 LIMIT $3::bigint)"
    ") x ORDER BY 1 LIMIT $3::bigint",
    GG_LANE_SCAN};

int mx_owed_list(struct mx_server *server, struct gg_str after, int64_t now, size_t limit, struct gg_arena *arena,
                 struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_list,
                        GG_PARAMS(gg_p_str(after), gg_p_i64(now), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc == 0)
        take_names(rows, arena, out, n_out);
    return rc;
}

static const struct gg_stmt set_delivered = {
    "UPDATE destinations d SET last_successful_stream_ordering = u.o FROM unnest($1::text[], $2::bigint[]) u (name, o)"
    " WHERE d.destination = u.name AND COALESCE(d.last_successful_stream_ordering, 0) < u.o",
    0};

int mx_owed_delivered(struct mx_server *server, const struct gg_str *destinations, const int64_t *orderings, size_t n,
                      struct gg_error *err)
{
    return gg_db_write(server->db, &set_delivered, GG_PARAMS(gg_p_texts(destinations, n), gg_p_i64s(orderings, n)), NULL,
                       NULL, err);
}

static const struct gg_stmt select_missed = {
    "SELECT r.room_id, e.event_id, r.stream_ordering FROM destination_rooms r"
    " LEFT JOIN events e ON e.stream_ordering = r.stream_ordering AND e.room_id = r.room_id"
    " WHERE r.destination = $1 AND r.stream_ordering > $2::bigint ORDER BY r.stream_ordering LIMIT $3::bigint",
    GG_LANE_SCAN};

int mx_owed_missed(struct mx_server *server, struct gg_str destination, int64_t after, size_t limit,
                   struct gg_arena *arena, struct mx_missed **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_missed,
                        GG_PARAMS(gg_p_str(destination), gg_p_i64(after), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_missed, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_missed){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 2)};
    return 0;
}

/* ---- messages to devices ---- */

static const struct gg_stmt select_outbox = {
    "SELECT stream_id, messages_json FROM device_federation_outbox WHERE destination = $1"
    " ORDER BY stream_id LIMIT $2::bigint",
    GG_LANE_POINT};

int mx_outbox_read(struct mx_server *server, struct gg_str destination, size_t limit, struct gg_arena *arena,
                   struct mx_outbox_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_outbox, GG_PARAMS(gg_p_str(destination), gg_p_i64((int64_t)limit)), arena,
                        &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_outbox_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_outbox_row){gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1)};
    return 0;
}

static const struct gg_stmt delete_outbox = {
    "DELETE FROM device_federation_outbox WHERE destination = $1 AND stream_id = ANY ($2::bigint[])", 0};

int mx_outbox_delete(struct mx_server *server, struct gg_str destination, const int64_t *ids, size_t n,
                     struct gg_error *err)
{
    return gg_db_write(server->db, &delete_outbox, GG_PARAMS(gg_p_str(destination), gg_p_i64s(ids, n)), NULL, NULL, err);
}
