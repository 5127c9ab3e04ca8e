"""What clients may send: contents, relations, receipts in threads, bodies."""

import itertools

import pytest

from lib.rooms import CLIENT, refused, room_path
from lib.server import request

_txn = itertools.count(1)


def send(user, room, kind, content):
    return user.call("PUT", room_path(room, "send", kind, f"check{next(_txn)}"), content)


def relate(user, room, rel_type, event, kind="m.room.message", **more):
    return send(user, room, kind, {"msgtype": "m.text", "body": "x", "m.relates_to": {"rel_type": rel_type, "event_id": event, **more}})


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room


@pytest.mark.parametrize("version", ["1", "5", "10", "12"])
def test_contents(server, version):
    alice = server.register()
    room = alice.create_room(room_version=version)
    refused(send(alice, room, "m.room.message", {"msgtype": "m.text"}), 400, "M_UNKNOWN")
    refused(send(alice, room, "m.room.create", {}), 403)  # a message of that type is no create event
    refused(send(alice, room, "m.room.redaction", {}), 400, "M_BAD_JSON")
    refused(send(alice, room, "ä" * 128, {}), 413, "M_TOO_LARGE")
    assert send(alice, room, "ä" * 127, {}).status == 200
    for kind, content, errcode in (("m.room.name", {"name": 5}, "M_UNKNOWN"), ("m.room.power_levels", {"users": {alice.user_id: "100"}}, "M_BAD_JSON"),
                                   ("m.room.server_acl", {"allow": ["elsewhere"]}, "M_UNKNOWN"), ("m.room.retention", {"max_lifetime": "x"}, "M_BAD_JSON"),
                                   ("m.room.tombstone", {}, "M_UNKNOWN")):
        refused(alice.call("PUT", room_path(room, "state", kind, ""), content), 400, errcode)
        refused(alice.call("POST", f"{CLIENT}/createRoom", {"room_version": version, "initial_state": [{"type": kind, "content": content}]}), 400)
    assert alice.call("PUT", room_path(room, "state", "m.room.server_acl", ""), {"allow": ["*"]}).status == 200


def test_bodies(pair):
    alice, _, room = pair
    event = alice.send(room, "x")
    paths = [("PUT", ("redact", event, "none")), ("POST", ("redact", event)), ("PUT", ("state", "a.b", "")), ("POST", ("send", "a.b")),
             ("PUT", ("send", "a.b", "none")), ("POST", ("receipt", "m.read", event)), ("POST", ("read_markers",)), ("POST", ("report", event)),
             ("PUT", ("typing", alice.user_id))]
    for method, parts in paths:
        for raw, errcode in ((b"", "M_NOT_JSON"), (b"{", "M_NOT_JSON"), (b"\xff", "M_NOT_JSON")):
            answer = request(method, alice.server.base_url + room_path(room, *parts), raw=raw, headers={"Authorization": f"Bearer {alice.token}"})
            refused(answer, 400, errcode)
    for parts in (("join",), ("leave",)):
        answer = request("POST", alice.server.base_url + room_path(room, *parts), raw=b"", headers={"Authorization": f"Bearer {alice.token}"})
        assert answer.status == 200, answer


def test_relations(pair):
    alice, bob, room = pair
    event, elsewhere = alice.send(room, "x"), alice.send(alice.create_room(), "x")
    refused(relate(alice, room, "m.replace", "$nothing-of-the-kind"), 400, "M_UNKNOWN")
    refused(relate(alice, room, "m.reference", elsewhere), 400, "M_UNKNOWN")
    refused(relate(alice, room, "m.annotation", event, "m.reaction"), 400, "M_UNKNOWN")
    refused(relate(alice, room, "m.annotation", event, "m.reaction", key="x" * 501), 400, "M_UNKNOWN")
    refused(relate(alice, room, "m.annotation", "$a\0b", "m.reaction", key="x"), 400, "M_UNKNOWN")
    first = relate(alice, room, "m.annotation", event, "m.reaction", key="+1")
    assert first.status == 200
    refused(relate(alice, room, "m.annotation", event, "m.reaction", key="+1"), 400, "M_DUPLICATE_ANNOTATION")
    assert relate(alice, room, "m.annotation", event, "m.other", key="+1").status == 200
    assert relate(bob, room, "m.annotation", event, "m.reaction", key="+1").status == 200
    alice.ok("PUT", room_path(room, "redact", first.json["event_id"], "again"), {})
    assert relate(alice, room, "m.annotation", event, "m.reaction", key="+1").status == 200
    reply = relate(bob, room, "m.thread", event).json["event_id"]
    refused(relate(alice, room, "m.thread", reply), 400, "M_UNKNOWN")
    stranger = alice.server.register()
    refused(relate(stranger, room, "m.reference", event), 403, "M_FORBIDDEN")
    refused(relate(stranger, room, "m.reference", "$unknown"), 403, "M_FORBIDDEN")  # tells nothing of what there is


def test_receipts_in_threads(pair):
    alice, _, room = pair
    root, plain = alice.send(room, "root"), alice.send(room, "plain")
    reply = relate(alice, room, "m.thread", root).json["event_id"]
    of_reply = relate(alice, room, "m.annotation", reply, "m.reaction", key="a").json["event_id"]
    of_root = relate(alice, room, "m.annotation", root, "m.reaction", key="a").json["event_id"]
    fits = {(root, "main"), (root, root), (plain, "main"), (reply, root), (of_reply, root), (of_root, "main"), (of_root, root)}
    for event in (root, plain, reply, of_reply, of_root):
        for thread in ("main", root, plain, reply):
            answer = alice.call("POST", room_path(room, "receipt", "m.read", event), {"thread_id": thread})
            assert answer.status == (200 if (event, thread) in fits else 400), (event, thread, answer)
