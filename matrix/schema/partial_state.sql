-- partial_state.sql: rooms that were joined quickly and whose whole state is still to come.

CREATE SEQUENCE un_partial_stated_room_stream_sequence;
SELECT nextval('un_partial_stated_room_stream_sequence');
CREATE SEQUENCE un_partial_stated_event_stream_sequence;
SELECT nextval('un_partial_stated_event_stream_sequence');

-- Room joined with faster joins, full state still to come. Written by: the main process (join), cleared by the main
-- process.
CREATE TABLE partial_state_rooms (
    room_id text PRIMARY KEY REFERENCES rooms (room_id),
    device_lists_stream_id bigint NOT NULL DEFAULT 0,  -- device list position when the join began
    join_event_id text REFERENCES events (event_id),   -- our join
    joined_via text                                    -- server that answered send_join
);

-- Servers in the room at the join. Written by: the main process.
CREATE TABLE partial_state_rooms_servers (
    room_id text NOT NULL REFERENCES partial_state_rooms (room_id),
    server_name text NOT NULL,
    UNIQUE (room_id, server_name)
);

-- Events whose stored state is partial. Written by: the event persister.
CREATE TABLE partial_state_events (
    room_id text NOT NULL REFERENCES partial_state_rooms (room_id),
    event_id text NOT NULL REFERENCES events (event_id) UNIQUE
);
CREATE INDEX partial_state_events_room_id_idx ON partial_state_events (room_id);

-- Announces that a room now has full state. Written by: the main process.
CREATE TABLE un_partial_stated_room_stream (
    stream_id bigint PRIMARY KEY,
    instance_name text NOT NULL,
    room_id text NOT NULL REFERENCES rooms (room_id) ON DELETE CASCADE
);
CREATE INDEX un_partial_stated_room_stream_room_id ON un_partial_stated_room_stream (room_id);

-- Announces that an event now has full state. Written by: the main process.
CREATE TABLE un_partial_stated_event_stream (
    stream_id bigint PRIMARY KEY,
    instance_name text NOT NULL,
    event_id text NOT NULL REFERENCES events (event_id) ON DELETE CASCADE,
    rejection_status_changed boolean NOT NULL  -- re-check flipped its rejection
);
CREATE UNIQUE INDEX un_partial_stated_event_stream_room_id ON un_partial_stated_event_stream (event_id);

-- An event can only be partial in the room that it is in.
CREATE FUNCTION check_partial_state_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id AND room_id <> NEW.room_id) THEN
        RAISE EXCEPTION 'event % of partial_state_events is in another room than %', NEW.event_id, NEW.room_id;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_partial_state_events BEFORE INSERT OR UPDATE ON partial_state_events
    FOR EACH ROW EXECUTE FUNCTION check_partial_state_events();
