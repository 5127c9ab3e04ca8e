"""Private PostgreSQL, Redis and nginx."""

import glob
import os
import secrets
import shutil
import socket
import subprocess
import sys

from .ports import free_port
from .process import Failed, Process, give_to, unprivileged, wait_until

DATABASE_USER = "postgres"  # Debian's package makes it; PostgreSQL never runs as root
WEB_USER = "www-data"


def _can_connect(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _binary(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise Failed(f"{name} is not installed")
    return found


class Postgres:
    """A cluster of its own: TCP on loopback, a password, no Unix socket (its path could be too long)."""

    def __init__(self, folder, port=None, password=None, options=()):
        self.folder = os.path.abspath(folder)
        self.data = os.path.join(self.folder, "data")
        self.password = password or self._kept_password() or secrets.token_hex(12)
        self.port = port or free_port()
        self.options = options
        self.process = None

    def _kept_password(self):
        """Of a cluster that was made before."""
        try:
            with open(os.path.join(self.folder, "password"), encoding="ascii") as f:
                return f.read().strip()
        except FileNotFoundError:
            return None

    @staticmethod
    def bin(name):
        versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
        if not versions:
            raise Failed("PostgreSQL is not installed")
        return os.path.join(versions[-1], name)

    def _init(self):
        os.makedirs(self.folder, exist_ok=True)
        give_to(DATABASE_USER, self.folder)
        pwfile = os.path.join(self.folder, "password")
        with open(os.open(pwfile, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="ascii") as f:
            f.write(self.password + "\n")
        give_to(DATABASE_USER, pwfile)
        made = subprocess.run(unprivileged(DATABASE_USER, [self.bin("initdb"), "-D", self.data, "-U", "ganglion",
                                                           "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256",
                                                           f"--pwfile={pwfile}"] + (["--no-sync"] if "fsync=off" in self.options else [])),
                              cwd="/", capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise Failed(f"initdb: {made.stderr.strip()}")

    def start(self):
        if not os.path.isdir(self.data):
            self._init()
        log = os.path.join(self.folder, "postgres.log")
        settings = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=", "max_connections=600",
                    "shared_buffers=128MB", *self.options]
        command = [self.bin("postgres"), "-D", self.data]
        for setting in settings:
            command += ["-c", setting]
        self.process = Process("postgres", unprivileged(DATABASE_USER, command), log, cwd="/").start()
        wait_until("PostgreSQL takes connections", self.ready, self.process, 60)
        return self

    def ready(self):
        """By its own pid file: somebody else's server may answer on a port that was lost in a race."""
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as f:
                lines = f.read().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(self.process.pid) and len(lines) > 7 and lines[7].strip() == "ready"

    def stop(self):
        import signal

        if self.process is not None:
            self.process.stop(signal.SIGINT, 30)  # "fast": connections are closed, everything is written

    def conninfo(self, database):
        return {"host": "127.0.0.1", "port": self.port, "user": "ganglion", "password": self.password, "dbname": database}

    def url(self, database):
        return f"postgresql://ganglion:{self.password}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement, database="postgres"):
        """Runs a statement, returns its rows as lists of text."""
        done = subprocess.run([self.bin("psql"), "-X", "-A", "-t", "-q", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", statement,
                               self.url(database)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"psql: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def create_database(self, name):
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.sql(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")


class Redis:
    """late: seconds by which all that it says is late (late.py); GANGLION_TEST_REDIS_LATE, else none."""

    def __init__(self, folder, port=None, password=None, late=None):
        self.folder = os.path.abspath(folder)
        self.password = password or secrets.token_hex(12)
        self.port = port or free_port()
        self.late = late or os.environ.get("GANGLION_TEST_REDIS_LATE")
        self.own_port = free_port() if self.late else self.port
        self.process = self.way = None

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        config = os.path.join(self.folder, "redis.conf")
        with open(os.open(config, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            f.write(f"bind 127.0.0.1\nport {self.own_port}\nrequirepass {self.password}\nsave \"\"\nappendonly no\n"
                    f"dir \"{self.folder}\"\ndaemonize no\n")
        self.process = Process("redis", [_binary("redis-server"), config], os.path.join(self.folder, "redis.log")).start()
        wait_until("Redis takes connections", lambda: _can_connect(self.own_port), self.process)
        if self.late:
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "late.py")
            self.way = Process("late", [sys.executable, script, str(self.port), str(self.own_port), str(self.late)],
                               os.path.join(self.folder, "late.log")).start()
            wait_until("the late way to Redis takes connections", lambda: _can_connect(self.port), self.way)
        return self

    def stop(self):
        for process in (self.way, self.process):
            if process is not None:
                process.stop()

    def url(self):
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


class Nginx:
    """In front of everything, without privileges. `rules` is what `ganglion routes --format nginx` prints."""

    form = "nginx"

    def __init__(self, folder, port=None):
        self.folder = os.path.abspath(folder)
        self.port = port or free_port()
        self.process = None

    def start(self, rules, federation=None):
        os.makedirs(os.path.join(self.folder, "tmp"), exist_ok=True)
        if federation is not None:
            listen = f"    listen 127.0.0.1:{self.port};\n"
            assert listen in rules
            rules = rules.replace(listen, listen + f"    listen 127.0.0.1:{federation.port} ssl;\n"
                                  f"    ssl_certificate \"{federation.certificate}\";\n    ssl_certificate_key \"{federation.key}\";\n")
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w", encoding="utf-8") as f:
            f.write(self._frame(rules))
        for path in (self.folder, os.path.join(self.folder, "tmp")):
            give_to(WEB_USER, path)
        self.process = Process("nginx", unprivileged(WEB_USER, [_binary("nginx"), "-p", self.folder, "-c", config, "-g", "daemon off;",
                                                                 "-e", os.path.join(self.folder, "error.log")]),
                               os.path.join(self.folder, "nginx.log"), cwd="/").start()
        wait_until("nginx takes connections", lambda: _can_connect(self.port), self.process)
        return self

    def _frame(self, rules):
        temporary = "\n".join(f'    {kind}_temp_path "{self.folder}/tmp/{kind}";'
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""# Made by ./run: the frame; the rules inside are printed by `ganglion routes --format nginx`.
worker_processes 2;
pid "{self.folder}/nginx.pid";
events {{ worker_connections 4096; }}
http {{
    access_log off;
{temporary}
{rules}
}}
"""

    def stop(self):
        import signal

        if self.process is not None:
            self.process.stop(signal.SIGQUIT, 5)


class Haproxy:
    """The same with what `ganglion routes --format haproxy` prints; without TLS."""

    form = "haproxy"

    def __init__(self, folder, port=None):
        self.folder = os.path.abspath(folder)
        self.port = port or free_port()
        self.process = None

    def start(self, rules, federation=None):
        if federation is not None:
            raise Failed("haproxy stands here without TLS, which other servers ask for")
        os.makedirs(self.folder, exist_ok=True)
        config = os.path.join(self.folder, "haproxy.cfg")
        with open(config, "w", encoding="utf-8") as f:
            f.write(rules)
        give_to(WEB_USER, self.folder)
        self.process = Process("haproxy", unprivileged(WEB_USER, [_binary("haproxy"), "-db", "-f", config]),
                               os.path.join(self.folder, "haproxy.log"), cwd="/").start()
        wait_until("haproxy takes connections", lambda: _can_connect(self.port), self.process)
        return self

    def stop(self):
        if self.process is not None:
            self.process.stop(seconds=5)
