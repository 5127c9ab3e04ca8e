"""Messages of the server to its users (POST and PUT /_synapse/admin/v1/send_server_notice)."""

import pytest

from lib.admin import administrator
from lib.rooms import refused, room_path
from lib.server import request
from lib.wait import until

PATH = "/_synapse/admin/v1/send_server_notice"
CONTENT = {"msgtype": "m.text", "body": "the server will be down"}


@pytest.fixture(scope="module")
def noticing(own):
    with own.running("notices", extra_config={
            "server_notices": {"system_mxid_localpart": "notices", "system_mxid_display_name": "Server", "system_mxid_avatar_url": "mxc://a/b",
                               "room_name": "News", "room_topic": "what there is"}}) as server:
        yield server


@pytest.fixture(scope="module")
def admin(noticing):
    return administrator(noticing, "boss")


def notices_of(user):
    """Rooms with the tag, joined or invited to."""
    answer = user.sync()["rooms"]
    return list(answer.get("invite", {})), [room for room, data in answer.get("join", {}).items()
                                           if any(e["type"] == "m.tag" and "m.server_notice" in e["content"]["tags"]
                                                  for e in data["account_data"]["events"])]


def test_a_notice(noticing, admin):
    bob = noticing.register()
    first = admin.ok("POST", PATH, {"user_id": bob.user_id, "content": CONTENT})["event_id"]
    room = until(lambda: notices_of(bob)[0])[0]
    bob.join(room)
    assert notices_of(bob) == ([], [room])
    assert bob.state(room, "m.room.name")["name"] == "News" and bob.state(room, "m.room.topic")["topic"] == "what there is"
    speaker = f"@notices:{noticing.name}"
    assert bob.state(room, "m.room.member", speaker)["displayname"] == "Server"
    event = bob.ok("GET", room_path(room, "event", first))
    assert event["content"] == CONTENT and event["sender"] == speaker
    refused(bob.call("POST", room_path(room, "send", "m.room.message"), CONTENT), 403)
    second = admin.ok("POST", PATH, {"user_id": bob.user_id, "content": CONTENT, "type": "org.example.note", "state_key": ""})["event_id"]
    assert bob.ok("GET", room_path(room, "event", second))["type"] == "org.example.note"
    assert notices_of(bob) == ([], [room])


def test_one_transaction_once(noticing, admin):
    bob = noticing.register()
    body = {"user_id": bob.user_id, "content": CONTENT}
    assert admin.ok("PUT", PATH + "/t1", body) == admin.ok("PUT", PATH + "/t1", body)


def test_who_cannot_be_told(noticing, admin):
    bob = noticing.register()
    refused(bob.call("POST", PATH, {"user_id": bob.user_id, "content": CONTENT}), 403)
    refused(admin.call("POST", PATH, {"user_id": "@x:elsewhere.test", "content": CONTENT}), 400)
    refused(admin.call("POST", PATH, {"user_id": f"@nobody:{noticing.name}", "content": CONTENT}), 404, "M_NOT_FOUND")
    refused(admin.call("POST", PATH, {"content": CONTENT}), 400, "M_MISSING_PARAM")
    refused(admin.call("POST", PATH, {"user_id": bob.user_id}), 400)
    refused(admin.call("POST", PATH, {"user_id": bob.user_id, "content": 5}), 400)
    refused(admin.call("POST", PATH, {"user_id": bob.user_id, "content": CONTENT, "type": 5}), 400)


def test_the_speaker_is_nobody(noticing):
    body = {"username": "notices", "password": "a good password", "auth": {"type": "m.login.dummy"}}
    refused(request("POST", noticing.base_url + "/_matrix/client/v3/register", body), 400, "M_EXCLUSIVE")
    refused(request("GET", noticing.base_url + "/_matrix/client/v3/register/available?username=notices"), 400, "M_EXCLUSIVE")


def test_off(server):
    admin = administrator(server, "notices-boss")
    refused(admin.call("POST", PATH, {"user_id": admin.user_id, "content": CONTENT}), 400, "M_UNKNOWN")
