"""The two servers: each with its own PostgreSQL (durable commits, the same settings), and what they use of the machine."""

import os
import time
from contextlib import contextmanager
from types import SimpleNamespace

from deployment.deployment import Federation
from deployment.process import alive
from deployment.services import Postgres
from lib import appservice
from lib.mixed import Mixed
from lib.server import Server

from .load import Load

TICK = os.sysconf("SC_CLK_TCK")
IDLE = 0.06  # seconds of CPU in a second: what Synapse with its timers takes at rest
SETTLE = 0.3  # seconds: what is done after the last answer counts too


def _children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found += [int(child) for child in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def _ticks(pid, first, last):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
        return sum(int(value) for value in f.read().rpartition(")")[2].split()[first:last]) / TICK


def _nanoseconds(pid):
    """Of each living thread."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
                found[task] = int(f.read().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


class Usage:
    """What processes have used so far. The kernel counts living threads in nanoseconds, and the sum with ended threads
    and ended children only in ticks of 10 ms: the difference is taken from the former unless the latter is far more."""

    def __init__(self, pids, parent):
        self.threads, self.ticks = {}, 0
        for pid in pids:
            try:
                self.threads.update({(pid, task): ns for task, ns in _nanoseconds(pid).items()})
                self.ticks += _ticks(pid, 11, 13)
            except (FileNotFoundError, ProcessLookupError):
                pass
        self.ended = _ticks(parent, 13, 15)
        self.ticks += self.ended
        self.doubt = 0.01 * len(pids)

    def since(self, before):
        """Seconds."""
        exact = sum(ns - before.threads.get(key, 0) for key, ns in self.threads.items()) / 1e9
        exact += self.ended - before.ended
        # A back end that ended is counted from its start: what it had used before was counted before.
        exact -= sum(ns for key, ns in before.threads.items() if key not in self.threads) / 1e9
        rough = self.ticks - before.ticks
        return rough if abs(rough - exact) > self.doubt + 0.1 * rough else exact


def pss(pid):
    """Proportional set size in bytes: shared pages count by share."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024


class Side:
    """One server under measurement."""

    def __init__(self, name, folder, build, split, python, peers, bridged=False):
        self.name, self.python, self.peers = name, python, peers
        federation = Federation(*peers.authority.certificate(), peers.authority.ca)
        self.load = Load(build)
        self.postgres = Postgres(os.path.join(folder, f"{name}-postgres")).start()
        names = {"main"}
        #: the registration of a bridge and its files: none where nobody measures it, since each event is looked at for it
        self.services = appservice.standard(os.path.join(folder, f"{name}-services")) if bridged else (None, [])
        self.deployment = Mixed(os.path.join(folder, name), build, self.postgres, database="bench", monolith=not split, bcrypt_rounds=12,
                                front=False, server_name=federation.server_name, federation=federation,
                                extra_config={"federation_certificate_verification_whitelist": ["127.*"],
                                              "app_service_config_files": self.services[1]})
        #: the processes that Synapse runs
        self.of_python = names | {w.name for w in self.deployment.workers} if python else set()
        self.deployment.python = self.of_python
        self.deployment.start()
        self.server = Server(self.deployment)
        self.server.base_url = f"http://127.0.0.1:{self.deployment.main.port}"
        generic = [w for w in self.deployment.workers if w.port and w.app.endswith("generic_worker")]
        #: where clients go: the generic workers of a split in turn, or the one process
        self.ports = [w.port for w in generic] or [self.deployment.main.port]

    @contextmanager
    def by_ganglion(self):
        """In the block Ganglion runs this side, whoever runs it otherwise: it takes in within a minute what Synapse would need hours
        for. Before and after it, the other one takes over the database."""
        if self.python:
            self._hand_to(set())
        try:
            yield
        finally:
            if self.python:
                self._hand_to(self.of_python)

    def _hand_to(self, of_python):
        self.deployment.stop()
        self.deployment.python = of_python
        self.deployment.start()

    def settle(self, seconds=600):
        """Until what goes on in the background (user directory, statistics, ...) is done: a second of next to no CPU."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before = self.usage()
            time.sleep(1)
            if self.usage().since(before) < IDLE:
                return
        raise RuntimeError(f"{self.name} does not come to rest")

    def peer(self):
        """Another server, which both sides know."""
        return self.peers.once("peer", self.peers.remote)

    def new_peer(self):
        return self.peers.remote()

    def shared_once(self, name, make):
        return self.peers.once(name, make)

    def sink(self, names):
        return self.peers.sink(names)

    def usage(self):
        """Of the server's processes, Redis, and PostgreSQL with its back ends, also those that ended."""
        processes = list(self.deployment.processes.values())
        if self.deployment.redis is not None:
            processes.append(self.deployment.redis.process)
        postmaster = self.postgres.process.pid
        return Usage([p.pid for p in processes if alive(p.pid)] + [postmaster] + _children(postmaster), postmaster)

    @contextmanager
    def watch(self):
        """What the block uses: .cpu seconds and .seconds of time."""
        used = SimpleNamespace(cpu=0.0, seconds=0.0)
        before, started = self.usage(), time.perf_counter()
        yield used
        used.seconds = time.perf_counter() - started
        time.sleep(SETTLE)
        used.cpu = self.usage().since(before)

    def memory(self):
        return {name: pss(p.pid) for name, p in self.deployment.processes.items() if alive(p.pid)}

    def start_up(self):
        """Seconds from the start of a main process to its first answer, the database being there."""
        self.deployment.processes["main"].stop()
        started = time.perf_counter()
        self.deployment.start_process()
        return time.perf_counter() - started

    def stop(self):
        self.deployment.stop()
        self.postgres.stop()
