-- profiles.sql: what users show of themselves, and the stream of its changes.

CREATE SEQUENCE profile_updates_sequence;
SELECT nextval('profile_updates_sequence');

-- Local profiles. Written by: any process (the main process; created by registration).
CREATE TABLE profiles (
    user_id text NOT NULL UNIQUE,  -- LOCALPART
    displayname text,              -- text or NULL
    avatar_url text,               -- text or NULL
    full_user_id text,             -- full id; unique
    fields jsonb,                  -- jsonb object of other profile fields; NULL until first used, {} after removal
    CONSTRAINT full_user_id_not_null CHECK (full_user_id IS NOT NULL)
);
CREATE UNIQUE INDEX profiles_full_user_id_key ON profiles (full_user_id);

-- Stream of profile field changes, only with include_profile_updates_in_sync. Written by: the first event persister.
CREATE TABLE profile_updates (
    stream_id bigint PRIMARY KEY,  -- from profile_updates_sequence
    instance_name text NOT NULL,
    user_id text NOT NULL,
    action text NOT NULL,          -- update, joined_room, left_room
    affected_fields jsonb,         -- jsonb list of field names, only for update
    inserted_ts bigint NOT NULL
);
CREATE INDEX profile_updates_by_user ON profile_updates (user_id, stream_id);

-- Recipients of each change. Written by: the event persister.
CREATE TABLE profile_updates_per_user (
    stream_id bigint NOT NULL REFERENCES profile_updates (stream_id),
    user_id text NOT NULL,
    inserted_ts bigint NOT NULL,
    PRIMARY KEY (user_id, stream_id)
);
