"""Two servers of ours: what users of one do, users of the other see."""

import pytest

from lib.rooms import CLIENT, joined
from lib.server import quote
from lib.wait import until


@pytest.fixture
def pair(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room, server_name=home.name)
    until(lambda: alice.call("GET", f"{CLIENT}/rooms/{quote(room)}/state/m.room.member/{quote(bob.user_id)}").status == 200)
    return alice, bob, room


def ephemeral(user, room, kind):
    events = (joined(user.sync(), room) or {}).get("ephemeral", {}).get("events", [])
    return next((e["content"] for e in events if e["type"] == kind), None)


def both_ways(pair):
    alice, bob, room = pair
    return ((alice, bob, room), (bob, alice, room))


def test_typing(pair):
    for who, sees, room in both_ways(pair):
        path = f"{CLIENT}/rooms/{quote(room)}/typing/{quote(who.user_id)}"
        who.ok("PUT", path, {"typing": True, "timeout": 30000})
        until(lambda: (ephemeral(sees, room, "m.typing") or {}).get("user_ids") == [who.user_id])
        who.ok("PUT", path, {"typing": False})
        until(lambda: (ephemeral(sees, room, "m.typing") or {"user_ids": []})["user_ids"] == [])


def test_receipts(pair):
    for who, sees, room in both_ways(pair):
        event = sees.send(room, f"read this, {who.user_id}")
        until(lambda: who.call("GET", f"{CLIENT}/rooms/{quote(room)}/event/{quote(event)}").status == 200)
        who.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {})
        until(lambda: who.user_id in (ephemeral(sees, room, "m.receipt") or {}).get(event, {}).get("m.read", {}))


def test_private_receipts_stay_at_home(pair, other):
    alice, bob, room = pair
    event, later = alice.send(room, "one"), alice.send(room, "two")
    until(lambda: bob.call("GET", f"{CLIENT}/rooms/{quote(room)}/event/{quote(later)}").status == 200)
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read.private/{quote(event)}", {})
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(later)}", {})
    until(lambda: later in (ephemeral(bob, room, "m.receipt") or {}))
    assert other.sql(f"SELECT receipt_type FROM receipts_linearized WHERE user_id = '{alice.user_id}'") == [["m.read"]]


def test_presence(pair):
    for who, sees, _ in both_ways(pair):
        path = f"{CLIENT}/presence/{quote(who.user_id)}/status"
        who.ok("PUT", path, {"presence": "unavailable", "status_msg": f"I am {who.user_id}"})
        got = until(lambda: [s for s in [sees.ok("GET", path)] if s.get("status_msg") == f"I am {who.user_id}"])[0]
        assert got["presence"] == "unavailable"


def test_joining_by_alias(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="public_chat", room_alias_name=f"way-{alice.user_id[1:6]}")
    alias = alice.state(room, "m.room.canonical_alias")["alias"]
    assert bob.join(alias)["room_id"] == room
    assert set(bob.ok("GET", f"{CLIENT}/directory/room/{quote(alias)}")["servers"]) == {home.name, other.name}
    # once somebody is in it, the room is told of from here
    assert bob.ok("GET", f"/_matrix/client/v1/room_summary/{quote(alias)}")["membership"] == "join"
