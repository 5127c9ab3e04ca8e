"""A process is replaced by a new one of its name while clients are at work: the load, and the replacing."""

import http.client
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse

from deployment.process import started_at
from lib.server import quote
from lib.wait import PATIENCE

SANITIZED = os.path.basename(os.environ.get("GANGLION_BUILD", "")).startswith("asan")
PER_SECOND, POLLS, ROOMS = (40, 30, 4) if SANITIZED else (200, 100, 8)
SENDERS = 8
WIDE = quote('{"room":{"timeline":{"limit":500}}}')  # what came while a process was replaced is more than a usual timeline holds


def read_pid(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read())
    except (OSError, ValueError):
        return None


def adopt_successors(deployment):
    """A test that failed may not know of them, and they are to be stopped, too."""
    for name, process in deployment.processes.items():
        pid = read_pid(deployment.pid_file(name))
        if pid and not process.is_alive() and started_at(pid):
            process.popen = None
            process.adopt(pid, started_at(pid))


class Connection:
    """One that is kept: nothing is tried twice, so whatever fails is seen. But a connection under TLS cannot move: whoever has been
    idle is told that it ends, and the word may cross with a request, which is then sent anew, as every client does."""

    def __init__(self, server, user):
        to = urllib.parse.urlsplit(server.base_url)
        if to.scheme == "https":
            self.http = http.client.HTTPSConnection(to.hostname, to.port, timeout=60, context=ssl.create_default_context(cafile=server.authority))
        else:
            self.http = http.client.HTTPConnection(to.hostname, to.port, timeout=60)
        self.ends, self.again = to.scheme == "https", 0
        self.headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}

    def exchange(self, method, path, body):
        self.http.request(method, path, body, self.headers)
        return self.http.getresponse()

    def call(self, method, path, body=None):
        text = None if body is None else json.dumps(body)
        try:
            answer = self.exchange(method, path, text)
        except (http.client.RemoteDisconnected, ConnectionError):
            if not self.ends:
                raise
            self.again += 1
            self.http.close()
            answer = self.exchange(method, path, text)
        text = answer.read()
        assert answer.status == 200, (method, path, answer.status, text)
        return json.loads(text)


class Load:
    def __init__(self, server, users, rooms, polls=POLLS):
        self.server, self.users, self.rooms = server, users, rooms
        self.stopping = threading.Event()
        self.failures, self.sent, self.seen, self.slowest, self.requests, self.again = [], [], set(), 0.0, 0, 0
        self.threads = [threading.Thread(target=self.guard, args=(self.send, i)) for i in range(SENDERS)]
        self.threads += [threading.Thread(target=self.guard, args=(self.poll, i)) for i in range(polls)]

    def guard(self, work, i):
        connection = Connection(self.server, self.users[i % len(self.users)])
        try:
            work(connection, i)
        except Exception as problem:  # pylint: disable=broad-except
            self.failures.append((work.__name__, i, repr(problem)))
        self.again += connection.again

    def send(self, connection, i):
        due, n = time.monotonic(), 0
        while not self.stopping.is_set():
            n += 1
            room = self.rooms[(i + n) % len(self.rooms)]
            began = time.monotonic()
            if n % 2:
                path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/h{i}-{n}"
                self.sent.append((room, connection.call("PUT", path, {"msgtype": "m.text", "body": f"{i} {n}"})["event_id"]))
            else:
                connection.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.create/")
            self.requests += 1
            self.slowest = max(self.slowest, time.monotonic() - began)
            due += SENDERS / PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))

    def poll(self, connection, i):
        since = ""
        while not self.stopping.is_set():
            answer = connection.call("GET", f"/_matrix/client/v3/sync?timeout=30000&filter={WIDE}{since}")
            since = f"&since={answer['next_batch']}"
            for room in answer.get("rooms", {}).get("join", {}).values():
                self.seen.update(e["event_id"] for e in room["timeline"]["events"])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def restart(server, name):
    deployment = server.deployment
    return [os.path.join(deployment.build, "bin", "ganglionctl"), "restart", name, os.path.join(deployment.folder, "config"), "--json"]


def hand_over(server, name, lingers=False):
    """The new pid. The old process has ended, too, unless it lingers."""
    process = server.deployment.processes[name]
    done = subprocess.run(restart(server, name), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    pid = json.loads(done.stdout)[0]["pid"]
    assert pid != process.pid and (lingers or process.popen is None or process.popen.wait(PATIENCE) == 0)
    process.popen = None
    process.adopt(pid, started_at(pid))
    return pid
