/* matrix/storage/reports.c: what users report to the administrators. */
#include "storage/reports.h"

/* The first id is 2, as Synapse's counter begins. Two at once may find the same maximum: the one that comes second adds
 * nothing and tries again. A row is only added if what is reported is known. */
#define NEXT_ID(table_) "(SELECT COALESCE(max(id), 1) + 1 FROM " table_ ")"
enum { TRIES = 20 };

/* Returns GG_E_NOT_FOUND without words when there is no such thing. */
static int add(struct mx_server *server, const struct gg_stmt *insert, const struct gg_param *params, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    bool known = true;
    int64_t added = 0;
    int rc = 0;
    for (int i = 0; rc == 0 && known && added == 0 && i < TRIES; i++) {
        rc = gg_db_write(server->db, insert, params, n, arena, &rows, err);
        known = rc == 0 && gg_rows_bool(rows, 0, 0);
        added = rc == 0 ? gg_rows_i64(rows, 0, 1) : 0;
    }
    gg_arena_free(arena);
    if (rc == 0 && known && added == 0)
        rc = gg_fail(err, GG_E_CONFLICT, "no free id for a report");
    return rc != 0 || known ? rc : GG_E_NOT_FOUND;
}

#define ADDED " ON CONFLICT (id) DO NOTHING RETURNING id) SELECT EXISTS (SELECT 1 FROM known), (SELECT count(*) FROM added)"

int mx_report_event(struct mx_server *server, const struct mx_report *r, struct gg_error *err)
{
    static const struct gg_stmt insert = {
        "WITH known AS (SELECT 1), added AS (INSERT INTO event_reports (id, received_ts, room_id, event_id, user_id, reason, content)"
        " SELECT " NEXT_ID("event_reports") ", $1::bigint, $2, $3, $4, $5, $6 FROM known" ADDED, 0};
    return add(server, &insert, GG_PARAMS(gg_p_i64(gg_wall_ms()), gg_p_str(r->room_id), gg_p_str(r->event_id), gg_p_str(r->reporter),
                                          gg_p_str(r->reason), gg_p_str(r->body)), err);
}

int mx_report_room(struct mx_server *server, const struct mx_report *r, struct gg_error *err)
{
    static const struct gg_stmt insert = {
        "WITH known AS (SELECT 1 FROM rooms WHERE room_id = $2),"
        " added AS (INSERT INTO room_reports (id, received_ts, room_id, user_id, reason)"
        " SELECT " NEXT_ID("room_reports") ", $1::bigint, $2, $3, $4 FROM known" ADDED, 0};
    int rc = add(server, &insert, GG_PARAMS(gg_p_i64(gg_wall_ms()), gg_p_str(r->room_id), gg_p_str(r->reporter), gg_p_str(r->reason)), err);
    return rc == GG_E_NOT_FOUND ? gg_refuse(err, 404, "M_NOT_FOUND", "Room does not exist") : rc;
}

int mx_report_user(struct mx_server *server, const struct mx_report *r, struct gg_error *err)
{
    static const struct gg_stmt insert = {
        "WITH known AS (SELECT 1 FROM users WHERE name = $2),"
        " added AS (INSERT INTO user_reports (id, received_ts, target_user_id, user_id, reason)"
        " SELECT " NEXT_ID("user_reports") ", $1::bigint, $2, $3, $4 FROM known" ADDED, 0};
    int rc = add(server, &insert, GG_PARAMS(gg_p_i64(gg_wall_ms()), gg_p_str(r->user_id), gg_p_str(r->reporter), gg_p_str(r->reason)), err);
    return rc == GG_E_NOT_FOUND ? 0 : rc;
}
