-- bookkeeping.sql: what the database knows of itself: versions, positions of streams, locks between processes, queued
-- jobs.

CREATE SEQUENCE cache_invalidation_stream_seq;
SELECT nextval('cache_invalidation_stream_seq');

-- Single row (lock='X'): the schema generation the database is at. Written by: the main process at start.
CREATE TABLE schema_version (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    version integer NOT NULL,  -- 94 now
    upgraded boolean NOT NULL  -- true when reached by deltas, false when created whole at that version
);

-- Single row: oldest schema generation whose code may still use this database. Written by: the main process at start.
CREATE TABLE schema_compat_version (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    compat_version integer NOT NULL  -- 84 now
);

-- One row per delta script applied since the base snapshot. Written by: the main process at start.
CREATE TABLE applied_schema_deltas (
    version integer NOT NULL,  -- generation
    file text NOT NULL,        -- path "<generation>/<script name>"
    UNIQUE (version, file)
);

-- Scripts applied on behalf of old-style password modules. Written by: the main process at start.
CREATE TABLE applied_module_schemas (
    module_name text NOT NULL,
    file text NOT NULL,
    UNIQUE (module_name, file)
);

-- Queue of pending background migrations; a row is deleted when its job ends. Written by: inserted by schema upgrade,
-- worked off by the background process.
CREATE TABLE background_updates (
    update_name text NOT NULL,            -- job name, fixed string
    progress_json text NOT NULL,          -- JSON object, job-private progress; starts as {}
    depends_on text,                      -- other update_name that must be gone first
    ordering integer NOT NULL DEFAULT 0,  -- run in ascending (ordering, update_name)
    CONSTRAINT background_updates_uniqueness UNIQUE (update_name)
);

-- Deferred one-shot jobs. Written by: whoever schedules inserts; the background process picks up and updates.
CREATE TABLE scheduled_tasks (
    id text PRIMARY KEY,          -- 16 random letters (or a fixed id such as delete_old_otks_task)
    -- update_join_states, purge_history, shutdown_and_purge_room, purge_room, delete_old_otks, delete_device_messages,
    -- redact_all_user_events, ...
    action text NOT NULL,
    status text NOT NULL,         -- scheduled, active, complete, cancelled, failed
    "timestamp" bigint NOT NULL,  -- ms; time to start, then time of last state change
    resource_id text,             -- user id or room id the job is about
    params text,                  -- JSON object
    result text,                  -- JSON object, also used as progress while active
    error text                    -- text when failed
);
CREATE INDEX scheduled_tasks_status ON scheduled_tasks (status);
CREATE INDEX scheduled_tasks_timestamp ON scheduled_tasks ("timestamp");

-- Mutual exclusion between processes. Written by: any process.
CREATE TABLE worker_locks (
    -- update_join_states_lock, one_time_key_upload_lock, upload_media, federation_inbound_pdu, ...
    lock_name text NOT NULL,
    lock_key text NOT NULL,          -- user id, room id, media id, "<user>_<device>"
    instance_name text NOT NULL,     -- holder's worker name
    token text NOT NULL,             -- 6 random letters, identifies the holder's acquisition
    last_renewed_ts bigint NOT NULL  -- ms; renewed every 30 s, stale after 120 s
);
CREATE UNIQUE INDEX worker_locks_key ON worker_locks (lock_name, lock_key);

-- One row per held (lock_name, lock_key) with the mode and one live token (UNLOGGED); deferred foreign key back to the
-- row above. Written by: triggers only.
CREATE UNLOGGED TABLE worker_read_write_locks_mode (
    lock_name text NOT NULL,
    lock_key text NOT NULL,
    write_lock boolean NOT NULL,
    token text NOT NULL
);
CREATE UNIQUE INDEX worker_read_write_locks_mode_key ON worker_read_write_locks_mode (lock_name, lock_key);
CREATE UNIQUE INDEX worker_read_write_locks_mode_type ON worker_read_write_locks_mode (lock_name, lock_key, write_lock);

-- Read/write locks (UNLOGGED table); BEFORE INSERT and AFTER DELETE triggers keep the mode table in step. Written by:
-- any process.
CREATE UNLOGGED TABLE worker_read_write_locks (
    lock_name text NOT NULL,      -- new_event_during_purge and others
    lock_key text NOT NULL,
    instance_name text NOT NULL,
    write_lock boolean NOT NULL,  -- false = shared, true = exclusive
    token text NOT NULL,          -- 6 random letters
    last_renewed_ts bigint NOT NULL,
    FOREIGN KEY (lock_name, lock_key, write_lock)
        REFERENCES worker_read_write_locks_mode (lock_name, lock_key, write_lock)
);
CREATE UNIQUE INDEX worker_read_write_locks_key ON worker_read_write_locks (lock_name, lock_key, token);
CREATE UNIQUE INDEX worker_read_write_locks_write ON worker_read_write_locks (lock_name, lock_key) WHERE write_lock;

-- Numbers for worker names, used inside client tokens. Written by: any process, on first need.
CREATE TABLE instance_map (
    instance_id serial PRIMARY KEY,
    instance_name text NOT NULL
);
CREATE UNIQUE INDEX instance_map_idx ON instance_map (instance_name);

-- Last position that each writer has finished, per stream; rows of writers no longer configured are deleted at
-- start-up. Written by: the stream's writer.
CREATE TABLE stream_positions (
    stream_name text NOT NULL,
    instance_name text NOT NULL,  -- writer's worker name, master for the main process
    stream_id bigint NOT NULL     -- positive; negative for backfill
);
CREATE UNIQUE INDEX stream_positions_idx ON stream_positions (stream_name, instance_name);

-- Cross-process cache invalidation, replayed on the "caches" stream; written only on PostgreSQL, also by a lone
-- process. Written by: any process.
CREATE TABLE cache_invalidation_stream_by_instance (
    stream_id bigint NOT NULL,    -- from cache_invalidation_stream_seq
    instance_name text NOT NULL,  -- process that wrote the row
    cache_func text NOT NULL,     -- name of the cached lookup, or a fake name standing for a group (cs_cache_fake, ...)
    -- text[]; NULL means "drop the whole cache"; a composite key that is one argument is a JSON list inside one element
    keys text[],
    invalidation_ts bigint        -- ms; rows older than 7 days are pruned
);
CREATE UNIQUE INDEX cache_invalidation_stream_by_instance_id ON cache_invalidation_stream_by_instance (stream_id);
CREATE INDEX cache_invalidation_stream_by_instance_instance_index ON cache_invalidation_stream_by_instance
    (instance_name, stream_id);

-- Generic expiring key/value store (room hierarchy paging). Written by: any process.
CREATE TABLE sessions (
    session_type text NOT NULL,      -- room_hierarchy_pagination
    session_id text NOT NULL,
    value text NOT NULL,             -- JSON
    expiry_time_ms bigint NOT NULL,  -- ms
    UNIQUE (session_type, session_id)
);

ALTER TABLE worker_read_write_locks_mode ADD CONSTRAINT worker_read_write_locks_mode_foreign
    FOREIGN KEY (lock_name, lock_key, token) REFERENCES worker_read_write_locks (lock_name, lock_key, token)
    DEFERRABLE INITIALLY DEFERRED;

-- Keeps worker_read_write_locks_mode in step: the first holder of a lock decides its mode. A later holder of the other
-- mode fails on the foreign key to the mode row. The token stays the first holder's until that one leaves.
CREATE FUNCTION upsert_read_write_lock_parent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO worker_read_write_locks_mode AS held (lock_name, lock_key, write_lock, token)
        VALUES (NEW.lock_name, NEW.lock_key, NEW.write_lock, NEW.token)
        ON CONFLICT (lock_name, lock_key) DO UPDATE SET write_lock = NEW.write_lock
            WHERE held.write_lock <> NEW.write_lock;
    RETURN NEW;
END
$$;

CREATE TRIGGER upsert_read_write_lock_parent_trigger BEFORE INSERT ON worker_read_write_locks
    FOR EACH ROW EXECUTE FUNCTION upsert_read_write_lock_parent();

-- When the holder that the mode row names leaves, another one takes its place there; the last takes the row away.
CREATE FUNCTION delete_read_write_lock_parent() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    heir text;
BEGIN
    PERFORM 1 FROM worker_read_write_locks_mode
        WHERE lock_name = OLD.lock_name AND lock_key = OLD.lock_key AND token = OLD.token FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT token INTO heir FROM worker_read_write_locks
        WHERE lock_name = OLD.lock_name AND lock_key = OLD.lock_key
        LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF heir IS NULL THEN
        DELETE FROM worker_read_write_locks_mode
            WHERE lock_name = OLD.lock_name AND lock_key = OLD.lock_key AND token = OLD.token;
    ELSE
        UPDATE worker_read_write_locks_mode SET token = heir
            WHERE lock_name = OLD.lock_name AND lock_key = OLD.lock_key;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER delete_read_write_lock_parent_trigger AFTER DELETE ON worker_read_write_locks
    FOR EACH ROW EXECUTE FUNCTION delete_read_write_lock_parent();
