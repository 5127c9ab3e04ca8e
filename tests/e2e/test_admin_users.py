"""The admin API about accounts: who may, what is told, what changes and who hears of it."""

import itertools
import time

import pytest

from deployment.process import wait_until
from lib.admin import V1, V2, administrator, path
from lib.rooms import CLIENT, act, refused
from lib.server import User, quote, request

_names = itertools.count(1)


@pytest.fixture(scope="module")
def boss(server):
    return administrator(server, f"boss{next(_names)}")


def user_path(user, *parts, version=V1):
    return path(version, "users", getattr(user, "user_id", user), *parts)


def whoami(user, base=None):
    return user.call("GET", f"{CLIENT}/account/whoami", base=base)


def locked_out(user, errcode):
    """Whoever answers hears of it a moment later."""
    wait_until(errcode, lambda: (whoami(user).json or {}).get("errcode") == errcode)


def test_only_administrators(server, boss):
    user = server.register()
    for method, where in (("GET", f"{V2}/users"), ("GET", user_path(user, version=V2)), ("PUT", user_path(user, version=V2)),
                          ("POST", path(V1, "reset_password", user.user_id)), ("GET", f"{V1}/registration_tokens")):
        refused(user.call(method, where, {} if method != "GET" else None), 403, "M_FORBIDDEN")
        refused(request(method, server.base_url + where, {} if method != "GET" else None), 401, "M_MISSING_TOKEN")
    refused(user.call("GET", path(V1, "whois", boss.user_id)), 403, "M_FORBIDDEN")
    assert user.ok("GET", path(V1, "whois", user.user_id))["user_id"] == user.user_id
    for prefix in ("r0", "v3", "unstable", "api/v1"):
        seen = user.ok("GET", f"/_matrix/client/{prefix}/admin/whois/{quote(user.user_id)}")
        assert seen["devices"][""]["sessions"][0]["connections"] is not None
    refused(boss.call("GET", path(V1, "whois", "@nobody:elsewhere")), 400)
    refused(boss.call("GET", path(V1, "whois", "nonsense")), 400, "M_INVALID_PARAM")


def test_create_modify_and_read(server, boss):
    name = f"made{next(_names)}"
    user_id = f"@{name}:{server.name}"
    where = user_path(user_id, version=V2)
    refused(boss.call("GET", where), 404, "M_NOT_FOUND")
    made = boss.call("PUT", where, {"password": "first password", "displayname": "Made", "avatar_url": "mxc://localhost/a",
                                    "threepids": [{"medium": "email", "address": f"{name}@example.org"}],
                                    "external_ids": [{"auth_provider": "oidc", "external_id": name}], "user_type": "bot"})
    assert made.status == 201, made
    assert made.json["displayname"] == "Made" and made.json["avatar_url"] == "mxc://localhost/a" and made.json["user_type"] == "bot"
    assert made.json["admin"] is False and made.json["deactivated"] is False and made.json["locked"] is False
    assert [t["address"] for t in made.json["threepids"]] == [f"{name}@example.org"]
    assert boss.ok("GET", path(V1, "threepid", "email", "users", f"{name}@example.org")) == {"user_id": user_id}
    assert boss.ok("GET", path(V1, "auth_providers", "oidc", "users", name)) == {"user_id": user_id}
    refused(boss.call("GET", path(V1, "auth_providers", "oidc", "users", "nobody")), 404, "M_NOT_FOUND")
    user = server.login(name, "first password")
    told = boss.ok("PUT", where, {"displayname": "Renamed", "password": "second password", "threepids": [], "user_type": None})
    assert told["displayname"] == "Renamed" and told["threepids"] == [] and told["user_type"] is None
    assert told == boss.ok("GET", where)
    locked_out(user, "M_UNKNOWN_TOKEN")  # a new password logs out
    user = server.login(name, "second password")
    boss.ok("PUT", where, {"password": "third password", "logout_devices": False})
    assert whoami(user).status == 200
    boss.ok("PUT", where, {"locked": True})
    locked_out(user, "M_USER_LOCKED")
    boss.ok("PUT", where, {"locked": False})
    wait_until("unlocked", lambda: whoami(user).status == 200)
    other = server.register()
    refused(boss.call("PUT", user_path(other, version=V2), {"external_ids": [{"auth_provider": "oidc", "external_id": name}]}), 409)
    for bad in ({"admin": "yes"}, {"password": 1}, {"password": "x" * 513}, {"locked": 1}, {"deactivated": "x"}, {"user_type": "strange"},
                {"threepids": [{"medium": "email"}]}, {"threepids": 1}, {"external_ids": [1]}, {"displayname": 1}, {"logout_devices": 0},
                {"deactivated": True, "locked": True}):
        assert boss.call("PUT", where, bad).status == 400, bad
    refused(boss.call("PUT", user_path("@x:elsewhere", version=V2), {}), 400)
    refused(boss.call("PUT", user_path("nonsense", version=V2), {}), 400)


def test_list(server, boss):
    tag = f"listed{next(_names)}x"
    users = [server.register(f"{tag}{i}") for i in range(5)]
    boss.ok("PUT", user_path(users[0], version=V2), {"displayname": "Zed"})
    boss.ok("PUT", user_path(users[1], version=V2), {"locked": True})
    boss.ok("PUT", user_path(users[2], version=V2), {"user_type": "bot"})
    boss.ok("PUT", user_path(users[3], "admin"), {"admin": True})

    def names(version="v2", **query):
        answer = boss.ok("GET", f"/_synapse/admin/{version}/users", user_id=tag, **query)
        return [u["name"].split(":")[0][-1] for u in answer["users"]], answer

    assert names()[0] == ["0", "2", "3", "4"] and names()[1]["total"] == 4
    assert names(locked="true")[0] == ["0", "1", "2", "3", "4"]
    assert names(admins="true")[0] == ["3"] and names(admins="false")[0] == ["0", "2", "4"]
    assert names(not_user_type="bot")[0] == ["0", "3", "4"] and names(not_user_type="")[0] == ["2"]
    assert names(dir="b")[0] == ["4", "3", "2", "0"]
    assert names(order_by="displayname", dir="b")[0][-1] == "0" and names(order_by="admin", dir="b")[0][0] == "3"
    assert names("v3", deactivated="true")[0] == []
    page, answer = names(limit=3)
    assert page == ["0", "2", "3"] and answer["next_token"] == "3"
    page, answer = names(**{"from": 3, "limit": 3})
    assert page == ["4"] and "next_token" not in answer
    assert [u["name"] for u in boss.ok("GET", f"{V2}/users", name="zed")["users"]] == [users[0].user_id]
    row = boss.ok("GET", f"{V2}/users", name="zed")["users"][0]
    assert set(row) == {"name", "user_type", "is_guest", "admin", "deactivated", "shadow_banned", "displayname", "avatar_url", "creation_ts",
                        "erased", "last_seen_ts", "locked"} and row["creation_ts"] > 1e12
    for bad in ({"from": -1}, {"limit": -1}, {"order_by": "x"}, {"dir": "x"}, {"guests": "x"}, {"limit": "x"}):
        refused(boss.call("GET", f"{V2}/users", **bad), 400, "M_INVALID_PARAM")
    assert boss.ok("GET", path(V1, "search_users", boss.user_id), term=tag)[0]["name"] == users[0].user_id


def test_flags_reach_every_process(server, boss):
    user = server.register()
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    for base in bases:
        assert whoami(user, base).status == 200  # now it is cached there
    assert boss.ok("GET", user_path(user, "admin")) == {"admin": False}
    boss.ok("PUT", user_path(user, "admin"), {"admin": True})
    for base in bases:  # each hears of it a moment later
        wait_until("may", lambda base=base: user.call("GET", user_path(user, "admin"), base=base).json == {"admin": True})
    boss.ok("PUT", user_path(user, "admin"), {"admin": False})
    for base in bases:
        wait_until("may not", lambda base=base: user.call("GET", user_path(user, "admin"), base=base).status == 403)
    refused(boss.call("PUT", user_path(boss, "admin"), {"admin": False}), 400)
    refused(boss.call("PUT", user_path(user, "admin"), {}), 400, "M_MISSING_PARAM")
    assert boss.ok("PUT", path(V1, "suspend", user.user_id), {"suspend": True}) == {f"user_{user.user_id}_suspended": True}
    assert boss.ok("GET", user_path(user, version=V2))["suspended"] is True
    refused(boss.call("PUT", path(V1, "suspend", user.user_id), {"suspend": 1}), 400)
    boss.ok("POST", user_path(user, "shadow_ban"), {})
    assert boss.ok("GET", user_path(user, version=V2))["shadow_banned"] is True
    boss.ok("DELETE", user_path(user, "shadow_ban"))
    assert boss.ok("GET", user_path(user, version=V2))["shadow_banned"] is False


def test_rate_limits(server, boss):
    user = server.register()
    where = user_path(user, "override_ratelimit")
    assert boss.ok("GET", where) == {}
    assert boss.ok("POST", where, {"messages_per_second": 2, "burst_count": 3}) == {"messages_per_second": 2, "burst_count": 3}
    assert boss.ok("GET", where) == {"messages_per_second": 2, "burst_count": 3}
    assert boss.ok("DELETE", where) == {} and boss.ok("GET", where) == {}
    assert boss.ok("POST", where, {}) == {"messages_per_second": 0, "burst_count": 0}
    for bad in ({"messages_per_second": -1}, {"burst_count": "x"}, {"burst_count": 1.5}):
        refused(boss.call("POST", where, bad), 400, "M_INVALID_PARAM")
    refused(boss.call("GET", user_path(f"@nobody:{server.name}", "override_ratelimit")), 404, "M_NOT_FOUND")


def test_login_as(server, boss):
    user = server.register()
    room = user.create_room(preset="public_chat")
    token = boss.ok("POST", user_path(user, "login"), {})["access_token"]
    puppet = User(server, user.user_id, token, None)
    assert whoami(puppet).json == {"user_id": user.user_id, "is_guest": False}
    assert puppet.send(room, "as somebody else")
    refused(boss.call("POST", user_path(boss, "login"), {}), 400)
    refused(boss.call("POST", user_path(user, "login"), {"valid_until_ms": "x"}), 400)
    short = User(server, user.user_id, boss.ok("POST", user_path(user, "login"), {"valid_until_ms": int(time.time() * 1000) - 1})["access_token"], None)
    locked_out(short, "M_UNKNOWN_TOKEN")


def test_passwords(server, boss):
    user = server.register()
    where = path(V1, "reset_password", user.user_id)
    boss.ok("POST", where, {"new_password": "another one", "logout_devices": False})
    assert whoami(user).status == 200
    again = server.login(user.user_id, "another one")
    boss.ok("POST", where, {"new_password": "a third one"})
    for gone in (user, again):
        locked_out(gone, "M_UNKNOWN_TOKEN")
    refused(boss.call("POST", where, {}), 400, "M_MISSING_PARAM")
    refused(boss.call("POST", where, {"new_password": 1}), 400)
    refused(boss.call("POST", path(V1, "reset_password", f"@nobody:{server.name}"), {"new_password": "x"}), 404, "M_NOT_FOUND")


def test_devices(server, boss):
    user = server.register()
    where = user_path(user, "devices", version=V2)
    assert [d["device_id"] for d in boss.ok("GET", where)["devices"]] == [user.device_id]
    assert boss.call("POST", where, {"device_id": "EXTRA"}).status == 201
    boss.ok("PUT", path(V2, "users", user.user_id, "devices", "EXTRA"), {"display_name": "named"})
    assert boss.ok("GET", path(V2, "users", user.user_id, "devices", "EXTRA"))["display_name"] == "named"
    assert boss.ok("GET", where)["total"] == 2
    boss.ok("DELETE", path(V2, "users", user.user_id, "devices", "EXTRA"), {})
    refused(boss.call("GET", path(V2, "users", user.user_id, "devices", "EXTRA")), 404, "M_NOT_FOUND")
    boss.ok("POST", user_path(user, "delete_devices", version=V2), {"devices": [user.device_id]})
    locked_out(user, "M_UNKNOWN_TOKEN")
    refused(boss.call("POST", where, {}), 400)
    refused(boss.call("POST", where, {"device_id": 1}), 400)
    refused(boss.call("POST", user_path(user, "delete_devices", version=V2), {}), 400, "M_MISSING_PARAM")
    refused(boss.call("POST", user_path(user, "delete_devices", version=V2), {"devices": "x"}), 400)
    refused(boss.call("GET", user_path("@x:elsewhere", "devices", version=V2)), 400)


def test_rooms_and_data_of_a_user(server, boss):
    alice, bob = server.register(), server.register()
    room, left = alice.create_room(preset="public_chat"), alice.create_room(preset="public_chat")
    bob.join(room)
    bob.join(left)
    act(bob, left, "leave")
    assert boss.ok("GET", user_path(bob, "joined_rooms")) == {"joined_rooms": [room], "total": 1}
    assert boss.ok("GET", user_path(bob, "memberships"))["memberships"] == {room: "join", left: "leave"}
    alice.invite(alice.create_room(), bob)
    assert boss.ok("GET", user_path(alice, "sent_invite_count"), from_ts=0) == {"invite_count": 1}
    assert boss.ok("GET", user_path(bob, "cumulative_joined_room_count"), from_ts=0) == {"cumulative_joined_room_count": 2}
    refused(boss.call("GET", user_path(bob, "sent_invite_count")), 400, "M_MISSING_PARAM")
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/account_data/x.y", {"a": 1})
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/rooms/{quote(room)}/account_data/x.z", {"b": 2})
    data = boss.ok("GET", user_path(bob, "accountdata"))["account_data"]
    assert data["global"]["x.y"] == {"a": 1} and data["rooms"][room]["x.z"] == {"b": 2}
    assert boss.ok("GET", user_path(bob, "pushers")) == {"pushers": [], "total": 0}
    found = boss.ok("GET", f"{V1}/statistics/users/media", search_term=bob.user_id[1:].split(":")[0], limit=1000)["users"]
    assert bob.user_id not in [user["user_id"] for user in found]


def test_names_and_features(server, boss):
    user = server.register()
    assert boss.ok("GET", f"{V1}/username_available", username="certainly.free") == {"available": True}
    refused(boss.call("GET", f"{V1}/username_available", username=user.user_id[1:].split(":")[0]), 400, "M_USER_IN_USE")
    refused(boss.call("GET", f"{V1}/username_available"), 400, "M_MISSING_PARAM")
    where = path(V1, "experimental_features", user.user_id)
    boss.ok("PUT", where, {"features": {"msc3881": True}})
    assert boss.ok("GET", where)["features"]["msc3881"] is True
    refused(boss.call("PUT", where, {"features": {"strange": True}}), 400)


def test_registration_tokens(server, boss):
    where = f"{V1}/registration_tokens"
    made = boss.ok("POST", f"{where}/new", {"uses_allowed": 3})
    assert len(made["token"]) == 16 and made == {"token": made["token"], "uses_allowed": 3, "pending": 0, "completed": 0, "expiry_time": None}
    name = f"named{next(_names)}"
    assert boss.ok("POST", f"{where}/new", {"token": name})["token"] == name
    refused(boss.call("POST", f"{where}/new", {"token": name}), 400, "M_INVALID_PARAM")
    assert boss.ok("PUT", path(V1, "registration_tokens", name), {"uses_allowed": 0})["uses_allowed"] == 0
    assert name in [t["token"] for t in boss.ok("GET", where, valid="false")["registration_tokens"]]
    assert name not in [t["token"] for t in boss.ok("GET", where, valid="true")["registration_tokens"]]
    assert {name, made["token"]} <= {t["token"] for t in boss.ok("GET", where)["registration_tokens"]}
    boss.ok("DELETE", path(V1, "registration_tokens", name))
    for method in ("GET", "PUT", "DELETE"):
        refused(boss.call(method, path(V1, "registration_tokens", name), {} if method == "PUT" else None), 404, "M_NOT_FOUND")
    for bad in ({"token": 1}, {"token": ""}, {"token": "x" * 65}, {"token": "a b"}, {"length": 0}, {"length": 65}, {"length": "x"},
                {"uses_allowed": -1}, {"uses_allowed": 1.5}, {"expiry_time": 1}, {"expiry_time": "x"}):
        refused(boss.call("POST", f"{where}/new", bad), 400, "M_INVALID_PARAM")


def test_who_is_not_there(server, boss):
    nobody = f"@nobody{next(_names)}:{server.name}"
    refused(boss.call("POST", user_path(nobody, "login"), {}), 404, "M_NOT_FOUND")
    refused(boss.call("POST", user_path(nobody, "shadow_ban"), {}), 404, "M_NOT_FOUND")
    refused(boss.call("DELETE", user_path(nobody, "shadow_ban")), 404, "M_NOT_FOUND")


def test_addresses_are_kept_as_they_are_looked_for(server, boss):
    name = f"mailed{next(_names)}"
    where = user_path(f"@{name}:{server.name}", version=V2)
    made = boss.call("PUT", where, {"password": "a good password", "threepids": [{"medium": "email", "address": f"{name.upper()}@Example.ORG"}]})
    assert [t["address"] for t in made.json["threepids"]] == [f"{name}@example.org"]
    for identifier in ({"address": f"{name}@EXAMPLE.org"}, {"address": f"{name}@example.org"}):
        assert request("POST", f"{server.base_url}{CLIENT}/login", {"type": "m.login.password", "password": "a good password", "identifier": {
            "type": "m.id.thirdparty", "medium": "email", **identifier}}).status == 200
    for wrong in ({"medium": "email", "address": "nonsense"}, {"medium": "pigeon", "address": "x"}, {"medium": "", "address": "x"}):
        refused(boss.call("PUT", where, {"threepids": [wrong]}), 400, "M_INVALID_PARAM")


@pytest.mark.parametrize("where", ("users?name=", "users?user_id=", "rooms?search_term=", "event_reports?room_id=", "user_reports?target_user_id=",
                                   "scheduled_tasks?action_name=", "statistics/users/media?search_term=", "federation/destinations?destination="))
def test_queries_that_are_no_text(boss, where):
    base = V2 if where.startswith("users") else V1
    for value in ("%FF", "a%00b", "%C3%28"):
        refused(boss.call("GET", f"{base}/{where}{value}"), 400, "M_INVALID_PARAM")
    boss.ok("GET", f"{base}/{where}%C3%A9")
