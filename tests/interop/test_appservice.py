"""Application services: Synapse and Ganglion send the same bridge the same, answer it the same, and take over each other's work."""

import os
import time

import pytest

from lib import appservice
from lib.mixed import Mixed
from lib.server import Server, quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"
DEVICE_LISTS = "org.matrix.msc3202.device_lists"
EXTRA = {"experimental_features": {"msc2409_to_device_messages_enabled": True, "msc3202_transaction_extensions": True},
         "ip_range_blacklist": []}


def start(name, build, folder, postgres, python):
    registered, files = appservice.standard(os.path.join(folder, f"services-{name}"))
    postgres.sql(f"DROP DATABASE IF EXISTS as_{name}")
    deployment = Mixed(os.path.join(folder, f"as-{name}"), build, postgres, database=f"as_{name}", front=False, bcrypt_rounds=4, workers=[],
                       python=python, stream_writers={"events": ["master"]}, extra_config={**EXTRA, "app_service_config_files": files})
    server = Server(deployment)
    server.base_url = f"http://127.0.0.1:{deployment.main.port}"
    server.bridge = appservice.Bridge(registered)
    deployment.start()
    return server


@pytest.fixture(scope="module")
def both(build, folder, postgres):
    made = {}
    try:
        for name, python in (("synapse", {"main"}), ("ganglion", set())):
            made[name] = start(name, build, folder, postgres, python)
        yield made
    finally:
        for server in made.values():
            server.deployment.stop()
            server.bridge.stop()


def told(answer):
    return answer.status, answer.json.get("errcode") if answer.status != 200 else sorted(answer.json)


def ask(server):
    """One after the other; the answers by status and code, or by their members."""
    service = appservice.Service(server, server.bridge.registered)
    modern = appservice.Service(server, {"as_token": "as-token-of-modern", "sender_localpart": "modernbot"})
    server.alice = server.register("alice")
    ghost = f"@_bridge_jim:{server.name}"
    whoami, login = f"{CLIENT}/account/whoami", f"{CLIENT}/login"
    by = lambda user, **more: {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": user}, **more}
    room = server.alice.create_room(preset="public_chat")
    alias = lambda text: f"{CLIENT}/directory/room/{quote(f'#{text}:{server.name}')}"
    plain = {"password": "a good password", "auth": {"type": "m.login.dummy"}}
    register = server.base_url + f"{CLIENT}/register"
    yield service.register("_bridge_jim")
    yield service.register("_bridge_jim")
    yield service.register("_bridge_Odd[Name]", inhibit_login=True)
    yield service.register("somebody")
    yield service.register("_modern_x")
    yield service.register("bridgebot", inhibit_login=True)
    yield service.call("POST", f"{CLIENT}/register", {"type": "m.login.application_service"})
    yield request("POST", register, {"type": "m.login.application_service", "username": "_bridge_x"})
    yield request("POST", register, {"type": "m.login.application_service", "username": "_bridge_x"}, {"Authorization": "Bearer nonsense"})
    yield modern.register("_modern_bob", inhibit_login=True)
    yield request("POST", register, {"username": "modernbot", **plain})
    yield request("GET", f"{register}/available?username=modernbot")
    yield service.call("GET", whoami)
    yield service.call("GET", whoami, user=ghost)
    yield service.call("GET", whoami, user=server.alice.user_id)
    yield service.call("GET", whoami, user=f"@_bridge_nobody:{server.name}")
    yield service.call("GET", whoami, user=ghost, device_id="NONE")
    yield service.call("PUT", f"{CLIENT}/devices/MADE", {"display_name": "x"}, user=ghost)
    yield service.call("PUT", f"{CLIENT}/devices/MADE", {"display_name": "y"}, user=ghost)
    yield service.call("GET", whoami, user=ghost, device_id="MADE")
    yield service.call("DELETE", f"{CLIENT}/devices/MADE", {}, user=ghost)
    yield service.call("POST", login, by(ghost))
    yield service.call("POST", login, by(server.alice.user_id))
    yield service.call("POST", login, {**by(ghost), "identifier": 5})
    yield modern.call("POST", login, by(f"@_modern_bob:{server.name}"))
    yield server.alice.call("POST", login, by(ghost))
    yield server.alice.call("PUT", alias("_bridge_a"), {"room_id": room})
    yield service.call("PUT", alias("_bridge_a"), {"room_id": room})
    yield service.call("PUT", alias("plain"), {"room_id": room})
    yield server.alice.call("DELETE", alias("_bridge_a"))
    yield service.call("DELETE", alias("_bridge_a"))
    yield server.alice.call("PUT", alias("loose_a"), {"room_id": room})
    yield service.call("GET", f"{CLIENT}/rooms/{quote(room)}/joined_members")
    yield service.call("POST", "/_matrix/client/v1/appservice/bridge/ping", {"transaction_id": "x"})
    yield service.call("POST", "/_matrix/client/v1/appservice/modern/ping", {})
    yield modern.call("POST", "/_matrix/client/v1/appservice/modern/ping", {})
    yield server.alice.call("GET", f"{CLIENT}/thirdparty/protocols")
    yield server.alice.call("GET", f"{CLIENT}/thirdparty/protocol/none")
    yield service.call("PUT", f"{CLIENT}/directory/list/appservice/net/{quote(room)}", {"visibility": "public"})
    yield server.alice.call("PUT", f"{CLIENT}/directory/list/appservice/net/{quote(room)}", {"visibility": "public"})


def test_answers(both):
    asked = {name: [told(answer) for answer in ask(server)] for name, server in both.items()}
    wrong = [(i, ours, theirs) for i, (ours, theirs) in enumerate(zip(asked["ganglion"], asked["synapse"])) if ours != theirs]
    # An unknown protocol has no errcode at Synapse.
    assert [one for one in wrong if one[2] != (404, None)] == []
    what = "SELECT name, password_hash, appservice_id, is_guest FROM users WHERE name NOT LIKE '@alice%' ORDER BY 1"
    assert both["ganglion"].sql(what) == both["synapse"].sql(what)


def talk(server):
    service = appservice.Service(server, server.bridge.registered)
    bridge, ghost = server.bridge, service.ghost("_bridge_talker")
    alice = server.alice = getattr(server, "alice", None) or server.register("alice")
    bridge.reset()
    room = alice.create_room(preset="private_chat", name="Talk", invite=[ghost.user_id])
    ghost.join(room)
    first = alice.send(room, "hello")
    alice.put_state(room, "m.room.topic", {"topic": "one"})
    alice.put_state(room, "m.room.topic", {"topic": "two"})
    ghost.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/1", {"body": "hi", "msgtype": "m.text"}, ts=1500000000000)
    bridge.wait(first)  # what is redacted before it is sent is sent empty
    alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/redact/{quote(first)}/1", {"reason": "no"})
    last = alice.send(room, "the end")
    bridge.wait(last)
    return room, first


def shape(event):
    """What does not depend on ids and clocks."""
    local = lambda user: user.split(":")[0]
    content = {k: v for k, v in event["content"].items() if k not in ("room_version", "creator")}
    if event["type"] == "m.room.power_levels":
        content = sorted(content)
    if event["type"] == "m.room.redaction":
        content = sorted(content)
    return (event["type"], local(event["sender"]), local(event.get("state_key", "-")), content, sorted(event), sorted(event.get("unsigned", {})))


def test_transactions(both):
    seen = {}
    for name, server in both.items():
        room, _ = talk(server)
        seen[name] = [shape(e) for e in server.bridge.events() if e["room_id"] == room]
    for ours, theirs in zip(seen["ganglion"], seen["synapse"]):
        assert ours == theirs
    assert len(seen["ganglion"]) == len(seen["synapse"]) > 7


def test_told(both):
    seen = {}
    for name, server in both.items():
        room, _ = talk(server)
        alice, bridge = server.alice, server.bridge
        event = alice.send(room, "read me")
        alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/typing/{quote(alice.user_id)}", {"typing": True, "timeout": 20000})
        typing = until(lambda: [e for e in bridge.ephemeral("m.typing") if e["room_id"] == room and e["content"]["user_ids"]])[0]
        alice.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {})
        receipt = until(lambda: [e for e in bridge.ephemeral("m.receipt") if e["room_id"] == room and event in e["content"]])[0]
        # What a transaction bears beside its events depends on who was there by then; changed devices join whichever is next.
        bridge.wait(event)
        body = next(body for _, body in bridge.transactions if event in [e["event_id"] for e in body["events"]])
        seen[name] = (sorted(typing), sorted(receipt), list(receipt["content"][event]), sorted(set(body) - {DEVICE_LISTS}))
    assert seen["ganglion"] == seen["synapse"]


def test_taken_over(both):
    """What one was not rid of the other sends, under the same ids. Afterwards each is the other's."""
    for first, server in both.items():
        deployment, bridge = server.deployment, server.bridge
        room, _ = talk(server)
        bridge.status = 500
        sent = [server.alice.send(room, f"waits {i}") for i in range(5)]
        until(lambda: server.sql("SELECT state FROM application_services_state WHERE as_id = 'bridge'") == [["down"]])
        until(lambda: server.sql("SELECT stream_ordering = (SELECT max(stream_ordering) FROM events) FROM appservice_stream_position") == [["t"]])
        rows = [int(row[0]) for row in server.sql("SELECT txn_id FROM application_services_txns WHERE as_id = 'bridge' ORDER BY 1")]
        deployment.processes["main"].stop()
        deployment.python = set() if first == "synapse" else {"main"}
        bridge.status = 200
        deployment.start_process()
        sent.append(server.alice.send(room, "after"))
        bridge.wait(sent[-1], seconds=60)
        assert [e["event_id"] for e in bridge.events() if e["event_id"] in sent] == sent, first
        assert rows and set(rows) <= {txn for txn, _ in bridge.transactions}, first
        until(lambda: server.sql("SELECT count(*) FROM application_services_txns") == [["0"]])
        until(lambda: server.sql("SELECT state FROM application_services_state WHERE as_id = 'bridge'") == [["up"]])
        assert bridge.problems == []
