"""What a reverse proxy costs: nginx, haproxy and Ganglion's own router before one deployment, on the routes of one plan. Each has
the same requests, in turns; counted is the CPU time of the proxy's processes alone."""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time

from check.context import Context
from deployment.deployment import Deployment
from deployment.services import Haproxy, Nginx, Postgres
from lib.server import Server, quote

from .load import Load, raw
from .servers import SETTLE, Usage, _children

CLIENT = "/_matrix/client/v3"


class Fronts:
    """A split behind three proxies: name -> (port, process id)."""

    def __init__(self, folder, build):
        self.postgres = Postgres(os.path.join(folder, "postgres")).start()
        quiet = os.path.join(folder, "log.yaml")
        with open(quiet, "w", encoding="utf-8") as f:  # the others write no line for each request either
            f.write("version: 1\nhandlers: {console: {class: logging.StreamHandler}}\nroot: {level: WARNING, handlers: [console]}\n")
        self.deployment = Deployment(os.path.join(folder, "split"), build, self.postgres, bcrypt_rounds=4, router="ganglion",
                                     extra_config={"log_config": quiet})
        for worker in [*self.deployment.workers, self.deployment.proxy]:
            worker.extra = {**worker.extra, "worker_log_config": quiet}
        self.others = {"nginx": Nginx(os.path.join(folder, "nginx")), "haproxy": Haproxy(os.path.join(folder, "haproxy"))}
        self.deployment.start()
        for form, proxy in self.others.items():
            proxy.start(self.deployment.routes(form, proxy.port))
        self.server = Server(self.deployment)
        self.ports = {"ganglion": self.deployment.front_port, **{form: proxy.port for form, proxy in self.others.items()}}
        self.pids = {"ganglion": self.deployment.processes["router"].pid, **{form: proxy.process.pid for form, proxy in self.others.items()}}

    def used(self, name):
        pid = self.pids[name]
        return Usage([pid, *_children(pid)], pid)

    def stop(self):
        for proxy in self.others.values():
            proxy.stop()
        self.deployment.stop()
        self.postgres.stop()


def versions(server, people, n):
    return [(raw("GET", "/_matrix/client/versions"), n)]


def syncs(server, people, n):
    return [(raw("GET", f"{CLIENT}/sync?timeout=0&since={since}", user.token), max(1, n // len(people))) for user, _, since in people]


def messages(server, people, n):
    return [(raw("GET", f"{CLIENT}/rooms/{quote(room)}/messages?dir=b&limit=30", user.token), max(1, n // len(people))) for user, room, _ in people]


def sends(server, people, n):
    """Another transaction each time is not needed: the answer to a repeated one takes the same way."""
    return [(raw("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/bench", user.token, {"msgtype": "m.text", "body": "x" * 200}),
             max(1, n // len(people))) for user, room, _ in people]


def joined(server, people, n):
    """An answer of about 60 KB."""
    user, room = people[0][0], people[0][1]
    for i in range(300):
        if user.user_id not in server.__dict__.setdefault("filled", {}):
            user.put_state(room, "org.example.state", {"text": "x" * 100}, f"k{i}")
    server.filled[user.user_id] = True
    return [(raw("GET", f"{CLIENT}/rooms/{quote(room)}/state", user.token), n // 4)]


CASES = {"versions": versions, "sync": syncs, "messages": messages, "send": sends, "state, 100 KB": joined}


def measure(fronts, load, people, case, rounds, n, at_once):
    """CPU microseconds a request, of each proxy, round by round; the first one only warms."""
    found = {name: [] for name in fronts.ports}
    for number in range(rounds + 1):
        for name, port in fronts.ports.items():
            requests = [(port, data, count) for data, count in case(fronts.server, people, n if number else n // 10)]
            before = fronts.used(name)
            load.run(requests, at_once)
            time.sleep(SETTLE)
            if number:
                found[name].append(fronts.used(name).since(before) * 1e6 / sum(count for _, _, count in requests))
    return found


def main():
    parser = argparse.ArgumentParser(prog="bench/run --routers")
    parser.add_argument("--routers", action="store_true")
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="ganglion-bench-")
    os.chmod(folder, 0o755)
    context, fronts = Context(folder), None
    build = os.environ.get("GANGLION_BUILD") or context.build("release")
    try:
        fronts = Fronts(folder, build)
        load = Load(build)
        people = [(user := fronts.server.register(), user.create_room(), user.sync()["next_batch"]) for _ in range(16)]
        print(f"CPU microseconds of the proxy for a request, {args.at_once} at once\n"
              f"{'route':16}{'nginx':>9}{'haproxy':>9}{'ganglion':>10}{'to nginx':>10}{'from':>7}{'to':>7}", flush=True)
        for name, case in CASES.items():
            found = measure(fronts, load, people, case, args.rounds, args.requests, args.at_once)
            median = {front: statistics.median(values) for front, values in found.items()}
            ratios = [ours / theirs for ours, theirs in zip(found["ganglion"], found["nginx"])]
            print(f"{name:16}{median['nginx']:9.1f}{median['haproxy']:9.1f}{median['ganglion']:10.1f}{median['ganglion'] / median['nginx']:10.2f}"
                  f"{min(ratios):7.2f}{max(ratios):7.2f}", flush=True)
    finally:
        if fronts is not None:
            fronts.stop()
        context.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
