"""The ways between processes besides plain TCP: Redis and replication over TLS, and over unix sockets."""

import os
import threading
import time

import pytest

from deployment.deployment import Deployment
from deployment.layout import Worker
from deployment.process import Process, wait_until
from deployment.services import Redis
from lib.certificates import Authority
from lib.server import Server


class OtherRedis(Redis):
    """Reached over TLS (its plain port is closed), or by a socket in its folder alone."""

    def __init__(self, folder, certificate=None, authority=None):
        super().__init__(folder)
        self.certificate, self.authority, self.path = certificate, authority, os.path.join(folder, "redis.sock")

    def _lines(self):
        if self.certificate is None:
            return f"port 0\nunixsocket \"{self.path}\"\nunixsocketperm 777\n"
        certificate, key = self.certificate
        return (f"port 0\nbind 127.0.0.1\ntls-port {self.port}\ntls-cert-file \"{certificate}\"\ntls-key-file \"{key}\"\n"
                f"tls-ca-cert-file \"{self.authority}\"\ntls-auth-clients no\n")

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        config = os.path.join(self.folder, "redis.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(self._lines() + f"requirepass {self.password}\nsave \"\"\nappendonly no\ndir \"{self.folder}\"\n")
        log = os.path.join(self.folder, "redis.log")
        self.process = Process("redis", ["redis-server", config], log).start()

        def ready():
            with open(log, encoding="utf-8", errors="replace") as f:
                return "eady to accept connections" in f.read()

        wait_until("Redis takes connections", ready, self.process)
        return self


def deployment(name, build, folder, postgres, authority):
    top = os.path.join(folder, f"t-{name}")
    os.makedirs(top)
    tls = name == "tls"
    redis = OtherRedis(os.path.join(top, "redis"), authority.certificate() if tls else None, authority.ca)
    workers = [Worker(w, "synapse.app.generic_worker", ["client"]) for w in ("generic_worker1", "generic_worker2")]
    workers.append(Worker("event_persister1", "synapse.app.generic_worker", []))
    postgres.sql(f"DROP DATABASE IF EXISTS e2e_transports_{name}")
    d = Deployment(os.path.join(top, "d"), build, postgres, database=f"e2e_transports_{name}", front=False, workers=workers, redis=redis,
                   stream_writers={"events": "event_persister1", "typing": "generic_worker1"}, bcrypt_rounds=4)
    places = {}
    for worker in [d.main, *workers]:
        http = worker.listeners()
        if tls:
            http[-1]["tls"] = True
            places[worker.name] = {"host": "localhost", "port": worker.replication_port, "tls": True}
        else:
            path = os.path.join(top, worker.name[:20] + ".s")
            http[-1] = {"type": "http", "path": path, "mode": 0o666, "resources": [{"names": ["replication"]}]}
            http.append({"type": "http", "port": worker.replication_port, "bind_addresses": ["127.0.0.1"], "resources": [{"names": ["health"]}]})
            places[worker.name] = {"path": path}
        worker.listeners = lambda listeners=http: listeners
    certificate, key = authority.certificate()
    place = {"host": "localhost", "port": redis.port, "use_tls": True, "ca_file": authority.ca} if tls else {"path": redis.path}
    d.extra_config = {"instance_map": places, "redis": {"enabled": True, "password": redis.password, **place},
                      "tls_certificate_path": certificate, "tls_private_key_path": key}
    environment = {**d.environment(), "SSL_CERT_FILE": authority.ca}  # processes trust each other as the system trusts, like Synapse's
    d.environment = lambda: environment
    d.probe_port = lambda worker: worker.port or (worker.replication_port if not tls else None)
    return d, redis


@pytest.mark.parametrize("name", ["tls", "sockets"])
def test_conversation(name, build, folder, postgres):
    """A message through one worker, written by another process, wakes a long poll at a third: calls and lines arrive."""
    authority = Authority(os.path.join(folder, f"transports-{name}"))
    d, redis = deployment(name, build, folder, postgres, authority)
    redis.start()
    wait_ready = d.wait_ready
    d.wait_ready = lambda worker, seconds=60: wait_ready(worker, seconds) if d.probe_port(worker) else None
    try:
        d.start()
        server = Server(d)
        server.base_url = server.worker_url("main")
        first, second = server.worker_url("generic_worker1"), server.worker_url("generic_worker2")
        alice, bob = server.register("alice"), server.register("bob")
        room = alice.create_room(preset="public_chat")
        bob.join(room)
        since = bob.sync(base=second)["next_batch"]
        heard = []
        listener = threading.Thread(target=lambda: heard.append(bob.sync(since, timeout=20000, base=second)))
        listener.start()
        time.sleep(0.2)  # the poll is there first; if it is not, the test is easier, not wrong
        event_id = alice.send(room, "hello", base=first)
        listener.join()
        assert event_id in [e["event_id"] for e in heard[0]["rooms"]["join"][room]["timeline"]["events"]]
    finally:
        clean = d.stop()
        redis.stop()
    assert clean
