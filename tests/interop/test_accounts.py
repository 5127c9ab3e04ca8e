"""Accounts when a worker of either joins a main process of the other: one token table, one process that counts its ids."""

import pytest

from deployment.layout import Worker
from lib.server import Server, User, quote, request
from lib.wait import until

WORKER = "generic_worker1"
CLIENT = "/_matrix/client/v3"


def logged_in(server, base, path, body):
    answer = request("POST", base + CLIENT + path, body)
    assert answer.status == 200, answer
    return User(server, answer.json["user_id"], answer.json["access_token"], answer.json["device_id"])


@pytest.mark.parametrize("python", [{WORKER}, {"main"}], ids=["Synapse worker, Ganglion main", "Ganglion worker, Synapse main"])
def test_accounts_are_shared(mixed, python):
    name = "accounts_" + ("ours" if "main" not in python else "theirs")
    deployment = mixed(name, python=python, workers=[Worker(WORKER, "synapse.app.generic_worker", ["client", "federation"])],
                       stream_writers={"events": ["master"]})
    deployment.start()
    server = Server(deployment)
    main, worker = f"http://127.0.0.1:{deployment.main.port}", server.worker_url(WORKER)
    for i, base in enumerate((main, worker, main, worker)):
        user = logged_in(server, base, "/register", {"username": f"user{i}", "password": "pw", "auth": {"type": "m.login.dummy"}})
        again = [logged_in(server, b, "/login", {"type": "m.login.password", "user": f"user{i}", "password": "pw"}) for b in (main, worker)]
        for one in [user, *again]:
            for b in (main, worker):
                whoami = one.ok("GET", CLIENT + "/account/whoami", base=b)
                assert (whoami["user_id"], whoami["device_id"]) == (user.user_id, one.device_id)
        path = f"{CLIENT}/profile/{quote(user.user_id)}/displayname"
        for b in (worker, main):
            user.ok("PUT", path, {"displayname": f"changed at {b}"}, base=b)
            assert request("GET", main + path).json == request("GET", worker + path).json == {"displayname": f"changed at {b}"}
        again[0].ok("POST", CLIENT + "/logout", {}, base=main)
        until(lambda: again[0].call("GET", CLIENT + "/account/whoami", base=worker).status == 401)
        user.ok("GET", CLIENT + "/account/whoami", base=worker)
    assert deployment.complaints() == []


@pytest.mark.parametrize("python", [{WORKER}, {"main"}], ids=["Synapse worker, Ganglion main", "Ganglion worker, Synapse main"])
def test_sessions_are_gone_on_with(mixed, python):
    """Guests, half-finished registrations, refresh tokens and ended accounts, begun on one side and met on the other."""
    name = "sessions_" + ("ours" if "main" not in python else "theirs")
    deployment = mixed(name, python=python, workers=[Worker(WORKER, "synapse.app.generic_worker", ["client", "federation"])],
                       stream_writers={"events": ["master"]}, extra_config={"allow_guest_access": True})
    deployment.start()
    server = Server(deployment)
    main, worker = f"http://127.0.0.1:{deployment.main.port}", server.worker_url(WORKER)
    for i, (one, other) in enumerate(((main, worker), (worker, main))):
        guest = logged_in(server, one, "/register?kind=guest", {})
        for base in (one, other):
            assert guest.ok("GET", CLIENT + "/account/whoami", base=base)["is_guest"] is True
        asked = request("POST", one + CLIENT + "/register", {"username": f"half{i}", "password": "pw"})
        assert asked.status == 401
        user = logged_in(server, other, "/register", {"auth": {"type": "m.login.dummy", "session": asked.json["session"]}})
        assert user.user_id == f"@half{i}:{server.name}"
        again = request("POST", one + CLIENT + "/login",
                        {"type": "m.login.password", "user": f"half{i}", "password": "pw", "refresh_token": True}).json
        fresh = request("POST", main + CLIENT + "/refresh", {"refresh_token": again["refresh_token"]}).json
        for base in (one, other):
            User(server, user.user_id, fresh["access_token"], "").ok("GET", CLIENT + "/account/whoami", base=base)
        assert request("POST", main + CLIENT + "/refresh", {"refresh_token": again["refresh_token"]}).status == 403
        friend = logged_in(server, main, "/register", {"username": f"friend{i}", "password": "pw", "auth": {"type": "m.login.dummy"}})
        room = friend.ok("POST", CLIENT + "/createRoom", {"preset": "public_chat"}, base=main)["room_id"]
        user.ok("POST", f"{CLIENT}/join/{quote(room)}", {}, base=one)
        auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user.user_id}, "password": "pw"}
        base = one if "main" in python else main  # Synapse's workers do not end accounts
        user.ok("POST", CLIENT + "/account/deactivate", {"auth": auth, "erase": True}, base=base)
        for base in (one, other):
            until(lambda: user.call("GET", CLIENT + "/account/whoami", base=base).status == 401)
        path = f"{CLIENT}/rooms/{quote(room)}/state/m.room.member/{quote(user.user_id)}"
        until(lambda: friend.ok("GET", path, base=main)["membership"] == "leave")
    assert deployment.complaints() == []
