"""Invites to users of other servers, and what ours do with invites to and knocks at rooms of other servers."""

import pytest

from lib.server import quote
from lib.sliding import settle
from lib.wait import until

FED = "/_matrix/federation"


def refused(answer, status, errcode):
    assert (answer.status, answer.json.get("errcode")) == (status, errcode), answer


def countersign(remote, event, version):
    """As the server of who is invited signs the event."""
    from lib import pdu
    both = pdu.sign(dict(event, signatures={}), version, remote.name, remote.key)
    return dict(event, signatures={**event["signatures"], **both["signatures"]})


def takes_invites(remote, version, seen):
    def v2(asked, room_id, event_id):
        seen.append(asked)
        return 200, {"event": countersign(remote, asked.body["event"], version)}
    remote.on("PUT", f"{FED}/v2/invite/([^/]+)/(.+)", v2)


@pytest.mark.parametrize("version", ["1", "3", "10", "11", "12"])
def test_inviting(home, remote, version):
    alice, bob, seen = home.register(), remote.user("bob"), []
    takes_invites(remote, version, seen)
    room = alice.create_room(room_version=version, name="tea", preset="private_chat")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob, "reason": "come"})
    body = seen[0].body
    assert body["room_version"] == version
    assert body["event"]["state_key"] == bob and body["event"]["content"]["membership"] == "invite"
    kinds = {e["type"] for e in body["invite_room_state"]}
    assert {"m.room.create", "m.room.join_rules", "m.room.name", "m.room.member"} <= kinds
    member = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(bob)}")
    assert member["membership"] == "invite"
    stored = home.sql("SELECT j.json FROM event_json j JOIN events e USING (event_id) WHERE e.room_id = '%s' AND e.state_key = '%s'" % (room, bob))
    assert remote.name in stored[0][0] and home.name in stored[0][0]


@pytest.mark.parametrize("told, expected", [
    ({"displayname": "Bób", "avatar_url": "mxc://a/b", "other": 5}, {"displayname": "Bób", "avatar_url": "mxc://a/b"}),
    ({"displayname": 5, "avatar_url": None}, {}), ({}, {}), (b"no JSON", {})])
def test_invites_carry_the_names_of_who_is_invited(home, remote, told, expected):
    alice, bob, seen = home.register(), remote.user("bob"), []
    takes_invites(remote, "10", seen)
    remote.on("GET", r"/_matrix/federation/v1/query/profile", (200, told))
    room = alice.create_room(room_version="10", preset="private_chat", invite=[bob], is_direct=True)
    member = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(bob)}")
    assert member == seen[0].body["event"]["content"] == {"membership": "invite", "is_direct": True, **expected}


def test_inviting_by_the_first_version(home, remote):
    alice, bob, seen = home.register(), remote.user("bob"), []
    remote.on("PUT", f"{FED}/v2/invite/.*", (404, {"errcode": "M_UNRECOGNIZED", "error": "Unrecognized request"}))
    remote.on("PUT", f"{FED}/v1/invite/([^/]+)/(.+)",
              lambda asked, room, event: (seen.append(asked), (200, [200, {"event": countersign(remote, asked.body, "2")}]))[1])
    room = alice.create_room(room_version="2", name="tea")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob})
    assert any(e["type"] == "m.room.name" for e in seen[0].body["unsigned"]["invite_room_state"])
    room = alice.create_room(room_version="10")
    refused(alice.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob}), 400, "M_UNSUPPORTED_ROOM_VERSION")


@pytest.mark.parametrize("answer,status,errcode", [
    ((403, {"errcode": "M_FORBIDDEN", "error": "no invites"}), 403, "M_FORBIDDEN"),
    ((400, {"errcode": "M_INVALID_PARAM", "error": "bad"}), 400, "M_UNKNOWN"),
    ((500, {"errcode": "M_UNKNOWN", "error": "oh"}), 502, "M_UNKNOWN"),
    ((200, {}), 502, "M_UNKNOWN"),
    ((200, {"event": {"type": "m.room.member"}}), 400, "M_BAD_JSON"),
])
def test_invites_that_are_not_taken(home, remote, answer, status, errcode):
    alice, bob = home.register(), remote.user("bob")
    room = alice.create_room()
    remote.on("PUT", f"{FED}/v2/invite/.*", answer)
    refused(alice.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob}), status, errcode)
    refused(alice.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(bob)}"), 404, "M_NOT_FOUND")


def test_an_unsigned_invite_is_none(home, remote):
    """The other server must have signed, and signed our event."""
    alice, bob = home.register(), remote.user("bob")
    room = alice.create_room(room_version="10")
    remote.on("PUT", f"{FED}/v2/invite/([^/]+)/(.+)", lambda asked, r, e: (200, {"event": asked.body["event"]}))
    refused(alice.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob}), 502, "M_UNKNOWN")

    remote.on("PUT", f"{FED}/v2/invite/([^/]+)/(.+)",
              lambda asked, r, e: (200, {"event": dict(countersign(remote, asked.body["event"], "10"), bad_val=1.5)}))
    refused(alice.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob}), 400, "M_BAD_JSON")

    def another(asked, room_id, event_id):
        changed = dict(asked.body["event"], depth=1)
        return 200, {"event": countersign(remote, changed, "10")}
    remote.on("PUT", f"{FED}/v2/invite/([^/]+)/(.+)", another)
    refused(alice.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob}), 502, "M_UNKNOWN")


def test_an_invite_does_not_hold_the_room_up(home, remote):
    """While the other server takes its time others talk, and the invite stands beside what they said."""
    import threading
    alice, bob, seen = home.register(), remote.user("bob"), []
    room = alice.create_room(room_version="10")
    takes_invites(remote, "10", seen)
    go_on = threading.Event()
    slow = remote._answers[0][2]
    remote.on("PUT", f"{FED}/v2/invite/([^/]+)/(.+)", lambda *args: (go_on.wait(20), slow(*args))[1])
    invite = threading.Thread(target=lambda: alice.call("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob}))
    invite.start()
    until(lambda: any("invite" in asked.path for asked in remote.asked))
    alice.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.name/", {"name": "meanwhile"})
    go_on.set()
    invite.join()
    state = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state")
    assert any(e["state_key"] == bob and e["content"]["membership"] == "invite" for e in state)
    assert any(e["content"].get("name") == "meanwhile" for e in state)


def test_create_room_with_invites(home, remote):
    alice, bob, seen = home.register(), remote.user("bob"), []
    takes_invites(remote, "12", seen)
    room = alice.ok("POST", "/_matrix/client/v3/createRoom", {"invite": [bob, bob], "is_direct": True, "preset": "trusted_private_chat"})["room_id"]
    assert len(seen) == 1 and seen[0].body["event"]["content"]["is_direct"] is True
    assert alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(bob)}")["membership"] == "invite"


def test_a_remote_invite_is_taken_back(home, remote):
    alice, bob, seen = home.register(), remote.user("bob"), []
    takes_invites(remote, "10", seen)
    room = alice.create_room(room_version="10")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": bob})
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/kick", {"user_id": bob})
    assert alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(bob)}")["membership"] == "leave"


# ---- knocks ----

def knock(user, room_id, *via, body=None):
    query = "&".join("via=" + quote(name) for name in via)
    return user.call("POST", f"/_matrix/client/v3/knock/{quote(room_id)}?{query}", body or {})


def test_knocking(home, remote):
    alice = home.register()
    room = remote.create_room(join_rule="knock")
    room.send("m.room.name", {"name": "the door"}, remote.user("creator"), "")
    since = alice.ok("GET", "/_matrix/client/v3/sync")["next_batch"]
    answer = knock(alice, room.room_id, remote.name, body={"reason": "please"})
    assert answer.status == 200, answer
    ours = room.state_event("m.room.member", alice.user_id)
    assert ours["content"]["membership"] == "knock" and ours["content"]["reason"] == "please"
    sync = alice.ok("GET", "/_matrix/client/v3/sync", since=since)
    shown = sync["rooms"]["knock"][room.room_id]["knock_state"]["events"]
    assert any(e["type"] == "m.room.name" and e["content"]["name"] == "the door" for e in shown)
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["knock"]]


def test_a_knock_taken_back(home, remote):
    """The other side is told, where Synapse keeps it to itself."""
    alice = home.register()
    room = remote.create_room(join_rule="knock")
    assert knock(alice, room.room_id, remote.name).status == 200
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {})
    assert room.state_event("m.room.member", alice.user_id)["content"]["membership"] == "leave"
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["leave"]]


def test_a_knock_taken_back_alone(home, remote):
    alice = home.register()
    room = remote.create_room(join_rule="knock")
    assert knock(alice, room.room_id, remote.name).status == 200
    remote.down = True
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {})
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["leave"]]


def test_knocks_that_are_refused(home, remote):
    alice = home.register()
    room = remote.create_room(version="6")
    refused(knock(alice, room.room_id, remote.name), 400, "M_FORBIDDEN")
    refused(knock(alice, room.room_id), 404, "M_UNKNOWN")
    room = remote.create_room()
    remote.on("GET", f"{FED}/v1/make_knock/.*", (403, {"errcode": "M_FORBIDDEN", "error": "no"}))
    refused(knock(alice, room.room_id, remote.name), 403, "M_FORBIDDEN")


# ---- invites to ours ----

def invite(remote, room, home, user):
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), user.user_id)
    from lib import pdu
    name = pdu.event_id(event, room.version)
    shown = [room.state_event(kind) for kind in ("m.room.create", "m.room.join_rules", "m.room.power_levels")]
    answer = remote.ok("PUT", home.name, f"{FED}/v2/invite/{quote(room.room_id)}/{quote(name)}",
                       {"event": event, "room_version": room.version, "invite_room_state": shown})
    room.add(answer["event"])


def test_an_invite_is_turned_down(home, remote):
    alice = home.register()
    room = remote.create_room(join_rule="invite")
    invite(remote, room, home, alice)
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {"reason": "no time"})
    ours = room.state_event("m.room.member", alice.user_id)
    assert ours["content"] == {"membership": "leave", "reason": "no time"} or ours["content"]["membership"] == "leave"
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["leave"]]


def test_an_invite_is_turned_down_without_the_other_side(home, remote):
    alice = home.register()
    room = remote.create_room(join_rule="invite")
    invite(remote, room, home, alice)
    remote.on("GET", f"{FED}/v1/make_leave/.*", (404, {"errcode": "M_NOT_FOUND", "error": "gone"}))
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {})
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["leave"]]
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/leave", {})  # what stands is the answer


def test_an_invite_is_taken(home, remote):
    """Nobody names a server: who invited is asked."""
    alice = home.register()
    room = remote.create_room(join_rule="invite")
    invite(remote, room, home, alice)
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/join", {})
    assert room.state_event("m.room.member", alice.user_id)["content"]["membership"] == "join"
    assert room.room_id in alice.ok("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"]


# ---- restricted rooms ----

def test_restricted_through_another_server(home, remote):
    """Nobody of ours may invite: the server of who may decides, and signs."""
    alice, bob = home.register(), home.register()
    creator = remote.user("creator")
    room = remote.create_room(version="10", join_rule="public", power={"invite": 50})
    alice.ok("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?server_name={quote(remote.name)}", {})
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": "!space:example.org"}]}
    room.send("m.room.join_rules", rule, creator, "", to=[home.name])
    until(lambda: alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/state/m.room.join_rules/")["join_rule"] == "restricted")
    settle(alice)

    def make(asked, room_id, user):
        event = room.event("m.room.member", {"membership": "join", "join_authorised_via_users_server": creator}, user, user)
        for name in ("hashes", "signatures", "origin"):
            event.pop(name, None)
        return 200, {"room_version": "10", "event": event}

    def send(asked, room_id, event_id):
        status, body = room.answer(asked, "v2", "send_join", [event_id])
        return status, dict(body, event=countersign(remote, asked.body, "10"))
    remote.on("GET", f"{FED}/v1/make_join/([^/]+)/([^/]+)", make)
    remote.on("PUT", f"{FED}/v2/send_join/([^/]+)/(.+)", send)
    bob.ok("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}", {})
    stored = home.sql(f"SELECT j.json FROM event_json j JOIN events e USING (event_id) WHERE e.state_key = '{bob.user_id}' AND e.room_id = '{room.room_id}'")
    assert '"' + remote.name + '"' in stored[0][0]
    assert bob.user_id in alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/joined_members")["joined"]
