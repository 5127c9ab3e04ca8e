/* timings.c: the columns of destinations that say when a server is asked again. */
#include "storage/federation/timings.h"

#include "storage/change.h"

int mx_fed_timings_read(struct mx_server *server, const struct gg_str *names, size_t n, struct mx_fed_timings *out,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT i, coalesce(failure_ts, 0), coalesce(retry_last_ts, 0), coalesce(retry_interval, 0) FROM "
        "unnest($1::text[]) WITH ORDINALITY AS asked (name, i) JOIN destinations ON destination = name",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows = NULL;
    memset(out, 0, n * sizeof(*out));
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_texts(names, n)), arena, &rows, err);
    for (size_t r = 0; !status && r < gg_rows_count(rows); r++)
        out[gg_rows_i64(rows, r, 0) - 1] = (struct mx_fed_timings){.failure_ts = gg_rows_i64(rows, r, 1),
                                                                   .last_ts = gg_rows_i64(rows, r, 2),
                                                                   .interval = gg_rows_i64(rows, r, 3)};
    gg_arena_free(arena);
    return status;
}

int mx_fed_timings_write(struct mx_server *server, struct gg_str name, const struct mx_fed_timings *timings,
                         struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO destinations AS d (destination, failure_ts, retry_last_ts, retry_interval) VALUES ($1, nullif($2::bigint, 0), "
        "$3, $4) ON CONFLICT (destination) DO UPDATE SET failure_ts = excluded.failure_ts, retry_last_ts = "
        "excluded.retry_last_ts, retry_interval = excluded.retry_interval WHERE excluded.retry_last_ts = 0 OR "
        "excluded.retry_interval > coalesce(d.retry_interval, 0) OR excluded.retry_last_ts > coalesce(d.retry_last_ts, 0)",
        0};
    static const char *const caches[] = {"get_destination_retry_timings", NULL};
    return mx_change_and_forget(server, &stmt,
                                GG_PARAMS(gg_p_str(name), gg_p_i64(timings->failure_ts), gg_p_i64(timings->last_ts),
                                          gg_p_i64(timings->interval)),
                                caches, name, NULL, err);
}
