"""Messages that say when they are to go (MSC2228): on a deployment that lets them."""

import time

import pytest

from lib.rooms import room_path
from lib.wait import until


@pytest.fixture
def lively(own):
    with own.running("expiry", monolith=True, extra_config={"enable_ephemeral_messages": True}) as server:
        yield server


def test_messages_go(lively):
    alice = lively.register()
    room = alice.create_room()

    def send(name, when):
        return alice.ok("PUT", room_path(room, "send", "m.room.message", name),
                        {"msgtype": "m.text", "body": name, "org.matrix.self_destruct_after": when})["event_id"]

    def content(event):
        return alice.ok("GET", room_path(room, "event", event))["content"]

    end = int(time.time() * 1000) + 2000
    soon, later, never = send("soon", end), send("later", end + 3600 * 1000), send("never", "x")
    kept = [row[0] for row in lively.sql(f"SELECT event_id FROM event_expiry WHERE event_id IN ('{soon}', '{later}', '{never}')"
                                         " ORDER BY expiry_ts")]
    shown = content(soon)
    late = time.time() * 1000 >= end  # by now it may be gone
    assert kept == [soon, later] or late and kept == [later]
    assert shown == {"msgtype": "m.text", "body": "soon", "org.matrix.self_destruct_after": end} or late and shown == {}
    until(lambda: content(soon) == {})
    assert content(later)["body"] == "later" and content(never)["body"] == "never"
    assert [row[0] for row in lively.sql("SELECT event_id FROM event_expiry")] == [later]
