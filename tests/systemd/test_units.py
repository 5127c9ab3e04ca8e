"""The units and packages under a real systemd, in the order of a deployment's life: each test goes on where the one before
it stopped."""

import json
import os
import pathlib
import shutil

import pytest
from machine import Machine, why_not

TOP = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path(os.environ.get("GANGLION_TEST_SYSTEMD_ROOT", TOP / "var" / "systemd"))
REASON = why_not(ROOT)
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))

MAIN, WORKER, SILENT = "ganglion.service", "ganglion-worker@worker1.service", "ganglion-worker@pusher1.service"
ALL = (MAIN, WORKER, SILENT)
CLIENT = "http://127.0.0.1:8081/_matrix/client"

SHARED = """
server_name: units.test
report_stats: false
database: {name: psycopg2, args: {host: 127.0.0.1, port: 5432, dbname: ganglion, user: ganglion, password: secret}}
listeners:
  - {type: http, port: 8008, bind_addresses: [127.0.0.1], resources: [{names: [client, media, federation]}]}
  - {type: http, port: 9093, bind_addresses: [127.0.0.1], resources: [{names: [replication]}]}
instance_map: {main: {host: 127.0.0.1, port: 9093}}
redis: {enabled: true}
worker_replication_secret: of the test
signing_key_path: /etc/ganglion/units.test.signing.key
macaroon_secret_key: of the test
form_secret: of the test
media_store_path: /var/lib/ganglion/media
start_pushers: false
pusher_instances: [pusher1]
trusted_key_servers: []
enable_registration: true
enable_registration_without_verification: true
log_config: /etc/ganglion/log.yaml
"""
LOGS = """
version: 1
formatters: {plain: {format: '%(name)s %(message)s'}}
handlers:
  file: {class: logging.handlers.WatchedFileHandler, filename: /var/log/ganglion/main.log, formatter: plain}
  journal: {class: logging.StreamHandler, formatter: plain}
root: {level: INFO, handlers: [file, journal]}
"""
WORKERS = {
    "worker1": "worker_app: synapse.app.generic_worker\nworker_name: worker1\nworker_listeners:\n"
               "  - {type: http, port: 8081, bind_addresses: [127.0.0.1], resources: [{names: [client]}]}\n",
    "pusher1": "worker_app: synapse.app.pusher\nworker_name: pusher1\n",
}
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")


@pytest.fixture(scope="module")
def machine(packages, tmp_path_factory):
    changes = tmp_path_factory.mktemp("machine")
    shutil.copytree(packages, changes / "upper" / "packages")
    made = Machine(ROOT, changes)
    try:
        yield made.boot()
    finally:
        made.end()


def asks(machine, url, *more):
    """(status, JSON) of a request from within."""
    done = machine.run("curl", "-sS", "-w", "\n%{http_code}", *more, url)
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(body) if body.startswith("{") else body


def states(machine):
    return [machine.show(unit, "ActiveState", "Result", "NRestarts") for unit in ALL]


def replaced(machine, unit, old):
    """The main process of the unit once it is another one, and has said so to systemd."""
    def look():
        state, pid = machine.show(unit, "ActiveState", "MainPID")
        return int(pid) if state == "active" and int(pid) not in (0, old) else None
    return machine.until(f"{unit} has another main process", look)


def test_packages_come_to_a_running_machine(machine):
    machine.run("sh", "-c", "dpkg -i /packages/*.deb")
    assert machine.run("stat", "-c", "%U %a", "/etc/ganglion", "/var/lib/ganglion", "/run/ganglion").stdout.split("\n")[:3] == \
        ["ganglion 750", "ganglion 750", "ganglion 755"]
    sql = "CREATE ROLE ganglion LOGIN PASSWORD 'secret'", \
        "CREATE DATABASE ganglion OWNER ganglion TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
    machine.until("PostgreSQL is there", lambda: machine.run("su", "postgres", "-c", "psql -qc 'SELECT 1'", ok=False).returncode == 0)
    for statement in sql:
        machine.run("su", "postgres", "-c", "psql -q", input=statement)


def test_a_deployment_starts_in_order(machine):
    machine.write("/etc/ganglion/homeserver.yaml", SHARED)
    machine.write("/etc/ganglion/log.yaml", LOGS)
    for name, text in WORKERS.items():
        machine.write(f"/etc/ganglion/workers/{name}.yaml", text)
    machine.run("systemctl", "enable", "--now", "ganglion.target", *ALL)
    assert states(machine) == [["active", "success", "0"]] * 3  # with Type=notify: each has said that it is ready
    assert machine.run("stat", "-c", "%U", "/etc/ganglion/units.test.signing.key").stdout == "ganglion\n"
    assert "pusher1 (synapse.app.pusher) is ready" in machine.journal(SILENT)


def test_the_sandbox_lets_it_work(machine):
    account = json.dumps({"username": "u", "password": "a good password", "auth": {"type": "m.login.dummy"}})
    status, told = asks(machine, f"{CLIENT}/v3/register", "-d", account)
    assert status == 200, told
    token = ("-H", f"Authorization: Bearer {told['access_token']}")
    status, room = asks(machine, f"{CLIENT}/v3/createRoom", *token, "-d", "{}")
    assert status == 200, room
    machine.run("sh", "-c", f"echo {PIXEL} | base64 -d > /root/pixel.png")
    status, told = asks(machine, "http://127.0.0.1:8008/_matrix/media/v3/upload", *token, "-H", "Content-Type: image/png",
                        "--data-binary", "@/root/pixel.png")
    assert status == 200, told
    name = told["content_uri"].removeprefix("mxc://")
    status, _ = asks(machine, f"http://127.0.0.1:8008/_matrix/client/v1/media/thumbnail/{name}?width=32&height=32", *token, "-o", "/dev/null")
    assert status == 200
    for unit in ALL:
        assert "Operation not permitted" not in machine.journal(unit)


def test_reload_opens_logs_again(machine):
    machine.run("mv", "/var/log/ganglion/main.log", "/var/log/ganglion/old.log")
    pids = [machine.main_pid(unit) for unit in ALL]
    machine.run("systemctl", "reload", "ganglion.target")

    def written():
        asks(machine, "http://127.0.0.1:8008/_matrix/client/versions")  # of which the log has a line
        return machine.run("test", "-s", "/var/log/ganglion/main.log", ok=False).returncode == 0
    machine.until("the log is there again", written)
    assert [machine.main_pid(unit) for unit in ALL] == pids


@pytest.mark.parametrize("unit", ALL)
def test_a_successor_is_the_unit(machine, unit):
    """It is not taken for somebody else's child: systemd waits for its end instead of killing it."""
    old = machine.main_pid(unit)
    machine.run("systemctl", "kill", "--kill-who=main", "--signal=SIGUSR2", unit)
    new = replaced(machine, unit, old)
    machine.until("the old process has ended", lambda: machine.run("test", "-d", f"/proc/{old}", ok=False).returncode != 0)
    assert machine.run("ps", "-o", "ppid=", "-p", str(new)).stdout.strip() == "1"
    machine.run("systemctl", "stop", unit)
    assert machine.show(unit, "ActiveState", "Result", "ExecMainCode", "ExecMainStatus") == ["inactive", "success", "1", "0"]
    machine.run("systemctl", "start", unit)


def test_a_crash_and_a_hang_end_in_a_restart(machine):
    """SIGKILL at once; SIGSTOP when the watchdog has missed its signs (30 s), which also the role without listeners gives."""
    hung, killed = machine.main_pid(SILENT), machine.main_pid(WORKER)
    machine.run("kill", "-STOP", str(hung))
    machine.run("kill", "-KILL", str(killed))
    replaced(machine, WORKER, killed)
    assert asks(machine, f"{CLIENT}/versions")[0] == 200
    replaced(machine, SILENT, hung)
    assert "Watchdog timeout" in machine.journal(SILENT) and "Watchdog timeout" not in machine.journal(MAIN)
    assert [state[2] for state in states(machine)] == ["0", "1", "1"]


def test_a_worker_that_cannot_start_says_why(machine):
    machine.write("/etc/ganglion/workers/wrong.yaml", "worker_app: synapse.app.nonsense\nworker_name: wrong\n")
    assert machine.run("systemctl", "start", "ganglion-worker@wrong", ok=False).returncode == 1
    assert "needs nonsense.so" in machine.journal("ganglion-worker@wrong")
    machine.run("systemctl", "stop", "ganglion-worker@wrong")
    machine.run("rm", "/etc/ganglion/workers/wrong.yaml")


def test_an_upgrade_replaces_who_runs(machine):
    pids = [machine.main_pid(unit) for unit in ALL]
    machine.run("sh", "-c", "dpkg -i /packages/*.deb")
    for unit, old in zip(ALL, pids):
        replaced(machine, unit, old)
    assert asks(machine, f"{CLIENT}/versions")[0] == 200


def test_a_role_comes_and_goes(machine):
    missing = lambda: {m["role"] for m in asks(machine, "http://127.0.0.1:8008/ready")[1].get("missing_roles", [])}  # noqa: E731
    old = machine.main_pid(MAIN)
    machine.run("dpkg", "-r", "ganglion-plugin-user-dir")
    old = replaced(machine, MAIN, old)
    machine.until("main misses the role", lambda: "user_dir" in missing())
    machine.run("sh", "-c", "dpkg -i /packages/ganglion-plugin-user-dir_*.deb")
    replaced(machine, MAIN, old)
    machine.until("main has the role", lambda: "user_dir" not in missing())


def test_the_target_stops_all_and_the_next_boot_starts_all(machine):
    machine.run("systemctl", "stop", "ganglion.target")
    machine.until("all have ended", lambda: {state[0] for state in states(machine)} == {"inactive"})
    assert {state[1] for state in states(machine)} == {"success"}
    assert machine.power_off()
    machine.boot()
    machine.until("all are active", lambda: {state[0] for state in states(machine)} == {"active"})
    assert asks(machine, f"{CLIENT}/versions")[0] == 200


def test_packages_go(machine):
    names = machine.run("dpkg-query", "-W", "-f", "${Package}\n", "*ganglion*").stdout.split()
    assert len(names) == 12
    machine.run("dpkg", "--purge", *names)
    machine.until("all have ended", lambda: {state[0] for state in states(machine)} == {"inactive"})
    machine.run("test", "-f", "/etc/ganglion/homeserver.yaml")  # the operator's
