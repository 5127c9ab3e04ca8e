-- devices.sql: devices and how the news of them spreads to rooms and servers.

CREATE SEQUENCE device_lists_sequence;
SELECT nextval('device_lists_sequence');

-- Devices, plus hidden rows that reserve cross-signing key names. Written by: the device_lists writer (register/login
-- on the main process).
CREATE TABLE devices (
    user_id text NOT NULL,
    device_id text NOT NULL,
    display_name text,
    last_seen bigint,              -- ms (filled by BG batch)
    ip text,                       -- last ip
    user_agent text,               -- last user agent string
    hidden boolean DEFAULT false,  -- true for those
    CONSTRAINT device_uniqueness UNIQUE (user_id, device_id)
);

-- Single-sign-on session behind a device. Written by: the main process.
CREATE TABLE device_auth_providers (
    user_id text NOT NULL,
    device_id text NOT NULL,
    auth_provider_id text NOT NULL,
    auth_provider_session_id text NOT NULL
);
CREATE INDEX device_auth_providers_devices ON device_auth_providers (user_id, device_id);
CREATE INDEX device_auth_providers_sessions ON device_auth_providers (auth_provider_id, auth_provider_session_id);

-- One per user. Written by: any process.
CREATE TABLE dehydrated_devices (
    user_id text PRIMARY KEY,
    device_id text NOT NULL,
    device_data text NOT NULL  -- JSON
);

-- Newest change per (user, device); the older row is deleted when a new one is added. Written by: the device_lists
-- writer.
CREATE TABLE device_lists_stream (
    stream_id bigint NOT NULL,
    user_id text NOT NULL,
    device_id text NOT NULL,
    instance_name text
);
CREATE INDEX device_lists_stream_id ON device_lists_stream (stream_id, user_id);
CREATE INDEX device_lists_stream_user_id ON device_lists_stream (user_id, device_id);

-- The change fanned out to each room the user is in. Written by: the device_lists writer.
CREATE TABLE device_lists_changes_in_room (
    user_id text NOT NULL,
    device_id text NOT NULL,
    room_id text NOT NULL,
    stream_id bigint NOT NULL,
    converted_to_destinations boolean NOT NULL,  -- true once turned into outbound pokes (at once for remote users)
    opentracing_context text,                    -- JSON, '{}'
    instance_name text,
    inserted_ts bigint                           -- ms; pruned after 30 days
);
CREATE INDEX device_lists_changes_in_room_by_room_idx ON device_lists_changes_in_room (room_id, stream_id);
CREATE INDEX device_lists_changes_in_room_inserted_ts_idx ON device_lists_changes_in_room
    (inserted_ts) WHERE inserted_ts IS NOT NULL;
CREATE INDEX device_lists_changes_in_room_unconverted_idx ON device_lists_changes_in_room
    (user_id, device_id, room_id, stream_id) WHERE NOT converted_to_destinations;
CREATE UNIQUE INDEX device_lists_changes_in_stream_id ON device_lists_changes_in_room (stream_id, room_id);
CREATE INDEX device_lists_changes_in_stream_id_unconverted ON device_lists_changes_in_room
    (stream_id) WHERE NOT converted_to_destinations;

-- Highest pruned position; a since token below it cannot be answered from the table. Written by: the background
-- process.
CREATE TABLE device_lists_changes_in_room_max_pruned_stream_id (
    lock char(1) NOT NULL DEFAULT 'X' UNIQUE,
    stream_id bigint NOT NULL
);

-- Cursor (stream_id, room_id) of the conversion loop. Written by: the device_lists writer (first writer).
CREATE TABLE device_lists_changes_converted_stream_position (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_id bigint NOT NULL,
    room_id text NOT NULL,
    instance_name text
);

-- Queue of device list updates per destination. Written by: the device_lists writer.
CREATE TABLE device_lists_outbound_pokes (
    destination text NOT NULL,
    stream_id bigint NOT NULL,  -- fresh id, becomes the EDU stream_id
    user_id text NOT NULL,
    device_id text NOT NULL,
    sent boolean NOT NULL,      -- false until confirmed, then the row is deleted
    ts bigint NOT NULL,         -- ms
    opentracing_context text,
    instance_name text
);
CREATE INDEX device_lists_outbound_pokes_id ON device_lists_outbound_pokes (destination, stream_id);
CREATE INDEX device_lists_outbound_pokes_stream ON device_lists_outbound_pokes (stream_id);
CREATE INDEX device_lists_outbound_pokes_user ON device_lists_outbound_pokes (destination, user_id);

-- Last stream_id confirmed per destination and user. Written by: the federation sender.
CREATE TABLE device_lists_outbound_last_success (
    destination text NOT NULL,
    user_id text NOT NULL,
    stream_id bigint NOT NULL
);
CREATE UNIQUE INDEX device_lists_outbound_last_success_unique_idx ON device_lists_outbound_last_success
    (destination, user_id);

-- Remote users' devices. Written by: the device_lists writer.
CREATE TABLE device_lists_remote_cache (
    user_id text NOT NULL,
    device_id text NOT NULL,
    content text NOT NULL  -- JSON as in the EDU or query answer
);
CREATE UNIQUE INDEX device_lists_remote_cache_unique_id ON device_lists_remote_cache (user_id, device_id);

-- Last stream id received for the remote user. Written by: the device_lists writer.
CREATE TABLE device_lists_remote_extremeties (
    user_id text NOT NULL,
    stream_id text NOT NULL  -- decimal number stored as text
);
CREATE UNIQUE INDEX device_lists_remote_extremeties_unique_idx ON device_lists_remote_extremeties (user_id);

-- Remote users that need a full refetch. Written by: the device_lists writer.
CREATE TABLE device_lists_remote_resync (
    user_id text NOT NULL,
    added_ts bigint NOT NULL  -- ms
);
CREATE UNIQUE INDEX device_lists_remote_resync_idx ON device_lists_remote_resync (user_id);
CREATE INDEX device_lists_remote_resync_ts_idx ON device_lists_remote_resync (added_ts);

-- Updates held back while the room has partial state. Written by: the device_lists writer.
CREATE TABLE device_lists_remote_pending (
    stream_id bigint PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    instance_name text
);
CREATE UNIQUE INDEX device_lists_remote_pending_user_device_id ON device_lists_remote_pending (user_id, device_id);

-- A user signed others' keys. Written by: the device_lists writer.
CREATE TABLE user_signature_stream (
    stream_id bigint NOT NULL,  -- from device_lists_sequence
    from_user_id text NOT NULL,
    user_ids text NOT NULL,     -- JSON list
    instance_name text
);
CREATE UNIQUE INDEX user_signature_stream_idx ON user_signature_stream (stream_id);
