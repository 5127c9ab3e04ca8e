"""Accounts that administrators have locked, suspended, limited or ended, as their owners meet them on every process."""

import time

import pytest

from lib.admin import V1, V2, administrator, path
from lib.server import quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"


@pytest.fixture(scope="module")
def boss(server):
    return administrator(server, f"states-{time.time_ns()}")


def refused(answer, status, errcode):
    assert (answer.status, answer.json["errcode"]) == (status, errcode), answer
    return answer.json


def processes(server):
    return [server.worker_url(name) for name in ("main", "generic_worker1", "generic_worker2")]


def by_password(user):
    return {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id}, "password": "a good password"}


def test_a_locked_account(server, boss):
    user = server.register()
    for base in processes(server):
        user.ok("GET", CLIENT + "/account/whoami", base=base)
    boss.ok("PUT", path(V2, "users", user.user_id), {"locked": True})
    for base in processes(server):
        until(lambda: user.call("GET", CLIENT + "/account/whoami", base=base).status == 401)
        assert refused(user.call("GET", CLIENT + "/sync", base=base), 401, "M_USER_LOCKED")["soft_logout"] is True
        assert refused(request("POST", base + CLIENT + "/login", by_password(user)), 401, "M_USER_LOCKED")["soft_logout"] is True
    boss.ok("PUT", path(V2, "users", user.user_id), {"locked": False})
    until(lambda: user.call("GET", CLIENT + "/account/whoami").status == 200)
    boss.ok("PUT", path(V2, "users", user.user_id), {"locked": True})
    until(lambda: user.call("GET", CLIENT + "/account/whoami").status == 401)
    user.ok("POST", CLIENT + "/logout", {})  # leaving is always possible
    until(lambda: user.call("GET", CLIENT + "/account/whoami").json["errcode"] == "M_UNKNOWN_TOKEN")


def test_a_suspended_account(server, boss):
    user, other = server.register(), server.register()
    room, open_room, asked = user.create_room(preset="public_chat"), other.create_room(preset="public_chat"), other.create_room()
    other.join(room)
    other.invite(asked, user)
    own, foreign = user.send(room, "own"), other.send(room, "foreign")
    boss.ok("PUT", path(V1, "suspend", user.user_id), {"suspend": True})
    name = f"{CLIENT}/profile/{quote(user.user_id)}/displayname"
    for base in processes(server):
        until(lambda: user.call("PUT", name, {"displayname": "x"}, base=base).status == 403)
        refused(user.call("PUT", name, {"displayname": "x"}, base=base), 403, "M_USER_SUSPENDED")
        user.ok("GET", CLIENT + "/account/whoami", base=base)
    there = f"{CLIENT}/rooms/{quote(room)}"
    for method, what, body in (("PUT", there + "/send/m.room.message/t1", {"msgtype": "m.text", "body": "x"}),
                               ("PUT", there + "/state/m.room.topic/", {"topic": "x"}), ("POST", there + "/invite", {"user_id": other.user_id}),
                               ("PUT", f"{there}/redact/{quote(foreign)}/r1", {}), ("POST", there + "/ban", {"user_id": other.user_id}),
                               ("POST", f"{CLIENT}/join/{quote(open_room)}", {}), ("POST", f"{CLIENT}/join/{quote(asked)}", {}),
                               ("POST", CLIENT + "/createRoom", {}), ("POST", there + "/upgrade", {"new_version": "11"})):
        refused(user.call(method, what, body), 403, "M_USER_SUSPENDED")
    user.ok("PUT", f"{there}/redact/{quote(own)}/r2", {})
    user.ok("PUT", f"{there}/typing/{quote(user.user_id)}", {"typing": True})
    user.ok("POST", f"{CLIENT}/rooms/{quote(asked)}/leave", {})
    user.ok("POST", there + "/leave", {})
    boss.ok("PUT", path(V1, "suspend", user.user_id), {"suspend": False})
    until(lambda: user.call("PUT", name, {"displayname": "x"}).status == 200)


def test_a_shadow_banned_account(server, boss):
    """Told that all went well; nobody else hears of it."""
    user, other, third = server.register(), server.register(), server.register()
    room = user.create_room(preset="public_chat")
    other.join(room)
    boss.ok("POST", path(V1, "users", user.user_id, "shadow_ban"), {})
    base = server.worker_url("generic_worker1")

    def unheard():
        sent = user.send(room, "unheard", base=base)
        assert sent.startswith("$")
        return other.call("GET", f"{CLIENT}/rooms/{quote(room)}/event/{quote(sent)}").status == 404

    until(unheard)  # from when the process has heard of it
    heard = sum(e["content"].get("body") == "unheard" for e in other.messages(room)["chunk"])
    user.send(room, "unheard", base=base)
    user.ok("POST", f"{CLIENT}/rooms/{quote(room)}/invite", {"user_id": third.user_id}, base=base)
    made = user.ok("POST", CLIENT + "/createRoom", {"invite": [third.user_id]}, base=base)["room_id"]
    assert sum(e["content"].get("body") == "unheard" for e in other.messages(room)["chunk"]) == heard
    answer = third.sync().get("rooms", {}).get("invite", {})
    assert room not in answer and made not in answer
    user.ok("GET", CLIENT + "/sync")


def test_an_account_that_an_administrator_ends(server, boss):
    user, friend = server.register(), server.register()
    room = user.create_room(preset="public_chat")
    friend.join(room)
    boss.ok("PUT", path(V2, "users", user.user_id), {"deactivated": True})
    for base in processes(server):
        until(lambda: user.call("GET", CLIENT + "/account/whoami", base=base).status == 401)
    until(lambda: friend.state(room, "m.room.member", user.user_id)["membership"] == "leave")
    assert boss.ok("GET", path(V2, "users", user.user_id))["deactivated"] is True
    refused(request("POST", server.base_url + CLIENT + "/login", by_password(user)), 403, "M_FORBIDDEN")


def test_a_rate_of_ones_own(server, boss):
    """ratelimit_override: fewer messages than the configuration allows, then as many as one likes."""
    user = server.register()
    room = user.create_room()
    boss.ok("POST", path(V1, "users", user.user_id, "override_ratelimit"), {"messages_per_second": 1, "burst_count": 2})
    base = server.worker_url("generic_worker1")

    def send(i):
        return user.call("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/r{i}", {"msgtype": "m.text", "body": "x"}, base=base)

    until(lambda: any(send(f"{time.time_ns()}-{i}").status == 429 for i in range(6)))
    assert refused(send("one"), 429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
    boss.ok("POST", path(V1, "users", user.user_id, "override_ratelimit"), {"messages_per_second": 0, "burst_count": 0})
    until(lambda: send(f"{time.time_ns()}").status == 200)
    assert [send(f"free{i}").status for i in range(20)] == [200] * 20
