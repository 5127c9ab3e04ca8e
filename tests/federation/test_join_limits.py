"""What keeps users out of rooms of other servers: how large they are, how often they ask; and rooms that all are to be in."""

import pytest

from lib.admin import administrator
from lib.server import quote
from lib.wait import until

FED = "/_matrix/federation"


@pytest.fixture(scope="module", params=["monolith", "split"])
def strict(request, own, authority):
    config = {"limit_remote_rooms": {"enabled": True, "complexity": 0.5, "complexity_error": "far too large", "admins_can_join": True},
              "rc_joins": {"remote": {"per_second": 0.001, "burst_count": 3}}}
    with own.running("strict", monolith=request.param == "monolith", authority=authority, extra_config=config) as server:
        yield server


def join(user, room_id, *via, base=None):
    return user.call("POST", f"/_matrix/client/v3/join/{quote(room_id)}?" + "&".join("via=" + quote(name) for name in via), {}, base=base)


def tells(remote, complexity):
    remote.on("GET", f"{FED}/unstable/rooms/([^/]+)/complexity", (200, {"v1": complexity}))


def test_too_complex(strict, remote):
    alice = strict.register()
    room = remote.create_room()
    tells(remote, 0.6)
    answer = join(alice, room.room_id, remote.name)
    assert (answer.status, answer.json["errcode"], answer.json["error"]) == (400, "M_RESOURCE_LIMIT_EXCEEDED", "far too large")
    assert not any("make_join" in asked.path for asked in remote.asked)
    tells(remote, 0.4)
    assert join(alice, room.room_id, remote.name).status == 200


def test_administrators_may(strict, remote):
    boss = administrator(strict, f"strictboss{strict.deployment.database}")
    room = remote.create_room()
    tells(remote, 100)
    assert join(boss, room.room_id, remote.name).status == 200


def test_nobody_can_tell(strict, remote):
    """Then it is seen afterwards; and a room that is not too large after all stays."""
    alice = strict.register()
    small = remote.create_room()
    assert join(alice, small.room_id, remote.name).status == 200
    large = remote.create_room()
    for i in range(300):
        large.send("org.example.many", {}, remote.user("creator"), str(i))
    answer = join(alice, large.room_id, remote.name)
    assert (answer.status, answer.json["errcode"]) == (400, "M_RESOURCE_LIMIT_EXCEEDED")
    assert alice.ok("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"] == [small.room_id]


def test_how_often(strict, remote):
    """Each process counts for itself, as in Synapse."""
    alice = strict.register()
    worker = next((w.name for w in strict.deployment.workers if w.name.startswith("generic_worker")), None)
    base = strict.worker_url(worker) if worker else None
    answers = [join(alice, remote.create_room().room_id, remote.name, base=base).status for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_an_address_taken_up_elsewhere(strict, remote):
    """The proof goes to the server of who invited, which makes it an invite."""
    alice, seen = strict.register(), []
    room = remote.create_room()
    tells(remote, 0.1)
    remote.on("PUT", f"{FED}/v1/exchange_third_party_invite/([^/]+)", lambda asked, room_id: (seen.append(asked), (200, {}))[1])
    signed = {"mxid": alice.user_id, "token": "abc", "signatures": {"id.example": {"ed25519:0": "x"}}, "sender": remote.user("creator")}
    answer = alice.call("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?via={quote(remote.name)}", {"third_party_signed": signed})
    assert answer.status == 200, answer
    body = seen[0].body
    assert seen[0].origin == strict.name
    assert (body["type"], body["sender"], body["state_key"], body["room_id"]) == ("m.room.member", remote.user("creator"), alice.user_id, room.room_id)
    assert body["content"]["third_party_invite"]["signed"]["token"] == "abc"
    remote.on("PUT", f"{FED}/v1/exchange_third_party_invite/([^/]+)", (403, {"errcode": "M_FORBIDDEN", "error": "no"}))
    bob = strict.register()
    answer = bob.call("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?via={quote(remote.name)}", {"third_party_signed": dict(signed, mxid=bob.user_id)})
    assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN")


def test_left_by_all(strict, remote):
    """After the last of ours has left, a join is one of a room of others again."""
    alice, bob = strict.register(), strict.register()
    room = remote.create_room()
    tells(remote, 0.1)
    assert join(alice, room.room_id, remote.name).status == 200
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {})
    until(lambda: not strict.sql(f"SELECT 1 FROM current_state_events WHERE room_id = '{room.room_id}'"))
    answer = bob.call("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/join", {})
    assert (answer.status, answer.json["errcode"]) == (404, "M_UNKNOWN")
