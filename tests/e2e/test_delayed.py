"""Events that are sent later (MSC4140)."""

import pytest

from lib.rooms import CLIENT, refused, room_path
from lib.server import request
from lib.wait import until

DELAYED = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"
FAR, KIND = 3_000_000, "org.example.call"


@pytest.fixture(scope="module", params=["monolith", "split"])
def server(request, own):
    extra = {"max_event_delay_duration": "1h", "experimental_features": {"msc4140_max_delayed_events_per_user": 4},
             "rc_delayed_event_mgmt": {"per_second": 1000, "burst_count": 1000}}
    with own.running("delayed", monolith=request.param == "monolith", extra_config=extra) as one:
        yield one


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", power_level_content_override={"events": {KIND: 0}})
    bob.join(room)
    return alice, bob, room


def delay(user, room, ms, *parts, content=None, **kwargs):
    answer = user.call("PUT", room_path(room, *parts), content if content is not None else {"by": user.user_id}, **{"org.matrix.msc4140.delay": ms}, **kwargs)
    return answer.json["delay_id"] if answer.status == 200 else answer


def act(server, delay_id, action, base=None):
    return request("POST", f"{base or server.base_url}{DELAYED}/{delay_id}/{action}", {})


def waiting(user, base=None):
    return [e["delay_id"] for e in user.ok("GET", DELAYED, base=base)["delayed_events"]]


def state(user, room, key=""):
    answer = user.call("GET", room_path(room, "state", KIND, key))
    return answer.json if answer.status == 200 else None


def test_sent_when_due(server, pair):
    alice, bob, room = pair
    worker, other = server.worker_url("generic_worker1"), server.worker_url("generic_worker2")
    first = delay(alice, room, 300, "send", "m.room.message", "t1", content={"msgtype": "m.text", "body": "late"}, base=worker)
    assert first.startswith("syd_") and len(first) == 24
    assert delay(alice, room, 300, "send", "m.room.message", "t1", base=worker) == first  # the same transaction
    second = delay(alice, room, 300, "state", KIND, "a", base=other)
    told, _ = bob.sync_until(lambda a: [e for e in a.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
                                        if e["content"].get("body") == "late"])
    assert told[0]["sender"] == alice.user_id and "org.matrix.msc4140.delay_id" not in told[0]["unsigned"]
    mine = alice.ok("GET", room_path(room, "event", told[0]["event_id"]))
    assert mine["unsigned"]["org.matrix.msc4140.delay_id"] == first
    until(lambda: state(bob, room, "a") == {"by": alice.user_id})
    until(lambda: waiting(alice) == [] and server.sql("SELECT count(*) FROM delayed_events") == [["0"]])
    refused(act(server, second, "send"), 404, "M_NOT_FOUND")


def test_managed_by_id(server, pair):
    alice, bob, room = pair
    worker = server.worker_url("generic_worker1")
    one, two, three = (delay(alice, room, FAR - 10000 * i, "state", KIND, str(i + 1), base=worker) for i in range(3))
    held = alice.ok("GET", f"{DELAYED}/{one}", base=worker)
    assert held == {"delay_id": one, "room_id": room, "type": KIND, "state_key": "1", "delay_ms": FAR, "content": {"by": alice.user_id},
                    "delayed_since_ts": held["delayed_since_ts"]}
    listed = alice.ok("GET", DELAYED)["delayed_events"]
    assert [e["delay_id"] for e in listed] == [three, two, one]
    assert listed[2] == {**held, "delay": FAR, "running_since": held["delayed_since_ts"]}
    refused(bob.call("GET", f"{DELAYED}/{one}"), 404, "M_NOT_FOUND")
    until(lambda: act(server, three, "restart", worker).json == {} and
          alice.ok("GET", f"{DELAYED}/{three}")["delayed_since_ts"] > listed[0]["running_since"])
    assert act(server, two, "send", worker).json == {} and act(server, three, "cancel", worker).json == {}
    until(lambda: state(bob, room, "2") == {"by": alice.user_id})
    assert waiting(alice) == [one] and state(bob, room, "3") is None
    assert request("POST", f"{server.base_url}{DELAYED}/{one}", {"action": "cancel"}).json == {}
    for body, code in (({}, "M_MISSING_PARAM"), ({"action": "x"}, "M_INVALID_PARAM"), ({"action": 5}, "M_INVALID_PARAM")):
        refused(request("POST", f"{server.base_url}{DELAYED}/{one}", body), 400, code)
    for action in ("restart", "send", "cancel"):
        refused(act(server, one, action), 404, "M_NOT_FOUND")
    refused(request("GET", server.base_url + DELAYED), 401, "M_MISSING_TOKEN")


def test_what_is_refused(server, pair):
    alice, _, room = pair
    refused(delay(alice, room, 3_600_001, "state", KIND, ""), 400, "ORG.MATRIX.MSC4140_DELAY_TOO_LARGE")
    for bad in ("-1", "x", ""):
        assert delay(alice, room, bad, "state", KIND, "").status == 400
    refused(delay(alice, room, FAR, "state", "m.room.member", alice.user_id), 400, "M_BAD_JSON")
    assert delay(alice, "!none:localhost", FAR, "state", KIND, "").status == 404
    for key in "abcd":
        delay(alice, room, FAR, "state", KIND, key)
    answer = refused(delay(alice, room, FAR, "state", KIND, "e"), 429, "M_LIMIT_EXCEEDED")
    assert 0 < answer["retry_after_ms"] <= FAR
    alice.ok("POST", f"{CLIENT}/account/deactivate", {"auth": {"type": "m.login.password", "password": "a good password",
                                                               "identifier": {"type": "m.id.user", "user": alice.user_id}}})
    localpart = alice.user_id[1:].partition(":")[0]
    assert server.sql(f"SELECT count(*) FROM delayed_events WHERE user_localpart = '{localpart}'") == [["0"]]


def test_state_of_others_takes_it_back(server, pair):
    alice, bob, room = pair
    mine, kept = delay(alice, room, FAR, "state", KIND, "x"), delay(alice, room, FAR, "state", KIND, "y")
    alice.put_state(room, KIND, {"now": 1}, "x")  # one's own does not
    bob.put_state(room, KIND, {"now": 2}, "z")
    assert set(waiting(alice)) == {mine, kept}
    bob.put_state(room, KIND, {"now": 3}, "x")
    until(lambda: waiting(alice) == [kept])
    act(server, kept, "cancel")


def test_a_kill_loses_none(server, pair):
    alice, bob, room = pair
    ids = [delay(alice, room, ms, "state", KIND, str(ms)) for ms in (2000, FAR)]
    server.deployment.processes["main"].kill()
    server.sql("UPDATE worker_locks SET last_renewed_ts = 1 WHERE lock_name = 'ganglion_duty'")
    server.deployment.start_process(None)
    until(lambda: state(bob, room, "2000") == {"by": alice.user_id})
    until(lambda: waiting(alice) == ids[1:])


def test_off(own):
    with own.running("undelayed", monolith=True) as server:
        alice = server.register()
        room = alice.create_room()
        refused(delay(alice, room, 5, "state", KIND, ""), 403, "M_FORBIDDEN")
        assert alice.ok("GET", f"{CLIENT}/capabilities")["capabilities"]["org.matrix.msc4140.delayed_events"] == {"max_delay_ms": 0, "max_scheduled": 100}
