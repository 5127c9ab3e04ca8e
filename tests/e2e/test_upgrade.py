"""A room is replaced by one of another version: what moves, what stays, and who may do it."""

import pytest

from lib.rooms import CLIENT, act, refused, room_path
from lib.server import quote, request
from lib.sliding import settle
from lib.wait import until


def upgrade(user, room, version, **body):
    """Once it is known everywhere: any process may answer what comes next."""
    answer = user.call("POST", room_path(room, "upgrade"), {"new_version": version, **body})
    settle(user)
    return answer


def state(user, room):
    return {(e["type"], e["state_key"]): e for e in user.ok("GET", room_path(room, "state"))}


def listed(server, room):
    return request("GET", f"{server.base_url}{CLIENT}/directory/list/room/{quote(room)}").json["visibility"]


def data_path(user, *parts):
    return f"{CLIENT}/user/{quote(user.user_id)}/" + "/".join(quote(p) for p in parts)


@pytest.mark.parametrize("old,new", [("1", "6"), ("9", "11"), ("10", "12"), ("12", "12")])
def test_everything_moves(server, old, new):
    alice, bob, carol = server.register(), server.register(), server.register()
    name = f"up-{old}-{new}-{'m' if server.monolith else 's'}"
    room = alice.create_room(preset="public_chat", visibility="public", room_version=old, name="N", topic="T", room_alias_name=name,
                             creation_content={"m.federate": False, "type": "m.space"},
                             initial_state=[{"type": "x.y", "content": {"a": 1}},
                                            {"type": "m.room.server_acl", "content": {"allow": ["*"]}},
                                            {"type": "m.space.child", "state_key": "!c:d", "content": {"via": ["d"]}},
                                            {"type": "m.space.child", "state_key": "!gone:d", "content": {}}])
    bob.join(room)
    bob.ok("PUT", data_path(bob, "rooms", room, "tags", "u.\u00e9/x"), {"order": 0.5})
    bob.ok("PUT", data_path(bob, "account_data", "m.direct"), {"@q:q": [room], "@r:r": ["!other:r"]})
    bob.ok("PUT", f"{CLIENT}/pushrules/global/room/{quote(room)}", {"actions": []})
    assert act(alice, room, "ban", carol, reason="bad").status == 200
    answer = upgrade(alice, room, new)
    assert answer.status == 200, answer
    new_room = answer.json["replacement_room"]
    before, after = state(alice, room), state(alice, new_room)

    create = after["m.room.create", ""]["content"]
    assert create["room_version"] == new and create["m.federate"] is False and create["type"] == "m.space"
    tombstone = before["m.room.tombstone", ""]
    assert tombstone["content"] == {"body": "This room has been replaced", "replacement_room": new_room}
    assert create["predecessor"] == {"room_id": room, **({} if new == "12" else {"event_id": tombstone["event_id"]})}
    for kind in ("name", "topic", "join_rules", "history_visibility", "server_acl"):
        assert after[f"m.room.{kind}", ""]["content"] == before[f"m.room.{kind}", ""]["content"]
    assert ("x.y", "") not in after
    assert after["m.space.child", "!c:d"]["content"] == {"via": ["d"]} and ("m.space.child", "!gone:d") not in after
    ban = after["m.room.member", carol.user_id]["content"]
    assert (ban["membership"], ban["reason"]) == ("ban", "bad")

    alias = f"#{name}:{server.name}"
    assert before["m.room.canonical_alias", ""]["content"] == {} and after["m.room.canonical_alias", ""]["content"] == {"alias": alias}
    assert alice.ok("GET", room_path(room, "aliases"))["aliases"] == []
    assert alice.ok("GET", room_path(new_room, "aliases"))["aliases"] == [alias]
    assert listed(server, room) == "private" and listed(server, new_room) == "public"

    levels = before["m.room.power_levels", ""]["content"]
    assert levels["events_default"] == 50 and levels["invite"] == 50
    assert after["m.room.power_levels", ""]["content"]["events_default"] == 0
    assert (alice.user_id in after["m.room.power_levels", ""]["content"]["users"]) == (new != "12")
    refused(bob.call("PUT", room_path(room, "send", "m.room.message", "t"), {"body": "x", "msgtype": "m.text"}), 403)

    bob.join(alias)
    assert bob.ok("GET", data_path(bob, "rooms", new_room, "tags"))["tags"] == {"u.\u00e9/x": {"order": 0.5}}
    assert bob.ok("GET", data_path(bob, "account_data", "m.direct")) == {"@q:q": [room, new_room], "@r:r": ["!other:r"]}
    assert {r["rule_id"] for r in bob.ok("GET", f"{CLIENT}/pushrules/global/")["room"]} == {room, new_room}
    assert bob.send(new_room, "hello")
    assert upgrade(alice, room, new).json == {"replacement_room": new_room}
    sql = server.deployment.postgres.sql
    found = until(lambda: sql("SELECT tombstone_successor_room_id FROM sliding_sync_joined_rooms WHERE room_id = '" + room + "'",
                              server.deployment.database))
    assert found == [[new_room]]


def test_who_may(server):
    alice, bob, carol, eve = (server.register() for _ in range(4))
    room = alice.create_room(preset="public_chat", room_version="11",
                             power_level_content_override={"users": {alice.user_id: 100, bob.user_id: 50}})
    bob.join(room)
    carol.join(room)
    for user in (bob, carol, eve):
        refused(upgrade(user, room, "11"), 403, "M_FORBIDDEN")
    assert ("m.room.tombstone", "") not in state(alice, room)
    refused(upgrade(alice, room, "none"), 400, "M_UNSUPPORTED_ROOM_VERSION")
    refused(upgrade(alice, room, 5), 400, "M_UNSUPPORTED_ROOM_VERSION")
    refused(alice.call("POST", room_path(room, "upgrade"), {}), 400, "M_MISSING_PARAM")
    refused(upgrade(alice, "!none:" + server.name, "11"), 404, "M_NOT_FOUND")
    refused(upgrade(alice, room, "12", additional_creators="x"), 400)
    refused(upgrade(alice, room, "12", additional_creators=["x"]), 400)


def test_one_who_stands_low_is_raised_for_it(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", room_version="10", topic="t",
                             power_level_content_override={"users": {alice.user_id: 100, bob.user_id: 50},
                                                           "events": {"m.room.tombstone": 50, "m.room.topic": 60, "m.room.power_levels": 60}})
    bob.join(room)
    answer = upgrade(bob, room, "11")
    assert answer.status == 200, answer
    new_room = answer.json["replacement_room"]
    levels = state(bob, new_room)["m.room.power_levels", ""]["content"]
    assert levels["users"] == {alice.user_id: 100, bob.user_id: 50}
    assert state(bob, room)["m.room.power_levels", ""]["content"]["events_default"] == 0  # bob may not set them there
    assert state(bob, new_room)["m.room.topic", ""]["content"]["topic"] == "t"


def test_creators_of_version_12(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat", room_version="11",
                             power_level_content_override={"users": {alice.user_id: 100, bob.user_id: 100, carol.user_id: 50}})
    bob.join(room)
    answer = upgrade(alice, room, "12", additional_creators=[bob.user_id])
    assert answer.status == 200, answer
    after = state(alice, answer.json["replacement_room"])
    assert after["m.room.create", ""]["content"]["additional_creators"] == [bob.user_id]
    assert after["m.room.power_levels", ""]["content"]["users"] == {carol.user_id: 50}


def test_many_bans_and_children(server):
    alice = server.register()
    banned = [f"@u{i}:elsewhere.example" for i in range(330)]
    room = alice.create_room(room_version="11")
    for user in banned:
        assert act(alice, room, "ban", user).status == 200
    new_room = upgrade(alice, room, "11").json["replacement_room"]
    assert {k for (t, k), e in state(alice, new_room).items() if e["content"].get("membership") == "ban"} == set(banned)
