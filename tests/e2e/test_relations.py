"""What relates to an event: shown with it, listed, and by threads."""

import itertools
from urllib.parse import quote

import pytest

from lib.rooms import CLIENT, ids, joined, refused, room_path
from lib.wait import until

_txn = itertools.count(1)


def send(user, room, content, kind="m.room.message"):
    return user.ok("PUT", room_path(room, "send", kind, f"rel{next(_txn)}"), content)["event_id"]


def related(user, room, kind, event, body="x", **more):
    content = {"msgtype": "m.text", "body": body, "m.relates_to": {"rel_type": kind, "event_id": event, **more}}
    return send(user, room, content, "m.reaction" if kind == "m.annotation" else "m.room.message")


def redact(user, room, event):
    """Returns when every process has heard of it: any of them may answer what comes next."""
    user.ok("PUT", room_path(room, "redact", event, f"red{next(_txn)}"), {})
    for base in [None] + [user.server.worker_url(f"generic_worker{i}") for i in (1, 2)]:
        until(lambda base=base: "redacted_because" in user.ok("GET", room_path(room, "event", event), base=base)["unsigned"])


def ignore(user, *others):
    user.ok("PUT", f"{CLIENT}/user/{quote(user.user_id, safe='')}/account_data/m.ignored_user_list",
            {"ignored_users": {other.user_id: {} for other in others}})


def relations(user, room, event, *parts, version="v1", **query):
    path = f"/_matrix/client/{version}/rooms/{quote(room, safe='')}/relations/{quote(event, safe='')}" + "".join("/" + p for p in parts)
    return user.call("GET", path, **query)


def threads(user, room, **query):
    return user.call("GET", f"/_matrix/client/v1/rooms/{quote(room, safe='')}/threads", **query)


def bundle(user, room, event):
    return user.ok("GET", room_path(room, "event", event))["unsigned"].get("m.relations", {})


@pytest.fixture
def talk(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room, alice.send(room, "root")


def everywhere(user, room, event):
    """The bundle of an event as each endpoint shows it."""
    found = [user.ok("GET", room_path(room, "event", event)), user.ok("GET", room_path(room, "context", event))["event"]]
    found += [e for e in user.messages(room, limit=50)["chunk"] if e["event_id"] == event]
    found += [e for e in joined(user.sync(filter='{"room":{"timeline":{"limit":50}}}'), room)["timeline"]["events"]
              if e["event_id"] == event]
    assert len(found) == 4
    return [e["unsigned"].get("m.relations", {}) for e in found]


def test_edits(talk):
    alice, bob, room, root = talk
    related(bob, room, "m.replace", root, "* not mine")
    first = related(alice, room, "m.replace", root, "* one")
    assert bundle(bob, room, root)["m.replace"]["event_id"] == first
    second = related(alice, room, "m.replace", root, "* two")
    for shown in everywhere(bob, room, root):
        assert shown["m.replace"]["event_id"] == second and shown["m.replace"]["content"]["body"] == "* two"
    assert bob.ok("GET", room_path(room, "event", root))["content"]["body"] == "root"  # the event itself stays as it was
    redact(alice, room, second)
    assert bundle(bob, room, root)["m.replace"]["event_id"] == first
    assert "m.relations" not in bob.ok("GET", room_path(room, "event", first))["unsigned"]
    redact(alice, room, root)
    assert bundle(bob, room, root) == {} and relations(bob, room, root, "m.replace").json["chunk"] == []


def test_references_and_ignored(talk):
    alice, bob, room, root = talk
    one, two = related(alice, room, "m.reference", root), related(bob, room, "m.reference", root)
    related(bob, room, "m.annotation", root, key="+1")
    for shown in everywhere(alice, room, root):
        assert shown == {"m.reference": {"chunk": [{"event_id": one}, {"event_id": two}]}}
    ignore(alice, bob)
    until(lambda: bundle(alice, room, root) == {"m.reference": {"chunk": [{"event_id": one}]}})
    until(lambda: ids(relations(alice, room, root).json["chunk"]) == [one])
    ignore(alice)
    until(lambda: len(relations(alice, room, root).json["chunk"]) == 3)


def test_thread_summary(talk):
    alice, bob, room, root = talk
    carol = alice.server.register()
    carol.join(room)
    replies = [related(bob, room, "m.thread", root, f"r{i}") for i in range(3)]
    edit = related(bob, room, "m.replace", replies[2], "* r2")
    for user, part in ((alice, True), (bob, True), (carol, False)):  # who began it takes part
        for shown in everywhere(user, room, root):
            thread = shown["m.thread"]
            assert (thread["count"], thread["current_user_participated"]) == (3, part)
            assert thread["latest_event"]["event_id"] == replies[2]
            assert thread["latest_event"]["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit
    last = related(carol, room, "m.thread", root)
    assert bundle(carol, room, root)["m.thread"]["current_user_participated"] is True
    ignore(alice, carol)
    until(lambda: bundle(alice, room, root)["m.thread"]["count"] == 3)
    assert bundle(alice, room, root)["m.thread"]["latest_event"]["event_id"] == replies[2]
    ignore(alice)
    redact(carol, room, last)
    assert bundle(carol, room, root)["m.thread"]["current_user_participated"] is False
    for reply in replies:
        redact(bob, room, reply)
    assert bundle(carol, room, root) == {} and threads(carol, room).json["chunk"] == []


def test_relations_by_pages(talk):
    alice, bob, room, root = talk
    made = [related(bob, room, "m.thread", root), related(bob, room, "m.reference", root), related(alice, room, "m.replace", root),
            related(bob, room, "m.annotation", root, key="a"), related(alice, room, "m.annotation", root, key="b")]
    for direction, order in (("f", made), ("b", made[::-1])):
        seen, token = [], {}
        while True:
            page = relations(alice, room, root, dir=direction, limit=2, **token).json
            assert page.get("prev_batch") == token.get("from")
            seen += ids(page["chunk"])
            if "next_batch" not in page:
                break
            token = {"from": page["next_batch"]}
        assert seen == order
    assert ids(relations(alice, room, root).json["chunk"]) == made[::-1]
    assert ids(relations(alice, room, root, "m.annotation").json["chunk"]) == [made[4], made[3]]
    assert ids(relations(alice, room, root, "m.annotation", "m.room.message").json["chunk"]) == []
    half = relations(alice, room, root, dir="f", limit=2).json["next_batch"]
    assert ids(relations(alice, room, root, dir="f", to=half).json["chunk"]) == made[:2]
    assert ids(relations(alice, room, root, dir="b", **{"from": half}).json["chunk"]) == made[1::-1]
    deep = related(alice, room, "m.annotation", made[0], key="c")
    assert deep not in ids(relations(alice, room, root, limit=50).json["chunk"])
    page = relations(alice, room, root, limit=50, recurse="true").json
    assert ids(page["chunk"]) == [deep] + made[::-1] and page["recursion_depth"] == 3
    assert relations(alice, room, root, version="unstable").json["original_event"]["event_id"] == root


def test_relations_refused(talk):
    alice, bob, room, root = talk
    stranger = alice.server.register()
    refused(relations(stranger, room, root), 403, "M_FORBIDDEN")
    refused(threads(stranger, room), 403, "M_FORBIDDEN")
    refused(relations(alice, room, "$nope"), 404)
    refused(relations(alice, bob.create_room(), root), 403)
    refused(relations(alice, alice.create_room(), root), 404)
    bob.leave(room)
    refused(relations(bob, room, alice.send(room, "after")), 403, "M_FORBIDDEN")
    assert relations(alice, room, root, **{"from": "", "to": ""}).status == threads(alice, room, **{"from": ""}).status == 200
    for query in ({"limit": 0}, {"limit": -1}, {"limit": "x"}, {"dir": "x"}, {"from": "zz"}, {"to": "9" * 30}, {"recurse": "maybe"}):
        refused(relations(alice, room, root, **query), 400)
    for query in ({"limit": 0}, {"include": "x"}, {"from": "zz"}, {"from": "1_2_3"}, {"from": "_"}, {"from": "9" * 30 + "_1"}):
        refused(threads(alice, room, **query), 400)


def test_threads(talk):
    alice, bob, room, first = talk
    second, plain = bob.send(room, "second"), bob.send(room, "plain")
    related(bob, room, "m.thread", second)
    related(bob, room, "m.thread", first)
    third = bob.send(room, "third")
    related(bob, room, "m.thread", third)
    everything = [third, first, second]
    assert ids(threads(alice, room).json["chunk"]) == everything and plain not in everything
    assert ids(threads(alice, room, include="participated").json["chunk"]) == [first]
    related(alice, room, "m.thread", second)  # moves to the front
    everything = [second, third, first]
    assert ids(threads(alice, room, include="participated").json["chunk"]) == [second, first]
    seen, token = [], {}
    while True:
        page = threads(alice, room, limit=1, **token).json
        assert page["chunk"][0]["unsigned"]["m.relations"]["m.thread"]["count"] >= 1
        seen += ids(page["chunk"])
        if "next_batch" not in page:
            break
        token = {"from": page["next_batch"]}
    assert seen == everything
    ignore(alice, bob)
    until(lambda: ids(threads(alice, room).json["chunk"]) == [first])
