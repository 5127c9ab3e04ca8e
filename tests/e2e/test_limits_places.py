"""Who has a place on a server that is full: users in their trial, and reserved addresses. Guests are told of the terms."""

import os

import pytest

from lib.admin import administrator, kill_background
from lib.rooms import CLIENT, refused
from lib.server import User, request
from lib.wait import until

REGISTER = {"password": "a good password", "auth": {"type": "m.login.dummy"}}


@pytest.fixture(scope="module", params=["monolith", "split"])
def server(request, own, folder, mails):
    terms = os.path.join(folder, "places", "en")
    os.makedirs(terms, exist_ok=True)
    for name in ("7", "success"):
        with open(os.path.join(terms, f"{name}.html"), "w", encoding="utf-8") as f:
            f.write(name)
    vip = f"vip.{request.param}@good.example"
    extra = {"limit_usage_by_mau": True, "max_mau_value": 1, "mau_trial_days": 2, "allow_guest_access": True,
             "mau_limit_reserved_threepids": [{"medium": "email", "address": vip}],
             "email": {"smtp_host": "127.0.0.1", "smtp_port": mails.port, "notif_from": "%(app)s <noreply@example.org>"},
             "server_notices": {"system_mxid_localpart": "notices"},
             "user_consent": {"version": 7, "template_dir": os.path.dirname(terms), "send_server_notice_to_guests": True,
                              "server_notice_content": {"msgtype": "m.text", "body": "agree at %(consent_uri)s"}}}
    deployment = own.make("places", monolith=request.param == "monolith", extra_config=extra)
    deployment.main.listener_names.append("consent")
    with own.run(deployment) as one:
        one.admin, one.vip = administrator(one, "root"), vip
        yield one


def counted(server):
    return {row[0] for row in server.sql("SELECT user_id FROM monthly_active_users")}


def age(server, user):
    """Three days pass for a user, whom running processes remember as they were."""
    server.deployment.stop()
    server.sql(f"UPDATE users SET creation_ts = creation_ts - 3 * 86400 WHERE name = '{user.user_id}'")
    server.deployment.start()


def test_guests_are_told(server):
    made = request("POST", f"{server.base_url}{CLIENT}/register?kind=guest", {})
    assert made.status == 200, made
    guest = User(server, made.json["user_id"], made.json["access_token"], made.json["device_id"])
    invites = until(lambda: guest.sync().get("rooms", {}).get("invite"))
    assert [{e["sender"] for e in room["invite_state"]["events"]} for room in invites.values()] == [{f"@notices:{server.name}"}]


def test_places(server, mails):
    """In their trial users are not counted, and not refused; then there is one place, and one that is reserved."""
    early, late = server.register(), server.register()
    for user in (early, late, early):
        user.sync()
    late.create_room(name="in the trial")
    assert counted(server) == set()
    age(server, early)
    until(lambda: early.sync() and counted(server) == {early.user_id})
    early.create_room(name="has the place")
    late.create_room(name="still in the trial")
    new = {"username": "new", **REGISTER}
    for base in (server.base_url, server.worker_url("generic_worker2")):
        assert refused(request("POST", f"{base}{CLIENT}/register", new), 403, "M_RESOURCE_LIMIT_EXCEEDED")["limit_type"] == "monthly_active_user"
    age(server, late)
    for answer in (late.call("GET", f"{CLIENT}/sync"), late.call("POST", f"{CLIENT}/createRoom", {})):
        assert refused(answer, 403, "M_RESOURCE_LIMIT_EXCEEDED")["limit_type"] == "monthly_active_user"
    assert counted(server) == {early.user_id}

    creds = {"client_secret": "vips", "email": server.vip, "send_attempt": 1}
    sid = request("POST", f"{server.base_url}{CLIENT}/register/email/requestToken", creds).json["sid"]
    assert request("GET", mails.wait_for(server.vip).link()).status == 200
    wish = {"username": "vip", "password": "good enough"}
    session = request("POST", f"{server.base_url}{CLIENT}/register", wish).json["session"]
    made = request("POST", f"{server.base_url}{CLIENT}/register", {**wish, "auth": {
        "type": "m.login.email.identity", "session": session, "threepid_creds": {"sid": sid, "client_secret": "vips"}}})
    assert made.status == 200, made
    vip = User(server, made.json["user_id"], made.json["access_token"], made.json["device_id"])
    until(lambda: counted(server) == {early.user_id, vip.user_id})
    vip.create_room(name="reserved")
    server.sql(f"DELETE FROM monthly_active_users WHERE user_id = '{vip.user_id}'")
    kill_background(server)  # who counts knows reserved places when it starts
    until(lambda: vip.user_id in counted(server))
