-- keys.sql: end-to-end keys: identity, one-time, fallback, cross-signing, and their backup.

CREATE SEQUENCE e2e_cross_signing_keys_sequence;
SELECT nextval('e2e_cross_signing_keys_sequence');

-- Local devices' identity keys. Written by: the device_lists writer.
CREATE TABLE e2e_device_keys_json (
    user_id text NOT NULL,
    device_id text NOT NULL,
    ts_added_ms bigint NOT NULL,  -- ms
    key_json text NOT NULL,       -- canonical JSON
    CONSTRAINT e2e_device_keys_json_uniqueness UNIQUE (user_id, device_id)
);

-- Unclaimed one-time keys. Written by: the device_lists writer for the upload.
CREATE TABLE e2e_one_time_keys_json (
    user_id text NOT NULL,
    device_id text NOT NULL,
    algorithm text NOT NULL,  -- part before ':' of the key name
    key_id text NOT NULL,     -- part after ':'
    ts_added_ms bigint NOT NULL,
    key_json text NOT NULL,   -- canonical JSON (or a bare string for unsigned keys, still JSON)
    CONSTRAINT e2e_one_time_keys_json_uniqueness UNIQUE (user_id, device_id, algorithm, key_id)
);
CREATE INDEX e2e_one_time_keys_json_user_id_device_id_algorithm_ts_added_idx ON e2e_one_time_keys_json
    (user_id, device_id, algorithm, ts_added_ms);

-- Fallback key per algorithm. Written by: the device_lists writer.
CREATE TABLE e2e_fallback_keys_json (
    user_id text NOT NULL,
    device_id text NOT NULL,
    algorithm text NOT NULL,
    key_id text NOT NULL,
    key_json text NOT NULL,
    used boolean NOT NULL DEFAULT false,  -- set when handed out
    CONSTRAINT e2e_fallback_keys_json_uniqueness UNIQUE (user_id, device_id, algorithm)
);

-- Every version of the cross-signing keys, newest stream_id wins. Written by: the device_lists writer.
CREATE TABLE e2e_cross_signing_keys (
    user_id text NOT NULL,
    keytype text NOT NULL,                   -- master, self_signing, user_signing
    keydata text NOT NULL,                   -- JSON as uploaded
    stream_id bigint NOT NULL,               -- from e2e_cross_signing_keys_sequence
    updatable_without_uia_before_ms bigint,  -- ms grant to replace without interactive auth
    instance_name text
);
CREATE UNIQUE INDEX e2e_cross_signing_keys_idx ON e2e_cross_signing_keys (user_id, keytype, stream_id);
CREATE UNIQUE INDEX e2e_cross_signing_keys_stream_idx ON e2e_cross_signing_keys (stream_id);

-- Signatures made by user-/self-signing keys. Written by: the device_lists writer.
CREATE TABLE e2e_cross_signing_signatures (
    user_id text NOT NULL,
    key_id text NOT NULL,            -- "ed25519:<public key>"
    target_user_id text NOT NULL,
    target_device_id text NOT NULL,  -- device id or key name
    signature text NOT NULL
);
CREATE UNIQUE INDEX e2e_cross_signing_signatures_idx3 ON e2e_cross_signing_signatures
    (user_id, target_user_id, target_device_id, key_id);

-- Key backup versions per user. Written by: any process (the main process).
CREATE TABLE e2e_room_keys_versions (
    user_id text NOT NULL,
    version bigint NOT NULL,              -- 1, 2, 3 per user
    algorithm text NOT NULL,
    auth_data text NOT NULL,              -- JSON
    deleted smallint NOT NULL DEFAULT 0,  -- 0/1; versions are never removed
    etag bigint                           -- counter, NULL until the first key
);
CREATE UNIQUE INDEX e2e_room_keys_versions_idx ON e2e_room_keys_versions (user_id, version);

-- Backed-up sessions. Written by: any process (the main process).
CREATE TABLE e2e_room_keys (
    user_id text NOT NULL,
    room_id text NOT NULL,
    session_id text NOT NULL,
    version bigint NOT NULL,    -- backup version
    first_message_index integer,
    forwarded_count integer,
    is_verified boolean,
    session_data text NOT NULL  -- JSON
);
CREATE INDEX e2e_room_keys_room_id ON e2e_room_keys (room_id);
CREATE UNIQUE INDEX e2e_room_keys_with_version_idx ON e2e_room_keys (user_id, version, room_id, session_id);
