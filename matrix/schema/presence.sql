-- presence.sql: who is online.

CREATE SEQUENCE presence_stream_sequence;
SELECT nextval('presence_stream_sequence');

-- Latest presence per user; old row deleted, new row inserted. Written by: the presence writer.
CREATE TABLE presence_stream (
    stream_id bigint,
    user_id text,
    state text,                        -- online, unavailable, offline, busy
    last_active_ts bigint,             -- ms
    last_federation_update_ts bigint,  -- ms
    last_user_sync_ts bigint,          -- ms
    status_msg text,
    currently_active boolean,
    instance_name text
);
CREATE INDEX presence_stream_id ON presence_stream (stream_id, user_id);
CREATE INDEX presence_stream_state_not_offline_idx ON presence_stream (state) WHERE state <> 'offline';
CREATE INDEX presence_stream_user_id ON presence_stream (user_id);

-- Users owed a full presence snapshot. Written by: any process (module call).
CREATE TABLE users_to_send_full_presence_to (
    user_id text PRIMARY KEY REFERENCES users (name),
    presence_stream_id bigint
);
