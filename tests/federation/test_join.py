"""Our users enter rooms of other servers: make_join and send_join through the servers that are named, one after the other."""

import json
import threading

import pytest

from lib import pdu
from lib.admin import administrator
from lib.server import quote
from lib.wait import until

FED = "/_matrix/federation"


def join(user, room_id, *via, **options):
    query = "&".join("server_name=" + quote(name) for name in via)
    return user.call("POST", f"/_matrix/client/v3/join/{quote(room_id)}" + (f"?{query}" if query else ""), options.pop("body", {}), **options)


def refused(answer, status, errcode):
    assert (answer.status, answer.json.get("errcode")) == (status, errcode), answer


@pytest.mark.parametrize("version", [str(n) for n in range(1, 13)])
def test_join_of_every_version(home, remote, version):
    alice = home.register()
    room = remote.create_room(version=version)
    room.send("m.room.name", {"name": "far away"}, remote.user("creator"), "")
    assert join(alice, room.room_id, remote.name).status == 200
    ours = room.state_event("m.room.member", alice.user_id)
    assert ours["content"]["membership"] == "join"
    state = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/state")
    assert {(e["type"], e["state_key"]): e["event_id"] for e in state} == room.state
    assert room.room_id in alice.ok("GET", "/_matrix/client/v3/sync")["rooms"]["join"]
    rows = home.sql("SELECT room_version, is_public, creator FROM rooms WHERE room_id = '%s'" % room.room_id)
    assert rows == [[version, "f", remote.user("creator")]]


def test_what_is_written(home, remote):
    """The rows that Synapse would write (facts database 4.19), but for the state being whole at once."""
    alice = home.register()
    room = remote.create_room()
    assert join(alice, room.room_id, remote.name).status == 200
    ours = room.state[("m.room.member", alice.user_id)]

    def one(sql):
        return home.sql(sql.format(room=room.room_id, ours=ours))

    assert json.loads(one("SELECT internal_metadata FROM event_json WHERE event_id = '{ours}'")[0][0]) == {"proactively_send": False}
    assert [r[0] for r in one("SELECT event_id FROM event_forward_extremities WHERE room_id = '{room}'")] == [ours]
    assert one("SELECT count(*) FROM event_backward_extremities WHERE room_id = '{room}'")[0][0] == "1"
    assert one("SELECT count(*) FROM events WHERE room_id = '{room}' AND outlier AND stream_ordering < 0")[0][0] == "4"
    assert one("SELECT count(*) FROM current_state_events WHERE room_id = '{room}'")[0][0] == "5"
    assert not one("SELECT room_id FROM partial_state_rooms WHERE room_id = '{room}'")


def test_talking_afterwards(home, remote):
    alice = home.register()
    room = remote.create_room()
    creator = remote.user("creator")
    assert join(alice, room.room_id, remote.name).status == 200
    room.say("hello alice", creator, to=[home.name])
    until(lambda: any(e["content"].get("body") == "hello alice" for e in alice.ok(
        "GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/messages?dir=b&limit=5")["chunk"]))


def test_the_next_server_is_asked(home, remotes):
    alice = home.register()
    dead, deaf, good = remotes(), remotes(), remotes()
    dead.down = True
    deaf.on("GET", f"{FED}/v1/make_join/.*", (500, {"errcode": "M_UNKNOWN", "error": "not today"}))
    room = good.create_room()
    assert join(alice, room.room_id, dead.name, deaf.name, good.name).status == 200
    assert any("make_join" in asked.path for asked in deaf.asked)


def test_send_join_of_the_first_version(home, remote):
    alice = home.register()
    room = remote.create_room()
    remote.on("PUT", f"{FED}/v2/send_join/.*", (404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}))
    assert join(alice, room.room_id, remote.name).status == 200
    assert any(asked.path.startswith(f"{FED}/v1/send_join") for asked in remote.asked)


def test_refusals_are_passed_on(home, remote):
    alice = home.register()
    room = remote.create_room()
    remote.on("GET", f"{FED}/v1/make_join/.*", (403, {"errcode": "M_FORBIDDEN", "error": "you are banned"}))
    answer = join(alice, room.room_id, remote.name)
    refused(answer, 403, "M_FORBIDDEN")
    assert answer.json["error"] == "you are banned"
    refused(join(alice, room.room_id), 404, "M_UNKNOWN")
    refused(join(alice, room.room_id, home.name), 404, "M_UNKNOWN")
    remote.off()
    remote.on("GET", f"{FED}/v1/make_join/.*", (400, {"errcode": "M_INCOMPATIBLE_ROOM_VERSION", "error": "no", "room_version": "77"}))
    answer = join(alice, room.room_id, remote.name)
    refused(answer, 400, "M_INCOMPATIBLE_ROOM_VERSION")
    assert answer.json["room_version"] == "77"
    remote.off()
    remote.on("GET", f"{FED}/v1/make_join/.*", (401, {"errcode": "M_UNKNOWN_TOKEN", "error": "you are logged out", "soft_logout": False}))
    refused(join(alice, room.room_id, remote.name), 400, "M_UNKNOWN")  # no client may believe that


def test_unreachable(home, remote):
    alice = home.register()
    room = remote.create_room()
    remote.down = True
    refused(join(alice, room.room_id, remote.name), 502, "M_UNKNOWN")


def lie(remote, change):
    """send_join answers after `change` has had its way with them."""
    def answer(asked, room_id, event_id):
        room = remote.rooms[room_id]
        status, body = room.answer(asked, "v2", "send_join", [event_id])
        return status, change(room, body) or body
    remote.on("PUT", f"{FED}/v2/send_join/([^/]+)/(.+)", answer)


def without(kind):
    def change(room, body):
        body["state"] = [e for e in body["state"] if e["type"] != kind]
        body["auth_chain"] = [e for e in body["auth_chain"] if e["type"] != kind]
    return change


def forged(room, body):
    for event in body["state"] + body["auth_chain"]:
        if event["type"] == "m.room.create":
            event["signatures"] = {room.remote.name: {room.remote.key_id: "A" * 86}}


def foreign(room, body):
    other = room.remote.create_room()
    body["state"].append(other.state_event("m.room.power_levels"))


def second_create(room, body):
    body["auth_chain"].append(pdu.build(room.version, room.remote.name, room.remote.key, type="m.room.create", state_key="", depth=1,
                                        prev_events=[], auth_events=[], room_id=room.room_id, sender=room.remote.user("creator"),
                                        content={"creator": room.remote.user("creator"), "room_version": room.version}, origin_server_ts=5))


@pytest.mark.parametrize("change", [
    without("m.room.create"), forged, foreign, second_create, lambda room, body: {"state": 1}, lambda room, body: [7],
    lambda room, body: b"[[[[", lambda room, body: dict(body, state=[3]), lambda room, body: dict(body, members_omitted=True),
    lambda room, body: dict(body, auth_chain={})], ids=lambda change: getattr(change, "__name__", "x"))
def test_lies(home, remote, change):
    """Nothing is kept of a room whose state makes no sense, and the user is told that it did not work."""
    alice = home.register()
    room = remote.create_room()
    lie(remote, change)
    refused(join(alice, room.room_id, remote.name), 502, "M_UNKNOWN")
    assert room.room_id not in alice.ok("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"]
    assert not home.sql(f"SELECT 1 FROM current_state_events WHERE room_id = '{room.room_id}'")


def test_a_state_that_forbids_us(home, remote):
    """The other server lets us in against its own state: ours does not."""
    alice = home.register()
    room = remote.create_room(join_rule="invite")
    answer = join(alice, room.room_id, remote.name)
    refused(answer, 403, "M_FORBIDDEN")
    assert not home.sql(f"SELECT 1 FROM current_state_events WHERE room_id = '{room.room_id}'")


@pytest.mark.parametrize("change", [{"sender": "@mallory:localhost"}, {"type": "m.room.message"}, {"state_key": "@else:localhost"},
                                    {"room_id": "!other:localhost"}, {"prev_events": "x"}, {"auth_events": [[]]}, {"depth": "a"},
                                    {"depth": -1}, {"prev_events": ["$a"] * 30}, {"content": {"membership": "leave"}}, {"content": 7}])
def test_proposals_that_we_do_not_sign(home, remote, change):
    alice = home.register()
    room = remote.create_room()

    def answer(asked, room_id, user):
        status, body = remote.rooms[room_id].answer(asked, "v1", "make_join", [user])
        return status, dict(body, event={**body["event"], **change})
    remote.on("GET", f"{FED}/v1/make_join/([^/]+)/([^/]+)", answer)
    refused(join(alice, room.room_id, remote.name), 502, "M_UNKNOWN")
    assert not any("send_join" in asked.path for asked in remote.asked)


def test_unknown_version(home, remote):
    alice = home.register()
    room = remote.create_room()
    remote.on("GET", f"{FED}/v1/make_join/.*", lambda asked: (200, {"room_version": "org.example.1", "event": {}}))
    refused(join(alice, room.room_id, remote.name), 400, "M_UNSUPPORTED_ROOM_VERSION")


def test_two_at_once(home, remote):
    users = [home.register() for _ in range(4)]
    room = remote.create_room()
    answers = []
    threads = [threading.Thread(target=lambda u=u: answers.append(join(u, room.room_id, remote.name))) for u in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * 4, answers
    for user in users:
        members = user.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/joined_members")["joined"]
        assert {u.user_id for u in users} <= set(members)
    assert sum("/send_join/" in asked.path for asked in remote.asked) == 1


def stored(home, user, room_id):
    """The newest member event of a user of ours."""
    rows = home.sql("SELECT j.json FROM event_json j JOIN events e USING (event_id) WHERE e.type = 'm.room.member' AND "
                    f"e.state_key = '{user.user_id}' AND e.room_id = '{room_id}' ORDER BY abs(e.stream_ordering) DESC LIMIT 1")
    event = json.loads(rows[0][0])
    event.pop("unsigned", None)
    return event


def test_coming_back(home, remote):
    """All of us leave; what happened meanwhile is found when one comes back."""
    alice = home.register()
    room = remote.create_room()
    creator = remote.user("creator")
    assert join(alice, room.room_id, remote.name).status == 200
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {})
    room.add(stored(home, alice, room.room_id))
    room.send("m.room.name", {"name": "another"}, creator, "")
    assert join(alice, room.room_id, remote.name).status == 200
    state = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/state")
    assert {(e["type"], e["state_key"]): e["event_id"] for e in state} == room.state


def test_blocked(home, remote):
    admin, alice = administrator(home, f"joinboss{id(home)}"), home.register()
    room = remote.create_room()
    admin.ok("PUT", f"/_synapse/admin/v1/rooms/{quote(room.room_id)}/block", {"block": True})
    assert join(alice, room.room_id, remote.name).status == 403
    assert not remote.asked
