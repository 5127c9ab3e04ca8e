"""The process that sends to other servers: ours for Synapse's main process, Synapse's for ours, and one after the other on
the same tables."""

import os
import time

import pytest

from deployment.deployment import Federation
from deployment.layout import Worker
from lib.mixed import Mixed
from lib.remote import Remote
from lib.sending import body_is, delivered, shared_room
from lib.server import Server, quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
PLENTY = {"per_second": 1000, "burst_count": 1000}
LIMITS = {"rc_joins": {"local": PLENTY, "remote": PLENTY}, "rc_joins_per_room": PLENTY, "rc_message": PLENTY, "rc_room_creation": PLENTY,
          "send_federation": False, "federation": {"max_long_retries": 0, "destination_min_retry_interval": "3s"}}
SENDER = "sender1"


@pytest.fixture
def remote(authority):
    made = Remote(authority)
    yield made
    made.stop()


@pytest.fixture
def deployment(build, folder, postgres, authority, request):
    """Main, a persister-less worker that only sends; who of them is Synapse's changes between starts."""
    made = []

    def make(name, python):
        federation = Federation(*authority.certificate(), authority.ca)
        database = f"interop_sender_{name}"
        postgres.sql(f"DROP DATABASE IF EXISTS {database}")
        d = Mixed(os.path.join(folder, database), build, postgres, database=database, server_name=federation.server_name, federation=federation,
                  front=False, workers=[Worker(SENDER, "synapse.app.federation_sender", [])], stream_writers={"events": "main"},
                  bcrypt_rounds=4, python=python)
        d.extra_config = {**LIMITS, "stream_writers": None}
        made.append(d)
        return d

    yield make
    for d in made:
        d.stop()


def news(home, alice, room, remote):
    """Everything that goes out by itself has come."""
    event = alice.send(room, f"hello {time.time()}")
    remote.wait_pdu(lambda p: p["room_id"] == room and p["type"] == "m.room.message", 30)
    alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/typing/{quote(alice.user_id)}", {"typing": True, "timeout": 30000})
    remote.wait_edu("m.typing", lambda c: c["room_id"] == room and c["user_id"] == alice.user_id and c["typing"], 30)
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {})
    remote.wait_edu("m.receipt", lambda c: alice.user_id in c.get(room, {}).get("m.read", {}), 60)
    alice.ok("PUT", f"{CLIENT}/sendToDevice/m.test/{time.time()}", {"messages": {remote.user("joiner"): {"*": {"hi": room}}}})
    remote.wait_edu("m.direct_to_device", lambda c: c["type"] == "m.test" and c["messages"] == {remote.user("joiner"): {"*": {"hi": room}}}, 30)
    alice.ok("PUT", f"{CLIENT}/presence/{quote(alice.user_id)}/status", {"presence": "online", "status_msg": room})
    remote.wait_edu("m.presence", lambda c: any(p.get("status_msg") == room for p in c["push"]), 30)
    alice.ok("PUT", f"{CLIENT}/devices/{quote(alice.device_id)}", {"display_name": f"of {room}"})
    remote.wait_edu("m.device_list_update", lambda c: c["user_id"] == alice.user_id, 30)
    until(lambda: delivered(home, remote), 30)


@pytest.mark.parametrize("python", [{"main"}, {SENDER}], ids=["our sender", "Synapse's sender"])
def test_one_sends_for_the_other(deployment, remote, python):
    d = deployment("ours" if "main" in python else "theirs", python)
    d.start()
    home = Server(d)
    alice, room = shared_room(home, remote)
    news(home, alice, room, remote)
    assert not d.complaints()


def texts(pdus):
    return [p["content"]["body"] for p in pdus if p["type"] == "m.room.message"]


def test_senders_take_turns(deployment, remote):
    """Stopped and started as the other kind: each goes on where the other was, neither sends what the other has sent.
    Synapse's looks at what it has missed when it hears of something new, and of a room sends the newest event, whichever that
    is by then (and once more, if that comes while it looks); ours closes a short gap, and sends nothing twice."""
    d = deployment("turns", {"main"})
    d.start()
    home = Server(d)
    alice, room = shared_room(home, remote)
    expected, perhaps, before, ours = [], set(), 0, True

    def judge(ours):
        """What this one has sent since it came."""
        nonlocal before
        earlier, now = texts(remote.pdus[:before]), texts(remote.pdus[before:])
        before = len(remote.pdus)
        assert not set(now) & set(earlier) and (not ours or len(now) == len(set(now))), (earlier, now)

    for turn, python in enumerate([{"main", SENDER}, {"main"}, {"main", SENDER}]):
        alice.send(room, f"before {turn}")
        remote.wait_pdu(body_is(f"before {turn}"), 30)
        until(lambda: delivered(home, remote), 30)
        position = "SELECT stream_id FROM federation_stream_position WHERE type = 'events'"
        newest = f"SELECT max(stream_ordering) FROM events WHERE room_id = '{room}'"
        until(lambda: int(home.sql(position)[0][0]) >= int(home.sql(newest)[0][0]), 30)
        assert d.processes[SENDER].stop()
        del d.processes[SENDER]
        judge(ours)
        alice.send(room, f"nobody sends {turn}")
        d.python, ours = python, SENDER not in python
        d.start_process(d.workers[0])
        alice.send(room, f"after {turn}")
        remote.wait_pdu(body_is(f"after {turn}"), 60)
        expected += [f"before {turn}", f"nobody sends {turn}", f"after {turn}"]
        perhaps |= {f"nobody sends {turn}"} if SENDER in python else set()
    judge(ours)
    sent = list(dict.fromkeys(texts(remote.pdus)))
    assert sent == [text for text in expected if text in sent] and set(expected) - set(sent) <= perhaps
