"""Who may redact what, and what is left of it."""

import itertools

import pytest

from lib.rooms import bodies, refused, room_path
from lib.sliding import settle

_txn = itertools.count(1)
KEPT = {  # what redaction leaves of a content, by room version
    "m.room.join_rules": ({"join_rule": "public", "allow": [], "other": 1}, {"1": {"join_rule": "public"}, "8": {"join_rule": "public", "allow": []}}),
    "m.room.history_visibility": ({"history_visibility": "shared", "other": 1}, {"1": {"history_visibility": "shared"}}),
    "m.room.power_levels": ({"invite": 0, "historical": 5, "events": {"x": 5}, "notifications": {"room": 20}, "users_default": 0, "other": 1},
                            {"1": {"events": {"x": 5}, "users_default": 0}, "11": {"invite": 0, "events": {"x": 5}, "users_default": 0}}),
    "m.room.topic": ({"topic": "x"}, {"1": {}}),
    "x.y": ({"a": 1}, {"1": {}}),
}


def redact(user, room, event, **body):
    return user.call("PUT", room_path(room, "redact", event, f"red{next(_txn)}"), body)


def event(user, room, event_id):
    return user.ok("GET", room_path(room, "event", event_id))


@pytest.mark.parametrize("version", ["1", "3", "6", "8", "9", "10", "11", "12"])
def test_what_is_left(server, version):
    alice = server.register()
    room = alice.create_room(room_version=version)
    for kind, (content, kept) in KEPT.items():
        expected = next(left for since, left in sorted(kept.items(), key=lambda item: -int(item[0])) if int(version) >= int(since))
        if kind == "m.room.power_levels" and version != "12":
            content, expected = {**content, "users": {alice.user_id: 100}}, {**expected, "users": {alice.user_id: 100}}
        sent = alice.put_state(room, kind, content)
        why = redact(alice, room, sent, reason="so").json["event_id"]
        settle(alice)
        left = event(alice, room, sent)
        assert left["content"] == expected == alice.state(room, kind), (kind, left)
        assert left["unsigned"]["redacted_by"] == why == left["unsigned"]["redacted_because"]["event_id"]
        assert left["unsigned"]["redacted_because"]["content"] == {"reason": "so", "redacts": sent}
    create = alice.ok("GET", room_path(room, "state", "m.room.create", "") + "?format=event")["event_id"]
    refused(redact(alice, room, create), 403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", ["1", "10", "12"])
def test_who_may(server, version):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", room_version=version)
    bob.join(room)
    settle(bob)
    one, two = alice.send(room, "one"), bob.send(room, "two")
    settle(bob)
    refused(redact(bob, room, alice.put_state(room, "m.room.topic", {"topic": "x"})), 403, "M_FORBIDDEN")
    assert redact(bob, room, two).status == 200 and redact(alice, room, bob.send(room, "three")).status == 200
    refused(redact(bob, room, "$unknown:here"), 404)
    refused(redact(server.register(), room, one), 403, "M_FORBIDDEN")
    refused(redact(alice, room, alice.send(alice.create_room(), "elsewhere")), 400)
    assert bodies(alice.messages(room)["chunk"]) == [None, None, "one"]


def test_redacting_what_redacts(server):
    alice = server.register()
    room = alice.create_room()
    sent = alice.send(room, "x")
    first = redact(alice, room, sent, reason="first").json["event_id"]
    redact(alice, room, sent, reason="second")
    settle(alice)
    assert event(alice, room, sent)["unsigned"]["redacted_by"] == first
    redact(alice, room, first)
    settle(alice)
    assert event(alice, room, first)["content"] == {"redacts": sent} or "reason" not in event(alice, room, first)["content"]
    left = event(alice, room, sent)  # it stays gone, and does not tell why its redaction went
    assert "body" not in left["content"] and "redacted_because" not in left["unsigned"]["redacted_because"]["unsigned"]


def test_aliases_events_are_kept_from_clients(server):
    alice = server.register()
    room = alice.create_room(room_version="5")
    sent = alice.put_state(room, "m.room.aliases", {"aliases": ["#x:here"]}, alice.user_id.split(":", 1)[1])
    refused(alice.call("GET", room_path(room, "event", sent)), 404)
    assert all(e["type"] != "m.room.aliases" for e in alice.messages(room, limit=50)["chunk"])
    alice.send(room, "later")
    part = alice.sync(filter='{"room":{"timeline":{"limit":1}}}')["rooms"]["join"][room]
    assert all(e["type"] != "m.room.aliases" for e in part["state"]["events"])


def test_what_the_erased_said(server):
    """Who was there still sees it; who came later does not."""
    alice, bob, gone = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    gone.join(room)
    settle(gone)
    sent = gone.send(room, "remember me")
    bob.join(room)
    settle(bob)
    assert event(bob, room, sent)["content"]["body"] == "remember me"
    server.sql(f"INSERT INTO erased_users (user_id) VALUES ('{gone.user_id}')")
    assert event(alice, room, sent)["content"]["body"] == "remember me"
    assert event(bob, room, sent)["content"] == {} and event(bob, room, sent)["unsigned"]["membership"] == "leave"
    assert "remember me" not in str(bob.messages(room, limit=50)) and "remember me" in str(alice.messages(room, limit=50))
