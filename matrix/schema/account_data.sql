-- account_data.sql: what clients keep for their users: account data, tags, filters, ignored users.

CREATE SEQUENCE account_data_sequence;
SELECT nextval('account_data_sequence');

-- Global account data. Written by: the account_data writer.
CREATE TABLE account_data (
    user_id text NOT NULL,
    account_data_type text NOT NULL,
    stream_id bigint NOT NULL,  -- from account_data_sequence
    content text NOT NULL,      -- JSON; {} means deleted
    instance_name text,         -- new inserts leave it NULL
    CONSTRAINT account_data_uniqueness UNIQUE (user_id, account_data_type)
);
CREATE INDEX account_data_stream_id ON account_data (user_id, stream_id);

-- Per room, including m.fully_read ({"event_id": ...}); instance_name NULL. Written by: the account_data writer.
CREATE TABLE room_account_data (
    user_id text NOT NULL,
    room_id text NOT NULL,
    account_data_type text NOT NULL,
    stream_id bigint NOT NULL,
    content text NOT NULL,
    instance_name text,
    CONSTRAINT room_account_data_uniqueness UNIQUE (user_id, room_id, account_data_type)
);
CREATE INDEX room_account_data_room_id ON room_account_data (room_id);
CREATE INDEX room_account_data_stream_id ON room_account_data (user_id, stream_id);

-- Tags, one row each; shown to clients as m.tag. Written by: the account_data writer.
CREATE TABLE room_tags (
    user_id text NOT NULL,
    room_id text NOT NULL,
    tag text NOT NULL,
    content text NOT NULL,  -- JSON, e.g. {"order":0.25}
    CONSTRAINT room_tag_uniqueness UNIQUE (user_id, room_id, tag)
);

-- Stream position of the last tag change per room; instance_name NULL. Written by: the account_data writer.
CREATE TABLE room_tags_revisions (
    user_id text NOT NULL,
    room_id text NOT NULL,
    stream_id bigint NOT NULL,
    instance_name text,
    CONSTRAINT room_tag_revisions_uniqueness UNIQUE (user_id, room_id)
);

-- Expansion of m.ignored_user_list. Written by: the account_data writer.
CREATE TABLE ignored_users (
    ignorer_user_id text NOT NULL,
    ignored_user_id text NOT NULL
);
CREATE INDEX ignored_users_ignored_user_id ON ignored_users (ignored_user_id);
CREATE UNIQUE INDEX ignored_users_uniqueness ON ignored_users (ignorer_user_id, ignored_user_id);

-- Sync filters. Written by: any process (the main process).
CREATE TABLE user_filters (
    user_id text NOT NULL,       -- localpart only
    filter_id bigint NOT NULL,   -- counts up from 0 per user
    filter_json bytea NOT NULL,  -- bytea, canonical JSON
    full_user_id text,           -- complete user id
    CONSTRAINT full_user_id_not_null CHECK (full_user_id IS NOT NULL)
);
CREATE UNIQUE INDEX full_users_unique_idx ON user_filters (full_user_id, filter_id);
CREATE UNIQUE INDEX user_filters_unique ON user_filters (user_id, filter_id);
