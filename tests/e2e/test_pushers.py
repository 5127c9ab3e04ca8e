"""Pushers: what gateways are told, in what order, and what happens when they fail."""

import pytest

from lib.gateway import Gateway, pusher
from lib.server import quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
SET = f"{CLIENT}/pushers/set"


@pytest.fixture
def gateway():
    one = Gateway()
    yield one
    one.stop()
    assert not one.problems, one.problems


@pytest.fixture
def talk(server):
    """Alice listens, Bob speaks; the room of the two."""
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="private_chat", is_direct=True, invite=[bob.user_id])
    bob.join(room)
    return alice, bob, room


def read(user, room, event_id):
    user.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event_id)}", {})


def row(server, user, column):
    return server.sql(f"SELECT {column} FROM pushers WHERE user_name = '{user.user_id}'")


def test_a_message(server, gateway, talk):
    alice, bob, room = talk
    alice.ok("POST", SET, pusher(gateway))
    event_id = bob.send(room, "hello")
    got = gateway.wait(event_id)
    assert got["room_id"] == room and got["sender"] == bob.user_id and got["type"] == "m.room.message"
    assert got["content"] == {"msgtype": "m.text", "body": "hello"}
    assert got["sender_display_name"] == bob.user_id[1:].split(":")[0]
    assert got["prio"] == "high" and got["counts"] == {"unread": 1}
    device = got["devices"][0]
    assert device["app_id"] == "org.example.app" and device["pushkey"] == "a key" and device["data"] == {"brand": "x"}
    assert device["tweaks"]["sound"] == "default"
    until(lambda: row(server, alice, "last_success IS NOT NULL AND last_stream_ordering > 0") == [["t"]])
    read(alice, room, event_id)
    gateway.wait_badge(0)
    mine = alice.send(room, "my own")
    second = bob.send(room, "again")
    gateway.wait(second)
    assert mine not in gateway.events() and gateway.events().count(event_id) == 1


def test_list_and_removal(server, gateway, talk):
    alice, bob, room = talk
    alice.ok("POST", SET, pusher(gateway))
    alice.ok("POST", SET, pusher(gateway, key="second", profile_tag="tag"))
    listed = alice.ok("GET", f"{CLIENT}/pushers")["pushers"]
    assert [(p["pushkey"], p["profile_tag"]) for p in listed] == [("a key", ""), ("second", "tag")]
    assert set(listed[0]) == {"app_display_name", "app_id", "data", "device_display_name", "kind", "lang", "profile_tag", "pushkey"}
    assert listed[0]["data"] == {"url": gateway.url, "brand": "x"}
    alice.ok("POST", SET, {"kind": None, "app_id": "org.example.app", "pushkey": "a key"})
    assert [p["pushkey"] for p in alice.ok("GET", f"{CLIENT}/pushers")["pushers"]] == ["second"]
    gateway.wait(bob.send(room, "only to the second"))
    assert [n["devices"][0]["pushkey"] for n in gateway.got] == ["second"]
    # The device's owner changes: who had it before is not told any more, unless asked to add.
    bob.ok("POST", SET, pusher(gateway, key="second", append=True))
    assert len(alice.ok("GET", f"{CLIENT}/pushers")["pushers"]) == 1
    bob.ok("POST", SET, pusher(gateway, key="second"))
    assert alice.ok("GET", f"{CLIENT}/pushers")["pushers"] == []


def test_ids_only(gateway, talk):
    alice, bob, room = talk
    alice.ok("POST", SET, pusher(gateway, data={"format": "event_id_only"}))
    got = gateway.wait(bob.send(room, "secret"))
    assert set(got) == {"event_id", "room_id", "counts", "prio", "devices"}
    assert set(got["devices"][0]) == {"app_id", "pushkey", "pushkey_ts", "data"}


def test_order_over_a_failure(server, gateway, talk):
    alice, bob, room = talk
    alice.ok("POST", SET, pusher(gateway))
    gateway.status = 500
    events = [bob.send(room, f"message {i}") for i in range(30)]
    until(lambda: row(server, alice, "COALESCE(failing_since, 0) > 0") == [["t"]])
    gateway.status = 200
    until(lambda: len(gateway.events()) == 30)
    assert gateway.events() == events
    until(lambda: row(server, alice, "COALESCE(failing_since, 0)") == [["0"]])


def test_rejected_key(server, gateway, talk):
    alice, bob, room = talk
    alice.ok("POST", SET, pusher(gateway))
    gateway.rejected = ["a key"]
    gateway.wait(bob.send(room, "the last one"))
    until(lambda: alice.ok("GET", f"{CLIENT}/pushers")["pushers"] == [])
    assert server.sql(f"SELECT count(*) FROM deleted_pushers WHERE user_id = '{alice.user_id}'") == [["1"]]


def test_a_device_that_logs_out(server, gateway, talk):
    alice, bob, room = talk
    phone = server.login(alice.user_id)
    phone.ok("POST", SET, pusher(gateway))
    gateway.wait(bob.send(room, "one"))
    phone.ok("POST", f"{CLIENT}/logout", {})
    assert alice.ok("GET", f"{CLIENT}/pushers")["pushers"] == []
    alice.ok("POST", SET, pusher(gateway, key="other"))
    second = bob.send(room, "two")
    gateway.wait(second)
    assert [n["devices"][0]["pushkey"] for n in gateway.got if n.get("event_id") == second] == ["other"]


def test_names_and_invites(server, gateway, talk):
    alice, bob, _ = talk
    alice.ok("POST", SET, pusher(gateway))
    room = bob.create_room(preset="private_chat", name="The garden")
    bob.invite(room, alice)
    got = until(lambda: next((n for n in gateway.got if n.get("type") == "m.room.member"), None))
    assert got["membership"] == "invite" and got["user_is_target"] is True and got["room_id"] == room
    alice.join(room)
    assert gateway.wait(bob.send(room, "hello " + alice.user_id))["room_name"] == "The garden"


def test_highlight(gateway, talk):
    alice, bob, _ = talk
    room = bob.create_room(preset="public_chat")
    alice.join(room)
    bob.server.register().join(room)  # a talk of two would make a sound
    alice.ok("POST", SET, pusher(gateway))
    plain = gateway.wait(bob.send(room, "plain"))
    assert plain["prio"] == "low" and not plain["devices"][0]["tweaks"].get("highlight")
    named = bob.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/h1", {
        "msgtype": "m.text", "body": "look", "m.mentions": {"user_ids": [alice.user_id]}})["event_id"]
    assert gateway.wait(named)["devices"][0]["tweaks"]["highlight"] is True


@pytest.mark.parametrize("change,code", [
    ({"kind": "pigeon"}, 400), ({"app_id": "x" * 65}, 400), ({"pushkey": "x" * 513}, 400), ({"lang": None}, 400), ({"data": []}, 400),
    ({"data": {}}, 400), ({"data": {"url": 7}}, 400), ({"data": {"url": "https://example.org/other"}}, 400),
    ({"data": {"url": "ftp://example.org/_matrix/push/v1/notify"}}, 400), ({"app_display_name": 3}, 400)])
def test_bad_requests(server, gateway, change, code):
    assert server.register().call("POST", SET, {**pusher(gateway), **change}).status == code
