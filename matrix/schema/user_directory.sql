-- user_directory.sql: searching for users.

-- Searchable users. Written by: the user directory updater.
CREATE TABLE user_directory (
    user_id text NOT NULL,
    room_id text,  -- NULL in new rows
    display_name text,
    avatar_url text
);
CREATE INDEX user_directory_room_idx ON user_directory (room_id);
CREATE UNIQUE INDEX user_directory_user_idx ON user_directory (user_id);

-- Search vector: localpart weight A, domain weight D, display name weight B, all with the 'simple' configuration.
-- Written by: the user directory updater.
CREATE TABLE user_directory_search (
    user_id text NOT NULL,
    vector tsvector
);
CREATE INDEX user_directory_search_fts_idx ON user_directory_search USING gin (vector);
CREATE UNIQUE INDEX user_directory_search_user_idx ON user_directory_search (user_id);

-- Delta stream position of the directory loop. Written by: the user directory updater.
CREATE TABLE user_directory_stream_pos (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_id bigint
);

-- Remote profiles to refetch. Written by: the user directory updater.
CREATE TABLE user_directory_stale_remote_users (
    user_id text PRIMARY KEY,
    user_server_name text NOT NULL,
    next_try_at_ts bigint NOT NULL,  -- ms
    retry_counter integer NOT NULL
);
CREATE INDEX user_directory_stale_remote_users_next_try_by_server_idx ON user_directory_stale_remote_users
    (user_server_name, next_try_at_ts);
CREATE INDEX user_directory_stale_remote_users_next_try_idx ON user_directory_stale_remote_users
    (next_try_at_ts, user_server_name);

-- Users in rooms that are publicly joinable or world readable. Written by: the user directory updater.
CREATE TABLE users_in_public_rooms (
    user_id text NOT NULL,
    room_id text NOT NULL
);
CREATE INDEX users_in_public_rooms_r_idx ON users_in_public_rooms (room_id);
CREATE UNIQUE INDEX users_in_public_rooms_u_idx ON users_in_public_rooms (user_id, room_id);

-- Pairs of users sharing a non-public room; user_id is always a local user, and two local users give two rows. Written
-- by: the user directory updater.
CREATE TABLE users_who_share_private_rooms (
    user_id text NOT NULL,
    other_user_id text NOT NULL,
    room_id text NOT NULL
);
CREATE INDEX users_who_share_private_rooms_o_idx ON users_who_share_private_rooms (other_user_id);
CREATE INDEX users_who_share_private_rooms_r_idx ON users_who_share_private_rooms (room_id);
CREATE UNIQUE INDEX users_who_share_private_rooms_u_idx ON users_who_share_private_rooms
    (user_id, other_user_id, room_id);
