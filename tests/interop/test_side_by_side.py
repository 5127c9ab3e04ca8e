"""Both at once, on one database and one Redis: a worker of either joins a main process of the other."""

import pytest

from deployment.layout import Worker
from lib.server import Server

WORKER = "generic_worker1"


@pytest.mark.parametrize("python", [{WORKER}, {"main"}], ids=["Synapse worker, Ganglion main", "Ganglion worker, Synapse main"])
def test_a_message_reaches_the_other_side(mixed, python):
    name = "ours" if "main" not in python else "theirs"
    deployment = mixed(name, python=python, workers=[Worker(WORKER, "synapse.app.generic_worker", ["client", "federation"])],
                       stream_writers={"events": ["master"]})
    deployment.start()
    server = Server(deployment)
    server.base_url = f"http://127.0.0.1:{deployment.main.port}"
    main, worker = server.base_url, server.worker_url(WORKER)
    alice, bob = server.register("alice"), server.register("bob")
    room = alice.create_room(preset="public_chat", name="both")
    bob.join(room)
    seen = {base: bob.sync(base=base)["next_batch"] for base in (main, worker)}

    def reaches(event_id, base):
        for _ in range(10):
            answer = bob.sync(seen[base], timeout=3000, base=base)
            seen[base] = answer["next_batch"]
            events = answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])
            if any(e["event_id"] == event_id for e in events):
                return True
        return False

    for i in range(5):
        for sender, base in ((alice, main), (alice, worker), (bob, worker), (bob, main)):
            event_id = sender.send(room, f"{i} by {base}", base=base)
            assert reaches(event_id, main), f"sent at {base}, not seen at main"
            assert reaches(event_id, worker), f"sent at {base}, not seen at the worker"
    carol = server.register("carol")
    carol.join(room, base=worker)
    assert carol.user_id in alice.ok("GET", f"/_matrix/client/v3/rooms/{room}/joined_members", base=main)["joined"]
    new_room = carol.ok("POST", "/_matrix/client/v3/createRoom", {"name": "made at the worker"}, base=worker)["room_id"]
    assert carol.ok("GET", f"/_matrix/client/v3/rooms/{new_room}/state/m.room.name/", base=main) == {"name": "made at the worker"}
    assert deployment.complaints() == []
