"""Events that other servers send: placed, rejected, soft-failed, filled in; and what clients and tables then show."""

import json
import threading

import pytest

from lib import pdu as pdus
from lib.entered import entered, known
from lib.server import quote
from lib.wait import until

FED = "/_matrix/federation/v1"
PUBLIC = {"preset": "public_chat"}


def row(home, event_id):
    """What the table says of an event, once it is there."""
    found = home.sql("SELECT rejection_reason IS NULL, outlier, stream_ordering > 0, COALESCE(j.internal_metadata::json->>'soft_failed', 'false') "
                     f"FROM events e JOIN event_json j USING (event_id) WHERE e.event_id = '{event_id}'")
    return found[0] if found else None


def arrived(home, event_id):
    return until(lambda: row(home, event_id))


def idle(home, room):
    """Nothing of the room is staged any more."""
    until(lambda: home.sql(f"SELECT count(*) FROM federation_inbound_events_staging WHERE room_id = '{room}'") == [["0"]])


def stage(home, remote, room, names):
    """As a process leaves them that dies after its answer."""
    def quoted(name):
        return json.dumps(room.events[name]).replace("'", "''")

    rows = [f"('{remote.name}', '{room.room_id}', '{name}', {n + 1}, '{quoted(name)}', '{{}}')" for n, name in enumerate(names)]
    for start in range(0, len(rows), 50):
        home.sql("INSERT INTO federation_inbound_events_staging (origin, room_id, event_id, received_ts, event_json, internal_metadata) VALUES "
                 + ", ".join(rows[start:start + 50]))


def in_sync(answer, room):
    joined = answer.get("rooms", {}).get("join", {}).get(room, {})
    return [event["event_id"] for event in joined.get("timeline", {}).get("events", [])]


def make(home, remote, version="10", **options):
    alice = home.register()
    room = alice.create_room(room_version=version, **{**PUBLIC, **options})
    return alice, entered(home, remote, room, version)


@pytest.mark.parametrize("version", ["1", "3", "6", "11", "12"])
def test_what_others_say_is_seen(home, remote, version):
    alice, room = make(home, remote, version)
    since = alice.sync()["next_batch"]
    said = room.say("hello", room.user, to=[home.name])
    alice.sync_until(lambda answer: said in in_sync(answer, room.room_id), since)
    assert alice.state(room.room_id, "m.room.member", room.user)["membership"] == "join"
    event = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/event/{quote(said)}")
    assert event["content"]["body"] == "hello" and event["sender"] == room.user
    answer = alice.send(room.room_id, "and hello to you")
    assert home.sql(f"SELECT prev_event_id FROM event_edges WHERE event_id = '{answer}'") == [[said]]


def test_those_who_are_spoken_of_are_notified(home, remote):
    alice, room = make(home, remote)
    since = alice.sync()["next_batch"]
    room.say(f"{alice.user_id.split(':')[0][1:]} look", room.user, to=[home.name])
    alice.sync_until(lambda answer: answer.get("rooms", {}).get("join", {}).get(room.room_id, {})
                     .get("unread_notifications", {}).get("highlight_count") == 1, since)


def test_the_same_transaction_again(home, remote):
    alice, room = make(home, remote)
    event = room.event("m.room.message", {"msgtype": "m.text", "body": "once"}, room.user)
    name = room.add(event)
    answers = []

    def send():
        answers.append(remote.send(home.name, [event], txn="the same"))

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{name: {}}] * 5
    assert remote.send(home.name, [], txn="the same") == {name: {}}, "the answer is kept"
    arrived(home, name)
    assert home.sql(f"SELECT count(*), max(response_code) FROM received_transactions WHERE origin = '{remote.name}' "
                    "AND transaction_id = 'the same'") == [["1", "200"]]
    idle(home, room.room_id)


def test_limits_and_what_is_no_transaction(home, remote):
    path = f"{FED}/send/"
    edu = {"edu_type": "m.unknown", "content": {}}
    base = {"origin": remote.name, "origin_server_ts": 1}
    for number, body in enumerate(({"pdus": [{}] * 51}, {"edus": [edu] * 101}, {"pdus": {}}, {"pdus": [], "edus": "no"})):
        answer = remote.call("PUT", home.name, f"{path}bad{number}", {**base, **body})
        assert answer.status == 400, answer
    assert remote.ok("PUT", home.name, f"{path}fine", {**base, "pdus": [], "edus": [edu] * 100}) == {"pdus": {}}
    odd = [{}, {"room_id": 3}, {"room_id": "!nobody:knows"}, {"room_id": "no room"}, 7, None, "text", []]
    assert remote.ok("PUT", home.name, f"{path}odd", {**base, "pdus": odd, "edus": [3, None, {}, {"edu_type": 1, "content": []}]}) == {"pdus": {}}


def test_wrong_ones_are_named_and_do_not_stop_the_others(home, remote, remotes):
    alice, room = make(home, remote)
    good = room.event("m.room.message", {"body": "good"}, room.user)
    forged = room.event("m.room.message", {"body": "forged"}, alice.user_id)
    floating = room.event("m.room.message", {"body": "a float", "x": 1.5}, room.user)
    answer = remote.send(home.name, [forged, good, floating])
    good, forged, floating = room.add(good), room.add(forged), room.add(floating)
    assert answer[good] == {} and "error" in answer[forged], answer
    assert answer.get(floating, {"error": 1}) != {}
    arrived(home, good)
    idle(home, room.room_id)
    assert row(home, forged) is None and row(home, floating) is None


def test_who_is_not_in_the_room_is_rejected(home, remote):
    alice, room = make(home, remote)
    before = room.leaves
    stranger = remote.user("stranger")
    levels = room.state["m.room.power_levels", ""], room.state["m.room.create", ""]
    bad = room.event("m.room.message", {"body": "let me in"}, stranger, auth=list(levels))
    state = room.event("m.room.topic", {"topic": "mine"}, stranger, "", auth=list(levels))
    names = [room.add(bad), room.add(state)]
    assert remote.send(home.name, [bad, state]) == {name: {} for name in names}
    for name in names:
        assert arrived(home, name) == ["f", "f", "t", "false"]
        assert home.sql(f"SELECT reason FROM rejections WHERE event_id = '{name}'") == [["auth_error"]]
    room.leaves = before
    after = room.say("still here", room.user, prev=names[-1:], to=[home.name])
    assert arrived(home, after) == ["t", "f", "t", "false"]
    assert alice.call("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/state/m.room.topic").status == 404
    assert names[0] not in [e["event_id"] for e in alice.messages(room.room_id, limit=50)["chunk"]]
    assert alice.call("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/event/{quote(names[0])}").status == 404


def test_what_the_room_would_not_allow_now_is_soft_failed(home, remote):
    alice, room = make(home, remote)
    old_leaves = list(room.leaves)
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/ban", {"user_id": room.user})
    evading = room.event("m.room.message", {"body": "before the ban, honestly"}, room.user, prev=old_leaves)
    name = room.add(evading)
    assert remote.send(home.name, [evading]) == {name: {}}
    assert arrived(home, name) == ["t", "f", "t", "true"]
    assert name not in [e["event_id"] for e in alice.messages(room.room_id, limit=50)["chunk"]]
    assert home.sql(f"SELECT count(*) FROM event_forward_extremities WHERE event_id = '{name}'") == [["0"]]
    assert home.sql(f"SELECT count(*) FROM event_to_state_groups WHERE event_id = '{name}'") == [["1"]]
    assert home.sql(f"SELECT count(*) FROM event_edges WHERE event_id = '{name}'") == [["1"]]


def test_both_ends_of_a_fork(home, remote):
    alice, room = make(home, remote)
    root = list(room.leaves)
    ours = alice.send(room.room_id, "one side")
    theirs = room.say("the other side", room.user, prev=root, to=[home.name])
    arrived(home, theirs)
    ends = home.sql(f"SELECT event_id FROM event_forward_extremities WHERE room_id = '{room.room_id}'")
    assert sorted(end for end, in ends) == sorted([ours, theirs])
    merge = alice.send(room.room_id, "and together")
    prevs = home.sql(f"SELECT prev_event_id FROM event_edges WHERE event_id = '{merge}'")
    assert sorted(prev for prev, in prevs) == sorted([ours, theirs])


def test_states_of_a_fork_are_resolved(home, remote):
    alice, room = make(home, remote, power_level_content_override={"state_default": 0})
    root = list(room.leaves)
    alice.put_state(room.room_id, "x.ours", {"side": "a"})
    theirs = room.send("x.theirs", {"side": "b"}, room.user, "", prev=root, to=[home.name])
    arrived(home, theirs)
    until(lambda: alice.call("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/state/x.theirs").status == 200)
    assert alice.state(room.room_id, "x.ours") == {"side": "a"}
    merge = alice.send(room.room_id, "together")
    assert home.sql(f"SELECT count(*) FROM event_edges WHERE event_id = '{merge}'") == [["2"]]
    assert alice.state(room.room_id, "x.theirs") == {"side": "b"}


def test_missing_events_are_asked_for(home, remote):
    alice, room = make(home, remote)
    since = alice.sync()["next_batch"]
    hidden = [room.say(f"hidden {n}", room.user) for n in range(3)]
    shown = room.say("shown", room.user, to=[home.name])
    for name in hidden + [shown]:
        assert arrived(home, name) == ["t", "f", "t", "false"]
    asked = [asked for asked in remote.asked if "get_missing_events" in asked.path]
    assert len(asked) == 1 and asked[0].body["latest_events"] == [shown] and asked[0].body["limit"] == 10
    assert asked[0].origin == home.name
    seen = []
    alice.sync_until(lambda answer: seen.extend(in_sync(answer, room.room_id)) or shown in seen, since)
    assert [name for name in seen if name in hidden + [shown]] == hidden + [shown]


def test_what_nobody_tells_of_is_dropped(home, remote):
    alice, room = make(home, remote)
    room.missing_answers = False
    missing = room.say("missing", room.user)
    sent = room.say("sent", room.user, to=[home.name])
    idle(home, room.room_id)
    assert row(home, sent) is None and row(home, missing) is None
    assert not [asked for asked in remote.asked if "state_ids" in asked.path]
    later = room.say("later", room.user, to=[home.name])
    until(lambda: len([asked for asked in remote.asked if "get_missing_events" in asked.path]) == 2)
    idle(home, room.room_id)
    assert row(home, later) is None


def test_the_state_where_a_gap_stays(home, remote):
    alice, room = make(home, remote, power_level_content_override={"state_default": 0})
    topic = room.send("x.hidden", {"n": 1}, room.user, "")
    for n in range(15):
        room.say(f"hidden {n}", room.user)
    told = room.say("told", room.user)
    shown = room.say("shown", room.user)
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [room.events[told]]}))
    assert remote.send(home.name, [room.events[shown]]) == {shown: {}}
    assert arrived(home, shown) == ["t", "f", "t", "false"] and row(home, told) == ["t", "f", "t", "false"]
    gap = room.prev_of(room.events[told])
    asked = [asked for asked in remote.asked if "state_ids" in asked.path]
    assert [asked.query["event_id"] for asked in asked] == [gap]
    assert row(home, topic) == ["t", "t", "f", "false"], "an outlier of history"
    assert alice.state(room.room_id, "x.hidden") == {"n": 1}
    assert home.sql(f"SELECT event_id FROM event_backward_extremities WHERE room_id = '{room.room_id}'") == [gap]
    assert home.sql(f"SELECT count(*) FROM timeline_gaps WHERE room_id = '{room.room_id}'") == [["1"]]


def test_an_outlier_becomes_a_full_event(home, remote):
    alice, room = make(home, remote, power_level_content_override={"state_default": 0})
    hidden = room.send("x.hidden", {"n": 1}, room.user, "")
    told = room.say("told", room.user)
    shown = room.say("shown", room.user)
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [room.events[told]]}))
    remote.send(home.name, [room.events[shown]])
    arrived(home, shown)
    assert row(home, hidden) == ["t", "t", "f", "false"]
    assert remote.send(home.name, [room.events[hidden]]) == {hidden: {}}
    until(lambda: row(home, hidden)[1] == "f")
    assert row(home, hidden) == ["t", "f", "f", "false"], "it keeps the id that it had"
    assert home.sql(f"SELECT count(*) FROM ex_outlier_stream WHERE event_id = '{hidden}'") == [["1"]]
    assert home.sql(f"SELECT count(*) FROM event_to_state_groups WHERE event_id = '{hidden}'") == [["1"]]
    assert home.sql(f"SELECT count(*) FROM event_forward_extremities WHERE event_id = '{hidden}'") == [["0"]]


def test_missing_auth_events_are_asked_for(home, remote):
    alice, room = make(home, remote)
    guest = remote.user("guest")
    joined = room.send("m.room.member", {"membership": "join"}, guest, guest)
    room.leaves = [leaf for leaf in room.leaves if leaf != joined]
    room.missing_answers = True
    prev = room.prev_of(room.events[joined])
    event = room.event("m.room.message", {"body": "by a member whom you do not know"}, guest, prev=prev,
                       auth=[room.before(prev)["m.room.power_levels", ""], room.before(prev)["m.room.create", ""], joined])
    name = room.add(event)
    remote.send(home.name, [event])
    assert arrived(home, name)[0] == "f", "the state before it does not have that member"
    assert row(home, joined) == ["t", "t", "f", "false"]
    assert [asked for asked in remote.asked if "/event_auth/" in asked.path]


def test_who_is_not_let_in_by_the_acl(home, remote, remotes):
    alice, room = make(home, remote)
    alice.put_state(room.room_id, "m.room.server_acl", {"allow": ["*"], "deny": [remote.name.partition(":")[0]]})
    event = room.event("m.room.message", {"body": "hello?"}, room.user)
    name = room.add(event)
    answer = remote.send(home.name, [event])
    assert answer[name].get("errcode") == "M_FORBIDDEN" or "error" in answer[name], answer
    assert home.sql(f"SELECT count(*) FROM federation_inbound_events_staging WHERE event_id = '{name}'") == [["0"]]
    assert row(home, name) is None


@pytest.mark.parametrize("first", ["target", "redaction"])
def test_redactions_before_and_after_their_target(home, remote, first):
    alice, room = make(home, remote)
    target = room.event("m.room.message", {"msgtype": "m.text", "body": "oops"}, room.user)
    name = room.add(target)
    redaction = room.event("m.room.redaction", {}, room.user, redacts=name)
    redacts = room.add(redaction)
    remote.on("POST", f"{FED}/get_missing_events/.*", (200, {"events": [target]}))
    order = [target, redaction] if first == "target" else [redaction]
    remote.send(home.name, order)
    arrived(home, redacts)
    seen = until(lambda: alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/event/{quote(name)}"))
    assert seen["content"] == {} and seen["unsigned"]["redacted_by"] == redacts


def test_a_redaction_of_another_room_is_not_shown(home, remote):
    alice, room = make(home, remote)
    _, second = make(home, remote)
    alice.join(second.room_id)
    target = room.say("stays", room.user, to=[home.name])
    since = alice.sync()["next_batch"]
    strayed = second.send("m.room.redaction", {}, second.user, to=[home.name], redacts=target)
    after = second.say("afterwards", second.user, to=[home.name])
    seen, _ = alice.sync_until(lambda answer: after in in_sync(answer, second.room_id) and in_sync(answer, second.room_id), since)
    assert strayed not in seen
    kept = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/event/{quote(target)}")
    assert kept["content"]["body"] == "stays"


def test_a_redaction_of_another_servers_event_hides_nothing(home, remote):
    alice, room = make(home, remote)
    said = alice.send(room.room_id, "mine")
    known_room = known(home, remote, room.room_id, room.version)
    redaction = known_room.event("m.room.redaction", {}, room.user, redacts=said)
    name = known_room.add(redaction)
    remote.send(home.name, [redaction])
    assert arrived(home, name) == ["t", "f", "t", "false"]
    event = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/event/{quote(said)}")
    assert event["content"]["body"] == "mine"
    assert home.sql(f"SELECT recheck FROM redactions WHERE event_id = '{name}'") == [["t"]]


def test_a_room_that_nobody_here_is_in(home, remote):
    alice, room = make(home, remote)
    alice.leave(room.room_id)
    before = len(remote.asked)
    event = room.event("m.room.message", {"body": "anybody?"}, room.user)
    name = room.add(event)
    assert remote.send(home.name, [event]) == {name: {}}
    idle(home, room.room_id)
    assert row(home, name) is None
    assert not [asked for asked in remote.asked[before:] if "get_missing" in asked.path]


def test_what_was_left_staged_is_taken_up(home, remote):
    """A process died between the answer and the event."""
    alice, room = make(home, remote)
    name = room.say("left behind", room.user)
    stage(home, remote, room, [name])
    said = room.say("next", room.user, to=[home.name])
    arrived(home, said)
    assert row(home, name) == ["t", "f", "t", "false"]
    assert not [asked for asked in remote.asked if "get_missing" in asked.path]


def test_many_staged_events_of_one_room(home, remote):
    """More than one turn of the room: all of them are there in the end, in their order."""
    alice, room = make(home, remote)
    names = [room.say(f"number {n}", room.user) for n in range(150)]
    for start in range(0, 150, 50):
        answer = remote.send(home.name, [room.events[name] for name in names[start:start + 50]])
        assert set(answer) == set(names[start:start + 50])
    assert until(lambda: row(home, names[-1]), 60) == ["t", "f", "t", "false"]
    idle(home, room.room_id)
    assert home.sql(f"SELECT event_id FROM event_forward_extremities WHERE room_id = '{room.room_id}'") == [[names[-1]]]
    assert not [asked for asked in remote.asked if "get_missing" in asked.path]


def test_far_too_many_staged_events_of_one_room(home, remote):
    """What other staged events stand on goes; the rest is handled, and asks for what it needs."""
    alice, room = make(home, remote)
    names = [room.say(f"number {n}", room.user) for n in range(1050)]
    stage(home, remote, room, names)
    said = room.say("the last", room.user, to=[home.name])
    assert until(lambda: row(home, said), 60) == ["t", "f", "t", "false"]
    idle(home, room.room_id)
    assert [asked for asked in remote.asked if "get_missing" in asked.path]
    assert row(home, names[500]) is None


def test_an_invitation_that_is_taken_back(home, remote, remotes):
    """By the server that invited; nobody else can be judged without the room's state."""
    alice = home.register()
    room = remote.create_room("10", join_rule="invite")
    creator, stranger = remote.user("creator"), remotes()
    invite = room.event("m.room.member", {"membership": "invite"}, creator, alice.user_id)
    name = pdus.event_id(invite, "10")
    shown = [{key: room.state_event(kind)[key] for key in ("type", "state_key", "sender", "content")} for kind in ("m.room.create", "m.room.join_rules")]
    remote.ok("PUT", home.name, f"/_matrix/federation/v2/invite/{quote(room.room_id)}/{quote(name)}",
              {"room_version": "10", "event": invite, "invite_room_state": shown})
    room.add(invite)
    since = alice.sync_until(lambda answer: answer.get("rooms", {}).get("invite", {}).get(room.room_id))[1]
    foreign = pdus.build("10", stranger.name, stranger.key, type="m.room.member", state_key=alice.user_id, sender=stranger.user("x"),
                         content={"membership": "leave"}, room_id=room.room_id, depth=9, prev_events=[name], auth_events=[])
    stranger.send(home.name, [foreign])
    idle(home, room.room_id)
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["invite"]]
    leave = room.event("m.room.member", {"membership": "leave"}, creator, alice.user_id)
    assert remote.send(home.name, [leave]) == {room.add(leave): {}}
    alice.sync_until(lambda answer: room.room_id in answer.get("rooms", {}).get("leave", {}), since)
    assert home.sql(f"SELECT membership FROM local_current_membership WHERE room_id = '{room.room_id}'") == [["leave"]]
