"""Accounts as clients see them: registering, logging in and out, tokens, profiles, devices, filters."""

import hashlib
import hmac
import time

from lib.server import User, quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"


def anonymous(server, method, path, body=None, **kwargs):
    return request(method, server.base_url + path, body, **kwargs)


def refused(answer, status, errcode):
    assert (answer.status, answer.json["errcode"]) == (status, errcode), answer
    return answer.json


# ---- registering ----


def test_register_in_two_steps(server):
    first = anonymous(server, "POST", CLIENT + "/register", {"username": "twosteps", "password": "pass one"})
    assert first.status == 401
    assert first.json["flows"] == [{"stages": ["m.login.dummy"]}] and first.json["params"] == {}
    session = first.json["session"]
    again = anonymous(server, "POST", CLIENT + "/register", {"auth": {"session": session}})
    assert again.status == 401 and again.json["session"] == session and again.json["completed"] == []
    done = anonymous(server, "POST", CLIENT + "/register", {"auth": {"type": "m.login.dummy", "session": session}})
    assert done.status == 200 and done.json["user_id"] == f"@twosteps:{server.name}"
    assert server.login("twosteps", "pass one").user_id == done.json["user_id"]
    other = anonymous(server, "POST", CLIENT + "/login", {"type": "m.login.password", "user": "twosteps", "password": "no"})
    refused(other, 403, "M_FORBIDDEN")


def test_names(server):
    taken = server.register("thename")
    for name, errcode in [("bad name", "M_INVALID_USERNAME"), ("_under", "M_INVALID_USERNAME"), ("12345", "M_INVALID_USERNAME"),
                          ("", "M_INVALID_USERNAME"), ("thename", "M_USER_IN_USE"), ("TheName", "M_USER_IN_USE")]:
        refused(anonymous(server, "POST", CLIENT + "/register", {"username": name, "password": "x"}), 400, errcode)
    refused(anonymous(server, "GET", CLIENT + "/register/available?username=thename"), 400, "M_USER_IN_USE")
    assert anonymous(server, "GET", CLIENT + "/register/available?username=afreename").json == {"available": True}
    assert server.register("UpperCase").user_id == f"@uppercase:{server.name}"
    nameless = anonymous(server, "POST", CLIENT + "/register", {"password": "x", "auth": {"type": "m.login.dummy"}})
    assert nameless.json["user_id"][1:].split(":")[0].isdigit()
    assert taken.ok("GET", CLIENT + "/account/whoami") == {"user_id": taken.user_id, "device_id": taken.device_id, "is_guest": False}


def test_register_without_login(server):
    answer = anonymous(server, "POST", CLIENT + "/register", {"username": "quiet", "password": "a good password",
                                                              "inhibit_login": True, "auth": {"type": "m.login.dummy"}})
    assert answer.status == 200 and "access_token" not in answer.json and "device_id" not in answer.json
    server.login("quiet")


def test_guests_are_refused(server):
    refused(anonymous(server, "POST", CLIENT + "/register?kind=guest", {}), 403, "M_GUEST_ACCESS_FORBIDDEN")


def test_register_with_the_shared_secret(server):
    secret = server.deployment.registration_secret
    path = "/_synapse/admin/v1/register"
    main = server.worker_url("main")

    def attempt(user, admin, key, nonce=None):
        nonce = nonce or request("GET", main + path).json["nonce"]
        parts = [nonce, user, "pw", "admin" if admin else "notadmin"]
        mac = hmac.new(key.encode(), b"\0".join(p.encode() for p in parts), hashlib.sha1).hexdigest()
        return request("POST", main + path, {"nonce": nonce, "username": user, "password": "pw", "admin": admin, "mac": mac}), nonce

    made, nonce = attempt("theboss", True, secret)
    assert made.status == 200 and made.json["user_id"] == f"@theboss:{server.name}"
    refused(attempt("another", False, secret, nonce)[0], 400, "M_UNKNOWN")
    refused(attempt("another", False, "wrong")[0], 403, "M_UNKNOWN")
    boss = User(server, made.json["user_id"], made.json["access_token"], made.json["device_id"])
    user = server.register()
    boss.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/displayname", {"displayname": "named by the boss"})
    assert user.ok("GET", f"{CLIENT}/profile/{quote(user.user_id)}")["displayname"] == "named by the boss"


# ---- logging in and out ----


def test_ways_to_log_in(server):
    user = server.register("logsin")
    flows = anonymous(server, "GET", CLIENT + "/login").json["flows"]
    assert {"type": "m.login.password"} in flows
    password = {"type": "m.login.password", "password": "a good password"}
    for who in ({"user": "logsin"}, {"user": user.user_id}, {"identifier": {"type": "m.id.user", "user": "logsin"}},
                {"identifier": {"type": "m.id.user", "user": user.user_id}}):
        for prefix in ("api/v1", "r0", "v3", "unstable"):
            answer = anonymous(server, "POST", f"/_matrix/client/{prefix}/login", {**password, **who})
            assert answer.status == 200 and answer.json["user_id"] == user.user_id, answer
    for who in ({"user": "nobody"}, {"user": "@logsin:elsewhere.example"}, {"user": "@LOGSIN:" + server.name + "x"}):
        refused(anonymous(server, "POST", CLIENT + "/login", {**password, **who}), 403, "M_FORBIDDEN")
    refused(anonymous(server, "POST", CLIENT + "/login", {**password, "identifier": {"type": "m.id.odd"}}), 400, "M_UNKNOWN")
    refused(anonymous(server, "POST", CLIENT + "/login", {"type": "m.login.odd"}), 400, "M_UNKNOWN")
    refused(anonymous(server, "POST", CLIENT + "/login", {}), 400, "M_MISSING_PARAM")
    refused(anonymous(server, "POST", CLIENT + "/login", {"type": "m.login.password", "user": "logsin"}), 400, "M_INVALID_PARAM")


def test_a_device_keeps_its_name(server):
    user = server.register("devices", initial_device_display_name="the first")
    same = server.login("devices", device_id=user.device_id, initial_device_display_name="ignored")
    other = server.login("devices", device_id="CHOSEN", initial_device_display_name="the second")
    assert same.device_id == user.device_id and other.device_id == "CHOSEN" and same.token != user.token
    names = {d["device_id"]: d["display_name"] for d in user.ok("GET", CLIENT + "/devices")["devices"]}
    assert names == {user.device_id: "the first", "CHOSEN": "the second"}
    user.ok("PUT", CLIENT + "/devices/CHOSEN", {"display_name": "renamed"})
    assert user.ok("GET", CLIENT + "/devices/CHOSEN")["display_name"] == "renamed"
    refused(user.call("PUT", CLIENT + "/devices/CHOSEN", {"display_name": "x" * 101}), 400, "M_TOO_LARGE")
    refused(user.call("GET", CLIENT + "/devices/NONE"), 404, "M_NOT_FOUND")
    refused(user.call("PUT", CLIENT + "/devices/NONE", {"display_name": "x"}), 404, "M_NOT_FOUND")


def test_logging_out_is_known_everywhere(server):
    user = server.register("leaves")
    other = server.login("leaves")
    processes = [server.worker_url(name) for name in ("main", "generic_worker1", "generic_worker2")]
    for base in processes:  # so that each of them remembers the tokens
        user.ok("GET", CLIENT + "/account/whoami", base=base)
        other.ok("GET", CLIENT + "/account/whoami", base=base)
    user.ok("POST", CLIENT + "/logout", {})
    for base in processes:
        until(lambda: user.call("GET", CLIENT + "/account/whoami", base=base).status == 401)
        other.ok("GET", CLIENT + "/account/whoami", base=base)
    gone = refused(user.call("GET", CLIENT + "/account/whoami", base=processes[0]), 401, "M_UNKNOWN_TOKEN")
    assert gone["soft_logout"] is False
    assert [d["device_id"] for d in other.ok("GET", CLIENT + "/devices")["devices"]] == [other.device_id]
    third = server.login("leaves")
    other.ok("POST", CLIENT + "/logout/all", {})
    for base in processes:
        until(lambda: third.call("GET", CLIENT + "/account/whoami", base=base).status == 401)


def test_tokens_and_their_absence(server):
    user = server.register()
    path = server.base_url + CLIENT + "/account/whoami"
    refused(request("GET", path), 401, "M_MISSING_TOKEN")
    refused(request("GET", path, headers={"Authorization": "Basic abc"}), 401, "M_MISSING_TOKEN")
    refused(request("GET", path, headers={"Authorization": "Bearer nonsense"}), 401, "M_UNKNOWN_TOKEN")
    assert request("GET", f"{path}?access_token={user.token}").json["user_id"] == user.user_id
    refused(request("GET", f"{path}?access_token={user.token}", headers={"Authorization": f"Bearer {user.token}"}), 401,
            "M_MISSING_TOKEN")


def test_the_last_sighting_reaches_the_database(server):
    user = server.register(initial_device_display_name="seen")
    user.ok("GET", CLIENT + "/account/whoami", base=server.worker_url("generic_worker1"))
    until(lambda: user.ok("GET", f"{CLIENT}/devices/{user.device_id}")["last_seen_ts"])
    device = user.ok("GET", f"{CLIENT}/devices/{user.device_id}")
    assert device["last_seen_ip"] and abs(device["last_seen_ts"] - time.time() * 1000) < 60000


# ---- profiles ----


def test_profile(server):
    user, other = server.register("shows"), server.register()
    path = f"{CLIENT}/profile/{quote(user.user_id)}"
    assert anonymous(server, "GET", path).json == {"displayname": "shows"}
    user.ok("PUT", path + "/displayname", {"displayname": "Shows Off"})
    user.ok("PUT", path + "/avatar_url", {"avatar_url": "mxc://a/b"})
    user.ok("PUT", path + "/m.tz", {"m.tz": "Europe/Berlin"})
    user.ok("PUT", path + "/org.example", {"org.example": {"deep": [1, 2.5, None]}})
    assert anonymous(server, "GET", path).json == {"displayname": "Shows Off", "avatar_url": "mxc://a/b", "m.tz": "Europe/Berlin",
                                                   "org.example": {"deep": [1, 2.5, None]}}
    for prefix in ("api/v1", "r0", "v3", "unstable"):
        assert anonymous(server, "GET", f"/_matrix/client/{prefix}/profile/{quote(user.user_id)}/displayname").json == {
            "displayname": "Shows Off"}
    assert anonymous(server, "GET", path + "/m.tz").json == {"m.tz": "Europe/Berlin"}
    user.ok("DELETE", path + "/m.tz")
    refused(anonymous(server, "GET", path + "/m.tz"), 404, "M_NOT_FOUND")
    user.ok("DELETE", path + "/avatar_url")
    assert anonymous(server, "GET", path + "/avatar_url").json == {}
    refused(other.call("PUT", path + "/displayname", {"displayname": "x"}), 403, "M_FORBIDDEN")
    refused(user.call("PUT", path + "/displayname", {}), 400, "M_MISSING_PARAM")
    refused(user.call("PUT", path + "/displayname", {"displayname": 5}), 400, "M_INVALID_PARAM")
    assert user.call("PUT", path + "/displayname", {"displayname": "x" * 257}).status == 400
    refused(user.call("PUT", path + "/Bad%20Key", {"Bad Key": 1}), 400, "M_INVALID_PARAM")
    refused(anonymous(server, "GET", f"{CLIENT}/profile/{quote('@none:' + server.name)}"), 404, "M_NOT_FOUND")
    refused(anonymous(server, "GET", f"{CLIENT}/profile/nonsense"), 400, "M_INVALID_PARAM")


def test_rooms_are_told_of_a_new_name(server):
    user = server.register()
    rooms = [user.create_room() for _ in range(3)]
    user.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/displayname", {"displayname": "New Name"})
    for room in rooms:
        until(lambda: user.state(room, "m.room.member", user.user_id)["displayname"] == "New Name")


# ---- filters ----


def test_filters(server):
    user, other = server.register(), server.register()
    path = f"{CLIENT}/user/{quote(user.user_id)}/filter"
    first = user.ok("POST", path, {"room": {"timeline": {"limit": 5}}})["filter_id"]
    assert user.ok("POST", path, {"room": {"timeline": {"limit": 5}}})["filter_id"] == first
    second = user.ok("POST", path, {"room": {"timeline": {"limit": 6}}, "org.own": 1})["filter_id"]
    assert second != first
    assert user.ok("GET", f"{path}/{second}") == {"room": {"timeline": {"limit": 6}}, "org.own": 1}
    refused(user.call("GET", f"{path}/99"), 404, "M_NOT_FOUND")
    refused(other.call("GET", f"{path}/{first}"), 403, "M_FORBIDDEN")
    refused(other.call("POST", path, {}), 403, "M_FORBIDDEN")
    for wrong in ({"room": 5}, {"room": {"rooms": ["x"]}}, {"room": {"timeline": {"senders": ["x"]}}}, {"presence": {"types": "x"}}, {"event_format": "x"}):
        refused(user.call("POST", path, wrong), 400, "M_BAD_JSON")


# ---- deleting devices ----


def test_deleting_a_device_asks_for_the_password(server):
    user, eve = server.register("deletes"), server.register("eve")
    other = server.login("deletes", device_id="OTHER")
    path = CLIENT + "/devices/OTHER"

    def password(who, word):
        return {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": who.user_id}, "password": word}

    asked = user.call("DELETE", path)
    assert asked.status == 401 and asked.json["flows"] == [{"stages": ["m.login.password"]}] and "errcode" not in asked.json
    session = asked.json["session"]
    wrong = user.call("DELETE", path, {"auth": {**password(user, "wrong"), "session": session}})
    assert wrong.json["session"] == session and wrong.json["completed"] == []
    refused(wrong, 401, "M_FORBIDDEN")
    refused(user.call("DELETE", path, {"auth": password(eve, "a good password")}), 403, "M_FORBIDDEN")
    elsewhere = {"auth": {**password(user, "a good password"), "session": session}}
    refused(user.call("DELETE", CLIENT + "/devices/ANOTHER", elsewhere), 403, "M_FORBIDDEN")
    other.ok("GET", CLIENT + "/account/whoami")
    user.ok("DELETE", path, {"auth": {**password(user, "a good password"), "session": session}})
    refused(user.call("GET", path), 404, "M_NOT_FOUND")
    until(lambda: other.call("GET", CLIENT + "/account/whoami").status == 401)
    server.login("deletes", device_id="A"), server.login("deletes", device_id="B")
    user.ok("POST", CLIENT + "/delete_devices", {"devices": ["A", "B"], "auth": password(user, "a good password")})
    assert [d["device_id"] for d in user.ok("GET", CLIENT + "/devices")["devices"]] == [user.device_id]


def test_wishes_that_clients_send_empty(server):
    body = {"username": "emptywishes", "password": "", "device_id": "", "auth": {"type": "m.login.dummy"}}
    refused(anonymous(server, "POST", CLIENT + "/register", body), 400, "M_MISSING_PARAM")
    made = anonymous(server, "POST", CLIENT + "/register", {**body, "password": "\u00e9" * 512})
    assert made.status == 200 and made.json["device_id"], made
    refused(anonymous(server, "POST", CLIENT + "/register", {**body, "username": "emptywishes2", "password": "x" * 513}), 400, "M_INVALID_PARAM")
    again = server.login("emptywishes", "\u00e9" * 512, device_id="")
    assert again.device_id not in ("", made.json["device_id"])
    for raw in (b"{", b"[]", b"\xff"):  # whatever a client sends along, it is logged out
        user = server.login("emptywishes", "\u00e9" * 512)
        assert request("POST", server.base_url + CLIENT + "/logout", raw=raw, headers={"Authorization": f"Bearer {user.token}"}).status == 200
        until(lambda user=user: user.call("GET", CLIENT + "/account/whoami").status == 401)
