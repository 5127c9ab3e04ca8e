"""The sync API of old: GET /events, /events/{event_id}, /initialSync, /rooms/{room_id}/initialSync."""

import threading

import pytest

from lib.rooms import refused, room_path
from lib.server import quote, request
from lib.sliding import settle

R0 = "/_matrix/client/r0"


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="a room")
    bob.join(room)
    return alice, bob, room


def events(user, since=None, timeout=0, **query):
    return user.ok("GET", f"{R0}/events", timeout=30, **({"from": since} if since else {}), **query) if timeout is None else \
        user.ok("GET", f"{R0}/events?timeout={timeout}", timeout=30 + timeout / 1000, **({"from": since} if since else {}), **query)


def of_type(answer, kind):
    return [e for e in answer["chunk"] if e["type"] == kind]


def test_events_tell_what_happens(server, pair):
    alice, bob, room = pair
    one, two = server.worker_url("generic_worker1"), server.worker_url("generic_worker2")
    start = events(alice)
    assert start["chunk"] == [] and start["start"] == start["end"]
    sent = [bob.send(room, f"m{i}", base=one) for i in range(3)]
    answer = events(alice, start["end"], timeout=5000, base=two)
    got, since = [e["event_id"] for e in of_type(answer, "m.room.message")], answer["end"]
    while len(got) < 3:
        answer = events(alice, since, timeout=5000, base=two)
        got, since = got + [e["event_id"] for e in of_type(answer, "m.room.message")], answer["end"]
    assert got == sent
    settle(bob)
    first = of_type(events(alice, start["end"], limit=1), "m.room.message")
    assert [e["event_id"] for e in first] == sent[:1] and first[0]["user_id"] == bob.user_id and first[0]["room_id"] == room
    assert first[0]["unsigned"]["membership"] == "join"
    assert of_type(events(alice, since), "m.room.message") == []
    # page by page, nothing twice and nothing lost
    page, seen = start["end"], []
    for _ in range(3):
        answer = events(alice, page, limit=1)
        seen, page = seen + [e["event_id"] for e in of_type(answer, "m.room.message")], answer["end"]
    assert seen == sent


def test_a_long_poll_ends_with_what_comes(pair):
    alice, bob, room = pair
    since, got = events(alice)["end"], []
    # who waits may be told of presence first
    def wait():
        token = since
        while not got:
            answer = events(alice, token, timeout=10000)
            token = answer["end"]
            got.extend(of_type(answer, "m.room.message"))
    waiter = threading.Thread(target=wait)
    waiter.start()
    sent = bob.send(room, "wake up")
    waiter.join(20)
    assert [e["event_id"] for e in got] == [sent]


def test_typing_receipts_data_and_presence(pair):
    alice, bob, room = pair
    event = bob.send(room, "read me")
    since = events(alice)["end"]
    bob.ok("PUT", room_path(room, "typing", bob.user_id), {"typing": True, "timeout": 20000})
    bob.ok("POST", room_path(room, "receipt", "m.read", event), {})
    alice.ok("PUT", f"{R0}/user/{quote(alice.user_id)}/account_data/x.global", {"a": 1})
    alice.ok("PUT", f"{R0}/user/{quote(alice.user_id)}/rooms/{quote(room)}/account_data/x.room", {"b": 2})
    bob.ok("PUT", f"{R0}/presence/{quote(bob.user_id)}/status", {"presence": "unavailable", "status_msg": "z"})
    wanted, seen, token = {"m.typing", "m.receipt", "x.global", "x.room", "m.presence"}, {}, since
    for _ in range(20):
        answer = events(alice, token, timeout=3000)
        token = answer["end"]
        seen.update({e["type"]: e for e in answer["chunk"] if e["type"] != "m.presence" or e["content"]["user_id"] == bob.user_id})
        if wanted <= set(seen):
            break
    assert seen["m.typing"]["room_id"] == room and seen["m.typing"]["content"] == {"user_ids": [bob.user_id]}
    assert list(seen["m.receipt"]["content"]) == [event] and seen["m.receipt"]["room_id"] == room
    assert seen["x.global"] == {"type": "x.global", "content": {"a": 1}}
    assert seen["x.room"] == {"type": "x.room", "room_id": room, "content": {"b": 2}}
    assert seen["m.presence"]["content"]["status_msg"] == "z"


def test_invites_and_joins_are_told(server, pair):
    alice, bob, room = pair
    since = events(bob)["end"]
    private = alice.create_room(preset="private_chat", invite=[bob.user_id])
    own = bob.create_room(preset="public_chat")
    for _ in range(10):
        answer = events(bob, since, limit=100)
        mine = {e["room_id"]: e["content"]["membership"] for e in of_type(answer, "m.room.member") if e["state_key"] == bob.user_id}
        if {private, own} <= set(mine):
            break
    assert mine[private] == "invite" and mine[own] == "join"
    assert not [e for e in answer["chunk"] if e.get("room_id") == private and e["type"] != "m.room.member"]


def test_a_room_is_peeked_into(server, pair):
    alice, _, room = pair
    stranger = server.register()
    refused(stranger.call("GET", f"{R0}/events", timeout=10, room_id=room), 403, "M_FORBIDDEN")
    refused(stranger.call("GET", f"{R0}/events", timeout=10, room_id="!none:x"), 403, "M_FORBIDDEN")
    open_room = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "world_readable"}}])
    since = events(stranger, room_id=open_room)["end"]
    hidden, shown = alice.send(room, "not this"), alice.send(open_room, "this")
    got = []
    for _ in range(10):
        got = [e["event_id"] for e in of_type(events(stranger, since, timeout=3000, room_id=open_room), "m.room.message")]
        if got:
            break
    assert got == [shown] and hidden not in got
    since = events(stranger, room_id=open_room)["end"]
    other = server.register()
    for user in (other, alice):
        user.ok("PUT", f"{R0}/presence/{quote(user.user_id)}/status", {"presence": "online", "status_msg": "about"})
    told = []
    for _ in range(10):
        told = [e["content"]["user_id"] for e in of_type(events(stranger, since, timeout=3000, room_id=open_room), "m.presence")]
        if alice.user_id in told:
            break
    assert alice.user_id in told and other.user_id not in told
    peek = stranger.ok("GET", f"{R0}/rooms/{quote(open_room)}/initialSync")
    assert "membership" not in peek and peek["messages"]["chunk"][-1]["event_id"] == shown
    refused(stranger.call("GET", f"{R0}/rooms/{quote(room)}/initialSync"), 403, "M_FORBIDDEN")
    refused(stranger.call("GET", f"{R0}/rooms/{quote('!none:x')}/initialSync"), 403, "M_FORBIDDEN")


def test_one_event(server, pair):
    alice, bob, room = pair
    sent = alice.send(room, "one")
    for spelling in ("api/v1", "r0", "v3"):
        got = bob.ok("GET", f"/_matrix/client/{spelling}/events/{quote(sent)}")
        assert got["event_id"] == sent and got["content"]["body"] == "one" and got["user_id"] == alice.user_id
    refused(server.register().call("GET", f"{R0}/events/{quote(sent)}"), 403, "M_FORBIDDEN")
    missing = alice.call("GET", f"{R0}/events/{quote('$none')}")
    assert missing.status == 404 and missing.json == "Event not found."


def test_initial_sync(server, pair):
    alice, bob, room = pair
    private = alice.create_room(preset="private_chat", invite=[bob.user_id])
    left = alice.create_room(preset="public_chat")
    bob.join(left)
    bob.leave(left)
    alice.send(left, "without bob")
    sent = [alice.send(room, f"m{i}") for i in range(12)]
    bob.ok("POST", room_path(room, "receipt", "m.read", sent[3]), {})
    bob.ok("PUT", f"{R0}/user/{quote(bob.user_id)}/account_data/x.global", {"a": 1})
    bob.ok("PUT", f"{R0}/user/{quote(bob.user_id)}/rooms/{quote(room)}/account_data/x.room", {"b": 2})
    settle(bob)
    answer = bob.ok("GET", f"{R0}/initialSync")
    rooms = {r["room_id"]: r for r in answer["rooms"]}
    assert set(rooms) == {room, private}
    assert [e["event_id"] for e in rooms[room]["messages"]["chunk"]] == sent[2:]
    assert rooms[room]["membership"] == "join" and rooms[room]["account_data"] == [{"type": "x.room", "content": {"b": 2}}]
    assert {e["type"] for e in rooms[room]["state"]} >= {"m.room.create", "m.room.member", "m.room.name", "m.room.power_levels"}
    assert rooms[private]["inviter"] == alice.user_id and rooms[private]["invite"]["state_key"] == bob.user_id
    assert {"type": "x.global", "content": {"a": 1}} in answer["account_data"]
    assert [r["content"] for r in answer["receipts"] if r["room_id"] == room][0][sent[3]]["m.read"][bob.user_id]
    before = bob.messages(room, **{"from": rooms[room]["messages"]["start"], "limit": 2})["chunk"]
    assert [e["event_id"] for e in before] == [sent[1], sent[0]]
    alice.send(room, "later")
    assert [e["content"]["body"] for e in of_type(events(bob, answer["end"], timeout=5000), "m.room.message")] == ["later"]
    archived = {r["room_id"]: r for r in bob.ok("GET", f"{R0}/initialSync", archived="true", limit=1)["rooms"]}
    assert archived[left]["membership"] == "leave"
    assert archived[left]["messages"]["chunk"][0]["content"]["membership"] == "leave"


def test_initial_sync_of_one_room(server, pair):
    alice, bob, room = pair
    sent = [alice.send(room, f"m{i}") for i in range(3)]
    settle(alice)
    one = bob.ok("GET", f"{R0}/rooms/{quote(room)}/initialSync", limit=2)
    assert one["room_id"] == room and one["membership"] == "join"
    assert [e["event_id"] for e in one["messages"]["chunk"]] == sent[1:]
    assert {p["content"]["user_id"] for p in one["presence"]} == {alice.user_id, bob.user_id}
    assert one["receipts"] == [] and one["account_data"] == []
    bob.leave(room)
    alice.send(room, "without bob")
    gone = bob.ok("GET", f"{R0}/rooms/{quote(room)}/initialSync", limit=1)
    assert gone["membership"] == "leave" and gone["presence"] == []
    assert gone["messages"]["chunk"][0]["content"]["membership"] == "leave"
    bob.ok("POST", room_path(room, "forget"), {})
    refused(bob.call("GET", f"{R0}/rooms/{quote(room)}/initialSync"), 403, "M_FORBIDDEN")


def test_bad_input(server, pair):
    alice, *_ = pair
    for path, query in (("events", {"from": "xyz"}), ("events", {"timeout": "soon"}), ("events", {"from": "t1-2_0_0"}),
                        ("events", {"dir": "up"}), ("events", {"limit": "-1"}), ("initialSync", {"limit": "x"}),
                        ("initialSync", {"limit": "-2"})):
        assert alice.call("GET", f"{R0}/{path}?" + "&".join(f"{k}={v}" for k, v in query.items())).status == 400, (path, query)
    assert request("GET", server.base_url + f"{R0}/events").status == 401
    assert request("GET", server.base_url + f"{R0}/initialSync").status == 401
