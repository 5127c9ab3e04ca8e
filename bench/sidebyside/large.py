"""Rooms and accounts that are large: what they cost, and that ten times of what has nothing new costs no more.

Synapse would take hours to take in what is measured here. So Ganglion fills both databases, by the same requests, and Synapse
takes over its own (servers.py, by_ganglion)."""

import itertools

from lib.server import User, quote

from .cases import CLIENT, Case, message, read, room_path, sync_path

AT_ONCE = 16  # requests while filling
NEWCOMERS = 2000
MEMBERS, EVENTS, ROOMS = (1000, 5000, 10000), (10000, 100000), (100, 1000)


# ---- filling ----

def accounts(world, n):
    """Written straight into the tables: each that registers costs a hash of a password."""
    server, numbers = world.side.server, f"generate_series(1, {n}) i"
    user = f"'@many' || i || ':{server.name}'"
    for statement in (
            f"INSERT INTO users (name, creation_ts, approved) SELECT {user}, 1700000000, true FROM {numbers}",
            f"INSERT INTO profiles (user_id, full_user_id, displayname) SELECT 'many' || i, {user}, 'Many ' || i FROM {numbers}",
            f"INSERT INTO devices (user_id, device_id, hidden) SELECT {user}, 'MANY', false FROM {numbers}",
            f"INSERT INTO access_tokens (id, user_id, device_id, token) SELECT 1000000 + i, {user}, 'MANY', 'syt_many_' || i FROM {numbers}"):
        server.sql(statement)
    return [User(server, f"@many{i}:{server.name}", f"syt_many_{i}", "MANY") for i in range(1, n + 1)]


def join_all(world, room, users):
    world.side.load.run([world.request("POST", f"{CLIENT}/join/{quote(room)}", user.token, {}) for user in users], AT_ONCE)


class Large:
    """Everything of this file, made in one go: rooms by their number of members (each has a reader who is in no other), rooms by their
    number of messages, users by their number of rooms."""

    def __init__(self, world):
        alice, scale = world.alice, world.scale
        self.people = accounts(world, scale(MEMBERS[-1]) + NEWCOMERS)
        self.newcomers = iter(self.people[scale(MEMBERS[-1]):])
        self.peopled, self.readers = {}, {}
        for n in MEMBERS:
            room = self.peopled[n] = alice.create_room(preset="public_chat", name=f"{n} members")
            self.readers[n] = next(self.newcomers)
            join_all(world, room, [*self.people[:scale(n) - 2], self.readers[n]])
        self.talked = {n: alice.create_room(preset="public_chat", name=f"{n} events") for n in EVENTS}
        for n, room in self.talked.items():
            world.side.load.run([message(world, alice, room) for _ in range(scale(n))], AT_ONCE)
        self.spread = {n: next(self.newcomers) for n in ROOMS}
        self.rooms = {n: world.public_rooms(scale(n), user) for n, user in self.spread.items()}


def large(world):
    def make():
        with world.side.by_ganglion():
            made = Large(world)
            world.side.settle()
        world.side.server.sql("VACUUM ANALYZE")  # as autovacuum does it in time
        world.side.settle()
        return made

    return world.once("large", make)


# ---- rooms of many members ----

def join(members):
    def requests(world, n):
        made = large(world)
        path = f"{CLIENT}/join/{quote(made.peopled[members])}"
        return [world.request("POST", path, user.token, {}) for user in itertools.islice(made.newcomers, n)]

    return requests


def lazy_sync(members):
    """The first sync of who is in this room only."""
    def requests(world, n):
        token = large(world).readers[members].token
        return [world.request("GET", sync_path(world, state={"lazy_load_members": True}), token) for _ in range(n)]

    return requests


def lazy_news(members):
    """Ten events since then, of two members; of a kind that notifies nobody: what is notified is summed up in the background."""
    def requests(world, n):
        made = large(world)
        room, reader = made.peopled[members], made.readers[members]

        def talk():
            since = reader.sync()["next_batch"]
            for user in (world.alice, made.people[0]) * 5:
                user.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/send/org.example.note/n{next(world.txn)}", {"note": "news"})
            return since

        since = world.once(f"news of {members}", talk)
        return [world.request("GET", sync_path(world, since, state={"lazy_load_members": True}), reader.token) for _ in range(n)]

    return requests


def send_notifying(members):
    """By the default rules, each message notifies all members."""
    return lambda world, n: [message(world, world.alice, large(world).peopled[members]) for _ in range(n)]


def send_silent(members):
    """All rules of all members are tried, and none notifies."""
    def requests(world, n):
        path = f"{CLIENT}/rooms/{quote(large(world).peopled[members])}/send/org.example.note/b"
        return [world.request("PUT", f"{path}{next(world.txn)}", world.alice.token, {"note": "of ordinary length, as people write them"})
                for _ in range(n)]

    return requests


# ---- rooms of many messages ----

def pages(events):
    """Fifty messages backwards, each time from another place between the room's end and its beginning."""
    def requests(world, n):
        room = large(world).talked[events]
        places = world.once(f"places of {events}", lambda: itertools.cycle([f"t{depth}-{stream}" for depth, stream in world.side.server.sql(
            "SELECT topological_ordering, stream_ordering FROM events WHERE type = 'm.room.message' AND "
            f"room_id = '{room}' ORDER BY md5(event_id) LIMIT 2000")]))
        path = f"{CLIENT}/rooms/{quote(room)}/messages?dir=b&limit=50&from="
        return [world.request("GET", path + next(places), world.alice.token) for _ in range(n)]

    return requests


# ---- accounts of many rooms ----

def sync_rooms(rooms, news):
    """An incremental sync; all other rooms have nothing new."""
    def requests(world, n):
        made = large(world)
        user = made.spread[rooms]

        def talk():
            since = user.sync()["next_batch"]
            for room in made.rooms[rooms][:news]:
                user.send(room, "news")
            return since

        since = world.once(f"{news} news in {rooms}", talk)
        return [world.request("GET", sync_path(world, since), user.token) for _ in range(n)]

    return requests


class BesidePolls(Case):
    """Messages in a room while others wait for what happens in theirs."""

    def __init__(self, polls, *counts):
        super().__init__(self.messages, *counts)
        self.polls = polls

    @staticmethod
    def messages(world, n):
        room = world.once("quiet room", lambda: world.alice.create_room(preset="public_chat"))
        return [message(world, world.alice, room) for _ in range(n)]

    def round(self, world, factor):
        users = large(world).people[:world.scale(self.polls)]
        # Positions are the server's, not a user's. Who is seen as offline wakes nobody by presence.
        since = world.alice.ok("GET", sync_path(world, rooms=[]) + "&set_presence=offline")["next_batch"]
        path = f"{CLIENT}/sync?timeout=600000&set_presence=offline&since={since}"
        waiting = world.side.load.start([world.request("GET", path, user.token) for user in users], len(users))
        try:
            world.side.settle()
            return super().round(world, factor)
        finally:
            waiting.kill()
            waiting.wait()
            world.side.settle()


def members(n):
    return read(room_path(lambda world: large(world).peopled[n], "members"), lambda world: large(world).readers[n])


# ---- memory ----

def footprint(world, times=8):
    """Bytes (PSS, all processes) at first and each time that another part of the room of 100,000 events was read: far more than the
    caches hold."""
    n = (500, 60)[world.side.python]
    sizes = [sum(world.side.memory().values())]
    for _ in range(times):
        world.side.load.run(pages(100000)(world, n), 4)
        sizes.append(sum(world.side.memory().values()))
    return n, sizes


#: counts are (Ganglion, Synapse)
CASES = {
    "join, 1000 members": Case(join(1000), (20, 5), (100, 16), 4),
    "join, 10000 members": Case(join(10000), (20, 5), (100, 16), 4),
    "members, 10000": Case(members(10000), (20, 3), (60, 6), 2),
    "lazy sync, 1000 members": Case(lazy_sync(1000), (50, 5), (400, 16), 4),
    "lazy sync, 10000 members": Case(lazy_sync(10000), (50, 5), (400, 16), 4),
    "lazy news, 1000 members": Case(lazy_news(1000), (50, 5), (400, 30), 4),
    "lazy news, 10000 members": Case(lazy_news(10000), (50, 5), (400, 30), 4),
    "send, 5000 judged": Case(send_silent(5000), (50, 5), (300, 16), 4),
    "send, 5000 notified": Case(send_notifying(5000), (10, 2), (30, 6), 2),
    "messages, 10000 events": Case(pages(10000), (200, 20), (2000, 80), 4),
    "messages, 100000 events": Case(pages(100000), (200, 20), (2000, 80), 4),
    "no news, 100 rooms": Case(sync_rooms(100, 0), (200, 10), (1000, 60), 4),
    "no news, 1000 rooms": Case(sync_rooms(1000, 0), (200, 10), (1000, 60), 4),
    "1 news, 100 rooms": Case(sync_rooms(100, 1), (200, 10), (1000, 60), 4),
    "1 news, 1000 rooms": Case(sync_rooms(1000, 1), (200, 10), (1000, 60), 4),
    "send beside 100 polls": BesidePolls(100, (50, 10), (500, 60)),
    "send beside 1000 polls": BesidePolls(1000, (50, 10), (500, 60)),
}

#: what is ten times as large in the second one is nothing that the request asks for
GROWTH = [("join, 1000 members", "join, 10000 members"), ("lazy sync, 1000 members", "lazy sync, 10000 members"),
          ("lazy news, 1000 members", "lazy news, 10000 members"), ("messages, 10000 events", "messages, 100000 events"),
          ("no news, 100 rooms", "no news, 1000 rooms"), ("1 news, 100 rooms", "1 news, 1000 rooms"),
          ("send beside 100 polls", "send beside 1000 polls")]
