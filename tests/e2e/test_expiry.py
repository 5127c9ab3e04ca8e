"""Messages that say when they are to go (MSC2228): on a deployment that lets them."""

import os
import time

import pytest

from deployment.deployment import Deployment
from lib.rooms import room_path
from lib.server import Server


@pytest.fixture
def lively(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS e2e_expiry")
    deployment = Deployment(os.path.join(folder, "expiry"), build, postgres, database="e2e_expiry", monolith=True, bcrypt_rounds=4,
                            extra_config={"enable_ephemeral_messages": True})
    deployment.start()
    yield Server(deployment)
    assert deployment.stop()


def test_messages_go(lively):
    alice = lively.register()
    room = alice.create_room()

    def send(name, when):
        return alice.ok("PUT", room_path(room, "send", "m.room.message", name),
                        {"msgtype": "m.text", "body": name, "org.matrix.self_destruct_after": when})["event_id"]

    def content(event):
        return alice.ok("GET", room_path(room, "event", event))["content"]

    now = int(time.time() * 1000)
    soon, later, never = send("soon", now + 1000), send("later", now + 3600 * 1000), send("never", "x")
    assert content(soon)["body"] == "soon"
    assert [row[0] for row in lively.sql(f"SELECT event_id FROM event_expiry WHERE event_id IN ('{soon}', '{later}', '{never}')"
                                         " ORDER BY expiry_ts")] == [soon, later]
    deadline = time.monotonic() + 20
    while content(soon) != {}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert content(later)["body"] == "later" and content(never)["body"] == "never"
    assert [row[0] for row in lively.sql("SELECT event_id FROM event_expiry")] == [later]
