-- state.sql: state groups (the state at an event) and the current state of rooms.

CREATE SEQUENCE state_group_id_seq;

-- One row per distinct room state. Written by: any process process that computes state (the event persister, event
-- creators, federation).
CREATE TABLE state_groups (
    id bigint PRIMARY KEY,  -- from state_group_id_seq
    room_id text NOT NULL,
    event_id text NOT NULL  -- event that gave rise to the group
);
CREATE INDEX state_groups_room_id_idx ON state_groups (room_id);

-- Parent of a group stored as a delta; no row = stored whole. Written by: the same.
CREATE TABLE state_group_edges (
    state_group bigint NOT NULL,
    prev_state_group bigint NOT NULL
);
CREATE INDEX state_group_edges_prev_idx ON state_group_edges (prev_state_group);
CREATE UNIQUE INDEX state_group_edges_unique_idx ON state_group_edges (state_group, prev_state_group);

-- State entries of the group: the delta against the parent, or the whole map. Written by: the same.
CREATE TABLE state_groups_state (
    state_group bigint NOT NULL,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    event_id text NOT NULL
);
CREATE INDEX state_groups_state_type_idx ON state_groups_state (state_group, type, state_key);
ALTER TABLE state_groups_state ALTER COLUMN state_group SET (n_distinct = -0.02);

-- Groups named by events being persisted right now, so that they are not deleted. Written by: the event persister.
CREATE TABLE state_groups_persisting (
    state_group bigint NOT NULL,
    instance_name text NOT NULL,
    -- ms, database default
    inserted_ts bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000),
    PRIMARY KEY (state_group, instance_name)
);
CREATE INDEX state_groups_persisting_instance_name ON state_groups_persisting (instance_name);

-- Groups found unreferenced. Written by: the background process (purge).
CREATE TABLE state_groups_pending_deletion (
    -- identity; re-numbered when the group is used again
    sequence_number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state_group bigint NOT NULL,
    insertion_ts bigint NOT NULL  -- ms; deleted no earlier than 10 min after
);
CREATE INDEX state_groups_pending_deletion_insertion_ts ON state_groups_pending_deletion (insertion_ts);
CREATE UNIQUE INDEX state_groups_pending_deletion_state_group ON state_groups_pending_deletion (state_group);

-- The room's current state. Written by: the event persister.
CREATE TABLE current_state_events (
    event_id text NOT NULL UNIQUE,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    membership text,               -- for m.room.member, copied from room_memberships
    event_stream_ordering bigint,  -- copied from events; a trigger rejects a mismatch
    UNIQUE (room_id, type, state_key)
);
CREATE INDEX current_state_events_member_index ON current_state_events (state_key) WHERE type = 'm.room.member';
CREATE INDEX current_state_events_members_room_index ON current_state_events
    (room_id, membership) WHERE type = 'm.room.member';
CREATE INDEX current_state_events_stream_ordering_idx ON current_state_events (event_stream_ordering);

-- Each change of current state. Written by: the event persister.
CREATE TABLE current_state_delta_stream (
    -- lowest stream_ordering of the batch that caused it (or a fresh events position when the change is not tied to a
    -- new event)
    stream_id bigint NOT NULL,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    event_id text,       -- new state event, NULL when the entry is removed
    prev_event_id text,  -- previous state event, NULL when new
    instance_name text
);
CREATE INDEX current_state_delta_stream_idx ON current_state_delta_stream (stream_id);
CREATE INDEX current_state_delta_stream_room_idx ON current_state_delta_stream (room_id, stream_id);

ALTER TABLE current_state_events ADD CONSTRAINT event_stream_ordering_fkey FOREIGN KEY (event_stream_ordering)
    REFERENCES events (stream_ordering) NOT VALID;
