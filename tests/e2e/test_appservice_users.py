"""Application services as clients: whose token, whose names, which rules."""

import time

import pytest

from lib.appservice import Service
from lib.server import quote, request
from lib.sliding import settle
from lib.wait import until

CLIENT = "/_matrix/client/v3"


def registered(name):
    return {"as_token": f"as-token-of-{name}", "sender_localpart": f"{name}bot"}


@pytest.fixture
def bridge(server):
    return Service(server, server.bridge.registered)


def refused(answer, status, errcode):
    assert (answer.status, answer.json["errcode"]) == (status, errcode), answer


def name(kind="bridge"):
    return f"_{kind}_{time.monotonic_ns()}"


def columns(server, user_id, what):
    return server.sql(f"SELECT {what} FROM users WHERE name = '{user_id}'")


def test_registration(server, bridge):
    local = name()
    answer = bridge.register(local)
    assert answer.status == 200 and answer.json["user_id"] == f"@{local}:{server.name}" and answer.json["access_token"], answer
    assert columns(server, answer.json["user_id"], "password_hash, appservice_id, is_guest") == [["", "bridge", "0"]]
    assert server.sql(f"SELECT displayname FROM profiles WHERE full_user_id = '{answer.json['user_id']}'") == [[local]]
    assert server.sql(f"SELECT count(*) FROM user_directory WHERE user_id = '{answer.json['user_id']}'") == [["0"]]
    quiet = bridge.register(name(), inhibit_login=True)
    assert set(quiet.json) == {"user_id", "home_server"}
    assert server.sql(f"SELECT count(*) FROM devices WHERE user_id = '{quiet.json['user_id']}' AND NOT hidden") == [["0"]]
    refused(bridge.register(local), 400, "M_USER_IN_USE")
    odd = bridge.register(f"_bridge_Mixed~Case[{time.monotonic_ns()}]", inhibit_login=True)
    assert odd.status == 200, odd
    refused(bridge.register("somebody"), 400, "M_EXCLUSIVE")
    refused(bridge.register(name("modern")), 400, "M_EXCLUSIVE")
    refused(bridge.register("_bridge_with:colon"), 400, "M_INVALID_USERNAME")
    refused(bridge.call("POST", f"{CLIENT}/register", {"type": "m.login.application_service"}), 400, "M_UNKNOWN")
    bare = request("POST", server.base_url + f"{CLIENT}/register", {"type": "m.login.application_service", "username": name()})
    refused(bare, 400, "M_UNKNOWN")
    wrong = request("POST", server.base_url + f"{CLIENT}/register", {"type": "m.login.application_service", "username": name()},
                    {"Authorization": "Bearer as-token-of-bridg"})
    refused(wrong, 401, "M_UNKNOWN_TOKEN")


def test_names_are_kept_from_others(server, bridge):
    url = server.base_url + f"{CLIENT}/register"
    body = {"password": "a good password", "auth": {"type": "m.login.dummy"}}
    for taken in ("_bridge_x", "bridgebot"):
        refused(request("POST", url, {"username": taken, **body}), 400,
                "M_INVALID_USERNAME" if taken.startswith("_") else "M_EXCLUSIVE")
    refused(request("GET", f"{url}/available?username=bridgebot"), 400, "M_EXCLUSIVE")
    # A namespace that is not exclusive keeps nobody away.
    assert request("POST", url, {"username": f"loose_{time.monotonic_ns()}", **body}).status == 200
    refused(request("POST", url, {"username": "whoever", **body}, {"Authorization": "Bearer x"}), 400, "M_UNKNOWN")


def test_masquerading(server, bridge):
    ghost = bridge.ghost(name())
    whoami = f"{CLIENT}/account/whoami"
    assert bridge.call("GET", whoami).json == {"user_id": bridge.sender, "is_guest": False}
    for base in {server.base_url, server.worker_url("main")}:
        assert bridge.call("GET", whoami, user=ghost.user_id, base=base).json == {"user_id": ghost.user_id, "is_guest": False}
    alice = server.register()
    refused(bridge.call("GET", whoami, user=alice.user_id), 403, "M_FORBIDDEN")
    refused(bridge.call("GET", whoami, user=f"@{name()}:{server.name}"), 403, "M_FORBIDDEN")
    refused(bridge.call("GET", whoami, user="@_bridge_x:elsewhere.invalid"), 403, "M_FORBIDDEN")
    refused(bridge.call("GET", whoami, user="nobody"), 403, "M_FORBIDDEN")
    assert alice.call("GET", whoami, user_id=ghost.user_id).json["user_id"] == alice.user_id  # it says nothing for users
    loose = Service(server, registered("loose"))
    assert loose.call("GET", whoami).status == 200
    far = request("GET", server.worker_url("main") + whoami, headers={"Authorization": f"Bearer {loose.token}", "X-Forwarded-For": "8.8.8.8"})
    refused(far, 401, "M_UNKNOWN_TOKEN")


def test_devices(server, bridge):
    ghost = bridge.ghost(name())
    device = f"{CLIENT}/devices/BRIDGED"
    refused(ghost.call("GET", f"{CLIENT}/account/whoami", device_id="BRIDGED"), 400, "M_UNKNOWN_DEVICE")
    assert ghost.call("PUT", device, {"display_name": "made here"}).status == 201
    assert ghost.call("PUT", device, {"display_name": "renamed"}).status == 200
    assert ghost.ok("GET", device)["display_name"] == "renamed"
    for key in ("device_id", "org.matrix.msc3202.device_id"):
        assert ghost.ok("GET", f"{CLIENT}/account/whoami", **{key: "BRIDGED"})["device_id"] == "BRIDGED"
    keys = {"device_keys": {"user_id": ghost.user_id, "device_id": "BRIDGED", "algorithms": ["a"], "keys": {"ed25519:BRIDGED": "x"},
                            "signatures": {}}}
    ghost.ok("POST", f"{CLIENT}/keys/upload", keys, device_id="BRIDGED")
    assert "BRIDGED" in ghost.ok("POST", f"{CLIENT}/keys/query", {"device_keys": {ghost.user_id: []}})["device_keys"][ghost.user_id]
    ghost.ok("DELETE", device, {})
    refused(ghost.call("GET", device), 404, "M_NOT_FOUND")
    assert ghost.call("PUT", device, {}).status == 201
    ghost.ok("POST", f"{CLIENT}/delete_devices", {"devices": ["BRIDGED"]})
    refused(ghost.call("PUT", f"{CLIENT}/devices/{'x' * 600}", {}), 400, "M_INVALID_PARAM")


def test_login(server, bridge):
    ghost = bridge.ghost(name())
    flows = request("GET", server.base_url + f"{CLIENT}/login").json["flows"]
    assert {"type": "m.login.application_service"} in flows
    body = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": ghost.user_id}, "device_id": "LOGGEDIN"}
    answer = bridge.call("POST", f"{CLIENT}/login", body)
    assert answer.status == 200 and answer.json["device_id"] == "LOGGEDIN" and answer.json["user_id"] == ghost.user_id
    token = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert request("GET", server.base_url + f"{CLIENT}/account/whoami", headers=token).json["user_id"] == ghost.user_id
    alice = server.register()
    refused(bridge.call("POST", f"{CLIENT}/login", {**body, "identifier": {"type": "m.id.user", "user": alice.user_id}}), 403, "M_FORBIDDEN")
    refused(bridge.call("POST", f"{CLIENT}/login", {**body, "identifier": {"type": "m.id.user", "user": name()}}), 403, "M_FORBIDDEN")
    refused(bridge.call("POST", f"{CLIENT}/login", {**body, "identifier": "x"}), 400, "M_INVALID_PARAM")
    refused(bridge.call("POST", f"{CLIENT}/login", {**body, "identifier": {"type": "m.id.phone"}}), 400, "M_INVALID_PARAM")
    refused(alice.call("POST", f"{CLIENT}/login", body), 401, "M_UNKNOWN_TOKEN")
    refused(request("POST", server.base_url + f"{CLIENT}/login", body), 401, "M_MISSING_TOKEN")


def test_a_service_that_makes_devices_itself(server):
    modern = Service(server, registered("modern"))
    refused(modern.register(name("modern")), 400, "M_APPSERVICE_LOGIN_UNSUPPORTED")
    ghost = modern.ghost(name("modern"))
    body = {"type": "m.login.application_service", "identifier": {"type": "m.id.user", "user": ghost.user_id}}
    refused(modern.call("POST", f"{CLIENT}/login", body), 400, "M_APPSERVICE_LOGIN_UNSUPPORTED")
    assert ghost.call("PUT", f"{CLIENT}/devices/OWN", {}).status == 201
    # Keys that sign others are replaced without a password, and the account ends without one.
    ghost.ok("POST", f"{CLIENT}/account/deactivate", {})
    assert columns(server, ghost.user_id, "deactivated") == [["1"]]


def test_aliases(server, bridge):
    alice, ghost = server.register(), bridge.ghost(name())
    room = alice.create_room(preset="public_chat")
    alias = f"#_bridge_{time.monotonic_ns()}:{server.name}"
    path = f"{CLIENT}/directory/room/{quote(alias)}"
    refused(alice.call("PUT", path, {"room_id": room}), 400, "M_EXCLUSIVE")
    refused(alice.call("POST", f"{CLIENT}/createRoom", {"room_alias_name": "_bridge_other"}), 400, "M_EXCLUSIVE")
    ghost.ok("PUT", path, {"room_id": room})  # without being in the room
    assert request("GET", server.base_url + path).json["room_id"] == room
    refused(alice.call("DELETE", path), 400, "M_EXCLUSIVE")
    other = f"{CLIENT}/directory/room/{quote(f'#unclaimed{time.monotonic_ns()}:{server.name}')}"
    refused(ghost.call("PUT", other, {"room_id": room}), 400, "M_EXCLUSIVE")
    ghost.ok("DELETE", path)
    loose = f"{CLIENT}/directory/room/{quote(f'#loose_{time.monotonic_ns()}:{server.name}')}"
    alice.ok("PUT", loose, {"room_id": room})


def test_time_of_events(server, bridge):
    ghost, alice = bridge.ghost(name()), server.register()
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    send = f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/t{time.monotonic_ns()}"
    event = ghost.ok("PUT", send, {"body": "long ago", "msgtype": "m.text"}, ts=1234567)["event_id"]
    assert ghost.ok("PUT", send, {"body": "long ago", "msgtype": "m.text"}, ts=1234567)["event_id"] == event
    shown = until(lambda: alice.call("GET", f"{CLIENT}/rooms/{quote(room)}/event/{quote(event)}").json)
    assert shown["origin_server_ts"] == 1234567 and shown["sender"] == ghost.user_id
    alice.ok("PUT", f"{send}a", {"body": "now", "msgtype": "m.text"}, ts=1234567)
    settle(alice)
    newest = alice.messages(room, limit=1)["chunk"][0]
    assert newest["origin_server_ts"] > 1600000000000
    member = ghost.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/state/m.room.member/{quote(ghost.user_id)}", {"membership": "leave"}, ts=2345678)
    settle(alice)
    left = alice.state(room, "m.room.member", ghost.user_id)
    assert left["membership"] == "leave" and member["event_id"]
    assert until(lambda: server.sql(f"SELECT origin_server_ts FROM events WHERE event_id = '{member['event_id']}'")) == [["2345678"]]
    refused(ghost.call("PUT", f"{send}b", {"body": "x", "msgtype": "m.text"}, ts="soon"), 400, "M_INVALID_PARAM")
    refused(ghost.call("PUT", f"{send}c", {"body": "x", "msgtype": "m.text"}, ts=-5), 400, "M_INVALID_PARAM")


def test_the_sender_needs_no_account(server, bridge):
    room = bridge.call("POST", f"{CLIENT}/createRoom", {"preset": "public_chat"}).json["room_id"]
    ghost = bridge.ghost(name())
    ghost.join(room)
    assert bridge.call("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/{time.monotonic_ns()}", {"body": "hello", "msgtype": "m.text"}).status == 200
    stranger = Service(server, registered("loose"))
    members = f"{CLIENT}/rooms/{quote(room)}/joined_members"
    outside = bridge.ghost(name())
    seen = until(lambda: outside.call("GET", members).json.get("joined"))
    assert set(seen) == {bridge.sender, ghost.user_id}
    refused(stranger.call("GET", members), 403, "M_FORBIDDEN")
    refused(bridge.call("GET", f"{CLIENT}/rooms/!none:{server.name}/joined_members"), 403, "M_FORBIDDEN")


def test_lists_of_networks(server, bridge):
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    listed = f"{CLIENT}/directory/list/appservice/net/{quote(room)}"
    assert bridge.call("PUT", listed, {"visibility": "public"}).status == 200
    question = {"third_party_instance_id": "bridge|net"}
    rooms = lambda body: [one["room_id"] for one in alice.ok("POST", f"{CLIENT}/publicRooms", body)["chunk"]]
    until(lambda: room in rooms(question))
    assert room in rooms({"include_all_networks": True}) and room not in rooms({}) and room not in rooms({"third_party_instance_id": "bridge|x"})
    assert bridge.call("DELETE", listed).status == 200
    until(lambda: room not in rooms(question))


def test_ghosts_are_told_nothing_and_found_nowhere(server, bridge):
    alice, ghost = server.register(), bridge.ghost(name())
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/{time.monotonic_ns()}", {"body": f"{ghost.user_id} hello", "msgtype": "m.text"})
    bob = server.register()
    bob.join(room)
    until(lambda: server.sql(f"SELECT count(*) FROM users_in_public_rooms WHERE user_id = '{bob.user_id}'") == [["1"]])
    assert server.sql(f"SELECT count(*) FROM users_in_public_rooms WHERE user_id = '{ghost.user_id}'") == [["0"]]
    assert server.sql(f"SELECT count(*) FROM event_push_actions WHERE user_id = '{ghost.user_id}'") == [["0"]]
    ghost.ok("PUT", f"{CLIENT}/profile/{quote(ghost.user_id)}/displayname", {"displayname": "Findable"})
    assert server.sql(f"SELECT count(*) FROM user_directory WHERE user_id = '{ghost.user_id}'") == [["0"]]
    assert server.sql(f"SELECT count(*) FROM user_ips WHERE user_id = '{ghost.user_id}'") == [["0"]]
