"""The life of a process: start, readiness, signals, draining, refusals. Needs PostgreSQL (GANGLION_TEST_PG)."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time

import pytest
from sdk_support import SOURCE, build_plugins, run

from deployment.ports import free_port
from lib.wait import until

GIVEN = os.environ.get("GANGLION_TEST_PG")
if not GIVEN:
    if os.environ.get("GANGLION_TEST_REQUIRE") == "1":
        raise RuntimeError("GANGLION_TEST_PG is not set")
    pytest.skip("GANGLION_TEST_PG is not set", allow_module_level=True)
REDIS = os.environ.get("GANGLION_TEST_REDIS")
REDIS_PASSWORD = os.environ.get("GANGLION_TEST_REDIS_PASSWORD")
DATABASE = f"ganglion_life_{os.getpid()}"
WORDS = {**dict(word.split("=", 1) for word in GIVEN.split()), "dbname": DATABASE}
CONNINFO = " ".join(f"{key}={value}" for key, value in WORDS.items())


@pytest.fixture(scope="module", autouse=True)
def database():
    """One of our own: whatever else the given one is used for does not matter."""
    run("psql", GIVEN, "-qc", f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    yield
    run("psql", GIVEN, "-qc", f"DROP DATABASE {DATABASE} WITH (FORCE)")


def database_args():
    return json.dumps({"connect_timeout": 5, **WORDS})


def redis_lines():
    if not REDIS:
        return ""
    host, port = REDIS.rsplit(":", 1)
    password = f", password: {json.dumps(REDIS_PASSWORD)}" if REDIS_PASSWORD else ""
    return f"redis: {{enabled: true, host: {host}, port: {port}{password}}}"


def redis_cli(*words):
    host, port = REDIS.rsplit(":", 1)
    env = {**os.environ, **({"REDISCLI_AUTH": REDIS_PASSWORD} if REDIS_PASSWORD else {})}
    return run("redis-cli", "-h", host, "-p", port, *words, env=env)


class Deployment:
    def __init__(self, folder, binary, plugins):
        self.folder, self.binary, self.plugins = folder, binary, plugins
        self.port, self.started = free_port(), []

    def write(self, more=""):
        (self.folder / "homeserver.yaml").write_text(f"""
server_name: life.test
report_stats: false
pid_file: {self.folder}/main.pid
database: {{name: psycopg2, args: {database_args()}}}
{redis_lines()}
instance_map: {{main: {{host: 127.0.0.1, port: 1}}}}
listeners:
  - {{port: {self.port}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}
{more}
""")
        return self.folder / "homeserver.yaml"

    def start(self, *files, wait=True, env=None, port=None):
        command = [self.binary, *sum((["-c", f] for f in files), [])]
        log = open(self.folder / f"log{len(self.started)}", "w+")
        process = subprocess.Popen([str(c) for c in command], stderr=log, stdout=log,
                                   env={**os.environ, "GANGLION_PLUGIN_PATH": self.plugins, **(env or {})})
        process.log = log
        self.started.append(process)
        if wait:
            self.wait(process, port or self.port)
        return process

    def wait(self, process, port):
        def ready():
            assert process.poll() is None, self.text(process)
            try:
                return ask(port, "/ready")[0] == 200
            except OSError:
                return False

        until(ready, 60)

    @staticmethod
    def text(process):
        process.log.seek(0)
        return process.log.read()

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.log.close()


def ask(port, path, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("Connection")
    finally:
        connection.close()


@pytest.fixture
def deployment(installed, fixtures, tmp_path):
    made = Deployment(tmp_path, installed / "bin" / "ganglion", f"{fixtures}/roles:{fixtures}/good")
    yield made
    made.end()


@pytest.fixture
def notified():
    """A socket as systemd makes it, under an abstract name."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(f"\0ganglion_life_{os.getpid()}_{time.monotonic_ns()}")
    receiver.settimeout(10)
    yield receiver
    receiver.close()


def test_start_reload_stop_as_systemd_sees_it(deployment, notified):
    name = notified.getsockname().decode().replace("\0", "@", 1)
    process = deployment.start(deployment.write(), env={"NOTIFY_SOCKET": name})
    assert notified.recv(200).decode() == f"READY=1\nMAINPID={process.pid}"
    assert (deployment.folder / "main.pid").read_text().strip() == str(process.pid)
    assert ask(deployment.port, "/health")[:2] == (200, b"OK")
    ready = json.loads(ask(deployment.port, "/ready")[1])
    assert ready["ready"] and ready["instance"] == "master"
    assert [(m["role"], m["package"]) for m in ready["missing_roles"]] == [("telegraph", "ganglion-plugin-telegraph")]
    process.send_signal(signal.SIGHUP)
    assert notified.recv(200).decode().startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert notified.recv(200).decode().startswith("READY=1")
    process.send_signal(signal.SIGTERM)
    assert notified.recv(200).decode() == "STOPPING=1"
    assert process.wait(10) == 0, deployment.text(process)
    assert not (deployment.folder / "main.pid").exists()


@pytest.mark.skipif(not REDIS, reason="GANGLION_TEST_REDIS is not set")
def test_watchdog_and_no_listener(deployment, notified):
    """A role that nobody asks anything starts under notify, and tells the watchdog that its loop turns."""
    name = notified.getsockname().decode().replace("\0", "@", 1)
    worker = deployment.folder / "silent.yaml"
    worker.write_text("worker_app: com.example.tables\nworker_name: silent\n")
    env = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000"}
    process = deployment.start(deployment.write(), worker, wait=False, env=env)
    told = [notified.recv(200).decode() for _ in range(4)]
    assert sorted(set(told)) == [f"READY=1\nMAINPID={process.pid}", "WATCHDOG=1"] and told.count("WATCHDOG=1") == 3
    process.send_signal(signal.SIGTERM)
    while notified.recv(200).decode() != "STOPPING=1":
        pass
    assert process.wait(10) == 0, deployment.text(process)


def test_the_service_manager_hears_of_a_successor(deployment, notified):
    """SIGUSR2: the service's main process becomes another one, without a word of stopping."""
    name = notified.getsockname().decode().replace("\0", "@", 1)
    process = deployment.start(deployment.write(), env={"NOTIFY_SOCKET": name})
    assert notified.recv(200).decode() == f"READY=1\nMAINPID={process.pid}"
    process.send_signal(signal.SIGUSR2)
    said = [notified.recv(200).decode() for _ in range(2)]
    pid = int(said[0].removeprefix("MAINPID="))
    assert pid != process.pid and said[1] == f"READY=1\nMAINPID={pid}"
    assert process.wait(10) == 0, deployment.text(process)
    try:
        assert ask(deployment.port, "/ready")[0] == 200
    finally:
        os.kill(pid, signal.SIGTERM)
    assert notified.recv(200).decode() == "STOPPING=1"
    for _ in range(100):
        if not (deployment.folder / "main.pid").exists():
            break
        time.sleep(0.1)
    assert not (deployment.folder / "main.pid").exists()


def in_background(port, path):
    result = {}

    def go():
        try:
            result["answer"] = ask(port, path)
        except OSError as problem:
            result["problem"] = problem
        result["at"] = time.monotonic()

    thread = threading.Thread(target=go)
    thread.start()
    time.sleep(0.3)
    return thread, result


def test_requests_in_flight_are_answered(deployment):
    process = deployment.start(deployment.write())
    thread, result = in_background(deployment.port, "/_matrix/client/v3/wait/1500")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    with pytest.raises(OSError):
        ask(deployment.port, "/health", timeout=1)
    thread.join()
    assert result["answer"][0] == 200
    assert result["answer"][2] == "close"
    assert process.wait(10) == 0, deployment.text(process)


def test_draining_has_a_bound(deployment):
    process = deployment.start(deployment.write("ganglion: {drain_timeout: 1s}"))
    thread, result = in_background(deployment.port, "/_matrix/client/v3/wait/60000")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0, deployment.text(process)
    assert 0.8 < time.monotonic() - began < 5
    thread.join()


def test_a_second_signal_does_not_wait(deployment):
    process = deployment.start(deployment.write("ganglion: {drain_timeout: 50s}"))
    thread, result = in_background(deployment.port, "/_matrix/client/v3/wait/60000")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.wait(10)
    assert time.monotonic() - began < 5
    thread.join()


def test_a_signal_during_the_start_is_no_failure(deployment):
    with socket.socket() as silent:  # a database that accepts and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        main = deployment.write()
        args = json.dumps({"host": "127.0.0.1", "port": silent.getsockname()[1], "user": "x", "dbname": "x"})
        main.write_text(main.read_text().replace(database_args(), args))
        process = deployment.start(main, wait=False)
        time.sleep(0.7)
        assert process.poll() is None, deployment.text(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, deployment.text(process)


def test_a_taken_port_is_one_clear_line(deployment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", deployment.port))
        taken.listen()
        process = deployment.start(deployment.write(), wait=False)
        assert process.wait(20) == 1
    last = deployment.text(process).strip().splitlines()[-1]
    assert last.startswith("ganglion: ") and str(deployment.port) in last


def test_background_start_reports_its_outcome(deployment):
    files = ["-c", deployment.write(), "-D", "--print-pidfile"]
    env = {**os.environ, "GANGLION_PLUGIN_PATH": deployment.plugins}
    done = run(deployment.binary, *files, env=env)
    assert str(deployment.folder / "main.pid") in done.stdout
    pid = int((deployment.folder / "main.pid").read_text())
    try:
        assert ask(deployment.port, "/health")[0] == 200  # it listens when the command has returned
        again = run(deployment.binary, *files, env=env, ok=False)
        assert again.returncode == 1
        assert str(deployment.port) in again.stderr.splitlines()[-1]
    finally:
        os.kill(pid, signal.SIGTERM)
    until(lambda: not pathlib.Path(f"/proc/{pid}").exists())


def worker_file(deployment, app, name, port):
    path = deployment.folder / f"{name}.yaml"
    path.write_text(f"worker_app: {app}\nworker_name: {name}\nworker_listeners:\n"
                    f"  - {{port: {port}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [client]}}]}}\n")
    return path


@pytest.mark.skipif(not REDIS, reason="GANGLION_TEST_REDIS is not set")
def test_a_plugin_that_does_not_start_ends_the_process(deployment):
    worker = worker_file(deployment, "com.example.fails_to_start", "w", free_port())
    process = deployment.start(deployment.write(), worker, wait=False)
    assert process.wait(20) == 1
    text = deployment.text(process)
    assert "unloaded with its own state" in text
    assert text.strip().splitlines()[-1] == "ganglion: cannot start com.example.fails_to_start: the moon is full"


@pytest.mark.skipif(not REDIS, reason="GANGLION_TEST_REDIS is not set")
def test_migrations_run_once_for_all_processes(deployment):
    main = deployment.write()
    run("psql", CONNINFO, "-qc", "DROP SCHEMA IF EXISTS ganglion_tables CASCADE", "-c",
        "DO $$ BEGIN IF to_regclass('host_ganglion.plugin_migrations') IS NOT NULL THEN "
        "DELETE FROM host_ganglion.plugin_migrations WHERE plugin = 'com.example.tables'; END IF; END $$")
    ports = [free_port() for _ in range(4)]
    processes = [deployment.start(main, worker_file(deployment, "com.example.tables", f"w{i}", port), wait=False)
                 for i, port in enumerate(ports)]
    for process, port in zip(processes, ports):
        deployment.wait(process, port)
        assert json.loads(ask(port, "/_example/count")[1]) == {"count": 2}
    rows = run("psql", CONNINFO, "-Atc", "SELECT version, schema_name FROM host_ganglion.plugin_migrations "
               "WHERE plugin = 'com.example.tables' ORDER BY version").stdout.split()
    assert rows == ["1|ganglion_tables", "2|ganglion_tables"]


@pytest.fixture(params=["as it is now", "as compiled against ABI 1.0"])
def room_note(request, installed, tmp_path):
    """The example, built against the installation, beside a main process made of the real roles."""
    now = request.param == "as it is now"
    build_plugins(SOURCE / "examples" / "plugins" / "room_note" if now else SOURCE / "tests" / "data" / "abi-1.0", tmp_path / "build", installed)
    listed = json.loads(run(installed / "bin" / "ganglion", "plugins", "--json", "--plugin-dir", tmp_path / "build").stdout)
    assert (next(p["abi"] for p in listed if p["name"] == "com.example.app.room_note") == "1.0") != now
    made = Deployment(tmp_path, installed / "bin" / "ganglion", str(tmp_path / "build"))
    yield made
    made.end()


def count_of(room):
    rows = run("psql", CONNINFO, "-Atc", f"SELECT events FROM ganglion_room_note.notes WHERE room_id = '{room}'").stdout
    return int(rows or 0)


@pytest.mark.skipif(not REDIS, reason="GANGLION_TEST_REDIS is not set")
def test_the_example_follows_the_stream(room_note):
    """A worker_app of somebody else's: loaded by name, its table is made, announced events are counted, callers checked."""
    keys = room_note.folder / "signing.key"
    main = room_note.write(f"signing_key_path: {keys}\nsuppress_key_server_warning: true")
    room_note.start(main)
    port = free_port()
    room_note.start(main, worker_file(room_note, "com.example.app.room_note", "room_note1", port), port=port)
    assert ask(port, "/_example/room_note/v1/rooms/!a:life.test")[0] == 401
    room, before = "!counted:life.test", count_of("!counted:life.test")
    token = int(run("psql", CONNINFO, "-Atc", "SELECT last_value + 1000 FROM events_stream_seq").stdout)
    for i in range(3):
        row = json.dumps(["ev", [f"$e{i}", room, "m.room.message", None, None, None, None, False, False]])
        redis_cli("PUBLISH", "life.test", f"RDATA events master {token + i} {row}")
    until(lambda: count_of(room) == before + 3)
    run("psql", CONNINFO, "-qc", "INSERT INTO users (name, creation_ts) VALUES ('@note:life.test', 1) ON CONFLICT DO NOTHING",
        "-c", "DELETE FROM access_tokens WHERE token = 'note_token'", "-c",
        "INSERT INTO access_tokens (id, user_id, token, used) SELECT coalesce(max(id), 0) + 1, '@note:life.test', "
        "'note_token', false FROM access_tokens")
    status, body, _ = ask(port, f"/_example/room_note/v1/rooms/{room}?access_token=note_token")
    assert status == 200, body
    assert json.loads(body) == {"room_id": room, "events": before + 3, "asked_by": "@note:life.test"}
