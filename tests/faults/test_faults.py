"""Processes and services die under fifty senders; nothing that was acknowledged is lost or doubled.

Rounds of each fault: GANGLION_FAULT_ROUNDS, 20 unless set.
"""

import asyncio
import os
import random
import time

import aiohttp
import pytest

from lib.server import quote

SENDERS, ROOMS, DEADLINE = 50, 5, 75
ROUNDS = int(os.environ.get("GANGLION_FAULT_ROUNDS", "20"))


class Load:
    """Fifty users who send one message after the other, and try each again under its transaction id until it is
    acknowledged."""

    def __init__(self, server, users, rooms, prefix):
        self.server, self.users, self.rooms, self.prefix = server, users, rooms, prefix
        self.acknowledged = {}   # (user, txn) -> event id
        self.slowest = 0.0
        self.late, self.doubled = [], []
        self.stopping = False

    async def send(self, session, user, room, txn):
        url = f"{self.server.base_url}/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{txn}"
        while True:
            started = time.monotonic()
            try:
                async with session.put(url, json={"msgtype": "m.text", "body": txn}, headers={"Authorization": f"Bearer {user.token}"},
                                       timeout=aiohttp.ClientTimeout(total=DEADLINE)) as answer:
                    if answer.status == 200:
                        event_id = (await answer.json())["event_id"]
                        known = self.acknowledged.setdefault((user.user_id, txn), event_id)
                        if known != event_id:
                            self.doubled.append((txn, known, event_id))
                        return
                    await answer.read()
            except asyncio.TimeoutError:
                self.late.append((txn, time.monotonic() - started))
            except aiohttp.ClientError:
                pass  # refused or closed: that is an answer in time
            self.slowest = max(self.slowest, time.monotonic() - started)
            await asyncio.sleep(0.1)

    async def one(self, session, number):
        user = self.users[number]
        count = 0
        while not self.stopping:
            count += 1
            txn, room = f"{self.prefix}s{number}n{count}", random.choice(self.rooms)
            await self.send(session, user, room, txn)
            if random.random() < 0.05:
                await self.send(session, user, room, txn)  # a client that lost the answer asks again
            await asyncio.sleep(0.02)

    async def run(self, hurt_it):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            senders = [asyncio.create_task(self.one(session, i)) for i in range(len(self.users))]
            await asyncio.sleep(0.5)
            await asyncio.to_thread(hurt_it)
            await asyncio.sleep(1)
            self.stopping = True
            await asyncio.wait_for(asyncio.gather(*senders), 2 * DEADLINE)


def history(user, room):
    """Every message event id of the room, oldest first."""
    found, token = [], None
    while True:
        page = user.messages(room, limit=500, **({"from": token} if token else {}))
        found += [e["event_id"] for e in page["chunk"] if e["type"] == "m.room.message"]
        token = page.get("end")
        if not page["chunk"] or not token:
            return found[::-1]


@pytest.fixture(scope="module")
def crowd(hurt):
    users = [hurt.register(f"sender{i}") for i in range(SENDERS)]
    rooms = [users[0].create_room(preset="public_chat") for _ in range(ROOMS)]
    for room in rooms:
        for user in users[1:]:
            user.join(room)
    return users, rooms


def kill(server, name):
    """kill -9 and start again, as a service manager would."""
    deployment = server.deployment
    worker = next((w for w in deployment.workers if w.name == name), None)
    deployment.processes[name].kill()
    deployment.start_process(worker, wait=False)
    deployment.wait_ready(worker or deployment.main)


def restart_redis(server):
    redis = server.deployment.redis
    redis.process.kill()
    time.sleep(0.5)
    redis.start()


def restart_postgres(server):
    server.deployment.postgres.stop()
    server.deployment.postgres.start()


FAULTS = {
    "persister": lambda server: kill(server, random.choice(["event_persister1", "event_persister2"])),
    "generic worker": lambda server: kill(server, random.choice(["generic_worker1", "generic_worker2"])),
    "main": lambda server: kill(server, "main"),
    "Redis": restart_redis,
    "PostgreSQL": restart_postgres,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_acknowledged_is_lost_or_doubled(hurt, crowd, fault):
    users, rooms = crowd
    for number in range(ROUNDS):
        load = Load(hurt, users, rooms, f"{fault.replace(' ', '')}{number}")
        asyncio.run(load.run(lambda: FAULTS[fault](hurt)))
        assert not load.late, f"no answer within {DEADLINE} s: {load.late[:3]}"
        assert not load.doubled, f"one transaction id, two events: {load.doubled[:3]}"
        assert load.acknowledged, "nobody could send"
        stored = [event_id for room in rooms for event_id in history(users[0], room)]
        assert len(stored) == len(set(stored)), "an event is in /messages twice"
        missing = set(load.acknowledged.values()) - set(stored)
        assert not missing, f"round {number}: {len(missing)} of {len(load.acknowledged)} acknowledged events are gone"
