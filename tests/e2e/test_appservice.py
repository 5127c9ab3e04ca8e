"""What application services are sent: transactions, in order, each until it was taken; and what they are asked."""

import time

import pytest

from lib.appservice import Service
from lib.server import quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"


@pytest.fixture
def bridge(server):
    """The scripted bridge, taking everything."""
    one = server.bridge
    one.reset()
    yield one
    one.status, one.hold = 200, 0
    one.open.set()
    state = lambda: server.sql("SELECT count(*) FROM application_services_txns WHERE as_id = 'bridge'")
    until(lambda: state() == [["0"]], seconds=30)
    assert not one.problems, one.problems


@pytest.fixture
def service(server):
    return Service(server, server.bridge.registered)


def name():
    return f"_bridge_{time.monotonic_ns()}"


def state(server):
    return server.sql("SELECT COALESCE(state, 'new') FROM application_services_state WHERE as_id = 'bridge'")


def test_a_message(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="public_chat", name="Bridged")
    silent = alice.create_room(preset="public_chat")
    ghost.join(room)
    event_id = alice.send(room, "hello")
    other = alice.send(silent, "not for bridges")
    got = bridge.wait(event_id)
    assert got["content"] == {"msgtype": "m.text", "body": "hello"} and got["room_id"] == room and got["sender"] == alice.user_id
    assert got["type"] == "m.room.message" and isinstance(got["unsigned"]["age"], int) and got["age"] >= 0
    # By the time that it saw a later event it must have seen all before it.
    later = bridge.wait(alice.send(room, "later"))
    assert later and other not in [event["event_id"] for event in bridge.events()]
    joined = [e for e in bridge.events() if e["type"] == "m.room.member" and e.get("state_key") == ghost.user_id]
    assert [e["content"]["membership"] for e in joined] == ["join"]
    until(lambda: server.sql("SELECT count(*) FROM application_services_txns") == [["0"]])
    until(lambda: server.sql("SELECT stream_ordering >= (SELECT max(stream_ordering) FROM events) FROM appservice_stream_position") == [["t"]])


def test_an_invite_says_what_room_it_is(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="private_chat", name="Parlour", invite=[ghost.user_id])
    got = until(lambda: next((e for e in bridge.events() if e.get("state_key") == ghost.user_id and e["room_id"] == room), None))
    assert got["content"]["membership"] == "invite"
    names = [e["content"]["name"] for e in got["unsigned"]["invite_room_state"] if e["type"] == "m.room.name"]
    assert names == ["Parlour"]
    ghost.join(room)
    changed = alice.put_state(room, "m.room.topic", {"topic": "one"})
    again = alice.put_state(room, "m.room.topic", {"topic": "two"})
    assert bridge.wait(again)["unsigned"]["replaces_state"] == changed
    assert bridge.wait(again)["unsigned"]["prev_content"] == {"topic": "one"}


def test_seen_by_alias(server, bridge, service):
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    alice.send(room, "before it has a name")
    alias = f"#_bridge_{time.monotonic_ns()}:{server.name}"
    assert service.call("PUT", f"{CLIENT}/directory/room/{quote(alias)}", {"room_id": room}).status == 200
    # Another worker may have sent it before that process heard of the alias: the next one comes.
    until(lambda: bridge.wait(alice.send(room, "named"), seconds=2))
    assert service.call("DELETE", f"{CLIENT}/directory/room/{quote(alias)}").status == 200


def test_order_and_few_transactions(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    bridge.open.clear()
    sent = [alice.send(room, f"message {i}") for i in range(30)]
    bridge.open.set()
    bridge.wait(sent[-1])
    got = [e["event_id"] for e in bridge.events() if e["event_id"] in sent]
    assert got == sent
    ids = [txn for txn, _ in bridge.transactions]
    assert ids == sorted(ids) and bridge.tries == ids
    assert any(len(body["events"]) > 5 for _, body in bridge.transactions)  # they wait together


def test_a_bridge_that_fails(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    bridge.wait(alice.send(room, "fine"))
    bridge.status = 500
    sent = [alice.send(room, f"while it fails {i}") for i in range(3)]
    until(lambda: state(server) == [["down"]])
    failed = bridge.tries[-1]
    sent += [alice.send(room, f"while it is down {i}") for i in range(3)]
    assert server.sql(f"SELECT count(*) FROM application_services_txns WHERE txn_id = {failed}") == [["1"]]
    until(lambda: bridge.tries.count(failed) == 2)
    bridge.status = 200
    answered = time.monotonic()  # the next wait is of four seconds: a ping, whoever serves it, ends it
    assert service.call("POST", "/_matrix/client/v1/appservice/bridge/ping", {}, base=server.worker_url("main")).status == 200
    bridge.wait(sent[-1])
    assert time.monotonic() - answered < 3.5
    assert [e["event_id"] for e in bridge.events() if e["event_id"] in sent] == sent
    assert failed in [txn for txn, _ in bridge.transactions]
    until(lambda: state(server) == [["up"]])


def test_users_that_nobody_knows(server, bridge, service):
    alice = server.register()
    local = name()
    unknown = f"@{local}:{server.name}"
    bridge.on_user = lambda user: user == unknown and service.register(local, inhibit_login=True).status == 200
    room = alice.create_room(preset="private_chat", invite=[unknown])
    got = until(lambda: next((e for e in bridge.events() if e.get("state_key") == unknown), None))
    assert got["room_id"] == room
    assert [path for path, _ in bridge.asked if path.startswith("users/")] == [f"users/{unknown}"]
    assert server.sql(f"SELECT appservice_id FROM users WHERE name = '{unknown}'") == [["bridge"]]


def test_aliases_that_nobody_knows(server, bridge, service):
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    alias = f"#_bridge_{time.monotonic_ns()}:{server.name}"

    def make(asked):
        return asked == alias and service.call("PUT", f"{CLIENT}/directory/room/{quote(asked)}", {"room_id": room}).status == 200

    bridge.on_alias = make
    assert request("GET", server.base_url + f"{CLIENT}/directory/room/{quote(alias)}").json["room_id"] == room
    bob = server.register()
    service.call("DELETE", f"{CLIENT}/directory/room/{quote(alias)}")
    assert bob.join(alias)["room_id"] == room
    missing = f"#_bridge_missing:{server.name}"
    assert request("GET", server.base_url + f"{CLIENT}/directory/room/{quote(missing)}").status == 404
    assert request("GET", server.base_url + f"{CLIENT}/directory/room/{quote('#plain:' + server.name)}").status == 404
    assert [path for path, _ in bridge.asked if path.startswith("rooms/")] == [f"rooms/{alias}", f"rooms/{alias}", f"rooms/{missing}"]


def test_typing_and_receipts(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    event = alice.send(room, "read me")
    bridge.wait(event)
    alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/typing/{quote(alice.user_id)}", {"typing": True, "timeout": 20000})
    got = until(lambda: [e for e in bridge.ephemeral("m.typing") if e["room_id"] == room])
    assert got[-1] == {"type": "m.typing", "room_id": room, "content": {"user_ids": [alice.user_id]}}
    alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/typing/{quote(alice.user_id)}", {"typing": False})
    until(lambda: [e for e in bridge.ephemeral("m.typing") if e["room_id"] == room][-1]["content"] == {"user_ids": []})
    receipt = f"{CLIENT}/rooms/{quote(room)}/receipt"
    alice.ok("POST", f"{receipt}/m.read.private/{quote(event)}", {})
    alice.ok("POST", f"{receipt}/m.read/{quote(event)}", {"thread_id": "main"})
    got = until(lambda: [e for e in bridge.ephemeral("m.receipt") if e["room_id"] == room])
    assert [list(e["content"][event]) for e in got] == [["m.read"]]
    assert got[0]["content"][event]["m.read"][alice.user_id]["thread_id"] == "main"
    ghost.ok("POST", f"{receipt}/m.read.private/{quote(event)}", {})  # of its own user
    until(lambda: [e for e in bridge.ephemeral("m.receipt") if "m.read.private" in e["content"].get(event, {})])
    until(lambda: server.sql("SELECT read_receipt_stream_id > 0 FROM application_services_state WHERE as_id = 'bridge'") == [["t"]])


def test_presence(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    bridge.wait(alice.send(room, "here"))
    alice.ok("PUT", f"{CLIENT}/presence/{quote(alice.user_id)}/status", {"presence": "online", "status_msg": "about"})
    got = until(lambda: [e for e in bridge.ephemeral("m.presence") if e["sender"] == alice.user_id and e["content"].get("status_msg") == "about"])
    assert got[-1]["content"]["presence"] == "online" and "user_id" not in got[-1]["content"]


def test_messages_to_devices_and_keys(server, bridge, service):
    alice, ghost = server.register(), service.ghost(name())
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    assert ghost.call("PUT", f"{CLIENT}/devices/ENCRYPTS", {}).status == 201
    one_time = {"one_time_keys": {"signed_curve25519:AA": {"key": "x", "signatures": {}}},
                "fallback_keys": {"signed_curve25519:FF": {"key": "y", "fallback": True, "signatures": {}}}}
    ghost.ok("POST", f"{CLIENT}/keys/upload", one_time, device_id="ENCRYPTS")
    bridge.wait(alice.send(room, "hello"))
    bridge.status = 500
    body = {"messages": {ghost.user_id: {"ENCRYPTS": {"secret": 1}}, alice.user_id: {"*": {"not": "for bridges"}}}}
    alice.ok("PUT", f"{CLIENT}/sendToDevice/m.room_key/{time.monotonic_ns()}", body)
    until(lambda: state(server) == [["down"]])
    bridge.status = 200  # what was not taken comes again
    got = until(bridge.to_device, seconds=30)
    assert got == [{"to_user_id": ghost.user_id, "to_device_id": "ENCRYPTS", "type": "m.room_key", "sender": alice.user_id,
                    "content": {"secret": 1}}]
    body = next(body for _, body in bridge.transactions if body["de.sorunome.msc2409.to_device"])
    assert body["org.matrix.msc3202.device_one_time_key_counts"][ghost.user_id]["ENCRYPTS"] == {"signed_curve25519": 1}
    assert body["org.matrix.msc3202.device_unused_fallback_key_types"][ghost.user_id]["ENCRYPTS"] == ["signed_curve25519"]
    phone = server.login(alice.user_id)
    keys = {"user_id": alice.user_id, "device_id": phone.device_id, "algorithms": ["a"], "keys": {f"ed25519:{phone.device_id}": "x"}, "signatures": {}}
    phone.ok("POST", f"{CLIENT}/keys/upload", {"device_keys": keys})
    changed = lambda: [user for _, body in bridge.transactions for user in body.get("org.matrix.msc3202.device_lists", {}).get("changed", ())]
    until(lambda: alice.user_id in changed())
    until(lambda: server.sql("SELECT to_device_stream_id > 0 AND device_list_stream_id > 0 FROM application_services_state"
                             " WHERE as_id = 'bridge'") == [["t"]])
    assert len(bridge.to_device()) == 1


def test_message_to_many_devices(server, bridge, service):
    """One request's messages have one stream id: a bridge's user among hundreds of others' devices gets its own."""
    alice, crowd, ghost = server.register(), server.register(f"0{name()}"), service.ghost(name())
    server.sql(f"INSERT INTO devices (user_id, device_id, hidden) SELECT '{crowd.user_id}', 'D' || i, false FROM generate_series(1, 1100) i")
    assert ghost.call("PUT", f"{CLIENT}/devices/ENCRYPTS", {}).status == 201
    body = {"messages": {crowd.user_id: {"*": {"for": "all"}}, ghost.user_id: {"ENCRYPTS": {"secret": 1}}}}
    alice.ok("PUT", f"{CLIENT}/sendToDevice/m.room_key/{time.monotonic_ns()}", body)
    assert server.sql(f"SELECT count(*), count(DISTINCT stream_id) FROM device_inbox WHERE user_id IN ('{crowd.user_id}', '{ghost.user_id}')") == [["1102", "1"]]
    got = until(lambda: [m for m in bridge.to_device() if m["to_user_id"] == ghost.user_id])
    assert [m["content"] for m in got] == [{"secret": 1}]


def test_pings(server, bridge, service):
    alice = server.register()
    for prefix in ("v1", "unstable/fi.mau.msc2659"):
        path = f"/_matrix/client/{prefix}/appservice/bridge/ping"
        answer = service.call("POST", path, {"transaction_id": "mami"})
        assert answer.status == 200 and isinstance(answer.json["duration_ms"], int), answer
        assert bridge.pings[-1] == {"transaction_id": "mami"}
        assert (alice.call("POST", path, {}).status, service.call("POST", path.replace("/bridge/", "/modern/"), {}).status) == (403, 403)
    bridge.status = 418
    answer = service.call("POST", "/_matrix/client/v1/appservice/bridge/ping", {})
    assert answer.status == 502 and answer.json["errcode"] == "M_BAD_STATUS" and answer.json["status"] == 418 and "body" in answer.json
    modern = Service(server, {"as_token": "as-token-of-modern", "sender_localpart": "modernbot"})
    answer = modern.call("POST", "/_matrix/client/v1/appservice/modern/ping", {})
    assert (answer.status, answer.json["errcode"]) == (400, "M_URL_NOT_SET")



def test_other_networks(server, bridge):
    alice = server.register()
    third = f"{CLIENT}/thirdparty"
    expected = {**bridge.third_party(["protocol"])}
    expected["instances"] = [{**expected["instances"][0], "instance_id": "bridge|net"}]
    assert alice.ok("GET", f"{third}/protocols") == {"smoke": expected}
    assert alice.ok("GET", f"{third}/protocol/smoke") == expected
    assert alice.call("GET", f"{third}/protocol/mirrors").status == 404
    assert alice.ok("GET", f"{third}/user/smoke", nick="jim", access="x") == [bridge.third_party(["user", "smoke"])[0]]
    assert alice.ok("GET", f"{third}/location/smoke", channel="fi re&re") == bridge.third_party(["location", "smoke"])
    assert alice.ok("GET", f"{third}/location/mirrors", channel="x") == []
    assert ("thirdparty/user/smoke", "nick=jim&access=x") in bridge.asked
    assert ("thirdparty/location/smoke", "channel=fi+re%26re") in bridge.asked or \
        ("thirdparty/location/smoke", "channel=fi%20re%26re") in bridge.asked
    assert request("GET", server.base_url + f"{third}/protocols").status == 401
