"""Fifty users who send without a pause, and clients that follow them."""

import asyncio
import collections
import json
import random
import time

import aiohttp

from lib.server import quote

DEADLINE = 60   # seconds: the longest that any request may take
HEALED = 15     # seconds after the last fault: by then every process knows all that was written
THINK = 0.075   # seconds between two messages of one user
FILTER = json.dumps({"room": {"timeline": {"limit": 100}}})


class Client:
    """Asks, measures, and never waits longer than a request may take. `answers` counts what came back."""

    def __init__(self, session, watch):
        self.session, self.watch = session, watch

    async def ask(self, method, url, user, body=None, **query):
        """(status, JSON), or (None, None) when the connection was refused or broken: that is an answer in time."""
        started = time.monotonic()
        status = answer = None
        try:
            async with self.session.request(method, url, json=body, params=query,
                                            headers={"Authorization": f"Bearer {user.token}"},
                                            timeout=aiohttp.ClientTimeout(total=DEADLINE + 5)) as got:
                status = got.status
                answer = await got.json(content_type=None) if status == 200 else await got.read()
        except asyncio.TimeoutError:
            pass
        except (aiohttp.ClientError, ConnectionError):
            status = answer = None
        self.watch.note(f"{method} {url.rpartition('/client/v3/')[2].split('/')[0]}", status, time.monotonic() - started, answer)
        return status, answer


class Watch:
    """How each request ended."""

    def __init__(self):
        self.answers = collections.Counter()
        self.slowest = 0.0
        self.late, self.examples = [], {}

    def note(self, what, status, seconds, answer):
        self.answers[status] += 1
        self.slowest = max(self.slowest, seconds)
        if seconds > DEADLINE:
            self.late.append((what, status, round(seconds, 1)))
        if status not in (200, None) and status not in self.examples:
            self.examples[status] = answer[:200]

    def __str__(self):
        return f"answers {dict(self.answers)}, slowest {self.slowest:.1f} s, examples {self.examples}"


class Load:
    """Each user tries a message again under its transaction id until it is acknowledged."""

    def __init__(self, server, users, rooms, prefix):
        self.server, self.users, self.rooms, self.prefix = server, users, rooms, prefix
        self.acknowledged = {}   # transaction id -> event id
        self.doubled = []
        self.watch = Watch()
        self.stopping = False
        self.followers = []

    async def send(self, client, user, room, txn):
        url = f"{self.server.base_url}/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{txn}"
        while True:
            status, answer = await client.ask("PUT", url, user, {"msgtype": "m.text", "body": txn})
            if status == 200:
                known = self.acknowledged.setdefault(txn, answer["event_id"])
                if known != answer["event_id"]:
                    self.doubled.append((txn, known, answer["event_id"]))
                return
            await asyncio.sleep(0.1)

    async def one(self, client, number):
        user, count = self.users[number], 0
        while not self.stopping:
            count += 1
            txn, room = f"{self.prefix}-s{number}-n{count}", random.choice(self.rooms)
            if random.random() < 0.05:  # an impatient client, which asks twice at once
                await asyncio.gather(self.send(client, user, room, txn), self.send(client, user, room, txn))
            else:
                await self.send(client, user, room, txn)
            if random.random() < 0.05:  # and one that lost the answer
                await self.send(client, user, room, txn)
            await asyncio.sleep(THINK * random.uniform(0.5, 1.5))

    async def wait_for_news(self):
        """Until every follower has seen all that was acknowledged, or should have."""
        wanted, deadline = set(self.acknowledged.values()), time.monotonic() + HEALED
        while time.monotonic() < deadline and any(wanted - follower.seen for follower in self.followers):
            await asyncio.sleep(0.1)

    async def run(self, hurt_it, followed):
        """Sends while hurt_it() runs in a thread; followed: base URLs of the processes to sync with."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            client = Client(session, self.watch)
            self.followers = [Follower(client, base, self.users[0], self.rooms) for base in followed]
            await asyncio.gather(*(follower.begin() for follower in self.followers))
            following = [asyncio.create_task(follower.run()) for follower in self.followers]
            senders = [asyncio.create_task(self.one(client, i)) for i in range(len(self.users))]
            await asyncio.sleep(0.5)
            try:
                await asyncio.to_thread(hurt_it)
                await asyncio.sleep(1)
            finally:
                self.stopping = True
            await self.end(senders, "senders")
            await self.wait_for_news()
            for follower in self.followers:
                follower.stopping = True
            await self.end(following, "followers")

    async def end(self, tasks, what):
        try:
            await asyncio.wait_for(asyncio.gather(*tasks), 3 * DEADLINE)
        except asyncio.TimeoutError:
            dead = [name for name, process in self.server.deployment.processes.items() if not process.is_alive()]
            raise AssertionError(f"{what} come to no end: {self.watch}; {[f.doing for f in self.followers]}; dead: {dead}") from None


class Follower:
    """A client that shows every room live: /sync again and again, and /messages for what a limited answer left out."""

    def __init__(self, client, base, user, rooms):
        self.client, self.base, self.user = client, base + "/_matrix/client/v3", user
        self.rooms = rooms
        self.seen = set()
        self.since, self.stopping = None, False
        self.doing = None        # what it asked last, and what it got

    async def sync(self, timeout):
        query = {"since": self.since} if self.since else {}
        status, answer = await self.client.ask("GET", self.base + "/sync", self.user, timeout=timeout, filter=FILTER, **query)
        self.doing = ("sync", self.since, status, answer["next_batch"] if status == 200 else answer)
        return answer if status == 200 else None

    async def begin(self):
        answer = await self.sync(0)
        self.since = answer["next_batch"]

    async def fill(self, room, token, until):
        """What lies between the end of the last answer and the begin of this one."""
        while token:
            status, page = await self.client.ask("GET", f"{self.base}/rooms/{quote(room)}/messages", self.user, dir="b", limit=500,
                                                 **{"from": token, "to": until})
            self.doing = ("messages", token, until, status, page.get("end") if status == 200 else page)
            if status != 200:
                await asyncio.sleep(0.2)
                continue
            self.seen.update(e["event_id"] for e in page["chunk"])
            token = page.get("end") if page["chunk"] else None

    async def run(self):
        while True:
            last = self.stopping
            answer = await self.sync(0 if last else 2000)
            if answer is None:
                await asyncio.sleep(0.2)
                continue
            for room, joined in answer.get("rooms", {}).get("join", {}).items():
                self.seen.update(e["event_id"] for e in joined["timeline"]["events"])
                if joined["timeline"].get("limited") and room in self.rooms:
                    await self.fill(room, joined["timeline"]["prev_batch"], self.since)
            same, self.since = answer["next_batch"] == self.since, answer["next_batch"]
            if last and same:
                return
