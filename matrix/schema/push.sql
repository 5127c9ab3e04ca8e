-- push.sql: push rules, pushers, and notification counts.

CREATE SEQUENCE push_rules_stream_sequence;
SELECT nextval('push_rules_stream_sequence');
CREATE SEQUENCE pushers_sequence;
SELECT nextval('pushers_sequence');

-- Push results before the event is stored. Written by: the process building the event (any process).
CREATE TABLE event_push_actions_staging (
    event_id text NOT NULL,
    user_id text NOT NULL,
    actions text NOT NULL,        -- JSON list; '' stands for the default list ()
    notif smallint NOT NULL,      -- 0/1
    highlight smallint NOT NULL,  -- 0/1
    unread smallint,              -- 0/1
    thread_id text,               -- main or root event id
    -- ms default; rows older than 1 h are cleared
    inserted_ts bigint DEFAULT (extract(epoch FROM now()) * 1000),
    CONSTRAINT event_push_actions_staging_thread_id CHECK (thread_id IS NOT NULL)
);
CREATE INDEX event_push_actions_staging_id ON event_push_actions_staging (event_id);

-- Unread push results per user and event. Written by: the event persister moves them in, the background process
-- removes.
CREATE TABLE event_push_actions (
    room_id text NOT NULL,
    event_id text NOT NULL,
    user_id text NOT NULL,
    profile_tag varchar(32),  -- NULL now
    actions text NOT NULL,
    topological_ordering bigint,
    stream_ordering bigint,
    notif smallint,
    highlight smallint,
    unread smallint,
    thread_id text,
    CONSTRAINT event_id_user_id_profile_tag_uniqueness UNIQUE (room_id, event_id, user_id, profile_tag),
    CONSTRAINT event_push_actions_thread_id CHECK (thread_id IS NOT NULL)
);
CREATE INDEX event_push_actions_highlights_index ON event_push_actions
    (user_id, room_id, topological_ordering, stream_ordering) WHERE highlight = 1;
CREATE INDEX event_push_actions_rm_tokens ON event_push_actions
    (user_id, room_id, topological_ordering, stream_ordering);
CREATE INDEX event_push_actions_room_id_user_id ON event_push_actions (room_id, user_id);
CREATE INDEX event_push_actions_stream_highlight_index ON event_push_actions
    (highlight, stream_ordering) WHERE highlight = 0;
CREATE INDEX event_push_actions_stream_ordering ON event_push_actions (stream_ordering, user_id);
CREATE INDEX event_push_actions_u_highlight ON event_push_actions (user_id, stream_ordering);

-- Running counts per (user, room, thread). Written by: the background process (rotation).
CREATE TABLE event_push_summary (
    user_id text NOT NULL,
    room_id text NOT NULL,
    notif_count bigint NOT NULL,
    stream_ordering bigint NOT NULL,      -- events up to here are counted in
    unread_count bigint,
    last_receipt_stream_ordering bigint,  -- newest receipt taken into account
    thread_id text,
    CONSTRAINT event_push_summary_thread_id CHECK (thread_id IS NOT NULL)
);
CREATE INDEX event_push_summary_index_room_id ON event_push_summary (room_id);
CREATE UNIQUE INDEX event_push_summary_unique_index2 ON event_push_summary (user_id, room_id, thread_id);

-- Position up to which actions have been rotated. Written by: the background process.
CREATE TABLE event_push_summary_stream_ordering (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_ordering bigint NOT NULL
);

-- Receipts stream position handled by rotation. Written by: the background process.
CREATE TABLE event_push_summary_last_receipt_stream_id (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_id bigint NOT NULL
);

-- User's own rules and changed actions of default rules. Written by: the push_rules writer.
CREATE TABLE push_rules (
    id bigint PRIMARY KEY,                -- local counter, max(id)+1 at process start
    user_name text NOT NULL,              -- user id
    rule_id text NOT NULL,                -- "global/<template>/<rule id>"
    -- 1 underride, 2 sender, 3 room, 4 content, 5 override; -1 marks changed actions of a default rule
    priority_class smallint NOT NULL,
    priority integer NOT NULL DEFAULT 0,  -- higher first within the class
    conditions text NOT NULL,             -- JSON list
    actions text NOT NULL,                -- JSON list
    UNIQUE (user_name, rule_id)
);
CREATE INDEX push_rules_user_name ON push_rules (user_name);

-- On/off override, own and default rules. Written by: the push_rules writer.
CREATE TABLE push_rules_enable (
    id bigint PRIMARY KEY,
    user_name text NOT NULL,
    rule_id text NOT NULL,
    enabled smallint,  -- 0/1
    UNIQUE (user_name, rule_id)
);
CREATE INDEX push_rules_enable_user_name ON push_rules_enable (user_name);

-- Change log. Written by: the push_rules writer.
CREATE TABLE push_rules_stream (
    stream_id bigint NOT NULL,
    event_stream_ordering bigint NOT NULL,  -- events position at the time
    user_id text NOT NULL,
    rule_id text NOT NULL,
    op text NOT NULL,                       -- ADD, DELETE, ENABLE, DISABLE, ACTIONS
    priority_class smallint,
    priority integer,
    conditions text,
    actions text,
    instance_name text
);
CREATE INDEX push_rules_stream_id ON push_rules_stream (stream_id);
CREATE INDEX push_rules_stream_user_stream_id ON push_rules_stream (user_id, stream_id);

-- HTTP and e-mail pushers. Written by: the main process.
CREATE TABLE pushers (
    id bigint NOT NULL,           -- from pushers_sequence
    user_name text NOT NULL,      -- user id
    access_token bigint,          -- access_tokens.id, NULL in new rows
    profile_tag text NOT NULL,    -- '' usual
    kind text NOT NULL,           -- http or email
    app_id text NOT NULL,
    app_display_name text NOT NULL,
    device_display_name text NOT NULL,
    pushkey text NOT NULL,
    ts bigint NOT NULL,           -- ms
    lang text,
    data text,                    -- JSON, e.g. {"url": ..., "format": ...}
    last_stream_ordering bigint,  -- events up to here were pushed (written by PUSH)
    last_success bigint,          -- ms
    failing_since bigint,         -- ms, NULL or 0 when well
    enabled boolean,              -- NULL counts as true
    device_id text,
    instance_name text,
    CONSTRAINT pushers2_app_id_pushkey_user_name_key UNIQUE (app_id, pushkey, user_name),
    CONSTRAINT pushers2_pkey PRIMARY KEY (id)
);

-- Deletions, for replication. Written by: the main process.
CREATE TABLE deleted_pushers (
    stream_id bigint NOT NULL,  -- from pushers_sequence
    app_id text NOT NULL,
    pushkey text NOT NULL,
    user_id text NOT NULL,
    instance_name text
);
CREATE INDEX deleted_pushers_stream_id ON deleted_pushers (stream_id);

-- E-mail throttling per room. Written by: the pusher.
CREATE TABLE pusher_throttle (
    pusher bigint NOT NULL,
    room_id text NOT NULL,
    last_sent_ts bigint,
    throttle_ms bigint,
    PRIMARY KEY (pusher, room_id)
);
