/* reports.c: the tables event_reports and user_reports. */
#include "storage/admin/reports.h"

#define EVENT                                                                                                          \
    "'id', r.id, 'received_ts', r.received_ts, 'room_id', r.room_id, 'event_id', r.event_id, 'user_id', r.user_id, "    \
    "'score', r.content::json -> 'score', 'reason', r.content::json ->> 'reason', 'sender', e.sender, "                \
    "'canonical_alias', s.canonical_alias, 'name', s.name"
#define EVENT_FROM                                                                                                     \
    "event_reports r LEFT JOIN events e ON e.event_id = r.event_id LEFT JOIN room_stats_state s ON s.room_id = r.room_id"
#define USER                                                                                                           \
    "'id', r.id, 'received_ts', r.received_ts, 'target_user_id', r.target_user_id, 'user_id', r.user_id, 'reason', r.reason"
#define PART(column_, param_) "(" param_ "::text IS NULL OR position(" param_ " in " column_ ") > 0)"
/* A page of rows: name of the list, members, from, where. */
#define PAGE(name_, members_, from_, where_)                                                                           \
    "WITH found AS (SELECT json_build_object(" members_ ") AS report, row_number() OVER (ORDER BY CASE WHEN $4 THEN "  \
    "-r.received_ts ELSE r.received_ts END, CASE WHEN $4 THEN -r.id ELSE r.id END) AS place FROM " from_ " WHERE "     \
    where_ ") SELECT (json_build_object('" name_ "', coalesce(json_agg(report ORDER BY place) FILTER (WHERE place > "  \
    "$5::bigint AND place <= $5::bigint + $6::bigint), '[]'), 'total', count(*))::jsonb || CASE WHEN $5 + $6 < count(*) " \
    "THEN jsonb_build_object('next_token', $5 + $6) ELSE '{}' END)::text FROM found"

const struct gg_stmt mx_admin_event_reports = {
    PAGE("event_reports", EVENT, EVENT_FROM,
         PART("r.user_id", "$1") " AND " PART("r.room_id", "$2") " AND ($3::text IS NULL OR e.sender = $3)"),
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_user_reports = {
    PAGE("user_reports", USER, "user_reports r",
         PART("r.user_id", "$1") " AND " PART("r.target_user_id", "$2") " AND $3::text IS NULL"),
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_event_report = {
    "SELECT json_build_object(" EVENT ", 'event_json', j.json::json)::text FROM " EVENT_FROM
    " LEFT JOIN event_json j ON j.event_id = r.event_id WHERE r.id = $1::bigint",
    GG_LANE_POINT};

const struct gg_stmt mx_admin_user_report = {
    "SELECT json_build_object(" USER ")::text FROM user_reports r WHERE r.id = $1::bigint", GG_LANE_POINT};

const struct gg_stmt mx_admin_delete_event_report = {"DELETE FROM event_reports WHERE id = $1::bigint", 0};
const struct gg_stmt mx_admin_delete_user_report = {"DELETE FROM user_reports WHERE id = $1::bigint", 0};
