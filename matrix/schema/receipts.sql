-- receipts.sql: read receipts.

CREATE SEQUENCE receipts_sequence;
SELECT nextval('receipts_sequence');

-- Current receipt per (room, type, user, thread). Written by: the receipts writer.
CREATE TABLE receipts_linearized (
    stream_id bigint NOT NULL,     -- from receipts_sequence; replaced on update
    room_id text NOT NULL,
    receipt_type text NOT NULL,    -- m.read, m.read.private
    user_id text NOT NULL,
    event_id text NOT NULL,
    data text NOT NULL,            -- JSON, {"ts": ms}
    instance_name text,
    event_stream_ordering bigint,  -- position of the event read
    thread_id text,                -- NULL = unthreaded, main, or a root event id
    CONSTRAINT receipts_linearized_uniqueness_thread UNIQUE (room_id, receipt_type, user_id, thread_id)
);
CREATE INDEX receipts_linearized_event_id ON receipts_linearized (room_id, event_id);
CREATE INDEX receipts_linearized_id ON receipts_linearized (stream_id);
CREATE INDEX receipts_linearized_room_stream ON receipts_linearized (room_id, stream_id);
CREATE UNIQUE INDEX receipts_linearized_unique_index ON receipts_linearized
    (room_id, receipt_type, user_id) WHERE thread_id IS NULL;
CREATE INDEX receipts_linearized_user ON receipts_linearized (user_id);

-- Same keyed by event sets. Written by: the receipts writer.
CREATE TABLE receipts_graph (
    room_id text NOT NULL,
    receipt_type text NOT NULL,
    user_id text NOT NULL,
    event_ids text NOT NULL,  -- JSON list with one event id
    data text NOT NULL,       -- JSON
    thread_id text,
    CONSTRAINT receipts_graph_uniqueness_thread UNIQUE (room_id, receipt_type, user_id, thread_id)
);
CREATE UNIQUE INDEX receipts_graph_unique_index ON receipts_graph
    (room_id, receipt_type, user_id) WHERE thread_id IS NULL;
