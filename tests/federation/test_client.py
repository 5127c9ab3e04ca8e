"""Asking other servers: signed, tried again, left alone when they do not answer, and only by the processes that may."""

import glob
import http.client
import os

import pytest

from conftest import deploy, problems
from lib.server import Server, quote
from lib.wait import until

PROFILE = r"/_matrix/federation/v1/query/profile"


@pytest.fixture(scope="module")
def admin(home):
    home.register("client_admin")
    home.sql(f"UPDATE users SET admin = 1 WHERE name = '@client_admin:{home.name}'")
    return home.login("client_admin")


def profile(user, remote, name="bob", **kwargs):
    return user.call("GET", f"/_matrix/client/v3/profile/{quote(remote.user(name))}", **kwargs)


def test_requests_are_signed(home, remote):
    remote.on("GET", PROFILE, (200, {"displayname": "Bob"}))
    answer = profile(home.register(), remote)
    assert answer.status == 200 and answer.json["displayname"] == "Bob", answer
    asked = remote.asked[-1]
    assert asked.origin == home.name
    assert asked.query["user_id"] == [remote.user("bob")]
    assert asked.headers["Host"] == remote.name
    assert asked.headers["User-Agent"].startswith("Ganglion/")


def test_the_name_that_is_called_in_tls(home, remote):
    """SNI: the host of the server's name, without its port; an address is no name to be called by (RFC 6066, 3)."""
    user, port = home.register(), remote.name.rpartition(":")[2]
    remote.on("GET", PROFILE, (200, {"displayname": "Bob"}))
    assert profile(user, remote).status == 200
    assert set(remote.called) == {"localhost"}
    answer = user.call("GET", f"/_matrix/client/v3/profile/{quote(f'@bob:127.0.0.1:{port}')}")
    assert answer.status == 200 and remote.asked[-1].headers["Host"] == f"127.0.0.1:{port}", answer
    assert None in remote.called and set(remote.called) == {"localhost", None}


def failed(home, remote):
    home.sql("INSERT INTO destinations (destination, failure_ts, retry_last_ts, retry_interval) VALUES "
             f"('{remote.name}', 1, extract(epoch from now()) * 1000, 600000)")
    return f"/_synapse/admin/v1/federation/destinations/{remote.name}"


def test_admins_end_a_backoff(home, remote, admin):
    path = failed(home, remote)
    assert admin.ok("GET", path)["retry_interval"] == 600000
    admin.ok("POST", path + "/reset_connection", {})
    row = admin.ok("GET", path)
    assert (row["retry_interval"], row["retry_last_ts"], row["failure_ts"]) == (0, 0, None)
    assert admin.call("POST", path + "/reset_connection", {}).status == 400


def test_contact_ends_a_backoff(home, remote, admin):
    """A server that asks us something is there."""
    path = failed(home, remote)
    user = home.register()
    remote.ok("GET", home.name, f"/_matrix/federation/v1/user/devices/{quote(user.user_id)}")
    row = until(lambda: (lambda row: row if row["retry_interval"] == 0 else None)(admin.ok("GET", path)), 10)
    assert (row["retry_last_ts"], row["failure_ts"]) == (0, None)


def test_a_dead_server_is_left_alone(home, remote, admin):
    user, asked = home.register(), {"device_keys": {remote.user("bob"): []}}
    remote.down = True
    failures = user.ok("POST", "/_matrix/client/v3/keys/query", asked)["failures"]
    assert failures[remote.name]["status"] == 503
    row = admin.ok("GET", f"/_synapse/admin/v1/federation/destinations/{remote.name}")
    assert row["retry_interval"] == 600000 and row["failure_ts"] == row["retry_last_ts"] > 0
    remote.down = False
    before = len(remote.asked)
    assert remote.name in user.ok("POST", "/_matrix/client/v3/keys/query", asked)["failures"]
    assert len(remote.asked) == before, "it was asked in spite of the backoff"


def test_a_refusal_is_no_failure(home, remote, admin):
    remote.on("GET", PROFILE, (404, {"errcode": "M_NOT_FOUND", "error": "no such user"}))
    assert profile(home.register(), remote).status == 404
    assert admin.call("GET", f"/_synapse/admin/v1/federation/destinations/{remote.name}").status == 404


# ---- outbound_federation_restricted_to ----

ALLOWED = "generic_worker1"


@pytest.fixture(scope="module")
def restricted(build, folder, postgres, authority):
    deployment = deploy("restricted", "split", build, folder, postgres, authority,
                        extra_config={"outbound_federation_restricted_to": [ALLOWED], "federation_whitelist_endpoint_enabled": True})
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        clean = deployment.stop()
    assert clean and not problems(deployment), problems(deployment)


def proxied(server):
    """How many requests each process has sent for others."""
    found = {}
    for path in glob.glob(os.path.join(server.deployment.folder, "logs", "*.log")):
        with open(path, encoding="utf-8", errors="replace") as f:
            found[os.path.basename(path)[:-4]] = sum("matrix-federation://" in line and "Processed request" in line for line in f)
    return {name: n for name, n in found.items() if n}


def test_only_the_listed_process_connects(restricted, remote):
    remote.on("GET", PROFILE, (200, {"displayname": "Bob"}))
    user = restricted.register()
    assert profile(user, remote, base=restricted.worker_url(ALLOWED)).status == 200
    assert not proxied(restricted), "it may connect by itself"
    answer = profile(user, remote, "carol", base=restricted.worker_url("generic_worker2"))
    assert answer.status == 200 and answer.json["displayname"] == "Bob", answer
    assert remote.asked[-1].origin == restricted.name and remote.asked[-1].query["user_id"] == [remote.user("carol")]
    assert until(lambda: proxied(restricted), 10) == {ALLOWED: 1}


def raw(server, name, target, headers):
    worker = next(w for w in server.deployment.workers if w.name == name)
    connection = http.client.HTTPConnection("127.0.0.1", worker.replication_port, timeout=20)
    try:
        connection.putrequest("GET", target, skip_host=True)
        for key, value in {"Host": "x", **headers}.items():
            connection.putheader(key, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_secret_is_asked_for(restricted, remote):
    secret = {"Proxy-Authorization": f"Bearer {restricted.deployment.replication_secret}"}
    target = f"matrix-federation://{remote.name}/_matrix/federation/v1/version"
    assert raw(restricted, ALLOWED, target, {})[0] == 401
    assert raw(restricted, ALLOWED, target, {"Proxy-Authorization": "Bearer wrong"})[0] == 401
    assert raw(restricted, ALLOWED, target, {"Authorization": secret["Proxy-Authorization"]})[0] == 401
    assert not remote.asked
    status, body = raw(restricted, ALLOWED, target, secret)
    assert status == 200 and b'"server"' in body
    assert raw(restricted, ALLOWED, "matrix-federation://not a server/x".replace(" ", "%20"), secret)[0] == 400
    assert raw(restricted, "generic_worker2", target, secret)[0] == 502, "it may not connect either"
    remote.down = True
    assert raw(restricted, ALLOWED, target, secret)[0] == 502


def test_clients_may_ask_for_the_whitelist(home, restricted):
    path = "/_synapse/client/v1/config/federation_whitelist"
    assert restricted.register().ok("GET", path) == {"whitelist_enabled": False, "whitelist": []}
    assert home.register().call("GET", path).status == 404
