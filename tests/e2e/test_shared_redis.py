"""Two deployments of different names and foreign traffic on one Redis do not disturb each other."""

import json
import os
import subprocess
import threading
import time

import pytest

from deployment.deployment import Deployment
from deployment.layout import Worker
from lib.server import Server, request


def make(name, build, folder, postgres, redis=None):
    database = f"e2e_shared_{name}"
    postgres.sql(f"DROP DATABASE IF EXISTS {database}")
    workers = [Worker(w, "synapse.app.generic_worker", ["client"]) for w in ("generic_worker1", "generic_worker2", "event_persister1")]
    return Deployment(os.path.join(folder, f"shared-{name}"), build, postgres, database=database, front=False, workers=workers, redis=redis,
                      server_name=f"{name}.test", stream_writers={"events": "event_persister1", "typing": "generic_worker1"}, bcrypt_rounds=4)


@pytest.fixture(scope="module")
def two(build, folder, postgres):
    """They have the same names of processes, one Redis, and a database each."""
    left = make("left", build, folder, postgres)
    right = make("right", build, folder, postgres, redis=left.redis)
    try:
        left.start()
        right.start()
        yield Server(left), Server(right)
    finally:
        clean = [right.stop(), left.stop()]
    assert all(clean), "a process had to be killed at the end"


def publish(redis, channel, lines):
    """Over the wire, so that a line may hold any byte."""
    for line in lines:
        done = subprocess.run(["redis-cli", "-p", str(redis.port), "-a", redis.password, "--no-auth-warning", "-x", "PUBLISH", channel],
                              input=line, capture_output=True, check=True)
        assert done.stdout.strip().isdigit(), done.stdout


def talk(server, who):
    """A message from one worker wakes a long poll on another; the seconds that it took."""
    alice, bob = server.register(f"{who}a"), server.register(f"{who}b")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    base = server.worker_url("generic_worker2")
    since = bob.sync(bob.sync(base=base)["next_batch"], base=base)["next_batch"]
    got, began = [], time.monotonic()
    waiter = threading.Thread(target=lambda: got.append(bob.sync(since, timeout=20000, base=base)))
    waiter.start()
    time.sleep(0.2)
    event_id = alice.send(room, "hello", base=server.worker_url("generic_worker1"))
    waiter.join(30)
    events = got[0]["rooms"]["join"][room]["timeline"]["events"]
    assert [e["event_id"] for e in events] == [event_id]
    return time.monotonic() - began


NONSENSE = [b"", b" ", b"RDATA", b"RDATA events", b"RDATA events x", b"RDATA events x y [", b"RDATA events x -9223372036854775809 []",
            b"RDATA teapots master 5 [\"x\"]", b"POSITION teapots master 1 5", b"POSITION events", b"POSITION events x y z",
            b"\x00\xff\xfe", b"\xc3\x28 \x00 \n\n\r", b"RDATA caches master 3 {not json", b"TEAPOT", b"REMOTE_SERVER_UP",
            b"USER_SYNC", b"FEDERATION_ACK x", b"A" * 100000, b"RDATA " * 10000]


def test_each_talks_by_itself(two):
    for i, server in enumerate(two):
        assert talk(server, f"first{i}") < 10


def test_nonsense_is_passed_over(two):
    redis = two[0].deployment.redis
    for channel in ("left.test", "left.test/USER_IP", "left.test/ganglion", "somebody.else", "left"):
        publish(redis, channel, NONSENSE)
    for i, server in enumerate(two):
        assert talk(server, f"nonsense{i}") < 10
        assert all(process.is_alive() for process in server.deployment.processes.values())


def test_what_the_other_says_is_not_heard(two):
    """The right one announces far ahead; the left one's positions stay where they were."""
    left, right = two
    row = json.dumps(["ev", ["$x", "!x:right.test", "m.room.message", None, None, None, None, False, False]])
    publish(left.deployment.redis, "right.test", [f"RDATA events event_persister9 900000 {row}".encode()])
    assert talk(left, "afterwards") < 10
    for name in ("generic_worker1", "event_persister1"):
        position = ready_position(left, name)
        assert 0 < position < 900000, position
    assert talk(right, "afterwards") < 10


def ready_position(server, name):
    worker = next(w for w in server.deployment.workers if w.name == name)
    return request("GET", f"http://127.0.0.1:{worker.port}/ready").json["streams"]["events"]["position"]


def test_nobody_complained_in_earnest(two):
    for server in two:
        folder = os.path.join(server.deployment.folder, "logs")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
                bad = [line for line in f if " - ERROR - " in line or " - CRITICAL - " in line or "Sanitizer" in line]
            assert not bad, (name, bad[:3])
