"""A process is replaced by a new one of its name while clients are at work: no request fails, no event is lost."""

import json
import os
import shutil
import subprocess

import pytest

from deployment.deployment import Deployment
from handover import PER_SECOND, ROOMS, SANITIZED, SENDERS, Load, adopt_successors, hand_over, restart
from lib.server import Server
from lib.wait import until


@pytest.fixture(scope="module")
def served(build, folder, postgres):
    """A split whose roles lie in a folder of its own, where they can be built anew. Clients keep their connections to one worker."""
    postgres.sql("DROP DATABASE IF EXISTS faults_handover")
    plugins = os.path.join(folder, "handover-plugins")
    shutil.copytree(os.path.join(build, "plugins"), plugins)
    deployment = Deployment(os.path.join(folder, "handover"), build, postgres, database="faults_handover", bcrypt_rounds=4, router="ganglion")
    deployment.plugin_path = plugins
    try:
        deployment.start()
        server = Server(deployment)
        server.base_url = server.worker_url("generic_worker1")
        yield server
    finally:
        adopt_successors(deployment)
        deployment.stop()


def build_anew(server, role):
    """The same role as another file: what a process that starts now loads."""
    path = os.path.join(server.deployment.plugin_path, f"{role}.so")
    shutil.copy(path, path + ".new")
    os.replace(path + ".new", path)
    return os.stat(path).st_ino


def loaded(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        return {int(line.split()[4]) for line in f if line.rstrip().endswith("/generic_worker.so")}


def test_replaced_under_load(served):
    users = [served.register(f"handed{i}") for i in range(10)]
    rooms = [users[0].create_room(preset="public_chat") for _ in range(ROOMS)]
    for user in users[1:]:
        for room in rooms:
            user.join(room)
    with Load(served, users, rooms) as load:
        until(lambda: len(load.sent) > PER_SECOND / 2)
        for name in ("generic_worker1", "event_persister1"):
            file = build_anew(served, "generic_worker")
            before = len(load.sent)
            pid = hand_over(served, name)
            assert loaded(pid) == {file}
            until(lambda: len(load.sent) > before + PER_SECOND / 2 or load.failures)
        # Polls end by what happens in a room, as every client's do.
        until(lambda: {e for _, e in load.sent[:-SENDERS]} <= load.seen or load.failures)
        load.stopping.set()
        users[0].send(rooms[0], "the end", base=served.base_url)
    assert not load.failures, load.failures[:3]
    kept = {room: [e["event_id"] for e in everything(users[0], room)] for room in rooms}
    for room in rooms:
        acknowledged = [e for r, e in load.sent if r == room]
        assert sorted(acknowledged) == sorted(e for e in kept[room] if e in set(acknowledged))
    print(f"{load.requests} requests, the slowest {load.slowest:.2f} s")
    assert load.slowest < (20 if SANITIZED else 5)


def test_replaced_behind_and_before_the_router(served):
    """Polls that the router or a worker has passed on to another process end early, too, and are answered."""
    users = [served.register(f"routed{i}") for i in range(6)]
    room = users[0].create_room(preset="public_chat")
    for user in users[1:]:
        user.join(room)
    served.base_url = served.deployment.base_url
    try:
        with Load(served, users, [room], polls=12) as load:
            for name in ("router", "generic_worker1", "generic_worker2", "main"):
                before = len(load.sent)
                until(lambda: len(load.sent) > before + 20 or load.failures)
                hand_over(served, name)
            until(lambda: {e for _, e in load.sent[:-SENDERS]} <= load.seen or load.failures)
            load.stopping.set()
            users[0].send(room, "the end")
    finally:
        served.base_url = served.worker_url("generic_worker1")
    assert not load.failures, load.failures[:3]
    acknowledged = [e for _, e in load.sent]
    assert sorted(acknowledged) == sorted(e["event_id"] for e in everything(users[0], room) if e["event_id"] in set(acknowledged))


def everything(user, room):
    found, start = [], None
    while True:
        page = user.messages(room, limit=100, **({"from": start} if start else {}))
        found += page["chunk"]
        start = page.get("end")
        if not page["chunk"] or not start:
            return found


def test_a_successor_that_cannot_start_changes_nothing(served):
    """A file is missing: the old process goes on, and its clients notice nothing."""
    name = "generic_worker2"
    process = served.deployment.processes[name]
    worker = next(w for w in served.deployment.workers if w.name == name)
    path = served.deployment.config_paths(worker)[1]
    with open(path, encoding="utf-8") as f:
        good = f.read()
    with open(path, "a", encoding="utf-8") as f:
        f.write("worker_log_config: /nowhere.yaml\n")
    try:
        done = subprocess.run(restart(served, name), capture_output=True, text=True, timeout=120, check=False)
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(good)
    assert done.returncode == 1
    assert f"{name} goes on as it was (pid {process.pid}): its successor did not start" in json.loads(done.stdout)[0]["error"]
    assert "this process goes on: the new process ended before it was prepared" in process.tail(50)
    assert process.is_alive()
    served.base_url = served.worker_url(name)
    served.register()
    served.base_url = served.worker_url("generic_worker1")
