"""The generated nginx and HAProxy files: accepted by both programs, and requests go where they should."""

import http.client
import http.server
import json
import socket
import subprocess
import threading
import time

import pytest
from sdk_support import run

from deployment.ports import free_port

NAMES = ["main", "worker1", "worker2", "media1"]


class Answer(http.server.BaseHTTPRequestHandler):
    """Says who got the request, and what the proxy added to it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({"who": self.server.who, "path": self.path,
                           "for": self.headers.get("X-Forwarded-For")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_OPTIONS = do_HEAD = answer

    def log_message(self, *arguments):
        pass


class FakeProcess(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Health checks of HAProxy end with a reset."""


def worker(name, app, port, resources):
    return (f"worker_app: synapse.app.{app}\nworker_name: {name}\nworker_listeners:\n"
            f"  - {{port: {port}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: {resources}}}]}}\n")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    """Fake processes that answer with their names, and the files of a deployment that consists of them."""
    folder = tmp_path_factory.mktemp("deployment")
    servers = {}
    for name in NAMES:
        server = FakeProcess(("127.0.0.1", 0), Answer)
        server.who = name
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers[name] = server
    ports = {name: server.server_address[1] for name, server in servers.items()}
    (folder / "workers").mkdir()
    (folder / "homeserver.yaml").write_text(f"""
server_name: localhost
report_stats: false
enable_media_repo: false
database: {{name: psycopg2, args: {{host: 127.0.0.1, dbname: nothing}}}}
redis: {{enabled: true}}
instance_map: {{main: {{host: 127.0.0.1, port: 9093}}, worker2: {{host: 127.0.0.1, port: 9094}}}}
stream_writers: {{typing: worker2}}
listeners:
  - {{port: {ports['main']}, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [client, federation]}}]}}
  - {{port: 9093, type: http, bind_addresses: [127.0.0.1], resources: [{{names: [replication]}}]}}
ganglion:
  pools: {{initial_sync: [worker2], login: [main], bridge: [worker1]}}
""")
    (folder / "log.yaml").write_text("version: 1\nhandlers: {}\nroot: {level: INFO}\n")
    for name in ("worker1", "worker2"):
        (folder / "workers" / f"{name}.yaml").write_text(worker(name, "generic_worker", ports[name], "[client, federation]"))
    (folder / "workers" / "media1.yaml").write_text(worker("media1", "media_repository", ports["media1"], "[media]"))
    yield folder
    for server in servers.values():
        server.shutdown()
        server.server_close()


def wait_for(port, process):
    for _ in range(100):
        assert process.poll() is None, process.stderr.read()
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the proxy does not listen")


def generate(ganglion, fixtures, deployment, form, port):
    return ganglion("routes", "--plugin-dir", fixtures / "roles", "-c", deployment, "--format", form, "--listen",
                    f"127.0.0.1:{port}").stdout


def start_nginx(text, folder, port):
    (folder / "ganglion.conf").write_text(text)
    paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr crit; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off; {paths} include {folder}/ganglion.conf; }}\n")
    run("nginx", "-t", "-c", folder / "nginx.conf")
    return subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE, text=True)


def start_haproxy(text, folder, port):
    (folder / "haproxy.cfg").write_text(text)
    run("haproxy", "-c", "-f", folder / "haproxy.cfg")
    return subprocess.Popen(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxy(request, ganglion, fixtures, deployment, tmp_path_factory):
    port = free_port()
    folder = tmp_path_factory.mktemp(request.param)
    text = generate(ganglion, fixtures, deployment, request.param, port)
    process = (start_nginx if request.param == "nginx" else start_haproxy)(text, folder, port)
    wait_for(port, process)
    yield port
    process.terminate()
    process.wait(20)


def ask(port, method, path, headers=None, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body=body, headers=headers or {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text) if response.status == 200 and text else None


def who(port, method, path, **more):
    status, answer = ask(port, method, path, **more)
    assert status == 200, (method, path, status)
    return answer["who"]


def bearer(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


def test_sync_stays_with_the_user(proxy):
    seen = {}
    for user in range(40):
        got = {who(proxy, "GET", "/_matrix/client/v3/sync?since=s1", **bearer(f"syt_user{user}_{device}_x"))
               for device in ("abc", "def", "ghi")}
        assert len(got) == 1, "devices of one user were sent to different processes"
        seen[user] = got.pop()
    assert set(seen.values()) == {"worker1", "worker2"}


def test_sync_with_a_token_in_the_query(proxy):
    one = {who(proxy, "GET", "/_matrix/client/r0/sync?since=s&access_token=syt_bob_x_y") for _ in range(6)}
    assert len(one) == 1 and one <= {"worker1", "worker2"}


def test_first_syncs_have_processes_of_their_own(proxy):
    for path in ("/_matrix/client/v3/sync", "/_matrix/client/r0/sync?timeout=0", "/_matrix/client/r0/initialSync"):
        for user in range(8):
            assert who(proxy, "GET", path, **bearer(f"syt_u{user}_d_x")) == "worker2"


def test_events_stay_with_the_room(proxy):
    seen = set()
    for room in range(40):
        base = f"/_matrix/client/v3/rooms/!r{room}:x/"
        got = {who(proxy, "PUT", base + f"send/m.room.message/{i}") for i in range(3)}
        got.add(who(proxy, "POST", base + "send/m.room.message"))
        got.add(who(proxy, "GET", base + "messages?dir=b"))
        got.add(who(proxy, "GET", base.replace("/v3/", "/api/v1/") + "messages"))
        assert len(got) == 1
        seen |= got
    assert seen == {"worker1", "worker2"}


def test_bridges_have_processes_of_their_own(proxy):
    for room in range(12):
        path = f"/_matrix/client/v3/rooms/!b{room}:x/send/m.room.message/1?user_id=@irc_x:x"
        assert who(proxy, "PUT", path) == "worker1"


def test_writers_get_what_they_write(proxy):
    for room in range(6):
        assert who(proxy, "PUT", f"/_matrix/client/v3/rooms/!t{room}:x/typing/@a:x") == "worker2"


def test_login_apart(proxy):
    assert who(proxy, "POST", "/_matrix/client/v3/login") == "main"


def test_federation(proxy):
    got = {who(proxy, "PUT", f"/_matrix/federation/v1/send/{i}") for i in range(8)}
    assert len(got) == 1 and got <= {"worker1", "worker2"}, "one source goes to one process"
    got = {who(proxy, "GET", "/_matrix/federation/v1/event/$e") for _ in range(8)}
    assert got == {"worker1", "worker2"}


def test_media_goes_to_the_media_process(proxy):
    assert who(proxy, "GET", "/_matrix/media/v3/download/x/y") == "media1"


def test_everything_else_goes_to_main(proxy):
    for method, path in (("GET", "/_matrix/client/v3/rooms/!r:x/main_only"), ("GET", "/"), ("POST", "/no/such/path"),
                         ("POST", "/_matrix/client/v3/sync"), ("GET", "/_matrix/client/v3/rooms/!a%2Fb/x/messages")):
        assert who(proxy, method, path) == "main", (method, path)


def test_an_encoded_slash_stays_inside_its_segment(proxy):
    status, answer = ask(proxy, "GET", "/_matrix/client/v3/rooms/!a%2Fb:x/messages")
    assert status == 200 and answer["who"] in ("worker1", "worker2")
    assert answer["path"] == "/_matrix/client/v3/rooms/!a%2Fb:x/messages"


def test_an_encoded_room_is_the_same_room(proxy):
    for room in range(20):
        got = {who(proxy, "GET", f"/_matrix/client/v3/rooms/{spelled}/messages")
               for spelled in (f"!r{room}:x", f"%21r{room}:x", f"%21r{room}%3Ax")}
        assert len(got) == 1, f"spellings of room {room} were sent to different processes"


def test_preflights_go_where_the_request_will_go(proxy):
    headers = {"Access-Control-Request-Method": "PUT", "Origin": "https://x"}
    assert who(proxy, "OPTIONS", "/_matrix/client/v3/rooms/!r:x/typing/@a:x", headers=headers) == "worker2"


def test_calls_between_processes_are_never_exposed(proxy):
    for path in ("/_synapse/replication/secret/1", "/_synapse/%72eplication/secret/1", "/_ganglion/forward/x", "/metrics",
                 "/_synapse/metrics"):
        assert ask(proxy, "POST", path)[0] == 404, path


def test_the_client_address_cannot_be_forged(proxy):
    status, answer = ask(proxy, "GET", "/_matrix/client/versions", headers={"X-Forwarded-For": "6.6.6.6"})
    assert status == 200 and answer["for"] == "127.0.0.1"


def test_a_pool_that_is_none_is_refused(ganglion, fixtures, deployment, tmp_path):
    for pools, word in (("{nonsense: [worker1]}", "nonsense"), ("{sync: [nobody]}", "nobody")):
        text = (deployment / "homeserver.yaml").read_text()
        start = text.index("  pools:")
        (tmp_path / "homeserver.yaml").write_text(text[:start] + f"  pools: {pools}\n")
        done = ganglion("routes", "--plugin-dir", fixtures / "roles", "-c", tmp_path / "homeserver.yaml", "-c",
                        deployment / "workers", "--format", "nginx", ok=False)
        assert done.returncode == 1 and word in done.stderr


def test_json_has_one_entry_for_each_spelling(ganglion, fixtures):
    entries = json.loads(ganglion("routes", "--plugin-dir", fixtures / "roles", "--format", "json").stdout)
    sync = [e for e in entries if e["path"].endswith("/sync")]
    assert {e["path"] for e in sync} >= {"/_matrix/client/r0/sync", "/_matrix/client/v3/sync"}
    for entry in entries:
        assert set(entry) == {"method", "path", "worker_apps", "resource", "auth"}
        assert "(" not in entry["path"]
    assert sync[0]["auth"] == "guest" and sync[0]["resource"] == "client"
    # The installed roles are found too: one of the old single-purpose names serves clients where it has a listener for them.
    assert set(sync[0]["worker_apps"]) >= {"synapse.app.generic_worker", "synapse.app.homeserver"}
    assert "synapse.app.media_repository" not in sync[0]["worker_apps"]
