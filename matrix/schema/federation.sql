-- federation.sql: other servers: how to reach them, what they were sent, their keys.

-- Remote servers. Written by: the federation sender, or any process process that records backoff.
CREATE TABLE destinations (
    destination text PRIMARY KEY,
    retry_last_ts bigint,                   -- ms, 0/NULL when well
    retry_interval bigint,                  -- ms
    failure_ts bigint,                      -- ms of the first failure
    last_successful_stream_ordering bigint  -- newest event known delivered
);

-- Newest event to be delivered per destination and room (catch-up). Written by: the federation sender.
CREATE TABLE destination_rooms (
    destination text NOT NULL REFERENCES destinations (destination),
    room_id text NOT NULL REFERENCES rooms (room_id),
    stream_ordering bigint NOT NULL,
    PRIMARY KEY (destination, room_id)
);
CREATE INDEX destination_rooms_room_id ON destination_rooms (room_id);

-- Sticky stream position from which a destination still needs sticky events in a room. Written by: the federation
-- sender.
CREATE TABLE destination_rooms_sticky_events_backlog (
    destination text NOT NULL,
    room_id text NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
    sticky_events_stream_position integer NOT NULL,
    PRIMARY KEY (destination, room_id)
);
CREATE INDEX destination_rooms_sticky_events_backlog_room_id ON destination_rooms_sticky_events_backlog (room_id);

-- ('events', instance) = last event handled; ('federation', instance) = position in the main process's in-memory
-- federation queue when senders are separate, else -1. Written by: the federation sender.
CREATE TABLE federation_stream_position (
    type text NOT NULL,
    stream_id bigint NOT NULL,
    instance_name text NOT NULL DEFAULT 'master'
);
CREATE UNIQUE INDEX federation_stream_position_instance ON federation_stream_position (type, instance_name);

-- Answers to inbound transactions, for replays; kept 24 h. Written by: federation receiver.
CREATE TABLE received_transactions (
    transaction_id text,
    origin text,
    ts bigint,            -- ms
    response_code integer,
    response_json bytea,  -- bytea, canonical JSON
    has_been_referenced smallint DEFAULT 0,
    UNIQUE (transaction_id, origin)
);
CREATE INDEX received_transactions_ts ON received_transactions (ts);

-- Raw key responses of remote servers. Written by: any process.
CREATE TABLE server_keys_json (
    server_name text NOT NULL,
    key_id text NOT NULL,
    from_server text NOT NULL,
    ts_added_ms bigint NOT NULL,
    ts_valid_until_ms bigint NOT NULL,  -- ms
    key_json bytea NOT NULL,            -- bytea, JSON as received (signed)
    CONSTRAINT server_keys_json_uniqueness UNIQUE (server_name, key_id, from_server)
);

-- Verify keys ready for use. Written by: any process.
CREATE TABLE server_signature_keys (
    server_name text,
    key_id text,
    from_server text,  -- server asked
    ts_added_ms bigint,
    verify_key bytea,  -- bytea, 32 raw bytes
    ts_valid_until_ms bigint,
    UNIQUE (server_name, key_id)
);
