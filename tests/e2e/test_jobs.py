"""What runs in the background: rows that are old enough go, on the one process that is to do it; the others stay."""

import itertools
import time

import pytest

from deployment.process import wait_until
from lib.admin import kill_background
from lib.rooms import CLIENT, act, refused, room_path

_names = itertools.count(1)
DAY = 24 * 3600 * 1000


def now():
    return int(time.time() * 1000)


def count(server, table, where):
    return int(server.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])


# Rows that go by age alone: table, columns, how to make one of a name and a time, age in ms.
AGED = [
    ("device_federation_inbox", "origin, message_id, received_ts", "'x', '{name}', {at}", "message_id", 7 * DAY),
    ("received_transactions", "transaction_id, origin, ts, response_code", "'{name}', 'x', {at}, 200", "transaction_id", DAY),
    ("login_tokens", "token, user_id, expiry_ts", "'{name}', '@x:y', {at}", "token", 0),
    ("sessions", "session_type, session_id, value, expiry_time_ms", "'t', '{name}', '1', {at}", "session_id", 0),
    ("threepid_validation_token", "token, session_id, expires", "'{name}', 's', {at}", "token", 0),
    ("event_push_actions_staging", "event_id, user_id, actions, notif, highlight, unread, thread_id, inserted_ts",
     "'{name}', '@x:y', '', 0, 0, 0, 'main', {at}",
     "event_id", 3600_000),
    ("worker_locks", "lock_name, lock_key, instance_name, token, last_renewed_ts", "'l', '{name}', 'i', 't', {at}", "lock_key", 3600_000),
    ("scheduled_tasks", "id, action, status, timestamp", "'{name}', 'purge_room', 'complete', {at}", "id", 7 * DAY),
    ("monthly_active_users", "user_id, timestamp", "'{name}', {at}", "user_id", 30 * DAY),
    ("device_lists_changes_in_room", "user_id, device_id, room_id, stream_id, converted_to_destinations, inserted_ts",
     "'{name}', 'D', '!r', -{at} / 1000000, true, {at}", "user_id", 30 * DAY),
    ("cache_invalidation_stream_by_instance", "stream_id, instance_name, cache_func, invalidation_ts", "-{at} / 1000000, '{name}', 'x', {at}",
     "instance_name", 7 * DAY),
]


def test_old_rows_go(server):
    tag = f"aged{next(_names)}x"
    for table, columns, values, _, age in AGED:
        fresh = now() + DAY if age == 0 else now()
        for name, at in ((f"{tag}old", now() - age - 60_000), (f"{tag}new", fresh)):
            server.sql(f"INSERT INTO {table} ({columns}) VALUES ({values.format(name=name, at=at)})")
    user = server.register()
    room = user.create_room()
    event = user.send(room, "with a transaction id")
    later = user.send(room, "with another")
    server.sql(f"UPDATE event_txn_id_device_id SET inserted_ts = 1 WHERE event_id = '{event}'")
    server.sql("INSERT INTO device_lists_outbound_pokes (destination, stream_id, user_id, device_id, sent, ts) VALUES"
               f" ('d{tag}', 1, '@x:y', 'D', true, 1), ('d{tag}', 2, '@x:y', 'D', false, 1)")
    server.sql(f"INSERT INTO device_lists_outbound_last_success (destination, user_id, stream_id) VALUES ('d{tag}', '@x:y', 0), ('d{tag}', '@z:y', 0)")
    server.sql("INSERT INTO device_lists_changes_in_room (user_id, device_id, room_id, stream_id, converted_to_destinations, inserted_ts)"
               f" VALUES ('@x:y', 'D', '!{tag}', 1, true, 1)")
    server.sql("INSERT INTO stream_ordering_to_exterm (stream_ordering, room_id, event_id) VALUES (-1, '!r', 'purged')")
    kill_background(server)
    for table, _, _, key, _ in AGED:
        wait_until(f"{table}: the old row", lambda table=table, key=key: count(server, table, f"{key} = '{tag}old'") == 0)
        assert count(server, table, f"{key} = '{tag}new'") == 1, table
    wait_until("transaction id", lambda: count(server, "event_txn_id_device_id", f"event_id = '{event}'") == 0)
    assert count(server, "event_txn_id_device_id", f"event_id = '{later}'") == 1
    wait_until("pokes", lambda: server.sql(f"SELECT stream_id FROM device_lists_outbound_pokes WHERE destination = 'd{tag}'") == [["2"]])
    assert server.sql(f"SELECT user_id FROM device_lists_outbound_last_success WHERE destination = 'd{tag}'") == [["@z:y"]]
    assert int(server.sql("SELECT stream_id FROM device_lists_changes_in_room_max_pruned_stream_id")[0][0]) >= 1
    wait_until("extremities of old", lambda: count(server, "stream_ordering_to_exterm", "event_id = 'purged'") == 0)
    assert count(server, "stream_ordering_to_exterm", f"room_id = '{room}'") > 0


def test_what_was_redacted_leaves_the_database(server):
    user = server.register()
    room = user.create_room()
    secret, kept = user.send(room, "a secret"), user.send(room, "another secret")
    for event in (secret, kept):
        user.ok("PUT", room_path(room, "redact", event, f"r{next(_names)}"), {})
    assert "a secret" in server.sql(f"SELECT json FROM event_json WHERE event_id = '{secret}'")[0][0]
    server.sql(f"UPDATE redactions SET received_ts = 1 WHERE redacts = '{secret}'")
    kill_background(server)
    wait_until("censored", lambda: "a secret" not in server.sql(f"SELECT json FROM event_json WHERE event_id = '{secret}'")[0][0])
    assert count(server, "redactions", f"redacts = '{secret}' AND have_censored") == 1
    assert "another secret" in server.sql(f"SELECT json FROM event_json WHERE event_id = '{kept}'")[0][0]
    shown = user.ok("GET", room_path(room, "event", secret))
    assert shown["content"] == {} and shown["unsigned"]["redacted_because"]
    assert len(user.messages(room)["chunk"]) > 4


def test_visits_are_counted_by_day(server):
    user = server.register()
    today = now() // DAY * DAY
    server.sql("INSERT INTO user_ips (user_id, access_token, device_id, ip, user_agent, last_seen) VALUES"
               f" ('{user.user_id}', 'x', '{user.device_id}', '1.2.3.4', 'agent', {today + 1}), ('{user.user_id}', 'x', '{user.device_id}',"
               f" '1.2.3.5', 'agent', {today - 1})")
    kill_background(server)
    rows = lambda: server.sql(f"SELECT timestamp, device_id FROM user_daily_visits WHERE user_id = '{user.user_id}' ORDER BY 1")  # noqa: E731
    wait_until("two days", lambda: rows() == [[str(today - DAY), user.device_id], [str(today), user.device_id]])
    kill_background(server)
    wait_until("a second round", lambda: count(server, "user_ips", f"user_id = '{user.user_id}'") >= 2)
    assert len(rows()) == 2


def test_tasks_of_synapse_about_devices(server):
    user = server.register()
    for key, at in (("AAAAAA", 1), ("AAAAAB", now()), ("AAAAAAAAAAA", 1)):
        server.sql("INSERT INTO e2e_one_time_keys_json (user_id, device_id, algorithm, key_id, ts_added_ms, key_json) VALUES"
                   f" ('{user.user_id}', '{user.device_id}', 'signed_curve25519', '{key}', {at}, '{{}}')")
    for stream in (-3, -2, -1):
        server.sql("INSERT INTO device_inbox (user_id, device_id, stream_id, message_json) VALUES"
                   f" ('{user.user_id}', 'GONE', {stream}, '{{}}')")
    name = f"devices{next(_names)}"
    server.sql("INSERT INTO scheduled_tasks (id, action, status, timestamp, resource_id, params) VALUES"
               f" ('{name}a', 'delete_old_otks', 'scheduled', 1, NULL, NULL), ('{name}b', 'delete_device_messages', 'scheduled', 1, 'GONE',"
               f" '{{\"user_id\": \"{user.user_id}\", \"device_id\": \"GONE\", \"up_to_stream_id\": -2}}')")
    kill_background(server)
    for task in "ab":
        wait_until(f"task {task}", lambda task=task: server.sql(f"SELECT status FROM scheduled_tasks WHERE id = '{name}{task}'") == [["complete"]])
    assert server.sql(f"SELECT key_id FROM e2e_one_time_keys_json WHERE user_id = '{user.user_id}' ORDER BY 1") == [["AAAAAAAAAAA"], ["AAAAAB"]]
    assert server.sql(f"SELECT stream_id FROM device_inbox WHERE user_id = '{user.user_id}'") == [["-1"]]


# ---- what the configuration asks for ----

@pytest.fixture(scope="module")
def tuned(own):
    extra = {"delete_stale_devices_after": "30d", "forgotten_room_retention_period": "1s",
             "retention": {"enabled": True, "default_policy": {"min_lifetime": "1d", "max_lifetime": "10d"}, "allowed_lifetime_min": "2d"}}
    with own.running("tuned", monolith=True, extra_config=extra) as server:
        yield server


def test_stale_devices_are_logged_out(tuned):
    user = tuned.register("stale")
    again = tuned.login("stale")
    tuned.sql(f"UPDATE devices SET last_seen = {now() - 31 * DAY} WHERE user_id = '{user.user_id}' AND device_id = '{user.device_id}'")
    kill_background(tuned)
    wait_until("logged out", lambda: user.call("GET", f"{CLIENT}/account/whoami").status == 401)
    assert again.call("GET", f"{CLIENT}/account/whoami").status == 200


def test_messages_expire(tuned):
    user = tuned.register("expiring")
    room, short = user.create_room(), user.create_room()
    user.put_state(short, "m.room.retention", {"max_lifetime": 3 * DAY})
    sent = {where: [user.send(where, f"m{i}") for i in range(4)] for where in (room, short)}
    for where, days in ((room, 11), (short, 4)):
        for event in sent[where][:3]:
            tuned.sql(f"UPDATE events SET received_ts = {now() - days * DAY}, origin_server_ts = {now() - days * DAY} WHERE event_id = '{event}'")
        tuned.sql(f"UPDATE events SET received_ts = {now() - days * DAY} WHERE room_id = '{where}' AND state_key IS NOT NULL")
    kill_background(tuned)
    for where in (room, short):
        wait_until("expired", lambda where=where: count(tuned, "events", f"event_id IN ('{sent[where][0]}', '{sent[where][1]}')") == 0)
        assert [e["event_id"] for e in user.messages(where)["chunk"]][:1] == [sent[where][3]]
        assert user.state(where, "m.room.member", user.user_id)["membership"] == "join"


def test_forgotten_rooms_go(tuned):
    alice, bob = tuned.register("forgetful"), tuned.register("mindful")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    for user in (alice, bob):
        act(user, room, "leave")
    act(alice, room, "forget")
    assert count(tuned, "scheduled_tasks", f"resource_id = '{room}'") == 0
    act(bob, room, "forget")
    assert count(tuned, "scheduled_tasks", f"resource_id = '{room}' AND action = 'purge_room'") == 1
    kill_background(tuned)  # looks for tasks at once
    wait_until("gone", lambda: count(tuned, "rooms", f"room_id = '{room}'") == 0 or kill_when_due(tuned, room))
    assert count(tuned, "events", f"room_id = '{room}'") == 0
    refused(alice.call("POST", f"{CLIENT}/join/{room}", {}), 404)


def kill_when_due(server, room):
    """The task was not due yet at the last look: has it looked at again."""
    if count(server, "scheduled_tasks", f"resource_id = '{room}' AND status = 'scheduled' AND timestamp < {now()}"):
        kill_background(server)
    return False


def ends(server, room):
    return int(server.sql(f"SELECT count(*) FROM event_forward_extremities WHERE room_id = '{room}'")[0][0])


def test_many_ends_are_joined(tuned):
    """A room whose graph has many ends gets events that join them; clients see none of those."""
    server = tuned
    user = server.register()
    room = user.create_room()
    events = [user.send(room, f"message {i}") for i in range(30)]
    since = user.sync()["next_batch"]
    server.sql("INSERT INTO event_forward_extremities (event_id, room_id) VALUES "
               + ", ".join(f"('{event}', '{room}')" for event in events[:25]))
    assert ends(server, room) == 26
    kill_background(server)
    wait_until("joined ends", lambda: ends(server, room) <= 10)
    rows = server.sql("SELECT e.sender, j.json::json ->> 'content', j.internal_metadata::json ->> 'proactively_send', "
                      "json_array_length(j.json::json -> 'prev_events') FROM events e JOIN event_json j USING (event_id) "
                      f"WHERE e.room_id = '{room}' AND e.type = 'org.matrix.dummy_event' ORDER BY e.stream_ordering")
    assert rows == [[user.user_id, "{}", "false", "10"]] * 2
    after = user.send(room, "after")
    answer = user.sync(since)["rooms"]["join"][room]["timeline"]["events"]
    assert [event["event_id"] for event in answer] == [after]
