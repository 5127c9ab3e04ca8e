"""Accounts when a worker of either joins a main process of the other: one token table, one process that counts its ids."""

import time

import pytest

from deployment.layout import Worker
from lib.server import Server, User, quote, request

WORKER = "generic_worker1"
CLIENT = "/_matrix/client/v3"


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)


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
        within(10, lambda: again[0].call("GET", CLIENT + "/account/whoami", base=worker).status == 401)
        user.ok("GET", CLIENT + "/account/whoami", base=worker)
    assert deployment.complaints() == []
