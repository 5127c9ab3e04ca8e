"""A bridge: from the message until the bridge has it."""

import itertools
import time

from lib import appservice
from lib.server import quote

from .cases import message
from .federation import until
from .world import CLIENT

GHOSTS = 20  # in each room


class Sink(appservice.Bridge):
    """Counts; what the others' bridge checks would cost more than what is measured."""

    def reset(self):
        super().reset()
        self.count, self.seen = 0, set()

    def take(self, txn_id, body):
        if txn_id not in self.seen:
            self.seen.add(txn_id)
            self.count += sum(event["type"] == "m.room.message" for event in body["events"])
        return 200, {}


class ToBridge:
    """Messages in fifty rooms, each with twenty ghosts; a message is the unit. The clock of CPU runs from the first request until
    the bridge has the last one, so it has the sending in it."""

    def __init__(self, alone, busy, at_once=20):
        self.alone, self.busy, self.at_once = alone, busy, at_once

    def rooms(self, world):
        def make():
            service = appservice.Service(world.side.server, world.side.services[0])
            ghosts = world.each(lambda i: service.ghost(f"_bridge_{i}"), range(GHOSTS))
            rooms = world.public_rooms(world.scale(50))
            world.each(lambda room: [ghost.join(room) for ghost in ghosts], rooms)
            return rooms, Sink(world.side.services[0])

        return world.once("bridged", make)

    def round(self, world, factor):
        side = world.side
        rooms, sink = self.rooms(world)
        turn = itertools.cycle(rooms)
        count = lambda pair: max(2, int(pair[side.python] * factor))
        taken, n = [], count(self.busy)
        for _ in range(count(self.alone)):
            before, began = sink.count, time.perf_counter()
            path = f"{CLIENT}/rooms/{quote(next(turn))}/send/m.room.message/b{next(world.txn)}"
            world.alice.ok("PUT", path, {"msgtype": "m.text", "body": "one"})
            while sink.count == before:
                time.sleep(0.0005)
            taken.append(time.perf_counter() - began)
        requests, before = [message(world, world.alice, next(turn)) for _ in range(n)], sink.count
        with side.watch() as used:
            side.load.run(requests, self.at_once)
            until(lambda: sink.count >= before + n, "the bridge has all messages")
        return taken, used.cpu / n, n / used.seconds


#: counts are (Ganglion, Synapse)
CASES = {"message to a bridge": ToBridge((50, 10), (2000, 120))}
