"""The reverse proxy of a whole deployment: where requests go through nginx, haproxy and Ganglion's own router alike; and, before
processes that the tests play, what the router does when one of them is not there."""

import collections
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest
import yaml

from deployment.deployment import Deployment
from deployment.layout import Worker
from deployment.ports import free_port
from deployment.process import Process
from deployment.services import Haproxy, Nginx
from lib.certificates import Authority
from lib.findings import findings
from lib.server import Server, quote, request
from lib.upstream import Upstream, reply, silent
from lib.wait import until

SYNC, MESSAGES = "/_matrix/client/v3/sync", "/_matrix/client/v3/rooms/{}/messages?dir=b"
POOLS = {"sync": ["w1", "w2"], "events": ["w1", "w2"], "federation_in": ["w1", "w2"], "initial_sync": ["w3"], "login": ["w3"]}


@pytest.fixture(scope="module")
def server(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS e2e_router")
    workers = [Worker(name, "synapse.app.generic_worker", ["client", "federation", "metrics"]) for name in ("w1", "w2", "w3")]
    d = Deployment(os.path.join(folder, "router"), build, postgres, database="e2e_router", workers=workers, bcrypt_rounds=4, router="ganglion",
                   stream_writers={"events": ["w3"], "typing": "w2"}, extra_config={"enable_metrics": True, "ganglion": {"pools": POOLS}})
    d.proxy.listener_names.append("metrics")
    others = {"nginx": Nginx(os.path.join(d.folder, "nginx")), "haproxy": Haproxy(os.path.join(d.folder, "haproxy"))}
    try:
        d.start()
        server = Server(d)
        server.fronts = {"ganglion": d.base_url, **{form: f"http://127.0.0.1:{proxy.port}" for form, proxy in others.items()}}
        for form, proxy in others.items():
            proxy.start(d.routes(form, proxy.port))
        until(lambda: all(server_is_up(server, name) for name in ("w1", "w2", "w3", "master")))
        yield server
    finally:
        for proxy in others.values():
            proxy.stop()
        clean = d.stop()
    assert clean and not findings(os.path.join(d.folder, "logs"))


def server_is_up(server, name):
    return f'ganglion_router_up{{instance="{name}"}} 1' in request("GET", server.base_url + "/_synapse/metrics").text.decode()


@pytest.fixture(params=["ganglion", "nginx", "haproxy"])
def front(request, server):
    return server.fronts[request.param]


def counters(server, servlet):
    """Requests that each worker has answered on paths with that piece."""
    found = {}
    for name in ("w1", "w2", "w3"):
        text = request("GET", server.worker_url(name) + "/_synapse/metrics").text.decode()
        rows = re.findall(r'^synapse_http_server_response_count_total\{.*servlet="([^"]*)".*\} (\S+)$', text, re.MULTILINE)
        found[name] = sum(float(n) for path, n in rows if servlet in path)
    return found


def moved(server, servlet, act, least):
    """Which workers' counters act() moved; `least` requests must show."""
    before = counters(server, servlet)
    act()
    after = until(lambda: (now := counters(server, servlet)) and sum(now.values()) - sum(before.values()) >= least and now)
    return {name: int(after[name] - before[name]) for name in after if after[name] != before[name]}


def newcomer(server):
    """A user, a second device of theirs, and where their syncs go on."""
    user = server.register()
    return user, server.login(user.user_id), user.sync()["next_batch"]


@pytest.fixture(scope="module")
def users(server):
    return [newcomer(server) for _ in range(8)]


def workers_of(act, keys):
    """The workers that act(key) goes to. To whom a key falls is chance: after the first eight, others until both had one."""
    seen = set()
    for n, key in enumerate(keys):
        if n >= 8 and len(seen) > 1:
            break
        seen |= act(key)
    return seen


# ---- the same through each proxy ----


def test_one_worker_has_a_users_syncs(server, front, users):
    """Both devices of a user; and users are spread."""
    def act(one):
        user, device, since = one
        went = moved(server, "/sync", lambda: [each.ok("GET", f"{SYNC}?since={since}", base=front) for each in (user, device, user)], 3)
        assert list(went.values()) == [3], went
        return set(went)
    assert workers_of(act, itertools.chain(users, (newcomer(server) for _ in range(50)))) == {"w1", "w2"}


def test_first_syncs_have_a_worker_of_their_own(server, front, users):
    assert set(moved(server, "/sync", lambda: [user.ok("GET", SYNC, base=front) for user, _, _ in users[:4]], 4)) == {"w3"}
    assert set(moved(server, "/login", lambda: server.login(users[0][0].user_id) and request("GET", front + "/_matrix/client/v3/login"), 1)) == {"w3"}


def test_one_worker_has_a_rooms_messages(server, front, users):
    user, device, _ = users[0]

    def act(room):
        went = moved(server, "/rooms/{room_id}/", lambda: [(each.ok("GET", MESSAGES.format(quote(room)), base=front),
                                                            each.send(room, "here", base=front)) for each in (user, device)], 4)
        assert list(went.values()) == [4], went
        return set(went)
    assert workers_of(act, (user.create_room() for _ in range(58))) == {"w1", "w2"}


def transaction(front, origin, n):
    """Refused, for it is meant for another server: but by the worker that it was sent to."""
    signed = f'X-Matrix origin="{origin}",destination="elsewhere.example",key="ed25519:a",sig="{"A" * 86}"'
    answer = request("PUT", f"{front}/_matrix/federation/v1/send/{n}", {"pdus": []}, {"Authorization": signed})
    assert answer.status == 401


def test_one_worker_has_a_sources_transactions(server, front):
    went = moved(server, "/send/", lambda: [transaction(front, "one.example", n) for n in range(5)], 5)
    assert list(went.values()) == [5] and set(went) <= {"w1", "w2"}


def test_origins_are_spread(server):
    """Servers behind one address are told apart by the router alone."""
    def act(i):
        went = moved(server, "/send/", lambda: [transaction(server.base_url, f"s{i}.example", n) for n in range(2)], 2)
        assert list(went.values()) == [2], went
        return set(went)
    assert workers_of(act, range(58)) == {"w1", "w2"}


def test_writers_and_main(server, front, users):
    user = users[0][0]
    room = user.create_room()
    path = f"/_matrix/client/v3/rooms/{quote(room)}/typing/{quote(user.user_id)}"
    assert moved(server, "/typing/", lambda: user.ok("PUT", path, {"typing": False}, base=front), 1) == {"w2": 1}
    assert user.ok("GET", "/_matrix/client/v3/devices", base=front)["devices"]
    assert request("GET", front + "/_ganglion/forward/x").status == 404 and request("GET", front + "/no/such").status == 404


def test_a_token_that_does_not_name_its_user(server, users):
    """It is looked up: the same worker as for the user's other devices."""
    for n, (user, _, since) in enumerate(users[:4]):
        server.sql(f"INSERT INTO access_tokens (id, user_id, token, device_id) VALUES ({90000 + n}, '{user.user_id}', 'opaque{n}', 'D')")
        ask = {"Authorization": f"Bearer opaque{n}"}
        went = moved(server, "/sync", lambda: request("GET", f"{server.base_url}{SYNC}?since={since}", headers=ask), 1)
        assert went == moved(server, "/sync", lambda: user.ok("GET", SYNC, since=since), 1)


def test_its_metrics(server, users):
    users[0][0].ok("GET", SYNC)
    text = request("GET", f"http://127.0.0.1:{server.deployment.proxy.replication_port}/health").text
    assert text == b"OK"
    text = request("GET", server.base_url + "/_synapse/metrics").text.decode()
    assert re.search(r'^ganglion_router_requests_total\{pool="ganglion_initial_sync.*",instance="w3",answer="2xx"\} [1-9]', text, re.MULTILINE)
    assert server_is_up(server, "master")


def test_a_worker_that_is_restarted_costs_no_request(server, users):
    """Of people who sync, send and ask all the time, while one worker ends and starts again."""
    d = server.deployment
    worker = next(w for w in d.workers if w.name == "w1")
    stop, failed, done = threading.Event(), [], collections.Counter()

    def live(user, since, room):
        for n in range(100000):
            if stop.is_set():
                return
            for method, path, body in (("GET", f"{SYNC}?since={since}&timeout=100", None), ("GET", MESSAGES.format(quote(room)), None),
                                       ("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/r{n}", {"msgtype": "m.text", "body": "x"})):
                try:
                    answer = user.call(method, path, body)
                except OSError as error:
                    failed.append((method, path, error))
                else:
                    done[answer.status] += 1
                    if answer.status != 200:
                        failed.append((method, path, answer))

    people = [threading.Thread(target=live, args=(user, since, user.create_room())) for user, _, since in users]
    for each in people:
        each.start()
    try:
        until(lambda: done[200] > 20)
        assert d.processes["w1"].stop()
        until(lambda: not server_is_up(server, "w1"))
        at = done[200]
        until(lambda: done[200] > at + 20)
        d.start_process(worker)
        until(lambda: server_is_up(server, "w1"))
        until(lambda: done[200] > at + 60)
    finally:
        stop.set()
        for each in people:
            each.join()
    assert not failed, failed[:3]


# ---- before processes that are played ----


class Stage:
    """A router of its own, with main and with workers that the tests play."""

    def __init__(self, server, folder):
        self.server, self.folder = server, os.path.join(folder, "played")
        self.ports = {name: free_port() for name in ("f1", "f2")}
        self.played = {name: Upstream(port=port) for name, port in self.ports.items()}
        self.port, self.tls_port, self.metrics_port, self.health_port = (free_port() for _ in range(4))
        authority = Authority(os.path.join(folder, "played-ca"))
        self.ca = authority.ca
        os.makedirs(os.path.join(self.folder, "workers"))
        with open(server.deployment.config_paths()[0], encoding="utf-8") as f:
            shared = yaml.safe_load(f)
        shared["ganglion"] = {"pools": {"login": ["f1"], "bridge": ["f2"]}}
        shared["tls_certificate_path"], shared["tls_private_key_path"] = authority.certificate()
        self.write("homeserver.yaml", shared)
        for name, port in self.ports.items():
            self.add(name, port)
        names = ["client", "federation", "media"]
        self.write("router.yaml", {"worker_app": "synapse.app.frontend_proxy", "worker_name": "played_router",
                                   "worker_listeners": [self.listener(self.port, names), {**self.listener(self.tls_port, names), "tls": True},
                                                        self.listener(self.health_port, ["health"]),
                                                        {"type": "metrics", "port": self.metrics_port, "bind_addresses": ["127.0.0.1"]}],
                                   "frontend_proxy": {"route": True, "deployment": [self.folder], "check_interval": 200, "timeout": 2000}})
        self.process = None

    def write(self, name, config):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            yaml.safe_dump(config, f)

    @staticmethod
    def listener(port, names):
        return {"type": "http", "port": port, "bind_addresses": ["127.0.0.1"], "resources": [{"names": names}]}

    def add(self, name, port):
        self.write(f"workers/{name}.yaml", {"worker_app": "synapse.app.generic_worker", "worker_name": name,
                                            "worker_listeners": [self.listener(port, ["client", "federation", "media"])]})

    def start(self):
        d = self.server.deployment
        command = [d.binary, "-c", os.path.join(self.folder, "homeserver.yaml"), "-c", os.path.join(self.folder, "router.yaml")]
        self.process = Process("router", command, os.path.join(self.folder, "log"), d.environment(), cwd=self.folder).start()
        until(self.is_there)
        return self

    def is_there(self):
        try:
            return request("GET", self.url + "/health", timeout=2).status == 200
        except OSError:
            return False

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def restore(self):
        for name, port in self.ports.items():
            if self.played[name].listener.fileno() < 0:
                self.played[name] = Upstream(port=port)
            self.played[name].answer = lambda seen, sock, name=name: reply(f'{{"by":"{name}"}}'.encode())
            self.played[name].health = "200 OK"
            self.played[name].got.clear()
        until(lambda: all(self.up(name) for name in self.ports))

    def metric(self, name, *labels):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics").read().decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name + "{") and all(x in line for x in labels))

    def up(self, name):
        return self.metric("ganglion_router_up", f'"{name}"') == 1

    def ready(self):
        return request("GET", f"http://127.0.0.1:{self.health_port}/ready").json["router"]

    def by(self, method, path, *args, **kwargs):
        answer = request(method, self.url + path, *args, **kwargs)
        return answer.json["by"] if answer.status == 200 and "by" in (answer.json or {}) else answer.status

    def of(self, name, template="/_matrix/client/v3/rooms/!{}:x/messages"):
        """A path that goes to that worker."""
        return next(path for path in (template.format(f"r{i}") for i in range(200)) if self.by("GET", path) == name)


@pytest.fixture(scope="module")
def stage_process(server, folder):
    stage = Stage(server, folder).start()
    yield stage
    clean = stage.process.stop()
    for upstream in stage.played.values():
        upstream.stop()
    assert clean and not findings(stage.folder)


@pytest.fixture
def stage(stage_process):
    stage_process.restore()
    return stage_process


def test_an_encoded_room_is_the_same_room(stage):
    for i in range(10):
        spelled = {stage.by("GET", f"/_matrix/client/v3/rooms/{room}/messages") for room in (f"!e{i}:x.org", f"%21e{i}%3Ax.org", f"!e{i}%3ax.org")}
        assert len(spelled) == 1
    [seen] = [s for p in stage.played.values() for s in p.got if "%21e3%3A" in s.target]
    assert seen.target == "/_matrix/client/v3/rooms/%21e3%3Ax.org/messages"


def test_bridges_and_logins_apart(stage):
    assert {stage.by("PUT", f"/_matrix/client/v3/rooms/!b{i}:x/send/m.room.message/1?user_id=@irc:x", {}) for i in range(8)} == {"f2"}
    assert {stage.by("POST", "/_matrix/client/v3/login", {}) for _ in range(4)} == {"f1"}


def test_requests_that_anybody_may_answer_are_shared(stage):
    assert {stage.by("GET", "/_matrix/client/v3/publicRooms") for _ in range(10)} == {"f1", "f2"}


def test_who_is_gone_is_replaced_and_comes_back(stage):
    """Even a POST, for it never arrived; keys that others have stay where they are."""
    paths = [f"/_matrix/client/v3/rooms/!g{i}:x/messages" for i in range(24)]
    before = {path: stage.by("GET", path) for path in paths}
    assert set(before.values()) == {"f1", "f2"}
    stage.played["f1"].stop()
    for path in paths:
        assert stage.by("GET", path) == "f2"
        assert stage.by("POST", path.replace("messages", "send/m.room.message"), {}) == "f2"
    until(lambda: not stage.up("f1"))
    assert stage.ready()["down"] == ["f1"] and stage.ready()["up"] >= 2
    assert stage.by("POST", "/_matrix/client/v3/login", {}) in (400, 401, 403, 429)  # nobody left in its pool: main answers
    stage.restore()
    assert {path: stage.by("GET", path) for path in paths} == before


def test_who_says_to_be_unwell_gets_nothing(stage):
    path = stage.of("f1")
    stage.played["f1"].health = "503 Service Unavailable"
    until(lambda: stage.by("GET", path) == "f2")
    assert not stage.up("f1")
    stage.played["f1"].health = "200 OK"
    until(lambda: stage.by("GET", path) == "f1")


@pytest.mark.parametrize("method, again", [("GET", True), ("PUT", True), ("POST", False)])
def test_a_request_that_was_not_answered_is_sent_once_more_if_it_may_be(stage, method, again):
    path = stage.of("f1", "/_matrix/client/v3/rooms/!{}:x/messages")
    path = {"GET": path, "PUT": path.replace("messages", "send/m.room.message/1"), "POST": path.replace("messages", "send/m.room.message")}[method]
    for played in stage.played.values():
        played.got.clear()
    stage.played["f1"].answer = lambda seen, sock: None
    body = None if method == "GET" else {"body": "x" * 20000}
    assert stage.by(method, path, body) == ("f2" if again else 502)
    assert len(stage.played["f1"].got) <= 2 and len(stage.played["f2"].got) == (1 if again else 0)
    if again and body:
        assert stage.played["f2"].got[0].body == stage.played["f1"].got[0].body
    if not again:
        assert len(stage.played["f1"].got) == 1


def test_when_nobody_answers_it_ends(stage):
    path = stage.of("f1")
    for played in stage.played.values():
        played.got.clear()
        played.answer = lambda seen, sock: None
    assert stage.by("GET", path) == 502
    assert sum(len(played.got) for played in stage.played.values()) <= 4  # once more elsewhere, each over a kept and a new connection


def test_who_is_silent_is_waited_for_so_long(stage):
    path = stage.of("f1")
    stage.played["f1"].answer = silent(25)
    started = time.monotonic()
    assert stage.by("GET", path) == 504 and time.monotonic() - started > 1.5


def http_answer(sock):
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return answer


def test_a_slow_client_holds_no_process(stage):
    """A small body is gathered first: the process hears of the request when all of it is there."""
    path = stage.of("f1").replace("messages", "send/m.room.message/7")
    stage.played["f1"].got.clear()
    with socket.create_connection(("127.0.0.1", stage.port), timeout=10) as sock:
        sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n".encode() + b'{"a"')
        checks = stage.played["f1"].checks
        until(lambda: stage.played["f1"].checks > checks + 1)  # time goes by
        assert stage.played["f1"].got == []
        sock.sendall(b':"bcd"}')
        assert json.load(http_answer(sock)) == {"by": "f1"}
    assert stage.played["f1"].got[0].body == b'{"a":"bcd"}'


def test_tls(stage):
    context = ssl.create_default_context(cafile=stage.ca)
    stage.played["f1"].got.clear()
    stage.played["f2"].got.clear()
    with urllib.request.urlopen(f"https://localhost:{stage.tls_port}/_matrix/client/v3/publicRooms", context=context, timeout=10) as answer:
        assert answer.status == 200
    [seen] = [s for p in stage.played.values() for s in p.got]
    assert seen.header("X-Forwarded-Proto") == "https" and seen.header("X-Forwarded-For") == "127.0.0.1"


def test_the_address_cannot_be_forged(stage):
    path = stage.of("f1")
    stage.played["f1"].got.clear()
    stage.by("GET", path, headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"})
    assert stage.played["f1"].got[0].all("X-Forwarded-For") == ["127.0.0.1"] and stage.played["f1"].got[0].header("X-Forwarded-Proto") == "http"


def test_files_are_read_again(stage):
    """A process that is new gets its share; a request in flight does not notice; files that are wrong change nothing."""
    release, answers = threading.Event(), []
    path = stage.of("f1")

    def answer(seen, sock):
        release.wait(1.5)
        return reply(b'{"by":"f1"}')

    stage.played["f1"].answer = answer
    waiting = threading.Thread(target=lambda: answers.append(stage.by("GET", path)))
    stage.played["f1"].got.clear()
    waiting.start()
    until(lambda: stage.played["f1"].got)
    new = Upstream(lambda seen, sock: reply(b'{"by":"f3"}'))
    stage.add("f3", new.port)
    try:
        stage.process.send(signal.SIGHUP)
        until(lambda: new.checks > 0)
        release.set()
        waiting.join()
        assert answers == ["f1"]
        stage.restore()
        assert {stage.by("GET", f"/_matrix/client/v3/rooms/!n{i}:x/messages") for i in range(40)} == {"f1", "f2", "f3"}
        stage.write("workers/f3.yaml", {"worker_app": "synapse.app.generic_worker", "worker_name": "f2"})
        stage.process.send(signal.SIGHUP)
        until(lambda: "two processes have the name" in stage.process.tail(30))
        assert {stage.by("GET", f"/_matrix/client/v3/rooms/!n{i}:x/messages") for i in range(40)} == {"f1", "f2", "f3"}
    finally:
        os.unlink(os.path.join(stage.folder, "workers", "f3.yaml"))
        checks = stage.played["f1"].checks
        stage.process.send(signal.SIGHUP)
        until(lambda: stage.played["f1"].checks > checks and "f3" not in {stage.by("GET", f"/_matrix/client/v3/rooms/!n{i}:x/messages") for i in range(20)})
        new.stop()


def test_what_is_in_flight_is_answered_when_it_ends(stage):
    """After SIGTERM; then it is started anew for others."""
    path, answers = stage.of("f1"), []

    def answer(seen, sock):
        time.sleep(0.7)
        return reply(b'{"by":"f1"}')

    stage.played["f1"].answer = answer
    stage.played["f1"].got.clear()
    waiting = threading.Thread(target=lambda: answers.append(stage.by("GET", path)))
    waiting.start()
    until(lambda: stage.played["f1"].got)
    assert stage.process.stop(seconds=15)
    waiting.join()
    assert answers == ["f1"]
    stage.start()


def test_a_deployment_that_cannot_be_read_stops_its_start(stage, folder):
    path = os.path.join(folder, "astray")
    shutil.copytree(stage.folder, path)
    with open(os.path.join(path, "router.yaml"), encoding="utf-8") as f:
        config = yaml.safe_load(f)
    config["frontend_proxy"]["deployment"] = [os.path.join(path, "nowhere")]
    config["worker_name"] = "astray"
    config["worker_listeners"] = [stage.listener(free_port(), ["client"])]
    with open(os.path.join(path, "router.yaml"), "w", encoding="utf-8") as f:
        yaml.safe_dump(config, f)
    d = stage.server.deployment
    command = [d.binary, "-c", os.path.join(path, "homeserver.yaml"), "-c", os.path.join(path, "router.yaml")]
    for more in ([], ["--check-config"]):
        done = subprocess.run(command + more, capture_output=True, text=True, timeout=30, check=False, env=d.environment())
        assert done.returncode == 1 and "astray/nowhere: No such file" in done.stderr + done.stdout
