-- seed.sql: the rows that a fresh database holds. Tables with a lock column have exactly one row, which is only ever
-- updated: a loop whose row is missing cannot advance.

INSERT INTO schema_version (version, upgraded) VALUES (94, true);
INSERT INTO schema_compat_version (compat_version) VALUES (84);

INSERT INTO appservice_stream_position (stream_ordering) VALUES (0);
INSERT INTO delayed_events_stream_pos (stream_id) VALUES (0);
INSERT INTO device_lists_changes_converted_stream_position (stream_id, room_id) VALUES (1, '');
INSERT INTO device_lists_changes_in_room_max_pruned_stream_id (stream_id) VALUES (0);
INSERT INTO event_push_summary_last_receipt_stream_id (stream_id) VALUES (0);
INSERT INTO event_push_summary_stream_ordering (stream_ordering) VALUES (0);
INSERT INTO room_forgetter_stream_pos (stream_id) VALUES (0);
INSERT INTO stats_incremental_position (stream_id) VALUES (1);
INSERT INTO user_directory_stream_pos (stream_id) VALUES (1);

INSERT INTO federation_stream_position (type, stream_id, instance_name) VALUES
    ('federation', -1, 'master'),
    ('events', -1, 'master');

-- Removes one-time keys that were left behind by devices long gone; the background process picks it up when it is due.
INSERT INTO scheduled_tasks (id, action, status, "timestamp") VALUES
    ('delete_old_otks_task', 'delete_old_otks', 'scheduled', (extract(epoch FROM now()) * 1000)::bigint + 600000);
