"""Processes of either kind come and go while the others run on, in any order."""

from deployment.layout import Worker
from lib import world
from lib.server import Server
from lib.wait import until

WORKER = "worker1"


def exchange(w, room, urls):
    """A message from each side is in everybody's history and wakes a sync at the other."""
    for sender in (w.alice, w.bob):
        for url in urls:
            since = {other: w.bob.sync(base=other)["next_batch"] for other in urls}
            event_id = sender.send(room, "still here", base=url)
            for other in urls:
                w.server.base_url = other
                w.bob.sync_until(lambda a: any(e["event_id"] == event_id for e in a.get("rooms", {}).get("join", {}).get(room, {})
                                               .get("timeline", {}).get("events", [])), since[other])
                w.server.base_url = urls[0]


def test_one_after_the_other(mixed):
    """Synapse's main and worker; then main becomes ours, then the worker, then main is Synapse's again."""
    worker = Worker(WORKER, "synapse.app.generic_worker", ["client", "federation"])
    deployment = mixed("restarts", python={"main", WORKER}, workers=[worker], stream_writers={"events": [WORKER, "master"]},
                       extra_config={"caches": {"sync_response_cache_duration": 0}})
    deployment.start()
    w = world.World(Server(deployment))
    urls = [f"http://127.0.0.1:{deployment.main.port}", f"http://127.0.0.1:{worker.port}"]
    w.server.base_url = urls[0]
    world.fill_room(w, "11")
    world.fill_room(w, "12", base=urls[1])
    rooms = list(w.rooms.values())
    exchange(w, rooms[0], urls)
    for kind, name in ((set(), "main"), (set(), WORKER), ({"main"}, "main"), ({WORKER}, WORKER), (set(), "main")):
        assert deployment.complaints() == []
        deployment.processes.pop(name).stop()
        deployment.forget_logs(name)
        deployment.python = (deployment.python - {name}) | kind
        deployment.start_process(None if name == "main" else worker)
        for room in rooms:
            exchange(w, room, urls)
        made = w.bob.ok("POST", "/_matrix/client/v3/createRoom", {"name": f"{name} anew"}, base=urls[1])["room_id"]
        until(lambda: w.bob.call("GET", f"/_matrix/client/v3/rooms/{made}/state/m.room.name/", base=urls[0]).status == 200)
    assert deployment.complaints() == []
