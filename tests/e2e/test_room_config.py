"""What the configuration says about rooms: each test on a server of its own."""

import contextlib

import pytest

from lib.rooms import CLIENT, act, done, membership, refused, room_path
from lib.server import quote, request


@pytest.fixture
def deploy(own):
    with contextlib.ExitStack() as running:
        yield lambda monolith=True, **extra: running.enter_context(own.running("rooms", monolith=monolith, extra_config=extra))


@pytest.mark.parametrize("monolith", [True, False])
def test_rooms_that_everybody_joins(deploy, monolith):
    server = deploy(monolith, auto_join_rooms=["#lobby:localhost", "#news:localhost"])
    names = ["#lobby:" + server.name, "#news:" + server.name]
    if server.name != "localhost":
        pytest.skip("the deployment has another name")
    first, second = server.register(), server.register()
    for alias in names:
        room = first.ok("GET", f"{CLIENT}/directory/room/{quote(alias)}")["room_id"]
        assert membership(first, room) == "join" and membership(first, room, second) == "join"


def test_a_host_makes_and_invites(deploy):
    server = deploy(auto_join_rooms=["#inner:localhost"], auto_join_mxid_localpart="host", autocreate_auto_join_room_preset="private_chat",
                    autocreate_auto_join_rooms_federated=False)
    host = server.register("host")
    alice = server.register()
    room = host.ok("GET", f"{CLIENT}/directory/room/{quote('#inner:localhost')}")["room_id"]
    assert membership(alice, room) == "join"
    assert alice.state(room, "m.room.create")["m.federate"] is False


def test_encryption_and_power_levels_of_new_rooms(deploy):
    server = deploy(encryption_enabled_by_default_for_room_type="invite",
                    default_power_level_content_override={"private_chat": {"users_default": 7, "events": {"m.reaction": 3}}, "public_chat": None})
    alice = server.register()
    private, public = alice.create_room(), alice.create_room(preset="public_chat")
    assert alice.state(private, "m.room.encryption") == {"algorithm": "m.megolm.v1.aes-sha2"}
    assert alice.call("GET", room_path(public, "state", "m.room.encryption")).status == 404
    levels = alice.state(private, "m.room.power_levels")
    assert levels["users_default"] == 7 and levels["events"] == {"m.reaction": 3}
    assert alice.state(public, "m.room.power_levels")["users_default"] == 0
    own = alice.create_room(initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "own"}}],
                            power_level_content_override={"users_default": 1})
    assert alice.state(own, "m.room.encryption") == {"algorithm": "own"} and alice.state(own, "m.room.power_levels")["users_default"] == 1


def test_rules_of_names_and_of_the_list(deploy):
    server = deploy(alias_creation_rules=[{"user_id": "@bob*", "action": "deny"}, {"alias": "#ok-*", "action": "allow"}],
                    room_list_publication_rules=[{"alias": "#ok-listed*", "action": "allow"}])
    alice, bob = server.register("alice"), server.register("bob")
    room = alice.create_room(preset="public_chat", visibility="public")
    bob.join(room)

    def name(user, alias):
        return user.call("PUT", f"{CLIENT}/directory/room/{quote(f'#{alias}:{server.name}')}", {"room_id": room})

    def publish():
        return alice.call("PUT", f"{CLIENT}/directory/list/room/{quote(room)}", {"visibility": "public"})

    assert request("GET", f"{server.base_url}{CLIENT}/directory/list/room/{quote(room)}").json == {"visibility": "private"}
    refused(name(bob, "ok-1"), 403, "M_FORBIDDEN")
    refused(name(alice, "no"), 403, "M_FORBIDDEN")
    assert name(alice, "OK-2").status == 200
    refused(publish(), 403, "M_FORBIDDEN")
    assert name(alice, "ok-listed-1").status == 200
    assert publish().status == 200
    refused(alice.call("POST", f"{CLIENT}/createRoom", {"room_alias_name": "no"}), 403, "M_FORBIDDEN")


def test_a_closed_list(deploy):
    server = deploy(enable_room_list_search=False, allow_public_rooms_without_auth=True)
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    refused(alice.call("PUT", f"{CLIENT}/directory/list/room/{quote(room)}", {"visibility": "public"}), 403, "M_FORBIDDEN")
    assert request("GET", server.base_url + CLIENT + "/publicRooms").json == {"chunk": [], "total_room_count_estimate": 0}


def test_limits(deploy):
    slow = {"per_second": 0.001, "burst_count": 2}
    server = deploy(rc_joins={"local": slow}, rc_joins_per_room={"per_second": 0.001, "burst_count": 3},
                    rc_invites={"per_room": {"per_second": 0.001, "burst_count": 4}, "per_user": slow, "per_issuer": {"per_second": 0.001, "burst_count": 8}})
    alice = server.register()
    rooms = [alice.create_room(preset="public_chat") for _ in range(5)]
    bob, carol, dave, erin, frank, gina = (server.register() for _ in range(6))
    bob.join(rooms[0])
    bob.join(rooms[1])
    answer = act(bob, rooms[2], "join")
    refused(answer, 429, "M_LIMIT_EXCEEDED")
    assert answer.json["retry_after_ms"] > 0
    for _ in range(3):
        assert act(bob, rooms[1], "join").status == 200  # who is in is not limited
    carol.join(rooms[0])
    dave.join(rooms[0])
    refused(act(erin, rooms[0], "join"), 429)  # the room has had its three
    assert act(erin, rooms[3], "join").status == 200

    for room in rooms[1:3]:
        assert act(alice, room, "invite", frank).status == 200
    refused(act(alice, rooms[3], "invite", frank), 429)  # nobody is invited that often
    for i in range(3):
        assert act(alice, rooms[2], "invite", f"@nobody{i}:{server.name}").status == 200
    refused(act(alice, rooms[2], "invite", gina), 429)  # the room has had its four
    assert act(alice, rooms[4], "invite", gina).status == 200
    refused(alice.call("POST", f"{CLIENT}/createRoom", {"invite": [f"@many{i}:{server.name}" for i in range(9)]}), 429)


def test_inviting_is_for_administrators(deploy):
    server = deploy(block_non_admin_invites=True)
    alice, bob = server.register(), server.register()
    room = alice.create_room()
    refused(act(alice, room, "invite", bob), 403, "M_FORBIDDEN")
    refused(alice.call("POST", f"{CLIENT}/createRoom", {"invite": [bob.user_id]}), 403, "M_FORBIDDEN")


def test_members_of_a_server_with_its_own_ideas(deploy):
    server = deploy(forget_rooms_on_leave=True, allow_per_room_profiles=False, include_profile_data_on_invite=False,
                    room_prejoin_state={"disable_default_event_types": True, "additional_event_types": ["x.y", ["m.room.member", "@nobody:x"]]})
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", initial_state=[{"type": "x.y", "state_key": k, "content": {"k": k}} for k in "ab"])
    alice.invite(room, bob)
    assert alice.state(room, "m.room.member", bob.user_id) == {"membership": "invite"}
    shown = bob.sync()["rooms"]["invite"][room]["invite_state"]["events"]
    assert sorted((e["type"], e["state_key"]) for e in shown) == [
        ("m.room.member", alice.user_id), ("m.room.member", bob.user_id), ("x.y", "a"), ("x.y", "b")]
    bob.join(room)
    path = room_path(room, "state", "m.room.member", bob.user_id)
    bob.ok("PUT", path, {"membership": "join", "displayname": "Bee"})
    assert bob.ok("GET", path)["displayname"] != "Bee"
    bob.leave(room)
    refused(bob.call("GET", room_path(room, "messages"), dir="b"), 403)
    bob.join(room)
    done(alice, room, "ban", bob)
    refused(bob.call("GET", room_path(room, "state")), 403)


def test_guests_leave_when_they_are_no_longer_let_in(deploy):
    server = deploy()
    alice, bob, guest = server.register(), server.register(), server.register("visitor")
    server.deployment.postgres.sql(f"UPDATE users SET is_guest = 1 WHERE name = '{guest.user_id}'", server.deployment.database)
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    refused(act(guest, room, "join"), 403, "M_FORBIDDEN")
    alice.put_state(room, "m.room.guest_access", {"guest_access": "can_join"})
    done(guest, room, "join")
    assert alice.state(room, "m.room.member", guest.user_id)["kind"] == "guest"
    for action in ("invite", "kick", "ban", "unban"):
        refused(act(guest, room, action, bob), 403, "M_FORBIDDEN")
    for path in ("joined_members", "aliases"):
        refused(guest.call("GET", room_path(room, path)), 403, "M_GUEST_ACCESS_FORBIDDEN")
    assert guest.call("PUT", f"{CLIENT}/profile/{quote(guest.user_id)}/displayname", {"displayname": "Visitor"}).status == 200
    refused(guest.call("PUT", f"{CLIENT}/profile/{quote(guest.user_id)}/avatar_url", {"avatar_url": "mxc://a/b"}), 403, "M_GUEST_ACCESS_FORBIDDEN")
    alice.put_state(room, "m.room.guest_access", {"guest_access": "forbidden"})
    assert membership(alice, room, guest) == "leave" and membership(alice, room, bob) == "join"


def test_a_long_list_is_kept_until_something_is_published(deploy):
    server = deploy()
    alice = server.register()
    sql = server.deployment.postgres.sql

    def add(first, last):
        rows = f"SELECT '!r' || i || ':localhost', {{}} FROM generate_series({first}, {last}) i"
        sql("INSERT INTO rooms (room_id, is_public) " + rows.format("true") +
            "; INSERT INTO room_stats_state (room_id, join_rules) " + rows.format("'public'") +
            "; INSERT INTO room_stats_current (room_id, current_state_events, joined_members, invited_members, left_members, banned_members,"
            " local_users_in_room, completed_delta_stream_id) " + rows.format("1, 5, 0, 0, 0, 0, 1"), server.deployment.database)

    def total(**query):
        return alice.ok("GET", CLIENT + "/publicRooms", limit=2, **query)["total_room_count_estimate"]

    add(1, 900)
    assert total() == 900
    add(901, 1200)
    assert total() == 1200
    add(1201, 1300)
    assert total() == 1200
    assert alice.ok("POST", CLIENT + "/publicRooms", {"filter": {"generic_search_term": "x"}})["total_room_count_estimate"] == 1300
    room = alice.create_room(preset="public_chat")
    alice.ok("PUT", f"{CLIENT}/directory/list/room/{quote(room)}", {"visibility": "public"})
    assert total() >= 1300
