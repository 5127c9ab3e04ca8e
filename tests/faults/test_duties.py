"""A duty of one process at a time: another one stands by, says who has it, and takes over when that one dies."""

import os
import signal

import pytest

from deployment.deployment import Deployment
from deployment.layout import Worker
from lib import appservice
from lib.gateway import Gateway, pusher
from lib.server import Server
from lib.wait import until

SEARCH = "/_matrix/client/v3/user_directory/search"


@pytest.fixture
def two(build, folder, postgres):
    """Two processes of the role user_dir."""
    workers = [Worker(name, "synapse.app.user_dir", ["client"]) for name in ("user_dir1", "user_dir2")]
    postgres.sql("DROP DATABASE IF EXISTS faults_duties")
    deployment = Deployment(os.path.join(folder, "faults-duties"), build, postgres, database="faults_duties", front=False, workers=workers,
                            stream_writers={"events": "main"}, bcrypt_rounds=4)
    deployment.extra_config = {"update_user_directory": False, "stream_writers": None}
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        deployment.stop()


def log(server, name):
    with open(os.path.join(server.deployment.folder, "logs", f"{name}.log"), encoding="utf-8", errors="replace") as f:
        return f.read()


def holder(server):
    rows = server.sql("SELECT instance_name FROM worker_locks WHERE lock_name = 'ganglion_duty' AND lock_key = 'user_dir'")
    return rows[0][0] if rows else None


def is_found(asking, user):
    answer = asking.ok("POST", SEARCH, {"search_term": user.user_id[1:].split(":")[0]})
    return user.user_id in [r["user_id"] for r in answer["results"]]


def test_takes_over(two):
    two.base_url = two.worker_url("main")
    first = until(lambda: holder(two))
    second = "user_dir2" if first == "user_dir1" else "user_dir1"
    until(lambda: f'the process "{first}" does it; this one stands by' in log(two, second))
    alice, bob, carol = two.register("alice"), two.register("bobo"), two.register("carola")
    bob.create_room(preset="public_chat")
    two.base_url = two.worker_url(second)
    until(lambda: is_found(alice, bob))
    os.kill(two.deployment.processes[first].pid, signal.SIGKILL)
    two.base_url = two.worker_url("main")
    carol.create_room(preset="public_chat")
    two.base_url = two.worker_url(second)
    until(lambda: holder(two) == second)
    until(lambda: is_found(alice, carol))
    assert holder(two) == second
    # Given back at a stop: who comes next need not wait for it to run out.
    two.deployment.processes[second].stop()
    assert holder(two) is None


@pytest.fixture
def pushing(build, folder, postgres):
    """Two processes of the role pusher."""
    workers = [Worker(name, "synapse.app.pusher", ["health"]) for name in ("pusher1", "pusher2")]
    postgres.sql("DROP DATABASE IF EXISTS faults_pushers")
    deployment = Deployment(os.path.join(folder, "faults-pushers"), build, postgres, database="faults_pushers", front=False, workers=workers,
                            bcrypt_rounds=4)
    deployment.extra_config = {"start_pushers": False, "stream_writers": None, "ip_range_blacklist": []}
    try:
        deployment.start()
        server = Server(deployment)
        server.base_url = server.worker_url("main")
        yield server
    finally:
        deployment.stop()


def test_notifications_over_a_kill(pushing):
    """Nothing is lost, and nothing comes twice but what was under way: killed while it tells, the next one goes on from there."""
    gateway = Gateway()
    alice, bob = pushing.register(), pushing.register()
    room = alice.create_room(preset="private_chat", invite=[bob.user_id])
    bob.join(room)
    alice.ok("POST", "/_matrix/client/v3/pushers/set", pusher(gateway))
    gateway.pause = 0.05
    events = [bob.send(room, f"message {i}") for i in range(40)]
    until(lambda: len(gateway.events()) >= 5)
    rows = pushing.sql("SELECT instance_name FROM worker_locks WHERE lock_name = 'ganglion_duty' AND lock_key = 'pusher'")
    os.kill(pushing.deployment.processes[rows[0][0]].pid, signal.SIGKILL)
    gateway.pause = 0
    until(lambda: gateway.events()[-1:] == events[-1:])
    told = gateway.events()
    gateway.stop()
    assert list(dict.fromkeys(told)) == events
    assert len(told) <= len(events) + 1
    assert not gateway.problems


@pytest.fixture
def bridged(build, folder, postgres):
    """Two processes of the role appservice, and a bridge."""
    workers = [Worker(name, "synapse.app.appservice", ["health"]) for name in ("appservice1", "appservice2")]
    registered, files = appservice.standard(os.path.join(folder, "faults-services"))
    postgres.sql("DROP DATABASE IF EXISTS faults_appservices")
    deployment = Deployment(os.path.join(folder, "faults-appservices"), build, postgres, database="faults_appservices", front=False,
                            workers=workers, bcrypt_rounds=4)
    deployment.extra_config = {"notify_appservices": False, "stream_writers": None, "app_service_config_files": files}
    bridge = appservice.Bridge(registered)
    try:
        deployment.start()
        server = Server(deployment)
        server.base_url = server.worker_url("main")
        server.bridge = bridge
        yield server
    finally:
        deployment.stop()
        bridge.stop()


def test_transactions_over_a_kill(bridged):
    """Killed while it sends: nothing is lost, the order stays, and an id stands for the same events whoever sends them."""
    bridge, service = bridged.bridge, appservice.Service(bridged, bridged.bridge.registered)
    alice, ghost = bridged.register(), service.ghost("_bridge_witness")
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    bodies, take = {}, bridge.take

    def watch(txn_id, body):
        events = [event["event_id"] for event in body["events"]]
        assert bodies.setdefault(txn_id, events) == events, "the same id, other events"
        return take(txn_id, body)

    bridge.take, bridge.hold = watch, 0.05
    sent = [alice.send(room, f"message {i}") for i in range(30)]
    until(lambda: any(event["event_id"] in sent for event in bridge.events()))
    who = bridged.sql("SELECT instance_name FROM worker_locks WHERE lock_name = 'ganglion_duty' AND lock_key = 'appservice'")[0][0]
    os.kill(bridged.deployment.processes[who].pid, signal.SIGKILL)
    sent += [alice.send(room, f"nobody is there {i}") for i in range(5)]
    until(lambda: bridge.events()[-1]["event_id"] == sent[-1])
    assert [event["event_id"] for event in bridge.events() if event["event_id"] in sent] == sent
    assert bridge.problems == []
    until(lambda: bridged.sql("SELECT count(*) FROM application_services_txns") == [["0"]])
