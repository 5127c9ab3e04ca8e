"""What is measured: each case makes requests for one side; one request (or one delivery) is the unit."""

import itertools
import json
from urllib.parse import quote as percent

from lib.server import quote

from .world import CLIENT


class Case:
    """requests(world, n) makes n requests and whatever they need.

    alone: how many are sent one after the other (what one client waits); busy: how many are sent `at_once` at a time (what
    the server works); each is a pair for Ganglion and Synapse, since the clocks of both need something to count. at_main: those alone go to main.
    """

    def __init__(self, requests, alone, busy, at_once=8, at_main=False):
        self.requests, self.alone, self.busy, self.at_once, self.at_main = requests, alone, busy, at_once, at_main

    def round(self, world, factor):
        """(seconds of each request alone, CPU seconds for each busy request, busy requests a second)"""
        python = world.side.python
        scaled = lambda pair: max(2, int(pair[python] * factor))
        port = world.side.deployment.main.port if self.at_main else world.side.ports[0]
        taken = world.side.load.run([(port, data, n) for _, data, n in self.requests(world, scaled(self.alone))], 1)
        busy = self.requests(world, scaled(self.busy))
        with world.side.watch() as used:
            world.side.load.run(busy, self.at_once)
        n = sum(times for _, _, times in busy)
        return taken, used.cpu / n, n / used.seconds


def read(path_of, user_of=lambda w: w.alice):
    """A plain read, repeated."""
    def requests(world, n):
        return world.spread("GET", path_of(world), user_of(world).token, n)

    return requests


def message(world, user, room):
    return world.request("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/b{next(world.txn)}", user.token,
                         {"msgtype": "m.text", "body": "a message of ordinary length, as people write them"})


def send_many_rooms(world, n):
    rooms = itertools.cycle(world.rooms())
    return [message(world, world.alice, next(rooms)) for _ in range(n)]


def send_one_room(world, n):
    room = world.once("one room", lambda: world.alice.create_room(preset="public_chat"))
    return [message(world, world.alice, room) for _ in range(n)]


def send_big_room(world, n):
    """Each message is judged by the rules of all members, and notifies them."""
    room, user = world.big_room(), world.alice
    return [message(world, user, room) for _ in range(n)]


def create_room(world, n):
    creator = world.user("creator")
    return [world.request("POST", f"{CLIENT}/createRoom", creator.token, {"preset": "private_chat", "name": "x"}) for _ in range(n)]


def join(world, n):
    bob = world.user("joiner")
    return [world.request("POST", f"{CLIENT}/join/{quote(room)}", bob.token, {}) for room in world.public_rooms(n, world.user("host"))]


def sync_path(world, since=None, **room):
    """Each with a filter of its own: Synapse would answer an equal request from a cache of answers."""
    chosen = {"room": {"timeline": {"limit": 20}, **room}, "presence": {"limit": next(world.txn)}}
    return f"{CLIENT}/sync?timeout=0&filter={percent(json.dumps(chosen))}" + (f"&since={since}" if since else "")


def initial_sync(world, n):
    reader = world.reader()
    return [world.request("GET", sync_path(world), reader.token) for _ in range(n)]


def incremental_sync(world, n):
    """Each sync follows the same ten messages in ten of the reader's fifty rooms."""
    reader = world.reader()

    def talk():
        since = reader.sync()["next_batch"]
        for room in world.rooms()[:10]:
            for i in range(10):
                world.alice.send(room, f"news {i}")
        return since

    since = world.once("since", talk)
    return [world.request("GET", sync_path(world, since), reader.token) for _ in range(n)]


SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
# What Element X asks of each room in its list.
SLIDING_STATE = [[f"m.room.{kind}", ""] for kind in ("name", "topic", "avatar", "encryption", "create", "join_rules", "power_levels",
                                                     "canonical_alias", "history_visibility", "tombstone")] + \
    [["m.room.member", "$LAZY"], ["m.room.member", "$ME"], ["m.space.parent", "*"], ["m.space.child", "*"]]


def sliding_body(last, conn_id):
    on = {"enabled": True}
    return {"conn_id": conn_id, "extensions": {"account_data": on, "receipts": on, "typing": on},
            "lists": {"all_rooms": {"ranges": [[0, last]], "timeline_limit": 1, "required_state": SLIDING_STATE}}}


def sliding_start(world, n):
    """The first twenty of a thousand rooms, each time on a connection of its own."""
    user, _ = world.crowded()
    return [world.request("POST", SLIDING, user.token, sliding_body(19, f"c{next(world.txn)}")) for _ in range(n)]


def sliding_at(world, name, last, news):
    """A position on a connection that knows the first rooms; then there are news in some of all rooms."""
    def make():
        user, rooms = world.crowded()
        body, pos = sliding_body(last, name), ""
        for _ in range(2):
            pos = "?pos=" + user.ok("POST", SLIDING + pos, body)["pos"]
        for room in rooms[len(rooms) - news:]:  # made last: in sight
            user.send(room, "news")
        return user, SLIDING + pos, body

    return world.once(name, make)


def sliding_news(last, news):
    def requests(world, n):
        user, path, body = sliding_at(world, f"first {last}, {news} with news", last, news)
        return [world.request("POST", path, user.token, body) for _ in range(n)]

    return requests


class FanOut(Case):
    """From the moment a message is sent until each of fifty long polls has it; a delivery is the unit."""

    def __init__(self, deliveries):
        super().__init__(None, deliveries, deliveries)

    def round(self, world, factor):
        room, users = world.waiters()
        taken, cpu, seconds = [], 0, 0
        for _ in range(max(2, int(self.busy[world.side.python] * factor))):
            # Positions are the server's, not a user's. Who is seen as offline wakes nobody by presence.
            since = world.alice.ok("GET", sync_path(world, rooms=[]) + "&set_presence=offline")["next_batch"]
            path = f"{CLIENT}/sync?timeout=30000&set_presence=offline&since={since}"
            waiters = [world.request("GET", path, user.token) for user in users]
            with world.side.watch() as used:
                taken += world.side.load.deliver(waiters, message(world, world.alice, room))
            cpu, seconds = cpu + used.cpu, seconds + used.seconds
        return taken, cpu / len(taken), len(taken) / seconds


class BesideLogins(Case):
    """whoami while more logins run than there are cores."""

    def round(self, world, factor):
        users = world.users(8)
        logins = [world.request("POST", f"{CLIENT}/login", None,
                                {"type": "m.login.password", "password": "a good password",
                                 "identifier": {"type": "m.id.user", "user": user.user_id}}, 1000) for user in users]
        process = world.side.load.start(logins, len(users))
        try:
            return super().round(world, factor)
        finally:
            process.kill()
            process.wait()


def keyed(world):
    """Fifty users who have published identity keys, a fallback key and 500 one-time keys."""
    def publish(user):
        device = {"user_id": user.user_id, "device_id": user.device_id, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
                  "keys": {f"{kind}:{user.device_id}": "k" * 43 for kind in ("curve25519", "ed25519")},
                  "signatures": {user.user_id: {f"ed25519:{user.device_id}": "s" * 86}}}
        one_time = {f"signed_curve25519:{i:03}": signed_key(user, i) for i in range(500)}
        user.ok("POST", f"{CLIENT}/keys/upload", {"device_keys": device, "one_time_keys": one_time,
                                                  "fallback_keys": {"signed_curve25519:F": {**signed_key(user, "f"), "fallback": True}}})

    def make():
        users = world.users(world.scale(50) + 1)[1:]
        world.each(publish, users)
        return users

    return world.once("keys", make)


def signed_key(user, name):
    return {"key": f"{name}".rjust(43, "k"), "signatures": {user.user_id: {f"ed25519:{user.device_id}": "s" * 86}}}


def keys_upload(world, n):
    """A new fallback key each time, as clients do after the old one was used."""
    users = itertools.cycle(keyed(world))
    return [world.request("POST", f"{CLIENT}/keys/upload", user.token,
                          {"fallback_keys": {f"signed_curve25519:{(i := next(world.txn))}": {**signed_key(user, i), "fallback": True}}})
            for user in itertools.islice(users, n)]


def keys_query(world, n):
    """The keys of fifty users at once."""
    asked = {"device_keys": {user.user_id: [] for user in keyed(world)}}
    return [world.request("POST", f"{CLIENT}/keys/query", world.alice.token, asked) for _ in range(n)]


def keys_claim(world, n):
    """A one-time key of each of ten devices; fallback keys when there are none left."""
    users = itertools.cycle(keyed(world))
    return [world.request("POST", f"{CLIENT}/keys/claim", world.alice.token,
                          {"one_time_keys": {user.user_id: {user.device_id: "signed_curve25519"} for user in itertools.islice(users, 10)}})
            for _ in range(n)]


def to_device(world, n):
    """A message to each of fifty devices, by the writer: other workers of Synapse refuse it."""
    messages = {user.user_id: {user.device_id: {"algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": "c" * 500}}
                for user in keyed(world)}
    return [world.request("PUT", f"{CLIENT}/sendToDevice/m.room.encrypted/b{next(world.txn)}", world.alice.token,
                          {"messages": messages}, port=world.side.deployment.main.port) for _ in range(n)]


def room_path(room_of, rest):
    return lambda w: f"{CLIENT}/rooms/{quote(room_of(w))}/{rest}"


whoami = read(lambda w: f"{CLIENT}/account/whoami")

#: counts are (Ganglion, Synapse)
CASES = {
    "versions": Case(read(lambda w: "/_matrix/client/versions"), (2000, 100), (30000, 500)),
    "whoami": Case(whoami, (2000, 100), (30000, 800)),
    "send, many rooms": Case(send_many_rooms, (200, 20), (2000, 120), 20),
    "send, one room": Case(send_one_room, (200, 20), (1000, 80), 8),
    "send, 500 members": Case(send_big_room, (50, 5), (300, 16), 4),
    "state, 500 members": Case(read(room_path(lambda w: w.big_room(), "state")), (100, 20), (400, 50), 4),
    "members, 500": Case(read(room_path(lambda w: w.big_room(), "members")), (100, 20), (400, 50), 4),
    "messages": Case(read(room_path(lambda w: w.talked_room(), "messages?dir=b&limit=50")), (200, 20), (2000, 80), 4),
    "initial sync, 50 rooms": Case(initial_sync, (20, 3), (100, 6), 2),
    "incremental sync, busy": Case(incremental_sync, (50, 10), (400, 30), 4),
    "sliding, first answer": Case(sliding_start, (20, 3), (100, 6), 2),
    "sliding, no news": Case(sliding_news(19, 0), (200, 10), (1000, 30), 4),
    "sliding, 1 room's news": Case(sliding_news(19, 1), (200, 10), (1000, 30), 4),
    "sliding, all in sight": Case(sliding_news(999, 1), (200, 10), (1000, 30), 4),
    "fan-out to 50": FanOut((10, 5)),
    "createRoom": Case(create_room, (50, 5), (300, 16), 4),
    "join": Case(join, (50, 5), (300, 16), 4),
    "keys/upload": Case(keys_upload, (200, 20), (1000, 100), 4),
    "keys/query, 50 users": Case(keys_query, (200, 20), (1000, 60), 4),
    "keys/claim, 10 devices": Case(keys_claim, (100, 20), (500, 60), 4),
    "sendToDevice, 50": Case(to_device, (100, 20), (500, 60), 4, at_main=True),
    "whoami beside logins": BesideLogins(whoami, (300, 100), (100, 50), 1),
}
