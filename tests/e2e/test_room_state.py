"""Creating rooms, their state, redactions; on the monolith and across the processes of a split."""

import threading

import pytest

from lib.rooms import CLIENT, bodies, done, history, ids, refused, room_path
from lib.server import quote, request
from lib.sliding import settle


@pytest.mark.parametrize("version", [str(v) for v in range(1, 13)])
def test_every_room_version(server, version):
    alice, bob = server.register(), server.register()
    room = alice.create_room(room_version=version, invite=[bob.user_id])
    bob.join(room)
    event = bob.send(room, "hello")
    bob.ok("PUT", room_path(room, "redact", event, "r"), {"reason": "gone"})
    create = alice.ok("GET", room_path(room, "state", "m.room.create") + "?format=event")
    assert create["content"].get("room_version", "1") == version
    assert ("creator" in create["content"]) == (int(version) < 11)
    assert bob.ok("GET", room_path(room, "event", event))["content"] == {}


@pytest.mark.parametrize("preset,rule,guests,level", [
    ("private_chat", "invite", True, 0), ("trusted_private_chat", "invite", True, 100), ("public_chat", "public", False, 0)])
def test_presets(server, preset, rule, guests, level):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset=preset, invite=[bob.user_id], room_version="11", is_direct=True)
    assert alice.state(room, "m.room.join_rules") == {"join_rule": rule}
    assert alice.state(room, "m.room.history_visibility") == {"history_visibility": "shared"}
    assert (alice.call("GET", room_path(room, "state", "m.room.guest_access")).status == 200) == guests
    levels = alice.state(room, "m.room.power_levels")
    assert levels["users"].get(bob.user_id, 0) == level
    assert levels["invite"] == (50 if rule == "public" else 0)
    assert levels["events"].get("m.call.invite") == (50 if rule == "public" else None)
    assert alice.state(room, "m.room.member", bob.user_id)["is_direct"] is True


def test_initial_state_and_overrides(server):
    alice = server.register()
    name = f"alias-{alice.user_id[1:].split(':')[0]}"
    room = alice.create_room(room_version="11", name="wins", topic="t", room_alias_name=name,
                             power_level_content_override={"events": {"x.y": 7}, "invite": 3},
                             initial_state=[{"type": "m.room.name", "content": {"name": "loses"}},
                                            {"type": "x.y", "state_key": "k", "content": {"a": 1}}])
    assert alice.state(room, "m.room.name") == {"name": "wins"}
    assert alice.state(room, "m.room.topic")["topic"] == "t"
    assert alice.state(room, "x.y", "k") == {"a": 1}
    assert alice.state(room, "m.room.canonical_alias") == {"alias": f"#{name}:{server.name}"}
    levels = alice.state(room, "m.room.power_levels")
    assert levels["invite"] == 3 and levels["events"] == {"x.y": 7} and levels["users"] == {alice.user_id: 100}
    refused(alice.call("POST", CLIENT + "/createRoom", {"room_alias_name": name}), 400, "M_ROOM_IN_USE")
    given = alice.create_room(room_version="11", initial_state=[
        {"type": "m.room.power_levels", "content": {"users": {alice.user_id: 100}, "state_default": 33}}])
    assert alice.state(given, "m.room.power_levels")["state_default"] == 33
    first = alice.messages(given, dir="f", limit=3)["chunk"]
    assert [e["type"] for e in first] == ["m.room.create", "m.room.member", "m.room.power_levels"]


@pytest.mark.parametrize("body", [
    {"room_version": 5}, {"preset": "x"}, {"invite": "x"}, {"invite": ["x"]}, {"initial_state": 5}, {"initial_state": [1]},
    {"initial_state": [{"type": "x", "content": 5}]}, {"name": 5}, {"creation_content": 5}, {"power_level_content_override": 5},
    {"room_alias_name": "a b"}, {"room_alias_name": "a:b"}, {"creation_content": {"x": 1.5}},
    {"invite_3pid": [{"medium": "email", "address": "a@b"}]}])
def test_rooms_that_cannot_be(server, body):
    assert server.register().call("POST", CLIENT + "/createRoom", body).status == 400


def test_bodies_that_are_no_json_objects(server):
    alice = server.register()
    room = alice.create_room()
    header = {"Authorization": f"Bearer {alice.token}"}
    for body, errcode in ((b"[]", "M_BAD_JSON"), (b"{", "M_NOT_JSON"), (b'{"a":"\xff"}', "M_NOT_JSON")):
        for method, path in (("POST", CLIENT + "/createRoom"), ("PUT", room_path(room, "state", "x.y")),
                             ("PUT", room_path(room, "send", "x.y", "t"))):
            refused(request(method, server.base_url + path, raw=body, headers=header), 400, errcode)


def test_what_an_event_may_hold(server):
    alice = server.register()
    room = alice.create_room(room_version="11")
    path = room_path(room, "state", "x.y")
    refused(alice.call("PUT", path, {"a": 1.5}), 400, "M_BAD_JSON")
    refused(alice.call("PUT", path, {"a": 2**53}), 400, "M_BAD_JSON")
    refused(alice.call("PUT", path, {"a": "x" * 70000}), 413, "M_TOO_LARGE")
    alice.ok("PUT", path, {"a": 2**53 - 1})
    refused(alice.call("PUT", room_path(room, "state", "m.room.topic", "k" * 256), {}), 413, "M_TOO_LARGE")


def test_the_same_state_again_is_no_event(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", power_level_content_override={"state_default": 0})
    bob.join(room)
    first = alice.put_state(room, "x.y", {"a": 1, "b": 2})
    assert alice.put_state(room, "x.y", {"b": 2, "a": 1}) == first
    second = bob.put_state(room, "x.y", {"a": 1, "b": 2})
    assert second != first
    event = alice.ok("GET", room_path(room, "event", second))
    assert event["unsigned"]["replaces_state"] == first
    assert event["unsigned"]["prev_content"] == {"a": 1, "b": 2} and event["unsigned"]["prev_sender"] == alice.user_id


def test_reading_state(server):
    alice, eve = server.register(), server.register()
    room = alice.create_room(topic="t")
    path = room_path(room, "state", "m.room.topic")
    assert alice.ok("GET", path)["topic"] == alice.ok("GET", path + "/")["topic"] == "t"
    event = alice.ok("GET", path + "?format=event")
    assert event["type"] == "m.room.topic" and event["room_id"] == room and event["sender"] == alice.user_id
    refused(alice.call("GET", path + "?format=x"), 400, "M_INVALID_PARAM")
    refused(alice.call("GET", room_path(room, "state", "no.such")), 404, "M_NOT_FOUND")
    refused(eve.call("GET", path), 403, "M_FORBIDDEN")
    refused(eve.call("GET", room_path("!none:" + server.name, "state")), 403, "M_FORBIDDEN")
    refused(eve.call("GET", room_path("!none:" + server.name, "event", "$x")), 404, "M_NOT_FOUND")


# ---- redactions ----


@pytest.mark.parametrize("version", ["5", "10", "11", "12"])
def test_redactions(server, version):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(room_version=version, preset="public_chat")
    bob.join(room), carol.join(room)
    own, others, foreign = bob.send(room, "one"), alice.send(room, "two"), carol.send(room, "three")

    def redact(user, event, **body):
        return user.call("PUT", room_path(room, "redact", event, quote(event[:9] + user.token[-4:])), body)

    since = carol.sync()["next_batch"]
    by = redact(bob, own, reason="why").json["event_id"]
    assert redact(alice, foreign).status == 200
    refused(redact(bob, others), 403, "M_FORBIDDEN")
    refused(bob.call("PUT", room_path(room, "send", "m.room.redaction", "s"), {"redacts": others}), 403, "M_FORBIDDEN")
    elsewhere = alice.send(alice.create_room(), "elsewhere")
    assert redact(alice, elsewhere).status in (400, 404)
    event = carol.ok("GET", room_path(room, "event", own))
    because = event["unsigned"]["redacted_because"]
    assert event["content"] == {} and event["unsigned"]["redacted_by"] == by
    assert because["event_id"] == by and because["content"]["reason"] == "why"
    assert because["redacts"] == because["content"]["redacts"] == own  # old and new clients
    told = carol.sync(since)["rooms"]["join"][room]["timeline"]["events"]
    assert [e["redacts"] for e in told] == [own, foreign]
    assert history(carol, room) == [None, "two", None]


def test_what_a_redacted_event_said_is_nowhere(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    secret = alice.put_state(room, "m.room.topic", {"topic": "secret"})
    after = alice.put_state(room, "m.room.topic", {"topic": "public"})
    alice.ok("PUT", room_path(room, "redact", secret, "r"), {})
    assert bob.ok("GET", room_path(room, "event", after))["unsigned"]["prev_content"] == {}
    for path in (room_path(room, "messages") + "?dir=b&limit=50", room_path(room, "state"), room_path(room, "context", after),
                 CLIENT + "/sync"):
        assert b"secret" not in bob.call("GET", path).text


# ---- several processes ----


def test_two_processes_send_to_one_room(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]

    def talk(user, base):
        for i in range(10):
            user.send(room, f"{user.user_id} {i}", base=base)
            if i % 4 == 0:
                user.ok("PUT", room_path(room, "state", "m.room.member", user.user_id),
                        {"membership": "join", "displayname": f"n{i}"}, base=base)

    threads = [threading.Thread(target=talk, args=pair) for pair in zip((alice, bob), bases)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for base in bases:
        page = alice.ok("GET", room_path(room, "messages"), base=base, dir="f", limit=100)
        for user in (alice, bob):
            assert [b for b in bodies(page["chunk"]) if b.startswith(user.user_id)] == [f"{user.user_id} {i}" for i in range(10)]
        assert len(set(ids(page["chunk"]))) == len(page["chunk"])
        assert {m["display_name"] for m in alice.ok("GET", room_path(room, "joined_members"), base=base)["joined"].values()} == {"n8"}


def test_many_join_through_two_processes(server):
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    users = [server.register() for _ in range(6)]
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    threads = [threading.Thread(target=user.join, args=(room,), kwargs={"base": bases[i % 2]}) for i, user in enumerate(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    members = {u.user_id for u in users} | {alice.user_id}
    alice.send(room, "the branches meet")
    settle(alice)
    for base in bases:
        assert set(alice.ok("GET", room_path(room, "joined_members"), base=base)["joined"]) == members
    done(alice, room, "kick", users[0])
    settle(alice)
    assert users[0].user_id not in alice.ok("GET", room_path(room, "joined_members"))["joined"]
