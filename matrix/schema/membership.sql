-- membership.sql: who is in which room.

-- One row per m.room.member event (not for rejected ones). Written by: the event persister.
CREATE TABLE room_memberships (
    event_id text NOT NULL UNIQUE,
    user_id text NOT NULL,
    sender text NOT NULL,
    room_id text NOT NULL,
    membership text NOT NULL,
    forgotten integer DEFAULT 0,       -- 0/1, set on every row of (user, room) by forget
    display_name text,                 -- content.displayname if a string without NUL
    avatar_url text,                   -- content.avatar_url likewise
    event_stream_ordering bigint,      -- as in events
    participant boolean DEFAULT false  -- true on the user's current row once the user has sent a message there
);
CREATE INDEX room_membership_user_room_idx ON room_memberships (user_id, room_id);
CREATE INDEX room_memberships_room_id ON room_memberships (room_id);
CREATE INDEX room_memberships_stream_ordering_idx ON room_memberships (event_stream_ordering);
CREATE INDEX room_memberships_user_id ON room_memberships (user_id);
CREATE INDEX room_memberships_user_room_forgotten ON room_memberships (user_id, room_id) WHERE forgotten = 1;

-- Present membership of local users, also for out-of-band invites and knocks. Written by: the event persister.
CREATE TABLE local_current_membership (
    room_id text NOT NULL,
    user_id text NOT NULL,
    event_id text NOT NULL,
    membership text NOT NULL,
    event_stream_ordering bigint
);
CREATE UNIQUE INDEX local_current_membership_idx ON local_current_membership (user_id, room_id);
CREATE INDEX local_current_membership_room_idx ON local_current_membership (room_id);
CREATE INDEX local_current_membership_stream_ordering_idx ON local_current_membership (event_stream_ordering);

-- Delta position of the automatic forgetter. Written by: the background process.
CREATE TABLE room_forgetter_stream_pos (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_id bigint NOT NULL
);

ALTER TABLE room_memberships ADD CONSTRAINT event_stream_ordering_fkey FOREIGN KEY (event_stream_ordering)
    REFERENCES events (stream_ordering) NOT VALID;

ALTER TABLE local_current_membership ADD CONSTRAINT event_stream_ordering_fkey FOREIGN KEY (event_stream_ordering)
    REFERENCES events (stream_ordering) NOT VALID;

-- Tables that copy an event's stream ordering must copy the right one. A row whose event is not held passes.
CREATE FUNCTION check_event_stream_ordering() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM events WHERE event_id = NEW.event_id AND stream_ordering <> NEW.event_stream_ordering) THEN
        RAISE EXCEPTION 'event_stream_ordering % is not that of event %', NEW.event_stream_ordering, NEW.event_id;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_event_stream_ordering BEFORE INSERT OR UPDATE ON current_state_events
    FOR EACH ROW EXECUTE FUNCTION check_event_stream_ordering();
CREATE TRIGGER check_event_stream_ordering BEFORE INSERT OR UPDATE ON room_memberships
    FOR EACH ROW EXECUTE FUNCTION check_event_stream_ordering();
CREATE TRIGGER check_event_stream_ordering BEFORE INSERT OR UPDATE ON local_current_membership
    FOR EACH ROW EXECUTE FUNCTION check_event_stream_ordering();
