"""Sliding sync of Ganglion and of Synapse on one database: equal answers to equal requests, and connections that go on at
a process of the other kind."""

import copy
import os
import time

import pytest

from deployment.layout import Worker
from lib import views, world
from lib.mixed import Mixed
from lib.server import Server, quote
from lib.sliding import Connection

CLIENT = "/_matrix/client/v3"
ON = {"enabled": True}
MANY = [["m.room.name", ""], ["m.room.topic", ""], ["m.room.avatar", ""], ["m.room.create", ""], ["m.room.encryption", ""],
        ["m.room.member", "$ME"], ["m.room.member", "$LAZY"], ["org.example.state", "*"], ["m.space.child", "*"]]


def listing(ranges=((0, 99),), limit=3, state=MANY, **filters):
    made = {"ranges": [list(r) for r in ranges], "timeline_limit": limit, "required_state": state}
    return {**made, "filters": filters} if filters else made


# What a client may ask: lists, then extensions.
REQUESTS = {
    "everything": ({"all": listing()}, {"account_data": ON, "receipts": ON, "typing": ON, "e2ee": ON, "to_device": ON}),
    "windows": ({"top": listing([(0, 3)], 5), "more": listing([(2, 6), (10, 12)], 5)}, {}),
    "all state": ({"all": listing([(0, 4)], 2, [["*", "*"]])}, {}),
    "no members": ({"all": listing([(0, 9)], 20, [["m.room.power_levels", ""]])}, {}),
    "members": ({"all": listing([(0, 9)], 0, [["m.room.member", "*"], ["*", "key é"]])}, {}),
    "filters": ({"dm": listing(is_dm=True), "not dm": listing([(0, 2)], is_dm=False), "encrypted": listing(is_encrypted=True),
                 "plain": listing([(0, 5)], is_encrypted=False), "invites": listing(is_invite=True),
                 "rooms": listing([(0, 1)], is_invite=False), "spaces": listing(room_types=["m.space"]),
                 "no type": listing([(0, 1)], room_types=[None]), "not spaces": listing([(0, 1)], not_room_types=["m.space"]),
                 "tagged": listing(tags=["m.favourite"]), "not tagged": listing([(0, 1)], not_tags=["m.favourite"])},
                {"receipts": {"enabled": True, "lists": [], "rooms": []}}),
}


def room_part(token):
    return token.split("_")[0]


def comparable_room(room_id, room, unnamed):
    found = {k: v for k, v in views.comparable(room).items() if k not in ("notification_count", "highlight_count")}
    if "prev_batch" in room:
        found["prev_batch"] = room_part(room["prev_batch"])
    for event in found.get("required_state", []):  # Synapse adds them if the event happens to lie in its cache
        event["unsigned"] = {k: v for k, v in event["unsigned"].items() if k not in ("prev_content", "prev_sender")}
    if room_id not in unnamed:  # Synapse tells heroes of a room with a name, too, when its members change
        found.pop("heroes", None)
    for events in ("required_state", "heroes"):
        if events in found:
            found[events] = sorted(found[events], key=lambda e: (e.get("type", ""), e.get("state_key", ""), e.get("user_id", "")))
    return found


def comparable(answer, unnamed=()):
    """Without what is another position, the order of what has none, and what Synapse never counts."""
    # An invitation that stands was told before: Synapse tells it again whenever something happens in the room.
    rooms = {room_id: room for room_id, room in answer["rooms"].items() if "invite_state" not in room or "initial" in room}
    found = {"rooms": {room_id: comparable_room(room_id, room, unnamed) for room_id, room in rooms.items()},
             "lists": copy.deepcopy(answer.get("lists")), "extensions": copy.deepcopy(answer["extensions"])}
    for made in (found["lists"] or {}).values():
        for op in made["ops"]:
            if len(made["ops"]) == 1 and op["range"][1] >= made["count"] - 1:
                op["room_ids"].sort()
    found["extensions"].get("e2ee", {}).pop("device_lists", None)  # has tests of its own
    data = found["extensions"].get("account_data")
    if data:
        data["global"] = sorted((e for e in data["global"] if e["type"] != "m.push_rules"), key=lambda e: e["type"])
        for room in data["rooms"].values():
            room.sort(key=lambda e: e["type"])
    return found


UNNAMED = []  # ids of rooms that have no name


class Pair:
    """The same request to both, each on a connection of its own."""

    def __init__(self, sides, user, name):
        self.sides, self.name = sides, name
        lists, extensions = REQUESTS[name]
        self.connections = {side: Connection(user, copy.deepcopy(lists), f"{name} at {side}", extensions=copy.deepcopy(extensions))
                            for side in sides}

    def change(self, fn):
        for connection in self.connections.values():
            fn(connection)

    def compare(self):
        found = {side: comparable(c.sync(base=self.sides[side]), UNNAMED) for side, c in self.connections.items()}
        different = views.differences(found["synapse"], found["ganglion"])
        assert not different, f"{self.name}: {len(different)} differences (Synapse, Ganglion), such as " + \
            "\n".join(map(str, different[:8]))
        return found["ganglion"]


@pytest.fixture(scope="module")
def full(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS interop_sliding")
    deployment = Mixed(os.path.join(folder, "interop-sliding"), build, postgres, database="interop_sliding", front=False,
                       bcrypt_rounds=4, python={"worker1"}, workers=[Worker("worker1", "synapse.app.generic_worker", ["client"])],
                       stream_writers={"events": ["master"]})
    try:
        deployment.start()
        server = Server(deployment)
        urls = {"ganglion": f"http://127.0.0.1:{deployment.main.port}", "synapse": f"http://127.0.0.1:{deployment.workers[0].port}"}
        server.base_url = urls["ganglion"]
        w = world.World(server)
        for version in ("1", "6", "11", "12"):
            world.fill_room(w, version)
        world.fill_other_rooms(w)
        world.fill_data(w)
        me = f"{CLIENT}/user/{quote(w.alice.user_id)}"
        w.alice.ok("PUT", f"{me}/account_data/m.direct", {w.carol.user_id: [w.rooms["direct"]]})
        w.alice.ok("PUT", f"{me}/rooms/{quote(w.rooms['long'])}/tags/m.favourite", {"order": 0.1})
        w.rooms["unnamed"] = w.alice.create_room(preset="public_chat", invite=[w.carol.user_id, w.dave.user_id])
        w.post(w.bob, "unnamed", "join")
        UNNAMED.append(w.rooms["unnamed"])
        w.rooms["settle"] = w.alice.create_room(name="settle")
        yield w, urls
    finally:
        deployment.stop()


def settle(w, urls):
    """Until both have heard of the last event."""
    event_id = w.alice.send(w.rooms["settle"], "is everybody there?")
    for url in urls.values():
        end = time.monotonic() + 10
        while w.alice.messages(w.rooms["settle"], limit=1, base=url)["chunk"][0]["event_id"] != event_id:
            assert time.monotonic() < end, f"{url} does not follow"
            time.sleep(0.05)


def something_happens(w):
    w.say(w.bob, "version 11", "news")
    w.say(w.alice, "long", "news")
    w.state(w.alice, "version 6", "m.room.name", {"name": "another name"})
    w.state(w.alice, "version 6", "org.example.state", {"n": 2}, "key é")
    for i in range(6):
        w.say(w.alice, "version 12", f"many {i}")
    w.post(w.dave, "version 1", "join")
    w.post(w.erin, "unnamed", "join")
    w.post(w.alice, "version 12", "invite", {"user_id": w.carol.user_id})
    w.alice.ok("PUT", f"{CLIENT}/user/{quote(w.alice.user_id)}/rooms/{quote(w.rooms['long'])}/account_data/x.y", {"z": 1})
    w.bob.ok("POST", f"{CLIENT}/rooms/{quote(w.rooms['long'])}/receipt/m.read/{quote(w.events['version 11']['last'])}", {})


def more_happens(w):
    w.post(w.bob, "again", "leave")
    w.post(w.dave, "version 1", "leave")
    w.post(w.erin, "unnamed", "leave")
    w.post(w.alice, "version 11", "kick", {"user_id": w.bob.user_id, "reason": "why not"})
    w.post(w.bob, "version 11", "join")
    w.put(w.carol, "direct", "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "BB"})
    w.state(w.alice, "long", "m.room.avatar", {"url": "mxc://example.org/a"})
    w.state(w.alice, "space", "m.space.child", {"via": ["localhost"]}, w.rooms["version 1"])
    w.redact(w.alice, "long", w.say(w.alice, "long", "to be redacted"))


@pytest.mark.parametrize("name", REQUESTS)
def test_equal_answers(full, name):
    w, urls = full
    settle(w, urls)
    pairs = [Pair(urls, user, name) for user in w.users.values()]
    for pair in pairs:
        pair.compare()
    for happen in (something_happens, more_happens):
        happen(w)
        settle(w, urls)
        for pair in pairs:
            pair.compare()
            assert pair.compare()["rooms"] == {}


def test_equal_subscriptions(full):
    w, urls = full
    settle(w, urls)
    for user in (w.alice, w.bob, w.dave):
        # Where they have left, Synapse adds the leave to whatever state is asked for anew.
        joined = user.ok("GET", f"{CLIENT}/joined_rooms")["joined_rooms"]
        pair = Pair(urls, user, "windows")
        pair.change(lambda c: setattr(c, "lists", {"all": listing([(0, 1)], 1, [["m.room.name", ""]])}))
        pair.compare()
        steps = [{"timeline_limit": 4, "required_state": [["m.room.create", ""], ["m.room.member", "$LAZY"]]},
                 {"timeline_limit": 4, "required_state": [["m.room.member", "$LAZY"], ["m.room.topic", ""]]},
                 {"timeline_limit": 30, "required_state": [["m.room.member", "*"]]},
                 {"timeline_limit": 2, "required_state": [["m.room.member", user.user_id], ["*", "key é"]]},
                 {"timeline_limit": 2, "required_state": [["*", "*"]]}, {"timeline_limit": 2, "required_state": []}]
        for wanted in steps:
            for act in (None, lambda: w.say(w.alice, "version 6", "one more"), lambda: w.state(w.alice, "version 6", "m.room.topic", {"topic": "new"}),
                        lambda: w.post(w.carol, "version 6", "join"), lambda: w.post(w.carol, "version 6", "leave")):
                if act:
                    act()
                    settle(w, urls)
                pair.change(lambda c: setattr(c, "subscriptions", {room: wanted for room in joined}))
                pair.name = f"subscription {wanted}, {act}"
                pair.compare()


def test_a_connection_goes_on_at_the_other(full):
    w, urls = full
    settle(w, urls)
    connection = Connection(w.bob, {"all": listing([(0, 2)], 2)}, "to and fro", extensions={"account_data": ON, "receipts": ON})
    staying = Connection(w.bob, {"all": listing([(0, 2)], 2)}, "stays", extensions={"account_data": ON, "receipts": ON})
    sides = list(urls)
    for i in range(8):
        one = comparable(connection.sync(base=urls[sides[i % 2]]))
        other = comparable(staying.sync(base=urls["synapse"]))
        assert not views.differences(other, one), views.differences(other, one)[:5]
        w.say(w.alice, ("version 6", "long", "version 12", "version 1")[i % 4], f"step {i}")
        w.say(w.bob, "version 11", f"step {i}")
        settle(w, urls)
    rows = w.server.deployment.postgres.sql
    assert int(rows("SELECT count(*) FROM sliding_sync_connections WHERE conn_id = 'to and fro'", "interop_sliding")[0][0]) == 1
