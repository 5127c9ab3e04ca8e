"""Each role is replaced while it is at work: what slow clients send and read goes on, TLS ends orderly, duties change hands without a double."""

import http.client
import json
import os
import threading

import pytest

from deployment.deployment import Deployment, Federation
from deployment.layout import split
from deployment.ports import free_port
from handover import PER_SECOND, SENDERS, Load, adopt_successors, hand_over
from lib import appservice
from lib.certificates import Authority
from lib.gateway import Gateway, pusher
from lib.remote import Remote
from lib.sending import shared_room
from lib.server import Server
from lib.wait import PATIENCE, until

UPLOAD, DOWNLOAD = "/_matrix/media/v3/upload", "/_matrix/client/v1/media/download/"
LARGE = 24_000_000  # more than the kernel holds for a reader that reads nothing


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(os.path.join(folder, "handover-certificates"))


@pytest.fixture(scope="module")
def roles(build, folder, postgres, authority):
    """The split, without a proxy; generic_worker1 listens with TLS, too."""
    postgres.sql("DROP DATABASE IF EXISTS handover_roles")
    registered, services = appservice.standard(os.path.join(folder, "handover-services"))
    workers = split({"pusher", "appservice", "federation_sender", "media_repository", "user_dir", "frontend_proxy"})
    federation = Federation(*authority.certificate(), authority.ca)
    deployment = Deployment(os.path.join(folder, "handover-roles"), build, postgres, database="handover_roles", front=False, workers=workers,
                            federation=federation, server_name=federation.server_name, bcrypt_rounds=4,
                            extra_config={"app_service_config_files": services, "max_upload_size": "100M"})
    first, tls = workers[0], free_port()
    secure = {"type": "http", "port": tls, "bind_addresses": ["127.0.0.1"], "tls": True, "resources": [{"names": ["client"]}]}
    first.extra = {"worker_listeners": first.listeners() + [secure]}
    bridge = appservice.Bridge(registered)
    try:
        deployment.start()
        server = Server(deployment)
        server.bridge, server.authority, server.tls_url = bridge, authority.ca, f"https://localhost:{tls}"
        yield server
    finally:
        adopt_successors(deployment)
        clean = deployment.stop()
        bridge.stop()
    assert clean, "a process had to be killed at the end"


def test_tls_ends_orderly(roles):
    """Whoever keeps a connection is told with an answer that it was the last one, and nothing that was sent is lost."""
    users = [roles.register(f"secure{i}") for i in range(6)]
    room = users[0].create_room(preset="public_chat")
    for user in users[1:]:
        user.join(room)
    plain, roles.base_url = roles.base_url, roles.tls_url
    try:
        with Load(roles, users, [room]) as load:
            for _ in range(2):
                before = len(load.sent)
                until(lambda: len(load.sent) > before + PER_SECOND / 4 or load.failures)
                hand_over(roles, "generic_worker1", lingers=True)
            until(lambda: {e for _, e in load.sent[:-SENDERS]} <= load.seen or load.failures)
            load.stopping.set()
            users[0].send(room, "the end", base=plain)
    finally:
        roles.base_url = plain
    print(f"{load.requests} requests, {load.again} sent anew, the slowest {load.slowest:.2f} s")
    assert not load.failures, load.failures[:3]


def connect(url, user, method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(url.rpartition(":")[2]), timeout=60)
    connection.putrequest(method, path)
    for name, value in {"Authorization": f"Bearer {user.token}", **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    return connection


def begin_upload(url, user, body):
    connection = connect(url, user, "POST", UPLOAD, Content_Length=str(len(body)), Content_Type="a/b")
    connection.send(body[: len(body) // 2])
    return connection


def test_slow_clients_of_media(roles):
    """A download that nobody reads and an upload that stands still, straight and through another worker, outlive both processes;
    meanwhile the successors serve."""
    alice, body = roles.register(), os.urandom(LARGE)
    straight, passing = (roles.worker_url(name) for name in ("media_repository1", "main"))
    stored = begin_upload(straight, alice, body)
    stored.send(body[len(body) // 2 :])
    path = DOWNLOAD + json.loads(stored.getresponse().read())["content_uri"].removeprefix("mxc://")
    downloads = [connect(url, alice, "GET", path) for url in (straight, passing)]
    heads = [connection.getresponse() for connection in downloads]
    assert all(head.status == 200 for head in heads)
    uploads = [begin_upload(url, alice, body) for url in (straight, passing)]
    scratch = os.path.join(roles.deployment.folder, "media", "ganglion_unfinished")
    until(lambda: os.path.isdir(scratch) and len(os.listdir(scratch)) == len(uploads))
    olds = [roles.deployment.processes[name] for name in ("media_repository1", "main")]
    old_pids = [(process, process.popen) for process in olds]
    for name in ("media_repository1", "main"):
        hand_over(roles, name, lingers=True)
    assert alice.call("GET", path, base=straight).text == body and alice.call("GET", path, base=passing).text == body
    assert all(popen.poll() is None for _, popen in old_pids), "an old process has not waited for its clients"
    for head in heads:
        assert head.read() == body
    for connection in uploads:
        connection.send(body[len(body) // 2 :])
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    for _, popen in old_pids:
        assert popen.wait(PATIENCE) == 0


def replaced_in_between(server, name, user, room):
    """Sends without a pause while the process is replaced; all events."""
    sent, stopping = [], threading.Event()

    def send():
        while not stopping.is_set():
            sent.append(user.send(room, f"message {len(sent)}"))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        until(lambda: len(sent) > 5)
        hand_over(server, name, lingers=True)
    finally:
        stopping.set()
        thread.join()
    return sent + [user.send(room, f"message {len(sent)}")]


def test_pushes_come_once(roles):
    gateway = Gateway()
    gateway.pause = 0.03
    alice, bob = roles.register(), roles.register()
    room = alice.create_room(preset="private_chat", invite=[bob.user_id])
    bob.join(room)
    alice.ok("POST", "/_matrix/client/v3/pushers/set", pusher(gateway))
    sent = replaced_in_between(roles, "pusher1", bob, room)
    until(lambda: gateway.events()[-1:] == sent[-1:])
    told = gateway.events()
    gateway.stop()
    assert told == sent and not gateway.problems


def test_a_bridge_is_sent_once(roles):
    bridge, service = roles.bridge, appservice.Service(roles, roles.bridge.registered)
    alice, ghost = roles.register(), service.ghost("_bridge_witness")
    room = alice.create_room(preset="public_chat")
    ghost.join(room)
    bridge.hold = 0.03
    sent = replaced_in_between(roles, "appservice1", alice, room)
    until(lambda: bridge.events()[-1]["event_id"] == sent[-1])
    assert [event["event_id"] for event in bridge.events() if event["event_id"] in sent] == sent
    assert len(bridge.tries) == len(set(bridge.tries)), "a transaction came twice"
    assert bridge.problems == []


def test_a_server_is_sent_once(roles, authority):
    """What was queued when the sender was replaced is made good as after an outage: by the latest event of the room, whose gap the
    other server fills. No transaction comes twice, and nothing out of order."""
    remote = Remote(authority)
    try:
        alice, room = shared_room(roles, remote)
        remote.pause = 0.03
        sent = replaced_in_between(roles, "federation_sender1", alice, room)
        came = lambda: [p["content"]["body"] for p in list(remote.pdus) if p["type"] == "m.room.message"]  # noqa: E731
        until(lambda: came()[-1:] == [f"message {len(sent) - 1}"])
        tries = [a.path for a in remote.asked if "/send/" in a.path and a.method == "PUT"]
        numbers = [int(body.removeprefix("message ")) for body in came()]
    finally:
        remote.stop()
    assert numbers == sorted(numbers), "an event came out of order"
    assert len(tries) == len(set(tries)), "a transaction came twice"


def test_the_directory_goes_on(roles):
    asking, base = roles.register(), roles.worker_url("user_dir1")
    names = [roles.register(f"listed{i}") for i in range(6)]

    def found():
        answer = asking.ok("POST", "/_matrix/client/v3/user_directory/search", {"search_term": "listed", "limit": 50}, base=base)
        return {r["user_id"] for r in answer["results"]}

    for i, user in enumerate(names):
        user.create_room(preset="public_chat")
        if i == 2:
            hand_over(roles, "user_dir1", lingers=True)
    until(lambda: found() == {u.user_id for u in names})


def test_the_frontend_proxy_is_replaced_between_requests(roles):
    alice, base = roles.register(), roles.worker_url("frontend_proxy1")
    connection = http.client.HTTPConnection("127.0.0.1", int(base.rpartition(":")[2]), timeout=60)
    for i in range(4):
        if i == 2:
            hand_over(roles, "frontend_proxy1", lingers=True)
        connection.request("POST", "/_matrix/client/v3/keys/upload", "{}", {"Authorization": f"Bearer {alice.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    connection.close()
