"""What was answered is there in the end, whatever dies in between."""

import pytest

from conftest import deploy
from lib.entered import entered
from lib.server import Server
from lib.wait import until


@pytest.fixture
def own(kind, build, folder, postgres, authority):
    """A deployment that a test may kill."""
    deployment = deploy("killed", kind, build, folder, postgres, authority)
    deployment.start()
    yield Server(deployment)
    deployment.stop()


def kill_all(server):
    """kill -9 of everything, and a start: locks of the dead do not count any more."""
    deployment = server.deployment
    for process in deployment.processes.values():
        process.kill()
    deployment.start_process()
    for worker in deployment.workers:
        deployment.start_process(worker)


def test_a_kill_loses_no_event(own, remote):
    alice = own.register()
    rooms = [entered(own, remote, alice.create_room(room_version="10", preset="public_chat"), "10") for _ in range(4)]
    names, events = [], []
    for n in range(50):
        for room in rooms:
            names.append(room.say(f"number {n}", room.user))
            events.append(room.events[names[-1]])
    for start in range(0, len(events), 50):
        answer = remote.send(own.name, events[start:start + 50])
        assert set(answer) == set(names[start:start + 50])
    kill_all(own)
    until(lambda: own.sql("SELECT count(*) FROM federation_inbound_events_staging") == [["0"]], 60)
    for room in rooms:
        last = [name for name in names if name in room.events][-1]
        assert own.sql(f"SELECT event_id FROM event_forward_extremities WHERE room_id = '{room.room_id}'") == [[last]]
    held = own.sql("SELECT count(*) FROM events WHERE type = 'm.room.message' AND NOT outlier AND rejection_reason IS NULL")
    assert held == [[str(len(events))]]
    assert not [asked for asked in remote.asked if "get_missing" in asked.path]
