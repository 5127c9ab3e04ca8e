"""Jumping to a date; reports to the administrators."""

import pytest

from lib.rooms import CLIENT, room_path, refused
from lib.server import quote


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room


def at_time(user, room, **query):
    return user.call("GET", f"/_matrix/client/v1/rooms/{quote(room)}/timestamp_to_event", **query)


def test_timestamp_to_event(pair):
    alice, bob, room = pair
    sent = [alice.send(room, f"m{i}") for i in range(3)]
    times = [alice.ok("GET", room_path(room, "event", e))["origin_server_ts"] for e in sent]
    found = at_time(bob, room, ts=times[2], dir="f").json
    assert found["origin_server_ts"] == times[2] and found["event_id"] in sent
    assert at_time(bob, room, ts=times[2] + 1, dir="b").json["event_id"] == sent[2]
    assert at_time(bob, room, ts=0).json["event_id"] == alice.ok("GET", room_path(room, "state", "m.room.create", "") + "?format=event")["event_id"]
    refused(at_time(bob, room, ts=times[2] + 1, dir="f"), 404, "M_NOT_FOUND")
    refused(at_time(bob, room, ts=0, dir="b"), 404, "M_NOT_FOUND")
    refused(at_time(bob, room), 400, "M_MISSING_PARAM")
    for query in ({"ts": "x"}, {"ts": -1}, {"ts": 1, "dir": "x"}):
        refused(at_time(bob, room, **query), 400, "M_INVALID_PARAM")
    refused(at_time(bob, room, ts="9" * 40, dir="f"), 404, "M_NOT_FOUND")  # later than all there is
    assert at_time(bob, room, ts="9" * 40, dir="b").json["event_id"] == sent[2]
    refused(at_time(alice.server.register(), room, ts=0), 403, "M_FORBIDDEN")
    bob.leave(room)
    refused(at_time(bob, room, ts=0), 403, "M_FORBIDDEN")


def rows(server, table, where):
    return server.sql(f"SELECT id, COALESCE(reason, '-') FROM {table} WHERE {where} ORDER BY id")


def test_reports(server, pair):
    alice, bob, room = pair
    event = alice.send(room, "rude")
    path = room_path(room, "report", event)
    assert bob.call("POST", path, {"reason": "so rude", "score": -100}).json == {}
    assert bob.call("POST", path, {}).json == {}
    for body in ({"reason": 5}, {"reason": None}, {"score": "x"}, {"score": 1.5}, {"score": True}, [1]):
        refused(bob.call("POST", path, body), 400, "M_BAD_JSON")
    stranger = server.register()
    refused(stranger.call("POST", path, {}), 404, "M_NOT_FOUND")
    refused(bob.call("POST", room_path(room, "report", "$nope"), {}), 404, "M_NOT_FOUND")
    assert bob.call("POST", room_path(room, "report"), {"reason": "bad room"}).json == {}
    refused(bob.call("POST", room_path("!nope:here", "report"), {"reason": "x"}), 404, "M_NOT_FOUND")
    user_path = f"{CLIENT}/users/{quote(alice.user_id)}/report"
    assert bob.call("POST", user_path, {"reason": "bad user"}).json == {}
    assert bob.call("POST", f"{CLIENT}/users/{quote('@nobody:here')}/report", {"reason": "x"}).json == {}
    for where in (room_path(room, "report"), user_path):
        refused(stranger.call("POST", where, {}), 400, "M_MISSING_PARAM")
        refused(stranger.call("POST", where, {"reason": 5}), 400, "M_BAD_JSON")
    found = rows(server, "event_reports", f"event_id = '{event}'")
    assert [row[1] for row in found] == ["so rude", "-"]
    assert int(found[1][0]) > int(found[0][0]) >= 2
    assert [row[1] for row in rows(server, "room_reports", f"room_id = '{room}'")] == ["bad room"]
    assert [row[1] for row in rows(server, "user_reports", f"user_id = '{bob.user_id}'")] == ["bad user"]
