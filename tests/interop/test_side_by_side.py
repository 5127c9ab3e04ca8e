"""Both at once, on one database and one Redis: processes of either kind in every part, and nobody can tell."""

import time

import pytest

from deployment.layout import Worker
from lib import views, world
from lib.server import Server, quote
from lib.wait import PATIENCE, until

CLIENT = "/_matrix/client/v3"
GENERIC = "synapse.app.generic_worker"


def generic(name):
    return Worker(name, GENERIC, ["client", "federation"])


# Which processes are Synapse's; which process writes what.
WRITERS = ("events", "typing", "receipts", "account_data", "device_lists", "to_device", "presence")
LAYOUTS = {
    "Synapse worker, Ganglion main": ({"worker1"}, {}),
    "Ganglion worker, Synapse main": ({"main"}, {}),
    "Synapse worker writes, Ganglion main": ({"worker1"}, {stream: ["worker1"] for stream in WRITERS}),
    "Ganglion worker writes, Synapse main": ({"main"}, {stream: ["worker1"] for stream in WRITERS}),
    "writers of both kinds, Ganglion main": ({"worker1"}, {"events": ["worker1", "worker2"], "receipts": ["worker1", "worker2"]}),
    "writers of both kinds, Synapse main": ({"main", "worker1"}, {"events": ["worker1", "worker2"], "receipts": ["worker1", "worker2"]}),
}


class Sides:
    """The processes that clients may ask, each by its own port."""

    def __init__(self, deployment):
        self.deployment, self.server = deployment, Server(deployment)
        self.urls = {"master": f"http://127.0.0.1:{deployment.main.port}"}
        self.urls.update({w.name: f"http://127.0.0.1:{w.port}" for w in deployment.workers})
        self.server.base_url = self.urls["master"]

    def writer(self, stream):
        writers = self.deployment.stream_writers.get(stream, ["master"])
        return self.urls[writers[0]]


@pytest.fixture(params=LAYOUTS)
def sides(mixed, request):
    python, writers = LAYOUTS[request.param]
    names = sorted({"worker1"} | {name for group in writers.values() for name in group})
    deployment = mixed(f"sides{list(LAYOUTS).index(request.param)}", python=python, workers=[generic(name) for name in names],
                       stream_writers=writers or {"events": ["master"]},
                       extra_config={"caches": {"sync_response_cache_duration": 0}})  # what was asked once is asked again
    deployment.start()
    return Sides(deployment)


def rows(sides, statement):
    return sides.deployment.postgres.sql(statement, sides.deployment.database)


def until_seen(user, url, since, found, seconds=PATIENCE):
    """Syncs on from a token until one of the answers has it; the next token."""
    end = time.monotonic() + seconds
    while True:
        answer = user.sync(since, timeout=1000, base=url)
        since = answer["next_batch"]
        if found(answer.get("rooms", {}).get("join", {}), answer):
            return since
        assert time.monotonic() < end, f"not seen at {url}: {answer}"


def timeline_has(room, event_id):
    return lambda joined, _: any(e["event_id"] == event_id for e in joined.get(room, {}).get("timeline", {}).get("events", []))


def ephemeral_has(room, kind, content):
    return lambda joined, _: any(e["type"] == kind and content(e["content"])
                                 for e in joined.get(room, {}).get("ephemeral", {}).get("events", []))


def settle(w, sides):
    """Until every process has heard of the last event: what is done next is answered the same everywhere."""
    room = w.rooms["settle"]
    event_id = w.alice.send(room, "is everybody there?")
    for url in sides.urls.values():
        until(lambda url=url: w.alice.messages(room, limit=1, base=url)["chunk"][0]["event_id"] == event_id, what=f"{url} does not follow")


def same_everywhere(w, sides):
    """Every process gives the same answers, out of caches that were filled before the last changes."""
    settle(w, sides)
    found = {}
    for name, url in sides.urls.items():
        sides.server.base_url = url
        found[name] = views.all_views(w)
    sides.server.base_url = sides.urls["master"]
    for name in sides.urls:
        different = views.differences(found["master"], found[name])
        assert not different, f"{name}: {len(different)} differences, such as " + "\n".join(map(str, different[:5]))


def messages_go_everywhere(w, sides, room):
    since = {url: w.bob.sync(base=url)["next_batch"] for url in sides.urls.values()}
    for sender in (w.alice, w.bob):
        for name, url in sides.urls.items():
            event_id = sender.send(room, f"by way of {name}", base=url)
            for other in sides.urls.values():
                since[other] = until_seen(w.bob, other, since[other], timeline_has(room, event_id))


def data_goes_everywhere(w, sides, room):
    path = f"{CLIENT}/rooms/{quote(room)}"
    since = {url: w.bob.sync(base=url)["next_batch"] for url in sides.urls.values()}
    event_id = w.alice.send(room, "to be read")
    w.alice.ok("PUT", f"{path}/typing/{quote(w.alice.user_id)}", {"typing": True, "timeout": 30000}, base=sides.writer("typing"))
    w.alice.ok("POST", f"{path}/receipt/m.read/{quote(event_id)}", {}, base=sides.writer("receipts"))
    for url in sides.urls.values():
        token = until_seen(w.bob, url, since[url], ephemeral_has(room, "m.typing", lambda c: c["user_ids"] == [w.alice.user_id]))
        until_seen(w.bob, url, since[url], ephemeral_has(room, "m.receipt", lambda c: w.alice.user_id in c.get(event_id, {}).get("m.read", {})))
        since[url] = token
    w.alice.ok("PUT", f"{path}/typing/{quote(w.alice.user_id)}", {"typing": False}, base=sides.writer("typing"))
    for name, url in sides.urls.items():
        w.bob.ok("PUT", f"{CLIENT}/user/{quote(w.bob.user_id)}/account_data/org.example.{name}", {"from": name}, base=url)
        w.bob.ok("PUT", f"{CLIENT}/user/{quote(w.bob.user_id)}/rooms/{quote(room)}/account_data/org.example.{name}", {"r": name}, base=url)
        for other in sides.urls.values():
            since[other] = until_seen(w.bob, other, since[other], lambda _, answer: {"type": f"org.example.{name}", "content": {"from": name}}
                                      in answer.get("account_data", {}).get("events", []))


def names_go_everywhere(w, sides, room):
    """A new name of a user's reaches the rooms that they are in, some time after the answer."""
    w.carol.join(room)
    state = f"{CLIENT}/rooms/{quote(room)}/state/m.room.member/{quote(w.carol.user_id)}"
    for name, url in sides.urls.items():
        new = {"displayname": f"Carol at {name}"}
        w.carol.ok("PUT", f"{CLIENT}/profile/{quote(w.carol.user_id)}/displayname", new, base=url)
        for other in sides.urls.values():
            until(lambda new=new, other=other: w.bob.ok("GET", f"{CLIENT}/profile/{quote(w.carol.user_id)}/displayname", base=other) == new and
                  w.carol.ok("GET", state, base=other).get("displayname") == new["displayname"], what=f"the name given at {name} does not reach {other}")


def test_nobody_can_tell(sides):
    w = world.World(sides.server, list(sides.urls.values()))
    w.rooms["settle"] = w.alice.create_room(preset="public_chat")
    made = ["1", "10", "11", "12"]
    for i, (name, url) in enumerate(sides.urls.items()):
        world.fill_room(w, made[i], base=url)
        world.fill_room(w, made[3 - i], base=url, by=f"{name},")
    same_everywhere(w, sides)
    for room in list(w.rooms)[1:3]:
        messages_go_everywhere(w, sides, w.rooms[room])
    data_goes_everywhere(w, sides, w.rooms["version 1"])
    # Everything is in every cache now: changes made by each must be seen by all.
    for name, url in sides.urls.items():
        for room in list(w.rooms)[1:]:
            w.post(w.carol, room, "join", base=url)
            w.state(w.alice, room, "m.room.name", {"name": f"{room}, by {name}"}, base=url)
            w.state(w.alice, room, "m.room.power_levels", {**w.alice.state(w.rooms[room], "m.room.power_levels"), "kick": 40}, base=url)
            event_id = w.say(w.carol, room, "not for long", base=url)
            w.redact(w.carol, room, event_id, base=url)
            w.post(w.alice, room, "kick", {"user_id": w.carol.user_id}, base=url)
    names_go_everywhere(w, sides, w.rooms["settle"])
    same_everywhere(w, sides)
    # Synapse takes the highest group of a chain of deltas for the newest.
    assert rows(sides, "SELECT * FROM state_group_edges WHERE state_group <= prev_state_group") == []
    assert sides.deployment.complaints() == []
    assert sides.deployment.stop()
    # A Synapse that is told to stop complains of the connection that it closes itself.
    assert [line for line in sides.deployment.complaints() if line.split(".")[0] not in sides.deployment.python] == []
