"""Joining, inviting, leaving, banning, forgetting; restricted rooms."""

import pytest

from lib.rooms import CLIENT, act, done, membership, refused, room_path
from lib.server import quote
from lib.sliding import settle


def test_who_may_do_what(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(room_version="11")
    refused(act(bob, room, "join"), 403, "M_FORBIDDEN")
    refused(act(bob, room, "invite", carol), 403, "M_FORBIDDEN")
    done(alice, room, "invite", bob, reason="come")
    assert alice.state(room, "m.room.member", bob.user_id)["reason"] == "come"
    done(bob, room, "join")
    refused(act(alice, room, "invite", bob), 403, "M_FORBIDDEN")
    done(bob, room, "invite", carol)
    for action in ("kick", "ban"):
        refused(act(bob, room, action, alice), 403, "M_FORBIDDEN")
    done(carol, room, "join")
    refused(act(bob, room, "kick", carol), 403, "M_FORBIDDEN")
    done(alice, room, "kick", carol, reason="enough")
    refused(act(alice, room, "kick", carol), 403, "M_FORBIDDEN")
    assert alice.state(room, "m.room.member", carol.user_id)["reason"] == "enough"


def test_bans(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    refused(act(alice, room, "unban", bob), 403, "M_BAD_STATE")
    done(alice, room, "ban", bob)
    refused(act(bob, room, "join"), 403, "M_BAD_STATE")
    refused(act(alice, room, "invite", bob), 403, "M_BAD_STATE")
    refused(act(alice, room, "kick", bob), 403, "M_BAD_STATE")
    assert act(bob, room, "leave").status == 403
    assert bob.call("GET", room_path(room, "messages"), dir="b").status == 403
    done(alice, room, "unban", bob)
    done(bob, room, "join")
    assert membership(alice, room, bob) == "join"
    done(alice, room, "ban", "@somebody:else.where")


def test_the_same_membership_again(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    path = room_path(room, "state", "m.room.member", bob.user_id) + "?format=event"
    first = bob.ok("GET", path)["event_id"]
    bob.join(room)
    assert bob.ok("GET", path)["event_id"] == first
    bob.leave(room)
    left = alice.ok("GET", path)["event_id"]
    bob.leave(room)
    assert alice.ok("GET", path)["event_id"] == left
    refused(act(bob, room, "leave", reason="another"), 403, "M_FORBIDDEN")


def test_member_events_through_state(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)

    def put(user, target, **content):
        return user.call("PUT", room_path(room, "state", "m.room.member", target.user_id), content)

    assert put(bob, bob, membership="join", displayname="Bee").status == 200
    assert alice.state(room, "m.room.member", bob.user_id)["displayname"] == "Bee"
    assert put(bob, bob, membership="join", join_authorised_via_users_server=alice.user_id).status == 200
    assert "join_authorised_via_users_server" not in alice.state(room, "m.room.member", bob.user_id)
    refused(put(bob, alice, membership="join", displayname="x"), 403)
    refused(put(bob, bob, membership="sleeps"), 400)
    refused(put(bob, bob), 400, "M_BAD_JSON")
    refused(put(bob, bob, membership="join", displayname=5), 400)
    assert put(alice, bob, membership="ban").status == 200
    assert put(alice, bob, membership="leave").status == 200


def test_profiles_travel_with_members(server):
    alice, bob = server.register(), server.register("has-a-name")
    bob.ok("PUT", f"{CLIENT}/profile/{quote(bob.user_id)}/avatar_url", {"avatar_url": "mxc://a/b"})
    room = alice.create_room(invite=[bob.user_id])
    expected = {"displayname": "has-a-name", "avatar_url": "mxc://a/b"}
    assert alice.state(room, "m.room.member", bob.user_id) == {"membership": "invite", **expected}
    bob.join(room)
    assert alice.state(room, "m.room.member", bob.user_id) == {"membership": "join", **expected}
    assert alice.ok("GET", room_path(room, "joined_members"))["joined"][bob.user_id] == {
        "display_name": "has-a-name", "avatar_url": "mxc://a/b"}


def test_rooms_that_nobody_knows(server):
    alice = server.register()
    for path, status in (("/join/xx", 400), ("/join/%23none:" + server.name, 404), ("/join/!none:" + server.name, 404),
                         (f"/rooms/!none:{server.name}/leave", 404), (f"/rooms/!none:{server.name}/invite", 403),
                         (f"/rooms/!none:{server.name}/forget", 200)):
        assert alice.call("POST", CLIENT + path, {"user_id": alice.user_id}).status == status, path


def test_targets_that_are_no_users(server):
    alice = server.register()
    room = alice.create_room()
    refused(alice.call("POST", room_path(room, "invite"), {}), 400, "M_MISSING_PARAM")
    for target in ("", "nobody", "@no-server"):
        assert act(alice, room, "invite", target).status == 400


def test_lists_of_members(server):
    alice, bob, carol, eve = (server.register() for _ in range(4))
    room = alice.create_room(preset="public_chat", invite=[carol.user_id])
    before = alice.sync()["next_batch"]
    bob.join(room)

    def members(**query):
        return {e["state_key"]: e["content"]["membership"] for e in alice.ok("GET", room_path(room, "members"), **query)["chunk"]}

    assert members() == {alice.user_id: "join", bob.user_id: "join", carol.user_id: "invite"}
    assert members(membership="invite") == {carol.user_id: "invite"}
    assert members(not_membership="join") == {carol.user_id: "invite"}
    assert members(membership="", not_membership="") == members()
    assert members(at=before) == {alice.user_id: "join", carol.user_id: "invite"}
    refused(alice.call("GET", room_path(room, "members"), at="junk"), 400)
    for path in ("members", "joined_members"):
        refused(eve.call("GET", room_path(room, path)), 403, "M_FORBIDDEN")
        refused(carol.call("GET", room_path(room, path)), 403, "M_FORBIDDEN")


def test_who_blocks_invites(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room()
    mine = f"{CLIENT}/user/{quote(bob.user_id)}/account_data/m.invite_permission_config"
    bob.ok("PUT", mine, {"default_action": "block"})
    refused(act(alice, room, "invite", bob), 403, "M_INVITE_BLOCKED")
    refused(alice.call("PUT", room_path(room, "state", "m.room.member", bob.user_id), {"membership": "invite"}), 403, "M_INVITE_BLOCKED")
    refused(alice.call("POST", f"{CLIENT}/createRoom", {"invite": [bob.user_id]}), 403, "M_INVITE_BLOCKED")
    for allowed in ({"default_action": "allow"}, {"default_action": 5}, {}):
        bob.ok("PUT", mine, allowed)
        done(alice, room, "invite", bob)
        bob.leave(room)


def test_forgetting(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    refused(act(bob, room, "forget"), 400, "M_UNKNOWN")
    bob.leave(room)
    assert bob.call("GET", room_path(room, "messages"), dir="b").status == 200
    done(bob, room, "forget")
    refused(bob.call("GET", room_path(room, "messages"), dir="b"), 403, "M_FORBIDDEN")
    refused(bob.call("GET", room_path(room, "state")), 403, "M_FORBIDDEN")
    bob.join(room)
    assert bob.call("GET", room_path(room, "state")).status == 200


def test_the_last_one_leaves(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    alice.send(room, "alone")
    since = alice.sync()["next_batch"]
    alice.leave(room)
    assert alice.messages(room)["chunk"][0]["content"]["membership"] == "leave"
    assert alice.sync(since)["rooms"]["leave"][room]["timeline"]["events"][-1]["content"]["membership"] == "leave"
    refused(act(bob, room, "join"), 404)
    done(alice, room, "leave")  # again: it stands
    refused(act(bob, room, "leave"), 404)


def test_who_is_banned_does_not_leave_an_empty_room(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room()
    done(alice, room, "ban", bob)
    alice.leave(room)
    refused(act(bob, room, "leave"), 403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", ["8", "10", "12"])
def test_restricted_rooms(server, version):
    alice, bob, carol = server.register(), server.register(), server.register()
    space = alice.create_room(preset="public_chat")
    room = alice.create_room(room_version=version, initial_state=[{"type": "m.room.join_rules", "content": {
        "join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}}])
    refused(act(bob, room, "join"), 403, "M_FORBIDDEN")
    forged = {"membership": "join", "join_authorised_via_users_server": alice.user_id}
    refused(bob.call("PUT", room_path(room, "state", "m.room.member", bob.user_id), forged), 403, "M_FORBIDDEN")
    bob.join(space)
    settle(bob)  # the process that has the room may be another
    done(bob, room, "join")
    assert alice.state(room, "m.room.member", bob.user_id)["join_authorised_via_users_server"] == alice.user_id
    done(alice, room, "invite", carol)
    done(carol, room, "join")
    assert "join_authorised_via_users_server" not in alice.state(room, "m.room.member", carol.user_id)
    bob.leave(room), bob.leave(space)
    settle(bob)
    refused(act(bob, room, "join"), 403, "M_FORBIDDEN")


def test_members_that_a_room_begins_with(server):
    alice, bob, carol = server.register(), server.register(), server.register()

    def member(user, **content):
        return {"type": "m.room.member", "state_key": user.user_id, "content": content}

    room = alice.create_room(preset="public_chat", initial_state=[member(bob, membership="ban", reason="known"), member(carol, membership="invite")])
    refused(act(bob, room, "join"), 403)
    assert membership(alice, room, carol) == "invite"
    refused(alice.call("POST", f"{CLIENT}/createRoom", {"initial_state": [member(bob, membership="join")]}), 403, "M_FORBIDDEN")
    assert act(alice, room, "unban", f"@never-there:{server.name}").status == 200


def test_rooms_named_by_what_is_no_name(server):
    """Contents of events may say anything."""
    alice, bob = server.register(), server.register()
    allow = [{"type": "m.room_membership", "room_id": "!a\0b:c"}, {"type": "m.room_membership", "room_id": "nothing"}, 5, {"type": 5}]
    room = alice.create_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "restricted", "allow": allow}}])
    refused(act(bob, room, "join"), 403, "M_FORBIDDEN")
    assert bob.call("GET", f"/_matrix/client/v1/room_summary/{quote(room)}").status == 404
    assert bob.call("GET", f"/_matrix/client/v1/rooms/{quote(room)}/hierarchy").status == 403
    new = alice.create_room(preset="public_chat", creation_content={"predecessor": {"room_id": "!q\0:x", "event_id": 5}})
    bob.join(new)
    for alias in ("#\0:" + server.name, "#\ud800:" + server.name):
        assert alice.call("PUT", room_path(new, "state", "m.room.canonical_alias"), {"alias": alias}).status == 400
