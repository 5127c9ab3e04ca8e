"""What the servers of a room read of it: events, state, auth chains, history; what others get, and what is too much."""

import time

import pytest

from lib import pdu as pdus
from lib.server import quote
from lib.sliding import settle
from lib.wait import until

V1 = "/_matrix/federation/v1"


@pytest.fixture
def room(home, remote):
    """A public room of home's with alice, which the remote server's joiner has joined."""
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10", name="before")
    kept = remote.join(home.name, room_id)
    return alice, room_id, kept


def ask(remote, home, action, room_id, **query):
    import urllib.parse
    return remote.call("GET", home.name, f"{V1}/{action}/{quote(room_id)}?{urllib.parse.urlencode(query, doseq=True)}")


def ids(events, version="10"):
    return [pdus.event_id(event, version) for event in events]


def test_one_event(home, remote, remotes, room):
    alice, room_id, kept = room
    event_id = alice.send(room_id, "hello")
    answer = remote.ok("GET", home.name, f"{V1}/event/{quote(event_id)}")
    assert answer["origin"] == home.name and isinstance(answer["origin_server_ts"], int)
    event = answer["pdus"][0]
    assert ids([event]) == [event_id] and event["content"]["body"] == "hello"
    assert "event_id" not in event and set(event.get("unsigned", {})) <= {"age"}
    assert pdus.content_hash(event) == event["hashes"]["sha256"] and home.name in event["signatures"]
    assert remote.ok("GET", home.name, f"{V1}/event/{quote(event_id)}/") ["pdus"]
    stranger = remotes().call("GET", home.name, f"{V1}/event/{quote(event_id)}")
    assert (stranger.status, stranger.json["errcode"]) == (403, "M_FORBIDDEN")
    assert remote.call("GET", home.name, f"{V1}/event/{quote('$nothing')}").status == 404


def test_who_is_not_in_the_room_reads_nothing(home, remotes, room):
    alice, room_id, _ = room
    event_id = alice.send(room_id, "private")
    other = remotes()
    for answer in (ask(other, home, "state", room_id, event_id=event_id), ask(other, home, "state_ids", room_id, event_id=event_id),
                   ask(other, home, "backfill", room_id, v=event_id, limit=1), ask(other, home, "timestamp_to_event", room_id, ts=1, dir="f"),
                   ask(other, home, "event_auth", room_id + "/" + event_id),
                   other.call("GET", home.name, f"{V1}/event_auth/{quote(room_id)}/{quote(event_id)}"),
                   other.call("POST", home.name, f"{V1}/get_missing_events/{quote(room_id)}", {"latest_events": [event_id], "earliest_events": []}),
                   other.call("POST", home.name, f"{V1}/query_auth/{quote(room_id)}/{quote(event_id)}", {"auth_chain": [], "missing": [], "rejects": {}}),
                   ask(other, home, "state", "!nowhere:example.org", event_id=event_id)):
        assert answer.status in (403, 404) and answer.json["errcode"] in ("M_FORBIDDEN", "M_UNRECOGNIZED"), answer


def test_unsigned_requests(home, remote, room):
    assert remote.call("GET", home.name, f"{V1}/state_ids/{quote(room[1])}?event_id=x", signed=False).status == 401


def test_state_before_an_event(home, remote, room):
    alice, room_id, kept = room
    first = alice.put_state(room_id, "m.room.topic", {"topic": "one"})
    second = alice.put_state(room_id, "m.room.topic", {"topic": "two"})
    message = alice.send(room_id, "after both")

    def topic(event_id):
        answer = ask(remote, home, "state", room_id, event_id=event_id).json
        both = ask(remote, home, "state_ids", room_id, event_id=event_id).json
        assert sorted(ids(answer["pdus"])) == sorted(both["pdu_ids"]) and sorted(ids(answer["auth_chain"])) == sorted(both["auth_chain_ids"])
        held = {name: event for name, event in zip(ids(answer["pdus"]) + ids(answer["auth_chain"]), answer["pdus"] + answer["auth_chain"])}
        for event in held.values():  # closed: all that is cited is told
            assert set(event["auth_events"]) <= set(held)
        return [name for name, event in held.items() if event["type"] == "m.room.topic"]

    assert topic(first) == [] and topic(second) == [first] and topic(message) == [second]
    assert topic(message) == [second]  # what is kept says the same
    for event_id, status in (("$unknown", 404), ("", 404)):
        assert ask(remote, home, "state_ids", room_id, event_id=event_id).status == status
    missing = ask(remote, home, "state_ids", room_id)
    assert (missing.status, missing.json["errcode"]) == (400, "M_MISSING_PARAM")


def test_state_of_another_room(home, remote, room):
    alice, room_id, _ = room
    elsewhere = alice.create_room()
    secret = alice.send(elsewhere, "secret")
    assert ask(remote, home, "state_ids", room_id, event_id=secret).status == 404
    assert ask(remote, home, "backfill", room_id, v=secret, limit=5).json["pdus"] == []
    answer = remote.call("GET", home.name, f"{V1}/event_auth/{quote(room_id)}/{quote(secret)}")
    assert answer.status == 404


def test_event_auth(home, remote, room):
    alice, room_id, _ = room
    message = alice.send(room_id, "hello")
    chain = remote.ok("GET", home.name, f"{V1}/event_auth/{quote(room_id)}/{quote(message)}")["auth_chain"]
    found = {event["type"] for event in chain}
    assert found == {"m.room.create", "m.room.member", "m.room.power_levels"} and message not in ids(chain)


def test_backfill(home, remote, room):
    alice, room_id, _ = room
    said = [alice.send(room_id, str(i)) for i in range(130)]
    answer = ask(remote, home, "backfill", room_id, v=said[-1], limit=10).json
    assert ids(answer["pdus"]) == said[:-11:-1] and answer["origin"] == home.name
    assert len(ask(remote, home, "backfill", room_id, v=said[-1], limit=1000).json["pdus"]) == 100
    assert ids(ask(remote, home, "backfill", room_id, v=[said[3], said[5]], limit=3).json["pdus"]) == said[5:2:-1]
    assert ids(ask(remote, home, "backfill", room_id, v=said[0], limit=100).json["pdus"])[-1] == kept_create(home, room_id)
    for query in ({"v": said[0]}, {"limit": 10}, {"v": said[0], "limit": "x"}, {"v": said[0], "limit": -1}, {"v": said[0], "limit": 0}, {"v": ["$x"] * 1001, "limit": 1}):
        assert ask(remote, home, "backfill", room_id, **query).status == 400
    assert ask(remote, home, "backfill", room_id, v="$nothing", limit=3).json["pdus"] == []


def kept_create(home, room_id):
    return home.sql(f"SELECT event_id FROM state_events WHERE room_id = '{room_id}' AND type = 'm.room.create'")[0][0]


def test_missing_events(home, remote, room):
    alice, room_id, _ = room
    said = [alice.send(room_id, str(i)) for i in range(40)]
    path = f"{V1}/get_missing_events/{quote(room_id)}"

    def missing(**body):
        return ids(remote.ok("POST", home.name, path, body)["events"])

    assert missing(latest_events=[said[9]], earliest_events=[said[3]]) == said[4:9]
    assert missing(latest_events=[said[39]], earliest_events=[said[0]]) == said[29:39]  # ten, when nothing is said
    assert missing(latest_events=[said[39]], earliest_events=[], limit=100) == said[19:39]
    assert missing(latest_events=[said[9]], earliest_events=[], limit=3) == said[6:9]
    assert missing(latest_events=[said[9]], earliest_events=[said[3]], limit=0) == []
    depth = int(home.sql(f"SELECT depth FROM events WHERE event_id = '{said[7]}'")[0][0])
    assert missing(latest_events=[said[9]], earliest_events=[said[3]], min_depth=depth) == said[7:9]
    assert missing(latest_events=["$x"], earliest_events=[]) == [] and missing() == []
    for body in ({"latest_events": "x"}, {"latest_events": [1]}, {"earliest_events": {}}, {"limit": "x"}, {"latest_events": ["$x"] * 1001}):
        answer = remote.call("POST", home.name, path, body)
        assert (answer.status, answer.json["errcode"]) == (400, "M_BAD_JSON"), body


def test_at_a_moment(home, remote, room):
    alice, room_id, _ = room
    event_id = alice.send(room_id, "now")
    ts = int(home.sql(f"SELECT origin_server_ts FROM events WHERE event_id = '{event_id}'")[0][0])
    assert ask(remote, home, "timestamp_to_event", room_id, ts=ts, dir="b").json == {"event_id": event_id, "origin_server_ts": ts}
    gone = ask(remote, home, "timestamp_to_event", room_id, ts=ts + 1, dir="f")
    assert (gone.status, gone.json["errcode"]) == (404, "M_NOT_FOUND")
    for query in ({"ts": ts}, {"dir": "f"}, {"ts": ts, "dir": "x"}, {"ts": "x", "dir": "f"}, {"ts": -1, "dir": "f"}):
        assert ask(remote, home, "timestamp_to_event", room_id, **query).status == 400


@pytest.mark.parametrize("visibility, seen", [("shared", True), ("world_readable", True), ("invited", False), ("joined", False)])
def test_history_before_the_server_came(home, remote, visibility, seen):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10",
                                initial_state=[{"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": visibility}}])
    before = alice.send(room_id, "before they came")
    remote.join(home.name, room_id)
    after = alice.send(room_id, "after they came")
    for event_id, expected in ((before, seen), (after, True)):
        for answer in (remote.ok("GET", home.name, f"{V1}/event/{quote(event_id)}"), ask(remote, home, "backfill", room_id, v=event_id, limit=1).json):
            assert ("body" in answer["pdus"][0]["content"]) == expected
            assert ids(answer["pdus"]) == [event_id]  # redacted or not it is the same event
    missing = remote.ok("POST", home.name, f"{V1}/get_missing_events/{quote(room_id)}", {"latest_events": [after], "earliest_events": []})
    said = next(event for event in missing["events"] if ids([event]) == [before])
    assert ("body" in said["content"]) == seen


def test_erased_users_are_redacted(home, remote):
    alice, bob = home.register(), home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    bob.join(room_id)
    event_id = bob.send(room_id, "to be forgotten")
    remote.join(home.name, room_id)
    home.sql(f"INSERT INTO erased_users (user_id) VALUES ('{bob.user_id}')")
    assert "body" not in remote.ok("GET", home.name, f"{V1}/event/{quote(event_id)}")["pdus"][0]["content"]


def test_server_acl(home, remote, room):
    alice, room_id, _ = room
    event_id = alice.send(room_id, "hello")
    assert ask(remote, home, "state_ids", room_id, event_id=event_id).status == 200
    alice.put_state(room_id, "m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]})
    until(lambda: ask(remote, home, "state_ids", room_id, event_id=event_id).status == 403)
    for answer in (ask(remote, home, "state", room_id, event_id=event_id), ask(remote, home, "backfill", room_id, v=event_id, limit=1),
                   remote.call("GET", home.name, f"{V1}/make_join/{quote(room_id)}/{quote(remote.user('new'))}?ver=10"),
                   remote.call("GET", home.name, f"{V1}/make_leave/{quote(room_id)}/{quote(remote.user('joiner'))}")):
        assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN"), answer
    assert ids(remote.ok("GET", home.name, f"{V1}/event/{quote(event_id)}")["pdus"]) == [event_id]  # no part of what ACLs protect


def test_query_auth(home, remote, room):
    """Two chains that differ: each learns what the other has."""
    alice, room_id, kept = room
    topic = alice.put_state(room_id, "m.room.topic", {"topic": "x"})
    path = f"{V1}/query_auth/{quote(room_id)}/{quote(topic)}"
    ours = remote.ok("GET", home.name, f"{V1}/event_auth/{quote(room_id)}/{quote(topic)}")["auth_chain"]
    same = remote.ok("POST", home.name, path, {"auth_chain": ours, "missing": [], "rejects": {}})
    assert same["missing"] == [] and same["rejects"] == {} and sorted(ids(same["auth_chain"])) == sorted(ids(ours))
    levels = next(event for event in ours if event["type"] == "m.room.power_levels")
    fewer = [event for event in ours if event is not levels]
    # a change of power levels that the remote's user has no right to
    grab = kept.event("m.room.power_levels", {"users": {remote.user("joiner"): 100}}, remote.user("joiner"), "")
    answer = remote.ok("POST", home.name, path, {"auth_chain": fewer + [grab], "missing": [], "rejects": {}})
    assert answer["missing"] == ids([levels])
    assert answer["rejects"] == {ids([grab])[0]: {"reason": "auth_error", "proof": None}}
    for body in ({}, {"auth_chain": {}}, {"auth_chain": [1, "x", {}]}):
        answer = remote.call("POST", home.name, path, body)
        assert answer.status == (200 if isinstance(body.get("auth_chain"), list) else 400)
    assert remote.call("POST", home.name, path.replace(quote(topic), "%24nothing"), {"auth_chain": []}).status == 404


def test_complexity(home, remote, room):
    alice, room_id, _ = room
    unstable = "/_matrix/federation/unstable/rooms"
    count = len(alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/state"))
    answer = until(lambda: (got := remote.ok("GET", home.name, f"{unstable}/{quote(room_id)}/complexity"))["v1"] == round(count / 500, 2) and got)
    assert set(answer) == {"v1"}
    private = alice.create_room()
    for hidden in (private, "!none:example.org"):
        answer = remote.call("GET", home.name, f"{unstable}/{quote(hidden)}/complexity")
        assert (answer.status, answer.json["errcode"]) == (404, "M_INVALID_PARAM")


def test_state_of_one_that_the_remote_made(home, remote, room):
    """Events of other servers say nothing of what they replace."""
    alice, room_id, kept = room
    alice.put_state(room_id, "m.room.power_levels", {**alice.state(room_id, "m.room.power_levels"), "state_default": 0, "events": {}})
    remote.rooms.pop(room_id)
    kept = remote.join(home.name, room_id)
    topic = kept.send("m.room.topic", {"topic": "a"}, remote.user("joiner"), "", to=[home.name])
    until(lambda: home.sql(f"SELECT 1 FROM events WHERE event_id = '{topic}'"))
    second = kept.send("m.room.topic", {"topic": "b"}, remote.user("joiner"), "", to=[home.name])
    until(lambda: home.sql(f"SELECT 1 FROM events WHERE event_id = '{second}'"))
    assert topic not in ask(remote, home, "state_ids", room_id, event_id=topic).json["pdu_ids"]
    assert topic in ask(remote, home, "state_ids", room_id, event_id=second).json["pdu_ids"]


def test_both_sides_of_a_fork(home, remote, room):
    alice, room_id, kept = room
    settle(alice)
    base = list(kept.leaves)
    ours = alice.send(room_id, "ours")
    theirs = kept.say("theirs", remote.user("joiner"), to=[home.name], prev=base)
    until(lambda: home.sql(f"SELECT count(*) FROM event_forward_extremities WHERE room_id = '{room_id}'")[0][0] == "2")
    settle(alice)
    tip = alice.send(room_id, "both")
    found = ids(ask(remote, home, "backfill", room_id, v=tip, limit=4).json["pdus"])
    assert found[0] == tip and set(found[1:3]) == {ours, theirs} and found[3] == base[0]


def test_newest_events_are_told_only_where_that_is_on(home, remote, room):
    answer = remote.call("GET", home.name, f"/_matrix/federation/unstable/org.matrix.msc4370/extremities/{quote(room[1])}")
    assert (answer.status, answer.json["errcode"]) == (404, "M_UNRECOGNIZED")


def test_wide_graph(home, remote, room):
    """Hundreds of events side by side: each answer keeps to its bound, and comes at once."""
    alice, room_id, kept = room
    base, user = list(kept.leaves), remote.user("joiner")
    said = [kept.event("m.room.message", {"msgtype": "m.text", "body": str(i)}, user, prev=base) for i in range(400)]
    for i in range(0, 400, 50):
        remote.send(home.name, said[i:i + 50])
    until(lambda: home.sql(f"SELECT count(*) FROM events WHERE room_id = '{room_id}' AND sender = '{user}' AND type = 'm.room.message'")[0][0] == "400", 60)
    tip = alice.send(room_id, "over some of them")
    start = time.monotonic()
    found = ids(ask(remote, home, "backfill", room_id, v=[tip] + ids(said[:100]), limit=1000).json["pdus"])
    assert found[0] == tip and len(set(found)) == 100 and set(found[1:]) <= set(ids(said))
    missing = remote.ok("POST", home.name, f"{V1}/get_missing_events/{quote(room_id)}", {"latest_events": ids(said[200:]) + [tip], "earliest_events": base, "limit": 100})
    assert len(missing["events"]) <= 20 and not set(ids(missing["events"])) & set(base + ids(said[200:]))
    assert ids(ask(remote, home, "state", room_id, event_id=tip).json["pdus"])
    assert time.monotonic() - start < 20
