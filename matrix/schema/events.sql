-- events.sql: events and the graph that they form. The order matters: others point at rooms and events.

CREATE SEQUENCE events_stream_seq;
SELECT nextval('events_stream_seq');
CREATE SEQUENCE events_backfill_stream_seq;
SELECT nextval('events_backfill_stream_seq');
CREATE SEQUENCE event_auth_chain_id;
CREATE SEQUENCE sticky_events_sequence;
SELECT nextval('sticky_events_sequence');

-- One row per event, including outliers and rejected ones. Written by: the event persister.
CREATE TABLE events (
    topological_ordering bigint NOT NULL,  -- equals depth (both are written)
    event_id text NOT NULL UNIQUE,
    type text NOT NULL,                    -- event type
    room_id text NOT NULL,
    content text,                          -- always NULL now
    unrecognized_keys text,                -- always NULL now
    processed boolean NOT NULL,            -- always true
    outlier boolean NOT NULL,              -- no state known at this event
    depth bigint NOT NULL DEFAULT 0,
    origin_server_ts bigint,               -- ms, from the event
    received_ts bigint,                    -- ms, when stored
    sender text,
    contains_url boolean,                  -- content.url is a string
    instance_name text,                    -- persister's name
    -- position in the events stream; > 0 live, < 0 backfilled or outlier fetched as history
    stream_ordering bigint,
    state_key text,                        -- NULL for non-state
    rejection_reason text                  -- NULL or text (auth_error, oversized_event, ...)
);
CREATE INDEX event_contains_url_index ON events
    (room_id, topological_ordering, stream_ordering) WHERE contains_url = true AND outlier = false;
CREATE INDEX events_jump_to_date_idx ON events (room_id, origin_server_ts) WHERE NOT outlier;
CREATE INDEX events_order_room ON events (room_id, topological_ordering, stream_ordering);
CREATE INDEX events_room_stream ON events (room_id, stream_ordering);
CREATE UNIQUE INDEX events_stream_ordering ON events (stream_ordering);
CREATE INDEX events_ts ON events (origin_server_ts, stream_ordering);
CREATE INDEX received_ts_idx ON events (received_ts) WHERE type = 'm.room.member';

-- The event itself. Written by: the event persister.
CREATE TABLE event_json (
    event_id text NOT NULL UNIQUE,
    room_id text NOT NULL,
    internal_metadata text NOT NULL,  -- JSON object
    json text NOT NULL,               -- event as JSON without event_id for room version 3 and later
    -- 1 (versions 1-2), 2 (version 3), 3 (versions 4-11), 4 (version 12), 5 (state-DAG versions)
    format_version integer
);

-- Index of state events, also for rejected and outlier ones. Written by: the event persister.
CREATE TABLE state_events (
    event_id text NOT NULL UNIQUE,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    prev_state text  -- no longer written (NULL)
);

-- Event to each prev_event. Written by: the event persister.
CREATE TABLE event_edges (
    event_id text NOT NULL REFERENCES events (event_id),
    prev_event_id text NOT NULL,
    room_id text,                            -- no longer written (NULL)
    is_state boolean NOT NULL DEFAULT false  -- always false
);
CREATE INDEX ev_edges_prev_id ON event_edges (prev_event_id);
CREATE UNIQUE INDEX event_edges_event_id_prev_event_id_idx ON event_edges (event_id, prev_event_id);

-- State event to each of its auth_events; non-state events have no rows. Written by: the event persister.
CREATE TABLE event_auth (
    event_id text NOT NULL,
    auth_id text NOT NULL,
    room_id text NOT NULL
);
CREATE INDEX evauth_edges_id ON event_auth (event_id);

-- Leaves of the DAG that new local events will cite; foreign key to events is deferred. Written by: the event
-- persister.
CREATE TABLE event_forward_extremities (
    event_id text NOT NULL,
    room_id text NOT NULL,
    CONSTRAINT event_forward_extremities_event_id
        FOREIGN KEY (event_id) REFERENCES events (event_id) DEFERRABLE INITIALLY DEFERRED,
    UNIQUE (event_id, room_id)
);
CREATE INDEX ev_extrem_id ON event_forward_extremities (event_id);
CREATE INDEX ev_extrem_room ON event_forward_extremities (room_id);

-- Events cited as prev_events but not held (or held only as outliers). Written by: the event persister.
CREATE TABLE event_backward_extremities (
    event_id text NOT NULL,  -- the missing event
    room_id text NOT NULL,
    UNIQUE (event_id, room_id)
);
CREATE INDEX ev_b_extrem_id ON event_backward_extremities (event_id);
CREATE INDEX ev_b_extrem_room ON event_backward_extremities (room_id);

-- History of forward extremities: the set valid from stream_ordering on; rows older than about 30 days are dropped
-- hourly. Written by: the event persister.
CREATE TABLE stream_ordering_to_exterm (
    stream_ordering bigint NOT NULL,
    room_id text NOT NULL,
    event_id text NOT NULL
);
CREATE INDEX stream_ordering_to_exterm_idx ON stream_ordering_to_exterm (stream_ordering);
CREATE INDEX stream_ordering_to_exterm_rm_idx ON stream_ordering_to_exterm (room_id, stream_ordering);

-- Stream positions at which an event with a missing prev_event was stored. Written by: the event persister.
CREATE TABLE timeline_gaps (
    room_id text NOT NULL,
    instance_name text NOT NULL,
    stream_ordering bigint NOT NULL
);
CREATE INDEX timeline_gaps_room_id ON timeline_gaps (room_id, stream_ordering);

-- Backoff for fetching missing events. Written by: the event persister.
CREATE TABLE event_failed_pull_attempts (
    room_id text NOT NULL REFERENCES rooms (room_id),
    event_id text NOT NULL,
    num_attempts integer NOT NULL,    -- count
    last_attempt_ts bigint NOT NULL,  -- ms
    last_cause text NOT NULL,
    PRIMARY KEY (room_id, event_id)
);
CREATE INDEX event_failed_pull_attempts_room_id ON event_failed_pull_attempts (room_id);

-- An outlier became a normal event. Written by: the event persister.
CREATE TABLE ex_outlier_stream (
    -- new position taken from the stream (live or backfill); the event keeps its old events.stream_ordering
    event_stream_ordering bigint PRIMARY KEY,
    event_id text NOT NULL,
    state_group bigint NOT NULL,  -- its state group
    instance_name text
);

-- Chain cover index: (chain, sequence) of each state event. Written by: the event persister.
CREATE TABLE event_auth_chains (
    event_id text PRIMARY KEY,
    chain_id bigint NOT NULL,
    sequence_number bigint NOT NULL
);
CREATE UNIQUE INDEX event_auth_chains_c_seq_index ON event_auth_chains (chain_id, sequence_number);

-- Links between chains. Written by: the event persister.
CREATE TABLE event_auth_chain_links (
    origin_chain_id bigint NOT NULL,
    origin_sequence_number bigint NOT NULL,
    target_chain_id bigint NOT NULL,
    target_sequence_number bigint NOT NULL
);
CREATE INDEX event_auth_chain_links_idx ON event_auth_chain_links (origin_chain_id, target_chain_id);
CREATE INDEX event_auth_chain_links_origin_index ON event_auth_chain_links (origin_chain_id, origin_sequence_number);
ALTER TABLE event_auth_chain_links ALTER COLUMN origin_chain_id SET (n_distinct = -0.5);
ALTER TABLE event_auth_chain_links ALTER COLUMN target_chain_id SET (n_distinct = -0.5);

-- State events whose auth events were not held when stored (out-of-band memberships). Written by: the event persister.
CREATE TABLE event_auth_chain_to_calculate (
    event_id text PRIMARY KEY,
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL
);
CREATE INDEX event_auth_chain_to_calculate_rm_id ON event_auth_chain_to_calculate (room_id);

-- State group of each non-outlier event (state after the event; for a rejected state event, the state before it).
-- Written by: the event persister.
CREATE TABLE event_to_state_groups (
    event_id text NOT NULL UNIQUE,
    state_group bigint NOT NULL
);
CREATE INDEX event_to_state_groups_sg_index ON event_to_state_groups (state_group);

-- Rejected events. Written by: the event persister.
CREATE TABLE rejections (
    event_id text NOT NULL UNIQUE,
    reason text NOT NULL,     -- auth_error, ...
    last_check text NOT NULL  -- ms as text
);

-- Redaction event to its target. Written by: the event persister.
CREATE TABLE redactions (
    event_id text NOT NULL UNIQUE,
    redacts text NOT NULL,                         -- event id of the target
    have_censored boolean NOT NULL DEFAULT false,  -- target's stored JSON already pruned
    received_ts bigint,                            -- ms
    -- true when the redaction's sender domain must still be checked against the target on read
    recheck boolean NOT NULL DEFAULT true
);
CREATE INDEX redactions_have_censored_ts ON redactions (received_ts) WHERE NOT have_censored;
CREATE INDEX redactions_redacts ON redactions (redacts);

-- Relation of an event to its parent. Written by: the event persister.
CREATE TABLE event_relations (
    event_id text NOT NULL,
    relates_to_id text NOT NULL,
    relation_type text NOT NULL,  -- m.annotation, m.replace, m.thread, m.reference, any string
    aggregation_key text          -- for m.annotation, the key
);
CREATE UNIQUE INDEX event_relations_id ON event_relations (event_id);
CREATE INDEX event_relations_relates ON event_relations (relates_to_id, relation_type, aggregation_key);

-- Latest event of each thread, per room. Written by: the event persister.
CREATE TABLE threads (
    room_id text NOT NULL,
    thread_id text NOT NULL,        -- root event id
    latest_event_id text NOT NULL,  -- newest reply
    topological_ordering bigint NOT NULL,
    stream_ordering bigint NOT NULL,
    CONSTRAINT threads_uniqueness UNIQUE (room_id, thread_id)
);
CREATE INDEX threads_ordering_idx ON threads (room_id, topological_ordering, stream_ordering);

-- Labels of MSC2326. Written by: the event persister.
CREATE TABLE event_labels (
    event_id text NOT NULL,
    label text NOT NULL,
    room_id text NOT NULL,
    topological_ordering bigint NOT NULL,
    PRIMARY KEY (event_id, label)
);
CREATE INDEX event_labels_room_id_label_idx ON event_labels (room_id, label, topological_ordering);

-- Self-destructing messages (only if enabled). Written by: the event persister.
CREATE TABLE event_expiry (
    event_id text PRIMARY KEY,
    expiry_ts bigint NOT NULL  -- ms
);
CREATE INDEX event_expiry_expiry_ts_idx ON event_expiry (expiry_ts);

-- Full text index (if enable_search). Written by: the event persister.
CREATE TABLE event_search (
    event_id text,
    room_id text,
    sender text,      -- not written by new inserts
    key text,         -- content.body, content.name, content.topic
    vector tsvector,  -- to_tsvector('english', cleaned text)
    origin_server_ts bigint,
    stream_ordering bigint
);
CREATE INDEX event_search_ev_ridx ON event_search (room_id);
CREATE UNIQUE INDEX event_search_event_id_idx ON event_search (event_id);
CREATE INDEX event_search_fts_idx ON event_search USING gin (vector);
ALTER TABLE event_search ALTER COLUMN room_id SET (n_distinct = -0.01);

-- Client transaction id to event, for idempotent sends; rows older than 24 h are removed every 5 min; removed with the
-- device (cascade). Written by: the event persister.
CREATE TABLE event_txn_id_device_id (
    event_id text NOT NULL REFERENCES events (event_id) ON DELETE CASCADE,
    room_id text NOT NULL,
    user_id text NOT NULL,
    device_id text NOT NULL,
    txn_id text NOT NULL,         -- client's transaction id
    inserted_ts bigint NOT NULL,  -- ms
    FOREIGN KEY (user_id, device_id) REFERENCES devices (user_id, device_id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX event_txn_id_device_id_event_id ON event_txn_id_device_id (event_id);
CREATE INDEX event_txn_id_device_id_ts ON event_txn_id_device_id (inserted_ts);
CREATE UNIQUE INDEX event_txn_id_device_id_txn_id2 ON event_txn_id_device_id (user_id, device_id, room_id, txn_id);

-- User reports of events. Written by: any process (the main process).
CREATE TABLE event_reports (
    id bigint PRIMARY KEY,
    received_ts bigint NOT NULL,
    room_id text NOT NULL,
    event_id text NOT NULL,
    user_id text NOT NULL,
    reason text,
    content text  -- JSON of the request body
);

-- PDUs accepted from a transaction, waiting to be handled in order per room. Written by: federation receiver (any
-- process), drained by the same set.
CREATE TABLE federation_inbound_events_staging (
    origin text NOT NULL,
    room_id text NOT NULL,
    event_id text NOT NULL,
    received_ts bigint NOT NULL,     -- ms
    event_json text NOT NULL,        -- JSON of the PDU
    internal_metadata text NOT NULL  -- JSON
);
CREATE UNIQUE INDEX federation_inbound_events_staging_instance_event ON federation_inbound_events_staging
    (origin, event_id);
CREATE INDEX federation_inbound_events_staging_room ON federation_inbound_events_staging (room_id, received_ts);

-- MSC4354 events that must be delivered while unexpired. Written by: the event persister.
CREATE TABLE sticky_events (
    stream_id integer PRIMARY KEY,                  -- from sticky_events_sequence
    instance_name text NOT NULL,
    event_id text NOT NULL,
    room_id text NOT NULL,
    event_stream_ordering integer NOT NULL UNIQUE,  -- position of the event
    sender text NOT NULL,
    expires_at bigint NOT NULL                      -- ms
);
CREATE INDEX sticky_events_room_idx ON sticky_events (room_id, event_stream_ordering);

-- MSC4140 events to be sent later. Written by: the main process.
CREATE TABLE delayed_events (
    delay_id text NOT NULL,                       -- "syd_" + 20 letters
    user_localpart text NOT NULL,
    device_id text,
    delay bigint NOT NULL,                        -- ms asked for
    send_ts bigint NOT NULL,                      -- ms when due
    room_id text NOT NULL,
    event_type text NOT NULL,
    state_key text,                               -- NULL for non-state
    origin_server_ts bigint,                      -- optional forced timestamp
    content text NOT NULL,                        -- JSON text
    is_processed boolean NOT NULL DEFAULT false,  -- true from the moment sending begins until the row is deleted
    sticky_duration_ms bigint,                    -- for sticky events
    PRIMARY KEY (user_localpart, delay_id)
);
CREATE UNIQUE INDEX delayed_events_idx ON delayed_events (delay_id);
CREATE INDEX delayed_events_is_processed ON delayed_events (is_processed);
CREATE INDEX delayed_events_room_state_event_idx ON delayed_events
    (room_id, event_type, state_key) WHERE state_key IS NOT NULL;
CREATE INDEX delayed_events_send_ts ON delayed_events (send_ts);

-- Events stream position up to which state deltas were checked for cancelling delayed state events. Written by: the
-- main process.
CREATE TABLE delayed_events_stream_pos (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_id bigint NOT NULL
);

-- State DAG of rooms in msc4242 versions; the create event has one row with prev NULL. Written by: the event persister.
CREATE TABLE msc4242_state_dag_edges (
    room_id text NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
    event_id text NOT NULL REFERENCES events (event_id),
    prev_state_event_id text REFERENCES events (event_id)
);
CREATE UNIQUE INDEX msc4242_state_dag_edges_key ON msc4242_state_dag_edges (room_id, event_id, prev_state_event_id);

-- Leaves of the state DAG. Written by: the event persister.
CREATE TABLE msc4242_state_dag_forward_extremities (
    room_id text NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE,
    event_id text NOT NULL REFERENCES events (event_id) ON DELETE CASCADE UNIQUE
);
CREATE INDEX msc4242_state_dag_room ON msc4242_state_dag_forward_extremities (room_id);
