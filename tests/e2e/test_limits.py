"""Who may use the server: a cap on users of a month, terms that must be agreed to, a server that is switched off."""

import os
import urllib.parse

import pytest

from lib.admin import V2, administrator, kill_background, path
from lib.rooms import CLIENT, refused
from lib.server import quote, request
from lib.wait import until

CONTACT = "mailto:root@limits.test"
REGISTER = {"password": "a good password", "auth": {"type": "m.login.dummy"}}


@pytest.fixture(scope="module", params=["monolith", "split"])
def server(request, own, folder):
    terms = os.path.join(folder, "limits", "en")
    os.makedirs(terms, exist_ok=True)
    for name in ("7", "success"):
        with open(os.path.join(terms, f"{name}.html"), "w", encoding="utf-8") as f:
            f.write(name)
    extra = {"limit_usage_by_mau": True, "max_mau_value": 4, "admin_contact": CONTACT,
             "mau_limit_reserved_threepids": [{"medium": "email", "address": "vip@limits.test"}],
             "server_notices": {"system_mxid_localpart": "notices"},
             "user_consent": {"version": 7, "template_dir": os.path.dirname(terms), "block_events_error": "100%% no: %(consent_uri)s",
                              "server_notice_content": {"msgtype": "m.text", "body": "agree at %(consent_uri)s"}}}
    deployment = own.make("limits", monolith=request.param == "monolith", extra_config=extra)
    deployment.main.listener_names.append("consent")
    with own.run(deployment) as one:
        one.admin = administrator(one, "root")
        yield one


def notices(user):
    """The events of the user's room of server notices, which is entered."""
    for room in user.sync().get("rooms", {}).get("invite", {}):
        user.join(room)
    rooms = user.sync().get("rooms", {}).get("join", {})
    return [e for room in rooms.values() for e in room["timeline"]["events"] + room["state"]["events"]
            if e["sender"] == f"@notices:{user.server.name}"]


def agree(server, uri):
    fields = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(uri).query))
    body = urllib.parse.urlencode({**fields, "v": "7"}).encode()
    answer = request("POST", f"{server.base_url}/_matrix/consent", raw=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 200, answer


def test_who_has_not_agreed_sends_nothing(server):
    alice, worker = server.register(), server.worker_url("generic_worker1")
    answer = refused(alice.call("POST", f"{CLIENT}/createRoom", {}), 403, "M_CONSENT_NOT_GIVEN")
    uri = answer["consent_uri"]
    assert uri.startswith(f"{server.base_url}/_matrix/consent?u=") and answer["error"] == f"100% no: {uri}"
    told = until(lambda: [e for e in notices(alice) if e["type"] == "m.room.message"])[0]  # that room can be entered
    assert told["content"] == {"msgtype": "m.text", "body": f"agree at {uri}"}
    agree(server, refused(server.admin.call("POST", f"{CLIENT}/createRoom", {}), 403, "M_CONSENT_NOT_GIVEN")["consent_uri"])
    room = until(lambda: server.admin.call("POST", f"{CLIENT}/createRoom", {"preset": "public_chat"}).json.get("room_id"))
    refused(alice.call("POST", f"{CLIENT}/join/{quote(room)}", {}, base=worker), 403, "M_CONSENT_NOT_GIVEN")
    server.admin.invite(room, alice)
    alice.leave(room)
    agree(server, uri)
    until(lambda: alice.call("POST", f"{CLIENT}/join/{quote(room)}", {}, base=worker).status == 200)
    alice.send(room, "agreed")
    assert server.sql(f"SELECT consent_version, consent_server_notice_sent FROM users WHERE name = '{alice.user_id}'") == [["7", "7"]]
    assert len([e for e in notices(alice) if e["type"] == "m.room.message"]) == 1


def counted(server):
    return {row[0] for row in server.sql("SELECT user_id FROM monthly_active_users")}


def test_a_full_server(server):
    early = server.sql("SELECT name FROM users WHERE is_guest = 0")
    users = [server.register() for _ in range(4 - len(early))]
    until(lambda: [user.sync() for user in users] and len(counted(server)) == 4)
    for base in (server.base_url, server.worker_url("generic_worker1")):
        answer = until(lambda: (lambda a: a.status == 403 and a.json)(
            request("POST", f"{base}{CLIENT}/register", {"username": f"late{len(base)}", **REGISTER})))
        assert answer == {"errcode": "M_RESOURCE_LIMIT_EXCEEDED", "error": "Monthly Active User Limit Exceeded",
                          "admin_contact": CONTACT, "limit_type": "monthly_active_user"}
    for name, kind in (("dave", None), ("helper", "support")):
        made = server.admin.call("PUT", path(V2, "users", f"@{name}:{server.name}"), {"password": "a good password", "user_type": kind})
        assert made.status == 201, made
    for base in (server.base_url, server.worker_url("generic_worker2")):
        login = request("POST", f"{base}{CLIENT}/login", {"type": "m.login.password", "user": "dave", "password": "a good password"})
        assert refused(login, 403, "M_RESOURCE_LIMIT_EXCEEDED")["limit_type"] == "monthly_active_user"
    server.login("helper").sync()
    for user in users:
        user.sync(base=server.worker_url("generic_worker1"))
    assert f"@helper:{server.name}" not in counted(server) and len(counted(server)) == 4


def pinned(user):
    return [e["content"]["pinned"] for e in notices(user) if e["type"] == "m.room.pinned_events"]


def test_users_are_told_and_told_otherwise(server):
    """After the one before: the server is full."""
    boss = server.admin
    said = until(lambda: [e for e in notices(boss) if e["content"].get("msgtype") == "m.server_notice"])[0]
    assert said["content"] == {"body": "Monthly Active User Limit Exceeded", "msgtype": "m.server_notice", "limit_type": "monthly_active_user",
                               "server_notice_type": "m.server_notice.usage_limit_reached", "admin_contact": CONTACT}
    until(lambda: pinned(boss) and pinned(boss)[-1] == [said["event_id"]])
    gone = (counted(server) - {boss.user_id}).pop()
    server.sql(f"UPDATE monthly_active_users SET timestamp = 1 WHERE user_id = '{gone}'")
    kill_background(server)  # what comes up again looks at all at once
    until(lambda: gone not in counted(server))
    until(lambda: boss.sync(base=server.worker_url("main")) and pinned(boss)[-1] == [])


def test_switched_off(own):
    with own.running("off", monolith=True, extra_config={"hs_disabled": True, "hs_disabled_message": "gone fishing"}) as server:
        want = {"errcode": "M_RESOURCE_LIMIT_EXCEEDED", "error": "gone fishing", "admin_contact": None, "limit_type": "hs_disabled"}
        assert request("POST", f"{server.base_url}{CLIENT}/register", {"username": "x", **REGISTER}).json == want
        status, answer = server.deployment.register("boss", "a good password", admin=True)
        assert (status, answer) == (403, want)
        login = {"type": "m.login.password", "user": "boss", "password": "a good password"}
        assert request("POST", f"{server.base_url}{CLIENT}/login", login).json == want
        assert request("GET", f"{server.base_url}/_matrix/client/versions").status == 200
