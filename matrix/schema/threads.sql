-- threads.sql: subscriptions to threads.

CREATE SEQUENCE thread_subscriptions_sequence START WITH 2;
SELECT nextval('thread_subscriptions_sequence');

-- MSC4306 subscriptions. Written by: the thread_subscriptions writer.
CREATE TABLE thread_subscriptions (
    stream_id integer PRIMARY KEY,
    instance_name text NOT NULL,
    room_id text NOT NULL,
    event_id text NOT NULL,                       -- thread root
    user_id text NOT NULL,
    subscribed boolean NOT NULL,
    automatic boolean NOT NULL,                   -- made by the client automatically
    unsubscribed_at_stream_ordering bigint,       -- events position when unsubscribed
    unsubscribed_at_topological_ordering bigint,  -- same, depth
    CONSTRAINT thread_subscriptions_fk_events FOREIGN KEY (event_id) REFERENCES events (event_id) ON DELETE CASCADE,
    CONSTRAINT thread_subscriptions_fk_rooms FOREIGN KEY (room_id) REFERENCES rooms (room_id) ON DELETE CASCADE,
    CONSTRAINT thread_subscriptions_fk_users FOREIGN KEY (user_id) REFERENCES users (name),
    UNIQUE (room_id, event_id, user_id)
);
CREATE INDEX thread_subscriptions_by_event ON thread_subscriptions (event_id);
CREATE INDEX thread_subscriptions_by_user ON thread_subscriptions (user_id, stream_id);
CREATE INDEX thread_subscriptions_user_room ON thread_subscriptions (user_id, room_id);
