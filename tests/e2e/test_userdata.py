"""Typing, receipts, account data."""

import pytest

from lib.rooms import CLIENT, filtered, joined, refused, room_path
from lib.server import quote, request


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room, [alice.send(room, f"m{i}") for i in range(4)]


def ephemeral(answer, room, kind):
    part = joined(answer, room)
    return [e["content"] for e in part["ephemeral"]["events"] if e["type"] == kind] if part else []


def own(user, *parts):
    return f"{CLIENT}/user/{quote(user.user_id)}" + "".join("/" + quote(part) for part in parts)


def test_typing(server, pair):
    alice, bob, room, _ = pair
    path = room_path(room, "typing", alice.user_id)
    since = bob.sync()["next_batch"]
    alice.ok("PUT", path, {"typing": True, "timeout": 30000})
    told, since = bob.sync_until(lambda a: ephemeral(a, room, "m.typing"), since)
    assert told == [{"user_ids": [alice.user_id]}]
    alice.ok("PUT", path, {"typing": False})
    told, since = bob.sync_until(lambda a: ephemeral(a, room, "m.typing"), since)
    assert told == [{"user_ids": []}]
    alice.ok("PUT", path, {"typing": True, "timeout": 1})
    told, _ = bob.sync_until(lambda a: {"user_ids": []} in ephemeral(a, room, "m.typing"), since)
    assert bob.call("PUT", path, {"typing": True}).status in (400, 403)
    assert alice.call("PUT", path, {}).status == 400


def test_receipts(server, pair):
    alice, bob, room, events = pair

    def read(user, kind, event, **body):
        return user.call("POST", room_path(room, "receipt", kind, event), body)

    mine, since = alice.sync()["next_batch"], bob.sync()["next_batch"]
    assert read(alice, "m.read", events[1]).status == 200
    told, since = bob.sync_until(lambda a: ephemeral(a, room, "m.receipt"), since)
    assert list(told[0]) == [events[1]] and told[0][events[1]]["m.read"][alice.user_id]["ts"] > 0
    assert read(alice, "m.read", events[0]).status == 200  # never back
    assert read(alice, "m.read.private", events[2]).status == 200
    assert ephemeral(bob.sync(since), room, "m.receipt") == []
    told, _ = alice.sync_until(lambda a: [c for c in ephemeral(a, room, "m.receipt") if events[2] in c], mine)
    assert told[0][events[2]]["m.read.private"][alice.user_id]
    assert read(alice, "m.read", events[2], thread_id="main").status == 200
    told, _ = bob.sync_until(lambda a: ephemeral(a, room, "m.receipt"), since)
    assert told[0][events[2]]["m.read"][alice.user_id]["thread_id"] == "main"
    refused(read(alice, "m.read", events[2], thread_id=""), 400, "M_INVALID_PARAM")
    refused(read(alice, "m.fully_read", events[2], thread_id="main"), 400, "M_INVALID_PARAM")
    refused(read(alice, "m.other", events[2]), 400)
    refused(read(alice, "m.read", "no-event"), 400, "M_UNKNOWN")
    refused(read(server.register(), "m.read", events[2]), 403, "M_FORBIDDEN")
    assert read(alice, "m.fully_read", events[3]).status == 200
    assert alice.ok("GET", own(alice, "rooms", room, "account_data", "m.fully_read")) == {"event_id": events[3]}
    assert read(alice, "m.fully_read", events[1]).status == 200  # it does not go back
    refused(read(alice, "m.fully_read", "$none"), 404)
    assert alice.ok("GET", own(alice, "rooms", room, "account_data", "m.fully_read")) == {"event_id": events[3]}


def test_account_data(server, pair):
    alice, bob, room, _ = pair
    since = alice.sync()["next_batch"]
    refused(alice.call("GET", own(alice, "account_data", "x.y")), 404, "M_NOT_FOUND")
    alice.ok("PUT", own(alice, "account_data", "x.y"), {"a": 1.5})
    alice.ok("PUT", own(alice, "rooms", room, "account_data", "x.z"), {"b": 1})
    assert alice.ok("GET", own(alice, "account_data", "x.y")) == {"a": 1.5}
    assert alice.ok("GET", own(alice, "rooms", room, "account_data", "x.z")) == {"b": 1}
    answer, _ = alice.sync_until(lambda a: a if a.get("account_data") and joined(a, room) else None, since)
    assert {"type": "x.y", "content": {"a": 1.5}} in answer["account_data"]["events"]
    assert joined(answer, room)["account_data"]["events"] == [{"type": "x.z", "content": {"b": 1}}]
    assert joined(filtered(alice, since, {"account_data": {"types": ["x.none"]}}), room) is None
    refused(alice.call("PUT", own(bob, "account_data", "x.y"), {}), 403, "M_FORBIDDEN")
    refused(bob.call("GET", own(alice, "account_data", "x.y")), 403, "M_FORBIDDEN")
    refused(alice.call("PUT", own(alice, "account_data", "m.push_rules"), {}), 405, "M_BAD_JSON")
    refused(alice.call("PUT", own(alice, "rooms", room, "account_data", "m.fully_read"), {}), 405, "M_BAD_JSON")
    header = {"Authorization": f"Bearer {alice.token}"}
    for body in (b"[]", b"{"):
        assert request("PUT", server.base_url + own(alice, "account_data", "x.y"), raw=body, headers=header).status == 400


def test_account_data_of_what_is_no_room_and_push_rules(pair):
    alice, *_ = pair
    refused(alice.call("GET", own(alice, "rooms", "no-room", "account_data", "x.y")), 400, "M_INVALID_PARAM")
    rules = alice.ok("GET", f"{CLIENT}/pushrules/")
    assert alice.ok("GET", own(alice, "account_data", "m.push_rules")) == rules


def test_tags_are_of_rooms_that_one_knows(server, pair):
    alice, _, room, _ = pair
    refused(alice.call("PUT", own(alice, "rooms", "!none:" + server.name, "tags", "u.x"), {}), 403, "M_FORBIDDEN")
    refused(alice.call("PUT", own(alice, "rooms", server.register().create_room(), "tags", "u.x"), {}), 403, "M_FORBIDDEN")
    refused(alice.call("PUT", own(alice, "rooms", room, "tags", "t" * 256), {}), 400, "M_INVALID_PARAM")
    alice.ok("PUT", own(alice, "rooms", room, "tags", "t" * 255), {"order": 0.5})
    assert alice.ok("GET", own(alice, "rooms", room, "tags")) == {"tags": {"t" * 255: {"order": 0.5}}}


def test_account_data_is_seen_by_every_process(server, pair):
    alice, *_ = pair
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    since = alice.sync(base=bases[0])["next_batch"]
    for i in range(6):
        alice.ok("PUT", own(alice, "account_data", "x.y"), {"i": i}, base=bases[i % 2])
        answer = alice.sync(since, timeout=5000, base=bases[(i + 1) % 2])
        assert {"type": "x.y", "content": {"i": i}} in answer["account_data"]["events"]
        since = answer["next_batch"]


def test_nobody_ignores_themselves(server, pair):
    alice, bob, *_ = pair
    refused(alice.call("PUT", own(alice, "account_data", "m.ignored_user_list"), {"ignored_users": {alice.user_id: {}}}), 400, "M_INVALID_PARAM")
    alice.ok("PUT", own(alice, "account_data", "m.ignored_user_list"), {"ignored_users": {bob.user_id: {}}})


def test_a_new_room_is_tagged_at_once(server, pair):
    alice, *_ = pair
    for name in ("generic_worker1", "generic_worker2"):  # whoever made the room
        alice.ok("PUT", own(alice, "rooms", alice.create_room(), "tags", "m.favourite"), {}, base=server.worker_url(name))
