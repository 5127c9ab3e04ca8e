-- sliding_sync.sql: sliding sync: summaries of rooms, and what each connection was told already.

-- Summary of each room that some local user is joined to. Written by: the event persister.
CREATE TABLE sliding_sync_joined_rooms (
    room_id text PRIMARY KEY REFERENCES rooms (room_id),
    -- newest event in the room
    event_stream_ordering bigint NOT NULL REFERENCES events (stream_ordering),
    -- newest bump event (create, message, encrypted, sticker, call invite, poll start, beacon info); NULL/none yet
    -- allowed
    bump_stamp bigint,
    room_type text,                   -- create content.type
    room_name text,                   -- name event's content.name
    is_encrypted boolean NOT NULL DEFAULT false,
    tombstone_successor_room_id text  -- tombstone content.replacement_room
);
CREATE UNIQUE INDEX sliding_sync_joined_rooms_event_stream_ordering ON sliding_sync_joined_rooms
    (event_stream_ordering);

-- Rooms to refresh; empty in normal work. Written by: schema upgrade only.
CREATE TABLE sliding_sync_joined_rooms_to_recalculate (
    room_id text PRIMARY KEY REFERENCES rooms (room_id)
);

-- Per local user and room, room facts at the time of the membership. Written by: the event persister.
CREATE TABLE sliding_sync_membership_snapshots (
    room_id text NOT NULL REFERENCES rooms (room_id),
    user_id text NOT NULL,
    sender text NOT NULL,
    membership_event_id text NOT NULL REFERENCES events (event_id),
    membership text NOT NULL,
    forgotten integer NOT NULL DEFAULT 0,  -- 0/1
    event_stream_ordering bigint NOT NULL REFERENCES events (stream_ordering),
    -- persister of the membership event; note that the upsert does not refresh it
    event_instance_name text NOT NULL,
    -- false when no (stripped) state was known, as for knock/invite rejections without state
    has_known_state boolean NOT NULL DEFAULT false,
    room_type text,
    room_name text,
    is_encrypted boolean NOT NULL DEFAULT false,
    tombstone_successor_room_id text,
    PRIMARY KEY (room_id, user_id)
);
CREATE UNIQUE INDEX sliding_sync_membership_snapshots_event_stream_ordering ON sliding_sync_membership_snapshots
    (event_stream_ordering);
CREATE INDEX sliding_sync_membership_snapshots_membership_event_id_idx ON sliding_sync_membership_snapshots
    (membership_event_id);
CREATE INDEX sliding_sync_membership_snapshots_user_id_stream_ordering ON sliding_sync_membership_snapshots
    (user_id, event_stream_ordering);

-- One per (user, device, conn_id). Written by: any sync process.
CREATE TABLE sliding_sync_connections (
    connection_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    effective_device_id text NOT NULL,  -- device id, or the requester's token identity when none
    conn_id text NOT NULL,
    created_ts bigint NOT NULL,         -- ms
    last_used_ts bigint                 -- ms, refreshed at most every 5 min; connections unused for 7 days go
);
CREATE INDEX sliding_sync_connections_idx ON sliding_sync_connections (user_id, effective_device_id, conn_id);
CREATE INDEX sliding_sync_connections_last_used_ts_idx ON sliding_sync_connections
    (last_used_ts) WHERE last_used_ts IS NOT NULL;
CREATE INDEX sliding_sync_connections_ts_idx ON sliding_sync_connections (created_ts);

-- One per response that changed connection state; older positions are deleted once a newer one is used. Written by: any
-- sync process.
CREATE TABLE sliding_sync_connection_positions (
    connection_position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_key bigint NOT NULL REFERENCES sliding_sync_connections (connection_key) ON DELETE CASCADE,
    created_ts bigint NOT NULL
);
CREATE INDEX sliding_sync_connection_positions_key ON sliding_sync_connection_positions (connection_key);
CREATE INDEX sliding_sync_connection_positions_ts_idx ON sliding_sync_connection_positions (created_ts);

-- Deduplicated required_state lists. Written by: any sync process.
CREATE TABLE sliding_sync_connection_required_state (
    required_state_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_key bigint NOT NULL REFERENCES sliding_sync_connections (connection_key) ON DELETE CASCADE,
    required_state text NOT NULL  -- JSON list of [type, state_key] pairs, sorted
);
CREATE INDEX sliding_sync_connection_required_state_conn_pos ON sliding_sync_connection_required_state (connection_key);

-- Timeline limit and required_state per room at a position. Written by: any sync process.
CREATE TABLE sliding_sync_connection_room_configs (
    connection_position bigint NOT NULL REFERENCES sliding_sync_connection_positions (connection_position)
        ON DELETE CASCADE,
    room_id text NOT NULL,
    timeline_limit bigint NOT NULL,
    required_state_id bigint NOT NULL REFERENCES sliding_sync_connection_required_state (required_state_id)
);
CREATE UNIQUE INDEX sliding_sync_connection_room_configs_idx ON sliding_sync_connection_room_configs
    (connection_position, room_id);
CREATE INDEX sliding_sync_connection_room_configs_required_state_id_idx ON sliding_sync_connection_room_configs
    (required_state_id);

-- What was sent down per room and stream. Written by: any sync process.
CREATE TABLE sliding_sync_connection_streams (
    connection_position bigint NOT NULL REFERENCES sliding_sync_connection_positions (connection_position)
        ON DELETE CASCADE,
    stream text NOT NULL,       -- rooms, receipts, account_data
    room_id text NOT NULL,
    room_status text NOT NULL,  -- live or previously (never = no row)
    last_token text             -- position reached, for previously
);
CREATE UNIQUE INDEX sliding_sync_connection_streams_idx ON sliding_sync_connection_streams
    (connection_position, room_id, stream);

-- Members already sent under lazy loading. Written by: any sync process.
CREATE TABLE sliding_sync_connection_lazy_members (
    connection_key bigint NOT NULL REFERENCES sliding_sync_connections (connection_key) ON DELETE CASCADE,
    -- position that introduced it, set to NULL once that position is confirmed
    connection_position bigint REFERENCES sliding_sync_connection_positions (connection_position)
        ON DELETE CASCADE,
    room_id text NOT NULL,
    user_id text NOT NULL,
    last_seen_ts bigint NOT NULL  -- ms
);
CREATE INDEX sliding_sync_connection_lazy_members_conn_pos_idx ON sliding_sync_connection_lazy_members
    (connection_position) WHERE connection_position IS NOT NULL;
CREATE UNIQUE INDEX sliding_sync_connection_lazy_members_idx ON sliding_sync_connection_lazy_members
    (connection_key, room_id, user_id);
CREATE INDEX sliding_sync_connection_lazy_members_pos_idx ON sliding_sync_connection_lazy_members
    (connection_key, connection_position) WHERE connection_position IS NOT NULL;
