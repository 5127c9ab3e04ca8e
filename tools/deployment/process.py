"""Processes that are started, watched and ended by pid."""

import os
import pwd
import signal
import subprocess
import time


class Failed(Exception):
    """Something did not start or stop; the text is for the user."""


# Bits of linux/capability.h that let a process pass through folders of others, the smaller one first.
PASSING = (("dac_read_search", 2), ("dac_override", 1))


def passing_capability():
    """The one of PASSING that we may give away, or None: containers withhold some even from root."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as f:
        sets = dict(line.split(":\t", 1) for line in f.read().splitlines() if line.startswith("Cap"))
    have = int(sets["CapPrm"], 16) & int(sets["CapBnd"], 16)
    return next((name for name, bit in PASSING if have & (1 << bit)), None)


def unprivileged(user, command):
    """The command as `user` when we are root. The one capability kept lets it pass through folders of others (a clone
    below /root); where dac_read_search is given it can still write only what it owns."""
    if os.geteuid() != 0:
        return command
    entry = pwd.getpwnam(user)
    kept = passing_capability()
    capabilities = [f"--inh-caps=+{kept}", f"--ambient-caps=+{kept}"] if kept else []
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", *capabilities, "--"] + command


def give_to(user, path):
    """Makes `user` the owner of a folder when we are root."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def alive(pid):
    """Does the process exist and is it no zombie?"""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def started_at(pid):
    """Start time in clock ticks: with the pid it names one process for good."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            return int(f.read().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None


def resident_bytes(pid):
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


class Process:
    """One daemon: its command, log file and pid. Can be rebuilt from what status() saved."""

    started = staticmethod(lambda process: None)  # ./run notes here whatever was started, should it be killed itself

    def __init__(self, name, command, log, env=None, cwd=None):
        self.name, self.command, self.log = name, command, log
        self.env, self.cwd = env, cwd
        self.pid = self.start_time = self.popen = None

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                          cwd=self.cwd, start_new_session=True)
        self.pid, self.start_time = self.popen.pid, started_at(self.popen.pid)
        Process.started(self)
        return self

    def adopt(self, pid, start_time):
        self.pid, self.start_time = pid, start_time
        return self

    def is_alive(self):
        if self.pid is None:
            return False
        if self.popen is not None and self.popen.poll() is not None:
            return False
        return alive(self.pid) and started_at(self.pid) == self.start_time

    def send(self, number):
        if self.is_alive():
            os.kill(self.pid, number)

    def kill(self):
        self.send(signal.SIGKILL)
        self.wait(10)

    def wait(self, seconds):
        """True once it has ended."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def stop(self, number=signal.SIGTERM, seconds=60):
        """Asks it to end and waits; what does not end in time is killed. True: it ended by itself."""
        self.send(number)
        if self.wait(seconds):
            return True
        self.kill()
        return False

    def tail(self, lines=15):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except FileNotFoundError:
            return ""


def wait_until(what, condition, process=None, seconds=60):
    """Polls until condition() is true; Failed when the process dies or time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and not process.is_alive():
            raise Failed(f"{process.name} ended before {what}:\n{process.tail()}")
        if time.monotonic() > deadline:
            tail = f":\n{process.tail()}" if process is not None else ""
            raise Failed(f"{what}: not within {seconds} s{tail}")
        time.sleep(0.02)
