"""/sync: what is told, where, and once."""

import json
import threading
import time

import pytest

from lib.rooms import CLIENT, bodies, done, filtered, ids, invited, joined, left, refused, room_path, state_of
from lib.server import quote
from lib.sliding import settle
from lib.wait import until


def types(part, where="timeline"):
    return [e["type"] for e in part[where]["events"]]


def test_a_new_room_is_told_whole(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", topic="t")
    for i in range(12):
        alice.send(room, f"m{i}")
    since = bob.sync()["next_batch"]
    bob.join(room)
    part = joined(bob.sync(since), room)
    assert part["timeline"]["limited"] is True and len(part["timeline"]["events"]) == 10
    assert state_of(part, "m.room.create") and state_of(part, "m.room.topic")["topic"] == "t"
    assert part["timeline"]["events"][-1]["state_key"] == bob.user_id
    older = bob.messages(room, limit=3, **{"from": part["timeline"]["prev_batch"]})["chunk"]
    assert bodies(older) == ["m2", "m1", "m0"]


def test_a_new_name_is_no_new_join(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync()["next_batch"]
    bob.ok("PUT", room_path(room, "state", "m.room.member", bob.user_id), {"membership": "join", "displayname": "x"})
    part = joined(bob.sync(since), room)
    assert types(part) == ["m.room.member"] and types(part, "state") == [] and part["timeline"]["limited"] is False


def test_state_of_a_gap(server):
    alice = server.register()
    room = alice.create_room(topic="old")
    since = alice.sync()["next_batch"]
    alice.put_state(room, "m.room.topic", {"topic": "new"})
    for i in range(11):
        alice.send(room, f"m{i}")
    part = joined(alice.sync(since), room)
    assert part["timeline"]["limited"] is True and len(part["timeline"]["events"]) == 10
    assert [e["content"] for e in part["state"]["events"]] == [{"topic": "new"}]
    part = joined(filtered(alice, since, {"timeline": {"limit": 12}}), room)
    assert part["timeline"]["limited"] is False and types(part, "state") == []
    part = joined(alice.sync(since, full_state="true"), room)
    assert "m.room.create" in types(part, "state") and bodies(part["timeline"]["events"])[-1] == "m10"


def test_state_that_the_filter_keeps_out_of_the_timeline(server):
    alice = server.register()
    room = alice.create_room()
    since = alice.sync()["next_batch"]
    alice.put_state(room, "m.room.topic", {"topic": "t"})
    alice.send(room, "m")
    for token in (since, None):
        part = joined(filtered(alice, token, {"timeline": {"types": ["m.room.message"]}}), room)
        assert types(part) == ["m.room.message"] and state_of(part, "m.room.topic") == {"topic": "t"}


def test_filters_of_timelines(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = alice.sync()["next_batch"]
    alice.send(room, "alice")
    bob.send(room, "bob")
    alice.ok("PUT", room_path(room, "send", "m.room.message", "u"), {"body": "url", "msgtype": "m.image", "url": "mxc://a/b"})

    def told(**timeline):
        part = joined(filtered(alice, since, {"timeline": timeline}), room)
        return bodies(part["timeline"]["events"]) if part else []

    assert told() == ["alice", "bob", "url"]
    assert told(senders=[bob.user_id]) == ["bob"] and told(not_senders=[bob.user_id]) == ["alice", "url"]
    assert told(types=["m.room.*"]) == ["alice", "bob", "url"] and told(not_types=["m.*"]) == [] and told(types=[]) == []
    assert told(contains_url=True) == ["url"] and told(contains_url=False) == ["alice", "bob"]
    assert told(rooms=[]) == [] and told(not_rooms=[room]) == [] and told(limit=1) == ["url"]
    assert joined(filtered(alice, since, {"not_rooms": [room]}), room) is None
    assert joined(filtered(alice, since, {"rooms": []}), room) is None


def test_lazy_members(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room), carol.join(room)
    for i in range(3):
        bob.send(room, f"m{i}")
    part = joined(filtered(alice, room_filter={"state": {"lazy_load_members": True}, "timeline": {"limit": 2}}), room)
    assert {e["state_key"] for e in part["state"]["events"] if e["type"] == "m.room.member"} >= {alice.user_id, bob.user_id}


def test_fields_and_format(server):
    alice = server.register()
    room = alice.create_room()
    settle(alice)
    since = alice.sync()["next_batch"]
    alice.send(room, "m")
    settle(alice)
    some = alice.sync(since, filter=json.dumps({"event_fields": ["content.body", "type"]}))
    assert joined(some, room)["timeline"]["events"] == [{"type": "m.room.message", "content": {"body": "m"}}]
    whole = joined(alice.sync(since, filter=json.dumps({"event_format": "federation"})), room)["timeline"]["events"][0]
    assert "hashes" in whole and "auth_events" in whole
    plain = joined(alice.sync(since), room)["timeline"]["events"][0]
    assert "hashes" not in plain and "room_id" not in plain and plain["unsigned"]["age"] >= 0


def test_invites(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(name="n")
    since = bob.sync()["next_batch"]
    done(alice, room, "invite", bob)
    settle(bob)
    answer = bob.sync(since)
    events = invited(answer, room)["invite_state"]["events"]
    assert all(set(e) == {"type", "state_key", "sender", "content"} for e in events)
    assert {"m.room.create", "m.room.name", "m.room.join_rules", "m.room.member"} <= {e["type"] for e in events}
    assert events[-1]["state_key"] == bob.user_id and events[-1]["content"]["membership"] == "invite"
    assert invited(bob.sync(answer["next_batch"]), room) is None and invited(bob.sync(), room)
    bob.join(room)
    settle(bob)
    answer = bob.sync(answer["next_batch"])
    assert joined(answer, room) and not invited(answer, room)


def test_left_kicked_and_back(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    first = bob.sync()["next_batch"]
    done(alice, room, "kick", bob, reason="r")
    settle(alice)
    answer = bob.sync(first)
    assert left(answer, room)["timeline"]["events"][-1]["content"] == {"membership": "leave", "reason": "r"}
    assert left(bob.sync(answer["next_batch"]), room) is None
    assert left(filtered(bob, room_filter={"include_leave": True}), room)
    bob.join(room)
    settle(bob)
    again = joined(bob.sync(first, full_state="true"), room)
    assert again["timeline"]["limited"]  # it begins anew
    assert [e["content"].get("membership") for e in again["timeline"]["events"]][-2:] == ["leave", "join"]
    part = joined(bob.sync(answer["next_batch"]), room)
    assert state_of(part, "m.room.create") and part["timeline"]["events"][-1]["state_key"] == bob.user_id
    bob.leave(room)
    settle(bob)
    done(bob, room, "forget")
    assert left(filtered(bob, room_filter={"include_leave": True}), room) is None


def test_a_ban_after_a_kick_tells_nothing_but_itself(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    alice.send(room, "while bob is in")
    first = bob.sync()["next_batch"]
    done(alice, room, "kick", bob)
    _, since = bob.sync_until(lambda answer: left(answer, room), first)  # on whichever worker: a moment later
    alice.send(room, "while bob is out")
    done(alice, room, "ban", bob)
    part, _ = bob.sync_until(lambda answer: left(answer, room), since)
    assert [e["content"] for e in part["timeline"]["events"]] == [{"membership": "ban"}] and not part["timeline"]["limited"]
    assert part["state"]["events"] == []


def test_in_and_out_within_one_window(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    since = bob.sync()["next_batch"]
    bob.join(room), bob.leave(room)
    part = left(bob.sync(since), room)
    assert [e["content"]["membership"] for e in part["timeline"]["events"] if e.get("state_key") == bob.user_id] == ["join", "leave"]


def test_nothing_new_waits_and_says_nothing(server):
    alice = server.register()
    alice.create_room()
    since = alice.sync()["next_batch"]
    answer = alice.sync(since, timeout=300)
    assert "rooms" not in answer and answer["next_batch"] == since
    assert alice.sync(answer["next_batch"])["next_batch"] == since


@pytest.mark.parametrize("since", ["junk", "s", "t1-2", "m1~1.5.6", "s1_x"])
def test_tokens_that_are_none(server, since):
    refused(server.register().call("GET", CLIENT + "/sync", since=since), 400)


def test_a_position_that_nobody_has_reached_is_not_waited_for(server):
    alice = server.register()
    room = alice.create_room()
    began = time.monotonic()
    alice.sync("s999999999999_999999999_0_999999999_999999999_999999999_999999999_999999999")
    assert time.monotonic() - began < 8  # a position that may yet come is given ten seconds
    assert room in alice.sync()["rooms"]["join"]
    refused(alice.call("GET", CLIENT + "/sync?timeout=-1"), 400, "M_INVALID_PARAM")
    assert alice.call("GET", CLIENT + "/sync?timeout=0&full_state=true").status == 200


@pytest.mark.parametrize("wrong", ["{", "77", '{"room":5}', '{"room":{"timeline":{"types":5}}}'])
def test_filters_that_are_none(server, wrong):
    refused(server.register().call("GET", CLIENT + "/sync", filter=wrong), 400)


def test_a_token_of_one_process_is_good_for_another(server):
    alice, bob = server.register(), server.register()
    rooms = [alice.create_room(preset="public_chat") for _ in range(4)]
    for room in rooms:
        bob.join(room)
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    since, seen = bob.sync(base=bases[0])["next_batch"], []
    for i in range(12):  # rooms of both persisters, both processes in turn
        sent = alice.send(rooms[i % 4], f"m{i}", base=bases[i % 2])
        while sent not in seen:
            answer = bob.sync(since, timeout=5000, base=bases[(i + 1) % 2])
            since = answer["next_batch"]
            for room in rooms:
                seen += ids((joined(answer, room) or {"timeline": {"events": []}})["timeline"]["events"])
    assert len(seen) == len(set(seen)) == 12


def test_every_message_is_told_once_while_two_processes_write(server):
    alice, bob = server.register(), server.register()
    rooms = [alice.create_room(preset="public_chat") for _ in range(3)]
    for room in rooms:
        bob.join(room)
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    since, sent = alice.sync(base=bases[0])["next_batch"], []

    def talk(user, base):
        for i in range(12):
            sent.append(user.send(rooms[i % 3], f"{user.user_id} {i}", base=base))

    threads = [threading.Thread(target=talk, args=pair) for pair in ((alice, bases[0]), (bob, bases[1]))]
    for thread in threads:
        thread.start()
    seen, turn = [], 0
    while any(thread.is_alive() for thread in threads) or set(sent) - set(seen):
        turn += 1
        assert turn < 100, set(sent) - set(seen)
        answer = alice.sync(since, timeout=500, base=bases[turn % 2])
        since = answer["next_batch"]
        for room in rooms:
            part = joined(answer, room)
            assert not part or not part["timeline"]["limited"] or len(part["timeline"]["events"]) == 10
            seen += ids(part["timeline"]["events"]) if part else []
    assert sorted(e for e in seen if e in sent) == sorted(sent)


# ---- the state after the timeline (specification 1.16, MSC4222) ----

AFTER = [("use_state_after", "state_after"), ("org.matrix.msc4222.use_state_after", "org.matrix.msc4222.state_after")]


def kinds(part, key):
    return sorted((e["type"], e["state_key"]) for e in part[key]["events"])


@pytest.mark.parametrize("param, key", AFTER)
def test_state_after_the_timeline(server, param, key):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="first")
    bob.join(room)
    settle(bob)
    first = joined(filtered(bob, None, {"timeline": {"limit": 2}}, **{param: "true"}), room)
    assert "state" not in first
    assert {("m.room.name", ""), ("m.room.create", ""), ("m.room.member", bob.user_id)} <= set(kinds(first, key))
    since = bob.sync()["next_batch"]
    alice.put_state(room, "m.room.topic", {"topic": "t"})
    alice.send(room, "between")
    name = alice.put_state(room, "m.room.name", {"name": "second"})
    last = alice.send(room, "last")
    bob.sync_until(lambda a: joined(a, room) and [e for e in joined(a, room)["timeline"]["events"] if e["event_id"] == last], since)
    for limit in (10, 1):
        part = joined(filtered(bob, since, {"timeline": {"limit": limit}}, **{param: "true"}), room)
        assert kinds(part, key) == [("m.room.name", ""), ("m.room.topic", "")], limit
        assert [e["event_id"] for e in part[key]["events"] if e["type"] == "m.room.name"] == [name]
    lazily = joined(filtered(bob, since, {"state": {"lazy_load_members": True}}, **{param: "true"}), room)
    assert kinds(lazily, key) == [("m.room.member", alice.user_id), ("m.room.name", ""), ("m.room.topic", "")]
    alice.send(room, "no state")
    token = bob.sync()["next_batch"]
    alice.send(room, "no state either")
    quiet, _ = bob.sync_until(lambda a: joined(a, room), token)
    assert joined(filtered(bob, token, **{param: "true"}), room)[key]["events"] == []
    bob.leave(room)
    settle(bob)
    left = filtered(bob, token, **{param: "true"})["rooms"]["leave"][room]
    assert kinds(left, key) == [("m.room.member", bob.user_id)] and "state" not in left
    assert bob.call("GET", "/_matrix/client/v3/sync", **{param: "maybe"}).status == 400


# ---- once more ----

def test_the_same_position_tells_the_same_members_again(server):
    """A lazily loaded member is left out where the client has them, not where it never got the answer."""
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="no heroes")
    bob.join(room)
    lazy = {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}
    base = server.worker_url("generic_worker1")
    since = filtered(bob, None, lazy, base=base)["next_batch"]
    alice.send(room, "one")

    def shown(answer):
        return [e["state_key"] for e in joined(answer, room)["state"]["events"]]

    first, _ = bob.sync_until(lambda a: joined(a, room), since)
    answers = [filtered(bob, since, lazy, base=base) for _ in range(3)]
    assert [shown(a) for a in answers] == [[alice.user_id]] * 3
    alice.send(room, "two")
    later = answers[0]["next_batch"]
    bob.sync_until(lambda a: joined(a, room), later)
    assert shown(filtered(bob, later, lazy, base=base)) == []
    again = {"state": {"lazy_load_members": True, "include_redundant_members": True}, "timeline": {"limit": 1}}
    assert shown(filtered(bob, later, again, base=base)) == [alice.user_id]


def test_a_lost_answer_comes_again_whole(server):
    """Whoever did not get the answer asks with the same position, of any process, as often as it takes; nothing is kept for that."""
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync(set_presence="offline")["next_batch"]
    sent = [alice.send(room, f"message {i}") for i in range(3)]
    alice.put_state(room, "m.room.topic", {"topic": "news"})
    alice.ok("POST", room_path(room, "receipt", "m.read", sent[1]), {})
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/account_data/x.own", {"n": 1})
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/rooms/{quote(room)}/account_data/x.own", {"n": 2})
    alice.ok("PUT", f"{CLIENT}/sendToDevice/x.test/lost", {"messages": {bob.user_id: {bob.device_id: {"n": 3}}}})
    server.login(alice.user_id)  # another device

    def told(base):
        answer = bob.sync(since, base=base, set_presence="offline")
        part = joined(answer, room) or {"timeline": {"events": []}, "ephemeral": {"events": []}, "account_data": {"events": []}}
        return ([(e["event_id"], e["content"]) for e in part["timeline"]["events"]], part["ephemeral"]["events"], part["account_data"]["events"],
                answer.get("account_data"), answer.get("to_device"), answer.get("device_lists", {}).get("changed"))

    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    first = until(lambda: (lambda t: t if len(t[0]) == 4 and all(t) else None)(told(bases[0])))
    assert [e[0] for e in first[0][:3]] == sent and first[5] == [alice.user_id]
    until(lambda: told(bases[1]) == first)
    assert [told(base) for base in bases * 2] == [first] * 4


def test_identical_requests_share_an_answer(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since, answers = bob.sync(set_presence="offline")["next_batch"], []
    base = server.worker_url("generic_worker1")
    threads = [threading.Thread(target=lambda: answers.append(bob.sync(since, timeout=10000, base=base, set_presence="offline")))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    while bob.call("GET", "/_matrix/client/v3/account/whoami", base=base).status != 200:
        pass
    sent = alice.send(room, "for all of them")
    for thread in threads:
        thread.join(20)
    assert len(answers) == 8
    for answer in answers:
        since = answer["next_batch"]
        part = joined(answer, room)
        if not part or not part["timeline"]["events"]:  # woken by something else first
            answer, _ = bob.sync_until(lambda a: joined(a, room) and joined(a, room)["timeline"]["events"], since)
            part = joined(answer, room) if isinstance(answer, dict) else {"timeline": {"events": answer}}
        assert [e["event_id"] for e in part["timeline"]["events"]] == [sent]


# ---- every member of a filter ----

def test_filters_of_what_is_no_event(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    event, since = alice.send(room, "read me"), bob.sync(set_presence="offline")["next_batch"]
    alice.ok("POST", room_path(room, "receipt", "m.read", event), {})
    alice.ok("PUT", room_path(room, "typing", alice.user_id), {"typing": True, "timeout": 30000})
    bob.ok("PUT", f"{CLIENT}/user/{bob.user_id}/account_data/x.y", {"a": 1})
    bob.ok("PUT", f"{CLIENT}/user/{bob.user_id}/rooms/{room}/account_data/x.z", {"a": 1})

    def kinds(body):
        answer = bob.sync(since, set_presence="offline", filter=json.dumps({"presence": {"types": []}, **body}))
        part = joined(answer, room) or {"ephemeral": {"events": []}, "account_data": {"events": []}}
        return [sorted(e["type"] for e in events["events"])
                for events in (part["ephemeral"], part["account_data"], answer.get("account_data", {"events": []}))]

    both, _ = bob.sync_until(lambda _: kinds({}) if len(kinds({})[0]) == 2 else None)
    assert both == [["m.receipt", "m.typing"], ["x.z"], ["x.y"]]
    for body, wanted in (({"room": {"ephemeral": {"types": ["m.typing"]}}}, [["m.typing"], ["x.z"], ["x.y"]]),
                         ({"room": {"ephemeral": {"not_rooms": [room]}}}, [[], ["x.z"], ["x.y"]]),
                         ({"room": {"ephemeral": {"senders": [alice.user_id]}}}, [[], ["x.z"], ["x.y"]]),
                         ({"room": {"account_data": {"senders": [bob.user_id]}}}, [both[0], [], ["x.y"]]),
                         ({"account_data": {"not_types": ["x.*"]}}, [both[0], ["x.z"], []]),
                         ({"room": {"ephemeral": {"types": []}, "account_data": {"types": []}}}, [[], [], ["x.y"]])):
        assert kinds(body) == wanted, body
    # what no filter lets through wakes nobody
    none = {"presence": {"types": []}, "account_data": {"types": []},
            "room": {"ephemeral": {"types": []}, "account_data": {"types": []}}}
    assert "rooms" not in bob.sync(since, timeout=200, set_presence="offline", filter=json.dumps(none))


def test_filters_by_relations_and_without_events(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync(set_presence="offline")["next_batch"]
    root, other = alice.send(room, "root"), alice.send(room, "other")
    bob.ok("PUT", room_path(room, "send", "m.room.message", "thread"),
           {"msgtype": "m.text", "body": "in it", "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    bob.sync_until(lambda a: joined(a, room) and "in it" in bodies(joined(a, room)["timeline"]["events"]))

    def shown(token=since, **timeline):
        part = joined(filtered(bob, token, {"timeline": timeline}), room)
        return [e["event_id"] for e in part["timeline"]["events"]] if part else None

    assert shown(related_by_rel_types=["m.thread"]) == [root]
    assert shown(related_by_senders=[bob.user_id]) == [root]
    assert not shown(related_by_senders=[alice.user_id]) and not shown(related_by_rel_types=["m.none"])
    assert len(shown(limit=0)) == 1 and shown(None, limit=0) == []  # as Synapse has it
    bad = [{"room": {"timeline": {"senders": ["nobody"]}}}, {"room": {"rooms": ["!"]}}, {"event_format": "other"}, {"room": []},
           {"event_fields": [1]}, {"room": {"include_leave": "x"}}, {"presence": {"types": [1]}}, {"room": {"timeline": {"limit": -1}}}]
    for body in bad:
        assert bob.call("GET", f"{CLIENT}/sync", filter=json.dumps(body)).status == 400, body
    for text in ("{", "[]", '{"room":', "abc"):
        assert bob.call("GET", f"{CLIENT}/sync", filter=text).status == 400, text


def test_who_left_and_came_back_begins_anew(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync(set_presence="offline")["next_batch"]
    bob.leave(room)
    alice.put_state(room, "m.room.topic", {"topic": "meanwhile"})
    bob.join(room)
    part, _ = bob.sync_until(lambda a: joined(a, room), since)
    assert part["timeline"]["limited"] and "m.room.create" in [e["type"] for e in part["state"]["events"] + part["timeline"]["events"]]


def test_rooms_may_be_left_out(own):
    with own.running("left_out", monolith=True) as server:
        alice = server.register()
        hidden, shown = alice.create_room(), alice.create_room()
        assert set(alice.sync()["rooms"]["join"]) == {hidden, shown}
        server.deployment.stop()
        server.deployment.extra_config = {"exclude_rooms_from_sync": [hidden]}
        server.deployment.start()
        assert set(alice.sync()["rooms"]["join"]) == {shown}
