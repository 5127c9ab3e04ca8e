"""What the suites share: builds made once, one PostgreSQL and one Redis, virtual environments."""

import os
import shutil
import subprocess
import sys

from deployment import build
from deployment.services import Postgres, Redis

TOP = build.TOP
VAR = os.path.join(TOP, "var")


class Context:
    def __init__(self, folder):
        self.folder = folder
        self._built = {}
        self._postgres = self._redis = None
        self._venvs = {}

    # ---- commands ----

    def run(self, command, log, env=None, cwd=TOP, timeout=None):
        """True when it ended with 0; its output goes to a file, whose end is shown when it failed."""
        path = os.path.join(self.folder, f"{log}.log")
        with open(path, "wb") as out:
            try:
                done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out,
                                      stderr=out, timeout=timeout, check=False).returncode
            except subprocess.TimeoutExpired:
                done = f"no end within {timeout} s"
        if done != 0:
            print(f"---- {' '.join(command)}: {done}; the end of {path}:", file=sys.stderr)
            with open(path, encoding="utf-8", errors="replace") as f:
                sys.stderr.write("".join(f.readlines()[-60:]))
        return done == 0

    def build(self, preset):
        """The folder of a build, made once; None when it failed."""
        if preset not in self._built:
            ok = self.run(build.configure(preset), f"configure-{preset}", build.environment()) and \
                self.run(build.build(preset), f"build-{preset}", build.environment())
            self._built[preset] = build.folder(preset) if ok else None
        return self._built[preset]

    # ---- services ----

    @property
    def postgres(self):
        if self._postgres is None:
            # Tests kill our processes, not the machine: what is asked of the disk would only make them slow.
            self._postgres = Postgres(os.path.join(self.folder, "postgres"), options=("fsync=off",)).start()
        return self._postgres

    @property
    def redis(self):
        if self._redis is None:
            self._redis = Redis(os.path.join(self.folder, "redis")).start()
        return self._redis

    def environment(self):
        """For tests in C and Python: where the services are. With REQUIRE a test that needs one cannot skip."""
        p = self.postgres
        p.create_database("unit")
        return {"GANGLION_TEST_PG": " ".join(f"{k}={v}" for k, v in p.conninfo("unit").items()),
                "GANGLION_TEST_REDIS": f"127.0.0.1:{self.redis.port}", "GANGLION_TEST_REDIS_PASSWORD": self.redis.password,
                "GANGLION_TEST_REQUIRE": "1", "GANGLION_TEST_FOLDER": self.folder,
                "PYTHONPATH": os.path.join(TOP, "tools") + os.pathsep + os.path.join(TOP, "tests")}

    def venv(self, name, requirements):
        """A virtual environment below var/, made anew when its requirements changed; the Python in it."""
        if name not in self._venvs:
            folder = os.path.join(VAR, "venv", name)
            python, stamp = os.path.join(folder, "bin", "python"), os.path.join(folder, "requirements.installed")
            with open(requirements, encoding="utf-8") as f:
                wanted = f.read()
            have = open(stamp, encoding="utf-8").read() if os.path.exists(stamp) else None
            if have != wanted:
                ok = self.run([sys.executable, "-m", "venv", "--clear", "--system-site-packages", folder], f"venv-{name}") and \
                    self.run([python, "-m", "pip", "install", "-q", "-r", requirements], f"pip-{name}")
                if not ok:
                    return None
                with open(stamp, "w", encoding="utf-8") as f:
                    f.write(wanted)
            self._venvs[name] = python
        return self._venvs[name]

    def node_modules(self, python, package):
        """A folder below var/ with the package.json and what it asks for; npm is the one beside python."""
        folder = os.path.join(VAR, "clients")
        stamp = os.path.join(folder, "package.installed")
        with open(package, encoding="utf-8") as f:
            wanted = f.read()
        if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == wanted:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copy(package, os.path.join(folder, "package.json"))
        npm = os.path.join(os.path.dirname(python), "npm")
        if not self.run([npm, "install", "--prefix", folder, "--no-audit", "--no-fund", "--no-package-lock"], "npm-clients"):
            return None
        with open(stamp, "w", encoding="utf-8") as f:
            f.write(wanted)
        return folder

    def close(self):
        for service in (self._redis, self._postgres):
            if service is not None:
                service.stop()
