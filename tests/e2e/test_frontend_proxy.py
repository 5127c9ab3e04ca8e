"""The role frontend_proxy: what it answers itself, what it passes on and how, and what it says when nobody is there."""

import http.client
import json
import os
import socket
import subprocess
import threading

import pytest

from deployment.deployment import Deployment
from deployment.layout import Worker
from lib.findings import findings
from lib.server import Server, quote, request
from lib.upstream import Upstream, reply, silent
from lib.wait import until

APP = "synapse.app.frontend_proxy"


@pytest.fixture(scope="module")
def played():
    upstream = Upstream()
    yield upstream
    upstream.stop()


@pytest.fixture(scope="module")
def server(build, folder, postgres, played):
    """Main with presence, one proxy to it, one without presence, and one to a server that the tests play."""
    postgres.sql("DROP DATABASE IF EXISTS e2e_frontend")
    to_played = {"worker_main_http_uri": played.url, "frontend_proxy": {"timeout": 1500}}
    workers = [Worker("proxy1", APP, ["client"]), Worker("proxy2", APP, ["client"], extra={"presence": {"enabled": False}}),
               Worker("proxy3", APP, ["client", "federation"], extra={**to_played, "presence": {"enabled": False}}),
               Worker("nowhere", APP, ["client"], extra={"worker_main_http_uri": "http://127.0.0.1:1"})]
    d = Deployment(os.path.join(folder, "frontend"), build, postgres, database="e2e_frontend", workers=workers, front=False, bcrypt_rounds=4,
                   stream_writers={"events": "master"}, extra_config={"stream_writers": {}})
    try:
        d.start()
        server = Server(d)
        server.base_url = server.worker_url("proxy1")
        yield server
    finally:
        clean = d.stop()
    assert clean and not findings(os.path.join(d.folder, "logs"))


@pytest.fixture(scope="module")
def alice(server):
    return server.register("alice")


@pytest.fixture(autouse=True)
def forget(played):
    played.got.clear()
    played.answer = lambda seen, sock: reply(b'{"from":"played"}')


def keys(user, n):
    return {f"signed_curve25519:{user.device_id}{i}": {"key": "x" * 43, "signatures": {}} for i in range(n)}


# ---- what it answers itself ----


@pytest.mark.parametrize("version", ["api/v1", "r0", "v3", "unstable"])
def test_a_count_costs_the_server_behind_nothing(server, alice, played, version):
    answer = alice.call("POST", f"/_matrix/client/{version}/keys/upload", {}, base=server.worker_url("proxy3"))
    assert answer.status == 200 and set(answer.json) == {"one_time_key_counts"}
    assert alice.call("POST", f"/_matrix/client/{version}/keys/upload/{alice.device_id}", {}, base=server.worker_url("proxy3")).status == 200
    assert played.got == []


def test_keys_are_stored_by_main_and_counted_here(server):
    user = server.register()
    stored = user.ok("POST", "/_matrix/client/v3/keys/upload", {"one_time_keys": keys(user, 3)})
    assert stored["one_time_key_counts"]["signed_curve25519"] == 3
    assert user.ok("POST", "/_matrix/client/v3/keys/upload", {}, base=server.worker_url("proxy3")) == stored


def test_keys_travel_with_their_authorisation(server, alice, played):
    body = {"one_time_keys": keys(alice, 1)}
    answer = alice.call("POST", "/_matrix/client/v3/keys/upload", body, base=server.worker_url("proxy3"))
    assert answer.json == {"from": "played"}
    [seen] = played.got
    assert (seen.method, seen.target, json.loads(seen.body)) == ("POST", "/_matrix/client/v3/keys/upload", body)
    assert seen.header("Authorization") == f"Bearer {alice.token}" and seen.all("X-Forwarded-For") == ["127.0.0.1"]


def test_nobody_counts_without_a_token(server, played):
    answer = request("POST", server.worker_url("proxy3") + "/_matrix/client/v3/keys/upload", {})
    assert (answer.status, answer.json["errcode"]) == (401, "M_MISSING_TOKEN") and played.got == []


# ---- presence ----


def test_without_presence_a_status_is_not_written(server, alice, played):
    path = f"/_matrix/client/v3/presence/{quote(alice.user_id)}/status"
    before = server.sql("SELECT stream_id, state FROM presence_stream")
    for proxy in ("proxy2", "proxy3"):
        assert alice.ok("PUT", path, {"presence": "unavailable", "status_msg": "away"}, base=server.worker_url(proxy)) == {}
    assert played.got == [] and server.sql("SELECT stream_id, state FROM presence_stream") == before
    assert alice.ok("GET", path, base=server.worker_url("proxy3")) == {"from": "played"}
    assert [seen.target for seen in played.got] == [path]
    assert request("PUT", server.worker_url("proxy3") + path, {}).status == 401


def test_with_presence_both_are_passed_on(server, alice):
    path = f"/_matrix/client/v3/presence/{quote(alice.user_id)}/status"
    assert alice.ok("PUT", path, {"presence": "unavailable", "status_msg": "out"}) == {}
    assert alice.ok("GET", path)["status_msg"] == "out"
    bad = alice.call("PUT", path, {"presence": "dancing"})
    assert bad.status == 400  # main's own refusal


# ---- everything else ----


def test_a_conversation_through_it(server):
    bob, carol = server.register(), server.register()
    room = bob.create_room(preset="public_chat")
    carol.join(room)
    since = carol.sync()["next_batch"]
    heard = []
    listener = threading.Thread(target=lambda: heard.append(carol.sync(since, timeout=20000)))
    listener.start()
    event = bob.send(room, "hello")
    listener.join()
    assert event in [e["event_id"] for e in heard[0]["rooms"]["join"][room]["timeline"]["events"]]
    missing = bob.call("GET", "/_matrix/client/v3/no/such/thing")
    assert (missing.status, missing.json["errcode"]) == (404, "M_UNRECOGNIZED")


def raw(server, text, proxy="proxy3", read=65536):
    """The answer up to the end of the connection, which the request asks for."""
    with socket.create_connection(("127.0.0.1", int(server.worker_url(proxy).rpartition(":")[2])), timeout=10) as sock:
        sock.sendall(text)
        out = b""
        while (piece := sock.recv(read)):
            out += piece
    return out


def test_what_belongs_to_one_connection_stays_there(server, played):
    played.answer = lambda seen, sock: reply(b"{}", "200 OK", "Connection: X-Backstage", "X-Backstage: 1", "X-Kept: 2", "Keep-Alive: timeout=5",
                                             "Upgrade: websocket", "Set-Cookie: a=b", "Set-Cookie: c=d")
    answer = raw(server, b"GET /_matrix/client/v3/thing?a=%2F&b=x%20y HTTP/1.1\r\nHost: example.org:8448\r\nConnection: X-Private, Upgrade, Authorization, close\r\n"
                         b"X-Private: 1\r\nX-Public: 2\r\nUpgrade: websocket\r\nTE: trailers\r\nKeep-Alive: 300\r\nProxy-Connection: x\r\n"
                         b"X-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Ganglion-Address: 6.6.6.6\r\n"
                         b"Authorization: Bearer t\r\nX-Forwarded-For: 192.0.2.7, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n")
    [seen] = played.got
    assert seen.target == "/_matrix/client/v3/thing?a=%2F&b=x%20y" and seen.header("Host") == "example.org:8448"
    names = {name for name, _ in seen.headers}
    assert names == {"host", "x-public", "authorization", "x-forwarded-for", "x-forwarded-proto"}
    assert seen.all("X-Forwarded-For") == ["192.0.2.7"] and seen.header("X-Forwarded-Proto") == "https"
    head = answer.partition(b"\r\n\r\n")[0].decode().lower()
    assert "x-kept: 2" in head and "set-cookie: a=b" in head and "set-cookie: c=d" in head
    assert "x-backstage" not in head and "upgrade:" not in head and "keep-alive: timeout" not in head


def test_connections_are_kept_on_both_sides(server, played):
    before = played.connections
    client = http.client.HTTPConnection("127.0.0.1", int(server.worker_url("proxy3").rpartition(":")[2]), timeout=10)
    for i in range(10):
        client.request("GET" if i % 2 else "POST", f"/_matrix/client/v3/n/{i}", body=b"" if i % 2 else b"{}")
        assert client.getresponse().read() == b'{"from":"played"}'
    client.close()
    assert len(played.got) == 10 and played.connections - before <= 1
    assert len({seen.connection for seen in played.got}) == 1


def test_a_connection_that_ended_meanwhile_is_replaced(server, played):
    played.answer = lambda seen, sock: reply(b'{"n":1}', "200 OK", "Connection: close") if seen.target.endswith("1") else reply(b'{"n":2}')
    for i in (1, 2, 1, 2):
        assert request("GET", f"{server.worker_url('proxy3')}/_matrix/client/v3/n/{i}").json == {"n": i}


def test_bodies_stream_both_ways(server, played):
    """What the client sends is at the server behind before all of it is sent, and what that answers is at the client likewise."""
    go_on = threading.Event()

    def answer(seen, sock):
        assert seen.body[:5] == b"first" and len(seen.body) == 5 + 3_000_000
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")
        go_on.wait(10)
        for _ in range(100):
            sock.sendall(b"7530\r\n" + b"d" * 30000 + b"\r\n")
        return b"0\r\n\r\n"

    played.answer = answer
    sock = socket.create_connection(("127.0.0.1", int(server.worker_url("proxy3").rpartition(":")[2])), timeout=10)
    sock.sendall(b"POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    until(lambda: played.got)  # its head is there: nobody waited for the rest
    for _ in range(100):
        sock.sendall(b"7530\r\n" + b"u" * 30000 + b"\r\n")
    sock.sendall(b"0\r\n\r\n")
    response = http.client.HTTPResponse(sock)
    response.begin()
    assert response.read(5) == b"early"  # before the end of the answer exists
    go_on.set()
    assert response.read() == b"d" * 3_000_000
    sock.close()


def test_a_client_that_does_not_read_holds_its_answer_up_and_nothing_else(server, played):
    """Back-pressure: the server behind can send no more than what fits between; the proxy holds only as much as its bounds say."""
    sent = []

    def answer(seen, sock):
        if "big" not in seen.target:
            return reply(b"{}")
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        sock.settimeout(1)
        try:
            while sum(sent) < 200_000_000:
                sent.append(sock.send(b"x" * 65536))
        except OSError:
            pass
        return None

    played.answer = answer
    sock = socket.create_connection(("127.0.0.1", int(server.worker_url("proxy3").rpartition(":")[2])), timeout=10)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.sendall(b"GET /_matrix/client/v3/big HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: sum(sent) > 500_000)
    assert request("GET", server.worker_url("proxy3") + "/_matrix/client/v3/small").status == 200
    process = server.deployment.processes["proxy3"]
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as f:
        pss = next(int(line.split()[1]) for line in f if line.startswith("Pss_Anon:"))
    assert sum(sent) < 50_000_000 and pss < 400_000
    sock.close()


def test_a_hang_up_reaches_the_server_behind(server, played):
    ended = threading.Event()

    def answer(seen, sock):
        sock.settimeout(10)
        if sock.recv(1) == b"":
            ended.set()
        return None

    played.answer = answer
    sock = socket.create_connection(("127.0.0.1", int(server.worker_url("proxy3").rpartition(":")[2])), timeout=10)
    sock.sendall(b"GET /_matrix/client/v3/sync?timeout=30000 HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: played.got)
    sock.close()
    assert ended.wait(10)


def test_a_refusal_that_comes_early(server, played):
    """The server behind need not wait for a body that it will not take; and the connection of half a request is of no more use."""
    played.early = reply(b'{"errcode":"M_TOO_LARGE"}', "413 Too Large")
    try:
        sock = socket.create_connection(("127.0.0.1", int(server.worker_url("proxy3").rpartition(":")[2])), timeout=10)
        sock.sendall(b"POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\nx")
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert (answer.status, answer.read()) == (413, b'{"errcode":"M_TOO_LARGE"}')
    finally:
        played.early = None
    [seen] = played.got
    assert seen.ended.wait(10) and seen.rest in (b"", b"x")
    assert request("GET", server.worker_url("proxy3") + "/_matrix/client/v3/next").json == {"from": "played"}
    sock.close()


def test_an_empty_body_stays_one(server, played):
    for framing in (b"Content-Length: 0\r\n", b""):
        raw(server, b"POST /_matrix/media/v3/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + framing + b"\r\n")
    assert [seen.header("Content-Length") for seen in played.got] == ["0", None]


def test_head_and_empty_answers(server, played):
    played.answer = lambda seen, sock: b"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n" if seen.method == "HEAD" else b"HTTP/1.1 204 No Content\r\n\r\n"
    client = http.client.HTTPConnection("127.0.0.1", int(server.worker_url("proxy3").rpartition(":")[2]), timeout=10)
    for _ in range(2):
        client.request("HEAD", "/_matrix/media/v3/x")
        answer = client.getresponse()
        assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, "77", b"")
        client.request("DELETE", "/_matrix/client/v3/x")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (204, b"")
    client.close()


# ---- when it cannot ----


def refused(answer, status):
    assert answer.status == status and answer.json["errcode"] == "M_UNKNOWN" and answer.json["error"], answer


def test_nobody_behind(server, alice):
    refused(alice.call("GET", "/_matrix/client/v3/sync", base=server.worker_url("nowhere")), 502)
    refused(alice.call("POST", "/_matrix/client/v3/keys/upload", {"one_time_keys": keys(alice, 1)}, base=server.worker_url("nowhere")), 502)
    assert alice.call("POST", "/_matrix/client/v3/keys/upload", {}, base=server.worker_url("nowhere")).status == 200


@pytest.mark.parametrize("garbage", [None, b"no HTTP at all\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"])
def test_no_answer_that_is_one(server, played, garbage):
    played.answer = lambda seen, sock: garbage
    refused(request("POST", server.worker_url("proxy3") + "/_matrix/client/v3/thing", {}), 502)
    assert len(played.got) == 1  # who knows whether it was done: not sent again


def test_an_answer_that_takes_too_long(server, played):
    played.answer = silent(25)
    refused(request("GET", server.worker_url("proxy3") + "/_matrix/client/v3/thing"), 504)


def test_an_answer_that_breaks_off_is_cut(server, played):
    def answer(seen, sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    played.answer = answer
    with pytest.raises(http.client.IncompleteRead):
        request("GET", server.worker_url("proxy3") + "/_matrix/client/v3/thing")


def test_what_is_not_for_clients(server, played):
    for path in ("/_synapse/replication/x", "/_ganglion/forward/_matrix/client/versions", "/_synapse/metrics", "/metrics"):
        assert request("GET", server.worker_url("proxy3") + path).status == 404
    assert request("GET", server.worker_url("proxy1") + "/_matrix/federation/v1/version").status == 404  # the listener is for clients
    assert request("GET", server.worker_url("proxy3") + "/_matrix/federation/v1/version").status == 200
    assert [seen.target for seen in played.got] == ["/_matrix/federation/v1/version"]


@pytest.mark.parametrize("uri", [None, "127.0.0.1:8008", "http://", "http://x:99999", "http://x:80/path"])
def test_it_does_not_start_without_an_address(server, folder, uri):
    path = os.path.join(folder, "lost.yaml")
    lines = [f"worker_app: {APP}", "worker_name: proxy1", *([f"worker_main_http_uri: '{uri}'"] if uri else [])]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    d = server.deployment
    done = subprocess.run([d.binary, "-c", d.config_paths()[0], "-c", path], capture_output=True, text=True, timeout=20, check=False, env=d.environment())
    assert done.returncode != 0 and "worker_main_http_uri" in done.stderr


def test_generated_proxies_send_it_keys_and_nothing_else(server):
    text = server.deployment.routes("nginx")
    pool = next(line.split()[1] for line in text.splitlines() if line.startswith("upstream") and "frontend" in line)
    sent = [line for line in text.splitlines() if line.endswith(f" {pool};") and "proxy_pass" not in line]
    assert sent and all("keys/upload" in line for line in sent)
