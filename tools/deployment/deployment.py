"""A deployment: started in order, watched, stopped in order."""

import json
import os
import secrets
import subprocess
import urllib.error
import urllib.request

from . import layout
from .ports import free_port
from .process import Failed, Process, wait_until
from .services import Haproxy, Nginx, Redis


def http(method, url, body=None, token=None, timeout=30):
    """(status, JSON) of one request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        text = error.read()
        try:
            return error.code, json.loads(text)
        except ValueError:
            return error.code, {"error": text.decode(errors="replace")}


class Federation:
    """How other servers reach a deployment: the port at the end of its name, the certificate and its key, and whom it trusts."""

    def __init__(self, certificate, key, authority, port=None):
        self.certificate, self.key, self.authority, self.port = certificate, key, authority, port or free_port()
        self.server_name = f"localhost:{self.port}"


class Deployment:
    """monolith=True: one process, no Redis, no nginx.  Services that are given are used and left alone.
    federation: a Federation, for a deployment that other servers reach over TLS.  router: what stands in front of a split,
    "nginx", "haproxy" or "ganglion"; GANGLION_TEST_ROUTER, else nginx, unless it is said."""

    def __init__(self, folder, build, postgres, database="ganglion", monolith=False, redis=None, server_name="localhost",
                 front_port=None, front=True, saved=None, workers=None, stream_writers=None, extra_config=None,
                 main_port=None, redis_port=None, bcrypt_rounds=12, wrapper=(), federation=None, router=None):
        saved = saved or {}
        self.folder, self.build = os.path.abspath(folder), os.path.abspath(build)
        self.postgres, self.database, self.server_name = postgres, database, server_name
        self.plugin_path = os.path.join(self.build, "plugins")
        self.binary = os.path.join(self.build, "bin", "ganglion")
        self.extra_config = extra_config or {}
        self.federation = federation
        self.log_config = False
        self.bcrypt_rounds = bcrypt_rounds
        self.wrapper = list(wrapper)  # put before the program (valgrind, ...)
        for name in ("registration_secret", "macaroon_secret", "form_secret", "replication_secret"):
            setattr(self, name, saved.get(name) or secrets.token_hex(16))
        roles = {name[:-3] for name in os.listdir(self.plugin_path) if name.endswith(".so")}
        self.workers = [] if monolith else (layout.split(roles) if workers is None else workers)
        self.stream_writers = stream_writers or {"events": ["event_persister1", "event_persister2"], "typing": "generic_worker1"}
        self.front = front and not monolith
        self.front_port = front_port or (free_port() if self.front or main_port is None else main_port)
        self.main = layout.Worker("main", "synapse.app.homeserver", ["client", "federation"],
                                  port=main_port or (self.front_port if not self.front else None))
        self.own_redis = redis is None and not monolith
        self.redis = redis or (Redis(os.path.join(self.folder, "redis"), redis_port, saved.get("redis_password")) if not monolith else None)
        self.proxy = self._make_proxy(router or os.environ.get("GANGLION_TEST_ROUTER") or "nginx") if self.front else None
        self.processes = {}

    def _make_proxy(self, router):
        """What the front port belongs to: a service, or a process among the workers."""
        if router != "ganglion":
            return {"nginx": Nginx, "haproxy": Haproxy}[router](os.path.join(self.folder, router), self.front_port)
        return layout.router(self.front_port)

    @property
    def outer(self):
        """The service in front that is none of Ganglion's own, or None."""
        return self.proxy if isinstance(self.proxy, (Nginx, Haproxy)) else None

    def secrets(self):
        found = {name: getattr(self, name) for name in ("registration_secret", "macaroon_secret", "form_secret", "replication_secret")}
        if self.redis is not None:
            found["redis_password"] = self.redis.password
        return found

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.front_port}"

    def environment(self):
        return {**os.environ, "GANGLION_PLUGIN_PATH": self.plugin_path}

    def config_paths(self, worker=None):
        folder = os.path.join(self.folder, "config")
        paths = [os.path.join(folder, "homeserver.yaml")]
        if worker is not None:
            paths.append(os.path.join(folder, "workers", f"{worker.name}.yaml"))
        return paths

    def command(self, worker=None):
        command = self.wrapper + [self.binary]
        for path in self.config_paths(worker):
            command += ["-c", path]
        return command

    # ---- starting ----

    def prepare(self):
        """Everything but Ganglion's own processes."""
        if self.proxy is not None and self.outer is None and self.proxy not in self.workers:
            self.workers = self.workers + [self.proxy]
        os.makedirs(self.folder, exist_ok=True)
        self.postgres.create_database(self.database)
        if self.own_redis:
            self.redis.start()
        layout.write(self)
        return self

    def start_process(self, worker=None, wait=True):
        name = worker.name if worker is not None else "main"
        process = Process(name, self.command(worker), os.path.join(self.folder, "logs", f"{name}.log"), self.environment(),
                          cwd=self.folder).start()
        self.processes[name] = process
        if wait:
            self.wait_ready(worker or self.main)
        return process

    def pid_file(self, name):
        return os.path.join(self.folder, "run", f"{name}.pid")

    def probe_port(self, worker):
        return worker.port or worker.replication_port

    def wait_ready(self, worker, seconds=60):
        name = "main" if worker is self.main else worker.name
        url = f"http://127.0.0.1:{self.probe_port(worker)}/health"

        def healthy():
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    return answer.status == 200
            except (urllib.error.URLError, OSError):
                return False

        wait_until(f"{name} answers", healthy, self.processes[name], seconds)

    def start(self, progress=lambda text: None):
        self.prepare()
        progress("main process (makes the schema when the database is new)")
        self.start_process()
        for worker in self.workers:
            self.start_process(worker, wait=False)
        for worker in self.workers:
            self.wait_ready(worker)
            progress(f"{worker.name} ({worker.app})")
        if self.outer is not None:
            self.outer.start(self.routes(self.outer.form), self.federation)
            progress(self.outer.form)
        return self

    def routes(self, form, port=None):
        command = [self.binary, "routes", "-c", os.path.join(self.folder, "config"), "--format", form,
                   "--listen", f"127.0.0.1:{port or self.front_port}"]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), check=False)
        if done.returncode != 0:
            raise Failed(f"ganglion routes: {done.stderr.strip()}")
        return done.stdout

    # ---- stopping ----

    def stop(self):
        """The proxy, workers, main, Redis; True when every process ended by itself. PostgreSQL is its owner's to stop."""
        clean = True
        if self.outer is not None:
            self.outer.stop()
        for name in reversed(list(self.processes)):
            clean = self.processes[name].stop() and clean
        self.processes = {}
        if self.own_redis:
            self.redis.stop()
        return clean

    # ---- users ----

    def register(self, user, password, admin=False):
        """Through the shared secret; (status, answer)."""
        import hashlib
        import hmac

        url = f"{self.base_url}/_synapse/admin/v1/register"
        status, answer = http("GET", url)
        if status != 200:
            return status, answer
        parts = [answer["nonce"], user, password, "admin" if admin else "notadmin"]
        mac = hmac.new(self.registration_secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()
        return http("POST", url, {"nonce": answer["nonce"], "username": user, "password": password, "admin": admin, "mac": mac})
