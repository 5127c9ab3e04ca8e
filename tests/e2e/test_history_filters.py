"""What filters let through of history, and what is around an event."""

import json

import pytest

from lib.rooms import bodies, ids, refused, room_path
from lib.sliding import settle


@pytest.fixture
def talk(server):
    """Nine messages in turns; the second is reacted to by bob, the third answered in a thread by alice, the fourth has a label."""
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    sent = [(bob if i % 2 else alice).send(room, f"m{i}") for i in range(9)]
    relate = {"m.relates_to": {"rel_type": "m.annotation", "event_id": sent[1], "key": "+"}}
    bob.ok("PUT", room_path(room, "send", "m.reaction", "r1"), relate)
    relate = {"msgtype": "m.text", "body": "reply", "m.relates_to": {"rel_type": "m.thread", "event_id": sent[2]}}
    alice.ok("PUT", room_path(room, "send", "m.room.message", "r2"), relate)
    label = {"msgtype": "m.text", "body": "labelled", "org.matrix.labels": ["#fun"]}
    alice.ok("PUT", room_path(room, "send", "m.room.message", "r3"), label)
    return alice, bob, room, sent


def shown(user, room, **room_filter):
    return bodies(user.messages(room, limit=50, filter=json.dumps(room_filter))["chunk"])


def test_relations(talk):
    alice, bob, room, _ = talk
    assert shown(alice, room, related_by_rel_types=["m.annotation"]) == ["m1"]
    assert shown(alice, room, related_by_rel_types=["m.thread", "m.annotation"]) == ["m2", "m1"]
    assert shown(alice, room, related_by_senders=[bob.user_id]) == ["m1"]
    assert shown(alice, room, related_by_senders=[bob.user_id], related_by_rel_types=["m.thread"]) == []
    assert len(shown(alice, room, related_by_senders=[], related_by_rel_types=[])) == 11
    for bad in ({"related_by_senders": 5}, {"related_by_rel_types": [5]}, {"org.matrix.labels": "x"}):
        refused(alice.call("GET", room_path(room, "messages"), dir="b", filter=json.dumps(bad)), 400)


def test_labels_types_and_nothing(talk):
    alice, _, room, _ = talk
    assert shown(alice, room, **{"org.matrix.labels": ["#fun", "#x"]}) == ["labelled"]
    assert "labelled" not in shown(alice, room, **{"org.matrix.not_labels": ["#fun"]})
    page = alice.messages(room, filter='{"types":[]}')
    assert page["chunk"] == [] and page["end"] == page["start"]
    for limit in (-1, "x"):
        refused(alice.call("GET", room_path(room, "messages"), dir="b", limit=limit), 400, "M_INVALID_PARAM")
    assert alice.messages(room, limit=0)["chunk"] == []
    assert len(alice.messages(room, to="", **{"from": ""})["chunk"]) == 10


def test_context(talk):
    alice, bob, room, sent = talk

    def around(**query):
        return alice.ok("GET", room_path(room, "context", sent[4]), **query)

    for limit, before, after in ((0, [], []), (1, [], ["m5"]), (2, ["m3"], ["m5"]), (5, ["m3", "m2"], ["m5", "m6", "m7"])):
        answer = around(limit=limit)
        assert (bodies(answer["events_before"]), bodies(answer["events_after"])) == (before, after)
    answer = around(limit=4, filter=json.dumps({"senders": [bob.user_id]}))
    assert bodies(answer["events_before"]) == ["m3", "m1"] and bodies(answer["events_after"]) == ["m5", "m7"]
    assert [e["sender"] for e in answer["state"]] == [bob.user_id]
    assert around(filter='{"types":["m.room.message"]}')["state"] == []
    lazy = around(limit=0, filter='{"lazy_load_members":true}')["state"]
    assert [e["state_key"] for e in lazy if e["type"] == "m.room.member"] == [alice.user_id]
    refused(alice.call("GET", room_path(room, "context", sent[4]), limit=-1), 400, "M_INVALID_PARAM")
    refused(alice.call("GET", room_path(room, "context", sent[4]), filter="{"), 400)
    refused(alice.call("GET", room_path(alice.create_room(), "context", sent[4])), 404)
    refused(alice.call("GET", room_path(room, "context", "$nope")), 404, "M_NOT_FOUND")


def test_peeking(server):
    alice, eve = server.register(), server.register()
    room = alice.create_room(initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}])
    event = alice.send(room, "for all")
    settle(alice)
    assert list(eve.ok("GET", room_path(room, "joined_members"))["joined"]) == [alice.user_id]
    assert ids(eve.messages(room, limit=1)["chunk"]) == [event]
    assert eve.ok("GET", room_path(room, "context", event))["event"]["event_id"] == event
    refused(eve.call("PUT", room_path(room, "send", "m.room.message", "t"), {"msgtype": "m.text", "body": "x"}), 403)
    alice.put_state(room, "m.room.history_visibility", {"history_visibility": "shared"})
    settle(alice)
    for path in ("joined_members", "members", "state"):
        refused(eve.call("GET", room_path(room, path)), 403, "M_FORBIDDEN")
