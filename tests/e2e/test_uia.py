"""Interactive authentication: sessions that any process goes on with, and what a session does not let through."""

from lib.server import request

CLIENT = "/_matrix/client/v3"


def refused(answer, status, errcode):
    assert (answer.status, answer.json["errcode"]) == (status, errcode), answer
    return answer.json


def by_password(user, session=None, password="a good password"):
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id}, "password": password}
    return {**auth, "session": session} if session else auth


def test_another_process_goes_on(server):
    first, second = server.worker_url("generic_worker1"), server.worker_url("generic_worker2")
    asked = request("POST", first + CLIENT + "/register", {"username": "wanders", "password": "good enough"})
    assert asked.status == 401 and "completed" not in asked.json
    done = request("POST", second + CLIENT + "/register", {"auth": {"type": "m.login.dummy", "session": asked.json["session"]}})
    assert done.status == 200 and done.json["user_id"] == f"@wanders:{server.name}"
    again = request("POST", first + CLIENT + "/register", {"auth": {"type": "m.login.dummy", "session": asked.json["session"]}})
    assert again.status == 200 and again.json["user_id"] == done.json["user_id"]
    server.login("wanders", "good enough")


def test_a_session_is_for_one_request_of_one_user(server):
    user, eve = server.register("onlyone"), server.register("eavesdrops")
    for device in ("A", "B"):
        server.login("onlyone", device_id=device)
    path = CLIENT + "/delete_devices"
    session = user.call("POST", path, {"devices": ["A"]}).json["session"]
    refused(user.call("POST", path, {"devices": ["B"], "auth": by_password(user, session)}), 403, "M_FORBIDDEN")
    refused(eve.call("POST", path, {"devices": ["A"], "auth": by_password(eve, session)}), 403, "M_FORBIDDEN")
    refused(user.call("DELETE", CLIENT + "/devices/A", {"auth": by_password(user, session)}), 403, "M_FORBIDDEN")
    refused(user.call("POST", path, {"devices": ["A"], "auth": by_password(user, "nosuchsession")}), 400, "M_UNKNOWN")
    assert {d["device_id"] for d in user.ok("GET", CLIENT + "/devices")["devices"]} == {user.device_id, "A", "B"}
    user.ok("POST", path, {"devices": ["A"], "auth": by_password(user, session)})
    refused(user.call("POST", path, {"devices": ["B"], "auth": {"session": session}}), 403, "M_FORBIDDEN")
    assert {d["device_id"] for d in user.ok("GET", CLIENT + "/devices")["devices"]} == {user.device_id, "B"}


def test_stages_that_are_none(server):
    user = server.register("stages")
    path = CLIENT + "/delete_devices"
    for kind in ("m.login.dummy", "m.login.terms", "m.login.email.identity"):  # stages, but not of this flow
        asked = user.call("POST", path, {"devices": ["X"], "auth": {"type": kind}})
        assert asked.status == 401 and asked.json["completed"] == [] and asked.json["flows"] == [{"stages": ["m.login.password"]}]
    for kind in ("m.login.odd", "m.login.token", ""):
        refused(user.call("POST", path, {"devices": ["X"], "auth": {"type": kind}}), 400, "M_UNRECOGNIZED")
    for auth in ("text", ["list"], 5, True):
        refused(user.call("POST", path, {"devices": ["X"], "auth": auth}), 400, "M_BAD_JSON")
    for auth in ({"type": 6}, {"type": None}, {"type": "m.login.password", "session": 5}, {"session": ["x"]}):
        refused(user.call("POST", path, {"devices": ["X"], "auth": auth}), 400, "M_BAD_JSON")
    nobody = {"type": "m.id.user", "user": ""}
    refused(user.call("POST", path, {"devices": ["X"], "auth": {**by_password(user), "identifier": nobody}}), 400, "M_MISSING_PARAM")
    refused(user.call("POST", path, {"devices": ["X"], "auth": {**by_password(user), "password": 5}}), 400, "M_INVALID_PARAM")
    refused(user.call("POST", path, {"devices": ["X"], "auth": {**by_password(user), "password": "x" * 600}}), 400, "M_INVALID_PARAM")


def test_a_wrong_password_can_be_put_right(server):
    user = server.register("mistypes")
    path = CLIENT + "/delete_devices"
    session = user.call("POST", path, {"devices": ["X"]}).json["session"]
    wrong = user.call("POST", path, {"devices": ["X"], "auth": by_password(user, session, "no")})
    assert wrong.json["completed"] == [] and wrong.json["session"] == session
    refused(wrong, 401, "M_FORBIDDEN")
    user.ok("POST", path, {"devices": ["X"], "auth": by_password(user, session)})
