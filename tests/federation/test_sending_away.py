"""Senders that are killed, servers that come and go, and who sends for whom: deployments of their own, that try again soon."""

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from conftest import deploy
from deployment import layout
from deployment.process import resident_bytes
from lib.sending import body_is, delivered, forgive, shared_room
from lib.server import Server
from lib.wait import until

SOON = {"federation": {"client_timeout": "5s", "max_long_retries": 0, "max_short_retries": 0, "destination_min_retry_interval": "3s",
                       "destination_retry_multiplier": 1, "destination_max_retry_interval": "5s"}}
SENDERS = ["sender1", "sender2"]


def make(name, kind, build, folder, postgres, authority, senders=None, extra=None):
    """senders: names of federation senders in place of the split's own one."""
    deployment = deploy(name, kind, build, folder, postgres, authority, extra_config={**SOON, **(extra or {})})
    if senders is not None:
        deployment.workers = [w for w in deployment.workers if not w.name.startswith("federation_sender")] + \
            [layout.Worker(sender, "synapse.app.federation_sender", []) for sender in senders]
        deployment.extra_config["federation_sender_instances"] = senders
    return deployment


@pytest.fixture(scope="module")
def restless(kind, build, folder, postgres, authority):
    deployment = make("restless", kind, build, folder, postgres, authority)
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        deployment.stop()


@pytest.fixture(scope="module")
def pair(build, folder, postgres, authority):
    """A split with two senders."""
    deployment = make("pair", "split", build, folder, postgres, authority, SENDERS)
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        deployment.stop()


def in_backoff(home, remote):
    return home.sql(f"SELECT 1 FROM destinations WHERE destination = '{remote.name}' AND retry_interval > 0")


def bodies(remote, room):
    return [p["content"]["body"] for p in list(remote.pdus) if p["room_id"] == room and p["type"] == "m.room.message"]


# ---- servers that come and go ----

def test_catching_up(restless, remote):
    """What one missed comes later: the newest of each room, as soon as it is heard of."""
    alice, room = shared_room(restless, remote)
    bob, other = shared_room(restless, remote, "second")
    alice.send(room, "seen")
    remote.wait_pdu(body_is("seen"))
    until(lambda: delivered(restless, remote))
    remote.down = True
    for i in range(5):
        alice.send(room, f"missed {i}")
    bob.send(other, "missed there")
    until(lambda: in_backoff(restless, remote), 60)
    alice.send(room, "missed last")
    remote.down = False
    forgive(restless, remote)
    remote.wait_pdu(body_is("missed last", room))
    remote.wait_pdu(body_is("missed there", other))
    until(lambda: delivered(restless, remote))
    alice.send(room, "back again")
    remote.wait_pdu(body_is("back again"))
    got = bodies(remote, room)
    assert len(got) == len(set(got)), got
    assert not in_backoff(restless, remote)


def test_tried_again_without_being_asked(restless, remote):
    alice, room = shared_room(restless, remote)
    alice.send(room, "first")
    remote.wait_pdu(body_is("first"))
    remote.down = True
    alice.send(room, "while away")
    until(lambda: in_backoff(restless, remote), 60)
    remote.down = False
    remote.wait_pdu(body_is("while away"), 90)
    until(lambda: delivered(restless, remote))


def test_an_end_that_was_told_is_not_sent_again(restless, remote):
    """While it catches up it is given a room's newest event, whose turn comes later; then it fails, and is tried again."""
    alice, first = shared_room(restless, remote)
    bob, long = shared_room(restless, remote, "second")
    carol, last = shared_room(restless, remote, "third")
    alice.send(first, "seen")
    remote.wait_pdu(body_is("seen"))
    until(lambda: delivered(restless, remote))
    remote.down = True
    alice.send(first, "missed")
    until(lambda: in_backoff(restless, remote), 60)
    for i in range(51):  # more than one transaction holds: it is told the room's end
        bob.send(long, f"missed {i}")
    carol.send(last, "missed at last")

    taken, go_on = [], threading.Event()

    def take(asked, txn):
        taken.append([pdu["room_id"] for pdu in asked.body["pdus"]])
        go_on.wait(60)
        return (500, {"errcode": "M_UNKNOWN"}) if last in taken[-1] else remote._transaction(asked, txn)

    remote.on("PUT", "/_matrix/federation/v1/send/(.*)", take)
    remote.down = False
    forgive(restless, remote)
    until(lambda: taken)
    newest = bob.send(long, "the end")
    until(lambda: restless.sql("SELECT 1 FROM destination_rooms r JOIN events e USING (stream_ordering) WHERE r.destination = "
                               f"'{remote.name}' AND e.event_id = '{newest}'"))
    go_on.set()
    until(lambda: any(last in rooms for rooms in taken))
    assert [first] in taken and [long] in taken, taken
    until(lambda: in_backoff(restless, remote), 60)
    remote.off()
    forgive(restless, remote)
    remote.wait_pdu(body_is("missed at last"))
    until(lambda: delivered(restless, remote))
    bob.send(long, "after it")
    remote.wait_pdu(body_is("after it"))
    assert bodies(remote, long) == ["the end", "after it"]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refused_transaction_is_no_loss(restless, remote, status):
    alice, room = shared_room(restless, remote)
    alice.send(room, "first")
    remote.wait_pdu(body_is("first"))
    until(lambda: delivered(restless, remote))
    failures = []

    def fail(asked, *rest):
        failures.append(asked)
        return status, {"errcode": "M_UNKNOWN", "error": "not today"}

    remote.on("PUT", "/_matrix/federation/v1/send/(.*)", fail)
    alice.send(room, "refused")
    until(lambda: failures)
    until(lambda: in_backoff(restless, remote), 60)
    until(lambda: not delivered(restless, remote))  # something else may have failed before it
    remote.off()
    forgive(restless, remote)
    remote.wait_pdu(body_is("refused"))
    until(lambda: delivered(restless, remote))


def test_nonsense_for_an_answer(restless, remote):
    """A success that is no JSON is none."""
    alice, room = shared_room(restless, remote)
    alice.send(room, "first")
    remote.wait_pdu(body_is("first"))
    until(lambda: delivered(restless, remote))
    said = []
    remote.on("PUT", "/_matrix/federation/v1/send/(.*)", lambda asked, *rest: (said.append(1), (200, b"<html>hello"))[1])
    alice.send(room, "into the void")
    until(lambda: said)
    remote.off()
    forgive(restless, remote)
    remote.wait_pdu(body_is("into the void"), 90)


def test_purged_rooms_owe_nothing(restless, remote):
    """An event that is gone while a server is away does not keep it from hearing of other rooms."""
    alice, room = shared_room(restless, remote)
    bob, other = shared_room(restless, remote, "second")
    alice.send(room, "seen")
    remote.wait_pdu(body_is("seen"))
    until(lambda: delivered(restless, remote))
    remote.down = True
    alice.send(room, "lost")
    until(lambda: in_backoff(restless, remote), 60)
    bob.send(other, "kept")
    until(lambda: restless.sql(f"SELECT 1 FROM destination_rooms WHERE destination = '{remote.name}' AND room_id = '{other}'"))
    restless.sql("UPDATE destination_rooms SET stream_ordering = (SELECT stream_ordering FROM destination_rooms WHERE destination = "
                 f"'{remote.name}' AND room_id = '{other}') WHERE destination = '{remote.name}' AND room_id = '{room}'")  # no event of the room
    remote.down = False
    forgive(restless, remote)
    remote.wait_pdu(body_is("kept", other), 60)
    until(lambda: delivered(restless, remote))


# ---- a network half of which is down ----

def test_half_of_the_network_is_down(restless, remotes):
    """Hundreds that never answer and a thousand that refuse are owed something: those that are well wait for none of them."""
    well = [remotes() for _ in range(3)]
    alice = restless.register()
    room = alice.create_room(preset="public_chat", room_version="10")
    for one in well:
        one.join(restless.name, room)
    alice.send(room, "first")
    for one in well:
        one.wait_pdu(body_is("first", room))
    worker, process = sender_of(restless)
    before = resident_bytes(process.pid)
    silent = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(300)]
    dead = [f"localhost:{s.getsockname()[1]}" for s in silent] + [f"localhost:{port}" for port in range(20, 1020)]
    values = ",".join(f"('{name}')" for name in dead)
    restless.sql(f"INSERT INTO destinations (destination) VALUES {values} ON CONFLICT DO NOTHING")
    restless.sql(f"INSERT INTO destination_rooms SELECT v.d, '{room}', (SELECT max(stream_ordering) FROM events WHERE room_id = '{room}') "
                 f"FROM (VALUES {values}) v (d)")
    try:
        assert process.stop()
        del restless.deployment.processes[process.name]
        restless.deployment.start_process(worker)
        until(lambda: int(restless.sql("SELECT count(*) FROM destinations WHERE retry_interval > 0")[0][0]) > 100, 60)
        for i in range(30):
            begun = time.monotonic()
            alice.send(room, f"well {i}")
            for one in well:
                one.wait_pdu(body_is(f"well {i}", room))
            assert time.monotonic() - begun < 5
        grown = resident_bytes(sender_of(restless)[1].pid) - before
        assert grown < 150 * 1024 * 1024, grown
    finally:
        for s in silent:
            s.close()
        names = ",".join(f"'{name}'" for name in dead)
        restless.sql(f"DELETE FROM destination_rooms WHERE destination IN ({names})")


# ---- kills ----

def sender_of(home):
    """(worker or None, process) of the one that sends."""
    d = home.deployment
    worker = next((w for w in d.workers if w.app.endswith(".federation_sender")), None)
    return worker, d.processes[worker.name if worker else "main"]


def kill(home, process):
    process.send(signal.SIGKILL)
    assert process.wait(10)
    del home.deployment.processes[process.name]


def test_a_killed_sender_loses_nothing(pair, remotes):
    """Senders die under load, again and again; each server has heard of everything in the end, each event once."""
    others = [remotes() for _ in range(4)]
    alice = pair.register()
    room = alice.create_room(preset="public_chat", room_version="10")
    for other in others:
        other.join(pair.name, room)
    sent, stop = [], threading.Event()

    def talk():
        while not stop.is_set():
            alice.send(room, f"said {len(sent)}")
            sent.append(f"said {len(sent)}")
            time.sleep(0.01)

    talker = threading.Thread(target=talk)
    talker.start()
    d = pair.deployment
    try:
        for round in range(4):
            name = SENDERS[round % 2]
            before = len(sent)
            until(lambda: len(sent) > before + 50)
            worker = next(w for w in d.workers if w.name == name)
            kill(pair, d.processes[name])
            until(lambda: len(sent) > before + 60)
            d.start_process(worker)
    finally:
        stop.set()
        talker.join()
    alice.send(room, "the end")
    for other in others:
        other.wait_pdu(body_is("the end", room), 90)
    until(lambda: all(delivered(pair, other) for other in others), 60)
    for other in others:
        got = bodies(other, room)
        assert set(sent) <= set(got), set(sent) - set(got)
        # what had been answered, and was not written down yet, is told a second time at most
        assert len(got) - len(set(got)) <= 50 * 4


def test_position_after_a_kill(restless, remote):
    alice, room = shared_room(restless, remote)
    alice.send(room, "one")
    remote.wait_pdu(body_is("one"))
    until(lambda: delivered(restless, remote))
    worker, process = sender_of(restless)
    if worker is None:
        pytest.skip("the monolith answers no client while it is dead")
    kill(restless, process)
    for i in range(3):
        alice.send(room, f"nobody sends {i}")
    restless.deployment.start_process(worker)
    for i in range(3):
        remote.wait_pdu(body_is(f"nobody sends {i}"))
    got = bodies(remote, room)
    assert len(got) == len(set(got)), got


# ---- who sends ----

def ready_of(worker):
    url = f"http://127.0.0.1:{worker.replication_port}/ready"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_two_senders_share_the_destinations(pair, remotes):
    """Each destination is served by the one that its hash names, and by nobody else."""
    import hashlib

    others = [remotes() for _ in range(6)]
    alice = pair.register()
    room = alice.create_room(preset="public_chat", room_version="10")
    for other in others:
        other.join(pair.name, room)
    alice.send(room, "for all")
    for other in others:
        other.wait_pdu(body_is("for all", room))
    shares = {SENDERS[int.from_bytes(hashlib.sha256(o.name.encode()).digest(), "little") % 2] for o in others}
    rows = pair.sql("SELECT instance_name FROM federation_stream_position WHERE type = 'events'")
    assert sorted(row[0] for row in rows) == SENDERS
    for other in others:
        assert bodies(other, room).count("for all") == 1
    assert shares <= set(SENDERS)


def test_a_sender_with_another_list_is_found_out(pair, remote):
    """Both stand still, say so and are not ready; when one of them is gone the other goes on, and nothing is lost."""
    d = pair.deployment
    first, second = (next(w for w in d.workers if w.name == name) for name in SENDERS)
    alice, room = shared_room(pair, remote)
    alice.send(room, "before")
    remote.wait_pdu(body_is("before"))
    assert ready_of(first)[0] == 200
    d.processes[second.name].stop()
    del d.processes[second.name]
    second.extra["federation_sender_instances"] = ["sender2"]
    layout.write(d)
    d.start_process(second)
    until(lambda: ready_of(second)[0] == 503)
    assert "sender1" in ready_of(second)[1]
    until(lambda: ready_of(first)[0] == 503, 90)
    alice.send(room, "nobody may send this now")
    d.processes[second.name].stop()
    del d.processes[second.name]
    del second.extra["federation_sender_instances"]
    layout.write(d)
    d.start_process(second)
    until(lambda: ready_of(first)[0] == 200 and ready_of(second)[0] == 200, 60)
    remote.wait_pdu(body_is("nobody may send this now"), 60)
    assert bodies(remote, room) == ["before", "nobody may send this now"]


def test_the_list_changes_and_nothing_is_lost(build, folder, postgres, authority, remotes):
    """Stopped with two senders, started with one, then main: everybody hears of what was said in between."""
    d = make("moving", "split", build, folder, postgres, authority, SENDERS)
    others = [remotes() for _ in range(4)]
    try:
        d.start()
        home = Server(d)
        alice = home.register()
        room = alice.create_room(preset="public_chat", room_version="10")
        for other in others:
            other.join(home.name, room)
        alice.send(room, "two send")
        for other in others:
            other.wait_pdu(body_is("two send"))
        for name in SENDERS:
            d.processes[name].stop()
            del d.processes[name]
        alice.send(room, "nobody sends")
        d.stop()
        d.workers = [w for w in d.workers if w.name != "sender2"]
        d.extra_config["federation_sender_instances"] = ["sender1"]
        d.start()
        for other in others:
            other.wait_pdu(body_is("nobody sends"), 60)
        assert home.sql("SELECT DISTINCT instance_name FROM federation_stream_position") == [["sender1"]]
        d.stop()
        d.workers = [w for w in d.workers if w.name != "sender1"]
        del d.extra_config["federation_sender_instances"]
        d.extra_config["send_federation"] = True
        d.start()
        alice.send(room, "main sends")
        for other in others:
            other.wait_pdu(body_is("main sends"), 60)
            assert bodies(other, room) == ["two send", "nobody sends", "main sends"]
        assert home.sql("SELECT DISTINCT instance_name FROM federation_stream_position") == [["master"]]
    finally:
        d.stop()


def test_a_generic_worker_that_is_listed_sends(build, folder, postgres, authority, remote):
    """Whatever send_federation says: the list decides alone."""
    d = make("listed", "split", build, folder, postgres, authority, [], {"send_federation": True})
    d.extra_config["federation_sender_instances"] = ["generic_worker1"]
    try:
        d.start()
        home = Server(d)
        alice, room = shared_room(home, remote)
        alice.send(room, "by the worker")
        remote.wait_pdu(body_is("by the worker"))
        assert home.sql("SELECT DISTINCT instance_name FROM federation_stream_position") == [["generic_worker1"]]
    finally:
        d.stop()


def test_two_that_would_both_send_everything(build, folder, postgres, authority):
    """A worker of that name beside a main process that sends itself is refused at the start."""
    d = make("both", "split", build, folder, postgres, authority, [], {"send_federation": True})
    del d.extra_config["federation_sender_instances"]
    worker = layout.Worker("sender1", "synapse.app.federation_sender", [])
    d.workers.append(worker)
    os.makedirs(d.folder, exist_ok=True)
    layout.write(d)
    done = subprocess.run(d.command(worker), env={**os.environ, **d.environment()}, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0 and "send_federation" in done.stdout + done.stderr
