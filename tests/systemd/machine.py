"""A machine that systemd has booted: namespaces over a root of Debian's packages."""

import os
import pathlib
import shutil
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent


def why_not(root):
    """Why systemd cannot be booted here, or None."""
    if os.geteuid() != 0:
        return "only root can boot systemd in namespaces"
    if not (root / "made").exists():
        return f"no root of Debian at {root} (tools/setup/debian_root.sh makes it, ./check systemd asks it to)"
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    if cgroups() is None:
        return "no cgroup2 is mounted"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--net", "--cgroup", "mount", "--make-rprivate", "/"],
                           capture_output=True, text=True, check=False)
    return f"no new namespaces: {tried.stderr.strip()}" if tried.returncode != 0 else None


def cgroups():
    """Where cgroup2 is mounted."""
    with open("/proc/mounts", encoding="utf-8") as f:
        return next((pathlib.Path(line.split()[1]) for line in f if line.split()[2] == "cgroup2"), None)


class Machine:
    def __init__(self, root, changes):
        self.root, self.changes = root / "root", changes
        self.cgroup = cgroups() / f"ganglion-test-{os.getpid()}"
        self.outer = self.init = None

    # ---- power ----

    def boot(self):
        self.cgroup.mkdir(exist_ok=True)
        log = open(self.changes / "boot.log", "ab")
        self.outer = subprocess.Popen(
            ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--cgroup", "--kill-child",
             "bash", HERE / "boot.sh", self.root, self.changes], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=lambda: (self.cgroup / "cgroup.procs").write_text(str(os.getpid())))
        log.close()
        self.until("systemd is up", self._is_up)
        return self

    def _is_up(self):
        assert self.outer.poll() is None, (self.changes / "boot.log").read_text()
        children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text().split()
        if not children or pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() != "systemd":
            return False
        self.init = children[0]
        return self.run("systemctl", "is-system-running", ok=False).stdout.strip() in ("running", "degraded")

    def power_off(self):
        """systemd stops everything and ends: True when it did by itself."""
        self.run("systemctl", "poweroff", "--no-block", ok=False)
        try:
            self.outer.wait(90)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            self.end()

    def end(self):
        if self.outer is not None:
            self.outer.kill()
            self.outer.wait()
        for folder in sorted(self.cgroup.rglob("*"), reverse=True):
            if folder.is_dir():
                self._remove(folder)
        if self.cgroup.exists():
            self._remove(self.cgroup)

    @staticmethod
    def _remove(folder):
        for _ in range(100):  # what was killed takes a moment to be gone
            try:
                return folder.rmdir()
            except OSError:
                time.sleep(0.1)

    # ---- inside ----

    def run(self, *command, ok=True, **more):
        done = subprocess.run(["nsenter", "-t", self.init, "-a", "env", "DEBIAN_FRONTEND=noninteractive", *command], capture_output=True,
                              text=True, timeout=300, check=False, **more)
        if ok:
            assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def write(self, path, text):
        self.run("tee", path, input=text)

    def show(self, unit, *properties):
        lines = self.run("systemctl", "show", unit, "--property=" + ",".join(properties)).stdout.splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return [found[name] for name in properties]

    def main_pid(self, unit):
        return int(self.show(unit, "MainPID")[0])

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def until(self, what, condition, seconds=90):
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.1)
