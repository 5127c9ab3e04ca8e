"""Accounts under a configuration that allows more: guests, mail, refresh tokens, calls."""

import base64
import hashlib
import hmac
import re
import time
import urllib.parse

import pytest

from lib.server import User, quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"


@pytest.fixture(scope="module", params=["monolith", "split"])
def more(request, own, mails):
    extra = {
        "allow_guest_access": True,
        "login_via_existing_session": {"enabled": True},
        "refreshable_access_token_lifetime": "3s",
        "email": {"smtp_host": "127.0.0.1", "smtp_port": mails.port, "notif_from": "%(app)s ☂ <noreply@example.org>",
                  "app_name": "Ganglion"},
        "rc_3pid_validation": {"per_second": 10000, "burst_count": 10000},
        "allowed_local_3pids": [{"medium": "email", "pattern": r"^[^@]+@(good|refused)\.example$"}],
        "next_link_domain_whitelist": ["app.example"],
        "turn_uris": ["turn:turn.example"], "turn_shared_secret": "hush", "turn_user_lifetime": "1h",
        "extra_well_known_client_content": {"org.example": {"deep": [1, True, None, "x"]}},
        "default_identity_server": "https://id.example",
        "serve_server_wellknown": True,
    }
    with own.running("more", monolith=request.param == "monolith", extra_config=extra) as server:
        yield server


def call(server, method, path, body=None, **kwargs):
    return request(method, server.base_url + path, body, **kwargs)


def refused(answer, status, errcode):
    assert (answer.status, answer.json["errcode"]) == (status, errcode), answer
    return answer.json


def by_password(user, password="a good password"):
    return {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id}, "password": password}


# ---- guests ----


def guest(server):
    made = call(server, "POST", CLIENT + "/register?kind=guest", {"initial_device_display_name": "passing by"})
    assert made.status == 200 and made.json["device_id"] == "guest_device", made
    return User(server, made.json["user_id"], made.json["access_token"], made.json["device_id"])


def test_guests(more):
    someone = guest(more)
    assert someone.user_id[1:].split(":")[0].isdigit()
    for name in ("main", "generic_worker1", "generic_worker2"):
        who = someone.ok("GET", CLIENT + "/account/whoami", base=more.worker_url(name))
        assert who == {"user_id": someone.user_id, "device_id": "guest_device", "is_guest": True}
    someone.ok("PUT", f"{CLIENT}/profile/{quote(someone.user_id)}/displayname", {"displayname": "just looking"})
    assert [d["device_id"] for d in someone.ok("GET", CLIENT + "/devices")["devices"]] == ["guest_device"]
    refused(someone.call("POST", CLIENT + "/logout", {}), 403, "M_GUEST_ACCESS_FORBIDDEN")
    refused(someone.call("GET", CLIENT + "/account/3pid"), 403, "M_GUEST_ACCESS_FORBIDDEN")
    refused(someone.call("POST", CLIENT + "/account/password", {"new_password": "x"}), 403, "M_GUEST_ACCESS_FORBIDDEN")
    refused(someone.call("PUT", CLIENT + "/rooms/!x:y/redact/$x/1", {}), 403, "M_GUEST_ACCESS_FORBIDDEN")
    forged = someone.token[:-4] + ("AAAA" if someone.token[-4:] != "AAAA" else "BBBB")
    refused(User(more, "", forged, "").call("GET", CLIENT + "/account/whoami"), 401, "M_UNKNOWN_TOKEN")


def test_a_guest_becomes_a_user(more):
    someone, other = guest(more), guest(more)
    name = someone.user_id[1:].split(":")[0]
    body = {"username": name, "password": "kept the name", "auth": {"type": "m.login.dummy"}}
    refused(call(more, "POST", CLIENT + "/register", body), 400, "M_INVALID_USERNAME")
    refused(call(more, "POST", CLIENT + "/register", {**body, "guest_access_token": other.token}), 403, "M_FORBIDDEN")
    made = call(more, "POST", CLIENT + "/register", {**body, "guest_access_token": someone.token})
    assert made.status == 200 and made.json["user_id"] == someone.user_id
    assert more.login(name, "kept the name").ok("GET", CLIENT + "/account/whoami")["is_guest"] is False
    until(lambda: someone.call("GET", CLIENT + "/account/whoami").status == 401)


# ---- refresh tokens ----


def refresh(server, token):
    return call(server, "POST", CLIENT + "/refresh", {"refresh_token": token})


def test_refresh_tokens(more):
    made = call(more, "POST", CLIENT + "/register", {"username": "refreshes", "password": "a good password",
                                                     "refresh_token": True, "auth": {"type": "m.login.dummy"}}).json
    assert 0 < made["expires_in_ms"] <= 3000 and made["refresh_token"].startswith("syr_")
    user = User(more, made["user_id"], made["access_token"], made["device_id"])
    user.ok("GET", CLIENT + "/account/whoami")
    until(lambda: user.call("GET", CLIENT + "/account/whoami").status == 401)
    assert refused(user.call("GET", CLIENT + "/account/whoami"), 401, "M_UNKNOWN_TOKEN")["soft_logout"] is True
    first = refresh(more, made["refresh_token"])
    assert first.status == 200 and set(first.json) == {"access_token", "refresh_token", "expires_in_ms"}
    again = refresh(more, made["refresh_token"])  # the answer may have been lost
    assert again.status == 200 and again.json["refresh_token"] != first.json["refresh_token"]
    refused(refresh(more, first.json["refresh_token"]), 401, "M_UNKNOWN_TOKEN")  # one token has one line of successors
    lost = User(more, user.user_id, first.json["access_token"], user.device_id)
    refused(lost.call("GET", CLIENT + "/account/whoami"), 401, "M_UNKNOWN_TOKEN")
    user.token = again.json["access_token"]
    user.ok("GET", CLIENT + "/account/whoami", base=more.worker_url("generic_worker1"))
    until(lambda: refresh(more, made["refresh_token"]).status == 403)
    refused(refresh(more, made["refresh_token"]), 403, "M_FORBIDDEN")
    refused(refresh(more, "syr_YWJj_aaaaaaaaaaaaaaaaaaaa_000000"), 401, "M_UNKNOWN_TOKEN")
    refused(refresh(more, "nonsense"), 401, "M_UNKNOWN_TOKEN")
    refused(call(more, "POST", CLIENT + "/refresh", {}), 400, "M_MISSING_PARAM")
    refused(call(more, "POST", CLIENT + "/refresh", {"refresh_token": 5}), 400, "M_INVALID_PARAM")
    plain = more.login("refreshes")
    plain.ok("POST", CLIENT + "/logout/all", {})
    assert refresh(more, again.json["refresh_token"]).status in (401, 403)


def test_a_login_for_another_device(more):
    user = more.register("lendsalogin")
    assert {"type": "m.login.token", "get_login_token": True} in call(more, "GET", CLIENT + "/login").json["flows"]
    asked = user.call("POST", "/_matrix/client/v1/login/get_token", {})
    assert asked.status == 401
    token = user.ok("POST", "/_matrix/client/v1/login/get_token",
                    {"auth": {**by_password(user), "session": asked.json["session"]}})
    assert token["expires_in_ms"] == 300000
    soon = user.call("POST", "/_matrix/client/v1/login/get_token", {"auth": by_password(user)})
    assert refused(soon, 429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 50000
    body = {"type": "m.login.token", "token": token["login_token"]}
    assert call(more, "POST", CLIENT + "/login", body).json["user_id"] == user.user_id
    refused(call(more, "POST", CLIENT + "/login", body), 403, "M_FORBIDDEN")


# ---- passwords, the end of an account ----


def test_a_new_password(more):
    user = more.register("newpassword")
    other = more.login("newpassword")
    path = CLIENT + "/account/password"
    session = user.call("POST", path, {"new_password": "the next one"}).json["session"]
    user.ok("POST", path, {"auth": {**by_password(user), "session": session}})
    until(lambda: other.call("GET", CLIENT + "/account/whoami").status == 401)
    user.ok("GET", CLIENT + "/account/whoami")
    refused(call(more, "POST", CLIENT + "/login", by_password(user)), 403, "M_FORBIDDEN")
    third = more.login("newpassword", "the next one")
    user.ok("POST", path, {"new_password": "a third", "logout_devices": False, "auth": by_password(user, "the next one")})
    third.ok("GET", CLIENT + "/account/whoami")
    for wrong in ({"new_password": 5}, {"new_password": "x" * 600}, {"new_password": "x", "logout_devices": 1}):
        refused(user.call("POST", path, {**wrong, "auth": by_password(user, "a third")}), 400, "M_BAD_JSON")
    refused(user.call("POST", path, {"auth": by_password(user, "a third")}), 400, "M_MISSING_PARAM")
    for who in ("generic_worker1", "generic_worker2"):
        answer = request("POST", more.worker_url(who) + CLIENT + "/login", by_password(user, "a third"))
        assert answer.status == 200


def test_the_end_of_an_account(more, postgres):
    user, friend = more.register("goesaway", "a good password"), more.register()
    room, asked = user.create_room(preset="public_chat"), friend.create_room()
    friend.join(room)
    friend.invite(asked, user)
    user.ok("PUT", f"{CLIENT}/user/{quote(user.user_id)}/account_data/org.example", {"a": 1})
    base = more.worker_url("generic_worker1")
    refused(user.call("POST", CLIENT + "/account/deactivate", {"erase": "yes", "auth": by_password(user)}), 400, "M_BAD_JSON")
    gone = user.ok("POST", CLIENT + "/account/deactivate", {"erase": True, "auth": by_password(user)}, base=base)
    assert gone == {"id_server_unbind_result": "success"}
    until(lambda: user.call("GET", CLIENT + "/account/whoami").status == 401)
    refused(call(more, "POST", CLIENT + "/login", by_password(user)), 403, "M_FORBIDDEN")
    until(lambda: friend.state(room, "m.room.member", user.user_id)["membership"] == "leave")
    until(lambda: friend.state(asked, "m.room.member", user.user_id)["membership"] == "leave")
    refused(call(more, "GET", f"{CLIENT}/profile/{quote(user.user_id)}"), 404, "M_NOT_FOUND")
    refused(call(more, "POST", CLIENT + "/register", {"username": "goesaway", "password": "x"}), 400, "M_USER_IN_USE")


# ---- mail ----


def ask(server, what, address, secret="secret1", attempt=1, **more_members):
    return call(server, "POST", f"{CLIENT}/{what}/email/requestToken",
                {"client_secret": secret, "email": address, "send_attempt": attempt, **more_members})


def fill_in(server, page, link):
    """Sends the form of a page as a browser would."""
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page))
    action = re.search(r'action="([^"]*)"', page).group(1)
    return request("POST", urllib.parse.urljoin(link, action), raw=urllib.parse.urlencode(fields).encode(),
                   headers={"Content-Type": "application/x-www-form-urlencoded"})


def test_an_address_at_registration(more, mails):
    address = f"New.{more.deployment.database}@good.example"
    flows = call(more, "POST", CLIENT + "/register", {"username": "hasmail", "password": "good enough"}).json
    assert flows["flows"] == [{"stages": ["m.login.dummy"]}, {"stages": ["m.login.email.identity"]}]
    asked = ask(more, "register", address)
    mail = mails.wait_for(address.lower())
    assert mail.message["Subject"] == "[localhost] Validate your email" and "Ganglion ☂" in str(mail.message["From"])
    assert mail.sender.startswith("MAIL FROM:<noreply@example.org>") and mail.link() in mail.html.replace("&amp;", "&")
    assert ask(more, "register", address).json == asked.json and len(mails.to(address.lower())) == 1  # the same attempt
    assert ask(more, "register", address, attempt=2).json == asked.json
    mails.wait_for(address.lower(), 2)
    creds = {"sid": asked.json["sid"], "client_secret": "secret1"}
    proof = {"auth": {"type": "m.login.email.identity", "threepid_creds": creds, "session": flows["session"]}}
    early = call(more, "POST", CLIENT + "/register", proof)
    assert early.status == 401 and early.json["errcode"] == "M_UNAUTHORIZED" and early.json["completed"] == []
    broken = request("GET", mail.link().replace("token=", "token=x"))
    assert broken.status == 400 and b"not known" in broken.text
    page = request("GET", mail.link())
    assert page.status == 200 and b"confirmed" in page.text and page.headers["X-Frame-Options"] == "DENY"
    made = call(more, "POST", CLIENT + "/register", proof)
    assert made.status == 200, made
    user = User(more, made.json["user_id"], made.json["access_token"], made.json["device_id"])
    held = user.ok("GET", CLIENT + "/account/3pid", base=more.worker_url("generic_worker2"))["threepids"]
    assert [(t["medium"], t["address"]) for t in held] == [("email", address.lower())]
    refused(ask(more, "register", address, secret="another"), 400, "M_THREEPID_IN_USE")
    login = call(more, "POST", CLIENT + "/login", {"type": "m.login.password", "password": "good enough", "identifier": {
        "type": "m.id.thirdparty", "medium": "email", "address": address.upper()}})
    assert login.json["user_id"] == user.user_id


def test_a_forgotten_password(more, mails):
    address = f"forgets.{more.deployment.database}@good.example"
    user = more.register("forgets")
    asked = ask(more, "account/3pid", address, secret="adds", next_link="https://app.example/next?a=b")
    link = mails.wait_for(address).link()
    creds = {"sid": asked.json["sid"], "client_secret": "adds"}
    refused(user.call("POST", CLIENT + "/account/3pid/add", {**creds, "auth": by_password(user)}), 400, "M_THREEPID_AUTH_FAILED")
    import http.client
    parts = urllib.parse.urlsplit(link)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (302, "https://app.example/next?a=b")
    connection.close()
    user.ok("POST", CLIENT + "/account/3pid/add", {**creds, "auth": by_password(user)})
    refused(ask(more, "account/password", f"nobody.{address}"), 400, "M_THREEPID_NOT_FOUND")
    asked = ask(more, "account/password", address, secret="forgot")
    link = mails.wait_for(address, 2).link()
    page = request("GET", link)
    creds = {"sid": asked.json["sid"], "client_secret": "forgot"}
    body = {"new_password": "found again", "auth": {"type": "m.login.email.identity", "threepid_creds": creds}}
    assert page.status == 200 and call(more, "POST", CLIENT + "/account/password", body).status == 401  # only looked at
    assert fill_in(more, page.text.decode(), link).status == 200
    assert call(more, "POST", CLIENT + "/account/password", body).status == 200
    assert call(more, "POST", CLIENT + "/account/password", body).status == 401  # the proof is spent
    more.login("forgets", "found again")
    until(lambda: user.call("GET", CLIENT + "/account/whoami").status == 401)
    user = more.login("forgets", "found again")
    gone = user.ok("POST", CLIENT + "/account/3pid/delete", {"medium": "email", "address": address})
    assert gone == {"id_server_unbind_result": "no-support"} and user.ok("GET", CLIENT + "/account/3pid")["threepids"] == []


def test_wishes_for_mail_that_are_refused(more):
    good = {"client_secret": "s", "email": "x@good.example", "send_attempt": 1}
    path = CLIENT + "/register/email/requestToken"
    for change, errcode in (({"email": "nonsense"}, "M_INVALID_PARAM"), ({"email": "a@b@good.example"}, "M_INVALID_PARAM"),
                            ({"email": "a\r\nRCPT TO:<b@good.example>"}, "M_INVALID_PARAM"), ({"email": 5}, "M_BAD_JSON"),
                            ({"client_secret": "no spaces"}, "M_INVALID_PARAM"), ({"client_secret": ""}, "M_INVALID_PARAM"),
                            ({"client_secret": "x" * 256}, "M_INVALID_PARAM"), ({"send_attempt": "x"}, "M_BAD_JSON"),
                            ({"next_link": "https://evil.example/"}, "M_INVALID_PARAM"), ({"next_link": "file:///etc"}, "M_INVALID_PARAM"),
                            ({"next_link": "https://app.example@evil.example/"}, "M_INVALID_PARAM")):
        refused(call(more, "POST", path, {**good, **change}), 400, errcode)
    for key in good:
        refused(call(more, "POST", path, {k: v for k, v in good.items() if k != key}), 400, "M_MISSING_PARAM")
    refused(call(more, "POST", path, {**good, "email": "x@bad.example"}), 403, "M_THREEPID_DENIED")
    assert call(more, "POST", path, {**good, "email": "x@refused.example"}).status == 500
    assert call(more, "POST", CLIENT + "/register/msisdn/requestToken", {}).status == 400


# ---- what other services are told ----


def test_calls_and_openid(more):
    user, other = more.register(), more.register()
    turn = user.ok("GET", CLIENT + "/voip/turnServer")
    assert turn["uris"] == ["turn:turn.example"] and turn["ttl"] == 3600
    until, name = turn["username"].split(":", 1)
    assert name == user.user_id and abs(int(until) - time.time() - 3600) < 60
    assert turn["password"] == base64.b64encode(hmac.new(b"hush", turn["username"].encode(), hashlib.sha1).digest()).decode()
    path = f"{CLIENT}/user/{quote(user.user_id)}/openid/request_token"
    token = user.ok("POST", path, {})
    assert token["token_type"] == "Bearer" and token["expires_in"] == 3600 and token["matrix_server_name"] == more.name
    refused(other.call("POST", path, {}), 403, "M_FORBIDDEN")
    info = request("GET", more.worker_url("main") + "/_matrix/federation/v1/openid/userinfo?access_token=" + token["access_token"])
    assert info.json == {"sub": user.user_id}, info
    refused(request("GET", more.worker_url("main") + "/_matrix/federation/v1/openid/userinfo?access_token=x"), 401, "M_UNKNOWN_TOKEN")


def test_well_known(more):
    base = more.deployment.base_url + "/"
    assert call(more, "GET", "/.well-known/matrix/client").json == {
        "m.homeserver": {"base_url": base}, "m.identity_server": {"base_url": "https://id.example"},
        "org.example": {"deep": [1, True, None, "x"]}}
    more.register("looksup")
    assert call(more, "POST", CLIENT + "/login", {"type": "m.login.password", "user": "looksup", "password": "a good password"}).json[
        "well_known"]["m.homeserver"] == {"base_url": base}
    assert call(more, "GET", "/.well-known/matrix/server").json == {"m.server": "localhost:443"}


def test_capabilities(more):
    user = more.register()
    found = user.ok("GET", CLIENT + "/capabilities")["capabilities"]
    for name in ("m.change_password", "m.3pid_changes", "m.get_login_token", "m.set_displayname", "m.set_avatar_url", "m.profile_fields"):
        assert found[name]["enabled"] is True, name
