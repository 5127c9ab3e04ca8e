"""History from before we came, asked of those who have it when a client pages back to it."""

import threading

import pytest

from lib.server import quote
from lib.wait import until

FED = "/_matrix/federation"


def entered(home, remote, n, **options):
    """A room with n messages from before our time; and who came."""
    alice = home.register()
    room = remote.create_room(**options)
    room.send("m.room.history_visibility", {"history_visibility": "shared"}, remote.user("creator"), "")
    said = [room.say(f"message {i}", remote.user("creator")) for i in range(n)]
    answer = alice.call("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?server_name={quote(remote.name)}", {})
    assert answer.status == 200, answer
    return alice, room, said


def pages(user, room_id, limit=10, most=40, **query):
    """Events of page after page backwards, until the history ends."""
    events, start = [], None
    for _ in range(most):
        answer = user.ok("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/messages", dir="b", limit=limit, **query,
                         **({"from": start} if start else {}))
        events += answer["chunk"]
        start = answer.get("end")
        if start is None:
            return events
    raise AssertionError("history does not end")


@pytest.mark.parametrize("version", ["1", "6", "11", "12"])
def test_all_of_it(home, remote, version):
    alice, room, said = entered(home, remote, 25, version=version)
    found = [e["event_id"] for e in pages(alice, room.room_id)]
    assert found == list(reversed(room.order))
    assert not home.sql(f"SELECT 1 FROM event_backward_extremities WHERE room_id = '{room.room_id}'")
    assert not home.sql(f"SELECT 1 FROM events WHERE room_id = '{room.room_id}' AND outlier")
    assert not home.sql(f"SELECT 1 FROM events e LEFT JOIN event_to_state_groups g USING (event_id) WHERE e.room_id = '{room.room_id}' AND g.event_id IS NULL")


def test_more_than_one_answer(home, remote):
    """250 messages: each answer has at most 100, and the state where it ends is asked for."""
    alice, room, said = entered(home, remote, 250)
    found = [e["event_id"] for e in pages(alice, room.room_id, limit=100)]
    assert found == list(reversed(room.order))
    assert all(int(asked.query["limit"][0]) <= 100 for asked in remote.asked if "/backfill/" in asked.path)


def test_a_page_waits_for_history_that_is_under_way(home, remote):
    """The page before has asked for it, while nobody waited."""
    alice, room, said = entered(home, remote, 130)
    go_on, found, start = threading.Event(), [], None
    go_on.set()
    remote.on("GET", f"{FED}/v1/backfill/.*", lambda asked: (go_on.wait(60), (200, room._backfill(asked, "backfill", [])))[1])
    for n in range(4):
        if n == 2:
            go_on.clear()  # from here on it takes its time
        if n == 3:
            threading.Timer(0.5, go_on.set).start()
        answer = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/messages", dir="b", limit=30, **({"from": start} if start else {}))
        found, start = found + [e["event_id"] for e in answer["chunk"]], answer["end"]
    assert found == list(reversed(room.order))[:120]


def test_not_before_it_is_near(home, remote):
    """A page that does not come near the gap costs nobody a question."""
    alice, room, said = entered(home, remote, 3)
    for i in range(30):
        alice.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/send/m.room.message/t{i}", {"msgtype": "m.text", "body": str(i)})
    alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/messages", dir="b", limit=5)
    assert not any("/backfill/" in asked.path for asked in remote.asked)


def test_nobody_tells(home, remote):
    alice, room, said = entered(home, remote, 3)
    remote.on("GET", f"{FED}/v1/backfill/.*", (403, {"errcode": "M_FORBIDDEN", "error": "not for you"}))
    assert [e["type"] for e in pages(alice, room.room_id)] == ["m.room.member"]
    remote.down = True
    assert [e["type"] for e in pages(alice, room.room_id)] == ["m.room.member"]


@pytest.mark.parametrize("answer", [{}, {"pdus": 1}, {"pdus": [1, "a", None]}, {"pdus": [{}]}, [], {"pdus": [{"type": "x" * 300}]}])
def test_nonsense(home, remote, answer):
    alice, room, said = entered(home, remote, 3)
    remote.on("GET", f"{FED}/v1/backfill/.*", (200, answer))
    assert [e["type"] for e in pages(alice, room.room_id)] == ["m.room.member"]


def test_of_another_room(home, remote):
    alice, room, said = entered(home, remote, 3)
    other = remote.create_room(creator="else")
    other.say("elsewhere", remote.user("else"))
    remote.on("GET", f"{FED}/v1/backfill/.*", (200, {"pdus": [other.events[name] for name in other.order] + [room.events[said[-1]]]}))
    assert [e["type"] for e in pages(alice, room.room_id)] == ["m.room.member"]
    assert not home.sql(f"SELECT 1 FROM events WHERE room_id = '{other.room_id}'")


def test_forged_ones_are_left_out(home, remote):
    alice, room, said = entered(home, remote, 3)
    def answer(asked, room_id):
        status, body = room.answer(asked, "v1", "backfill", [])
        for event in body["pdus"]:
            if event["content"].get("body") == "message 2":
                event["signatures"] = {remote.name: {remote.key_id: "A" * 86}}
        return status, body
    remote.on("GET", f"{FED}/v1/backfill/([^/]+)", answer)
    bodies = [e["content"].get("body") for e in pages(alice, room.room_id)]
    assert "message 2" not in bodies


def test_history_that_we_may_not_see_is_not_asked_for(home, remote):
    alice = home.register()
    room = remote.create_room()
    creator = remote.user("creator")
    room.send("m.room.history_visibility", {"history_visibility": "joined"}, creator, "")
    room.say("among us", creator)
    alice.ok("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?server_name={quote(remote.name)}", {})
    assert "among us" not in [e["content"].get("body") for e in pages(alice, room.room_id)]


def test_at_a_moment(home, remote):
    """The other server knows an event that is nearer to it than what we hold."""
    alice, room, said = entered(home, remote, 5)
    wanted = room.events[said[2]]
    remote.on("GET", f"{FED}/v1/timestamp_to_event/([^/]+)",
              (200, {"event_id": said[2], "origin_server_ts": wanted["origin_server_ts"]}))
    found = alice.ok("GET", f"/_matrix/client/v1/rooms/{quote(room.room_id)}/timestamp_to_event", ts=wanted["origin_server_ts"], dir="f")
    assert found == {"event_id": said[2], "origin_server_ts": wanted["origin_server_ts"]}
    context = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room.room_id)}/context/{quote(said[2])}")
    assert context["event"]["content"]["body"] == "message 2"


@pytest.mark.parametrize("answer", [(404, {"errcode": "M_NOT_FOUND", "error": "none"}), (200, {"event_id": 3}), (200, {}),
                                    (200, {"event_id": "$nothing", "origin_server_ts": 1})])
def test_at_a_moment_without_help(home, remote, answer):
    alice, room, said = entered(home, remote, 5)
    remote.on("GET", f"{FED}/v1/timestamp_to_event/([^/]+)", answer)
    answer = alice.call("GET", f"/_matrix/client/v1/rooms/{quote(room.room_id)}/timestamp_to_event?ts=1&dir=b")
    assert (answer.status, answer.json["errcode"]) == (404, "M_NOT_FOUND")


def test_a_branch_beside_ours(home, remote):
    """They spoke while nothing went between us, and so did we: our branch fills each page, so no hole of theirs shows. It is
    asked for all the same, while nobody waits."""
    alice, room, said = entered(home, remote, 1)
    fork = list(room.leaves)
    for i in range(60):
        alice.send(room.room_id, f"ours {i}")
    theirs, prev = [], fork
    for i in range(40):
        theirs.append(room.say(f"theirs {i}", remote.user("creator"), prev=prev))
        prev = [theirs[-1]]
    remote.send(home.name, [room.events[theirs[-1]]])
    until(lambda: home.sql(f"SELECT 1 FROM events WHERE event_id = '{theirs[-1]}' AND NOT outlier"))
    assert not home.sql(f"SELECT 1 FROM events WHERE event_id = '{theirs[5]}'"), "more was asked for than this test wants"
    until(lambda: set(theirs) <= {e["event_id"] for e in pages(alice, room.room_id, limit=20)})
