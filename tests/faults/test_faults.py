"""Processes and services die under fifty senders; nothing that was acknowledged is lost or doubled.

Rounds of each fault: GANGLION_FAULT_ROUNDS, 20 unless set.
"""

import asyncio
import collections
import os
import random
import signal
import time

import pytest

from deployment.process import resident_bytes
from load import DEADLINE, HEALED, Load

SENDERS, ROOMS = 50, 5
ROUNDS = int(os.environ.get("GANGLION_FAULT_ROUNDS", "20"))
GROWTH = 100 << 20  # bytes that a process may grow by over all rounds: caches fill, leaks go on


def history(user, room):
    """Every message of the room."""
    found, token = [], None
    while True:
        page = user.messages(room, limit=500, **({"from": token} if token else {}))
        found += [e for e in page["chunk"] if e["type"] == "m.room.message"]
        token = page.get("end")
        if not page["chunk"] or not token:
            return found


@pytest.fixture(scope="module")
def users(hurt):
    return [hurt.register(f"sender{i}") for i in range(SENDERS)]


@pytest.fixture
def rooms(users):
    """New ones for each fault: their history is read whole at its end."""
    made = [users[0].create_room(preset="public_chat") for _ in range(ROOMS)]
    for room in made:
        for user in users[1:]:
            user.join(room)
    return made


# ---- faults: each leaves a whole system behind ----


def kill(server, name):
    """kill -9 and start again, as a service manager would."""
    deployment = server.deployment
    worker = next((w for w in deployment.workers if w.name == name), None)
    deployment.processes[name].kill()
    time.sleep(random.uniform(0, 0.3))
    deployment.start_process(worker, wait=False)
    deployment.wait_ready(worker or deployment.main)


def restart_redis(server):
    redis = server.deployment.redis
    redis.process.stop(random.choice([signal.SIGKILL, signal.SIGTERM]))
    time.sleep(random.uniform(0.1, 2))
    redis.start()


def restart_postgres(server):
    """In order, or as if the machine had lost its power."""
    postgres = server.deployment.postgres
    postgres.process.stop(random.choice([signal.SIGINT, signal.SIGQUIT]), 30)
    time.sleep(random.uniform(0, 0.5))
    postgres.start()


FAULTS = {
    "persister": lambda server: kill(server, random.choice(["event_persister1", "event_persister2"])),
    "generic worker": lambda server: kill(server, random.choice(["generic_worker1", "generic_worker2"])),
    "main": lambda server: kill(server, "main"),
    "Redis": restart_redis,
    "PostgreSQL": restart_postgres,
}


# ---- what must hold ----


def check_history(load, users, rooms):
    stored = [event for room in rooms for event in history(users[0], room)]
    ids = collections.Counter(event["event_id"] for event in stored)
    bodies = collections.Counter(event["content"]["body"] for event in stored)
    assert max(ids.values()) == 1, f"in /messages twice: {[i for i, n in ids.items() if n > 1][:5]}"
    assert max(bodies.values()) == 1, f"one transaction id, two events: {[t for t, n in bodies.items() if n > 1][:5]}"
    missing = set(load.acknowledged.values()) - set(ids)
    assert not missing, f"{len(missing)} of {len(load.acknowledged)} acknowledged events are gone"
    return len(stored)


def check_followers(load):
    acknowledged = set(load.acknowledged.values())
    for follower in load.followers:
        unseen = acknowledged - follower.seen
        places = [i for i, event in enumerate(load.acknowledged.values()) if event in unseen]
        assert not unseen, f"a client of {follower.base} never saw {len(unseen)} of {len(acknowledged)} events, the {places[0]}th to {places[-1]}th"


def sizes(deployment):
    return {(name, process.pid): resident_bytes(process.pid) for name, process in deployment.processes.items()}


def check_sizes(before, after):
    grown = {name: now - before[name] for name, now in after.items() if name in before and now - before[name] > GROWTH}
    assert not grown, f"grew by bytes: {grown}"


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_acknowledged_is_lost_or_doubled(hurt, users, rooms, fault):
    random.seed(fault)
    load = Load(hurt, users, rooms, fault.replace(" ", ""))
    before = sizes(hurt.deployment)

    def hurt_it():
        for _ in range(ROUNDS):
            FAULTS[fault](hurt)
            time.sleep(random.uniform(0.7, 1.5))

    began = time.monotonic()
    asyncio.run(load.run(hurt_it, [hurt.worker_url("generic_worker1"), hurt.worker_url("generic_worker2")]))
    print(f"\n{fault}: {ROUNDS} rounds in {time.monotonic() - began:.0f} s, {len(load.acknowledged)} acknowledged, {load.watch}")
    assert not load.watch.late, f"no answer within {DEADLINE} s: {load.watch.late[:3]}"
    assert not load.doubled, f"one transaction id, two events: {load.doubled[:3]}"
    assert len(load.acknowledged) > 5 * SENDERS, "the load did not go on"
    stored = check_history(load, users, rooms)
    check_followers(load)
    check_sizes(before, sizes(hurt.deployment))
    print(f"{stored} stored, all in order")
