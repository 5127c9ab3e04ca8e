"""Servers that share rooms. Peers are played by tests/lib/remote.py, and by sink.py where there are many of them; what they
send is built and signed before anything is measured."""

import itertools
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request

import signedjson.key
import signedjson.sign
from deployment.ports import free_port
from lib import pdu as pdus
from lib.remote import FED, Remote
from lib.remote_room import RemoteRoom
from lib.server import quote
from unpaddedbase64 import encode_base64

from .load import raw
from .world import CLIENT

VERSION = "11"
PDUS = 50  # of a transaction, as the specification allows
PATIENCE = 300  # seconds
_txn = itertools.count(1)


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"it did not come about: {what}")
        time.sleep(0.02)


def number(side, sql):
    return int(side.postgres.sql(sql, "bench")[0][0])


# ---- in ----

def transaction(remote, server, events):
    """One signed request, as bytes."""
    body = {"origin": remote.name, "origin_server_ts": int(time.time() * 1000), "pdus": events, "edus": []}
    path = f"{FED}/v1/send/b{next(_txn)}"
    return raw("PUT", path, None, body, {"Authorization": remote.authorization("PUT", path, server, body)})


class Inbound:
    """Messages of another server in a hundred rooms, fifty in a transaction; a message is the unit. What was acknowledged
    counts when it is in its room: the clock of CPU runs until then."""

    def __init__(self, transactions):
        self.transactions = transactions

    def shared(self, world):
        def make():
            remote, name = world.side.peer(), world.side.server.name
            rooms = [world.alice.create_room(preset="public_chat", room_version=VERSION) for _ in range(world.scale(100))]
            return remote, [remote.join(name, room, "bench", VERSION) for room in rooms]

        return world.once("shared rooms", make)

    def prepare(self, world, n):
        remote, rooms = self.shared(world)
        turn, made = itertools.cycle(rooms), []
        for _ in range(n):
            events = []
            for room in itertools.islice(turn, PDUS):
                event = room.event("m.room.message", {"msgtype": "m.text", "body": "a message of ordinary length, as people write them"},
                                   remote.user("bench"))
                room.add(event)
                room.after = {name: room.after[name] for name in room.leaves}  # states of old events are of no more use
                events.append(event)
            made.append((world.side.ports[0], transaction(remote, world.side.server.name, events), 1))
        return made

    def round(self, world, factor):
        side = world.side
        n = max(2, int(self.transactions[side.python] * factor))
        requests = self.prepare(world, n)
        before = number(side, "SELECT count(*) FROM events")
        with side.watch() as used:
            taken = side.load.run(requests, 1)
            until(lambda: number(side, "SELECT count(*) FROM events") == before + n * PDUS, "all messages are in their rooms")
        return [seconds / PDUS for seconds in taken], used.cpu / (n * PDUS), n * PDUS / used.seconds


# ---- a room of many members ----

class BigRoom(RemoteRoom):
    """A room at another server whose members' events are built once, for both sides."""

    def fill(self, members):
        remote = self.remote
        auth = [self.reference(self.state[kind, ""]) for kind in ("m.room.create", "m.room.power_levels", "m.room.join_rules")]
        prev, depth = self.leaves[0], len(self.order)
        state = self.after.pop(prev)
        for i in range(members):
            user, depth = remote.user(f"member{i}"), depth + 1
            event = pdus.build(VERSION, remote.name, remote.key, type="m.room.member", state_key=user, sender=user, room_id=self.room_id,
                               content={"membership": "join", "displayname": f"Member {i}"}, depth=depth, prev_events=[self.reference(prev)],
                               auth_events=auth)
            prev = pdus.event_id(event, VERSION)
            self.events[prev], state["m.room.member", user] = event, prev
        self.after[prev], self.leaves = state, [prev]
        return self


def big_room(world, number_of_round):
    """The same for both sides."""
    members = world.scale(20000)

    def make():
        remote = world.side.peer()
        room = BigRoom.create(remote, VERSION, remote.user("creator")).fill(members)
        remote.rooms[room.room_id] = room
        return room

    return world.side.shared_once(f"big room {number_of_round}", make)


class JoinMade:
    """A user joins a room of 20,000 members at another server: the first from here."""

    def round(self, world, factor):
        side = world.side
        made = world.once("joins made", list)
        room = big_room(world, len(made))
        user = world.user("far")
        with side.watch() as used:
            began = time.perf_counter()
            user.ok("POST", f"{CLIENT}/join/{quote(room.room_id)}?server_name={quote(room.remote.name)}", {}, timeout=PATIENCE)
            taken = time.perf_counter() - began
            until(lambda: number(side, "SELECT count(*) FROM partial_state_rooms") == 0, "the whole state is known")
        made.append(room.room_id)
        found = number(side, f"SELECT count(*) FROM current_state_events WHERE room_id = '{room.room_id}' AND type = 'm.room.member'")
        if found < world.scale(20000) + 2:  # the other side may be in it by now
            raise RuntimeError(f"{found} members after the join")
        return [taken], used.cpu, 1 / used.seconds


class JoinServed:
    """A user of a third server joins that room through us."""

    def __init__(self, joins):
        self.joins = joins

    def round(self, world, factor):
        side, made = world.side, world.once("joins made", list)
        if not made:
            JoinMade().round(world, factor)
        remote = world.once("third server", side.new_peer)
        taken, name = [], side.server.name
        with side.watch() as used:
            for _ in range(self.joins):
                user = remote.user(f"joiner{next(_txn)}")
                template = remote.ok("GET", name, f"{FED}/v1/make_join/{quote(made[0])}/{quote(user)}?ver={VERSION}", timeout=PATIENCE)["event"]
                event = pdus.build(VERSION, remote.name, remote.key,
                                   **{key: value for key, value in template.items() if key not in ("hashes", "signatures", "unsigned", "event_id")})
                path = f"{FED}/v2/send_join/{quote(made[0])}/{quote(pdus.event_id(event, VERSION))}"
                began = time.perf_counter()
                answer = remote.ok("PUT", name, path, event, timeout=PATIENCE)
                taken.append(time.perf_counter() - began)
                if len(answer["state"]) < world.scale(20000):
                    raise RuntimeError(f"{len(answer['state'])} state events")
        return taken, used.cpu / self.joins, self.joins / used.seconds


# ---- out ----

class Sink:
    """The program sink.py with its names."""

    def __init__(self, authority, names):
        key = signedjson.key.generate_signing_key("sink")
        self.key, self.port = key, free_port()
        certificate = authority.certificate("sink", "IP:127.0.0.1")
        self.process = subprocess.Popen([sys.executable, "-m", "sidebyside.sink", str(self.port), *certificate, encode_base64(key.encode())],
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.names = [f"127.{1 + i // 65536}.{i // 256 % 256}.{i % 256}:{self.port}" for i in range(1, names + 1)]

    def count(self):
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}/count", context=context, timeout=30) as answer:
            return json.load(answer)["pdus"]

    def stop(self):
        self.process.kill()
        self.process.wait()


class Outbound:
    """A message in a room with a thousand other servers, each of which gets it; a delivery is the unit."""

    def __init__(self, messages):
        self.messages = messages

    def crowd(self, world):
        """Their members' events come through one of them: it needs no thousand handshakes. Ganglion takes them in on both sides; Synapse
        needs over a second for each, and asks their servers one by one for their keys."""
        def make():
            with world.side.by_ganglion():
                made = self.fill(world)
            world.side.settle()
            return made

        return world.once("a thousand servers", make)

    def fill(self, world):
        side, name = world.side, world.side.server.name
        sink, remote = side.sink(world.scale(1000)), side.new_peer()
        room_id = world.alice.create_room(preset="public_chat", room_version=VERSION)
        room = remote.join(name, room_id, "crowd", VERSION)
        auth = [room.reference(room.state[kind, ""]) for kind in ("m.room.create", "m.room.power_levels", "m.room.join_rules")]
        prev, events = room.leaves[0], []
        depth = room.events[prev]["depth"]
        for server in sink.names:
            depth, user = depth + 1, f"@one:{server}"
            event = pdus.build(VERSION, server, sink.key, type="m.room.member", state_key=user, sender=user, room_id=room_id,
                               content={"membership": "join"}, depth=depth, prev_events=[prev], auth_events=auth)
            prev = pdus.event_id(event, VERSION)
            events.append(event)
        members = f"SELECT count(*) FROM current_state_events WHERE room_id = '{room_id}' AND type = 'm.room.member'"
        for at in range(0, len(events), PDUS):
            part = {"origin": remote.name, "origin_server_ts": 1, "edus": [], "pdus": events[at:at + PDUS]}
            remote.ok("PUT", name, f"{FED}/v1/send/c{next(_txn)}", part, timeout=PATIENCE)
            until(lambda part=part, at=at: number(side, members) == at + len(part["pdus"]) + 2, "they are in the room")
        return sink, room_id

    def settled(self, sink):
        before = -1
        while before != sink.count():
            before = sink.count()
            time.sleep(1)
        return before

    def round(self, world, factor):
        side = world.side
        sink, room = self.crowd(world)
        n = max(1, int(self.messages[side.python] * factor))
        taken, before = [], self.settled(sink)
        with side.watch() as used:
            for i in range(n):
                began = time.perf_counter()
                world.alice.send(room, f"message {i} to everybody")
                until(lambda i=i: sink.count() >= before + (i + 1) * len(sink.names), "everybody has it")
                taken.append((time.perf_counter() - began) / len(sink.names))
        return taken, used.cpu / (n * len(sink.names)), n * len(sink.names) / used.seconds


#: counts are (Ganglion, Synapse)
CASES = {
    "federation /send": Inbound((80, 12)),
    "join, 20000 made": JoinMade(),
    "join, 20000 served": JoinServed(3),
    "out to 1000 servers": Outbound((10, 3)),
}


class Peers:
    """The other servers of a run; both sides may share some."""

    def __init__(self, authority):
        self.authority, self.made, self.shared, self.sinks = authority, [], {}, []

    def remote(self):
        self.made.append(Remote(self.authority))
        return self.made[-1]

    def once(self, name, make):
        if name not in self.shared:
            self.shared[name] = make()
        return self.shared[name]

    def sink(self, names):
        self.sinks.append(Sink(self.authority, names))
        return self.sinks[-1]

    def stop(self):
        for remote in self.made:
            remote.stop()
        for sink in self.sinks:
            sink.stop()
