"""Servers that lie, dawdle and overdo it: each is answered, bounded in what it costs, and nobody else notices."""

import copy
import json
import threading
import time

import pytest

from lib import pdu as pdus
from lib.entered import entered
from lib.sliding import settle
from lib.wait import until

FED = "/_matrix/federation/v1"


def make(home, remote, version="10", **options):
    alice = home.register()
    room = alice.create_room(room_version=version, preset="public_chat", **options)
    return alice, entered(home, remote, room, version)


def row(home, event_id):
    found = home.sql(f"SELECT COALESCE(rejection_reason, 'fine'), outlier FROM events WHERE event_id = '{event_id}'")
    return found[0] if found else None


def idle(home, room, seconds=30):
    until(lambda: home.sql(f"SELECT count(*) FROM federation_inbound_events_staging WHERE room_id = '{room}'") == [["0"]], seconds)


def test_signatures_that_are_none(home, remote):
    alice, room = make(home, remote)
    base = room.event("m.room.message", {"body": "signed"}, room.user)
    changed = dict(copy.deepcopy(base), origin_server_ts=base["origin_server_ts"] + 1)
    bare = dict(copy.deepcopy(base), signatures={})
    odd = dict(copy.deepcopy(base), signatures=[])
    short = copy.deepcopy(base)
    short["signatures"][remote.name] = {key: "AAAA" for key in short["signatures"][remote.name]}
    stranger = copy.deepcopy(base)
    stranger["signatures"] = {"elsewhere.invalid": base["signatures"][remote.name]}
    for bad in (changed, bare, odd, short, stranger):
        answer = remote.send(home.name, [bad])
        assert all("error" in verdict for verdict in answer.values()), answer
        assert row(home, pdus.event_id(bad, room.version)) is None


def test_contents_that_do_not_match_their_hash(home, remote):
    """The event is taken as its redaction would leave it."""
    alice, room = make(home, remote)
    event = room.event("m.room.message", {"body": "true"}, room.user)
    event["content"]["body"] = "false"
    name = room.add(event)
    assert remote.send(home.name, [event]) == {name: {}}
    until(lambda: row(home, name))
    stored = home.sql(f"SELECT json FROM event_json WHERE event_id = '{name}'")[0][0]
    assert json.loads(stored)["content"] == {}


def test_who_takes_the_room_over_by_an_invented_state(home, remote):
    """A gap whose state holds power levels that nobody was allowed to make."""
    alice, room = make(home, remote)
    evil = room.user
    create, join = room.state["m.room.create", ""], room.state["m.room.member", evil]
    levels = room.event("m.room.power_levels", {"users": {evil: 100, alice.user_id: 0}}, evil, "", prev=["$nothing"], auth=[create, join], depth=1)
    levels_id = pdus.event_id(levels, room.version)
    gap = room.event("m.room.message", {"body": "gap"}, evil, prev=["$nothing"], auth=[create, join], depth=10)
    gap_id = pdus.event_id(gap, room.version)
    told = room.event("m.room.message", {"body": "told"}, evil, prev=[gap_id], auth=[create, join], depth=11)
    told_id = pdus.event_id(told, room.version)
    sent = room.event("m.room.message", {"body": "sent"}, evil, prev=[told_id], auth=[create, join], depth=12)
    sent_id = pdus.event_id(sent, room.version)
    for event, name in ((levels, levels_id), (gap, gap_id)):
        room.events[name] = event
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [told]}))
    remote.on("GET", f"{FED}/state_ids/.*", (200, {"pdu_ids": [create, join, levels_id], "auth_chain_ids": [create, join]}))
    assert remote.send(home.name, [sent]) == {sent_id: {}}
    idle(home, room.room_id)
    assert row(home, levels_id) == ["auth_error", "t"]
    assert alice.state(room.room_id, "m.room.power_levels")["users"][alice.user_id] == 100


def test_auth_events_in_a_circle(home, remote):
    """Only events of old can be made to cite each other."""
    alice, room = make(home, remote, "1")
    user = remote.user("circle")
    create = room.state["m.room.create", ""]
    names = [f"$circle{n}{int(time.time() * 1000)}:{remote.name}" for n in range(2)]
    circle = [pdus.build("1", remote.name, remote.key, event_id=names[n], type="m.room.member", state_key=user, sender=user,
                         content={"membership": "join"}, depth=5, room_id=room.room_id, prev_events=[],
                         auth_events=[[names[1 - n], {"sha256": "x"}], room.reference(create)]) for n in range(2)]
    for name, event in zip(names, circle):
        room.events[name] = event
    event = room.event("m.room.message", {"body": "round and round"}, user, auth=[create, names[0]])
    name = pdus.event_id(event, "1")
    started = time.monotonic()
    assert remote.send(home.name, [event]) == {name: {}}
    idle(home, room.room_id)
    assert time.monotonic() - started < 20
    assert row(home, name) is None and row(home, names[0]) is None
    room.say("still fine", room.user, to=[home.name])


def test_a_deep_chain_of_auth_events(home, remote):
    """Each one cites another that we do not have: it is followed for a while, and then it is not."""
    alice, room = make(home, remote)
    user = remote.user("deep")
    create, rules = room.state["m.room.create", ""], room.state["m.room.join_rules", ""]
    last, auth = None, [create, rules]
    for n in range(400):
        event = room.event("m.room.member", {"membership": "join", "n": n}, user, user, prev=["$nowhere"], auth=auth, depth=5)
        last = pdus.event_id(event, room.version)
        room.events[last] = event
        auth = [create, rules, last]
    remote.on("GET", f"{FED}/event_auth/.*", (404, {"errcode": "M_NOT_FOUND", "error": "no"}))
    event = room.event("m.room.message", {"body": "deep"}, user, auth=[create, last])
    name = pdus.event_id(event, room.version)
    before = len(remote.asked)
    remote.send(home.name, [event])
    idle(home, room.room_id, 60)
    assert len(remote.asked) - before < 250
    assert row(home, name) is None
    room.say("still fine", room.user, to=[home.name])


def test_too_many_references(home, remote):
    alice, room = make(home, remote)
    prev = [f"${'x' * 40}{n:03}" for n in range(21)]
    wide = room.event("m.room.message", {"body": "wide"}, room.user, prev=prev, depth=10,
                      auth=[room.state[key] for key in (("m.room.create", ""), ("m.room.power_levels", ""), ("m.room.member", room.user))])
    heavy = room.event("m.room.message", {"body": "heavy"}, room.user, auth=[f"${'y' * 40}{n:03}" for n in range(11)])
    remote.send(home.name, [wide, heavy])
    idle(home, room.room_id)
    for event in (wide, heavy):
        assert row(home, pdus.event_id(event, room.version)) is None
    assert not [asked for asked in remote.asked if "get_missing" in asked.path]


def test_a_hundred_thousand_ids_of_a_state(home, remote):
    alice, room = make(home, remote)
    hidden = room.say("hidden", room.user)
    told = room.say("told", room.user)
    sent = room.say("sent", room.user)
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [room.events[told]]}))
    invented = [f"${n:043}" for n in range(100000)]
    state = list(room.before(room.prev_of(room.events[hidden])).values())
    remote.on("GET", f"{FED}/state_ids/.*", (200, {"pdu_ids": state + invented, "auth_chain_ids": invented[:10]}))
    started = time.monotonic()
    remote.send(home.name, [room.events[sent]])
    idle(home, room.room_id, 60)
    assert time.monotonic() - started < 40
    single = [asked for asked in remote.asked if "/v1/event/" in asked.path]
    assert len(single) < 20, "what is missing is asked for all at once"
    assert row(home, sent) == ["fine", "f"], "what can be had of the state stands"
    assert alice.state(room.room_id, "m.room.member", room.user)["membership"] == "join"


@pytest.mark.parametrize("lie", [(200, []), (200, {}), (200, {"pdu_ids": 7, "auth_chain_ids": {}}), (200, {"pdu_ids": [1, None, {}]}),
                                 (200, b"\x00\xff"), (200, b"[" * 100000), (500, {}), (404, {"errcode": "M_NOT_FOUND", "error": "no"})])
def test_states_that_are_none(home, remote, lie):
    alice, room = make(home, remote)
    room.say("hidden", room.user)
    told = room.say("told", room.user)
    sent = room.say("sent", room.user)
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [room.events[told]]}))
    remote.on("GET", f"{FED}/state_ids/.*", lie)
    remote.send(home.name, [room.events[sent]])
    idle(home, room.room_id, 60)
    assert row(home, told) is None and row(home, sent) is None
    assert alice.send(room.room_id, "unharmed")


@pytest.mark.parametrize("lie", [(200, {"events": 7}), (200, {"events": [7, None, {}, "x", []]}), (200, {}), (200, b"no json"),
                                 (200, {"events": [{"type": "m.room.message", "content": {}}] * 5000})])
def test_missing_events_that_are_none(home, remote, lie):
    alice, room = make(home, remote)
    room.say("hidden", room.user)
    sent = room.say("sent", room.user)
    remote.on("POST", f"{FED}/get_missing_events/.*", lie)
    remote.send(home.name, [room.events[sent]])
    idle(home, room.room_id, 60)
    assert row(home, sent) is None


def test_events_of_another_room_among_the_missing_ones(home, remote):
    alice, room = make(home, remote)
    bob, second = make(home, remote)
    foreign = second.say("of another room", second.user)
    hidden = room.say("hidden", room.user)
    sent = room.say("sent", room.user)
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [second.events[foreign], room.events[hidden]]}))
    remote.send(home.name, [room.events[sent]])
    until(lambda: row(home, sent))
    assert row(home, foreign) is None


def test_who_answers_slowly_keeps_nobody_else_waiting(home, remotes):
    """Many rooms of one server that answers nothing for seconds; another server's events come through at once."""
    slow, quick = remotes(), remotes()
    alice = home.register()
    rooms = [entered(home, slow, alice.create_room(room_version="10", preset="public_chat"), "10") for _ in range(30)]
    other = entered(home, quick, alice.create_room(room_version="10", preset="public_chat"), "10")
    release = threading.Event()

    def hold(asked, *groups):
        release.wait(60)
        return 200, {"events": []}

    slow.on("POST", f"{FED}/get_missing_events/(.*)", hold)
    try:
        for room in rooms:
            room.say("hidden", room.user)
            room.say("sent", room.user, to=[home.name])
        until(lambda: [asked for asked in slow.asked if "get_missing" in asked.path])
        said = other.say("quick", other.user, to=[home.name])
        until(lambda: row(home, said), 30)  # while the others are held
        assert alice.send(rooms[0].room_id, "and so are we"), "the slow room itself can be spoken in"
        assert len([asked for asked in slow.asked if "get_missing" in asked.path]) <= 20
    finally:
        release.set()
    for room in rooms:
        idle(home, room.room_id, 60)


def test_bodies_that_are_too_large(home, remote):
    try:
        answer = remote.call("PUT", home.name, f"{FED}/send/large", {"origin": remote.name, "pdus": [], "edus": [], "x": "y" * (15 << 20)})
        assert answer.status == 413, answer
    except OSError:
        pass  # hung up on before all of it was sent
    alice, room = make(home, remote)
    large = room.event("m.room.message", {"body": "x" * 70000}, room.user)
    small = room.event("m.room.message", {"body": "small"}, room.user)
    name = room.add(small)
    answer = remote.send(home.name, [large, small])
    assert answer[name] == {}
    until(lambda: row(home, name))
    assert row(home, pdus.event_id(large, room.version)) is None


@pytest.mark.parametrize("fields", [{"type": "m.room.\x00message"}, {"state_key": "\x00"}, {"type": "x" * 300}, {"depth": 2 ** 60}, {"depth": -1},
                                    {"depth": "7"}, {"origin_server_ts": "now"}, {"sender": "nobody"}, {"content": []}, {"prev_events": "x"},
                                    {"auth_events": [["a"]]}, {"redacts": 7, "type": "m.room.redaction"}, {"state_key": 7}, {"hashes": 7}])
def test_fields_that_are_not_what_they_should_be(home, remote, fields):
    """Whatever becomes of it: an answer, nothing left behind, and the room goes on."""
    alice, room = make(home, remote)
    event = room.event("m.room.message", {"body": "odd"}, room.user)
    event.update(fields)
    event["signatures"] = {}
    try:
        event["hashes"] = fields.get("hashes", {"sha256": pdus.content_hash(event)})
        pdus.sign(event, room.version, remote.name, remote.key)
    except Exception:  # what the tests' own library cannot sign is sent without
        pass
    remote.send(home.name, [event])
    idle(home, room.room_id)
    said = room.say("goes on", room.user, to=[home.name])
    until(lambda: row(home, said))


def test_the_greatest_depth_ends_no_room(home, remote):
    """Nobody can make events that follow one of the greatest depth unless theirs is no deeper."""
    alice, room = make(home, remote)
    event = room.event("m.room.message", {"body": "deep"}, room.user, depth=2 ** 53 - 1)
    name = room.add(event)
    assert remote.send(home.name, [event]) == {name: {}}
    until(lambda: row(home, name))
    settle(alice)
    said = alice.send(room.room_id, "on top of it")
    assert home.sql(f"SELECT depth FROM events WHERE event_id = '{said}'") == [[str(2 ** 53 - 1)]]
    again = room.event("m.room.message", {"body": "and again"}, room.user, prev=[name], depth=2 ** 53 - 1)
    name = room.add(again)
    assert remote.send(home.name, [again]) == {name: {}}
    until(lambda: row(home, name))


def test_more_transactions_at_once_than_an_honest_server_sends(home, remote):
    """They wait for one another; what is too much is refused, and nothing else suffers."""
    alice, room = make(home, remote)
    room.say("hidden", room.user)
    statuses, threads = [], []
    edus = [{"edu_type": "m.nothing", "content": {"x": "y" * 2000}}] * 100

    def send(number):
        body = {"origin": remote.name, "origin_server_ts": 1, "pdus": [], "edus": edus}
        statuses.append(remote.call("PUT", home.name, f"{FED}/send/many{number}", body).status)

    for number in range(60):
        threads.append(threading.Thread(target=send, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 429} and 200 in statuses
    assert alice.send(room.room_id, "unharmed")
    assert remote.send(home.name, []) == {}
