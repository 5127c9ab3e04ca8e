-- appservices.sql: application services: what they were sent.

CREATE SEQUENCE application_services_txn_id_seq;

-- Delivery state. Written by: the appservice notifier.
CREATE TABLE application_services_state (
    as_id text PRIMARY KEY,
    state varchar(5),               -- NULL/up or down
    read_receipt_stream_id bigint,  -- last position sent (also presence, to_device, device_list)
    presence_stream_id bigint,
    to_device_stream_id bigint,
    device_list_stream_id bigint
);

-- Transactions in flight; deleted on success. Written by: the appservice notifier.
CREATE TABLE application_services_txns (
    as_id text NOT NULL,
    txn_id bigint NOT NULL,   -- from application_services_txn_id_seq (one sequence for all)
    event_ids text NOT NULL,  -- JSON list; ephemeral content is not stored
    UNIQUE (as_id, txn_id)
);
CREATE INDEX application_services_txns_id ON application_services_txns (as_id);

-- Events stream position handed to appservices. Written by: the appservice notifier.
CREATE TABLE appservice_stream_position (
    lock char(1) NOT NULL DEFAULT 'X' CHECK (lock = 'X') UNIQUE,
    stream_ordering bigint
);

-- Rooms published by an appservice network. Written by: any process.
CREATE TABLE appservice_room_list (
    appservice_id text NOT NULL,
    network_id text NOT NULL,
    room_id text NOT NULL
);
CREATE UNIQUE INDEX appservice_room_list_idx ON appservice_room_list (appservice_id, network_id, room_id);
