"""What other servers tell of their users: who types, who has read, who is there."""

import time

import pytest

from lib.rooms import CLIENT, joined
from lib.server import quote
from lib.wait import until


@pytest.fixture
def place(home, remote):
    """A room of ours that one of theirs has joined."""
    alice = home.register()
    room = alice.create_room(preset="public_chat", room_version="10")
    there = remote.join(home.name, room, "zoe", "10")
    zoe = remote.user("zoe")
    until(lambda: alice.call("GET", f"{CLIENT}/rooms/{quote(room)}/state/m.room.member/{quote(zoe)}").status == 200)
    return alice, room, zoe, there


def ephemeral(answer, room, kind):
    events = (joined(answer, room) or {}).get("ephemeral", {}).get("events", [])
    return [e["content"] for e in events if e["type"] == kind]


def typing(remote, home, room, user, types=True):
    remote.send(home.name, edus=[("m.typing", {"room_id": room, "user_id": user, "typing": types})])


def typists(user, room):
    found = ephemeral(user.sync(), room, "m.typing")
    return found[0]["user_ids"] if found else []


def workers(home):
    return (None, None) if home.monolith else (home.worker_url("generic_worker1"), home.worker_url("generic_worker2"))


def test_typing(home, remote, place):
    alice, room, zoe, _ = place
    since = alice.sync()["next_batch"]
    typing(remote, home, room, zoe)
    found, since = alice.sync_until(lambda a: ephemeral(a, room, "m.typing"), since)
    assert found == [{"user_ids": [zoe]}]
    for base in workers(home):
        until(lambda: ephemeral(alice.sync(base=base), room, "m.typing") == [{"user_ids": [zoe]}])
    typing(remote, home, room, zoe, False)
    found, _ = alice.sync_until(lambda a: ephemeral(a, room, "m.typing"), since)
    assert found == [{"user_ids": []}]


def test_typing_of_others_is_not_heard(home, remote, remotes, place):
    """Neither for a user of another server, nor for one who is not in the room, nor in rooms that are not known."""
    alice, room, zoe, _ = place
    stranger = remotes()
    typing(stranger, home, room, zoe)
    typing(remote, home, room, alice.user_id)
    typing(remote, home, room, remote.user("not-there"))
    typing(stranger, home, room, stranger.user("x"))
    typing(remote, home, f"!no:{home.name}", zoe)
    for content in ({}, {"room_id": 5, "user_id": zoe, "typing": True}, {"room_id": room, "user_id": {}, "typing": True}):
        remote.send(home.name, edus=[("m.typing", content)])
    typing(remote, home, room, zoe)
    until(lambda: typists(alice, room))
    assert typists(alice, room) == [zoe]


def test_a_server_that_the_room_keeps_out(home, remote, place):
    alice, room, zoe, _ = place
    alice.put_state(room, "m.room.server_acl", {"allow": ["*"], "deny": [remote.name]})
    typing(remote, home, room, zoe)
    event = alice.send(room, "read me")
    read(remote, home, room, zoe, event)
    # what comes later on the same way has been looked at: then so has this
    other = alice.create_room(preset="public_chat", room_version="10")
    remote.join(home.name, other, "zoe", "10")
    typing(remote, home, other, zoe)
    read(remote, home, other, zoe, alice.send(other, "x"))
    until(lambda: typists(alice, other) and readers(alice, other))
    assert typists(alice, room) == []
    assert readers(alice, room) == {}


def read(remote, home, room, user, *events, kind="m.read", ts=1234, **data):
    remote.send(home.name, edus=[("m.receipt", {room: {kind: {user: {"event_ids": list(events), "data": {"ts": ts, **data}}}}})])


def readers(user, room):
    """user -> {(event, thread): ts}"""
    out = {}
    for content in ephemeral(user.sync(), room, "m.receipt"):
        for event, kinds in content.items():
            for who, data in kinds.get("m.read", {}).items():
                out.setdefault(who, {})[event, data.get("thread_id")] = data["ts"]
    return out


def test_receipts(home, remote, place):
    alice, room, zoe, _ = place
    first, second = alice.send(room, "one"), alice.send(room, "two")
    read(remote, home, room, zoe, first)
    until(lambda: readers(alice, room).get(zoe) == {(first, None): 1234})
    read(remote, home, room, zoe, second, ts=99)
    until(lambda: readers(alice, room).get(zoe) == {(second, None): 99})
    read(remote, home, room, zoe, first, ts=100)  # goes back: changes nothing
    read(remote, home, room, zoe, first, ts=101, thread_id="main")
    until(lambda: readers(alice, room).get(zoe) == {(second, None): 99, (first, "main"): 101})
    assert home.sql(f"SELECT data FROM receipts_linearized WHERE user_id = '{zoe}' AND thread_id = 'main'") == [['{"ts":101}']]


def test_many_receipts_at_once(home, remote, place):
    alice, room, zoe, there = place
    rooms = [room] + [alice.create_room(preset="public_chat", room_version="10") for _ in range(3)]
    for more in rooms[1:]:
        remote.join(home.name, more, "zoe", "10")
    events = {r: alice.send(r, "x") for r in rooms}
    remote.send(home.name, edus=[("m.receipt", {r: {"m.read": {zoe: {"event_ids": [e], "data": {"ts": 5}}}} for r, e in events.items()})])
    for r, e in events.items():
        until(lambda: readers(alice, r).get(zoe) == {(e, None): 5})


def test_receipts_that_are_not_heard(home, remote, remotes, place):
    alice, room, zoe, _ = place
    event, stranger = alice.send(room, "one"), remotes()
    read(stranger, home, room, zoe, event)
    read(stranger, home, room, stranger.user("x"), event)
    read(remote, home, room, alice.user_id, event)
    read(remote, home, room, zoe, event, kind="m.read.private")
    for content in ({room: 5}, {room: {"m.read": []}}, {room: {"m.read": {zoe: {"event_ids": event}}}},
                    {room: {"m.read": {zoe: {"event_ids": [5, "no id"], "data": []}}}}, {"no room": {}}):
        remote.send(home.name, edus=[("m.receipt", content)])
    last = alice.send(room, "two")
    read(remote, home, room, zoe, last)
    until(lambda: readers(alice, room).get(zoe))
    assert set(readers(alice, room)) == {zoe} and readers(alice, room)[zoe] == {(last, None): 1234}
    assert home.sql(f"SELECT receipt_type FROM receipts_linearized WHERE user_id = '{zoe}'") == [["m.read"]]


# ---- presence ----

def push(remote, home, *states):
    remote.send(home.name, edus=[("m.presence", {"push": list(states)})])


def state(user, presence="online", **more):
    return {"user_id": user, "presence": presence, "last_active_ago": 1000, **more}


def status(reader, user):
    answer = reader.call("GET", f"{CLIENT}/presence/{quote(user)}/status")
    return answer.json if answer.status == 200 else answer.status


def told(answer, user):
    return [e["content"] for e in answer.get("presence", {}).get("events", []) if e["sender"] == user]


def test_presence(home, remote, place):
    alice, room, zoe, _ = place
    since = alice.sync()["next_batch"]
    push(remote, home, state(zoe, currently_active=True, status_msg="höi"))
    found, since = alice.sync_until(lambda a: told(a, zoe), since)
    assert found[0]["presence"] == "online" and found[0]["currently_active"] and found[0]["status_msg"] == "höi"
    assert 1000 <= found[0]["last_active_ago"] < 60000
    push(remote, home, state(zoe, "unavailable"))
    found, since = alice.sync_until(lambda a: told(a, zoe), since)
    assert found[0]["presence"] == "unavailable" and "status_msg" not in found[0]
    push(remote, home, state(zoe, "org.matrix.msc3026.busy"))  # though our users cannot say that of themselves
    until(lambda: status(alice, zoe).get("presence") == "org.matrix.msc3026.busy")
    push(remote, home, state(zoe, "offline"))
    until(lambda: status(alice, zoe).get("presence") == "offline")
    stored = home.sql(f"SELECT state, last_federation_update_ts > 0 FROM presence_stream WHERE user_id = '{zoe}'")
    assert stored == [["offline", "t"]]


def test_presence_that_is_not_heard(home, remote, remotes, place):
    alice, room, zoe, _ = place
    stranger = remotes()
    push(stranger, home, state(zoe), state(stranger.user("x")))
    push(remote, home, state(alice.user_id, status_msg="hacked"), state(remote.user("nobody")))
    for content in ({}, {"push": 5}, {"push": [5, {}, {"user_id": zoe}, {"user_id": zoe, "presence": "dancing"},
                                               {"user_id": 5, "presence": "online"}]}):
        remote.send(home.name, edus=[("m.presence", content)])
    push(remote, home, state(zoe, "unavailable", last_active_ago=-5))
    until(lambda: status(alice, zoe).get("presence") == "unavailable")
    assert status(alice, alice.user_id).get("status_msg") is None
    known = {row[0] for row in home.sql("SELECT user_id FROM presence_stream")}
    assert not {stranger.user("x"), remote.user("nobody")} & known


def test_who_is_there_is_told_to_a_server_that_comes(home, remotes):
    """The stream presence_federation: all of ours in a room to a server that comes to it."""
    remote, alice = remotes(), home.register()
    alice.ok("PUT", f"{CLIENT}/presence/{quote(alice.user_id)}/status", {"presence": "online", "status_msg": "here"})
    room = alice.create_room(preset="public_chat", room_version="10")
    remote.join(home.name, room, "zoe", "10")
    got = remote.wait_edu("m.presence", lambda c: any(p["user_id"] == alice.user_id for p in c["push"]))
    assert next(p for p in got["push"] if p["user_id"] == alice.user_id)["status_msg"] == "here"


def test_who_comes_is_told_to_the_servers_that_are_there(home, remote, place):
    _, room, zoe, _ = place
    bob = home.register()
    bob.ok("PUT", f"{CLIENT}/presence/{quote(bob.user_id)}/status", {"presence": "unavailable", "status_msg": "bob"})
    bob.join(room)
    remote.wait_edu("m.presence", lambda c: any(p["user_id"] == bob.user_id for p in c["push"]))
