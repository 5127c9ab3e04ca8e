"""Processes that are started, watched and ended by pid."""

import os
import pwd
import signal
import subprocess
import time


class Failed(Exception):
    """Something did not start or stop; the text is for the user."""


def unprivileged(user, command):
    """The command as `user` when we are root. The one capability kept lets it pass through folders of others (a clone
    below /root); it can still write only what it owns."""
    if os.geteuid() != 0:
        return command
    entry = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"] + command


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

    def __init__(self, name, command, log, env=None, cwd=None):
        self.name, self.command, self.log = name, command, log
        self.env, self.cwd = env, cwd
        self.pid = self.start_time = self.popen = None

    def start(self):
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                          cwd=self.cwd, start_new_session=True)
        self.pid, self.start_time = self.popen.pid, started_at(self.popen.pid)
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

    def stop(self, number=signal.SIGTERM, seconds=20):
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


def wait_until(what, condition, process=None, seconds=30):
    """Polls until condition() is true; Failed when the process dies or time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and not process.is_alive():
            raise Failed(f"{process.name} ended before {what}:\n{process.tail()}")
        if time.monotonic() > deadline:
            tail = f":\n{process.tail()}" if process is not None else ""
            raise Failed(f"{what}: not within {seconds} s{tail}")
        time.sleep(0.02)
