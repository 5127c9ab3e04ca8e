/* destinations.c: the tables destinations and destination_rooms. */
#include "storage/admin/destinations.h"
#include "storage/change.h"

#define MEMBERS                                                                                                        \
    "'destination', d.destination, 'retry_last_ts', coalesce(d.retry_last_ts, 0), 'retry_interval', "                  \
    "coalesce(d.retry_interval, 0), 'failure_ts', d.failure_ts, 'last_successful_stream_ordering', "                   \
    "d.last_successful_stream_ordering"
#define KEY                                                                                                            \
    "CASE $2 WHEN 'retry_last_ts' THEN coalesce(d.retry_last_ts, 0) WHEN 'retry_interval' THEN "                       \
    "coalesce(d.retry_interval, 0) WHEN 'failure_ts' THEN d.failure_ts WHEN 'last_successful_stream_ordering' THEN "   \
    "d.last_successful_stream_ordering END"

bool mx_admin_destinations_order(const char *name)
{
    static const char *const known[] = {"destination", "retry_last_ts", "retry_interval", "failure_ts",
                                        "last_successful_stream_ordering"};
    for (size_t i = 0; i < GG_COUNT(known); i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

const struct gg_stmt mx_admin_destinations = {
    "WITH found AS (SELECT json_build_object(" MEMBERS ") AS one, row_number() OVER (ORDER BY CASE WHEN NOT $3 THEN " KEY
    " END, CASE WHEN $3 THEN " KEY " END DESC, CASE WHEN NOT $3 OR $2 <> 'destination' THEN d.destination END, d.destination "
    "DESC) AS place FROM destinations d WHERE $1::text IS NULL OR position(lower($1) in d.destination) > 0) "
    "SELECT (json_build_object('destinations', coalesce(json_agg(one ORDER BY place) FILTER (WHERE place > $4::bigint AND "
    "place <= $4 + $5::bigint), '[]'), 'total', count(*))::jsonb || CASE WHEN $4 + $5 < count(*) THEN "
    "jsonb_build_object('next_token', ($4 + $5)::text) ELSE '{}' END)::text FROM found",
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_destination = {
    "SELECT json_build_object(" MEMBERS ")::text FROM destinations d WHERE d.destination = $1", GG_LANE_POINT};

const struct gg_stmt mx_admin_destination_rooms = {
    "WITH found AS (SELECT json_build_object('room_id', r.room_id, 'stream_ordering', r.stream_ordering) AS one, row_number() "
    "OVER (ORDER BY CASE WHEN NOT $2 THEN r.room_id END, CASE WHEN $2 THEN r.room_id END DESC) AS place FROM "
    "destination_rooms r WHERE r.destination = $1) SELECT (json_build_object('rooms', coalesce(json_agg(one ORDER BY place) "
    "FILTER (WHERE place > $3::bigint AND place <= $3 + $4::bigint), '[]'), 'total', count(*))::jsonb || CASE WHEN $3 + $4 < "
    "count(*) THEN jsonb_build_object('next_token', ($3 + $4)::text) ELSE '{}' END)::text FROM found HAVING EXISTS (SELECT 1 "
    "FROM destinations d WHERE d.destination = $1)",
    GG_LANE_SCAN};

int mx_admin_destination_reset(struct mx_server *server, struct gg_str destination, struct gg_error *err)
{
    static const char *const caches[] = {"get_destination_retry_timings", NULL};
    static const struct gg_stmt known = {"SELECT 'true' FROM destinations WHERE destination = $1", GG_LANE_POINT};
    static const struct gg_stmt reset = {
        "UPDATE destinations SET retry_last_ts = 0, retry_interval = 0, failure_ts = NULL WHERE destination = $1 AND "
        "coalesce(retry_last_ts, 0) > 0",
        0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_str found;
    int64_t n;
    int status = mx_admin_ask(server, &known, GG_PARAMS(gg_p_str(destination)), arena, &found, err);
    bool there = found.s != NULL;
    gg_arena_free(arena);
    if (!status && !there)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown destination");
    if (!status)
        status = mx_change_and_forget(server, &reset, GG_PARAMS(gg_p_str(destination)), caches, destination, &n, err);
    return status || n ? status
                       : gg_refuse(err, 400, "M_UNKNOWN", "The retry timing does not need to be reset for this destination.");
}
