"""Every process is asked to end while its clients are busy: it ends by itself, with exit code 0, nothing leaked or used
after it was freed (when built with sanitizers), and comes back. Rounds: GANGLION_STOP_ROUNDS, 1 unless set."""

import os
import threading
import time
import urllib.error

import pytest

from lib.server import quote

ROUNDS = int(os.environ.get("GANGLION_STOP_ROUNDS", "1"))
SYNCERS, SENDERS = 30, 8


@pytest.fixture(scope="module", params=["monolith", "split"])
def busy(request, own):
    with own.running("stopping", monolith=request.param == "monolith") as server:
        yield server


class Load:
    """Clients that sync, send, type and join for as long as it runs; an answer that does not come is tried again."""

    def __init__(self, server, users, room):
        self.server, self.users, self.room = server, users, room
        self.stopping = threading.Event()
        self.sent = 0
        self.threads = [threading.Thread(target=self.repeat, args=(self.sync_once, users[i % len(users)], {})) for i in range(SYNCERS)]
        self.threads += [threading.Thread(target=self.repeat, args=(self.send_once, users[i % len(users)], {})) for i in range(SENDERS)]

    def repeat(self, once, user, memory):
        while not self.stopping.is_set():
            try:
                once(user, memory)
            except (OSError, urllib.error.URLError, AssertionError, ValueError):
                time.sleep(0.05)
            except Exception as error:  # http.client: the connection was cut in the middle of an answer
                if type(error).__module__ != "http.client":
                    raise
                time.sleep(0.05)

    def sync_once(self, user, memory):
        memory["since"] = user.sync(memory.get("since"), timeout=3000)["next_batch"]

    def send_once(self, user, memory):
        user.send(self.room, "busy")
        self.sent += 1
        path = f"/_matrix/client/v3/rooms/{quote(self.room)}"
        user.call("PUT", f"{path}/typing/{quote(user.user_id)}", {"typing": True, "timeout": 2000})
        if self.sent % 10 == 0:
            user.join(user.create_room(preset="public_chat"))

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)


def complaints(deployment):
    folder = os.path.join(deployment.folder, "logs")
    return [(name, line) for name in os.listdir(folder)
            for line in open(os.path.join(folder, name), encoding="utf-8", errors="replace")
            if "ERROR: AddressSanitizer" in line or "ERROR: LeakSanitizer" in line or "runtime error:" in line
            or "end in time" in line or "ends before its child" in line]


def test_every_process_ends_cleanly_under_load(busy):
    deployment = busy.deployment
    users = [busy.register() for _ in range(6)]
    room = users[0].create_room(preset="public_chat")
    for user in users[1:]:
        user.join(room)
    workers = {w.name: w for w in deployment.workers}
    with Load(busy, users, room) as load:
        for _ in range(ROUNDS):
            for name in list(deployment.processes):
                time.sleep(1)
                process, sent = deployment.processes[name], load.sent
                assert process.stop(seconds=30), f"{name} had to be killed"
                assert process.popen.wait(5) == 0, (name, process.popen.returncode, process.tail(30))
                deployment.start_process(workers.get(name))
                deadline = time.monotonic() + 30
                while load.sent <= sent:
                    assert time.monotonic() < deadline, f"nobody can send after {name} was started again"
                    time.sleep(0.1)
    assert not complaints(deployment)


def test_a_process_that_is_stopped_while_it_starts_ends_cleanly(busy):
    deployment = busy.deployment
    worker = deployment.workers[-1] if deployment.workers else None
    name = worker.name if worker is not None else "main"
    for pause in (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0):
        deployment.processes[name].stop()
        process = deployment.start_process(worker, wait=False)
        time.sleep(pause)
        process.send(15)
        assert process.wait(30), f"{name} had to be killed after {pause} s"
        # Before its handlers are set, the signal's own action ends the process.
        assert process.popen.wait(5) in (0, -15), (pause, process.popen.returncode, process.tail(30))
    deployment.start_process(worker)
    assert not complaints(deployment)
