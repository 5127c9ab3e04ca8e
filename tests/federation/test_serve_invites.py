"""Other servers invite users of ours."""

import pytest

from lib import pdu as pdus
from lib.server import quote
from lib.wait import until

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"


def put(remote, home, room, pdu, version, stripped=None, api=V2, **changes):
    name = pdus.event_id(pdu, version)
    body = {"room_version": version, "event": pdu, "invite_room_state": stripped or [], **changes}
    return remote.call("PUT", home.name, f"{api}/invite/{quote(room.room_id)}/{quote(name)}", body if api == V2 else pdu)


def stripped(room):
    return [{k: room.state_event(kind)[k] for k in ("type", "state_key", "sender", "content")} for kind in ("m.room.create", "m.room.join_rules")]


def invited(user, room_id):
    return user.sync_until(lambda s: s.get("rooms", {}).get("invite", {}).get(room_id))[0]


@pytest.mark.parametrize("version", [str(n) for n in range(1, 13)])
def test_invite_of_every_version(home, remote, version):
    alice = home.register()
    room = remote.create_room(version, join_rule="invite")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), alice.user_id)
    answer = put(remote, home, room, event, version, stripped(room) + [{"broken": 1}, "x"])
    assert answer.status == 200, answer
    signed = answer.json["event"]
    assert set(signed["signatures"]) == {remote.name, home.name} and pdus.event_id(signed, version) == pdus.event_id(event, version)
    assert "invite_room_state" not in signed.get("unsigned", {})
    shown = {e["type"] for e in invited(alice, room.room_id)["invite_state"]["events"]}
    assert shown == {"m.room.create", "m.room.join_rules", "m.room.member"}
    name = pdus.event_id(event, version)
    rows = home.sql(f"SELECT e.outlier, e.stream_ordering > 0, j.internal_metadata FROM events e JOIN event_json j USING (event_id) WHERE event_id = '{name}'")
    assert rows[0][:2] == ["t", "t"] and '"out_of_band_membership":true' in rows[0][2].replace(" ", "")
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE event_id = '{name}'") == [["invite"]]
    assert home.sql(f"SELECT room_version, creator FROM rooms WHERE room_id = '{room.room_id}'") == [[version, ""]]
    again = put(remote, home, room, event, version, stripped(room))
    assert again.status == 200


def test_who_blocks_invites(home, remote):
    alice = home.register()
    alice.ok("PUT", f"/_matrix/client/v3/user/{quote(alice.user_id)}/account_data/m.invite_permission_config", {"default_action": "block"})
    room = remote.create_room("10", join_rule="invite")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), alice.user_id)
    answer = put(remote, home, room, event, "10", stripped(room))
    assert (answer.status, answer.json["errcode"]) == (403, "M_INVITE_BLOCKED")


@pytest.mark.parametrize("version", ["1", "2"])
def test_old_form(home, remote, version):
    alice = home.register()
    room = remote.create_room(version, join_rule="invite")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), alice.user_id)
    event["unsigned"] = {"invite_room_state": stripped(room)}
    answer = put(remote, home, room, event, version, api=V1)
    assert answer.json[0] == 200 and home.name in answer.json[1]["event"]["signatures"]
    assert {e["type"] for e in invited(alice, room.room_id)["invite_state"]["events"]} >= {"m.room.create", "m.room.join_rules"}


def test_notified(home, remote):
    alice = home.register()
    alice.sync()
    room = remote.create_room("10", join_rule="invite")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), alice.user_id)
    assert put(remote, home, room, event, "10", stripped(room)).status == 200
    until(lambda: home.sql(f"SELECT 1 FROM event_push_actions WHERE user_id = '{alice.user_id}' AND room_id = '{room.room_id}'"))
    assert not home.sql(f"SELECT 1 FROM event_push_actions_staging WHERE user_id = '{alice.user_id}'")


def test_what_is_refused(home, remote, remotes):
    alice = home.register()
    room = remote.create_room("10", join_rule="invite")
    creator = remote.user("creator")

    def refused(pdu, status, errcode, who=remote, version="10", changes=None):
        answer = put(who, home, room, pdu, version, **(changes or {}))
        assert (answer.status, answer.json["errcode"]) == (status, errcode), answer

    def event(content=None, target=alice.user_id, kind="m.room.member", **fields):
        return room.event(kind, content or {"membership": "invite"}, fields.pop("sender", creator), target, **fields)

    good = event()
    refused(good, 400, "M_UNSUPPORTED_ROOM_VERSION", changes={"room_version": "org.unknown"})
    refused(good, 400, "M_BAD_JSON", changes={"room_version": 10})
    refused(good, 400, "M_BAD_JSON", changes={"event": []})
    refused(event({"membership": "join"}), 400, "M_UNKNOWN")
    refused(event(kind="m.room.topic"), 400, "M_UNKNOWN")
    refused(event(target=f"@x:{remote.name}"), 400, "M_UNKNOWN")
    refused(good, 400, "M_UNKNOWN", who=remotes())
    refused({**good, "signatures": {remote.name: {remote.key_id: "AAAA"}}}, 403, "M_FORBIDDEN")
    other = f"{V2}/invite/{quote(room.room_id)}/%24other"
    answer = remote.call("PUT", home.name, other, {"room_version": "10", "event": good})
    assert (answer.status, answer.json["errcode"]) == (400, "M_INVALID_PARAM")
    elsewhere = f"{V2}/invite/{quote('!other:example.org')}/{quote(pdus.event_id(good, '10'))}"
    answer = remote.call("PUT", home.name, elsewhere, {"room_version": "10", "event": good})
    assert (answer.status, answer.json["errcode"]) == (400, "M_INVALID_PARAM")
    assert not home.sql(f"SELECT 1 FROM events WHERE room_id = '{room.room_id}'")


def test_blocked_room(home, remote):
    alice = home.register()
    room = remote.create_room("10", join_rule="invite")
    home.sql(f"INSERT INTO blocked_rooms (room_id, user_id) VALUES ('{room.room_id}', '{alice.user_id}')")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), alice.user_id)
    answer = put(remote, home, room, event, "10")
    assert (answer.status, answer.json["errcode"]) == (403, "M_UNKNOWN")


def test_who_is_in_cannot_be_invited_out(home, remote):
    """Where we are in the room ourselves an invite does not change what it says."""
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    room = remote.join(home.name, room_id)
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("joiner"), alice.user_id)
    assert put(remote, home, room, event, "10").status == 403
    assert put(remote, home, room, event, "9").status in (400, 403)
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room_id}' AND user_id = '{alice.user_id}'") == [["join"]]


def test_turning_down_alone(home, remote):
    alice = home.register()
    room = remote.create_room("10", join_rule="invite")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), alice.user_id)
    assert put(remote, home, room, event, "10", stripped(room)).status == 200
    invited(alice, room.room_id)
    remote.down = True
    alice.leave(room.room_id)
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}' AND user_id = '{alice.user_id}'") == [["leave"]]


def test_bound_address(home, remote):
    """An identity server says that an invited address is a user of ours: who invited them is asked for a true invite."""
    alice = home.register()
    invite = {"mxid": alice.user_id, "room_id": "!r:" + remote.name, "sender": remote.user("creator"),
              "signed": {"mxid": alice.user_id, "token": "t", "signatures": {"id.example.org": {"ed25519:0": "x"}}}}
    remote.on("PUT", "/_matrix/federation/v1/exchange_third_party_invite/(.*)", (200, {}))
    for method in ("POST", "PUT"):
        answer = remote.call(method, home.name, f"{V1}/3pid/onbind", {"medium": "email", "address": "a@b.c", "mxid": alice.user_id, "invites": [invite]}, signed=False)
        assert answer.status == 200, answer
    asked = [a for a in remote.asked if "exchange_third_party_invite" in a.path]
    assert len(asked) == 2 and asked[0].origin == home.name and asked[0].body["content"]["third_party_invite"]["signed"] == invite["signed"]
    assert remote.call("POST", home.name, f"{V1}/3pid/onbind", {}, signed=False).status == 200
    for broken in ([{}], [{**invite, "signed": {}}], [{**invite, "mxid": 1}], {}):
        assert remote.call("POST", home.name, f"{V1}/3pid/onbind", {"invites": broken}, signed=False).status == 400
    foreign = {**invite, "mxid": "@x:example.org"}
    assert remote.call("POST", home.name, f"{V1}/3pid/onbind", {"invites": [foreign]}, signed=False).status == 403


def test_exchange_asks_for_a_known_invite(home, remote):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    remote.join(home.name, room_id)
    path = f"{V1}/exchange_third_party_invite/{quote(room_id)}"
    body = {"type": "m.room.member", "room_id": room_id, "sender": alice.user_id, "state_key": remote.user("x"), "content": {"membership": "invite",
            "third_party_invite": {"signed": {"mxid": remote.user("x"), "token": "none", "signatures": {}}}}}
    assert remote.call("PUT", home.name, path, body).status == 403
    assert remote.call("PUT", home.name, path, {}).status == 400
