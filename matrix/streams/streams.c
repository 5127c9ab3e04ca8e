/* matrix/streams/streams.c: every stream of a deployment as one table, in the order of the wire (facts replication 5).
 *
 * A stream exists in every process, whether it writes it, follows it or only announces that it stands still: a
 * missing one would freeze the others. */
#include "push/stream.h"
#include "streams.h"

#include "../parts.h"
#include "e2ee/streams.h"
#include "presence/presence.h"
#include "storage/media/quarantine.h"
#include "storage/pushers.h"
#include "userdata/streams.h"

#define NO_TABLES {{NULL, NULL, NULL}}

struct entry {
    struct gg_stream_def def;
    size_t member; /* offset of the gg_stream * in struct mx_server */
    struct gg_stream_table tables[7];
};

#define MEMBER(name_) offsetof(struct mx_server, name_)

static const struct entry streams[] = {
    {{.name = "events", .position_name = "events", .sequence = "events_stream_seq", .writers_key = "events",
      .fetch = mx_fetch_events},
     MEMBER(events),
     {{"events", "stream_ordering", "instance_name"},
      {"current_state_delta_stream", "stream_id", "instance_name"},
      {"ex_outlier_stream", "event_stream_ordering", "instance_name"}}},
    {{.name = "backfill", .position_name = "backfill", .sequence = "events_backfill_stream_seq",
      .writers_key = "events",
      .negative = true, .fetch = mx_fetch_backfill},
     MEMBER(backfill),
     {{"events", "stream_ordering", "instance_name"}, {"ex_outlier_stream", "event_stream_ordering", "instance_name"}}},
    {{.name = "presence", .position_name = "presence_stream", .sequence = "presence_stream_sequence",
      .writers_key = "presence", .fetch = mx_presence_fetch},
     MEMBER(presence),
     {{"presence_stream", "stream_id", "instance_name"}}},
    {{.name = "presence_federation", .writers_key = "presence", .may_go_back = true, .fetch = mx_presence_servers_fetch},
     MEMBER(presence_federation), NO_TABLES},
    {{.name = "typing",
      .writers_key = "typing", .may_go_back = true, .fetch = mx_typing_fetch}, MEMBER(typing_stream), NO_TABLES},
    {{.name = "receipts", .position_name = "receipts", .sequence = "receipts_sequence", .writers_key = "receipts",
      .fetch = mx_receipts_fetch},
     MEMBER(receipts),
     {{"receipts_linearized", "stream_id", "instance_name"}}},
    {{.name = "push_rules", .position_name = "push_rules_stream", .sequence = "push_rules_stream_sequence",
      .writers_key = "push_rules", .fetch = mx_push_rules_fetch},
     MEMBER(push_rules),
     {{"push_rules_stream", "stream_id", "instance_name"}}},
    {{.name = "pushers", .position_name = "pushers", .sequence = "pushers_sequence", .fetch = mx_pushers_fetch},
     MEMBER(pushers),
     {{"pushers", "id", "instance_name"}, {"deleted_pushers", "stream_id", "instance_name"}}},
    {{.name = "caches", .sequence = "cache_invalidation_stream_seq", .writers_key = "*", .fetch = mx_fetch_caches},
     MEMBER(caches_stream),
     {{"cache_invalidation_stream_by_instance", "stream_id", "instance_name"}}},
    {{.name = "device_lists", .position_name = "device_lists_stream", .sequence = "device_lists_sequence",
      .writers_key = "device_lists", .fetch = mx_device_lists_fetch},
     MEMBER(device_lists),
     {{"device_lists_stream", "stream_id", "instance_name"},
      {"user_signature_stream", "stream_id", "instance_name"},
      {"device_lists_outbound_pokes", "stream_id", "instance_name"},
      {"device_lists_changes_in_room", "stream_id", "instance_name"},
      {"device_lists_remote_pending", "stream_id", "instance_name"},
      {"device_lists_changes_converted_stream_position", "stream_id", "instance_name"}}},
    {{.name = "to_device", .position_name = "to_device", .sequence = "device_inbox_sequence",
      .writers_key = "to_device", .fetch = mx_to_device_fetch},
     MEMBER(to_device),
     {{"device_inbox", "stream_id", "instance_name"}, {"device_federation_outbox", "stream_id", "instance_name"}}},
    {{.name = "account_data", .position_name = "account_data", .sequence = "account_data_sequence",
      .writers_key = "account_data", .fetch = mx_account_data_fetch},
     MEMBER(account_data),
     {{"room_account_data", "stream_id", "instance_name"},
      {"room_tags_revisions", "stream_id", "instance_name"},
      {"account_data", "stream_id", "instance_name"}}},
    {{.name = "thread_subscriptions", .position_name = "thread_subscriptions",
      .sequence = "thread_subscriptions_sequence",
      .writers_key = "thread_subscriptions"},
     MEMBER(thread_subscriptions),
     {{"thread_subscriptions", "stream_id", "instance_name"}}},
    {{.name = "un_partial_stated_room", .position_name = "un_partial_stated_room_stream",
      .sequence = "un_partial_stated_room_stream_sequence"},
     MEMBER(un_partial_rooms),
     {{"un_partial_stated_room_stream", "stream_id", "instance_name"}}},
    {{.name = "un_partial_stated_event", .position_name = "un_partial_stated_event_stream",
      .sequence = "un_partial_stated_event_stream_sequence"},
     MEMBER(un_partial_events),
     {{"un_partial_stated_event_stream", "stream_id", "instance_name"}}},
    {{.name = "federation", .may_go_back = true}, MEMBER(federation), NO_TABLES},
    {{.name = "profile_updates", .position_name = "profile_updates", .sequence = "profile_updates_sequence",
      .writers_key = "events"},
     MEMBER(profile_updates),
     {{"profile_updates", "stream_id", "instance_name"}}},
    {{.name = "sticky_events", .position_name = "sticky_events", .sequence = "sticky_events_sequence",
      .writers_key = "events"},
     MEMBER(sticky_events),
     {{"sticky_events", "stream_id", "instance_name"}}},
    {{.name = "quarantined_media", .position_name = "quarantined_media", .sequence = "quarantined_media_id_seq",
      .writers_key = "quarantined_media_changes", .fetch = mx_quarantine_fetch},
     MEMBER(quarantined_media),
     {{"quarantined_media_changes", "stream_id", "instance_name"}}},
};

void mx_streams_register(struct mx_server *server)
{
    for (size_t i = 0; i < GG_COUNT(streams); i++) {
        struct gg_stream_def def = streams[i].def;
        def.tables = streams[i].tables;
        struct gg_stream **slot = (struct gg_stream **)(void *)((char *)server + streams[i].member);
        *slot = gg_stream_register(server->host, &def, server);
    }
}

int mx_fetch_by(struct mx_server *server, const struct gg_stmt *stmt, const char *instance, int64_t from, int64_t to,
                size_t limit, struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out, int64_t *reached_out,
                struct gg_error *err)
{
    struct gg_rows *rows;
    int status = gg_db_read(server->db, stmt,
                            GG_PARAMS(gg_p_text(instance), gg_p_i64(from), gg_p_i64(to), gg_p_i64((int64_t)limit)),
                            arena, &rows, err);
    if (status)
        return status;
    size_t n = gg_rows_count(rows);
    struct gg_fetched *out = GG_NEW_ARRAY(arena, struct gg_fetched, n);
    for (size_t i = 0; i < n; i++) {
        out[i].token = gg_rows_i64(rows, i, 0);
        out[i].row = gg_rows_str(rows, i, 1);
    }
    *rows_out = out;
    *n_out = n;
    *reached_out = n && n >= limit ? out[n - 1].token : to;
    return 0;
}
