"""The two servers: each with its own PostgreSQL (durable commits, the same settings), and what they use of the machine."""

import os

from deployment.process import alive
from deployment.services import Postgres
from lib.mixed import Mixed
from lib.server import Server

TICK = os.sysconf("SC_CLK_TCK")


def _children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found += [int(child) for child in f.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def _cpu(pid, with_ended_children=False):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    last = 15 if with_ended_children else 13
    return sum(int(value) for value in fields[11:last]) / TICK


def pss(pid):
    """Proportional set size in bytes: shared pages count by share."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Pss:")) * 1024


class Side:
    """One server under measurement."""

    def __init__(self, name, folder, build, split, python):
        self.name = name
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
        self.urls = [f"http://127.0.0.1:{w.port}" for w in generic] or [self.server.base_url]

    def cpu(self):
        """Seconds so far, over the server's processes and its database's (ended back ends are counted at the postmaster)."""
        total = sum(_cpu(p.pid) for p in self.deployment.processes.values() if alive(p.pid))
        postmaster = self.postgres.process.pid
        return total + _cpu(postmaster, True) + sum(_cpu(pid) for pid in _children(postmaster))

    def memory(self):
        return {name: pss(p.pid) for name, p in self.deployment.processes.items() if alive(p.pid)}

    def stop(self):
        self.deployment.stop()
        self.postgres.stop()
