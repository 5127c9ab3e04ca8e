/* sequences.c: no table may hold an id that its sequence has still to hand out (facts database 1.3, 2).
 *
 * That happens when a database is restored piece by piece or edited by hand; ids would then be given out twice. */
#include "schema/schema.h"

#include <ganglion/matrix/server.h>

/* The largest id of a table. A table without rows gives 0. */
#define CHECK(sequence_, table_, id_)                                                                                  \
    "SELECT '" sequence_ "', '" table_ "', (SELECT last_value FROM " sequence_ ") AS last, "                           \
    "coalesce((SELECT max(" id_ ") FROM " table_ "), 0)::bigint AS largest"
/* The same for ids that are stored negated; by min(), which an index answers. */
#define CHECK_NEGATED(sequence_, table_, id_)                                                                          \
    "SELECT '" sequence_ "', '" table_ "', (SELECT last_value FROM " sequence_ ") AS last, "                           \
    "-coalesce((SELECT min(" id_ ") FROM " table_ "), 0)::bigint AS largest"
#define AND " UNION ALL "

static const struct gg_stmt behind = {
    "SELECT * FROM (" CHECK("events_stream_seq", "events", "stream_ordering") AND CHECK(
        "events_stream_seq", "current_state_delta_stream",
        "stream_id") AND CHECK("events_stream_seq", "ex_outlier_stream", "event_stream_ordering")
        AND CHECK_NEGATED("events_backfill_stream_seq", "events", "stream_ordering") AND CHECK_NEGATED(
            "events_backfill_stream_seq", "ex_outlier_stream",
            "event_stream_ordering") AND CHECK("sticky_events_sequence", "sticky_events", "stream_id")
            AND CHECK("profile_updates_sequence", "profile_updates", "stream_id") AND CHECK(
                "account_data_sequence", "account_data", "stream_id") AND CHECK("account_data_sequence",
                                                                                "room_account_data", "stream_id")
                AND CHECK("account_data_sequence", "room_tags_revisions", "stream_id") AND CHECK(
                    "receipts_sequence", "receipts_linearized",
                    "stream_id") AND CHECK("device_inbox_sequence", "device_inbox", "stream_id")
                    AND CHECK("device_inbox_sequence", "device_federation_outbox",
                              "stream_id") AND CHECK("device_lists_sequence", "device_lists_stream", "stream_id")
                        AND CHECK("device_lists_sequence", "user_signature_stream", "stream_id") AND CHECK(
                            "device_lists_sequence", "device_lists_outbound_pokes",
                            "stream_id") AND CHECK("device_lists_sequence", "device_lists_changes_in_room", "stream_id")
                            AND CHECK("device_lists_sequence", "device_lists_remote_pending", "stream_id") AND CHECK(
                                "device_lists_sequence", "device_lists_changes_converted_stream_position", "stream_id")
                                AND CHECK("e2e_cross_signing_keys_sequence", "e2e_cross_signing_keys", "stream_id")
                                    AND CHECK("presence_stream_sequence", "presence_stream", "stream_id") AND CHECK(
                                        "push_rules_stream_sequence", "push_rules_stream",
                                        "stream_id") AND CHECK("pushers_sequence", "pushers", "id")
                                        AND CHECK("pushers_sequence", "deleted_pushers", "stream_id") AND CHECK(
                                            "thread_subscriptions_sequence", "thread_subscriptions", "stream_id")
                                            AND CHECK("quarantined_media_id_seq", "quarantined_media_changes",
                                                      "stream_id") AND CHECK("un_partial_stated_event_stream_sequence",
                                                                             "un_partial_stated_event_stream",
                                                                             "stream_id")
                                                AND CHECK("un_partial_stated_room_stream_sequence",
                                                          "un_partial_stated_room_stream", "stream_id")
                                                    AND CHECK("cache_invalidation_stream_seq",
                                                              "cache_invalidation_stream_by_instance", "stream_id")
                                                        AND CHECK("state_group_id_seq", "state_groups", "id") AND CHECK(
                                                            "event_auth_chain_id", "event_auth_chains", "chain_id")
                                                            AND CHECK(
                                                                "application_services_txn_id_seq",
                                                                "application_services_txns",
                                                                "txn_id") ") AS checks WHERE largest > last LIMIT 1",
    GG_LANE_SCAN};

int mx_schema_check_sequences(struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &behind, GG_NO_PARAMS, arena, &rows, err);
    if (!status && gg_rows_count(rows))
        status = gg_fail(err, GG_E_INVALID,
                         "sequence %.*s stands at %lld but table %.*s holds %lld: stop all processes and move it up, "
                         "SELECT setval('%.*s', %lld)",
                         GG_FMT(gg_rows_str(rows, 0, 0)), (long long)gg_rows_i64(rows, 0, 2),
                         GG_FMT(gg_rows_str(rows, 0, 1)), (long long)gg_rows_i64(rows, 0, 3),
                         GG_FMT(gg_rows_str(rows, 0, 0)), (long long)gg_rows_i64(rows, 0, 3));
    gg_arena_free(arena);
    return status;
}
