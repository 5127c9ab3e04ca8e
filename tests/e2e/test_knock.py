"""Knocking on a room: asking, taking it back, letting in, turning away."""

import pytest

from lib.rooms import CLIENT, act, done, membership, refused, room_path
from lib.server import quote
from lib.sliding import settle


def knock(user, room, **body):
    return user.call("POST", f"{CLIENT}/knock/{quote(room)}", body)


def make(alice, rule="knock", **body):
    return alice.create_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": rule, **body}}], name="Behind a door")


@pytest.mark.parametrize("rule", ["knock", "knock_restricted"])
def test_asking_and_being_let_in(server, rule):
    alice, bob = server.register(), server.register()
    room = make(alice, rule, **({"allow": []} if rule == "knock_restricted" else {}))
    since = alice.sync()["next_batch"]
    assert knock(bob, room, reason="let me in").json == {"room_id": room}
    settle(bob)
    assert alice.state(room, "m.room.member", bob.user_id)["reason"] == "let me in"
    shown, _ = bob.sync_until(lambda a: a.get("rooms", {}).get("knock", {}).get(room))
    events = {e["type"]: e for e in shown["knock_state"]["events"]}
    assert events["m.room.name"]["content"] == {"name": "Behind a door"}
    assert events["m.room.member"]["content"]["membership"] == "knock" and events["m.room.member"]["state_key"] == bob.user_id
    alice.sync_until(lambda a: any(e["content"].get("membership") == "knock" for e in
                                   a.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])), since)
    refused(act(bob, room, "join"), 403, "M_FORBIDDEN")
    alice.invite(room, bob)
    settle(alice)
    bob.join(room)
    settle(bob)
    assert membership(alice, room, bob) == "join"
    refused(knock(bob, room), 403, "M_FORBIDDEN")


def test_by_alias_and_back_again(server):
    alice, bob = server.register(), server.register()
    room = make(alice)
    alias = f"#door{'m' if server.monolith else 's'}:{server.name}"
    alice.ok("PUT", f"{CLIENT}/directory/room/{quote(alias)}", {"room_id": room})
    assert knock(bob, alias).json == {"room_id": room}
    done(bob, room, "leave")
    settle(bob)
    assert membership(alice, room, bob) == "leave"
    assert room not in bob.sync().get("rooms", {}).get("knock", {})
    assert knock(bob, room).status == 200
    settle(bob)
    done(alice, room, "kick", bob)
    settle(alice)
    assert membership(alice, room, bob) == "leave"
    assert knock(bob, room).status == 200
    done(alice, room, "ban", bob)
    settle(alice)
    refused(knock(bob, room), 403)


def test_doors_that_are_none(server):
    alice, bob = server.register(), server.register()
    for preset in ("private_chat", "public_chat"):
        refused(knock(bob, alice.create_room(preset=preset)), 403, "M_FORBIDDEN")
    refused(knock(bob, "nothing"), 400)
    refused(knock(bob, f"#none:{server.name}"), 404, "M_NOT_FOUND")
    assert knock(bob, f"!none:{server.name}").status == 404
    old = alice.create_room(room_version="6")
    refused(knock(bob, old), 403)


def test_invited_users_do_not_knock(server):
    alice, bob = server.register(), server.register()
    room = make(alice)
    alice.invite(room, bob)
    settle(alice)
    refused(knock(bob, room), 403, "M_FORBIDDEN")
    bob.join(room)


def test_through_state(server):
    alice, bob = server.register(), server.register()
    room = make(alice)
    path = room_path(room, "state", "m.room.member", bob.user_id)
    assert bob.call("PUT", path, {"membership": "knock", "reason": "hm"}).status == 200
    shown, _ = bob.sync_until(lambda a: a.get("rooms", {}).get("knock", {}).get(room))
    assert len(shown["knock_state"]["events"]) > 2
