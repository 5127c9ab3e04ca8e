-- rooms.sql: rooms themselves: directory, aliases, statistics, policies, blocks and reports.

-- One row per room known here. Written by: any process (create/invite/join code path), before the first event.
CREATE TABLE rooms (
    room_id text PRIMARY KEY,
    is_public boolean,            -- shown in this server's room directory
    creator text,                 -- user id, '' when learnt from an invite
    room_version text,            -- version string
    has_auth_chain_index boolean  -- true for all rooms made by current code
);
CREATE INDEX public_room_index ON rooms (is_public);

-- Lowest depth held for the room. Written by: the event persister.
CREATE TABLE room_depth (
    room_id text NOT NULL UNIQUE,
    min_depth bigint
);

-- Alias to room. Written by: the main process.
CREATE TABLE room_aliases (
    room_alias text NOT NULL UNIQUE,
    room_id text NOT NULL,
    creator text  -- user id or NULL
);
CREATE INDEX room_aliases_id ON room_aliases (room_id);

-- Servers to try for an alias. Written by: the main process.
CREATE TABLE room_alias_servers (
    room_alias text NOT NULL,
    server text NOT NULL
);
CREATE INDEX room_alias_servers_alias ON room_alias_servers (room_alias);

-- Rooms that local users may not join. Written by: any process (admin).
CREATE TABLE blocked_rooms (
    room_id text NOT NULL,
    user_id text NOT NULL  -- admin who blocked
);
CREATE UNIQUE INDEX blocked_rooms_idx ON blocked_rooms (room_id);

-- Reports of rooms. Written by: any process (the main process).
CREATE TABLE room_reports (
    id bigint PRIMARY KEY,
    received_ts bigint NOT NULL,
    room_id text NOT NULL,
    user_id text NOT NULL,
    reason text NOT NULL
);

-- Retention policy of the room by event. Written by: the event persister.
CREATE TABLE room_retention (
    room_id text NOT NULL,
    event_id text NOT NULL,
    min_lifetime bigint,  -- ms
    max_lifetime bigint,  -- ms
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX room_retention_max_lifetime_idx ON room_retention (max_lifetime);

-- Ban/kick that asks for all of the user's events to be redacted. Written by: the event persister.
CREATE TABLE room_ban_redactions (
    room_id text NOT NULL,
    user_id text NOT NULL,
    redacting_event_id text NOT NULL,  -- the membership event
    redact_end_ordering bigint,        -- stream position where the effect stops (NULL = still in force)
    CONSTRAINT room_ban_redaction_uniqueness UNIQUE (room_id, user_id)
);

-- Text facts of a room for the directory and admin lists, each from the matching state event. Written by: the
-- background process.
CREATE TABLE room_stats_state (
    room_id text NOT NULL,
    name text,
    canonical_alias text,
    join_rules text,
    history_visibility text,
    encryption text,
    avatar text,
    guest_access text,
    is_federatable boolean,  -- m.federate of the create event
    topic text,              -- plain text form
    room_type text
);
CREATE UNIQUE INDEX room_stats_state_room ON room_stats_state (room_id);

-- Counters per room. Written by: the background process.
CREATE TABLE room_stats_current (
    room_id text PRIMARY KEY,
    current_state_events integer NOT NULL,      -- grows by one per state entry first seen; never shrinks
    joined_members integer NOT NULL,
    invited_members integer NOT NULL,
    left_members integer NOT NULL,
    banned_members integer NOT NULL,
    local_users_in_room integer NOT NULL,
    completed_delta_stream_id bigint NOT NULL,  -- delta stream position reached
    knocked_members integer
);

-- First delta position from which increments count (rows only where initial population happened). Written by: the
-- background process.
CREATE TABLE room_stats_earliest_token (
    room_id text NOT NULL,
    token bigint NOT NULL
);
CREATE UNIQUE INDEX room_stats_earliest_token_idx ON room_stats_earliest_token (room_id);

-- Joined room count per local user. Written by: the background process (row also made by registration).
CREATE TABLE user_stats_current (
    user_id text PRIMARY KEY,
    joined_rooms bigint NOT NULL,
    completed_delta_stream_id bigint NOT NULL
);

-- Delta stream position of the stats loop. Written by: the background process.
CREATE TABLE stats_incremental_position (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_id bigint NOT NULL
);
