"""Presence: who is there, who may see it, and what a sync says of itself."""

import json

import pytest

from lib.rooms import CLIENT, joined, refused
from lib.server import quote
from lib.wait import until


def status_path(user):
    return f"{CLIENT}/presence/{quote(user.user_id)}/status"


def status(reader, user, **kwargs):
    return reader.ok("GET", status_path(user), **kwargs)


def say(user, presence, **kwargs):
    base = kwargs.pop("base", None)
    user.ok("PUT", status_path(user), {"presence": presence, **kwargs}, base=base)


def told(answer, user):
    events = answer.get("presence", {}).get("events", [])
    return [e["content"] for e in events if e["sender"] == user.user_id]


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room


def workers(server):
    return server.worker_url("generic_worker1"), server.worker_url("generic_worker2")


def test_a_status_is_set_and_read_everywhere(server, pair):
    alice, bob, _ = pair
    one, two = workers(server)
    assert status(alice, alice) == {"presence": "offline"}
    say(alice, "unavailable", status_msg="böse \"q\"", base=one)
    for base in (one, two):
        got = until(lambda: [s for s in [status(bob, alice, base=base)] if s["presence"] == "unavailable"])[0]
        assert got["status_msg"] == "böse \"q\"" and "currently_active" not in got
    say(alice, "online", base=two)
    got = until(lambda: [s for s in [status(bob, alice, base=one)] if s["presence"] == "online"])[0]
    assert got["currently_active"] is True and 0 <= got["last_active_ago"] < 60000 and "status_msg" not in got


def test_strangers_see_nothing(server, pair):
    alice, bob, _ = pair
    stranger = server.register()
    say(alice, "online")
    refused(stranger.call("GET", status_path(alice)), 403, "M_FORBIDDEN")
    refused(stranger.call("PUT", status_path(alice), {"presence": "online"}), 403, "M_FORBIDDEN")
    assert told(stranger.sync(), alice) == []
    assert status(stranger, stranger)["presence"] == "online"  # the sync said so


def test_bad_input(server, pair):
    alice, *_ = pair
    for body in ({}, {"presence": "here"}, {"presence": 1}, {"presence": "online", "status_msg": 1},
                 {"presence": "online", "more": 1}, {"presence": "org.matrix.msc3026.busy"}, {"presence": None}):
        assert alice.call("PUT", status_path(alice), body).status == 400, body
    refused(alice.call("GET", f"{CLIENT}/presence/nobody/status"), 400)
    refused(alice.call("GET", f"{CLIENT}/sync", set_presence="busy"), 400, "M_INVALID_PARAM")
    assert alice.call("GET", f"{CLIENT}/presence/{quote(alice.user_id)}/status").json["presence"] == "offline"


def test_one_sees_oneself_in_a_first_sync(server):
    alice = server.register()
    assert told(alice.sync(set_presence="offline"), alice) == []
    assert status(alice, alice)["presence"] == "offline"
    assert told(alice.sync(), alice)[0]["presence"] == "online"
    assert told(alice.sync(set_presence="unavailable"), alice)[0]["presence"] == "unavailable"


def test_changes_wake_who_shares_a_room(server, pair):
    alice, bob, _ = pair
    one, two = workers(server)
    bob.sync()
    since = bob.sync(base=two)["next_batch"]
    say(alice, "unavailable", status_msg="tea", base=one)
    seen, since = bob.sync_until(lambda a: told(a, alice), since)
    assert seen[0]["presence"] == "unavailable" and seen[0]["status_msg"] == "tea"
    answer = bob.sync(since)
    assert told(answer, alice) == []  # once
    say(alice, "online", base=one)
    seen, _ = bob.sync_until(lambda a: told(a, alice), since)
    assert seen[0]["presence"] == "online"


def test_filters(server, pair):
    alice, bob, _ = pair
    since = bob.sync()["next_batch"]
    say(alice, "online", status_msg="x")
    bob.sync_until(lambda a: told(a, alice), since)

    def through(presence, since=since):
        return told(bob.sync(since, filter=json.dumps({"presence": presence})), alice)

    for empty in ({"types": []}, {"not_types": ["m.*"]}, {"not_senders": [alice.user_id]}, {"senders": [bob.user_id]}):
        assert through(empty) == [] and through(empty, None) == []
    for full in ({"senders": [alice.user_id]}, {"types": ["m.pres*"]}, {}):
        assert through(full)[0]["status_msg"] == through(full, None)[0]["status_msg"] == "x"
    assert alice.call("GET", f"{CLIENT}/sync", filter=json.dumps({"presence": {"types": "m.presence"}})).status == 400


def test_new_faces_come_with_their_presence(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    say(alice, "online", status_msg="host")
    say(bob, "online", status_msg="guest")
    a, b = alice.sync()["next_batch"], bob.sync()["next_batch"]
    bob.join(room)
    answer, _ = bob.sync_until(lambda r: r if joined(r, room) else None, b)
    assert told(answer, alice)[0]["status_msg"] == "host"
    answer, _ = alice.sync_until(lambda r: r if joined(r, room) else None, a)
    assert told(answer, bob)[0]["status_msg"] == "guest"


def test_doing_something_is_activity(server, pair):
    alice, bob, room = pair
    say(alice, "unavailable")
    since = bob.sync()["next_batch"]
    alice.send(room, "hello")
    seen, _ = bob.sync_until(lambda r: [c for c in told(r, alice) if c["presence"] == "online"], since)
    assert seen[0]["currently_active"] is True


def test_two_devices_weigh_as_the_more_present_one(server, pair):
    alice, bob, _ = pair
    phone = server.login(alice.user_id)
    say(alice, "online")
    say(phone, "unavailable")
    assert status(alice, alice)["presence"] == "online"
    say(alice, "offline")
    until(lambda: status(alice, alice)["presence"] == "unavailable")
    say(phone, "offline")
    until(lambda: status(alice, alice)["presence"] == "offline")


# ---- what time does: processes with short times ----

SHORT = {"presence": {"enabled": True, "last_active_granularity": "1s", "sync_online_timeout": "2s", "idle_timeout": "3s"}}


@pytest.fixture(scope="module", params=["monolith", "writer"])
def brief(request, own):
    """writer: in the split a worker decides."""
    writers = {"events": ["event_persister1", "event_persister2"], "typing": "generic_worker1"}
    if request.param == "writer":
        writers["presence"] = "generic_worker2"
    with own.running("presence", monolith=request.param == "monolith", extra_config=SHORT, stream_writers=writers) as server:
        yield server


def couple(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob


def quietly(reader, user):
    return status(reader, user)["presence"]


def test_who_stops_syncing_goes_offline(brief):
    alice, bob = couple(brief)
    one, _ = workers(brief)
    until(lambda: alice.sync(base=one) and quietly(bob, alice) == "online")
    since = alice.sync(base=one)["next_batch"]
    for _ in range(3):  # a long poll counts as long as it lasts
        since = alice.sync(since, timeout=1500, base=one)["next_batch"]
        assert quietly(bob, alice) != "offline"
    until(lambda: quietly(bob, alice) == "offline")


def test_who_only_syncs_becomes_unavailable(brief):
    alice, bob = couple(brief)
    say(alice, "online")
    until(lambda: alice.sync(set_presence="unavailable") and quietly(bob, alice) == "unavailable")
    alice.sync()
    until(lambda: quietly(bob, alice) == "offline")


def test_a_restart_forgets_nobody_who_is_there(brief, postgres):
    alice, bob = couple(brief)
    say(alice, "online", status_msg="still here")
    worker = None
    deployment = brief.deployment
    if deployment.workers and deployment.stream_writers.get("presence"):
        worker = next(w for w in deployment.workers if w.name == "generic_worker2")
    deployment.processes[worker.name if worker else "main"].stop()
    deployment.start_process(worker)
    seen = until(lambda: [s for s in [alice.call("GET", status_path(alice)).json] if s and "presence" in s])[0]
    assert seen["status_msg"] == "still here"
    until(lambda: quietly(bob, alice) == "offline")
    rows = postgres.sql(f"SELECT state FROM presence_stream WHERE user_id = '{alice.user_id}'", deployment.database)
    assert rows == [["offline"]]


@pytest.mark.parametrize("off", [{"use_presence": False}, {"presence": {"enabled": False}}, {"presence": {"enabled": "untracked"}}])
def test_presence_may_be_off(off, own):
    with own.running("off", monolith=True, extra_config=off) as server:
        alice, bob = couple(server)
        say(alice, "online")
        assert status(alice, alice) == status(bob, alice) == {"presence": "offline"}
        assert "presence" not in bob.sync()
