"""Signals: SIGTERM drains within a bound while requests run; SIGHUP opens the logs again and reads certificates anew."""

import os
import signal
import ssl
import subprocess
import threading
import time
import urllib.error

import pytest
import yaml

from deployment.deployment import Deployment
from deployment.layout import Worker
from deployment.ports import free_port
from lib.server import Server, request
from lib.wait import until

LOG = """version: 1
formatters: {plain: {format: '%(asctime)s - %(name)s - %(levelname)s - %(message)s'}}
handlers: {file: {class: logging.handlers.WatchedFileHandler, formatter: plain, filename: FILE}}
root: {level: INFO, handlers: [file]}
"""


def certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-keyout", os.path.join(folder, "tls.key"), "-out", os.path.join(folder, "tls.crt")],
                   check=True, capture_output=True)


@pytest.fixture(scope="module")
def running(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS e2e_signals")
    top = os.path.join(folder, "signals")
    os.makedirs(os.path.join(top, "config"))
    certificate(top, "one")
    worker = Worker("w1", "synapse.app.generic_worker", ["client"], extra={"worker_log_config": os.path.join(top, "log.yaml")})
    with open(os.path.join(top, "log.yaml"), "w", encoding="utf-8") as f:
        f.write(LOG.replace("FILE", os.path.join(top, "w1.log")))
    deployment = Deployment(top, build, postgres, database="e2e_signals", front=False, workers=[worker], stream_writers={"typing": "w1"},
                            bcrypt_rounds=4, extra_config={"tls_certificate_path": os.path.join(top, "tls.crt"),
                                                           "tls_private_key_path": os.path.join(top, "tls.key")})
    deployment.tls_port = free_port()
    listeners = worker.listeners
    worker.listeners = lambda: listeners() + [{"type": "http", "port": deployment.tls_port, "bind_addresses": ["127.0.0.1"], "tls": True,
                                               "resources": [{"names": ["client"]}]}]
    try:
        yield Server(deployment.start())
    finally:
        clean = deployment.stop()
    assert clean, "a process had to be killed at the end"


def subject(port):
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    shown = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, text=True, check=True).stdout
    return shown.strip().rpartition("=")[2].strip()


def test_hangup_opens_the_log_again_and_reads_the_certificate_anew(running):
    deployment = running.deployment
    log, process = os.path.join(deployment.folder, "w1.log"), deployment.processes["w1"]
    assert subject(deployment.tls_port) == "one"
    os.rename(log, log + ".1")
    certificate(deployment.folder, "two")
    assert subject(deployment.tls_port) == "one"
    process.send(signal.SIGHUP)
    until(lambda: subject(deployment.tls_port) == "two")
    request("GET", running.worker_url("w1") + "/_matrix/client/versions")
    until(lambda: os.path.exists(log) and "/_matrix/client/versions" in open(log, encoding="utf-8").read())
    assert process.is_alive()


def test_a_certificate_that_cannot_be_read_changes_nothing(running):
    deployment = running.deployment
    before = subject(deployment.tls_port)
    path = os.path.join(deployment.folder, "tls.crt")
    with open(path, "rb") as f:
        kept = f.read()
    with open(path, "wb") as f:
        f.write(b"nonsense")
    deployment.processes["w1"].send(signal.SIGHUP)
    log = os.path.join(deployment.folder, "w1.log")
    until(lambda: "certificates stay as they were" in open(log, encoding="utf-8").read())
    assert subject(deployment.tls_port) == before
    with open(path, "wb") as f:
        f.write(kept)


def test_a_worker_drains_while_its_clients_send(running):
    """Each message that was acknowledged is there; a long poll does not hold the process; it ends with status 0."""
    deployment = running.deployment
    user = running.register()
    room = user.create_room()
    base, sent, broken = running.worker_url("w1"), [], []
    since = user.sync(base=base)["next_batch"]
    stop = threading.Event()

    def send(number):
        for i in range(100000):
            if stop.is_set():
                return
            try:
                sent.append(user.send(room, "x", txn=f"d{number}n{i}", base=base))
            except urllib.error.URLError:
                return  # it does not listen any more
            except OSError as problem:
                broken.append(problem)
                return

    def poll():
        try:
            user.sync(since, timeout=30000, base=base)
        except (OSError, AssertionError):
            pass

    threads = [threading.Thread(target=send, args=(i,)) for i in range(10)] + [threading.Thread(target=poll)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    process = deployment.processes["w1"]
    began = time.monotonic()
    process.send(signal.SIGTERM)
    ended = process.wait(30)
    stop.set()
    for thread in threads:
        thread.join(35)
    took, worker = time.monotonic() - began, deployment.workers[0]
    code = process.popen.wait()
    deployment.start_process(worker)
    assert ended and code == 0, f"status {code} after {took:.1f} s: {process.tail()}"
    assert took < 25
    assert sent and not broken, broken
    stored, token = [], None
    while True:
        page = user.messages(room, limit=500, **({"from": token} if token else {}))
        stored += [e["event_id"] for e in page["chunk"] if e["type"] == "m.room.message"]
        token = page.get("end")
        if not page["chunk"] or not token:
            break
    assert len(stored) == len(set(stored)) and set(sent) <= set(stored)


def listening_addresses(port):
    """Of an IPv4 or IPv6 socket, as the kernel writes them."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table, encoding="ascii") as f:
            for line in f.read().splitlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == "0A" and int(address.rpartition(":")[2], 16) == port:
                    found.add(address.rpartition(":")[0])
    return found


def test_a_replication_listener_without_secret_and_address_is_for_this_machine_only(running, tmp_path):
    deployment = running.deployment
    files = []
    for i, path in enumerate(deployment.config_paths(deployment.workers[0])):
        with open(path, encoding="utf-8") as f:
            config = yaml.safe_load(f)
        config.pop("worker_replication_secret", None)
        if i == 1:
            port = free_port()
            config["worker_name"] = "w2"
            config["worker_listeners"] = [{"type": "http", "port": port, "resources": [{"names": ["replication"]}]}]
            config.pop("worker_log_config")
        files.append(str(tmp_path / f"{i}.yaml"))
        with open(files[-1], "w", encoding="utf-8") as f:
            yaml.safe_dump(config, f)
    process = subprocess.Popen([deployment.binary, "-c", files[0], "-c", files[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=deployment.environment(), cwd=tmp_path)
    try:
        until(lambda: process.poll() is not None or listening_addresses(port))
        addresses = listening_addresses(port)
    finally:
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert addresses == {"0100007F"}
    assert "127.0.0.1" in err and "worker_replication_secret" in err
