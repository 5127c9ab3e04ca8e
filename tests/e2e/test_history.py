"""History visibility: nobody may see what the room does not show them, whichever way they ask."""

import json
from concurrent.futures import ThreadPoolExecutor

import time

import pytest

from deployment.process import wait_until
from lib.rooms import CLIENT, act, bodies, done, filtered, history, invited, joined, left, room_path, state_of
from lib.sliding import settle

SHOWN = {  # what a user sees of "before" an invite, "invited", "inside", "after" they left
    "shared": ["before", "invited", "inside"],
    "invited": ["invited", "inside"],
    "joined": ["inside"],
    "world_readable": ["before", "invited", "inside"],
}


def make_room(owner, visibility, **body):
    return owner.create_room(initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": visibility}}], **body)


def seen_everywhere(user, room, events):
    """Texts that each way of reading gives; the ways must agree."""
    ways = {"backwards": set(history(user, room)), "forwards": set(history(user, room, dir="f")), "event": set(), "context": set(),
            "around": set()}
    for text, event in events.items():
        for way, name in (("event", "event"), ("context", "context")):
            answer = user.call("GET", room_path(room, name, event))
            if answer.status == 200:
                found = answer.json if name == "event" else answer.json["event"]
                ways[way].add(found["content"]["body"])
                if name == "context":
                    ways["around"] |= set(bodies(answer.json["events_before"] + answer.json["events_after"] + [found]))
            else:
                assert answer.status in (403, 404), answer
    ways = {name: way & set(events) for name, way in ways.items()}
    assert len({frozenset(way) for way in ways.values()}) == 1, ways
    return sorted(ways["event"], key=list(events).index)


@pytest.mark.parametrize("visibility", list(SHOWN))
def test_who_sees_what(server, visibility):
    alice, bob, eve = server.register(), server.register(), server.register()
    room = make_room(alice, visibility)
    events = {"before": alice.send(room, "before")}
    early = alice.sync()["next_batch"]
    done(alice, room, "invite", bob)
    events["invited"] = alice.send(room, "invited")
    settle(alice)
    peek = visibility == "world_readable"
    for stranger in (bob, eve):
        for path in ("state", "members", "messages", "state/m.room.create"):
            assert stranger.call("GET", room_path(room) + "/" + path, dir="b").status == (200 if peek else 403), path
        assert stranger.call("GET", room_path(room, "event", events["before"])).status == (200 if peek else 404)
    done(bob, room, "join")
    settle(bob)
    events["inside"] = alice.send(room, "inside")
    settle(alice)
    assert seen_everywhere(bob, room, events) == SHOWN[visibility]
    sync = filtered(bob, room_filter={"timeline": {"limit": 50}})
    assert bodies(joined(sync, room)["timeline"]["events"]) == SHOWN[visibility]
    at = bob.call("GET", room_path(room, "members"), at=early).status
    assert at == (200 if visibility in ("shared", "world_readable") else 403)
    since = bob.sync()["next_batch"]
    bob.leave(room)
    settle(bob)
    events["after"] = alice.send(room, "after")
    alice.put_state(room, "m.room.topic", {"topic": "after"})
    settle(alice)
    if peek:  # what everybody may read stays readable
        assert bob.call("GET", room_path(room, "event", events.pop("after"))).status == 200
    assert seen_everywhere(bob, room, events) == SHOWN[visibility]
    assert bob.call("GET", room_path(room, "state", "m.room.topic")).status == 404
    part = left(bob.sync(since), room)
    assert bodies(part["timeline"]["events"]) == [] and state_of(part, "m.room.topic") is None
    whole = left(filtered(bob, room_filter={"include_leave": True, "timeline": {"limit": 50}}), room)
    assert bodies(whole["timeline"]["events"]) == SHOWN[visibility] and state_of(whole, "m.room.topic") is None


@pytest.mark.parametrize("visibility", ["shared", "joined"])
def test_coming_back(server, visibility):
    alice, bob = server.register(), server.register()
    room = make_room(alice, visibility, preset="public_chat")
    bob.join(room)
    settle(bob)
    events = {"one": alice.send(room, "one")}
    settle(alice)
    bob.leave(room)
    settle(bob)
    events["away"] = alice.send(room, "away")
    alice.put_state(room, "m.room.topic", {"topic": "away"})
    settle(alice)
    since = bob.sync()["next_batch"]
    bob.join(room)
    settle(bob)
    events["back"] = alice.send(room, "back")
    settle(alice)
    expected = ["one", "away", "back"] if visibility == "shared" else ["one", "back"]
    assert seen_everywhere(bob, room, events) == expected
    part = joined(filtered(bob, since, {"timeline": {"limit": 50}}), room)
    assert bodies(part["timeline"]["events"]) == expected
    assert state_of(part, "m.room.topic") == {"topic": "away"}


def test_visibility_that_changes_on_the_way(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    events, expected = {}, []
    for step, visibility in enumerate(("joined", "invited", "shared", "world_readable", "joined", "shared")):
        alice.put_state(room, "m.room.history_visibility", {"history_visibility": visibility})
        text = f"{step} {visibility}"
        events[text] = alice.send(room, text)
        if visibility in ("shared", "world_readable"):
            expected.append(text)
    bob.join(room)
    settle(bob)
    assert seen_everywhere(bob, room, events) == expected


def test_the_banned(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    settle(bob)
    since = bob.sync()["next_batch"]
    alice.send(room, "before")
    done(alice, room, "ban", bob)
    event = alice.send(room, "after")
    settle(alice)
    part = left(bob.sync(since), room)
    assert bodies(part["timeline"]["events"]) == ["before"]
    assert part["timeline"]["events"][-1]["content"]["membership"] == "ban"
    for path in (room_path(room, "messages"), room_path(room, "state"), room_path(room, "context", event)):
        assert bob.call("GET", path, dir="b").status == 403
    assert bob.call("GET", room_path(room, "event", event)).status == 404


def test_an_invite_that_was_turned_down_shows_nothing(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(topic="secret topic")
    alice.send(room, "secret")
    done(alice, room, "invite", bob)
    settle(bob)
    since = bob.sync()["next_batch"]
    alice.put_state(room, "x.y", {"secret": True})
    bob.leave(room)
    settle(bob)
    for answer in (bob.sync(since), bob.sync(since, full_state="true"), filtered(bob, room_filter={"include_leave": True})):
        part = left(answer, room)
        assert part["state"]["events"] == [] and [e["type"] for e in part["timeline"]["events"]] == ["m.room.member"]
    for path in ("messages", "state", "members"):
        assert bob.call("GET", room_path(room, path), dir="b").status == 403


def test_members_of_a_page_are_told_as_they_were(server):
    alice, lazy = server.register(), json.dumps({"lazy_load_members": True})
    room = alice.create_room()
    member = room_path(room, "state", "m.room.member", alice.user_id)
    alice.ok("PUT", member, {"membership": "join", "displayname": "Old"})
    alice.send(room, "before")
    alice.ok("PUT", member, {"membership": "join", "displayname": "New"})
    alice.send(room, "after")
    settle(alice)
    newest = alice.messages(room, limit=1, filter=lazy)
    assert [e["content"]["displayname"] for e in newest["state"]] == ["New"]
    older = alice.messages(room, limit=1, filter=json.dumps({"lazy_load_members": True, "types": ["m.room.message"]}), **{"from": newest["end"]})
    assert bodies(older["chunk"]) == ["before"] and [e["content"]["displayname"] for e in older["state"]] == ["Old"]


def test_whom_one_ignores(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room), carol.join(room)
    settle(bob)
    since = alice.sync()["next_batch"]
    alice.ok("PUT", f"{CLIENT}/user/{alice.user_id}/account_data/m.ignored_user_list", {"ignored_users": {bob.user_id: {}}})
    event = bob.send(room, "not heard")
    carol.send(room, "heard")
    bob.ok("PUT", room_path(room, "state", "m.room.member", bob.user_id), {"membership": "join", "displayname": "seen"})
    unwanted = bob.create_room(invite=[alice.user_id])
    answer, _ = alice.sync_until(lambda a: a if "seen" in str(a) else None, since)
    assert "not heard" not in str(answer)
    assert "not heard" not in history(alice, room) and "heard" in history(alice, room)
    assert alice.call("GET", room_path(room, "event", event)).status == 404
    assert invited(alice.sync(), unwanted) is None
    alice.ok("PUT", f"{CLIENT}/user/{alice.user_id}/account_data/m.ignored_user_list", {"ignored_users": {}})
    deadline = time.monotonic() + 10  # the process that answers may not have heard of it yet
    while "not heard" not in history(alice, room):
        assert time.monotonic() < deadline
    assert act(alice, unwanted, "join").status == 200


def test_the_readers_own_membership_is_told(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room()
    one = alice.send(room, "one")
    done(alice, room, "invite", bob)
    two = alice.send(room, "two")
    settle(alice)
    done(bob, room, "join")
    settle(bob)
    three = alice.send(room, "three")
    settle(alice)
    told = {e["event_id"]: e["unsigned"]["membership"] for e in bob.messages(room, limit=50)["chunk"]}
    assert [told[e] for e in (one, two, three)] == ["leave", "invite", "join"]
    told = {e["event_id"]: e["unsigned"]["membership"] for e in joined(bob.sync(), room)["timeline"]["events"]}
    assert told[three] == "join" and told[one] == "leave"
    assert bob.ok("GET", room_path(room, "event", two))["unsigned"]["membership"] == "invite"


def test_gaps_can_be_filled_while_the_room_forks(server):
    """Two processes write side by side, so the order by depth is not that by position; `to` is a position."""
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    few = json.dumps({"room": {"timeline": {"limit": 2}}})
    since, seen, sent = alice.sync(filter=few)["next_batch"], set(), []

    def fill(token, until):
        while token:
            page = alice.messages(room, limit=50, **{"from": token, "to": until})
            seen.update(e["event_id"] for e in page["chunk"])
            token = page.get("end") if page["chunk"] else None

    def follow(since):
        answer = alice.sync(since, timeout=100, filter=few)
        timeline = answer["rooms"].get("join", {}).get(room, {}).get("timeline", {"events": []}) if "rooms" in answer else {"events": []}
        seen.update(e["event_id"] for e in timeline["events"])
        if timeline.get("limited"):
            fill(timeline["prev_batch"], since)
        return answer["next_batch"]

    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(alice.send, room, str(i), base=bases[i % 2]) for i in range(300)]
        while not all(w.done() for w in waiting):
            since = follow(since)
        sent = {w.result() for w in waiting}
    wait_until("everything is seen", lambda: follow_to_the_end(follow, since) and sent <= seen)


def follow_to_the_end(follow, since):
    while True:
        now = follow(since)
        if now == since:
            return True
        since = now
