"""The command line of ./run."""

import argparse
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import time

from . import build
from .deployment import Deployment
from .ports import free_port
from .process import Failed, Process, alive, resident_bytes, started_at
from .services import Postgres

TOP = build.TOP
VAR = os.path.join(TOP, "var")
STATE = os.path.join(VAR, "state.json")
BUILD = build.folder("release")
DEMO_USERS = {"alice": "alice-demo-password", "bob": "bob-demo-password"}


def say(text):
    print(text, flush=True)


def load_state():
    try:
        with open(STATE, encoding="utf-8") as f:
            return json.load(f)
    except (FileNotFoundError, ValueError):
        return {}


def save_state(state):
    temporary = STATE + ".new"
    with open(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        json.dump(state, f, indent=2)
    os.replace(temporary, STATE)


def is_running(entry):
    """By the process that was started, or by one that has replaced it since (ganglionctl restart NAME): the pid file names it."""
    if alive(entry["pid"]) and started_at(entry["pid"]) == entry["started"]:
        return True
    successor = read_pid(entry.get("pid_file"))
    if not successor or successor == entry["pid"] or not alive(successor):
        return False
    entry["pid"], entry["started"] = successor, started_at(successor)
    return True


def has_ended(entry):
    """Whoever replaces a process writes its pid a moment after that one is gone."""
    deadline = time.monotonic() + 5
    while not is_running(entry):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.1)
    return False


def read_pid(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read())
    except (OSError, TypeError, ValueError):
        return None


def running(state):
    return [p for p in state.get("processes", []) if is_running(p)]


# ---- up ----

def make():
    say("build: release")
    os.makedirs(VAR, exist_ok=True)
    log = os.path.join(VAR, "build.log")
    with open(log, "wb") as out:
        # Tests and benchmarks are ./check's: they need packages and minutes that a deployment does not.
        for command in (build.configure("release", "-DGANGLION_TESTS=OFF", "-DGANGLION_BENCH=OFF"), build.build("release")):
            done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=build.environment(), check=False)
            if done.returncode != 0:
                with open(log, encoding="utf-8", errors="replace") as f:
                    sys.stderr.write("".join(f.readlines()[-30:]))
                raise Failed(f"the build failed; all of it is in {log}")


USUAL_PORTS = {"postgres": 5432, "redis": 6379, "front": 8008}


def port_for(state, name):
    """The port of last time if it is free, so that URLs stay; else the usual one; else any."""
    return free_port(state.get("ports", {}).get(name) or USUAL_PORTS[name])


def entry(name, app, process, port, pid_file=None):
    return {"name": name, "worker_app": app, "pid": process.pid, "started": process.start_time, "port": port, "pid_file": pid_file}


def describe(deployment, postgres):
    """What status and stop need, in the order of starting."""
    found = [entry("postgres", "-", postgres.process, postgres.port)]
    if deployment.redis is not None:
        found.append(entry("redis", "-", deployment.redis.process, deployment.redis.port))
    found.append(entry("main", "synapse.app.homeserver", deployment.processes["main"], deployment.main.port, deployment.pid_file("main")))
    found += [entry(w.name, w.app, deployment.processes[w.name], deployment.probe_port(w), deployment.pid_file(w.name)) for w in deployment.workers]
    if deployment.outer is not None:
        found.append(entry(deployment.outer.form, "-", deployment.outer.process, deployment.outer.port))
    return found


def make_demo_users(deployment):
    for name, password in DEMO_USERS.items():
        status, answer = deployment.register(name, password)
        if status != 200 and answer.get("errcode") != "M_USER_IN_USE":
            raise Failed(f"the demo user {name} could not be made: {status} {answer}")


def note_starts(state):
    """Writes down each process as it starts, so that a ./run that is killed while starting leaves nothing unknown."""
    noted = {**state, "starting": True, "processes": []}

    def note(process):
        noted["processes"].append({"name": process.name, "worker_app": "-", "pid": process.pid, "started": process.start_time, "port": 0})
        save_state(noted)
    Process.started = staticmethod(note)


def clear_way(state):
    """Nothing of this folder may run; what an interrupted start left behind nobody can use, so that is ended."""
    left = running(state)
    if left and not state.get("starting"):
        raise Failed("a deployment is running already (./run status); ./run stop ends it")
    if left:
        say(f"stopping what an interrupted ./run left: {', '.join(p['name'] for p in left)}")
        take_down(state)


def bring_up(monolith, router):
    state = load_state()
    clear_way(state)
    make()
    note_starts(state)
    saved = state.get("secrets", {})
    say("database: PostgreSQL" + ("" if os.path.isdir(os.path.join(VAR, "postgres", "data")) else ", a new cluster"))
    postgres = Postgres(os.path.join(VAR, "postgres"), port_for(state, "postgres"), saved.get("postgres_password"))
    deployment = None
    try:
        postgres.start()
        deployment = Deployment(os.path.join(VAR, "monolith" if monolith else "split"), BUILD, postgres, monolith=monolith,
                                saved=saved, front_port=port_for(state, "front"), redis_port=port_for(state, "redis"), router=router)
        # Both forms are one server: they share its key and media.
        deployment.extra_config = {"signing_key_path": os.path.join(VAR, "keys", "signing.key"), "media_store_path": os.path.join(VAR, "media"),
                                   "ganglion": {"groups": True}, "enable_group_creation": True}
        os.makedirs(os.path.join(VAR, "keys"), exist_ok=True)
        os.makedirs(os.path.join(VAR, "media"), exist_ok=True)
        deployment.start(lambda text: say(f"processes: {text}"))
        make_demo_users(deployment)
    except BaseException:
        if deployment is not None:
            deployment.stop()
        postgres.stop()
        raise
    save_state({"secrets": {**saved, **deployment.secrets(), "postgres_password": postgres.password},
                "ports": {"postgres": postgres.port, "front": deployment.front_port,
                          **({"redis": deployment.redis.port} if deployment.redis else {})},
                "processes": describe(deployment, postgres), "base_url": deployment.base_url,
                "database_url": postgres.url(deployment.database), "redis_url": deployment.redis.url() if deployment.redis else "",
                "config_dir": os.path.join(deployment.folder, "config"), "monolith": monolith, "starting": False})
    return deployment, postgres


def table(state):
    running(state)
    rows = [("process", "worker_app", "pid", "port", "state")]
    rows += [(p["name"], p["worker_app"], str(p["pid"]), str(p["port"]), "running" if is_running(p) else "stopped")
             for p in state["processes"]]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def take_down(state):
    """In the reverse order of starting."""
    numbers = {"nginx": signal.SIGQUIT, "postgres": signal.SIGINT}
    for p in reversed(state.get("processes", [])):
        is_running(p)  # who has replaced it is asked to end
        process = Process(p["name"], [], os.devnull).adopt(p["pid"], p["started"])
        if process.is_alive():
            process.stop(numbers.get(p["name"], signal.SIGTERM), 30)


def command_up(args):
    os.makedirs(VAR, exist_ok=True)
    with open(os.path.join(VAR, "lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Failed("another ./run is at work in this folder") from error
        bring_up(args.monolith, args.router)
    state = load_state()
    say("")
    say(table(state))
    say("")
    say(f"demo users: {', '.join(f'{n} / {p}' for n, p in DEMO_USERS.items())}")
    say(f"ready {state['base_url']}")
    if args.detach:
        return 0
    return watch(state)


def watch(state):
    """Until Ctrl-C, or until a process dies by itself."""
    asked = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda n, frame: asked.append(n))
    gone, saved = None, json.dumps(state["processes"])
    while not asked and gone is None and json.dumps(load_state().get("processes")) == saved:
        time.sleep(0.3)
        gone = next((p for p in state["processes"] if has_ended(p)), None)
    # `./run stop` from elsewhere ends processes in order: that is no accident.
    if gone is not None and not asked:
        time.sleep(1)
        if json.dumps(load_state().get("processes")) == saved:
            say(f"{gone['name']} has ended; stopping the rest (logs are in {VAR})")
    say("stopping")
    take_down(state)
    return 1 if gone is not None and not asked else 0


def command_status(args):
    state = load_state()
    running(state)  # notes who was replaced
    found = [{"name": p["name"], "worker_app": p["worker_app"], "pid": p["pid"], "port": p["port"],
              "resident_bytes": resident_bytes(p["pid"]) if is_running(p) else 0,
              "state": "running" if is_running(p) else "stopped"} for p in state.get("processes", [])]
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    if not found:
        say("nothing is running")
        return 0
    say(table(state))
    return 0


def command_env(args):
    state = load_state()
    if "base_url" not in state:
        raise Failed("nothing was started yet")
    lines = {"GANGLION_BASE_URL": state["base_url"], "GANGLION_DATABASE_URL": state["database_url"],
             "GANGLION_REDIS_URL": state["redis_url"], "GANGLION_CONFIG_DIR": state["config_dir"],
             "GANGLION_BIN": os.path.join(BUILD, "bin", "ganglion"), "GANGLION_PLUGIN_PATH": os.path.join(BUILD, "plugins"),
             "GANGLION_REGISTRATION_SECRET": state["secrets"]["registration_secret"]}
    for name, value in lines.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def command_stop(args):
    state = load_state()
    if not state.get("processes"):
        say("nothing is running")
        return 0
    take_down(state)
    state["processes"] = []
    save_state(state)
    say("stopped")
    return 0


def interrupt(number, frame):
    """A start that is asked to end cleans up as after Ctrl-C."""
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="./run", description="Builds Ganglion and starts a whole deployment in ./var.")
    parser.add_argument("command", nargs="?", choices=["up", "status", "env", "stop"], default="up")
    parser.add_argument("--detach", action="store_true", help="leave it running in the background")
    parser.add_argument("--monolith", action="store_true", help="one process, without Redis")
    parser.add_argument("--router", choices=["nginx", "ganglion"], default="nginx", help="what stands in front of the workers")
    parser.add_argument("--json", action="store_true", help="status as JSON")
    args = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)
    commands = {"up": command_up, "status": command_status, "env": command_env, "stop": command_stop}
    try:
        code = commands[args.command](args)
        sys.stdout.flush()
        return code
    except Failed as error:
        print(f"./run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:  # ./run status | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
