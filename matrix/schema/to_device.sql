-- to_device.sql: messages from device to device.

CREATE SEQUENCE device_inbox_sequence;
SELECT nextval('device_inbox_sequence');

-- Messages waiting for local devices; deleted when the client syncs past them. Written by: the to_device writer.
CREATE TABLE device_inbox (
    user_id text NOT NULL,
    device_id text NOT NULL,
    stream_id bigint NOT NULL,   -- from device_inbox_sequence
    message_json text NOT NULL,  -- JSON {"content","type","sender"}
    instance_name text
);
CREATE INDEX device_inbox_stream_id_user_id ON device_inbox (stream_id, user_id);
CREATE INDEX device_inbox_user_stream_id ON device_inbox (user_id, device_id, stream_id);

-- Direct-to-device EDUs for remote servers; deleted after delivery. Written by: the to_device writer.
CREATE TABLE device_federation_outbox (
    destination text NOT NULL,
    stream_id bigint NOT NULL,
    queued_ts bigint NOT NULL,    -- ms
    messages_json text NOT NULL,  -- JSON EDU content with sender, type, message_id, messages
    instance_name text
);
CREATE INDEX device_federation_outbox_destination_id ON device_federation_outbox (destination, stream_id);
CREATE INDEX device_federation_outbox_id ON device_federation_outbox (stream_id);

-- Message ids already taken in, for dedup; pruned after 7 days. Written by: the to_device writer.
CREATE TABLE device_federation_inbox (
    origin text NOT NULL,
    message_id text NOT NULL,
    received_ts bigint NOT NULL,
    instance_name text
);
CREATE INDEX device_federation_inbox_received_ts_index ON device_federation_inbox (received_ts);
CREATE INDEX device_federation_inbox_sender_id ON device_federation_inbox (origin, message_id);
