"""Two deployments of ours: users of one enter rooms of the other in every way there is."""

import itertools

import pytest

from lib.server import quote
from lib.sliding import settle
from lib.wait import until

_names = itertools.count(1)


def state_of(user, room):
    return {(e["type"], e["state_key"]): e["event_id"] for e in user.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state")}


def membership(user, room, who):
    answer = user.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(who.user_id)}")
    return answer.json.get("membership") if answer.status == 200 else None


def join(user, room, via, **body):
    return user.call("POST", f"/_matrix/client/v3/join/{quote(room)}?via={quote(via)}", body)


def invited(user, room):
    return room in user.ok("GET", "/_matrix/client/v3/sync").get("rooms", {}).get("invite", {})


@pytest.mark.parametrize("version", [str(n) for n in range(1, 13)])
def test_joining_by_alias(home, other, version):
    alice, bob = home.register(), other.register()
    alias = f"#pair{next(_names)}x{version}"
    room = alice.create_room(room_version=version, preset="public_chat", room_alias_name=alias[1:])
    answer = bob.call("POST", f"/_matrix/client/v3/join/{quote(alias + ':' + home.name)}", {})
    assert answer.status == 200 and answer.json["room_id"] == room, answer
    assert membership(alice, room, bob) == "join"
    assert state_of(bob, room) == state_of(alice, room)


def test_the_other_way(home, other):
    alice, bob = home.register(), other.register()
    room = bob.create_room(preset="public_chat")
    assert join(alice, room, other.name, reason="curious").status == 200
    assert bob.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(alice.user_id)}")["reason"] == "curious"


@pytest.mark.parametrize("version", ["1", "5", "10", "12"])
def test_invited_and_in(home, other, version):
    alice, bob = home.register(), other.register()
    room = alice.create_room(room_version=version, preset="private_chat", name="tea")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob.user_id})
    shown = until(lambda: bob.ok("GET", "/_matrix/client/v3/sync").get("rooms", {}).get("invite", {}).get(room))
    assert any(e["type"] == "m.room.name" and e["content"]["name"] == "tea" for e in shown["invite_state"]["events"])
    bob.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/join", {})
    assert state_of(bob, room) == state_of(alice, room)


def test_invited_and_not_interested(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="private_chat")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob.user_id})
    until(lambda: invited(bob, room))
    bob.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/leave", {"reason": "no"})
    assert membership(alice, room, bob) == "leave"
    assert not invited(bob, room)


def test_invited_at_creation(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="trusted_private_chat", is_direct=True, invite=[bob.user_id])
    until(lambda: invited(bob, room))
    bob.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/join", {})
    assert membership(alice, room, bob) == "join"


def test_knocking_until_one_is_let_in(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="private_chat", initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])
    answer = bob.call("POST", f"/_matrix/client/v3/knock/{quote(room)}?via={quote(home.name)}", {"reason": "hello?"})
    assert answer.status == 200, answer
    assert membership(alice, room, bob) == "knock"
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob.user_id})
    until(lambda: invited(bob, room))
    bob.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/join", {})
    assert membership(alice, room, bob) == "join"


def test_knocking_and_going_away(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="private_chat", initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])
    assert bob.call("POST", f"/_matrix/client/v3/knock/{quote(room)}?via={quote(home.name)}", {}).status == 200
    bob.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/leave", {})
    assert membership(alice, room, bob) == "leave"


def test_banned(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="public_chat")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/ban", {"user_id": bob.user_id})
    answer = join(bob, room, home.name)
    assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", ["8", "9", "10", "12"])
def test_let_in_by_a_space(home, other, version):
    alice, bob, carol = home.register(), other.register(), other.register()
    space = alice.create_room(preset="public_chat", creation_content={"type": "m.space"})
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}
    room = alice.create_room(room_version=version, preset="private_chat", power_level_content_override={"invite": 50},
                             initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": rule}])
    refused = join(bob, room, home.name)
    assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN"), refused
    assert join(bob, space, home.name).status == 200
    settle(alice)
    assert join(bob, room, home.name).status == 200
    member = bob.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(bob.user_id)}")
    assert member["join_authorised_via_users_server"] == alice.user_id
    # carol's server is in the room now, but nobody there may let her in
    assert join(carol, space, home.name).status == 200
    until(lambda: membership(alice, space, carol) == "join")
    settle(alice), settle(bob)
    assert carol.call("POST", f"/_matrix/client/v3/join/{quote(room)}", {}).status == 200
    settle(alice)
    assert membership(alice, room, carol) == "join"


def test_history(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="public_chat")
    sent = [alice.send(room, f"n{i}") for i in range(130)]
    assert join(bob, room, home.name).status == 200
    found, start = [], None
    while True:
        page = bob.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/messages", dir="b", limit=30, **({"from": start} if start else {}))
        found += [e["event_id"] for e in page["chunk"]]
        start = page.get("end")
        if start is None:
            break
    assert [e for e in found if e in sent] == list(reversed(sent))
    assert len(found) == len(set(found))


def test_history_that_bob_may_not_see(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}])
    alice.send(room, "secret")
    assert join(bob, room, home.name).status == 200
    page = bob.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/messages", dir="b", limit=50)
    assert all(e["content"].get("body") != "secret" for e in page["chunk"])
    assert not other.sql(f"SELECT 1 FROM event_json WHERE room_id = '{room}' AND json LIKE '%secret%'")


def test_a_moment_before_one_came(home, other):
    alice, bob = home.register(), other.register()
    room = alice.create_room(preset="public_chat")
    first = alice.send(room, "first")
    at = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(first)}")["origin_server_ts"]
    for i in range(5):
        alice.send(room, str(i))
    assert join(bob, room, home.name).status == 200
    found = bob.ok("GET", f"/_matrix/client/v1/rooms/{quote(room)}/timestamp_to_event", ts=at, dir="f")
    assert found["event_id"] == first
