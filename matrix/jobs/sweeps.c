/* sweeps.c: rows that go by age alone (facts database 5.5), a batch at a time. */
#include <ganglion/fiber.h>

#include "jobs/jobs.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { BATCH = 1000, PAUSE_MS = 20 };

/* By a time of the row's own. */
#define OLDER(table_, column_)                                                                                         \
    {"DELETE FROM " table_ " WHERE ctid = ANY(ARRAY(SELECT ctid FROM " table_ " WHERE " column_                        \
     " < $1::bigint LIMIT $2::bigint))", 0}
/* The same where only an id that grows with time has an index: the lowest are looked at. */
#define OLDEST(table_, id_, column_)                                                                                   \
    {"DELETE FROM " table_ " WHERE ctid = ANY(ARRAY(SELECT ctid FROM (SELECT ctid, " column_ " AS at FROM " table_     \
     " ORDER BY " id_ " LIMIT $2::bigint) t WHERE at < $1::bigint))", 0}

const struct mx_sweep mx_sweeps[] = {
    {"event_txn_ids", 5 * MINUTE, DAY, OLDER("event_txn_id_device_id", "inserted_ts"), 0},
    {"device_federation_inbox", 5 * MINUTE, 7 * DAY, OLDER("device_federation_inbox", "received_ts"), 0},
    {"received_transactions", 30 * MINUTE, DAY, OLDER("received_transactions", "ts"), 0},
    {"login_tokens", 30 * MINUTE, 0, OLDER("login_tokens", "expiry_ts"), 0},
    {"sessions", 30 * MINUTE, 0, OLDER("sessions", "expiry_time_ms"), 0},
    {"threepid_validation_tokens", 30 * MINUTE, 0, OLDER("threepid_validation_token", "expires"), 0},
    {"event_push_actions_staging", 30 * MINUTE, HOUR, OLDER("event_push_actions_staging", "inserted_ts"), 0},
    {"worker_locks", HOUR, HOUR, OLDER("worker_locks", "last_renewed_ts"), 0},
    {"sticky_events", HOUR, 0, OLDER("sticky_events", "expires_at"), 0},
    /* Whoever asks from before what is gone must look elsewhere. */
    {"device_lists_changes_in_room", HOUR, 30 * DAY,
     {"WITH old AS (SELECT place, stream_id FROM (SELECT ctid AS place, stream_id, inserted_ts FROM device_lists_changes_in_room "
      "ORDER BY stream_id LIMIT $2::bigint) t WHERE inserted_ts < $1::bigint), noted AS (UPDATE "
      "device_lists_changes_in_room_max_pruned_stream_id SET stream_id = greatest(stream_id, (SELECT max(stream_id) FROM old)) "
      "WHERE EXISTS (SELECT 1 FROM old)) DELETE FROM device_lists_changes_in_room WHERE ctid = ANY(ARRAY(SELECT place FROM old))", 0}, 0},
    {"cache_invalidations", HOUR, 7 * DAY,
     OLDEST("cache_invalidation_stream_by_instance", "stream_id", "invalidation_ts"), 20000},
    {"scheduled_tasks", HOUR, 7 * DAY,
     {"DELETE FROM scheduled_tasks WHERE ctid = ANY(ARRAY(SELECT ctid FROM scheduled_tasks WHERE status IN ('complete', "
      "'failed', 'cancelled') AND \"timestamp\" < $1::bigint LIMIT $2::bigint))", 0}, 0},
    /* Of each user and server the newest poke stays: it says that the server has yet to be told. It follows on nothing then, so
     * that the server asks for the whole list. */
    {"device_lists_outbound_pokes", HOUR, DAY,
     {"WITH old AS (SELECT p.ctid AS place, p.destination, p.user_id FROM device_lists_outbound_pokes p WHERE p.ts < $1::bigint AND "
      "EXISTS (SELECT 1 FROM device_lists_outbound_pokes n WHERE n.destination = p.destination AND n.user_id = p.user_id AND "
      "n.stream_id > p.stream_id) LIMIT $2::bigint), broken AS (DELETE FROM device_lists_outbound_last_success s USING old WHERE "
      "s.destination = old.destination AND s.user_id = old.user_id) DELETE FROM device_lists_outbound_pokes WHERE ctid = "
      "ANY(ARRAY(SELECT place FROM old))", 0}, 0},
    /* Ids of events have no time of their own; events that were purged count as old. */
    {"stream_ordering_to_exterm", HOUR, 30 * DAY,
     {"DELETE FROM stream_ordering_to_exterm WHERE ctid = ANY(ARRAY(SELECT x.ctid FROM (SELECT ctid, stream_ordering FROM "
      "stream_ordering_to_exterm ORDER BY stream_ordering LIMIT $2::bigint) x LEFT JOIN events e USING (stream_ordering) "
      "WHERE coalesce(e.received_ts, 0) < $1::bigint))", 0}, 0},
    {0},
};

int mx_sweep_run(struct mx_server *server, const struct mx_sweep *sweep, struct gg_error *err)
{
    int64_t batch = sweep->batch ? sweep->batch : BATCH, n = batch, before = gg_wall_ms() - sweep->age_ms;
    int status = 0;
    while (!status && n == batch) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        status = gg_db_write(server->db, &sweep->stmt, GG_PARAMS(gg_p_i64(before), gg_p_i64(batch)), arena, &rows, err);
        n = status ? 0 : gg_rows_affected(rows);
        gg_arena_free(arena);
        if (n == batch && gg_sleep(PAUSE_MS))
            return gg_fail(err, GG_E_CANCELLED, "stopped");
    }
    return status;
}
