"""The two servers: each with its own PostgreSQL (durable commits, the same settings), and what they use of the machine."""

import os
import time
from contextlib import contextmanager
from types import SimpleNamespace

from deployment.process import alive
from deployment.services import Postgres
from lib.mixed import Mixed
from lib.server import Server

from .load import Load

TICK = os.sysconf("SC_CLK_TCK")
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


def cpu_of(pid):
    """Seconds so far; 0 when it is gone. By nanoseconds for a single thread, since ended threads leave only ticks."""
    try:
        if len(os.listdir(f"/proc/{pid}/task")) > 1:
            return _ticks(pid, 11, 13)
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0


def cpu_of_ended_children(pid):
    try:
        return _ticks(pid, 13, 15)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def pss(pid):
    """Proportional set size in bytes: shared pages count by share."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024


class Side:
    """One server under measurement."""

    def __init__(self, name, folder, build, split, python):
        self.name, self.python = name, python
        self.load = Load(build)
        self.postgres = Postgres(os.path.join(folder, f"{name}-postgres")).start()
        names = {"main"}
        self.deployment = Mixed(os.path.join(folder, name), build, self.postgres, database="bench", monolith=not split, bcrypt_rounds=12,
                                front=False)
        if python:
            names |= {w.name for w in self.deployment.workers}
            self.deployment.python = names
        self.deployment.start()
        self.server = Server(self.deployment)
        self.server.base_url = f"http://127.0.0.1:{self.deployment.main.port}"
        generic = [w for w in self.deployment.workers if w.port and w.app.endswith("generic_worker")]
        #: where clients go: the generic workers of a split in turn, or the one process
        self.ports = [w.port for w in generic] or [self.deployment.main.port]

    def cpu(self):
        """Seconds so far, over the server's processes, Redis and PostgreSQL with its back ends, also those that ended."""
        processes = list(self.deployment.processes.values())
        if self.deployment.redis is not None:
            processes.append(self.deployment.redis.process)
        postmaster = self.postgres.process.pid
        pids = [p.pid for p in processes if alive(p.pid)] + [postmaster] + _children(postmaster)
        return sum(cpu_of(pid) for pid in pids) + cpu_of_ended_children(postmaster)

    @contextmanager
    def watch(self):
        """What the block uses: .cpu seconds and .seconds of time."""
        used = SimpleNamespace(cpu=0.0, seconds=0.0)
        before, started = self.cpu(), time.perf_counter()
        yield used
        used.seconds = time.perf_counter() - started
        time.sleep(SETTLE)
        used.cpu = self.cpu() - before

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
