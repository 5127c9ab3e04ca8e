"""A service is gone for a while: every process says so, answers everything in time, and recovers by itself."""

import collections
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib.server import quote, request
from load import DEADLINE

SOON = 15  # seconds until a process must have noticed, or recovered


def processes(server):
    """name -> base URL of a port that answers /health and /ready."""
    deployment = server.deployment
    return {"main": f"http://127.0.0.1:{deployment.main.port}",
            **{w.name: f"http://127.0.0.1:{deployment.probe_port(w)}" for w in deployment.workers}}


def readiness(url):
    answer = request("GET", url + "/ready", timeout=10)
    assert answer.json["ready"] == (answer.status == 200), answer
    return answer.json


def until(what, condition):
    deadline = time.monotonic() + SOON
    while True:
        found = {name: readiness(url) for name, url in processes(what).items()}
        wrong = {name: body for name, body in found.items() if not condition(name, body)}
        if not wrong:
            return found
        assert time.monotonic() < deadline, wrong
        time.sleep(0.2)


def recovered(server):
    until(server, lambda name, body: body["ready"] and all(body["processes"].values()))


@pytest.fixture(scope="module")
def pair(hurt):
    alice, bob = hurt.register("outage_alice"), hurt.register("outage_bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room


def asked(server, pair):
    """One of each kind of request, to one of the workers and to main, all at once: (what, status, seconds)."""
    alice, _, room = pair
    path = f"/_matrix/client/v3/rooms/{quote(room)}"
    since = alice.sync_token
    kinds = [("GET", "/_matrix/client/versions", None), ("GET", "/_matrix/client/v3/account/whoami", None),
             ("GET", "/_matrix/client/v3/sync", None), ("GET", f"/_matrix/client/v3/sync?since={since}&timeout=1000", None),
             ("PUT", path + f"/send/m.room.message/out{time.monotonic_ns()}", {"msgtype": "m.text", "body": "anybody?"}),
             ("PUT", path + "/state/m.room.topic/", {"topic": str(time.monotonic_ns())}),
             ("PUT", path + f"/typing/{quote(alice.user_id)}", {"typing": True, "timeout": 1000}),
             ("GET", path + "/messages?dir=b&limit=5", None), ("GET", path + "/state", None),
             ("POST", "/_matrix/client/v3/createRoom", {"preset": "public_chat", "name": "made in the dark"}),
             ("POST", "/_matrix/client/v3/login", {"type": "m.login.password", "password": "a good password",
                                                    "identifier": {"type": "m.id.user", "user": "outage_bob"}}),
             ("POST", "/_matrix/client/v3/register", {"password": "a good password", "auth": {"type": "m.login.dummy"}})]

    def one(base, kind):
        began = time.monotonic()
        body = dict(kind[2], username=f"out{uuid.uuid4().hex}") if "/register" in kind[1] else kind[2]
        patience = DEADLINE + 2 * SOON
        if "/register" in kind[1]:  # who has an account is refused
            answer = request(kind[0], base + kind[1], body, timeout=patience)
        else:
            answer = alice.call(kind[0], kind[1], body, base=base, timeout=patience)
        return f"{kind[0]} {kind[1].partition('?')[0]} of {base}", answer.status, time.monotonic() - began

    bases = [server.worker_url(name) for name in ("generic_worker1", "generic_worker2", "main")]
    with ThreadPoolExecutor(len(bases) * len(kinds)) as pool:
        found = [f.result() for f in [pool.submit(one, base, kind) for base in bases for kind in kinds]]
    late = [each for each in found if each[2] > DEADLINE + SOON]  # whose last wait began just before it
    assert not late, late
    print(f"slowest {max(each[2] for each in found):.1f} s, statuses {dict(collections.Counter(each[1] for each in found))}")
    return found


def check_conversation(server, pair):
    alice, bob, room = pair
    two = server.worker_url("generic_worker2")
    since = bob.sync(base=two)["next_batch"]
    event_id = alice.send(room, "again", base=server.worker_url("generic_worker1"))

    def seen(answer):
        timeline = answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {})
        return event_id in [e["event_id"] for e in timeline.get("events", [])]

    deadline = time.monotonic() + SOON
    while True:
        answer = bob.sync(since, timeout=2000, base=two)
        since = answer["next_batch"]
        if seen(answer):
            break
        assert time.monotonic() < deadline, "what was sent after the outage does not arrive"
    assert all(status == 200 for _, status, _ in asked(server, pair))


def test_all_is_well(hurt, pair):
    recovered(hurt)
    pair[0].sync_token = pair[0].sync()["next_batch"]
    assert all(status == 200 for _, status, _ in asked(hurt, pair))


def test_redis_is_gone(hurt, pair):
    recovered(hurt)
    pair[0].sync_token = pair[0].sync()["next_batch"]
    hurt.deployment.redis.stop()
    try:
        until(hurt, lambda name, body: not body["ready"] and body["redis"] is False and body["database"] is True)
        assert all(request("GET", url + "/health").status == 200 for url in processes(hurt).values())
        for what, status, _ in asked(hurt, pair):
            assert status in (200, 503), (what, status)
        assert all(status == 200 for what, status, _ in asked(hurt, pair) if "versions" in what or "whoami" in what or "/send/" in what)
    finally:
        hurt.deployment.redis.start()
    recovered(hurt)
    check_conversation(hurt, pair)


def test_postgres_is_gone(hurt, pair):
    recovered(hurt)
    pair[0].sync_token = pair[0].sync()["next_batch"]
    hurt.deployment.postgres.stop()
    try:
        until(hurt, lambda name, body: not body["ready"] and body["database"] is False and body["redis"] is True)
        assert all(request("GET", url + "/health").status == 200 for url in processes(hurt).values())
        for what, status, _ in asked(hurt, pair):
            assert status in (200, 503), (what, status)
    finally:
        hurt.deployment.postgres.start()
    recovered(hurt)
    check_conversation(hurt, pair)


def test_a_writer_is_gone(hurt, pair):
    """The others name it; the rest of their work goes on, so they stay in service."""
    recovered(hurt)
    deployment, name = hurt.deployment, "event_persister1"
    worker = next(w for w in deployment.workers if w.name == name)
    pair[0].sync_token = pair[0].sync()["next_batch"]
    assert deployment.processes[name].stop()
    try:
        with pytest.raises(OSError):
            request("GET", processes(hurt)[name] + "/ready", timeout=5)
        deadline = time.monotonic() + SOON
        while readiness(hurt.worker_url("generic_worker1"))["processes"][name]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        for what, status, _ in asked(hurt, pair):
            assert status in (200, 502, 503, 504), (what, status)
    finally:
        deployment.start_process(worker)
    recovered(hurt)
    check_conversation(hurt, pair)
