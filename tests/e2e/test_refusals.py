"""What cannot work is refused at the start: one clear line on standard error, a status that is not zero, within seconds,
nothing half-started."""

import os
import signal
import socket
import subprocess
import time

import pytest
import yaml

from deployment.deployment import Deployment
from deployment.layout import Worker
from deployment.ports import free_port
from lib.wait import PATIENCE

LOG = """version: 1
formatters: {plain: {format: '%(asctime)s - %(name)s - %(levelname)s - %(message)s'}}
handlers: {file: {class: logging.FileHandler, formatter: plain, filename: FILE}}
root: {level: INFO, handlers: [file]}
"""


@pytest.fixture(scope="module")
def small(build, folder, postgres):
    """A main process and one worker, running: what refuses to join them leaves them alone."""
    postgres.sql("DROP DATABASE IF EXISTS e2e_refusals")
    workers = [Worker("w1", "synapse.app.generic_worker", ["client"])]
    deployment = Deployment(os.path.join(folder, "refusals"), build, postgres, database="e2e_refusals", front=False, workers=workers,
                            stream_writers={"typing": "w1"}, bcrypt_rounds=4)
    try:
        yield deployment.start()
    finally:
        clean = deployment.stop()
    assert clean, "a process had to be killed at the end"


class Case:
    """The files of one process that is to be refused, on ports of its own, and what became of it."""

    def __init__(self, small, folder):
        self.small, self.folder = small, folder
        self.env = {}
        config = small.config_paths(small.workers[0])
        with open(config[0], encoding="utf-8") as shared, open(config[1], encoding="utf-8") as worker:
            self.shared, self.worker = yaml.safe_load(shared), yaml.safe_load(worker)
        self.shared["pid_file"] = str(folder / "main.pid")
        self.log = folder / "log.yaml"
        self.log.write_text(LOG.replace("FILE", str(folder / "log")))
        self.shared["log_config"] = self.worker["worker_log_config"] = str(self.log)
        for listener in self.shared["listeners"] + self.worker["worker_listeners"]:
            listener["port"] = free_port()
        self.worker["worker_name"] = "w9"
        self.shared["instance_map"]["w9"] = {"host": "127.0.0.1", "port": self.worker["worker_listeners"][-1]["port"]}

    def start(self, worker):
        files = [self.folder / "homeserver.yaml"] + ([self.folder / "worker.yaml"] if worker else [])
        files[0].write_text(yaml.safe_dump(self.shared, sort_keys=False))
        (self.folder / "worker.yaml").write_text(yaml.safe_dump(self.worker, sort_keys=False))
        command = [self.small.binary] + [str(word) for path in files for word in ("-c", path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
                                env={**self.small.environment(), **self.env})

    def refused(self, *words, worker=True):
        """It says one line, with all of the words in it."""
        process = self.start(worker)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        assert process.returncode > 0, f"status {process.returncode}: {err}"
        assert out == ""
        lines = err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("ganglion: ")
        for word in words:
            assert word in lines[0], lines[0]
        return lines[0]


@pytest.fixture
def case(small, tmp_path):
    return Case(small, tmp_path)


def ports_of(case):
    return [listener["port"] for listener in case.shared["listeners"] + case.worker["worker_listeners"]]


# ---- the configuration ----


def test_unknown_worker_app(case):
    case.worker["worker_app"] = "synapse.app.teapot"
    case.refused("synapse.app.teapot", "teapot.so")


def test_redis_is_absent(case):
    del case.shared["redis"]
    case.refused("w9", "redis.enabled")


def test_redis_is_disabled(case):
    case.shared["redis"]["enabled"] = False
    case.refused("w9", "redis.enabled")


def test_tcp_replication_of_old(case):
    case.worker["worker_replication_port"] = 9092
    case.refused("worker.yaml:", "`worker_replication_port`", "Redis")


def test_a_replication_listener_of_old(case):
    case.shared["listeners"].append({"type": "replication", "port": free_port()})
    case.refused("homeserver.yaml:", "type replication", "Redis", worker=False)


def test_sqlite(case):
    case.shared["database"] = {"name": "sqlite3", "args": {"database": "/x.db"}}
    case.refused("homeserver.yaml:", "SQLite", "psycopg2", worker=False)


def test_a_writer_that_nobody_can_reach(case):
    case.shared["stream_writers"] = {"events": ["w9"]}
    del case.shared["instance_map"]["w9"]
    case.refused("homeserver.yaml:", "`stream_writers.events`", "`w9`", "`instance_map`")


def test_worker_app_in_the_shared_file(case):
    case.shared["worker_app"] = "synapse.app.generic_worker"
    del case.worker["worker_app"]
    case.refused("homeserver.yaml:", "`worker_app`")


def test_a_missing_file_for_the_log(case):
    case.worker["worker_log_config"] = str(case.folder / "nowhere.yaml")
    case.refused("worker_log_config", "nowhere.yaml")


def test_a_log_in_a_folder_that_is_not_there(case):
    case.log.write_text(LOG.replace("FILE", str(case.folder / "nowhere" / "log")))
    case.refused("nowhere/log")


def test_a_missing_configuration_file(case):
    done = subprocess.run([case.small.binary, "-c", str(case.folder / "none.yaml")], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"ganglion: cannot open {case.folder}/none.yaml: No such file or directory"]


def test_a_replication_listener_for_all_the_world(case):
    del case.shared["worker_replication_secret"]
    case.worker["worker_listeners"][-1]["bind_addresses"] = ["0.0.0.0"]
    case.refused("worker.yaml:", "`worker_replication_secret`")


def test_a_key_that_is_not_built_and_who_takes_it_upon_himself(case):
    case.shared["oidc_providers"] = [{"idp_id": "x"}]
    case.refused("`oidc_providers`", "GANGLION_ACCEPT_UNBUILT=oidc_providers")
    case.env["GANGLION_ACCEPT_UNBUILT"] = "oidc_providers"
    process = case.start(worker=True)
    try:
        wait_for_port(case.worker["worker_listeners"][0]["port"], process)
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
    assert "WARNING - " in (case.folder / "log").read_text()
    assert "`oidc_providers` has no effect" in (case.folder / "log").read_text()


def write_registration(case, **changes):
    path = case.folder / "bridge.yaml"
    path.write_text(yaml.safe_dump({"id": "bridge", "url": None, "as_token": "a", "hs_token": "h", "sender_localpart": "_bridge",
                                    "namespaces": {"users": [{"regex": "@_b_.*", "exclusive": True}]}, **changes}))
    return str(path)


# What parts read of files and lists. The checks that need the whole program; the rest of them is in test_matrix_keys.
READ = [
    (lambda case: {"app_service_config_files": [str(case.folder / "none.yaml")]}, ["none.yaml", "No such file"]),
    (lambda case: {"app_service_config_files": [write_registration(case, namespaces={"users": [{"regex": "@(", "exclusive": True}]})]},
     ["bridge.yaml", '"@(" is no regular expression']),
    (lambda case: {"app_service_config_files": [write_registration(case)] * 2}, ["bridge.yaml", "another application service"]),
    (lambda case: {"trusted_key_servers": [{"verify_keys": {}}]}, ["homeserver.yaml:", "needs a server_name"]),
    (lambda case: {"thumbnail_sizes": [{"width": "wide"}]}, ["homeserver.yaml:", "thumbnail size"]),
    (lambda case: {"signing_key": "foo"}, ["signing key", "foo"]),
]


@pytest.mark.parametrize("make, words", READ, ids=["absent", "regex", "twice", "notary", "thumbnail", "key"])
def test_what_parts_read_is_refused_and_found_by_the_check(case, make, words):
    case.shared.update(make(case))
    case.refused(*words)
    done = subprocess.run([case.small.binary, "--check-config", "-c", str(case.folder / "homeserver.yaml"), "-c",
                           str(case.folder / "worker.yaml")], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env=case.small.environment())
    found = [line for line in done.stdout.splitlines() if line.startswith("error: ") and all(word in line for word in words)]
    assert done.returncode == 1 and found, done.stdout + done.stderr


def wait_for_port(port, process):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)


# ---- what is there, or is not ----


def test_an_unreachable_database(case):
    case.shared["database"]["args"]["port"] = free_port()
    case.refused("database", "refused", worker=False)
    case.refused("database", "refused")


def test_a_wrong_password(case):
    case.shared["database"]["args"]["password"] = "guessed"
    case.refused("database", "password", worker=False)


def test_a_taken_port(case):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        case.worker["worker_listeners"][0]["port"] = port
        case.refused(str(port), "in use")
    for port in ports_of(case):
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_a_name_that_is_taken(case):
    case.worker["worker_name"] = "w1"
    case.refused("w1", "worker_name must be unique")
    assert case.small.processes["w1"].is_alive()


def test_a_second_main_process(case):
    case.refused("master", "running already", worker=False)
    assert case.small.processes["main"].is_alive()


# ---- the database ----


@pytest.fixture
def database(case):
    """A copy of the database that is in use, for a case to spoil."""
    postgres, name = case.small.postgres, "e2e_refusals_spoilt"
    postgres.sql(f"DROP DATABASE IF EXISTS {name}")

    def make(statement=None, empty=False, collation="C"):
        postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE '{collation}' LC_CTYPE '{collation}'")
        if not empty:
            dump = subprocess.run([postgres.bin("pg_dump"), postgres.url("e2e_refusals")], capture_output=True, text=True, check=True)
            subprocess.run([postgres.bin("psql"), "-X", "-q", postgres.url(name)], input=dump.stdout, text=True, check=True,
                           stdout=subprocess.DEVNULL)
        if statement:
            postgres.sql(statement, name)
        case.shared["database"]["args"]["dbname"] = name
        case.shared["redis"]["dbid"] = 1
        case.shared["server_name"] = case.small.server_name

    yield make
    postgres.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def tables(case):
    return case.small.postgres.sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
                                   "e2e_refusals_spoilt")[0][0]


def test_a_wrong_collation(case, database):
    database(empty=True, collation="C.UTF-8")
    case.refused("collation C.UTF-8", "LC_COLLATE 'C'", worker=False)
    assert tables(case) == "0"


def test_only_main_makes_the_schema(case, database):
    database(empty=True)
    case.refused("empty", "main process")
    assert tables(case) == "0"


def test_a_schema_too_new(case, database):
    database("UPDATE schema_version SET version = 99; UPDATE schema_compat_version SET compat_version = 95")
    case.refused("too new", "95")
    case.refused("too new", "95", worker=False)


def test_a_schema_too_old(case, database):
    database("UPDATE schema_version SET version = 93; UPDATE schema_compat_version SET compat_version = 89")
    case.refused("version 93", "Synapse 1.163.2")
    case.refused("version 93", "Synapse 1.163.2", worker=False)
    assert case.small.postgres.sql("SELECT version FROM schema_version", "e2e_refusals_spoilt") == [["93"]]


def test_a_newer_schema_that_allows_us_is_used(case, database):
    database("UPDATE schema_version SET version = 97; UPDATE schema_compat_version SET compat_version = 94")
    process = case.start(worker=True)
    wait_for_port(case.worker["worker_listeners"][0]["port"], process)
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert case.small.postgres.sql("SELECT version FROM schema_version", "e2e_refusals_spoilt") == [["97"]]


# ---- a process that starts ends in order ----


def test_a_signal_during_the_start_ends_it(case):
    process = case.start(worker=True)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in (0, -signal.SIGTERM) and "ganglion:" not in err, err
