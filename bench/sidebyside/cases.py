"""What is measured. A case prepares itself once on each side, then gives jobs: one job is one request (or one delivery)."""

import asyncio
import itertools
import json
import time

from lib.server import quote

from .load import timed

_txn = itertools.count(1)
CLIENT = "/_matrix/client/v3"


class World:
    """Users and rooms of one side, made when they are first asked for."""

    def __init__(self, side, scale):
        self.side, self.scale = side, scale
        self._users, self._made = [], {}

    def users(self, n):
        while len(self._users) < n:
            self._users.append(self.side.server.register(f"bench{len(self._users)}"))
        return self._users[:n]

    @property
    def alice(self):
        return self.users(1)[0]

    def once(self, name, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def rooms(self, n):
        rooms = self.once("rooms", list)
        while len(rooms) < n:
            rooms.append(self.alice.create_room(preset="public_chat"))
        return rooms[:n]

    def big_room(self):
        def make():
            room = self.alice.create_room(preset="public_chat", name="big")
            for user in self.users(self.scale(500))[1:]:
                user.join(room)
            return room

        return self.once("big", make)

    def talked_room(self):
        def make():
            room = self.alice.create_room(preset="public_chat")
            for i in range(self.scale(200)):
                self.alice.send(room, f"message {i}")
            return room

        return self.once("talked", make)

    def fifty_rooms(self):
        """A user of their own with fifty rooms, each with twenty messages."""
        def make():
            user = self.side.server.register("reader")
            for room in self.rooms(self.scale(50)):
                user.join(room)
                for i in range(20):
                    self.alice.send(room, f"message {i}")
            return user

        return self.once("reader", make)


def get(path_of, token_of=lambda w: w.alice.token):
    """A plain read, repeated."""
    def case(world, client, n):
        path, token = path_of(world), token_of(world)
        return [lambda: client.call("GET", path, token) for _ in range(n)]

    return case


def message(client, user, room):
    return client.call("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/b{next(_txn)}", user.token,
                       {"msgtype": "m.text", "body": "a message of ordinary length, as people write them"})


def send_many_rooms(world, client, n):
    rooms = itertools.cycle(world.rooms(world.scale(50)))
    return [lambda room=next(rooms): message(client, world.alice, room) for _ in range(n)]


def send_one_room(world, client, n):
    room = world.rooms(1)[0]
    return [lambda: message(client, world.alice, room) for _ in range(n)]


def create_room(world, client, n):
    return [lambda: client.call("POST", f"{CLIENT}/createRoom", world.alice.token, {"preset": "private_chat", "name": "x"}) for _ in range(n)]


def join(world, client, n):
    rooms = [world.alice.create_room(preset="public_chat") for _ in range(n)]
    bob = world.users(2)[1]
    return [lambda room=room: client.call("POST", f"{CLIENT}/join/{quote(room)}", bob.token, {}) for room in rooms]


def incremental_sync(world, client, n):
    """Each sync follows ten messages in ten of the reader's rooms; the messages are sent before the clock runs."""
    reader, rooms = world.fifty_rooms(), world.rooms(world.scale(50))
    since = reader.sync()["next_batch"]
    for room in rooms[:10]:
        for i in range(10):
            world.alice.send(room, f"news {i}")
    path = f"{CLIENT}/sync?timeout=0&since={since}"
    return [lambda: client.call("GET", path, reader.token) for _ in range(n)]


async def _fan_out(world, client, n):
    """From the moment a message is sent until each of fifty long polls has it."""
    room = world.once("fan-out", lambda: world.alice.create_room(preset="public_chat"))
    users = world.users(world.scale(51))[1:]
    def join_all():
        for user in users:
            user.join(room)
        return True
    world.once("fan-out joined", join_all)
    tokens = {}
    for user in users:
        tokens[user.user_id] = json.loads(await client.call("GET", f"{CLIENT}/sync?timeout=0", user.token))["next_batch"]
    taken = []
    for _ in range(n):
        sent = []

        async def wait(user):
            while True:
                answer = json.loads(await client.call("GET", f"{CLIENT}/sync?timeout=30000&since={tokens[user.user_id]}", user.token))
                tokens[user.user_id] = answer["next_batch"]
                if room in answer.get("rooms", {}).get("join", {}):
                    return time.perf_counter() - sent[0]

        waiting = [asyncio.create_task(wait(user)) for user in users]
        await asyncio.sleep(0.3)
        sent.append(time.perf_counter())
        await message(client, world.alice, room)
        taken += await asyncio.gather(*waiting)
    return taken


async def _beside_logins(world, client, n):
    """whoami while as many logins run as there are cores twice over."""
    world.users(8)
    stop = []

    async def log_in(user):
        while not stop:
            await client.call("POST", f"{CLIENT}/login", None, {"type": "m.login.password", "password": "a good password",
                                                               "identifier": {"type": "m.id.user", "user": user.user_id}})

    logins = [asyncio.create_task(log_in(user)) for user in world.users(8)]
    await asyncio.sleep(0.5)
    taken = await timed([lambda: client.call("GET", f"{CLIENT}/account/whoami", world.alice.token) for _ in range(n)], 1)
    stop.append(True)
    await asyncio.gather(*logins)
    return taken


#: name: (case, requests in a round, at a time); a coroutine function takes its own time
CASES = {
    "versions": (get(lambda w: "/_matrix/client/versions"), 400, 8),
    "whoami": (get(lambda w: f"{CLIENT}/account/whoami"), 400, 8),
    "send, many rooms": (send_many_rooms, 200, 20),
    "send, one room": (send_one_room, 100, 4),
    "state, 500 members": (get(lambda w: f"{CLIENT}/rooms/{quote(w.big_room())}/state"), 20, 2),
    "members, 500": (get(lambda w: f"{CLIENT}/rooms/{quote(w.big_room())}/members"), 20, 2),
    "messages": (get(lambda w: f"{CLIENT}/rooms/{quote(w.talked_room())}/messages?dir=b&limit=50"), 60, 4),
    "initial sync, 50 rooms": (get(lambda w: f"{CLIENT}/sync?timeout=0", lambda w: w.fifty_rooms().token), 6, 1),
    "incremental sync, busy": (incremental_sync, 20, 2),
    "fan-out to 50": (_fan_out, 3, 1),
    "createRoom": (create_room, 20, 4),
    "join": (join, 20, 4),
    "whoami beside logins": (_beside_logins, 50, 1),
}
