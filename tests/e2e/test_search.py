"""Messages, names and topics found by their words."""

import itertools
import time

import pytest

from lib.rooms import CLIENT, bodies, done, ids, refused, room_path
from lib.server import request

_txn = itertools.count(1)


@pytest.fixture
def world(server):
    """Two joined rooms of alice's, one of them bob's too; a third is bob's alone."""
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="Fruit room", topic="apples everywhere")
    bob.join(room)
    second, secret = alice.create_room(), bob.create_room()
    bob.send(secret, "an apple in secret")
    sent = [alice.send(room, "apple pie"), bob.send(room, "an apple a day"), alice.send(second, "Apples and oranges, apple apple"),
            alice.send(room, "runner running ran")]
    return alice, bob, room, second, sent


def ask(user, term, batch=None, base=None, **more):
    query = {"next_batch": batch} if batch else {}
    return user.call("POST", f"{CLIENT}/search", {"search_categories": {"room_events": {"search_term": term, **more}}}, base=base, **query)


def find(user, term, **more):
    answer = ask(user, term, **more)
    assert answer.status == 200, answer
    return answer.json["search_categories"]["room_events"]


def hits(found):
    return bodies([hit["result"] for hit in found["results"]])


def test_finding(server, world):
    alice, bob, room, second, sent = world
    for base in (None, server.worker_url("generic_worker1")):
        found = find(alice, "apple", base=base)
        assert hits(found)[0] == "Apples and oranges, apple apple" and found["results"][0]["rank"] > found["results"][1]["rank"]
        assert found["count"] == 4 and sorted(found["highlights"]) == ["apple", "apples"] and len(found["results"]) == 4
        assert found["results"][0]["context"] == {} and "next_batch" not in found
    assert hits(find(alice, '"apple pie"')) == ["apple pie"]
    assert hits(find(alice, "apple -pie", order_by="recent")) == ["Apples and oranges, apple apple", "an apple a day"]
    assert sorted(hits(find(alice, "pie or oranges"))) == ["Apples and oranges, apple apple", "apple pie"]
    assert find(alice, "run")["highlights"] == ["running"]
    topic = find(alice, "apple", keys=["content.topic", "content.name"])["results"]
    assert [hit["result"]["content"]["topic"] for hit in topic] == ["apples everywhere"]
    assert find(alice, "secret")["results"] == [] and len(find(bob, "secret")["results"]) == 1
    for term in ("", "the", "'\"(&|!:*<->", "\\", "%"):
        assert find(alice, term)["results"] == []


def test_filters_and_what_is_gone(world):
    alice, bob, room, second, sent = world
    assert hits(find(alice, "apple", filter={"rooms": [second]})) == ["Apples and oranges, apple apple"]
    assert hits(find(alice, "apple", filter={"not_rooms": [second], "types": ["m.room.message"]}, order_by="recent")) == \
        ["an apple a day", "apple pie"]
    assert hits(find(alice, "apple", filter={"senders": [bob.user_id]})) == ["an apple a day"]
    assert len(find(alice, "apple", filter={"limit": 2})["results"]) == 2
    alice.ok("PUT", room_path(room, "redact", sent[0], f"gone{next(_txn)}"), {})
    deadline = time.monotonic() + 10
    while hits(find(alice, "pie")) + hits(find(bob, "pie")) != []:
        assert time.monotonic() < deadline
    alice.ok("PUT", f"{CLIENT}/user/{alice.user_id}/account_data/m.ignored_user_list", {"ignored_users": {bob.user_id: {}}})
    deadline = time.monotonic() + 10  # any process may answer, and some hear later than others
    while "an apple a day" in hits(find(alice, "apple")):
        assert time.monotonic() < deadline
    bob.leave(room)
    assert hits(find(bob, "day")) == []


def test_history_visibility(world):
    alice, bob, *_ = world
    room = alice.create_room(preset="public_chat", initial_state=[
        {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}])
    alice.send(room, "banana before")
    bob.join(room)
    alice.send(room, "banana after")
    assert hits(find(bob, "banana")) == ["banana after"] and len(hits(find(alice, "banana"))) == 2
    around = find(bob, "banana", event_context={})["results"][0]["context"]
    assert "banana before" not in bodies(around["events_before"] + around["events_after"])


def test_pages_and_groups(world):
    alice, bob, room, second, sent = world
    for i in range(7):
        (alice if i % 2 else bob).send(room, f"cherry {i}")
    alice.send(second, "cherry elsewhere")
    seen, batch = [], None
    while True:
        found = find(alice, "cherry", batch=batch, order_by="recent", filter={"limit": 3}, groupings={"group_by": [{"key": "room_id"}]})
        seen += hits(found)
        grouped = [event for group in found.get("groups", {}).get("room_id", {}).values() for event in group["results"]]
        assert sorted(grouped) == sorted(hit["result"]["event_id"] for hit in found["results"])
        batch = found.get("next_batch")
        if not batch:
            break
    assert seen == ["cherry elsewhere"] + [f"cherry {i}" for i in reversed(range(7))]
    first = find(alice, "cherry", order_by="recent", filter={"limit": 3}, groupings={"group_by": [{"key": "room_id"}]})
    of_room = find(alice, "cherry", order_by="recent", batch=first["groups"]["room_id"][room]["next_batch"])
    assert hits(of_room) == [f"cherry {i}" for i in reversed(range(5))] and of_room["count"] == 7
    by = find(alice, "cherry", groupings={"group_by": [{"key": "sender"}, {"key": "room_id"}]})["groups"]
    assert set(by["sender"]) == {alice.user_id, bob.user_id} and set(by["room_id"]) == {room, second}
    assert by["room_id"][second]["order"] > 0


def test_context_and_state(world):
    alice, bob, room, second, sent = world
    hit = find(alice, "day", event_context={"before_limit": 1, "after_limit": 5, "include_profile": True})["results"][0]
    context = hit["context"]
    assert ids(context["events_before"]) == [sent[0]] and ids(context["events_after"]) == [sent[3]]
    assert set(context["profile_info"]) == {alice.user_id, bob.user_id}
    assert context["profile_info"][bob.user_id]["displayname"] == bob.user_id.split(":")[0][1:]
    assert bodies(alice.messages(room, **{"from": context["start"], "dir": "b", "limit": 1})["chunk"]) == []
    alice.send(room, "later")
    assert bodies(alice.messages(room, **{"from": context["end"], "dir": "f"})["chunk"]) == ["later"]
    assert len(find(alice, "day", event_context={})["results"][0]["context"]["events_before"]) == 5
    state = find(alice, "day", include_state=True)["state"]
    assert list(state) == [room] and any(e["type"] == "m.room.topic" for e in state[room])


def test_replaced_rooms(world):
    alice, bob, room, second, sent = world
    new = alice.ok("POST", room_path(second, "upgrade"), {"new_version": "10"})["replacement_room"]
    assert hits(find(alice, "oranges", filter={"rooms": [new]})) == ["Apples and oranges, apple apple"]
    assert hits(find(alice, "oranges", filter={"rooms": [room]})) == []


def test_refused(server, world):
    alice = world[0]
    for body in ({}, {"search_categories": {}}, {"search_categories": {"room_events": {}}}, {"search_categories": 5}, [1]):
        refused(alice.call("POST", f"{CLIENT}/search", body), 400)
    for more in ({"order_by": "z"}, {"filter": 5}, {"keys": 5}, {"keys": [5]}, {"event_context": 5}, {"event_context": {"before_limit": "x"}},
                 {"groupings": 5}, {"groupings": {"group_by": 5}}, {"groupings": {"group_by": [{}]}}, {"groupings": {"group_by": [{"key": "z"}]}},
                 {"filter": {"limit": "x"}}):
        refused(ask(alice, "x", **more), 400)
    refused(ask(alice, 5), 400)
    refused(ask(alice, "a\0b"), 400)
    for batch in ("zz", "YWxsCgp4", "!!", "YWxsCg"):
        refused(ask(alice, "x", batch=batch, order_by="recent"), 400)
    answer = request("POST", f"{server.base_url}{CLIENT}/search", {})
    refused(answer, 401, "M_MISSING_TOKEN")
    done(alice, world[2], "leave")
