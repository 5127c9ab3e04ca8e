/* updates_table.c: the background updates of Synapse that make an index, as the finished schema has it. */
#include "jobs/updates.h"

const struct mx_index_update mx_index_updates[] = {
    {"device_lists_changes_in_room_by_room_index", "device_lists_changes_in_room_by_room_idx",
     "CREATE INDEX CONCURRENTLY device_lists_changes_in_room_by_room_idx ON device_lists_changes_in_room "
     "(room_id, stream_id)",
     NULL},
    {"events_jump_to_date_index", "events_jump_to_date_idx",
     "CREATE INDEX CONCURRENTLY events_jump_to_date_idx ON events (room_id, origin_server_ts) WHERE NOT "
     "outlier",
     NULL},
    {"room_membership_user_room_index", "room_membership_user_room_idx",
     "CREATE INDEX CONCURRENTLY room_membership_user_room_idx ON room_memberships (user_id, room_id)",
     NULL},
    {"profiles_full_user_id_key_idx", "profiles_full_user_id_key",
     "CREATE UNIQUE INDEX CONCURRENTLY profiles_full_user_id_key ON profiles (full_user_id)",
     NULL},
    {"full_users_filters_unique_idx", "full_users_unique_idx",
     "CREATE UNIQUE INDEX CONCURRENTLY full_users_unique_idx ON user_filters (full_user_id, filter_id)",
     NULL},
    {"current_state_events_stream_ordering_idx", "current_state_events_stream_ordering_idx",
     "CREATE INDEX CONCURRENTLY current_state_events_stream_ordering_idx ON current_state_events "
     "(event_stream_ordering)",
     NULL},
    {"local_current_membership_stream_ordering_idx", "local_current_membership_stream_ordering_idx",
     "CREATE INDEX CONCURRENTLY local_current_membership_stream_ordering_idx ON local_current_membership "
     "(event_stream_ordering)",
     NULL},
    {"room_memberships_stream_ordering_idx", "room_memberships_stream_ordering_idx",
     "CREATE INDEX CONCURRENTLY room_memberships_stream_ordering_idx ON room_memberships "
     "(event_stream_ordering)",
     NULL},
    {"e2e_room_keys_index_room_id", "e2e_room_keys_room_id",
     "CREATE INDEX CONCURRENTLY e2e_room_keys_room_id ON e2e_room_keys (room_id)",
     NULL},
    {"room_account_data_index_room_id", "room_account_data_room_id",
     "CREATE INDEX CONCURRENTLY room_account_data_room_id ON room_account_data (room_id)",
     NULL},
    {"event_push_summary_index_room_id", "event_push_summary_index_room_id",
     "CREATE INDEX CONCURRENTLY event_push_summary_index_room_id ON event_push_summary (room_id)",
     NULL},
    {"event_auth_chain_links_origin_index", "event_auth_chain_links_origin_index",
     "CREATE INDEX CONCURRENTLY event_auth_chain_links_origin_index ON event_auth_chain_links "
     "(origin_chain_id, origin_sequence_number)",
     NULL},
    {"access_tokens_refresh_token_id_idx", "access_tokens_refresh_token_id_idx",
     "CREATE INDEX CONCURRENTLY access_tokens_refresh_token_id_idx ON access_tokens (refresh_token_id)",
     NULL},
    {"receipts_room_id_event_id_index", "receipts_linearized_event_id",
     "CREATE INDEX CONCURRENTLY receipts_linearized_event_id ON receipts_linearized (room_id, event_id)",
     NULL},
    {"current_state_events_members_room_index", "current_state_events_members_room_index",
     "CREATE INDEX CONCURRENTLY current_state_events_members_room_index ON current_state_events (room_id, "
     "membership) WHERE type = 'm.room.member'",
     NULL},
    {"add_otk_ts_added_index", "e2e_one_time_keys_json_user_id_device_id_algorithm_ts_added_idx",
     "CREATE INDEX CONCURRENTLY e2e_one_time_keys_json_user_id_device_id_algorithm_ts_added_idx ON "
     "e2e_one_time_keys_json (user_id, device_id, algorithm, ts_added_ms)",
     NULL},
    {"current_state_delta_stream_room_index", "current_state_delta_stream_room_idx",
     "CREATE INDEX CONCURRENTLY current_state_delta_stream_room_idx ON current_state_delta_stream "
     "(room_id, stream_id)",
     NULL},
    {"sliding_sync_connection_room_configs_required_state_id_idx", "sliding_sync_connection_room_configs_required_state_id_idx",
     "CREATE INDEX CONCURRENTLY sliding_sync_connection_room_configs_required_state_id_idx ON "
     "sliding_sync_connection_room_configs (required_state_id)",
     NULL},
    {"events_received_ts_index", "received_ts_idx",
     "CREATE INDEX CONCURRENTLY received_ts_idx ON events (received_ts) WHERE type = 'm.room.member'",
     NULL},
    {"local_media_repository_sha256_idx", "local_media_repository_sha256",
     "CREATE INDEX CONCURRENTLY local_media_repository_sha256 ON local_media_repository (sha256) WHERE "
     "sha256 IS NOT NULL",
     NULL},
    {"remote_media_cache_sha256_idx", "remote_media_cache_sha256",
     "CREATE INDEX CONCURRENTLY remote_media_cache_sha256 ON remote_media_cache (sha256) WHERE sha256 IS "
     "NOT NULL",
     NULL},
    {"sliding_sync_membership_snapshots_membership_event_id_idx", "sliding_sync_membership_snapshots_membership_event_id_idx",
     "CREATE INDEX CONCURRENTLY sliding_sync_membership_snapshots_membership_event_id_idx ON "
     "sliding_sync_membership_snapshots (membership_event_id)",
     NULL},
    {"sliding_sync_membership_snapshots_user_id_stream_ordering", "sliding_sync_membership_snapshots_user_id_stream_ordering",
     "CREATE INDEX CONCURRENTLY sliding_sync_membership_snapshots_user_id_stream_ordering ON "
     "sliding_sync_membership_snapshots (user_id, event_stream_ordering)",
     "sliding_sync_membership_snapshots_user_id"},
    {"device_federation_inbox_received_ts_index", "device_federation_inbox_received_ts_index",
     "CREATE INDEX CONCURRENTLY device_federation_inbox_received_ts_index ON device_federation_inbox "
     "(received_ts)",
     NULL},
    {"event_txn_id_device_id_txn_id2", "event_txn_id_device_id_txn_id2",
     "CREATE UNIQUE INDEX CONCURRENTLY event_txn_id_device_id_txn_id2 ON event_txn_id_device_id (user_id, "
     "device_id, room_id, txn_id)",
     "event_txn_id_device_id_txn_id"},
    {"delayed_events_idx", "delayed_events_idx",
     "CREATE UNIQUE INDEX CONCURRENTLY delayed_events_idx ON delayed_events (delay_id)",
     NULL},
    {"device_lists_changes_in_room_inserted_ts_idx", "device_lists_changes_in_room_inserted_ts_idx",
     "CREATE INDEX CONCURRENTLY device_lists_changes_in_room_inserted_ts_idx ON "
     "device_lists_changes_in_room (inserted_ts) WHERE inserted_ts IS NOT NULL",
     NULL},
    {"sliding_sync_connections_last_used_ts_idx", "sliding_sync_connections_last_used_ts_idx",
     "CREATE INDEX CONCURRENTLY sliding_sync_connections_last_used_ts_idx ON sliding_sync_connections "
     "(last_used_ts) WHERE last_used_ts IS NOT NULL",
     NULL},
    {"sliding_sync_connection_lazy_members_conn_pos_idx", "sliding_sync_connection_lazy_members_conn_pos_idx",
     "CREATE INDEX CONCURRENTLY sliding_sync_connection_lazy_members_conn_pos_idx ON "
     "sliding_sync_connection_lazy_members (connection_position) WHERE connection_position IS NOT NULL",
     NULL},
    {"device_lists_changes_in_room_unconverted_idx", "device_lists_changes_in_room_unconverted_idx",
     "CREATE INDEX CONCURRENTLY device_lists_changes_in_room_unconverted_idx ON "
     "device_lists_changes_in_room (user_id, device_id, room_id, stream_id) WHERE NOT converted_to_destinations",
     NULL},
    {"e2e_cross_signing_signatures_add_key_id_to_index", "e2e_cross_signing_signatures_idx3",
     "CREATE UNIQUE INDEX CONCURRENTLY e2e_cross_signing_signatures_idx3 ON e2e_cross_signing_signatures "
     "(user_id, target_user_id, target_device_id, key_id)",
     "e2e_cross_signing_signatures2_idx"},
    {0},
};
