"""ganglionctl on a whole deployment: start and stop as synctl, status, check, and a duty that was given away and that nobody has."""

import json
import os
import signal
import subprocess

import pytest

from deployment.deployment import Deployment, http
from deployment.layout import Worker
from lib.wait import until


class Controlled:
    def __init__(self, deployment):
        self.deployment = deployment
        self.config = os.path.join(deployment.folder, "config")
        self.started = set()

    def __call__(self, *words, code=0):
        done = subprocess.run([os.path.join(self.deployment.build, "bin", "ganglionctl"), *words], capture_output=True, text=True,
                              env=self.deployment.environment(), cwd=self.deployment.folder, timeout=120, check=False)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def status(self, code=0):
        return {p["name"]: p for p in json.loads(self("status", self.config, "--json", code=code).stdout)}

    def findings(self, code=0):
        told = json.loads(self("check", self.config, "--json", code=code).stdout)
        assert told["ok"] == (code == 0)
        # Roles that this build was made without are told, too.
        return [(f["level"], f["text"]) for f in told["findings"] if f["level"] != "note" and "lacks the role" not in f["text"]]

    def ready(self):
        return http("GET", f"http://127.0.0.1:{self.deployment.main.port}/ready")[1]


@pytest.fixture(scope="module")
def control(build, folder, postgres):
    """Prepared, and nothing of it started: that is the program's work."""
    postgres.sql("DROP DATABASE IF EXISTS faults_control")
    workers = [Worker("worker1", "synapse.app.generic_worker", ["client"]), Worker("pusher1", "synapse.app.pusher", ["health"]),
               Worker("sender1", "synapse.app.federation_sender", [])]
    deployment = Deployment(os.path.join(folder, "control"), build, postgres, database="faults_control", front=False, workers=workers,
                            stream_writers={"events": "main"}, bcrypt_rounds=4)
    deployment.extra_config = {"stream_writers": None, "send_federation": None, "federation_sender_instances": ["sender1"],
                               "ganglion": {"duty_patience": "3s"}}
    deployment.prepare()
    made = Controlled(deployment)
    try:
        yield made
    finally:
        made("stop", made.config)
        deployment.redis.stop()


def test_the_life_of_a_deployment(control):
    folder, workers = control.config, os.path.join(control.config, "workers")
    assert {p["state"] for p in control.status(code=1).values()} == {"stopped"}
    assert control.findings() == []
    # As synctl: a shared file is the main process, -w and -a are workers.
    main = os.path.join(folder, "homeserver.yaml")
    assert "main: started" in control("start", main).stdout
    assert "main: running already" in control("start", main).stdout
    assert control("start", main, "-w", os.path.join(workers, "worker1.yaml")).stdout.startswith("worker1: starting\nworker1: started")
    told = control("start", main, "-a", workers).stdout
    assert "worker1: running already" in told and "pusher1: started" in told and "main" not in told
    seen = control.status()
    assert list(seen) == ["main", "pusher1", "sender1", "worker1"]
    assert all(p["state"] == "running" and p["ready"] and p["resident_bytes"] > 1 << 20 for p in seen.values())
    # Replaced: other processes under the same names.
    told = json.loads(control("restart", "worker1", "sender1", "main", folder, "--json").stdout)
    assert [(o["name"], o["outcome"]) for o in told] == [(name, "replaced") for name in ("worker1", "sender1", "main")]
    after = control.status()
    assert {n for n in seen if seen[n]["pid"] != after[n]["pid"]} == {"worker1", "sender1", "main"}
    assert control.findings() == []


def test_a_duty_that_nobody_has_is_named(control):
    control("start", control.config)
    until(lambda: control.ready()["missing_duties"] == [])
    seen = control.status()
    for name in ("pusher1", "sender1"):
        os.kill(seen[name]["pid"], signal.SIGKILL)
    missing = [{"duty": "pusher", "processes": []}, {"duty": "federation_sender", "processes": ["sender1"]}]
    until(lambda: control.ready()["missing_duties"] == missing, seconds=60)
    assert control.ready()["ready"]
    errors = [text for level, text in control.findings(code=1) if level == "error"]
    assert errors == ["the duty `pusher` was given away, and no process does it",
                      "the duty `federation_sender` was given away, and these processes are not there: sender1"]
    control("start", "pusher1", "sender1", control.config)
    until(lambda: control.ready()["missing_duties"] == [], seconds=60)
    assert control.findings() == []


def test_what_is_wrong_with_the_files(control):
    """Each finding names what to do; nothing of what runs is touched."""
    extra = os.path.join(control.config, "workers", "writer9.yaml")
    with open(extra, "w", encoding="utf-8") as f:
        f.write("worker_app: synapse.app.generic_worker\nworker_name: worker1\nredis: {enabled: true, port: 1}\nstream_writers: {typing: nobody}\n")
    try:
        texts = " ".join(text for _, text in control.findings(code=1))
    finally:
        os.unlink(extra)
    assert "have the same worker_name `worker1`" in texts
    assert "`stream_writers.typing` names `nobody`" in texts
    assert "`redis` stands in a worker's own file" in texts
    assert "`stream_writers` says otherwise than what `master` reads" in texts


def test_a_broken_file_hinders_its_own_process_alone(control):
    path = os.path.join(control.config, "workers", "broken1.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("worker_app: synapse.app.generic_worker\nworker_name: [no, name]\n")
    try:
        assert "broken1.yaml" in control("start", control.config, code=1).stderr
        done = control("restart", "worker1", control.config)
        assert "worker1: replaced" in done.stdout and "left out" in done.stderr
        assert "none of the files" in control("restart", "broken1", control.config, code=1).stderr
    finally:
        os.unlink(path)


def test_refusals(control):
    assert "none of the files is of a process called nobody" in control("restart", "nobody", control.config, code=1).stderr
    assert control("dance", code=2).stderr.startswith("ganglionctl: 'dance' is no command")
    # A pid file of somebody else's process: left from a crash, the number is used again.
    path = os.path.join(control.deployment.folder, "run", "worker1.pid")
    control("stop", "worker1", control.config)
    with open(path, "w", encoding="ascii") as f:
        f.write(f"{control.deployment.redis.process.pid}\n")
    assert "worker1: not running" in control("stop", "worker1", control.config).stdout
    assert control.deployment.redis.process.is_alive()
    assert "worker1: started" in control("start", "worker1", control.config).stdout
